"""The DAGs tell the story in the order of the command line; only what heals is tried again."""

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from etl import registers, studies
from etl.cli import main
from etl.demo import DAGS, STORY
from etl.errors import BusyError, DiskError, KoblingError
from etl.settings import CHECKOUT

# A register's check reads what landing wrote, `notify` what is there, and a person thinks.
AT_ANY_TIME = {"register.check", "study.approve", "notify"}


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
    assert set(bag.dags) == {*STORY, "backfill", "notify"}
    assert order(bag.dags["refresh_registers"]) == [
        "register.receive", "register.land", "register.check", "link", "status",
    ]  # fmt: skip
    assert order(bag.dags["run_studies"]) == [
        "select", "check", "study.estimate", "study.release", "study.preview", "study.approve",
        "study.promote",
    ]  # fmt: skip
    told = [commands(task) for dag_id in STORY for task in order(bag.dags[dag_id])]
    once = [one for one in dict.fromkeys(told) if one not in ("check", "approve", "status")]
    assert once == [command for command in main.commands if command in once]


def commands(task_id: str) -> str:
    return task_id.rpartition(".")[2]


@pytest.mark.parametrize(
    ("dag_id", "group", "of"),
    [
        ("refresh_registers", "register", sorted(registers.catalogue())),
        ("run_studies", "study", studies.names(CHECKOUT)),
        ("backfill", "study", studies.names(CHECKOUT)),
    ],
)
def test_a_group_is_mapped_over_every_register_and_every_study(bag, dag_id, group, of):
    mapped = bag.dags[dag_id].task_group.get_child_by_label(group)
    assert sorted(mapped._expand_input.value[group]) == sorted(of)


def test_studies_follow_when_the_registers_are_linked_and_a_refresh_when_a_flag_is_there(bag):
    assert "linked_registers" in str(bag.dags["run_studies"].timetable.asset_condition)
    (inbox,) = bag.dags["refresh_registers"].timetable.asset_condition.objects
    (watcher,) = inbox.watchers
    assert (inbox.name, type(watcher.trigger).__name__) == ("inbox", "DeliveryTrigger")


def test_every_task_is_a_command_that_a_person_can_type_or_a_person(bag):
    for dag in bag.dags.values():
        for task in dag.tasks:
            assert commands(task.task_id) in {*main.commands, "approve"}


def test_who_opens_the_warehouse_or_writes_waits_for_the_one_slot(bag):
    for dag in bag.dags.values():
        for task in dag.tasks:
            needs_slot = task.task_id not in AT_ANY_TIME
            assert (task.pool == "warehouse_writer") == needs_slot, task.task_id


def test_a_register_that_is_refused_keeps_no_other_from_landing_and_nothing_is_linked_after_it(bag):
    dag = bag.dags["refresh_registers"]
    land, check, link = (dag.get_task(n) for n in ("register.land", "register.check", "link"))
    assert land.trigger_rule == "all_done"
    assert check.upstream_task_ids == {"register.receive", "register.land"}
    assert (check.trigger_rule, link.trigger_rule) == ("all_success", "all_success")


@pytest.fixture
def task_module(bag):
    """What the DAGs have imported; a task and its rules must know the same classes."""
    return sys.modules["kobling_task"]


@pytest.fixture
def stand_in(tmp_path, monkeypatch):
    """A `kobling` that says and ends as told."""

    def put(status: int, says: str = "") -> None:
        place = tmp_path / "kobling"
        place.write_text(
            f"#!{sys.executable}\nimport sys\nprint({says!r})\n"
            f"if {status}: print('Error: no such study', file=sys.stderr)\n"
            f"raise SystemExit({status})\n"
        )
        place.chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)

    return put


@pytest.mark.parametrize(
    ("status", "raised", "action"),
    [
        (KoblingError.exit_status, "RefusedError", "fail"),
        (BusyError.exit_status, "BusyHomeError", "retry"),
        (DiskError.exit_status, "OutageError", "retry"),
        (1, "OutageError", "retry"),
        (-9, "OutageError", "retry"),
    ],
)
def test_a_refusal_is_final_and_an_outage_is_not(
    bag, task_module, stand_in, status, raised, action
):
    stand_in(max(status, 0))
    if status < 0:
        monkey = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
        Path(os.environ["PATH"].partition(os.pathsep)[0], "kobling").write_text(
            f"#!{sys.executable}\n{monkey}\n"
        )
    with pytest.raises(Exception) as error:  # noqa: PT011
        task_module.run(["land"])
    assert type(error.value).__name__ == raised
    assert ("no such study" in str(error.value)) == (status > 0)
    for dag in bag.dags.values():
        for task in dag.tasks:
            if commands(task.task_id) != "approve":
                decided = task.retry_policy.evaluate(error.value, try_number=1, max_tries=4)
                assert decided.action.value == action, task.task_id
                assert task.retries > 1


