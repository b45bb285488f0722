"""What a register keeper hands over: a folder with a manifest, and what makes it believable.

A delivery lies at `deliveries/<register>/<delivered_on>/`. A second one of the same day lies beside
it with a number (`2024-06-01_2`): deliveries are never overwritten, so any past refresh can be
rebuilt from them.
"""

import csv
import datetime as dt
import errno
import gzip
import io
import os
import re
import shutil
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import pyarrow
import pyarrow.parquet

from etl import registers
from etl.errors import LIKE_A_NUMBER, DeliveryError, hold_own_faults
from etl.home import file_hash, for_owner_only, read_json, remove, replace_json
from etl.registers import Register

MANIFEST = "manifest.json"
# An empty file that whoever brings a delivery puts beside its files, last: now all of it is there.
FLAG = "delivered"
FOLDER_NAME = re.compile(r"(\d{4}-\d{2}-\d{2})(?:_(\d+))?")
# A year, or a month or quarter of one: 2005, 2005-03, 2005Q1. It becomes a folder's name.
PERIOD = re.compile(r"\d{4}(?:[-_]?(?:\d{2}|[QqHh]\d))?")
FILE_PATH = re.compile(r"[\w. /-]+")
FORMATS = {".csv": "csv", ".parquet": "parquet", ".sas7bdat": "sas7bdat"}
# What an erasure makes of a SAS file, which nothing of ours can write: its values in Parquet.
SAS_TWIN = "sas_parquet"
PACKINGS = (".gz", ".zst")  # of text; the other formats are packed by themselves
UNPACK_TIMES = 200
# A small file of a few words over and over unpacks far, and does no harm.
ALWAYS_UNPACKED_BYTES = 1 << 20
SHA256 = re.compile(r"[0-9a-f]{64}")
LONGEST_PATH = 200
COVERAGES = ("stock", "period", "correction")


@dataclass(frozen=True)
class DeliveredFile:
    """One file of a delivery, as its manifest describes it."""

    path: str
    table: str
    period: str | None
    format: str
    rows: int
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Delivery:
    """One delivery of one register."""

    folder: Path
    register: Register
    delivered_on: dt.date
    number: int  # 1 for the first delivery of the day
    complete_to: dt.date | None
    coverage: str
    files: tuple[DeliveredFile, ...]
    manifest_sha256: str

    @property
    def name(self) -> str:
        return f"{self.register.name}/{self.folder.name}"


def find(inbox: Path) -> list[Path]:
    """Delivery folders at or below `inbox`: `<register>/<delivered_on>`, in order of name."""
    if not inbox.is_dir():
        raise DeliveryError(
            f"{inbox}: no such folder. Expected an inbox that holds <register>/<date>/ folders. "
            "Correct the path."
        )
    places = [inbox, *(path for path in inbox.rglob("*") if path.is_dir())]
    dated = {place for place in places if FOLDER_NAME.fullmatch(place.name)}
    # A dated folder within a delivery is a file too many of that delivery, not another one.
    found = sorted(place for place in dated if not dated & set(place.parents))
    if not found:
        raise DeliveryError(
            f"{inbox}: no delivery found. Expected folders <register>/<date>/, such as "
            "patobank/2024-06-01/. Sort the files into such folders."
        )
    return found


def is_flagged(folder: Path) -> bool:
    """Whether whoever brought a delivery has said that all of it is there."""
    return (folder / FLAG).is_file()


def of_register(deliveries: Path, register: Register) -> list[Path]:
    """The folders of one register in the store, oldest first."""
    folders = [
        path
        for path in (deliveries / register.name).glob("*")
        if path.is_dir() and FOLDER_NAME.fullmatch(path.name)
    ]
    return sorted(folders, key=_day_and_number)


def _day_and_number(folder: Path) -> tuple[str, int]:
    day, number = FOLDER_NAME.fullmatch(folder.name).groups()
    return day, int(number or 1)


