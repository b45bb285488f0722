"""Deliveries that come after the mock registers' own, always the same ones.

Each is made from a delivery of the mock inbox, under a later day: corrections that lose rows and
get them back, a year that nobody has delivered yet, a civil register in which persons are missing.
"""

import hashlib
import json
import re
from collections.abc import Callable, Iterable
from pathlib import Path

FIRST_DAY = (2025, 1)  # year and month; the day is the delivery's number


def without_every(nth: int, start: int) -> Callable[[bytes], bytes]:
    """A file of text that has lost every so-manieth row, its header excepted."""

    def change(content: bytes) -> bytes:
        header, *rows = content.splitlines(keepends=True)
        return header + b"".join(row for i, row in enumerate(rows) if i % nth != start % nth)

    return change


def in_year(year: int) -> Callable[[bytes], bytes]:
    """The same rows, each day of them in another year; 28 February for the 29th."""

    def change(content: bytes) -> bytes:
        moved = re.sub(rb"(?<=;)(?:19|20)\d\d(?=-\d\d-\d\d)", str(year).encode(), content)
        return moved.replace(f"{year}-02-29".encode(), f"{year}-02-28".encode())

    return change


def as_it_was(content: bytes) -> bytes:
    return content


# (register, the mock's delivery, coverage, which files, what becomes of one, its new year)
Part = tuple[str, str, str, str, Callable[[bytes], bytes], str | None]
DELIVERIES: tuple[tuple[str, tuple[Part, ...]], ...] = (
    (
        "a correction of two years",
        (("patobank", "2022-03-01", "correction", r"pato(2003|2010)", without_every(9, 2), None),),
    ),
    (
        "a civil register without some persons",
        (("cpr", "2023-03-15", "stock", r"cpr3_t_.*", without_every(83, 5), None),),
    ),
    (
        "a new year",
        (("patobank", "2022-03-01", "period", r"pato2018", in_year(2024), "2024"),),
    ),
    (
        "two registers at once",
        (
            ("dsd", "2023-03-15", "stock", r"sarcoma", without_every(17, 3), None),
            ("dcr", "2023-04-01", "stock", r"t_tumor", without_every(11, 4), None),
        ),
    ),
    (
        "contacts of a year corrected, and rows back",
        (
            ("lpr2", "2023-04-01", "correction", r"t_[a-z]+2010", without_every(5, 1), None),
            ("patobank", "2022-03-01", "correction", r"pato2003", as_it_was, None),
        ),
    ),
    (
        "the civil register as it was",
        (("cpr", "2023-03-15", "stock", r"cpr3_t_.*", as_it_was, None),),
    ),
)


def write(inbox: Path, mock_inbox: Path, number: int) -> str:
    """Write delivery `number`, counted from 0, into an inbox of its own. Returns what it is."""
    name, parts = DELIVERIES[number % len(DELIVERIES)]
    year, month = FIRST_DAY
    month += number // 28
    day = f"{year + (month - 1) // 12}-{(month - 1) % 12 + 1:02}-{number % 28 + 1:02}"
    for register, source, coverage, files, change, period in parts:
        _write_one(inbox / register / day, mock_inbox / register / source, coverage,
                   files, change, period, day)  # fmt: skip
    return name


def _write_one(
    folder: Path,
    source: Path,
    coverage: str,
    pattern: str,
    change: Callable[[bytes], bytes],
    period: str | None,
    day: str,
) -> None:
    folder.mkdir(parents=True)
    manifest = json.loads((source / "manifest.json").read_text(encoding="utf-8"))
    wanted: Iterable[dict] = (
        file
        for file in manifest["files"]
        if re.fullmatch(pattern, Path(file["path"]).stem) and file["format"] == "csv"
    )
    listed = []
    for file in wanted:
        content = change((source / file["path"]).read_bytes())
        path = file["path"].replace(file["period"], period) if period else file["path"]
        (folder / path).write_bytes(content)
        listed.append(
            file
            | {
                "path": path,
                "period": period or file["period"],
                "rows": content.count(b"\n") - 1,
                "bytes": len(content),
                "sha256": hashlib.sha256(content).hexdigest(),
            }
        )
    assert listed, f"{pattern}: no such file in {source}"
    (folder / "manifest.json").write_text(
        json.dumps(
            manifest | {"delivered_on": day, "coverage": coverage, "files": listed}, indent=2
        ),
        encoding="utf-8",
    )
