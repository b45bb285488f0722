"""The only conductor: one function per step of the road. Opens, calls, saves, tells.

No rule about registers, persons or risks lives here. Each step knows by its key whether it has
anything to do: the same deliveries, definitions and code give the same key, and then it says so.
"""

import datetime as dt
import textwrap
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import polars as pl

from etl import deliveries, evidence, ledger, linkage, pseudonym, registers, restricted, studies
from etl import release as releases
from etl.errors import (
    DeliveryError,
    KoblingError,
    QualityError,
    ReleaseError,
    SettingsError,
    StudyError,
)
from etl.home import (
    Home,
    connect,
    digest,
    file_hash,
    for_owner_only,
    key_in,
    one_writer,
    open_home,
    read_json,
    remove,
    replace_json,
    replace_text,
)
from etl.landing import (
    NO_PERIOD,
    Current,
    accept,
    accepted,
    current,
    forget_put_back,
    newest_complete_to,
    parse,
    put_aside,
    put_back,
    record,
    refuse,
    refused_as_given,
)
from etl.pseudonym import key_id
from etl.settings import Settings

Say = Callable[[str], None]


# ------------------------------------------------------------------ receive


def receive(
    settings: Settings,
    inbox: Path,
    complete_to: str | None,
    say: Say,
    coverage: str | None = None,
) -> int:
    """Copy every delivery below `inbox` into the store. Returns how many were new.

    A delivery that is refused keeps none of the others out; the step is red all the same.
    """
    home = open_home(settings)
    new, refusals = 0, []
    with one_writer(home):
        _tell_what_a_kill_left_untold(home)
        for source in deliveries.find(inbox):
            try:
                place = deliveries.receive(
                    source,
                    home.deliveries,
                    home.scratch,
                    complete_to,
                    coverage,
                    settings.unpack_times,
                    _keeping_out(settings, home, say),
                )
            except DeliveryError as error:
                ledger.record(home, "delivery refused", delivery=_name(source), reason=str(error))
                refusals.append(str(error))
                continue
            if place is None:
                say(f"{_name(source)}: received before, nothing new")
                continue
            new += 1
            _tell_received(home, place)
            rows = sum(file["rows"] for file in read_json(place / deliveries.MANIFEST)["files"])
            say(f"{_name(place)}: received, {_n(rows, 'row')}")
    if refusals:
        raise DeliveryError("\n".join(refusals))
    return new


def _keeping_out(settings: Settings, home: Home, say: Say) -> Callable[[Path], None] | None:
    """What takes the erased out of a delivery before it is stored; None where nobody was erased.

    Who may be back under another number stays in, and is told of.
    """
    from etl import erasure

    marked = erasure.marks(home)
    if not marked:
        return None
    keys = restricted.keys_of(settings)

    def cleanse(folder: Path) -> None:
        others = deliveries.of_register(home.deliveries, registers.register(folder.parent.name))
        with connect(settings) as con:
            suspects = erasure.suspects(con, home, folder, keys, settings.unpack_times)
            _tell_suspects(home, _name(folder), suspects, keys, say)
            found = erasure.cleanse(
                con, home.scratch, folder, others, keys, marked, settings.unpack_times
            )
        if found.files:
            ledger.record(
                home, "erased again", delivery=found.delivery, rows=found.rows, values=found.values
            )

    return cleanse


def _tell_suspects(
    home: Home, delivery: str, suspects: dict[str, set[str]], keys: restricted.Keys, say: Say
) -> None:
    from etl import erasure

    if not suspects:
        return
    # Remembered last: a kill before it tells the same once more, and never loses it.
    places = erasure.note_suspects(home, suspects)
    n = sum(map(len, suspects.values()))
    ledger.record(home, "erased person perhaps renumbered", delivery=delivery, numbers=n)
    erasure.remember_suspects(home, suspects, keys)
    say(
        f"{delivery}: {_n(n, 'number')} may be an erased person's other one, and stays in. See who "
        "it is; if it is the same person, `kobling erase --pnr-file` with the file, else take it "
        f"away: {', '.join(map(str, places))}"
    )


def receive_from_database(
    settings: Settings,
    url: str,
    register: str,
    schema: str,
    tables: tuple[str, ...],
    complete_to: str | None,
    say: Say,
) -> int:
    """Pull a register out of a PostgreSQL database, as a delivery of today. Returns 1 if new."""
    from etl import postgres  # loads the driver, which files never need

    source = postgres.address(url)
    if source.has_password:
        say("the password stands in the address, where others on this machine can read it")
    contract = registers.register(register)
    home = open_home(settings)
    with one_writer(home):
        _tell_what_a_kill_left_untold(home)
        with connect(settings) as con:
            try:
                place = postgres.pull(
                    con, source, contract, schema, tables, complete_to, home.deliveries,
                    home.scratch, say, _keeping_out(settings, home, say),
                )  # fmt: skip
            except DeliveryError as error:
                ledger.record(home, "delivery refused", delivery=register, reason=str(error))
                raise
        if place is None:
            say(f"{register}: the same as was received last, nothing new")
            return 0
        _tell_received(home, place)
        rows = sum(file["rows"] for file in read_json(place / deliveries.MANIFEST)["files"])
        say(f"{_name(place)}: received, {_n(rows, 'row')}")
        return 1


def _tell_received(home: Home, place: Path) -> None:
    ledger.record(
        home,
        "delivery received",
        delivery=_name(place),
        manifest_sha256=file_hash(place / deliveries.MANIFEST),
    )


def _tell_accepted(home: Home, entry: dict) -> None:
    landed = sum(file["landed"] for file in entry["files"])
    quarantined = sum(sum(file["quarantined"].values()) for file in entry["files"])
    ledger.record(
        home,
        "delivery accepted",
        delivery=f"{entry['register']}/{entry['folder']}",
        manifest_sha256=entry["manifest_sha256"],
        rows=landed + quarantined,
        landed=landed,
        quarantined=quarantined,
    )


def _tell_what_a_kill_left_untold(home: Home) -> None:
    """A kill between a deed and its line in the ledger must not lose the line."""
    received = ledger.told(home, "delivery received", "delivery")
    for name in registers.catalogue():
        for folder in deliveries.of_register(home.deliveries, registers.register(name)):
            if _name(folder) not in received and (folder / deliveries.MANIFEST).is_file():
                _tell_received(home, folder)
    known = ledger.told(home, "delivery accepted", "delivery")
    for entry in accepted(home):
        if f"{entry['register']}/{entry['folder']}" not in known:
            _tell_accepted(home, entry)


# ------------------------------------------------------------------ land


