"""Publish a release: an immutable folder that appears whole; `current` moves in one step."""

from collections.abc import Callable
from pathlib import Path

import duckdb

from etl.home import Home, file_hash, read_json, remove, replace_json

EVIDENCE = "evidence.json"
PAGE = "index.html"
MAIN = "main"


def publish(home: Home, study: str, release_id: str, fill: Callable[[Path], None]) -> Path:
    """Build a release beside the others, seal it, and make it the current one.

    A release that is there already is not built again. Nothing refers to the folder until it is
    whole; one left behind by a kill is swept away here.
    """
    store = home.releases / study
    store.mkdir(parents=True, exist_ok=True)
    for leftover in store.glob(".new-*"):
        remove(leftover)
    place = store / release_id
    if not place.exists():
        beside = store / f".new-{release_id}"
        beside.mkdir()
        fill(beside)
        _seal(beside)
        beside.replace(place)
    point = store / ".current.new"
    remove(point)
    point.symlink_to(release_id)
    point.replace(store / "current")
    return place


def current(home: Home, study: str) -> Path | None:
    """The live release, or None where there is none."""
    place = home.releases / study / "current"
    return place.resolve() if place.exists() else None


def evidence_keys(release: Path) -> dict[str, str]:
    """The keys that a release was made under."""
    return read_json(release / EVIDENCE)["keys"]


def write_evidence(folder: Path, content: dict) -> None:
    """Say what the release was made from, and name every other file in it with its hash.

    A DuckDB file differs in a few bytes from run to run; the Parquet files beside it hold the same
    tables, and it is they that count.
    """
    files = {
        str(path.relative_to(folder)): file_hash(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.suffix != ".duckdb"
    }
    replace_json(folder / EVIDENCE, {**content, "files": files})


def export_tables(
    con: duckdb.DuckDBPyConnection, study: str, refresh_id: str, folder: Path
) -> None:
    """A study's marts, estimates and checks of one refresh as one DuckDB file and as Parquet.

    The marts lie in the file's main schema: opened by itself the file is catalog `marts`, and a
    schema of the same name would make `marts.cohort` ambiguous. So `cohort` and `marts.cohort` both
    mean the same. Persons leave as text: R reads 64-bit integers as doubles and would merge them.
    """
    (folder / "parquet").mkdir()
    con.execute(f"attach '{folder / 'marts.duckdb'}' as released")
    tables = con.execute(
        """
        select schema_name, table_name, list(column_name)
        from duckdb_columns()
        where schema_name in ('marts', 'analysis', 'quality') and table_name <> 'build'
            and database_name = current_database()
        group by all order by all
        """
    ).fetchall()
    for schema, table, columns in tables:
        mine, of = "", None
        if "study_id" in columns:
            mine, of = "where study_id = ?", [study]
        elif "refresh_id" in columns:
            mine, of = "where refresh_id = ?", [refresh_id]
        person = "replace (person_id::varchar as person_id)" if "person_id" in columns else ""
        place = f"released.{MAIN if schema == 'marts' else schema}"
        con.execute(f"create schema if not exists {place}")
        con.execute(
            f"create table {place}.{table} as "
            f"select * {person} from {schema}.{table} {mine} order by all",
            of,
        )
        con.execute(
            f"copy (select * from {place}.{table} order by all) "
            f"to '{folder / 'parquet' / table}.parquet' (format parquet, compression zstd)"
        )
    con.execute("detach released")


def listing(folder: Path) -> list[dict]:
    """Name and size of every file that is there so far."""
    return [
        {"path": str(path.relative_to(folder)), "bytes": path.stat().st_size}
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.suffix != ".duckdb"
    ]


def _seal(folder: Path) -> None:
    for path in folder.rglob("*"):
        if path.is_file():
            path.chmod(0o444)
