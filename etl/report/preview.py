"""The page of a preview: what a staged release would change, looked at before it is live.

Kept by nobody: it is made when it is asked for, since it depends on which release is live.
"""

import tempfile
from pathlib import Path

from etl.report.drawing import BLUE, FAINT, INK, LINE, QUIET, SIZE, Sheet, own_style, width_of
from etl.report.frame import inline, internal, whole_page
from etl.report.html import Content, Html, element
from etl.report.numbers import NONE, count, percent
from etl.report.tables import Column, number, table

RED = "#d55e00"  # Okabe and Ito's vermilion
CAPTION = "Landed rows of each table, by year"
COLOURS = "Blue: staged. Grey: live. Red: years with another number of rows."
COLUMNS, PANEL_WIDTH, PANEL_HEIGHT = 3, 205.0, 62.0
MARGIN, GAP, FOOT = 14.0, 22.0, 34.0
SMALL = SIZE - 1.5
DOT = 2.2
# Heads of what is a number; anything else is words.
NUMBERS = ("n_", "events_", "estimate_", "shift_", "horizon_")


def preview_page(found, outside: list[str], population: str) -> str:
    """The page as text.

    Args:
        found: etl.difference.Difference of the live release and the staged one.
        outside: What of it is outside the bounds, in words.
        population: Whose numbers the home holds.
    """
    sections = [
        ("look", "What to look at", _look(outside)),
        ("years", "Rows by year", _years(found)),
        ("persons", "Persons who come, go or stand differently", _part(found, "persons")),
        ("steps", "Steps of the cohort flow", _part(found, "steps")),
        ("estimates", "Risks", [_part(found, "estimates"), _part(found, "verdicts")]),
        ("checks", "Checks", _part(found, "checks")),
        ("rows", "Rows by register, table and stage", _part(found, "rows")),
        ("made-from", "Made from", [_part(found, "keys"), _part(found, "deliveries")]),
    ]
    study = found.after.partition("/")[0]
    header = element(
        "header",
        element("h1", f"What release {found.after} would change"),
        element("p", f"Held against {found.before}, which is live.", class_="question"),
        internal(population),
        element("p", "To make it live: ", element("code", _command(study, outside))),
    )
    return whole_page(f"Preview of {found.after}", "Skip to what to look at", header, sections)


def _command(study: str, outside: list[str]) -> str:
    return f"kobling promote {study}" + (' --by NAME --reason "…"' if outside else "")


def _look(outside: list[str]) -> Html:
    if not outside:
        return element("p", "Nothing is outside the bounds.")
    return element("ul", [element("li", reason) for reason in outside])


# ------------------------------------------------------------------ tables

CAPTIONS = {
    "persons": "Persons by where they stood and stand; with another index date",
    "steps": "Steps with other persons",
    "estimates": "Risks in percent; the shift in percentage points",
    "verdicts": "Verdicts of the rule that are others",
    "checks": "Checks with another result",
    "rows": "Rows, where they differ",
    "keys": "Keys and contracts that are others",
    "deliveries": "Delivered files that are others",
}


def _part(found, part: str) -> Html:
    rows = getattr(found, part)
    if part in found.not_compared:
        return element("p", f"{CAPTIONS[part]}: the two releases have other tables; not compared.")
    if not rows:
        return table(CAPTIONS[part], [], [])
    columns = [
        number(_head(name)) if name.startswith(NUMBERS) else Column(_head(name)) for name in rows[0]
    ]
    return table(CAPTIONS[part], columns, [[_cell(*cell) for cell in row.items()] for row in rows])


def _head(name: str) -> str:
    return name.removeprefix("n_").replace("_", " ")


def _cell(name: str, value: object) -> Content:
    if value is None or value == "":
        return NONE
    if isinstance(value, bool):
        return "high-risk" if value else "not high-risk"
    if isinstance(value, float):
        return f"{value:+.2f}" if name.startswith("shift_") else percent(value, 2)
    return count(value) if isinstance(value, int) else str(value)


# ------------------------------------------------------------------ rows by year


