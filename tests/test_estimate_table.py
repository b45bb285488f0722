"""`kobling estimate-table`: anyone's table in, the numbers of R out, and one line for bad input."""

import csv
import json
import subprocess
import sys
from io import StringIO
from pathlib import Path

import duckdb
import pytest
from click.testing import CliRunner

from etl.cli import main

GOLDEN = Path(__file__).parent / "golden"
PEOPLE = GOLDEN / "estimation_people.csv"
COLUMNS = ("--time", "time", "--event", "event")


def ask(file, *words: str):
    return CliRunner().invoke(main, ["estimate-table", str(file), *COLUMNS, *words])


def json_of(file, *words: str) -> dict:
    result = ask(file, "--format", "json", *words)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def written(folder: Path, text: str, name: str = "t.csv") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture
def of_set(tmp_path):
    """A file of one set of the golden people, as CSV or as Parquet."""

    def made(name: str, form: str = "csv") -> Path:
        path = tmp_path / f"{name}.{form}"
        duckdb.sql(
            f"copy (select * from read_csv('{PEOPLE}') where set = '{name}') to '{path}' "
            f"(format {form})"
        )
        return path

    return made


def near(value: float):
    return pytest.approx(value, rel=1e-9)


def test_a_table_gets_the_numbers_of_survfit_and_grays_test(of_set):
    made = json_of(of_set("ties"), "--horizon", "10", "--horizon", "20")
    with (GOLDEN / "estimation_risks.csv").open() as file:
        golden = [r for r in csv.DictReader(file) if r["set"] == "ties"]
    for row in made["risks"]:
        theirs = next(
            r
            for r in golden
            if (int(r["cause"]), float(r["horizon"])) == (row["cause"], row["horizon"])
        )
        assert row["group"] == "(all)"
        assert row["estimate"] == near(float(theirs["survfit"]))
        assert row["std_error"] == near(float(theirs["survfit_error"]))
    assert [(r["cause"], r["horizon"]) for r in made["risks"]] == [
        (1, 10),
        (1, 20),
        (2, 10),
        (2, 20),
    ]
    assert (made["contrasts"], made["gray_test"]) == ([], [])
    grouped = json_of(of_set("ties"), "--horizon", "20", "--group", "group")
    with (GOLDEN / "estimation_gray.csv").open() as file:
        golden = [
            r for r in csv.DictReader(file) if (r["set"], r["stratified"]) == ("ties", "FALSE")
        ]
    for row, theirs in zip(grouped["gray_test"], golden, strict=True):
        assert row["statistic"] == near(float(theirs["statistic"]))
        assert row["p_value"] == near(float(theirs["p_value"]))
        assert row["degrees_of_freedom"] == 2
    assert {(r["group"], r["reference"]) for r in grouped["contrasts"]} == {("b", "a"), ("c", "a")}
    assert set(grouped["contrasts"][0]) == {
        "group", "reference", "cause", "horizon", "risk_difference", "std_error", "lower", "upper",
        "p_value", "mover_lower", "mover_upper", "risk_ratio", "ratio_lower", "ratio_upper", "note",
    }  # fmt: skip


def test_entry_and_weights_take_the_jackknife_and_say_so(of_set):
    made = json_of(
        of_set("both"), "--horizon", "20", "--entry", "entry", "--weight", "weight",
        "--group", "group",
    )  # fmt: skip
    assert made["methods"]["variance"] == "ij"
    assert {row["note"] for row in made["gray_test"]} == {
        "not defined with delayed entry or weights"
    }
    alone = json_of(of_set("both"), "--horizon", "20", "--entry", "entry", "--weight", "weight")
    with (GOLDEN / "estimation_risks.csv").open() as file:
        golden = [
            r for r in csv.DictReader(file) if (r["set"], float(r["horizon"])) == ("both", 20)
        ]
    for row, theirs in zip(alone["risks"], golden, strict=True):
        assert row["estimate"] == near(float(theirs["survfit"]))
        assert row["std_error"] == near(float(theirs["survfit_error"]))
    assert json_of(of_set("entry"), "--horizon", "20", "--entry", "entry")["methods"][
        "variance"
    ] == ("greenwood")


