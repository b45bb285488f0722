"""README, help, DAGs and folders use one set of words, and say nothing that is not so."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import airflow, chaos, coverage, pages, rates
from benchmarks.demo import with_section
from etl import registers, studies
from etl.cli import main
from etl.demo import STORY
from etl.settings import CHECKOUT

README = (CHECKOUT / "README.md").read_text(encoding="utf-8")
DOCUMENTS = [CHECKOUT / "README.md", *sorted((CHECKOUT / "docs").rglob("*.md"))]
PATH_IN_TEXT = re.compile(
    r"`((?:etl|dags|docs|dbt_project|expectations|tests|benchmarks)/[\w./-]*)`"
)
TRACKED = subprocess.run(
    ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
    cwd=CHECKOUT, capture_output=True, text=True, check=True,
).stdout.splitlines()  # fmt: skip


def test_the_readme_tells_the_story_in_the_order_of_the_command_line():
    told = re.search(r"`(mock → .*?)`", README.replace("\n", " "))
    assert told, "the README names the road"
    road = told.group(1).split(" → ")
    assert road == list(main.commands)[: len(road)]
    assert main.help.count(" → ".join(road)) == 1


def test_every_kobling_command_that_a_document_names_exists():
    for document in DOCUMENTS:
        typed = re.findall(r"^\s*\$? ?kobling ([a-z][a-z-]+)", document.read_text(), re.MULTILINE)
        for line in typed:
            assert line in main.commands, f"{document.name}: kobling {line}"


def test_every_file_that_a_document_points_to_is_there():
    for document in DOCUMENTS:
        for target in re.findall(r"\]\((?!http|#)([^)#]+)", document.read_text()):
            assert (document.parent / target).exists(), f"{document.name}: {target}"
        for path in PATH_IN_TEXT.findall(document.read_text()):
            assert (CHECKOUT / path).exists(), f"{document.name}: {path}"


def test_the_readme_names_registers_studies_and_dags():
    for name in [*registers.catalogue(), *studies.names(CHECKOUT), *STORY]:
        assert f"`{name}`" in README, name


def test_the_figures_in_the_readme_are_the_measured_ones():
    measured = json.loads((CHECKOUT / "benchmarks" / "demo.json").read_text())
    for key in ("setup_seconds", "job_seconds", "again_seconds", "peak_mebibytes"):
        assert f"{measured['median'][key]:.0f}" in README, key
    assert f"{measured['test_seconds']}" in README
    assert measured["machine"] in README


def test_the_rates_in_the_readme_are_the_measured_ones():
    """After one benchmark alone `python -m benchmarks.rates --written` writes the table again."""
    results = {
        name: json.loads(rates.kept(name).read_text(encoding="utf-8")) for name in rates.NAMES
    }
    assert with_section(README, "rates", rates.figures(results)) == README


def test_what_is_said_of_the_page_is_what_was_measured():
    measured = json.loads(pages.RESULT.read_text(encoding="utf-8"))
    assert with_section(README, "pages", pages.figures(measured)) == README
    assert (measured["checks"], measured["refreshes"]) == (pages.CHECKS, pages.REFRESHES)


def test_what_is_said_of_kills_is_what_was_tried():
    tried = json.loads(chaos.RESULT.read_text(encoding="utf-8"))
    text = chaos.DOCUMENT.read_text(encoding="utf-8")
    assert with_section(text, "chaos", chaos.figures(tried)) == text
    assert not [one["seed"] for one in tried["refreshes"] if one["faults"]]


def test_what_is_said_of_airflow_is_what_was_measured():
    measured = json.loads(airflow.RESULT.read_text(encoding="utf-8"))
    assert with_section(README, "airflow", airflow.figures(measured)) == README
    assert measured.keys() & airflow.PARTS.keys()


def test_the_coverage_in_the_methods_is_the_measured_one():
    measured = json.loads(coverage.RESULT.read_text(encoding="utf-8"))
    text = coverage.METHODS.read_text(encoding="utf-8")
    assert with_section(text, "coverage", coverage.table(measured)) == text
    assert measured["samples"] >= 2000
    least, most = coverage.extremes(measured, coverage.RECOMMENDED)
    assert coverage.LEAST <= least <= most <= coverage.MOST
    assert coverage.extremes(measured, coverage.PLAIN)[0] < coverage.LEAST


def test_the_compose_file_is_one():
    ended = subprocess.run(
        [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec",
         "docker-compose.yml"],
        cwd=CHECKOUT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stdout


def test_only_the_mock_knows_the_synthetic_cohort():
    """Nothing in the chain may read it; what is printed was computed from linked rows."""
    name = re.compile(r"synthetic[-_ ]cohort", re.IGNORECASE)
    allowed = ("etl/mock/", "tests/test_mock.py", "tests/test_documents.py")
    for path in TRACKED:
        if path.startswith(allowed) or path.endswith((".md", ".lock")):
            continue
        content = (CHECKOUT / path).read_bytes().decode("utf-8", "replace")
        assert not name.search(content), path


@pytest.mark.parametrize("lock", ["requirements.lock", "requirements-uv.lock"])
def test_a_lock_has_hashes_and_names_no_host(lock):
    text = (CHECKOUT / lock).read_text()
    assert "--hash=sha256:" in text
    assert "://" not in text
    assert not re.search(r"^\s*--(index|extra-index|find-links|trusted)", text, re.MULTILINE)


def test_no_folder_is_called_utils():
    names = {part.lower() for path in TRACKED for part in Path(path).with_suffix("").parts}
    assert not names & {"utils", "util", "helpers", "common", "misc"}
