"""A register data manager's day on a real Airflow, seen in a headless Chromium.

`make test-airflow` runs it, in the order in which it stands: a delivery is flagged and becomes a
live release; nothing new is silent; a release waits, one is approved on the page and one rejected;
a backfill is started; a delivery is refused. Pictures of the pages lie in the folder that is
printed at the end.
"""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from benchmarks import pages
from deployment import native
from etl import deliveries, ledger, registers, studies
from etl import release as releases
from etl.home import Home, read_json, replace_json
from etl.settings import CHECKOUT
from tests import story
from tests.airflow_server import Client, until
from tests.postgres_server import folder_open_to_all

CHROMIUM = pages.chromium()
USER = "data_manager"
PERSONS = 1_000
REASON = "the keeper has confirmed the new stock"
STUDIES = studies.names(CHECKOUT)
SECONDS = 1800


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    with folder_open_to_all() as folder:
        yield folder


@pytest.fixture(scope="module")
def home(place) -> Home:
    return Home(place / "home")


@pytest.fixture(scope="module")
def client(place, home) -> Iterator[Client]:
    """Airflow's own `standalone`, its DAGs switched on, and nothing in the inbox."""
    home.root.mkdir()
    named = {k: v for k, v in story.environment(home.root).items() if k.startswith("KOBLING_")}
    told = named | {"KOBLING_PROMOTE": "by_hand"}
    with native.running(
        place / "airflow", kobling_home=home.root, mode=native.STANDALONE, told=told
    ) as airflow:
        who = Client.of(airflow, USER)
        who.wait_for_dags("refresh_registers", "run_studies", "backfill")
        who.unpause("refresh_registers", "run_studies", "backfill")
        who.password = airflow.passwords[USER]
        yield who


