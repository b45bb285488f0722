"""Airflow's processes without containers: started, watched, ended.

Two modes. `NATIVE` is what docker-compose.yml runs: PostgreSQL for the metadata, the executor
in the scheduler, each process by itself. `STANDALONE` is Airflow's own way to try it out: one
command, SQLite. What a start leaves behind when it is killed, the next one in the same folder ends.

    with running(folder, kobling_home=home) as airflow:
        airflow.url, airflow.passwords["admin"]
"""

import fcntl
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

import psutil

from deployment import health, processes, secret_files
from deployment.postgres import Postgres, end_with_this_process, free_port
from etl.errors import SettingsError
from etl.settings import CHECKOUT

NATIVE, STANDALONE = "native", "standalone"
METADATA = "metadata"
# Below AIRFLOW_HOME: who was started, for whoever comes after a kill.
STARTED = "started"
# Also with _CMD or _SECRET behind it.
OWN_METADATA = "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"
START_SECONDS, STOP_SECONDS, BEAT_SECONDS = 600, 15, 1


class Airflow:
    """What runs in `folder`. Its processes are started in the thread that must outlive them."""

    def __init__(
        self, folder: Path, mode: str, told: Mapping[str, str], port: int,
        metadata: Postgres | None, say: Callable[[str], object],
    ) -> None:  # fmt: skip
        self.folder, self.mode, self.port, self.metadata = folder, mode, port, metadata
        self.environment = dict(told)
        self.url = f"http://127.0.0.1:{port}"
        self.passwords = secret_files.passwords(folder / "secrets")
        self.processes: dict[str, subprocess.Popen] = {}
        self._say = say
        self.commands = processes.SERVICES if mode == NATIVE else {STANDALONE: "airflow standalone"}

    # ------------------------------------------------------------ one process

    def start(self, name: str) -> None:
        """Start one of `commands`, or METADATA; its output is added to its log."""
        if name == METADATA:
            self.metadata.start(self.metadata.port)
            return
        with self.log(name).open("a") as log:
            self.processes[name] = subprocess.Popen(
                self.commands[name].split(), env=self.environment, stdout=log, stderr=log,
                stdin=subprocess.DEVNULL, cwd=CHECKOUT, start_new_session=True,
                # `standalone` ends its children on the one signal and leaves them on the other.
                preexec_fn=end_with_this_process(
                    signal.SIGINT if name == STANDALONE else signal.SIGTERM
                ),
            )  # fmt: skip
        with (self.folder / STARTED).open("a") as started:
            pid = self.processes[name].pid
            started.write(f"{pid} {psutil.Process(pid).create_time()}\n")

    def kill(self, name: str) -> None:
        """`kill -9` of one process and of what it has started, as a crash would."""
        if name == METADATA:
            _kill_tree(self.metadata.process)
            return
        _kill_tree(self.processes[name])

    def log(self, name: str) -> Path:
        return self.folder / "logs" / f"{name}.log"

    # ------------------------------------------------------------ all of them

    def prepare(self) -> None:
        """Metadata, pools and passwords. Raises SettingsError with the last line that was said."""
        self._say("preparing the metadata")
        with self.log("prepare").open("w") as log:
            ended = subprocess.run(
                [*processes.PREPARE.split(), str(self.folder / "secrets")],
                env=self.environment, stdout=log, stderr=log, cwd=CHECKOUT, check=False,
            )  # fmt: skip
        if ended.returncode:
            said = self.log("prepare").read_text(encoding="utf-8").strip().splitlines()
            raise SettingsError(
                f"{self.log('prepare')}: Airflow could not be prepared. {(said or [''])[-1]}"
            )

    def wait_until_healthy(
        self, since: float, services: Iterable[str] = tuple(processes.SERVICES),
        seconds: float = START_SECONDS,
    ) -> None:  # fmt: skip
        """Until each service has beaten since a moment (time.time()). Raises SettingsError."""
        until = time.monotonic() + seconds
        missing = list(services)
        while missing:
            for name, process in self.processes.items():
                if process.poll() is not None:
                    raise SettingsError(
                        f"{name}: ended with status {process.returncode} while Airflow started. "
                        f"What it said stands in {self.log(name)}."
                    )
            with suppress(OSError):
                said = health.asked(self.url)
                beating = [name for name in missing if _has_beaten(said, name, since)]
                missing = [name for name in missing if name not in beating]
                for name in beating:
                    self._say(f"{name} is up")
            if missing and time.monotonic() > until:
                raise SettingsError(
                    f"{missing[0]}: no heartbeat after {seconds:.0f} seconds. What it said stands "
                    f"in {self.folder / 'logs'}."
                )
            time.sleep(BEAT_SECONDS)

    def watch(self) -> None:
        """Start again whatever ends, until an exception comes."""
        while True:
            time.sleep(5 * BEAT_SECONDS)
            if self.metadata and self.metadata.process.poll() is not None:
                self._say("PostgreSQL ended; starting it again")
                self.start(METADATA)
            for name, process in self.processes.items():
                if process.poll() is not None:
                    self._say(f"{name} ended with status {process.returncode}; starting it again")
                    self.start(name)

    def stop(self) -> None:
        """End all of them, with the tasks that run; nothing is left on the port."""
        for process in self.processes.values():
            with suppress(ProcessLookupError):
                process.send_signal(signal.SIGINT if self.mode == STANDALONE else signal.SIGTERM)
        until = time.monotonic() + STOP_SECONDS
        for process in self.processes.values():
            with suppress(subprocess.TimeoutExpired):
                process.wait(max(until - time.monotonic(), 0))
        end_left_over(self.folder)
        for process in self.processes.values():
            process.wait()
        self.processes = {}
        if self.metadata:
            self.metadata.stop()

    def members(self) -> list[psutil.Process]:
        """Every process that belongs to it: services, workers, tasks and what these started."""
        return _started_in(self.folder)


