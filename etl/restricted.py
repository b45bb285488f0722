"""The restricted store's locks: files full of personal numbers that nobody reads without the key.

Landing, quarantine and findings are Parquet under modular encryption, the identity store is a
DuckDB file; both AES-GCM with 256 bits. Every purpose has a key of its own, derived from the one
secret that pseudonyms are made with, so that whoever learns one knows no other (HKDF-Expand, RFC
5869 section 2.3, one block; the secret is held to be uniform already).
"""

import base64
import hmac
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import duckdb

from etl import pseudonym
from etl.errors import LinkageError, hold_own_faults
from etl.home import Home, connect, pseudonym_key, read_json, remove, replace_json, replace_text
from etl.settings import Settings

FOOTER = "restricted"  # what a connection calls the key
NEW_FOOTER = "locked_anew"
READING = f"encryption_config = {{footer_key: '{FOOTER}'}}"
# What stands between the parentheses of `copy … to … (…)`.
COPY_OPTIONS = f"format parquet, compression zstd, encryption_config {{footer_key: '{FOOTER}'}}"
MODE, FOLDER_MODE = 0o600, 0o700


@dataclass(frozen=True)
class Keys:
    """What the secret opens. Never printed, never in a query but as a connection's own key."""

    secret: bytes = field(repr=False)
    # What tombstones are made with, where it comes from an earlier secret.
    kept_tombstone_key: bytes | None = field(default=None, repr=False)

    @property
    def key_id(self) -> str:
        """A name for the secret that may stand beside the data."""
        return pseudonym.key_id(self.secret)

    def derived(self, purpose: str) -> bytes:
        """32 bytes for one purpose."""
        return hmac.digest(self.secret, f"kobling {purpose}".encode() + b"\x01", "sha256")

    def of_release(self, study: str) -> bytes:
        """The key of a study's own ids: two studies' releases have no id in common."""
        return self.derived(f"release {study}")

    @property
    def tombstone(self) -> bytes:
        """The key of tombstones. It stays when the secret changes: the numbers that they were made
        from are gone, and nobody could make them anew."""
        return self.kept_tombstone_key or self.derived("erased")

    def wrapped(self, key: bytes) -> bytes:
        """Close 32 random bytes with the secret, or open them: with a pad used for nothing else."""
        pad = self.derived("tombstone key")
        return bytes(a ^ b for a, b in zip(key, pad, strict=True))

    def unlock(self, con: duckdb.DuckDBPyConnection, name: str = FOOTER) -> None:
        """Let a connection read and write restricted Parquet."""
        _load_encryption(con)
        key = base64.b64encode(self.derived("parquet")).decode()
        con.execute(f"pragma add_parquet_key('{name}', '{key}')")

    def writer(self, memory_limit: str) -> duckdb.DuckDBPyConnection:
        """An unlocked DuckDB of its own for a thread that only writes, while another one reads.

        Each of its cursors works in the thread that calls it, and takes no other's.
        """
        con = duckdb.connect(config={"threads": 1, "memory_limit": memory_limit})
        self.unlock(con)
        return con

    def attach_identity(
        self, con: duckdb.DuckDBPyConnection, path: Path, read_only: bool = True
    ) -> None:
        """Attach the identity store as `identity`. Raises LinkageError where the key is another."""
        _load_encryption(con)
        key = self.derived("identity").hex()
        mode = ", read_only" if read_only else ""
        try:
            con.execute(f"attach '{path}' as identity (encryption_key '{key}'{mode})")
        except duckdb.Error as error:
            hold_own_faults(error)
            # Its own words hold the key.
            raise LinkageError(
                f"{path}: does not open with key {self.key_id}. Expected the identity store as "
                "`kobling link` wrote it under this key. Set the key of this home, or take the "
                "file away and link again."
            ) from None


def scan(*paths: Path | str, options: str = "") -> str:
    """SQL that reads restricted Parquet on an unlocked connection."""
    files = ", ".join("'" + str(path).replace("'", "''") + "'" for path in paths)
    more = f", {options}" if options else ""
    return f"read_parquet([{files}], {READING}{more})"


def scan_by_name(*paths: Path | str) -> str:
    """As `scan`, of files with different columns. DuckDB 1.5 cannot unite locked files by name."""
    return "(" + " union all by name ".join(f"select * from {scan(path)}" for path in paths) + ")"


