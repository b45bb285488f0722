"""Each given row typed by the contract, with its reason for quarantine or none, and its findings.

The rows are read once. On the way each is judged and lands at once, or is kept with what there is
to tell of it; only copies and unreadable lines, which are known at the end, make the landed file
be written again. Nothing holds the rows, so memory does not grow with the delivery.
"""

import datetime as dt
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import duckdb
import numpy as np
import pyarrow

from etl.errors import DeliveryError, hold_own_faults
from etl.landing.given import Given, identifier, malformed_lines
from etl.landing.plain import as_given, batches, is_short_way, rows_as_given
from etl.landing.streaming import ROWS_AT_ONCE, Hashes, divide, rewrite
from etl.landing.unnamed import UnnamedFiles
from etl.personal_number import MADE_UP_REASON
from etl.registers import MISSING, Column, Table
from etl.restricted import scan

SECONDS_A_DAY = 86_400
# DuckDB's errors come through Arrow as text.
OURS = ("Out of Memory Error", "INTERNAL Error")
# What older systems wrote where they knew no day.
PLACEHOLDER = "date '1900-01-01'"
# The sign for a character that is lost, as itself and as UTF-8 read as windows-1252.
LOST = ("\ufffd", "ï¿½")


@dataclass(frozen=True)
class Judged:
    """What is to be told of a file. The views `landed` and `refused` have its rows."""

    rows: int
    quarantined: dict[str, int]
    unreadable: dict[str, int]  # required and key columns, whatever became of the row
    findings: dict[str, int]
    years: dict[int, int]  # of the landed rows, by the table's period column
    last_day: str | None  # of the period, MM-DD
    landing: Path  # the rows that land, in the order of the file


def judge(
    con: duckdb.DuckDBPyConnection,
    given: Given,
    path: Path,
    source_file: str,
    period: str | None,
    expected_rows: int,
    population: str,
    delivered_on: dt.date,
    scratch: Path,
    unnamed: UnnamedFiles,
    writing: duckdb.DuckDBPyConnection,
) -> Judged:
    """Read, type and judge a file. No day of it can lie after the day it was delivered on.

    Raises:
        DeliveryError: it breaks off, holds another number of rows than expected, or, in a mock
            home, a number that may be a real person's.
    """
    table = given.table
    landing, odd = scratch / "landed.parquet", scratch / "odd.parquet"
    try:
        hashes = divide(
            *_judged_rows(con, given, population, delivered_on),
            tuple(column.name for column in table.columns),
            source_file,
            landing,
            odd,
            unnamed.make("row_hashes"),
            writing,
        )
    except (duckdb.OutOfMemoryException, duckdb.InternalException):
        raise  # ours, not the keeper's
    except (duckdb.Error, pyarrow.ArrowInvalid) as error:
        hold_own_faults(error)
        if any(fault in str(error) for fault in OURS):
            raise
        raise DeliveryError(f"{path}: {given.broken}") from None
    con.execute(f"create or replace temp view odd_first as select * from {scan(odd)}")
    malformed = malformed_lines(con, path)
    # Any text can be read.
    strict = [column for column in _strict(table) if column.type != "text"]
    counted = con.execute(
        "select count(*)"
        + "".join(f', count(*) filter (where "real {c.name}")' for c in table.number_columns)
        + "".join(f', count(*) filter (where "unreadable {c.name}")' for c in strict)
        + " from odd_first"
    ).fetchone()
    rows = hashes.rows + malformed
    if rows != expected_rows:
        raise DeliveryError(
            f"{path}: found {rows} rows, expected {expected_rows} by the manifest. "
            "The file is cut or miscounted; ask the keeper to send the delivery again."
        )
    n_numbers = len(table.number_columns)
    for column, count in zip(table.number_columns, counted[1:], strict=False):
        if count:
            raise DeliveryError(
                f"{path}: {count} values of {column.name} have a day from 01 to 31 and may belong "
                "to real persons. Expected days 61 to 91 in a mock home. Take the delivery away, "
                "or use a production home (KOBLING_POPULATION=production)."
            )
    bad = zip(strict, counted[1 + n_numbers :], strict=True)
    copies = _find_copies(con, table, landing, hashes)
    shifts = _shifts(con) if malformed else []
    if len(copies) or shifts:
        rewrite(landing, copies, shifts, writing)
    _name_rows(con, given, landing, copies, malformed)
    reasons = con.execute(
        "select reason, count(*) from refused group by all order by all"
    ).fetchall()
    quarantined = dict(reasons) | ({"malformed_line": malformed} if malformed else {})
    findings, years, last_day = _told_of_landed_rows(con, given, period, delivered_on)
    return Judged(
        rows,
        quarantined,
        {column.name: count for column, count in bad if count},
        findings,
        years,
        last_day,
        landing,
    )


