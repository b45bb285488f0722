"""Each given row typed by the contract, with its reason for quarantine or none, and its findings.

The rows are read once into a Parquet file of their own, judged on the way; the rest only reads
the columns of that file which it needs. So memory does not grow with the delivery.
"""

import datetime as dt
from dataclasses import dataclass
from pathlib import Path

import duckdb

from etl.errors import DeliveryError
from etl.landing.given import Given, identifier, malformed_lines, quoted
from etl.personal_number import MADE_UP_REASON
from etl.registers import Column, Table

MISSING = ("", "#N/A", "NULL", "Ukendt", "Uoplyst")
SECONDS_A_DAY = 86_400
# What older systems wrote where they knew no day.
PLACEHOLDER = "date '1900-01-01'"
# The sign for a character that is lost, as itself and as UTF-8 read as windows-1252.
LOST = ("\ufffd", "ï¿½")


@dataclass(frozen=True)
class Judged:
    """What is to be told of a file. Its rows are in the view `judged`."""

    rows: int
    quarantined: dict[str, int]
    unreadable: dict[str, int]  # required and key columns, whatever became of the row
    findings: dict[str, int]
    years: dict[int, int]  # of the landed rows, by the table's period column
    last_day: str | None  # of the period, MM-DD
    is_ordered: bool  # whether the view gives the rows in the order of the file


def judge(
    con: duckdb.DuckDBPyConnection,
    given: Given,
    path: Path,
    period: str | None,
    expected_rows: int,
    population: str,
    delivered_on: dt.date,
    scratch: Path,
) -> Judged:
    """Read, type and judge a file. No day of it can lie after the day it was delivered on.

    Raises:
        DeliveryError: it breaks off, holds another number of rows than expected, or, in a mock
            home, a number that may be a real person's.
    """
    table = given.table
    place = scratch / "judged.parquet"
    try:
        # Uncompressed: it is read at once and thrown away.
        con.execute(
            f"copy ({_judging(given, population, delivered_on)}) to {quoted(place)} "
            "(format parquet, compression uncompressed)"
        )
    except (duckdb.OutOfMemoryException, duckdb.InternalException):
        raise  # ours, not the keeper's
    except duckdb.Error:
        raise DeliveryError(f"{path}: {given.broken}") from None
    con.execute(
        "create or replace temp view judged_first as "
        "select *, file_row_number + 1 as nth "
        f"from read_parquet({quoted(place)}, file_row_number = true)"
    )
    malformed = malformed_lines(con, path)
    # Any text can be read.
    strict = [column for column in _strict(table) if column.type != "text"]
    counted = con.execute(
        "select count(*) "
        + "".join(f', count(*) filter (where "real {c.name}")' for c in table.number_columns)
        + "".join(f', count(*) filter (where "unreadable {c.name}")' for c in strict)
        + " from judged_first"
    ).fetchone()
    rows = counted[0] + malformed
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
    copies = _find_copies(con, table)
    _name_rows(con, given, copies, malformed)
    reasons = con.execute(
        "select reason, count(*) from judged where reason is not null group by all order by all"
    ).fetchall()
    quarantined = dict(reasons) | ({"malformed_line": malformed} if malformed else {})
    findings, years, last_day = _told_of_landed_rows(con, table, period, delivered_on)
    return Judged(
        rows,
        quarantined,
        {column.name: count for column, count in bad if count},
        findings,
        years,
        last_day,
        is_ordered=not malformed,
    )


# ------------------------------------------------------------------ the one pass


