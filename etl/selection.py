"""Runs dbt over the lake: staging, cohorts and marts, contracts, tests and documentation.

dbt is loaded only here, when it is needed: its import takes seconds.
"""

import json
import os
import re
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import duckdb

from etl.errors import KoblingError, disk_error, hold_own_faults
from etl.home import Home, read_json, replace_json
from etl.settings import Settings


def build(
    settings: Settings, home: Home, warehouse: Path, say: Callable[[str], None], code: str
) -> None:
    """Build every model and run every test in `warehouse`. Raises KoblingError when one is red.

    Unit tests look at the code and at rows of their own, never at what was delivered: those of a
    `code` (its hash) that were green in this home, by the same dbt and DuckDB, are not run again.
    """
    os.environ |= {
        "KOBLING_WAREHOUSE": str(warehouse),
        "KOBLING_LAKE": str(home.lake),
        "KOBLING_MEMORY_LIMIT": settings.memory_limit,
        "KOBLING_THREADS": str(settings.threads),
        "DO_NOT_TRACK": "1",
    }
    from dbt.cli.main import dbtRunner

    project = settings.project / "dbt_project"
    proved = home.state / "unit-tested.json"
    run_by = {"code": code} | {one: version(one) for one in ("dbt-core", "dbt-duckdb", "duckdb")}
    is_proved = proved.exists() and read_json(proved) == run_by
    outcome = dbtRunner(callbacks=[_progress(say)]).invoke(
        [
            "build",
            "--project-dir", str(project),
            "--profiles-dir", str(project),
            "--target-path", str(home.state / "dbt"),
            "--log-path", str(home.logs / "dbt"),
            # At debug, which is the default, a sixth of the models' time is writing of the log.
            "--log-level-file", "info",
            "--quiet",
            *(["--exclude-resource-type", "unit_test"] if is_proved else []),
        ]
    )  # fmt: skip
    from dbt.adapters.duckdb.connections import DuckDBConnectionManager

    DuckDBConnectionManager.close_all_connections()
    if outcome.exception:
        hold_own_faults(outcome.exception)
        raise outcome.exception
    results = outcome.result.results
    bad = [r for r in results if str(r.status) in ("error", "fail", "runtime error")]
    if bad:
        for result in bad:
            if found := disk_error(str(result.message)):
                raise found
        raise KoblingError(
            f"dbt: {len(bad)} of {len(results)} nodes failed: "
            + "; ".join(f"{r.node.name} ({r.status})" for r in bad[:5])
            + f". Expected none. See {home.logs / 'dbt' / 'dbt.log'}; the last warehouse stays."
        )
    # There may be none: the environment can leave them out too.
    if any(r.node.resource_type == "unit_test" for r in results):
        replace_json(proved, run_by)
    before = "; unit tests were, with the same code" if is_proved else ""
    say(f"dbt: {len(results)} models and tests, all green{before}")


def _progress(say: Callable[[str], None]) -> Callable[[object], None]:
    """Says how far dbt has come, at every quarter."""
    told = set()

    def follow(event) -> None:
        index, total = (getattr(event.data, name, 0) for name in ("index", "total"))
        if event.info.name.endswith("Result") and index and total:
            quarter = 4 * index // total
            if quarter not in told and 0 < quarter < 4:
                told.add(quarter)
                say(f"dbt: {index} of {total} done")

    return follow


# ------------------------------------------------------------------ dbt's own documentation

# Nothing is asked of a server: the page is a program that reads what stands in it.
DOCS_POLICY = (
    "default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; style-src 'unsafe-inline'; "
    "img-src data:; font-src data:"
)
# What tells when, where and by whom dbt was run, and nothing of the models.
OF_THE_RUN = (
    "generated_at", "invocation_id", "invocation_started_at", "user_id",
    "send_anonymous_usage_stats", "env", "created_at", "build_path", "compiled_path", "root_path",
    "patch_path", "run_started_at",
)  # fmt: skip


