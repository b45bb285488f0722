"""What makes a delivery believable, and what refuses it: one clear line each."""

import json

import pytest

from etl import deliveries, registers
from etl.errors import DeliveryError
from tests.conftest import ANNA, BENT, PATO_HEADER, PERSON_HEADER, write_delivery

PERSONS = PERSON_HEADER + f"{ANNA};{ANNA};K;01;1950-02-01;;;\n"
ROW = f"1;R1;1;1;{ANNA};1994-03-01;1994-03-02;1994-03-09;11;T02120\n"


def refused(folder) -> str:
    with pytest.raises(DeliveryError) as error:
        deliveries.read(folder)
    message = str(error.value)
    assert "Expected" in message or "expected" in message
    assert ANNA not in message
    return message


def test_a_true_manifest_is_believed(tmp_path):
    folder = write_delivery(tmp_path, "patobank", {"pato1994.csv": PATO_HEADER + ROW})
    delivery = deliveries.read(folder)
    assert (delivery.files[0].table, delivery.files[0].period, delivery.files[0].rows) == (
        "pato",
        "1994",
        1,
    )


def test_a_changed_byte_is_found_with_file_found_and_expected(tmp_path):
    folder = write_delivery(tmp_path, "patobank", {"pato1994.csv": PATO_HEADER + ROW})
    content = (folder / "pato1994.csv").read_bytes()
    (folder / "pato1994.csv").write_bytes(content.replace(b"T02120", b"T02121"))
    message = refused(folder)
    assert "pato1994.csv" in message
    assert "found sha256" in message
    assert "expected" in message


def test_a_cut_file_is_found(tmp_path):
    folder = write_delivery(tmp_path, "patobank", {"pato1994.csv": PATO_HEADER + ROW})
    (folder / "pato1994.csv").write_bytes((folder / "pato1994.csv").read_bytes()[:-9])
    assert "bytes" in refused(folder)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"register": "dsd"}, "as its folder"),
        ({"delivered_on": "2024-06-02"}, "as its folder"),
        ({"complete_to": None}, "complete_to"),
        ({"complete_to": "30/06/2023"}, "ISO date"),
        ({"coverage": "some"}, "stock"),
        ({"files": []}, "at least one file"),
    ],
)
def test_a_manifest_that_contradicts_itself_is_refused(tmp_path, change, said):
    folder = write_delivery(tmp_path, "cpr", {"cpr3_t_person.csv": PERSONS}, changes=change)
    assert said in refused(folder)


def test_a_delivery_from_the_future_is_refused(tmp_path):
    folder = write_delivery(tmp_path, "cpr", {"cpr3_t_person.csv": PERSONS}, day="2999-01-01")
    assert "future" in refused(folder)


def edit(folder, change) -> None:
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text())
    change(manifest["files"])
    path.write_text(json.dumps(manifest))


def test_a_file_that_is_not_listed_is_refused(tmp_path):
    folder = write_delivery(tmp_path, "cpr", {"cpr3_t_person.csv": PERSONS})
    (folder / "more.csv").write_text("x")
    assert "not listed" in refused(folder)


def test_a_file_listed_twice_is_refused(tmp_path):
    folder = write_delivery(tmp_path, "cpr", {"cpr3_t_person.csv": PERSONS})
    edit(folder, lambda files: files.append(files[0]))
    assert "listed twice" in refused(folder)


def test_two_files_for_one_table_and_period_are_refused(tmp_path):
    folder = write_delivery(tmp_path, "cpr", {"cpr3_t_person.csv": PERSONS, "b.csv": PERSONS})
    edit(folder, lambda files: files[1].update(table="cpr3_t_person"))
    assert "two files" in refused(folder)


@pytest.mark.parametrize("path", ["../../outside.csv", "/etc/hostname"])
def test_a_file_outside_the_delivery_is_refused(tmp_path, path):
    folder = write_delivery(tmp_path, "cpr", {"cpr3_t_person.csv": PERSONS})
    edit(folder, lambda files: files[0].update(path=path))
    assert "outside" in refused(folder)


