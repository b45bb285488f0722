"""Persons in place of numbers, for every table and period whose rows or numbers have changed."""

from pathlib import Path

import polars as pl

from etl import evidence, ledger, linkage, registers, restricted
from etl.errors import KoblingError
from etl.home import (
    Home,
    connect,
    digest,
    one_writer,
    open_home,
    read_json,
    remove,
    replace_json,
)
from etl.landing import NO_PERIOD, Current, current, newest_complete_to
from etl.pseudonym import key_id
from etl.settings import Settings
from etl.steps.wording import Say, accounted


def link(settings: Settings, say: Say) -> bool:
    """Put persons in place of numbers, for every (table, period) that is not linked already."""
    home = open_home(settings)
    with accounted(say, home.landing) as account, one_writer(home) as seconds:
        entries = current(home)
        keys = restricted.keys_of(settings)
        code = evidence.code_hash(settings.project)
        wanted = link_key(settings, entries, keys.secret)
        state = home.state / "link.json"
        before = read_json(state) if state.exists() else {"slots": {}}
        if before.get("key") == wanted and lake_is_whole(home, before["slots"]):
            _tell_linked(home, before)
            say("linkage: nothing new")
            return False
        # Until the new state is written the lake may be half old, half new: `select` must not read.
        earlier = {name: before.get(name) for name in ("fingerprint", "identified")}
        replace_json(state, {"slots": before["slots"], "key_id": keys.key_id, **earlier})
        for leftover in home.lake.rglob(".*.new"):
            remove(leftover)  # of a command that was killed
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
        now = {"key": wanted, "slots": slots, "key_id": keys.key_id, **identified}
        replace_json(state, now)
        linked, unlinked = _tell_linked(home, now, seconds())
        for name in registers.catalogue():
            say(_linkage_line(name, flow))
        account.rows_in, account.rows_out = linked + unlinked, linked
        return True


def _tell_linked(home: Home, state: dict, seconds: float | None = None) -> tuple[int, int]:
    """Tell the ledger what was linked, unless it knows. Returns rows linked and not linked."""
    counts = [slot["counts"] for slot in state["slots"].values()]
    linked = sum(count.get("", 0) for count in counts)
    unlinked = sum(sum(count.values()) for count in counts) - linked
    if not ledger.is_told(home, "linked", key=state["key"]):
        ledger.record(
            home, "linked", key=state["key"], key_id=state["key_id"], linked=linked,
            unlinked=unlinked, seconds=seconds,
        )  # fmt: skip
    return linked, unlinked


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


def lake_is_whole(home: Home, slots: dict[str, dict]) -> bool:
    """Whether everything that was linked is there: a file that is lost is made anew, and never
    taken for a register with fewer rows."""
    facts = ("linkage_flow", "delivery", "register", "number_finding")
    return all(_is_whole(home, slot, done) for slot, done in slots.items()) and all(
        (home.lake / f"{name}.parquet").exists() for name in facts
    )


def link_key(settings: Settings, entries: list[Current], key: bytes) -> str:
    """What the lake would be linked from: files that count, their days, the key and the code."""
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
