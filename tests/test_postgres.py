"""A register pulled out of a real PostgreSQL is the delivery that its keeper might have sent.

And where it cannot be: one line, exit status 2, nothing received, and no password anywhere.
"""

import datetime as dt
import json
import os
import re
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import duckdb
import pyarrow.parquet
import pytest
from click.testing import CliRunner, Result

from deployment.postgres import free_port
from etl import postgres, registers
from etl.cli import main
from etl.errors import DeliveryError
from etl.postgres import connection, files
from etl.restricted import scan
from etl.settings import CHECKOUT
from etl.steps import requests
from tests import postgres_server
from tests.conftest import (
    ANNA,
    BENT,
    CARL,
    PATO_HEADER,
    PERSON_HEADER,
    unlocked,
    write_delivery,
)
from tests.postgres_server import PASSWORD, Proxy, Server, once

TODAY = str(dt.date.today())
COMPLETE = ("--complete-to", "2024-05-31")
COLUMNS = {
    "k_inst": "text", "k_rekvnr": "varchar(20)", "k_matnr": "integer", "k_sekvensnr": "bigint",
    "cpr": "char(10)", "d_rekvdato": "date", "d_modtdato": "date", "d_svardato": "timestamp",
    "c_mattype": "numeric(3,0)", "c_snomedkode": "text",
}  # fmt: skip
SCHEMA_NUMBER = count()


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    with postgres_server.running() as running:
        yield running


@pytest.fixture
def schema(server: Server) -> str:
    """An empty schema, with a name that must be quoted."""
    name = f"Register {next(SCHEMA_NUMBER)}"
    server.run(f'create schema "{name}"')
    return name


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    monkeypatch.setattr(postgres, "PAUSES_SECONDS", (0.01, 0.02))


def kobling(home: Path, *words: str, **environment: str | None) -> Result:
    given = {
        "KOBLING_HOME": str(home),
        "KOBLING_POPULATION": "mock",
        "KOBLING_KEY": "k" * 40,
        "PGPASSWORD": PASSWORD,
    } | environment
    return CliRunner().invoke(main, words, env=given)


def pull(home: Path, url: str, schema: str, *more: str, **environment: str | None) -> Result:
    words = ("receive", "--from", url, "--register", "patobank", "--schema", schema)
    ended = kobling(home, *words, *(more or COMPLETE), **environment)
    assert PASSWORD not in ended.output + ended.stderr + repr(ended.exception)
    return ended


def pulled(ended: Result) -> str:
    assert ended.exit_code == 0, ended.output + repr(ended.exception)
    return ended.output


def refused(home: Path, ended: Result) -> str:
    """The one line of a refusal that left nothing behind."""
    assert ended.exit_code == 2, ended.output + repr(ended.exception)
    (line,) = [line for line in ended.stderr.splitlines() if line]
    assert line.startswith("Error: ")
    assert "xpected" in line or "Known registers" in line
    assert not re.search("|".join((ANNA, BENT, CARL)), ended.output)
    hold_nothing_is_left(home)
    return line


def hold_nothing_is_left(home: Path) -> None:
    assert not list((home / "deliveries").rglob("*.*"))
    hold_scratch_is_empty(home)


def hold_scratch_is_empty(home: Path) -> None:
    assert not list((home / "restricted" / "scratch").glob("pull-*"))


def create(server: Server, schema: str, table: str = "pato", **other: str | None) -> None:
    """The table as patobank's keeper might have it; None leaves a column out."""
    columns = {name: kind for name, kind in (COLUMNS | other).items() if kind}
    listed = ", ".join(f'"{name}" {kind}' for name, kind in columns.items())
    server.run(f'create table "{schema}"."{table}" ({listed})')


def fill(server: Server, schema: str, *rows: str, table: str = "pato") -> None:
    server.run(f'insert into "{schema}"."{table}" values {", ".join(rows)}')


def row(requisition: str = "R1", number: str = ANNA, day: str = "1994-03-01") -> str:
    return f"('1', '{requisition}', 1, 1, '{number}', '{day}', '{day}', '{day}', 11, 'M88903')"


