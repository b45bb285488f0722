"""Broken off at any moment and started again, a refresh ends as an undisturbed one does.

A small version of `make chaos`, which draws the moments at random, and hundreds of them.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import duckdb
import pytest

from benchmarks import chaos, further_deliveries, home_content
from etl import ledger
from etl.errors import DiskError, disk_error, hold_own_faults
from etl.home import Home, connect, one_writer, open_home, replace_text
from etl.landing import judging
from etl.steps import checking
from tests import story
from tests.conftest import ANNA, PATO_HEADER, write_delivery
from tests.test_bad_deliveries import kobling

KEY = story.KEY.encode()
# Of homes that are made here, as `kobling` of tests/test_bad_deliveries.py has it.
OWN_KEY = "k" * 40


@pytest.fixture(scope="module")
def two_homes(small, tmp_path_factory):
    """Two copies of a home with live releases, and a further delivery for both."""
    folder = tmp_path_factory.mktemp("chaos")
    homes = []
    for name in ("undisturbed", "disturbed"):
        home = folder / name / "home"
        shutil.copytree(
            small[0], home, symlinks=True, ignore=shutil.ignore_patterns("inbox", "answers", "logs")
        )
        homes.append(home)
    inbox = folder / "inbox"
    further_deliveries.write(inbox, small[0] / "restricted" / "inbox", 0)
    return *homes, inbox


@pytest.fixture(autouse=True)
def _key(monkeypatch):
    monkeypatch.setattr(chaos, "KEY", story.KEY)


# ------------------------------------------------------------------ kill -9


# (just before which write, in which step): between a deed and its line in the ledger, where a kill
# by the clock hits once in thousands, and in the middle of what is written beside its place. Each
# run first tells what the one before has left untold.
KILLS = (
    ("3@ledger.jsonl", "link"),
    ("2@ledger.jsonl", "select"),
    ("2@ledger.jsonl", "check"),
    ("1@evidence.json", "release afx_pds"),
    ("3@ledger.jsonl", "release dlms"),
)


def test_a_refresh_killed_five_times_ends_as_an_undisturbed_one_and_no_read_is_missed(two_homes):
    undisturbed, disturbed, inbox = two_homes
    chaos.to_the_end(undisturbed, "run", str(inbox))
    wanted = home_content.content(undisturbed, KEY)
    assert not home_content.half_done(undisturbed)
    with chaos.reading(disturbed) as read:
        for before, step in KILLS:
            running = chaos.dying(disturbed, inbox, before)
            assert running.ended() == -signal.SIGKILL, running.output
            assert running.step == step, running.output
        chaos.to_the_end(disturbed, "run", str(inbox))
    assert chaos.after(disturbed, wanted) == []
    assert (read["missed"], read["torn"]) == ([], [])
    assert read["reads"] > 10
    assert read["releases"] == 4, "the live one of two studies, before and after"


def test_what_differs_between_two_homes_is_seen(two_homes, tmp_path):
    """The comparison itself: of every store one thing is changed."""
    home = tmp_path / "home"
    shutil.copytree(two_homes[0], home, symlinks=True)
    wanted = home_content.content(home, KEY)
    (landed, *_) = sorted((home / "restricted" / "landing").rglob("*.parquet"))
    touched = (
        next((home / "lake" / "linked" / "patobank").rglob("*.parquet")),
        (home / "releases" / "dlms" / "current").resolve() / "evidence.json",
        next((home / "deliveries").rglob("*.csv")),
    )
    for path in touched:
        path.chmod(0o600)
        path.write_bytes(path.read_bytes() + b" ")
    landed.unlink()
    (home / "state" / ".link.json.4711").touch()
    (home / "restricted" / "scratch" / "land-x").mkdir()
    lines = (home / "ledger.jsonl").read_text().splitlines(keepends=True)
    released = next(line for line in lines if '"event": "released"' in line)
    (home / "ledger.jsonl").write_text("".join([*lines, released]))
    with connect(story.settings_of(home), home / "warehouse.duckdb") as con:
        con.execute("delete from marts.attrition where step = 1")
    found = home_content.differences(home_content.content(home, KEY), wanted)
    expected = {
        *(str(path.relative_to(home)) for path in (*touched, landed)),
        "state/.link.json.4711",
        "restricted/scratch/land-x",
        f"ledger, line {len(home_content.events(Home(home)))}",
        "warehouse.duckdb",
    }
    assert expected <= {line.partition(": ")[0] for line in found}, found
    assert home_content.half_done(home) == ["restricted/scratch/land-x", "state/.link.json.4711"]


def test_what_a_killed_command_left_is_swept_away_by_the_next_and_nothing_else(settings):
    home = open_home(settings)
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    left = [
        home.state / f".link.json.{ended.pid}",
        home.restricted / ".identity.duckdb.new",
        home.scratch / "land-cpr-2023-03-15" / "landed.parquet",
        home.scratch / f"spill-{ended.pid}" / "block",
        home.releases / "dlms" / ".new-0123456789ab" / "evidence.json",
        home.root / "warehouse.next.duckdb.wal",
    ]
    kept = [
        home.state / "link.json",
        home.scratch / f"spill-{os.getppid()}" / "block",
        home.releases / "dlms" / "0123456789ab" / "evidence.json",
        home.root / "warehouse.duckdb",
    ]
    for path in left + kept:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    with one_writer(home):
        assert [path for path in left if path.exists()] == []
        assert [path for path in kept if not path.exists()] == []


# ------------------------------------------------------------------ the ledger


def test_an_event_is_told_until_another_takes_its_place(settings):
    home = open_home(settings)
    ledger.record(home, "released", study="dlms", release="a")
    ledger.record(home, "released", study="afx_pds", release="b")
    assert ledger.is_told(home, "released", "rolled back", study="dlms", release="a")
    assert not ledger.is_told(home, "released", "rolled back", study="dlms", release="b")
    ledger.record(home, "rolled back", study="dlms", release="c")
    assert not ledger.is_told(home, "released", "rolled back", study="dlms", release="a")


# ------------------------------------------------------------------ two at once


def test_the_road_is_one_writer_from_its_first_step_to_its_last(settings):
    home = open_home(settings)
    with one_writer(home, all_steps=True):
        with one_writer(home):
            pass  # a step of the same road
        ended = kobling_process(settings.home, "land")
        assert ended.returncode == 75
        (line,) = ended.stderr.splitlines()
        assert "another kobling command is writing here" in line


def kobling_process(home: Path, *words: str, by: tuple[str, ...] = (), key: str = OWN_KEY):
    return subprocess.run(
        [*by, sys.executable, "-m", "etl.cli", *words],
        cwd=story.CHECKOUT, env=story.environment(home, KOBLING_KEY=key),
        capture_output=True, text=True, check=False,
    )  # fmt: skip


# ------------------------------------------------------------------ disks


@pytest.fixture(scope="module")
def received_once(tmp_path_factory):
    folder = tmp_path_factory.mktemp("received")
    rows = "".join(
        f"1234567;R{i};1;1;{ANNA};1994-{1 + i % 12:02}-11;1994-{1 + i % 12:02}-11;;11;T02120\n"
        for i in range(3000)
    )
    write_delivery(folder / "inbox", "patobank", {"pato1994.csv": PATO_HEADER + rows})
    assert kobling(folder / "home", "receive", str(folder / "inbox")).exit_code == 0
    return folder / "home"


@pytest.fixture
def received(received_once, tmp_path):
    """A home that has received a delivery, not landed yet."""
    return shutil.copytree(received_once, tmp_path / "home")


# What makes a mount for one command, and only for it.
IN_ITS_OWN_MOUNTS = ("unshare", "--mount", "sh", "-c")


def in_mounts(mount: str) -> tuple[str, ...]:
    """Words before a command that lets it see a disk of another kind. Skips who may not mount."""
    tried = subprocess.run(
        [*IN_ITS_OWN_MOUNTS, "mount -t tmpfs none /mnt"],
        capture_output=True,
        text=True,
        check=False,
    )
    if tried.returncode:
        pytest.skip(f"no mounts of one's own here: {tried.stderr.strip()}")
    return (*IN_ITS_OWN_MOUNTS, f'{mount} && exec "$0" "$@"')


def hold_one_line(ended: subprocess.CompletedProcess, *words: str) -> None:
    assert ended.returncode == 74, ended.stdout + ended.stderr
    (line,) = ended.stderr.splitlines()
    assert line.startswith("Error: ")
    for word in (*words, "Expected", "start the same command again"):
        assert word in line, line


def hold_nothing_is_blamed(home: Path) -> None:
    """No delivery counts as refused, and the same command ends well once the disk is."""
    assert not list(Home(home).accepted.rglob("*.json"))
    assert b"refused" not in Home(home).ledger.read_bytes()
    assert kobling(home, "land").exit_code == 0
    assert kobling(home, "verify").exit_code == 0
    assert not list(Home(home).scratch.iterdir())


def test_a_full_disk_is_told_in_one_line_and_no_keeper_is_blamed(received):
    scratch = Home(received).scratch
    scratch.mkdir(exist_ok=True)
    by = in_mounts(f"mount -t tmpfs -o size=8k none {scratch}")
    hold_one_line(kobling_process(received, "land", by=by), "no space left on device")
    hold_nothing_is_blamed(received)


def test_a_read_only_disk_is_told_in_one_line(received):
    by = in_mounts(f"mount --bind {received} {received} && mount -o remount,ro,bind {received}")
    hold_one_line(kobling_process(received, "land", by=by), "read-only file system")
    hold_nothing_is_blamed(received)


def test_a_file_that_may_not_grow_is_told_in_one_line_on_any_machine(received):
    by = ("sh", "-c", 'ulimit -f 8; exec "$0" "$@"')
    hold_one_line(kobling_process(received, "land", by=by), "file too large")
    hold_nothing_is_blamed(received)


def test_a_disk_that_is_full_while_a_file_is_read_is_no_fault_of_the_file(received, monkeypatch):
    """DuckDB's error is of the same kind as that of a file which breaks off."""
    told = 'IO Error: Could not write file "/home/x/landed.parquet": Disk quota exceeded'

    def full(*_):
        raise duckdb.IOException(told)

    with monkeypatch.context() as disk:
        disk.setattr(judging, "divide", full)
        ended = kobling(received, "land")
    assert (ended.exit_code, "landed.parquet: disk quota exceeded" in ended.stderr) == (74, True)
    hold_nothing_is_blamed(received)


