"""Landing diagnoses beside reading and writing without checks: `python -m benchmarks.landing`.

Each alternative reads the same windows-1252 CSV of `t_diag` and writes Parquet, in a process of its
own, in turns. Ours also checks the sha256 and each line and value, numbers the rows, and looks for
copies. Once with a file that has nothing wrong, and once with copies and refused rows in it.
"""

import hashlib
import json
import sys
import tempfile
from pathlib import Path

import click
import duckdb

from benchmarks.demo import machine
from benchmarks.processes import measured, medians

RESULT = Path(__file__).parent / "landing.json"
ROWS = 2_000_000
RUNS = 5
MANY_ROWS = 10_000_000  # once: peak memory, and the figure that was promised

ALTERNATIVES = {
    "Kobling": "kobling clean",
    "Kobling, with copies and refused rows": "kobling bad",
    "polars.read_csv + write_parquet": "polars clean",
    "pandas.read_csv + to_parquet": "pandas clean",
    "DuckDB read_csv → Parquet": "duckdb clean",
}


# ------------------------------------------------------------------ one process each


def kobling(folder: Path) -> None:
    from etl import deliveries, landing
    from etl.home import connect, open_home
    from etl.restricted import keys_of
    from etl.settings import CHECKOUT, Settings

    with tempfile.TemporaryDirectory(dir=folder.parents[2]) as home:
        settings = Settings(
            home=Path(home),
            population="mock",
            project=CHECKOUT,
            memory_limit="1GB",
            threads=2,
            key_file=None,
            key_text="k" * 40,
        )
        opened = open_home(settings)
        with connect(settings) as con:
            parsed = landing.parse(con, opened, deliveries.read(folder), "mock", keys_of(settings))
        landing.accept(opened, parsed, [])


def polars(folder: Path) -> None:
    import polars as pl

    # Text, since a key as a number would lose its zeros.
    rows = pl.read_csv(csv_of(folder), encoding="windows-1252", separator=";", infer_schema=False)
    rows.write_parquet(folder.parents[2] / "polars.parquet")


def pandas(folder: Path) -> None:
    import pandas as pd

    rows = pd.read_csv(csv_of(folder), encoding="cp1252", sep=";", dtype=str)
    rows.to_parquet(folder.parents[2] / "pandas.parquet")


def duckdb_alone(folder: Path) -> None:
    """What reading and writing cost DuckDB itself, of a file that is UTF-8 already."""
    con = duckdb.connect()
    con.execute("set threads = 2")
    con.execute(
        f"copy (select * from read_csv('{csv_of(folder)}', delim = ';', header = true, "
        f"all_varchar = true)) to '{folder.parents[2] / 'duckdb.parquet'}' "
        "(format parquet, compression zstd)"
    )


WORK = {"kobling": kobling, "polars": polars, "pandas": pandas, "duckdb": duckdb_alone}


# ------------------------------------------------------------------ the file


def csv_of(folder: Path) -> Path:
    return folder / "t_diag2003.csv"


def write_delivery(folder: Path, rows: int, has_bad_rows: bool) -> Path:
    """Diagnoses of made-up contacts, two to a contact; with `has_bad_rows` one in 100,000 is a copy
    of another and one in 100,000 has no diagnosis."""
    folder.mkdir(parents=True)
    con = duckdb.connect()
    con.execute("set memory_limit = '1GB'")
    con.execute(
        f"""
        copy (
            select
                10000000 + i // 2 as v_recnum,
                case
                    when {has_bad_rows} and i % 100000 = 50000 then null
                    else 'D' || chr(65 + (hash(i // 2) % 26)::integer)
                        || lpad((hash(i // 2, 1) % 900)::varchar, 3, '0')
                end as c_diag,
                case
                    when i % 2 = 0 or ({has_bad_rows} and i % 100000 = 1) then 'A'
                    when hash(i, 2) % 10 = 0 then '+'
                    else 'B'
                end as c_diagtype,
                case when hash(i // 2, 3) % 20 = 0 then 'ZM' || (80000 + hash(i // 2, 4) % 9000) end
                    as c_tildiag
            from range({rows}) as t(i)
        ) to '{csv_of(folder)}' (format csv, delim ';', header, quote '')
        """
    )
    content = csv_of(folder)
    with content.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    manifest = {
        "register": "lpr2",
        "delivered_on": folder.name,
        "complete_to": "2023-06-30",
        "coverage": "period",
        "files": [
            {
                "path": content.name,
                "table": "t_diag",
                "period": "2003",
                "format": "csv",
                "rows": rows,
                "bytes": content.stat().st_size,
                "sha256": sha256,
            }
        ],
    }
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


# ------------------------------------------------------------------ measuring


def run() -> dict:
    """All alternatives in turns; medians of `RUNS`, and once each with `MANY_ROWS`."""
    result = {"machine": machine(), "rows": ROWS, "runs": RUNS, "many_rows": MANY_ROWS}
    for key, rows, runs in (
        (f"{ROWS:,} rows, median of {RUNS}", ROWS, RUNS),
        (f"{MANY_ROWS:,} rows, once", MANY_ROWS, 1),
    ):
        with tempfile.TemporaryDirectory() as place:
            root = Path(place)
            folders = {
                name: write_delivery(root / name / "lpr2" / "2024-06-01", rows, name == "bad")
                for name in ("clean", "bad")
            }
            turns = []
            for number in range(runs):
                turns.append({})
                for name, words in ALTERNATIVES.items():
                    work, folder = words.split()
                    turns[-1][name] = measured("benchmarks.landing", work, folders[folder], rows)
                click.echo(f"landing {rows:,} rows, run {number + 1} of {runs}: {turns[-1]}")
        result[key] = medians(turns)
    return result


def main() -> None:
    if len(sys.argv) == 3:
        WORK[sys.argv[1]](Path(sys.argv[2]))
        return
    RESULT.write_text(json.dumps(run(), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
