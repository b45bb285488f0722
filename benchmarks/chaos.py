"""Refreshes that are killed, and what is left of it: `make chaos ARGS="--refreshes 200"`.

A home of mock persons with live releases is given one further delivery after another. Every refresh
is broken off at a random moment, perhaps more than once, and then run to its end. What the home
holds after it is held against a home in which the same deliveries came in the same order and nobody
disturbed anything. Meanwhile a reader reads the live releases over and over.

A refresh is broken off by kill -9 of its whole process group, at a moment after one of its steps
has begun, or just before one of its operations on files; now and then by Ctrl-C, by SIGTERM, by a
disk that is full, or a second one is started beside it. Every moment follows from the seed. Results
are added to `benchmarks/chaos.json` after each refresh, so that a run that is stopped goes on from
there: seeds that stand there are not run again.
"""

import contextlib
import json
import os
import random
import resource
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

import click

from benchmarks import further_deliveries, home_content
from benchmarks.demo import CHECKOUT, machine, with_section
from etl import studies

RESULT = Path(__file__).parent / "chaos.json"
DOCUMENT = CHECKOUT / "docs" / "why-a-kill-is-harmless.md"
PERSONS, SEED = 1_000, 1
KEY = "a key of the chaos, long enough for anyone"
STUDIES = studies.names(CHECKOUT)
STEPS = (
    "receive", "land", "link", "select", "check",
    *(f"{step} {study}" for study in sorted(STUDIES) for step in ("estimate", "release")),
)  # fmt: skip
BY_CLOCK, AT_OPERATION = "kill -9 by the clock", "kill -9 before a file operation"
CTRL_C, TERMINATED = "Ctrl-C", "SIGTERM"
FULL_DISK, TWO_AT_ONCE = "full disk", "two at once"
# How often each is taken, of 20.
WEIGHTS = {BY_CLOCK: 9, AT_OPERATION: 6, CTRL_C: 1, TERMINATED: 1, FULL_DISK: 2, TWO_AT_ONCE: 1}
# Exit statuses with which a command may end that was broken off so.
ENDS = {CTRL_C: (130,), TERMINATED: (143,), FULL_DISK: (74,), TWO_AT_ONCE: (0, 75)}
LONGEST_SECONDS = 1800


# ------------------------------------------------------------------ one command


@dataclass
class Running:
    """A `kobling` command, leader of a process group of its own, and how far it says it is."""

    process: subprocess.Popen
    said: Path
    started: float = field(default_factory=time.monotonic)

    @property
    def output(self) -> str:
        return self.said.read_text(encoding="utf-8", errors="replace")

    @property
    def step(self) -> str:
        """The step whose name was said last."""
        lines = [line for line in self.output.splitlines() if line in STEPS]
        return lines[-1] if lines else "start"

    def wait_for(self, step: str) -> bool:
        """Until a step has begun; False where the command ended before it."""
        while self.process.poll() is None:
            if f"\n{step}\n" in "\n" + self.output:
                return True
            time.sleep(0.02)
        return False

    def end(self, number: int) -> bool:
        """Send a signal to all of its group. False where it had ended by itself."""
        if self.process.poll() is not None:
            return False
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, number)
        return True

    def ended(self) -> int:
        """Its exit status, once it has ended."""
        return self.process.wait(LONGEST_SECONDS)


def environment(home: Path) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("KOBLING_", "AIRFLOW"))}
    return kept | {
        "KOBLING_HOME": str(home), "KOBLING_KEY": KEY, "NO_COLOR": "1", "PYTHONUNBUFFERED": "1",
    }  # fmt: skip


def start(
    home: Path,
    *words: str,
    by: tuple[str, ...] = ("-m", "etl.cli"),
    largest_file: int | None = None,
    project: Path = CHECKOUT,
) -> Running:
    """Start a command on a home. `largest_file` is the size in bytes that no file may outgrow."""

    def limited() -> None:
        if largest_file is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (largest_file, largest_file))

    descriptor, said = tempfile.mkstemp(prefix="said-", dir=home.parent)
    process = subprocess.Popen(
        [sys.executable, *by, *words],
        cwd=project, env=environment(home), stdout=descriptor, stderr=subprocess.STDOUT,
        start_new_session=True, preexec_fn=limited,
    )  # fmt: skip
    os.close(descriptor)
    return Running(process, Path(said))


