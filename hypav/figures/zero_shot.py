"""Figures of notebook 04: the phases, calibrated stacking and its beta, and how optimistic choices on test data are."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import torch
from matplotlib.lines import Line2D
from torch import Tensor

from hypav.errors import SettingError
from hypav.evaluation import Curve, Scores
from hypav.figures.png_explorer import Control, Explorer
from hypav.figures.runs import plot_phases, plot_seen_unseen_curve  # noqa: F401
from hypav.figures.style import BLUE, HATCH, INK, VERMILION, Drawn, canvas, cues, histogram

_SEEN, _UNSEEN = BLUE, VERMILION
_QUARTERS = (0, 25, 50, 75, 100)


def plot_answers(scores: Scores, *, betas: Sequence[float], data: str) -> Drawn:
    """Draw confusion matrices at some betas, seen classes first: rows are true classes, columns predicted classes.

    Returns:
        figure and {"β = ...": (2, 2) percent of the samples of seen, unseen classes that get a seen, an unseen class}.
    """
    order = torch.searchsorted(scores.classes, torch.cat([scores.seen, scores.unseen]))
    first, size = len(scores.seen), len(scores.classes)
    blocks: dict[str, Tensor] = {}
    with canvas(8, 4.4, len(betas), sharey=True) as (figure, panels):
        for axes, beta in zip(panels, betas, strict=True):
            counts = scores.confusion(beta)[order][:, order].double()
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
    parts = [
        f"at {name}, {b[1, 0]:.0f} percent of the samples of unseen classes are given a seen class, "
        f"and {b[0, 1]:.0f} percent of the others an unseen one"
        for name, b in blocks.items()
    ]
    figure.alt_text = f"Confusion of {first} seen and {size - first} unseen classes: {'; '.join(parts)}."
    return figure, blocks


def plot_switches(scores: Scores, *, betas: Sequence[float], data: str) -> Drawn:
    """Draw the betas at which samples switch from their nearest seen to their nearest unseen class, by kind of sample.

    Returns:
        figure and {"edges" of the bins, "seen", "unseen": samples in each bin, "β = ...": percent of the samples of seen
        and of unseen classes that have switched}.
    """
    switch = scores.nearest.last_seen
    novel = torch.isin(scores.label, scores.unseen)
    edges = torch.arange(-2, 23, dtype=torch.float64) / 4
    edges = edges[(edges > switch.min() - 0.25) & (edges < switch.max() + 0.25)]
    kinds = {"seen": switch[~novel], "unseen": switch[novel]}
    shown: dict[str, Any] = {"edges": edges}
    with canvas(7.2, 3.6) as (figure, axes):
        for (kind, values), color, hatch in zip(kinds.items(), (_SEEN, _UNSEEN), ("", HATCH), strict=True):
            shown[kind] = torch.histogram(values, edges).hist
            share = 100 * shown[kind] / len(values)
            histogram(axes, edges, share, color, hatch, f"samples of {kind} classes", alpha=0.65)
        for beta in betas:
            axes.axvline(beta, color=INK, linestyle="--")
            at = (beta, axes.get_ylim()[1])
            axes.annotate(f"β = {beta:g}", at, (3, -2), textcoords="offset points", va="top", color=INK)
            shown[f"β = {beta:g}"] = [100 * float((v < beta).double().mean()) for v in kinds.values()]
        axes.set(xlabel="d(nearest unseen) − d(nearest seen): the β at which the answer switches")
        axes.set_ylabel("% of the samples")
        axes.legend(loc="upper right")
        axes.set_title(f"Where should β cut?\n{data}")
    parts = [
        f"β = {beta:g} lies right of {shown[f'β = {beta:g}'][1]:.0f} percent of the unseen and "
        f"{shown[f'β = {beta:g}'][0]:.0f} percent of the seen samples"
        for beta in betas
    ]
    figure.alt_text = (
        "Two overlapping histograms of the β at which a sample's answer switches from seen to unseen: samples of "
        f"unseen classes switch at {kinds['unseen'].median():.1f} in the median, of seen classes at "
        f"{kinds['seen'].median():.1f}. {'; '.join(parts)}."
    )
    return figure, shown


def plot_beta(
    curve: Curve, *, betas: Sequence[float] = (), beta: float | None = None, data: str = ""
) -> Drawn:
    """Draw S, U and HM over beta, and the same on the seen-unseen curve, with some betas marked.

    Args:
        curve: from `Scores.curve`, at betas close enough for a line.
        betas: the betas to mark, all on the curve.
        beta: one more beta to mark, set by a slider.

    Returns:
        figure and {"β = ...": [S, U, HM] in percent, "top": the highest HM of the curve}.

    Raises:
        SettingError: no beta is given, or a beta is not on the curve.
    """
    marked = [*betas, *([] if beta is None else [beta])]
    if not marked:
        raise SettingError("There is no beta to mark; give betas or beta.")
    percent = {name: (100 * getattr(curve, name)).numpy() for name in ("S", "U", "HM")}
    rows = [int((curve.betas - b).abs().argmin()) for b in marked]
    for b, row in zip(marked, rows, strict=True):
        if abs(float(curve.betas[row]) - b) > 1e-6:
            raise SettingError(f"The curve was not measured at β = {b:g}; compute it with that beta.")
    shown: dict[str, Any] = {
        f"β = {b:.2f}": [float(percent[name][row]) for name in percent]
        for b, row in zip(marked, rows, strict=True)
    }
    shown["top"] = float(percent["HM"].max())
    with canvas(8, 3.6, 2, margins=(0.08, 0.15, 0.98, 0.8, 0.25)) as (figure, (left, right)):
        for name, cue in cues(percent).items():
            line: dict[str, Any] = {"color": cue.color, "linestyle": cue.linestyle, "label": name}
            left.plot(curve.betas.numpy(), percent[name], **line)
            left.plot(marked, percent[name][rows], cue.marker, color=cue.color, linestyle="none")
        for b in marked:
            left.axvline(b, color=INK, linewidth=0.8, linestyle=":")
        left.set(xlabel="β", ylabel="%", ylim=(0, 100), yticks=_QUARTERS)
        left.set_xticks(range(math.ceil(float(curve.betas[0])), math.floor(float(curve.betas[-1])) + 1))
        left.legend(loc="center right")
        right.plot(percent["U"], percent["S"], color=INK)
        right.plot(percent["U"][rows], percent["S"][rows], "o", color=_UNSEEN)
        reach = 10 * (1 + int(100 * curve.ZSL) // 10)
        for b, row in zip(marked, rows, strict=True):
            point = percent["U"][row], percent["S"][row]
            x, ha = (
                (8, "left") if point[0] < reach / 5 else (-6, "right")
            )  # to the right of points near the axis
            y, va = (4, "bottom") if point[1] < 15 else (-4, "top")
            right.annotate(f"β = {b:g}", point, (x, y), textcoords="offset points", ha=ha, va=va)
        right.set(xlim=(0, reach), ylim=(0, 100), xlabel="U (%)", ylabel="S (%)", yticks=_QUARTERS)
        right.set_xticks(range(0, reach + 1, 10))
        figure.suptitle(f"What does β trade?\n{data}" if data else "What does β trade?")
    parts = [
        f"β = {b:.2f}: S {percent['S'][r]:.1f}, U {percent['U'][r]:.1f}, HM {percent['HM'][r]:.1f}"
        for b, r in zip(marked, rows, strict=True)
    ]
    figure.alt_text = (
        f"As β grows S falls and U rises, in percent: {'; '.join(parts)}. The greatest HM on this curve is "
        f"{shown['top']:.1f}."
    )
    return figure, shown


def plot_peeking(gains: Mapping[str, Mapping[str, Sequence[float]]]) -> Drawn:
    """Draw how much a choice on test data raises HM: one dot per simulated set, and a bar for the mean.

    Args:
        gains: what was chosen on test -> kind of set -> gain in HM over the choice on val, in points, for each set.

    Returns:
        figure and {choice: {set: {"gains", "mean"}}}.
    """
    kinds = list(dict.fromkeys(kind for of in gains.values() for kind in of))
    styles = cues(gains)
    shown: dict[str, dict[str, Any]] = {}
    parts = []
    with canvas(7.2, 1.6 + 0.75 * len(kinds)) as (figure, axes):
        for n, (choice, by_kind) in enumerate(gains.items()):
            cue, shift = styles[choice], 0.34 * (n - (len(gains) - 1) / 2)
            shown[choice] = {}
            for kind, values in by_kind.items():
                row, mean, most = kinds.index(kind) + shift, sum(values) / len(values), max(values)
                shown[choice][kind] = {"gains": list(values), "mean": mean}
                axes.barh(row, mean, 0.28, color=cue.color, alpha=0.3)
                axes.plot(values, [row] * len(values), cue.marker, color=cue.color, ms=4)
                note: dict[str, Any] = {"textcoords": "offset points", "va": "center", "color": cue.color}
                axes.annotate(f"mean +{mean:.1f}", (most, row), (6, 0), **note)
                parts.append(
                    f"{kind}, {choice}: +{mean:.1f} in the mean of {len(values)} sets, +{most:.1f} at most"
                )
        axes.axvline(0, color=INK)
        axes.set(xlabel="HM if chosen on test − HM if chosen on val (points)", ylim=(len(kinds) - 0.5, -0.5))
        axes.set_yticks(range(len(kinds)), kinds)
        axes.margins(x=0.15)
        axes.grid(False, axis="y")
        handles = [Line2D([], [], color=cue.color, marker=cue.marker, ls="none") for cue in styles.values()]
        figure.legend(handles, list(styles), loc="outside lower center", ncols=len(gains))
        axes.set_title("How much does a look at test flatter? SIMULATED sets")
    figure.alt_text = f"Points of HM gained by choosing on test, simulated sets. {'; '.join(parts)}."
    return figure, shown


def plot_draws(size: Tensor, draws: Mapping[str, Tensor], *, data: str) -> Drawn:
    """Draw each class's share of the draws over its number of samples.

    Args:
        size: samples of each class (K,).
        draws: sampler -> number of draws of each class (K,).

    Returns:
        figure and {"size": (K,), sampler: (K,) shares in percent}, classes by falling size.
    """
    order = size.argsort(descending=True, stable=True)
    share = {name: 100 * drawn[order].double() / drawn.sum() for name, drawn in draws.items()}
    even = 100 / len(size)
    with canvas(7.2, 3.6) as (figure, axes):
        for name, cue in cues(draws).items():
            axes.plot(size[order], share[name], cue.marker, color=cue.color, label=name, markersize=5)
        axes.axhline(even, color=INK, linestyle="--", label=f"1/K = {even:.2f} %")
        axes.set(xlabel="samples that the class has", ylabel="share of the draws (%)", ylim=(0, None))
        axes.legend()
        axes.set_title(f"Does a large class train the model more than a small one?\n{data}")
    parts = [f"{name} between {s.min():.2f} and {s.max():.2f} percent" for name, s in share.items()]
    figure.alt_text = (
        f"Share of the draws by class size, {len(size)} classes of {int(size.min())} to {int(size.max())} "
        f"samples: {'; '.join(parts)}. One class in {len(size)} is {even:.2f} percent."
    )
    return figure, {"size": size[order], **share}


def beta_explorer(curve: Curve, *, data: str = "") -> Explorer:
    """Show `plot_beta` with a slider for beta.

    Args:
        curve: from `Scores.curve`, at equally spaced betas. The slider goes from the first to the last and computes
            nothing.
    """
    low, high = float(curve.betas[0]), float(curve.betas[-1])
    step = (high - low) / (len(curve.betas) - 1)
    start = float(curve.betas[len(curve.betas) // 4])
    return Explorer(
        partial(plot_beta, curve, data=data),
        [Control("beta", "β", value=start, low=low, high=high, step=step)],
    )
