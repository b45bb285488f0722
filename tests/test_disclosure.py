"""Nothing small leaves: what disclosure control hides, and what an attacker makes of the rest."""

import ast
import dataclasses
from pathlib import Path

import numpy as np
import pytest

from etl import disclosure, export
from etl.disclosure import DIFFERENCING, PRIMARY, SECONDARY, SafeTable, Statements, protect
from etl.errors import DisclosureError
from etl.settings import CHECKOUT
from tests.attack import attack, told_apart
from tests.drawn_studies import HORIZON, Persons, counted, draw, refreshed

THRESHOLD = 5
# A small version: `make prove-disclosure` draws thousands.
STUDIES = 8


def factor_table(*counts: int) -> Statements:
    """One factor: its levels, and the whole cohort."""
    said = Statements(THRESHOLD)
    names = [said.count(f"level {n}", count) for n, count in enumerate(counts)]
    for name in names:
        said.exact(("level", name), [name], cost=1)
    said.exact(("all",), names, cost=100)
    return said


# ------------------------------------------------------------------ tables with margins


def test_a_small_count_is_hidden_and_a_nought_is_shown():
    hidden = protect(factor_table(0, 4, 5, 30))
    assert hidden[("level", "level 1")] == PRIMARY
    assert ("level", "level 0") not in hidden
    assert ("all",) not in hidden


def test_a_single_small_level_takes_another_with_it_since_the_total_would_tell():
    hidden = protect(factor_table(3, 9, 30))
    assert hidden[("level", "level 0")] == PRIMARY
    assert [why for key, why in hidden.items() if key != ("level", "level 0")] == [SECONDARY]


def test_two_small_levels_are_not_left_with_a_sum_that_is_small_itself():
    # 1 + 1: the total less the third level would say that both are 1.
    assert protect(factor_table(1, 1, 30)).keys() >= {("level", "level 2")}


def test_nothing_is_hidden_where_nothing_is_small():
    assert protect(factor_table(0, 5, 6, 30)) == {}


def test_a_count_that_nothing_can_hide_is_refused():
    said = Statements(THRESHOLD)
    said.count("fixed", 2)
    said.always({"fixed": 1.0}, 2, 2)
    with pytest.raises(DisclosureError, match=r"fixed: fewer than 5 persons.*Join the level"):
        protect(said)


@pytest.mark.parametrize("threshold", [3, 5, 6, 10])
def test_a_rounded_count_says_no_more_than_its_span(threshold):
    from etl.disclosure.worlds import rounded_to, span_of_rounded

    for count in [0, *range(threshold, 60)]:
        low, high = span_of_rounded(rounded_to(count, threshold), threshold)
        assert low <= count <= high < low + threshold


# ------------------------------------------------------------------ differencing


def kept(said: Statements, hidden: dict) -> dict:
    return {
        "counts": dict(said.counts),
        "printed": {
            " / ".join(key): claim.count for key, claim in said.claims.items() if key not in hidden
        },
    }


def test_a_count_that_grew_by_a_few_since_the_last_export_is_not_shown_again():
    first = factor_table(20, 30)
    then = factor_table(21, 40)
    hidden = protect(then, [kept(first, protect(first))])
    assert hidden[("level", "level 0")] == DIFFERENCING
    # 71 − 40 would tell it.
    assert len(hidden) == 2


def test_a_count_that_stayed_or_moved_by_the_threshold_is_shown():
    first = factor_table(20, 30)
    assert protect(factor_table(20, 35), [kept(first, protect(first))]) == {}


def test_every_earlier_export_counts_and_not_the_last_alone():
    first, second = factor_table(20, 30), factor_table(30, 40)
    before = [kept(first, {}), kept(second, {})]
    assert ("level", "level 0") in protect(factor_table(21, 60), before)


# ------------------------------------------------------------------ whole studies


def test_a_hidden_count_cannot_be_mistaken_for_nought():
    numbers = counted(some_persons(), None)
    done = disclosure.protect_study(numbers, THRESHOLD)
    rows = done.table("risks").dicts()
    true = {(r["factor"], r["level"]): r["events"] for r in numbers.risks}
    small = [r for r in rows if 0 < true[r["factor"], r["level"]] < THRESHOLD]
    none = [r for r in rows if true[r["factor"], r["level"]] == 0]
    assert small
    assert none
    assert {r["n_events"] for r in small} == {None}
    assert {r["n_events"] for r in none} == {0}


def test_a_risk_that_would_tell_its_hidden_events_is_hidden_with_its_interval_and_difference():
    done = disclosure.protect_study(counted(some_persons(), None), THRESHOLD)
    hidden = [row for row in done.table("risks").dicts() if row["n_events"] is None]
    assert hidden
    for row in hidden:
        assert (row["risk_percent"], row["lower_percent"], row["upper_percent"]) == (None,) * 3
    of_hidden = {(row["factor"], row["level"]) for row in hidden}
    for row in done.table("differences").dicts():
        if of_hidden & {(row["factor"], row["level"]), (row["factor"], row["reference"])}:
            assert row["difference_points"] is None


