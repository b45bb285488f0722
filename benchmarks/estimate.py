"""Risks of ten million rows beside R and others: `make bench-estimate`.

Each alternative reads the same persons in a process of its own and prints how long the estimation
took from reading the file to the last number; starting the process and importing is not counted.
What is not installed is left out. R's packages read the file before the clock starts, since R reads
no Parquet by itself: the comparison favours them, except in memory, which holds the file.
"""

import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import click
import duckdb

from benchmarks.demo import machine

RESULT = Path(__file__).parent / "estimate.json"
ROWS, SAMPLES = 10_000_000, 1000
FEWER = 10  # jackknife and bootstrap take this part of the rows
PATIENTS, TURNS = 381, 5
HORIZON = 1826
# Days, two causes, two groups, ties on every day.
PERSONS = """
    select
        least(ceil(-ln(1 - random()) * 2500), 4000)::integer as days,
        (case when random() < 0.3 then 0 when random() < 0.4 then 1 else 2 end)::integer as event,
        (case when random() < 0.5 then 'a' else 'b' end) as arm
    from range({rows})
"""


# Each imports what it needs and gives back what is timed.


def kobling(folder: Path) -> Callable[[], object]:
    """Estimate, Greenwood's variance, intervals, differences and Gray's test."""
    from etl.estimate_table import Request, answer

    return lambda: answer(
        Request(folder / "people.parquet", "days", "event", (HORIZON,), group="arm")
    )


def jackknife(folder: Path) -> Callable[[], object]:
    """The infinitesimal jackknife with delayed entry."""
    from etl.estimate_table import Request, answer

    file = folder / "entries.parquet"
    return lambda: answer(Request(file, "days", "event", (HORIZON,), entry="entry", variance="ij"))


def bootstrap(folder: Path) -> Callable[[], object]:
    """Of the share of samples in which the difference of two groups is above 0."""
    from etl.competing_risks import count_events, share_exceeding

    def work() -> None:
        groups = []
        for arm in "ab":
            columns = duckdb.sql(
                f"select days, event, count(*) as n from '{folder}/fewer.parquet' "
                f"where arm = '{arm}' group by all order by all"
            ).fetchnumpy()
            groups.append(count_events(columns["days"], columns["event"], columns["n"]))
        share_exceeding(*groups, 1, HORIZON, 0.0, samples=SAMPLES, seed=1)

    return work


def statsmodels(folder: Path) -> Callable[[], object]:
    import pandas as pd
    from statsmodels.duration.survfunc import CumIncidenceRight

    def work() -> None:
        people = pd.read_parquet(folder / "people.parquet")
        for _, group in people.groupby("arm"):
            CumIncidenceRight(group["days"].to_numpy(), group["event"].to_numpy())

    return work


WORK = {
    "kobling": kobling,
    "jackknife": jackknife,
    "bootstrap": bootstrap,
    "statsmodels": statsmodels,
}
R_WORK = {
    "prodlim": "library(prodlim); f <- function() prodlim(Hist(days, event) ~ arm, data = d)",
    "cmprsk": "library(cmprsk); f <- function() cuminc(d$days, d$event, d$arm)",
}
R_CLOCK = """
suppressMessages({{ {work} }})
d <- read.csv("{file}")
t <- system.time(f())
peak <- grep("VmHWM", readLines("/proc/self/status"), value = TRUE)
m <- as.numeric(gsub("[^0-9]", "", peak))
cat(t[["elapsed"]], t[["user.self"]] + t[["sys.self"]], m, "\\n")
"""