# ------------------------------------------------------------------ the one pass


def _judged_rows(
    con: duckdb.DuckDBPyConnection, given: Given, population: str, delivered_on: dt.date
) -> tuple[pyarrow.Schema, Iterator[pyarrow.Table]]:
    if given.plain and is_short_way(given.table):
        return batches(
            con,
            given.plain,
            given.table,
            given.columns,
            MISSING,
            lambda rows: _judging(replace(given, rows=rows), population, delivered_on),
        )
    reader = con.execute(_judging(given, population, delivered_on)).to_arrow_reader(ROWS_AT_ONCE)
    return reader.schema, (pyarrow.Table.from_batches([batch]) for batch in reader)


def _judging(given: Given, population: str, delivered_on: dt.date) -> str:
    """SQL: one row per given row, typed, with a hash of its values and what there is to tell.

    The struct `told` is NULL for nearly every row: those land, and that is all.
    """
    table = given.table

    def clean(value: str) -> str:
        return _clean(value, given.has_spaces)

    tried, typed, told = [], [], []
    for column in table.columns:
        name, value = column.name, f'"given {column.name}"'
        tried.append(f'{_at_first_sight(column, value, clean)} as "{name}"')
        if column.type == "text":
            typed.append(f'"{name}"')
        else:
            # CASE, not coalesce: DuckDB would clean every value before it looks.
            typed.append(
                f'case when "{name}" is not null then "{name}" '
                f'else {_typed(column, clean(value))} end as "{name}"'
            )
            told.append(
                f'case when "{name}" is null then {clean(value)} is not null else false end '
                f'as "unreadable {name}"'
            )
        if column.is_personal_number:
            told.append(f'number_malformed("{name}") as "malformed {name}"')
    real = [_may_be_real(c.name) if population == "mock" else "false" for c in table.number_columns]
    columns = ", ".join(f'"{column.name}"' for column in table.columns)
    cleaned = ", ".join(clean(f'"given {column.name}"') for column in table.columns)
    unreadable = [f'"unreadable {c.name}"' for c in table.columns if c.type != "text"]
    emptied = {c.name: _is_emptied(c, delivered_on) for c in table.columns if _can_be_emptied(c)}
    relatives = [c.name for c in table.columns if c.role == "relative"]
    of_numbers = [
        f'"real {c.name}" := {condition}'
        for c, condition in zip(table.number_columns, real, strict=True)
    ]
    odd = " or ".join(
        ["reason is not null", *unreadable, *emptied.values(), *(c for c in real if c != "false")]
    )
    lands = ", ".join(
        f'case when {emptied[c.name]} then null else "{c.name}" end as "{c.name}"'
        if c.name in emptied
        else f'"{c.name}"'
        for c in table.columns
    )
    facts = ", ".join(
        [
            "reason := reason",
            f"as_given := case when reason is not null then {_as_given(given, 'given ')} end",
            # Two values that cannot be read are both NULL, and no copies of each other.
            f"unread_hash := case when {' or '.join([*unreadable, 'false'])} "
            f"then hash({cleaned}) end",
            *(f"{flag} := {flag}" for flag in unreadable),
            *of_numbers,
            *(f'"malformed {name}" := "malformed {name}" is not null' for name in relatives),
            *(f'"as read {name}" := "{name}"' for name in emptied),
        ]
    )
    return f"""
        with given as (
            {given.rows}
        ),

        tried as (
            select
                {
        ", ".join(f"{identifier(c)} as {identifier(f'given {c}')}" for c in given.columns)
    },
                {", ".join(tried)}
            from given
        ),

        typed as (
            select columns('given .*'), {", ".join(typed)} from tried
        ),

        told as (
            select *, {", ".join(told)} from typed
        ),

        judged as (
            select *, {_reason(table, population, delivered_on)} as reason from told
        )

        select
            {lands},
            hash({columns}) as row_hash,
            case when {odd} then struct_pack({facts}) end as told
        from judged
    """


