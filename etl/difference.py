"""Two releases of one study side by side: what they were made from, rows, persons, steps, estimates
and checks. Reads their Parquet files and their evidence, nothing else."""

import datetime as dt
from dataclasses import dataclass
from pathlib import Path

import duckdb

from etl import release as releases
from etl.errors import ReleaseError
from etl.estimate import ALL
from etl.home import Home, read_json
from etl.settings import Bounds

# Grain: one row per register, table, stage and reason with another number of rows.
ROWS = """
    select
        register,
        table_name,
        stage,
        reason,
        coalesce(before.n_rows, 0)::bigint as n_before,
        coalesce(after.n_rows, 0)::bigint as n_after
    from (
        select register, table_name, stage, coalesce(reason, '') as reason, sum(n_rows) as n_rows
        from {before}
        group by all
    ) as before
    full join (
        select register, table_name, stage, coalesce(reason, '') as reason, sum(n_rows) as n_rows
        from {after}
        group by all
    ) as after using (register, table_name, stage, reason)
    where coalesce(before.n_rows, 0) <> coalesce(after.n_rows, 0)
    order by all
"""
# Grain: one row per register, table and period. A year that is new is expected to have what the
# three before it have on average in the release before; a part of a year that is new nothing.
YEARS = """
    with landed as (
        select 'before' as side, register, table_name, period, n_rows
        from {before}
        where stage = 'landed' and period <> 'all'
        union all
        select 'after' as side, register, table_name, period, n_rows
        from {after}
        where stage = 'landed' and period <> 'all'
    ),

    counted as (
        select
            register,
            table_name,
            period,
            try_cast(period as integer) as year,
            sum(n_rows) filter (where side = 'before') as n_before,
            sum(n_rows) filter (where side = 'after') as n_after
        from landed
        group by all
    )

    select
        this.register,
        this.table_name,
        this.period,
        coalesce(this.n_before, round(avg(earlier.n_before)))::bigint as n_expected,
        coalesce(this.n_before, 0)::bigint as n_before,
        coalesce(this.n_after, 0)::bigint as n_after
    from counted as this
    left join counted as earlier
        on
            this.register = earlier.register
            and this.table_name = earlier.table_name
            and earlier.year between this.year - 3 and this.year - 1
    group by this.register, this.table_name, this.period, this.n_before, this.n_after
    order by all
"""
# Grain: one row per way in which persons stand differently. A standing is the first criterion that
# failed, `included`, or `no candidate`.
PERSONS = """
    select
        coalesce(before.standing, 'no candidate') as before,
        coalesce(after.standing, 'no candidate') as after,
        count(*) as n_persons,
        count(*) filter (where before.index_date <> after.index_date) as n_other_index_date
    from (
        select
            person_id,
            index_date,
            case when is_included then 'included' else first_failed_criterion end as standing
        from {before}
    ) as before
    full join (
        select
            person_id,
            index_date,
            case when is_included then 'included' else first_failed_criterion end as standing
        from {after}
    ) as after using (person_id)
    where
        before.standing is distinct from after.standing
        or before.index_date is distinct from after.index_date
    group by all
    order by all
"""
# Grain: one row per step of either release with other persons, requisitions or words.
STEPS = """
    select
        coalesce(after.criterion, before.criterion, '') as criterion,
        coalesce(after.unit, before.unit) as unit,
        before.n_excluded as n_excluded_before,
        after.n_excluded as n_excluded_after,
        before.n_out as n_out_before,
        after.n_out as n_out_after
    from {before} as before
    full join {after} as after
        on
            before.criterion is not distinct from after.criterion
            and before.unit = after.unit
            and (before.criterion is not null or before.step = after.step)
    where
        before.n_excluded is distinct from after.n_excluded
        or before.n_out is distinct from after.n_out
    order by coalesce(after.step, before.step)
"""
# Grain: one row per outcome, group and horizon with another estimate.
ESTIMATES = """
    select
        outcome,
        factor,
        level,
        horizon_days,
        before.n as n_before,
        after.n as n_after,
        before.events as events_before,
        after.events as events_after,
        before.estimate as estimate_before,
        after.estimate as estimate_after,
        100 * (after.estimate - before.estimate) as shift_points
    from {before} as before
    full join {after} as after using (outcome, factor, level, horizon_days)
    where
        before.n is distinct from after.n
        or before.events is distinct from after.events
        or before.estimate is distinct from after.estimate
    order by outcome, factor, level, horizon_days
"""
# Grain: one row per verdict of the rule that is another.
VERDICTS = """
    select
        outcome,
        factor,
        level,
        horizon_days,
        before.high_risk as high_risk_before,
        after.high_risk as high_risk_after
    from {before} as before
    full join {after} as after using (outcome, factor, level, horizon_days)
    where before.high_risk is distinct from after.high_risk
    order by all
"""
# Grain: one row per check with another status or number of failing rows, deliveries added up.
CHECKS = """
    select
        suite || ': ' || check_id as check_name,
        before.status as status_before,
        after.status as status_after,
        before.n_failing as n_failing_before,
        after.n_failing as n_failing_after
    from (
        select
            suite,
            check_id,
            string_agg(distinct status, ', ' order by status) as status,
            sum(n_failing)::bigint as n_failing
        from {before}
        group by all
    ) as before
    full join (
        select
            suite,
            check_id,
            string_agg(distinct status, ', ' order by status) as status,
            sum(n_failing)::bigint as n_failing
        from {after}
        group by all
    ) as after using (suite, check_id)
    where
        before.status is distinct from after.status
        or before.n_failing is distinct from after.n_failing
    order by all
"""
DAYS_OF_A_YEAR = 365
# What is compared, by the table of the release that it is read from.
PARTS = {
    "rows": ("linkage_flow", ROWS),
    "every_year": ("linkage_flow", YEARS),
    "persons": ("exclusion_reasons", PERSONS),
    "steps": ("attrition", STEPS),
    "estimates": ("risk", ESTIMATES),
    "verdicts": ("rule", VERDICTS),
    "checks": ("result", CHECKS),
}


