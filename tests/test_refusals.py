"""What is not right is refused in one clear line and status 2; the last release stays as it was."""

import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from etl import steps
from etl.cli import main
from etl.home import Home
from tests import story
from tests.conftest import ANNA, BENT, PATO_HEADER, PERSON_HEADER, write_delivery

ROW = f"1301110;R1;1;1;{ANNA};2023-01-03;2023-01-04;2023-01-09;11;T02120\n"
LATER = "2023-06-01"


@pytest.fixture(scope="module")
def released(small, tmp_path_factory) -> Path:
    """A home with a live release, to be spoilt."""
    home = tmp_path_factory.mktemp("refusals") / "home"
    shutil.copytree(small[0], home, symlinks=True)
    return home


def kobling(home: Path, *words: str) -> Result:
    return CliRunner().invoke(main, words, env=story.environment(home))


def live(home: Path) -> dict[str, str]:
    """The live release, byte by byte, and what it is called."""
    current = home / "releases" / "dlms" / "current"
    assert current.is_symlink()
    return {"current": str(current.readlink())} | story.contents(current)


def refused(home: Path, *words: str, status: int = 2) -> str:
    """Run a command that must be refused; returns its one line."""
    before = live(home)
    ended = kobling(home, *words)
    assert ended.exit_code == status, ended.output + str(ended.exception)
    lines = [line for line in ended.stderr.splitlines() if line]
    assert len(lines) == 1, lines
    assert lines[0].startswith("Error: ")
    assert not any(number in lines[0] for number in (ANNA, BENT))
    assert live(home) == before
    return lines[0]


def pato_delivery(inbox: Path, text: str, **more) -> Path:
    return write_delivery(
        inbox, "patobank", {"pato2023.csv": text}, day=LATER, coverage="correction", **more
    )


def refused_on_the_road(home: Path, inbox: Path) -> str:
    """Receive what is in the inbox and run; the delivery is taken away again afterwards."""
    try:
        return refused(home, "run", str(inbox))
    finally:
        shutil.rmtree(home / "deliveries" / "patobank" / LATER, ignore_errors=True)
        record = home / "restricted" / "accepted" / "patobank" / f"{LATER}.json"
        record.unlink(missing_ok=True)


def test_a_wrong_file(released, tmp_path):
    pato_delivery(tmp_path, PERSON_HEADER + f"{ANNA};{ANNA};K;01;1950-02-01;;;\n")
    line = refused_on_the_road(released, tmp_path)
    for word in ("pato2023.csv", "k_inst", "is missing", "found v_pnr", "Expected"):
        assert word in line


