"""One fresh process for each measurement, and medians of several."""

import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

import click


def measured(module: str, work: str, folder: Path, rows: int) -> dict:
    """Seconds, seconds of the processor and peak memory of `python -m module work folder`."""
    started = time.monotonic()
    process = subprocess.Popen([sys.executable, "-m", module, work, str(folder)])
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.monotonic() - started
    if process.returncode:
        raise click.ClickException(f"{work}: ended with status {process.returncode}")
    return {
        "rows_per_second": round(rows / seconds),
        "seconds": round(seconds, 2),
        "cpu_seconds": round(used.ru_utime + used.ru_stime, 2),
        "peak_mib": round(used.ru_maxrss / 1024),
    }


def medians(turns: list[dict[str, dict]]) -> dict[str, dict]:
    """Of each alternative the median of every figure over the turns."""
    return {
        name: {field: statistics.median(turn[name][field] for turn in turns) for field in figures}
        for name, figures in turns[0].items()
    }
