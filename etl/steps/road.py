"""The road as a whole, and whether there is anything to do on it."""

from pathlib import Path

from etl import deliveries, evidence, ledger, registers, restricted, studies
from etl import release as releases
from etl.errors import DeliveryError, KoblingError, StagedError
from etl.home import Home, file_hash, one_writer, open_home, read_json
from etl.landing import current, record
from etl.settings import Settings
from etl.steps.checking import check
from etl.steps.estimating import estimate, evidence_keys
from etl.steps.landing import land
from etl.steps.linking import lake_is_whole, link, link_key
from etl.steps.receiving import receive
from etl.steps.releasing import release, told_live
from etl.steps.selecting import select
from etl.steps.wording import Say, n_of


def run(settings: Settings, inbox: Path | None, say: Say, say_step: Say) -> None:
    """All steps in order, in one process, which lets no other one write in between.

    A delivery that is refused, when it is received or landed, keeps none of the others from being
    landed; nothing is linked after it.
    """
    with one_writer(open_home(settings), all_steps=True):
        _steps(settings, inbox, say, say_step)


def _steps(settings: Settings, inbox: Path | None, say: Say, say_step: Say) -> None:
    refusals = []
    if inbox:
        say_step("receive")
        try:
            receive(settings, inbox, None, say)
        except DeliveryError as error:
            refusals.append(str(error))
    if not refusals and (already := nothing_new(settings)):
        say(already)
        return
    say_step("land")
    try:
        land(settings, None, say)
    except DeliveryError as error:
        refusals.append(str(error))
    if refusals:
        raise DeliveryError("\n".join(refusals))
    say_step("link")
    link(settings, say)
    say_step("select")
    select(settings, say)
    say_step("check")
    check(settings, say)
    waiting = []
    for study in studies.names(settings.project):
        say_step(f"estimate {study}")
        estimate(settings, study, say)
        say_step(f"release {study}")
        try:
            release(settings, study, say)
        except StagedError as error:  # no other study waits for it
            say(str(error))
            waiting.append(str(error))
    if waiting:
        raise StagedError(" ".join(waiting))


def _is_told(home: Home, study: str, live: Path, waiting: str | None) -> bool:
    """Whether the ledger knows which release is live, and which waits; not after every kill."""
    return told_live(home, study) == live and (
        waiting is None
        or ledger.is_told(home, "staged", "released", "rolled back", study=study, release=waiting)
    )


def nothing_new(settings: Settings) -> str | None:
    """A sentence when every delivery is landed, linked and released as things stand; else None."""
    home = Home(settings.home)
    if not home.warehouse.exists():
        return None
    open_home(settings)
    for name in registers.catalogue():
        is_refused = False
        for folder in deliveries.of_register(home.deliveries, registers.register(name)):
            known = record(home, name, folder.name)
            manifest = folder / deliveries.MANIFEST
            if not known or not manifest.is_file():
                return None
            is_refused = known["status"] == "refused"
            if not is_refused and known["manifest_sha256"] != file_hash(manifest):
                return None
        if is_refused:
            return None
    live, waiting = {}, []
    try:
        key = restricted.keys_of(settings).secret
        state = read_json(home.state / "link.json")
        if state.get("key") != link_key(settings, current(home), key):
            return None
        if not lake_is_whole(home, state["slots"]):
            return None
        for study in studies.names(settings.project):
            wanted = evidence.release_id(evidence_keys(settings, home, study))
            place = releases.current(home, study)
            is_rolled_back = releases.marked(home, f"{study}/{wanted}", "rolled_back")
            is_waiting = releases.staged(home, study) == home.releases / study / wanted
            if place is None or not (place.name == wanted or is_rolled_back or is_waiting):
                return None
            if not _is_told(home, study, place, wanted if is_waiting else None):
                return None
            live[study] = place.name
            if is_waiting:
                waiting.append(f"{study} {wanted} is staged: `kobling preview {study}`")
    except KoblingError:
        return None
    delivered = sum(
        len(deliveries.of_register(home.deliveries, registers.register(name)))
        for name in registers.catalogue()
    )
    shown = ", ".join(f"{study} {release_id}" for study, release_id in live.items())
    return " ".join(
        [
            f"Nothing new: {n_of(delivered, 'delivery', 'deliveries')} landed, linked and released "
            f"({shown}).",
            *(f"{one}." for one in waiting),
        ]
    )