def _may_be_real(name: str) -> str:
    """SQL: whether a number could be a living person's, also when written with a hyphen."""
    plain = f"""replace("{name}", '-', '')"""
    return (
        f'case when "malformed {name}" is null then not number_is_made_up("{name}") '
        f"else number_malformed({plain}) is null and not number_is_made_up({plain}) end"
    )


def _as_given(given: Given, prefix: str = "") -> str:
    """SQL of a row as it came, as JSON."""
    fields = ", ".join(
        f"{identifier(name)} := {identifier(prefix + name)}" for name in given.columns
    )
    return f"to_json(struct_pack({fields}))::varchar"


def _clean(value: str, has_spaces: bool) -> str:
    """SQL of a value without what stands for nothing. To trim costs more than all the rest."""
    bare = f"trim({value})" if has_spaces else value
    missing = " or ".join(f"{bare} = '{token}'" for token in MISSING)
    return f"case when {missing} then null else {bare} end"


def _at_first_sight(column: Column, value: str, clean: Callable[[str], str]) -> str:
    """SQL of a value that needs no cleaning; NULL sends it through `clean`, which is slower."""
    if column.type != "text":
        return _typed(column, value)
    if column.is_personal_number:
        is_plain = f"regexp_full_match({value}, '[0-9]{{10}}')"
        return f"case when {is_plain} then {value} else {clean(value)} end"
    return clean(value)


def _typed(column: Column, value: str) -> str:
    """SQL that reads a cleaned text value as the contract's type; NULL where it cannot."""

    def where(pattern: str, reading: str) -> str:
        return f"case when regexp_full_match({value}, '{pattern}') then {reading} end"

    match column.type, column.date_format:
        case "integer", _:
            return where("[+-]?[0-9]+", f"try_cast({value} as bigint)")
        case "decimal", _:
            mark = column.decimal_separator
            return where(
                f"[+-]?[0-9]+([{mark}][0-9]+)?",
                f"try_cast(replace({value}, '{mark}', '.') as double)",
            )
        case "time", _:
            seconds = f"try_cast({value} as bigint)"
            return where(
                "[0-9]{1,5}",
                f"case when {seconds} < {SECONDS_A_DAY} "
                f"then time '00:00:00' + to_seconds({seconds}) end",
            )
        case "date", "DD/MM/YYYY":
            return where("[0-9]{2}/[0-9]{2}/[0-9]{4}", f"try_strptime({value}, '%d/%m/%Y')::date")
        case "date", "DDMONYYYY":
            return where("[0-9]{2}[A-Za-z]{3}[0-9]{4}", f"try_strptime({value}, '%d%b%Y')::date")
        case "date", "SAS":
            return where("-?[0-9]{1,6}", f"date '1960-01-01' + try_cast({value} as integer)")
        case "date", _:
            return where("[0-9]{4}-[0-9]{2}-[0-9]{2}", f"try_cast({value} as date)")
    return value


def _strict(table: Table) -> list[Column]:
    """Columns that must be readable in every row."""
    return [column for column in table.columns if column.is_required or column.is_key]


def _impossible_days(column: Column, delivered_on: dt.date) -> list[tuple[str, str]]:
    """(name, SQL condition) of the days that a column can be read as and cannot mean."""
    if column.type != "date":
        return []
    name = f'"{column.name}"'
    found = [(f"future_{column.name}", f"{name} > date '{delivered_on}'")]
    if not column.may_be_1900:
        found.append((f"placeholder_{column.name}", f"{name} = {PLACEHOLDER}"))
    return found


def _can_be_emptied(column: Column) -> bool:
    """Whether what was read of a landed row may be kept out of the landing, with a finding."""
    return column.role == "relative" or (
        column.type == "date" and not (column.is_required or column.is_key)
    )


def _is_emptied(column: Column, delivered_on: dt.date) -> str:
    """SQL: whether the value of a landed row says nothing that could be true."""
    name = column.name
    if column.role == "relative":
        return f'("{name}" is not null and "malformed {name}" is not null)'
    days = " or ".join(condition for _, condition in _impossible_days(column, delivered_on))
    return f"coalesce({days}, false)"


