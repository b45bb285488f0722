"""The forest plot: for every group its events and risk, and the difference from the reference.

Two outcomes stand side by side; further ones follow below. Column widths come from the words.
"""

from dataclasses import dataclass
from pathlib import Path
from statistics import median_low

from etl.report.drawing import (
    BAND,
    FAINT,
    INK,
    LINE,
    QUIET,
    SIZE,
    Sheet,
    own_style,
    widest,
    width_of,
    wrapped,
)
from etl.report.numbers import (
    CARRIED_MARK,
    CARRIED_WORDS,
    FEW_MARK,
    FEW_WORDS,
    NONE,
    count,
    is_few,
    level_of,
    limits,
    marks,
    nice_ticks,
    percent,
    span,
    span_limits,
)

ALL = "(all)"
SIDE_BY_SIDE = 2
MARGIN, GAP, PANEL_GAP = 14.0, 14.0, 22.0
LABEL_WIDTH, INDENT = 176.0, 10.0  # labels wider than this are wrapped
UNKNOWN_GAP = 6.0
AXIS_WIDTH = 176.0
FAR_WIDER = 3  # times the usual width of an interval: cut at the axis
ROW = SIZE * LINE + 3.4
SMALL = SIZE - 1
TITLE = (SIZE + 1) * LINE
HEAD = 3.4 * ROW  # two lines of column heads, the threshold
FOOT = 2.6 * ROW  # ticks and the axis label


def forest_plot(document: dict, plan, svg: Path, png: Path) -> None:
    """Draw the risk differences of every factor, at the longest horizon, for every outcome."""
    with own_style():
        draw(document, plan).save(svg, png, "Risks and risk differences by factor")


# ------------------------------------------------------------------ what is shown


@dataclass(frozen=True)
class _Row:
    """A line of the figure: a factor's name, or one of its groups."""

    lines: tuple[str, ...]
    factor: str
    level: str | None  # None for the name of a factor
    shaded: bool
    unknown: str = ""  # how many have no level; after the last line where there is room for it

    @property
    def height(self) -> float:
        own_line = bool(self.unknown) and not self.has_room
        return ROW + (len(self.lines) - 1 + own_line) * SIZE * LINE

    @property
    def has_room(self) -> bool:
        name = width_of(self.lines[-1], SIZE, bold=True)
        return name + UNKNOWN_GAP + width_of(self.unknown, SMALL) <= LABEL_WIDTH

    @property
    def width(self) -> float:
        if self.level is not None:
            return widest(self.lines, bold=self.factor == ALL) + INDENT
        unknown = width_of(self.unknown, SMALL)
        last = width_of(self.lines[-1], bold=True)
        with_unknown = last + UNKNOWN_GAP + unknown if self.has_room else unknown
        return max(widest(self.lines, bold=True), with_unknown if self.unknown else 0)

    def draw(self, sheet: Sheet, y: float) -> None:
        is_name = self.level is None or self.factor == ALL
        x = MARGIN if is_name else MARGIN + INDENT
        for line in self.lines:
            y += SIZE * LINE
            sheet.text(x, y, line, bold=is_name)
        if self.has_room:
            x += width_of(self.lines[-1], SIZE, bold=True) + UNKNOWN_GAP
        else:
            y += SIZE * LINE
        sheet.text(x, y, self.unknown, size=SMALL, colour=QUIET)


@dataclass(frozen=True)
class _Cells:
    """What one outcome prints beside a group, and what it draws there."""

    events: str
    at_risk: str
    risk: str
    difference: str
    risk_marks: str
    difference_marks: str
    contrast: dict | None  # None where there is nothing to draw
    is_weak: bool


def _rows(document: dict, plan) -> list[_Row]:
    missing = {row["factor"]: row["n"] for row in document["missing"]}
    rows = [_Row(("All",), ALL, ALL, False)]
    for number, factor in enumerate(plan.factors):
        shaded = number % 2 == 0
        n = missing.get(factor.name)
        label = tuple(wrapped(factor.label, LABEL_WIDTH, bold=True))
        unknown = f"{count(n)} not known" if n else ""
        rows.append(_Row(label, factor.name, None, shaded, unknown))
        for level in factor.levels:
            lines = tuple(wrapped(level, LABEL_WIDTH - INDENT))
            rows.append(_Row(lines, factor.name, level, shaded))
    return rows


