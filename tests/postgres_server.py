"""A real PostgreSQL for the tests, in a folder that goes with it; and one behind a bad line."""

import os
import shutil
import signal
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from deployment.postgres import Postgres

USER, PASSWORD = "keeper", "hemmelig-9f3"


class Server(Postgres):
    """A running server and its one database, `registers`, of a keeper."""

    @property
    def url(self) -> str:
        """Its address without the password."""
        return self.url_of("registers")

    def url_of(self, database: str, port: int | None = None) -> str:
        return f"postgresql://{USER}@127.0.0.1:{port or self.port}/{database}"

    def end_connections(self, of: str = "kobling") -> int:
        """End every connection of an application, as an administrator would; how many."""
        ended = self.run(
            "select pg_terminate_backend(pid) from pg_stat_activity "
            f"where application_name = '{of}'"
        )
        return len(ended)


@contextmanager
def running() -> Iterator[Server]:
    """A server in a folder of its own, gone with it afterwards."""
    with folder_open_to_all() as folder:
        server = Server(folder, USER, PASSWORD, "registers", durable=False, connections=20)
        server.start()
        try:
            yield server
        finally:
            server.stop(signal.SIGQUIT)  # nothing is kept


@contextmanager
def folder_open_to_all() -> Iterator[Path]:
    """A folder that another user may pass through, which that of pytest is not for root's."""
    places = (Path(tempfile.gettempdir()), Path("/tmp"), Path("/var/tmp"))
    for place in places:
        way = [place.resolve(), *place.resolve().parents]
        if os.geteuid() != 0 or all(step.stat().st_mode & 0o001 for step in way):
            break
    else:
        raise AssertionError("no temporary folder that another user may enter; set TMPDIR")
    folder = Path(tempfile.mkdtemp(prefix="kobling-", dir=place))
    folder.chmod(0o711)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


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
