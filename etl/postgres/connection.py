"""Connections to a PostgreSQL database: where it is, one snapshot of it, and what it says.

Nothing from here repeats a password, and no error a value that the database quotes.
"""

import re
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import unquote

import adbc_driver_manager
import adbc_driver_postgresql.dbapi
import pyarrow

from etl.errors import DeliveryError

# A password that holds one of @/?# unescaped would be taken for something that may be told.
URL = re.compile(
    r"postgres(?:ql)?://"
    r"(?:(?P<user>[^:@/?#]*)(?::(?P<password>[^@/?#]*))?@)?"
    r"(?P<hosts>(?:[\w.-]+|\[[0-9a-fA-F:]+\])(?::\d+)?(?:,[\w.-]+(?::\d+)?)*)?"
    r"(?:/(?P<database>[^@/?#:]*))?"
    r"(?:\?(?P<options>[^@?#]*))?"
)
FAILED_TRANSACTION, FORBIDDEN = "25P02", "42501"  # of SQLSTATE
# What a database quotes is a name or a value; a name says of what.
QUOTED = re.compile(
    r'((?:relation|table|view|column|schema|database|user|role|function|encoding) )?"[^"]*"'
)
SECRET_OPTIONS = ("password", "sslpassword")
# The kernel tells of a dead connection in minutes, not hours.
OPTIONS = {
    "connect_timeout": "10",
    "keepalives_idle": "30",
    "keepalives_interval": "10",
    "keepalives_count": "3",
    "tcp_user_timeout": "60000",
    "fallback_application_name": "kobling",
}

BATCH_BYTES = 4 << 20  # of Arrow; the driver's own 16 MiB are no faster


class ConnectionLostError(Exception):
    """The connection broke off; the same may be tried again."""


@dataclass(frozen=True)
class Address:
    """Where a database is. `told` may be shown to anybody; `url` holds secrets."""

    told: str
    url: str = field(repr=False)
    secrets: tuple[str, ...] = field(repr=False)

    @property
    def has_password(self) -> bool:
        return len(self.secrets) > 1

    def without_secrets(self, text: str) -> str:
        for secret in self.secrets:
            text = text.replace(secret, "…")
        return text


def address(url: str) -> Address:
    """Take an address apart. Raises DeliveryError, which never repeats what it was given."""
    parts = URL.fullmatch(url)
    if parts is None:
        raise DeliveryError(
            "--from: not an address of a PostgreSQL database. Expected "
            "postgresql://user@host:port/database, with signs such as @ and / in a name written as "
            "%40 and %2F. Correct it; the password is better in ~/.pgpass."
        )
    given = (option.partition("=") for option in (parts["options"] or "").split("&"))
    options = {unquote(name): value for name, _, value in given}
    host = parts["hosts"] or options.get("host") or "localhost"
    database = parts["database"] or options.get("dbname") or parts["user"] or ""
    passwords = [parts["password"], *(options.get(name) for name in SECRET_OPTIONS)]
    secrets = {text for secret in passwords if secret for text in (secret, unquote(secret))}
    return Address(
        f"postgresql://{unquote(host)}/{unquote(database)}",
        _with_options(url, options),
        # The longest first: one may be a part of another.
        tuple(sorted({url, *secrets}, key=len, reverse=True)),
    )


def _with_options(url: str, given: dict[str, str]) -> str:
    added = "&".join(f"{name}={value}" for name, value in OPTIONS.items() if name not in given)
    base, mark, options = url.partition("?")
    if not mark and not re.search(r"://[^/]*/", base):
        base += "/"
    return f"{base}?{options}&{added}" if options else f"{base}?{added}"


