"""The proof that checks work: every fault planted in a clean mock, and what its check then says.

    make prove-checks

A mock without defects goes the road to its warehouse. Then each check's fault is planted in a few
rows of a copy, one at a time, and taken out again. A check must list every planted row (recall),
and no other that it did not list before (false positives). What it lists in the clean mock is told
beside: mock people live abroad, and die on days that two registers tell differently.

The faults lie in `benchmarks/faults/`, a file a suite, and `rules.json` for the checks that come
from a rule. A fault says either of

    where, set     rows on which it can be planted, and what is changed in them
    where, copy    rows that are copied, and what is changed in the copy
    plant, listed  statements, the first of which may keep what it hits in `hit`, and a query for
                   the keys that must be listed
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import astuple, dataclass, replace
from pathlib import Path

import click
import duckdb

from etl import quality, registers, restricted
from etl.home import Home
from etl.landing import current
from etl.mock import defects
from etl.quality import Check, Result
from etl.quality.checks import filled_in, uses_of_rules
from etl.registers import Table
from etl.settings import CHECKOUT, Settings
from etl.steps.checking import EXPECTATIONS

FAULTS = Path(__file__).parent / "faults"
KEPT = Path(__file__).parent / "checks.json"
# What the delivery specification asks, and the check, quarantine, finding, reason for which a row
# stays unlinked, refusal or test that holds it.
SPECIFICATION = Path(__file__).parent / "specification.json"
PAGE = CHECKOUT / "docs" / "checks.md"
FEW = 5  # rows in which a fault is planted
COPIED = 1_000_000  # added to the row number of a copy
PERSONS = 3_000
LANDED = ("source_file", "source_row")


# ------------------------------------------------------------------ the faults


def faults_of(suite: str) -> dict[str, dict]:
    """Check → fault, of every check that people wrote for a suite."""
    path = FAULTS / f"{suite}.json"
    faults = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    rules = json.loads((FAULTS / "rules.json").read_text(encoding="utf-8"))
    for check_id, use in uses_of_rules(EXPECTATIONS, suite).items():
        faults[check_id] = filled_in(rules[use["rule"]], use)
    return faults


def structural_fault(table: Table, check: Check) -> dict:
    """The fault of a check that is made from a contract."""
    if check.id == "key_is_unique":
        same = " and ".join(f'told."{name}" = hit."{name}"' for name in table.key)
        key = ", ".join(f'"{name}"' for name in table.key)
        return {
            "plant": [
                f"create temp table hit as select {key} from {{batch}} group by all "
                f"having count(*) = 1 order by all limit {FEW}",
                "insert into {batch} select told.* "
                f"replace (source_row + {COPIED} as source_row) "
                f"from {{batch}} as told inner join hit on {same}",
            ],
            "listed": "select told.source_file, told.source_row from {batch} as told "
            f"inner join hit on {same}",
        }
    if check.id.endswith("_is_of_its_era"):
        return _out_of_era(table, check.id.removesuffix("_is_of_its_era"))
    column = table.column(check.kwargs["column"])
    wrong = {"VARCHAR": "'~'", "BIGINT": "7"}[column.duckdb_type]
    return {"where": "true", "set": f'"{column.name}" = {wrong}'}


def _out_of_era(table: Table, name: str) -> dict:
    """A code of a book that was not in use in the year of its row."""
    shape, year = next(
        (shape, year)
        for shape in table.column(name).shapes
        for year in ((shape.first_year or 0) - 1, (shape.last_year or 9999) + 1)
        if 1900 < year < 2100
    )
    when = f"{table.era_column} = date '{year}-07-01'" if table.era_column else f"period = '{year}'"
    return {"where": "true", "set": f"\"{name}\" = '{shape.passes[0]}', {when}"}


def plant(
    con: duckdb.DuckDBPyConnection,
    table_name: str,
    key: Iterable[str],
    fault: dict,
    avoid: Iterable[tuple[str, ...]] = (),
) -> list[tuple[str, ...]]:
    """Plant a fault in a few rows of a table; returns the keys that its check must list, in order.

    Rows under a key of `avoid` stay as they are: they fail already.
    """
    if "plant" in fault:
        for statement in fault["plant"]:
            con.execute(statement.format(batch=table_name))
        return _texts(con, fault["listed"].format(batch=table_name))
    key, avoid = tuple(key), set(avoid)
    named = ", ".join(f'told."{column}"' for column in key)
    where = fault["where"].format(batch=table_name)
    can = [
        row
        for row in _texts(con, f"select {named} from {table_name} as told where {where}")
        if row not in avoid
    ]
    chosen = can[:: max(len(can) // FEW, 1)][:FEW]
    columns = ", ".join(f'"{column}" varchar' for column in key)
    con.execute(f"create temp table planted ({columns})")
    if chosen:
        con.executemany(f"insert into planted values ({', '.join('?' * len(key))})", chosen)
    hit = "exists (select 1 from planted where " + " and ".join(
        f"coalesce(cast(told.\"{column}\" as varchar), '') = planted.\"{column}\"" for column in key
    ) + ")"  # fmt: skip
    if "copy" in fault:
        change = ", ".join(
            part for part in (f"source_row + {COPIED} as source_row", fault["copy"]) if part
        )
        con.execute(
            f"insert into {table_name} select told.* replace ({change}) "
            f"from {table_name} as told where {hit}"
        )
        at = key.index("source_row")
        return sorted((*row[:at], str(int(row[at]) + COPIED), *row[at + 1 :]) for row in chosen)
    con.execute(
        f"update {table_name} as told set {fault['set']} where {hit}".format(batch=table_name)
    )
    return sorted(chosen)


def _texts(con: duckdb.DuckDBPyConnection, query: str) -> list[tuple[str, ...]]:
    rows = con.execute(f"select distinct * from ({query}) order by all").fetchall()
    return sorted(tuple("" if value is None else str(value) for value in row) for row in rows)


# ------------------------------------------------------------------ the proof


@dataclass(frozen=True)
class Proof:
    """What a check said of its fault, in rows."""

    suite: str
    check: str
    planted: int
    listed: int  # of the planted
    false_positives: int  # listed with the fault in place, neither planted nor listed before
    listed_in_clean: int
    reason: str = ""  # why it could not be run

    @property
    def recall(self) -> float | None:
        return self.listed / self.planted if self.planted else None


def prove(
    con: duckdb.DuckDBPyConnection,
    table_name: str,
    key_columns: Sequence[str],
    sensitive_columns: Sequence[str],
    checks: list[Check],
    faults: dict[str, dict],
) -> Iterator[tuple[Proof, Result]]:
    """Plant each check's fault in a table of the connection, look, and take it out again.

    Of each check comes what is proved, and the result with the fault in place.
    """
    about = {"key_columns": key_columns, "sensitive_columns": sensitive_columns}
    for clean in quality.run(con, table_name, checks, **about):
        check, before = clean.check, set(clean.failing)
        con.execute("begin")
        try:
            fault = faults[check.id]
            expected = set(plant(con, table_name, clean.key_columns, fault, before)) - before
            (result,) = quality.run(con, table_name, [check], **about)
        finally:
            con.execute("rollback")
        failing = set(result.failing)
        proof = Proof(
            check.suite,
            check.id,
            len(expected),
            len(expected & failing),
            len(failing - before - expected),
            len(before),
            clean.reason or result.reason,
        )
        yield proof, result


def suites() -> list[str]:
    """Every suite with a file."""
    return sorted(f"{path.parent.name}.{path.stem}" for path in EXPECTATIONS.glob("*/*.json"))


def table_of(suite: str) -> Table:
    _, register, table = suite.split(".")
    return registers.register(register).table(table)


def checks_of(suite: str) -> list[Check]:
    """Structural and written."""
    written = quality.written_checks(EXPECTATIONS, suite)
    if not suite.startswith("landing."):
        return written
    return quality.structural_checks(table_of(suite)) + written


def all_faults_of(suite: str) -> dict[str, dict]:
    """Check → fault, of structural and of written checks."""
    faults = faults_of(suite)
    if suite.startswith("landing."):
        table = table_of(suite)
        faults |= {
            check.id: structural_fault(table, check) for check in quality.structural_checks(table)
        }
    return faults


# ------------------------------------------------------------------ on a clean mock


def make_clean_home(folder: Path, persons: int) -> Path:
    """A mock without defects, from its deliveries to its warehouse."""
    home, inbox = folder / "home", folder / "inbox"
    for step in (
        ["mock", "--out", inbox, "--answers", folder / "answers",
         "--persons", str(persons), "--defects", "none"],
        ["receive", inbox], ["land"], ["link"], ["select"],
    ):  # fmt: skip
        click.echo(f"kobling {step[0]}")
        subprocess.run(
            [sys.executable, "-m", "etl.cli", *map(str, step)],
            cwd=CHECKOUT,
            env=os.environ | {"KOBLING_HOME": str(home)},
            stdout=subprocess.DEVNULL,
            check=True,
        )
    return home


@contextmanager
def copy_of(home: Path, folder: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """The home's warehouse and its landed tables, in a file of their own and all of them tables."""
    settings = replace(Settings.from_environment(), home=home)
    place = Home(home)
    copy = folder / "copy" / place.warehouse.name  # views name the file that they are in
    copy.parent.mkdir()
    copy.write_bytes(place.warehouse.read_bytes())
    with duckdb.connect(copy) as con:
        con.execute("set threads = 2; set preserve_insertion_order = true")
        restricted.keys_of(settings).unlock(con)
        _make_plain(con)
        for suite in suites():
            if suite.startswith("landing."):
                table = table_of(suite)
                scan = restricted.scan(
                    *(entry.path(place) for entry in current(place)
                      if entry.slot[:2] == (table.register, table.name)),
                    options="hive_partitioning = true, hive_types_autocast = false",
                )  # fmt: skip
                con.execute(f'create table "{table.name}" as select * from {scan}')
        yield con