def _cells(document: dict, plan, outcome: str, horizon: int) -> dict[tuple[str, str], _Cells]:
    def here(part: str) -> dict[tuple[str, str], dict]:
        return {
            (row["factor"], row["level"]): row
            for row in document[part]
            if (row["outcome"], row["horizon_days"]) == (outcome, horizon)
        }

    risks, contrasts = here("risks"), here("contrasts")
    references = {factor.name: factor.reference for factor in plan.factors}
    cells = {}
    for (factor, level), risk in risks.items():
        contrast = contrasts.get((factor, level))
        if contrast is None:
            both, difference = [risk], "" if factor == ALL else "reference"
        else:
            both = [risk, risks[factor, references[factor]]]
            difference = _estimate(
                contrast["risk_difference"],
                span_limits(contrast["recommended_lower"], contrast["recommended_upper"]),
            )
        drawn = contrast if contrast and contrast["risk_difference"] is not None else None
        cells[factor, level] = _Cells(
            events=f"{count(risk['events'])} / {count(risk['n'])}",
            at_risk=count(risk["at_risk"]),
            risk=_estimate(
                risk["estimate"], limits(risk["recommended_lower"], risk["recommended_upper"])
            ),
            difference=difference,
            risk_marks=marks(risk),
            difference_marks=marks(*both) if drawn else "",
            contrast=drawn,
            is_weak=any(map(is_few, both)),
        )
    return cells


def _estimate(estimate: float | None, interval: str) -> str:
    return NONE if estimate is None else f"{percent(estimate)} ({interval})"


# ------------------------------------------------------------------ one outcome