def fill_many(server: Server, schema: str, n: int) -> None:
    """Rows of ten years, in no order."""
    server.run(
        f"""
        insert into "{schema}".pato
        select '1', 'R' || i, i % 3, i % 2, '{ANNA}',
            date '2000-01-01' + (i * 31 % 3650)::int, null, null, 11,
            'M' || lpad((i % 90000)::text, 5, '0')
        from generate_series(1, {n}::bigint) as t(i)
        """
    )


def parquet_of(home: Path, delivery: str = TODAY) -> list[tuple]:
    folder = home / "deliveries" / "patobank" / delivery
    return duckdb.sql(f"select * from '{folder}/*.parquet' order by all").fetchall()


def manifest_of(home: Path, delivery: str = TODAY) -> dict:
    return json.loads((home / "deliveries/patobank" / delivery / "manifest.json").read_text())


# ------------------------------------------------------------------ what is pulled

PERSONS = PERSON_HEADER + "".join(
    f"{number};{number};{sex};01;{day};;;\n"
    for number, sex, day in (
        (ANNA, "K", "1950-02-01"), (BENT, "M", "1961-03-02"), (CARL, "M", "1972-04-03")
    )
)  # fmt: skip
# æ and –, a copy, a number that is none, a code without a day of arrival.
ROWS = [
    ("1", "R1", 1, 1, ANNA, "1994-03-01", "1994-03-02", "1994-03-09", 11, "M88903"),
    ("1", "R1", 1, 2, ANNA, "1994-03-01", "1994-03-02", "1994-03-09", 11, "T02120"),
    ("1", "R1", 1, 2, ANNA, "1994-03-01", "1994-03-02", "1994-03-09", 11, "T02120"),
    ("2", "Ærø – 7", 1, 1, BENT, "1994-12-31", "", "", "", "ÆKI030"),
    ("1", "R2", 1, 1, CARL, "2005-01-01", "2005-01-01", "2005-01-05", 11, "M88903"),
    ("1", "R3", 1, 1, "123", "2005-01-01", "2005-01-01", "2005-01-05", 11, "M88903"),
    ("1", "R4", 2, 1, "6104721238", "2005-06-01", "2005-06-01", "2005-06-05", 11, "M88903"),
]


# What says which file a row came from.
APART = "('source_file', 'source_row', 'delivery', 'delivered_on')"


def stores(home: Path) -> dict[str, list[tuple]]:
    """What was made of the register, whatever the file it came from."""
    con = unlocked()
    places = {
        "landed": "restricted/landing/patobank/pato/*/*.parquet",
        "linked": "lake/linked/patobank/pato/*/*.parquet",
        "unlinked": "lake/unlinked/patobank/pato/*/*.parquet",
        "flow": "lake/linkage_flow.parquet",
    }
    made = {
        name: con.execute(
            f"select columns(lambda name: name not in {APART}) from "
            + (scan(home / place) if "restricted" in place else f"'{home / place}'")
            + " order by all"
        ).fetchall()
        for name, place in places.items()
    }
    quarantined = scan(home / "restricted/quarantine/patobank/*/*/*.parquet")
    made["quarantined"] = con.execute(
        f"select period, reason, k_rekvnr, cpr from {quarantined} order by all"
    ).fetchall()
    return made


def test_a_pulled_register_lands_and_links_as_its_csv_does(server, schema, tmp_path):
    create(server, schema)
    fill(
        server, schema,
        *(f"({', '.join('null' if v == '' else repr(v) for v in values)})" for values in ROWS),
    )  # fmt: skip
    text = ["".join(";".join(map(str, values)) + "\n" for values in ROWS if values[5][:4] == year)
            for year in ("1994", "2005")]  # fmt: skip
    for inbox in ("csv", "persons"):
        write_delivery(tmp_path / inbox, "cpr", {"cpr3_t_person.csv": PERSONS})
    csv = {f"pato{y}.csv": PATO_HEADER + t for y, t in zip(("1994", "2005"), text, strict=True)}
    write_delivery(tmp_path / "csv", "patobank", csv)
    made = []
    for home, inbox in ((tmp_path / "a", "csv"), (tmp_path / "b", "persons")):
        pulled(kobling(home, "receive", str(tmp_path / inbox)))
        if inbox == "persons":
            pulled(pull(home, server.url, schema))
        pulled(kobling(home, "land"))
        pulled(kobling(home, "link"))
        made.append(stores(home))
    assert made[0] == made[1]
    assert [len(made[1][store]) for store in ("landed", "quarantined")] == [5, 2]


