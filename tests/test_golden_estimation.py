"""Every estimate against R: `golden/estimation.R` made the people and the values.

The suite needs no R. Each comparison counts what it compared, so that an empty file cannot pass.
"""

import csv
from collections import Counter
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from etl.competing_risks import (
    INFINITESIMAL_JACKKNIFE,
    cause_specific_cox,
    count_events,
    cumulative_incidence,
    fine_gray,
    gray_test,
    jackknife_influences,
    pseudo_values,
    risk_at,
    risk_difference,
    risk_ratio,
    time_lost,
)
from tests.reverse_kaplan_meier import follow_up

GOLDEN = Path(__file__).parent / "golden"
EXACT, ITERATED = 1e-9, 1e-6


def rows(name: str) -> list[dict]:
    with (GOLDEN / f"estimation_{name}.csv").open(newline="") as file:
        return list(csv.DictReader(file))


@cache
def people(name: str) -> dict[str, np.ndarray]:
    chosen = [row for row in rows("people") if row["set"] == name]
    assert chosen
    whole = ("event", "stratum", "cluster")
    columns = {
        column: np.array([row[column] for row in chosen]).astype(int if column in whole else float)
        for column in ("time", "event", "entry", "weight", "stratum", "x1", "x2", "cluster")
    }
    return columns | {"group": np.array([row["group"] for row in chosen])}


def counted(name: str, where=None, **more):
    d = people(name)
    where = np.ones(d["time"].size, bool) if where is None else where
    columns = {
        "entries": d["entry"][where] if d["entry"].any() else None,
        "weights": d["weight"][where] if (d["weight"] != 1).any() else None,
    }
    return count_events(d["time"][where], d["event"][where], **(columns | more))


def same(ours: float, theirs: str, tolerance: float, *where) -> int:
    """1 where R has a value and ours is the same."""
    if theirs in ("", "NA", "NaN"):
        return 0
    assert ours == pytest.approx(float(theirs), rel=tolerance, abs=1e-13), where
    return 1


def test_risks_and_errors_equal_those_of_survfit_prodlim_and_etm():
    compared = Counter()
    for row in rows("risks"):
        name, cause, horizon = row["set"], int(row["cause"]), float(row["horizon"])
        counts = counted(name)
        jackknife = risk_at(counts, cause, horizon, variance=INFINITESIMAL_JACKKNIFE)
        clustered = risk_at(
            counted(name, clusters=people(name)["cluster"]), cause, horizon,
            variance=INFINITESIMAL_JACKKNIFE,
        )  # fmt: skip
        ours = {
            "survfit": jackknife.estimate,
            "survfit_error": jackknife.std_error,
            "cluster_error": clustered.std_error,
            "prodlim": jackknife.estimate,
            "etm": jackknife.estimate,
            "cuminc": jackknife.estimate,
        }
        if not counts.has_weights:
            greenwood = risk_at(counts, cause, horizon)
            # prodlim has no error once the risk set is exhausted, and gives NaN.
            ours |= {"prodlim_error": greenwood.std_error, "etm_error": greenwood.std_error}
        for column, value in ours.items():
            compared[column] += same(value, row[column], EXACT, row, column)
        lost = time_lost(counts, cause, horizon)
        if row["lost"]:
            for column, value in (("lost", lost.estimate), ("lost_error", lost.std_error)):
                compared[column] += same(value, row[column], EXACT, row, column)
    assert min(compared.values()) >= 8, compared
    assert compared["survfit_error"] == len(rows("risks")) > 100


def test_with_delayed_entry_the_two_variances_differ_and_each_has_its_name():
    counts = counted("entry")
    greenwood = risk_at(counts, 1, 20).std_error
    jackknife = risk_at(counts, 1, 20, variance=INFINITESIMAL_JACKKNIFE).std_error
    assert 1e-4 < abs(greenwood / jackknife - 1) < 0.1


def test_every_transform_equals_that_of_survfit_and_etm():
    compared = Counter()
    for row in rows("transforms"):
        risk = risk_at(
            counted(row["set"]), int(row["cause"]), float(row["horizon"]),
            variance="greenwood" if row["kind"] == "cloglog" else INFINITESIMAL_JACKKNIFE,
        )  # fmt: skip
        limits = risk.limits(row["kind"], float(row["level"]))
        if limits is None:
            assert row["lower"] == row["upper"] == "", row
            continue
        for ours, side in zip(limits, ("lower", "upper"), strict=True):
            compared[row["kind"]] += same(ours, row[side], EXACT, row)
    assert set(compared) == {"plain", "log", "log-log", "cloglog"}
    assert min(compared.values()) >= 10, compared