def read(folder: Path) -> Delivery:
    """Read and believe a delivery only as far as its manifest agrees with its folder.

    Raises:
        DeliveryError: the manifest is missing, unreadable or contradicts the folder; a file is not
            listed, listed twice, outside the folder, of another length or checksum than stated.
    """
    path = folder / MANIFEST
    register = registers.register(folder.parent.name)
    if not path.is_file():
        raise DeliveryError(
            f"{path}: not there. Expected a manifest. Send the delivery through `kobling receive`, "
            "which writes one."
        )
    try:
        manifest = read_json(path)
    except (ValueError, RecursionError):
        raise DeliveryError(
            f"{path}: not JSON. Expected a manifest. Ask the keeper to send it again."
        ) from None
    except OSError as error:
        raise _unreadable(path, error) from None
    delivery = _delivery(folder, register, path, manifest)
    try:
        _hold_to_its_files(delivery)
    except OSError as error:
        raise _unreadable(Path(error.filename or folder), error) from None
    return delivery


def _unreadable(path: Path, error: OSError) -> DeliveryError:
    return DeliveryError(
        f"{_told(path)}: cannot be read ({error.strerror}). Expected files that Kobling may read. "
        "Change who may read them, or ask the keeper to send them again."
    )


def _told(value: object) -> str:
    """What somebody else wrote, short and on one line."""
    text = str(value)
    return text if text.isprintable() and len(text) <= 300 else repr(text[:80])


def _file_name(path: Path) -> tuple[str, str, str]:
    """(stem, ending, packing) of `pato1994.csv.gz`: pato1994, .csv, .gz."""
    packing = path.suffix.lower() if path.suffix.lower() in PACKINGS else ""
    name = Path(path.stem) if packing else Path(path.name)
    return name.stem, name.suffix.lower(), packing


def _delivery(folder: Path, register: Register, path: Path, manifest: dict) -> Delivery:
    def refuse(found: str, expected: str) -> DeliveryError:
        return DeliveryError(f"{path}: {found}. Expected {expected}. Ask the keeper to correct it.")

    if not isinstance(manifest, dict):
        raise refuse("the manifest is not an object", "an object with register and files")
    missing = {"register", "delivered_on", "coverage", "files"} - set(manifest)
    if missing:
        raise refuse(f"no {', '.join(sorted(missing))}", "each of them in every manifest")
    if manifest["register"] != register.name:
        raise refuse(
            f"register is '{_told(manifest['register'])}'", f"'{register.name}', as its folder"
        )
    day, number = _day_and_number(folder)
    if manifest["delivered_on"] != day:
        raise refuse(
            f"delivered_on is '{_told(manifest['delivered_on'])}'", f"'{day}', as its folder"
        )
    delivered_on = _date(manifest["delivered_on"], "delivered_on", refuse)
    if delivered_on > dt.date.today():
        raise refuse(f"delivered_on is {day}, in the future", "a day that has been")
    complete_to = manifest.get("complete_to")
    if complete_to is None and register.needs_complete_to:
        raise refuse("no complete_to", f"the day up to which {register.name} is complete")
    if manifest["coverage"] not in COVERAGES:
        raise refuse(
            f"coverage is '{_told(manifest['coverage'])}'", f"one of {', '.join(COVERAGES)}"
        )
    if not isinstance(manifest["files"], list) or not manifest["files"]:
        raise refuse("files is empty", "at least one file")
    return Delivery(
        folder=folder,
        register=register,
        delivered_on=delivered_on,
        number=number,
        complete_to=None if complete_to is None else _date(complete_to, "complete_to", refuse),
        coverage=manifest["coverage"],
        files=tuple(_listed_file(register, item, refuse) for item in manifest["files"]),
        manifest_sha256=file_hash(path),
    )


def _date(value: object, field: str, refuse) -> dt.date:
    try:
        return dt.date.fromisoformat(value)
    except (TypeError, ValueError):
        raise refuse(f"{field} is '{_told(value)}'", "an ISO date such as 2024-06-01") from None


