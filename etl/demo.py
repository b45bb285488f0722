"""`make demo`: mock registers to a released risk table, through the real Airflow DAGs.

One process, no server: the DAGs are loaded once and run in order. Every task of theirs is one
`kobling` command, started as a scheduler would start it.
"""

import os
import sys
import time
from pathlib import Path

import click

from etl.cli import mock_inbox
from etl.errors import KoblingError
from etl.home import Home
from etl.settings import CHECKOUT, Settings

DAGS = CHECKOUT / "dags"
STORY = ("refresh_registers", "run_studies")


def main() -> int:
    """Run the demo. Returns the exit status."""
    started = time.monotonic()
    try:
        settings = Settings.from_environment()
        if settings.population != "mock":
            raise KoblingError(
                f"{settings.home}: the demo writes mock registers, and KOBLING_POPULATION is "
                f"'{settings.population}'. Expected mock. Unset it, or use another KOBLING_HOME."
            )
        demo(settings)
    except KoblingError as error:
        click.echo(f"Error: {error}", err=True)
        return 2
    click.echo(f"\n{time.monotonic() - started:.0f} seconds")
    return 0


def demo(settings: Settings) -> None:
    """Deliveries from mock keepers, then the DAGs; where nothing is new, say so and stop."""
    from etl import steps

    if not Home(settings.home).inbox.exists():
        mock_inbox(settings)
    if already := steps.nothing_new(settings):
        click.echo(already)
    else:
        run_dags(settings)
    for study in steps.study_names(settings):
        click.echo()
        click.echo(steps.summary(settings, study))


def run_dags(settings: Settings) -> None:
    """Run every DAG of the story in order. Raises KoblingError when a task is refused or fails."""
    click.secho("airflow", bold=True)
    click.echo("  starting, in this process and without a server")
    dags = _load(settings)
    for dag_id in STORY:
        click.secho(dag_id, bold=True)
        for task in dags[dag_id].tasks:
            task.retries = 0  # somebody looks on, and need not wait for what may heal
        run = dags[dag_id].test()
        # `.test()` does not raise: the state of the run is all it tells.
        if run.state != "success":
            failed = [ti.task_id for ti in run.get_task_instances() if ti.state == "failed"]
            raise KoblingError(
                f"DAG {dag_id}: {', '.join(failed) or 'a task'} did not succeed. Expected every "
                "task to. What it said stands above; correct that and start again."
            )


def _load(settings: Settings) -> dict:
    """The DAGs by id. Airflow reads its settings at its first import, so they come before it."""
    airflow_home = settings.home / "airflow"
    os.environ |= {
        "AIRFLOW_HOME": str(airflow_home),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{airflow_home / 'airflow.db'}",
        "AIRFLOW__CORE__DAGS_FOLDER": str(DAGS),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "CRITICAL",
        "KOBLING_HOME": str(settings.home),
        # A task is a command of the environment that the demo itself runs in.
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    airflow_home.mkdir(parents=True, exist_ok=True)
    from airflow.utils.db import initdb

    migrated = airflow_home / "migrated"
    if not migrated.exists():
        initdb()
        migrated.touch()
    from airflow.dag_processing.dagbag import BundleDagBag

    bag = BundleDagBag(DAGS, bundle_path=DAGS, bundle_name="dags-folder")
    if bag.import_errors:
        raise KoblingError(f"DAGs: not loadable. {next(iter(bag.import_errors.values()))}")
    return bag.dags


if __name__ == "__main__":
    sys.exit(main())
