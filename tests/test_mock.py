"""Mock registers: the same seed gives the same bytes, and the answers are true to the rows."""

import csv
import hashlib
import itertools
import shutil
import subprocess
import sys
from collections import Counter, defaultdict
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from etl import deliveries, mock, registers
from etl.errors import DeliveryError
from etl.mock import answers, decoys, hospitals, keepers, patients, registries
from etl.mock import population as people
from etl.mock.draws import Running
from etl.mock.life import Registrar
from etl.mock.numbers import Issuer, fail_modulus_11, fewest_of_a_day
from etl.personal_number import birth_year, is_made_up, malformed, passes_modulus_11
from etl.settings import CHECKOUT

BLOCK = 900


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("mock")
    mock.write(folder / "inbox", folder / "answers", 3000, 7, lambda _: None)
    return folder


@pytest.fixture(scope="module")
def in_blocks(tmp_path_factory) -> Path:
    """The same in four blocks."""
    folder = tmp_path_factory.mktemp("mock_in_blocks")
    write_in_blocks(folder)
    return folder


def write_in_blocks(folder: Path) -> None:
    mock.write(folder / "inbox", folder / "answers", 3000, 7, lambda _: None, block_persons=BLOCK)


def rows_of(inbox: Path, register: str, *tables: str) -> pl.DataFrame:
    """Every row of some tables as text, whatever the file and the delivery."""
    frames = []
    for path in sorted((inbox / register).rglob("*")):
        if not path.name.startswith(tables):
            continue
        if path.suffix == ".csv":
            content = path.read_bytes().decode("windows-1252").encode()
            frame = pl.read_csv(
                content, separator=";", infer_schema=False, truncate_ragged_lines=True
            )
        else:
            frame = pl.read_parquet(path).cast(pl.String)
        frames.append(frame.with_columns(path=pl.lit(f"{path.parent.name}/{path.name}")))
    return pl.concat(frames, how="diagonal")


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


@pytest.mark.parametrize("mocked", ["written", "in_blocks"])
def test_every_delivery_is_believable(mocked, request):
    written = request.getfixturevalue(mocked)
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
    assert all(verdicts[criterion] >= 5 for criterion in answers.SHEETS["dlms"].criteria)
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


@pytest.mark.parametrize("mocked", ["written", "in_blocks"])
def test_a_planted_defect_lies_where_the_answer_sheet_says(mocked, request):
    written = request.getfixturevalue(mocked)
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


# -------------------------------------------------------------------- in blocks


def test_the_same_seed_gives_the_same_bytes_in_several_blocks_too(in_blocks, tmp_path):
    write_in_blocks(tmp_path)
    assert hashes(tmp_path) == hashes(in_blocks)


def test_a_manifest_counts_the_rows_of_all_blocks(in_blocks):
    files = 0
    for folder in deliveries.find(in_blocks / "inbox"):
        for file in deliveries.read(folder).files:
            path, files = folder / file.path, files + 1
            if file.format == "csv":
                assert path.read_bytes().count(b"\n") - 1 == file.rows, path
                assert path.read_bytes().count(path.read_bytes().partition(b"\n")[0]) == 1
            else:
                assert pl.scan_parquet(path).select(pl.len()).collect().item() == file.rows, path
    assert files > 150


def test_the_size_of_a_block_changes_nothing_for_the_hand_written_lives(written, in_blocks):
    for sheet in ("persons", "flow", "cross_checks"):
        assert table(in_blocks / "answers" / f"{sheet}.csv") == table(
            written / "answers" / f"{sheet}.csv"
        )
    requisitions = [
        rows_of(folder / "inbox", "patobank", "pato")
        .filter(pl.col("k_rekvnr").str.contains("^[0-9]{2}R[0-9]{5}$"))
        .sort(pl.all())
        for folder in (written, in_blocks)
    ]
    assert len(requisitions[0]) > 2000
    assert_frame_equal(*requisitions, check_column_order=False)


def test_every_number_is_issued_once_over_all_blocks(in_blocks):
    numbers = (in_blocks / "answers" / "numbers.txt").read_text().split()
    assert len(numbers) == len(set(numbers)) >= 3000
    owned = rows_of(in_blocks / "inbox", "cpr", "cpr3_t_person")["v_pnr"]
    assert owned.is_unique().all()
    assert set(owned) <= set(numbers)


