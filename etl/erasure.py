"""A person taken out of what was delivered, on lawful request, and kept out.

What stays is a tombstone: a keyed hash of each of the person's numbers. Whatever is delivered later
is read for numbers that have one before it is stored, and loses their rows on the way. So a
delivery that comes again, as it was, ends as what is held already.

Rows of the person go; where somebody else's row holds the person's number (a mother, a note) the
number goes and the rest of the value stays, as does every other byte of a text file. Nothing of
ours writes SAS7BDAT, so a file of that kind is replaced by its values in Parquet, its twin. The
hash of a file changes, and the ledger keeps the old one beside the new.
"""

import gzip
import hmac
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import duckdb
import pyarrow

from etl import delivered_numbers, deliveries, pseudonym, registers
from etl.errors import DeliveryError, SettingsError
from etl.home import Home, connect, file_hash, read_json, remove, replace_json, replace_text
from etl.landing.given import identifier, quoted
from etl.personal_number import classify
from etl.quality import past
from etl.registers import Register, Table
from etl.restricted import FOLDER_MODE, MODE, Keys
from etl.settings import Settings


@dataclass
class Erased:
    """What was taken out of one delivery."""

    delivery: str
    files: list[dict] = field(default_factory=list)  # path, rows, values, before, after

    @property
    def rows(self) -> int:
        return sum(file["rows"] for file in self.files)

    @property
    def values(self) -> int:
        return sum(file["values"] for file in self.files)


# ------------------------------------------------------------------ tombstones


def tombstones_of(home: Home) -> Path:
    """One entry per erased person: keyed hashes of the numbers, the day, why, and who decided.

    `perhaps` has those of numbers that a keeper has joined to the person since.
    """
    return home.restricted / "erased.json"


def tombstones(home: Home) -> list[dict]:
    place = tombstones_of(home)
    return read_json(place)["erased"] if place.exists() else []


def mark(number: str, keys: Keys) -> str:
    """What stands on a tombstone in place of a number."""
    return hmac.new(keys.tombstone, number.encode(), "sha256").hexdigest()


def marks(home: Home) -> set[str]:
    return {one for entry in tombstones(home) for one in entry["marks"]}


def bury(home: Home, wanted: list[str], day: str, why: str, by: str) -> None:
    """Set the tombstone; from here on the person stays out, whatever happens to the rest.

    Who has one already keeps it, and it gets the marks that are new.
    """
    known = tombstones(home)
    for entry in known:
        if set(wanted) & set(entry["marks"]):
            entry["marks"] = sorted({*wanted, *entry["marks"]})
            break
    else:
        known.append({"marks": wanted, "on": day, "why": why, "by": by, "rows": 0, "values": 0})
    if known != tombstones(home):
        _keep(home, known)


def _keep(home: Home, known: list[dict]) -> None:
    replace_json(tombstones_of(home), {"erased": known}, MODE)


def tombstone(home: Home, wanted: list[str]) -> dict | None:
    """The one of a person, by some of the marks; None where there is none."""
    return next((one for one in tombstones(home) if set(wanted) & set(one["marks"])), None)


def count(home: Home, wanted: list[str], rows: int, values: int) -> None:
    """Write on a person's tombstone how much was taken out for it, earlier times included."""
    known = tombstones(home)
    for entry in known:
        if set(wanted) & set(entry["marks"]):
            entry |= {"rows": rows, "values": values}
            break
    _keep(home, known)


def totals(home: Home) -> dict[str, int]:
    """Persons, rows and values that were erased from this home so far."""
    known = tombstones(home)
    return {
        "persons": len(known),
        "rows": sum(entry["rows"] for entry in known),
        "values": sum(entry["values"] for entry in known),
    }


# ------------------------------------------------------------------ perhaps an erased person's


def suspects_of(home: Home) -> Path:
    """One file for each erased person who may be back under other numbers, one number a line.

    It is named by the first 12 digits of the tombstone, as the ledger has it.
    """
    return home.restricted / "perhaps_erased"


