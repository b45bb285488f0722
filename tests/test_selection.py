"""What `select` asks dbt for, and what it does not ask twice."""

from pathlib import Path
from types import SimpleNamespace

import duckdb
import pytest
import yaml

from etl import selection
from etl.errors import KoblingError
from etl.home import Home


@pytest.fixture
def dbt(monkeypatch):
    """dbt that builds nothing: what it was asked for, and the status that it answers with."""
    from dbt.cli import main

    told = SimpleNamespace(asked=[], status="pass", left_out=set())

    class Runner:
        def __init__(self, callbacks):
            pass

        def invoke(self, arguments):
            kinds = [k for k in ("model", "test", "unit_test") if k not in told.left_out]
            if "--exclude-resource-type" in arguments:
                kinds.remove(arguments[arguments.index("--exclude-resource-type") + 1])
            told.asked.append(kinds)
            results = [
                SimpleNamespace(
                    status=told.status,
                    message="",
                    node=SimpleNamespace(name=kind, resource_type=kind),
                )
                for kind in kinds
            ]
            return SimpleNamespace(exception=None, result=SimpleNamespace(results=results))

    monkeypatch.setattr(main, "dbtRunner", Runner)
    monkeypatch.setattr(selection.os, "environ", {})
    return told


def build(settings, code: str) -> list[str]:
    said = []
    home = Home(settings.home)
    selection.build(settings, home, home.warehouse, said.append, code)
    return said


def test_unit_tests_run_once_for_a_code(settings, dbt):
    build(settings, "one")
    assert build(settings, "one") == [
        "dbt: 2 models and tests, all green; unit tests were, with the same code"
    ]
    build(settings, "another")
    with_unit_tests, without = ["model", "test", "unit_test"], ["model", "test"]
    assert dbt.asked == [with_unit_tests, without, with_unit_tests]


def test_unit_tests_that_were_red_run_again(settings, dbt):
    dbt.status = "fail"
    with pytest.raises(KoblingError, match="nodes failed"):
        build(settings, "one")
    dbt.status = "pass"
    build(settings, "one")
    assert dbt.asked == [["model", "test", "unit_test"]] * 2


def test_unit_tests_that_the_environment_left_out_are_not_taken_for_green(settings, dbt):
    dbt.left_out = {"unit_test"}
    build(settings, "one")
    dbt.left_out = set()
    build(settings, "one")
    assert dbt.asked == [["model", "test"], ["model", "test", "unit_test"]]


def test_what_dbt_spills_lies_locked_in_the_restricted_zone(settings):
    """Not beside the warehouse, where DuckDB would put it, for everybody to read."""
    home = Home(settings.home)
    home.lake.mkdir(parents=True)
    home.scratch.mkdir(parents=True)
    text = (settings.project / "dbt_project" / "profiles.yml").read_text(encoding="utf-8")
    text = text.replace("{{ env_var('KOBLING_LAKE') }}", str(home.lake))
    output = yaml.safe_load(text)["kobling"]["outputs"]["warehouse"]
    with duckdb.connect(str(home.warehouse), config=output["config_options"]) as con:
        con.execute("set memory_limit = '60MB'; set threads = 1")
        con.execute(
            "create temp table spilt as select hash(i) as n, i from range(8000000) as t (i)"
        )
        spilt = con.execute("select path from duckdb_temporary_files()").fetchall()
        assert spilt
        assert {Path(path).resolve().parent for (path,) in spilt} == {home.scratch / "spill"}
        assert con.execute("select current_setting('temp_file_encryption')").fetchone() == (True,)
