"""What the page says of quality, whatever a refresh found and however long the history is."""

import re

import pytest

from benchmarks import pages
from etl.report import quality
from etl.report.html import joined
from tests.test_report import DLMS, Reader, page

CHECK = {
    "suite": "landing.lpr2.t_diag", "check_id": "c_diag_has_its_form", "scope": "lpr2/2024-06-01",
    "words": "c_diag has its form", "severity": "convention", "category": "conformance",
    "status": "fail", "n_checked": 2000, "n_failing": 300, "tolerated_rows": None,
    "tolerated_percent": 0.1, "owner": "keeper", "why": "A code of another form matches nothing.",
    "key_columns": '["source_file", "source_row"]',
}  # fmt: skip


def shown(*rows: dict) -> str:
    text = joined(quality.checks(list(rows)))
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", text))


def trend(n: int) -> list[dict]:
    return [
        {"refresh_number": i, "status": "fail", "n_checked": 2000, "n_failing": 100 + i}
        for i in range(1, n + 1)
    ]


def test_quality_is_headed_by_what_is_excused():
    text = page(
        waivers=[
            {"id": "w1", "suite": "landing.cpr", "check_id": "k2", "owner": "Anna", "second": "Bo",
             "reason": "asked", "granted_on": "2026-01-01", "expires_on": "2026-06-30",
             "status": "expired"},
        ],
        overrides=[
            {"check": "k9", "reviewer": "Carl", "reviewed_on": "2026-02-03", "reason": "seen",
             "status": "in force", "n": 1234},
        ],
    )  # fmt: skip
    told = re.sub(r"\s+", " ", Reader(text).text["waivers"])
    assert "k2 landing.cpr expired Anna Bo asked 2026-01-01 2026-06-30" in told
    assert "k9 in force 1,234 Carl 2026-02-03 seen" in told
    assert text.index('id="quality"') < text.index('id="waivers"') < text.index('id="checks"')


def test_a_waived_check_says_by_whom_and_until_when():
    waiver = {"owner": "Anna", "second": "Bo", "reason": "asked", "expires_on": "2026-06-30"}
    told = shown(CHECK | {"waiver": waiver, "change": "worsened"})
    assert "lpr2/2024-06-01 · worsened · waived" in told
    assert "asked (Anna and Bo, to 2026-06-30)" in told
    assert "waived" not in shown(CHECK)


def test_confirmed_rows_are_told_beside_those_that_fail():
    assert "300 of 2,000 fail (15.00 %), 12 of them confirmed" in shown(CHECK | {"n_confirmed": 12})
    assert "confirmed" not in shown(CHECK | {"n_confirmed": 0})


def test_the_unfit_mart_and_the_largest_shift_come_first():
    marts = [
        {"mart": "cohort", "fitness": "usable", "findings": [], "estimates": ["m"]},
        {"mart": "factor", "fitness": "unfit", "findings": ["x", "y"], "estimates": []},
    ]
    told = re.sub(r"<[^>]+>", " ", quality.fitness(marts))
    assert told.index("factor") < told.index("cohort")
    assert re.search(r"2 findings\s+x\s+y\s", told)
    assert re.search(r"1 estimate\s+m\s", told)
    moved = [
        {"check": c, "words": c, "outcome": "local_recurrence", "factor": "(all)",
         "level": "(all)", "n_affected": 2,
         "estimate": 0.1, "estimate_without": 0.0987, "shift": shift}
        for c, shift in (("tiny", 0.01), ("huge", -1.3), ("unknown", None))
    ]  # fmt: skip
    told = re.sub(r"<[^>]+>", " ", joined(quality.sensitivity(moved, DLMS)))
    assert told.index("huge") < told.index("tiny") < told.index("unknown")
    for words in ("10.00", "9.87", "−1.30", "+0.01", "Local recurrence", "All"):
        assert words in told
    assert "In none would the rule give another verdict" in told
    moved[0] |= {"high_risk": True, "high_risk_without": False}
    moved[1] |= {"high_risk": True, "high_risk_without": True}
    told = re.sub(r"<[^>]+>", " ", joined(quality.sensitivity(moved, DLMS)))
    assert told.index("tiny") < told.index("huge") < told.index("unknown")
    assert "In 1 of 3 the rule would give another verdict" in told
    assert "high-risk, without them not high-risk" in told
    many = [moved[2] | {"check": f"c{n}", "words": f"c{n}"} for n in range(30)]
    assert "The other 5, with smaller shifts" in joined(quality.sensitivity(many, DLMS))