def test_what_a_command_says_is_said_and_returned_and_what_a_person_typed_is_not(
    task_module, stand_in, capsys
):
    stand_in(0, "first\nlast")
    assert task_module.run(["promote", "dlms"], "--reason", "because") == "first\nlast\n"
    assert capsys.readouterr().out == "kobling promote dlms …\nfirst\nlast\n"


def test_a_task_that_failed_has_it_told_by_the_name_of_its_command(task_module, bag, tmp_path):
    """Killed, it could not keep it in mind itself."""
    said = []

    class Told:
        @staticmethod
        def run(words, **_):
            said.append(words)
            return subprocess.CompletedProcess(words, 0, "", "")

    module = task_module
    before, module.subprocess = module.subprocess, Told
    try:
        for task_id, of in (("study.release", "dlms"), ("link", None)):
            module.tell_failed({"ti": SimpleNamespace(task_id=task_id, rendered_map_index=of)})
    finally:
        module.subprocess = before
    assert said == [
        ["kobling", "notify", "--failed", "release dlms"],
        ["kobling", "notify", "--failed", "link"],
    ]
    for dag_id, dag in bag.dags.items():
        for task in dag.tasks:
            told = [callback.__name__ for callback in task.on_failure_callback]
            # An approval is no command, whose success would end the notice.
            expected = "tell" if commands(task.task_id) == "approve" else "tell_failed"
            assert told == ([] if dag_id == "notify" else [expected])


class Events(dict):
    """What a task may announce, and what was announced before, as Airflow hands it over."""

    def __missing__(self, asset):
        self[asset] = Events.Of()
        return self[asset]

    class Of(list):
        def add(self, asset, extra):
            self.append((asset.name, extra))

        def ascending(self, _):
            return self

        def limit(self, _):
            return self


def test_only_what_has_changed_is_announced(bag, stand_in):
    register = {"deliveries": {"2024-06-01": "ab"}, "rows": 3}
    of_all = {name: {"deliveries": {}, "rows": 0} for name in registers.catalogue()}
    home = {"registers": of_all | {"cpr": register, "dar": register}, "lake": {"key": "k"}}
    status = bag.dags["refresh_registers"].get_task("status")
    (alias,) = status.outlets
    before = Events()
    of_cpr = next(asset for asset in status.inlets if asset.name == "register_cpr")
    before[of_cpr].append(type("Event", (), {"extra": register}))

    def announced(is_nothing_new: bool) -> list:
        stand_in(0, json.dumps(home | {"is_nothing_new": is_nothing_new}))
        events = Events()
        status.python_callable(outlet_events=events, inlet_events=before)
        return events[alias]

    assert announced(is_nothing_new=True) == [("register_dar", register)]
    assert announced(is_nothing_new=False)[1:] == [("linked_registers", {"key": "k"})]


def test_a_promotion_is_signed_by_who_approved_and_names_what_was_looked_at(
    bag, stand_in, tmp_path
):
    stand_in(0)
    (tmp_path / "kobling").write_text(
        f"#!{sys.executable}\nimport sys, json\n"
        f"open({str(tmp_path / 'typed')!r}, 'w').write(json.dumps(sys.argv[1:]))\n"
    )
    promote = bag.dags["run_studies"].get_task("study.promote").python_callable
    staged = {"study": "dlms", "release": "de234f15ac52", "text": "…"}
    answer = {
        "chosen_options": ["Approve"],
        "responded_by_user": {"id": "1", "name": "data_manager"},
        "params_input": {"reason": "the keeper has confirmed it"},
    }
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(sys.modules["promotion"], "name_this", lambda of: None)
        with pytest.raises(Exception, match="rejected, the release waits on"):
            promote(staged, answer | {"chosen_options": ["Reject"]})
        assert not (tmp_path / "typed").exists()
        promote(staged, answer)
    assert json.loads((tmp_path / "typed").read_text()) == [
        "promote", "dlms", "--release", "de234f15ac52", "--by", "data_manager",
        "--reason", "the keeper has confirmed it",
    ]  # fmt: skip


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
    assert "DAG refresh_registers: register.receive" in ended.stderr
    assert "Traceback" not in ended.stdout + ended.stderr
