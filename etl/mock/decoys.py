"""Persons who are almost patients: every way into the flow and out of it again.

Each kind is written `EACH` times with dates that differ. The verdict beside a kind is the first
criterion that must fail, or 'not_a_candidate' for those who must never be counted at all.
"""

import datetime as dt
from collections.abc import Callable, Iterator

from etl.mock.life import BIOPSY, DAY, EXCISION, Life, Registrar
from etl.mock.patients import CASE, END_OF_DATA, MUNICIPALITIES, PLACES

EACH = 6
CONFIRMED = "dermal_leiomyosarcoma"


def write(registrar: Registrar) -> list[Life]:
    """All decoys, kind by kind."""
    return [life for kind in KINDS for life in _kind(registrar, *kind)]


def _kind(
    registrar: Registrar, name: str, verdict: str, build: Callable[["_Decoy"], None]
) -> Iterator[Life]:
    for nth in range(EACH):
        decoy = _Decoy(registrar, f"{name} {nth + 1}", name, nth)
        build(decoy)
        decoy.life.verdict = verdict
        yield decoy.life


class _Decoy:
    """A person in the making, with the words that the kinds below are written in."""

    def __init__(self, registrar: Registrar, name: str, kind: str, nth: int) -> None:
        self.registrar, self.nth = registrar, nth
        rng = registrar.rng
        self.day = dt.date(1990, 1, 1) + int(rng.integers(0, 30 * 365)) * DAY
        # Grown up in every year that the kinds below write about.
        born = dt.date(1920, 1, 1) + int(rng.integers(0, 30 * 365)) * DAY
        self.life = registrar.life(name, kind, is_male=bool(rng.random() < 0.7), born=born)
        self.life.lives_at(registrar.pick(*MUNICIPALITIES))
        self.place = registrar.pick(*PLACES)

    def tumour(
        self, day: dt.date | None = None, *, place: str | None = None, morphology: str = CASE,
        diagnosis: str | None = CONFIRMED, is_reviewed: bool = True,
    ) -> None:  # fmt: skip
        """A requisition and its review; the first one gives the index date."""
        day = day or self.day
        requisition = self.registrar.requisition(
            self.life, day, place or self.place, morphology, EXCISION
        )
        if self.life.index_date is None:
            self.life.index_date = day
        if is_reviewed:
            self.registrar.review(
                self.life, requisition, diagnosis,
                **({"necrosis": 0, "mitotic_grade": 1, "margins": "negative"} if diagnosis else {}),
            )  # fmt: skip


# -------------------------------------------------------------------- out at each step


def _only_metastases(d: _Decoy) -> None:
    """Without a primary tumour there is no index date."""
    d.tumour(morphology="M88906", is_reviewed=d.nth % 2 == 0)
    d.life.index_date = None


def _visceral_with_skin_metastasis(d: _Decoy) -> None:
    d.registrar.requisition(d.life, d.day - 200 * DAY, "T82000", CASE, EXCISION)
    d.tumour(morphology="M88906", is_reviewed=False)
    d.life.index_date = None


def _without_review(d: _Decoy) -> None:
    d.tumour(is_reviewed=False)


def _blank_review(d: _Decoy) -> None:
    d.tumour(diagnosis=None)


def _review_of_metastasis_only(d: _Decoy) -> None:
    d.tumour(is_reviewed=False)
    d.tumour(d.day + 300 * DAY, morphology="M88906")


def _other_diagnosis(diagnosis: str) -> Callable[[_Decoy], None]:
    return lambda d: d.tumour(diagnosis=diagnosis)


def _latest_review_unconfirms(d: _Decoy) -> None:
    requisition = d.registrar.requisition(d.life, d.day, d.place, CASE, BIOPSY)
    d.life.index_date = d.day
    d.registrar.review(d.life, requisition, CONFIRMED, dt.date(2021, 3, 1), necrosis=0)
    d.registrar.review(d.life, requisition, "leiomyoma", dt.date(2021, 9, 1), necrosis=0)


