"""Where a personal number leads: to one person, or to nobody, and why. Pure.

The civil register names, for every number it ever issued, the number that took its place. Whoever
cannot be followed to one living entry stays unlinked with a reason: two people never merge, and one
person never becomes two. What contradicts itself on the way is a finding, whether or not it stops
anybody.
"""

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

CHANGED, DELETED, ANNULLED = "60", "50", "30"
LATE = "9999-12-31"
# A hospital's own number, which several persons may bear; see etl.personal_number.
REGIONAL = re.compile(r"[0-9]{6}[056][A-Z]{2}[0-9]")
# Why a number of the civil register leads to nobody.
UNRESOLVED_REASONS = (
    "cycle", "fork", "missing_current_number", "annulled", "regional_replacement",
)  # fmt: skip
# What is told of the civil register's numbers, with the numbers and persons concerned.
FINDINGS = {
    "fork": "two numbers took the place of one",
    "cycle": "numbers that take each other's place in a round",
    "missing_current_number": "the number that took its place is not in the register",
    "replaced_by_nobody": "changed or deleted, and no number took its place",
    "leads_to_annulled": "the number that took its place was annulled",
    "annulled_and_replaced": "annulled, and another number took its place",
    "in_force_and_replaced": "neither changed, deleted nor annulled, and another took its place",
    "two_entries": "two entries of one number that say different things",
    "dates_out_of_order": "changed on a later day than the number that took its place",
    "double_of_another": "deleted as a double of a number of another birth date or sex",
    "regional_replacement": "a hospital's own number, which several persons may bear",
}


@dataclass(frozen=True)
class NumberRow:
    """One row of the civil register about one number. Dates are ISO."""

    number: str
    current: str | None  # the number that replaced it; itself or None when in force
    status: str
    status_date: str | None
    sex: str | None = None
    birth_date: str | None = None


@dataclass(frozen=True)
class Resolution:
    """Where a number leads: to a person (first and current number), or to nobody, and why."""

    current: str | None
    first: str | None
    reason: str | None


@dataclass(frozen=True, order=True)
class Finding:
    """What is odd about a number, and the other number concerned where there is one."""

    kind: str
    number: str
    other: str | None = None


class Register:
    """The rows by number, and who followed whom."""

    def __init__(self, rows: Iterable[NumberRow]) -> None:
        self.rows: dict[str, set[NumberRow]] = defaultdict(set)
        for row in rows:
            self.rows[row.number].add(row)
        self.successors = {
            number: {row.current or number for row in same} for number, same in self.rows.items()
        }
        self.status = {
            number: min(row.status for row in same) for number, same in self.rows.items()
        }
        # Only a number that leads one way says whose it was: one with two successors must not make
        # one person of the two. Nor does a number that several persons may bear.
        self.changed_into: dict[str, list[tuple[str, str]]] = defaultdict(list)
        for number, same in self.rows.items():
            if len(self.successors[number]) > 1 or REGIONAL.fullmatch(number):
                continue
            for row in same:
                if row.current and row.current != number and row.status != DELETED:
                    self.changed_into[row.current].append((row.status_date or LATE, number))


def resolve(rows: Iterable[NumberRow]) -> dict[str, Resolution]:
    """Follow every number to the one in force, through chains of any length.

    `first` is the oldest number of the chain, found by walking back from the number in force over
    every number that another took the place of, whatever its status says. Only a surplus number
    that was deleted as a double (status 50) never becomes the first: else discovering a double
    would give a person a new id. Where several were changed into one number the earliest change
    counts, then the lower number.

    A number with two different successors is a `fork`; numbers that lead round are a `cycle`; a
    successor that the register does not hold is a `missing_current_number`. History is dated by the
    register itself: a number of a record of 1994 is followed by what the register says now.
    """
    return _resolved(Register(rows))