def land(settings: Settings, register: str | None, say: Say) -> int:
    """Land what has been received and not yet landed. Returns how many deliveries were new.

    A refused delivery stays refused, and keeps this step red, until a newer one of its register is
    accepted or it is taken away.
    """
    home = open_home(settings)
    names = [register] if register else list(registers.catalogue())
    new, refusals = 0, []
    with one_writer(home):
        _tell_what_a_kill_left_untold(home)
        if not any((home.deliveries / name).exists() for name in names):
            say("landing: nothing has been received, nothing new")
        for name in names:
            refused_last = None
            folders = deliveries.of_register(home.deliveries, registers.register(name))
            for nth, folder in enumerate(folders):
                if _is_superseded(home, name, folder, folders[nth + 1 :]):
                    continue
                outcome, refused_last = _land_one(settings, home, name, folder, refused_last, say)
                new += outcome
            if refused_last:
                refusals.append(refused_last)
        for_owner_only(home.restricted, but=home.inbox)
    if refusals:
        raise DeliveryError("\n".join(refusals))
    return new


def _is_superseded(home: Home, register: str, folder: Path, later: list[Path]) -> bool:
    """A refused delivery after which a better one has come need not be read again."""
    known = record(home, register, folder.name)
    if not known or known["status"] != "refused":
        return False
    records = [record(home, register, other.name) for other in later]
    return any(other and other["status"] == "accepted" for other in records)


def _land_one(
    settings: Settings,
    home: Home,
    register: str,
    folder: Path,
    refused_last: str | None,
    say: Say,
    *,
    during_erasure: bool = False,
) -> tuple[int, str | None]:
    """Returns (1 if it landed now, the refusal that still stands)."""
    manifest = folder / deliveries.MANIFEST
    manifest_sha256 = file_hash(manifest) if manifest.is_file() else ""
    known = record(home, register, folder.name)
    if known and known["status"] == "accepted":
        if known["manifest_sha256"] != manifest_sha256:
            raise DeliveryError(
                f"{folder}: the manifest has changed since the delivery was accepted. Expected "
                "deliveries to stay as they came. Restore it; a correction is a new delivery."
            )
        say(f"{_name(folder)}: landed before, nothing new")
        return 0, None
    try:
        delivery = deliveries.read(folder)
        keys = restricted.keys_of(settings, during_erasure=during_erasure)
        with connect(settings) as con:
            say(f"{_name(folder)}: reading {_n(len(delivery.files), 'file')}")
            parsed = parse(con, home, delivery, settings.population, keys, settings.unpack_times)
            checks = _check_landing(con, parsed)
    except DeliveryError as error:
        if not known:
            refuse(home, register, folder, manifest_sha256, str(error))
            ledger.record(home, "delivery refused", delivery=_name(folder), reason=str(error))
        return 0, str(error)
    accept(home, parsed, checks)
    decided = record(home, register, folder.name)
    _tell_accepted(home, decided)
    landed = sum(file.landed for file in parsed.files)
    quarantined = sum(sum(file.quarantined.values()) for file in parsed.files)
    findings = sum(sum(file.findings.values()) for file in parsed.files)
    failing = sum(check["status"] not in ("pass", "not_applicable") for check in checks)
    say(
        f"{_name(folder)}: {_n(landed + quarantined, 'row')} in = {landed:,} landed + "
        f"{quarantined:,} quarantined; {_n(findings, 'finding')}; "
        f"{_n(len(checks), 'check')}, {failing} with something to look at"
    )
    for finding in decided["findings"]:
        say(f"{_name(folder)}: {finding['table']} {finding['period']}: {finding['text']}")
    return 1, None


def _check_landing(con, parsed) -> list[dict]:
    """Run the landing suites over a parsed delivery; a fatal failure refuses it."""
    from etl import quality

    results = []
    for table in parsed.delivery.register.tables:
        paths = parsed.landed_paths(table.name)
        if not paths:
            continue
        source = restricted.scan(
            *paths, options="hive_partitioning = true, hive_types_autocast = false"
        )
        con.execute(f'create or replace view "{table.name}" as select * from {source}')
        suite = f"landing.{table.register}.{table.name}"
        checks = quality.structural_checks(table) + quality.written_checks(EXPECTATIONS, suite)
        results += quality.run(
            con,
            table.name,
            checks,
            key_columns=("source_file", "source_row"),
            sensitive_columns=tuple(column.name for column in table.number_columns),
            scope=_name(parsed.delivery.folder),
        )
    gate = quality.gate(results)
    if gate.state == "red":
        raise DeliveryError(
            f"{parsed.delivery.folder}: a fatal check failed: {'; '.join(gate.failures)}. "
            "Expected none. Ask the keeper for a corrected delivery."
        )
    return [quality.as_row(result) for result in results]


EXPECTATIONS = Path(__file__).resolve().parent.parent / "expectations"
# The warehouse's schemas whose tables have suites of their own.
ROOMS = ("marts", "staging")


# ------------------------------------------------------------------ link


def link(settings: Settings, say: Say) -> bool:
    """Put persons in place of numbers, for every (table, period) that is not linked already."""
    home = open_home(settings)
    with one_writer(home):
        entries = current(home)
        keys = restricted.keys_of(settings)
        code = evidence.code_hash(settings.project)
        wanted = _link_key(settings, entries, keys.secret)
        state = home.state / "link.json"
        before = read_json(state) if state.exists() else {"slots": {}}
        if before.get("key") == wanted and _lake_is_whole(home, before["slots"]):
            say("linkage: nothing new")
            return False
        # Until the new state is written the lake may be half old, half new: `select` must not read.
        earlier = {name: before.get(name) for name in ("fingerprint", "identified")}
        replace_json(state, {"slots": before["slots"], "key_id": keys.key_id, **earlier})
        with connect(settings) as con:
            keys.unlock(con)
            identified, may_hold = _identify(con, home, keys, entries, code, earlier)
            _write_findings(con, home)
            linkage.write_empty(con, home)
            linkage.forget_other_periods(home, {entry.slot for entry in entries})
            slots, flow = {}, []
            for entry in entries:
                slot = "/".join(entry.slot)
                table = registers.register(entry.register).table(entry.file.table)
                contacts = _contacts_of(entry, table, entries)
                slot_key = digest(
                    [*[[e.file.content, e.file.sha256] for e in (entry, *contacts)], code]
                )
                done = before["slots"].get(slot)
                place = _part(slot)
                quarantined = entry.path(home, "quarantine")
                files = (
                    entry.path(home),
                    quarantined if quarantined.exists() else None,
                )
                hung_on = [contact.path(home) for contact in contacts]
                if not (
                    may_hold
                    and _is_whole(home, slot, done)
                    and done["key"] == slot_key
                    and not linkage.leads_elsewhere(con, table, *files, hung_on)
                ):
                    counts = linkage.link_file(
                        con, table, *files, home.linked / place, home.unlinked / place, hung_on
                    )
                    done = {"key": slot_key, "counts": counts, "bytes": _sizes(home, slot)}
                slots[slot] = done
                flow += _flow_rows(entry, done["counts"])
        _hold_the_sums(flow)
        _write_lake_facts(home, entries, flow)
        replace_json(
            state,
            {"key": wanted, "slots": slots, "key_id": keys.key_id, **identified},
        )
        linked = sum(row["rows"] for row in flow if row["stage"] == "linked")
        unlinked = sum(row["rows"] for row in flow if row["stage"] == "unlinked")
        ledger.record(
            home, "linked", key=wanted, key_id=keys.key_id, linked=linked, unlinked=unlinked
        )
        for name in registers.catalogue():
            say(_linkage_line(name, flow))
        return True


