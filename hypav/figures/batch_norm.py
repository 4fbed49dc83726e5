"""Figures of appendix A2: what a batch norm stores, and what a change to a trained network seems to cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import replace

import torch
from matplotlib.ticker import MaxNLocator
from torch import Tensor

from hypav.avca import AVCAConfig
from hypav.data.batches import TripletSampler, make_batch
from hypav.data.features import FeatureSet
from hypav.errors import DataError
from hypav.figures.avca import WatchedRun, train_and_watch, watched_config, with_fresh_statistics  # noqa: F401
from hypav.figures.short_runs import train_steps
from hypav.figures.style import BLUE, INK, VERMILION, Drawn, canvas, cues, legend_below
from hypav.training import Learner, score


def what_momentum_changes(data: FeatureSet, *, steps: int) -> dict[str, list[str]]:
    """Train two networks that differ in the momentum of their batch norms, .1 and .99, and name what differs afterwards.

    Returns:
        "parameters" and "stored statistics" -> the names of the tensors that are not equal in every bit.
    """
    config, models = watched_config(data, epochs=1), []
    train = data["train"].to(dtype=torch.float64)
    for momentum in (0.1, 0.99):
        assert isinstance(config.network, AVCAConfig)
        changed = replace(config, network=replace(config.network, momentum=momentum))
        learner = Learner.fresh(changed, torch.device("cpu"))
        for _ in train_steps(learner, train, steps):
            pass
        models.append(learner.model)
    kinds: dict[str, list[dict[str, Tensor]]] = {
        "parameters": [dict(model.named_parameters()) for model in models],
        "stored statistics": [dict(model.named_buffers()) for model in models],
    }
    return {
        kind: [name for name in one if not torch.equal(one[name], other[name])]
        for kind, (one, other) in kinds.items()
    }


def batches_that_pass(
    run: WatchedRun, data: FeatureSet, *, batches: int = 5
) -> tuple[Tensor, dict[str, Tensor], dict[str, list[float]]]:
    """Let batches of 32 pass the trained network with two momenta; the weights stay as they are.

    Returns:
        The mean of one unit in each batch; and momentum -> its stored mean after each batch, and HM on val in per cent.
    """
    train, seen = data["train"].to(dtype=torch.float64), []
    running: dict[str, Tensor] = {}
    quality: dict[str, list[float]] = {}
    for momentum in (0.1, 0.99):
        name, model = f"{momentum:g}", deepcopy(run.model)
        for part in (model.encode_a, model.encode_v, model.project_a, model.project_v):
            part.out_norm.momentum = momentum
        layer, quality[name] = model.encode_v.out_norm, []
        taken: list[Tensor] = []
        stored: list[Tensor] = []
        layer.register_forward_pre_hook(lambda _, x, taken=taken: taken.append(x[0][:, 0].mean()))
        draw, masks = (torch.Generator().manual_seed(seed) for seed in (7, 8))
        sampler = TripletSampler(train.label, batch_size=32, generator=draw)
        for pair in zip(*sampler.draw(batches), strict=True):
            with torch.no_grad():
                model.train()(*make_batch(train, *pair), generator=masks)
            seen.append(taken[-1])  # the negatives pass last
            stored.append(layer.state_dict()["running_mean"][0].clone())
            quality[name].append(100 * score(model, data["val"]).metrics(run.chosen["beta"]).HM)
        running[name] = torch.stack(stored)
    return torch.stack(seen[:batches]), running, quality


def interventions(run: WatchedRun, data: FeatureSet) -> dict[str, tuple[float, float]]:
    """HM on val in per cent after changes to the positional embedding: with stored and with fresh statistics."""
    now = run.model.positional.detach()
    other = torch.randn(now.shape, generator=torch.Generator().manual_seed(9), dtype=now.dtype)
    candidates = {"as trained": now, "zero": 0 * now, "rows swapped": now.flip(0), "random": other}
    found = {}
    for name, positional in candidates.items():
        changed = deepcopy(run.model)
        changed.positional.data = positional.clone()
        pair = (changed, with_fresh_statistics(changed, data))
        stored, fresh = (100 * score(model, data["val"]).metrics(run.chosen["beta"]).HM for model in pair)
        found[name] = (stored, fresh)
    return found


def change_by_a_constant(run: WatchedRun, data: FeatureSet, constant: float) -> float:
    """The largest change of the video projector's outputs in training mode if a constant is added to all its inputs."""
    val, part = data["val"].to(dtype=torch.float64), deepcopy(run.model.project_v).train()
    with torch.no_grad():
        phi_a, phi_v = run.model.eval().encode_a(val.audio), run.model.encode_v(val.video)
        phi_att = run.model.attend(phi_a, phi_v)[1]
        return round(float((part(phi_att + constant) - part(phi_att)).abs().max()), 6)


