"""A release appears whole, stays as it is, and says what it was made from."""

import csv
import hashlib
import json

import duckdb
import pytest

from etl import evidence, ledger, release
from etl.home import Home
from etl.settings import CHECKOUT


@pytest.fixture
def home(tmp_path) -> Home:
    return Home(tmp_path)


def page(text: str):
    return lambda folder: (folder / "index.html").write_text(text)


def publish(home: Home, study: str, release_id: str, fill):
    """Build a release and make it the live one, as `kobling release` does."""
    place = release.place_whole(home.releases / study, release_id, fill)
    release.promote(home, study, release_id)
    return place


def test_current_moves_to_the_newest_and_the_older_one_stays(home):
    first = publish(home, "dlms", "aaa", page("1"))
    second = publish(home, "dlms", "bbb", page("2"))
    assert release.current(home, "dlms") == second.resolve()
    assert (first / "index.html").read_text() == "1"


def test_a_release_that_fails_half_way_leaves_the_last_one_live(home):
    first = publish(home, "dlms", "aaa", page("1"))

    def fails(folder):
        (folder / "index.html").write_text("half")
        raise RuntimeError

    with pytest.raises(RuntimeError):
        publish(home, "dlms", "bbb", fails)
    assert release.current(home, "dlms") == first.resolve()
    assert not (home.releases / "dlms" / "bbb").exists()
    publish(home, "dlms", "ccc", page("3"))
    assert sorted(p.name for p in (home.releases / "dlms").iterdir()) == ["aaa", "ccc", "current"]


def test_what_is_published_is_never_built_again(home):
    publish(home, "dlms", "aaa", page("1"))
    publish(home, "dlms", "bbb", page("2"))
    back = publish(home, "dlms", "aaa", page("other"))
    assert (back / "index.html").read_text() == "1"
    assert release.current(home, "dlms").name == "aaa"


def test_published_files_cannot_be_written(home):
    place = publish(home, "dlms", "aaa", page("1"))
    assert not (place / "index.html").stat().st_mode & 0o222


def test_a_study_is_exported_alone_with_persons_as_text(tmp_path):
    con = duckdb.connect(str(tmp_path / "warehouse.duckdb"))
    con.execute("create schema marts; create schema quality")
    con.execute(
        "create table marts.cohort as select * from (values "
        "('dlms', 9007199254740993), ('dlms', 9007199254740992), ('other', 1)) "
        "as t (study_id, person_id)"
    )
    con.execute(
        "create table quality.result as select * from (values ('now', 1), ('before', 2)) "
        "as t (refresh_id, result_number)"
    )
    con.execute("create table marts.exclusion_reasons as from marts.cohort")
    con.execute(
        "create table marts.linkage_conflict as "
        "select * from (values (1), (9007199254740993), (null)) as t (person_id)"
    )
    own = release.give_own_ids(con, "dlms", b"a key of the study's own")
    release.export_tables(con, "dlms", "now", tmp_path)
    with duckdb.connect(str(tmp_path / "marts.duckdb"), read_only=True) as released:
        # 2^53 and the one after, which are one to R; under the study's own ids they are two.
        persons = sorted((own[str(2**53 + i)],) for i in (0, 1))
        assert (
            released.execute("select person_id from marts.cohort order by 1").fetchall() == persons
        )
        assert released.execute("select person_id from cohort order by 1").fetchall() == persons
        about = released.execute("select person_id from linkage_conflict").fetchall()
        assert sorted(about, key=str) == sorted([(own[str(2**53 + 1)],), (None,)], key=str)
        assert released.execute("select refresh_id from quality.result").fetchall() == [("now",)]
    parquet = duckdb.sql(f"select * from '{tmp_path}/parquet/cohort.parquet' order by 2")
    assert parquet.fetchall() == [("dlms", persons[0][0]), ("dlms", persons[1][0])]