def test_what_the_disk_says_is_known_in_whatever_it_is_wrapped():
    wrapped = ValueError("a reader stopped")
    wrapped.__cause__ = OSError(28, "No space left on device", "/home/x/state")
    assert str(disk_error(wrapped)).startswith("/home/x/state: no space left on device")
    told = 'IO Error: Could not write file "/home/x/lake.parquet": Read-only file system'
    with pytest.raises(DiskError, match=r"^/home/x/lake\.parquet: read-only file system"):
        hold_own_faults(RuntimeError(told))
    assert disk_error(ValueError("not a whole Parquet file")) is None
    with pytest.raises(KeyboardInterrupt):
        hold_own_faults(RuntimeError("Query interrupted"))


# ------------------------------------------------------------------ signals


@pytest.mark.parametrize(
    ("number", "name"), [(signal.SIGINT, "Ctrl-C"), (signal.SIGTERM, "SIGTERM")]
)
def test_a_signal_ends_a_command_in_one_line_and_the_same_command_goes_on(
    received, number, name, monkeypatch
):
    monkeypatch.setattr(chaos, "KEY", OWN_KEY)
    running = chaos.start(received, "land")
    while "reading 1 file" not in running.output:
        assert running.process.poll() is None, running.output
        time.sleep(0.01)
    assert running.end(number)
    assert running.ended() == 128 + number
    assert running.output.splitlines()[-1] == (
        f"Error: stopped by {name}. Nothing half-done counts; start the same command again."
    )
    assert "Traceback" not in running.output
    hold_nothing_is_blamed(received)


