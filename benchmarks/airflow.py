"""What Airflow adds to the same work, what it takes, and forty runs in a row.

`python -m benchmarks.airflow` starts `airflow standalone` once and measures in turns:

* **orchestration**: the DAGs with a stand-in for `kobling` that does nothing: what is left is
  Airflow's own;
* **refresh**: the DAGs from the trigger to the end of the last run, less `kobling run` on the same
  inbox in a home of its own; once with everything new and once with nothing new; in seconds, and in
  seconds of a processor, which other work on the machine does not lengthen;
* **memory**: proportional set size of all its processes, `kobling` commands apart, idle; in the
  overhead's turns also the highest;
* **backfill**: one run for each of forty years, queued at once, with the stand-in: how long Airflow
  takes over them, and the longest time in which no task ended.
"""

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from itertools import pairwise
from pathlib import Path

import click
import psutil

from benchmarks.demo import README, machine, with_section
from benchmarks.processes import Sampled
from deployment import native
from etl import registers, studies
from etl.demo import STORY
from etl.settings import CHECKOUT
from tests import story
from tests.airflow_server import Client, until

RESULT = Path(__file__).parent / "airflow.json"
PERSONS = 3_000
RUNS = 5
YEARS = range(1983, 2023)
BACKFILL, REFRESH = "backfill", "refresh_registers"
SETTLED_SECONDS = 10


# Answers as `kobling` does, and does nothing: studies have work to do until one is released.
STAND_IN = """#!{python} -S
import json, os, pathlib, sys
released = pathlib.Path(os.environ["KOBLING_HOME"], "released")
if sys.argv[1] == "release":
    released.touch()
if sys.argv[1:] == ["status", "--json"]:
    print(json.dumps({{
        "is_nothing_new": released.exists(), "lake": {{"rows": 1}},
        "registers": {{name: {{"deliveries": 1}} for name in {registers}}},
        "studies": {{name: {{"staged": None}} for name in {studies}}},
    }}))
"""


class Memory(Sampled):
    """Highest sum of the proportional set size of Airflow's own processes, sampled."""

    every_seconds = 1

    def __init__(self, airflow: native.Airflow) -> None:
        self.airflow, self.peak = airflow, 0

    def now(self) -> int:
        """Bytes. What a task has started is Kobling's and not Airflow's."""
        total = 0
        for process in self.airflow.members():
            with suppress(psutil.Error):
                if not any("kobling" in Path(word).name for word in process.cmdline()[:2]):
                    total += process.memory_full_info().pss
        return total

    def look(self) -> None:
        self.peak = max(self.peak, self.now())


def typed(home: Path) -> tuple[float, float]:
    """Seconds, and of a processor, of `kobling run` in a home."""
    started = time.monotonic()
    with (home.parent / "by_hand.log").open("w") as log:
        process = subprocess.Popen(
            ["kobling", "run"], env=_environment(home), stdout=log, stderr=log
        )
        _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise click.ClickException((home.parent / "by_hand.log").read_text())
    return time.monotonic() - started, used.ru_utime + used.ru_stime


def through_airflow(airflow: native.Airflow, admin: Client) -> tuple[float, float]:
    """Seconds from the trigger of a refresh to the end of the last run that came of it, and of a
    processor, of all that Airflow and its tasks did meanwhile."""
    used = processor_seconds(airflow)
    before = {dag_id: len(admin.runs(dag_id)) for dag_id in STORY}
    triggered = time.time()
    run_id = admin.trigger(REFRESH)
    if (state := admin.wait_for_run(REFRESH, run_id, 1800)) != "success":
        raise click.ClickException(f"{REFRESH} {run_id}: {state}")
    # Where something has changed the studies follow within a beat of the scheduler.
    settled = time.monotonic() + SETTLED_SECONDS
    while time.monotonic() < settled and len(admin.runs(STORY[1])) == before[STORY[1]]:
        time.sleep(0.5)
    until(lambda: all(run["end_date"] for run in admin.runs(STORY[1])), 1800, STORY[1])
    ends = [run for dag_id in STORY for run in admin.runs(dag_id)[before[dag_id] :]]
    if failed := [run["dag_run_id"] for run in ends if run["state"] != "success"]:
        raise click.ClickException(f"{failed}: not a success")
    seconds = max(_moment(run["end_date"]) for run in ends) - triggered
    return seconds, processor_seconds(airflow) - used


@contextmanager
def standing_in(place: Path) -> Iterator[None]:
    """Every command does nothing."""
    stand_in = place / "before" / "kobling"
    stand_in.write_text(
        STAND_IN.format(
            python=sys.executable,
            registers=list(registers.catalogue()),
            studies=list(studies.names(CHECKOUT)),
        )
    )
    stand_in.chmod(0o755)
    try:
        yield
    finally:
        stand_in.unlink()


