"""Whether the ledger holds, and whether deliveries, releases and exports are what they were.

Everything is hashed anew from what lies on the disk; nothing is believed but the ledger, and the
ledger only as far as its own chain and a hash that somebody kept elsewhere.
"""

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import duckdb

from etl import deliveries, ledger, registers
from etl import release as releases
from etl.errors import DeliveryError
from etl.home import Home, file_hash, read_json


@dataclass
class Chain:
    """The ledger as it was read: its entries, what is wrong with them, and the newest hash."""

    entries: list[dict] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    head: str = ledger.START


def chain(home: Home, kept_head: str | None = None) -> Chain:
    """Follow the chain from its first entry.

    `kept_head` is a hash that an earlier verification printed: without one, nobody can see that the
    newest entries were cut off, or that all was written anew.
    """
    found, heads = Chain(), set()
    lines = home.ledger.read_bytes().splitlines() if home.ledger.exists() else []
    for nth, line in enumerate(lines, 1):
        try:
            entry = json.loads(line)
            is_next = entry["before"] == found.head
            found.entries.append(entry)
        except (ValueError, TypeError, KeyError):
            is_next = (
                True  # told as what it is; the one after it tells whether it was the same line
            )
            found.faults.append(
                f"ledger.jsonl, entry {nth}: not an entry. Expected one JSON object with `before`"
            )
        if not is_next:
            found.faults.append(
                f"ledger.jsonl, entry {nth}: follows another line than entry {nth - 1}. Expected "
                f"its hash {found.head[:12]}…: entry {nth - 1} was changed, or one between them "
                "was taken out or put in"
            )
        found.head = hashlib.sha256(line).hexdigest()
        heads.add(found.head)
    if kept_head is not None and kept_head not in heads:
        found.faults.append(
            f"ledger.jsonl: no entry with the hash {kept_head[:12]}…. Expected the one that was "
            "kept: entries were cut off, or the whole was written anew"
        )
    return found


def released(home: Home, entries: list[dict], say: Callable[[str], None]) -> Iterator[str]:
    """What is wrong with the releases: the ledger tells each, and its evidence each file."""
    told = {
        f"{e.get('study')}/{e.get('release')}": e
        for e in entries
        if e.get("event") in ("staged", "released", "rebuilt")
    }
    there = releases.all_of(home)
    for name in sorted(told.keys() - set(there)):
        if (home.releases / f"{name}.withdrawn.json").is_file():
            continue  # who holds an erased person is to be taken away
        yield f"releases/{name}: not there. Expected the release that the ledger names"
    newest = {
        e.get("study"): e.get("release")
        for e in entries
        if e.get("event") in ("released", "rolled back")
    }
    for study in sorted({name.partition("/")[0] for name in there}):
        live = releases.current(home, study)
        if live is not None and live.name != newest.get(study):
            yield (
                f"releases/{study}/current: leads to {live.name}. Expected the one that the ledger "
                f"made live last, {newest.get(study)}"
            )
    for name in there:
        say(f"release {name}")
        place = home.releases / name
        evidence = place / releases.EVIDENCE
        entry = told.get(name)
        if entry is None:
            yield f"releases/{name}: in no entry of the ledger. Expected one that released it"
        if not evidence.is_file():
            yield f"releases/{name}/{releases.EVIDENCE}: not there. Expected it in every release"
            continue
        if entry and entry.get("evidence_sha256", file_hash(evidence)) != file_hash(evidence):
            yield f"releases/{name}/{releases.EVIDENCE}: not the file that the ledger names"
        yield from _files(place, f"releases/{name}")
        yield from _tables(home, name)


def exported(home: Home, entries: list[dict], say: Callable[[str], None]) -> Iterator[str]:
    """What is wrong with the exports, and with what later ones are held against."""
    told = {
        f"{e.get('study')}/{e.get('export')}": e for e in entries if e.get("event") == "exported"
    }
    there = {
        f"{place.parent.name}/{place.name}"
        for place in home.exports.glob("*/*")
        if place.is_dir() and not place.name.startswith(".")
    }
    for name in sorted(there - told.keys()):
        yield f"exports/{name}: in no entry of the ledger. Expected one that exported it"
    for name, entry in sorted(told.items()):
        say(f"export {name}")
        for path, wanted in (
            (home.exports / name / releases.EVIDENCE, entry.get("evidence_sha256")),
            (home.disclosure / f"{name}.json", entry.get("disclosure_sha256")),
        ):
            shown = path.relative_to(home.root)
            if not path.is_file():
                yield f"{shown}: not there. Expected it, as the ledger names it"
            elif file_hash(path) != wanted:
                yield f"{shown}: not the file that the ledger names"
        if (home.exports / name / releases.EVIDENCE).is_file():
            yield from _files(home.exports / name, f"exports/{name}")


