"""What stands at this moment and somebody should know: from what the home says to a list. Pure.

A concern is told once. It is told again when its text changes, so no text holds what changes by
itself, such as how many days ago something was.
"""

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from etl.errors import LIKE_A_NUMBER


@dataclass(frozen=True)
class Concern:
    """One thing that stands: `subject` names it within its cause and stays the same while it
    does."""

    cause: str
    subject: str
    text: str


def without_numbers(concerns: Iterable[Concern]) -> list[Concern]:
    """The same without anything like a personal number: notices go further than they may."""
    return [
        replace(
            concern,
            subject=LIKE_A_NUMBER.sub("(a number, not shown)", concern.subject),
            text=LIKE_A_NUMBER.sub("(a number, not shown)", concern.text),
        )
        for concern in concerns
    ]


# ------------------------------------------------------------------ commands


@dataclass(frozen=True)
class Failure:
    """How a command ended that did not do its work. `kind` is the class of the error."""

    cause: str
    kind: str
    text: str


# What a command was refused for → the cause that tells it better where it stands.
TOLD_BETTER = {"DeliveryError": "delivery_refused", "QualityError": "check_failed"}


def failed(failures: Mapping[str, Failure], others: Iterable[Concern]) -> list[Concern]:
    """Commands that failed and have not succeeded since, but those whose reason is told already."""
    stand = {concern.cause for concern in others}
    return [
        Concern(failure.cause, f"kobling {job}", failure.text)
        for job, failure in sorted(failures.items())
        if TOLD_BETTER.get(failure.kind) not in stand
    ]


OF_THE_ROAD = ("receive", "land", "link", "select", "check", "estimate", "release", "run")


def after_success(failures: Mapping[str, Failure], job: str) -> dict[str, Failure]:
    """The failures that are left when a command did its work.

    `run` does that of the whole road, any other its own and that of one register alone. A run that
    was refused for a delivery was refused by `receive`, or by `land`, which keeps its refusals
    itself.
    """

    def is_over(other: str, failure: Failure) -> bool:
        return (
            (job == "run" and other.split()[0] in OF_THE_ROAD)
            or other == job
            or other.startswith(f"{job} ")
            or (job, other, failure.kind) == ("receive", "run", "DeliveryError")
        )

    return {other: failure for other, failure in failures.items() if not is_over(other, failure)}


# ------------------------------------------------------------------ deliveries


def refused(
    in_store: Mapping[str, str], ledger: Iterable[dict], is_receiving_refused: bool
) -> list[Concern]:
    """Refused deliveries that stand.

    Args:
        in_store: register/day → reason, of received deliveries that `land` has refused.
        ledger: entries of deliveries received, refused and accepted, oldest first.
        is_receiving_refused: whether the last `receive` was refused. What it refuses is not in the
            store, so once it has nothing to refuse nobody waits for that delivery.

    One stands until a delivery of the same register, of its day or a later one, is accepted after
    it.
    """
    reasons, last_refused, accepted = dict(in_store), dict.fromkeys(in_store, -1), []
    for place, entry in enumerate(ledger):
        name = entry["delivery"]
        match entry["event"]:
            case "delivery refused":
                last_refused[name] = place
                if is_receiving_refused and name not in in_store:
                    reasons[name] = entry["reason"]
            case "delivery accepted":
                accepted.append((place, *name.split("/")))
            case "delivery received" if name not in in_store:
                reasons.pop(name, None)

    def is_overtaken(name: str) -> bool:
        register, _, day = name.partition("/")
        return any(
            place > last_refused[name] and other == register and other_day >= day
            for place, other, other_day in accepted
        )

    return [
        Concern("delivery_refused", name, reason)
        for name, reason in sorted(reasons.items())
        if not is_overtaken(name)
    ]


# A file that ends within its year is told by `land` alone: the running year always does.
LESS = ("shrunken", "gone")
WHOLE_TABLE = "all"


def shrunken(
    accepted: Iterable[dict],
    counting: set[tuple[str, str]],
    fewer_percent: float,
    fewer_of_a_year_percent: float,
    few_rows: int,
) -> list[Concern]:
    """Deliveries that hold less than they should, of those that count now.

    Args:
        accepted: records of accepted deliveries, as `etl.landing.accepted` gives them.
        counting: (register, day) of the deliveries of which something counts.
        fewer_percent: fewer rows than this are no matter, of a table that comes whole.
        fewer_of_a_year_percent: the same of a period; there never fewer than `few_rows`.
    """

    def is_little(finding: dict) -> bool:
        if finding["finding"] != "shrunken":
            return False
        before, gone = finding["rows_before"], finding["rows_before"] - finding["rows"]
        if finding["period"] == WHOLE_TABLE:
            return 100 * gone <= fewer_percent * before
        return gone < few_rows or 100 * gone <= fewer_of_a_year_percent * before

    found = []
    for record in accepted:
        if (record["register"], record["folder"]) not in counting:
            continue
        told = [
            f"{one['table']} {one['period']}: {one['text']}"
            for one in record["findings"]
            if one["finding"] in LESS and not is_little(one)
        ]
        if told:
            name = f"{record['register']}/{record['folder']}"
            found.append(Concern("delivery_shrunken", name, "; ".join(told)))
    return found


