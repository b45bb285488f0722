"""Waivers: a check that may fail for a while, with an owner, a second name, a reason and an end.

A waiver is a line of a version-controlled file, so who gave it and when is in its history. It holds
up to a number of failing rows: what grows past it is open again. It ends by itself.
"""

import datetime as dt
import tomllib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from etl.errors import LIKE_A_NUMBER, QualityError
from etl.quality.results import Result

FILE = "waivers.toml"
LONGEST_DAYS = 366
TEXTS = ("id", "check", "owner", "second", "reason")
DAYS = ("granted_on", "expires_on")
FIELDS = (*TEXTS, *DAYS, "up_to_rows")


@dataclass(frozen=True)
class Waiver:
    """One check that may fail in up to `up_to_rows` rows, through the day `expires_on`.

    `check` is named as results are: `marts.cohort: age_is_plausible`. `owner` answers for it and
    `second` has looked too.
    """

    id: str
    check: str
    owner: str
    second: str
    reason: str
    granted_on: dt.date
    expires_on: dt.date
    up_to_rows: int

    def holds_on(self, today: dt.date) -> bool:
        return self.granted_on <= today <= self.expires_on


def read_waivers(folder: Path) -> list[Waiver]:
    """The waivers of a folder of expectations. Raises QualityError with the place of a bad one."""
    path = folder / FILE
    if not path.exists():
        return []
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise QualityError(
            f"{path}: not readable as TOML ({error}). Expected waivers. Correct it."
        ) from None
    if set(content) - {"waiver"} or not isinstance(content.get("waiver", []), list):
        raise QualityError(
            f"{path}: found something else than [[waiver]]. Expected only these. Correct it."
        )
    waivers = [
        _waiver(path, nth, entry) for nth, entry in enumerate(content.get("waiver", []), start=1)
    ]
    for what in ("id", "check"):
        counted = Counter(getattr(waiver, what) for waiver in waivers)
        for twice in sorted(value for value, n in counted.items() if n > 1):
            raise QualityError(
                f"{path}: two waivers with the {what} '{twice}'. Expected each once. Merge them."
            )
    return waivers


def _waiver(path: Path, nth: int, entry: object) -> Waiver:
    def refuse(found: str, expected: str) -> QualityError:
        return QualityError(f"{path}: waiver {nth}: {found}. Expected {expected}. Correct it.")

    if not isinstance(entry, dict) or set(entry) != set(FIELDS):
        wrong = set(FIELDS) ^ set(entry if isinstance(entry, dict) else ())
        raise refuse(f"it lacks or does not know {', '.join(sorted(wrong))}", ", ".join(FIELDS))
    for name in TEXTS:
        if not isinstance(entry[name], str) or not entry[name].strip():
            raise refuse(f"{name} is empty", "words")
        if LIKE_A_NUMBER.search(entry[name]):
            raise refuse(f"{name} holds what may be a personal number", "plain words")
    for name in DAYS:
        if type(entry[name]) is not dt.date:
            raise refuse(f"{name} is '{entry[name]}'", "a day such as 2026-11-01")
    if type(entry["up_to_rows"]) is not int or entry["up_to_rows"] < 1:
        raise refuse(f"up_to_rows is '{entry['up_to_rows']}'", "a whole number from 1 up")
    waiver = Waiver(**entry)
    if waiver.owner.strip().casefold() == waiver.second.strip().casefold():
        raise refuse("owner and second are one person", "two")
    if waiver.expires_on < waiver.granted_on:
        raise refuse("it expires before it is granted", "a later day")
    if (waiver.expires_on - waiver.granted_on).days > LONGEST_DAYS:
        raise refuse("it lasts longer than a year", f"at most {LONGEST_DAYS} days")
    return waiver


def hold_checks(folder: Path, waivers: Iterable[Waiver], results: Iterable[Result]) -> None:
    """Raises QualityError for a waiver of a check that nobody knows: it would be ignored."""
    known = {result.name for result in results}
    for waiver in waivers:
        if waiver.check not in known:
            raise QualityError(
                f"{folder / FILE}: waiver '{waiver.id}' is of '{waiver.check}', and no check of "
                "this refresh has that name. Expected suite: id, as quality.result has them. "
                "Correct it, or take it away."
            )


def standing(
    waivers: Iterable[Waiver], results: Iterable[Result], today: dt.date
) -> list[tuple[Waiver, str]]:
    """Each waiver with what it is worth today.

    in force     its check fails within its rows
    outgrown     its check fails in more rows, or could not be run
    not needed   its check does not fail
    expired, not yet in force
    """
    open_: Counter = Counter()
    could_not_run = set()
    for result in results:
        if result.status == "fail":
            open_[result.name] += result.n_open
        elif result.status == "not_run":
            could_not_run.add(result.name)

    def of(waiver: Waiver) -> str:
        if today > waiver.expires_on:
            return "expired"
        if today < waiver.granted_on:
            return "not yet in force"
        if waiver.check in could_not_run or open_[waiver.check] > waiver.up_to_rows:
            return "outgrown"
        return "in force" if open_[waiver.check] else "not needed"

    return [(waiver, of(waiver)) for waiver in waivers]


def waived(waivers: Iterable[Waiver], results: Iterable[Result], today: dt.date) -> frozenset[str]:
    """The names of the checks whose failing is waived today."""
    results = list(results)
    return frozenset(
        waiver.check for waiver, is_ in standing(waivers, results, today) if is_ == "in force"
    )
