"""Figures of the Poincaré disk, k < 0: its ruler, its straight lines, sums, maps and means."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from matplotlib.collections import LineCollection
from torch import Tensor

from hypav import geometry
from hypav.plots import shapes
from hypav.plots.frame import frame, signed
from hypav.style import INK, OKABE_ITO, DescribedFigure, use_style

__all__ = ["plot_addition", "plot_depth", "plot_geodesics", "plot_maps", "plot_means"]

_BLUE, _RED, _GREEN = OKABE_ITO["blue"], OKABE_ITO["vermilion"], OKABE_ITO["green"]


def plot_depth(k: float = -1.0) -> tuple[DescribedFigure, dict[str, Tensor]]:
    """λ_k and the distance to the centre by the norm of a point, from the centre to close to the rim (k < 0).

    Returns:
        figure and {"norm", "factor", "distance": (200,)}.
    """
    rim = float(geometry.ball_radius(torch.tensor(k, dtype=torch.float64)))
    norm = torch.linspace(0, 0.999 * rim, 200, dtype=torch.float64)
    points = torch.stack([norm, torch.zeros_like(norm)], -1)
    data = {
        "norm": norm,
        "factor": geometry.conformal_factor(points, k=k).squeeze(-1),
        "distance": geometry.distance0(points, k=k),
    }
    with use_style():
        figure = DescribedFigure(figsize=(7.2, 3.2), layout="constrained")
        left, right = figure.subplots(1, 2)
        left.semilogy(norm, data["factor"], color=_BLUE)
        left.set(title="how much longer a small step is", ylabel="conformal factor λ")
        right.plot(norm, data["distance"], color=_BLUE, label=f"k = {signed(k)}")
        right.plot(norm, 2 * norm, color=INK, linestyle="--", label="k = 0: twice the norm")
        right.set(title="how far it is to the centre", ylabel="distance to the centre")
        right.legend(loc="upper left")
        for axes in (left, right):
            axes.axvline(rim, color=_RED, linestyle=":")
            axes.set_xlabel("norm of the point (the rim is dotted)")
        figure.suptitle("How far away is the rim?")
    at_half = geometry.distance0(torch.tensor([rim / 2, 0.0], dtype=torch.float64), k=k)
    figure.alt_text = (
        f"For k = {signed(k)} the conformal factor grows from 2 at the centre to {data['factor'][-1]:.0f} at 0.999 "
        f"of the rim's radius {rim:.2f}; the distance to the centre is {at_half:.2f} half-way out and "
        f"{data['distance'][-1]:.2f} at 0.999, and grows without bound."
    )
    return figure, data


def plot_geodesics(pairs: Tensor, k: float = -1.0) -> tuple[DescribedFigure, dict[str, Any]]:
    """Geodesics and straight chords between (N, 2, 2) pairs of points in the disk, k < 0, with the lengths of both.

    Returns:
        figure and {"geodesics" (N, P, 2), "geodesic_length" (N,), "chord_length" (N,), both measured in the disk}.
    """
    curves = shapes.segment(pairs[:, 0], pairs[:, 1], k=k, points=61)
    t = torch.linspace(0, 1, 401, dtype=torch.float64).unsqueeze(-1)
    chords = pairs[:, :1] + t * (pairs[:, 1:] - pairs[:, :1])
    chord_length = geometry.distance(chords[:, 1:], chords[:, :-1], k=k).sum(-1)
    data = {
        "geodesics": curves,
        "geodesic_length": geometry.distance(pairs[:, 0], pairs[:, 1], k=k),
        "chord_length": chord_length,
    }
    with use_style():
        figure = DescribedFigure(figsize=(6.4, 4.4), layout="constrained")
        axes = figure.subplots()
        frame(axes, k, 1.08 / math.sqrt(-k))
        for number, (curve, pair) in enumerate(zip(curves, pairs, strict=True)):
            axes.plot(*curve.T, color=_BLUE, label=None if number else "geodesic")
            axes.plot(
                *pair.T,
                color=INK,
                linestyle="--",
                linewidth=1,
                label=None if number else "straight in the page",
            )
            axes.plot(*pair.T, "o", color=_BLUE)
            words = f"{data['geodesic_length'][number]:.2f} against {chord_length[number]:.2f}"
            straight = abs(float(data["geodesic_length"][number] - chord_length[number])) < 5e-3
            # on the side that the geodesic bends to, where no chord runs
            axes.annotate(
                f"{chord_length[number]:.2f} for both" if straight else words,
                (curve[len(curve) // 2] * 0.55).tolist(),
                (0, 6 if straight else -3),
                textcoords="offset points",
                ha="center",
                fontsize=8,
            )
        axes.legend(loc="upper right", bbox_to_anchor=(1.45, 1.0))
        axes.set_title("Which way from dot to dot is shorter?")
    told = [
        f"{a:.2f} along the geodesic, {b:.2f} along the chord"
        for a, b in zip(data["geodesic_length"].tolist(), chord_length.tolist(), strict=True)
    ]
    figure.alt_text = f"{len(pairs)} pairs of points in the disk of k = {signed(k)}: {'; '.join(told)}."
    return figure, data


def plot_addition(x: Tensor, y: Tensor, k: float = -1.0) -> tuple[DescribedFigure, dict[str, Tensor]]:
    """x ⊕ y and y ⊕ x for (2,) points of the disk, k < 0, and where adding x carries a grid.

    Returns:
        figure and {"x_plus_y", "y_plus_x", "x_plus_origin_star": (8, P, 2) lines through 0, moved by x}.
    """
    star = shapes.circle(torch.zeros(2), 9.0 / math.sqrt(-k), k=k, points=9)[:-1]
    lines = shapes.segment(torch.zeros_like(star), star, k=k, points=61)
    data = {
        "x_plus_y": geometry.mobius_add(x, y, k=k),
        "y_plus_x": geometry.mobius_add(y, x, k=k),
        "x_plus_origin_star": geometry.mobius_add(x, lines, k=k),
    }
    with use_style():
        figure = DescribedFigure(figsize=(7.4, 3.8), layout="constrained")
        left, right = figure.subplots(1, 2)
        for axes in (left, right):
            frame(axes, k, 1.08 / math.sqrt(-k))
        marks = (("x", x, "s", INK), ("y", y, "D", INK), ("x ⊕ y", data["x_plus_y"], "o", _BLUE))
        for name, point, marker, color in (*marks, ("y ⊕ x", data["y_plus_x"], "^", _RED)):
            left.plot(*point, marker, color=color, linestyle="none", label=name)
        left.legend(loc="lower center", bbox_to_anchor=(0.5, 0.15), ncols=2)
        left.set_title("two points, two sums")
        right.add_collection(LineCollection(list(lines.numpy()), colors=INK, linestyles="--", linewidths=0.8))
        right.add_collection(
            LineCollection(list(data["x_plus_origin_star"].numpy()), colors=_BLUE, linewidths=1.4)
        )
        right.plot(0, 0, "o", color=INK)
        right.plot(*x, "s", color=_BLUE)
        right.set_title("eight rays from 0 (dashed), all moved by x")
        figure.suptitle("Does it matter which point is added to which?")
    a, b = data["x_plus_y"].tolist(), data["y_plus_x"].tolist()
    figure.alt_text = (
        f"In the disk of k = {signed(k)}, x ⊕ y is ({a[0]:.2f}, {a[1]:.2f}) but y ⊕ x is ({b[0]:.2f}, {b[1]:.2f}); both "
        "are equally far from the centre. Eight straight rays from the centre become eight arcs from x that meet "
        "the rim at right angles."
    )
    return figure, data


def plot_maps(ks: Sequence[float] = (-1.0, -0.25)) -> tuple[DescribedFigure, dict[str, Any]]:
    """What Eq. 1 and exp_0 make of the norm of a vector (k < 0), and log_0 of both.

    Returns:
        figure and {"norm": (200,), "k=...": {"project", "expmap0", "log_project", "log_expmap0": (200,)}}.
    """
    norm = torch.linspace(0.01, 3.0, 200, dtype=torch.float64)
    vectors = torch.stack([norm, torch.zeros_like(norm)], -1)
    data: dict[str, Any] = {"norm": norm}
    with use_style():
        figure = DescribedFigure(figsize=(7.4, 3.4), layout="constrained")
        left, right = figure.subplots(1, 2, sharex=True)
        for k, color, marker in zip(ks, (_BLUE, _RED, _GREEN), "os^", strict=False):
            look: dict[str, Any] = {"color": color, "marker": marker, "markevery": 33, "markersize": 4}
            clipped, mapped = geometry.project(vectors, k=k, xi=1e-3), geometry.expmap0(vectors, k=k)
            row = data[f"k={k:g}"] = {"project": clipped[:, 0], "expmap0": mapped[:, 0]}
            row["log_project"] = geometry.logmap0(clipped, k=k)[:, 0]
            row["log_expmap0"] = geometry.logmap0(mapped, k=k)[:, 0]
            left.plot(norm, row["project"], **look, label=f"Eq. 1, k = {signed(k)}")
            left.plot(norm, row["expmap0"], "--", **look, label=f"exp at 0, k = {signed(k)}")
            right.plot(norm, row["log_project"], **look)
            right.plot(norm, row["log_expmap0"], "--", **look)
        left.set(title="norm in the ball", xlabel="norm of the vector", ylabel="norm of its point")
        right.set(
            title="norm after log at 0 (Eq. 3)",
            xlabel="norm of the vector",
            ylabel="norm in the tangent space",
        )
        figure.legend(loc="outside lower center", ncols=4)
        figure.suptitle("What is left of a long vector's length?")
    told = [
        f"for k = {signed(k)} it is cut to {data[f'k={k:g}']['project'][-1]:.2f}, and log gives "
        f"{data[f'k={k:g}']['log_project'][-1]:.2f}"
        for k in ks
    ]
    figure.alt_text = (
        f"Eq. 1 keeps a vector as it is up to the rim and cuts it there: of norm 3, {'; '.join(told)}. "
        "exp at 0 bends every norm smoothly towards the rim, and log at 0 undoes it: the dashed lines on the right "
        "are one straight line."
    )
    return figure, data


def plot_means(points: Tensor, x: Tensor, k: float = -1.0) -> tuple[DescribedFigure, dict[str, Any]]:
    """The gyro-midpoint and the mean of coordinates of (N, 2) points of the disk, k < 0, before and after all points
    are moved by x ⊕.

    Returns:
        figure and {"midpoint", "mean"} of {"before", "after", "carried": (2,), "miss": the distance between the last
        two}; "carried" is where x ⊕ takes the one before.
    """
    moved = geometry.mobius_add(x, points, k=k)
    data: dict[str, Any] = {}
    for name, middle in (("midpoint", lambda p: geometry.midpoint(p, k=k)), ("mean", lambda p: p.mean(0))):
        row = data[name] = {"before": middle(points), "after": middle(moved)}
        row["carried"] = geometry.mobius_add(x, row["before"], k=k)
        row["miss"] = float(geometry.distance(row["after"], row["carried"], k=k).round(decimals=6))
    with use_style():
        figure = DescribedFigure(figsize=(7.4, 4.3), layout="constrained")
        for axes, cloud, when in zip(
            figure.subplots(1, 2), (points, moved), ("before", "after"), strict=True
        ):
            frame(axes, k, 1.08 / math.sqrt(-k))
            axes.plot(*cloud.T, "o", color=INK, markersize=4, label="points")
            axes.plot(*data["midpoint"][when], "*", color=_BLUE, markersize=13, label="gyro-midpoint")
            axes.plot(*data["mean"][when], "X", color=_RED, label="mean of coordinates")
            if when == "after":
                axes.plot(
                    *data["midpoint"]["carried"], "o", mec=_BLUE, mfc="none", ms=17, label="midpoint, carried"
                )
                axes.plot(*data["mean"]["carried"], "s", mec=_RED, mfc="none", ms=13, label="mean, carried")
            axes.set_title(f"{when} the move")
        figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=5)
        figure.suptitle("Which middle moves along when all the points are moved?")
    figure.alt_text = (
        f"{len(points)} points in the disk of k = {signed(k)}, before and after they are moved by x. The gyro-midpoint "
        f"of the moved points is {data['midpoint']['miss']:.2f} from where the move carries the old one, the mean of "
        f"coordinates {data['mean']['miss']:.2f}."
    )
    return figure, data
