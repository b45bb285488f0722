"""docker-compose.yml and `make airflow` start the same processes, told the same, and safely.

There is no container engine here: the compose file is resolved as an engine would, its merges and
variables put in, and held to `deployment/processes.py`, by which the same processes are started in
tests/test_airflow_deployment.py.
"""

import json
import re
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from deployment import __main__ as make_airflow
from deployment import health, native, processes, secret_files
from etl.errors import SettingsError
from etl.settings import CHECKOUT, NAMES

COMPOSE = CHECKOUT / "docker-compose.yml"
VARIABLE = re.compile(r"\$\$|\$\{(?P<name>\w+)(?:(?P<how>:-|:\?)(?P<word>[^}]*))?\}|\$\w*")


class Unset(Exception):  # noqa: N818
    """A variable that must be given is not."""


def resolved(given: dict[str, str]) -> dict:
    """The compose file with anchors merged and variables put in, as `docker compose config`."""

    def put_in(found: re.Match) -> str:
        if found.group() == "$$":
            return "$"
        assert found["name"], f"{found.group()}: neither escaped nor in braces"
        if value := given.get(found["name"]):
            return value
        if found["how"] == ":-":
            return found["word"]
        raise Unset(found["name"])

    def walked(part: object) -> object:
        if isinstance(part, dict):
            return {key: walked(value) for key, value in part.items()}
        if isinstance(part, list):
            return [walked(value) for value in part]
        return VARIABLE.sub(put_in, part) if isinstance(part, str) else part

    content = yaml.safe_load(COMPOSE.read_text(encoding="utf-8"))
    return walked({key: value for key, value in content.items() if not key.startswith("x-")})


@pytest.fixture(scope="module")
def compose() -> dict:
    return resolved({"KOBLING_POPULATION": "production"})


@pytest.fixture(scope="module")
def ours(compose) -> dict[str, dict]:
    """The services that run our image."""
    return {name: s for name, s in compose["services"].items() if "build" in s}


def test_the_services_are_the_processes_that_are_started_natively(ours):
    prepare = f"{processes.PREPARE} /run/secrets"
    commands = {name: service["command"] for name, service in ours.items()}
    assert commands == {"prepare": prepare, **processes.SERVICES}
    assert len(commands) == 5


def test_they_are_told_the_same(ours):
    told = processes.environment(
        airflow_home="/airflow", dags="/kobling/dags", secrets="/run/secrets", api_host="0.0.0.0",
        api_port=8080, seen_as="http://api-server:8080", base_url="http://localhost:8080",
    ) | processes.metadata_in_postgres("metadata", "/run/secrets")  # fmt: skip
    container = {
        "KOBLING_HOME": "/home/kobling",
        "KOBLING_POPULATION": "production",
        "KOBLING_KEY_FILE": "/run/secrets/pseudonym_key",
        "PGPASSFILE": "/run/secrets/pgpass",
        "HOME": "/tmp",
    }
    for name, service in ours.items():
        assert service["environment"] == told | container, name
    assert {name for name in container if name.startswith("KOBLING_")} <= set(NAMES)


def test_nobody_starts_it_without_saying_whose_numbers_may_come_in():
    with pytest.raises(Unset, match="KOBLING_POPULATION"):
        resolved({})


def test_a_service_waits_for_what_it_needs(compose):
    waits = {
        name: {other: how["condition"] for other, how in service.get("depends_on", {}).items()}
        for name, service in compose["services"].items()
    }
    ready, healthy = "service_completed_successfully", "service_healthy"
    after = {"prepare": ready, "api-server": healthy}
    assert waits == {
        "metadata": {}, "source": {}, "prepare": {"metadata": healthy},
        "api-server": {"prepare": ready},
        "scheduler": after, "dag-processor": after, "triggerer": after,
    }  # fmt: skip


def test_every_service_has_a_health_check_of_its_own(compose):
    checks = {name: s["healthcheck"].get("test") for name, s in compose["services"].items()}
    assert checks.pop("prepare") is None  # it ends, and the others wait for its end
    for name in processes.SERVICES:
        assert checks.pop(name) == ["CMD", "python", "-m", "deployment.health", name]
    assert {name: test[1] for name, test in checks.items()} == {
        "metadata": "pg_isready", "source": "pg_isready",
    }  # fmt: skip