def test_patients_are_exported_one_row_each_as_r_code_expects_them(tmp_path):
    (tmp_path / "parquet").mkdir()
    with duckdb.connect(str(tmp_path / "marts.duckdb")) as con:
        con.execute("""
            create table cohort as select * from (values
                ('9007199254740993', date '2000-01-31', date '1940-02-29', date '2001-01-31', date
                    '2010-12-31', 'male', 59),
                ('12', date '2010-05-05', null, null, date '2022-12-31', null, null)
            ) as c (person_id, index_date, birth_date, death_date, follow_up_end_date, sex,
                age_years);
            create table time_to_event as select * from (values
                ('9007199254740993', 'metastasis', 366, 2), ('12', 'relapse', 4624, 0),
                ('9007199254740993', 'relapse', 100, 1)
            ) as t (person_id, outcome, days, event_code);
            create table prevalent_outcome as select '12' as person_id, 'metastasis' as outcome;
            create table factor as select * from (values
                ('12', 'sex', null), ('9007199254740993', 'sex', 'male'), ('12', 'margins', 'o''k')
            ) as f (person_id, factor, level)
        """)
    release.export_patients(tmp_path, ["metastasis", "relapse"], ["sex", "margins"])
    with (tmp_path / "patient.csv").open(encoding="utf-8", newline="") as file:
        one, other = csv.DictReader(file)
    assert one == {
        "id": "12", "index_date": "2010-05-05", "birth_date": "", "death_date": "",
        "follow_up_end_date": "2022-12-31", "sex": "", "age_years": "", "metastasis_status": "",
        "metastasis_days": "", "metastasis_months": "", "metastasis_prevalent": "1",
        "relapse_status": "0", "relapse_days": "4624", "relapse_months": str(4624 / 30.4375),
        "relapse_prevalent": "0", "sex_level": "", "margins": "o'k",
    }  # fmt: skip
    assert other["id"] == "9007199254740993"
    assert (other["metastasis_status"], other["metastasis_months"]) == ("2", str(366 / 30.4375))
    assert other["sex_level"] == "male"
    parquet = duckdb.sql(f"select * from '{tmp_path}/parquet/patient.parquet'")
    with duckdb.connect(str(tmp_path / "marts.duckdb"), read_only=True) as con:
        assert con.execute("from patient").fetchall() == parquet.fetchall()
    types = dict(zip(parquet.columns, map(str, parquet.types), strict=True))
    assert types["id"] == "VARCHAR"
    assert types["relapse_status"] == "INTEGER"
    assert types["index_date"] == "DATE"
    assert all(name == name.lower() for name in types)


def test_evidence_names_every_file_with_its_hash(tmp_path):
    (tmp_path / "index.html").write_text("page")
    release.write_evidence(tmp_path, {"keys": {"gate": "green"}})
    written = json.loads((tmp_path / "evidence.json").read_text())
    assert written["files"] == {"index.html": hashlib.sha256(b"page").hexdigest()}


def test_code_is_evidence_and_the_mock_is_not(tmp_path):
    for path in ("etl/a.py", "etl/mock/b.py", "dbt_project/models/c.sql", "requirements.lock"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text("1")
    for name in ("dbt_project.yml", "profiles.yml"):
        (tmp_path / "dbt_project" / name).write_text("1")
    before = evidence.code_hash(tmp_path)
    (tmp_path / "etl/mock/b.py").write_text("2")
    assert evidence.code_hash(tmp_path) == before
    (tmp_path / "dbt_project/models/c.sql").write_text("2")
    assert evidence.code_hash(tmp_path) != before


def test_everything_that_turns_deliveries_into_a_release_is_evidence():
    for place in evidence.CODE:
        assert (CHECKOUT / place).exists(), place


def lines(home: Home) -> list[bytes]:
    return home.ledger.read_bytes().splitlines()


def test_each_entry_carries_the_hash_of_the_one_before(home):
    for event in ("one", "two", "three"):
        ledger.record(home, event)
    before = ledger.START
    for line in lines(home):
        assert json.loads(line)["before"] == before
        before = hashlib.sha256(line).hexdigest()


def test_half_an_entry_left_by_a_kill_is_cut_off(home):
    ledger.record(home, "one")
    with home.ledger.open("ab") as file:
        file.write(b'{"event": "tw')
    ledger.record(home, "three")
    assert [json.loads(line)["event"] for line in lines(home)] == ["one", "three"]
    assert json.loads(lines(home)[1])["before"] == hashlib.sha256(lines(home)[0]).hexdigest()