def resolve_and_tell(rows: Iterable[NumberRow]) -> tuple[dict[str, Resolution], list[Finding]]:
    """As `resolve`, and what contradicts itself, sorted."""
    register = Register(rows)
    resolved = _resolved(register)
    return resolved, sorted(set(_findings(register, resolved)))


def _resolved(register: Register) -> dict[str, Resolution]:
    resolved: dict[str, Resolution] = {}
    for start in register.rows:
        path: list[str] = []
        on_path: set[str] = set()
        number = start
        while number not in resolved:
            if number in on_path:
                outcome = Resolution(None, None, "cycle")
                break
            path.append(number)
            on_path.add(number)
            following = register.successors.get(number)
            if following is None:
                outcome = Resolution(None, None, "missing_current_number")
                path.pop()
                break
            if REGIONAL.fullmatch(number):
                outcome = Resolution(None, None, "regional_replacement")
                break
            if len(following) > 1:
                outcome = Resolution(None, None, "fork")
                break
            if following == {number}:
                outcome = _end_of_chain(number, register)
                break
            number = next(iter(following))
        else:
            outcome = resolved[number]
        for passed in path:
            resolved[passed] = outcome
    return resolved


def _end_of_chain(number: str, register: Register) -> Resolution:
    if register.status[number] == ANNULLED:
        return Resolution(None, None, "annulled")
    if register.status[number] in (CHANGED, DELETED):
        # It says that another number took its place, and names none.
        return Resolution(None, None, "missing_current_number")
    return Resolution(number, _first(number, register), None)


def _first(number: str, register: Register) -> str:
    seen = {number}
    while before := [e for e in register.changed_into.get(number, []) if e[1] not in seen]:
        number = min(before)[1]
        seen.add(number)
    return number


def _findings(register: Register, resolved: dict[str, Resolution]) -> Iterable[Finding]:
    for number, same in register.rows.items():
        others = sorted(register.successors[number] - {number})
        if REGIONAL.fullmatch(number):
            yield Finding("regional_replacement", number)
        if len(register.successors[number]) > 1:
            yield from (Finding("fork", number, other) for other in others)
        elif len({(row.status, row.status_date) for row in same}) > 1:
            yield Finding("two_entries", number)
        if not others and register.status[number] in (CHANGED, DELETED):
            yield Finding("replaced_by_nobody", number)
        for row in same:
            if row.current and row.current != number:
                yield from _of_replaced(row, row.current, register)
        if len(others) == 1:
            following = resolved.get(others[0], Resolution(None, None, None))
            if resolved[number].reason == "cycle" and _returns(number, register):
                yield Finding("cycle", number, others[0])
            if following.reason == "annulled":
                yield Finding("leads_to_annulled", number, others[0])


def _of_replaced(row: NumberRow, current: str, register: Register) -> Iterable[Finding]:
    """What the entry of a replaced number says against that of its successor."""
    if row.status == ANNULLED:
        yield Finding("annulled_and_replaced", row.number, current)
    elif row.status not in (CHANGED, DELETED):
        yield Finding("in_force_and_replaced", row.number, current)
    if current not in register.rows:
        yield Finding("missing_current_number", row.number, current)
    for other in register.rows.get(current, ()):
        # In a round one change is later than the next, whatever the days.
        is_replaced = other.current and other.current != current and not _returns(current, register)
        if is_replaced and (row.status_date or "") > (other.status_date or LATE):
            yield Finding("dates_out_of_order", row.number, current)
        if row.status == DELETED and any(
            one and another and one != another
            for one, another in ((row.sex, other.sex), (row.birth_date, other.birth_date))
        ):
            yield Finding("double_of_another", row.number, current)


def _returns(number: str, register: Register) -> bool:
    """Whether the way from a number leads back to it, and not only into somebody's round."""
    seen, following = set(), number
    while following not in seen:
        seen.add(following)
        after = register.successors.get(following, set())
        if len(after) != 1:
            return False
        following = next(iter(after))
    return following == number
