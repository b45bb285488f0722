"""One register by itself, as a scheduler takes it: received, landed, checked, flagged, told of."""

import asyncio
import json
import os
import re

import pytest

from etl import deliveries, ledger, registers, steps
from etl.arrivals import TOLD, DeliveryTrigger, flags
from etl.errors import DeliveryError
from etl.home import Home, one_writer, open_home
from tests.conftest import ANNA, PATO_HEADER, PERSON_HEADER, write_delivery

PERSONS = f"{PERSON_HEADER}{ANNA};;K;01;1950-02-01;;;\n"
ROWS = re.compile(r"(\S+) rows? in, (\S+) rows? out, \d+\.\d s")


@pytest.fixture
def inbox(settings):
    """Two registers, of which one is what its manifest says."""
    place = Home(open_home(settings).root).inbox
    write_delivery(place, "cpr", {"cpr3_t_person.csv": PERSONS})
    write_delivery(place, "patobank", {"pato2005.csv": PATO_HEADER}, changes={"rows": 1})
    write_delivery(
        place, "patobank", {"pato2006.csv": PATO_HEADER}, day="2024-07-01",
        changes={"register": "dsd"},
    )  # fmt: skip
    return place


def received(settings, inbox, **how) -> list[str]:
    said: list[str] = []
    steps.receive(settings, inbox, None, said.append, **how)
    return said


def in_store(settings) -> list[str]:
    return sorted(
        f"{folder.parent.name}/{folder.name}"
        for folder in Home(settings.home).deliveries.glob("*/*")
    )


def test_a_register_is_received_without_the_others_and_their_faults(settings, inbox):
    received(settings, inbox, register="cpr")
    assert in_store(settings) == ["cpr/2024-06-01"]
    with pytest.raises(DeliveryError, match="register is 'dsd'"):
        received(settings, inbox, register="patobank")
    assert in_store(settings) == ["cpr/2024-06-01", "patobank/2024-06-01"]


def test_a_register_of_which_nothing_lies_in_the_inbox_has_nothing_new(settings, inbox):
    assert "dar: nothing lies in the inbox, nothing new" in received(
        settings, inbox, register="dar"
    )
    with pytest.raises(DeliveryError, match="no such folder"):
        received(settings, inbox / "elsewhere", register="dar")


def test_a_folder_of_no_register_is_nobodys_and_refused_for_all(settings, inbox):
    write_delivery(inbox, "cpt", {"cpr3_t_person.csv": PERSONS})
    with pytest.raises(Exception, match="cpt"):
        received(settings, inbox, register="cpr")
    assert in_store(settings) == ["cpr/2024-06-01"]


def test_only_what_is_flagged_is_taken_and_the_flag_is_no_part_of_it(settings, inbox):
    left = received(settings, inbox, register="cpr", only_flagged=True)
    assert in_store(settings) == []
    assert "cpr/2024-06-01: no file 'delivered' in it yet, left for later" in left
    (inbox / "cpr" / "2024-06-01" / deliveries.FLAG).touch()
    received(settings, inbox, register="cpr", only_flagged=True)
    (folder,) = Home(settings.home).deliveries.glob("cpr/*")
    assert sorted(path.name for path in folder.iterdir()) == ["cpr3_t_person.csv", "manifest.json"]


def test_a_refusal_keeps_no_other_delivery_from_landing_and_nothing_is_linked(settings, inbox):
    steps_said: list[str] = []
    with pytest.raises(DeliveryError, match="register is 'dsd'"):
        steps.run(settings, inbox, lambda _: None, steps_said.append)
    assert steps_said == ["receive", "land"]
    accepted = Home(settings.home).accepted
    assert sorted(path.parent.name for path in accepted.glob("*/*.json")) == ["cpr", "patobank"]


def test_a_check_of_a_register_tells_its_rows_and_refuses_what_is_not_landed(settings, inbox):
    received(settings, inbox, register="cpr")
    with pytest.raises(DeliveryError, match="received, and not landed"):
        steps.check_landed(settings, "cpr", lambda _: None)
    steps.land(settings, "cpr", lambda _: None)
    said: list[str] = []
    steps.check_landed(settings, "cpr", said.append)
    assert said[1].startswith("cpr/2024-06-01: 1 file in force, 1 row = 1 landed + 0 quarantined")
    assert ROWS.fullmatch(said[-1]).groups() == ("1", "1")


def test_a_check_of_a_register_is_red_while_a_refusal_stands(settings, inbox):
    received(settings, inbox, register="cpr")
    steps.land(settings, "cpr", lambda _: None)
    write_delivery(inbox, "cpr", {"cpr3_t_person.csv": "v_pnr;nothing\n"}, day="2024-08-01")
    received(settings, inbox, register="cpr")
    with pytest.raises(DeliveryError, match="column"):
        steps.land(settings, "cpr", lambda _: None)
    with pytest.raises(DeliveryError, match="column"):
        steps.check_landed(settings, "cpr", lambda _: None)
    assert "column" in steps.state(settings)["registers"]["cpr"]["refused"]


