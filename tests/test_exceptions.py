"""Waivers and confirmed records, and what the checks of earlier refreshes said."""

import datetime as dt
import json
import shutil
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest
from click.testing import CliRunner

from etl import evidence, overrides, quality, steps
from etl.cli import main
from etl.errors import KoblingError, QualityError
from etl.home import Home
from etl.quality import past
from etl.quality.checks import Check
from etl.quality.results import Result
from etl.restricted import Keys
from etl.steps import checking
from tests import story
from tests.conftest import KEYS

TODAY = dt.date(2026, 11, 27)
NAME = "marts.t: it_holds"


def a_result(n_failing: int, *, severity="convention", scope="", n_checked=100, **more) -> Result:
    check = Check(
        suite="marts.t", id="it_holds", words="It holds.", severity=severity,
        category="conformance", tolerated_rows=0, tolerated_percent=None, why="Because.",
        owner="data manager", expectation="expect_column_values_to_not_be_null",
        arguments='{"column": "c"}',
    )  # fmt: skip
    failing = tuple((f"{n:03d}",) for n in range(1, n_failing + 1))
    status = more.pop("status", "fail" if n_failing else "pass")
    return Result(check, scope, status, n_checked, n_failing, "", ("id",), failing, **more)


# ------------------------------------------------------------------ waivers

WAIVER = """
[[waiver]]
id = "w1"
check = "marts.t: it_holds"
owner = "A. Jensen"
second = "B. Hansen"
reason = "The keeper corrects it in March."
granted_on = 2026-11-01
expires_on = 2027-03-31
up_to_rows = 5
"""


def waivers(tmp_path: Path, text: str = WAIVER) -> list[quality.Waiver]:
    (tmp_path / "waivers.toml").write_text(text, encoding="utf-8")
    return quality.read_waivers(tmp_path)


@pytest.mark.parametrize(
    ("now", "n_failing", "status", "gate_of_fatal", "gate_of_convention"),
    [
        (TODAY, 5, "in force", "amber", "green"),
        (TODAY, 6, "outgrown", "red", "amber"),
        (TODAY, 0, "not needed", "green", "green"),
        (dt.date(2026, 11, 1), 1, "in force", "amber", "green"),
        (dt.date(2026, 10, 31), 1, "not yet in force", "red", "amber"),
        (dt.date(2027, 3, 31), 1, "in force", "amber", "green"),
        (dt.date(2027, 4, 1), 1, "expired", "red", "amber"),
    ],
)
def test_a_waiver_holds_for_its_days_and_up_to_its_rows(
    tmp_path, now, n_failing, status, gate_of_fatal, gate_of_convention
):
    given = waivers(tmp_path)
    for severity, state in (("fatal", gate_of_fatal), ("convention", gate_of_convention)):
        results = [a_result(n_failing, severity=severity)]
        assert [is_ for _, is_ in quality.standing(given, results, now)] == [status]
        gate = quality.gate(results, quality.waived(given, results, now))
        assert gate.state == state
        if state == "amber" and severity == "fatal":
            assert gate.failures == (f"{NAME} fails in {n_failing} of 100 (waived)",)


def test_a_waiver_counts_the_rows_of_all_deliveries_together(tmp_path):
    results = [a_result(3, scope="a"), a_result(3, scope="b")]
    assert not quality.waived(waivers(tmp_path), results, TODAY)


def test_a_check_that_could_not_be_run_is_waived_by_nobody(tmp_path):
    results = [a_result(0, severity="fatal", status="not_run")]
    assert quality.gate(results, quality.waived(waivers(tmp_path), results, TODAY)).state == "red"
    assert [is_ for _, is_ in quality.standing(waivers(tmp_path), results, TODAY)] == ["outgrown"]


