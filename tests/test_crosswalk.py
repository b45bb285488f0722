"""From a field to marts and estimates: what rests on it, and nothing that does not.

That the lineage is that of the SQL is held in tests/test_dbt_project.py, beside a built project.
"""

from dataclasses import replace

import pytest

from etl import registers, studies
from etl.crosswalk import ROWS, Crosswalk, Estimate, lineage, page
from etl.errors import KoblingError
from etl.settings import CHECKOUT

DLMS, AFX = (studies.read(CHECKOUT, name) for name in ("dlms", "afx_pds"))
LINEAGE = Crosswalk.read(CHECKOUT).lineage


@pytest.fixture(scope="module")
def crosswalk() -> Crosswalk:
    return Crosswalk.read(CHECKOUT)


def factors_of(fed, study: str) -> set:
    return {one.factor for one in fed.estimates if one.study_id == study}


# ------------------------------------------------------------------ the lineage

SCHEMA = {
    "read__t": dict.fromkeys(["id", "day", "kind", "said"], "text"),
    "read__u": dict.fromkeys(["id", "name", "other"], "text"),
}


@pytest.mark.parametrize(
    ("sql", "rows", "of_column"),
    [
        ("select id, day from read__t", "t.*", "t.day"),
        ("select id, day from read__t where kind = '3'", "t.* t.kind", "t.day"),
        (  # What is looked up is there once: it adds no row, and the column needs it.
            "select t.id, u.name as day from read__t as t left join read__u as u on t.id = u.id",
            "t.*",
            "t.id u.* u.id u.name",
        ),
        (
            "select t.id, t.day from read__t as t left join read__u as u on t.id = u.id "
            "where u.id is null",
            "t.* t.id u.* u.id",
            "t.day",
        ),
        (
            "select t.id, t.day from read__t as t inner join read__u as u on t.id = u.id",
            "t.* t.id u.* u.id",
            "t.day",
        ),
        (  # Rows that are counted are counted with what a left join makes of them.
            "select t.kind, count(*) as day from read__t as t "
            "left join read__u as u on t.id = u.id group by t.kind",
            "t.* t.kind",
            "t.id u.* u.id",
        ),
        (
            "with t as (select * from read__t) select id, day from t",
            "t.*",
            "t.day",
        ),
        (
            "with all_of as (select id, day from read__t union all select id, name from read__u) "
            "select id, day from all_of",
            "t.* u.*",
            "t.day u.name",
        ),
        (
            "select id, row_number() over (partition by kind order by said) as day from read__t",
            "t.*",
            "t.kind t.said",
        ),
        (
            "select id, day from read__t where exists "
            "(select 1 from read__u as u where u.id = read__t.id and u.other = '1')",
            "t.* t.id u.* u.id u.other",
            "t.day",
        ),
    ],
)
def test_the_inputs_of_a_query_are_what_its_rows_and_columns_need(sql, rows, of_column):
    def told(found: set) -> set:
        return {f"{table.removeprefix('read__')}.{column}" for table, column in found}

    found, columns = lineage.inputs(sql, SCHEMA)
    assert told(found) == set(rows.split())
    assert told(columns["day"]) - told(found) == set(of_column.split())


def test_every_input_is_a_column_of_a_model_or_of_a_contract():
    of_contracts = {
        f"{table.register}.{table.name}"
        for register in registers.catalogue().values()
        for table in register.tables
    }
    n_landed = 0
    for model, told in LINEAGE.items():
        for field in [*told["rows"], *(one for c in told["columns"].values() for one in c)]:
            table, column = field.rsplit(".", 1)
            if table in LINEAGE:
                assert column in {*LINEAGE[table]["columns"], ROWS}, (model, field)
            elif not table.startswith(("kobling.", "history.")):
                assert table in of_contracts, (model, field)
                n_landed += 1
    assert n_landed > 100


def test_every_mart_but_those_on_the_linkage_itself_rests_on_a_register(crosswalk):
    reached = {
        mart
        for register in registers.catalogue().values()
        for table in register.tables
        for mart in crosswalk.fed_by(f"landing.{register.name}.{table.name}").marts
    }
    marts = {name for name, told in LINEAGE.items() if told["schema"] == "marts"}
    assert marts - reached == {"linkage_flow", "number_finding"}


# ------------------------------------------------------------------ what a field feeds


def test_the_day_of_a_requisition_feeds_every_estimate_and_the_day_of_its_answer_none(crosswalk):
    fed = crosswalk.fed_by("landing.patobank.pato", "d_rekvdato")
    assert {"cohort", "attrition", "time_to_event", "factor"} <= set(fed.marts)
    assert len(fed.estimates) == sum(
        len(study.outcomes) * (1 + len(study.factors)) for study in (DLMS, AFX)
    )
    assert crosswalk.fed_by("landing.patobank.pato", "d_svardato") == crosswalk.fed_by(
        "staging.stg_patobank__code", "answered_date"
    )
    assert crosswalk.fed_by("landing.patobank.pato", "d_svardato").estimates == ()


