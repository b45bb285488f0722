"""The second opinion itself: persons with answers worked out by hand, one rule at a time."""

import csv
import dataclasses
import tomllib
from datetime import date, timedelta

import pytest
import yaml

from etl.settings import CHECKOUT
from tests import generated_persons
from tests.evaluator import (
    AFX_PDS,
    DLMS,
    PREVALENT,
    Outcome,
    evaluate,
    evaluate_all,
    has_diagnosis,
    is_same_place,
)
from tests.variant_studies import VARIANTS

COMPLETE_TO = {"cpr": date(2023, 6, 30), "patobank": date(2023, 6, 30)}
INDEX = date(2005, 3, 10)
LAST_DAY = date(2022, 12, 31)
DLMS_DIAGNOSIS = "dermal_leiomyosarcoma"


def on(day: int) -> date:
    """The date that many days after the index date."""
    return INDEX + timedelta(days=day)


def pato(day: date | int, *codes: str, number: str = "", lab: str = "4202220") -> list[dict]:
    """The rows of one requisition, every code on a specimen of its own."""
    day = on(day) if isinstance(day, int) else day
    number = number or f"R{day:%Y%m%d}"
    return [
        {
            "k_inst": lab,
            "k_rekvnr": number,
            "k_matnr": specimen,
            "k_sekvensnr": 1,
            "d_rekvdato": day,
            "snomed": code,
        }
        for specimen, code in enumerate(codes, start=1)
    ]


def review(
    day: date | int = 0,
    who_diagnosis: str | None = DLMS_DIAGNOSIS,
    *,
    number: str = "",
    lab: str = "4202220",
    reviewed_on: date | None = date(2023, 1, 1),
    record_id: str = "1",
    **factors,
) -> dict:
    """A review of the requisition of that day."""
    day = on(day) if isinstance(day, int) else day
    values = {
        "size_mm": 12.0,
        "necrosis": 0,
        "mitotic_grade": 1,
        "perineural_invasion": 0,
        "vascular_invasion": 0,
        "margins": "negative",
        "subcutaneous_extension": 0,
    }
    return {
        "record_id": record_id,
        "k_inst": lab,
        "k_rekvnr": number or f"R{day:%Y%m%d}",
        "reviewed_on": reviewed_on,
        "who_diagnosis": who_diagnosis,
        **values,
        **factors,
    }


def address(start: date | None, end: date | None = None, place="101", correction=None) -> dict:
    return {"municipality": place, "moved_in": start, "moved_out": end, "correction": correction}


def stay(left: date, returned: date | None = None, correction=None) -> dict:
    return {"departure": left, "return": returned, "correction": correction}


def sarcoma(diagnosed: int, recurrence: int | None = None, metastasis: int | None = None) -> dict:
    return {
        "diagnosis_date": on(diagnosed),
        "local_recurrence_date": None if recurrence is None else on(recurrence),
        "metastasis_date": None if metastasis is None else on(metastasis),
    }


def person(*pathology: list[dict], **changes) -> dict:
    """A resident with a confirmed tumour on the cheek on INDEX, unless told otherwise."""
    rows = [row for requisition in pathology for row in requisition]
    born = changes.pop("born", date(1940, 1, 1))
    status, since = changes.pop("status", "01"), changes.pop("since", born)
    return {
        "id": 1,
        "cpr": {"sex": "M", "status": status, "birth_date": born, "status_date": since},
        "addresses": [address(born)],
        "abroad": [],
        "pathology": rows or pato(0, "M88903", "T02121"),
        "reviews": [review()],
        "dsd": [],
        **changes,
    }


def verdict(*pathology, complete_to=COMPLETE_TO, study=DLMS, **changes):
    return evaluate(person(*pathology, **changes), complete_to, study)


def dead(day: int) -> dict:
    return {"status": "90", "since": on(day)}


TUMOUR = pato(0, "M88903", "T02121")


# ------------------------------------------------------------------ parameters


