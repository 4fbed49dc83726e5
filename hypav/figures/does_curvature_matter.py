"""Figures of notebook 09: the loss over k, the factor of Eqs. 1 and 3, drift, and runs with a loss of one's own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from pandas import DataFrame, read_csv
from torch import Tensor, nn

from hypav import geometry
from hypav.alignment import Adaptive, AlignmentConfig, AlignmentLoss, preset
from hypav.avca import Embeddings
from hypav.data.batches import TripletSampler, make_batch
from hypav.data.features import FeatureSet
from hypav.evaluation import class_distances
from hypav.experiments.configs import network_for, recipe_for
from hypav.experiments.contrasts import planned
from hypav.experiments.effects import results_path
from hypav.experiments.planted import contrasts
from hypav.figures.alignment_explorer import alignment_explorer  # noqa: F401
from hypav.figures.hyper_multiple import linear_val_HM  # noqa: F401
from hypav.figures.short_runs import train_steps
from hypav.figures.style import BLUE, CUES, Drawn, canvas, cues, draw_seeds, legend_below, minus, signed
from hypav.losses import avca_terms, total
from hypav.stats import t_interval
from hypav.training import Learner, RunConfig, embed_phase, score

Loss = Callable[[Tensor, Tensor], Tensor]

_STEPS = (0, 1, 2, 4, 8, 16, 32, 48, 64)  # of the drift


def _learner(data: FeatureSet, alignment: AlignmentConfig | None, seed: int, dtype: str) -> Learner:
    """The course's small network before its first step."""
    recipe = recipe_for(data, scale="course").changed({"batch_size": 32, "dtype": dtype})
    return Learner.fresh(
        RunConfig(network_for(data, recipe), recipe.train, alignment, seed), torch.device("cpu")
    )


def _training(data: FeatureSet, learner: Learner, steps: int, dtype: str) -> Iterator[int]:
    """Train on the phase train, and yield the number of steps that were made."""
    yield 0
    reports = train_steps(learner, data["train"].to(dtype=getattr(torch, dtype)), steps)
    for step, _ in enumerate(reports, 1):
        yield step


def embeddings(data: FeatureSet) -> tuple[Tensor, Tensor, float]:
    """phi_v and phi_a (256, D) of a batch of a small network that was trained for 20 steps, and L_avca of the batch."""
    learner = _learner(data, None, 0, "float64")
    for _ in _training(data, learner, 20, "float64"):
        pass
    phase = data["train"].to(dtype=torch.float64)
    draw = TripletSampler(phase.label, batch_size=256, generator=learner.sampling.clone_state()).draw(1)
    batch = make_batch(phase, draw[0][0], draw[1][0])
    with torch.no_grad():
        e = learner.model(*batch, generator=learner.masks.clone_state())
    return e.phi_v, e.phi_a, float(total(avca_terms(e, batch.text)))


def plot_own_loss(ks: Sequence[float], losses: Sequence[float], *, data: str) -> Drawn:
    """Draw a loss over k in units of its value at the k nearest to -0.2.

    Returns:
        figure and {"k", "loss": in these units, "spread": the largest relative change, 0 below 1e-9}.
    """
    unit = losses[min(range(len(ks)), key=lambda i: abs(ks[i] + 0.2))]
    relative = [value / unit for value in losses]
    spread = max(relative) - min(relative)
    spread = 0.0 if spread < 1e-9 else spread
    with canvas(6.6, 3.2) as (figure, axes):
        axes.plot(ks, relative, "o-", color=BLUE)
        axes.set(xlabel="curvature k", ylabel="loss / loss at −0.2", ylim=(0, max(2.0, 1.1 * max(relative))))
        axes.set_title(f"What does your loss do when k changes?\n{data}")
    change = "does not change" if spread == 0 else f"changes by {100 * spread:.0f} percent"
    figure.alt_text = f"The loss over k from {signed(min(ks))} to {signed(max(ks))} on {data}: it {change}."
    return figure, {"k": list(ks), "loss": [round(value, 6) for value in relative], "spread": spread}