def test_confirmed_rows_take_nothing_from_what_a_waiver_holds(tmp_path):
    results = [a_result(6).confirming([("001",)])]
    assert quality.waived(waivers(tmp_path), results, TODAY) == {NAME}


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('second = "B. Hansen"', 'second = "a. jensen "', "owner and second are one person"),
        ("2027-03-31", "2027-11-03", "lasts longer than a year"),
        ("2027-03-31", "2026-10-01", "expires before it is granted"),
        ("up_to_rows = 5", "up_to_rows = 0", "up_to_rows is '0'"),
        ("up_to_rows = 5", "up_to_rows = true", "up_to_rows is 'True'"),
        ("up_to_rows = 5", "", "lacks or does not know up_to_rows"),
        ("up_to_rows = 5", "up_to_rows = 5\nforever = true", "does not know forever"),
        ("2026-11-01", '"2026-11-01"', "granted_on is '2026-11-01'. Expected a day"),
        ("2026-11-01", "2026-11-01T00:00:00", "granted_on is"),
        ("The keeper corrects it in March.", " ", "reason is empty"),
        ("in March", "for 610250-1234", "reason holds what may be a personal number"),
        ("[[waiver]]", "[[waived]]", "something else than"),
        ("[[waiver]]", "[waiver]", "something else than"),
        ("= 5", "=", "not readable as TOML"),
        (WAIVER, WAIVER + WAIVER, "two waivers with the id 'w1'"),
        (WAIVER, WAIVER + WAIVER.replace("w1", "w2"), "two waivers with the check"),
    ],
)
def test_what_is_no_waiver_is_refused_with_its_place(tmp_path, old, new, said):
    assert old in WAIVER
    with pytest.raises(QualityError, match=r"waivers\.toml") as refused:
        waivers(tmp_path, WAIVER.replace(old, new))
    assert said in str(refused.value)


def test_a_waiver_of_a_check_that_nobody_knows_is_refused(tmp_path):
    given = waivers(tmp_path, WAIVER.replace("it_holds", "it_hodls"))
    with pytest.raises(QualityError, match="no check of this refresh has that name"):
        quality.hold_checks(tmp_path, given, [a_result(0)])
    quality.hold_checks(tmp_path, waivers(tmp_path), [a_result(0)])


def test_the_waivers_of_the_checkout_are_sound_and_so_is_the_example_in_their_file(tmp_path):
    quality.read_waivers(checking.EXPECTATIONS)
    file = (checking.EXPECTATIONS / "waivers.toml").read_text(encoding="utf-8")
    example = file[file.index("# [[waiver]]") :].replace("\n# ", "\n").removeprefix("# ")
    (waiver,) = waivers(tmp_path, example)
    assert waiver.holds_on(waiver.expires_on)


# ------------------------------------------------------------------ confirmed records


def an_override(content: str, *, expires_on=dt.date(2027, 11, 27), keys=KEYS) -> overrides.Override:
    return overrides.Override(
        "0a1b2c3d4e5f", NAME, overrides.row_hash(keys, NAME, content), "K. Hansen", TODAY,
        expires_on, "seen in the chart",
    )  # fmt: skip


def rows(*records: tuple[str, str, int]) -> dict:
    """The content of landed rows (file, name, number of the row) by key."""
    con = duckdb.connect()
    con.execute("create table landed (source_file text, source_row bigint, name text)")
    for source_file, name, source_row in records:
        con.execute("insert into landed values (?, ?, ?)", [source_file, source_row, name])
    return quality.row_contents(
        con, "landed", ("source_file", "source_row"), [(f, str(n)) for f, _, n in records]
    )


def test_a_record_delivered_again_stays_confirmed_and_a_changed_one_does_not():
    (content,) = rows(("aaa", "Anna", 7)).values()
    one = an_override(content)
    again = rows(("bbb", "Anna", 9), ("bbb", "Bent", 7))
    by_check, standing = overrides.confirmed([one], {NAME: again}, KEYS, TODAY)
    assert by_check == {NAME: {("bbb", "9")}}
    assert [(status, n) for _, status, n in standing] == [("in force", 1)]
    changed = rows(("bbb", "Anne", 7))
    by_check, standing = overrides.confirmed([one], {NAME: changed}, KEYS, TODAY)
    assert by_check == {}
    assert [(status, n) for _, status, n in standing] == [("void: the row has changed", 0)]