def test_no_service_is_root_or_may_become_it(compose):
    assert len(compose["services"]) == 7
    for name, service in compose["services"].items():
        assert re.fullmatch(r"[1-9]\d*:\d+", service["user"]), name
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert "privileged" not in service, name


def test_an_image_is_pinned(compose):
    dockerfile = (CHECKOUT / "Dockerfile").read_text(encoding="utf-8")
    images = re.findall(r"^FROM (\S+)", dockerfile, re.MULTILINE)
    images += [service["image"] for service in compose["services"].values()]
    assert len(images) == 8
    for image in images:
        assert re.fullmatch(r"[a-z]+:\d+\.\d+(\.\d+)?(-[a-z-]+)?(@sha256:[0-9a-f]{64})?", image)


def test_the_image_is_made_from_the_lock_and_runs_as_the_services_do(ours):
    dockerfile = (CHECKOUT / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", "")
    installs = re.findall(r"pip install ([^&\n]*)", dockerfile)
    assert len(installs) == 3
    for line in installs[:2]:
        assert "--require-hashes -r requirements" in line
    assert "--no-deps" in installs[2]
    users = re.findall(r"^USER (\S+)", dockerfile, re.MULTILINE)
    assert users == [service["user"] for service in ours.values()][:1]
    assert "-m 0700 -o 50000 -g 0 /home/kobling /airflow" in dockerfile
    # All is left out but what is named: no inbox that somebody has put beside it goes in.
    lines = (CHECKOUT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    rules = [line for line in lines if not line.startswith("#")]
    assert rules[0] == "*"
    named = {rule[1:] for rule in rules[1:] if rule.startswith("!")}
    assert named == {
        "dags", "dbt_project", "deployment", "etl", "expectations", "kobling.toml",
        "pyproject.toml", "requirements-uv.lock", "requirements.lock",
    }  # fmt: skip
    assert all((CHECKOUT / name).exists() for name in named)


def test_secrets_are_files_and_each_is_declared_and_used(compose, tmp_path):
    services = compose["services"].values()
    used = {name for service in services for name in service.get("secrets", [])}
    assert used == set(compose["secrets"])
    for name, secret in compose["secrets"].items():
        assert secret == {"file": f"./secrets/{name}"}
    assert used == {*secret_files.write_all(tmp_path), processes.PSEUDONYM_KEY}
    named = set(re.findall(r"/run/secrets/(\w+)", json.dumps(compose)))
    assert named <= used


def test_nothing_in_the_file_is_a_password(compose):
    for name, service in compose["services"].items():
        for key, value in service["environment"].items():
            if re.search("PASSWORD|SECRET|KEY|CONN|PASS", key):
                assert re.search("(_FILE|_CMD|PASSFILE)$", key), f"{name}: {key}"
                assert re.search("/run/secrets/|/airflow/passwords.json", value), f"{name}: {key}"


def test_only_this_machine_reaches_a_port(compose):
    ports = [port for service in compose["services"].values() for port in service.get("ports", [])]
    assert ports == ["127.0.0.1:8080:8080"]


def test_volumes_are_declared_and_hold_all_that_is_written(compose):
    mounted = {
        name: dict(volume.split(":") for volume in service["volumes"])
        for name, service in compose["services"].items()
    }
    assert {volume for volumes in mounted.values() for volume in volumes} == set(compose["volumes"])
    for name in ("prepare", *processes.SERVICES):
        assert mounted[name] == {"home": "/home/kobling", "airflow": "/airflow"}
        assert compose["services"][name]["tmpfs"] == ["/tmp"]


# ------------------------------------------------------------ secrets


def test_secrets_are_drawn_once_for_their_owner_only_and_never_told(tmp_path):
    folder = tmp_path / "secrets"
    told = CliRunner().invoke(secret_files.main, [str(folder)])
    assert told.exit_code == 0, told.output
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    drawn = {path.name: path.read_text() for path in folder.iterdir()}
    assert set(drawn) == {*processes.SECRETS, "source_password", "pgpass"}
    for name, secret in drawn.items():
        assert stat.S_IMODE((folder / name).stat().st_mode) == 0o600
        assert len(secret) >= 44
        assert secret not in told.output
    assert len(set(drawn.values())) == len(drawn)
    passwords = secret_files.passwords(folder)
    assert set(passwords) == set(processes.USERS)
    assert min(len(password) for password in passwords.values()) >= 20
    assert not any(password in told.output for password in passwords.values())
    assert str(folder / "pseudonym_key") in told.output
    secret_files.write_all(folder)
    assert {path.name: path.read_text() for path in folder.iterdir()} == drawn


# ------------------------------------------------------------ health


def said(**states: str) -> dict:
    parts = {part: {"status": "healthy"} for part in ("metadatabase", *processes.BEATS.values())}
    return parts | {part: {"status": state} for part, state in states.items()}


def test_a_service_is_healthy_when_it_and_the_metadata_are():
    for service in processes.SERVICES:
        assert health.is_healthy(said(), service)
        assert not health.is_healthy(said(metadatabase="unhealthy"), service)
    assert not health.is_healthy(said(scheduler="unhealthy"), "scheduler")
    assert health.is_healthy(said(scheduler="unhealthy"), "triggerer")
    assert not health.is_healthy(said(triggerer=None), "triggerer")


def test_without_an_api_server_nothing_is_healthy():
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        nowhere = f"http://127.0.0.1:{closed.getsockname()[1]}/execution/"
        told = CliRunner().invoke(
            health.main, ["scheduler"], env={"AIRFLOW__CORE__EXECUTION_API_SERVER_URL": nowhere}
        )
    assert told.exit_code == 1
    assert "no answer from 127.0.0.1" in told.output


# ------------------------------------------------------------ what is refused before a start


def test_a_second_airflow_in_the_same_folder_is_refused(tmp_path):
    with (
        native._alone_in(tmp_path),
        pytest.raises(SettingsError, match="runs here already"),
        native.running(tmp_path, kobling_home=tmp_path),
    ):
        pass


def test_a_port_in_use_is_told_before_anything_starts(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with (
            pytest.raises(SettingsError, match=f"port {port}: in use"),
            native.running(tmp_path, kobling_home=tmp_path, port=port),
        ):
            pass
    assert not (tmp_path / "postgres").exists()


def test_what_an_earlier_start_left_is_ended_and_nothing_else_is(tmp_path):
    """A process of the session is; one that has the number of a process long gone is not."""

    def sleeping() -> subprocess.Popen:
        # The shell stays, for it has a child to wait for.
        shell = subprocess.Popen(["sh", "-c", "sleep 60; true"], start_new_session=True)
        while not native.psutil.Process(shell.pid).children():
            assert shell.poll() is None
        return shell

    ours, others = sleeping(), sleeping()
    created = native.psutil.Process(ours.pid).create_time()
    (tmp_path / native.STARTED).write_text(f"{ours.pid} {created}\n{others.pid} {created - 100}\n")
    assert native.end_left_over(tmp_path) == 2  # the shell and its sleep
    assert ours.wait(5) != 0
    assert others.poll() is None
    native.os.killpg(others.pid, 9)
    others.wait()
    assert native.end_left_over(tmp_path) == 0


def test_a_setting_that_would_be_lost_is_refused(tmp_path):
    told = CliRunner().invoke(
        make_airflow.main, [],
        env={"KOBLING_HOME": str(tmp_path), "AIRFLOW__CORE__EXECUTOR": "SequentialExecutor"},
    )  # fmt: skip
    assert told.exit_code == 2
    assert "AIRFLOW__CORE__EXECUTOR is set" in told.output
    assert list(tmp_path.iterdir()) == []


def test_the_help_has_an_example():
    told = subprocess.run(
        [sys.executable, "-m", "deployment", "--help"],
        capture_output=True, text=True, check=True, cwd=CHECKOUT,
    )  # fmt: skip
    assert "Usage: make airflow [OPTIONS]" in told.stdout
    assert "make airflow ARGS='--port 8081'" in told.stdout


def test_root_is_told_where_postgresql_cannot_go(tmp_path):
    from deployment.postgres import _must_be_open

    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    with pytest.raises(SettingsError, match="closed to others, and PostgreSQL does not run as"):
        _must_be_open(Path(closed / "postgres"))