def test_an_interval_without_events_does_not_tell_how_many_were_left_out():
    # At the first site nobody has the event, so the upper limit is 1 − 0.05^(1/18): with 20 persons
    # printed everybody would see that 2 had it before the index date.
    persons = some_persons()
    persons.levels["site"] = np.repeat([0, 1, 2], [20, 20, 20])
    persons.code[:] = 0
    persons.code[30:50] = 1
    persons.code[:2] = 1
    persons.days[:] = 1000
    persons.days[30:50] = 300
    persons.days[:2] = -1
    numbers = counted(persons, None)
    done = disclosure.protect_study(numbers, THRESHOLD)
    by_level = {(r["factor"], r["level"]): r for r in done.table("risks").dicts()}
    row = by_level["site", "arm"]
    assert row["n_events"] == 0
    assert row["n_persons"] is None or row["upper_percent"] is None


def some_persons() -> Persons:
    """60 persons: 12 events, of which 2, 10 and 0 at three sites."""
    site = np.repeat([0, 1, 2], [10, 30, 20])
    code = np.zeros(60, int)
    code[[0, 1, *range(10, 20)]] = 1
    code[[25, 26, 27, 28, 29, 30, 50, 51, 52, 53, 54]] = 2
    days = np.arange(10, 70) * 11
    grade = np.repeat([0, 1], 30)
    return Persons({"grade": grade, "site": site}, days, code, [0, 12, 3])


def test_no_step_of_a_curve_has_fewer_events_than_the_threshold():
    seen = close = 0
    for seed in range(4):
        # Three years and a few days: years in which little happens, and a horizon close to one.
        numbers = counted(draw(np.random.default_rng(seed)), None, (1120,))
        said = disclosure.statements(numbers, THRESHOLD)
        points = [key for key in said.claims if key[0] == "curve"]
        for cause, column in (("outcome", "n_events"), ("death first", "n_competing")):
            before = -1
            days = sorted({int(key[3]) for key in points if key[2] == cause} | {1120})
            for day in days:
                step = sum(r[column] for r in numbers.curve if before < r["days"] <= day)
                total = sum(r[column] for r in numbers.curve if r["days"] <= day)
                # A horizon is a point in any case; few events by it are hidden as a small count.
                assert step == 0 or step >= THRESHOLD or total == step, (seed, cause, day)
                seen += step >= THRESHOLD
                close += day == 1120 and day - before > 24
                before = day
    assert seen > 8
    assert close > 2


def test_two_horizons_do_not_tell_the_few_events_between_them():
    between = 0
    for seed in range(4):
        numbers = counted(draw(np.random.default_rng(seed)), None, (365, HORIZON))
        done = disclosure.protect_study(numbers, THRESHOLD)
        shown: dict[tuple[str, str], list[int]] = {}
        true: dict[tuple[str, str], list[int]] = {}
        for row in numbers.risks:
            true.setdefault((row["factor"], row["level"]), []).append(row["events"])
        for row in done.table("risks").dicts():
            shown.setdefault((row["factor"], row["level"]), []).append(row["n_events"])
        for group, (first, second) in true.items():
            if 0 < second - first < THRESHOLD:
                between += 1
                assert None in shown[group], group
    assert between > 3


def test_the_numbers_still_followed_are_rounded():
    done = disclosure.protect_study(counted(some_persons(), None), THRESHOLD)
    column = f"n_followed_beyond_to_nearest_{THRESHOLD}"
    shown = [row[column] for name in ("risks", "followed") for row in done.table(name).dicts()]
    assert any(shown)
    assert all(n is None or n % THRESHOLD == 0 for n in shown)


def test_medians_leave_of_groups_of_four_times_the_threshold_and_no_extremes():
    numbers = counted(some_persons(), None)
    row = {"characteristic": "age_years", "level": "known", "group_level": "all", "n_group": 60}
    row |= {"median": 61.5, "lower_quartile": 50.25, "upper_quartile": 70.0}
    for n, shown in ((19, (None, None, None)), (20, (50, 62, 70))):
        with_age = dataclasses.replace(
            numbers, baseline=[*numbers.baseline, row | {"n_persons": n}]
        )
        done = disclosure.protect_study(with_age, THRESHOLD)
        assert done.table("medians").rows == (("age_years", "all", *shown),)
        assert done.table("medians").columns[2:] == ("lower_quartile", "median", "upper_quartile")


# ------------------------------------------------------------------ the attack


def exported_twice(seed: int):
    """(persons, first export), (persons later, second export), the grouping."""
    random = np.random.default_rng(seed)
    by = [None, "grade"][seed % 2]
    persons = draw(random)
    later = refreshed(random, persons)
    first = disclosure.protect_study(counted(persons, by), THRESHOLD)
    before = [{"counts": first.counts, "printed": first.printed}]
    second = disclosure.protect_study(counted(later, by), THRESHOLD, before)
    return (persons, first), (later, second), by


