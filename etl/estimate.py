"""From marts to estimates: risks by each horizon, risk differences and the high-risk rule.

The thin edge of `competing_risks`: counts persons in SQL, asks for the numbers, keeps them in
schema `analysis` and in a document. Every estimate stands twice, as published (plain, Wald) and as
recommended, with what it rests on: persons, events, and a note where that is little.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil

import duckdb
import numpy as np
import polars as pl

from etl.competing_risks import (
    GREENWOOD,
    LEVEL,
    VARIANCES,
    Counts,
    Risk,
    count_events,
    cumulative_incidence,
    exceeds,
    gray_test,
    last_event,
    plain,
    recommended,
    risk_at,
    risk_difference,
    risk_ratio,
    share_exceeding,
    time_lost,
)
from etl.errors import EstimateError

ALL = "(all)"
# The codes of marts.time_to_event; 0 is censored.
OUTCOME, DEATH = 1, 2
# Below these a plain warning stands beside the numbers.
FEW_EVENTS, FEW_PERSONS = 5, 10
# Fixed, so that the same marts give the same document.
BOOTSTRAP_SAMPLES, BOOTSTRAP_SEED = 2000, 20250113

DAYS_PER_YEAR = 365.25

METHODS = {
    "estimator": "Aalen–Johansen, ties exact, death as the competing event",
    "variance": VARIANCES[GREENWOOD],
    "interval": "as published: plain (Wald), clipped to 0–1",
    "recommended_interval": "Wilson on the effective sample size F(1−F)/Var; without events 0 to "
    "1 − 0.05^(1/n)",
    "difference_interval": "as published: independent Wald, not clipped",
    "recommended_difference_interval": "MOVER on the Wilson limits",
    "p_value": "two-sided Wald test of the risk difference",
    "ratio_interval": "independent Wald on the log scale",
    "test": "Gray's, of the whole incidence of the outcome",
    "time_lost": "area under the incidence up to the horizon, by infinitesimal jackknife",
    "follow_up": "reverse Kaplan–Meier",
    "rule": "high-risk where the unrounded risk difference exceeds the threshold",
    "bootstrap": "persons drawn with replacement within each group, seeded",
    "level": LEVEL,
}


@dataclass(frozen=True)
class OutcomePlan:
    """What may happen. `threshold` is a proportion: the risk difference above which is high, and
    None in a study without a rule.

    `from_day`: an outcome cannot occur before this day while deaths can (a guarantee time).
    """

    name: str
    label: str
    threshold: float | None
    from_day: int | None = None


@dataclass(frozen=True)
class FactorPlan:
    """What divides persons into groups; `levels` in the order in which they are shown."""

    name: str
    label: str
    levels: tuple[str, ...]
    reference: str
    is_rule_factor: bool


@dataclass(frozen=True)
class SchedulePlan:
    """Visits to the year of the last outcome, and the years in which high risk is imaged."""

    visits_in_first_year: int
    visits_in_later_years: int
    imaging_years: int


@dataclass(frozen=True)
class Plan:
    """What is to be estimated. Its order is the order of every list in the document."""

    study_id: str
    horizons_days: tuple[int, ...]
    outcomes: tuple[OutcomePlan, ...]
    factors: tuple[FactorPlan, ...]
    schedule: SchedulePlan | None = None


# ------------------------------------------------------------------ what is kept

# In the order of the columns; the document has the same fields, less the study.
TABLES = {
    "risk": "study_id text, outcome text, factor text, level text, horizon_days integer, "
    "n bigint, events bigint, at_risk bigint, competing bigint, censored bigint, "
    "estimate double, std_error double, lower double, upper double, "
    "recommended_lower double, recommended_upper double, note text",
    "contrast": "study_id text, outcome text, factor text, level text, reference text, "
    "horizon_days integer, risk_difference double, std_error double, lower double, "
    "upper double, recommended_lower double, recommended_upper double, p_value double, "
    "risk_ratio double, ratio_lower double, ratio_upper double, note text",
    "gray_test": "study_id text, outcome text, factor text, statistic double, "
    "degrees_of_freedom integer, p_value double, note text",
    "time_lost": "study_id text, outcome text, factor text, level text, horizon_days integer, "
    "days_lost double, std_error double, lower double, upper double, note text",
    "yearly": "study_id text, outcome text, year integer, at_risk bigint, events bigint",
    "schedule": "study_id text, year integer, visits integer, is_imaged_at_high_risk boolean",
    "rule": "study_id text, outcome text, factor text, level text, horizon_days integer, "
    "risk_difference double, threshold double, high_risk boolean, bootstrap_share double, "
    "bootstrap_samples bigint",
    "sensitivity": "study_id text, check_name text, words text, outcome text, factor text, "
    "level text, horizon_days integer, n_affected bigint, estimate double, "
    "estimate_without double, shift_points double, risk_difference double, "
    "risk_difference_without double, high_risk boolean, high_risk_without boolean",
    "curve": "study_id text, outcome text, factor text, level text, days bigint, "
    "n_at_risk bigint, n_events bigint, n_competing bigint, n_censored bigint, risk double, "
    "std_error double, lower double, upper double, recommended_lower double, "
    "recommended_upper double, competing_risk double",
}


@dataclass(frozen=True)
class Estimates:
    """All estimates of one study. Proportions in full precision; differences are not clipped."""

    study_id: str
    cohort_size: int
    median_age: float | None
    share_male: float | None
    risks: list[dict]
    contrasts: list[dict]
    rule: list[dict]
    gray_test: list[dict]
    time_lost: list[dict]
    follow_up: list[dict]
    yearly: list[dict]
    schedule: list[dict]
    missing: list[dict]
    prevalent: list[dict]
    curve: pl.DataFrame
    sensitivity: tuple[dict, ...] = ()

    def document(self) -> dict:
        """The content of estimates.json; the same marts and plan give the same bytes."""
        return {
            "study": self.study_id,
            "cohort_size": self.cohort_size,
            "median_age": self.median_age,
            "share_male": self.share_male,
            "risks": self.risks,
            "contrasts": self.contrasts,
            "rule": self.rule,
            "gray_test": self.gray_test,
            "time_lost": self.time_lost,
            "follow_up": self.follow_up,
            "yearly": self.yearly,
            "schedule": self.schedule,
            "missing": self.missing,
            "prevalent": self.prevalent,
            "sensitivity": list(self.sensitivity),
            "methods": METHODS,
        }

    def write(self, con: duckdb.DuckDBPyConnection) -> None:
        """Put this study's rows in place of its old ones in `analysis`, all tables or none."""
        rows = {
            "risk": self.risks,
            "contrast": self.contrasts,
            "rule": self.rule,
            "gray_test": self.gray_test,
            "time_lost": self.time_lost,
            "yearly": self.yearly,
            "schedule": self.schedule,
            "sensitivity": list(self.sensitivity),
        }
        con.begin()
        try:
            con.execute("create schema if not exists analysis")
            for table, columns in TABLES.items():
                con.execute(f"create table if not exists analysis.{table} ({columns})")
                con.execute(f"delete from analysis.{table} where study_id = ?", [self.study_id])
                # All rows decide the types: a column may begin with many empty values.
                frame = (
                    self.curve
                    if table == "curve"
                    else pl.DataFrame(rows[table], infer_schema_length=None)
                )
                if frame.is_empty():
                    continue
                con.register(
                    "estimated", frame.select(pl.lit(self.study_id).alias("study_id"), "*")
                )
                con.execute(f"insert into analysis.{table} by name select * from estimated")
                con.unregister("estimated")
            con.commit()
        except BaseException:
            con.rollback()
            raise


