"""Absolute risks under competing events: tables worked by hand, other programs, and the edges."""

import csv
from fractions import Fraction
from itertools import product
from math import sqrt
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom
from statsmodels.duration.survfunc import CumIncidenceRight
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

from benchmarks import coverage
from etl.competing_risks import (
    GREENWOOD,
    INFINITESIMAL_JACKKNIFE,
    VARIANCES,
    RiskDifference,
    count_events,
    cumulative_incidence,
    effective_number,
    exceeds,
    plain,
    recommended,
    risk_at,
    risk_difference,
    share_exceeding,
    time_lost,
    wilson,
)

GOLDEN = Path(__file__).parent / "golden"
# A busy machine must not turn a test red.
steady = settings(deadline=None)

# (time, event): 0 censored, 1 the outcome, 2 death. Ties of all three kinds, time 0 included.
Persons = list[tuple[int, int]]
persons = st.lists(st.tuples(st.integers(0, 12), st.integers(0, 2)), min_size=1, max_size=40)


def counted(people: Persons):
    return count_events([time for time, _ in people], [event for _, event in people])


# ------------------------------------------------------------------ by hand

#   time  at risk  outcome  death  censored   S before   dF
#     2      10       1       1        0         1       1/10
#     3       8       0       0        2        8/10      0
#     5       6       1       0        1        8/10     8/60
#     9       4       1       1        2        2/3      2/12
BY_HAND: Persons = [
    (2, 1), (2, 2), (3, 0), (3, 0), (5, 1), (5, 0), (9, 1), (9, 2), (9, 0), (9, 0),
]  # fmt: skip


def test_a_table_worked_by_hand():
    counts = counted(BY_HAND)
    incidence = cumulative_incidence(counts, 1)
    assert counts.at_risk.tolist() == [10, 8, 6, 4]
    np.testing.assert_allclose(incidence.risk, [1 / 10, 1 / 10, 7 / 30, 2 / 5], rtol=1e-14)
    np.testing.assert_allclose(incidence.competing_risk, [0.1, 0.1, 0.1, 4 / 15], rtol=1e-14)
    np.testing.assert_allclose(incidence.survival, [0.8, 0.8, 2 / 3, 1 / 3], rtol=1e-14)


def test_the_variance_of_two_tied_times_worked_by_hand():
    # Of 4 persons one has the outcome and one dies at 1; of the other two one has it at 2.
    # At 1: (1/4·3/4)/4 = 3/64. At 2, with dF = 1/4, g⁻ = 2/(4·2) and c⁻ = 1/4·(0 − 1/4):
    # 2·1/4·(−1/16) + 1/16·1/4 + 1/4·(1/2·1/2)/2 = 1/64. Together 1/16, as it must be for 2 of 4.
    incidence = cumulative_incidence(counted([(1, 1), (1, 2), (2, 1), (2, 0)]), 1)
    np.testing.assert_allclose(incidence.variance, [3 / 64, 1 / 16], rtol=1e-14)


def test_an_event_on_the_horizon_counts_and_the_risk_set_is_the_one_just_before():
    risk = risk_at(counted(BY_HAND), 1, 5)
    assert (risk.n, risk.at_risk, risk.events, risk.competing, risk.censored) == (10, 6, 2, 1, 3)
    assert risk.estimate == pytest.approx(7 / 30)
    assert risk_at(counted(BY_HAND), 1, 4.99).estimate == pytest.approx(1 / 10)


def test_whoever_is_censored_on_a_day_is_at_risk_on_that_day():
    together = risk_at(counted([(5, 1), (5, 0)]), 1, 5)
    censored_before = risk_at(counted([(5, 1), (4, 0)]), 1, 5)
    assert (together.estimate, censored_before.estimate) == (0.5, 1)


def test_an_event_at_time_zero_counts():
    risk = risk_at(counted([(0, 1), (3, 0), (3, 0), (3, 2)]), 1, 0)
    assert (risk.at_risk, risk.events, risk.estimate) == (4, 1, 0.25)


