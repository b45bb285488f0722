"""One cohort query on linked tables, beside polars, pandas and data.table.

Of everyone with a leiomyosarcoma in the pathology register: how many, how many women, their days
from birth to the first code, their contacts with a hospital in the year before it, and all their
diagnoses. Each tool answers in a process of its own, in turns; all must say the same.
"""

import csv
import importlib.util
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import click

from benchmarks.demo import CHECKOUT
from benchmarks.processes import measured, medians

RUNS = 5
THREADS = 2
MODULE = "benchmarks.cohort_query"
# Table → the columns that the question needs.
COLUMNS = {
    "patobank/pato": ("person_id", "d_rekvdato", "c_snomedkode"),
    "cpr/cpr3_t_person": ("person_id", "is_number_in_force", "c_kon", "d_foddato"),
    "lpr2/t_adm": ("person_id", "d_inddto"),
    "lpr2/t_diag": ("person_id", "c_diag"),
}
SCRIPT = Path(__file__).with_suffix(".R")


def codes() -> list[str]:
    """The morphology codes of the first study's cases."""
    place = CHECKOUT / "dbt_project/studies/dlms/codelists/case_morphology.csv"
    with place.open(encoding="utf-8", newline="") as file:
        return [row["code"] for row in csv.DictReader(file)]


def pattern(folder: Path, table: str) -> str:
    return str(folder / "home/lake/linked" / table / "*/part.parquet")


# ------------------------------------------------------------------ one process each


def scan(folder: Path) -> dict:
    """Every value of every column that the question needs, once: what no query could save but by
    reading less."""
    import duckdb

    con = duckdb.connect(config={"threads": THREADS})
    started = time.monotonic()
    for table, columns in COLUMNS.items():
        values = ", ".join(f"count({name}), max({name})" for name in columns)
        con.execute(f"select {values} from read_parquet('{pattern(folder, table)}')").fetchall()
    return {"seconds": time.monotonic() - started}


def duckdb_query(folder: Path) -> dict:
    import duckdb

    con = duckdb.connect(config={"threads": THREADS})
    tables = {table.split("/")[1]: f"read_parquet('{pattern(folder, table)}')" for table in COLUMNS}
    wanted = ", ".join(f"'{code}'" for code in codes())
    started = time.monotonic()
    con.execute(
        f"""
        create temp table candidate as
        select person_id, min(d_rekvdato) as index_date
        from {tables["pato"]}
        where left(c_snomedkode, 5) in ({wanted})
        group by person_id
        """
    )
    answer = con.execute(
        f"""
        with

        cohort as (
            select candidate.index_date, person.c_kon, person.d_foddato
            from {tables["cpr3_t_person"]} as person
            inner join candidate on person.person_id = candidate.person_id
            where person.is_number_in_force
        ),

        before as (
            select count(*) as n
            from {tables["t_adm"]} as contact
            inner join candidate on contact.person_id = candidate.person_id
            where
                contact.d_inddto < candidate.index_date
                and contact.d_inddto >= candidate.index_date - 365
        ),

        diagnosis as (
            select count(*) as n
            from {tables["t_diag"]} as diagnosis
            inner join candidate on diagnosis.person_id = candidate.person_id
        )

        select
            count(*),
            count(*) filter (where c_kon = 'K'),
            sum(index_date - d_foddato),
            (select n from before),
            (select n from diagnosis)
        from cohort
        """
    ).fetchone()
    return {"seconds": time.monotonic() - started, "answer": [int(n) for n in answer]}


def polars(folder: Path) -> dict:
    import polars as pl

    started = time.monotonic()
    code, person, contact, diagnosis = (
        pl.scan_parquet(pattern(folder, table), hive_partitioning=False).select(columns)
        for table, columns in COLUMNS.items()
    )
    candidate = (
        code.filter(pl.col("c_snomedkode").str.slice(0, 5).is_in(codes()))
        .group_by("person_id")
        .agg(index_date=pl.col("d_rekvdato").min())
        .collect()
    )
    cohort = person.filter("is_number_in_force").join(candidate.lazy(), on="person_id").collect()
    days = pl.col("index_date") - pl.col("d_inddto")
    before = contact.join(candidate.lazy(), on="person_id").filter(
        days > pl.duration(days=0), days <= pl.duration(days=365)
    )
    answer = [
        len(cohort),
        (cohort["c_kon"] == "K").sum(),
        (cohort["index_date"] - cohort["d_foddato"]).dt.total_days().sum(),
        before.select(pl.len()).collect().item(),
        diagnosis.join(candidate.lazy(), on="person_id").select(pl.len()).collect().item(),
    ]
    return {"seconds": time.monotonic() - started, "answer": [int(n) for n in answer]}