def _identify(
    con, home: Home, keys: restricted.Keys, entries: list[Current], code: str, earlier: dict
) -> tuple[dict, bool]:
    """Who is who, as the table `crosswalk`, made again only where the civil register or the code
    has changed.

    Returns what the state keeps of it, and whether files linked before may hold: then the table
    `led_elsewhere` has the numbers of those that do not.
    """
    persons = [entry for entry in entries if entry.file.table == "cpr3_t_person"]
    made_of = digest([[[e.file.content, e.file.sha256] for e in persons], code, keys.key_id])
    is_refresh = linkage.attach_earlier(con, home, keys, earlier["fingerprint"])
    if is_refresh and earlier["identified"] == made_of:
        linkage.take_over(con)
        con.execute("detach identity")
        return earlier, True
    paths = [entry.path(home) for entry in persons]
    fingerprint = linkage.identify(con, restricted.scan(*paths) if paths else None, keys.secret)
    if is_refresh:
        linkage.compare(con)
        con.execute("detach identity")
    restricted.keep_identity(con, home, keys)
    return {"fingerprint": fingerprint, "identified": made_of}, is_refresh


def _part(slot: str) -> Path:
    """Where a slot's rows lie, below the linked and the unlinked store."""
    register, table, period = slot.split("/")
    return Path(register, table, f"period={period}", "part.parquet")


def _contacts_of(entry: Current, table: registers.Table, entries: list[Current]) -> list[Current]:
    """The files that hold the contacts which a table's rows hang on: those of the same period.

    What hangs on the contacts of 1994 comes in the files of 1994; a file of every year may hold the
    contacts of any, and has what hangs on them in any.
    """
    if table.contact is None:
        return []
    return [
        other
        for other in entries
        if (other.register, other.file.table) == (entry.register, table.contact.refers_to)
        and (
            other.file.period == entry.file.period
            or NO_PERIOD in (other.file.period, entry.file.period)
        )
    ]


def _sizes(home: Home, slot: str) -> list[int]:
    """Bytes of a slot's linked and unlinked file; -1 where it is not there."""
    files = [store / _part(slot) for store in (home.linked, home.unlinked)]
    return [file.stat().st_size if file.exists() else -1 for file in files]


def _is_whole(home: Home, slot: str, done: dict | None) -> bool:
    """Whether both files of a slot lie there as they were left."""
    return done is not None and _sizes(home, slot) == done.get("bytes")


def _lake_is_whole(home: Home, slots: dict[str, dict]) -> bool:
    """Whether everything that was linked is there: a file that is lost is made anew, and never
    taken for a register with fewer rows."""
    facts = ("linkage_flow", "delivery", "register", "number_finding")
    return all(_is_whole(home, slot, done) for slot, done in slots.items()) and all(
        (home.lake / f"{name}.parquet").exists() for name in facts
    )


def _link_key(settings: Settings, entries: list[Current], key: bytes) -> str:
    return digest(
        [
            [[*e.slot, e.file.content, e.file.sha256] for e in entries],
            newest_complete_to(Home(settings.home)),
            key_id(key),
            evidence.code_hash(settings.project),
        ]
    )


def _write_findings(con, home: Home) -> None:
    """What contradicts itself in the civil register's numbers, without the numbers."""
    place = home.lake / "number_finding.parquet"
    place.parent.mkdir(parents=True, exist_ok=True)
    beside = place.with_name(f".{place.name}.new")
    con.execute(
        "copy (select * exclude (pnr, other_pnr) from number_finding order by finding_number) "
        f"to '{beside}' (format parquet, compression zstd)"
    )
    beside.replace(place)


def _flow_rows(entry: Current, counts: dict[str, int]) -> list[dict]:
    register, table, period = entry.slot
    quarantined = entry.file.quarantined

    def row(stage: str, reason: str, rows: int) -> dict:
        return {
            "register": register,
            "table_name": table,
            "period": period,
            "stage": stage,
            "reason": reason,
            "rows": rows,
        }

    return [
        row("received", "", entry.file.rows),
        *(row("quarantined", reason, rows) for reason, rows in quarantined.items()),
        row("landed", "", entry.file.landed),
        row("linked", "", counts.get("", 0)),
        *(row("unlinked", reason, rows) for reason, rows in counts.items() if reason),
    ]


def _hold_the_sums(flow: list[dict]) -> None:
    """Rows in = landed + quarantined; landed = linked + unlinked; for every table and period."""
    sums: dict[tuple, dict[str, int]] = {}
    for row in flow:
        slot = sums.setdefault((row["register"], row["table_name"], row["period"]), {})
        slot[row["stage"]] = slot.get(row["stage"], 0) + row["rows"]
    for slot, n in sums.items():
        out = n["landed"] + n.get("quarantined", 0)
        followed = n["linked"] + n.get("unlinked", 0)
        if n["received"] != out or n["landed"] != followed:
            raise KoblingError(
                f"{'/'.join(slot)}: {n['received']} rows received, {out} landed or quarantined, "
                f"{n['landed']} landed, {followed} linked or unlinked. Expected the sums to close. "
                "Nothing has been released; report this with the ledger."
            )


def _write_lake_facts(home: Home, entries: list[Current], flow: list[dict]) -> None:
    linkage.write_frame(
        pl.DataFrame(
            flow,
            schema={
                "register": pl.String,
                "table_name": pl.String,
                "period": pl.String,
                "stage": pl.String,
                "reason": pl.String,
                "rows": pl.Int64,
            },
        ),
        home.lake / "linkage_flow.parquet",
    )
    linkage.write_frame(
        pl.DataFrame(
            [
                {
                    "register": e.register,
                    "table_name": e.file.table,
                    "period": e.file.period,
                    "delivered_on": e.delivered_on,
                    "complete_to": e.complete_to,
                    "rows": e.file.rows,
                    "sha256": e.file.sha256,
                    "path": f"{e.register}/{e.folder}/{e.file.path}",
                    "format": e.file.format,
                }
                for e in entries
            ],
            schema_overrides={"complete_to": pl.String},
        ).with_columns(pl.col("delivered_on", "complete_to").str.to_date()),
        home.lake / "delivery.parquet",
    )
    linkage.write_frame(
        pl.DataFrame(
            [
                {"register": name, "complete_to": complete_to, "delivered_on": delivered_on}
                for name, (complete_to, delivered_on) in sorted(newest_complete_to(home).items())
            ],
            schema_overrides={"complete_to": pl.String},
        ).with_columns(pl.col("delivered_on", "complete_to").str.to_date()),
        home.lake / "register.parquet",
    )


