"""The curvature explorer of notebook 01."""

from __future__ import annotations

from hypav.plots import plot_space
from hypav.widgets.explorer import Control, Explorer

__all__ = ["curvature_explorer"]


def curvature_explorer() -> Explorer:
    """Grid, circles, triangle and tree of `plot_space`, with sliders for the curvature k and the edge length."""
    return Explorer(
        plot_space,
        [
            Control("k", "curvature k", value=-0.5, low=-1.0, high=0.3, step=0.05),
            Control("edge", "length of an edge", value=1.2, low=0.6, high=1.5, step=0.1),
        ],
    )
