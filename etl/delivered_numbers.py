"""Where personal numbers stand in delivered files, whatever their format.

Read as it was delivered, before anything is typed: a number may stand in any cell, with or without
its hyphen, within a text, in a quoted cell that runs over lines, or in a column of numbers.
"""

import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from etl import deliveries
from etl.home import read_json
from etl.landing.given import LONGEST_LINE_BYTES, identifier, quoted, sas_as_parquet
from etl.landing.unnamed import unnamed_files
from etl.registers import Register
from etl.restricted import FOLDER_MODE

QUOTED = re.compile(rb'"(?:[^"]|"")*"')
# Ten characters wherever they stand, with or without the hyphen, also inside a longer run of them.
ANYWHERE = re.compile(rb"(?=([0-9]{6}-?[0-9A-Z]{2}[0-9]{2}))")
# Numbers of Parquet that can hold all ten digits of a personal number, as DuckDB names them.
WHOLE = ("INTEGER", "UINTEGER", "BIGINT", "UBIGINT", "HUGEINT", "UHUGEINT", "DOUBLE", "DECIMAL")
NO_NUMBER = (
    "DATE", "TIME", "INTERVAL", "BOOLEAN", "TINYINT", "SMALLINT", "UTINYINT", "USMALLINT", "FLOAT",
)  # fmt: skip
PIECE_ROWS = 100_000  # read at a time where a whole column may not fit in memory


@contextmanager
def as_parquet(scratch: Path, path: Path, kind: str) -> Iterator[Path]:
    """A typed file as Parquet; a SAS file's own bytes may be packed and show no number."""
    if kind != "sas7bdat":
        yield path
        return
    scratch.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
    with unnamed_files(scratch) as unnamed:
        parquet = unnamed.make("erasing.parquet")
        sas_as_parquet(path, path, parquet)
        yield parquet


def seen_in(
    con: duckdb.DuckDBPyConnection, scratch: Path, path: Path, kind: str, unpack_times: int
) -> set[str]:
    """Everything in a file that could be a personal number."""
    if kind == "csv":
        found: set[bytes] = set()
        with deliveries.opened(path, unpack_times) as stream:
            for line in stream:
                found.update(ANYWHERE.findall(line))
        return {one.decode("ascii").replace("-", "") for one in found}
    seen: set[str] = set()
    with as_parquet(scratch, path, kind) as typed:
        for column, held in columns_of(con, typed).items():
            query = f"select distinct {as_text(column, held)} from read_parquet({quoted(typed)})"
            values = con.execute(query)
            while piece := values.fetchmany(PIECE_ROWS):
                for (value,) in piece:
                    forms = ANYWHERE.findall((value or "").encode())
                    seen.update(form.decode().replace("-", "") for form in forms)
    return seen


def columns_of(con: duckdb.DuckDBPyConnection, path: Path) -> dict[str, str]:
    """Type by name of a Parquet file's columns that can hold a personal number."""
    described = con.execute(f"describe from read_parquet({quoted(path)})").fetchall()
    return {name: kind for name, kind, *_ in described if not kind.startswith(NO_NUMBER)}


def as_text(column: str, kind: str) -> str:
    """SQL of a column's text; a number that is held as one has lost its leading zeros."""
    name = identifier(column)
    if not kind.startswith(WHOLE) or kind.endswith("]"):
        return f"{name}::varchar"
    digits = f"try_cast({name} as hugeint)::varchar"
    # lpad would cut a longer one.
    return (
        f"case when {name} <> trunc({name}) then null "
        f"when length({digits}) < 10 then lpad({digits}, 10, '0') else {digits} end"
    )


def contact_keys(
    con: duckdb.DuckDBPyConnection,
    scratch: Path,
    register: Register,
    folders: list[Path],
    is_meant: Callable[[str], bool],
    unpack_times: int,
) -> dict[str, set[str]]:
    """By contact table: the keys of contacts whose numbers are meant, and never another one's."""
    mine: dict[str, set[str]] = {}
    theirs: dict[str, set[str]] = {}
    hung_on = {table.contact.refers_to for table in register.tables if table.contact}
    for folder in folders if hung_on else []:
        for file in read_json(folder / deliveries.MANIFEST)["files"]:
            if file["table"] not in hung_on:
                continue
            table = register.table(file["table"])
            wanted = (table.key[0], table.owner.name)
            path = folder / file["path"]
            for spelt, number in pairs(
                con, scratch, path, file["format"], register, wanted, unpack_times
            ):
                key = bare(spelt)
                (mine if is_meant(number.replace("-", "")) else theirs).setdefault(
                    table.name, set()
                ).add(key)
    return {name: found - theirs.get(name, set()) for name, found in mine.items()}


