"""Figures of notebook 03: class trees, their distances in spaces of several curvatures, and four points."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import Any

import torch
from matplotlib.axes import Axes
from torch import Tensor

from hypav import geometry
from hypav.figures import shapes
from hypav.figures.four_point_explorer import four_point_explorer  # noqa: F401
from hypav.figures.style import (
    BLACK,
    BLUE,
    GREEN,
    INK,
    ORANGE,
    PURPLE,
    SKY,
    VERMILION,
    Drawn,
    canvas,
    cues,
    draw_lines,
    frame,
    signed,
)
from hypav.hyperbolicity import four_point_delta
from hypav.trees import ClassTree, Embedding, radial_layout

# three ways to split four points A, B, C, D into two pairs, and the look of each
_PAIRINGS = (("AB + CD", (0, 1), (2, 3)), ("AC + BD", (0, 2), (1, 3)), ("AD + BC", (0, 3), (1, 2)))
_LOOKS = ((BLUE, "-", ""), (VERMILION, "--", "//"), (GREEN, ":", ".."))


def plot_class_tree(tree: ClassTree) -> Drawn:
    """Draw a class tree of depth 3 in the plane, with the names of its groups.

    Returns:
        figure and {"points": (n, 2), "vertices": how many on each level}.
    """
    points = 2 * radial_layout(tree.parents)
    data: dict[str, Any] = {"points": points, "vertices": torch.bincount(tree.depths).tolist()}
    with canvas(6.4, 5.6) as (figure, axes):
        colors = _branches(tree)
        inner = tree.parents[1:]
        lines = torch.stack([points[inner], points[1:]], 1)
        draw_lines(axes, lines, colors[1:], 0.9)
        axes.scatter(points[:, 0], points[:, 1], s=_sizes(tree), c=colors, zorder=2)
        groups = (tree.depths == tree.depths.max() - 1).nonzero().squeeze(1).tolist()
        for v in groups:
            # beyond the leaves, so that no name covers an edge
            x, y = (points[v] / points[v].norm() * (float(tree.depths.max()) + 0.25)).tolist()
            turn = math.degrees(math.atan2(y, x))
            flip = abs(turn) > 90
            axes.text(
                x,
                y,
                tree.names[v].rsplit(".", 1)[-1],
                fontsize=8,
                rotation=turn + 180 * flip,
                rotation_mode="anchor",
                ha="right" if flip else "left",
                va="center",
            )
        reach = float(tree.depths.max()) + 1.5
        axes.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal")
        axes.axis("off")
        axes.set_title("How are the classes related?")
    levels = ", ".join(str(count) for count in data["vertices"])
    figure.alt_text = (
        f"A class tree of {len(points)} vertices, drawn in rings around its root: {levels} of them from the root to the "
        "leaves. Every colour is a super-group, the names outside are the groups."
    )
    return figure, data


def plot_tree_embeddings(tree: ClassTree, embedding: Embedding) -> Drawn:
    """Draw embeddings of a tree in planes of several curvatures side by side, with geodesics as edges.

    Returns:
        figure and {"k", "distortion": (S,), "points": (S, n, 2)}.
    """
    data = {"k": embedding.k, "distortion": embedding.distortion, "points": embedding.points}
    parts = []
    count, colors = len(embedding.k), _branches(tree)
    with canvas(2.6 * count, 3.1, count) as (figure, panels):
        spaces = embedding.k.tolist(), embedding.distortion.tolist(), embedding.points
        for axes, k, error, points in zip(panels, *spaces, strict=True):
            frame(axes, k, 1.08 / math.sqrt(-k) if k < 0 else 1.1 * float(points.abs().max()), ticks=False)
            edges = shapes.segment(points[tree.parents[1:]], points[1:], k=k, points=13)
            draw_lines(axes, edges, colors[1:], 0.8)
            sizes = [0.5 * size for size in _sizes(tree)]
            axes.scatter(points[:, 0], points[:, 1], s=sizes, c=colors, zorder=2)
            axes.set_title(f"k = {signed(k)}: off by {100 * error:.0f} %")
            parts.append(f"{100 * error:.0f} % for k = {signed(k)}")
        figure.suptitle("Where does the tree find room?")
    figure.alt_text = (
        f"A tree of {len(tree.parents)} vertices embedded in {count} planes. Distances in the plane differ from those in "
        f"the tree on average by {', '.join(parts)}. On the page the flat tree looks roomiest "
        "and the most curved one huddles at the rim; the errors go the other way."
    )
    return figure, data


def plot_distortions(rows: Mapping[str, Tensor], ks: Sequence[float]) -> Drawn:
    """Draw the distortion over the curvature with one line for each data set; a ring marks the best curvature.

    Args:
        rows: name -> distortion (len(ks),).
        ks: the curvatures, in order.

    Returns:
        figure and {name: distortion, "k": ks}.
    """
    with canvas(6.8, 3.6) as (figure, axes):
        for (name, values), cue in zip(rows.items(), cues(rows).values(), strict=True):
            percent = 100 * values
            axes.plot(range(len(ks)), percent, **cue.line, label=name)
            best = int(values.argmin())
            axes.plot(best, percent[best], "o", mfc="none", mec=cue.color, ms=15)
        axes.set_xticks(range(len(ks)), [signed(round(k, 3)) for k in ks])
        axes.set(xlabel="curvature k of the plane", ylabel="distances off by (%)", ylim=(-2, None))
        axes.set_title("Which curvature suits which distances? (the best is ringed)")
        axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    parts = "; ".join(
        f"{name}: {100 * float(values.min()):.1f} % at k = {signed(round(ks[int(values.argmin())], 3))}, "
        f"{100 * float(values[list(ks).index(0.0)]):.1f} % at 0"
        for name, values in rows.items()
    )
    figure.alt_text = (
        f"Mean relative error of embeddings in planes of {len(ks)} curvatures, least values: {parts}."
    )
    return figure, {**rows, "k": list(ks)}


def _branches(tree: ClassTree) -> list[str]:
    """The colour of each vertex, which is that of its branch at the root."""
    branch = list(range(len(tree.parents)))
    for v, parent in enumerate(tree.parents.tolist()):
        if parent > 0:
            branch[v] = branch[parent]
    colors = cycle((BLUE, VERMILION, GREEN, PURPLE, SKY, ORANGE, BLACK))
    order = dict(zip(dict.fromkeys(branch[1:]), colors, strict=False))
    return [INK, *(order[b] for b in branch[1:])]


def _sizes(tree: ClassTree) -> list[float]:
    return (60 * 0.5 ** tree.depths.double()).tolist()


def plot_thin_triangles(sides: Sequence[float] = (1.0, 3.0, 9.0), *, k: float = -1.0) -> Drawn:
    """Draw equilateral triangles in the disk (k < 0), and the distance from the midpoint of a side to the other sides.

    Returns:
        figure and {"triangles" (len(sides), 3, P, 2), "side": (37,), "gap": (37,), "flat": (37,)}.
    """
    side = torch.linspace(0.25, 9.25, 37, dtype=torch.float64)
    limit = f"stays below {math.asinh(1) / math.sqrt(-k):.2f}"
    gap = torch.stack([_gap(float(s), k) for s in side])
    outlines = []
    for s in sides:
        corners = shapes.triangle(s, k=k)
        outlines.append(shapes.segment(corners, corners.roll(-1, 0), k=k, points=41))
    # in flat space: the foot of the perpendicular from the midpoint of a side
    data = {"triangles": torch.stack(outlines), "side": side, "gap": gap, "flat": side * math.sqrt(3) / 4}
    with canvas(7.4, 3.5, 2) as (figure, (left, right)):
        frame(left, k, 1.08 / math.sqrt(-k), ticks=False)
        for triangle, s, (color, dash, _) in zip(outlines, sides, cycle(_LOOKS), strict=False):
            draw_lines(left, triangle, color, 1.6, dash)
            left.plot([], [], color=color, linestyle=dash, label=f"side {s:g}")
        left.legend(loc="upper center", bbox_to_anchor=(0.5, 0.02), ncols=3)
        left.set_title(f"triangles in the disk, k = {signed(k)}")
        right.plot(side, data["flat"], "--", color=INK, label="flat: grows for ever")
        right.plot(side, gap, color=BLUE, label=f"k = {signed(k)}: {limit}")
        right.plot(side, 0 * side, ":", color=GREEN, label="tree: 0")
        right.set(xlabel="length of the sides", ylabel="from mid-side to the other sides", ylim=(-0.1, 2.6))
        right.legend(loc="center right", bbox_to_anchor=(1.0, 0.5), handlelength=1.4)
        figure.suptitle("How thick is a large triangle?")
    figure.alt_text = (
        f"Three triangles in the disk of curvature {signed(k)}, the largest almost a tripod. The middle of a side of "
        f"length 9 is {float(_gap(9.0, k)):.2f} from the other sides there, {9 * math.sqrt(3) / 4:.2f} in flat space and "
        f"0 in a tree; for longer sides the first {limit}, the second grows."
    )
    return figure, data


def four_points(angle: float, radius: float) -> Tensor:
    """The points A, B, C of the figures, and D at `angle` degrees and norm `radius`: (4, 2)."""
    turn = math.radians(angle)
    fixed = [[-0.72, 0.5], [-0.72, -0.5], [0.72, -0.5]]
    return torch.tensor([*fixed, [radius * math.cos(turn), radius * math.sin(turn)]], dtype=torch.float64)


def plot_four_points(angle: float = 35.0, radius: float = 0.88, k: float = -1.0) -> Drawn:
    """Draw four points, their six distances, the three sums, and δ, which is half the gap between the larger two sums.

    Returns:
        figure and {"points" (4, 2), "k", "sums" (3,) as AB + CD, AC + BD, AD + BC, "delta"}.
    """
    data = _quadruple(four_points(angle, radius), k)
    with canvas(7.2, 3.6, 2, margins=(0.03, 0.1, 0.98, 0.84, 0.22)) as (figure, (left, right)):
        _draw_points(left, data)
        _draw_sums(right, data)
        figure.suptitle(f"How far are these four points from a tree? δ = {data['delta']:.2f}")
    figure.alt_text = (
        f"Curvature {signed(k)}, D at {radius:.2f} of the unit disk, {angle:.0f} degrees: {_in_words(data)}."
    )
    return figure, data


def plot_four_point_cases(ks: Sequence[float] = (0.0, -0.5, -1.0)) -> Drawn:
    """Draw `plot_four_points` for several curvatures side by side: the points above, the sums below.

    Returns:
        figure and {"k=...": the data of plot_four_points}.
    """
    data = {f"k={k:g}": _quadruple(four_points(35.0, 0.88), k) for k in ks}
    with canvas(2.5 * len(ks), 4.6, (2, len(ks)), height_ratios=[3, 2]) as (figure, panels):
        for (above, below), case in zip(panels.T, data.values(), strict=True):
            _draw_points(above, case)
            _draw_sums(below, case)
            above.set_title(f"k = {signed(case['k'])}: δ = {case['delta']:.2f}")
        figure.suptitle("Which two sums are almost equal?")
    parts = "; ".join(f"k = {signed(case['k'])}: {_in_words(case)}" for case in data.values())
    figure.alt_text = f"The same four points in {len(ks)} curvatures. {parts}."
    return figure, data


def plot_noise(
    dims: Sequence[int], values: Sequence[float], reported: Mapping[str, float], *, dim: int = 64
) -> Drawn:
    """Draw δ_rel of Gaussian noise over its dimension, in both conventions, with reported values for `dim` dimensions.

    Args:
        dims: the dimensions of the noise.
        values: δ_rel of noise, 2δ/diameter.
        reported: name -> a reported δ_rel.
        dim: the dimension of the features of `reported`.

    Returns:
        figure and {"dim", "khrulkov", "released", "reported"}.
    """
    data = {
        "dim": list(dims),
        "khrulkov": list(values),
        "released": [value / 2 for value in values],
        "reported": list(reported.values()),
    }
    with canvas(6.6, 3.8) as (figure, axes):
        axes.semilogx(dims, data["khrulkov"], "o-", color=BLUE, label="noise, 2δ/diameter")
        axes.semilogx(dims, data["released"], "s--", color=GREEN, label="noise, δ/diameter")
        for number, (name, value) in enumerate(reported.items()):
            axes.plot(dim, value, "D", mfc="white", mec=VERMILION, label=None if number else "paper, Table 7")
            # every other name on the left, so that names of close values do not overlap
            shift, align = ((9, "left"), (-9, "right"))[number % 2]
            style: dict[str, Any] = {"fontsize": 8, "color": VERMILION, "ha": align}
            axes.annotate(name, (dim, value), (shift, -3), textcoords="offset points", **style)
        axes.set_xticks(dims, [str(d) for d in dims])
        axes.minorticks_off()
        axes.set(xlabel="dimensions", ylabel="relative hyperbolicity", ylim=(0, 0.52))
        axes.legend(loc="lower left")
        axes.set_title("How tree-like does noise look?")
    parts = ", ".join(f"{value:.2f} in {d} dimensions" for d, value in zip(dims, values, strict=True))
    figure.alt_text = (
        f"2δ/diameter of Gaussian noise is {parts}; δ/diameter is half of that. The paper's values, of {dim}-dimensional "
        f"features, lie between {min(reported.values()):.2f} and {max(reported.values()):.2f}."
    )
    return figure, data


def _gap(side: float, k: float) -> Tensor:
    corners = shapes.triangle(side, k=k)
    outline = shapes.segment(corners, corners.roll(-1, 0), k=k, points=401)
    return geometry.pairwise_distance(outline[0, 200:201], outline[1], k=k).min()


def _quadruple(points: Tensor, k: float) -> dict[str, Any]:
    d = geometry.pairwise_distance(points, k=k)
    sums = torch.stack([d[first] + d[second] for _, first, second in _PAIRINGS])
    return {"points": points, "k": k, "sums": sums, "delta": float(four_point_delta(d, (0, 1, 2, 3)))}


def _in_words(case: dict[str, Any]) -> str:
    pairs = zip(_PAIRINGS, case["sums"].tolist(), strict=True)
    sums = ", ".join(f"{name} = {value:.2f}" for (name, *_), value in pairs)
    return f"{sums}; half the gap between the larger two is δ = {case['delta']:.2f}"


def _draw_points(axes: Axes, case: dict[str, Any]) -> None:
    frame(axes, case["k"], 1.1, ticks=False)
    points = case["points"]
    for (_, *pairs), (color, style, _) in zip(_PAIRINGS, _LOOKS, strict=True):
        ends = torch.tensor(pairs)
        lines = shapes.segment(points[ends[:, 0]], points[ends[:, 1]], k=case["k"], points=21)
        draw_lines(axes, lines, color, 1.6, style)
    axes.plot(*points[:3].T, "o", color=INK)
    axes.plot(*points[3], "D", color="black", markersize=8)
    for name, point in zip("ABCD", points, strict=True):
        x, y = (point * (1 + 0.13 / float(point.norm().clamp_min(0.2)))).tolist()
        axes.text(x, y, name, ha="center", va="center")


def _draw_sums(axes: Axes, case: dict[str, Any]) -> None:
    sums = case["sums"].tolist()
    box = {"facecolor": "white", "edgecolor": "none", "alpha": 0.85, "pad": 1.5}
    for x, (value, (color, _, hatch)) in enumerate(zip(sums, _LOOKS, strict=True)):
        axes.bar(x, value, color=color, hatch=hatch, alpha=0.75, width=0.7)
    top, middle = sorted(sums)[:0:-1]
    for level in (top, middle):
        axes.axhline(level, color=INK, linewidth=0.8, linestyle="--")
    axes.set_xticks(range(3), [name for name, *_ in _PAIRINGS])
    axes.set(ylim=(0, 1.22 * top), yticks=[])
    axes.grid(False)
    axes.text(0.02, 1.08 * top, f"gap {top - middle:.2f} = 2δ", fontsize=9)
    axes.spines["left"].set_visible(False)
    for x, value in enumerate(sums):
        axes.text(x, 0.05 * top, f"{value:.2f}", ha="center", fontsize=9, bbox=box)