def test_a_row_with_nothing_in_its_key_is_found():
    con = duckdb.connect()
    con.execute("create table t as select 'a' as register, null::text as period, 1 as n")
    found = quality.row_contents(con, "t", ("register", "period"), [("a", "")])
    assert found == {("a", ""): '{"n":1,"period":null,"register":"a"}'}


def test_a_confirmation_ends_by_itself():
    contents = rows(("aaa", "Anna", 7))
    one = an_override(*contents.values(), expires_on=TODAY)
    for day, status in ((TODAY, "in force"), (TODAY + dt.timedelta(days=1), "expired")):
        _, standing = overrides.confirmed([one], {NAME: contents}, KEYS, day)
        assert [is_ for _, is_, _ in standing] == [status]


def test_a_confirmation_of_one_check_says_nothing_of_another():
    contents = rows(("aaa", "Anna", 7))
    one = replace(an_override(*contents.values()), check="marts.t: another")
    by_check, _ = overrides.confirmed([one], {"marts.t: another": contents}, KEYS, TODAY)
    assert by_check == {}


def test_nobody_can_try_records_out_against_a_confirmation_without_the_key():
    other = Keys(b"x" * 40)
    assert overrides.row_hash(KEYS, NAME, "{}") != overrides.row_hash(other, NAME, "{}")
    assert overrides.row_hash(KEYS, NAME, "{}") != overrides.row_hash(KEYS, NAME, "{ }")


def test_confirmed_rows_are_listed_and_count_no_more():
    result = a_result(2, severity="fatal").confirming([("001",), ("900",)])
    assert (result.status, result.n_failing, result.n_open) == ("fail", 2, 1)
    assert quality.gate([result]).failures == (f"{NAME} fails in 2 of 100, 1 of them confirmed",)
    result = result.confirming([("001",), ("002",)])
    assert (result.status, result.n_open, len(result.failing)) == ("pass_with_findings", 0, 2)
    con = duckdb.connect()
    quality.store(con, [result], "r")
    assert quality.stored_results(con, "r") == [result]
    assert quality.stored_results(con, "r", with_failing=False)[0].n_open == 0


def test_a_confirmation_is_kept_for_its_owner_only_once_and_not_for_ever(tmp_path):
    home = Home(tmp_path)
    overrides.add(home, an_override("{}"))
    assert overrides.of_home(home) == [an_override("{}")]
    assert (home.restricted / "overrides.json").stat().st_mode & 0o777 == 0o600
    with pytest.raises(QualityError, match="confirmed before"):
        overrides.add(home, an_override("{}"))
    again = replace(
        an_override("{}"), reviewed_on=dt.date(2027, 11, 28), expires_on=dt.date(2028, 1, 1)
    )
    overrides.add(home, again)  # the first has ended
    assert overrides.of_home(home) == [again]
    overrides.take_away(home, again)
    overrides.add(home, an_override("{}"))
    for day in (TODAY - dt.timedelta(days=1), dt.date(2030, 1, 1)):
        with pytest.raises(QualityError, match="--until: found"):
            overrides.add(home, an_override("{ }", expires_on=day))
    overrides.take_away(home, overrides.named(home, "0a1b2c3d4e5f"))
    assert overrides.of_home(home) == []
    with pytest.raises(QualityError, match="no confirmation has this id"):
        overrides.named(home, "0a1b2c3d4e5f")


# ------------------------------------------------------------------ earlier refreshes


def refresh(root: Path, data: str, *results: Result, id_: str = "r") -> tuple[dict, list]:
    """Keep one refresh as `check` does. Returns what is known of it, and the trend."""
    con = duckdb.connect()
    quality.store(con, results, id_)
    about = past.keep(con, root, id_, data)
    past.give_trend(con, root)
    trend = con.execute("select data_number, status, n_failing, change from quality.trend")
    return about, trend.fetchall()


def test_a_finding_is_new_worse_better_or_gone_against_the_refresh_before(tmp_path):
    told = [
        refresh(tmp_path, f"data {n}", a_result(n_failing, n_checked=n_checked))[1][-1][-1]
        for n, (n_failing, n_checked) in enumerate(
            [(0, 100), (3, 100), (3, 100), (6, 200), (4, 100), (1, 100), (0, 100), (0, 90)]
        )
    ]
    assert told == ["first", "new", "same", "same", "worsened", "improved", "fixed", "same"]


