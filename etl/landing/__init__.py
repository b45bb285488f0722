"""Delivery → typed Parquet, or quarantine with a reason. Nothing is lost, nothing is guessed.

Every record of a delivered file ends in exactly one of two places: the landing, typed by the
contract, or the quarantine, as given, with file, record number and reason. A delivery lands whole
or is refused whole; the JSON under `restricted/accepted/` is its commit point, written last.
"""

from dataclasses import dataclass, field
from pathlib import Path

import duckdb

from etl import restricted
from etl.deliveries import UNPACK_TIMES, DeliveredFile, Delivery
from etl.errors import DeliveryError
from etl.home import Home, digest, remove, replace_json
from etl.landing import judging, over_time
from etl.landing.given import quoted, read, shown
from etl.landing.records import (
    NO_PERIOD,
    Current,
    LandedFile,
    PutAside,
    accepted,
    current,
    forget_put_back,
    keep_earlier,
    newest_complete_to,
    put_aside,
    put_back,
    record,
    refused_as_given,
    sequence_of,
    slot_path,
)
from etl.landing.unnamed import UnnamedFiles, unnamed_files
from etl.personal_number import CLASSIFIED_SQL
from etl.registers import Column, Table

__all__ = [
    "NO_PERIOD",
    "Current",
    "LandedFile",
    "Parsed",
    "PutAside",
    "accept",
    "accepted",
    "current",
    "forget_put_back",
    "keep_earlier",
    "newest_complete_to",
    "parse",
    "put_aside",
    "put_back",
    "record",
    "refuse",
    "refused_as_given",
]

RETYPED_SHARE = 0.05


@dataclass
class Parsed:
    """A delivery read into scratch, not yet accepted."""

    delivery: Delivery
    scratch: Path
    rules: str = ""
    files: list[LandedFile] = field(default_factory=list)
    spans: dict[str, over_time.Span] = field(default_factory=dict)  # by path

    def landed_paths(self, table: str) -> list[Path]:
        return [self.scratch / slot_path("landing", f) for f in self.files if f.table == table]


def parse(
    con: duckdb.DuckDBPyConnection,
    home: Home,
    delivery: Delivery,
    population: str,
    keys: restricted.Keys,
    unpack_times: int = UNPACK_TIMES,
    rules: str = "",
) -> Parsed:
    """Read every file of a delivery into scratch, typed, with its quarantine and findings.

    What is read of the rows is written locked; `con` is unlocked for it. `rules` is the hash of
    the code and the contracts that it is read by.

    Raises:
        DeliveryError: a file is unreadable, a column is missing, renamed, doubled or retyped, the
            row count disagrees with the manifest, or a mock home is sent a possibly real number.
    """
    con.execute(CLASSIFIED_SQL)
    keys.unlock(con)
    writing = keys.writer(con.execute("select current_setting('memory_limit')").fetchone()[0])
    scratch = home.scratch / f"land-{delivery.register.name}-{delivery.folder.name}"
    remove(scratch)
    scratch.mkdir(mode=0o700, parents=True)
    parsed = Parsed(delivery, scratch, rules)
    unreadable: dict[tuple[str, str], int] = {}
    rows: dict[str, int] = {}
    for file in delivery.files:
        table = delivery.register.table(file.table).of_period(file.period)
        with unnamed_files(scratch) as unnamed:
            landed, bad = _parse_file(
                con, parsed, unnamed, table, file, population, writing, unpack_times
            )
        parsed.files.append(landed)
        rows[table.name] = rows.get(table.name, 0) + landed.rows
        for column, count in bad.items():
            unreadable[table.name, column] = unreadable.get((table.name, column), 0) + count
    for (table_name, column), count in unreadable.items():
        if count > RETYPED_SHARE * rows[table_name]:
            wanted = delivery.register.table(table_name).column(column)
            raise DeliveryError(
                f"{delivery.folder}: {table_name}.{column} is unreadable as {wanted.type} in "
                f"{count} of {rows[table_name]} rows. Expected {_form(wanted)} in at least "
                f"{1 - RETYPED_SHARE:.0%}. The column is retyped; ask the keeper for the agreed "
                "form."
            )
    return parsed


