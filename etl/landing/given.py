"""A delivered file as rows of text, whatever its format: the contract's columns as given.

Each reader returns the rows as SQL, in the order of the file, so that the judging reads them in one
pass and never holds the file.
"""

import codecs
import csv
import re
from dataclasses import dataclass, replace
from pathlib import Path

import duckdb

from etl.deliveries import SAS_TWIN, DeliveredFile, opened, reading_sas
from etl.errors import DeliveryError, hold_own_faults
from etl.home import remove
from etl.landing.plain import PlainText, Shape
from etl.landing.unnamed import UnnamedFiles
from etl.registers import Register, Table

LONGEST_LINE_BYTES = 1_000_000
# Small enough to stay in the processor's cache: decoding is twice as fast as in pieces of 1 MiB.
PIECE_BYTES = 1 << 16
# What DuckDB trims besides the space: Unicode's other separators.
WIDE_SPACE = re.compile("[\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]")
COLUMN_NAME = re.compile(r"(?!.*\d{5})[a-zæøå_][a-zæøå0-9_]{1,40}")

# What a Parquet file may hold for each type of the contract.
WHOLE = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER")
PARQUET_TYPES = {
    "text": ("VARCHAR",),
    "integer": WHOLE,
    "decimal": ("FLOAT", "DOUBLE", "DECIMAL", "TINYINT", "SMALLINT", "INTEGER", "BIGINT"),
    "date": ("DATE", "TIMESTAMP"),
    "time": ("VARCHAR", "TIME", *WHOLE),
}
# SAS has text and one kind of number; the reader makes dates of numbers that carry a date format.
SAS_NUMBER = ("DOUBLE", "FLOAT", *WHOLE)
SAS_TYPES = {
    "text": ("VARCHAR",),
    "integer": SAS_NUMBER,
    "decimal": SAS_NUMBER,
    "date": ("DATE", "TIMESTAMP", *SAS_NUMBER),
    "time": ("VARCHAR", "TIME", *SAS_NUMBER),
}
SAS_EPOCH = "date '1960-01-01'"


@dataclass(frozen=True)
class Given:
    """The rows of a file: the contract's columns as text, then the others, named `+<column>`.

    `table` is the contract for this file: where the format has dates and numbers of its own, they
    are ISO and have a point here.
    `again` gives the same rows to a second reader, without counting the unreadable lines anew.
    """

    table: Table
    rows: str
    again: str
    extra: tuple[str, ...]
    columns: tuple[str, ...]  # of `rows`
    broken: str  # what to say when the rows cannot be read to the end
    has_spaces: bool = True  # False where nothing in the whole file could be trimmed
    is_ascii: bool = False  # True where no letter of the whole file can be lost
    plain: PlainText | None = None  # set where it is that


def read(
    con: duckdb.DuckDBPyConnection,
    scratch: Path,
    unnamed: UnnamedFiles,
    register: Register,
    table: Table,
    file: DeliveredFile,
    path: Path,
    unpack_times: int,
) -> Given:
    """Open a file by the contract. Raises DeliveryError where its columns are not as agreed.

    What is returned can be read until the unnamed files are closed.
    """
    for rejects in ("reject_errors", "reject_scans"):
        con.execute(f"drop table if exists {rejects}")
    if file.format == "csv":
        return _csv(unnamed, register, table, path, unpack_times)
    # Under a name of ours: a keeper's may hold what DuckDB takes for a pattern.
    own = scratch / f"given.{file.format}"
    remove(own)
    own.symlink_to(path.resolve())
    if file.format == "parquet":
        return _typed(con, table, path, own, PARQUET_TYPES, "Parquet")
    if file.format == SAS_TWIN:
        return _typed(con, table, path, own, SAS_TYPES, "Parquet")
    parquet = unnamed.make("given.parquet")
    sas_as_parquet(path, own, parquet)
    return _typed(con, table, path, parquet, SAS_TYPES, "SAS")


def malformed_lines(con: duckdb.DuckDBPyConnection, path: Path) -> int:
    """Keep the lines that the CSV reader could not divide; how many they are.

    `before` is how many readable records stand before the line.
    """
    known = con.execute(
        "select count(*) from duckdb_tables() where table_name = 'reject_errors'"
    ).fetchone()[0]
    if not known:
        con.execute(
            "create or replace temp table malformed_line "
            "(source_row bigint, line varchar, before bigint)"
        )
        return 0
    too_long = con.execute(
        "select count(*) from reject_errors where error_type = 'LINE SIZE OVER MAXIMUM'"
    ).fetchone()[0]
    if too_long:
        raise _too_long(path)
    con.execute(
        """
        create or replace temp table malformed_line as
        select
            (line - 1)::bigint as source_row,
            any_value(csv_line) as line,
            source_row - row_number() over (order by source_row) as before
        from reject_errors
        group by source_row
        """
    )
    return con.execute("select count(*) from malformed_line").fetchone()[0]


