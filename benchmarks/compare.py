"""What has changed since a run that was kept: `python -m benchmarks.compare`.

Of two runs of `benchmarks.national`, size by size and stage by stage: seconds of the processor, of
the clock, and memory. Seconds of the processor decide, since others may have had the machine.
"""

import sys

import click

from benchmarks import capacity

# Two runs of one commit on a busy machine differ by so much.
SAME = 0.10


def told(before: dict, now: dict) -> list[str]:
    """Lines on every stage that costs more or less than it did, the worst first, and a last one on
    all others. Sizes and stages that only one run has are named."""
    lines, same = [], 0
    if before["machine"] != now["machine"]:
        lines.append(f"Another machine: {before['machine']} before, {now['machine']} now.")
    for key, words in (("memory_limit", "memory for each DuckDB"), ("threads", "threads")):
        if before[key] != now[key]:
            lines.append(f"Other {words}: {before[key]} before, {now[key]} now.")
    changes = []
    for size in sorted(before["sizes"].keys() | now["sizes"].keys()):
        stages = [run["sizes"].get(size, {}).get("stages", {}) for run in (before, now)]
        if not all(stages):
            lines.append(f"{size}: only {'before' if stages[0] else 'now'}.")
            continue
        for name in [*stages[0], *(n for n in stages[1] if n not in stages[0])]:
            if any(name not in of for of in stages):
                lines.append(f"{size} {name}: only {'before' if name in stages[0] else 'now'}.")
                continue
            was, is_now = (of[name] for of in stages)
            ratio = is_now["cpu_seconds"] / max(was["cpu_seconds"], 0.01)
            memory = is_now["peak_mib"] / max(was["peak_mib"], 1)
            if abs(ratio - 1) <= SAME and abs(memory - 1) <= SAME:
                same += 1
                continue
            changes.append((ratio, _change(f"{size} {name}", was, is_now, ratio, memory)))
    lines += [line for _, line in sorted(changes, key=lambda change: -change[0])]
    lines.append(f"{same} stages cost the same within {SAME:.0%}.")
    return lines


def _change(name: str, was: dict, now: dict, ratio: float, memory: float) -> str:
    return (
        f"{name}: {was['cpu_seconds']:,.1f} → {now['cpu_seconds']:,.1f} s of the processor "
        f"({ratio:.2f}×), {was['seconds']:,.1f} → {now['seconds']:,.1f} s of the clock, "
        f"{was['peak_mib']:,} → {now['peak_mib']:,} MiB ({memory:.2f}×)"
    )


@click.command()
@click.option("--since", help="Commit of the earlier run.  [default: the last but one]")
def main(since: str | None) -> None:
    """Tell what changed between an earlier run and the last one.

    Example: `python -m benchmarks.compare --since 1a2b3c4d5e`
    """
    runs = capacity.history()
    if since is None:
        earlier = runs[:-1]
    else:
        earlier = [run for run in runs[:-1] if run["commit"].startswith(since)]
    if not earlier:
        known = ", ".join(run["commit"] for run in runs[:-1]) or "none"
        click.echo(
            f"benchmarks/national.json: no earlier run{f' of {since}' if since else ''}. Expected "
            f"one of: {known}. Run `make bench-national` once more to have two.",
            err=True,
        )
        sys.exit(2)
    click.echo(f"{earlier[-1]['commit']} → {runs[-1]['commit']}")
    for line in told(earlier[-1], runs[-1]):
        click.echo(line)


if __name__ == "__main__":
    main()
