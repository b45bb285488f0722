"""From small marts to estimates: who is counted where, what is kept, and what is refused."""

import json
import re
from dataclasses import replace
from math import exp, hypot
from statistics import NormalDist

import duckdb
import pytest

from etl import estimate
from etl.competing_risks import count_events, gray_test
from etl.errors import EstimateError
from etl.estimate import ALL, FactorPlan, OutcomePlan, Plan, SchedulePlan, compute, render_tables

PLAN = Plan(
    study_id="demo",
    horizons_days=(100,),
    outcomes=(
        OutcomePlan("metastasis", "Metastasis", 0.05),
        OutcomePlan("local_recurrence", "Local recurrence", 0.10),
    ),
    factors=(
        FactorPlan("necrosis", "Necrosis", ("yes", "no"), "no", True),
        FactorPlan("size", "Size", ("large", "middle", "small"), "small", False),
    ),
    schedule=SchedulePlan(visits_in_first_year=2, visits_in_later_years=1, imaging_years=2),
)

# '-' is missing; 'prevalent' leaves that outcome's analysis.
PERSONS = """
person  sex     age  necrosis  size    metastasis   local_recurrence
1       male    60   yes       large   10 outcome   10 death
2       male    62   yes       large   50 death     50 death
3       female  64   yes       -       200 outcome  100 outcome
4       male    66   yes       small   prevalent    300 censored
5       male    68   no        small   100 outcome  90 outcome
6       female  70   no        small   101 outcome  150 death
7       male    72   no        -       40 censored  40 censored
8       female  90   -         small   20 outcome   400 censored
"""

CODES = {"censored": 0, "outcome": 1, "death": 2}


def marts(persons: str = PERSONS, study: str = "demo", con=None) -> duckdb.DuckDBPyConnection:
    """The marts of a table of persons as above; a further study is added to `con`."""
    con = con or duckdb.connect()
    con.execute("create schema if not exists marts")
    for table, columns in {
        "cohort": "study_id text, person_id bigint, sex text, age_years integer",
        "factor": "study_id text, person_id bigint, factor text, level text",
        "time_to_event": "study_id text, person_id bigint, outcome text, days bigint, "
        "event_code integer",
        "prevalent_outcome": "study_id text, person_id bigint, outcome text",
    }.items():
        con.execute(f"create table if not exists marts.{table} ({columns})")
    header, *rows = (re.split(r"\s{2,}", line.strip()) for line in persons.strip().splitlines())
    for row in rows:
        person = dict(zip(header, row, strict=True))
        who = [study, int(person["person"])]
        con.execute("insert into marts.cohort values (?, ?, ?, ?)", [*who, *row[1:3]])
        for factor in ("necrosis", "size"):
            level = None if person[factor] == "-" else person[factor]
            con.execute("insert into marts.factor values (?, ?, ?, ?)", [*who, factor, level])
        for outcome in ("metastasis", "local_recurrence"):
            if person[outcome] == "prevalent":
                con.execute("insert into marts.prevalent_outcome values (?, ?, ?)", [*who, outcome])
                continue
            days, event = person[outcome].split()
            con.execute(
                "insert into marts.time_to_event values (?, ?, ?, ?, ?)",
                [*who, outcome, int(days), CODES[event]],
            )
    con.execute(FOLLOW_UP)
    return con


# Persons and days as the mart has them; the quartiles are left out.
FOLLOW_UP = """
    create or replace table marts.follow_up as
    select study_id, outcome, count(*) as n_persons, null::bigint as lower_quartile_days,
        null::bigint as median_days, null::bigint as upper_quartile_days,
        max(days) filter (event_code = 1) as last_outcome_days, max(days) as last_days
    from marts.time_to_event
    group by all
    union all
    select 'nobody', outcome, 0, null, null, null, null, null
    from (values ('metastasis'), ('local_recurrence')) as outcomes (outcome)
"""


