"""How the steps tell what they did, and the words that they keep."""

from collections.abc import Callable
from pathlib import Path

from etl.errors import LIKE_A_NUMBER, SettingsError

Say = Callable[[str], None]


def n_of(count: int, one: str, many: str | None = None) -> str:
    """A number with its noun: 1 row, 2 rows."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


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
