"""What stands in rows that failed a check, for whoever confirms a record as it stands."""

from collections.abc import Iterable, Sequence

import duckdb

from etl.quality.results import Key

# Where a row came from, which is another place when it is delivered again unchanged.
PROVENANCE = ("source_file", "source_row", "delivered_on")


def row_contents(
    con: duckdb.DuckDBPyConnection, table_name: str, key_columns: Sequence[str], keys: Iterable[Key]
) -> dict[Key, str]:
    """The content of rows as JSON text, by their key; nothing where the table lacks a key column.

    Columns are in order of their names, so the text changes only when a value does, or when a
    column comes or goes. Rows under one key are told together.
    """
    keys = list(keys)
    columns = sorted(name for name, *_ in con.execute(f"describe {table_name}").fetchall())
    if not keys or not set(key_columns) <= set(columns):
        return {}
    wanted = ", ".join("(" + ", ".join("?" for _ in key) + ")" for key in keys)
    named = ", ".join(f'"{name}"' for name in key_columns)
    # A failing row's key has nothing where the column is null.
    texts = ", ".join(f"coalesce(told.\"{name}\"::varchar, '')" for name in key_columns)
    told = ", ".join(f'"{name}" := "{name}"' for name in columns if name not in PROVENANCE)
    rows = con.execute(
        f"""
        select {texts}, string_agg(told.content, chr(10) order by told.content)
        from (select {named}, to_json(struct_pack({told}))::varchar as content from {table_name})
            as told
        where ({texts}) in ({wanted})
        group by all
        """,
        [value for key in keys for value in key],
    ).fetchall()
    return {tuple(key): content for *key, content in rows}
