"""Persons who are almost patients: every way into the flow and out of it again.

Each kind is written a handful of times with dates that differ. The verdict beside a kind is the
first criterion that must fail, or 'not_a_candidate' for those who must never be counted at all.
Those of the first study are here, and what any other study's decoys have in common with them.
"""

import datetime as dt
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from etl.mock.life import BIOPSY, DAY, EXCISION, Life, Registrar, Requisition
from etl.mock.patients import CASE, END_OF_DATA, MUNICIPALITIES, PLACES

EACH = 6
CONFIRMED = "dermal_leiomyosarcoma"
THE_STUDYS_OWN = "the study's own"
# (name, the first criterion that fails, what makes such a person)
Kind = tuple[str, str, Callable[["Decoy"], None]]


@dataclass(frozen=True)
class Study:
    """What the decoys of one study are like: the tumour, the years, and how many of each kind."""

    name: str
    morphology: str  # of a primary tumour, with its behaviour
    confirmed: str  # the diagnosis on review
    first_day: dt.date
    years: int  # of 365 days from the first day, over which index dates are spread
    each: int
    prefix: str = ""  # before the names of its lives, which are told apart by them

    @property
    def metastasis(self) -> str:
        """The morphology of a metastasis of the tumour."""
        return f"{self.morphology[:-1]}6"


DLMS = Study("dlms", CASE, CONFIRMED, dt.date(1990, 1, 1), 30, EACH)


def write(registrar: Registrar) -> list[Life]:
    """All decoys of the first study, kind by kind."""
    return write_kinds(registrar, DLMS, KINDS)


def write_kinds(registrar: Registrar, study: Study, kinds: tuple[Kind, ...]) -> list[Life]:
    """Decoys of a study, kind by kind."""
    return [life for kind in kinds for life in _kind(registrar, study, *kind)]


def _kind(
    registrar: Registrar, study: Study, name: str, verdict: str, build: Callable[["Decoy"], None]
) -> Iterator[Life]:
    for nth in range(study.each):
        decoy = Decoy(registrar, study, name, nth)
        build(decoy)
        decoy.life.study, decoy.life.verdict = study.name, verdict
        yield decoy.life


class Decoy:
    """A person in the making, with the words that the kinds below are written in."""

    def __init__(self, registrar: Registrar, study: Study, kind: str, nth: int) -> None:
        self.registrar, self.study, self.nth = registrar, study, nth
        rng = registrar.rng
        self.day = study.first_day + int(rng.integers(0, study.years * 365)) * DAY
        # Grown up in every year that the kinds below write about.
        born = dt.date(1920, 1, 1) + int(rng.integers(0, 30 * 365)) * DAY
        name = f"{study.prefix}{kind} {nth + 1}"
        self.life = registrar.life(name, kind, is_male=bool(rng.random() < 0.7), born=born)
        self.life.lives_at(registrar.pick(*MUNICIPALITIES))
        self.place = registrar.pick(*PLACES)

    def tumour(
        self, day: dt.date | None = None, *, place: str | None = None,
        morphology: str | None = None, diagnosis: str | None = THE_STUDYS_OWN,
        is_reviewed: bool = True,
    ) -> Requisition:  # fmt: skip
        """A requisition and its review, by default a confirmed primary tumour of the study; the
        first one gives the index date. `diagnosis` None is a blank review.
        """
        day = day or self.day
        diagnosis = self.study.confirmed if diagnosis == THE_STUDYS_OWN else diagnosis
        requisition = self.registrar.requisition(
            self.life, day, place or self.place, morphology or self.study.morphology, EXCISION
        )
        if self.life.index_date is None:
            self.life.index_date = day
        if is_reviewed:
            self.registrar.review(
                self.life, requisition, diagnosis,
                **({"necrosis": 0, "mitotic_grade": 1, "margins": "negative"} if diagnosis else {}),
            )  # fmt: skip
        return requisition


# -------------------------------------------------------------------- out at each step


def _only_metastases(d: Decoy) -> None:
    """Without a primary tumour there is no index date."""
    d.tumour(morphology=d.study.metastasis, is_reviewed=d.nth % 2 == 0)
    d.life.index_date = None


def _visceral_with_skin_metastasis(d: Decoy) -> None:
    d.registrar.requisition(d.life, d.day - 200 * DAY, "T82000", d.study.morphology, EXCISION)
    d.tumour(morphology=d.study.metastasis, is_reviewed=False)
    d.life.index_date = None


def _without_review(d: Decoy) -> None:
    d.tumour(is_reviewed=False)


def _blank_review(d: Decoy) -> None:
    d.tumour(diagnosis=None)