def keys_of(settings: Settings, *, during_erasure: bool = False) -> Keys:
    """The keys of a home.

    Raises LinkageError without a key, with one that is too short, and with another than the store
    was locked with: a second key would give everybody a second id.
    """
    keys = Keys(pseudonym_key(settings))
    home = Home(settings.home)
    if rotation_of(home).exists():
        raise LinkageError(
            f"{home.restricted}: a change of the key was broken off. Expected it to be finished. "
            "Run `kobling rotate-key` again with the same two keys."
        )
    if erasure_of(home).exists() and not during_erasure:
        raise LinkageError(
            f"{home.restricted}: an erasure was broken off. Expected it to be finished, so that "
            "nobody is half erased. Run `kobling erase` again with the same file."
        )
    hold_key(home, keys)
    return with_tombstone_key(home, keys)


def with_tombstone_key(home: Home, keys: Keys) -> Keys:
    """The same keys with the tombstone key that an earlier secret has left, if one has."""
    place = tombstone_key_of(home)
    if not place.exists():
        return keys
    kept = read_json(place)
    if kept["key_id"] != keys.key_id:
        raise LinkageError(
            f"{place}: closed with key {kept['key_id']}, and the key given is {keys.key_id}. "
            "Expected the same. Give the key of this home (KOBLING_KEY_FILE)."
        )
    return replace(keys, kept_tombstone_key=keys.wrapped(bytes.fromhex(kept["wrapped"])))


def _keep_tombstone_key(home: Home, old: Keys, new: Keys) -> None:
    place = tombstone_key_of(home)
    if place.exists() and read_json(place)["key_id"] == new.key_id:
        return  # by a change that was broken off
    key = with_tombstone_key(home, old).tombstone
    replace_json(place, {"key_id": new.key_id, "wrapped": new.wrapped(key).hex()}, MODE)


def hold_key(home: Home, keys: Keys) -> None:
    """Remember under which key the store is locked, and refuse another."""
    mark = mark_of(home)
    if mark.exists():
        known = read_json(mark)["key_id"]
        if known != keys.key_id:
            raise LinkageError(
                f"{home.restricted}: locked with key {known}, and the key given is {keys.key_id}. "
                "Expected the same. Give the key of this home (KOBLING_KEY_FILE), or change it "
                "with `kobling rotate-key`."
            )
    elif (known := linked_under(home)) not in (None, keys.key_id):
        raise LinkageError(
            f"{home.lake}: linked under key {known}, and the key given is {keys.key_id}. Expected "
            "the same. Give the key of this home (KOBLING_KEY_FILE), or take the lake and the "
            "releases away first."
        )
    elif (landed := next(home.landing.rglob("*.parquet"), None)) and not _is_locked(landed):
        raise LinkageError(
            f"{home.landing}: written by a version that locked nothing. Expected locked files. "
            "Take restricted/landing, quarantine, findings and accepted away and run again: "
            "deliveries/ holds everything that came."
        )
    elif landed and not _unlocks(keys, landed):
        raise LinkageError(
            f"{mark}: not there, and what has landed does not open with key {keys.key_id}. "
            "Expected the key that it was locked with. Give the key of this home "
            "(KOBLING_KEY_FILE)."
        )
    else:  # a new home, or one whose mark was lost
        home.restricted.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
        replace_json(mark, {"key_id": keys.key_id}, MODE)


def _is_locked(path: Path) -> bool:
    """Parquet whose footer is encrypted says so in its last four bytes."""
    with path.open("rb") as file:
        file.seek(-4, 2)
        return file.read() == b"PARE"


def _unlocks(keys: Keys, path: Path) -> bool:
    with duckdb.connect() as con:
        keys.unlock(con)
        return _opens(con, path, FOOTER)


def linked_under(home: Home) -> str | None:
    """The id of the key that the lake was last linked under, as far as it is known."""
    state = home.state / "link.json"
    return read_json(state).get("key_id") if state.exists() else None


def mark_of(home: Home) -> Path:
    """Names the key that the store is locked with."""
    return home.restricted / "key.json"


def is_locked_with(home: Home, keys: Keys) -> bool:
    return mark_of(home).exists() and read_json(mark_of(home))["key_id"] == keys.key_id


def tombstone_key_of(home: Home) -> Path:
    """There once the secret was changed: the first one's tombstone key, closed with the present."""
    return home.restricted / "tombstone_key.json"


