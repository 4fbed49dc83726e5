"""The explorer of notebook 03: four points, the three sums of their distances, δ, and the H that fits them best."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch

from hypav import geometry
from hypav.figures import shapes
from hypav.figures.explorer import Explorer, fixed
from hypav.figures.style import BLUE, GREEN, INK, VERMILION, Drawn, bare, canvas, draw_lines, frame, signed
from hypav.hyperbolicity import four_point_delta

PAIRINGS = (("AB + CD", (0, 1), (2, 3)), ("AC + BD", (0, 2), (1, 3)), ("AD + BC", (0, 3), (1, 2)))
_LOOKS = ((BLUE, "-"), (VERMILION, "--"), (GREEN, ":"))
_FOUR = ((-0.7, -0.4), (0.2, -0.85), (-0.35, 0.75), (0.8, 0.3))


def plot_best_h(points: Sequence[Sequence[float]] = _FOUR, k: float = -1.0) -> Drawn:
    """Draw four points with their six distances, and the H, a tree with four leaves, that fits the distances best.

    Args:
        points: (4, 2), in the disk of k.
        k: the curvature, k <= 0.

    Returns:
        figure and `best_h`.
    """
    data = best_h(points, k)
    at = torch.tensor(points, dtype=torch.float64)
    with canvas(7.4, 4.0, 2) as (figure, (plane, tree)):
        frame(plane, k, 1.08, ticks=False)
        for (name, *pairs), (color, dash), value in zip(PAIRINGS, _LOOKS, data["sums"], strict=True):
            ends = torch.tensor(pairs)
            lines = shapes.segment(at[ends[:, 0]], at[ends[:, 1]], k=k, points=21)
            draw_lines(plane, lines, color, 1.6, dash)
            plane.plot([], [], color=color, linestyle=dash, label=f"{name} = {fixed(value)}")
        plane.plot(*at.T, "o", color=INK)
        for name, point in zip("ABCD", points, strict=True):
            plane.annotate(name, point, (6, 6), textcoords="offset points")
        plane.set_title("four points and six distances")
        bare(tree)
        half = data["middle"] / 2
        tree.plot([-half, half], [0, 0], color=_LOOKS[data["pairing"]][0], linewidth=3)
        tree.annotate(fixed(data["middle"]), (0, 0), (0, 6), textcoords="offset points", ha="center")
        for side, pair in zip((-1, 1), PAIRINGS[data["pairing"]][1:], strict=True):
            for place, up in zip(pair, (1, -1), strict=True):
                size = max(data["leaves"][place], 0) * math.sqrt(0.5)
                end = side * (half + size), up * size
                tree.plot([side * half, end[0]], [0, end[1]], "-", color=INK)
                tree.plot(*end, "o", color=INK)
                note = f"{'ABCD'[place]} {fixed(data['leaves'][place])}"
                tree.annotate(note, end, (0, 8 * up), textcoords="offset points", ha="center", va="center")
        tree.set(aspect="equal")
        tree.margins(0.2)
        tree.set_title("the H that fits them best")
        figure.legend(*plane.get_legend_handles_labels(), loc="outside lower center", ncols=3)
        figure.suptitle("How far are four points from a tree?")
    figure.alt_text = best_h_words(k, data)
    return figure, data


def best_h(points: Sequence[Sequence[float]], k: float) -> dict[str, Any]:
    """The three sums of four points' distances, δ, and the lengths of the H that fits the distances best.

    The H joins the pair of points with the smallest sum. It has five lengths for six distances. By least squares the two
    distances in the pairs are met, and the other four are missed by a quarter of the difference of the larger two sums.

    Returns:
        {"distances" (4, 4), "sums" (3,), "delta", "pairing": which of `PAIRINGS` has the smallest sum, "middle": the
        length of the bar, "leaves" (4,), which may be below 0 by at most the miss, "miss"}.
    """
    d = geometry.pairwise_distance(torch.tensor(points, dtype=torch.float64), k=k)
    sums = [float(d[first] + d[second]) for _, first, second in PAIRINGS]
    pairing = sums.index(min(sums))
    _, (a, b), (c, e) = PAIRINGS[pairing]
    shift = float(d[a, c] + d[b, e] - d[a, e] - d[b, c]) / 4
    leaves = [0.0] * 4
    leaves[a] = float(d[a, b] + d[a, c] - d[b, c]) / 2 - shift
    leaves[b] = float(d[a, b]) - leaves[a]
    leaves[c] = float(d[c, e] + d[a, c] - d[a, e]) / 2 - shift
    leaves[e] = float(d[c, e]) - leaves[c]
    larger = sum(sums) - sums[pairing]
    return {
        "distances": d,
        "sums": sums,
        "delta": float(four_point_delta(d, (0, 1, 2, 3))),
        "pairing": pairing,
        "middle": (larger / 2 - sums[pairing]) / 2,
        "leaves": leaves,
        "miss": abs(shift),
    }


def best_h_words(k: float, data: dict[str, Any]) -> str:
    """`plot_best_h` in words."""
    pairs = zip(PAIRINGS, data["sums"], strict=True)
    sums = ", ".join(f"{name} = {fixed(value)}" for (name, *_), value in pairs)
    return (
        f"Curvature {signed(k)}: {sums}. Half the difference of the larger two is δ = {fixed(data['delta'])}. The best H "
        f"has a bar of length {fixed(data['middle'])} and misses four of the six distances by {fixed(data['miss'])}."
    )


def four_point_explorer() -> Explorer:
    """Show `plot_best_h` with a slider for the curvature, and the four points to drag."""
    return Explorer("four_points", *plot_best_h(), {"k": -1.0, "points": [list(point) for point in _FOUR]})
