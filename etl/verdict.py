"""Why a person is in a study or out of it, in words, with the rows that decided.

Reads schemas `intermediate`, `cohort`, `marts` and `study` of the warehouse, which know no personal
number.
"""

import datetime as dt
import textwrap

import duckdb

from etl.errors import StudyError
from etl.studies import Study
from etl.studies.definition import Criterion
from etl.studies.telling import asked

WIDTH = 96
NEVER = "9999-12-31"


def why(con: duckdb.DuckDBPyConnection, study: Study, person_id: int) -> str:
    """Each step with its answer and what it rests on, then the rows in order of time.

    Raises StudyError where the study has no such candidate.
    """
    verdict = _row(con, "marts.exclusion_reasons", study, person_id)
    if verdict is None:
        raise StudyError(
            f"{study.study_id}: no candidate of this person_id. Expected one of "
            "marts.exclusion_reasons: whoever has no candidate requisition is no candidate, and "
            "has no verdict. Compare the id with that table."
        )
    facts = {
        name: _row(con, f"cohort.int_{name}", study, person_id)
        for name in ("index_event", "follow_up", "residence")
    }
    looked_back = {
        row["step"]: row
        for row in _dicts(
            con,
            "select * from cohort.int_look_back where study_id = ? and person_id = ?",
            [study.study_id, person_id],
        )
    }
    answers = dict(
        con.execute(
            "select step, is_met from cohort.int_criterion where study_id = ? and person_id = ?",
            [study.study_id, person_id],
        ).fetchall()
    )
    person = _dicts(con, "select * from intermediate.int_person where person_id = ?", [person_id])
    failed = verdict["first_failed_step"]
    lines = [_headline(study, verdict), ""]
    for one in study.criteria:
        is_met = answers.get(one.step)
        mark = "met" if is_met else "not met" if is_met is not None else "no answer"
        arrow = "→" if one.step == failed else " "
        lines += _wrapped(
            f"{arrow} {one.step} {one.name}: {mark}. {asked(study, one)} "
            f"Found: {_found(one, facts, person[0] if person else {}, looked_back, is_met)}."
        )
    lines += ["", "The rows, in order of time:", *_history(con, study, person_id, facts)]
    return "\n".join(lines)


def _headline(study: Study, verdict: dict) -> str:
    if verdict["is_included"]:
        return f"In {study.study_id}: every criterion is met, index date {verdict['index_date']}."
    failed = next(one for one in study.criteria if one.step == verdict["first_failed_step"])
    return f"Out of {study.study_id} at step {failed.step}, {failed.name}: {failed.label}."


def _found(
    one: Criterion,
    facts: dict[str, dict | None],
    person: dict,
    looked_back: dict[int, dict],
    is_met: bool | None,
) -> str:
    """What a criterion was answered from."""
    kind = one.kind
    event = facts["index_event"] or {}
    follow_up, residence = facts["follow_up"] or {}, facts["residence"] or {}
    index_date = event.get("index_date")
    at_index = f"the index date is {_day(index_date)}"
    if kind == "primary_tumour":
        return f"the first primary tumour was on {_day(event.get('first_primary_date'))}"
    if kind == "reviewed":
        return "a lesion was reviewed" if event.get("has_review") else "no lesion was reviewed"
    if kind == "confirmed_on_review":
        record = event.get("review_record_id")
        return f"review {record}" if record else "no review of the lesion with the index date"
    if kind == "index_date_in_period":
        return f"{at_index}, the first primary tumour {_day(event.get('first_primary_date'))}"
    if kind == "resident_at_index":
        left = residence.get("left_date")
        return f"{at_index}, and the person left on {_day(left)}" if left else at_index
    if kind == "alive_after_index":
        return f"{at_index}, death {_day(follow_up.get('death_date'))}"
    if one.look_back_days:
        found = looked_back.get(one.step, {})
        last = found.get("last_contact_start_date")
        n = found.get("n_diagnoses", 0)
        told = f"{n} such {'diagnosis' if n == 1 else 'diagnoses'}"
        return f"{at_index}, {told}" + (f", the last on {_day(last)}" if last else "")
    if one.cohort:
        is_there = is_met == (kind == "in_cohort")
        return f"the person is {'in' if is_there else 'not in'} the cohort of {one.cohort}"
    if kind == "age_at_index":
        return f"{at_index}, birth {_day(person.get('birth_date'))}"
    return (
        f"{follow_up.get('follow_up_days')} days, from {_day(index_date)} to "
        f"{_day(follow_up.get('follow_up_end_date'))}"
    )


