"""The data dictionary on the page: every column, from the contracts alone."""

import re
from dataclasses import replace
from html import unescape

import pytest

from etl import registers
from etl.personal_number import malformed
from tests import test_report
from tests.test_report import Reader

CATALOGUE = list(registers.catalogue().values())
TABLES = [table for register in CATALOGUE for table in register.tables]


@pytest.fixture(scope="module")
def page() -> str:
    return test_report.page(catalogue=CATALOGUE)


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
    text = test_report.page(catalogue=[register])
    assert text.count("<script>") == 1
    assert "&lt;script&gt;" in text


def test_without_a_script_every_column_can_be_read_and_no_field_to_search_is_shown(page):
    read = Reader(page)
    hidden = {attributes.get("class") for _, attributes in read.tags if "hidden" in attributes}
    # Which the script shows, since only a script can search and filter.
    assert hidden == {"search scripted", "filters scripted", "scripted"}
    registers_shown = [a["id"] for _, a in read.tags if a.get("class") == "register"]
    assert registers_shown == [register.name for register in CATALOGUE]
    assert sum(a.get("class") == "columns" for _, a in read.tags) == len(TABLES)


def test_nothing_on_the_page_is_a_personal_number(page):
    words = re.findall(r"[0-9A-Za-z]{10}", page)
    assert [word for word in words if word[:6].isdigit() and malformed(word) is None] == []


def test_the_same_contracts_give_the_same_page(page):
    assert test_report.page(catalogue=CATALOGUE) == page
