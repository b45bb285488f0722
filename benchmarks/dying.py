"""A `kobling` command that dies of kill -9 just before one of its file operations.

    python -m benchmarks.dying COUNT_FILE NTH HOME -- run INBOX

Between two operations on files a kill finds every half of what belongs together: a release that is
live and not yet told in the ledger, a warehouse in its place beside the journal of the one before.
By the clock such moments are hit once in thousands. NTH counts from 1; with 0 nothing is killed,
and COUNT_FILE then says how many operations there were. `2@ledger.jsonl` is the second operation on
files in whose name that is. What DuckDB does by itself is not seen.
"""

import atexit
import os
import signal
import sys
from pathlib import Path

OPERATIONS = {"os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.symlink", "os.chmod"}
WRITING = os.O_WRONLY | os.O_RDWR


def operated_on(event: str, args: tuple) -> str:
    """The path of what an event of the interpreter changes on the disk; empty for others."""
    if event == "open":
        path, _, flags = args
        if not isinstance(flags, int) or not flags & WRITING:
            return ""
    elif event in OPERATIONS:
        path = args[0] if event != "os.symlink" else args[1]
    else:
        return ""
    return os.fsdecode(path) if isinstance(path, str | bytes | os.PathLike) else ""


def main() -> None:
    count_file, at, home, _, *words = sys.argv[1:]
    nth, _, name = at.partition("@")
    done = 0

    def follow(event: str, args: tuple) -> None:
        nonlocal done
        path = operated_on(event, args)
        if path.startswith(home) and name in Path(path).name:
            done += 1
            if done == int(nth):
                os.killpg(0, signal.SIGKILL)

    def tell() -> None:
        Path(count_file).write_text(str(done), encoding="utf-8")

    from etl.cli import main as kobling

    atexit.register(tell)
    sys.addaudithook(follow)
    sys.argv = ["kobling", *words]
    kobling()


if __name__ == "__main__":
    main()