def _day_before_the_period(d: _Decoy) -> None:
    d.tumour(dt.date(1979, 12, 31) - d.nth * 40 * DAY)


def _unreviewed_tumour_before_the_period(d: _Decoy) -> None:
    """An earlier one nobody reviewed: a later primary does not bring the person back."""
    d.registrar.requisition(d.life, dt.date(1978, 5, 2) + d.nth * DAY, "T02480", CASE, EXCISION)
    d.tumour(dt.date(1984, 4, 4), place="T02120")


def _after_the_period(d: _Decoy) -> None:
    d.tumour(dt.date(2023, 1, 1) + d.nth * 5 * DAY)


def _emigrated_before(d: _Decoy) -> None:
    d.life.emigrates(d.day - (1 + d.nth * 100) * DAY)
    d.tumour()


def _emigrated_by_status_only(d: _Decoy) -> None:
    """The address history says nothing; the status does."""
    d.life.leaves_address(d.day - 300 * DAY)
    d.life.status, d.life.status_date = "80", d.day - 300 * DAY
    d.tumour()


def _immigrated_later(d: _Decoy) -> None:
    d.life.addresses.clear()
    d.life.lives_at("101", d.day + (1 + d.nth * 50) * DAY)
    d.tumour()


def _lived_in_greenland(d: _Decoy) -> None:
    d.life.moves_to_greenland(d.day - (10 + d.nth * 100) * DAY)
    d.tumour()


def _disappeared_before(d: _Decoy) -> None:
    d.life.disappears(d.day - (1 + d.nth * 30) * DAY)
    d.tumour()


def _number_for_tax_only(d: _Decoy) -> None:
    d.life.addresses.clear()
    d.life.status = "20"
    d.tumour()


def _died_on_the_index_date(d: _Decoy) -> None:
    d.tumour()
    d.life.dies(d.day)


def _died_before_the_index_date(d: _Decoy) -> None:
    """Two have only a certificate of it, one as found dead: the civil register knows nothing."""
    d.tumour()
    day = d.day - (1 + d.nth) * DAY
    if d.nth < EACH - 2:
        d.life.dies(day)
    else:
        d.life.certificate = (day, None) if d.nth == EACH - 2 else (None, day)
        d.life.cross_checks["death"] = "not_in_civil_register"


def _on_the_last_day(d: _Decoy) -> None:
    d.tumour(END_OF_DATA)


def _left_on_the_index_date(d: _Decoy) -> None:
    d.tumour()
    [Life.emigrates, Life.disappears, Life.moves_to_greenland][d.nth % 3](d.life, d.day)


# -------------------------------------------------------------------- never candidates


def _coded(*codes: str) -> Callable[[_Decoy], None]:
    def build(d: _Decoy) -> None:
        d.registrar.requisition(d.life, d.day, *codes)

    return build


def _codes_on_two_requisitions(d: _Decoy) -> None:
    d.registrar.requisition(d.life, d.day, d.place, "M80703", BIOPSY)
    d.registrar.requisition(d.life, d.day, "T82000", CASE, BIOPSY)


def _number_used_again_by_another_laboratory(d: _Decoy) -> None:
    """Same requisition number in two laboratories: together they would look like a case."""
    number = f"95L{d.nth:05d}"
    d.registrar.requisition(d.life, d.day, d.place, BIOPSY, k_inst="4202220", k_rekvnr=number)
    d.registrar.requisition(d.life, d.day, "T83000", CASE, k_inst="6630130", k_rekvnr=number)


# -------------------------------------------------------------------- requisitions of nobody


def _given(number: str, expected: str) -> Callable[[_Decoy], None]:
    """A candidate requisition under a number that cannot be one, or is not in CPR."""

    def build(d: _Decoy) -> None:
        d.registrar.requisition(
            d.life, d.day, d.place, CASE, EXCISION,
            number_as_given=number.replace("?", str(d.nth)), expected=expected,
        )  # fmt: skip

    return build