def test_csv_and_parquet_and_any_order_of_rows_give_the_same_bytes(of_set, tmp_path):
    words = ("--horizon", "20", "--group", "group", "--format", "json")
    first = ask(of_set("ties"), *words).stdout
    assert ask(of_set("ties", "parquet"), *words).stdout == first
    header, *rows = of_set("ties").read_text().splitlines()
    turned = written(tmp_path, "\n".join([header, *rows[::-1]]))
    assert ask(turned, *words).stdout == first


def test_every_kind_of_interval_can_be_asked_for(of_set):
    kinds = ("plain", "log", "log-log", "cloglog", "wilson")
    limits = [
        json_of(of_set("ties"), "--horizon", "20", "--interval", kind)["risks"][0] for kind in kinds
    ]
    assert len({row["lower"] for row in limits}) == len(kinds)
    wide = json_of(of_set("ties"), "--horizon", "20", "--level", "0.99")["risks"][0]
    assert wide["lower"] < limits[0]["lower"]


def test_what_is_undefined_is_null_with_a_note(tmp_path):
    file = written(tmp_path, "time,event,g\n5,0,a\n6,0,a\n3,1,b\n")
    made = json_of(
        file, "--horizon", "4", "--horizon", "9", "--group", "g", "--interval", "log-log"
    )
    nobody = made["risks"][0]
    assert (nobody["estimate"], nobody["std_error"], nobody["lower"]) == (0, 0, None)
    assert nobody["recommended_upper"] == near(1 - 0.05 ** (1 / 2))
    assert "no events" in nobody["note"]
    assert "log-log interval is not defined at a risk of 0" in nobody["note"]
    assert "carried forward from 6" in made["risks"][1]["note"]
    contrast = made["contrasts"][0]
    assert (contrast["risk_difference"], contrast["p_value"], contrast["risk_ratio"]) == (
        1,
        None,
        None,
    )
    assert "no p value" in contrast["note"]
    assert "no ratio" in contrast["note"]


def test_a_table_in_which_everyone_is_censored_has_an_answer(tmp_path):
    (row,) = json_of(written(tmp_path, "time,event\n5,0\n6,0\n"), "--horizon", "3")["risks"]
    assert (row["cause"], row["estimate"], row["at_risk"]) == (1, 0, 2)


def test_without_a_competing_event_the_answer_says_that_it_is_kaplan_meiers(of_set):
    (row,) = json_of(of_set("nocompeting"), "--horizon", "20")["risks"]
    assert "1 − Kaplan–Meier" in row["note"]


def test_a_weight_counts_as_so_many_rows_and_the_groups_sort_as_numbers(tmp_path):
    single = written(tmp_path, "time,event,g\n" + "3,1,10\n3,1,10\n5,0,10\n4,2,9\n4,0,9\n")
    weighted = written(tmp_path, "time,event,g,w\n3,1,10,2\n5,0,10,1\n4,2,9,1\n4,0,9,1\n", "w.csv")
    words = ("--horizon", "4", "--group", "g")
    one = json_of(single, *words)
    other = json_of(weighted, *words, "--weight", "w", "--variance", "greenwood")
    assert [row["group"] for row in one["risks"]] == ["9", "9", "10", "10"]
    for a, b in zip(one["risks"], other["risks"], strict=True):
        for field in ("estimate", "std_error", "events", "competing", "censored", "at_risk"):
            assert a[field] == b[field]


def test_the_long_csv_holds_every_number_of_the_json(of_set):
    words = ("--horizon", "20", "--group", "group")
    made = json_of(of_set("ties"), *words)
    long = list(csv.DictReader(StringIO(ask(of_set("ties"), *words, "--format", "csv").stdout)))
    for table, rows in (("risk", made["risks"]), ("contrast", made["contrasts"]),
                        ("gray_test", made["gray_test"])):  # fmt: skip
        numbers = [
            value for row in rows for name, value in row.items()
            if name not in ("group", "reference", "cause", "horizon", "note")
        ]  # fmt: skip
        assert [float(r["value"]) for r in long if r["table"] == table] == numbers
        assert numbers


