"""When a register's deliveries are due, and how old what is in force may be. Pure.

Late and stale are two things: a keeper may be on time with old data, and late with nothing lost.
"""

import datetime as dt
from collections.abc import Mapping

from etl.notices.concerns import Concern
from etl.settings import Calendar


def late(
    calendars: Mapping[str, Calendar], delivered_on: Mapping[str, dt.date], today: dt.date
) -> list[Concern]:
    """Registers of which a delivery was due and has not come, by the day of the last received.

    `every_days` after it the next is due, and `late_after_days` later it is late; both included.
    """
    found = []
    for register, calendar in calendars.items():
        if calendar.every_days is None:
            continue
        last = delivered_on.get(register)
        if last is None:
            text = f"nothing was ever received, and a delivery every {calendar.every_days} days is"
            found.append(Concern("delivery_late", register, f"{text} expected"))
            continue
        due = last + dt.timedelta(days=calendar.every_days)
        if today > due + dt.timedelta(days=calendar.late_after_days):
            text = f"the last delivery is of {last}; the next was due on {due}"
            found.append(Concern("delivery_late", register, text))
    return found


def stale(
    calendars: Mapping[str, Calendar], complete_to: Mapping[str, dt.date], today: dt.date
) -> list[Concern]:
    """Registers whose data in force end too long ago. One that never says where it ends is not
    judged."""
    found = []
    for register, calendar in calendars.items():
        ends = complete_to.get(register)
        if calendar.stale_after_days is None or ends is None:
            continue
        if today > ends + dt.timedelta(days=calendar.stale_after_days):
            text = (
                f"what is in force is complete to {ends}, more than {calendar.stale_after_days} "
                "days ago"
            )
            found.append(Concern("data_stale", register, text))
    return found


def refresh_late(last: dt.date | None, after_days: int, today: dt.date) -> list[Concern]:
    """Whether no refresh has passed its checks for more than `after_days`; 0 asks nothing.

    `last` is the day of the last that did, or of the first delivery where none has yet.
    """
    if last is None or not after_days or today <= last + dt.timedelta(days=after_days):
        return []
    text = f"no refresh has passed its checks since {last}, more than {after_days} days ago"
    return [Concern("refresh_late", "refresh", text)]