def _review_of_metastasis_only(d: Decoy) -> None:
    d.tumour(is_reviewed=False)
    d.tumour(d.day + 300 * DAY, morphology=d.study.metastasis)


def other_diagnosis(diagnosis: str) -> Callable[[Decoy], None]:
    return lambda d: d.tumour(diagnosis=diagnosis)


def latest_review_unconfirms(d: Decoy) -> None:
    requisition = d.registrar.requisition(d.life, d.day, d.place, d.study.morphology, BIOPSY)
    d.life.index_date = d.day
    d.registrar.review(d.life, requisition, d.study.confirmed, dt.date(2021, 3, 1), necrosis=0)
    d.registrar.review(d.life, requisition, "leiomyoma", dt.date(2021, 9, 1), necrosis=0)


def _day_before_the_period(d: Decoy) -> None:
    d.tumour(dt.date(1979, 12, 31) - d.nth * 40 * DAY)


def _unreviewed_tumour_before_the_period(d: Decoy) -> None:
    """An earlier one nobody reviewed: a later primary does not bring the person back."""
    d.registrar.requisition(d.life, dt.date(1978, 5, 2) + d.nth * DAY, "T02480", CASE, EXCISION)
    d.tumour(dt.date(1984, 4, 4), place="T02120")


def _after_the_period(d: Decoy) -> None:
    d.tumour(dt.date(2023, 1, 1) + d.nth * 5 * DAY)


def _emigrated_before(d: Decoy) -> None:
    d.life.emigrates(d.day - (1 + d.nth * 100) * DAY)
    d.tumour()


def _emigrated_by_status_only(d: Decoy) -> None:
    """The address history says nothing; the status does."""
    d.life.leaves_address(d.day - 300 * DAY)
    d.life.status, d.life.status_date = "80", d.day - 300 * DAY
    d.tumour()


def _immigrated_later(d: Decoy) -> None:
    d.life.addresses.clear()
    d.life.lives_at("101", d.day + (1 + d.nth * 50) * DAY)
    d.tumour()


def _lived_in_greenland(d: Decoy) -> None:
    d.life.moves_to_greenland(d.day - (10 + d.nth * 100) * DAY)
    d.tumour()


def _disappeared_before(d: Decoy) -> None:
    d.life.disappears(d.day - (1 + d.nth * 30) * DAY)
    d.tumour()


def _number_for_tax_only(d: Decoy) -> None:
    d.life.addresses.clear()
    d.life.status = "20"
    d.tumour()


def _died_on_the_index_date(d: Decoy) -> None:
    d.tumour()
    d.life.dies(d.day)


def _died_before_the_index_date(d: Decoy) -> None:
    """Two have only a certificate of it, one as found dead: the civil register knows nothing."""
    d.tumour()
    day = d.day - (1 + d.nth) * DAY
    if d.nth < d.study.each - 2:
        d.life.dies(day)
    else:
        d.life.certificate = (day, None) if d.nth == d.study.each - 2 else (None, day)
        d.life.cross_checks["death"] = "not_in_civil_register"


def _on_the_last_day(d: Decoy) -> None:
    d.tumour(END_OF_DATA)


def _left_on_the_index_date(d: Decoy) -> None:
    d.tumour()
    [Life.emigrates, Life.disappears, Life.moves_to_greenland][d.nth % 3](d.life, d.day)


# -------------------------------------------------------------------- never candidates


def coded(*codes: str) -> Callable[[Decoy], None]:
    def build(d: Decoy) -> None:
        d.registrar.requisition(d.life, d.day, *codes)

    return build


def codes_on_two_requisitions(d: Decoy) -> None:
    d.registrar.requisition(d.life, d.day, d.place, "M80703", BIOPSY)
    d.registrar.requisition(d.life, d.day, "T82000", d.study.morphology, BIOPSY)


def _number_used_again_by_another_laboratory(d: Decoy) -> None:
    """Same requisition number in two laboratories: together they would look like a case."""
    number = f"95L{d.nth:05d}"
    d.registrar.requisition(d.life, d.day, d.place, BIOPSY, k_inst="4202220", k_rekvnr=number)
    d.registrar.requisition(d.life, d.day, "T83000", CASE, k_inst="6630130", k_rekvnr=number)


# -------------------------------------------------------------------- requisitions of nobody


def given(number: str, expected: str) -> Callable[[Decoy], None]:
    """A candidate requisition under a number that cannot be one, or is not in CPR."""

    def build(d: Decoy) -> None:
        d.registrar.requisition(
            d.life, d.day, d.place, d.study.morphology, EXCISION,
            number_as_given=number.replace("?", str(d.nth)), expected=expected,
        )  # fmt: skip

    return build


def unknown_to_cpr(d: Decoy) -> None:
    d.life.is_in_cpr = False
    d.tumour(is_reviewed=False)