@pytest.mark.parametrize(("name", "own"), [("dlms", DLMS), ("afx_pds", AFX_PDS)])
def test_the_numbers_of_the_evaluator_are_those_of_the_study_folder(name, own):
    folder = CHECKOUT / "dbt_project" / "studies" / name
    study = tomllib.loads((folder / "study.toml").read_text(encoding="utf-8"))

    def codes(name):
        with (folder / "codelists" / f"{name}.csv").open(encoding="utf-8") as lines:
            return tuple(row["code"] for row in csv.DictReader(lines))

    metastasis, recurrence = study["outcome"]
    assert own.case_morphologies == codes("case_morphology")
    assert own.skin == codes("skin_topography")
    assert own.unspecific == codes("unspecific_topography")
    assert list(own.candidate_behaviours) == study["index_event"]["candidate_behaviours"]
    assert list(own.primary_behaviours) == study["index_event"]["primary_behaviours"]
    assert list(own.metastasis_behaviours) == metastasis["behaviours"]
    assert list(own.recurrence_behaviours) == recurrence["behaviours"]
    assert list(own.confirmed) == study["index_event"]["confirmed"]
    assert own.period_start == study["population"]["period_start"]
    assert own.period_end == study["population"]["period_end"]
    assert own.end_of_data == study["follow_up"]["end_of_data"]
    assert own.lesion_days == study["index_event"]["lesion_days"]
    assert own.recurrence_from_day == recurrence["from_day"]
    assert own.clinical_match_days == study["follow_up"]["clinical_match_days"]
    assert own.has_clinical_database == ("clinical_column" in metastasis)
    assert own.has_clinical_database == ("clinical_column" in recurrence)
    assert list(own.factors) == [factor["name"] for factor in study["factor"]]
    (age,) = (factor for factor in study["factor"] if factor["name"] == "age")
    assert age["cut_points"][age["reference"]] == [0, own.older_from]


# ------------------------------------------------------------------ candidates


@pytest.mark.parametrize(
    ("codes", "is_candidate"),
    [
        (("M88903", "T02121"), True),
        (("M88913", "T01000"), True),
        (("M88966", "T02121"), True),
        (("M8890X", "T02121"), False),  # obs pro
        (("M88900", "T02121"), False),
        (("M88904", "T02121"), False),
        (("M88903", "T03000"), False),  # subcutis
        (("M88903", "T28000"), False),
        (("M88903",), False),
        (("M88923", "T02121"), False),
        (("M88003", "T02121"), False),
        (("M88903", "T03000", "T02121"), True),
    ],
)
def test_a_candidate_has_a_case_morphology_on_the_skin(codes, is_candidate):
    assert (verdict(pato(0, *codes)) is not None) == is_candidate


def test_morphology_and_topography_of_two_requisitions_do_not_meet():
    assert verdict(pato(0, "M88903", number="A"), pato(0, "T02121", number="B")) is None


def test_equal_numbers_in_two_laboratories_are_two_requisitions():
    apart = pato(0, "M88903", number="A", lab="1301010"), pato(0, "T02121", number="A")
    assert verdict(*apart) is None


# ------------------------------------------------------------------ steps 2 to 5


def test_only_metastases_fails_step_2_and_has_no_index_date():
    found = verdict(pato(0, "M88906", "T02121"))
    assert found.first_failed_step == 2
    assert found.index_date is None


def test_a_confirmed_resident_is_included():
    found = verdict()
    assert found.is_included
    assert found.index_date == INDEX
    assert found.follow_up_end == LAST_DAY


@pytest.mark.parametrize(
    ("reviews", "step"),
    [
        ([], 3),
        ([review(who_diagnosis=None)], 3),
        ([review(lab="1301010")], 3),  # the same number in another laboratory
        ([review(who_diagnosis="leiomyoma")], 4),
        ([review(who_diagnosis="subcutaneous_leiomyosarcoma")], 4),
        ([review(who_diagnosis="atypical_intradermal_smooth_muscle_neoplasm")], 4),
        ([review()], None),
    ],
)
def test_review_decides_steps_3_and_4(reviews, step):
    assert verdict(reviews=reviews).first_failed_step == step


def test_aismn_counts_as_confirmed_by_a_setting():
    aismn = "atypical_intradermal_smooth_muscle_neoplasm"
    study = dataclasses.replace(DLMS, confirmed=(*DLMS.confirmed, aismn))
    assert verdict(reviews=[review(who_diagnosis=aismn)], study=study).is_included


def test_the_latest_of_several_reviews_counts():
    earlier = review(reviewed_on=date(2022, 1, 1), record_id="9")
    later = review(who_diagnosis="other", reviewed_on=date(2022, 1, 2), record_id="1")
    assert verdict(reviews=[later, earlier]).first_failed_step == 4


def test_the_first_requisition_without_review_leaves_it_to_the_next_reviewed_one():
    rows = TUMOUR, pato(30, "M88903", "T02121"), pato(89, "M88903", "T02121")
    for first in ([], [review(0, None)]):
        found = verdict(*rows, reviews=[*first, review(30, None), review(89)])
        assert found.is_included
        assert found.index_date == INDEX
    assert verdict(*rows, reviews=[review(30, "other"), review(89)]).first_failed_step == 4
    assert verdict(*rows, reviews=[review(0, "other"), review(89)]).first_failed_step == 4


def test_day_90_is_a_new_episode_where_the_lesion_was_not_confirmed():
    rows = TUMOUR, pato(90, "M88903", "T02121")
    found = verdict(*rows, reviews=[review(0, "leiomyoma"), review(90)])
    assert found.index_date == on(90)
    # The review of day 90 is not one of the lesion of day 0, which stays without review.
    assert verdict(*rows, reviews=[review(90)]).index_date == on(90)


