"""Runs dbt over the lake: staging, cohorts and marts, contracts, tests and documentation.

dbt is loaded only here, when it is needed: its import takes seconds.
"""

import json
import os
import re
from collections.abc import Callable
from pathlib import Path

from etl.errors import KoblingError
from etl.home import Home
from etl.settings import Settings


def build(settings: Settings, home: Home, warehouse: Path, say: Callable[[str], None]) -> None:
    """Build every model and run every test in `warehouse`. Raises KoblingError when one is red."""
    outcome = _dbt(settings, home, warehouse, ["build"], [_progress(say)])
    if outcome.exception:
        raise outcome.exception
    results = outcome.result.results
    bad = [r for r in results if str(r.status) in ("error", "fail", "runtime error")]
    if bad:
        raise KoblingError(
            f"dbt: {len(bad)} of {len(results)} nodes failed: "
            + "; ".join(f"{r.node.name} ({r.status})" for r in bad[:5])
            + f". Expected none. See {home.logs / 'dbt' / 'dbt.log'}; the last warehouse stays."
        )
    say(f"dbt: {len(results)} models and tests, all green")


def _dbt(settings: Settings, home: Home, warehouse: Path, words: list[str], callbacks: list):
    """One command of dbt on a warehouse, which is let go of afterwards."""
    os.environ |= {
        "KOBLING_WAREHOUSE": str(warehouse),
        "KOBLING_LAKE": str(home.lake),
        "KOBLING_MEMORY_LIMIT": settings.memory_limit,
        "KOBLING_THREADS": str(settings.threads),
        "DO_NOT_TRACK": "1",
    }
    from dbt.cli.main import dbtRunner

    project = settings.project / "dbt_project"
    outcome = dbtRunner(callbacks=callbacks).invoke(
        [
            *words,
            "--project-dir", str(project),
            "--profiles-dir", str(project),
            "--target-path", str(home.state / "dbt"),
            "--log-path", str(home.logs / "dbt"),
            "--quiet",
        ]
    )  # fmt: skip
    from dbt.adapters.duckdb.connections import DuckDBConnectionManager

    DuckDBConnectionManager.close_all_connections()
    return outcome


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


def documentation(settings: Settings, home: Home, warehouse: Path) -> str:
    """dbt's documentation of the last build as one page, the same bytes wherever it was built.

    Raises KoblingError where dbt cannot read its own models or the warehouse.
    """
    from dbt.task.docs import DOCS_INDEX_FILE_PATH

    target = home.state / "dbt"
    # As the build wrote it, with the SQL that was run; generating the catalog writes another.
    manifest = (target / "manifest.json").read_text(encoding="utf-8")
    outcome = _dbt(settings, home, warehouse, ["docs", "generate", "--no-compile"], [])
    if not outcome.success:
        raise KoblingError(
            f"dbt: its documentation could not be made. Expected a catalog of {warehouse.name}. "
            f"See {home.logs / 'dbt' / 'dbt.log'}; the last warehouse stays."
        )
    catalog = (target / "catalog.json").read_text(encoding="utf-8")
    page = Path(DOCS_INDEX_FILE_PATH).read_text(encoding="utf-8")
    # Both name a file beside the page, which is not there.
    page = re.sub(r'<link rel="(?:canonical|shortcut icon)"[^>]*>', "", page)
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


def _anywhere(settings: Settings, home: Home, warehouse: Path, text: str) -> str:
    """JSON of dbt without the times and places of this run, as a script may hold it."""
    for path, name in (
        (home.lake, "KOBLING_LAKE"), (home.root, "KOBLING_HOME"), (settings.project, "CHECKOUT"),
        (warehouse.stem, home.warehouse.stem),
    ):  # fmt: skip
        text = text.replace(str(path), name)

    def kept(value):
        if isinstance(value, dict):
            return {k: kept(v) for k, v in value.items() if k not in OF_THE_RUN}
        return [kept(one) for one in value] if isinstance(value, list) else value

    told = json.dumps(kept(json.loads(text)), sort_keys=True, ensure_ascii=False)
    return told.replace("</", "<\\/")
