"""The probability of an event by each time, when other events can come first."""

from dataclasses import dataclass

import numpy as np

from etl.competing_risks.counts import Counts


@dataclass(frozen=True)
class CumulativeIncidence:
    """One row per distinct time of the counts; every array has shape (n_times,).

    Right-continuous: the value at a time counts the events of that time. Probabilities from 0 to 1.
    risk + competing_risk + survival = 1 at every time.
    """

    times: np.ndarray
    risk: np.ndarray
    competing_risk: np.ndarray  # of any other event first
    survival: np.ndarray  # free of every event
    variance: np.ndarray  # of `risk`

    def at(self, horizon: float) -> tuple[float, float]:
        """(risk, variance) by the horizon, both included; carried forward past the last time."""
        position = np.searchsorted(self.times, horizon, side="right")
        if position == 0:
            return 0.0, 0.0
        return float(self.risk[position - 1]), float(self.variance[position - 1])


def cumulative_incidence(counts: Counts, cause: int) -> CumulativeIncidence:
    """Aalen–Johansen estimate with the Greenwood-type variance of multinomial increments.

    Of the Y persons at risk at a time, d_k have the cause and d any event. With a_k = d_k/Y and
    a = d/Y, S⁻ the survival just before, the risk grows by dF = S⁻·a_k. The increments of one time
    are multinomial, cov(a_k, a_l) = (δ_kl·a_k − a_k·a_l)/Y, independent over times. The delta
    method then gives the covariance of (S, F) by recursion; divided by S it becomes three running
    sums, free of the 0/0 that the usual closed form has once the risk set is exhausted:

        g  = var(S)/S²   = Σ d/(Y(Y−d))                                  (Greenwood)
        c  = cov(S, F)/S = Σ dF·(g⁻ − 1/Y)
        var(F)           = Σ 2·dF·c⁻ + dF²·g⁻ + (S⁻)²·a_k(1−a_k)/Y

    The same numbers come from R's prodlim and etm and from survfit's infinitesimal jackknife.
    cmprsk uses another estimator.

    Source: Aalen & Johansen (1978), Scand. J. Statist. 5:141–150; variance: Aalen (1978), Ann.
    Statist. 6:534–545; Andersen, Borgan, Gill & Keiding (1993), sec. IV.4.1.3.
    """
    at_risk = counts.at_risk
    events = counts.of_cause(cause)
    others = counts.of_other_causes(cause)
    survival, before = survival_and_before(at_risk, events + others)
    risk_step = before * events / at_risk
    risk = np.cumsum(risk_step)

    remaining = at_risk - events - others
    # Where nobody remains S is 0 from here on and no step follows, so the term is never used.
    greenwood = np.cumsum(
        np.divide(
            events + others,
            at_risk * remaining.astype(float),
            out=np.zeros(counts.times.size),
            where=remaining > 0,
        )
    )
    greenwood_before = _shifted(greenwood)
    covariance = np.cumsum(risk_step * (greenwood_before - 1 / at_risk))
    share = events / at_risk
    variance = np.cumsum(
        2 * risk_step * _shifted(covariance)
        + risk_step**2 * greenwood_before
        + before**2 * share * (1 - share) / at_risk
    )

    # All persons had the event: say exactly 1 and 0, which rounding in the sums may just miss. The
    # intervals decide by these whether anything is left to be uncertain about.
    certain = (survival == 0) & (np.cumsum(others) == 0)
    return CumulativeIncidence(
        times=counts.times,
        risk=np.where(certain, 1.0, risk),
        competing_risk=np.cumsum(before * others / at_risk),
        survival=survival,
        variance=np.where(certain, 0.0, np.maximum(variance, 0.0)),
    )


def survival_and_before(at_risk: np.ndarray, events: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Kaplan–Meier survival from every event, at and just before each time.

    Times run along the last axis; the bootstrap puts its samples before it.
    """
    survival = np.cumprod((at_risk - events) / at_risk, axis=-1)
    return survival, _shifted(survival, first=1.0)


def _shifted(values: np.ndarray, first: float = 0.0) -> np.ndarray:
    """The value just before each time."""
    before = np.empty_like(values)
    before[..., :1] = first
    before[..., 1:] = values[..., :-1]
    return before
