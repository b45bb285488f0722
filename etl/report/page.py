"""The page of a release: one HTML file that opens offline, with the figures beside it.

Results first, then what stands behind them. No script, and nothing is asked of any server.
"""

from etl.report import audit, results
from etl.report.baseline import baseline as table_of_baseline
from etl.report.baseline import intersections as table_of_intersections
from etl.report.frame import figure, internal, whole_page
from etl.report.html import Html, element

DICTIONARY = "data_dictionary.html"
LINKAGE = "linkage.html"
FIGURES = {
    "forest_plot": "Risks and differences by factor",
    "cumulative_incidence": "Cumulative incidence of the whole cohort",
    "stability": "How often the rule holds in bootstrap samples",
    "cohort_flow": "How the cohort came about",
}


def index_page(
    *,
    document: dict,
    plan,
    attrition: list[dict],
    baseline: list[dict],
    baseline_by: str | None,
    intersections: list[dict],
    codes: list[dict],
    linkage_flow: list[dict],
    checks: list[dict],
    evidence: dict,
    files: list[dict],
    title: str,
    question: str,
) -> str:
    """The whole page as text. Every number comes from the arguments."""
    sections = [
        ("results", "Results", results.results(document, plan)),
        (
            "figures",
            "Figures",
            [_figure("forest_plot"), _figure("cumulative_incidence"), _figure("stability")],
        ),
        ("reading", "How to read them", results.reading(document, plan)),
        (
            "cohort",
            "Cohort",
            [
                _figure("cohort_flow"),
                audit.cohort(attrition),
                table_of_intersections(intersections, attrition),
                *table_of_baseline(baseline, plan, baseline_by),
            ],
        ),
        ("codes", "Code lists (RECORD 7.1)", audit.code_lists(codes)),
        ("linkage", "Linkage", [_to_linkage(), *audit.linkage(linkage_flow)]),
        ("checks", "Checks", audit.checks(checks)),
        ("evidence", "Evidence", audit.evidence(evidence)),
        ("files", "Files", audit.files(files)),
    ]
    return whole_page(
        title, "Skip to the results", _header(document, evidence, title, question), sections
    )


def _header(document: dict, evidence: dict, title: str, question: str) -> Html:
    gate = evidence.get("keys", {}).get("gate")
    facts = [
        ("study", document["study"]),
        ("release", evidence.get("release_id")),
        ("quality gate", gate),
    ]
    return element(
        "header",
        element("h1", title),
        element("p", question, class_="question"),
        element(
            "p",
            [
                element("span", name, " ", element("b", value))
                for name, value in facts
                if value is not None
            ],
            class_="facts",
        ),
        internal(evidence.get("population")),
        element(
            "p",
            element("a", "Data dictionary", href=DICTIONARY),
            ": what every column of the registers means.",
        ),
    )


def _figure(name: str) -> Html:
    return figure(name, FIGURES[name])


def _to_linkage() -> Html:
    return element(
        "p",
        element("a", "Linkage quality", href=LINKAGE),
        ": by year, region and sex, against the refresh before, conflicts between registers, and "
        "the flow as a picture.",
    )
