"""A staged release is read, approved and promoted; who approves signs it with a reason."""

from datetime import timedelta

from airflow.exceptions import ParamValidationError
from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk import ExceptionRetryPolicy, Param, RetryAction, RetryRule, chain, task
from airflow.sdk.exceptions import AirflowSkipException
from kobling_task import WRITER, home_as_it_stands, name_this, run, tell

# The ledger keeps the words for ever: no row of digits that a personal number might be.
REASON = Param(
    "",
    type="string",
    title="Reason",
    description="Why it is right, or why not; signed with your name. No personal numbers.",
    minLength=3,
    pattern=r"^(?!.*\d{6})",
)
# Whoever answers without a reason is asked again.
ASKED_AGAIN = ExceptionRetryPolicy(rules=[RetryRule(ParamValidationError, RetryAction.RETRY)])
PATIENCE = timedelta(days=14)
STAGED = "ti.xcom_pull(task.task_group.child_id('preview'), map_indexes=ti.map_index)"


# `status` looks into the warehouse, which nobody may while somebody writes there.
@task(pool=WRITER, map_index_template="{{ of }}")
def preview(study: str) -> dict:
    """What the staged release would change; skipped, and what follows, where none waits."""
    name_this(study)
    staged = home_as_it_stands()["studies"][study]["staged"]
    if not staged:
        raise AirflowSkipException(f"{study}: no release waits")
    return {"study": study, "release": staged, "text": run(["preview", study])}


@task(pool=WRITER, map_index_template="{{ of }}", on_success_callback=tell)
def promote(staged: dict, answer: dict) -> None:
    """Make live what was looked at, and nothing that has taken its place since."""
    name_this(staged["study"])
    run(
        ["promote", staged["study"], "--release", staged["release"]],
        *("--by", answer["responded_by_user"]["name"]),
        *("--reason", answer["params_input"]["reason"]),
    )


def look_at(study: str):
    """preview → approve → promote, within a task group that is mapped over studies.

    Returns the first and the last. Rejected, or not answered, the release waits on.
    """
    staged = preview(study)
    approved = ApprovalOperator(
        task_id="approve",
        subject=f"{{{{ {STAGED}['study'] }}}}: make release {{{{ {STAGED}['release'] }}}} live?",
        body=f"```\n{{{{ {STAGED}['text'] }}}}\n```",
        params={"reason": REASON},
        defaults="Reject",
        notifiers=[tell],
        response_timeout=PATIENCE,
        map_index_template=f"{{{{ {STAGED}['study'] }}}}",
        retries=10,
        retry_delay=timedelta(0),
        retry_policy=ASKED_AGAIN,
    )
    promoted = promote(staged, approved.output)
    chain(staged, approved, promoted)
    return staged, promoted