def _make_plain(con: duckdb.DuckDBPyConnection) -> None:
    """Views become tables, so that rows of them can be changed; of the marts' constraints the keys
    are left: what the others would stop is what the checks are there to see."""
    for schema, name, kind in con.execute(
        "select schema_name, view_name, 'view' from duckdb_views() where not internal "
        "and database_name = current_database() "
        "union all select schema_name, table_name, 'table' from duckdb_tables() "
        "where database_name = current_database() and schema_name = 'marts' order by all"
    ).fetchall():
        keys = con.execute(
            "select constraint_column_names from duckdb_constraints() where schema_name = ? "
            "and table_name = ? and constraint_type = 'PRIMARY KEY'",
            [schema, name],
        ).fetchone()
        con.execute(f"create table {schema}.made_plain as from {schema}.{name}")
        con.execute(f"drop {kind} {schema}.{name}")
        con.execute(f"alter table {schema}.made_plain rename to {name}")
        if keys:
            con.execute(f"alter table {schema}.{name} add primary key ({', '.join(keys[0])})")


def prove_all(con: duckdb.DuckDBPyConnection) -> Iterator[Proof]:
    """Every suite, on the connection that `copy_of` gives."""
    for suite in suites():
        if suite.startswith("landing."):
            table = table_of(suite)
            name, key = table.name, LANDED
            sensitive = tuple(column.name for column in table.number_columns)
        else:
            name, key, sensitive = suite, quality.key_columns(con, suite), ()
        for proof, _ in prove(con, name, key, sensitive, checks_of(suite), all_faults_of(suite)):
            yield proof


