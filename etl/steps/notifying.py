"""Somebody is told what stands in a home: read here, decided by `notices`, handed over."""

import datetime as dt
from collections.abc import Mapping
from contextlib import suppress

from etl import deliveries, ledger, notices, overrides, registers
from etl import release as releases
from etl.errors import KoblingError, SettingsError, StagedError
from etl.home import Home, connect, open_home, replace_text
from etl.landing import accepted, current, newest_complete_to, record
from etl.notices import Concern, Failure
from etl.settings import BY_MAIL, Settings
from etl.steps import checking
from etl.steps.wording import Say

OF_DELIVERIES = ("delivery received", "delivery accepted", "delivery refused")
RECEIVING = ("receive", "run")
# What ends well only where the registers are as their keepers sent them last, new or not.
REFRESHING = ("run", "link", "check")
REFRESHED = "refreshed"


def notify(settings: Settings, say: Say, also: Mapping[str, Failure] | None = None) -> int:
    """Tell what has changed since somebody was told. Returns how many notices were sent.

    `also` are failed commands that the home could not keep, as where its disk is full. Raises
    NoticeError where nobody takes a notice; it is kept, and sent the next time.
    """
    if not settings.home.is_dir():
        if also:
            return 0  # a mistyped name must not make a home
        # A clock whose job forgets to name the home must not be silent for ever.
        raise SettingsError(
            f"{settings.home}: no home is there. Expected one. Set KOBLING_HOME to it."
        )
    home = open_home(settings)
    told = []

    def on_sent(number: int, text: str) -> None:
        heading = text.partition("\n")[0]
        told.append(number)
        say(f"notice {number}, {notifier.to}: {heading}")
        with suppress(OSError):  # a full disk is told all the same
            ledger.record(home, "notice sent", notice=number, heading=heading, to=notifier.to)

    notifier = _notifier(settings, home)
    where = f"{home.root}, a {settings.population} home"
    notices.post(home, standing(settings, home, also or {}), where, notifier, on_sent)
    return len(told)


def note_failure(settings: Settings, job: str, error: Exception) -> dict[str, Failure]:
    """Keep in mind that a command failed, for the next `notify`. A release that waits is no
    failure. Returns what has failed and not succeeded since, whether or not it could be kept."""
    if isinstance(error, StagedError):
        note_success(settings, job)
        return {}
    home = Home(settings.home)
    failed = {job: notices.failure_of(error)}
    if not home.root.is_dir():
        return failed
    try:
        return notices.note_failure(home, job, error)
    except OSError:
        return notices.failures(home) | failed


def note_killed(settings: Settings, job: str) -> None:
    """Keep in mind a command that could not do it itself; what it said, where it did, stays."""
    home = Home(settings.home)
    if home.root.is_dir() and job not in notices.failures(home):
        error = KoblingError(f"kobling {job}: it failed, and could not say why. See its log.")
        notices.note_failure(home, job, error)


def note_success(settings: Settings, job: str) -> None:
    """A command did its work: if it had failed before, that is over."""
    home = Home(settings.home)
    with suppress(OSError):  # then it is over with the next success
        notices.note_success(home, job)
        if job in REFRESHING and home.state.is_dir():
            home.notices.mkdir(parents=True, exist_ok=True)
            replace_text(home.notices / REFRESHED, f"{checking.today()}\n")


def _notifier(settings: Settings, home: Home) -> notices.Notifier:
    by_mail = settings.notices.send == BY_MAIL
    return notices.ByMail(settings.notices) if by_mail else notices.ToFiles(home)


# ------------------------------------------------------------------ what stands


def standing(settings: Settings, home: Home, also: Mapping[str, Failure]) -> list[Concern]:
    """Everything in a home that somebody should know."""
    failures = notices.failures(home) | also
    found = [
        *_of_deliveries(settings, home, failures),
        *_of_checks(settings, home),
        *notices.staged(
            {
                place.parent.name: waits.name
                for place in sorted(home.releases.glob(f"*/{releases.STAGED}"))
                if (waits := releases.staged(home, place.parent.name))
            },
            ledger.entries(home, "staged"),
        ),
        *_of_calendars(settings, home),
    ]
    return [*found, *notices.failed(failures, found)]


