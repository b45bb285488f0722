"""Deliveries come in: from an inbox or a database, whole or not at all, without who was erased."""

from collections.abc import Callable
from pathlib import Path

from etl import deliveries, ledger, registers, restricted
from etl.errors import DeliveryError
from etl.home import Home, connect, file_hash, one_writer, open_home, read_json
from etl.landing import accepted
from etl.settings import Settings
from etl.steps.wording import Account, Say, accounted, n_of, name_of


def receive(
    settings: Settings,
    inbox: Path,
    complete_to: str | None,
    say: Say,
    coverage: str | None = None,
    register: str | None = None,
    *,
    only_flagged: bool = False,
) -> int:
    """Copy every delivery below `inbox` into the store. Returns how many were new.

    A delivery that is refused keeps none of the others out; the step is red all the same. With
    `register` only its deliveries are looked at, and folders of no register; with `only_flagged`
    only those of which somebody has said that they are whole.
    """
    home = open_home(settings)
    new, refusals = 0, []
    with accounted(say, inbox) as account, one_writer(home):
        tell_what_a_kill_left_untold(home)
        for source in _asked_for(home, inbox, register, say):
            if only_flagged and not deliveries.is_flagged(source):
                say(f"{name_of(source)}: no file '{deliveries.FLAG}' in it yet, left for later")
                continue
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
                tell_refused(home, name_of(source), str(error))
                refusals.append(str(error))
                continue
            if place is None:
                say(f"{name_of(source)}: received before, nothing new")
                continue
            new += 1
            _tell_received(home, place, account, say)
    if refusals:
        raise DeliveryError("\n".join(refusals))
    return new


def _asked_for(home: Home, inbox: Path, register: str | None, say: Say) -> list[Path]:
    """The deliveries of the inbox that one command takes: all of them, or those of a register.

    A folder of no register belongs to nobody's command, so each of them refuses it.
    """
    if register is None:
        return deliveries.find(inbox)
    known = registers.catalogue()
    registers.register(register)
    is_empty = inbox == home.inbox and not (inbox.is_dir() and any(inbox.iterdir()))
    found = [] if is_empty else deliveries.find(inbox)
    asked = [source for source in found if source.parent.name == register]
    if not asked:
        say(f"{register}: nothing lies in the inbox, nothing new")
    return [*asked, *(source for source in found if source.parent.name not in known)]


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
            _tell_suspects(home, name_of(folder), suspects, keys, say)
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
        f"{delivery}: {n_of(n, 'number')} may be an erased person's other one, and stays in. See "
        "who it is; if it is the same person, `kobling erase --pnr-file` with the file, else take "
        f"it away: {', '.join(map(str, places))}"
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
    with accounted(say, f"{source.told}, {schema}") as account, one_writer(home):
        tell_what_a_kill_left_untold(home)
        with connect(settings) as con:
            try:
                place = postgres.pull(
                    con, source, contract, schema, tables, complete_to, home.deliveries,
                    home.scratch, say, _keeping_out(settings, home, say),
                )  # fmt: skip
            except DeliveryError as error:
                tell_refused(home, register, str(error))
                raise
        if place is None:
            say(f"{register}: the same as was received last, nothing new")
            return 0
        _tell_received(home, place, account, say)
        return 1


def _tell_received(home: Home, place: Path, account: Account, say: Say) -> None:
    _record_received(home, place)
    rows = sum(file["rows"] for file in read_json(place / deliveries.MANIFEST)["files"])
    account.rows_in += rows
    account.rows_out += rows
    say(f"{name_of(place)}: received, {n_of(rows, 'row')}")


def _record_received(home: Home, place: Path) -> None:
    ledger.record(
        home,
        "delivery received",
        delivery=name_of(place),
        manifest_sha256=file_hash(place / deliveries.MANIFEST),
    )


def tell_refused(home: Home, delivery: str, reason: str) -> None:
    """Write into the ledger that a delivery was refused, once for as long as it lies there so."""
    others = ("delivery received", "delivery accepted")
    if not ledger.is_told(home, "delivery refused", *others, delivery=delivery, reason=reason):
        ledger.record(home, "delivery refused", delivery=delivery, reason=reason)


def tell_accepted(home: Home, entry: dict, **more: object) -> None:
    """Write into the ledger how many rows of a delivery landed and were put aside."""
    landed = sum(file["landed"] for file in entry["files"])
    quarantined = sum(sum(file["quarantined"].values()) for file in entry["files"])
    ledger.record(
        home,
        "delivery accepted",
        delivery=f"{entry['register']}/{entry['folder']}",
        manifest_sha256=entry["manifest_sha256"],
        rules=entry.get("rules"),
        rows=landed + quarantined,
        landed=landed,
        quarantined=quarantined,
        **more,
    )


def tell_what_a_kill_left_untold(home: Home) -> None:
    """A kill between a deed and its line in the ledger must not lose the line."""
    received = ledger.told(home, "delivery received", "delivery")
    for name in registers.catalogue():
        for folder in deliveries.of_register(home.deliveries, registers.register(name)):
            if name_of(folder) not in received and (folder / deliveries.MANIFEST).is_file():
                _record_received(home, folder)
    known = {
        (entry["manifest_sha256"], entry.get("rules"))
        for entry in ledger.entries(home, "delivery accepted")
    }
    for entry in accepted(home):
        if (entry["manifest_sha256"], entry.get("rules")) not in known:
            tell_accepted(home, entry)
