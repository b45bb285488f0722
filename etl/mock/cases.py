"""Named persons at the edges: who each is, what is odd, and what must come of it.

The lives themselves are written in patients.py and decoys.py. Here some of them have a name, and
the verdict is written beside them a second time, by hand, so that it is not taken from what it is
there to check. Included persons are patients of the study's file, whose days of follow-up it gives.
"""

from dataclasses import dataclass

from etl.mock.life import Life

CENSORED, OUTCOME, DIED, PREVALENT = "0", "1", "2", "prevalent"


@dataclass(frozen=True)
class Case:
    """One person. `verdict` is 'included', the criterion that fails first, 'not_a_candidate' or
    'no_person'; `link` is 'linked' or why the number leads to nobody.

    `metastasis` and `local_recurrence` are (days of follow-up, how it ended); no days and
    'prevalent' where the outcome was there before.
    """

    name: str
    life: str  # the name in persons.csv
    odd: str
    verdict: str
    link: str = "linked"
    metastasis: tuple[int | None, str] | None = None
    local_recurrence: tuple[int | None, str] | None = None
    twist: str | None = None  # given to this patient whatever the seed


def _in(
    name: str, patient: int, twist: str | None, odd: str,
    metastasis: tuple[int | None, str], local_recurrence: tuple[int | None, str] | None = None,
) -> Case:  # fmt: skip
    return Case(
        name, f"patient {patient:03d}", odd, "included", "linked", metastasis,
        local_recurrence or metastasis, twist,
    )  # fmt: skip


def _out(name: str, kind: str, nth: int, verdict: str, odd: str) -> Case:
    return Case(name, f"{kind} {nth}", odd, verdict)


def _nobody(name: str, kind: str, link: str, odd: str) -> Case:
    return Case(name, f"{kind} 1", odd, "no_person", link)


CASES = (
    # In, and followed to the day that is written here.
    _in("Abel", 1, "recurrence_told_by_unspecific_place",
        "The recurrence is coded 'skin', which is any place.", (7699, CENSORED), (200, OUTCOME)),
    _in("Birgit", 3, None, "Emigrates; what is found in Denmark afterwards does not count.",
        (None, PREVALENT), (900, CENSORED)),
    _in("Carsten", 5, None, "Disappears; the status alone says when.",
        (None, PREVALENT), (1000, CENSORED)),
    _in("Dorthe", 20, None, "Moves to Greenland, where the register does not follow.",
        (250, CENSORED)),
    _in("Erik", 21, None, "Emigrates and comes back: who returns does not come back in.",
        (400, CENSORED)),
    _in("Frida", 7, "dies_after_end_of_data", "Dies 20 days after the end of data: censored.",
        (3601, CENSORED)),
    _in("Gunnar", 57, "recurrence_after_end_of_data", "Recurs nine days after the end of data.",
        (5693, CENSORED)),
    _in("Helle", 24, "metastasis_found_after_death",
        "The metastasis was found the day after the death: an autopsy is no outcome.",
        (1526, DIED)),
    _in("Ivar", 9, "certificate_of_another_day",
        "The certificate says three days earlier; the civil register's day counts.", (513, DIED)),
    _in("Jytte", 12, "no_certificate", "Dead by the civil register alone.",
        (3150, DIED), (110, OUTCOME)),
    _in("Kaj", 26, "reexcision_day_89", "Cut again on day 89, the last that is the same tumour.",
        (3658, DIED)),
    _in("Lene", 36, "recurrence_code_before_day_90",
        "Coded as recurrence on day 45: too early to be one.", (8186, CENSORED)),
    _in("Mogens", 27, "second_primary_elsewhere", "A second tumour elsewhere is no recurrence.",
        (5445, CENSORED)),
    _in("Nanna", 31, "obs_pro_later", "Suspected at the place later, and not found.", (1538, DIED)),
    _in("Ove", 34, "other_metastasis_later", "Another cancer's metastasis.", (2785, DIED)),
    _in("Pia", 51, "codes_on_two_specimens",
        "Place and kind of tumour stand on two specimens of one requisition.",
        (150, OUTCOME), (693, DIED)),
    _in("Rasmus", 75, "reviewed_twice", "Benign at the first review; the latest counts.",
        (7479, CENSORED)),
    _in("Signe", 108, "two_laboratories_on_the_index_date",
        "Two laboratories on the index date; the first by number decides.", (4477, DIED)),
    _in("Troels", 41, "annulled_departure", "A departure that was annulled never was.",
        (1454, DIED)),
    _in("Ulla", 165, "stay_abroad_that_never_ended",
        "Went abroad long before, and nobody told of the return; the next address does.",
        (3031, CENSORED)),
    # Out, each at the step that is written here.
    _out("Viggo", "emigrated_before", 1, "resident", "Left on the day before the index date."),
    _out("Winnie", "left_on_the_index_date", 1, "followed_for_a_day",
         "Left on the index date: resident, and not followed for a day."),
    _out("Xenia", "immigrated_later", 1, "resident", "Came on the day after the index date."),
    _out("Yrsa", "number_for_tax_only", 1, "resident", "Has a number to pay taxes with."),
    _out("Zenia", "died_before_the_index_date", 6, "not_found_at_autopsy",
         "Dead by a certificate alone, which knows only the day found."),
    _out("Ægir", "before_the_period", 1, "index_date_1980_2022",
         "Diagnosed on 31 December 1979."),
    _out("Øjvind", "on_the_last_day", 1, "followed_for_a_day", "Diagnosed on the last day."),
    _out("Åse", "number_used_again_by_another_laboratory", 1, "not_a_candidate",
         "Two laboratories used one number: together they would look like a case."),
    # Nobody, for a reason.
    _nobody("Anonymous", "unknown_to_cpr", "unknown_to_cpr", "A number that CPR does not hold."),
    _nobody("Annulled", "annulled", "annulled", "A number that was annulled."),
    _nobody("Ouroboros", "numbers_in_a_cycle", "cycle", "Two numbers, each in place of the other."),
    _nobody("Dangling", "replaced_by_nobody", "missing_current_number",
            "A number replaced by one that was never delivered."),
)  # fmt: skip


def twists() -> dict[str, str]:
    """Patient → the twist that a named case gives to it."""
    return {case.life: case.twist for case in CASES if case.twist}


def name(lives: list[Life]) -> None:
    """Write the names into the lives. Every case must be there: a life renamed is a case lost."""
    by_name = {life.name: life for life in lives}
    for case in CASES:
        by_name[case.life].case = case.name