def test_before_the_first_time_nothing_has_happened():
    risk = risk_at(counted([(2, 1), (3, 0)]), 1, 1)
    assert (risk.estimate, risk.at_risk, risk.events, risk.carried_from) == (0, 2, 0, None)


# ------------------------------------------------------------------ other programs


def golden(name: str) -> list[dict]:
    with (GOLDEN / name).open(newline="") as file:
        return list(csv.DictReader(file))


def test_risk_and_standard_error_equal_prodlim_and_survfit():
    people = golden("competing_risks_people.csv")
    checked = 0
    for row in golden("competing_risks_values.csv"):
        group = [(int(p["time"]), int(p["event"])) for p in people if p["group"] == row["group"]]
        risk = risk_at(counted(group), int(row["cause"]), int(row["horizon"]))
        for field, ours in (
            ("risk", risk.estimate),
            ("std_error", risk.std_error),
            ("survfit_risk", risk.estimate),
            ("survfit_std_error", risk.std_error),
        ):
            # prodlim has no standard error for an exhausted risk set.
            if row[field] != "NA":
                assert ours == pytest.approx(float(row[field]), rel=1e-9, abs=1e-15), (field, row)
                checked += 1
    assert checked == 118


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # from its variance, not taken here
@steady
@given(persons)
def test_the_estimate_equals_statsmodels(people):
    # statsmodels wants every cause to occur: one more of each, after everybody else.
    people = [*people, (20, 1), (20, 2)]
    times, events = np.array(people).T
    theirs = CumIncidenceRight(times, events)
    for cause in (1, 2):
        ours = cumulative_incidence(counted(people), cause)
        risks = [ours.at(time)[0] for time in theirs.times]
        np.testing.assert_allclose(risks, theirs.cinc[cause - 1], atol=1e-12)


def greenwood_person_by_person(people: Persons, cause: int, horizon: int) -> Fraction:
    """The closed form, one sum over event times, in exact fractions: Gaynor et al. (1993)."""
    event_times = sorted({time for time, event in people if event and time <= horizon})
    survival, risk, steps = Fraction(1), Fraction(0), []
    for time in event_times:
        at_risk = sum(1 for t, _ in people if t >= time)
        any_event = sum(1 for t, event in people if t == time and event)
        of_cause = sum(1 for t, event in people if t == time and event == cause)
        risk += survival * Fraction(of_cause, at_risk)
        steps.append((at_risk, any_event, of_cause, survival, risk))
        survival *= 1 - Fraction(any_event, at_risk)
    variance = Fraction(0)
    for at_risk, any_event, of_cause, before, so_far in steps:
        later = risk - so_far
        if later:
            variance += later**2 * Fraction(any_event, at_risk * (at_risk - any_event))
        variance += before**2 * Fraction(of_cause * (at_risk - of_cause), at_risk**3)
        variance -= 2 * later * before * Fraction(of_cause, at_risk**2)
    return variance


@steady
@given(persons, st.integers(0, 13))
def test_the_variance_equals_the_closed_form_summed_person_by_person(people, horizon):
    _, variance = cumulative_incidence(counted(people), 1).at(horizon)
    expected = greenwood_person_by_person(people, 1, horizon)
    assert variance == pytest.approx(float(expected), rel=1e-9, abs=1e-15)


@steady
@given(st.lists(st.integers(0, 1), min_size=2, max_size=60))
def test_without_censoring_the_intervals_are_those_of_a_proportion(outcomes):
    # Events at different times; everybody else dies. The risk is then a binomial proportion.
    people = [(day, 1 if had else 2) for day, had in enumerate(outcomes)]
    risk = risk_at(counted(people), 1, len(people))
    events, n = sum(outcomes), len(outcomes)
    assert risk.wilson == pytest.approx(
        proportion_confint(events, n, method="wilson"), rel=1e-9, abs=1e-12
    )
    assert risk.plain == pytest.approx(
        proportion_confint(events, n, method="normal"), rel=1e-9, abs=1e-12
    )