def _too_long(path: Path) -> DeliveryError:
    return DeliveryError(
        f"{path}: a line is longer than {LONGEST_LINE_BYTES:,} bytes. Expected shorter ones. A "
        "quote or a line end may be missing; ask the keeper to send the file again."
    )


# ------------------------------------------------------------------ CSV


def _csv(
    unnamed: UnnamedFiles, register: Register, table: Table, path: Path, unpack_times: int
) -> Given:
    text = unnamed.make("transcoded.csv")
    shape = Shape(register.delimiter)
    has_spaces, is_ascii = _transcode(path, text, register.encoding, unpack_times, shape)
    try:
        with text.open(encoding="utf-8", newline="") as file:
            header = next(csv.reader(file, delimiter=register.delimiter), None)
    except csv.Error:
        raise DeliveryError(
            f"{path}: the header is not readable. Expected column names separated by "
            f"'{register.delimiter}'. Ask the keeper to send it again."
        ) from None
    if not header or header == [""]:
        raise DeliveryError(f"{path}: the file is empty. Expected a header row and data.")
    names = [name.strip().lower() for name in header]
    extra = _match_columns(path, table, names, register.delimiter)
    columns = ", ".join(f"'{i}_{_plain(name)}': 'VARCHAR'" for i, name in enumerate(names))

    def place(name: str) -> str:
        return f'"{names.index(name)}_{_plain(name)}"' if name in names else "null::varchar"

    selected, named = _selected(table, extra, place)
    # Faulty lines are kept by the first reading and skipped by the second.
    reading, again = (
        f"""
        select {selected}
        from read_csv(
            {quoted(text)}, header = false, skip = 1, auto_detect = false, columns = {{{columns}}},
            delim = '{register.delimiter}', quote = '"', escape = '"', strict_mode = true,
            null_padding = false, max_line_size = {LONGEST_LINE_BYTES}, {faults}
        )
        """
        for faults in ("store_rejects = true, rejects_limit = 0", "ignore_errors = true")
    )
    broken = (
        f"not readable as {register.delimiter!r}-separated text. Expected the form in the "
        "contract. Ask the keeper to send it again."
    )
    plain = None
    if shape.is_plain() and not has_spaces:
        fields = tuple(f"+{name}" if name in extra else name for name in names)
        plain = PlainText(text, register.delimiter, fields)
    return Given(table, reading, again, tuple(extra), named, broken, has_spaces, is_ascii, plain)


def _transcode(
    source: Path, target: Path, encoding: str, unpack_times: int, shape: Shape
) -> tuple[bool, bool]:
    """Copy text as UTF-8. DuckDB's latin-1 refuses 0x80–0x9F, which windows-1252 uses.

    Returns whether there is anything that could be trimmed (a space, or the start of a wide one),
    and whether all of it is ASCII.
    """
    has_spaces, is_ascii = False, True
    decoder = codecs.getincrementaldecoder("utf-8-sig" if encoding == "utf-8" else encoding)()
    done = line_start = 0
    with opened(source, unpack_times) as given, target.open("wb") as plain:
        while True:
            piece = given.read(PIECE_BYTES)
            if b"\0" in piece:
                raise DeliveryError(
                    f"{source}: a NUL byte at byte {done + piece.index(0)}. Expected text. The "
                    "file is damaged; ask the keeper to send it again."
                )
            first_end = piece.find(b"\n")
            line_end = done + (first_end if first_end >= 0 else len(piece))
            if line_end - line_start > LONGEST_LINE_BYTES:
                raise _too_long(source)
            if first_end >= 0:
                line_start = done + piece.rindex(b"\n") + 1
            try:
                text = decoder.decode(piece, final=not piece)
            except UnicodeDecodeError as error:
                raise DeliveryError(
                    f"{source}: near byte {done + error.start} the text is not {encoding}. "
                    f"Expected {encoding}, as the contract says. Ask the keeper to send it so."
                ) from None
            encoded = text.encode()
            plain.write(encoded)
            shape.add(encoded)
            has_spaces = has_spaces or " " in text or _has_wide_space(text)
            is_ascii = is_ascii and piece.isascii()
            if not piece:
                return has_spaces, is_ascii
            done += len(piece)


def _has_wide_space(text: str) -> bool:
    return not text.isascii() and WIDE_SPACE.search(text) is not None


# ------------------------------------------------------------------ Parquet and SAS


def sas_as_parquet(path: Path, own: Path, parquet: Path) -> None:
    """SAS7BDAT as Parquet, streamed; the reader knows the file's encoding by its header.

    `own` is where it is read from, `path` what an error names. Raises DeliveryError where it is not
    a whole SAS7BDAT file.
    """
    from polars_readstat import scan_readstat  # loads polars, which CSV never needs

    with reading_sas(path):
        # One thread keeps the rows in the order of the file without holding them.
        scan_readstat(str(own), threads=1).sink_parquet(parquet, compression="lz4")


