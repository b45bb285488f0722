"""A study is a folder of data: `dbt_project/studies/<study>/study.toml` and its code lists.

Reads a folder, refuses what contradicts itself, and turns it into the rows of schema `study` that
the dbt models join to. Knows which kinds of criterion and factor exist; a test holds the list to
the SQL files.
"""

import csv
import datetime as dt
import difflib
import re
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import duckdb

from etl import registers
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
# Without them somebody without an index date, or dead before it, would be followed.
NEEDED_KINDS = ("alive_after_index", "follow_up_at_least")
# What a factor of each kind says, beside name, label, kind and reference; the rest may be left out.
FACTOR_KINDS = {
    "age_at_index": ("cut_points",),
    "any_of": ("parts", "levels", "high_level"),
    "index_date": ("periods",),
    "review_any": ("columns", "levels", "high_level"),
    "review_number": ("column", "cut_points"),
    "review_value": ("column", "levels"),
    "sex": ("levels",),
}
PLACES = ("anywhere", "index")
CLINICAL_COLUMNS = ("local_recurrence_date", "metastasis_date")
REVIEW_NUMBERS = (
    "size_mm",
    "necrosis",
    "mitotic_grade",
    "perineural_invasion",
    "vascular_invasion",
    "subcutaneous_extension",
)
REVIEW_COLUMNS = (*REVIEW_NUMBERS, "margins")
SEXES = ("female", "male")
# Role of a code list in [index_event], and the shape of its codes.
CODE_SHAPES = {
    "case_morphology": (r"M\d{4}", "M and four digits"),
    "case_topography": (r"T[0-9A-Z]{1,5}", "T and what a topography code begins with"),
    "unspecific_topography": (r"T[0-9A-Z]{5}", "T and five characters"),
}
# What the codes of the cross-checks begin with, as their registers write them.
REGISTRY = (r"[A-Z]\d{2}[0-9A-Z]{0,3}", "an ICD-10 code without the D of SKS, such as C44")
HOSPITAL = (
    r"D[A-Z]\d{2}[0-9A-Z]{0,5}|\d{3,5}",
    "a diagnosis as hospitals write it, SKS such as DC77 or ICD-8 digits",
)
# Steps 0 and 1 of every flow are the requisitions and the candidate persons.
FIRST_CRITERION_STEP = 2

# Section → key → what the value is; `?` where it may be left out.
KEYS = {
    "study": {
        "title": "text", "question": "text", "notes": "texts?", "population": "table",
        "index_event": "table",
        "criterion": "tables", "follow_up": "table", "outcome": "tables", "factor": "tables",
        "rule": "table",
    },
    "population": {"period_start": "date", "period_end": "date"},
    "index_event": {
        "case_morphology": "text", "case_topography": "text", "unspecific_topography": "text",
        "candidate_behaviours": "texts", "primary_behaviours": "texts",
        "lesion_days": "days from 1", "confirmed": "texts", "registry_sites": "texts?",
    },
    "criterion": {"name": "text", "kind": "text", "label": "text", "minimum_days": "days from 1?"},
    "follow_up": {
        "end_of_data": "date", "capped_by": "texts", "clinical_match_days": "days",
        "horizons_days": "list of days",
    },
    "outcome": {
        "name": "text", "label": "text", "behaviours": "texts", "place": "text",
        "from_day": "days from 1?", "clinical_column": "text?", "hospital_codes": "texts?",
        "risk_difference_threshold": "proportion",
    },
    "factor": {
        "name": "text", "label": "text", "kind": "text", "reference": "text",
        "high_level": "text?", "column": "text?", "columns": "texts?", "parts": "texts?",
        "levels": "table?", "cut_points": "table?", "periods": "table?",
    },
    "rule": {"factors": "texts"},
}  # fmt: skip


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _is_whole(value: object, least: int = 0) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_date(value: object) -> bool:
    return isinstance(value, dt.date) and not isinstance(value, dt.datetime)


