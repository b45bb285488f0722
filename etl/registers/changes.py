"""Holds the contracts against those of the last release: `python -m etl.registers.changes`.

A change needs a raised version, and one that breaks a raised major version. `--release` then makes
the present contracts the released ones. What changed and what breaks is
datacontract's judgement, for keepers and for readers, and ours of the properties that it does not
know.
"""

import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import yaml

from etl.errors import DeliveryError
from etl.registers import FOLDER

RELEASED = FOLDER.parents[1] / "released_contracts"
ENDING = ".odcs.yaml"
SHOWN_CHANGES = 5
# With another of these the same delivery is refused, or read as something else. Added where there
# was none they contradict nothing that was promised.
READ_OTHERWISE = re.compile(
    r"customProperties\.(encoding|delimiter|decimalSeparator|completeToRequired)"
    r"|schema\.\w+\.customProperties\.periodColumn"
    r"|schema\.\w+\.properties\.\w+\.customProperties\.(role|refersTo|firstYear|lastYear)"
    r"|schema\.\w+\.properties\.\w+\.logicalTypeOptions\.format"
)
# datacontract's rule for patterns. A value that does not match one is a finding and no refusal.
ONLY_A_FINDING = "validation-constraint-changed"
VERSION = re.compile(r"(\d+)\.(\d+)\.(\d+)")


@dataclass(frozen=True)
class Change:
    """One difference between two versions of a contract."""

    kind: str  # added, removed, updated
    path: str
    is_breaking: bool

    def __str__(self) -> str:
        return f"{self.path} {self.kind}"


# ------------------------------------------------------------------ core


def reads_otherwise(kind: str, path: str) -> bool:
    """Whether a change of a property that datacontract does not know breaks."""
    return kind != "added" and bool(READ_OTHERWISE.fullmatch(path.removesuffix(".value")))


def verdict(register: str, before: str, after: str, changes: list[Change]) -> str | None:
    """What is wrong with the version of a contract, as one line; None where nothing is.

    Raises DeliveryError where a version is not three numbers.
    """
    old, new = _numbers(register, before), _numbers(register, after)
    if not changes:
        return None
    breaking = [change for change in changes if change.is_breaking]
    if breaking and new[0] <= old[0]:
        return (
            f"{register}{ENDING}: a breaking change under version {after}: {_listed(breaking)}. "
            f"Expected version {old[0] + 1}.0.0, since {before} was released. Raise the major "
            "version, or take the change back."
        )
    if new <= old:
        return (
            f"{register}{ENDING}: changed under version {after}: {_listed(changes)}. Expected a "
            f"version after {before}, which was released. Raise it, or take the change back."
        )
    return None


def _numbers(register: str, version: str) -> tuple[int, ...]:
    found = VERSION.fullmatch(str(version))
    if not found:
        raise DeliveryError(
            f"{register}{ENDING}: the version is '{version}'. Expected three numbers such as "
            "1.2.0. Correct it."
        )
    return tuple(map(int, found.groups()))


def _listed(changes: list[Change]) -> str:
    more = len(changes) - SHOWN_CHANGES
    shown = ", ".join(map(str, changes[:SHOWN_CHANGES]))
    return f"{shown} and {more} more" if more > 0 else shown


# ------------------------------------------------------------------ edge


def compare(before: str, after: str) -> list[Change]:
    """The differences between two contracts as text, but for the version. Asks no server."""
    from datacontract.data_contract import DataContract  # slow to import

    old, new = (
        DataContract(data_contract_str=text, inline_references=False) for text in (before, after)
    )
    by_reader, by_keeper = (
        old.breaking(new, perspective=perspective).entries
        for perspective in ("consumer", "producer")
    )
    broken = {
        entry.path
        for entry in (*by_reader, *by_keeper)
        if entry.level.value == "error" and entry.rule_id != ONLY_A_FINDING
    }
    return [
        Change(
            entry.change_type.value,
            entry.path,
            entry.path in broken or reads_otherwise(entry.change_type.value, entry.path),
        )
        for entry in by_reader  # both name every change
        if entry.path != "version"
    ]


def check(present: Path, released: Path, say: Callable[[str], None]) -> list[str]:
    """What is wrong, one line each; tells of every contract that has changed as it should."""
    faults = []
    for path in sorted(released.glob(f"*{ENDING}")):
        name = path.name.removesuffix(ENDING)
        if not (present / path.name).exists():
            faults.append(
                f"{path.name}: the contract is gone. Expected every released register to have "
                f"one. Bring it back, or take {released.name}/{path.name} away with it."
            )
            continue
        texts = [place.read_text(encoding="utf-8") for place in (path, present / path.name)]
        if texts[0] == texts[1]:
            continue
        before, after = (yaml.safe_load(text)["version"] for text in texts)
        changes = compare(*texts)
        fault = verdict(name, before, after, changes)
        if fault:
            faults.append(fault)
        else:
            n_breaking = sum(change.is_breaking for change in changes)
            say(f"{name} {before} → {after}: {len(changes)} changes, {n_breaking} breaking")
    return faults


def release(present: Path, released: Path) -> None:
    """Make the present contracts the released ones."""
    for path in sorted(present.glob(f"*{ENDING}")):
        (released / path.name).write_bytes(path.read_bytes())


def main(arguments: list[str]) -> int:
    try:
        faults = check(FOLDER, RELEASED, print)
    except DeliveryError as error:
        faults = [str(error)]
    for fault in faults:
        print(f"Error: {fault}", file=sys.stderr)
    if faults:
        return 2
    if arguments == ["--release"]:
        release(FOLDER, RELEASED)
        print(f"{RELEASED.name}: these contracts are the released ones now.")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