def test_what_is_not_there_is_told_in_a_sentence():
    text = page(checks=[])
    for words in (
        "No check is waived.", "No record is overridden.", "No check was run.",
        "Nothing is said about the fitness", "No open finding touches a person",
    ):  # fmt: skip
        assert words in text


def test_a_history_of_five_hundred_refreshes_costs_no_more_than_one_of_twenty_one():
    long, bounded = trend(500), [trend(500)[0], *trend(500)[-20:]]
    assert quality.checks([CHECK | {"trend": long}]) == quality.checks([CHECK | {"trend": bounded}])
    told = shown(CHECK | {"trend": long})
    assert "refresh 1: 101 of 2,000; refresh 499: 599 of 2,000; refresh 500: 600 of 2,000" in told
    points = joined(quality.checks([CHECK | {"trend": long}])).partition('points="')[2]
    assert len(points.partition('"')[0].split()) == 21
    assert "Over time" not in shown(CHECK | {"trend": trend(1)})


def test_failing_rows_of_one_check_and_of_all_together_are_bounded():
    failing = [{"under": ["8ae897ab81d3"], "numbers": " ".join(str(2 * i) for i in range(300))}]
    text = joined(quality.checks([CHECK | {"failing": failing}]))
    assert text.count("<li>8ae897ab81d3 ") == quality.SPANS_OF_A_CHECK
    assert "Failing rows by source_file, source_row, the first of them:" in text
    whole = [{"under": ["8a"], "numbers": " ".join(str(2 * i) for i in range(200))}]
    assert "Failing rows by source_file, source_row:" in shown(CHECK | {"failing": whole})
    assert "check_id = 'c_diag_has_its_form' and scope = 'lpr2/2024-06-01'" in text
    many = [CHECK | {"failing": failing, "scope": str(n)} for n in range(150)]
    assert joined(quality.checks(many)).count("<li>8ae8") == quality.SPANS_OF_THE_PAGE


def test_the_sql_the_counts_and_the_threshold_stand_under_each_check():
    told = shown(CHECK | {"failing_sql": "select <1>", "checked_sql": "select 2"})
    assert "-- rows that fail select &lt;1&gt; -- of these rows select 2" in told
    assert "300 of 2,000 fail (15.00 %)" in told
    assert "Tolerated 0.1 %" in told
    both = CHECK | {"tolerated_rows": 5, "status": "not_run", "reason": "no such column"}
    assert "Tolerated 5 rows and 0.1 %" in shown(both)
    assert "could not be run" in shown(both)
    assert "no such column" in shown(both)


def test_what_moved_since_the_refresh_before_is_counted():
    rows = [CHECK | {"change": c} for c in ("new", "new", "fixed", "same")]
    assert "Since the refresh before: 2 new, 1 fixed." in shown(*rows)
    assert "Since the refresh before" not in shown(CHECK)


@pytest.mark.parametrize(
    ("suite", "register"),
    [
        ("landing.lpr2.t_diag", "lpr2"),
        ("staging.stg_patobank__code", "patobank"),
        ("marts.cohort", "marts"),
        (None, "–"),
    ],
)
def test_a_suite_is_of_a_register_or_of_the_study(suite, register):
    assert quality.register_of({"suite": suite}) == register


def test_danish_words_stand_beside_the_english_where_they_are_known():
    text = joined(quality.checks([CHECK | {"words_da": "c_diag har sin form"}]))
    assert '<span lang="da">c_diag har sin form</span>' in text
    assert 'id="language"' in text
    assert 'id="language"' not in joined(quality.checks([CHECK]))


def test_the_size_of_a_page_does_not_grow_with_history():
    short, long = (len(pages.page(60, refreshes)) for refreshes in (100, 999))
    assert abs(long - short) < 60 * 100, "no more than the digits of the refreshes' numbers"