def test_the_lesion_is_fixed_from_its_first_day_and_does_not_roll():
    rows = TUMOUR, pato(60, "M88903", "T02121"), pato(120, "M88903", "T02121")
    found = verdict(*rows, reviews=[review(0, "other"), review(60, "other"), review(120)])
    assert found.index_date == on(120)


def test_the_first_confirmed_lesion_gives_the_index_date():
    rows = TUMOUR, pato(10, "M88903", "T02600")
    assert verdict(*rows, reviews=[review(0, "other"), review(10)]).index_date == on(10)
    assert verdict(*rows, reviews=[review(0), review(10)]).index_date == INDEX
    assert verdict(*rows, reviews=[]).index_date == INDEX


def test_of_two_requisitions_on_the_index_day_the_first_by_lab_and_number_counts():
    rows = (
        pato(0, "M88903", "T02121", lab="8001010", number="A"),
        pato(0, "M88903", "T02121", lab="1301010", number="B"),
    )
    reviews = [
        review(lab="8001010", number="A", necrosis=1),
        review(lab="1301010", number="B", necrosis=0),
    ]
    found = verdict(*rows, reviews=reviews)
    assert found.index_requisition == ("1301010", "B")
    assert found.factors["necrosis"] == "no"


@pytest.mark.parametrize(
    ("day", "step"),
    [
        (date(1979, 12, 31), 5),
        (date(1980, 1, 1), None),
        (date(2022, 12, 30), None),
        (date(2022, 12, 31), 8),
        (date(2023, 1, 1), 5),
    ],
)
def test_the_period_holds_both_its_ends(day, step):
    found = verdict(pato(day, "M88903", "T02121"), reviews=[review(day)])
    assert found.first_failed_step == step
    assert found.index_date == day


def test_a_primary_before_1980_puts_out_reviewed_or_not_and_keeps_the_index_date():
    before = date(1979, 12, 31)
    for code, step in (("M88903", 5), ("M88906", None), ("M8890X", None), ("M88923", None)):
        found = verdict(pato(before, code, "T02600"), TUMOUR)
        assert found.first_failed_step == step
        assert found.index_date == INDEX
    assert verdict(pato(before, "M88903", "T28000"), TUMOUR).is_included


# ------------------------------------------------------------------ place


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        ("T02121", "T02120", True),
        ("T02121", "T02131", False),
        ("T0220A", "T0220B", False),
        ("T0220A", "T0220A", True),
        ("T0220A", "T02200", True),
        ("T0220A", "T02201", True),
    ],
)
def test_a_place_is_five_characters_unless_sides_contradict(one, other, is_same):
    assert is_same_place(one, other) == is_same_place(other, one) == is_same


@pytest.mark.parametrize("unspecific", ["T01000", "T01100", "T02000"])
def test_an_unspecific_place_is_fixed_by_a_more_specific_code_within_the_lesion(unspecific):
    def recurs(*extra):
        found = verdict(pato(0, "M88903", unspecific), *extra, pato(400, "M88903", "T02600"))
        return found.outcomes["local_recurrence"].event_code == 1

    assert recurs()
    assert recurs(pato(50, "M88903", "T02601"))
    assert not recurs(pato(50, "M88903", "T02121"))
    assert not recurs(pato(89, "M88903", "T02121"))
    # Behaviour 9 is no part of the lesion, and so fixes nothing.
    assert recurs(pato(50, "M88909", "T02121"))


def test_the_first_fixing_code_counts():
    found = verdict(
        pato(0, "M88903", "T02000"),
        pato(10, "M88903", "T02600"),
        pato(20, "M88903", "T02121"),
    )
    assert found.index_places == ("T02600",)


# ------------------------------------------------------------------ steps 6 to 8


@pytest.mark.parametrize(
    ("addresses", "is_resident"),
    [
        ([address(on(0))], True),
        ([address(on(1))], False),  # immigrated the day after
        ([address(on(-9), on(0))], True),
        ([address(on(-9), on(-1))], True),  # nothing says where the person went
        ([address(on(-9), on(-1)), address(on(0))], True),
        ([address(on(-9), None, "900")], False),
        ([address(on(-9), None, "899")], True),
        ([address(on(-9), None, "900", "A"), address(on(-9))], True),
        ([address(on(-9), None, "101", "A"), address(on(1))], False),
        ([address(on(-9), None, "101", "K")], True),
        ([address(on(-9), None, "101", "H")], True),
        ([address(on(-99), on(-9)), address(on(-9), on(0), "957"), address(on(0))], True),
        ([address(on(-99), on(-9)), address(on(-9), on(1), "957"), address(on(1))], False),
        ([], True),
    ],
)
def test_residence_by_the_address_history(addresses, is_resident):
    assert verdict(addresses=addresses).steps[6] == is_resident


