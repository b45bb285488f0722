"""Deliveries of old landed anew by today's contracts and code, as a refresh that waits."""

import statistics
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace

from etl import evidence, ledger, registers
from etl.errors import DeliveryError, SettingsError, StagedError
from etl.home import Home, one_writer, open_home
from etl.landing import Current, accepted, current, forget_put_back, record
from etl.settings import BY_HAND, Settings
from etl.steps.landing import land_one
from etl.steps.receiving import tell_what_a_kill_left_untold
from etl.steps.releasing import BEGUN
from etl.steps.road import run
from etl.steps.wording import Say, hold_words, n_of

# How many of the last times a step tells how long it will take.
LAST_TIMES = 5
# Events of the ledger that tell how long they took.
TIMED = ("delivery accepted", "linked", "selected", "checked", "estimated", "released")


@dataclass(frozen=True)
class Plan:
    """What a backfill would land anew: deliveries with rows in force that are asked for."""

    folders: tuple[tuple[str, str], ...]  # register and folder, in the order in which they count
    rows: int
    files: int


def backfill(
    settings: Settings,
    register: str | None,
    period: str | None,
    is_again: bool,
    by: str | None,
    reason: str | None,
    say: Say,
    say_step: Say,
) -> None:
    """Land anew what counts and was read by other contracts or code, then stage what follows.

    `register` and `period` narrow it; with `is_again` also what was read by the present ones.
    Without `by` and `reason` it is only told what would be done, and how long that took before. A
    delivery that is refused now counts as it was, and nothing is released.
    """
    home = open_home(settings)
    is_asked_only = by is None or reason is None
    if not is_asked_only:
        hold_words("--by", by)
        hold_words("--reason", reason)
    with one_writer(home, all_steps=True) as seconds:
        plan = _plan(settings, home, register, period, is_again)
        if plan.folders:
            say(_told(home, plan))
        else:
            say(
                "nothing to land anew: all that counts was read by the present contracts and code. "
                "--again reads it once more"
            )
        if is_asked_only:
            if plan.folders:
                say("nothing is changed; with --by and --reason it is done")
            return
        if plan.folders:
            say_step("land")
            # First, so that what comes of it waits for a signature however this ends.
            ledger.record(
                home, BEGUN, register=register, period=period, by=by, reason=reason,
                deliveries=["/".join(one) for one in plan.folders],
            )  # fmt: skip
            _land_anew(settings, home, plan, say, seconds)
        # Also where an earlier backfill was broken off after it had landed.
        with suppress(StagedError):  # told as it was staged, and what was asked for
            run(replace(settings, promote=BY_HAND), None, say, say_step)


def _land_anew(
    settings: Settings, home: Home, plan: Plan, say: Say, seconds: Callable[[], float]
) -> None:
    """Every delivery of a plan. Raises DeliveryError when one is refused, after all were tried."""
    tell_what_a_kill_left_untold(home)
    forget_put_back(home)
    before = _rows_of(home, plan)
    refusals = []
    for name, folder in plan.folders:
        place = home.deliveries / name / folder
        _, refused = land_one(settings, home, name, place, None, say, is_anew=True)
        refusals += [refused] if refused else []
    forget_put_back(home)
    after = _rows_of(home, plan)
    for slot in sorted(before.keys() | after.keys()):
        (_, was), (_, now) = (rows.get(slot, ("", 0)) for rows in (before, after))
        if was != now:
            say(f"{slot}: {was:,} rows landed before, now {now:,}")
    ledger.record(
        home, "backfilled", refused=len(refusals), rows=plan.rows, seconds=seconds(),
        files_read_otherwise=sum(before.get(slot) != now for slot, now in after.items()),
    )  # fmt: skip
    if refusals:
        raise DeliveryError(
            "\n".join(f"{refused} It counts as it was landed before." for refused in refusals)
        )


def outdated(settings: Settings, home: Home) -> list[str]:
    """register/folder of what counts and was read by other contracts or code than the present."""
    plan = _plan(settings, home, None, None, is_again=False)
    return ["/".join(one) for one in plan.folders]


def _plan(
    settings: Settings, home: Home, register: str | None, period: str | None, is_again: bool
) -> Plan:
    if register:
        registers.register(register)
    in_force = current(home)
    asked = [
        entry
        for entry in in_force
        if register in (None, entry.register) and period in (None, entry.file.period)
    ]
    if not asked and (register or period):
        periods = sorted({e.file.period for e in in_force if register in (None, e.register)})
        raise SettingsError(
            f"{register or 'every register'}, {period or 'every period'}: nothing of it counts. "
            f"Expected one of the periods {', '.join(periods) or 'of what was delivered: none'}."
        )
    present = evidence.landing_rules(settings.project)
    wanted = {
        (entry.register, entry.folder)
        for entry in asked
        if is_again or not _is_read_by(home, entry, present)
    }
    records = [one for one in accepted(home) if (one["register"], one["folder"]) in wanted]
    return Plan(
        tuple((one["register"], one["folder"]) for one in records),
        sum(file["rows"] for one in records for file in one["files"]),
        sum(len(one["files"]) for one in records),
    )


def _is_read_by(home: Home, entry: Current, rules: str) -> bool:
    return record(home, entry.register, entry.folder).get("rules") == rules


def _rows_of(home: Home, plan: Plan) -> dict[str, tuple[str, int]]:
    """What the files of a plan were read as and how many rows landed, by delivery, table and
    period."""
    return {
        f"{entry['register']}/{entry['folder']}: {file['table']} {file['period']}": (
            file["content"],
            file["landed"],
        )
        for entry in accepted(home)
        if (entry["register"], entry["folder"]) in plan.folders
        for file in entry["files"]
    }


def _told(home: Home, plan: Plan) -> str:
    what = (
        f"{n_of(len(plan.folders), 'delivery', 'deliveries')} of "
        f"{n_of(plan.files, 'file')} and {n_of(plan.rows, 'row')} to land anew, a delivery whole"
    )
    seconds = _seconds(home, plan.rows)
    if seconds is None:
        return f"{what}; how long it takes has not been measured here yet"
    return f"{what}; about {_in_words(seconds)}, by the last times"


def _seconds(home: Home, rows: int) -> float | None:
    """How long it should take: landing by rows, each other step as the last times it ran, with
    everything linked anew at the pace of the last times."""
    entries = [e for e in ledger.entries(home, *TIMED) if e.get("seconds") is not None]
    of = {event: [e for e in entries if e["event"] == event] for event in TIMED}
    landed = [e for e in of["delivery accepted"] if e["rows"]][-LAST_TIMES:]
    if not landed or not all(of[event] for event in ("linked", "selected", "checked")):
        return None
    total = rows * sum(e["seconds"] for e in landed) / sum(e["rows"] for e in landed)
    total += max(e["seconds"] for e in of["linked"][-LAST_TIMES:])
    for event in ("selected", "checked"):
        total += statistics.median(e["seconds"] for e in of[event][-LAST_TIMES:])
    for event in ("estimated", "released"):
        studies = {e["study"] for e in of[event]}
        for study in studies:
            times = [e["seconds"] for e in of[event] if e["study"] == study]
            total += statistics.median(times[-LAST_TIMES:])
    return total


def _in_words(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
