"""Every check of landing, staging and marts, the exceptions from them, and the gate they make."""

import datetime as dt
from dataclasses import asdict, dataclass
from pathlib import Path

from etl import ledger, overrides, restricted
from etl.errors import QualityError
from etl.home import Home, connect, digest, one_writer, open_home, replace_text
from etl.landing import current, record
from etl.settings import Settings
from etl.steps.selecting import data_id_of, require_warehouse
from etl.steps.wording import Say, accounted

EXPECTATIONS = Path(__file__).resolve().parents[2] / "expectations"


# The warehouse's schemas whose tables have suites of their own.
ROOMS = ("marts", "staging")


def today() -> dt.date:
    """The day on which waivers and overrides hold or have ended."""
    return dt.date.today()


def check(settings: Settings, say: Say) -> None:
    """Run the suites of staging and marts, keep every result and failing row.

    Raises QualityError when a fatal check is red.
    """
    from etl import quality

    home = open_home(settings)
    with accounted(say, home.warehouse) as account, one_writer(home) as seconds:
        refresh = require_warehouse(settings, home)
        excepted = exceptions(home)
        with connect(settings, home.warehouse) as con:
            is_new = not is_checked(con, refresh, excepted)
            if is_new:
                results = [*_landing_results(home), *_warehouse_results(con)]
                quality.hold_checks(EXPECTATIONS, excepted.waivers, results)
                results, standing = _confirmed(settings, home, con, results, excepted)
                replace_text(data_docs_of(home, refresh), quality.data_docs(results))
                # Gone until all that belongs to it is there: a kill must not leave it half checked.
                con.execute("drop table if exists quality.build")
                quality.store(con, results, refresh)
                _store_exceptions(con, excepted, results, standing)
            else:
                results = quality.stored_results(con, refresh, with_failing=False)
            kept = quality.past.keep(con, home.quality, refresh, data_id_of(settings, home))
            quality.past.give_trend(con, home.quality)
            _store_fitness(settings, con, results)
            con.execute(
                "create or replace table quality.build as "
                "select ? as refresh_id, ? as exceptions_id",
                [refresh, excepted.id],
            )
            waived = quality.waived(excepted.waivers, results, today())
            gate = quality.gate(results, waived)
            if is_new:
                _tell(con, results, waived, say)
                account.rows_in = _rows_looked_at(results)
                account.rows_out = sum(len(result.failing) for result in results)
            else:
                say("checks: nothing new")
        said = {
            "refresh": refresh,
            "gate": gate.state,
            "results": kept["number"],
            "results_sha256": kept["results_sha256"],
            "failing": sorted({result.name for result in results if result.status == "fail"}),
            "waived": sorted(waived),
            "confirmed_rows": sum(result.n_confirmed for result in results),
        }
        if not ledger.is_told(home, "checked", **said):
            ledger.record(home, "checked", **said, seconds=seconds() if is_new else None)
        if gate.state == "red":
            raise QualityError(
                f"quality: a fatal check failed: {'; '.join(gate.failures)}. Expected none. "
                "No estimate is made and the last release stays live; the failing rows stand in "
                f"{home.warehouse}, table quality.failure, under refresh_id {refresh[:12]}…"
            )


def _rows_looked_at(results: list) -> int:
    """Rows of every table that was checked, once each, however many checks it has."""
    rows: dict[str, int] = {}
    for result in results:
        place = f"{result.check.suite} {result.scope}"
        rows[place] = max(rows.get(place, 0), result.n_checked)
    return sum(rows.values())


def data_docs_of(home: Home, refresh: str) -> Path:
    """Great Expectations' Data Docs of a refresh; what it says is of all studies."""
    return home.state / f"data-docs-{refresh}.html"


def _tell(con, results: list, waived: frozenset[str], say: Say) -> None:
    """The headline, what changed since the state before, and each check that fails."""
    from etl import quality

    say(quality.headline(results, waived))
    say("the gate is red when a fatal check fails, and amber when another does")
    changes = con.execute(
        """
        select change, count(*)
        from quality.trend
        where data_number = (select max(data_number) from quality.trend)
            and change in ('new', 'worsened', 'improved', 'fixed')
        group by change
        order by change
        """
    ).fetchall()
    if changes:
        told = ", ".join(f"{n} {change}" for change, n in changes)
        say(f"findings against the refresh before: {told}")
    for result in results:
        if result.status == "fail":
            excused = " A waiver holds." if result.name in waived else ""
            say(
                f"fails ({result.check.severity}): {result.check.words} "
                f"{result.n_failing:,} of {result.n_checked:,} rows do not.{excused}"
            )
    for check, reason in con.execute(
        "select check_name, status from quality.waiver where status <> 'in force' union all "
        "select check_name, status from quality.override where status <> 'in force' order by all"
    ).fetchall():
        say(f"an exception from '{check}' is {reason}")


def _landing_results(home: Home) -> list:
    """What the landing suites said about the deliveries that count now."""
    from etl import quality

    counting = {(entry.register, entry.folder) for entry in current(home)}
    return [
        quality.from_row(row)
        for register, folder in sorted(counting)
        for row in record(home, register, folder)["checks"]
    ]


def _warehouse_results(con) -> list:
    from etl import quality

    results = []
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
    return results


