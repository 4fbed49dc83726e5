"""Figures of notebook 12: which word vector each class gets."""

from __future__ import annotations

from collections.abc import Sequence

from hypav.errors import DataError
from hypav.figures.runs import plot_phases  # noqa: F401
from hypav.figures.style import BLUE, VERMILION, Drawn, bare, canvas


def plot_text_rows(names: Sequence[str], given: Sequence[int]) -> Drawn:
    """Draw the classes on the left, with lines to the classes on the right whose word vectors they get.

    Args:
        names: the C class names in their order.
        given: for each class the index in `names` of the class whose vector it gets.

    Returns:
        figure and {"given": C indices, "shifted": the number of classes that get another class's vector}.

    Raises:
        DataError: `given` does not hold one index of `names` for each class.
    """
    if len(given) != len(names) or not all(0 <= row < len(names) for row in given):
        raise DataError(
            f"{len(given)} indices were given for {len(names)} classes; give each class the index of one class."
        )
    shifted = [index for index, row in enumerate(given) if index != row]
    height = 0.9 + 0.21 * len(names)
    with canvas(6.4, height, margins=(0.27, 0.02, 0.73, 1 - 0.4 / height)) as (figure, axes):
        for index, row in enumerate(given):
            color, style = (BLUE, "-") if index == row else (VERMILION, "--")
            axes.plot([0, 1], [index, row], style, color=color, marker="o", markersize=4, clip_on=False)
            axes.text(-0.03, index, names[index], ha="right", va="center", fontsize=8, color=color)
            axes.text(1.03, row, names[row], ha="left", va="center", fontsize=8, color=color)
        axes.text(-0.03, -1, "the class", ha="right", va="center", fontsize=9)
        axes.text(1.03, -1, "gets the word vector of", ha="left", va="center", fontsize=9)
        axes.set(xlim=(0, 1), ylim=(len(names) - 0.5, -1.5))
        bare(axes)
        figure.suptitle("Whose word does each class get?")
    examples = "; ".join(f"{names[index]} that of {names[given[index]]}" for index in shifted[:4])
    figure.alt_text = (
        f"{len(names)} classes, each joined to the class whose word vector it gets. {len(names) - len(shifted)} lines "
        f"are straight, {len(shifted)} go to another class{': ' + examples if shifted else ''}"
        f"{' and so on' if len(shifted) > 4 else ''}."
    )
    return figure, {"given": list(given), "shifted": len(shifted)}