def _listed_file(register: Register, item: dict, refuse) -> DeliveredFile:
    fields = ("path", "table", "period", "format", "rows", "bytes", "sha256")
    if not isinstance(item, dict) or set(fields) - set(item):
        raise refuse("a file entry lacks a field", ", ".join(fields))
    for field in ("path", "table", "format", "sha256"):
        if not isinstance(item[field], str) or not item[field]:
            raise refuse(f"a file entry has no text as its {field}", "text")
    path, period, table = item["path"], item["period"], item["table"]
    if LIKE_A_NUMBER.search(path):
        # The path is told in evidence, and evidence goes further than personal numbers may.
        raise refuse("a file's path looks as if it held a personal number", "a path without one")
    if not FILE_PATH.fullmatch(path) or len(path) > LONGEST_PATH:
        raise refuse(
            "a file's path has odd characters or too many",
            f"at most {LONGEST_PATH} letters, digits, spaces and ._-/",
        )
    if period is not None and not PERIOD.fullmatch(str(period)):
        raise refuse(f"{path} has period '{_told(period)}'", "text such as 2005, or null")
    if register.table(table) is None:
        known = ", ".join(table.name for table in register.tables)
        raise refuse(f"{path} is of table '{_told(table)}'", f"one of {known}")
    if item["format"] not in (*FORMATS.values(), SAS_TWIN):
        known = ", ".join(FORMATS.values())
        raise refuse(f"{path} is of format '{_told(item['format'])}'", f"one of {known}")
    _, _, packing = _file_name(Path(path))
    if packing and item["format"] != "csv":
        raise refuse(f"{path} is a packed {item['format']} file", "only csv to be packed")
    # bool is an int to Python and a mistake to everybody else.
    if not all(type(item[field]) is int and item[field] >= 0 for field in ("rows", "bytes")):
        raise refuse(f"{path} has no whole number of rows or bytes", "both counts")
    if not SHA256.fullmatch(item["sha256"]):
        raise refuse(f"{path} has no sha256", "64 hex digits")
    return DeliveredFile(
        **{field: item[field] for field in fields}
        | {
            "period": None if period is None else str(period),
        }
    )


def _hold_to_its_files(delivery: Delivery) -> None:
    folder, where = delivery.folder, delivery.folder / MANIFEST
    listed = [file.path for file in delivery.files]
    for path in listed:
        if listed.count(path) > 1:
            raise DeliveryError(
                f"{where}: {path} is listed twice. Expected once. Ask the keeper to correct it."
            )
        place = folder / path
        if (
            Path(path).is_absolute()
            or place.is_symlink()
            or not place.resolve().is_relative_to(folder.resolve())
        ):
            raise DeliveryError(
                f"{where}: {path} lies outside the delivery. Expected a file within its folder. "
                "Ask the keeper to correct it."
            )
    slots = [(file.table, file.period) for file in delivery.files]
    for table, period in slots:
        if slots.count((table, period)) > 1:
            raise DeliveryError(
                f"{where}: two files for table {table}, period {period or 'none'}. Expected one "
                "for each table and period. Ask the keeper which one counts."
            )
    present = {
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if path.is_symlink() or not path.is_dir()
    } - {MANIFEST}
    for path in sorted(present - set(listed)):
        raise DeliveryError(
            f"{_told(folder / path)}: not listed in {MANIFEST}. Expected every file to be listed. "
            "List it, or take it away."
        )
    for file in delivery.files:
        place = folder / file.path
        if not place.is_file():
            raise DeliveryError(
                f"{place}: not there. Expected the file that {MANIFEST} lists. "
                "Ask the keeper to send the delivery again."
            )
        size = place.stat().st_size
        if size != file.bytes:
            raise DeliveryError(
                f"{place}: found {size:,} bytes, expected {file.bytes:,} by {MANIFEST}. "
                "The file is cut or changed; ask the keeper to send the delivery again."
            )
        found = file_hash(place)
        if found != file.sha256:
            raise DeliveryError(
                f"{place}: found sha256 {found[:12]}…, expected {file.sha256[:12]}… by {MANIFEST}. "
                "The file is changed; ask the keeper to send the delivery again."
            )


def table_and_period(register: Register, stem: str) -> tuple[str, str | None] | None:
    """The longest known table name that leaves a four-digit year or nothing; None if none does."""
    names = sorted((table.name for table in register.tables), key=len, reverse=True)
    for name in names:
        rest = stem.lower().removeprefix(name)
        if rest != stem.lower() and (rest == "" or re.fullmatch(r"_?\d{4}", rest)):
            return name, rest.strip("_") or None
    return None


@contextmanager
def opened(path: Path, unpack_times: int) -> Iterator[BinaryIO]:
    """Open a file as its keeper wrote it, whether it was packed afterwards or not.

    Raises:
        DeliveryError: while reading, when it is not packed as its name says, breaks off, or unpacks
            to more than `unpack_times` its size, as a file made to fill the disk does.
    """
    with path.open("rb") as file:
        match path.suffix.lower():
            case ".gz":
                stream = gzip.GzipFile(fileobj=file)
                yield io.BufferedReader(Unpacking(path, stream, unpack_times), 1 << 16)
            case ".zst":
                stream = pyarrow.CompressedInputStream(file, "zstd")
                yield io.BufferedReader(Unpacking(path, stream, unpack_times), 1 << 16)
            case _:
                yield file


