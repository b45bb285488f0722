"""Confidence limits for a risk. Each transform is named, since they differ where events are few.

Arguments may be numbers or arrays of one shape; limits come back as (lower, upper).
"""

import numpy as np
from scipy.special import ndtri

LEVEL = 0.95


def normal_quantile(level: float) -> float:
    """1.96 for a level of 0.95."""
    return float(ndtri(0.5 + level / 2))


def plain(risk, variance, level: float = LEVEL):
    """Wald limits, clipped to [0, 1]: `conf.type = "plain"` of survfit, the default of prodlim.

    Known drawback: covers far less than its level for rare events in small groups, and has no
    width where there are no events.
    """
    half = normal_quantile(level) * np.sqrt(variance)
    return np.clip(risk - half, 0, 1), np.clip(risk + half, 0, 1)


def log(risk, variance, level: float = LEVEL):
    """Wald limits of log F, cut at 1: `conf.type = "log"` of survfit. NaN where F is 0."""
    risk = np.asarray(risk, dtype=float)
    inside = risk > 0
    half = normal_quantile(level) * _divided(np.sqrt(variance), risk, inside)
    lower, upper = risk * np.exp(-half), np.minimum(risk * np.exp(half), 1)
    return np.where(inside, lower, np.nan), np.where(inside, upper, np.nan)


def log_log(risk, variance, level: float = LEVEL):
    """Wald limits of log(−log F): `conf.type = "log-log"` of survfit. NaN where F is 0 or 1."""
    risk = np.asarray(risk, dtype=float)
    inside = (risk > 0) & (risk < 1)
    logarithm = np.log(np.where(inside, risk, 0.5))
    half = normal_quantile(level) * _divided(np.sqrt(variance), -risk * logarithm, inside)
    lower, upper = np.exp(logarithm * np.exp(half)), np.exp(logarithm * np.exp(-half))
    return np.where(inside, lower, np.nan), np.where(inside, upper, np.nan)


def cloglog(risk, variance, level: float = LEVEL):
    """Wald limits of log(−log(1 − F)): etm's "cloglog", Stata's and SAS's log-log for incidences.

    It is not survfit's "log-log", which transforms F. NaN where F is 0 or 1.
    """
    lower, upper = log_log(1 - np.asarray(risk, dtype=float), variance, level)
    return 1 - upper, 1 - lower


def _divided(value, by, where):
    value, by = np.broadcast_arrays(np.asarray(value, dtype=float), np.asarray(by, dtype=float))
    return np.divide(value, by, out=np.zeros(by.shape), where=where)


def effective_number(risk, variance, n: float):
    """Persons without censoring who would give this risk this variance: F(1−F)/Var.

    `n`, the number at risk at the start, where the risk is 0 or 1 and the variance says nothing.
    """
    risk, variance = np.asarray(risk, dtype=float), np.asarray(variance, dtype=float)
    inside = (risk > 0) & (risk < 1) & (variance > 0)
    return np.divide(risk * (1 - risk), variance, out=np.full(risk.shape, float(n)), where=inside)


def wilson(risk, variance, n: float, level: float = LEVEL):
    """Wilson's score limits on the effective sample size.

    Source: Wilson (1927), J. Am. Stat. Assoc. 22:209–212; with an effective sample size as in
    Korn & Graubard (1998), Surv. Methodol. 24:193–201.
    """
    m = effective_number(risk, variance, n)
    z2 = normal_quantile(level) ** 2
    centre = (risk + z2 / (2 * m)) / (1 + z2 / m)
    half = np.sqrt(z2 * (risk * (1 - np.asarray(risk)) / m + z2 / (4 * m**2))) / (1 + z2 / m)
    # At a risk of 0 or 1 the limit is 0 or 1 in algebra, and next to it in floating point.
    lower = np.where(np.equal(risk, 0), 0.0, np.clip(centre - half, 0, 1))
    upper = np.where(np.equal(risk, 1), 1.0, np.clip(centre + half, 0, 1))
    return lower, upper


def recommended(risk, variance, n: float, level: float = LEVEL):
    """Wilson's limits; without events 0 to 1 − (1 − level)^(1/n), n at risk at the start.

    Without events the upper limit is the risk under which seeing none has probability 1 − level
    ("rule of three": about 3/n). Source: Hanley & Lippman-Hand (1983), JAMA 249:1743–1745.
    """
    lower, upper = wilson(risk, variance, n, level)
    return lower, np.where(np.equal(risk, 0), 1 - (1 - level) ** (1 / n), upper)


def limits_of(
    kind: str, risk: float, variance: float, n: float, level: float = LEVEL
) -> tuple[float, float] | None:
    """Limits of the named kind, one of `KINDS`; None where the transform has none."""
    with_number = {"wilson": wilson, "recommended": recommended}
    if kind in with_number:
        lower, upper = with_number[kind](risk, variance, n, level)
    else:
        lower, upper = _TRANSFORMS[kind](risk, variance, level)
    return None if np.isnan(lower) else (float(lower), float(upper))


_TRANSFORMS = {"plain": plain, "log": log, "log-log": log_log, "cloglog": cloglog}
KINDS = (*_TRANSFORMS, "wilson")