def test_a_check_that_cannot_be_run_any_more_is_worse_and_a_new_check_is_the_first(tmp_path):
    assert refresh(tmp_path, "a", a_result(1))[1] == [(1, "fail", 1, "first")]
    _, trend = refresh(tmp_path, "b", a_result(0, status="not_run", n_checked=0))
    assert trend[-1] == (2, "not_run", 0, "worsened")
    other = replace(a_result(1), check=replace(a_result(1).check, suite="marts.u"))
    assert refresh(tmp_path, "c", other)[1][-1] == (3, "fail", 1, "first")
    assert refresh(tmp_path, "d", a_result(1))[1][-2] == (4, "fail", 1, "first")


def test_other_code_on_the_same_data_takes_the_place_of_what_was_said(tmp_path):
    first, _ = refresh(tmp_path, "a", a_result(1), id_="code 1")
    second, _ = refresh(tmp_path, "b", a_result(2), id_="code 1")
    third, trend = refresh(tmp_path, "b", a_result(1), id_="code 2")
    assert [first["number"], second["number"], third["number"]] == [1, 2, 3]
    assert first["history"] is None
    assert second["history"] == third["history"] is not None
    assert trend == [(1, "fail", 1, "first"), (2, "fail", 1, "same")]
    back, _ = refresh(tmp_path, "a", a_result(1), id_="code 2")
    assert back["history"] not in (first["history"], third["history"])


def test_the_history_is_another_when_anything_else_was_said(tmp_path):
    told = []
    for place, n_failing in (("one", 1), ("two", 2), ("three", 1)):
        refresh(tmp_path / place, "a", a_result(n_failing))
        told.append(refresh(tmp_path / place, "b", a_result(1))[0]["history"])
    assert told[0] == told[2] != told[1]


def test_the_same_refresh_is_kept_once_and_half_a_folder_counts_for_nothing(tmp_path):
    first, _ = refresh(tmp_path, "a", a_result(1))
    half = tmp_path / ".new-000002"
    half.mkdir()
    assert refresh(tmp_path, "a", a_result(1))[0] == first
    assert [path.name for path in tmp_path.iterdir()] == ["000001"]


def test_what_a_refresh_costs_does_not_grow_with_those_before_it(tmp_path, monkeypatch):
    opened = []
    read = past.read_json
    monkeypatch.setattr(past, "read_json", lambda path: opened.append(path) or read(path))
    costs = []
    for n in range(past.LONGEST_TREND + 15):
        opened.clear()
        _, trend = refresh(tmp_path, f"data {n}", a_result(1))
        costs.append(len(opened))
    assert len(trend) == past.LONGEST_TREND
    assert [row[0] for row in trend] == list(range(16, past.LONGEST_TREND + 16))
    assert len(set(costs[past.LONGEST_TREND + 1 :])) == 1


def test_an_erased_person_is_in_no_earlier_refresh(tmp_path):
    failing = (("dlms", "10000000001"), ("dlms", "10000000012"))
    result = replace(a_result(2), key_columns=("study_id", "person_id"), failing=failing)
    refresh(tmp_path, "a", result)
    refresh(tmp_path, "b", result)
    con = duckdb.connect()
    past.forget(con, tmp_path, [10000000001])
    left = con.execute(f"select row_key from '{tmp_path}/*/failure.parquet'").fetchall()
    assert left == [('{"study_id": "dlms", "person_id": "10000000012"}',)] * 2


# ------------------------------------------------------------------ the whole way


@pytest.fixture
def checked(small, tmp_path, monkeypatch) -> Path:
    """A copy of a small home, with expectations of its own to be waived."""
    home = tmp_path / "home"
    shutil.copytree(small[0], home, symlinks=True)
    folder = tmp_path / "expectations"
    shutil.copytree(checking.EXPECTATIONS, folder)
    monkeypatch.setattr(checking, "EXPECTATIONS", folder)
    monkeypatch.setattr(checking, "today", lambda: TODAY)
    return home


