"""What is to be pulled: a table of the database, held to its contract before a row is read."""

from dataclasses import dataclass

from etl.errors import DeliveryError
from etl.postgres.connection import Moment
from etl.registers import Column, Table

# A year outside names no file: it is a slip, and its rows come in the file of no period.
FIRST_YEAR, LAST_YEAR = 1900, 2099
TEXT = ("text", "varchar", "bpchar", "name", "citext")
WHOLE = ("int2", "int4", "int8")
# What a column of the database may be for each type of the contract, as the landing takes Parquet.
HELD_TYPES = {
    "text": TEXT,
    "integer": (*WHOLE, "numeric"),
    "decimal": ("float4", "float8", "numeric", *WHOLE),
    "date": ("date", "timestamp"),
    "time": (*TEXT, "time", *WHOLE, "numeric"),
}
BIGGEST = 2**63 - 1


@dataclass(frozen=True)
class Held:
    """A column as the database has it."""

    name: str
    type: str  # of pg_type; of what lies below where it is a domain
    told: str  # as SQL says it, such as numeric(10,0)

    @property
    def quoted(self) -> str:
        return identifier(self.name)


@dataclass(frozen=True)
class Plan:
    """How a table is pulled. `rows` counts all; `periods` by year, or None where it has none."""

    table: Table
    where: str
    query: str
    columns: tuple[str, ...]
    periods: dict[str | None, int]

    @property
    def rows(self) -> int:
        return sum(self.periods.values())

    @property
    def order(self) -> tuple[str, ...]:
        """By the key, then by all else: rows may share a key."""
        return (*self.table.key, *(name for name in self.columns if name not in self.table.key))


def period_column(table: Table) -> Column | None:
    """The column whose year names a file. A table that hangs on another comes in one file.

    Its rows belong to the year of the other table's row, which it does not hold.
    """
    if table.period_column is None or table.contact is not None:
        return None
    return table.column(table.period_column)


def plan(moment: Moment, schema: str, table: Table) -> Plan:
    """Hold a table to its contract. Raises DeliveryError before anything of it is pulled."""
    relation, where = _relation(moment, schema, table)
    held = _held(moment, relation, where)
    by_name = {column.name.lower(): column for column in held}
    _hold_to_names(where, table, [column.name.lower() for column in held])
    selected, faults = [], []
    for column in table.columns:
        is_held = by_name[column.name]
        if is_held.type not in HELD_TYPES[column.type]:
            raise DeliveryError(
                f"{where}: column {column.name} is {is_held.told}. Expected {column.type}. The "
                "column is retyped; ask the keeper for the agreed type."
            )
        selected.append(f"{_typed(column, is_held)} as {identifier(column.name)}")
        faults += _faults(column, is_held)
    known = {column.name for column in table.columns}
    extra = sorted(set(by_name) - known)
    # Nobody has agreed on its type; the landing only wants to know that it came.
    selected += [f"{by_name[name].quoted}::text as {identifier(name)}" for name in extra]
    source = f"{identifier(relation[1])}.{identifier(relation[2])}"
    periods = _counted(moment, where, table, by_name, source, faults)
    return Plan(
        table,
        where,
        f"select {', '.join(selected)} from {source}",
        (*(column.name for column in table.columns), *extra),
        periods,
    )


def _relation(moment: Moment, schema: str, table: Table) -> tuple[tuple[int, str, str], str]:
    """(oid, schema, name) of a table, a view or the like, whatever the case of its name."""
    where = f"{moment.source.told}, {schema}.{table.name}"
    found = moment.rows(
        """
        select c.oid::bigint, n.nspname::text, c.relname::text
        from pg_catalog.pg_class as c
        inner join pg_catalog.pg_namespace as n on c.relnamespace = n.oid
        where n.nspname = $1 and lower(c.relname) = $2 and c.relkind in ('r', 'p', 'v', 'm', 'f')
        order by 3
        """,
        (schema, table.name),
    )
    if not found:
        raise DeliveryError(
            f"{where}: no such table. Expected every table of {table.register} in one schema. "
            "Name the schema with --schema, or the tables that are there with --table."
        )
    if len(found) > 1:
        raise DeliveryError(
            f"{where}: {len(found)} tables have this name in different cases. Expected one. Ask "
            "the keeper which one counts."
        )
    return found[0], where


