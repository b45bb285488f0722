"""Releases: immutable folders that appear whole. `current` points at the live one and moves in one
step; `staged` at one that waits for somebody to look at it."""

from collections.abc import Callable
from pathlib import Path

import duckdb
import pyarrow.parquet

from etl import keyed_hash
from etl.errors import ReleaseError
from etl.home import Home, file_hash, read_json, remove, replace_json

EVIDENCE = "evidence.json"
PAGE = "index.html"
MAIN = "main"


CURRENT, STAGED = "current", "staged"


def promote(home: Home, study: str, release_id: str) -> None:
    """Make a release that is there the live one. None is staged any longer: it was held against
    another."""
    _point(home, study, CURRENT, release_id)
    unstage(home, study)


def unstage(home: Home, study: str) -> None:
    """Let no release wait; its folder stays."""
    remove(home.releases / study / STAGED)


def stage(home: Home, study: str, release_id: str) -> None:
    """Let a release that is there wait beside the live one."""
    _point(home, study, STAGED, release_id)


def _point(home: Home, study: str, name: str, release_id: str) -> None:
    store = home.releases / study
    point = store / f".{name}.new"
    remove(point)
    point.symlink_to(release_id)
    point.replace(store / name)


def place_whole(store: Path, name: str, fill: Callable[[Path], None]) -> Path:
    """Fill a folder beside its place, seal it, and move it there.

    One that is there already is not made again. Nothing refers to the folder until it is whole; one
    left behind by a kill is swept away here.
    """
    store.mkdir(parents=True, exist_ok=True)
    for leftover in store.glob(".new-*"):
        remove(leftover)
    place = store / name
    if not place.exists():
        beside = store / f".new-{name}"
        beside.mkdir()
        fill(beside)
        _seal(beside)
        beside.replace(place)
    return place


def current(home: Home, study: str) -> Path | None:
    """The live release, or None where there is none."""
    return _pointed_at(home, study, CURRENT)


def staged(home: Home, study: str) -> Path | None:
    """The release that waits beside the live one, or None."""
    return _pointed_at(home, study, STAGED)


def _pointed_at(home: Home, study: str, name: str) -> Path | None:
    place = home.releases / study / name
    return place.parent / place.readlink() if place.exists() else None


def all_of(home: Home) -> list[str]:
    """study/release of every release that is there."""
    return [
        f"{place.parent.name}/{place.name}"
        for place in sorted(home.releases.glob("*/*"))
        if place.is_dir() and not place.is_symlink() and not place.name.startswith(".")
    ]


def mark(home: Home, which: list[str], what: str, why: str) -> None:
    """Say beside releases, which never change, that they are `superseded`, `withdrawn` or
    `rolled_back`."""
    for release in which:
        replace_json(_mark_of(home, release, what), {"why": why})


def marked(home: Home, release: str, what: str) -> str | None:
    """Why study/release is `superseded`, `withdrawn` or `rolled_back`; None where it is not."""
    place = _mark_of(home, release, what)
    return read_json(place)["why"] if place.exists() else None


def unmark(home: Home, release: str, what: str) -> None:
    """Take a mark away."""
    remove(_mark_of(home, release, what))


def _mark_of(home: Home, release: str, what: str) -> Path:
    place = home.releases / release
    return place.with_name(f"{place.name}.{what}.json")


def holds(con: duckdb.DuckDBPyConnection, place: Path, own_ids: list[str]) -> bool:
    """Whether any table of a release has a row of one of these persons, or names one as failing."""
    con.execute("create or replace temp table own as select unnest(?::varchar[]) as id", [own_ids])
    for path in sorted((place / "parquet").glob("*.parquet")):
        described = con.execute(f"describe from '{path}'").fetchall()
        columns = [name for name, *_ in described]
        tests = [f"{c} in (select id from own)" for c in columns if _is_of_persons(c)]
        if "row_key" in columns:
            tests.append("row_key ->> '$.person_id' in (select id from own)")
        if tests:
            query = f"select count(*) from '{path}' where {' or '.join(tests)}"
            if con.execute(query).fetchone()[0]:
                return True
    return False


def rows_of(release: Path) -> int:
    """Rows in all tables of a release."""
    tables = sorted((release / "parquet").glob("*.parquet"))
    return sum(pyarrow.parquet.read_metadata(table).num_rows for table in tables)


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


def give_own_ids(con: duckdb.DuckDBPyConnection, study: str, key: bytes) -> dict[str, str]:
    """Make the table `released_id` (value, id) of everybody in the warehouse, under a study's key.

    Returns it as a dict, for what is no table: the same person has one id in all releases of a
    study, and unrelated ones in those of two.
    """
    persons = [
        f"select {column}::varchar as value from {schema}.{table}"
        for schema, table, columns in _tables(con)
        for column in columns
        if _is_of_persons(column)
    ]
    keyed_hash.give_ids(con, "temp.released_id", " union ".join(persons), key)
    rows = con.execute("select value, id::varchar from temp.released_id").fetchall()
    return dict(rows)


