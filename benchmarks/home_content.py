"""What a home holds, file by file, as two runs of the same work must leave it.

Files are compared by their bytes; what differs in bytes by its nature by what it holds: DuckDB
files table by table in order, locked Parquet files as rows, the ledger as events without times.
"""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import duckdb

from etl import restricted
from etl.home import Home, file_hash

# dbt writes times into its target and its log; what counts of it is copied out of them. The inbox
# belongs to the keepers, the answers to the mock. A notice may be told twice, and of a disturbance
# too.
NOT_COMPARED = ("logs", "notices", "state/dbt", "restricted/inbox", "restricted/answers")
NOTICE_SENT = "notice sent"
# What a command writes beside a place before it moves it there, and what lives only as long as it.
HALF_DONE = (".new", ".next.duckdb", ".wal", ".tmp")


# Of an entry of the ledger: when, how long, in which checkout, and the hash that follows.
PASSING = ("at", "seconds", "commit", "before")


def content(root: Path, key: bytes) -> dict[str, str]:
    """Path → digest of every file, link and empty folder below a home, its ledger line by line."""
    home, keys, found = Home(root), restricted.Keys(key), {}
    with duckdb.connect() as con:
        keys.unlock(con)
        for path in _below(root):
            name = str(path.relative_to(root))
            if path.is_symlink():
                found[name] = f"→ {path.readlink()}"
            elif path.is_dir():
                found[name] = "an empty folder"
            elif path == home.ledger:
                found |= {f"ledger, line {n}": line for n, line in enumerate(events(home), 1)}
            elif path.suffix == ".duckdb":
                found[name] = _tables(con, keys, path, path == home.identity)
            elif path.suffix == ".parquet" and path.is_relative_to(home.restricted):
                found[name] = _rows(con, f"from {restricted.scan(path)}")
            else:
                found[name] = file_hash(path)
    return found


def events(home: Home) -> list[str]:
    """The ledger's lines, each without what differs from run to run."""
    lines = home.ledger.read_text(encoding="utf-8").splitlines()
    return [
        json.dumps({k: v for k, v in entry.items() if k not in PASSING})
        for entry in map(json.loads, lines)
        if entry["event"] != NOTICE_SENT
    ]


def differences(found: dict[str, str], wanted: dict[str, str]) -> list[str]:
    """What one home has that the other has not, or has otherwise."""
    return sorted(
        f"{name}: " + ("missing" if name not in found else "left over" if name not in wanted
                       else f"differs: {found[name][:400]}; expected {wanted[name][:400]}")
        for name in found.keys() | wanted.keys()
        if found.get(name) != wanted.get(name)
    )  # fmt: skip


def half_done(root: Path) -> list[str]:
    """Files that a finished command should have moved, or taken away."""
    return sorted(
        str(path.relative_to(root))
        for path in _below(root)
        if path.name.startswith(".")
        or path.name.endswith(HALF_DONE)
        or (path.parent == Home(root).scratch)
    )


def unclosed_sums(root: Path) -> list[str]:
    """Tables and periods of which rows in are not landed + quarantined, or landed are not linked +
    unlinked."""
    rows = duckdb.execute(
        f"""
        select register || '/' || table_name || '/' || period, n from (
            pivot (from '{Home(root).lake / "linkage_flow.parquet"}')
            on stage in ('received', 'landed', 'quarantined', 'linked', 'unlinked')
            using coalesce(sum(rows), 0)
            group by register, table_name, period
        ) as flow, lateral (select [received, landed, quarantined, linked, unlinked] as n)
        """
    ).fetchall()
    assert rows, "no flow of a linkage to look at"
    return [f"{slot}: {n}" for slot, n in rows if n[0] != n[1] + n[2] or n[1] != n[3] + n[4]]


def _below(root: Path) -> Iterator[Path]:
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root)
        if any(name.is_relative_to(place) for place in NOT_COMPARED) or path.name.endswith(".lock"):
            continue
        if path.is_symlink() or path.is_file() or not any(path.iterdir()):
            yield path


def _tables(
    con: duckdb.DuckDBPyConnection, keys: restricted.Keys, path: Path, is_locked: bool
) -> str:
    if is_locked:
        keys.attach_identity(con, path)
    else:
        con.execute(f"attach '{path}' as identity (read_only)")
    told = con.execute(
        "select schema_name, table_name from duckdb_tables() where database_name = 'identity' "
        "order by all"
    ).fetchall()
    digests = [
        [schema, table, _rows(con, f'from identity."{schema}"."{table}" order by all')]
        for schema, table in told
    ]
    con.execute("detach identity")
    return hashlib.sha256(json.dumps(digests).encode()).hexdigest()


def _rows(con: duckdb.DuckDBPyConnection, source: str) -> str:
    table = con.execute(f"select columns(*)::varchar {source}").pl()
    return hashlib.sha256(table.write_csv().encode()).hexdigest()
