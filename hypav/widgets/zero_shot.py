"""The beta explorer of notebook 04."""

from __future__ import annotations

from functools import partial

from hypav.plots import plot_beta
from hypav.protocol import Curve
from hypav.widgets.explorer import Control, Explorer

__all__ = ["beta_explorer"]


def beta_explorer(curve: Curve, *, data: str = "") -> Explorer:
    """S, U and HM of `plot_beta`, with a slider for beta.

    Args:
        curve: of `protocol.sweep`, at betas of equal steps; the slider goes from the first to the last. Nothing is
            predicted anew while it moves.
        data: what the data are called; the name of a simulated set says that it is one.
    """
    low, high = float(curve.betas[0]), float(curve.betas[-1])
    step = (high - low) / (len(curve.betas) - 1)
    start = float(curve.betas[len(curve.betas) // 4])
    return Explorer(
        partial(plot_beta, curve, data=data),
        [Control("beta", "β", value=start, low=low, high=high, step=step)],
    )
