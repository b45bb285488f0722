"""What would an estimate be without the persons whom an open finding is about?

A finding names rows; rows lead to persons; those of a study's cohort are left out, one finding at a
time, and the risks are worked out again. Confirmed rows are no open finding.
"""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

import duckdb

from etl.competing_risks import exceeds
from etl.estimate import Estimates, Plan, risks_without
from etl.quality import Result

FILE_DIGITS = 12  # how much of a delivered file's SHA-256 names it in a failing row's key


def find_affected(
    con: duckdb.DuckDBPyConnection, results: Iterable[Result], linked_files: Mapping[str, Path]
) -> None:
    """Make the temp table `affected` (check_name, person_id) from quality.failure.

    A failing row names its person, or a row of a table that does. `linked_files` leads from the
    name of a delivered file to its linked rows, where a landed row has its person.
    """
    con.execute("create or replace temp table affected (check_name varchar, person_id bigint)")
    suites = {result.check.suite: () for result in results if result.n_open}
    for suite in sorted(suites):
        open_rows = (
            "select suite || ': ' || check_id as check_name, row_key from quality.failure "
            f"where suite = '{suite}' and not is_confirmed"
        )
        room, _, table = suite.partition(".")
        if room == "landing":
            _add_landed(con, open_rows, linked_files)
        else:
            _add_of_table(con, open_rows, f"{room}.{table}")


def _add_landed(con, open_rows: str, linked_files: Mapping[str, Path]) -> None:
    files = con.execute(
        f"select distinct row_key ->> '$.source_file' from ({open_rows}) order by all"
    ).fetchall()
    for (name,) in files:
        if (path := linked_files.get(name)) is not None and path.exists():
            con.execute(
                f"""
                insert into affected
                select distinct failing.check_name, linked.person_id
                from ({open_rows}) as failing
                inner join '{path}' as linked
                    on (failing.row_key ->> '$.source_row')::bigint = linked.source_row
                where (failing.row_key ->> '$.source_file') = ?
                """,
                [name],
            )


def _add_of_table(con, open_rows: str, table: str) -> None:
    """By the person in the key, else by the row of the table that the key names."""
    keys = con.execute(
        f"select distinct check_name, json_keys(row_key) from ({open_rows}) order by all"
    ).fetchall()
    columns = {name for name, *_ in con.execute(f"describe {table}").fetchall()}
    for check_name, names in keys:
        of_check = f"from ({open_rows}) as failing where check_name = ?"
        if "person_id" in names:
            person = "(row_key ->> '$.person_id')::bigint"
            con.execute(
                f"insert into affected select distinct check_name, {person} {of_check}",
                [check_name],
            )
        elif "person_id" in columns and set(names) <= columns:
            same = " and ".join(
                f"coalesce(told.\"{name}\"::varchar, '') = (failing.row_key ->> {_path(name)})"
                for name in names
            )
            con.execute(
                "insert into affected select distinct check_name, told.person_id from "
                f"(select * {of_check}) as failing inner join {table} as told on {same}",
                [check_name],
            )


def _path(name: str) -> str:
    return "'$." + json.dumps(name).replace("'", "''") + "'"


def shifts(
    con: duckdb.DuckDBPyConnection, plan: Plan, estimates: Estimates, results: Iterable[Result]
) -> tuple[dict, ...]:
    """One row per finding, outcome, group and horizon in which persons of the cohort are affected.

    Needs the temp table `affected`. `estimate` and `estimate_without` are proportions,
    `shift_points` the percentage points between them; both risk differences are proportions, and
    stand where a level has a reference. `high_risk` is the rule's verdict, for its factors.
    """
    words = {result.name: result.check.words for result in results}
    risks = {_group(row): row for row in estimates.risks}
    contrasts = {_group(row): row for row in estimates.contrasts}
    rule = {_group(row): row for row in estimates.rule}
    thresholds = {outcome.name: outcome.threshold for outcome in plan.outcomes}
    touched = con.execute(
        """
        select distinct affected.check_name
        from affected
        inner join marts.cohort as cohort using (person_id)
        where cohort.study_id = ?
        order by affected.check_name
        """,
        [plan.study_id],
    ).fetchall()
    rows = []
    for (check_name,) in touched:
        con.execute(
            "create or replace temp table left_out as "
            "select person_id from affected where check_name = ?",
            [check_name],
        )
        without, contrasts_without = risks_without(con, plan, "select person_id from left_out")
        differences = {_group(row): row["risk_difference"] for row in contrasts_without}
        for row in without:
            group = _group(row)
            was = risks[group]
            if row["n"] == was["n"]:
                continue
            difference = differences.get(group)
            rows.append(
                {
                    "check_name": check_name,
                    "words": words[check_name],
                    **{name: row[name] for name in ("outcome", "factor", "level", "horizon_days")},
                    "n_affected": was["n"] - row["n"],
                    "estimate": was["estimate"],
                    "estimate_without": row["estimate"],
                    "shift_points": _points(was["estimate"], row["estimate"]),
                    "risk_difference": contrasts.get(group, {}).get("risk_difference"),
                    "risk_difference_without": difference,
                    "high_risk": rule.get(group, {}).get("high_risk"),
                    "high_risk_without": exceeds(difference, thresholds[row["outcome"]])
                    if group in rule and difference is not None
                    else None,
                }
            )
    return tuple(rows)


def _group(row: dict) -> tuple:
    return row["outcome"], row["factor"], row["level"], row["horizon_days"]


def _points(estimate: float | None, without: float | None) -> float | None:
    return None if estimate is None or without is None else 100 * (without - estimate)