def test_without_censoring_the_difference_has_the_limits_of_newcombe():
    group = risk_at(count_events([1, 2], [1, 2], [9, 27]), 1, 5)
    reference = risk_at(count_events([1, 2], [1, 2], [29, 316]), 1, 5)
    difference = risk_difference(group, reference)
    assert difference.mover == pytest.approx(
        confint_proportions_2indep(9, 36, 29, 345, method="newcomb", compare="diff"), rel=1e-9
    )
    assert difference.wald == pytest.approx(
        confint_proportions_2indep(9, 36, 29, 345, method="wald", compare="diff"), rel=1e-9
    )


# ------------------------------------------------------------------ what must always hold


@steady
@given(st.data())
def test_the_order_of_rows_and_how_they_are_split_do_not_matter(data):
    people = data.draw(persons)
    shuffled = data.draw(st.permutations(people))
    cells = sorted(set(people))
    together = count_events(
        [time for time, _ in cells], [event for _, event in cells], [people.count(c) for c in cells]
    )
    assert risk_at(counted(people), 1, 6) == risk_at(counted(shuffled), 1, 6)
    assert risk_at(counted(people), 1, 6) == risk_at(together, 1, 6)


@steady
@given(persons)
def test_days_and_years_give_the_same_risk(people):
    in_days = risk_at(counted(people), 1, 6)
    in_years = risk_at(
        count_events([time / 365.25 for time, _ in people], [event for _, event in people]),
        1,
        6 / 365.25,
    )
    assert in_years.estimate == in_days.estimate
    assert in_years.std_error == in_days.std_error
    assert in_years.at_risk == in_days.at_risk


@steady
@given(persons)
def test_the_incidences_and_the_survival_sum_to_one(people):
    counts = counted(people)
    outcome, death = cumulative_incidence(counts, 1), cumulative_incidence(counts, 2)
    np.testing.assert_allclose(outcome.risk + death.risk + outcome.survival, 1, atol=1e-12)
    np.testing.assert_allclose(outcome.competing_risk, death.risk, atol=1e-12)


@steady
@given(persons)
def test_without_a_competing_event_the_risk_is_one_minus_kaplan_meier(people):
    people = [(time, min(event, 1)) for time, event in people]
    survival = Fraction(1)
    for time in sorted({time for time, event in people if event}):
        at_risk = sum(t >= time for t, _ in people)
        survival *= 1 - Fraction(people.count((time, 1)), at_risk)
    assert risk_at(counted(people), 1, 12).estimate == pytest.approx(float(1 - survival), abs=1e-12)


@steady
@given(persons, st.integers(0, 15))
def test_every_answer_is_a_number_and_every_interval_holds_its_estimate(people, horizon):
    for cause in (1, 2, 3):
        risk = risk_at(counted(people), cause, horizon)
        assert 0 <= risk.estimate <= 1 + 1e-12
        assert 0 <= risk.std_error < 1
        for lower, upper in (risk.plain, risk.wilson, risk.recommended):
            assert 0 <= lower <= risk.estimate + 1e-12
            assert risk.estimate - 1e-12 <= upper <= 1


def test_a_competing_death_is_not_a_censoring():
    """Silently falling back to Kaplan–Meier would give 1/2 here."""
    people = [(1, 2), (1, 2), (2, 1), (3, 0)]
    assert risk_at(counted(people), 1, 2).estimate == 0.25


# ------------------------------------------------------------------ delayed entry and weights

# (entry, time, event, weight): three causes, ties of all kinds, events at time 0, late entries.
Observed = list[tuple[int, int, int, float]]


def observed(weights) -> st.SearchStrategy[Observed]:
    from_the_start = st.tuples(st.just(0), st.integers(0, 12), st.integers(0, 3), weights)
    late = st.tuples(st.integers(0, 9), st.integers(1, 9), st.integers(0, 3), weights).map(
        lambda row: (row[0], row[0] + row[1], row[2], row[3])
    )
    return st.lists(st.one_of(from_the_start, late), min_size=1, max_size=30)


whole_weights, any_weights = st.integers(1, 4), st.floats(0.1, 5)
horizons = st.integers(0, 20)


