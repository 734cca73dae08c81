"""The checks of figures' texts can fail."""

import pytest
from drawings import assert_apart, assert_plain, assert_within, shown_texts
from matplotlib.figure import Figure


def figure_with(*texts: tuple[float, float, str]) -> Figure:
    figure = Figure()
    for x, y, text in texts:
        figure.text(x, y, text)
    return figure


def test_texts_over_each_other_are_seen_and_those_apart_are_not():
    assert_apart(figure_with((0.2, 0.2, "one"), (0.2, 0.6, "other")))
    with pytest.raises(AssertionError, match="other"):
        assert_apart(figure_with((0.2, 0.2, "one"), (0.21, 0.2, "other")))
    with pytest.raises(AssertionError, match="no text"):
        assert_apart(Figure())


def test_a_text_beyond_the_page_is_seen():
    assert_within(figure_with((0.2, 0.2, "within")))
    with pytest.raises(AssertionError, match="beyond"):
        assert_within(figure_with((0.99, 0.2, "a text beyond the page")))


def test_an_unset_formula_is_seen():
    assert_plain([figure_with((0.2, 0.2, "ECE"))])
    with pytest.raises(AssertionError):
        assert_plain([figure_with((0.2, 0.2, r"\$x\$"))])


def test_labels_of_ticks_beyond_the_axis_are_not_shown():
    figure = Figure()
    axes = figure.add_subplot()
    axes.set_xticks([0, 1, 5], ["in", "also", "beyond"])
    axes.set_xlim(-1, 2)
    assert {"in", "also"} <= {text.get_text() for text, _ in shown_texts(figure)}
    assert "beyond" not in {text.get_text() for text, _ in shown_texts(figure)}
