"""How the cohort came about: every step with who went in and who left, as a picture and a line."""

from pathlib import Path

from etl.report.drawing import BAND, LINE, QUIET, SIZE, Sheet, own_style, widest, wrapped
from etl.report.numbers import count

MARGIN, PAD = 14.0, 9.0
BOX_WIDTH, SIDE_WIDTH = 190.0, 230.0
SIDE_GAP, DOWN_GAP = 34.0, 16.0
STEP = SIZE * LINE
# A label may name the unit that goes in and, after this, what is left out.
BOTH = "; excluded: "


def cohort_flow(attrition: list[dict], svg: Path, png: Path, title: str) -> None:
    """Draw the steps downwards and those who left at the side."""
    with own_style():
        draw(attrition, title).save(svg, png, title)


def flow_line(attrition: list[dict]) -> str:
    """The steps that persons went through, in one line for the terminal."""
    rows = _in_order(attrition)
    if not rows:
        return "Cohort flow: no steps"
    units = rows[-1]["unit"]
    rows = [row for row in rows if row["unit"] == units]
    start = _name(rows[0]) if _is_start(rows, 0) else units
    words = [f"Cohort flow: {count(rows[0]['n_in'])} {_lowered(start)}"]
    words += [
        f"− {count(row['n_excluded'])} {_lowered(_reason(row))}"
        for row in rows
        if row["n_excluded"]
    ]
    return " ".join([*words, f"→ {count(rows[-1]['n_out'])} included"])


def flow_table(attrition: list[dict]) -> str:
    """Every step with who went in, who left and who went on, for the terminal."""
    rows = [("step", "in", "left", "on", "unit", "left because")]
    steps = _in_order(attrition)
    for number, row in enumerate(steps):
        n = [count(row[name]) for name in ("n_in", "n_excluded", "n_out")]
        reason = "" if _is_start(steps, number) else _reason(row)
        rows.append((str(row["step"]), *n, row["unit"], reason))
    widths = [max(len(row[i]) for row in rows) for i in range(5)]
    lines = []
    for *numbers, unit, reason in rows:
        cells = [cell.rjust(width) for cell, width in zip(numbers, widths, strict=False)]
        lines.append("  ".join([*cells, unit.ljust(widths[4]), reason]).rstrip())
    return "\n".join(lines)


def _in_order(attrition: list[dict]) -> list[dict]:
    return sorted(attrition, key=lambda row: row["step"])


def _is_start(rows: list[dict], number: int) -> bool:
    """The first step of a unit where nobody leaves only says how many there are."""
    is_first = number == 0 or rows[number - 1]["unit"] != rows[number]["unit"]
    return is_first and rows[number]["n_excluded"] == 0


def _name(row: dict) -> str:
    return row["label"].partition(BOTH)[0]


def _reason(row: dict) -> str:
    before, is_both, after = row["label"].partition(BOTH)
    return after if is_both else before


def _lowered(words: str) -> str:
    """Without the capital of a sentence; an abbreviation keeps its own."""
    return words[:1].lower() + words[1:] if words[1:2].islower() else words


# ------------------------------------------------------------------ the picture


# Number, words, and who leaves after it: how many and why.
Box = tuple[str, str, tuple[str, str] | None]


def _boxes(attrition: list[dict]) -> list[Box]:
    """From the top down; the last one is who is in."""
    rows = _in_order(attrition)
    boxes: list[Box] = []
    for number, row in enumerate(rows):
        left = None if _is_start(rows, number) else (count(row["n_excluded"]), _reason(row))
        last = rows[number - 1] if number else None
        if last is None:
            words = _name(row) if left is None or BOTH in row["label"] else row["unit"]
        elif last["unit"] != row["unit"]:
            words = f"{_name(row)}, from {count(last['n_out'])} {last['unit']}"
        elif boxes[-1][2] is None:  # nobody left the step before: the same persons, named already
            boxes[-1] = (*boxes[-1][:2], left)
            continue
        else:
            words = row["unit"]
        boxes.append((count(row["n_in"]), words, left))
    if boxes and boxes[-1][2] is not None:
        boxes.append((count(rows[-1]["n_out"]), f"{rows[-1]['unit']} included", None))
    return boxes


def draw(attrition: list[dict], title: str) -> Sheet:
    """The picture, not yet saved."""
    return draw_boxes(_boxes(attrition), title)


def draw_boxes(boxes: list[Box], title: str) -> Sheet:
    """Boxes downwards, with arrows, and beside each arrow who leaves there."""
    width = 2 * MARGIN + BOX_WIDTH + SIDE_GAP + SIDE_WIDTH
    titles = wrapped(title, width - 2 * MARGIN, SIZE + 1, bold=True)
    number_width = max(
        widest((number for number, _, _ in boxes), SIZE + 1, bold=True),
        widest((left[0] for _, _, left in boxes if left), SIZE, bold=True),
    )
    words_left = PAD + number_width + 7
    texts = [
        (
            wrapped(words, BOX_WIDTH - words_left - PAD),
            wrapped(left[1], SIDE_WIDTH - words_left - PAD) if left else [],
        )
        for _, words, left in boxes
    ]
    heights = [len(lines) * STEP + PAD for lines, _ in texts]
    side_heights = [len(lines) * STEP + PAD for _, lines in texts]
    # The one who leaves stands beside the arrow between two boxes.
    gaps = [
        max(DOWN_GAP, side_height + 10) if left else DOWN_GAP
        for (_, _, left), side_height in zip(boxes, side_heights, strict=True)
    ]
    body = sum(heights) + sum(gaps[:-1])
    sheet = Sheet(width, 2 * MARGIN + len(titles) * (STEP + 2) + 8 + body)
    y = MARGIN
    for line in titles:
        y += STEP + 2
        sheet.text(MARGIN, y, line, size=SIZE + 1, bold=True)
    y += 8
    axis, side = MARGIN + BOX_WIDTH / 2, MARGIN + BOX_WIDTH + SIDE_GAP
    for number, (n, _, left) in enumerate(boxes):
        lines, side_lines = texts[number]
        is_last = number == len(boxes) - 1
        sheet.box(
            MARGIN, y, BOX_WIDTH, heights[number], fill=BAND if is_last else "white", edge="#111111"
        )
        _words(sheet, MARGIN, y, n, lines, words_left, SIZE + 1)
        y += heights[number]
        if is_last:
            break
        middle = y + gaps[number] / 2
        sheet.line([(axis, y), (axis, y + gaps[number] - 3)], width=1.0)
        sheet.arrow_head(axis, y + gaps[number], 0, 1, 5)
        if left:
            sheet.line([(axis, middle), (side - 3, middle)], width=1.0)
            sheet.arrow_head(side, middle, 1, 0, 5)
            top = middle - side_heights[number] / 2
            sheet.box(side, top, SIDE_WIDTH, side_heights[number], fill="white", edge=QUIET)
            _words(sheet, side, top, left[0], side_lines, words_left, SIZE)
        y += gaps[number]
    return sheet


def _words(
    sheet: Sheet, x: float, y: float, number: str, lines: list[str], words_left: float, size: float
) -> None:
    baseline = y + PAD / 2 + SIZE
    sheet.text(x + words_left - 7, baseline, number, align="right", size=size, bold=True)
    for line in lines:
        sheet.text(x + words_left, baseline, line)
        baseline += STEP
