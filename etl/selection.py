"""Runs dbt over the lake: staging, cohorts and marts, with their contracts and tests.

dbt is loaded only here, when it is needed: its import takes seconds.
"""

import os
from collections.abc import Callable
from pathlib import Path

from etl.errors import KoblingError
from etl.home import Home
from etl.settings import Settings


def build(settings: Settings, home: Home, warehouse: Path, say: Callable[[str], None]) -> None:
    """Build every model and run every test in `warehouse`. Raises KoblingError when one is red."""
    os.environ |= {
        "KOBLING_WAREHOUSE": str(warehouse),
        "KOBLING_LAKE": str(home.lake),
        "KOBLING_MEMORY_LIMIT": settings.memory_limit,
        "KOBLING_THREADS": str(settings.threads),
        "DO_NOT_TRACK": "1",
    }
    from dbt.cli.main import dbtRunner

    project = settings.project / "dbt_project"
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
        ]
    )  # fmt: skip
    from dbt.adapters.duckdb.connections import DuckDBConnectionManager

    DuckDBConnectionManager.close_all_connections()
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
