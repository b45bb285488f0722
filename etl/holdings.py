"""What is held on one person, place by place, for somebody to answer the person with.

Places, not values: which row of which file. Where somebody else's row names the person, a mother or
a note, it is a place too.
"""

import csv
import io
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import astuple, dataclass, fields
from pathlib import Path

import duckdb

from etl import delivered_numbers, deliveries, registers, restricted
from etl.home import Home, connect, read_json, replace_text
from etl.landing import accepted
from etl.landing.given import identifier, quoted
from etl.registers import Register, Table
from etl.settings import Settings

OWN, OF_CONTACT, NAMED = "own row", "hangs on an own contact", "named in"


@dataclass(frozen=True)
class Held:
    """One row that is the person's, or that names the person.

    `row` counts the records of the delivered file from 1, its header not counted; None where there
    is no such file. `how` says whose row it is, or what became of the person in a study.
    """

    store: str
    register: str  # or the study
    table: str
    period: str
    file: str
    row: int | None
    how: str


@dataclass(frozen=True)
class Wanted:
    """Whom a table is searched for: by numbers, and by keys of contacts that are the person's."""

    owner: str | None  # the column that says whose row it is
    contact: str | None
    numbers: set[str]
    contacts: set[str]


def find(
    con: duckdb.DuckDBPyConnection,
    settings: Settings,
    home: Home,
    numbers: set[str],
    persons: list[int],
) -> Iterator[Held]:
    """Every place of a person with these numbers and these ids of the warehouse, but for releases.

    `con` is unlocked. Raises DeliveryError where a delivered file cannot be read.
    """
    for register in registers.catalogue().values():
        folders = deliveries.of_register(home.deliveries, register)
        contacts = delivered_numbers.contact_keys(
            con, home.scratch, register, folders, numbers.__contains__, settings.unpack_times
        )

        def wanted(table: Table, contacts: dict[str, set[str]] = contacts) -> Wanted:
            return Wanted(
                table.owner.name if table.owner else None,
                table.contact.name if table.contact else None,
                numbers,
                contacts.get(table.contact.refers_to, set()) if table.contact else set(),
            )

        for folder in folders:
            yield from _delivered(con, home, register, folder, wanted, settings.unpack_times)
        yield from _landed(con, home, register, wanted)
    if persons:
        yield from _linked(con, home, persons)
        yield from _studies(settings, home, persons)


# ------------------------------------------------------------------ by number


def _delivered(
    con: duckdb.DuckDBPyConnection,
    home: Home,
    register: Register,
    folder: Path,
    wanted: Callable[[Table], Wanted],
    unpack_times: int,
) -> Iterator[Held]:
    for file in read_json(folder / deliveries.MANIFEST)["files"]:
        path, whom = folder / file["path"], wanted(register.table(file["table"]))
        told = f"{folder.name}/{file['path']}"
        place = ("deliveries", register.name, file["table"], file["period"] or "all", told)
        if file["format"] == "csv":
            for row, how in _in_text(path, register, whom, unpack_times):
                yield Held(*place, row, how)
            continue
        with delivered_numbers.as_parquet(home.scratch, path, file["format"]) as typed:
            read = f"read_parquet({quoted(typed)})"
            source = f"(select *, row_number() over () as source_row from {read})"
            for row, how in _in_rows(con, read, source, whom):
                yield Held(*place, row, how)


def _in_text(
    path: Path, register: Register, whom: Wanted, unpack_times: int
) -> Iterator[tuple[int, str]]:
    with deliveries.opened(path, unpack_times) as stream:
        records = delivered_numbers.records(stream, register)
        names = delivered_numbers.cells_of(next(records, b""), register)
        owner, contact = (
            delivered_numbers.place_of(names, column) if column else None
            for column in (whom.owner, whom.contact)
        )
        # An empty line is no record, as a manifest counts them.
        for row, record in enumerate((one for one in records if one.strip()), 1):
            held = delivered_numbers.numbers_in(record) & whom.numbers
            if not held and not whom.contacts:
                continue
            cells = delivered_numbers.cells_of(record, register)
            if held and owner is not None and delivered_numbers.holds(cells, owner, held):
                yield row, OWN
            elif (
                contact is not None
                and contact < len(cells)
                and delivered_numbers.bare(delivered_numbers.plain(cells[contact])) in whom.contacts
            ):
                yield row, OF_CONTACT
            elif held:
                at = [n for n in range(len(cells)) if delivered_numbers.holds(cells, n, held)]
                columns = [delivered_numbers.plain(names[n]).lower() for n in at if n < len(names)]
                yield row, f"{NAMED} {', '.join(columns) or 'a cell too many'}"