def suspects(
    con: duckdb.DuckDBPyConnection, home: Home, folder: Path, keys: Keys, unpack_times: int
) -> dict[str, set[str]]:
    """Numbers that a delivery of the civil register joins to an erased one, by its mark.

    Nobody is erased on a keeper's word that two numbers are one person: it may be a slip. So they
    are for somebody to decide about, and those that were noted before are not told again.
    """
    register = registers.register(folder.parent.name)
    known = {of: entry for entry in tombstones(home) for of in entry["marks"]}
    found: dict[str, set[str]] = {}
    for file in read_json(folder / deliveries.MANIFEST)["files"]:
        table = register.table(file["table"])
        current = next((column for column in table.columns if column.role == "current"), None)
        if current is None or table.owner is None:
            continue
        wanted = (table.owner.name, current.name)
        for pair in delivered_numbers.pairs(
            con, home.scratch, folder / file["path"], file["format"], register, wanted, unpack_times
        ):
            numbers = [number.replace("-", "") for number in pair]
            if numbers[0] == numbers[1] or not all(numbers):
                continue
            marked = [mark(number, keys) for number in numbers]
            for erased, nth in ((marked[0], 1), (marked[1], 0)):
                is_new = marked[nth] not in known and not classify(numbers[nth]).reason
                if erased in known and is_new:
                    entry = known[erased]
                    if marked[nth] not in entry.get("perhaps", []):
                        found.setdefault(entry["marks"][0], set()).add(numbers[nth])
    return found


def note_suspects(home: Home, found: dict[str, set[str]]) -> list[Path]:
    """Write suspects beside the ones that were noted before. Returns the files."""
    places = []
    for of, numbers in sorted(found.items()):
        place = suspects_of(home) / f"{of[:12]}.txt"
        place.parent.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
        before = place.read_text("utf-8").split() if place.exists() else []
        lines = "".join(f"{number}\n" for number in sorted({*before, *numbers}))
        replace_text(place, lines, MODE)
        places.append(place)
    return places


def remember_suspects(home: Home, found: dict[str, set[str]], keys: Keys) -> None:
    """Keep on the tombstones who was noted, so that the same delivery tells it once."""
    known = tombstones(home)
    for entry in known:
        more = {mark(number, keys) for number in found.get(entry["marks"][0], ())}
        if more:
            entry["perhaps"] = sorted(more | set(entry.get("perhaps", [])))
    _keep(home, known)


def marks_joined_by(home: Home, path: Path) -> set[str]:
    """The marks of the erased person whose suspects a file holds; none where it is no such file.

    To ask for an erasure with that file is to say that they are one person.
    """
    if path.resolve().parent != suspects_of(home).resolve():
        return set()
    return {
        of
        for entry in tombstones(home)
        if any(one.startswith(path.stem) for one in entry["marks"])
        for of in entry["marks"]
    }


# ------------------------------------------------------------------ a request


def asked_for(home: Home, path: Path) -> list[str]:
    """The numbers in a file of the restricted zone, one a line.

    Raises SettingsError where it lies elsewhere, is open to others, or holds what is no number.
    """
    if not path.is_file() or not path.resolve().is_relative_to(home.restricted.resolve()):
        raise SettingsError(
            f"--pnr-file: no file of the restricted zone. Expected one below {home.restricted}, so "
            "that the number lies nowhere else. Put it there."
        )
    if path.stat().st_mode & 0o077:
        raise SettingsError(
            f"{path}: others may read it. Expected it to be its owner's only. Run `chmod 600`."
        )
    numbers = [line.strip().replace("-", "") for line in path.read_text("utf-8").split()]
    wrong = [nth for nth, number in enumerate(numbers, 1) if classify(number).reason]
    if wrong or not numbers:
        raise SettingsError(
            f"{path}: line {wrong[0] if wrong else 1} is no personal number. Expected one number a "
            "line, with or without hyphen. Correct it."
        )
    return numbers


# ------------------------------------------------------------------ one delivery


