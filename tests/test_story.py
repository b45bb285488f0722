"""The whole road in one go: mock registers to a released risk table, three times over.

Once through the Airflow DAGs as `make demo` does it, on the default mock; once by `kobling run`;
once more in another folder and time zone, which must end in the same release.
"""

import csv
import hashlib
import json
import re
import shutil
import textwrap
from collections import Counter
from pathlib import Path

import duckdb
import pytest
from click.testing import CliRunner

from benchmarks.demo import results_of
from etl import ledger, restricted, steps
from etl.cli import main
from etl.home import Home
from etl.mock import cases
from etl.mock.answers import SHEETS
from etl.settings import CHECKOUT
from tests import story


def estimates(home: Path) -> dict:
    return json.loads((home / "releases" / "dlms" / "current" / "estimates.json").read_text())


@pytest.fixture(params=["demo", "small"])
def ran(request) -> Path:
    return request.getfixturevalue(request.param)[0]


# -------------------------------------------------------------------- the right people and figures


STUDIES = pytest.mark.parametrize("study", SHEETS)


@STUDIES
def test_exactly_the_planted_patients_are_found_and_everyone_else_has_the_planted_reason(
    ran, study
):
    assert story.wrong_verdicts(story.settings_of(ran), ran / "restricted" / "answers", study) == []


@STUDIES
def test_a_life_that_was_written_otherwise_would_be_seen(ran, study, tmp_path):
    """Somebody's day, step, level or name changed in a copy of the answer sheet."""
    answers = tmp_path / "answers"
    shutil.copytree(ran / "restricted" / "answers", answers)
    path = answers / SHEETS[study].folder / "persons.csv"
    rows = story.answer_sheet(answers, "persons", study)
    inside = next(n for n, row in enumerate(rows) if row["metastasis_days"])
    outside = next(n for n, row in enumerate(rows) if row["verdict"] == "resident")
    for n, column, value in (
        (inside, "metastasis_days", str(int(rows[inside]["metastasis_days"]) + 1)),
        (inside, SHEETS[study].factors[0], "another"),
        (inside, "index_date", "2001-02-03"),
        (outside, "verdict", "not_found_at_autopsy"),
        (outside, "verdict", "not_a_candidate"),
    ):
        changed = [row | {column: value} if m == n else row for m, row in enumerate(rows)]
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, rows[0])
            writer.writeheader()
            writer.writerows(changed)
        wrong = story.wrong_verdicts(story.settings_of(ran), answers, study)
        assert any(line.startswith(f"{rows[n]['name']}") for line in wrong), column


def test_every_named_case_ends_as_it_is_written_beside_it(ran):
    assert len(cases.CASES) >= 20
    assert story.wrong_cases(story.settings_of(ran), ran / "restricted" / "answers") == []


def test_every_published_figure_is_computed_to_its_printed_digits(ran):
    assert len(list(story.published_figures())) == 47
    found = estimates(ran)
    assert story.disagreements(found) == []
    assert found["cohort_size"] == 381
    assert found["median_age"] == 66
    assert round(found["share_male"] * 100) == 71


def test_the_papers_follow_up_schedule_is_drawn_from_the_last_relapse(ran):
    """No relapse later than four years: two visits in the first, then yearly; imaging for two."""
    found = estimates(ran)
    assert [(r["year"], r["visits"], r["is_imaged_at_high_risk"]) for r in found["schedule"]] == [
        (1, 2, True), (2, 1, True), (3, 1, False), (4, 1, False),
    ]  # fmt: skip
    for outcome, events in (("metastasis", 9), ("local_recurrence", 38)):
        years = [r for r in found["yearly"] if r["outcome"] == outcome]
        assert sum(r["events"] for r in years) == events
        assert years[-1]["events"] == 0


def test_a_figure_that_is_off_by_one_printed_digit_would_be_seen(ran):
    found = estimates(ran)
    for row in found["risks"]:
        if (row["outcome"], row["factor"], row["level"]) == ("metastasis", "necrosis", "yes"):
            row["estimate"] += 0.001
    assert len(story.disagreements(found)) == 1


def test_the_rule_finds_the_high_risk_factors_of_the_paper(ran):
    high = {(r["outcome"], r["factor"]) for r in estimates(ran)["rule"] if r["high_risk"]}
    assert {
        ("metastasis", "necrosis"), ("metastasis", "mitotic_grade"), ("metastasis", "invasion"),
        ("local_recurrence", "margins"), ("local_recurrence", "invasion"),
    } <= high  # fmt: skip


