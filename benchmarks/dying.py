"""A `kobling` command that dies of kill -9 just before one of its file operations.

    python -m benchmarks.dying COUNT_FILE NTH HOME -- run INBOX

Between two operations on files a kill finds every half of what belongs together: a release that is
live and not yet told in the ledger, a warehouse in its place beside the journal of the one before.
By the clock such moments are hit once in thousands. NTH counts from 1; with 0 nothing is killed,
and COUNT_FILE then says how many operations there were. What DuckDB does by itself is not seen.
"""

import atexit
import os
import signal
import sys
from pathlib import Path

OPERATIONS = {"os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.symlink", "os.chmod"}
WRITING = os.O_WRONLY | os.O_RDWR


def is_operation(event: str, args: tuple, home: str) -> bool:
    """Whether an event of the interpreter changes something below the home."""
    if event == "open":
        path, _, flags = args
        if not isinstance(flags, int) or not flags & WRITING:
            return False
    elif event in OPERATIONS:
        path = args[0] if event != "os.symlink" else args[1]
    else:
        return False
    return isinstance(path, str | bytes | os.PathLike) and os.fsdecode(path).startswith(home)


def main() -> None:
    count_file, nth, home, _, *words = sys.argv[1:]
    done = 0

    def follow(event: str, args: tuple) -> None:
        nonlocal done
        if is_operation(event, args, home):
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
