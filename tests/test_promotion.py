"""A new release becomes the live one by itself, or waits for somebody to look; and the way back."""

import json
import re
import shutil
from dataclasses import replace
from html import escape
from pathlib import Path

import duckdb
import pytest
from click.testing import CliRunner
from matplotlib.colors import to_rgba
from matplotlib.lines import Line2D

from etl import difference, ledger, release, steps
from etl.cli import main
from etl.difference import compare, outside_bounds
from etl.errors import ReleaseError, SettingsError
from etl.home import Home
from etl.report.preview import RED, preview_page
from etl.report.preview import draw as drawing_of_years
from etl.settings import ALWAYS, BY_HAND, WITHIN_BOUNDS, Bounds, Settings
from etl.steps.exporting import export_study
from tests import story
from tests.test_difference import EVIDENCE, TABLES, released

PERSONS = [(f"{n:03d}", "2001-01-01", None, True) for n in range(200)]


def with_rows(table: str, *changed: tuple) -> dict[str, list]:
    """Tables as they were but for rows that take the place of those with the same beginning."""
    keys = [row[:-1] if table != "result" else row[:3] for row in changed]
    kept = [row for row in TABLES[table][1] if row[: len(keys[0])] not in keys]
    return {table: [*kept, *changed]}


def bounds(tmp_path: Path, before: dict, after: dict) -> list[str]:
    number = (
        len(list((tmp_path / "releases").glob("*/*"))) if (tmp_path / "releases").exists() else 0
    )
    places = [
        released(tmp_path, f"{number + nth:012d}", **tables)
        for nth, tables in enumerate((before, after))
    ]
    return outside_bounds(compare(*places), Bounds())


def flow(n_landed: int) -> dict[str, list]:
    return {"linkage_flow": [("cpr", "person", "all", "landed", None, n_landed)]}


@pytest.mark.parametrize(
    ("n_before", "n_after", "is_outside"),
    [(1000, 980, False), (1000, 979, True), (1000, 1500, False), (1000, 1501, True), (10, 0, True)],
)
def test_a_table_may_lose_few_rows_and_gain_more(tmp_path, n_before, n_after, is_outside):
    told = bounds(tmp_path, flow(n_before), flow(n_after))
    assert bool(told) == is_outside
    assert all("cpr.person" in reason for reason in told)


def years(**n_rows: int) -> dict[str, list]:
    """One table of which each year landed so many rows; `y2001=500`."""
    return {
        "linkage_flow": [
            ("lpr2", "t_adm", year[1:], "landed", None, n) for year, n in n_rows.items()
        ]
    }


BEFORE = {"y2001": 1000, "y2002": 1000, "y2003": 1000}


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        (BEFORE, None),
        ({**BEFORE, "y2002": 900}, None),
        ({**BEFORE, "y2002": 899, "y2003": 1101}, "t_adm 2002: 899 rows landed where 1,000 were"),
        ({**BEFORE, "y2002": 880, "y2001": 1100, "y2003": 400},
         r"t_adm 2003: 400 .*\(-60.0 %\), and 1 other years"),
        ({**BEFORE, "y2004": 900}, None),
        ({**BEFORE, "y2004": 899}, "t_adm 2004: 899 rows landed where 1,000 were expected"),
        ({**BEFORE, "y2000": 400}, None),  # nothing comes before it
        ({**BEFORE, "y2009": 400}, None),  # nor in the three years before this one
    ],
)  # fmt: skip
def test_a_year_is_held_against_itself_or_the_three_before_it(tmp_path, after, expected):
    told = [one for one in bounds(tmp_path, years(**BEFORE), years(**after)) if "t_adm 2" in one]
    assert bool(told) == bool(expected)
    assert not expected or re.search(expected, told[0])