def export_tables(
    con: duckdb.DuckDBPyConnection, study: str, refresh_id: str, folder: Path
) -> None:
    """A study's marts, estimates and checks of one refresh as one DuckDB file and as Parquet.

    The marts lie in the file's main schema: opened by itself the file is catalog `marts`, and a
    schema of the same name would make `marts.cohort` ambiguous. So `cohort` and `marts.cohort` both
    mean the same. Persons leave under the study's own ids, as text: R reads 64-bit integers as
    doubles and would merge them. `give_own_ids` comes first. A table about everybody in the
    warehouse is released with the study's candidates only.
    """
    (folder / "parquet").mkdir()
    names = [table for _, table, _ in _tables(con)]
    if doubled := {name for name in names if names.count(name) > 1}:
        raise ReleaseError(
            f"{study}: {', '.join(sorted(doubled))} in two schemas. Expected each name once, since "
            "all tables lie in one folder of Parquet files. Rename one."
        )
    con.execute(f"attach '{folder / 'marts.duckdb'}' as released")
    for schema, table, columns in _tables(con):
        where, of = [], []
        persons = [column for column in columns if _is_of_persons(column)]
        if "study_id" in columns:
            where, of = ["study_id = ?"], [study]
        elif "refresh_id" in columns:
            where, of = ["refresh_id = ?"], [refresh_id]
        elif persons:
            # Of what is about everybody leave the study's candidates, and what is of nobody.
            among = " or ".join(f"{column} in ({CANDIDATES})" for column in persons)
            where = [f"({among} or coalesce({', '.join(persons)}) is null)"]
            of = [study] * len(persons)
        own = [f"{_own_id(column + '::varchar')} as {column}" for column in persons]
        if "row_key" in columns:
            # A failing row names its person among its key, and is no other study's.
            where.append("coalesce(row_key ->> '$.study_id' = ?, true)")
            of.append(study)
            own.append(f"{OWN_ROW_KEY} as row_key")
        replaced = f"replace ({', '.join(own)})" if own else ""
        place = f"released.{MAIN if schema == 'marts' else schema}"
        con.execute(f"create schema if not exists {place}")
        con.execute(
            f"create table {place}.{table} as select * from (select * {replaced} "
            f"from {schema}.{table} {'where ' if where else ''}{' and '.join(where)}) order by all",
            of,
        )
        con.execute(
            f"copy (select * from {place}.{table} order by all) "
            f"to '{folder / 'parquet' / table}.parquet' (format parquet, compression zstd)"
        )
    con.execute("detach released")


def export_patients(folder: Path, outcomes: list[str], factors: list[str]) -> None:
    """One row per patient, as R code of the field expects a data set, from the released marts.

    patient.csv, parquet/patient.parquet and the table `patient` of marts.duckdb hold: id (text);
    index_date, birth_date, death_date and follow_up_end_date; sex; age_years; for every outcome
    <outcome>_status (0 censored, 1 the outcome, 2 death before it; missing where it was prevalent),
    <outcome>_days, <outcome>_months (days / 30.4375) and <outcome>_prevalent (0 or 1); and each
    factor's level, under <factor>_level where a column of its name is there. `export_tables` comes
    first.
    """
    columns = {"id": "cohort.person_id"}
    columns |= {name: f"cohort.{name}" for name in (*PATIENT_DATES, "sex", "age_years")}
    for name in outcomes:
        of = f"outcome = {_literal(name)}"
        own = f"from time_to_event as told where told.person_id = cohort.person_id and {of}"
        columns |= {
            f"{name}_status": f"(select max(event_code) {own})",
            f"{name}_days": f"(select max(days) {own})",
            f"{name}_months": f"(select max(days) / {DAYS_OF_A_MONTH} {own})",
            f"{name}_prevalent": "(select count(*)::integer from prevalent_outcome as before "
            f"where before.person_id = cohort.person_id and {of})",
        }
    for name in factors:
        column = f"{name}_level" if name in columns else name
        columns[column] = (
            "(select max(level) from factor as told where told.person_id = cohort.person_id "
            f"and factor = {_literal(name)})"
        )
    told = ", ".join(f"{value} as {_quoted(name)}" for name, value in columns.items())
    with duckdb.connect(str(folder / "marts.duckdb")) as con:
        con.execute(f"create table patient as select {told} from cohort order by id")
        everybody = "(from patient order by id)"
        con.execute(
            f"copy {everybody} to '{folder / 'parquet' / 'patient.parquet'}' "
            "(format parquet, compression zstd)"
        )
        con.execute(f"copy {everybody} to '{folder / 'patient.csv'}' (format csv, header)")


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _tables(con: duckdb.DuckDBPyConnection) -> list[tuple[str, str, list[str]]]:
    """(schema, table, columns) of all that is released."""
    return con.execute(
        """
        select schema_name, table_name, list(column_name)
        from duckdb_columns()
        where schema_name in ('marts', 'analysis', 'quality') and table_name <> 'build'
            and database_name = current_database()
        group by all order by all
        """
    ).fetchall()


def _is_of_persons(column: str) -> bool:
    return column == "person_id" or column.endswith("_person_id")


def _own_id(value: str) -> str:
    return f"(select id::varchar from temp.released_id where released_id.value = {value})"


# A year of 365.25 days in twelve parts, as survival curves in months are drawn.
DAYS_OF_A_MONTH = 30.4375
PATIENT_DATES = ("index_date", "birth_date", "death_date", "follow_up_end_date")
CANDIDATES = "select person_id from marts.exclusion_reasons where study_id = ?"
# The key as it is written, with the study's own id in place of the warehouse's.
OWN_ROW_KEY = f"""case
    when row_key ->> '$.person_id' is null then row_key
    else replace(
        row_key,
        '"' || (row_key ->> '$.person_id') || '"',
        '"' || {_own_id("(row_key ->> '$.person_id')")} || '"'
    )
end"""


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
