"""What figures share: axes with the rim of the ball, k with a proper minus, and powers of ten."""

from __future__ import annotations

import math

from matplotlib.axes import Axes
from matplotlib.patches import Circle

__all__ = ["frame", "signed", "superscript"]


def frame(axes: Axes, k: float, reach: float, *, ticks: bool = True) -> None:
    """Axes of equal scale, with the rim (k < 0) or the equator (k > 0, dashed)."""
    if k != 0:
        line, fill = ("-", "#F7F7F7") if k < 0 else ("--", "none")
        axes.add_patch(
            Circle((0, 0), abs(k) ** -0.5, facecolor=fill, edgecolor="black", linestyle=line, linewidth=1.0)
        )
    axes.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal")
    axes.grid(False)
    if ticks:
        # three ticks a side: ticks are most of what a redraw costs
        ends = [-math.floor(reach), 0, math.floor(reach)]
        axes.set(xlabel="x₁", ylabel="x₂", xticks=ends, yticks=ends)
    else:
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set_visible(False)


def signed(k: float) -> str:
    """k in words: -0.5 as −0.5."""
    return f"{k:g}".replace("-", "−")


def superscript(power: int) -> str:
    """A whole number as an exponent: -12 as ⁻¹²."""
    return str(power).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