def write(folder: Path, rows: int) -> None:
    con = duckdb.connect(config={"threads": 1})
    con.execute("select setseed(0.42)")
    for name, n in (("people", rows), ("fewer", rows // FEWER)):
        con.execute(f"copy ({PERSONS.format(rows=n)}) to '{folder}/{name}.parquet'")
    con.execute(
        f"copy (select *, floor(days * random() * 0.7)::integer as entry "
        f"from ({PERSONS.format(rows=rows // FEWER)})) to '{folder}/entries.parquet'"
    )
    for name, n in (("people", rows), ("patients", PATIENTS)):
        con.execute(
            f"copy (from '{folder}/people.parquet' limit {n}) to '{folder}/{name}.csv' "
            "(header, delimiter ',')"
        )


def figures(rows: int, seconds: float, cpu_seconds: float, peak_kib: float) -> dict:
    return {
        "rows_per_second": round(rows / seconds),
        "seconds": round(seconds, 2),
        "cpu_seconds": round(cpu_seconds, 2),
        "peak_mib": round(peak_kib / 1024),
    }


def measured(work: str, folder: Path, rows: int) -> dict:
    """Of our own and other Python work, timed inside its process."""
    run = subprocess.run(
        [sys.executable, "-m", "benchmarks.estimate", work, str(folder)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return figures(rows, *map(float, run.stdout.split()))


def measured_in_r(work: str, folder: Path, rows: int) -> dict | None:
    """None where R or the package is not installed."""
    if not shutil.which("Rscript"):
        return None
    script = folder / f"{work}.R"
    script.write_text(R_CLOCK.format(work=R_WORK[work], file=folder / "people.csv"))
    run = subprocess.run(["Rscript", script], capture_output=True, text=True, check=False)
    if run.returncode:
        click.echo(f"{work}: left out, R says: {run.stderr.strip().splitlines()[-1:]}")
        return None
    return figures(rows, *map(float, run.stdout.split()))


def prompted(folder: Path) -> dict:
    """`kobling estimate-table` on a few hundred rows, from the prompt to the answer; a median."""
    command = [
        str(Path(sys.executable).parent / "kobling"), "estimate-table",
        str(folder / "patients.csv"), "--time", "days", "--event", "event", "--group", "arm",
        "--horizon", str(HORIZON),
    ]  # fmt: skip
    turns = []
    for _ in range(TURNS):
        started = time.monotonic()
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise subprocess.CalledProcessError(process.returncode, command)
        cpu = used.ru_utime + used.ru_stime
        turns.append((time.monotonic() - started, cpu, used.ru_maxrss))
    return figures(PATIENTS, *map(statistics.median, zip(*turns, strict=True)))


def run(rows: int = ROWS) -> dict:
    """What was measured; `load` is of the whole machine when it began."""
    result = {"machine": machine(), "load": round(os.getloadavg()[0], 1)}
    fewer = rows // FEWER
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        # In a process of its own: peaks are inherited from whoever starts another.
        subprocess.run(
            [sys.executable, "-m", "benchmarks.estimate", "write", place, str(rows)], check=True
        )
        found = {"Kobling": measured("kobling", folder, rows)}
        found["statsmodels, no differences or test"] = measured("statsmodels", folder, rows)
        for name in R_WORK:
            one = measured_in_r(name, folder, rows)
            if one:
                found[name] = one
        result[f"risks of {rows:,} rows in 2 groups, once"] = found
        result[f"infinitesimal jackknife with delayed entry, {fewer:,} rows, once"] = {
            "Kobling": measured("jackknife", folder, fewer)
        }
        result[f"{SAMPLES:,} bootstrap samples of {fewer:,} persons, once"] = {
            "Kobling": measured("bootstrap", folder, fewer)
        }
        result[f"estimate-table of {PATIENTS} rows from the prompt, median of {TURNS}"] = {
            "Kobling": prompted(folder)
        }
    return result


@click.command()
@click.option("--rows", type=click.IntRange(FEWER), default=ROWS, show_default=True)
@click.option("--kept/--not-kept", default=True, show_default=True, help="Or only printed.")
def main(rows: int, kept: bool) -> None:
    """Measure, and keep the figures in benchmarks/estimate.json."""
    text = json.dumps(run(rows), indent=2, ensure_ascii=False)
    click.echo(text)
    if kept:
        RESULT.write_text(text + "\n", encoding="utf-8")


def one(work: str, folder: Path) -> None:
    """Time one piece of work in this process, and say what it took."""
    timed = WORK[work](folder)
    started, cpu = time.monotonic(), time.process_time()
    timed()
    seconds, cpu_seconds = time.monotonic() - started, time.process_time() - cpu
    print(seconds, cpu_seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["write", folder, rows]:
            write(Path(folder), int(rows))
        case [work, folder] if work in WORK:
            one(work, Path(folder))
        case _:
            main()