@dataclass(frozen=True)
class Difference:
    """What differs; every part is a list of rows, empty where nothing does."""

    before: str
    after: str
    keys: list[dict]
    deliveries: list[dict]
    rows: list[dict]
    every_year: list[dict]
    persons: list[dict]
    steps: list[dict]
    estimates: list[dict]
    verdicts: list[dict]
    checks: list[dict]
    n_included_before: int
    not_compared: list[str]
    is_other_key: bool = False

    @property
    def years(self) -> list[dict]:
        """The years of a table with another number of landed rows than in the release before."""
        return [row for row in self.every_year if row["n_before"] != row["n_after"]]


def outside_bounds(found: Difference, bounds: Bounds) -> list[str]:
    """What of a difference somebody should look at before it is released; empty where nothing is.

    A table, or a year of one, with fewer or more landed rows than `bounds` let pass; more persons
    come into the cohort, gone, or with another index date; a risk of the whole cohort that shifts
    further; a verdict of the rule that is another; a check that fails or cannot be run and did not
    before, or is asked no more; a release with other tables.
    """
    told = [
        f"{part}: the two releases have other tables and cannot be compared"
        for part in found.not_compared
    ]
    for row in found.rows:
        if row["stage"] == "landed":
            before, after = row["n_before"], row["n_after"]
            percent = 100 * (after - before) / before if before else float("inf")
            if not -bounds.fewer_rows_percent <= percent <= bounds.more_rows_percent:
                told.append(
                    f"{row['register']}.{row['table_name']}: {before:,} rows landed before, now "
                    f"{after:,} ({percent:+.1f} %)"
                )
    told += _years_outside(found, bounds)
    few = max(bounds.few_persons, found.n_included_before * bounds.moved_persons_percent / 100)
    for words, column in (("left", "before"), ("came into", "after")):
        n = sum(row["n_persons"] for row in found.persons if _crosses(row, column))
        if n > few:
            told.append(f"{n:,} persons {words} a cohort of {found.n_included_before:,}")
    n = sum(row["n_other_index_date"] for row in found.persons)
    if n > few:
        told.append(f"{n:,} persons have another index date")
    for row in found.estimates:
        shift = row["shift_points"]
        if row["factor"] != ALL:
            continue
        if (row["estimate_before"] is None) != (row["estimate_after"] is None):
            told.append(
                f"{row['outcome']}, {row['horizon_days']} days: the risk is there in one release "
                "only"
            )
        elif shift is not None and abs(shift) > bounds.shift_points:
            told.append(
                f"{row['outcome']}, {row['horizon_days']} days: the risk shifts by {shift:+.2f} "
                "percentage points"
            )
    for row in found.verdicts:
        told.append(f"{row['outcome']}, {row['factor']} {row['level']}: another verdict")
    for row in found.checks:
        before, after = ((row[f"status_{s}"] or "gone").split(", ") for s in ("before", "after"))
        for status, words in (
            ("fail", "fails, and did not before"),
            ("not_run", "could not be run, and could before"),
            ("gone", "is asked no more"),
        ):
            if status in after and status not in before:
                told.append(f"{row['check_name']}: {words}")
    return told


