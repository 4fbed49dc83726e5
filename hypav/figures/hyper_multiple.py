"""Figures of notebook 08: the curvatures of the heads, what each head sees, mixtures, and training with heads."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from torch import Tensor, nn

from hypav import eszsl, geometry, utils
from hypav.alignment import Adaptive, preset, similarity_matrix
from hypav.avca import AVCA
from hypav.data.features import FeatureSet
from hypav.experiments.configs import network_for, recipe_for
from hypav.experiments.paper import paper_tables
from hypav.figures.explorer import fixed
from hypav.figures.short_runs import train_steps
from hypav.figures.style import (
    BLUE,
    CUES,
    INK,
    VERMILION,
    Cue,
    Drawn,
    canvas,
    minus,
    signed,
    superscript,
)
from hypav.training import Learner, RunConfig, score

_HEADS: tuple[Cue, ...] = CUES[1:]
_C_0, _BATCH, _STEPS = -0.4, 32, 30


@dataclass(frozen=True)
class Trained:
    """A small network after 30 steps.

    Attributes:
        model: the network.
        val_HM: its highest HM on validation over beta.
        path: (steps, N_c) the batch's mean curvature of each head.
        k: (150, N_c) the curvatures of the first 150 training videos, or None without heads.
    """

    model: AVCA
    val_HM: float
    path: Tensor
    k: Tensor | None

    def last_k(self) -> list[Any]:
        """The mean curvatures in the last step, filled up to three columns."""
        found = self.path[-1].tolist()
        return [*found, *[""] * (3 - len(found))]


def trained(data: FeatureSet, loss: str | None, N_c: int = 1) -> Trained:
    """Train a small network for 30 steps in float64, with N_c adaptive curvatures under a preset or without alignment."""
    small = {"hidden_enc": 0, "hidden_proj": 0, "heads": 1, "head_dim": 32, "lr": 2e-3, "dtype": "float64"}
    recipe = recipe_for(data).changed({**small, "batch_size": _BATCH})
    alignment = None if loss is None else preset(loss, curvatures=Adaptive(N_c, _C_0))
    config = RunConfig(network_for(data, recipe), recipe.train, alignment, seed=0)
    phase, learner = data["train"].to(dtype=torch.float64), Learner.fresh(config, torch.device("cpu"))
    reports = train_steps(learner, phase, _STEPS, batch_size=_BATCH)
    path = [report.get("k", torch.zeros(0)) for report in reports]
    with utils.threads(1):
        model, k = learner.model.eval(), None
        assert isinstance(model, AVCA)
        if learner.alignment is not None:
            with torch.no_grad():
                phi = model.encode_v(phase.video[:150]), model.encode_a(phase.audio[:150])
                k = learner.alignment.curvature(*phi)
        val_HM = score(model, data["val"]).curve().best().HM
    return Trained(model, val_HM, torch.stack(path), k)


def linear_val_HM(data: FeatureSet) -> float:
    """HM of the linear reference on validation in per cent, at the best beta, as in `trained`."""
    ridge = eszsl.choose_ridge(data)
    return 100 * eszsl.eszsl_scores(data["train"], data["val"], "both", ridge).curve().best().HM


def six_classes(model: AVCA, data: FeatureSet) -> tuple[Tensor, Tensor, Tensor]:
    """phi_v and phi_a (36, D) of six training classes with six videos each, sorted by class, and the classes (36,)."""
    phase = data["train"].to(dtype=torch.float64)
    every = len(phase.classes) // 6
    index = torch.cat([(phase.label == c).nonzero()[:6, 0] for c in phase.classes[::every][:6]])
    with torch.no_grad():
        return model.encode_v(phase.video[index]), model.encode_a(phase.audio[index]), phase.label[index]


def layer_like(layer: nn.Module, *, seed: int) -> nn.Module:
    """The layer with weights drawn from the seed as torch draws those of a linear layer."""
    generator = torch.Generator().manual_seed(seed)
    bound = 1 / max(parameter.shape[-1] for parameter in layer.parameters()) ** 0.5
    for parameter in layer.parameters():
        drawn = torch.rand(parameter.shape, generator=generator, dtype=parameter.dtype)
        parameter.data = bound * (2 * drawn - 1)
    return layer


def head_matrices(phi: Tensor, ks: Sequence[float], loss: str) -> Tensor:
    """What heads of curvatures ks see of phi (N, D) under a preset: similarities (H, N, N), not normalised."""
    config, matrices = preset(loss), []
    for k in ks:
        x = config.scale * phi
        x = geometry.expmap0(x, k=k) if config.to_ball == "expmap0" else x
        x = geometry.project(x, k=k, xi=config.xi)  # Eq. 1
        x = geometry.logmap0(x, k=k) if config.similarity == "cosine" else x  # Eq. 3
        matrices.append(similarity_matrix(x, config.similarity, k))
    return torch.stack(matrices)


def table_4_beside_table_3() -> tuple[list[str], list[list[str]]]:
    """HM of the paper's Table 4 for two equal geometries, beside its Table 3 for the same geometry as one head."""
    tables, rows = paper_tables(), []
    for name in ("UCF-GZSL", "ActivityNet-GZSL"):
        mixed = {row["geometry"]: row["HM"] for row in tables["table4_mixed_cls"][name]}
        single = [(float(row["curvature"]), row["HM"]) for row in tables["table3_curvature_cls"][name][1:]]
        for letter, sign in (("E", 0), ("S", 1), ("H", -1)):
            values = [HM for k, HM in single if (k > 0) - (k < 0) == sign]
            mean, two = sum(values) / len(values), mixed[f"{letter}+{letter}"]
            numbers = f"{two:.2f}", f"{mean:.2f}", f"{len(values)}", minus(f"{two - mean:+.2f}")
            rows.append([f"{name}, {letter}", *numbers])
    return ["the paper, cls features", "two heads: HM", "one head: mean HM", "rows", "difference"], rows


