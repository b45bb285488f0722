"""Adding a folder is enough: a study made from another runs with no other change.

One warehouse holds the studies of the checkout and others made from the first: one with a step
more, one with another period and a shorter list of morphologies, one with the list of the group
behind it, one that looks back for diagnoses and into another study's cohort, and one with more
outcomes.
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
from tests import generated_persons
from tests.written_lake import Lake, settings_for

N_PERSONS = 400
# Days from a person's first requisition back to a hospital contact, by the person's place in turn;
# by the index date some of them are a year to the day, or the index date itself.
CONTACT_DAYS_BEFORE = (None, 0, 1, 200, 365, 366, 5000, -29, -30, -400)
MORE_OUTCOMES = """
[[outcome]]
name = "death"
label = "Death"
kind = "death"
risk_difference_threshold = 0.1

[[outcome]]
name = "death_of_the_heart"
label = "Death of the heart"
kind = "death"
cause_codes = ["I", "410"]
risk_difference_threshold = 0.1

[[outcome]]
name = "sarcoma_coded"
label = "Sarcoma coded by a hospital"
kind = "diagnosis"
diagnosis_codes = ["DC49", "1719"]
from_day = 30
risk_difference_threshold = 0.1

[[outcome]]
name = "metastasis_in_the_clinic"
label = "Metastasis in the clinical database"
kind = "clinical_date"
clinical_column = "metastasis_date"
risk_difference_threshold = 0.1

[[outcome]]
name = "progression"
label = "Metastasis, local recurrence or death"
kind = "first_of"
parts = ["metastasis", "local_recurrence", "death"]
risk_difference_threshold = 0.1
"""
LOOK_BACK = """
[[criterion]]
name = "sarcoma_before"
kind = "diagnosed_before"
diagnosis_codes = ["DC49", "1719"]
look_back_days = 365
label = "No sarcoma coded in the year before"

[[criterion]]
name = "no_sarcoma_before"
kind = "not_diagnosed_before"
diagnosis_codes = ["DC49"]
look_back_days = 5000
label = "Sarcoma coded before"

[[criterion]]
name = "in_the_early_study"
kind = "in_cohort"
cohort = "dlms_early"
label = "Not in the early study"

[[criterion]]
name = "not_in_the_aged_study"
kind = "not_in_cohort"
cohort = "dlms_aged"
label = "In the study of 40 to 64"

