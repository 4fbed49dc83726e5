"""Figures of notebook 07: where the curvatures of Eq. 6 begin, and what changes them in training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import log10
from typing import Any

import torch
from matplotlib.axes import Axes
from torch import Generator, Tensor

from hypav import utils
from hypav.alignment import Adaptive, AdaptiveCurvature, AlignmentConfig, preset
from hypav.avca import AVCA
from hypav.data.features import FeatureSet
from hypav.experiments.configs import network_for, recipe_for
from hypav.figures.short_runs import percent, train_steps  # noqa: F401
from hypav.figures.style import (
    BLUE,
    INK,
    Drawn,
    canvas,
    cues,
    histograms,
    legend_below,
    signed,
    superscript,
)
from hypav.training import Learner, RunConfig

SINGLE = Adaptive(N_c=1, c_0=-0.4)  # the paper's layer
ROUNDING = 1e-12  # a smaller gradient is rounding if another is about 1; it is drawn as 0


@dataclass(frozen=True)
class Watched:
    """A run whose curvature layer was recorded.

    Attributes:
        norms: layer -> norm of its gradient at each step.
        steps: the steps before which the curvatures of some videos were recorded.
        k: (len(steps), N) these curvatures.
        weights: mean absolute weight of the curvature layer at first and at the end.
        model: the network at the end.
    """

    norms: dict[str, list[float]]
    steps: list[int]
    k: Tensor
    weights: tuple[float, float]
    model: AVCA


def fresh_run(
    data: FeatureSet, alignment: AlignmentConfig | None = None, *, weight_decay: float = 1e-5
) -> Learner:
    """A network with a curvature layer in float64, before its first step. The seed is 0."""
    recipe = recipe_for(data, scale="course").changed({"dtype": "float64", "weight_decay": weight_decay})
    alignment = preset("printed", curvatures=SINGLE) if alignment is None else alignment
    return Learner.fresh(
        RunConfig(network_for(data, recipe), recipe.train, alignment, seed=0), torch.device("cpu")
    )


def some_videos(model: AVCA, data: FeatureSet) -> tuple[Tensor, Tensor, Tensor]:
    """phi_v and phi_a (N, D) of twenty videos of each of ten training classes, and the classes (N,)."""
    seen = data["train"]
    rows = torch.cat([(seen.label == c).nonzero()[:20, 0] for c in seen.classes[:10]])
    video, audio = seen.video[rows].double(), seen.audio[rows].double()
    with torch.no_grad():
        model.eval()
        return model.encode_v(video), model.encode_a(audio), seen.label[rows]


def watch(data: FeatureSet, *, steps: int, every: int = 4) -> dict[str, Watched]:
    """Train four runs from the same weights on the same batches, and record their curvature layers.

    They are `printed`, with and without weight decay, and `curved`, with minus the distance and with its kernel.
    """
    curved = preset("curved", curvatures=SINGLE)
    runs = {
        "printed": (preset("printed", curvatures=SINGLE), 1e-5),
        "printed, no decay": (preset("printed", curvatures=SINGLE), 0.0),
        "curved": (curved, 1e-5),
        "curved, kernel": (preset("curved", curvatures=SINGLE, similarity="kernel"), 1e-5),
    }
    with utils.threads(1):
        return {name: _watch(data, *run, steps, every) for name, run in runs.items()}


def _watch(data: FeatureSet, alignment: AlignmentConfig, decay: float, steps: int, every: int) -> Watched:
    learner, seen = fresh_run(data, alignment, weight_decay=decay), data["train"].to(dtype=torch.float64)
    model, module = learner.model, learner.alignment
    assert isinstance(model, AVCA)
    assert module is not None
    curvature = module.curvature
    assert isinstance(curvature, AdaptiveCurvature)
    weights: dict[str, Tensor] = {
        "video encoder": model.encode_v.out.weight,
        "curvature layer": curvature.layer.weight,
    }
    ks: list[Tensor] = []
    norms: dict[str, list[float]] = {name: [] for name in weights}
    first = _size(weights["curvature layer"])
    training = train_steps(learner, seen, steps)
    for step in range(steps):
        if step % every == 0:
            with torch.no_grad():
                ks.append(curvature(*some_videos(model, data)[:2])[:, 0])
        next(training)
        for name, weight in weights.items():
            norms[name].append(0.0 if weight.grad is None else float(weight.grad.norm()))
    sizes = first, _size(weights["curvature layer"])
    return Watched(norms, list(range(0, steps, every)), torch.stack(ks), sizes, model)


def _size(weight: Tensor) -> float:
    return float(weight.detach().abs().mean())


def random_layers(
    models: Mapping[str, AVCA], data: FeatureSet, generator: Generator, *, layers: int = 100
) -> tuple[dict[str, Tensor], Tensor]:
    """How much the curvatures of random layers differ between classes.

    Args:
        models: name -> network; the layers see its embeddings of some videos.
        generator: draws the layers, and shuffles the classes 400 times.

    Returns:
        name -> (layers,) percent of the variance of k between classes, and (400,) the same for shuffled classes.
    """
    shares: dict[str, Tensor] = {}
    for name, model in models.items():
        phi_v, phi_a, label = some_videos(model, data)
        drawn = [AdaptiveCurvature(SINGLE, phi_v.shape[1], generator).double() for _ in range(layers)]
        with torch.no_grad():
            ks = [layer(phi_v, phi_a)[:, 0] for layer in drawn]
        shares[name] = torch.stack([_share_between(k, label) for k in ks])
    orders = [torch.randperm(len(label), generator=generator) for _ in range(400)]
    return shares, torch.stack([_share_between(ks[0], label[order]) for order in orders])


def _share_between(k: Tensor, label: Tensor) -> Tensor:
    """The variance of the classes' means in percent of the variance of k."""
    means = torch.stack([k[label == c].mean() for c in label.unique()])
    between = means[torch.unique(label, return_inverse=True)[1]] - k.mean()
    return 100 * between.square().sum() / (k - k.mean()).square().sum()


