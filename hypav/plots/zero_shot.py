"""Figures of the evaluation: where answers go, what beta does to them, and what it costs to choose it on test.

Where a function takes distances, label, classes, seen and unseen, they are those of `hypav.predictions`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from matplotlib.lines import Line2D
from torch import Tensor

from hypav.errors import SettingError
from hypav.predictions import confusion, nearest
from hypav.protocol import Curve
from hypav.style import INK, OKABE_ITO, DescribedFigure, cues, use_style

__all__ = ["plot_answers", "plot_beta", "plot_peeking", "plot_switches"]

_SEEN, _UNSEEN = OKABE_ITO["blue"], OKABE_ITO["vermilion"]
_HATCH = "////"  # the second cue of unseen classes
_QUARTERS = (0, 25, 50, 75, 100)


def plot_answers(
    distances: Tensor,
    label: Tensor,
    classes: Tensor,
    seen: Tensor,
    unseen: Tensor,
    *,
    betas: Sequence[float],
    data: str,
) -> tuple[DescribedFigure, dict[str, Tensor]]:
    """Confusion matrices at some betas, seen classes first: rows are true classes, columns answers.

    Returns:
        figure and {"β = ...": (2, 2) percent of the seen and unseen samples that get a seen and an unseen class}.
    """
    order = torch.cat([torch.searchsorted(classes, seen), torch.searchsorted(classes, unseen)])
    first, size = len(seen), len(classes)
    blocks: dict[str, Tensor] = {}
    with use_style():
        figure = DescribedFigure(figsize=(8, 4.4), layout="constrained")
        panels = figure.subplots(1, len(betas), sharey=True, squeeze=False)[0]
        for axes, beta in zip(panels, betas, strict=True):
            counts = confusion(distances, label, classes, seen, unseen, beta)[order][:, order].double()
            rows = torch.stack([counts[:first].sum(0), counts[first:].sum(0)])
            block = torch.stack([rows[:, :first].sum(1), rows[:, first:].sum(1)], 1)
            blocks[f"β = {beta:g}"] = 100 * block / block.sum(1, keepdim=True)
            image = axes.imshow(counts / counts.sum(1, keepdim=True), cmap="cividis", vmin=0, vmax=1)
            for line in (axes.axhline, axes.axvline):
                line(first - 0.5, color="white", linewidth=1.5)
            middles = [(first - 1) / 2, (first + size - 1) / 2]
            axes.set_xticks(middles, ["seen", "unseen"])
            axes.set_yticks(middles, ["seen", "unseen"], rotation=90, va="center")
            axes.set(title=f"β = {beta:g}", xlabel="class that is answered")
            axes.tick_params(length=0)
            axes.grid(False)
        panels[0].set_ylabel("class of the sample")
        figure.colorbar(image, ax=list(panels), label="share of the class's samples", shrink=0.8)
        figure.suptitle(f"Which classes do unseen samples end up in?\n{data}")
    told = [
        f"at {name}, {b[1, 0]:.0f} percent of the samples of unseen classes are given a seen class, "
        f"and {b[0, 1]:.0f} percent of the others an unseen one"
        for name, b in blocks.items()
    ]
    figure.alt_text = f"Confusion of {first} seen and {size - first} unseen classes: {'; '.join(told)}."
    return figure, blocks


def plot_switches(
    distances: Tensor,
    label: Tensor,
    classes: Tensor,
    seen: Tensor,
    unseen: Tensor,
    *,
    betas: Sequence[float],
    data: str,
) -> tuple[DescribedFigure, dict[str, Any]]:
    """Where beta switches each sample from its nearest seen to its nearest unseen class, for both kinds of samples.

    Returns:
        figure and {"edges" of the bins, "seen", "unseen": samples in each bin, "β = ...": percent of the seen and of
        the unseen samples that have switched}.
    """
    switch = nearest(distances, classes, seen, unseen).last_seen
    novel = torch.isin(label, unseen)
    edges = torch.arange(-2, 23, dtype=torch.float64) / 4
    edges = edges[(edges > switch.min() - 0.25) & (edges < switch.max() + 0.25)]
    kinds = {"seen": switch[~novel], "unseen": switch[novel]}
    shown: dict[str, Any] = {"edges": edges}
    with use_style():
        figure = DescribedFigure(figsize=(7.2, 3.6), layout="constrained")
        axes = figure.subplots()
        for (kind, values), color, hatch in zip(kinds.items(), (_SEEN, _UNSEEN), ("", _HATCH), strict=True):
            shown[kind] = torch.histogram(values, edges).hist
            share = 100 * shown[kind] / len(values)
            style: dict[str, Any] = {"facecolor": color, "edgecolor": "white", "hatch": hatch, "alpha": 0.65}
            axes.stairs(
                share.tolist(), edges.tolist(), fill=True, label=f"samples of {kind} classes", **style
            )
            axes.stairs(share.tolist(), edges.tolist(), color=color)
        for beta in betas:
            axes.axvline(beta, color=INK, linestyle="--")
            at = (beta, axes.get_ylim()[1])
            axes.annotate(f"β = {beta:g}", at, (3, -2), textcoords="offset points", va="top", color=INK)
            shown[f"β = {beta:g}"] = [100 * float((v < beta).double().mean()) for v in kinds.values()]
        axes.set(xlabel="d(nearest unseen) − d(nearest seen): the β at which the answer switches")
        axes.set_ylabel("% of the samples")
        axes.legend(loc="upper right")
        axes.set_title(f"Where should β cut?\n{data}")
    told = [
        f"β = {beta:g} lies right of {shown[f'β = {beta:g}'][1]:.0f} percent of the unseen and "
        f"{shown[f'β = {beta:g}'][0]:.0f} percent of the seen samples"
        for beta in betas
    ]
    figure.alt_text = (
        "Two overlapping histograms of the β at which a sample's answer switches from seen to unseen: samples of "
        f"unseen classes switch at {kinds['unseen'].median():.1f} in the median, of seen classes at "
        f"{kinds['seen'].median():.1f}. {'; '.join(told)}."
    )
    return figure, shown


def plot_beta(
    curve: Curve, *, betas: Sequence[float] = (), beta: float | None = None, data: str = ""
) -> tuple[DescribedFigure, dict[str, Any]]:
    """S, U and HM by beta, and the same as a walk along the seen-unseen curve, with some betas marked.

    Args:
        curve: of `protocol.sweep`, at betas close enough for a line.
        betas: the betas to mark, out of the curve's.
        beta: one more; the argument that a slider moves.
        data: what the data are called.

    Returns:
        figure and {"β = ...": [S, U, HM] in percent, "top": the greatest HM of the curve}.

    Raises:
        SettingError: where no beta is given, or one that the curve has not.
    """
    marked = [*betas, *([] if beta is None else [beta])]
    if not marked:
        raise SettingError("There is no beta to mark: give betas or beta.")
    percent = {name: (100 * getattr(curve, name)).numpy() for name in ("S", "U", "HM")}
    rows = [_find(curve, b) for b in marked]
    shown: dict[str, Any] = {
        f"β = {b:.2f}": [float(percent[name][row]) for name in percent]
        for b, row in zip(marked, rows, strict=True)
    }
    shown["top"] = float(percent["HM"].max())
    with use_style():
        figure = DescribedFigure(figsize=(8, 3.6))
        left, right = figure.subplots(1, 2)
        # no constrained layout and few ticks: a redraw must be quick
        figure.subplots_adjust(left=0.08, right=0.98, bottom=0.15, top=0.8, wspace=0.25)
        for name, look in cues(percent).items():
            left.plot(
                curve.betas.numpy(), percent[name], color=look.color, linestyle=look.linestyle, label=name
            )
            left.plot(marked, percent[name][rows], look.marker, color=look.color, linestyle="none")
        for b in marked:
            left.axvline(b, color=INK, linewidth=0.8, linestyle=":")
        left.set(xlabel="β", ylabel="%", ylim=(0, 100), yticks=_QUARTERS)
        left.set_xticks(range(math.ceil(float(curve.betas[0])), math.floor(float(curve.betas[-1])) + 1))
        left.legend(loc="center right")
        right.plot(percent["U"], percent["S"], color=INK)
        right.plot(percent["U"][rows], percent["S"][rows], "o", color=_UNSEEN)
        reach = 10 * (1 + int(100 * curve.ZSL) // 10)
        for b, row in zip(marked, rows, strict=True):
            near = percent["U"][row] < reach / 5  # beside the axis the words go right of the point
            right.annotate(
                f"β = {b:g}",
                (percent["U"][row], percent["S"][row]),
                (8 if near else -6, 4 if percent["S"][row] < 15 else -4),
                textcoords="offset points",
                ha="left" if near else "right",
                va="bottom" if percent["S"][row] < 15 else "top",
            )
        right.set(xlim=(0, reach), ylim=(0, 100), xlabel="U (%)", ylabel="S (%)", yticks=_QUARTERS)
        right.set_xticks(range(0, reach + 1, 10))
        figure.suptitle(f"What does β trade?\n{data}" if data else "What does β trade?")
    told = [
        f"β = {b:.2f}: S {percent['S'][r]:.1f}, U {percent['U'][r]:.1f}, HM {percent['HM'][r]:.1f}"
        for b, r in zip(marked, rows, strict=True)
    ]
    figure.alt_text = (
        f"As β grows S falls and U rises, in percent: {'; '.join(told)}. The greatest HM on this curve is "
        f"{shown['top']:.1f}."
    )
    return figure, shown


def plot_peeking(
    gains: Mapping[str, Mapping[str, Sequence[float]]],
) -> tuple[DescribedFigure, dict[str, Any]]:
    """By how much a choice made on test raises HM: a dot a simulated set, a bar at the mean.

    Args:
        gains: what was chosen on test -> kind of set -> HM chosen on test less HM chosen on val, in points, by set.

    Returns:
        figure and {choice: {set: {"gains", "mean"}}}.
    """
    kinds = list(dict.fromkeys(kind for of in gains.values() for kind in of))
    looks = cues(gains)
    shown: dict[str, dict[str, Any]] = {}
    told = []
    with use_style():
        figure = DescribedFigure(figsize=(7.2, 1.6 + 0.75 * len(kinds)), layout="constrained")
        axes = figure.subplots()
        for n, (choice, of) in enumerate(gains.items()):
            look, shift = looks[choice], 0.34 * (n - (len(gains) - 1) / 2)
            shown[choice] = {kind: {"gains": list(v), "mean": sum(v) / len(v)} for kind, v in of.items()}
            for kind, found in shown[choice].items():
                row, mean = kinds.index(kind) + shift, found["mean"]
                axes.barh(row, mean, 0.28, color=look.color, alpha=0.3)
                axes.plot(found["gains"], [row] * len(found["gains"]), look.marker, color=look.color, ms=4)
                axes.annotate(
                    f"mean +{mean:.1f}",
                    (max(found["gains"]), row),
                    (6, 0),
                    textcoords="offset points",
                    va="center",
                    color=look.color,
                )
                told.append(
                    f"{kind}, {choice}: +{mean:.1f} in the mean of {len(found['gains'])} sets, "
                    f"+{max(found['gains']):.1f} at most"
                )
        axes.axvline(0, color=INK)
        axes.set(xlabel="HM if chosen on test − HM if chosen on val (points)", ylim=(len(kinds) - 0.5, -0.5))
        axes.set_yticks(range(len(kinds)), kinds)
        axes.margins(x=0.15)
        axes.grid(False, axis="y")
        handles = [
            Line2D([], [], color=looks[c].color, marker=looks[c].marker, linestyle="none") for c in gains
        ]
        figure.legend(handles, list(gains), loc="outside lower center", ncols=len(gains))
        axes.set_title("How much does a look at test flatter? SIMULATED sets")
    figure.alt_text = f"Points of HM gained by choosing on test, simulated sets. {'; '.join(told)}."
    return figure, shown


def _find(curve: Curve, beta: float) -> int:
    row = int((curve.betas - beta).abs().argmin())
    if abs(float(curve.betas[row]) - beta) > 1e-6:
        raise SettingError(f"The curve was not measured at β = {beta:g}; sweep it with that beta.")
    return row