@pytest.mark.parametrize(
    ("stays", "is_resident"),
    [
        ([stay(on(-9))], False),
        ([stay(on(-9), on(1))], False),
        ([stay(on(-9), on(0))], True),
        ([stay(on(-1))], False),
        ([stay(on(0))], True),  # the departure day is the last day of residence
        ([stay(on(-9), None, "A")], True),
    ],
)
def test_residence_and_stays_abroad(stays, is_resident):
    assert verdict(abroad=stays).steps[6] == is_resident


@pytest.mark.parametrize(
    ("status", "since", "is_resident"),
    [
        ("01", -9, True),
        ("03", -9, True),
        ("20", -9, False),
        ("20", 9, False),
        ("80", -1, False),
        ("80", 0, True),
        ("70", -1, False),
        ("70", 1, True),
        ("05", -1, False),
        ("07", 1, True),
        ("90", 9, True),
    ],
)
def test_residence_by_status_where_there_is_no_address_history(status, since, is_resident):
    found = verdict(addresses=[], status=status, since=on(since))
    assert found.steps[6] == is_resident


def test_death_does_not_end_residence():
    found = verdict(**dead(-3), addresses=[address(date(1940, 1, 1), on(-3))])
    assert found.steps[6]
    assert found.first_failed_step == 7


@pytest.mark.parametrize(("day", "step"), [(-1, 7), (0, 7), (1, None)])
def test_death_on_or_before_the_index_date_is_an_autopsy(day, step):
    assert verdict(**dead(day)).first_failed_step == step


@pytest.mark.parametrize(
    ("status", "rows", "day"),
    [
        ("90", [(8, None)], 5),  # CPR's date first
        ("80", [(8, 9)], 8),
        ("01", [(None, 9)], 9),
        ("01", [], None),
    ],
)
def test_the_date_of_death_is_cprs_then_the_cause_of_death_registers(status, rows, day):
    causes = [
        {"d_dodsdato": died and on(died), "d_findedato": found and on(found)}
        for died, found in rows
    ]
    found = verdict(status=status, since=on(5 if status == "90" else 30), cause_of_death=causes)
    outcome = found.outcomes["metastasis"]
    assert (outcome.days if outcome.event_code == 2 else None) == day


@pytest.mark.parametrize(
    ("changes", "day"),
    [
        ({"abroad": [stay(on(5))]}, 5),
        ({"abroad": [stay(on(5), on(6))]}, 5),  # those who return do not re-enter
        ({"abroad": [stay(on(-9), on(-5)), stay(on(7))]}, 7),
        ({"abroad": [stay(on(5), None, "A"), stay(on(7))]}, 7),
        ({"abroad": [stay(on(5))], "status": "80", "since": on(3)}, 5),
        ({"abroad": [], "status": "80", "since": on(3)}, 3),
        ({"abroad": [stay(on(5), None, "A")], "status": "80", "since": on(3)}, 3),
        ({"abroad": [stay(on(-9), on(-5))], "status": "80", "since": on(3)}, 3),
        ({"status": "70", "since": on(4)}, 4),
        ({"abroad": [stay(on(3), on(4))], "status": "70", "since": on(9)}, 3),
        ({"status": "05", "since": on(4)}, 4),
        (
            {
                "addresses": [address(date(1940, 1, 1), on(6)), address(on(6), None, "957")],
                "status": "07",
                "since": on(8),
            },
            6,
        ),
        (
            {
                "addresses": [
                    address(date(1940, 1, 1), on(6)),
                    address(on(6), on(9), "957"),
                    address(on(9)),
                ]
            },
            6,
        ),
        ({"status": "90", "since": on(4)}, (LAST_DAY - INDEX).days),  # death is not censoring
    ],
)
def test_follow_up_ends_at_the_first_departure(changes, day):
    assert verdict(**changes).follow_up_end == on(day)


@pytest.mark.parametrize(("day", "step"), [(0, 8), (1, None)])
def test_follow_up_is_at_least_a_day(day, step):
    assert verdict(abroad=[stay(on(day))]).first_failed_step == step


@pytest.mark.parametrize(
    ("cpr", "patobank", "end"),
    [
        (date(2023, 6, 30), date(2023, 6, 30), LAST_DAY),
        (date(2021, 6, 30), date(2023, 6, 30), date(2021, 6, 30)),
        (date(2023, 6, 30), date(2020, 6, 30), date(2020, 6, 30)),
    ],
)
def test_complete_to_of_cpr_and_patobank_cap_the_follow_up(cpr, patobank, end):
    found = verdict(complete_to={"cpr": cpr, "patobank": patobank})
    assert found.follow_up_end == end
    assert found.outcomes["metastasis"] == Outcome(False, (end - INDEX).days, 0)


