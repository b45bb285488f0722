"""Time and memory of `kobling mock` at two sizes: `python -m benchmarks.mock`.

Beside it stands what the disk and the checksums alone cost: the same bytes read, hashed and written
once more. Rows per CPU-second tell more than rows per second where others use the machine. Writes
benchmarks/mock.json. No test asserts a time.
"""

import hashlib
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.demo import CHECKOUT, machine

RESULT = Path(__file__).parent / "mock.json"
# Both write all contacts; a town would write fewer.
PERSONS = (250_000, 1_000_000)
PIECE_BYTES = 1 << 20


def mocked(folder: Path, persons: int) -> dict:
    """Write a mock in a process of its own and measure it."""
    command = [
        sys.executable, "-m", "etl.cli", "mock", "--out", str(folder / "inbox"),
        "--answers", str(folder / "answers"), "--persons", str(persons), "--seed", "1",
    ]  # fmt: skip
    started = time.monotonic()
    process = subprocess.Popen(command, cwd=CHECKOUT, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    seconds = time.monotonic() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    manifests = [
        json.loads(path.read_text(encoding="utf-8"))
        for path in (folder / "inbox").rglob("manifest.json")
    ]
    files = [file for manifest in manifests for file in manifest["files"]]
    rows = sum(file["rows"] for file in files)
    return {
        "rows": rows,
        "bytes": sum(file["bytes"] for file in files),
        "rows_per_second": round(rows / seconds),
        "seconds": round(seconds, 1),
        "cpu_seconds": round(used.ru_utime + used.ru_stime, 1),
        "peak_mib": round(used.ru_maxrss / 1024),
    }


def copied(source: Path, target: Path, rows: int) -> dict:
    """Read, hash and write the same bytes once more."""
    started, before = time.monotonic(), resource.getrusage(resource.RUSAGE_SELF)
    for path in sorted(path for path in source.rglob("*") if path.is_file()):
        place = target / path.relative_to(source)
        place.parent.mkdir(parents=True, exist_ok=True)
        sha256 = hashlib.sha256()
        with path.open("rb") as old, place.open("wb") as new:
            while piece := old.read(PIECE_BYTES):
                sha256.update(piece)
                new.write(piece)
    after = resource.getrusage(resource.RUSAGE_SELF)
    cpu_seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    seconds = time.monotonic() - started
    return {
        "rows_per_second": round(rows / seconds),
        "seconds": round(seconds, 1),
        "cpu_seconds": round(cpu_seconds, 1),
        "peak_mib": None,  # of the benchmark itself
    }


def run() -> dict:
    """Measure both sizes."""
    result = {"machine": machine()}
    for persons in PERSONS:
        with tempfile.TemporaryDirectory() as folder:
            measured = mocked(Path(folder), persons)
            copy = copied(Path(folder) / "inbox", Path(folder) / "again", measured["rows"])
        result[f"{persons:,} persons, {measured['rows']:,} rows"] = {
            "Kobling": measured,
            "its files read, hashed and written again": copy,
        }
        print(f"mock of {persons:,} persons: {measured}; its files once more: {copy}")
    return result


if __name__ == "__main__":
    RESULT.write_text(json.dumps(run(), indent=2) + "\n", encoding="utf-8")
