"""What `benchmarks.national` measured, told and drawn: `python -m benchmarks.capacity`.

Writes the sections of docs/capacity.md and the README, and docs/capacity.svg, anew from
benchmarks/national.json. What is told is the last run: its commit, its machine, its sizes.
"""

import json
import math
from pathlib import Path

import click

from benchmarks.demo import CHECKOUT, README, with_section

RESULT = Path(__file__).parent / "national.json"
DOCUMENT = CHECKOUT / "docs/capacity.md"
FIGURE = CHECKOUT / "docs/capacity.svg"
NOT_YET = "Not measured yet; `make bench-national` writes it here."
WRITTEN = ("README.md", "docs/capacity.md", "docs/capacity.svg")
ROAD = ("land", "link", "select", "check", "estimate", "release")
DELIVERED, LINKED = "delivered CSV once to Parquet", "linked Parquet once to Parquet"
OURS, SCAN = "DuckDB on the linked lake", "one scan of its columns"
PANDAS, DATA_TABLE = "pandas", "R data.table, loading in"


def history() -> list[dict]:
    """Every run that was kept, the oldest first."""
    return json.loads(RESULT.read_text(encoding="utf-8"))["runs"] if RESULT.exists() else []


def sum_of(size: dict, names: tuple[str, ...], field: str = "seconds") -> float:
    return sum(size["stages"][name][field] for name in names)


def exponent(points: list[tuple[float, float]]) -> float | None:
    """By which power of the rows time grows: the slope of a line through the logarithms, by least
    squares; None of fewer than two sizes."""
    if len({x for x, _ in points}) < 2:
        return None
    logs = [(math.log(x), math.log(max(y, 0.01))) for x, y in points]
    mean_x, mean_y = (sum(values) / len(logs) for values in zip(*logs, strict=True))
    return sum((x - mean_x) * (y - mean_y) for x, y in logs) / sum(
        (x - mean_x) ** 2 for x, _ in logs
    )


def points_of(run: dict, names: tuple[str, ...], field: str) -> list[tuple[float, float]]:
    """(rows, seconds of some stages together) by size."""
    return [
        (size["rows"]["all"], sum_of(size, names, field)) for size in run["sizes"].values()
    ]  # fmt: skip


# ------------------------------------------------------------------ in words


def figures(run: dict) -> str:
    """The section of docs/capacity.md: what each size took."""
    sizes = list(run["sizes"].values())
    loads = [stage["load"] for size in sizes for stage in size["stages"].values()]
    heads = [f"{size['persons']:,} persons" for size in sizes]
    lines = [
        f"{run['machine']}, with {run['memory_limit']} for each DuckDB and {run['threads']} "
        f"threads; commit `{run['commit']}`. While it was measured {min(loads):g} to "
        f"{max(loads):g} processes wanted the cores, its own among them: where that is more than "
        "the cores, seconds of the processor tell more than seconds.",
        "",
        _row("", heads),
        _row("---", ["---"] * len(sizes)),
        _row("rows delivered", [f"{size['rows']['all']:,}" for size in sizes]),
    ]
    for name in sizes[0]["stages"]:
        lines.append(_row(name, [_told(size["stages"][name]) for size in sizes]))
    for store in sizes[0]["stores_mib"]:
        cells = [f"{size['stores_mib'][store]:,} MiB" for size in sizes]
        lines.append(_row(f"disk: `{store}`", cells))
    most = [max(stage["home_mib"] for stage in size["stages"].values()) for size in sizes]
    rows = [size["rows"]["all"] for size in sizes]
    lines += [
        _row("disk: the home at most", [f"{mib:,} MiB" for mib in most]),
        _row("disk: bytes of the home to a row", [
            f"{mib * 2**20 / n:,.0f}" for mib, n in zip(most, rows, strict=True)
        ]),
        _row("planted persons not found as planted", [
            f"{wrong} of {planted:,}" for wrong, planted in map(_wrong, sizes)
        ]),
        _row("rows that are not accounted for", [f"{_lost(size):,}" for size in sizes]),
        "",
        "Seconds (seconds of the processor, cores busy; memory of the largest process; read and "
        "written). Of `estimate` and `release` both studies together.",
    ]  # fmt: skip
    broken = [
        f"{name} of {size['persons']:,} persons"
        for size in sizes
        for name, stage in size["stages"].items()
        if stage.get("was_broken_off")
    ]
    if broken:
        lines += ["", f"Broken off and gone on with, so told too short: {', '.join(broken)}."]
    return "\n".join([*lines, "", f"![Time against size]({FIGURE.name})"])


