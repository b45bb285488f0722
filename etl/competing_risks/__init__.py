"""Absolute risks where one event forecloses another. Pure: numbers in, numbers out.

The road: persons are counted per (time, event) → `Counts` → `cumulative_incidence` (Aalen–Johansen
with its variance) → `risk_at` a horizon, with intervals → `risk_difference` between two groups →
`share_exceeding`, how often the difference passes a threshold in bootstrap samples.

Everything works on counts, so its cost follows the number of distinct times, not of persons.
"""

from etl.competing_risks.aalen_johansen import CumulativeIncidence, cumulative_incidence
from etl.competing_risks.bootstrap import share_exceeding
from etl.competing_risks.counts import CENSORED, Counts, count_events
from etl.competing_risks.differences import RiskDifference, exceeds, risk_difference
from etl.competing_risks.intervals import LEVEL, effective_number, plain, recommended, wilson
from etl.competing_risks.risks import Risk, risk_at

__all__ = [
    "CENSORED",
    "LEVEL",
    "Counts",
    "CumulativeIncidence",
    "Risk",
    "RiskDifference",
    "count_events",
    "cumulative_incidence",
    "effective_number",
    "exceeds",
    "plain",
    "recommended",
    "risk_at",
    "risk_difference",
    "share_exceeding",
    "wilson",
]