def orchestration(airflow: native.Airflow, admin: Client, place: Path, runs: int) -> dict:
    """Medians of a refresh whose commands do nothing, and how many tasks it has."""
    turns = []
    with standing_in(place):
        for number in range(runs):
            (place / "home" / "released").unlink(missing_ok=True)
            turns.append(through_airflow(airflow, admin))
            click.echo(f"{number + 1} of {runs}: {turns[-1]}")
    (place / "home" / "released").unlink()
    last = [(dag_id, admin.runs(dag_id)[-1]["dag_run_id"]) for dag_id in STORY]
    return {
        "runs": runs,
        "tasks": sum(
            task["state"] == "success" for dag_id, run_id in last
            for task in admin.tasks(dag_id, run_id)
        ),
        "seconds": round(statistics.median(seconds for seconds, _ in turns), 1),
        "cpu_seconds": round(statistics.median(cpu for _, cpu in turns), 1),
    }  # fmt: skip


def processor_seconds(airflow: native.Airflow) -> float:
    """Of all its processes and of those that have ended: a parent is told what a child has used."""
    return sum(sum(process.cpu_times()[:4]) for process in airflow.members())


def refresh(airflow: native.Airflow, admin: Client, place: Path, runs: int) -> dict:
    """Medians by hand, through Airflow and between, everything new and nothing: seconds, and
    seconds of a processor."""
    found: dict[str, dict[str, list[tuple[float, float]]]] = {}
    served, beside = place / "home", place / "by_hand"
    highest = 0
    for number in range(runs):
        for home in (served, beside):
            shutil.rmtree(home, ignore_errors=True)
            shutil.copytree(place / "delivered", home)
        for what in ("everything new", "nothing new"):
            # Whichever is second finds warm files; so they take turns at it.
            ways = {
                "kobling run": lambda: typed(beside),
                "Airflow": lambda: through_airflow(airflow, admin),
            }
            order = list(ways) if number % 2 == 0 else list(reversed(ways))
            with Memory(airflow) as memory:
                taken = {way: ways[way]() for way in order}
            highest = max(highest, memory.peak)
            click.echo(f"{number + 1} of {runs}, {what}: {taken}")
            taken["overhead"] = tuple(
                through - by_hand
                for through, by_hand in zip(taken["Airflow"], taken["kobling run"], strict=True)
            )
            for way, figures_of_it in taken.items():
                found.setdefault(what, {}).setdefault(way, []).append(figures_of_it)
    return {"runs": runs, "highest_mib": round(highest / 2**20)} | {
        what: {
            way: {
                "seconds": round(statistics.median(s for s, _ in turns), 1),
                "cpu_seconds": round(statistics.median(cpu for _, cpu in turns), 1),
            }
            for way, turns in ways.items()
        }
        for what, ways in found.items()
    }


def backfill(airflow: native.Airflow, admin: Client, place: Path, *_: object) -> dict:
    """One run for each year, all queued at once; whether it ever stood still."""
    with standing_in(place):
        return forty_years(admin)


def forty_years(admin: Client) -> dict:
    known = {dag["dag_id"] for dag in admin.get("/dags?limit=100")["dags"]}
    dag_id = BACKFILL if BACKFILL in known else REFRESH
    admin.unpause(dag_id)
    started = time.monotonic()
    ids = [admin.trigger(dag_id, conf_of(dag_id, year)) for year in YEARS]
    for number, run_id in enumerate(ids, 1):
        if (state := admin.wait_for_run(dag_id, run_id, 600)) != "success":
            raise click.ClickException(f"{dag_id} {run_id}: {state}")
        click.echo(f"backfill {number} of {len(ids)}")
    seconds = time.monotonic() - started
    ends = sorted(
        _moment(task["end_date"])
        for run_id in ids
        for task in admin.tasks(dag_id, run_id)
        if task["end_date"]
    )
    return {
        "dag": dag_id,
        "runs": len(ids),
        "tasks": len(ends),
        "seconds": round(seconds),
        "longest_standstill_seconds": round(max(b - a for a, b in pairwise(ends)), 1),
    }


def conf_of(dag_id: str, year: int) -> dict:
    """What a run of one year is told."""
    if dag_id == REFRESH:
        return {}
    return {"register": "lpr2", "period": str(year), "reason": "benchmark"}


