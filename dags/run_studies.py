"""
### From a linked lake to released estimates

select → check, then for each study estimate → release → preview → approve → promote. A fatal check
that is red stops the road here; the last release stays live. The last three are skipped where the
new release is live already. Where it waits, beside the live one, somebody reads what it would
change and approves it, with a reason that is signed with their name; rejected it waits on.
"""

from datetime import timedelta

import pendulum
from airflow.exceptions import ParamValidationError
from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk import (
    Asset,
    ExceptionRetryPolicy,
    Param,
    RetryAction,
    RetryRule,
    chain,
    dag,
    task,
    task_group,
)
from airflow.sdk.exceptions import AirflowSkipException
from kobling_task import EVERY_TASK, WRITER, home_as_it_stands, kobling, name_this, run, studies

LAKE = Asset("linked_registers")
# Words, and no row of digits that a personal number might be: the ledger keeps them for ever.
REASON = Param(
    "",
    type="string",
    title="Reason",
    description="Why it is right, or why not. Signed with your name; no personal numbers.",
    minLength=3,
    pattern=r"^(?!.*\d{4})",
)
# Whoever answers without a reason is asked again.
ASKED_AGAIN = ExceptionRetryPolicy(rules=[RetryRule(ParamValidationError, RetryAction.RETRY)])
PATIENCE = timedelta(days=14)


@dag(
    schedule=[LAKE],
    start_date=pendulum.datetime(2025, 1, 1, tz="Europe/Copenhagen"),
    catchup=False,
    # A release that waits for somebody must not hold up what is delivered meanwhile.
    max_active_runs=16,
    default_args=EVERY_TASK,
    doc_md=__doc__,
    tags=["kobling"],
)
def run_studies():
    @task(map_index_template="{{ of }}")
    def preview(study: str) -> dict:
        name_this(study)
        staged = home_as_it_stands()["studies"][study]["staged"]
        if not staged:
            raise AirflowSkipException(f"{study}: no release waits")
        return {"study": study, "release": staged, "text": run(["preview", study])}

    @task(pool=WRITER, map_index_template="{{ of }}")
    def promote(staged: dict, answer: dict) -> None:
        name_this(staged["study"])
        run(
            ["promote", staged["study"], "--release", staged["release"]],
            *("--by", answer["responded_by_user"]["name"]),
            *("--reason", answer["params_input"]["reason"]),
        )

    @task_group(group_id="study")
    def publish(study: str) -> None:
        estimated = kobling("estimate", study, of=study)
        released = kobling("release", study, "--let-wait", of=study)
        staged = preview(study)
        approved = ApprovalOperator(
            task_id="approve",
            subject="{{ ti.xcom_pull('study.preview', map_indexes=ti.map_index)['study'] }}: make release {{ ti.xcom_pull('study.preview', map_indexes=ti.map_index)['release'] }} the live one?",
            body="```\n{{ ti.xcom_pull('study.preview', map_indexes=ti.map_index)['text'] }}\n```",
            params={"reason": REASON},
            defaults="Reject",
            response_timeout=PATIENCE,
            retries=10,
            retry_delay=timedelta(0),
            retry_policy=ASKED_AGAIN,
        )
        chain(estimated, released, staged, approved, promote(staged, approved.output))

    chain(kobling("select"), kobling("check"), publish.expand(study=studies()))


run_studies()
