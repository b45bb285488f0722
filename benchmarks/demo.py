"""Time and memory of the two commands in fresh clones: `python -m benchmarks.demo`.

Clones the committed checkout, runs `make demo` there (set-up and job told apart), a second
`make demo`, and once `make test`. Writes benchmarks/demo.json with the machine named. No test
asserts a time; the README shows these figures.
"""

import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import click
import psutil

CHECKOUT = Path(__file__).resolve().parent.parent
RESULT = Path(__file__).parent / "demo.json"
SAMPLE_SECONDS = 0.1


class Peak:
    """Highest resident memory of any one process below this one, sampled while it runs."""

    def __init__(self) -> None:
        self.bytes = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> "Peak":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        this = psutil.Process()
        while not self._stop.wait(SAMPLE_SECONDS):
            for process in this.children(recursive=True):
                try:
                    self.bytes = max(self.bytes, process.memory_info().rss)
                except psutil.Error:
                    continue


def timed(clone: Path, *command: str) -> tuple[float, int]:
    """Seconds of a command in a clone, and the peak memory of any of its processes in bytes."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("KOBLING_")}
    started = time.monotonic()
    with Peak() as peak:
        subprocess.run(command, cwd=clone, env=environment, check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - started, peak.bytes


def one_run(folder: Path) -> dict:
    """A fresh clone with an empty home: set-up, the job, and the job again."""
    clone = folder / "kobling"
    subprocess.run(["git", "clone", "-q", str(CHECKOUT), str(clone)], check=True)
    setup, _ = timed(clone, "make", ".venv/installed")
    job, memory = timed(clone, "make", "demo")
    again, _ = timed(clone, "make", "demo")
    return {
        "setup_seconds": round(setup, 1),
        "job_seconds": round(job, 1),
        "again_seconds": round(again, 1),
        "peak_mebibytes": round(memory / 2**20),
    }


def machine() -> str:
    """The machine in words, as far as it tells."""
    model = platform.processor() or platform.machine()
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    memory = psutil.virtual_memory().total / 2**30
    return f"{os.cpu_count()} cores ({model}), {memory:.0f} GiB, Python {platform.python_version()}"


@click.command()
@click.option("--runs", type=click.IntRange(1), default=5, show_default=True)
def main(runs: int) -> None:
    """Measure, and keep the medians in benchmarks/demo.json."""
    measured = []
    for number in range(runs):
        with tempfile.TemporaryDirectory() as folder:
            measured.append(one_run(Path(folder)))
            click.echo(f"run {number + 1} of {runs}: {measured[-1]}")
    with tempfile.TemporaryDirectory() as folder:
        clone = Path(folder) / "kobling"
        subprocess.run(["git", "clone", "-q", str(CHECKOUT), str(clone)], check=True)
        timed(clone, "make", ".venv/installed")
        test_seconds, _ = timed(clone, "make", "test")
    result = {
        "machine": machine(),
        "runs": runs,
        "median": {
            key: round(statistics.median(run[key] for run in measured), 1) for key in measured[0]
        },
        "test_seconds": round(test_seconds),
        "measured": measured,
    }
    RESULT.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    click.echo(json.dumps(result, indent=2))


if __name__ == "__main__":
    sys.exit(main())
