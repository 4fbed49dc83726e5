"""The figure of notebook 12 by what it plots and says."""

from __future__ import annotations

import pytest

from hypav.errors import DataError
from hypav.figures import plot_text_rows
from hypav.figures.style import OKABE_ITO

NAMES = ["Archery", "Clean", "Cut", "Dive"]


def test_each_class_is_joined_to_the_class_whose_vector_it_gets() -> None:
    figure, data = plot_text_rows(NAMES, [0, 2, 3, 1])
    assert data == {"given": [0, 2, 3, 1], "shifted": 3}
    lines = figure.axes[0].lines
    assert [list(line.get_ydata()) for line in lines] == [[0, 0], [1, 2], [2, 3], [3, 1]]
    looks = [(line.get_color(), line.get_linestyle()) for line in lines]
    assert looks == [(OKABE_ITO["blue"], "-")] + [(OKABE_ITO["vermilion"], "--")] * 3
    words = {(text.get_text(), *text.get_position()) for text in figure.axes[0].texts}
    assert {("Clean", -0.03, 1), ("Cut", 1.03, 2), ("Clean", 1.03, 1)} <= words
    assert "1 lines are straight, 3 go to another class: Clean that of Cut; " in figure.alt_text


def test_nothing_shifted_is_told_as_nothing() -> None:
    figure, data = plot_text_rows(NAMES, [0, 1, 2, 3])
    assert data["shifted"] == 0
    assert "4 lines are straight, 0 go to another class." in figure.alt_text


@pytest.mark.parametrize("given", [[0, 1, 2], [0, 1, 2, 4], [0, 1, 2, -1]])
def test_places_that_are_none_are_refused(given: list[int]) -> None:
    with pytest.raises(DataError, match="give each class one"):
        plot_text_rows(NAMES, given)