def _reason(table: Table, population: str, delivered_on: dt.date) -> str:
    """SQL: why a row goes to quarantine, or NULL. The first that applies counts."""
    reasons = []
    for column in table.number_columns:
        name = column.name
        if column.role == "relative":
            continue
        blank_is_fine = "" if column.role == "owner" else f'"{name}" is not null and '
        reasons.append(
            f'when {blank_is_fine}"malformed {name}" is not null then "malformed {name}"'
        )
        # Only a production home gets here with made-up numbers that it must not believe.
        if population == "production":
            reasons.append(f"""when number_is_made_up("{name}") then '{MADE_UP_REASON}'""")
    for column in _strict(table):
        if not column.is_personal_number:
            name = column.name
            if column.type != "text":
                reasons.append(f"""when "unreadable {name}" then 'unreadable_{name}'""")
            reasons.append(f"""when "{name}" is null then 'missing_{name}'""")
            reasons += [
                f"when {condition} then '{reason}'"
                for reason, condition in _impossible_days(column, delivered_on)
            ]
    return f"case {' '.join(reasons)} end" if reasons else "null::varchar"


# ------------------------------------------------------------------ what the pass has left


def _find_copies(
    con: duckdb.DuckDBPyConnection, table: Table, landing: Path, hashes: Hashes
) -> np.ndarray:
    """Table `copy`: the landed rows that repeat an earlier row of the file, value by value.

    Few rows share a hash, so only those are compared. Returns their numbers, sorted.
    """
    columns = ", ".join(f'"{column.name}"' for column in table.columns)
    _view_landed(con, "landed_first", table, landing, "select * from odd_first")
    alike = pyarrow.table({"nth": hashes.repeated()})
    con.register("alike", alike)
    con.execute(
        f"""
        create or replace temp table copy as
        select nth, {columns}
        from (
            select
                *,
                row_number() over (partition by {columns}, unread_hash order by nth) as copy_number
            from landed_first
            where nth in (select nth from alike)
        )
        where copy_number > 1
        """
        if len(alike)
        else f"create or replace temp table copy as select nth, {columns} from landed_first limit 0"
    )
    con.unregister("alike")
    return con.execute("select nth from copy order by nth").fetchnumpy()["nth"]


def _view_landed(
    con: duckdb.DuckDBPyConnection, name: str, table: Table, landing: Path, odd: str
) -> None:
    """A view of the landed rows `nth`, with what is told of the odd ones among them."""
    columns = ", ".join(
        f'coalesce(odd."as read {c.name}", landed."{c.name}") as "{c.name}"'
        if _can_be_emptied(c)
        else f'landed."{c.name}"'
        for c in table.columns
    )
    flags = [f"unreadable {c.name}" for c in table.columns if c.type != "text"]
    flags += [f"malformed {c.name}" for c in table.columns if c.role == "relative"]
    told = "".join(f', coalesce(odd."{flag}", false) as "{flag}"' for flag in flags)
    con.execute(
        f"""
        create or replace temp view {name} as
        with odd as ({odd})
        select landed.source_row as nth, {columns}, odd.unread_hash{told}
        from {scan(landing)} as landed
        left join odd on landed.source_row = odd.nth
        """
    )


def _shifts(con: duckdb.DuckDBPyConnection) -> list[tuple[int, int]]:
    """(number of a readable row, how many unreadable lines stand before the ones after it)."""
    return con.execute(
        "select before, max(source_row - before) from malformed_line group by before order by all"
    ).fetchall()


