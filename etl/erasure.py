"""A person taken out of what was delivered, on lawful request, and kept out.

What stays is a tombstone: a keyed hash of each of the person's numbers. Whatever is delivered later
is read for numbers that have one before it is stored, and loses their rows on the way. So a
delivery that comes again, as it was, ends as what is held already.

Rows of the person go; where somebody else's row holds the person's number (a mother, a note) the
number goes and the rest of the value stays, as does every other byte of a text file. The hash of a
file changes, and the ledger keeps the old one beside the new.
"""

import gzip
import hmac
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import duckdb
import pyarrow

from etl import deliveries, registers
from etl.errors import LIKE_A_NUMBER, DeliveryError, SettingsError
from etl.home import Home, connect, file_hash, read_json, remove, replace_json
from etl.landing.given import identifier, quoted
from etl.personal_number import classify
from etl.registers import Register, Table
from etl.restricted import MODE, Keys
from etl.settings import Settings

# Ten characters wherever they stand, with or without the hyphen, also inside a longer run of them.
ANYWHERE = re.compile(rb"(?=([0-9]{6}-?[0-9A-Z]{2}[0-9]{2}))")


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
    """One entry per erased person: keyed hashes of the numbers, the day, why, and who decided."""
    return home.restricted / "erased.json"


def tombstones(home: Home) -> list[dict]:
    place = tombstones_of(home)
    return read_json(place)["erased"] if place.exists() else []


def journal_of(home: Home) -> Path:
    """There while an erasure is under way."""
    return home.restricted / "erasure.json"


def mark(number: str, keys: Keys) -> str:
    """What stands on a tombstone in place of a number."""
    return hmac.new(keys.tombstone, number.encode(), "sha256").hexdigest()


def marks(home: Home) -> set[str]:
    return {one for entry in tombstones(home) for one in entry["marks"]}


def bury(home: Home, wanted: list[str], day: str, why: str, by: str) -> None:
    """Set the tombstone; from here on the person stays out, whatever happens to the rest."""
    known = tombstones(home)
    if not any(set(wanted) <= set(entry["marks"]) for entry in known):
        entry = {"marks": wanted, "on": day, "why": why, "by": by, "rows": 0, "values": 0}
        replace_json(tombstones_of(home), {"erased": [*known, entry]})
        tombstones_of(home).chmod(MODE)


def count(home: Home, rows: int, values: int) -> None:
    """Write on the last tombstone how much was taken out for it."""
    known = tombstones(home)
    known[-1] |= {"rows": rows, "values": values}
    replace_json(tombstones_of(home), {"erased": known})
    tombstones_of(home).chmod(MODE)


def totals(home: Home) -> dict[str, int]:
    """Persons, rows and values that were erased from this home so far."""
    known = tombstones(home)
    return {
        "persons": len(known),
        "rows": sum(entry["rows"] for entry in known),
        "values": sum(entry["values"] for entry in known),
    }


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


def hold_words(option: str, text: str) -> None:
    """The ledger keeps the words for ever, so no number may be among them."""
    if not text.strip() or LIKE_A_NUMBER.search(text):
        raise SettingsError(
            f"{option}: empty, or looks as if it held a personal number. Expected words without "
            "one. Say it in other words."
        )


# ------------------------------------------------------------------ one delivery


def cleanse(
    con: duckdb.DuckDBPyConnection,
    folder: Path,
    others: list[Path],
    keys: Keys,
    marked: set[str],
    unpack_times: int,
    is_preview: bool = False,
) -> Erased:
    """Take everybody who has a tombstone out of a delivery's files and its manifest.

    `others` are the register's other deliveries, whose contacts may own this one's rows. Each file
    is replaced whole, the manifest last; killed in between it is done again from the start. With
    `is_preview` nothing is replaced.

    Raises DeliveryError where a file cannot be rewritten in its own format.
    """
    register = registers.register(folder.parent.name)
    manifest = read_json(folder / deliveries.MANIFEST)
    erased = Erased(f"{register.name}/{folder.name}")
    found: dict[str, set[str]] = {}
    for file in manifest["files"]:
        path = folder / file["path"]
        seen = _seen(con, path, file["format"], unpack_times)
        found[file["path"]] = {number for number in seen if mark(number, keys) in marked}
    contacts = _contact_keys(con, register, [folder, *others], keys, marked, unpack_times)
    # What hangs on a contact goes before it: a kill in between must not lose whose it was.
    for file in sorted(manifest["files"], key=lambda f: register.table(f["table"]).contact is None):
        path, table = folder / file["path"], register.table(file["table"])
        if path.stat().st_size != file["bytes"]:
            # A kill came between the file and the manifest: what is told of it is told now.
            rows = file["rows"] - deliveries.rows_of(path, file["format"], register, unpack_times)
            entry = {"path": file["path"], "rows": rows, "values": 0, "before": file["sha256"]}
            _list_anew(folder, file, rows)
            erased.files.append(entry | {"after": file["sha256"]})
        own = contacts.get(table.contact.refers_to, set()) if table.contact else set()
        numbers = found[file["path"]]
        if not numbers and not own:
            continue
        beside = path.with_name(f".{path.name}.erasing")
        rewrite = _rewrite_text if file["format"] == "csv" else _rewrite_typed
        rows, values = rewrite(con, path, beside, register, table, numbers, own, unpack_times)
        if not rows and not values:
            remove(beside)
            continue
        entry = {"path": file["path"], "rows": rows, "values": values, "before": file["sha256"]}
        if is_preview:
            remove(beside)
        else:
            beside.chmod(MODE)
            beside.replace(path)
            _list_anew(folder, file, rows)
            entry["after"] = file["sha256"]
        erased.files.append(entry)
    if erased.files and not is_preview:
        replace_json(folder / deliveries.MANIFEST, manifest)
        (folder / deliveries.MANIFEST).chmod(MODE)
    return erased


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


