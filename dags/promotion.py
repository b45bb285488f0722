"""A staged release is read, approved and promoted; who approves signs it with a reason."""

import re
from datetime import timedelta

from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk import (
    ExceptionRetryPolicy,
    Param,
    ParamsDict,
    RetryAction,
    RetryRule,
    chain,
    task,
)
from airflow.sdk.exceptions import AirflowSkipException
from kobling_task import WRITER, home_as_it_stands, name_this, run, tell

# The ledger keeps the words for ever: no row of digits that a personal number might be.
SIGNED = re.compile(r"^(?!.*\d{6})(?=.*\S.*\S.*\S)")
REASON = Param(
    "",
    type="string",
    title="Reason",
    description="Why it is right, or why not; signed with your name. No personal numbers.",
    minLength=3,
    pattern=SIGNED.pattern,
)
PATIENCE = timedelta(days=14)


class UnsignedError(Exception):
    """Somebody approved and gave no reason."""


class Approval(ApprovalOperator):
    """Asks for a reason as the form of a DAG asks for what it needs.

    A task's own parameters must be valid before it runs, so what is asked for cannot be declared
    with it: there the reason may be missing.
    """

    def __init__(self, **kwargs) -> None:
        super().__init__(**kwargs)
        self.params = ParamsDict({"reason": Param(None, type=["null", "string"])})

    def execute(self, context):
        self.params = ParamsDict({"reason": REASON})
        return super().execute(context)

    def execute_complete(self, context, event):
        answer = super().execute_complete(context, event)
        reason = answer["params_input"].get("reason")
        if answer["chosen_options"] == [self.APPROVE] and not SIGNED.search(reason or ""):
            raise UnsignedError("approved without a reason in words")
        return answer


# Whoever approves without a reason is asked again.
ASKED_AGAIN = ExceptionRetryPolicy(rules=[RetryRule(UnsignedError, RetryAction.RETRY)])
STAGED = "ti.xcom_pull(task.task_group.child_id('preview'), map_indexes=ti.map_index)"


def as_printed(text: str) -> str:
    """Markdown that keeps lines and columns; the page joins the lines of a block of code."""
    blank, kept = " ", "\N{NO-BREAK SPACE}"
    lines = (f"`{line.replace(blank, kept)}`  " if line else "" for line in text.splitlines())
    return "\n".join(lines)


# `status` looks into the warehouse, which nobody may while somebody writes there.
@task(pool=WRITER, map_index_template="{{ of }}")
def preview(study: str) -> dict:
    """What the staged release would change; skipped, and what follows, where none waits."""
    name_this(study)
    staged = home_as_it_stands()["studies"][study]["staged"]
    if not staged:
        raise AirflowSkipException(f"{study}: no release waits")
    return {"study": study, "release": staged, "text": as_printed(run(["preview", study]))}


@task(pool=WRITER, map_index_template="{{ of }}", on_success_callback=tell)
def promote(staged: dict, answer: dict) -> None:
    """Make live what was looked at, and nothing that has taken its place since."""
    name_this(staged["study"])
    # In a mapped group a rejection skips nothing by itself; seen with Airflow 3.3.2.
    if answer["chosen_options"] != [Approval.APPROVE]:
        raise AirflowSkipException(f"{staged['study']}: rejected, the release waits on")
    run(
        ["promote", staged["study"], "--release", staged["release"]],
        *("--by", answer["responded_by_user"]["name"]),
        *("--reason", answer["params_input"]["reason"]),
    )


def look_at(study: str):
    """preview → approve → promote, within a task group that is mapped over studies.

    Returns the first. Rejected, or not answered, the release waits on.
    """
    staged = preview(study)
    approved = Approval(
        task_id="approve",
        subject=f"{{{{ {STAGED}['study'] }}}}: make release {{{{ {STAGED}['release'] }}}} live?",
        body=f"{{{{ {STAGED}['text'] }}}}",
        defaults="Reject",
        notifiers=[tell],
        on_failure_callback=tell,  # no command failed, and nobody could make it succeed
        response_timeout=PATIENCE,
        map_index_template=f"{{{{ {STAGED}['study'] }}}}",
        retries=10,
        retry_delay=timedelta(0),
        retry_policy=ASKED_AGAIN,
    )
    chain(staged, approved, promote(staged, approved.output))
    return staged
