"""A study is a folder of data: `dbt_project/studies/<study>/study.toml` and its code lists.

Reads a folder, refuses what contradicts itself, and turns it into the rows of schema `study` that
the dbt models join to. Knows which kinds of criterion and factor exist; a test holds the list to
the SQL files.
"""

import difflib
from pathlib import Path

from etl.errors import StudyError
from etl.home import digest, file_hash
from etl.studies.definition import Schedule, Study
from etl.studies.folder import create
from etl.studies.language import (
    CRITERION_KINDS,
    FACTOR_KINDS,
    REVIEW_COLUMNS,
    REVIEW_NUMBERS,
    REVIEW_TEXTS,
)
from etl.studies.reading import Reader
from etl.studies.rows import TABLES, load
from etl.studies.telling import shown

__all__ = [
    "CRITERION_KINDS",
    "FACTOR_KINDS",
    "REVIEW_COLUMNS",
    "REVIEW_NUMBERS",
    "REVIEW_TEXTS",
    "TABLES",
    "Schedule",
    "Study",
    "create",
    "definition_hash",
    "load",
    "names",
    "read",
    "shown",
]


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
    return Reader(folder).study()


def definition_hash(study: Study) -> str:
    """SHA-256 over every file of the folder, and of the studies whose cohorts it asks for."""
    parts = {
        str(path.relative_to(study.folder)): file_hash(path)
        for path in sorted(study.folder.rglob("*"))
        if path.is_file()
    }
    for other in sorted({one.cohort for one in study.criteria if one.cohort}):
        parts[f"cohort of {other}"] = definition_hash(Reader(study.folder.parent / other).study())
    return digest(parts)
