"""A study folder that contradicts itself is refused with one line; a sound one becomes rows."""

import datetime as dt
import re
import shutil
from pathlib import Path

import duckdb
import pytest

from etl import registers, studies
from etl.errors import StudyError
from etl.settings import CHECKOUT
from etl.studies.language import COHORT_KINDS, OUTCOME_KINDS

MODELS = CHECKOUT / "dbt_project" / "models"
DLMS = CHECKOUT / "dbt_project" / "studies" / "dlms"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project that holds a copy of the first study, to be spoilt."""
    shutil.copytree(DLMS, tmp_path / "dbt_project" / "studies" / "dlms")
    return tmp_path


def spoil(project: Path, old: str, new: str, file: str = "study.toml") -> None:
    path = project / "dbt_project" / "studies" / "dlms" / file
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def without(project: Path, heading: str) -> None:
    """Take every section of one heading away."""
    path = project / "dbt_project" / "studies" / "dlms" / "study.toml"
    parts = re.split(r"(?m)^(?=\[)", path.read_text(encoding="utf-8"))
    path.write_text("".join(part for part in parts if not part.startswith(heading)))


def refusal(project: Path, study: str = "dlms") -> str:
    with pytest.raises(StudyError) as error:
        studies.read(project, study)
    text = str(error.value)
    assert "\n" not in text
    assert text.startswith(f"dbt_project/studies/{study}")
    return text


def test_the_first_study_is_sound():
    study = studies.read(CHECKOUT, "dlms")
    assert [c.step for c in study.criteria] == [2, 3, 4, 5, 6, 7, 8]
    assert [c.kind for c in study.criteria] == [
        "primary_tumour",
        "reviewed",
        "confirmed_on_review",
        "index_date_in_period",
        "resident_at_index",
        "alive_after_index",
        "follow_up_at_least",
    ]
    assert {o.name: (o.threshold, o.from_day) for o in study.outcomes} == {
        "metastasis": (0.05, None),
        "local_recurrence": (0.10, 90),
    }
    assert [f.name for f in study.factors if f.is_rule_factor] == [
        "necrosis",
        "mitotic_grade",
        "invasion",
        "margins",
    ]
    assert study.horizons_days == (1826,)


def test_an_unknown_study_is_answered_with_the_one_that_was_meant(project):
    assert "Known studies: dlms. Did you mean 'dlms'?" in refusal(project, "dlmss")


def test_a_kind_of_criterion_without_a_model_is_refused_with_what_to_do(project):
    spoil(project, 'kind = "resident_at_index"', 'kind = "resident_at_indx"')
    text = refusal(project)
    assert "criterion 'resident' has kind 'resident_at_indx'" in text
    assert "models/cohort/int_criterion_resident_at_indx.sql" in text
    assert text.endswith("Did you mean 'resident_at_index'?")


@pytest.mark.parametrize("section", ["population", "index_event", "follow_up"])
def test_a_missing_section_is_named(project, section):
    without(project, f"[{section}]")
    assert f"the study has no '{section}'" in refusal(project)


@pytest.mark.parametrize("section", ["criterion", "outcome", "factor"])
def test_a_study_without_any_entry_of_a_kind_is_refused(project, section):
    without(project, f"[[{section}]]")
    assert f"the study has no '{section}'" in refusal(project)
    spoil(project, 'title = "', f'{section} = []\ntitle = "')
    assert f"the study has {section} = []. Expected at least one entry" in refusal(project)


CONTRADICTIONS = {
    "kind of outcome that is none": (
        'kind = "tumour"', 'kind = "tumor"', "Did you mean 'tumour'?",
    ),
    "outcome without what its kind needs": (
        'kind = "tumour"', 'kind = "first_of"', "of kind first_of has no parts",
    ),
    "outcome with what its kind has not": (
        'kind = "tumour"\n', 'kind = "tumour"\ncause_codes = ["C44"]\n',
        "of kind tumour has cause_codes. Expected only behaviours, place",
    ),
    "first of nothing": (
        "[[outcome]]\n",
        '[[outcome]]\nname = "any"\nkind = "first_of"\nparts = ["metastases"]\nlabel = "Any"\n'
        "risk_difference_threshold = 0.1\n\n[[outcome]]\n",
        "parts names 'metastases'. Expected one of metastasis, local_recurrence",
    ),
    "diagnosis that no hospital writes": (
        'kind = "reviewed"',
        'kind = "diagnosed_before"\ndiagnosis_codes = ["C49"]\nlook_back_days = 365',
        "diagnosis_codes has 'C49'. Expected a diagnosis as hospitals write it",
    ),
    "look-back without an end": (
        'kind = "reviewed"',
        'kind = "not_diagnosed_before"\ndiagnosis_codes = ["DC49"]',
        "has no look_back_days",
    ),
    "look-back of a kind that has none": (
        'kind = "reviewed"', 'kind = "reviewed"\nlook_back_days = 9',
        "it with kind diagnosed_before or not_diagnosed_before, and with no other",
    ),
    "cohort of the study itself": (
        'kind = "reviewed"', 'kind = "in_cohort"\ncohort = "dlms"',
        "names the study 'dlms'. Expected another study of the folder",
    ),
    "unreadable toml": ("[population]", "[population", "not readable"),
    "unknown key": ("end_of_data", "end_off_data", "Did you mean 'end_of_data'?"),
    "missing key": ('label = "Slides not reviewable"', "", "criterion 'reviewable' has no 'label'"),
    "section that is no table": (
        "[population]\n", "population = 3\n[other]\n", "Expected only",
    ),
    "entries that are no entries": (
        'question = "', 'criterion = "none"\nquestion = "', "not readable",
    ),
    "date in quotes": (
        "period_start = 1980-01-01", 'period_start = "1980-01-01"',
        "period_start = '1980-01-01'. Expected a date such as 1980-01-01, without quotes",
    ),
    "date with a time": (
        "period_end = 2022-12-31", "period_end = 2022-12-31T00:00:00", "Expected a date",
    ),
    "reversed period": (
        "period_start = 1980-01-01", "period_start = 2023-01-01",
        "the period starts 2023-01-01 and ends 2022-12-31",
    ),
    "end before the beginning": (
        "end_of_data = 2022-12-31", "end_of_data = 1979-12-31", "lies before the period",
    ),
    "number in quotes": ("lesion_days = 90", 'lesion_days = "90"', "whole number of days from 1"),
    "truth for a number": ("lesion_days = 90", "lesion_days = true", "whole number of days from 1"),
    "negative days": ("clinical_match_days = 89", "clinical_match_days = -1", "whole number"),
    "no horizon": ("horizons_days = [1826]", "horizons_days = []", "such as [1826]"),
    "text for a list": (
        'primary_behaviours = ["3"]', 'primary_behaviours = "3"', 'such as ["3", "6"]',
    ),
    "percent for a proportion": (
        "risk_difference_threshold = 0.05", "risk_difference_threshold = 5", "between 0 and 1",
    ),
    "empty label": ('label = "Necrosis"', 'label = " "', "a text that is not empty"),
    "primary that is no candidate": (
        'candidate_behaviours = ["3", "6"]', 'candidate_behaviours = ["6"]',
        "behaviour '3' is primary and makes no candidate",
    ),
    "unknown diagnosis": (
        'confirmed = ["dermal_leiomyosarcoma"]', 'confirmed = ["dermal_leiomyosarkoma"]',
        "Did you mean 'dermal_leiomyosarcoma'?",
    ),
    "unknown register": ('capped_by = ["cpr"', 'capped_by = ["crp"', "Did you mean 'cpr'?"),
    "register without an end": (
        'capped_by = ["cpr"', 'capped_by = ["dsd"', "names 'dsd'. Expected one of cpr, patobank",
    ),
    "missing code list": (
        'case_morphology = "case_morphology"', 'case_morphology = "case_morfology"',
        "case_morphology names the list 'case_morfology'. Expected codelists/case_morfology.csv",
    ),
    "two criteria of a name": (
        'name = "reviewable"', 'name = "resident"', "criterion 'resident' stands twice",
    ),
    "follow-up without days": (
        "minimum_days = 1\n", "", "of kind follow_up_at_least has no minimum_days",
    ),
    "days without follow-up": (
        'kind = "reviewed"', 'kind = "reviewed"\nminimum_days = 1', "and with no other",
    ),
    "nobody asks who is alive": (
        'kind = "alive_after_index"', 'kind = "reviewed"', "no criterion of kind alive_after_index",
    ),
    "unknown place": ('place = "index"', 'place = "indeks"', "Expected one of anywhere, index"),
    "unknown clinical column": (
        '"metastasis_date"', '"metastases_date"', "Did you mean 'metastasis_date'?",
    ),
    "index tumour as its own recurrence": (
        "from_day = 90\n", "", "the index tumour itself would be the outcome",
    ),
    "rule about no factor": (
        'factors = ["necrosis"', 'factors = ["nekrosis"', "the rule names 'nekrosis'",
    ),
    "unknown kind of factor": ('kind = "review_any"', 'kind = "review_all"', "names 'review_all'"),
    "factor without its column": (
        'column = "necrosis"\n', "", "'necrosis' of kind review_value has no 'column'",
    ),
    "factor with a key of another kind": (
        'kind = "sex"', 'kind = "sex"\ncolumn = "margins"', "factor 'sex' of kind sex has 'column'",
    ),
    "rule without a threshold": (
        "risk_difference_threshold = 0.05\n", "",
        "outcome 'metastasis' has no risk_difference_threshold, and the study has a [rule]",
    ),
    "diagnosis on a level that is none": (
        'column = "margins"\nlevels = { positive = ["positive"]',
        'column = "who_diagnosis"\nlevels = { positive = ["dermal_leiomyosarkoma"]',
        "Did you mean 'dermal_leiomyosarcoma'?",
    ),
    "unknown review column": ('column = "margins"', 'column = "margin"', "Did you mean 'margins'?"),
    "text column for a number": ('column = "size_mm"', 'column = "margins"', "names 'margins'"),
    "value that the review cannot have": (
        'positive = ["positive"]', 'positive = ["pos"]', "level 'positive' names 'pos'",
    ),
    "number for a text value": ('yes = ["1"], no = ["0"]', "yes = [1], no = [0]", "yes = [1]"),
    "one value on two levels": ('"1-2" = ["1", "2"]', '"1-2" = ["3", "2"]', "'3' stands twice"),
    "level without a value": ('no = ["0"]', "no = []", "has level 'no' with 0 values"),
    "unknown reference": ('reference = "1-2"', 'reference = "1"', "reference names '1'"),
    "high level that is the reference": (
        'high_level = "positive"', 'high_level = "negative"', "one level as reference and",
    ),
    "cut points that are no pair": (
        '"under 65" = [0, 65]', '"under 65" = [65]', "two numbers, the first included",
    ),
    "cut points that are no numbers": (
        '"under 65" = [0, 65]', '"under 65" = ["0", "65"]', "two numbers, the first included",
    ),
    "reversed cut points": ("[65, 200]", "[200, 65]", "from 200 to below 65"),
    "overlapping cut points": ("[0, 65]", "[0, 66]", "that overlap"),
    "periods that are no dates": ("[1900-01-01, 1997-01-01]", "[1900, 1997]", "two dates"),
    "part that is no factor": ('parts = ["necrosis"', 'parts = ["nekrosis"', "names 'nekrosis'"),
    "part without a high level": (
        'parts = ["necrosis"', 'parts = ["sex"', "factor 'sex' has no high_level",
    ),
    "combined part": ('parts = ["necrosis"', 'parts = ["risk_group"', "of kind any_of"),
}  # fmt: skip


@pytest.mark.parametrize("name", CONTRADICTIONS)
def test_a_contradiction_is_refused_with_one_clear_line(project, name):
    old, new, words = CONTRADICTIONS[name]
    spoil(project, old, new)
    text = refusal(project)
    assert words in text
    assert "Expected" in text


# What two sections say together is told at one of them.
TOLD_ELSEWHERE = {
    "end before the beginning", "follow-up without days", "nobody asks who is alive",
    "entries that are no entries", "unreadable toml", "section that is no table",
    "primary that is no candidate", "two criteria of a name", "first of nothing",
}  # fmt: skip


@pytest.mark.parametrize("name", [name for name in CONTRADICTIONS if name not in TOLD_ELSEWHERE])
def test_a_contradiction_is_told_with_the_line_where_it_stands(project, name):
    """The line that was spoilt or, where something is missing, the heading of its entry."""
    path = project / "dbt_project/studies/dlms/study.toml"
    before = path.read_text(encoding="utf-8").splitlines()
    spoil(project, *CONTRADICTIONS[name][:2])
    after = path.read_text(encoding="utf-8").splitlines()
    spoilt = next(n for n, (a, b) in enumerate(zip(before, after, strict=False), 1) if a != b)
    told = int(re.search(r"study\.toml, line (\d+): ", refusal(project))[1])
    if told not in (spoilt, spoilt + 1):
        assert after[told - 1].startswith("["), after[told - 1]
        assert not any(line.startswith("[") for line in after[told : spoilt - 1])


@pytest.mark.parametrize(
    ("file", "old", "new", "words"),
    [
        ("case_morphology", "M8891", "8891/3", "code '8891/3'. Expected M and four digits"),
        ("case_morphology", "M8891", "M8890", "code 'M8890' stands twice"),
        ("case_morphology", "1970-01-01", "1/1 1970", "valid_from '1/1 1970'. Expected a date"),
        ("skin_topography", "code,", "kode,", "Expected a column 'code'"),
        ("unspecific_topography", "T01000", "T0100", "Expected T and five characters"),
        ("unspecific_topography", "T01000", "T03000", "begins like no code of case_topography"),
    ],
)
def test_a_code_list_that_could_never_match_is_refused(project, file, old, new, words):
    spoil(project, old, new, f"codelists/{file}.csv")
    text = refusal(project)
    assert words in text
    if "code '" in words:
        assert re.search(rf"codelists/{file}\.csv, line \d+: |study\.toml, line \d+: ", text)


def test_an_empty_code_list_is_refused(project):
    path = project / "dbt_project/studies/dlms/codelists/skin_topography.csv"
    path.write_text("code,name\n")
    assert "codelists/skin_topography.csv: no codes" in refusal(project)


def asks_for(project, study: str, other: str) -> None:
    path = project / "dbt_project/studies" / study / "study.toml"
    text = path.read_text(encoding="utf-8")
    asked = f'[[criterion]]\nname = "other"\nkind = "in_cohort"\ncohort = "{other}"\nlabel = "x"\n'
    path.write_text(text.replace("[[criterion]]", f"{asked}\n[[criterion]]", 1), encoding="utf-8")


def test_two_studies_cannot_hang_on_each_other(project):
    studies.create(project, "second", "dlms", None)
    asks_for(project, "second", "dlms")
    assert studies.read(project, "second").criteria[0].cohort == "dlms"
    asks_for(project, "dlms", "second")
    assert "names the study 'second', which asks for a cohort itself" in refusal(project)


def test_the_definition_changes_with_that_of_the_cohort_it_asks_for(project):
    studies.create(project, "second", "dlms", None)
    asks_for(project, "second", "dlms")
    before = studies.definition_hash(studies.read(project, "second"))
    spoil(project, "myxoid", "Myxoid", "codelists/case_morphology.csv")
    assert studies.definition_hash(studies.read(project, "second")) != before


def test_a_threshold_without_a_rule_is_refused(project):
    without(project, "[rule]")
    text = refusal(project)
    assert "outcome 'metastasis' has risk_difference_threshold, and the study has no [rule]" in text
    line = int(re.search(r"study\.toml, line (\d+): ", text)[1])
    path = project / "dbt_project/studies/dlms/study.toml"
    assert path.read_text("utf-8").splitlines()[line - 1].startswith("risk_difference_threshold")


def test_a_schedule_without_a_rule_is_refused_and_so_is_one_without_visits(project):
    assert studies.read(project, "dlms").schedule == studies.Schedule(2, 1, 2)
    spoil(project, "imaging_years = 2", "imaging_years = -1")
    assert "[schedule] has imaging_years = -1. Expected a whole number of years" in refusal(project)
    spoil(project, "imaging_years = -1", "imaging_years = 0")
    spoil(project, "visits_in_first_year = 2", "visits_in_first_year = 0")
    assert "[schedule] has visits_in_first_year = 0. Expected a whole number from 1" in refusal(
        project
    )
    spoil(project, "visits_in_first_year = 0", "visits_in_first_year = 3")
    assert "3 in the first year, 1 in each later one; imaging at high risk to year 0" in (
        studies.shown(studies.read(project, "dlms"))
    )
    without(project, "[rule]")
    path = project / "dbt_project/studies/dlms/study.toml"
    text = path.read_text(encoding="utf-8")
    path.write_text(re.sub(r"(?m)^risk_difference_threshold.*\n", "", text), encoding="utf-8")
    assert "a [schedule] and no [rule]" in refusal(project)


def test_a_study_may_do_without_a_rule(project):
    path = project / "dbt_project/studies/dlms/study.toml"
    text = path.read_text(encoding="utf-8").partition("[rule]")[0]
    path.write_text(re.sub(r"(?m)^risk_difference_threshold.*\n", "", text), encoding="utf-8")
    study = studies.read(project, "dlms")
    assert {outcome.threshold for outcome in study.outcomes} == {None}
    assert not any(factor.is_rule_factor for factor in study.factors)
    assert "high-risk above" not in studies.shown(study)


def test_the_definition_changes_with_any_file_of_the_folder(project):
    before = studies.definition_hash(studies.read(project, "dlms"))
    spoil(project, "myxoid", "Myxoid", "codelists/case_morphology.csv")
    assert studies.definition_hash(studies.read(project, "dlms")) != before


# ------------------------------------------------------------------ rows


def test_the_rows_are_what_the_models_read():
    """Every table and column that the models' sources promise, and no other."""
    import yaml

    con = duckdb.connect()
    studies.load(con, [studies.read(CHECKOUT, "dlms")])
    promised = yaml.safe_load((MODELS / "cohort" / "_sources.yml").read_text(encoding="utf-8"))
    found: dict[str, list[str]] = {}
    for table, column in con.execute(
        "select table_name, column_name from duckdb_columns() where schema_name = 'study' "
        "order by table_name, column_index"
    ).fetchall():
        found.setdefault(table, []).append(column)
    assert found == {
        table["name"]: [column["name"] for column in table["columns"]]
        for table in promised["sources"][0]["tables"]
    }


