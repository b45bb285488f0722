"""The warehouse of staging, cohorts and marts, built beside the old one and put in its place."""

from pathlib import Path

from etl import evidence, ledger, restricted, studies
from etl.errors import KoblingError
from etl.home import Home, connect, digest, one_writer, open_home, read_json, remove, replace_text
from etl.landing import current, newest_complete_to
from etl.settings import Settings
from etl.steps.linking import lake_is_whole
from etl.steps.wording import Say, accounted, n_of


def select(settings: Settings, say: Say) -> bool:
    """Build staging, cohorts and marts with dbt, beside the old warehouse, then replace it."""
    from etl import selection
    from etl.quality import rates

    home = open_home(settings)
    with accounted(say, home.linked) as account, one_writer(home) as seconds:
        wanted = select_key(settings, home)
        if _built_key(settings, home) == wanted:
            _tidy_and_tell(home, wanted)
            say("selection: nothing new")
            return False
        beside = home.root / "warehouse.next.duckdb"
        remove(beside)
        remove(beside.with_name(beside.name + ".wal"))
        definitions = [studies.read(settings.project, n) for n in studies.names(settings.project)]
        with connect(settings, beside) as con:
            studies.load(con, definitions)
            data_id = data_id_of(settings, home)
            before = rates.give_before(con, home.warehouse, data_id)
            con.execute(
                "create table study.build as select ? as select_key, ? as linkage_before",
                [wanted, before],
            )
        say(f"selecting {n_of(len(definitions), 'study', 'studies')} with dbt")
        selection.build(settings, home, beside, say, evidence.code_hash(settings.project))
        docs = selection.documentation(settings, home, beside)
        replace_text(dbt_docs_of(home, wanted), docs)
        with connect(settings, beside) as con:
            if home.warehouse.exists():
                rates.carry_over(con, home.warehouse)
            rates.keep(con, wanted, data_id)
            con.execute("checkpoint")
            account.rows_in = _rows_linked(con, home)
            account.rows_out = rows_of(con, "marts")
        # A journal of the old file beside the new one would make the new one unreadable.
        remove(home.warehouse.with_name(home.warehouse.name + ".wal"))
        beside.replace(home.warehouse)
        _tidy_and_tell(home, wanted, seconds())
        return True


def _tidy_and_tell(home: Home, wanted: str, seconds: float | None = None) -> None:
    """What follows when the warehouse is in its place; a kill may have left it undone."""
    for old in home.state.glob("d*-docs-*.html"):
        if wanted not in old.name:
            remove(old)
    if not ledger.is_told(home, "selected", key=wanted):
        ledger.record(home, "selected", key=wanted, seconds=seconds)


def _rows_linked(con, home: Home) -> int:
    flow = home.lake / "linkage_flow.parquet"
    (rows,) = con.execute(
        f"select coalesce(sum(rows), 0) from '{flow}' where stage = 'linked'"
    ).fetchone()
    return int(rows)


def rows_of(con, schema: str) -> int:
    """Rows in all tables of a schema of the warehouse."""
    (rows,) = con.execute(
        "select coalesce(sum(estimated_size), 0) from duckdb_tables() where schema_name = ?",
        [schema],
    ).fetchone()
    return int(rows)


def dbt_docs_of(home: Home, key: str) -> Path:
    """dbt's documentation of the warehouse that was selected under a key."""
    return home.state / f"dbt-docs-{key}.html"


def select_key(settings: Settings, home: Home) -> str:
    state = home.state / "link.json"
    before = read_json(state) if state.exists() else {"slots": {}}
    linked = before.get("key")
    if not linked or not lake_is_whole(home, before["slots"]):
        raise KoblingError(
            f"{home.lake}: the linkage has not been completed, or files of it are gone. Expected a "
            "whole lake. Run `kobling link` first."
        )
    definitions = {
        name: studies.definition_hash(studies.read(settings.project, name))
        for name in studies.names(settings.project)
    }
    return digest([linked, definitions, evidence.code_hash(settings.project)])


def _built_key(settings: Settings, home: Home) -> str | None:
    if not home.warehouse.exists():
        return None
    with connect(settings, home.warehouse, read_only=True) as con:
        return con.execute("select select_key from study.build").fetchone()[0]


def require_warehouse(settings: Settings, home: Home) -> str:
    """The key of the warehouse. Raises KoblingError where there is none."""
    built = _built_key(settings, home)
    if built is None:
        raise KoblingError(
            f"{home.warehouse}: not there. Expected a selected warehouse. Run `kobling select`."
        )
    return built


def data_id_of(settings: Settings, home: Home) -> str:
    """What was delivered and counts, how it was read, and the pseudonym key, in one hash."""
    return evidence.data_hash(
        [[*entry.slot, entry.file.sha256, entry.file.identity] for entry in current(home)],
        newest_complete_to(home),
        restricted.keys_of(settings).key_id,
    )
