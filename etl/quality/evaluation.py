"""Runs checks: Great Expectations counts, SQL of our own names every row that fails.

Great Expectations keeps at most 200 failing rows, and would keep their values. It is therefore
asked for counts only, and the keys come from SQL built from the same expectation. The two are held
against each other: where they disagree the check counts as not run, so a list is never short.
"""

import datetime
import logging
import os
import re
from collections.abc import Iterable, Sequence
from contextlib import suppress

import duckdb

from etl.errors import QualityError, hold_own_faults
from etl.personal_number import SHAPE
from etl.quality.checks import UNEXPECTED_ROWS, Check
from etl.quality.results import Key, Result, judge

# What names a row of a mart that declares no primary key, in this order.
KEY_COLUMNS = (
    "study_id", "person_id", "outcome", "factor", "step",
    "register", "table_name", "period", "stage", "reason",
)  # fmt: skip
# Their messages are about names and SQL. Others (a conversion, say) quote values.
MESSAGES_WITHOUT_VALUES = (
    duckdb.BinderException,
    duckdb.CatalogException,
    duckdb.ParserException,
)
COUNTS_ONLY = {"result_format": "BASIC", "partial_unexpected_count": 0}


def run(
    con: duckdb.DuckDBPyConnection,
    table_name: str,
    checks: Iterable[Check],
    *,
    key_columns: Sequence[str],
    sensitive_columns: Sequence[str],
    scope: str = "",
) -> list[Result]:
    """Run every check on a table or view of the connection; one result each, in their order.

    Args:
        table_name: `pato`, or with its schema `marts.cohort`.
        key_columns: What names a failing row. None of them may be sensitive.
        scope: What was run on, where it is not the whole table: a delivery, say.

    A check that cannot be evaluated is `not_run` with its reason and stops no other check.
    """
    checks = list(checks)
    ids = [check.id for check in checks]
    if len(set(ids)) < len(ids):
        twice = sorted({id_ for id_ in ids if ids.count(id_) > 1})
        raise QualityError(
            f"{table_name}: two checks have the id {', '.join(twice)}. Expected each once; a "
            "written check may not bear a structural one's name. Rename it under expectations/."
        )
    sensitive = {column.lower() for column in sensitive_columns}
    great_expectations = _GreatExpectations(con, table_name)
    return [
        _evaluate(con, great_expectations, table_name, check, key_columns, sensitive, scope)
        for check in checks
    ]


def _evaluate(
    con: duckdb.DuckDBPyConnection,
    great_expectations: "_GreatExpectations",
    table_name: str,
    check: Check,
    key_columns: Sequence[str],
    sensitive: set[str],
    scope: str,
) -> Result:
    key = check.key or tuple(key_columns)
    if not key or {column.lower() for column in key} & sensitive:
        raise QualityError(
            f"{check.suite}: {check.id}: failing rows would be named by "
            f"{', '.join(key) or 'nothing'}. Expected columns without personal numbers. Correct "
            "the key."
        )

    def result(status: str, n_checked: int = 0, failing: tuple[Key, ...] = (), reason: str = ""):
        return Result(check, scope, status, n_checked, len(failing), reason, key, failing)

    try:
        n_checked, failing = _rows(con, table_name, check, key)
    except duckdb.Error as error:
        hold_own_faults(error)  # a check that was not run stays so
        return result("not_run", reason=_without_values(error))
    if any(SHAPE.fullmatch(value) for row in failing for value in row):
        return result("not_run", reason="a failing row's key has the shape of a personal number")
    if n_checked == 0 and not failing:
        return result("not_applicable")
    great_expectations.open()
    try:
        counted, failed = great_expectations.count(check, key)
    except Exception as error:  # Great Expectations raises what it likes; others must still run
        hold_own_faults(error)
        return result("not_run", reason=f"Great Expectations stopped with {type(error).__name__}")
    if counted not in (None, n_checked) or failed != len(failing) or failed > n_checked:
        return result(
            "not_run",
            reason=f"Great Expectations counts {failed} failing of "
            f"{'an unsaid number' if counted is None else counted}, "
            f"the list of failing rows has {len(failing)} of {n_checked}",
        )
    return result(judge(check, n_checked, len(failing)), n_checked, failing)