def test_the_manifest_says_what_there_is_and_where_it_came_from(server, schema, tmp_path):
    create(server, schema)
    fill(
        server,
        schema,
        row(),
        row("R2", BENT),
        row("R3", CARL, "2005-01-01"),
        row("R4", day="0094-01-01"),
    )
    output = pulled(pull(tmp_path, server.url, schema))
    manifest = manifest_of(tmp_path)
    listed = [
        (f["path"], f["table"], f["period"], f["format"], f["rows"]) for f in manifest.pop("files")
    ]
    assert listed == [
        ("pato1994.parquet", "pato", "1994", "parquet", 2),
        ("pato2005.parquet", "pato", "2005", "parquet", 1),
        ("pato.parquet", "pato", None, "parquet", 1),  # a year that cannot be names no file
    ]
    assert manifest == {
        "register": "patobank",
        "delivered_on": TODAY,
        "complete_to": "2024-05-31",
        "coverage": "stock",
        "source": f"postgresql://127.0.0.1:{server.port}/registers, schema {schema}",
    }
    assert re.search(r"^  patobank.pato: 4 rows pulled into 3 files, [\d,]+ rows/s$", output, re.M)
    assert f"patobank/{TODAY}: received, 4 rows" in output
    hold_scratch_is_empty(tmp_path)


def test_names_match_whatever_their_case_and_are_quoted(server, schema, tmp_path):
    odd = 'Bemærkning "x"; drop table pato'
    named = dict.fromkeys(COLUMNS) | {n.upper(): k for n, k in COLUMNS.items()}
    create(server, schema, "Pato", **named, **{odd.replace('"', '""'): "point"})
    fill(server, schema, row()[:-1] + ", '(1,2)')", table="Pato")
    pulled(pull(tmp_path, server.url, schema))
    assert parquet_of(tmp_path)[0][-1] == "(1,2)"
    place = tmp_path / "deliveries" / "patobank" / TODAY / "pato1994.parquet"
    assert pyarrow.parquet.read_schema(place).names == [*COLUMNS, odd.lower()]
    pulled(kobling(tmp_path, "land"))
    (accepted,) = (tmp_path / "restricted" / "accepted").rglob("*.json")
    (file,) = json.loads(accepted.read_text())["files"]
    assert file["findings"] == {"extra_column_1 that cannot be a column name": 1}


def test_the_same_rows_in_another_order_are_nothing_new(server, schema, tmp_path):
    create(server, schema)
    fill_many(server, schema, 3000)
    pulled(pull(tmp_path, server.url, schema))
    server.run(
        f'create table "{schema}".turned as select * from "{schema}".pato order by c_snomedkode',
        f'truncate "{schema}".pato',
        f'insert into "{schema}".pato select * from "{schema}".turned',
    )
    assert "the same as was received last, nothing new" in pulled(
        pull(tmp_path, server.url, schema)
    )
    assert [path.name for path in (tmp_path / "deliveries" / "patobank").iterdir()] == [TODAY]


def test_a_changed_row_makes_a_delivery_whose_other_years_are_the_same_files(
    server, schema, tmp_path, monkeypatch
):
    # Years that end within a row group must not move with the rows before them.
    monkeypatch.setattr(files, "GROUP_ROWS", 70)
    create(server, schema)
    fill_many(server, schema, 3000)
    pulled(pull(tmp_path, server.url, schema))
    fill(server, schema, row("R9999", day="2000-01-01"))
    pulled(pull(tmp_path, server.url, schema))
    first, second = (
        {file["path"]: file["sha256"] for file in manifest_of(tmp_path, delivery)["files"]}
        for delivery in (TODAY, f"{TODAY}_2")
    )
    assert {path for path in first if first[path] != second[path]} == {"pato2000.parquet"}
    assert len(first) == len(second) == 10


