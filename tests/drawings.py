"""What the texts of a figure take up, and that none lies over another."""

from collections.abc import Sequence
from itertools import combinations, pairwise

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from analysis.exhibits.common.exhibit import paper_style


def shown_texts(figure: Figure) -> list[tuple[Text, Bbox]]:
    """Every text that is seen, with its box in pixels; not labels of ticks beyond an axis's end."""
    canvas = FigureCanvasAgg(figure)
    with paper_style():
        canvas.draw()
    beyond = {
        label
        for axes in figure.axes
        for axis in (axes.xaxis, axes.yaxis)
        for tick in axis.get_major_ticks()
        for label in (tick.label1, tick.label2)
        if not min(axis.get_view_interval()) <= tick.get_loc() <= max(axis.get_view_interval())
    }
    return [
        (text, text.get_window_extent(canvas.get_renderer()))
        for text in figure.findobj(Text)
        if text.get_visible() and text.get_text().strip() and text not in beyond
    ]


def assert_apart(figure: Figure, width: float = 1.0, height: float = 1.0) -> None:
    """No text lies over another; slanted ones, whose boxes are larger than they, are left out.

    Args:
        width, height: the share of each box that must be free.
    """
    upright = [shown for shown in shown_texts(figure) if shown[0].get_rotation() in (0, 90)]
    assert upright, "the figure has no text"
    for (one, first), (other, second) in combinations(upright, 2):
        apart = not first.shrunk(width, height).overlaps(second.shrunk(width, height))
        assert apart, (one.get_text(), other.get_text())


def assert_within(figure: Figure, slack: float = 0.0) -> None:
    """No text leaves the page by more than so many pixels."""
    for text, box in shown_texts(figure):
        assert (box.min >= -slack).all(), text
        assert (box.max <= figure.bbox.max + slack).all(), text


def assert_plain(figures: Sequence[Figure]) -> None:
    """No text has marks of mathematics that were not set."""
    assert not [t for figure in figures for t, _ in shown_texts(figure) if "$" in t.get_text()]


def assert_neighbours_apart(figure: Figure) -> None:
    """Of an axis's labels, and of a panel's own texts, none lies over the next.

    Slanted ones stand side by side and keep the height of a line between them.
    """
    boxes = dict(shown_texts(figure))
    for axes in figure.axes:
        for group in (axes.get_xticklabels(), axes.get_yticklabels(), axes.texts):
            for one, other in pairwise(text for text in group if text in boxes):
                assert one.get_rotation() == other.get_rotation()
                if slant := np.radians(one.get_rotation()):
                    apart = (boxes[other].x1 - boxes[one].x1) * np.sin(slant)
                    assert apart > one.get_fontsize() * figure.dpi / 72
                else:
                    assert not boxes[one].overlaps(boxes[other]), (one, other)
