"""What changes from one delivery to the next is told, with the numbers, and refuses nothing."""

import csv
import json
import stat

import pytest

from etl.home import Home, file_hash
from etl.landing import current
from tests.conftest import ANNA, PATO_HEADER, write_delivery
from tests.test_bad_deliveries import hand_over, kobling


def text(*days: str) -> str:
    rows = [f"1234567;R{i};1;1;{ANNA};{day};{day};{day};11;T02120\n" for i, day in enumerate(days)]
    return PATO_HEADER + "".join(rows)


def days(n: int, year: int = 1994, months: int = 12) -> list[str]:
    return [f"{year}-{1 + i % months:02}-{1 + i % 28:02}" for i in range(n)]


def hand(tmp_path, day: str, coverage: str = "stock", **files: list[str]):
    """Hand over files by period; returns the findings of the record and what `land` said."""
    inbox = tmp_path / f"inbox-{day}"
    named = {f"pato{period.strip('p')}.csv": text(*rows) for period, rows in files.items()}
    write_delivery(inbox, "patobank", named, day=day, coverage=coverage)
    ended = hand_over(tmp_path / "home", inbox)
    assert ended.exit_code == 0, ended.output
    record = tmp_path / "home" / "restricted" / "accepted" / "patobank" / f"{day}.json"
    return json.loads(record.read_text())["findings"], ended.output


def test_a_first_delivery_has_nothing_to_be_compared_with(tmp_path):
    assert hand(tmp_path, "2023-01-01", p1994=days(200))[0] == []


@pytest.mark.parametrize(("n", "kind"), [(180, "shrunken by 20"), (203, "grown by 3")])
def test_a_period_of_another_size_is_told_with_both_numbers(tmp_path, n, kind):
    hand(tmp_path, "2023-01-01", p1994=days(200))
    (found,), said = hand(tmp_path, "2024-01-01", "period", p1994=days(n))
    assert (found["finding"], found["rows"], found["rows_before"]) == (kind.split()[0], n, 200)
    assert f"patobank/2024-01-01: pato 1994: {kind}: {n} rows, 200 in 2023-01-01" in said


def test_a_period_of_the_same_size_is_no_finding(tmp_path):
    hand(tmp_path, "2023-01-01", p1994=days(200))
    assert hand(tmp_path, "2024-01-01", "correction", p1994=days(200))[0] == []


def test_a_period_that_a_stock_no_longer_holds_is_told(tmp_path):
    hand(tmp_path, "2023-01-01", p1994=days(200), p1995=days(150, 1995))
    (found,), said = hand(tmp_path, "2024-01-01", p1994=days(200))
    assert (found["finding"], found["period"], found["rows_before"]) == ("gone", "1995", 150)
    assert "pato 1995: not delivered again; 150 rows in 2023-01-01" in said


def test_a_delivery_that_arrives_late_is_not_compared_with_a_newer_one(tmp_path):
    hand(tmp_path, "2024-01-01", p1994=days(200))
    assert hand(tmp_path, "2023-01-01", "correction", p1994=days(150))[0] == []


def test_what_any_earlier_refresh_was_made_from_is_still_there(tmp_path):
    """A stock, a year more, a correction that comes late, and a stock that drops a year."""
    home = Home(tmp_path / "home")
    steps = [
        ("2023-01-01", "stock", {"p1994": days(200), "p1995": days(150, 1995)}),
        ("2024-01-01", "period", {"p1996": days(90, 1996)}),
        ("2023-06-01", "correction", {"p1994": days(210)}),
        ("2025-01-01", "stock", {"p1994": days(205), "p1996": days(95, 1996)}),
    ]

    def counting(after=None):
        return {
            (*entry.slot, entry.folder): file_hash(entry.path(home))
            for entry in current(home, after)
        }

    seen = []
    for day, coverage, files in steps:
        hand(tmp_path, day, coverage, **files)
        seen.append(counting())
    assert [len(now) for now in seen] == [2, 3, 3, 2]
    assert len({str(now) for now in seen}) == 4
    assert [counting(after) for after in range(1, 5)] == seen
    assert counting(0) == {}


def test_a_correction_of_what_was_never_delivered_is_told(tmp_path):
    (found,), said = hand(tmp_path, "2024-01-01", "correction", p1994=days(200))
    assert found["finding"] == "never_delivered"
    assert "corrects a period that was never delivered; 200 rows" in said


def test_a_file_of_more_years_than_its_name_is_recognised(tmp_path):
    (found,), said = hand(tmp_path, "2024-01-01", p1994=days(100) + days(50, 1993))
    assert (found["finding"], found["rows"]) == ("more_years", 50)
    assert "50 of 1993, 100 of 1994" in said


