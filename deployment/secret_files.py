"""The secrets of a deployment, each in a file of its own.

A file that is there stays as it is. None is ever printed.
"""

import base64
import json
import os
import secrets
from pathlib import Path

import click

from deployment.processes import (
    AIRFLOW_PASSWORDS,
    FERNET_KEY,
    PGPASS,
    PSEUDONYM_KEY,
    SECRETS,
    SOURCE_PASSWORD,
    USERS,
)
from etl.home import replace_text

MODE, FOLDER_MODE = 0o600, 0o700


def write(folder: Path) -> dict[str, Path]:
    """Write those that are missing; where each of them lies."""
    folder.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
    for name in SECRETS:
        if not (folder / name).exists():
            replace_text(folder / name, _drawn(name), mode=MODE)
    return {name: folder / name for name in SECRETS}


def write_all(folder: Path) -> dict[str, Path]:
    """Those of docker-compose.yml but the pseudonym key; a keeper's example has its own."""
    written = write(folder)
    source, pgpass = folder / SOURCE_PASSWORD, folder / PGPASS
    if not source.exists():
        replace_text(source, secrets.token_hex(32), mode=MODE)
    if not pgpass.exists():
        password = source.read_text(encoding="utf-8")
        replace_text(pgpass, f"source:5432:registers:keeper:{password}\n", mode=MODE)
    return written | {SOURCE_PASSWORD: source, PGPASS: pgpass}


def passwords(folder: Path) -> dict[str, str]:
    """User → password, as they were drawn."""
    return json.loads((folder / AIRFLOW_PASSWORDS).read_text(encoding="utf-8"))


def _drawn(name: str) -> str:
    """No line end: what reads a secret may take it as part of it."""
    if name == AIRFLOW_PASSWORDS:
        return json.dumps({user: secrets.token_urlsafe(18) for user in USERS})
    if name == FERNET_KEY:
        return base64.urlsafe_b64encode(os.urandom(32)).decode()
    return secrets.token_hex(32)


@click.command(epilog="Example: python -m deployment.secret_files secrets")
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
def main(folder: Path) -> None:
    """Draw the secrets that are missing in FOLDER, for docker-compose.yml."""
    for path in write_all(folder).values():
        click.echo(path)
    if not (folder / PSEUDONYM_KEY).exists():
        click.echo(f"Still to come, from where you keep it: {folder / PSEUDONYM_KEY}")


if __name__ == "__main__":
    main()
