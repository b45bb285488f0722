"""`make airflow`: Airflow on this machine, without containers, until Ctrl-C."""

import os
import signal
import sys
from pathlib import Path

import click

from deployment import native, processes
from etl.errors import KoblingError, SettingsError
from etl.settings import Settings

PORT = 8080


@click.command(
    epilog="Examples: make airflow · make airflow ARGS='--port 8081' · "
    "make airflow ARGS='--metadata /srv/kobling-metadata'"
)
@click.option("--port", default=PORT, show_default=True, help="Where the web page is to be.")
@click.option(
    "--metadata",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for Airflow's PostgreSQL; below KOBLING_HOME where it is not said.",
)
@click.option("--unpaused", is_flag=True, help="New DAGs do not wait until somebody starts them.")
def main(port: int, metadata: Path | None, unpaused: bool) -> None:
    """Start Airflow's four processes and a PostgreSQL for their metadata, on this machine.

    They serve the home KOBLING_HOME and are those of docker-compose.yml. One that ends is started
    again; Ctrl-C ends all. Another PostgreSQL is used where
    AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_CMD names a command that prints its address. Anything else
    that Airflow knows, such as AIRFLOW__SMTP__SMTP_HOST, is handed through.
    """
    # A service manager that stops, and a terminal that closes, are a Ctrl-C; `nohup` says they are
    # not.
    for how in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(how) is not signal.SIG_IGN:
            signal.signal(how, signal.default_int_handler)
    try:
        settings = Settings.from_environment()
        folder = settings.home / "airflow"
        with native.running(
            folder, kobling_home=settings.home, port=port, paused=not unpaused,
            inherited=_handed_through(), metadata_folder=metadata, say=_say,
        ) as airflow:  # fmt: skip
            click.echo(f"\nAirflow is up at {airflow.url}")
            click.echo(f"  users: {', '.join(processes.USERS)}")
            click.echo(f"  passwords: {folder / 'secrets' / processes.AIRFLOW_PASSWORDS}")
            click.echo(f"  logs: {airflow.log('scheduler').parent}")
            click.echo("Ctrl-C ends it, and the tasks that run; start it again and they go on.")
            airflow.watch()
    except KeyboardInterrupt:
        click.echo("\nAirflow has ended.")
    except KoblingError as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(2)


def _say(what: str) -> None:
    click.echo(f"  {what}")


def _handed_through() -> dict[str, str]:
    """The environment. Raises SettingsError where it says what is decided here, and is lost."""
    decided = processes.environment(
        airflow_home="", dags="", secrets="", api_host="", api_port=0, seen_as="", base_url=""
    )
    for name in sorted(decided):
        if name in os.environ and name != "AIRFLOW_HOME":
            raise SettingsError(
                f"environment: {name} is set, and `make airflow` sets it itself. Expected it "
                "not to be. Unset it."
            )
    return dict(os.environ)


if __name__ == "__main__":
    main(prog_name="make airflow")