# ------------------------------------------------------------------ from the marts


def compute(con: duckdb.DuckDBPyConnection, plan: Plan) -> Estimates:
    """Estimate everything that the plan names, from the marts.

    Raises:
        EstimateError: if a mart is missing, knows nothing of an outcome or a factor of the plan,
            has a level or an event code that the plan does not know, or has lost a person.
    """
    size, median_age, share_male = _rows(
        con,
        "cohort",
        """
        select
            count(*) as n,
            median(age_years) as median_age,
            avg(case when sex = 'male' then 1.0 when sex is not null then 0.0 end) as share_male
        from marts.cohort
        where study_id = $study_id
        """,
        plan,
    ).row(0)
    prevalent = _prevalent(con, plan)
    missing = _missing(con, plan, size)
    groups = _Groups(_counts(con, plan))
    for outcome in plan.outcomes:
        _hold_everyone(outcome.name, size, groups.of(outcome, ALL, ALL).n, prevalent[outcome.name])
    return Estimates(
        study_id=plan.study_id,
        cohort_size=size,
        median_age=median_age,
        share_male=share_male,
        risks=list(_risk_rows(plan, groups)),
        contrasts=list(_contrast_rows(plan, groups)),
        rule=list(_rule_rows(plan, groups)),
        gray_test=list(_gray_rows(plan, groups)),
        time_lost=list(_time_lost_rows(plan, groups)),
        follow_up=_follow_up_rows(con, plan),
        yearly=list(_yearly_rows(plan, groups)),
        schedule=list(_schedule_rows(plan, groups)),
        missing=[{"factor": name, "n": n} for name, n in missing.items()],
        prevalent=[{"outcome": name, "n": n} for name, n in prevalent.items()],
        curve=pl.concat(
            [
                _curve(groups.of(outcome, factor, level)).select(
                    pl.lit(outcome.name).alias("outcome"),
                    pl.lit(factor).alias("factor"),
                    pl.lit(level).alias("level"),
                    "*",
                )
                for outcome in plan.outcomes
                for factor, level in _groups_of(plan)
            ]
        ),
    )


