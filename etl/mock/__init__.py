"""Stands in for the register keepers: life courses first, then the registers written from them.

Everyone here is made up. Only the command line imports this package, and the chain knows nothing of
it: what it finds it has read from deliveries.
"""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from etl.errors import DeliveryError
from etl.mock import afx_pds, answers, cases, decoys, defects, hospitals, patients, registries
from etl.mock import population as people
from etl.mock.keepers import deliver_all
from etl.mock.life import Registrar
from etl.mock.numbers import Issuer

# Beside the lives there are at least so many people, for defects to be planted in their rows.
LEAST_POPULATION = 60
BLOCK_PERSONS = 100_000
# As measured, with a tenth more: bytes of an inbox and its answers for a person. A town has fewer.
BYTES_A_PERSON = 1_400


def write(
    out: Path,
    answers_folder: Path,
    persons: int,
    seed: int,
    progress: Callable[[str], None],
    wanted: str = "all",
    *,
    block_persons: int = BLOCK_PERSONS,
    share_of_contacts: float | None = None,
) -> str:
    """Write an inbox of deliveries and its answer sheet; the same seed gives the same bytes.

    `persons` counts everyone; the patients and those who resemble them are always among them, and
    at least LEAST_POPULATION others, all in the first block of `block_persons`. One block at a time
    is held in memory. `share_of_contacts` of the hospital contacts are written: by default all, and
    fewer of a town. `wanted` names the defects to plant, as `kobling mock --defects` does; all lie
    in the first block. Returns one sentence on what was written. Raises DeliveryError when `out` is
    not empty, the disk too full, or the persons more than there are numbers for, SettingsError
    where a defect is not known.
    """
    if out.exists() and any(out.iterdir()):
        raise DeliveryError(
            f"{out}: not empty. Expected a new folder, so that nothing of an older mock is mixed "
            "in. Name another folder, or take this one away."
        )
    planned = defects.wanted(wanted)
    _hold_to_the_disk(out, persons)
    issuer = Issuer()
    registrar = Registrar(issuer, seed)
    lives = patients.write(registrar) + decoys.write(registrar)
    cases.name(lives)
    registries.register_cancers(lives)
    registries.register_metastases(lives)
    # After all of the first study, whose lives then are the same whatever the second's are.
    lives += afx_pds.write(registrar)
    progress(f"{len(lives)} lives written by hand: patients, and persons who resemble them")
    everyone = max(persons, len(lives) + LEAST_POPULATION)
    if share_of_contacts is None:
        share_of_contacts = hospitals.share_of_contacts(everyone)
    # Written beside and put in place whole: a kill leaves no half inbox behind.
    beside = out.with_name(f".{out.name}.part")
    sheet = answers_folder.with_name(f".{answers_folder.name}.part")
    for part in (beside, sheet):
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
    try:
        with answers.Numbers(sheet, lives) as numbers:

            def blocks() -> Iterator[people.Population]:
                for block, size in enumerate(_sizes(everyone, len(lives), block_persons)):
                    population = people.population(size, issuer, seed, block)
                    if block == 0:
                        defects.in_persons(population, issuer, seed, planned)
                    numbers.add(population)
                    yield population

            deliveries, rows, planter = deliver_all(
                beside, blocks(), lives, seed, planned, progress, share_of_contacts, everyone
            )
        answers.write(sheet, lives, planter.planted)
        answers_folder.mkdir(parents=True, exist_ok=True)
        for file in sorted(path for path in sheet.rglob("*") if path.is_file()):
            place = answers_folder / file.relative_to(sheet)
            place.parent.mkdir(exist_ok=True)
            file.replace(place)
        shutil.rmtree(sheet)
        if out.exists():
            out.rmdir()
        beside.replace(out)
    except BaseException:
        for part in (beside, sheet):
            shutil.rmtree(part, ignore_errors=True)
        raise
    return (
        f"Mock registers of {everyone:,} persons: {deliveries} deliveries, "
        f"{rows:,} rows, {len(planter.planted)} planted defects in {out}; answers in "
        f"{answers_folder}"
    )


def _sizes(everyone: int, lives: int, block_persons: int) -> Iterator[int]:
    """How many people of the population each block holds: the first has the lives too."""
    first = min(everyone, max(block_persons, lives)) - lives
    yield first
    left = everyone - lives - first
    while left > 0:
        yield min(left, block_persons)
        left -= block_persons


def _hold_to_the_disk(out: Path, persons: int) -> None:
    folder = next(folder for folder in (out, *out.absolute().parents) if folder.exists())
    free, needed = shutil.disk_usage(folder).free, persons * BYTES_A_PERSON
    if needed > free:
        raise DeliveryError(
            f"{out}: {free / 1e9:,.1f} GB free. Expected about {needed / 1e9:,.1f} GB for a mock "
            f"of {persons:,} persons. Name fewer persons, or a folder on another disk."
        )