def test_a_correction_by_file_replaces_one_year_of_what_was_pulled(server, schema, tmp_path):
    create(server, schema)
    fill(server, schema, row(), row("R2", BENT), row("R3", CARL, "2005-01-01"))
    write_delivery(tmp_path / "in", "cpr", {"cpr3_t_person.csv": PERSONS})
    pulled(kobling(tmp_path, "receive", str(tmp_path / "in")))
    pulled(pull(tmp_path, server.url, schema))
    corrected = PATO_HEADER + f"1;R1;1;1;{ANNA};1994-03-01;;;11;M88903\n"
    write_delivery(
        tmp_path / "more", "patobank", {"pato1994.csv": corrected}, coverage="correction", day=TODAY
    )
    for words in (("receive", str(tmp_path / "more")), ("land",), ("link",)):
        pulled(kobling(tmp_path, *words))
    linked = duckdb.sql(
        f"select period, count(*) from '{tmp_path}/lake/linked/patobank/pato/*/*.parquet' "
        "group by 1 order by 1"
    ).fetchall()
    assert linked == [("1994", 1), ("2005", 1)]


# ------------------------------------------------------------------ who was erased


def erased(home: Path, monkeypatch, number: str) -> None:
    """Take a person out; the rest of the road is other tests' business."""
    monkeypatch.setattr(requests, "run", lambda *_: None)
    request = home / "restricted" / "request.txt"
    request.write_text(number)
    request.chmod(0o600)
    pulled(kobling(home, "erase", "--pnr-file", str(request), "--reason", "24/117", "--by", "DPO"))
    request.unlink()


def test_a_pull_brings_no_erased_person_back(server, schema, tmp_path, monkeypatch):
    create(server, schema)
    fill(server, schema, row(), row("R2", BENT), row(f"as {ANNA}", BENT))
    pulled(pull(tmp_path, server.url, schema))
    erased(tmp_path, monkeypatch, ANNA)
    assert "nothing new" in pulled(pull(tmp_path, server.url, schema))
    fill(server, schema, row("R4"), row("R5", CARL))
    pulled(pull(tmp_path, server.url, schema))
    held = parquet_of(tmp_path, f"{TODAY}_2")
    assert sorted(values[1:5:3] for values in held) == [("R2", BENT), ("R5", CARL), ("as ", BENT)]
    ledger = [json.loads(line) for line in (tmp_path / "ledger.jsonl").read_text().splitlines()]
    assert [e["rows"] for e in ledger if e["event"] == "erased again"] == [1, 2]


def test_a_pull_tells_of_an_erased_person_who_may_be_back(server, schema, tmp_path, monkeypatch):
    columns = [column.name for column in registers.register("cpr").table("cpr3_t_person").columns]
    listed = ", ".join(f"{name} {'date' if name.startswith('d_') else 'text'}" for name in columns)
    create(server, schema)
    fill(server, schema, row())
    pulled(pull(tmp_path, server.url, schema))
    erased(tmp_path, monkeypatch, ANNA)
    server.run(
        f'create table "{schema}".cpr3_t_person ({listed})',
        f'insert into "{schema}".cpr3_t_person (v_pnr, v_pnr_gaeld, c_status, d_foddato) values '
        f"('{ANNA}', '{BENT}', '60', '1950-02-01'), ('{BENT}', '{BENT}', '01', '1950-02-01')",
    )
    words = ("receive", "--from", server.url, "--register", "cpr", "--schema", schema, "--table",
             "cpr3_t_person", *COMPLETE)  # fmt: skip
    said = pulled(kobling(tmp_path, *words))
    assert "1 number may be an erased person's other one" in said
    (place,) = (tmp_path / "restricted" / "perhaps_erased").iterdir()
    assert place.read_text() == f"{BENT}\n"
    held = duckdb.sql(
        f"select v_pnr, v_pnr_gaeld from '{tmp_path}/deliveries/cpr/{TODAY}/*.parquet'"
    ).fetchall()
    assert held == [(BENT, BENT)]