@pytest.mark.parametrize(
    ("register", "name", "key"),
    [
        ("lpr2", "t_adm", ["k_recnum"]),
        ("lpr3", "kontakter", ["dw_ek_kontakt"]),
        ("dcr", "t_tumor", ["k_tumornr"]),
        ("patobank", "pato", ["path", "k_inst", "k_rekvnr", "k_matnr", "k_sekvensnr"]),
    ],
)
def test_a_key_is_given_once_over_all_blocks(in_blocks, register, name, key):
    rows = rows_of(in_blocks / "inbox", register, name).drop_nulls(key)
    twice = rows.filter(pl.struct(key).is_duplicated())
    copies = [
        d for d in table(in_blocks / "answers" / "defects.csv") if d["defect"] == "exact_copy"
    ]
    assert len(rows) > 200
    assert twice.height <= 2 * sum(copy["path"] in set(rows["path"]) for copy in copies)
    assert twice.select(pl.struct(pl.all()).is_duplicated().all()).item()


def test_within_a_block_rows_lie_in_the_order_of_their_table():
    """As the first block is sorted, where the hand-written lives come between."""
    p = people.population(5000, Issuer(), 5, block=3)
    for rows, *order in (
        (people.person_rows(p), "v_pnr"),
        (people.address_rows(p, 5, 3), "v_pnr", "d_tilflyt_dato"),
        (people.abroad_rows(p), "v_pnr"),
        (people.pathology_rows(p, 5, Running(), 3),
         "d_rekvdato", "k_inst", "k_rekvnr", "k_matnr", "k_sekvensnr"),
        (people.sarcoma_rows(p, 5, 3), "diagnosis_date", "cpr"),
        (registries.cancer_rows(p, [], 5, Running(), 3), "d_diagnosedato"),
    ):  # fmt: skip
        assert_frame_equal(rows, rows.sort(*order, maintain_order=True))


def test_every_block_is_drawn_anew():
    first, second = (people.population(500, Issuer(), 5, block) for block in (0, 1))
    assert (first.numbers[:500] == second.numbers[:500]).mean() < 0.01
    days = [people.address_rows(first, 5, block)["d_tilflyt_dato"].to_list() for block in (0, 1)]
    assert days[0] != days[1]


def test_a_mock_that_breaks_off_leaves_nothing(tmp_path, monkeypatch):
    calls = iter(range(9))

    def breaks_off(*args):
        if next(calls) == 2:
            raise KeyboardInterrupt
        return people.sarcoma_rows(*args)

    monkeypatch.setattr(
        keepers, "people", SimpleNamespace(**vars(people) | {"sarcoma_rows": breaks_off})
    )
    with pytest.raises(KeyboardInterrupt):
        write_in_blocks(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_is_too_small_is_seen_before_anything_is_written(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=2_000_000_000))
    with pytest.raises(DeliveryError, match=r"2\.0 GB free\. Expected about 14\.0 GB"):
        mock.write(tmp_path / "a" / "inbox", tmp_path / "answers", 10_000_000, 1, lambda _: None)
    assert list(tmp_path.iterdir()) == []


def test_it_is_said_how_far_the_writing_has_come(monkeypatch):
    now = iter((0.0, 2.0, 10.0, 20.0))
    monkeypatch.setattr(keepers.time, "monotonic", lambda: next(now))
    said = []
    pace = keepers.Pace(400, said.append)
    for rows in (1000, 5000, 20_000):
        pace.tell(100, rows)
    assert said == [
        "5,000 rows of 200 persons, 500 rows a second; 200 persons to go, about 10 seconds",
        "20,000 rows of 300 persons, 1,000 rows a second; 100 persons to go, about 7 seconds",
    ]


PEAK = """
import sys
from pathlib import Path
from etl import mock
mock.write(Path(sys.argv[1]) / "inbox", Path(sys.argv[1]) / "answers", int(sys.argv[2]), 1,
           lambda _: None, block_persons=15_000, share_of_contacts=1.0)
# Not what getrusage says: that begins with the memory of whoever started the process.
status = Path("/proc/self/status").read_text()
print(int(status.partition("VmHWM:")[2].split()[0]) / 1024)
"""