def cleanse(
    con: duckdb.DuckDBPyConnection,
    scratch: Path,
    folder: Path,
    others: list[Path],
    keys: Keys,
    marked: set[str],
    unpack_times: int,
    is_preview: bool = False,
    is_resumed: bool = False,
) -> Erased:
    """Take everybody who has a tombstone out of a delivery's files and its manifest.

    `others` are the register's other deliveries, whose contacts may own this one's rows. Each file
    is replaced whole, the manifest last; killed in between it is done again from the start, and
    only then, with `is_resumed`, may a file be another than its manifest says. With `is_preview`
    nothing is replaced.

    Raises DeliveryError where a file cannot be read, or the name of a twin is taken.
    """
    if not is_preview:
        _forget_replaced_sas(folder)
    register = registers.register(folder.parent.name)
    manifest = read_json(folder / deliveries.MANIFEST)
    erased = Erased(f"{register.name}/{folder.name}")
    found: dict[str, set[str]] = {}
    for file in manifest["files"]:
        path = folder / file["path"]
        seen = delivered_numbers.seen_in(con, scratch, path, file["format"], unpack_times)
        found[file["path"]] = {number for number in seen if mark(number, keys) in marked}
    folders = [folder, *others]
    contacts = delivered_numbers.contact_keys(
        con, scratch, register, folders, lambda number: mark(number, keys) in marked, unpack_times
    )
    # What hangs on a contact goes before it: a kill in between must not lose whose it was.
    for file in sorted(manifest["files"], key=lambda f: register.table(f["table"]).contact is None):
        path, table = folder / file["path"], register.table(file["table"])
        if is_resumed and path.stat().st_size != file["bytes"]:
            # A kill came between the file and the manifest: what is told of it is told now.
            rows = file["rows"] - deliveries.rows_of(path, file["format"], register, unpack_times)
            entry = {"path": file["path"], "rows": rows, "values": 0, "before": file["sha256"]}
            _list_anew(folder, file, rows)
            erased.files.append(entry | {"after": file["sha256"]})
        own = contacts.get(table.contact.refers_to, set()) if table.contact else set()
        numbers = found[file["path"]]
        if not numbers and not own:
            continue
        is_sas = file["format"] == "sas7bdat"
        twin = _twin_of(folder, file["path"], manifest) if is_sas else None
        beside = path.with_name(f".{path.name}.erasing")
        if file["format"] == "csv":
            rows, values = _rewrite_text(path, beside, register, table, numbers, own, unpack_times)
        else:
            with delivered_numbers.as_parquet(scratch, path, file["format"]) as typed:
                rows, values = _rewrite_typed(con, typed, beside, table, numbers, own)
        if not rows and not values:
            remove(beside)
            continue
        entry = {"path": file["path"], "rows": rows, "values": values, "before": file["sha256"]}
        if twin:
            entry["twin"] = twin
        if is_preview:
            remove(beside)
        else:
            beside.chmod(MODE)
            if twin:
                file |= {"path": twin, "format": deliveries.SAS_TWIN}
            beside.replace(folder / file["path"])
            _list_anew(folder, file, rows)
            entry["after"] = file["sha256"]
        erased.files.append(entry)
    if erased.files and not is_preview:
        replace_json(folder / deliveries.MANIFEST, manifest, MODE)
        _forget_replaced_sas(folder)
    return erased


def _twin_of(folder: Path, path: str, manifest: dict) -> str:
    """The path of the Parquet file that replaces a SAS file."""
    twin = str(Path(path).with_suffix(".parquet"))
    if twin != path and any(file["path"] == twin for file in manifest["files"]):
        raise DeliveryError(
            f"{folder / path}: holds somebody who was erased, and {Path(twin).name} beside it is "
            "another file. Expected that name to be free for what replaces a SAS file. Ask the "
            "keeper to send one of the two under another name."
        )
    return twin


def _forget_replaced_sas(folder: Path) -> None:
    """Take away the SAS files whose twins the manifest lists in their place."""
    files = read_json(folder / deliveries.MANIFEST)["files"]
    listed = {file["path"] for file in files}
    twins = {file["path"] for file in files if file["format"] == deliveries.SAS_TWIN}
    for path in folder.rglob("*") if twins else ():
        own = path.relative_to(folder)
        if path.is_file() and str(own) not in listed and str(own.with_suffix(".parquet")) in twins:
            remove(path)