def accept(home: Home, parsed: Parsed, checks: list[dict]) -> None:
    """Move a parsed delivery into the landing; the last write makes it count."""
    for file in parsed.files:
        for store in ("landing", "quarantine", "findings"):
            source = parsed.scratch / slot_path(store, file)
            if source.exists():
                place = home.restricted / slot_path(store, file)
                place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                source.chmod(restricted.MODE)
                source.replace(place)
    delivery = parsed.delivery
    told = over_time.findings(delivery, parsed.files, parsed.spans, current(home))
    replace_json(
        home.accepted / delivery.register.name / f"{delivery.folder.name}.json",
        {
            "status": "accepted",
            "register": delivery.register.name,
            "folder": delivery.folder.name,
            "delivered_on": str(delivery.delivered_on),
            "sequence": sequence_of(home, delivery.register.name, delivery.folder.name),
            "complete_to": delivery.complete_to and str(delivery.complete_to),
            "coverage": delivery.coverage,
            "manifest_sha256": delivery.manifest_sha256,
            "contract_version": delivery.register.version,
            "rules": parsed.rules,
            "files": [vars(file) for file in parsed.files],
            "findings": [vars(finding) for finding in told],
            "checks": checks,
        },
    )
    remove(parsed.scratch)


def refuse(home: Home, register: str, folder: Path, manifest_sha256: str, reason: str) -> None:
    """Keep in mind that a delivery was refused and why, so that nobody need ask twice."""
    remove(home.scratch / f"land-{register}-{folder.name}")
    replace_json(
        home.accepted / register / f"{folder.name}.json",
        {
            "status": "refused",
            "register": register,
            "folder": folder.name,
            "manifest_sha256": manifest_sha256,
            "reason": reason,
        },
    )


# ------------------------------------------------------------------ one file


def _parse_file(
    con: duckdb.DuckDBPyConnection,
    parsed: Parsed,
    unnamed: UnnamedFiles,
    table: Table,
    file: DeliveredFile,
    population: str,
    writing: duckdb.DuckDBPyConnection,
    unpack_times: int,
) -> tuple[LandedFile, dict[str, int]]:
    """Returns what became of the file, and unreadable values by required column."""
    path = parsed.delivery.folder / file.path
    register = parsed.delivery.register
    given = read(con, parsed.scratch, unnamed, register, table, file, path, unpack_times)
    source = file.sha256[:12]
    delivered_on = parsed.delivery.delivered_on
    judged = judging.judge(
        con, given, path, source, file.period, file.rows, population, delivered_on, parsed.scratch,
        unnamed, writing,
    )  # fmt: skip
    period = file.period or NO_PERIOD
    # The same file under the same contract and rules always lands under the same name.
    identity = digest(
        [file.sha256, register.version, register.name, file.table, period, parsed.rules]
    )[:16]
    parsed.spans[file.path] = over_time.Span(judged.years, judged.last_day)
    outcome = LandedFile(
        file.path,
        file.table,
        period,
        file.format,
        file.sha256,
        judged.rows,
        judged.rows - sum(judged.quarantined.values()),
        judged.quarantined,
        judged.findings | {f"extra_column_{shown([name])}": judged.rows for name in given.extra},
        f"{register.name}.{parsed.delivery.folder.name}.{identity}",
    )
    kept = {
        "quarantine": judging.quarantined(table, source) if judged.quarantined else None,
        "findings": judging.findings(table, source, file.period, judged, delivered_on),
    }
    for store, query in kept.items():
        if query:
            _copy(con, query, parsed.scratch / slot_path(store, outcome))
    place = parsed.scratch / slot_path("landing", outcome)
    place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    judged.landing.replace(place)
    return outcome, judged.unreadable


def _form(column: Column) -> str:
    return column.date_format if column.type == "date" else column.type


def _copy(con: duckdb.DuckDBPyConnection, query: str, place: Path) -> None:
    place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    con.execute(f"copy ({query}) to {quoted(place)} ({restricted.COPY_OPTIONS})")
