"""What a check is, and where checks come from: the contracts, and the files people wrote."""

import datetime
import json
from dataclasses import dataclass
from pathlib import Path
from string import Template

from etl.errors import QualityError
from etl.registers import Column, Table

# fatal: a release made over this would be wrong. convention: the keeper and we agreed otherwise.
# characterisation: tells what the data are like.
SEVERITIES = ("fatal", "convention", "characterisation")
# Kahn et al. (2016), eGEMs 4(1):1244, and two of our own.
CATEGORIES = ("conformance", "completeness", "plausibility", "timeliness", "linkage")

# Where a rule comes from; what follows a colon says which part of it.
SOURCES = ("register documentation", "contract", "IARC", "JRC-ENCR", "our own")

UNEXPECTED_ROWS = "unexpected_rows_expectation"
# Every type that failing rows can be listed for: (arguments it needs, arguments it may have).
TYPES = {
    "expect_column_values_to_not_be_null": ({"column"}, set()),
    "expect_column_values_to_be_in_set": ({"column", "value_set"}, set()),
    "expect_column_values_to_match_regex": ({"column", "regex"}, set()),
    "expect_column_values_to_be_between": (
        {"column"},
        {"min_value", "max_value", "strict_min", "strict_max"},
    ),
    "expect_column_values_to_be_unique": ({"column"}, set()),
    "expect_compound_columns_to_be_unique": ({"column_list"}, set()),
    "expect_column_pair_values_a_to_be_greater_than_b": ({"column_A", "column_B"}, {"or_equal"}),
    UNEXPECTED_ROWS: ({"unexpected_rows_query"}, set()),
}
META = {
    "id", "words", "words_da", "severity", "category", "tolerated", "why", "source", "owner",
    "since",
}  # fmt: skip
OPTIONAL_META = {"of", "key"}


@dataclass(frozen=True)
class Check:
    """One thing that should be true of a table.

    `tolerated_rows` and `tolerated_percent` are two bounds that both hold: a small share of a large
    register cannot hide many rows, nor a few rows a large share of a small table. None is no bound;
    one of them is always there, or the check could not fail.

    `words` are English and `words_da` Danish. `since` is the day (ISO) from which the check has
    existed, so that a result that an earlier refresh lacks is no surprise. `source` says where the
    rule comes from, one of SOURCES and which part of it. The three are empty in what was kept
    before checks told them.
    """

    suite: str
    id: str
    words: str
    severity: str
    category: str
    tolerated_rows: int | None
    tolerated_percent: float | None
    why: str
    owner: str
    expectation: str
    arguments: str  # the expectation's own, as JSON
    of: str | None = None  # SQL for the rows that an unexpected-rows check is about
    key: tuple[str, ...] | None = None  # what names a failing row, where not the table's own key
    words_da: str = ""
    since: str = ""
    source: str = ""

    @property
    def kwargs(self) -> dict:
        return json.loads(self.arguments)

    def tolerates(self, n_failing: int, n_checked: int) -> bool:
        few = self.tolerated_rows is None or n_failing <= self.tolerated_rows
        rare = (
            self.tolerated_percent is None or 100 * n_failing <= self.tolerated_percent * n_checked
        )
        return few and rare


# ------------------------------------------------------------------ from the contracts

# What two rows of different content under one key do to a release. They are fatal wherever a key
# is joined on, which is the rule; here are the tables where it is not.
CONTACT_KEY = (
    "What hangs on two contacts under one key belongs to their person, or where they are of two "
    "persons stays unlinked with that reason."
)
DEATH_KEY = "A person who dies twice dies on the first of the days that the certificates tell."
KEY_IS_NOT_FATAL = {
    "cpr3_t_person": "Two rows about one number are a fork for the linkage, which leaves the "
    "number unlinked with that reason where they name different successors.",
    "pato": "Selection asks whether a requisition carries a code, never joins on the code's own "
    "number; a doubled key can add a code and cannot double a person.",
    "t_adm": CONTACT_KEY,
    "kontakter": CONTACT_KEY,
    "t_tumor": "A tumour's key is joined on by nobody; a case is asked for by person and day.",
    "t_dodsaarsag_1": DEATH_KEY,
    "t_dodsaarsag_2": DEATH_KEY,
    "dodsaarsager": DEATH_KEY,
}
KEY_IS_FATAL = "Rows are joined on this key: one row more mixes two rows into one person's answer."
SOME_MISTYPING_PERCENT = 0.1
SINCE = "2026-11-24"  # a structural check is of this day, whatever table it comes to be on