def _rows(con: duckdb.DuckDBPyConnection, mart: str, query: str, plan: Plan) -> pl.DataFrame:
    try:
        return con.execute(query, {"study_id": plan.study_id}).pl()
    except duckdb.CatalogException:
        raise EstimateError(
            f"marts.{mart}: not in the warehouse, or what it is joined with is not. Expected the "
            f"marts of study '{plan.study_id}'. Run `kobling select` first."
        ) from None


def _prevalent(con: duckdb.DuckDBPyConnection, plan: Plan) -> dict[str, int]:
    """Members of the cohort whose outcome came on or before the index date, by outcome."""
    found = _rows(
        con,
        "prevalent_outcome",
        """
        select
            outcome,
            count(*) as n
        from marts.prevalent_outcome
        where study_id = $study_id
        group by outcome
        """,
        plan,
    )
    known = dict(found.iter_rows())
    return {outcome.name: known.get(outcome.name, 0) for outcome in plan.outcomes}


def _missing(con: duckdb.DuckDBPyConnection, plan: Plan, cohort_size: int) -> dict[str, int]:
    """Members of the cohort whose level is not known, by factor."""
    found = _rows(
        con,
        "factor",
        """
        select
            factor,
            level,
            count(*) as n
        from marts.factor
        where study_id = $study_id
        group by
            factor,
            level
        order by all
        """,
        plan,
    )
    missing = {}
    for factor in plan.factors:
        levels = found.filter(pl.col("factor") == factor.name)
        if levels.is_empty() and cohort_size:
            raise EstimateError(
                f"marts.factor: nothing on factor '{factor.name}' of study '{plan.study_id}'. "
                f"Expected a row for each of {cohort_size} members of the cohort. "
                "Run `kobling select` again."
            )
        known = levels.drop_nulls("level")
        for level in known["level"]:
            # Left out in silence, these persons would be in no group and not among the missing.
            if level not in factor.levels:
                raise EstimateError(
                    f"marts.factor: factor '{factor.name}' of study '{plan.study_id}' has level "
                    f"'{level}'. Expected one of {', '.join(factor.levels)}. Correct study.toml, "
                    "then run `kobling select` again."
                )
        missing[factor.name] = cohort_size - int(known["n"].sum())
    return missing


