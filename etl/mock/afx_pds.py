"""The patients of the second study and those who resemble them, written out as register rows.

`afx_pds_cohort.csv` holds 60 invented patients with an atypical fibroxanthoma or a pleomorphic
dermal sarcoma, one row each; only this module reads it. Columns that end in `_day` are days from
the index date: of the local recurrence, the metastasis, the death, the departure, the tumour in the
cancer registry, and the metastasis as a hospital codes it; empty where there is none. A `twist` is
something beside the course that must change nothing, or the way in which it is told.

What the chain should find is worked out here from the row alone: no register row is read for it.
"""

import csv
import datetime as dt
from collections.abc import Callable
from pathlib import Path

from etl.mock import decoys
from etl.mock.decoys import Decoy, Kind, coded, given
from etl.mock.life import BIOPSY, DAY, EXCISION, Life, Registrar, Requisition
from etl.mock.patients import (
    END_OF_DATA,
    FAR_PLACE,
    METASTASIS_PLACES,
    MUNICIPALITIES,
    PLACES,
    RECURRENCE_BEHAVIOURS,
    birthday,
    clinical_row,
)

COHORT = Path(__file__).parent / "afx_pds_cohort.csv"
STUDY = "afx_pds"
FIBROXANTHOMA, SARCOMA = "atypical_fibroxanthoma", "pleomorphic_dermal_sarcoma"
CASE, METASTASIS = "M88303", "M88306"
# ICD-10, ICD-O-3 morphology and topography, as the cancer registry writes the tumour.
REGISTERED = ("C444", "88303", "C444")
FIRST_REVIEW = dt.date(2022, 3, 1)
DECOYS = decoys.Study(STUDY, CASE, SARCOMA, dt.date(2003, 1, 1), 17, 3, f"{STUDY} ")

Row = dict[str, str]


def write(registrar: Registrar) -> list[Life]:
    """The patients in the order of the file, then the decoys kind by kind."""
    with COHORT.open(encoding="utf-8", newline="") as file:
        courses = [_Course(registrar, row) for row in csv.DictReader(file)]
    for course in courses:
        course.write()
    return [course.life for course in courses] + decoys.write_kinds(registrar, DECOYS, KINDS)