def _linkage_line(register: str, flow: list[dict]) -> str:
    n = {}
    for row in flow:
        if row["register"] == register:
            n[row["stage"]] = n.get(row["stage"], 0) + row["rows"]
    return (
        f"{register}: {n.get('received', 0):,} received = {n.get('linked', 0):,} linked + "
        f"{n.get('unlinked', 0):,} unlinked + {n.get('quarantined', 0):,} quarantined"
    )


# ------------------------------------------------------------------ select


def select(settings: Settings, say: Say) -> bool:
    """Build staging, cohorts and marts with dbt, beside the old warehouse, then replace it."""
    from etl import selection
    from etl.quality import history, rates

    home = open_home(settings)
    with one_writer(home):
        wanted = select_key(settings, home)
        if _built_key(settings, home) == wanted:
            say("selection: nothing new")
            return False
        beside = home.root / "warehouse.next.duckdb"
        remove(beside)
        remove(beside.with_name(beside.name + ".wal"))
        definitions = [studies.read(settings.project, n) for n in studies.names(settings.project)]
        with connect(settings, beside) as con:
            studies.load(con, definitions)
            data_id = _data_id(settings, home)
            before = rates.give_before(con, home.warehouse, data_id)
            con.execute(
                "create table study.build as select ? as select_key, ? as linkage_before",
                [wanted, before],
            )
        say(f"selecting {_n(len(definitions), 'study', 'studies')} with dbt")
        selection.build(settings, home, beside, say)
        with connect(settings, beside) as con:
            if home.warehouse.exists():
                history.carry_over(con, home.warehouse)
            rates.keep(con, wanted, data_id)
            con.execute("checkpoint")
        beside.replace(home.warehouse)
        remove(home.warehouse.with_name(home.warehouse.name + ".wal"))
        ledger.record(home, "selected", key=wanted)
        return True


def select_key(settings: Settings, home: Home) -> str:
    state = home.state / "link.json"
    before = read_json(state) if state.exists() else {"slots": {}}
    linked = before.get("key")
    if not linked or not _lake_is_whole(home, before["slots"]):
        raise KoblingError(
            f"{home.lake}: the linkage has not been completed, or files of it are gone. Expected a "
            "whole lake. Run `kobling link` first."
        )
    definitions = {
        name: studies.definition_hash(studies.read(settings.project, name))
        for name in studies.names(settings.project)
    }
    return digest([linked, definitions, evidence.code_hash(settings.project)])


def _built_key(settings: Settings, home: Home) -> str | None:
    if not home.warehouse.exists():
        return None
    with connect(settings, home.warehouse, read_only=True) as con:
        return con.execute("select select_key from study.build").fetchone()[0]


# ------------------------------------------------------------------ check


def check(settings: Settings, say: Say) -> None:
    """Run the suites of staging and marts, keep every result and failing row.

    Raises QualityError when a fatal check is red.
    """
    from etl import quality

    home = open_home(settings)
    with one_writer(home):
        refresh = _require_warehouse(settings, home)
        with connect(settings, home.warehouse) as con:
            if not _checked(con, refresh):
                results = landing_results(home)
                suites = (path for room in ROOMS for path in (EXPECTATIONS / room).glob("*.json"))
                for suite in sorted(suites):
                    name = f"{suite.parent.name}.{suite.stem}"
                    results += quality.run(
                        con,
                        name,
                        quality.written_checks(EXPECTATIONS, name),
                        key_columns=quality.key_columns(con, name),
                        sensitive_columns=(),
                    )
                quality.store(con, results, refresh)
                say(quality.headline(results))
                say("the gate is red when a fatal check fails, and amber when another does")
                for result in results:
                    if result.status == "fail":
                        say(
                            f"fails ({result.check.severity}): {result.check.words} "
                            f"{result.n_failing:,} of {result.n_checked:,} rows do not."
                        )
            else:
                say("checks: nothing new")
            gate = quality.stored_gate(con, refresh)
        ledger.record(home, "checked", refresh=refresh, gate=gate.state)
        if gate.state == "red":
            raise QualityError(
                f"quality: a fatal check failed: {'; '.join(gate.failures)}. Expected none. "
                "No estimate is made and the last release stays live; the failing rows stand in "
                f"{home.warehouse}, table quality.failure, under refresh_id {refresh[:12]}…"
            )


def landing_results(home: Home) -> list:
    """What the landing suites said about the deliveries that count now."""
    from etl import quality

    counting = {(entry.register, entry.folder) for entry in current(home)}
    return [
        quality.from_row(row)
        for register, folder in sorted(counting)
        for row in record(home, register, folder)["checks"]
    ]


def _require_warehouse(settings: Settings, home: Home) -> str:
    built = _built_key(settings, home)
    if built is None:
        raise KoblingError(
            f"{home.warehouse}: not there. Expected a selected warehouse. Run `kobling select`."
        )
    return built


def _checked(con, refresh: str) -> bool:
    known = con.execute(
        "select count(*) from duckdb_tables() where schema_name = 'quality' "
        "and table_name = 'result'"
    ).fetchone()[0]
    return bool(known) and bool(
        con.execute(
            "select count(*) from quality.result where refresh_id = ?", [refresh]
        ).fetchone()[0]
    )


# ------------------------------------------------------------------ estimate


def estimate(settings: Settings, study: str, say: Say) -> None:
    """Estimate a study's risks from the marts into `analysis`; refused while a fatal is red."""
    from etl import estimate as estimation

    definition = studies.read(settings.project, study)
    home = open_home(settings)
    with one_writer(home):
        keys = evidence_keys(settings, home, study)
        wanted = evidence.release_id(keys)
        with connect(settings, home.warehouse) as con:
            document_of_estimates = home.state / f"estimates-{study}.json"
            if _estimated(con, study) == wanted and document_of_estimates.exists():
                say(f"{study}: estimated before, nothing new")
                return
            estimates = estimation.compute(con, plan_of(definition))
            estimates.write(con)
            con.execute("create table if not exists analysis.build (study_id text, key text)")
            con.execute("delete from analysis.build where study_id = ?", [study])
            con.execute("insert into analysis.build values (?, ?)", [study, wanted])
        document = estimates.document() | {
            "notes": list(definition.notes),
            "population": settings.population,
            "evidence": keys,
        }
        replace_json(document_of_estimates, document)
        ledger.record(home, "estimated", study=study, key=wanted)
        say(f"{study}: {len(document['risks'])} risks, {len(document['contrasts'])} differences")


