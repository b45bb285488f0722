"""Deliveries small enough to read, written by hand for the tests."""

import hashlib
import json
import shutil
import subprocess
from pathlib import Path

import duckdb
import pytest
from filelock import FileLock

from etl import restricted
from etl.settings import CHECKOUT, Settings
from tests import story

KEY = "k" * 40
KEYS = restricted.Keys(KEY.encode())


def unlocked(keys: restricted.Keys = KEYS) -> duckdb.DuckDBPyConnection:
    """A connection that reads what the tests' homes have locked."""
    con = duckdb.connect()
    keys.unlock(con)
    return con


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A mock home of its own for one test."""
    return Settings(
        home=tmp_path / "home",
        population="mock",
        project=CHECKOUT,
        memory_limit="1GB",
        threads=2,
        key_file=None,
        key_text=KEY,
    )


def write_delivery(
    root: Path,
    register: str,
    files: dict[str, str | bytes],
    *,
    day: str = "2024-06-01",
    complete_to: str | None = "2023-06-30",
    coverage: str = "stock",
    encoding: str = "windows-1252",
    changes: dict[str, object] | None = None,
    rows: int | None = None,
) -> Path:
    """Write a delivery with a true manifest; `changes` then overwrite fields of the manifest.

    `files` maps a path to its text. Table and period come from the path: the table, then a year.
    `rows` is how many a file holds that is no plain text.
    """
    folder = root / register / day
    folder.mkdir(parents=True)
    listed = []
    for path, text in files.items():
        content = text if isinstance(text, bytes) else text.encode(encoding)
        (folder / path).write_bytes(content)
        stem, _, ending = path.partition(".")
        year = stem[-4:] if stem[-4:].isdigit() else None
        listed.append(
            {
                "path": path,
                "table": stem.removesuffix(year or ""),
                "period": year,
                "format": ending.partition(".")[0],
                "rows": max(content.count(b"\n") - 1, 0) if rows is None else rows,
                "bytes": len(content),
                "sha256": hashlib.sha256(content).hexdigest(),
            }
        )
    manifest = {
        "register": register,
        "delivered_on": day,
        "complete_to": complete_to,
        "coverage": coverage,
        "files": listed,
    } | (changes or {})
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


PERSON_HEADER = (
    "v_pnr;v_pnr_gaeld;c_kon;c_status;d_foddato;d_status_hen_start;v_mor_pnr;v_far_pnr\n"
)
PATO_HEADER = (
    "k_inst;k_rekvnr;k_matnr;k_sekvensnr;cpr;d_rekvdato;d_modtdato;d_svardato;c_mattype;"
    "c_snomedkode\n"
)
# Made-up numbers: day + 60.
ANNA, BENT, CARL = "6102501234", "6203611235", "6304721237"


# -------------------------------------------------------------------- whole runs, once a session

# The longest first: the suite runs on several cores, and none should wait for one long file.
LONGEST = (
    "test_story", "test_walk_through", "test_quality", "test_study_folder", "test_chaos",
    "test_restricted", "test_landing",
    "test_defects", "test_refusals", "test_how_tos", "test_dbt_project", "test_dags",
)  # fmt: skip


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--airflow", action="store_true", help="also what starts a real Airflow")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not config.getoption("--airflow"):
        slow = pytest.mark.skip(reason="starts a real Airflow: `make test-airflow`")
        for item in items:
            if item.path.name.startswith("test_airflow_"):
                item.add_marker(slow)
    place = {f"{name}.py": number for number, name in enumerate(LONGEST)}
    items.sort(key=lambda item: place.get(item.path.name, len(place)))


@pytest.fixture(scope="session")
def demo(tmp_path_factory) -> tuple[Path, subprocess.CompletedProcess]:
    """The default mock through the DAGs, as `make demo`."""
    home = tmp_path_factory.mktemp("demo") / "home"
    ended = story.command(home, "etl.demo")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return home, ended


@pytest.fixture(scope="session")
def small(tmp_path_factory, worker_id) -> tuple[Path, subprocess.CompletedProcess]:
    """A small mock by `kobling run`: run once, and a copy of it for each process of the suite."""
    if worker_id == "master":
        return story.run_small(tmp_path_factory.mktemp("small") / "home", TZ="Europe/Copenhagen")
    shared = tmp_path_factory.getbasetemp().parent / "small"
    with FileLock(f"{shared}.lock"):
        if not (shared / "ended.json").exists():
            home, ended = story.run_small(shared / "home", TZ="Europe/Copenhagen")
            (shared / "ended.json").write_text(json.dumps([ended.args, ended.stdout, ended.stderr]))
    home = tmp_path_factory.mktemp("small") / "home"
    shutil.copytree(shared / "home", home, symlinks=True)
    args, stdout, stderr = json.loads((shared / "ended.json").read_text())
    return home, subprocess.CompletedProcess(args, 0, stdout, stderr)