def structural_checks(table: Table) -> list[Check]:
    """The checks that a table's contract implies.

    None of them asks for missing or unreadable values in a key or a required column, for malformed
    owners' numbers, or for exact duplicates: such rows are quarantined at landing, so a check on
    what has landed could not fail. Numbers of relatives are emptied there when malformed.
    """
    suite = f"landing.{table.register}.{table.name}"
    checks = []
    if table.key:
        checks.append(_key_is_unique(suite, table))
    for column in table.columns:
        if column.allowed_values:
            checks.append(_in_allowed_values(suite, column))
        if column.form:
            checks.append(_has_its_form(suite, column))
        if _can_be_out_of_era(table, column):
            checks.append(_is_of_its_era(suite, table, column))
    return checks


def _key_is_unique(suite: str, table: Table) -> Check:
    single = len(table.key) == 1
    return _structural(
        suite,
        "key_is_unique",
        f"No two rows share {' + '.join(table.key)}.",
        f"Ikke to rækker har samme {' + '.join(table.key)}.",
        "expect_column_values_to_be_unique" if single else "expect_compound_columns_to_be_unique",
        {"column": table.key[0]} if single else {"column_list": list(table.key)},
        severity="convention" if table.name in KEY_IS_NOT_FATAL else "fatal",
        tolerated_percent=0.0,
        why=KEY_IS_NOT_FATAL.get(table.name, KEY_IS_FATAL),
    )


def _in_allowed_values(suite: str, column: Column) -> Check:
    values = [int(value) if column.type == "integer" else value for value in column.allowed_values]
    return _structural(
        suite,
        f"{column.name}_is_an_allowed_value",
        f"{column.name} is {_listed(column.allowed_values)}.",
        f"{column.name} er {_listed(column.allowed_values, 'eller')}.",
        "expect_column_values_to_be_in_set",
        {"column": column.name, "value_set": values},
        why="The contract lists them; another value is read as none of them. A few are mistyped, "
        "more is a code that nobody told us of.",
    )


def _has_its_form(suite: str, column: Column) -> Check:
    def systems(or_: str) -> str:
        return f": {_listed(column.code_systems, or_)}" if column.shapes else ""

    return _structural(
        suite,
        f"{column.name}_has_its_form",
        f"{column.name} has the form that the contract gives{systems('or')}.",
        f"{column.name} har den form, som kontrakten angiver{systems('eller')}.",
        "expect_column_values_to_match_regex",
        {"column": column.name, "regex": column.form},
        why="A code of another form matches no code list. A few are mistyped, more is a change of "
        "coding.",
    )


# ------------------------------------------------------------------ the era of a code

TO_THIS_DAY = 9999


def _span(table: Table) -> tuple[int, int]:
    return table.first_year, table.last_year or TO_THIS_DAY


def _can_be_out_of_era(table: Table, column: Column) -> bool:
    """Whether a book of the column was not in use in all the years of the table."""
    first, last = _span(table)
    return any(
        (shape.first_year or first) > first or (shape.last_year or last) < last
        for shape in column.shapes
    )


def _is_of_its_era(suite: str, table: Table, column: Column) -> Check:
    """A code is read by its shape, whenever it was written; this tells where the years disagree.

    The year is that of the table's own day, else of the file's period. Where neither tells it, any
    year of the table will do.
    """
    first, last = _span(table)
    name = f'"{column.name}"'
    year = (
        f'year("{table.era_column}")'
        if table.era_column
        else "try_cast(left(period, 4) as integer)"
    )
    in_use = " or ".join(
        f"({_fits(name, shape.pattern)} "
        f"and coalesce({year}, {last}) >= {shape.first_year or 0} "
        f"and coalesce({year}, {first}) <= {shape.last_year or TO_THIS_DAY})"
        for shape in column.shapes
    )
    of = f"select * from {{batch}} where {_fits(name, column.form)}"
    return Check(
        suite=suite,
        id=f"{column.name}_is_of_its_era",
        words=f"{column.name} is of a book that was in use: {_eras(column)}.",
        severity="characterisation",
        category="conformance",
        tolerated_rows=None,
        tolerated_percent=SOME_MISTYPING_PERCENT,
        why="A code is read by its shape, so these are read too; many of them tell that a keeper "
        "has coded anew, or filed rows under another year.",
        owner="register keeper",
        expectation=UNEXPECTED_ROWS,
        arguments=_arguments({"unexpected_rows_query": f"{of} and not ({in_use})"}),
        of=of,
        words_da=f"{column.name} er af en bog, der var i brug: {_eras_da(column)}.",
        since=SINCE,
        source=_contract(suite),
    )


def _fits(name: str, pattern: str) -> str:
    doubled = pattern.replace("{", "{{").replace("}", "}}").replace("'", "''")
    return f"regexp_matches({name}, '{doubled}')"