def plan_of(definition):
    """What the estimation and the report need to know of a study."""
    from etl.estimate import FactorPlan, OutcomePlan, Plan

    return Plan(
        study_id=definition.study_id,
        horizons_days=definition.horizons_days,
        outcomes=tuple(
            OutcomePlan(name=o.name, label=o.label, threshold=o.threshold, from_day=o.from_day)
            for o in definition.outcomes
        ),
        factors=tuple(
            FactorPlan(
                name=f.name,
                label=f.label,
                levels=f.levels,
                reference=f.reference,
                is_rule_factor=f.is_rule_factor,
            )
            for f in definition.factors
        ),
    )


def evidence_keys(settings: Settings, home: Home, study: str) -> dict[str, str]:
    """data + definition + code + gate, and the data before: what an estimate now would rest on.

    Raises QualityError where the gate is red or has not been passed: no estimate without it.
    """
    from etl import quality

    refresh = _require_warehouse(settings, home)
    if refresh != select_key(settings, home):
        raise KoblingError(
            f"{home.warehouse}: made from older deliveries, definitions or code. Expected the "
            "present ones. Run `kobling select` and `kobling check` first."
        )
    with connect(settings, home.warehouse, read_only=True) as con:
        if not _checked(con, refresh):
            raise QualityError(
                "quality: the marts have not been checked. Expected a passed gate. "
                "Run `kobling check` first."
            )
        gate = quality.stored_gate(con, refresh)
        before = con.execute("select linkage_before from study.build").fetchone()[0]
    if gate.state == "red":
        raise QualityError(
            f"quality: a fatal check is red: {'; '.join(gate.failures)}. Expected none. "
            "The estimate is refused and the last release stays live."
        )
    return {
        "data": _data_id(settings, home),
        "definition": studies.definition_hash(studies.read(settings.project, study)),
        "code": evidence.code_hash(settings.project),
        "gate": gate.state,
        # What the rates of linkage are held against is no part of the data of this refresh.
        **({"data of the refresh before": before} if before else {}),
    }


def _data_id(settings: Settings, home: Home) -> str:
    """What was delivered and counts, and the pseudonym key, in one hash."""
    return evidence.data_hash(
        [[*entry.slot, entry.file.sha256] for entry in current(home)],
        newest_complete_to(home),
        restricted.keys_of(settings).key_id,
    )


def _estimated(con, study: str) -> str | None:
    known = con.execute(
        "select count(*) from duckdb_tables() where schema_name = 'analysis' "
        "and table_name = 'build'"
    ).fetchone()[0]
    row = (
        known
        and con.execute("select key from analysis.build where study_id = ?", [study]).fetchone()
    )
    return row[0] if row else None


# ------------------------------------------------------------------ release


def release(settings: Settings, study: str, say: Say) -> Path:
    """Publish marts, estimates, figures, pages and evidence; `current` moves at the end."""
    definition = studies.read(settings.project, study)
    home = open_home(settings)
    with one_writer(home):
        keys = evidence_keys(settings, home, study)
        wanted = evidence.release_id(keys)
        live = releases.current(home, study)
        if live and live.name == wanted:
            if wanted not in ledger.told(home, "released", "release"):
                ledger.record(home, "released", study=study, release=wanted, keys=keys)
            say(f"{study}: release {wanted} is live already, nothing new")
            return live
        with connect(settings) as con:
            # Attached, so that the release's own DuckDB file can be written beside it.
            con.execute(f"attach '{home.warehouse}' as warehouse (read_only)")
            con.execute("use warehouse")
            if _estimated(con, study) != wanted:
                raise ReleaseError(
                    f"{study}: no estimates for release {wanted}. Expected them to be made from "
                    f"the present marts. Run `kobling estimate {study}` first."
                )
            place = releases.publish(
                home,
                study,
                wanted,
                lambda folder: _fill_release(settings, home, con, definition, keys, folder),
            )
        ledger.record(home, "released", study=study, release=wanted, keys=keys)
        say(f"{study}: release {wanted} is live")
        return place


def _fill_release(settings: Settings, home: Home, con, definition, keys, folder: Path) -> None:
    """Everything a release holds; the page and the evidence last, since they name the rest."""
    from etl import erasure, quality, report

    study, plan = definition.study_id, plan_of(definition)
    document = read_json(home.state / f"estimates-{study}.json")
    refresh = select_key(settings, home)
    own_ids = releases.give_own_ids(con, study, restricted.keys_of(settings).of_release(study))
    releases.export_tables(con, study, refresh, folder)
    releases.export_patients(
        folder, [o.name for o in definition.outcomes], [f.name for f in definition.factors]
    )
    replace_json(folder / "estimates.json", document)
    attrition = _rows(con, "marts.attrition", study, "step")
    flow = con.execute("select * from marts.linkage_flow order by all").pl().to_dicts()
    report.forest_plot(document, plan, folder / "forest_plot.svg", folder / "forest_plot.png")
    report.cohort_flow(
        attrition, folder / "cohort_flow.svg", folder / "cohort_flow.png", definition.title
    )
    report.cumulative_incidence(
        _rows(con, "analysis.curve", study, "all"),
        plan,
        folder / "cumulative_incidence.svg",
        folder / "cumulative_incidence.png",
    )
    report.stability_strip(document, plan, folder / "stability.svg", folder / "stability.png")
    results = [one.of_study(study, own_ids) for one in quality.stored_results(con, refresh)]
    quality.data_docs(results, folder / "data_docs")
    (folder / report.DICTIONARY).write_text(
        report.data_dictionary(registers.catalogue().values()), encoding="utf-8"
    )
    facts = {
        "study": study,
        "population": settings.population,
        "release_id": evidence.release_id(keys),
        "keys": keys,
        "pseudonym_key_id": restricted.keys_of(settings).key_id,
        "deliveries": pl.read_parquet(home.lake / "delivery.parquet")
        .with_columns(pl.col("delivered_on", "complete_to").cast(pl.String))
        .to_dicts(),
        "contracts": {name: r.version for name, r in registers.catalogue().items()},
        "erased": erasure.totals(home),
        "environment_lock_sha256": file_hash(settings.project / "requirements.lock"),
    }
    linkage_of = _linkage_of(con, study)
    report.linkage_flow(
        linkage_of, folder / "linkage_flow.svg", folder / "linkage_flow.png", definition.title
    )
    (folder / report.LINKAGE).write_text(
        report.linkage_page(linkage_of, facts, definition.title), encoding="utf-8"
    )
    page = report.index_page(
        document=document,
        plan=plan,
        attrition=attrition,
        baseline=_rows(con, "marts.baseline", study, "all"),
        baseline_by=definition.baseline_by,
        intersections=_rows(con, "marts.criteria_intersections", study, "all"),
        codes=_rows(con, "marts.code_usage", study, "all"),
        linkage_flow=flow,
        checks=con.execute(
            "select * from quality.result where refresh_id = ? order by result_number", [refresh]
        )
        .pl()
        .to_dicts(),
        evidence=facts,
        files=releases.listing(folder),
        title=definition.title,
        question=definition.question,
    )
    (folder / releases.PAGE).write_text(page, encoding="utf-8")
    releases.write_evidence(folder, facts)


