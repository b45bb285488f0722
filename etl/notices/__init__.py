"""Who should know what, told once: what stands in a home, grouped by cause, to a file or by mail.

What stands is worked out anew each time from what the home says, and compared with what was told;
so nothing is lost by a kill, and nothing is told twice that has not changed.
"""

from etl.notices.calendars import late, refresh_late, stale
from etl.notices.causes import CAUSES, Cause
from etl.notices.concerns import (
    CheckState,
    Concern,
    Excepted,
    Failure,
    checks,
    duplicates,
    ending,
    failed,
    refused,
    renumbered,
    shrunken,
    staged,
)
from etl.notices.mail import ByMail
from etl.notices.outbox import (
    Notifier,
    ToFiles,
    failure_of,
    failures,
    note_failure,
    note_success,
    post,
)

__all__ = [
    "CAUSES",
    "ByMail",
    "Cause",
    "CheckState",
    "Concern",
    "Excepted",
    "Failure",
    "Notifier",
    "ToFiles",
    "checks",
    "duplicates",
    "ending",
    "failed",
    "failure_of",
    "failures",
    "late",
    "note_failure",
    "note_success",
    "post",
    "refresh_late",
    "refused",
    "renumbered",
    "shrunken",
    "staged",
    "stale",
]
