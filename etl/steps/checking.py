"""Every check of landing, staging and marts, and the gate that they make."""

from pathlib import Path

from etl import ledger
from etl.errors import QualityError
from etl.home import Home, connect, one_writer, open_home, replace_text
from etl.landing import current, record
from etl.settings import Settings
from etl.steps.selecting import require_warehouse
from etl.steps.wording import Say

EXPECTATIONS = Path(__file__).resolve().parents[2] / "expectations"


# The warehouse's schemas whose tables have suites of their own.
ROOMS = ("marts", "staging")


def check(settings: Settings, say: Say) -> None:
    """Run the suites of staging and marts, keep every result and failing row.

    Raises QualityError when a fatal check is red.
    """
    from etl import quality

    home = open_home(settings)
    with one_writer(home):
        refresh = require_warehouse(settings, home)
        with connect(settings, home.warehouse) as con:
            if not is_checked(con, refresh):
                results = landing_results(home)
                suites = (path for room in ROOMS for path in (EXPECTATIONS / room).glob("*.json"))
                for suite in sorted(suites):
                    name = f"{suite.parent.name}.{suite.stem}"
                    results += quality.run(
                        con,
                        name,
                        quality.written_checks(EXPECTATIONS, name),
                        key_columns=quality.key_columns(con, name),
                        sensitive_columns=(),
                    )
                replace_text(data_docs_of(home, refresh), quality.data_docs(results))
                quality.store(con, results, refresh)
                say(quality.headline(results))
                say("the gate is red when a fatal check fails, and amber when another does")
                for result in results:
                    if result.status == "fail":
                        say(
                            f"fails ({result.check.severity}): {result.check.words} "
                            f"{result.n_failing:,} of {result.n_checked:,} rows do not."
                        )
            else:
                say("checks: nothing new")
            gate = quality.stored_gate(con, refresh)
        ledger.record(home, "checked", refresh=refresh, gate=gate.state)
        if gate.state == "red":
            raise QualityError(
                f"quality: a fatal check failed: {'; '.join(gate.failures)}. Expected none. "
                "No estimate is made and the last release stays live; the failing rows stand in "
                f"{home.warehouse}, table quality.failure, under refresh_id {refresh[:12]}…"
            )


def data_docs_of(home: Home, refresh: str) -> Path:
    """Great Expectations' Data Docs of a refresh; what it says is of all studies."""
    return home.state / f"data-docs-{refresh}.html"


def landing_results(home: Home) -> list:
    """What the landing suites said about the deliveries that count now."""
    from etl import quality

    counting = {(entry.register, entry.folder) for entry in current(home)}
    return [
        quality.from_row(row)
        for register, folder in sorted(counting)
        for row in record(home, register, folder)["checks"]
    ]


def is_checked(con, refresh: str) -> bool:
    """Whether the results of a refresh are in the warehouse."""
    known = con.execute(
        "select count(*) from duckdb_tables() where schema_name = 'quality' "
        "and table_name = 'result'"
    ).fetchone()[0]
    return bool(known) and bool(
        con.execute(
            "select count(*) from quality.result where refresh_id = ?", [refresh]
        ).fetchone()[0]
    )
