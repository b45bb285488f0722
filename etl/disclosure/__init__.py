"""Nothing small leaves: what may be printed of a study, and the only maker of a SafeTable.

Pure: counts in, tables out. docs/why-nothing-small-leaves.md has the rules and their sources.
"""

from etl.disclosure.study import Aggregates, Factor, Protected, protect_study, statements
from etl.disclosure.tables import SafeTable, only_safe, stated
from etl.disclosure.worlds import DIFFERENCING, PRIMARY, RESTS, SECONDARY, Statements, protect

__all__ = [
    "DIFFERENCING",
    "PRIMARY",
    "RESTS",
    "SECONDARY",
    "Aggregates",
    "Factor",
    "Protected",
    "SafeTable",
    "Statements",
    "only_safe",
    "protect",
    "protect_study",
    "stated",
    "statements",
]