class _Course:
    """One patient: what the file says, and how the registers tell it."""

    def __init__(self, registrar: Registrar, row: Row) -> None:
        self.registrar, self.row, self.nth = registrar, row, int(row["id"])
        self.index = dt.date.fromisoformat(row["index_date"])
        self.diagnosis, self.twist = row["entity"], row["twist"]
        self.other = SARCOMA if self.diagnosis == FIBROXANTHOMA else FIBROXANTHOMA
        self.recurrence, self.metastasis = self.day("recurrence"), self.day("metastasis")
        self.death, self.departure = self.day("death"), self.day("departure")
        self.end = min(day for day in (self.death, self.departure, END_OF_DATA) if day)
        self.place = self.index_place = PLACES[self.nth % len(PLACES)]
        self.recurrence_place = self.place
        self.invasion = {"1": 1, "0": 0, "": None}[row["invasion"]]
        self.size = float(row["size_mm"]) if row["size_mm"] else None
        born = birthday(self.index, int(row["age"]), int(row["days_since_birthday"]))
        self.life = registrar.life(
            f"{STUDY} patient {self.nth:02d}", "patient", is_male=row["sex"] == "male", born=born
        )
        self.life.study, self.life.verdict, self.life.index_date = STUDY, "included", self.index
        self.life.outcomes = {
            "metastasis": self.outcome(self.metastasis),
            "local_recurrence": self.outcome(self.recurrence),
        }
        self.life.factors = self.factors()
        self.life.twists = [self.twist] if self.twist else []

    def day(self, what: str) -> dt.date | None:
        """The date of a column of days; None where it is empty."""
        text = self.row[f"{what}_day"]
        return self.index + int(text) * DAY if text else None

    def outcome(self, day: dt.date | None) -> tuple[int | None, int | None, bool]:
        """(days, event code, prevalent) as the marts should say."""
        if day and day <= self.index:
            return None, None, True
        if day:
            return (day - self.index).days, 1, False
        return (self.end - self.index).days, 2 if self.end == self.death else 0, False

    def factors(self) -> dict[str, str | None]:
        """Level of each factor, by the words of the study's folder."""
        return {
            "entity": self.diagnosis.replace("_", " "),
            "size": None
            if self.size is None
            else "over 20 mm"
            if self.size > 20
            else "up to 20 mm",
            "margins": self.row["margins"] or None,
            "invasion": {1: "yes", 0: "no", None: None}[self.invasion],
            "sex": self.row["sex"],
            "age": "75 and over" if int(self.row["age"]) >= 75 else "under 75",
        }

    # ---------------------------------------------------------------- words of the rows below

    def tumour(
        self, days: int, *codes: str, place: str | None = None, k_inst: str | None = None
    ) -> Requisition:
        """A requisition so many days after the index date, at the index place unless said."""
        return self.registrar.requisition(
            self.life, self.index + days * DAY, place or self.index_place, *codes, k_inst=k_inst
        )

    def review(
        self, of: Requisition, diagnosis: str | None = None, on: dt.date | None = None
    ) -> None:
        """A review that says what the file says, with another diagnosis where one is given."""
        on = on or max(FIRST_REVIEW + self.nth * 13 % 400 * DAY, of.requested + 30 * DAY)
        diagnosis = diagnosis or self.diagnosis
        is_deep = diagnosis == SARCOMA
        self.registrar.review(
            self.life, of, diagnosis, on,
            size_mm=self.size,
            necrosis=int(is_deep and self.nth % 2 == 0),
            # Any known yes is a yes: of every second tumour only the vessels were looked at.
            perineural_invasion=None if self.invasion and self.nth % 2 == 0 else self.invasion,
            vascular_invasion=self.invasion,
            margins=self.row["margins"] or None,
            subcutaneous_extension=int(is_deep),
        )  # fmt: skip

    # ---------------------------------------------------------------- rows

    def write(self) -> None:
        life = self.life
        life.lives_at(MUNICIPALITIES[self.nth % len(MUNICIPALITIES)])
        INDEX_ROWS.get(self.twist, _index_rows)(self)
        LATER_ROWS.get(self.twist, _nothing)(self)
        if self.metastasis:
            place = METASTASIS_PLACES[self.nth % len(METASTASIS_PLACES)]
            on_skin = self.twist == "metastasis_on_skin"
            self.registrar.requisition(
                life, self.metastasis, FAR_PLACE if on_skin else place, METASTASIS, BIOPSY
            )
        if self.recurrence:
            behaviour = RECURRENCE_BEHAVIOURS[self.nth % len(RECURRENCE_BEHAVIOURS)]
            self.registrar.requisition(
                life, self.recurrence, self.recurrence_place, f"M8830{behaviour}", BIOPSY
            )
        if self.departure:
            DEPARTURES.get(self.twist, Life.emigrates)(life, self.departure)
            # What is found in Denmark afterwards does not count.
            self.tumour((self.departure - self.index).days + 30, CASE, BIOPSY)
        if self.death:
            life.dies(self.death)
        DEATHS.get(self.twist, _nothing)(self)
        self.tell_other_registers()

    def tell_other_registers(self) -> None:
        """The cancer registry's tumour and the hospital's metastasis, and where each is found."""
        life = self.life
        registered, coded_on = self.day("cancer_registry"), self.day("hospital")
        if registered:
            life.registered_cancers.append((registered, REGISTERED))
        is_near = registered and (registered - self.index).days <= 89
        life.cross_checks["cancer_registry"] = "both" if is_near else "cohort"
        if coded_on:
            life.metastases_in_hospital.append((coded_on, "0", "Nej"))
        if self.metastasis:
            life.cross_checks["metastasis"] = "both" if coded_on else "outcome"
        elif coded_on:
            life.cross_checks["metastasis"] = "hospital"


# -------------------------------------------------------------------- the index tumour


def _index_rows(c: _Course) -> None:
    c.review(c.tumour(0, CASE, EXCISION))


def _told_by_unspecific_place(c: _Course) -> None:
    """The recurrence is coded 'skin', which is any place."""
    c.recurrence_place = "T01000"
    _index_rows(c)


def _unspecific_index_place(c: _Course) -> None:
    """The first requisition says only 'skin'; the re-excision says where."""
    c.review(c.tumour(0, CASE, EXCISION, place="T01000"))
    c.tumour(20, CASE, EXCISION)


def _other_side_later(c: _Course) -> None:
    """The same place on the other side is another tumour."""
    c.index_place = "T0280A"
    _index_rows(c)
    c.tumour(300, CASE, BIOPSY, place="T0280B")


def _index_review_missing(c: _Course) -> None:
    """Nobody saw the first slides; the re-excision's review decides."""
    c.tumour(0, CASE, BIOPSY)
    c.review(c.tumour(45, CASE, EXCISION))


