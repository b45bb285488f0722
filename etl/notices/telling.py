"""Who was told what, and what is to be told now: one notice per cause. Pure."""

import textwrap
from collections.abc import Iterable
from dataclasses import dataclass

from etl.notices.causes import CAUSES, Cause
from etl.notices.concerns import Concern

# Cause → subject → the text under which it was told.
Told = dict[str, dict[str, str]]

MOST_LINES = 20
WIDTH = 96


@dataclass(frozen=True)
class Notice:
    """What has changed of one cause; each part maps subjects to texts."""

    cause: Cause
    new: dict[str, str]
    changed: dict[str, str]
    over: dict[str, str]
    n_as_before: int

    @property
    def severity(self) -> str:
        """fail or warn while something stands; over when nothing does."""
        stands = self.new or self.changed or self.n_as_before
        return self.cause.severity if stands else "over"

    @property
    def heading(self) -> str:
        """One line: it is the subject of the mail."""
        first, *others = [*self.new, *self.changed] or [*self.over]
        more = f" and {len(others)} more" if others else ""
        end = "" if self.new or self.changed or self.severity == "over" else ": over, others stand"
        line = f"Kobling {self.severity}: {self.cause.name}: {first}{more}{end}"
        return " ".join(line.split())


def tell(standing: Iterable[Concern], told: Told) -> tuple[list[Notice], Told]:
    """Compare what stands with what was told. Returns what to tell, and what is told then.

    Nothing is told of what stands unchanged; what stands no longer is told once, as over.
    """
    now: Told = {}
    for concern in standing:
        now.setdefault(concern.cause, {})[concern.subject] = concern.text
    notices = []
    for name, cause in CAUSES.items():
        stand, before = now.get(name, {}), told.get(name, {})
        notice = Notice(
            cause,
            new={s: text for s, text in stand.items() if s not in before},
            changed={s: text for s, text in stand.items() if before.get(s, text) != text},
            over={} if cause.is_event else {s: t for s, t in before.items() if s not in stand},
            n_as_before=sum(before.get(s) == text for s, text in stand.items()),
        )
        if notice.new or notice.changed or notice.over:
            notices.append(notice)
    return notices, now


def written(notice: Notice, where: str) -> str:
    """A notice as text. Its first line is the heading; it holds no time, the ledger does."""
    cause = notice.cause
    lines = [notice.heading, "", cause.meaning, "", f"where: {where}"]
    for words, part in (
        ("new", notice.new), ("changed", notice.changed), ("over", notice.over),
    ):  # fmt: skip
        if part:
            lines += ["", f"{words}:"]
            for subject, text in [*part.items()][:MOST_LINES]:
                lines += _wrapped(f"{subject}: {text}")
            if len(part) > MOST_LINES:
                lines.append(f"  and {len(part) - MOST_LINES:,} more")
    if notice.n_as_before:
        stand = "1 stands" if notice.n_as_before == 1 else f"{notice.n_as_before:,} stand"
        lines += ["", f"Besides, {stand} as told before."]
    to_do = "nothing, it is over." if notice.severity == "over" else cause.to_do
    return "\n".join([*lines, "", f"what to do: {to_do}", f"runbook: {cause.runbook}", ""])


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(
        " ".join(text.split()), WIDTH, initial_indent="  ", subsequent_indent="    ",
        break_long_words=False, break_on_hyphens=False,
    )  # fmt: skip