def pandas(folder: Path) -> dict:
    import pandas as pd

    started = time.monotonic()
    code, person, contact, diagnosis = (
        pd.concat(
            pd.read_parquet(path, columns=list(columns), partitioning=None)
            for path in sorted((folder / "home/lake/linked" / table).glob("*/part.parquet"))
        )
        for table, columns in COLUMNS.items()
    )
    cases = code[code.c_snomedkode.str[:5].isin(codes())]
    candidate = cases.groupby("person_id").d_rekvdato.min().rename("index_date").reset_index()
    cohort = person[person.is_number_in_force.fillna(False)].merge(candidate, on="person_id")
    before = contact[contact.person_id.isin(candidate.person_id)].merge(candidate, on="person_id")
    days = (pd.to_datetime(before.index_date) - pd.to_datetime(before.d_inddto)).dt.days
    age = pd.to_datetime(cohort.index_date) - pd.to_datetime(cohort.d_foddato)
    answer = [
        len(cohort),
        (cohort.c_kon == "K").sum(),
        age.dt.days.sum(),
        ((days > 0) & (days <= 365)).sum(),
        diagnosis.person_id.isin(candidate.person_id).sum(),
    ]
    return {"seconds": time.monotonic() - started, "answer": [int(n) for n in answer]}


def data_table(folder: Path) -> dict:
    ended = subprocess.run(
        ["Rscript", str(SCRIPT), str(folder / "as_csv"), ",".join(codes()), str(THREADS)],
        check=True, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    return json.loads(ended.stdout)


def as_csv(folder: Path) -> dict:
    """The same columns as CSV, for data.table, which reads no Parquet by itself.

    Persons bear small numbers: R has no whole numbers of 64 bits unless a package brings them.
    """
    import duckdb

    (folder / "as_csv").mkdir(exist_ok=True)
    con = duckdb.connect(config={"threads": THREADS})
    everyone = " union ".join(
        f"select person_id from read_parquet('{pattern(folder, table)}')" for table in COLUMNS
    )
    con.execute(
        f"create temp table person as "
        f"select person_id, row_number() over () as small from ({everyone})"
    )
    for table, (_, *others) in COLUMNS.items():
        place = folder / "as_csv" / f"{table.split('/')[1]}.csv"
        con.execute(
            f"""
            copy (
                select person.small as person_id, {", ".join(others)}
                from read_parquet('{pattern(folder, table)}') as rows
                inner join person on rows.person_id = person.person_id
            ) to '{place}' (format csv, header)
            """
        )
    return {}


WORK: dict[str, Callable[[Path], dict]] = {
    "scan": scan,
    "duckdb": duckdb_query,
    "polars": polars,
    "pandas": pandas,
    "data_table": data_table,
    "as_csv": as_csv,
}
ALTERNATIVES = {
    "DuckDB on the linked lake": "duckdb",
    "one scan of its columns": "scan",
    "polars": "polars",
    "pandas": "pandas",
    "R data.table, loading in": "data_table",
}


# ------------------------------------------------------------------ in turns


def has_data_table() -> bool:
    return (
        bool(shutil.which("Rscript"))
        and not subprocess.run(
            ["Rscript", "-e", "library(data.table)"], capture_output=True
        ).returncode
    )


def run(folder: Path, rows: int) -> dict[str, dict]:
    """Every tool that is installed, `RUNS` times in turns; medians. `seconds` are the query's own.

    Raises ClickException where two tools answer differently.
    """
    works = {
        name: work
        for name, work in ALTERNATIVES.items()
        if work not in ("polars", "pandas") or importlib.util.find_spec(work)
    }
    if has_data_table():
        measured(MODULE, "as_csv", folder, rows)
    else:
        del works["R data.table, loading in"]
    turns, answers = [], {}
    for number in range(RUNS):
        turns.append({})
        for name, work in works.items():
            of_process = measured(MODULE, work, folder, rows)
            told = json.loads((folder / f"answer-{work}.json").read_text(encoding="utf-8"))
            if "answer" in told:
                answers[name] = told["answer"]
            turns[-1][name] = of_process | {
                "seconds": round(told["seconds"], 3),
                "rows_per_second": round(rows / told["seconds"]),
                "process_seconds": of_process["seconds"],
            }
        click.echo(f"cohort query, run {number + 1} of {RUNS}")
    if len({tuple(answer) for answer in answers.values()}) != 1:
        raise click.ClickException(f"the tools answer differently: {answers}. Expected the same.")
    shutil.rmtree(folder / "as_csv", ignore_errors=True)
    return medians(turns)


if __name__ == "__main__":
    work, folder = sys.argv[1], Path(sys.argv[2])
    (folder / f"answer-{work}.json").write_text(json.dumps(WORK[work](folder)), encoding="utf-8")
