"""How the steps tell what they did, and the words that they keep."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from etl.errors import LIKE_A_NUMBER, SettingsError

Say = Callable[[str], None]


def n_of(count: int, one: str, many: str | None = None) -> str:
    """A number with its noun: 1 row, 2 rows."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


@dataclass
class Account:
    """Rows that a step took in, and rows that it made of them. A step without work takes none."""

    rows_in: int = 0
    rows_out: int = 0


@contextmanager
def accounted(say: Say, reads: Path | str) -> Iterator[Account]:
    """Say first what a step reads, and last its rows and seconds; a refusal has its own last line.

    Seconds are said and never kept: what a run writes must not depend on when it ran.
    """
    say(f"reads {reads}")
    began, account = time.monotonic(), Account()
    yield account
    seconds = time.monotonic() - began
    say(f"{n_of(account.rows_in, 'row')} in, {n_of(account.rows_out, 'row')} out, {seconds:.1f} s")


def name_of(folder: Path) -> str:
    """A delivery as it is told: register and folder."""
    return f"{folder.parent.name}/{folder.name}"


def hold_words(option: str, text: str) -> None:
    """The ledger keeps the words for ever, so no number may be among them."""
    if not text.strip() or LIKE_A_NUMBER.search(text):
        raise SettingsError(
            f"{option}: empty, or looks as if it held a personal number. Expected words without "
            "one. Say it in other words."
        )