def _years(found) -> list[Html]:
    tables = by_table(found.every_year)
    drawn = []
    if tables:
        picture = inline(_svg(tables), "years", f"{CAPTION}; the table holds what differs.")
        drawn = [
            element(
                "figure",
                element(
                    "div", picture, class_="scroll picture", role="region", aria_label=CAPTION,
                    tabindex=0,
                ),
                element("figcaption", f"{CAPTION}. {COLOURS}"),
            )
        ]  # fmt: skip
    rows = [
        [f"{row['register']}.{row['table_name']}", row["period"], count(row["n_expected"]),
         count(row["n_before"]), count(row["n_after"])]
        for row in found.years
    ]  # fmt: skip
    heads = [
        Column("table"), Column("year"), number("expected"), number("live"), number("staged")
    ]  # fmt: skip
    return [*drawn, table("Years with another number of landed rows", heads, rows)]


def by_table(every_year: list[dict]) -> dict[str, list[dict]]:
    """Tables that come by year, and their years in order."""
    tables: dict[str, list[dict]] = {}
    for row in every_year:
        tables.setdefault(f"{row['register']}.{row['table_name']}", []).append(row)
    return {name: rows for name, rows in tables.items() if len(rows) > 1}


def _svg(tables: dict[str, list[dict]]) -> str:
    with own_style(), tempfile.TemporaryDirectory() as folder:
        svg = Path(folder, "years.svg")
        draw(tables).save(svg, svg.with_suffix(".png"), CAPTION)
        return svg.read_text(encoding="utf-8")


def draw(tables: dict[str, list[dict]]) -> Sheet:
    """The figure, not yet saved: a panel for each table, all years of it from left to right."""
    lines = -(-len(tables) // COLUMNS)
    height = SIZE * LINE + PANEL_HEIGHT + FOOT
    sheet = Sheet(2 * MARGIN + COLUMNS * PANEL_WIDTH + (COLUMNS - 1) * GAP, MARGIN + lines * height)
    for place, (name, rows) in enumerate(sorted(tables.items())):
        left = MARGIN + place % COLUMNS * (PANEL_WIDTH + GAP)
        _panel(sheet, left, MARGIN + place // COLUMNS * height, name, rows)
    return sheet


def _panel(sheet: Sheet, left: float, top: float, name: str, rows: list[dict]) -> None:
    most = max(max(row["n_before"], row["n_after"]) for row in rows)
    top += SIZE
    highest = f"{most:,}"
    sheet.text(left, top, _cut(name, PANEL_WIDTH - width_of(highest, SMALL) - 8), bold=True)
    sheet.text(left + PANEL_WIDTH, top, highest, align="right", size=SMALL, colour=QUIET)
    top += SIZE * LINE - SIZE + 3
    bottom = top + PANEL_HEIGHT
    sheet.line([(left, bottom), (left + PANEL_WIDTH, bottom)], colour=FAINT)

    def at(nth: int, n: int) -> tuple[float, float]:
        return (
            left + nth * PANEL_WIDTH / (len(rows) - 1),
            bottom - PANEL_HEIGHT * n / max(most, 1),
        )

    for column, colour, width in (("n_before", FAINT, 2.4), ("n_after", BLUE, 1.0)):
        # A year that is not there ends the line: it is no year without rows.
        there = [at(i, row[column]) for i, row in enumerate(rows) if row[column]]
        if there:
            sheet.line(there, colour=colour, width=width)
    for nth, row in enumerate(rows):
        if row["n_before"] != row["n_after"]:
            x, y = at(nth, row["n_after"])
            sheet.box(x - DOT, y - DOT, 2 * DOT, 2 * DOT, fill=RED, order=4)
    sheet.text(left, bottom + SIZE + 1, rows[0]["period"], size=SMALL, colour=INK)
    sheet.text(
        left + PANEL_WIDTH, bottom + SIZE + 1, rows[-1]["period"], align="right", size=SMALL,
        colour=INK,
    )  # fmt: skip


def _cut(text: str, width: float) -> str:
    while width_of(text, SIZE, bold=True) > width and len(text) > 1:
        text = text[:-2] + "…"
    return text
