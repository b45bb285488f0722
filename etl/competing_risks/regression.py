"""Regression on hazards: of one cause (Cox), and of its subdistribution (Fine and Gray)."""

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

from etl.competing_risks.counts import CENSORED
from etl.competing_risks.intervals import LEVEL, normal_quantile

# Newton's steps: enough for any likelihood that has a maximum.
STEPS, PRECISION = 50, 1e-12


@dataclass(frozen=True)
class HazardModel:
    """Log hazard ratios and what goes with them, each of shape (n_columns,)."""

    coefficients: np.ndarray
    std_errors: np.ndarray
    hazard_ratios: np.ndarray
    lower: np.ndarray  # of the hazard ratios, Wald on the log scale
    upper: np.ndarray
    p_values: np.ndarray
    covariance: np.ndarray
    n: int
    events: int


def cause_specific_cox(
    times, event_codes, covariates, cause: int, *, entries=None, level: float = LEVEL
) -> HazardModel:
    """Cox model of one cause, with Efron's ties; every other end of follow-up censors.

    Args:
        times: End of follow-up, shape (n_persons,).
        event_codes: How it ended, shape (n_persons,); 0 is censored.
        covariates: Numbers, shape (n_persons, n_columns), without an intercept.
        cause: The event code of interest.
        entries: When each came under observation, shape (n_persons,); at risk on (entry, time].

    Without delayed entry statsmodels' PHReg, with it lifelines' CoxPHFitter; each is held to R's
    coxph by golden values.

    Raises:
        ValueError: if shapes differ, nobody had the event, or the columns are not independent.

    Source: Cox (1972), J. R. Stat. Soc. B 34:187–220; Efron (1977), J. Am. Stat. Assoc. 72:557–565.
    """
    times, codes, covariates = _held(times, event_codes, covariates, cause)
    had = codes == cause
    if entries is None:
        from statsmodels.duration.hazard_regression import PHReg

        # Centred columns keep the exponentials near 1, and change no coefficient.
        fit = PHReg(times, covariates - covariates.mean(axis=0), status=had, ties="efron").fit(
            disp=0, tol=PRECISION
        )
        return _model(fit.params, fit.cov_params(), had, level)
    import pandas as pd
    from lifelines import CoxPHFitter

    entries = np.asarray(entries, dtype=float)
    if entries.shape != times.shape or not (entries < times).all() or (entries < 0).any():
        raise ValueError("An entry is negative or not before the end of follow-up.")
    frame = pd.DataFrame(covariates, columns=[f"x{i}" for i in range(covariates.shape[1])])
    frame = frame.assign(entry=entries, time=times.astype(float), had=had)
    fit = CoxPHFitter().fit(
        frame, "time", "had", entry_col="entry", fit_options={"precision": PRECISION}
    )
    return _model(fit.params_.to_numpy(), fit.variance_matrix_.to_numpy(), had, level)


