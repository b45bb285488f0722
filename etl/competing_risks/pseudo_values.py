"""Pseudo-values: what each person adds to an estimate, ready for ordinary regression."""

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

from etl.competing_risks.aalen_johansen import influences, survival_of
from etl.competing_risks.counts import CENSORED, Counts
from etl.competing_risks.intervals import LEVEL, normal_quantile


def pseudo_values(counts: Counts, cause: int, horizon: float) -> np.ndarray:
    """Leave-one-out pseudo-values n·F − (n−1)·F₍₋ᵢ₎ of the risk, one per cell of the counts.

    Exact, in one pass: without a person who leaves at x the increments until x come from Y − 1
    persons, and after x, where the risk sets are the same, the chance still to come stays as it
    was. `jackknife` of prodlim and the R package pseudo give the same.

    Raises:
        ValueError: with delayed entry or weights; `jackknife_influences` serves there.

    Source: Andersen, Klein & Rosthøj (2003), Biometrika 90:15–27.
    """
    if counts.has_entry or counts.has_weights:
        raise ValueError(
            "Leave-one-out pseudo-values are not defined with delayed entry or weights; "
            "the infinitesimal jackknife's are."
        )
    until = counts.times <= horizon
    events = np.where(until, counts.of_cause(cause), 0)
    any_event = np.where(until, counts.events.sum(axis=0), 0)
    at_risk = counts.at_risk.astype(float)
    _, before = survival_of(counts)
    risk = (before * events / at_risk).sum()

    # One person fewer at risk, and no event fewer: the road of everyone who leaves later.
    fewer = np.maximum(at_risk - 1, 1)
    survival_fewer = np.cumprod(np.maximum(fewer - any_event, 0) / fewer)
    before_fewer = np.append(1.0, survival_fewer[:-1])
    risk_fewer = np.append(0.0, np.cumsum(before_fewer * events / fewer))
    # The chance of the event after each time for whoever is still there, worked out from the end.
    still = np.zeros(counts.times.size + 1)
    share, stay = events / at_risk, 1 - any_event / at_risk
    for i in range(counts.times.size - 1, -1, -1):
        still[i] = share[i] + stay[i] * still[i + 1]

    cells = counts.cells
    x = cells.time_index
    own = np.where((cells.code == cause) & until[x], 1, 0)
    own_any = np.where((cells.code != CENSORED) & until[x], 1, 0)
    step = before_fewer[x] * (events[x] - own) / fewer[x]
    survives = before_fewer[x] * (1 - (any_event[x] - own_any) / fewer[x])
    # The last person at risk leaves nobody behind.
    without = risk_fewer[x] + step + np.where(at_risk[x] > 1, survives * still[x + 1], 0.0)
    n = counts.n
    return n * risk - (n - 1) * without if n > 1 else np.full(x.shape, risk)


def jackknife_influences(counts: Counts, cause: int, horizon: float) -> np.ndarray:
    """Infinitesimal pseudo-values F + n·u, one per cell; `pseudo` of R's survival gives the same.

    Valid with delayed entry and weights, where n·u is each person's influence times the sum of
    weights.
    """
    until = counts.times <= horizon
    _, before = survival_of(counts)
    risk = (until * before * counts.of_cause(cause) / counts.at_risk).sum()
    return risk + counts.n * influences(counts, cause, until.astype(float))


@dataclass(frozen=True)
class LinearModel:
    """Coefficients of an identity link: risk differences, shape (n_columns,)."""

    coefficients: np.ndarray
    std_errors: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    p_values: np.ndarray
    covariance: np.ndarray


def pseudo_value_regression(
    values: np.ndarray, design: np.ndarray, *, clusters=None, level: float = LEVEL
) -> LinearModel:
    """Regress pseudo-values on a design with an identity link and sandwich errors.

    Args:
        values: Pseudo-values, shape (n_persons,).
        design: Columns of numbers, the intercept among them, shape (n_persons, n_columns).
        clusters: Persons who are not independent share a value, shape (n_persons,).

    Raises:
        ValueError: where the columns say the same thing twice.

    Source: Klein & Andersen (2005), Biometrics 61:223–229. The sandwich is that of Liang & Zeger
    (1986) with independence, without a correction for small samples (HC0): geepack's default.
    """
    import statsmodels.api as sm

    design = np.asarray(design, dtype=float)
    if np.linalg.matrix_rank(design) < design.shape[1]:
        raise ValueError("The columns of the design are not independent of one another.")
    model = sm.OLS(np.asarray(values, dtype=float), design)
    fit = (
        model.fit(cov_type="HC0")
        if clusters is None
        else model.fit(
            cov_type="cluster",
            cov_kwds={"groups": np.asarray(clusters), "use_correction": False, "df_correction": 0},
        )
    )
    covariance = np.asarray(fit.cov_params())
    coefficients, std_errors = np.asarray(fit.params), np.sqrt(np.diag(covariance))
    half = normal_quantile(level) * std_errors
    return LinearModel(
        coefficients=coefficients,
        std_errors=std_errors,
        lower=coefficients - half,
        upper=coefficients + half,
        p_values=2 * ndtr(-np.abs(coefficients) / std_errors),
        covariance=covariance,
    )