def _in_rows(
    con: duckdb.DuckDBPyConnection, described: str, source: str, whom: Wanted
) -> Iterator[tuple[int, str]]:
    """(source_row, how) of the rows of a table, by SQL of what it is described and read from."""
    types = con.execute(f"describe from {described}").fetchall()
    texts = {name.lower(): delivered_numbers.as_text(name, kind) for name, kind, *_ in types}
    spelt = "|".join(delivered_numbers.forms_of(whom.numbers))
    named = ", ".join(
        f"case when regexp_matches({text}, $spelt) then {quoted(Path(name))} end"
        for name, text in texts.items()
        if name != "source_row"
    )
    is_own = f"regexp_matches({texts[whom.owner]}, $spelt)" if whom.owner in texts else "false"
    hangs = "false"
    if whom.contact in texts:
        key = f"ltrim(trim({texts[whom.contact]}), '0')"
        hangs = f"list_contains($contacts::varchar[], case {key} when '' then '0' else {key} end)"
    found = con.execute(
        f"""
        select
            source_row,
            case
                when {is_own} then '{OWN}'
                when {hangs} then '{OF_CONTACT}'
                else '{NAMED} ' || nullif(concat_ws(', ', {named}), '')
            end as how
        from {source}
        where how is not null
        order by source_row
        """,
        {"spelt": spelt} | ({"contacts": sorted(whom.contacts)} if whom.contact in texts else {}),
    )
    yield from found.fetchall()


def _landed(
    con: duckdb.DuckDBPyConnection,
    home: Home,
    register: Register,
    wanted: Callable[[Table], Wanted],
) -> Iterator[Held]:
    """What landed, was refused or has a finding, also of deliveries that later ones replaced."""
    given = {
        file["content"]: f"{entry['folder']}/{file['path']}"
        for entry in accepted(home)
        if entry["register"] == register.name
        for file in entry["files"]
    }
    for store in ("landing", "quarantine", "findings"):
        root = home.restricted / store / register.name
        for path in sorted(root.rglob("*.parquet")):
            table, period, _ = path.relative_to(root).parts
            source = restricted.scan(path)
            told = given.get(path.stem, path.name)
            for row, how in _in_rows(con, source, source, wanted(register.table(table))):
                yield Held(
                    store, register.name, table, period.removeprefix("period="), told, row, how
                )


# ------------------------------------------------------------------ by person


def _linked(con: duckdb.DuckDBPyConnection, home: Home, persons: list[int]) -> Iterator[Held]:
    """Rows of the lake; they name a person in `person_id`, or somebody related in another."""
    for path in sorted(home.linked.rglob("*.parquet")):
        names = [name for name, *_ in con.execute(f"describe from {quoted(path)}").fetchall()]
        own = [name for name in names if name == "person_id" or name.endswith("_person_id")]
        tests = " ".join(
            f"when list_contains($persons::bigint[], {identifier(name)}) "
            f"then '{OWN if name == 'person_id' else f'{NAMED} {name}'}'"
            for name in sorted(own, key=lambda name: name != "person_id")
        )
        if not tests:
            continue
        register, table, period = path.relative_to(home.linked).parts[:3]
        query = (
            f"select source_row, case {tests} end as how from {quoted(path)} "
            "where how is not null order by all"
        )
        for row, how in con.execute(query, {"persons": persons}).fetchall():
            period_told = period.removeprefix("period=")
            yield Held("linked", register, table, period_told, path.name, row, how)


def _studies(settings: Settings, home: Home, persons: list[int]) -> Iterator[Held]:
    """Of which cohorts the person is or was a candidate, and where they left."""
    if not home.warehouse.exists():
        return
    with connect(settings, home.warehouse, read_only=True) as con:
        for study, is_in, left_at in con.execute(
            "select study_id, is_included, first_failed_criterion from marts.exclusion_reasons "
            "where list_contains(?::bigint[], person_id) order by all",
            [persons],
        ).fetchall():
            how = "in the cohort" if is_in else f"left at {left_at}"
            yield Held("cohort", study, "exclusion_reasons", "", home.warehouse.name, None, how)


# ------------------------------------------------------------------ told


def write(home: Home, name: str, held: list[Held]) -> Path:
    """Every place as a line of a CSV file of its owner in the restricted zone."""
    text = io.StringIO(newline="")
    lines = csv.writer(text, lineterminator="\n")
    lines.writerow(field.name for field in fields(Held))
    lines.writerows(map(astuple, held))
    place = home.restricted / "opened" / f"{name}.csv"
    place.parent.mkdir(mode=restricted.FOLDER_MODE, parents=True, exist_ok=True)
    replace_text(place, text.getvalue(), restricted.MODE)
    return place


def counted(held: list[Held]) -> dict[str, int]:
    """Rows by store, in the order of the road."""
    return dict(Counter(one.store for one in held))
