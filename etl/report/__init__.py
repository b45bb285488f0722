"""Figures and the page of a release. Values in; pictures and text out, the same bytes every time.

Knows no database and no clock. What it prints of a study comes from the study: its title, labels
and notes, and the document of estimates. Only words about method are its own.
"""

from etl.report.cohort import cohort_flow, flow_line, flow_table
from etl.report.curves import cumulative_incidence
from etl.report.forest import forest_plot
from etl.report.linkage import Linkage, linkage_flow
from etl.report.page import DATA_DOCS, DBT_DOCS, FIGURES, index_page
from etl.report.preview import preview_page
from etl.report.stability import stability_strip

__all__ = [
    "DATA_DOCS",
    "DBT_DOCS",
    "FIGURES",
    "Linkage",
    "cohort_flow",
    "cumulative_incidence",
    "flow_line",
    "flow_table",
    "forest_plot",
    "index_page",
    "linkage_flow",
    "preview_page",
    "stability_strip",
]
