"""The explorer of notebook 09: which alignment losses feel the curvature."""

from __future__ import annotations

from functools import partial

from torch import Tensor

from hypav.plots import plot_alignment_choice
from hypav.widgets.explorer import Choice, Control, Explorer

__all__ = ["alignment_explorer"]


def alignment_explorer(phi_v: Tensor, phi_a: Tensor, avca: float, *, data: str) -> Explorer:
    """The loss of `plot_alignment_choice` over k, with menus for what it compares, and sliders for scale and weight.

    Args:
        phi_v, phi_a: (N, D) embeddings of the same N samples; 64 redraw fast enough.
        avca: L_avca of the batch.
        data: what the data are called; the name of a simulated set says that it is one.
    """
    return Explorer(
        partial(plot_alignment_choice, phi_v, phi_a, avca, data=data),
        [
            Choice("similarity", "similarity", "cosine", ("cosine", "inner", "distance", "kernel")),
            Choice("normalise", "normalise", "frobenius", ("frobenius", "row", "none")),
            Choice("base", "base point", "origin", ("origin", "midpoint")),
            Choice("to_ball", "into the ball by", "project", ("project", "expmap0")),
            Control("log_scale", "scale, power of 10", value=0.0, low=-2.0, high=0.0, step=0.25),
            Control("log_weight", "weight, power of 10", value=0.0, low=-3.0, high=4.0, step=0.5),
        ],
    )