def test_a_link_to_elsewhere_is_refused(tmp_path):
    folder = write_delivery(tmp_path, "cpr", {"cpr3_t_person.csv": PERSONS})
    (tmp_path / "elsewhere.csv").write_text(PERSONS)
    (folder / "cpr3_t_person.csv").unlink()
    (folder / "cpr3_t_person.csv").symlink_to(tmp_path / "elsewhere.csv")
    assert "outside" in refused(folder)


@pytest.mark.parametrize(
    ("stem", "known"),
    [
        ("pato1994", ("pato", "1994")),
        ("PATO1994", ("pato", "1994")),
        ("pato_1994", ("pato", "1994")),
        ("pato", ("pato", None)),
        ("pato19", None),
        ("patologi1994", None),
    ],
)
def test_table_and_period_come_from_the_file_name(stem, known):
    assert deliveries.table_and_period(registers.register("patobank"), stem) == known


def test_the_longest_table_name_wins():
    cpr = registers.register("cpr")
    assert deliveries.table_and_period(cpr, "cpr3_t_adresse_hist") == ("cpr3_t_adresse_hist", None)


def receive(source, tmp_path, complete_to=None):
    return deliveries.receive(source, tmp_path / "store", tmp_path / "scratch", complete_to)


def test_the_same_delivery_twice_is_received_once(tmp_path):
    source = write_delivery(tmp_path / "inbox", "cpr", {"cpr3_t_person.csv": PERSONS})
    assert receive(source, tmp_path).name == "2024-06-01"
    assert receive(source, tmp_path) is None


def test_another_delivery_of_the_same_day_lies_beside_the_first(tmp_path):
    first = write_delivery(tmp_path / "a", "cpr", {"cpr3_t_person.csv": PERSONS})
    more = PERSONS + f"{BENT};{BENT};M;01;1936-02-02;;;\n"
    second = write_delivery(tmp_path / "b", "cpr", {"cpr3_t_person.csv": more})
    receive(first, tmp_path)
    assert receive(second, tmp_path).name == "2024-06-01_2"
    assert deliveries.read(tmp_path / "store" / "cpr" / "2024-06-01_2").number == 2


def test_a_refused_delivery_leaves_nothing_behind(tmp_path):
    source = write_delivery(
        tmp_path / "inbox", "cpr", {"cpr3_t_person.csv": PERSONS}, changes={"register": "dsd"}
    )
    with pytest.raises(DeliveryError) as error:
        receive(source, tmp_path)
    assert str(source) in str(error.value)
    assert not list((tmp_path / "store").rglob("*.csv"))
    assert not list((tmp_path / "scratch").rglob("*.csv"))


def test_a_manifest_is_written_where_the_keeper_sent_none_but_never_into_the_inbox(tmp_path):
    source = write_delivery(tmp_path / "inbox", "patobank", {"pato1994.csv": PATO_HEADER + ROW})
    (source / "manifest.json").unlink()
    place = receive(source, tmp_path, "2023-06-30")
    assert deliveries.read(place).files[0].rows == 1
    assert not (source / "manifest.json").exists()


def test_a_year_without_a_manifest_replaces_no_other_year(tmp_path):
    source = write_delivery(tmp_path / "inbox", "patobank", {"pato1994.csv": PATO_HEADER + ROW})
    (source / "manifest.json").unlink()
    assert deliveries.read(receive(source, tmp_path, "2023-06-30")).coverage == "period"
    whole = write_delivery(tmp_path / "inbox", "cpr", {"cpr3_t_person.csv": PERSONS})
    (whole / "manifest.json").unlink()
    assert deliveries.read(receive(whole, tmp_path, "2023-06-30")).coverage == "stock"


def test_nobody_guesses_up_to_when_a_register_is_complete(tmp_path):
    source = write_delivery(tmp_path / "inbox", "patobank", {"pato1994.csv": PATO_HEADER + ROW})
    (source / "manifest.json").unlink()
    with pytest.raises(DeliveryError, match="--complete-to"):
        receive(source, tmp_path)


def test_an_inbox_that_is_not_there_is_one_clear_line(tmp_path):
    with pytest.raises(DeliveryError, match="no such folder"):
        deliveries.find(tmp_path / "nowhere")
