"""Notices as files of the home, numbered as they were told, and what is kept in mind between them.

`notices/<number>.txt` is the notice itself, written before anything is sent: a kill at any moment,
or a mail server that is down, may make it be told twice and never loses it. Beside them lie
`told.json`, `sent.json` (the last number that was handed over) and `failures.json`.
"""

import fcntl
import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Protocol

from etl.errors import BusyError, KoblingError, NoticeError, disk_error, without_numbers
from etl.home import Home, read_json, replace_json, replace_text
from etl.notices.concerns import Concern, Failure, after_success
from etl.notices.concerns import without_numbers as without_personal_numbers
from etl.notices.telling import Told, tell, written

NUMBER_DIGITS = 6


class Notifier(Protocol):
    """Where notices go. Another way to tell people needs these two and nothing else."""

    to: str

    def send(self, number: int, text: str) -> None:
        """Hand over one notice; its first line is its heading. Raises NoticeError where nobody
        takes it: it is kept, and sent the next time."""


class ToFiles:
    """The files below `notices/` are all that is wanted."""

    def __init__(self, home: Home) -> None:
        self.to = f"written to {home.notices}"

    def send(self, number: int, text: str) -> None:
        """Nothing is left to do: the file is there."""


def post(
    home: Home,
    concerns: list[Concern],
    where: str,
    notifier: Notifier,
    on_sent: Callable[[int, str], None],
) -> None:
    """Tell what has changed, and what could not be sent before. `on_sent` hears of each notice.

    Raises:
        NoticeError: a notice could not be written, or was not taken. The others were sent; it is
            kept.
    """
    unwritten: dict[int, str] = {}
    faults: list[OSError] = []
    with _one_teller(home):
        notices, now = tell(without_personal_numbers(concerns), told(home))
        number = _last_number(home)
        for notice in notices:
            number += 1
            text = written(notice, where)
            try:
                replace_text(_place(home, number), text)
            except OSError as error:  # a full disk is one of the things to be told
                unwritten[number] = text
                faults.append(error)
        if not unwritten:
            try:
                _remember(home, now)
            except OSError as error:
                faults.append(error)
        faults += _send(home, notifier, unwritten, on_sent)
    if faults:
        raise NoticeError(
            f"{home.notices}: cannot be written ({faults[0].strerror}). Expected room for what is "
            "told. Make room, or let this user write there; then `kobling notify` tells it again."
        )


def _send(
    home: Home, notifier: Notifier, unwritten: dict[int, str], on_sent: Callable[[int, str], None]
) -> list[OSError]:
    """Hand over what waits, in order, and stop at the first that nobody takes. Returns what kept
    it from remembering which it has sent; those are sent again."""
    refused_by_some, faults = None, []
    waiting = {
        number: _place(home, number).read_text(encoding="utf-8")
        for number in _numbers(home)
        if number > _last_sent(home)
    }
    for number, text in sorted((waiting | unwritten).items()):
        try:
            notifier.send(number, text)
        except NoticeError as error:
            if error.is_kept:
                raise
            refused_by_some = error
        on_sent(number, text)
        if number not in unwritten:
            try:
                replace_json(home.notices / "sent.json", {"number": number})
            except OSError as error:
                faults.append(error)
    if refused_by_some:
        raise refused_by_some
    return faults


@contextmanager
def _one_teller(home: Home) -> Iterator[None]:
    """Two commands that end at once tell one after the other. Where the disk is full there may be
    no lock to take, and telling comes before order."""
    with ExitStack() as opened:
        with suppress(OSError):
            home.notices.mkdir(parents=True, exist_ok=True)
            lock = opened.enter_context((home.notices / ".lock").open("a"))
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _place(home: Home, number: int) -> Path:
    return home.notices / f"{number:0{NUMBER_DIGITS}d}.txt"


def _numbers(home: Home) -> list[int]:
    return sorted(int(path.stem) for path in home.notices.glob("[0-9]*.txt"))


def _last_sent(home: Home) -> int:
    sent = home.notices / "sent.json"
    return read_json(sent)["number"] if sent.exists() else 0


def _last_number(home: Home) -> int:
    # A reader may have cleared old notices away; numbers do not begin anew.
    return max([*_numbers(home), _last_sent(home)])


def told(home: Home) -> Told:
    """What was told, by cause and subject. Nothing where nothing was, or nobody can read it."""
    try:
        return read_json(home.notices / "told.json")
    except (FileNotFoundError, json.JSONDecodeError):
        return {}


def _remember(home: Home, now: Told) -> None:
    if now != told(home):
        replace_json(home.notices / "told.json", now)


# ------------------------------------------------------------------ commands that failed


def failures(home: Home) -> dict[str, Failure]:
    """By command: how it failed, where it has not succeeded since."""
    try:
        found = read_json(home.notices / "failures.json")
    except (FileNotFoundError, json.JSONDecodeError):
        return {}
    return {job: Failure(**failure) for job, failure in found.items()}


def note_failure(home: Home, job: str, error: Exception) -> dict[str, Failure]:
    """Keep in mind that a command failed. Returns all that have, also where the disk is full."""
    now = failures(home) | {job: failure_of(error)}
    _keep_failures(home, now)
    return now


def note_success(home: Home, job: str) -> None:
    """A command did its work: what had failed of it has failed no longer."""
    before = failures(home)
    now = after_success(before, job)
    if now != before:
        _keep_failures(home, now)


def _keep_failures(home: Home, now: dict[str, Failure]) -> None:
    replace_json(
        home.notices / "failures.json", {job: asdict(failure) for job, failure in now.items()}
    )


# What a disk that is full says, by itself or in our words.
NO_SPACE = ("no space left", "disk quota exceeded")


def failure_of(error: Exception) -> Failure:
    """What a notice says of an error: our own line; of anything else only its kind, since its text
    may hold a value."""
    told = disk_error(error) or error
    if any(words in str(told).lower() for words in NO_SPACE):
        cause = "disk_full"
    else:
        cause = "home_locked" if isinstance(told, BusyError) else "run_failed"
    is_ours = isinstance(told, KoblingError)
    text = str(told) if is_ours else f"{type(told).__name__}; its log has the traceback"
    return Failure(cause, type(told).__name__, without_numbers(text))