def _years_outside(found: Difference, bounds: Bounds) -> list[str]:
    """One sentence for each table with years of other numbers of rows than expected."""
    outside: dict[str, list[tuple[float, dict]]] = {}
    for row in found.years:
        expected, after = row["n_expected"], row["n_after"]
        if not expected or abs(after - expected) <= bounds.few_rows:
            continue  # a first year has nothing to be held against
        percent = 100 * (after - expected) / expected
        least, most = bounds.fewer_rows_of_a_year_percent, bounds.more_rows_of_a_year_percent
        if not -least <= percent <= most:
            outside.setdefault(f"{row['register']}.{row['table_name']}", []).append((percent, row))
    told = []
    for table, years in outside.items():
        percent, worst = max(years, key=lambda one: abs(one[0]))
        others = f", and {len(years) - 1} other years" if len(years) > 1 else ""
        told.append(
            f"{table} {worst['period']}: {worst['n_after']:,} rows landed where "
            f"{worst['n_expected']:,} were expected ({percent:+.1f} %){others}"
        )
    return told


def _crosses(row: dict, column: str) -> bool:
    """Whether persons were included on one side of the difference only."""
    other = "after" if column == "before" else "before"
    return row[column] == "included" and row[other] != "included"


def find(home: Home, name: str) -> Path:
    """A release by `study/id`, `study/current`, or the beginning of an id that only one has.

    Raises ReleaseError where there is none, or more than one.
    """
    study, _, wanted = name.rpartition("/")
    if study and wanted == "current" and (live := releases.current(home, study)):
        return live
    found = [
        one
        for one in releases.all_of(home)
        if one.rpartition("/")[2].startswith(wanted) and study in ("", one.rpartition("/")[0])
    ]
    if len(found) != 1 or not wanted:
        raise ReleaseError(
            f"{name}: {len(found)} releases have this name. Expected one: study/id, study/current "
            f"or the beginning of an id. There are: {', '.join(releases.all_of(home)) or 'none'}."
        )
    return home.releases / found[0]


def compare(before: Path, after: Path) -> Difference:
    """Hold two release folders of one study against each other.

    Raises ReleaseError where they are of two studies: `kobling study compare` holds those.
    """
    if before.parent.name != after.parent.name:
        raise ReleaseError(
            f"{before.parent.name}, {after.parent.name}: found two studies. Expected two releases "
            "of one. `kobling study compare` holds two studies against each other."
        )
    evidence = [read_json(place / releases.EVIDENCE) for place in (before, after)]
    parts: dict[str, list[dict]] = {}
    not_compared = []
    with duckdb.connect() as con:
        for part, (table, query) in PARTS.items():
            of_both = {
                name: f"'{place / 'parquet' / table}.parquet'"
                for name, place in (("before", before), ("after", after))
            }
            try:
                parts[part] = con.execute(query.format(**of_both)).pl().to_dicts()
            except (duckdb.IOException, duckdb.BinderException):
                # One of them was made by a version with other tables.
                parts[part] = []
                not_compared.append("years" if part == "every_year" else part)
        n_included = 0
        if "persons" not in not_compared:
            (n_included,) = con.execute(
                f"select count(*) from '{before}/parquet/exclusion_reasons.parquet' "
                "where is_included"
            ).fetchone()
    _expect_what_is_complete(parts["every_year"], evidence[1])
    # Under another pseudonym key everybody has another id.
    is_other_key = len({one.get("pseudonym_key_id") for one in evidence}) > 1
    if is_other_key:
        parts["persons"] = []
    return Difference(
        before=f"{before.parent.name}/{before.name}",
        after=f"{after.parent.name}/{after.name}",
        keys=_keys(*evidence),
        deliveries=_deliveries(*evidence),
        n_included_before=n_included,
        not_compared=not_compared,
        is_other_key=is_other_key,
        **parts,
    )


