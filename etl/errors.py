"""The errors that Kobling shows plainly: where, what was found, what was expected, what to do.

Anything that is not a `KoblingError` is a bug of ours and keeps its traceback. No message may hold
a personal number or any other personal value.
"""

import errno
import re

# A day (raised by 60 or not), a month, a year and four more: what looks like a personal number.
LIKE_A_NUMBER = re.compile(
    r"(?<![0-9])(?:[0-2][0-9]|3[01]|[67][0-9]|8[0-9]|9[01])(?:0[1-9]|1[0-2])[0-9]{2}-?"
    r"(?:[0-9]{4}|[01567][A-Z]{2}[0-9])(?![0-9])"
)

# The same as far as it can be disguised: any day, hyphen or none, zeros before it.
MAYBE_A_NUMBER = re.compile(r"[0-9]{6,}-?[0-9A-Z]{2}[0-9]{2,}")


def without_numbers(text: str) -> str:
    """Text for a log, such as a traceback, without anything that might be a personal number."""
    return MAYBE_A_NUMBER.sub("(a number, not shown)", text)


class KoblingError(Exception):
    """Refused for a reason a person can act on; the CLI prints it in one line and exits with 2,
    or another `exit_status` where the same command may well be taken a little later.

    What looks like a personal number is taken out of the message, wherever it came from: a file's
    name or a manifest may hold one, and messages go to logs and the ledger.
    """

    exit_status = 2

    def __init__(self, message: str) -> None:
        super().__init__(LIKE_A_NUMBER.sub("(a number, not shown)", message))


class SettingsError(KoblingError):
    """The environment or a key asks for something that cannot be."""


class BusyError(KoblingError):
    """Another process has what this one needs, and will have done with it."""

    exit_status = 75  # EX_TEMPFAIL of sysexits.h: try again later


class DeliveryError(KoblingError):
    """A delivery is not what its keeper or its contract says."""


class LinkageError(KoblingError):
    """Linking cannot go on without risking a wrong link or a lost row."""


class StudyError(KoblingError):
    """A study folder contradicts itself, or does not exist."""


class QualityError(KoblingError):
    """A fatal check is red."""


class EstimateError(KoblingError):
    """An estimate cannot be made from the marts as they are."""


class ReleaseError(KoblingError):
    """A release may not be published, or is not whole."""


class StagedError(ReleaseError):
    """A release is whole and waits for somebody to look at it."""


class DisclosureError(KoblingError):
    """A table may not leave."""


class DiskError(KoblingError):
    """The disk takes or gives no more; nothing of it is the fault of what was read or written."""

    exit_status = 74  # EX_IOERR of sysexits.h


# What a disk may say, in the system's words; what is expected of it, and what to do.
OF_THE_DISK = {
    errno.ENOSPC: ("No space left on device", "room for what a run writes", "Make room"),
    errno.EDQUOT: ("Disk quota exceeded", "room for what a run writes", "Raise the quota"),
    errno.EFBIG: ("File too large", "files to be allowed to grow", "Raise the limit on their size"),
    errno.EROFS: ("Read-only file system", "a disk that can be written", "Mount it for writing"),
    errno.EIO: ("Input/output error", "a disk that reads and writes", "Have the disk looked at"),
}
A_PATH = re.compile(r"""["'](/[^"']+)["']""")


def disk_error(error: BaseException | str) -> DiskError | None:
    """What the disk has said, in our words; None where the error is another.

    DuckDB, polars and dbt have no error of their own for it and pass on the system's words.
    """
    text = str(error)
    number = getattr(error, "errno", None)
    if number not in OF_THE_DISK:
        number = next((n for n, (said, *_) in OF_THE_DISK.items() if said in text), None)
    if number is None:
        cause = getattr(error, "__cause__", None) or getattr(error, "__context__", None)
        return disk_error(cause) if cause else None
    named = A_PATH.search(text)
    where = getattr(error, "filename", None) or (named[1] if named else "the disk")
    said, expected, remedy = OF_THE_DISK[number]
    return DiskError(
        f"{where}: {said.lower()}. Expected {expected}. {remedy}, then start the "
        "same command again; nothing half-done counts."
    )


def hold_own_faults(error: BaseException) -> None:
    """Raise what must not be taken for a fault of what was read: the disk's, or a person's Ctrl-C,
    which DuckDB tells as an error like any other."""
    if found := disk_error(error):
        raise found from None
    if any(words in str(error) for words in ("INTERRUPT Error", "Query interrupted")):
        raise KeyboardInterrupt from None


class NoticeError(KoblingError):
    """A notice could not be written or was not taken; one that is kept is sent the next time."""

    def __init__(self, message: str, *, is_kept: bool = True) -> None:
        super().__init__(message)
        self.is_kept = is_kept
