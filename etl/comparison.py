"""Two definitions of a study side by side: what differs, whom both take in, who moved and why.

Reads schema `marts` of the warehouse, in which both studies were selected from the same rows.
"""

import csv
import io
from collections import Counter
from dataclasses import dataclass
from difflib import SequenceMatcher

import duckdb

from etl.errors import StudyError
from etl.studies import Study, shown

IN, OUT, NO_CANDIDATE = "in the cohort", "left out", "no candidate"
STANDINGS = (IN, OUT, NO_CANDIDATE)
COLUMNS = (
    "person_id",
    "first",
    "first_failed_criterion",
    "first_index_date",
    "second",
    "second_failed_criterion",
    "second_index_date",
)

# Everybody who is a candidate of either, with the verdict of both.
VERDICTS = """
    select
        person_id,
        case
            when first.person_id is null then 'no candidate'
            when first.is_included then 'in the cohort'
            else 'left out'
        end as first,
        first.first_failed_criterion,
        first.index_date as first_index_date,
        case
            when second.person_id is null then 'no candidate'
            when second.is_included then 'in the cohort'
            else 'left out'
        end as second,
        second.first_failed_criterion as second_failed_criterion,
        second.index_date as second_index_date
    from (from marts.exclusion_reasons where study_id = ?) as first
    full join (from marts.exclusion_reasons where study_id = ?) as second using (person_id)
    order by person_id
"""
# Persons of both cohorts who are at risk of an outcome in one study only, or of another event or
# day; and of all outcomes that both studies have, how many persons were compared.
OUTCOMES = """
    with

    both_cohorts as (
        select person_id
        from marts.cohort
        where study_id in ($first, $second)
        group by person_id
        having count(*) = 2
    ),

    outcomes as (
        select outcome
        from study.outcome
        where study_id in ($first, $second)
        group by outcome
        having count(*) = 2
    ),

    told as (
        select time_to_event.*
        from marts.time_to_event as time_to_event
        semi join both_cohorts using (person_id)
        where study_id in ($first, $second)
    ),

    first_told as (from told where study_id = $first),

    second_told as (from told where study_id = $second)

    select
        outcomes.outcome,
        count(*) filter (
            where (first_told.event_code, first_told.days)
            is distinct from (second_told.event_code, second_told.days)
        ) as n_different
    from outcomes
    cross join both_cohorts
    left join first_told
        on outcomes.outcome = first_told.outcome and both_cohorts.person_id = first_told.person_id
    left join second_told
        on outcomes.outcome = second_told.outcome
        and both_cohorts.person_id = second_told.person_id
    group by outcomes.outcome
    order by outcomes.outcome
"""


@dataclass(frozen=True)
class Comparison:
    """Verdicts of everybody who is a candidate of either study; `outcomes` of who is in both."""

    first: Study
    second: Study
    verdicts: list[dict]
    outcomes: dict[str, int]  # outcome → persons of both cohorts of whom it is told differently

    def standing(self, first: str, second: str) -> list[dict]:
        """Persons with these two standings."""
        return [v for v in self.verdicts if v["first"] == first and v["second"] == second]


def compare(con: duckdb.DuckDBPyConnection, first: Study, second: Study) -> Comparison:
    """Hold two studies of one warehouse against each other, person by person.

    Raises StudyError where the warehouse was selected without one of them.
    """
    names = [first.study_id, second.study_id]
    selected = {row[0] for row in con.execute("select study_id from study.study").fetchall()}
    for name in names:
        if name not in selected:
            raise StudyError(
                f"{name}: not in the warehouse. Expected a study that was selected. Run "
                "`kobling select`."
            )
    result = con.execute(VERDICTS, names)
    columns = [column[0] for column in result.description]
    verdicts = [dict(zip(columns, row, strict=True)) for row in result.fetchall()]
    outcomes = dict(con.execute(OUTCOMES, {"first": names[0], "second": names[1]}).fetchall())
    return Comparison(first, second, verdicts, outcomes)


def told(found: Comparison) -> str:
    """The comparison in words: definitions, overlap, who moved by reason, who is told otherwise."""
    first, second = found.first.study_id, found.second.study_id
    lines = ["What differs in the definitions", *_definitions(found.first, found.second), ""]
    width = max(len(f"{standing}: {first}") for standing in STANDINGS)
    heads = [f"{standing}: {second}" for standing in STANDINGS]
    lines.append("   ".join(["Persons".ljust(width), *heads]))
    for of_first in STANDINGS:
        cells = []
        for of_second, head in zip(STANDINGS, heads, strict=True):
            n = f"{len(found.standing(of_first, of_second)):,}"
            # Who is a candidate of neither was never looked at.
            cells.append(("–" if of_first == of_second == NO_CANDIDATE else n).rjust(len(head)))
        lines.append("   ".join([f"{of_first}: {first}".ljust(width), *cells]))
    lines += [
        "",
        *_moved(found, first, second, found.second, "first", "second"),
        *_moved(found, second, first, found.first, "second", "first"),
    ]
    both = found.standing(IN, IN)
    other_day = sum(v["first_index_date"] != v["second_index_date"] for v in both)
    lines.append(f"In both: {len(both):,}, of whom {other_day:,} have another index date")
    lines += [
        f"  {n:>6,}  {outcome} told differently (at risk, event or day)"
        for outcome, n in found.outcomes.items()
    ]
    return "\n".join(lines)


def _moved(
    found: Comparison, name: str, other: str, other_study: Study, here: str, there: str
) -> list[str]:
    """Who is in one cohort and not in the other, by what keeps them out of the other."""
    movers = [v for v in found.verdicts if v[here] == IN and v[there] != IN]
    why = Counter(v[f"{there}_failed_criterion"] for v in movers)
    by_name = {one.name: one for one in other_study.criteria}
    lines = [f"In {name}, not in {other}: {len(movers):,}"]
    for criterion, n in sorted(why.items(), key=lambda item: (-item[1], item[0] or "")):
        words = (
            f"no candidate of {other}"
            if criterion is None
            else f"{by_name[criterion].label} (step {by_name[criterion].step}, {criterion})"
        )
        lines.append(f"  {n:>6,}  {words}")
    return [*lines, ""]


def _definitions(first: Study, second: Study) -> list[str]:
    """Lines of the two definitions in words that are not the same."""
    one, other = (shown(study).splitlines()[1:] for study in (first, second))
    lines: list[str] = []
    for tag, start, end, other_start, other_end in SequenceMatcher(
        None, one, other, autojunk=False
    ).get_opcodes():
        if tag != "equal":
            lines += [f"  {first.study_id}: {line.strip()}" for line in one[start:end]]
            lines += [
                f"  {second.study_id}: {line.strip()}" for line in other[other_start:other_end]
            ]
    return lines or ["  nothing but the name"]


def as_csv(found: Comparison) -> str:
    """Everybody who stands differently in the two, one line each: pseudonyms, never numbers."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(
        v
        for v in found.verdicts
        if (v["first"], v["first_index_date"]) != (v["second"], v["second_index_date"])
    )
    return text.getvalue()
