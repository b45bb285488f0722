"""
### From a linked lake to released estimates

select → check, then for each study estimate → release → preview → approve → promote. A fatal check
that is red stops the road here; the last release stays live. The last three are skipped where the
new release is live already. Where it waits, beside the live one, somebody reads what it would
change and approves it, with a reason that is signed with their name; rejected it waits on.
"""

import pendulum
from airflow.sdk import Asset, chain, dag, task_group
from kobling_task import EVERY_TASK, kobling, studies, tell
from promotion import look_at

LAKE = Asset("linked_registers")


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
    @task_group(group_id="study")
    def publish(study: str) -> None:
        chain(
            kobling("estimate", study, of=study),
            kobling("release", study, "--let-wait", of=study),
            look_at(study),
        )

    checked = kobling("check", on_success_callback=tell)  # of a check that warns
    chain(kobling("select"), checked, publish.expand(study=studies()))


run_studies()
