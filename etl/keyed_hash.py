"""Keyed hashes of whole columns, in DuckDB, by the rule of `etl.pseudonym.person_ids`.

The same rule gives persons their ids in the warehouse, from the first number, and in each study's
release, from the warehouse's id under a key of the study's own.
"""

import duckdb

from etl import pseudonym


def give_ids(con: duckdb.DuckDBPyConnection, table: str, values: str, key: bytes) -> None:
    """Make the temp table `table` (value, id) of the distinct texts that the query `values` gives.

    `values` selects one text column named value. Nearly every text has its id at once; the few
    whose id is too small or taken are given theirs one by one. A test holds the result to
    `person_ids`.
    """
    inner, outer = pseudonym.pads(key)
    con.execute(
        f"""
        create or replace temp table {table} as
        select value, {pseudonym.CANDIDATE_SQL} as id
        from (select distinct value from ({values}) where value is not null)
        """,
        {"inner": inner, "outer": outer, "shift": 64 - pseudonym.BITS},
    )
    again = con.execute(
        f"""
        select value from {table}
        where id < $smallest
        union
        select value
        from (
            select value, row_number() over (partition by id order by value) as place
            from {table}
            semi join (select id from {table} group by id having count(*) > 1) using (id)
        )
        where place > 1
        order by value
        """,
        {"smallest": pseudonym.SMALLEST},
    ).fetchall()
    if not again:
        return
    con.executemany(f"delete from {table} where value = ?", again)
    for (value,) in again:
        for candidate in pseudonym.later_candidates(value, key):
            (taken,) = con.execute(
                f"select count(*) from {table} where id = ?", [candidate]
            ).fetchone()
            if not taken:
                con.execute(f"insert into {table} values (?, ?)", [value, candidate])
                break