def _list_anew(folder: Path, file: dict, rows: int) -> None:
    """A manifest's entry of a file that was rewritten without some rows."""
    made = deliveries.file_entry(
        folder,
        folder / file["path"],
        file["table"],
        file["period"],
        file["format"],
        file["rows"] - rows,
    )
    file.update(made | {"erased_rows": file.get("erased_rows", 0) + rows})


def _rewrite_text(
    path: Path,
    beside: Path,
    register: Register,
    table: Table,
    numbers: set[str],
    own_contacts: set[str],
    unpack_times: int,
) -> tuple[int, int]:
    """Copy a text file without the rows, other lines byte for byte. Returns (rows, values)."""
    rows = values = 0
    delimiter = register.delimiter.encode()
    with deliveries.opened(path, unpack_times) as stream, _packed_as(path, beside) as out:
        records = delivered_numbers.records(stream, register)
        header = next(records, b"")
        out.write(header)
        names = delivered_numbers.cells_of(header, register)
        owner = delivered_numbers.place_of(names, table.owner.name) if table.owner else None
        key = delivered_numbers.place_of(names, table.contact.name) if table.contact else None
        for line in records:
            held = delivered_numbers.numbers_in(line) & numbers
            cells = delivered_numbers.cells_of(line, register)
            hangs = (
                key is not None
                and len(cells) > key
                and delivered_numbers.bare(delivered_numbers.plain(cells[key])) in own_contacts
            )
            if hangs or (
                held and owner is not None and delivered_numbers.holds(cells, owner, held)
            ):
                rows += 1
                continue
            if held:
                end = line[len(line.rstrip(b"\r\n")) :]
                spelt = re.compile("|".join(delivered_numbers.forms_of(held)).encode())
                without = [spelt.sub(b"", cell) for cell in cells]
                values += sum(one != cell for one, cell in zip(without, cells, strict=True))
                line = delimiter.join(without) + end
            out.write(line)
    return rows, values


@contextmanager
def _packed_as(path: Path, beside: Path) -> Iterator[BinaryIO]:
    """A file to be written, packed as another is; the same content gives the same bytes."""
    with beside.open("wb") as plain:
        match path.suffix.lower():
            case ".gz":
                with gzip.GzipFile(filename="", mode="wb", fileobj=plain, mtime=0) as packed:
                    yield packed
            case ".zst":
                with pyarrow.CompressedOutputStream(plain, "zstd") as packed:
                    yield packed
            case _:
                yield plain


def _rewrite_typed(
    con: duckdb.DuckDBPyConnection,
    path: Path,
    beside: Path,
    table: Table,
    numbers: set[str],
    own_contacts: set[str],
) -> tuple[int, int]:
    """The same of a Parquet file."""
    described = con.execute(f"describe from read_parquet({quoted(path)})").fetchall()
    types = {name: kind for name, kind, *_ in described}
    names = {name.lower(): name for name in types}
    kinds = delivered_numbers.columns_of(con, path)
    forms = delivered_numbers.forms_of(numbers)
    con.execute("create or replace temp table form as select unnest(?::varchar[]) as form", [forms])
    con.execute(
        "create or replace temp table own_contact as select unnest(?::varchar[]) as key",
        [sorted(own_contacts)],
    )

    def holds(column: str) -> str:
        text = delivered_numbers.as_text(column, kinds[column])
        return f"exists (select 1 from form where contains({text}, form.form))"

    gone = ["false"]
    if table.owner and names.get(table.owner.name) in kinds:
        gone.append(holds(names[table.owner.name]))
    if table.contact and table.contact.name in names:
        column = names[table.contact.name]
        key = f"ltrim(trim({delivered_numbers.as_text(column, types[column])}), '0')"
        gone.append(
            f"case when {key} = '' then '0' else {key} end in (select key from own_contact)"
        )
    source = f"(select *, row_number() over () as nth from read_parquet({quoted(path)}))"
    goes = " or ".join(f"coalesce({one}, false)" for one in gone)
    emptied = " + ".join(f"count(*) filter (where coalesce({holds(t)}, false))" for t in kinds)
    rows = con.execute(f"select count(*) from {source} where {goes}").fetchone()[0]
    values = con.execute(f"select {emptied or '0'} from {source} where not ({goes})").fetchone()[0]

    def without(column: str) -> str:
        name = identifier(column)
        if column not in kinds or not forms:
            return name
        if kinds[column] != "VARCHAR":  # nothing of such a value can stay
            return f"case when not coalesce({holds(column)}, false) then {name} end as {name}"
        freed = f"nullif(regexp_replace({name}, '{'|'.join(forms)}', '', 'g'), '')"
        return f"case when {holds(column)} then {freed} else {name} end as {name}"

    kept = ", ".join(without(name) for name in types)
    con.execute(
        f"copy (select {kept} from {source} where not ({goes}) order by nth) to {quoted(beside)} "
        "(format parquet, compression zstd)"
    )
    return rows, values


