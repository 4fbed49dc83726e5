"""The explorer of notebook 02: two points while the curvature crosses zero."""

from __future__ import annotations

from hypav.plots import plot_two_points
from hypav.widgets.explorer import Control, Explorer

__all__ = ["geometries_explorer"]


def geometries_explorer() -> Explorer:
    """Two points, their geodesic and distance, with sliders for the curvature k and for how far out they lie."""
    return Explorer(
        plot_two_points,
        [
            Control("k", "curvature k", value=-0.8, low=-1.0, high=1.0, step=0.05),
            Control("reach", "norm of the farther point", value=0.9, low=0.1, high=0.95, step=0.05),
        ],
    )
