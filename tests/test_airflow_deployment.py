"""Airflow's own processes on PostgreSQL, as docker-compose.yml runs them: who may do what, a whole
refresh through them, and what `make airflow` leaves behind. `make test-airflow` runs these.
"""

import json
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import psutil
import pytest

from deployment import native, processes
from deployment.postgres import free_port
from etl import studies
from etl.demo import DAGS, STORY
from etl.home import Home
from etl.settings import CHECKOUT
from tests import story
from tests.airflow_server import Client, until
from tests.postgres_server import folder_open_to_all

PROBE = "role_probe"
# Says a word and asks for a person; what roles are tried on, whatever the other DAGs do.
PROBE_DAG = f"""
from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk import dag, task


@dag(dag_id={PROBE!r}, schedule=None, catchup=False)
def probe():
    @task
    def say():
        print("seen by whoever may look")

    say() >> ApprovalOperator(task_id="approve", subject="May it go on?")


probe()
"""


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    with folder_open_to_all() as folder:
        yield folder


@pytest.fixture(scope="module")
def home(place) -> Path:
    """With deliveries in its inbox, and nothing of it received."""
    home = place / "home"
    story.mock_small(home)
    return home


@pytest.fixture(scope="module")
def airflow(place, home) -> Iterator[native.Airflow]:
    dags = place / "dags"
    dags.mkdir()
    for path in DAGS.glob("*.py"):
        (dags / path.name).symlink_to(path)
    (dags / "role_probe.py").write_text(PROBE_DAG)
    with native.running(
        home / "airflow", kobling_home=home, dags=dags, durable=False,
        inherited=story.environment(home),
    ) as airflow:  # fmt: skip
        Client.of(airflow, "admin").wait_for_dags(*STORY, PROBE)
        yield airflow


@pytest.fixture(scope="module")
def people(airflow) -> dict[str, Client]:
    return {user: Client.of(airflow, user) for user in processes.USERS}


# ------------------------------------------------------------ processes


def test_the_processes_are_those_of_the_compose_file_with_a_slot_for_one_writer(airflow, people):
    assert set(airflow.processes) == set(processes.SERVICES)
    pools = {pool["name"]: pool["slots"] for pool in people["analyst"].get("/pools")["pools"]}
    assert pools["warehouse_writer"] == 1
    metadata = airflow.metadata.run("select count(*) from dag where not is_stale")
    assert metadata[0][0] >= len(STORY) + 1


def test_no_password_is_in_a_log_or_in_what_a_process_is_started_with(airflow, people):
    secrets = [path.read_text() for path in (airflow.folder / "secrets").iterdir()]
    secrets += airflow.passwords.values()
    assert len(secrets) == len(processes.SECRETS) + len(processes.USERS)
    logs = list((airflow.folder / "logs").rglob("*.log"))
    assert len(logs) >= len(processes.SERVICES)
    for path in [*logs, airflow.folder / "airflow.cfg"]:
        text = path.read_text(errors="replace")
        assert not [secret for secret in secrets if secret in text], path
    told = json.dumps(airflow.environment) + json.dumps([p.cmdline() for p in airflow.members()])
    assert not [secret for secret in secrets if secret in told]


# ------------------------------------------------------------ users

EVERYONE = {"analyst", "data_manager", "admin"}
MANAGERS = {"data_manager", "admin"}
ADMIN = {"admin"}


@pytest.fixture(scope="module")
def run_id(people) -> str:
    """A run of the probe that waits for a person, started by the data manager."""
    people["data_manager"].unpause(PROBE)
    run_id = people["data_manager"].trigger(PROBE)
    until(lambda: people["admin"].waiting_for_a_human(PROBE, run_id), 600, "a request")
    return run_id