# ------------------------------------------------------------------ clocks


def test_a_clock_that_jumps_back_refuses_no_delivery_for_good(received, monkeypatch):
    """Days lie in the future for as long as the clock is wrong, and the times of the ledger run
    backwards; neither changes what a home holds."""
    import datetime as dt

    class Earlier(dt.date):
        @classmethod
        def today(cls):
            return dt.date(2020, 1, 1)

    class EarlierMoment(dt.datetime):
        @classmethod
        def now(cls, tz=None):
            return dt.datetime(2020, 1, 1, tzinfo=tz)

    with monkeypatch.context() as clock:
        clock.setattr(dt, "date", Earlier)
        clock.setattr(dt, "datetime", EarlierMoment)
        clock.setattr(checking, "today", Earlier.today)
        ended = kobling(received, "land")
    assert ended.exit_code == 2, ended.output
    assert "2024-06-01" in ended.stderr
    times = [json.loads(line)["at"] for line in Home(received).ledger.read_text().splitlines()]
    assert times != sorted(times), "the clock was set back"
    assert kobling(received, "land").exit_code == 0
    assert kobling(received, "verify").exit_code == 0


def test_files_from_the_future_are_neither_new_nor_old(small, tmp_path):
    """What is new is told by content, never by the time of a file."""
    home = tmp_path / "home"
    shutil.copytree(small[0], home, symlinks=True)
    before = Home(home).ledger.read_bytes()
    future = time.time() + 10 * 365 * 86400
    for path in home.rglob("*"):
        if not path.is_symlink():
            os.utime(path, (future, future))
    ended = kobling_process(home, "run", key=story.KEY)
    assert ended.returncode == 0, ended.stderr
    assert "Nothing new" in ended.stdout
    assert Home(home).ledger.read_bytes() == before


def test_a_file_beside_its_place_is_no_content(tmp_path):
    replace_text(tmp_path / "a.json", "{}")
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]
