"""The ten complaints that users of other tools have, each with a test of its name.

They come from the issue threads of some 45 projects. Each rule is tested closely where it lives;
here stands, for whoever asks, that the complaint is not ours.
"""

import json
import re
import shutil
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import duckdb
import pytest
from click.testing import CliRunner, Result

from etl import quality, registers, steps
from etl.cli import main
from etl.errors import KoblingError
from etl.home import Home, one_writer
from etl.quality import past
from etl.settings import CHECKOUT
from tests import story


def kobling(home: Path, *words: str, **more: str) -> Result:
    return CliRunner().invoke(main, words, env=story.environment(home, **more))


def asked(home: Path, query: str) -> list[tuple]:
    """Of the warehouse of a home."""
    with duckdb.connect(str(home / "warehouse.duckdb"), read_only=True) as con:
        return con.execute(query).fetchall()


def every_check() -> list[quality.Check]:
    expectations = CHECKOUT / "expectations"
    written = [
        check
        for path in sorted(expectations.glob("*/*.json"))
        for check in quality.written_checks(expectations, f"{path.parent.name}.{path.stem}")
    ]
    return written + [
        check
        for register in registers.catalogue().values()
        for table in register.tables
        for check in quality.structural_checks(table)
    ]


@pytest.fixture
def home(small, tmp_path) -> Path:
    """A copy of a small home, to be spoilt."""
    copy = tmp_path / "home"
    shutil.copytree(small[0], copy, symlinks=True)
    return copy


def test_complaint_1_no_pass_rate_is_inflated_by_checks_that_are_empty_or_cannot_fail(small):
    for check in every_check():
        assert not check.tolerates(10**9, 10**9), f"{check.suite}: {check.id} cannot fail"
    results = asked(small[0], "select status, n_checked from quality.result")
    assert all(status == "not_applicable" for status, n in results if n == 0)
    assert all(n for status, n in results if status in ("pass", "pass_with_findings", "fail"))
    could_fail = sum(status not in ("not_applicable", "not_run") for status, _ in results)
    assert 0 < could_fail < len(results)
    assert f"{could_fail} checks that could fail" in small[1].stdout


def test_complaint_2_every_failing_row_is_listed(small):
    short = asked(
        small[0],
        "select result.suite, result.check_id from quality.result as result "
        "left join quality.failure as failure using (refresh_id, result_number) "
        "group by result.suite, result.check_id, result_number, result.n_failing "
        "having count(failure.row_key) <> result.n_failing",
    )
    assert short == []
    con = duckdb.connect()
    con.execute("create table t as select range as id, 'x' as code from range(1000)")
    (result,) = quality.run(
        con, "t", [of_set(["y"])], key_columns=("id",), sensitive_columns=()
    )  # fmt: skip
    assert len(result.failing) == 1000  # Great Expectations keeps 200


def of_set(values: list[str]) -> quality.Check:
    check = next(c for c in every_check() if c.expectation == "expect_column_values_to_be_in_set")
    return replace(check, arguments=json.dumps({"column": "code", "value_set": values}))


def test_complaint_3_the_history_of_results_is_kept_and_a_refresh_reads_a_bounded_part(tmp_path):
    con, n_refreshes = duckdb.connect(), past.LONGEST_TREND + 5
    for n in range(n_refreshes):
        con.execute("create or replace table t as select 1 as id, 'x' as code")
        values = ["x"] if n % 2 else ["y"]
        results = quality.run(
            con, "t", [of_set(values)], key_columns=("id",), sensitive_columns=()
        )  # fmt: skip
        quality.store(con, results, f"refresh {n}")
        past.keep(con, tmp_path, f"refresh {n}", f"data {n}")
    past.give_trend(con, tmp_path)
    (told,) = con.execute(f"select count(*) from '{tmp_path}/*/result.parquet'").fetchone()
    assert told == n_refreshes
    assert con.execute("select count(*) from quality.trend").fetchone() == (past.LONGEST_TREND,)