@STUDIES
def test_the_flow_is_the_answer_sheets_and_its_sums_close(ran, study):
    with duckdb.connect(str(Home(ran).warehouse), read_only=True) as con:
        steps_found = con.execute(
            "select step, criterion, n_in, n_excluded, n_out from marts.attrition "
            "where study_id = ? order by step", [study],
        ).fetchall()  # fmt: skip
        requisitions = con.execute(
            "select count(*) from cohort.int_candidate_requisition where study_id = ?", [study]
        ).fetchone()[0]
    expected = story.answer_sheet(ran / "restricted" / "answers", "flow", study)
    assert len(steps_found) == len(expected)
    for (step, criterion, n_in, n_excluded, n_out), row in zip(steps_found, expected, strict=True):
        assert (str(step), criterion, str(n_excluded)) == (
            row["step"], row["criterion"], row["n_excluded"],
        )  # fmt: skip
        assert n_in - n_excluded == n_out
        if step > 0:
            assert (str(n_in), str(n_out)) == (row["n_in"], row["n_out"])
    assert steps_found[0][4] == requisitions


def test_planted_conflicts_and_lost_rows_are_counted_exactly_and_the_page_says_so(ran):
    assert story.wrong_linkage(story.settings_of(ran), ran / "restricted" / "answers") == []
    page = (ran / "releases" / "dlms" / "current" / "index.html").read_text(encoding="utf-8")
    assert "an event more than 30 days after death" in page
    assert "RECORD 12.3" in page


# -------------------------------------------------------------------- the promises


def test_the_mock_registers_keep_the_rules_of_the_contracts_but_for_what_was_planted(ran):
    """Each failing row of a form, a list or an era of codes was written to the answer sheet."""
    home = Home(ran)
    planted = Counter(
        (row["register"], row["path"].split("/")[0])
        for row in story.answer_sheet(ran / "restricted" / "answers", "defects")
    )
    n_checks = 0
    for path in home.accepted.glob("*/*.json"):
        record = json.loads(path.read_text())
        found = 0
        for check in record["checks"]:
            if re.search(r"_has_its_form|_is_of_its_era|_is_an_allowed_value", check["id"]):
                n_checks += check["status"] != "not_applicable"
                assert check["status"] != "not_run"
                found += check["n_failing"]
        assert found <= planted[record["register"], record["folder"]], path.name
    assert n_checks > 50


def test_every_row_is_somewhere(ran):
    """Rows in = landed + quarantined, landed = linked + unlinked, counted in the files anew."""
    home = Home(ran)
    delivered = {
        (m["register"], file["table"], file["period"] or "all", file["sha256"]): file["rows"]
        for path in home.deliveries.glob("*/*/manifest.json")
        for m in [json.loads(path.read_text())]
        for file in m["files"]
    }
    winners = duckdb.sql(
        f"select register, table_name, period, sha256 from '{home.lake / 'delivery.parquet'}'"
    ).fetchall()
    assert len(winners) > 50
    con = story.opened(home)
    for register, table, period, sha256 in winners:
        slot = f"{register}/{table}/period={period}"

        def count(store: str, slot: str = slot) -> int:
            files = list((home.root / store / slot).glob("*.parquet"))
            return sum(
                duckdb.sql(f"select count(*) from read_parquet('{file}')").fetchone()[0]
                for file in files
            )

        linked, unlinked = count("lake/linked"), 0
        place = home.unlinked / slot / "part.parquet"
        unlinked, quarantined_with_number = duckdb.sql(
            "select count(*) filter (where stage = 'linkage'), "
            f"count(*) filter (where stage = 'landing') from read_parquet('{place}')"
        ).fetchone()
        landed = {
            path: con.execute(f"select count(*) from {restricted.scan(path)}").fetchone()[0]
            for path in (home.landing / slot).glob("*.parquet")
        }
        rows = delivered[register, table, period, sha256]
        assert linked + unlinked in landed.values(), slot
        assert rows - (linked + unlinked) >= quarantined_with_number, slot
        assert rows - (linked + unlinked) in [
            con.execute(f"select count(*) from {restricted.scan(path)}").fetchone()[0]
            for path in (home.quarantine / slot).glob("*.parquet")
        ] + [0], slot


def test_every_planted_defect_is_where_the_answer_sheet_says(ran):
    """Quarantined and flagged rows are the planted ones: none missing, none too many."""
    home = Home(ran)
    expected = {"quarantine": set(), "findings": set()}
    for defect in story.answer_sheet(ran / "restricted" / "answers", "defects"):
        outcome, _, reason = defect["expected"].partition(":")
        store = {"quarantined": "quarantine", "finding": "findings"}.get(outcome)
        # What is told of a file as a whole has no row.
        if store and int(defect["row"]):
            source = home.deliveries / defect["register"] / defect["path"]
            sha256 = hashlib.sha256(source.read_bytes()).hexdigest()[:12]
            expected[store].add((sha256, int(defect["row"]), reason))
    con = story.opened(home)
    for store, column in (("quarantine", "reason"), ("findings", "finding")):
        found = set(
            con.execute(
                f"select source_file, source_row, {column} from "
                + restricted.scan_by_name(*(home.restricted / store).glob("*/*/*/*.parquet"))
            ).fetchall()
        )
        assert len(expected[store]) >= 10
        assert found == expected[store]


