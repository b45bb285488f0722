"""What a page of a release has around its sections: head, navigation, and what may be loaded."""

from pathlib import Path

from etl.report.html import Content, Html, element, raw

STYLE = Path(__file__).with_name("page.css")
# No script, no font, no connection; pictures from beside the page only.
POLICY = "default-src 'none'; img-src 'self' file:; style-src 'unsafe-inline'"

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
        element("style", raw(STYLE.read_text(encoding="utf-8"))),
    )
    body = element(
        "body",
        element("a", skip, href=f"#{sections[0][0]}", class_="skip"),
        header,
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


def internal(population: str | None) -> Html:
    """Who may see the page, in one sentence."""
    return element(
        "p",
        "Mock registers: everybody here is made up, and no result is about anyone real."
        if population == "mock"
        else "Internal: for use inside the secure environment. Small counts stand unmasked.",
        class_="internal",
    )


def figure(name: str, caption: str) -> Html:
    """A picture from beside the page, as vector and as bitmap."""
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
