"""Landed rows → rows with person_id and without personal number. `crosswalk` says who is who."""

from collections.abc import Sequence
from pathlib import Path

import duckdb
import polars as pl

from etl import registers, restricted
from etl.home import Home, remove
from etl.linkage.resolution import UNRESOLVED_REASONS
from etl.personal_number import MADE_UP_REASON, REASONS
from etl.registers import Column, Table

# Somebody's number stands in a column that is none; the row goes no further, without it.
NUMBER_IN_TEXT = "number_in_text"
TEN_CHARACTERS = "[0-9]{6}[0-9A-Z]{2}[0-9]{2}"
# Of rows that hang on a contact: it is not there, or two persons' contacts bear its key.
ORPHAN, AMBIGUOUS = "orphan_of_contact", "ambiguous_contact"
UNKNOWN_TO_CPR = "unknown_to_cpr"
# Every reason for which a landed row leads to nobody.
UNLINKED_REASONS = (UNKNOWN_TO_CPR, *UNRESOLVED_REASONS, NUMBER_IN_TEXT, ORPHAN, AMBIGUOUS)


def link_file(
    con: duckdb.DuckDBPyConnection,
    table: Table,
    landed: Path | None,
    quarantined: Path | None,
    linked: Path,
    unlinked: Path,
    contacts: Sequence[Path] = (),
) -> dict[str, int]:
    """Link one landed file. `crosswalk` is a table of the connection.

    A row without a number of its own belongs to whom its contact belongs to; `contacts` are the
    landed files that hold the contacts of the table's period.

    Linked rows are sorted by person. Rows that lead to nobody go to `unlinked` without any number,
    and so do those quarantined for a malformed number: what they say about a tumour still counts
    in the first line of a study's flow. Returns rows by '' (linked) or the reason they were not.
    """
    owners, own_key, otherwise = _owners(con, table, contacts)
    files = [path for path in (landed, quarantined) if path]
    hidden = _columns_that_hold_numbers(con, table, files, "crosswalk")
    joins, columns = _linked_columns(table, hidden)
    body = ", ".join([*columns, "landed.source_row"])
    source = restricted.scan(landed) if landed else _no_rows(table)
    told = " or ".join(_holds_a_number(column) for column in hidden) or "false"
    # A view: to look up twice takes less than to keep every row in between.
    con.execute("drop view if exists looked_up")
    con.execute(
        f"""
        create temp view looked_up as
        select
            case when {told} then null else owner.person_id end as person_id,
            coalesce(
                owner.reason,
                case
                    when owner.pnr is null then '{otherwise}'
                    when {told} then '{NUMBER_IN_TEXT}'
                end
            ) as reason,
            {body}
        from {source} as landed
        left join {owners} as owner on {own_key} = owner.pnr
        {joins}
        """
    )
    n_linked = _copy(
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
            from {restricted.scan(quarantined)} as landed
            left join {owners} as owner on false
            {joins.replace("on landed", "on false and landed")}
            where landed.reason in ({reasons})
            """
        )
    _copy(con, " union all by name ".join(parts) + " order by stage, source_row", unlinked)
    reasons = con.execute(
        f"select reason, count(*) from read_parquet('{unlinked}') where stage = 'linkage' "
        "group by all order by all"
    ).fetchall()
    return ({"": n_linked} if n_linked else {}) | dict(reasons)


def _owners(
    con: duckdb.DuckDBPyConnection, table: Table, contacts: Sequence[Path]
) -> tuple[str, str, str]:
    """(who owns what, what a row is looked up by, the reason where it is not found).

    Contacts are looked up by their key in one spelling. Two contacts under one key are no harm
    while they are one person's; where they are not, nobody can tell whose the row is.
    """
    if table.owner:
        return "crosswalk", f'landed."{table.owner.name}"', UNKNOWN_TO_CPR
    of = registers.register(table.register).table(table.contact.refers_to)
    con.execute(
        f"""
        create or replace temp table contact_owner as
        select
            {contact_key(f'contact."{of.key[0]}"')} as pnr,
            case when count(distinct coalesce(person.person_id, -1)) = 1
                then any_value(person.person_id) end as person_id,
            null::boolean as is_number_in_force,
            case when count(distinct coalesce(person.person_id, -1)) > 1 then '{AMBIGUOUS}'
                when any_value(person.person_id) is null
                then min(coalesce(person.reason, '{UNKNOWN_TO_CPR}')) end as reason
        from {restricted.scan(*contacts) if contacts else _no_rows(of)} as contact
        left join crosswalk as person on contact."{of.owner.name}" = person.pnr
        group by all
        """
    )
    return "contact_owner", contact_key(f'landed."{table.contact.name}"'), ORPHAN


def contact_key(value: str) -> str:
    """SQL for a key in one spelling: a number, and text of it with or without leading zeros."""
    digits = f"ltrim(trim({value}::varchar), '0')"
    return f"case when {digits} = '' then '0' else {digits} end"


def leads_elsewhere(
    con: duckdb.DuckDBPyConnection,
    table: Table,
    landed: Path,
    quarantined: Path | None,
    contacts: Sequence[Path] = (),
) -> bool:
    """Whether a file that was linked before would now be linked otherwise, being the same.

    It is where one of its numbers, of its contacts' or of those in its text is in the table
    `led_elsewhere` of the connection.
    """
    if not con.execute("select count(*) from led_elsewhere").fetchone()[0]:
        return False
    places = [
        (column.name, landed) for column in table.columns if column.role in ("owner", "relative")
    ]
    if table.contact:
        of = registers.register(table.register).table(table.contact.refers_to)
        places += [(of.owner.name, path) for path in contacts]
    for column, path in places:
        found = con.execute(
            f"""
            select count(*)
            from {restricted.scan(path)} as landed
            semi join led_elsewhere on landed."{column}" = led_elsewhere.pnr
            """
        ).fetchone()
        if found != (0,):
            return True
    files = [path for path in (landed, quarantined) if path]
    return bool(_columns_that_hold_numbers(con, table, files, "led_elsewhere"))


def _columns_that_hold_numbers(
    con: duckdb.DuckDBPyConnection, table: Table, files: list[Path], numbers: str
) -> list[str]:
    """Text columns in which somebody's number stands, where none belongs: a note, a wrong field.

    Those numbers are kept as a table of the connection, `number_in_text`. Only numbers of the table
    `numbers` are looked for, which CPR knows: any ten digits may be a requisition.
    """
    text = [c.name for c in table.columns if c.type == "text" and not c.is_personal_number]
    con.execute("create or replace temp table number_in_text (pnr varchar)")
    found = []
    for name in text if files else []:
        before = con.execute("select count(*) from number_in_text").fetchone()[0]
        con.execute(
            f"""
            insert into number_in_text
            select distinct known.pnr
            from (
                select unnest(list_append(
                    regexp_extract_all(replace("{name}", '-', ''), '{TEN_CHARACTERS}'),
                    right("{name}", 10)  -- padded with zeros, as keys are
                )) as token
                from {restricted.scan_by_name(*files)}
                where length("{name}") >= 10
            ) as text
            inner join {numbers} as known on text.token = known.pnr
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


def _copy(con: duckdb.DuckDBPyConnection, query: str, place: Path) -> int:
    """Write beside, then rename: a reader sees the old file or the new one. Returns the rows."""
    place.parent.mkdir(parents=True, exist_ok=True)
    beside = place.with_name(".part.parquet.new")
    (n,) = con.execute(
        f"copy ({query}) to '{beside}' (format parquet, compression zstd, compression_level 1)"
    ).fetchone()
    beside.replace(place)
    return n


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
