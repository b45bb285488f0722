"""Received files are read as they are typed by contract; what cannot be is put aside, with why."""

import textwrap
import time
from pathlib import Path

from etl import deliveries, evidence, ledger, registers, restricted
from etl.errors import DeliveryError, KoblingError, QualityError
from etl.home import Home, connect, file_hash, for_owner_only, one_writer, open_home
from etl.landing import (
    LandedFile,
    accept,
    current,
    forget_put_back,
    keep_earlier,
    parse,
    put_aside,
    record,
    refuse,
    refused_as_given,
)
from etl.settings import Settings
from etl.steps.checking import EXPECTATIONS, today
from etl.steps.receiving import tell_accepted, tell_refused, tell_what_a_kill_left_untold
from etl.steps.wording import Account, Say, accounted, n_of, name_of


def land(settings: Settings, register: str | None, say: Say) -> int:
    """Land what has been received and not yet landed. Returns how many deliveries were new.

    A refused delivery stays refused, and keeps this step red, until a newer one of its register is
    accepted or it is taken away.
    """
    home = open_home(settings)
    names = [register] if register else list(registers.catalogue())
    new, refusals = 0, []
    with accounted(say, home.deliveries / (register or "")) as account, one_writer(home):
        tell_what_a_kill_left_untold(home)
        if not any((home.deliveries / name).exists() for name in names):
            say("landing: nothing has been received, nothing new")
        for name in names:
            refused_last = None
            folders = deliveries.of_register(home.deliveries, registers.register(name))
            for nth, folder in enumerate(folders):
                if _is_superseded(home, name, folder, folders[nth + 1 :]):
                    continue
                outcome, refused_last = land_one(settings, home, name, folder, refused_last, say)
                new += outcome
                if outcome:
                    _take_into(account, record(home, name, folder.name))
            if refused_last:
                refusals.append(refused_last)
        if not restricted.erasure_of(home).exists():
            forget_put_back(home)  # what a backfill that was killed has left
        for_owner_only(home.restricted, but=home.inbox)
    if refusals:
        raise DeliveryError("\n".join(refusals))
    return new


def _take_into(account: Account, entry: dict) -> None:
    account.rows_in += sum(file["rows"] for file in entry["files"])
    account.rows_out += sum(file["landed"] for file in entry["files"])


def _is_superseded(home: Home, register: str, folder: Path, later: list[Path]) -> bool:
    """A refused delivery after which a better one has come need not be read again."""
    known = record(home, register, folder.name)
    if not known or known["status"] != "refused":
        return False
    records = [record(home, register, other.name) for other in later]
    return any(other and other["status"] == "accepted" for other in records)


def land_one(
    settings: Settings,
    home: Home,
    register: str,
    folder: Path,
    refused_last: str | None,
    say: Say,
    *,
    during_erasure: bool = False,
    is_anew: bool = False,
) -> tuple[int, str | None]:
    """Returns (1 if it landed now, the refusal that still stands).

    With `is_anew` a delivery that was accepted is read again; refused, it counts as it was.
    """
    manifest = folder / deliveries.MANIFEST
    manifest_sha256 = file_hash(manifest) if manifest.is_file() else ""
    known = record(home, register, folder.name)
    if known and known["status"] == "accepted":
        if known["manifest_sha256"] != manifest_sha256:
            raise DeliveryError(
                f"{folder}: the manifest has changed since the delivery was accepted. Expected "
                "deliveries to stay as they came. Restore it; a correction is a new delivery."
            )
        if not is_anew:
            say(f"{name_of(folder)}: landed before, nothing new")
            return 0, None
        keep_earlier(home, register, folder.name)
    began = time.monotonic()
    try:
        delivery = deliveries.read(folder)
        keys = restricted.keys_of(settings, during_erasure=during_erasure)
        with connect(settings) as con:
            say(f"{name_of(folder)}: reading {n_of(len(delivery.files), 'file')}")
            parsed = parse(
                con, home, delivery, settings.population, keys, settings.unpack_times,
                evidence.landing_rules(settings.project),
            )  # fmt: skip
            checks = _check_landing(con, parsed)
    except DeliveryError as error:
        if not known:
            refuse(home, register, folder, manifest_sha256, str(error))
        if not is_anew:  # it counts as it was
            tell_refused(home, name_of(folder), str(error))
        return 0, str(error)
    accept(home, parsed, checks)
    decided = record(home, register, folder.name)
    tell_accepted(home, decided, seconds=round(time.monotonic() - began, 1))
    landed = sum(file.landed for file in parsed.files)
    quarantined = sum(sum(file.quarantined.values()) for file in parsed.files)
    findings = sum(sum(file.findings.values()) for file in parsed.files)
    failing = sum(check["status"] not in ("pass", "not_applicable") for check in checks)
    say(
        f"{name_of(folder)}: {n_of(landed + quarantined, 'row')} in = {landed:,} landed + "
        f"{quarantined:,} quarantined; {n_of(findings, 'finding')}; "
        f"{n_of(len(checks), 'check')}, {failing} with something to look at"
    )
    for finding in decided["findings"]:
        say(f"{name_of(folder)}: {finding['table']} {finding['period']}: {finding['text']}")
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
            scope=name_of(parsed.delivery.folder),
        )
    waived = quality.waived(quality.read_waivers(EXPECTATIONS), results, today())
    gate = quality.gate(results, waived)
    if gate.state == "red":
        raise DeliveryError(
            f"{parsed.delivery.folder}: a fatal check failed: {'; '.join(gate.failures)}. "
            "Expected none. Ask the keeper for a corrected delivery."
        )
    return [quality.as_row(result) for result in results]


