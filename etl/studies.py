"""A study is a folder of data: `dbt_project/studies/<study>/study.toml` and its code lists.

Reads a folder, refuses what contradicts itself, and turns it into the rows of schema `study` that
the dbt models join to. Knows which kinds of criterion and factor exist; a test holds the list to
the SQL files.
"""

import csv
import datetime as dt
import difflib
import tomllib
from dataclasses import dataclass
from pathlib import Path

import duckdb

from etl.errors import StudyError
from etl.home import digest, file_hash

CRITERION_KINDS = (
    "alive_after_index",
    "confirmed_on_review",
    "follow_up_at_least",
    "index_date_in_period",
    "primary_tumour",
    "resident_at_index",
    "reviewed",
)
FACTOR_KINDS = (
    "age_at_index",
    "any_of",
    "index_date",
    "review_any",
    "review_number",
    "review_value",
    "sex",
)
PLACES = ("anywhere", "index")
CLINICAL_COLUMNS = ("local_recurrence_date", "metastasis_date")
# Steps 0 and 1 of every flow are the requisitions and the candidate persons.
FIRST_CRITERION_STEP = 2

KEYS = {
    "study": {"title", "question", "population", "index_event", "criterion", "follow_up",
              "outcome", "factor", "rule"},
    "population": {"period_start", "period_end"},
    "index_event": {"case_morphology", "case_topography", "unspecific_topography",
                    "candidate_behaviours", "primary_behaviours", "lesion_days", "confirmed"},
    "follow_up": {"end_of_data", "capped_by", "clinical_match_days", "horizons_days"},
    "rule": {"factors"},
    "criterion": {"name", "kind", "label", "minimum_days"},
    "outcome": {"name", "label", "behaviours", "place", "from_day", "clinical_column",
                "risk_difference_threshold"},
    "factor": {"name", "label", "kind", "column", "columns", "levels", "cut_points", "periods",
               "parts", "reference", "high_level"},
}  # fmt: skip
OPTIONAL = {"minimum_days", "from_day", "clinical_column", "column", "columns", "levels",
            "cut_points", "periods", "parts", "high_level"}  # fmt: skip


@dataclass(frozen=True)
class Outcome:
    """What may happen to a person, and from where it is read."""

    name: str
    label: str
    behaviours: tuple[str, ...]
    place: str
    from_day: int | None
    clinical_column: str | None
    threshold: float  # risk difference above which a factor is high-risk, a proportion


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


@dataclass(frozen=True)
class Study:
    """One study folder, found to be without contradiction."""

    study_id: str
    folder: Path
    title: str
    question: str
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


def names(project: Path) -> list[str]:
    """Every study folder, by name."""
    return sorted(path.parent.name for path in (project / "dbt_project/studies").glob("*/study.toml"))


def read(project: Path, name: str) -> Study:
    """Read one study. Raises StudyError with file, found, expected and what to do."""
    known = names(project)
    if name not in known:
        close = difflib.get_close_matches(name, known, 1)
        hint = f" Did you mean '{close[0]}'?" if close else ""
        raise StudyError(
            f"dbt_project/studies/{name}: no such study. Known studies: {', '.join(known)}.{hint}"
        )
    folder = project / "dbt_project/studies" / name
    return _Reader(folder).study()


def definition_hash(study: Study) -> str:
    """SHA-256 over every file of the folder."""
    return digest(
        {
            str(path.relative_to(study.folder)): file_hash(path)
            for path in sorted(study.folder.rglob("*"))
            if path.is_file()
        }
    )


