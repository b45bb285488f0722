"""A person who was erased is nowhere, stays nowhere, and nobody else has lost anything."""

import dataclasses
import gzip
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from etl import erasure, registers, restricted, steps
from etl.errors import DeliveryError, LinkageError, SettingsError
from etl.home import Home
from etl.landing import accepted, current
from etl.settings import CHECKOUT
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
    monkeypatch.setattr(steps, "run", lambda settings, *_: link_again(settings))
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
        duckdb.connect(), path, path.with_name("new.parquet"),
        registers.register("patobank"), table, {ANNA}, set(), 1,
    )  # fmt: skip
    assert (rows, values) == (2, 0)
    kept = duckdb.sql(f"from '{path.with_name('new.parquet')}'")
    assert kept.columns == ["k_inst", "k_rekvnr", "k_matnr", "cpr"]
    assert kept.fetchall() == [("1", "R2", 1, BENT)]


def test_a_sas_file_that_holds_her_is_refused(tmp_path):
    register = registers.register("dar")
    with pytest.raises(DeliveryError, match="cannot be rewritten"):
        erasure._rewrite_typed(
            duckdb.connect(), Path("x.sas7bdat"), Path("y"), register, register.tables[0],
            {ANNA}, set(), 1,
        )  # fmt: skip


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
    module, name = moment.split(".")
    patched = "steps" if name == "accept" else module
    code = f"""
import os
from etl import {module}, steps
from etl.cli import main
calls = []
of = {patched}
old = of.{name}
def die(*a, **k):
    calls.append(1)
    if len(calls) >= {2 if name == "_list_anew" else 1}:
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
