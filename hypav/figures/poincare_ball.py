"""Figures of notebook 01, the Poincaré disk (k < 0): features, trees, two points, and one drawing for all curvatures."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from hypav import geometry
from hypav.figures import shapes
from hypav.figures.explorer import Explorer, fixed, rounded
from hypav.figures.style import (
    BLUE,
    GREEN,
    INK,
    PURPLE,
    VERMILION,
    Drawn,
    canvas,
    draw_lines,
    frame,
    signed,
)

Grow = Callable[..., Sequence[tuple[Tensor, Tensor]]]


def plot_trees(grow: Grow, ks: Sequence[float] = (-1.0,), *, edge: float = 1.2, depth: int = 4) -> Drawn:
    """Draw a tree in which every vertex has three neighbours, in several curvatures (k < 0), each panel on its own scale.

    The two vertices that are closest to each other, of all pairs that no edge joins, are ringed.

    Args:
        grow: a function of a vertex (2,), the angle at which its parent lies, a depth, k and the length of an edge. It
            returns the edges below the vertex as pairs of points (2,). The tree is two of these, joined by an edge.
        ks: the curvatures.
        edge, depth: the length of an edge, and the number of levels on either side.

    Returns:
        figure and {"k=...": {"edges" (E, P, 2), "closest": the distance between the ringed pair, "pair" (2, 2)}}.
    """
    trees: dict[float, Tensor] = {}
    for k in ks:
        right = geometry.expmap0(torch.tensor([edge / 4, 0.0], dtype=torch.float64), k=k)
        edges = [(-right, right)]
        for vertex, home in ((right, math.pi), (-right, 0.0)):
            edges += grow(vertex, home, depth, k=k, edge=edge)
        trees[k] = torch.stack([torch.stack(tuple(pair)) for pair in edges])
    data: dict[str, Any] = {}
    width = 7.4 if len(ks) > 1 else 5.2
    with canvas(width, width / len(ks) + 0.7, len(ks)) as (figure, panels):
        for axes, (k, ends) in zip(panels, trees.items(), strict=True):
            closest, pair = _closest(ends, k)
            curves = shapes.segment(ends[:, 0], ends[:, 1], k=k, points=13)
            data[f"k={k:g}"] = {"edges": curves, "closest": closest, "pair": pair}
            rim = 1 / math.sqrt(-k)
            frame(axes, k, min(1.03 * rim, 1.12 * float(ends.abs().max())), ticks=False)
            draw_lines(axes, curves, GREEN, 1.2)
            axes.plot(*ends.reshape(-1, 2).T, "o", color=INK, markersize=2.5)
            axes.plot(*pair.T, "o", mec=VERMILION, mfc="none", markersize=11, markeredgewidth=1.8)
            axes.set_title(f"k = {signed(k)}\nringed pair: {closest:.2f} apart")
        figure.suptitle("Is there room for the tree?")
    parts = "; ".join(f"k = {signed(k)}: {data[f'k={k:g}']['closest']:.2f} apart" for k in trees)
    figure.alt_text = (
        f"A tree of {len(trees[ks[0]])} edges of length {edge:g}, each panel on a scale of its own. The "
        f"closest two vertices that no edge joins are, for {parts}."
    )
    return figure, data


def plot_into_ball(xi: float = 1e-3) -> Drawn:
    """Draw five features and their points in the ball of k = -1 (Eq. 1), and the arrows of these points (Eq. 3).

    Args:
        xi: the margin of Eq. 1.

    Returns:
        figure and {"features", "points", "arrows": (5, 2)}.
    """
    features = torch.tensor(
        ((0.3, 0.4), (-0.6, 0.3), (1.5, 0.7), (-0.9, -1.2), (0.5, -1.4)), dtype=torch.float64
    )
    points = geometry.project(features, k=-1.0, xi=xi)
    arrows = geometry.logmap0(points, k=-1.0)
    with canvas(7.2, 4.1, 2) as (figure, (left, right)):
        for axes, reach in ((left, 1.8), (right, 4.2)):
            frame(axes, -1.0, reach)
        draw_lines(left, torch.stack([features, points], 1), INK, 1.0, "--")
        draw_lines(right, torch.stack([0 * arrows, arrows], 1), VERMILION, 1.4)
        left.plot(*features.T, "o", color=INK, mfc="white", markersize=9, label="feature")
        right.plot(*arrows.T, "^", color=VERMILION, label="tip of its arrow (Eq. 3)")
        for axes in (left, right):
            label = "its point in the ball (Eq. 1)" if axes is left else None
            axes.plot(*points.T, "s", color=BLUE, markersize=5, label=label)
        left.set_title("features and their points")
        right.set_title("points and their arrows")
        figure.legend(loc="outside lower center", ncols=3)
        figure.suptitle("Which features move, and which points have long arrows?")
    outside = int(((features - points).norm(dim=1) > 0).sum())
    figure.alt_text = (
        f"Left: {outside} of 5 features lie outside the ball. Dashed lines show how they move straight to the rim; the "
        "others stay. Right, on a smaller scale: arrows from the centre through the points. Those of points near the rim "
        f"are {float(arrows.norm(dim=1).max()):.1f} long, the shortest {float(arrows.norm(dim=1).min()):.1f}."
    )
    return figure, {"features": features, "points": points, "arrows": arrows}


def _closest(ends: Tensor, k: float) -> tuple[float, Tensor]:
    """The least distance between two vertices that no edge (E, 2, 2) joins, and the two (2, 2)."""
    vertices, index = torch.unique(ends.reshape(-1, 2), dim=0, return_inverse=True)
    apart = geometry.pairwise_distance(vertices, k=k).fill_diagonal_(torch.inf)
    a, b = index.view(-1, 2).T
    apart[a, b] = apart[b, a] = torch.inf
    # several pairs may be as close: the first by rounded coordinates is the same on every processor
    near = (apart < apart.min() + 1e-6).nonzero().tolist()
    pair = vertices[min(near, key=lambda two: vertices[two].round(decimals=6).flatten().tolist())]
    return float(apart.min()), pair


Pair = tuple[float, float]


def plot_plane(
    x: Pair = (0.5, 0.1), y: Pair = (0.1, 0.6), *, origin: Pair = (-0.4, -0.2), k: float = -1.0
) -> Drawn:
    """Draw two points of the disk with x ⊕ y, y ⊕ x, geodesic and chord; and a sheet, moved by adding `origin`.

    Args:
        x, y: the two points.
        origin: where the move takes the origin of the sheet, on which a tiling and the two points are drawn.
        k: the curvature, k < 0.

    Returns:
        figure and {"x_plus_y", "y_plus_x" (2,), "geodesic" (41, 2), "distance", "chord_length", "in_the_page": |x - y|,
        "moved": x and y on the moved sheet (2, 2), "moved_distance"}.
    """
    data = plane_numbers(x, y, origin=origin, k=k)
    at = torch.tensor(origin, dtype=torch.float64)
    reach = 1.08 / math.sqrt(-k)
    with canvas(7.4, 4.0, 2) as (figure, (left, right)):
        for axes in (left, right):
            frame(axes, k, reach)
        left.plot(*zip(x, y, strict=True), "--", color=INK, linewidth=1.2, label="chord")
        left.plot(*data["geodesic"].T, color=BLUE, linewidth=2.4, label="geodesic")
        marks = (("x", x, "s", INK), ("y", y, "D", INK), ("x ⊕ y", data["x_plus_y"], "^", GREEN))
        for name, point, marker, color in (*marks, ("y ⊕ x", data["y_plus_x"], "v", PURPLE)):
            left.plot(*point, marker, color=color, linestyle="none", label=name)
        left.set_title("two points, their two sums, and two paths")
        ends = torch.tensor(_sheet(k), dtype=torch.float64).unflatten(1, (2, 2))
        moved = geometry.mobius_add(at, ends, k=k)
        draw_lines(right, shapes.segment(moved[:, 0], moved[:, 1], k=k, points=7), "#999999", 0.7)
        right.plot(*geometry.mobius_add(at, data["geodesic"], k=k).T, color=BLUE, linewidth=2.4)
        for point, marker in zip(data["moved"], "sD", strict=True):
            right.plot(*point, marker, color=INK)
        right.plot(*origin, "o", color=VERMILION)
        right.set_title("the sheet, its origin moved to the dot")
        figure.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=6)
        figure.suptitle("Is the straight line on the screen the shortest path?")
    figure.alt_text = plane_words(x, y, data, origin=origin, k=k)
    return figure, data


def plane_numbers(x: Pair, y: Pair, *, origin: Pair, k: float) -> dict[str, Any]:
    """The numbers of `plot_plane`."""
    a, b, at = (torch.tensor(point, dtype=torch.float64) for point in (x, y, origin))
    chord = a + torch.linspace(0, 1, 101, dtype=torch.float64).unsqueeze(-1) * (b - a)
    moved = geometry.mobius_add(at, torch.stack([a, b]), k=k)
    return {
        "x_plus_y": geometry.mobius_add(a, b, k=k),
        "y_plus_x": geometry.mobius_add(b, a, k=k),
        "geodesic": shapes.segment(a, b, k=k, points=41),
        "distance": float(geometry.distance(a, b, k=k)),
        "chord_length": float(geometry.distance(chord[1:], chord[:-1], k=k).sum()),
        "in_the_page": float((a - b).norm()),
        "moved": moved,
        "moved_distance": float(geometry.distance(moved[0], moved[1], k=k)),
    }


def plane_words(x: Pair, y: Pair, data: dict[str, Any], *, origin: Pair, k: float) -> str:
    """`plot_plane` in words."""

    def pair(point: Any) -> str:
        return f"({fixed(float(point[0]))}, {fixed(float(point[1]))})"

    return (
        f"Curvature {signed(k)}: x is {pair(x)} and y is {pair(y)}. x ⊕ y is {pair(data['x_plus_y'])}, y ⊕ x is "
        f"{pair(data['y_plus_x'])}. Their distance is {fixed(data['distance'])} along the geodesic; the chord is "
        f"{fixed(data['chord_length'])} long. On the sheet, moved by {pair(origin)}, the distance is "
        f"{fixed(data['moved_distance'])}."
    )


def plane_explorer() -> Explorer:
    """Show `plot_plane` with x, y and the origin of the sheet as points to drag."""
    state = {"k": -1.0, "x": [0.5, 0.1], "y": [0.1, 0.6], "origin": [-0.4, -0.2], "edges": _sheet(-1.0)}
    return Explorer("plane", *plot_plane(), state)


def _sheet(k: float) -> list[list[float]]:
    """The edges of a tiling with five squares around a corner, each once, as [x₁, x₂, y₁, y₂], rounded."""
    corners, _ = shapes.tiling(4, 5, 3)
    corners = corners / math.sqrt(-k)
    edges = torch.cat([corners, corners.roll(-1, 1)], -1).flatten(0, 1)
    once = {tuple(sorted([tuple(edge[:2]), tuple(edge[2:])])) for edge in rounded(edges, 4)}
    return [[*a, *b] for a, b in sorted(once)]