def risks_without(
    con: duckdb.DuckDBPyConnection, plan: Plan, persons: str
) -> tuple[list[dict], list[dict]]:
    """The rows of `risk` and `contrast` as if the persons of a table were in no cohort.

    `persons` selects one column person_id.
    """
    groups = _Groups(_counts(con, plan, persons))
    return list(_risk_rows(plan, groups)), list(_contrast_rows(plan, groups))


def _counts(
    con: duckdb.DuckDBPyConnection, plan: Plan, without: str | None = None
) -> dict[tuple[str, str, str], Counts]:
    """Counts by (outcome, factor, level); factor and level are `(all)` for everybody together.

    Whose level is missing leaves that factor's analysis only.
    """
    left_out = f"and time_to_event.person_id not in ({without})" if without else ""
    counted = _rows(
        con,
        "time_to_event",
        f"""
        select
            outcome,
            '{ALL}' as factor,
            '{ALL}' as level,
            days,
            event_code,
            count(*) as n
        from marts.time_to_event
        where study_id = $study_id {left_out}
        group by all
        """,
        plan,
    ).vstack(
        _rows(
            con,
            "time_to_event",
            f"""
            select
                time_to_event.outcome,
                factor.factor,
                factor.level,
                time_to_event.days,
                time_to_event.event_code,
                count(*) as n
            from marts.time_to_event as time_to_event
            inner join marts.factor as factor
                on
                    time_to_event.study_id = factor.study_id
                    and time_to_event.person_id = factor.person_id
            where
                time_to_event.study_id = $study_id
                and factor.level is not null {left_out}
            group by all
            """,
            plan,
        )
    )
    strange = counted.filter(~pl.col("event_code").is_in([0, OUTCOME, DEATH]))
    if not strange.is_empty():
        raise EstimateError(
            f"marts.time_to_event: event_code {strange['event_code'].min()} in study "
            f"'{plan.study_id}'. Expected 0 (censored), {OUTCOME} (outcome) or {DEATH} (death). "
            "Correct the model."
        )
    return {
        key: count_events(rows["days"], rows["event_code"], rows["n"])
        for key, rows in counted.partition_by("outcome", "factor", "level", as_dict=True).items()
    }


def _hold_everyone(outcome: str, cohort_size: int, in_analysis: int, prevalent: int) -> None:
    if in_analysis + prevalent != cohort_size:
        raise EstimateError(
            f"marts.time_to_event: {in_analysis} persons for outcome '{outcome}' and {prevalent} "
            f"prevalent. Expected together the {cohort_size} members of the cohort. "
            "Run `kobling select` again; if it stays, the models lose persons."
        )


class _Groups:
    """The counts of each group and the risks from them, each worked out once."""

    def __init__(self, counts: dict[tuple[str, str, str], Counts]):
        self.counts = counts
        self.risks: dict[tuple, Risk] = {}

    def of(self, outcome: OutcomePlan, factor: str, level: str) -> Counts:
        """An empty group where nobody stands."""
        return self.counts.get((outcome.name, factor, level)) or count_events([], [])

    def risk(self, outcome: OutcomePlan, factor: str, level: str, horizon_days: int) -> Risk:
        key = (outcome.name, factor, level, horizon_days)
        if key not in self.risks:
            self.risks[key] = risk_at(self.of(outcome, factor, level), OUTCOME, horizon_days)
        return self.risks[key]


def _groups_of(plan: Plan) -> Iterator[tuple[str, str]]:
    """(factor, level) of every group, in the order in which they are shown."""
    yield ALL, ALL
    for factor in plan.factors:
        for level in factor.levels:
            yield factor.name, level


def _comparisons(plan: Plan) -> Iterator[tuple[OutcomePlan, FactorPlan, str, int]]:
    """(outcome, factor, level, horizon) of every level that has a reference beside it."""
    for outcome in plan.outcomes:
        for factor in plan.factors:
            for level in factor.levels:
                if level != factor.reference:
                    for horizon_days in plan.horizons_days:
                        yield outcome, factor, level, horizon_days