# What is asked, how, and who may.
QUESTIONS = {
    "see the DAGs": ("GET", "/dags", None, EVERYONE),
    "see a run's tasks": ("GET", "{run}/taskInstances", None, EVERYONE),
    "read a task's log": ("GET", "{run}/taskInstances/say/logs/1", None, EVERYONE),
    "see who did what": ("GET", "/eventLogs", None, EVERYONE),
    "see what waits for a person": ("GET", "/dags/~/dagRuns/~/hitlDetails", None, EVERYONE),
    "see assets and their events": ("GET", "/assets/events", None, EVERYONE),
    "see pools": ("GET", "/pools", None, EVERYONE),
    "pause a DAG": ("PATCH", "/dags/{dag}", {"is_paused": False}, MANAGERS),
    "start a run": ("POST", "/dags/{dag}/dagRuns", {"logical_date": None}, MANAGERS),
    "clear a task": (
        "POST", "/dags/{dag}/clearTaskInstances",
        {"dry_run": True, "dag_run_id": "{run_id}", "task_ids": ["say"], "only_failed": False},
        MANAGERS,
    ),
    "mark a run": ("PATCH", "{run}", {"note": "seen"}, MANAGERS),
    "backfill": (
        "POST", "/backfills/dry_run",
        {"dag_id": PROBE, "from_date": "2020-01-01T00:00:00Z", "to_date": "2020-01-02T00:00:00Z"},
        MANAGERS,
    ),
    "widen the writer's pool": (
        "PATCH", "/pools/warehouse_writer",
        {"pool": "warehouse_writer", "slots": 1, "include_deferred": False}, ADMIN,
    ),
    "see variables": ("GET", "/variables", None, ADMIN),
    "write a variable": ("POST", "/variables", {"key": "probe", "value": "1"}, ADMIN),
    "see connections": ("GET", "/connections", None, ADMIN),
    "say that an asset is new": ("POST", "/assets/events", {"asset_id": 0}, ADMIN),
}  # fmt: skip


@pytest.mark.parametrize("question", QUESTIONS)
def test_each_user_may_do_what_the_role_says_and_no_more(people, run_id, question):
    method, path, body, may = QUESTIONS[question]
    where = {"dag": PROBE, "run_id": run_id, "run": f"/dags/{PROBE}/dagRuns/{quote(run_id)}"}
    if body:
        body = {
            key: value.format(**where) if isinstance(value, str) else value
            for key, value in body.items()
        }
    told = {user: people[user].status(method, path.format(**where), body) for user in EVERYONE}
    allowed = {user for user, status in told.items() if status != 403}
    assert allowed == may, told
    # Asked of nothing real, so not found; anything else that is allowed is done. A DAG without a
    # timetable has nothing to fill.
    expected = {"say that an asset is new": {404}, "backfill": {200, 400, 422}}.get(question, {200})
    assert {told[user] for user in may} <= expected, told


def test_nobody_is_let_in_without_a_token(airflow):
    stranger = object.__new__(Client)
    stranger.url, stranger._token = airflow.url, None
    for method, path, body, _ in QUESTIONS.values():
        asked = path.format(dag=PROBE, run_id="any", run=f"/dags/{PROBE}/dagRuns/any")
        assert stranger.status(method, asked, body) == 401, path


def test_a_wrong_password_lets_nobody_in(airflow):
    with pytest.raises(Exception, match=r"^401 "):
        Client(airflow.url, "admin", "admin")


def test_an_approval_is_the_data_managers_and_carries_the_name(people, run_id):
    """The analyst is refused first, and the request still waits."""
    path = f"/dags/{PROBE}/dagRuns/{quote(run_id)}/taskInstances/approve/-1/hitlDetails"
    body = {"chosen_options": ["Approve"], "params_input": {}}
    assert people["analyst"].status("PATCH", path, body) == 403
    assert people["analyst"].waiting_for_a_human(PROBE, run_id)
    said = people["data_manager"].answer(PROBE, run_id, "approve", "Approve")
    assert said["responded_by"]["id"] == "data_manager"
    assert people["analyst"].wait_for_run(PROBE, run_id, 600) == "success"
    assert "seen by whoever may look" in people["analyst"].log(PROBE, run_id, "say")


# ------------------------------------------------------------ a refresh


@pytest.fixture(scope="module")
def by_hand(place, home) -> Path:
    """The same inbox by `kobling run`, under the same key, in a home of its own."""
    beside = place / "by_hand"
    inbox = Home(beside).inbox
    inbox.parent.mkdir(parents=True)
    shutil.copytree(Home(home).inbox, inbox)
    ended = story.command(beside, "etl.cli", "run")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return beside