def watched(rows: Observed, *, with_weights: bool = True, unit: float = 1, clusters=None):
    entries, times, events, weights = (np.array(column) for column in zip(*rows, strict=True))
    return count_events(
        times / unit, events, entries=entries / unit, clusters=clusters,
        weights=weights if with_weights else None,
    )  # fmt: skip


def close(value: float):
    return pytest.approx(value, rel=1e-9, abs=1e-12)


@steady
@given(observed(whole_weights), horizons)
def test_whole_weights_equal_repeated_rows(rows, horizon):
    weighted = watched(rows)
    repeated = watched([row for row in rows for _ in range(row[3])], with_weights=False)
    one, many = risk_at(weighted, 1, horizon), risk_at(repeated, 1, horizon)
    for name in ("estimate", "std_error", "n", "at_risk", "events", "competing", "censored"):
        assert getattr(one, name) == close(getattr(many, name)), name
    assert time_lost(weighted, 1, 15).estimate == close(time_lost(repeated, 1, 15).estimate)
    # To the jackknife a weight is one person who counts more, never several persons.
    assert (
        risk_at(weighted, 1, horizon, variance=INFINITESIMAL_JACKKNIFE).std_error
        >= risk_at(repeated, 1, horizon, variance=INFINITESIMAL_JACKKNIFE).std_error - 1e-12
    )


@steady
@given(observed(any_weights), horizons, st.sampled_from([0.5, 3.0, 1e6]))
def test_only_the_proportions_of_the_weights_matter(rows, horizon, factor):
    scaled = [(*row[:3], row[3] * factor) for row in rows]
    one, other = (
        risk_at(watched(r), 1, horizon, variance=INFINITESIMAL_JACKKNIFE) for r in (rows, scaled)
    )
    assert other.estimate == close(one.estimate)
    assert other.std_error == close(one.std_error)


@steady
@given(persons, horizons)
def test_entry_at_zero_equals_no_entry(people, horizon):
    times, events = zip(*people, strict=True)
    for variance in VARIANCES:
        without = risk_at(counted(people), 1, horizon, variance=variance)
        at_zero = count_events(times, events, entries=[0] * len(people))
        assert risk_at(at_zero, 1, horizon, variance=variance) == without


@steady
@given(observed(any_weights), st.integers(1, 20))
def test_who_comes_under_observation_at_the_horizon_or_later_changes_nothing(rows, horizon):
    # Not at time 0: entry 0 is from the start, time 0 included.
    late = [(horizon, horizon + 3, 1, 1.0), (horizon + 2, horizon + 9, 2, 4.0)]
    before = cumulative_incidence(watched(rows), 1).at(horizon)[0]
    assert cumulative_incidence(watched([*rows, *late]), 1).at(horizon)[0] == close(before)


@steady
@given(observed(any_weights), horizons, st.integers(1, 17))
def test_splitting_follow_up_at_a_time_changes_no_estimate(rows, horizon, at):
    pieces, person = [], []
    for number, (entry, time, event, weight) in enumerate(rows):
        if entry < at < time:
            pieces += [(entry, at, 0, weight), (at, time, event, weight)]
            person += [number, number]
        else:
            pieces.append((entry, time, event, weight))
            person.append(number)
    whole, split = watched(rows), watched(pieces, clusters=person)
    # At the cut itself too: whoever comes in there is not yet at risk.
    for time in (horizon, at):
        assert split.at_risk_before(time) == close(whole.at_risk_before(time))
    one, other = (
        risk_at(counts, 1, horizon, variance=INFINITESIMAL_JACKKNIFE) for counts in (whole, split)
    )
    assert other.estimate == close(one.estimate)
    # The pieces of a person are one cluster, or the same person would speak twice.
    assert other.std_error == close(one.std_error)
    unweighted = [
        cumulative_incidence(watched(r, with_weights=False), 1).at(horizon) for r in (rows, pieces)
    ]
    assert unweighted[1] == close(unweighted[0])
    lost, lost_in_pieces = (time_lost(counts, 1, 15) for counts in (whole, split))
    assert lost_in_pieces.estimate == close(lost.estimate)
    assert lost_in_pieces.std_error == close(lost.std_error)