def plot_layer_curve(k: Tensor, *, c_0: float, data: str) -> Drawn:
    """Draw k = c_0 sigmoid(s) of Eq. 6, with some videos on the curve. s is the output of the linear layer.

    Args:
        k: (N, 1) the curvatures of the videos.

    Returns:
        figure and {"s", "k": (N,)}.
    """
    k = k.detach().double().flatten()
    s = torch.logit(k / c_0)
    reach = max(5.0, 1.2 * float(s.abs().max()))
    line = torch.linspace(-reach, reach, 101, dtype=torch.float64)
    with canvas(6.4, 3.4) as (figure, axes):
        axes.plot(line.numpy(), (c_0 * torch.sigmoid(line)).numpy(), color=INK)
        axes.plot(s.numpy(), k.numpy(), "o", color=BLUE, markersize=4, alpha=0.4)
        for level, name in ((0.0, "0: flat"), (c_0 / 2, "c₀/2"), (c_0, "c₀")):
            axes.axhline(level, color=INK, linewidth=0.8, linestyle=":")
            axes.annotate(name, (-reach, level), (2, 2), textcoords="offset points", color=INK, va="bottom")
        axes.set(xlabel="s, the weighted sum and the bias", ylabel="curvature k", xlim=(-reach, reach))
        axes.set_ylim(*sorted((1.08 * c_0, -0.12 * c_0)))
        axes.set_title(f"Where on this curve are the videos?\n{data}")
    figure.alt_text = (
        f"A curve that falls from 0 at s = {signed(-round(reach, 1))} to {signed(c_0)} at s = {round(reach, 1):g}, and "
        f"{len(s)} videos on it: their s from {float(s.min()):.2f} to {float(s.max()):.2f}, their k from "
        f"{float(k.min()):.2f} to {float(k.max()):.2f}, in the mean {float(k.mean()):.2f}."
    )
    return figure, {"s": s, "k": k}