def _seen(con: duckdb.DuckDBPyConnection, path: Path, kind: str, unpack_times: int) -> set[str]:
    """Everything in a file that could be a personal number."""
    if kind == "csv":
        found: set[bytes] = set()
        with deliveries.opened(path, unpack_times) as stream:
            for line in stream:
                found.update(ANYWHERE.findall(line))
        return {one.decode("ascii").replace("-", "") for one in found}
    if kind == "sas7bdat":
        found = set(ANYWHERE.findall(path.read_bytes()))
        return {one.decode("ascii").replace("-", "") for one in found}
    texts = _text_columns(con, path)
    seen: set[str] = set()
    for column in texts:
        values = con.execute(
            f"select distinct {identifier(column)} from read_parquet({quoted(path)})"
        ).fetchall()
        for (value,) in values:
            seen.update(m.decode().replace("-", "") for m in ANYWHERE.findall(str(value).encode()))
    return seen


def _text_columns(con: duckdb.DuckDBPyConnection, path: Path) -> list[str]:
    described = con.execute(f"describe from read_parquet({quoted(path)})").fetchall()
    return [name for name, kind, *_ in described if kind == "VARCHAR"]


def _contact_keys(
    con: duckdb.DuckDBPyConnection,
    register: Register,
    folders: list[Path],
    keys: Keys,
    marked: set[str],
    unpack_times: int,
) -> dict[str, set[str]]:
    """By contact table: the keys of contacts that are an erased person's, and nobody else's."""
    mine: dict[str, set[str]] = {}
    theirs: dict[str, set[str]] = {}
    hung_on = {table.contact.refers_to for table in register.tables if table.contact}
    for folder in folders if hung_on else []:
        for file in read_json(folder / deliveries.MANIFEST)["files"]:
            if file["table"] not in hung_on:
                continue
            table = register.table(file["table"])
            pairs = _pairs(
                con, folder / file["path"], file["format"], register, table, unpack_times
            )
            for key, number in pairs:
                is_mine = mark(number.replace("-", ""), keys) in marked
                (mine if is_mine else theirs).setdefault(table.name, set()).add(key)
    return {name: found - theirs.get(name, set()) for name, found in mine.items()}


def _pairs(
    con: duckdb.DuckDBPyConnection,
    path: Path,
    kind: str,
    register: Register,
    table: Table,
    unpack_times: int,
) -> Iterator[tuple[str, str]]:
    """(key, number) of every contact in a file; the key without leading zeros."""
    if kind == "csv":
        with deliveries.opened(path, unpack_times) as stream:
            names = _cells(next(iter(stream), b""), register)
            at = [_place(names, column) for column in (table.key[0], table.owner.name)]
            for line in stream:
                cells = _cells(line, register)
                if None not in at and len(cells) > max(at):
                    yield _bare(cells[at[0]]), cells[at[1]].decode("ascii", "replace")
    elif kind == "parquet":
        columns = f"{identifier(table.key[0])}::varchar, {identifier(table.owner.name)}::varchar"
        query = f"select {columns} from read_parquet({quoted(path)})"
        for key, number in con.execute(query).fetchall():
            yield _bare((key or "").encode()), number or ""


def _cells(line: bytes, register: Register) -> list[bytes]:
    return line.rstrip(b"\r\n").split(register.delimiter.encode())


def _place(names: list[bytes], column: str) -> int | None:
    plain = [name.strip(b'" \xef\xbb\xbf').lower() for name in names]
    return plain.index(column.encode()) if column.encode() in plain else None


def _bare(cell: bytes) -> str:
    """A contact's key in one spelling, as `etl.linkage.contact_key` has it."""
    return cell.strip(b'" ').decode("utf-8", "replace").lstrip("0") or "0"


