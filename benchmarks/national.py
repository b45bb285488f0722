"""The whole road at fractions of ten million persons: `python -m benchmarks.national`.

At each size mock registers with all their hospital contacts go the whole road, each stage in a
process of its own, but for the last delivery of the pathology register: that comes after, and the
road is gone again. Then the same bytes are read and written by DuckDB alone, the cohort query is
asked of every tool that is here, and what was found is held against the answer sheet.

What was measured stays in the folder, stage by stage: broken off and started again, it goes on with
the stage that it was at. A size that is through joins `benchmarks/national.json`, run by run, and
`docs/capacity.md`. No test asserts a time.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import click

from benchmarks import capacity, cohort_query
from benchmarks.demo import CHECKOUT, machine
from benchmarks.homes import settings, silent
from benchmarks.processes import MIB, measured
from benchmarks.refresh import LAST

MODULE = "benchmarks.national"
NATION = 10_000_000
SEED = 1
SIZES = ("1/100", "1/10")
# Above this the others need more memory than the machine may have.
LARGEST_FOR_PEERS = Fraction(1, 10)
ROAD = ("receive", "land", "link", "select", "check", "estimate", "release")
# The stage as it is told → the work of its process, and whose rows it is about.
STAGES = {
    "mock": ("mock", "all"),
    **{name: (name, "first") for name in ROAD},
    **{f"refresh: {name}": (name, "last") for name in ROAD},
    "nothing new": ("run", "last"),
    "delivered CSV once to Parquet": ("rewrite_delivered", "all"),
    "linked Parquet once to Parquet": ("rewrite_linked", "all"),
}
STORES = ("deliveries", "restricted", "lake", "warehouse.duckdb", "releases", "quality")


# ------------------------------------------------------------------ one process each


def mock(folder: Path) -> None:
    """The keepers' deliveries, the last of them put aside."""
    from etl import mock

    for name in ("inbox", "last", "answers"):
        shutil.rmtree(folder / name, ignore_errors=True)
    persons = json.loads((folder / "size.json").read_text(encoding="utf-8"))["persons"]
    mock.write(
        folder / "inbox", folder / "answers", persons, SEED, progress=silent, share_of_contacts=1.0
    )
    (folder / "last" / LAST).parent.mkdir(parents=True)
    (folder / "inbox" / LAST).rename(folder / "last" / LAST)


def receive(folder: Path) -> None:
    """The deliveries; once they are there, the last one."""
    from etl import steps

    is_first = not (folder / "home/lake").exists()
    steps.receive(settings(folder), folder / ("inbox" if is_first else "last"), None, silent)


def land(folder: Path) -> None:
    from etl import steps

    steps.land(settings(folder), None, silent)


def link(folder: Path) -> None:
    from etl import steps

    steps.link(settings(folder), silent)


def select(folder: Path) -> None:
    from etl import steps

    steps.select(settings(folder), silent)


def check(folder: Path) -> None:
    from etl import steps

    steps.check(settings(folder), silent)


def estimate(folder: Path) -> None:
    from etl import steps, studies

    for study in studies.names(CHECKOUT):
        steps.estimate(settings(folder), study, silent)


def release(folder: Path) -> None:
    from etl import steps, studies

    for study in studies.names(CHECKOUT):
        steps.release(settings(folder), study, silent)


def run_again(folder: Path) -> None:
    from etl import steps

    steps.run(settings(folder), None, silent, silent)


def rewrite_delivered(folder: Path) -> None:
    """DuckDB alone: each delivered file read once, as text, and written as Parquet."""
    con, place = _alone(folder)
    for path in sorted((folder / "home/deliveries").rglob("*")):
        if path.suffix == ".csv":
            # As UTF-8, which costs least: the few lines with other letters are left out.
            rows = (
                f"read_csv('{path}', delim = ';', quote = '\"', header = true, "
                "all_varchar = true, ignore_errors = true)"
            )
        elif path.suffix == ".parquet":
            rows = f"read_parquet('{path}')"
        else:
            continue
        con.execute(f"copy (from {rows}) to '{place}' (format parquet, compression zstd)")


