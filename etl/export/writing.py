"""Files below exports/. Every function here takes SafeTables, and writes nothing else."""

import csv
import io
from pathlib import Path

from etl.disclosure import SafeTable, only_safe
from etl.home import file_hash, replace_json, replace_text

EVIDENCE = "evidence.json"


def write_table(table: SafeTable, folder: Path) -> Path:
    """`<name>.csv`. A hidden cell is empty."""
    only_safe(table)
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(table.columns)
    rows.writerows(table.rows)
    path = folder / f"{table.name}.csv"
    replace_text(path, text.getvalue())
    return path


def write_words(table: SafeTable, folder: Path) -> Path:
    """`<name>.md`: a table of heads and paragraphs as a page."""
    only_safe(table)
    parts = [f"# {head}\n\n{words}" if n == 0 else f"## {head}\n\n{words}"
             for n, (head, words) in enumerate(table.rows)]  # fmt: skip
    path = folder / f"{table.name}.md"
    replace_text(path, "\n\n".join(parts) + "\n")
    return path


def write_evidence(facts: SafeTable, folder: Path) -> Path:
    """evidence.json: what the export was made from, and every other file in it with its hash."""
    only_safe(facts)
    files = {
        str(path.relative_to(folder)): file_hash(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
    replace_json(folder / EVIDENCE, {**dict(facts.rows), "files": files})
    return folder / EVIDENCE


def rules(smallest: int) -> list[tuple[str, str]]:
    """What a reader of an export must know of the numbers that are not in it."""
    return [
        (
            "What is hidden, and why",
            f"No count of 1 to {smallest - 1} persons is in these files, and none follows from "
            "them. An empty cell is hidden or does not exist; it is never nought. A nought is "
            "shown as a nought.",
        ),
        (
            "More is hidden than small counts",
            "A number is also hidden where a small count would follow from it and others: by sums "
            "and differences, from percentages, from intervals, or beside an earlier export of the "
            "study. Which of the two it is, is not told, since that alone could give it away.",
        ),
        (
            "Persons",
            "Persons are those of the cohort. Who had the outcome by the index date is left out of "
            "its risks; how many they are may be hidden.",
        ),
        (
            "Rounded numbers",
            f"Those still followed are rounded to the nearest {smallest}. Risks have one decimal. "
            "Risk differences and their limits are computed from the printed risks. Medians and "
            f"quartiles are whole, and shown where a group has {4 * smallest} persons or more. "
            "There are no lowest and highest values.",
        ),
        (
            "Curves",
            f"Two points of a curve have {smallest} events or more between them, or none at all.",
        ),
    ]