def _held(moment: Moment, relation: tuple[int, str, str], where: str) -> list[Held]:
    return [
        Held(*row)
        for row in moment.rows(
            """
            select
                a.attname::text,
                coalesce(below.typname, t.typname)::text,
                pg_catalog.format_type(a.atttypid, a.atttypmod)
            from pg_catalog.pg_attribute as a
            inner join pg_catalog.pg_type as t on a.atttypid = t.oid
            left join pg_catalog.pg_type as below on t.typbasetype = below.oid
            where a.attrelid = $1::oid and a.attnum > 0 and not a.attisdropped
            order by a.attnum
            """,
            (relation[0],),
        )
    ]


def _hold_to_names(where: str, table: Table, names: list[str]) -> None:
    doubled = sorted({name for name in names if names.count(name) > 1})
    if doubled:
        raise DeliveryError(
            f"{where}: column {doubled[0]} stands twice. Expected once, whatever its case. Ask the "
            "keeper which one counts."
        )
    known = [column.name for column in table.columns]
    missing = [name for name in known if name not in names]
    extra = [name for name in names if name not in known]
    if missing:
        instead = f"; found {', '.join(extra)} instead" if extra else ""
        raise DeliveryError(
            f"{where}: column {', '.join(missing)} is missing{instead}. Expected "
            f"{', '.join(known)}. Ask the keeper to give it its agreed name."
        )


def _typed(column: Column, held: Held) -> str:
    """SQL of a column in the contract's type. ADBC would hand over a numeric as text."""
    match column.type:
        case "text":
            return f"{held.quoted}::text"
        case "integer":
            return f"{held.quoted}::bigint"
        case "decimal":
            return f"{held.quoted}::double precision"
        case "date":
            return f"{held.quoted}::date"
    if held.type in TEXT:
        return f"{held.quoted}::text"
    if held.type == "time":
        return f"extract(epoch from {held.quoted})::bigint"
    return f"{held.quoted}::bigint"


def _faults(column: Column, held: Held) -> list[tuple[str, str, str]]:
    """(SQL that is true of a value which the cast would change, what it is, what is expected).

    The driver makes some day of 'infinity', and PostgreSQL rounds where it casts to a whole number.
    """
    value = held.quoted
    if held.type in ("date", "timestamp"):
        fault = f"{value} < '0001-01-01'::{held.type} or {value} >= '10000-01-01'::{held.type}"
        return [(fault, f"{column.name} outside the years 1 to 9999, or infinite", "a day or null")]
    if column.type in ("integer", "time") and held.type == "numeric":
        fault = f"{value} <> trunc({value}) or abs({value}) > {BIGGEST}"
        return [(fault, f"{column.name} that are no whole number", "whole numbers or null")]
    return []


def _counted(
    moment: Moment,
    where: str,
    table: Table,
    held: dict[str, Held],
    source: str,
    faults: list[tuple[str, str, str]],
) -> dict[str | None, int]:
    """Rows by period, as the database counts them."""
    dated = period_column(table)
    year = "null::int"
    if dated:
        day = f"{held[dated.name].quoted}::date"
        year = (
            f"case when {day} between '{FIRST_YEAR}-01-01' and '{LAST_YEAR}-12-31' "
            f"then extract(year from {day})::int end"
        )
    counts = "".join(f", count(*) filter (where {fault})" for fault, _, _ in faults)
    rows = moment.rows(f"select {year} as year, count(*){counts} from {source} group by 1")
    if not rows:
        raise DeliveryError(
            f"{where}: no rows. Expected some: a stock replaces the whole table. Ask the keeper "
            "whether it was filled."
        )
    for n, (_, found, expected) in enumerate(faults):
        count = sum(row[2 + n] for row in rows)
        if count:
            raise DeliveryError(
                f"{where}: {count:,} values of {found}. Expected {expected}. Ask the keeper to "
                "mend them, or for a view of the same name without them, and name its --schema."
            )
    return {None if row[0] is None else str(row[0]): row[1] for row in rows}


def identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
