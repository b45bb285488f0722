"""Where a finding leads: to marts and estimates by its columns, to persons by its rows."""

from dataclasses import replace
from typing import NamedTuple

import duckdb
import pytest

from etl import quality, sensitivity
from etl.estimate import compute
from etl.quality.checks import Check
from etl.quality.fitness import Touched
from etl.quality.results import Result
from tests.test_estimate import PERSONS, PLAN, marts

ALL = "(all)"


def a_result(
    suite: str, key_columns: tuple, failing: tuple, *, severity="convention", status="fail", **more
) -> Result:
    check = Check(
        suite=suite, id=more.pop("id_", "it_holds"), words="It holds.", severity=severity,
        category="conformance", tolerated_rows=0, tolerated_percent=None, why="Because.",
        owner="data manager",
        expectation=more.pop("expectation", "expect_column_values_to_not_be_null"),
        arguments=more.pop("arguments", '{"column": "sex"}'),
    )  # fmt: skip
    return Result(check, "", status, 100, len(failing), "", key_columns, failing)


# ------------------------------------------------------------------ marts and estimates


class Fed(NamedTuple):
    marts: tuple[str, ...]
    estimates: tuple[str, ...]


def fed_by(suite: str, column: str | None) -> Fed:
    return {
        "sex": Fed(("cohort", "factor"), ("risk by sex",)),
        "age": Fed(("cohort",), ("risk by age",)),
        None: Fed(("cohort", "factor", "flow"), ("every risk",)),
    }[column]


def touched(*results: Result) -> list[Touched]:
    return quality.touched(results, lambda suite: ("sex", "age"), fed_by)


def test_a_mart_is_as_fit_as_the_findings_that_lead_to_it():
    finding = a_result("marts.t", ("id",), (("1",),), status="pass_with_findings")
    fatal = a_result("marts.u", ("id",), (("1",),), severity="fatal", arguments='{"column": "age"}')
    clean = a_result("marts.v", ("id",), (), status="pass")
    marts_ = ("cohort", "factor", "flow")

    def fitness(*results: Result) -> dict:
        rows = quality.fitness(touched(*results), marts_)
        assert [row["mart"] for row in rows] == sorted(row["mart"] for row in rows)
        return {row["mart"]: row["fitness"] for row in rows}

    findings = dict.fromkeys(("cohort", "factor"), "usable with findings")
    assert fitness(clean) == dict.fromkeys(marts_, "usable")
    assert fitness(clean, finding) == {**findings, "flow": "usable"}
    assert fitness(finding, fatal) == {**findings, "cohort": "unfit", "flow": "usable"}
    names = {
        (row["mart"], row["check_name"]) for row in quality.fitness(touched(finding, fatal), marts_)
    }
    assert ("cohort", "marts.u: it_holds") in names
    assert ("factor", "marts.u: it_holds") not in names
    assert ("flow", None) in names


def test_a_check_that_was_not_run_leads_on_and_a_confirmed_row_does_not():
    not_run = a_result("marts.t", ("id",), (), status="not_run")
    assert [one.check_name for one in touched(not_run)] == ["marts.t: it_holds"]
    (fatal,) = touched(replace(not_run, check=replace(not_run.check, severity="fatal")))
    assert fatal.is_fatal
    confirmed = a_result("marts.t", ("id",), (("1",),)).confirming([("1",)])
    assert touched(confirmed) == []


@pytest.mark.parametrize(
    ("arguments", "estimates"),
    [
        ('{"column": "sex"}', {"risk by sex"}),
        ('{"column_A": "sex", "column_B": "age"}', {"risk by sex", "risk by age"}),
        ('{"column_list": ["age"]}', {"risk by age"}),
        (
            '{"unexpected_rows_query": "from {batch} as t where t.age < 0 or x = \'sex\'"}',
            {"risk by age"},
        ),
        ('{"unexpected_rows_query": "select * from {batch} where other"}', {"every risk"}),
    ],
)
def test_a_check_leads_where_its_columns_do_and_without_any_where_its_table_does(
    arguments, estimates
):
    (found,) = touched(a_result("marts.t", ("id",), (("1",),), arguments=arguments))
    assert found.estimates == estimates


def test_a_delivery_without_a_finding_does_not_hide_that_of_another():
    open_ = a_result("marts.t", ("id",), (("1",),), severity="fatal")
    (found,) = touched(open_, a_result("marts.t", ("id",), (("2",),), status="pass_with_findings"))
    assert found.is_fatal


# ------------------------------------------------------------------ persons


def risks(rows: list[dict] | tuple[dict, ...]) -> dict:
    return {(row["outcome"], row["factor"], row["level"]): row for row in rows}


