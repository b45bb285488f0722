"""Delivery → typed Parquet, or quarantine with a reason. Nothing is lost, nothing is guessed.

Every record of a delivered file ends in exactly one of two places: the landing, typed by the
contract, or the quarantine, as given, with file, record number and reason. A delivery lands whole
or is refused whole; the JSON under `restricted/accepted/` is its commit point, written last.
"""

import codecs
import csv
import re
from dataclasses import dataclass, field
from pathlib import Path

import duckdb

from etl.deliveries import DeliveredFile, Delivery
from etl.errors import DeliveryError
from etl.home import Home, digest, read_json, remove, replace_json
from etl.personal_number import MADE_UP_REASON, MALFORMED_SQL
from etl.registers import Column, Table

MISSING = ("", "#N/A", "NULL", "Ukendt", "Uoplyst")
RETYPED_SHARE = 0.05
LONGEST_LINE_BYTES = 1_000_000
PIECE_BYTES = 1 << 20
NO_PERIOD = "all"
COLUMN_NAME = re.compile(r"(?!.*\d{5})[a-zæøå_][a-zæøå0-9_]{1,40}")

# What a Parquet file may hold for each type of the contract.
PARQUET_TYPES = {
    "text": ("VARCHAR",),
    "integer": ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER"),
    "decimal": ("FLOAT", "DOUBLE", "DECIMAL", "TINYINT", "SMALLINT", "INTEGER", "BIGINT"),
    "date": ("DATE", "TIMESTAMP"),
}


@dataclass(frozen=True)
class LandedFile:
    """What became of one delivered file: rows = landed + the sum of quarantined."""

    path: str
    table: str
    period: str
    format: str
    sha256: str
    rows: int
    landed: int
    quarantined: dict[str, int]
    findings: dict[str, int]
    content: str  # name of the landed file: the same content always has the same name


@dataclass
class Parsed:
    """A delivery read into scratch, not yet accepted."""

    delivery: Delivery
    scratch: Path
    files: list[LandedFile] = field(default_factory=list)

    def landed_paths(self, table: str) -> list[Path]:
        return [self.scratch / _slot("landing", f) for f in self.files if f.table == table]


def parse(
    con: duckdb.DuckDBPyConnection, home: Home, delivery: Delivery, population: str
) -> Parsed:
    """Read every file of a delivery into scratch, typed, with its quarantine and findings.

    Raises:
        DeliveryError: a file is unreadable, a column is missing, renamed, doubled or retyped, the
            row count disagrees with the manifest, or a mock home is sent a possibly real number.
    """
    con.execute(MALFORMED_SQL)
    con.execute(f"set variable population = '{population}'")
    scratch = home.scratch / f"land-{delivery.register.name}-{delivery.folder.name}"
    remove(scratch)
    scratch.mkdir(mode=0o700, parents=True)
    parsed = Parsed(delivery, scratch)
    unreadable: dict[tuple[str, str], int] = {}
    rows: dict[str, int] = {}
    for file in delivery.files:
        table = delivery.register.table(file.table).of_period(file.period)
        landed, bad = _parse_file(con, parsed, table, file, population)
        parsed.files.append(landed)
        rows[table.name] = rows.get(table.name, 0) + landed.rows
        for column, count in bad.items():
            unreadable[table.name, column] = unreadable.get((table.name, column), 0) + count
    for (table_name, column), count in unreadable.items():
        if count > RETYPED_SHARE * rows[table_name]:
            wanted = delivery.register.table(table_name).column(column)
            raise DeliveryError(
                f"{delivery.folder}: {table_name}.{column} is unreadable as {wanted.type} in "
                f"{count} of {rows[table_name]} rows. Expected {_form(wanted)} in at least "
                f"{1 - RETYPED_SHARE:.0%}. The column is retyped; ask the keeper for the agreed "
                "form."
            )
    return parsed


