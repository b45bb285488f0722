"""The last part of docs/walk-through.md, typed: `make airflow`, and a delivery is enough."""

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from etl import ledger, release
from etl.home import Home
from tests.airflow_server import until
from tests.postgres_server import folder_open_to_all
from tests.test_walk_through import like_the_checkout, script

SECONDS = 1800
FIRST = """
kobling settings --write
kobling mock --out "$KOBLING_HOME/restricted/inbox" --answers "$KOBLING_HOME/restricted/answers" \\
    --persons 2000
kobling run
"""


@pytest.fixture
def checkout() -> Iterator[Path]:
    """A folder that looks like the checkout, with a released home in it."""
    with folder_open_to_all() as place:
        folder = like_the_checkout(place / "kobling")
        typed(folder, FIRST)
        yield folder


def typed(folder: Path, lines: str) -> None:
    ended = subprocess.run(
        ["bash", "-c", f". .venv/bin/activate; set -euo pipefail\n{lines}"], cwd=folder, text=True,
        env=environment(folder), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stdout[-3000:]


def environment(folder: Path) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("KOBLING_", "AIRFLOW"))}
    return kept | {"KOBLING_HOME": str(folder / "trial")}


def test_a_delivery_is_enough_once_airflow_is_up(checkout):
    home = Home(checkout / "trial")
    before = release.current(home, "dlms").name
    with subprocess.Popen(
        ["bash", "-c", script("airflow-starts")], cwd=checkout, env=environment(checkout),
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
    ) as airflow:  # fmt: skip
        try:
            said = []
            for line in airflow.stdout:
                said.append(line)
                if line.startswith("Airflow is up at"):
                    break
            assert said[-1].startswith("Airflow is up at"), "".join(said)
            typed(checkout, script("airflow"))
            until(
                lambda: release.current(home, "dlms").name != before, SECONDS, "a new live release"
            )
            # Both studies twice: with the first run, and now.
            until(lambda: len(ledger.entries(home, "released")) >= 4, SECONDS, "every study live")
            typed(checkout, script("airflow-ends"))
        finally:
            os.killpg(airflow.pid, signal.SIGINT)
            airflow.wait(300)