@pytest.fixture(scope="module")
def shots(tmp_path_factory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("shots")
    yield folder
    print(f"\npictures: {folder}")


@pytest.fixture(scope="module")
def page(client, shots):
    """Logged in, as a data manager is; None where the machine has no Chromium."""
    if CHROMIUM is None:
        pytest.skip("no Chromium here: expected chromium on the path")
    with pages.browser(CHROMIUM) as started:
        shown = started.new_page(viewport={"width": 1500, "height": 1000})
        shown.set_default_timeout(60_000)
        shown.goto(client.url)
        shown.fill("input[name=username]", USER)
        shown.fill("input[name=password]", client.password)
        shown.click("button[type=submit]")
        shown.wait_for_url(lambda url: "login" not in url)
        yield shown


def run_page(client: Client, dag_id: str, run_id: str) -> str:
    return f"{client.url}/dags/{dag_id}/runs/{quote(run_id, safe='')}"


def flagged(folder: Path) -> None:
    (folder / deliveries.FLAG).touch()


def announced(client: Client) -> list[str]:
    found = client.get("/assets/events?limit=1000&order_by=timestamp")["asset_events"]
    return [event["name"] for event in found if event["name"] != "inbox"]


def finished(client: Client, dag_id: str, after: int) -> str:
    """The id of the next run, which must end well."""
    run_id, state = client.wait_for_any_run(dag_id, SECONDS, after)
    assert state == "success", client.task_states(dag_id, run_id)
    return run_id


def kobling(home: Home, *words: str) -> str:
    return subprocess.run(
        [sys.executable, "-m", "etl.cli", *words], env=story.environment(home.root), check=True,
        cwd=CHECKOUT, text=True, stdout=subprocess.PIPE,
    ).stdout  # fmt: skip


def test_flagged_deliveries_become_live_releases_and_nobody_touches_anything(client, home, place):
    mock = place / "mock"
    kobling(
        home, "mock", "--out", str(mock), "--answers", str(place / "answers"),
        "--persons", str(PERSONS), "--defects", "none",
    )  # fmt: skip
    home.restricted.mkdir(mode=0o700, exist_ok=True)
    shutil.copytree(mock, home.inbox)
    for folder in deliveries.find(home.inbox):
        flagged(folder)
    run_id = finished(client, "refresh_registers", 0)
    states = client.task_states("refresh_registers", run_id)
    assert len(states) == 3 * len(registers.catalogue()) + 2
    finished(client, "run_studies", 0)
    for study in STUDIES:
        assert releases.current(home, study)
    assert sorted(announced(client)) == sorted(
        ["linked_registers", *(f"register_{name}" for name in registers.catalogue())]
    )
    log = client.log("refresh_registers", run_id, "register.land", 0)
    said = [line for line in log.splitlines() if line.startswith("  ")]
    assert said[0].startswith("  reads ")
    assert said[-1].endswith(" s")
    assert "rows in" in said[-1]


def test_where_nothing_is_new_nothing_is_announced(client, home):
    before = announced(client)
    run_id = client.trigger("refresh_registers")
    assert client.wait_for_run("refresh_registers", run_id, SECONDS) == "success"
    assert announced(client) == before
    assert len(client.runs("run_studies")) == 1


def test_the_dags_and_the_mapped_registers_are_on_the_page(client, page, shots):
    page.goto(f"{client.url}/dags")
    for dag_id in ("refresh_registers", "run_studies", "backfill"):
        page.get_by_role("link", name=dag_id, exact=True).first.wait_for()
    page.screenshot(path=shots / "dags.png")
    run_id = client.runs("refresh_registers")[0]["dag_run_id"]
    page.goto(run_page(client, "refresh_registers", run_id))
    for name in ("cpr", "patobank"):
        page.get_by_role("link", name=name, exact=True).first.wait_for()
    page.screenshot(path=shots / "refresh.png")


def test_a_release_that_waits_is_approved_on_the_page_and_signed(client, home, page, shots):
    was = {study: releases.current(home, study).name for study in STUDIES}
    n_refreshes = len(client.runs("refresh_registers"))
    _deliver_again(home, "dsd", "2023-06-01")
    finished(client, "refresh_registers", n_refreshes)
    until(
        lambda: len(client.waiting_for_a_human("run_studies")) == len(STUDIES),
        SECONDS, "a person is asked about every study",
    )  # fmt: skip
    run_id = client.runs("run_studies")[-1]["dag_run_id"]
    approved, *rejected = STUDIES
    _answer_on_the_page(client, page, shots, run_id, approved, "Approve")
    for study in rejected:
        client.answer(
            "run_studies", run_id, "study.approve", "Reject", STUDIES.index(study),
            {"reason": "asked the keeper"},
        )  # fmt: skip
    assert client.wait_for_run("run_studies", run_id, SECONDS) == "success"
    states = client.task_states("run_studies", run_id)
    assert states["study.promote", 0] == "success"
    assert all(states["study.promote", STUDIES.index(study)] == "skipped" for study in rejected)
    assert releases.current(home, approved).name != was[approved]
    signed = ledger.last(home, "released")
    assert (signed["by"], signed["reason"]) == (USER, REASON)
    for study in rejected:
        assert releases.current(home, study).name == was[study]
        assert releases.staged(home, study)
    page.goto(run_page(client, "run_studies", run_id))
    page.get_by_role("link", name=approved, exact=True).first.wait_for()
    page.screenshot(path=shots / "run.png")


def _deliver_again(home: Home, register: str, day: str) -> None:
    """The newest delivery of a register once more, as one of a later day; flagged last."""
    newest = max((home.inbox / register).iterdir())
    place = newest.with_name(day)
    shutil.copytree(newest, place)
    (place / deliveries.FLAG).unlink()
    replace_json(
        place / deliveries.MANIFEST,
        read_json(place / deliveries.MANIFEST) | {"delivered_on": day},
    )
    flagged(place)


def _answer_on_the_page(client, page, shots, run_id: str, study: str, option: str) -> None:
    index = STUDIES.index(study)
    page.goto(
        f"{run_page(client, 'run_studies', run_id)}/tasks/study.approve/mapped/{index}"
        "/required_actions"
    )
    page.get_by_text("make release").first.wait_for()
    assert not page.get_by_role("button", name=option).is_enabled()  # not without a reason
    page.get_by_role("textbox").last.fill(REASON)
    page.screenshot(path=shots / "approval.png", full_page=True)
    page.get_by_role("button", name=option).click()


def test_a_backfill_is_started_from_its_form(client, home, page, shots):
    page.goto(f"{client.url}/dags/backfill")
    page.get_by_role("button", name="Trigger").first.click()
    page.locator("[name=element_reason]").fill("a contract was corrected")
    page.screenshot(path=shots / "form.png")
    page.get_by_role("button", name="Trigger").last.click()
    until(lambda: client.runs("backfill"), SECONDS, "a run of the backfill")
    run_id = client.runs("backfill")[0]["dag_run_id"]
    until(
        lambda: client.task_states("backfill", run_id)["backfill", -1] == "success",
        SECONDS, "the backfill",
    )  # fmt: skip
    log = client.log("backfill", run_id, "backfill")
    assert "kobling backfill …" in log
    assert "nothing to land anew" in log


def test_a_refused_register_keeps_no_other_out_and_nothing_is_linked(client, home, shots, page):
    """Its manifest names another register; the other one is a good delivery of the same day."""
    n_refreshes = len(client.runs("refresh_registers"))
    before = announced(client)
    for register in ("dar", "dcr"):
        _deliver_again(home, register, "2023-07-01")
    bad = home.inbox / "dar" / "2023-07-01" / deliveries.MANIFEST
    replace_json(bad, read_json(bad) | {"register": "dsd"})
    run_id, state = client.wait_for_any_run("refresh_registers", SECONDS, n_refreshes)
    states = client.task_states("refresh_registers", run_id)
    of = {name: index for index, name in enumerate(sorted(registers.catalogue()))}
    assert state == "failed"
    assert states["register.receive", of["dar"]] == "failed"
    assert states["register.check", of["dcr"]] == "success"
    assert (states["link", -1], states["status", -1]) == ("upstream_failed",) * 2
    assert (home.accepted / "dcr" / "2023-07-01.json").exists()
    assert announced(client) == before
    tries = {
        task["task_id"]: task["try_number"]
        for task in client.tasks("refresh_registers", run_id)
        if task["state"] == "failed"
    }
    assert tries == {"register.receive": 1}
    page.goto(run_page(client, "refresh_registers", run_id))
    page.get_by_text("Failed").first.wait_for()
    page.screenshot(path=shots / "refused.png")
