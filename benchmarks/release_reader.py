"""Reads the live release over and over, as an analyst does while a refresh goes on.

    python -m benchmarks.release_reader HOME RESULT STUDY…

until it is told to stop (SIGTERM). RESULT then says how often it read, how many releases it saw,
which reads it missed, and where a release was torn.
"""

import json
import signal
import sys
import time
from pathlib import Path

import duckdb

PAUSE_SECONDS = 0.5


def read(home: Path, study: str) -> list[str]:
    """What is wrong with a study's live release at this moment."""
    from etl import release
    from etl.home import file_hash, read_json

    live = home / "releases" / study / release.CURRENT
    # As somebody reads who knows nothing but `current`.
    read_json(live / "estimates.json")
    with duckdb.connect(str(live / "marts.duckdb"), read_only=True) as con:
        con.execute("select count(*) from cohort").fetchone()
    duckdb.execute(f"select count(*) from '{live}/parquet/attrition.parquet'").fetchone()
    # As somebody who holds on to one release.
    place = live.resolve(strict=True)
    evidence = read_json(place / release.EVIDENCE)
    torn = [f"{study}/{place.name}/{name}" for name, wanted in evidence["files"].items()
            if file_hash(place / name) != wanted]  # fmt: skip
    if evidence["release_id"] != place.name:
        torn.append(f"{study}/{place.name}: its evidence is of {evidence['release_id']}")
    return torn


def main() -> None:
    home, result, studies = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:]
    told = {"reads": 0, "releases": set(), "missed": [], "torn": []}
    is_stopped = []
    signal.signal(signal.SIGTERM, lambda *_: is_stopped.append(True))
    while not is_stopped:
        for study in studies:
            told["reads"] += 1
            try:
                told["torn"] += read(home, study)
                told["releases"].add((home / "releases" / study / "current").readlink().name)
            except Exception as error:  # whatever it is, a read was missed
                told["missed"].append(f"{study}: {type(error).__name__}: {error}"[:300])
        time.sleep(PAUSE_SECONDS)
    told["releases"] = len(told["releases"])
    result.write_text(json.dumps(told))


if __name__ == "__main__":
    main()