def key_columns(con: duckdb.DuckDBPyConnection, name: str) -> tuple[str, ...]:
    """What names a row of a table `schema.table`: its primary key, else the columns that would."""
    schema, table = _parts(name)
    declared = con.execute(
        """
        select constraint_column_names
        from duckdb_constraints()
        where database_name = current_database() and schema_name = coalesce(?, current_schema())
            and table_name = ? and constraint_type = 'PRIMARY KEY'
        """,
        [schema, table],
    ).fetchone()
    if declared:
        return tuple(declared[0])
    there = {
        row[0]
        for row in con.execute(
            """
            select column_name
            from duckdb_columns()
            where database_name = current_database()
                and schema_name = coalesce(?, current_schema()) and table_name = ?
            """,
            [schema, table],
        ).fetchall()
    }
    return tuple(column for column in KEY_COLUMNS if column in there)


def _parts(name: str) -> tuple[str | None, str]:
    schema, _, table = name.rpartition(".")
    return schema or None, table


# ------------------------------------------------------------------ the failing rows, by our SQL


def queries(check: Check, table_name: str) -> tuple[str, str]:
    """SQL for the rows that a check is about, and for those of them that fail."""
    batch = ".".join(f'"{part}"' for part in table_name.split("."))
    if check.expectation == UNEXPECTED_ROWS:
        of = (check.of or "select * from {batch}").format(batch=batch)
        return of, check.kwargs["unexpected_rows_query"].format(batch=batch)
    applies, fails = _conditions(check)
    # Being unique needs a window function, which cannot stand in a `where`.
    failing = (
        f'select * from (select *, {fails} as " fails" from {batch} where {applies}) '
        'as checked where " fails"'
    )
    return f"select * from {batch} where {applies}", failing


def _rows(
    con: duckdb.DuckDBPyConnection, table_name: str, check: Check, key: Key
) -> tuple[int, tuple[Key, ...]]:
    """How many rows the check is about, and the key of each that fails, in order."""
    of, failing = queries(check, table_name)
    n_checked = con.execute(f"select count(*) from ({of}\n) as checked").fetchone()[0]
    named = ", ".join(f'"{column}"' for column in key)
    text = ", ".join(f"coalesce(cast(\"{column}\" as varchar), '')" for column in key)
    rows = con.execute(
        f"select {text} from (select {named} from ({failing}\n) as failing) as named "
        f"order by {named}"
    ).fetchall()
    return n_checked, tuple(rows)


def _conditions(check: Check) -> tuple[str, str]:
    """SQL for the rows that an expectation is about, and for those among them that fail.

    Values that are missing are not wrong: only being not null is about them.
    """
    kwargs = check.kwargs
    column = f'"{kwargs["column"]}"' if "column" in kwargs else ""
    match check.expectation:
        case "expect_column_values_to_not_be_null":
            return "true", f"{column} is null"
        case "expect_column_values_to_be_in_set":
            values = ", ".join(map(_literal, kwargs["value_set"]))
            return f"{column} is not null", f"{column} not in ({values})"
        case "expect_column_values_to_match_regex":
            pattern = _literal(kwargs["regex"])
            return f"{column} is not null", f"not regexp_matches({column}, {pattern})"
        case "expect_column_values_to_be_between":
            bounds = [
                f"{column} {'<=' if kwargs.get(f'strict_{end}') else '<'} {_literal(value)}"
                if end == "min"
                else f"{column} {'>=' if kwargs.get(f'strict_{end}') else '>'} {_literal(value)}"
                for end in ("min", "max")
                if (value := kwargs.get(f"{end}_value")) is not None
            ]
            return f"{column} is not null", f"({' or '.join(bounds)})"
        case "expect_column_values_to_be_unique":
            return f"{column} is not null", f"count(*) over (partition by {column}) > 1"
        case "expect_compound_columns_to_be_unique":
            columns = [f'"{name}"' for name in kwargs["column_list"]]
            return (
                " and ".join(f"{name} is not null" for name in columns),
                f"count(*) over (partition by {', '.join(columns)}) > 1",
            )
        case "expect_column_pair_values_a_to_be_greater_than_b":
            a, b = f'"{kwargs["column_A"]}"', f'"{kwargs["column_B"]}"'
            below = "<" if kwargs.get("or_equal") else "<="
            return f"{a} is not null and {b} is not null", f"{a} {below} {b}"
    raise AssertionError(f"no SQL for {check.expectation}")