def test_the_table_prints_the_recommended_interval_first(of_set):
    text = ask(of_set("rare"), "--horizon", "20", "--group", "group").stdout
    head = text.splitlines()[1]
    assert head.index("recommended") < head.index("plain")
    assert "Gray's test." in text
    assert "MOVER" in text


BAD = {
    "a negative time": ("time,event\n-1,1\n2,0\n", (), "a negative number in column 'time'"),
    "entry after exit": ("time,event,e\n3,1,5\n4,0,0\n", ("--entry", "e"), "entry at or after"),
    "entry at exit": ("time,event,e\n3,1,3\n4,0,0\n", ("--entry", "e"), "entry at or after"),
    "half an event": ("time,event\n3,0.5\n", (), "a code that is not whole"),
    "no value": ("time,event\n3,\n4,1\n", (), "a missing value"),
    "NA": ("time,event\nNA,1\n4,1\n", (), "a missing value"),
    "a word": ("time,event\nlong,1\n4,1\n", (), "no number"),
    "infinity": ("time,event\ninf,1\n4,1\n", (), "infinite"),
    "no group": ("time,event,g\n3,1,\n4,1,a\n", ("--group", "g"), "a missing value in column 'g'"),
    "a negative weight": ("time,event,w\n3,1,-2\n", ("--weight", "w"), "a negative number"),
    "half weights": ("time,event,w\n3,1,.5\n", ("--weight", "w", "--variance", "greenwood"), "ij"),
    "no weight at all": ("time,event,w\n3,1,0\n", ("--weight", "w"), "every weight is 0"),
    "unknown column": ("time,happening\n3,1\n", (), "no column 'event' for --event"),
    "no rows": ("time,event\n", (), "no rows"),
    "a strange reference": ("time,event,g\n3,1,a\n", ("--group", "g", "--reference", "b"), "no gr"),
    "a lone reference": ("time,event\n3,1\n", ("--reference", "b"), "--reference without --group"),
    "cause 0": ("time,event\n3,1\n", ("--cause", "0"), "--cause 0"),
    "a level of 95": ("time,event\n3,1\n", ("--level", "95"), "--level 95"),
    "ragged rows": ('time,event\n3,1\n4,"1\n5', (), "Expected"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_bad_input_gets_one_clear_line_and_status_2(name, tmp_path):
    text, words, expected = BAD[name]
    result = ask(written(tmp_path, text), "--horizon", "4", *words)
    assert result.exit_code == 2
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    assert line.startswith("Error: ")
    assert expected in line


@pytest.mark.parametrize("content", [b"PAR1 and no more", bytes(range(256)) * 20, b""])
def test_a_file_that_is_no_table_gets_one_line(content, tmp_path):
    path = tmp_path / "picture.png"
    path.write_bytes(content)
    result = ask(path, "--horizon", "4")
    assert result.exit_code == 2
    assert len(result.stderr.splitlines()) == 1


def test_a_file_that_is_not_there_and_a_negative_horizon_get_one_line(tmp_path):
    for file, horizon in ((tmp_path / "none.csv", "4"), (PEOPLE, "-4")):
        result = ask(file, "--horizon", horizon)
        assert (result.exit_code, len(result.stderr.splitlines())) == (2, 1)


def test_nothing_heavy_is_imported_for_a_table(of_set):
    """What makes the command wait: half a second for polars, pandas or statsmodels each."""
    code = (
        "import sys; from etl.cli import main; main(sys.argv[1:], standalone_mode=False); "
        "heavy = {'polars', 'pandas', 'statsmodels', 'lifelines', 'matplotlib', 'pyarrow'}; "
        "sys.exit(', '.join(heavy & set(sys.modules)) or 0)"
    )
    words = ["estimate-table", str(of_set("one")), *COLUMNS, "--horizon", "4"]
    run = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