def plot_random_layers(shares: Mapping[str, Tensor], chance: Tensor, *, data: str) -> Drawn:
    """Draw how much the curvatures of many random layers differ between classes, and the same for shuffled classes.

    Args:
        shares: embeddings -> (R,) percent of the variance of k between classes, one for each layer; at most two.
        chance: (S,) the same for shuffled classes.

    Returns:
        figure and {"edges", embeddings: layers in each bin, "chance": its 95 % quantile, "above": {embeddings: percent
        of the layers above it}}.
    """
    limit = float(torch.quantile(chance.double(), 0.95))
    top = max(float(values.max()) for values in shares.values())
    edges = torch.arange(0, 2 * (int(top) // 2) + 4, 2, dtype=torch.float64)
    shown: dict[str, Any] = {"edges": edges, "chance": limit, "above": {}}
    parts = []
    with canvas(6.4, 3.4) as (figure, axes):
        for name, values in shares.items():
            shown[name] = torch.histogram(values.double(), edges).hist
            shown["above"][name] = 100 * float((values > limit).double().mean())
            parts.append(
                f"{name}: {float(values.double().mean()):.0f} percent in the mean, more than {limit:.0f} in "
                f"{shown['above'][name]:.0f} of 100 layers"
            )
        histograms(axes, edges, {name: shown[name] for name in shares})
        axes.axvspan(0, limit, color="#EEEEEE", zorder=0, label="95 % of shuffled classes")
        axes.set(xlabel="% of the variance of k that lies between classes", ylabel="random layers")
        axes.set_xlim(0, None)
        axes.legend(loc="upper right")
        axes.set_title(f"Do random weights know the classes?\n{data}")
    figure.alt_text = (
        f"Histograms over {len(next(iter(shares.values())))} random curvature layers. By chance the share lies below "
        f"{limit:.0f} percent in 95 of 100 cases. {'; '.join(parts)}."
    )
    return figure, shown


def plot_gradient_sizes(histories: Mapping[str, Mapping[str, Sequence[float]]], *, data: str) -> Drawn:
    """Draw norms of gradients by training step on a logarithmic scale, with one panel for each run.

    A norm below ROUNDING is drawn as 0, in a band below a break of the axis.

    Args:
        histories: run -> {layer: one norm for each step}; the same layers in each.

    Returns:
        figure and {run: {layer: (T,) norms, 0 if below ROUNDING}}.
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
    parts = []
    with canvas(8, 3.4, len(shown), sharey=True) as (figure, panels):
        for axes, (run, layers) in zip(panels, shown.items(), strict=True):
            for (layer, values), cue in zip(layers.items(), cues(layers).values(), strict=True):
                drawn = [value or zero for value in values]
                marks = max(1, len(values) // 8)
                axes.semilogy(range(len(drawn)), drawn, **cue.line, markevery=marks, label=layer)
                ends = f"{_norm(values[0])} to {_norm(values[-1])}"
                parts.append(f"{run}, {layer}: {ends if any(values) else '0 to rounding throughout'}")
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
        legend_below(figure, panels[0])
        figure.suptitle(f"What reaches the curvature layer?\n{data}")
    figure.alt_text = f"Gradient norms by training step, logarithmic. {'; '.join(parts)}."
    return figure, shown


def plot_curvature_paths(
    paths: Mapping[str, Tensor], steps: Sequence[int], *, c_0: float, data: str
) -> Drawn:
    """Draw the curvatures of the same samples by training step: median, 5-95 % and full range, with one panel per run.

    Args:
        paths: run -> (T, N).
        steps: T.

    Returns:
        figure and {"steps", run: (5, T): minimum, 5 %, median, 95 %, maximum}.
    """
    levels = torch.tensor([0.0, 0.05, 0.5, 0.95, 1.0], dtype=torch.float64)
    shown: dict[str, Any] = {"steps": list(steps)}
    with canvas(8, 3.4, len(paths), sharey=True) as (figure, panels):
        for axes, (run, k) in zip(panels, paths.items(), strict=True):
            shown[run] = bands = torch.quantile(k.detach().double(), levels, dim=1)
            least, low, middle, high, most = bands.tolist()
            axes.fill_between(steps, least, most, color=BLUE, alpha=0.15, linewidth=0, label="all videos")
            axes.fill_between(steps, low, high, color=BLUE, alpha=0.35, linewidth=0, label="nine in ten")
            axes.plot(steps, middle, color=BLUE, label="median")
            axes.axhline(c_0 / 2, color=INK, linewidth=0.8, linestyle="--", label="c₀/2")
            axes.set(title=run, xlabel="training step")
        panels[0].set(ylabel="curvature k", ylim=sorted((c_0, 0.0)))
        legend_below(figure, panels[0])
        figure.suptitle(f"Where do the curvatures go?\n{data}")
    parts = [f"{run}: from {_span(shown[run][:, 0])} to {_span(shown[run][:, -1])}" for run in paths]
    figure.alt_text = (
        f"Bands of the videos' curvatures by training step, c₀ = {signed(c_0)}; first and last step, least, median "
        f"and greatest. {'; '.join(parts)}."
    )
    return figure, shown


def _break_axis(axes: Axes, at: float, low: float, high: float) -> None:
    """Draw two strokes over a gap in the left side of a logarithmic axis; the scale does not apply below it."""
    height = (log10(at) - log10(low)) / (log10(high) - log10(low))
    gap: dict[str, Any] = {"transform": axes.transAxes, "clip_on": False, "linestyle": "none"}
    axes.plot(0, height, marker="s", markersize=5, color="white", zorder=5, **gap)
    for side in (-0.012, 0.012):
        stroke = [(-1, -0.4), (1, 0.4)]
        axes.plot(0, height + side, marker=stroke, markersize=9, color="black", zorder=6, **gap)


def _norm(value: float) -> str:
    return "below 0.001" if value < 1e-3 else f"{value:.2g}"


def _span(bands: Tensor) -> str:
    return "/".join(signed(round(float(bands[n]), 2) + 0.0) for n in (0, 2, 4))