def _row(first: str, cells: list[str]) -> str:
    return f"| {first} | {' | '.join(cells)} |"


def _told(stage: dict) -> str:
    busy = stage["cpu_seconds"] / max(stage["seconds"], 0.01)
    return (
        f"{stage['seconds']:,.0f} s ({stage['cpu_seconds']:,.0f} s, {busy:.1f}; "
        f"{stage['peak_mib']:,} MiB; {stage['read_mib']:,} and {stage['written_mib']:,} MiB)"
    )


def _wrong(size: dict) -> tuple[int, int]:
    """(planted persons not found as planted, all of them), over the studies."""
    of_studies = [told for told in size["proof"].values() if isinstance(told, dict)]
    of_studies = [told for told in of_studies if "planted" in told]
    return (
        sum(told["wrong"] + told["wrong_cross_checks"] for told in of_studies)
        + size["proof"]["wrong_linkage"],
        sum(told["planted"] for told in of_studies),
    )


def _lost(size: dict) -> int:
    """Rows that stand between delivered and linked, unlinked or quarantined."""
    rows = size["proof"]["rows"]
    ended = rows["linked"] + rows["unlinked"] + rows["quarantined"]
    return abs(rows["received"] - ended) + abs(rows["landed"] - rows["linked"] - rows["unlinked"])


def goals(run: dict) -> str:
    """The README's table of what was to be reached, at the largest size that was measured."""
    size = max(run["sizes"].values(), key=lambda one: one["persons"])
    refreshed = tuple(f"refresh: {name}" for name in ROAD)
    changed = size["rows"]["last"] / size["rows"]["all"]
    lines = [
        f"{size['persons']:,} persons, {size['rows']['all']:,} rows; {run['machine']}. Times, and "
        "in brackets seconds of the processor. [docs/capacity.md](docs/capacity.md) has each "
        "stage, and says how busy the machine was.",
        "",
        "| what | goal | measured |",
        "|---|---|---|",
        _goal(size, "linking, sorted by person, against rewriting its Parquet", "2.5×",
              ("link",), (LINKED,)),
        _goal(size, "land to release, against DuckDB reading the CSV once and writing Parquet",
              "6×", ROAD, (DELIVERED,)),
        _goal(size, f"landing and linking again, {changed:.1%} of the rows new, against the first",
              "5 %", ("refresh: land", "refresh: link"), ("land", "link"), "share"),
        _goal(size, "the whole road again, against the first", "5 %", refreshed, ROAD, "share"),
    ]  # fmt: skip
    again = size["stages"]["nothing new"]
    lines.append(
        f"| nothing new | 15 s | {again['seconds']:.1f} s ({again['cpu_seconds']:.1f} s) |"
    )
    asked = next((s["cohort_query"] for s in _by_size(run) if s["cohort_query"]), None)
    if asked:
        ours = asked[OURS]["seconds"]
        lines.append(
            f"| cohort query, against one scan of its columns | 1.0× | "
            f"{ours / asked[SCAN]['seconds']:.2f}× |"
        )
        for name, goal in ((PANDAS, "15×"), (DATA_TABLE, "3×"), ("polars", "")):
            if name in asked:
                lines.append(
                    f"| cohort query, {name} against ours | {goal} | "
                    f"{asked[name]['seconds'] / ours:.1f}× |"
                )
    slope = exponent(points_of(run, ROAD, "cpu_seconds"))
    if slope is not None:
        lines.append(
            f"| time grows with the rows to the power of | 1.05 | {slope:.2f}, of the processor |"
        )
    most = max(stage["peak_mib"] for stage in size["stages"].values())
    lines.append(f"| memory of any process | 4,096 MiB | {most:,} MiB |")
    return "\n".join(lines)


def _by_size(run: dict) -> list[dict]:
    return sorted(run["sizes"].values(), key=lambda one: -one["persons"])


