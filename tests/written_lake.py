"""A lake and a warehouse from rows written by hand, past landing and linkage.

lake = Lake(home)
lake.add("pato", person_id=ANNA, k_inst="L1", k_rekvnr="R1", ...)
lake.build(settings)        # one dbt build
lake.ask("select * from marts.cohort")
"""

import datetime as dt
import os
from collections import Counter
from pathlib import Path

import duckdb
import polars as pl

from etl import linkage, registers, selection, studies
from etl.home import Home, connect, open_home, read_json, remove
from etl.quality import rates
from etl.settings import CHECKOUT, Settings

NO_UNIT_TESTS = "DBT_EXCLUDE_RESOURCE_TYPES"
TYPES = {"VARCHAR": pl.String, "BIGINT": pl.Int64, "DOUBLE": pl.Float64, "DATE": pl.Date}
TABLES = {
    table.name: table for register in registers.catalogue().values() for table in register.tables
}


class Lake:
    """Rows by table; columns that are not given are missing."""

    def __init__(self, settings: Settings):
        self.settings = settings
        self.home: Home = open_home(settings)
        self.linked: dict[str, list[dict]] = {name: [] for name in TABLES}
        self.unlinked: dict[str, list[dict]] = {name: [] for name in TABLES}

    def add(self, table: str, **row) -> None:
        self.linked[table].append(row)

    def add_unlinked(self, table: str, reason: str, stage: str, **row) -> None:
        self.unlinked[table].append({**row, "reason": reason, "stage": stage})

    def write(self, complete_to: dict[str, dt.date]) -> None:
        """Every table of the catalogue, empty ones too, and the facts of the linkage."""
        with connect(self.settings) as con:
            con.execute(
                "create table crosswalk (pnr text, person_id bigint, is_number_in_force boolean, "
                "reason text)"
            )
            linkage.write_empty(con, self.home)
        for store, rows_of in (
            (self.home.linked, self.linked),
            (self.home.unlinked, self.unlinked),
        ):
            for name, rows in rows_of.items():
                if rows:
                    table = TABLES[name]
                    place = store / table.register / name / "period=2000" / "part.parquet"
                    linkage.write_frame(_frame(table, rows, store == self.home.linked), place)
        flow = {"register": pl.String, "table_name": pl.String, "period": pl.String,
                "stage": pl.String, "reason": pl.String, "rows": pl.Int64}  # fmt: skip
        linkage.write_frame(
            pl.DataFrame(self.flow(), schema=flow, orient="row"),
            self.home.lake / "linkage_flow.parquet",
        )
        finding = {"finding_number": pl.Int64, "kind": pl.String, "person_id": pl.Int64,
                   "other_person_id": pl.Int64}  # fmt: skip
        linkage.write_frame(
            pl.DataFrame([], schema=finding), self.home.lake / "number_finding.parquet"
        )
        facts = pl.DataFrame(
            [
                {"register": name, "complete_to": day, "delivered_on": dt.date(2024, 6, 1)}
                for name, day in sorted(complete_to.items())
            ],
            schema={"register": pl.String, "complete_to": pl.Date, "delivered_on": pl.Date},
        )
        linkage.write_frame(facts, self.home.lake / "register.parquet")

    def flow(self) -> list[tuple]:
        """What the linkage would say of the rows that were added."""
        told = []
        for name, table in TABLES.items():
            n = Counter({("linked", ""): len(self.linked[name])})
            for row in self.unlinked[name]:
                stage = {"landing": "quarantined", "linkage": "unlinked"}[row["stage"]]
                n[stage, row["reason"]] += 1
            n["received", ""] = n.total()
            n["landed", ""] = sum(n[key] for key in n if key[0] in ("linked", "unlinked"))
            told += [
                (table.register, name, "2000", stage, reason, rows)
                for (stage, reason), rows in n.items()
                if n["received", ""]
            ]
        return told

    def build(self) -> None:
        """The warehouse of the studies in the checkout, by the same call as `kobling select`.

        Without unit tests, which do not look at the lake.
        """
        remove(self.home.warehouse)
        project = self.settings.project
        definitions = [studies.read(project, name) for name in studies.names(project)]
        with connect(self.settings, self.home.warehouse) as con:
            studies.load(con, definitions)
            rates.give_before(con, None, "")
        before = os.environ.get(NO_UNIT_TESTS)
        os.environ[NO_UNIT_TESTS] = "unit_test"
        try:
            selection.build(self.settings, self.home, self.home.warehouse, print, "")
            self.built = self.manifest()  # with the SQL of every model; later commands write anew
        finally:
            os.environ.pop(NO_UNIT_TESTS) if before is None else None

    def dbt(self, *arguments: str):
        """Any other dbt command on the warehouse as built."""
        from dbt.adapters.duckdb.connections import DuckDBConnectionManager
        from dbt.cli.main import dbtRunner

        os.environ |= {
            "KOBLING_WAREHOUSE": str(self.home.warehouse),
            "KOBLING_LAKE": str(self.home.lake),
        }
        project = str(self.settings.project / "dbt_project")
        try:
            return dbtRunner().invoke(
                [
                    *arguments,
                    "--project-dir", project,
                    "--profiles-dir", project,
                    "--target-path", str(self.home.state / "dbt"),
                    "--log-path", str(self.home.logs / "dbt"),
                    "--quiet",
                ]
            )  # fmt: skip
        finally:
            DuckDBConnectionManager.close_all_connections()

    def manifest(self) -> dict:
        return read_json(self.home.state / "dbt" / "manifest.json")

    def ask(self, query: str) -> list[dict]:
        with duckdb.connect(str(self.home.warehouse), read_only=True) as con:
            return con.execute(query).pl().to_dicts()


def _frame(table: registers.Table, rows: list[dict], is_linked: bool) -> pl.DataFrame:
    schema = {"person_id": pl.Int64} if is_linked else {}
    for column in table.columns:
        if column.role == "current":
            schema["is_number_in_force"] = pl.Boolean
        elif column.role == "relative":
            schema[f"{column.name}_person_id"] = pl.Int64
        elif column.role != "owner":
            schema[column.name] = TYPES[column.duckdb_type]
    schema["source_row"] = pl.Int64
    if not is_linked:
        schema |= {"reason": pl.String, "stage": pl.String}
    unknown = {key for row in rows for key in row} - set(schema) - {"source_file"}
    assert not unknown, f"{table.name} has no column {unknown}"
    numbered = [{"source_row": n, **row} for n, row in enumerate(rows, 1)]
    return pl.DataFrame(
        [{name: row.get(name) for name in schema} for row in numbered], schema=schema
    )


def settings_for(root: Path) -> Settings:
    return Settings(
        home=root / "home",
        population="mock",
        project=CHECKOUT,
        memory_limit="1GB",
        threads=2,
        key_file=None,
        key_text="k" * 40,
    )
