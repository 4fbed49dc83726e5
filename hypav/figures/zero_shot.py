"""The beta explorer of notebook 04."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial
from itertools import pairwise
from typing import Any

import torch
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from torch import Tensor

from hypav.data.features import PHASES, FeatureSet
from hypav.errors import SettingError
from hypav.evaluation import Curve, Scores
from hypav.figures.explorer import Control, Explorer
from hypav.figures.style import INK, OKABE_ITO, DescribedFigure, cues, use_style

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
    scores, first, size = Scores(distances, label, classes, seen, unseen), len(seen), len(classes)
    blocks: dict[str, Tensor] = {}
    with use_style():
        figure = DescribedFigure(figsize=(8, 4.4), layout="constrained")
        panels = figure.subplots(1, len(betas), sharey=True, squeeze=False)[0]
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
    switch = Scores(distances, label, classes, seen, unseen).nearest.last_seen
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
        curve: of `Scores.curve`, at betas close enough for a line.
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


def plot_phases(data: FeatureSet) -> tuple[DescribedFigure, dict[str, dict[str, int]]]:
    """For each phase and class: trained on or seen, unseen, or absent. A column a class, in order of their roles.

    Returns:
        figure and {phase: {"seen", "unseen": numbers of classes, "seen_samples", "unseen_samples"}}.
    """
    train = data.split_classes["stage_1_train"]
    held, last = data.split_classes["stage_1_val_unseen"], data.split_classes["stage_2_test_unseen"]
    place = {int(c): n for n, c in enumerate(torch.cat([train, held, last]))}
    shown: dict[str, dict[str, int]] = {}
    with use_style():
        figure = DescribedFigure(figsize=(8, 3.2), layout="constrained")
        axes = figure.subplots()
        for row, name in enumerate(PHASES):
            phase = data.phase(name)
            novel = torch.isin(phase.label, phase.unseen)
            shown[name] = {
                "seen": len(phase.seen),
                "unseen": len(phase.unseen),
                "seen_samples": int((~novel).sum()),
                "unseen_samples": int(novel.sum()),
            }
            _draw_classes(axes, row, [place[int(c)] for c in phase.seen], _SEEN, "")
            _draw_classes(axes, row, [place[int(c)] for c in phase.unseen], _UNSEEN, _HATCH)
        ends = [0, len(train), len(train) + len(held), len(place)]
        words = (f"{len(train)} train", f"{len(held)} val-unseen", f"{len(last)} test-unseen")
        middles = [(a + b) / 2 for a, b in pairwise(ends)]
        axes.set(
            xlim=(-0.3, len(place) + 0.3), ylim=(len(PHASES) - 0.4, -0.6), xlabel="classes, by their role"
        )
        axes.set_xticks(middles, words)
        axes.set_yticks(range(len(PHASES)), [_phase_words(name, shown[name]) for name in PHASES])
        axes.tick_params(length=0)
        axes.grid(False)
        axes.spines[:].set_visible(False)
        keys = [Patch(facecolor=_SEEN), Patch(facecolor=_UNSEEN, hatch=_HATCH, edgecolor="white")]
        figure.legend(
            keys, ["seen: trained on", "unseen: only its name"], loc="outside lower center", ncols=2
        )
        figure.suptitle(f"Which classes does each phase know?\n{data.name}")
    told = [
        f"{name}: {n['seen']} seen classes ({n['seen_samples']} samples)"
        + (f" and {n['unseen']} unseen ({n['unseen_samples']})" if n["unseen"] else "")
        for name, n in shown.items()
    ]
    figure.alt_text = (
        f"Phases as rows, the {len(place)} classes of {data.name} as columns. {'; '.join(told)}. "
        "Val-unseen classes become seen in train_val; test-unseen classes are in no phase but test."
    )
    return figure, shown


def plot_draws(
    size: Tensor, draws: Mapping[str, Tensor], *, data: str
) -> tuple[DescribedFigure, dict[str, Any]]:
    """Which share of the draws each class gets, against its number of samples.

    Args:
        size: samples of each class (K,).
        draws: sampler -> number of draws of each class (K,).
        data: what the data are called; the name of a simulated set says that it is one.

    Returns:
        figure and {"size": (K,), sampler: (K,) shares in percent}, classes by falling size.
    """
    order = size.argsort(descending=True, stable=True)
    share = {name: 100 * drawn[order].double() / drawn.sum() for name, drawn in draws.items()}
    even = 100 / len(size)
    with use_style():
        figure = DescribedFigure(figsize=(7.2, 3.6), layout="constrained")
        axes = figure.subplots()
        for name, look in cues(draws).items():
            axes.plot(size[order], share[name], look.marker, color=look.color, label=name, markersize=5)
        axes.axhline(even, color=INK, linestyle="--", label=f"1/K = {even:.2f} %")
        axes.set(xlabel="samples that the class has", ylabel="share of the draws (%)", ylim=(0, None))
        axes.legend()
        axes.set_title(f"Does a large class train the model more than a small one?\n{data}")
    told = [f"{name} between {s.min():.2f} and {s.max():.2f} percent" for name, s in share.items()]
    figure.alt_text = (
        f"Share of the draws by class size, {len(size)} classes of {int(size.min())} to {int(size.max())} "
        f"samples: {'; '.join(told)}. One class in {len(size)} is {even:.2f} percent."
    )
    return figure, {"size": size[order], **share}


def _draw_classes(axes: Axes, row: int, columns: Sequence[int], color: str, hatch: str) -> None:
    boxes = [
        [(c + 0.06, row - 0.34), (c + 0.94, row - 0.34), (c + 0.94, row + 0.34), (c + 0.06, row + 0.34)]
        for c in columns
    ]
    axes.add_collection(PolyCollection(boxes, facecolor=color, edgecolor="white", hatch=hatch))


def _phase_words(name: str, n: Mapping[str, int]) -> str:
    return f"{name}\n{n['seen_samples'] + n['unseen_samples']} samples"


def beta_explorer(curve: Curve, *, data: str = "") -> Explorer:
    """S, U and HM of `plot_beta`, with a slider for beta.

    Args:
        curve: of `Scores.curve`, at betas of equal steps; the slider goes from the first to the last. Nothing is
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
