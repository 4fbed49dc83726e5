"""Figures of notebook 09: do an alignment loss and the results depend on the curvature?"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from hypav import geometry
from hypav.alignment import AlignmentConfig, head_losses
from hypav.errors import DataError
from hypav.figures.alignment_explorer import alignment_explorer  # noqa: F401
from hypav.figures.runs import plot_differences  # noqa: F401
from hypav.figures.style import BLUE, CUES, INK, VERMILION, Drawn, canvas, cues, legend_below, minus, signed
from hypav.stats import t_interval

FLAT = 1e-9  # a loss with a smaller relative change does not depend on k; such a change is rounding


def losses_over_k(
    phi_v: Tensor, phi_a: Tensor, ks: Sequence[float] | Tensor, config: AlignmentConfig
) -> Tensor:
    """Eq. 4, unweighted, of one batch (N, D) at each of the curvatures: shape (len(ks),)."""
    with torch.no_grad():
        return head_losses(phi_v, phi_a, torch.as_tensor(ks, dtype=phi_v.dtype).unsqueeze(0), config)


def plot_row_scales() -> Drawn:
    """Draw the factor by which Eqs. 1 and 3 at the origin multiply a row of length r: |log0(project(x))| / |x|.

    Returns:
        figure and {"length" (60,), "k=…": (60,)}.
    """
    ks = (-1.0, -0.2, 0.0, 0.5)
    length = torch.arange(1, 61, dtype=torch.float64) * 0.1
    shown: dict[str, Any] = {"length": length}
    for k in ks:
        points = geometry.project(length[:, None], k=k, xi=1e-3)
        shown[f"k={k:g}"] = geometry.logmap0(points, k=k)[:, 0] / length
    with canvas(6.6, 3.6) as (figure, axes):
        for k, cue in zip(ks, CUES, strict=False):
            axes.plot(length, shown[f"k={k:g}"], **cue.line, markevery=10, label=f"k = {signed(k)}")
        axes.set(xlabel="|x|, the length of a row", ylabel="sₖ(|x|)", yscale="log", ylim=(0.25, 5))
        axes.set_yticks([0.25, 0.5, 1, 2, 4], ["0.25", "0.5", "1", "2", "4"])
        axes.minorticks_off()
        axes.legend(ncols=2)
        axes.set_title("By which number do Eqs. 1 and 3 multiply a row?\n(the formula itself, no data)")
    parts = "; ".join(
        f"k = {signed(k)}: from {float(shown[f'k={k:g}'][0]):.2f} through {float(shown[f'k={k:g}'].max()):.2f} to "
        f"{float(shown[f'k={k:g}'][-1]):.2f}"
        for k in ks
    )
    figure.alt_text = (
        "The factor by which a row is multiplied, over its length from 0.1 to 6: at the "
        f"shortest, at its largest, at the longest row. {parts}. It is above zero everywhere."
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
) -> Drawn:
    """Draw the loss over k, in units of its value at the k nearest to 0, with one panel for each configuration.

    Args:
        phi_v, phi_a: (N, D) embeddings of the same N samples.
        configs: name -> configuration, whose curvatures are not used; a name may contain a line break.
        ks: the curvatures, increasing.

    Returns:
        figure and {"k", name: {"loss" (len(ks),) in those units, "flat": whether only rounding changes it}}.
    """
    ks = [float(k) for k in ks]
    middle = min(range(len(ks)), key=lambda i: abs(ks[i]))
    shown: dict[str, Any] = {"k": ks}
    for name, config in configs.items():
        loss = losses_over_k(phi_v, phi_a, ks, config)
        loss = loss / loss[middle]
        shown[_line(name)] = {"loss": loss, "flat": bool(loss.max() - loss.min() < FLAT)}
    top = 1.15 * max(float(row["loss"].max()) for row in list(shown.values())[1:])
    columns = min(4, len(configs))
    rows = math.ceil(len(configs) / columns)
    size = min(8.0, 2.8 * columns), 0.9 + 2.1 * rows
    with canvas(*size, (rows, columns), sharex=True, sharey=True) as (figure, grid):
        panels = grid.ravel()
        for axes, name in zip(panels, configs, strict=False):
            row = shown[_line(name)]
            color, dash = (INK, "--") if row["flat"] else (BLUE, "-")
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
    parts = "; ".join(f"{name}: {_moves(shown[name])}" for name in map(_line, configs))
    ends = f"from {signed(ks[0])} to {signed(ks[-1])}"
    figure.alt_text = f"The alignment loss on {data} over k {ends}, in units of its value at 0. {parts}."
    return figure, shown


def plot_loss_surface(
    phi_v: Tensor,
    phi_a: Tensor,
    configs: Mapping[str, AlignmentConfig],
    ks: Sequence[float],
    scales: Sequence[float],
    *,
    data: str,
) -> Drawn:
    """Draw the loss over k and over a scale of the embeddings, with one panel for each configuration.


    Returns:
        figure and {"k", "scale", name: (len(scales), len(ks)) loss, each row divided by its value at the last k}.
    """
    ks, scales = [float(k) for k in ks], [float(s) for s in scales]
    shown: dict[str, Any] = {"k": ks, "scale": scales}
    for name, config in configs.items():
        loss = torch.stack([losses_over_k(s * phi_v, s * phi_a, ks, config) for s in scales])
        # each scale in units of its flattest loss, so that only the effect of the curvature remains
        shown[name] = loss / loss[:, -1:]
    with canvas(8, 3.4, len(configs), sharey=True) as (figure, panels):
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
    parts = "; ".join(
        f"{name}: between {float(shown[name].min()):.2f} and {float(shown[name].max()):.2f}"
        for name in configs
    )
    figure.alt_text = (
        f"Heat maps of the loss on {data} over k from {signed(ks[0])} to {signed(ks[-1])} and scales from "
        f"{scales[0]:g} to {scales[-1]:g}, each scale in units of its loss at the last k. {parts}."
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
) -> Drawn:
    """Draw the loss of one configuration over k, and its weighted size next to L_avca.

    Args:
        avca: L_avca of the batch.
        log_scale, log_weight: powers of ten of the embeddings' scale and of the term's weight.

    Returns:
        figure and {"k" (13,), "loss" (13,) weighted, "avca", "share": of L_avca in percent at k = -0.2, "flat"}.
    """
    choice: Any = {"similarity": similarity, "normalise": normalise, "base": base, "to_ball": to_ball}
    config = AlignmentConfig(**choice, scale=10**log_scale, weight=10**log_weight)
    ks = [-1.0 + 0.1 * step for step in range(13)]
    loss = 10**log_weight * losses_over_k(phi_v, phi_a, ks, config)
    share, flat = 100 * float(loss[8]) / avca, bool((loss.max() - loss.min()) <= FLAT * loss.max())
    color, dash = (INK, "--") if flat else (BLUE, "-")
    with canvas(6.0, 3.2, margins=(0.13, 0.16, 0.97, 0.78)) as (figure, axes):
        unit = 10.0 ** math.floor(math.log10(max(float(loss.max()), 1e-30)))
        axes.plot(ks, loss / unit, dash, color=color)
        axes.set(xlabel="curvature k", ylabel=f"weight · loss, in {unit:.0e}".replace("e-0", "e−"))
        axes.set(xlim=(-1, 0.2), xticks=[-1, -0.5, 0], ylim=(0, 10), yticks=[0, 5, 10])
        axes.set_title(f"k is {'not ' if flat else ''}felt; the term is {_percent(share)} of L_avca")
        question = "Does the loss feel the curvature, and would training feel the loss?"
        figure.suptitle(f"{question}\n{data}", fontsize=11)
    ratio = f"{float(loss[0] / loss[8]):.2f} times as large at k = −1 as at −0.2"
    figure.alt_text = (
        f"{data}: {similarity}, {normalise}, base {base}, {to_ball}, scale {10**log_scale:.2g}, "
        f"weight {10**log_weight:.2g}: the loss {'does not depend on k' if flat else ratio}; weighted it is "
        f"{_percent(share)} of L_avca."
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


def plot_drift(steps: Sequence[int], apart: Mapping[str, Sequence[float]], *, data: str) -> Drawn:
    """Draw the differences of runs from a reference run by training step, on a logarithmic axis that ends at "equal".

    Args:
        steps: the training steps.
        apart: name -> relative differences, one for each step.

    Returns:
        figure and {"step", name: list}.
    """
    floor = 1e-18
    with canvas(6.4, 3.2) as (figure, axes):
        for name, cue in cues(apart).items():
            values = [max(value, floor) for value in apart[name]]
            axes.plot(values, **cue.line, label=name)
        axes.set(yscale="log", xlabel="training step", ylabel="relative difference")
        axes.set_xticks(range(len(steps)), [str(step) for step in steps])
        powers = range(-16, 1, 4)
        axes.set_yticks([floor, *(10.0**p for p in powers)], ["equal", *(minus(f"1e{p}") for p in powers)])
        axes.minorticks_off()
        axes.set_ylim(floor / 3, 10)
        legend_below(figure, axes, 2)
        axes.set_title(f"How do two runs drift apart that differ in the last digit?\n{data}")
    parts = "; ".join(f"{name}: from {values[0]:.0e} to {values[-1]:.0e}" for name, values in apart.items())
    parts = parts.replace("e-", "e−").replace("0e+00", "0")
    figure.alt_text = f"Relative differences over {steps[-1]} training steps on {data}. {parts}."
    return figure, {"step": list(steps), **{name: list(values) for name, values in apart.items()}}


def plot_unused_layer(
    weight: Mapping[str, Sequence[float]], k: Mapping[str, Sequence[float]], *, c_0: float, data: str
) -> Drawn:
    """Draw a curvature layer by training step: mean |weight| on the left, the batch's mean curvature on the right.

    Args:
        weight, k: name of the run -> one number for each step, starting with the untrained layer.

    Returns:
        figure and {"weight": {name: list}, "k": {name: list}}.
    """
    with canvas(8, 3.6, 2) as (figure, (left, right)):
        for axes, series in ((left, weight), (right, k)):
            for name, cue in cues(series).items():
                axes.plot(series[name], **cue.line, markevery=10, label=name)
            axes.set_xlabel("training step")
        left.set(ylabel="mean |weight| of the layer", ylim=(0, None))
        right.axhline(c_0 / 2, color=INK, linestyle=":", label=f"c₀/2 = {signed(c_0 / 2)}")
        right.set(ylabel="mean curvature of a batch", ylim=(c_0, 0))
        legend_below(figure, right)
        figure.suptitle(f"Where does an adaptive curvature go if no gradient leads it?\n{data}")
    parts = "; ".join(
        f"{name}: mean weight from {weight[name][0]:.3f} to {weight[name][-1]:.3f}, mean curvature from "
        f"{k[name][0]:.2f} to {k[name][-1]:.2f}"
        for name in weight
    )
    over = f"Over {len(next(iter(weight.values()))) - 1} training steps on {data}."
    figure.alt_text = f"{over} {minus(parts)}."
    both = {"weight": weight, "k": k}
    return figure, {name: {run: list(v) for run, v in series.items()} for name, series in both.items()}


def plot_bound(
    sizes: Sequence[int], measured: Mapping[str, Sequence[float]], avca: Sequence[float], *, data: str
) -> Drawn:
    """Draw alignment terms over the batch size N, with L_avca and the bound 2/N² of Eq. 4, on logarithmic axes.

    Args:
        measured: name -> weighted term, one for each size.
        avca: L_avca, one for each size.

    Returns:
        figure and {"N", "bound", "avca", name: list}; all but N as log10.
    """
    bound = [2 / n**2 for n in sizes]
    series = {"L_avca": avca, "bound on Eq. 4: 2/N²": bound, **measured}
    with canvas(6.8, 4.2) as (figure, axes):
        for (name, values), cue in zip(series.items(), CUES, strict=False):
            axes.loglog(sizes, values, **cue.line, label=name)
        axes.set(xlabel="samples in a batch, N", ylabel="value of the term", ylim=(1e-9, 1e3))
        axes.set_xticks(list(sizes), [str(n) for n in sizes])
        axes.minorticks_off()
        legend_below(figure, axes, 2)
        axes.set_title(f"How large is the alignment term beside the rest of the loss?\n{data}")
    parts = "; ".join(f"{name} {values[0]:.1e} and {values[-1]:.1e}" for name, values in series.items())
    parts = parts.replace("e-", "e−")
    figure.alt_text = f"On {data}, at N = {sizes[0]} and N = {sizes[-1]}: {parts}."
    logs = {name: torch.tensor(values, dtype=torch.float64).log10() for name, values in series.items()}
    return figure, {"N": list(sizes), **logs}


def plot_shares(weights: Sequence[float], shares: Mapping[str, float], *, data: str) -> Drawn:
    """Draw the ratio of the term's gradient to that of L_avca over the term's weight, on logarithmic axes.

    Args:
        weights: in increasing order.
        shares: name -> ratio of the two gradients' norms at weight 1.

    Returns:
        figure and {"weight", name: log10 of the ratio at each, "equal": {name: the weight at which it is 1, log10}}.
    """
    w = torch.tensor(weights, dtype=torch.float64)
    shown: dict[str, Any] = {"weight": list(weights)}
    shown |= {name: (share * w).log10() for name, share in shares.items()}
    shown["equal"] = {name: -float(torch.tensor(share).log10()) for name, share in shares.items()}
    with canvas(6.8, 4.0) as (figure, axes):
        for name, cue in cues(shares).items():
            axes.loglog(w, shares[name] * w, **cue.line, label=name)
        axes.axhline(1, color=INK, linewidth=0.8)
        for at, who in ((1e-3, "released"), (1.0, "paper")):
            axes.axvline(at, color=INK, linestyle=":", linewidth=1)
            note: dict[str, Any] = {"xycoords": ("data", "axes fraction"), "textcoords": "offset points"}
            axes.annotate(who, (at, 1), (3, -3), **note, va="top", color=INK)
        axes.set(xlabel="weight of the alignment term", ylabel="gradient of the term / that of L_avca")
        legend_below(figure, axes, 2)
        axes.set_title(f"At which weight does training hear the term?\n{data}")
    parts = "; ".join(f"{name} {share:.1e}" for name, share in shares.items()).replace("e-", "e−")
    figure.alt_text = (
        f"The ratio of gradients rises in proportion to the weight. On {data}, at weight 1: {parts}."
    )
    return figure, shown


def plot_over_k(panels: Mapping[str, Mapping[float, Sequence[float]]], *, against: str, data: str) -> Drawn:
    """Draw the mean difference from a reference over the curvature, with its 95 % interval and one panel per set of runs.

    Args:
        panels: title -> k -> differences in points, one for each seed.
        against: the reference, in words.

    Returns:
        figure and {title: {"k=…": (mean, low, high)}}.

    Raises:
        DataError: no panel is given.
    """
    if not panels:
        raise DataError("There is no curvature to compare; give at least one panel.")
    shown: dict[str, Any] = {}
    parts = []
    rows = (len(panels) + 1) // 2
    with canvas(8, 0.8 + 2.5 * rows, (rows, min(2, len(panels))), sharex=True, sharey="row") as (
        figure,
        grid,
    ):
        grid = grid.ravel()
        for axes, (title, runs) in zip(grid, panels.items(), strict=False):
            intervals = {k: t_interval(list(values)) for k, values in sorted(runs.items())}
            for k, i in intervals.items():
                apart = i.excludes_zero
                color = VERMILION if apart else BLUE
                if i.low is not None and i.high is not None:
                    axes.plot([k, k], [i.low, i.high], color=color, linestyle="-" if apart else "--")
                axes.plot(k, i.mean, "D" if apart else "o", color=color, markersize=5)
            axes.axhline(0, color=INK, linewidth=0.8)
            axes.set_title(title, fontsize=9)
            shown[_line(title)] = {f"k={k:g}": (i.mean, i.low, i.high) for k, i in intervals.items()}
            count = sum(i.excludes_zero for i in intervals.values())
            parts.append(f"{_line(title)}: {count} of {len(intervals)} intervals exclude 0")
        for axes in grid[len(panels) :]:
            axes.set_visible(False)
        for axes in grid[max(0, len(panels) - 2) : len(panels)]:  # even if no panel is below
            axes.tick_params(labelbottom=True)
        figure.supxlabel("curvature k (orange diamond: the interval excludes 0)", fontsize=10)
        figure.supylabel(f"HM − HM of {against}, points", fontsize=10)
        figure.suptitle(f"Is there a best curvature?\n{data}")
    figure.alt_text = (
        f"Mean difference in HM to {against} over k on {data}, with 95 percent intervals. {'; '.join(parts)}."
    )
    return figure, shown