def duplicates(accepted: Iterable[dict]) -> list[Concern]:
    """The newest delivery of a register, where each of its files is one that counted before it."""
    counting: dict[str, dict[tuple[str, str], tuple[str, str]]] = {}
    newest: dict[str, Concern | None] = {}
    for record in accepted:
        register, folder = record["register"], record["folder"]
        before = counting.setdefault(register, {})
        same = {
            before[slot][1]
            for file in record["files"]
            if (slot := (file["table"], file["period"])) in before
            and before[slot][0] == file["sha256"]
        }
        is_copy = all(
            before.get((file["table"], file["period"]), ("", ""))[0] == file["sha256"]
            for file in record["files"]
        )
        newest[register] = (
            Concern(
                "delivery_duplicate",
                f"{register}/{folder}",
                f"every file of it was delivered before, in {', '.join(sorted(same))}",
            )
            if is_copy
            else None
        )
        for file in record["files"]:
            before[file["table"], file["period"]] = (file["sha256"], folder)
    return [concern for _, concern in sorted(newest.items()) if concern]


def renumbered(ledger: Iterable[dict]) -> list[Concern]:
    """Deliveries in which an erased person may be back."""
    return [
        Concern(
            "erased_renumbered",
            entry["delivery"],
            "a number in it may be an erased person's other one; it has stayed in",
        )
        for entry in ledger
    ]


# ------------------------------------------------------------------ checks and what is excepted


@dataclass(frozen=True)
class CheckState:
    """A check in the newest refresh, its deliveries added up, and `change` against the state of
    the registers before: first, new, worsened, improved, fixed or same."""

    name: str
    words: str
    severity: str
    status: str
    n_checked: int
    n_failing: int
    change: str
    is_waived: bool = False


def checks(states: Iterable[CheckState], smallest_count: int) -> list[Concern]:
    """Checks that fail and are not waived, and those that have worsened within what they tolerate.

    A notice may leave by mail, so no count of rows under `smallest_count` stands in it.
    """
    found = []
    for state in states:
        rows = _share(state.n_failing, state.n_checked, smallest_count)
        if state.status in ("fail", "not_run") and not state.is_waived:
            cause = "check_failed" if state.severity == "fatal" else "check_warns"
            how = f"fails in {rows}" if state.status == "fail" else "could not be run"
            found.append(Concern(cause, state.name, f"{how}. {state.words}"))
        elif state.status == "pass_with_findings" and state.change in ("new", "worsened"):
            text = f"fails in {rows}, {state.change} against the refresh before. {state.words}"
            found.append(Concern("check_worsened", state.name, text))
    return found


def _share(n_failing: int, n_checked: int, smallest_count: int) -> str:
    few = f"fewer than {smallest_count}"
    if n_checked < smallest_count:
        return f"some of {few} rows"
    return f"{few if 0 < n_failing < smallest_count else f'{n_failing:,}'} of {n_checked:,} rows"


WAIVER_DAYS_BEFORE = 14


@dataclass(frozen=True)
class Excepted:
    """A waiver or a confirmation: who answers for it, what it excuses, and its last day."""

    name: str
    check: str
    owner: str
    expires_on: dt.date


def ending(excepted: Iterable[Excepted], failing: set[str], today: dt.date) -> list[Concern]:
    """Exceptions that end within WAIVER_DAYS_BEFORE days, or have ended, while their check has
    rows that fail. `failing` names those checks."""
    found = []
    for one in excepted:
        if one.check not in failing:
            continue
        if today > one.expires_on:
            text = f"ended with {one.expires_on}"
        elif (one.expires_on - today).days <= WAIVER_DAYS_BEFORE:
            text = f"ends with {one.expires_on}"
        else:
            continue
        found.append(Concern("waiver_ends", one.name, f"{text}; {one.check}; {one.owner}"))
    return found


# ------------------------------------------------------------------ releases


def staged(waiting: Mapping[str, str], ledger: Iterable[dict]) -> list[Concern]:
    """Releases that wait.

    Args:
        waiting: study → id of its staged release.
        ledger: entries of staged releases; why each waits. The reasons may count few persons, so
            a notice says only how many they are.
    """
    reasons = {(e["study"], e["release"]): len(e.get("outside_bounds", ())) for e in ledger}

    def why(n: int) -> str:
        return f"for {n} reasons" if n > 1 else "for one reason"

    return [
        Concern(
            "release_staged",
            study,
            f"release {release} waits {why(reasons.get((study, release), 1))}; "
            f"`kobling preview {study}` tells",
        )
        for study, release in sorted(waiting.items())
    ]