def test_memory_does_not_grow_with_the_number_of_persons(tmp_path):
    mebibytes = {}
    for persons in (30_000, 240_000):
        ended = subprocess.run(
            [sys.executable, "-c", PEAK, str(tmp_path / str(persons)), str(persons)],
            cwd=CHECKOUT, capture_output=True, text=True, check=True,
        )  # fmt: skip
        mebibytes[persons] = float(ended.stdout)
        shutil.rmtree(tmp_path / str(persons))
    assert mebibytes[240_000] < 1.4 * mebibytes[30_000], mebibytes


# -------------------------------------------------------------------- as realistic as told


@pytest.fixture(scope="module")
def nation() -> people.Population:
    """Enough people for rates."""
    return people.population(60_000, Issuer(), 11)


def years_lived(p: people.Population, since: str, until: str) -> float:
    """Person-years with an address."""
    first = np.maximum(p.started, np.datetime64(since))
    last = np.minimum(p.ended, np.datetime64(until))
    return float((last - first).astype(int)[p.is_resident].clip(0).sum()) / 365.25


def test_civil_statuses_are_those_of_2005(nation):
    """Pedersen 2006: of all numbers, 66.4 % alive here, 26.2 % dead, 6.5 % emigrated."""
    day, p = np.datetime64("2005-11-01"), nation
    known = (p.started <= day) & p.is_resident
    dead = known & (p.died <= day)
    abroad = known & ~dead & (p.departed <= day) & (p.returned > day)
    assert 0.22 <= dead.sum() / known.sum() <= 0.28
    assert 0.05 <= abroad.sum() / known.sum() <= 0.08
    assert 0.64 <= (known & ~dead & ~abroad).sum() / known.sum() <= 0.72
    gone = np.bincount(p.status, minlength=7) / len(p)
    assert 0.002 <= gone[people.GONE_MISSING] <= 0.004
    assert 0.005 <= gone[people.IN_GREENLAND] <= 0.009


def test_ages_sexes_and_deaths_are_those_of_a_population(nation):
    """One in a hundred dies in a year, half are men and fewer of the old, one in six is over 65."""
    p = nation
    for year in range(1985, 2022, 6):
        day = np.datetime64(f"{year}-01-01")
        here = (p.started <= day) & (p.ended > day) & p.is_resident
        deaths = here & (p.died < day + 365)
        age = (day - p.born).astype(int) / 365.25
        assert 0.0085 <= deaths.sum() / here.sum() <= 0.0135
        assert 0.485 <= p.is_male[here].mean() <= 0.505
        assert 0.30 <= p.is_male[here & (age > 80)].mean() <= 0.47
        assert 0.13 <= (age[here] >= 65).mean() <= 0.20
    # Born in 1900 to 1910 and dead at 60 at the earliest, or long after.
    of_age = (p.died - p.born).astype(int)[p.died < people.LAST_DAY] / 365.25
    assert 74 <= np.median(of_age) <= 82
    assert of_age.max() < 108


def test_parents_are_a_generation_older(nation):
    p = nation
    for parent, is_male in ((p.mother, False), (p.father, True)):
        known = np.flatnonzero(parent >= 0)
        assert (p.is_male[parent[known]] == is_male).all()
        years = (p.born[known] - p.born[parent[known]]).astype(int) / 365.25
        assert np.quantile(years, 0.01) > 18
        assert np.quantile(years, 0.99) < 41
        assert 0.9 < len(known) / (p.born > np.datetime64("1960-01-01")).sum() <= 1


def test_where_nobody_is_older_nobody_is_a_parent():
    for block in range(20):
        p = people.population(12, Issuer(), 5, block)
        for parent in (p.mother, p.father):
            known = np.flatnonzero(parent >= 0)
            assert (p.born[parent[known]] < p.born[known]).all()


