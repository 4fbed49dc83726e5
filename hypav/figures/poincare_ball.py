"""Figures of notebook 01, the Poincaré disk (k < 0): distances, straight lines, sums, maps, means, trees, tilings."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from torch import Tensor

from hypav import geometry
from hypav.figures import shapes
from hypav.figures.explorer import Explorer, fixed, rounded
from hypav.figures.style import (
    BLUE,
    GREEN,
    INK,
    PURPLE,
    SKY,
    VERMILION,
    Drawn,
    canvas,
    draw_lines,
    frame,
    signed,
)

VIEW = 2.4  # half the width of a panel that shows several curvatures in the same coordinates


def plot_depth(k: float = -1.0) -> Drawn:
    """Draw λ_k and the distance to the centre over the norm of a point, from the centre to near the rim (k < 0).

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
    with canvas(7.2, 3.2, 2) as (figure, (left, right)):
        left.semilogy(norm, data["factor"], color=BLUE)
        left.set(title="how much longer a small step is", ylabel="conformal factor λ")
        right.plot(norm, data["distance"], color=BLUE, label=f"k = {signed(k)}")
        right.plot(norm, 2 * norm, color=INK, linestyle="--", label="k = 0: twice the norm")
        right.set(title="how far it is to the centre", ylabel="distance to the centre")
        right.legend(loc="upper left")
        for axes in (left, right):
            axes.axvline(rim, color=VERMILION, linestyle=":")
            axes.set_xlabel("norm of the point (the rim is dotted)")
        figure.suptitle("How far away is the rim?")
    at_half = geometry.distance0(torch.tensor([rim / 2, 0.0], dtype=torch.float64), k=k)
    figure.alt_text = (
        f"For k = {signed(k)} the conformal factor grows from 2 at the centre to {data['factor'][-1]:.0f} at 0.999 "
        f"of the rim's radius {rim:.2f}; the distance to the centre is {at_half:.2f} half-way out and "
        f"{data['distance'][-1]:.2f} at 0.999, and grows without bound."
    )
    return figure, data


