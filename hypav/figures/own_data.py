"""Figures of notebook 12: which word vector each class gets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hypav.errors import DataError
from hypav.figures.style import OKABE_ITO, DescribedFigure, use_style


def plot_text_rows(names: Sequence[str], given: Sequence[int]) -> tuple[DescribedFigure, dict[str, Any]]:
    """Classes on the left, the classes whose word vectors they get on the right, a line from one to the other.

    Args:
        names: the C class names in their order.
        given: for each class the place in `names` of the class whose vector it gets.

    Returns:
        figure and {"given": C places, "shifted": how many classes get another's}.

    Raises:
        DataError: not one place a class.
    """
    if len(given) != len(names) or not all(0 <= row < len(names) for row in given):
        raise DataError(
            f"{len(given)} places were given for {len(names)} classes: give each class one of theirs."
        )
    shifted = [place for place, row in enumerate(given) if place != row]
    with use_style():
        figure = DescribedFigure(figsize=(6.4, 0.9 + 0.21 * len(names)))
        axes = figure.subplots()
        figure.subplots_adjust(left=0.27, right=0.73, top=1 - 0.4 / figure.get_figheight(), bottom=0.02)
        for place, row in enumerate(given):
            color, style = (OKABE_ITO["blue"], "-") if place == row else (OKABE_ITO["vermilion"], "--")
            axes.plot([0, 1], [place, row], style, color=color, marker="o", markersize=4, clip_on=False)
            axes.text(-0.03, place, names[place], ha="right", va="center", fontsize=8, color=color)
            axes.text(1.03, row, names[row], ha="left", va="center", fontsize=8, color=color)
        axes.text(-0.03, -1, "the class", ha="right", va="center", fontsize=9)
        axes.text(1.03, -1, "gets the word vector of", ha="left", va="center", fontsize=9)
        axes.set(xlim=(0, 1), ylim=(len(names) - 0.5, -1.5), xticks=[], yticks=[])
        axes.grid(False)
        axes.spines[:].set_visible(False)
        figure.suptitle("Whose word does each class get?")
    told = "; ".join(f"{names[place]} that of {names[given[place]]}" for place in shifted[:4])
    figure.alt_text = (
        f"{len(names)} classes, each joined to the class whose word vector it gets. {len(names) - len(shifted)} lines "
        f"are straight, {len(shifted)} go to another class{': ' + told if shifted else ''}"
        f"{' and so on' if len(shifted) > 4 else ''}."
    )
    return figure, {"given": list(given), "shifted": len(shifted)}