class Moment:
    """A snapshot of a database, held open by a connection that does nothing else.

    Raises:
        ConnectionLostError: the database cannot be reached.
    """

    def __init__(self, source: Address) -> None:
        self.source = source
        self._holder = Session(source)
        self._holder.run("set idle_in_transaction_session_timeout = 0")
        self._holder.run("begin isolation level repeatable read, read only")
        ((self._snapshot,),) = self._holder.rows("select pg_export_snapshot()")

    def rows(self, query: str, parameters: tuple = ()) -> list[tuple]:
        return self._holder.rows(query, parameters)

    @contextmanager
    def joined(self) -> Iterator["Session"]:
        """A connection of its own that sees the same."""
        with closing(Session(self.source)) as session:
            session.run("begin isolation level repeatable read, read only")
            session.run(f"set transaction snapshot '{self._snapshot}'")
            yield session

    def lasts(self) -> bool:
        return self._holder.lives()

    def close(self) -> None:
        self._holder.close()


class Session:
    """One connection, whose errors are ours: lost, or one line without a secret or a value."""

    def __init__(self, source: Address) -> None:
        self.source = source
        with self.ours():
            self._connection = adbc_driver_postgresql.dbapi.connect(source.url, autocommit=True)
        # PGCLIENTENCODING may say something else, and Arrow text is UTF-8.
        self.run("set client_encoding to 'UTF8'")

    def run(self, query: str) -> None:
        with self.ours(), self._connection.cursor() as cursor:
            cursor.execute(query)

    def rows(self, query: str, parameters: tuple = ()) -> list[tuple]:
        with self.ours(), self._connection.cursor() as cursor:
            cursor.execute(query, parameters or None)
            return cursor.fetchall()

    @contextmanager
    def batches(self, query: str) -> Iterator[tuple[pyarrow.Schema, Iterator[pyarrow.RecordBatch]]]:
        """The rows of a query as they come; none is held here. Another thread may take them.

        When this ends no thread is inside the driver any more: where DuckDB gives up, one of its
        threads may still be waiting for rows, and would read what has been freed.
        """
        cursor = self._connection.cursor()
        reading, ended = threading.Lock(), threading.Event()

        def stream(reader: pyarrow.RecordBatchReader) -> Iterator[pyarrow.RecordBatch]:
            while True:
                with reading:
                    if ended.is_set():
                        return
                    with self.ours():
                        try:
                            batch = reader.read_next_batch()
                        except StopIteration:
                            return
                yield batch

        try:
            with self.ours():
                cursor.adbc_statement.set_options(
                    **{"adbc.postgresql.batch_size_hint_bytes": str(BATCH_BYTES)}
                )
                cursor.execute(query)
                reader = cursor.fetch_record_batch()
            yield reader.schema, stream(reader)
        finally:
            ended.set()
            with reading, suppress(adbc_driver_manager.Error, OSError):
                cursor.close()

    def lives(self) -> bool:
        """Whether the connection still answers, if only that its transaction has failed."""
        try:
            with self._connection.cursor() as cursor:
                cursor.execute("select 1")
                return cursor.fetchall() == [(1,)]
        except (adbc_driver_manager.Error, OSError) as error:
            return getattr(error, "sqlstate", None) == FAILED_TRANSACTION

    def close(self) -> None:
        with suppress(adbc_driver_manager.Error, OSError):
            self._connection.close()

    @contextmanager
    def ours(self) -> Iterator[None]:
        try:
            yield
        except (adbc_driver_manager.Error, OSError) as error:
            said = _said(self.source.without_secrets(str(error)))
            if not hasattr(self, "_connection") or not self.lives():
                raise ConnectionLostError(said) from None
            if getattr(error, "sqlstate", None) == FORBIDDEN:
                raise DeliveryError(
                    f"{self.source.told}: {said}. Expected a table that this user may read. Ask "
                    "the keeper for the right to select from it."
                ) from None
            raise DeliveryError(
                f"{self.source.told}: the database refused to go on ({said}). Expected it to hand "
                "over the whole table. Ask the keeper what stands in the way."
            ) from None


def _said(text: str) -> str:
    """What the database said, on one line and without what it quotes, which may be a value."""
    text = next(iter(text.splitlines()), "")
    text = re.split(r"(?:ERROR|FATAL):\s*| failed: |\[libpq\] ", text)[-1]
    text = QUOTED.sub(lambda quoted: quoted[0] if quoted[1] else '"…"', text)
    return text.strip().rstrip(".:") or "no reason given"
