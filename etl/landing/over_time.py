"""What a delivery tells beside the ones before it, and beside the years in its files' names.

Pure: values in, values out. Nothing here refuses; a keeper may well send fewer rows, or half a
year, and mean it. Somebody should know.
"""

import calendar
import datetime as dt
from dataclasses import dataclass

from etl.deliveries import Delivery
from etl.landing.records import NO_PERIOD, Current, LandedFile

# Rows of other years below this share are stray, and told row by row.
MORE_YEARS_SHARE = 0.05
# A file ends early where that would be this unlikely, were its days spread evenly over the year.
BY_CHANCE = 0.001
LAST_PART_OF_A_YEAR = "12-01"


@dataclass(frozen=True)
class Span:
    """Landed rows by year of a file that is named for one year, and its last day, MM-DD."""

    years: dict[int, int]
    last_day: str | None


@dataclass(frozen=True)
class Finding:
    """Something about a whole (table, period). `text` is what `land` says, with the numbers."""

    table: str
    period: str
    finding: str
    rows: int
    rows_before: int | None
    text: str


def findings(
    delivery: Delivery, files: list[LandedFile], spans: dict[str, Span], now: list[Current]
) -> list[Finding]:
    """Compare a delivery that is about to be accepted with what counts until then."""
    day = str(delivery.delivered_on)
    before = {
        (entry.file.table, entry.file.period): entry
        for entry in now
        if entry.register == delivery.register.name and entry.delivered_on <= day
    }
    newer = {
        (entry.file.table, entry.file.period)
        for entry in now
        if entry.register == delivery.register.name and entry.delivered_on > day
    }
    found = []
    for file in files:
        slot = (file.table, file.period)
        found += _against_the_version_before(delivery, file, before.get(slot), slot in newer)
        found += _against_its_name(file, spans[file.path])
    if delivery.coverage == "stock":
        held = {(file.table, file.period) for file in files}
        tables = {table for table, _ in held}
        found += [
            Finding(
                *slot, "gone", 0, entry.file.rows,
                f"not delivered again; {entry.file.rows:,} rows in {entry.folder}, which this "
                "stock replaces",
            )
            for slot, entry in sorted(before.items())
            if slot[0] in tables and slot not in held
        ]  # fmt: skip
    return found


def _against_the_version_before(
    delivery: Delivery, file: LandedFile, before: Current | None, is_overtaken: bool
) -> list[Finding]:
    if before is None:
        if delivery.coverage != "correction" or is_overtaken:
            return []
        text = f"corrects a period that was never delivered; {file.rows:,} rows"
        return [Finding(file.table, file.period, "never_delivered", file.rows, None, text)]
    change = file.rows - before.file.rows
    if not change:
        return []
    kind = "grown" if change > 0 else "shrunken"
    text = (
        f"{kind} by {abs(change):,}: {file.rows:,} rows, {before.file.rows:,} in {before.folder}, "
        "which it replaces"
    )
    return [Finding(file.table, file.period, kind, file.rows, before.file.rows, text)]


def _against_its_name(file: LandedFile, span: Span) -> list[Finding]:
    if file.period == NO_PERIOD or not span.years:
        return []
    year, dated = int(file.period), sum(span.years.values())
    others = dated - span.years.get(year, 0)
    found = []
    if others > MORE_YEARS_SHARE * dated:
        counts = ", ".join(f"{n:,} of {other}" for other, n in sorted(span.years.items()))
        text = f"holds more years than its name says: {counts}"
        found.append(Finding(file.table, file.period, "more_years", others, None, text))
    n = span.years.get(year, 0)
    if (
        n
        and span.last_day < LAST_PART_OF_A_YEAR
        and _share_of_year(year, span.last_day) ** n < (BY_CHANCE)
    ):
        text = f"ends on {year}-{span.last_day}, though it is named for the whole year; {n:,} rows"
        found.append(Finding(file.table, file.period, "part_of_a_year", n, None, text))
    return found


def _share_of_year(year: int, last_day: str) -> float:
    day_of_year = dt.date.fromisoformat(f"{year}-{last_day}").timetuple().tm_yday
    return day_of_year / (366 if calendar.isleap(year) else 365)