def without(*numbers: str) -> str:
    """The table of persons less some of them."""
    return "\n".join(
        line for line in PERSONS.splitlines() if line.split("  ")[0].strip() not in numbers
    )


def shifts(con: duckdb.DuckDBPyConnection, *results: Result, files=None) -> tuple[dict, ...]:
    quality.store(con, results, "r")
    sensitivity.find_affected(con, results, files or {})
    return sensitivity.shifts(con, PLAN, compute(con, PLAN), results)


def test_a_shift_is_the_estimate_of_a_cohort_that_never_had_the_persons():
    con = marts()
    found = shifts(
        con, a_result("marts.cohort", ("study_id", "person_id"), (("demo", "1"), ("demo", "7")))
    )
    before, after = compute(con, PLAN), compute(marts(without("1", "7")), PLAN)
    assert {group[:2] for group in risks(found)} >= {("metastasis", ALL), ("metastasis", "size")}
    for group, row in risks(found).items():
        was, is_ = risks(before.risks)[group], risks(after.risks)[group]
        assert row["estimate"] == was["estimate"]
        assert row["estimate_without"] == is_["estimate"]
        assert row["n_affected"] == was["n"] - is_["n"] > 0
        if None not in (was["estimate"], is_["estimate"]):
            shift = 100 * (is_["estimate"] - was["estimate"])
            assert row["shift_points"] == pytest.approx(shift)
        difference = risks(after.contrasts).get(group, {}).get("risk_difference")
        assert row["risk_difference_without"] == difference
    unchanged = set(risks(before.risks)) - set(risks(found))
    assert all(
        risks(before.risks)[group]["n"] == risks(after.risks)[group]["n"] for group in unchanged
    )


def test_the_verdict_of_the_rule_is_told_with_and_without_the_persons():
    found = shifts(marts(), a_result("marts.cohort", ("study_id", "person_id"), (("demo", "1"),)))
    row = risks(found)["metastasis", "necrosis", "yes"]
    after = risks(compute(marts(without("1")), PLAN).rule)["metastasis", "necrosis", "yes"]
    assert row["high_risk_without"] == after["high_risk"]
    assert risks(found)["metastasis", ALL, ALL]["high_risk"] is None


def test_a_finding_about_nobody_in_the_cohort_shifts_nothing():
    con = marts()
    con.execute("insert into marts.cohort values ('other', 99, 'male', 50)")
    assert (
        shifts(con, a_result("marts.cohort", ("study_id", "person_id"), (("other", "99"),))) == ()
    )


def test_confirmed_rows_and_checks_that_pass_shift_nothing():
    key = ("study_id", "person_id")
    confirmed = a_result("marts.cohort", key, (("demo", "1"),)).confirming([("demo", "1")])
    assert shifts(marts(), confirmed, a_result("marts.factor", key, (), status="pass")) == ()


def test_of_a_finding_only_the_rows_that_nobody_confirmed_shift_anything():
    key = ("study_id", "person_id")
    both = a_result("marts.cohort", key, (("demo", "1"), ("demo", "7"))).confirming([("demo", "1")])
    of_one = a_result("marts.cohort", key, (("demo", "7"),))
    assert shifts(marts(), both) == shifts(marts(), of_one) != ()


def test_a_staged_row_leads_to_its_person_by_its_key():
    con = marts()
    con.execute("create schema staging")
    con.execute(
        "create table staging.stg_t as select '2003' as period, person_id as source_row, "
        "person_id from marts.cohort"
    )
    staged = a_result("staging.stg_t", ("period", "source_row"), (("2003", "1"), ("2004", "2")))
    assert {row["n_affected"] for row in shifts(con, staged) if row["factor"] == ALL} == {1}


def test_a_landed_row_leads_to_its_person_through_its_file(tmp_path):
    con = marts()
    for name, person in (("aaa", 1), ("bbb", 2)):
        con.execute(
            f"copy (select {person} as person_id, 7 as source_row) to '{tmp_path}/{name}.parquet'"
        )
    landed = a_result("landing.r.t", ("source_file", "source_row"), (("aaa", "7"), ("ccc", "7")))
    files = {name: tmp_path / f"{name}.parquet" for name in ("aaa", "bbb", "ccc")}
    found = shifts(con, landed, files=files)
    of_one = a_result("marts.cohort", ("study_id", "person_id"), (("demo", "1"),))
    wanted = [row | {"check_name": "landing.r.t: it_holds"} for row in shifts(marts(), of_one)]
    assert list(found) == wanted != []


def test_a_finding_about_no_person_is_passed_over():
    con = marts()
    con.execute("create table marts.flow as select 'cpr' as register")
    assert shifts(con, a_result("marts.flow", ("register",), (("cpr",),))) == ()
