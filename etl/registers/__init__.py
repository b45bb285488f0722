"""The catalogue of registers: one Open Data Contract Standard file each, and the reader of them.

Nobody types a column list twice: the landing's schema, its structural checks, the dbt sources and
the data dictionary all come from here. Adding a register is adding a file.
"""

from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import yaml

from etl.errors import DeliveryError

FOLDER = Path(__file__).parent
DUCKDB_TYPES = {
    "text": "VARCHAR",
    "integer": "BIGINT",
    "decimal": "DOUBLE",
    "date": "DATE",
    "time": "TIME",
}
# The contract's words for how a date is written, and ours. SAS files bring dates of their own.
DATE_FORMATS = {"yyyy-MM-dd": "ISO", "dd/MM/yyyy": "DD/MM/YYYY", "ddMMMyyyy": "DDMONYYYY"}
# How keepers write that a value is missing, in every register.
MISSING = ("", "#N/A", "NULL", "Ukendt", "Uoplyst")
CLASSIFICATIONS = ("personal_number", "quasi_identifier", "sensitive", "internal")


@dataclass(frozen=True)
class Shape:
    """What the codes of one book look like, and the years in which it was the book.

    A code is of the book by its shape alone. The years tell whether the book was in use when the
    row was written; None is open.
    """

    name: str
    description: str
    pattern: str
    first_year: int | None
    last_year: int | None
    passes: tuple[str, ...]
    fails: tuple[str, ...]

    @property
    def era(self) -> str:
        """The years in words; empty where it is always the book."""
        return in_words(self.first_year, self.last_year)

    @property
    def era_da(self) -> str:
        """The years in Danish words."""
        return self.era.replace("from ", "fra ").replace("to ", "til ")


def in_words(first_year: int | None, last_year: int | None) -> str:
    """From one year to another, both included; None is open."""
    if first_year and last_year:
        return f"{first_year}–{last_year}"
    if first_year:
        return f"from {first_year}"
    return f"to {last_year}" if last_year else ""


@dataclass(frozen=True)
class Column:
    """One column as its keeper promises it."""

    name: str
    type: str  # text, integer, decimal, date, time (delivered as seconds since midnight)
    description: str
    danish: str
    is_required: bool
    key_position: int | None
    classification: str  # personal_number, quasi_identifier, sensitive, internal
    role: str | None  # of a personal number: owner, current, relative
    allowed_values: tuple[str, ...]
    pattern: str | None  # of values that are no codes
    date_format: str  # ISO, DD/MM/YYYY, DDMONYYYY (01MAR1994) or SAS (days since 1960-01-01)
    decimal_separator: str = ","
    unit: str | None = None
    shapes: tuple[Shape, ...] = ()  # of codes; one that fits none is unreadable
    listed_in: str | None = None  # the code system where it has no shapes
    examples: tuple[str, ...] = ()
    first_year: int | None = None  # of the files that hold it; None is every year
    last_year: int | None = None
    refers_to: str | None = None  # the table whose key it holds, where that says whose row it is
    may_be_1900: bool = False  # 1900-01-01 is a day like any other in it, not a placeholder
    length: int | None = None  # of a code of digits whose leading zeros get lost
    may_be_absent: bool = False  # set for one file, by its year

    @property
    def is_personal_number(self) -> bool:
        return self.classification == "personal_number"

    @property
    def duckdb_type(self) -> str:
        return DUCKDB_TYPES[self.type]

    @property
    def is_key(self) -> bool:
        return self.key_position is not None

    @property
    def code_systems(self) -> tuple[str, ...]:
        return tuple(shape.name for shape in self.shapes) or (
            (self.listed_in,) if self.listed_in else ()
        )

    @property
    def form(self) -> str | None:
        """The pattern of every value that can be read; None where any can."""
        if self.shapes:
            return "|".join(shape.pattern for shape in self.shapes)
        return self.pattern

    def is_promised_for(self, period: str | None) -> bool:
        """Whether a file of the period must hold it. A file of no one year holds every column."""
        year = int(period[:4]) if period else None
        if year is None:
            return True
        return (self.first_year or year) <= year <= (self.last_year or year)