def plot_momentum(
    batches: Tensor, running: Mapping[str, Tensor], quality: Mapping[str, Sequence[float]], *, data: str
) -> Drawn:
    """Draw one unit's mean in each batch and as stored by the batch norm, and the HM with the stored mean.

    Args:
        batches: (n,) the unit's mean in each batch.
        running: name of a momentum -> (n,) the running mean after each batch.
        quality: name of a momentum -> HM in percent after each batch.

    Returns:
        figure and {"batches", "running": {...}, "quality": {...}}.
    """
    steps = list(range(1, len(batches) + 1))
    with canvas(8, 3.4, 2) as (figure, (left, right)):
        left.plot(steps, batches.tolist(), "x", color=INK, label="mean of the batch")
        for name, cue in cues(running).items():
            left.plot(
                steps, running[name].tolist(), **cue.line, markersize=4, label=f"stored, momentum {name}"
            )
            right.plot(steps, list(quality[name]), **cue.line)
        left.set(title="mean of one unit", ylabel="mean before normalising")
        right.set(title="HM on val, the weights stay the same", ylabel="HM (%)")
        for axes in (left, right):
            axes.set_xlabel("batch")
            axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
        legend_below(figure, left, 3)
        figure.suptitle(f"How do the stored mean and HM change from batch to batch?\n{data}")
    parts = [
        f"with momentum {name} the stored mean lies {float((r - batches).abs().mean()):.2f} from the batch's on average "
        f"and HM runs from {min(quality[name]):.1f} to {max(quality[name]):.1f} percent"
        for name, r in running.items()
    ]
    figure.alt_text = (
        f"{len(batches)} batches pass a network whose weights do not change: {'; '.join(parts)}."
    )
    lists = {momentum: list(values) for momentum, values in quality.items()}
    return figure, {"batches": batches, "running": dict(running), "quality": lists}


def plot_interventions(results: Mapping[str, tuple[float, float]], *, data: str) -> Drawn:
    """Draw HM after each change to a trained network, with stored and with fresh batch-norm statistics.

    Args:
        results: what was changed -> (HM with stored statistics, HM with fresh ones), in percent.

    Returns:
        figure and {what was changed: [stored, fresh]}.

    Raises:
        DataError: nothing was changed.
    """
    if not results:
        raise DataError("There is no intervention to draw.")
    with canvas(7.2, 1.5 + 0.45 * len(results)) as (figure, axes):
        for row, (stored, fresh) in enumerate(results.values()):
            axes.plot([stored, fresh], [row, row], color="#BBBBBB", linewidth=2, zorder=1)
            axes.plot(stored, row, "X", color=VERMILION, label="stored statistics" if row == 0 else None)
            axes.plot(fresh, row, "o", color=BLUE, label="fresh statistics" if row == 0 else None)
        axes.set_yticks(range(len(results)), list(results))
        axes.set(ylim=(len(results) - 0.5, -0.5), xlabel="HM on val (%)")
        axes.grid(False, axis="y")
        legend_below(figure, axes)
        axes.set_title(f"How much does a changed positional embedding seem to cost?\n{data}")
    parts = [f"{name}: {stored:.1f} and {fresh:.1f}" for name, (stored, fresh) in results.items()]
    figure.alt_text = (
        f"HM on val in percent with the stored batch-norm statistics and with fresh ones. {'; '.join(parts)}."
    )
    return figure, {name: list(pair) for name, pair in results.items()}
