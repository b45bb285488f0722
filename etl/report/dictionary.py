"""The data dictionary: every register, table and column, as its contract says it. Pure.

A section of the page. It can be read without the page's script, which only searches.
"""

from collections.abc import Iterable

from etl.registers import MISSING, Column, Register, Table, in_words
from etl.report.html import Content, Html, element
from etl.report.tables import scrolling

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


def data_dictionary(catalogue: Iterable[Register]) -> list[Html]:
    """Every register, folded, after what holds for all of them and the field to search by."""
    catalogue = list(catalogue)
    return [
        _introduction(catalogue),
        element(
            "div",
            element("label", "Search the columns", for_="words"),
            element("input", id="words", type="search", autocomplete="off", aria_describedby="how"),
            element("output", for_="words", id="words-found"),
            element(
                "p",
                "Words of a name, a meaning or a code system; all of them must stand in the row.",
                id="how",
                class_="legend",
            ),
            class_="search scripted",
            role="search",
            hidden=True,
        ),
        [_register(register) for register in catalogue],
    ]


def _introduction(catalogue: list[Register]) -> Html:
    tables = [table for register in catalogue for table in register.tables]
    n_columns = sum(len(table.columns) for table in tables)
    missing = ", ".join(text for text in MISSING if text)
    return element(
        "p",
        "What the keepers of the registers hand over, as the data contracts say it: "
        f"{len(catalogue)} registers, {len(tables)} tables, {n_columns} columns. A value is "
        f"missing where it is empty, {missing}. A code is read by its shape, whenever it was "
        "written; one of a book that was not in use then is told as a finding, and no row is "
        "dropped for its codes.",
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
        "details",
        element(
            "summary",
            element("h3", f"{register.name}: ", element("span", register.title, lang="da")),
        ),
        element("p", register.purpose),
        element(
            "p",
            [element("span", name, " ", element("b", value)) for name, value in facts],
            class_="facts",
        ),
        [_table(table) for table in register.tables],
        id=register.name,
        class_="register",
    )


def _table(table: Table) -> Html:
    place = f"{table.register}.{table.name}"
    facts = [("years", in_words(table.first_year, table.last_year))]
    facts += [("key", " + ".join(table.key))] if table.key else []
    facts += [("a file's year is that of", table.period_column)] if table.period_column else []
    return element(
        "article",
        element(
            "h4",
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