@STUDIES
def test_cases_outcomes_and_deaths_are_found_in_the_registers_that_have_them(ran, study):
    answers = ran / "restricted" / "answers"
    assert story.wrong_cross_checks(story.settings_of(ran), answers, study) == []


def test_the_planted_rows_without_their_contact_are_orphans_and_padded_keys_are_linked(ran):
    """None too many, none too few: a key in another spelling leads to its contact."""
    home, planted, spelt_otherwise = Home(ran), set(), set()
    for defect in story.answer_sheet(ran / "restricted" / "answers", "defects"):
        table, period = re.fullmatch(
            r".*/([a-z_0-9]+?)(\d{4})?\.(?:csv|parquet)", defect["path"]
        ).groups()
        place = (defect["register"], table, period or "all", int(defect["row"]))
        if defect["expected"] == "unlinked:orphan_of_contact":
            planted.add(place)
        if defect["defect"].startswith("contact_key_"):
            spelt_otherwise.add(place)
    found, linked = set(), set()
    for register, table, period, _ in planted:
        slot = f"{register}/{table}/period={period}/part.parquet"
        for store, rows, condition in (
            (home.unlinked, found, "reason = 'orphan_of_contact'"),
            (home.linked, linked, "true"),
        ):
            rows |= {
                (register, table, period, row)
                for (row,) in duckdb.sql(
                    f"select source_row from read_parquet('{store / slot}') where {condition}"
                ).fetchall()
            }
    everywhere = duckdb.sql(
        f"select sum(rows) from '{home.lake / 'linkage_flow.parquet'}' "
        "where reason = 'orphan_of_contact'"
    ).fetchone()[0]
    assert len({slot[:2] for slot in planted}) == 4
    assert found == planted
    assert everywhere == len(planted)
    assert spelt_otherwise <= linked


def test_no_personal_number_stands_outside_the_restricted_zone(ran):
    assert story.leaks(ran, ran / "restricted" / "answers") == []


def test_the_search_for_numbers_has_airflows_database_and_locked_files_before_it(demo):
    home = demo[0]
    assert (home / "airflow" / "airflow.db").stat().st_size > 100_000
    for store in ("landing", "quarantine", "findings"):
        assert ("restricted", store) in story.LOCKED
        assert list((home / "restricted" / store).rglob("*.parquet"))


@pytest.mark.parametrize(
    "made_of_it",
    [
        lambda n: hashlib.sha256(n).hexdigest(),
        lambda n: hashlib.md5(n).hexdigest().upper(),
        lambda n: hashlib.sha1(n[:6] + b"-" + n[6:]).hexdigest()[:20],
        lambda n: str(int.from_bytes(hashlib.sha256(n).digest()[:8], "big") >> 1),
        lambda n: str(int.from_bytes(hashlib.md5(n).digest()[:8], "little")),
    ],
)
def test_the_search_for_hashes_without_a_key_would_find_one(made_of_it):
    hashed = story.hashes_of([b"6102501234"])
    assert story.hashes_in(f"x {made_of_it(b'6102501234')};".encode(), hashed)
    assert not story.hashes_in(f"x {made_of_it(b'6102501235')};".encode(), hashed)


@pytest.mark.parametrize("spelling", ["{}", "{0[0]}{0[1]}-", "00{}"])
def test_the_search_for_numbers_would_find_one(spelling):
    number = "6102501234"
    text = f"x {number[:6]}-{number[6:]} y" if "-" in spelling else f"x {spelling.format(number)} y"
    assert story.numbers_in(text.encode(), {number.encode()}, []) == {number}
    assert story.numbers_in(b"1234567890123456789", {b"2345678901"}, []) == set()


def test_the_chain_ends_in_a_ledger_that_holds_together(ran):
    entries = ledger_lines(ran)
    before = ledger.START
    for line in entries:
        assert json.loads(line)["before"] == before
        before = hashlib.sha256(line).hexdigest()
    # Other tests open rows and persons of the same home; that is told too, and what somebody was
    # told at the end of the run.
    events = [json.loads(line)["event"] for line in entries]
    of_the_road = [e for e in events if not e.endswith(" opened") and e != "notice sent"]
    assert of_the_road[-1] == "released"
    verified = story.command(ran, "etl.cli", "verify", "--head", before)
    assert verified.returncode == 0, verified.stdout + verified.stderr
    assert f"Keep the newest hash elsewhere: {before}" in verified.stdout


def ledger_lines(home: Path) -> list[bytes]:
    return Home(home).ledger.read_bytes().splitlines()


