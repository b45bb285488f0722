"""What a page of a release has around its sections: head, navigation, and what may be loaded."""

import re
from base64 import b64encode
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path

from etl.report.html import Content, Html, element, raw

STYLE = Path(__file__).with_name("page.css").read_text(encoding="utf-8")
SCRIPT = Path(__file__).with_name("page.js").read_text(encoding="utf-8")
# No font, no connection, no picture from anywhere, and no script but the one below.
POLICY = (
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; "
    f"script-src 'sha256-{b64encode(sha256(SCRIPT.encode()).digest()).decode()}'"
)

# id, heading, content
Section = tuple[str, str, Content]


def whole_page(title: str, skip: str, header: Html, sections: list[Section]) -> str:
    """The page as text; `skip` names the first section to who reads by keyboard."""
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=POLICY),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="referrer", content="no-referrer"),
        element("title", title),
        element("style", raw(STYLE)),
    )
    body = element(
        "body",
        element("a", skip, href=f"#{sections[0][0]}", class_="skip"),
        header,
        element(
            "div",
            element(
                "nav",
                element(
                    "ul",
                    [element("li", element("a", h, href=f"#{id_}")) for id_, h, _ in sections],
                ),
                aria_label="Sections",
            ),
            element("main", [part(id_, heading, content) for id_, heading, content in sections]),
            class_="page",
        ),
        element("script", raw(SCRIPT)),
    )
    return f"<!DOCTYPE html>\n{element('html', head, body, lang='en')}\n"


def part(id_: str, heading: Content, *content: Content, level: int = 2) -> Html:
    """A section that can be linked to, with its heading."""
    return element("section", element(f"h{level}", heading, id=id_), *content, aria_labelledby=id_)


def internal(population: str | None) -> Html:
    """Who may see the page, in one sentence."""
    return element(
        "p",
        "Mock registers: everybody here is made up, and no result is about anyone real."
        if population == "mock"
        else "Internal: for use inside the secure environment. Small counts stand unmasked.",
        class_="internal",
    )


def figure(name: str, caption: str, svg: str, files: Iterable[str]) -> Html:
    """A picture within the page, and the files beside it that hold the same."""
    links = [
        [" ", element("a", file.rpartition(".")[2].upper(), href=file, download=True)]
        for file in files
    ]
    return element(
        "figure",
        element(
            "div",
            inline(svg, name, f"{caption}; the tables hold the same numbers."),
            class_=f"scroll picture {name}",
            role="region",
            aria_label=caption,
            tabindex=0,
        ),
        element("figcaption", caption, ".", links),
    )


def inline(svg: str, name: str, words: str) -> Html:
    """A figure of ours as an element of the page: its ids its own, its style its own, no address.

    Raises ValueError where the text is not one SVG picture.
    """
    found = re.search(r"<svg\b[^>]*>(.*)</svg>", svg, re.DOTALL)
    size = re.search(r'viewBox="([-\d. ]+)"', svg)
    if not found or not size:
        raise ValueError(f"{name}: no SVG picture. Expected one <svg> with a viewBox.")
    inner = re.sub(r"<title>.*?</title>|<style\b.*?</style>|<!--.*?-->", "", found[1], flags=re.S)
    inner = inner.replace("xlink:href=", "href=")
    inner = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{name}-", inner)
    inner = re.sub(r"\s*\n\s*", " ", inner)
    width = float(size[1].split()[2])
    return element(
        "svg",
        raw(inner),
        viewBox=size[1],
        width=f"{width:.0f}",
        role="img",
        aria_label=words,
        stroke_linejoin="round",
        stroke_linecap="butt",
    )
