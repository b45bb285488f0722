"""What is told of the whole road at scale is what was measured, and what changed since is told."""

import json

import pytest
from click.testing import CliRunner

from benchmarks import capacity, compare, national
from benchmarks.demo import with_section


def stage(seconds: float, **changed) -> dict:
    return {
        "rows_per_second": 1, "seconds": seconds, "cpu_seconds": seconds, "peak_mib": 300,
        "peak_tree_mib": 300, "read_mib": 1, "written_mib": 1, "load": 1.0, "home_mib": 10,
    } | changed  # fmt: skip


def size(persons: int, seconds: float, **changed) -> dict:
    """A size of which every stage took as long."""
    stages = {name: stage(seconds) for name in national.STAGES} | changed
    return {
        "persons": persons,
        "rows": {"first": 30 * persons - 100, "last": 100, "all": 30 * persons},
        "stages": stages,
        "cohort_query": {},
        "proof": {
            "dlms": {"planted": 10, "included": 5, "wrong": 0, "wrong_cross_checks": 0},
            "wrong_linkage": 0,
            "rows": {"received": 9, "landed": 8, "quarantined": 1, "linked": 7, "unlinked": 1},
        },
        "stores_mib": {"lake": 1},
    }


def run(**sizes) -> dict:
    return {
        "commit": "0123456789", "machine": "2 cores", "memory_limit": "1GB", "threads": 2,
        "sizes": {name.replace("_", "/"): found for name, found in sizes.items()},
    }  # fmt: skip


def test_the_capacity_that_is_told_is_the_measured_one():
    for place, name, body in capacity.sections(capacity.history()):
        text = place.read_text(encoding="utf-8")
        assert with_section(text, name, body) == text, "run `python -m benchmarks.capacity`"


def test_the_figure_is_the_same_for_the_same_run_and_shows_the_powers(tmp_path):
    drawn = run(**{"1_100": size(1000, 2), "1_10": size(10_000, 20)})
    for name in ("one.svg", "two.svg"):
        capacity.picture(drawn, tmp_path / name)
    assert (tmp_path / "one.svg").read_bytes() == (tmp_path / "two.svg").read_bytes()
    if runs := capacity.history():
        capacity.picture(runs[-1], tmp_path / "told.svg")
        assert (tmp_path / "told.svg").read_bytes() == capacity.FIGURE.read_bytes()


@pytest.mark.parametrize("power", [0.5, 1.0, 1.3])
def test_the_exponent_is_the_power_of_the_rows(power):
    points = [(rows, 3 * rows**power) for rows in (1e6, 3e6, 1e7)]
    assert capacity.exponent(points) == pytest.approx(power)
    assert capacity.exponent(points[:1]) is None


def test_what_is_wrong_or_lost_is_told():
    bad = size(1000, 1)
    bad["proof"]["dlms"]["wrong"] = 3
    bad["proof"]["wrong_linkage"] = 1
    bad["proof"]["rows"]["linked"] = 6
    told = capacity.figures(run(**{"1_10": size(1000, 1)}))
    assert "| planted persons not found as planted | 0 of 10 |" in told
    assert "| rows that are not accounted for | 0 |" in told
    told = capacity.figures(run(**{"1_10": bad}))
    assert "| planted persons not found as planted | 4 of 10 |" in told
    assert "| rows that are not accounted for | 2 |" in told


def test_a_stage_that_was_broken_off_is_told_as_such():
    broken = size(1000, 1, link=stage(1, was_broken_off=True))
    assert "told too short: link of 1,000 persons." in capacity.figures(run(**{"1_10": broken}))


def test_the_goals_are_ratios_of_the_largest_size():
    told = capacity.goals(run(**{"1_100": size(1000, 1), "1_10": size(10_000, 12, link=stage(6))}))
    assert "10,000 persons" in told
    assert "| 2.5× | 0.5× (0.5×) |" in told
    assert "to the power of | 1.05 | 1.0" in told


def test_what_changed_is_told_the_worst_first_and_the_rest_is_counted():
    before = run(**{"1_100": size(1000, 10)})
    now = run(**{"1_100": size(1000, 10, link=stage(5), check=stage(20), land=stage(10.5))})
    assert compare.told(before, now) == [
        "1/100 check: 10.0 → 20.0 s of the processor (2.00×), 10.0 → 20.0 s of the clock, "
        "300 → 300 MiB (1.00×)",
        "1/100 link: 10.0 → 5.0 s of the processor (0.50×), 10.0 → 5.0 s of the clock, "
        "300 → 300 MiB (1.00×)",
        f"{len(national.STAGES) - 2} stages cost the same within 10%.",
    ]


def test_what_cannot_be_compared_is_named():
    before = run(**{"1_100": size(1000, 10), "1_10": size(10_000, 10)})
    now = run(**{"1_100": size(1000, 10)}) | {"machine": "4 cores", "threads": 4}
    del now["sizes"]["1/100"]["stages"]["mock"]
    assert compare.told(before, now)[:4] == [
        "Another machine: 2 cores before, 4 cores now.",
        "Other threads: 2 before, 4 now.",
        "1/10: only before.",
        "1/100 mock: only before.",
    ]


def test_without_an_earlier_run_the_comparison_says_what_to_do(monkeypatch):
    monkeypatch.setattr(capacity, "history", lambda: [run(**{"1_100": size(1000, 10)})])
    ended = CliRunner().invoke(compare.main)
    assert ended.exit_code == 2
    assert "Run `make bench-national` once more" in ended.output


def test_a_size_goes_on_with_the_stage_that_it_was_broken_off_at(tmp_path):
    folder, made_of = tmp_path / "1000", {"persons": 1000, "commit": "one"}
    kept = national.Kept(folder, made_of)
    kept.once("land", lambda: stage(3))

    def broken_off() -> dict:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        kept.once("link", broken_off)
    again = national.Kept(folder, made_of)
    assert again.once("land", broken_off) == stage(3)
    assert again.once("link", lambda: stage(1)) == stage(1, was_broken_off=True)
    assert again.once("select", lambda: stage(2)) == stage(2)
    (folder / "home").mkdir()
    other = national.Kept(folder, made_of | {"commit": "another"})
    assert other.told["stages"] == {}
    assert not (folder / "home").exists()


def test_a_size_joins_the_run_of_its_commit_and_no_other(tmp_path, monkeypatch):
    monkeypatch.setattr(capacity, "RESULT", tmp_path / "national.json")
    of = {key: value for key, value in run().items() if key != "sizes"}
    national.keep(of, "1/10", size(10_000, 1))
    national.keep(of, "1/100", size(1000, 1))
    national.keep(of | {"commit": "another"}, "1/10", size(10_000, 2))
    runs = json.loads((tmp_path / "national.json").read_text())["runs"]
    assert [(one["commit"], list(one["sizes"])) for one in runs] == [
        ("0123456789", ["1/100", "1/10"]), ("another", ["1/10"]),
    ]  # fmt: skip