def test_loading_again_replaces_what_was_there():
    con = duckdb.connect()
    study = studies.read(CHECKOUT, "dlms")
    studies.load(con, [study])
    studies.load(con, [study])
    assert con.execute("select count(*) from study.study").fetchone() == (1,)
    assert con.execute(
        "select period_start, period_end, lesion_days from study.study"
    ).fetchone() == (dt.date(1980, 1, 1), dt.date(2022, 12, 31), 90)
    assert con.execute(
        "select list, count(*) from study.code group by all order by all"
    ).fetchall() == [("case_morphology", 3), ("case_topography", 2), ("unspecific_topography", 3)]


def test_a_factor_of_two_columns_has_its_levels_on_both():
    con = duckdb.connect()
    studies.load(con, [studies.read(CHECKOUT, "dlms")])
    assert con.execute(
        "select level, source_column, value from study.factor_level where factor = 'invasion' "
        "order by all"
    ).fetchall() == [
        ("no", "perineural_invasion", "0"),
        ("no", "vascular_invasion", "0"),
        ("yes", "perineural_invasion", "1"),
        ("yes", "vascular_invasion", "1"),
    ]


def test_a_combined_factor_knows_what_makes_each_part_high():
    con = duckdb.connect()
    studies.load(con, [studies.read(CHECKOUT, "dlms")])
    assert con.execute(
        "select part, high_level from study.factor_part where factor = 'risk_group' order by all"
    ).fetchall() == [
        ("invasion", "yes"),
        ("margins", "positive"),
        ("mitotic_grade", "3"),
        ("necrosis", "yes"),
    ]


