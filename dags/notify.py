"""
### Every morning: what should somebody know?

A refresh that has not come, data that has grown old, and all else that `kobling notify` tells of.
A task that fails, a check that warns and a release that waits are told at once, by the DAGs that
meet them; only a clock sees that nothing has happened.
"""

import pendulum
from airflow.sdk import CronTriggerTimetable, dag
from kobling_task import EVERY_TASK, kobling


@dag(
    schedule=CronTriggerTimetable("0 7 * * *", timezone="Europe/Copenhagen"),
    start_date=pendulum.datetime(2025, 1, 1, tz="Europe/Copenhagen"),
    catchup=False,
    max_active_runs=1,
    default_args=EVERY_TASK | {"on_failure_callback": None},
    doc_md=__doc__,
    tags=["kobling"],
)
def notify():
    kobling("notify", is_writing=False)


notify()