# ------------------------------------------------------------------ what is refused


def with_column(name: str, kind: str | None, *rows: str):
    def prepare(server: Server, schema: str) -> None:
        create(server, schema, **{name: kind})
        for values in rows:
            fill(server, schema, values)

    return prepare


def value_of(column: str, sql: str) -> str:
    values = dict(zip(COLUMNS, row()[1:-1].split(", "), strict=True)) | {column: sql}
    return f"({', '.join(values.values())})"


def doubled(server: Server, schema: str) -> None:
    create(server, schema, CPR="text")


def twin_tables(server: Server, schema: str) -> None:
    create(server, schema)
    create(server, schema, "PATO")


def only_another_table(server: Server, schema: str) -> None:
    create(server, schema, "patho")


def view_that_fails(server: Server, schema: str) -> None:
    create(server, schema, "given", d_rekvdato="text")
    fill(server, schema, row(), value_of("d_rekvdato", f"'Anna {BENT}'"), table="given")
    columns = ", ".join(COLUMNS).replace("d_rekvdato", "d_rekvdato::date as d_rekvdato")
    server.run(f'create view "{schema}".pato as select {columns} from "{schema}".given')


REFUSALS = {
    "no such table": (only_another_table, "pato: no such table"),
    "two tables": (twin_tables, "2 tables have this name in different cases"),
    "a missing column": (with_column("d_rekvdato", None), "column d_rekvdato is missing. Expected"),
    "a renamed column": (
        lambda server, schema: create(server, schema, d_rekvdato=None, rekvdato="date"),
        "column d_rekvdato is missing; found rekvdato instead",
    ),
    "a doubled column": (doubled, "column cpr stands twice"),
    "a number as a number": (with_column("cpr", "bigint"), "cpr is bigint. Expected text"),
    "a date as text": (with_column("d_svardato", "text"), "d_svardato is text. Expected date"),
    "a day that depends on where": (
        with_column("d_svardato", "timestamptz"),
        "d_svardato is timestamp with time zone. Expected date",
    ),
    "a whole number as a float": (
        with_column("k_matnr", "double precision"), "k_matnr is double precision. Expected integer",
    ),
    "a number that would be rounded": (
        with_column("k_matnr", "numeric", row(), value_of("k_matnr", "1.5")),
        "1 values of k_matnr that are no whole number",
    ),
    "a number too big": (
        with_column(
            "k_matnr", "numeric", value_of("k_matnr", "1e19"), value_of("k_matnr", "'NaN'")
        ),
        "2 values of k_matnr that are no whole number",
    ),
    "a day without end": (
        with_column("d_svardato", "date", value_of("d_svardato", "'infinity'")),
        "1 values of d_svardato outside the years 1 to 9999, or infinite",
    ),
    "a day before Christ": (
        with_column("d_rekvdato", "date", value_of("d_rekvdato", "'0044-03-15 BC'")),
        "1 values of d_rekvdato outside the years 1 to 9999, or infinite",
    ),
    "no rows": (with_column("cpr", "text"), "pato: no rows"),
    "a view that fails": (view_that_fails, 'invalid input syntax for type date: "…"'),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSALS)
def test_a_table_that_is_not_as_agreed_is_refused_in_one_line(server, schema, tmp_path, case):
    prepare, told = REFUSALS[case]
    prepare(server, schema)
    ended = pull(tmp_path, server.url, schema)
    line = refused(tmp_path, ended)
    assert told in line
    assert "rows pulled" not in ended.output
    reason = (tmp_path / "ledger.jsonl").read_text()
    assert "delivery refused" in reason


