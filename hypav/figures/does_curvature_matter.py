"""Figures on whether an alignment loss depends on the curvature: what Eqs. 1 and 3 do to a row, and losses over k."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from hypav import geometry
from hypav.alignment import AlignmentConfig, head_losses
from hypav.errors import DataError
from hypav.figures.explorer import Choice, Control, Explorer
from hypav.figures.style import CUES, INK, OKABE_ITO, DescribedFigure, cues, signed, use_style
from hypav.stats import Interval, t_interval

FLAT = 1e-9  # a loss that moves by less of itself than this does not depend on k: what is left is rounding


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


_BLUE, _ORANGE = OKABE_ITO["blue"], OKABE_ITO["vermilion"]


def plot_drift(
    steps: Sequence[int], apart: Mapping[str, Sequence[float]], *, data: str
) -> tuple[DescribedFigure, dict[str, Any]]:
    """How far runs are from one run, over the training steps, on a logarithmic axis; 0 is drawn at the axis' end.

    Args:
        steps: at which steps.
        apart: name -> relative differences, one a step.
        data: what the data are called; the name of a simulated set says that it is one.

    Returns:
        figure and {"step", name: list}.
    """
    floor = 1e-18
    with use_style():
        figure = DescribedFigure(figsize=(6.4, 3.2), layout="constrained")
        axes = figure.subplots()
        for name, look in cues(apart).items():
            values = [max(value, floor) for value in apart[name]]
            style: dict[str, Any] = {"color": look.color, "linestyle": look.linestyle, "marker": look.marker}
            axes.plot(values, **style, label=name)
        axes.set(yscale="log", xlabel="training step", ylabel="relative difference")
        axes.set_xticks(range(len(steps)), [str(step) for step in steps])
        powers = range(-16, 1, 4)
        axes.set_yticks(
            [floor, *(10.0**p for p in powers)], ["equal", *(f"1e{p}".replace("-", "−") for p in powers)]
        )
        axes.minorticks_off()
        axes.set_ylim(floor / 3, 10)
        figure.legend(loc="outside lower center", ncols=2)
        axes.set_title(f"How do two runs drift apart that differ in the last digit?\n{data}")
    told = "; ".join(f"{name}: from {values[0]:.0e} to {values[-1]:.0e}" for name, values in apart.items())
    told = told.replace("e-", "e−").replace("0e+00", "0")
    figure.alt_text = f"Relative differences over {steps[-1]} training steps on {data}. {told}."
    return figure, {"step": list(steps), **{name: list(values) for name, values in apart.items()}}


def plot_unused_layer(
    weight: Mapping[str, Sequence[float]], k: Mapping[str, Sequence[float]], *, c_0: float, data: str
) -> tuple[DescribedFigure, dict[str, Any]]:
    """A curvature layer over the training steps: mean |weight| left, the batch's mean curvature right.

    Args:
        weight, k: name of the run -> one number a step, beginning with the untrained layer.
        data: what the data are called; the name of a simulated set says that it is one.

    Returns:
        figure and {"weight": {name: list}, "k": {name: list}}.
    """
    with use_style():
        figure = DescribedFigure(figsize=(8, 3.6), layout="constrained")
        left, right = figure.subplots(1, 2)
        for axes, series in ((left, weight), (right, k)):
            for name, look in cues(series).items():
                style: dict[str, Any] = {
                    "color": look.color,
                    "linestyle": look.linestyle,
                    "marker": look.marker,
                }
                axes.plot(series[name], **style, markevery=10, label=name)
            axes.set_xlabel("training step")
        left.set(ylabel="mean |weight| of the layer", ylim=(0, None))
        right.axhline(c_0 / 2, color=INK, linestyle=":", label=f"c₀/2 = {signed(c_0 / 2)}")
        right.set(ylabel="mean curvature of a batch", ylim=(c_0, 0))
        handles, labels = right.get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=len(labels))
        figure.suptitle(f"Where does an adaptive curvature go if no gradient leads it?\n{data}")
    told = "; ".join(
        f"{name}: mean weight from {weight[name][0]:.3f} to {weight[name][-1]:.3f}, mean curvature from "
        f"{k[name][0]:.2f} to {k[name][-1]:.2f}"
        for name in weight
    )
    over = f"Over {len(next(iter(weight.values()))) - 1} training steps on {data}."
    figure.alt_text = f"{over} {told.replace('-', '−')}."
    return figure, {
        "weight": {n: list(v) for n, v in weight.items()},
        "k": {n: list(v) for n, v in k.items()},
    }


def plot_bound(
    sizes: Sequence[int], measured: Mapping[str, Sequence[float]], avca: Sequence[float], *, data: str
) -> tuple[DescribedFigure, dict[str, Any]]:
    """Alignment terms over the batch size N, beside L_avca and the bound 2/N² of Eq. 4; both axes logarithmic.

    Args:
        measured: name -> weighted term, one a size.
        avca: L_avca, one a size.
        data: what the data are called; the name of a simulated set says that it is one.

    Returns:
        figure and {"N", "bound", "avca", name: list}; all but N as log10.
    """
    bound = [2 / n**2 for n in sizes]
    series = {
        "L_avca": list(avca),
        "bound on Eq. 4: 2/N²": bound,
        **{n: list(v) for n, v in measured.items()},
    }
    with use_style():
        figure = DescribedFigure(figsize=(6.8, 4.2), layout="constrained")
        axes = figure.subplots()
        for (name, values), look in zip(series.items(), CUES, strict=False):
            style: dict[str, Any] = {"color": look.color, "linestyle": look.linestyle, "marker": look.marker}
            axes.loglog(sizes, values, **style, label=name)
        axes.set(xlabel="samples in a batch, N", ylabel="value of the term", ylim=(1e-9, 1e3))
        axes.set_xticks(list(sizes), [str(n) for n in sizes])
        axes.minorticks_off()
        figure.legend(loc="outside lower center", ncols=2)
        axes.set_title(f"How large is the alignment term beside the rest of the loss?\n{data}")
    told = "; ".join(f"{name} {values[0]:.1e} and {values[-1]:.1e}" for name, values in series.items())
    told = told.replace("e-", "e−")
    figure.alt_text = f"On {data}, at N = {sizes[0]} and N = {sizes[-1]}: {told}."
    logs = {name: torch.tensor(values, dtype=torch.float64).log10() for name, values in series.items()}
    return figure, {"N": list(sizes), **logs}


def plot_shares(
    weights: Sequence[float], shares: Mapping[str, float], *, data: str
) -> tuple[DescribedFigure, dict[str, Any]]:
    """The term's gradient beside that of L_avca over its weight; both axes logarithmic.

    Args:
        weights: from the least to the greatest.
        shares: name -> ratio of the two gradients' norms at weight 1.
        data: what the data are called; the name of a simulated set says that it is one.

    Returns:
        figure and {"weight", name: log10 of the ratio at each, "equal": {name: the weight at which it is 1, log10}}.
    """
    w = torch.tensor(weights, dtype=torch.float64)
    shown: dict[str, Any] = {"weight": list(weights)}
    shown |= {name: (share * w).log10() for name, share in shares.items()}
    shown["equal"] = {name: -float(torch.tensor(share).log10()) for name, share in shares.items()}
    with use_style():
        figure = DescribedFigure(figsize=(6.8, 4.0), layout="constrained")
        axes = figure.subplots()
        for name, look in cues(shares).items():
            style: dict[str, Any] = {"color": look.color, "linestyle": look.linestyle, "marker": look.marker}
            axes.loglog(w, shares[name] * w, **style, label=name)
        axes.axhline(1, color=INK, linewidth=0.8)
        for at, who in ((1e-3, "released"), (1.0, "paper")):
            axes.axvline(at, color=INK, linestyle=":", linewidth=1)
            axes.annotate(who, (at, 1), (3, -3), xycoords=("data", "axes fraction"), textcoords="offset points",
                          va="top", color=INK)  # fmt: skip
        axes.set(xlabel="weight of the alignment term", ylabel="gradient of the term / that of L_avca")
        figure.legend(loc="outside lower center", ncols=2)
        axes.set_title(f"At which weight does training hear the term?\n{data}")
    told = "; ".join(f"{name} {share:.1e}" for name, share in shares.items()).replace("e-", "e−")
    figure.alt_text = (
        f"The ratio of gradients rises in proportion to the weight. On {data}, at weight 1: {told}."
    )
    return figure, shown


def plot_differences(
    rows: Mapping[str, Sequence[float]],
    *,
    data: str,
    title: str = "Do they differ by more than their seeds do?",
) -> tuple[DescribedFigure, dict[str, Any]]:
    """Differences paired by seed: one dot a seed, and the 95 % interval of their mean (Student's t).

    Args:
        rows: what is compared -> differences in points, one a seed.
        data: what the data are called; the name of a simulated set says that it is one.

    Returns:
        figure and {name: {"differences": list, "mean", "low", "high"}}.

    Raises:
        DataError: there is no row.
    """
    if not rows:
        raise DataError("There is no difference to draw: give at least one row.")
    intervals = {name: t_interval(list(values)) for name, values in rows.items()}
    with use_style():
        figure = DescribedFigure(figsize=(7.8, 1.6 + 0.34 * len(rows)), layout="constrained")
        axes = figure.subplots()
        for place, (name, values) in enumerate(rows.items()):
            interval = intervals[name]
            axes.plot(list(values), [place + 0.18] * len(values), "o", color=_BLUE, alpha=0.5, markersize=4)
            if interval.low is not None and interval.high is not None:
                axes.plot([interval.low, interval.high], [place - 0.12] * 2, color="black", linewidth=2)
            axes.plot(interval.mean, place - 0.12, "D", color="black", markersize=6)
        axes.axvline(0, color=_ORANGE, linestyle="--", linewidth=1.2)
        axes.set_yticks(range(len(rows)), list(rows))
        axes.set(
            ylim=(len(rows) - 0.5, -0.6),
            xlabel="difference in points; dots: seeds, bar: 95 % interval of the mean",
        )
        axes.set_title(f"{title}\n{data}")
    told = "; ".join(f"{name} {_words(interval)}" for name, interval in intervals.items())
    figure.alt_text = f"Differences in points on {data}, mean and 95 percent interval: {told}."
    return figure, {
        name: {"differences": list(rows[name]), "mean": i.mean, "low": i.low, "high": i.high}
        for name, i in intervals.items()
    }


def plot_over_k(
    panels: Mapping[str, Mapping[float, Sequence[float]]], *, against: str, data: str
) -> tuple[DescribedFigure, dict[str, Any]]:
    """One panel a set of runs: over the curvature, the mean difference to a reference and its 95 % interval.

    Args:
        panels: title -> k -> differences in points, one a seed.
        against: what the differences are taken from, in words.
        data: what the data are called; the name of a simulated set says that it is one.

    Returns:
        figure and {title: {"k=…": (mean, low, high)}}.

    Raises:
        DataError: there is no panel.
    """
    if not panels:
        raise DataError("There is no curvature to compare: give at least one panel.")
    shown: dict[str, Any] = {}
    told = []
    with use_style():
        figure = DescribedFigure(figsize=(8, 0.8 + 2.5 * ((len(panels) + 1) // 2)), layout="constrained")
        grid = figure.subplots(
            (len(panels) + 1) // 2, min(2, len(panels)), sharex=True, sharey="row", squeeze=False
        ).ravel()
        for axes, (title, runs) in zip(grid, panels.items(), strict=False):
            intervals = {k: t_interval(list(values)) for k, values in sorted(runs.items())}
            for k, i in intervals.items():
                apart = i.excludes_zero
                color = _ORANGE if apart else _BLUE
                if i.low is not None and i.high is not None:
                    axes.plot([k, k], [i.low, i.high], color=color, linestyle="-" if apart else "--")
                axes.plot(k, i.mean, "D" if apart else "o", color=color, markersize=5)
            axes.axhline(0, color=INK, linewidth=0.8)
            axes.set_title(title, fontsize=9)
            shown[title.replace("\n", " ")] = {
                f"k={k:g}": (i.mean, i.low, i.high) for k, i in intervals.items()
            }
            count = sum(i.excludes_zero for i in intervals.values())
            told.append(f"{title}: {count} of {len(intervals)} intervals exclude 0".replace("\n", " "))
        for axes in grid[len(panels) :]:
            axes.set_visible(False)
        for axes in grid[max(0, len(panels) - 2) : len(panels)]:  # also where nothing is drawn below
            axes.tick_params(labelbottom=True)
        figure.supxlabel("curvature k (orange diamond: the interval excludes 0)", fontsize=10)
        figure.supylabel(f"HM − HM of {against}, points", fontsize=10)
        figure.suptitle(f"Is there a best curvature?\n{data}")
    figure.alt_text = (
        f"Mean difference in HM to {against} over k on {data}, with 95 percent intervals. {'; '.join(told)}."
    )
    return figure, shown


def _words(interval: Interval) -> str:
    """An interval in words, e.g. +0.3 [−1.2, 1.8]; a mean that rounds to 0 is +0.0 on either side."""
    mean, *ends = (
        None if v is None else round(v, 1) + 0.0 for v in (interval.mean, interval.low, interval.high)
    )
    told = f"{mean:+.1f} (one seed)" if None in ends else f"{mean:+.1f} [{ends[0]:.1f}, {ends[1]:.1f}]"
    return told.replace("-", "−")


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