def to_the_end(home: Path, *words: str) -> float:
    """Run a command that must end well. Returns the seconds that it took."""
    running = start(home, *words)
    status = running.ended()
    seconds = time.monotonic() - running.started
    if status:
        raise click.ClickException(f"{' '.join(words)}: status {status}\n{running.output}")
    running.said.unlink()
    return seconds


# ------------------------------------------------------------------ ways of breaking it off


@dataclass(frozen=True)
class Broken:
    """How a refresh was broken off, and in which step. `faults`: what should not have been so."""

    how: str
    step: str
    faults: tuple[str, ...] = ()


def by_clock(draw: random.Random, home: Path, inbox: Path, known: "Undisturbed") -> Broken | None:
    """Kill a moment after a step has begun, or a moment after the start."""
    return _by_signal(signal.SIGKILL, BY_CLOCK, draw, home, inbox, known)


def by_ctrl_c(draw: random.Random, home: Path, inbox: Path, known: "Undisturbed") -> Broken | None:
    return _by_signal(signal.SIGINT, CTRL_C, draw, home, inbox, known)


def by_sigterm(draw: random.Random, home: Path, inbox: Path, known: "Undisturbed") -> Broken | None:
    return _by_signal(signal.SIGTERM, TERMINATED, draw, home, inbox, known)


def _by_signal(number, how, draw, home, inbox, known) -> Broken | None:
    step = draw.choice(("start", *STEPS))
    delay = draw.uniform(0, known.step_seconds.get(step, 1.0))
    running = start(home, "run", str(inbox))
    if step != "start" and not running.wait_for(step):
        running.ended()
        return _none_of(running)
    time.sleep(delay)
    # Python itself has not begun to listen yet.
    if number != signal.SIGKILL and step == "start":
        running.wait_for("receive")
    where = running.step
    if not running.end(number):
        return _none_of(running)
    status = running.ended()
    return _broken(how, where, running, status)


def at_operation(
    draw: random.Random, home: Path, inbox: Path, known: "Undisturbed"
) -> Broken | None:
    """Kill just before one of the operations on files that an undisturbed refresh makes."""
    nth = draw.randint(1, known.operations)
    running = dying(home, inbox, str(nth))
    if running.ended() == 0:
        return _none_of(running)
    return _broken(AT_OPERATION, running.step, running, -signal.SIGKILL)


def dying(home: Path, inbox: Path, at: str) -> Running:
    """A run that is killed just before an operation, as `benchmarks.dying` counts them."""
    counted = home.parent / "operations"
    return start(
        home, str(counted), at, str(home), "--", "run", str(inbox),
        by=("-m", "benchmarks.dying"),
    )  # fmt: skip


def by_full_disk(
    draw: random.Random, home: Path, inbox: Path, known: "Undisturbed"
) -> Broken | None:
    """No file may grow beyond a size: what a full disk is to whoever writes, without being root."""
    largest = int(10 ** draw.uniform(2, 7.3))
    running = start(home, "run", str(inbox), largest_file=largest)
    if (status := running.ended()) == 0:
        return _none_of(running)
    return _broken(FULL_DISK, running.step, running, status)


def two_at_once(
    draw: random.Random, home: Path, inbox: Path, known: "Undisturbed"
) -> Broken | None:
    """A second run while the first one goes on: at least one of them ends well."""
    first = start(home, "run", str(inbox))
    step = draw.choice(("start", *STEPS))
    if step != "start":
        first.wait_for(step)
    where = first.step
    second = start(home, "run", str(inbox))
    told = [_broken(TWO_AT_ONCE, where, running, running.ended()) for running in (first, second)]
    statuses = [first.process.returncode, second.process.returncode]
    faults = [fault for broken in told for fault in broken.faults]
    if 0 not in statuses:
        faults.append(f"both of two were refused: {statuses}")
    return Broken(TWO_AT_ONCE, where, tuple(faults))