def fine_gray(times, event_codes, covariates, cause: int, *, level: float = LEVEL) -> HazardModel:
    """Proportional subdistribution hazards, with the sandwich errors of `crr` in R's cmprsk.

    Who had a competing event at x stays in the risk set with weight G(t⁻)/G(x⁻), G the Kaplan–Meier
    estimate of not being censored. Ties are Breslow's. The errors take into account that G is
    estimated: Var = I⁻¹ Σ(η + ψ)(η + ψ)ᵀ I⁻¹.

    All sums over risk sets are running sums over the distinct times.

    Args as of `cause_specific_cox`. Delayed entry and weights are not supported.

    Raises:
        ValueError: if shapes differ, nobody had the event, the columns are not independent, or the
            likelihood has no maximum (a column that divides those with the event from all others).

    Source: Fine & Gray (1999), J. Am. Stat. Assoc. 94:496–509, eqs. 7 and 8.
    """
    times, codes, covariates = _held(times, event_codes, covariates, cause)
    order = np.argsort(times, kind="stable")
    times, codes, z = times[order], codes[order], covariates[order]
    z = z - z.mean(axis=0)
    distinct, x = np.unique(times, return_inverse=True)
    had, other, censored = codes == cause, (codes != cause) & (codes != CENSORED), codes == CENSORED

    def per_time(rows: np.ndarray) -> np.ndarray:
        """Sums of rows by distinct time, shape (n_times, …)."""
        sums = np.zeros((distinct.size, *rows.shape[1:]))
        np.add.at(sums, x, rows)
        return sums

    n_events, n_censored = per_time(had * 1.0), per_time(censored * 1.0)
    at_risk = _from_here(per_time(np.ones(times.size)))
    uncensored = np.append(1.0, np.cumprod(1 - n_censored / at_risk)[:-1])  # G(t⁻)
    kept = np.divide(1.0, uncensored, out=np.zeros(distinct.size), where=uncensored > 0)[x] * other

    def risk_sets(rows: np.ndarray) -> np.ndarray:
        """Weighted sums over the risk set of each time, shape (n_times, …)."""
        shape = (-1, *[1] * (rows.ndim - 1))
        gone = _until_before(per_time(rows * kept.reshape(shape)))
        return _from_here(per_time(rows)) + uncensored.reshape(shape) * gone

    squares = z[:, :, None] * z[:, None, :]
    total = z[had].sum(axis=0)

    def at(beta: np.ndarray):
        e = np.exp(z @ beta)
        s0 = risk_sets(e)
        mean = risk_sets(e[:, None] * z) / s0[:, None]
        s2 = risk_sets(e[:, None, None] * squares) / s0[:, None, None]
        likelihood = (z[had] @ beta).sum() - (n_events * np.log(s0)).sum()
        score = total - (n_events[:, None] * mean).sum(axis=0)
        information = np.einsum("t,tij->ij", n_events, s2) - np.einsum(
            "t,ti,tj->ij", n_events, mean, mean
        )
        return likelihood, score, information, e, s0, mean

    beta = np.zeros(z.shape[1])
    now = at(beta)
    for _ in range(STEPS):
        step = np.linalg.solve(now[2], now[1])
        following = at(beta + step)
        while following[0] < now[0] - 1e-10 and np.abs(step).max() > PRECISION:
            step /= 2
            following = at(beta + step)
        beta, now = beta + step, following
        if np.abs(step).max() < PRECISION**0.75:
            break
    else:
        raise ValueError("The likelihood has no maximum: a column divides the events completely.")
    _, _, information, e, s0, mean = now

    # η: each person's score residual, while in the risk set and, kept after another event, beyond.
    hazard = n_events / s0
    both = np.column_stack([hazard, hazard[:, None] * mean])
    so_far = np.cumsum(both, axis=0)[x]
    weighted = uncensored[:, None] * both
    to_come = (_from_here(weighted) - weighted)[x]

    def residual(sums: np.ndarray) -> np.ndarray:
        return z * sums[:, :1] - sums[:, 1:]

    eta = np.where(had[:, None], z - mean[x], 0.0) - e[:, None] * (
        residual(so_far) + kept[:, None] * residual(to_come)
    )
    # ψ: what each person's censoring, or staying, adds through G. As in the paper a censoring at u
    # moves the weight, at t, of who had another event at x where x < u ≤ t.
    gone = _until_before(per_time((e * kept)[:, None] * np.column_stack([np.ones(z.shape[0]), z])))
    later = _from_here(weighted)
    q = gone[:, 1:] * later[:, :1] - gone[:, :1] * later[:, 1:]
    share = q / at_risk[:, None]
    psi = (
        np.where(censored[:, None], share[x], 0.0)
        - np.cumsum(share * (n_censored / at_risk)[:, None], axis=0)[x]
    )
    bread = np.linalg.inv(information)
    rows = eta + psi
    return _model(beta, bread @ (rows.T @ rows) @ bread, had, level)


def _held(times, event_codes, covariates, cause: int):
    times, codes = np.asarray(times), np.asarray(event_codes)
    covariates = np.asarray(covariates, dtype=float)
    if covariates.ndim != 2 or not times.shape == codes.shape == covariates.shape[:1]:
        raise ValueError(
            f"times, event codes and covariates have shapes {times.shape}, {codes.shape} and "
            f"{covariates.shape}; expected (n,), (n,) and (n, columns)."
        )
    if not (np.isfinite(times).all() and np.isfinite(covariates).all()) or (times < 0).any():
        raise ValueError("A time is negative, or a time or a covariate is not finite.")
    if not (codes == cause).any():
        raise ValueError(f"Nobody had event {cause}: there is nothing to regress.")
    centred = covariates - covariates.mean(axis=0)
    if np.linalg.matrix_rank(centred) < covariates.shape[1]:
        raise ValueError("A column is constant, or says what others say together.")
    return times, codes, covariates


def _model(coefficients, covariance, had: np.ndarray, level: float) -> HazardModel:
    coefficients, covariance = np.asarray(coefficients), np.asarray(covariance)
    std_errors = np.sqrt(np.diag(covariance))
    half = normal_quantile(level) * std_errors
    return HazardModel(
        coefficients=coefficients,
        std_errors=std_errors,
        hazard_ratios=np.exp(coefficients),
        lower=np.exp(coefficients - half),
        upper=np.exp(coefficients + half),
        p_values=2 * ndtr(-np.abs(coefficients) / std_errors),
        covariance=covariance,
        n=had.size,
        events=int(had.sum()),
    )


def _from_here(values: np.ndarray) -> np.ndarray:
    return np.cumsum(values[::-1], axis=0)[::-1]


def _until_before(values: np.ndarray) -> np.ndarray:
    return np.concatenate([np.zeros((1, *values.shape[1:])), np.cumsum(values, axis=0)[:-1]])