def _linkage_of(con, study: str):
    """What the page on linkage is made from."""
    from etl.report import Linkage

    def of(query: str, *values: str) -> list[dict]:
        return con.execute(f"{query} order by all", values).pl().to_dicts()

    return Linkage(
        quality=of("select * from marts.linkage_quality"),
        loss=of(
            "select loss.*, reason.words from marts.linkage_loss as loss "
            "left join intermediate.linkage_reason as reason using (reason)"
        ),
        rate=of("select * from marts.linkage_rate"),
        persons=of("select * from marts.linked_person_count where study_id = ?", study),
        conflict=of("select kind, register, table_name from marts.linkage_conflict"),
        death_disagreement=of(
            "select disagreement from marts.death_disagreement where study_id = ?", study
        ),
    )


def _rows(con, table: str, study: str, order: str) -> list[dict]:
    return (
        con.execute(f"select * from {table} where study_id = ? order by {order}", [study])
        .pl()
        .to_dicts()
    )


def nothing_new(settings: Settings) -> str | None:
    """A sentence when every delivery is landed, linked and released as things stand; else None."""
    home = Home(settings.home)
    if not home.warehouse.exists():
        return None
    open_home(settings)
    for name in registers.catalogue():
        is_refused = False
        for folder in deliveries.of_register(home.deliveries, registers.register(name)):
            known = record(home, name, folder.name)
            manifest = folder / deliveries.MANIFEST
            if not known or not manifest.is_file():
                return None
            is_refused = known["status"] == "refused"
            if not is_refused and known["manifest_sha256"] != file_hash(manifest):
                return None
        if is_refused:
            return None
    live = {}
    try:
        key = restricted.keys_of(settings).secret
        state = read_json(home.state / "link.json")
        if state.get("key") != _link_key(settings, current(home), key):
            return None
        if not _lake_is_whole(home, state["slots"]):
            return None
        for study in studies.names(settings.project):
            wanted = evidence.release_id(evidence_keys(settings, home, study))
            place = releases.current(home, study)
            if place is None or place.name != wanted:
                return None
            live[study] = wanted
    except KoblingError:
        return None
    delivered = sum(
        len(deliveries.of_register(home.deliveries, registers.register(name)))
        for name in registers.catalogue()
    )
    shown = ", ".join(f"{study} {release_id}" for study, release_id in live.items())
    return (
        f"Nothing new: {_n(delivered, 'delivery', 'deliveries')} landed, linked and released "
        f"({shown})."
    )


def summary(settings: Settings, study: str) -> str:
    """The live release in words: risk tables, one line of cohort flow, the path of its page."""
    from etl import estimate as estimation
    from etl import report

    studies.read(settings.project, study)
    live = _live(settings, study)
    document = read_json(live / "estimates.json")
    attrition = pl.read_parquet(live / "parquet" / "attrition.parquet").sort("step").to_dicts()
    made_up = ["Mock registers: everybody in these tables is made up.", ""]
    return "\n".join(
        [
            *(made_up if document["population"] == "mock" else []),
            estimation.render_tables(document),
            "",
            report.flow_line(attrition),
            f"Release: {live / releases.PAGE}",
        ]
    )


def _live(settings: Settings, study: str) -> Path:
    """The live release. Raises ReleaseError where there is none."""
    live = releases.current(Home(settings.home), study)
    if live is None:
        raise ReleaseError(
            f"{study}: no release yet. Expected one under {Home(settings.home).releases}. "
            "Run `kobling run` first."
        )
    return live


def put_aside_list(
    settings: Settings, store: str, register: str | None, reason: str | None, with_rows: bool
) -> str:
    """The refused rows, or those with findings, of the deliveries that count: counted, never what
    they hold."""
    home = open_home(settings)
    if register:
        registers.register(register)
    if with_rows:
        with restricted.unlocked(settings) as con:
            found = put_aside(home, store, register, reason, con)
    else:
        found = put_aside(home, store, register, reason)
    column = "reason" if store == "quarantine" else "finding"
    if not found:
        reasons = sorted({one.reason for one in put_aside(home, store, register, None)})
        known = f" There are: {', '.join(reasons)}." if reasons else ""
        place = "Nothing in quarantine" if store == "quarantine" else "No findings"
        return place + (f" with {column} '{reason}'." if reason else ".") + known
    table = [("register", "table", "period", "file", column, "rows")]
    table += [(q.register, q.table, q.period, q.file, q.reason, f"{q.rows:,}") for q in found]
    widths = [max(len(row[i]) for row in table) for i in range(6)]
    lines = []
    for row, q in zip(table, [None, *found], strict=True):
        *texts, count = (text.ljust(width) for text, width in zip(row, widths, strict=True))
        lines.append("  ".join([*texts, count.strip().rjust(widths[-1])]))
        if q and q.source_rows:
            lines += textwrap.wrap(
                ", ".join(map(str, q.source_rows)), 96,
                initial_indent="  rows ", subsequent_indent="       ",
            )  # fmt: skip
    return "\n".join([*lines, "", f"{_n(sum(q.rows for q in found), 'row')}."])


def quarantine_as_given(settings: Settings, register: str | None, reason: str | None) -> str:
    """Write the refused rows as they came into the restricted zone; the ledger keeps that."""
    home = open_home(settings)
    if register:
        registers.register(register)
    place = home.restricted / "opened" / "quarantine.csv"
    with restricted.unlocked(settings) as con:
        n = refused_as_given(home, register, reason, con, place)
    if not n:
        return "Nothing in quarantine; nothing written."
    ledger.record(home, "quarantine opened", register=register, reason=reason, rows=n)
    return (
        f"{place}: {_n(n, 'row')} as they came, with personal numbers. Take the file away when you "
        "are done; the ledger keeps that it was made."
    )


