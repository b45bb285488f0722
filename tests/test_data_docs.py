"""What Great Expectations and dbt say of a release: offline, and the same bytes each time."""

import json
import re
from dataclasses import replace

import duckdb
import pytest

from etl import quality, selection
from etl.errors import KoblingError
from etl.home import Home
from etl.quality import Check, Result
from tests.test_report import Reader

# ------------------------------------------------------------------ Great Expectations


def a_result(id_: str, expectation: str, arguments: dict, status: str, **more) -> Result:
    check = Check(
        suite=more.pop("suite", "landing.cpr.t_person"), id=id_, words="w", severity="convention",
        category="conformance", tolerated_rows=None, tolerated_percent=0.1, why="w", owner="o",
        expectation=expectation, arguments=json.dumps(arguments),
    )  # fmt: skip
    n = {"fail": 7, "pass_with_findings": 1}.get(status, 0)
    n_checked = 0 if status in ("not_applicable", "not_run") else 1234
    reason = more.pop("reason", "")
    failing = tuple(("f", str(row)) for row in range(n))
    return Result(check, "cpr/2024-06-01", status, n_checked, n, reason, ("a", "b"), failing)


RESULTS = [
    a_result("set", "expect_column_values_to_be_in_set",
             {"column": "c_kon", "value_set": ["M", "<K>"]}, "fail"),
    a_result("form", "expect_column_values_to_match_regex",
             {"column": "c_kon", "regex": "^[A-Z]{1}$"}, "pass"),
    a_result("pair", "expect_column_pair_values_a_to_be_greater_than_b",
             {"column_A": "d_slut", "column_B": "d_start", "or_equal": True}, "pass_with_findings"),
    a_result("rows", "unexpected_rows_expectation",
             {"unexpected_rows_query": "select * from {batch} where x ~ 'a{{2}}'"}, "pass"),
    a_result("stopped", "expect_column_values_to_be_unique", {"column": "c_kon"}, "not_run",
             reason="<script>alert(1)</script>"),
    a_result("none", "expect_column_values_to_be_unique", {"column": "k_nr"}, "not_applicable",
             suite="marts.cohort"),
]  # fmt: skip


@pytest.fixture(scope="module")
def docs() -> str:
    return quality.data_docs(RESULTS)


def test_data_docs_open_offline_and_every_link_leads_somewhere(docs):
    assert not re.search(r"https?:|//|@import|url\(|<script|<link|<img|localStorage", docs)
    tags = Reader(docs).tags
    ids = [attributes["id"] for _, attributes in tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    for _, attributes in tags:
        target = attributes.get("href", "index.html#quality")
        assert target == "index.html#quality" or target[1:] in ids, target


def test_data_docs_tell_every_check_that_was_about_a_row(docs):
    shown = re.sub(r"\s+", " ", " ".join(Reader(docs).text.values()))
    for words in (
        "values must belong to this set: M <K> .", "7 unexpected values found.",
        "^[A-Z]{1}$", "must always be greater than or equal to those in d_start",
        "select * from {batch} where x ~ 'a{{2}}'", "<script>alert(1)</script>",
        "landing.cpr.t_person, cpr/2024-06-01 5 2 0", "marts.cohort, cpr/2024-06-01 0 0 1",
        "No check is about a row of it.", "4 checks that could fail",
    ):  # fmt: skip
        assert words in shown, words
    assert docs.count("fa-times") - docs.count(".fa-times") == 1
    assert docs.count("fa-exclamation-triangle") - docs.count(".fa-exclamation-triangle") == 1
    assert "k_nr" not in shown, "a check about no rows would be told as one that holds"


def test_data_docs_are_the_same_bytes_in_whatever_order_results_come(docs):
    assert quality.data_docs([*reversed(RESULTS), RESULTS[0]]) == docs


# ------------------------------------------------------------------ dbt


def built(settings, warehouse: str, sources=("a", "b")) -> tuple[Home, str]:
    """dbt's documentation of a made-up build in a home of its own."""
    home = Home(settings.home)
    (home.state / "dbt").mkdir(parents=True)
    path = home.root / warehouse
    with duckdb.connect(str(path)) as con:
        con.execute("create schema marts")
        con.execute("create table marts.cohort (person_id bigint, sex varchar)")
    node = {
        "resource_type": "model", "schema": "marts", "alias": "cohort", "database": path.stem,
        "config": {"materialized": "table"}, "created_at": 1764240000.5,
        "compiled_code": f"select * from '{home.lake}/x.parquet' -- </script><b>",
        "compiled_path": str(home.state / "dbt" / "cohort.sql"),
        "depends_on": {"nodes": [f"source.{name}" for name in sources]},
        "sources": [["lpr2", name] for name in sources],
        "columns": ["z", "a"],
        "relation_name": f'"{path.stem}"."marts"."cohort"',
    }  # fmt: skip
    manifest = {
        "metadata": {"generated_at": "2026-11-27T12:00:00Z", "invocation_id": "ab-cd"},
        "nodes": {"model.kobling.cohort": node},
    }
    (home.state / "dbt" / "manifest.json").write_text(json.dumps(manifest))
    return home, selection.documentation(settings, home, path)


def test_dbts_documentation_knows_no_time_no_place_and_no_server(settings):
    home, page = built(settings, "warehouse.next.duckdb")
    for told in (str(home.root), "2026-11-27", "1764240000", "ab-cd", "warehouse.next"):
        assert told not in page, told
    assert '\\"warehouse\\".\\"marts\\".\\"cohort\\"' in page
    assert "KOBLING_LAKE/x.parquet' -- <\\/script><b>" in page
    assert '"person_id": {"comment": null' in page
    assert page.count('http-equiv="Content-Security-Policy"') == 1
    # It counts only where it stands in the head, before what it holds.
    assert page.index('http-equiv="Content-Security-Policy"') < page.index("<script")
    assert "default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval';" in page
    assert not re.search(r'<link[^>]*rel="(?:canonical|shortcut icon)"', page)
    assert 'use xlink:href="{{' not in page


def test_dbts_documentation_is_the_same_bytes_whatever_the_order_of_sets(settings, tmp_path):
    _, page = built(settings, "warehouse.duckdb")
    elsewhere = replace(settings, home=tmp_path / "elsewhere")
    assert built(elsewhere, "warehouse.next.duckdb", sources=("b", "a"))[1] == page
    assert '"columns": ["z", "a"]' in page, "what has an order keeps it"


def test_a_page_of_dbt_that_is_not_known_is_refused(settings, tmp_path, monkeypatch):
    import dbt.task.docs

    other = tmp_path / "index.html"
    other.write_text("<html>")
    monkeypatch.setattr(dbt.task.docs, "DOCS_INDEX_FILE_PATH", str(other))
    with pytest.raises(KoblingError, match=r"another shape than that of dbt-core 1\.11"):
        built(settings, "warehouse.duckdb")
