"""A task is a `kobling` command: whatever the scheduler does, a person can type."""

import subprocess
from pathlib import Path

from airflow.sdk import task
from airflow.sdk.exceptions import AirflowFailException

REFUSED = 2
STUDIES = Path(__file__).resolve().parent.parent / "dbt_project" / "studies"


def kobling(command: str, **options):
    """One command as one task of the same name."""
    return _command.override(task_id=command, **options)([command])


def for_every_study(command: str, **options):
    """One command as a task mapped over the study folders, one study at a time."""
    studies = sorted(path.parent.name for path in STUDIES.glob("*/study.toml"))
    mapped = _command.override(task_id=command, max_active_tis_per_dag=1, **options)
    return mapped.expand(words=[[command, study] for study in studies])


@task
def _command(words: list[str]) -> None:
    """Run it; what it says goes to the task's log as it is said.

    A refusal is final: the same delivery or check would be refused again, so it is not retried.
    """
    said = ""
    print(f"kobling {' '.join(words)}", flush=True)
    with subprocess.Popen(
        ["kobling", *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as running:
        for said in running.stdout:
            print(said, end="", flush=True)
    if running.returncode == REFUSED:
        raise AirflowFailException(said.strip())
    if running.returncode:
        raise RuntimeError(f"kobling {' '.join(words)} ended with status {running.returncode}")