def _eras(column: Column) -> str:
    return _listed(tuple(f"{shape.name} {shape.era}".strip() for shape in column.shapes))


def _eras_da(column: Column) -> str:
    return _listed(
        tuple(f"{shape.name} {shape.era_da}".strip() for shape in column.shapes), "eller"
    )


def _structural(
    suite: str,
    id_: str,
    words: str,
    words_da: str,
    expectation: str,
    kwargs: dict,
    *,
    why: str,
    severity: str = "convention",
    tolerated_percent: float = SOME_MISTYPING_PERCENT,
) -> Check:
    return Check(
        suite=suite,
        id=id_,
        words=words,
        severity=severity,
        category="conformance",
        tolerated_rows=None,
        tolerated_percent=tolerated_percent,
        why=why,
        owner="register keeper",
        expectation=expectation,
        arguments=_arguments(kwargs),
        words_da=words_da,
        since=SINCE,
        source=_contract(suite),
    )


def _contract(suite: str) -> str:
    return f"contract: etl/registers/{suite.split('.')[1]}.odcs.yaml"


def _listed(values: tuple[str, ...], or_: str = "or") -> str:
    *most, last = values
    return f"{', '.join(most)} {or_} {last}" if most else last


def _arguments(kwargs: dict) -> str:
    return json.dumps(kwargs, ensure_ascii=False, sort_keys=True)


# ------------------------------------------------------------------ from the files


def written_checks(folder: Path, suite: str) -> list[Check]:
    """The checks that people wrote for a suite: `landing.<register>.<table>` or `marts.<table>`.

    They stand in the suite's file one by one, or as uses of a rule of `rules.json`.
    Raises QualityError naming the file and the check where one cannot be read as a check. A suite
    without a file has none.
    """
    path = _path(folder, suite)
    if not path.exists():
        return []
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, OSError) as error:
        raise QualityError(
            f"{path}: not readable as JSON ({error}). Expected a suite of expectations. Correct it."
        ) from None
    if not isinstance(content, dict) or not (
        {"name", "expectations"} <= set(content) <= {"name", "expectations", "rules"}
    ):
        raise QualityError(
            f"{path}: found something else than an object with name and expectations, and if need "
            "be rules. Expected just these. Correct it."
        )
    if content["name"] != suite:
        raise QualityError(
            f"{path}: the suite is named '{content['name']}'. Expected '{suite}', as the file is. "
            "Correct the name."
        )
    entries = content["expectations"] + [
        entry_of_rule(folder, path, use) for use in content.get("rules", [])
    ]
    checks = [_written(path, suite, number, entry) for number, entry in enumerate(entries, start=1)]
    ids = [check.id for check in checks]
    for twice in sorted({id_ for id_ in ids if ids.count(id_) > 1}):
        raise QualityError(
            f"{path}: two checks have the id '{twice}'. Expected each once: results and failing "
            "rows are told apart by it. Rename one."
        )
    return checks


def entry_of_rule(folder: Path, path: Path, use: dict) -> dict:
    """The expectation that a suite's use of a rule stands for.

    A rule of `rules.json` is an expectation with blanks ($column), written once for many tables. A
    use names it and fills the blanks; what its `meta` says goes before what the rule says. Raises
    QualityError where there is no such rule, or a blank is left.
    """
    rules = json.loads((folder / "rules.json").read_text(encoding="utf-8"))
    name = use.get("rule") if isinstance(use, dict) else None
    if name not in rules:
        raise QualityError(
            f"{path}: no rule '{name}'. Expected one of {', '.join(rules)}. Correct the name, or "
            "write the rule in expectations/rules.json."
        )
    try:
        filled = json.loads(json.dumps(rules[name]), object_hook=lambda node: filled_in(node, use))
    except KeyError as error:
        raise QualityError(
            f"{path}: rule '{name}': nothing is given for {error}. Expected a value for every "
            "blank of the rule. Add it."
        ) from None
    return {
        "type": UNEXPECTED_ROWS,
        "kwargs": {"unexpected_rows_query": filled["query"]},
        "meta": filled["meta"] | use.get("meta", {}),
    }


def uses_of_rules(folder: Path, suite: str) -> dict[str, dict]:
    """Check → how the suite's file fills the blanks of its rule, of the checks that have one."""
    path = _path(folder, suite)
    uses = json.loads(path.read_text(encoding="utf-8")).get("rules", []) if path.exists() else []
    return {entry_of_rule(folder, path, use)["meta"]["id"]: use for use in uses}


def _path(folder: Path, suite: str) -> Path:
    room, _, rest = suite.partition(".")
    return folder / room / f"{rest}.json"