def _none_of(running: Running) -> None:
    """It ended before it could be broken off."""
    running.said.unlink()


def _broken(how: str, step: str, running: Running, status: int) -> Broken:
    faults = []
    output = running.output
    if how in ENDS:
        errors = [line for line in output.splitlines() if line.startswith("Error: ")]
        if status not in ENDS[how]:
            faults.append(f"{how} in {step}: status {status}. Expected {ENDS[how]}")
        if "Traceback" in output:
            faults.append(f"{how} in {step}: a traceback: {output[-1500:]}")
        if status and len(errors) != 1:
            faults.append(f"{how} in {step}: no one line that says it: {output[-1500:]}")
    elif status != -signal.SIGKILL:
        faults.append(f"{how} in {step}: ended by itself with {status}: {output[-1500:]}")
    running.said.unlink()
    return Broken(how, step, tuple(faults))


WAYS: dict[str, Callable[..., Broken | None]] = {
    BY_CLOCK: by_clock,
    AT_OPERATION: at_operation,
    CTRL_C: by_ctrl_c,
    TERMINATED: by_sigterm,
    FULL_DISK: by_full_disk,
    TWO_AT_ONCE: two_at_once,
}


# ------------------------------------------------------------------ undisturbed


@dataclass
class Undisturbed:
    """What the home holds after each further delivery when nobody disturbs anything, and how the
    seconds of a refresh were spent."""

    contents: list[dict[str, str]] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    step_seconds: dict[str, float] = field(default_factory=dict)
    operations: int = 0
    code: str = ""


def build(folder: Path, persons: int = PERSONS) -> Path:
    """A home with a live release of each study, and the mock registers' inbox beside it."""
    home = folder / "base" / "home"
    if not (folder / "base" / "built").exists():
        shutil.rmtree(folder / "base", ignore_errors=True)
        home.mkdir(parents=True)
        inbox = folder / "base" / "inbox"
        # What is planted in a few hundred rows would be more than a register may have of it.
        to_the_end(home, "mock", "--out", str(inbox), "--answers", str(folder / "base" / "answers"),
                   "--persons", str(persons), "--seed", str(SEED), "--defects", "none")  # fmt: skip
        to_the_end(home, "run", str(inbox))
        (folder / "base" / "built").touch()
    return home


def copy(home: Path, to: Path) -> Path:
    shutil.rmtree(to.parent, ignore_errors=True)
    shutil.copytree(home, to, symlinks=True)
    return to


def undisturbed(folder: Path, deliveries: int, say: Callable[[str], None]) -> Undisturbed:
    """Run every further delivery once, in a home of its own; what is known of them is kept there,
    for as long as the code stays the same."""
    from etl import evidence

    code = evidence.code_hash(CHECKOUT)[: evidence.ID_LENGTH]
    kept = folder / f"undisturbed-{code}.json"
    found = Undisturbed(**json.loads(kept.read_text())) if kept.exists() else Undisturbed(code=code)
    home = folder / "undisturbed" / "home"
    if not found.contents:
        copy(build(folder), home)
    for number in range(len(found.contents), deliveries):
        inbox = folder / "undisturbed" / f"inbox-{number}"
        shutil.rmtree(inbox, ignore_errors=True)
        what = further_deliveries.write(inbox, folder / "base" / "inbox", number)
        running = dying(home, inbox, "0")
        began: dict[str, float] = {}
        while running.process.poll() is None:
            began.setdefault(running.step, time.monotonic())
            time.sleep(0.05)
        ended = time.monotonic()
        if running.ended():
            raise click.ClickException(f"{what}: {running.output}")
        running.said.unlink()
        for step, follower in zip(began, [*list(began)[1:], None], strict=True):
            seconds = (began[follower] if follower else ended) - began[step]
            found.step_seconds[step] = max(seconds, found.step_seconds.get(step, 0))
        found.operations = max(
            found.operations, int((home.parent / "operations").read_text(encoding="utf-8"))
        )
        found.seconds.append(ended - running.started)
        found.contents.append(home_content.content(home, KEY.encode()))
        if left := home_content.half_done(home):
            raise click.ClickException(f"{what}: left over without any disturbance: {left}")
        kept.write_text(json.dumps(asdict(found)))
        say(f"undisturbed, {what}: {found.seconds[-1]:.0f} s")
    return found