@pytest.mark.parametrize(
    ("suite", "column", "dlms", "afx_pds"),
    [
        ("landing.cpr.cpr3_t_person", "c_kon", {"sex"}, {"sex"}),
        ("landing.cpr.cpr3_t_person", "d_foddato", {"age"}, {"age"}),
        ("landing.cpr.cpr3_t_person", "v_mor_pnr", set(), set()),
        ("landing.dlms_review.review", "necrosis", {"necrosis", "risk_group"}, set()),
        ("landing.dlms_review.review", "margins", {"margins", "risk_group"}, {"margins"}),
        ("staging.stg_dlms_review__review", "size_mm", {"size"}, {"size"}),
        ("landing.dcr.t_tumor", None, set(), set()),
        ("landing.lpr2.t_adm", None, set(), set()),
        ("landing.lpr3.diagnoser", None, set(), set()),
        ("landing.dar.t_dodsaarsag_2", "c_dodtilgrundl_acme", set(), set()),
    ],
)
def test_a_field_feeds_the_factors_that_read_it(crosswalk, suite, column, dlms, afx_pds):
    fed = crosswalk.fed_by(suite, column)
    assert factors_of(fed, "dlms") == dlms
    assert factors_of(fed, "afx_pds") == afx_pds


def test_a_date_of_the_clinical_database_feeds_the_outcome_that_names_it(crosswalk):
    fed = crosswalk.fed_by("landing.dsd.sarcoma", "metastasis_date")
    assert {(one.study_id, one.outcome) for one in fed.estimates} == {("dlms", "metastasis")}
    assert Estimate("dlms", "metastasis") in fed.estimates
    assert "time_to_event" in fed.marts
    assert "cohort" not in fed.marts


def test_a_table_feeds_what_any_of_its_columns_does(crosswalk):
    (table,) = registers.catalogue()["dsd"].tables
    whole = crosswalk.fed_by("landing.dsd.sarcoma")
    for column in table.columns:
        part = crosswalk.fed_by("landing.dsd.sarcoma", column.name)
        assert set(part.marts) <= set(whole.marts)
        assert set(part.estimates) <= set(whole.estimates)


def test_a_mart_feeds_itself_and_what_reads_it(crosswalk):
    fed = crosswalk.fed_by("marts.factor", "level")
    assert fed.marts == ("baseline", "factor")
    assert None not in factors_of(fed, "dlms")
    assert crosswalk.fed_by("marts.attrition").estimates == ()


def test_a_study_that_looks_back_or_counts_causes_rests_on_more_registers():
    looks_back = replace(
        DLMS.criteria[0], kind="not_diagnosed_before", diagnosis_codes=("DC49",), look_back_days=9
    )
    of_the_heart = replace(
        DLMS.outcomes[0], kind="death", codes=("I",), behaviours=(), clinical_column=None
    )
    first = replace(
        of_the_heart, name="progression", kind="first_of", parts=("metastasis", "recurrence")
    )
    edited = replace(
        DLMS, outcomes=(of_the_heart, replace(DLMS.outcomes[1], name="recurrence"), first)
    )
    diagnosed = Crosswalk(LINEAGE, [replace(DLMS, criteria=(looks_back, *DLMS.criteria[1:]))])
    fed = diagnosed.fed_by("landing.lpr2.t_diag", "c_diag")
    assert len(fed.estimates) == 22
    other = replace(DLMS.criteria[0], kind="in_cohort", cohort="asked")
    asking = Crosswalk(
        LINEAGE,
        [
            replace(DLMS, criteria=(*DLMS.criteria, other)),
            replace(diagnosed.definitions["dlms"], study_id="asked"),
        ],
    )
    assert len(asking.fed_by("landing.lpr2.t_diag", "c_diag").estimates) == 44
    counting = Crosswalk(LINEAGE, [edited])
    counted = counting.fed_by("landing.dar.t_dodsaarsag_2", "c_dodtilgrundl_acme")
    assert {one.outcome for one in counted.estimates} == {"metastasis", "progression"}


@pytest.mark.parametrize(
    ("suite", "column", "told"),
    [
        ("landing.patobank.pati", None, "no table 'landing.patobank.pati'"),
        ("landing.nowhere", None, "no table"),
        ("marts.int_person", None, "no table 'marts.int_person'"),
        ("landing.patobank.pato", "d_rekvdag", "no column 'd_rekvdag'"),
    ],
)
def test_what_is_not_there_is_refused(crosswalk, suite, column, told):
    with pytest.raises(KoblingError, match=told):
        crosswalk.fed_by(suite, column)


def test_every_suite_of_checks_is_answered(crosswalk):
    names = [
        f"{path.parent.name}.{path.stem}"
        for path in sorted((CHECKOUT / "expectations").glob("*/*.json"))
    ]
    assert len(names) > 30
    # No study asks for operations yet; their rows are checked all the same.
    read_by_no_mart = {"staging.stg_lpr2__operation", "staging.stg_lpr3__operation"}
    assert {name for name in names if not crosswalk.fed_by(name).marts} == read_by_no_mart


# ------------------------------------------------------------------ the page


def test_the_page_is_written_from_the_lineage_and_the_studies(crosswalk):
    assert (CHECKOUT / page.PLACE).read_text(encoding="utf-8") == page.text(crosswalk), (
        "run `make sources`"
    )


def test_the_page_tells_estimates_in_as_few_words_as_say_them_all():
    everything = [Estimate("dlms", o.name, f) for o in DLMS.outcomes for f in
                  (None, *(f.name for f in DLMS.factors))]  # fmt: skip
    assert page.in_words(everything, [AFX, DLMS]) == "dlms: all"
    assert page.in_words([], [DLMS]) == ""
    one = [e for e in everything if e.outcome == "metastasis"]
    assert page.in_words(one, [DLMS]) == "dlms: metastasis"
    sex = [e for e in everything if e.factor == "sex"]
    assert page.in_words(sex, [DLMS]) == "dlms: metastasis, local_recurrence by sex"
    assert page.in_words([*one, sex[1]], [DLMS]) == "dlms: metastasis; local_recurrence by sex"
