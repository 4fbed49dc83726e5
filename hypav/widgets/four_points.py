"""The four-point explorer of notebook 03."""

from __future__ import annotations

from hypav.plots import plot_four_points
from hypav.widgets.explorer import Control, Explorer

__all__ = ["four_point_explorer"]


def four_point_explorer() -> Explorer:
    """Three points stay, the fourth is moved; beside them the three sums of distances, and δ."""
    return Explorer(
        plot_four_points,
        [
            Control("angle", "angle of D, degrees", value=35.0, low=-180.0, high=180.0, step=5.0),
            Control("radius", "norm of D", value=0.88, low=0.0, high=0.99, step=0.01),
            Control("k", "curvature k", value=-1.0, low=-1.0, high=0.0, step=0.05),
        ],
    )