# ------------------------------------------------------------------ disturbed


@contextlib.contextmanager
def reading(home: Path) -> Iterator[dict]:
    """A reader of the live releases for as long as the block goes on; filled with what it tells."""
    result = home.parent / "read.json"
    result.unlink(missing_ok=True)
    reader = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.release_reader", str(home), str(result), *STUDIES],
        cwd=CHECKOUT,
    )
    told: dict = {}
    try:
        yield told
    finally:
        reader.terminate()
        reader.wait(60)
    told |= json.loads(result.read_text(encoding="utf-8"))


def refresh(
    seed: str,
    home: Path,
    inbox: Path,
    number: int,
    known: Undisturbed,
    most: int = 3,
    ways: dict[str, int] = WEIGHTS,
) -> dict:
    """One refresh, broken off at least once, then run to its end and held against `known`."""
    draw = random.Random(seed)
    broken: list[Broken] = []
    wanted = draw.choice(range(1, most + 1))
    for _ in range(wanted + 3):
        if len(broken) == wanted:
            break
        how = draw.choices(list(ways), list(ways.values()))[0]
        if found := WAYS[how](draw, home, inbox, known):
            broken.append(found)
    seconds = to_the_end(home, "run", str(inbox))
    faults = [fault for one in broken for fault in one.faults]
    faults += after(home, known.contents[number])
    return {
        "seed": seed,
        "delivery": further_deliveries.DELIVERIES[number % len(further_deliveries.DELIVERIES)][0],
        "broken_off": [[one.how, one.step] for one in broken],
        "seconds_to_the_end": round(seconds, 1),
        "seconds_undisturbed": round(known.seconds[number], 1),
        "faults": faults,
    }


def after(home: Path, wanted: dict[str, str]) -> list[str]:
    """What is not as an undisturbed refresh leaves it."""
    faults = home_content.differences(home_content.content(home, KEY.encode()), wanted)
    faults += [f"left over: {name}" for name in home_content.half_done(home)]
    faults += [f"sums do not close: {slot}" for slot in home_content.unclosed_sums(home)]
    verified = start(home, "verify")
    if verified.ended():
        faults.append(f"kobling verify: {verified.output}")
    verified.said.unlink()
    return faults


def cycle(folder: Path, nth: int, deliveries: int, known: Undisturbed) -> Iterator[dict]:
    """All further deliveries, one refresh after another in one home, each broken off."""
    home = copy(build(folder), folder / f"cycle-{nth}" / "home")
    for number in range(deliveries):
        inbox = folder / f"cycle-{nth}" / f"inbox-{number}"
        further_deliveries.write(inbox, folder / "base" / "inbox", number)
        with reading(home) as told:
            result = refresh(f"{nth}.{number}", home, inbox, number, known)
        result |= {"reads": told["reads"], "code": known.code}
        result["faults"] += [f"a read was missed: {missed}" for missed in told["missed"]]
        result["faults"] += [f"torn: {torn}" for torn in told["torn"]]
        yield result
        if result["faults"]:
            return  # the next ones would only say the same again
    shutil.rmtree(home.parent)


# ------------------------------------------------------------------ what came of it