def drift(data: FeatureSet) -> tuple[tuple[int, ...], dict[str, list[float]]]:
    """How far runs of one objective, and of another seed, are from Hyper-alignment during 64 steps.

    Returns:
        The steps, and run -> the relative difference of its distances from all validation videos to all classes.
    """
    fixed, single = preset("printed"), preset("printed", curvatures=Adaptive(1, -0.4))
    base = {dtype: _tables(data, fixed, dtype=dtype) for dtype in ("float32", "float64")}
    runs = {
        "float32: Hyper-single": ("float32", _tables(data, single, dtype="float32")),
        "float32: last digit of one weight": ("float32", _tables(data, fixed, dtype="float32", nudge=True)),
        "float32: another seed": ("float32", _tables(data, fixed, dtype="float32", seed=1)),
        "float64: Hyper-single": ("float64", _tables(data, single, dtype="float64")),
    }
    return _STEPS, {
        name: [float((a - b).norm() / a.norm()) for a, b in zip(base[dtype], tables, strict=True)]
        for name, (dtype, tables) in runs.items()
    }


def _tables(
    data: FeatureSet, alignment: AlignmentConfig, *, dtype: str, seed: int = 0, nudge: bool = False
) -> list[Tensor]:
    val, tables = data["val"].to(dtype=getattr(torch, dtype)), []
    learner = _learner(data, alignment, seed, dtype)
    for step in _training(data, learner, _STEPS[-1], dtype):
        if step == 0 and nudge:
            first = learner.model.encode_v.out.weight.data[0, :1]
            first.copy_(torch.nextafter(first, first + 1))
        if step in _STEPS:
            _, theta_v, theta_w = embed_phase(learner.model, val)
            tables.append(class_distances(theta_v, theta_w).double())
    return tables


class _Own(nn.Module):
    """A student's loss of phi_v and phi_a in place of the alignment module."""

    def __init__(self, loss: Loss, weight: float = 1.0) -> None:
        super().__init__()
        self.loss, self.weight = loss, weight

    def forward(self, e: Embeddings) -> AlignmentLoss:
        value = self.loss(e.phi_v, e.phi_a)
        return AlignmentLoss(self.weight * value, value.reshape(1), value.new_zeros(1, 1))


def train_with(
    data: FeatureSet, loss: Loss | None, *, seeds: int, pull: float = 0.3, steps: int = 25
) -> list[float]:
    """Highest HM on val, in per cent, of small networks that were trained with a loss of phi_v and phi_a beside L_avca.

    Args:
        loss: None for AVCA alone.
        pull: how long the loss's gradient on phi is in the first step, as a share of L_avca's.
    """
    found, phase = [], data["train"].to(dtype=torch.float64)
    for seed in range(seeds):
        learner = _learner(data, None, seed, "float64")
        if loss is not None:
            index, negative = TripletSampler(
                phase.label, batch_size=32, generator=learner.sampling.clone_state()
            ).draw(1)
            batch = make_batch(phase, index[0], negative[0])
            e = learner.model(*batch, generator=learner.masks.clone_state())
            lengths = [
                torch.cat(torch.autograd.grad(value, (e.phi_v, e.phi_a), retain_graph=True)).norm()
                for value in (total(avca_terms(e, batch.text)), loss(e.phi_v, e.phi_a))
            ]
            learner = _learner(data, None, seed, "float64")  # its batch norms have seen nothing yet
            learner.alignment = _Own(loss, pull * float(lengths[0] / lengths[1]))  # type: ignore[assignment]
        for _ in _training(data, learner, steps, "float64"):
            pass
        found.append(100 * score(learner.model, data["val"]).curve().best().HM)
    return found


