"""Is the data we are given, and the data we hand on, as it should be?

A check is data: what should be true, how badly it matters, how much is tolerated, why, and who
looks. Structural checks come from the contracts at run time; written ones are the files under
`expectations/`. Great Expectations counts; SQL of our own lists every failing row by its key, and
where the two disagree the check has not been run. No result holds a value of the data.
"""

from etl.quality import past
from etl.quality.checks import Check, structural_checks, written_checks
from etl.quality.contents import row_contents
from etl.quality.evaluation import key_columns, queries, run
from etl.quality.fitness import fitness, touched
from etl.quality.history import store, stored_results
from etl.quality.pages import data_docs
from etl.quality.results import Gate, Result, as_row, from_row, gate, headline, packed
from etl.quality.waivers import Waiver, hold_checks, read_waivers, standing, waived

__all__ = [
    "Check",
    "Gate",
    "Result",
    "Waiver",
    "as_row",
    "data_docs",
    "fitness",
    "from_row",
    "gate",
    "headline",
    "hold_checks",
    "key_columns",
    "packed",
    "past",
    "queries",
    "read_waivers",
    "row_contents",
    "run",
    "standing",
    "store",
    "stored_results",
    "structural_checks",
    "touched",
    "waived",
    "written_checks",
]