def rewrite_linked(folder: Path) -> None:
    """DuckDB alone: each file of the linked lake read once and written again."""
    con, place = _alone(folder)
    for path in sorted((folder / "home/lake/linked").rglob("*.parquet")):
        con.execute(
            f"copy (from read_parquet('{path}')) to '{place}' (format parquet, compression zstd)"
        )


def _alone(folder: Path):
    import duckdb

    given = settings(folder)
    limits = {"threads": given.threads, "memory_limit": given.memory_limit}
    return duckdb.connect(config=limits), folder / "alone.parquet"


def proof(folder: Path) -> None:
    """What was found against what was planted, and every row accounted for."""
    import polars as pl

    from etl import studies
    from tests import story

    given, answers = settings(folder), folder / "answers"
    told: dict[str, object] = {}
    for study in studies.names(CHECKOUT):
        planted = story.answer_sheet(answers, "persons", study)
        told[study] = {
            "planted": len(planted),
            "included": sum(row["verdict"] == "included" for row in planted),
            "wrong": len(story.wrong_verdicts(given, answers, study)),
            "wrong_cross_checks": len(story.wrong_cross_checks(given, answers, study)),
        }
    told["wrong_linkage"] = len(story.wrong_linkage(given, answers))
    flow = pl.read_parquet(given.home / "lake/linkage_flow.parquet")
    rows = dict(flow.group_by("stage").agg(pl.col("rows").sum()).iter_rows())
    told["rows"] = {
        stage: rows.get(stage, 0)
        for stage in ("received", "landed", "quarantined", "linked", "unlinked")
    }
    (folder / "proof.json").write_text(json.dumps(told), encoding="utf-8")


WORK: dict[str, Callable[[Path], None]] = {
    "mock": mock,
    "receive": receive,
    "land": land,
    "link": link,
    "select": select,
    "check": check,
    "estimate": estimate,
    "release": release,
    "run": run_again,
    "rewrite_delivered": rewrite_delivered,
    "rewrite_linked": rewrite_linked,
    "proof": proof,
}


# ------------------------------------------------------------------ one size


class Kept:
    """What has been measured of a size, on disk after every stage."""

    def __init__(self, folder: Path, made_of: dict) -> None:
        self._path = folder / "size.json"
        known = json.loads(self._path.read_text(encoding="utf-8")) if self._path.exists() else {}
        if known.get("made_of") != made_of:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            known = made_of | {"made_of": made_of, "stages": {}}
        self.told = known

    def once(self, name: str, measure: Callable[[], dict]) -> dict:
        """Measure what has not been measured; a stage that was broken off says so."""
        stages = self.told["stages"]
        if name not in stages:
            was_begun = self.told.get("begun") == name
            self.told["begun"] = name
            self._keep()
            found = measure()
            stages[name] = found | {"was_broken_off": True} if was_begun else found
            self.told.pop("begun")
            self._keep()
        return stages[name]

    def _keep(self) -> None:
        beside = self._path.with_suffix(".new")
        beside.write_text(json.dumps(self.told, indent=1), encoding="utf-8")
        beside.replace(self._path)


def one_size(root: Path, size: Fraction, commit: str) -> dict:
    """Every stage of a size, from where it was left."""
    persons = int(size * NATION)
    folder = root / str(persons)
    kept = Kept(folder, {"persons": persons, "commit": commit})

    def stage(name: str, work: str, rows: int) -> dict:
        load = os.getloadavg()[0]
        click.echo(f"{persons:,} persons: {name}")
        found = measured(MODULE, work, folder, rows) | {
            "load": round(load, 1),
            "home_mib": _mib(folder / "home"),
        }
        click.echo(f"  {found['seconds']:,.0f} s, {found['peak_mib']:,} MiB")
        return found

    written = kept.once("mock", lambda: stage("mock", "mock", 1))
    rows = _rows(folder)
    written["rows_per_second"] = round(rows["all"] / written["seconds"])
    for name, (work, of) in STAGES.items():
        kept.once(name, lambda name=name, work=work, n=rows[of]: stage(name, work, n))
        if name == "release":
            kept.told["stores_mib"] = {store: _mib(folder / "home" / store) for store in STORES}
    (folder / "alone.parquet").unlink(missing_ok=True)
    if size <= LARGEST_FOR_PEERS:
        kept.once("cohort query", lambda: cohort_query.run(folder, rows["all"]))
    kept.once("proof", lambda: stage("proof", "proof", rows["all"]))
    proven = json.loads((folder / "proof.json").read_text(encoding="utf-8"))
    stages = dict(kept.told["stages"])
    del stages["proof"]
    return {
        "persons": persons,
        "rows": rows,
        "stages": {name: stages[name] for name in STAGES},
        "cohort_query": stages.get("cohort query", {}),
        "proof": proven,
        "stores_mib": kept.told["stores_mib"],
    }