@steady
@given(observed(any_weights), st.integers(1, 20))
def test_years_instead_of_days_change_nothing_but_the_unit(rows, horizon):
    year = 365.25
    for variance, with_weights in ((GREENWOOD, False), (INFINITESIMAL_JACKKNIFE, True)):
        days, years = (watched(rows, with_weights=with_weights, unit=unit) for unit in (1, year))
        one = risk_at(days, 1, horizon, variance=variance)
        other = risk_at(years, 1, horizon / year, variance=variance)
        for name in ("n", "at_risk", "events", "competing", "censored", "estimate", "std_error"):
            assert getattr(other, name) == getattr(one, name), name
        assert (other.plain, other.wilson) == (one.plain, one.wilson)
    lost, lost_in_years = time_lost(days, 1, horizon), time_lost(years, 1, horizon / year)
    assert lost_in_years.estimate * year == close(lost.estimate)
    assert lost_in_years.std_error * year == close(lost.std_error)


@steady
@given(observed(any_weights))
def test_with_entry_and_weights_too_the_incidences_and_the_survival_sum_to_one(rows):
    counts = watched(rows)
    curves = [cumulative_incidence(counts, cause) for cause in (1, 2, 3)]
    np.testing.assert_allclose(
        sum(curve.risk for curve in curves) + curves[0].survival, 1, atol=1e-12
    )
    for curve in curves:
        assert (np.diff(curve.risk) >= -1e-12).all()
        np.testing.assert_allclose(
            curve.risk + curve.competing_risk + curve.survival, 1, atol=1e-12
        )


@steady
@given(observed(any_weights), st.randoms(use_true_random=False), horizons)
def test_with_entry_and_weights_too_the_order_of_rows_does_not_matter(rows, random, horizon):
    shuffled = random.sample(rows, len(rows))
    one, other = (
        risk_at(watched(r), 1, horizon, variance=INFINITESIMAL_JACKKNIFE) for r in (rows, shuffled)
    )
    assert other.estimate == close(one.estimate)
    assert other.std_error == close(one.std_error)
    assert (other.at_risk, other.events) == (close(one.at_risk), close(one.events))


@steady
@given(persons, horizons)
def test_without_entry_and_weights_both_variances_are_the_same(people, horizon):
    one, other = (risk_at(counted(people), 1, horizon, variance=v) for v in VARIANCES)
    assert one.std_error == pytest.approx(other.std_error, rel=1e-9, abs=1e-9)


# ------------------------------------------------------------------ edges


def test_an_empty_group_has_no_estimate_and_says_so_in_its_counts():
    risk = risk_at(count_events([], []), 1, 1826)
    assert (risk.n, risk.at_risk, risk.events) == (0, 0, 0)
    assert (risk.estimate, risk.std_error) == (None, None)
    assert (risk.plain, risk.wilson, risk.recommended) == (None, None, None)
    difference = risk_difference(risk, risk_at(counted(BY_HAND), 1, 5))
    assert difference == RiskDifference(None, None, None, None, None)


@pytest.mark.parametrize("event", [0, 2])
def test_without_events_the_recommended_interval_is_not_zero_wide(event):
    risk = risk_at(count_events([3], [event], [36]), 1, 5)
    assert (risk.estimate, risk.std_error, risk.plain) == (0, 0, (0, 0))
    assert risk.recommended == (0, pytest.approx(1 - 0.05 ** (1 / 36)))
    assert risk.wilson == (0, pytest.approx(proportion_confint(0, 36, method="wilson")[1]))


def test_one_event_in_one_person_is_certain_and_yet_wide():
    risk = risk_at(counted([(3, 1)]), 1, 5)
    assert (risk.estimate, risk.std_error, risk.plain) == (1, 0, (1, 1))
    assert risk.recommended == (pytest.approx(proportion_confint(1, 1, method="wilson")[0]), 1)


def test_one_censored_person_has_a_risk_of_zero_and_an_upper_limit_near_one():
    risk = risk_at(counted([(3, 0)]), 1, 5)
    assert risk.estimate == 0
    assert risk.recommended == (0, pytest.approx(0.95))


