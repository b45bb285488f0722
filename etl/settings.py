"""What a run is told from outside: one frozen dataclass, read once from the environment."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

from etl.errors import SettingsError

CHECKOUT = Path(__file__).resolve().parent.parent
POPULATIONS = ("mock", "production")
# When a new release becomes the live one by itself.
ALWAYS, WITHIN_BOUNDS, BY_HAND = "always", "within_bounds", "by_hand"
PROMOTE = (ALWAYS, WITHIN_BOUNDS, BY_HAND)
# No Danish keeper lets fewer out; Statistics Denmark once asked for three.
LEAST_SMALLEST_COUNT = 3
MEMORY = re.compile(r"\d+(\.\d+)? ?[KMGT]i?B", re.IGNORECASE)


# What is read here; and what `select` hands to dbt, and the browser tests read.
NAMES = (
    "KOBLING_HOME", "KOBLING_POPULATION", "KOBLING_KEY_FILE", "KOBLING_KEY", "KOBLING_MEMORY_LIMIT",
    "KOBLING_THREADS", "KOBLING_UNPACK_TIMES", "KOBLING_SMALLEST_COUNT", "KOBLING_PROMOTE",
    "KOBLING_WAREHOUSE", "KOBLING_LAKE", "KOBLING_CHROMIUM",
)  # fmt: skip


@dataclass(frozen=True)
class Settings:
    """Everything that may differ between two machines.

    `population` says whose numbers may come in. A mock home refuses any number that could belong
    to a living person (day 01–31); a production home quarantines the made-up ones (day 61–91).
    `smallest_count` is the rule of the keeper in whose environment the home lies: the smallest
    number of persons that may leave it, nought apart. `promote` says when a new release takes the
    place of the live one by itself.
    """

    home: Path
    population: str
    project: Path
    memory_limit: str
    threads: int
    key_file: Path | None
    key_text: str | None
    unpack_times: int = 200
    smallest_count: int = 5
    promote: str = ALWAYS

    @classmethod
    def from_environment(cls) -> "Settings":
        """Read KOBLING_* once. Raises SettingsError on a value that means nothing, and on a name
        that nothing reads: a misspelt setting would be ignored."""
        if unknown := sorted(n for n in os.environ if n.startswith("KOBLING_") and n not in NAMES):
            raise SettingsError(
                f"environment: {unknown[0]} is no setting. Expected one of {', '.join(NAMES)}. "
                "Correct its name, or unset it."
            )
        population = os.environ.get("KOBLING_POPULATION", "mock")
        if population not in POPULATIONS:
            raise SettingsError(
                f"environment: KOBLING_POPULATION is '{population}'. "
                f"Expected one of {', '.join(POPULATIONS)}. Correct it, or unset it for mock."
            )
        # Nobody reads a mock release as if it were true.
        promote = os.environ.get(
            "KOBLING_PROMOTE", ALWAYS if population == "mock" else WITHIN_BOUNDS
        )
        if promote not in PROMOTE:
            raise SettingsError(
                f"environment: KOBLING_PROMOTE is '{promote}'. Expected one of "
                f"{', '.join(PROMOTE)}. Correct it, or unset it."
            )
        threads = os.environ.get("KOBLING_THREADS", "2")
        if not threads.isdigit() or int(threads) < 1:
            raise SettingsError(
                f"environment: KOBLING_THREADS is '{threads}'. Expected a whole number from 1 up."
            )
        unpack_times = os.environ.get("KOBLING_UNPACK_TIMES", "200")
        if not unpack_times.isdigit() or int(unpack_times) < 1:
            raise SettingsError(
                f"environment: KOBLING_UNPACK_TIMES is '{unpack_times}'. Expected a whole number "
                "from 1 up: how many times its size a packed file may unpack to."
            )
        smallest_count = os.environ.get("KOBLING_SMALLEST_COUNT", "5")
        if not smallest_count.isdigit() or int(smallest_count) < LEAST_SMALLEST_COUNT:
            raise SettingsError(
                f"environment: KOBLING_SMALLEST_COUNT is '{smallest_count}'. Expected a whole "
                f"number from {LEAST_SMALLEST_COUNT} up: the fewest persons that may be told of."
            )
        memory_limit = os.environ.get("KOBLING_MEMORY_LIMIT", "1GB")
        if not MEMORY.fullmatch(memory_limit):
            raise SettingsError(
                f"environment: KOBLING_MEMORY_LIMIT is '{memory_limit}'. Expected a number and a "
                "unit, such as 1GB or 512MiB."
            )
        key_file = os.environ.get("KOBLING_KEY_FILE")
        home = os.environ.get("KOBLING_HOME") or str(CHECKOUT / "home")
        if "'" in home:
            raise SettingsError(
                f"environment: KOBLING_HOME is {home}. Expected a path without an apostrophe. "
                "Choose another folder."
            )
        return cls(
            home=Path(home).resolve(),
            population=population,
            project=CHECKOUT,
            memory_limit=memory_limit,
            threads=int(threads),
            key_file=Path(key_file) if key_file else None,
            key_text=os.environ.get("KOBLING_KEY"),
            unpack_times=int(unpack_times),
            smallest_count=int(smallest_count),
            promote=promote,
        )
