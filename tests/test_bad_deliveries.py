"""What keepers get wrong: one clear line, exit status 2, and nothing half-landed.

Each case spoils a good delivery and says what the line must say. Hypothesis spoils it further, in
ways nobody thought of: those may be accepted or refused, but never half, and never by a traceback.
"""

import gzip
import hashlib
import json
import os
import shutil
import struct
from collections.abc import Callable
from pathlib import Path

import duckdb
import pyarrow
import pytest
from click.testing import CliRunner, Result
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from etl.cli import main
from etl.landing.given import LONGEST_LINE_BYTES
from tests.conftest import ANNA, BENT, PATO_HEADER, write_delivery

SAS = Path(__file__).parent / "golden" / "pato1994.sas7bdat"


def row(number=ANNA, requisition="R1", day="1994-03-01", kind="11") -> str:
    return f"1234567;{requisition};1;1;{number};{day};{day};{day};{kind};T02120\n"


GOOD = PATO_HEADER + row() + row(BENT, "R2") + row(ANNA, "R3")
NAME = "pato1994.csv"


def kobling(home: Path, *words: str) -> Result:
    environment = {
        "KOBLING_HOME": str(home),
        "KOBLING_POPULATION": "mock",
        "KOBLING_KEY": "k" * 40,
        "KOBLING_UNPACK_TIMES": "200",
    }
    return CliRunner().invoke(main, words, env=environment)


def hand_over(home: Path, inbox: Path) -> Result:
    """Receive and land, as far as it goes."""
    received = kobling(home, "receive", str(inbox))
    return received if received.exit_code else kobling(home, "land")


def hold_refused(home: Path, ended: Result) -> str:
    """The one line of a refusal that left nothing behind."""
    assert ended.exit_code == 2, ended.output + repr(ended.exception)
    (line,) = [line for line in ended.stderr.splitlines() if line]
    assert line.startswith("Error: ")
    assert "xpected" in line or "not readable" in line, line
    assert not any(number in line for number in (ANNA, BENT))
    hold_nothing_landed(home)
    return line


def hold_nothing_landed(home: Path) -> None:
    for store in ("landing", "quarantine", "findings"):
        assert not list((home / "restricted" / store).rglob("*.parquet"))
    for record in (home / "restricted" / "accepted").rglob("*.json"):
        assert json.loads(record.read_text())["status"] == "refused"


# ------------------------------------------------------------------ ways to spoil


def good(inbox: Path, text: str | bytes = GOOD, name: str = NAME, **more) -> Path:
    return write_delivery(inbox, "patobank", {name: text}, **more)


def manifest(**changes) -> Callable[[Path], object]:
    return lambda inbox: good(inbox, changes=changes)


def listed(**changes) -> Callable[[Path], object]:
    """Change the one file entry of the manifest."""

    def spoil(inbox: Path) -> None:
        path = good(inbox) / "manifest.json"
        content = json.loads(path.read_text())
        content["files"][0] |= changes
        path.write_text(json.dumps(content))

    return spoil


def without(field: str, of_file: bool = False) -> Callable[[Path], object]:
    def spoil(inbox: Path) -> None:
        path = good(inbox) / "manifest.json"
        content = json.loads(path.read_text())
        del (content["files"][0] if of_file else content)[field]
        path.write_text(json.dumps(content))

    return spoil


def manifest_text(text: str | bytes) -> Callable[[Path], object]:
    content = text if isinstance(text, bytes) else text.encode()
    return lambda inbox: (good(inbox) / "manifest.json").write_bytes(content)


def content(text: str | bytes, name: str = NAME, **more) -> Callable[[Path], object]:
    return lambda inbox: good(inbox, text, name, **more)


def afterwards(change: Callable[[Path], object]) -> Callable[[Path], object]:
    """Do something to the folder of a good delivery."""
    return lambda inbox: change(good(inbox))


def no_manifest(change: Callable[[Path], object], text=GOOD, name=NAME) -> Callable[[Path], object]:
    def spoil(inbox: Path) -> None:
        folder = good(inbox, text, name)
        (folder / "manifest.json").unlink()
        change(folder)

    return spoil