def standing(home: Home, register: str) -> tuple[list[Path], str | None]:
    """Deliveries of a register that were received and not landed yet, and the refusal that stands:
    None where nothing was refused, or a newer delivery was accepted."""
    waiting, refused = [], None
    for folder in deliveries.of_register(home.deliveries, registers.register(register)):
        known = record(home, register, folder.name)
        if known is None:
            waiting.append(folder)
        refused = known["reason"] if known and known["status"] == "refused" else None
    return waiting, refused


def check_landed(settings: Settings, register: str, say: Say) -> None:
    """Tell what landing found in a register's deliveries in force; nothing is written.

    Raises:
        DeliveryError: a delivery was refused and nothing newer accepted, or is not landed yet.
        KoblingError: rows were delivered that neither landed nor are in quarantine.
        QualityError: a fatal check is red, as of today: a waiver may have ended.
    """
    from etl import quality

    home = open_home(settings)
    waiting, refused = standing(home, register)
    entries = [entry for entry in current(home) if entry.register == register]
    results = []
    with accounted(say, home.accepted / register) as account:
        if not entries:
            say(f"{register}: no delivery is in force")
        for folder in sorted({entry.folder for entry in entries}):
            files = [entry.file for entry in entries if entry.folder == folder]
            results += _tell_in_force(
                account, f"{register}/{folder}", files, record(home, register, folder), say
            )
    waived = quality.waived(quality.read_waivers(EXPECTATIONS), results, today())
    gate = quality.gate(results, waived)
    if entries and gate.state == "red":
        raise QualityError(
            f"{register}: a fatal check is red: {'; '.join(gate.failures)}. Expected none. Ask the "
            "keeper for a corrected delivery, or waive the check."
        )
    if refused:
        raise DeliveryError(refused)
    if waiting:
        raise DeliveryError(
            f"{waiting[0]}: received, and not landed. Expected every delivery to be landed or "
            f"refused. Run `kobling land --register {register}` first."
        )


def _tell_in_force(
    account: Account, delivery: str, files: list[LandedFile], entry: dict, say: Say
) -> list:
    """Say what became of the files of a delivery that count, and return its checks' results."""
    from etl import quality

    n_in, landed = (sum(getattr(file, what) for file in files) for what in ("rows", "landed"))
    quarantined = sum(sum(file.quarantined.values()) for file in files)
    if n_in != landed + quarantined:
        raise KoblingError(
            f"{delivery}: {n_in} rows delivered, {landed} landed and {quarantined} quarantined. "
            "Expected the sum to close. Report this with the ledger."
        )
    account.rows_in += n_in
    account.rows_out += landed
    results = [quality.from_row(row) for row in entry["checks"]]
    failing = [result for result in results if result.status == "fail"]
    told = (
        f"{n_of(n_in, 'row')} = {landed:,} landed + {quarantined:,} quarantined",
        n_of(sum(sum(file.findings.values()) for file in files), "finding"),
        f"{n_of(len(results), 'check')}, {len(failing)} failing",
    )
    say(f"{delivery}: {n_of(len(files), 'file')} in force, {'; '.join(told)}")
    for result in failing:
        say(
            f"{delivery}: fails ({result.check.severity}): {result.check.words} "
            f"{result.n_failing:,} of {result.n_checked:,} rows do not."
        )
    for finding in entry["findings"]:
        say(f"{delivery}: {finding['table']} {finding['period']}: {finding['text']}")
    return results


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
    return "\n".join([*lines, "", f"{n_of(sum(q.rows for q in found), 'row')}."])


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
        f"{place}: {n_of(n, 'row')} as they came, with personal numbers. Take the file away when "
        "you are done; the ledger keeps that it was made."
    )