class Unpacking(io.RawIOBase):
    """What a packed file holds, up to a limit."""

    def __init__(self, path: Path, stream: BinaryIO, unpack_times: int) -> None:
        self._path, self._stream, self._times = path, stream, unpack_times
        self._packed, self._done = path.stat().st_size, 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:
        try:
            piece = self._stream.read(len(buffer))
        except (OSError, EOFError, zlib.error) as error:
            hold_own_faults(error)
            raise DeliveryError(
                f"{self._path}: not a whole {self._path.suffix} file. Expected one. Ask the keeper "
                "to send it again."
            ) from None
        self._done += len(piece)
        if self._done > max(self._times * self._packed, ALWAYS_UNPACKED_BYTES):
            raise DeliveryError(
                f"{self._path}: {self._packed:,} bytes unpack to more than {self._times} times as "
                "many. Expected fewer. Ask the keeper whether the file is right; if it is, raise "
                "unpack_times in kobling.toml."
            )
        buffer[: len(piece)] = piece
        return len(piece)


def receive(
    source: Path,
    store: Path,
    scratch: Path,
    complete_to: str | None,
    coverage: str | None = None,
    unpack_times: int = UNPACK_TIMES,
    cleanse: Callable[[Path], None] | None = None,
) -> Path | None:
    """Copy one delivery into the store, whole or not at all; None when it is there already.

    Where the keeper sent no manifest one is written into the copy, never into the inbox, with rows,
    bytes and checksums as found. Its coverage is `coverage`, or else `period` where every file
    names its year, and `stock` where one does not.
    """
    register = registers.register(source.parent.name)
    copy = scratch / f"receive-{register.name}-{source.name}" / register.name / source.name
    remove(copy.parents[1])
    _hold_to_plain_files(source)
    try:
        # The flag is a word to us, and no part of what the keeper delivers.
        shutil.copytree(
            source, copy, symlinks=True,
            ignore=lambda folder, _: [FLAG] if Path(folder) == source else [],
        )  # fmt: skip
        if not (copy / MANIFEST).exists():
            replace_json(
                copy / MANIFEST,
                _manifest_for(copy, source, register, complete_to, coverage, unpack_times),
            )
        same_day = [
            folder
            for folder in of_register(store, register)
            if _day_and_number(folder)[0] == _day_and_number(source)[0]
        ]
        return put(copy, store, same_day, cleanse)
    except DeliveryError as error:
        # The keeper knows the inbox, not our scratch copy of it.
        raise DeliveryError(str(error).replace(str(copy), str(source))) from None
    finally:
        remove(copy.parents[1])


def put(
    copy: Path, store: Path, held: list[Path], cleanse: Callable[[Path], None] | None = None
) -> Path | None:
    """Move a whole delivery into the store; None when one of `held` says and holds the same.

    `copy` lies in a folder named as its register, on the disk of the store. On which day it came is
    no part of what a delivery says. `cleanse` takes out of the copy who must not come in, once it
    is found to be what its manifest says.

    Raises:
        DeliveryError: it is not what its manifest says.
    """
    delivery = read(copy)
    if cleanse:
        cleanse(copy)
    if any(_content(folder) == _content(copy) for folder in held):
        return None
    day = str(delivery.delivered_on)
    numbers = [
        number
        for folder in of_register(store, delivery.register)
        for its_day, number in [_day_and_number(folder)]
        if its_day == day
    ]
    number = max(numbers, default=0) + 1
    place = store / delivery.register.name / (day + (f"_{number}" if number > 1 else ""))
    store.mkdir(mode=0o700, parents=True, exist_ok=True)
    place.parent.mkdir(mode=0o700, exist_ok=True)
    for_owner_only(copy)
    copy.replace(place)
    return place


def _content(folder: Path) -> dict:
    """What makes two deliveries the same: their files' content, and all else in the manifest."""
    manifest = read_json(folder / MANIFEST)
    return {
        **manifest,
        "delivered_on": None,
        "files": sorted((file["path"], file["sha256"]) for file in manifest["files"]),
    }


