"""Delivery → typed Parquet, or quarantine with a reason. Nothing is lost, nothing is guessed.

Every record of a delivered file ends in exactly one of two places: the landing, typed by the
contract, or the quarantine, as given, with file, record number and reason. A delivery lands whole
or is refused whole; the JSON under `restricted/accepted/` is its commit point, written last.
"""

from dataclasses import dataclass, field
from pathlib import Path

import duckdb

from etl.deliveries import UNPACK_TIMES, DeliveredFile, Delivery
from etl.errors import DeliveryError
from etl.home import Home, digest, file_hash, read_json, remove, replace_json
from etl.landing import judging
from etl.landing.given import quoted, read, shown
from etl.personal_number import MALFORMED_SQL
from etl.registers import Column, Table

RETYPED_SHARE = 0.05
NO_PERIOD = "all"


@dataclass(frozen=True)
class LandedFile:
    """What became of one delivered file: rows = landed + the sum of quarantined."""

    path: str
    table: str
    period: str
    format: str
    sha256: str
    rows: int
    landed: int
    quarantined: dict[str, int]
    findings: dict[str, int]
    content: str  # name of the landed file: the same content always has the same name


@dataclass
class Parsed:
    """A delivery read into scratch, not yet accepted."""

    delivery: Delivery
    scratch: Path
    files: list[LandedFile] = field(default_factory=list)

    def landed_paths(self, table: str) -> list[Path]:
        return [self.scratch / _slot("landing", f) for f in self.files if f.table == table]


def parse(
    con: duckdb.DuckDBPyConnection,
    home: Home,
    delivery: Delivery,
    population: str,
    unpack_times: int = UNPACK_TIMES,
) -> Parsed:
    """Read every file of a delivery into scratch, typed, with its quarantine and findings.

    Raises:
        DeliveryError: a file is unreadable, a column is missing, renamed, doubled or retyped, the
            row count disagrees with the manifest, or a mock home is sent a possibly real number.
    """
    con.execute(MALFORMED_SQL)
    scratch = home.scratch / f"land-{delivery.register.name}-{delivery.folder.name}"
    remove(scratch)
    scratch.mkdir(mode=0o700, parents=True)
    parsed = Parsed(delivery, scratch)
    unreadable: dict[tuple[str, str], int] = {}
    rows: dict[str, int] = {}
    for file in delivery.files:
        table = delivery.register.table(file.table).of_period(file.period)
        landed, bad = _parse_file(con, parsed, table, file, population, unpack_times)
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
            source = parsed.scratch / _slot(store, file)
            if source.exists():
                place = home.restricted / _slot(store, file)
                place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                source.replace(place)
    delivery = parsed.delivery
    replace_json(
        _record_path(home, delivery),
        {
            "status": "accepted",
            "register": delivery.register.name,
            "folder": delivery.folder.name,
            "delivered_on": str(delivery.delivered_on),
            "sequence": 1 + max((r["sequence"] for r in accepted(home)), default=0),
            "complete_to": delivery.complete_to and str(delivery.complete_to),
            "coverage": delivery.coverage,
            "manifest_sha256": delivery.manifest_sha256,
            "contract_version": delivery.register.version,
            "files": [vars(file) for file in parsed.files],
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


def record(home: Home, register: str, folder: str) -> dict | None:
    """What was decided about a delivery; None where it has not been landed yet."""
    path = home.accepted / register / f"{folder}.json"
    return read_json(path) if path.exists() else None


def accepted(home: Home) -> list[dict]:
    """Records of all accepted deliveries, in the order in which they count.

    The later `delivered_on` wins, and on one day the last accepted.
    """
    records = [read_json(path) for path in sorted(home.accepted.glob("*/*.json"))]
    return sorted(
        (record for record in records if record["status"] == "accepted"),
        key=lambda record: (record["delivered_on"], record["sequence"]),
    )


def _record_path(home: Home, delivery: Delivery) -> Path:
    return home.accepted / delivery.register.name / f"{delivery.folder.name}.json"


@dataclass(frozen=True)
class Current:
    """The one landed file that counts for a (register, table, period)."""

    register: str
    folder: str
    delivered_on: str
    complete_to: str | None
    file: LandedFile

    @property
    def slot(self) -> tuple[str, str, str]:
        return self.register, self.file.table, self.file.period

    def path(self, home: Home, store: str = "landing") -> Path:
        return home.restricted / _slot(store, self.file, self.register)


def current(home: Home) -> list[Current]:
    """One entry per (register, table, period): the newest accepted delivery's file.

    A stock delivery replaces the tables that it holds; any other replaces the periods it names.
    """
    winners: dict[tuple[str, str, str], Current] = {}
    for entry in accepted(home):
        tables = {file["table"] for file in entry["files"]}
        if entry["coverage"] == "stock":
            winners = {
                slot: winner
                for slot, winner in winners.items()
                if not (slot[0] == entry["register"] and slot[1] in tables)
            }
        for file in entry["files"]:
            winner = Current(
                entry["register"],
                entry["folder"],
                entry["delivered_on"],
                entry["complete_to"],
                LandedFile(**{k: v for k, v in file.items() if k != "register"}),
            )
            winners[winner.slot] = winner
    return [winners[slot] for slot in sorted(winners)]


def _slot(store: str, file: LandedFile, register: str | None = None) -> Path:
    register = register or file.content.split(".")[0]
    return Path(store) / register / file.table / f"period={file.period}" / f"{file.content}.parquet"


# ------------------------------------------------------------------ one file


def _parse_file(
    con: duckdb.DuckDBPyConnection,
    parsed: Parsed,
    table: Table,
    file: DeliveredFile,
    population: str,
    unpack_times: int,
) -> tuple[LandedFile, dict[str, int]]:
    """Returns what became of the file, and unreadable values by required column."""
    path = parsed.delivery.folder / file.path
    register = parsed.delivery.register
    given = read(con, parsed.scratch, register, table, file, path, unpack_times)
    judged = judging.judge(con, given, path, file.period, file.rows, population, parsed.scratch)
    period = file.period or NO_PERIOD
    # The same file under the same contract and rules always lands under the same name.
    identity = digest([file.sha256, register.version, register.name, file.table, period])[:16]
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
    source = file.sha256[:12]
    kept = {
        "landing": judging.landed(table, source, judged),
        "quarantine": judging.quarantined(table, source) if judged.quarantined else None,
        "findings": judging.findings(table, source, file.period, judged),
    }
    for store, query in kept.items():
        if query:
            _copy(con, query, parsed.scratch / _slot(store, outcome))
    return outcome, judged.unreadable


def _form(column: Column) -> str:
    return column.date_format if column.type == "date" else column.type


def _copy(con: duckdb.DuckDBPyConnection, query: str, place: Path) -> None:
    place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    con.execute(f"copy ({query}) to {quoted(place)} (format parquet, compression zstd)")


def landed_sha256(home: Home, entry: Current) -> str:
    """Checksum of the landed file itself, for evidence."""
    return file_hash(entry.path(home))


def newest_complete_to(home: Home) -> dict[str, tuple[str | None, str]]:
    """Per register: complete_to and delivered_on of its accepted delivery that counts last."""
    return {r["register"]: (r["complete_to"], r["delivered_on"]) for r in accepted(home)}