def _store_fitness(settings: Settings, con, results: list) -> None:
    """quality.mart_fitness: each mart with the findings that lead to it; quality.finding_estimate:
    the estimates that each finding leads to."""
    from etl import quality
    from etl.crosswalk import Crosswalk

    crosswalk = Crosswalk.read(settings.project)
    findings = quality.touched(results, crosswalk.columns_of, crosswalk.fed_by)
    marts = con.execute("select table_name from duckdb_tables() where schema_name = 'marts'")
    rows = quality.fitness(findings, [name for (name,) in marts.fetchall()])
    con.execute(
        "create or replace table quality.mart_fitness "
        "(mart varchar, fitness varchar, check_name varchar)"
    )
    con.execute(
        "create or replace table quality.finding_estimate "
        "(study_id varchar, check_name varchar, outcome varchar, factor varchar)"
    )
    told = [
        [one.study_id, finding.check_name, one.outcome, one.factor]
        for finding in findings
        for one in sorted(finding.estimates, key=lambda e: (e.study_id, e.outcome, e.factor or ""))
    ]
    if rows:
        con.executemany(
            "insert into quality.mart_fitness values (?, ?, ?)", [[*row.values()] for row in rows]
        )
    if told:
        con.executemany("insert into quality.finding_estimate values (?, ?, ?, ?)", told)


# ------------------------------------------------------------------ waivers and overrides


@dataclass(frozen=True)
class Exceptions:
    """What somebody has waived or confirmed. `id` changes when one comes, goes, begins or ends;
    None where there are none."""

    waivers: list
    overrides: list[overrides.Override]
    id: str | None


def exceptions(home: Home) -> Exceptions:
    """The waivers of expectations/ and the overrides of the restricted store, as of today."""
    from etl import quality

    waivers, confirmed = quality.read_waivers(EXPECTATIONS), overrides.of_home(home)
    now = today()
    told = [
        *([asdict(waiver), waiver.holds_on(now)] for waiver in waivers),
        *([asdict(override), now <= override.expires_on] for override in confirmed),
    ]
    return Exceptions(waivers, confirmed, digest(_with_days_as_text(told)) if told else None)


def _with_days_as_text(told: list) -> list:
    return [[{name: str(value) for name, value in entry.items()}, holds] for entry, holds in told]


def _confirmed(settings: Settings, home: Home, con, results: list, excepted: Exceptions):
    """The results with confirmed rows counted as such, and what each override is worth."""
    if not excepted.overrides:
        return results, []
    keys = restricted.keys_of(settings)
    names = {override.check for override in excepted.overrides}
    contents: dict[str, dict] = {name: {} for name in names}
    for result in results:
        if result.name in names:
            contents[result.name] |= contents_of(home, con, keys, result, result.failing)
    by_check, standing = overrides.confirmed(excepted.overrides, contents, keys, today())
    return [result.confirming(by_check.get(result.name, ())) for result in results], standing


def contents_of(home: Home, con, keys: restricted.Keys, result, failing) -> dict:
    """What stands in failing rows; of landed ones it is read from the restricted store."""
    from etl import quality

    room, _, table = result.check.suite.partition(".")
    if room in ROOMS:
        return quality.row_contents(con, result.check.suite, result.key_columns, failing)
    register, _, name = table.partition(".")
    paths = [entry.path(home) for entry in current(home) if entry.slot[:2] == (register, name)]
    keys.unlock(con)
    con.execute(
        "create or replace temp view landed_rows as "
        f"select * from {restricted.scan_by_name(*paths)}"
    )
    found = quality.row_contents(con, "landed_rows", result.key_columns, failing)
    con.execute("drop view landed_rows")
    return found


def _store_exceptions(con, excepted: Exceptions, results: list, standing) -> None:
    """quality.waiver and quality.override: what was excepted, and what that is worth today."""
    from etl import quality

    con.execute(
        "create or replace table quality.waiver (waiver_id varchar, check_name varchar, "
        "owner varchar, second varchar, reason varchar, granted_on date, expires_on date, "
        "up_to_rows bigint, status varchar)"
    )
    con.execute(
        "create or replace table quality.override (override_id varchar, check_name varchar, "
        "reviewer varchar, reviewed_on date, expires_on date, reason varchar, n_rows bigint, "
        "status varchar)"
    )
    for waiver, status in quality.standing(excepted.waivers, results, today()):
        con.execute(
            "insert into quality.waiver values (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [*asdict(waiver).values(), status],
        )
    for one, status, n_rows in standing:
        con.execute(
            "insert into quality.override values (?, ?, ?, ?, ?, ?, ?, ?)",
            [
                *(one.id, one.check, one.reviewer, one.reviewed_on, one.expires_on, one.reason),
                *(n_rows, status),
            ],
        )


# ------------------------------------------------------------------ what was checked


def is_stored(con, refresh: str) -> bool:
    """Whether the results of a refresh are in the warehouse."""
    known = con.execute(
        "select count(*) from duckdb_tables() where schema_name = 'quality' "
        "and table_name = 'build'"
    ).fetchone()[0]
    return bool(known) and con.execute("select refresh_id from quality.build").fetchone() == (
        refresh,
    )


def is_checked(con, refresh: str, excepted: Exceptions) -> bool:
    """Whether a refresh was checked, under the exceptions that hold today."""
    return is_stored(con, refresh) and con.execute(
        "select exceptions_id from quality.build"
    ).fetchone() == (excepted.id,)


def gate_of(con, home: Home, refresh: str):
    """The gate of a refresh today, and what it rests on beside the data: hashes for the evidence.

    Raises QualityError where the refresh has not been checked as of today.
    """
    from etl import quality

    excepted = exceptions(home)
    kept = quality.past.newest(home.quality)
    if not is_checked(con, refresh, excepted) or not kept or kept["refresh_id"] != refresh:
        raise QualityError(
            "quality: the marts have not been checked, or not with the waivers and confirmations "
            "that hold today. Expected a passed gate. Run `kobling check` first."
        )
    results = quality.stored_results(con, refresh, with_failing=False)
    gate = quality.gate(results, quality.waived(excepted.waivers, results, today()))
    rests_on = {"history": kept["history"], "exceptions": excepted.id}
    return gate, {name: value for name, value in rests_on.items() if value}