def _judging(given: Given, population: str, delivered_on: dt.date) -> str:
    """SQL: one row per given row, typed, with its reason and a hash of its values."""
    table = given.table
    tried, typed, told = [], [], []
    for column in table.columns:
        name, value = column.name, f'"given {column.name}"'
        tried.append(f'{_at_first_sight(column, value)} as "{name}"')
        if column.type == "text":
            typed.append(f'"{name}"')
        else:
            # CASE, not coalesce: DuckDB would clean every value before it looks.
            typed.append(
                f'case when "{name}" is not null then "{name}" '
                f'else {_typed(column, _clean(value))} end as "{name}"'
            )
            told.append(
                f'case when "{name}" is null then {_clean(value)} is not null else false end '
                f'as "unreadable {name}"'
            )
        if column.is_personal_number:
            told.append(f'number_malformed("{name}") as "malformed {name}"')
    real = [_may_be_real(c.name) if population == "mock" else "false" for c in table.number_columns]
    columns = ", ".join(f'"{column.name}"' for column in table.columns)
    cleaned = ", ".join(_clean(f'"given {column.name}"') for column in table.columns)
    unreadable = [f'"unreadable {c.name}"' for c in table.columns if c.type != "text"]
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
            {columns},
            {"".join(f"{flag}, " for flag in unreadable)}
            {
        "".join(
            f'{condition} as "real {c.name}", '
            for c, condition in zip(table.number_columns, real, strict=True)
        )
    }
            {
        "".join(
            f'"malformed {c.name}" is not null as "malformed {c.name}", '
            for c in table.number_columns
        )
    }
            reason,
            case when reason is not null then {_as_given(given, "given ")} end as as_given,
            hash({columns}) as row_hash,
            -- Two values that cannot be read are both NULL, and no copies of each other.
            case when {" or ".join([*unreadable, "false"])} then hash({cleaned}) end as unread_hash
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


def _clean(value: str) -> str:
    missing = " or ".join(f"trim({value}) = '{token}'" for token in MISSING)
    return f"case when {missing} then null else trim({value}) end"


def _at_first_sight(column: Column, value: str) -> str:
    """SQL of a value that needs no cleaning; NULL sends it through `_clean`, which is slower."""
    if column.type != "text":
        return _typed(column, value)
    if column.is_personal_number:
        is_plain = f"regexp_full_match({value}, '[0-9]{{10}}')"
        return f"case when {is_plain} then {value} else {_clean(value)} end"
    return _clean(value)


