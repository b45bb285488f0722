"""The risk of one group by one horizon, with everything that is printed beside it."""

from dataclasses import dataclass

from etl.competing_risks.aalen_johansen import cumulative_incidence
from etl.competing_risks.counts import Counts
from etl.competing_risks.intervals import LEVEL, plain, recommended, wilson

Limits = tuple[float, float]


@dataclass(frozen=True)
class Risk:
    """A risk as a proportion from 0 to 1. Estimate and limits are None where there is nobody."""

    horizon: float
    n: int  # at risk at the start
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


def risk_at(counts: Counts, cause: int, horizon: float, level: float = LEVEL) -> Risk:
    """Risk of `cause` by the horizon, the horizon included.

    Past the last follow-up the last value is carried forward, and `carried_from` says from when.
    """
    until = counts.times <= horizon
    incidence = cumulative_incidence(counts, cause)
    risk, variance = incidence.at(horizon)
    n, last = counts.n, counts.last_time

    def limits(transform, *number) -> Limits | None:
        if n == 0:
            return None
        lower, upper = transform(risk, variance, *number, level)
        return float(lower), float(upper)

    return Risk(
        horizon=horizon,
        n=n,
        at_risk=counts.at_risk_before(horizon),
        events=int(counts.of_cause(cause)[until].sum()),
        competing=int(counts.of_other_causes(cause)[until].sum()),
        censored=int(counts.censored[until].sum()),
        estimate=risk if n else None,
        std_error=variance**0.5 if n else None,
        plain=limits(plain),
        wilson=limits(wilson, n),
        recommended=limits(recommended, n),
        carried_from=last if last is not None and last < horizon else None,
    )
