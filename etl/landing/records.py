"""What was decided about each delivery, and which landed files count now."""

from dataclasses import dataclass
from pathlib import Path

import duckdb

from etl import restricted
from etl.errors import LIKE_A_NUMBER
from etl.home import Home, read_json, remove, replace_json

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

    @property
    def identity(self) -> str:
        """The file's content and what it was read by; the rest of its name is where it came in."""
        return self.content.rpartition(".")[2]


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


def put_back(home: Home, register: str, folder: str) -> None:
    """Make an accepted delivery one that is still to be landed, in the same place of the order.

    Its landed files stay until `forget_put_back`: a delivery is landed anew before they go.
    """
    path = home.accepted / register / f"{folder}.json"
    if path.exists():
        path.replace(_earlier(path))


def keep_earlier(home: Home, register: str, folder: str) -> None:
    """Before a delivery is landed anew: it counts as it was until then, and what was landed of it
    stays until `forget_put_back`."""
    path = home.accepted / register / f"{folder}.json"
    replace_json(_earlier(path), read_json(path))


def _earlier(path: Path) -> Path:
    return path.with_name(f"{path.name}.earlier")


def sequence_of(home: Home, register: str, folder: str) -> int:
    """Which place in the order a delivery takes that is accepted now."""
    earlier = _earlier(home.accepted / register / f"{folder}.json")
    if earlier.exists() and (known := read_json(earlier).get("sequence")):
        return known
    return 1 + max((r["sequence"] for r in accepted(home)), default=0)


def forget_put_back(home: Home) -> None:
    """Take away what was landed of deliveries that were put back, but what has landed again; and
    files that no delivery names, which a kill has left before it was accepted."""
    for earlier in home.accepted.glob("*/*.json.earlier"):
        remove(earlier)
    named = {
        f"{file['content']}.parquet" for entry in accepted(home) for file in entry["files"]
    }  # the same content has the same name
    for store in ("landing", "quarantine", "findings"):
        for path in (home.restricted / store).rglob("*.parquet"):
            if path.name not in named:
                remove(path)


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
        return home.restricted / slot_path(store, self.file, self.register)


def current(home: Home, after: int | None = None) -> list[Current]:
    """One entry per (register, table, period): the newest accepted delivery's file.

    A stock delivery replaces the tables that it holds; any other replaces the periods it names.
    With `after` it is what counted once that many deliveries had been accepted: landed files stay
    when newer ones come, so what a past refresh was made from is still there, unless it was landed
    anew or erased.
    """
    winners: dict[tuple[str, str, str], Current] = {}
    for entry in accepted(home):
        if after is not None and entry["sequence"] > after:
            continue
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


def slot_path(store: str, file: LandedFile, register: str | None = None) -> Path:
    register = register or file.content.split(".")[0]
    return Path(store) / register / file.table / f"period={file.period}" / f"{file.content}.parquet"


def newest_complete_to(home: Home) -> dict[str, tuple[str | None, str]]:
    """Per register: complete_to and delivered_on of its accepted delivery that counts last."""
    return {r["register"]: (r["complete_to"], r["delivered_on"]) for r in accepted(home)}


# Store below the restricted zone → the column that says why a row is in it.
WHY = {"quarantine": "reason", "findings": "finding"}


@dataclass(frozen=True)
class PutAside:
    """Rows of one current file that were refused, or have something to tell, for one reason."""

    register: str
    table: str
    period: str
    file: str
    reason: str
    rows: int
    source_rows: tuple[int, ...] | None  # record numbers in the file, where they were asked for


def put_aside(
    home: Home,
    store: str,
    register: str | None,
    reason: str | None,
    opened: duckdb.DuckDBPyConnection | None = None,
) -> list[PutAside]:
    """What lies in `quarantine` or `findings` of the files that count now. Never a row's value.

    With an unlocked connection also which rows of the files they are.
    """
    found = []
    for entry in current(home):
        if register not in (None, entry.register):
            continue
        counts = entry.file.quarantined if store == "quarantine" else entry.file.findings
        for why, n in sorted(counts.items()):
            if reason in (None, why):
                path = entry.path(home, store)
                found.append(
                    PutAside(
                        *entry.slot,
                        # A keeper may have put a person's number into a file's name.
                        LIKE_A_NUMBER.sub("…", f"{entry.folder}/{entry.file.path}"),
                        why,
                        n,
                        _rows_of(opened, path, WHY[store], why) if opened else None,
                    )
                )
    return found


def _rows_of(
    opened: duckdb.DuckDBPyConnection, path: Path, column: str, why: str
) -> tuple[int, ...]:
    # What is told of a file as a whole, a column that nobody agreed on, has no row.
    if not path.exists():
        return ()
    rows = opened.execute(
        f"select source_row from {restricted.scan(path)} where {column} = ? order by source_row",
        [why],
    ).fetchall()
    return tuple(row for (row,) in rows)


def refused_as_given(
    home: Home,
    register: str | None,
    reason: str | None,
    opened: duckdb.DuckDBPyConnection,
    place: Path,
) -> int:
    """Write the refused rows of the files that count now, as they came, to a CSV file of its owner.

    Columns: register, table_name, period, file, source_row, reason, as_given. Returns how many.
    """
    queries, values = [], []
    for entry in current(home):
        path = entry.path(home, "quarantine")
        if register in (None, entry.register) and path.exists():
            queries.append(
                "select ? as register, ? as table_name, ? as period, ? as file, source_row, "
                f"reason, as_given from {restricted.scan(path)} where coalesce(reason = ?, true)"
            )
            values += [*entry.slot, f"{entry.folder}/{entry.file.path}", reason]
    if not queries:
        return 0
    place.parent.mkdir(mode=restricted.FOLDER_MODE, parents=True, exist_ok=True)
    beside = place.with_name(f".{place.name}.new")
    (n,) = opened.execute(
        f"copy ({' union all '.join(queries)}) to '{beside}' (format csv)", values
    ).fetchone()
    beside.chmod(restricted.MODE)
    beside.replace(place)
    return n