def _index_review_blank(c: _Course) -> None:
    c.registrar.review(c.life, c.tumour(0, CASE, BIOPSY), None)
    c.review(c.tumour(45, CASE, EXCISION))


def _reviewed_twice_as_the_other(c: _Course) -> None:
    """First taken for the other entity; the latest review counts."""
    first = c.tumour(0, CASE, EXCISION)
    c.review(first, c.other, dt.date(2021, 5, 3))
    c.review(first, c.diagnosis, dt.date(2021, 11, 8))


def _reexcision_reviewed_as_the_other(c: _Course) -> None:
    """The review of the first requisition decides on the lesion, and on the entity."""
    _index_rows(c)
    c.review(c.tumour(45, CASE, EXCISION), c.other)


def _unconfirmed_lesion_before(c: _Course) -> None:
    """Neither entity at the first look; on day 90 from then the same place is a new lesion."""
    c.review(c.tumour(-90, CASE, BIOPSY), "other")
    _index_rows(c)


def _codes_on_two_specimens(c: _Course) -> None:
    """Morphology and topography share the requisition, not the specimen."""
    c.review(c.registrar.requisition(c.life, c.index, specimens=[[c.place, BIOPSY], [CASE]]))


INDEX_ROWS: dict[str, Callable[[_Course], None]] = {
    "recurrence_told_by_unspecific_place": _told_by_unspecific_place,
    "unspecific_index_place": _unspecific_index_place,
    "other_side_later": _other_side_later,
    "index_review_missing": _index_review_missing,
    "index_review_blank": _index_review_blank,
    "reviewed_twice_as_the_other": _reviewed_twice_as_the_other,
    "reexcision_reviewed_as_the_other": _reexcision_reviewed_as_the_other,
    "unconfirmed_lesion_before": _unconfirmed_lesion_before,
    "codes_on_two_specimens": _codes_on_two_specimens,
}


# -------------------------------------------------------------------- beside the course


def _nothing(c: _Course) -> None:
    """The twist is told elsewhere."""


def _later(days: int, *codes: str, place: str | None = None) -> Callable[[_Course], None]:
    def write(c: _Course) -> None:
        c.tumour(days, *codes, place=place)

    return write


def _metastasis_found_after_death(c: _Course) -> None:
    """An autopsy on the day after is no outcome."""
    c.registrar.requisition(c.life, c.death + DAY, "T28000", METASTASIS, BIOPSY)


def _recurrence_after_end_of_data(c: _Course) -> None:
    c.tumour((END_OF_DATA - c.index).days + 9, CASE, BIOPSY)


def _uncertain_behaviour_later(c: _Course) -> None:
    """Behaviours 0 and 1 are other tumours."""
    c.tumour(250, "M88301", BIOPSY)
    c.tumour(300, "M88300", BIOPSY)


def _clinical_database_knows_more(c: _Course) -> None:
    """A row of this very tumour, with dates that the study does not ask for."""
    c.life.sarcomas.append(
        clinical_row(
            c.registrar,
            diagnosed=c.index,
            recurrence=c.index + 200 * DAY,
            metastasis=c.index + 300 * DAY,
            size_mm=c.size,
        )
    )


def _number_changed(c: _Course) -> None:
    c.registrar.change_number(c.life, c.index + 100 * DAY)


LATER_ROWS: dict[str, Callable[[_Course], None]] = {
    "reexcision_day_89": _later(89, CASE, EXCISION),
    "recurrence_code_day_89": _later(89, "M88304", BIOPSY),
    "second_primary_elsewhere": _later(400, CASE, EXCISION, place=FAR_PLACE),
    "obs_pro_later": _later(200, "M8830X", BIOPSY),
    "other_metastasis_later": _later(500, "M81406", BIOPSY, place="T28000"),
    "uncertain_behaviour_later": _uncertain_behaviour_later,
    "metastasis_found_after_death": _metastasis_found_after_death,
    "recurrence_after_end_of_data": _recurrence_after_end_of_data,
    "clinical_database_knows_more": _clinical_database_knows_more,
    "number_changed": _number_changed,
}


def _emigrates_and_returns(life: Life, day: dt.date) -> None:
    """Who returns does not come back in."""
    life.emigrates(day)
    life.returns(day + 400 * DAY)


DEPARTURES: dict[str, Callable[[Life, dt.date], None]] = {
    "disappears": Life.disappears,
    "moves_to_greenland": Life.moves_to_greenland,
    "emigrates_and_returns": _emigrates_and_returns,
}