def test_every_step_is_judged_whatever_failed_before():
    found = verdict(reviews=[review(who_diagnosis="other")], abroad=[stay(on(-9))], **dead(-1))
    assert found.steps == {2: True, 3: True, 4: False, 5: True, 6: False, 7: False, 8: True}
    assert found.first_failed_step == 4


# ------------------------------------------------------------------ local recurrence


def recurrence(*extra, **changes):
    return verdict(TUMOUR, *extra, **changes).outcomes["local_recurrence"]


@pytest.mark.parametrize(("day", "code"), [(1, 0), (89, 0), (90, 1), (91, 1)])
def test_a_local_recurrence_is_at_least_90_days_after_the_index_date(day, code):
    assert recurrence(pato(day, "M88903", "T02121")).event_code == code
    assert recurrence(dsd=[sarcoma(0, recurrence=day)]).event_code == code


@pytest.mark.parametrize(
    ("codes", "code"),
    [
        (("M88903", "T02120"), 1),
        (("M88914", "T02121"), 1),  # the same family
        (("M88967", "T02121"), 1),
        (("M88909", "T02121"), 1),
        (("M88909", "T02000"), 1),  # unspecific
        (("M88906", "T02121"), 0),
        (("M88901", "T02121"), 0),
        (("M8890X", "T02121"), 0),
        (("M88923", "T02121"), 0),
        (("M88903", "T02600"), 0),  # a new primary
        (("M88903", "T03000"), 0),
        (("M88903",), 0),
        (("M88903", "T28000", "T02121"), 1),
    ],
)
def test_a_local_recurrence_is_a_case_morphology_at_the_index_place(codes, code):
    assert recurrence(pato(200, *codes)).event_code == code


def test_an_unspecific_index_place_is_still_of_the_skin():
    index = pato(0, "M88903", "T02000")
    found = verdict(index, pato(200, "M88903", "T28000"))
    assert found.outcomes["local_recurrence"].event_code == 0


def test_sides_of_a_recurrence_contradict():
    index = pato(0, "M88903", "T0220A")
    for code, event in (("T0220B", 0), ("T0220A", 1), ("T02200", 1)):
        found = verdict(index, pato(200, "M88903", code))
        assert found.outcomes["local_recurrence"].event_code == event


def test_the_earliest_of_both_sources_counts():
    found = recurrence(pato(300, "M88903", "T02121"), dsd=[sarcoma(0, recurrence=200)])
    assert found == Outcome(False, 200, 1)
    # An early finding of the clinical database does not hide a later requisition.
    found = recurrence(pato(300, "M88903", "T02121"), dsd=[sarcoma(0, recurrence=30)])
    assert found == Outcome(False, 300, 1)


@pytest.mark.parametrize(
    ("day", "belongs"), [(-90, False), (-89, True), (0, True), (89, True), (90, False)]
)
def test_a_clinical_row_belongs_within_89_days_either_side(day, belongs):
    assert (recurrence(dsd=[sarcoma(day, recurrence=500)]).event_code == 1) == belongs
    found = verdict(dsd=[sarcoma(day, metastasis=500)])
    assert (found.outcomes["metastasis"].event_code == 1) == belongs


def test_ninety_days_run_from_the_index_date_not_from_the_episode_before():
    rows = TUMOUR, pato(100, "M88903", "T02121"), pato(185, "M88903", "T02121")
    found = verdict(*rows, reviews=[review(0, "other"), review(100)])
    assert found.index_date == on(100)
    assert found.outcomes["local_recurrence"].event_code == 0
    found = verdict(*rows, pato(190, "M88903", "T02121"), reviews=[review(0, "other"), review(100)])
    assert found.outcomes["local_recurrence"] == Outcome(False, 90, 1)


# ------------------------------------------------------------------ metastasis


def metastasis(*extra, **changes):
    return verdict(TUMOUR, *extra, **changes).outcomes["metastasis"]


@pytest.mark.parametrize(
    ("codes", "code"),
    [
        (("M88906", "T28000"), 1),
        (("M88916", "T08000"), 1),
        (("M88966", "T02121"), 1),
        (("M88906",), 1),  # any topography, or none
        (("M88926", "T28000"), 0),
        (("M88003", "M80006", "T28000"), 0),
        (("M88909", "T28000"), 0),
        (("M8890X", "T28000"), 0),
    ],
)
def test_a_metastasis_is_behaviour_6_of_the_family_anywhere(codes, code):
    assert metastasis(pato(40, *codes)).event_code == code


