"""How often each interval holds the true risk, at the paper's group sizes: `make coverage`.

Draws groups of persons with a known risk by the horizon, deaths beside it and censoring, and counts
the intervals that hold the truth. Kept in coverage.json, and as a figure in docs/coverage.svg.
"""

import json
import sys
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np

from etl.competing_risks import count_events, risk_at, risk_difference

HORIZON = 1826
DEATHS = 0.15  # die within the horizon without the outcome
FIRST_CENSORED, LAST_CENSORED = 1000, 5000  # the share with the outcome is seen but for these
SAMPLES, SEED = 2000, 20250113
RESULT = Path(__file__).parent / "coverage.json"
FIGURE = Path(__file__).parents[1] / "docs" / "coverage.svg"
KINDS = ("plain", "recommended")
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


def covered(setting: Setting, samples: int, seed: int) -> dict:
    """Share of samples in which each interval holds the truth."""
    random = np.random.default_rng(seed)
    hits = dict.fromkeys(
        [f"{what}, {kind}" for what in ("risk", "reference") for kind in KINDS]
        + ["difference, Wald", "difference, MOVER"], 0,
    )  # fmt: skip
    truth = setting.risk - setting.risk_reference

    def holds(limits, value: float) -> bool:
        return limits[0] - 1e-12 <= value <= limits[1] + 1e-12

    for _ in range(samples):
        risk = risk_at(drawn(random, setting.n, setting.risk), 1, HORIZON)
        reference = risk_at(drawn(random, setting.n_reference, setting.risk_reference), 1, HORIZON)
        difference = risk_difference(risk, reference)
        for what, found, true in (
            ("risk", risk, setting.risk),
            ("reference", reference, setting.risk_reference),
        ):
            for kind in KINDS:
                hits[f"{what}, {kind}"] += holds(getattr(found, kind), true)
        hits["difference, Wald"] += holds(difference.wald, truth)
        hits["difference, MOVER"] += holds(difference.mover, truth)
    return {name: n / samples for name, n in hits.items()}


def run(samples: int = SAMPLES, seed: int = SEED) -> dict:
    return {
        "samples": samples,
        "seed": seed,
        "coverage": {s.name: covered(s, samples, seed + i) for i, s in enumerate(SETTINGS)},
    }


def picture(result: dict, svg: Path) -> None:
    """One row per setting and quantity: plain or Wald as a ring, recommended as a square."""
    from etl.report.drawing import BLUE, FAINT, INK, LINE, QUIET, SIZE, Sheet, own_style, width_of

    rows = [
        (f"{setting}: {what}", share[f"{what}, {usual}"], share[f"{what}, {best}"])
        for setting, share in result["coverage"].items()
        for what, usual, best in (
            ("risk", *KINDS), ("reference", *KINDS), ("difference", "Wald", "MOVER")
        )
    ]  # fmt: skip
    step, low = 1.5 * SIZE * LINE, 0.0
    left = 24 + max(width_of(name) for name, _, _ in rows)
    width, height = left + 330, 40 + step * (len(rows) + 3)

    def x(share: float) -> float:
        return left + (share - low) / (1 - low) * 300

    with own_style():
        sheet = Sheet(width, height)
        y = 20.0
        for name, usual, best in rows:
            y += step
            sheet.text(12, y, name)
            sheet.line([(x(0), y - 3), (x(1), y - 3)], width=0.4, colour=FAINT, order=1)
            sheet.box(x(usual) - 3, y - 6, 6, 6, fill="white", edge=INK, order=3)
            sheet.box(x(best) - 3, y - 6, 6, 6, fill=BLUE, edge=INK, order=4)
        for share in (LEVEL, LEAST):
            style = "solid" if share == LEVEL else (0, (4, 2.5))
            sheet.line([(x(share), 20), (x(share), y + 6)], style=style, order=2)
        for share in (0, 0.25, 0.5, 0.75, 1):
            sheet.text(x(share), y + 10 + SIZE, f"{100 * share:g} %", align="center")
        sheet.text(
            12, y + 10 + 3 * SIZE,
            f"Open: plain and Wald. Filled: recommended. Lines at 95 and 93 %; "
            f"{result['samples']:,} samples each.",
            colour=QUIET,
        )  # fmt: skip
        sheet.save(svg, svg.with_suffix(".png"), "Coverage of the intervals")


def main() -> None:
    samples = int(sys.argv[1]) if len(sys.argv) > 1 else SAMPLES
    result = run(samples)
    RESULT.write_text(json.dumps(result, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    picture(result, FIGURE)
    for other in (".png", ".pdf"):
        FIGURE.with_suffix(other).unlink()
    for setting, shares in result["coverage"].items():
        for name, share in shares.items():
            is_recommended = name.endswith(("recommended", "MOVER"))
            remark = ""
            if is_recommended and share < LEAST:
                remark = "  too little"
            elif is_recommended and share > MOST:
                remark = "  more than asked for"
            click.echo(f"{setting:<32}{name:<26}{100 * share:6.1f} %{remark}")


if __name__ == "__main__":
    main()
