"""A person who was erased is nowhere, stays nowhere, and nobody else has lost anything."""

import dataclasses
import gzip
import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from etl import delivered_numbers, erasure, registers, restricted, steps
from etl.errors import DeliveryError, LinkageError, SettingsError
from etl.home import Home
from etl.landing import accepted, current
from etl.settings import CHECKOUT
from etl.steps import requests
from tests.conftest import (
    ANNA,
    BENT,
    CARL,
    KEY,
    KEYS,
    PATO_HEADER,
    PERSON_HEADER,
    unlocked,
    write_delivery,
)
from tests.written_lake import settings_for

FORMER = "6102501242"  # Anna's number before she had the one that she has now
SPELT = f"{ANNA[:6]}-{ANNA[6:]}"
NEW = "6102501250"  # a number that she is given later
LATER = "2024-07-01"
GOLDEN = Path(__file__).parent / "golden"
SAS, PACKED_SAS = GOLDEN / "pato1994.sas7bdat", GOLDEN / "pato1994_packed.sas7bdat"
FREJA = "6111111111"  # of the packed file, whose bytes do not show it


def nothing(_: str) -> None:
    pass


def person(number: str, current: str, status: str = "01", mother: str = "") -> str:
    return f"{number};{current};K;{status};1950-02-01;1950-02-01;{mother};\n"


def code(number: str, requisition: str, text: str = "T02120") -> str:
    return f"1;{requisition};1;1;{number};1994-03-01;1994-03-01;1994-03-01;11;{text}\n"


def deliver(inbox: Path) -> None:
    """Anna under two numbers; she is Carl's mother, and a note of Bent's names her."""
    persons = (
        person(FORMER, ANNA, "60") + person(ANNA, ANNA) + person(BENT, BENT)
        + person(CARL, CARL, mother=ANNA)
    )  # fmt: skip
    codes = (
        code(ANNA, "R1") + code(FORMER, "R2") + code(BENT, f"see {SPELT}") + code(CARL, "R4")
        + code(SPELT, "R5")  # refused: a hyphen is none of ten characters
    )  # fmt: skip
    contacts = f"k_recnum;v_cpr;d_inddto\n7;{ANNA};1994-03-01\n8;{BENT};1994-03-02\n"
    diagnoses = "v_recnum;c_diag;c_diagtype;c_diagmod;c_tildiag\n007;DC449;A;;\n8;DC449;A;;\n"
    write_delivery(inbox, "cpr", {"cpr3_t_person.csv": PERSON_HEADER + persons})
    write_delivery(
        inbox,
        "patobank",
        {"pato1994.csv.gz": gzip.compress((PATO_HEADER + codes).encode("cp1252"))},
        rows=5,
    )
    write_delivery(
        inbox, "lpr2",
        {"t_adm1994.csv": _whole("t_adm", contacts), "t_diag1994.csv": diagnoses},
    )  # fmt: skip


def _whole(table: str, text: str) -> str:
    """Rows of a few columns as rows of all that the contract names."""
    names = [column.name for column in registers.register("lpr2").table(table).columns]
    given, *rows = [line.split(";") for line in text.splitlines()]
    lines = [";".join(names)]
    for row in rows:
        values = dict(zip(given, row, strict=True))
        lines.append(";".join(values.get(name, "") for name in names))
    return "\n".join(lines) + "\n"


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """Received, landed and linked; the rest of the road is other tests' business."""
    made = settings_for(tmp_path_factory.mktemp("erasure"))
    deliver(made.home / "restricted" / "inbox")
    link_again(made)
    return made.home


@pytest.fixture
def home(settings, made, monkeypatch) -> Home:
    shutil.copytree(made, settings.home)
    monkeypatch.setattr(requests, "run", lambda settings, *_: link_again(settings))
    return Home(settings.home)


def link_again(settings) -> None:
    steps.receive(settings, settings.home / "restricted" / "inbox", None, nothing)
    steps.land(settings, None, nothing)
    steps.link(settings, nothing)


def request(home: Home, *numbers: str) -> Path:
    path = home.restricted / "request.txt"
    path.write_text("\n".join(numbers) + "\n")
    path.chmod(0o600)
    return path


def erase(settings, home: Home, *numbers: str, preview: bool = False) -> list[str]:
    said: list[str] = []
    path = request(home, *numbers)
    steps.erase(settings, path, "request 24/117", "DPO", preview, said.append, nothing)
    path.unlink()
    return said