def _goal(size, words, goal, ours, others, told="times") -> str:
    ratios = [
        sum_of(size, ours, field) / sum_of(size, others, field)
        for field in ("seconds", "cpu_seconds")
    ]
    shown = [f"{r:.1%}" if told == "share" else f"{r:.1f}×" for r in ratios]
    return f"| {words} | {goal} | {shown[0]} ({shown[1]}) |"


# ------------------------------------------------------------------ as a figure


def picture(run: dict, svg: Path) -> None:
    """Seconds of the processor against rows, both in powers of ten; a line for every stage."""
    from etl.report.drawing import BLUE, FAINT, INK, LINE, QUIET, SIZE, Sheet, own_style

    lines = {name: points_of(run, (name,), "cpu_seconds") for name in (*ROAD, DELIVERED)}
    xs = [math.log10(x) for x, _ in lines[DELIVERED]]
    ys = [math.log10(max(y, 0.1)) for points in lines.values() for _, y in points]
    x_low, x_high = math.floor(min(xs)), math.ceil(max(xs) + 0.01)
    y_low, y_high = math.floor(min(ys)), math.ceil(max(ys) + 0.01)
    left, top, wide, high = 60.0, 20.0, 330.0, 260.0

    def x(value: float) -> float:
        return left + (value - x_low) / (x_high - x_low) * wide

    def y(value: float) -> float:
        return top + high - (value - y_low) / (y_high - y_low) * high

    with own_style():
        sheet = Sheet(left + wide + 220, top + high + 60)
        for power in range(x_low, x_high + 1):
            sheet.line([(x(power), top), (x(power), top + high)], width=0.4, colour=FAINT, order=1)
            sheet.text(x(power), top + high + 14, f"{10**power:,}", align="center")
        for power in range(y_low, y_high + 1):
            sheet.line(
                [(left, y(power)), (left + wide, y(power))], width=0.4, colour=FAINT, order=1
            )
            sheet.text(left - 6, y(power) + 3, f"{10**power:g}", align="right")
        ends = sorted(lines, key=lambda name: y(math.log10(max(lines[name][-1][1], 0.1))))
        below = 0.0
        for name in ends:
            drawn = [(x(math.log10(a)), y(math.log10(max(b, 0.1)))) for a, b in lines[name]]
            of_duckdb = name == DELIVERED
            colour = BLUE if of_duckdb else INK
            if len(drawn) > 1:
                sheet.line(
                    drawn, width=1.2, colour=colour, style=(0, (4, 2)) if of_duckdb else "solid"
                )
            for px, py in drawn:
                sheet.box(px - 2, py - 2, 4, 4, fill=colour, order=3)
            below = max(below + SIZE * LINE, drawn[-1][1] + 3)
            slope = exponent(lines[name])
            told = f", power {slope:.2f}" if slope is not None else ""
            sheet.line([(drawn[-1][0] + 4, drawn[-1][1]), (left + wide + 6, below - 3)],
                       width=0.4, colour=QUIET)  # fmt: skip
            sheet.text(left + wide + 10, below, f"{name}{told}", colour=colour)
        sheet.text(
            left, top + high + 38,
            "Seconds of the processor against rows delivered. Dashed: DuckDB alone.",
            size=SIZE - 1, colour=QUIET,
        )  # fmt: skip
        sheet.save(svg, svg.with_suffix(".png"), "Time against size")
    # The document shows the one, and a repository keeps no more of a figure than that.
    for other in (".png", ".pdf"):
        svg.with_suffix(other).unlink()


def sections(runs: list[dict]) -> list[tuple[Path, str, str]]:
    """(document, mark, body) of what is told of the last run."""
    return [
        (DOCUMENT, "capacity", figures(runs[-1]) if runs else NOT_YET),
        (README, "national", goals(runs[-1]) if runs else NOT_YET),
    ]


def write() -> None:
    """The sections and the figure anew."""
    runs = history()
    for place, name, body in sections(runs):
        text = place.read_text(encoding="utf-8")
        place.write_text(with_section(text, name, body), encoding="utf-8")
    if runs:
        picture(runs[-1], FIGURE)


@click.command()
def main() -> None:
    """Write the sections and the figure anew from what was measured last."""
    write()
    click.echo(sections(history())[-1][-1])


if __name__ == "__main__":
    main()