# What a value is → (how to see it, how to say it)
TYPES = {
    "text": (_is_text, "a text that is not empty"),
    "texts": (
        lambda value: isinstance(value, list) and bool(value) and all(map(_is_text, value)),
        'a list of texts such as ["3", "6"]',
    ),
    "date": (_is_date, "a date such as 1980-01-01, without quotes"),
    "days": (_is_whole, "a whole number of days"),
    "days from 1": (lambda value: _is_whole(value, 1), "a whole number of days from 1"),
    "list of days": (
        lambda value: (
            isinstance(value, list) and bool(value) and all(_is_whole(one, 1) for one in value)
        ),
        "a list of whole numbers of days such as [1826]",
    ),
    "proportion": (
        lambda value: _is_number(value) and 0 < value < 1,
        "a proportion between 0 and 1 such as 0.05",
    ),
    "table": (lambda value: isinstance(value, dict) and bool(value), "a table that is not empty"),
    "tables": (
        lambda value: (
            isinstance(value, list) and bool(value) and all(isinstance(one, dict) for one in value)
        ),
        "at least one entry in double brackets",
    ),
}


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
    hospital_codes: tuple[str, ...] = ()  # beginnings of diagnoses; a cross-check only


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


def names(project: Path) -> list[str]:
    """Every study folder, by name."""
    return sorted(
        path.parent.name for path in (project / "dbt_project/studies").glob("*/study.toml")
    )


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
            raw = tomllib.loads((self.folder / "study.toml").read_text(encoding="utf-8"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise self.refuse(f"not readable ({error})", "TOML in UTF-8") from None
        self.hold_keys("study", raw, "the study")
        for section in ("population", "index_event", "follow_up", "rule"):
            self.hold_keys(section, raw[section], f"[{section}]")
        for section in ("criterion", "outcome", "factor"):
            for entry in raw[section]:
                self.hold_keys(section, entry, f"{section} '{entry.get('name', '?')}'")
            self.hold_unique(section, [entry["name"] for entry in raw[section]])
        population, event, follow_up = raw["population"], raw["index_event"], raw["follow_up"]
        self.hold_dates(population, follow_up)
        self.hold_behaviours(event)
        self.hold_known("[index_event] confirmed", event["confirmed"], _values("who_diagnosis"))
        self.hold_known("[follow_up] capped_by", follow_up["capped_by"], _registers_with_an_end())
        codes = {role: list(self.codes(role, event[role])) for role in CODE_SHAPES}
        self.hold_unspecific_on_skin(codes)
        self.hold_beginnings(
            "[index_event] registry_sites", event.get("registry_sites", []), REGISTRY
        )
        return Study(
            study_id=self.folder.name,
            folder=self.folder,
            title=raw["title"],
            question=raw["question"],
            notes=tuple(raw.get("notes", ())),
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
            outcomes=tuple(
                self.outcome(entry, event["primary_behaviours"]) for entry in raw["outcome"]
            ),
            factors=tuple(self.factors(raw["factor"], raw["rule"]["factors"])),
            codes=tuple(row for rows in codes.values() for row in rows),
            registry_sites=tuple(event.get("registry_sites", ())),
        )

    # -------------------------------------------------------------- whatever the section

    def hold_keys(self, section: str, entry: dict, what: str) -> None:
        """Only known keys, all needed ones, and each of its type."""
        types = KEYS[section]
        unknown = sorted(set(entry) - set(types))
        if unknown:
            close = difflib.get_close_matches(unknown[0], types, 1)
            raise self.refuse(
                f"{what} has the key '{unknown[0]}'",
                f"only {', '.join(sorted(types))}",
                f"Did you mean '{close[0]}'?" if close else "Take it away.",
            )
        for key, given_type in types.items():
            if key not in entry:
                if given_type.endswith("?"):
                    continue
                raise self.refuse(f"{what} has no '{key}'", "it in every study", "Add it.")
            is_right, expected = TYPES[given_type.rstrip("?")]
            if not is_right(entry[key]):
                raise self.refuse(f"{what} has {key} = {_shown(entry[key])}", expected)

    def hold_unique(self, what: str, given: list[str]) -> None:
        doubled = [name for name in given if given.count(name) > 1]
        if doubled:
            raise self.refuse(f"{what} '{doubled[0]}' stands twice", "each name once")

    def hold_beginnings(self, what: str, given: list[str], shape: tuple[str, str]) -> None:
        """Beginnings of codes as their register writes them, each once."""
        self.hold_unique(what, given)
        for code in given:
            if not re.fullmatch(shape[0], code):
                raise self.refuse(f"{what} has '{code}'", shape[1])

    def hold_known(self, what: str, given: list[str], known: Iterable[str]) -> None:
        self.hold_unique(what, given)
        for value in given:
            if value not in known:
                close = difflib.get_close_matches(value, list(known), 1)
                raise self.refuse(
                    f"{what} names '{value}'",
                    f"one of {', '.join(known)}",
                    f"Did you mean '{close[0]}'?" if close else "Correct it.",
                )

    # -------------------------------------------------------------- population and index event

    def hold_dates(self, population: dict, follow_up: dict) -> None:
        start, end = population["period_start"], population["period_end"]
        if start > end:
            raise self.refuse(f"the period starts {start} and ends {end}", "a start before the end")
        if follow_up["end_of_data"] < start:
            raise self.refuse(
                f"end_of_data {follow_up['end_of_data']} lies before the period",
                "it after the period's start",
            )

    def hold_behaviours(self, event: dict) -> None:
        candidate, primary = event["candidate_behaviours"], event["primary_behaviours"]
        self.hold_unique("[index_event] candidate_behaviours", candidate)
        self.hold_unique("[index_event] primary_behaviours", primary)
        for value in primary:
            if value not in candidate:
                raise self.refuse(
                    f"behaviour '{value}' is primary and makes no candidate",
                    f"primary_behaviours among candidate_behaviours {', '.join(candidate)}",
                )

    def codes(self, role: str, file_name: str) -> Iterator[tuple]:
        path = self.folder / "codelists" / f"{file_name}.csv"
        where = f"dbt_project/studies/{self.folder.name}/codelists/{file_name}.csv"
        if not path.is_file():
            raise self.refuse(
                f"{role} names the list '{file_name}'",
                f"codelists/{file_name}.csv",
                "Add the file.",
            )
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        if not rows or "code" not in rows[0]:
            raise StudyError(
                f"{where}: no codes. Expected a column 'code' and at least one row. Add them."
            )
        shape, words = CODE_SHAPES[role]
        seen = set()
        for row in rows:
            code = row["code"].strip()
            if not re.fullmatch(shape, code):
                raise StudyError(f"{where}: code '{code}'. Expected {words}. Correct it.")
            if code in seen:
                raise StudyError(
                    f"{where}: code '{code}' stands twice. Expected each once. Take one away."
                )
            seen.add(code)
            dates = {}
            for column in ("valid_from", "valid_to"):
                text = row.get(column) or ""
                try:
                    dates[column] = dt.date.fromisoformat(text) if text else None
                except ValueError:
                    raise StudyError(
                        f"{where}: code '{code}' has {column} '{text}'. Expected a date such as "
                        "1970-01-01, or nothing. Correct it."
                    ) from None
            yield (
                role, code, row.get("name"), row.get("system"),
                dates["valid_from"], dates["valid_to"], row.get("source"),
            )  # fmt: skip

    def hold_unspecific_on_skin(self, codes: dict[str, list[tuple]]) -> None:
        beginnings = tuple(row[1] for row in codes["case_topography"])
        for row in codes["unspecific_topography"]:
            if not row[1].startswith(beginnings):
                raise self.refuse(
                    f"unspecific code '{row[1]}' begins like no code of case_topography",
                    f"one that begins with {' or '.join(beginnings)}",
                )

    # -------------------------------------------------------------- criteria, outcomes, factors

    def criteria(self, entries: list[dict]) -> Iterator[Criterion]:
        kinds = [entry["kind"] for entry in entries]
        for step, entry in enumerate(entries, FIRST_CRITERION_STEP):
            name, kind = entry["name"], entry["kind"]
            if kind not in CRITERION_KINDS:
                close = difflib.get_close_matches(kind, CRITERION_KINDS, 1)
                hint = f" Did you mean '{close[0]}'?" if close else ""
                raise StudyError(
                    f"{self.where}: criterion '{name}' has kind '{kind}'. "
                    f"Known kinds: {', '.join(CRITERION_KINDS)}. Correct the kind, or add a model "
                    f"dbt_project/models/cohort/int_criterion_{kind}.sql.{hint}"
                )
            if (kind == "follow_up_at_least") != ("minimum_days" in entry):
                raise self.refuse(
                    f"criterion '{name}' of kind {kind} has "
                    f"{'a' if 'minimum_days' in entry else 'no'} minimum_days",
                    "it with kind follow_up_at_least, and with no other",
                )
            yield Criterion(step, name, kind, entry["label"], entry.get("minimum_days"))
        for kind in NEEDED_KINDS:
            if kind not in kinds:
                raise self.refuse(
                    f"no criterion of kind {kind}",
                    f"{' and '.join(NEEDED_KINDS)} in every study, since nobody can be followed "
                    "who is dead or gone on the index date",
                    "Add it.",
                )

    def outcome(self, entry: dict, primary_behaviours: list[str]) -> Outcome:
        what = f"outcome '{entry['name']}'"
        self.hold_known(f"{what} place", [entry["place"]], PLACES)
        self.hold_unique(f"{what} behaviour", entry["behaviours"])
        self.hold_beginnings(f"{what} hospital_codes", entry.get("hospital_codes", []), HOSPITAL)
        column = entry.get("clinical_column")
        if column is not None:
            self.hold_known(f"{what} clinical_column", [column], CLINICAL_COLUMNS)
        own = set(entry["behaviours"]) & set(primary_behaviours)
        if entry["place"] == "index" and own and "from_day" not in entry:
            raise self.refuse(
                f"{what} at the index place has the primary behaviour '{min(own)}' and no from_day",
                "from_day, since the index tumour itself would be the outcome",
                "Add it.",
            )
        return Outcome(
            entry["name"],
            entry["label"],
            tuple(entry["behaviours"]),
            entry["place"],
            entry.get("from_day"),
            column,
            float(entry["risk_difference_threshold"]),
            tuple(entry.get("hospital_codes", ())),
        )

    def factors(self, entries: list[dict], rule_factors: list[str]) -> Iterator[Factor]:
        by_name = {entry["name"]: entry for entry in entries}
        self.hold_known("the rule", rule_factors, by_name)
        for entry in entries:
            what = f"factor '{entry['name']}'"
            self.hold_known(f"{what} kind", [entry["kind"]], FACTOR_KINDS)
            self.hold_factor_keys(entry, what)
            for level, (first, end) in [
                *(entry.get("cut_points") or {}).items(),
                *(entry.get("periods") or {}).items(),
            ]:
                if first >= end:
                    raise self.refuse(
                        f"{what} has level '{level}' from {first} to below {end}",
                        "the first before the second",
                    )
            self.hold_ranges_apart(entry, what)
            levels = entry.get("levels") or entry.get("cut_points") or entry["periods"]
            for key in ("reference", "high_level"):
                if key in entry:
                    self.hold_known(f"{what} {key}", [entry[key]], levels)
            if entry["reference"] == entry.get("high_level"):
                raise self.refuse(f"{what} has one level as reference and high_level", "two levels")
            self.hold_parts(entry, what, by_name)
            yield Factor(
                name=entry["name"],
                label=entry["label"],
                kind=entry["kind"],
                columns=tuple(entry.get("columns", [entry["column"]] if "column" in entry else [])),
                levels=tuple(levels),
                rules=tuple(_level_rules(entry)),
                parts=tuple(entry.get("parts", [])),
                reference=entry["reference"],
                high_level=entry.get("high_level"),
                is_rule_factor=entry["name"] in rule_factors,
            )

    def hold_factor_keys(self, entry: dict, what: str) -> None:
        """The keys of its kind and no other, columns that exist, and values that these can have."""
        kind, needed = entry["kind"], FACTOR_KINDS[entry["kind"]]
        for key in needed:
            if key not in entry:
                raise self.refuse(f"{what} of kind {kind} has no '{key}'", "it", "Add it.")
        for key in sorted(set(entry) - {"name", "label", "kind", "reference", "high_level"}):
            if key not in needed:
                raise self.refuse(
                    f"{what} of kind {kind} has '{key}'", f"{', '.join(needed)} and no other"
                )
        columns = entry.get("columns", [entry["column"]] if "column" in entry else [])
        known = REVIEW_NUMBERS if kind == "review_number" else REVIEW_COLUMNS
        self.hold_known(f"{what} column", columns, known)
        for level, values in (entry.get("levels") or {}).items():
            if not isinstance(values, list) or not all(map(_is_text, values)):
                raise self.refuse(f"{what} has level {level} = {_shown(values)}", TYPES["texts"][1])
            if bool(values) == (kind == "any_of"):
                raise self.refuse(
                    f"{what} of kind {kind} has level '{level}' with {len(values)} values",
                    "no value, since the parts decide" if kind == "any_of" else "at least one",
                )
            for column in columns:
                self.hold_known(f"{what} level '{level}'", values, _values(column) or values)
        if kind == "sex":
            for level, values in entry["levels"].items():
                self.hold_known(f"{what} level '{level}'", values, SEXES)
        self.hold_unique(
            f"{what} value", [v for values in (entry.get("levels") or {}).values() for v in values]
        )
        for key, is_right, words in (
            ("cut_points", _is_number, "two numbers, the first included and the second not"),
            ("periods", _is_date, "two dates, the first included and the second not"),
        ):
            for level, pair in (entry.get(key) or {}).items():
                if not (isinstance(pair, list) and len(pair) == 2 and all(map(is_right, pair))):
                    raise self.refuse(f"{what} has level '{level}' = {_shown(pair)}", words)

    def hold_ranges_apart(self, entry: dict, what: str) -> None:
        """Nobody is on two levels."""
        ranges = entry.get("cut_points") or entry.get("periods") or {}
        in_order = sorted((pair, level) for level, pair in ranges.items())
        for (one, level), (other, next_level) in pairwise(in_order):
            if other[0] < one[1]:
                raise self.refuse(
                    f"{what} has levels '{level}' and '{next_level}' that overlap", "them apart"
                )

    def hold_parts(self, entry: dict, what: str, by_name: dict[str, dict]) -> None:
        parts = entry.get("parts", [])
        self.hold_known(f"{what} parts", parts, by_name)
        for part in parts:
            if by_name[part]["kind"] == "any_of":
                raise self.refuse(f"{what} has the part '{part}' of kind any_of", "another kind")
            if "high_level" not in by_name[part]:
                raise self.refuse(
                    f"{what} has the part '{part}', and factor '{part}' has no high_level",
                    "one, since it says what makes the whole high",
                    "Add it.",
                )


def _shown(value: object) -> str:
    """A value as the file has it, short."""
    text = value.isoformat() if isinstance(value, dt.date) else repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _values(review_column: str) -> tuple[str, ...]:
    """What a column of the review may hold, by its contract; nothing where that does not say."""
    return registers.register("dlms_review").table("review").column(review_column).allowed_values


def _registers_with_an_end() -> list[str]:
    """Registers whose keepers must say up to which day they are complete."""
    return [name for name, one in registers.catalogue().items() if one.needs_complete_to]


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
    "registry_site": "study_id text, code text",
    "outcome_hospital_code": "study_id text, outcome text, code text",
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
        "registry_site": [(name, code) for code in study.registry_sites],
        "outcome_hospital_code": [
            (name, o.name, code) for o in study.outcomes for code in o.hospital_codes
        ],
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