def test_a_few_stray_rows_are_told_row_by_row_and_not_of_the_file(tmp_path):
    assert hand(tmp_path, "2024-01-01", p1994=days(200) + days(3, 1993))[0] == []


def test_a_file_that_stops_in_the_middle_of_the_year_is_recognised(tmp_path):
    (found,), said = hand(tmp_path, "2024-01-01", p1994=days(200, months=6))
    assert (found["finding"], found["rows"]) == ("part_of_a_year", 200)
    assert "ends on 1994-06-" in said


def test_a_handful_of_rows_may_all_fall_in_spring(tmp_path):
    assert hand(tmp_path, "2024-01-01", p1994=["1994-03-01", "1994-04-01"])[0] == []


# ------------------------------------------------------------------ kobling quarantine


@pytest.fixture
def with_refused_rows(tmp_path):
    bad = text("1994-03-01", "1994-04-01", "1994-05-01", "1994-06-01")
    bad = bad.replace(f"R1;1;1;{ANNA}", "R1;1;1;123").replace(f"R3;1;1;{ANNA}", "R3;1;1;9102501234")
    write_delivery(tmp_path / "inbox", "patobank", {"pato1994.csv": bad})
    assert hand_over(tmp_path / "home", tmp_path / "inbox").exit_code == 0
    return tmp_path / "home"


def test_refused_rows_are_counted_by_file_and_reason(with_refused_rows):
    ended = kobling(with_refused_rows, "quarantine")
    assert ended.exit_code == 0
    assert [line.split() for line in ended.output.splitlines()[:3]] == [
        ["register", "table", "period", "file", "reason", "rows"],
        ["patobank", "pato", "1994", "2024-06-01/pato1994.csv", "impossible_date", "1"],
        ["patobank", "pato", "1994", "2024-06-01/pato1994.csv", "wrong_length", "1"],
    ]
    assert ended.output.rstrip().endswith("\n\n2 rows.")


def test_refused_rows_are_named_by_number_and_never_shown(with_refused_rows):
    ended = kobling(with_refused_rows, "quarantine", "--reason", "impossible_date", "--rows")
    assert "  rows 4" in ended.output
    assert "wrong_length" not in ended.output
    assert "9102501234" not in ended.output
    assert "as_given" not in ended.output


def test_refused_rows_are_opened_into_the_restricted_zone_for_their_owner_and_recorded(
    with_refused_rows,
):
    home = with_refused_rows
    ended = kobling(home, "quarantine", "--as-given", "--reason", "impossible_date")
    assert "9102501234" not in ended.output
    place = home / "restricted" / "opened" / "quarantine.csv"
    assert ended.output.startswith(f"{place}: 1 row as they came")
    (row,) = csv.DictReader(place.read_text().splitlines())
    assert (row["reason"], row["source_row"], row["period"]) == ("impossible_date", "4", "1994")
    assert "9102501234" in row["as_given"]
    assert stat.S_IMODE(place.stat().st_mode) == 0o600
    last = json.loads((home / "ledger.jsonl").read_text().splitlines()[-1])
    assert (last["event"], last["reason"], last["rows"]) == (
        "quarantine opened", "impossible_date", 1,
    )  # fmt: skip
    assert "9102501234" not in str(last)


def test_rows_with_findings_are_counted_and_named(tmp_path):
    early = text("1994-03-01", "1993-04-01")
    write_delivery(tmp_path / "inbox", "patobank", {"pato1994.csv": early})
    assert hand_over(tmp_path / "home", tmp_path / "inbox").exit_code == 0
    ended = kobling(tmp_path / "home", "findings", "--rows")
    assert ["patobank", "pato", "1994", "2024-06-01/pato1994.csv", "outside_period", "1"] in [
        line.split() for line in ended.output.splitlines()
    ]
    assert "  rows 2" in ended.output
    said = kobling(tmp_path / "home", "findings", "--finding", "unheard_of").output
    assert said.startswith("No findings with finding 'unheard_of'. There are: outside_period")


def test_what_is_not_in_quarantine_is_said_to_be(with_refused_rows):
    assert kobling(with_refused_rows, "quarantine", "--register", "cpr").output == (
        "Nothing in quarantine.\n"
    )
    said = kobling(with_refused_rows, "quarantine", "--reason", "wrong_size").output
    assert "There are: impossible_date, wrong_length" in said
    assert kobling(with_refused_rows, "findings").output == "No findings.\n"
    ended = kobling(with_refused_rows, "quarantine", "--register", "lmdb")
    assert (ended.exit_code, "Known registers" in ended.stderr) == (2, True)