def test_of_a_year_that_is_not_over_its_part_is_expected(tmp_path):
    delivered = {
        "register": "lpr2", "table_name": "t_adm", "period": "2004", "path": "lpr2/1/a.csv",
        "sha256": "d" * 64, "complete_to": "2004-07-01",
    }  # fmt: skip
    live = released(tmp_path, "aaaa00000001", **years(**BEFORE))
    told = []
    for number, rows in enumerate((460, 400)):
        staged = released(
            tmp_path, f"bbbb{number:08d}", EVIDENCE | {"deliveries": [delivered]},
            **years(**BEFORE, y2004=rows),
        )  # fmt: skip
        found = compare(live, staged)
        told.append([one for one in outside_bounds(found, Bounds()) if "2004" in one])
    assert told[0] == []
    assert told[1] == ["lpr2.t_adm 2004: 400 rows landed where 501 were expected (-20.2 %)"]


def test_few_rows_of_a_small_year_are_never_outside_and_bounds_may_be_others(tmp_path):
    few, fewer = {"y2001": 60, "y2002": 60}, {"y2001": 60, "y2002": 10}
    assert not [one for one in bounds(tmp_path, years(**few), years(**fewer)) if "2002" in one]
    places = [
        released(tmp_path, f"cccc{n:08d}", **years(**of)) for n, of in enumerate((few, fewer))
    ]
    told = outside_bounds(compare(*places), Bounds(few_rows=49, fewer_rows_percent=100))
    assert told == ["lpr2.t_adm 2002: 10 rows landed where 60 were expected (-83.3 %)"]


@pytest.mark.parametrize(("n_left", "is_outside"), [(10, False), (11, True)])
def test_few_of_a_cohort_may_come_and_go(tmp_path, n_left, is_outside):
    left = [(*row[:2], "resident", False) for row in PERSONS[:n_left]] + PERSONS[n_left:]
    went = bounds(tmp_path, {"exclusion_reasons": PERSONS}, {"exclusion_reasons": left})
    assert went == ([f"{n_left} persons left a cohort of 200"] if is_outside else [])


@pytest.mark.parametrize(("n_came", "is_outside"), [(9, False), (11, True)])
def test_few_may_come_into_a_cohort(tmp_path, n_came, is_outside):
    before = [(*row[:2], "resident", False) for row in PERSONS[:n_came]] + PERSONS[n_came:]
    told = bounds(tmp_path, {"exclusion_reasons": before}, {"exclusion_reasons": PERSONS})
    assert told == ([f"{n_came} persons came into a cohort of 189"] if is_outside else [])


def test_of_a_small_cohort_five_persons_are_few(tmp_path):
    small = PERSONS[:20]
    for n_left, is_outside in ((5, False), (6, True)):
        after = {"exclusion_reasons": small[n_left:]}
        assert bool(bounds(tmp_path, {"exclusion_reasons": small}, after)) == is_outside


@pytest.mark.parametrize(("risk", "is_outside"), [(0.509, False), (0.4899, True), (None, True)])
def test_the_risk_of_the_cohort_may_shift_by_a_point(tmp_path, risk, is_outside):
    changed = with_rows("risk", ("metastasis", "(all)", "(all)", 1826, 2, 1, risk))
    changed["risk"] = changed["risk"][-1:]
    assert bool(bounds(tmp_path, {}, changed)) == is_outside


def test_another_verdict_and_a_check_that_fails_now_are_outside(tmp_path):
    verdict = with_rows("rule", ("metastasis", "necrosis", "yes", 1826, False))
    assert bounds(tmp_path, {}, verdict | {"rule": verdict["rule"][-1:]}) == [
        "metastasis, necrosis yes: another verdict"
    ]
    failing = {"result": [("marts.cohort", "age_is_plausible", "", "fail", 9)]}
    findings = {"result": [("marts.cohort", "age_is_plausible", "", "pass_with_findings", 1)]}
    assert bounds(tmp_path, {}, failing) == [
        "marts.cohort: age_is_plausible: fails, and did not before"
    ]
    assert bounds(tmp_path, failing, failing) == []
    assert bounds(tmp_path, failing, {}) == bounds(tmp_path, {}, findings) == []
    not_run = {"result": [("marts.cohort", "age_is_plausible", "", "not_run", 0)]}
    assert bounds(tmp_path, {}, not_run) == [
        "marts.cohort: age_is_plausible: could not be run, and could before"
    ]
    assert bounds(tmp_path, {}, {"result": [("marts.cohort", "another", "", "pass", 0)]}) == [
        "marts.cohort: age_is_plausible: is asked no more"
    ]


