"""What a check is, and where checks come from: the contracts, and the files people wrote."""

import json
from dataclasses import dataclass
from pathlib import Path

from etl.errors import QualityError
from etl.registers import Column, Table

# fatal: a release made over this would be wrong. convention: the keeper and we agreed otherwise.
# characterisation: tells what the data are like.
SEVERITIES = ("fatal", "convention", "characterisation")
# Kahn et al. (2016), eGEMs 4(1):1244, and two of our own.
CATEGORIES = ("conformance", "completeness", "plausibility", "timeliness", "linkage")

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
META = {"id", "words", "severity", "category", "tolerated", "why", "owner"}
OPTIONAL_META = {"of", "key"}


@dataclass(frozen=True)
class Check:
    """One thing that should be true of a table.

    `tolerated_rows` and `tolerated_percent` are two bounds that both hold: a small share of a large
    register cannot hide many rows, nor a few rows a large share of a small table. None is no bound;
    one of them is always there, or the check could not fail.
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
        if column.pattern:
            checks.append(_matches_pattern(suite, column))
        if column.length:
            checks.append(_has_its_length(suite, column))
    return checks


def _key_is_unique(suite: str, table: Table) -> Check:
    single = len(table.key) == 1
    return _structural(
        suite,
        "key_is_unique",
        f"No two rows share {' + '.join(table.key)}.",
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
        "expect_column_values_to_be_in_set",
        {"column": column.name, "value_set": values},
        why="The contract lists them; another value is read as none of them. A few are mistyped, "
        "more is a code that nobody told us of.",
    )


def _matches_pattern(suite: str, column: Column) -> Check:
    return _structural(
        suite,
        f"{column.name}_has_its_form",
        f"{column.name} has the form that the contract gives.",
        "expect_column_values_to_match_regex",
        {"column": column.name, "regex": column.pattern},
        why="A code of another form matches no code list. A few are mistyped, more is a change of "
        "coding.",
    )


def _has_its_length(suite: str, column: Column) -> Check:
    return _structural(
        suite,
        f"{column.name}_has_its_length",
        f"{column.name} has {column.length} places.",
        "expect_column_values_to_match_regex",
        {"column": column.name, "regex": f"^.{{{column.length}}}$"},
        why="A leading zero gets lost where a code is kept as a number. Staging restores it; many "
        "are an export through a spreadsheet.",
    )


def _structural(
    suite: str,
    id_: str,
    words: str,
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
    )


def _listed(values: tuple[str, ...]) -> str:
    *most, last = values
    return f"{', '.join(most)} or {last}" if most else last


def _arguments(kwargs: dict) -> str:
    return json.dumps(kwargs, ensure_ascii=False, sort_keys=True)


# ------------------------------------------------------------------ from the files


def written_checks(folder: Path, suite: str) -> list[Check]:
    """The checks that people wrote for a suite: `landing.<register>.<table>` or `marts.<table>`.

    Raises QualityError naming the file and the check where one cannot be read as a check. A suite
    without a file has none.
    """
    room, _, rest = suite.partition(".")
    path = folder / room / f"{rest}.json"
    if not path.exists():
        return []
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, OSError) as error:
        raise QualityError(
            f"{path}: not readable as JSON ({error}). Expected a suite of expectations. Correct it."
        ) from None
    if not isinstance(content, dict) or set(content) != {"name", "expectations"}:
        raise QualityError(
            f"{path}: found something else than an object with name and expectations. Expected "
            "just these two. Correct it."
        )
    if content["name"] != suite:
        raise QualityError(
            f"{path}: the suite is named '{content['name']}'. Expected '{suite}', as the file is. "
            "Correct the name."
        )
    checks = [
        _written(path, suite, number, entry)
        for number, entry in enumerate(content["expectations"], start=1)
    ]
    ids = [check.id for check in checks]
    for twice in sorted({id_ for id_ in ids if ids.count(id_) > 1}):
        raise QualityError(
            f"{path}: two checks have the id '{twice}'. Expected each once: results and failing "
            "rows are told apart by it. Rename one."
        )
    return checks


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
    )


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
