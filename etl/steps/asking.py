"""Studies and the state of the home, told; nothing is changed but a new study's folder."""

from pathlib import Path

import polars as pl

from etl import ledger, registers, restricted, studies
from etl import release as releases
from etl.errors import KoblingError, SettingsError, StudyError
from etl.home import Home, connect, digest, open_home, read_json, replace_text
from etl.landing import current, newest_complete_to, record
from etl.settings import COMMENTED, FILE, Said, Settings, said
from etl.steps.backfilling import outdated
from etl.steps.estimating import evidence_keys
from etl.steps.landing import standing
from etl.steps.releasing import live_release
from etl.steps.road import nothing_new
from etl.steps.selecting import require_warehouse
from etl.steps.wording import Say, n_of, name_of


def settings_told() -> str:
    """Every setting with its value and who said so, a line each."""
    told = said()
    width = max(len(one.key) for one in told)
    return "\n".join(f"{one.key:<{width}}  {_shown(one)} ({one.by})" for one in told)


def settings_that_differ() -> list[str]:
    """The settings that are not as they are by default, as a run begins with them."""
    return [f"{one.key} = {_shown(one)} ({one.by})" for one in said() if not one.is_default]


def _shown(one: Said) -> str:
    if isinstance(one.value, tuple):
        return ", ".join(one.value) or "–"
    return "–" if one.value in ("", None) else str(one.value)


def settings_written() -> str:
    """Write the commented kobling.toml into the home, for the population that holds now."""
    settings = Settings.from_environment()
    place = open_home(settings).root / FILE
    if place.exists():
        raise SettingsError(
            f"{place}: there is one already. Expected none. Edit it, or move it away first."
        )
    text = COMMENTED.read_text(encoding="utf-8")
    default, held = 'population = "mock" ', f'population = "{settings.population}" '
    replace_text(place, text.replace(default, held, 1))
    return f"{place}: written. Every setting is at its default; edit it, then `kobling settings`."


def study_names(settings: Settings) -> list[str]:
    """Every study folder of the checkout."""
    return studies.names(settings.project)


def study_new(settings: Settings, name: str, like: str, title: str | None) -> str:
    """A folder to be edited, made from a study that works."""
    studies.read(settings.project, like)
    place = studies.create(settings.project, name, like, title)
    return (
        f"{place}: made from {like}. Edit study.toml and codelists/, then "
        f"`kobling study check {name}`."
    )


def study_check(settings: Settings, name: str | None) -> str:
    """One line for each sound study; the first that contradicts itself raises StudyError."""
    lines = []
    for study in [name] if name else studies.names(settings.project):
        found = studies.read(settings.project, study)
        counts = (
            n_of(len(found.criteria), "criterion", "criteria"),
            n_of(len(found.outcomes), "outcome"),
            n_of(len(found.factors), "factor"),
            n_of(len(found.codes), "code"),
        )
        lines.append(f"{study}: sound. {', '.join(counts)}.")
    return "\n".join(lines)


def study_show(settings: Settings, name: str) -> str:
    """The definition in words."""
    return studies.shown(studies.read(settings.project, name))


def study_why(settings: Settings, name: str, person: str) -> str:
    """Why a person of the warehouse is in a study or out of it."""
    from etl import verdict

    home = open_home(settings)
    study = studies.read(settings.project, name)
    if not person.isdecimal() or len(person) > 19:
        raise SettingsError(
            "--person: found no person_id. Expected the digits of one, as marts.exclusion_reasons "
            "of the warehouse has it; never a personal number."
        )
    require_warehouse(settings, home)
    with connect(settings, home.warehouse, read_only=True) as con:
        return verdict.why(con, study, int(person))


def study_compare(settings: Settings, first: str, second: str, persons: Path | None) -> str:
    """Two definitions: overlap, who moved, and why; those who moved into a file where asked for."""
    from etl import comparison

    if first == second:
        raise StudyError(f"{first}: found twice. Expected two studies. Name another one.")
    one, other = (studies.read(settings.project, name) for name in (first, second))
    home = open_home(settings)
    require_warehouse(settings, home)
    with connect(settings, home.warehouse, read_only=True) as con:
        found = comparison.compare(con, one, other)
    told = comparison.told(found)
    if persons:
        replace_text(persons, comparison.as_csv(found), mode=restricted.MODE)
        told += f"\n\nWho moved, by pseudonym: {persons}"
    return told


def study_flow(settings: Settings, name: str) -> str:
    """The flow of the live release as a table, and where its picture lies."""
    from etl import report

    study = studies.read(settings.project, name)
    live = live_release(settings, name)
    attrition = pl.read_parquet(live / "parquet" / "attrition.parquet").sort("step").to_dicts()
    return "\n".join(
        [
            study.title,
            "",
            report.flow_table(attrition),
            "",
            f"As a picture: {live / 'cohort_flow.svg'}",
        ]
    )


