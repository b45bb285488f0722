"""Adding a folder is enough: a study made from another runs with no other change.

One warehouse holds the studies of the checkout and others made from the first: one with a step
more, one with another period and a shorter list of morphologies, one with the list of the group
behind it, one that looks back for diagnoses and into another study's cohort, and one with more
outcomes. That all of them select and tell what their folders say is held in
tests/test_two_evaluators.py.
"""

import csv
import datetime as dt
import io
import re
import shutil
import tomllib
from collections import Counter
from pathlib import Path

import jsonschema
import pytest
from click.testing import CliRunner

from etl import comparison, steps, studies, verdict
from etl.cli import main
from etl.errors import StudyError
from etl.home import connect
from etl.settings import CHECKOUT
from etl.studies import schema
from tests import generated_persons, variant_studies
from tests.written_lake import Lake, settings_for

N_PERSONS = 400
FIRST_ID = generated_persons.FIRST_PERSON_ID


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    """A checkout with two studies more, made by the command and edited as a user would."""
    place = tmp_path_factory.mktemp("project")
    shutil.copytree(CHECKOUT / "dbt_project", place / "dbt_project")
    for name in ("etl", "expectations", "requirements.lock"):
        (place / name).symlink_to(CHECKOUT / name)
    variant_studies.add(place)
    studies.create(place, "dlms_own_list", "dlms", None)
    for code, instead in (("M8891", "M8892,superficial leiomyosarcoma,SNOMED,,,"), ("M8896", "")):
        line = f"{instead}\n" if instead else ""
        variant_studies.edit(
            place, "dlms_own_list", rf"{code},.*\n", line, "codelists/case_morphology.csv"
        )
    return place


@pytest.fixture(scope="module")
def persons() -> dict[int, dict]:
    made = generated_persons.generate(seed=5, n=N_PERSONS)
    return {p["id"]: generated_persons.hospitalised(p, seed=5) for p in made}


@pytest.fixture(scope="module")
def lake(project, persons, tmp_path_factory) -> Lake:
    settings = settings_for(tmp_path_factory.mktemp("study_folder"))
    made = Lake(type(settings)(**vars(settings) | {"project": project}))
    for table, rows in generated_persons.write_lake_rows(list(persons.values())).items():
        for row in rows:
            made.add(table, **row)
    made.write(generated_persons.COMPLETE_TO[1])
    made.build()
    return made


def bits(lake: Lake, study: str) -> dict[int, str]:
    rows = lake.ask(
        f"select person_id, criteria_bits from marts.exclusion_reasons where study_id = '{study}'"
    )
    return {row["person_id"]: row["criteria_bits"] for row in rows}


def test_every_study_that_was_added_has_a_cohort(lake):
    """The persons are generated for the first study; hardly anybody has another one's tumour."""
    sizes = lake.ask(
        "select study_id, count(*) as n from marts.cohort where study_id like 'dlms%' "
        "group by all order by all"
    )
    assert [row["study_id"] for row in sizes] == [
        "dlms",
        "dlms_aged",
        "dlms_early",
        "dlms_looks_back",
        "dlms_more_outcomes",
        "dlms_own_list",
    ]
    n = {row["study_id"]: row["n"] for row in sizes}
    assert 0 < n["dlms_aged"] < n["dlms"]
    assert 0 < n["dlms_early"] < n["dlms"]


def test_a_shorter_list_and_period_leave_out_and_never_add(lake):
    """Nobody becomes a candidate by it, and nobody stays in whose index date lies outside."""
    assert bits(lake, "dlms_early").keys() < bits(lake, "dlms").keys()
    (row,) = lake.ask("select max(index_date) as d from marts.cohort where study_id = 'dlms_early'")
    assert row["d"] <= dt.date(1999, 12, 31)


# ------------------------------------------------------------------ why


def test_why_agrees_with_the_verdict_for_everybody(lake, project):
    for name in ("dlms", "dlms_aged", "dlms_looks_back"):
        study = studies.read(project, name)
        rows = lake.ask(f"select * from marts.exclusion_reasons where study_id = '{name}'")
        with connect(lake.settings, lake.home.warehouse, read_only=True) as con:
            for row in rows:
                told = verdict.why(con, study, row["person_id"])
                marks = re.findall(r"(?m)^[→ ] {1,3}\d+ \w+: (met|not met|no answer)\.", told)
                assert [mark == "met" for mark in marks] == [
                    bit == "1" for bit in row["criteria_bits"]
                ]
                first = told.splitlines()[0]
                if row["is_included"]:
                    assert first.startswith(f"In {name}: ")
                    assert str(row["index_date"]) in first
                else:
                    step = row["first_failed_step"]
                    assert first.startswith(f"Out of {name} at step {step}, ")
                    assert re.search(rf"(?m)^→ {step} {row['first_failed_criterion']}: ", told)