@pytest.mark.parametrize("day", [-400, -1, 0])
def test_a_metastasis_on_or_before_the_index_date_is_prevalent(day):
    later = pato(300, "M88906", "T28000")
    for changes in (
        {"pathology": TUMOUR + pato(day, "M88906", "T28000", number="M") + later},
        {"dsd": [sarcoma(0, metastasis=day)]},
    ):
        found = verdict(**changes)
        assert found.is_included
        assert found.outcomes["metastasis"] == PREVALENT
        assert not found.outcomes["local_recurrence"].prevalent


def test_a_metastasis_the_day_after_is_an_event_on_day_1():
    assert metastasis(pato(1, "M88906", "T28000")) == Outcome(False, 1, 1)
    assert metastasis(dsd=[sarcoma(0, metastasis=1)]) == Outcome(False, 1, 1)


# ------------------------------------------------------------------ what comes first


@pytest.mark.parametrize(
    ("changes", "days", "code"),
    [
        ({}, (LAST_DAY - INDEX).days, 0),
        (dead(100), 100, 2),
        ({**dead(100), "dsd": [sarcoma(0, metastasis=100)]}, 100, 1),
        ({**dead(100), "dsd": [sarcoma(0, metastasis=101)]}, 100, 2),
        ({**dead(100), "dsd": [sarcoma(0, metastasis=99)]}, 99, 1),
        ({**dead(100), "abroad": [stay(on(100))]}, 100, 2),
        ({**dead(100), "abroad": [stay(on(99))]}, 99, 0),
        ({"dsd": [sarcoma(0, metastasis=50)], "abroad": [stay(on(50))]}, 50, 1),
        ({"dsd": [sarcoma(0, metastasis=50)], "abroad": [stay(on(49), on(49))]}, 49, 0),
        ({**dead(1)}, 1, 2),
    ],
)
def test_on_one_day_outcome_comes_before_death_before_censoring(changes, days, code):
    assert verdict(**changes).outcomes["metastasis"] == Outcome(False, days, code)


@pytest.mark.parametrize(
    ("day", "code"), [(date(2022, 12, 31), 1), (date(2023, 1, 1), 0), (date(2022, 12, 30), 1)]
)
def test_what_happens_after_the_end_does_not_count(day, code):
    assert metastasis(pato(day, "M88906", "T28000")).event_code == code
    died = {"status": "90", "since": day}
    assert metastasis(**died).event_code == 2 * code


# ------------------------------------------------------------------ factors


def factor(name: str, **values):
    return verdict(reviews=[review(**values)]).factors[name]


def test_the_levels_of_the_review_factors():
    assert [factor("necrosis", necrosis=v) for v in (1, 0, None)] == ["yes", "no", None]
    grades = [factor("mitotic_grade", mitotic_grade=v) for v in (1, 2, 3, None)]
    assert grades == ["1-2", "1-2", "3", None]
    margins = [factor("margins", margins=v) for v in ("positive", "negative", None)]
    assert margins == ["positive", "negative", None]
    sizes = [factor("size", size_mm=v) for v in (0.0, 20.0, 20.1, None)]
    assert sizes == ["up to 20 mm", "up to 20 mm", "over 20 mm", None]


@pytest.mark.parametrize(
    ("perineural", "vascular", "level"),
    [
        (1, None, "yes"),
        (None, 1, "yes"),
        (1, 0, "yes"),
        (0, 0, "no"),
        (0, None, None),
        (None, 0, None),
        (None, None, None),
    ],
)
def test_invasion_is_any_known_yes_or_both_known_no(perineural, vascular, level):
    values = {"perineural_invasion": perineural, "vascular_invasion": vascular}
    assert factor("invasion", **values) == level


@pytest.mark.parametrize(
    ("values", "group"),
    [
        ({}, "low"),
        ({"necrosis": 1}, "high"),
        ({"mitotic_grade": 3, "margins": None}, "high"),
        ({"margins": "positive", "perineural_invasion": None}, "high"),
        ({"vascular_invasion": 1}, "high"),
        ({"necrosis": None}, None),
        ({"mitotic_grade": 2}, "low"),
        ({"perineural_invasion": None}, None),
    ],
)
def test_high_risk_is_any_known_yes_and_low_risk_four_known_no(values, group):
    assert factor("risk_group", **values) == group


def test_factors_come_from_the_review_that_confirmed_the_lesion():
    rows = TUMOUR, pato(20, "M88903", "T02121"), pato(95, "M88903", "T02121")
    reviews = [review(0, None, necrosis=1), review(20, necrosis=0), review(95, necrosis=1)]
    assert verdict(*rows, reviews=reviews).factors["necrosis"] == "no"
    # A missing value of the index review is not filled from another.
    reviews = [review(0, necrosis=None), review(20, necrosis=1)]
    assert verdict(*rows, reviews=reviews).factors["necrosis"] is None