def test_persons_on_other_days_a_risk_that_is_gone_and_a_table_that_was_empty_are_outside(tmp_path):
    later = [(row[0], "2001-01-02", *row[2:]) for row in PERSONS[:11]] + PERSONS[11:]
    assert bounds(tmp_path, {"exclusion_reasons": PERSONS}, {"exclusion_reasons": later}) == [
        "11 persons have another index date"
    ]
    gone = {"risk": [("metastasis", "(all)", "(all)", 1826, 0, 0, None)]}
    (told,) = bounds(tmp_path, {}, gone)
    assert told == "metastasis, 1826 days: the risk is there in one release only"
    (told,) = bounds(tmp_path, {"linkage_flow": []}, flow(5))
    assert "0 rows landed before, now 5" in told


def test_under_another_pseudonym_key_persons_are_not_compared(tmp_path):
    first = released(tmp_path, "aaaa00000001", EVIDENCE | {"pseudonym_key_id": "one"})
    others = [(f"x{row[0]}", *row[1:]) for row in PERSONS]
    second = released(
        tmp_path, "bbbb00000002", EVIDENCE | {"pseudonym_key_id": "two"}, exclusion_reasons=others
    )
    found = compare(first, second)
    assert found.persons == []
    assert outside_bounds(found, Bounds()) == []
    assert "persons are not compared" in difference.told(found)


def test_releases_with_other_tables_are_not_compared_in_silence(tmp_path):
    first = released(tmp_path, "aaaa00000001")
    second = released(tmp_path, "bbbb00000002")
    (first / "parquet" / "rule.parquet").unlink()
    (first / "parquet" / "exclusion_reasons.parquet").unlink()
    (first / "evidence.json").write_text(json.dumps({"keys": {}}))
    found = compare(first, second)
    assert outside_bounds(found, Bounds()) == [
        "persons: the two releases have other tables and cannot be compared",
        "verdicts: the two releases have other tables and cannot be compared",
    ]
    assert "not compared" in difference.told(found)


def test_the_page_of_a_preview_shows_what_differs_and_asks_no_server(tmp_path):
    after = {**years(y2001=1000, y2002=500, y2003=1000, y2004=980),
             "exclusion_reasons": [("1", "2001-01-01", "resident", False)]}  # fmt: skip
    live, staged = (
        released(tmp_path, "aaaa00000001", **years(**BEFORE)),
        released(tmp_path, "bbbb00000002", **after),
    )
    found = compare(live, staged)
    outside = outside_bounds(found, Bounds())
    page = preview_page(found, outside, "mock")
    text = re.sub(r"<[^>]+>", " ", page)
    for words in (*outside, "dlms/aaaa00000001", "promote dlms --by NAME"):
        assert escape(words, quote=False) in text
    rows = re.findall(r"lpr2\.t_adm (\d{4}) ([\d,]+) ([\d,]+) ([\d,]+)", " ".join(text.split()))
    assert rows == [("2002", "1,000", "1,000", "500"), ("2004", "1,000", "0", "980")]
    assert page.count("<svg") == 1
    assert not re.search(r'(src|href)="(?!#)', page)
    assert preview_page(found, outside, "mock") == page
    same = compare(live, live)
    assert "Nothing is outside the bounds." in preview_page(same, [], "mock")