def parquet(select: str) -> bytes:
    place = Path(os.environ.get("TMPDIR", "/tmp")) / f"bad-{os.getpid()}.parquet"
    duckdb.sql(f"copy ({select}) to '{place}' (format parquet)")
    try:
        return place.read_bytes()
    finally:
        place.unlink()


def pato_parquet(**other: str) -> bytes:
    columns = {
        "k_inst": "'1'", "k_rekvnr": "'R' || i", "k_matnr": "1", "k_sekvensnr": "1",
        "cpr": f"'{ANNA}'", "d_rekvdato": "date '1994-03-01'", "d_modtdato": "null::date",
        "d_svardato": "null::date", "c_mattype": "11", "c_snomedkode": "'M88903'",
    } | other  # fmt: skip
    return parquet(
        "select "
        + ", ".join(f"{value} as {name}" for name, value in columns.items() if value)
        + " from range(3) as t(i)"
    )


def zst(text: bytes) -> bytes:
    return pyarrow.compress(text, "zstd", asbytes=True)


def twice(folder: Path) -> None:
    path = folder / "manifest.json"
    content = json.loads(path.read_text())
    content["files"].append(content["files"][0])
    path.write_text(json.dumps(content))


def same_slot(inbox: Path) -> None:
    folder = write_delivery(inbox, "patobank", {NAME: GOOD, "pato1995.csv": GOOD})
    path = folder / "manifest.json"
    content = json.loads(path.read_text())
    content["files"][1]["period"] = "1994"
    path.write_text(json.dumps(content))


def link_to_elsewhere(folder: Path) -> None:
    elsewhere = folder.parents[2] / "elsewhere.csv"
    (folder / NAME).rename(elsewhere)
    (folder / NAME).symlink_to(elsewhere)


def link_besides(folder: Path) -> None:
    (folder / "more").symlink_to("/etc")


def in_a_folder(folder: Path) -> None:
    (folder / "sub").mkdir()
    (folder / NAME).rename(folder / "sub" / NAME)


def a_day_in_a_day(inbox: Path) -> None:
    folder = good(inbox)
    shutil.copytree(folder, folder / "2024-05-01")


def resealed(change: Callable[[bytes], bytes]) -> Callable[[Path], object]:
    """A keeper who seals what is already spoilt: the checksum agrees."""
    return lambda inbox: good(inbox, change(GOOD.encode("windows-1252")), rows=3)


def resealed_sas(change: Callable[[bytes], bytes]) -> Callable[[Path], object]:
    return lambda inbox: good(inbox, change(SAS.read_bytes()), "pato1994.sas7bdat", rows=45)


BOMB = (PATO_HEADER + row() * 100_000).encode()
NO_COLUMN = GOOD.replace(";c_snomedkode", "").replace(";T02120", "")
HALF = pato_parquet()

