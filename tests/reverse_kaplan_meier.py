"""Potential follow-up a second time, in Python: what the mart `follow_up` is held to.

It is itself held to R's prodlim in tests/test_golden_estimation.py.
"""

from dataclasses import dataclass

import numpy as np

from etl.competing_risks import Counts


@dataclass(frozen=True)
class FollowUp:
    """Quartiles of potential follow-up, in the unit of the times; None where none is reached."""

    lower_quartile: float | None
    median: float | None
    upper_quartile: float | None


def follow_up(counts: Counts) -> FollowUp:
    """Reverse Kaplan–Meier: being censored is the event, and an event ends it early.

    On one time the events come before the censored, as everywhere: who is censored at a time is at
    risk at it. R's prodlim with `reverse = TRUE` gives the same; survfit with the indicator turned
    round does not where both fall on one time.

    Source: Schemper & Smith (1996), Control. Clin. Trials 17:343–346.
    """
    left = counts.at_risk - counts.events.sum(axis=0)
    share = np.divide(counts.censored, left, out=np.zeros(left.shape), where=left > 0)
    staying = np.cumprod(1 - share)

    def quantile(p: float) -> float | None:
        # A hair's breadth for rounding: three quarters left is a quarter gone.
        reached = np.flatnonzero(staying <= 1 - p + 1e-12)
        return counts.times[reached[0]].item() if reached.size else None

    return FollowUp(quantile(0.25), quantile(0.5), quantile(0.75))
