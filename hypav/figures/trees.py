"""Figures of notebook 03: class trees, their distances in spaces of several curvatures, and four points."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import cycle
from typing import Any

import torch
from torch import Tensor

from hypav.data.load import load
from hypav.data.simulated import VIEWS, simulated
from hypav.data.yt8m import yt8m_classes
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
    bare,
    canvas,
    cues,
    draw_lines,
    frame,
    legend_below,
    signed,
)
from hypav.hyperbolicity import delta_rel, gaussian_null, sampled_delta_rel
from hypav.trees import ClassTree, Embedding, class_tree, embed, embed_tree, radial_layout

# the paper's Table 7: delta_rel of theta_v
TABLE_7 = {
    "ActivityNet, AVCA": 0.37,
    "VGGSound, AVCA": 0.30,
    "ActivityNet, Hyper-alignment": 0.32,
    "VGGSound, Hyper-alignment": 0.27,
}


def course_tree() -> ClassTree:
    """The tree of the classes that the course takes from YouTube-8M."""
    classes = yt8m_classes()
    names = [c.super_group for c in classes], [c.parent for c in classes], [c.name for c in classes]
    return class_tree(*names)


def four_shapes() -> tuple[dict[str, Tensor], list[float]]:
    """The distortion of a class tree, a star, a ring and a grid in planes of six curvatures, and these curvatures.

    The last one is that of the sphere whose equator is as long as the ring.
    """
    data = load("simulated")
    ks = [-16.0, -4.0, -1.0, -0.25, 0.0, (2 * math.pi / 24) ** 2]
    steps = (torch.arange(24).unsqueeze(1) - torch.arange(24)).abs()
    ring = torch.minimum(steps, 24 - steps).double()
    turn = 2 * math.pi * torch.arange(24, dtype=torch.float64) / 24
    circle = 24 / (2 * math.pi) * torch.stack([turn.cos(), turn.sin()], 1)
    side = torch.arange(5, dtype=torch.float64)
    grid = torch.cartesian_prod(side, side) - 2
    levels = data.super_groups, data.groups, data.class_names
    tree = class_tree(*(level for level in levels if level is not None))  # the simulated set has all three
    star = torch.tensor([-1] + [0] * 8)
    found = {
        "class tree, 76 vertices": embed_tree(tree.parents, k=ks),
        "star, 8 arms": embed_tree(star, k=ks),
        "ring of 24": embed(ring, (circle / 2).expand(6, 24, 2), k=ks),
        "grid 5 × 5": embed(torch.cdist(grid, grid), (grid / 2).expand(6, 25, 2), k=ks),
    }
    return {name: each.distortion for name, each in found.items()}, ks


def plot_h_and_tripod() -> Drawn:
    """Draw four points that hang on an H, and the tripod of a base and two points with Gromov's product.

    Returns:
        figure and {"sums": the three sums of the H, "product"}.
    """
    ends = {"A": (-1.6, 1.0), "B": (-1.3, -0.8), "C": (1.5, -1.1), "D": (1.8, 0.7)}
    joints = {"A": (-0.7, 0.0), "B": (-0.7, 0.0), "C": (0.9, 0.0), "D": (0.9, 0.0)}
    arm = {name: math.dist(ends[name], joints[name]) for name in ends}
    bar = math.dist(joints["A"], joints["C"])
    total = sum(arm.values())
    sums = {"AB + CD": total, "AC + BD": total + 2 * bar, "AD + BC": total + 2 * bar}
    with canvas(7.2, 3.2, 2) as (figure, (left, right)):
        for name, end in ends.items():
            left.plot(*zip(end, joints[name], strict=True), color=BLUE, linewidth=2)
            left.plot(*end, "o", color=INK)
            left.annotate(name, end, (0, 8), textcoords="offset points", ha="center")
        left.plot([-0.7, 0.9], [0, 0], color=VERMILION, linewidth=4)
        left.text(0.1, 0.12, "bar", color=VERMILION, ha="center", fontsize=11)
        left.set_title("Four points: which sums are equal?")
        tips = {"b": (-1.8, 0.0), "i": (1.4, 1.0), "j": (1.5, -1.0)}
        for name, tip in tips.items():
            color, width = (VERMILION, 4) if name == "b" else (BLUE, 2)
            right.plot(*zip(tip, (0.2, 0.0), strict=True), color=color, linewidth=width)
            right.plot(*tip, "o", color=INK)
            right.annotate(name, tip, (0, 8), textcoords="offset points", ha="center")
        right.text(-0.8, 0.15, "(i|j) at b", color=VERMILION, ha="center", fontsize=11)
        right.set_title("Three points in a tree: a tripod")
        for axes in (left, right):
            bare(axes)
            axes.set(xlim=(-2.2, 2.2), ylim=(-1.5, 1.6), aspect="equal")
    figure.alt_text = (
        "Left, four points on an H: A and B on one side of a bar, C and D on the other. "
        f"AB + CD = {sums['AB + CD']:.1f} does not cross the bar; AC + BD and AD + BC cross it twice and are both "
        f"{sums['AC + BD']:.1f}. Right, a tripod: the paths from b to i and to j run together along a thick line, whose "
        "length is Gromov's product."
    )
    return figure, {"sums": sums, "product": 2.0}


def plot_with_and_without_a_tree() -> Drawn:
    """Draw delta_rel of the simulated sounds and pictures with their class tree and without, at two kinds of length.

    Returns:
        figure and {"view, length": {"with": values of three sets, "without": values}}.
    """
    flat = {name: replace(view, levels=(0.0, 0.0, 1.0)) for name, view in VIEWS.items()}
    drawn = {
        name: [simulated("ucf-gzsl", seed=seed, views=views) for seed in range(3)]
        for name, views in (("with", VIEWS), ("without", flat))
    }
    found: dict[str, dict[str, list[float]]] = {}
    for view in ("audio", "video"):
        for length in ("own length", "length 1"):
            row = found[f"{view}, {length}"] = {}
            for name, sets in drawn.items():
                tables = [getattr(data, view).double() for data in sets]
                if length == "length 1":
                    tables = [x / x.norm(dim=1, keepdim=True) for x in tables]
                row[name] = [_sampled(x, seed) for seed, x in enumerate(tables)]
    null = gaussian_null(300, 512, generator=torch.Generator().manual_seed(3)).delta_rel
    with canvas(7.2, 3.6) as (figure, axes):
        axes.axvline(null, color=INK, linestyle="--")
        axes.text(null, -0.45, " noise", color=INK, va="center")
        for height, values in enumerate(found.values()):
            for name, marker, color, shift in (("with", "o", BLUE, -0.12), ("without", "^", VERMILION, 0.12)):
                label = f"{name} a class tree" if height == 0 else None
                heights = [height + shift] * len(values[name])
                axes.plot(values[name], heights, marker, color=color, linestyle="", label=label)
        axes.set_yticks(range(len(found)), list(found))
        axes.set(ylim=(len(found) - 0.5, -0.7), xlim=(0, 0.45), xlabel="δ_rel, three sets each")
        legend_below(figure, axes)
        axes.set_title("Does δ_rel see a tree that is there? SIMULATED")
    means = [
        f"{name} {sum(row['with']) / 3:.2f} with the tree and {sum(row['without']) / 3:.2f} without"
        for name, row in found.items()
    ]
    figure.alt_text = (
        f"δ_rel of 300 samples: {'; '.join(means)}. Gaussian noise of the same size has {null:.2f}."
    )
    return figure, {**found, "noise": null}


def _sampled(x: Tensor, seed: int) -> float:
    generator = torch.Generator().manual_seed(seed)
    return sampled_delta_rel(x, generator=generator, size=300, tries=2).delta_rel


def noisy_tree(tree: ClassTree, lengths: Sequence[float]) -> list[list[Any]]:
    """delta_rel of 400 samples of a class tree with noise, and the share whose class the nearest prototype finds.

    A prototype has one coordinate per edge, which is 1 if the edge is on the way to the class.

    Args:
        lengths: the length of the noise; an edge has length 1.

    Returns:
        A row for each length and one for noise alone: the length, delta_rel, and the share.
    """
    n = len(tree.parents)
    ways = torch.zeros(n, n, dtype=torch.float64)
    for v, parent in enumerate(tree.parents.tolist()):
        if parent >= 0:
            ways[v] = ways[parent]
            ways[v, v] = 1
    leaves = ways[tree.leaves, 1:]
    generator, label = torch.Generator().manual_seed(3), torch.arange(400) % len(leaves)
    rows: list[list[Any]] = []
    for length in lengths:
        noise = torch.randn(400, n - 1, generator=generator, dtype=torch.float64) / math.sqrt(n - 1)
        samples = leaves[label] + length * noise
        right = (torch.cdist(samples, leaves).argmin(dim=1) == label).double().mean()
        rows.append([f"{length:g}", delta_rel(samples).delta_rel, f"{100 * float(right):.0f} %"])
    null = gaussian_null(400, n - 1, generator=generator, tries=3).delta_rel
    return [*rows, ["noise alone", null, f"{100 / len(leaves):.0f} % (chance)"]]


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
        "and in the most curved one all vertices lie close to the rim. The errors fall as the curvature grows."
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