def filled_in(node: dict, use: dict) -> dict:
    """The texts of an object with their blanks filled. Raises KeyError for one that is not."""
    return {
        key: Template(value).substitute(use) if isinstance(value, str) else value
        for key, value in node.items()
    }


def _written(path: Path, suite: str, number: int, entry: dict) -> Check:
    given = entry.get("meta") if isinstance(entry, dict) else None
    named = given.get("id") if isinstance(given, dict) else None

    def refuse(found: str, expected: str) -> QualityError:
        return QualityError(
            f"{path}: check '{named or number}': {found}. Expected {expected}. Correct it."
        )

    if not isinstance(given, dict) or set(entry) != {"type", "kwargs", "meta"}:
        raise refuse("it is not an object with type, kwargs and meta", "these three")
    if entry["type"] not in TYPES:
        raise refuse(f"unknown expectation type '{entry['type']}'", f"one of {', '.join(TYPES)}")
    kwargs, (needed, allowed) = entry["kwargs"], TYPES[entry["type"]]
    if not needed <= set(kwargs) <= needed | allowed:
        raise refuse(
            f"kwargs are {', '.join(sorted(kwargs)) or 'empty'}",
            f"{', '.join(sorted(needed))}"
            + (f", and if need be {', '.join(sorted(allowed))}" if allowed else "")
            + " (how much is tolerated stands in meta)",
        )
    if "min_value" in allowed and not {"min_value", "max_value"} & set(kwargs):
        raise refuse("neither min_value nor max_value is given", "at least one of them")
    if not META <= set(given) <= META | OPTIONAL_META:
        wrong = sorted(META ^ set(given) - OPTIONAL_META)
        raise refuse(f"meta lacks or does not know {', '.join(wrong)}", ", ".join(sorted(META)))
    for name in sorted(META - {"tolerated"}):
        if not isinstance(given[name], str) or not given[name].strip():
            raise refuse(f"meta.{name} is empty", "words")
    if given["severity"] not in SEVERITIES:
        raise refuse(f"severity is '{given['severity']}'", f"one of {', '.join(SEVERITIES)}")
    if given["category"] not in CATEGORIES:
        raise refuse(f"category is '{given['category']}'", f"one of {', '.join(CATEGORIES)}")
    if given["source"].partition(":")[0] not in SOURCES:
        raise refuse(
            f"source is '{given['source']}'",
            f"{', '.join(SOURCES)}, and after a colon which part of it",
        )
    if not _is_a_day(given["since"]):
        raise refuse(f"since is '{given['since']}'", "the day it was added, as 2024-06-01")
    _hold_tolerated(given["tolerated"], refuse)
    _hold_queries(entry["type"], kwargs, given, refuse)
    return Check(
        suite=suite,
        id=given["id"],
        words=given["words"],
        severity=given["severity"],
        category=given["category"],
        tolerated_rows=given["tolerated"]["rows"],
        tolerated_percent=given["tolerated"]["percent"],
        why=given["why"],
        owner=given["owner"],
        expectation=entry["type"],
        arguments=_arguments(kwargs),
        of=given.get("of"),
        key=tuple(given["key"]) if "key" in given else None,
        words_da=given["words_da"],
        since=given["since"],
        source=given["source"],
    )


def _is_a_day(text: str) -> bool:
    try:
        return datetime.date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def _hold_tolerated(tolerated: dict, refuse) -> None:
    if not isinstance(tolerated, dict) or set(tolerated) != {"rows", "percent"}:
        raise refuse("meta.tolerated is incomplete", "rows and percent")
    rows, percent = tolerated["rows"], tolerated["percent"]
    if not (rows is None or (isinstance(rows, int) and rows >= 0)) or not (
        percent is None or (isinstance(percent, int | float) and percent >= 0)
    ):
        raise refuse("meta.tolerated is not a number", "whole rows and percent from 0, or null")
    if rows is None and (percent is None or percent >= 100):
        raise refuse("everything is tolerated", "a bound, or the check could not fail")


def _hold_queries(type_: str, kwargs: dict, given: dict, refuse) -> None:
    if type_ != UNEXPECTED_ROWS:
        if {"of", "key"} & set(given):
            raise refuse(f"meta.of or meta.key on {type_}", f"them on {UNEXPECTED_ROWS} only")
        return
    query = kwargs["unexpected_rows_query"]
    if "{batch}" not in query:
        raise refuse("the query does not read {batch}", "it to read the table of its suite")
    for text in (query, given.get("of", "")):
        try:
            text.format(batch="")
        except (ValueError, LookupError):
            raise refuse("a single brace in a query", "braces doubled, save {batch}") from None