def _typed(column: Column, value: str) -> str:
    """SQL that reads a cleaned text value as the contract's type; NULL where it cannot."""

    def where(pattern: str, reading: str) -> str:
        return f"case when regexp_full_match({value}, '{pattern}') then {reading} end"

    match column.type, column.date_format:
        case "integer", _:
            return where("[+-]?[0-9]+", f"try_cast({value} as bigint)")
        case "decimal", _:
            return where(
                "[+-]?[0-9]+([.,][0-9]+)?", f"try_cast(replace({value}, ',', '.') as double)"
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


def _find_copies(con: duckdb.DuckDBPyConnection, table: Table) -> int:
    """Table `copy`: the rows that repeat an earlier row of the file, value by value.

    Few rows share a hash, so only those are compared.
    """
    columns = ", ".join(f'"{column.name}"' for column in table.columns)
    con.execute(
        f"""
        create or replace temp table copy as
        select nth
        from (
            select
                nth,
                row_number() over (partition by {columns}, unread_hash order by nth) as copy_number
            from judged_first
            where
                reason is null
                and row_hash in (
                    select row_hash from judged_first group by row_hash having count(*) > 1
                )
        )
        where copy_number > 1
        """
    )
    return con.execute("select count(*) from copy").fetchone()[0]


def _name_rows(con: duckdb.DuckDBPyConnection, given: Given, copies: int, malformed: int) -> None:
    """View `judged`: every readable row with its number in the file and its final reason."""
    reason = (
        "case when nth in (select nth from copy) then 'duplicate' else reason end"
        if copies
        else "reason"
    )
    # A row's number counts the unreadable lines before it too.
    numbered = (
        """
        select
            judged_first.* replace (
                nth + coalesce(earlier.so_far, 0) as nth
            ),
            nth as nth_readable
        from judged_first
        asof left join (
            select before, max(source_row - before) as so_far from malformed_line group by before
        ) as earlier on judged_first.nth > earlier.before
        """
        if malformed
        else "select *, nth as nth_readable from judged_first"
    )
    con.execute(
        f"""
        create or replace temp view judged as
        select
            * exclude (nth, nth_readable, reason, file_row_number),
            nth as source_row,
            nth_readable,
            {reason.replace("nth in", "nth_readable in")} as reason
        from ({numbered})
        """
    )
    con.execute("create or replace temp table copy_as_given (nth bigint, as_given varchar)")
    if copies:
        # Copies are known only now: the file is read once more to show them as they came.
        con.execute(
            f"""
            insert into copy_as_given
            select nth, {_as_given(given)}
            from (select *, row_number() over () as nth from ({given.again}))
            where nth in (select nth from copy)
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
        elif column.type == "text" and column.pattern:
            lost = " or ".join(f"""contains("{name}", '{sign}')""" for sign in LOST)
            found.append((f"unrepairable_{name}", f"({lost})"))
    if table.period_column and is_year(period):
        found.append(("outside_period", f'year("{table.period_column}") <> {period}'))
    return found


def is_year(period: str | None) -> bool:
    return bool(period) and period.isdigit() and len(period) == 4


def _told_of_landed_rows(
    con: duckdb.DuckDBPyConnection, table: Table, period: str | None, delivered_on: dt.date
) -> tuple[dict[str, int], dict[int, int], str | None]:
    named = _findings(table, period, delivered_on)
    counts = con.execute(
        "select count(*)"
        + "".join(f", count(*) filter (where {condition})" for _, condition in named)
        + " from judged where reason is null"
    ).fetchone()
    findings = {name: n for (name, _), n in zip(named, counts[1:], strict=True) if n}
    if not (table.period_column and is_year(period)):
        return findings, {}, None
    day = f'"{table.period_column}"'
    years = con.execute(
        f"select year({day}) as y, count(*), strftime(max({day}), '%m-%d') from judged "
        f"where reason is null and {day} is not null group by y order by y"
    ).fetchall()
    last_day = next((last for year, _, last in years if year == int(period)), None)
    return findings, {year: n for year, n, _ in years}, last_day


# ------------------------------------------------------------------ what is kept


def landed(table: Table, source_file: str, judged: Judged, delivered_on: dt.date) -> str:
    """SQL of the rows that land. What a finding calls unreadable or impossible is emptied."""
    columns = ", ".join(
        f'case when {_keeps(c, judged, delivered_on)} then "{c.name}" end as "{c.name}"'
        if _keeps(c, judged, delivered_on)
        else f'"{c.name}"'
        for c in table.columns
    )
    order = "" if judged.is_ordered else " order by source_row"
    return (
        f"select '{source_file}' as source_file, source_row, {columns} "
        f"from judged where reason is null{order}"
    )


def _keeps(column: Column, judged: Judged, delivered_on: dt.date) -> str:
    """SQL: whether a landed value stays; nothing where every one does."""
    if column.role == "relative":
        return f'not "malformed {column.name}"'
    return " and ".join(
        f"not ({condition})"
        for name, condition in _impossible_days(column, delivered_on)
        if name in judged.findings
    )


def quarantined(table: Table, source_file: str) -> str:
    """SQL of the refused rows, as far as they could be read and as given."""
    columns = ", ".join(f'"{c.name}"' for c in table.columns)
    nothing = ", ".join(f"null::{c.duckdb_type}" for c in table.columns)
    return f"""
        select
            '{source_file}' as source_file, source_row, reason, {columns},
            coalesce(judged.as_given, copy_as_given.as_given) as as_given
        from judged
        left join copy_as_given on judged.nth_readable = copy_as_given.nth
        where reason is not null
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
            f"select '{source_file}' as source_file, source_row, '{name}' as finding from judged "
            f"where reason is null and ({condition})"
            for name, condition in per_row
        )
        + " order by source_row, finding"
    )