[[criterion]]
name = "index_date_1980_2022"
"""
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
    studies.create(place, "dlms_own_list", "dlms", None)
    for code, instead in (("M8891", "M8892,superficial leiomyosarcoma,SNOMED,,,"), ("M8896", "")):
        line = f"{instead}\n" if instead else ""
        edit(place, "dlms_own_list", rf"{code},.*\n", line, "codelists/case_morphology.csv")
    studies.create(place, "dlms_looks_back", "dlms", None)
    edit(place, "dlms_looks_back", '\n[[criterion]]\nname = "index_date_1980_2022"\n', LOOK_BACK)
    studies.create(place, "dlms_more_outcomes", "dlms", None)
    edit(place, "dlms_more_outcomes", "[[factor]]\n", f"{MORE_OUTCOMES}\n[[factor]]\n")
    return place


def edit(project: Path, study: str, old: str, new: str, file: str = "study.toml") -> None:
    path = project / "dbt_project/studies" / study / file
    text, n = re.subn(old if "*" in old else re.escape(old), new, path.read_text("utf-8"), count=1)
    assert n == 1, old
    path.write_text(text, encoding="utf-8")


@pytest.fixture(scope="module")
def persons() -> dict[int, dict]:
    return {p["id"]: p for p in generated_persons.generate(seed=5, n=N_PERSONS)}


def contacts(persons: dict[int, dict]) -> list[tuple[int, dt.date, str]]:
    """(person_id, first day, diagnosis) of hospital contacts before 2019, when LPR2 ended."""
    made = []
    for nth, person in enumerate(persons.values()):
        days = [row["d_rekvdato"] for row in person["pathology"] if row["d_rekvdato"]]
        before = CONTACT_DAYS_BEFORE[nth % len(CONTACT_DAYS_BEFORE)]
        if days and before is not None:
            day = min(days) - dt.timedelta(days=before)
            if day < dt.date(2019, 1, 1):
                code = "DC492" if day.year >= 1994 else "17190"
                made.append((FIRST_ID + person["id"], day, code if nth % 3 else "DC443"))
    return made


@pytest.fixture(scope="module")
def lake(project, persons, tmp_path_factory) -> Lake:
    settings = settings_for(tmp_path_factory.mktemp("study_folder"))
    made = Lake(type(settings)(**vars(settings) | {"project": project}))
    for table, rows in generated_persons.write_lake_rows(list(persons.values())).items():
        for row in rows:
            made.add(table, **row)
    for number, (owner, day, code) in enumerate(contacts(persons)):
        made.add("t_adm", person_id=owner, k_recnum=str(number), d_inddto=day, d_uddto=day)
        made.add("t_diag", person_id=owner, v_recnum=str(number), c_diag=code, c_diagtype="A")
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


def test_steps_that_look_back_and_into_other_cohorts_are_answered_for_everybody(lake, persons):
    found = bits(lake, "dlms_looks_back")
    index_dates = {p: v["index_date"] for p, v in verdicts(lake, "dlms_looks_back").items()}
    early, aged = (
        {p for p, v in verdicts(lake, name).items() if v["is_included"]}
        for name in ("dlms_early", "dlms_aged")
    )

    def coded(person: int, codes: tuple[str, ...], look_back_days: int) -> bool | None:
        """Whether such a contact began on days -look_back_days to -1; None without day 0."""
        if index_dates[person] is None:
            return None
        return any(
            owner == person
            and code.startswith(codes)
            and 1 <= (index_dates[person] - day).days <= look_back_days
            for owner, day, code in contacts(persons)
        )

    expected = {
        person: "".join(
            "1" if answer else "0"
            for answer in (
                coded(person, ("DC49", "1719"), 365),
                coded(person, ("DC49",), 5000) is False,
                person in early,
                person not in aged,
            )
        )
        for person in found
    }
    assert {person: answers[3:7] for person, answers in found.items()} == expected
    for place in range(4):
        assert {answers[place] for answers in expected.values()} == {"0", "1"}, place


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


# ------------------------------------------------------------------ outcomes of other kinds


def test_death_and_diagnoses_and_the_first_of_several_are_outcomes(lake, persons):
    study = "dlms_more_outcomes"
    cohort = {
        row["person_id"]: row
        for row in lake.ask(f"select * from marts.cohort where study_id = '{study}'")
    }
    told = {
        outcome: events(lake, study, outcome)
        for outcome in ("metastasis", "local_recurrence", "death", "sarcoma_coded",
                        "metastasis_in_the_clinic", "death_of_the_heart", "progression")
    }  # fmt: skip
    assert told["death"].keys() == cohort.keys(), "nobody of the cohort is dead on the index date"
    for person, row in cohort.items():
        end, died = row["follow_up_end_date"], row["death_date"]
        is_dead = died is not None and died <= end
        last = ((died if is_dead else end) - row["index_date"]).days
        assert told["death"][person] == (int(is_dead), last)
        coded = min(
            (
                (day - row["index_date"]).days
                for owner, day, code in contacts(persons)
                if owner == person
                and code.startswith(("DC49", "1719"))
                and (day - row["index_date"]).days >= 30
            ),
            default=None,
        )
        is_coded = coded is not None and coded <= last
        expected = (1, coded) if is_coded else (2 * is_dead, last)
        assert told["sarcoma_coded"][person] == expected
    codes = {code for outcome in told.values() for code, _ in outcome.values()}
    assert codes == {0, 1, 2}
    for person, (code, day) in told["progression"].items():
        parts = [told[name][person] for name in ("metastasis", "local_recurrence", "death")]
        assert (code, day) == min(
            ((1, d) if c == 1 else (0, d) for c, d in parts), key=lambda part: (part[1], -part[0])
        )


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
