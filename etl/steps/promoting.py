"""Which release is the live one: looked at before, promoted, rolled back."""

from pathlib import Path

from etl import ledger
from etl import release as releases
from etl.errors import ReleaseError
from etl.home import Home, one_writer, open_home, replace_text
from etl.settings import Settings
from etl.steps.releasing import live_release, tell_released
from etl.steps.wording import hold_words


def preview(settings: Settings, study: str, page: Path | None = None) -> str:
    """What the staged release would change, and what of it is outside the bounds; with `page` also
    as a page with a picture of the rows by year."""
    from etl import difference, report

    home = open_home(settings)
    place = _staged(home, study)
    live = live_release(settings, study)
    found = difference.compare(live, place)
    outside = difference.outside_bounds(found, settings.bounds)
    if page:
        replace_text(page, report.preview_page(found, outside, settings.population))
    return "\n".join(
        [
            difference.told(found),
            "",
            "Outside the bounds:" if outside else "Nothing is outside the bounds.",
            *(f"  {reason}" for reason in outside),
            f"To make it live: kobling promote {study}"
            + (' --by NAME --reason "…"' if outside else ""),
        ]
    )


def promote(
    settings: Settings,
    study: str,
    by: str | None,
    reason: str | None,
    release_id: str | None = None,
) -> str:
    """Make the staged release the live one; outside the bounds only with a name and a reason.

    `release_id` is the beginning of the id of the one that was looked at: while somebody looked, a
    newer one may have taken its place, and that is not the one that was signed.
    """
    from etl import difference

    home = open_home(settings)
    with one_writer(home):
        place = _staged(home, study)
        if release_id and not place.name.startswith(release_id):
            raise ReleaseError(
                f"{study}: release {place.name} is staged, and no longer {release_id}. Expected "
                f"the one that was looked at. Look at this one: `kobling preview {study}`."
            )
        live = live_release(settings, study)
        outside = difference.outside_bounds(difference.compare(live, place), settings.bounds)
        if outside and not (by and reason):
            raise ReleaseError(
                f"{study}: release {place.name} is outside the bounds: {'; '.join(outside)}. "
                "Expected --by and --reason: somebody who has looked, and why it is right."
            )
        for option, words in (("--by", by), ("--reason", reason)):
            if words is not None:
                hold_words(option, words)
        _hold_not_withdrawn(home, study, place)
        keys = releases.evidence_keys(place)
        # The signature first: a kill must not leave a release live that nobody has signed.
        signed = {"study": study, "release": place.name, "by": by, "reason": reason}
        if not ledger.is_told(home, "released", "staged", "rolled back", **signed):
            tell_released(
                settings, home, study, place, keys, by=by, reason=reason, outside_bounds=outside
            )
        releases.unmark(home, f"{study}/{place.name}", "rolled_back")
        releases.promote(home, study, place.name)
    return f"{study}: release {place.name} is live, in place of {live.name}"


def rollback(settings: Settings, study: str, to: str | None, by: str, reason: str) -> str:
    """Make an earlier release the live one again; the one that was live stays where it is."""
    from etl import difference

    home = open_home(settings)
    hold_words("--by", by)
    hold_words("--reason", reason)
    with one_writer(home):
        live = live_release(settings, study)
        place = difference.find(home, f"{study}/{to}") if to else _before(home, study, live)
        if place == live:
            raise ReleaseError(
                f"{study}: release {live.name} is live. Expected an earlier one. "
                "`kobling rollback --help` says how to name it."
            )
        _hold_not_withdrawn(home, study, place)
        said = {
            "study": study,
            "release": place.name,
            "instead_of": live.name,
            "by": by,
            "reason": reason,
        }
        if not ledger.is_told(home, "rolled back", "released", "staged", **said):
            ledger.record(home, "rolled back", **said)
        releases.mark(home, [f"{study}/{live.name}"], "rolled_back", reason)
        releases.unmark(home, f"{study}/{place.name}", "rolled_back")
        releases.promote(home, study, place.name)
    return (
        f"{study}: release {place.name} is live again, in place of {live.name}, which is not made "
        "live again by itself"
    )


def _staged(home: Home, study: str) -> Path:
    place = releases.staged(home, study)
    if place is None:
        raise ReleaseError(
            f"{study}: no release is staged. Expected one that waits. `kobling run` makes one "
            "where there is something new and `promote` in kobling.toml lets it wait."
        )
    return place


def _hold_not_withdrawn(home: Home, study: str, place: Path) -> None:
    if why := releases.marked(home, f"{study}/{place.name}", "withdrawn"):
        raise ReleaseError(
            f"{study}: release {place.name} was withdrawn ({why}). Expected one that may be "
            "live. Name another, or run `kobling run`."
        )


def _before(home: Home, study: str, live: Path) -> Path:
    """The newest release that was live, by the ledger, and was neither taken back nor withdrawn."""

    def may_be_live(name: str) -> bool:
        return (home.releases / study / name).is_dir() and not any(
            releases.marked(home, f"{study}/{name}", mark) for mark in ("rolled_back", "withdrawn")
        )

    was_live = [
        entry["release"]
        for entry in ledger.entries(home, "released", "rolled back")
        if entry["study"] == study
        and entry["release"] != live.name
        and may_be_live(entry["release"])
    ]
    if not was_live:
        raise ReleaseError(
            f"{study}: no release before {live.name}. Expected an earlier one to go back to."
        )
    return home.releases / study / was_live[-1]
