"""Figures of the adaptive curvature: where Eq. 6 begins, one curvature a sample, and what moves it in training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import log10
from typing import Any

import torch
from matplotlib.axes import Axes
from torch import Generator, Tensor

from hypav.errors import DataError
from hypav.figures.style import INK, OKABE_ITO, DescribedFigure, cues, signed, superscript, use_style

ROUNDING = 1e-12  # a gradient below it, beside one of about 1, is what rounding leaves: drawn as 0
_BLUE, _RED = OKABE_ITO["blue"], OKABE_ITO["vermilion"]


def plot_layer_curve(s: Tensor, *, c_0: float, data: str) -> tuple[DescribedFigure, dict[str, Any]]:
    """k = c_0 sigmoid(s) of Eq. 6, with the samples of a layer at their places.

    Args:
        s: (N,) what the linear layer gives, before the sigmoid.

    Returns:
        figure and {"s", "k": (N,)}.
    """
    s = s.detach().double().flatten()
    k = c_0 * torch.sigmoid(s)
    reach = max(5.0, 1.2 * float(s.abs().max()))
    line = torch.linspace(-reach, reach, 101, dtype=torch.float64)
    with use_style():
        figure = DescribedFigure(figsize=(6.4, 3.4), layout="constrained")
        axes = figure.subplots()
        axes.plot(line.numpy(), (c_0 * torch.sigmoid(line)).numpy(), color=INK)
        axes.plot(s.numpy(), k.numpy(), "o", color=_BLUE, markersize=4, alpha=0.4)
        for level, name in ((0.0, "0: flat"), (c_0 / 2, "c₀/2"), (c_0, "c₀")):
            axes.axhline(level, color=INK, linewidth=0.8, linestyle=":")
            axes.annotate(name, (-reach, level), (2, 2), textcoords="offset points", color=INK, va="bottom")
        axes.set(xlabel="s = W [φ_v ; φ_a] + b", ylabel="curvature k", xlim=(-reach, reach))
        axes.set_ylim(*sorted((1.08 * c_0, -0.12 * c_0)))
        axes.set_title(f"Where on Eq. 6 are the videos?\n{data}")
    figure.alt_text = (
        f"A curve that falls from 0 at s = {signed(-round(reach, 1))} to {signed(c_0)} at s = {round(reach, 1):g}, and "
        f"{len(s)} videos on it: their s from {float(s.min()):.2f} to {float(s.max()):.2f}, their k from "
        f"{float(k.min()):.2f} to {float(k.max()):.2f}, in the mean {float(k.mean()):.2f}."
    )
    return figure, {"s": s, "k": k}


def plot_group_curvatures(
    curvatures: Mapping[str, Tensor],
    groups: Sequence[str],
    *,
    c_0: float,
    data: str,
    generator: Generator,
    draws: int = 200,
) -> tuple[DescribedFigure, dict[str, Any]]:
    """The curvature of each sample, group by group, one panel a state of the layer, with the share of the variance that
    lies between the groups beside what shuffled group names give.

    Args:
        curvatures: state -> (N,).
        groups: N names.
        generator: shuffles the names, `draws` times.

    Returns:
        figure and {state: {"k": {group: its curvatures}, "share": percent of the variance between groups, "chance": the
        median and the 95 % quantile of the same for shuffled names}}.

    Raises:
        DataError: a state has not one curvature a name.
    """
    names = list(dict.fromkeys(groups))
    member = torch.tensor([names.index(group) for group in groups])
    shuffled = [member[torch.randperm(len(member), generator=generator)] for _ in range(draws)]
    shown: dict[str, Any] = {}
    for state, k in curvatures.items():
        if k.shape != (len(groups),):
            raise DataError(f"{state} has curvatures of shape {tuple(k.shape)} for {len(groups)} samples.")
        k = k.detach().double()
        chance = torch.tensor([_share_between(k, other) for other in shuffled], dtype=torch.float64)
        shown[state] = {
            "k": {name: k[member == n] for n, name in enumerate(names)},
            "share": _share_between(k, member),
            "chance": torch.quantile(chance, torch.tensor([0.5, 0.95], dtype=torch.float64)).tolist(),
        }
    with use_style():
        figure = DescribedFigure(figsize=(8, 2.1 + 0.24 * len(names)), layout="constrained")
        panels = figure.subplots(1, len(shown), sharex=True, sharey=True, squeeze=False)[0]
        for axes, (state, of) in zip(panels, shown.items(), strict=True):
            for row, part in enumerate(of["k"].values()):
                # a fixed spread instead of a random one: the picture is the same each time
                spread = row + 0.5 * ((torch.arange(len(part)) * 0.618034) % 1 - 0.5)
                axes.plot(part.numpy(), spread.numpy(), "o", color=_BLUE, markersize=2.5, alpha=0.35)
                axes.plot(float(part.mean()), row, "d", color=_RED, markersize=7)
            axes.axvline(c_0 / 2, color=INK, linewidth=0.8, linestyle="--")
            axes.set(xlabel="curvature k")
            axes.set_title(
                f"{state}\nbetween rows {of['share']:.0f} %,\nby chance {of['chance'][0]:.0f} %", fontsize=9
            )
            axes.grid(False, axis="y")
        panels[0].set_yticks(range(len(names)), names)
        panels[0].set_ylim(len(names) - 0.4, -0.6)
        figure.suptitle(f"Does a video's curvature depend on what it shows?\n{data}")
    told = []
    for state, of in shown.items():
        every = torch.cat(list(of["k"].values()))
        told.append(
            f"{state}: k from {float(every.min()):.2f} to {float(every.max()):.2f}, {of['share']:.0f} percent of the "
            f"variance between groups, by chance {of['chance'][0]:.0f} and rarely more than {of['chance'][1]:.0f}"
        )
    figure.alt_text = (
        f"Curvatures of {len(groups)} videos in {len(names)} groups, dots, with each group's mean, diamonds. "
        f"{'; '.join(told)}. A dashed line marks c₀/2 = {signed(c_0 / 2)}."
    )
    return figure, shown


def plot_random_layers(
    shares: Mapping[str, Tensor], chance: Tensor, *, data: str
) -> tuple[DescribedFigure, dict[str, Any]]:
    """By how much the curvatures of many random layers differ between classes, beside what shuffled classes give.

    Args:
        shares: embeddings -> (R,) percent of the variance of k that lies between classes, one a layer; at most two.
        chance: (S,) the same for shuffled classes.

    Returns:
        figure and {"edges", embeddings: layers in each bin, "chance": its 95 % quantile, "above": {embeddings: percent
        of the layers above it}}.
    """
    limit = float(torch.quantile(chance.double(), 0.95))
    top = max(float(values.max()) for values in shares.values())
    edges = torch.arange(0, 2 * (int(top) // 2) + 4, 2, dtype=torch.float64)
    shown: dict[str, Any] = {"edges": edges, "chance": limit, "above": {}}
    told = []
    with use_style():
        figure = DescribedFigure(figsize=(6.4, 3.4), layout="constrained")
        axes = figure.subplots()
        for (name, values), color, hatch in zip(shares.items(), (_BLUE, _RED), ("", "////"), strict=False):
            shown[name] = torch.histogram(values.double(), edges).hist
            shown["above"][name] = 100 * float((values > limit).double().mean())
            style: dict[str, Any] = {"facecolor": color, "edgecolor": "white", "hatch": hatch, "alpha": 0.6}
            axes.stairs(shown[name].tolist(), edges.tolist(), fill=True, label=name, **style)
            axes.stairs(shown[name].tolist(), edges.tolist(), color=color)
            told.append(
                f"{name}: {float(values.double().mean()):.0f} percent in the mean, more than {limit:.0f} in "
                f"{shown['above'][name]:.0f} of 100 layers"
            )
        axes.axvspan(0, limit, color="#EEEEEE", zorder=0, label="95 % of shuffled classes")
        axes.set(
            xlabel="% of the variance of k that lies between classes", ylabel="random layers", xlim=(0, None)
        )
        axes.legend(loc="upper right")
        axes.set_title(f"Do random weights know the classes?\n{data}")
    figure.alt_text = (
        f"Histograms over {len(next(iter(shares.values())))} random curvature layers. By chance the share lies below "
        f"{limit:.0f} percent in 95 of 100 cases. {'; '.join(told)}."
    )
    return figure, shown


def plot_gradient_sizes(
    histories: Mapping[str, Mapping[str, Sequence[float]]], *, data: str
) -> tuple[DescribedFigure, dict[str, Any]]:
    """Norms of gradients by training step on a logarithmic scale, one panel a run. What is below ROUNDING is drawn as 0,
    in a band below a break of the axis.

    Args:
        histories: run -> {layer: one norm a step}; the same layers in each.

    Returns:
        figure and {run: {layer: (T,) norms, 0 where rounding}}.
    """
    shown = {
        run: {
            layer: [value if value >= ROUNDING else 0.0 for value in values]
            for layer, values in layers.items()
        }
        for run, layers in histories.items()
    }
    real = [value for layers in shown.values() for values in layers.values() for value in values if value]
    low, high = 0.3 * min(real), 3 * max(real)
    zero = low / 10
    told = []
    with use_style():
        figure = DescribedFigure(figsize=(8, 3.4), layout="constrained")
        panels = figure.subplots(1, len(shown), sharey=True, squeeze=False)[0]
        for axes, (run, layers) in zip(panels, shown.items(), strict=True):
            for (layer, values), look in zip(layers.items(), cues(layers).values(), strict=True):
                drawn = [value or zero for value in values]
                every = max(1, len(values) // 8)
                style: dict[str, Any] = {"color": look.color, "linestyle": look.linestyle}
                axes.semilogy(
                    range(len(drawn)), drawn, **style, marker=look.marker, markevery=every, label=layer
                )
                words = (
                    f"{_norm(values[0])} to {_norm(values[-1])}"
                    if any(values)
                    else "0 to rounding throughout"
                )
                told.append(f"{run}, {layer}: {words}")
            axes.axhspan(zero / 2, low, color="#EEEEEE", zorder=0)
            _break_axis(axes, low, zero / 2, high)
            at = axes.get_yaxis_transform()
            axes.text(0.98, low / 1.2, "0, to rounding", transform=at, color=INK, va="top", ha="right")
            axes.set(title=run, xlabel="training step", ylim=(zero / 2, high))
            axes.minorticks_off()
        ticks = [10.0**n for n in range(-12, 6) if low <= 10.0**n <= high]
        floor, *named = (f"10{superscript(round(log10(tick)))}" for tick in (ROUNDING, *ticks))
        panels[0].set_yticks([zero, *ticks], [f"< {floor}", *named])
        panels[0].set_ylabel("norm of the gradient")
        handles = panels[0].get_legend_handles_labels()[0]
        figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))
        figure.suptitle(f"What reaches the curvature layer?\n{data}")
    figure.alt_text = f"Gradient norms by training step, logarithmic. {'; '.join(told)}."
    return figure, shown


def plot_curvature_paths(
    paths: Mapping[str, Tensor], steps: Sequence[int], *, c_0: float, data: str
) -> tuple[DescribedFigure, dict[str, Any]]:
    """The curvatures of the same samples at some training steps, one panel a run: median, 5-95 % and all.

    Args:
        paths: run -> (T, N).
        steps: T.

    Returns:
        figure and {"steps", run: (5, T): least, 5 %, median, 95 %, greatest}.
    """
    levels = torch.tensor([0.0, 0.05, 0.5, 0.95, 1.0], dtype=torch.float64)
    shown: dict[str, Any] = {"steps": list(steps)}
    with use_style():
        figure = DescribedFigure(figsize=(8, 3.4), layout="constrained")
        panels = figure.subplots(1, len(paths), sharey=True, squeeze=False)[0]
        for axes, (run, k) in zip(panels, paths.items(), strict=True):
            shown[run] = bands = torch.quantile(k.detach().double(), levels, dim=1)
            least, low, middle, high, most = bands.tolist()
            axes.fill_between(steps, least, most, color=_BLUE, alpha=0.15, linewidth=0, label="all videos")
            axes.fill_between(steps, low, high, color=_BLUE, alpha=0.35, linewidth=0, label="nine in ten")
            axes.plot(steps, middle, color=_BLUE, label="median")
            axes.axhline(c_0 / 2, color=INK, linewidth=0.8, linestyle="--", label="c₀/2")
            axes.set(title=run, xlabel="training step")
        panels[0].set(ylabel="curvature k", ylim=sorted((c_0, 0.0)))
        handles = panels[0].get_legend_handles_labels()[0]
        figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))
        figure.suptitle(f"Where do the curvatures go?\n{data}")
    told = [f"{run}: from {_span(shown[run][:, 0])} to {_span(shown[run][:, -1])}" for run in paths]
    figure.alt_text = (
        f"Bands of the videos' curvatures by training step, c₀ = {signed(c_0)}; first and last step, least, median "
        f"and greatest. {'; '.join(told)}."
    )
    return figure, shown


def _break_axis(axes: Axes, at: float, low: float, high: float) -> None:
    """Two strokes over a gap in the left side of a logarithmic axis: what is below is not to its scale."""
    place = (log10(at) - log10(low)) / (log10(high) - log10(low))
    gap: dict[str, Any] = {"transform": axes.transAxes, "clip_on": False, "linestyle": "none"}
    axes.plot(0, place, marker="s", markersize=5, color="white", zorder=5, **gap)
    for side in (-0.012, 0.012):
        axes.plot(
            0, place + side, marker=[(-1, -0.4), (1, 0.4)], markersize=9, color="black", zorder=6, **gap
        )


def _norm(value: float) -> str:
    return "below 0.001" if value < 1e-3 else f"{value:.2g}"


def _span(bands: Tensor) -> str:
    return "/".join(signed(round(float(bands[n]), 2) + 0.0) for n in (0, 2, 4))


def _share_between(k: Tensor, member: Tensor) -> float:
    """The variance of the groups' means in percent of the variance of k; 0 where all k are equal."""
    size = torch.bincount(member).double()
    means = torch.zeros_like(size).index_add(0, member, k) / size
    total = float((k - k.mean()).square().sum())
    return 100 * float((size * (means - k.mean()).square()).sum()) / total if total else 0.0