def erase(
    settings: Settings,
    pnr_file: Path,
    why: str,
    by: str,
    is_preview: bool,
    say: Say,
    say_step: Say,
) -> None:
    """Take a person out of deliveries, landing, identity store, lake and warehouse, and keep them
    out. Broken off at any moment it is finished by the same command."""
    from etl import erasure

    home = open_home(settings)
    erasure.hold_words("--reason", why)
    erasure.hold_words("--by", by)
    say_step("erase")
    with one_writer(home):
        begun = restricted.erasure_of(home)
        is_resumed = begun.exists()
        keys = restricted.keys_of(settings, during_erasure=True)
        asked = erasure.asked_for(home, pnr_file)
        with connect(settings) as con:
            keys.unlock(con)
            numbers, persons = erasure.whole_person(con, home, keys, asked)
            marked = {erasure.mark(number, keys) for number in numbers}
            marked |= erasure.marks_joined_by(home, pnr_file)
            if is_preview or not is_resumed:
                # Whatever cannot be rewritten is found before anything is.
                tell = say if is_preview else _nobody
                would = _cleansed(settings, home, con, keys, marked, tell, is_preview=True)
                held_by = _releases_that_hold(settings, home, keys, persons)
                if is_preview:
                    _tell_preview(would, held_by, say)
                    return
                if not would and not persons and not held_by:
                    say("nothing is held under this number; nothing changed")
                    return
                before = erasure.tombstone(home, sorted(marked)) or {"rows": 0, "values": 0}
                replace_json(
                    begun,
                    {
                        "marks": sorted(marked),
                        "persons": persons,
                        "releases": held_by,
                        "counted": [before["rows"], before["values"]],
                        "found": [],
                    },
                    restricted.MODE,
                )
            wanted = read_json(begun)["marks"]
            if not marked & set(wanted):
                raise SettingsError(
                    f"{begun}: the erasure of somebody else was broken off. Expected that one "
                    "to be finished first. Run `kobling erase` with that person's file."
                )
            erasure.bury(home, wanted, str(dt.date.today()), why, by)
            everybody = marked | erasure.marks(home)
            _cleansed(settings, home, con, keys, everybody, say, is_resumed=is_resumed)
        journal = read_json(begun)
        rows = sum(file["rows"] for file in journal["found"])
        values = sum(file["values"] for file in journal["found"])
        counted_rows, counted_values = journal["counted"]
        erasure.count(home, wanted, counted_rows + rows, counted_values + values)
        tombstone = f"{wanted[0][:12]} {counted_rows}"
        if tombstone not in ledger.told(home, "person erased", "tombstone"):
            ledger.record(
                home, "person erased", tombstone=tombstone, why=why, by=by, rows=rows,
                values=values, files=journal["found"], releases=journal["releases"],
            )  # fmt: skip
        _land_again(settings, home, say)
        erasure.forget_in_warehouse(settings, home, journal["persons"])
        remove(home.identity)
        releases.mark(home, journal["releases"], "withdrawn", "a person was erased on request")
        remove(begun)
        for release in journal["releases"]:
            say(f"release {release} holds the person: withdraw it; it is marked as withdrawn")
        say(
            f"{_n(rows, 'row')} gone, {_n(values, 'value')} in rows of others freed of it. The "
            "inbox is the keepers': empty it"
        )
    run(settings, None, say, say_step)


def _tell_preview(would: list, held_by: list[str], say: Say) -> None:
    for release in held_by:
        say(f"release {release} holds the person and would be marked as withdrawn")
    rows, values = sum(one.rows for one in would), sum(one.values for one in would)
    say(
        f"{_n(rows, 'row')} of {_n(len(would), 'delivery', 'deliveries')} would go, and "
        f"{_n(values, 'value')} in rows of others lose it; nothing changed"
    )


def _nobody(_: str) -> None:
    """Who listens to what is only tried."""


def _cleansed(
    settings,
    home: Home,
    con,
    keys,
    marked: set[str],
    say: Say,
    *,
    is_preview: bool = False,
    is_resumed: bool = False,
):
    """Take the marked out of every delivery; what of each."""
    from etl import erasure

    found = []
    for name, register in registers.catalogue().items():
        folders = deliveries.of_register(home.deliveries, register)
        for folder in folders:
            others = [other for other in folders if other != folder]
            if not is_preview:
                _tell_what_a_kill_left_untold(home)
            one = erasure.cleanse(
                con, home.scratch, folder, others, keys, marked, settings.unpack_times, is_preview,
                is_resumed,
            )  # fmt: skip
            if one.files:
                found.append(one)
                say(f"{one.delivery}: {_n(one.rows, 'row')}, {_n(one.values, 'value')} of others")
            if one.files and not is_preview:
                begun = restricted.erasure_of(home)
                journal = read_json(begun)
                journal["found"] += [{"delivery": one.delivery, **file} for file in one.files]
                replace_json(begun, journal, restricted.MODE)
            if not is_preview and (one.files or erasure.is_ahead(home, name, folder)):
                put_back(home, name, folder.name)
    return found


def _land_again(settings: Settings, home: Home, say: Say) -> None:
    """Land what was put back. What was landed of it goes, whatever becomes of it now."""
    for name, register in registers.catalogue().items():
        for folder in deliveries.of_register(home.deliveries, register):
            if record(home, name, folder.name) is None:
                _land_one(settings, home, name, folder, None, say, during_erasure=True)
    forget_put_back(home)


def _releases_that_hold(settings: Settings, home: Home, keys, persons: list[int]) -> list[str]:
    """study/release of every release with a row of one of the persons, by the study's own ids."""
    held = []
    for place in sorted(home.releases.glob("*/*")):
        if place.is_symlink() or not (place / "parquet").is_dir():
            continue
        study = place.parent.name
        own = pseudonym.person_ids(map(str, persons), keys.of_release(study)).values()
        with connect(settings) as con:
            if releases.holds(con, place, [str(one) for one in own]):
                held.append(f"{study}/{place.name}")
    return held


def rotate_key(settings: Settings, new_key_file: Path, say: Say, say_step: Say) -> None:
    """Lock the restricted store with another secret, and derive everything anew under it."""
    new = restricted.Keys(key_in(new_key_file))
    home = open_home(settings)
    say_step("rotate-key")
    with one_writer(home):
        begun = restricted.rotation_of(home)
        last = ledger.last(home, "key changed") or {}
        is_changed = not begun.exists() and restricted.is_locked_with(home, new)
        if is_changed and last.get("key_to") != new.key_id:
            raise SettingsError(
                f"{new_key_file}: the key of this home already ({new.key_id}). Expected another "
                "one. Name a file with a new key."
            )
        if is_changed:
            say(f"the store is locked with key {new.key_id} already")
        else:
            n = restricted.rotate(settings, new, say)
            change = read_json(begun)
            told = {"key_from": change["from"], "key_to": change["to"]}
            if not told.items() <= last.items():
                ledger.record(home, "key changed", **told, files=n)
            why = f"key {change['from']} was replaced by {change['to']}"
            releases.mark(home, releases.all_of(home), "superseded", why)
            remove(begun)
            say(f"{_n(n, 'file')} locked with key {change['to']} in place of {change['from']}")
    given = settings.key_text or settings.key_file
    under_new = replace(settings, key_text=None, key_file=new_key_file if given else None)
    run(under_new, None, say, say_step)
    say(
        "every person_id is new, in the warehouse and in each study; old releases keep the old ones"
    )
    if given:
        say(f"from now on set KOBLING_KEY_FILE={new_key_file}, and unset KOBLING_KEY")