class _Panel:
    """One outcome: its columns, as wide as their words, and its axis."""

    def __init__(self, document: dict, plan, outcome, horizon: int):
        self.outcome = outcome
        self.cells = _cells(document, plan, outcome.name, horizon)
        ci = f"({level_of(document)} % CI)"
        self.heads = (
            ("Events", "/ n"),
            ("At risk at", span(horizon)),
            ("Risk, %", ci),
            ("RD, points", ci),
        )
        columns = zip(
            *((c.events, c.at_risk, c.risk, c.difference) for c in self.cells.values()),
            strict=True,
        )
        columns = list(columns) or [()] * 4
        self.widths = [
            max(widest(head, SMALL), widest(column))
            for head, column in zip(self.heads, columns, strict=True)
        ]
        self.ticks = _axis(self.cells.values(), outcome.threshold)
        self.width = sum(self.widths) + AXIS_WIDTH + 4 * GAP
        self.title = wrapped(outcome.label, self.width, SIZE + 1, bold=True)

    def draw(self, sheet: Sheet, left: float, top: float, rows: list[tuple[float, _Row]]) -> None:
        """`top` is where the column heads begin; the title stands above it."""
        ends, x = [], left
        for number, width in enumerate(self.widths):
            if number == 3:
                self.axis_left = x
                x += AXIS_WIDTH + GAP
            x += width
            ends.append(x)
            x += GAP
        bottom = rows[-1][0] + rows[-1][1].height
        self._head(sheet, left, top, ends)
        self._axis(sheet, top + HEAD, bottom)
        for y, row in rows:
            cells = self.cells.get((row.factor, row.level))
            if cells is None:
                continue
            texts = (cells.events, cells.at_risk, cells.risk, cells.difference)
            # Marks hang outside, so that the figures stay in line.
            after = (cells.risk_marks, "", "", cells.difference_marks)
            baseline = y + SIZE * LINE
            for number, (end, text, mark) in enumerate(zip(ends, texts, after, strict=True)):
                is_quiet = number == 1 or text in ("reference", NONE)
                look = {"align": "right", "colour": QUIET if is_quiet else INK}
                sheet.text(end, baseline, text, **look)
                sheet.text(end + 0.5, baseline, mark)
            if cells.contrast:
                self._interval(sheet, y + ROW / 2 + 0.8, cells.contrast, cells.is_weak)

    def _head(self, sheet: Sheet, left: float, top: float, ends: list[float]) -> None:
        right = ends[-1]
        for number, line in enumerate(reversed(self.title)):
            sheet.text(left, top - 6 - number * TITLE, line, size=SIZE + 1, bold=True)
        sheet.line([(left, top), (right, top)], width=1.0)
        for line in (0, 1):
            y = top + 3 + (line + 1) * SMALL * LINE
            for end, head in zip(ends, self.heads, strict=True):
                sheet.text(end, y, head[line], align="right", size=SMALL, colour=QUIET)
            words = ("Risk difference (RD) from", "the reference group")[line]
            middle = self.axis_left + AXIS_WIDTH / 2
            sheet.text(middle, y, words, align="center", size=SMALL, colour=QUIET)

    def _x(self, value: float) -> float:
        low, high = self.ticks[0], self.ticks[-1]
        return self.axis_left + (value - low) / (high - low) * AXIS_WIDTH

    def _axis(self, sheet: Sheet, top: float, bottom: float) -> None:
        y = bottom + 4
        sheet.line([(self._x(self.ticks[0]), y), (self._x(self.ticks[-1]), y)])
        for tick in self.ticks:
            sheet.line([(self._x(tick), y), (self._x(tick), y + 3)])
            words = f"{100 * tick:g}".replace("-", "−")
            sheet.text(self._x(tick), y + 5 + SMALL, words, align="center", size=SMALL)
        words = "percentage points"
        middle = self.axis_left + AXIS_WIDTH / 2
        below = y + 6 + SMALL + SMALL * LINE
        sheet.text(middle, below, words, align="center", size=SMALL, colour=QUIET)
        sheet.line([(self._x(0), top), (self._x(0), y)], width=0.9, order=1.5)
        threshold = self.outcome.threshold
        if threshold is not None:
            x = self._x(threshold)
            sheet.line([(x, top), (x, y)], width=0.9, style=(0, (4, 2.5)), order=1.5)
            words = f"threshold {100 * threshold:g}"
            half = width_of(words, SMALL) / 2
            x = min(max(x, self.axis_left + half), self.axis_left + AXIS_WIDTH - half)
            sheet.text(x, top - 3, words, align="center", size=SMALL)

    def _interval(self, sheet: Sheet, y: float, contrast: dict, is_weak: bool) -> None:
        self._whisker(sheet, y - 1.6, contrast["recommended_lower"], contrast["recommended_upper"])
        self._whisker(sheet, y + 3.6, contrast["lower"], contrast["upper"], published=True)
        x, half = self._x(contrast["risk_difference"]), 2.9
        sheet.box(
            x - half, y - 1.6 - half, 2 * half, 2 * half,
            fill="white" if is_weak else INK, edge=INK, order=5,
        )  # fmt: skip

    def _whisker(
        self, sheet: Sheet, y: float, lower: float | None, upper: float | None, published=False
    ) -> None:
        if lower is None or upper is None:
            return
        low, high = self.ticks[0], self.ticks[-1]
        ends = [self._x(min(max(value, low), high)) for value in (lower, upper)]
        look = {"width": 0.8, "colour": QUIET} if published else {"width": 1.7}
        sheet.line([(ends[0], y), (ends[1], y)], order=3, **look)
        for end, is_cut, direction in zip(ends, (lower < low, upper > high), (-1, 1), strict=True):
            if is_cut:
                sheet.arrow_head(end + direction * 2, y, direction, 0, 3 if published else 5)
            else:
                half = 1.4 if published else 2.4
                sheet.line([(end, y - half), (end, y + half)], order=3, **(look | {"width": 0.8}))


def _axis(cells, threshold: float | None) -> list[float]:
    """Ticks that cover every estimate, and every interval but those far wider than most.

    An interval from a handful of persons reaches over half the scale and would press all others
    together; it is cut with an arrow head and stands in figures beside.
    """
    values = [0.0, threshold or 0.0, -0.02, 0.04]
    contrasts = [cell.contrast for cell in cells if cell.contrast]
    values += [contrast["risk_difference"] for contrast in contrasts]
    intervals = [ends for contrast in contrasts if (ends := _ends(contrast))]
    if intervals:
        usual = median_low(max(ends) - min(ends) for ends in intervals)
        for ends in intervals:
            if max(ends) - min(ends) <= FAR_WIDER * usual:
                values += ends
    low, high = min(values), max(values)
    # Room for a marker at either end.
    return nice_ticks(low - 0.02 * (high - low), high + 0.02 * (high - low))


