"""The data dictionary: every column, from the contracts alone, on a page that asks nobody."""

import re
from base64 import b64encode
from dataclasses import replace
from hashlib import sha256
from html import unescape

import pytest

from etl import registers, report
from etl.personal_number import malformed
from tests.test_report import Reader

CATALOGUE = list(registers.catalogue().values())
TABLES = [table for register in CATALOGUE for table in register.tables]


@pytest.fixture(scope="module")
def page() -> str:
    return report.data_dictionary(CATALOGUE)


def rows(text: str) -> dict[str, str]:
    """Row of a column → its words, as a reader without a script sees it."""
    found = re.findall(r'<tr id="([^"]+)">(.*?)</tr>', text, re.DOTALL)
    return {place: unescape(re.sub(r"<[^>]+>", " ", row)) for place, row in found}


def test_every_column_of_every_contract_is_there_with_all_that_it_says(page):
    shown = rows(page)
    assert list(shown) == [f"{t.register}.{t.name}.{c.name}" for t in TABLES for c in t.columns]
    for table in TABLES:
        for column in table.columns:
            row = " ".join(shown[f"{table.register}.{table.name}.{column.name}"].split())
            told = [column.name, column.danish, column.description, column.type]
            told += [column.unit, registers.in_words(*table.years(column)), column.pattern]
            told += [*column.code_systems, *column.allowed_values, *column.examples]
            told += [word for s in column.shapes for word in (s.era, s.description, s.pattern)]
            told += ["key"] if column.is_key else []
            told += ["required"] if column.is_required else []
            told.append(column.classification.replace("_", " ").replace("quasi ", "quasi-"))
            for word in filter(None, told):
                assert word in row, f"{table.name}.{column.name}: {word}"


def test_only_keys_and_required_columns_are_marked_so(page):
    columns = [column for table in TABLES for column in table.columns]
    assert page.count(">key</span>") == sum(column.is_key for column in columns)
    assert page.count(">required</span>") == sum(column.is_required for column in columns)
    numbers = sum(column.is_personal_number for column in columns)
    assert page.count(">personal number</span>") == numbers > 10


def test_every_register_and_table_has_a_section_that_can_be_linked_to(page):
    ids = {attributes.get("id") for _, attributes in Reader(page).tags}
    assert {register.name for register in CATALOGUE} <= ids
    assert {f"{table.register}.{table.name}" for table in TABLES} <= ids
    for table in TABLES:
        assert table.danish in page
        assert table.description in page


def test_what_is_in_a_contract_can_do_nothing_on_the_page():
    register = replace(CATALOGUE[0], title='<script>alert("x")</script>')
    text = report.data_dictionary([register])
    assert text.count("<script>") == 1
    assert "&lt;script&gt;" in text


def test_the_page_asks_no_server_and_runs_only_its_own_script(page):
    assert not re.search(r"https?:|//\w|url\(|@import", page)
    tags = Reader(page).tags
    assert not {"link", "iframe", "object", "base", "form", "img"} & {tag for tag, _ in tags}
    for _, attributes in tags:
        assert re.match(r"#|index\.html$", attributes.get("href") or "#")
        assert "src" not in attributes
        assert not any(name.startswith("on") or name == "style" for name in attributes)
    (script,) = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    (policy,) = (a["content"] for _, a in tags if a.get("http-equiv") == "Content-Security-Policy")
    own = b64encode(sha256(script.encode()).digest()).decode()
    assert policy == f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{own}'"


def test_it_is_sound_html_that_can_be_read_by_keyboard_by_ear_and_without_a_script(page):
    read = Reader(page)
    assert read.unbalanced == []
    assert read.tags[0] == ("html", {"lang": "en"})
    ids = [attributes["id"] for _, attributes in read.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    for tag, attributes in read.tags:
        if tag == "th":
            assert "scope" in attributes
        if attributes.get("role") == "region":
            assert attributes["tabindex"] == "0"
            assert attributes["aria-label"]
        for name in ("for", "aria-labelledby", "aria-describedby"):
            assert attributes.get(name, ids[0]) in ids
        if (attributes.get("href") or "").startswith("#"):
            assert attributes["href"][1:] in ids
    hidden = [attributes.get("class") for _, attributes in read.tags if "hidden" in attributes]
    assert hidden == ["search"]  # which the script shows, since only a script can search
    assert sum(tag == "table" for tag, _ in read.tags) == len(TABLES)


def test_nothing_on_the_page_is_a_personal_number(page):
    words = re.findall(r"[0-9A-Za-z]{10}", page)
    assert [word for word in words if word[:6].isdigit() and malformed(word) is None] == []


def test_the_same_contracts_give_the_same_page(page):
    assert report.data_dictionary(CATALOGUE) == page