def plot_head_curvatures(k: Tensor, *, c_0: float, data: str) -> Drawn:
    """Draw Eq. 6 for a batch, with a dot for each sample and a column for each head. Sideways shifts only separate dots.

    Args:
        k: (N, H) curvatures.
        c_0: the end of their range.

    Returns:
        figure and {"k": (N, H), "mean": (H,)}.
    """
    k = k.detach()
    mean = k.mean(dim=0)
    with canvas(6.4, 3.6) as (figure, axes):
        for head in range(k.shape[1]):
            cue, column = _HEADS[head % len(_HEADS)], k[:, head]
            x = head + _room(column, abs(c_0) / 60)
            axes.plot(x, column, cue.marker, color=cue.color, markersize=4)
            axes.plot([head - 0.42, head + 0.42], [mean[head]] * 2, color="black", linewidth=1.2)
        for edge, word in ((0.0, "flat"), (c_0 / 2, "c₀/2"), (c_0, "c₀")):
            axes.axhline(edge, color=INK, linestyle=":", linewidth=1)
            axes.text(-0.75, edge, word, color=INK, fontsize=8, va="bottom" if edge <= c_0 / 2 else "top")
        axes.set(xlim=(-0.8, k.shape[1] - 0.4), ylim=sorted((1.06 * c_0, -0.06 * c_0)), ylabel="curvature k")
        means = [minus(f"{value:.3f}") for value in mean.tolist()]
        axes.set_xticks(range(len(means)), [f"head {n}\nmean {m}" for n, m in enumerate(means, 1)])
        axes.grid(False, axis="x")
        figure.suptitle(f"Which curvature does each head give to each sample?\n{data}")
    parts = "; ".join(
        f"head {n}: from {fixed(head.min().item())} to {fixed(head.max().item())}, mean {fixed(head.mean().item())}"
        for n, head in enumerate(k.T, 1)
    )
    figure.alt_text = (
        f"Curvatures of {len(k)} samples of {data} in {k.shape[1]} heads, between 0 and {signed(c_0)}. "
        f"{parts}."
    )
    return figure, {"k": k, "mean": mean}