def diff(settings: Settings, before: str, after: str) -> str:
    """Two releases of one study held against each other, in words."""
    from etl import difference

    home = open_home(settings)
    places = [difference.find(home, name) for name in (before, after)]
    return difference.told(difference.compare(*places))


def verify(settings: Settings, kept_head: str | None, say: Say) -> str:
    """The ledger's chain, deliveries and releases, hashed anew.

    Says each fault, and raises KoblingError where there is one. `kept_head` is the hash that an
    earlier verification told.
    """
    from etl import verification

    home = open_home(settings)
    chain = verification.chain(home, kept_head)
    faults = [
        *chain.faults,
        *verification.delivered(home, chain.entries, say),
        *verification.checked(home, chain.entries),
        *verification.released(home, chain.entries, say),
        *verification.exported(home, chain.entries, say),
    ]
    for fault in faults:
        say(f"fault: {fault}")
    if faults:
        raise KoblingError(
            f"{home.root}: {n_of(len(faults), 'fault')}. Expected none. See above which entry or "
            "file was touched."
        )
    return (
        f"{n_of(len(chain.entries), 'entry', 'entries')} of the ledger, every delivery, every "
        f"result and every release are what they were. Keep the newest hash elsewhere: {chain.head}"
    )


def status(settings: Settings) -> str:
    """Whether there is work to do, and what stands in its way."""
    home = Home(settings.home)
    if home.root.exists():
        open_home(settings)
    if already := nothing_new(settings):
        return "\n".join([already, *_landed_by_others(settings, home)])
    if not home.deliveries.exists():
        return f"{home.root}: nothing has been received. Start with `kobling receive INBOX`."
    told = []
    for name in registers.catalogue():
        waiting, refused = standing(home, name)
        told += [f"{name_of(folder)}: received, not landed yet" for folder in waiting]
        if refused:
            told.append(f"refused, and nothing newer has come: {refused}")
    try:
        for study in studies.names(settings.project):
            evidence_keys(settings, home, study)
    except KoblingError as error:
        told.append(str(error))
    told += _landed_by_others(settings, home)
    return "\n".join([*told, "There is work to do: `kobling run`."])


def state(settings: Settings) -> dict:
    """The home as it stands, for programs: of each register what is in force, of the lake what it
    was linked from, of each study which release is live and which waits.

    Holds counts, days and hashes; never a row. `content` changes when what counts of a register
    does.
    """
    home = Home(settings.home)
    if home.root.exists():
        open_home(settings)
    linked = ledger.last(home, "linked") or {}
    made_of = home.state / "link.json"
    of_studies = {}
    for study in studies.names(settings.project):
        places = {"live": releases.current(home, study), "staged": releases.staged(home, study)}
        of_studies[study] = {what: place and place.name for what, place in places.items()}
    return {
        "is_nothing_new": nothing_new(settings) is not None,
        "registers": {name: _state_of_register(home, name) for name in registers.catalogue()},
        "lake": {
            # Without it the linkage is not complete, and what was linked last says nothing of it.
            "key": read_json(made_of).get("key") if made_of.exists() else None,
            "linked": linked.get("linked"),
            "unlinked": linked.get("unlinked"),
        },
        "studies": of_studies,
    }


def _state_of_register(home: Home, name: str) -> dict:
    waiting, refused = standing(home, name)
    entries = [entry for entry in current(home) if entry.register == name]
    folders = sorted({entry.folder for entry in entries})
    complete_to, delivered_on = newest_complete_to(home).get(name, (None, None))
    return {
        "deliveries": {folder: record(home, name, folder)["manifest_sha256"] for folder in folders},
        "complete_to": complete_to,
        "delivered_on": delivered_on,
        "rows": sum(entry.file.rows for entry in entries),
        "landed": sum(entry.file.landed for entry in entries),
        "quarantined": sum(sum(entry.file.quarantined.values()) for entry in entries),
        "content": digest(
            [[*entry.slot, entry.file.sha256, entry.file.identity] for entry in entries]
        ),
        "not_landed": [folder.name for folder in waiting],
        "refused": refused,
    }


def _landed_by_others(settings: Settings, home: Home) -> list[str]:
    """A sentence where deliveries that count were read by other contracts or code."""
    if not (old := outdated(settings, home)):
        return []
    return [
        f"{n_of(len(old), 'delivery', 'deliveries')} landed by other contracts or code than the "
        "present. `kobling backfill` tells more, and lands them anew."
    ]
