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
from etl.steps.selecting import select
from etl.steps.wording import Say

# What the copy has of its own; the rest of the restricted store it only reads.
OF_ITS_OWN = ("accepted", "scratch", "inbox", "answers", "opened", "identity.duckdb")


def rebuild(settings: Settings, name: str, say: Say, say_step: Say) -> None:
    """Build the data that release `name` (study/id) was made from once more, as it had been
    accepted then, and tell what differs from it.

    What comes of it lies beside the other releases; which one is live does not change.
    """
    from etl import difference

    home = open_home(settings)
    place = difference.find(home, name)
    study = place.parent.name
    with one_writer(home):
        after = _accepted_then(home, place)
        with _as_it_was(settings, home, after) as then:
            say(f"{place.parent.name}/{place.name}: the first {after} accepted deliveries")
            for step in (link, select, check):
                say_step(step.__name__)
                step(then, say)
            say_step(f"estimate {study}")
            estimate(then, study, say)
            say_step(f"release {study}")
            made = release(then, study, _nobody)
            kept = releases.place_whole(
                home.releases / study,
                made.name,
                lambda folder: shutil.copytree(made, folder, dirs_exist_ok=True),
            )
        if kept != place:
            ledger.record(
                home, "rebuilt", study=study, release=kept.name, of=place.name,
                evidence_sha256=file_hash(kept / releases.EVIDENCE),
            )  # fmt: skip
        say(difference.told(difference.compare(place, kept)))
    say(
        f"release {study}/{kept.name} is not live; `kobling rollback {study} {kept.name}` makes it"
        if kept != releases.current(home, study)
        else f"release {study}/{kept.name} is the live one"
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