def test_contacts_diagnoses_and_operations_are_as_many_as_told(nation):
    """One admission for five persons a year; an outpatient contact for four; the old have more."""
    happened = hospitals.happen(nation, [], 11, Running())
    contacts = happened.contacts.filter(pl.col("start").dt.year().is_between(2000, 2018))
    lived = years_lived(nation, "2000-01-01", "2019-01-01")
    admissions = contacts.filter(pl.col("kind") == "0")
    assert 0.17 <= len(admissions) / lived <= 0.22
    assert 0.22 <= (len(contacts) - len(admissions)) / lived <= 0.30
    of_contacts = happened.diagnoses["contact"].is_in(contacts["contact"].implode()).sum()
    assert 1.3 <= of_contacts / len(contacts) <= 1.7
    operated = happened.operations["contact"].is_in(contacts["contact"].implode()).sum()
    assert 0.1 <= operated / len(contacts) <= 0.25
    before_1995 = happened.contacts.filter(pl.col("start").dt.year() < 1995)
    assert set(before_1995["kind"]) == {"0"}
    town = hospitals.happen(nation, [], 11, Running(), share=hospitals.share_of_contacts(50_000))
    assert 0.55 <= len(town.contacts) / len(happened.contacts) <= 0.65
    assert hospitals.share_of_contacts(10_000_000) == 1


def test_no_contact_is_outside_a_life_and_no_diagnosis_twice_in_one(nation):
    happened = hospitals.happen(nation, [], 11, Running())
    assert happened.diagnoses.select("contact", "code").is_unique().all()
    actions = happened.diagnoses.filter(pl.col("type") == "A")
    assert actions["contact"].equals(happened.contacts["contact"])
    assert actions["code"].equals(happened.contacts["action"], check_names=False)
    rows = people.person_rows(nation).select("v_pnr", "d_foddato", "c_kon")
    of = happened.contacts.join(rows, left_on="number", right_on="v_pnr", validate="m:1")
    assert len(of) == len(happened.contacts)
    assert (of["start"] >= of["d_foddato"]).all()
    assert (of["end"] >= of["start"]).all()
    births = of.filter(pl.col("action").is_in(["65099", "DO809"]))
    assert set(births["c_kon"]) == {"K"}
    age = (births["start"] - births["d_foddato"]).dt.total_days() / 365.25
    assert 14.9 <= age.min() <= age.max() <= 50.1


def test_pathology_and_cancers_are_as_many_as_told(nation):
    """Nationwide from 1997, complete from 2005; one cancer for 200 persons a year."""
    rows = people.pathology_rows(nation, 11, Running()).unique(["k_inst", "k_rekvnr"])
    rate = {
        since: len(rows.filter(pl.col("d_rekvdato").dt.year().is_between(since, until - 1)))
        / years_lived(nation, f"{since}-01-01", f"{until}-01-01")
        for since, until in ((1985, 1995), (1997, 2005), (2005, 2022))
    }
    assert 0.040 <= rate[2005] <= 0.048
    assert 0.45 <= rate[1985] / rate[2005] <= 0.62
    assert 0.82 <= rate[1997] / rate[2005] <= 0.95
    tumours = registries.cancer_rows(nation, [], 11, Running())
    tumours = tumours.filter(pl.col("d_diagnosedato").dt.year().is_between(2000, 2021))
    assert 0.0045 <= len(tumours) / years_lived(nation, "2000-01-01", "2022-01-01") <= 0.006


def test_there_are_numbers_enough_for_ten_million(nation):
    """On the days that have the most births, with six standard deviations of chance."""
    year = nation.born.astype("datetime64[Y]").astype(int) + 1970
    more = 1 + people.NUMBER_CHANGED + people.NUMBER_DELETED
    for first, last in ((1900, 1936), (1937, 1999), (2000, 2022)):
        a_year = np.bincount(year)[first : last + 1].max() / len(nation)
        expected = 10_000_000 * a_year * more / 365 * people.MALE
        # Nearly all have a valid check digit, and there are as many numbers again without.
        assert expected + 3 * expected**0.5 < fewest_of_a_day(first), first
        assert expected + 6 * expected**0.5 < 1.5 * fewest_of_a_day(first), first