def traces(home: Home, *texts: str) -> list[str]:
    """Files whose bytes, opened and unpacked, hold one of the texts; the inbox is the keepers'."""
    found, con = [], unlocked()
    for path in sorted(home.root.rglob("*")):
        if not path.is_file() or path.is_relative_to(home.inbox):
            continue
        content = path.read_bytes()
        if path.suffix == ".gz":
            content = gzip.decompress(content)
        if path.suffix == ".parquet":
            locked = path.is_relative_to(home.restricted)
            source = restricted.scan(path) if locked else f"'{path}'"
            content += str(con.execute(f"from {source}").fetchall()).encode()
        if any(text.encode() in content for text in texts):
            found.append(str(path.relative_to(home.root)))
    if home.identity.exists():
        con = duckdb.connect()
        KEYS.attach_identity(con, home.identity)
        rows = str(con.execute("from identity.number").fetchall())
        found += ["identity"] * any(text in rows for text in texts)
    return found


def person_id(home: Home, number: str) -> str:
    con = duckdb.connect()
    KEYS.attach_identity(con, home.identity)
    (one,) = con.execute("select person_id from identity.number where pnr = ?", [number]).fetchone()
    return str(one)


def rows_of(home: Home, register: str) -> list[tuple]:
    con = duckdb.connect()
    path = home.linked / register / "*/*/*.parquet"
    return con.execute(
        f"select * exclude (source_row) from read_parquet('{path}', union_by_name = true, "
        "filename = false) order by all"
    ).fetchall()


@pytest.mark.parametrize("asked", [ANNA, FORMER, SPELT])
def test_nothing_of_the_person_is_left_whichever_number_is_given(settings, home, asked):
    texts = (ANNA, FORMER, SPELT, person_id(home, ANNA))
    assert len(traces(home, *texts)) > 8
    erase(settings, home, asked)
    assert traces(home, *texts) == []


def test_nobody_else_has_lost_anything_but_her_number(settings, home):
    ids = {name: int(person_id(home, number)) for name, number in
           (("anna", ANNA), ("bent", BENT), ("carl", CARL))}  # fmt: skip
    before = {register: rows_of(home, register) for register in ("cpr", "patobank", "lpr2")}
    erase(settings, home, ANNA)
    after = {register: rows_of(home, register) for register in before}

    def others(rows: list[tuple]) -> list[tuple]:
        kept = [row for row in rows if ids["anna"] not in row[:1]]
        return sorted(
            (tuple(None if value == ids["anna"] else value for value in row) for row in kept),
            key=str,
        )

    assert sorted(after["cpr"], key=str) == others(before["cpr"])
    assert sorted(after["lpr2"], key=str) == others(before["lpr2"])
    assert len(after["lpr2"]) == 2  # Bent's contact and diagnosis; hers hung on her contact
    # Bent's requisition named her, so his row was held back as number_in_text; now it is his again.
    assert len(after["patobank"]) == len(others(before["patobank"])) + 1
    assert person_id(home, BENT) == str(ids["bent"])


def test_other_lines_stay_byte_for_byte(settings, home):
    path = home.deliveries / "cpr/2024-06-01/cpr3_t_person.csv"
    before = path.read_bytes().splitlines(keepends=True)
    erase(settings, home, ANNA)
    header, bent, carl = path.read_bytes().splitlines(keepends=True)
    assert [header, bent] == [before[0], before[3]]
    assert carl == before[4].replace(ANNA.encode(), b"")


def test_the_sums_close_and_the_totals_say_so(settings, home):
    erase(settings, home, ANNA)
    for entry in current(home):
        file = entry.file
        assert file.rows == file.landed + sum(file.quarantined.values())
    assert erasure.totals(home) == {"persons": 1, "rows": 7, "values": 2}
    manifest = json.loads((home.deliveries / "lpr2/2024-06-01/manifest.json").read_text())
    assert [file["erased_rows"] for file in manifest["files"]] == [1, 1]


def test_the_ledger_leads_from_the_old_hash_of_a_file_to_the_new_one(settings, home):
    before = {entry.file.path: entry.file.sha256 for entry in current(home)}
    erase(settings, home, ANNA)
    after = {entry.file.path: entry.file.sha256 for entry in current(home)}
    told = [json.loads(line) for line in home.ledger.read_text().splitlines()]
    (event,) = [one for one in told if one["event"] == "person erased"]
    assert {f["path"]: (f["before"], f["after"]) for f in event["files"]} == {
        path: (before[path], after[path]) for path in before
    }
    assert (event["why"], event["by"], event["rows"]) == ("request 24/117", "DPO", 7)


