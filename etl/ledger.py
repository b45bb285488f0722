"""What happened, in order: each line carries the hash of the one before, so none can be changed.

Times live here and nowhere else; everything else that a run writes is the same on every run.
"""

import datetime as dt
import fcntl
import hashlib
import json
import os

from etl.home import Home

START = "0" * 64


def record(home: Home, event: str, *, seconds: float | None = None, **what: object) -> None:
    """Append one event, and how long it took where that was measured. `what` must be free of
    personal values."""
    if seconds is not None:
        what["seconds"] = seconds
    home.state.mkdir(parents=True, exist_ok=True)
    with (home.state / "ledger.lock").open("a") as lock:
        # Commands that only read the home append too, such as who opened the quarantine.
        fcntl.flock(lock, fcntl.LOCK_EX)
        _append(home, event, what)


def _append(home: Home, event: str, what: dict[str, object]) -> None:
    # A kill in the middle of a line leaves half of it behind: cut it off before going on.
    lines = home.ledger.read_bytes() if home.ledger.exists() else b""
    whole = lines[: lines.rfind(b"\n") + 1]
    before = hashlib.sha256(whole.splitlines()[-1]).hexdigest() if whole else START
    entry = {
        "at": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        "event": event,
        **what,
        "before": before,
    }
    line = json.dumps(entry, ensure_ascii=False, sort_keys=True, default=str) + "\n"
    with home.ledger.open("r+b" if home.ledger.exists() else "w+b") as file:
        file.truncate(len(whole))
        file.seek(len(whole))
        file.write(line.encode())
        file.flush()
        os.fsync(file.fileno())


# What an entry is about; events about one study or delivery say nothing of another.
SUBJECTS = ("study", "delivery")


def is_told(home: Home, event: str, *others: str, **what: object) -> bool:
    """Whether the newest entry about the same study or delivery is this event, with `what`.

    `others` are events that would make it untrue. A command that was killed between a deed and its
    entry adds the entry when it is started again; one that was killed after it adds none.
    """
    about = {name: what[name] for name in SUBJECTS if name in what}
    found = [
        entry
        for entry in entries(home, event, *others)
        if all(entry.get(name) == value for name, value in about.items())
    ]
    return (
        bool(found)
        and found[-1]["event"] == event
        and all(found[-1].get(name) == value for name, value in what.items())
    )


def told(home: Home, event: str, field: str) -> set[str]:
    """What the ledger already says: the values of a field in all entries of one event."""
    return {entry[field] for entry in entries(home, event)}


def last(home: Home, event: str) -> dict | None:
    """The newest entry of one event, or None."""
    found = entries(home, event)
    return found[-1] if found else None


def entries(home: Home, *events: str) -> list[dict]:
    """All entries of some events, the oldest first."""
    if not home.ledger.exists():
        return []
    lines = home.ledger.read_bytes()
    told = map(json.loads, lines[: lines.rfind(b"\n") + 1].splitlines())
    return [entry for entry in told if entry["event"] in events]
