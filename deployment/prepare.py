"""Make Airflow ready to start: metadata of this version, pools, passwords.

Run again it only brings back what was changed. It reads where everything lies from the same
environment as Airflow's own processes.
"""

import os
from pathlib import Path

import click

from deployment.processes import AIRFLOW_PASSWORDS, POOLS
from etl.home import replace_text


@click.command(epilog="Example: python -m deployment.prepare /run/secrets")
@click.argument("secrets", type=click.Path(exists=True, file_okay=False, path_type=Path))
def main(secrets: Path) -> None:
    """Prepare what the environment names; SECRETS is the folder of the secrets' files."""
    # Airflow opens its passwords for writing, which a mounted secret does not allow.
    passwords = Path(os.environ["AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE"])
    passwords.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    replace_text(passwords, (secrets / AIRFLOW_PASSWORDS).read_bytes(), mode=0o600)

    from airflow.models.pool import Pool
    from airflow.utils.db import initdb

    initdb()
    for name, (slots, why) in POOLS.items():
        Pool.create_or_update_pool(name, slots, why, include_deferred=False)
        click.echo(f"pool {name}: {slots} slot")


if __name__ == "__main__":
    main()