def _rows(folder: Path) -> dict[str, int]:
    """Rows that the manifests list: of the deliveries that come first, of the last, of all."""

    def of(place: Path) -> int:
        manifests = (json.loads(p.read_text("utf-8")) for p in place.rglob("manifest.json"))
        return sum(file["rows"] for manifest in manifests for file in manifest["files"])

    first, last = of(folder / "inbox"), of(folder / "last")
    return {"first": first, "last": last, "all": first + last}


def _mib(place: Path) -> int:
    if place.is_file():
        return round(place.stat().st_size / MIB)
    files = (path for path in place.rglob("*") if path.is_file() and not path.is_symlink())
    return round(sum(path.stat().st_size for path in files) / MIB)


# ------------------------------------------------------------------ all sizes


def commit_of_checkout() -> str:
    """The commit that is measured. Raises ClickException where the checkout is not it."""

    def git(*words: str) -> str:
        ended = subprocess.run(["git", *words], cwd=CHECKOUT, capture_output=True, check=True)
        return ended.stdout.decode().strip()

    changed = [
        line
        for line in git("status", "--porcelain").splitlines()
        if not line.endswith((capacity.RESULT.name, *capacity.WRITTEN))
    ]
    if changed:
        raise click.ClickException(
            f"{CHECKOUT}: {len(changed)} files are not committed. Expected a commit, which the "
            "figures can be kept under. Commit first."
        )
    return git("rev-parse", "--short=10", "HEAD")


def keep(run: dict, size: str, found: dict) -> None:
    """Add a size to the history: to the last run where that is of the same commit and machine."""
    history = capacity.history()
    if not history or any(history[-1][key] != run[key] for key in run):
        history.append(run | {"sizes": {}})
    sizes = history[-1]["sizes"] | {size: found}
    ordered = sorted(sizes, key=Fraction)
    history[-1]["sizes"] = {name: sizes[name] for name in ordered}
    capacity.RESULT.write_text(
        json.dumps({"runs": history}, indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
    )


@click.command()
@click.option(
    "--size", "sizes", multiple=True, default=SIZES, show_default=True,
    help="A fraction of ten million persons; again for another.",
)  # fmt: skip
@click.option(
    "--folder", type=click.Path(path_type=Path), default=Path(tempfile.gettempdir(), "national"),
    help="Where the homes lie while they are measured.",
)  # fmt: skip
@click.option("--keep-homes", is_flag=True, help="Leave each home in the folder.")
def main(sizes: tuple[str, ...], folder: Path, keep_homes: bool) -> None:
    """Measure, and keep the figures in benchmarks/ and docs/.

    Example: `python -m benchmarks.national --size 1/3 --size 1 --folder /big/disk`
    """
    given = settings(folder)
    run = {
        "commit": commit_of_checkout(),
        "machine": machine(),
        "memory_limit": given.memory_limit,
        "threads": given.threads,
    }
    for size in sizes:
        found = one_size(folder, Fraction(size), run["commit"])
        keep(run, size, found)
        capacity.write()
        if not keep_homes:
            shutil.rmtree(folder / str(found["persons"]))


if __name__ == "__main__":
    if len(sys.argv) == 3 and sys.argv[1] in WORK:
        WORK[sys.argv[1]](Path(sys.argv[2]))
    else:
        main()
