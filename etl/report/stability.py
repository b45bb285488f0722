"""How stable the rule's verdicts are: a strip per factor with its share of bootstrap samples."""

from pathlib import Path

from etl.report.drawing import (
    BAND,
    BLUE,
    FAINT,
    INK,
    LINE,
    QUIET,
    SIZE,
    Sheet,
    own_style,
    widest,
    wrapped,
)
from etl.report.numbers import NONE, count, percent, span

MARGIN, GAP = 14.0, 14.0
LABEL_WIDTH, STRIP_WIDTH, STRIP_HEIGHT = 230.0, 240.0, 9.0
SMALL = SIZE - 1
STEP = SIZE * LINE
ROW_GAP = 5.0
HEAD = STEP + 7  # the column heads, clear of a title that reaches over them
FOOT = 2.6 * SMALL * LINE
HATCH = 4.0  # between two lines of a hatched strip
HALF = 0.5  # as often one verdict as the other
VERDICTS = {True: "high-risk", False: "not high-risk", None: "no answer"}


def stability_strip(document: dict, plan, svg: Path, png: Path) -> None:
    """Draw, for every verdict of the rule, the share of bootstrap samples in which it is high."""
    with own_style():
        draw(document, plan).save(svg, png, "How often the rule holds")


def draw(document: dict, plan) -> Sheet:
    """The figure, not yet saved: a block per outcome at the longest horizon, a row per level."""
    horizon = max(plan.horizons_days)
    factors = {factor.name: factor for factor in plan.factors}
    blocks = []
    for outcome in plan.outcomes:
        rows = [
            (wrapped(f"{factors[row['factor']].label}: {row['level']}", LABEL_WIDTH), row)
            for row in document["rule"]
            if (row["outcome"], row["horizon_days"]) == (outcome.name, horizon)
        ]
        blocks.append((outcome, rows))
    texts = [_texts(row) for _, rows in blocks for _, row in rows] or [("", "", "")]
    heads = ("RD", "samples above", "verdict")
    widths = [
        max(widest(column), widest([head], SMALL))
        for column, head in zip(zip(*texts, strict=True), heads, strict=True)
    ]
    strip = MARGIN + LABEL_WIDTH + GAP + widths[0] + GAP
    width = strip + STRIP_WIDTH + 2 * GAP + widths[1] + widths[2] + MARGIN
    titles = [
        wrapped(
            outcome.label
            if outcome.threshold is None
            else f"{outcome.label}: risk difference above {100 * outcome.threshold:g} points",
            width - 2 * MARGIN, SIZE + 1, bold=True,
        )
        for outcome, _ in blocks
    ]  # fmt: skip
    samples = max((row["bootstrap_samples"] for row in document["rule"]), default=0)
    captions = wrapped(
        f"Share of {count(samples)} bootstrap samples in which the risk difference within "
        f"{span(horizon)} is above the threshold. Filled: high-risk by the estimate itself; "
        "hatched: not high-risk. Near the middle another draw of the same persons could have "
        "turned the verdict.",
        width - 2 * MARGIN,
        SMALL,
    )
    height = 2 * MARGIN + len(captions) * SMALL * LINE + 4
    for title, (_, rows) in zip(titles, blocks, strict=True):
        height += len(title) * (STEP + 1) + HEAD + sum(map(_height, rows)) + FOOT
        height += 0 if rows else STEP
    sheet = Sheet(width, height)
    y = MARGIN
    for title, (_, rows) in zip(titles, blocks, strict=True):
        for line in title:
            y += STEP + 1
            sheet.text(MARGIN, y, line, size=SIZE + 1, bold=True)
        y += HEAD
        if not rows:
            y += STEP
            sheet.text(MARGIN, y, "no factor is judged by a rule", colour=QUIET)
            y += FOOT
            continue
        ends = (strip - GAP, strip + STRIP_WIDTH + GAP + widths[1])
        for end, head in zip(ends, heads, strict=False):
            sheet.text(end, y - 3, head, align="right", size=SMALL, colour=QUIET)
        sheet.text(ends[1] + GAP, y - 3, heads[2], size=SMALL, colour=QUIET)
        top = y
        for number, row in enumerate(rows):
            _row(sheet, strip, ends, y, row, shaded=number % 2 == 0, right=width - MARGIN)
            y += _height(row)
        _axis(sheet, strip, top, y)
        y += FOOT
    for line in captions:
        y += SMALL * LINE
        sheet.text(MARGIN, y + 2, line, size=SMALL, colour=QUIET)
    return sheet


def _texts(row: dict) -> tuple[str, str, str]:
    share = row["bootstrap_share"]
    return (
        # Two decimals: a difference may lie close to the threshold.
        percent(row["risk_difference"], 2),
        NONE if share is None else f"{percent(share, 0)} %",
        VERDICTS[row["high_risk"]],
    )


def _height(row: tuple[list[str], dict]) -> float:
    return len(row[0]) * STEP + ROW_GAP


def _row(sheet: Sheet, strip: float, ends, y: float, row, *, shaded: bool, right: float) -> None:
    lines, values = row
    if shaded:
        sheet.box(MARGIN - 4, y, right - MARGIN + 8, _height(row), fill=BAND, order=0)
    for number, line in enumerate(lines):
        sheet.text(MARGIN, y + 2 + SIZE + number * STEP, line)
    difference, share, verdict = _texts(values)
    baseline = y + 2 + SIZE
    sheet.text(ends[0], baseline, difference, align="right")
    sheet.text(ends[1], baseline, share, align="right")
    sheet.text(ends[1] + GAP, baseline, verdict, bold=bool(values["high_risk"]))
    top = y + 2 + (STEP - STRIP_HEIGHT) / 2
    sheet.box(strip, top, STRIP_WIDTH, STRIP_HEIGHT, fill="white", edge=FAINT, order=2)
    if values["bootstrap_share"] is None:
        return
    reach = strip + values["bootstrap_share"] * STRIP_WIDTH
    if values["high_risk"]:
        sheet.box(strip, top, reach - strip, STRIP_HEIGHT, fill=BLUE, edge=INK, order=3)
        return
    # Lines, not a second colour: told apart in black and white. Slanted, as the middle is not.
    sheet.box(strip, top, reach - strip, STRIP_HEIGHT, fill="white", edge=INK, order=3)
    x = strip + HATCH
    while x < reach + STRIP_HEIGHT:
        start, end = min(x, reach), max(x - STRIP_HEIGHT, strip)
        sheet.line([(start, top + x - start), (end, top + x - end)], width=0.6, order=3.5)
        x += HATCH


def _axis(sheet: Sheet, strip: float, top: float, bottom: float) -> None:
    sheet.line([(strip, bottom + 2), (strip + STRIP_WIDTH, bottom + 2)])
    middle = strip + HALF * STRIP_WIDTH
    # White below the dashes: seen on a filled strip too.
    sheet.line([(middle, top), (middle, bottom + 2)], width=2.2, colour="white", order=3.8)
    sheet.line([(middle, top), (middle, bottom + 2)], width=0.9, style=(0, (4, 2.5)), order=4)
    for share in (0, 0.25, 0.5, 0.75, 1):
        x = strip + share * STRIP_WIDTH
        sheet.line([(x, bottom + 2), (x, bottom + 5)])
        sheet.text(x, bottom + 7 + SMALL, f"{100 * share:g} %", align="center", size=SMALL)
