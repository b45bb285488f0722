"""How often each interval holds the true value, at the paper's group sizes: `make coverage`.

Draws groups of persons with a known risk by the horizon, deaths beside it and censoring, and counts
the intervals that hold the truth. A sample in which a kind has no interval counts as one that does
not hold it. Kept in coverage.json, as a table in docs/methods.md and as docs/coverage.svg.
"""

import json
import math
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np

from benchmarks.demo import CHECKOUT, with_section
from etl.competing_risks import KINDS, count_events, risk_at, risk_difference, risk_ratio

HORIZON = 1826
DEATHS = 0.15  # die within the horizon without the outcome
FIRST_CENSORED, LAST_CENSORED = 1000, 5000  # the share with the outcome is seen but for these
SAMPLES, SEED = 4000, 20250113
RESULT = Path(__file__).parent / "coverage.json"
METHODS, FIGURE = CHECKOUT / "docs" / "methods.md", CHECKOUT / "docs" / "coverage.svg"
RECOMMENDED, PLAIN = "recommended", "plain"
OF_RISKS = (*KINDS, RECOMMENDED)
LEVEL, LEAST, MOST = 0.95, 0.93, 0.97


@dataclass(frozen=True)
class Setting:
    """Sizes and true risks of a factor's two groups, as the first study printed them."""

    name: str
    n: int
    risk: float
    n_reference: int
    risk_reference: float


SETTINGS = (
    Setting("Metastasis, necrosis", 43, 0.093, 338, 0.015),
    Setting("Metastasis, mitotic grade 3", 77, 0.065, 284, 0.014),
    Setting("Metastasis, invasion", 4, 0.25, 375, 0.021),
    Setting("Recurrence, positive margins", 36, 0.26, 345, 0.084),
    Setting("Recurrence, invasion", 6, 0.50, 375, 0.096),
)


def drawn(random: np.random.Generator, n: int, risk: float):
    """One group; the risk of the outcome by the horizon is `risk` whatever the censoring."""
    fate = random.random(n)
    code = np.where(fate < risk, 1, np.where(fate < risk + DEATHS, 2, 0))
    # At most one event by the horizon, on any of its days alike.
    days = np.where(code > 0, random.integers(1, HORIZON + 1, n), 2 * LAST_CENSORED)
    censored = random.integers(FIRST_CENSORED, LAST_CENSORED, n)
    return count_events(np.minimum(days, censored), np.where(days <= censored, code, 0))


def covered(setting: Setting, samples: int, seed: int) -> dict[str, dict[str, float]]:
    """Share of samples in which each interval holds the truth: quantity → kind → proportion."""
    random = np.random.default_rng(seed)
    hits = {
        "risk": dict.fromkeys(OF_RISKS, 0),
        "reference": dict.fromkeys(OF_RISKS, 0),
        "difference": {PLAIN: 0, RECOMMENDED: 0},  # Wald, MOVER
        "ratio": {"log": 0},  # Wald on the log scale
    }
    for _ in range(samples):
        risk = risk_at(drawn(random, setting.n, setting.risk), 1, HORIZON)
        reference = risk_at(drawn(random, setting.n_reference, setting.risk_reference), 1, HORIZON)
        for what, found, truth in (
            ("risk", risk, setting.risk),
            ("reference", reference, setting.risk_reference),
        ):
            for kind in OF_RISKS:
                hits[what][kind] += holds(found.limits(kind), truth)
        difference, truth = risk_difference(risk, reference), setting.risk - setting.risk_reference
        hits["difference"][PLAIN] += holds(difference.wald, truth)
        hits["difference"][RECOMMENDED] += holds(difference.mover, truth)
        hits["ratio"]["log"] += holds(
            risk_ratio(risk, reference).wald, setting.risk / setting.risk_reference
        )
    return {what: {kind: n / samples for kind, n in of.items()} for what, of in hits.items()}


def holds(limits: tuple[float, float] | None, truth: float) -> bool:
    """Whether an interval holds a value; no interval holds none."""
    return limits is not None and limits[0] - 1e-12 <= truth <= limits[1] + 1e-12


def run(samples: int = SAMPLES, seed: int = SEED) -> dict:
    """All settings, each with a seed of its own."""
    return {
        "samples": samples,
        "seed": seed,
        "coverage": {s.name: covered(s, samples, seed + i) for i, s in enumerate(SETTINGS)},
    }


def rows_of(result: dict) -> list[tuple[str, str, dict[str, float]]]:
    """(group, quantity, share by kind), the groups with their size and true risk."""
    sizes = {s.name: s for s in SETTINGS}
    rows = []
    for name, quantities in result["coverage"].items():
        setting = sizes[name]
        group = f"{100 * setting.risk:g} % of {setting.n}"
        reference = f"{100 * setting.risk_reference:g} % of {setting.n_reference}"
        words = {
            "risk": f"risk, {group}",
            "reference": f"reference, {reference}",
            "difference": "difference",
            "ratio": "ratio",
        }
        rows += [(name, words[what], shares) for what, shares in quantities.items()]
    return rows