# ------------------------------------------------------------------ rows


def _risk_rows(plan: Plan, groups: _Groups) -> Iterator[dict]:
    """One row per outcome, group and horizon."""
    for outcome in plan.outcomes:
        for factor, level in _groups_of(plan):
            for horizon_days in plan.horizons_days:
                risk = groups.risk(outcome, factor, level, horizon_days)
                lower, upper = risk.plain or (None, None)
                recommended_lower, recommended_upper = risk.recommended or (None, None)
                yield {
                    "outcome": outcome.name,
                    "factor": factor,
                    "level": level,
                    "horizon_days": horizon_days,
                    "n": risk.n,
                    "events": risk.events,
                    "at_risk": risk.at_risk,
                    "competing": risk.competing,
                    "censored": risk.censored,
                    "estimate": risk.estimate,
                    "std_error": risk.std_error,
                    "lower": lower,
                    "upper": upper,
                    "recommended_lower": recommended_lower,
                    "recommended_upper": recommended_upper,
                    "note": _note(risk),
                }


def _note(risk: Risk) -> str | None:
    """What a reader must know before trusting the numbers."""
    if risk.n == 0:
        return "nobody in this group"
    words = []
    if risk.events == 0:
        words.append("no events")
    elif risk.events < FEW_EVENTS:
        words.append(f"fewer than {FEW_EVENTS} events")
    if risk.n < FEW_PERSONS:
        words.append(f"fewer than {FEW_PERSONS} persons")
    if risk.carried_from is not None:
        words.append(f"carried forward from day {risk.carried_from}, the last follow-up")
    return "; ".join(words) or None


def _contrast_rows(plan: Plan, groups: _Groups) -> Iterator[dict]:
    """One row per outcome, factor, level other than the reference, and horizon."""
    for outcome, factor, level, horizon_days in _comparisons(plan):
        risk = groups.risk(outcome, factor.name, level, horizon_days)
        reference = groups.risk(outcome, factor.name, factor.reference, horizon_days)
        difference = risk_difference(risk, reference)
        lower, upper = difference.wald or (None, None)
        recommended_lower, recommended_upper = difference.mover or (None, None)
        ratio = risk_ratio(risk, reference)
        ratio_lower, ratio_upper = ratio.wald or (None, None)
        notes = [
            f"{name}: {note}"
            for name, note in ((level, _note(risk)), (factor.reference, _note(reference)))
            if note
        ]
        yield {
            "outcome": outcome.name,
            "factor": factor.name,
            "level": level,
            "reference": factor.reference,
            "horizon_days": horizon_days,
            "risk_difference": difference.estimate,
            "std_error": difference.std_error,
            "lower": lower,
            "upper": upper,
            "recommended_lower": recommended_lower,
            "recommended_upper": recommended_upper,
            "p_value": difference.p_value,
            "risk_ratio": ratio.estimate,
            "ratio_lower": ratio_lower,
            "ratio_upper": ratio_upper,
            "note": "; ".join(notes) or None,
        }


def _rule_rows(plan: Plan, groups: _Groups) -> Iterator[dict]:
    """One row per outcome, rule factor, level other than the reference, and horizon.

    The verdict on the point estimate alone is unstable where events are few, so it stands beside
    the share of bootstrap samples in which it holds. Without a difference both are None.
    """
    for outcome, factor, level, horizon_days in _comparisons(plan):
        if not factor.is_rule_factor:
            continue
        difference = risk_difference(
            groups.risk(outcome, factor.name, level, horizon_days),
            groups.risk(outcome, factor.name, factor.reference, horizon_days),
        ).estimate
        yield {
            "outcome": outcome.name,
            "factor": factor.name,
            "level": level,
            "horizon_days": horizon_days,
            "risk_difference": difference,
            "threshold": outcome.threshold,
            "high_risk": None if difference is None else exceeds(difference, outcome.threshold),
            "bootstrap_share": share_exceeding(
                groups.of(outcome, factor.name, level),
                groups.of(outcome, factor.name, factor.reference),
                OUTCOME,
                horizon_days,
                outcome.threshold,
                samples=BOOTSTRAP_SAMPLES,
                seed=BOOTSTRAP_SEED,
            ),
            "bootstrap_samples": BOOTSTRAP_SAMPLES,
        }