# ------------------------------------------------------------------ the page


def page(proofs: dict[tuple[str, str], Proof]) -> str:
    """docs/checks.md: every check with its words and what the proof said."""
    lines = [
        "# Every check",
        "",
        "Written by `make prove-checks`; do not edit. Checks of `landing` are about rows as they",
        "came, of `staging` about rows that were linked, of `marts` about what a study is",
        "made of. Bounds are the rows and the percent that are tolerated, – is none. *Found* is",
        "how many of the rows in which a fault was planted, in a clean mock, the check listed,",
        "*false* how many others it listed then, *clean* how many it lists in that mock itself.",
        "[auditors.md](auditors.md) says what severities do, [data-managers.md](data-managers.md)",
        "how to add a check.",
    ]
    for suite in suites():
        lines += [
            "", f"## `{suite}`", "",
            "| check | what should be true | severity | category | bounds | source | since "
            "| found | false | clean |",
            "|---|---|---|---|---|---|---|---|---|---|",
        ]  # fmt: skip
        for check in checks_of(suite):
            proof = proofs.get((suite, check.id))
            told = (
                ["not yet", "", ""]
                if proof is None
                else [
                    f"{proof.listed} of {proof.planted}",
                    str(proof.false_positives),
                    str(proof.listed_in_clean),
                ]
            )
            cells = [
                f"`{check.id}`",
                f"{check.words} *{check.words_da}*",
                check.severity,
                check.category,
                _bounds(check),
                check.source,
                check.since,
                *told,
            ]
            lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines + _where_caught()) + "\n"