def rotation_of(home: Home) -> Path:
    """There while the key is being changed."""
    return home.restricted / "rotation.json"


def erasure_of(home: Home) -> Path:
    """There while a person is being erased: the journal of it."""
    return home.restricted / "erasure.json"


@contextmanager
def unlocked(settings: Settings) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection that reads and writes restricted Parquet."""
    keys = keys_of(settings)
    with connect(settings) as con:
        keys.unlock(con)
        yield con


def keep_identity(con: duckdb.DuckDBPyConnection, home: Home, keys: Keys) -> None:
    """Write who is who beside its place, then put it there.

    The connection has the tables `crosswalk` and `number_finding` of `etl.linkage`.
    """
    beside = home.restricted / ".identity.duckdb.new"
    remove(beside)
    remove(beside.with_name(beside.name + ".wal"))
    keys.attach_identity(con, beside, read_only=False)
    con.execute("create table identity.number as select * from crosswalk order by pnr")
    con.execute("create table identity.number_finding as select * from number_finding order by all")
    con.execute("create table identity.key as select ? as key_id", [keys.key_id])
    con.execute("detach identity")
    beside.chmod(MODE)
    beside.replace(home.identity)


def rotate(settings: Settings, new: Keys, say: Callable[[str], None]) -> int:
    """Lock every file of the store with another secret. Returns how many were locked anew.

    Killed at any moment and called again with the same two keys it goes on where it was: a file is
    locked with the one or with the other, and until `rotation_of` is taken away, by whoever called,
    nothing else opens the store. Identity goes; `link` makes it, and the lake, under the new key.
    """
    home = Home(settings.home)
    old = Keys(pseudonym_key(settings))
    begun = rotation_of(home)
    wanted = {"from": old.key_id, "to": new.key_id}
    if begun.exists() and read_json(begun)["to"] == new.key_id == old.key_id:
        return 0  # all was done but to say so
    if begun.exists() and read_json(begun) != wanted:
        raise LinkageError(
            f"{home.restricted}: a change from key {read_json(begun)['from']} to "
            f"{read_json(begun)['to']} was broken off. Expected the same two keys. Give them again."
        )
    if not begun.exists():
        keys_of(settings)  # nothing else is half done here
        replace_json(begun, wanted, MODE)
    paths = [
        path
        for store in (home.landing, home.quarantine, home.findings)
        for path in sorted(store.rglob("*.parquet"))
        if not path.name.startswith(".")
    ]
    done, told = 0, time.monotonic()
    with connect(settings) as con:
        old.unlock(con)
        new.unlock(con, NEW_FOOTER)
        for nth, path in enumerate(paths, 1):
            if not _opens(con, path, NEW_FOOTER):
                beside = path.with_name(f".{path.name}.new")
                con.execute(
                    f"copy (from {scan(path)}) to '{beside}' "
                    f"({COPY_OPTIONS.replace(FOOTER, NEW_FOOTER)})"
                )
                beside.chmod(MODE)
                beside.replace(path)
                done += 1
            if time.monotonic() - told > 2:
                told = time.monotonic()
                say(f"{nth} of {len(paths)} files locked anew")
    _keep_tombstone_key(home, old, new)
    remove(home.identity)
    replace_json(mark_of(home), {"key_id": new.key_id}, MODE)
    if not settings.key_text and not settings.key_file:
        replace_text(home.key, new.secret, mode=MODE)
    return done


def _opens(con: duckdb.DuckDBPyConnection, path: Path, footer: str) -> bool:
    try:
        con.execute(f"describe from {scan(path).replace(repr(FOOTER), repr(footer))}")
    except duckdb.InvalidInputException:
        return False
    return True


def _load_encryption(con: duckdb.DuckDBPyConnection) -> None:
    """DuckDB encrypts files with what its httpfs extension brings, here as a wheel of the lock."""
    try:
        from duckdb_extensions import import_extension

        import_extension("httpfs", con=con)
        con.execute("load httpfs")
    except (ImportError, OSError, duckdb.Error) as error:
        raise LinkageError(
            "environment: DuckDB's extension httpfs cannot be loaded "
            f"({str(error).splitlines()[0]}). Expected the one of requirements.lock "
            "(duckdb-extension-httpfs): without it nothing can be locked or opened. Run "
            "`make clean` and the command again."
        ) from None