def accept(home: Home, parsed: Parsed, checks: list[dict]) -> None:
    """Move a parsed delivery into the landing; the last write makes it count."""
    for file in parsed.files:
        for store in ("landing", "quarantine", "findings"):
            source = parsed.scratch / _slot(store, file)
            if source.exists():
                place = home.restricted / _slot(store, file)
                place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                source.replace(place)
    delivery = parsed.delivery
    replace_json(
        _record_path(home, delivery),
        {
            "status": "accepted",
            "register": delivery.register.name,
            "folder": delivery.folder.name,
            "delivered_on": str(delivery.delivered_on),
            "sequence": 1 + max((r["sequence"] for r in accepted(home)), default=0),
            "complete_to": delivery.complete_to and str(delivery.complete_to),
            "coverage": delivery.coverage,
            "manifest_sha256": delivery.manifest_sha256,
            "contract_version": delivery.register.version,
            "files": [vars(file) for file in parsed.files],
            "checks": checks,
        },
    )
    remove(parsed.scratch)


def refuse(home: Home, register: str, folder: Path, manifest_sha256: str, reason: str) -> None:
    """Keep in mind that a delivery was refused and why, so that nobody need ask twice."""
    remove(home.scratch / f"land-{register}-{folder.name}")
    replace_json(
        home.accepted / register / f"{folder.name}.json",
        {
            "status": "refused",
            "register": register,
            "folder": folder.name,
            "manifest_sha256": manifest_sha256,
            "reason": reason,
        },
    )


def record(home: Home, register: str, folder: str) -> dict | None:
    """What was decided about a delivery; None where it has not been landed yet."""
    path = home.accepted / register / f"{folder}.json"
    return read_json(path) if path.exists() else None


def accepted(home: Home) -> list[dict]:
    """Records of all accepted deliveries, in the order in which they count.

    The later `delivered_on` wins, and on one day the last accepted.
    """
    records = [read_json(path) for path in sorted(home.accepted.glob("*/*.json"))]
    return sorted(
        (record for record in records if record["status"] == "accepted"),
        key=lambda record: (record["delivered_on"], record["sequence"]),
    )


def _record_path(home: Home, delivery: Delivery) -> Path:
    return home.accepted / delivery.register.name / f"{delivery.folder.name}.json"


@dataclass(frozen=True)
class Current:
    """The one landed file that counts for a (register, table, period)."""

    register: str
    folder: str
    delivered_on: str
    complete_to: str | None
    file: LandedFile

    @property
    def slot(self) -> tuple[str, str, str]:
        return self.register, self.file.table, self.file.period

    def path(self, home: Home, store: str = "landing") -> Path:
        return home.restricted / _slot(store, self.file, self.register)


def current(home: Home) -> list[Current]:
    """One entry per (register, table, period): the newest accepted delivery's file.

    A stock delivery replaces the tables that it holds; any other replaces the periods it names.
    """
    winners: dict[tuple[str, str, str], Current] = {}
    for entry in accepted(home):
        tables = {file["table"] for file in entry["files"]}
        if entry["coverage"] == "stock":
            winners = {
                slot: winner
                for slot, winner in winners.items()
                if not (slot[0] == entry["register"] and slot[1] in tables)
            }
        for file in entry["files"]:
            winner = Current(
                entry["register"],
                entry["folder"],
                entry["delivered_on"],
                entry["complete_to"],
                LandedFile(**{k: v for k, v in file.items() if k != "register"}),
            )
            winners[winner.slot] = winner
    return [winners[slot] for slot in sorted(winners)]


def _slot(store: str, file: LandedFile, register: str | None = None) -> Path:
    register = register or file.content.split(".")[0]
    return Path(store) / register / file.table / f"period={file.period}" / f"{file.content}.parquet"


# ------------------------------------------------------------------ one file


def _parse_file(
    con: duckdb.DuckDBPyConnection,
    parsed: Parsed,
    table: Table,
    file: DeliveredFile,
    population: str,
) -> tuple[LandedFile, dict[str, int]]:
    path = parsed.delivery.folder / file.path
    if file.format == "csv":
        extra = _read_csv(con, parsed, table, path)
    else:
        extra = _read_parquet(con, table, path)
    found = con.execute("select count(*) from raw").fetchone()[0]
    malformed_lines = con.execute("select count(*) from malformed_line").fetchone()[0]
    found += malformed_lines
    if found != file.rows:
        raise DeliveryError(
            f"{path}: found {found} rows, expected {file.rows} by the manifest. "
            "The file is cut or miscounted; ask the keeper to send the delivery again."
        )
    _type_rows(con, table, file.sha256[:12])
    _refuse_real_numbers(con, table, path, population)
    _judge(con, table)
    return _write(con, parsed, table, file, extra, found, malformed_lines)


