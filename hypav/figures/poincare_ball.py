"""Figures of the Poincaré disk, k < 0: its ruler, its straight lines, sums, maps and means."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PolyCollection
from torch import Tensor

from hypav import geometry
from hypav.figures import shapes
from hypav.figures.explorer import Control, Explorer
from hypav.figures.style import INK, OKABE_ITO, DescribedFigure, frame, signed, use_style

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


VIEW = 2.4  # half the width of a panel that shows several curvatures in the same coordinates


def plot_space(k: float, *, edge: float = 1.2) -> tuple[DescribedFigure, dict[str, Any]]:
    """One curvature: left a grid, circles and a triangle, right a tree with edges of one length.

    Args:
        k: the curvature.
        edge: length of the tree's edges; the triangle's sides are twice, the circles' radii half as long.

    Returns:
        figure and {"k", "grid" (L, P, 2), "circles" (3, P, 2), "triangle" (3, P, 2), "angle_sum" in degrees,
        "circle_length", "tree" (N, 2), "edges" (N - 1, P, 2), "crowded": how many of the N vertices have an edge
        that is not theirs closer than half an edge's length}.
    """
    space = _space(k, edge)
    with use_style():
        figure = DescribedFigure(figsize=(7.2, 3.7))
        left, right = figure.subplots(1, 2)
        figure.subplots_adjust(left=0.07, right=0.98, bottom=0.13, top=0.84, wspace=0.2)
        _draw_grid(left, space)
        _draw_tree(right, space)
        left.set_title("straight lines, equal circles, a triangle")
        right.set_title(f"a tree, every edge {edge:.2f} long")
        figure.suptitle(f"What does curvature k = {signed(k)} do to the same drawing?")
    figure.alt_text = f"Curvature {signed(k)}: {_told(space)}."
    return figure, space


def plot_curvatures(
    ks: Sequence[float] = (-1.0, -0.5, -0.1, 0.0, 0.25), *, edge: float = 1.2
) -> tuple[DescribedFigure, dict[str, Any]]:
    """`plot_space` for several curvatures side by side, in the same coordinates: grids above, trees below.

    Returns:
        figure and {"k=...": the data of plot_space}.
    """
    spaces = {f"k={k:g}": _space(k, edge) for k in ks}
    with use_style():
        figure = DescribedFigure(figsize=(1.6 * len(ks), 4.0), layout="constrained")
        panels = figure.subplots(2, len(ks), sharex=True, sharey=True, squeeze=False)
        for (above, below), space in zip(panels.T, spaces.values(), strict=True):
            _draw_grid(above, space, small=True)
            _draw_tree(below, space, small=True)
            above.set_title(f"k = {signed(space['k'])}")
        figure.suptitle("What happens to the same drawing when only the curvature changes?")
    told = "; ".join(f"k = {signed(space['k'])}: {_told(space)}" for space in spaces.values())
    figure.alt_text = f"The same grid, circles, triangle and tree in {len(ks)} curvatures. {told}."
    return figure, spaces


def plot_tilings(
    tilings: Sequence[tuple[int, int, int]] = ((4, 3, 1), (4, 4, 3), (4, 5, 4), (3, 7, 6)),
) -> tuple[DescribedFigure, dict[str, Any]]:
    """Regular tilings {p, q}: p-gons, q in each corner; the number of tiles within the layers shown.

    Args:
        tilings: (p, q, layers) each, see `shapes.tiling`.

    Returns:
        figure and {"{p,q}": {"k", "tiles", "corners" (T, p, 2)}}.
    """
    data: dict[str, Any] = {}
    with use_style():
        figure = DescribedFigure(figsize=(2 * len(tilings), 2.9), layout="constrained")
        for axes, (p, q, layers) in zip(
            figure.subplots(1, len(tilings), squeeze=False)[0], tilings, strict=True
        ):
            corners, k = shapes.tiling(p, q, layers)
            data[f"{{{p},{q}}}"] = {"k": k, "tiles": len(corners), "corners": corners}
            outlines = shapes.segment(corners, corners.roll(-1, 1), k=k, points=9).flatten(1, 2)
            reach = 1.08 if k < 0 else 1.05 * float(outlines.abs().max())
            frame(axes, k, reach, ticks=False)
            shades = [_BLUE if number else _RED for number in range(len(corners))]
            faces = PolyCollection(list(outlines.numpy()), facecolors=shades, alpha=0.25)
            axes.add_collection(faces)
            lines = LineCollection(list(outlines.numpy()), colors=INK, linewidths=0.6)
            axes.add_collection(lines)
            axes.set_title(
                f"{q} {_POLYGONS.get(p, f'{p}-gons')} a corner\nk {_sign(k)} 0: {len(corners)} tiles"
            )
        figure.suptitle("How many polygons fit around a corner?")
    told = [f"{name} in curvature {signed(row['k'])}, {row['tiles']} tiles" for name, row in data.items()]
    figure.alt_text = f"Regular tilings, the middle tile marked: {'; '.join(told)}. Tiles shrink to the rim."
    return figure, data


def plot_growth(ks: Sequence[float] = (-1.0, -0.25, 0.0, 0.25)) -> tuple[DescribedFigure, dict[str, Any]]:
    """The length of a circle by its radius, beside the number of vertices of a binary tree at that depth.

    Returns:
        figure and {"radius": (81,), "k=...": length (81,), "vertices": {"depth", "count": (9,)}}.
    """
    radius = torch.linspace(0, 8, 81, dtype=torch.float64)
    depth = torch.arange(9)
    data: dict[str, Any] = {"radius": radius}
    styles = ("-", "--", "-.", ":")
    with use_style():
        figure = DescribedFigure(figsize=(6.4, 3.8), layout="constrained")
        axes = figure.subplots()
        colors = (_BLUE, OKABE_ITO["sky"], INK, _RED)
        for k, color, style in zip(ks, colors, styles, strict=False):
            reach = radius <= (math.inf if k <= 0 else math.pi / math.sqrt(k))
            length = data[f"k={k:g}"] = torch.where(reach, shapes.circle_length(radius, k=k), torch.nan)
            axes.semilogy(radius[1:], length[1:], style, color=color, label=f"circle, k = {signed(k)}")
        data["vertices"] = {"depth": depth, "count": 3 * 2.0 ** (depth - 1)}
        axes.semilogy(
            depth[1:], data["vertices"]["count"][1:], "D", color=_GREEN, label="tree of degree 3: vertices"
        )
        axes.set(
            xlabel="radius of the circle, depth of the tree", ylabel="length, or number", ylim=(0.5, 1e4)
        )
        axes.legend(loc="upper left", fontsize=8)
        axes.set_title("Which circle is long enough for all the vertices of a tree?")
    told = ", ".join(f"{float(shapes.circle_length(6.0, k=k)):.0f} for k = {signed(k)}" for k in ks if k <= 0)
    figure.alt_text = (
        f"Length of a circle of radius 6: {told}. A tree of degree 3 has 96 vertices at depth 6. On the logarithmic "
        "axis tree and hyperbolic circles grow along straight lines, the flat circle bends away below them, and on "
        "the sphere the length falls back to 0."
    )
    return figure, data


_POLYGONS = {3: "triangles", 4: "squares", 5: "pentagons", 7: "heptagons"}


def _space(k: float, edge: float) -> dict[str, Any]:
    points, parents, _ = shapes.tree(3, 4, edge, k=k)
    corners = shapes.triangle(2 * edge, k=k)
    centers = torch.stack([torch.zeros(2), *shapes.circle(torch.zeros(2), 2.0 * edge, k=k, points=5)[[0, 2]]])
    edges = shapes.segment(points[parents[1:]], points[1:], k=k, points=9)
    to_edges = (
        geometry.pairwise_distance(points, edges.flatten(0, 1), k=k).unflatten(1, edges.shape[:2]).amin(-1)
    )
    child = torch.arange(1, len(points))
    to_edges[child, child - 1] = to_edges[parents[1:], child - 1] = (
        torch.inf
    )  # a vertex's own edges do not crowd it
    return {
        "k": k,
        "grid": shapes.grid(0.5 * edge, 2.5 * edge, k=k),
        "circles": torch.stack([shapes.circle(center, 0.5 * edge, k=k, points=61) for center in centers]),
        "triangle": shapes.segment(corners, corners.roll(-1, 0), k=k),
        "angle_sum": shapes.angle_sum(corners, k=k),
        "circle_length": float(shapes.circle_length(4 * edge, k=k)),
        "tree": points,
        "edges": edges,
        "crowded": int((to_edges.amin(1) < 0.5 * edge).sum()),
    }


def _told(space: dict[str, Any]) -> str:
    length = space["circle_length"]
    circle = (
        "the tree reaches around the sphere"  # beyond the antipode the formula's length is negative
        if length <= 0
        else f"a circle as wide as the tree is {length:.0f} long"
    )
    return (
        f"the triangle's angles sum to {space['angle_sum']:.0f} degrees, {circle}, {space['crowded']} of the tree's "
        f"{len(space['tree'])} vertices are crowded"
    )


def _draw_grid(axes: Axes, space: dict[str, Any], *, small: bool = False) -> None:
    frame(axes, space["k"], VIEW, ticks=not small)
    axes.add_collection(LineCollection(list(space["grid"].numpy()), colors="#BBBBBB", linewidths=0.7))
    axes.add_collection(LineCollection(list(space["circles"].numpy()), colors=_BLUE, linewidths=1.4))
    axes.add_collection(
        LineCollection(list(space["triangle"].numpy()), colors=_RED, linewidths=1.8, linestyles="--")
    )
    _note(axes, f"angles {space['angle_sum']:.0f}°", _RED)


def _draw_tree(axes: Axes, space: dict[str, Any], *, small: bool = False) -> None:
    frame(axes, space["k"], VIEW, ticks=not small)
    axes.add_collection(LineCollection(list(space["edges"].numpy()), colors=_GREEN, linewidths=1.0))
    axes.plot(*space["tree"].T, "o", color=INK, markersize=2 if small else 3)
    _note(axes, f"crowded {space['crowded']} of {len(space['tree'])}", _GREEN)


def _note(axes: Axes, text: str, color: str) -> None:
    box = {"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 1.0}
    axes.text(0.03, 0.03, text, transform=axes.transAxes, fontsize=8, color=color, bbox=box)


def _sign(k: float) -> str:
    return "<" if k < 0 else ">" if k > 0 else "="


def curvature_explorer() -> Explorer:
    """Grid, circles, triangle and tree of `plot_space`, with sliders for the curvature k and the edge length."""
    return Explorer(
        plot_space,
        [
            Control("k", "curvature k", value=-0.5, low=-1.0, high=0.3, step=0.05),
            Control("edge", "length of an edge", value=1.2, low=0.6, high=1.5, step=0.1),
        ],
    )