def test_why_lists_every_candidate_requisition_once(lake, project):
    study = studies.read(project, "dlms")
    rows = lake.ask(
        "select person_id, count(*) as n from cohort.int_candidate_requisition "
        "where study_id = 'dlms' group by all"
    )
    with connect(lake.settings, lake.home.warehouse, read_only=True) as con:
        found = {
            row["person_id"]: verdict.why(con, study, row["person_id"]).count("  requisition ")
            for row in rows
        }
    assert found == {row["person_id"]: row["n"] for row in rows}
    assert max(found.values()) > 1


def test_why_refuses_a_stranger_and_what_is_no_id(lake, project):
    with (
        connect(lake.settings, lake.home.warehouse, read_only=True) as con,
        pytest.raises(StudyError, match="no candidate of this person_id"),
    ):
        verdict.why(con, studies.read(project, "dlms"), 10**18)
    for given in ("0101701234-", "ø", "1" * 20):
        with pytest.raises(Exception, match="never a personal number") as error:
            steps.study_why(lake.settings, "dlms", given)
        assert given not in str(error.value)


# ------------------------------------------------------------------ compare


def verdicts(lake: Lake, study: str) -> dict[int, dict]:
    rows = lake.ask(f"select * from marts.exclusion_reasons where study_id = '{study}'")
    return {row["person_id"]: row for row in rows}


def events(lake: Lake, study: str, outcome: str) -> dict[int, tuple]:
    rows = lake.ask(
        "select person_id, event_code, days from marts.time_to_event "
        f"where study_id = '{study}' and outcome = '{outcome}'"
    )
    return {row["person_id"]: (row["event_code"], row["days"]) for row in rows}


def compared(lake: Lake, project: Path, other: str) -> comparison.Comparison:
    with connect(lake.settings, lake.home.warehouse, read_only=True) as con:
        return comparison.compare(con, studies.read(project, "dlms"), studies.read(project, other))


@pytest.mark.parametrize("other", ["dlms_own_list", "dlms_early", "dlms_aged"])
def test_two_definitions_are_compared_person_by_person(lake, project, other):
    found = compared(lake, project, other)
    told = comparison.told(found)
    one, two = verdicts(lake, "dlms"), verdicts(lake, other)
    cohort = {p for p, v in one.items() if v["is_included"]}
    other_cohort = {p for p, v in two.items() if v["is_included"]}
    both = cohort & other_cohort
    assert both
    assert cohort - other_cohort
    assert f"In dlms, not in {other}: {len(cohort - other_cohort):,}\n" in told
    assert f"In {other}, not in dlms: {len(other_cohort - cohort):,}\n" in told
    reasons = Counter(
        two[p]["first_failed_criterion"] if p in two else None for p in cohort - other_cohort
    )
    for criterion, n in reasons.items():
        words = f", {criterion})" if criterion else f"no candidate of {other}"
        assert re.search(rf"(?m)^ +{n}  .*{re.escape(words)}$", told)
    dates = sum(one[p]["index_date"] != two[p]["index_date"] for p in both)
    assert f"In both: {len(both):,}, of whom {dates:,} have another index date" in told
    for outcome in ("metastasis", "local_recurrence"):
        first, second = events(lake, "dlms", outcome), events(lake, other, outcome)
        n = sum(first.get(p) != second.get(p) for p in both)
        assert re.search(rf"(?m)^ +{n}  {outcome} told differently", told)
    rows = list(csv.DictReader(io.StringIO(comparison.as_csv(found))))
    assert {int(row["person_id"]) for row in rows if row["first"] == "in the cohort"} >= (
        cohort - other_cohort
    )
    assert all(int(row["person_id"]) in one.keys() | two.keys() for row in rows)


def test_the_comparison_says_which_lines_of_the_definitions_differ(lake, project):
    told = comparison.told(compared(lake, project, "dlms_own_list"))
    assert "dlms: morphology M8890, M8891, M8896, behaviour" in told
    assert "dlms_own_list: morphology M8890, M8892, behaviour" in told
    assert told.count("dlms: ") == told.count("dlms_own_list: ")


