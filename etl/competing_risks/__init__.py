"""Absolute risks where one event forecloses another. Pure: numbers in, numbers out.

The road: persons are counted per (time, event) → `Counts` → `cumulative_incidence` (Aalen–Johansen
with its variance) → `risk_at` a horizon, with intervals → `risk_difference` and `risk_ratio` of two
groups → `share_exceeding`, how often the difference passes a threshold in bootstrap samples. Beside
it: `time_lost`, `gray_test`, `pseudo_values`, and regression on hazards.

Estimates work on counts, so their cost follows the number of distinct times, not of persons;
delayed entry, weights and clusters add the distinct cells of those.
"""

from etl.competing_risks.aalen_johansen import CumulativeIncidence, cumulative_incidence
from etl.competing_risks.bootstrap import share_exceeding
from etl.competing_risks.counts import CENSORED, Counts, count_events, last_event
from etl.competing_risks.differences import (
    RiskDifference,
    RiskRatio,
    exceeds,
    risk_difference,
    risk_ratio,
)
from etl.competing_risks.gray import GrayTest, gray_test
from etl.competing_risks.intervals import (
    KINDS,
    LEVEL,
    cloglog,
    effective_number,
    limits_of,
    log,
    log_log,
    plain,
    recommended,
    wilson,
)
from etl.competing_risks.pseudo_values import (
    LinearModel,
    jackknife_influences,
    pseudo_value_regression,
    pseudo_values,
)
from etl.competing_risks.regression import HazardModel, cause_specific_cox, fine_gray
from etl.competing_risks.risks import (
    GREENWOOD,
    INFINITESIMAL_JACKKNIFE,
    VARIANCES,
    Risk,
    TimeLost,
    risk_at,
    time_lost,
)

__all__ = [
    "CENSORED",
    "GREENWOOD",
    "INFINITESIMAL_JACKKNIFE",
    "KINDS",
    "LEVEL",
    "VARIANCES",
    "Counts",
    "CumulativeIncidence",
    "GrayTest",
    "HazardModel",
    "LinearModel",
    "Risk",
    "RiskDifference",
    "RiskRatio",
    "TimeLost",
    "cause_specific_cox",
    "cloglog",
    "count_events",
    "cumulative_incidence",
    "effective_number",
    "exceeds",
    "fine_gray",
    "gray_test",
    "jackknife_influences",
    "last_event",
    "limits_of",
    "log",
    "log_log",
    "plain",
    "pseudo_value_regression",
    "pseudo_values",
    "recommended",
    "risk_at",
    "risk_difference",
    "risk_ratio",
    "share_exceeding",
    "time_lost",
    "wilson",
]
