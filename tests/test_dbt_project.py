"""The dbt project on a lake small enough to read: named persons and the verdicts they must get."""

import re
from datetime import date

import duckdb
import pytest
from jinja2 import Environment, FileSystemLoader

from etl import crosswalk, registers
from etl.crosswalk import lineage
from etl.home import read_json
from etl.registers import dbt_sources
from etl.settings import CHECKOUT
from tests.written_lake import Lake, settings_for

FIRST_ID = 10**10
CASE, PLACE = "M88903", "T02121"
PERSONS = (
    "included",
    "only_metastases",
    "not_reviewable",
    "leiomyoma_on_review",
    "before_1980",
    "tumour_before_1980_and_later_confirmed",
    "abroad",
    "in_greenland",
    "autopsy",
    "last_day_of_the_data",
    "obs_pro",
    "subcutis",
    "recurs_on_day_89_and_90",
    "metastasis_on_the_index_date",
    "dies_with_metastasis",
    "changed_number",
    "two_rows_in_force",
    "no_row_in_the_civil_register",
)
ID = {name: FIRST_ID + n for n, name in enumerate(PERSONS)}
INDEX = date(2000, 1, 1)


def pathology(lake: Lake, name: str, requisition: str, day: date, *codes: str) -> None:
    for number, code in enumerate(codes, 1):
        lake.add(
            "pato",
            person_id=ID[name],
            k_inst="L",
            k_rekvnr=f"{name}/{requisition}",
            k_matnr=number,
            k_sekvensnr=1,
            d_rekvdato=day,
            c_snomedkode=code,
        )


def review(lake: Lake, name: str, requisition: str, diagnosis: str | None, **says) -> None:
    lake.add(
        "review",
        person_id=ID[name],
        record_id=f"{name}/{requisition}",
        k_inst="L",
        k_rekvnr=f"{name}/{requisition}",
        reviewed_on=date(2023, 1, 1),
        who_diagnosis=diagnosis,
        **says,
    )


def civil(
    lake: Lake, name: str, status: str = "01", since: date = date(1950, 2, 1), **rest
) -> None:
    person = {
        "person_id": ID[name],
        "is_number_in_force": True,
        "c_kon": "M",
        "c_status": status,
        "d_foddato": date(1935, 1, 1),
        "d_status_hen_start": since,
    }
    lake.add("cpr3_t_person", **{**person, **rest})


def write(lake: Lake) -> None:
    """Everyone has a confirmed tumour on INDEX and lives in Denmark, but for what the name says."""
    index_days = {
        "before_1980": date(1979, 12, 31),
        "last_day_of_the_data": date(2022, 12, 31),
    }
    for name in PERSONS:
        codes = {
            "only_metastases": ("M88906", PLACE),
            "obs_pro": ("M8890X", PLACE),
            "subcutis": (CASE, "T03000"),
            "metastasis_on_the_index_date": (CASE, "M88906", PLACE),
        }.get(name, (" m88903 ", PLACE, "Ã†KI030") if name == "included" else (CASE, PLACE))
        pathology(lake, name, "index", index_days.get(name, INDEX), *codes)
        diagnosis = {"not_reviewable": None, "leiomyoma_on_review": "leiomyoma"}
        review(
            lake,
            name,
            "index",
            diagnosis.get(name, "dermal_leiomyosarcoma"),
            necrosis=1,
            perineural_invasion=0,
            size_mm=20.0,
        )
        if name in ("in_greenland",):
            lake.add(
                "cpr3_t_adresse_hist",
                person_id=ID[name],
                c_kom="0957",
                d_tilflyt_dato=date(1990, 1, 1),
            )
        lake.add(
            "cpr3_t_adresse_hist",
            person_id=ID[name],
            c_kom="101",
            d_tilflyt_dato=date(1935, 1, 1),
            d_fraflyt_dato=date(1990, 1, 1) if name == "in_greenland" else None,
        )
        if name not in ("autopsy", "dies_with_metastasis", "two_rows_in_force",
                        "no_row_in_the_civil_register"):  # fmt: skip
            civil(lake, name)
    civil(lake, "autopsy", "90", date(1999, 12, 30))
    civil(lake, "dies_with_metastasis", "90", date(2003, 5, 5))
    civil(lake, "two_rows_in_force", "01")
    civil(lake, "two_rows_in_force", "90", date(2010, 5, 5))
    civil(lake, "changed_number", "60", date(1999, 5, 5), is_number_in_force=False)
    lake.add(
        "cpr3_t_adresse_udland_hist",
        person_id=ID["abroad"],
        d_udrejse_dato=date(1999, 12, 31),
        d_indrejse_dato=date(2000, 1, 2),
    )
    pathology(
        lake, "tumour_before_1980_and_later_confirmed", "old", date(1979, 12, 31), CASE, PLACE
    )
    review(lake, "tumour_before_1980_and_later_confirmed", "old", "leiomyoma")
    pathology(lake, "recurs_on_day_89_and_90", "day_89", date(2000, 3, 30), "M88907", PLACE)
    pathology(lake, "recurs_on_day_89_and_90", "day_90", date(2000, 3, 31), "M88907", PLACE)
    pathology(lake, "dies_with_metastasis", "lung", date(2003, 5, 5), "M88966", "T28000")
    for reason, stage in (("malformed", "landing"), ("unknown_to_cpr", "linkage")):
        for code in (CASE, PLACE, "T02122"):
            lake.add_unlinked("pato", reason, stage, k_inst="L", k_rekvnr=reason,
                              d_rekvdato=INDEX, c_snomedkode=code)  # fmt: skip


