"""The errors that Kobling shows plainly: where, what was found, what was expected, what to do.

Anything that is not a `KoblingError` is a bug of ours and keeps its traceback. No message may hold
a personal number or any other personal value.
"""

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