# Below these dbt fills lists from sets, in another order in every process.
UNORDERED = ("depends_on", "sources", "refs", "parent_map", "child_map")


def documentation(settings: Settings, home: Home, warehouse: Path) -> str:
    """dbt's documentation of the last build as one page, the same bytes wherever it was built.

    It is dbt's own page with the manifest of the build in it, as `dbt docs generate --static` makes
    it. That command starts dbt once more to ask the database for its columns; they are asked here.
    Raises KoblingError where the page is not of the shape that is known.
    """
    from dbt.task.docs import DOCS_INDEX_FILE_PATH

    manifest = (home.state / "dbt" / "manifest.json").read_text(encoding="utf-8")
    catalog = json.dumps(_catalog(json.loads(manifest), warehouse))
    page = Path(DOCS_INDEX_FILE_PATH).read_text(encoding="utf-8")
    # Both name a file beside the page, which is not there.
    page = re.sub(r'<link rel="(?:canonical|shortcut icon)"[^>]*>', "", page)
    # Angular fills these in; until then they would be addresses.
    page = page.replace('xlink:href="{{', 'ng-attr-xlink:href="{{')
    policy = f'<meta http-equiv="Content-Security-Policy" content="{DOCS_POLICY}">'
    page = page.replace('<meta charset="utf-8">', f'<meta charset="utf-8">{policy}', 1)
    for name, text in (("MANIFEST", manifest), ("CATALOG", catalog)):
        place = f'"{name}.JSON INLINE DATA"'
        if place not in page or policy not in page:
            raise KoblingError(
                "dbt: its page of documentation has another shape than that of dbt-core 1.11. "
                "Expected places for manifest and catalog. Correct etl/selection.py."
            )
        page = page.replace(place, _anywhere(settings, home, warehouse, text))
    return page


def _catalog(manifest: dict, warehouse: Path) -> dict:
    """Every model and seed of a manifest with its columns in the warehouse, as dbt writes it."""
    columns: dict[tuple[str, str], dict] = {}
    with duckdb.connect(str(warehouse), read_only=True) as con:
        for schema, table, name, kind, nth in con.execute(
            "select schema_name, table_name, column_name, data_type, column_index "
            "from duckdb_columns() where not internal order by all"
        ).fetchall():
            of = columns.setdefault((schema, table), {})
            of[name] = {"name": name, "type": kind, "index": nth, "comment": None}
    nodes = {
        unique_id: {
            "unique_id": unique_id,
            "metadata": {
                "type": node["config"]["materialized"], "schema": node["schema"],
                "name": node["alias"], "database": node["database"], "comment": None,
                "owner": None,
            },
            "columns": columns[node["schema"], node["alias"]],
            "stats": {},
        }
        for unique_id, node in manifest["nodes"].items()
        if node["resource_type"] in ("model", "seed")
        and (node["schema"], node["alias"]) in columns
    }  # fmt: skip
    return {"metadata": {}, "nodes": nodes, "sources": {}, "errors": None}


def _anywhere(settings: Settings, home: Home, warehouse: Path, text: str) -> str:
    """JSON of dbt without the times and places of this run, as a script may hold it."""
    for path, name in (
        (home.lake, "KOBLING_LAKE"), (home.root, "KOBLING_HOME"), (settings.project, "CHECKOUT"),
        (warehouse.stem, home.warehouse.stem),
    ):  # fmt: skip
        text = text.replace(str(path), name)

    def kept(value, is_unordered: bool = False):
        if isinstance(value, dict):
            return {
                key: kept(of, is_unordered or key in UNORDERED)
                for key, of in value.items()
                if key not in OF_THE_RUN
            }
        if not isinstance(value, list):
            return value
        told = [kept(one) for one in value]
        return sorted(told, key=json.dumps) if is_unordered else told

    told = json.dumps(kept(json.loads(text)), sort_keys=True, ensure_ascii=False)
    return told.replace("</", "<\\/")