def run(parts: tuple[str, ...], runs: int) -> None:
    """Measure the parts and keep them, with the load that each began under, among the others."""
    result = json.loads(RESULT.read_text(encoding="utf-8")) if RESULT.exists() else {}
    result |= {"machine": machine(), "persons": PERSONS}
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        story.mock_small(place / "delivered")
        shutil.copytree(place / "delivered", place / "home")
        before = place / "before"
        before.mkdir()
        real = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        with native.running(
            place / "airflow", kobling_home=place / "home", mode=native.STANDALONE,
            inherited=_environment(place / "home"), say=click.echo,
            told={"PATH": f"{before}{os.pathsep}{real}"},
        ) as airflow:  # fmt: skip
            admin = Client.of(airflow, "admin")
            admin.wait_for_dags(*STORY)
            admin.unpause(*STORY)
            for part in parts:
                load = round(os.getloadavg()[0], 1)
                result[part] = {"load": load} | PARTS[part](airflow, admin, place, runs)
                # One that fails must not lose what was measured before it.
                RESULT.write_text(
                    json.dumps(result, indent=2, ensure_ascii=False) + "\n", encoding="utf-8"
                )
                click.echo(f"{part}: {result[part]}")


def memory(airflow: native.Airflow, *_: object) -> dict:
    """MiB of Airflow's own processes while nothing is to be done."""
    time.sleep(SETTLED_SECONDS)
    return {"idle_mib": round(Memory(airflow).now() / 2**20)}


PARTS = {
    "memory": memory, "orchestration": orchestration, "backfill": backfill, "refresh": refresh,
}  # fmt: skip


def figures(result: dict) -> str:
    """The README's table of measured figures."""

    def told(way: dict) -> str:
        return f"{way['seconds']:.0f} s ({way['cpu_seconds']:.0f} s of a processor)"

    rows = []
    if took := result.get("memory"):
        rows.append(("`airflow standalone`, idle", "under 1,024 MiB", f"{took['idle_mib']:,} MiB"))
    if took := result.get("orchestration"):
        many = f"median of {took['runs']}" if took["runs"] > 1 else "once"
        rows.append(
            (
                f"a refresh whose {took['tasks']} tasks do nothing, {many}, at a load of "
                f"{took['load']:g}", "under 60 s", told(took),
            )
        )  # fmt: skip
    if took := result.get("refresh"):
        new, same = took["everything new"], took["nothing new"]
        many = f"medians of {took['runs']}" if took["runs"] > 1 else "once"
        rows += [
            (
                f"a refresh of {result['persons']:,} persons by the DAGs, {many}, at a load of "
                f"{took['load']:g}", "", told(new["Airflow"]),
            ),
            ("the same by `kobling run`", "", told(new["kobling run"])),
            ("what Airflow adds, everything new", "under 60 s", told(new["overhead"])),
            ("what Airflow adds, nothing new", "under 60 s", told(same["overhead"])),
            (
                "`airflow standalone` at its highest meanwhile, without the commands", "",
                f"{took['highest_mib']:,} MiB",
            ),
        ]  # fmt: skip
    if took := result.get("backfill"):
        rows.append(
            (
                f"{took['runs']} runs of `{took['dag']}` whose tasks do nothing, at a load of "
                f"{took['load']:g}",
                "no stall",
                f"{took['seconds'] / 60:.0f} min, never more than "
                f"{took['longest_standstill_seconds']:.0f} s without the end of a task",
            )
        )
    return "\n".join(
        [
            f"{result['machine']}.", "", "| what | target | measured |", "|---|---|---|",
            *(f"| {' | '.join(row)} |" for row in rows),
        ]
    )  # fmt: skip


def _environment(home: Path) -> dict[str, str]:
    """The environment's `kobling`, a home, and a key that is no secret."""
    told = story.environment(home)
    return told | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{told['PATH']}"}


def _moment(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


@click.command()
@click.option("--part", "parts", multiple=True, type=click.Choice(list(PARTS)), help="Only this.")
@click.option("--runs", default=RUNS, show_default=True, help="Turns of which to take the median.")
@click.option("--written", is_flag=True, help="Measure nothing; take what was measured last.")
def main(parts: tuple[str, ...], runs: int, written: bool) -> None:
    """Measure, and keep the figures in benchmarks/airflow.json and the README.

    A part that is not measured now keeps what was measured last.
    """
    if not written:
        run(parts or tuple(PARTS), runs)
    result = json.loads(RESULT.read_text(encoding="utf-8"))
    text = README.read_text(encoding="utf-8")
    README.write_text(with_section(text, "airflow", figures(result)), encoding="utf-8")
    click.echo(figures(result))


if __name__ == "__main__":
    main()