def plot_geodesics(pairs: Tensor, k: float = -1.0) -> Drawn:
    """Draw geodesics and chords between pairs of points (N, 2, 2) in the disk, k < 0, with the lengths of both.

    Returns:
        figure and {"geodesics" (N, P, 2), "geodesic_length" (N,), "chord_length" (N,), both measured in the disk}.
    """
    curves = shapes.segment(pairs[:, 0], pairs[:, 1], k=k, points=61)
    t = torch.linspace(0, 1, 401, dtype=torch.float64).unsqueeze(-1)
    chords = pairs[:, :1] + t * (pairs[:, 1:] - pairs[:, :1])
    geodesic_length = geometry.distance(pairs[:, 0], pairs[:, 1], k=k)
    chord_length = geometry.distance(chords[:, 1:], chords[:, :-1], k=k).sum(-1)
    lengths = list(zip(geodesic_length.tolist(), chord_length.tolist(), strict=True))
    with canvas(6.4, 4.4) as (figure, axes):
        frame(axes, k, 1.08 / math.sqrt(-k))
        for curve, pair, (along, across) in zip(curves, pairs, lengths, strict=True):
            axes.plot(*curve.T, color=BLUE, label="geodesic")
            axes.plot(*pair.T, color=INK, linestyle="--", linewidth=1, label="straight in the page")
            axes.plot(*pair.T, "o", color=BLUE)
            straight = abs(along - across) < 5e-3
            # on the side to which the geodesic bends, away from the chord
            axes.annotate(
                f"{across:.2f} for both" if straight else f"{along:.2f} against {across:.2f}",
                (curve[len(curve) // 2] * 0.55).tolist(),
                (0, 6 if straight else -3),
                textcoords="offset points",
                ha="center",
                fontsize=8,
            )
        handles = axes.get_legend_handles_labels()[0][:2]
        axes.legend(handles=handles, loc="upper right", bbox_to_anchor=(1.45, 1.0))
        axes.set_title("Which way from dot to dot is shorter?")
    parts = [f"{a:.2f} along the geodesic, {b:.2f} along the chord" for a, b in lengths]
    figure.alt_text = f"{len(pairs)} pairs of points in the disk of k = {signed(k)}: {'; '.join(parts)}."
    return figure, {"geodesics": curves, "geodesic_length": geodesic_length, "chord_length": chord_length}


def plot_addition(x: Tensor, y: Tensor, k: float = -1.0) -> Drawn:
    """Draw x ⊕ y and y ⊕ x for points x and y (2,) in the disk, k < 0, and eight rays moved by adding x.

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
    with canvas(7.4, 3.8, 2) as (figure, (left, right)):
        for axes in (left, right):
            frame(axes, k, 1.08 / math.sqrt(-k))
        marks = (("x", x, "s", INK), ("y", y, "D", INK), ("x ⊕ y", data["x_plus_y"], "o", BLUE))
        for name, point, marker, color in (*marks, ("y ⊕ x", data["y_plus_x"], "^", VERMILION)):
            left.plot(*point, marker, color=color, linestyle="none", label=name)
        left.legend(loc="lower center", bbox_to_anchor=(0.5, 0.15), ncols=2)
        left.set_title("two points, two sums")
        draw_lines(right, lines, INK, 0.8, "--")
        draw_lines(right, data["x_plus_origin_star"], BLUE, 1.4)
        right.plot(0, 0, "o", color=INK)
        right.plot(*x, "s", color=BLUE)
        right.set_title("eight rays from 0 (dashed), all moved by x")
        figure.suptitle("Does it matter which point is added to which?")
    a, b = data["x_plus_y"].tolist(), data["y_plus_x"].tolist()
    figure.alt_text = (
        f"In the disk of k = {signed(k)}, x ⊕ y is ({a[0]:.2f}, {a[1]:.2f}) but y ⊕ x is ({b[0]:.2f}, {b[1]:.2f}); both "
        "are equally far from the centre. Eight straight rays from the centre become eight arcs from x that meet "
        "the rim at right angles."
    )
    return figure, data


def plot_maps(ks: Sequence[float] = (-1.0, -0.25)) -> Drawn:
    """Draw how Eq. 1 and exp_0 change the norm of a vector (k < 0), and log_0 of both results.

    Returns:
        figure and {"norm": (200,), "k=...": {"project", "expmap0", "log_project", "log_expmap0": (200,)}}.
    """
    norm = torch.linspace(0.01, 3.0, 200, dtype=torch.float64)
    vectors = torch.stack([norm, torch.zeros_like(norm)], -1)
    data: dict[str, Any] = {"norm": norm}
    with canvas(7.4, 3.4, 2, sharex=True) as (figure, (left, right)):
        for k, color, marker in zip(ks, (BLUE, VERMILION, GREEN), "os^", strict=False):
            line: dict[str, Any] = {"color": color, "marker": marker, "markevery": 33, "markersize": 4}
            clipped, mapped = geometry.project(vectors, k=k, xi=1e-3), geometry.expmap0(vectors, k=k)
            row = data[f"k={k:g}"] = {"project": clipped[:, 0], "expmap0": mapped[:, 0]}
            row["log_project"] = geometry.logmap0(clipped, k=k)[:, 0]
            row["log_expmap0"] = geometry.logmap0(mapped, k=k)[:, 0]
            left.plot(norm, row["project"], **line, label=f"Eq. 1, k = {signed(k)}")
            left.plot(norm, row["expmap0"], "--", **line, label=f"exp at 0, k = {signed(k)}")
            right.plot(norm, row["log_project"], **line)
            right.plot(norm, row["log_expmap0"], "--", **line)
        left.set(title="norm in the ball", xlabel="norm of the vector", ylabel="norm of its point")
        right.set(title="norm after log at 0 (Eq. 3)", ylabel="norm in the tangent space")
        right.set_xlabel("norm of the vector")
        figure.legend(loc="outside lower center", ncols=4)
        figure.suptitle("What is left of a long vector's length?")
    parts = [
        f"for k = {signed(k)} it is cut to {data[f'k={k:g}']['project'][-1]:.2f}, and log gives "
        f"{data[f'k={k:g}']['log_project'][-1]:.2f}"
        for k in ks
    ]
    figure.alt_text = (
        f"Eq. 1 keeps a vector as it is up to the rim and cuts it there: of norm 3, {'; '.join(parts)}. "
        "exp at 0 bends every norm smoothly towards the rim, and log at 0 undoes it: the dashed lines on the right "
        "are one straight line."
    )
    return figure, data


def plot_means(points: Tensor, x: Tensor, k: float = -1.0) -> Drawn:
    """Draw the gyro-midpoint and the mean of the coordinates of points (N, 2) in the disk, before and after adding x.

    Returns:
        figure and {"midpoint", "mean"} of {"before", "after", "carried": (2,), "miss": the distance between the last
        two}; "carried" is where x ⊕ moves the middle of before.
    """
    moved = geometry.mobius_add(x, points, k=k)
    data: dict[str, Any] = {}
    for name, middle in (("midpoint", lambda p: geometry.midpoint(p, k=k)), ("mean", lambda p: p.mean(0))):
        row = data[name] = {"before": middle(points), "after": middle(moved)}
        row["carried"] = geometry.mobius_add(x, row["before"], k=k)
        row["miss"] = float(geometry.distance(row["after"], row["carried"], k=k).round(decimals=6))
    with canvas(7.4, 4.3, 2) as (figure, panels):
        for axes, cloud, when in zip(panels, (points, moved), ("before", "after"), strict=True):
            frame(axes, k, 1.08 / math.sqrt(-k))
            axes.plot(*cloud.T, "o", color=INK, markersize=4, label="points")
            axes.plot(*data["midpoint"][when], "*", color=BLUE, markersize=13, label="gyro-midpoint")
            axes.plot(*data["mean"][when], "X", color=VERMILION, label="mean of coordinates")
            if when == "after":
                axes.plot(
                    *data["midpoint"]["carried"], "o", mec=BLUE, mfc="none", ms=17, label="midpoint, carried"
                )
                axes.plot(
                    *data["mean"]["carried"], "s", mec=VERMILION, mfc="none", ms=13, label="mean, carried"
                )
            axes.set_title(f"{when} the move")
        figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=5)
        figure.suptitle("Which middle moves along when all the points are moved?")
    figure.alt_text = (
        f"{len(points)} points in the disk of k = {signed(k)}, before and after they are moved by x. The gyro-midpoint "
        f"of the moved points is {data['midpoint']['miss']:.2f} from where the move carries the old one, the mean of "
        f"coordinates {data['mean']['miss']:.2f}."
    )
    return figure, data


def plot_space(k: float, *, edge: float = 1.2) -> Drawn:
    """Draw a grid, circles, a triangle, and a tree with edges of equal length, all for one curvature.

    Args:
        k: the curvature.
        edge: length of the tree's edges; the triangle's sides are twice as long, the circles' radii half as long.

    Returns:
        figure and {"k", "grid" (L, P, 2), "circles" (3, P, 2), "triangle" (3, P, 2), "angle_sum" in degrees,
        "circle_length", "tree" (N, 2), "edges" (N - 1, P, 2), "crowded": how many of the N vertices are closer than half
        an edge's length to an edge of other vertices}.
    """
    numbers = space(k, edge)
    with canvas(7.2, 3.7, 2, margins=(0.07, 0.13, 0.98, 0.84, 0.2)) as (figure, (left, right)):
        _draw_grid(left, numbers)
        _draw_tree(right, numbers)
        left.set_title("straight lines, equal circles, a triangle")
        right.set_title(f"a tree, every edge {edge:.2f} long")
        figure.suptitle(f"What does curvature k = {signed(k)} do to the same drawing?")
    figure.alt_text = space_words(numbers)
    return figure, numbers


def plot_curvatures(ks: Sequence[float] = (-1.0, -0.5, -0.1, 0.0, 0.25)) -> Drawn:
    """Draw `plot_space` for several curvatures side by side, in the same coordinates: grids above, trees below.

    Returns:
        figure and {"k=...": the data of plot_space}.
    """
    spaces = {f"k={k:g}": space(k, 1.2) for k in ks}
    with canvas(1.6 * len(ks), 4.0, (2, len(ks)), sharex=True, sharey=True) as (figure, panels):
        for (above, below), one in zip(panels.T, spaces.values(), strict=True):
            _draw_grid(above, one, small=True)
            _draw_tree(below, one, small=True)
            above.set_title(f"k = {signed(one['k'])}")
        figure.suptitle("What happens to the same drawing when only the curvature changes?")
    parts = "; ".join(f"k = {signed(one['k'])}: {_in_words(one)}" for one in spaces.values())
    figure.alt_text = f"The same grid, circles, triangle and tree in {len(ks)} curvatures. {parts}."
    return figure, spaces


def plot_tilings(
    tilings: Sequence[tuple[int, int, int]] = ((4, 3, 1), (4, 4, 3), (4, 5, 4), (3, 7, 6)),
) -> Drawn:
    """Draw regular tilings {p, q}, with q p-gons around each corner, and the number of tiles shown.

    Args:
        tilings: (p, q, layers) of each, see `shapes.tiling`.

    Returns:
        figure and {"{p,q}": {"k", "tiles", "corners" (T, p, 2)}}.
    """
    polygons = {3: "triangles", 4: "squares"}
    data: dict[str, Any] = {}
    with canvas(2 * len(tilings), 2.9, len(tilings)) as (figure, panels):
        for axes, (p, q, layers) in zip(panels, tilings, strict=True):
            corners, k = shapes.tiling(p, q, layers)
            data[f"{{{p},{q}}}"] = {"k": k, "tiles": len(corners), "corners": corners}
            outlines = shapes.segment(corners, corners.roll(-1, 1), k=k, points=9).flatten(1, 2)
            reach = 1.08 if k < 0 else 1.05 * float(outlines.abs().max())
            frame(axes, k, reach, ticks=False)
            shades = [BLUE if number else VERMILION for number in range(len(corners))]
            axes.add_collection(PolyCollection(list(outlines.numpy()), facecolors=shades, alpha=0.25))
            draw_lines(axes, outlines, INK, 0.6)
            sign = "<" if k < 0 else ">" if k > 0 else "="
            axes.set_title(f"{q} {polygons.get(p, f'{p}-gons')} a corner\nk {sign} 0: {len(corners)} tiles")
        figure.suptitle("How many polygons fit around a corner?")
    parts = [f"{name} in curvature {signed(row['k'])}, {row['tiles']} tiles" for name, row in data.items()]
    figure.alt_text = f"Regular tilings, the middle tile marked: {'; '.join(parts)}. Tiles shrink to the rim."
    return figure, data


def plot_growth(ks: Sequence[float] = (-1.0, -0.25, 0.0, 0.25)) -> Drawn:
    """Draw the length of a circle over its radius, and the number of a tree's vertices over their depth.

    Returns:
        figure and {"radius": (81,), "k=...": length (81,), "vertices": {"depth", "count": (9,)}}.
    """
    radius = torch.linspace(0, 8, 81, dtype=torch.float64)
    depth = torch.arange(9)
    data: dict[str, Any] = {"radius": radius}
    with canvas(6.4, 3.8) as (figure, axes):
        for k, color, style in zip(ks, (BLUE, SKY, INK, VERMILION), ("-", "--", "-.", ":"), strict=False):
            reach = radius <= (math.inf if k <= 0 else math.pi / math.sqrt(k))
            length = data[f"k={k:g}"] = torch.where(reach, shapes.circle_length(radius, k=k), torch.nan)
            axes.semilogy(radius[1:], length[1:], style, color=color, label=f"circle, k = {signed(k)}")
        data["vertices"] = {"depth": depth, "count": 3 * 2.0 ** (depth - 1)}
        axes.semilogy(
            depth[1:], data["vertices"]["count"][1:], "D", color=GREEN, label="tree of degree 3: vertices"
        )
        axes.set(xlabel="radius of the circle, depth of the tree", ylabel="length, or number")
        axes.set_ylim(0.5, 1e4)
        axes.legend(loc="upper left", fontsize=8)
        axes.set_title("Which circle is long enough for all the vertices of a tree?")
    parts = ", ".join(
        f"{float(shapes.circle_length(6.0, k=k)):.0f} for k = {signed(k)}" for k in ks if k <= 0
    )
    figure.alt_text = (
        f"Length of a circle of radius 6: {parts}. A tree of degree 3 has 96 vertices at depth 6. On the logarithmic "
        "axis tree and hyperbolic circles grow along straight lines, the flat circle bends away below them, and on "
        "the sphere the length falls back to 0."
    )
    return figure, data


def space(k: float, edge: float) -> dict[str, Any]:
    """The numbers of `plot_space`."""
    points, parents, _ = shapes.tree(3, 4, edge, k=k)
    corners = shapes.triangle(2 * edge, k=k)
    centers = torch.stack([torch.zeros(2), *shapes.circle(torch.zeros(2), 2.0 * edge, k=k, points=5)[[0, 2]]])
    edges = shapes.segment(points[parents[1:]], points[1:], k=k, points=9)
    to_edges = geometry.pairwise_distance(points, edges.flatten(0, 1), k=k)
    to_edges = to_edges.unflatten(1, edges.shape[:2]).amin(-1)
    child = torch.arange(1, len(points))
    # a vertex is not crowded by its own edges
    to_edges[child, child - 1] = to_edges[parents[1:], child - 1] = torch.inf
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


def space_words(numbers: dict[str, Any]) -> str:
    """`plot_space` in words."""
    return f"Curvature {signed(numbers['k'])}: {_in_words(numbers)}."


def _in_words(space: dict[str, Any]) -> str:
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
    draw_lines(axes, space["grid"], "#BBBBBB", 0.7)
    draw_lines(axes, space["circles"], BLUE, 1.4)
    draw_lines(axes, space["triangle"], VERMILION, 1.8, "--")
    _note(axes, f"angles {space['angle_sum']:.0f}°", VERMILION)


def _draw_tree(axes: Axes, space: dict[str, Any], *, small: bool = False) -> None:
    frame(axes, space["k"], VIEW, ticks=not small)
    draw_lines(axes, space["edges"], GREEN, 1.0)
    axes.plot(*space["tree"].T, "o", color=INK, markersize=2 if small else 3)
    _note(axes, f"crowded {space['crowded']} of {len(space['tree'])}", GREEN)


def _note(axes: Axes, text: str, color: str) -> None:
    box = {"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 1.0}
    axes.text(0.03, 0.03, text, transform=axes.transAxes, fontsize=8, color=color, bbox=box)


def curvature_explorer(k: float = -0.5, edge: float = 1.2) -> Explorer:
    """Show `plot_space`, with sliders for the curvature k and the length of the tree's edges."""
    figure, data = plot_space(k, edge=edge)
    return Explorer("curvature", figure, data, {"k": k, "edge": edge})


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
        left.set_title("two points, two sums, two ways")
        ends = torch.tensor(_sheet(k), dtype=torch.float64).unflatten(1, (2, 2))
        moved = geometry.mobius_add(at, ends, k=k)
        draw_lines(right, shapes.segment(moved[:, 0], moved[:, 1], k=k, points=7), "#999999", 0.7)
        right.plot(*geometry.mobius_add(at, data["geodesic"], k=k).T, color=BLUE, linewidth=2.4)
        for point, marker in zip(data["moved"], "sD", strict=True):
            right.plot(*point, marker, color=INK)
        right.plot(*origin, "o", color=VERMILION)
        right.set_title("the sheet, its origin moved to the dot")
        figure.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=6)
        figure.suptitle("Is the straight way in the page the short one?")
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


def plane_explorer(
    x: Pair = (0.5, 0.1), y: Pair = (0.1, 0.6), *, origin: Pair = (-0.4, -0.2), k: float = -1.0
) -> Explorer:
    """Show `plot_plane` with x, y and the origin of the sheet as points to drag."""
    figure, data = plot_plane(x, y, origin=origin, k=k)
    state = {"k": k, "x": list(x), "y": list(y), "origin": list(origin), "edges": _sheet(k)}
    return Explorer("plane", figure, data, state)


def _sheet(k: float) -> list[list[float]]:
    """The edges of a tiling with five squares around a corner, each once, as [x₁, x₂, y₁, y₂], rounded."""
    corners, _ = shapes.tiling(4, 5, 3)
    corners = corners / math.sqrt(-k)
    edges = torch.cat([corners, corners.roll(-1, 1)], -1).flatten(0, 1)
    once = {tuple(sorted([tuple(edge[:2]), tuple(edge[2:])])) for edge in rounded(edges, 4)}
    return [[*a, *b] for a, b in sorted(once)]