CASES = {
    # -------------------------------------------------- the manifest
    "manifest_of_another_register": (manifest(register="cpr"), "register is 'cpr'"),
    "manifest_of_a_number_for_a_register": (manifest(register=7), "register is '7'"),
    "manifest_of_another_day": (manifest(delivered_on="2024-06-02"), "as its folder"),
    "manifest_without_complete_to": (manifest(complete_to=None), "no complete_to"),
    "manifest_with_a_danish_date": (manifest(complete_to="30/06/2023"), "ISO date"),
    "manifest_with_a_number_for_a_date": (manifest(complete_to=20230630), "ISO date"),
    "manifest_of_another_coverage": (manifest(coverage="all"), "coverage is 'all'"),
    "manifest_of_two_coverages": (manifest(coverage=["stock", "period"]), "coverage is"),
    "manifest_of_two_lines": (manifest(coverage="stock\nperiod"), "coverage is"),
    "manifest_without_files": (manifest(files=[]), "files is empty"),
    "manifest_of_a_word_for_files": (manifest(files="pato1994.csv"), "files is empty"),
    "manifest_of_names_for_files": (manifest(files=["pato1994.csv"]), "lacks a field"),
    "manifest_without_a_register": (without("register"), "no register"),
    "manifest_without_a_coverage": (without("coverage"), "no coverage"),
    "manifest_that_is_a_list": (manifest_text("[]"), "not an object"),
    "manifest_that_is_no_json": (manifest_text("{register: patobank}"), "not JSON"),
    "manifest_that_is_empty": (manifest_text(""), "not JSON"),
    "manifest_that_is_latin": (manifest_text('{"æ": 1}'.encode("latin-1")), "not JSON"),
    "manifest_without_a_bottom": (manifest_text("[" * 200_000), "not JSON"),
    "manifest_that_is_a_folder": (
        afterwards(lambda f: ((f / "manifest.json").unlink(), (f / "manifest.json").mkdir())),
        "manifest.json",
    ),
    "file_entry_without_a_checksum": (without("sha256", True), "lacks a field"),
    "file_entry_without_a_table": (without("table", True), "lacks a field"),
    "file_of_another_table": (listed(table="t_adm"), "one of pato"),
    "file_of_no_table": (listed(table=None), "no text as its table"),
    "file_of_another_format": (listed(format="xlsx"), "csv, parquet, sas7bdat"),
    "file_of_a_list_of_formats": (listed(format=["csv"]), "no text as its format"),
    "file_of_a_period_that_is_a_path": (listed(period="../1994"), "has period"),
    "file_of_half_a_row": (listed(rows=1.5), "no whole number"),
    "file_of_yes_rows": (listed(rows=True), "no whole number"),
    "file_of_fewer_than_no_rows": (listed(rows=-1), "no whole number"),
    "file_with_a_short_checksum": (listed(sha256="abc"), "64 hex digits"),
    "file_with_a_number_for_a_checksum": (listed(sha256=7), "no text as its sha256"),
    "file_with_a_number_for_a_path": (listed(path=7), "no text as its path"),
    "file_with_a_nul_in_its_path": (listed(path="pato\0.csv"), "odd characters"),
    "file_with_an_endless_path": (listed(path="p" * 5000), "or too many"),
    "file_whose_path_is_a_pattern": (listed(path="pato[1-9]*.csv"), "odd characters"),
    "file_named_for_a_person": (listed(path=f"{ANNA}.csv"), "looks as if it held"),
    "file_that_escapes": (listed(path="../../../outside.csv"), "outside the delivery"),
    "file_of_the_machine": (listed(path="/etc/hostname"), "outside the delivery"),
    "file_that_is_not_there": (listed(path="pato1995.csv"), "not listed"),
    "file_that_is_the_folder": (listed(path="."), "not listed"),
    "file_listed_twice": (afterwards(twice), "listed twice"),
    "two_files_for_one_period": (same_slot, "two files for table pato, period 1994"),
    # -------------------------------------------------- the folder
    "file_changed_after_it_was_sealed": (
        afterwards(lambda f: (f / NAME).write_bytes(GOOD.replace("T0", "T1").encode())),
        "found sha256",
    ),
    "file_cut_after_it_was_sealed": (
        afterwards(lambda f: (f / NAME).write_bytes(GOOD.encode()[:-20])), "cut or changed",
    ),
    "file_taken_away": (afterwards(lambda f: (f / NAME).unlink()), "not there"),
    "file_that_nobody_listed": (
        afterwards(lambda f: (f / "readme.txt").write_text("hello")), "not listed",
    ),
    "file_moved_into_a_folder": (afterwards(in_a_folder), "not listed"),
    "link_to_elsewhere": (afterwards(link_to_elsewhere), "outside the delivery"),
    "link_besides": (afterwards(link_besides), "not listed"),
    "pipe": (afterwards(lambda f: os.mkfifo(f / "pipe")), "neither a file nor a folder"),
    "day_in_a_day": (a_day_in_a_day, "not listed"),
    "no_manifest_and_no_day": (no_manifest(lambda f: None), "--complete-to"),
    "inbox_without_a_delivery": (lambda inbox: inbox.mkdir(), "no delivery found"),
    # -------------------------------------------------- CSV
    "fewer_rows_than_counted": (listed(rows=4), "found 3 rows, expected 4"),
    "empty": (content(""), "the file is empty"),
    "only_line_ends": (content("\n\n\n"), "the file is empty"),
    "column_missing": (content(NO_COLUMN), "column c_snomedkode is missing"),
    "column_renamed": (content(GOOD.replace("d_rekvdato", "dato")), "found dato instead"),
    "column_doubled_by_case": (content(GOOD.replace("d_modtdato", "CPR")), "cpr stands twice"),
    "column_retyped": (content(GOOD.replace("1994-03-01;1", "01/03/1994;1")), "retyped"),
    "key_retyped": (content(GOOD.replace("1;1;6", "x;1;6")), "k_matnr is unreadable"),
    "no_header": (content(row() * 3), "cannot be a column name"),
    "commas": (content(GOOD.replace(";", ",")), "one single column"),
    "tabs": (content(GOOD.replace(";", "\t")), "one single column"),
    "utf_16": (content(GOOD.encode("utf-16")), "NUL byte"),
    "not_windows_1252": (resealed(lambda t: t.replace(b"R3", b"R\x81")), "not windows-1252"),
    "nul": (resealed(lambda t: t.replace(b"R3", b"R\0")), "NUL byte"),
    "cut_in_a_header": (content(GOOD[:30]), "is missing"),
    "endless_line": (
        resealed(lambda t: t.replace(b"R3", b"R" * (LONGEST_LINE_BYTES + 1))), "a line is longer",
    ),
    "endless_header": (content("k" * (LONGEST_LINE_BYTES + 1) + GOOD), "a line is longer"),
    "long_column_name": (content("k" * 200_000 + GOOD), "header is not readable"),
    "open_quote": (resealed(lambda t: t.replace(b"R2", b'"R2')), "rows, expected 3"),
    "real_numbers": (content(GOOD.replace(ANNA, "0102501234")), "may belong to real persons"),
    # -------------------------------------------------- packed
    "zip_bomb": (content(gzip.compress(BOMB), NAME + ".gz", rows=100_000), "200 times"),
    "zstd_bomb": (content(zst(BOMB), NAME + ".zst", rows=100_000), "200 times"),
    "not_gzip": (content(GOOD, NAME + ".gz", rows=3), "not a whole .gz file"),
    "not_zstd": (content(GOOD, NAME + ".zst", rows=3), "not a whole .zst file"),
    "gzip_cut": (content(gzip.compress(GOOD.encode())[:-9], NAME + ".gz", rows=3), "a whole .gz"),
    "zstd_cut": (content(zst(GOOD.encode())[:-9], NAME + ".zst", rows=3), "a whole .zst"),
    "gzip_that_says_csv": (content(gzip.compress(GOOD.encode(), mtime=0), rows=3), "NUL byte"),
    "packed_parquet": (
        content(gzip.compress(HALF), "pato1994.parquet.gz", rows=3), "only csv to be packed",
    ),
    # -------------------------------------------------- Parquet and SAS
    "parquet_cut_in_half": (
        content(HALF[: len(HALF) // 2], "pato1994.parquet", rows=3), "not a whole Parquet file",
    ),
    "csv_that_says_parquet": (content(GOOD, "pato1994.parquet", rows=3), "a whole Parquet file"),
    "parquet_that_says_csv": (content(HALF, NAME, rows=3), "NUL byte"),
    "parquet_with_a_number_for_a_person": (
        content(pato_parquet(cpr="7::bigint"), "pato1994.parquet", rows=3), "cpr is BIGINT",
    ),
    "parquet_without_a_column": (
        content(pato_parquet(c_snomedkode=""), "pato1994.parquet", rows=3), "is missing",
    ),
    "parquet_with_fewer_rows": (content(HALF, "pato1994.parquet", rows=4), "found 3 rows"),
    "not_sas": (content(GOOD, "pato1994.sas7bdat", rows=3), "not a whole SAS7BDAT file"),
    "sas_cut_in_half": (
        content(SAS.read_bytes()[:9000], "pato1994.sas7bdat", rows=45), "SAS7BDAT file",
    ),
    "sas_with_fewer_rows": (
        content(SAS.read_bytes(), "pato1994.sas7bdat", rows=46), "found 45 rows",
    ),
    # The reader panics at a time that never was; a panic is no Exception to Python.
    "sas_made_at_no_time": (
        resealed_sas(lambda data: data[:164] + struct.pack("<d", 1e15) + data[172:]), "SAS7BDAT",
    ),
    "empty_sas": (content(b"", "pato1994.sas7bdat", rows=0), "not a whole SAS7BDAT file"),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_a_bad_delivery_is_refused_in_one_line(tmp_path, case):
    spoil, said = CASES[case]
    spoil(tmp_path / "inbox")
    line = hold_refused(tmp_path / "home", hand_over(tmp_path / "home", tmp_path / "inbox"))
    assert said in line


def test_a_file_of_no_known_table_is_refused_where_there_is_no_manifest(tmp_path):
    no_manifest(lambda folder: (folder / NAME).rename(folder / "x.csv"))(tmp_path / "inbox")
    ended = kobling(
        tmp_path / "home", "receive", str(tmp_path / "inbox"), "--complete-to", "2023-06-30"
    )
    assert "no known table" in hold_refused(tmp_path / "home", ended)


def test_a_file_that_nobody_may_read_is_refused(tmp_path, monkeypatch):
    good(tmp_path / "inbox")
    # Root may read everything, so the mode of the file would not do.
    may = os.access
    monkeypatch.setattr(os, "access", lambda p, mode: not str(p).endswith(NAME) and may(p, mode))
    line = hold_refused(tmp_path / "home", hand_over(tmp_path / "home", tmp_path / "inbox"))
    assert "cannot be read (Permission denied)" in line


def test_a_file_with_a_header_and_no_rows_is_accepted(tmp_path):
    good(tmp_path / "inbox", PATO_HEADER)
    ended = hand_over(tmp_path / "home", tmp_path / "inbox")
    assert ended.exit_code == 0, ended.output
    assert "0 rows in = 0 landed + 0 quarantined" in ended.output


# ------------------------------------------------------------------ what nobody thought of

KINDS = {
    "pato1994.csv": (GOOD.encode("windows-1252"), 3),
    "pato1994.csv.gz": (gzip.compress(GOOD.encode("windows-1252"), mtime=0), 3),
    "pato1994.csv.zst": (zst(GOOD.encode("windows-1252")), 3),
    "pato1994.parquet": (HALF, 3),
    "pato1994.sas7bdat": (SAS.read_bytes(), 45),
}
PIECE = st.tuples(st.integers(0, 1 << 20), st.integers(0, 40), st.binary(max_size=20))


def spoilt(data: bytes, changes: list[tuple[int, int, bytes]]) -> bytes:
    """Each change takes some bytes away at a place and puts others there."""
    for place, length, put in changes:
        at = place % (len(data) + 1)
        data = data[:at] + put + data[at + length :]
    return data


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    name=st.sampled_from(sorted(KINDS)),
    changes=st.lists(PIECE, min_size=1, max_size=4),
    is_sealed=st.booleans(),
)
def test_whatever_happens_to_a_file_it_lands_whole_or_not_at_all(
    tmp_path_factory, name, changes, is_sealed
):
    place = tmp_path_factory.mktemp("spoilt")
    data, rows = KINDS[name]
    bad = spoilt(data, changes)
    folder = good(place / "inbox", data, name, rows=rows)
    (folder / name).write_bytes(bad)
    if is_sealed:
        path = folder / "manifest.json"
        seal = {"bytes": len(bad), "sha256": hashlib.sha256(bad).hexdigest()}
        manifest = json.loads(path.read_text())
        manifest["files"][0] |= seal
        path.write_text(json.dumps(manifest))
    hold_whole_or_not_at_all(place, rows)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(changes=st.lists(PIECE, min_size=1, max_size=3))
def test_whatever_happens_to_a_manifest_it_is_believed_or_refused(tmp_path_factory, changes):
    place = tmp_path_factory.mktemp("spoilt")
    path = good(place / "inbox") / "manifest.json"
    path.write_bytes(spoilt(path.read_bytes(), changes))
    hold_whole_or_not_at_all(place, 3)


def hold_whole_or_not_at_all(place: Path, rows: int) -> None:
    home = place / "home"
    ended = hand_over(home, place / "inbox")
    assert ended.exit_code in (0, 2), ended.output + repr(ended.exception)
    if ended.exit_code == 2:
        hold_refused(home, ended)
    else:
        (record,) = [json.loads(p.read_text()) for p in home.glob("restricted/accepted/*/*.json")]
        (file,) = record["files"]
        assert file["rows"] == file["landed"] + sum(file["quarantined"].values()) == rows
    shutil.rmtree(place)