def test_a_check_of_a_register_sees_that_a_row_was_lost(settings, inbox):
    received(settings, inbox, register="cpr")
    steps.land(settings, "cpr", lambda _: None)
    (place,) = Home(settings.home).accepted.glob("cpr/*.json")
    told = json.loads(place.read_text())
    told["files"][0]["landed"] -= 1
    place.write_text(json.dumps(told))
    with pytest.raises(Exception, match="1 rows delivered, 0 landed and 0 quarantined"):
        steps.check_landed(settings, "cpr", lambda _: None)


def test_the_state_for_programs_changes_with_what_counts_and_holds_no_number(settings, inbox):
    before = steps.state(settings)
    assert set(before["registers"]) == set(registers.catalogue())
    assert before["registers"]["cpr"]["deliveries"] == {}
    received(settings, inbox, register="cpr")
    steps.land(settings, "cpr", lambda _: None)
    after = steps.state(settings)["registers"]
    assert after["cpr"]["complete_to"] == "2023-06-30"
    assert (after["cpr"]["rows"], after["cpr"]["landed"]) == (1, 1)
    assert after["cpr"]["content"] != before["registers"]["cpr"]["content"]
    assert after["dar"] == before["registers"]["dar"]
    assert ANNA not in json.dumps(after)


def test_each_step_says_first_what_it_reads_and_last_its_rows(settings, inbox):
    said: list[str] = []
    steps.receive(settings, inbox, None, said.append, register="cpr")
    steps.land(settings, "cpr", said.append)
    steps.link(settings, said.append)
    home = Home(settings.home)
    assert [line for line in said if line.startswith("reads ")] == [
        f"reads {inbox}", f"reads {home.deliveries / 'cpr'}", f"reads {home.landing}",
    ]  # fmt: skip
    told = [found.groups() for line in said if (found := ROWS.fullmatch(line))]
    assert told == [("1", "1"), ("1", "1"), ("1", "1")]
    again: list[str] = []
    steps.link(settings, again.append)
    assert ROWS.fullmatch(again[-1]).groups() == ("0", "0")


def test_seconds_are_said_and_stand_in_no_file_but_the_ledger(settings, inbox):
    received(settings, inbox, register="cpr")
    for path in Home(settings.home).deliveries.rglob("*.json"):
        assert "seconds" not in path.read_text()
    assert ledger.entries(Home(settings.home), "delivery received")


def test_a_home_in_which_somebody_writes_is_busy_and_not_wrong(settings, inbox):
    with (
        one_writer(Home(settings.home)),
        pytest.raises(Exception, match="another kobling command") as busy,
    ):
        received(settings, inbox, register="cpr")
    assert busy.value.exit_status == 75


# ------------------------------------------------------------------ arrivals


class Store(dict):
    """Airflow's store of what an asset's trigger remembers."""

    async def aget(self, key, default):
        return self.get(key, default)

    async def aset(self, key, value):
        self[key] = value


def fired(inbox, store: Store, *between) -> list[list[str]]:
    """What the trigger tells of, while something is done to the inbox after each time it looked."""

    async def follow() -> list[list[str]]:
        trigger = DeliveryTrigger(str(inbox), poll_seconds=0.01)
        trigger.asset_state_store = store
        told: list[list[str]] = []

        async def listen() -> None:
            async for event in trigger.run():
                told.append(event.payload["deliveries"])

        listening = asyncio.create_task(listen())
        for deed in (lambda: None, *between):
            deed()
            await asyncio.sleep(0.15)
        listening.cancel()
        return told

    return asyncio.run(follow())


def test_a_delivery_arrives_with_its_flag_once_and_again_when_it_is_flagged_anew(settings, inbox):
    flag = inbox / "cpr" / "2024-06-01" / deliveries.FLAG
    store = Store()

    def later() -> None:
        os.utime(flag, ns=(1, flag.stat().st_mtime_ns + 1_000_000_000))

    assert fired(inbox, store, flag.touch, lambda: None, later) == [["cpr/2024-06-01"]] * 2
    # Another triggerer goes on where this one ended.
    assert fired(inbox, store) == []
    assert store[TOLD] == flags(inbox)


def test_a_flag_says_nothing_of_folders_that_are_no_deliveries(settings, inbox):
    for place in ("cpr/not a day", "cpt/2024-06-01"):
        (inbox / place).mkdir(parents=True)
        (inbox / place / deliveries.FLAG).touch()
    assert flags(inbox) == {}
    assert flags(inbox / "elsewhere") == {}
