"""Mock registers: the same seed gives the same bytes, and the answers are true to the rows."""

import csv
import hashlib
import itertools
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pytest

from etl import deliveries, mock, registers
from etl.errors import DeliveryError
from etl.mock import answers, decoys, patients
from etl.mock.life import Registrar
from etl.mock.numbers import Issuer, fail_modulus_11
from etl.personal_number import birth_year, is_made_up, malformed, passes_modulus_11


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("mock")
    mock.write(folder / "inbox", folder / "answers", 3000, 7, lambda _: None)
    return folder


def table(path: Path) -> list[dict]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def hashes(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(written, tmp_path):
    mock.write(tmp_path / "inbox", tmp_path / "answers", 3000, 7, lambda _: None)
    assert hashes(tmp_path) == hashes(written)
    mock.write(tmp_path / "b" / "inbox", tmp_path / "b" / "answers", 3000, 8, lambda _: None)
    assert hashes(tmp_path / "b") != hashes(written)


def test_every_delivery_is_believable(written):
    found = deliveries.find(written / "inbox")
    assert {folder.parent.name for folder in found} == set(registers.catalogue())
    for folder in found:
        deliveries.read(folder)


def test_both_formats_and_all_coverages_are_delivered(written):
    read = [deliveries.read(folder) for folder in deliveries.find(written / "inbox")]
    assert {file.format for delivery in read for file in delivery.files} == {"csv", "parquet"}
    assert {delivery.coverage for delivery in read} == {"stock", "period", "correction"}


def test_there_are_381_patients_and_a_handful_of_decoys_of_every_kind(written):
    persons = table(written / "answers" / "persons.csv")
    verdicts = Counter(person["verdict"] for person in persons)
    assert verdicts["included"] == 381
    assert sum(n for verdict, n in verdicts.items() if verdict != "included") >= 200
    assert all(verdicts[criterion] >= 5 for criterion in answers.CRITERIA)
    kinds = Counter(person["kind"] for person in persons if person["kind"] != "patient")
    assert len(kinds) == len(decoys.KINDS)
    assert min(kinds.values()) >= 5


def test_every_twist_is_given_to_a_handful_of_patients(written):
    persons = table(written / "answers" / "persons.csv")
    given = Counter(twist for person in persons for twist in person["twists"].split())
    assert {name for name, *_ in patients.TWISTS} <= set(given)
    assert min(given[name] for name, *_ in patients.TWISTS) >= 5


def test_the_flow_of_the_answer_sheet_closes(written):
    steps = table(written / "answers" / "flow.csv")[1:]
    for before, after in itertools.pairwise(steps):
        assert before["n_out"] == after["n_in"]
    assert steps[-1]["n_out"] == "381"


def test_a_planted_defect_lies_where_the_answer_sheet_says(written):
    found: dict[str, list[str]] = {}
    of = defaultdict(list)
    for defect in table(written / "answers" / "defects.csv"):
        of[defect["defect"]].append(defect)
    assert len(of) >= 15
    for defect in of["code_written_out"] + of["number_unknown"]:
        path = written / "inbox" / defect["register"] / defect["path"]
        found.setdefault(str(path), path.read_text("windows-1252").splitlines())
        line = found[str(path)][int(defect["row"])]
        assert ("AEKI030" if defect["defect"] == "code_written_out" else ";0000000000;") in line


def test_an_inbox_that_is_not_empty_is_left_alone(written):
    before = hashes(written)
    with pytest.raises(DeliveryError, match="not empty"):
        mock.write(written / "inbox", written / "answers", 3000, 7, lambda _: None)
    assert hashes(written) == before


def test_numbers_are_made_up_well_formed_valid_and_given_once():
    rng = np.random.default_rng(3)
    born = np.datetime64("1900-01-01") + rng.integers(0, 44_900, 20_000)
    is_male = rng.random(20_000) < 0.5
    issuer = Issuer()
    numbers = np.r_[
        issuer.issue(born[:9000], is_male[:9000]), issuer.issue(born[9000:], is_male[9000:])
    ]
    assert len(set(numbers)) == len(numbers)
    for number, day, male in zip(numbers[::97], born[::97], is_male[::97], strict=True):
        assert malformed(number) is None
        assert is_made_up(number)
        assert passes_modulus_11(number)
        assert birth_year(number) == int(str(day)[:4])
        assert int(number[9]) % 2 == male
    unchecked = fail_modulus_11(numbers)
    assert not set(unchecked) & set(numbers)
    assert not any(passes_modulus_11(number) for number in unchecked)


def test_a_patient_is_as_old_as_the_file_says():
    lives = patients.write(Registrar(Issuer(), 1))
    with patients.COHORT.open() as file:
        ages = [int(row["age"]) for row in csv.DictReader(file)]
    for life, age in zip(lives, ages, strict=True):
        day, born = life.index_date, life.born
        assert day.year - born.year - ((day.month, day.day) < (born.month, born.day)) == age


def test_no_calendar_is_moved_later_and_times_stay():
    lives = patients.write(Registrar(Issuer(), 1))
    with patients.COHORT.open() as file:
        rows = list(csv.DictReader(file))
    moved = 0
    for life, row in zip(lives, rows, strict=True):
        assert str(life.index_date) <= row["index_date"]
        moved += str(life.index_date) < row["index_date"]
        days, event, _ = life.outcomes["local_recurrence"]
        assert (days, event) == (int(row["lr_time"]), int(row["lr_event"]))
    assert moved > 50
