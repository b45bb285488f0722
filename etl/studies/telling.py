"""A study in words: what `kobling study show` prints. Pure."""

import textwrap

from etl.studies.definition import Criterion, Factor, Outcome, Schedule, Study
from etl.studies.language import CRITERION_KINDS

WIDTH = 96


def shown(study: Study) -> str:
    """The definition as a reader would put it, in the order in which it is applied."""
    lists: dict[str, list[str]] = {}
    for role, code, *_ in study.codes:
        lists.setdefault(role, []).append(code)
    last = study.lesion_days - 1
    parts = [
        f"{study.study_id}: {study.title}",
        study.question,
        "",
        "Candidates",
        f"  morphology {', '.join(lists['case_morphology'])}, behaviour "
        f"{', '.join(study.candidate_behaviours)}, on topography that begins with "
        f"{', '.join(lists['case_topography'])}",
        f"  primary tumour: behaviour {', '.join(study.primary_behaviours)}; a lesion holds days 0 "
        f"to {last} at its place",
        f"  confirmed on review: {', '.join(study.confirmed)}",
        f"  index dates {study.period_start} to {study.period_end}, both included",
        "",
        "Criteria, in order",
        *(f"  {one.step} {one.name}: {asked(study, one)}" for one in study.criteria),
        "",
        "Follow-up",
        f"  to {study.end_of_data} or the last complete day of {' and '.join(study.capped_by)}; "
        f"risks at {', '.join(f'{days:,}' for days in study.horizons_days)} days",
        "",
        "Outcomes",
        *(_outcome(one) for one in study.outcomes),
        "",
        "Factors",
        *(_factor(one) for one in study.factors),
        *(_schedule(study.schedule) if study.schedule else ()),
    ]
    return "\n".join(line for part in parts for line in _wrapped(part))


def asked(study: Study, one: Criterion) -> str:
    """What a criterion asks, with the study's own values in it."""
    values = {
        "[index_event] confirmed": " or ".join(study.confirmed),
        "[population]": f"{study.period_start} to {study.period_end}",
        "minimum_days": one.minimum_days,
        "minimum_years": one.minimum_years,
        "below_years": one.below_years,
        "diagnosis_codes": " or ".join(one.diagnosis_codes),
        "look_back_days": one.look_back_days,
        "cohort": one.cohort,
    }
    words = CRITERION_KINDS[one.kind].replace("as one of `[index_event]", "as `[index_event]")
    for name, value in values.items():
        words = words.replace(f"`{name}`", str(value))
    return words.replace(" 1 days", " 1 day")


def _outcome(one: Outcome) -> str:
    where = "at the index place" if one.place == "index" else "anywhere"
    codes = " or ".join(one.codes)
    told = (
        f"  {one.name}: "
        + {
            "clinical_date": f"{one.clinical_column} of the clinical database",
            "death": f"death of {codes}" if codes else "death of any cause",
            "diagnosis": f"a hospital diagnosis that begins with {codes}",
            "first_of": f"the first of {' and '.join(one.parts)}",
            "tumour": f"behaviour {', '.join(one.behaviours)} {where}",
        }[one.kind]
    )
    if one.from_day:
        told += f", from day {one.from_day} on"
    if one.clinical_column and one.kind == "tumour":
        told += f", or {one.clinical_column} of the clinical database"
    if one.threshold is None:
        return told
    return told + f"; high-risk above {100 * one.threshold:g} percentage points"


def _factor(one: Factor) -> str:
    rule = ", in the rule" if one.is_rule_factor else ""
    return f"  {one.name} ({one.kind}): {', '.join(one.levels)}; against {one.reference}{rule}"


def _schedule(one: Schedule) -> list[str]:
    return [
        "",
        "Follow-up schedule, to the year of the last outcome",
        f"  {one.visits_in_first_year} in the first year, {one.visits_in_later_years} in each "
        f"later one; imaging at high risk to year {one.imaging_years}",
    ]


def _wrapped(part: str) -> list[str]:
    indent = " " * (len(part) - len(part.lstrip()))
    return textwrap.wrap(part, WIDTH, subsequent_indent=indent + "    ") or [""]
