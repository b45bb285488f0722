"""The page of a release: one HTML file that holds everything a reader needs, and opens offline.

Results first, then what stands behind them. The script filters, pages and searches; without it the
page says the same. Nothing is asked of any server.
"""

from collections.abc import Iterable

from etl.report import audit, quality, results
from etl.report.baseline import baseline as table_of_baseline
from etl.report.baseline import intersections as table_of_intersections
from etl.report.dictionary import data_dictionary
from etl.report.frame import figure, internal, part, whole_page
from etl.report.html import Html, beside, element
from etl.report.linkage import CAPTION as LINKAGE_CAPTION
from etl.report.linkage import Linkage, linkage_section

FIGURES = {
    "forest_plot": "Risks and differences by factor",
    "cumulative_incidence": "Cumulative incidence of the whole cohort",
    "stability": "How often the rule holds in bootstrap samples",
    "cohort_flow": "How the cohort came about",
    "linkage_flow": LINKAGE_CAPTION,
}
DATA_DOCS, DBT_DOCS = "data_docs.html", "dbt_docs.html"
DOCUMENTS = {
    DATA_DOCS: "Data Docs of Great Expectations: the same results as that tool shows them.",
    DBT_DOCS: "dbt's documentation: every model with its SQL, its tests and where it comes from.",
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
    linkage: Linkage,
    linkage_flow: list[dict],
    checks: list[dict],
    waivers: list[dict],
    overrides: list[dict],
    fitness: list[dict],
    sensitivity: list[dict],
    catalogue: Iterable,
    figures: dict[str, str],
    evidence: dict,
    files: list[dict],
    title: str,
    question: str,
) -> str:
    """The whole page as text. Every number comes from the arguments.

    Args:
        linkage_flow: Rows of marts.linkage_flow.
        checks: Rows of quality.result, and what `quality.checks` tells of them beside.
        waivers: id, suite, check_id, owner, second, reason, granted_on, expires_on, status.
        overrides: check, reviewer, reviewed_on, reason, status, n; of persons only how many.
        fitness: mart, fitness, findings, estimates.
        sensitivity: check, words, outcome, factor, level, n_affected, estimate and
            estimate_without from 0 to 1, shift in percentage points; high_risk and
            high_risk_without, the rule's verdict, None where it gives none.
        catalogue: The registers, as their contracts say them.
        figures: SVG text by name; all of FIGURES.
        files: path and bytes of each file beside the page.
    """
    paths = [row["path"] for row in files]

    def drawn(name: str) -> Html:
        beside_it = [p for p in paths if p.rpartition(".")[0] == name]
        return figure(name, FIGURES[name], figures[name], beside_it)

    sections = [
        ("results", "Results", results.results(document, plan)),
        (
            "figures",
            "Figures",
            [drawn("forest_plot"), drawn("cumulative_incidence"), drawn("stability")],
        ),
        ("reading", "How to read them", results.reading(document, plan)),
        (
            "cohort",
            "Cohort",
            [
                drawn("cohort_flow"),
                audit.cohort(attrition),
                table_of_intersections(intersections, attrition),
                *table_of_baseline(baseline, plan, baseline_by),
            ],
        ),
        (
            "linkage",
            "Linkage",
            [
                *linkage_section(linkage, drawn("linkage_flow")),
                part("linkage-sums", "Sums that close", audit.linkage(linkage_flow), level=3),
            ],
        ),
        (
            "quality",
            "Quality",
            [
                part("waivers", "Waivers and overrides", quality.waived(waivers, overrides),
                     level=3),
                part("checks", "Checks", quality.checks(checks), level=3),
                part("fitness", "Fitness of the marts", quality.fitness(fitness), level=3),
                part("sensitivity", "What findings do to estimates",
                     quality.sensitivity(sensitivity, plan), level=3),
            ],
        ),
        ("dictionary", "Data dictionary", data_dictionary(catalogue)),
        ("codes", "Code lists (RECORD 7.1)", audit.code_lists(codes)),
        ("evidence", "Evidence", audit.evidence(evidence)),
        ("files", "Files", [*_documents(paths), *audit.files(files)]),
    ]  # fmt: skip
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
    )


def _documents(paths: list[str]) -> list[Html]:
    there = [(path, words) for path, words in DOCUMENTS.items() if path in paths]
    if not there:
        return []
    return [
        element(
            "ul",
            [
                element("li", element("a", path, href=beside(path)), ": ", words)
                for path, words in there
            ],
        )
    ]