def _files(place: Path, name: str) -> Iterator[str]:
    """The files of a release or an export against the hashes in its evidence."""
    try:
        listed = dict(read_json(place / releases.EVIDENCE)["files"])
    except (ValueError, TypeError, KeyError):
        yield f"{name}/{releases.EVIDENCE}: names no files. Expected each with its hash"
        return
    for path, wanted in sorted(listed.items()):
        if not (place / path).is_file():
            yield f"{name}/{path}: not there. Expected it, as the evidence names it"
        elif file_hash(place / path) != wanted:
            yield f"{name}/{path}: changed since it was released"
    known = listed.keys() | {releases.EVIDENCE, MARTS}
    for path in sorted(place.rglob("*")):
        if path.is_file() and str(path.relative_to(place)) not in known:
            yield f"{name}/{path.relative_to(place)}: named by no evidence"


MARTS = "marts.duckdb"


def _tables(home: Home, name: str) -> Iterator[str]:
    """A release's DuckDB file, whose bytes differ from run to run, against its Parquet files."""
    place = home.releases / name
    try:
        con = duckdb.connect(str(place / MARTS), read_only=True)
    except duckdb.Error:
        yield f"releases/{name}/{MARTS}: cannot be opened. Expected the tables of parquet/"
        return
    with con:
        for schema, table in con.execute(
            "select schema_name, table_name from duckdb_tables() order by all"
        ).fetchall():
            parquet = place / "parquet" / f"{table}.parquet"
            held = f'"{schema}"."{table}"'
            try:
                differ = con.execute(
                    f"select count(*) from ((from {held} except all from '{parquet}') "
                    f"union all (from '{parquet}' except all from {held}))"
                ).fetchone()[0]
            except duckdb.Error:
                differ = 1
            if differ:
                yield f"releases/{name}/{MARTS}: table {table} is not that of {parquet.name}"


def checked(home: Home, entries: list[dict]) -> Iterator[str]:
    """What is wrong with the results of checks: the ledger has the hash of each refresh's."""
    told = {
        f"{e['results']:06d}": e.get("results_sha256")
        for e in entries
        if e.get("event") == "checked" and isinstance(e.get("results"), int)
    }
    there = {path.name for path in home.quality.glob("[0-9]*")}
    for name in sorted(told.keys() | there):
        path = home.quality / name / "result.parquet"
        if name not in told:
            yield f"quality/{name}: in no entry of the ledger. Expected one that checked it"
        elif not path.is_file():
            yield f"quality/{name}: not there. Expected the results that the ledger names"
        elif file_hash(path) != told[name]:
            yield f"quality/{name}/result.parquet: not the results that the ledger names"


def delivered(home: Home, entries: list[dict], say: Callable[[str], None]) -> Iterator[str]:
    """What is wrong with the deliveries: manifests against the ledger, files against manifests."""
    told: dict[str, set[str]] = {}
    for entry in entries:
        if entry.get("event") == "delivery accepted":
            name = entry.get("delivery", "")
            told.setdefault(name, set()).add(entry.get("manifest_sha256"))
    there = set()
    for register in registers.catalogue().values():
        for folder in deliveries.of_register(home.deliveries, register):
            name = f"{register.name}/{folder.name}"
            there.add(name)
            say(f"delivery {name}")
            try:
                deliveries.read(folder)
            except DeliveryError as error:
                yield str(error)
                continue
            if name in told and file_hash(folder / deliveries.MANIFEST) not in told[name]:
                yield f"deliveries/{name}: a manifest that the ledger never accepted"
    for name in sorted(told.keys() - there):
        yield f"deliveries/{name}: not there. Expected the delivery that the ledger accepted"
