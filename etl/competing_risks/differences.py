"""The difference and the ratio of the risks of two independent groups."""

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

from etl.competing_risks.intervals import LEVEL, normal_quantile
from etl.competing_risks.risks import Limits, Risk

# 0.20 − 0.15 is a hair above 0.05 in floating point. No count of persons makes a true difference
# this small.
ROUNDING = 1e-12


@dataclass(frozen=True)
class RiskDifference:
    """Group minus reference, from −1 to 1. Everything is None where either group has nobody."""

    estimate: float | None
    std_error: float | None
    wald: Limits | None
    mover: Limits | None
    p_value: float | None  # two-sided Wald; None where the standard error is 0


@dataclass(frozen=True)
class RiskRatio:
    """Group over reference. None where the reference has no risk, or either group has nobody.

    Without a risk in the group the ratio is 0 and has no limits.
    """

    estimate: float | None
    log_std_error: float | None
    wald: Limits | None  # on the log scale


def risk_difference(group: Risk, reference: Risk, level: float = LEVEL) -> RiskDifference:
    """Risk difference with independent Wald limits (not clipped) and MOVER limits.

    MOVER recovers the variance that each group's own Wilson limits imply. It takes those and not
    the limits recommended for a risk: without events the latter are one-sided.

    `level` must be the level of the two risks.

    Source: Newcombe (1998), Stat. Med. 17:873–890, method 10; Zou & Donner (2008), Stat. Med.
    27:1693–1702, eq. 1.
    """
    if group.estimate is None or reference.estimate is None:
        return RiskDifference(None, None, None, None, None)
    difference = group.estimate - reference.estimate
    std_error = float(np.hypot(group.std_error, reference.std_error))
    half = normal_quantile(level) * std_error
    group_lower, group_upper = group.wilson
    reference_lower, reference_upper = reference.wilson
    down = np.hypot(group.estimate - group_lower, reference_upper - reference.estimate)
    up = np.hypot(group_upper - group.estimate, reference.estimate - reference_lower)
    return RiskDifference(
        estimate=difference,
        std_error=std_error,
        wald=(difference - half, difference + half),
        mover=(float(difference - down), float(difference + up)),
        p_value=float(2 * ndtr(-abs(difference) / std_error)) if std_error else None,
    )


def risk_ratio(group: Risk, reference: Risk, level: float = LEVEL) -> RiskRatio:
    """Ratio of two risks with Wald limits of its logarithm.

    By the delta method var(log F) = var(F)/F², and the groups are independent.
    """
    if group.estimate is None or not reference.estimate:
        return RiskRatio(None, None, None)
    ratio = group.estimate / reference.estimate
    if not ratio:
        return RiskRatio(0.0, None, None)
    log_std_error = float(
        np.hypot(group.std_error / group.estimate, reference.std_error / reference.estimate)
    )
    # A ratio without a standard error is one of two certainties: no limits, as no p value.
    half = normal_quantile(level) * log_std_error
    wald = (float(ratio * np.exp(-half)), float(ratio * np.exp(half))) if log_std_error else None
    return RiskRatio(ratio, log_std_error, wald)


def exceeds(difference, threshold: float):
    """Whether an unrounded difference lies above the threshold; equal is not above."""
    return difference - threshold > ROUNDING
