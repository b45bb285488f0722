"""Whether a process of Airflow beats: `python -m deployment.health scheduler`.

Asks the API server, which knows when each last wrote its heartbeat; so it costs a hundredth of
`airflow jobs check`, which loads Airflow. Without an API server nothing is healthy, and no task
could run.
"""

import json
import os
import urllib.request
from urllib.parse import urlsplit

import click

from deployment.processes import BEATS, SERVICES

SECONDS = 10


def asked(api_server: str) -> dict:
    """What the API server says of every process. Raises OSError where it does not answer."""
    with urllib.request.urlopen(f"{api_server}/api/v2/monitor/health", timeout=SECONDS) as answer:
        return json.load(answer)


def is_healthy(said: dict, service: str) -> bool:
    """Whether a service beats, and with it the metadata that all of them need."""
    parts = ["metadatabase", *([BEATS[service]] if service in BEATS else [])]
    return all(said[part]["status"] == "healthy" for part in parts)


@click.command(epilog="Example: python -m deployment.health scheduler")
@click.argument("service", type=click.Choice(list(SERVICES)))
def main(service: str) -> None:
    """Exit with 0 where SERVICE is healthy, with 1 where it is not."""
    execution = urlsplit(os.environ["AIRFLOW__CORE__EXECUTION_API_SERVER_URL"])
    try:
        healthy = is_healthy(asked(f"{execution.scheme}://{execution.netloc}"), service)
    except OSError as error:
        raise click.ClickException(
            f"{service}: no answer from {execution.netloc}, {error}"
        ) from None
    if not healthy:
        raise click.ClickException(f"{service}: no heartbeat")


if __name__ == "__main__":
    main()
