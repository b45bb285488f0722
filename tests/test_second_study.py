"""The second study is a folder: nothing else knows it, and its planted lives are as told.

That the chain finds every one of them, and nobody else, is held by tests/test_story.py for both
studies; the SQL is held to a second program by tests/test_two_evaluators.py.
"""

import csv
import re
import subprocess
from collections import Counter

import pytest

from etl import studies
from etl.mock import afx_pds, decoys, patients
from etl.mock.answers import SHEETS
from etl.mock.life import Life, Registrar
from etl.mock.numbers import Issuer
from etl.settings import CHECKOUT

CENSORED, OUTCOME, DIED = 0, 1, 2
PREVALENT = (None, None, True)
# Those at an edge, by hand: number in the file → metastasis and local recurrence as
# (days from the index date, how it ended).
AT_AN_EDGE = {
    1: ((1805, DIED), (90, OUTCOME)),  # recurs on day 90, the first that counts
    2: ((4322, CENSORED), (4322, CENSORED)),  # cut again on day 89, the last of the same tumour
    3: ((1151, DIED), (300, OUTCOME)),  # a recurrence's code on day 89 does not count
    4: ((851, DIED), (91, OUTCOME)),  # cut again on day 89, and two days later a recurrence
    6: ((1, CENSORED), (1, CENSORED)),  # a day before the data end
    7: (PREVALENT, (1286, DIED)),  # metastasis on the index date
    8: ((1, OUTCOME), (1625, DIED)),  # and on the day after
    9: (PREVALENT, (1917, DIED)),
    10: ((420, OUTCOME), (420, DIED)),  # on the day of death the metastasis comes first
    11: ((510, DIED), (510, DIED)),  # found a day after death, by autopsy
    14: ((2797, CENSORED), (2797, CENSORED)),  # recurs after the end of data
    15: ((2273, CENSORED), (2273, CENSORED)),  # dies after it
    33: ((2907, CENSORED), (2907, CENSORED)),  # what only the clinical database knows
    35: ((800, CENSORED), (800, CENSORED)),  # emigrates, and recurs in Denmark afterwards
    38: ((600, CENSORED), (600, CENSORED)),  # comes back, and not in
    43: ((1, DIED), (1, DIED)),
    60: ((1095, DIED), (1095, DIED)),  # dies on the day the data end
}


@pytest.fixture(scope="module")
def registrar() -> Registrar:
    return Registrar(Issuer(), 3)


@pytest.fixture(scope="module")
def of_the_first(registrar) -> list[Life]:
    return patients.write(registrar) + decoys.write(registrar)


@pytest.fixture(scope="module")
def lives(registrar, of_the_first) -> list[Life]:
    return afx_pds.write(registrar)


def test_no_code_knows_the_study():
    """What makes it is its folder; only the mock registers and the tests name it beside."""
    tracked = subprocess.run(
        ["git", "ls-files", "etl", "dags", "dbt_project", "expectations", "benchmarks"],
        cwd=CHECKOUT, capture_output=True, text=True, check=True,
    ).stdout.splitlines()  # fmt: skip
    naming = {
        path
        for path in tracked
        if re.search(rb"\bafx|M8830", (CHECKOUT / path).read_bytes(), re.IGNORECASE)
    }
    # What was measured of chaos names the steps in which it struck.
    allowed = ("etl/mock/", "dbt_project/studies/afx_pds/", "benchmarks/chaos.json")
    assert naming, "the search must find the folder"
    assert [path for path in sorted(naming) if not path.startswith(allowed)] == []


def test_sixty_are_planted_and_some_leave_at_every_step(lives):
    verdicts = Counter(life.verdict for life in lives)
    assert verdicts["included"] == 60
    criteria = SHEETS["afx_pds"].criteria
    assert criteria == tuple(c.name for c in studies.read(CHECKOUT, "afx_pds").criteria)
    assert all(verdicts[criterion] >= 6 for criterion in criteria)
    assert verdicts["not_a_candidate"] >= 6
    assert verdicts["no_person"] >= 6
    assert {life.study for life in lives} == {"afx_pds"}


def test_those_at_an_edge_end_as_is_written_here_by_hand(lives):
    by_name = {life.name: life.outcomes for life in lives}
    for number, (metastasis, recurrence) in AT_AN_EDGE.items():
        found = by_name[f"afx_pds patient {number:02d}"]
        expected = [(*one, False) if len(one) == 2 else one for one in (metastasis, recurrence)]
        assert [found["metastasis"], found["local_recurrence"]] == expected, number


def test_a_patient_is_as_old_and_as_called_as_the_file_says(lives):
    with afx_pds.COHORT.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for life, row in zip(lives, rows, strict=False):
        day, born = life.index_date, life.born
        age = day.year - born.year - ((day.month, day.day) < (born.month, born.day))
        assert age == int(row["age"])
        assert life.factors["entity"] == row["entity"].replace("_", " ")
    assert Counter(row["entity"] for row in rows) == {
        "atypical_fibroxanthoma": 37, "pleomorphic_dermal_sarcoma": 23,
    }  # fmt: skip


def test_every_twist_of_the_file_is_known():
    with afx_pds.COHORT.open(encoding="utf-8") as file:
        given = {row["twist"] for row in csv.DictReader(file)} - {""}
    known = {
        *afx_pds.INDEX_ROWS, *afx_pds.LATER_ROWS, *afx_pds.DEPARTURES, *afx_pds.DEATHS,
        "metastasis_on_skin",
    }  # fmt: skip
    assert given == known


def test_nobody_has_the_tumour_of_the_other_study(lives, of_the_first):
    first = {row[1] for row in studies.read(CHECKOUT, "dlms").codes if row[0] == "case_morphology"}
    for group, codes_of_the_other in ((lives, first), (of_the_first, {"M8830"})):
        codes = {
            code[:5]
            for life in group
            for requisition in life.requisitions
            for specimen in requisition.specimens
            for code in specimen
        }
        assert not codes & codes_of_the_other


def test_numbers_and_requisitions_of_the_two_studies_are_apart(lives, of_the_first):
    everyone = [*of_the_first, *lives]
    numbers = [life.number for life in everyone]
    numbers += [number for life in everyone for number, _ in life.former_numbers]
    assert len(numbers) == len(set(numbers))
    assert len({life.name for life in everyone}) == len(everyone)
    requisitions = [(r.k_inst, r.k_rekvnr) for life in lives for r in life.requisitions]
    others = {(r.k_inst, r.k_rekvnr) for life in of_the_first for r in life.requisitions}
    assert len(requisitions) == len(set(requisitions))
    assert not others & set(requisitions)
