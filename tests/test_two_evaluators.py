"""The SQL that selects the cohort, against a second program written from the study's page alone.

Invented persons who live on the boundaries of the rules are judged by both, for each study of the
checkout and for variants that use the kinds that these do not; whatever the two say about a person
must be equal. `tests/evaluator.py` lists how it reads what the
page leaves open.
"""

import shutil
from collections import Counter
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest

from etl.competing_risks import count_events
from etl.settings import CHECKOUT
from tests import evaluator, generated_persons, variant_studies
from tests.reverse_kaplan_meier import follow_up
from tests.written_lake import Lake, settings_for

N_PERSONS = 2000
N_OF_THE_SECOND = 1000
OWN = {"dlms": evaluator.DLMS, "afx_pds": evaluator.AFX_PDS}
STUDIES = {**OWN, **variant_studies.VARIANTS}
# From the first day of one study's period to that of the other's.
BETWEEN_PERIODS = evaluator.AFX_PDS.period_start - evaluator.DLMS.period_start
COMPLETE_TO = generated_persons.COMPLETE_TO[1]
FIRST_ID = generated_persons.FIRST_PERSON_ID


@pytest.fixture(scope="module")
def persons() -> list[dict]:
    """Persons of the first study, and others made into persons of the second."""
    others = generated_persons.generate(seed=2, n=N_OF_THE_SECOND)
    made = generated_persons.generate(seed=1, n=N_PERSONS) + [
        of_the_second_study(person, number) for number, person in enumerate(others, N_PERSONS + 1)
    ]
    return [generated_persons.hospitalised(person, seed=3) for person in made]