def many(n: int, event_code: str, days: int = 60) -> duckdb.DuckDBPyConnection:
    """Marts of persons 0 to n − 1 without necrosis and of unknown size, alike in both outcomes."""
    con = duckdb.connect()
    con.execute("create schema marts")
    for table, query in {
        "cohort": "select 'demo' as study_id, range as person_id, 'male' as sex, 60 as age_years",
        "factor": "select 'demo' as study_id, range as person_id, factor, level",
        "time_to_event": "select 'demo' as study_id, range as person_id, outcome, "
        f"{days} as days, {event_code} as event_code",
        "prevalent_outcome": "select 'demo' as study_id, null as person_id, '' as outcome",
    }.items():
        others = {
            "factor": ", (values ('necrosis', 'no'), ('size', null)) as factors (factor, level)",
            "time_to_event": ", (values ('metastasis'), ('local_recurrence')) as o (outcome)",
        }.get(table, "")
        con.execute(f"create table marts.{table} as {query} from range({n}){others}")
    con.execute("delete from marts.prevalent_outcome")
    con.execute(FOLLOW_UP)
    return con


def document(plan: Plan = PLAN, con=None) -> dict:
    return compute(con or marts(), plan).document()


def row(rows: list[dict], **fields) -> dict:
    """The one row with these fields."""
    (found,) = [r for r in rows if all(r[name] == value for name, value in fields.items())]
    return found


# ------------------------------------------------------------------ who is counted where


def test_the_cohort_is_described():
    made = document()
    assert (made["study"], made["cohort_size"], made["median_age"]) == ("demo", 8, 67)
    assert made["share_male"] == 5 / 8


def test_a_prevalent_person_leaves_that_outcome_and_not_the_other():
    made = document()
    assert made["prevalent"] == [
        {"outcome": "metastasis", "n": 1},
        {"outcome": "local_recurrence", "n": 0},
    ]
    assert row(made["risks"], outcome="metastasis", level=ALL)["n"] == 7
    assert row(made["risks"], outcome="local_recurrence", level=ALL)["n"] == 8


def test_a_person_without_a_level_leaves_that_factor_only_and_is_counted():
    made = document()
    assert made["missing"] == [{"factor": "necrosis", "n": 1}, {"factor": "size", "n": 2}]
    in_recurrence = [r for r in made["risks"] if r["outcome"] == "local_recurrence"]
    assert sum(r["n"] for r in in_recurrence if r["factor"] == "necrosis") == 7
    assert sum(r["n"] for r in in_recurrence if r["factor"] == "size") == 6


def test_the_counts_reach_up_to_and_including_the_horizon():
    made = row(document()["risks"], outcome="metastasis", level=ALL)
    # Persons 1, 8 and, on the horizon itself, 5; person 6 comes a day too late.
    assert (made["events"], made["competing"], made["censored"]) == (3, 1, 1)
    assert made["at_risk"] == 3
    # S before: 1, 6/7, 5/7, 5/7, 4/7 (censored at 40: 4 of 7 left, then 3 at risk).
    assert made["estimate"] == pytest.approx(1 / 7 + 1 / 7 + 5 / 7 * (3 / 4) * (1 / 3))


def test_the_order_is_that_of_the_plan():
    made = document()
    assert [(r["outcome"], r["factor"], r["level"]) for r in made["risks"]] == [
        (outcome, factor, level)
        for outcome in ("metastasis", "local_recurrence")
        for factor, level in (
            (ALL, ALL),
            ("necrosis", "yes"),
            ("necrosis", "no"),
            ("size", "large"),
            ("size", "middle"),
            ("size", "small"),
        )
    ]
    assert [(r["factor"], r["level"], r["reference"]) for r in made["contrasts"]][:3] == [
        ("necrosis", "yes", "no"),
        ("size", "large", "small"),
        ("size", "middle", "small"),
    ]
    assert [(r["outcome"], r["factor"]) for r in made["rule"]] == [
        ("metastasis", "necrosis"),
        ("local_recurrence", "necrosis"),
    ]


def test_every_horizon_of_the_plan_has_its_rows():
    made = document(replace(PLAN, horizons_days=(20, 100)))
    estimates = [
        r["estimate"] for r in made["risks"] if (r["outcome"], r["level"]) == ("metastasis", ALL)
    ]
    assert estimates[0] == pytest.approx(2 / 7)
    assert estimates[0] < estimates[1]
    assert len(made["rule"]) == 4


# ------------------------------------------------------------------ beside the risks