def _hold_to_plain_files(source: Path) -> None:
    """Refuse what cannot be copied before anything is: a pipe would be waited for without end."""
    for path in sorted([source, *source.rglob("*")]):
        if not (path.is_symlink() or path.is_dir() or path.is_file()):
            raise DeliveryError(
                f"{_told(path)}: neither a file nor a folder. Expected only these. Take it away."
            )
        if not path.is_symlink() and not os.access(path, os.R_OK):
            raise _unreadable(path, PermissionError(errno.EACCES, os.strerror(errno.EACCES)))


def _manifest_for(
    copy: Path,
    source: Path,
    register: Register,
    complete_to: str | None,
    coverage: str | None,
    unpack_times: int,
) -> dict:
    if complete_to is None and register.needs_complete_to:
        raise DeliveryError(
            f"{source}: no {MANIFEST}, and nobody has said up to which day {register.name} is "
            "complete. Expected one of the two. Add a manifest, or pass --complete-to YYYY-MM-DD."
        )
    files = []
    for path in sorted(path for path in copy.rglob("*") if not path.is_dir()):
        stem, ending, packing = _file_name(path)
        known = table_and_period(register, stem)
        if known is None or ending not in FORMATS or (packing and ending != ".csv"):
            names = ", ".join(table.name for table in register.tables)
            raise DeliveryError(
                f"{_told(source / path.relative_to(copy))}: no known table or format. Expected "
                "<table><year>.csv (or .csv.gz, .csv.zst), .parquet or .sas7bdat with table "
                f"{names}. Rename it, or take it away."
            )
        kind = FORMATS[ending]
        rows = rows_of(path, kind, register, unpack_times)
        files.append(file_entry(copy, path, *known, kind, rows))
    return {
        "register": register.name,
        "delivered_on": _day_and_number(source)[0],
        "complete_to": complete_to,
        # A file of one year says nothing of the other years, so it must not replace them.
        "coverage": coverage or ("period" if all(f["period"] for f in files) else "stock"),
        "files": files,
    }


def file_entry(
    folder: Path, path: Path, table: str, period: str | None, kind: str, rows: int
) -> dict:
    """A file of a delivery as its manifest lists it."""
    return {
        "path": str(path.relative_to(folder)),
        "table": table,
        "period": period,
        "format": kind,
        "rows": rows,
        "bytes": path.stat().st_size,
        "sha256": file_hash(path),
    }


def rows_of(path: Path, kind: str, register: Register, unpack_times: int) -> int:
    """Rows as found, where no keeper has counted them."""
    if kind in ("parquet", SAS_TWIN):
        try:
            return pyarrow.parquet.read_metadata(path).num_rows
        except (OSError, pyarrow.ArrowException) as error:
            hold_own_faults(error)
            raise DeliveryError(
                f"{path}: not a whole Parquet file. Expected one. Ask the keeper to send it again."
            ) from None
    if kind == "sas7bdat":
        from polars_readstat import ScanReadstat  # loads polars, which CSV never needs

        with reading_sas(path):
            return ScanReadstat(str(path)).metadata["row_count"]
    try:
        with opened(path, unpack_times) as file:
            text = io.TextIOWrapper(file, encoding=register.encoding, newline="")
            return max(
                sum(1 for row in csv.reader(text, delimiter=register.delimiter) if row) - 1, 0
            )
    except UnicodeDecodeError:
        raise DeliveryError(
            f"{path}: not {register.encoding}. Expected {register.encoding}, as the contract says. "
            "Ask the keeper to send the file so."
        ) from None
    except csv.Error:
        raise DeliveryError(
            f"{path}: not readable as {register.delimiter!r}-separated text. Expected the form in "
            "the contract. Ask the keeper to send it again."
        ) from None


@contextmanager
def reading_sas(path: Path) -> Iterator[None]:
    """Say it in our words where the SAS reader stops.

    It has no error of its own: what it raises depends on where the file breaks, and a panic in it
    is not even an Exception, and writes lines of its own to the error output.
    """
    said = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    except BaseException as error:
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        raise DeliveryError(
            f"{path}: not a whole SAS7BDAT file. Expected one. Ask the keeper to send it again."
        ) from None
    finally:
        os.dup2(said, 2)
        os.close(said)
        os.close(nowhere)
