"""Landed rows → rows with person_id and without personal number, and the flow of the linkage.

A number is looked up in the civil register and followed to the number in force. Whoever cannot be
followed to one living register entry stays unlinked, with the reason: two people never merge, and
one person never becomes two.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import duckdb
import polars as pl

from etl import registers
from etl.errors import LinkageError
from etl.home import Home, digest, remove
from etl.personal_number import MADE_UP_REASON, REASONS
from etl.pseudonym import key_id, person_ids
from etl.registers import Column, Table

CHANGED, DELETED, ANNULLED = "60", "50", "30"
# Somebody's number stands in a column that is none; the row goes no further, without it.
NUMBER_IN_TEXT = "number_in_text"
TEN_CHARACTERS = "[0-9]{6}[0-9A-Z]{2}[0-9]{2}"
UNLINKED_REASONS = (
    "unknown_to_cpr", "cycle", "fork", "missing_current_number", "annulled", NUMBER_IN_TEXT,
)  # fmt: skip
LATE = "9999-12-31"


# ------------------------------------------------------------------ core: pure


@dataclass(frozen=True)
class NumberRow:
    """One row of the civil register about one number."""

    number: str
    current: str | None  # the number that replaced it; itself or None when in force
    status: str
    status_date: str | None


@dataclass(frozen=True)
class Resolution:
    """Where a number leads: to a person (first and current number), or to nobody, and why."""

    current: str | None
    first: str | None
    reason: str | None


def resolve(rows: Iterable[NumberRow]) -> dict[str, Resolution]:
    """Follow every number to the one in force, through chains of any length.

    `first` is the oldest number of the chain, found by walking back from the number in force over
    every number that another took the place of, whatever its status says. Only a surplus number
    that was deleted as a double (status 50) never becomes the first: else discovering a double
    would give a person a new id. Where several were changed into one number the earliest change
    counts, then the lower number.

    A number with two different successors is a `fork`; numbers that lead round are a `cycle`; a
    successor that the register does not hold is a `missing_current_number`.
    """
    by_number: dict[str, set[NumberRow]] = defaultdict(set)
    for row in rows:
        by_number[row.number].add(row)
    successors = {
        number: {row.current or number for row in same} for number, same in by_number.items()
    }
    status = {number: min(row.status for row in same) for number, same in by_number.items()}
    changed_into: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for number, same in by_number.items():
        for row in same:
            if row.current and row.current != number and row.status != DELETED:
                changed_into[row.current].append((row.status_date or LATE, number))

    resolved: dict[str, Resolution] = {}
    for start in by_number:
        path: list[str] = []
        number = start
        while number not in resolved:
            if number in path:
                outcome = Resolution(None, None, "cycle")
                break
            path.append(number)
            following = successors.get(number)
            if following is None:
                outcome = Resolution(None, None, "missing_current_number")
                path.pop()
                break
            if len(following) > 1:
                outcome = Resolution(None, None, "fork")
                break
            if following == {number}:
                outcome = _end_of_chain(number, status[number], changed_into)
                break
            number = next(iter(following))
        else:
            outcome = resolved[number]
        for passed in path:
            resolved[passed] = outcome
    return resolved


def _end_of_chain(
    number: str, status: str, changed_into: dict[str, list[tuple[str, str]]]
) -> Resolution:
    if status == ANNULLED:
        return Resolution(None, None, "annulled")
    if status in (CHANGED, DELETED):
        # It says that another number took its place, and names none.
        return Resolution(None, None, "missing_current_number")
    return Resolution(number, _first(number, changed_into), None)


def _first(number: str, changed_into: dict[str, list[tuple[str, str]]]) -> str:
    seen = {number}
    while before := [entry for entry in changed_into.get(number, []) if entry[1] not in seen]:
        number = min(before)[1]
        seen.add(number)
    return number


# ------------------------------------------------------------------ edge: Parquet and DuckDB


def identify(
    con: duckdb.DuckDBPyConnection, persons: list[Path], key: bytes
) -> tuple[pl.DataFrame, str]:
    """The crosswalk of all numbers that the civil register holds.

    Returns a frame of pnr, person_id, is_number_in_force, reason, and a digest of it that changes
    whenever any link would.
    """
    if not persons:
        raise LinkageError(
            "lake: no accepted delivery of cpr. Expected the civil register, which says who is "
            "who. Receive and land it first."
        )
    files = ", ".join(f"'{path}'" for path in persons)
    rows = con.execute(
        f"""
        select distinct v_pnr, v_pnr_gaeld, coalesce(c_status, ''), d_status_hen_start::varchar
        from read_parquet([{files}])
        """
    ).fetchall()
    resolved = resolve(NumberRow(*row) for row in rows)
    ids = person_ids((r.first for r in resolved.values() if r.first), key)
    numbers = sorted(resolved)
    crosswalk = pl.DataFrame(
        {
            "pnr": numbers,
            "person_id": [ids.get(resolved[n].first) for n in numbers],
            "is_number_in_force": [resolved[n].current == n for n in numbers],
            "reason": [resolved[n].reason for n in numbers],
        },
        schema={
            "pnr": pl.String,
            "person_id": pl.Int64,
            "is_number_in_force": pl.Boolean,
            "reason": pl.String,
        },
    )
    fingerprint = digest([key_id(key), len(numbers), *_column_sums(con, crosswalk)])
    return crosswalk, fingerprint


def _column_sums(con: duckdb.DuckDBPyConnection, crosswalk: pl.DataFrame) -> tuple:
    con.register("crosswalk_frame", crosswalk)
    sums = con.execute(
        """
        select
            bit_xor(hash(pnr, person_id, is_number_in_force, reason)),
            sum(hash(pnr, person_id, is_number_in_force, reason)::hugeint)
        from crosswalk_frame
        """
    ).fetchone()
    con.unregister("crosswalk_frame")
    return tuple(str(value) for value in sums)


def link_file(
    con: duckdb.DuckDBPyConnection,
    table: Table,
    landed: Path | None,
    quarantined: Path | None,
    linked: Path,
    unlinked: Path,
) -> dict[str, int]:
    """Link one landed file. `crosswalk` is a table of the connection.

    Linked rows are sorted by person. Rows that lead to nobody go to `unlinked` without any number,
    and so do those quarantined for a malformed number: what they say about a tumour still counts
    in the first line of a study's flow. Returns rows by '' (linked) or the reason they were not.
    """
    owner = table.owner.name
    files = [f"'{path}'" for path in (landed, quarantined) if path]
    hidden = _columns_that_hold_numbers(con, table, files)
    joins, columns = _linked_columns(table, hidden)
    body = ", ".join([*columns, "landed.source_row"])
    source = f"read_parquet('{landed}')" if landed else _no_rows(table)
    told = " or ".join(_holds_a_number(column) for column in hidden) or "false"
    con.execute(
        f"""
        create or replace temp table looked_up as
        select
            case when {told} then null else owner.person_id end as person_id,
            coalesce(
                owner.reason,
                case
                    when owner.pnr is null then 'unknown_to_cpr'
                    when {told} then '{NUMBER_IN_TEXT}'
                end
            ) as reason,
            {body}
        from {source} as landed
        left join crosswalk as owner on landed."{owner}" = owner.pnr
        {joins}
        """
    )
    _copy(
        con,
        "select * exclude (reason) from looked_up where person_id is not null "
        "order by person_id, source_row",
        linked,
    )
    parts = [
        "select * exclude (person_id, reason), reason, 'linkage' as stage "
        "from looked_up where person_id is null"
    ]
    if quarantined:
        reasons = ", ".join(f"'{reason}'" for reason in (*REASONS, MADE_UP_REASON))
        parts.append(
            f"""
            select {body}, landed.reason, 'landing' as stage
            from read_parquet('{quarantined}') as landed
            left join crosswalk as owner on false
            {joins.replace("on landed", "on false and landed")}
            where landed.reason in ({reasons})
            """
        )
    _copy(con, " union all by name ".join(parts) + " order by stage, source_row", unlinked)
    return dict(
        con.execute(
            "select coalesce(reason, ''), count(*) from looked_up group by all order by all"
        ).fetchall()
    )


def _columns_that_hold_numbers(
    con: duckdb.DuckDBPyConnection, table: Table, files: list[str]
) -> list[str]:
    """Text columns in which somebody's number stands, where none belongs: a note, a wrong field.

    Those numbers are kept as a table of the connection, `number_in_text`. Only numbers that CPR
    knows are looked for: any ten digits may be a requisition.
    """
    text = [c.name for c in table.columns if c.type == "text" and not c.is_personal_number]
    con.execute("create or replace temp table number_in_text (pnr varchar)")
    found = []
    for name in text if files else []:
        before = con.execute("select count(*) from number_in_text").fetchone()[0]
        con.execute(
            f"""
            insert into number_in_text
            select distinct crosswalk.pnr
            from (
                select unnest(
                    regexp_extract_all(replace("{name}", '-', ''), '{TEN_CHARACTERS}')
                ) as token
                from read_parquet([{", ".join(files)}], union_by_name = true)
                where length("{name}") >= 10
            ) as text
            inner join crosswalk on text.token = crosswalk.pnr
            """
        )
        if con.execute("select count(*) from number_in_text").fetchone()[0] > before:
            found.append(name)
    return found


def _holds_a_number(column: str) -> str:
    return (
        "exists (select 1 from number_in_text "
        f"""where contains(replace(landed."{column}", '-', ''), number_in_text.pnr))"""
    )


def _linked_columns(table: Table, hidden: list[str]) -> tuple[str, list[str]]:
    """Joins and columns that put persons in place of numbers."""
    joins, columns = [], []
    for column in table.columns:
        if column.role == "owner":
            continue
        if column.role == "current":
            columns.append("owner.is_number_in_force")
        elif column.role == "relative":
            joins.append(
                f'left join crosswalk as "{column.name}" '
                f'on landed."{column.name}" = "{column.name}".pnr'
            )
            columns.append(f'"{column.name}".person_id as "{_relative(column)}"')
        elif column.name in hidden:
            columns.append(
                f'case when {_holds_a_number(column.name)} then null else landed."{column.name}" '
                f'end as "{column.name}"'
            )
        else:
            columns.append(f'landed."{column.name}"')
    return "\n".join(joins), columns


def _relative(column: Column) -> str:
    return f"{column.name}_person_id"


def _no_rows(table: Table) -> str:
    nothing = ", ".join(f'null::{c.duckdb_type} as "{c.name}"' for c in table.columns)
    return f"(select {nothing}, null::bigint as source_row where false)"


def _copy(con: duckdb.DuckDBPyConnection, query: str, place: Path) -> None:
    """Write beside, then rename: a reader sees the old file or the new one."""
    place.parent.mkdir(parents=True, exist_ok=True)
    beside = place.with_name(".part.parquet.new")
    con.execute(f"copy ({query}) to '{beside}' (format parquet, compression zstd)")
    beside.replace(place)


def forget_other_periods(home: Home, wanted: set[tuple[str, str, str]]) -> None:
    """Take away linked periods that no accepted delivery holds any longer."""
    for store in (home.linked, home.unlinked):
        for folder in store.glob("*/*/period=*"):
            register, table, period = folder.parts[-3], folder.parts[-2], folder.name[7:]
            if (register, table, period) not in wanted and period != "none":
                remove(folder)


def write_empty(con: duckdb.DuckDBPyConnection, home: Home) -> None:
    """For every table of the catalogue a file without rows, so that each can be read at once."""
    for register in registers.catalogue().values():
        for table in register.tables:
            place = Path(register.name) / table.name / "period=none" / "part.parquet"
            link_file(con, table, None, None, home.linked / place, home.unlinked / place)


def write_frame(frame: pl.DataFrame, place: Path) -> None:
    """One Parquet file, replaced whole."""
    place.parent.mkdir(parents=True, exist_ok=True)
    beside = place.with_name(f".{place.name}.new")
    frame.write_parquet(beside, compression="zstd")
    beside.replace(place)
