"""A task is a `kobling` command: whatever the scheduler does, a person can type."""

import json
import shlex
import subprocess
from datetime import timedelta
from tempfile import TemporaryFile

from airflow.sdk import ExceptionRetryPolicy, RetryAction, RetryRule, get_current_context, task

from etl.errors import BusyError, KoblingError, without_numbers
from etl.settings import CHECKOUT

# One command writes in a home, and none reads the warehouse meanwhile; in a pool of one slot nobody
# runs into that.
WRITER = "warehouse_writer"
STUDIES = CHECKOUT / "dbt_project" / "studies"
REGISTERS = CHECKOUT / "etl" / "registers"


class RefusedError(Exception):
    """The command was refused, and would be again: the delivery, check or setting is the same."""


class BusyHomeError(Exception):
    """Another command was writing in the home, one that somebody typed."""


class OutageError(Exception):
    """The command broke off: the memory or the machine, or a bug of ours."""


ENDED_BY = {KoblingError.exit_status: RefusedError, BusyError.exit_status: BusyHomeError}
WHAT_HEALS = ExceptionRetryPolicy(
    rules=[
        RetryRule(RefusedError, RetryAction.FAIL, reason="refused: it would be refused again"),
        RetryRule(BusyHomeError, RetryAction.RETRY, reason="another command is writing"),
        RetryRule(OutageError, RetryAction.RETRY, reason="broke off"),
    ]
)
# Half a minute, one, two and four: longer than a person's command, and short beside the night.
HEALS = {
    "retries": 4,
    "retry_delay": timedelta(seconds=30),
    "retry_exponential_backoff": 2,
    "max_retry_delay": timedelta(minutes=10),
    "retry_policy": WHAT_HEALS,
}


def tell(context) -> None:
    """Have it told what somebody should know now. What cannot be told turns nothing red."""
    try:
        ended = subprocess.run(
            ["kobling", "notify"], capture_output=True, text=True, check=False, timeout=300
        )
        print(ended.stdout + ended.stderr)
    except Exception as error:
        print(f"kobling notify: {error}")


# What holds for every task of every DAG.
EVERY_TASK = {"on_failure_callback": tell, **HEALS}


def studies() -> list[str]:
    """Every study folder. Read without loading what reads studies: a DAG is parsed all the time."""
    return sorted(path.parent.name for path in STUDIES.glob("*/study.toml"))


def registers() -> list[str]:
    """Every register that has a contract."""
    return sorted(path.name.partition(".")[0] for path in REGISTERS.glob("*.odcs.yaml"))


def kobling(command: str, *words: str, is_writing: bool = True, of: str | None = None, **options):
    """One command as one task of its name. `of` is what it is mapped over: a register, a study."""
    pool = {"pool": WRITER} if is_writing else {}
    named = {"map_index_template": "{{ of }}"} if of else {}
    return _command.override(task_id=command, **pool, **named, **options)([command, *words], of)


@task
def _command(words: list[str], of: str | None) -> None:
    name_this(of)
    run(words)


def name_this(of: str | None) -> None:
    """Let a mapped task be called by its register or study, and not by a number."""
    if of:
        get_current_context()["of"] = of


def run(words: list[str], *unsaid: str) -> str:
    """Run a command; what it says goes to the task's log as it is said, and is returned.

    `unsaid` are more words that the log does not repeat: a person has typed them.

    Raises:
        RefusedError, BusyHomeError, OutageError: by the status that it ended with.
    """
    print(f"kobling {without_numbers(shlex.join(words))}{' …' if unsaid else ''}", flush=True)
    said = []
    with (
        TemporaryFile("w+", encoding="utf-8") as errors,
        subprocess.Popen(
            ["kobling", *words, *unsaid], stdout=subprocess.PIPE, stderr=errors, text=True
        ) as running,
    ):
        for line in running.stdout:
            print(line, end="", flush=True)
            said.append(line)
        running.wait()
        errors.seek(0)
        complaint = errors.read().strip()
    if complaint:
        print(complaint, flush=True)
    if running.returncode:
        ended = ENDED_BY.get(running.returncode, OutageError)
        raise ended(complaint.rpartition("\n")[2] if ended is OutageError else complaint)
    return "".join(said)


def home_as_it_stands() -> dict:
    """What `kobling status --json` says."""
    return json.loads(run(["status", "--json"]))