def test_a_confirmed_record_and_a_waived_check_change_gate_evidence_and_ledger(
    checked, monkeypatch
):
    settings = story.settings_of(checked)
    said: list[str] = []

    def keys() -> dict:
        return steps.evidence_keys(settings, Home(checked), "dlms")

    before = keys()
    assert not {"exceptions", "history"} & set(before)
    with duckdb.connect(str(checked / "warehouse.duckdb"), read_only=True) as con:
        name, row_key = con.execute(
            "select suite || ': ' || check_id, row_key from quality.failure "
            "where suite = 'landing.dsd.sarcoma' and check_id = 'metastasis_on_or_after_diagnosis'"
        ).fetchone()
        failing = con.execute(
            "select distinct suite || ': ' || check_id from quality.result where status = 'fail'"
        ).fetchall()

    def kobling(*words: str):
        return CliRunner().invoke(main, words, env=story.environment(checked))

    about = ("--by", "K. Hansen", "--reason", "seen in the chart")
    wrong = json.dumps(json.loads(row_key) | {"source_row": "999999"})
    assert "no failing row" in kobling("confirm", name, "--row", wrong, *about).stderr
    assert "has that name" in kobling("confirm", "a: b", "--row", row_key, *about).stderr
    named = ("--by", "K", "--reason", "it is 610250-1234")
    assert "Expected words without one" in kobling("confirm", name, "--row", row_key, *named).stderr
    done = kobling("confirm", name, "--row", row_key, *about)
    assert done.exit_code == 0, done.stderr
    with pytest.raises(QualityError, match="not with the waivers and confirmations"):
        keys()
    steps.check(settings, said.append)
    with duckdb.connect(str(checked / "warehouse.duckdb"), read_only=True) as con:
        assert con.execute(
            "select n_failing, n_confirmed, status from quality.result "
            "where suite || ': ' || check_id = ?", [name],
        ).fetchall() == [(1, 1, "pass_with_findings")]  # fmt: skip
        assert con.execute("select status, n_rows from quality.override").fetchall() == [
            ("in force", 1)
        ]
    confirmed = keys()
    assert confirmed["gate"] == "amber"
    assert evidence.release_id(confirmed) != evidence.release_id(before)
    lasting = checked / "restricted" / "overrides.json"
    assert json.loads(row_key)["source_row"] not in json.loads(lasting.read_text())[0].values()

    # Broken off before all that belongs to it is there, a check has not been.
    with monkeypatch.context() as broken:
        broken.setattr(checking, "_store_fitness", lambda *_: 1 / 0)
        steps.unconfirm(settings, done.stdout.partition(":")[0])
        with pytest.raises(ZeroDivisionError):
            steps.check(settings, said.append)
    with pytest.raises(QualityError, match="not been checked"):
        keys()
    assert kobling("confirm", name, "--row", row_key, *about).exit_code == 2  # nothing is stored
    steps.check(settings, said.append)
    assert kobling("confirm", name, "--row", row_key, *about).exit_code == 0

    given = "".join(
        WAIVER.replace("w1", f"w{n}").replace(NAME, other).replace("= 5", "= 500")
        for n, (other,) in enumerate(sorted(set(failing) - {(name,)}))
    )
    (checking.EXPECTATIONS / "waivers.toml").write_text(given, encoding="utf-8")
    steps.check(settings, said.append)
    assert keys()["gate"] == "green"
    last = json.loads((checked / "ledger.jsonl").read_text().splitlines()[-1])
    assert len(last["waived"]) == len(failing) - 1
    assert last["confirmed_rows"] == 1

    checking.today = lambda: dt.date(2027, 4, 1)
    with pytest.raises(QualityError, match="not been checked"):
        keys()
    steps.check(settings, said.append)
    assert keys()["gate"] == "amber"
    assert any(line.endswith("is expired") for line in said)
    assert steps.verify(settings, None, said.append)
    kept = sorted((checked / "quality").glob("*/result.parquet"))[1]
    kept.write_bytes(kept.read_bytes() + b"x")
    with pytest.raises(KoblingError, match="1 fault"):
        steps.verify(settings, None, said.append)
