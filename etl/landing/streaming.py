"""Rows on their way from DuckDB to the landing: numbered, divided, written, never held.

DuckDB judges the rows and hands them over in the order of the file; Arrow writes them, in a thread
of its own, since encoding costs as much as reading and judging together.
"""

import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.compute
import pyarrow.parquet

ROWS_AT_ONCE = 1 << 17
WAITING = 2  # batches between the judging and the writing
SAMPLE = 20_000
FEW_VALUES = 0.1  # a column with fewer values than this share of its rows is worth a dictionary
HASHES_AT_ONCE = 16_000_000  # 128 MB, and as much again while they are sorted


class Rows:
    """A Parquet file of rows in order, written in a thread of its own."""

    def __init__(self, path: Path, schema: pyarrow.Schema) -> None:
        self._path, self._schema = path, schema
        self._waiting: queue.Queue[pyarrow.Table | None] = queue.Queue(WAITING)
        self._failure: BaseException | None = None
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
        writer = None
        while (table := self._waiting.get()) is not None:
            if self._failure:
                continue  # whoever adds must not wait without end
            try:
                writer = writer or self._opened(table)
                writer.write_table(table)
            except BaseException as error:
                self._failure = error
        try:
            (writer or self._opened(self._schema.empty_table())).close()
        except BaseException as error:
            self._failure = self._failure or error

    def _opened(self, first: pyarrow.Table) -> pyarrow.parquet.ParquetWriter:
        """A dictionary only where it pays: to try one and give it up costs more than to write."""
        few = [name for name in self._schema.names if _has_few_values(first[name].slice(0, SAMPLE))]
        return pyarrow.parquet.ParquetWriter(
            self._path,
            self._schema,
            compression="zstd",
            compression_level=1,
            use_dictionary=few,
            column_encoding={"source_row": "DELTA_BINARY_PACKED"}
            if "source_row" in self._schema.names
            else None,
            write_statistics=["source_row"],
            store_schema=False,
        )


def _has_few_values(values: pyarrow.ChunkedArray) -> bool:
    if pyarrow.types.is_dictionary(values.type):
        return True
    if not pyarrow.types.is_string(values.type):
        return False
    return pyarrow.compute.count_distinct(values).as_py() <= FEW_VALUES * len(values)


@contextmanager
def written(path: Path, schema: pyarrow.Schema) -> Iterator[Rows]:
    """Rows that are whole once the block has ended."""
    rows = Rows(path, schema)
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
    with written(landing, landing_schema) as landed, written(odd, odd_schema) as strange:
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


def _dictionaries(path: Path) -> list[str]:
    """Columns that are written as numbers into a list of values, and so can be read."""
    group = pyarrow.parquet.read_metadata(path)
    if not group.num_row_groups:
        return []
    columns = [group.row_group(0).column(i) for i in range(group.num_columns)]
    return [column.path_in_schema for column in columns if column.has_dictionary_page]


def rewrite(landing: Path, left_out: np.ndarray, shifts: list[tuple[int, int]]) -> None:
    """Take rows out of a landed file and give the others their number among all lines.

    `left_out` are numbers as they stand, sorted; `shifts` are (number, by how much each later row
    moves), sorted.
    """
    beside = landing.with_suffix(".rewritten")
    after = np.array([number for number, _ in shifts], dtype=np.int64)
    moves = np.array([0, *(by for _, by in shifts)], dtype=np.int64)
    with (
        pyarrow.parquet.ParquetFile(landing, read_dictionary=_dictionaries(landing)) as file,
        written(beside, file.schema_arrow) as rows,
    ):
        for batch in file.iter_batches(ROWS_AT_ONCE):
            numbers = batch["source_row"].to_numpy()
            stays = ~np.isin(numbers, left_out, assume_unique=True)
            moved = numbers + moves[np.searchsorted(after, numbers, side="left")]
            table = pyarrow.Table.from_batches([batch])
            place = table.column_names.index("source_row")
            table = table.set_column(place, "source_row", pyarrow.array(moved))
            rows.add(table.filter(pyarrow.array(stays)))
    beside.replace(landing)