def test_every_table_that_comes_by_year_has_a_panel_and_a_mark_where_it_differs():
    def year(period: str, before: int, after: int) -> dict:
        return {"period": period, "n_before": before, "n_after": after}

    tables = {
        "a.one": [year("2001", 5, 5), year("2002", 5, 4), year("2003", 0, 6)],
        "a.two": [year("2001", 7, 7), year("2002", 7, 7)],
    }
    artists = drawing_of_years(tables).figure.artists
    assert (
        sum(getattr(one, "get_facecolor", lambda: None)() == to_rgba(RED) for one in artists) == 2
    )
    lengths = sorted(len(line.get_xdata()) for line in artists if isinstance(line, Line2D))
    assert lengths == [2, 2, 2, 2, 2, 3]  # two axes; the live line ends where the year is not there


# ------------------------------------------------------------------ the whole way


def test_a_release_waits_is_promoted_by_name_and_rolled_back(small, tmp_path, monkeypatch):
    home = tmp_path / "home"
    shutil.copytree(small[0], home, symlinks=True)
    settings = replace(story.settings_of(home), promote=WITHIN_BOUNDS)
    said: list[str] = []

    def kobling(*words: str) -> str:
        return CliRunner().invoke(main, words, env=story.environment(home)).stderr

    def live() -> str:
        return release.current(Home(home), "dlms").name

    def newest() -> dict:
        return json.loads((home / "ledger.jsonl").read_text().splitlines()[-1])

    def release_anew() -> Path:
        steps.check(settings, said.append)
        steps.estimate(settings, "dlms", said.append)
        return steps.release(settings, "dlms", said.append)

    first = live()
    with duckdb.connect(str(home / "warehouse.duckdb"), read_only=True) as con:
        name, key = con.execute(
            "select suite || ': ' || check_id, row_key from quality.failure "
            "where suite = 'marts.cohort' order by all limit 1"
        ).fetchone()
    confirmed = steps.confirm(settings, name, json.loads(key), "K. Hansen", "seen", None)
    second = release_anew().name
    assert second == live() != first

    # The same as at first: its folder is there, and something is outside the bounds.
    steps.unconfirm(settings, confirmed.partition(":")[0])
    monkeypatch.setattr(
        difference, "outside_bounds", lambda found, bounds: ["half a register is gone"]
    )
    with pytest.raises(ReleaseError, match="is staged and not live: half a register is gone"):
        release_anew()
    assert live() == second
    assert release.staged(Home(home), "dlms").name == first
    assert "half a register is gone" in steps.preview(settings, "dlms")
    assert "Expected --by and --reason" in kobling("promote", "dlms")
    by_number = ("--by", "K. Hansen", "--reason", "asked 610250-1234")
    assert "Expected words without one" in kobling("promote", "dlms", *by_number)
    assert live() == second
    by = ("--by", "K. Hansen", "--reason", "the keeper has confirmed it")
    assert kobling("promote", "dlms", *by) == ""
    assert live() == first
    assert release.staged(Home(home), "dlms") is None
    told = newest()
    assert (told["event"], told["by"], told["outside_bounds"]) == (
        "released", "K. Hansen", ["half a register is gone"],
    )  # fmt: skip
    assert "no release is staged" in kobling("promote", "dlms", *by)

    # Back, and it stays so.
    assert kobling("rollback", "dlms", *by) == ""
    assert live() == second
    told = newest()
    assert (told["event"], told["release"], told["instead_of"]) == ("rolled back", second, first)
    assert steps.release(settings, "dlms", said.append).name == first
    assert "was rolled back" in said[-2]
    assert live() == second
    assert second in steps.nothing_new(settings)
    assert "Expected an earlier one" in kobling("rollback", "dlms", second, *by)
    release.mark(Home(home), [f"dlms/{first}"], "withdrawn", "a person was erased on request")
    assert "was withdrawn" in kobling("rollback", "dlms", first, *by)
    assert steps.verify(settings, None, said.append)