def test_a_truncated_file(released, tmp_path):
    folder = pato_delivery(tmp_path, PATO_HEADER + ROW * 3)
    content = (folder / "pato2023.csv").read_bytes()
    (folder / "pato2023.csv").write_bytes(content[: len(content) // 2])
    line = refused_on_the_road(released, tmp_path)
    assert f"found {len(content) // 2} bytes, expected {len(content)}" in line


def test_a_file_with_fewer_rows_than_its_keeper_counted(released, tmp_path):
    folder = pato_delivery(tmp_path, PATO_HEADER + ROW)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"][0]["rows"] = 7
    (folder / "manifest.json").write_text(json.dumps(manifest))
    assert "found 1 rows, expected 7" in refused_on_the_road(released, tmp_path)


def test_a_missing_column(released, tmp_path):
    text = (PATO_HEADER + ROW).replace(";c_snomedkode", "").replace(";T02120", "")
    pato_delivery(tmp_path, text)
    line = refused_on_the_road(released, tmp_path)
    assert "column c_snomedkode is missing" in line


def test_a_file_that_is_no_text(released, tmp_path):
    folder = pato_delivery(tmp_path, PATO_HEADER + ROW)
    (folder / "pato2023.csv").write_bytes(b"PK\x03\x04\x00\x00" * 50)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"][0] |= {
        "bytes": 300,
        "sha256": hashlib.sha256(b"PK\x03\x04\x00\x00" * 50).hexdigest(),
    }
    (folder / "manifest.json").write_text(json.dumps(manifest))
    assert "NUL byte" in refused_on_the_road(released, tmp_path)


def test_an_unknown_study(released):
    for command in ("estimate", "release", "show"):
        line = refused(released, command, "dlsm")
        assert "no such study" in line
        assert "Known studies: afx_pds, dlms" in line
        assert "Did you mean 'dlms'?" in line


def test_an_unknown_register(released, tmp_path):
    (tmp_path / "lmdb" / LATER).mkdir(parents=True)
    assert "Known registers" in refused(released, "receive", str(tmp_path))
    assert "Known registers" in refused(released, "land", "--register", "lmdb")


def test_an_inbox_that_is_not_there(released, tmp_path):
    assert "no such folder" in refused(released, "run", str(tmp_path / "nowhere"))


def test_a_refused_delivery_stays_refused_until_a_better_one_comes(released, tmp_path):
    bad = (PATO_HEADER + ROW).replace("d_rekvdato", "rekvdato")
    pato_delivery(tmp_path / "bad", bad)
    assert kobling(released, "receive", str(tmp_path / "bad")).exit_code == 0
    assert "d_rekvdato is missing" in refused(released, "land")
    assert "d_rekvdato is missing" in refused(released, "run")
    entries = [json.loads(line) for line in (released / "ledger.jsonl").read_text().splitlines()]
    of_the_road = [entry for entry in entries if entry["event"] != "notice sent"]
    assert of_the_road[-1]["event"] == "delivery refused"
    write_delivery(
        tmp_path / "good", "patobank", {"pato2023.csv": PATO_HEADER + ROW},
        day="2023-06-02", coverage="correction", complete_to="2023-02-28",
    )  # fmt: skip
    assert kobling(released, "receive", str(tmp_path / "good")).exit_code == 0
    assert kobling(released, "land").exit_code == 0


def test_a_home_made_for_one_population_is_not_opened_for_another(released):
    environment = story.environment(released) | {"KOBLING_POPULATION": "production"}
    ended = CliRunner().invoke(main, ["land"], env=environment)
    assert ended.exit_code == 2
    assert "made for population 'mock'" in ended.stderr


def test_nothing_can_be_selected_before_it_is_linked(tmp_path):
    ended = kobling(tmp_path / "new", "select")
    assert ended.exit_code == 2
    assert "kobling link" in ended.stderr


def test_a_bad_delivery_keeps_no_other_out_of_the_store(released, tmp_path):
    write_delivery(
        tmp_path, "dsd", {"sarcoma.csv": "nothing\n"}, changes={"register": "cpr"}, day=LATER
    )
    pato_delivery(tmp_path, PATO_HEADER + ROW)
    assert "register is 'cpr'" in refused(released, "receive", str(tmp_path))
    assert (released / "deliveries" / "patobank" / LATER / "manifest.json").exists()


def test_a_kill_between_a_deed_and_the_ledger_loses_no_line(released):
    """The ledger is cut back to before the deeds, as a kill would have left it."""
    path = released / "ledger.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:2]))
    kobling(released, "land")
    told = [json.loads(line) for line in path.read_text().splitlines()]
    received = {entry["delivery"] for entry in told if entry["event"] == "delivery received"}
    accepted = {entry["delivery"] for entry in told if entry["event"] == "delivery accepted"}
    assert {"cpr/2023-03-15", "patobank/2022-03-01"} <= received & accepted


def test_a_warehouse_that_another_process_holds_is_said_to_be(released):
    holder = subprocess.Popen(
        [sys.executable, "-c",
         "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print('held', flush=True); input()",
         str(released / "warehouse.duckdb")],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert holder.stdout.readline().strip() == "held"
        assert "another process has it open" in refused(released, "check", status=75)
        assert kobling(released, "status").exit_code == 0
    finally:
        holder.communicate("\n")


def test_a_restricted_zone_made_by_hand_is_closed(tmp_path):
    (tmp_path / "home" / "restricted" / "inbox").mkdir(parents=True, mode=0o755)
    kobling(tmp_path / "home", "land")
    assert (tmp_path / "home" / "restricted").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize(
    "change",
    [
        {"register": "6102501234"},
        {"complete_to": "6102501234"},
        {"delivered_on": "610250-1234"},
    ],
)
def test_a_number_in_a_manifest_is_never_shown(released, tmp_path, change):
    pato_delivery(tmp_path, PATO_HEADER + ROW, changes=change)
    line = refused(released, "receive", str(tmp_path))
    assert "610250" not in line
    assert "610250" not in (released / "ledger.jsonl").read_text()


@pytest.mark.parametrize(
    ("field", "value"),
    [("path", "6102501234/pato.csv"), ("path", 5), ("path", "it's.csv"), ("sha256", 5),
     ("rows", True), ("format", None), ("period", "6102501234")],
)  # fmt: skip
def test_a_manifest_with_an_odd_entry_is_refused(released, tmp_path, field, value):
    folder = pato_delivery(tmp_path, PATO_HEADER + ROW)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"][0][field] = value
    (folder / "manifest.json").write_text(json.dumps(manifest))
    assert "6102501234" not in refused(released, "receive", str(tmp_path))


def test_a_lost_file_of_the_lake_is_made_anew_and_never_passed_over(small, tmp_path):
    home = tmp_path / "home"
    shutil.copytree(small[0], home, symlinks=True)
    lost = home / "lake" / "linked" / "patobank" / "pato" / "period=2001" / "part.parquet"
    before = lost.read_bytes()
    lost.unlink()
    assert "Nothing new" not in kobling(home, "status").stdout
    ended = kobling(home, "select")
    assert ended.exit_code == 2
    assert "files of it are gone" in ended.stderr
    assert kobling(home, "run").exit_code == 0
    assert lost.read_bytes() == before
    assert "Nothing new" in kobling(home, "status").stdout


def test_a_superseded_refusal_is_forgotten(small, tmp_path):
    home = tmp_path / "home"
    shutil.copytree(small[0], home, symlinks=True)
    pato_delivery(tmp_path / "bad", (PATO_HEADER + ROW).replace("d_rekvdato", "rekvdato"))
    write_delivery(
        tmp_path / "good", "patobank", {"pato2023.csv": PATO_HEADER + ROW},
        day="2023-06-02", coverage="correction", complete_to="2023-02-28",
    )  # fmt: skip
    assert kobling(home, "receive", str(tmp_path / "bad")).exit_code == 0
    assert kobling(home, "land").exit_code == 2
    assert kobling(home, "receive", str(tmp_path / "good")).exit_code == 0
    assert kobling(home, "land").exit_code == 0
    assert "refused" not in kobling(home, "status").stdout


def test_estimates_that_a_kill_has_left_behind_are_made_anew(released):
    path = released / "state" / "estimates-dlms.json"
    old = json.loads(path.read_text()) | {"evidence": {"data": "of the refresh before"}}
    path.write_text(json.dumps(old))
    assert kobling(released, "estimate", "dlms").exit_code == 0
    wanted = steps.evidence_keys(story.settings_of(released), Home(released), "dlms")
    assert json.loads(path.read_text())["evidence"] == wanted


def test_a_broken_warehouse_is_said_to_be(small, tmp_path):
    home = tmp_path / "home"
    shutil.copytree(small[0], home, symlinks=True)
    (home / "warehouse.duckdb").write_bytes(b"garbage" * 500)
    ended = kobling(home, "check")
    assert ended.exit_code == 2
    assert "not readable as a DuckDB file" in ended.stderr


def test_a_home_without_rights_is_one_line(released, monkeypatch):
    def forbidden(home):
        raise PermissionError(13, "Permission denied", str(home.state / "writer.lock"))

    monkeypatch.setattr("etl.steps.checking.one_writer", forbidden)
    line = refused(released, "check")
    assert "writer.lock: permission denied" in line
    assert "Set KOBLING_HOME" in line
