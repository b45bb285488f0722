"""The tables of the page, of one shape: a caption, heads with a scope, a region that scrolls."""

from dataclasses import dataclass

from etl.report.html import Content, Html, element, joined


@dataclass(frozen=True)
class Column:
    """A head, and how its cells read: as words, as numbers, or as a code."""

    head: str
    look: str | None = None


def number(head: str) -> Column:
    return Column(head, "n")


def code(head: str) -> Column:
    return Column(head, "code")


def table(caption: Content, columns: list[Column], rows: list[list[Content]]) -> Html:
    """A plain table; the first cell of a row names it. Says so where there is no row."""
    if not rows:
        return element("p", joined(caption), ": none.", class_="empty")
    head = element("tr", [element("th", c.head, scope="col", class_=c.look) for c in columns])
    body = [
        element(
            "tr",
            element("th", cells[0], scope="row", class_=columns[0].look),
            [
                element("td", cell, class_=column.look)
                for column, cell in zip(columns[1:], cells[1:], strict=True)
            ],
        )
        for cells in rows
    ]
    return scrolling(caption, element("thead", head), element("tbody", body))


def scrolling(caption: Content, *parts: Html, class_: str | None = None) -> Html:
    """A table that scrolls sideways on a narrow screen, by keyboard too."""
    # A screen reader names the region as a sighted reader sees the caption.
    return element(
        "div",
        element("table", element("caption", caption), *parts, class_=class_),
        class_="scroll",
        role="region",
        aria_label=_text(caption),
        tabindex=0,
    )


def folded(summary: str, *content: Content, is_long: bool = False) -> Html:
    """What few need to see, one key away; opened in print unless it is long."""
    return element(
        "details", element("summary", summary), *content, class_="long" if is_long else None
    )


def _text(caption: Content) -> str:
    return caption if isinstance(caption, str) and not isinstance(caption, Html) else "Table"
