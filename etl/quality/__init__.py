"""Is the data we are given, and the data we hand on, as it should be?

A check is data: what should be true, how badly it matters, how much is tolerated, why, and who
looks. Structural checks come from the contracts at run time; written ones are the files under
`expectations/`. Great Expectations counts; SQL of our own lists every failing row by its key, and
where the two disagree the check has not been run. No result holds a value of the data.
"""

from etl.quality.checks import Check, structural_checks, written_checks
from etl.quality.evaluation import key_columns, queries, run
from etl.quality.history import carry_over, store, stored_gate, stored_results
from etl.quality.pages import data_docs
from etl.quality.results import Gate, Result, as_row, from_row, gate, headline, packed

__all__ = [
    "Check",
    "Gate",
    "Result",
    "as_row",
    "carry_over",
    "data_docs",
    "from_row",
    "gate",
    "headline",
    "key_columns",
    "packed",
    "queries",
    "run",
    "store",
    "stored_gate",
    "stored_results",
    "structural_checks",
    "written_checks",
]