def pairs(
    con: duckdb.DuckDBPyConnection,
    scratch: Path,
    path: Path,
    kind: str,
    register: Register,
    wanted: tuple[str, str],
    unpack_times: int,
) -> Iterator[tuple[str, str]]:
    """Two columns of every row of a file, without quotes; nothing where it lacks one of them."""
    if kind == "csv":
        with deliveries.opened(path, unpack_times) as stream:
            found = records(stream, register)
            names = cells_of(next(found, b""), register)
            at = [place_of(names, column) for column in wanted]
            for record in found:
                cells = cells_of(record, register)
                if None not in at and len(cells) > max(at):
                    yield plain(cells[at[0]]), plain(cells[at[1]])
        return
    with as_parquet(scratch, path, kind) as typed:
        described = con.execute(f"describe from read_parquet({quoted(typed)})").fetchall()
        texts = {name.lower(): as_text(name, held) for name, held, *_ in described}
        if not set(wanted) <= set(texts):
            return
        columns = ", ".join(texts[name] for name in wanted)
        found = con.execute(f"select {columns} from read_parquet({quoted(typed)})")
        while piece := found.fetchmany(PIECE_ROWS):
            yield from (((one or "").strip(), (other or "").strip()) for one, other in piece)


def records(stream: Iterable[bytes], register: Register) -> Iterator[bytes]:
    """Lines, and as one the lines of a record in which a quoted cell holds a line end."""
    lines, ahead = iter(stream), deque[bytes]()
    while (first := ahead.popleft() if ahead else next(lines, None)) is not None:
        record, taken = first, []
        while _is_open(record, register) and len(record) < LONGEST_LINE_BYTES:
            following = ahead.popleft() if ahead else next(lines, None)
            if following is None:
                break
            taken.append(following)
            record += following
        if _is_open(record, register):  # a quote that nothing closes: each line is what it is
            ahead.extendleft(reversed(taken))
            record = first
        yield record


def _split(record: bytes, register: Register) -> tuple[list[bytes], bool]:
    """The cells as they are written, and whether the last one's quote is not closed."""
    delimiter = register.delimiter.encode()
    bare = record.rstrip(b"\r\n")
    if b'"' not in bare:
        return bare.split(delimiter), False
    cells, at = [], 0
    while True:
        quoted_cell = QUOTED.match(bare, at)
        end = quoted_cell.end() if quoted_cell else -1
        if end != len(bare) and not (quoted_cell and bare.startswith(delimiter, end)):
            if bare.startswith(b'"', at) and not quoted_cell:
                return [*cells, bare[at:]], True
            end = bare.find(delimiter, at)
        if end in (-1, len(bare)):
            return [*cells, bare[at:]], False
        cells.append(bare[at:end])
        at = end + len(delimiter)


def cells_of(record: bytes, register: Register) -> list[bytes]:
    return _split(record, register)[0]


def _is_open(record: bytes, register: Register) -> bool:
    return b'"' in record and _split(record, register)[1]


def place_of(names: list[bytes], column: str) -> int | None:
    plain = [name.strip(b'" \xef\xbb\xbf').lower() for name in names]
    return plain.index(column.encode()) if column.encode() in plain else None


def plain(cell: bytes) -> str:
    """What a cell holds, without quotes and spaces around it."""
    return cell.strip(b'" ').decode("utf-8", "replace")


def bare(key: str) -> str:
    """A contact's key in one spelling, as `etl.linkage.contact_key` has it."""
    return key.lstrip("0") or "0"


def forms_of(numbers: Iterable[str]) -> list[str]:
    """Numbers as they may be spelt."""
    return sorted({form for n in numbers for form in (n, f"{n[:6]}-{n[6:]}")})


def holds(cells: list[bytes], place: int, numbers: set[str]) -> bool:
    return place < len(cells) and bool(numbers_in(cells[place]) & numbers)


def numbers_in(text: bytes) -> set[str]:
    """Whatever could be a personal number, without hyphens."""
    return {one.decode("ascii").replace("-", "") for one in ANYWHERE.findall(text)}