def person_behind(settings: Settings, study: str, released_id: str, with_number: bool) -> str:
    """Who an id of a study's releases is in the warehouse; with the number, in a file."""
    from etl import access

    studies.read(settings.project, study)
    home = open_home(settings)
    if not released_id.isdecimal() or len(released_id) > 19:
        raise SettingsError(
            "--released-id: found no id. Expected the digits of one, as a release has it; never a "
            "personal number."
        )
    keys = restricted.keys_of(settings)
    with connect(settings) as con:
        person_id, numbers = access.person_behind(con, home, keys, study, released_id)
    ledger.record(
        home, "person opened", study=study, released_id=released_id, with_number=with_number
    )
    told = f"{released_id} of {study} is person_id {person_id} of the warehouse."
    if with_number:
        place = access.write_numbers(home, released_id, numbers)
        told += (
            f" Personal numbers ({len(numbers)}): {place}. Take the file away when you are done."
        )
    return told


def person_held(settings: Settings, pnr_file: Path) -> str:
    """How much is held on a person by store; every place is written into the restricted zone."""
    from etl import erasure, holdings

    home = open_home(settings)
    with one_writer(home):
        keys = restricted.keys_of(settings)
        asked = erasure.asked_for(home, pnr_file)
        with connect(settings) as con:
            keys.unlock(con)
            numbers, persons = erasure.whole_person(con, home, keys, asked)
            held = list(holdings.find(con, settings, home, numbers, persons))
        held += [
            holdings.Held("release", *release.split("/"), "", "", None, holdings.OWN)
            for release in _releases_that_hold(settings, home, keys, persons)
        ]
        # The same person's file has the same name, which tells nothing of the number.
        shown = erasure.mark(min(numbers), keys)[:12]
        counted = holdings.counted(held)
        ledger.record(home, "person shown", person=shown, rows=counted)
        place = holdings.write(home, f"held_{shown}", held)
    if not held:
        return f"Nothing is held under this number. {place} says so too; take it away."
    told = [
        f"{store}: {_n(n, 'release' if store == 'release' else 'row')}"
        for store, n in counted.items()
    ]
    return "\n".join([*told, f"Every place: {place}. Take the file away when you are done."])


def study_names(settings: Settings) -> list[str]:
    """Every study folder of the checkout."""
    return studies.names(settings.project)


def study_new(settings: Settings, name: str, like: str, title: str | None) -> str:
    """A folder to be edited, made from a study that works."""
    studies.read(settings.project, like)
    place = studies.create(settings.project, name, like, title)
    return (
        f"{place}: made from {like}. Edit study.toml and codelists/, then "
        f"`kobling study check {name}`."
    )


def study_check(settings: Settings, name: str | None) -> str:
    """One line for each sound study; the first that contradicts itself raises StudyError."""
    lines = []
    for study in [name] if name else studies.names(settings.project):
        found = studies.read(settings.project, study)
        counts = (
            _n(len(found.criteria), "criterion", "criteria"),
            _n(len(found.outcomes), "outcome"),
            _n(len(found.factors), "factor"),
            _n(len(found.codes), "code"),
        )
        lines.append(f"{study}: sound. {', '.join(counts)}.")
    return "\n".join(lines)


def study_show(settings: Settings, name: str) -> str:
    """The definition in words."""
    return studies.shown(studies.read(settings.project, name))


def study_why(settings: Settings, name: str, person: str) -> str:
    """Why a person of the warehouse is in a study or out of it."""
    from etl import verdict

    home = open_home(settings)
    study = studies.read(settings.project, name)
    if not person.isdecimal() or len(person) > 19:
        raise SettingsError(
            "--person: found no person_id. Expected the digits of one, as marts.exclusion_reasons "
            "of the warehouse has it; never a personal number."
        )
    _require_warehouse(settings, home)
    with connect(settings, home.warehouse, read_only=True) as con:
        return verdict.why(con, study, int(person))


def study_compare(settings: Settings, first: str, second: str, persons: Path | None) -> str:
    """Two definitions: overlap, who moved, and why; those who moved into a file where asked for."""
    from etl import comparison

    if first == second:
        raise StudyError(f"{first}: found twice. Expected two studies. Name another one.")
    one, other = (studies.read(settings.project, name) for name in (first, second))
    home = open_home(settings)
    _require_warehouse(settings, home)
    with connect(settings, home.warehouse, read_only=True) as con:
        found = comparison.compare(con, one, other)
    told = comparison.told(found)
    if persons:
        replace_text(persons, comparison.as_csv(found), mode=restricted.MODE)
        told += f"\n\nWho moved, by pseudonym: {persons}"
    return told


def study_flow(settings: Settings, name: str) -> str:
    """The flow of the live release as a table, and where its picture lies."""
    from etl import report

    study = studies.read(settings.project, name)
    live = _live(settings, name)
    attrition = pl.read_parquet(live / "parquet" / "attrition.parquet").sort("step").to_dicts()
    return "\n".join(
        [
            study.title,
            "",
            report.flow_table(attrition),
            "",
            f"As a picture: {live / 'cohort_flow.svg'}",
        ]
    )


def status(settings: Settings) -> str:
    """Whether there is work to do, and what stands in its way."""
    home = Home(settings.home)
    if home.root.exists():
        open_home(settings)
    if already := nothing_new(settings):
        return already
    if not home.deliveries.exists():
        return f"{home.root}: nothing has been received. Start with `kobling receive INBOX`."
    told = []
    for name in registers.catalogue():
        refused_last = None
        for folder in deliveries.of_register(home.deliveries, registers.register(name)):
            known = record(home, name, folder.name)
            if known is None:
                told.append(f"{_name(folder)}: received, not landed yet")
            refused_last = known["reason"] if known and known["status"] == "refused" else None
        if refused_last:
            told.append(f"refused, and nothing newer has come: {refused_last}")
    try:
        for study in studies.names(settings.project):
            evidence_keys(settings, home, study)
    except KoblingError as error:
        told.append(str(error))
    return "\n".join([*told, "There is work to do: `kobling run`."])


# ------------------------------------------------------------------ the road as a whole


def run(settings: Settings, inbox: Path | None, say: Say, say_step: Say) -> None:
    """All steps in order, in one process."""
    if inbox:
        say_step("receive")
        receive(settings, inbox, None, say)
    if already := nothing_new(settings):
        say(already)
        return
    say_step("land")
    land(settings, None, say)
    say_step("link")
    link(settings, say)
    say_step("select")
    select(settings, say)
    say_step("check")
    check(settings, say)
    for study in studies.names(settings.project):
        say_step(f"estimate {study}")
        estimate(settings, study, say)
        say_step(f"release {study}")
        release(settings, study, say)


def _name(folder: Path) -> str:
    return f"{folder.parent.name}/{folder.name}"


def _n(count: int, one: str, many: str | None = None) -> str:
    return f"{count:,} {one if count == 1 else many or one + 's'}"