def test_a_difference_has_its_p_value_and_a_ratio_with_limits_on_the_log_scale():
    made = document()
    contrast = row(made["contrasts"], outcome="local_recurrence", factor="necrosis")
    yes, no = (
        row(made["risks"], outcome="local_recurrence", factor="necrosis", level=level)
        for level in ("yes", "no")
    )
    z = abs(contrast["risk_difference"]) / contrast["std_error"]
    assert contrast["p_value"] == pytest.approx(2 * NormalDist().cdf(-z))
    assert contrast["risk_ratio"] == yes["estimate"] / no["estimate"]
    log_error = hypot(*(risk["std_error"] / risk["estimate"] for risk in (yes, no)))
    half = NormalDist().inv_cdf(0.975) * log_error
    assert contrast["ratio_lower"] == pytest.approx(contrast["risk_ratio"] * exp(-half))
    assert contrast["ratio_upper"] == pytest.approx(contrast["risk_ratio"] * exp(half))


def test_without_events_there_is_no_ratio_and_no_p_value_and_the_note_says_why():
    con = many(20, event_code="0", days=200)
    con.execute(
        "update marts.factor set level = 'yes' where factor = 'necrosis' and person_id < 10"
    )
    contrast = row(document(con=con)["contrasts"], outcome="metastasis", factor="necrosis")
    names = ("p_value", "risk_ratio", "ratio_lower", "ratio_upper")
    assert [contrast[name] for name in names] == [None] * 4
    assert contrast["note"] == "yes: no events; no: no events"


def test_grays_test_compares_the_levels_of_a_factor_over_all_of_follow_up():
    made = document()
    test = row(made["gray_test"], outcome="metastasis", factor="necrosis")
    # Persons 1 to 3 with necrosis, and 5 to 7 without; the last events come after the horizon.
    expected = gray_test(
        [count_events([10, 50, 200], [1, 2, 1]), count_events([100, 101, 40], [1, 1, 0])], 1
    )
    assert test["statistic"] == pytest.approx(expected.statistic)
    assert test["p_value"] == pytest.approx(expected.p_value)
    assert (test["degrees_of_freedom"], test["note"]) == (1, None)
    # Nobody is of middle size: that level compares with nothing.
    assert row(made["gray_test"], outcome="metastasis", factor="size")["degrees_of_freedom"] == 1


def test_time_lost_is_the_area_under_the_incidence_up_to_the_horizon():
    lost = row(document()["time_lost"], outcome="metastasis", level=ALL)
    # 1/7 from day 10, another from day 20; what happens on the horizon itself loses nothing.
    assert lost["days_lost"] == pytest.approx(90 / 7 + 80 / 7)
    assert lost["lower"] == 0  # cut
    assert lost["days_lost"] < lost["upper"] < 100


def test_follow_up_is_that_of_the_mart_in_the_order_of_the_plan():
    """How the mart comes to it is held in tests/test_two_evaluators.py."""
    con = marts()
    con.execute("update marts.follow_up set median_days = 300 where outcome = 'local_recurrence'")
    made = document(con=con)["follow_up"]
    assert [one["outcome"] for one in made] == ["metastasis", "local_recurrence"]
    assert made[1] == {
        "outcome": "local_recurrence", "n": 8, "lower_quartile_days": None, "median_days": 300,
        "upper_quartile_days": None, "last_event_days": 100, "last_days": 400,
    }  # fmt: skip
    con.execute("delete from marts.follow_up where outcome = 'metastasis'")
    with pytest.raises(EstimateError, match="nothing on outcome 'metastasis'"):
        document(con=con)


def test_the_years_close_and_the_one_after_the_last_outcome_is_shown_empty():
    made = document()["yearly"]
    assert [(r["outcome"], r["year"], r["at_risk"], r["events"]) for r in made] == [
        ("metastasis", 1, 7, 5),
        ("metastasis", 2, 0, 0),
        ("local_recurrence", 1, 8, 2),
        ("local_recurrence", 2, 1, 0),
    ]


@pytest.mark.parametrize(
    ("days", "year"), [(0, 1), (1, 1), (365, 1), (366, 2), (730, 2), (731, 3), (1461, 4), (1462, 5)]
)
def test_visits_go_on_to_the_year_of_the_last_outcome(days, year):
    con = many(20, event_code="case when range = 0 then 1 else 0 end", days=5000)
    con.execute(f"update marts.time_to_event set days = {days} where person_id = 0")
    assert document(con=con)["schedule"] == [
        {"year": y, "visits": 2 if y == 1 else 1, "is_imaged_at_high_risk": y <= 2}
        for y in range(1, year + 1)
    ]


