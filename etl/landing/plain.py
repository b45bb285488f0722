"""The short way for a file of plain text: nothing quoted, nothing to trim, no numbers of persons.

Most diagnoses and operations come so, and they are the largest files. What each value means is
then the same as what stands there, unless it stands for nothing or lacks where it is required:
a piece of the file that has such a row goes to the judging as any other file does.
"""

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import duckdb
import numpy as np
import pyarrow
import pyarrow.csv

from etl.registers import Table

PIECE_BYTES = 1 << 21


def is_short_way(table: Table) -> bool:
    """Whether a value of every column of the table is its text."""
    return all(c.type == "text" and not c.is_personal_number for c in table.columns)


@dataclass(frozen=True)
class PlainText:
    """A file of UTF-8 that has the same fields in every line, nothing quoted, nothing to trim."""

    path: Path
    delimiter: str
    fields: tuple[str, ...]  # of a line, as the rows of `Given` name them


class Shape:
    """Whether every line of a text has as many fields as the first, without quotes or odd ends."""

    def __init__(self, delimiter: str) -> None:
        marks = f'{delimiter}\n\r"'.encode()
        self._others = bytes(byte for byte in range(256) if byte not in marks)
        self._delimiter = delimiter.encode()
        self._line, self._rest, self._last, self._is_plain = b"", b"", b"", True

    def add(self, piece: bytes) -> None:
        if not self._is_plain or not piece:
            return
        self._last = piece[-1:]
        marks = self._rest + piece.translate(None, self._others)
        if not self._line and b"\n" in marks:
            self._line = marks[: marks.index(b"\n") + 1]
            # A line of one field may be empty, and is then no row.
            fields = len(self._line)
            self._is_plain = fields > 1 and self._line == self._delimiter * (fields - 1) + b"\n"
        if self._line and self._is_plain:
            lines = len(marks) // len(self._line)
            whole = lines * len(self._line)
            self._is_plain = marks[:whole] == self._line * lines
            marks = marks[whole:]
        self._rest = marks

    def is_plain(self) -> bool:
        """Once all is added; the last line may lack its end."""
        rest = b"" if self._last == b"\n" else self._line[:-1]
        return self._is_plain and self._line != b"" and self._rest == rest


def batches(
    con: duckdb.DuckDBPyConnection,
    text: PlainText,
    table: Table,
    given: tuple[str, ...],
    missing: tuple[str, ...],
    judging: Callable[[str], str],
) -> tuple[pyarrow.Schema, Iterator[pyarrow.Table]]:
    """The judged rows of a plain file, in order, and what they consist of.

    `given` names the columns that a row has by contract and beyond it; `judging` makes SQL that
    judges the rows of such a query. The pieces are read side by side, a few of them at a time.
    """
    columns = [column.name for column in table.columns]
    required = [column.name for column in table.columns if column.is_required or column.is_key]
    judging_piece = judging(as_given(text, given, "piece"))

    def judged(piece: bytes) -> pyarrow.Table:
        with con.cursor() as own:
            cleaned = _fields(text, piece, columns, missing)
            if any(cleaned[name].null_count for name in required):
                own.register("piece", _fields(text, piece, list(text.fields), ("",)))
                return own.execute(judging_piece).to_arrow_table().cast(schema)
            own.register("piece", cleaned)
            hashed = own.execute(
                f"select hash({', '.join(_quoted(c) for c in columns)}) as row_hash from piece"
            ).to_arrow_table()
            nothing = pyarrow.nulls(len(cleaned), schema.field("told").type)
            return pyarrow.table([*cleaned.columns, hashed["row_hash"], nothing], schema=schema)

    # What the judging makes of a row says how the rows look that need none.
    nobody = pyarrow.schema([(name, pyarrow.string()) for name in text.fields]).empty_table()
    con.register("piece", nobody)
    schema = con.execute(judging_piece).to_arrow_reader().schema
    con.unregister("piece")
    workers = con.execute("select current_setting('threads')").fetchone()[0]
    return schema, _in_order(judged, _pieces(text.path), workers)


def as_given(text: PlainText, given: tuple[str, ...], rows: str, more: str = "") -> str:
    """SQL of the columns that a row has by contract and beyond it, from the fields of a line."""
    columns = ", ".join(
        _quoted(name) if name in text.fields else f"null::varchar as {_quoted(name)}"
        for name in given
    )
    return f"select {columns}{more} from {rows}"


def rows_as_given(text: PlainText, numbers: np.ndarray) -> pyarrow.Table:
    """The fields of some rows as they came, with their number `nth`; `numbers` are sorted."""
    found, before = [], 0
    for piece in _pieces(text.path):
        lines = piece.count(b"\n") + (not piece.endswith(b"\n"))
        here = numbers[(numbers > before) & (numbers <= before + lines)]
        if len(here):
            rows = _fields(text, piece, list(text.fields), ("",)).take(here - before - 1)
            found.append(rows.append_column("nth", pyarrow.array(here)))
        before += lines
    return pyarrow.concat_tables(found)


def _fields(
    text: PlainText, piece: bytes, names: list[str], nothing: tuple[str, ...]
) -> pyarrow.Table:
    """Some fields of the lines as text; NULL where one holds a word that stands for nothing."""
    return pyarrow.csv.read_csv(
        pyarrow.py_buffer(piece),
        pyarrow.csv.ReadOptions(
            use_threads=False, block_size=len(piece) + 1, column_names=list(text.fields)
        ),
        pyarrow.csv.ParseOptions(
            delimiter=text.delimiter, quote_char=False, ignore_empty_lines=False
        ),
        pyarrow.csv.ConvertOptions(
            check_utf8=False,
            column_types={name: pyarrow.string() for name in names},
            include_columns=names,
            include_missing_columns=True,
            null_values=list(nothing),
            strings_can_be_null=True,
        ),
    )


def _in_order(work, pieces: Iterator[bytes], workers: int) -> Iterator[pyarrow.Table]:
    with ThreadPoolExecutor(workers) as pool:
        waiting: deque = deque()
        for piece in pieces:
            waiting.append(pool.submit(work, piece))
            if len(waiting) > workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _pieces(text: Path) -> Iterator[bytes]:
    """Whole lines after the header."""
    with text.open("rb") as file:
        file.readline()
        while piece := file.read(PIECE_BYTES):
            yield piece + file.readline()


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
