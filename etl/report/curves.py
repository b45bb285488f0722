"""Cumulative incidence of the whole cohort: each outcome, and above it who died first."""

from math import ceil
from pathlib import Path

from etl.report.drawing import (
    BLUE,
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
from etl.report.numbers import count, nice_ticks, percent, span

ALL = "(all)"
SIDE_BY_SIDE = 2
MARGIN, PANEL_GAP = 14.0, 30.0
PLOT_WIDTH, PLOT_HEIGHT = 300.0, 200.0
END_WIDTH = 96.0  # for the words at the right end of a curve
SMALL = SIZE - 1
STEP = SIZE * LINE
DEATH = "Competing death first"
TABLE = ("At risk", "Events", "Deaths first")
DAYS_PER_YEAR, DAYS_PER_MONTH = 365.25, 365.25 / 12


def cumulative_incidence(curve: list[dict], plan, svg: Path, png: Path) -> None:
    """Draw the curve of everyone, up to the longest horizon, for every outcome."""
    with own_style():
        draw(curve, plan).save(svg, png, "Cumulative incidence")


def draw(curve: list[dict], plan) -> Sheet:
    """The figure, not yet saved."""
    horizon = max(plan.horizons_days)
    curves = [_of_everyone(curve, outcome.name, horizon) for outcome in plan.outcomes]
    scale = nice_ticks(0, max([0.04, *(_height(rows) for rows in curves)]))
    # The first number of the table is centred on the axis; the names stand left of it.
    half = widest((count(row["n_at_risk"]) for rows in curves for row in rows[:1]), SMALL) / 2
    names = max(widest(TABLE, SMALL) + half, widest(map(_percent, scale), SMALL)) + 12
    titles = [
        wrapped(outcome.label, PLOT_WIDTH + END_WIDTH, SIZE + 1, bold=True)
        for outcome in plan.outcomes
    ]
    ends = [_short(wrapped(outcome.label, END_WIDTH, SMALL)) for outcome in plan.outcomes]
    head = max(len(lines) for lines in titles) * (STEP + 1) + 8
    panel_width = names + PLOT_WIDTH + 6 + END_WIDTH
    panel_height = head + PLOT_HEIGHT + 2.4 * STEP + (len(TABLE) + 1) * STEP + 16
    across = min(SIDE_BY_SIDE, len(curves))
    down = -(-len(curves) // SIDE_BY_SIDE)
    width = 2 * MARGIN + across * panel_width + (across - 1) * PANEL_GAP
    captions = wrapped(
        f"Aalen–Johansen estimates for the whole cohort, up to {span(horizon)}. Dark area: the "
        "outcome. Grey area on top: death without the outcome before it. Dashed: recommended "
        "95 % interval of the outcome (Wilson type). At risk: followed just before that time; "
        "events and deaths: up to and including it.",
        width - 2 * MARGIN,
        SMALL,
    )
    sheet = Sheet(width, 2 * MARGIN + down * panel_height + len(captions) * SMALL * LINE)
    for number, rows in enumerate(curves):
        left = MARGIN + (number % SIDE_BY_SIDE) * (panel_width + PANEL_GAP)
        top = MARGIN + (number // SIDE_BY_SIDE) * panel_height
        for line_number, line in enumerate(titles[number]):
            y = top + (line_number + 1) * (STEP + 1)
            sheet.text(left, y, line, size=SIZE + 1, bold=True)
        _Panel(sheet, left + names, top + head, scale, horizon).draw(rows, ends[number])
    top = MARGIN + down * panel_height
    for number, line in enumerate(captions):
        sheet.text(MARGIN, top + (number + 1) * SMALL * LINE, line, size=SMALL, colour=QUIET)
    return sheet


def _short(lines: list[str]) -> list[str]:
    """A label that would be a paragraph beside its curve stands in the title only."""
    return lines if len(lines) <= 3 else ["Outcome"]


def _of_everyone(curve: list[dict], outcome: str, horizon: int) -> list[dict]:
    """One row per day, in order; the first row past the horizon counts who is at risk at it."""
    rows = sorted(
        (row for row in curve if (row["outcome"], row["factor"]) == (outcome, ALL)),
        key=lambda row: row["days"],
    )
    within = [row for row in rows if row["days"] <= horizon]
    return rows[: len(within) + 1]


def _height(rows: list[dict]) -> float:
    return max(
        (max(row["risk"] + row["competing_risk"], row["recommended_upper"] or 0) for row in rows),
        default=0.0,
    )


def _times(horizon: int) -> tuple[list[tuple[int, str]], str]:
    """Days to put a tick at with their words, and the unit."""
    unit, per = ("Years", DAYS_PER_YEAR) if horizon >= 2 * 365 else ("Months", DAYS_PER_MONTH)
    n = int((horizon + 1) / per)
    step = next((s for s in (1, 2, 3, 5, 6, 10, 20) if n // s <= 8), 50)
    return [(round(i * per), str(i)) for i in range(0, n + 1, step)], f"{unit} since the index date"


class _Panel:
    """The axes of one outcome on the sheet."""

    def __init__(self, sheet: Sheet, left: float, top: float, scale: list[float], horizon: int):
        self.sheet, self.left, self.top = sheet, left, top
        self.scale, self.horizon = scale, horizon
        self.bottom, self.right = top + PLOT_HEIGHT, left + PLOT_WIDTH

    def _x(self, days: float) -> float:
        return self.left + min(days, self.horizon) / self.horizon * PLOT_WIDTH

    def _y(self, risk: float) -> float:
        return self.bottom - risk / self.scale[-1] * PLOT_HEIGHT

    def draw(self, rows: list[dict], label: list[str]) -> None:
        ticks, words = _times(self.horizon)
        self._axes(ticks, words)
        if not rows:
            middle = (self.left + self.right) / 2
            y = self._y(self.scale[-1] - self.scale[1] / 2)  # between two lines of the grid
            self.sheet.text(middle, y, "nobody in this analysis", align="center", colour=QUIET)
            return
        shown = [row for row in rows if row["days"] <= self.horizon]
        # Past the last follow-up nothing is known, and the curve ends there.
        end = self.horizon if len(rows) > len(shown) else shown[-1]["days"]
        risk = self._steps(shown, lambda row: row["risk"], end)
        both = self._steps(shown, lambda row: row["risk"] + row["competing_risk"], end)
        floor = [(self._x(end), self._y(0)), (self._x(0), self._y(0))]
        self.sheet.area([*both, *reversed(risk)], fill="#d9d9d9", order=1)
        self.sheet.area([*risk, *floor], fill=BLUE, order=1.2)
        self.sheet.line(both, width=0.9, colour=QUIET, order=3)
        self.sheet.line(risk, width=1.4, order=3.2)
        for column, colour in (("recommended_lower", "white"), ("recommended_upper", INK)):
            if all(row[column] is not None for row in shown):
                limit = self._steps(shown, lambda row, c=column: row[c], end)
                self.sheet.line(limit, width=0.9, colour=colour, style=(0, (3, 2)), order=3.1)
        self._words_at_the_end(shown[-1], label)
        self._table(rows, ticks)

    def _steps(self, rows: list[dict], value, end: int) -> list[tuple[float, float]]:
        points, last = [(self._x(0), self._y(0))], 0.0
        if rows[0]["days"] == 0:
            last = value(rows[0])
            points = [(self._x(0), self._y(last))]
        for row in rows:
            points += [
                (self._x(row["days"]), self._y(last)),
                (self._x(row["days"]), self._y(value(row))),
            ]
            last = value(row)
        return [*points, (self._x(end), self._y(last))]

    def _axes(self, ticks: list[tuple[int, str]], words: str) -> None:
        sheet = self.sheet
        for tick in self.scale:
            y = self._y(tick)
            sheet.line([(self.left, y), (self.right, y)], width=0.5, colour="#e4e4e4", order=0.5)
            sheet.line([(self.left - 3, y), (self.left, y)])
            sheet.text(self.left - 6, y + 3, _percent(tick), align="right", size=SMALL)
        sheet.line([(self.left, self.top), (self.left, self.bottom)], order=4)
        sheet.line([(self.left, self.bottom), (self.right, self.bottom)], order=4)
        for days, label in ticks:
            x = self._x(days)
            sheet.line([(x, self.bottom), (x, self.bottom + 3)], order=4)
            sheet.text(x, self.bottom + 5 + SMALL, label, align="center", size=SMALL)
        middle = (self.left + self.right) / 2
        y = self.bottom + 6 + SMALL + SMALL * LINE
        sheet.text(middle, y, words, align="center", size=SMALL, colour=QUIET)

    def _words_at_the_end(self, last: dict, label: list[str]) -> None:
        """What the areas are, beside their right ends, and never over one another."""
        step = SMALL * LINE
        upper = [*wrapped(DEATH, END_WIDTH, SMALL), f"{percent(last['competing_risk'])} %"]
        lower = [*label, f"{percent(last['risk'])} %"]
        # Baselines of the first lines; each block is centred on its area, the lower one first.
        low = self._y(last["risk"] / 2) - len(lower) * step / 2 + SMALL
        low = min(low, self.bottom - (len(lower) - 1) * step)
        high = self._y(last["risk"] + last["competing_risk"] / 2) - len(upper) * step / 2 + SMALL
        high = min(high, low - len(upper) * step - 3)
        for first, lines, colour in ((low, lower, BLUE), (high, upper, QUIET)):
            for number, line in enumerate(lines):
                is_number = number == len(lines) - 1
                self.sheet.text(
                    self.right + 6, first + number * step, line,
                    size=SMALL, bold=is_number, colour=colour,
                )  # fmt: skip

    def _table(self, rows: list[dict], ticks: list[tuple[int, str]]) -> None:
        top = self.bottom + 2.4 * STEP + 8
        self.sheet.line([(self.left, top), (self.right, top)], width=0.5, colour=FAINT)
        # Registers count in millions: numbers too wide for every tick stand at every other one.
        room = PLOT_WIDTH / max(len(ticks) - 1, 1)
        needed = width_of(count(rows[0]["n_at_risk"]), SMALL) + 8
        ticks = ticks[:: ceil(needed / room)]
        for number, name in enumerate(TABLE):
            y = top + (number + 1) * STEP
            names = self.left - 8 - width_of(count(rows[0]["n_at_risk"]), SMALL) / 2
            self.sheet.text(names, y, name, align="right", size=SMALL, colour=QUIET)
            for days, _ in ticks:
                at_risk, events, deaths = _counts_at(rows, days)
                n = (at_risk, events, deaths)[number]
                self.sheet.text(self._x(days), y, count(n), align="center", size=SMALL)


def _percent(risk: float) -> str:
    return f"{100 * risk:g} %"


def _counts_at(rows: list[dict], days: int) -> tuple[int, int, int]:
    """(at risk just before a day, events and deaths up to and including it)."""
    until = [row for row in rows if row["days"] <= days]
    following = next((row for row in rows if row["days"] >= days), None)
    if following:
        at_risk = following["n_at_risk"]
    else:
        last = rows[-1]
        at_risk = last["n_at_risk"] - last["n_events"] - last["n_competing"] - last["n_censored"]
    return (
        at_risk,
        sum(row["n_events"] for row in until),
        sum(row["n_competing"] for row in until),
    )