@pytest.mark.parametrize(
    ("born", "level"),
    [
        (date(1940, 3, 9), "65 and over"),
        (date(1940, 3, 10), "65 and over"),
        (date(1940, 3, 11), "under 65"),
    ],
)
def test_age_is_in_completed_years(born, level):
    assert verdict(born=born).factors["age"] == level


@pytest.mark.parametrize(
    ("day", "period"),
    [
        (date(1996, 12, 31), "to 1996"),
        (date(1997, 1, 1), "1997-2004"),
        (date(2004, 12, 31), "1997-2004"),
        (date(2005, 1, 1), "2005 on"),
    ],
)
def test_the_ascertainment_periods(day, period):
    found = verdict(pato(day, "M88903", "T02121"), reviews=[review(day)])
    assert found.factors["ascertainment_period"] == period


# ------------------------------------------------------------------ the generated persons

MANY = 2500


@pytest.fixture(scope="module")
def persons() -> list[dict]:
    return generated_persons.generate(seed=20, n=MANY)


@pytest.fixture(scope="module")
def hospitalised(persons):
    return [generated_persons.hospitalised(person, seed=3) for person in persons]


@pytest.fixture(scope="module")
def verdicts(persons):
    return evaluate_all(persons, COMPLETE_TO)


def test_the_same_seed_gives_the_same_persons(persons):
    assert generated_persons.generate(seed=20, n=50) == persons[:50]
    assert generated_persons.generate(seed=21, n=50) != persons[:50]


def test_generated_persons_reach_every_step_and_every_ending(verdicts):
    reached = {found.first_failed_step for found in verdicts.values()}
    assert reached == {None, 2, 3, 4, 5, 6, 7, 8}
    included = [found for found in verdicts.values() if found.is_included]
    assert len(included) >= 0.4 * MANY
    for name in ("metastasis", "local_recurrence"):
        assert {found.outcomes[name].event_code for found in included} >= {0, 1, 2}
    assert any(found.outcomes["metastasis"] == PREVALENT for found in included)


@pytest.mark.parametrize(
    "change",
    [
        {"lesion_days": 89},
        {"lesion_days": 91},
        {"recurrence_from_day": 89},
        {"recurrence_from_day": 91},
        {"clinical_match_days": 88},
        {"clinical_match_days": 90},
        {"minimum_days": 0},
        {"minimum_days": 2},
        {"period_start": date(1980, 1, 2)},
        {"period_start": date(1979, 12, 31)},
        {"period_end": date(2022, 12, 30)},
        {"end_of_data": date(2022, 12, 30)},
        {"end_of_data": date(2023, 1, 1)},
        {"recurrence_behaviours": "347"},
        {"recurrence_behaviours": "349"},
        {"recurrence_behaviours": "379"},
        {"recurrence_behaviours": "34679"},
        {"recurrence_behaviours": "3479X"},
        {"candidate_behaviours": "3"},
        {"primary_behaviours": "34"},
        {"metastasis_behaviours": "69"},
        {"case_morphologies": ("M8890", "M8892")},
        {"skin": ("T01", "T02", "T03")},
        {"skin": ("T02",)},
        {"unspecific": ("T01000", "T01100")},
        {"unspecific": ()},
    ],
    ids=str,
)
def test_a_rule_moved_by_one_changes_the_verdict_on_a_generated_person(persons, verdicts, change):
    # One by one: the first person who differs is enough.
    study = dataclasses.replace(DLMS, **change)
    assert any(evaluate(one, COMPLETE_TO, study) != verdicts.get(one["id"]) for one in persons)


LOOKS_BACK = VARIANTS["dlms_looks_back"].further_criteria
OUTCOMES = {one.name: one for one in VARIANTS["dlms_more_outcomes"].further_outcomes}


@pytest.mark.parametrize(
    ("criterion", "change"),
    [
        (LOOKS_BACK[0], {"look_back_days": 364}),
        (LOOKS_BACK[0], {"look_back_days": 366}),
        (LOOKS_BACK[0], {"codes": ("DC49",)}),
        (LOOKS_BACK[0], {"kind": "not_diagnosed_before"}),
        (LOOKS_BACK[1], {"look_back_days": 4999}),
        (LOOKS_BACK[1], {"codes": ("DC492",)}),
        (LOOKS_BACK[2], {"cohort": DLMS}),
        (LOOKS_BACK[3], {"kind": "in_cohort"}),
        (VARIANTS["dlms_aged"].further_criteria[0], {"minimum_years": 41}),
        (VARIANTS["dlms_aged"].further_criteria[0], {"below_years": 64}),
    ],
    ids=str,
)
def test_a_further_criterion_moved_by_one_changes_a_verdict(hospitalised, criterion, change):
    one, other = (
        dataclasses.replace(DLMS, further_criteria=(asked,))
        for asked in (criterion, dataclasses.replace(criterion, **change))
    )
    assert any(
        evaluate(person, COMPLETE_TO, one) != evaluate(person, COMPLETE_TO, other)
        for person in hospitalised
    )