def _certificate_of_another_day(c: _Course) -> None:
    """The civil register's day counts."""
    c.life.certificate = (c.death - 3 * DAY, c.death - 3 * DAY)
    c.life.cross_checks["death"] = "dates_differ"


def _no_certificate(c: _Course) -> None:
    c.life.has_certificate = False
    c.life.cross_checks["death"] = "not_in_cause_of_death_register"


def _dies_after_end_of_data(c: _Course) -> None:
    c.life.dies(END_OF_DATA + 20 * DAY)


DEATHS: dict[str, Callable[[_Course], None]] = {
    "certificate_of_another_day": _certificate_of_another_day,
    "no_certificate": _no_certificate,
    "dies_after_end_of_data": _dies_after_end_of_data,
}


# -------------------------------------------------------------------- those who resemble them


def _unreviewed_in_the_registry(d: Decoy) -> None:
    """Nobody saw the slides again; the cancer registry has the tumour as it was called then."""
    d.tumour(is_reviewed=False)
    d.life.registered_cancers.append((d.day, REGISTERED))
    d.life.cross_checks["cancer_registry"] = "cancer_registry"


def _diagnosed(diagnosis: str) -> Callable[[Decoy], None]:
    return lambda d: d.tumour(diagnosis=diagnosis)


def _confirmed_on_day(days: int) -> Callable[[Decoy], None]:
    """Another diagnosis at first, and a confirmed re-excision so many days later: up to day 89 the
    same lesion, on which the first review has decided.
    """

    def build(d: Decoy) -> None:
        d.tumour(diagnosis="other")
        d.tumour(d.day + days * DAY)

    return build


def _day_before_the_period(d: Decoy) -> None:
    d.tumour(dt.date(2001, 12, 31) - d.nth * 40 * DAY)


def _unreviewed_tumour_before_the_period(d: Decoy) -> None:
    """An earlier one nobody reviewed: a later primary does not bring the person back."""
    d.registrar.requisition(d.life, dt.date(2001, 5, 2) + d.nth * DAY, FAR_PLACE, CASE, EXCISION)
    d.tumour(dt.date(2006, 4, 4), place="T02120")


def _day_after_the_period(d: Decoy) -> None:
    d.tumour(dt.date(2023, 1, 1) + d.nth * 5 * DAY)


# (kind, the first criterion that fails, what makes such a person)
KINDS: tuple[Kind, ...] = (
    *decoys.UNSEEN,
    ("unreviewed_in_the_registry", "reviewable", _unreviewed_in_the_registry),
    ("other_on_review", "confirmed_afx_or_pds", _diagnosed("other")),
    ("leiomyosarcoma_on_review", "confirmed_afx_or_pds", _diagnosed("dermal_leiomyosarcoma")),
    ("latest_review_unconfirms", "confirmed_afx_or_pds", decoys.latest_review_unconfirms),
    ("confirmed_again_on_day_45", "confirmed_afx_or_pds", _confirmed_on_day(45)),
    ("confirmed_again_on_day_89", "confirmed_afx_or_pds", _confirmed_on_day(89)),
    ("day_before_the_period", "index_date_2002_2022", _day_before_the_period),
    ("unreviewed_tumour_before_the_period", "index_date_2002_2022",
     _unreviewed_tumour_before_the_period),
    ("day_after_the_period", "index_date_2002_2022", _day_after_the_period),
    *decoys.WHEREABOUTS,
    ("benign_fibrous_histiocytoma", "not_a_candidate", coded("T02402", "M88300", BIOPSY)),
    ("uncertain_behaviour", "not_a_candidate", coded("T02402", "M88301", BIOPSY)),
    ("obs_pro", "not_a_candidate", coded("T02120", "M8830X", BIOPSY)),
    ("subcutis", "not_a_candidate", coded("T03000", CASE, EXCISION)),
    ("metastasis_beneath_the_skin", "not_a_candidate", coded("T28000", METASTASIS, BIOPSY)),
    ("codes_on_two_requisitions", "not_a_candidate", decoys.codes_on_two_requisitions),
    ("blank_number", "no_person", given("", "quarantined:blank")),
    ("number_too_short", "no_person", given("61027513?", "quarantined:wrong_length")),
    ("unknown_to_cpr", "no_person", decoys.unknown_to_cpr),
    ("annulled", "no_person", decoys.annulled),
)  # fmt: skip