def test_a_refresh_ends_as_kobling_run_does(people, home, by_hand):
    """Whatever shape the DAGs have: a data manager starts them, and nothing is different after."""
    manager = people["data_manager"]
    manager.unpause(*STORY)
    if not manager.runs("refresh_registers"):
        manager.trigger("refresh_registers")
    names = studies.names(CHECKOUT)
    assert names

    def released() -> bool:
        for dag_id in STORY:
            failed = [run for run in manager.runs(dag_id) if run["state"] == "failed"]
            told = [
                manager.log(dag_id, run["dag_run_id"], task["task_id"], task["map_index"])
                for run in failed
                for task in manager.tasks(dag_id, run["dag_run_id"])
                if task["state"] == "failed"
            ]
            assert not failed, "\n".join(told)
        return all((Home(home).releases / name / "current").exists() for name in names)

    until(released, 3600, "releases")
    until(
        lambda: all(r["state"] == "success" for d in STORY for r in manager.runs(d)), 1800, "an end"
    )
    for name in names:
        through_airflow, typed = (
            (Home(root).releases / name / "current").resolve() for root in (home, by_hand)
        )
        assert through_airflow.name == typed.name, name
        assert story.contents(through_airflow) == story.contents(typed), name
        assert len(story.contents(typed)) > 5
    linked, typed = (linked_files(root) for root in (home, by_hand))
    assert linked == typed
    assert len(typed) > 20


def linked_files(home: Path) -> dict[str, str]:
    """Files of the linked rows by their hash."""
    return story.contents(Home(home).root / "lake" / "linked")


# ------------------------------------------------------------ make airflow


class Started:
    """`make airflow` as a person has it before them."""

    def __init__(self, home: Path, port: int) -> None:
        self.home, self.port, self.said = home, port, ""
        self.process = subprocess.Popen(
            [sys.executable, "-u", "-m", "deployment", "--port", str(port)],
            cwd=CHECKOUT, env=story.environment(home), text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            # In the background the tests themselves may be deaf to Ctrl-C.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )  # fmt: skip
        for line in self.process.stdout:
            self.said += line
            if line.startswith("Ctrl-C"):
                return
        raise AssertionError(self.said)


def listening(port: int) -> bool:
    with socket.socket() as asked:
        return asked.connect_ex(("127.0.0.1", port)) == 0


def test_make_airflow_after_a_kill_starts_again_and_ctrl_c_leaves_nothing(place):
    home, port = place / "person", free_port()
    first = Started(home, port)
    folder = home / "airflow"
    first.process.kill()
    first.process.wait()

    second = Started(home, port)
    passwords = json.loads((folder / "secrets" / "airflow_passwords").read_text())
    assert f"http://127.0.0.1:{port}" in second.said
    assert str(folder / "secrets" / "airflow_passwords") in second.said
    for started in (first, second):
        assert not [p for p in passwords.values() if p in started.said]
    for path in (folder / "secrets").iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
    assert stat.S_IMODE((folder / "passwords.json").stat().st_mode) == 0o600
    assert stat.S_IMODE((folder / "secrets").stat().st_mode) == 0o700
    # The password of the first start still lets in, and the metadata are the first start's.
    manager = Client(f"http://127.0.0.1:{port}", "data_manager", passwords["data_manager"])
    manager.wait_for_dags(*STORY)

    # One that ends is started again. Its children bear its name until they have their own.
    scheduler = next(
        p for p in native._started_in(folder)
        if "scheduler" in " ".join(p.cmdline()) and os.getsid(p.pid) == p.pid
    )  # fmt: skip
    scheduler.kill()
    said = second.process.stdout.readline()
    assert "scheduler ended" in said

    members = native._started_in(folder)
    postgres = psutil.Process(int((folder / "postgres/data/postmaster.pid").read_text().split()[0]))
    assert len(members) >= len(processes.SERVICES)
    second.process.send_signal(signal.SIGINT)
    assert second.process.wait(300) == 0
    assert "Airflow has ended." in second.process.stdout.read()
    assert not listening(port)
    assert native._started_in(folder) == []
    assert not [p for p in [*members, postgres] if p.is_running() and p.status() != "zombie"]