def test_differences_ratios_and_p_values_of_two_groups():
    for row in rows("contrasts"):
        group = people(row["set"])["group"]
        reference, other = (
            risk_at(counted(row["set"], group == name), int(row["cause"]), float(row["horizon"]))
            for name in "ab"
        )
        difference, ratio = risk_difference(other, reference), risk_ratio(other, reference)
        compared = [
            same(difference.estimate, row["risk_difference"], EXACT, row),
            same(difference.std_error, row["std_error"], EXACT, row),
            same(difference.p_value, row["p_value"], EXACT, row),
            same(ratio.estimate, row["risk_ratio"], EXACT, row),
            same(ratio.wald[0], row["ratio_lower"], EXACT, row),
            same(ratio.wald[1], row["ratio_upper"], EXACT, row),
        ]
        assert all(compared)


def test_grays_test_equals_cmprsk_plain_and_stratified():
    compared = Counter()
    for row in rows("gray"):
        d = people(row["set"])
        groups = np.unique(d["group"])
        if row["stratified"] == "TRUE":
            sets = [
                [counted(row["set"], (d["group"] == g) & (d["stratum"] == s)) for g in groups]
                for s in np.unique(d["stratum"])
            ]
        else:
            sets = [counted(row["set"], d["group"] == g) for g in groups]
        test = gray_test(sets, int(row["cause"]))
        assert test.degrees_of_freedom == int(row["degrees_of_freedom"])
        compared[row["stratified"]] += same(test.statistic, row["statistic"], EXACT, row)
        same(test.p_value, row["p_value"], EXACT, row)
    assert min(compared["TRUE"], compared["FALSE"]) >= 15


def by_person(counts, name: str, values: np.ndarray) -> np.ndarray:
    """Values of cells, for each person in the order of the file."""
    if values.size == people(name)["time"].size and counts.has_entry:
        return values
    cells = counts.cells
    known = {
        (counts.times[x], code): value
        for x, code, value in zip(cells.time_index, cells.code, values, strict=True)
    }
    d = people(name)
    return np.array([known[key] for key in zip(d["time"], d["event"], strict=True)])


def test_pseudo_values_equal_prodlims_jackknife_and_survivals_pseudo():
    golden = rows("pseudo")
    for name in ("ties", "untied", "exhausted", "entry"):
        of_set = [row for row in golden if row["set"] == name]
        counts, horizon = counted(name), float(of_set[0]["horizon"])
        kinds = {"infinitesimal": jackknife_influences(counts, 1, horizon)}
        if name != "entry":
            kinds["jackknife"] = pseudo_values(counts, 1, horizon)
        for column, values in kinds.items():
            theirs = np.array([float(row[column]) for row in of_set])
            ours = by_person(counts, name, values)
            # A pseudo-value is a difference of numbers as large as n.
            np.testing.assert_allclose(ours, theirs, rtol=EXACT, atol=1e-11)


@pytest.mark.parametrize(
    "row", rows("models")[::2], ids=lambda r: f"{r['model']}-{r['set']}-{r['cause']}"
)
def test_regressions_equal_crr_and_coxph(row):
    d = people(row["set"])
    both = [
        r for r in rows("models")
        if all(r[c] == row[c] for c in ("model", "set", "cause"))
    ]  # fmt: skip
    columns = np.column_stack([d["x1"], d["x2"]])
    cause = int(row["cause"])
    if row["model"] == "fine_gray":
        model = fine_gray(d["time"], d["event"], columns, cause)
    elif d["entry"].any():
        entries = np.where(d["entry"] > 0, d["entry"], 0)
        model = cause_specific_cox(d["time"], d["event"], columns, cause, entries=entries)
    else:
        model = cause_specific_cox(d["time"], d["event"], columns, cause)
    for i, theirs in enumerate(both):
        assert same(model.coefficients[i], theirs["coefficient"], ITERATED, theirs)
        assert same(model.std_errors[i], theirs["std_error"], ITERATED, theirs)


def test_potential_follow_up_equals_prodlims_reverse_estimate():
    compared = 0
    for row in rows("follow_up"):
        ours = follow_up(counted(row["set"]))
        for column in ("lower_quartile", "median", "upper_quartile"):
            compared += same(getattr(ours, column), row[column], EXACT, row, column)
    assert compared >= 10


def test_the_incidences_of_ten_causes_and_the_survival_sum_to_one():
    counts = counted("tencauses")
    curves = [cumulative_incidence(counts, cause) for cause in range(1, 11)]
    np.testing.assert_allclose(
        sum(curve.risk for curve in curves) + curves[0].survival, 1, atol=1e-12
    )