@pytest.mark.parametrize(
    ("outcome", "change"),
    [
        (OUTCOMES["sarcoma_coded"], {"from_day": 29}),
        (OUTCOMES["sarcoma_coded"], {"from_day": 31}),
        (OUTCOMES["sarcoma_coded"], {"from_day": None}),
        (OUTCOMES["sarcoma_coded"], {"codes": ("DC49",)}),
        (OUTCOMES["death_of_the_heart"], {"codes": ("410",)}),
        (OUTCOMES["death_of_the_heart"], {"codes": ("I",)}),
        (OUTCOMES["death_of_the_heart"], {"codes": ()}),
        (OUTCOMES["recurrence_in_the_clinic"], {"from_day": 91}),
        (OUTCOMES["recurrence_in_the_clinic"], {"from_day": 89}),
        (OUTCOMES["metastasis_in_the_clinic"], {"column": "local_recurrence_date"}),
        (OUTCOMES["progression"], {"parts": ("metastasis", "local_recurrence")}),
    ],
    ids=str,
)
def test_a_further_outcome_moved_by_one_changes_a_verdict(hospitalised, outcome, change):
    # Death is a part of the first of several.
    first = (OUTCOMES["death"],) if outcome.parts else ()
    one, other = (
        dataclasses.replace(DLMS, further_outcomes=(*first, asked))
        for asked in (outcome, dataclasses.replace(outcome, **change))
    )
    assert any(
        evaluate(person, COMPLETE_TO, one) != evaluate(person, COMPLETE_TO, other)
        for person in hospitalised
    )


@pytest.mark.parametrize(
    ("row", "counts"),
    [
        ({}, True),
        ({"modifier": "2"}, False),
        ({"modifier": "1"}, True),
        ({"begins": date(2019, 3, 31)}, True),
        ({"begins": date(2019, 4, 1)}, False),
        ({"register": "lpr3", "system": "LPR3"}, True),
        ({"register": "lpr3", "system": "LPR2"}, False),
        ({"register": "lpr3", "system": "LPR3", "retracted": "Ja"}, False),
        ({"register": "lpr3", "system": "LPR3", "retracted": "Nej"}, True),
        ({"code": "DC50"}, False),
    ],
    ids=str,
)
def test_a_hospital_diagnosis_counts_in_its_era_and_unless_taken_back(row, counts):
    told = {"register": "lpr2", "begins": date(2018, 1, 1), "code": "DC492", "modifier": None,
            "system": None, "retracted": None}  # fmt: skip
    assert has_diagnosis({**told, **row}, ("DC49",)) == counts


def test_lake_rows_have_the_columns_of_the_contracts(persons):
    tables = {}
    for path in (CHECKOUT / "etl" / "registers").glob("*.odcs.yaml"):
        for table in yaml.safe_load(path.read_text(encoding="utf-8"))["schema"]:
            tables[table["name"]] = [column["name"] for column in table["properties"]]
    rows = generated_persons.write_lake_rows(persons)
    renamed = {
        "v_pnr_gaeld": "is_number_in_force",
        "v_mor_pnr": "v_mor_pnr_person_id",
        "v_far_pnr": "v_far_pnr_person_id",
    }
    for table, found in rows.items():
        if table in generated_persons.HOSPITALS_AND_CAUSES:
            assert found == [], "these persons were never at a hospital"
            continue
        columns = [c for c in tables[table] if c not in ("v_pnr", "cpr")]
        expected = ["person_id", *(renamed.get(c, c) for c in columns)]
        assert all(list(row) == [*expected, "source_file", "source_row"] for row in found)
        assert [row["source_row"] for row in found] == list(range(1, len(found) + 1))
        assert min(row["person_id"] for row in found) > 10**10


def test_keys_of_generated_rows_are_unique(persons):
    rows = generated_persons.write_lake_rows(persons)
    keys = [
        tuple(row[c] for c in ("k_inst", "k_rekvnr", "k_matnr", "k_sekvensnr"))
        for row in rows["pato"]
    ]
    assert len(keys) == len(set(keys))
    # A requisition is one person's and of one day.
    owners = {(row["k_inst"], row["k_rekvnr"], row["person_id"]) for row in rows["pato"]}
    days = {(row["k_inst"], row["k_rekvnr"], row["d_rekvdato"]) for row in rows["pato"]}
    assert len(owners) == len(days) == len({owner[:2] for owner in owners})
    records = [row["record_id"] for row in rows["review"]]
    assert len(records) == len(set(records))
    in_force = [row["person_id"] for row in rows["cpr3_t_person"] if row["is_number_in_force"]]
    assert len(in_force) == len(set(in_force)) == MANY
