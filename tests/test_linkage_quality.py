"""Linkage as a product: rates kept, seeds that agree with the code, the page and its picture."""

import csv
import re
from html.parser import HTMLParser
from pathlib import Path

import duckdb
import pytest

from etl import linkage, report
from etl.personal_number import MADE_UP_REASON, REASONS
from etl.quality import rates
from etl.report.linkage import CONFLICTS, FAILED, boxes
from etl.settings import CHECKOUT
from tests.test_report import EVIDENCE, Reader, page

SEEDS = CHECKOUT / "dbt_project" / "seeds"
MACROS = CHECKOUT / "dbt_project" / "macros"


def seed(name: str) -> list[dict]:
    with (SEEDS / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


# ------------------------------------------------------------------ seeds


def test_every_municipality_of_today_has_its_region():
    text = (MACROS / "municipality_of_today.sql").read_text(encoding="utf-8")
    of_today = set(re.findall(r"\b\d{3}\b", text[text.index(" in (") : text.index("then lpad")]))
    regions = {row["municipality_code"]: row["region_code"] for row in seed("municipality_region")}
    assert set(regions) == of_today
    assert len(regions) == 98 + 1  # and Christiansø
    assert {code: list(regions.values()).count(code) for code in set(regions.values())} == {
        "1081": 11, "1082": 19, "1083": 22, "1084": 30, "1085": 17,
    }  # fmt: skip
    examples = {"101": "1084", "461": "1083", "751": "1082", "851": "1081", "265": "1085"}
    assert {code: regions[code] for code in examples} == examples


def test_every_reason_of_the_linkage_says_what_failed():
    what = {row["reason"]: row["what_failed"] for row in seed("linkage_reason")}
    assert set(what) == {*REASONS, MADE_UP_REASON, *linkage.rows.UNLINKED_REASONS}
    assert {reason for reason, failed in what.items() if failed == "number"} == {
        *REASONS,
        MADE_UP_REASON,
    }
    assert set(what.values()) == set(FAILED) - {"row"}


# ------------------------------------------------------------------ rates, refresh by refresh


def warehouse(place: Path, linked: int, refresh: str, data: str, before: Path | None) -> str | None:
    """A warehouse with one rate, made as `select` makes it. Returns the data it is held against."""
    with duckdb.connect(str(place)) as con:
        held_against = rates.give_before(con, before, data)
        con.execute("create schema marts")
        con.execute(
            "create table marts.linkage_rate as select 'lpr2' as register, 't_adm' as table_name, "
            "10::bigint as n_landed, ?::bigint as n_linked",
            [linked],
        )
        con.execute(
            "create table marts.row_count as select 'lpr2' as register, 't_adm' as table_name, "
            "'2003' as year, ?::bigint as n_rows",
            [linked],
        )
        if before:
            rates.carry_over(con, before)
        rates.keep(con, refresh, data)
        rates.keep(con, refresh, data)  # once more changes nothing
    return held_against


def before_of(place: Path) -> list[tuple]:
    with duckdb.connect(str(place)) as con:
        return con.execute("from history.linkage_rate_before").fetchall()


def test_a_refresh_is_held_against_the_last_one_of_other_data(tmp_path):
    first, second, third = (tmp_path / f"{n}.duckdb" for n in (1, 2, 3))
    assert warehouse(first, 10, "r1", "may", None) is None
    assert before_of(first) == []
    assert warehouse(second, 7, "r2", "june", first) == "may"
    assert before_of(second) == [("lpr2", "t_adm", 10, 10)]
    # Code that changed meanwhile is no refresh before: the fall of june stays in sight.
    assert warehouse(third, 7, "r3", "june", second) == "may"
    assert before_of(third) == [("lpr2", "t_adm", 10, 10)]
    with duckdb.connect(str(third)) as con:
        kept = con.execute("select refresh_id, n_linked from quality.rate_of_refresh").fetchall()
    assert kept == [("r1", 10), ("r2", 7), ("r3", 7)]


def test_rows_of_a_year_are_kept_and_given_like_rates(tmp_path):
    first, second, third = (tmp_path / f"{n}.duckdb" for n in (1, 2, 3))
    warehouse(first, 10, "r1", "may", None)
    warehouse(second, 7, "r2", "june", first)
    with duckdb.connect(str(second)) as con:
        assert con.execute("from history.row_count_before").fetchall() == [
            ("lpr2", "t_adm", "2003", 10)
        ]
        kept = con.execute("select refresh_id, n_rows from quality.row_count_of_refresh").fetchall()
        assert kept == [("r1", 10), ("r2", 7)]
        # A warehouse of before rows were kept: its rates are given all the same.
        con.execute("drop table quality.row_count_of_refresh")
    assert warehouse(third, 7, "r3", "july", second) == "june"
    with duckdb.connect(str(third)) as con:
        assert con.execute("from history.row_count_before").fetchall() == []


def test_a_warehouse_that_kept_no_rates_yet_gives_none(tmp_path):
    place = tmp_path / "old.duckdb"
    duckdb.connect(str(place)).close()
    assert warehouse(tmp_path / "new.duckdb", 10, "r1", "may", place) is None


# ------------------------------------------------------------------ the page and the picture


def quality(register: str, region: str, sex: str, linked: int, lost: int = 0, **more) -> dict:
    row = {
        "register": register, "table_name": "t", "period": "2003", "year": "2003",
        "region": region, "sex": sex, "n_received": linked + lost, "n_valid_number": linked + lost,
        "n_landed": linked + lost, "n_resolved": linked, "n_linked": linked,
        "n_in_population": linked, "n_not_linked": lost,
    }  # fmt: skip
    return row | more


def loss(what: str, reason: str, rows: int, words: str | None = None) -> dict:
    return {
        "register": "lpr2", "table_name": "t", "period": "2003", "year": "2003",
        "stage": "unlinked", "reason": reason, "what_failed": what, "n_rows": rows, "words": words,
    }  # fmt: skip


def persons(register: str, n: int, here: int, candidates: int, cohort: int) -> dict:
    return {
        "study_id": "dlms", "register": register, "n_persons": n, "n_in_population": here,
        "n_candidates": candidates, "n_in_cohort": cohort,
    }  # fmt: skip


LINKAGE = report.Linkage(
    quality=[
        quality("lpr2", "Hovedstaden", "male", 1200),
        quality("lpr2", "unknown", "unknown", 0, 34, n_valid_number=30, n_landed=28),
        quality("dcr", "Sjælland", "female", 7),
    ],
    loss=[
        loss("number", "blank", 4, "the number is empty"),
        loss("row", "missing_<b>", 2),
        loss("civil_register", "cycle", 17, "numbers in a round"),
        loss("contact", "orphan_of_contact", 11, "the contact is not there"),
    ],
    rate=[
        {"register": "lpr2", "table_name": "t", "n_landed": 1228, "n_linked": 1200,
         "n_without_contact": 11, "n_ambiguous_contact": 0, "n_landed_before": 1000,
         "n_linked_before": 990},
        {"register": "dcr", "table_name": "t", "n_landed": 7, "n_linked": 7,
         "n_without_contact": 0, "n_ambiguous_contact": 0, "n_landed_before": None,
         "n_linked_before": None},
    ],
    persons=[persons("(all but cpr)", 503, 501, 45, 38), persons("lpr2", 500, 498, 45, 38)],
    conflict=[
        {"kind": "event_after_death", "register": "lpr2", "table_name": "t_adm"} for _ in range(3)
    ],
    death_disagreement=[{"disagreement": "only_in_hospital"}],
)  # fmt: skip
NOTHING = report.Linkage([], [], [], [], [], [])
TITLE = "Risk groups <in> dermal leiomyosarcoma"


def test_the_boxes_lead_from_rows_received_to_the_cohort_and_close():
    drawn = boxes(LINKAGE)
    assert [(number, left and left[0]) for number, _, left in drawn] == [
        ("1,241", "4"), ("1,237", "2"), ("1,235", "17"), ("1,218", "11"), ("1,207", "0"),
        ("1,207", None), ("503", "2"), ("501", None), ("45", None), ("38", None),
    ]  # fmt: skip
    assert drawn[0][1] == "rows received, of 2 registers"
    assert boxes(NOTHING)[0][0] == "0"


def test_the_page_has_every_number_and_names_the_items_of_record():
    text = page(linkage=LINKAGE, title=TITLE)
    read = Reader(text)
    assert read.unbalanced == []
    assert "<in>" not in text
    assert "<b>," not in text
    sections = {name: re.sub(r"\s+", " ", words) for name, words in read.text.items()}
    assert "RECORD 6.3" in sections["linkage-flow"]
    assert "RECORD 12.3" in sections["linkage-method"]
    assert "RECORD 13.1" in sections["linkage-lost"]
    # Linked now and before, and the change.
    assert "lpr2 t 1,228 1,200 28 97.72 1,000 99.00 −1.28" in sections["linkage-rates"]
    assert "dcr t 7 7 0 100.00 – – –" in sections["linkage-rates"]
    assert "lpr2 t 1,228 11 0 0.90" in sections["linkage-rates"]
    assert "lpr2 1,234 1,230 1,228 1,200 1,200 1,200 34 97.72" in sections["linkage-flow"]
    assert "lpr2 500 498 45 38" in sections["linkage-flow"]
    assert "unknown unknown 34 30 28 0 0 0 34" in sections["linkage-classes"]
    assert "numbers in a round 17" in sections["linkage-lost"]
    assert "missing <b> 2" in sections["linkage-lost"]
    assert f"{CONFLICTS['event_after_death']} lpr2 t_adm 3" in sections["linkage-conflicts"]
    assert "only in hospital 1" in sections["linkage-conflicts"]


def test_the_page_of_nothing_says_so():
    assert "none." in Reader(page(linkage=NOTHING)).text["linkage-conflicts"]


def test_the_page_says_for_whom_small_counts_stand():
    real = page(evidence=EVIDENCE | {"population": "real"})
    assert "Small counts stand unmasked" in real
    mock = page(evidence=EVIDENCE | {"population": "mock"})
    assert "made up" in mock


def test_a_table_scrolls_alone_so_that_a_phone_keeps_the_page():
    """Every table and picture lies in a region of its own that scrolls."""

    class Regions(HTMLParser):
        def __init__(self):
            super().__init__()
            self.depth, self.outside, self.inside, self.stack = 0, 0, 0, []

        def handle_starttag(self, tag, attrs):
            if tag in ("table", "img"):
                self.inside += self.depth > 0
                self.outside += self.depth == 0
            if tag == "div":
                scrolls = "scroll" in (dict(attrs).get("class") or "").split()
                self.stack.append(scrolls)
                self.depth += scrolls

        def handle_endtag(self, tag):
            if tag == "div":
                self.depth -= self.stack.pop()

    regions = Regions()
    regions.feed(page(linkage=LINKAGE, title=TITLE))
    assert regions.outside == 0
    assert regions.inside > 8


@pytest.mark.parametrize("given", [LINKAGE, NOTHING])
def test_the_picture_is_the_same_bytes_each_time(given, tmp_path):
    made = []
    for name in ("one", "two"):
        svg, png = tmp_path / f"{name}.svg", tmp_path / f"{name}.png"
        report.linkage_flow(given, svg, png, TITLE)
        made.append((svg.read_bytes(), png.read_bytes()))
    assert made[0] == made[1]
    assert made[0][0].startswith(b"<?xml")