def _unknown_to_cpr(d: _Decoy) -> None:
    d.life.is_in_cpr = False
    d.tumour(is_reviewed=False)


def _annulled(d: _Decoy) -> None:
    d.life.status = "30"
    d.tumour(is_reviewed=False)


def _cycle(d: _Decoy) -> None:
    """Two numbers that each say the other took its place."""
    d.registrar.change_number(d.life, d.day + 100 * DAY)
    d.life.status = "cycle"
    d.tumour(is_reviewed=False)


def _replaced_by_nobody(d: _Decoy) -> None:
    """The number that should have taken its place was never delivered."""
    d.registrar.change_number(d.life, d.day + 100 * DAY)
    d.life.status = "missing"
    d.tumour(is_reviewed=False)


KINDS: tuple[tuple[str, str, Callable[[_Decoy], None]], ...] = (
    ("only_metastases", "primary_tumour", _only_metastases),
    ("visceral_with_skin_metastasis", "primary_tumour", _visceral_with_skin_metastasis),
    ("without_review", "reviewable", _without_review),
    ("blank_review", "reviewable", _blank_review),
    ("review_of_metastasis_only", "reviewable", _review_of_metastasis_only),
    ("subcutaneous_on_review", "confirmed_dlms", _other_diagnosis("subcutaneous_leiomyosarcoma")),
    ("atypical_neoplasm_on_review", "confirmed_dlms",
     _other_diagnosis("atypical_intradermal_smooth_muscle_neoplasm")),
    ("leiomyoma_on_review", "confirmed_dlms", _other_diagnosis("leiomyoma")),
    ("fibroxanthoma_on_review", "confirmed_dlms", _other_diagnosis("atypical_fibroxanthoma")),
    ("other_on_review", "confirmed_dlms", _other_diagnosis("other")),
    ("latest_review_unconfirms", "confirmed_dlms", _latest_review_unconfirms),
    ("before_the_period", "index_date_1980_2022", _day_before_the_period),
    ("unreviewed_tumour_before_the_period", "index_date_1980_2022",
     _unreviewed_tumour_before_the_period),
    ("after_the_period", "index_date_1980_2022", _after_the_period),
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
    ("benign_leiomyoma", "not_a_candidate", _coded("T02612", "M88900", BIOPSY)),
    ("cellular_leiomyoma", "not_a_candidate", _coded("T02612", "M88920", BIOPSY)),
    ("subcutis", "not_a_candidate", _coded("T03000", CASE, EXCISION)),
    ("uterus", "not_a_candidate", _coded("T82000", CASE, EXCISION)),
    ("obs_pro", "not_a_candidate", _coded("T02120", "M8890X", BIOPSY)),
    ("uncertain_behaviour", "not_a_candidate", _coded("T02120", "M88971", BIOPSY)),
    ("other_sarcoma_of_the_skin", "not_a_candidate", _coded("T02480", "M88323", EXCISION)),
    ("codes_on_two_requisitions", "not_a_candidate", _codes_on_two_requisitions),
    ("number_used_again_by_another_laboratory", "not_a_candidate",
     _number_used_again_by_another_laboratory),
    ("blank_number", "no_person", _given("", "quarantined:blank")),
    ("unknown_number", "no_person", _given("0000000000", "quarantined:unknown_number")),
    ("number_too_short", "no_person", _given("61027512?", "quarantined:wrong_length")),
    ("number_with_an_impossible_date", "no_person",
     _given("913150123?", "quarantined:impossible_date")),
    ("replacement_number", "no_person", _given("6102751QX?", "unlinked:unknown_to_cpr")),
    ("unknown_to_cpr", "no_person", _unknown_to_cpr),
    ("annulled", "no_person", _annulled),
    ("numbers_in_a_cycle", "no_person", _cycle),
    ("replaced_by_nobody", "no_person", _replaced_by_nobody),
)  # fmt: skip