def test_a_table_that_may_not_be_read_is_refused(server, schema, tmp_path):
    create(server, schema)
    fill(server, schema, row())
    server.run(
        "drop role if exists guest", f"create role guest login password '{PASSWORD}'",
        f'grant usage on schema "{schema}" to guest',
    )  # fmt: skip
    url = server.url.replace(postgres_server.USER, "guest")
    line = refused(tmp_path, pull(tmp_path, url, schema))
    assert "permission denied for table pato" in line
    assert "right to select" in line
    server.run(f'drop schema "{schema}" cascade', "drop role guest")


COMMANDS = {
    "no complete_to": (("--table", "pato"), "nobody has said up to which day patobank is complete"),
    "no day": (("--complete-to", "31/05/2024"), "'31/05/2024' is no day"),
    "no such table": ((*COMPLETE, "--table", "t_adm"), "'t_adm' is no table of patobank"),
    "an inbox too": ((*COMPLETE, "inbox"), "no INBOX"),
    "no stock": ((*COMPLETE, "--coverage", "period"), "no other --coverage"),
}


@pytest.mark.parametrize("case", COMMANDS)
def test_a_command_that_cannot_be_is_refused_before_the_database_is_asked(tmp_path, case):
    more, told = COMMANDS[case]
    nowhere = f"postgresql://u@127.0.0.1:{free_port()}/db"
    assert told in refused(tmp_path, pull(tmp_path, nowhere, "public", *more))


def test_an_unknown_register_is_refused(server, tmp_path):
    ended = kobling(tmp_path, "receive", "--from", server.url, "--register", "pathobank")
    assert "register 'pathobank' is not in the catalogue" in refused(tmp_path, ended)


def test_what_is_pulled_is_told_only_with_a_database(tmp_path):
    ended = kobling(tmp_path, "receive", "--register", "patobank", "--table", "pato")
    assert "Expected --from with them" in refused(tmp_path, ended)


def test_a_database_that_does_not_answer_is_refused(server, tmp_path):
    nowhere = server.url_of("registers", free_port())
    assert "Connection refused" in refused(tmp_path, pull(tmp_path, nowhere, "public"))
    elsewhere = pull(tmp_path, server.url_of("registre"), "public")
    assert 'database "registre" does not exist' in refused(tmp_path, elsewhere)
    unknown = pull(tmp_path, server.url, "public", PGPASSWORD="another-secret")
    line = refused(tmp_path, unknown)
    assert f'password authentication failed for user "{postgres_server.USER}"' in line
    assert "another-secret" not in unknown.output


def test_bytes_that_are_no_text_are_refused(server, tmp_path):
    """A database of encoding SQL_ASCII hands over what it was given."""
    server.run("create database bytes encoding 'SQL_ASCII' template template0", database="postgres")
    columns = ", ".join(f"{name} {kind}" for name, kind in COLUMNS.items())
    server.run(f"create table pato ({columns})", database="bytes")
    server.run(f"insert into pato values {row('R1')}", database="bytes")
    pulled(pull(tmp_path / "a", server.url_of("bytes"), "public"))
    bad = value_of("k_rekvnr", r"E'R\xe6'")
    server.run(
        "set client_encoding to 'SQL_ASCII'", f"insert into pato values {bad}", database="bytes"
    )
    ended = pull(tmp_path / "b", server.url_of("bytes"), "public")
    assert 'invalid byte sequence for encoding "UTF8"' in refused(tmp_path / "b", ended)


# ------------------------------------------------------------------ passwords

ADDRESSES = (
    "postgresql://u:{}@127.0.0.1:1/db", "postgresql://u:{}%zz@127.0.0.1:1/db",
    "postgresql://u:{}@h@127.0.0.1:1/db", "postgresql://u:{}/x@127.0.0.1:1/db",
    "postgresql://u:{}?x@127.0.0.1:1/db", "postgresql://u:{}#x@127.0.0.1:1/db",
    "postgresql://u@127.0.0.1:1/db?password={}", "postgresql://u@127.0.0.1:1/db?p%61ssword={}",
    "postgresql://u@127.0.0.1:1/db?password={}&nonsense=1", "postgresql://127.0.0.1:1/db:{}",
    "u:{}@127.0.0.1", "postgresql://u:{}@127.0.0.1:x/db", "host=127.0.0.1 password={}",
)  # fmt: skip