def _literal(value: object) -> str:
    return "'" + value.replace("'", "''") + "'" if isinstance(value, str) else str(value)


def _without_values(error: duckdb.Error) -> str:
    kind = type(error).__name__
    if not isinstance(error, MESSAGES_WITHOUT_VALUES):
        return f"DuckDB stopped with {kind}, whose message may hold values"
    return f"{kind}: " + re.sub(r"\d{4,}", "…", str(error).splitlines()[0])


# ------------------------------------------------------------------ Great Expectations


class _GreatExpectations:
    """Counts by Great Expectations on one table. Imported when first opened, for it is slow.

    There is no data context: nothing is written to the working directory, nothing is sent.
    """

    def __init__(self, con: duckdb.DuckDBPyConnection, table_name: str):
        self._con = con
        self._table_name = table_name
        self._validator = None

    def count(self, check: Check, key: Key) -> tuple[int | None, int]:
        """(rows the expectation is about or None where it does not say, rows that fail)."""
        from great_expectations.expectations.expectation_configuration import (
            ExpectationConfiguration,
        )

        configuration = ExpectationConfiguration(
            type=check.expectation, kwargs=_for_great_expectations(check, key)
        )
        (validation,) = self._validator.graph_validate(
            [configuration],
            runtime_configuration={"result_format": COUNTS_ONLY, "catch_exceptions": False},
        )
        found = validation.result
        if check.expectation == UNEXPECTED_ROWS:
            return None, int(found["observed_value"])
        n_checked = found["element_count"] - found.get("missing_count", 0)
        return n_checked, int(found["unexpected_count"] or 0)

    def open(self) -> None:
        if self._validator is not None:
            return
        os.environ["GX_ANALYTICS_ENABLED"] = "False"
        logging.getLogger("great_expectations").setLevel(logging.ERROR)
        from great_expectations.core.batch import Batch
        from great_expectations.execution_engine import SqlAlchemyExecutionEngine
        from great_expectations.execution_engine.sqlalchemy_batch_data import SqlAlchemyBatchData
        from great_expectations.validator.validator import Validator

        from etl.gx_duckdb import engine_on

        class Quiet(Validator):
            def _determine_progress_bars(self) -> bool:
                return False

        schema, table = _parts(self._table_name)
        engine = SqlAlchemyExecutionEngine(engine=engine_on(self._con), create_temp_table=False)
        data = SqlAlchemyBatchData(
            execution_engine=engine,
            schema_name=schema,
            table_name=table,
            create_temp_table=False,
        )
        self._validator = Quiet(execution_engine=engine, batches=[Batch(data=data)])


def _for_great_expectations(check: Check, key: Key) -> dict:
    """The expectation's arguments, so that its rows are those that our SQL is about."""
    kwargs = check.kwargs
    match check.expectation:
        case "unexpected_rows_expectation":
            # Great Expectations holds rows of this query: let them be keys, whatever it selects.
            named = ", ".join(f'"{column}"' for column in key)
            query = kwargs["unexpected_rows_query"]
            return {"unexpected_rows_query": f"select {named} from ({query}\n) as failing"}
        case "expect_compound_columns_to_be_unique":
            return kwargs | {"ignore_row_if": "any_value_is_missing"}
        case "expect_column_pair_values_a_to_be_greater_than_b":
            return kwargs | {"ignore_row_if": "either_value_is_missing"}
        case "expect_column_values_to_be_between":
            for bound in ("min_value", "max_value"):
                with suppress(TypeError, ValueError, KeyError):
                    kwargs[bound] = datetime.date.fromisoformat(kwargs[bound])
    return kwargs
