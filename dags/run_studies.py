"""
### From a linked lake to released estimates

select → check → estimate → release, the last two once per study folder. A fatal check that is red
stops the road here; the last release stays live.
"""

import pendulum
from airflow.sdk import Asset, chain, dag
from kobling_task import for_every_study, kobling

LAKE = Asset("linked_registers")


@dag(
    schedule=[LAKE],
    start_date=pendulum.datetime(2025, 1, 1, tz="Europe/Copenhagen"),
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 1},
    doc_md=__doc__,
    tags=["kobling"],
)
def run_studies():
    chain(
        kobling("select"),
        kobling("check"),
        for_every_study("estimate"),
        for_every_study("release"),
    )


run_studies()
