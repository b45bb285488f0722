"""What was touched is found, and what was not is not accused."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from etl import evidence, ledger, release, steps
from etl.errors import KoblingError
from etl.home import Home, file_hash
from etl.settings import Settings
from tests.conftest import write_delivery
from tests.test_landing import SARCOMA_HEADER

KEYS = {"data": "a", "definition": "b", "code": "c", "gate": "green"}
RELEASE = evidence.release_id(KEYS)


def nothing(_: str) -> None:
    pass


def fill(folder: Path) -> None:
    """A release of one table and a page."""
    (folder / "parquet").mkdir()
    with duckdb.connect(str(folder / "marts.duckdb")) as con:
        con.execute("create table cohort as select '12' as person_id, 1 as n")
        con.execute(f"copy cohort to '{folder}/parquet/cohort.parquet' (format parquet)")
    (folder / "index.html").write_text("page")
    release.write_evidence(folder, {"keys": KEYS})


@pytest.fixture
def home(settings) -> Home:
    """One delivery received and landed, one release, and the ledger of both."""
    inbox = settings.home.parent / "inbox"
    row = "6101701234;01/03/1994;arm;12;2;;;;;;\n"
    write_delivery(inbox, "dsd", {"sarcoma.csv": SARCOMA_HEADER + row})
    steps.receive(settings, inbox, None, nothing)
    steps.land(settings, None, nothing)
    made = Home(settings.home)
    place = release.place_whole(made.releases / "dlms", RELEASE, fill)
    release.promote(made, "dlms", RELEASE)
    ledger.record(
        made, "released", study="dlms", release=RELEASE, keys=KEYS,
        evidence_sha256=file_hash(place / release.EVIDENCE),
    )  # fmt: skip
    return made


def faults(settings: Settings, head: str | None = None) -> list[str]:
    """What `kobling verify` accuses; it ends with an error where it accuses anything."""
    said: list[str] = []
    ended = ""
    try:
        steps.verify(settings, head, said.append)
    except KoblingError as error:
        ended = str(error)
    found = [line.removeprefix("fault: ") for line in said if line.startswith("fault: ")]
    assert bool(found) == bool(ended)
    return found


def test_what_nobody_touched_is_accused_of_nothing(settings, home):
    told = steps.verify(settings, None, nothing)
    head = told.rpartition(" ")[2]
    ledger.record(home, "checked", gate="green")
    assert faults(settings, head) == [], "an older head is still in the chain"


def of_release(home: Home, path: str) -> Path:
    place = home.releases / "dlms" / RELEASE
    for folder in (place, place / "parquet"):
        folder.chmod(0o755)
    if (place / path).exists():
        (place / path).chmod(0o644)
    return place / path


def change_a_line(home: Home) -> None:
    lines = home.ledger.read_text().splitlines()
    lines[1] = lines[1].replace('"at": "20', '"at": "19')
    home.ledger.write_text("\n".join(lines) + "\n")


def take_a_line(home: Home) -> None:
    lines = home.ledger.read_text().splitlines()
    del lines[1]
    home.ledger.write_text("\n".join(lines) + "\n")


def spoil_a_line(home: Home) -> None:
    lines = home.ledger.read_text().splitlines()
    lines[0] = "[]"
    home.ledger.write_text("\n".join(lines) + "\n")


def change_a_table(home: Home) -> None:
    with duckdb.connect(str(of_release(home, "marts.duckdb"))) as con:
        con.execute("update cohort set n = 2")


def change_a_delivery(home: Home) -> None:
    (path,) = home.deliveries.glob("dsd/*/sarcoma.csv")
    path.chmod(0o600)
    path.write_bytes(path.read_bytes().replace(b"arm", b"leg"))


def relist_a_delivery(home: Home) -> None:
    """Change a row, and make the manifest agree."""
    change_a_delivery(home)
    (path,) = home.deliveries.glob("dsd/*/manifest.json")
    manifest = json.loads(path.read_text())
    manifest["files"][0]["sha256"] = file_hash(path.with_name("sarcoma.csv"))
    path.chmod(0o600)
    path.write_text(json.dumps(manifest))


def rewrite_the_evidence(home: Home) -> None:
    """Change the page, and make its evidence agree."""
    of_release(home, "index.html").write_text("other")
    path = of_release(home, "evidence.json")
    told = json.loads(path.read_text())
    told["files"]["index.html"] = file_hash(path.with_name("index.html"))
    path.write_text(json.dumps(told))


TOUCHED: dict[str, tuple[Callable[[Home], object], tuple[str, ...]]] = {
    "a line changed": (change_a_line, ("entry 3: follows another line than entry 2",)),
    "a line taken out": (take_a_line, ("entry 2: follows another line than entry 1",)),
    "a line spoilt": (spoil_a_line, ("entry 1: not an entry", "entry 2: follows another line")),
    "a page": (
        lambda home: of_release(home, "index.html").write_text("other"),
        (f"{RELEASE}/index.html: changed since it was released",),
    ),
    "a page and its evidence": (
        rewrite_the_evidence, ("evidence.json: not the file that the ledger names",),
    ),
    "evidence that is none": (
        lambda home: of_release(home, "evidence.json").write_text("[]"),
        ("evidence.json: not the file that the ledger names", "evidence.json: names no files"),
    ),
    "a file gone": (
        lambda home: of_release(home, "parquet/cohort.parquet").unlink(),
        ("parquet/cohort.parquet: not there", "table cohort is not that of cohort.parquet"),
    ),
    "a file more": (
        lambda home: of_release(home, "note.txt").write_text("note"),
        ("note.txt: named by no evidence",),
    ),
    "a table": (change_a_table, ("marts.duckdb: table cohort is not that of cohort.parquet",)),
    "a database": (
        lambda home: of_release(home, "marts.duckdb").write_text("none"),
        ("marts.duckdb: cannot be opened",),
    ),
    "a release gone": (
        lambda home: shutil.rmtree(of_release(home, "")),
        (f"releases/dlms/{RELEASE}: not there",),
    ),
    "a release that nobody released": (
        lambda home: shutil.copytree(of_release(home, ""), home.releases / "dlms/0"),
        ("releases/dlms/0: in no entry of the ledger",),
    ),
    "a delivered file": (change_a_delivery, ("sarcoma.csv",)),
    "a delivered file and its manifest": (
        relist_a_delivery, ("a manifest that the ledger never accepted",),
    ),
    "a delivery gone": (
        lambda home: shutil.rmtree(next(home.deliveries.glob("dsd/*"))),
        ("deliveries/dsd/2024-06-01: not there",),
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", TOUCHED)
def test_what_was_touched_is_named_and_nothing_else(settings, home, what):
    touch, expected = TOUCHED[what]
    touch(home)
    found = faults(settings)
    assert len(found) == len(expected), found
    for words in expected:
        assert any(words in fault for fault in found), (words, found)


def test_entries_that_were_cut_off_are_seen_with_a_hash_that_was_kept(settings, home):
    head = steps.verify(settings, None, nothing).rpartition(" ")[2]
    lines = home.ledger.read_text().splitlines()
    ledger.record(home, "checked", gate="green")
    home.ledger.write_text("\n".join(lines[:-1]) + "\n")
    assert any("entries were cut off" in fault for fault in faults(settings, head))


def test_a_release_that_was_withdrawn_may_be_taken_away(settings, home):
    release.mark(home, [f"dlms/{RELEASE}"], "withdrawn", "a person was erased on request")
    shutil.rmtree(of_release(home, ""))
    assert faults(settings) == []


def test_no_personal_number_is_in_what_it_says(settings, home):
    change_a_delivery(home)
    assert "6101701234" not in " ".join(faults(settings))


def test_a_live_release_that_the_ledger_did_not_make_live_is_named(settings, home):
    """Somebody moved `current`, or a kill came between it and the ledger."""
    place = release.place_whole(home.releases / "dlms", "bbbb00000002", fill)
    ledger.record(
        home, "staged", study="dlms", release=place.name, keys=KEYS,
        evidence_sha256=file_hash(place / release.EVIDENCE),
    )  # fmt: skip
    assert faults(settings) == []
    release.promote(home, "dlms", "bbbb00000002")
    (fault,) = faults(settings)
    assert fault.startswith("releases/dlms/current: leads to bbbb00000002")
    ledger.record(home, "rolled back", study="dlms", release="bbbb00000002", instead_of=RELEASE)
    assert faults(settings) == []