@pytest.mark.parametrize("address", ADDRESSES)
def test_a_password_in_an_address_is_never_repeated(tmp_path, address):
    ended = pull(tmp_path, address.format(PASSWORD), "public")
    refused(tmp_path, ended)
    assert not any(PASSWORD.encode() in p.read_bytes() for p in tmp_path.rglob("*") if p.is_file())


def test_a_password_in_an_address_works_is_warned_of_and_kept_nowhere(server, schema, tmp_path):
    create(server, schema)
    fill(server, schema, row())
    url = server.url.replace("@", f":{PASSWORD}@")
    output = pulled(pull(tmp_path, url, schema, PGPASSWORD=None))
    assert "the password stands in the address" in output
    assert not any(PASSWORD.encode() in p.read_bytes() for p in tmp_path.rglob("*") if p.is_file())


def test_a_password_may_lie_in_a_file(server, schema, tmp_path):
    create(server, schema)
    fill(server, schema, row())
    kept = tmp_path / "pgpass"
    kept.write_text(f"127.0.0.1:*:*:*:{PASSWORD}\n")
    kept.chmod(0o600)
    output = pulled(pull(tmp_path / "h", server.url, schema, PGPASSWORD=None, PGPASSFILE=str(kept)))
    assert "address" not in output


# ------------------------------------------------------------------ broken connections


def test_a_table_whose_connection_breaks_is_started_again_in_the_same_snapshot(
    server, schema, tmp_path, monkeypatch
):
    create(server, schema)
    fill_many(server, schema, 20_000)
    # A row that comes while the pull pauses belongs to another moment.
    late = once(lambda: fill(server, schema, row("R-late")))
    monkeypatch.setattr(postgres.time, "sleep", late)
    with Proxy(server.port, cut_after_bytes=500_000, cuts=2) as proxy:
        output = pulled(pull(tmp_path / "a", server.url_of("registers", proxy.port), schema))
        assert proxy.cuts == 2
    assert output.count("the connection broke off after") == 2
    assert "the table is started again in 0.01 s (try 2 of 3)" in output
    assert "the table is started again in 0.02 s (try 3 of 3)" in output
    server.run(f"""delete from "{schema}".pato where k_rekvnr = 'R-late'""")
    pulled(pull(tmp_path / "b", server.url, schema))
    assert len(parquet_of(tmp_path / "a")) == 20_000
    assert manifest_of(tmp_path / "a")["files"] == manifest_of(tmp_path / "b")["files"]


def test_when_the_server_ends_every_connection_all_is_read_in_a_new_snapshot(
    server, schema, tmp_path, monkeypatch
):
    create(server, schema)
    fill_many(server, schema, 200_000)  # more than what is on its way at a time
    end = once(server.end_connections)
    told = files.Progress.pulled

    def ending(self, rows: int) -> None:
        end()
        told(self, rows)

    monkeypatch.setattr(files.Progress, "pulled", ending)
    late = once(lambda: fill(server, schema, row("R-late")))
    monkeypatch.setattr(postgres.time, "sleep", late)
    output = pulled(pull(tmp_path, server.url, schema))
    assert "the database is gone, and the snapshot with it" in output
    assert "every table is started again in 0.01 s (try 2 of 3)" in output
    assert len(parquet_of(tmp_path)) == 200_001
    hold_scratch_is_empty(tmp_path)


def test_a_connection_that_keeps_breaking_is_given_up_in_one_line(server, schema, tmp_path):
    create(server, schema)
    fill_many(server, schema, 20_000)
    with Proxy(server.port, cut_after_bytes=500_000, cuts=99) as proxy:
        ended = pull(tmp_path, server.url_of("registers", proxy.port), schema)
        assert proxy.cuts == 3
    assert "the connection broke off 3 times" in refused(tmp_path, ended)