def test_a_study_that_is_not_in_the_warehouse_or_is_the_same_cannot_be_compared(lake, project):
    same = CliRunner().invoke(main, ["study", "compare", "dlms", "dlms"])
    assert same.exit_code == 2
    assert "Expected two studies" in same.output
    studies.create(project, "dlms_later", "dlms", None)
    try:
        with pytest.raises(StudyError, match="kobling select"):
            compared(lake, project, "dlms_later")
    finally:
        shutil.rmtree(project / "dbt_project/studies/dlms_later")


# ------------------------------------------------------------------ new and check


@pytest.fixture
def copy(tmp_path) -> Path:
    shutil.copytree(CHECKOUT / "dbt_project/studies", tmp_path / "dbt_project/studies")
    return tmp_path


@pytest.mark.parametrize("name", ["Dlms", "1st", "a b", "", "../x", "a" * 41])
def test_a_name_that_cannot_be_a_folder_is_refused(copy, name):
    with pytest.raises(StudyError, match="Expected lower-case letters"):
        studies.create(copy, name, "dlms", None)


def test_a_name_that_is_taken_is_refused_and_the_folder_stays(copy):
    before = (copy / "dbt_project/studies/dlms/study.toml").read_bytes()
    with pytest.raises(StudyError, match="there already"):
        studies.create(copy, "dlms", "dlms", None)
    assert (copy / "dbt_project/studies/dlms/study.toml").read_bytes() == before


def test_a_new_study_is_sound_and_bears_its_title(copy):
    place = studies.create(copy, "next_one", "dlms", 'A "quoted" title\\n')
    found = studies.read(copy, "next_one")
    assert found.title == 'A "quoted" title\\n'
    assert found.criteria == studies.read(copy, "dlms").criteria
    assert sorted(p.name for p in place.parent.iterdir()) == [
        "afx_pds", "dlms", "next_one", "study.schema.json",
    ]  # fmt: skip


def test_the_commands_tell_what_the_folder_says():
    checked = CliRunner().invoke(main, ["study", "check"])
    assert checked.output == (
        "afx_pds: sound. 7 criteria, 2 outcomes, 6 factors, 6 codes.\n"
        "dlms: sound. 7 criteria, 2 outcomes, 10 factors, 8 codes.\n"
    )
    shown = CliRunner().invoke(main, ["study", "show", "dlms"]).output
    for criterion in studies.read(CHECKOUT, "dlms").criteria:
        assert f"  {criterion.step} {criterion.name}: " in shown
    assert "`" not in shown
    unknown = CliRunner().invoke(main, ["study", "check", "dlsm"])
    assert unknown.exit_code == 2
    assert "Did you mean 'dlms'?" in unknown.output


# ------------------------------------------------------------------ the schema for editors


def as_json(value):
    """As an editor sees a TOML value: dates are strings."""
    if isinstance(value, dict):
        return {key: as_json(one) for key, one in value.items()}
    if isinstance(value, list):
        return [as_json(one) for one in value]
    return value.isoformat() if isinstance(value, dt.date) else value


def as_an_editor_sees_it(study: str) -> dict:
    text = (CHECKOUT / f"dbt_project/studies/{study}/study.toml").read_text(encoding="utf-8")
    return as_json(tomllib.loads(text))


def is_valid(study: dict) -> bool:
    return jsonschema.Draft202012Validator(schema.schema()).is_valid(study)


def test_the_schema_and_the_page_are_the_language():
    """`make sources` writes both."""
    assert (CHECKOUT / schema.PLACE).read_text(encoding="utf-8") == schema.text()
    assert schema.tables() in (CHECKOUT / schema.PAGE).read_text(encoding="utf-8")


@pytest.mark.parametrize("study", studies.names(CHECKOUT))
def test_every_study_is_valid_in_an_editor(study):
    jsonschema.Draft202012Validator.check_schema(schema.schema())
    assert is_valid(as_an_editor_sees_it(study))


@pytest.mark.parametrize(
    "spoil",
    [
        lambda s: s.pop("population"),
        lambda s: s.update(titel="x"),
        lambda s: s["criterion"][0].update(kind="primary_tumor"),
        lambda s: s["criterion"][0].update(kind="age_at_index"),
        lambda s: s["factor"][0].pop("column"),
        lambda s: s["outcome"][0].update(risk_difference_threshold=5),
        lambda s: s["follow_up"].update(horizons_days=[]),
    ],
)
def test_what_an_editor_can_see_is_wrong_is_not_valid(spoil):
    study = as_an_editor_sees_it("dlms")
    spoil(study)
    assert not is_valid(study)


def test_every_key_has_its_meaning():
    from etl.studies.language import KEYS, MEANINGS

    assert {s: set(keys) for s, keys in MEANINGS.items()} == {s: set(k) for s, k in KEYS.items()}
