"""Overrides: single records that somebody has looked at and confirmed as they stand.

They concern persons, so they lie in the restricted store, and they hold nothing of a record but a
keyed hash of all that stands in it: the same record delivered again is still confirmed, and one in
which anything has changed is not.
"""

import datetime as dt
import hmac
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass

from etl import restricted
from etl.errors import QualityError
from etl.home import Home, read_json, replace_json

LONGEST_DAYS = 366 * 3
ID_LENGTH = 12


@dataclass(frozen=True)
class Override:
    """A record that may fail a check, through the day `expires_on`.

    `check` is named as results are; `row` is the keyed hash of the record, in hex.
    """

    id: str
    check: str
    row: str
    reviewer: str
    reviewed_on: dt.date
    expires_on: dt.date
    reason: str


def of_home(home: Home) -> list[Override]:
    """Every override, in the order in which they were given."""
    path = _place(home)
    return [
        Override(
            **entry
            | {name: dt.date.fromisoformat(entry[name]) for name in ("reviewed_on", "expires_on")}
        )
        for entry in (read_json(path) if path.exists() else [])
    ]


def row_hash(keys: restricted.Keys, check: str, content: str) -> str:
    """SHA-256 under a key of its own: nobody can try out records against it without the secret."""
    message = f"{check}\n{content}".encode()
    return hmac.digest(keys.derived("override"), message, "sha256").hex()


def hold_new(home: Home, override: Override) -> None:
    """Raises QualityError where the record is confirmed already, or the override lasts too long."""
    if any(
        (one.check, one.row) == (override.check, override.row)
        and one.expires_on >= override.reviewed_on
        for one in of_home(home)
    ):
        raise QualityError(
            f"{override.check}: this record was confirmed before. Expected one that was not. "
            "Nothing is to be done; take the other away first where its reason is wrong."
        )
    if not override.reviewed_on <= override.expires_on <= longest(override.reviewed_on):
        raise QualityError(
            f"--until: found {override.expires_on}. Expected a day from {override.reviewed_on} to "
            f"{longest(override.reviewed_on)}: a confirmation ends by itself."
        )


def add(home: Home, override: Override) -> None:
    """Keep one more, in the place of one of the same record that has expired."""
    hold_new(home, override)
    kept = [one for one in of_home(home) if (one.check, one.row) != (override.check, override.row)]
    _keep(home, [*kept, override])


def named(home: Home, override_id: str) -> Override:
    """The one with an id. Raises QualityError where there is none."""
    for one in of_home(home):
        if one.id == override_id:
            return one
    raise QualityError(
        f"{override_id}: no confirmation has this id. Expected one that `kobling check` or the "
        "release's page names."
    )


def take_away(home: Home, override: Override) -> None:
    """Forget one."""
    _keep(home, [one for one in of_home(home) if one != override])


def _keep(home: Home, overrides: list[Override]) -> None:
    home.restricted.mkdir(mode=restricted.FOLDER_MODE, parents=True, exist_ok=True)
    entries = json.loads(json.dumps([asdict(one) for one in overrides], default=str))
    replace_json(_place(home), entries, restricted.MODE)


def longest(reviewed_on: dt.date) -> dt.date:
    return reviewed_on + dt.timedelta(days=LONGEST_DAYS)


def confirmed(
    overrides: Iterable[Override],
    contents: Mapping[str, Mapping[tuple[str, ...], str]],
    keys: restricted.Keys,
    today: dt.date,
) -> tuple[dict[str, set[tuple[str, ...]]], list[tuple[Override, str, int]]]:
    """Which failing rows are confirmed today, and what each override is worth.

    `contents` gives, for each check by name, what stands in its failing rows by their key. Returns
    the confirmed keys by check; and each override with `in force`, `expired`, or `void: the row has
    changed`, and how many failing rows it confirms.
    """
    by_check: dict[str, set[tuple[str, ...]]] = {}
    standing = []
    hashed: dict[str, dict[str, list[tuple[str, ...]]]] = {}
    for override in overrides:
        if override.check not in hashed:
            rows = hashed.setdefault(override.check, {})
            for key, content in contents.get(override.check, {}).items():
                rows.setdefault(row_hash(keys, override.check, content), []).append(key)
        found = hashed[override.check].get(override.row, [])
        if today > override.expires_on:
            standing.append((override, "expired", 0))
        elif not found:
            standing.append((override, "void: the row has changed", 0))
        else:
            standing.append((override, "in force", len(found)))
            by_check.setdefault(override.check, set()).update(found)
    return by_check, standing


def _place(home: Home):
    return home.restricted / "overrides.json"
