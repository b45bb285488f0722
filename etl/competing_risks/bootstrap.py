"""How stable a verdict is: the same persons drawn again with replacement, on the counts."""

import numpy as np

from etl.competing_risks.aalen_johansen import survival_and_before
from etl.competing_risks.counts import Counts
from etl.competing_risks.differences import exceeds

# Samples × cells held at a time: bounds memory where the distinct times are many.
CELLS_AT_A_TIME = 1_000_000


def share_exceeding(
    group: Counts,
    reference: Counts,
    cause: int,
    horizon: float,
    threshold: float,
    *,
    samples: int,
    seed: int,
) -> float | None:
    """Share of bootstrap samples whose risk difference by the horizon exceeds the threshold.

    Drawing n persons with replacement is one multinomial draw over the distinct (time, event)
    cells. Each group is drawn by itself and keeps its size. The seed decides the answer alone:
    neither row order nor the other groups of the study matter.

    Returns:
        A proportion; None where either group has nobody.

    Raises:
        ValueError: with delayed entry, weights or clusters: no cell of (time, event) holds them.

    Source: Efron (1981), J. Am. Stat. Assoc. 76:312–319.
    """
    for counts in (group, reference):
        if counts.has_entry or counts.has_weights or counts.cells.cluster is not None:
            raise ValueError("The bootstrap does not draw delayed entry, weights or clusters.")
    if group.n == 0 or reference.n == 0:
        return None
    random = np.random.default_rng(seed)
    difference = _risks(group, cause, horizon, samples, random) - _risks(
        reference, cause, horizon, samples, random
    )
    return float(np.mean(exceeds(difference, threshold)))


def _risks(
    counts: Counts, cause: int, horizon: float, samples: int, random: np.random.Generator
) -> np.ndarray:
    """Risk by the horizon in each sample, shape (samples,)."""
    until = counts.times <= horizon
    cells = np.stack([counts.of_cause(cause), counts.of_other_causes(cause), counts.censored])[
        :, until
    ]
    if not cells.size:
        return np.zeros(samples)
    # Whoever is followed past the horizon is one cell: what happens there cannot matter.
    probabilities = np.append(cells.ravel(), counts.n - cells.sum()) / counts.n
    at_once = max(1, CELLS_AT_A_TIME // probabilities.size)
    risks = []
    for first in range(0, samples, at_once):
        size = min(at_once, samples - first)
        drawn = random.multinomial(counts.n, probabilities, size=size)
        events, others, censored = np.moveaxis(drawn[:, :-1].reshape(size, *cells.shape), 1, 0)
        leaving = events + others + censored
        # Nobody left at risk: nobody can leave either, so any divisor carries the value forward.
        at_risk = np.maximum(counts.n - np.cumsum(leaving, axis=1) + leaving, 1)
        _, before = survival_and_before(at_risk, events + others)
        risks.append((before * events / at_risk).sum(axis=1))
    return np.concatenate(risks)