def test_a_delivery_that_comes_again_stays_without_her(settings, home):
    """The inbox still holds all of it: received again it is what is held already."""
    erase(settings, home, ANNA)
    folders = sorted(p.name for p in (home.deliveries / "patobank").iterdir())
    assert folders == ["2024-06-01"]
    later = settings.home / "later"
    write_delivery(later, "patobank", {"pato1994.csv": PATO_HEADER + code(ANNA, "R9")
                                       + code(BENT, "R8")}, day="2024-07-01")  # fmt: skip
    steps.receive(settings, later, None, nothing)
    shutil.rmtree(later)
    steps.land(settings, None, nothing)
    steps.link(settings, nothing)
    assert traces(home, ANNA, FORMER, SPELT) == []
    told = [json.loads(line) for line in home.ledger.read_text().splitlines()]
    assert any(e["event"] == "erased again" and e["rows"] == 1 for e in told)
    assert [entry.file.rows for entry in current(home) if entry.register == "patobank"] == [1]


def test_she_stays_out_when_the_key_has_changed(settings, home, tmp_path):
    """Nobody has her numbers any more to make a tombstone of them anew."""
    erase(settings, home, ANNA)
    under = settings
    for nth in (1, 2):
        new = tmp_path / f"new{nth}.key"
        new.write_text(str(nth) * 40)
        new.chmod(0o600)
        steps.rotate_key(under, new, nothing, nothing)
        under = dataclasses.replace(settings, key_text=None, key_file=new)
    later = settings.home / "later"
    write_delivery(later, "patobank", {"pato1994.csv": PATO_HEADER + code(ANNA, "R9")
                                       + code(BENT, "R8")}, day="2024-07-01")  # fmt: skip
    steps.receive(under, later, None, nothing)
    (delivered,) = (home.deliveries / "patobank" / "2024-07-01").glob("*.csv*")
    assert ANNA not in delivered.read_text("cp1252")
    assert "R8" in delivered.read_text("cp1252")
    assert restricted.keys_of(under).tombstone == KEYS.tombstone
    assert KEYS.tombstone.hex() not in restricted.tombstone_key_of(home).read_text()


def test_the_order_of_deliveries_stays(settings, home):
    before = [(r["register"], r["sequence"]) for r in accepted(home)]
    erase(settings, home, ANNA)
    assert [(r["register"], r["sequence"]) for r in accepted(home)] == before


def test_a_preview_tells_what_would_go_and_changes_nothing(settings, home):
    before = {p: p.read_bytes() for p in home.root.rglob("*") if p.is_file()}
    said = erase(settings, home, ANNA, preview=True)
    assert said[-1].startswith("7 rows of 3 deliveries would go, and 2 values")
    assert {p: p.read_bytes() for p in home.root.rglob("*") if p.is_file()} == before


def test_somebody_of_whom_nothing_is_held_changes_nothing(settings, home):
    before = {p: p.read_bytes() for p in home.root.rglob("*") if p.is_file()}
    assert erase(settings, home, "6505501230") == [
        "nothing is held under this number; nothing changed"
    ]
    assert {p: p.read_bytes() for p in home.root.rglob("*") if p.is_file()} == before


def test_a_request_is_refused_where_it_could_be_read_or_is_none(settings, home, tmp_path):
    outside = tmp_path / "request.txt"
    outside.write_text(ANNA)
    with pytest.raises(SettingsError, match="no file of the restricted zone"):
        steps.erase(settings, outside, "why", "who", False, nothing, nothing)
    path = request(home, ANNA)
    path.chmod(0o644)
    with pytest.raises(SettingsError, match="others may read it"):
        steps.erase(settings, path, "why", "who", False, nothing, nothing)
    path.chmod(0o600)
    for why, by in ((f"because of {ANNA}", "who"), ("why", SPELT), (" ", "who")):
        with pytest.raises(SettingsError) as error:
            steps.erase(settings, path, why, by, False, nothing, nothing)
        assert ANNA not in str(error.value)
    path.write_text("123\n")
    with pytest.raises(SettingsError, match="line 1 is no personal number"):
        steps.erase(settings, path, "why", "who", False, nothing, nothing)
    path.write_text("")
    with pytest.raises(SettingsError, match="line 1 is no personal number"):
        steps.erase(settings, path, "why", "who", False, nothing, nothing)