def plot_head_matrices(
    matrices: Mapping[str, Tensor], ks: Sequence[float], *, edges: Sequence[int], data: str
) -> Drawn:
    """Draw the similarity matrices of several heads side by side, with a row and a colour scale for each preset.

    Args:
        matrices: preset to (H, N, N).
        ks: the H curvatures.
        edges: the samples before which a new class starts.

    Returns:
        figure and {preset: {"matrices": (H, N, N), "difference": (H,) the largest difference from the first head}}.
    """
    shown: dict[str, Any] = {}
    with canvas(7.8, 2.75 * len(matrices) + 0.4, (len(matrices), len(ks))) as (figure, grid):
        for row, (name, given) in zip(grid, matrices.items(), strict=True):
            stack = given.detach()
            difference = (stack - stack[0]).abs().amax(dim=(1, 2))
            shown[name] = {"matrices": stack, "difference": difference}
            for axes, matrix, k, gap in zip(row, stack, ks, difference.tolist(), strict=True):
                ends: dict[str, Any] = {"vmin": float(stack.min()), "vmax": float(stack.max())}
                picture = axes.imshow(matrix.numpy(), cmap="cividis", **ends)
                for edge in edges:
                    axes.axhline(edge - 0.5, color="white", linewidth=0.6)
                    axes.axvline(edge - 0.5, color="white", linewidth=0.6)
                note = "\nthe same matrix" if gap < 1e-9 else f"\noff head 1 by up to {gap:.2f}"
                axes.set_title(f"k = {signed(k)}{'' if axes is row[0] else note}", fontsize=9)
                axes.set(xticks=[], yticks=[])
                axes.grid(False)
            row[0].set_ylabel(name)
            figure.colorbar(picture, ax=list(row), shrink=0.85)
        figure.suptitle(f"What does each head see?\n{data}")
    parts = "; ".join(
        f"{name}: from {fixed(part['matrices'].min())} to {fixed(part['matrices'].max())}, the heads differ from the "
        f"first by at most {', '.join(f'{gap:.2f}' for gap in part['difference'][1:].tolist())}"
        for name, part in shown.items()
    )
    figure.alt_text = (
        f"Similarity matrices of one batch of {data}, sorted by class, in heads of curvature "
        f"{', '.join(map(signed, ks))}. {parts}."
    )
    return figure, shown


def plot_head_pairs(pairs: Mapping[str, Tensor], *, c_0: float, data: str) -> Drawn:
    """Draw the curvatures of head 2 over those of head 1, one dot per sample: full range above, magnified below.

    Args:
        pairs: panel title to (N, H >= 2) curvatures.

    Returns:
        figure and {title: {"k": (N, 2), "correlation"}}.
    """
    shown: dict[str, Any] = {}
    with canvas(2.6 * len(pairs), 5.4, (2, len(pairs))) as (figure, (above, below)):
        for top, bottom, (title, k) in zip(above, below, pairs.items(), strict=True):
            two = k.detach()[:, :2]
            correlation = float(torch.corrcoef(two.T)[0, 1])
            shown[title] = {"k": two, "correlation": correlation}
            ends = sorted((0.0, c_0))
            top.plot(ends, ends, color=INK, linestyle=":", linewidth=1)
            for axes in (top, bottom):
                axes.plot(*two.T, "o", color=BLUE, markersize=3.5, alpha=0.6, markeredgewidth=0)
                axes.set(aspect="equal")
            top.set(xlim=ends, ylim=ends, title=title, xticks=ends, yticks=ends)
            _square(bottom, two)
            bottom.set(title=minus(f"magnified: correlation {correlation:.2f}"), xlabel="k in head 1")
        for axes in (above[0], below[0]):
            axes.set_ylabel("k in head 2")
        figure.suptitle(f"Do two heads tell samples apart in two ways?\n{data}")
    parts = "; ".join(
        f"{title}: head 1 from {fixed(part['k'][:, 0].min())} to {fixed(part['k'][:, 0].max())}, correlation "
        f"{fixed(part['correlation'])}"
        for title, part in shown.items()
    )
    figure.alt_text = f"Curvature in head 2 against head 1, samples of {data}. {parts}."
    return figure, shown


def _square(axes: Axes, points: Tensor) -> None:
    """Set the axes to the smallest square around the points, with three ticks."""
    low, high = points.min(dim=0).values, points.max(dim=0).values
    middle, half = (low + high) / 2, max(float((high - low).max()) * 0.55, 1e-9)
    for name, centre in zip(("x", "y"), middle.tolist(), strict=True):
        axes.set(**{f"{name}lim": (centre - half, centre + half)})
    axes.locator_params(nbins=3)
    axes.tick_params(labelsize=8)


def _room(values: Tensor, height: float) -> Tensor:
    """Sideways shifts that separate dots of similar height: 0, 1, -1, 2, -2 … steps within a layer of `height`."""
    shifts = torch.zeros_like(values)
    layer = (values / height).floor()
    for level in layer.unique():
        members = (layer == level).nonzero()[:, 0]
        order = torch.arange(len(members))
        steps = (order + 1) // 2 * torch.where(order % 2 == 1, 1, -1)
        shifts[members] = (steps * min(0.045, 0.8 / len(members))).to(values.dtype)
    return shifts