def _where_caught() -> list[str]:
    """What the specification asks and the defects that are known, and where each is caught."""
    lines = [
        "",
        "## What is asked of a delivery, and what holds it",
        "",
        "| asked | held by |",
        "|---|---|",
    ]
    for row in json.loads(SPECIFICATION.read_text(encoding="utf-8")):
        lines.append(f"| {row['asked']} | {'; '.join(map(_place, row['held_by']))} |")
    lines += ["", "## Known defects, and where each is caught", "",
              "What `kobling mock` plants, and what becomes of it.", "",
              "| defect | planted | caught as |", "|---|---|---|"]  # fmt: skip
    for kind in defects.CATALOGUE:
        places = sorted(
            {
                form.expected
                for forms in defects.FORMS.values()
                for form in forms
                if form.kind == kind.name
            }
        )
        caught = "; ".join(_outcome(place) for place in places) or kind.becomes
        lines.append(f"| {kind.number} `{kind.name}` | {kind.planted} | {caught} |")
    return lines


def _place(place: str) -> str:
    kind, _, name = place.partition(" ")
    return f"{kind} `{name}`" if name else kind


def _outcome(expected: str) -> str:
    kind, _, name = expected.partition(":")
    return f"{kind} `{name}`" if name else kind


def _bounds(check: Check) -> str:
    rows = "–" if check.tolerated_rows is None else f"{check.tolerated_rows:,}"
    percent = "–" if check.tolerated_percent is None else f"{check.tolerated_percent:g} %"
    return f"{rows}, {percent}"


def kept() -> dict[tuple[str, str], Proof]:
    """What the last `make prove-checks` said."""
    if not KEPT.exists():
        return {}
    rows = json.loads(KEPT.read_text(encoding="utf-8"))
    return {(row[0], row[1]): Proof(*row) for row in rows}


def keep(proofs: Iterable[Proof]) -> None:
    rows = [list(astuple(proof))[:-1] for proof in proofs]
    body = ",\n".join(json.dumps(row) for row in rows)
    KEPT.write_text(f"[\n{body}\n]\n", encoding="utf-8")


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--persons", type=click.IntRange(1), default=PERSONS, show_default=True)
@click.option(
    "--home",
    type=click.Path(path_type=Path, exists=True),
    help="A home with a clean mock's warehouse; by default one is made.",
)
@click.option("--page-only", is_flag=True, help="Write docs/checks.md from the last proof.")
def main(persons: int, home: Path | None, page_only: bool) -> None:
    """Plant every check's fault in a clean mock; print recall and false positives.

    \b
    Example:
        python -m benchmarks.checks --persons 3000
    """
    if not page_only:
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch)
            made = home or make_clean_home(folder, persons)
            proofs = []
            with copy_of(made, folder) as con:
                for proof in prove_all(con):
                    proofs.append(proof)
                    click.echo(_line(proof))
        keep(proofs)
        _tell(proofs)
    PAGE.write_text(page(kept()), encoding="utf-8")
    if not page_only and any(_is_unproved(proof) for proof in proofs):
        sys.exit(1)


def _is_unproved(proof: Proof) -> bool:
    return proof.recall != 1 or proof.false_positives > 0


def _line(proof: Proof) -> str:
    mark = "  NOT PROVED " if _is_unproved(proof) else ""
    return (
        f"{proof.suite}: {proof.check}: {proof.listed} of {proof.planted} found, "
        f"{proof.false_positives} false, {proof.listed_in_clean} in the clean mock"
        f"{mark}{proof.reason}"
    )


def _tell(proofs: list[Proof]) -> None:
    planted, listed = sum(p.planted for p in proofs), sum(p.listed for p in proofs)
    click.echo(
        f"{len(proofs)} checks: {listed:,} of {planted:,} planted rows found, "
        f"{sum(p.false_positives for p in proofs)} false positives, "
        f"{sum(map(_is_unproved, proofs))} not proved"
    )


if __name__ == "__main__":
    main()
