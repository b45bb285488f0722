"""What leaves the secure environment of a release: masked tables, figures, words and evidence."""

from pathlib import Path

from etl import disclosure, export, ledger, studies
from etl import release as releases
from etl.errors import ReleaseError
from etl.estimate import METHODS
from etl.home import Home, digest, file_hash, one_writer, open_home, read_json, replace_json
from etl.settings import Settings
from etl.steps.releasing import live_release
from etl.steps.wording import Say, n_of


def export_study(settings: Settings, study: str, say: Say) -> Path:
    """Write the export of the live release, whole or not at all; a release is exported once."""
    definition = studies.read(settings.project, study)
    home = open_home(settings)
    with one_writer(home):
        live = live_release(settings, study)
        if why := releases.marked(home, f"{study}/{live.name}", "withdrawn"):
            raise ReleaseError(
                f"{study}: release {live.name} is withdrawn ({why}). Expected one that may be "
                "used. Run `kobling run`, and export what it releases."
            )
        before = _before(home, study)
        known = next((one for one in before if _is_of(one, settings, live)), None)
        if known and (home.exports / study / known["export"]).is_dir():
            if known["export"] not in ledger.told(home, "exported", "export"):
                _tell_exported(settings, home, study, live.name, known["export"])  # after a kill
            say(f"{study}: release {live.name} is exported already: {known['export']}, nothing new")
            return home.exports / study / known["export"]
        earlier = [one for one in before if one is not known]
        say(f"{study}: looking for what would give a small count away; half a minute or so")
        numbers = export.aggregates_of(live, definition)
        with export.solver_unheard():
            done = disclosure.protect_study(numbers, settings.smallest_count, earlier)
        facts = _facts(settings, live, earlier)
        export_id = digest([facts, [table.rows for table in done.tables]])[:12]
        # What stays inside comes first: an export that later ones are not held against would be one
        # too many.
        inside = home.disclosure / study / f"{export_id}.json"
        replace_json(
            inside,
            {
                "export": export_id,
                "release": live.name,
                "smallest_count": settings.smallest_count,
                "counts": done.counts,
                "printed": done.printed,
                "reasons": export.reasons_of(done),
            },
        )
        place = releases.place_whole(
            home.exports / study,
            export_id,
            lambda folder: _fill(folder, definition, done, facts, settings),
        )
        _tell_exported(settings, home, study, live.name, export_id)
        hidden = n_of(len(done.hidden), "number")
        say(f"{study}: export {export_id}; {hidden} hidden, why is in {inside}, which stays inside")
        return place


def _tell_exported(
    settings: Settings, home: Home, study: str, release_id: str, export_id: str
) -> None:
    ledger.record(
        home,
        "exported",
        study=study,
        export=export_id,
        release=release_id,
        smallest_count=settings.smallest_count,
        evidence_sha256=file_hash(home.exports / study / export_id / export.EVIDENCE),
        disclosure_sha256=file_hash(home.disclosure / study / f"{export_id}.json"),
    )


def _before(home: Home, study: str) -> list[dict]:
    """What earlier exports of the study rested on, in the order of their names."""
    return [read_json(path) for path in sorted((home.disclosure / study).glob("*.json"))]


def _is_of(earlier: dict, settings: Settings, live: Path) -> bool:
    return (earlier["release"], earlier["smallest_count"]) == (live.name, settings.smallest_count)


def _facts(settings: Settings, live: Path, earlier: list[dict]) -> list[tuple[str, str]]:
    keys = releases.evidence_keys(live)
    return [
        ("release", live.name),
        ("population", settings.population),
        ("smallest_count", str(settings.smallest_count)),
        ("earlier_exports", ", ".join(one["export"] for one in earlier) or "none"),
        ("release_evidence_sha256", file_hash(live / releases.EVIDENCE)),
        *((f"key of {name}", value) for name, value in sorted(keys.items())),
    ]


def _fill(folder: Path, definition, done: disclosure.Protected, facts, settings: Settings) -> None:
    for table in done.tables:
        export.write_table(table, folder)
    words = {one.name: one.label for one in (*definition.outcomes, *definition.factors)}
    for outcome in definition.outcomes:
        export.draw_forest(
            done.table("risks"), done.table("differences"), outcome.name, words, folder
        )
        export.draw_curves(
            done.table("curves"), done.table("followed"), outcome.name, words, folder
        )
    export.write_words(disclosure.stated("methods", _methods(definition, settings)), folder)
    export.write_words(
        disclosure.stated("disclosure", export.rules(settings.smallest_count)), folder
    )
    export.write_evidence(disclosure.stated("evidence", facts), folder)


def _methods(definition, settings: Settings) -> list[tuple[str, str]]:
    made_up = "The registers are made up, and so is everybody in them.\n\n"
    return [
        (
            definition.title,
            (made_up if settings.population == "mock" else "") + definition.question,
        ),
        ("Estimates", f"{METHODS['estimator']}. Intervals: {METHODS['recommended_interval']}. "
         f"Differences: {METHODS['recommended_difference_interval']}, from the printed limits."),
        *(("Note", note) for note in definition.notes),
    ]  # fmt: skip