def test_without_any_outcome_no_visit_is_scheduled():
    made = document(con=many(20, event_code="0"))
    assert (made["schedule"], [r["year"] for r in made["yearly"]]) == ([], [1, 1])


def test_without_a_schedule_no_visit_is_drawn():
    made = document(replace(PLAN, schedule=None))
    assert made["schedule"] == []
    assert made["yearly"]


def test_the_visits_are_those_of_the_study():
    con = many(20, event_code="case when range = 0 then 1 else 0 end", days=5000)
    con.execute("update marts.time_to_event set days = 1000 where person_id = 0")
    made = document(replace(PLAN, schedule=SchedulePlan(4, 3, 1)), con)["schedule"]
    assert [(r["visits"], r["is_imaged_at_high_risk"]) for r in made] == [
        (4, True), (3, False), (3, False),
    ]  # fmt: skip


# ------------------------------------------------------------------ what is said


def test_a_level_in_which_nobody_stands_has_a_row_that_says_so():
    made = document()
    risk = row(made["risks"], outcome="metastasis", level="middle")
    assert (risk["n"], risk["events"], risk["note"]) == (0, 0, "nobody in this group")
    contrast = row(made["contrasts"], outcome="metastasis", level="middle")
    for values in (risk, contrast):
        numbers = {"estimate", "risk_difference", "std_error", "lower", "upper",
                   "recommended_lower", "recommended_upper"} & set(values)  # fmt: skip
        assert {values[name] for name in numbers} == {None}
    assert "middle: nobody in this group" in contrast["note"]


@pytest.mark.parametrize(
    ("n", "events", "note"),
    [
        (10, 5, None),
        (10, 4, "fewer than 5 events"),
        (9, 5, "fewer than 10 persons"),
        (9, 4, "fewer than 5 events; fewer than 10 persons"),
        (10, 0, "no events"),
    ],
)
def test_few_events_and_few_persons_are_noted(n, events, note):
    con = many(n, event_code=f"case when range < {events} then 1 else 0 end", days=100)
    assert row(document(con=con)["risks"], outcome="metastasis", level=ALL)["note"] == note


def test_a_value_carried_forward_is_noted_with_its_day():
    notes = [
        row(
            document(con=many(20, event_code="1", days=days))["risks"],
            outcome="metastasis",
            level=ALL,
        )["note"]
        for days in (99, 100)
    ]
    assert notes == ["carried forward from day 99, the last follow-up", None]


def test_published_limits_are_plain_and_recommended_ones_have_width_without_events():
    risk = row(document()["risks"], outcome="local_recurrence", level="large")
    assert (risk["lower"], risk["upper"], risk["recommended_lower"]) == (0, 0, 0)
    assert risk["recommended_upper"] == pytest.approx(1 - 0.05 ** (1 / 2))


def test_the_difference_is_level_minus_reference():
    made = document()
    contrast = row(made["contrasts"], outcome="local_recurrence", factor="necrosis")
    yes = row(made["risks"], outcome="local_recurrence", level="yes")["estimate"]
    no = row(made["risks"], outcome="local_recurrence", level="no")["estimate"]
    assert contrast["risk_difference"] == yes - no
    assert contrast["lower"] < -1 < contrast["recommended_lower"]  # not clipped


def test_the_rule_holds_above_the_threshold_and_not_at_it():
    """20 of 100 against 15 of 100 is exactly 5 points, whatever floating point makes of it."""
    con = many(200, event_code="case when range < 20 or range >= 185 then 1 else 2 end")
    con.execute(
        "update marts.factor set level = 'yes' where factor = 'necrosis' and person_id < 100"
    )
    rule = row(document(con=con)["rule"], outcome="metastasis")
    assert rule["risk_difference"] == pytest.approx(0.05)
    assert rule["high_risk"] is False
    assert 0.3 < rule["bootstrap_share"] < 0.6
    lower = replace(PLAN, outcomes=(replace(PLAN.outcomes[0], threshold=0.0499),))
    assert document(lower, con)["rule"][0]["high_risk"] is True


def test_the_rule_has_no_verdict_where_there_is_no_difference():
    plan = replace(PLAN, factors=(PLAN.factors[0], replace(PLAN.factors[1], is_rule_factor=True)))
    rule = row(document(plan)["rule"], outcome="metastasis", level="middle")
    assert (rule["high_risk"], rule["bootstrap_share"]) == (None, None)