# ------------------------------------------------------------------ Python and SQL know the same


def listed_in(model: str, name: str) -> list[str]:
    text = (MODELS / "cohort" / f"{model}.sql").read_text(encoding="utf-8")
    return re.findall(r"'(\w+)'", re.search(rf"set {name} = \[(.*?)\]", text, re.DOTALL)[1])


def test_every_kind_of_criterion_has_a_model_and_is_in_the_union():
    prefix = "int_criterion_"
    files = {path.stem.removeprefix(prefix) for path in MODELS.rglob(f"{prefix}*.sql")}
    assert files - {"own"} == set(studies.CRITERION_KINDS)
    listed = listed_in("int_criterion", "kinds") + listed_in("int_criterion_own", "kinds")
    assert sorted(listed) == sorted(studies.CRITERION_KINDS)
    assert sorted(listed_in("int_criterion", "kinds")) == sorted(COHORT_KINDS)


def test_every_kind_of_outcome_is_read_by_one_model():
    models = {
        "tumour": "int_outcome_tumour", "clinical_date": "int_outcome_tumour",
        "diagnosis": "int_outcome_diagnosis", "death": "int_outcome_death",
        "first_of": "int_outcome_date",
    }  # fmt: skip
    assert models.keys() == OUTCOME_KINDS.keys()
    union = (MODELS / "cohort" / "int_outcome_date.sql").read_text(encoding="utf-8")
    files = {path.stem for path in MODELS.rglob("int_outcome_*.sql")}
    assert files == set(models.values())
    assert set(re.findall(r"ref\('(\w+)'\)", union)) == files - {"int_outcome_date"}


def test_every_kind_of_criterion_has_a_unit_test():
    text = "".join(path.read_text() for path in MODELS.rglob("_unit_tests_*.yml"))
    for kind in studies.CRITERION_KINDS:
        assert f"model: int_criterion_{kind}\n" in text


def test_every_kind_of_factor_is_read_by_one_model():
    read = [
        kind
        for model in ("int_factor_review", "int_factor_person", "int_factor_combined")
        for kind in re.findall(
            r"'(\w+)'",
            re.search(
                r"where kind (?:in|=) (.*)", (MODELS / "cohort" / f"{model}.sql").read_text()
            )[1],
        )
    ]
    assert sorted(read) == sorted(studies.FACTOR_KINDS)


def test_the_columns_of_the_review_are_those_of_its_contract_and_of_the_model():
    review = registers.register("dlms_review").table("review")
    keys = {"record_id", "cpr", "k_inst", "k_rekvnr", "reviewed_on"}
    assert {column.name for column in review.columns} - keys == set(studies.REVIEW_COLUMNS)
    assert listed_in("int_review_value", "numbers") == list(studies.REVIEW_NUMBERS)
    assert listed_in("int_review_value", "texts") == list(studies.REVIEW_TEXTS)
