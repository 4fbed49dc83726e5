"""Figures of Hyper-multiple: the curvatures of its heads, what each head sees, and where training takes them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Circle
from torch import Tensor

from hypav.figures.style import CUES, INK, OKABE_ITO, Cue, DescribedFigure, signed, superscript, use_style

_HEADS: tuple[Cue, ...] = CUES[1:]


def plot_head_curvatures(k: Tensor, *, c_0: float, data: str) -> tuple[DescribedFigure, dict[str, Tensor]]:
    """Eq. 6 for a batch: each sample a dot, each head a column; sideways the dots only make room for one another.

    Args:
        k: (N, H) curvatures.
        c_0: the end of their range.

    Returns:
        figure and {"k": (N, H), "mean": (H,)}.
    """
    k = k.detach()
    mean = k.mean(dim=0)
    with use_style():
        figure = DescribedFigure(figsize=(6.4, 3.6), layout="constrained")
        axes = figure.subplots()
        for head in range(k.shape[1]):
            look, column = _HEADS[head % len(_HEADS)], k[:, head]
            axes.plot(
                head + _room(column, abs(c_0) / 60), column, look.marker, color=look.color, markersize=4
            )
            axes.plot([head - 0.42, head + 0.42], [mean[head]] * 2, color="black", linewidth=1.2)
        for edge, word in ((0.0, "flat"), (c_0 / 2, "c₀/2"), (c_0, "c₀")):
            axes.axhline(edge, color=INK, linestyle=":", linewidth=1)
            axes.text(-0.75, edge, word, color=INK, fontsize=8, va="bottom" if edge <= c_0 / 2 else "top")
        axes.set(xlim=(-0.8, k.shape[1] - 0.4), ylim=sorted((1.06 * c_0, -0.06 * c_0)), ylabel="curvature k")
        means = [f"{value:.3f}".replace("-", "−") for value in mean.tolist()]
        axes.set_xticks(range(len(means)), [f"head {n}\nmean {m}" for n, m in enumerate(means, 1)])
        axes.grid(False, axis="x")
        figure.suptitle(f"Which curvature does each head give to each sample?\n{data}")
    told = "; ".join(
        f"head {n}: from {_words(k[:, n - 1].min())} to {_words(k[:, n - 1].max())}, mean {_words(mean[n - 1])}"
        for n in range(1, k.shape[1] + 1)
    )
    figure.alt_text = (
        f"Curvatures of {len(k)} samples of {data} in {k.shape[1]} heads, between 0 and {signed(c_0)}. "
        f"{told}."
    )
    return figure, {"k": k, "mean": mean}


def plot_head_matrices(
    matrices: Mapping[str, Tensor], ks: Sequence[float], *, edges: Sequence[int], data: str
) -> tuple[DescribedFigure, dict[str, Any]]:
    """The similarity matrices of several heads side by side, a row a preset, one scale of colours a row.

    Args:
        matrices: preset to (H, N, N).
        ks: the H curvatures.
        edges: after which samples a new class begins.

    Returns:
        figure and {preset: {"matrices": (H, N, N), "difference": (H,) the largest to the first head}}.
    """
    shown: dict[str, Any] = {}
    with use_style():
        figure = DescribedFigure(figsize=(7.8, 2.75 * len(matrices) + 0.4), layout="constrained")
        grid = figure.subplots(len(matrices), len(ks), squeeze=False)
        for row, (name, given) in zip(grid, matrices.items(), strict=True):
            stack = given.detach()
            difference = (stack - stack[0]).abs().amax(dim=(1, 2))
            shown[name] = {"matrices": stack, "difference": difference}
            for axes, matrix, k, gap in zip(row, stack, ks, difference.tolist(), strict=True):
                picture = axes.imshow(
                    matrix.numpy(), cmap="cividis", vmin=float(stack.min()), vmax=float(stack.max())
                )
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
    told = "; ".join(
        f"{name}: from {_words(part['matrices'].min())} to {_words(part['matrices'].max())}, the heads differ from the "
        f"first by at most {', '.join(f'{gap:.2f}' for gap in part['difference'][1:].tolist())}"
        for name, part in shown.items()
    )
    figure.alt_text = (
        f"Similarity matrices of one batch of {data}, sorted by class, in heads of curvature "
        f"{', '.join(map(signed, ks))}. {told}."
    )
    return figure, shown


def plot_head_paths(
    paths: Mapping[str, Sequence[Tensor]], *, c_0: float, data: str
) -> tuple[DescribedFigure, dict[str, Any]]:
    """The batch's mean curvature of each head, step by step: a row a preset, a column a number of heads.

    Args:
        paths: preset to runs, each (steps, N_c).

    Returns:
        figure and {preset: {"N_c=...": (steps, N_c)}}.
    """
    shown = {name: {f"N_c={run.shape[1]}": run.detach() for run in runs} for name, runs in paths.items()}
    columns = max(map(len, paths.values()))
    most: list[Any] = []  # the legend is that of the run with the most heads
    with use_style():
        figure = DescribedFigure(figsize=(7.8, 2.0 * len(paths) + 1.2), layout="constrained")
        grid = figure.subplots(len(paths), columns, squeeze=False, sharex=True, sharey=True)
        for number, (row, (name, runs)) in enumerate(zip(grid, shown.items(), strict=True)):
            for axes, (title, run) in zip(row, runs.items(), strict=True):
                for head, path in enumerate(run.T):
                    look = _HEADS[head % len(_HEADS)]
                    style: dict[str, Any] = {"linestyle": look.linestyle, "color": look.color}
                    style |= {"marker": look.marker, "markersize": 4, "markevery": (2 * head, 8)}
                    axes.plot(1 + np.arange(len(path)), path, **style, label=f"head {head + 1}")
                axes.axhline(c_0 / 2, color=INK, linestyle=":", linewidth=1, label="c₀/2")
                most = max(most, axes.get_legend_handles_labels()[0], key=len)
                axes.set(ylim=sorted((1.04 * c_0, -0.04 * c_0)))
                if number == 0:
                    axes.set_title(title.replace("N_c=", "N_c = "))
            row[0].set_ylabel(f"{name}\nmean k")
        for axes in grid[-1]:
            axes.set_xlabel("step")
        figure.legend(handles=most, loc="outside lower center", ncols=len(most))
        figure.suptitle(f"Where do the heads' curvatures go?\n{data}")
    told = "; ".join(
        f"{name}, {title}: from {_list(run[0])} to {_list(run[-1])}"
        for name, runs in shown.items()
        for title, run in runs.items()
    )
    figure.alt_text = (
        f"Mean curvature of each head over training on {data}. {told}. c₀/2 is {signed(c_0 / 2)}."
    )
    return figure, shown


def plot_head_pairs(
    pairs: Mapping[str, Tensor], *, c_0: float, data: str
) -> tuple[DescribedFigure, dict[str, Any]]:
    """Head 2 against head 1, each sample a dot: all of the range above, the cloud magnified below.

    Args:
        pairs: panel title to (N, H >= 2) curvatures.

    Returns:
        figure and {title: {"k": (N, 2), "correlation"}}.
    """
    shown: dict[str, Any] = {}
    with use_style():
        figure = DescribedFigure(figsize=(2.6 * len(pairs), 5.4), layout="constrained")
        above, below = figure.subplots(2, len(pairs), squeeze=False)
        for top, bottom, (title, k) in zip(above, below, pairs.items(), strict=True):
            two = k.detach()[:, :2]
            correlation = float(torch.corrcoef(two.T)[0, 1])
            shown[title] = {"k": two, "correlation": correlation}
            ends = sorted((0.0, c_0))
            top.plot(ends, ends, color=INK, linestyle=":", linewidth=1)
            for axes in (top, bottom):
                axes.plot(*two.T, "o", color=OKABE_ITO["blue"], markersize=3.5, alpha=0.6, markeredgewidth=0)
                axes.set(aspect="equal")
            top.set(xlim=ends, ylim=ends, title=title, xticks=ends, yticks=ends)
            _square(bottom, two)
            bottom.set(
                title=f"magnified: correlation {correlation:.2f}".replace("-", "−"), xlabel="k in head 1"
            )
        for axes in (above[0], below[0]):
            axes.set_ylabel("k in head 2")
        figure.suptitle(f"Do two heads tell samples apart in two ways?\n{data}")
    told = "; ".join(
        f"{title}: head 1 from {_words(part['k'][:, 0].min())} to {_words(part['k'][:, 0].max())}, correlation "
        f"{_words(part['correlation'])}"
        for title, part in shown.items()
    )
    figure.alt_text = f"Curvature in head 2 against head 1, samples of {data}. {told}."
    return figure, shown


def _square(axes: Axes, points: Tensor) -> None:
    """The least square around the points; three ticks are enough to read a size from."""
    low, high = points.min(dim=0).values, points.max(dim=0).values
    middle, half = (low + high) / 2, max(float((high - low).max()) * 0.55, 1e-9)
    for name, centre in zip(("x", "y"), middle.tolist(), strict=True):
        axes.set(**{f"{name}lim": (centre - half, centre + half)})
    axes.locator_params(nbins=3)
    axes.tick_params(labelsize=8)


def _room(values: Tensor, height: float) -> Tensor:
    """Sideways shifts that keep dots of like height apart: 0, 1, -1, 2, -2 … places within a layer of `height`."""
    shifts = torch.zeros_like(values)
    layer = (values / height).floor()
    for one in layer.unique():
        members = (layer == one).nonzero()[:, 0]
        order = torch.arange(len(members))
        place = (order + 1) // 2 * torch.where(order % 2 == 1, 1, -1)
        shifts[members] = (place * min(0.045, 0.8 / len(members))).to(values.dtype)
    return shifts


def _words(value: Tensor | float) -> str:
    return f"{round(float(value), 2) + 0.0:.2f}".replace("-", "−")


def _list(values: Tensor) -> str:
    return ", ".join(map(_words, values))


# E, S and H of Table 4: colour and marker, as in the figures of the three geometries
_GEOMETRY = {"E": (INK, "s"), "S": (OKABE_ITO["vermilion"], "^"), "H": (OKABE_ITO["blue"], "o")}


def plot_sphere(
    angles: Mapping[str, Tensor], k: float, *, data: str
) -> tuple[DescribedFigure, dict[str, Tensor]]:
    """Where points lie on the sphere of curvature k > 0, seen from the side: the centre of the page above, its antipode
    below. Every second sample is drawn to the left.

    Args:
        angles: panel title to (N,) angles from the centre, in radians; beyond π a point has passed the antipode.
        data: what the data are called; the name of a simulated set says that it is one.

    Returns:
        figure and {title: (N,) angles}.
    """
    with use_style():
        figure = DescribedFigure(figsize=(7.8, 3.3))
        grid = figure.subplots(1, len(angles), squeeze=False)[0]
        figure.subplots_adjust(left=0.01, right=0.99, bottom=0.03, top=0.74, wspace=0.04)
        for axes, (title, angle) in zip(grid, angles.items(), strict=True):
            axes.add_patch(Circle((0, 0), 1, facecolor="#F7F7F7", edgecolor="black", linewidth=1))
            axes.axhline(0, color=INK, linestyle=":", linewidth=1)
            side = torch.where(torch.arange(len(angle)) % 2 == 0, 1.0, -1.0).to(angle.dtype)
            x, y = side * angle.sin(), angle.cos()
            axes.plot(x, y, "o", color=OKABE_ITO["vermilion"], markersize=5, alpha=0.5, markeredgewidth=0)
            for place, word, up in ((1, "centre", "bottom"), (-1, "antipode", "top")):
                axes.plot(0, place, "x", color="black", markersize=6)
                axes.text(0, 1.08 * place, word, ha="center", va=up, fontsize=8)
            axes.text(0, 0.03, "equator", ha="center", color=INK, fontsize=8)
            axes.set(xlim=(-1.5, 1.5), ylim=(-1.3, 1.3), aspect="equal", xticks=[], yticks=[])
            axes.set_title(f"{title}\nmean {math.degrees(float(angle.mean())):.0f}°", fontsize=9)
            axes.grid(False)
            axes.spines[:].set_visible(False)
        figure.suptitle(f"Where on the sphere of curvature {signed(k)} are the points?\n{data}")
    told = "; ".join(
        f"{' '.join(title.split())}: {math.degrees(float(a.min())):.0f} to {math.degrees(float(a.max())):.0f} degrees, "
        f"{100 * float((a > math.pi / 2).double().mean()):.0f} per cent beyond 90"
        for title, a in angles.items()
    )
    figure.alt_text = (
        f"A sphere of curvature {signed(k)} from the side, the centre of the page on top, with points of {data}. "
        f"{told}."
    )
    return figure, dict(angles)


def plot_mixtures(
    heads: Mapping[str, Mapping[str, Tensor]], *, data: str
) -> tuple[DescribedFigure, dict[str, dict[str, dict[str, Any]]]]:
    """The loss of mixed heads (Table 4) on one batch: a bar the mean (Eq. 7), on it the two heads it is made of.

    Args:
        heads: preset to {mixture, such as "E+H": (2,) losses of its heads}.

    Returns:
        figure and {preset: {mixture: {"heads": (2,), "loss"}}}.
    """
    shown: dict[str, dict[str, dict[str, Any]]] = {
        name: {mixture: {"heads": h.detach(), "loss": float(h.mean())} for mixture, h in row.items()}
        for name, row in heads.items()
    }
    with use_style():
        figure = DescribedFigure(figsize=(7.8, 3.5), layout="constrained")
        for axes, (name, row) in zip(
            figure.subplots(1, len(shown), squeeze=False)[0], shown.items(), strict=True
        ):
            power = math.floor(math.log10(max(part["loss"] for part in row.values())))
            unit = 10.0**power if power < -2 else 1.0
            for place, (mixture, part) in enumerate(row.items()):
                axes.bar(
                    place, part["loss"] / unit, width=0.62, color="#DDDDDD", edgecolor=INK, linewidth=0.8
                )
                for shift, letter, loss in zip(
                    (-0.14, 0.14), mixture.split("+"), part["heads"].tolist(), strict=True
                ):
                    color, marker = _GEOMETRY[letter]
                    axes.plot(place + shift, loss / unit, marker, color=color, markersize=7)
            axes.set_xticks(range(len(row)), list(row))
            scale = "" if unit == 1 else f" in units of 10{superscript(power)}"
            axes.set(title=name, ylabel=f"alignment loss{scale}", ylim=(0, None))
            axes.grid(False, axis="x")
        keys = [Line2D([], [], linestyle="", marker=m, color=c, markersize=7) for c, m in _GEOMETRY.values()]
        words = ["E: k = 0", "S: k > 0", "H: k < 0"]
        figure.legend(keys, words, loc="outside lower center", ncols=3, title="one head's own loss")
        figure.suptitle(f"Six mixtures of two heads, one batch: how many different losses?\n{data}")
    told = []
    for name, row in shown.items():
        losses = [part["loss"] for part in row.values()]
        if max(losses) - min(losses) < 1e-9 * max(losses):
            told.append(f"{name}: all bars are equally high")
        else:
            share = ", ".join(
                f"{mixture} {loss / max(losses):.2f}" for mixture, loss in zip(row, losses, strict=True)
            )
            told.append(f"{name}, as a share of the highest: {share}")
    figure.alt_text = f"Alignment losses of mixed heads on one batch of {data}. {'; '.join(told)}."
    return figure, shown