# Study 10 once had three persons without an event, who followed as a sum of two fates.
@pytest.mark.parametrize("seed", [*range(STUDIES), 10])
def test_an_attacker_with_two_exports_and_a_solver_recovers_no_small_count(seed):
    (persons, first), (later, second), by = exported_twice(seed)
    known_first, true_first, given_first = attack(first, persons, 1, by, THRESHOLD)
    known_second, true_second, given_second = attack(second, later, 2, by, THRESHOLD)
    assert given_first == []
    assert given_second == []
    assert told_apart(known_first, known_second, (true_first, true_second), THRESHOLD) == []


def test_the_attacker_recovers_counts_where_small_ones_alone_are_hidden():
    for seed in range(3):
        random = np.random.default_rng(seed)
        persons = draw(random)
        done = disclosure.protect_study(counted(persons, None), THRESHOLD, secondary=False)
        *_, given = attack(done, persons, 1, None, THRESHOLD)
        assert given, f"study {seed}"


def test_the_attacker_tells_exports_apart_where_the_second_forgets_the_first():
    told = []
    for seed in range(3):
        random = np.random.default_rng(seed)
        persons = draw(random)
        later = refreshed(random, persons)
        both = [
            attack(disclosure.protect_study(counted(p, None), THRESHOLD), p, time, None, THRESHOLD)
            for time, p in ((1, persons), (2, later))
        ]
        told += told_apart(both[0][0], both[1][0], (both[0][1], both[1][1]), THRESHOLD)
    assert told


def test_what_is_hidden_has_a_reason_that_stays_inside():
    (_, done), *_ = exported_twice(1)
    reasons = export.reasons_of(done)
    assert len(reasons) == len(done.hidden) > 0
    for row in reasons:
        assert all(row.values()), row
    # Outside only how many of a kind.
    assert done.table("hidden").columns == ("kind", "numbers", "hidden")
    assert sum(row["hidden"] for row in done.table("hidden").dicts()) == len(done.hidden)


# ------------------------------------------------------------------ only safe tables


def test_a_safe_table_is_made_by_disclosure_control_and_by_nothing_else():
    with pytest.raises(DisclosureError, match="has not been through disclosure control"):
        SafeTable("risks", ("n",), ((1,),))
    (_, done), *_ = exported_twice(0)
    with pytest.raises(DisclosureError, match="has not been through disclosure control"):
        dataclasses.replace(done.tables[0], rows=((1,),), _seal=None)


def test_words_for_an_export_hold_no_number_that_was_counted():
    with pytest.raises(DisclosureError, match="n is a int"):
        disclosure.stated("methods", [("n", 3)])


@pytest.mark.parametrize("rows", [[{"n": 3}], None, ((1,),)])
def test_what_writes_to_exports_refuses_anything_else(rows, tmp_path):
    for write in (export.write_table, export.write_words, export.write_evidence):
        with pytest.raises(DisclosureError, match="Expected a SafeTable"):
            write(rows, tmp_path)
    for drawn in (export.draw_forest, export.draw_curves):
        with pytest.raises(DisclosureError, match="Expected a SafeTable"):
            drawn(rows, rows, "relapse", {}, tmp_path)
    assert list(tmp_path.iterdir()) == []


WRITES = {"replace_text", "replace_json", "write_text", "write_bytes", "save", "open", "savefig"}


def calls_of(node: ast.AST) -> set[str]:
    return {
        call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
        for call in ast.walk(node)
        if isinstance(call, ast.Call)
    }


def writers(source: str) -> dict[str, bool]:
    """Functions of a module that write a file → whether they check for safe tables before."""
    return {
        node.name: "only_safe" in calls_of(node.body[0]) | calls_of(node.body[1])
        for node in ast.parse(source).body
        if isinstance(node, ast.FunctionDef) and calls_of(node) & WRITES
    }


def test_every_function_that_writes_an_export_takes_safe_tables():
    found = {}
    for path in sorted((CHECKOUT / "etl" / "export").glob("*.py")):
        found |= writers(path.read_text(encoding="utf-8"))
    assert not found.pop("solver_unheard")  # it opens /dev/null, and nothing else
    assert len(found) >= 5
    assert all(found.values()), found
    assert writers("def leak(rows, folder):\n    'x'\n    replace_text(folder, rows)\n") == {
        "leak": False
    }
    # The conductor fills the folder through these, and writes nothing of its own into it.
    conductor = (CHECKOUT / "etl" / "steps" / "exporting.py").read_text(encoding="utf-8")
    fill = next(n for n in ast.parse(conductor).body if getattr(n, "name", "") == "_fill")
    assert not calls_of(fill) & WRITES


def test_only_disclosure_control_can_seal_a_table():
    users = [
        path.relative_to(CHECKOUT).as_posix()
        for path in sorted((CHECKOUT / "etl").rglob("*.py"))
        if {"made_safe", "_SEAL"} & names_in(path)
    ]
    assert users == ["etl/disclosure/study.py", "etl/disclosure/tables.py"]


def names_in(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    of_imports = {
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)} | of_imports
