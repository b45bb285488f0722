"""The study language as a JSON Schema for editors, and as the tables of docs/studies.md.

    python -m etl.studies.schema

writes both; a test holds them to the language. The schema says what a value may be; what two values
say against each other only `kobling study check` finds.
"""

import json
from pathlib import Path

from etl.settings import CHECKOUT
from etl.studies.language import (
    CLINICAL_COLUMNS,
    CRITERION_KINDS,
    CRITERION_PARAMETERS,
    FACTOR_KINDS,
    KEYS,
    MEANINGS,
    OUTCOME_KINDS,
    OUTCOME_PARAMETERS,
    PLACES,
    REVIEW_COLUMNS,
    TYPES,
)

PLACE = "dbt_project/studies/study.schema.json"
PAGE = "docs/studies.md"
BEGIN, END = "<!-- language -->", "<!-- end of language -->"
_TEXT = {"type": "string", "minLength": 1}
_DATE = {"type": "string", "format": "date"}
# How a type of the language is said in JSON Schema; a TOML date is a string of format date there.
_TYPES = {
    "text": _TEXT,
    "texts": {"type": "array", "items": _TEXT, "minItems": 1, "uniqueItems": True},
    "date": _DATE,
    "days": {"type": "integer", "minimum": 0},
    "days from 1": {"type": "integer", "minimum": 1},
    "number from 1": {"type": "integer", "minimum": 1},
    "years": {"type": "integer", "minimum": 0},
    "list of days": {"type": "array", "items": {"type": "integer", "minimum": 1}, "minItems": 1},
    "proportion": {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1},
    "table": {"type": "object", "minProperties": 1},
}
_CHOICES = {
    ("criterion", "kind"): CRITERION_KINDS,
    ("factor", "kind"): FACTOR_KINDS,
    ("factor", "column"): REVIEW_COLUMNS,
    ("outcome", "kind"): OUTCOME_KINDS,
    ("outcome", "place"): PLACES,
    ("outcome", "clinical_column"): CLINICAL_COLUMNS,
}


def schema() -> dict:
    """JSON Schema (2020-12) of a study.toml."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A Kobling study",
        **_section("study"),
    }


def _section(section: str) -> dict:
    keys = KEYS[section]
    rules = []
    if section == "criterion":
        rules = [_of_kind(kind, CRITERION_PARAMETERS.get(kind, ())) for kind in CRITERION_KINDS]
    elif section == "outcome":
        rules = [_of_kind(kind, needed) for kind, (needed, _) in OUTCOME_PARAMETERS.items()]
    elif section == "factor":
        rules = [_of_kind(kind, needed) for kind, needed in FACTOR_KINDS.items()]
    return {
        "type": "object",
        "properties": {key: _value(section, key, given) for key, given in keys.items()},
        "required": [key for key, given in keys.items() if not given.endswith("?")],
        "additionalProperties": False,
        **({"allOf": rules} if rules else {}),
    }


def _value(section: str, key: str, given: str) -> dict:
    if section == "study" and key in KEYS:
        inner = _section(key)
        inner = {"type": "array", "items": inner, "minItems": 1} if given == "tables" else inner
    elif (section, key) in _CHOICES:
        inner = {"enum": list(_CHOICES[section, key])}
    else:
        inner = _TYPES[given.rstrip("?")]
    return {**inner, "description": MEANINGS[section][key]}


def _of_kind(kind: str, needed: tuple[str, ...]) -> dict:
    return {
        "if": {"properties": {"kind": {"const": kind}}},
        "then": {"required": list(needed)},
    }


def text() -> str:
    """The schema as the file has it."""
    return json.dumps(schema(), ensure_ascii=False, indent=2) + "\n"


def tables() -> str:
    """The language in Markdown: every section with its keys, then the kinds."""
    lines = []
    for section, keys in KEYS.items():
        heading = {"study": "Top of the file"}.get(section, f"`[{section}]`")
        if KEYS["study"].get(section) == "tables":
            heading = f"`[[{section}]]`, one for each"
        lines += [f"### {heading}", "", "| key | value | meaning |", "|---|---|---|"]
        for key, given in keys.items():
            value = TYPES[given.rstrip("?")][1] + (" (may be left out)" if given[-1] == "?" else "")
            lines.append(f"| `{key}` | {value} | {MEANINGS[section][key]} |")
        lines.append("")
    lines += ["### Kinds of criterion", "", "| kind | with | who meets it |", "|---|---|---|"]
    for kind, words in CRITERION_KINDS.items():
        needed = ", ".join(f"`{key}`" for key in CRITERION_PARAMETERS.get(kind, ()))
        lines.append(f"| `{kind}` | {needed} | {words} |")
    lines += ["", "### Kinds of outcome", "", "| kind | with | what it is |", "|---|---|---|"]
    for kind, words in OUTCOME_KINDS.items():
        needed, possible = OUTCOME_PARAMETERS[kind]
        keys = [f"`{key}`" for key in needed] + [f"`{key}` (may be left out)" for key in possible]
        lines.append(f"| `{kind}` | {', '.join(keys)} | {words} |")
    lines += ["", "### Kinds of factor", "", "| kind | with |", "|---|---|"]
    for kind, needed in FACTOR_KINDS.items():
        lines.append(f"| `{kind}` | {', '.join(f'`{key}`' for key in needed)} |")
    return "\n".join(lines) + "\n"


def write(project: Path = CHECKOUT) -> None:
    (project / PLACE).write_text(text(), encoding="utf-8")
    page = project / PAGE
    before, _, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    after = rest.partition(END)[2]
    page.write_text(f"{before}{BEGIN}\n{tables()}{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    write()
