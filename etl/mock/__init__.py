"""Stands in for the register keepers: life courses first, then the registers written from them.

Everyone here is made up. Only the command line imports this package, and the chain knows nothing of
it: what it finds it has read from deliveries.
"""

import shutil
from collections.abc import Callable
from pathlib import Path

from etl.errors import DeliveryError
from etl.mock import answers, cases, decoys, defects, patients
from etl.mock.keepers import deliver_all
from etl.mock.life import Registrar
from etl.mock.numbers import Issuer
from etl.mock.population import population


def write(
    out: Path,
    answers_folder: Path,
    persons: int,
    seed: int,
    progress: Callable[[str], None],
    wanted: str = "all",
) -> str:
    """Write an inbox of deliveries and its answer sheet; the same seed gives the same bytes.

    `persons` counts everyone; the patients and those who resemble them are always among them.
    `wanted` names the defects to plant, as `kobling mock --defects` does. Returns one sentence on
    what was written. Raises DeliveryError when `out` is not empty, SettingsError where a defect is
    not known.
    """
    if out.exists() and any(out.iterdir()):
        raise DeliveryError(
            f"{out}: not empty. Expected a new folder, so that nothing of an older mock is mixed "
            "in. Name another folder, or take this one away."
        )
    planned = defects.wanted(wanted)
    issuer = Issuer()
    registrar = Registrar(issuer, seed)
    lives = patients.write(registrar) + decoys.write(registrar)
    cases.name(lives)
    progress(f"{len(lives)} lives written by hand: patients, and persons who resemble them")
    others = population(max(persons - len(lives), 0), issuer, seed)
    defects.in_persons(others, issuer, seed, planned)
    # Written beside and put in place whole: a kill leaves no half inbox behind.
    beside = out.with_name(f".{out.name}.part")
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir(parents=True)
    deliveries, rows, planter = deliver_all(beside, others, lives, seed, planned, progress)
    answers.write(answers_folder, others, lives, planter.planted)
    if out.exists():
        out.rmdir()
    beside.replace(out)
    return (
        f"Mock registers of {len(others.number) + len(lives):,} persons: {deliveries} deliveries, "
        f"{rows:,} rows, {len(planter.planted)} planted defects in {out}; answers in "
        f"{answers_folder}"
    )