def _read_csv(
    con: duckdb.DuckDBPyConnection, parsed: Parsed, table: Table, path: Path
) -> list[str]:
    """Read a CSV file as text into `raw` (source_row and the contract's columns)."""
    register = parsed.delivery.register
    text = parsed.scratch / "transcoded.csv"
    _transcode(path, text, register.encoding)
    with text.open(encoding="utf-8", newline="") as file:
        header = next(csv.reader(file, delimiter=register.delimiter), None)
    if not header or header == [""]:
        raise DeliveryError(f"{path}: the file is empty. Expected a header row and data.")
    names = [name.strip().lower() for name in header]
    extra = _match_columns(path, table, names, register.delimiter)
    columns = ", ".join(f"'{i}_{_plain(name)}': 'VARCHAR'" for i, name in enumerate(names))
    wanted = ", ".join(
        f'"{names.index(c.name)}_{_plain(c.name)}" as "{c.name}"'
        if c.name in names
        else f'null::varchar as "{c.name}"'
        for c in table.columns
    )
    rest = "".join(f', "{names.index(name)}_{_plain(name)}" as "+{name}"' for name in extra)
    con.execute("drop table if exists raw")
    con.execute("drop table if exists malformed_line")
    for rejects in ("reject_errors", "reject_scans"):
        con.execute(f"drop table if exists {rejects}")
    try:
        con.execute(
            f"""
            create temp table raw as
            select row_number() over () as source_row, {wanted}{rest}
            from read_csv(
                '{text}', header = false, skip = 1, auto_detect = false, columns = {{{columns}}},
                delim = '{register.delimiter}', quote = '"', escape = '"', strict_mode = true,
                null_padding = false, max_line_size = {LONGEST_LINE_BYTES},
                store_rejects = true, rejects_limit = 0
            )
            """
        )
    except duckdb.Error as error:
        raise DeliveryError(
            f"{path}: not readable as {register.delimiter!r}-separated text "
            f"({type(error).__name__}). Expected the form in the contract. Ask the keeper to send "
            "it again."
        ) from None
    con.execute(
        """
        create temp table malformed_line as
        select (line - 1)::bigint as source_row, any_value(csv_line) as line
        from reject_errors group by line
        """
    )
    if con.execute("select count(*) from malformed_line").fetchone()[0]:
        # Give every readable record its number in the file, counting the unreadable ones too.
        con.execute(
            """
            update raw set source_row = place.number
            from (
                select number, row_number() over (order by number) as nth
                from range(
                    1,
                    (select count(*) from raw) + (select count(*) from malformed_line) + 1
                ) as record (number)
                where number not in (select source_row from malformed_line)
            ) as place
            where raw.source_row = place.nth
            """
        )
    remove(text)
    return extra


def _transcode(source: Path, target: Path, encoding: str) -> None:
    """Copy text as UTF-8. DuckDB's latin-1 refuses 0x80–0x9F, which windows-1252 uses."""
    decoder = codecs.getincrementaldecoder("utf-8-sig" if encoding == "utf-8" else encoding)()
    done = 0
    with source.open("rb") as given, target.open("w", encoding="utf-8", newline="") as plain:
        while True:
            piece = given.read(PIECE_BYTES)
            if b"\0" in piece:
                raise DeliveryError(
                    f"{source}: a NUL byte at byte {done + piece.index(0)}. Expected text. The "
                    "file is damaged; ask the keeper to send it again."
                )
            try:
                plain.write(decoder.decode(piece, final=not piece))
            except UnicodeDecodeError as error:
                raise DeliveryError(
                    f"{source}: near byte {done + error.start} the text is not {encoding}. "
                    f"Expected {encoding}, as the contract says. Ask the keeper to send it so."
                ) from None
            if not piece:
                return
            done += len(piece)


