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
import time
from pathlib import Path

import click
import psutil

from benchmarks.processes import Peak

CHECKOUT = Path(__file__).resolve().parent.parent
RESULT = Path(__file__).parent / "demo.json"
README = CHECKOUT / "README.md"


def timed(clone: Path, *command: str) -> tuple[float, int, str]:
    """Seconds of a command in a clone, peak bytes of any one of its processes, and its output."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("KOBLING_")}
    started = time.monotonic()
    with Peak() as peak:
        ended = subprocess.run(
            command, cwd=clone, env=environment, check=True, stdout=subprocess.PIPE, text=True
        )
    return time.monotonic() - started, peak.bytes, ended.stdout


def one_run(folder: Path) -> tuple[dict, str]:
    """A fresh clone with an empty home: set-up, the job, and the job again; and what it printed."""
    clone = folder / "kobling"
    subprocess.run(["git", "clone", "-q", str(CHECKOUT), str(clone)], check=True)
    setup, _, _ = timed(clone, "make", ".venv/installed")
    job, memory, output = timed(clone, "make", "demo")
    again, _, _ = timed(clone, "make", "demo")
    measured = {
        "setup_seconds": round(setup, 1),
        "job_seconds": round(job, 1),
        "again_seconds": round(again, 1),
        "peak_mebibytes": round(memory / 2**20),
    }
    return measured, output


def results_of(output: str, study: str = "dlms") -> str:
    """What a demo ends with for one study: its risk tables and the line of cohort flow, without the
    run's id."""
    lines = output.splitlines()
    first = next(
        n for n, line in enumerate(lines) if line.startswith(f"{study}: ") and " within " in line
    )
    last = next(n for n, line in enumerate(lines) if n > first and line.startswith("Cohort flow"))
    return "\n".join(lines[first : last + 1]).rstrip()


def with_section(text: str, name: str, body: str) -> str:
    """The README with what stands between its <!-- name --> marks replaced."""
    start, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    before, _, rest = text.partition(start)
    _, _, after = rest.partition(end)
    return f"{before}{start}\n{body}\n{end}{after}"


def figures(result: dict) -> str:
    """The README's table of measured figures."""
    median = result["median"]
    together = median["setup_seconds"] + median["job_seconds"]
    return "\n".join(
        [
            f"{result['machine']}; {result['runs']} runs.",
            "",
            "| what | target | measured |",
            "|---|---|---|",
            f"| set-up from the lock | | {median['setup_seconds']:.0f} s |",
            f"| the job of `make demo` | under 150 s | {median['job_seconds']:.0f} s |",
            f"| both together | under 360 s | {together:.0f} s |",
            f"| `make demo` again, nothing new | seconds | {median['again_seconds']:.0f} s |",
            f"| memory of any process | under 1,536 MiB | {median['peak_mebibytes']:.0f} MiB |",
            f"| `make test` | under 480 s | {result['test_seconds']} s |",
        ]
    )


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
    """Measure, and keep the medians in benchmarks/demo.json and the README."""
    measured = []
    for number in range(runs):
        with tempfile.TemporaryDirectory() as folder:
            figures_of_run, output = one_run(Path(folder))
        measured.append(figures_of_run)
        click.echo(f"run {number + 1} of {runs}: {figures_of_run}")
    with tempfile.TemporaryDirectory() as folder:
        clone = Path(folder) / "kobling"
        subprocess.run(["git", "clone", "-q", str(CHECKOUT), str(clone)], check=True)
        timed(clone, "make", ".venv/installed")
        # Some documents tell the figures that are being measured: they are held to them afterwards.
        test_seconds, _, _ = timed(clone, "make", "test", "ARGS=--deselect tests/test_documents.py")
    result = {
        "machine": machine(),
        "runs": runs,
        "median": {
            key: round(statistics.median(run[key] for run in measured), 1) for key in measured[0]
        },
        "test_seconds": round(test_seconds),
        "measured": measured,
    }
    RESULT.write_text(json.dumps(result, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    text = with_section(README.read_text(encoding="utf-8"), "bench", figures(result))
    demo = "".join(f"    {line}".rstrip() + "\n" for line in results_of(output).splitlines())
    README.write_text(with_section(text, "demo", demo.rstrip("\n")), encoding="utf-8")
    click.echo(figures(result))


if __name__ == "__main__":
    sys.exit(main())
