"""
### From deliveries to a linked lake

receive → land → link. Each task is one `kobling` command and can be typed by hand.
No rule lives in this file; change a rule in `etl/` or in a register's contract.
"""

import pendulum
from airflow.sdk import Asset, chain, dag
from kobling_task import kobling

LAKE = Asset("linked_registers")


@dag(
    schedule=None,  # a delivery is an event, not a clock
    start_date=pendulum.datetime(2025, 1, 1, tz="Europe/Copenhagen"),
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 1},
    doc_md=__doc__,
    tags=["kobling"],
)
def refresh_registers():
    chain(
        kobling("receive"),
        kobling("land"),
        kobling("link", outlets=[LAKE]),
    )


refresh_registers()
