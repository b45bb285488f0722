"""What a study folder says, once it is found to be without contradiction."""

import datetime as dt
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Outcome:
    """What may happen to a person, and from where it is read."""

    name: str
    label: str
    kind: str
    behaviours: tuple[str, ...]
    place: str | None
    from_day: int | None
    clinical_column: str | None
    # Risk difference above which a factor is high-risk, a proportion; None without a rule.
    threshold: float | None
    hospital_codes: tuple[str, ...] = ()  # beginnings of diagnoses; a cross-check only
    codes: tuple[str, ...] = ()  # beginnings of the diagnoses or causes of death that it is
    parts: tuple[str, ...] = ()  # outcomes of which it is the first


@dataclass(frozen=True)
class Factor:
    """What divides persons into groups; `levels` in the order in which they are shown."""

    name: str
    label: str
    kind: str
    columns: tuple[str, ...]
    levels: tuple[str, ...]
    rules: tuple[tuple, ...]  # (level, value, from_number, below_number, from_date, before_date)
    parts: tuple[str, ...]
    reference: str
    high_level: str | None
    is_rule_factor: bool


@dataclass(frozen=True)
class Criterion:
    """One step of the flow."""

    step: int
    name: str
    kind: str
    label: str
    minimum_days: int | None
    minimum_years: int | None = None
    below_years: int | None = None
    diagnosis_codes: tuple[str, ...] = ()  # beginnings of diagnoses
    look_back_days: int | None = None
    cohort: str | None = None  # another study


@dataclass(frozen=True)
class Schedule:
    """Visits that follow from the year of the last outcome, and imaging of who is at high risk."""

    visits_in_first_year: int
    visits_in_later_years: int
    imaging_years: int


@dataclass(frozen=True)
class Study:
    """One study folder, found to be without contradiction."""

    study_id: str
    folder: Path
    title: str
    question: str
    notes: tuple[str, ...]  # what a reader of the results must know
    period_start: dt.date
    period_end: dt.date
    end_of_data: dt.date
    lesion_days: int
    clinical_match_days: int
    candidate_behaviours: tuple[str, ...]
    primary_behaviours: tuple[str, ...]
    confirmed: tuple[str, ...]
    capped_by: tuple[str, ...]
    horizons_days: tuple[int, ...]
    criteria: tuple[Criterion, ...]
    outcomes: tuple[Outcome, ...]
    factors: tuple[Factor, ...]
    codes: tuple[tuple, ...]  # (list, code, name, system, valid_from, valid_to, source)
    registry_sites: tuple[str, ...] = ()  # beginnings of ICD-10 codes; a cross-check only
    baseline_by: str | None = None  # factor that divides the table of baseline characteristics
    schedule: Schedule | None = None  # only with a rule
