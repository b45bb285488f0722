"""
### From deliveries to a linked lake

For each register receive → land → check, then link, then status, which announces what has changed.
Each task is one `kobling` command and can be typed by hand. A delivery that is refused keeps no
other register from being landed; nothing is linked until it is corrected or taken away.

It starts when a delivery is flagged in the inbox (then only flagged ones are received), by the
clock where `schedule.refresh` of kobling.toml says so, or by hand.
"""

import pendulum
from airflow.sdk import (
    Asset,
    AssetAlias,
    AssetOrTimeSchedule,
    AssetWatcher,
    CronTriggerTimetable,
    chain,
    dag,
    get_current_context,
    task,
    task_group,
)
from kobling_task import EVERY_TASK, WRITER, home_as_it_stands, kobling, name_this, registers, run

from etl.arrivals import DeliveryTrigger
from etl.home import Home
from etl.settings import Settings

SETTINGS = Settings.from_environment()
INBOX = Asset(
    "inbox",
    watchers=[
        AssetWatcher(
            name="deliveries", trigger=DeliveryTrigger(inbox=str(Home(SETTINGS.home).inbox))
        )
    ],
)
LAKE = Asset("linked_registers")
# An alias tells of some of its assets, and of none where nothing has changed.
CHANGED = AssetAlias("changed")
OF_REGISTER = {name: Asset(f"register_{name}") for name in registers()}
BY_CLOCK = SETTINGS.schedule and CronTriggerTimetable(
    SETTINGS.schedule, timezone="Europe/Copenhagen"
)


@dag(
    schedule=AssetOrTimeSchedule(timetable=BY_CLOCK, assets=[INBOX]) if BY_CLOCK else [INBOX],
    start_date=pendulum.datetime(2025, 1, 1, tz="Europe/Copenhagen"),
    catchup=False,
    max_active_runs=1,
    default_args=EVERY_TASK,
    doc_md=__doc__,
    tags=["kobling"],
)
def refresh_registers():
    @task(pool=WRITER, map_index_template="{{ of }}")
    def receive(register: str) -> None:
        name_this(register)
        is_flagged = get_current_context()["dag_run"].run_type == "asset_triggered"
        run(["receive", "--register", register, *(["--flagged"] if is_flagged else [])])

    @task_group(group_id="register")
    def bring_in(register: str) -> None:
        received = receive(register)
        # What was received before lands, whatever became of the delivery that came today.
        landed = kobling("land", "--register", register, of=register, trigger_rule="all_done")
        checked = kobling("check", "--register", register, of=register, is_writing=False)
        chain(received, landed, checked)
        chain(received, checked)

    # It looks into the warehouse, which nobody may while somebody writes there.
    @task(pool=WRITER, outlets=[CHANGED], inlets=[*OF_REGISTER.values()])
    def status(*, outlet_events, inlet_events) -> None:
        """Announce each register that is not what it was when it was announced last, and the lake
        where studies have work to do on it."""
        home = home_as_it_stands()
        for name, asset in OF_REGISTER.items():
            now = home["registers"][name]
            told = list(inlet_events[asset].ascending(False).limit(1))
            if now["deliveries"] and not (told and told[0].extra == now):
                outlet_events[CHANGED].add(asset, extra=now)
        if not home["is_nothing_new"]:
            outlet_events[CHANGED].add(LAKE, extra=home["lake"])

    chain(bring_in.expand(register=registers()), kobling("link"), status())


refresh_registers()
