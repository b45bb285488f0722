"""May I use this mart, and which estimates are touched: where each finding leads."""

import re
from collections.abc import Callable, Container, Iterable
from typing import NamedTuple, Protocol

from etl.quality.checks import Check
from etl.quality.results import Result

USABLE, WITH_FINDINGS, UNFIT = "usable", "usable with findings", "unfit"
# The arguments of an expectation that name columns of the table; a query names them in its SQL.
COLUMN_ARGUMENTS = ("column", "column_A", "column_B")


class Fed(Protocol):
    """What rests on a column: names of marts, and estimates."""

    marts: Iterable[str]
    estimates: Iterable[object]


class Touched(NamedTuple):
    """Where a check with something open leads."""

    check_name: str
    is_fatal: bool  # a fatal check that failed or was not run, waived or not
    marts: frozenset[str]
    estimates: frozenset


def touched(
    results: Iterable[Result],
    columns_of: Callable[[str], Container[str]],
    fed_by: Callable[[str, str | None], Fed],
) -> list[Touched]:
    """Every check with open rows, or that was not run, and the marts and estimates it leads to.

    `columns_of` gives the columns of a suite's table and `fed_by` what rests on one of them, or on
    the whole table. A check leads where its columns do; where it names none, where its table does.
    """
    found: dict[str, Touched] = {}
    for result in results:
        if not result.n_open and result.status != "not_run":
            continue
        columns = columns_named(result.check, columns_of(result.check.suite)) or [None]
        fed = [fed_by(result.check.suite, column) for column in columns]
        is_fatal = result.check.severity == "fatal" and result.status in ("fail", "not_run")
        before = found.get(result.name)
        found[result.name] = Touched(
            result.name,
            is_fatal or bool(before and before.is_fatal),
            frozenset(mart for one in fed for mart in one.marts),
            frozenset(estimate for one in fed for estimate in one.estimates),
        )
    return [found[name] for name in sorted(found)]


def fitness(findings: Iterable[Touched], marts: Iterable[str]) -> list[dict]:
    """Rows of mart, fitness and check_name: one per finding that leads to the mart, or one without.

    usable                nothing open leads to it
    usable with findings  rows that fail a check lead to it, or a check that was not run
    unfit                 a fatal check that leads to it fails or was not run, waived or not
    """
    findings, rows = list(findings), []
    for mart in sorted(marts):
        leading = [one for one in findings if mart in one.marts]
        is_ = UNFIT if any(one.is_fatal for one in leading) else WITH_FINDINGS
        if not leading:
            rows.append({"mart": mart, "fitness": USABLE, "check_name": None})
        rows += [{"mart": mart, "fitness": is_, "check_name": one.check_name} for one in leading]
    return rows


def columns_named(check: Check, columns: Container[str]) -> list[str]:
    """The columns of its own table that a check looks at."""
    kwargs = check.kwargs
    named = [kwargs[name] for name in COLUMN_ARGUMENTS if name in kwargs]
    named += kwargs.get("column_list", [])
    query = re.sub(r"'[^']*'", "", kwargs.get("unexpected_rows_query", ""))
    named += re.findall(r"[^\W\d]\w*", query)
    return sorted({name for name in named if name in columns})
