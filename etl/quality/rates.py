"""How much of each table was linked, refresh by refresh: what the next refresh is held against.

The rates of every refresh lie in the warehouse, `quality.rate_of_refresh`, and are carried on with
the results. The refresh before is the last one made from other delivered files: code that was
changed in between, or a second run, hides no fall.
"""

from pathlib import Path

import duckdb


def give_before(con: duckdb.DuckDBPyConnection, before: Path | None, data_id: str) -> str | None:
    """Make `history.linkage_rate_before` from the warehouse that will be replaced, if there is one.

    `data_id` says from which delivered files the new warehouse is made. Returns that of the refresh
    before, or None where there is none; the table is then empty.
    """
    con.execute("create schema if not exists history")
    con.execute(
        "create or replace table history.linkage_rate_before "
        "(register varchar, table_name varchar, n_landed bigint, n_linked bigint)"
    )
    if before is None or not before.exists():
        return None
    con.execute(f"attach '{before}' as before (read_only)")
    try:
        if not con.execute(
            "select count(*) from duckdb_tables() where database_name = 'before' "
            "and schema_name = 'quality' and table_name = 'rate_of_refresh'"
        ).fetchone()[0]:
            return None
        last = con.execute(
            "select refresh_id, data_id from before.quality.rate_of_refresh where data_id <> ? "
            "order by rowid desc limit 1",
            [data_id],
        ).fetchone()
        if last is None:
            return None
        con.execute(
            "insert into history.linkage_rate_before "
            "select register, table_name, n_landed, n_linked from before.quality.rate_of_refresh "
            "where refresh_id = ?",
            [last[0]],
        )
        return last[1]
    finally:
        con.execute("detach before")


def carry_over(con: duckdb.DuckDBPyConnection, before: Path) -> None:
    """Take the rates of earlier refreshes into a new warehouse from the one it will replace."""
    con.execute(f"attach '{before}' as before (read_only)")
    if con.execute(
        "select count(*) from duckdb_tables() where database_name = 'before' "
        "and schema_name = 'quality' and table_name = 'rate_of_refresh'"
    ).fetchone()[0]:
        con.execute("create schema if not exists quality")
        con.execute("create table quality.rate_of_refresh as from before.quality.rate_of_refresh")
    con.execute("detach before")


def keep(con: duckdb.DuckDBPyConnection, refresh_id: str, data_id: str) -> None:
    """Add the rates of this refresh, `marts.linkage_rate`, to those that were carried over."""
    con.execute("create schema if not exists quality")
    con.execute(
        "create table if not exists quality.rate_of_refresh (refresh_id varchar, data_id varchar, "
        "register varchar, table_name varchar, n_landed bigint, n_linked bigint)"
    )
    con.execute("delete from quality.rate_of_refresh where refresh_id = ?", [refresh_id])
    con.execute(
        "insert into quality.rate_of_refresh "
        "select ?, ?, register, table_name, n_landed, n_linked from marts.linkage_rate "
        "order by register, table_name",
        [refresh_id, data_id],
    )
