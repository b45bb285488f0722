"""Gray's test: whether the incidence of one cause is the same in all groups."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import chdtrc

from etl.competing_risks.counts import Counts


@dataclass(frozen=True)
class GrayTest:
    """Chi-squared under the null; None, with a reason, where nothing can be compared."""

    statistic: float | None
    degrees_of_freedom: int
    p_value: float | None
    note: str | None = None


def gray_test(groups: Sequence[Counts] | Sequence[Sequence[Counts]], cause: int) -> GrayTest:
    """Compare the subdistribution hazards of `cause` between groups, with rho = 0.

    Of group r let Y be the number at risk, S⁻ and F⁻ survival and incidence just before a time,
    d and e the events of the cause and of the others. R = Y/S⁻ weights a group in the common
    incidence F0, dF0 = Σd/ΣR, and R·(1 − F⁻) counts the risk set of the subdistribution. The score
    of a group is

        z_r = Σ d_r − Σd · R_r(1−F_r⁻) / Σ R(1−F⁻)

    Its covariance is Gray's estimate, in which ties shrink a variance by 1 − (d−1)/(n−1) as in the
    hypergeometric one; cmprsk's `cuminc` prints the same statistic.

    Args:
        groups: One Counts per group; or a list of those per stratum, each with the groups in the
            same order (an empty group where a stratum has nobody of it).
        cause: The event code compared.

    Raises:
        ValueError: with delayed entry, weights or clusters, for which the test is not defined here.

    Source: Gray (1988), Ann. Statist. 16:1141–1154, sec. 2 and 3.
    """
    strata = [groups] if groups and isinstance(groups[0], Counts) else groups
    if any(c.has_entry or c.has_weights or c.cells.cluster is not None for s in strata for c in s):
        raise ValueError("Gray's test is not defined for delayed entry, weights or clusters.")
    n_groups = len(strata[0]) if strata else 0
    # A group in which nobody stands compares with nothing.
    present = [r for r in range(n_groups) if any(stratum[r].n for stratum in strata)]
    degrees = max(len(present) - 1, 0)
    if not degrees:
        return GrayTest(None, 0, None, "fewer than two groups have anybody in them")
    score, covariance = np.zeros(degrees), np.zeros((degrees, degrees))
    for stratum in strata:
        one_score, one_covariance = _scored([stratum[r] for r in present], cause)
        score += one_score[:-1]
        covariance += one_covariance[:-1, :-1]
    rank = np.linalg.matrix_rank(covariance) if covariance.any() else 0
    if rank < degrees:
        return GrayTest(None, degrees, None, "the groups cannot be told apart: no variance")
    statistic = float(score @ np.linalg.solve(covariance, score))
    return GrayTest(statistic, degrees, float(chdtrc(degrees, statistic)))


def _scored(groups: Sequence[Counts], cause: int) -> tuple[np.ndarray, np.ndarray]:
    """Score and covariance over all groups of one stratum, shapes (n_groups,) and its square."""
    times = np.unique(np.concatenate([c.times[c.events.any(axis=0)] for c in groups]))
    if not times.size:
        return np.zeros(len(groups)), np.zeros((len(groups), len(groups)))

    def of_each(column) -> np.ndarray:
        """Shape (n_groups, n_times), with 0 where a group has no such time."""
        values = np.zeros((len(groups), times.size))
        for row, counts in enumerate(groups):
            used = counts.events.any(axis=0)
            values[row, np.searchsorted(times, counts.times[used])] = column(counts)[used]
        return values

    events = of_each(lambda c: c.of_cause(cause))
    others = of_each(lambda c: c.of_other_causes(cause))
    at_risk = np.stack(
        [
            np.append(c.at_risk, 0)[np.searchsorted(c.times, times, side="left")].astype(float)
            for c in groups
        ]
    )
    is_at_risk = at_risk > 0
    divisor = np.where(is_at_risk, at_risk, 1)
    survival = np.cumprod((divisor - events - others) / divisor, axis=1)
    before = _before(survival, 1.0)
    incidence_before = _before(np.cumsum(before * events / divisor, axis=1), 0.0)
    weight = np.divide(at_risk, before, out=np.zeros_like(at_risk), where=is_at_risk & (before > 0))
    total, all_events = weight.sum(axis=0), events.sum(axis=0)
    has_events = (all_events > 0) & (total > 0)
    common = np.cumsum(np.divide(all_events, total, out=np.zeros_like(total), where=has_events))
    common_before = _before(common, 0.0)

    subdistribution = weight * (1 - incidence_before)
    share = np.divide(
        subdistribution, subdistribution.sum(axis=0),
        out=np.zeros_like(weight), where=total > 0,
    )  # fmt: skip
    score = (events - all_events * share).sum(axis=1)

    # A(r, k): how the weights of a time move the score of r; C their sum along the common hazard.
    proportion = np.divide(weight, total, out=np.zeros_like(weight), where=total > 0)
    identity = np.eye(len(groups))
    moves = weight[:, None] * (identity[:, :, None] - proportion[None])
    hazard = np.divide(
        all_events, total * (1 - common_before), out=np.zeros_like(total), where=has_events
    )
    drift = np.cumsum(moves * hazard, axis=2)

    left = np.divide(1 - common, survival, out=np.zeros_like(survival), where=survival > 0)
    # Variance of an increment of the cause, under the common incidence.
    gain = np.where(survival > 0, 1 - left, 1.0)
    tied = np.where(all_events > 1, 1 - _ratio(all_events - 1, total * before - 1), 1.0)
    of_cause = tied * before * _ratio(all_events * np.ones_like(at_risk), total * at_risk)
    of_cause = np.where(is_at_risk & has_events, of_cause, 0.0)
    # Of the competing events, in the group itself.
    tied = np.where(others > 1, 1 - _ratio(others - 1, at_risk - 1), 1.0)
    of_others = np.where((others > 0) & (survival > 0), tied * before**2 * others / divisor**2, 0.0)
    # The score's influence of each increment is A − (1 − F0)/S·(C − C at the end), by cause.
    final = drift[:, :, -1:]
    from_cause = moves - gain * drift + gain * final
    from_others = left * (final - drift)
    covariance = np.einsum("ikt,jkt,kt->ij", from_cause, from_cause, of_cause) + np.einsum(
        "ikt,jkt,kt->ij", from_others, from_others, of_others
    )
    return score, covariance


def _ratio(over: np.ndarray, under: np.ndarray) -> np.ndarray:
    over, under = np.broadcast_arrays(over, under)
    return np.divide(over, under, out=np.zeros(over.shape), where=under != 0)


def _before(values: np.ndarray, first: float) -> np.ndarray:
    return np.concatenate(
        [np.full((values.shape[0], 1), first) if values.ndim == 2 else [first], values[..., :-1]],
        axis=-1,
    )
