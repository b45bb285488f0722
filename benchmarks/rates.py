"""Rows a second of the stages that carry many, beside others: `python -m benchmarks.rates`.

Each of `benchmarks/<name>.py` has `run() -> dict`, which holds per alternative, ours first:
rows_per_second, seconds, cpu_seconds and peak_mib. `--written` makes the README's table again from
what was measured last.
"""

import importlib
import importlib.util
import json
from collections.abc import Iterator
from pathlib import Path

import click

from benchmarks.demo import README, with_section

FOLDER = Path(__file__).parent
NAMES = ("landing", "linkage", "refresh", "studies", "mock", "postgres", "estimate")


def measured(name: str) -> None:
    """Run one benchmark and keep what it says."""
    result = importlib.import_module(f"benchmarks.{name}").run()
    kept(name).write_text(json.dumps(result, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def kept(name: str) -> Path:
    return FOLDER / f"{name}.json"


def groups(result: dict, title: str) -> Iterator[tuple[str, dict[str, dict]]]:
    """(title, alternatives) wherever in a result alternatives stand."""
    here = {k: v for k, v in result.items() if isinstance(v, dict) and "rows_per_second" in v}
    if here:
        yield title, here
    for key, value in result.items():
        if isinstance(value, dict) and key not in here:
            yield from groups(value, f"{title}, {key}")


def figures(results: dict[str, dict]) -> str:
    """The README's table, each alternative's time against ours."""
    lines = [f"{next(iter(results.values()))['machine']}."]
    lines += [
        "",
        "| Stage | rows/s | s | CPU s | MiB | time | CPU |",
    ]
    lines += ["|---|---|---|---|---|---|---|"]
    for name, result in results.items():
        busy = f" at a load of {result['load']:g}" if "load" in result else ""
        for title, alternatives in groups(result, f"{name}{busy}"):
            ours = next(iter(alternatives.values()))
            lines.append(f"| **{title}** | | | | | | |")
            lines += [
                f"| {alternative} | {found['rows_per_second']:,.0f} | {found['seconds']:.1f} | "
                f"{found['cpu_seconds']:.1f} | {found['peak_mib'] or ''} | "
                f"{found['seconds'] / ours['seconds']:.2f}× | "
                f"{found['cpu_seconds'] / ours['cpu_seconds']:.2f}× |"
                for alternative, found in alternatives.items()
            ]
    return "\n".join(lines)


@click.command()
@click.option("--written", is_flag=True, help="Measure nothing; take what was measured last.")
def main(written: bool) -> None:
    """Measure all, and keep the figures in benchmarks/ and the README."""
    if not written:
        for name in NAMES:
            if importlib.util.find_spec(f"benchmarks.{name}"):
                measured(name)
    results = {
        name: json.loads(kept(name).read_text(encoding="utf-8"))
        for name in NAMES
        if kept(name).exists()
    }
    table = figures(results)
    text = README.read_text(encoding="utf-8")
    README.write_text(with_section(text, "rates", table), encoding="utf-8")
    click.echo(table)


if __name__ == "__main__":
    main()