def _gray_rows(plan: Plan, groups: _Groups) -> Iterator[dict]:
    """One row per outcome and factor: whether the incidence differs between its levels."""
    for outcome in plan.outcomes:
        for factor in plan.factors:
            of_levels = [groups.of(outcome, factor.name, level) for level in factor.levels]
            test = gray_test(of_levels, OUTCOME)
            yield {
                "outcome": outcome.name,
                "factor": factor.name,
                "statistic": test.statistic,
                "degrees_of_freedom": test.degrees_of_freedom,
                "p_value": test.p_value,
                "note": test.note,
            }


def _time_lost_rows(plan: Plan, groups: _Groups) -> Iterator[dict]:
    """One row per outcome, group and horizon: days lost to the outcome by the horizon."""
    for outcome in plan.outcomes:
        for factor, level in _groups_of(plan):
            counts = groups.of(outcome, factor, level)
            for horizon_days in plan.horizons_days:
                lost = time_lost(counts, OUTCOME, horizon_days)
                yield {
                    "outcome": outcome.name,
                    "factor": factor,
                    "level": level,
                    "horizon_days": horizon_days,
                    "days_lost": lost.estimate,
                    "std_error": lost.std_error,
                    "lower": lost.lower,
                    "upper": lost.upper,
                    "note": _note(groups.risk(outcome, factor, level, horizon_days)),
                }


def _follow_up_rows(con: duckdb.DuckDBPyConnection, plan: Plan) -> list[dict]:
    """One row per outcome: how long everyone could be followed, and when the last event came."""
    found = _rows(
        con,
        "follow_up",
        """
        select
            outcome,
            n_persons as n,
            lower_quartile_days,
            median_days,
            upper_quartile_days,
            last_outcome_days as last_event_days,
            last_days
        from marts.follow_up
        where study_id = $study_id
        """,
        plan,
    )
    by_outcome = {row["outcome"]: row for row in found.to_dicts()}
    for outcome in plan.outcomes:
        if outcome.name not in by_outcome:
            raise EstimateError(
                f"marts.follow_up: nothing on outcome '{outcome.name}' of study "
                f"'{plan.study_id}'. Expected a row for every outcome. Run `kobling select` again."
            )
    return [by_outcome[outcome.name] for outcome in plan.outcomes]


def _last_year(plan: Plan, groups: _Groups) -> int:
    """The year, from 1, of the last event of any outcome; 0 where nobody had one."""
    last = [last_event(groups.of(outcome, ALL, ALL), OUTCOME) for outcome in plan.outcomes]
    return max((_year_of(days) for days in last if days is not None), default=0)


def _year_of(days: float) -> int:
    """Year 1 holds days 0 to 365: an anniversary belongs to the year that it ends."""
    return max(ceil(days / DAYS_PER_YEAR), 1)


def _yearly_rows(plan: Plan, groups: _Groups) -> Iterator[dict]:
    """One row per outcome and year of follow-up, to the year after that of the last event."""
    for outcome in plan.outcomes:
        counts = groups.of(outcome, ALL, ALL)
        years = np.array([_year_of(days) for days in counts.times], dtype=int)
        for year in range(1, _last_year(plan, groups) + 2):
            yield {
                "outcome": outcome.name,
                "year": year,
                # Still followed after the last day of the year before.
                "at_risk": counts.leaving[years >= year].sum().item(),
                "events": counts.of_cause(OUTCOME)[years == year].sum().item(),
            }


