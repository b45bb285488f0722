"""Nine cohorts of one warehouse: `python -m benchmarks.studies`.

The two studies of the checkout and seven made from the first by another period, age, place or
look-back, on the mock registers. Told are dbt's own seconds of all models, start-up and tests
apart, and the whole of `kobling select`.
"""

import datetime as dt
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import click

from benchmarks.demo import CHECKOUT, machine
from benchmarks.homes import settings, silent
from benchmarks.processes import measured, medians

RESULT = Path(__file__).parent / "studies.json"
PERSONS = 100_000
RUNS = 5
VARIANTS: dict[str, Callable[[str], str]] = {
    "from_1990": lambda text: text.replace("1980-01-01", "1990-01-01", 1),
    "to_2010": lambda text: text.replace("period_end = 2022-12-31", "period_end = 2010-12-31"),
    "short_lesion": lambda text: text.replace("lesion_days = 90", "lesion_days = 30"),
    "any_recurrence": lambda text: text.replace('place = "index"', 'place = "anywhere"'),
    "ten_years": lambda text: text.replace("[1826]", "[3652]"),
    "looks_back": lambda text: text.replace(
        "[[criterion]]",
        '[[criterion]]\nname = "new"\nkind = "not_diagnosed_before"\nlabel = "Sarcoma before"\n'
        'diagnosis_codes = ["DC49", "1719"]\nlook_back_days = 3652\n\n[[criterion]]',
        1,
    ),
    "grown_up": lambda text: text.replace(
        "[[criterion]]",
        '[[criterion]]\nname = "age"\nkind = "age_at_index"\nlabel = "Below 18"\n'
        "minimum_years = 18\nbelow_years = 200\n\n[[criterion]]",
        1,
    ),
}


def write(folder: Path) -> None:
    """A checkout with the nine studies, and the mock registers landed and linked."""
    from etl import mock, steps, studies

    place = folder / "project"
    shutil.copytree(CHECKOUT / "dbt_project", place / "dbt_project")
    for name in ("etl", "expectations", "requirements.lock"):
        (place / name).symlink_to(CHECKOUT / name)
    for name, edited in VARIANTS.items():
        path = studies.create(place, name, "dlms", name) / "study.toml"
        before = path.read_text(encoding="utf-8")
        path.write_text(edited(before), encoding="utf-8")
        if edited(before) == before:
            raise click.ClickException(f"{name}: is the first study. Expected a variant of it.")
    given = settings(folder, folder / "project")
    mock.write(folder / "inbox", folder / "answers", PERSONS, 1, progress=silent)
    steps.receive(given, folder / "inbox", None, silent)
    steps.land(given, None, silent)
    steps.link(given, silent)


def select(folder: Path) -> None:
    """Every model, without tests."""
    from etl import steps
    from etl.home import Home, remove

    os.environ["DBT_EXCLUDE_RESOURCE_TYPES"] = "unit_test test"
    given = settings(folder, folder / "project")
    remove(Home(given.home).warehouse)
    steps.select(given, silent)


WORK = {"write": write, "select": select}


def model_seconds(folder: Path) -> dict[str, float]:
    """dbt's own seconds in the last build: from the start of the first model to the end of the
    last, and of all models added up, which run two at a time.
    """
    told = json.loads((folder / "home/state/dbt/run_results.json").read_text(encoding="utf-8"))
    models = [one for one in told["results"] if one["unique_id"].startswith(("model.", "seed."))]
    moments = [
        dt.datetime.fromisoformat(part[end])
        for one in models
        for part in one["timing"]
        for end in ("started_at", "completed_at")
    ]
    return {
        "model_seconds": round((max(moments) - min(moments)).total_seconds(), 2),
        "model_seconds_added_up": round(sum(one["execution_time"] for one in models), 2),
    }


def run() -> dict:
    """Medians of `RUNS` builds of the nine."""
    result = {"machine": machine(), "persons": PERSONS, "studies": len(VARIANTS) + 2, "runs": RUNS}
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        measured("benchmarks.studies", "write", folder, 1)
        turns = []
        for number in range(RUNS):
            whole = measured("benchmarks.studies", "select", folder, PERSONS)
            turns.append({"select": whole | model_seconds(folder)})
            click.echo(f"nine studies, run {number + 1} of {RUNS}: {turns[-1]}")
        result[f"nine studies on {PERSONS:,} persons, median of {RUNS}"] = medians(turns)
    return result


def main() -> None:
    if len(sys.argv) == 3:
        WORK[sys.argv[1]](Path(sys.argv[2]))
        return
    RESULT.write_text(json.dumps(run(), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
