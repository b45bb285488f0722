"""The data dictionary: every register, table and column, as its contract says it. Pure.

One HTML file that opens offline. It can be read without the script, which only searches.
"""

from base64 import b64encode
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path

from etl.registers import MISSING, Column, Register, Table, in_words
from etl.report.html import Content, Html, element, raw
from etl.report.tables import scrolling

STYLES = [Path(__file__).with_name(name) for name in ("page.css", "dictionary.css")]
CLASSES = {
    "personal_number": "personal number",
    "quasi_identifier": "quasi-identifier",
    "sensitive": "sensitive",
    "internal": "internal",
}
ROLES = {
    "owner": "Whose row it is. Becomes person_id at linkage.",
    "current": "The number that counts now. Becomes is_number_in_force.",
    "relative": "Somebody else's number. Becomes a pseudonym too.",
}
DATE_FORMS = {"ISO": "1994-03-01", "DD/MM/YYYY": "01/03/1994", "DDMONYYYY": "01MAR1994"}
SEPARATORS = {";": "semicolon", ",": "comma", ".": "point"}
HEADS = ("Column", "Danish", "Meaning", "Type", "Codes and rules", "Years", "Class")
# Hides the rows that lack a word, then the tables and registers of which no row is left.
SCRIPT = """
const box = document.querySelector(".search"), field = box.querySelector("input");
const told = box.querySelector("output");
const rows = [...document.querySelectorAll(".columns tbody tr")];
const texts = rows.map(row => (row.textContent + " " + row.id).toLowerCase());
function search() {
  const words = field.value.toLowerCase().split(/\\s+/).filter(Boolean);
  let shown = 0;
  rows.forEach((row, nth) => {
    row.hidden = !words.every(word => texts[nth].includes(word));
    shown += !row.hidden;
  });
  for (const part of document.querySelectorAll("article, main > section"))
    part.hidden = !part.querySelector(".columns tbody tr:not([hidden])");
  told.textContent = words.length ? shown + " of " + rows.length + " columns" : "";
}
field.addEventListener("input", search);
box.hidden = false;
search();
"""


def data_dictionary(catalogue: Iterable[Register]) -> str:
    """The whole page as text."""
    catalogue = list(catalogue)
    hash_ = b64encode(sha256(SCRIPT.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{hash_}'"
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=policy),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="referrer", content="no-referrer"),
        element("title", "Data dictionary"),
        element("style", raw("".join(path.read_text(encoding="utf-8") for path in STYLES))),
    )
    body = element(
        "body",
        element("a", "Skip to the registers", href="#registers", class_="skip"),
        _header(catalogue),
        element(
            "div",
            element("label", "Search", for_="words"),
            element("input", id="words", type="search", autocomplete="off", aria_describedby="how"),
            element("output", for_="words"),
            element(
                "p",
                "Words of a name, a meaning or a code system; all of them must stand in the row.",
                id="how",
                class_="legend",
            ),
            class_="search",
            role="search",
            hidden=True,
        ),
        element(
            "nav",
            element(
                "ul",
                [element("li", element("a", r.name, href=f"#{r.name}")) for r in catalogue],
            ),
            aria_label="Registers",
        ),
        element("main", [_register(register) for register in catalogue], id="registers"),
        element("script", raw(SCRIPT)),
    )
    return f"<!DOCTYPE html>\n{element('html', head, body, lang='en')}\n"


def _header(catalogue: list[Register]) -> Html:
    tables = [table for register in catalogue for table in register.tables]
    n_columns = sum(len(table.columns) for table in tables)
    missing = ", ".join(text for text in MISSING if text)
    return element(
        "header",
        element("h1", "Data dictionary"),
        element(
            "p",
            "What the keepers of the registers hand over, as the data contracts say it.",
            class_="question",
        ),
        element(
            "p",
            f"{len(catalogue)} registers, {len(tables)} tables, {n_columns} columns. A value is "
            f"missing where it is empty, {missing}. A code is read by its shape, whenever it was "
            "written; one of a book that was not in use then is told as a finding, and no row is "
            "dropped for its codes.",
        ),
        element("p", element("a", "Back to the release", href="index.html")),
    )


