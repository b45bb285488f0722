"""What the next refresh is held against: how much of each table was linked, and its rows by year.

The counts of every refresh lie in the warehouse, schema `quality`, and are carried on from
warehouse to warehouse. The refresh before is the last one made from other delivered files: code
that was changed in between, or a second run, hides no fall.
"""

from dataclasses import dataclass
from pathlib import Path

import duckdb


@dataclass(frozen=True)
class Kept:
    """Columns of a mart that every refresh keeps in a table of `quality`.

    Those of the refresh before are given to the next as a table of `history`.
    """

    mart: str
    table: str
    given: str
    keys: tuple[str, ...]
    counts: tuple[str, ...]

    @property
    def columns(self) -> str:
        return ", ".join(self.keys + self.counts)

    @property
    def body(self) -> str:
        keys = [f"{name} varchar" for name in self.keys]
        return ", ".join(keys + [f"{name} bigint" for name in self.counts])


KEPT = (
    Kept(
        "marts.linkage_rate",
        "rate_of_refresh",
        "linkage_rate_before",
        ("register", "table_name"),
        ("n_landed", "n_linked"),
    ),
    Kept(
        "marts.row_count",
        "row_count_of_refresh",
        "row_count_before",
        ("register", "table_name", "year"),
        ("n_rows",),
    ),
)


def give_before(con: duckdb.DuckDBPyConnection, before: Path | None, data_id: str) -> str | None:
    """Make the tables of `history` from the warehouse that will be replaced, if there is one.

    `data_id` says from which delivered files the new warehouse is made. Returns that of the refresh
    before, or None where there is none; the tables are then empty, as is one whose mart the refresh
    before did not keep yet.
    """
    con.execute("create schema if not exists history")
    for kept in KEPT:
        con.execute(f"create or replace table history.{kept.given} ({kept.body})")
    if before is None or not before.exists():
        return None
    con.execute(f"attach '{before}' as before (read_only)")
    try:
        ids = [_give(con, kept, data_id) for kept in KEPT]
    finally:
        con.execute("detach before")
    return next((id_ for id_ in ids if id_ is not None), None)


def _give(con: duckdb.DuckDBPyConnection, kept: Kept, data_id: str) -> str | None:
    if not con.execute(
        "select count(*) from duckdb_tables() where database_name = 'before' "
        "and schema_name = 'quality' and table_name = ?",
        [kept.table],
    ).fetchone()[0]:
        return None
    last = con.execute(
        f"select refresh_id, data_id from before.quality.{kept.table} where data_id <> ? "
        "order by rowid desc limit 1",
        [data_id],
    ).fetchone()
    if last is None:
        return None
    con.execute(
        f"insert into history.{kept.given} select {kept.columns} "
        f"from before.quality.{kept.table} where refresh_id = ?",
        [last[0]],
    )
    return last[1]


def carry_over(con: duckdb.DuckDBPyConnection, before: Path) -> None:
    """Take the counts of earlier refreshes into a new warehouse from the one it will replace."""
    con.execute("create schema if not exists quality")
    con.execute(f"attach '{before}' as before (read_only)")
    held = con.execute(
        "select table_name from duckdb_tables() "
        "where database_name = 'before' and schema_name = 'quality'"
    ).fetchall()
    for kept in KEPT:
        if (kept.table,) in held:
            con.execute(f"create table quality.{kept.table} as from before.quality.{kept.table}")
    con.execute("detach before")


def keep(con: duckdb.DuckDBPyConnection, refresh_id: str, data_id: str) -> None:
    """Add the counts of this refresh to those that were carried over."""
    con.execute("create schema if not exists quality")
    for kept in KEPT:
        con.execute(
            f"create table if not exists quality.{kept.table} "
            f"(refresh_id varchar, data_id varchar, {kept.body})"
        )
        con.execute(f"delete from quality.{kept.table} where refresh_id = ?", [refresh_id])
        con.execute(
            f"insert into quality.{kept.table} select ?, ?, {kept.columns} from {kept.mart} "
            f"order by {', '.join(kept.keys)}",
            [refresh_id, data_id],
        )