@pytest.mark.parametrize(
    "born", ["1905-03-01", "1937-01-01", "1999-12-31", "2000-01-01", "2031-05-05"]
)
def test_a_day_gives_its_valid_numbers_then_others_and_then_refuses(born):
    day = np.datetime64(born)
    issuer = Issuer()
    everyone = []
    for is_male in (True, False):
        valid = [str(issuer.issue(np.array([day]), np.array([is_male]))[0])]
        while passes_modulus_11(valid[-1]):
            valid.append(str(issuer.issue(np.array([day]), np.array([is_male]))[0]))
        n = len(valid) - 1
        assert n >= fewest_of_a_day(int(born[:4]))
        others = [valid.pop(), *issuer.issue(np.full(n - 1, day), np.full(n - 1, is_male))]
        assert not any(passes_modulus_11(number) for number in others)
        assert {int(number[9]) % 2 for number in [*valid, *others]} == {is_male}
        with pytest.raises(DeliveryError, match="none is left for a day of birth"):
            issuer.issue(np.array([day]), np.array([is_male]))
        everyone += [*valid, *others, *fail_modulus_11(np.array(valid + others))]
    assert len(everyone) == len(set(everyone))
    assert {birth_year(number) for number in everyone} == {int(born[:4])}


def test_the_spring_of_2019_lies_in_both_systems(in_blocks):
    """Rule 5 of the deliveries: what LPR3 copied from LPR2 says so, and nothing counts twice."""
    lpr2 = (
        rows_of(in_blocks / "inbox", "lpr2", "t_adm")
        .with_columns(contact=pl.col("k_recnum").cast(pl.Int64) - hospitals.FIRST_RECNUM)
        .unique("contact")  # one year has planted copies
    )
    lpr3 = rows_of(in_blocks / "inbox", "lpr3", "kontakter").with_columns(
        contact=pl.col("dw_ek_kontakt").cast(pl.Int64) - hospitals.FIRST_KONTAKT
    )
    # Planted contacts have keys of their own, beyond all others.
    lpr2, lpr3 = (rows.filter(pl.col("contact") < 600_000_000) for rows in (lpr2, lpr3))
    copies = lpr3.filter(pl.col("lprindberetningssystem") == "LPR2")
    assert len(copies) > 20
    assert copies["dato_start"].min() >= "2019-02-01"
    assert copies["dato_start"].max() < "2019-04-01"
    own = lpr3.filter(pl.col("lprindberetningssystem") == "LPR3")
    assert own["dato_start"].min() >= "2019-04-01"
    assert lpr2["d_inddto"].max() < "2019-07-01"
    both = lpr2.join(lpr3, on="contact")
    assert both["v_cpr"].equals(both["cpr"], check_names=False)
    assert both["d_inddto"].equals(both["dato_start"], check_names=False)
    assert set(copies["contact"]) <= set(lpr2["contact"])
    assert len(both) > len(copies)
    counted = lpr2.filter(pl.col("d_inddto") < "2019-04-01")["contact"].append(own["contact"])
    assert counted.is_unique().all()
    assert set(counted) == set(lpr2["contact"]) | set(lpr3["contact"])


# -------------------------------------------------------------------- as the keepers write


@pytest.mark.parametrize("text", ["plain", "Læg; Lår", "a – b ’ c", "Ã†KI030", "€", "ÆØÅ–æøå"])
def test_a_text_is_written_in_the_keepers_alphabet(text):
    assert keepers.encoded(text.encode(), "windows-1252") == text.encode("windows-1252")
    assert keepers.encoded(text.encode(), "utf-8") == text.encode()


def test_what_windows_1252_cannot_say_is_not_written_as_something_else():
    with pytest.raises(UnicodeEncodeError):
        keepers.encoded("\x81".encode(), "windows-1252")


def test_files_with_and_without_defects_are_written_alike(nation):
    """The first are made of text, the others left to the writer of CSV."""
    for register, name, rows in (
        ("dsd", "sarcoma", people.sarcoma_rows(nation, 11)),
        ("cpr", "cpr3_t_adresse_hist", people.address_rows(nation, 11)[:999]),
        ("dar", "t_dodsaarsag_1", registries.death_rows(nation, [], 11)["t_dodsaarsag_1"][:999]),
    ):
        columns = registers.register(register).table(name).columns
        as_text = rows.select(keepers._as_text(column).replace("", None) for column in columns)
        written = rows.select(keepers._as_written(column) for column in columns)
        assert written.write_csv(separator=";") == as_text.write_csv(separator=";")
