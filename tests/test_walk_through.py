"""A newcomer types docs/walk-through.md from its beginning, and each line does what it says."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from etl import release
from etl.home import Home
from etl.settings import CHECKOUT
from tests.test_how_tos import BLOCK

DOCUMENT = CHECKOUT / "docs" / "walk-through.md"


def blocks() -> list[tuple[list[str], str]]:
    """The marks and the lines of every block that is typed."""
    found = BLOCK.finditer(DOCUMENT.read_text(encoding="utf-8"))
    return [
        (block["info"].split()[1:], block["code"])
        for block in found
        if block["info"].startswith("sh ")
    ]


def script(mark: str) -> str:
    """All blocks with a mark as one script; one that should be refused must be."""
    lines = ["set -euo pipefail"]
    for marks, code in blocks():
        if mark not in marks:
            continue
        if "ends-with-2" in marks:
            code = f"set +e\n{code}status=$?; set -e; test $status -eq 2\n"
        lines.append(code)
    return "\n".join(lines)


def test_every_block_is_typed_by_some_test():
    assert {marks[0] for marks, _ in blocks()} == {
        "walk", "airflow-starts", "airflow", "airflow-ends",
    }  # fmt: skip
    assert sum(marks[0] == "walk" for marks, _ in blocks()) > 8


def like_the_checkout(folder: Path) -> Path:
    """A folder in which one can type what one types in the checkout, and leave a home behind.

    The environment is set up where it lies before: set up through this folder its commands would
    lead into the folder, and be gone with it.
    """
    subprocess.run(["make", ".venv/installed"], cwd=CHECKOUT, check=True, capture_output=True)
    folder.mkdir()
    for path in CHECKOUT.iterdir():
        if path.name not in ("home", ".git"):
            (folder / path.name).symlink_to(path)
    return folder


@pytest.fixture(scope="module")
def walked(tmp_path_factory) -> Path:
    """A folder that looks like the checkout, after somebody has typed it all in it."""
    folder = like_the_checkout(tmp_path_factory.mktemp("walk") / "kobling")
    ended = subprocess.run(
        ["bash", "-c", script("walk")], cwd=folder, text=True, check=False,
        env={k: v for k, v in os.environ.items() if not k.startswith("KOBLING_")},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stdout[-3000:]
    (folder / "said").write_text(ended.stdout)
    return folder


def test_the_walk_ends_as_it_says(walked):
    home = Home(walked / "trial")
    said = (walked / "said").read_text()
    assert "release.promote" in said
    assert "within_bounds (" in said
    assert "patobank.pato 2004" in said  # what preview was to show
    assert "<svg" in (walked / "preview.html").read_text()
    events = [json.loads(line) for line in home.ledger.read_text().splitlines()]
    of_dlms = [
        (e["event"], e["release"]) for e in events
        if e.get("study") == "dlms" and e["event"] in ("released", "staged", "rolled back")
    ]  # fmt: skip
    assert [event for event, _ in of_dlms] == [
        "released", "staged", "staged", "released", "rolled back",
    ]  # fmt: skip
    assert release.current(home, "dlms").name == of_dlms[0][1] == of_dlms[4][1]