def test_a_server_that_stays_away_is_given_up_in_one_line(server, schema, tmp_path, monkeypatch):
    create(server, schema)
    fill_many(server, schema, 20_000)
    with Proxy(server.port, cut_after_bytes=500_000, cuts=1) as proxy:

        def go_away(_: float) -> None:
            proxy.__exit__()
            server.end_connections()

        monkeypatch.setattr(postgres.time, "sleep", go_away)
        ended = pull(tmp_path, server.url_of("registers", proxy.port), schema)
    assert "the connection broke off 3 times" in refused(tmp_path, ended)
    assert "every table is started again" in ended.output


def test_a_killed_pull_leaves_no_delivery_and_the_next_one_clears_what_it_left(
    server, schema, tmp_path
):
    create(server, schema)
    fill_many(server, schema, 3000)
    killed = ended_in_a_process_of_its_own(
        tmp_path, server.url, schema,
        "import os, signal; from etl.postgres import files; "
        "files.file_entry = lambda *_: os.kill(os.getpid(), signal.SIGKILL)",
    )  # fmt: skip
    assert killed.returncode == -9
    assert list((tmp_path / "restricted" / "scratch").rglob("pato2000.parquet"))
    assert not (tmp_path / "deliveries").exists()
    pulled(pull(tmp_path, server.url, schema))
    hold_scratch_is_empty(tmp_path)


# ------------------------------------------------------------------ memory


def ended_in_a_process_of_its_own(
    home: Path, url: str, schema: str, first: str = "", **environment: str
) -> subprocess.CompletedProcess:
    code = f"""
        from pathlib import Path
        {first}
        from etl.cli import main
        main(
            ["receive", "--from", {url!r}, "--register", "patobank", "--schema", {schema!r},
             "--complete-to", "2024-05-31"], standalone_mode=False,
        )
        # Not what getrusage says: that begins with the memory of whoever started the process.
        status = Path("/proc/self/status").read_text()
        print(status.partition("VmHWM:")[2].split()[0])
    """
    given = {"KOBLING_HOME": str(home), "KOBLING_KEY": "k" * 40, "PGPASSWORD": PASSWORD}
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        env=os.environ | given | environment, cwd=CHECKOUT,
        capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_memory_does_not_grow_with_the_table(server, schema, tmp_path):
    """What does not fit into the limit lies on disk while it is sorted.

    Measured from 200,000 rows to 800,000 and 2.4 million: 46 and 55 MiB more, so it levels off.
    Where the limit left room to hold them it was 71 and 248.
    """
    create(server, schema)
    peaks_mebibytes = []
    for n in (200_000, 2_000_000):
        server.run(f'truncate "{schema}".pato')
        fill_many(server, schema, n)
        ended = ended_in_a_process_of_its_own(
            tmp_path / str(n), server.url, schema,
            # What waits for its row group is the same for both.
            "from etl.postgres import files; files.GROUP_ROWS = 5_000",
            KOBLING_MEMORY_LIMIT="64MB",
        )  # fmt: skip
        assert ended.returncode == 0, ended.stderr
        peaks_mebibytes.append(int(ended.stdout.split()[-1]) / 1024)
    assert peaks_mebibytes[1] - peaks_mebibytes[0] < 110, peaks_mebibytes


# ------------------------------------------------------------------ addresses


def test_an_address_is_told_without_its_user_and_password():
    source = connection.address("postgresql://u:p%40ss@[::1]:5/d?sslmode=require&password=zz")
    assert source.told == "postgresql://[::1]:5/d"
    assert "p%40ss" not in repr(source)
    assert source.without_secrets("p@ss, p%40ss, zz") == "…, …, …"
    assert source.url.startswith("postgresql://u:p%40ss@[::1]:5/d?sslmode=require&password=zz&")
    assert connection.address("postgres:///d?host=/run/x").told == "postgresql:///run/x/d"
    with pytest.raises(DeliveryError):
        connection.address("mysql://h/d")
