"""A study folder → a definition, or one clear line about what first contradicts itself."""

import csv
import datetime as dt
import difflib
import re
import tomllib
from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path

from etl import registers
from etl.errors import StudyError
from etl.studies.definition import Criterion, Factor, Outcome, Schedule, Study
from etl.studies.language import (
    CAUSE,
    CLINICAL_COLUMNS,
    CODE_SHAPES,
    COHORT_KINDS,
    CRITERION_KINDS,
    CRITERION_PARAMETERS,
    FACTOR_KINDS,
    FIRST_CRITERION_STEP,
    HOSPITAL,
    KEYS,
    NEEDED_KINDS,
    OUTCOME_KINDS,
    OUTCOME_PARAMETERS,
    PLACES,
    REGISTRY,
    REVIEW_COLUMNS,
    REVIEW_NUMBERS,
    SEXES,
    TYPES,
    is_date,
    is_number,
    is_text,
)
from etl.studies.lines import Lines


class Reader:
    """Reads one folder; every refusal names the file, and the line where there is one.

    `look` says which entry is being read, so that a refusal knows its line.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self.where = f"dbt_project/studies/{folder.name}/study.toml"
        self.lines = Lines("")
        self.look("")

    def look(self, section: str, nth: int = 0, key: str | None = None) -> None:
        self.section, self.nth, self.key = section, nth, key

    def refuse(self, found: str, expected: str, todo: str = "Correct it.") -> StudyError:
        line = self.lines.of(self.section, self.nth, self.key)
        where = f"{self.where}, line {line}" if line else self.where
        return StudyError(f"{where}: {found}. Expected {expected}. {todo}")

    def study(self) -> Study:
        try:
            text = (self.folder / "study.toml").read_text(encoding="utf-8")
            raw = tomllib.loads(text)
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise self.refuse(f"not readable ({error})", "TOML in UTF-8") from None
        self.lines = Lines(text)
        self.hold_keys("study", raw, "the study")
        for section in ("population", "index_event", "follow_up", "rule", "schedule"):
            if section in raw:
                self.look(section)
                self.hold_keys(section, raw[section], f"[{section}]")
        for section in ("criterion", "outcome", "factor"):
            for nth, entry in enumerate(raw[section]):
                self.look(section, nth)
                self.hold_keys(section, entry, f"{section} '{entry.get('name', '?')}'")
            self.hold_names_once(section, [entry["name"] for entry in raw[section]])
        population, event, follow_up = raw["population"], raw["index_event"], raw["follow_up"]
        self.look("follow_up", key="end_of_data")
        self.hold_dates(population, follow_up)
        self.look("index_event", key="primary_behaviours")
        self.hold_behaviours(event)
        self.look("index_event", key="confirmed")
        self.hold_known("[index_event] confirmed", event["confirmed"], _values("who_diagnosis"))
        self.look("follow_up", key="capped_by")
        self.hold_known("[follow_up] capped_by", follow_up["capped_by"], _registers_with_an_end())
        self.hold_rule_and_thresholds(raw)
        self.hold_schedule(raw)
        codes = {role: list(self.codes(role, event[role])) for role in CODE_SHAPES}
        self.look("index_event", key="unspecific_topography")
        self.hold_unspecific_on_skin(codes)
        self.look("study", key="baseline_by")
        if "baseline_by" in raw:
            self.hold_known(
                "baseline_by", [raw["baseline_by"]], [entry["name"] for entry in raw["factor"]]
            )
        self.look("index_event", key="registry_sites")
        self.hold_beginnings(
            "[index_event] registry_sites", event.get("registry_sites", []), REGISTRY
        )
        self.hold_first_of(raw["outcome"])
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
                self.outcome(nth, entry, event["primary_behaviours"])
                for nth, entry in enumerate(raw["outcome"])
            ),
            factors=tuple(self.factors(raw["factor"], raw.get("rule", {}).get("factors", []))),
            codes=tuple(row for rows in codes.values() for row in rows),
            registry_sites=tuple(event.get("registry_sites", ())),
            baseline_by=raw.get("baseline_by"),
            schedule=Schedule(**raw["schedule"]) if "schedule" in raw else None,
        )

    # -------------------------------------------------------------- whatever the section

    def hold_keys(self, section: str, entry: dict, what: str) -> None:
        """Only known keys, all needed ones, and each of its type."""
        types = KEYS[section]
        unknown = sorted(set(entry) - set(types))
        if unknown:
            self.key = unknown[0]
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
                self.key = key
                raise self.refuse(f"{what} has {key} = {_shown(entry[key])}", expected)

    def hold_names_once(self, section: str, given: list[str]) -> None:
        for nth, name in enumerate(given):
            if name in given[:nth]:
                self.look(section, nth, "name")
                self.hold_unique(section, given)

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
            self.look("population", key="period_start")
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
        self.look("index_event", key=role)
        path = self.folder / "codelists" / f"{file_name}.csv"
        where = f"dbt_project/studies/{self.folder.name}/codelists/{file_name}.csv"
        if not path.is_file():
            raise self.refuse(
                f"{role} names the list '{file_name}'",
                f"codelists/{file_name}.csv",
                "Add the file.",
            )
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file)
            rows = [(row, reader.line_num) for row in reader]
        if not rows or "code" not in rows[0][0]:
            raise StudyError(
                f"{where}: no codes. Expected a column 'code' and at least one row. Add them."
            )
        shape, words = CODE_SHAPES[role]
        seen = set()
        for row, line in rows:
            code, here = (row["code"] or "").strip(), f"{where}, line {line}"
            if not re.fullmatch(shape, code):
                raise StudyError(f"{here}: code '{code}'. Expected {words}. Correct it.")
            if code in seen:
                raise StudyError(
                    f"{here}: code '{code}' stands twice. Expected each once. Take one away."
                )
            seen.add(code)
            dates = {}
            for column in ("valid_from", "valid_to"):
                text = row.get(column) or ""
                try:
                    dates[column] = dt.date.fromisoformat(text) if text else None
                except ValueError:
                    raise StudyError(
                        f"{here}: code '{code}' has {column} '{text}'. Expected a date such as "
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
        for nth, entry in enumerate(entries):
            step = FIRST_CRITERION_STEP + nth
            self.look("criterion", nth, "kind")
            name, kind = entry["name"], entry["kind"]
            if kind not in CRITERION_KINDS:
                close = difflib.get_close_matches(kind, CRITERION_KINDS, 1)
                hint = f" Did you mean '{close[0]}'?" if close else ""
                raise self.refuse(
                    f"criterion '{name}' has kind '{kind}'",
                    f"one of {', '.join(CRITERION_KINDS)}",
                    "Correct the kind, or add a model "
                    f"dbt_project/models/cohort/int_criterion_{kind}.sql.{hint}",
                )
            self.key = None
            self.hold_parameters(entry)
            yield Criterion(
                step,
                name,
                kind,
                entry["label"],
                entry.get("minimum_days"),
                entry.get("minimum_years"),
                entry.get("below_years"),
                tuple(entry.get("diagnosis_codes", ())),
                entry.get("look_back_days"),
                entry.get("cohort"),
            )
        self.look("criterion")
        for kind in NEEDED_KINDS:
            if kind not in kinds:
                raise self.refuse(
                    f"no criterion of kind {kind}",
                    f"{' and '.join(NEEDED_KINDS)} in every study, since nobody can be followed "
                    "who is dead or gone on the index date",
                    "Add it.",
                )

    def hold_parameters(self, entry: dict) -> None:
        """The parameters of its kind, and no other."""
        kind, what = entry["kind"], f"criterion '{entry['name']}' of kind {entry['kind']}"
        needed = CRITERION_PARAMETERS.get(kind, ())
        for key in needed:
            if key not in entry:
                raise self.refuse(f"{what} has no {key}", "it with this kind", "Add it.")
        for key in sorted(set(entry) - {"name", "kind", "label", *needed}):
            self.key = key
            owners = [k for k, keys in CRITERION_PARAMETERS.items() if key in keys]
            raise self.refuse(
                f"{what} has a {key}", f"it with kind {' or '.join(owners)}, and with no other"
            )
        if kind == "age_at_index" and entry["minimum_years"] >= entry["below_years"]:
            self.key = "below_years"
            raise self.refuse(
                f"{what} is from {entry['minimum_years']} to below {entry['below_years']} years",
                "the first before the second",
            )
        if "diagnosis_codes" in entry:
            self.key = "diagnosis_codes"
            self.hold_beginnings(f"{what} diagnosis_codes", entry["diagnosis_codes"], HOSPITAL)
        if kind in COHORT_KINDS:
            self.key = "cohort"
            self.hold_cohort(what, entry["cohort"])

    def hold_cohort(self, what: str, other: str) -> None:
        """Another study of the folder, and one that hangs on no cohort itself: no cycle can be."""
        store = self.folder.parent
        others = sorted(
            p.parent.name for p in store.glob("*/study.toml") if p.parent != self.folder
        )
        if other not in others:
            raise self.refuse(
                f"{what} names the study '{other}'",
                f"another study of the folder: {', '.join(others) or 'there is none'}",
            )
        text = (store / other / "study.toml").read_text(encoding="utf-8")
        try:
            asked = [entry.get("kind") for entry in tomllib.loads(text).get("criterion", [])]
        except tomllib.TOMLDecodeError:
            return  # told where that study is read
        if set(asked) & set(COHORT_KINDS):
            raise self.refuse(
                f"{what} names the study '{other}', which asks for a cohort itself",
                "a study without such a criterion, so that no two hang on each other",
            )

    def outcome(self, nth: int, entry: dict, primary_behaviours: list[str]) -> Outcome:
        what = f"outcome '{entry['name']}'"
        self.look("outcome", nth)
        self.hold_outcome_keys(entry, what)
        if "place" in entry:
            self.key = "place"
            self.hold_known(f"{what} place", [entry["place"]], PLACES)
        behaviours = entry.get("behaviours", [])
        self.key = "behaviours"
        self.hold_unique(f"{what} behaviour", behaviours)
        for key, shape in (("diagnosis_codes", HOSPITAL), ("cause_codes", CAUSE)):
            self.key = key
            self.hold_beginnings(f"{what} {key}", entry.get(key, []), shape)
        self.key = "hospital_codes"
        self.hold_beginnings(f"{what} hospital_codes", entry.get("hospital_codes", []), HOSPITAL)
        column = entry.get("clinical_column")
        if column is not None:
            self.key = "clinical_column"
            self.hold_known(f"{what} clinical_column", [column], CLINICAL_COLUMNS)
        own = set(behaviours) & set(primary_behaviours)
        self.key = None
        if entry.get("place") == "index" and own and "from_day" not in entry:
            raise self.refuse(
                f"{what} at the index place has the primary behaviour '{min(own)}' and no from_day",
                "from_day, since the index tumour itself would be the outcome",
                "Add it.",
            )
        return Outcome(
            entry["name"],
            entry["label"],
            entry["kind"],
            tuple(behaviours),
            entry.get("place"),
            entry.get("from_day"),
            column,
            entry.get("risk_difference_threshold"),
            tuple(entry.get("hospital_codes", ())),
            tuple(entry.get("diagnosis_codes", entry.get("cause_codes", ()))),
            tuple(entry.get("parts", ())),
        )

    def hold_outcome_keys(self, entry: dict, what: str) -> None:
        """The keys of its kind, and no other."""
        self.key = "kind"
        self.hold_known(f"{what} kind", [entry["kind"]], OUTCOME_KINDS)
        needed, possible = OUTCOME_PARAMETERS[entry["kind"]]
        self.key = None
        for key in needed:
            if key not in entry:
                raise self.refuse(
                    f"{what} of kind {entry['kind']} has no {key}", "it with this kind", "Add it."
                )
        whole = {"name", "label", "kind", "risk_difference_threshold", *needed, *possible}
        for key in sorted(set(entry) - whole):
            self.key = key
            raise self.refuse(
                f"{what} of kind {entry['kind']} has {key}",
                f"only {', '.join((*needed, *possible)) or 'name and label'} with this kind",
            )

    def hold_first_of(self, entries: list[dict]) -> None:
        """Parts are outcomes of the study, and no firsts themselves: no cycle can be."""
        whole = [entry["name"] for entry in entries if entry["kind"] != "first_of"]
        for nth, entry in enumerate(entries):
            self.look("outcome", nth, "parts")
            self.hold_known(f"outcome '{entry['name']}' parts", entry.get("parts", []), whole)

    def hold_rule_and_thresholds(self, raw: dict) -> None:
        """A rule has a threshold for every outcome; a threshold without a rule says nothing."""
        for nth, entry in enumerate(raw["outcome"]):
            has_threshold = "risk_difference_threshold" in entry
            if has_threshold == ("rule" in raw):
                continue
            self.look("outcome", nth, "risk_difference_threshold" if has_threshold else None)
            if has_threshold:
                raise self.refuse(
                    f"outcome '{entry['name']}' has risk_difference_threshold, and the study has "
                    "no [rule]",
                    "both or neither",
                    "Add [rule], or take the threshold away.",
                )
            raise self.refuse(
                f"outcome '{entry['name']}' has no risk_difference_threshold, and the study has a "
                "[rule]",
                "both or neither",
                "Add it.",
            )

    def hold_schedule(self, raw: dict) -> None:
        if "schedule" in raw and "rule" not in raw:
            self.look("schedule")
            raise self.refuse(
                "a [schedule] and no [rule]",
                "a rule that says who is at high risk and imaged",
                "Add [rule], or take the schedule away.",
            )

    def factors(self, entries: list[dict], rule_factors: list[str]) -> Iterator[Factor]:
        by_name = {entry["name"]: entry for entry in entries}
        self.look("rule", key="factors")
        self.hold_known("the rule", rule_factors, by_name)
        for nth, entry in enumerate(entries):
            self.look("factor", nth)
            what = f"factor '{entry['name']}'"
            self.key = "kind"
            self.hold_known(f"{what} kind", [entry["kind"]], FACTOR_KINDS)
            self.key = None
            self.hold_factor_keys(entry, what)
            self.key = None
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
                    self.key = key
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
                self.key = key
                raise self.refuse(
                    f"{what} of kind {kind} has '{key}'", f"{', '.join(needed)} and no other"
                )
        columns = entry.get("columns", [entry["column"]] if "column" in entry else [])
        known = REVIEW_NUMBERS if kind == "review_number" else REVIEW_COLUMNS
        self.key = "columns" if "columns" in entry else "column"
        self.hold_known(f"{what} column", columns, known)
        self.key = "levels"
        for level, values in (entry.get("levels") or {}).items():
            if not isinstance(values, list) or not all(map(is_text, values)):
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
            ("cut_points", is_number, "two numbers, the first included and the second not"),
            ("periods", is_date, "two dates, the first included and the second not"),
        ):
            self.key = key
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
        self.key = "parts"
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