def _expect_what_is_complete(every_year: list[dict], evidence: dict) -> None:
    """Of a new year in which the register is not complete yet, only that part is expected."""
    complete_to = {
        (row["register"], row["table_name"], row["period"]): row.get("complete_to")
        for row in evidence.get("deliveries", [])
    }
    for row in every_year:
        day = complete_to.get((row["register"], row["table_name"], row["period"]))
        is_new = not row["n_before"] and row["n_expected"]
        if is_new and day and day[:4] == row["period"]:
            share = dt.date.fromisoformat(day).timetuple().tm_yday / DAYS_OF_A_YEAR
            row["n_expected"] = round(row["n_expected"] * min(share, 1))


def _keys(before: dict, after: dict) -> list[dict]:
    """What the releases were made from: the keys and the contracts that are not the same."""
    rows = []
    for kind in ("keys", "contracts"):
        one, other = before.get(kind, {}), after.get(kind, {})
        rows += [
            {"key": name, "before": one.get(name), "after": other.get(name)}
            for name in sorted(one.keys() | other.keys())
            if one.get(name) != other.get(name)
        ]
    return rows


def _deliveries(before: dict, after: dict) -> list[dict]:
    """Delivered files that count in one release only, or with another content."""

    def files(evidence: dict) -> dict[tuple, str]:
        return {
            (row["register"], row["table_name"], row["period"]): f"{row['path']} {row['sha256']}"
            for row in evidence.get("deliveries", [])
        }

    one, other = files(before), files(after)
    return [
        {
            "register": slot[0],
            "table": slot[1],
            "period": slot[2],
            "before": one.get(slot, " ").split()[0] if slot in one else None,
            "after": other.get(slot, " ").split()[0] if slot in other else None,
        }
        for slot in sorted(one.keys() | other.keys(), key=str)
        if one.get(slot) != other.get(slot)
    ]


# ------------------------------------------------------------------ in words

TITLES = {
    "keys": "Made from",
    "deliveries": "Delivered files",
    "rows": "Rows by register, table and stage",
    "years": "Landed rows by year, where they differ",
    "persons": "Persons who stand differently",
    "steps": "Steps of the cohort flow",
    "estimates": "Risks, in percent",
    "verdicts": "Verdicts of the rule",
    "checks": "Checks",
}
NONE = "–"
HASH_DIGITS = 12


def told(found: Difference) -> str:
    """Every part that differs as a table, and a sentence for those that do not."""
    lines = [f"{found.before} → {found.after}", ""]
    if found.is_other_key:
        lines += ["Ids are under another pseudonym key: persons are not compared.", ""]
    same = []
    for part, title in TITLES.items():
        rows = getattr(found, part)
        if part in found.not_compared:
            lines += [title, "  other tables in the two releases: not compared", ""]
        elif rows:
            lines += [title, *_table(rows), ""]
        else:
            same.append(title.partition(",")[0].lower())
    if same:
        lines.append(f"No difference in: {', '.join(same)}.")
    return "\n".join(lines).rstrip()


def _table(rows: list[dict]) -> list[str]:
    heads = [name.replace("_", " ") for name in rows[0]]
    cells = [[_cell(name, value) for name, value in row.items()] for row in rows]
    is_number = [
        all(row[name] is None or isinstance(row[name], int | float) for row in rows)
        and not all(row[name] is None or isinstance(row[name], bool) for row in rows)
        for name in rows[0]
    ]
    widths = [max(len(row[i]) for row in [heads, *cells]) for i in range(len(heads))]
    return [
        "  "
        + "  ".join(
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(row, widths, is_number, strict=True)
        ).rstrip()
        for row in [heads, *cells]
    ]


def _cell(name: str, value: object) -> str:
    if value is None or value == "":
        return NONE
    if isinstance(value, bool):
        return "high-risk" if value else "not high-risk"
    if isinstance(value, float):
        return f"{value:+.2f}" if name == "shift_points" else f"{100 * value:.2f}"
    if isinstance(value, int):
        return f"{value:,}"
    text = str(value)
    return text[:HASH_DIGITS] + "…" if name in ("before", "after") and len(text) == 64 else text
