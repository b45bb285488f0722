"""A refresh links what it must and nothing else, and ends as a linkage from the beginning would."""

import shutil

import duckdb
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl import linkage, registers, steps
from etl.home import Home, read_json
from tests.conftest import ANNA, BENT, CARL, PATO_HEADER, PERSON_HEADER, write_delivery
from tests.files_read import files_read

NEW = "6812631230"
DIAGNOSES = "v_recnum;c_diag;c_diagtype;c_diagmod;c_tildiag\n"


def nothing(*_: str) -> None:
    pass


def person(number: str, current: str | None = None, mother: str = "") -> str:
    status = "60" if current else "01"
    return f"{number};{current or number};K;{status};1950-02-01;1950-02-01;{mother};\n"


def code(number: str, year: int, requisition: str) -> str:
    day = f"{year}-03-01"
    return PATO_HEADER + f"1;{requisition};1;1;{number};{day};{day};{day};11;T02120\n"


def contact(number: str, year: int) -> str:
    names = [column.name for column in registers.register("lpr2").table("t_adm").columns]
    row = {"k_recnum": str(year), "v_cpr": number, "d_inddto": f"{year}-03-01"}
    return ";".join(names) + "\n" + ";".join(row.get(name, "") for name in names) + "\n"


@pytest.fixture
def linked(settings):
    """A year for every way in which a file can hold a number."""
    inbox = settings.home / "restricted" / "inbox"
    persons = person(ANNA) + person(BENT) + person(CARL, mother=ANNA)
    write_delivery(inbox, "cpr", {"cpr3_t_person.csv": PERSON_HEADER + persons})
    write_delivery(
        inbox, "patobank",
        {
            "pato1994.csv": code(ANNA, 1994, "R1"),
            "pato1995.csv": code(BENT, 1995, "R2"),
            "pato1996.csv": code(ANNA, 1996, f"see {BENT}"),
            "pato1997.csv": code(NEW, 1997, "R4"),
        },
    )  # fmt: skip
    write_delivery(
        inbox, "lpr2",
        {
            f"{table}{year}.csv": text
            for year, number in ((1994, ANNA), (1995, BENT))
            for table, text in (
                ("t_adm", contact(number, year)),
                ("t_diag", DIAGNOSES + f"{year};DC449;A;;\n"),
            )
        },
    )  # fmt: skip
    take_in(settings)
    return settings


def take_in(settings) -> None:
    steps.receive(settings, settings.home / "restricted" / "inbox", None, nothing)
    steps.land(settings, None, nothing)
    steps.link(settings, nothing)


def deliver_persons(settings, rows: str) -> None:
    inbox = settings.home / "restricted" / "inbox"
    write_delivery(inbox, "cpr", {"cpr3_t_person.csv": PERSON_HEADER + rows}, day="2024-07-01")


@pytest.fixture
def linked_files(monkeypatch):
    """The files that are linked, as they are."""
    found = []
    kept = linkage.link_file

    def spied(con, table, landed, quarantined, place, *more):
        if landed:
            found.append(f"{table.name} {place.parent.name.removeprefix('period=')}")
        return kept(con, table, landed, quarantined, place, *more)

    monkeypatch.setattr(linkage, "link_file", spied)
    return found


def held(home: Home) -> dict[str, list[dict]]:
    return {
        str(path.relative_to(home.lake)): pl.read_parquet(path).to_dicts()
        for store in (home.linked, home.unlinked)
        for path in sorted(store.rglob("*.parquet"))
    }


def hold_as_from_the_beginning(settings) -> None:
    home = Home(settings.home)
    refreshed, flow = held(home), pl.read_parquet(home.lake / "linkage_flow.parquet")
    shutil.rmtree(home.lake)
    (home.state / "link.json").unlink()
    home.identity.unlink()
    steps.link(settings, nothing)
    assert held(home) == refreshed
    assert pl.read_parquet(home.lake / "linkage_flow.parquet").equals(flow)


def test_of_a_changed_number_only_the_files_that_hold_it_are_linked_again(linked, linked_files):
    """As owner, through a contact, in a text, and where it was unknown until now."""
    deliver_persons(
        linked, person(ANNA) + person(BENT, NEW) + person(NEW) + person(CARL, mother=ANNA)
    )
    take_in(linked)
    assert sorted(linked_files) == [
        "cpr3_t_person all", "pato 1995", "pato 1996", "pato 1997", "t_adm 1995", "t_diag 1995",
    ]  # fmt: skip
    hold_as_from_the_beginning(linked)