@steady
@given(st.lists(st.integers(0, 12), min_size=1, max_size=40))
def test_when_all_have_the_event_the_risk_is_exactly_one(times):
    """Rounding in the sums would leave a risk beside 1, and an effective number of nonsense."""
    risk = risk_at(count_events(times, [1] * len(times)), 1, 12)
    assert (risk.estimate, risk.std_error) == (1, 0)
    assert risk.wilson[0] == pytest.approx(
        proportion_confint(len(times), len(times), method="wilson")[0]
    )


def test_an_exhausted_risk_set_keeps_its_last_value_and_variance():
    risk = risk_at(counted([(1, 1), (2, 2)]), 1, 5)
    assert risk.estimate == 0.5
    assert risk.std_error == pytest.approx(sqrt(1 / 8))
    assert (risk.at_risk, risk.carried_from) == (0, 2)


def test_past_the_last_follow_up_the_value_is_carried_forward_and_says_from_when():
    counts = counted([(1, 1), (4, 0), (4, 0)])
    assert risk_at(counts, 1, 4).carried_from is None
    late = risk_at(counts, 1, 1826)
    assert (late.estimate, late.carried_from) == (pytest.approx(1 / 3), 4)


def test_by_time_zero_no_time_is_lost_and_at_most_all_of_it_ever_is():
    nothing = time_lost(counted([(0, 1), (3, 0)]), 1, 0)
    assert (nothing.estimate, nothing.lower, nothing.upper) == (0, 0, 0)
    most = time_lost(counted([(0, 1), (0, 1), (0, 1), (5, 0)]), 1, 5)
    assert (most.estimate, most.upper) == (15 / 4, 5)  # cut at the horizon


def test_an_event_that_nobody_had_has_a_risk_of_zero():
    risk = risk_at(counted([(1, 2), (4, 0)]), 7, 4)
    assert (risk.estimate, risk.events, risk.competing) == (0, 0, 1)


def test_two_groups_without_events_have_a_difference_of_zero_with_width():
    group, reference = (risk_at(count_events([3], [0], [n]), 1, 5) for n in (10, 20))
    difference = risk_difference(group, reference)
    assert (difference.estimate, difference.wald) == (0, (0, 0))
    assert difference.mover == (-reference.wilson[1], group.wilson[1])


def test_the_limits_of_a_difference_are_not_clipped():
    group = risk_at(counted([(1, 1), (1, 0)]), 1, 1)
    nobody = risk_at(counted([(1, 0), (1, 0)]), 1, 1)
    assert risk_difference(group, nobody).wald[1] > 1


def test_limits_are_also_given_for_whole_curves():
    incidence = cumulative_incidence(counted(BY_HAND), 1)
    for transform in (plain, lambda *a: wilson(*a, 10), lambda *a: recommended(*a, 10)):
        lower, upper = transform(incidence.risk, incidence.variance)
        for row, (risk, variance) in enumerate(
            zip(incidence.risk, incidence.variance, strict=True)
        ):
            assert transform(risk, variance) == pytest.approx((lower[row], upper[row]))


def test_without_censoring_the_effective_number_is_the_number_of_persons():
    risk, variance = cumulative_incidence(count_events([1, 2], [1, 2], [4, 39]), 1).at(2)
    assert effective_number(risk, variance, 43) == pytest.approx(43)


def test_a_higher_level_gives_a_wider_interval():
    narrow, wide = (risk_at(counted(BY_HAND), 1, 9, level) for level in (0.9, 0.99))
    assert wide.wilson[0] < narrow.wilson[0] < narrow.wilson[1] < wide.wilson[1]


@pytest.mark.parametrize(
    ("times", "events", "n"),
    [
        ([-1], [0], [1]),
        ([float("nan")], [0], [1]),
        ([1], [0.5], [1]),
        ([1], [-1], [1]),
        ([1], [0], [-2]),
        ([1, 2], [0], [1]),
    ],
)
def test_what_cannot_be_counted_is_refused(times, events, n):
    with pytest.raises(ValueError, match=r"negative|[Ss]hapes"):
        count_events(times, events, n)


