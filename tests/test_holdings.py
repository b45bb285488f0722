"""What is held on a person is named, place by place; nobody else's place is, and no number."""

import csv
import json
import shutil
from pathlib import Path

import duckdb
import pytest
from click.testing import CliRunner

from etl import pseudonym, steps
from etl.cli import main
from etl.errors import SettingsError
from etl.home import Home
from tests.conftest import ANNA, BENT, CARL, KEY, KEYS, write_delivery
from tests.test_erasure import (
    FORMER,
    FREJA,
    PACKED_SAS,
    SPELT,
    deliver,
    link_again,
    nothing,
    person_id,
    request,
)
from tests.written_lake import settings_for


@pytest.fixture(scope="module")
def linked(tmp_path_factory) -> Path:
    """Received, landed and linked, with a cohort and a release written by hand."""
    made = settings_for(tmp_path_factory.mktemp("holdings"))
    home = Home(made.home)
    deliver(home.inbox)
    link_again(made)
    with duckdb.connect(str(home.warehouse)) as con:
        con.execute(
            "create schema marts; create table marts.exclusion_reasons as "
            "select study_id, person_id::bigint as person_id, is_included, first_failed_criterion "
            f"from (values ('dlms', {person_id(home, ANNA)}, true, null), "
            f"('dlms', {person_id(home, BENT)}, false, 'autopsy'), "
            f"('other', {person_id(home, ANNA)}, false, 'autopsy')) as "
            "t (study_id, person_id, is_included, first_failed_criterion)"
        )
    for release, number in (("anna", ANNA), ("bent", BENT)):
        folder = home.releases / "dlms" / release / "parquet"
        folder.mkdir(parents=True)
        warehouse_id = person_id(home, number)
        own = pseudonym.person_ids([warehouse_id], KEYS.of_release("dlms"))[warehouse_id]
        duckdb.execute(f"copy (select '{own}' as person_id) to '{folder}/cohort.parquet'")
    return made.home


@pytest.fixture
def home(settings, linked) -> Home:
    shutil.copytree(linked, settings.home)
    return Home(settings.home)


def held(settings, home: Home, number: str) -> tuple[str, list[dict]]:
    """What is told, and the places."""
    path = request(home, number)
    told = steps.person_held(settings, path)
    path.unlink()
    (place,) = (home.restricted / "opened").glob("held_*.csv")
    assert place.stat().st_mode & 0o777 == 0o600
    assert str(place) in told
    text = place.read_text()
    place.unlink()
    for one in (ANNA, BENT, CARL, FORMER, SPELT, FREJA):
        assert one not in told + text
    return told, list(csv.DictReader(text.splitlines()))


def of(places: list[dict], store: str) -> list[tuple]:
    return sorted((one["table"], one["row"], one["how"]) for one in places if one["store"] == store)


@pytest.mark.parametrize("asked", [ANNA, FORMER])
def test_every_place_is_named_whichever_number_is_given(settings, home, asked):
    told, places = held(settings, home, asked)
    everywhere = [
        ("cpr3_t_person", "1", "own row"),
        ("cpr3_t_person", "2", "own row"),
        ("cpr3_t_person", "4", "named in v_mor_pnr"),
        ("pato", "1", "own row"),
        ("pato", "2", "own row"),
        ("pato", "3", "named in k_rekvnr"),
    ]
    of_lpr2 = [("t_adm", "1", "own row"), ("t_diag", "1", "hangs on an own contact")]
    refused = [("pato", "5", "own row")]  # the number has a hyphen
    assert of(places, "deliveries") == [*everywhere, *refused, *of_lpr2]
    assert of(places, "landing") == [*everywhere, *of_lpr2]
    assert of(places, "quarantine") == refused
    assert of(places, "linked") == [
        ("cpr3_t_person", "1", "own row"),
        ("cpr3_t_person", "2", "own row"),
        ("cpr3_t_person", "4", "named in v_mor_pnr_person_id"),
        ("pato", "1", "own row"),
        ("pato", "2", "own row"),
        ("t_adm", "1", "own row"),
        ("t_diag", "1", "own row"),
    ]
    assert [(one["register"], one["how"]) for one in places if one["store"] == "cohort"] == [
        ("dlms", "in the cohort"), ("other", "left at autopsy"),
    ]  # fmt: skip
    assert [(one["register"], one["table"]) for one in places if one["store"] == "release"] == [
        ("dlms", "anna")
    ]
    files = {one["file"] for one in places if one["register"] == "patobank"}
    assert "2024-06-01/pato1994.csv.gz" in files
    assert told.splitlines()[:2] == ["deliveries: 9 rows", "landing: 8 rows"]
    assert "release: 1 release" in told


def test_the_ledger_keeps_that_it_was_asked_and_nothing_else_changes(settings, home):
    before = {p: p.read_bytes() for p in home.root.rglob("*") if p.is_file()}
    _, places = held(settings, home, BENT)
    after = {p: p.read_bytes() for p in home.root.rglob("*") if p.is_file()}
    assert {p for p in after if after[p] != before.get(p)} == {home.ledger}
    told = json.loads(home.ledger.read_text().splitlines()[-1])
    assert told["event"] == "person shown"
    assert sum(told["rows"].values()) == len(places)
    assert BENT not in str(told)


def test_a_sas_file_is_searched_too_also_where_nothing_has_landed(settings):
    home = Home(settings.home)
    files = {"pato1994.sas7bdat": PACKED_SAS.read_bytes()}
    write_delivery(home.inbox, "patobank", files, rows=4)
    steps.receive(settings, home.inbox, None, nothing)
    _, places = held(settings, home, FREJA)
    assert of(places, "deliveries") == [
        ("pato", "1", "own row"),
        ("pato", "3", "named in c_mattype"),
    ]
    assert len(places) == 2


def test_of_whom_nothing_is_held_nothing_is_told(settings, home):
    told, places = held(settings, home, "6505501230")
    assert told.startswith("Nothing is held under this number.")
    assert places == []


def test_a_person_is_named_in_one_way(settings, home):
    environment = {"KOBLING_HOME": str(home.root), "KOBLING_KEY": KEY}
    path = str(request(home, ANNA))
    for words in ([], ["--study", "dlms"], ["--pnr-file", path, "--study", "dlms"]):
        ended = CliRunner().invoke(main, ["person", *words], env=environment)
        assert ended.exit_code == 2
        assert "Name the person in one way" in ended.output
    ended = CliRunner().invoke(main, ["person", "--pnr-file", path], env=environment)
    assert ended.exit_code == 0, ended.output
    assert "deliveries: 9 rows" in ended.output
    with pytest.raises(SettingsError, match="one person a request"):
        steps.person_held(settings, request(home, f"{ANNA}\n{BENT}"))
