"""HTML by elements. Everything that is not an element already is escaped when it becomes a child,
so that nothing can be forgotten. Pure."""

from collections.abc import Iterable
from html import escape
from urllib.parse import quote


class Html(str):
    """Markup, finished: made by `element` and by nothing else outside this module."""

    __slots__ = ()


Content = str | int | float | None | Iterable["Content"]
VOID = {"img", "input", "meta"}


def element(name: str, /, *children: Content, **attributes: str | int | bool | None) -> Html:
    """One element. `class_` gives class; an attribute that is None or False is left out."""
    words = ""
    for key, value in attributes.items():
        if value is None or value is False:
            continue
        words += f" {key.rstrip('_').replace('_', '-')}"
        if value is not True:
            words += f'="{escape(str(value), quote=True)}"'
    if name in VOID:
        return Html(f"<{name}{words}>")
    return Html(f"<{name}{words}>{_markup(children)}</{name}>")


def joined(children: Content) -> Html:
    return Html(_markup(children))


def _markup(children: Content) -> str:
    # By type, the most frequent first: a page has hundreds of thousands of children.
    kind = type(children)
    if kind is Html:
        return children
    if kind is str:
        return escape(children, quote=False)
    if children is None:
        return ""
    if isinstance(children, str | int | float):
        return escape(str(children), quote=False)
    return "".join([_markup(child) for child in children])


def raw(text: str) -> Html:
    """Markup or style of our own, from this package and from nowhere else."""
    return Html(text)


def beside(path: str) -> str:
    """The address of a file beside the page, whatever its name holds."""
    return "./" + quote(path.lstrip("/"))
