"""Figures of notebook 11: maps coloured by super-group, the disk, distances over the class tree, delta_rel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from torch import Tensor

from hypav.embeddings import rank_correlation
from hypav.figures.map_explorer import embedding_explorer  # noqa: F401
from hypav.figures.style import (
    INK,
    SKY,
    VERMILION,
    Cue,
    Drawn,
    canvas,
    cues,
    frame,
    legend_below,
    signed,
)


def plot_point_maps(
    maps: Mapping[str, Tensor], names: Sequence[str], *, question: str, data: str, columns: int | None = None
) -> Drawn:
    """Draw maps of the same points side by side, each on its own scale, because a t-SNE has no unit.

    Args:
        maps: title -> (n, 2); a ", " in a title starts a new line in the figure.
        names: the group of each point; each group has a colour and a marker.
        columns: maps per row; None for all of them.

    Returns:
        figure and the maps.
    """
    styles = cues(sorted(set(names)), reuse=True)
    columns = columns or len(maps)
    rows = -(-len(maps) // columns)
    with canvas(2.6 * columns + 0.1, 2.6 * rows + 0.9, (rows, columns)) as (figure, grid):
        for axes, (title, flat) in zip(grid.flat, maps.items(), strict=True):
            _scatter(axes, flat, names, styles)
            axes.set(xticks=[], yticks=[], title=title.replace(", ", "\n"))
        legend_below(figure, axes, min(len(styles), 4))
        figure.suptitle(f"{question}\n{data}")
    parts = ", ".join(f"{names.count(name)} of {name}" for name in styles)
    figure.alt_text = (
        f"{len(maps)} maps ({'; '.join(maps).replace(chr(10), ' ')}) of the same {len(names)} points of {data}: {parts}. "
        "Only neighbours can be read from them; the text gives the distances measured in the space itself."
    )
    return figure, dict(maps)


def plot_disk(points: Tensor, names: Sequence[str], *, k: float, data: str) -> Drawn:
    """Draw points (n, 2) in the disk of curvature k, coloured by group.

    Returns:
        figure and {"points": (n, 2), "radius": (n,) their distance to the centre as a share of the radius}.
    """
    radius = points.norm(dim=1) * (-k) ** 0.5
    with canvas(6.4, 4.4) as (figure, axes):
        frame(axes, k, 1.04 / (-k) ** 0.5, ticks=False)
        _scatter(axes, points, names, cues(sorted(set(names)), reuse=True))
        axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
        figure.suptitle(f"Are classes of one super-group neighbours in the disk?\n{data}")
    figure.alt_text = (
        f"{len(points)} points of {data} in the disk of curvature {signed(k)}, in {len(set(names))} groups; they lie at "
        f"{float(radius.min()):.2f} to {float(radius.max()):.2f} of the radius."
    )
    return figure, {"points": points, "radius": radius}


def plot_tree_agreement(tree: Tensor, distances: Mapping[str, Tensor], *, data: str) -> Drawn:
    """Draw the distance of every pair of classes over their distance in the class tree, with Spearman's correlation.

    Args:
        tree: (K, K) numbers of edges between classes.
        distances: title -> (K, K).

    Returns:
        figure and {title: {"correlation", "means": by tree distance}}.
    """
    i, j = torch.triu_indices(len(tree), len(tree), 1)
    steps = tree[i, j]
    shown: dict[str, Any] = {}
    with canvas(2.6 * len(distances) + 0.2, 3.3, len(distances), sharey=True) as (figure, panels):
        for axes, (title, matrix) in zip(panels, distances.items(), strict=True):
            pairs = matrix[i, j]
            means = {float(s): float(pairs[steps == s].mean()) for s in steps.unique()}
            shown[title] = {"correlation": rank_correlation(steps, pairs), "means": means}
            # sideways shifts only separate the dots, in the order of the pairs
            room = (torch.arange(len(pairs)) % 17 - 8) / 12
            axes.plot(steps + room, pairs, ".", color=SKY, markersize=3)
            axes.plot(list(means), list(means.values()), "D-", color=VERMILION, label="mean")
            axes.set(xticks=list(means), xlabel="edges in the class tree")
            axes.set_title(f"{title}\nrank correlation {shown[title]['correlation']:.2f}".replace("-", "−"))
        panels[0].set_ylabel("distance, in spreads of a class")
        panels[0].legend(loc="upper left")
        figure.suptitle(f"Are classes near in the tree near in the space?\n{data}")
    figure.alt_text = (
        f"Distances of {len(i)} pairs of classes of {data} over their distance in the tree. "
        + "; ".join(
            f"{title}: rank correlation {row['correlation']:.2f}, means "
            + ", ".join(f"{mean:.2f} at {step:g} edges" for step, mean in row["means"].items())
            for title, row in shown.items()
        )
    )
    return figure, shown


def plot_delta_rows(rows: Mapping[str, Mapping[str, float | Sequence[float]]], *, data: str) -> Drawn:
    """Draw delta_rel of several point sets, with one row for each, and that of noise for comparison.

    Args:
        rows: name -> {"features": …, "Gaussian noise": …, …}, the same keys in every row. A value is a number, or a list
            of numbers, drawn as their mean with one standard deviation to either side.

    Returns:
        figure and the rows.
    """
    kinds = list(next(iter(rows.values())))
    with canvas(6.6, 0.7 * len(rows) + 1.9) as (figure, axes):
        for row, values in enumerate(rows.values()):
            for step, (kind, cue) in enumerate(cues(kinds).items()):
                mean, spread = _mean_and_spread(values[kind])
                height = row + 0.4 * (step / max(1, len(kinds) - 1) - 0.5)  # bars next to each other
                axes.errorbar(mean, height, xerr=spread, color=cue.color, linewidth=1.2, capsize=3)
                label = kind if row == 0 else None
                axes.plot(mean, height, cue.marker, color=cue.color, markersize=8, label=label)
            axes.axhline(row + 0.5, color=INK, linewidth=0.4)
        axes.set_yticks(range(len(rows)), list(rows))
        axes.set(xlabel="delta_rel (0: a tree)", ylim=(len(rows) - 0.5, -0.5))
        axes.grid(axis="y", visible=False)
        legend_below(figure, axes, 3)
        figure.suptitle(f"Is theta_v more tree-like than noise?\n{data}")
    figure.alt_text = f"delta_rel on {data}. " + "; ".join(
        f"{name}: " + ", ".join(_in_words(kind, value) for kind, value in values.items())
        for name, values in rows.items()
    )
    return figure, {name: dict(values) for name, values in rows.items()}


def _mean_and_spread(values: float | Sequence[float]) -> tuple[float, float | None]:
    tries = torch.as_tensor(values, dtype=torch.float64).reshape(-1)
    return float(tries.mean()), float(tries.std()) if len(tries) > 1 else None


def _in_words(kind: str, values: float | Sequence[float]) -> str:
    mean, spread = _mean_and_spread(values)
    return f"{kind} {mean:.2f}" + (f" ± {spread:.2f}" if spread is not None else "")


def _scatter(axes: Axes, flat: Tensor, names: Sequence[str], styles: Mapping[str, Cue]) -> None:
    for name in sorted(set(names)):
        rows, cue = [i for i, other in enumerate(names) if other == name], styles[name]
        axes.plot(flat[rows, 0], flat[rows, 1], cue.marker, color=cue.color, markersize=4, label=name)
    axes.grid(False)


@dataclass(frozen=True)
class TsnePanel:
    """One t-SNE: points (n, 2) with their names, class words (c, 2) with their names, and a text with measurements."""

    title: str
    points: Tensor
    names: Sequence[str]
    stars: Tensor
    star_names: Sequence[str]
    measured: str


def plot_super_classes(panels: Sequence[TsnePanel], *, columns: int, question: str, data: str) -> Drawn:
    """Draw t-SNEs in `columns` columns, with a colour and a marker for each name, and class words (theta_w) as stars.

    There are no axes, because a t-SNE has no unit.

    Returns:
        figure and {title: {"points": (n, 2), "stars": (c, 2)}}.
    """
    styles = cues(sorted({n for panel in panels for n in (*panel.names, *panel.star_names)}), reuse=True)
    rows = -(-len(panels) // columns)
    size = min(8.0, 3.9 * columns), 0.6 + 3.9 * rows + 0.25 * len(styles) / 2
    with canvas(*size, (rows, columns)) as (figure, grid):
        for axes, panel in zip(grid.flat, panels, strict=False):
            for name, cue in styles.items():
                points = panel.points[torch.tensor([n == name for n in panel.names])]
                axes.plot(*points.T, cue.marker, color=cue.color, ms=4, alpha=0.8, mew=0)
                stars = panel.stars[torch.tensor([n == name for n in panel.star_names])]
                axes.plot(*stars.T, "*", color=cue.color, ms=14, mec="black", zorder=3)
            axes.set(xticks=[], yticks=[], title=panel.title)
            axes.set_xlabel(panel.measured, fontsize=9)
            axes.grid(False)
        handles = [
            Line2D([], [], color=cue.color, marker=cue.marker, ls="", label=name)
            for name, cue in styles.items()
        ]
        handles.append(Line2D([], [], color="white", marker="*", mec="black", ms=11, ls="", label="θ_w"))
        figure.legend(handles=handles, loc="outside lower center", ncols=2 if len(styles) > 3 else 4)
        figure.suptitle(f"{question}\n{data}")
    parts = "; ".join(
        f"{panel.title}: {len(panel.points)} videos of {', '.join(dict.fromkeys(panel.star_names))}, {panel.measured}"
        for panel in panels
    )
    figure.alt_text = (
        f"t-SNEs of theta_v on {data}, class names as stars. {parts}. Distances were measured in the space itself; "
        "gaps and sizes on a t-SNE are not."
    ).replace("\n", " ")
    return figure, {panel.title: {"points": panel.points, "stars": panel.stars} for panel in panels}