# ------------------------------------------------------------------ the sheet


def draw(document: dict, plan) -> Sheet:
    """The figure, not yet saved."""
    horizon = max(plan.horizons_days)
    rows = _rows(document, plan)
    panels = [_Panel(document, plan, outcome, horizon) for outcome in plan.outcomes]
    bands = [panels[i : i + SIDE_BY_SIDE] for i in range(0, len(panels), SIDE_BY_SIDE)]
    panels_left = MARGIN + max(row.width for row in rows) + PANEL_GAP
    width = panels_left + MARGIN + max(
        sum(panel.width for panel in band) + PANEL_GAP * (len(band) - 1) for band in bands
    )  # fmt: skip
    body = sum(row.height for row in rows)
    captions = wrapped(_caption(document, panels, horizon), width - 2 * MARGIN, SMALL)
    heads = [max(len(panel.title) for panel in band) * TITLE + 4 for band in bands]
    height = (
        2 * MARGIN
        + sum(heads)
        + len(bands) * (HEAD + body + FOOT + 6)
        + len(captions) * SMALL * LINE
        + 4
    )
    sheet = Sheet(width, height)
    top = MARGIN
    for band, head in zip(bands, heads, strict=True):
        top += head
        placed, y = [], top + HEAD
        for row in rows:
            placed.append((y, row))
            if row.shaded:
                sheet.box(MARGIN - 7, y, width - 2 * MARGIN + 14, row.height, fill=BAND, order=0)
            row.draw(sheet, y)
            y += row.height
        x = panels_left
        for panel in band:
            panel.draw(sheet, x, top, placed)
            x += panel.width + PANEL_GAP
        top = y + FOOT + 6
    sheet.line([(MARGIN, top - 2), (width - MARGIN, top - 2)], width=0.5, colour=FAINT)
    for number, line in enumerate(captions):
        y = top + 4 + (number + 1) * SMALL * LINE
        sheet.text(MARGIN, y, line, size=SMALL, colour=QUIET)
    return sheet


def _caption(document: dict, panels: list[_Panel], horizon: int) -> str:
    level = level_of(document)
    cells = [cell for panel in panels for cell in panel.cells.values()]
    drawn = any(cell.contrast for cell in cells)
    texts = "".join(cell.risk_marks + cell.difference_marks for cell in cells)
    cut = any(
        cell.contrast and _is_cut(cell.contrast, panel.ticks)
        for panel in panels
        for cell in panel.cells.values()
    )
    return " ".join(
        sentence
        for sentence, is_needed in (
            (f"Risks within {span(horizon)} ({horizon:,} days), death competing.", True),
            ("At risk: still followed just before that day.", True),
            (
                f"Square and thick line: RD with the recommended {level} % interval (MOVER), "
                "printed beside; thin grey line below: the interval as published (Wald).",
                drawn,
            ),
            ("Risks carry the recommended interval (Wilson type).", True),
            (f"{FEW_MARK} and open square: {FEW_WORDS}.", FEW_MARK in texts),
            (f"{CARRIED_MARK}: {CARRIED_WORDS}.", CARRIED_MARK in texts),
            ("Arrow head: the interval goes on beyond the axis.", cut),
            (f"{NONE}: cannot be estimated.", any(NONE in (c.risk, c.difference) for c in cells)),
        )
        if is_needed
    )


def _is_cut(contrast: dict, ticks: list[float]) -> bool:
    return any(value < ticks[0] or value > ticks[-1] for value in _ends(contrast))


def _ends(contrast: dict) -> list[float]:
    """Of both intervals."""
    names = ("lower", "upper", "recommended_lower", "recommended_upper")
    return [contrast[name] for name in names if contrast[name] is not None]
