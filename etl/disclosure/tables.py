"""Tables that may leave. Only this package makes one; who writes to exports/ takes nothing else."""

from dataclasses import dataclass

from etl.errors import DisclosureError

Value = str | int | float | None
_SEAL = object()


@dataclass(frozen=True)
class SafeTable:
    """Rows in which nothing small is left. A hidden cell is None, and never nought."""

    name: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Value, ...], ...]
    _seal: object = None

    def __post_init__(self) -> None:
        if self._seal is not _SEAL:
            raise DisclosureError(
                f"{self.name}: a table that has not been through disclosure control. Expected one "
                "made by etl.disclosure. Have it made there."
            )

    def dicts(self) -> list[dict[str, Value]]:
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows]


def made_safe(name: str, columns: tuple[str, ...], rows: list[tuple[Value, ...]]) -> SafeTable:
    """For this package alone, after `protect`."""
    for row in rows:
        if len(row) != len(columns):
            raise ValueError(f"{name}: a row of {len(row)} cells for {len(columns)} columns")
    return SafeTable(name, columns, tuple(rows), _SEAL)


def only_safe(*tables: object) -> None:
    """Raises DisclosureError where anything else than safe tables is about to leave."""
    for table in tables:
        if not isinstance(table, SafeTable):
            raise DisclosureError(
                f"a {type(table).__name__} was about to be exported. Expected a SafeTable, made by "
                "etl.disclosure. Have it made there."
            )


def stated(name: str, facts: list[tuple[str, str]]) -> SafeTable:
    """Words about the study, the rules and the evidence: texts only, nothing counted.

    Raises DisclosureError on anything that is no text.
    """
    for head, words in facts:
        if not isinstance(head, str) or not isinstance(words, str):
            raise DisclosureError(
                f"{name}: {head} is a {type(words).__name__}. Expected words; a number goes "
                "through disclosure control."
            )
    return made_safe(name, ("head", "words"), list(facts))
