"""The DAGs tell the story in the order of the command line, and a refusal is final."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from etl.cli import main
from etl.demo import DAGS, STORY


@pytest.fixture(scope="module")
def bag(tmp_path_factory):
    # Airflow reads its settings at its first import.
    os.environ["AIRFLOW_HOME"] = str(tmp_path_factory.mktemp("airflow"))
    os.environ["AIRFLOW__CORE__LOAD_EXAMPLES"] = "False"
    from airflow.dag_processing.dagbag import BundleDagBag

    return BundleDagBag(DAGS, bundle_path=DAGS, bundle_name="dags-folder")


def order(dag) -> list[str]:
    return [task.task_id for task in dag.topological_sort()]


def test_the_dags_are_the_story_in_the_order_of_the_command_line(bag):
    assert bag.import_errors == {}
    assert set(bag.dags) == set(STORY)
    assert order(bag.dags["refresh_registers"]) == ["receive", "land", "link"]
    assert order(bag.dags["run_studies"]) == ["select", "check", "estimate", "release"]
    told = [task for dag_id in STORY for task in order(bag.dags[dag_id])]
    assert told == [command for command in main.commands if command in told]


def test_studies_follow_when_the_registers_are_linked(bag):
    outlets = bag.dags["refresh_registers"].get_task("link").outlets
    assert [asset.name for asset in outlets] == ["linked_registers"]
    assert "linked_registers" in str(bag.dags["run_studies"].timetable.asset_condition)


def test_every_task_is_a_command_that_a_person_can_type(bag):
    for dag_id in STORY:
        for task in bag.dags[dag_id].tasks:
            assert task.task_id in main.commands


@pytest.mark.parametrize(
    ("status", "expected"), [(0, None), (2, "AirflowFailException"), (1, "RuntimeError")]
)
def test_a_refusal_is_final_and_an_outage_is_not(bag, tmp_path, monkeypatch, status, expected):
    """A stand-in for `kobling` that ends as told."""
    stand_in = tmp_path / "kobling"
    stand_in.write_text(
        f"#!{sys.executable}\nprint('Error: no such study'); raise SystemExit({status})\n"
    )
    stand_in.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    run = bag.dags["refresh_registers"].get_task("land").python_callable
    raised = None
    try:
        run(["land"])
    except Exception as error:
        raised = type(error).__name__
    assert raised == expected


def test_a_demo_whose_task_is_refused_says_so_and_ends_with_2(tmp_path):
    """A delivery that contradicts its manifest, all the way through Airflow."""
    from tests import story
    from tests.conftest import PERSON_HEADER, write_delivery

    home = tmp_path / "home"
    write_delivery(
        home / "restricted" / "inbox", "cpr", {"cpr3_t_person.csv": PERSON_HEADER},
        changes={"register": "dsd"},
    )  # fmt: skip
    ended = subprocess.run(
        [sys.executable, "-m", "etl.demo"],
        env=story.environment(home), capture_output=True, text=True, check=False,
        cwd=Path(__file__).parent,
    )  # fmt: skip
    assert ended.returncode == 2, ended.stderr
    assert "register is 'dsd'" in ended.stdout
    assert "DAG refresh_registers: receive did not succeed" in ended.stderr
    assert "Traceback" not in ended.stdout + ended.stderr
