"""How the steps tell what they did."""

from collections.abc import Callable
from pathlib import Path

Say = Callable[[str], None]


def n_of(count: int, one: str, many: str | None = None) -> str:
    """A number with its noun: 1 row, 2 rows."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def name_of(folder: Path) -> str:
    """A delivery as it is told: register and folder."""
    return f"{folder.parent.name}/{folder.name}"
