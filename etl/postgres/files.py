"""Rows on their way from a database into sorted Parquet files, and lines about how far they are.

The same rows must make the same bytes, in whatever order a database gives them. So they are sorted
here, by the key and then by all else, and written in row groups of one size.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import duckdb
import pyarrow
import pyarrow.compute
import pyarrow.parquet

from etl.deliveries import file_entry
from etl.errors import DeliveryError
from etl.postgres.connection import ConnectionLostError, Session
from etl.postgres.plan import FIRST_YEAR, LAST_YEAR, Plan, identifier, period_column

Say = Callable[[str], None]

PROGRESS_SECONDS = 2.0
GROUP_ROWS = 100_000


class Progress:
    """Lines about a table that takes a while."""

    def __init__(self, say: Say, name: str, expected: int) -> None:
        self._say, self._name, self._expected = say, name, expected
        self._started = self._told = time.monotonic()
        self.done = 0

    def tell(self, rows: int, doing: str) -> None:
        now = time.monotonic()
        if now - self._told >= PROGRESS_SECONDS:
            self._told = now
            self._say(
                f"{self._name}: {rows:,} of {self._expected:,} rows {doing}{self._rate(rows)}"
            )

    def pulled(self, rows: int) -> None:
        self.done += rows
        self.tell(self.done, "pulled")

    def ended(self, n_files: int) -> str:
        files = f"{n_files} file" + ("s" if n_files > 1 else "")
        return f"{self._name}: {self.done:,} rows pulled into {files}{self._rate(self.done)}"

    def _rate(self, rows: int) -> str:
        seconds = time.monotonic() - self._started
        return f", {rows / seconds:,.0f} rows/s" if seconds else ""


def write(
    con: duckdb.DuckDBPyConnection,
    session: Session,
    plan: Plan,
    folder: Path,
    progress: Progress,
) -> list[dict]:
    """Stream a table into its files, sorted; what does not fit in memory spills to disk."""
    dated = period_column(plan.table)
    year = "null::int"
    if dated:
        day = f"year({identifier(dated.name)})"
        year = f"case when {day} between {FIRST_YEAR} and {LAST_YEAR} then {day}::int end"
    columns = ", ".join(identifier(name) for name in plan.columns)
    order = ", ".join(identifier(name) for name in ("+period", *plan.order))
    with session.batches(plan.query) as (schema, batches):
        taken = Taken(batches, progress)
        pulled = pyarrow.RecordBatchReader.from_batches(schema, taken.rows())
        con.register("pulled", pulled)
        try:
            rows = con.execute(
                f'select {columns}, {year} as "+period" from pulled order by {order}'
            ).to_arrow_reader(GROUP_ROWS)
            written = _write_sorted(plan, rows, folder, progress)
        except (duckdb.Error, pyarrow.ArrowException, OSError):
            if taken.broke:  # DuckDB only knows that its input ended
                raise taken.broke from None
            raise
        except RuntimeError as error:
            if "interrupted" in str(error):  # how DuckDB says that Ctrl-C was pressed
                raise KeyboardInterrupt from None
            raise
        finally:
            con.unregister("pulled")
    if {period: rows for _, period, rows in written} != plan.periods:
        found = sum(rows for _, _, rows in written)
        raise DeliveryError(
            f"{plan.where}: found {found:,} rows, expected {plan.rows:,} as the database counted "
            "them. Ask the keeper whether the table is a view whose rows change by themselves."
        )
    return [
        file_entry(folder, path, plan.table.name, period, "parquet", rows)
        for path, period, rows in written
    ]


class Taken:
    """The batches on their way into DuckDB, and what broke them off, in our words."""

    def __init__(self, batches: Iterator[pyarrow.RecordBatch], progress: Progress) -> None:
        self._batches, self._progress = batches, progress
        self.broke: Exception | None = None

    def rows(self) -> Iterator[pyarrow.RecordBatch]:
        try:
            for batch in self._batches:
                self._progress.pulled(batch.num_rows)
                yield batch
        except (ConnectionLostError, DeliveryError) as error:
            self.broke = error
            raise


def _write_sorted(
    plan: Plan, rows: pyarrow.RecordBatchReader, folder: Path, progress: Progress
) -> list[tuple[Path, str | None, int]]:
    """One file for each period of rows that are sorted by it: (path, period, rows)."""
    schema = rows.schema.remove(rows.schema.get_field_index("+period"))
    written: list[tuple[Path, str | None, int]] = []
    file, total = None, 0
    try:
        for batch in rows:
            for period, part in _parts(batch):
                if file is None or file.period != period:
                    if file:
                        written.append(file.close())
                    file = PeriodFile(folder, plan.table.name, period, schema)
                file.add(part)
            total += batch.num_rows
            progress.tell(total, "sorted and written")
        if file:
            written.append(file.close())
        return written
    except BaseException:
        if file:
            file.abandon()
        raise


def _parts(batch: pyarrow.RecordBatch) -> Iterator[tuple[str | None, pyarrow.RecordBatch]]:
    """A sorted batch by period."""
    runs = pyarrow.compute.run_end_encode(batch.column("+period"))
    rows = batch.drop_columns(["+period"])
    start = 0
    for year, end in zip(runs.values.to_pylist(), runs.run_ends.to_pylist(), strict=True):
        yield None if year is None else str(year), rows.slice(start, end - start)
        start = end


class PeriodFile:
    """A Parquet file in row groups of one size, whatever the batches its rows came in."""

    def __init__(
        self, folder: Path, table: str, period: str | None, schema: pyarrow.Schema
    ) -> None:
        self.period = period
        self._path = folder / f"{table}{period or ''}.parquet"
        self._writer = pyarrow.parquet.ParquetWriter(self._path, schema, compression="zstd")
        self._schema = schema
        self._waiting: list[pyarrow.RecordBatch] = []
        self._rows = self._n_waiting = 0

    def add(self, batch: pyarrow.RecordBatch) -> None:
        self._waiting.append(batch)
        self._rows += batch.num_rows
        self._n_waiting += batch.num_rows
        while self._n_waiting >= GROUP_ROWS:
            self._write_group(GROUP_ROWS)

    def _write_group(self, n_rows: int) -> None:
        waiting = pyarrow.Table.from_batches(self._waiting, self._schema)
        self._writer.write_table(waiting.slice(0, n_rows).combine_chunks(), n_rows)
        self._waiting = waiting.slice(n_rows).to_batches()
        self._n_waiting -= n_rows

    def close(self) -> tuple[Path, str | None, int]:
        if self._n_waiting:
            self._write_group(self._n_waiting)
        self._writer.close()
        return self._path, self.period, self._rows

    def abandon(self) -> None:
        with suppress(OSError, pyarrow.ArrowException):
            self._writer.close()
