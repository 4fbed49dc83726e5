"""Figures on whether an alignment loss depends on the curvature: what Eqs. 1 and 3 do to a row, and losses over k."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from hypav import geometry
from hypav.alignment import AlignmentConfig, head_losses
from hypav.plots.frame import signed
from hypav.style import CUES, INK, OKABE_ITO, DescribedFigure, use_style

__all__ = [
    "losses_over_k",
    "plot_alignment_choice",
    "plot_loss_over_k",
    "plot_loss_surface",
    "plot_row_scales",
]

FLAT = 1e-9  # a loss that moves by less of itself than this does not depend on k: what is left is rounding
_BLUE = OKABE_ITO["blue"]


def losses_over_k(
    phi_v: Tensor, phi_a: Tensor, ks: Sequence[float] | Tensor, config: AlignmentConfig
) -> Tensor:
    """Eq. 4, unweighted, of one batch (N, D) at each of the curvatures: shape (len(ks),)."""
    with torch.no_grad():
        return head_losses(phi_v, phi_a, torch.as_tensor(ks, dtype=phi_v.dtype).unsqueeze(0), config)


def plot_row_scales(
    ks: Sequence[float] = (-1.0, -0.2, 0.0, 0.5), *, longest: float = 6.0, xi: float = 1e-3
) -> tuple[DescribedFigure, dict[str, Any]]:
    """By which number Eqs. 1 and 3 at the origin multiply a row of length r: |log0(project(x))| / |x|.

    Returns:
        figure and {"length" (60,), "k=…": (60,)}.
    """
    length = torch.arange(1, 61, dtype=torch.float64) * (longest / 60)
    shown: dict[str, Any] = {"length": length}
    for k in ks:
        points = geometry.project(length[:, None], k=k, xi=xi)
        shown[f"k={k:g}"] = geometry.logmap0(points, k=k)[:, 0] / length
    with use_style():
        figure = DescribedFigure(figsize=(6.6, 3.6), layout="constrained")
        axes = figure.subplots()
        for k, look in zip(ks, CUES, strict=False):
            style: dict[str, Any] = {"color": look.color, "linestyle": look.linestyle, "marker": look.marker}
            axes.plot(length, shown[f"k={k:g}"], **style, markevery=10, label=f"k = {signed(k)}")
        axes.set(xlabel="|x|, the length of a row", ylabel="sₖ(|x|)", yscale="log", ylim=(0.25, 5))
        axes.set_yticks([0.25, 0.5, 1, 2, 4], ["0.25", "0.5", "1", "2", "4"])
        axes.minorticks_off()
        axes.legend(ncols=2)
        axes.set_title("By which number do Eqs. 1 and 3 multiply a row?\n(the formula itself, no data)")
    told = "; ".join(
        f"k = {signed(k)}: from {float(shown[f'k={k:g}'][0]):.2f} through {float(shown[f'k={k:g}'].max()):.2f} to "
        f"{float(shown[f'k={k:g}'][-1]):.2f}"
        for k in ks
    )
    figure.alt_text = (
        f"The factor by which a row is multiplied, over its length from {float(length[0]):g} to {longest:g}: at the "
        f"shortest, at its largest, at the longest row. {told}. It is above zero everywhere."
    )
    return figure, shown


def plot_loss_over_k(
    phi_v: Tensor,
    phi_a: Tensor,
    configs: Mapping[str, AlignmentConfig],
    ks: Sequence[float],
    *,
    data: str,
    title: str = "Which of these losses feel the curvature?",
) -> tuple[DescribedFigure, dict[str, Any]]:
    """One panel a configuration: the loss over k, in units of its value at the k nearest to 0.

    Args:
        phi_v, phi_a: (N, D) embeddings of the same N samples.
        configs: name -> configuration; a name may break its line. Their curvatures are not looked at.
        ks: the curvatures, increasing.
        data: what the data are called; the name of a simulated set says that it is one.

    Returns:
        figure and {"k", name: {"loss" (len(ks),) in those units, "flat": whether rounding alone moves it}}.
    """
    ks = [float(k) for k in ks]
    middle = min(range(len(ks)), key=lambda place: abs(ks[place]))
    shown: dict[str, Any] = {"k": ks}
    for name, config in configs.items():
        loss = losses_over_k(phi_v, phi_a, ks, config)
        loss = loss / loss[middle]
        shown[_line(name)] = {"loss": loss, "flat": bool(loss.max() - loss.min() < FLAT)}
    top = 1.15 * max(float(row["loss"].max()) for row in list(shown.values())[1:])
    columns = min(4, len(configs))
    rows = math.ceil(len(configs) / columns)
    with use_style():
        figure = DescribedFigure(figsize=(min(8.0, 2.8 * columns), 0.9 + 2.1 * rows), layout="constrained")
        panels = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).ravel()
        for axes, name in zip(panels, configs, strict=False):
            row = shown[_line(name)]
            color, dash = (INK, "--") if row["flat"] else (_BLUE, "-")
            axes.plot(ks, row["loss"], dash, color=color)
            axes.axvline(0, color=INK, linewidth=0.6)
            axes.set_title(name, fontsize=9)
            if row["flat"]:
                axes.text(0.5, 0.06, "flat", transform=axes.transAxes, ha="center", color=color)
        panels[0].set_ylim(0, top)
        for axes in panels[len(configs) :]:
            axes.set_visible(False)
        figure.supxlabel("curvature k", fontsize=10)
        figure.supylabel("loss / loss at k = 0", fontsize=10)
        figure.suptitle(f"{title}\n{data}")
    told = "; ".join(f"{name}: {_moves(shown[name])}" for name in map(_line, configs))
    ends = f"from {signed(ks[0])} to {signed(ks[-1])}"
    figure.alt_text = f"The alignment loss on {data} over k {ends}, in units of its value at 0. {told}."
    return figure, shown


def plot_loss_surface(
    phi_v: Tensor,
    phi_a: Tensor,
    configs: Mapping[str, AlignmentConfig],
    ks: Sequence[float],
    scales: Sequence[float],
    *,
    data: str,
) -> tuple[DescribedFigure, dict[str, Any]]:
    """One panel a configuration: the loss, over k and over the number that multiplies the embeddings first.

    Args:
        data: what the data are called; the name of a simulated set says that it is one.

    Returns:
        figure and {"k", "scale", name: (len(scales), len(ks)) loss, each row divided by its value at the last k}.
    """
    ks, scales = [float(k) for k in ks], [float(s) for s in scales]
    shown: dict[str, Any] = {"k": ks, "scale": scales}
    for name, config in configs.items():
        loss = torch.stack([losses_over_k(s * phi_v, s * phi_a, ks, config) for s in scales])
        # each scale in units of its flattest loss: what is left is what the curvature does
        shown[name] = loss / loss[:, -1:]
    with use_style():
        figure = DescribedFigure(figsize=(8, 3.4), layout="constrained")
        panels = figure.subplots(1, len(configs), sharey=True, squeeze=False)[0]
        for axes, name in zip(panels, configs, strict=True):
            style: dict[str, Any] = {"cmap": "cividis", "vmin": -2, "vmax": 2, "shading": "nearest"}
            image = axes.pcolormesh(ks, scales, shown[name].log2(), **style)
            axes.set(title=name, xlabel="curvature k", yscale="log")
            axes.grid(False)
        panels[0].set_ylabel("scale of the embeddings")
        bar = figure.colorbar(image, ax=list(panels), shrink=0.9, extend="both", ticks=range(-2, 3))
        bar.ax.set_yticklabels(["1/4", "1/2", "1", "2", "4"])
        bar.set_label(f"loss / loss at k = {signed(ks[-1])}")
        figure.suptitle(f"How much curvature is there to feel, and where?\n{data}")
    told = "; ".join(
        f"{name}: between {float(shown[name].min()):.2f} and {float(shown[name].max()):.2f}"
        for name in configs
    )
    figure.alt_text = (
        f"Heat maps of the loss on {data} over k from {signed(ks[0])} to {signed(ks[-1])} and scales from "
        f"{scales[0]:g} to {scales[-1]:g}, each scale in units of its loss at the last k. {told}."
    )
    return figure, shown


def plot_alignment_choice(
    phi_v: Tensor,
    phi_a: Tensor,
    avca: float,
    *,
    data: str,
    similarity: str = "cosine",
    normalise: str = "frobenius",
    base: str = "origin",
    to_ball: str = "project",
    log_scale: float = 0.0,
    log_weight: float = 0.0,
) -> tuple[DescribedFigure, dict[str, Any]]:
    """One configuration: its loss over k, and its weighted size beside L_avca.

    Args:
        avca: L_avca of the batch.
        data: what the data are called; the name of a simulated set says that it is one.
        log_scale, log_weight: powers of ten of the embeddings' scale and of the term's weight.

    Returns:
        figure and {"k" (13,), "loss" (13,) weighted, "avca", "share": of L_avca in percent at k = -0.2, "flat"}.
    """
    config = AlignmentConfig(
        similarity=similarity,  # type: ignore[arg-type]
        normalise=normalise,  # type: ignore[arg-type]
        base=base,  # type: ignore[arg-type]
        to_ball=to_ball,  # type: ignore[arg-type]
        scale=10**log_scale,
        weight=10**log_weight,
    )
    ks = [-1.0 + 0.1 * step for step in range(13)]
    loss = config.weight * losses_over_k(phi_v, phi_a, ks, config)
    share, flat = 100 * float(loss[8]) / avca, bool((loss.max() - loss.min()) <= FLAT * loss.max())
    color, dash = (INK, "--") if flat else (_BLUE, "-")
    with use_style():
        figure = DescribedFigure(figsize=(6.0, 3.2))
        axes = figure.subplots()
        figure.subplots_adjust(left=0.13, right=0.97, bottom=0.16, top=0.78)
        unit = 10.0 ** math.floor(math.log10(max(float(loss.max()), 1e-30)))
        axes.plot(ks, loss / unit, dash, color=color)
        axes.set(xlabel="curvature k", ylabel=f"weight · loss, in {unit:.0e}".replace("e-0", "e−"))
        axes.set(xlim=(-1, 0.2), xticks=[-1, -0.5, 0], ylim=(0, 10), yticks=[0, 5, 10])
        axes.set_title(f"k is {'not ' if flat else ''}felt; the term is {_percent(share)} of L_avca")
        figure.suptitle(
            f"Does the loss feel the curvature, and would training feel the loss?\n{data}", fontsize=11
        )
    felt = (
        "does not depend on k"
        if flat
        else f"{float(loss[0] / loss[8]):.2f} times as large at k = −1 as at −0.2"
    )
    figure.alt_text = (
        f"{data}: {similarity}, {normalise}, base {base}, {to_ball}, scale {10**log_scale:.2g}, "
        f"weight {10**log_weight:.2g}: the loss {felt}; weighted it is {_percent(share)} of L_avca."
    )
    return figure, {"k": ks, "loss": loss, "avca": avca, "share": share, "flat": flat}


def _percent(share: float) -> str:
    return f"{share:.2g} %" if share >= 0.01 else f"{share:.0e} %".replace("e-0", "e−")


def _line(name: str) -> str:
    return name.replace("\n", " ")


def _moves(row: Mapping[str, Any]) -> str:
    if row["flat"]:
        return "flat"
    return f"{float(row['loss'][0]):.2f} at the left end, {float(row['loss'][-1]):.2f} at the right"
