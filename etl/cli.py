"""The commands, in the order in which data travels. Parses and prints; every rule lives elsewhere.

Exit status: 0 done, 2 refused with one clear line, 74 a disk that is full or away, 75 another
command is writing, 130 and 143 stopped by Ctrl-C and SIGTERM, anything else a bug or an outage.
"""

import json
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import NoReturn

import click

from etl.errors import KoblingError, SettingsError, StagedError, disk_error, without_numbers
from etl.home import Home, open_home
from etl.settings import Settings

MOCK_PERSONS, MOCK_SEED = 50_000, 1


class InStoryOrder(click.Group):
    """List commands as the data travels, and print our own errors plainly, in this one place."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)

    def invoke(self, ctx: click.Context) -> object:
        with _stopping_on_signals() as stopped:
            return self._invoke(ctx, stopped)

    def _invoke(self, ctx: click.Context, stopped: list[int]) -> object:
        try:
            return super().invoke(ctx)
        except KoblingError as error:
            if not stopped:
                click.echo(f"Error: {error}", err=True)
                raise SystemExit(error.exit_status) from error
            _end(stopped)
        except PermissionError as error:
            click.echo(
                f"Error: {error.filename}: permission denied. Expected a home that this user may "
                "write. Set KOBLING_HOME to a folder of yours, or ask its owner.",
                err=True,
            )
            raise SystemExit(2) from error
        except (click.ClickException, click.exceptions.Exit, click.Abort, BrokenPipeError):
            if stopped:
                _end(stopped)
            raise
        except KeyboardInterrupt:
            _end(stopped or [signal.SIGINT])
        except Exception as error:
            if stopped:  # whoever it reached may tell it as an error of its own
                _end(stopped)
            if found := disk_error(error):
                click.echo(f"Error: {found}", err=True)
                raise SystemExit(found.exit_status) from None
            # What DuckDB says of a value that it cannot use is the value.
            click.echo(without_numbers(traceback.format_exc()), err=True)
            raise SystemExit(1) from None


@contextmanager
def _stopping_on_signals() -> Iterator[list[int]]:
    """Let SIGTERM end a command as Ctrl-C does. Yields a list that the signal will be put in."""
    stopped: list[int] = []

    def stop(number: int, _: object) -> None:
        stopped.append(number)
        raise KeyboardInterrupt

    # Elsewhere than in the main thread signals are not ours to take.
    is_main = threading.current_thread() is threading.main_thread()
    numbers = (signal.SIGINT, signal.SIGTERM) if is_main else ()
    before = {number: signal.signal(number, stop) for number in numbers}
    try:
        yield stopped
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _end(stopped: list[int]) -> NoReturn:
    """End as the shell expects of a command that was stopped: 128 and the signal's number."""
    name = {signal.SIGINT: "Ctrl-C", signal.SIGTERM: "SIGTERM"}[stopped[0]]
    click.echo(
        f"Error: stopped by {name}. Nothing half-done counts; start the same command again.",
        err=True,
    )
    raise SystemExit(128 + stopped[0])


def say(text: str) -> None:
    click.echo(f"  {text}")


def say_step(text: str) -> None:
    click.secho(text, bold=True)