def _read_parquet(con: duckdb.DuckDBPyConnection, table: Table, path: Path) -> list[str]:
    con.execute("drop table if exists raw")
    con.execute("create or replace temp table malformed_line (source_row bigint, line varchar)")
    try:
        described = con.execute(f"describe select * from read_parquet('{path}')").fetchall()
    except duckdb.Error:
        raise DeliveryError(
            f"{path}: not a whole Parquet file. Expected one. Ask the keeper to send it again."
        ) from None
    names = [row[0].lower() for row in described]
    extra = _match_columns(path, table, names, None)
    types = {row[0].lower(): row[1].split("(")[0] for row in described}
    given = {row[0].lower(): row[0] for row in described}
    present = [column for column in table.columns if column.name in names]
    for column in present:
        if types[column.name] not in PARQUET_TYPES[column.type]:
            raise DeliveryError(
                f"{path}: column {column.name} is {types[column.name]}. Expected {column.type}. "
                "The column is retyped; ask the keeper for the agreed type."
            )
    wanted = ", ".join(
        f'"{given[c.name]}"::varchar as "{c.name}"'
        if c in present
        else f'null::varchar as "{c.name}"'
        for c in table.columns
    )
    # A date stored with a time of day is still the date.
    for column in present:
        if column.type == "date":
            wanted = wanted.replace(
                f'"{given[column.name]}"::varchar', f'"{given[column.name]}"::date::varchar'
            )
    rest = "".join(f', "{given[name]}"::varchar as "+{name}"' for name in extra)
    try:
        con.execute(
            f"""
            create temp table raw as
            select file_row_number + 1 as source_row, {wanted}{rest}
            from read_parquet('{path}', file_row_number = true)
            """
        )
    except duckdb.Error:
        raise DeliveryError(
            f"{path}: the Parquet file breaks off. Ask the keeper to send it again."
        ) from None
    return extra


def _match_columns(path: Path, table: Table, names: list[str], delimiter: str | None) -> list[str]:
    """Names match whatever their case. Returns the columns that nobody has agreed on."""
    doubled = sorted({name for name in names if names.count(name) > 1})
    if doubled:
        raise DeliveryError(
            f"{path}: column {_shown(doubled[:1])} stands twice. Expected once, whatever its case. "
            "Ask the keeper which one counts."
        )
    known = [column.name for column in table.columns]
    missing = [c.name for c in table.columns if c.name not in names and not c.may_be_absent]
    extra = [name for name in names if name not in known]
    if missing and len(names) == 1 and delimiter:
        raise DeliveryError(
            f"{path}: the header is one single column. Expected {len(known)} columns separated by "
            f"'{delimiter}'. Ask the keeper for the agreed separator."
        )
    if missing:
        instead = f"; found {_shown(extra)} instead" if extra else ""
        raise DeliveryError(
            f"{path}: column {', '.join(missing)} is missing{instead}. Expected "
            f"{', '.join(known)}. Ask the keeper to send it under its agreed name."
        )
    return extra


def _shown(names: list[str]) -> str:
    """Column names as an error may show them: a file without a header has a person's data there."""
    told = [name for name in names if COLUMN_NAME.fullmatch(name)]
    untold = len(names) - len(told)
    return ", ".join([*told, *([f"{untold} that cannot be a column name"] if untold else [])])


def _plain(name: str) -> str:
    return "".join(letter for letter in name if letter.isalnum() or letter == "_")


def _form(column: Column) -> str:
    return column.date_format if column.type == "date" else column.type


def _clean(name: str) -> str:
    tokens = ", ".join(f"'{token}'" for token in MISSING)
    return f'case when trim("{name}") in ({tokens}) then null else trim("{name}") end'


