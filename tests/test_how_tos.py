"""What the how-tos tell people to type does what they say.

Snippets marked `runnable` are run from the home of a small released mock, in the order of the
document: python in one namespace, sql on one connection, sh in a new bash each. Those of the
methods need no home. A block marked `output` right below a snippet is what it must print. R
snippets are not run: the environment has no R, and the numbers that R gives are held by
tests/test_competing_risks.py and tests/test_golden_estimation.py.
"""

import io
import os
import re
import subprocess
import sys
import traceback
from collections.abc import Iterator
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pytest

from etl.settings import CHECKOUT
from tests import story

BLOCK = re.compile(r"^```(?P<info>[^`\n]*)\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL)
ALL_RUN = ("analysts", "auditors")
DOCUMENTS = (*ALL_RUN, "data-managers")


@dataclass(frozen=True)
class Snippet:
    """A fenced block; `output` is the block right below it, where that is what it prints."""

    place: str
    language: str
    is_runnable: bool
    code: str
    output: str | None


def snippets(document: str) -> Iterator[Snippet]:
    text = (CHECKOUT / "docs" / f"{document}.md").read_text(encoding="utf-8")
    blocks = list(BLOCK.finditer(text))
    for block, below in zip(blocks, [*blocks[1:], None], strict=True):
        language, _, marks = block["info"].partition(" ")
        is_above = below and not text[block.end() : below.start()].strip()
        is_output = below and below["info"] == "text output"
        yield Snippet(
            place=f"{document}.md:{text.count(chr(10), 0, block.start()) + 1}",
            language=language,
            is_runnable="runnable" in marks.split(),
            code=block["code"],
            output=below["code"] if is_above and is_output else None,
        )


class Reader:
    """Somebody who types what the document says."""

    def __init__(self) -> None:
        self.names: dict[str, object] = {}
        self.con = duckdb.connect()

    def type_in(self, snippet: Snippet) -> str:
        """Returns what is printed. Raises what the snippet raises."""
        match snippet.language:
            case "python":
                with redirect_stdout(io.StringIO()) as printed:
                    exec(compile(snippet.code, snippet.place, "exec"), self.names)
                return printed.getvalue()
            case "sql":
                table = self.con.sql(snippet.code)
                return "" if table is None else str(table)
            case "sh":
                return subprocess.run(
                    ["bash", "-euo", "pipefail", "-c", snippet.code],
                    check=True, stdout=subprocess.PIPE, text=True,
                ).stdout  # fmt: skip
        raise AssertionError(f"{snippet.place}: nobody runs {snippet.language}")


def lines(text: str) -> list[str]:
    return [line.rstrip() for line in text.strip("\n").splitlines()]


def disagreements(document: str) -> list[str]:
    """Every runnable snippet that stops, or prints something else than the document says."""
    reader, found = Reader(), []
    for snippet in snippets(document):
        if not snippet.is_runnable:
            continue
        try:
            printed = reader.type_in(snippet)
        except Exception:
            found.append(f"{snippet.place}: {traceback.format_exc(limit=-1)}")
            continue
        if snippet.output is not None and lines(printed) != lines(snippet.output):
            found.append(f"{snippet.place}: printed\n{printed}\nand not\n{snippet.output}")
    return found


@pytest.fixture
def at_home(small, monkeypatch) -> Path:
    """The home of a small release, with the commands of this environment at hand."""
    home, _ = small
    for name, value in story.environment(home).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.chdir(home)
    return home


@pytest.mark.parametrize("document", DOCUMENTS)
def test_what_a_how_to_says_to_type_works_and_prints_what_it_says(at_home, document):
    assert disagreements(document) == []


def test_the_defects_that_the_methods_tell_of_are_there():
    """A release of another library that mends one turns this red; then the document is mended."""
    assert disagreements("methods") == []


@pytest.mark.parametrize("document", [*ALL_RUN, "methods"])
def test_every_query_of_a_how_to_is_run(document):
    found = [snippet for snippet in snippets(document) if snippet.language in ("python", "sql")]
    assert len(found) > 5
    assert [snippet.place for snippet in found if not snippet.is_runnable] == []
    assert sum(snippet.output is not None for snippet in found) > 5


def test_a_snippet_that_prints_something_else_would_be_seen(monkeypatch):
    told = [
        Snippet("here:1", "python", True, "print(2)", "2"),
        Snippet("here:2", "python", True, "print(2)", "3"),
        Snippet("here:3", "sql", True, "select * from nowhere", None),
        Snippet("here:4", "sh", True, "false | true", None),
        Snippet("here:5", "python", False, "nothing()", None),
    ]
    monkeypatch.setattr(sys.modules[__name__], "snippets", lambda document: iter(told))
    seen = [found.partition(": ")[0] for found in disagreements("any")]
    assert seen == ["here:2", "here:3", "here:4"]