def test_a_parquet_file_loses_her_too_and_keeps_its_columns(settings, home, tmp_path):
    path = tmp_path / "pato/2024-08-01/pato1995.parquet"
    path.parent.mkdir(parents=True)
    duckdb.execute(
        f"copy (select '1' as k_inst, 'R' || i as k_rekvnr, 1::bigint as k_matnr, n as cpr from "
        f"(values (1, '{ANNA}'), (2, '{BENT}'), (3, '{SPELT}')) as t (i, n)) to '{path}'"
    )
    table = registers.register("patobank").table("pato")
    rows, values = erasure._rewrite_typed(
        duckdb.connect(), path, path.with_name("new.parquet"), table, {ANNA}, set()
    )
    assert (rows, values) == (2, 0)
    kept = duckdb.sql(f"from '{path.with_name('new.parquet')}'")
    assert kept.columns == ["k_inst", "k_rekvnr", "k_matnr", "cpr"]
    assert kept.fetchall() == [("1", "R2", 1, BENT)]


def test_somebody_elses_empty_text_stays_empty_and_is_not_made_unknown(tmp_path):
    path = tmp_path / "pato1995.parquet"
    duckdb.execute(
        f"copy (select n as cpr, t as k_rekvnr from (values ('{BENT}', ''), ('{CARL}', '{ANNA}')) "
        f"as t (n, t)) to '{path}'"
    )
    table = registers.register("patobank").table("pato")
    rows, values = erasure._rewrite_typed(
        duckdb.connect(), path, tmp_path / "new.parquet", table, {ANNA}, set()
    )
    assert (rows, values) == (0, 1)
    kept = duckdb.sql(f"from '{tmp_path}/new.parquet'").fetchall()
    assert kept == [(BENT, ""), (CARL, None)]


def rewritten(tmp_path: Path, text: str) -> tuple[tuple[int, int], str]:
    path = tmp_path / "pato1995.csv"
    path.write_bytes((PATO_HEADER + text).encode("cp1252"))
    register = registers.register("patobank")
    taken = erasure._rewrite_text(
        path, tmp_path / "new.csv", register, register.table("pato"), {ANNA}, set(), 1
    )
    return taken, (tmp_path / "new.csv").read_bytes().decode("cp1252").removeprefix(PATO_HEADER)


@pytest.mark.parametrize("quoted", ['"R;1"', '"R\n1"', '"R\r\n;1"', '"R""1"', '"R"";""1"'])
def test_a_quoted_cell_hides_nobody_and_is_not_cut(tmp_path, quoted):
    """The delimiter, a line end or a quote in it, before the number and beside it."""
    others = code(BENT, quoted) + code(CARL, "R2")
    assert rewritten(tmp_path, code(ANNA, quoted) + others) == ((1, 0), others)


def test_a_number_in_a_quoted_cell_of_somebody_else_goes_alone(tmp_path):
    text = code(BENT, f'"see; {SPELT}\nagain"') + code(CARL, "R2")
    assert rewritten(tmp_path, text) == ((0, 1), text.replace(SPELT, ""))


@pytest.mark.parametrize("stray", ['"R1', 'R"1', '5" x', '"R1" x', '""'])
def test_a_stray_quote_swallows_no_line(tmp_path, stray):
    others = code(BENT, stray) + code(CARL, "R2")
    assert rewritten(tmp_path, others + code(ANNA, "R3")) == ((1, 0), others)


def test_erased_again_a_person_is_counted_once_and_nobody_elses_count_changes(settings, home):
    erase(settings, home, ANNA)
    erase(settings, home, CARL)
    before = erasure.tombstones(home)
    assert [entry["rows"] > 0 for entry in before] == [True, True]
    folder = home.deliveries / "patobank/2024-06-01"
    path = folder / "pato1994.csv.gz"  # as if a backup had been laid back
    text = gzip.decompress(path.read_bytes()).decode("cp1252") + code(ANNA, "R1")
    path.write_bytes(gzip.compress(text.encode("cp1252")))
    manifest = json.loads((folder / "manifest.json").read_text())
    (file,) = manifest["files"]
    content = path.read_bytes()
    file |= {"rows": file["rows"] + 1, "bytes": len(content),
             "sha256": hashlib.sha256(content).hexdigest()}  # fmt: skip
    (folder / "manifest.json").write_text(json.dumps(manifest))
    erase(settings, home, ANNA)
    anna, carl = erasure.tombstones(home)
    lines = [json.loads(line) for line in home.ledger.read_text().splitlines()]
    told = [line["tombstone"] for line in lines if line["event"] == "person erased"]
    assert sorted(one.rpartition(" ")[2] for one in told) == ["1", "1", "2"]
    assert carl == before[1]
    assert anna["rows"] == before[0]["rows"] + 1
    assert traces(home, ANNA, FORMER, SPELT) == []