def _schedule_rows(plan: Plan, groups: _Groups) -> Iterator[dict]:
    """One row per year in which anyone had an outcome, or that lies before: the visits in it."""
    schedule = plan.schedule
    if schedule is None:
        return
    for year in range(1, _last_year(plan, groups) + 1):
        yield {
            "year": year,
            "visits": schedule.visits_in_first_year
            if year == 1
            else schedule.visits_in_later_years,
            "is_imaged_at_high_risk": year <= schedule.imaging_years,
        }


def _curve(counts: Counts) -> pl.DataFrame:
    """One row per day on which anybody's follow-up ended, and day 0; none for an empty group."""
    incidence = cumulative_incidence(counts, OUTCOME)
    n = counts.n
    lower, upper = plain(incidence.risk, incidence.variance)
    recommended_lower, recommended_upper = recommended(incidence.risk, incidence.variance, n or 1)
    days = pl.DataFrame(
        {
            "days": counts.times,
            "n_at_risk": counts.at_risk,
            "n_events": counts.of_cause(OUTCOME),
            "n_competing": counts.of_other_causes(OUTCOME),
            "n_censored": counts.censored,
            "risk": incidence.risk,
            "std_error": incidence.variance**0.5,
            "lower": lower,
            "upper": upper,
            "recommended_lower": recommended_lower,
            "recommended_upper": recommended_upper,
            "competing_risk": incidence.competing_risk,
        }
    ).cast({"days": pl.Int64})
    if n == 0 or counts.times[0] == 0:
        return days
    start = days.head(1).with_columns(
        pl.lit(0).cast(pl.Int64).alias(name)
        for name in ("days", "n_events", "n_competing", "n_censored")
    )
    lower, upper = recommended(0.0, 0.0, n)
    return start.with_columns(
        *(pl.lit(0.0).alias(c) for c in ("risk", "std_error", "lower", "upper", "competing_risk")),
        pl.lit(float(lower)).alias("recommended_lower"),
        pl.lit(float(upper)).alias("recommended_upper"),
    ).vstack(days)


# ------------------------------------------------------------------ for the terminal

WIDTH = 110
HEADER = (
    "", "n", "events", "at risk", "risk", "recommended", "published",
    "RD", "recommended", "published",
)  # fmt: skip


def render_tables(document: dict) -> str:
    """One table per outcome and horizon, in percent, with the rule below it.

    Takes the document and nothing else, so that a release is shown as it was published.
    """
    keys = dict.fromkeys((row["outcome"], row["horizon_days"]) for row in document["risks"])
    return "\n\n".join(_table(document, *key) for key in keys)


def _table(document: dict, outcome: str, horizon_days: int) -> str:
    def rows_of(part: str) -> list[dict]:
        wanted = (outcome, horizon_days)
        return [r for r in document[part] if (r["outcome"], r["horizon_days"]) == wanted]

    risks, rule = rows_of("risks"), rows_of("rule")
    contrasts = {(row["factor"], row["level"]): row for row in rows_of("contrasts")}
    missing = {row["factor"]: row["n"] for row in document["missing"]}
    prevalent = {row["outcome"]: row["n"] for row in document["prevalent"]}[outcome]

    lines: list[str | tuple[str, ...]] = [HEADER]
    shown = None
    for risk in risks:
        factor, level = risk["factor"], risk["level"]
        if factor not in (shown, ALL):
            unknown = f" ({missing[factor]:,} not known)" if missing[factor] else ""
            lines.append(f"{_words(factor)}{unknown}")
        shown = factor
        lines.append(
            (
                ("All" if factor == ALL else f"  {level}") + _flags(risk),
                f"{risk['n']:,}",
                f"{risk['events']:,}",
                f"{risk['at_risk']:,}",
                _percent(risk["estimate"]),
                _limits(risk["recommended_lower"], risk["recommended_upper"]),
                _limits(risk["lower"], risk["upper"]),
                *_difference_cells(factor, contrasts.get((factor, level))),
            )
        )

    persons = f"{document['cohort_size']:,} persons"
    if prevalent:
        persons += f", {prevalent:,} with the outcome by the index date left out"
    title = f"{document['study']}: {_words(outcome)} within {_span(horizon_days)}"
    confidence = round(100 * document["methods"]["level"])
    return "\n".join(
        [
            title,
            f"{persons}. Percent, with {confidence} % confidence intervals.",
            "",
            *_aligned(lines),
            *_legend(risks),
            *_verdicts(rule, contrasts),
        ]
    )