def _history(
    con: duckdb.DuckDBPyConnection, study: Study, person_id: int, facts: dict[str, dict | None]
) -> list[str]:
    """Requisitions, reviews, outcomes, and the ends of follow-up, by day."""
    of = [study.study_id, person_id]
    rows: list[tuple[dt.date | None, str]] = []
    for row in _dicts(con, REQUISITIONS, of):
        lesion = f"lesion {row['lesion_number']}" if row["lesion_number"] else "no lesion"
        review = row["who_diagnosis"] or ("reviewed, blank" if row["record_id"] else "not reviewed")
        record = f" (review {row['record_id']})" if row["record_id"] else ""
        rows.append(
            (
                row["requisition_date"],
                f"requisition {row['k_inst']} {row['k_rekvnr']}, behaviour {row['behaviours']} at "
                f"{row['places']}: {lesion}, {review}{record}",
            )
        )
    for row in _dicts(
        con,
        "select * from cohort.int_outcome_date where study_id = ? and person_id = ?",
        of,
    ):
        rows.append((row["outcome_date"], f"outcome {row['outcome']}"))
    follow_up, residence = facts["follow_up"] or {}, facts["residence"] or {}
    for day, words in (
        ((facts["index_event"] or {}).get("index_date"), "index date"),
        (residence.get("left_date"), "last day of residence"),
        (follow_up.get("death_date"), "death"),
        (follow_up.get("follow_up_end_date"), "end of follow-up"),
    ):
        if day is not None:
            rows.append((day, words))
    return [
        line
        for day, words in sorted(rows, key=lambda row: str(row[0] or NEVER))
        for line in _wrapped(f"  {_day(day)}  {words}")
    ]


REQUISITIONS = """
    select
        requisition.k_inst,
        requisition.k_rekvnr,
        requisition.requisition_date,
        lesion.lesion_number,
        review.record_id,
        review.who_diagnosis,
        (
            select string_agg(distinct code.behaviour, ', ' order by code.behaviour)
            from cohort.int_case_code as code
            where
                code.study_id = requisition.study_id
                and code.person_id = requisition.person_id
                and code.k_inst = requisition.k_inst
                and code.k_rekvnr = requisition.k_rekvnr
        ) as behaviours,
        (
            select string_agg(distinct place.place, ', ' order by place.place)
            from cohort.int_requisition_place as place
            where
                place.study_id = requisition.study_id
                and place.person_id = requisition.person_id
                and place.k_inst = requisition.k_inst
                and place.k_rekvnr = requisition.k_rekvnr
        ) as places
    from cohort.int_candidate_requisition as requisition
    left join cohort.int_lesion_requisition as lesion
        using (study_id, person_id, k_inst, k_rekvnr)
    left join cohort.int_review as review using (k_inst, k_rekvnr)
    where requisition.study_id = ? and requisition.person_id = ?
    order by requisition.requisition_date, requisition.k_inst, requisition.k_rekvnr
"""


def _row(con: duckdb.DuckDBPyConnection, table: str, study: Study, person_id: int) -> dict | None:
    rows = _dicts(
        con,
        f"select * from {table} where study_id = ? and person_id = ?",
        [study.study_id, person_id],
    )
    return rows[0] if rows else None


def _dicts(con: duckdb.DuckDBPyConnection, query: str, values: list) -> list[dict]:
    result = con.execute(query, values)
    names = [column[0] for column in result.description]
    return [dict(zip(names, row, strict=True)) for row in result.fetchall()]


def _day(day: dt.date | None) -> str:
    return "unknown or none" if day is None else day.isoformat()


def _wrapped(line: str) -> list[str]:
    return textwrap.wrap(
        line, WIDTH, initial_indent=line[: len(line) - len(line.lstrip())],
        subsequent_indent="      ",
    )  # fmt: skip
