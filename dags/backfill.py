"""
### Old deliveries landed anew by today's contracts

backfill, then for each study whose release it has staged preview → approve → promote. What counts
and was read by other contracts or code is landed again; what follows is built and staged, and is
not live until somebody has approved it. `kobling backfill` without a reason tells what would be
done and about how long it takes.
"""

import pendulum
from airflow.sdk import Param, chain, dag, get_current_context, task, task_group
from kobling_task import EVERY_TASK, WRITER, registers, run, studies
from promotion import REASON, look_at

EVERY = "every register"


@dag(
    schedule=None,
    start_date=pendulum.datetime(2025, 1, 1, tz="Europe/Copenhagen"),
    catchup=False,
    default_args=EVERY_TASK,
    doc_md=__doc__,
    tags=["kobling"],
    params={
        "register": Param(EVERY, type="string", enum=[EVERY, *registers()]),
        "period": Param(
            None,
            type=["null", "string"],
            pattern=r"^\d{4}",
            description="Only this year, or a part of it, as 2005 or 2005-03.",
        ),
        "reason": REASON,
    },
)
def backfill():
    @task(task_id="backfill", pool=WRITER)
    def land_anew(*, params) -> None:
        words = ["backfill"]
        if params["register"] != EVERY:
            words += ["--register", params["register"]]
        if params["period"]:
            words += ["--period", params["period"]]
        by = get_current_context()["dag_run"].triggering_user_name or "airflow"
        run(words, "--by", by, "--reason", params["reason"])

    @task_group(group_id="study")
    def publish(study: str) -> None:
        look_at(study)

    chain(land_anew(), publish.expand(study=studies()))


backfill()
