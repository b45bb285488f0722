"""Figures of an export, from SafeTables and from nothing else."""

from collections.abc import Mapping
from pathlib import Path

from etl.disclosure import SafeTable, only_safe
from etl.report import drawing
from etl.report.drawing import BAND, BLUE, INK, LINE, QUIET, SIZE, Sheet
from etl.report.numbers import NONE, count, nice_ticks, span

ALL = "(all)"
MARGIN, ROW, AXIS = 14.0, SIZE * LINE + 4, 190.0
HEADS = (
    ("Group", 0.0),
    ("Events / n", 265.0),
    ("Risk, % (95 % CI)", 375.0),
    ("RD, points (95 % CI)", 500.0),
)
LEFT = MARGIN + 520.0
PLOT_LEFT, PLOT_WIDTH, PLOT_HEIGHT = 70.0, 360.0, 200.0
DAYS_PER_YEAR = 365.25
HIDDEN = f"{NONE}: hidden, or rests on a hidden number."


def draw_forest(
    risks: SafeTable, differences: SafeTable, outcome: str, words: Mapping[str, str], folder: Path
) -> None:
    """Risks and risk differences of one outcome at its last horizon. `words`: label of a name."""
    only_safe(risks, differences)
    lines = [row for row in risks.dicts() if row["outcome"] == outcome]
    horizon = max(row["horizon_days"] for row in lines)
    lines = [row for row in lines if row["horizon_days"] == horizon]
    against = {
        (row["factor"], row["level"]): row
        for row in differences.dicts()
        if (row["outcome"], row["horizon_days"]) == (outcome, horizon)
    }
    factors = list(dict.fromkeys(row["factor"] for row in lines))
    shown = [one for one in against.values() if one["difference_points"] is not None]
    values = [0.0, *(one[c] for one in shown for c in ("lower_points", "upper_points"))]
    ticks = nice_ticks(min(values), max(*values, 4.0))

    def x(points: float) -> float:
        return LEFT + (points - ticks[0]) / (ticks[-1] - ticks[0]) * AXIS

    height = 2 * MARGIN + ROW * (len(lines) + len(factors) + 5)
    with drawing.own_style():
        sheet = Sheet(LEFT + AXIS + MARGIN, height)
        y = MARGIN + ROW
        title = f"{words.get(outcome, outcome)} within {span(horizon)}, death competing"
        sheet.text(MARGIN, y, title, size=SIZE + 1, bold=True)
        y += ROW
        for head, right in HEADS:
            sheet.text(MARGIN + right, y, head, align="right" if right else "left", colour=QUIET)
        top = y
        for number, factor in enumerate(factors):
            of = [row for row in lines if row["factor"] == factor]
            if number % 2:
                tall = ROW * (len(of) + (factor != ALL))
                sheet.box(MARGIN - 6, y + 4, LEFT + AXIS - MARGIN, tall, fill=BAND, order=0)
            if factor != ALL:
                y += ROW
                sheet.text(MARGIN, y, words.get(factor, factor), bold=True)
            for row in of:
                y += ROW
                _line(sheet, y, row, against.get((factor, row["level"])), x)
        sheet.line([(x(0), top + 5), (x(0), y + 6)], width=0.8, order=1)
        sheet.line([(x(ticks[0]), y + 6), (x(ticks[-1]), y + 6)])
        for tick in ticks:
            sheet.line([(x(tick), y + 6), (x(tick), y + 9)])
            sheet.text(x(tick), y + 10 + SIZE, f"{tick:g}".replace("-", "−"), align="center")
        sheet.text(MARGIN, y + 2 * ROW, f"n: the cohort. {HIDDEN}", size=SIZE - 1, colour=QUIET)
        name = f"forest_plot_{outcome}"
        sheet.save(folder / f"{name}.svg", folder / f"{name}.png", title)