def table(result: dict) -> str:
    """The shares in per cent, for docs/methods.md."""
    lines = [
        f"{result['samples']:,} samples of each; seed {result['seed']}. Per cent.",
        "",
        "| factor | of what | plain, Wald | log | log-log | cloglog | Wilson | recommended |",
        "|---|---|---|---|---|---|---|---|",
    ]
    before = None
    for name, words, shares in rows_of(result):
        cells = [f"{100 * shares[kind]:.1f}" if kind in shares else "" for kind in OF_RISKS]
        lines.append(f"| {'' if name == before else name} | {words} | {' | '.join(cells)} |")
        before = name
    spans = (
        f"{words} {100 * least:.1f} to {100 * most:.1f} %"
        for words, (least, most) in (
            ("recommended", extremes(result, RECOMMENDED)),
            ("plain and Wald", extremes(result, PLAIN)),
        )
    )
    return "\n".join([*lines, "", f"Over all rows: {', '.join(spans)}."])


def extremes(result: dict, kind: str) -> tuple[float, float]:
    """Least and greatest share of a kind over all settings and quantities."""
    shares = [of[kind] for _, _, of in rows_of(result) if kind in of]
    return min(shares), max(shares)


def picture(result: dict, svg: Path) -> None:
    """One row per setting and quantity: an open square for plain or Wald, a filled one for ours."""
    from etl.report.drawing import BLUE, FAINT, INK, LINE, QUIET, SIZE, Sheet, own_style, width_of

    rows = [
        (f"{name}: {words}", shares[PLAIN], shares[RECOMMENDED])
        for name, words, shares in rows_of(result)
        if PLAIN in shares
    ]
    low = math.floor(10 * extremes(result, PLAIN)[0]) / 10
    step, scale = 1.5 * SIZE * LINE, 300
    left = 30 + max(width_of(name) for name, _, _ in rows)
    width, height = left + scale + 30, 20 + step * (len(rows) + 1) + 4 * SIZE

    def x(share: float) -> float:
        return left + (share - low) / (1 - low) * scale

    with own_style():
        sheet = Sheet(width, height)
        y = 4.0
        for name, usual, best in rows:
            y += step
            sheet.text(12, y, name)
            sheet.line([(x(low), y - 3), (x(1), y - 3)], width=0.4, colour=FAINT, order=1)
            sheet.box(x(best) - 3, y - 6, 6, 6, fill=BLUE, edge=INK, order=3)
            # Wider and empty: seen also where it lies on the other.
            sheet.box(x(usual) - 4.5, y - 7.5, 9, 9, edge=INK, order=4)
        for share in (LEVEL, LEAST):
            style = "solid" if share == LEVEL else (0, (4, 2.5))
            sheet.line([(x(share), step - 8), (x(share), y + 6)], style=style, order=2)
        for tenth in range(round(10 * low), 11):
            sheet.line([(x(tenth / 10), y + 6), (x(tenth / 10), y + 9)])
            sheet.text(x(tenth / 10), y + 11 + SIZE, f"{10 * tenth} %", align="center")
        sheet.text(
            12, y + 14 + 2.6 * SIZE,
            "Share of samples whose 95 % interval holds the truth. Open: plain and Wald. Filled: "
            "recommended. Lines: 95 %, and dashed 93 %.",
            size=SIZE - 1, colour=QUIET,
        )  # fmt: skip
        sheet.save(svg, svg.with_suffix(".png"), "Coverage of the intervals")
    # The document shows the one, and a repository keeps no more of a figure than that.
    for other in (".png", ".pdf"):
        svg.with_suffix(other).unlink()


@click.command()
@click.option("--samples", type=click.IntRange(1), default=SAMPLES, show_default=True)
@click.option("--kept/--not-kept", default=True, show_default=True, help="Or only printed.")
def main(samples: int, kept: bool) -> None:
    """Simulate, and keep the shares in benchmarks/, docs/methods.md and docs/coverage.svg."""
    result = run(samples)
    click.echo(table(result))
    least, most = extremes(result, RECOMMENDED)
    for is_so, words in ((least < LEAST, "less"), (most > MOST, "more")):
        if is_so:
            click.echo(f"Recommended: {words} than asked for.")
    if kept:
        RESULT.write_text(json.dumps(result, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        text = METHODS.read_text(encoding="utf-8")
        METHODS.write_text(with_section(text, "coverage", table(result)), encoding="utf-8")
        picture(result, FIGURE)


if __name__ == "__main__":
    main()