def test_two_persons_are_two_requests(settings, home):
    before = {p: p.read_bytes() for p in home.root.rglob("*") if p.is_file()}
    for numbers in ((ANNA, BENT), (ANNA, "6505501230"), ("6505501230", "6505501231")):
        with pytest.raises(SettingsError, match="one person a request"):
            erase(settings, home, *numbers)
        (home.restricted / "request.txt").unlink()
    assert {p: p.read_bytes() for p in home.root.rglob("*") if p.is_file()} == before


def test_what_cannot_be_rewritten_is_found_before_anything_is(settings, home, monkeypatch):
    """No tombstone, no journal, and the home goes on."""

    def refuse(*_):
        raise DeliveryError("cannot be rewritten")

    monkeypatch.setattr(erasure, "_rewrite_text", refuse)
    before = {p: p.read_bytes() for p in home.root.rglob("*") if p.is_file()}
    with pytest.raises(DeliveryError, match="cannot be rewritten"):
        erase(settings, home, ANNA)
    (home.restricted / "request.txt").unlink()
    assert {p: p.read_bytes() for p in home.root.rglob("*") if p.is_file()} == before


def test_a_file_that_was_damaged_is_not_listed_anew_as_if_it_were_whole(settings, home):
    path = home.deliveries / "lpr2/2024-06-01/t_adm1994.csv"
    path.write_bytes(path.read_bytes()[:-20])
    before = json.loads(path.with_name("manifest.json").read_text())["files"]
    erase(settings, home, "6505501230")
    assert json.loads(path.with_name("manifest.json").read_text())["files"] == before


def killed_in(home: Home, path: Path, moment: str, nth: int) -> None:
    """Run `erase`, and kill it when it calls a function of `etl` the nth time."""
    module, name = moment.split(".")
    patched = "step" if name == "accept" else module
    code = f"""
import os
from etl import {module}
from etl.steps import landing as step
from etl.cli import main
calls = []
of = {patched}
old = of.{name}
def die(*a, **k):
    calls.append(1)
    if len(calls) >= {nth}:
        os.kill(os.getpid(), 9)
    return old(*a, **k)
of.{name} = die
main(["erase", "--pnr-file", {str(path)!r}, "--reason", "request 24/117", "--by", "DPO"])
"""
    environment = {"KOBLING_HOME": str(home.root), "KOBLING_KEY": KEY}
    ended = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | environment, cwd=CHECKOUT,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ended.returncode == -9, ended.stdout + ended.stderr


def delivered_later(
    settings, files: dict, register: str = "patobank", rows: int | None = None, day: str = LATER
) -> list[str]:
    """A delivery that comes after the first ones, landed and linked; what `receive` said."""
    said: list[str] = []
    inbox = settings.home / "later"
    write_delivery(inbox, register, files, day=day, rows=rows)
    steps.receive(settings, inbox, None, said.append)
    shutil.rmtree(inbox)
    steps.land(settings, None, nothing)
    steps.link(settings, nothing)
    return said


def landed_rows(home: Home) -> list[str]:
    """Every landed row of patobank as text, but for where it stood."""
    paths = [entry.path(home) for entry in current(home) if entry.register == "patobank"]
    source = restricted.scan(*paths)
    query = f"select * exclude (source_file, source_row) from {source} order by all"
    return [str(row) for row in unlocked().execute(query).fetchall()]


