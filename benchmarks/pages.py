"""The page of a release with much behind it: `python -m benchmarks.pages`.

Ten thousand checks, five hundred refreshes, every check with a trend and many with failing rows.
Told are the time to write the page, its size, and, where there is a Chromium, the time until it is
open: everything read, the first page of checks shown, and the next frame painted.
"""

import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import click

from benchmarks.demo import README, machine, with_section
from etl.report.quality import TREND_REFRESHES

RESULT = Path(__file__).parent / "pages.json"
CHECKS, REFRESHES, RUNS = 10_000, 500, 5
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
STATUSES = ("pass", "pass_with_findings", "fail", "not_applicable")


def checks(n: int, refreshes: int) -> list[dict]:
    """Made-up results, as `etl.report.index_page` takes them."""
    return [_check(nth, refreshes) for nth in range(n)]


def _check(nth: int, refreshes: int) -> dict:
    status = STATUSES[0 if nth % 5 else nth // 5 % 4]
    n_checked = 0 if status == "not_applicable" else 1000 + 7 * nth
    n_failing = 0 if status in ("pass", "not_applicable") else 1 + nth % 900
    column, register = f"c_kode_{nth % 40}", ("cpr", "lpr2", "lpr3", "patobank", "dcr")[nth % 5]
    # The first refresh and the last ones: what the page is given, however many there were.
    told = sorted({1, *range(max(1, refreshes - TREND_REFRESHES + 1), refreshes + 1)})
    failing = [
        {"under": ["8ae897ab81d3"], "numbers": " ".join(str(3 * i) for i in range(1, n_failing))}
    ]
    return {
        "refresh_id": "r", "result_number": nth + 1, "suite": f"landing.{register}.t_{nth % 60}",
        "check_id": f"{column}_has_its_form_{nth}", "scope": f"{register}/20{nth % 24:02}-01-01",
        "words": f"{column} has the form that the contract gives: SKS, ICD-8 or ICD-10 ({nth}).",
        "words_da": f"{column} har den form, som kontrakten giver: SKS, ICD-8 eller ICD-10.",
        "severity": ("fatal", "convention", "characterisation")[nth % 3],
        "category": ("conformance", "completeness", "plausibility")[nth % 3],
        "status": status, "n_checked": n_checked, "n_failing": n_failing, "tolerated_rows": None,
        "tolerated_percent": 0.1, "owner": "register keeper", "reason": "", "since": "1.0",
        "why": "A code of another form matches no code list. A few are mistyped, more is a change "
        "of coding.",
        "expectation": "expect_column_values_to_match_regex", "arguments": "{}",
        "checked_sql": f'select * from "{register}"."t_{nth % 60}" where "{column}" is not null',
        "failing_sql": f'select * from (select *, not regexp_matches("{column}", '
        f"'^D[A-Z][0-9]{{2}}|^[0-9]{{3,5}}$') as \" fails\" from \"{register}\".\"t_{nth % 60}\" "
        f'where "{column}" is not null) as checked where " fails"',
        "key_columns": '["source_file", "source_row"]', "failing": failing if n_failing > 1 else [],
        "change": ("same", "new", "worsened", "fixed")[nth % 4], "waiver": None,
        "trend": [
            {"refresh_number": number, "status": status, "n_checked": n_checked,
             "n_failing": n_failing and n_failing + number % 9}
            for number in told
        ],
    }  # fmt: skip


def page(n: int, refreshes: int) -> str:
    """A page of which all but the checks is small."""
    from etl import estimate, report

    plan = estimate.Plan("made_up", (365,), (), ())
    parts = ("risks", "contrasts", "rule", "gray_test", "time_lost", "follow_up", "yearly",
             "schedule", "missing", "prevalent")  # fmt: skip
    return report.index_page(
        document={"study": "made_up", "cohort_size": 381, **{part: [] for part in parts}},
        plan=plan, attrition=[], baseline=[], baseline_by=None, intersections=[], codes=[],
        linkage=report.Linkage([], [], [], [], [], []), linkage_flow=[],
        checks=checks(n, refreshes), waivers=[], overrides=[], fitness=[], sensitivity=[],
        catalogue=[], figures=dict.fromkeys(report.FIGURES, '<svg viewBox="0 0 9 9"></svg>'),
        evidence={"keys": {"gate": "amber"}, "population": "mock"}, files=[],
        title="A page with ten thousand checks", question="Does it open?",
    )  # fmt: skip


def chromium() -> str | None:
    """The distribution's own browser, or the one that KOBLING_CHROMIUM names."""
    named = os.environ.get("KOBLING_CHROMIUM")
    return named or next(filter(None, map(shutil.which, BROWSERS)), None)


@contextmanager
def browser(path: str) -> Iterator:
    """A headless browser; root may start it only without its sandbox."""
    from playwright.sync_api import sync_playwright

    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=path, args=arguments)
        try:
            yield started
        finally:
            started.close()


def opened_seconds(started, path: Path) -> float:
    """From asking for the page until its checks are shown and painted."""
    shown = started.new_page()
    began = time.perf_counter()
    shown.goto(path.as_uri())
    shown.locator("#checks-found", has_text="of").wait_for(state="attached")
    shown.evaluate("new Promise(done => requestAnimationFrame(() => setTimeout(done)))")
    seconds = time.perf_counter() - began
    shown.close()
    return seconds


def run(n: int = CHECKS, refreshes: int = REFRESHES, runs: int = RUNS) -> dict:
    """Medians of `runs` pages, after one that warms."""
    page(10, 2)
    result = {"machine": machine(), "checks": n, "refreshes": refreshes, "runs": runs}
    built, cpu, opened = [], [], []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "index.html"
        for _ in range(runs):
            began, busy = time.perf_counter(), time.process_time()
            path.write_text(page(n, refreshes), encoding="utf-8")
            built.append(time.perf_counter() - began)
            cpu.append(time.process_time() - busy)
        result["mebibytes"] = round(path.stat().st_size / 2**20, 1)
        found = chromium()
        if found:
            with browser(found) as started:
                opened = [opened_seconds(started, path) for _ in range(runs + 1)][1:]
    result["build_seconds"] = round(median(built), 2)
    result["build_cpu_seconds"] = round(median(cpu), 2)
    result["open_seconds"] = round(median(opened), 2) if opened else None
    return result


def figures(result: dict) -> str:
    """The README's sentence."""
    opened = (
        "how long it takes to open was not measured, for want of a Chromium"
        if result["open_seconds"] is None
        else f"it is open in Chromium, its checks shown, after {result['open_seconds']:g} s"
    )
    return (
        f"{result['machine']}, at a load of {result['load']:g}: a page of {result['checks']:,} "
        f"checks after {result['refreshes']} refreshes ({result['mebibytes']:g} MiB) is written in "
        f"{result['build_seconds']:g} s ({result['build_cpu_seconds']:g} s of a processor), and "
        f"{opened}. Medians of {result['runs']}."
    )


@click.command()
def main() -> None:
    """Measure, and keep the figures in benchmarks/pages.json and the README."""
    load = round(os.getloadavg()[0], 1)
    result = run() | {"load": load}
    text = with_section(README.read_text(encoding="utf-8"), "pages", figures(result))
    README.write_text(text, encoding="utf-8")
    RESULT.write_text(json.dumps(result, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    click.echo(json.dumps(result, indent=2, ensure_ascii=False))
    if result["open_seconds"] is None:
        click.echo("No Chromium here: how long the page takes to open was not measured.")


if __name__ == "__main__":
    main()