def test_a_release_is_whole_and_says_what_it_was_made_from(ran):
    live = (ran / "releases" / "dlms" / "current").resolve()
    evidence = json.loads((live / "evidence.json").read_text())
    named = set(evidence["files"])
    assert {
        "estimates.json", "forest_plot.svg", "forest_plot.png", "cohort_flow.svg",
        "parquet/cohort.parquet", "parquet/time_to_event.parquet", "data_docs.html",
        "dbt_docs.html", "index.html",
    } <= named  # fmt: skip
    for path, sha256 in evidence["files"].items():
        assert hashlib.sha256((live / path).read_bytes()).hexdigest() == sha256
        assert not (live / path).stat().st_mode & 0o222
    for entry in evidence["deliveries"]:
        delivered = ran / "deliveries" / entry["path"]
        assert hashlib.sha256(delivered.read_bytes()).hexdigest() == entry["sha256"]
    with duckdb.connect(str(live / "marts.duckdb"), read_only=True) as con:
        assert con.execute("select count(*) from marts.cohort").fetchone()[0] == 381
        assert con.execute("select typeof(any_value(person_id)) from marts.cohort").fetchone() == (
            "VARCHAR",
        )


def test_the_same_input_gives_the_same_release_elsewhere(small, tmp_path):
    home, _ = story.run_small(tmp_path / "elsewhere" / "home", TZ="America/Nome", LANG="C")
    first = (small[0] / "releases" / "dlms" / "current").resolve()
    second = (home / "releases" / "dlms" / "current").resolve()
    assert first.name == second.name
    assert story.contents(first) == story.contents(second)


# -------------------------------------------------------------------- what a person sees


def test_the_demo_ends_with_tables_flow_and_the_page(demo):
    home, ended = demo
    shown = ended.stdout
    for word in ("kobling receive", "kobling land", "kobling release dlms", "Metastasis", "381"):
        assert word in shown
    page = home / "releases" / "dlms" / "current"
    assert f"{page.resolve()}/index.html" in shown
    assert (page / "index.html").exists()


def test_the_readme_shows_what_the_demo_prints(demo):
    readme = (CHECKOUT / "README.md").read_text(encoding="utf-8")
    shown = readme.partition("<!-- demo -->")[2].partition("<!-- /demo -->")[0]
    assert textwrap.dedent(shown).strip() == results_of(demo[1].stdout).strip()


def test_a_second_demo_finds_nothing_new(demo):
    home, _ = demo
    before = ledger_lines(home)
    again = story.command(home, "etl.demo")
    assert again.returncode == 0
    assert "Nothing new" in again.stdout
    assert ledger_lines(home) == before


def test_a_second_run_finds_nothing_new(small):
    home, _ = small
    before = ledger_lines(home)
    again = story.command(home, "etl.cli", "run")
    assert again.returncode == 0
    assert "Nothing new" in again.stdout
    assert ledger_lines(home) == before


def test_each_step_by_itself_finds_nothing_new(small):
    said = []
    settings = story.settings_of(small[0])
    assert steps.land(settings, None, said.append) == 0
    assert not steps.link(settings, said.append)
    assert not steps.select(settings, said.append)
    steps.check(settings, said.append)
    steps.estimate(settings, "dlms", said.append)
    steps.release(settings, "dlms", said.append)
    steps_said = [line for line in said if not re.match(r"reads |[\d,]+ rows? in, ", line)]
    assert steps_said, said
    assert all("nothing new" in line for line in steps_said), said


@pytest.mark.parametrize("command", list(main.commands))
def test_every_command_has_help_with_an_example(command):
    shown = CliRunner().invoke(main, [command, "--help"])
    assert shown.exit_code == 0
    assert f"kobling {command}" in shown.output.split("Example:")[1]


# -------------------------------------------------------------------- killed


def test_a_run_killed_in_every_step_ends_as_an_undisturbed_one(small, tmp_path):
    """kill -9 a moment after each step has begun; then start again."""
    home = tmp_path / "home"
    story.mock_small(home)
    for step, seconds in (("land", 3.0), ("link", 0.7), ("select", 4.0), ("release", 1.0)):
        story.kill_in(home, step, after_seconds=seconds)
        live = home / "releases" / "dlms" / "current"
        assert not live.exists(), "nothing is released before the end"
    assert story.command(home, "etl.cli", "run").returncode == 0
    assert story.contents(home / "releases" / "dlms" / "current") == story.contents(
        small[0] / "releases" / "dlms" / "current"
    )
    assert not list((home / "releases" / "dlms").glob(".new-*"))
    assert not list((home / "restricted" / "scratch").glob("land-*"))
    before = ledger.START
    for line in ledger_lines(home):
        assert json.loads(line)["before"] == before
        before = hashlib.sha256(line).hexdigest()