def of_the_second_study(person: dict, number: int) -> dict:
    """The same life with tumours and diagnoses of the two studies exchanged, under a new number.

    Every second one is moved by the years between the studies' periods, so that its index date
    lies at the same boundary.
    """
    first, second = evaluator.DLMS, evaluator.AFX_PDS
    diagnoses = dict(zip(second.confirmed, ("dermal_leiomyosarcoma", "leiomyoma"), strict=True))
    diagnoses[first.confirmed[0]] = second.confirmed[number // 2 % 2]
    by = BETWEEN_PERIODS if number % 2 else timedelta()

    def told(value, key: str | None = None):
        if isinstance(value, dict):
            return {name: told(one, name) for name, one in value.items()}
        if isinstance(value, list):
            return [told(one, key) for one in value]
        if isinstance(value, date):
            return value + by
        if key in ("k_rekvnr", "record_id"):
            return f"S{value}"
        if key == "snomed" and value[:5] in first.case_morphologies:
            return second.case_morphologies[0] + value[5:]
        if key == "snomed" and value[:5] in second.case_morphologies:
            return first.case_morphologies[0] + value[5:]
        return diagnoses.get(value, value) if key == "who_diagnosis" else value

    return {**told(person), "id": number, "traits": person["traits"]}


@pytest.fixture(scope="module", params=STUDIES)
def study(request) -> str:
    return request.param


@pytest.fixture(scope="module")
def verdicts(persons, study) -> dict[int, evaluator.Verdict]:
    return evaluator.evaluate_all(persons, COMPLETE_TO, STUDIES[study])


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    """A checkout with the variants."""
    place = tmp_path_factory.mktemp("project")
    shutil.copytree(CHECKOUT / "dbt_project", place / "dbt_project")
    variant_studies.add(place)
    return place


@pytest.fixture(scope="module")
def lake(persons, project, tmp_path_factory) -> Lake:
    settings = settings_for(tmp_path_factory.mktemp("two_evaluators"))
    made = Lake(replace(settings, project=project))
    for table, rows in generated_persons.write_lake_rows(persons).items():
        for row in rows:
            made.add(table, **row)
    made.write(COMPLETE_TO)
    made.build()
    return made


def by_person(lake: Lake, query: str) -> dict[int, dict]:
    return {row.pop("person_id") - FIRST_ID: row for row in lake.ask(query)}


def place(code: str) -> str:
    """As the models write it: the first five characters and the side."""
    return code[:5] + (evaluator.side(code) or "")


def differences(persons, expected: dict, found: dict) -> str:
    """What differs, a line a person, and the traits that those persons share; '' where nothing."""
    wrong = {
        key: (expected.get(key), found.get(key))
        for key in expected.keys() | found.keys()
        if expected.get(key) != found.get(key)
    }
    traits_of = {person["id"]: person["traits"] for person in persons}
    traits = Counter(t for key in wrong for t in traits_of[key if isinstance(key, int) else key[0]])
    lines = [f"{key}: evaluator {one}, SQL {other}" for key, (one, other) in sorted(wrong.items())]
    return "\n".join(
        [*lines[:20], f"{len(wrong)} differ, with {traits.most_common(5)}"] * bool(wrong)
    )


def test_the_same_persons_are_candidates_with_the_same_verdict_on_every_step(
    persons, verdicts, lake, study
):
    expected = {
        key: "".join("01"[verdict.steps[step]] for step in sorted(verdict.steps))
        for key, verdict in verdicts.items()
    }
    found = by_person(
        lake,
        f"select person_id, criteria_bits from marts.exclusion_reasons where study_id = '{study}'",
    )
    found = {key: row["criteria_bits"] for key, row in found.items()}
    of_all = N_OF_THE_SECOND if study == "afx_pds" else N_PERSONS
    assert len(expected) > (0.5 if study == "dlms_early" else 0.8) * of_all
    # Every step is met by some and not by others.
    assert {frozenset(answers) for answers in zip(*expected.values(), strict=True)} == {
        frozenset("01")
    }
    assert differences(persons, expected, found) == ""


def test_the_first_failed_step_is_the_same(persons, verdicts, lake, study):
    expected = {key: verdict.first_failed_step for key, verdict in verdicts.items()}
    found = by_person(
        lake,
        "select person_id, first_failed_step from marts.exclusion_reasons "
        f"where study_id = '{study}'",
    )
    found = {key: row["first_failed_step"] for key, row in found.items()}
    if study in OWN:
        assert set(expected.values()) == {None, *evaluator.STEPS}
    assert differences(persons, expected, found) == ""


def test_the_index_date_and_the_index_places_are_the_same(persons, verdicts, lake, study):
    expected = {
        key: (verdict.index_date, {place(code) for code in verdict.index_places})
        for key, verdict in verdicts.items()
    }
    found = by_person(
        lake,
        "select person_id, index_date, places from cohort.int_index_event "
        f"where study_id = '{study}'",
    )
    found = {
        key: (row["index_date"], set((row["places"] or "").split("|")) - {""})
        for key, row in found.items()
    }
    assert differences(persons, expected, found) == ""


def test_follow_up_ends_on_the_same_day(persons, verdicts, lake, study):
    expected = {key: v.follow_up_end for key, v in verdicts.items() if v.index_date}
    found = by_person(
        lake,
        "select person_id, follow_up_end_date from cohort.int_follow_up "
        f"where study_id = '{study}' and index_date is not null",
    )
    found = {key: row["follow_up_end_date"] for key, row in found.items()}
    assert differences(persons, expected, found) == ""


def test_outcomes_have_the_same_days_and_codes_and_are_prevalent_alike(
    persons, verdicts, lake, study
):
    expected = {
        (key, name): "prevalent" if outcome.prevalent else (outcome.days, outcome.event_code)
        for key, verdict in verdicts.items()
        for name, outcome in verdict.outcomes.items()
    }
    found = {
        (row["person_id"] - FIRST_ID, row["outcome"]): (row["days"], row["event_code"])
        for row in lake.ask(f"select * from marts.time_to_event where study_id = '{study}'")
    } | {
        (row["person_id"] - FIRST_ID, row["outcome"]): "prevalent"
        for row in lake.ask(f"select * from marts.prevalent_outcome where study_id = '{study}'")
    }
    if study != "dlms_looks_back":  # who meets all of its steps
        assert {"prevalent"} < set(expected.values())
        assert {0, 1, 2} <= {answer[1] for answer in expected.values() if answer != "prevalent"}
        for outcome in {name for _, name in expected}:
            assert any(
                answer[1] == 1 for (_, name), answer in expected.items() if name == outcome
            ), f"nobody has {outcome}"
    assert differences(persons, expected, found) == ""


def test_factors_have_the_same_levels(persons, verdicts, lake, study):
    expected = {
        (key, name): level
        for key, verdict in verdicts.items()
        for name, level in verdict.factors.items()
    }
    found = {
        (row["person_id"] - FIRST_ID, row["factor"]): row["level"]
        for row in lake.ask(f"select * from marts.factor where study_id = '{study}'")
    }
    assert differences(persons, expected, found) == ""


def test_potential_follow_up_is_that_of_a_reverse_kaplan_meier_estimate_in_python(lake, study):
    told = lake.ask(
        "select outcome, days, event_code, count(*) as n from marts.time_to_event "
        f"where study_id = '{study}' group by all order by all"
    )
    found = lake.ask(f"select * from marts.follow_up where study_id = '{study}'")
    assert {row["outcome"] for row in told} <= {row["outcome"] for row in found}
    for row in found:
        rows = [one for one in told if one["outcome"] == row["outcome"]]
        days, codes, n = ([one[c] for one in rows] for c in ("days", "event_code", "n"))
        span = follow_up(count_events(days, codes, n))
        assert row == {
            "study_id": study,
            "outcome": row["outcome"],
            "n_persons": sum(n),
            "lower_quartile_days": span.lower_quartile,
            "median_days": span.median,
            "upper_quartile_days": span.upper_quartile,
            "last_outcome_days": max(
                (day for day, code in zip(days, codes, strict=True) if code == 1), default=None
            ),
            "last_days": max(days, default=None),
        }
    assert study == "dlms_looks_back" or any(row["median_days"] for row in found)