def _rewrite_text(
    con: duckdb.DuckDBPyConnection,
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
        header = next(iter(stream), b"")
        out.write(header)
        names = _cells(header, register)
        owner = _place(names, table.owner.name) if table.owner else None
        key = _place(names, table.contact.name) if table.contact else None
        for line in stream:
            held = {m.decode("ascii").replace("-", "") for m in ANYWHERE.findall(line)} & numbers
            cells = _cells(line, register)
            hangs = key is not None and len(cells) > key and _bare(cells[key]) in own_contacts
            if hangs or (held and owner is not None and _holds(cells, owner, held)):
                rows += 1
                continue
            if held:
                end = line[len(line.rstrip(b"\r\n")) :]
                spelt = re.compile("|".join(_forms(held)).encode())
                without = [spelt.sub(b"", cell) for cell in cells]
                values += sum(one != cell for one, cell in zip(without, cells, strict=True))
                line = delimiter.join(without) + end
            out.write(line)
    return rows, values


def _forms(numbers: Iterable[str]) -> list[str]:
    """Numbers as they may be spelt."""
    return sorted({form for n in numbers for form in (n, f"{n[:6]}-{n[6:]}")})


def _holds(cells: list[bytes], place: int, numbers: set[str]) -> bool:
    if place >= len(cells):
        return False
    found = {m.decode("ascii").replace("-", "") for m in ANYWHERE.findall(cells[place])}
    return bool(found & numbers)


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
    register: Register,
    table: Table,
    numbers: set[str],
    own_contacts: set[str],
    unpack_times: int,
) -> tuple[int, int]:
    """The same of a Parquet file."""
    if path.suffix.lower() != ".parquet":
        raise DeliveryError(
            f"{path}: holds somebody who was erased, and a {path.suffix} file cannot be rewritten. "
            "Expected CSV or Parquet. Ask the keeper for the delivery without that person, or as "
            "CSV."
        )
    described = con.execute(f"describe from read_parquet({quoted(path)})").fetchall()
    names = {name.lower(): name for name, *_ in described}
    forms = _forms(numbers)
    con.execute("create or replace temp table form as select unnest(?::varchar[]) as form", [forms])
    con.execute(
        "create or replace temp table own_contact as select unnest(?::varchar[]) as key",
        [sorted(own_contacts)],
    )

    def holds(column: str) -> str:
        return f"exists (select 1 from form where contains({identifier(column)}, form.form))"

    gone = ["false"]
    if table.owner and table.owner.name in names:
        gone.append(holds(names[table.owner.name]))
    if table.contact and table.contact.name in names:
        key = f"ltrim(trim({identifier(names[table.contact.name])}::varchar), '0')"
        gone.append(
            f"case when {key} = '' then '0' else {key} end in (select key from own_contact)"
        )
    texts = [name for name, kind, *_ in described if kind == "VARCHAR"]
    source = f"(select *, row_number() over () as nth from read_parquet({quoted(path)}))"
    goes = " or ".join(f"coalesce({one}, false)" for one in gone)
    emptied = " + ".join(f"count(*) filter (where coalesce({holds(t)}, false))" for t in texts)
    rows = con.execute(f"select count(*) from {source} where {goes}").fetchone()[0]
    values = con.execute(f"select {emptied or '0'} from {source} where not ({goes})").fetchone()[0]
    kept = ", ".join(
        f"nullif(regexp_replace({identifier(n)}, '{'|'.join(forms)}', '', 'g'), '') "
        f"as {identifier(n)}"
        if n in texts and forms
        else identifier(n)
        for n, *_ in described
    )
    con.execute(
        f"copy (select {kept} from {source} where not ({goes}) order by nth) to {quoted(beside)} "
        "(format parquet, compression zstd)"
    )
    return rows, values


# ------------------------------------------------------------------ one home


def whole_person(
    con: duckdb.DuckDBPyConnection, home: Home, keys: Keys, asked: list[str]
) -> tuple[set[str], list[int]]:
    """Every number of the persons whom the numbers lead to, and their ids in the warehouse.

    A number that leads to nobody stands for itself.
    """
    if not home.identity.exists():
        return set(asked), []
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
    return set(asked) | {number for (number,) in numbers}, persons


def is_delivered(
    con: duckdb.DuckDBPyConnection, home: Home, keys: Keys, marked: set[str], unpack_times: int
) -> bool:
    """Whether any delivered file holds one of the numbers."""
    for register in registers.catalogue().values():
        for folder in deliveries.of_register(home.deliveries, register):
            for file in read_json(folder / deliveries.MANIFEST)["files"]:
                seen = _seen(con, folder / file["path"], file["format"], unpack_times)
                if any(mark(number, keys) in marked for number in seen):
                    return True
    return False


def is_ahead(home: Home, register: str, folder: Path) -> bool:
    """Whether a delivery was rewritten since it was accepted: what a kill has left."""
    path = home.accepted / register / f"{folder.name}.json"
    manifest = folder / deliveries.MANIFEST
    return path.exists() and read_json(path)["manifest_sha256"] != file_hash(manifest)


def forget_in_warehouse(settings: Settings, home: Home, persons: list[int]) -> None:
    """Take failing rows of earlier refreshes away: `select` carries them into the next one."""
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