# E, S and H of Table 4: colour and marker, as in the figures of the three geometries
_GEOMETRY = {"E": (INK, "s"), "S": (VERMILION, "^"), "H": (BLUE, "o")}
_BAR: dict[str, Any] = {"width": 0.62, "color": "#DDDDDD", "edgecolor": INK, "linewidth": 0.8}


def plot_known_mixtures(heads: Mapping[str, Tensor], known: Sequence[str], *, data: str) -> Drawn:
    """Draw the loss of the known mixtures on one batch as bars, and a question mark for each of the others.

    Args:
        heads: mixture, such as "E+H", to the (2,) losses of its heads.

    Returns:
        figure and {mixture: loss} of the known mixtures.
    """
    losses = {mixture: float(heads[mixture].mean()) for mixture in known}
    with canvas(6.4, 2.8) as (figure, axes):
        for x, mixture in enumerate(heads):
            height = losses.get(mixture, 0.0)
            axes.bar(x, height, **_BAR)
            axes.text(x, height, f"{height:.2f}" if mixture in losses else "?", ha="center", va="bottom")
        axes.set_xticks(range(len(heads)), list(heads))
        axes.set(ylabel="alignment loss", ylim=(0, 1.2 * max(losses.values())))
        axes.grid(False, axis="x")
        figure.suptitle(f"curved, one batch: how high are the other bars?\n{data}")
    bars = ", ".join(f"{mixture} {loss:.2f}" for mixture, loss in losses.items())
    figure.alt_text = (
        f"Alignment losses of mixed heads on one batch of {data}: {bars}. The others are not shown."
    )
    return figure, losses


def plot_mixtures(heads: Mapping[str, Mapping[str, Tensor]], *, data: str) -> Drawn:
    """Draw the loss of mixed heads (Table 4) on one batch: a bar for the mean (Eq. 7), and marks for the two heads.

    Args:
        heads: preset to {mixture, such as "E+H": (2,) losses of its heads}.

    Returns:
        figure and {preset: {mixture: {"heads": (2,), "loss"}}}.
    """
    shown: dict[str, dict[str, dict[str, Any]]] = {
        name: {mixture: {"heads": h.detach(), "loss": float(h.mean())} for mixture, h in row.items()}
        for name, row in heads.items()
    }
    with canvas(7.8, 3.5, len(shown)) as (figure, panels):
        for axes, (name, row) in zip(panels, shown.items(), strict=True):
            power = math.floor(math.log10(max(part["loss"] for part in row.values())))
            unit = 10.0**power if power < -2 else 1.0
            for x, (mixture, part) in enumerate(row.items()):
                axes.bar(x, part["loss"] / unit, **_BAR)
                for shift, letter, loss in zip((-0.14, 0.14), mixture.split("+"), part["heads"], strict=True):
                    color, marker = _GEOMETRY[letter]
                    axes.plot(x + shift, float(loss) / unit, marker, color=color, markersize=7)
            axes.set_xticks(range(len(row)), list(row))
            scale = "" if unit == 1 else f" in units of 10{superscript(power)}"
            axes.set(title=name, ylabel=f"alignment loss{scale}", ylim=(0, None))
            axes.grid(False, axis="x")
        keys = [Line2D([], [], linestyle="", marker=m, color=c, markersize=7) for c, m in _GEOMETRY.values()]
        words = ["E: k = 0", "S: k > 0", "H: k < 0"]
        figure.legend(keys, words, loc="outside lower center", ncols=3, title="one head's own loss")
        figure.suptitle(f"Six mixtures of two heads, one batch: how many different losses?\n{data}")
    parts = []
    for name, row in shown.items():
        losses = [part["loss"] for part in row.values()]
        if max(losses) - min(losses) < 1e-9 * max(losses):
            parts.append(f"{name}: all bars are equally high")
        else:
            ratios = [f"{mixture} {part['loss'] / max(losses):.2f}" for mixture, part in row.items()]
            parts.append(f"{name}, as a share of the highest: {', '.join(ratios)}")
    figure.alt_text = f"Alignment losses of mixed heads on one batch of {data}. {'; '.join(parts)}."
    return figure, shown
