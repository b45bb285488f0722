"""The risk of one group by one horizon, with everything that is printed beside it."""

from dataclasses import dataclass

import numpy as np

from etl.competing_risks.aalen_johansen import (
    cumulative_incidence,
    infinitesimal_jackknife,
    survival_of,
)
from etl.competing_risks.counts import Counts
from etl.competing_risks.intervals import LEVEL, limits_of, normal_quantile

Limits = tuple[float, float]

GREENWOOD, INFINITESIMAL_JACKKNIFE = "greenwood", "ij"
VARIANCES = {
    GREENWOOD: "Greenwood-type with multinomial increments (delta method)",
    INFINITESIMAL_JACKKNIFE: "infinitesimal jackknife",
}


@dataclass(frozen=True)
class Risk:
    """A risk as a proportion from 0 to 1. Estimate and limits are None where there is nobody.

    Numbers of persons are whole, or sums of weights where weights are given.
    """

    horizon: float
    n: int  # all persons of the group
    at_risk: int  # just before the horizon
    events: int  # this and the next two: up to and including the horizon
    competing: int
    censored: int
    estimate: float | None
    std_error: float | None
    plain: Limits | None
    wilson: Limits | None
    recommended: Limits | None
    carried_from: float | None  # the last follow-up, where it lies before the horizon
    starting: float = 0  # what an interval rests on where nothing has happened

    def limits(self, kind: str, level: float = LEVEL) -> Limits | None:
        """Limits of another kind; None where there is nobody, or the transform has none."""
        if self.estimate is None:
            return None
        return limits_of(kind, self.estimate, self.std_error**2, self.starting, level)


def risk_at(
    counts: Counts, cause: int, horizon: float, level: float = LEVEL, variance: str = GREENWOOD
) -> Risk:
    """Risk of `cause` by the horizon, the horizon included.

    Past the last follow-up the last value is carried forward, and `carried_from` says from when.

    Raises:
        ValueError: if Greenwood's variance is asked for with clusters or weights that are not
            whole: it takes every person for one and independent of the others.
    """
    until = counts.times <= horizon
    incidence = cumulative_incidence(counts, cause)
    risk, squared = incidence.at(horizon)
    if variance == INFINITESIMAL_JACKKNIFE:
        # Where everyone had the event there is nothing to be moved, but by rounding.
        squared = 0.0 if risk == 1 else infinitesimal_jackknife(counts, cause, until.astype(float))
    elif squared is None or counts.cells.cluster is not None:
        raise ValueError(
            "Greenwood's variance is not valid with clusters or with weights that are not whole; "
            "the infinitesimal jackknife is."
        )
    n, last = counts.n, counts.last_time
    starting = counts.starting(horizon)

    def limits(kind: str) -> Limits | None:
        # Before anyone came under observation nothing limits the risk.
        if n == 0:
            return None
        return limits_of(kind, risk, squared, starting, level) if starting > 0 else (0.0, 1.0)

    return Risk(
        horizon=horizon,
        n=n,
        at_risk=counts.at_risk_before(horizon),
        events=counts.of_cause(cause)[until].sum().item(),
        competing=counts.of_other_causes(cause)[until].sum().item(),
        censored=counts.censored[until].sum().item(),
        estimate=risk if n else None,
        std_error=squared**0.5 if n else None,
        plain=limits("plain"),
        wilson=limits("wilson"),
        recommended=limits("recommended"),
        carried_from=last if last is not None and last < horizon else None,
        starting=starting,
    )


@dataclass(frozen=True)
class TimeLost:
    """Restricted mean time lost to a cause by a horizon, in the unit of the times."""

    horizon: float
    estimate: float | None
    std_error: float | None  # infinitesimal jackknife
    lower: float | None  # plain, cut at 0 and the horizon
    upper: float | None
    carried_from: float | None


def time_lost(counts: Counts, cause: int, horizon: float, level: float = LEVEL) -> TimeLost:
    """The area under the cumulative incidence up to the horizon: ∫ F(t) dt = Σ (τ − t)·dF(t).

    Past the last follow-up the curve is carried forward, and `carried_from` says from when.

    Source: Andersen (2013), Stat. Med. 32:5278–5285. Variance: the infinitesimal jackknife, as of
    survfit's restricted means.
    """
    last = counts.last_time
    if last is None:
        return TimeLost(horizon, None, None, None, None, None)
    gain = np.maximum(horizon - counts.times, 0).astype(float)
    _, before = survival_of(counts)
    estimate = float((gain * before * counts.of_cause(cause) / counts.at_risk).sum())
    std_error = infinitesimal_jackknife(counts, cause, gain) ** 0.5
    half = normal_quantile(level) * std_error
    return TimeLost(
        horizon=horizon,
        estimate=estimate,
        std_error=std_error,
        lower=max(estimate - half, 0.0),
        upper=min(estimate + half, float(horizon)),
        carried_from=last if last < horizon else None,
    )