@pytest.mark.parametrize(
    ("sas", "rows", "number", "values"), [(SAS, 45, ANNA, 0), (PACKED_SAS, 4, FREJA, 1)]
)
def test_a_sas_file_becomes_its_parquet_twin_without_her(settings, home, sas, rows, number, values):
    """Also where the file is packed, and where a column of numbers holds hers."""
    delivered_later(settings, {"pato1994.sas7bdat": sas.read_bytes()}, rows=rows)
    before = landed_rows(home)
    assert any(number in row for row in before)
    erase(settings, home, number)
    folder = home.deliveries / "patobank" / LATER
    assert sorted(p.name for p in folder.iterdir()) == ["manifest.json", "pato1994.parquet"]
    others = [row for row in before if f"'{number}'" not in row]
    assert [row.replace(number, "None") for row in others] == landed_rows(home)
    assert traces(home, number) == []
    told = [json.loads(line) for line in home.ledger.read_text().splitlines()]
    (event,) = [one for one in told if one["event"] == "person erased"]
    (file,) = [one for one in event["files"] if one["delivery"] == f"patobank/{LATER}"]
    assert (file["path"], file["twin"]) == ("pato1994.sas7bdat", "pato1994.parquet")
    assert file["before"] == hashlib.sha256(sas.read_bytes()).hexdigest()
    assert file["values"] == values
    said = delivered_later(settings, {"pato1994.sas7bdat": sas.read_bytes()}, rows=rows)
    assert said[1:-1] == [f"patobank/{LATER}: received before, nothing new"]


@pytest.mark.parametrize("moment", ["erasure._list_anew", "erasure._forget_replaced_sas"])
def test_a_twin_that_a_kill_left_beside_its_sas_file_is_finished(settings, home, moment):
    delivered_later(settings, {"pato1994.sas7bdat": PACKED_SAS.read_bytes()}, rows=4)
    path = request(home, FREJA)
    killed_in(home, path, moment, nth=5 if moment.endswith("sas") else 1)
    folder = home.deliveries / "patobank" / LATER
    assert len(list(folder.glob("pato1994.*"))) == 2
    steps.erase(settings, path, "request 24/117", "DPO", False, nothing, nothing)
    path.unlink()
    assert sorted(p.name for p in folder.iterdir()) == ["manifest.json", "pato1994.parquet"]
    assert traces(home, FREJA) == []
    assert accepted(home)[-1]["folder"] == LATER


def test_a_twin_never_takes_another_files_place(settings, home):
    folder = home.deliveries / "patobank" / LATER
    folder.mkdir()
    shutil.copy(PACKED_SAS, folder / "a.sas7bdat")
    duckdb.execute(f"copy (select '{BENT}' as cpr) to '{folder}/a.parquet'")
    kinds = {"a.sas7bdat": ("sas7bdat", "1994"), "a.parquet": ("parquet", "1995")}
    files = [
        {"path": name, "table": "pato", "period": period, "format": kind, "rows": 4,
         "bytes": (folder / name).stat().st_size, "sha256": "0" * 64}
        for name, (kind, period) in kinds.items()
    ]  # fmt: skip
    (folder / "manifest.json").write_text(json.dumps({"files": files}))
    before = {p: p.read_bytes() for p in home.root.rglob("*") if p.is_file()}
    with pytest.raises(DeliveryError, match=r"a\.parquet beside it is another file"):
        erase(settings, home, FREJA)
    (home.restricted / "request.txt").unlink()
    assert {p: p.read_bytes() for p in home.root.rglob("*") if p.is_file()} == before


def test_a_number_held_as_a_number_is_found_with_its_lost_zero(tmp_path):
    path, new = tmp_path / "x.parquet", tmp_path / "new.parquet"
    number = "0102501234"
    of_bent, also = f"select '{BENT}' as cpr,", int(number)
    duckdb.execute(
        "copy (select n as cpr, n::bigint as whole, n::double as real, n::decimal(12, 1) as exact, "
        f"n::integer as small from (values ('{number}')) as t (n) "
        f"union all {of_bent} {also}, {also}, {also}, {also} "
        f"union all {of_bent} 12, {also}.25, {int(BENT)}, 12) to '{path}'"
    )
    con = duckdb.connect()
    seen = delivered_numbers.seen_in(con, tmp_path, path, "parquet", 1)
    assert seen == {number, BENT, "0000000012"}
    table = registers.register("patobank").table("pato")
    assert erasure._rewrite_typed(con, path, new, table, {number}, set()) == (1, 4)
    assert con.execute(f"from '{new}'").fetchall() == [
        (BENT, None, None, None, None),
        (BENT, 12, int(number) + 0.25, int(BENT), 12),
    ]
    assert duckdb.sql(f"from '{new}'").dtypes == duckdb.sql(f"from '{path}'").dtypes


