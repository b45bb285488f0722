"""Adding a folder is enough: a study made from another runs with no other change.

One warehouse holds the studies of the checkout and two made from the first: one with a step more,
one with a list, a period and an outcome less.
"""

import datetime as dt
import re
import shutil
import tomllib
from pathlib import Path

import jsonschema
import pytest
from click.testing import CliRunner

from etl import steps, studies, verdict
from etl.cli import main
from etl.errors import StudyError
from etl.home import connect
from etl.settings import CHECKOUT
from etl.studies import schema
from tests import generated_persons
from tests.written_lake import Lake, settings_for

N_PERSONS = 400
FIRST_ID = generated_persons.FIRST_PERSON_ID
AGE_STEP = """
[[criterion]]
name = "adult"
kind = "age_at_index"
minimum_years = 40
below_years = 65
label = "Younger than 40 or older than 64"

[[criterion]]
name = "index_date_1980_2022"
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    """A checkout with two studies more, made by the command and edited as a user would."""
    place = tmp_path_factory.mktemp("project")
    shutil.copytree(CHECKOUT / "dbt_project", place / "dbt_project")
    for name in ("etl", "expectations", "requirements.lock"):
        (place / name).symlink_to(CHECKOUT / name)
    studies.create(place, "dlms_aged", "dlms", "Aged 40 to 64")
    edit(place, "dlms_aged", '\n[[criterion]]\nname = "index_date_1980_2022"\n', AGE_STEP)
    studies.create(place, "dlms_early", "dlms", None)
    edit(place, "dlms_early", "period_end = 2022-12-31", "period_end = 1999-12-31")
    edit(place, "dlms_early", r"M8891,.*\n", "", "codelists/case_morphology.csv")
    return place


def edit(project: Path, study: str, old: str, new: str, file: str = "study.toml") -> None:
    path = project / "dbt_project/studies" / study / file
    text, n = re.subn(old if "*" in old else re.escape(old), new, path.read_text("utf-8"), count=1)
    assert n == 1, old
    path.write_text(text, encoding="utf-8")


@pytest.fixture(scope="module")
def persons() -> dict[int, dict]:
    return {p["id"]: p for p in generated_persons.generate(seed=5, n=N_PERSONS)}


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
    assert [row["study_id"] for row in sizes] == ["dlms", "dlms_aged", "dlms_early"]
    n = {row["study_id"]: row["n"] for row in sizes}
    assert 0 < n["dlms_aged"] < n["dlms"]
    assert 0 < n["dlms_early"] < n["dlms"]


def test_a_step_more_asks_for_the_age_on_the_index_date_and_changes_nothing_else(lake, persons):
    plain, aged = bits(lake, "dlms"), bits(lake, "dlms_aged")
    assert plain.keys() == aged.keys()
    assert {key: b[:3] + b[4:] for key, b in aged.items()} == plain
    index_dates = {
        row["person_id"]: row["index_date"]
        for row in lake.ask(
            "select person_id, index_date from marts.exclusion_reasons where study_id = 'dlms'"
        )
    }
    expected = {
        key: "1" if 40 <= age(persons[key - FIRST_ID], index_dates[key]) < 65 else "0"
        for key in aged
    }
    assert {key: b[3] for key, b in aged.items()} == expected
    assert set(expected.values()) == {"0", "1"}


def age(person: dict, day: dt.date | None) -> int:
    """Birthdays had; -1 where either date is unknown."""
    born = person["cpr"]["birth_date"] if person["cpr"] else None
    if born is None or day is None:
        return -1
    return day.year - born.year - ((day.month, day.day) < (born.month, born.day))


def test_a_shorter_list_and_period_leave_out_and_never_add(lake):
    """Nobody becomes a candidate by it, and nobody stays in whose index date lies outside."""
    assert bits(lake, "dlms_early").keys() < bits(lake, "dlms").keys()
    (row,) = lake.ask("select max(index_date) as d from marts.cohort where study_id = 'dlms_early'")
    assert row["d"] <= dt.date(1999, 12, 31)


# ------------------------------------------------------------------ why


def test_why_agrees_with_the_verdict_for_everybody(lake, project):
    for name in ("dlms", "dlms_aged"):
        study = studies.read(project, name)
        rows = lake.ask(f"select * from marts.exclusion_reasons where study_id = '{name}'")
        with connect(lake.settings, lake.home.warehouse, read_only=True) as con:
            for row in rows:
                told = verdict.why(con, study, row["person_id"])
                marks = re.findall(r"(?m)^[→ ] {1,3}\d \w+: (met|not met|no answer)\.", told)
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
