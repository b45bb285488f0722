"""A sheet to draw on, in points from the upper left corner, that gives the same bytes every time.

Text is measured before it is placed, so columns are as wide as their words and nothing overlaps.
The font is the one that matplotlib brings along, never one of the host; matplotlib is imported
only when something is drawn, and through its objects, without pyplot's global state.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

INK, QUIET, FAINT, BAND = "#111111", "#5a5a5a", "#b8b8b8", "#f3f3f3"
BLUE = "#0072b2"  # Okabe and Ito (2008): told apart with any colour vision, dark in print
SIZE = 9.0  # of text, in points
LINE = 1.28  # from one baseline to the next, in sizes
BITMAP_DPI = 200


@contextmanager
def own_style() -> Iterator[None]:
    """matplotlib's own defaults, whatever the user's matplotlibrc says; one salt for SVG ids.

    Without hinting a line is as wide on the bitmap as it was measured.
    """
    import matplotlib

    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(
            {
                "svg.hashsalt": "kobling",
                "svg.fonttype": "path",
                "pdf.fonttype": 42,
                "text.hinting": "none",
            }
        )
        yield


@cache
def _font(size: float, bold: bool):
    import matplotlib
    from matplotlib.font_manager import FontProperties

    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return FontProperties(
        fname=str(Path(matplotlib.get_data_path(), "fonts", "ttf", name)), size=size
    )


@cache
def width_of(text: str, size: float = SIZE, bold: bool = False) -> float:
    """Width of one line of text, in points."""
    from matplotlib.textpath import text_to_path

    return text_to_path.get_text_width_height_descent(text, _font(size, bold), ismath=False)[0]


def widest(texts, size: float = SIZE, bold: bool = False) -> float:
    return max((width_of(text, size, bold) for text in texts), default=0.0)


def wrapped(text: str, width: float, size: float = SIZE, bold: bool = False) -> list[str]:
    """Lines no wider than `width`; a word wider than that is cut."""
    lines, line = [], ""
    for word in text.split():
        longer = f"{line} {word}" if line else word
        if width_of(longer, size, bold) <= width:
            line = longer
            continue
        if line:
            lines.append(line)
        while width_of(word, size, bold) > width and len(word) > 1:
            fits = max(
                (n for n in range(1, len(word)) if width_of(word[:n], size, bold) <= width),
                default=1,
            )
            lines.append(word[:fits])
            word = word[fits:]
        line = word
    return [*lines, line] if line or not lines else lines


class Sheet:
    """A white sheet of `width` × `height` points; x goes right and y goes down."""

    def __init__(self, width: float, height: float):
        from matplotlib.figure import Figure
        from matplotlib.transforms import Affine2D

        self.figure = Figure(figsize=(width / 72, height / 72), facecolor="white")
        self._points = (
            Affine2D().scale(1 / 72, -1 / 72).translate(0, height / 72)
            + self.figure.dpi_scale_trans
        )

    def text(
        self,
        x: float,
        y: float,
        text: str,
        *,
        align: str = "left",
        size: float = SIZE,
        bold: bool = False,
        colour: str = INK,
    ) -> None:
        """One line; `y` is its baseline. Dollar signs are dollar signs."""
        from matplotlib.text import Text

        if not text:
            return
        artist = Text(
            x,
            y,
            text,
            fontproperties=_font(size, bold),
            color=colour,
            horizontalalignment=align,
            verticalalignment="baseline",
            parse_math=False,
        )
        self._add(artist)

    def line(
        self, points, *, width: float = 0.8, colour: str = INK, style="solid", order: float = 2
    ) -> None:
        from matplotlib.lines import Line2D

        xs, ys = zip(*points, strict=True)
        line = Line2D(
            xs, ys, linewidth=width, color=colour, linestyle=style, zorder=order,
            solid_capstyle="butt", dash_capstyle="butt", solid_joinstyle="miter",
        )  # fmt: skip
        self._add(line)

    def area(self, points, *, fill: str = "none", edge: str = "none", order: float = 1) -> None:
        from matplotlib.patches import Polygon

        self._add(
            Polygon(
                list(points), closed=True, facecolor=fill, edgecolor=edge, linewidth=0.8,
                zorder=order,
            )
        )  # fmt: skip

    def box(self, x: float, y: float, width: float, height: float, **look) -> None:
        self.area([(x, y), (x + width, y), (x + width, y + height), (x, y + height)], **look)

    def arrow_head(self, x: float, y: float, dx: int, dy: int, size: float = 4) -> None:
        """A filled triangle whose tip is at (x, y), pointing along (dx, dy)."""
        back_x, back_y = x - dx * size, y - dy * size
        half = size * 0.6
        self.area(
            [(x, y), (back_x - dy * half, back_y - dx * half),
             (back_x + dy * half, back_y + dx * half)],
            fill=INK, order=4,
        )  # fmt: skip

    def save(self, svg: Path, png: Path, title: str) -> None:
        """As vector, SVG and beside it PDF, and as bitmap; none says when or by what it was made.

        The PDF carries its fonts; in the SVG letters are outlines.
        """
        nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        self.figure.savefig(svg, format="svg", metadata={**nothing, "Title": title})
        text = svg.read_text(encoding="utf-8")
        # The document type and the metadata block name addresses on servers; neither is needed.
        text = re.sub(r"<!DOCTYPE.*?>\s*", "", text, count=1, flags=re.DOTALL)
        text = re.sub(r"\s*<metadata>.*?</metadata>", "", text, count=1, flags=re.DOTALL)
        svg.write_text(text, encoding="utf-8")
        unsaid = dict.fromkeys(("CreationDate", "Creator", "Producer"))
        self.figure.savefig(
            svg.with_suffix(".pdf"), format="pdf", metadata={**unsaid, "Title": title}
        )
        self.figure.savefig(png, format="png", dpi=BITMAP_DPI, metadata={"Software": None})

    def _add(self, artist) -> None:
        artist.set_transform(self._points)
        self.figure.add_artist(artist)