def test_a_row_that_stands_for_nobody_does_not_lengthen_the_follow_up():
    assert count_events([1, 9], [0, 0], [3, 0]).last_time == 1


# ------------------------------------------------------------------ coverage


def test_the_recommended_interval_of_four_persons_holds_the_truth_and_the_plain_one_does_not():
    """A small run of what docs/methods.md shows: it sees a lost tail, not a tenth of a point."""
    setting = next(s for s in coverage.SETTINGS if s.name == "Metastasis, invasion")
    shares = coverage.covered(setting, samples=150, seed=1)
    for what in ("risk", "difference"):
        assert shares[what]["recommended"] >= 0.9
        assert shares[what]["plain"] < 0.75
    assert shares["ratio"]["log"] < 0.8  # mostly no events, and then no interval


def test_the_simulated_groups_have_the_risk_that_they_are_said_to_have():
    random = np.random.default_rng(1)
    many = coverage.drawn(random, 100_000, 0.25)
    risk = risk_at(many, 1, coverage.HORIZON)
    assert abs(risk.estimate - 0.25) < 4 * risk.std_error
    assert risk.competing > 0
    assert risk.censored > 0


def test_no_interval_holds_no_value():
    assert not coverage.holds(None, 0.5)
    assert not coverage.holds((0.1, 0.4), 0.5)
    assert coverage.holds((0.1, 0.5), 0.5)


# ------------------------------------------------------------------ the rule


def test_a_difference_equal_to_the_threshold_does_not_exceed_it():
    assert 0.20 - 0.15 > 0.05  # in floating point
    assert not exceeds(0.20 - 0.15, 0.05)
    assert exceeds(0.0509, 0.05)


def test_the_bootstrap_share_is_the_probability_that_can_be_worked_out():
    """Without censoring the samples are two binomials, whose difference can be enumerated."""
    group = count_events([1, 2], [1, 2], [3, 9])
    reference = count_events([1, 3], [1, 2], [2, 18])
    exact = sum(
        binom.pmf(a, 12, 3 / 12) * binom.pmf(b, 20, 2 / 20)
        for a, b in product(range(13), range(21))
        if Fraction(a, 12) - Fraction(b, 20) > Fraction(1, 10)
    )
    share = share_exceeding(group, reference, 1, 5, 0.1, samples=20_000, seed=1)
    assert share == pytest.approx(exact, abs=4 * sqrt(exact * (1 - exact) / 20_000))


def test_the_bootstrap_draws_persons_and_not_only_events():
    """With censoring and deaths the spread of the samples is that of the estimate."""
    group = counted(BY_HAND * 20)
    nothing = count_events([99], [0], [50])
    risk = risk_at(group, 1, 9)
    above = risk.estimate + risk.std_error
    share = share_exceeding(group, nothing, 1, 9, above, samples=4000, seed=3)
    assert share == pytest.approx(0.159, abs=0.025)


@steady
@given(persons, persons, st.integers(0, 12))
def test_the_same_seed_gives_the_same_share_whatever_the_order_of_rows(group, reference, horizon):
    def share(people):
        return share_exceeding(
            counted(people), counted(reference), 1, horizon, 0.05, samples=50, seed=1826
        )

    assert share(group) == share(group[::-1])
    assert 0 <= share(group) <= 1


def test_without_persons_there_is_no_share():
    empty, group = count_events([], []), counted(BY_HAND)
    assert share_exceeding(group, empty, 1, 5, 0.05, samples=10, seed=1) is None
    assert share_exceeding(empty, group, 1, 5, 0.05, samples=10, seed=1) is None


def test_many_distinct_times_are_drawn_in_parts_that_do_not_change_the_answer(monkeypatch):
    group, reference = counted(BY_HAND), count_events([1, 9], [1, 0], [1, 19])
    whole = share_exceeding(group, reference, 1, 9, 0.1, samples=100, seed=5)
    monkeypatch.setattr("etl.competing_risks.bootstrap.CELLS_AT_A_TIME", 30)
    assert share_exceeding(group, reference, 1, 9, 0.1, samples=100, seed=5) == whole
