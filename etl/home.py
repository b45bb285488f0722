"""Where everything lies under KOBLING_HOME, and how it is opened and replaced.

Every file that another process may read is written beside its place and moved there in one
rename, so that a kill at any moment leaves either the old file or the new one, never half.
"""

import fcntl
import hashlib
import json
import os
import re
import secrets
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path

import duckdb

from etl.errors import BusyError, LinkageError, SettingsError, hold_own_faults
from etl.settings import Settings

MIN_KEY_BYTES = 32

# The home that this process writes to from the first step of the road to the last.
_written: ContextVar[Path | None] = ContextVar("written", default=None)


@dataclass(frozen=True)
class Home:
    """The stores of one KOBLING_HOME. Holds paths only; nothing is made until it is written."""

    root: Path

    @property
    def deliveries(self) -> Path:
        return self.root / "deliveries"

    @property
    def restricted(self) -> Path:
        return self.root / "restricted"

    @property
    def inbox(self) -> Path:
        """Where keepers put deliveries; restricted, since it is full of personal numbers."""
        return self.restricted / "inbox"

    @property
    def answers(self) -> Path:
        """The answer sheet of mock registers: no part of the chain reads it."""
        return self.restricted / "answers"

    @property
    def landing(self) -> Path:
        return self.restricted / "landing"

    @property
    def quarantine(self) -> Path:
        return self.restricted / "quarantine"

    @property
    def findings(self) -> Path:
        return self.restricted / "findings"

    @property
    def accepted(self) -> Path:
        """One JSON per accepted or refused delivery: the commit point of `land`."""
        return self.restricted / "accepted"

    @property
    def identity(self) -> Path:
        return self.restricted / "identity.duckdb"

    @property
    def key(self) -> Path:
        return self.restricted / "keys" / "pseudonym.key"

    @property
    def scratch(self) -> Path:
        """For files that live no longer than a command; may hold personal numbers."""
        return self.restricted / "scratch"

    @property
    def lake(self) -> Path:
        return self.root / "lake"

    @property
    def linked(self) -> Path:
        return self.lake / "linked"

    @property
    def unlinked(self) -> Path:
        return self.lake / "unlinked"

    @property
    def warehouse(self) -> Path:
        return self.root / "warehouse.duckdb"

    @property
    def quality(self) -> Path:
        """What the checks of every refresh said, a folder each."""
        return self.root / "quality"

    @property
    def releases(self) -> Path:
        return self.root / "releases"

    @property
    def exports(self) -> Path:
        """What may leave: aggregates only, small counts masked."""
        return self.root / "exports"

    @property
    def disclosure(self) -> Path:
        """What exports rested on and why numbers were hidden; stays inside, without persons."""
        return self.root / "disclosure"

    @property
    def ledger(self) -> Path:
        return self.root / "ledger.jsonl"

    @property
    def notices(self) -> Path:
        """What somebody was told, and was not yet; never personal."""
        return self.root / "notices"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def state(self) -> Path:
        """What the last complete run of each step was made from; never personal."""
        return self.root / "state"


def open_home(settings: Settings) -> Home:
    """Make the home if it is new, and hold it to the population it was made for.

    Raises SettingsError when a mock home is opened as production or the other way round: one
    forgotten variable must not let real numbers into a demo.
    """
    home = Home(settings.home)
    mark = home.root / "population"
    if mark.exists():
        made_for = mark.read_text().strip()
        if made_for != settings.population:
            raise SettingsError(
                f"{mark}: this home was made for population '{made_for}', and KOBLING_POPULATION "
                f"is '{settings.population}'. Set KOBLING_POPULATION={made_for}, or use another "
                "KOBLING_HOME."
            )
    else:
        try:
            home.root.mkdir(parents=True, exist_ok=True)
            replace_text(mark, settings.population + "\n")
        except OSError as error:
            hold_own_faults(error)
            raise SettingsError(
                f"{home.root}: cannot be written ({error.strerror}). Set KOBLING_HOME to a folder "
                "of yours."
            ) from error
    home.restricted.mkdir(mode=0o700, exist_ok=True)
    # Somebody may have made it by hand, with an inbox in it.
    home.restricted.chmod(0o700)
    return home


@contextmanager
def one_writer(home: Home, *, all_steps: bool = False) -> Iterator[Callable[[], float]]:
    """Let one command write at a time; a second is refused at once instead of waiting in the dark.

    The lock is the kernel's, so it goes with the process however it ends. With `all_steps` it is
    held over the steps that the block calls, and none of them can find another one in its way.
    What a killed command has left half written is swept away before the block, which is given how
    many seconds it has been running, for the ledger.
    """
    began = time.monotonic()

    def seconds() -> float:
        return round(time.monotonic() - began, 1)

    if _written.get() == home.root:
        yield seconds
        return
    home.state.mkdir(parents=True, exist_ok=True)
    with (home.state / "writer.lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BusyError(
                f"{home.root}: another kobling command is writing here. "
                "Expected to be the only one. Wait until it has ended, then start again."
            ) from None
        _sweep(home)
        before = _written.set(home.root if all_steps else None)
        try:
            yield seconds
        finally:
            _written.reset(before)


def _sweep(home: Home) -> None:
    """Take away what commands that were killed have left: nothing refers to it."""
    for path in home.scratch.glob("*"):
        if not _is_of_running(path):
            remove(path)
    for pattern in BESIDE:
        for path in home.root.glob(pattern):
            # `.<name>.<process>` is ours, and no copy that somebody has dated.
            is_ours = not pattern.endswith(".[0-9]*") or re.fullmatch(r"\..+\.[0-9]+", path.name)
            if is_ours and not _is_of_running(path):
                remove(path)