@pytest.fixture
def received(settings, monkeypatch) -> Home:
    """Only received; nobody was landed or linked, and nothing is after an erasure."""
    monkeypatch.setattr(requests, "run", nothing_more)
    deliver(settings.home / "restricted" / "inbox")
    steps.receive(settings, settings.home / "restricted" / "inbox", None, nothing)
    shutil.rmtree(settings.home / "restricted" / "inbox")
    return Home(settings.home)


def nothing_more(*_) -> None:
    pass


def receive_persons(settings, rows: str, day: str = LATER) -> list[str]:
    said: list[str] = []
    inbox = settings.home / "later"
    write_delivery(inbox, "cpr", {"cpr3_t_person.csv": PERSON_HEADER + rows}, day=day)
    steps.receive(settings, inbox, None, said.append)
    shutil.rmtree(inbox)
    return said


def told_of_suspects(home: Home) -> list[int]:
    told = [json.loads(line) for line in home.ledger.read_text().splitlines()]
    return [e["numbers"] for e in told if e["event"] == "erased person perhaps renumbered"]


RENUMBERED = person(ANNA, NEW, "60") + person(NEW, NEW) + person(BENT, BENT)


def test_a_new_number_of_an_erased_person_is_somebodys_to_decide_about(settings, received):
    """A keeper's slip would else erase somebody; nobody comes back unnoticed."""
    home = received
    erase(settings, home, ANNA)
    said = receive_persons(settings, RENUMBERED)
    (place,) = (home.restricted / "perhaps_erased").iterdir()
    assert place.read_text() == f"{NEW}\n"
    assert (place.stat().st_mode & 0o777, place.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    assert str(place) in said[1]
    assert "1 number may be an erased person's other one" in said[1]
    assert not any(number in line for number in (ANNA, NEW) for line in said)
    assert told_of_suspects(home) == [1]
    assert NEW not in home.ledger.read_text()
    delivered = (home.deliveries / "cpr" / LATER / "cpr3_t_person.csv").read_text()
    assert delivered == PERSON_HEADER + person(NEW, NEW) + person(BENT, BENT)


def test_decided_to_be_the_same_person_she_keeps_one_tombstone(settings, received):
    home = received
    erase(settings, home, ANNA)
    (before,) = erasure.tombstones(home)
    receive_persons(settings, RENUMBERED)
    (place,) = (home.restricted / "perhaps_erased").iterdir()
    steps.erase(settings, place, "request 24/117", "DPO", False, nothing, nothing)
    place.unlink()
    assert traces(home, ANNA, NEW) == []
    (entry,) = erasure.tombstones(home)
    assert set(entry["marks"]) == {*before["marks"], erasure.mark(NEW, KEYS)}
    assert (entry["rows"], entry["on"]) == (before["rows"] + 1, before["on"])
    assert "cpr/2024-07-01: received before, nothing new" in receive_persons(settings, RENUMBERED)
    assert told_of_suspects(home) == [1]


def test_decided_to_be_somebody_else_the_same_slip_is_told_once(settings, received):
    """And whoever has that number may ask for an erasure of their own."""
    home = received
    erase(settings, home, ANNA)
    receive_persons(settings, RENUMBERED)
    (place,) = (home.restricted / "perhaps_erased").iterdir()
    place.unlink()
    receive_persons(settings, RENUMBERED, "2024-08-01")
    assert not place.exists()
    assert told_of_suspects(home) == [1]
    erase(settings, home, NEW)
    assert [len(entry["marks"]) for entry in erasure.tombstones(home)] == [1, 1]


@pytest.mark.parametrize(
    ("rows", "numbers"),
    [
        (person(NEW, ANNA, "60"), [NEW]),  # her number in force stands in the other column
        (person(ANNA, ANNA) + person(BENT, BENT), []),
        (person(NEW, NEW, mother=ANNA), []),  # a child is not its mother
        (person(ANNA, "0000000000", "60") + person(ANNA, "", "60"), []),
        (person(ANNA, NEW, "60") + person(ANNA, CARL, "60"), [NEW, CARL]),
    ],
)
def test_only_a_number_in_force_joins_another_one(settings, tmp_path, rows, numbers):
    home = Home(settings.home)
    erasure.bury(home, [erasure.mark(ANNA, KEYS)], "2024-06-30", "why", "who")
    folder = write_delivery(tmp_path, "cpr", {"cpr3_t_person.csv": PERSON_HEADER + rows})
    found = erasure.suspects(duckdb.connect(), home, folder, KEYS, 1)
    assert found == ({erasure.mark(ANNA, KEYS): set(numbers)} if numbers else {})


def test_suspects_of_a_second_delivery_lie_beside_the_first_ones(settings, tmp_path):
    home = Home(settings.home)
    erasure.bury(home, [erasure.mark(ANNA, KEYS)], "2024-06-30", "why", "who")
    for number in (CARL, NEW, CARL):
        found = {erasure.mark(ANNA, KEYS): {number}}
        (place,) = erasure.note_suspects(home, found)
        erasure.remember_suspects(home, found, KEYS)
    assert place.read_text().split() == [NEW, CARL]
    (entry,) = erasure.tombstones(home)
    assert entry["perhaps"] == sorted(erasure.mark(number, KEYS) for number in (CARL, NEW))


def test_a_packed_sas_file_hides_no_number(tmp_path):
    assert FREJA.encode() not in PACKED_SAS.read_bytes()
    seen = delivered_numbers.seen_in(duckdb.connect(), tmp_path, PACKED_SAS, "sas7bdat", 1)
    assert {FREJA, BENT, CARL} <= seen


def test_an_owner_and_a_contact_may_be_held_as_numbers(tmp_path):
    """Rows, not only values, go: the owner's column is one of numbers, the contact's key too."""
    number, con = "0102501234", duckdb.connect()
    register, path, new = registers.register("lpr2"), tmp_path / "x", tmp_path / "new"
    duckdb.execute(
        f"copy (select * from (values (7.0, {int(number)}::bigint), (8.0, {BENT})) as "
        f"t (V_RECNUM, V_CPR)) to '{path}' (format parquet)"
    )
    wanted = ("k_recnum", "v_cpr")
    assert list(delivered_numbers.pairs(con, tmp_path, path, "parquet", register, wanted, 1)) == []
    duckdb.execute(
        f"copy (select * from (values (7.0::double, {int(number)}::bigint), (8.0, {BENT})) as "
        f"t (K_RECNUM, V_CPR)) to '{path}' (format parquet)"
    )
    pairs = delivered_numbers.pairs(con, tmp_path, path, "parquet", register, wanted, 1)
    found = [(delivered_numbers.bare(key), owner) for key, owner in pairs]
    assert found == [("7", number), ("8", BENT)]
    adm, diag = register.table("t_adm"), register.table("t_diag")
    assert erasure._rewrite_typed(con, path, new, adm, {number}, set()) == (1, 0)
    duckdb.execute(
        "copy (select * from (values (7::smallint, 'DC1'), (8, 'DC2')) as t (V_RECNUM, C_DIAG)) "
        f"to '{path}' (format parquet)"
    )
    assert erasure._rewrite_typed(con, path, new, diag, set(), {"7"}) == (1, 0)
    assert con.execute(f"from read_parquet('{new}')").fetchall() == [(8, "DC2")]


@pytest.mark.parametrize(
    "moment",
    [
        "erasure.bury", "erasure._list_anew", "ledger.record", "landing.accept",
        "erasure.forget_in_warehouse", "release.mark",
    ],
)  # fmt: skip
def test_an_erasure_that_is_killed_is_finished_by_the_same_command(settings, home, moment):
    """Before or in the middle of a step; until then nothing else goes on."""
    texts = (ANNA, FORMER, SPELT, person_id(home, ANNA))
    path = request(home, ANNA)
    killed_in(home, path, moment, nth=2 if moment == "erasure._list_anew" else 1)
    with pytest.raises(LinkageError, match="broken off"):
        restricted.keys_of(settings)
    with pytest.raises(SettingsError, match="somebody else was broken off"):
        erase(settings, home, BENT)
    request(home, ANNA)
    steps.erase(settings, path, "request 24/117", "DPO", False, nothing, nothing)
    path.unlink()
    assert traces(home, *texts) == []
    assert erasure.totals(home)["persons"] == 1
    assert erasure.totals(home)["rows"] == 7
    assert not list(home.root.rglob("*.erasing"))
    assert not list(home.root.rglob("*.earlier"))
    told = [json.loads(line) for line in home.ledger.read_text().splitlines()]
    assert [one["event"] for one in told].count("person erased") == 1
    assert dataclasses.asdict(current(home)[0].file)["landed"] > 0
