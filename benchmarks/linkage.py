"""Linking rows to persons beside a plain join of the same bytes: `python -m benchmarks.linkage`.

Ours reads locked Parquet, resolves every number through its chain, derives ids under the key,
links, looks for numbers in text, and writes linked rows sorted by person and unlinked ones with
their reason. The others read the same rows unlocked and join them once to the successor that the
civil register names: no chains, no ids, no reasons. Then ids alone, of ten million numbers.
"""

import json
import sys
import tempfile
from pathlib import Path

import click
import duckdb

from benchmarks.demo import machine
from benchmarks.linkage_truth import KEYS, PERIODS, plant
from benchmarks.processes import measured, medians

RESULT = Path(__file__).parent / "linkage.json"
PERSONS = 1_000_000
ROWS = 5 * PERSONS
RUNS = 5
IDS = 10_000_000

ALTERNATIVES = {
    "Kobling": "kobling",
    "DuckDB, one join, sorted": "duckdb",
    "polars, one join, sorted": "polars",
}


def kobling(folder: Path) -> None:
    from etl import linkage, registers
    from etl.restricted import scan

    con = _limited()
    KEYS.unlock(con)
    linkage.identify(con, scan(folder / "issued.locked.parquet"), KEYS.secret)
    linkage.link_file(
        con, registers.register("patobank").table("pato"), folder / "rows.locked.parquet", None,
        folder / "out" / "linked.parquet", folder / "out" / "unlinked.parquet",
    )  # fmt: skip


def _limited() -> duckdb.DuckDBPyConnection:
    return duckdb.connect(config={"threads": 2, "memory_limit": "1GB"})


def duckdb_join(folder: Path) -> None:
    _limited().execute(
        f"""
        copy (
            select issued.v_pnr_gaeld, landed.* exclude (cpr)
            from '{folder}/rows.parquet' as landed
            inner join '{folder}/issued.parquet' as issued on landed.cpr = issued.v_pnr
            order by issued.v_pnr_gaeld, landed.source_row
        ) to '{folder}/out.parquet' (format parquet, compression zstd)
        """
    )


def polars(folder: Path) -> None:
    import polars as pl

    issued = pl.read_parquet(folder / "issued.parquet").select("v_pnr", "v_pnr_gaeld")
    rows = pl.read_parquet(folder / "rows.parquet")
    joined = rows.join(issued, left_on="cpr", right_on="v_pnr").drop("cpr")
    joined.sort("v_pnr_gaeld", "source_row").write_parquet(folder / "out.parquet")


def ids(folder: Path) -> None:
    from etl import keyed_hash

    con = _limited()
    con.execute(f"set temp_directory = '{folder}/spill'")
    keyed_hash.give_ids(
        con, "made", f"select (6100000000 + i)::varchar as value from range({IDS}) as t (i)",
        KEYS.secret,
    )  # fmt: skip


def write(folder: Path) -> None:
    """The same persons and rows, locked and not."""
    from etl import registers
    from etl.restricted import COPY_OPTIONS

    con = plant(PERSONS, ROWS // PERSONS).con
    table = registers.register("patobank").table("pato")
    values = {
        "k_inst": "(source_row % 40)::varchar", "k_rekvnr": "'R' || (source_row // 3)",
        "k_matnr": "1", "k_sekvensnr": "source_row % 3", "cpr": "cpr",
        "d_rekvdato": "date '1990-01-01' + (source_row % 9000)::int", "c_mattype": "11",
        "c_snomedkode": "'T' || (source_row % 9000)",
    }  # fmt: skip
    columns = ", ".join(
        f"({values.get(c.name, 'null')})::{c.duckdb_type} as {c.name}" for c in table.columns
    )
    rows = f"select '{PERIODS[0]}' as source_file, source_row, {columns} from told"
    for name, query in (("rows", rows), ("issued", "select distinct on (v_pnr) * from issued")):
        con.execute(f"copy ({query}) to '{folder}/{name}.locked.parquet' ({COPY_OPTIONS})")
        con.execute(f"copy ({query}) to '{folder}/{name}.parquet' (compression zstd)")


WORK = {"write": write, "kobling": kobling, "duckdb": duckdb_join, "polars": polars, "ids": ids}


def run() -> dict:
    """All alternatives in turns, medians of `RUNS`; ids once."""
    result = {"machine": machine(), "persons": PERSONS, "rows": ROWS, "runs": RUNS}
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        # In a process of its own: a child's peak begins with the memory of whoever started it.
        measured("benchmarks.linkage", "write", folder, ROWS)
        turns = []
        for number in range(RUNS):
            turns.append(
                {
                    name: measured("benchmarks.linkage", work, folder, ROWS)
                    for name, work in ALTERNATIVES.items()
                }
            )
            click.echo(f"linking {ROWS:,} rows, run {number + 1} of {RUNS}: {turns[-1]}")
        result[f"{ROWS:,} rows of {PERSONS:,} persons, median of {RUNS}"] = medians(turns)
        result[f"ids of {IDS:,} numbers, once"] = {
            "Kobling": measured("benchmarks.linkage", "ids", folder, IDS)
        }
    return result


def main() -> None:
    if len(sys.argv) == 3:
        WORK[sys.argv[1]](Path(sys.argv[2]))
        return
    RESULT.write_text(json.dumps(run(), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
