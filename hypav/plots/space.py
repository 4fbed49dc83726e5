"""Figures of the plane of curvature k: the same drawing, tilings and growth as k changes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PolyCollection

from hypav import geometry
from hypav.plots import shapes
from hypav.plots.frame import frame, signed
from hypav.style import INK, OKABE_ITO, DescribedFigure, use_style

__all__ = ["plot_curvatures", "plot_growth", "plot_space", "plot_tilings"]

VIEW = 2.4  # half the width of a panel that shows several curvatures in the same coordinates
_BLUE, _RED, _GREEN = OKABE_ITO["blue"], OKABE_ITO["vermilion"], OKABE_ITO["green"]


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