def test_the_same_marts_give_the_same_bytes_whatever_the_order_of_their_rows():
    con = marts()
    first = json.dumps(document(con=con), allow_nan=False)
    for table in ("cohort", "factor", "time_to_event"):
        con.execute(f"create or replace table marts.{table} as "
                    f"select * from marts.{table} order by person_id desc")  # fmt: skip
    assert json.dumps(document(con=con), allow_nan=False) == first


def test_a_factor_more_in_the_plan_does_not_move_the_bootstrap_of_another():
    con = marts()
    fewer = replace(PLAN, factors=PLAN.factors[:1])
    assert document(fewer, con)["rule"] == document(con=con)["rule"]


def test_an_empty_cohort_gives_empty_groups_and_no_error():
    made = document(replace(PLAN, study_id="nobody"))
    assert (made["cohort_size"], made["median_age"], made["share_male"]) == (0, None, None)
    assert {r["note"] for r in made["risks"]} == {"nobody in this group"}
    assert "nobody" in render_tables(made)


# ------------------------------------------------------------------ what is kept


def kept(con, table: str) -> list[tuple]:
    return con.execute(f"select * from analysis.{table} order by all").fetchall()


def test_writing_again_replaces_the_study_and_keeps_the_others():
    con = marts()
    marts(PERSONS, "other", con)
    shift = dict.fromkeys(
        name.split()[0] for name in estimate.TABLES["sensitivity"].split(", ")[1:]
    )  # what a finding shifts is worked out elsewhere, and kept here

    def write(plan: Plan) -> None:
        replace(compute(con, plan), sensitivity=(shift | {"check_name": "a"},)).write(con)

    write(replace(PLAN, study_id="other"))
    others = {table: kept(con, table) for table in estimate.TABLES}
    for _ in range(2):
        write(PLAN)
    for table, rows in others.items():
        assert [r for r in kept(con, table) if r[0] == "other"] == rows
        assert len([r for r in kept(con, table) if r[0] == "demo"]) == len(rows) > 0


def test_the_tables_hold_what_the_document_holds():
    con = marts()
    made = compute(con, PLAN)
    made.write(con)
    for table, rows in (("risk", made.risks), ("contrast", made.contrasts), ("rule", made.rule)):
        names = [c[0] for c in con.execute(f"select * from analysis.{table}").description]
        assert names == ["study_id", *rows[0]]
        assert sorted(kept(con, table), key=str) == sorted(
            [("demo", *r.values()) for r in rows], key=str
        )


def test_a_study_without_persons_can_be_kept():
    con = marts()
    nobody = replace(PLAN, study_id="nobody")
    compute(con, nobody).write(con)
    assert len(kept(con, "risk")) == 12
    assert kept(con, "curve") == []


def test_a_failed_write_leaves_what_was_there():
    con = marts()
    compute(con, PLAN).write(con)
    before = {table: kept(con, table) for table in estimate.TABLES}
    broken = replace(compute(con, PLAN), rule=[{"no_such_column": 1}])
    with pytest.raises(duckdb.Error):
        broken.write(con)
    assert {table: kept(con, table) for table in estimate.TABLES} == before


def test_a_curve_starts_on_day_0_and_ends_at_the_risk_of_the_document():
    con = marts()
    made = compute(con, PLAN)
    made.write(con)
    curve = con.execute(
        "select * from analysis.curve "
        "where outcome = 'metastasis' and level = ? and days <= 100 order by days",
        [ALL],
    ).pl()
    assert curve["days"].to_list() == [0, 10, 20, 40, 50, 100]
    assert curve["n_at_risk"].to_list() == [7, 7, 6, 5, 4, 3]
    assert curve["n_events"].to_list() == [0, 1, 1, 0, 0, 1]
    assert curve["n_competing"].to_list() == [0, 0, 0, 0, 1, 0]
    assert curve["n_censored"].to_list() == [0, 0, 0, 1, 0, 0]
    first, last = curve.row(0, named=True), curve.row(-1, named=True)
    assert (first["risk"], first["competing_risk"], first["recommended_lower"]) == (0, 0, 0)
    assert first["recommended_upper"] == pytest.approx(1 - 0.05 ** (1 / 7))
    risk = row(made.risks, outcome="metastasis", level=ALL)
    for field in ("std_error", "lower", "upper", "recommended_lower", "recommended_upper"):
        assert last[field] == pytest.approx(risk[field])
    assert last["risk"] == pytest.approx(risk["estimate"])
    assert last["competing_risk"] == pytest.approx(5 / 7 / 4)


