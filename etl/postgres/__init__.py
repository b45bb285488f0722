"""A register that lies in a PostgreSQL database, pulled into a delivery over ADBC.

The tables are read in one snapshot, held to the contract before a row is pulled, and written as
Parquet, one file for each table and year of its period column: the unit that a later delivery
replaces. A connection that breaks off costs the table that was being read, and no more.
"""

import datetime as dt
import re
import time
from collections.abc import Callable
from pathlib import Path

import duckdb

from etl.deliveries import MANIFEST, of_register, put
from etl.errors import DeliveryError
from etl.home import remove, replace_json
from etl.postgres.connection import Address, ConnectionLostError, Moment, address
from etl.postgres.files import Progress, Say, write
from etl.postgres.plan import Plan, plan
from etl.registers import Register, Table

__all__ = ["address", "pull"]

PAUSES_SECONDS = (1, 5, 25, 60)  # before the second try, the third and so on


def pull(
    con: duckdb.DuckDBPyConnection,
    source: Address,
    register: Register,
    schema: str,
    tables: tuple[str, ...],
    complete_to: str | None,
    store: Path,
    scratch: Path,
    say: Say,
    cleanse: Callable[[Path], None] | None = None,
) -> Path | None:
    """Pull a register's tables into the store as a delivery of today, whole or not at all.

    `tables` names the ones to pull; none is all of the contract. Returns None when the newest
    delivery of the register came from the same place and holds the same. `cleanse` is that of
    `etl.deliveries.put`.

    Raises:
        DeliveryError: the database cannot be reached or keeps breaking off, or a table or a column
            is not as agreed.
    """
    today = str(dt.date.today())
    wanted = _wanted(register, tables)
    _hold_to_complete_to(register, complete_to)
    copy = scratch / f"pull-{register.name}" / register.name / today
    remove(copy.parents[1])
    copy.mkdir(mode=0o700, parents=True)
    try:
        files = _pull_tables(con, source, register, wanted, schema, copy, say)
        manifest = {
            "register": register.name,
            "delivered_on": today,
            "complete_to": complete_to,
            "coverage": "stock",
            "source": f"{source.told}, schema {schema}",
            "files": files,
        }
        replace_json(copy / MANIFEST, manifest)
        return put(copy, store, of_register(store, register)[-1:], cleanse)
    finally:
        remove(copy.parents[1])


def _wanted(register: Register, names: tuple[str, ...]) -> list[Table]:
    known = ", ".join(table.name for table in register.tables)
    for name in names:
        if register.table(name) is None:
            raise DeliveryError(
                f"--table: '{name}' is no table of {register.name}. Expected one of {known}. "
                "Correct the name."
            )
    return [table for table in register.tables if not names or table.name in names]


def _hold_to_complete_to(register: Register, complete_to: str | None) -> None:
    if complete_to is None and register.needs_complete_to:
        raise DeliveryError(
            f"--complete-to: nobody has said up to which day {register.name} is complete, and a "
            "database does not say it. Expected a day. Pass --complete-to YYYY-MM-DD."
        )
    if complete_to is not None:
        try:
            dt.date.fromisoformat(complete_to)
        except ValueError:
            raise DeliveryError(
                f"--complete-to: '{complete_to}' is no day. Expected an ISO date such as "
                "2024-06-01. Correct it."
            ) from None


def _pull_tables(
    con: duckdb.DuckDBPyConnection,
    source: Address,
    register: Register,
    wanted: list[Table],
    schema: str,
    folder: Path,
    say: Say,
) -> list[dict]:
    """Every table as files in the folder, all of one moment; the manifest's entries of them.

    A table whose connection breaks off is started again in the same snapshot, which a second
    connection holds. Where that one is gone too the snapshot is, and all tables are read again.
    """
    patience = Patience(source, say)
    moment: Moment | None = None
    done: dict[str, list[dict]] = {}
    try:
        while True:
            try:
                moment = Moment(source)
                plans = [plan(moment, schema, table) for table in wanted]
                for each in plans:
                    done[each.table.name] = _pull_patiently(con, moment, each, folder, patience)
                return [entry for table in wanted for entry in done[table.name]]
            except ConnectionLostError as lost:
                if moment is None:
                    raise _unreachable(source, lost) from None
                moment.close()
                done.clear()
                patience.wait(
                    f"{register.name}: the database is gone, and the snapshot with it ({lost}); "
                    "every table is started again"
                )
    finally:
        if moment:
            moment.close()


def _pull_patiently(
    con: duckdb.DuckDBPyConnection, moment: Moment, plan: Plan, folder: Path, patience: "Patience"
) -> list[dict]:
    name = f"{plan.table.register}.{plan.table.name}"
    while True:
        for file in folder.iterdir():
            if re.fullmatch(rf"{plan.table.name}(\d{{4}})?\.parquet", file.name):
                file.unlink()
        progress = Progress(patience.say, name, plan.rows)
        try:
            with moment.joined() as session:
                files = write(con, session, plan, folder, progress)
        except ConnectionLostError as lost:
            if not moment.lasts():
                raise
            patience.wait(
                f"{name}: the connection broke off after {progress.done:,} rows ({lost}); the "
                "table is started again"
            )
            continue
        patience.say(progress.ended(len(files)))
        return files


class Patience:
    """How often a broken connection is tried again in one pull, and after which pause."""

    def __init__(self, source: Address, say: Say) -> None:
        self.say, self._source = say, source
        self._pauses = list(PAUSES_SECONDS)

    def wait(self, why: str) -> None:
        """Say what happened, and pause. Raises DeliveryError when it was tried often enough."""
        tries = len(PAUSES_SECONDS) + 1
        if not self._pauses:
            raise DeliveryError(
                f"{self._source.told}: the connection broke off {tries} times. Expected it to last "
                "for a table. Nothing was received; find out what ends it, then start again."
            )
        pause = self._pauses.pop(0)
        self.say(f"{why} in {pause} s (try {tries - len(self._pauses)} of {tries})")
        time.sleep(pause)


def _unreachable(source: Address, lost: ConnectionLostError) -> DeliveryError:
    return DeliveryError(
        f"{source.told}: no connection ({lost}). Expected a PostgreSQL database that answers. "
        "Correct the address, the user, or the password in PGPASSWORD or ~/.pgpass."
    )
