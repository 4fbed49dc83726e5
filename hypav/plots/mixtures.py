"""Figures of mixed geometries (Table 4): points on a sphere, and the losses of two heads and their mean."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from matplotlib.lines import Line2D
from matplotlib.patches import Circle
from torch import Tensor

from hypav.plots.frame import signed, superscript
from hypav.style import INK, OKABE_ITO, DescribedFigure, use_style

__all__ = ["plot_mixtures", "plot_sphere"]

# E, S and H of Table 4: colour and marker, as in the figures of the three geometries
_GEOMETRY = {"E": (INK, "s"), "S": (OKABE_ITO["vermilion"], "^"), "H": (OKABE_ITO["blue"], "o")}


def plot_sphere(
    angles: Mapping[str, Tensor], k: float, *, data: str
) -> tuple[DescribedFigure, dict[str, Tensor]]:
    """Where points lie on the sphere of curvature k > 0, seen from the side: the centre of the page above, its antipode
    below. Every second sample is drawn to the left.

    Args:
        angles: panel title to (N,) angles from the centre, in radians; beyond π a point has passed the antipode.
        data: what the data are called; the name of a simulated set says that it is one.

    Returns:
        figure and {title: (N,) angles}.
    """
    with use_style():
        figure = DescribedFigure(figsize=(7.8, 3.3))
        grid = figure.subplots(1, len(angles), squeeze=False)[0]
        figure.subplots_adjust(left=0.01, right=0.99, bottom=0.03, top=0.74, wspace=0.04)
        for axes, (title, angle) in zip(grid, angles.items(), strict=True):
            axes.add_patch(Circle((0, 0), 1, facecolor="#F7F7F7", edgecolor="black", linewidth=1))
            axes.axhline(0, color=INK, linestyle=":", linewidth=1)
            side = torch.where(torch.arange(len(angle)) % 2 == 0, 1.0, -1.0).to(angle.dtype)
            x, y = side * angle.sin(), angle.cos()
            axes.plot(x, y, "o", color=OKABE_ITO["vermilion"], markersize=5, alpha=0.5, markeredgewidth=0)
            for place, word, up in ((1, "centre", "bottom"), (-1, "antipode", "top")):
                axes.plot(0, place, "x", color="black", markersize=6)
                axes.text(0, 1.08 * place, word, ha="center", va=up, fontsize=8)
            axes.text(0, 0.03, "equator", ha="center", color=INK, fontsize=8)
            axes.set(xlim=(-1.5, 1.5), ylim=(-1.3, 1.3), aspect="equal", xticks=[], yticks=[])
            axes.set_title(f"{title}\nmean {math.degrees(float(angle.mean())):.0f}°", fontsize=9)
            axes.grid(False)
            axes.spines[:].set_visible(False)
        figure.suptitle(f"Where on the sphere of curvature {signed(k)} are the points?\n{data}")
    told = "; ".join(
        f"{' '.join(title.split())}: {math.degrees(float(a.min())):.0f} to {math.degrees(float(a.max())):.0f} degrees, "
        f"{100 * float((a > math.pi / 2).double().mean()):.0f} per cent beyond 90"
        for title, a in angles.items()
    )
    figure.alt_text = (
        f"A sphere of curvature {signed(k)} from the side, the centre of the page on top, with points of {data}. "
        f"{told}."
    )
    return figure, dict(angles)


def plot_mixtures(
    heads: Mapping[str, Mapping[str, Tensor]], *, data: str
) -> tuple[DescribedFigure, dict[str, dict[str, dict[str, Any]]]]:
    """The loss of mixed heads (Table 4) on one batch: a bar the mean (Eq. 7), on it the two heads it is made of.

    Args:
        heads: preset to {mixture, such as "E+H": (2,) losses of its heads}.

    Returns:
        figure and {preset: {mixture: {"heads": (2,), "loss"}}}.
    """
    shown: dict[str, dict[str, dict[str, Any]]] = {
        name: {mixture: {"heads": h.detach(), "loss": float(h.mean())} for mixture, h in row.items()}
        for name, row in heads.items()
    }
    with use_style():
        figure = DescribedFigure(figsize=(7.8, 3.5), layout="constrained")
        for axes, (name, row) in zip(
            figure.subplots(1, len(shown), squeeze=False)[0], shown.items(), strict=True
        ):
            power = math.floor(math.log10(max(part["loss"] for part in row.values())))
            unit = 10.0**power if power < -2 else 1.0
            for place, (mixture, part) in enumerate(row.items()):
                axes.bar(
                    place, part["loss"] / unit, width=0.62, color="#DDDDDD", edgecolor=INK, linewidth=0.8
                )
                for shift, letter, loss in zip(
                    (-0.14, 0.14), mixture.split("+"), part["heads"].tolist(), strict=True
                ):
                    color, marker = _GEOMETRY[letter]
                    axes.plot(place + shift, loss / unit, marker, color=color, markersize=7)
            axes.set_xticks(range(len(row)), list(row))
            scale = "" if unit == 1 else f" in units of 10{superscript(power)}"
            axes.set(title=name, ylabel=f"alignment loss{scale}", ylim=(0, None))
            axes.grid(False, axis="x")
        keys = [Line2D([], [], linestyle="", marker=m, color=c, markersize=7) for c, m in _GEOMETRY.values()]
        words = ["E: k = 0", "S: k > 0", "H: k < 0"]
        figure.legend(keys, words, loc="outside lower center", ncols=3, title="one head's own loss")
        figure.suptitle(f"Six mixtures of two heads, one batch: how many different losses?\n{data}")
    told = []
    for name, row in shown.items():
        losses = [part["loss"] for part in row.values()]
        if max(losses) - min(losses) < 1e-9 * max(losses):
            told.append(f"{name}: all bars are equally high")
        else:
            share = ", ".join(
                f"{mixture} {loss / max(losses):.2f}" for mixture, loss in zip(row, losses, strict=True)
            )
            told.append(f"{name}, as a share of the highest: {share}")
    figure.alt_text = f"Alignment losses of mixed heads on one batch of {data}. {'; '.join(told)}."
    return figure, shown
