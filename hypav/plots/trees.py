"""Figures of trees: class trees, and what is left of distances in spaces of several curvatures."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import Any

import torch
from matplotlib.collections import LineCollection
from torch import Tensor

from hypav.plots import shapes
from hypav.plots.frame import frame, signed
from hypav.style import INK, OKABE_ITO, DescribedFigure, cues, use_style
from hypav.trees import ClassTree, Embedding, radial_layout

__all__ = ["plot_class_tree", "plot_distortions", "plot_tree_embeddings"]


def plot_class_tree(tree: ClassTree) -> tuple[DescribedFigure, dict[str, Any]]:
    """A class tree of depth 3 drawn flat, with the names of its super-groups and of its groups.

    Returns:
        figure and {"points": (n, 2), "vertices": how many on each level}.
    """
    points = 2 * radial_layout(tree.parents)
    data: dict[str, Any] = {"points": points, "vertices": torch.bincount(tree.depths).tolist()}
    with use_style():
        figure = DescribedFigure(figsize=(6.4, 5.6), layout="constrained")
        axes = figure.subplots()
        colors = _branches(tree)
        inner = tree.parents[1:]
        lines = torch.stack([points[inner], points[1:]], 1)
        axes.add_collection(LineCollection(list(lines.numpy()), colors=colors[1:], linewidths=0.9))
        axes.scatter(points[:, 0], points[:, 1], s=_sizes(tree), c=colors, zorder=2)
        groups = (tree.depths == tree.depths.max() - 1).nonzero().squeeze(1).tolist()
        for v in groups:
            # beyond the leaves, so that no name lies on an edge
            x, y = (points[v] / points[v].norm() * (float(tree.depths.max()) + 0.25)).tolist()
            turn = math.degrees(math.atan2(y, x))
            flip = abs(turn) > 90
            axes.text(
                x,
                y,
                _group_name(tree, v),
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


def plot_tree_embeddings(tree: ClassTree, embedding: Embedding) -> tuple[DescribedFigure, dict[str, Any]]:
    """Embeddings of a tree in planes of several curvatures side by side, edges as geodesics.

    Returns:
        figure and {"k", "distortion": (S,), "points": (S, n, 2)}.
    """
    data = {"k": embedding.k, "distortion": embedding.distortion, "points": embedding.points}
    told = []
    with use_style():
        count = len(embedding.k)
        figure = DescribedFigure(figsize=(2.6 * count, 3.1), layout="constrained")
        rows = zip(
            figure.subplots(1, count, squeeze=False)[0],
            embedding.k.tolist(),
            embedding.distortion.tolist(),
            embedding.points,
            strict=True,
        )
        for axes, k, error, points in rows:
            frame(axes, k, 1.08 / math.sqrt(-k) if k < 0 else 1.1 * float(points.abs().max()), ticks=False)
            edges = shapes.segment(points[tree.parents[1:]], points[1:], k=k, points=13)
            colors = _branches(tree)
            axes.add_collection(LineCollection(list(edges.numpy()), colors=colors[1:], linewidths=0.8))
            sizes = [0.5 * size for size in _sizes(tree)]
            axes.scatter(points[:, 0], points[:, 1], s=sizes, c=colors, zorder=2)
            axes.set_title(f"k = {signed(k)}: off by {100 * error:.0f} %")
            told.append(f"{100 * error:.0f} % for k = {signed(k)}")
        figure.suptitle("Where does the tree find room?")
    figure.alt_text = (
        f"A tree of {len(tree.parents)} vertices embedded in {count} planes. Distances in the plane differ from those in "
        f"the tree on average by {', '.join(told)}. On the page the flat tree looks roomiest "
        "and the most curved one huddles at the rim; the errors go the other way."
    )
    return figure, data


def plot_distortions(
    rows: Mapping[str, Tensor], ks: Sequence[float]
) -> tuple[DescribedFigure, dict[str, Any]]:
    """Distortion by curvature, one line a data set, the best curvature of each ringed.

    Args:
        rows: name -> distortion (len(ks),).
        ks: the curvatures, in order.

    Returns:
        figure and {name: distortion, "k": ks}.
    """
    with use_style():
        figure = DescribedFigure(figsize=(6.8, 3.6), layout="constrained")
        axes = figure.subplots()
        for (name, values), cue in zip(rows.items(), cues(rows).values(), strict=True):
            percent = 100 * values
            axes.plot(
                range(len(ks)), percent, color=cue.color, marker=cue.marker, ls=cue.linestyle, label=name
            )
            best = int(values.argmin())
            axes.plot(best, percent[best], "o", mfc="none", mec=cue.color, ms=15)
        axes.set_xticks(range(len(ks)), [signed(round(k, 3)) for k in ks])
        axes.set(xlabel="curvature k of the plane", ylabel="distances off by (%)", ylim=(-2, None))
        axes.set_title("Which curvature suits which distances? (the best is ringed)")
        axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    told = "; ".join(
        f"{name}: {100 * float(values.min()):.1f} % at k = {signed(round(ks[int(values.argmin())], 3))}, "
        f"{100 * float(values[list(ks).index(0.0)]):.1f} % at 0"
        for name, values in rows.items()
    )
    figure.alt_text = (
        f"Mean relative error of embeddings in planes of {len(ks)} curvatures, least values: {told}."
    )
    return figure, {**rows, "k": list(ks)}


def _branches(tree: ClassTree) -> list[str]:
    """A colour a vertex: that of its branch at the root."""
    branch = list(range(len(tree.parents)))
    for v, parent in enumerate(tree.parents.tolist()):
        if parent > 0:
            branch[v] = branch[parent]
    order = dict(zip(dict.fromkeys(branch[1:]), cycle(list(OKABE_ITO.values())), strict=False))
    return [INK, *(order[b] for b in branch[1:])]


def _sizes(tree: ClassTree) -> list[float]:
    return (60 * 0.5 ** tree.depths.double()).tolist()


def _group_name(tree: ClassTree, v: int) -> str:
    name = tree.names[v]
    return name.rsplit(".", 1)[-1]
