"""Each cause of a notice has its page, and what a page says to type can be typed."""

import shlex

import click
import pytest

from etl.cli import main
from etl.notices import CAUSES
from etl.settings import CHECKOUT
from tests.test_how_tos import at_home, disagreements, snippets  # noqa: F401

PAGES = sorted((CHECKOUT / "docs" / "runbooks").glob("*.md"))
PARTS = ("Means", "Look", "Mend", "Ask", "Do not")


def test_every_cause_has_a_page_and_every_page_a_cause():
    assert {page.stem for page in PAGES} == set(CAUSES)
    for cause in CAUSES.values():
        assert (CHECKOUT / cause.runbook).is_file(), cause.name


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_says_what_it_means_how_to_look_and_mend_whom_to_ask_and_what_not_to_do(page):
    text = page.read_text(encoding="utf-8")
    assert text.startswith(f"# {page.stem}\n")
    places = [text.find(f"**{part}") for part in PARTS]
    assert places == sorted(places)
    assert places[0] > 0


def commands(code: str) -> list[list[str]]:
    """The kobling commands of a shell snippet, as words."""
    lines = code.replace("\\\n", " ").splitlines()
    return [shlex.split(line)[1:] for line in lines if line.startswith("kobling ")]


def understood(words: list[str]) -> str | None:
    """What the command line has against these words; None where it would begin to work."""
    try:
        name, command, rest = main.resolve_command(click.Context(main), list(words))
        command.make_context(name, rest)
    except click.UsageError as error:
        return f"{' '.join(words)}: {error.message}"
    return None


def test_every_command_of_a_page_is_one_that_the_command_line_understands():
    found = [
        words
        for page in PAGES
        for snippet in snippets(f"runbooks/{page.stem}")
        if snippet.language == "sh"
        for words in commands(snippet.code)
    ]
    assert len(found) > 15
    assert [fault for words in found if (fault := understood(words))] == []
    assert understood(["promote", "dlms", "--why", "x"])
    assert understood(["promot", "dlms"])
    assert understood(["promote"])


def test_what_a_page_says_to_look_at_can_be_looked_at(at_home):  # noqa: F811
    """Every query runs in the home of a small release; a command that changes the home does not."""
    wrong = [one for page in PAGES for one in disagreements(f"runbooks/{page.stem}")]
    assert wrong == []
    looked = [s for page in PAGES for s in snippets(f"runbooks/{page.stem}") if s.is_runnable]
    assert len(looked) > 12
    unrun = [
        s.place
        for page in PAGES
        for s in snippets(f"runbooks/{page.stem}")
        if s.language in ("sql", "python") and not s.is_runnable
    ]
    assert unrun == []
