"""What leaves: one release's numbers, through disclosure control, as the files of a paper.

`reading` takes the aggregates out of a release. `writing` and `figures` put files below exports/;
each of their functions takes SafeTables and refuses anything else.
"""

from etl.export.figures import draw_curves, draw_forest
from etl.export.quiet import solver_unheard
from etl.export.reading import aggregates_of, reasons_of
from etl.export.writing import EVIDENCE, rules, write_evidence, write_table, write_words

__all__ = [
    "EVIDENCE",
    "aggregates_of",
    "draw_curves",
    "draw_forest",
    "reasons_of",
    "rules",
    "solver_unheard",
    "write_evidence",
    "write_table",
    "write_words",
]