def test_a_person_whom_the_register_forgot_is_linked_no_longer(linked, linked_files):
    deliver_persons(linked, person(BENT) + person(CARL, mother=ANNA))
    take_in(linked)
    assert sorted(linked_files) == [
        "cpr3_t_person all", "pato 1994", "pato 1996", "t_adm 1994", "t_diag 1994",
    ]  # fmt: skip
    hold_as_from_the_beginning(linked)


def test_who_is_who_is_not_asked_again_while_the_civil_register_is_the_same(
    linked, linked_files, monkeypatch
):
    write_delivery(
        linked.home / "restricted" / "inbox", "patobank",
        {"pato1995.csv": code(CARL, 1995, "R9")}, day="2024-07-01", coverage="correction",
    )  # fmt: skip
    with monkeypatch.context() as without:
        without.delattr(linkage, "identify")
        take_in(linked)
    assert linked_files == ["pato 1995"]
    hold_as_from_the_beginning(linked)


def data_read(settings, work) -> set[str]:
    """Register, table and period of every data file that was read, delivered, landed or linked."""
    with files_read(settings.home) as found:
        work()
    return {
        "/".join(path.relative_to(settings.home).parts[:-1])
        for path in found
        if path.suffix in (".parquet", ".csv") and path.parent.name != "lake"
    }


def test_a_period_that_did_not_change_is_not_read(linked):
    """Not its delivery, not what landed of it, not its linked rows; nor anything at all where
    nothing has come. The civil register neither."""
    inbox = linked.home / "restricted" / "inbox"
    write_delivery(
        inbox, "patobank", {"pato1995.csv": code(CARL, 1995, "R9")},
        day="2024-07-01", coverage="correction",
    )  # fmt: skip
    steps.receive(linked, inbox, None, nothing)

    def refresh() -> None:
        steps.land(linked, None, nothing)
        steps.link(linked, nothing)

    read = data_read(linked, refresh)
    assert {place for place in read if "period=none" not in place} == {
        "deliveries/patobank/2024-07-01",
        "restricted/landing/patobank/pato/period=1995",
        "lake/unlinked/patobank/pato/period=1995",  # the reasons are counted
    }
    assert data_read(linked, refresh) == set()


def test_a_refresh_that_was_broken_off_is_not_taken_for_what_the_lake_was_linked_by(
    linked, linked_files, monkeypatch
):
    """The identity store is new then, and every file of the lake is old."""
    deliver_persons(
        linked, person(ANNA) + person(BENT, NEW) + person(NEW) + person(CARL, mother=ANNA)
    )

    def broken_off(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as killed:
        killed.setattr(linkage, "link_file", broken_off)
        with pytest.raises(KeyboardInterrupt):
            take_in(linked)
    take_in(linked)
    assert len(linked_files) == 9
    hold_as_from_the_beginning(linked)


def test_an_identity_store_that_is_lost_or_spoilt_is_made_again(linked, linked_files):
    home = Home(linked.home)
    kept = read_json(home.state / "link.json")["fingerprint"]
    deliver_persons(linked, person(ANNA) + person(BENT) + person(CARL))
    home.identity.write_bytes(b"no database at all")
    take_in(linked)
    assert len(linked_files) == 9
    assert read_json(home.state / "link.json")["fingerprint"] == kept  # a mother is no link
    hold_as_from_the_beginning(linked)


links = st.dictionaries(
    st.sampled_from("ABCDEFGH"),
    st.tuples(st.integers(1, 3) | st.none(), st.booleans(), st.sampled_from(["fork", None])),
)


@given(links, links)
@settings(max_examples=40, deadline=None)
def test_what_leads_elsewhere_is_what_differs(before, now):
    con = duckdb.connect()
    con.execute("attach ':memory:' as identity")
    columns = "pnr text, person_id bigint, is_number_in_force boolean, reason text"
    for table, rows in (("crosswalk", now), ("identity.number", before)):
        con.execute(f"create table {table} ({columns})")
        for number, link in rows.items():
            con.execute(f"insert into {table} values (?, ?, ?, ?)", [number, *link])
    linkage.compare(con)
    assert {number for (number,) in con.execute("from led_elsewhere").fetchall()} == {
        number for number in before.keys() | now.keys() if before.get(number) != now.get(number)
    }
