"""What a check said, and what all of them together say. Pure: no database, no file."""

from collections.abc import Container, Iterable
from dataclasses import asdict, dataclass, replace
from itertools import groupby

from etl.quality.checks import Check

STATUSES = ("pass", "pass_with_findings", "fail", "not_applicable", "not_run")
COULD_FAIL = STATUSES[:3]

Key = tuple[str, ...]


@dataclass(frozen=True)
class Result:
    """The outcome of one check on one table.

    status:
        pass                no row fails
        pass_with_findings  rows fail, within both bounds that the check tolerates
        fail                more rows fail than it tolerates, whatever its severity
        not_applicable      it is about no row at all: an empty denominator is no pass
        not_run             it could not be evaluated; `reason` says why, without any value
    Severity does not change the status, only what the gate makes of it.

    `failing` names every failing row by `key_columns`, values as text, in order, and `confirmed`
    those of them that somebody has confirmed as they stand: `n_confirmed` of the whole table.
    `scope` says on what the check was run where that is not the whole table: the delivery, at
    landing.
    """

    check: Check
    scope: str
    status: str
    n_checked: int
    n_failing: int
    reason: str
    key_columns: tuple[str, ...]
    failing: tuple[Key, ...]
    confirmed: tuple[Key, ...] = ()
    n_confirmed: int = 0

    @property
    def name(self) -> str:
        return f"{self.check.suite}: {self.check.id}"

    @property
    def n_open(self) -> int:
        """How many failing rows nobody has confirmed."""
        return self.n_failing - self.n_confirmed

    def confirming(self, keys: Iterable[Key]) -> "Result":
        """The same where some failing rows were confirmed as they stand: they count no more."""
        confirmed = tuple(sorted(set(keys) & set(self.failing)))
        if not confirmed:
            return self
        n_open = self.n_failing - len(confirmed)
        return replace(
            self,
            status=judge(self.check, self.n_checked, self.n_failing, n_open),
            confirmed=confirmed,
            n_confirmed=len(confirmed),
        )


def judge(check: Check, n_checked: int, n_failing: int, n_open: int | None = None) -> str:
    """The status of a check that was run on at least one row.

    `n_open` of the failing rows are not confirmed, all of them where it is None; only they are
    held against what is tolerated.
    """
    if n_failing == 0:
        return "pass"
    n_open = n_failing if n_open is None else n_open
    return "pass_with_findings" if check.tolerates(n_open, n_checked) else "fail"


# ------------------------------------------------------------------ all together


@dataclass(frozen=True)
class Gate:
    """green: nothing failed. amber: look, and go on. red: no release may be made.

    `failures` says what made it so, one sentence each.
    """

    state: str
    failures: tuple[str, ...]


def gate(results: Iterable[Result], waived: Container[str] = ()) -> Gate:
    """Red when a fatal check failed or could not be run, or when none was run at all.

    Amber when another check failed or could not be run. Findings within what a check tolerates
    leave the gate green; they are listed all the same. `waived` names checks whose failing is
    waived for now: a fatal one then makes the gate amber, another one leaves it as it is.
    """
    results = list(results)
    if not results:
        return Gate("red", ("no check was run",))
    open_ = [result for result in results if result.status in ("fail", "not_run")]
    fatal = [result for result in open_ if result.check.severity == "fatal"]
    if red := [result for result in fatal if result.name not in waived]:
        return Gate("red", tuple(_sentence(result, waived) for result in red))
    amber = [result for result in open_ if result in fatal or result.name not in waived]
    return Gate("amber" if amber else "green", tuple(_sentence(result, waived) for result in amber))


def _sentence(result: Result, waived: Container[str]) -> str:
    if result.status == "not_run":
        return f"{result.name} could not be run ({result.reason})"
    confirmed = f", {result.n_confirmed:,} of them confirmed" if result.n_confirmed else ""
    return (
        f"{result.name} fails in {result.n_failing:,} of {result.n_checked:,}{confirmed}"
        f"{' (waived)' if result.name in waived else ''}"
    )


def headline(results: Iterable[Result], waived: Container[str] = ()) -> str:
    """One line. Only checks that could fail are counted as passed or not."""
    results = list(results)
    n = {status: sum(result.status == status for result in results) for status in STATUSES}
    return (
        f"{sum(n[status] for status in COULD_FAIL)} checks that could fail: {n['pass']} pass, "
        f"{n['pass_with_findings']} pass with findings, {n['fail']} fail; apart from them "
        f"{n['not_applicable']} not applicable, {n['not_run']} not run; "
        f"gate {gate(results, waived).state}"
    )


def in_order(results: Iterable[Result]) -> list[Result]:
    """Each result once, in an order that does not depend on how they were made."""
    return sorted(
        dict.fromkeys(results),
        key=lambda result: (result.check.suite, result.scope, result.check.id, result.failing),
    )


# ------------------------------------------------------------------ as JSON


def as_row(result: Result) -> dict:
    """A result as JSON can hold it; `from_row` gives it back."""
    return {
        **asdict(result.check),
        "key": list(result.check.key) if result.check.key else None,
        "scope": result.scope,
        "status": result.status,
        "n_checked": result.n_checked,
        "n_failing": result.n_failing,
        "reason": result.reason,
        "key_columns": list(result.key_columns),
        "failing": packed(result.failing),
    }


def from_row(row: dict) -> Result:
    """Records of deliveries outlive what a check tells: what they do not hold is left empty."""
    check = {name: row[name] for name in Check.__dataclass_fields__ if name in row}
    return Result(
        check=Check(**check | {"key": tuple(row["key"]) if row["key"] else None}),
        scope=row["scope"],
        status=row["status"],
        n_checked=row["n_checked"],
        n_failing=row["n_failing"],
        reason=row["reason"],
        key_columns=tuple(row["key_columns"]),
        failing=unpacked(row["failing"]),
    )


def packed(failing: Iterable[Key]) -> list[dict]:
    """Keys with runs of whole numbers in the last place written as spans: under ab12, 3-5 9.

    A register has millions of rows, and the record of a delivery is read often.
    """
    rows: list[dict] = []
    for (beginning, is_number), keys in groupby(
        failing, key=lambda key: (key[:-1], _is_number(key[-1]))
    ):
        last = [key[-1] for key in keys]
        if is_number:
            rows.append({"under": list(beginning), "numbers": " ".join(_spans(last))})
        else:
            rows += [{"under": list(beginning), "text": text} for text in last]
    return rows


def unpacked(rows: Iterable[dict]) -> tuple[Key, ...]:
    return tuple(
        (*row["under"], value)
        for row in rows
        for value in ([row["text"]] if "text" in row else _numbers(row["numbers"]))
    )


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and str(int(text)) == text


def _spans(numbers: list[str]) -> list[str]:
    spans: list[list[int]] = []
    for number in map(int, numbers):
        if spans and number == spans[-1][1] + 1:
            spans[-1][1] = number
        else:
            spans.append([number, number])
    return [str(first) if first == last else f"{first}-{last}" for first, last in spans]


def _numbers(spans: str) -> list[str]:
    ends = [span.partition("-") for span in spans.split()]
    return [str(n) for first, _, last in ends for n in range(int(first), int(last or first) + 1)]