def _register(register: Register) -> Html:
    facts = [
        ("contract", register.version),
        ("encoding of CSV", register.encoding),
        ("separator", SEPARATORS[register.delimiter]),
        ("decimals with", SEPARATORS[register.decimal_separator]),
        ("day it is complete to", "must be told" if register.needs_complete_to else "may be told"),
    ]
    return element(
        "section",
        element("h2", f"{register.name}: ", element("span", register.title, lang="da"),
                id=register.name),
        element("p", register.purpose),
        element(
            "p",
            [element("span", name, " ", element("b", value)) for name, value in facts],
            class_="facts",
        ),
        [_table(table) for table in register.tables],
        aria_labelledby=register.name,
    )  # fmt: skip


def _table(table: Table) -> Html:
    place = f"{table.register}.{table.name}"
    facts = [("years", in_words(table.first_year, table.last_year))]
    facts += [("key", " + ".join(table.key))] if table.key else []
    facts += [("a file's year is that of", table.period_column)] if table.period_column else []
    return element(
        "article",
        element(
            "h3",
            element("code", table.name),
            ": ",
            element("span", table.danish, lang="da"),
            id=place,
        ),
        element("p", table.description),
        element(
            "p",
            [element("span", name, " ", element("b", value)) for name, value in facts],
            class_="facts",
        ),
        scrolling(
            f"Columns of {table.name}",
            element(
                "thead", element("tr", [element("th", head, scope="col") for head in HEADS])
            ),
            element("tbody", [_row(table, column, place) for column in table.columns]),
            class_="columns",
        ),
        aria_labelledby=place,
    )  # fmt: skip


def _row(table: Table, column: Column, place: str) -> Html:
    tags = []
    if column.is_key:
        tags.append(element("span", "key", class_="tag key"))
    if column.is_required:
        tags.append(element("span", "required", class_="tag required"))
    look = "internal_use" if column.classification == "internal" else column.classification
    return element(
        "tr",
        element("th", element("code", column.name), " ", tags, scope="row"),
        element("td", column.danish, lang="da"),
        element("td", column.description),
        element("td", _type(column)),
        element("td", _rules(table, column)),
        element("td", in_words(*table.years(column))),
        element("td", element("span", CLASSES[column.classification], class_=f"tag {look}")),
        id=f"{place}.{column.name}",
    )


def _type(column: Column) -> Content:
    said: list[Content] = [column.type]
    if column.type == "date":
        said.append(element("small", f"as {DATE_FORMS[column.date_format]}", class_="type"))
    if column.unit:
        said.append(element("small", f"in {column.unit}", class_="type"))
    return said


def _rules(table: Table, column: Column) -> Content:
    rules: list[Content] = []
    if column.role:
        rules.append(ROLES[column.role])
    if column.refers_to:
        rules.append(["Key of a row of ", element("code", column.refers_to), "."])
    rules += [_shape(shape) for shape in column.shapes]
    if column.listed_in:
        rules.append(element("b", column.listed_in))
    if column.allowed_values:
        values = [[element("code", value), " "] for value in column.allowed_values]
        rules.append(["One of ", values])
    if column.pattern:
        rules.append(["Form ", element("code", column.pattern)])
    if column.examples:
        rules.append(element("small", "Such as ", ", ".join(column.examples)))
    if table.era_column == column.name and any(c.shapes for c in table.columns):
        rules.append("The day by which the book of a code is judged.")
    return element("ul", [element("li", rule) for rule in rules], class_="rules") if rules else None


def _shape(shape) -> Content:
    return [
        element("b", shape.name),
        f" {shape.era}",
        element("small", shape.description),
        element("small", element("code", shape.pattern), " such as ", ", ".join(shape.passes)),
    ]