def _of_deliveries(
    settings: Settings, home: Home, failures: Mapping[str, Failure]
) -> list[Concern]:
    bounds = settings.bounds
    decided = accepted(home)
    is_receiving_refused = any(
        failure.kind == "DeliveryError" and job.split()[0] in RECEIVING
        for job, failure in failures.items()
    )
    counting = {(entry.register, entry.folder) for entry in current(home)}
    return [
        *notices.refused(
            _refused_in_store(home),
            ledger.entries(home, *OF_DELIVERIES),
            is_receiving_refused,
        ),
        *notices.shrunken(
            decided,
            counting,
            bounds.fewer_rows_percent,
            bounds.fewer_rows_of_a_year_percent,
            bounds.few_rows,
        ),
        *notices.duplicates(decided),
        *notices.renumbered(ledger.entries(home, "erased person perhaps renumbered")),
    ]


def _refused_in_store(home: Home) -> dict[str, str]:
    """register/day → why `land` refused it, of what is in the store still."""
    return {
        f"{name}/{folder.name}": known["reason"]
        for name in registers.catalogue()
        for folder in deliveries.of_register(home.deliveries, registers.register(name))
        if (known := record(home, name, folder.name)) and known["status"] == "refused"
    }


def _of_checks(settings: Settings, home: Home) -> list[Concern]:
    """What the newest refresh's checks said beside those of the one before, and what excuses them
    today."""
    from etl import quality

    newest = quality.past.newest(home.quality)
    if newest is None:
        return []
    with connect(settings) as con:
        con.execute("create schema quality")
        quality.past.give_trend(con, home.quality)
        con.execute(
            "create table quality.result as "
            f"from '{quality.past.folder_of(home.quality, newest['number']) / 'result.parquet'}'"
        )
        results = quality.stored_results(con, newest["refresh_id"], with_failing=False)
        now = con.execute(
            """
            select suite || ': ' || check_id, status, n_checked, n_failing, change
            from quality.trend
            where data_number = (select max(data_number) from quality.trend)
            order by all
            """
        ).fetchall()
    try:
        waivers = quality.read_waivers(checking.EXPECTATIONS)
    except KoblingError as error:  # the rest is to be told all the same
        waivers, broken = [], [Concern("run_failed", "expectations/waivers.toml", str(error))]
    else:
        broken = []
    waived = quality.waived(waivers, results, checking.today())
    checks = {result.name: result.check for result in results}
    states = [
        notices.CheckState(
            name=name,
            words=checks[name].words,
            severity=checks[name].severity,
            status=status,
            n_checked=n_checked,
            n_failing=n_failing,
            change=change,
            is_waived=name in waived,
        )
        for name, status, n_checked, n_failing, change in now
    ]
    excepted = [
        *(notices.Excepted(f"waiver {w.id}", w.check, w.owner, w.expires_on) for w in waivers),
        *(
            notices.Excepted(f"confirmation {o.id}", o.check, o.reviewer, o.expires_on)
            for o in overrides.of_home(home)
        ),
    ]
    failing = {state.name for state in states if state.n_failing or state.status == "not_run"}
    return [
        *notices.checks(states, settings.smallest_count),
        *notices.ending(excepted, failing, checking.today()),
        *broken,
    ]


def _of_calendars(settings: Settings, home: Home) -> list[Concern]:
    """Which registers are late or stale today, and whether the refresh is."""
    today = checking.today()
    came: dict[str, dt.date] = {}
    for entry in ledger.entries(home, "delivery received"):
        register, _, folder = entry["delivery"].partition("/")
        day = dt.date.fromisoformat(folder[:10])
        came[register] = max(day, came.get(register, day))
    complete_to = {
        register: dt.date.fromisoformat(day)
        for register, (day, _) in newest_complete_to(home).items()
        if day
    }
    return [
        *notices.late(settings.calendars, came, today),
        *notices.stale(settings.calendars, complete_to, today),
        *notices.refresh_late(_last_refresh(home), settings.notices.refresh_late_after_days, today),
    ]


def _last_refresh(home: Home) -> dt.date | None:
    """The day on which a refresh last went well, also one that found nothing new; where none has,
    that of the first delivery."""
    with suppress(FileNotFoundError):
        return dt.date.fromisoformat((home.notices / REFRESHED).read_text().strip())
    for entry in ledger.entries(home, "delivery received")[:1]:
        return dt.datetime.fromisoformat(entry["at"]).date()
    return None