@pytest.fixture(scope="module")
def lake(tmp_path_factory) -> Lake:
    made = Lake(settings_for(tmp_path_factory.mktemp("dbt_project")))
    write(made)
    made.write({"cpr": date(2023, 6, 30), "patobank": date(2023, 6, 30)})
    made.build()
    return made


def names(lake: Lake, query: str, value: str) -> dict[str, object]:
    by_id = {number: name for name, number in ID.items()}
    return {by_id[row["person_id"]]: row[value] for row in lake.ask(query)}


def test_everyone_gets_the_verdict_of_their_name(lake):
    query = "select * from marts.exclusion_reasons where study_id = 'dlms'"
    found = names(lake, query, "first_failed_criterion")
    assert found == {
        "included": None,
        "only_metastases": "primary_tumour",
        "not_reviewable": "reviewable",
        "leiomyoma_on_review": "confirmed_dlms",
        "before_1980": "index_date_1980_2022",
        "tumour_before_1980_and_later_confirmed": "index_date_1980_2022",
        "abroad": "resident",
        "in_greenland": "resident",
        "autopsy": "not_found_at_autopsy",
        "last_day_of_the_data": "followed_for_a_day",
        "recurs_on_day_89_and_90": None,
        "metastasis_on_the_index_date": None,
        "dies_with_metastasis": None,
        "changed_number": None,
        "two_rows_in_force": None,
        "no_row_in_the_civil_register": None,
    }
    bits = names(lake, query, "criteria_bits")
    assert bits["included"] == "1111111"
    assert bits["only_metastases"] == "0000000"
    assert bits["autopsy"] == "1111101"


def test_the_index_date_is_that_of_the_confirmed_lesion_whatever_came_before(lake):
    dates = names(
        lake, "select * from marts.exclusion_reasons where study_id = 'dlms'", "index_date"
    )
    assert dates["tumour_before_1980_and_later_confirmed"] == INDEX
    assert dates["only_metastases"] is None


def test_the_flow_begins_with_requisitions_and_ends_with_the_cohort(lake):
    flow = lake.ask("select * from marts.attrition where study_id = 'dlms' order by step")
    assert [(row["n_in"], row["n_excluded"], row["n_out"]) for row in flow] == [
        (19, 2, 17),
        (16, 0, 16),
        (16, 1, 15),
        (15, 1, 14),
        (14, 1, 13),
        (13, 2, 11),
        (11, 2, 9),
        (9, 1, 8),
        (8, 1, 7),
    ]
    assert len(lake.ask("select * from marts.cohort where study_id = 'dlms'")) == 7


def test_requisitions_of_nobody_are_counted_once_with_their_reason(lake):
    found = lake.ask("select k_rekvnr, reason from cohort.int_candidate_without_person order by 1")
    assert [tuple(row.values()) for row in found] == [
        ("malformed", "malformed"),
        ("unknown_to_cpr", "unknown_to_cpr"),
    ]


def test_outcomes_come_with_their_day_or_are_prevalent(lake):
    found = {
        (name, row["outcome"]): (row["days"], row["event_code"])
        for row in lake.ask("select * from marts.time_to_event")
        for name, number in ID.items()
        if number == row["person_id"]
    }
    assert found["recurs_on_day_89_and_90", "local_recurrence"] == (90, 1)
    assert found["dies_with_metastasis", "metastasis"] == ((date(2003, 5, 5) - INDEX).days, 1)
    assert found["dies_with_metastasis", "local_recurrence"] == (1220, 2)
    assert found["two_rows_in_force", "metastasis"] == ((date(2010, 5, 5) - INDEX).days, 2)
    assert found["included", "metastasis"] == ((date(2022, 12, 31) - INDEX).days, 0)
    assert ("metastasis_on_the_index_date", "metastasis") not in found
    assert ("metastasis_on_the_index_date", "local_recurrence") in found
    prevalent = names(lake, "select * from marts.prevalent_outcome", "outcome")
    assert prevalent == {"metastasis_on_the_index_date": "metastasis"}


