"""Pulling a register out of PostgreSQL, and doing it unchecked: `python -m benchmarks.postgres`.

Each way runs in a process of its own, the ways in turn, five times at a smaller size; the pull once
more at the full size. Client and server share the machine, as they do not at a keeper's. Writes
benchmarks/postgres.json. No test asserts a time.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import textwrap
import time
from pathlib import Path

import click

from benchmarks.demo import machine
from deployment.postgres import installed
from tests import postgres_server
from tests.postgres_server import PASSWORD, Server

CHECKOUT = Path(__file__).resolve().parent.parent
RESULT = Path(__file__).parent / "postgres.json"
FULL_ROWS, SMALLER_ROWS, RUNS = 4_000_000, 1_000_000, 5
TARGET_ROWS_A_SECOND = 300_000
COLUMNS = (
    "k_inst, k_rekvnr, k_matnr, k_sekvensnr, cpr, d_rekvdato, d_modtdato, d_svardato, c_mattype, "
    "c_snomedkode"
)
# Made-up requisitions of 53 years in no order, three codes each.
TABLE = """
    create table {schema}.pato as
    select
        (1000000 + i % 37)::text as k_inst,
        'R' || lpad((i / 3)::text, 9, '0') as k_rekvnr,
        (i % 3 + 1)::int as k_matnr,
        1 as k_sekvensnr,
        '6102' || lpad((i * 7919 % 1000000)::text, 6, '0') as cpr,
        date '1970-01-01' + (i * 31 % 19000)::int as d_rekvdato,
        date '1970-01-01' + (i * 31 % 19000 + 1)::int as d_modtdato,
        date '1970-01-01' + (i * 31 % 19000 + 9)::int as d_svardato,
        (i % 90)::numeric(3, 0) as c_mattype,
        'M' || lpad((i * 7907 % 80000)::text, 5, '0') as c_snomedkode
    from generate_series(1, {rows}::bigint) as t(i)
"""

WAYS = {
    "kobling receive --from": """
        from etl.cli import main
        def work(url, schema, place):
            main(["receive", "--from", url, "--register", "patobank", "--schema", schema,
                  "--complete-to", "2024-05-31"], standalone_mode=False)
    """,
    "ADBC to one Parquet file, no checks": """
        import adbc_driver_postgresql.dbapi
        import pyarrow.parquet
        def work(url, schema, place):
            with adbc_driver_postgresql.dbapi.connect(url) as con, con.cursor() as cursor:
                cursor.execute(f"select {COLUMNS} from {schema}.pato")
                batches = cursor.fetch_record_batch()
                with pyarrow.parquet.ParquetWriter(
                    place / "pato.parquet", batches.schema, compression="zstd"
                ) as file:
                    for batch in batches:
                        file.write_batch(batch)
    """,
    "COPY to CSV, read by DuckDB into Parquet, no checks": """
        import subprocess, duckdb
        def work(url, schema, place):
            copy = f"copy (select {COLUMNS} from {schema}.pato) to stdout (format csv)"
            with subprocess.Popen([PSQL, "-qX", url, "-c", copy], stdout=subprocess.PIPE) as psql:
                names = {name.strip(): "VARCHAR" for name in COLUMNS.split(",")}
                names |= dict.fromkeys(("k_matnr", "k_sekvensnr", "c_mattype"), "BIGINT")
                names |= dict.fromkeys(("d_rekvdato", "d_modtdato", "d_svardato"), "DATE")
                duckdb.sql("set threads = 2")
                duckdb.sql(
                    f"copy (select * from read_csv('/dev/fd/{psql.stdout.fileno()}', header=false, "
                    f"auto_detect=false, columns={names})) to '{place}/pato.parquet' "
                    "(compression zstd)"
                )
            assert psql.returncode == 0
    """,
}
# Imports are no part of the work; the highest memory of the process is, imports and all.
RUN = """
    import sys, time
    from pathlib import Path
    url, schema, place = sys.argv[1], sys.argv[2], Path(sys.argv[3])
    from etl import steps, postgres
    started, processor = time.monotonic(), time.process_time()
    work(url, schema, place)
    seconds, processor = time.monotonic() - started, time.process_time() - processor
    peak = int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]) / 1024
    print(seconds, processor, peak)
"""


def one_run(server: Server, way: str, schema: str, rows: int) -> dict:
    """Rows a second, processor seconds of the client and its peak memory, of one pull."""
    psql = installed() / "pginstall/bin/psql"
    code = "\n".join(
        [f"COLUMNS = {COLUMNS!r}", f"PSQL = {str(psql)!r}"]
        + [textwrap.dedent(part) for part in (WAYS[way], RUN)]
    )
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        given = {"KOBLING_HOME": folder, "KOBLING_KEY": "k" * 40, "PGPASSWORD": PASSWORD}
        ended = subprocess.run(
            [sys.executable, "-c", code, server.url, schema, folder],
            env={k: v for k, v in os.environ.items() if not k.startswith("KOBLING_")} | given,
            cwd=CHECKOUT, check=True, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        written = sum(path.stat().st_size for path in place.rglob("pato*.parquet"))
    seconds, processor, peak = map(float, ended.stdout.splitlines()[-1].split())
    return {
        "rows_per_second": round(rows / seconds),
        "seconds": round(seconds, 2),
        "cpu_seconds": round(processor, 2),  # of the client
        "peak_mib": round(peak),
        "written_mib": round(written / 2**20, 1),
    }


def run() -> dict:
    """Measure, and keep it in benchmarks/postgres.json."""
    load_before = os.getloadavg()[0]
    with postgres_server.running() as server:
        for schema, rows in (("smaller", SMALLER_ROWS), ("larger", FULL_ROWS)):
            server.run(f"create schema {schema}", TABLE.format(schema=schema, rows=rows))
        server.run("vacuum analyze")
        measured = {way: [] for way in WAYS}
        for number in range(RUNS):
            for way in WAYS:
                measured[way].append(one_run(server, way, "smaller", SMALLER_ROWS))
                click.echo(f"run {number + 1} of {RUNS}, {way}: {measured[way][-1]}")
        full = {way: one_run(server, way, "larger", FULL_ROWS) for way in WAYS}
        for way, result in full.items():
            click.echo(f"{FULL_ROWS:,} rows, {way}: {result}")
    result = {
        "machine": machine(),
        "measured_on": time.strftime("%Y-%m-%d"),
        # Well above the number of cores, others were at work and only the ratios say something.
        "load_average": [round(load_before, 1), round(os.getloadavg()[0], 1)],
        "target_rows_per_second": TARGET_ROWS_A_SECOND,
        "runs": RUNS,
        f"{SMALLER_ROWS:,} rows, median of {RUNS}": {
            way: {key: statistics.median(each[key] for each in runs) for key in runs[0]}
            for way, runs in measured.items()
        },
        f"{FULL_ROWS:,} rows, once": full,
    }
    RESULT.write_text(json.dumps(result, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return result


if __name__ == "__main__":
    run()