def _line(sheet: Sheet, y: float, row: dict, against: dict | None, x) -> None:
    is_all = row["factor"] == ALL
    name = "All" if is_all else row["level"]
    sheet.text(MARGIN if is_all else MARGIN + 12, y, name, bold=is_all)
    cells = (
        f"{count(row['n_events'])} / {count(row['n_persons'])}",
        _with_limits(row["risk_percent"], row["lower_percent"], row["upper_percent"], "–"),
        ""
        if is_all
        else "reference"
        if against is None
        else _with_limits(
            against["difference_points"], against["lower_points"], against["upper_points"], " to "
        ),
    )
    for (_, right), cell in zip(HEADS[1:], cells, strict=True):
        sheet.text(MARGIN + right, y, cell, align="right")
    if against and against["difference_points"] is not None:
        middle = y - SIZE / 3
        low, point, high = (
            x(against[c]) for c in ("lower_points", "difference_points", "upper_points")
        )
        sheet.line([(low, middle), (high, middle)], width=1.5, order=3)
        sheet.box(point - 2.8, middle - 2.8, 5.6, 5.6, fill=INK, edge=INK, order=5)


def _with_limits(value: float | None, lower, upper, between: str) -> str:
    if value is None:
        return NONE
    text = f"{value:.1f} ({lower:.1f}{between}{upper:.1f})" if lower is not None else f"{value:.1f}"
    return text.replace("-", "−")


def draw_curves(
    curves: SafeTable, followed: SafeTable, outcome: str, words: Mapping[str, str], folder: Path
) -> None:
    """The points of the curves that are shown, joined by straight lines, for one outcome."""
    only_safe(curves, followed)
    points = [row for row in curves.dicts() if row["outcome"] == outcome]
    beyond = [row for row in followed.dicts() if row["outcome"] == outcome]
    last = max(row["day"] for row in beyond)
    scale = nice_ticks(0, max([4.0, *(row["risk_percent"] for row in points)]))
    bottom = MARGIN + 2 * ROW + PLOT_HEIGHT

    def at(day: float, percent: float) -> tuple[float, float]:
        return (
            PLOT_LEFT + day / last * PLOT_WIDTH,
            bottom - percent / scale[-1] * PLOT_HEIGHT,
        )

    title = f"{words.get(outcome, outcome)}: cumulative incidence in the whole cohort"
    with drawing.own_style():
        sheet = Sheet(PLOT_LEFT + PLOT_WIDTH + 120, bottom + 6 * ROW + MARGIN)
        sheet.text(MARGIN, MARGIN + ROW, title, size=SIZE + 1, bold=True)
        for tick in scale:
            sheet.line([at(0, tick), at(last, tick)], width=0.5, colour="#e4e4e4", order=0.5)
            sheet.text(PLOT_LEFT - 6, at(0, tick)[1] + 3, f"{tick:g} %", align="right")
        sheet.line([at(0, 0), at(0, scale[-1])])
        sheet.line([at(0, 0), at(last, 0)])
        for cause, colour, label in (
            ("outcome", BLUE, words.get(outcome, outcome)),
            ("death first", QUIET, "Death first"),
        ):
            of = [(row["day"], row["risk_percent"]) for row in points if row["cause"] == cause]
            if not of:
                continue
            placed = [at(0, 0), *(at(*one) for one in of)]
            sheet.line(placed, width=1.4, colour=colour, order=3)
            for place_x, place_y in placed[1:]:
                sheet.box(place_x - 2, place_y - 2, 4, 4, fill=colour, edge=colour, order=4)
            end = placed[-1]
            sheet.text(end[0] + 6, end[1] + 3, label, colour=colour)
        y = bottom + 2.6 * ROW
        sheet.text(MARGIN, y, "Followed", size=SIZE - 1, colour=QUIET)
        for row in beyond:
            across = at(row["day"], 0)[0]
            year = f"{row['day'] / DAYS_PER_YEAR:.2g}"
            sheet.text(across, bottom + ROW, year, align="center")
            sheet.text(across, y, count(row[followed.columns[2]]), align="center", size=SIZE - 1)
        sheet.text(
            PLOT_LEFT + PLOT_WIDTH / 2, bottom + 1.8 * ROW, "Years since the index date",
            align="center", size=SIZE - 1, colour=QUIET,
        )  # fmt: skip
        note = "Each point has the threshold of events since the one before; lines join points."
        sheet.text(MARGIN, y + ROW, f"{note} {HIDDEN}", size=SIZE - 1, colour=QUIET)
        name = f"cumulative_incidence_{outcome}"
        sheet.save(folder / f"{name}.svg", folder / f"{name}.png", title)