def _typed(
    con: duckdb.DuckDBPyConnection,
    table: Table,
    path: Path,
    own: Path,
    allowed: dict[str, tuple[str, ...]],
    kind: str,
) -> Given:
    """A file that has types of its own: held to the contract's, then read as text like CSV."""
    try:
        described = con.execute(f"describe select * from read_parquet({quoted(own)})").fetchall()
    except duckdb.Error as error:
        hold_own_faults(error)
        raise DeliveryError(
            f"{path}: not a whole {kind} file. Expected one. Ask the keeper to send it again."
        ) from None
    names = [row[0].lower() for row in described]
    extra = _match_columns(path, table, names, None)
    types = {row[0].lower(): row[1].split("(")[0] for row in described}
    as_named = {row[0].lower(): row[0].replace('"', '""') for row in described}
    wanted = {column.name: column.type for column in table.columns}
    for name in wanted:
        if name in types and types[name] not in allowed[wanted[name]]:
            raise DeliveryError(
                f"{path}: column {name} is {types[name]}. Expected {wanted[name]}. "
                "The column is retyped; ask the keeper for the agreed type."
            )

    def place(name: str) -> str:
        if name not in as_named:
            return "null::varchar"
        return _as_text(f'"{as_named[name]}"', types[name], wanted.get(name))

    selected, named = _selected(table, extra, place)
    reading = f"select {selected} from read_parquet({quoted(own)})"
    broken = f"the {kind} file breaks off. Expected a whole one. Ask the keeper to send it again."
    as_read = replace(
        table,
        columns=tuple(
            replace(column, date_format="ISO", decimal_separator=".") for column in table.columns
        ),
    )
    return Given(as_read, reading, reading, tuple(extra), named, broken)


def _as_text(value: str, held: str, wanted: str | None) -> str:
    """SQL for a typed value as the text that CSV would have held."""
    if wanted == "date":
        if held in SAS_NUMBER:
            return (
                f"case when {value} = floor({value}) and abs({value}) < 1e6 "
                f"then ({SAS_EPOCH} + {value}::integer)::varchar else {value}::varchar end"
            )
        return f"{value}::date::varchar"  # a date stored with a time of day is still the date
    if wanted == "time" and held == "TIME":
        return f"epoch({value})::bigint::varchar"
    if wanted in ("integer", "time") and held in ("DOUBLE", "FLOAT"):
        return (
            f"case when {value} = floor({value}) and abs({value}) < 1e15 "
            f"then {value}::bigint::varchar else {value}::varchar end"
        )
    return f"{value}::varchar"


# ------------------------------------------------------------------ columns


def _selected(table: Table, extra: list[str], place) -> tuple[str, tuple[str, ...]]:
    """SQL of the columns and their names: the contract's, then the ones nobody has agreed on."""
    named = {column.name: column.name for column in table.columns}
    named |= {f"+{name}": name for name in extra}
    selected = ", ".join(f"{place(name)} as {identifier(shown)}" for shown, name in named.items())
    return selected, tuple(named)


def _match_columns(path: Path, table: Table, names: list[str], delimiter: str | None) -> list[str]:
    """Names match whatever their case. Returns the columns that nobody has agreed on."""
    doubled = sorted({name for name in names if names.count(name) > 1})
    if doubled:
        raise DeliveryError(
            f"{path}: column {shown(doubled[:1])} stands twice. Expected once, whatever its case. "
            "Ask the keeper which one counts."
        )
    known = [column.name for column in table.columns]
    missing = [c.name for c in table.columns if c.name not in names and not c.may_be_absent]
    extra = [name for name in names if name not in known]
    if missing and len(names) == 1 and delimiter:
        raise DeliveryError(
            f"{path}: the header is one single column. Expected {len(known)} columns separated by "
            f"'{delimiter}'. Ask the keeper for the agreed separator."
        )
    if missing:
        instead = f"; found {shown(extra)} instead" if extra else ""
        raise DeliveryError(
            f"{path}: column {', '.join(missing)} is missing{instead}. Expected "
            f"{', '.join(known)}. Ask the keeper to send it under its agreed name."
        )
    return extra


def shown(names: list[str] | tuple[str, ...]) -> str:
    """Column names as an error may show them: a file without a header has a person's data there."""
    told = [name for name in names if COLUMN_NAME.fullmatch(name)]
    untold = len(names) - len(told)
    return ", ".join([*told, *([f"{untold} that cannot be a column name"] if untold else [])])


def quoted(path: Path) -> str:
    """A path as SQL text."""
    return "'" + str(path).replace("'", "''") + "'"


def identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _plain(name: str) -> str:
    return "".join(letter for letter in name if letter.isalnum() or letter == "_")