def test_factors_have_a_level_or_are_missing(lake):
    found = {
        row["factor"]: row["level"]
        for row in lake.ask(
            f"select * from marts.factor where study_id = 'dlms' and person_id = {ID['included']}"
        )
    }
    assert found == {
        "necrosis": "yes",
        "mitotic_grade": None,
        "invasion": None,
        "margins": None,
        "risk_group": "high",
        "size": "up to 20 mm",
        "subcutaneous_extension": None,
        "sex": "male",
        "age": "65 and over",
        "ascertainment_period": "1997-2004",
    }


def test_who_has_no_row_in_the_civil_register_is_kept_with_sex_and_age_missing(lake):
    row = lake.ask(
        f"select sex, age_years from marts.cohort "
        f"where person_id = {ID['no_row_in_the_civil_register']}"
    )
    assert row == [{"sex": None, "age_years": None}]


MANGLED = {
    "ÆKI030": "ÆKI030",
    "AEKI030": "ÆKI030",
    "aeki030": "ÆKI030",
    "Ã†KI030": "ÆKI030",
    "Ã¦ki030": "ÆKI030",
    "Ã\x86KI030": "ÆKI030",
    "Ãƒâ€\xa0KI030": "ÆKI030",
    "Ãƒâ€ KI030": "ÆKI030",
    "ÃƒÂ†KI030": "ÆKI030",
    "Ã\x83Â\x86KI030": "ÆKI030",
    "Ã?KI030": "ÆKI030",
    " ÆKI030 ": "ÆKI030",
    " t0220a ": "T0220A",
    "m8890x": "M8890X",
    "T02120": "T02120",
}


@pytest.fixture(scope="module")
def repaired() -> dict[str, str]:
    """The staging model on every mangling that has been seen."""
    macros = Environment(loader=FileSystemLoader(CHECKOUT / "dbt_project" / "macros"))
    macro = macros.get_template("repaired_snomed.sql").module.repaired_snomed("code")
    rows = ", ".join(f"('{code}')" for code in MANGLED)
    return dict(duckdb.sql(f"select code, {macro} from (values {rows}) as given (code)").fetchall())


def test_every_mangling_of_the_danish_letter_is_repaired_and_no_other_code_touched(repaired):
    assert repaired == MANGLED


def macro(name: str, call: str) -> str:
    """SQL of a macro that needs no other than `matches`."""
    macros = Environment(loader=FileSystemLoader(CHECKOUT / "dbt_project" / "macros"))
    context = {"matches": lambda text, shape: f"regexp_matches({text}, '{shape}')"}
    return getattr(macros.get_template(f"{name}.sql", globals=context).module, name)(*call)


@pytest.mark.parametrize(
    ("name", "arguments", "expected"),
    [
        ("with_leading_zeros", (2,), {"1": "01", "01": "01", "15": "15", "A": "A", "123": "123"}),
        ("with_leading_zeros", (4,), {"301": "0301", "1": "0001", "8A": "8A"}),
        ("code_system_of", (), {
            "DC449": "ICD-10", "41009": "ICD-8", "Y4109": "ICD-8", "ZDW99": None, "DA": None,
            "4100912": None, "AZCA1": None}),
        ("municipality_of_today", (), {
            "101": "101", "0101": "101", "411": "411", "957": "957", "301": "Uoplyst",
            "000": "Uoplyst", "": "Uoplyst", "x": "Uoplyst"}),
    ],
)  # fmt: skip
def test_codes_are_restored_told_apart_and_put_in_their_place(name, arguments, expected):
    sql = macro(name, ("code", *arguments))
    rows = ", ".join(f"('{code}')" for code in expected)
    found = duckdb.sql(f"select code, {sql} from (values {rows}) as given (code)").fetchall()
    assert dict(found) == expected
    assert name != "municipality_of_today" or duckdb.sql(
        f"select {sql} from (values (null::varchar)) as given (code)"
    ).fetchall() == [("Uoplyst",)]


def test_staging_restores_the_zeros_of_every_code_whose_length_the_contract_says():
    staging = {
        path.stem: path.read_text(encoding="utf-8")
        for path in (CHECKOUT / "dbt_project" / "models" / "staging").glob("*.sql")
    }
    declared = [
        (register.name, table.name, column)
        for register in registers.catalogue().values()
        for table in register.tables
        for column in table.columns
        if column.length
    ]
    assert declared
    for register, table, column in declared:
        (model,) = [
            text for text in staging.values() if f"source('{register}', '{table}')" in text
        ]  # fmt: skip
        assert f"with_leading_zeros('{column.name}', {column.length})" in model