# ------------------------------------------------------------------ what is refused


def test_missing_marts_are_refused_with_the_command_that_makes_them():
    with pytest.raises(EstimateError, match=r"marts\.cohort: not in the warehouse.*kobling select"):
        compute(duckdb.connect(), PLAN)
    con = marts()
    con.execute("drop table marts.factor")
    with pytest.raises(EstimateError, match=r"marts\.factor"):
        compute(con, PLAN)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("delete from marts.factor where factor = 'size'", "nothing on factor 'size'"),
        ("update marts.factor set level = 'Yes' where level = 'yes'", "level 'Yes'. Expected one"),
        ("update marts.time_to_event set event_code = 3 where days = 20", "event_code 3"),
        ("delete from marts.time_to_event where days = 20", "Expected together the 8 members"),
        ("delete from marts.prevalent_outcome", "7 persons for outcome 'metastasis' and 0"),
    ],
)
def test_marts_that_do_not_fit_the_plan_are_refused_in_one_line(change, words):
    con = marts()
    con.execute(change)
    with pytest.raises(EstimateError) as error:
        compute(con, PLAN)
    assert words in str(error.value)
    assert "\n" not in str(error.value)


# ------------------------------------------------------------------ for the terminal


def test_the_tables_are_titled_and_fit_the_terminal():
    shown = render_tables(json.loads(json.dumps(document())))
    assert "demo: Metastasis within 100 days" in shown
    assert "demo: Local recurrence within 100 days" in shown
    assert max(map(len, shown.splitlines())) <= 110


def test_a_row_shows_counts_percentages_and_the_flag_for_few():
    shown = render_tables(document()).splitlines()
    yes = next(line for line in shown if line.startswith("  yes"))
    assert yes.split()[:6] == ["yes", "*", "3", "1", "1", "33.3"]
    assert "* fewer than 5 events or 10 persons: too few to rely on" in shown


def test_a_value_carried_forward_is_marked():
    shown = render_tables(document())
    assert "  large * †" in shown
    assert "  yes * †" not in shown
    assert "† nobody was followed to the end" in shown


def test_the_recommended_interval_stands_before_the_published_one():
    made = document()
    risk = row(made["risks"], outcome="local_recurrence", level="large")
    line = next(
        line
        for line in render_tables(made).partition("Local recurrence")[2].splitlines()
        if line.startswith("  large")
    )
    assert f"0.0–{100 * risk['recommended_upper']:.1f}" in line
    assert line.index("0.0–77.6") < line.index("0.0–0.0")


def test_the_verdict_stands_with_its_difference_and_its_share():
    made = document()
    rule = row(made["rule"], outcome="metastasis")
    line = next(
        line for line in render_tables(made).splitlines() if line.startswith("  Necrosis: yes")
    )
    assert f"{100 * rule['risk_difference']:.2f}" in line
    assert ("not high-risk" in line) is (not rule["high_risk"])
    assert f"{100 * rule['bootstrap_share']:.0f} %" in line


def test_long_names_give_way_to_the_numbers():
    level = "deeper than the subcutaneous fat, into the fascia or the muscle below it"
    con = marts()
    con.execute("update marts.factor set level = ? where level = 'large'", [level])
    plan = replace(
        PLAN, factors=(PLAN.factors[0], replace(PLAN.factors[1], levels=(level, "middle", "small")))
    )
    shown = render_tables(document(plan, con))
    assert max(map(len, shown.splitlines())) <= 110
    assert "…" in shown


@pytest.mark.parametrize(
    ("days", "words"),
    [
        (1826, "5 years (1,826 days)"),
        (1825, "5 years (1,825 days)"),
        (365, "1 year (365 days)"),
        (3652, "10 years (3,652 days)"),
        (90, "90 days"),
        (550, "550 days"),
    ],
)
def test_a_horizon_of_whole_years_is_told_in_years(days, words):
    assert f"within {words}\n" in render_tables(document(replace(PLAN, horizons_days=(days,))))