@contextmanager
def running(
    folder: Path, *, kobling_home: Path, mode: str = NATIVE, port: int | None = None,
    paused: bool = True, parallelism: int = 4, dags: Path = CHECKOUT / "dags",
    told: Mapping[str, str] | None = None, inherited: Mapping[str, str] | None = None,
    metadata_folder: Path | None = None, durable: bool = True,
    say: Callable[[str], object] = lambda _: None,
) -> Iterator[Airflow]:  # fmt: skip
    """Airflow in `folder` (its AIRFLOW_HOME), healthy; ended when the block is.

    `told` is added to every process's environment and goes before all else; `inherited` is what
    they have besides, by default this process's own without what is said to Airflow there. A
    database for the metadata named in `inherited` is used in place of a PostgreSQL of our own.
    Raises SettingsError where it cannot start.
    """
    folder = folder.resolve()
    # PostgreSQL, where root starts it as another user, only passes through.
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o711 if os.geteuid() == 0 else 0o700)
    (folder / "logs").mkdir(mode=0o700, exist_ok=True)
    secrets = folder / "secrets"
    if inherited is None:
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("AIRFLOW")}
    with _alone_in(folder):
        if left := end_left_over(folder):
            say(f"ended {left} processes that an earlier start had left")
        port = port or free_port()
        _must_be_free(port)
        secret_files.write(secrets)
        metadata, where = None, {}
        if mode == NATIVE and not any(name.startswith(OWN_METADATA) for name in inherited):
            say("starting PostgreSQL for the metadata")
            metadata = Postgres(
                metadata_folder or folder / "postgres",
                processes.METADATA_USER,
                (secrets / processes.METADATA_PASSWORD).read_text(encoding="utf-8"),
                processes.METADATA_DATABASE,
                durable=durable,
            )
            metadata.start()
            where = processes.metadata_in_postgres(f"127.0.0.1:{metadata.port}", str(secrets))
        url = f"http://127.0.0.1:{port}"
        environment = processes.environment(
            airflow_home=str(folder), dags=str(dags), secrets=str(secrets), api_host="127.0.0.1",
            api_port=port, seen_as=url, base_url=url, log_ports=(free_port(), free_port()),
            paused=paused, parallelism=parallelism,
        )  # fmt: skip
        here = {
            "KOBLING_HOME": str(kobling_home),
            # A task is a command of the environment that this runs in.
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{inherited.get('PATH', os.defpath)}",
        }
        every = {**inherited, **environment, **where, **here, **(told or {})}
        airflow = Airflow(folder, mode, every, port, metadata, say)
        try:
            airflow.prepare()
            since = time.time()
            first, *others = airflow.commands
            airflow.start(first)
            if others:
                # A task that falls due asks the API server, and fails where there is none.
                airflow.wait_until_healthy(since, [first])
            for name in others:
                airflow.start(name)
            airflow.wait_until_healthy(since, others or list(processes.SERVICES))
            yield airflow
        finally:
            airflow.stop()


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """The lock goes with the process that holds it."""
    with (folder / "lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SettingsError(
                f"{folder}: Airflow runs here already. Expected one at a time. Stop it first, or "
                "use another KOBLING_HOME."
            ) from None
        yield


def end_left_over(folder: Path) -> int:
    """End what was started in a folder and still runs; how many processes."""
    left = _started_in(folder)
    for how, seconds in ((signal.SIGTERM, 5), (signal.SIGKILL, 10)):
        for process in _started_in(folder):
            with suppress(psutil.NoSuchProcess):
                process.send_signal(how)
        psutil.wait_procs(_started_in(folder), timeout=seconds)
    (folder / STARTED).unlink(missing_ok=True)
    return len(left)


def _started_in(folder: Path) -> list[psutil.Process]:
    """What was started here and all that came of it.

    Each was given a session, which none of its descendants leaves; tasks leave its process group,
    and Airflow overwrites its environment with a title.
    """
    if not (folder / STARTED).exists():
        return []
    sessions = {}
    for line in (folder / STARTED).read_text().splitlines():
        pid, created = line.split()
        sessions[int(pid)] = float(created)
    for pid, created in list(sessions.items()):
        with suppress(psutil.NoSuchProcess):
            # Somebody else has the number by now.
            if abs(psutil.Process(pid).create_time() - created) > 1:
                del sessions[pid]
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, ProcessLookupError):
            if os.getsid(process.pid) in sessions and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def _kill_tree(process: subprocess.Popen) -> None:
    with suppress(psutil.NoSuchProcess):
        parent = psutil.Process(process.pid)
        for member in [parent, *parent.children(recursive=True)]:
            with suppress(psutil.NoSuchProcess):
                member.kill()
    process.wait()


def _has_beaten(said: dict, service: str, since: float) -> bool:
    """An earlier start's last beat is young for a while; only a later one counts."""
    if not health.is_healthy(said, service):
        return False
    if service not in processes.BEATS:
        return True
    part = processes.BEATS[service]
    beat = said[part][f"latest_{part}_heartbeat"]
    return datetime.fromisoformat(beat).timestamp() > since


def _must_be_free(port: int) -> None:

    with socket.socket() as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tried.bind(("127.0.0.1", port))
        except OSError:
            raise SettingsError(
                f"port {port}: in use. Expected it to be free. Choose another with --port, or stop "
                "what listens there."
            ) from None
