"""Figures of what a model trains on: which phase knows which class, and how often a sampler draws each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import torch
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.patches import Patch
from torch import Tensor

from hypav.data.features import PHASES, FeatureSet
from hypav.style import INK, OKABE_ITO, DescribedFigure, cues, use_style

__all__ = ["plot_draws", "plot_phases"]

_SEEN, _UNSEEN = OKABE_ITO["blue"], OKABE_ITO["vermilion"]
_HATCH = "////"  # the second cue of unseen classes


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