@click.group(cls=InStoryOrder, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Take register deliveries to risk estimates that carry their evidence.

    \b
    mock → receive → land → link → select → check → estimate → release

    Everything lies under KOBLING_HOME (home/ in the checkout where it is not set).

    \b
    Example:
        kobling run
    """


@main.command()
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Inbox to write into.")
@click.option(
    "--answers", type=click.Path(path_type=Path), required=True,
    help="Where the answer sheet goes; never inside the inbox.",
)  # fmt: skip
@click.option("--persons", type=click.IntRange(1), default=MOCK_PERSONS, show_default=True)
@click.option("--seed", type=click.IntRange(0), default=MOCK_SEED, show_default=True)
@click.option(
    "--defects", default="all", show_default=True, metavar="all|none|NAME[,NAME…]",
    help="What to plant; a wrong name lists them.",
)  # fmt: skip
def mock(out: Path, answers: Path, persons: int, seed: int, defects: str) -> None:
    """Write mock registers with an answer sheet.

    The deliveries are what eight keepers would hand over; nobody in them exists. Defects are
    planted a few rows each, in rows of the population. `all` leaves out the forms that refuse a
    whole delivery: a renamed, missing or doubled column, and a file cut short. `columns` and
    `truncated`, asked for by name, write further deliveries that have them.

    \b
    Example:
        kobling mock --out ../inbox --answers ../answers --persons 5000
        kobling mock --out ../bad --answers ../answers --defects columns,truncated
    """
    write_mock(out, answers, persons, seed, defects)


def mock_inbox(settings: Settings) -> None:
    """Fill the inbox of a new home with mock registers."""
    home = open_home(settings)
    say_step("mock")
    write_mock(home.inbox, home.answers, MOCK_PERSONS, MOCK_SEED)


def write_mock(out: Path, answers: Path, persons: int, seed: int, defects: str = "all") -> None:
    from etl import mock as registers_of_nobody

    if answers.resolve().is_relative_to(out.resolve()):
        raise SettingsError(
            f"{answers}: the answers lie inside the inbox {out}. Expected them outside, or they "
            "would be received. Choose another folder."
        )
    say(registers_of_nobody.write(out, answers, persons, seed, progress=say, wanted=defects))


@main.command()
@click.argument("inbox", type=click.Path(path_type=Path), required=False)
@click.option(
    "--complete-to",
    metavar="YYYY-MM-DD",
    help="Day up to which a register that sent no manifest is complete.",
)
@click.option(
    "--coverage",
    type=click.Choice(["stock", "period", "correction"]),
    help="What a delivery without a manifest replaces: its tables, or the years it names.  "
    "[default: period where every file names its year, else stock]",
)
@click.option(
    "--from", "database", metavar="URL",
    help="Pull from PostgreSQL instead: postgresql://user@host:port/database. The password is "
    "taken from PGPASSWORD or ~/.pgpass.",
)  # fmt: skip
@click.option(
    "--register", help="Only this register. With --from: the one whose tables are pulled."
)
@click.option("--schema", help="With --from: where the tables lie.  [default: public]")
@click.option(
    "--table", "tables", multiple=True,
    help="With --from: only this table; may be given again.  [default: all of the register]",
)  # fmt: skip
@click.option(
    "--flagged", is_flag=True,
    help="Only folders that hold a file named `delivered`, written last: all of it is there.",
)  # fmt: skip
def receive(
    inbox: Path | None,
    complete_to: str | None,
    coverage: str | None,
    database: str | None,
    register: str | None,
    schema: str | None,
    tables: tuple[str, ...],
    flagged: bool,
) -> None:
    """Copy deliveries into the store, checksums verified.

    INBOX holds <register>/<date>/ folders; it is $KOBLING_HOME/restricted/inbox where it is not
    given. With --from a register is pulled out of a database instead, as a stock of today. The
    same delivery twice is received once.

    \b
    Example:
        kobling receive ../inbox
        kobling receive --register patobank
        kobling receive --from postgresql://reader@db.example.dk/pato \\
            --register patobank --complete-to 2024-05-31
    """
    from etl import steps

    settings = Settings.from_environment()
    if database is None:
        if schema or tables:
            raise SettingsError(
                "--schema and --table say what to pull. Expected --from with them. Name the "
                "database, or leave them out."
            )
        steps.receive(
            settings, inbox or Home(settings.home).inbox, complete_to, say, coverage, register,
            only_flagged=flagged,
        )  # fmt: skip
        return
    if inbox or flagged or register is None or coverage not in (None, "stock"):
        raise SettingsError(
            "--from pulls one register as a stock. Expected --register, no INBOX, no --flagged and "
            "no other --coverage. Correct the command."
        )
    steps.receive_from_database(
        settings, database, register, schema or "public", tables, complete_to, say
    )


@main.command()
@click.option("--register", help="Only this register.")
def land(register: str | None) -> None:
    """Read deliveries by contract: typed, or in quarantine.

    Every record lands or is quarantined with a reason; a delivery is accepted or refused whole.

    \b
    Example:
        kobling land --register patobank
    """
    from etl import steps

    steps.land(Settings.from_environment(), register, say)


@main.command()
def link() -> None:
    """Put persons in place of personal numbers.

    Follows replaced numbers to the one in force. No number goes further than this.

    \b
    Example:
        kobling link
    """
    from etl import steps

    steps.link(Settings.from_environment(), say)


@main.command()
def select() -> None:
    """Build staging, cohorts and marts for every study, with dbt.

    \b
    Example:
        kobling select
    """
    from etl import steps

    steps.select(Settings.from_environment(), say)


@main.command()
@click.option("--register", help="Only what landing found in this register's deliveries in force.")
def check(register: str | None) -> None:
    """Run the expectations on the marts.

    A fatal one that is red stops what follows; the last release stays live. With --register nothing
    is run: it tells what landing found in the deliveries that count, holds that no row is lost, and
    refuses where one of them was refused or is not landed.

    \b
    Example:
        kobling check
        kobling check --register patobank
    """
    from etl import steps

    settings = Settings.from_environment()
    if register:
        steps.check_landed(settings, register, say)
    else:
        steps.check(settings, say)


@main.command()
@click.argument("study")
def estimate(study: str) -> None:
    """Estimate the risks of STUDY from the marts.

    STUDY is a folder in dbt_project/studies.

    \b
    Example:
        kobling estimate dlms
    """
    from etl import steps

    steps.estimate(Settings.from_environment(), study, say)


@main.command()
@click.argument("study")
@click.option("--let-wait", is_flag=True, help="A release that is staged ends with 0, not with 2.")
def release(study: str, let_wait: bool) -> None:
    """Publish STUDY as one immutable folder.

    Marts, estimates, figures, pages and evidence; `current` moves to it in one step, unless
    `promote` in kobling.toml (always, within_bounds or by_hand) lets somebody look first: then it
    is staged.

    \b
    Example:
        kobling release dlms
    """
    from etl import steps

    try:
        steps.release(Settings.from_environment(), study, say)
    except StagedError as error:
        if not let_wait:
            raise
        say(str(error))


@main.command()
@click.argument("study")
@click.option(
    "--page", type=click.Path(path_type=Path, dir_okay=False),
    help="Also write it as a page, with a picture of the rows by year.",
)  # fmt: skip
def preview(study: str, page: Path | None) -> None:
    """Show what the staged release of STUDY would change.

    A release is staged, and not live, where `promote` in kobling.toml is by_hand, or within_bounds
    and something is outside them. Rows, persons who come and go and why, steps, estimates, verdicts
    and checks, against the live release.

    \b
    Example:
        kobling preview dlms --page preview.html
    """
    from etl import steps

    click.echo(steps.preview(Settings.from_environment(), study, page))


@main.command()
@click.argument("study")
@click.option("--by", help="Who has looked; needed where something is outside the bounds.")
@click.option("--reason", help="Why it is right; the ledger keeps it.")
@click.option(
    "--release", "release_id", metavar="ID",
    help="The one that was looked at; refused where a newer one is staged by now.",
)  # fmt: skip
def promote(study: str, by: str | None, reason: str | None, release_id: str | None) -> None:
    """Make the staged release of STUDY the live one.

    \b
    Example:
        kobling promote dlms --by "K. Hansen" --reason "the keeper has confirmed the shorter file"
    """
    from etl import steps

    click.echo(steps.promote(Settings.from_environment(), study, by, reason, release_id))


@main.command()
@click.argument("study")
@click.argument("release_id", metavar="RELEASE", required=False)
@click.option("--by", required=True, help="Who decided; the ledger keeps it.")
@click.option("--reason", required=True, help="Why; the ledger keeps it.")
def rollback(study: str, release_id: str | None, by: str, reason: str) -> None:
    """Make an earlier release of STUDY the live one again.

    RELEASE is the beginning of its id; without one it is the release that was live before. What was
    live stays where it is, and is not made live again by itself.

    \b
    Example:
        kobling rollback dlms --by "K. Hansen" --reason "pathology of 2021 is half a year"
        kobling rollback dlms 37fab6a1df6e --by "K. Hansen" --reason "as printed in the paper"
    """
    from etl import steps

    click.echo(steps.rollback(Settings.from_environment(), study, release_id, by, reason))


@main.command()
@click.argument("study")
def export(study: str) -> None:
    """Write what may leave of the live release of STUDY, with small counts masked.

    Tables, figures, methods and evidence below exports/; what was hidden, and why, stays inside in
    disclosure/. Nothing under `smallest_count` persons (5) is told, or follows.

    \b
    Example:
        kobling export dlms
    """
    # Loads the solver of disclosure control, which no other step needs.
    from etl.steps.exporting import export_study

    click.echo(export_study(Settings.from_environment(), study, say))


@main.command()
@click.argument("inbox", type=click.Path(path_type=Path), required=False)
def run(inbox: Path | None) -> None:
    """Do all of it, in one process. A home of mock persons without deliveries makes its own.

    \b
    Example:
        KOBLING_HOME=../trial kobling run
    """
    from etl import steps

    settings = Settings.from_environment()
    home = Home(settings.home)
    if inbox is None and not home.inbox.exists() and not home.deliveries.exists():
        if settings.population != "mock":
            raise SettingsError(
                f"{home.inbox}: no inbox and no deliveries. Expected one of them in a production "
                "home. Name the inbox: kobling run INBOX"
            )
        mock_inbox(settings)
    for one in steps.settings_that_differ():
        say(one)
    steps.run(settings, inbox or (home.inbox if home.inbox.exists() else None), say, say_step)
    for study in steps.study_names(settings):
        click.echo()
        click.echo(steps.summary(settings, study))


@main.command()
@click.option("--register", help="Only this register.")
@click.option(
    "--period", help="Only what counts for this year, or part of one, as 2005 or 2005-03."
)
@click.option("--again", is_flag=True, help="Also what was read by the present contracts and code.")
@click.option("--by", help="Who asks for it; the ledger keeps it.")
@click.option("--reason", help="Why; the ledger keeps it.")
def backfill(
    register: str | None, period: str | None, again: bool, by: str | None, reason: str | None
) -> None:
    """Land old deliveries anew by today's contracts.

    What counts and was read by other contracts or code is read again, a delivery whole, and all
    that follows is built. A release that comes of it is staged: `kobling preview`, then `kobling
    promote`. Without --by and --reason it tells what would be done and about how long that takes.
    A delivery that is refused now counts as it was landed before.

    \b
    Example:
        kobling backfill --register patobank
        kobling backfill --register patobank --period 2003 --by "K. Hansen" \\
            --reason "contract 1.3.0 reads the specimen number"
    """
    from etl import steps

    settings = Settings.from_environment()
    steps.backfill(settings, register, period, again, by, reason, say, say_step)


@main.command()
@click.argument("release_id", metavar="RELEASE")
def rebuild(release_id: str) -> None:
    """Build the data of an earlier RELEASE again from the landing.

    Landed files stay when newer ones come, so what counted then is still there, unless it was
    erased or landed anew since. It is linked, selected, checked, estimated and released by today's
    code, beside everything; which release is live does not change. Tells what differs from RELEASE,
    which is named study/id or study/current; by the same code it must be the same to the byte.

    \b
    Example:
        kobling rebuild dlms/37fab6a1df6e
    """
    from etl import steps

    steps.rebuild(Settings.from_environment(), release_id, say, say_step)


@main.command()
@click.argument("study")
def show(study: str) -> None:
    """Print the live release of STUDY.

    Risk tables, one line of cohort flow, and where its pages lie.

    \b
    Example:
        kobling show dlms
    """
    from etl import steps

    click.echo(steps.summary(Settings.from_environment(), study))


@main.command()
@click.option("--json", "as_json", is_flag=True, help="Everything that holds, for programs.")
def status(as_json: bool) -> None:
    """Tell whether anything is new since the last release.

    With --json: of each register which deliveries are in force, with rows, hashes and the day up to
    which it is complete; what the lake was linked from; of each study which release is live, and
    which is staged.

    \b
    Example:
        kobling status
        kobling status --json
    """
    from etl import steps

    settings = Settings.from_environment()
    click.echo(json.dumps(steps.state(settings), indent=2) if as_json else steps.status(settings))


@main.command()
@click.option("--failed", metavar="JOB", help="A command that failed and could not say so itself.")
def notify(failed: str | None) -> None:
    """Tell what has changed since somebody was told: failures, warnings, and what is over.

    One notice for each cause, with its page in docs/runbooks/, to a file below notices/ or by mail.
    Silent where nothing has changed. `kobling run` does it at its end.

    \b
    Example:
        kobling notify
        kobling notify --failed "release dlms"
    """
    from etl import steps

    settings = Settings.from_environment()
    if failed:
        steps.note_killed(settings, failed)
    if not steps.notify(settings, say):
        say("nothing has changed since somebody was told")


@main.command()
@click.option("--write", is_flag=True, help="Write a commented kobling.toml into the home.")
def settings(write: bool) -> None:
    """Tell every setting, its value, and who said so.

    Settings stand in kobling.toml of the home; a variable of the environment goes before it. What
    is wrong, or is no setting, is refused by every command.

    \b
    Example:
        kobling settings
        KOBLING_HOME=/data/kobling kobling settings --write
    """
    from etl import steps

    click.echo(steps.settings_written() if write else steps.settings_told())


@main.command()
@click.argument("check_name", metavar="CHECK", required=False)
@click.option("--row", help="The failing row's key: row_key of quality.failure in the warehouse.")
@click.option("--by", help="Who has looked at the record.")
@click.option("--reason", help="Why it is right as it stands; the release shows it.")
@click.option(
    "--until", type=click.DateTime(["%Y-%m-%d"]), help="Last day; a year from now if not given."
)
@click.option("--take-back", metavar="ID", help="Take a confirmation back, by its id.")
def confirm(check_name, row, by, reason, until, take_back) -> None:
    """Confirm a record that fails CHECK as right as it stands.

    CHECK is named as quality.result has it, suite: id. From the next `kobling check` on the record
    is still listed and counts no more. The confirmation is void when anything in the record
    changes, and ends by itself.

    \b
    Example:
        kobling confirm "marts.cohort: age_is_plausible" \\
            --row '{"study_id": "dlms", "person_id": "10000000001"}' \\
            --by "K. Hansen" --reason "age seen in the chart" --until 2027-06-30
        kobling confirm --take-back 0a1b2c3d4e5f
    """
    from etl import steps

    settings = Settings.from_environment()
    if take_back:
        click.echo(steps.unconfirm(settings, take_back))
        return
    if not (check_name and row and by and reason):
        raise click.UsageError("Expected CHECK, --row, --by and --reason, or --take-back.")
    try:
        key = json.loads(row)
    except ValueError:
        key = None
    if not isinstance(key, dict):
        raise click.UsageError("--row: not a JSON object. Expected row_key of quality.failure.")
    day = until.date() if until else None
    click.echo(steps.confirm(settings, check_name, key, by, reason, day))


@main.command()
@click.option("--register", help="Only this register.")
@click.option("--reason", help="Only this reason, such as wrong_length.")
@click.option("--rows", is_flag=True, help="Also the record numbers in each file.")
@click.option(
    "--as-given",
    is_flag=True,
    help="Write the rows as they came, to a file in the restricted zone.",
)
def quarantine(register: str | None, reason: str | None, rows: bool, as_given: bool) -> None:
    """List the rows that were refused, and why.

    Of the deliveries that count now: rows by register, table, period, file and reason. What the
    rows hold is personal and locked; --as-given opens it, for whoever has the key, and the ledger
    keeps that it was opened.

    \b
    Example:
        kobling quarantine --register patobank --reason wrong_length --rows
        kobling quarantine --register patobank --as-given
    """
    from etl import steps

    settings = Settings.from_environment()
    if as_given:
        click.echo(steps.quarantine_as_given(settings, register, reason))
    else:
        click.echo(steps.put_aside_list(settings, "quarantine", register, reason, rows))


@main.command()
@click.option("--register", help="Only this register.")
@click.option("--finding", help="Only this finding, such as outside_period.")
@click.option("--rows", is_flag=True, help="Also the record numbers in each file.")
def findings(register: str | None, finding: str | None, rows: bool) -> None:
    """List the rows that landed with something to tell.

    Of the deliveries that count now: a value that could not be read, a day that cannot be, a row of
    another year.

    \b
    Example:
        kobling findings --register patobank --finding outside_period --rows
    """
    from etl import steps

    settings = Settings.from_environment()
    click.echo(steps.put_aside_list(settings, "findings", register, finding, rows))


@main.command()
@click.option(
    "--pnr-file", type=click.Path(path_type=Path), required=True,
    help="A file in the restricted zone with the number.",
)  # fmt: skip
@click.option("--reason", required=True, help="Why; the ledger keeps it.")
@click.option("--by", required=True, help="Who decided; the ledger keeps it.")
@click.option("--preview", is_flag=True, help="Only tell what would go.")
def erase(pnr_file: Path, reason: str, by: str, preview: bool) -> None:
    """Take a person out of everything that is held, and keep them out.

    Rows of the person go from deliveries, landing, identity store, lake and warehouse, under every
    number they ever had; a keyed tombstone keeps later deliveries without them. Releases that hold
    the person are named and marked as withdrawn. Then everything is built and released anew. Broken
    off at any moment it is finished by the same command.

    \b
    Example:
        kobling erase --pnr-file home/restricted/request.txt --reason "request 24/117" \\
            --by "data protection officer" --preview
    """
    from etl import steps

    settings = Settings.from_environment()
    steps.erase(settings, pnr_file, reason, by, preview, say, say_step)


@main.command("rotate-key")
@click.option(
    "--new-key-file", type=click.Path(path_type=Path), required=True,
    help="The new secret, at least 32 bytes, readable by its owner only.",
)  # fmt: skip
def rotate_key(new_key_file: Path) -> None:
    """Replace the pseudonym key, and derive everything anew.

    Locks the restricted store with the new key, then links, selects, checks, estimates and releases
    under it. The key that is set in the environment is the old one. Broken off at any moment it is
    finished by the same command.

    \b
    Example:
        KOBLING_KEY_FILE=old.key kobling rotate-key --new-key-file new.key
    """
    from etl import steps

    steps.rotate_key(Settings.from_environment(), new_key_file, say, say_step)


@main.command()
@click.option("--head", metavar="HASH", help="Newest hash that an earlier verification told.")
def verify(head: str | None) -> None:
    """Hash everything anew: the ledger's chain, deliveries, results, releases and exports.

    Tells which entry or file was touched, and ends with status 2 where one was. The last hash that
    it prints, kept elsewhere and given as --head, also shows entries that were cut off.

    \b
    Example:
        kobling verify --head 5f0c…
    """
    from etl import steps

    click.echo(steps.verify(Settings.from_environment(), head, say))


@main.command()
@click.option("--released-id", metavar="ID", help="person_id of a release.")
@click.option("--study", help="The study of that release.")
@click.option(
    "--pnr", "with_number", is_flag=True, help="Write the numbers into the restricted zone."
)
@click.option(
    "--pnr-file", type=click.Path(path_type=Path),
    help="A file in the restricted zone with one person's number, for what is held on them.",
)  # fmt: skip
def person(
    released_id: str | None, study: str | None, with_number: bool, pnr_file: Path | None
) -> None:
    """Tell who an id of a release is, or what is held on a person.

    Each study's releases have ids of their own. The way back needs the key and the identity store;
    the ledger keeps that it was gone.

    With --pnr-file the terminal shows how many rows each store holds, under every number the person
    ever had. A file below restricted/opened/ names each: deliveries' rows by file and record,
    landed, quarantined and linked rows, cohorts and releases. The ledger keeps that it was asked.

    \b
    Example:
        kobling person --study dlms --released-id 5120398472230948123 --pnr
        kobling person --pnr-file home/restricted/request.txt
    """
    from etl import steps

    settings = Settings.from_environment()
    if pnr_file and not (released_id or study or with_number):
        click.echo(steps.person_held(settings, pnr_file))
    elif released_id and study and not pnr_file:
        click.echo(steps.person_behind(settings, study, released_id, with_number))
    else:
        raise click.UsageError(
            "a person is named in no way, or in two. Expected --study with --released-id, or "
            "--pnr-file alone. Name the person in one way."
        )


@main.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--time", required=True, help="Column: end of follow-up, a number from 0.")
@click.option("--event", required=True, help="Column: how it ended; 0 censored, 1, 2, … events.")
@click.option("--entry", help="Column: delayed entry; at risk after it.")
@click.option("--group", help="Column: groups to estimate and compare.")
@click.option("--weight", help="Column: what each person weighs.")
@click.option(
    "--horizon",
    "horizons",
    type=float,
    multiple=True,
    required=True,
    help="Risk by this time, included; may be given again.",
)
@click.option("--cause", "causes", type=int, multiple=True, help="Event code; default every cause.")
@click.option(
    "--variance",
    type=click.Choice(["greenwood", "ij"]),
    help="Default greenwood; ij, the infinitesimal jackknife, with weights.",
)
@click.option(
    "--interval",
    type=click.Choice(["plain", "log", "log-log", "cloglog", "wilson"]),
    default="plain",
    show_default=True,
    help="Kind of interval beside the recommended.",
)
@click.option("--level", type=float, default=0.95, show_default=True, help="Of confidence.")
@click.option("--reference", help="Group compared with; default the first in sorted order.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "csv", "json"]),
    default="table",
    show_default=True,
    help="csv is long, one row per number; json has full precision.",
)
def estimate_table(file: Path, form: str, **asked: object) -> None:
    """Estimate competing risks of a CSV or Parquet FILE, one row per person.

    Needs no home and keeps nothing.

    \b
    Example:
        kobling estimate-table people.csv --time days --event event --group arm --horizon 1826
    """
    from etl.estimate_table import Request, answer, rendered

    click.echo(rendered(answer(Request(file=file, **asked)), form))


@main.command()
@click.argument("before")
@click.argument("after", required=False)
def diff(before: str, after: str | None) -> None:
    """Hold two releases of a study against each other.

    What they were made from, rows by register, persons who came, went or stand differently,
    attrition step by step, estimates, verdicts and checks. A release is named study/id, or by the
    beginning of its id; without AFTER it is the live one.

    \b
    Example:
        kobling diff 37fab6a1df6e c4e19b8d6ccf
        kobling diff dlms/37fab6a1df6e
    """
    from etl import steps

    study, slash, _ = before.rpartition("/")
    if after is None and not slash:
        raise click.UsageError("AFTER: not given. Expected it, or BEFORE as study/id.")
    click.echo(steps.diff(Settings.from_environment(), before, after or f"{study}/current"))


@main.group(cls=InStoryOrder)
def study() -> None:
    """Write, check and explain studies: a study is a folder of data.

    \b
    Example:
        kobling study check
    """


@study.command("new")
@click.argument("name")
@click.option("--like", default="dlms", show_default=True, help="The study to begin from.")
@click.option("--title", help="Its heading.")
def study_new(name: str, like: str, title: str | None) -> None:
    """Make a folder NAME to be edited, from a study that works.

    \b
    Example:
        kobling study new dlms_short_list --title "Leiomyosarcoma by the short list"
    """
    from etl import steps

    click.echo(steps.study_new(Settings.from_environment(), name, like, title))


@study.command("check")
@click.argument("name", required=False)
def study_check(name: str | None) -> None:
    """Tell whether NAME, or every study, is without contradiction.

    The first contradiction is told with file, line, what was found and what was expected. An
    editor that reads dbt_project/studies/study.schema.json tells most of them while one types.

    \b
    Example:
        kobling study check dlms
    """
    from etl import steps

    click.echo(steps.study_check(Settings.from_environment(), name))


@study.command("show")
@click.argument("name")
def study_show(name: str) -> None:
    """Print the definition of NAME in words.

    \b
    Example:
        kobling study show dlms
    """
    from etl import steps

    click.echo(steps.study_show(Settings.from_environment(), name))


@study.command("flow")
@click.argument("name")
def study_flow(name: str) -> None:
    """Print the flow of NAME's live release: who went in, who left at each step, and why.

    \b
    Example:
        kobling study flow dlms
    """
    from etl import steps

    click.echo(steps.study_flow(Settings.from_environment(), name))


@study.command("compare")
@click.argument("first")
@click.argument("second")
@click.option(
    "--persons",
    type=click.Path(path_type=Path, dir_okay=False),
    help="CSV to write with everybody who stands differently in the two, by pseudonym.",
)
def study_compare(first: str, second: str, persons: Path | None) -> None:
    """Hold two definitions against each other: overlap, who moved, and why.

    Both must have been selected into one warehouse. To try another code list, make a study from
    the first with `kobling study new`, change its list, and run `kobling select`.

    \b
    Example:
        kobling study compare dlms dlms_own_list --persons moved.csv
    """
    from etl import steps

    click.echo(steps.study_compare(Settings.from_environment(), first, second, persons))


@study.command("why")
@click.argument("name")
@click.option("--person", required=True, metavar="ID", help="person_id of the warehouse.")
def study_why(name: str, person: str) -> None:
    """Tell why a person is in NAME or out of it, with the rows that decided.

    ID is the person_id of warehouse.duckdb, as in marts.exclusion_reasons; never a personal
    number.

    \b
    Example:
        kobling study why dlms --person 2408998029736760139
    """
    from etl import steps

    click.echo(steps.study_why(Settings.from_environment(), name, person))


# ------------------------------------------------------------------ how a command ended

KEPT_IN_MIND = (
    "receive", "land", "link", "select", "check", "estimate", "release", "preview", "promote",
    "rollback", "export", "run", "backfill", "rebuild", "status",
)  # fmt: skip


def keeping_in_mind(name: str, command: Callable[..., None]) -> Callable[..., None]:
    """The same command, which lets `kobling notify` know how it ended; `run` tells at once.

    A person at a terminal sees how a single step ends, and may have mistyped it.
    """

    @wraps(command)
    def kept(*args: object, **options: object) -> None:
        from etl import steps

        # Of a backfill there is one job, whatever it is narrowed to.
        of = () if name == "backfill" else ("study", "register")
        job = " ".join([name, *(str(options[option]) for option in of if options.get(option))])
        is_run = name == "run"
        if name == "backfill" and not options.get("by"):
            command(*args, **options)  # a question
            return
        try:
            command(*args, **options)
        except KeyboardInterrupt as error:
            if not sys.stderr.isatty():
                note_failure(job, error, is_told=False)
            raise
        except (click.ClickException, click.exceptions.Exit, click.Abort, BrokenPipeError):
            raise
        except Exception as error:
            if is_run or not sys.stderr.isatty():
                note_failure(job, error, is_told=is_run)
            raise
        settings = Settings.from_environment()
        steps.note_success(settings, job)
        if is_run:
            with suppress_and_show(None):
                steps.notify(settings, say)

    return kept


def note_failure(job: str, error: BaseException, *, is_told: bool) -> None:
    """Whatever goes wrong in this stands behind the error itself, which is shown afterwards."""
    from etl import steps

    with suppress_and_show(error):
        settings = Settings.from_environment()
        failures = steps.note_failure(settings, job, error)
        if is_told:
            steps.notify(settings, say, failures)


@contextmanager
def suppress_and_show(instead_of: BaseException | None) -> Iterator[None]:
    """What goes wrong in telling is shown, and does not change how the command ends; a bug does,
    where nothing else went wrong."""
    try:
        yield
    except KoblingError as error:
        if str(error) != str(instead_of):
            click.echo(f"Error: {error}", err=True)
    except Exception:
        if instead_of is None:
            raise
        click.echo(without_numbers(traceback.format_exc()), err=True)


for _name in KEPT_IN_MIND:
    main.commands[_name].callback = keeping_in_mind(_name, main.commands[_name].callback)


if __name__ == "__main__":
    main()