def test_complaint_4_a_failure_stops_the_road_and_an_empty_cohort_is_no_success(home):
    live = (home / "releases" / "dlms" / "current").readlink()
    with duckdb.connect(str(home / "warehouse.duckdb")) as con:
        con.execute("delete from marts.cohort where study_id = 'dlms'")
        con.execute("drop table quality.build")
    for words in (["check"], ["estimate", "dlms"], ["release", "dlms"]):
        ended = kobling(home, *words)
        assert ended.exit_code == 2, ended.output
    assert "every_study_has_persons" in kobling(home, "check").stderr
    assert (home / "releases" / "dlms" / "current").readlink() == live


def test_complaint_5_every_check_says_why_who_and_since_when_and_was_seen_to_find_its_fault():
    for check in every_check():
        assert all((check.why, check.owner, check.since, check.source, check.words_da))
    proved = (CHECKOUT / "docs" / "checks.md").read_text(encoding="utf-8")
    assert not [check.id for check in every_check() if f"`{check.id}`" not in proved]


def test_complaint_6_attrition_is_complete_never_rises_and_ends_in_the_cohort(small):
    steps_ = asked(
        small[0],
        "select study_id, n_in, n_excluded, n_out from marts.attrition where unit = 'persons' "
        "order by study_id, step",
    )
    by_study: dict[str, list] = {}
    for study, *n in steps_:
        by_study.setdefault(study, []).append(n)
    cohorts = dict(asked(small[0], "select study_id, count(*) from marts.cohort group by all"))
    excluded = dict(
        asked(
            small[0],
            "select study_id, count(*) from marts.exclusion_reasons where not is_included "
            "group by all",
        )
    )
    assert by_study.keys() == cohorts.keys()
    for study, rows in by_study.items():
        assert all(n_in - n_excluded == n_out for n_in, n_excluded, n_out in rows)
        assert all(before[2] == after[0] for before, after in pairwise(rows))
        assert rows[-1][2] == cohorts[study]
        assert sum(row[1] for row in rows) == excluded[study]


def test_complaint_7_nothing_stale_is_shown_after_a_change_of_definition(small, monkeypatch):
    settings = story.settings_of(small[0])
    assert steps.evidence_keys(settings, Home(small[0]), "dlms")
    monkeypatch.setattr("etl.studies.definition_hash", lambda study: "0" * 64)
    with pytest.raises(KoblingError, match="made from older deliveries, definitions or code"):
        steps.evidence_keys(settings, Home(small[0]), "dlms")


def test_complaint_8_a_code_is_judged_by_the_book_of_its_year():
    table = registers.register("lpr2").table("t_diag")
    (of_era,) = [c for c in quality.structural_checks(table) if c.id == "c_diag_is_of_its_era"]
    con = duckdb.connect()
    con.execute(
        "create table t as select * from (values (1, '1985', '17309'), (2, '2001', '17309'), "
        "(3, '2001', 'DC449')) as told (id, period, c_diag)"
    )
    (result,) = quality.run(con, "t", [of_era], key_columns=("id",), sensitive_columns=())
    assert (result.n_checked, result.failing) == (3, (("2",),))


def test_complaint_9_a_release_is_read_while_a_refresh_writes(home):
    with one_writer(Home(home)), duckdb.connect(str(home / "warehouse.duckdb")):
        assert kobling(home, "check").exit_code == 75  # a second writer is told so at once
        shown = kobling(home, "show", "dlms")
        assert shown.exit_code == 0
        marts = home / "releases" / "dlms" / "current" / "marts.duckdb"
        with duckdb.connect(str(marts), read_only=True) as con:
            assert con.execute("select count(*) from cohort").fetchone()[0]


def test_complaint_10_every_package_is_pinned_no_setting_is_ignored_and_no_second_key_links(home):
    lock = (CHECKOUT / "requirements.lock").read_text(encoding="utf-8")
    pinned = re.findall(r"^[a-z0-9][^=\s]*==", lock, re.MULTILINE)
    assert len(pinned) > 100
    for package in re.split(r"^(?=[a-z0-9])", lock, flags=re.MULTILINE)[1:]:
        assert "--hash=sha256:" in package, package.split()[0]
    ignored = kobling(home, "status", KOBLING_MEMORY_LIMT="2GB")
    assert (ignored.exit_code, "KOBLING_MEMORY_LIMT is no setting" in ignored.stderr) == (2, True)
    other = kobling(home, "link", KOBLING_KEY="another key, of more than 32 bytes")
    assert other.exit_code == 2
    assert "locked with key" in other.stderr
