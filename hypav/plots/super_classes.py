"""The paper's Figures 3 and 4: t-SNEs of theta_v, each with what was measured in the space itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from matplotlib.lines import Line2D
from torch import Tensor

from hypav.style import DescribedFigure, cues, use_style

__all__ = ["TsnePanel", "plot_super_classes"]


@dataclass(frozen=True)
class TsnePanel:
    """One t-SNE: (n, 2) points and what each is called, (c, 2) class names and theirs, and what was measured."""

    title: str
    points: Tensor
    names: Sequence[str]
    stars: Tensor
    star_names: Sequence[str]
    told: str


def plot_super_classes(
    panels: Sequence[TsnePanel], *, columns: int, question: str, data: str
) -> tuple[DescribedFigure, dict[str, Any]]:
    """t-SNEs in rows of `columns`, a colour and a marker a name, class names (theta_w) as stars; no axes, for a t-SNE
    has no unit.

    Returns:
        figure and {title: {"points": (n, 2), "stars": (c, 2)}}.
    """
    looks = cues(sorted({name for panel in panels for name in (*panel.names, *panel.star_names)}), reuse=True)
    rows = -(-len(panels) // columns)
    with use_style():
        figure = DescribedFigure(
            figsize=(min(8.0, 3.9 * columns), 0.6 + 3.9 * rows + 0.25 * len(looks) / 2), layout="constrained"
        )
        for axes, panel in zip(figure.subplots(rows, columns, squeeze=False).flat, panels, strict=False):
            for name, look in looks.items():
                own = torch.tensor([n == name for n in panel.names])
                axes.plot(*panel.points[own].T, look.marker, color=look.color, ms=4, alpha=0.8, mew=0)
                own = torch.tensor([n == name for n in panel.star_names])
                axes.plot(*panel.stars[own].T, "*", color=look.color, ms=14, mec="black", zorder=3)
            axes.set(xticks=[], yticks=[], title=panel.title)
            axes.set_xlabel(panel.told, fontsize=9)
            axes.grid(False)
        handles = [
            Line2D([], [], color=look.color, marker=look.marker, ls="", label=name)
            for name, look in looks.items()
        ]
        handles.append(Line2D([], [], color="white", marker="*", mec="black", ms=11, ls="", label="θ_w"))
        figure.legend(handles=handles, loc="outside lower center", ncols=2 if len(looks) > 3 else 4)
        figure.suptitle(f"{question}\n{data}")
    told = "; ".join(
        f"{panel.title}: {len(panel.points)} videos of {', '.join(dict.fromkeys(panel.star_names))}, {panel.told}"
        for panel in panels
    )
    figure.alt_text = (
        f"t-SNEs of theta_v on {data}, class names as stars. {told}. Distances were measured in the space itself; "
        "gaps and sizes on a t-SNE are not."
    ).replace("\n", " ")
    return figure, {panel.title: {"points": panel.points, "stars": panel.stars} for panel in panels}
