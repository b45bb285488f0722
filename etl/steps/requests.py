"""What is lawfully asked about one person or the keys: shown, erased, kept under another key."""

import datetime as dt
from dataclasses import replace
from pathlib import Path

from etl import deliveries, ledger, pseudonym, registers, restricted, studies
from etl import release as releases
from etl.errors import SettingsError
from etl.home import Home, connect, key_in, one_writer, open_home, read_json, remove, replace_json
from etl.landing import forget_put_back, put_back, record
from etl.settings import Settings
from etl.steps.landing import land_one
from etl.steps.receiving import tell_what_a_kill_left_untold
from etl.steps.road import run
from etl.steps.wording import Say, hold_words, n_of


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
    hold_words("--reason", why)
    hold_words("--by", by)
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
            if not is_preview and not is_resumed:
                forget_put_back(home)  # what a backfill that was killed has left
            if is_preview or not is_resumed:
                # Whatever cannot be rewritten is found before anything is.
                tell = say if is_preview else _nobody
                would = _cleansed(settings, home, con, keys, marked, tell, is_preview=True)
                ids = erasure.every_id(persons, numbers, keys)
                held_by = _releases_that_hold(settings, home, keys, ids)
                if is_preview:
                    _tell_preview(would, held_by, say)
                    return
                if not would and not persons and not held_by:
                    say("nothing is held under this number; nothing changed")
                    return
                before = erasure.tombstone(home, sorted(marked)) or {"rows": 0, "values": 0}
                told = ledger.told(home, "person erased", "tombstone")
                replace_json(
                    begun,
                    {
                        "marks": sorted(marked),
                        "nth": 1 + sum(one.startswith(min(marked)[:12]) for one in told),
                        "persons": ids,
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
        # A kill between the ledger and the end must not tell this erasure twice.
        tombstone = f"{wanted[0][:12]} {journal['nth']}"
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
            f"{n_of(rows, 'row')} gone, {n_of(values, 'value')} in rows of others freed of it. The "
            "inbox is the keepers': empty it"
        )
    run(settings, None, say, say_step)


def _tell_preview(would: list, held_by: list[str], say: Say) -> None:
    for release in held_by:
        say(f"release {release} holds the person and would be marked as withdrawn")
    rows, values = sum(one.rows for one in would), sum(one.values for one in would)
    say(
        f"{n_of(rows, 'row')} of {n_of(len(would), 'delivery', 'deliveries')} would go, and "
        f"{n_of(values, 'value')} in rows of others lose it; nothing changed"
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
                tell_what_a_kill_left_untold(home)
            one = erasure.cleanse(
                con, home.scratch, folder, others, keys, marked, settings.unpack_times, is_preview,
                is_resumed,
            )  # fmt: skip
            if one.files:
                found.append(one)
                rows, values = n_of(one.rows, "row"), n_of(one.values, "value")
                say(f"{one.delivery}: {rows}, {values} of others")
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
                land_one(settings, home, name, folder, None, say, during_erasure=True)
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
            say(f"{n_of(n, 'file')} locked with key {change['to']} in place of {change['from']}")
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
            for release in _releases_that_hold(
                settings, home, keys, erasure.every_id(persons, numbers, keys)
            )
        ]
        # The same person's file has the same name, which tells nothing of the number.
        shown = erasure.mark(min(numbers), keys)[:12]
        counted = holdings.counted(held)
        ledger.record(home, "person shown", person=shown, rows=counted)
        place = holdings.write(home, f"held_{shown}", held)
    if not held:
        return f"Nothing is held under this number. {place} says so too; take it away."
    told = [
        f"{store}: {n_of(n, 'release' if store == 'release' else 'row')}"
        for store, n in counted.items()
    ]
    return "\n".join([*told, f"Every place: {place}. Take the file away when you are done."])