def plot_own_runs(HM: Mapping[str, Sequence[float]], *, linear: float, data: str) -> Drawn:
    """Draw HM of several losses with a dot and a line per seed, and the linear reference as a dashed line.

    Args:
        HM: loss -> per cent, one for each seed; the last two are compared below the axis.
        linear: HM of the linear reference in per cent.

    Returns:
        figure and {"HM", "linear", "difference": mean, low and high of the second last minus the last}.
    """
    names = list(HM)
    interval = t_interval([a - b for a, b in zip(HM[names[-2]], HM[names[-1]], strict=True)])
    with canvas(7.2, 3.8) as (figure, axes):
        draw_seeds(axes, HM, linear)
        axes.set_xticks(range(len(names)), [minus(name) for name in names])
        axes.set_xlim(-0.4, len(names) - 0.6)
        axes.set_ylabel("HM (%), a line per seed")
        axes.set_title(f"Does the curvature of your loss raise HM?\n{data}")
        numbers = f"{interval.mean:+z.1f} points, 95 % interval {interval.low:+z.1f} to {interval.high:+z.1f}"
        gain = minus(f"{names[-2]}") + " minus " + minus(f"{names[-1]}: {numbers}")
        axes.set_xlabel(gain)
    parts = [minus(f"{name} ") + ", ".join(f"{v:.1f}" for v in values) for name, values in HM.items()]
    figure.alt_text = (
        f"HM per seed on {data}: {'; '.join(parts)}. The linear reference has {linear:.1f}. {gain}."
    )
    shown = {name: list(values) for name, values in HM.items()}
    return figure, {"HM": shown, "linear": linear, "difference": (interval.mean, interval.low, interval.high)}


def planned_table(runs: DataFrame) -> tuple[list[str], list[list[str]]]:
    """The planned tests as text: difference in points with half of its interval, p after Holm, and the power."""
    rows = [
        [
            row["data"].split(" (")[0],
            row["test"],
            minus(f"{row['difference']:+.1f} ± {row['difference ±']:.1f}"),
            f"{row['p Holm']:.2f}",
            f"{row['80 % power for']:.1f}",
        ]
        for _, row in planned(runs).iterrows()
    ]
    return ["set", "test", "difference", "p (Holm)", "80 % power for"], rows


def planted_contrasts() -> DataFrame:
    """What k < 0 gains over flat space on planted trees, from the recorded runs."""
    return contrasts(read_csv(results_path() / "planted.csv"))


def depth_controls() -> tuple[list[str], list[list[str]]]:
    """Rank correlation of the norm of class means with depth, in the class tree and in shuffled ones, from recorded runs.

    Returns:
        header, and a row per loss: means over five seeds, and their difference with half of its interval.
    """
    runs, rows = read_csv(results_path() / "controls.csv"), []
    runs = runs[runs["to_ball"] != "one-length"]
    for k, part in runs.groupby("k", dropna=False):
        gap = t_interval((part["rho_v"] - part["null_v"]).tolist())
        name = "AVCA" if k != k else f"curved, k = {signed(float(k))}"
        difference = minus(f"{gap.mean:+.2f} ± {gap.half:.2f}")
        rows.append([name, f"{part['rho_v'].mean():.2f}", f"{part['null_v'].mean():.2f}", difference])
    return ["loss", "correlation", "shuffled classes", "difference"], rows


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


def plot_drift(steps: Sequence[int], apart: Mapping[str, Sequence[float]], *, data: str) -> Drawn:
    """Draw how far runs are from a reference run, by training step, on a logarithmic axis that begins at "equal".

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
        axes.set_title(f"How far do runs drift from Hyper-alignment?\n{data}")
    parts = "; ".join(f"{name}: from {values[0]:.0e} to {values[-1]:.0e}" for name, values in apart.items())
    parts = parts.replace("e-", "e−").replace("0e+00", "0")
    figure.alt_text = f"Relative differences over {steps[-1]} training steps on {data}. {parts}."
    return figure, {"step": list(steps), **{name: list(values) for name, values in apart.items()}}