def _typed(column: Column) -> str:
    """SQL that reads a cleaned text value as the contract's type; NULL where it cannot."""
    value = f'cleaned."{column.name}"'
    if column.type == "integer":
        return (
            f"case when regexp_full_match({value}, '[+-]?[0-9]+') "
            f"then try_cast({value} as bigint) end"
        )
    if column.type == "decimal":
        return (
            f"case when regexp_full_match({value}, '[+-]?[0-9]+([.,][0-9]+)?') "
            f"then try_cast(replace({value}, ',', '.') as double) end"
        )
    if column.type == "date":
        if column.date_format == "DD/MM/YYYY":
            return (
                f"case when regexp_full_match({value}, '[0-9]{{2}}/[0-9]{{2}}/[0-9]{{4}}') "
                f"then try_strptime({value}, '%d/%m/%Y')::date end"
            )
        if column.date_format == "DDMONYYYY":
            return (
                f"case when regexp_full_match({value}, '[0-9]{{2}}[A-Za-z]{{3}}[0-9]{{4}}') "
                f"then try_strptime({value}, '%d%b%Y')::date end"
            )
        return (
            f"case when regexp_full_match({value}, '[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}') "
            f"then try_cast({value} as date) end"
        )
    return value


def _type_rows(con: duckdb.DuckDBPyConnection, table: Table, source_file: str) -> None:
    cleaned = ", ".join(f'{_clean(c.name)} as "{c.name}"' for c in table.columns)
    typed = ", ".join(f'{_typed(c)} as "{c.name}"' for c in table.columns)
    unreadable = ", ".join(
        f'(cleaned."{c.name}" is not null and {_typed(c)} is null) as "unreadable {c.name}"'
        for c in table.columns
    )
    given = ", ".join(f'cleaned."{c.name}"' for c in table.columns)
    con.execute(
        f"""
        create or replace temp table typed as
        with cleaned as (select source_row, {cleaned} from raw)
        select '{source_file}' as source_file, source_row, {typed}, {unreadable}, hash({given})
            as given
        from cleaned
        """
    )


def _refuse_real_numbers(
    con: duckdb.DuckDBPyConnection, table: Table, path: Path, population: str
) -> None:
    """A mock home refuses a whole delivery that could hold a living person's number."""
    if population != "mock":
        return
    for column in table.number_columns:
        number = f"""replace("{column.name}", '-', '')"""
        count = con.execute(
            f"""
            select count(*) from typed
            where number_malformed({number}) is null and not number_is_made_up({number})
            """
        ).fetchone()[0]
        if count:
            raise DeliveryError(
                f"{path}: {count} values of {column.name} have a day from 01 to 31 and may belong "
                "to real persons. Expected days 61 to 91 in a mock home. Take the delivery away, "
                "or use a production home (KOBLING_POPULATION=production)."
            )


def _judge(con: duckdb.DuckDBPyConnection, table: Table) -> None:
    """Give every typed row its reason for quarantine, or none. The first that applies counts."""
    reasons = []
    for column in table.number_columns:
        number = f'"{column.name}"'
        if column.role == "relative":
            continue
        blank_is_fine = "" if column.role == "owner" else f"{number} is not null and "
        reasons.append(
            f"when {blank_is_fine}number_malformed({number}) is not null "
            f"then number_malformed({number})"
        )
        # Only a production home gets here with made-up numbers that it must not believe.
        reasons.append(
            f"when getvariable('population') = 'production' and {number} is not null "
            f"and number_is_made_up({number}) then '{MADE_UP_REASON}'"
        )
    for column in table.columns:
        if (column.is_required or column.is_key) and not column.is_personal_number:
            name = column.name
            reasons.append(f"""when "unreadable {name}" then 'unreadable_{name}'""")
            reasons.append(f"""when "{name}" is null then 'missing_{name}'""")
    everything = ", ".join(f'"{column.name}"' for column in table.columns)
    con.execute(
        f"""
        create or replace temp table judged as
        with judged as (
            select
                *,
                case {" ".join(reasons)} end as own_reason,
                row_number() over (partition by {everything}, given order by source_row)
                    as copy_number
            from typed
        )
        select
            * exclude (own_reason, copy_number, given),
            coalesce(own_reason, case when copy_number > 1 then 'duplicate' end) as reason
        from judged
        """
    )