# ------------------------------------------------------------------ one home


def whole_person(
    con: duckdb.DuckDBPyConnection, home: Home, keys: Keys, asked: list[str]
) -> tuple[set[str], list[int]]:
    """Every number of the person whom the numbers lead to, and the id in the warehouse, if any.

    A number that leads to nobody stands for itself. Raises SettingsError where they are two
    persons': each is a request of its own, with a tombstone and a count of its own.
    """
    if not home.identity.exists():
        return set(asked), []  # an erasure that was broken off: the journal has the rest
    keys.attach_identity(con, home.identity)
    con.execute("create or replace temp table asked as select unnest(?::varchar[]) as pnr", [asked])
    persons = [
        person
        for (person,) in con.execute(
            "select distinct person_id from identity.number semi join asked using (pnr) "
            "where person_id is not null order by person_id"
        ).fetchall()
    ]
    con.execute(
        "create or replace temp table person as select unnest(?::bigint[]) as person_id", [persons]
    )
    numbers = con.execute(
        "select pnr from identity.number semi join person using (person_id)"
    ).fetchall()
    con.execute("detach identity")
    everything = set(asked) | {number for (number,) in numbers}
    if (
        len(persons) > 1
        or (not persons and len(set(asked)) > 1)
        or (persons and not set(asked) <= {number for (number,) in numbers})
    ):
        raise SettingsError(
            "--pnr-file: the numbers are of more than one person, or some of nobody. Expected one "
            "person a request. Put each into a file of its own."
        )
    return everything, persons


def every_id(persons: list[int], numbers: set[str], keys: Keys) -> list[int]:
    """The ids under which earlier refreshes may have known a person.

    Each of the numbers was the first of its chain until the civil register told of the one before.
    """
    return sorted({*persons, *pseudonym.person_ids(numbers, keys.secret).values()})


def is_ahead(home: Home, register: str, folder: Path) -> bool:
    """Whether a delivery was rewritten since it was accepted: what a kill has left."""
    path = home.accepted / register / f"{folder.name}.json"
    manifest = folder / deliveries.MANIFEST
    return path.exists() and read_json(path)["manifest_sha256"] != file_hash(manifest)


def forget_in_warehouse(settings: Settings, home: Home, persons: list[int]) -> None:
    """Take a person's failing rows away, of this refresh and of all earlier ones."""
    if not persons:
        return
    with connect(settings) as con:
        past.forget(con, home.quality, persons)
    if not home.warehouse.exists():
        return
    with connect(settings, home.warehouse) as con:
        known = con.execute(
            "select count(*) from duckdb_tables() where schema_name = 'quality' "
            "and table_name = 'failure'"
        ).fetchone()[0]
        for person in persons if known else ():
            con.execute("delete from quality.failure where contains(row_key, ?)", [f'"{person}"'])
        con.execute("checkpoint")