def test_nothing_is_lost_on_the_way_through_the_linkage_flow(lake):
    flow = {
        (row["stage"], row["reason"]): row["n_rows"]
        for row in lake.ask("select * from marts.linkage_flow where table_name = 'pato'")
    }
    assert flow["received", ""] == flow["landed", ""] + flow["quarantined", "malformed"]
    assert flow["landed", ""] == flow["linked", ""] + flow["unlinked", "unknown_to_cpr"]


def test_every_unit_test_is_green(lake):
    outcome = lake.dbt("test", "--select", "test_type:unit")
    results = {r.node.name: str(r.status) for r in outcome.result.results}
    assert set(results.values()) == {"pass"}
    assert len(results) > 30


def test_the_sources_are_written_from_the_contracts():
    for place, content in dbt_sources.written().items():
        assert place.read_text(encoding="utf-8") == content, f"{place.name}: run `make sources`"


def test_the_lineage_is_that_of_the_models(lake):
    """What docs/crosswalk.md rests on: of the same SQL, by its hash, and some read again."""
    path = CHECKOUT / crosswalk.PLACE
    known = read_json(path)
    again = {"cohort", "time_to_event", "attrition", "int_person", "stg_patobank__code"}
    found = lineage.of(lake.built, {name: known[name] for name in known.keys() - again})
    assert path.read_text(encoding="utf-8") == lineage.text(found), "run `make sources`"


def test_every_model_and_column_is_described(lake):
    """And staging and marts describe the columns that they have, no more and no fewer."""
    manifest = lake.manifest()
    for node in manifest["nodes"].values():
        if node["resource_type"] != "model":
            continue
        assert node["description"], node["name"]
        described = {name for name, column in node["columns"].items() if column["description"]}
        columns = {
            row["column_name"]
            for row in lake.ask(
                "select column_name from duckdb_columns() "
                f"where schema_name = '{node['schema']}' and table_name = '{node['name']}'"
            )
        }
        assert described == columns, node["name"]


def test_every_mart_has_an_enforced_contract_with_a_key(lake):
    marts = [
        node
        for node in lake.manifest()["nodes"].values()
        if node["resource_type"] == "model" and node["schema"] == "marts"
    ]
    assert {node["name"] for node in marts} == {
        "attrition",
        "baseline",
        "cancer_registry_agreement",
        "code_usage",
        "cohort",
        "criteria_intersections",
        "death_disagreement",
        "exclusion_reasons",
        "factor",
        "follow_up",
        "hospital_agreement",
        "linkage_conflict",
        "linkage_flow",
        "linkage_loss",
        "linkage_quality",
        "linkage_rate",
        "linked_person_count",
        "number_finding",
        "prevalent_outcome",
        "row_count",
        "time_to_event",
    }
    for node in marts:
        assert node["config"]["contract"]["enforced"], node["name"]
        assert any(c["type"] == "primary_key" for c in node["constraints"]), node["name"]


def test_every_mart_feeds_something_that_leaves(lake):
    manifest = lake.manifest()
    marts = {
        key
        for key, node in manifest["nodes"].items()
        if node["resource_type"] == "model" and node["schema"] == "marts"
    }
    read = {key for one in manifest["exposures"].values() for key in one["depends_on"]["nodes"]}
    assert read == marts


def test_what_the_estimates_are_said_to_read_is_what_they_read(lake):
    text = (CHECKOUT / "etl" / "estimate.py").read_text(encoding="utf-8")
    told = lake.manifest()["exposures"]["exposure.kobling.estimates"]["depends_on"]["nodes"]
    assert {key.rpartition(".")[2] for key in told} == set(re.findall(r"\bmarts\.(\w+)", text))


def test_every_model_begins_with_its_grain():
    for path in sorted((CHECKOUT / "dbt_project" / "models").rglob("*.sql")):
        lines = path.read_text(encoding="utf-8").splitlines()
        assert lines[0].startswith("-- One row per "), path.name
        assert max(map(len, lines)) <= 100, path.name


def test_what_only_one_engine_speaks_stands_in_macros():
    """The models are to run on a distributed engine too."""
    for path in sorted((CHECKOUT / "dbt_project").glob("[mt][oe]*s/**/*.sql")):
        text = path.read_text(encoding="utf-8").lower()
        for word in ("exclude (", "string_agg", "starts_with(", "::", "date_diff", "regexp_matches",
                     "ignore nulls", "group by all", "qualify "):  # fmt: skip
            assert word not in text, f"{path.name}: {word}"
