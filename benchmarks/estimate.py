"""Risks of ten million rows beside R and others: `python -m benchmarks.estimate`.

Each alternative reads the same persons in a process of its own and prints how long the estimation
took from reading the file to the last number; starting the process is not counted. What is not
installed is left out, and the result says so. R's packages read the file before the clock starts,
since R reads no Parquet by itself: the comparison favours them.
"""

import json
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import click
import duckdb

from benchmarks.demo import machine

RESULT = Path(__file__).parent / "estimate.json"
ROWS, JACKKNIFE_ROWS, BOOTSTRAP_ROWS, SAMPLES = 10_000_000, 1_000_000, 1_000_000, 1000
HORIZON = 1826
# Days, two causes, two groups, ties on every day.
PERSONS = """
    select
        least(ceil(-ln(1 - random()) * 2500), 4000)::integer as days,
        (case when random() < 0.3 then 0 when random() < 0.4 then 1 else 2 end)::integer as event,
        (case when random() < 0.5 then 'a' else 'b' end) as arm
    from range({rows})
"""


def kobling(folder: Path) -> None:
    """Estimate, Greenwood's variance, intervals, differences and Gray's test."""
    from etl.estimate_table import Request, answer

    answer(Request(folder / "people.parquet", "days", "event", (HORIZON,), group="arm"))


def jackknife(folder: Path) -> None:
    """The infinitesimal jackknife with delayed entry."""
    from etl.estimate_table import Request, answer

    file = folder / "entries.parquet"
    answer(Request(file, "days", "event", (HORIZON,), entry="entry", variance="ij"))


def bootstrap(folder: Path) -> None:
    from etl.competing_risks import count_events, share_exceeding

    groups = []
    for arm in "ab":
        columns = duckdb.sql(
            f"select days, event, count(*) as n from '{folder}/fewer.parquet' "
            f"where arm = '{arm}' group by all order by all"
        ).fetchnumpy()
        groups.append(count_events(columns["days"], columns["event"], columns["n"]))
    share_exceeding(*groups, 1, HORIZON, 0.0, samples=SAMPLES, seed=1)


def statsmodels(folder: Path) -> None:
    import pandas as pd
    from statsmodels.duration.survfunc import CumIncidenceRight

    people = pd.read_parquet(folder / "people.parquet")
    for _, group in people.groupby("arm"):
        CumIncidenceRight(group["days"].to_numpy(), group["event"].to_numpy())


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


def write(folder: Path) -> None:
    con = duckdb.connect(config={"threads": 1})
    con.execute("select setseed(0.42)")
    for name, rows in (("people", ROWS), ("fewer", BOOTSTRAP_ROWS)):
        con.execute(f"copy ({PERSONS.format(rows=rows)}) to '{folder}/{name}.parquet'")
    con.execute(
        f"copy (select *, floor(days * random() * 0.7)::integer as entry "
        f"from ({PERSONS.format(rows=JACKKNIFE_ROWS)})) to '{folder}/entries.parquet'"
    )
    con.execute(
        f"copy (from '{folder}/people.parquet') to '{folder}/people.csv' (header, delimiter ',')"
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


def run() -> dict:
    result = {"machine": machine()}
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        subprocess.run(
            [sys.executable, "-m", "benchmarks.estimate", "write", str(folder)], check=True
        )
        found = {"Kobling": measured("kobling", folder, ROWS)}
        click.echo(found)
        found["statsmodels, estimate only"] = measured("statsmodels", folder, ROWS)
        for name in R_WORK:
            one = measured_in_r(name, folder, ROWS)
            if one:
                found[name] = one
            click.echo(found)
        result[f"risks of {ROWS:,} rows in 2 groups"] = found
        result[f"infinitesimal jackknife with delayed entry, {JACKKNIFE_ROWS:,} rows"] = {
            "Kobling": measured("jackknife", folder, JACKKNIFE_ROWS)
        }
        result[f"{SAMPLES:,} bootstrap samples of {BOOTSTRAP_ROWS:,} persons"] = {
            "Kobling": measured("bootstrap", folder, BOOTSTRAP_ROWS)
        }
    return result


def main() -> None:
    if len(sys.argv) == 3:
        work, folder = sys.argv[1], Path(sys.argv[2])
        if work == "write":
            write(folder)
            return
        started, cpu = time.monotonic(), time.process_time()
        WORK[work](folder)
        seconds, cpu_seconds = time.monotonic() - started, time.process_time() - cpu
        print(seconds, cpu_seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
        return
    RESULT.write_text(json.dumps(run(), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