def _name_rows(
    con: duckdb.DuckDBPyConnection, given: Given, landing: Path, copies: np.ndarray, malformed: int
) -> None:
    """Views `landed` and `refused`: every readable row with its number in the file."""
    # A row's number counts the unreadable lines before it too.
    numbered = (
        """
        select rows.* replace (nth + coalesce(earlier.so_far, 0) as nth), nth as nth_readable
        from {rows} as rows
        asof left join (
            select before, max(source_row - before) as so_far from malformed_line group by before
        ) as earlier on rows.nth > earlier.before
        """
        if malformed
        else "select *, nth as nth_readable from {rows} as rows"
    )
    table = given.table
    _view_landed(con, "landed", table, landing, numbered.format(rows="odd_first"))
    con.execute("create or replace temp table copy_as_given (nth bigint, as_given varchar)")
    if len(copies):
        # Copies are known only now: the file is read once more to show them as they came.
        if given.plain:
            rows = as_given(given.plain, given.columns, "given_again", ", nth")
            con.register("given_again", rows_as_given(given.plain, copies))
        else:
            rows = f"select *, row_number() over () as nth from ({given.again})"
        con.execute(
            f"""
            insert into copy_as_given
            select nth, {_as_given(given)} from ({rows}) where nth in (select nth from copy)
            """
        )
    columns = ", ".join(
        f'"as read {c.name}" as "{c.name}"' if _can_be_emptied(c) else f'"{c.name}"'
        for c in table.columns
    )
    con.execute(
        f"""
        create or replace temp view refused as
        select nth as source_row, reason, {columns}, as_given
        from ({numbered.format(rows="odd_first")})
        where reason is not null
        union all by name
        select
            copied.* exclude (nth, nth_readable),
            copied.nth as source_row,
            'duplicate' as reason,
            as_given
        from ({numbered.format(rows="copy")}) as copied
        left join copy_as_given on copied.nth_readable = copy_as_given.nth
        """
    )


def _findings(table: Table, period: str | None, delivered_on: dt.date) -> list[tuple[str, str]]:
    """(name, SQL condition) of what is worth telling about rows that do land."""
    found = []
    for column in table.columns:
        name = column.name
        if column.role == "relative":
            found.append((f"malformed_{name}", f'"{name}" is not null and "malformed {name}"'))
        elif column.type != "text" and not (column.is_required or column.is_key):
            found.append((f"unreadable_{name}", f'"unreadable {name}"'))
            found += _impossible_days(column, delivered_on)
        elif column.type == "text" and column.form:
            lost = " or ".join(f"""contains("{name}", '{sign}')""" for sign in LOST)
            found.append((f"unrepairable_{name}", f"({lost})"))
    if table.period_column and is_year(period):
        found.append(("outside_period", f'year("{table.period_column}") <> {period}'))
    return found


def is_year(period: str | None) -> bool:
    return bool(period) and period.isdigit() and len(period) == 4


def _told_of_landed_rows(
    con: duckdb.DuckDBPyConnection, given: Given, period: str | None, delivered_on: dt.date
) -> tuple[dict[str, int], dict[int, int], str | None]:
    table = given.table
    named = _findings(table, period, delivered_on)
    if given.is_ascii:
        named = [(name, condition) for name, condition in named if LOST[0] not in condition]
    counts = con.execute(
        "select count(*)"
        + "".join(f", count(*) filter (where {condition})" for _, condition in named)
        + " from landed"
    ).fetchone()
    findings = {name: n for (name, _), n in zip(named, counts[1:], strict=True) if n}
    if not (table.period_column and is_year(period)):
        return findings, {}, None
    day = f'"{table.period_column}"'
    years = con.execute(
        f"select year({day}) as y, count(*), strftime(max({day}), '%m-%d') from landed "
        f"where {day} is not null group by y order by y"
    ).fetchall()
    last_day = next((last for year, _, last in years if year == int(period)), None)
    return findings, {year: n for year, n, _ in years}, last_day


# ------------------------------------------------------------------ what is kept


def quarantined(table: Table, source_file: str) -> str:
    """SQL of the refused rows, as far as they could be read and as given."""
    columns = ", ".join(f'"{c.name}"' for c in table.columns)
    nothing = ", ".join(f"null::{c.duckdb_type}" for c in table.columns)
    return f"""
        select
            '{source_file}' as source_file, source_row, reason, {columns}, as_given
        from refused
        union all
        select '{source_file}', source_row, 'malformed_line', {nothing}, line
        from malformed_line
        order by source_row
        """


def findings(
    table: Table, source_file: str, period: str | None, judged: Judged, delivered_on: dt.date
) -> str | None:
    """SQL of one row per finding about a landed row; None where there is none."""
    per_row = [
        (name, condition)
        for name, condition in _findings(table, period, delivered_on)
        if name in judged.findings
    ]
    if not per_row:
        return None
    return (
        " union all ".join(
            f"select '{source_file}' as source_file, nth as source_row, '{name}' as finding "
            f"from landed where {condition}"
            for name, condition in per_row
        )
        + " order by source_row, finding"
    )
