"""The probability of an event by each time, when other events can come first."""

from dataclasses import dataclass

import numpy as np

from etl.competing_risks.counts import CENSORED, Counts


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
    variance: np.ndarray | None  # Greenwood-type, of `risk`; None with weights that are not whole

    def at(self, horizon: float) -> tuple[float, float | None]:
        """(risk, variance) by the horizon, both included; carried forward past the last time."""
        position = np.searchsorted(self.times, horizon, side="right")
        if position == 0:
            return 0.0, None if self.variance is None else 0.0
        variance = None if self.variance is None else float(self.variance[position - 1])
        return float(self.risk[position - 1]), variance


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

    Delayed entry moves Y and nothing else. Whole weights count as so many persons. The same numbers
    come from R's prodlim and etm, and, without delayed entry and weights, from survfit's
    infinitesimal jackknife. cmprsk uses another estimator.

    Source: Aalen & Johansen (1978), Scand. J. Statist. 5:141–150; variance: Aalen (1978), Ann.
    Statist. 6:534–545; Andersen, Borgan, Gill & Keiding (1993), sec. IV.4.1.3.
    """
    at_risk = counts.at_risk
    events = counts.of_cause(cause)
    others = counts.of_other_causes(cause)
    survival, before = survival_of(counts)
    risk_step = before * events / at_risk
    risk = np.cumsum(risk_step)
    # All persons had the event: say exactly 1 and 0, which rounding in the sums may just miss. The
    # intervals decide by these whether anything is left to be uncertain about.
    certain = (survival == 0) & (np.cumsum(others) == 0)
    return CumulativeIncidence(
        times=counts.times,
        risk=np.where(certain, 1.0, risk),
        competing_risk=np.cumsum(before * others / at_risk),
        survival=survival,
        variance=np.where(certain, 0.0, _greenwood(counts, events, before, risk_step))
        if counts.has_whole_weights
        else None,
    )


def _greenwood(
    counts: Counts, events: np.ndarray, before: np.ndarray, risk_step: np.ndarray
) -> np.ndarray:
    at_risk, any_event = counts.at_risk, counts.events.sum(axis=0)
    # Where nobody remains S is 0 from here on and no step follows, so the term is never used.
    greenwood = np.cumsum(
        np.divide(
            any_event,
            at_risk * (at_risk - any_event).astype(float),
            out=np.zeros(counts.times.size),
            where=~counts.is_exhausted,
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
    return np.maximum(variance, 0.0)


def influences(counts: Counts, cause: int, gain: np.ndarray) -> np.ndarray:
    """How far one person more in each cell would move Σ gain·dF, shape (n_cells,).

    `gain` says what an event at each time is worth, shape (n_times,): 1 up to a horizon and 0 after
    it gives the risk; the time that is left until it gives the mean time lost.

    A person i at risk on (entry, x] moves the increments by (dN_k − Y_i·a_k)/Y and the survival
    before each later one by −Σ (dN − Y_i·a)/(Y − d). With L(s) the gains still to come after s:

        u_i = [event k at x]·gain·S⁻/Y − [any event at x]·L/(Y − d) − D(x) + D(entry)
        D(t) = Σ_{s≤t} gain·S⁻·a_k/Y − L·a/(Y − d)

    Source: the infinitesimal jackknife, Jaeckel (1972), Bell Labs MM 72-1215-11; as in survfit,
    Therneau & Grambsch (2000), Modeling Survival Data, appendix of `survival` on the
    Aalen–Johansen estimate.
    """
    at_risk = counts.at_risk.astype(float)
    events, any_event = counts.of_cause(cause), counts.events.sum(axis=0)
    _, before = survival_of(counts)
    gained = gain * before / at_risk
    steps = gained * events
    later = np.append(np.cumsum(steps[::-1])[::-1][1:], 0.0)
    # Once nobody is left the survival is 0: nothing later can be lost.
    loss = np.divide(
        later, at_risk - any_event, out=np.zeros(later.shape), where=~counts.is_exhausted
    )
    drift = np.append(0.0, np.cumsum((steps - loss * any_event) / at_risk))
    cells = counts.cells
    x = cells.time_index
    moved = (
        np.where(cells.code == cause, gained[x], 0.0)
        - np.where(cells.code != CENSORED, loss[x], 0.0)
        - drift[x + 1]
    )
    if counts.has_entry:
        moved += drift[np.searchsorted(counts.times, cells.entry, side="right")]
    return moved


def infinitesimal_jackknife(counts: Counts, cause: int, gain: np.ndarray) -> float:
    """Variance of Σ gain·dF: the squared influences, summed within clusters where there are any.

    Valid with delayed entry, weights and clusters, where Greenwood's is not.
    """
    cells = counts.cells
    moved = cells.weight * influences(counts, cause, gain)
    if cells.cluster is None:
        return float((cells.persons * moved**2).sum())
    return float((np.bincount(cells.cluster, cells.persons * moved) ** 2).sum())


def survival_of(counts: Counts) -> tuple[np.ndarray, np.ndarray]:
    """Kaplan–Meier survival from every event, at and just before each time."""
    return survival_and_before(
        counts.at_risk, np.where(counts.is_exhausted, counts.at_risk, counts.events.sum(axis=0))
    )


def survival_and_before(at_risk: np.ndarray, events: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Kaplan–Meier survival from events, at and just before each time.

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