def _findings(table: Table, period: str | None) -> list[tuple[str, str]]:
    """(name, SQL condition) of what is worth telling about rows that do land."""
    found = []
    for column in table.columns:
        name = column.name
        if column.role == "relative":
            found.append(
                (
                    f"malformed_{name}",
                    f'"{name}" is not null and number_malformed("{name}") is not null',
                )
            )
        elif not (column.is_required or column.is_key or column.is_personal_number):
            found.append((f"unreadable_{name}", f'"unreadable {name}"'))
    if table.period_column and period and period.isdigit() and len(period) == 4:
        found.append(("outside_period", f'year("{table.period_column}") <> {period}'))
    return found


def _write(
    con: duckdb.DuckDBPyConnection,
    parsed: Parsed,
    table: Table,
    file: DeliveredFile,
    extra: list[str],
    rows: int,
    malformed_lines: int,
) -> tuple[LandedFile, dict[str, int]]:
    period = file.period or NO_PERIOD
    register = parsed.delivery.register
    # The same file under the same contract and rules always lands under the same name.
    identity = digest([file.sha256, register.version, register.name, file.table, period])[:16]
    content = f"{register.name}.{parsed.delivery.folder.name}.{identity}"
    quarantined = dict(
        con.execute(
            "select reason, count(*) from judged where reason is not null group by all order by all"
        ).fetchall()
    )
    if malformed_lines:
        quarantined["malformed_line"] = malformed_lines
    unreadable = {
        column.name: con.execute(
            f"""select count(*) from judged where "unreadable {column.name}" """
        ).fetchone()[0]
        for column in table.columns
        if column.is_required or column.is_key
    }
    named = _findings(table, file.period)
    findings = {}
    if named:
        counts = con.execute(
            "select "
            + ", ".join(f"count(*) filter (where reason is null and ({c}))" for _, c in named)
            + " from judged"
        ).fetchone()
        findings = {name: count for (name, _), count in zip(named, counts, strict=True) if count}
    findings |= {f"extra_column_{_shown([name])}": rows for name in extra}
    landed_columns = ", ".join(
        f'case when number_malformed("{c.name}") is null then "{c.name}" end as "{c.name}"'
        if c.role == "relative"
        else f'"{c.name}"'
        for c in table.columns
    )
    outcome = LandedFile(
        file.path,
        file.table,
        period,
        file.format,
        file.sha256,
        rows,
        rows - sum(quarantined.values()),
        quarantined,
        findings,
        content,
    )
    _copy(
        con,
        f"select source_file, source_row, {landed_columns} from judged where reason is null "
        "order by source_row",
        parsed.scratch / _slot("landing", outcome),
    )
    if quarantined:
        names = ", ".join(f'judged."{c.name}"' for c in table.columns)
        nothing = ", ".join(f"null::{c.duckdb_type}" for c in table.columns)
        _copy(
            con,
            f"""
            select source_file, source_row, reason, {names}, as_given from (
                select judged.*, to_json(raw)::varchar as as_given
                from judged inner join raw on judged.source_row = raw.source_row
                where judged.reason is not null
            ) as judged
            union all
            select '{file.sha256[:12]}', source_row, 'malformed_line', {nothing}, line
            from malformed_line
            order by source_row
            """,
            parsed.scratch / _slot("quarantine", outcome),
        )
    per_row = [(name, condition) for name, condition in named if name in findings]
    if per_row:
        _copy(
            con,
            " union all ".join(
                f"select source_file, source_row, '{name}' as finding from judged "
                f"where reason is null and ({condition})"
                for name, condition in per_row
            )
            + " order by source_row, finding",
            parsed.scratch / _slot("findings", outcome),
        )
    return outcome, {name: count for name, count in unreadable.items() if count}


def _copy(con: duckdb.DuckDBPyConnection, query: str, place: Path) -> None:
    place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    con.execute(f"copy ({query}) to '{place}' (format parquet, compression zstd)")


def newest_complete_to(home: Home) -> dict[str, tuple[str | None, str]]:
    """Per register: complete_to and delivered_on of its accepted delivery that counts last."""
    return {r["register"]: (r["complete_to"], r["delivered_on"]) for r in accepted(home)}