def annulled(d: Decoy) -> None:
    d.life.status = "30"
    d.tumour(is_reviewed=False)


def _cycle(d: Decoy) -> None:
    """Two numbers that each say the other took its place."""
    d.registrar.change_number(d.life, d.day + 100 * DAY)
    d.life.status = "cycle"
    d.tumour(is_reviewed=False)


def _replaced_by_nobody(d: Decoy) -> None:
    """The number that should have taken its place was never delivered."""
    d.registrar.change_number(d.life, d.day + 100 * DAY)
    d.life.status = "missing"
    d.tumour(is_reviewed=False)


# Out before the review says anything: the same in every study.
UNSEEN: tuple[Kind, ...] = (
    ("only_metastases", "primary_tumour", _only_metastases),
    ("visceral_with_skin_metastasis", "primary_tumour", _visceral_with_skin_metastasis),
    ("without_review", "reviewable", _without_review),
    ("blank_review", "reviewable", _blank_review),
    ("review_of_metastasis_only", "reviewable", _review_of_metastasis_only),
)

# Out by where they lived, by their death or by the end of data: the same in every study.
WHEREABOUTS: tuple[Kind, ...] = (
    ("emigrated_before", "resident", _emigrated_before),
    ("emigrated_by_status_only", "resident", _emigrated_by_status_only),
    ("immigrated_later", "resident", _immigrated_later),
    ("lived_in_greenland", "resident", _lived_in_greenland),
    ("disappeared_before", "resident", _disappeared_before),
    ("number_for_tax_only", "resident", _number_for_tax_only),
    ("died_on_the_index_date", "not_found_at_autopsy", _died_on_the_index_date),
    ("died_before_the_index_date", "not_found_at_autopsy", _died_before_the_index_date),
    ("on_the_last_day", "followed_for_a_day", _on_the_last_day),
    ("left_on_the_index_date", "followed_for_a_day", _left_on_the_index_date),
)

KINDS: tuple[Kind, ...] = (
    *UNSEEN,
    ("subcutaneous_on_review", "confirmed_dlms", other_diagnosis("subcutaneous_leiomyosarcoma")),
    ("atypical_neoplasm_on_review", "confirmed_dlms",
     other_diagnosis("atypical_intradermal_smooth_muscle_neoplasm")),
    ("leiomyoma_on_review", "confirmed_dlms", other_diagnosis("leiomyoma")),
    ("fibroxanthoma_on_review", "confirmed_dlms", other_diagnosis("atypical_fibroxanthoma")),
    ("other_on_review", "confirmed_dlms", other_diagnosis("other")),
    ("latest_review_unconfirms", "confirmed_dlms", latest_review_unconfirms),
    ("before_the_period", "index_date_1980_2022", _day_before_the_period),
    ("unreviewed_tumour_before_the_period", "index_date_1980_2022",
     _unreviewed_tumour_before_the_period),
    ("after_the_period", "index_date_1980_2022", _after_the_period),
    *WHEREABOUTS,
    ("benign_leiomyoma", "not_a_candidate", coded("T02612", "M88900", BIOPSY)),
    ("cellular_leiomyoma", "not_a_candidate", coded("T02612", "M88920", BIOPSY)),
    ("subcutis", "not_a_candidate", coded("T03000", CASE, EXCISION)),
    ("uterus", "not_a_candidate", coded("T82000", CASE, EXCISION)),
    ("obs_pro", "not_a_candidate", coded("T02120", "M8890X", BIOPSY)),
    ("uncertain_behaviour", "not_a_candidate", coded("T02120", "M88971", BIOPSY)),
    ("other_sarcoma_of_the_skin", "not_a_candidate", coded("T02480", "M88323", EXCISION)),
    ("codes_on_two_requisitions", "not_a_candidate", codes_on_two_requisitions),
    ("number_used_again_by_another_laboratory", "not_a_candidate",
     _number_used_again_by_another_laboratory),
    ("blank_number", "no_person", given("", "quarantined:blank")),
    ("unknown_number", "no_person", given("0000000000", "quarantined:unknown_number")),
    ("number_too_short", "no_person", given("61027512?", "quarantined:wrong_length")),
    ("number_with_an_impossible_date", "no_person",
     given("913150123?", "quarantined:impossible_date")),
    ("replacement_number", "no_person", given("6102751QX?", "unlinked:unknown_to_cpr")),
    ("unknown_to_cpr", "no_person", unknown_to_cpr),
    ("annulled", "no_person", annulled),
    ("numbers_in_a_cycle", "no_person", _cycle),
    ("replaced_by_nobody", "no_person", _replaced_by_nobody),
)  # fmt: skip
