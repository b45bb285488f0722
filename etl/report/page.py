"""The page of a release: one HTML file that opens offline, with the figures beside it.

Results first, then what stands behind them. No script, and nothing is asked of any server.
"""

from pathlib import Path

from etl.report import audit, results
from etl.report.html import Html, element, raw

STYLE = Path(__file__).with_name("page.css")
# No script, no font, no connection; pictures from beside the page only.
POLICY = "default-src 'none'; img-src 'self' file:; style-src 'unsafe-inline'"
DICTIONARY = "data_dictionary.html"
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
        ("cohort", "Cohort", [_figure("cohort_flow"), audit.cohort(attrition)]),
        ("linkage", "Linkage", audit.linkage(linkage_flow)),
        ("checks", "Checks", audit.checks(checks)),
        ("evidence", "Evidence", audit.evidence(evidence)),
        ("files", "Files", audit.files(files)),
    ]
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=POLICY),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="referrer", content="no-referrer"),
        element("title", title),
        element("style", raw(STYLE.read_text(encoding="utf-8"))),
    )
    body = element(
        "body",
        element("a", "Skip to the results", href="#results", class_="skip"),
        _header(document, evidence, title, question),
        element(
            "nav",
            element(
                "ul", [element("li", element("a", h, href=f"#{id_}")) for id_, h, _ in sections]
            ),
            aria_label="Sections",
        ),
        element(
            "main",
            [
                element("section", element("h2", heading, id=id_), content, aria_labelledby=id_)
                for id_, heading, content in sections
            ],
        ),
    )
    return f"<!DOCTYPE html>\n{element('html', head, body, lang='en')}\n"


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
        element(
            "p",
            "Mock registers: everybody here is made up, and no result is about anyone real."
            if evidence.get("population") == "mock"
            else "Internal: for use inside the secure environment. Small counts stand unmasked.",
            class_="internal",
        ),
        element(
            "p",
            element("a", "Data dictionary", href=DICTIONARY),
            ": what every column of the registers means.",
        ),
    )


def _figure(name: str) -> Html:
    caption = FIGURES[name]
    return element(
        "figure",
        element(
            "div",
            element("img", src=f"{name}.svg", alt=f"{caption}; the tables hold the same numbers."),
            class_="scroll picture",
            role="region",
            aria_label=caption,
            tabindex=0,
        ),
        element(
            "figcaption",
            caption,
            ": ",
            element("a", "vector", href=f"{name}.svg"),
            ", ",
            element("a", "print", href=f"{name}.pdf"),
            ", ",
            element("a", "bitmap", href=f"{name}.png"),
        ),
    )