def test_a_withdrawn_release_is_replaced_at_once_and_by_hand_means_by_hand(tmp_path, settings):
    home = Home(tmp_path)
    first, second = released(tmp_path, "aaaa00000001"), released(tmp_path, "bbbb00000002")
    keys = release.evidence_keys(second)

    def reasons(promote: str, live: Path | None, **changes: str) -> list[str]:
        return steps.releasing._reasons_to_look(
            replace(settings, promote=promote), home, "dlms", live, keys | changes, ["fewer rows"]
        )

    assert reasons(ALWAYS, first) == reasons(WITHIN_BOUNDS, None) == reasons(BY_HAND, None) == []
    assert reasons(WITHIN_BOUNDS, first) == ["fewer rows"]
    assert reasons(BY_HAND, first) == ["releases are promoted by hand here"]
    # What was rolled back comes back by nobody's hand only with other data, definition or code.
    release.mark(home, ["dlms/bbbb00000002"], "rolled_back", "half a year")
    told = "bbbb00000002, of the same data, definition and code, was rolled back (half a year)"
    assert reasons(ALWAYS, first) == reasons(ALWAYS, first, gate="amber") == [told]
    assert reasons(WITHIN_BOUNDS, first) == [told, "fewer rows"]
    assert reasons(ALWAYS, first, data="f" * 64) == []
    release.mark(home, ["dlms/aaaa00000001"], "withdrawn", "a person was erased on request")
    assert reasons(BY_HAND, first) == []


def test_what_is_staged_waits_no_longer_once_another_is_live_and_no_withdrawn_one_goes_live(
    tmp_path, settings
):
    home = Home(settings.home)
    for name in ("aaaa00000001", "bbbb00000002", "cccc00000003"):
        released(settings.home, name)
    release.promote(home, "dlms", "aaaa00000001")
    release.stage(home, "dlms", "bbbb00000002")
    release.mark(home, ["dlms/bbbb00000002"], "withdrawn", "a person was erased on request")
    with pytest.raises(ReleaseError, match="was withdrawn"):
        steps.promote(settings, "dlms", "K. Hansen", "looked")
    release.promote(home, "dlms", "cccc00000003")
    assert release.staged(home, "dlms") is None
    with pytest.raises(ReleaseError, match="no release is staged"):
        steps.promote(settings, "dlms", "K. Hansen", "looked")
    release.mark(home, ["dlms/cccc00000003"], "withdrawn", "a person was erased on request")
    with pytest.raises(ReleaseError, match="is withdrawn"):
        export_study(settings, "dlms", print)


def test_a_second_rollback_goes_further_back_and_not_to_what_was_taken_back(tmp_path, settings):
    home = Home(settings.home)
    for name in ("aaaa00000001", "bbbb00000002", "cccc00000003"):
        released(settings.home, name)
        release.promote(home, "dlms", name)
        ledger.record(home, "released", study="dlms", release=name)
    for live in ("bbbb00000002", "aaaa00000001"):
        steps.rollback(settings, "dlms", None, "K. Hansen", "half a year")
        assert release.current(home, "dlms").name == live
    with pytest.raises(ReleaseError, match="no release before"):
        steps.rollback(settings, "dlms", None, "K. Hansen", "half a year")


@pytest.mark.parametrize(
    ("population", "given", "promote"),
    [
        ("mock", None, ALWAYS),
        ("production", None, WITHIN_BOUNDS),
        ("production", "by_hand", BY_HAND),
    ],
)
def test_a_production_home_lets_somebody_look(monkeypatch, population, given, promote):
    monkeypatch.setenv("KOBLING_POPULATION", population)
    if given:
        monkeypatch.setenv("KOBLING_PROMOTE", given)
    assert Settings.from_environment().promote == promote
    monkeypatch.setenv("KOBLING_PROMOTE", "sometimes")
    with pytest.raises(SettingsError, match="KOBLING_PROMOTE is 'sometimes'"):
        Settings.from_environment()
