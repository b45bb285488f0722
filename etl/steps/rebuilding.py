"""An earlier refresh built again from the landing, beside everything, by today's code."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from etl import ledger, restricted
from etl import release as releases
from etl.errors import ReleaseError
from etl.home import Home, file_hash, one_writer, open_home, read_json, remove
from etl.landing import accepted, current
from etl.settings import ALWAYS, Settings
from etl.steps.checking import check
from etl.steps.estimating import estimate
from etl.steps.linking import link
from etl.steps.releasing import release
from etl.steps.selecting import data_id_of, select
from etl.steps.wording import Say

# What the copy has of its own; the rest of the restricted store it only reads.
OF_ITS_OWN = ("accepted", "scratch", "inbox", "answers", "opened", "identity.duckdb")


def rebuild(settings: Settings, name: str, say: Say, say_step: Say) -> None:
    """Build the data that release `name` (study/id) was made from once more, as it had been
    accepted then, and tell what differs from it.

    Under the same keys it must be the same to the byte. Else what comes of it lies beside the other
    releases; which one is live does not change. Raises ReleaseError where what was landed then is
    no longer there as it was.
    """
    from etl import difference

    home = open_home(settings)
    place = difference.find(home, name)
    study = place.parent.name
    keys = releases.evidence_keys(place)
    with one_writer(home):
        after = _accepted_then(home, place)
        with _as_it_was(settings, home, after) as then:
            if data_id_of(then, Home(then.home)) != keys["data"]:
                raise ReleaseError(
                    f"{study}/{place.name}: its files are there, and were landed anew by other "
                    "contracts or code since, or are under another key. Expected them as they were "
                    "landed then. It cannot be rebuilt."
                )
            say(f"{study}/{place.name}: the first {after} accepted deliveries")
            for step in (link, select, check):
                say_step(step.__name__)
                step(then, say)
            say_step(f"estimate {study}")
            estimate(then, study, say)
            say_step(f"release {study}")
            made = release(then, study, _nobody)
            say(difference.told(difference.compare(place, made)))
            if made.name == place.name:
                _hold_the_same(place, made)
                say(f"{study}/{place.name}: built again, the same to the byte")
                return
            kept = releases.place_whole(
                home.releases / study,
                made.name,
                lambda folder: shutil.copytree(made, folder, dirs_exist_ok=True),
            )
        # After a kill the folder may be there already, and not told.
        if not ledger.is_told(home, "rebuilt", study=study, release=kept.name):
            ledger.record(
                home, "rebuilt", study=study, release=kept.name, of=place.name,
                evidence_sha256=file_hash(kept / releases.EVIDENCE),
            )  # fmt: skip
    say(
        f"release {study}/{kept.name} is not live; `kobling rollback {study} {kept.name}` makes it"
        if kept != releases.current(home, study)
        else f"release {study}/{kept.name} is the live one"
    )


def _hold_the_same(place: Path, made: Path) -> None:
    """The evidence names every file with its hash: where it is the same, all of them are."""
    if file_hash(place / releases.EVIDENCE) != file_hash(made / releases.EVIDENCE):
        raise ReleaseError(
            f"{place.parent.name}/{place.name}: built again under the same id, with other content. "
            "Expected the same to the byte. Run `kobling verify`: it tells whether the release was "
            "touched; if it was not, report this."
        )


def _nobody(_: str) -> None:
    """Nobody is told that a release of the copy is live."""


def _accepted_then(home: Home, place: Path) -> int:
    """After how many accepted deliveries the files of a release were those that counted."""
    wanted = {
        (row["register"], row["table_name"], row["period"], row["path"], row["sha256"])
        for row in read_json(place / releases.EVIDENCE)["deliveries"]
    }
    newest = max((record["sequence"] for record in accepted(home)), default=0)
    for after in range(newest, 0, -1):
        counted = {
            (*entry.slot, f"{entry.register}/{entry.folder}/{entry.file.path}", entry.file.sha256)
            for entry in current(home, after)
        }
        if counted == wanted:
            return after
    raise ReleaseError(
        f"{place.parent.name}/{place.name}: what it was made from is not what counted after any of "
        f"{newest} accepted deliveries. Expected its files in the landing. An erasure, or a "
        "delivery that was taken away, has changed them: it cannot be rebuilt."
    )


@contextmanager
def _as_it_was(settings: Settings, home: Home, after: int) -> Iterator[Settings]:
    """A home below scratch in which only the first deliveries have been accepted.

    It reads the landing where it lies, and is gone afterwards; what a kill leaves of it is taken
    away by the next.
    """
    root = home.scratch / "rebuild"
    remove(root)
    then = Home(root)
    then.restricted.mkdir(mode=restricted.FOLDER_MODE, parents=True)
    for path in sorted(home.restricted.iterdir()):
        if path.name not in OF_ITS_OWN:
            (then.restricted / path.name).symlink_to(path)
    then.deliveries.symlink_to(home.deliveries)
    for record in accepted(home):
        if record["sequence"] <= after:
            name = Path(record["register"], f"{record['folder']}.json")
            (then.accepted / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(home.accepted / name, then.accepted / name)
    try:
        yield replace(settings, home=root, promote=ALWAYS)
    finally:
        remove(root)