# What is written beside its place, and moved there once it is whole.
BESIDE = (
    ".*.[0-9]*", "warehouse.next.duckdb*", "state/.*.[0-9]*",
    "restricted/.*.[0-9]*", "restricted/.identity.duckdb.new*", "restricted/accepted/*/.*.[0-9]*",
    "quality/.new-*", "releases/*/.new-*", "releases/*/.*.[0-9]*", "releases/*/.*.new",
    "exports/*/.new-*", "disclosure/*/.*.[0-9]*", "notices/.*.[0-9]*",
)  # fmt: skip


def _is_of_running(path: Path) -> bool:
    """Whether the name ends with the number of another process that has not ended."""
    number = re.match(r"(?:spill-|\..*\.)([0-9]+)$", path.name)
    # In a container every command may have the same number: what bears ours is left behind too.
    return bool(number) and number[1] != str(os.getpid()) and Path("/proc", number[1]).exists()


def connect(
    settings: Settings, database: Path | str = ":memory:", **options
) -> duckdb.DuckDBPyConnection:
    """Open DuckDB within the run's memory and threads, spilling inside the restricted zone."""
    home = Home(settings.home)
    home.scratch.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        con = duckdb.connect(str(database), **options)
    except duckdb.IOException as error:
        hold_own_faults(error)
        if "lock" not in str(error):
            raise SettingsError(
                f"{database}: not readable as a DuckDB file. Expected the one that `kobling "
                "select` writes. Take it away and run `kobling run`, which makes it from the lake."
            ) from None
        raise BusyError(
            f"{database}: another process has it open. DuckDB lets one process write, and none "
            "read meanwhile; releases can always be read. Close the other one, then start again."
        ) from None
    con.execute(f"set memory_limit = '{settings.memory_limit}'")
    con.execute(f"set threads = {settings.threads}")
    # Of this process alone, so that it can be known to be left behind.
    con.execute(f"set temp_directory = '{home.scratch / f'spill-{os.getpid()}'}'")
    con.execute("set temp_file_encryption = true")
    con.execute("set enable_progress_bar = false")
    return con


def pseudonym_key(settings: Settings) -> bytes:
    """The secret that pseudonyms are made with, from a file or the environment.

    A mock home makes its own once. A production home never does: a key that nobody has kept is a
    linkage that nobody can repeat.
    """
    home = Home(settings.home)
    if settings.key_text:
        key, where = settings.key_text.encode(), "KOBLING_KEY"
    elif settings.key_file:
        return key_in(settings.key_file)
    elif home.key.exists():
        key, where = home.key.read_bytes().strip(), str(home.key)
    elif settings.population == "mock":
        home.key.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        replace_text(home.key, secrets.token_hex(32) + "\n", mode=0o600)
        key, where = home.key.read_bytes().strip(), str(home.key)
    else:
        raise LinkageError(
            "environment: no pseudonym key. Expected KOBLING_KEY_FILE (a file of at least "
            f"{MIN_KEY_BYTES} bytes) or KOBLING_KEY. Set one; a production home never makes one."
        )
    return _long_enough(key, where)


def key_in(path: Path) -> bytes:
    """The secret in a key file. Raises LinkageError where it is not there, too short, or open to
    others: who can read it can find everybody."""
    if not path.is_file():
        raise LinkageError(
            f"{path}: no such key file. Expected a file of at least {MIN_KEY_BYTES} bytes. Correct "
            "the name, in KOBLING_KEY_FILE or on the command line."
        )
    # In a container's secrets the container is the lock, and their mode is not its own.
    if path.stat().st_mode & 0o077 and not path.resolve().is_relative_to("/run/secrets"):
        raise LinkageError(
            f"{path}: others may read this key file. Expected it to be its owner's only. "
            f"Run `chmod 600 {path}`."
        )
    return _long_enough(path.read_bytes().strip(), str(path))


def _long_enough(key: bytes, where: str) -> bytes:
    if len(key) < MIN_KEY_BYTES:
        raise LinkageError(
            f"{where}: the pseudonym key has {len(key)} bytes. Expected at least {MIN_KEY_BYTES}. "
            "Use a longer key."
        )
    return key


def replace_text(path: Path, text: str | bytes, mode: int = 0o644) -> None:
    """Write a whole file or nothing."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(text.encode() if isinstance(text, str) else text)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)


def replace_json(path: Path, content: object, mode: int = 0o644) -> None:
    """Write JSON in the one form that is the same on every run."""
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_text(path, canonical_json(content) + "\n", mode)


def for_owner_only(root: Path, but: Path | None = None) -> None:
    """Close a folder and all in it, whatever the umask: 0700 and 0600. `but` stays as it is."""
    for folder, folders, files in os.walk(root):
        if but is not None and str(but) in [str(Path(folder, name)) for name in folders]:
            folders.remove(but.name)
        Path(folder).chmod(0o700)
        for name in files:
            path = Path(folder, name)
            if not path.is_symlink():
                path.chmod(0o600)


def canonical_json(content: object) -> str:
    return json.dumps(content, ensure_ascii=False, indent=2, sort_keys=True, default=str)


def read_json(path: Path) -> dict:
    return json.loads(path.read_text(encoding="utf-8"))


def file_hash(path: Path) -> str:
    """SHA-256 of a file, in hex, read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest(content: object) -> str:
    """SHA-256 of a value's canonical JSON, in hex."""
    return hashlib.sha256(canonical_json(content).encode()).hexdigest()


def remove(path: Path) -> None:
    """Delete a file or a folder that may not be there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
