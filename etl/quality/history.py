"""Results in the warehouse: schema `quality`, one row per result and one per failing row.

The warehouse holds those of its own refresh. What every refresh said lies in `etl.quality.past`.
"""

import json
from collections.abc import Iterable

import duckdb
import polars as pl

from etl.quality.checks import Check
from etl.quality.results import Result, in_order

RESULT = {
    "refresh_id": pl.String,
    "result_number": pl.Int64,
    "suite": pl.String,
    "check_id": pl.String,
    "scope": pl.String,
    "words": pl.String,
    "severity": pl.String,
    "category": pl.String,
    "status": pl.String,
    "n_checked": pl.Int64,
    "n_failing": pl.Int64,
    "tolerated_rows": pl.Int64,
    "tolerated_percent": pl.Float64,
    "why": pl.String,
    "owner": pl.String,
    "reason": pl.String,
    "expectation": pl.String,
    "arguments": pl.String,
    "checked_sql": pl.String,
    "own_key": pl.String,
    "key_columns": pl.String,
    "n_confirmed": pl.Int64,
    "words_da": pl.String,
    "since": pl.String,
    "source": pl.String,
}
FAILURE = {
    "refresh_id": pl.String,
    "result_number": pl.Int64,
    "suite": pl.String,
    "check_id": pl.String,
    "scope": pl.String,
    "failure_number": pl.Int64,
    "row_key": pl.String,
    "is_confirmed": pl.Boolean,
}
TYPES = {
    pl.String: "varchar",
    pl.Int64: "bigint",
    pl.Float64: "double",
    pl.Boolean: "boolean",
}


def store(con: duckdb.DuckDBPyConnection, results: Iterable[Result], refresh_id: str) -> None:
    """Put a refresh's results in the place of what is there, all or none.

    `quality.failure.row_key` is JSON with text values: 64-bit person ids do not survive as JSON
    numbers.
    """
    con.execute("begin")
    try:
        con.execute("create schema if not exists quality")
        for table, columns in (("result", RESULT), ("failure", FAILURE)):
            body = ", ".join(f'"{name}" {TYPES[kind]}' for name, kind in columns.items())
            con.execute(f"create or replace table quality.{table} ({body})")
        numbered = list(enumerate(in_order(results), start=1))
        _append(
            con, "result", RESULT, [_result_row(refresh_id, n, result) for n, result in numbered]
        )
        for n, result in numbered:  # one at a time: a check can fail in millions of rows
            _append(con, "failure", FAILURE, _failure_rows(refresh_id, n, result))
        con.execute("commit")
    except BaseException:
        con.execute("rollback")
        raise


def _is_there(con: duckdb.DuckDBPyConnection) -> bool:
    return bool(
        con.execute(
            """
            select count(*)
            from duckdb_tables()
            where database_name = current_database() and schema_name = 'quality'
                and table_name = 'result'
            """
        ).fetchone()[0]
    )


def _append(con: duckdb.DuckDBPyConnection, table: str, columns: dict, rows: list[tuple]) -> None:
    frame = pl.DataFrame(rows, schema=columns, orient="row")
    con.register("quality_rows", frame)
    con.execute(f"insert into quality.{table} by name select * from quality_rows")
    con.unregister("quality_rows")


def _result_row(refresh_id: str, number: int, result: Result) -> tuple:
    check = result.check
    return (
        refresh_id,
        number,
        check.suite,
        check.id,
        result.scope,
        check.words,
        check.severity,
        check.category,
        result.status,
        result.n_checked,
        result.n_failing,
        check.tolerated_rows,
        check.tolerated_percent,
        check.why,
        check.owner,
        result.reason,
        check.expectation,
        check.arguments,
        check.of,
        json.dumps(check.key) if check.key else None,
        json.dumps(result.key_columns),
        result.n_confirmed,
        check.words_da,
        check.since,
        check.source,
    )


def _failure_rows(refresh_id: str, number: int, result: Result) -> list[tuple]:
    check, confirmed = result.check, set(result.confirmed)
    return [
        (
            refresh_id,
            number,
            check.suite,
            check.id,
            result.scope,
            nth,
            json.dumps(dict(zip(result.key_columns, key, strict=True)), ensure_ascii=False),
            key in confirmed,
        )
        for nth, key in enumerate(result.failing, start=1)
    ]


def stored_results(
    con: duckdb.DuckDBPyConnection, refresh_id: str, *, with_failing: bool = True
) -> list[Result]:
    """Everything that a refresh said; nothing where nothing was stored for it."""
    if not _is_there(con):
        return []
    found = con.execute(
        "select * from quality.result where refresh_id = ? order by result_number", [refresh_id]
    )
    names = [column[0] for column in found.description]
    rows = [dict(zip(names, row, strict=True)) for row in found.fetchall()]
    failing: dict[int, list[tuple[str, ...]]] = {}
    confirmed: dict[int, list[tuple[str, ...]]] = {}
    if with_failing:
        for number, row_key, is_confirmed in con.execute(
            "select result_number, row_key, is_confirmed from quality.failure "
            "where refresh_id = ? order by result_number, failure_number",
            [refresh_id],
        ).fetchall():
            key = tuple(json.loads(row_key).values())
            failing.setdefault(number, []).append(key)
            if is_confirmed:
                confirmed.setdefault(number, []).append(key)
    return [
        Result(
            check=Check(
                suite=row["suite"],
                id=row["check_id"],
                words=row["words"],
                severity=row["severity"],
                category=row["category"],
                tolerated_rows=row["tolerated_rows"],
                tolerated_percent=row["tolerated_percent"],
                why=row["why"],
                owner=row["owner"],
                expectation=row["expectation"],
                arguments=row["arguments"],
                of=row["checked_sql"],
                key=tuple(json.loads(row["own_key"])) if row["own_key"] else None,
                **{name: row.get(name) or "" for name in ("words_da", "since", "source")},
            ),
            scope=row["scope"],
            status=row["status"],
            n_checked=row["n_checked"],
            n_failing=row["n_failing"],
            reason=row["reason"],
            key_columns=tuple(json.loads(row["key_columns"])),
            failing=tuple(failing.get(row["result_number"], ())),
            confirmed=tuple(confirmed.get(row["result_number"], ())),
            n_confirmed=row["n_confirmed"],
        )
        for row in rows
    ]