@dataclass(frozen=True)
class Table:
    """One table of a register."""

    register: str
    name: str
    description: str
    columns: tuple[Column, ...]
    period_column: str | None
    danish: str = ""
    first_year: int = 1900
    last_year: int | None = None  # None is to this day
    era_column: str | None = None  # the day that tells which book of codes was in use

    def column(self, name: str) -> Column:
        return next(column for column in self.columns if column.name == name)

    @property
    def number_columns(self) -> tuple[Column, ...]:
        return tuple(column for column in self.columns if column.is_personal_number)

    @property
    def owner(self) -> Column | None:
        """The number that says whose row it is; None where another table's row says it."""
        return next((column for column in self.columns if column.role == "owner"), None)

    @property
    def contact(self) -> Column | None:
        """The key of a row of another table, where that row says whose this one is."""
        return next((column for column in self.columns if column.refers_to), None)

    def of_period(self, period: str | None) -> "Table":
        """The same table, told which columns a file of the period may do without."""
        return replace(
            self,
            columns=tuple(
                replace(column, may_be_absent=not column.is_promised_for(period))
                for column in self.columns
            ),
        )

    @property
    def key(self) -> tuple[str, ...]:
        keys = [column for column in self.columns if column.is_key]
        return tuple(column.name for column in sorted(keys, key=lambda column: column.key_position))

    def years(self, column: Column) -> tuple[int, int | None]:
        """First and last year of which the table has the column; a last of None is to this day."""
        return column.first_year or self.first_year, column.last_year or self.last_year


@dataclass(frozen=True)
class Register:
    """One register: how its files are written, and its tables."""

    name: str
    title: str
    purpose: str
    version: str
    encoding: str
    delimiter: str
    decimal_separator: str
    needs_complete_to: bool
    tables: tuple[Table, ...]

    def table(self, name: str) -> Table | None:
        return next((table for table in self.tables if table.name == name), None)


@cache
def catalogue() -> dict[str, Register]:
    """Every register that Kobling knows, by name, in the order of the files."""
    return {path.name.split(".")[0]: _read(path) for path in sorted(FOLDER.glob("*.odcs.yaml"))}


def register(name: str) -> Register:
    """One register. Raises DeliveryError naming the known ones."""
    try:
        return catalogue()[name]
    except KeyError:
        raise DeliveryError(
            f"register '{name}' is not in the catalogue. Known registers: "
            f"{', '.join(catalogue())}. Correct the name, or add a contract to etl/registers/."
        ) from None


def _properties(node: dict) -> dict:
    return {item["property"]: item["value"] for item in node.get("customProperties", [])}


def _read(path: Path) -> Register:
    # The parser in C: reading the contracts is half of what a short command takes.
    contract = yaml.load(path.read_text(encoding="utf-8"), yaml.CSafeLoader)
    own = _properties(contract)
    decimal = own["decimalSeparator"]
    return Register(
        name=contract["id"],
        title=contract["name"],
        purpose=contract["description"]["purpose"],
        version=contract["version"],
        encoding=own["encoding"],
        delimiter=own["delimiter"],
        decimal_separator=decimal,
        needs_complete_to=own["completeToRequired"],
        tables=tuple(_table(contract["id"], table, decimal) for table in contract["schema"]),
    )


def _table(register_name: str, node: dict, decimal: str) -> Table:
    own = _properties(node)
    return Table(
        register=register_name,
        name=node["name"],
        description=node["description"],
        columns=tuple(_column(column, decimal) for column in node["properties"]),
        period_column=own.get("periodColumn"),
        danish=node["businessName"],
        first_year=own["firstYear"],
        last_year=own.get("lastYear"),
        era_column=own.get("eraColumn", own.get("periodColumn")),
    )


def _column(node: dict, decimal: str) -> Column:
    own = _properties(node)
    options = node.get("logicalTypeOptions", {})
    return Column(
        name=node["name"],
        type=node["physicalType"],
        description=node["description"],
        danish=node["businessName"],
        is_required=node["required"],
        key_position=node.get("primaryKeyPosition"),
        classification=node["classification"],
        role=own.get("role"),
        allowed_values=tuple(own.get("allowedValues", ())),
        pattern=options.get("pattern"),
        date_format=DATE_FORMATS[options.get("format", "yyyy-MM-dd")],
        decimal_separator=decimal,
        unit=own.get("unit"),
        shapes=tuple(_shape(rule) for rule in node.get("quality", ())),
        listed_in=own.get("codeSystem"),
        examples=tuple(node.get("examples", ())),
        first_year=own.get("firstYear"),
        last_year=own.get("lastYear"),
        refers_to=own.get("refersTo"),
        may_be_1900=own.get("mayBe1900", False),
        length=own.get("length"),
    )


def _shape(rule: dict) -> Shape:
    own = rule["implementation"]
    return Shape(
        name=rule["name"],
        description=rule["description"],
        pattern=own["shape"],
        first_year=own.get("firstYear"),
        last_year=own.get("lastYear"),
        passes=tuple(own["passes"]),
        fails=tuple(own["fails"]),
    )
