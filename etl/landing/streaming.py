"""Rows on their way from DuckDB to the landing: numbered, divided, written, never held.

DuckDB judges the rows and hands them over in the order of the file; another one writes them, in a
thread of its own, since encoding costs as much as reading and judging together.
"""

import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import numpy as np
import pyarrow
import pyarrow.compute

from etl.landing.given import quoted
from etl.restricted import COPY_OPTIONS, scan

ROWS_AT_ONCE = 1 << 17
WAITING = 2  # batches between the judging and the writing
HASHES_AT_ONCE = 16_000_000  # 128 MB, and as much again while they are sorted


class Rows:
    """A locked Parquet file of rows in order, written in a thread of its own.

    By DuckDB, not by Arrow: of what Arrow locks DuckDB 1.5 opens no second page of a column, and
    nothing under a filter.
    """

    def __init__(
        self, path: Path, schema: pyarrow.Schema, writing: duckdb.DuckDBPyConnection
    ) -> None:
        self._path, self._schema, self._writing = path, schema, writing.cursor()
        self._waiting: queue.Queue[pyarrow.Table | None] = queue.Queue(WAITING)
        self._failure: BaseException | None = None
        self._is_ended = False
        self._thread = threading.Thread(target=self._write, daemon=True)
        self._thread.start()

    def add(self, table: pyarrow.Table) -> None:
        if len(table):
            self._waiting.put(table)

    def close(self) -> None:
        self._waiting.put(None)
        self._thread.join()
        if self._failure:
            raise self._failure

    def _write(self) -> None:
        try:
            rows = pyarrow.RecordBatchReader.from_batches(self._schema, self._taken())
            self._writing.register("rows", rows)
            self._writing.execute(
                f"copy rows to {quoted(self._path)} ({COPY_OPTIONS}, compression_level 1)"
            )
        except BaseException as error:
            self._failure = error
            for _ in self._taken():  # whoever adds must not wait without end
                pass
        finally:
            self._writing.close()

    def _taken(self) -> Iterator[pyarrow.RecordBatch]:
        while not self._is_ended and (table := self._waiting.get()) is not None:
            yield from table.to_batches()
        self._is_ended = True


@contextmanager
def written(
    path: Path, schema: pyarrow.Schema, writing: duckdb.DuckDBPyConnection
) -> Iterator[Rows]:
    """Rows that are whole once the block has ended."""
    rows = Rows(path, schema, writing)
    try:
        yield rows
    finally:
        rows.close()


class Hashes:
    """One 64-bit hash per row, on disk: which rows may be copies of each other."""

    def __init__(self, path: Path) -> None:
        self._path, self._file, self.rows = path, path.open("wb"), 0

    def add(self, hashes: pyarrow.ChunkedArray) -> None:
        for chunk in hashes.chunks:
            self._file.write(memoryview(chunk.to_numpy(zero_copy_only=False)))
        self.rows += len(hashes)

    def repeated(self) -> np.ndarray:
        """Numbers, from 1, of the rows that share their hash with another.

        Sorted in parts, each of the hashes that leave one remainder, so that memory has a limit.
        """
        self._file.close()
        parts = 1 + self.rows // HASHES_AT_ONCE
        twice = [self._twice(part, parts) for part in range(parts)]
        shared = np.sort(np.concatenate(twice))
        if not len(shared):
            return np.empty(0, dtype=np.int64)
        found, start = [], 1
        for piece in self._pieces():
            at = np.searchsorted(shared, piece)
            at[at == len(shared)] = 0
            found.append(np.flatnonzero(shared[at] == piece) + start)
            start += len(piece)
        return np.concatenate(found)

    def _twice(self, part: int, parts: int) -> np.ndarray:
        kept = [p if parts == 1 else p[p % np.uint64(parts) == part] for p in self._pieces()]
        hashes = np.concatenate(kept) if kept else np.empty(0, dtype=np.uint64)
        del kept
        hashes.sort()
        return np.unique(hashes[1:][hashes[1:] == hashes[:-1]])

    def _pieces(self) -> Iterator[np.ndarray]:
        with self._path.open("rb") as file:
            while len(piece := np.fromfile(file, dtype=np.uint64, count=1 << 20)):
                yield piece


def divide(
    schema: pyarrow.Schema,
    judged: Iterator[pyarrow.Table],
    columns: tuple[str, ...],
    source_file: str,
    landing: Path,
    odd: Path,
    hashes: Path,
    writing: duckdb.DuckDBPyConnection,
) -> Hashes:
    """Number the judged rows from 1, and write each where it belongs.

    `landing` takes every row that nothing refuses; `odd` every row of which there is something to
    tell, refused or not: its columns, its number `nth`, and the fields of the struct `told`, which
    is NULL for all others.
    """
    told = schema.field("told").type
    landing_schema = pyarrow.schema(
        [
            ("source_file", pyarrow.dictionary(pyarrow.int32(), pyarrow.string())),
            ("source_row", pyarrow.int64()),
            *((name, schema.field(name).type) for name in columns),
        ]
    )
    odd_schema = pyarrow.schema(
        [
            ("nth", pyarrow.int64()),
            *((name, schema.field(name).type) for name in columns),
            *((told.field(i).name, told.field(i).type) for i in range(told.num_fields)),
        ]
    )
    kept = Hashes(hashes)
    name_of_file = pyarrow.array([source_file])
    with (
        written(landing, landing_schema, writing) as landed,
        written(odd, odd_schema, writing) as strange,
    ):
        for table in judged:
            n = len(table)
            numbers = pyarrow.array(np.arange(kept.rows + 1, kept.rows + n + 1))
            kept.add(table["row_hash"])
            names = [table[name] for name in columns]
            here = pyarrow.DictionaryArray.from_arrays(np.zeros(n, dtype=np.int32), name_of_file)
            rows = pyarrow.table([here, numbers, *names], schema=landing_schema)
            if table["told"].null_count < n:
                is_odd = table["told"].is_valid()
                facts = table["told"].filter(is_odd).combine_chunks()
                strange.add(
                    pyarrow.table(
                        [
                            numbers.filter(is_odd.combine_chunks()),
                            *(column.filter(is_odd) for column in names),
                            *facts.flatten(),
                        ],
                        schema=odd_schema,
                    )
                )
                lands = pyarrow.compute.is_null(
                    pyarrow.compute.struct_field(table["told"], "reason")
                )
                rows = rows.filter(lands)
            landed.add(rows)
    return kept


def rewrite(
    landing: Path,
    left_out: np.ndarray,
    shifts: list[tuple[int, int]],
    writing: duckdb.DuckDBPyConnection,
) -> None:
    """Take rows out of a landed file and give the others their number among all lines.

    `left_out` are numbers as they stand, sorted; `shifts` are (number, by how much each later row
    moves), sorted.
    """
    beside = landing.with_suffix(".rewritten")
    after = np.array([number for number, _ in shifts], dtype=np.int64)
    moves = np.array([0, *(by for _, by in shifts)], dtype=np.int64)
    reading = writing.cursor()
    given = reading.execute(f"from {scan(landing)}").to_arrow_reader(ROWS_AT_ONCE)
    with written(beside, given.schema, writing) as rows:
        for batch in given:
            numbers = batch["source_row"].to_numpy()
            stays = ~np.isin(numbers, left_out, assume_unique=True)
            moved = numbers + moves[np.searchsorted(after, numbers, side="left")]
            table = pyarrow.Table.from_batches([batch])
            place = table.column_names.index("source_row")
            table = table.set_column(place, "source_row", pyarrow.array(moved))
            rows.add(table.filter(pyarrow.array(stays)))
    beside.replace(landing)