class _Reader:
    """Reads one folder; every refusal names the file."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.where = f"dbt_project/studies/{folder.name}/study.toml"

    def refuse(self, found: str, expected: str, todo: str = "Correct it.") -> StudyError:
        return StudyError(f"{self.where}: {found}. Expected {expected}. {todo}")

    def study(self) -> Study:
        try:
            text = (self.folder / "study.toml").read_text(encoding="utf-8")
            raw = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise self.refuse(f"not readable ({error})", "TOML") from None
        self.hold_keys("study", raw, "the study")
        for section in ("population", "index_event", "follow_up", "rule"):
            self.hold_keys(section, raw[section], f"[{section}]")
        for section in ("criterion", "outcome", "factor"):
            if not raw[section]:
                raise self.refuse(f"no [[{section}]]", "at least one")
            for entry in raw[section]:
                self.hold_keys(section, entry, f"{section} '{entry.get('name', '?')}'")
            self.hold_unique(section, [entry["name"] for entry in raw[section]])
        population, event, follow_up = raw["population"], raw["index_event"], raw["follow_up"]
        for section, key in (
            ("population", "period_start"),
            ("population", "period_end"),
            ("follow_up", "end_of_data"),
        ):
            if not isinstance(raw[section][key], dt.date):
                raise self.refuse(f"{key} is {raw[section][key]!r}", "a date such as 1980-01-01")
        if population["period_start"] > population["period_end"]:
            raise self.refuse(
                f"the period starts {population['period_start']} and ends "
                f"{population['period_end']}",
                "a start before the end",
            )
        if follow_up["end_of_data"] < population["period_start"]:
            raise self.refuse(
                f"end_of_data {follow_up['end_of_data']} lies before the period",
                "it after the period's start",
            )
        return Study(
            study_id=self.folder.name,
            folder=self.folder,
            title=raw["title"],
            question=raw["question"],
            period_start=population["period_start"],
            period_end=population["period_end"],
            end_of_data=follow_up["end_of_data"],
            lesion_days=event["lesion_days"],
            clinical_match_days=follow_up["clinical_match_days"],
            candidate_behaviours=tuple(event["candidate_behaviours"]),
            primary_behaviours=tuple(event["primary_behaviours"]),
            confirmed=tuple(event["confirmed"]),
            capped_by=tuple(follow_up["capped_by"]),
            horizons_days=tuple(follow_up["horizons_days"]),
            criteria=tuple(self.criteria(raw["criterion"])),
            outcomes=tuple(self.outcome(entry) for entry in raw["outcome"]),
            factors=tuple(self.factors(raw["factor"], raw["rule"]["factors"])),
            codes=tuple(
                row
                for role in ("case_morphology", "case_topography", "unspecific_topography")
                for row in self.codes(role, event[role])
            ),
        )

    def hold_keys(self, section: str, entry: dict, what: str) -> None:
        if not isinstance(entry, dict):
            raise self.refuse(f"{what} is not a table", f"[{section}]")
        unknown = set(entry) - KEYS[section]
        if unknown:
            raise self.refuse(
                f"{what} has the key '{min(unknown)}'", f"only {', '.join(sorted(KEYS[section]))}"
            )
        missing = KEYS[section] - OPTIONAL - set(entry)
        if missing:
            raise self.refuse(f"{what} has no '{min(missing)}'", "it in every study")

    def hold_unique(self, section: str, given: list[str]) -> None:
        doubled = [name for name in given if given.count(name) > 1]
        if doubled:
            raise self.refuse(f"{section} '{doubled[0]}' stands twice", "each name once")

    def criteria(self, entries: list[dict]):
        for step, entry in enumerate(entries, FIRST_CRITERION_STEP):
            if entry["kind"] not in CRITERION_KINDS:
                raise StudyError(
                    f"{self.where}: criterion '{entry['name']}' has kind '{entry['kind']}'. "
                    f"Known kinds: {', '.join(CRITERION_KINDS)}. Correct the kind, or add a model "
                    f"dbt_project/models/cohort/int_criterion_{entry['kind']}.sql."
                )
            if entry["kind"] == "follow_up_at_least" and "minimum_days" not in entry:
                raise self.refuse(f"criterion '{entry['name']}' has no minimum_days", "a number")
            yield Criterion(
                step, entry["name"], entry["kind"], entry["label"], entry.get("minimum_days")
            )

    def outcome(self, entry: dict) -> Outcome:
        if entry["place"] not in PLACES:
            raise self.refuse(
                f"outcome '{entry['name']}' has place '{entry['place']}'",
                f"one of {', '.join(PLACES)}",
            )
        column = entry.get("clinical_column")
        if column is not None and column not in CLINICAL_COLUMNS:
            raise self.refuse(
                f"outcome '{entry['name']}' has clinical_column '{column}'",
                f"one of {', '.join(CLINICAL_COLUMNS)}",
            )
        return Outcome(
            entry["name"],
            entry["label"],
            tuple(entry["behaviours"]),
            entry["place"],
            entry.get("from_day"),
            column,
            float(entry["risk_difference_threshold"]),
        )

    def factors(self, entries: list[dict], rule_factors: list[str]):
        known = [entry["name"] for entry in entries]
        for name in rule_factors:
            if name not in known:
                raise self.refuse(f"the rule names factor '{name}'", f"one of {', '.join(known)}")
        for entry in entries:
            kind, what = entry["kind"], f"factor '{entry['name']}'"
            if kind not in FACTOR_KINDS:
                raise self.refuse(f"{what} has kind '{kind}'", f"one of {', '.join(FACTOR_KINDS)}")
            needed = {
                "review_value": ("column", "levels"),
                "review_any": ("columns", "levels", "high_level"),
                "review_number": ("column", "cut_points"),
                "age_at_index": ("cut_points",),
                "index_date": ("periods",),
                "sex": ("levels",),
                "any_of": ("parts", "levels", "high_level"),
            }[kind]
            for key in needed:
                if key not in entry:
                    raise self.refuse(f"{what} of kind {kind} has no '{key}'", "it")
            levels = entry.get("levels") or entry.get("cut_points") or entry["periods"]
            for key in ("reference", "high_level"):
                if key in entry and entry[key] not in levels:
                    raise self.refuse(
                        f"{what} has {key} '{entry[key]}'", f"one of {', '.join(levels)}"
                    )
            for part in entry.get("parts", []):
                if part not in known:
                    raise self.refuse(f"{what} names '{part}'", f"one of {', '.join(known)}")
            yield Factor(
                name=entry["name"],
                label=entry["label"],
                kind=kind,
                columns=tuple(entry.get("columns", [entry["column"]] if "column" in entry else [])),
                levels=tuple(levels),
                rules=tuple(_level_rules(entry)),
                parts=tuple(entry.get("parts", [])),
                reference=entry["reference"],
                high_level=entry.get("high_level"),
                is_rule_factor=entry["name"] in rule_factors,
            )

    def codes(self, role: str, file_name: str):
        path = self.folder / "codelists" / f"{file_name}.csv"
        if not path.is_file():
            raise self.refuse(
                f"{role} names the list '{file_name}'", f"codelists/{file_name}.csv", "Add the file."
            )
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        if not rows or "code" not in rows[0]:
            raise StudyError(
                f"{self.where.replace('study.toml', f'codelists/{file_name}.csv')}: no codes. "
                "Expected a column 'code' and at least one row. Add them."
            )
        for row in rows:
            yield (
                role,
                row["code"].strip(),
                row.get("name"),
                row.get("system"),
                row.get("valid_from") or None,
                row.get("valid_to") or None,
                row.get("source"),
            )


def _level_rules(entry: dict):
    for level, values in (entry.get("levels") or {}).items():
        for value in values:
            yield (level, value, None, None, None, None)
    for level, (from_number, below_number) in (entry.get("cut_points") or {}).items():
        yield (level, None, float(from_number), float(below_number), None, None)
    for level, (from_date, before_date) in (entry.get("periods") or {}).items():
        yield (level, None, None, None, from_date, before_date)


# ------------------------------------------------------------------ rows of schema study

TABLES = {
    "study": "study_id text, title text, question text, period_start date, period_end date, "
    "end_of_data date, lesion_days integer, clinical_match_days integer",
    "code": "study_id text, list text, code text, name text, system text, valid_from date, "
    "valid_to date, source text",
    "behaviour": "study_id text, role text, behaviour text",
    "confirmed": "study_id text, who_diagnosis text",
    "capping_register": "study_id text, register text",
    "criterion": "study_id text, step integer, criterion text, kind text, label text, "
    "minimum_days integer",
    "outcome": "study_id text, outcome text, label text, place text, from_day integer, "
    "clinical_column text, threshold double",
    "outcome_behaviour": "study_id text, outcome text, behaviour text",
    "factor": "study_id text, factor text, label text, kind text, reference text, "
    "n_columns integer, yes_level text, is_rule_factor boolean",
    "factor_level": "study_id text, factor text, level text, source_column text, value text, "
    "from_number double, below_number double, from_date date, before_date date",
    "factor_part": "study_id text, factor text, part text, high_level text",
}


def load(con: duckdb.DuckDBPyConnection, studies: list[Study]) -> None:
    """Write the studies as the tables of schema `study`, in place of what is there."""
    con.execute("create schema if not exists study")
    for table, columns in TABLES.items():
        con.execute(f"create or replace table study.{table} ({columns})")
    for study in studies:
        for table, rows in _rows(study).items():
            if rows:
                marks = ", ".join("?" * len(rows[0]))
                con.executemany(f"insert into study.{table} values ({marks})", rows)


def _rows(study: Study) -> dict[str, list[tuple]]:
    name = study.study_id
    by_name = {factor.name: factor for factor in study.factors}
    return {
        "study": [
            (name, study.title, study.question, study.period_start, study.period_end,
             study.end_of_data, study.lesion_days, study.clinical_match_days)
        ],
        "code": [(name, *code) for code in study.codes],
        "behaviour": [(name, "candidate", value) for value in study.candidate_behaviours]
        + [(name, "primary", value) for value in study.primary_behaviours],
        "confirmed": [(name, value) for value in study.confirmed],
        "capping_register": [(name, register) for register in study.capped_by],
        "criterion": [
            (name, c.step, c.name, c.kind, c.label, c.minimum_days) for c in study.criteria
        ],
        "outcome": [
            (name, o.name, o.label, o.place, o.from_day, o.clinical_column, o.threshold)
            for o in study.outcomes
        ],
        "outcome_behaviour": [
            (name, o.name, value) for o in study.outcomes for value in o.behaviours
        ],
        "factor": [
            (name, f.name, f.label, f.kind, f.reference, len(f.columns) or len(f.parts),
             f.high_level, f.is_rule_factor)
            for f in study.factors
        ],
        "factor_level": [
            (name, f.name, level, column, *rule)
            for f in study.factors
            for level, *rule in f.rules
            for column in f.columns or (None,)
        ],
        "factor_part": [
            (name, f.name, part, by_name[part].high_level)
            for f in study.factors
            for part in f.parts
        ],
    }  # fmt: skip