def figures(result: dict) -> str:
    """How often each step was hit, by which way of breaking it off; and what came of it."""
    from etl.steps.wording import n_of

    refreshes = result["refreshes"]
    ways = list(WEIGHTS)
    hits = {(how, step): 0 for how in ways for step in ("start", *STEPS)}
    for one in refreshes:
        for how, step in one["broken_off"]:
            hits[how, step] += 1
    sums = [sum(hits[how, step] for step in ("start", *STEPS)) for how in ways]
    lines = [
        f"| in step | {' | '.join(ways)} |",
        f"|---|{'---:|' * len(ways)}",
        *(
            f"| {step} | {' | '.join(str(hits[how, step]) for how in ways)} |"
            for step in ("start", *STEPS)
        ),
        f"| **all** | {' | '.join(map(str, sums))} |",
    ]
    seconds = [one["seconds_to_the_end"] for one in refreshes]
    undisturbed_seconds = [one["seconds_undisturbed"] for one in refreshes]
    faults = sum(bool(one["faults"]) for one in refreshes)
    reads = sum(one["reads"] for one in refreshes)
    return "\n".join(
        [
            *lines,
            "",
            f"{result['machine']}; {result['persons']:,} persons. "
            f"{n_of(len(refreshes), 'refresh', 'refreshes')}, {faults} of them with another end "
            f"than an undisturbed one; {reads:,} reads of a live release meanwhile. From the last "
            f"start to the end: "
            f"{statistics.median(seconds):.0f} s in the median, {max(seconds):.0f} s at most; an "
            f"undisturbed refresh: {statistics.median(undisturbed_seconds):.0f} s in the median.",
        ]
    )


def known_results() -> dict:
    if RESULT.exists():
        return json.loads(RESULT.read_text(encoding="utf-8"))
    return {"machine": machine(), "persons": PERSONS, "refreshes": []}


def add(result: dict) -> None:
    """Keep one more refresh, whole or not at all."""
    found = known_results()
    found["refreshes"].append(result)
    rows = ",\n    ".join(json.dumps(one, ensure_ascii=False) for one in found.pop("refreshes"))
    head = json.dumps(found, indent=2, ensure_ascii=False).removesuffix("\n}")
    beside = RESULT.with_suffix(".new")
    beside.write_text(f'{head},\n  "refreshes": [\n    {rows}\n  ]\n}}\n', encoding="utf-8")
    beside.replace(RESULT)


@click.command()
@click.option("--refreshes", default=12, show_default=True, help="How many more of them.")
@click.option("--deliveries", default=len(further_deliveries.DELIVERIES), show_default=True,
              help="How many come one after another into one home.")  # fmt: skip
@click.option("--work", type=click.Path(path_type=Path), help="Where homes are built and kept.")
def main(refreshes: int, deliveries: int, work: Path | None) -> None:
    """Break off refreshes and hold what they end as against undisturbed ones.

    \b
    Example:
        make chaos ARGS="--refreshes 200 --work /var/tmp/chaos"
    """
    folder = work or Path(tempfile.mkdtemp(prefix="kobling-chaos-"))
    folder.mkdir(parents=True, exist_ok=True)
    known = undisturbed(folder, deliveries, click.echo)
    ran = {one["seed"].split(".")[0] for one in known_results()["refreshes"]}
    nth, done, failed = 0, 0, False
    while done < refreshes:
        nth += 1
        if str(nth) in ran:
            continue
        for result in cycle(folder, nth, deliveries, known):
            add(result)
            done += 1
            failed |= bool(result["faults"])
            told = ", ".join(f"{how} in {step}" for how, step in result["broken_off"])
            click.echo(f"{result['seed']} {result['delivery']}: {told or 'ended each time before'}"
                       + "".join(f"\n    {fault}" for fault in result["faults"]))  # fmt: skip
            if done >= refreshes:
                break
    told = figures(known_results())
    click.echo(told)
    text = DOCUMENT.read_text(encoding="utf-8")
    DOCUMENT.write_text(with_section(text, "chaos", told), encoding="utf-8")
    if work is None and not failed:
        shutil.rmtree(folder)
    sys.exit(failed)


if __name__ == "__main__":
    main()
