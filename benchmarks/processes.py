"""One fresh process for each measurement, watched from outside, and medians of several."""

import os
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Self

import click
import psutil

SAMPLE_SECONDS = 0.1
MIB = 2**20


class Sampled:
    """Looks again and again, in a thread of its own, for as long as a block runs."""

    every_seconds = SAMPLE_SECONDS

    def __enter__(self) -> Self:
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stop.wait(self.every_seconds):
            self.look()

    def look(self) -> None:
        """Take one sample."""
        raise NotImplementedError


class Peak(Sampled):
    """Highest resident memory below this process, sampled while it runs: of any one process, and
    of all together, what they share counted once for each."""

    def __init__(self) -> None:
        self.bytes = self.tree_bytes = 0

    def look(self) -> None:
        together = 0
        for process in psutil.Process().children(recursive=True):
            try:
                here = process.memory_info().rss
            except psutil.Error:
                continue
            self.bytes, together = max(self.bytes, here), together + here
        self.tree_bytes = max(self.tree_bytes, together)


def measured(module: str, work: str, folder: Path, rows: int) -> dict:
    """Seconds, processor, memory and bytes moved of `python -m module work folder`.

    `read_mib` and `written_mib` are what the process and its children asked the system for, whether
    a disk or its cache answered.
    """
    started = time.monotonic()
    with Peak() as peak:
        process = subprocess.Popen([sys.executable, "-m", module, work, str(folder)])
        # Ended, and not yet forgotten: now its account is whole.
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        seconds = time.monotonic() - started
        moved = _moved(process.pid)
        _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise click.ClickException(f"{work}: ended with status {process.returncode}")
    return {
        "rows_per_second": round(rows / seconds),
        "seconds": round(seconds, 2),
        "cpu_seconds": round(used.ru_utime + used.ru_stime, 2),
        "peak_mib": round(used.ru_maxrss / 1024),
        "peak_tree_mib": round(max(peak.tree_bytes / MIB, used.ru_maxrss / 1024)),
        **moved,
    }


def _moved(process: int) -> dict[str, int]:
    """What a process that has ended has read and written, with the children it has waited for."""
    account = Path(f"/proc/{process}/io").read_text(encoding="ascii")
    fields = dict(line.split(": ") for line in account.splitlines())
    return {
        "read_mib": round(int(fields["rchar"]) / MIB),
        "written_mib": round(int(fields["wchar"]) / MIB),
    }


def medians(turns: list[dict[str, dict]]) -> dict[str, dict]:
    """Of each alternative the median of every figure over the turns."""
    return {
        name: {field: statistics.median(turn[name][field] for turn in turns) for field in figures}
        for name, figures in turns[0].items()
    }