def _difference_cells(factor: str, contrast: dict | None) -> tuple[str, str, str]:
    if contrast is None:
        return ("" if factor == ALL else "ref.", "", "")
    return (
        _percent(contrast["risk_difference"]),
        _limits(contrast["recommended_lower"], contrast["recommended_upper"], " to "),
        _limits(contrast["lower"], contrast["upper"], " to "),
    )


def _verdicts(rule: list[dict], contrasts: dict) -> list[str]:
    if not rule:
        return []
    lines = [
        "",
        f"Rule: high-risk where the RD exceeds {100 * rule[0]['threshold']:g} percentage points; "
        f"share of {rule[0]['bootstrap_samples']:,} bootstrap samples that say so",
    ]
    for row in rule:
        reference = contrasts[row["factor"], row["level"]]["reference"]
        name = f"{_words(row['factor'])}: {row['level']} against {reference}"
        verdict = {True: "high-risk", False: "not high-risk", None: "no answer"}[row["high_risk"]]
        share = row["bootstrap_share"]
        shown = "–" if share is None else f"{100 * share:.0f} %"
        # Two decimals: a difference may lie close to the threshold.
        lines.append(
            f"  {_shortened(name, 50):<50}{_percent(row['risk_difference'], 2):>8}"
            f"   {verdict:<15}{shown:>6}"
        )
    return lines


def _flags(risk: dict) -> str:
    few = risk["events"] < FEW_EVENTS or risk["n"] < FEW_PERSONS
    return (" *" if few else "") + (" †" if _is_carried_forward(risk) else "")


def _is_carried_forward(risk: dict) -> bool:
    return risk["n"] > 0 and risk["at_risk"] == 0


def _legend(risks: list[dict]) -> list[str]:
    marks = "".join(_flags(risk) for risk in risks)
    lines = []
    if "*" in marks:
        lines.append(
            f"* fewer than {FEW_EVENTS} events or {FEW_PERSONS} persons: too few to rely on"
        )
    if "†" in marks:
        lines.append("† nobody was followed to the end: carried forward from the last follow-up")
    return ["", *lines] if lines else []


def _aligned(lines: list[str | tuple[str, ...]]) -> list[str]:
    """Cells in columns as wide as they need; the first column gives way. Text stands alone."""
    cells = [line for line in lines if isinstance(line, tuple)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(HEADER))]
    widths[0] = min(widths[0], max(WIDTH - sum(widths[1:]) - 2 * len(widths[1:]), 12))
    return [
        _shortened(line, WIDTH)
        if isinstance(line, str)
        else "  ".join(
            [
                f"{_shortened(line[0], widths[0]):<{widths[0]}}",
                *(f"{cell:>{width}}" for cell, width in zip(line[1:], widths[1:], strict=True)),
            ]
        ).rstrip()
        for line in lines
    ]


def _shortened(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"


def _words(name: str) -> str:
    return name.replace("_", " ").capitalize()


def _span(days: int) -> str:
    """'5 years (1,826 days)' where the days are whole years, leap days counted or not."""
    years = round(days / 365.25)
    if years and abs(days - years * 365.25) <= 1 + years / 4:
        return f"{years} {'year' if years == 1 else 'years'} ({days:,} days)"
    return f"{days:,} days"


def _percent(proportion: float | None, decimals: int = 1) -> str:
    if proportion is None:
        return "–"
    # Adding 0.0 turns the −0.0 that rounding leaves into 0.0.
    return f"{round(100 * proportion, decimals) + 0.0:.{decimals}f}"


def _limits(lower: float | None, upper: float | None, between: str = "–") -> str:
    return "–" if lower is None else f"{_percent(lower)}{between}{_percent(upper)}"
