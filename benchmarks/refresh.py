"""What a refresh costs beside the first one: `python -m benchmarks.refresh`.

The mock registers' keepers deliver in turn; the last delivery of the pathology register brings two
years again, grown by a few rows. First everything but that delivery is landed and linked, then it
alone. Only what changed should be paid for.
"""

import json
import shutil
import sys
import tempfile
from pathlib import Path

import click

from benchmarks.demo import machine
from benchmarks.homes import settings, silent
from benchmarks.processes import measured, medians

RESULT = Path(__file__).parent / "refresh.json"
PERSONS = 250_000
RUNS = 5
LAST = Path("patobank/2023-04-03")


def write(folder: Path) -> None:
    """The mock registers, all received but the last delivery."""
    from etl import mock, steps

    mock.write(folder / "inbox", folder / "answers", PERSONS, 1, progress=silent)
    shutil.move(folder / "inbox" / LAST, folder / "last" / LAST)
    steps.receive(settings(folder), folder / "inbox", None, silent)


def receive(folder: Path) -> None:
    from etl import steps

    steps.receive(settings(folder), folder / "last", None, silent)


def land_and_link(folder: Path) -> None:
    from etl import steps

    given = settings(folder)
    steps.land(given, None, silent)
    steps.link(given, silent)


WORK = {"write": write, "receive": receive, "land_and_link": land_and_link}


def _rows(folder: Path) -> int:
    """Rows that the manifests below a folder list."""
    from etl.home import read_json

    manifests = folder.rglob("manifest.json")
    return sum(file["rows"] for path in manifests for file in read_json(path)["files"])


def run() -> dict:
    """First and second landing and linkage in turns, medians of `RUNS`."""
    result = {"machine": machine(), "persons": PERSONS, "runs": RUNS}
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        # In a process of its own: a child's peak begins with the memory of whoever started it.
        measured("benchmarks.refresh", "write", folder, 1)
        shutil.copytree(folder / "home", folder / "received")
        rows = {"first": _rows(folder / "inbox"), "last": _rows(folder / "last")}
        turns = []
        for number in range(RUNS):
            shutil.rmtree(folder / "home")
            shutil.copytree(folder / "received", folder / "home")
            first = measured("benchmarks.refresh", "land_and_link", folder, rows["first"])
            measured("benchmarks.refresh", "receive", folder, rows["last"])
            last = measured("benchmarks.refresh", "land_and_link", folder, rows["last"])
            again = measured("benchmarks.refresh", "land_and_link", folder, rows["last"])
            turns.append(
                {"the first": first, "the next, changed rows alone": last, "nothing new": again}
            )
            click.echo(f"refresh {number + 1} of {RUNS}: {turns[-1]}")
        changed = f"{rows['last']:,} of {rows['first'] + rows['last']:,} rows"
        result[f"{changed}, median of {RUNS}"] = medians(turns)
    return result


def main() -> None:
    if len(sys.argv) == 3:
        WORK[sys.argv[1]](Path(sys.argv[2]))
        return
    RESULT.write_text(json.dumps(run(), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
