"""Figures of embedded points: maps coloured by super-group, the disk, the class tree beside distances, delta_rel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from torch import Tensor

from hypav.embeddings import rank_correlation
from hypav.figures.explorer import Choice, Explorer
from hypav.figures.style import INK, OKABE_ITO, DescribedFigure, cues, frame, signed, use_style


def plot_point_maps(
    maps: Mapping[str, Tensor], names: Sequence[str], *, question: str, data: str, columns: int | None = None
) -> tuple[DescribedFigure, dict[str, Tensor]]:
    """Flat pictures of the same points, each on its own scale: a t-SNE has no unit.

    Args:
        maps: title to (n, 2); in the figure a title's ", " begins a new line.
        names: the group of each point, a colour and a marker each.
        columns: pictures side by side; None is all of them.

    Returns:
        figure and the maps.
    """
    look = cues(sorted(set(names)), reuse=True)
    with use_style():
        columns = columns or len(maps)
        rows = -(-len(maps) // columns)
        figure = DescribedFigure(figsize=(2.6 * columns + 0.1, 2.6 * rows + 0.9), layout="constrained")
        panels = figure.subplots(rows, columns, squeeze=False).flat
        for axes, (title, flat) in zip(panels, maps.items(), strict=True):
            _scatter(axes, flat, names, look)
            axes.set(xticks=[], yticks=[], title=title.replace(", ", "\n"))
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=min(len(labels), 4))
        figure.suptitle(f"{question}\n{data}")
    told = ", ".join(f"{names.count(name)} of {name}" for name in look)
    figure.alt_text = (
        f"{len(maps)} maps ({'; '.join(maps).replace(chr(10), ' ')}) of the same {len(names)} points of {data}: {told}. "
        "Only neighbours can be read from them; the text gives the distances measured in the space itself."
    )
    return figure, dict(maps)


def plot_one_map(
    maps: Mapping[str, Tensor], names: Sequence[str], *, data: str, variant: str, modality: str, group: str
) -> tuple[DescribedFigure, dict[str, Any]]:
    """One of several ready maps, with one group in colour: what the explorer draws.

    Args:
        maps: "variant, modality" to (n, 2).
        names: the group of each point. group: one of them, or "all".

    Returns:
        figure and {"points": (n, 2), "shown": the number of points in colour}.
    """
    flat = maps[f"{variant}, {modality}"]
    look = cues(sorted(set(names)), reuse=True)
    with use_style():
        figure = DescribedFigure(figsize=(6.0, 4.0))
        axes = figure.subplots()
        figure.subplots_adjust(left=0.02, right=0.7, bottom=0.02, top=0.88)
        pale = [i for i, name in enumerate(names) if group not in ("all", name)]
        axes.plot(flat[pale, 0], flat[pale, 1], ".", color="#BBBBBB", markersize=4)
        shown = [i for i in range(len(names)) if i not in set(pale)]
        _scatter(axes, flat[shown], [names[i] for i in shown], look)
        axes.set(xticks=[], yticks=[])
        axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize=8)
        figure.suptitle(f"Where does {variant} put {group}? ({modality})\n{data}", fontsize=10)
    figure.alt_text = (
        f"t-SNE of {modality} of {variant} on {data}: {len(shown)} of {len(names)} points in colour"
        f"{'' if group == 'all' else f', those of {group}'}."
    )
    return figure, {"points": flat, "shown": len(shown)}


def plot_disk(
    points: Tensor, names: Sequence[str], *, k: float, data: str
) -> tuple[DescribedFigure, dict[str, Tensor]]:
    """Points (n, 2) of the disk of curvature k, coloured by group.

    Returns:
        figure and {"points": (n, 2), "radius": (n,) their distance to the centre as a share of the radius}.
    """
    radius = points.norm(dim=1) * (-k) ** 0.5
    with use_style():
        figure = DescribedFigure(figsize=(6.4, 4.4), layout="constrained")
        axes = figure.subplots()
        frame(axes, k, 1.04 / (-k) ** 0.5, ticks=False)
        _scatter(axes, points, names, cues(sorted(set(names)), reuse=True))
        axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
        figure.suptitle(f"Are classes of one super-group neighbours in the disk?\n{data}")
    figure.alt_text = (
        f"{len(points)} points of {data} in the disk of curvature {signed(k)}, in {len(set(names))} groups; they lie at "
        f"{float(radius.min()):.2f} to {float(radius.max()):.2f} of the radius."
    )
    return figure, {"points": points, "radius": radius}


def plot_tree_agreement(
    tree: Tensor, distances: Mapping[str, Tensor], *, data: str
) -> tuple[DescribedFigure, dict[str, Any]]:
    """The distance of every pair of classes over their distance in the class tree, with Spearman's correlation.

    Args:
        tree: (K, K) edges between classes.
        distances: title to (K, K).

    Returns:
        figure and {title: {"correlation", "means": by tree distance}}.
    """
    i, j = torch.triu_indices(len(tree), len(tree), 1)
    steps = tree[i, j]
    told: dict[str, Any] = {}
    with use_style():
        figure = DescribedFigure(figsize=(2.6 * len(distances) + 0.2, 3.3), layout="constrained")
        panels = figure.subplots(1, len(distances), squeeze=False, sharey=True)[0]
        for axes, (title, matrix) in zip(panels, distances.items(), strict=True):
            pairs = matrix[i, j]
            means = {float(s): float(pairs[steps == s].mean()) for s in steps.unique()}
            told[title] = {"correlation": rank_correlation(steps, pairs), "means": means}
            # sideways the dots only make room for one another, in the order of the pairs
            room = (torch.arange(len(pairs)) % 17 - 8) / 12
            axes.plot(steps + room, pairs, ".", color=OKABE_ITO["sky"], markersize=3)
            axes.plot(list(means), list(means.values()), "D-", color=OKABE_ITO["vermilion"], label="mean")
            axes.set(xticks=list(means), xlabel="edges in the class tree")
            axes.set_title(f"{title}\nrank correlation {told[title]['correlation']:.2f}".replace("-", "−"))
        panels[0].set_ylabel("distance, in spreads of a class")
        panels[0].legend(loc="upper left")
        figure.suptitle(f"Are classes near in the tree near in the space?\n{data}")
    figure.alt_text = (
        f"Distances of {len(i)} pairs of classes of {data} over their distance in the tree. "
        + "; ".join(
            f"{title}: rank correlation {one['correlation']:.2f}, means "
            + ", ".join(f"{mean:.2f} at {step:g} edges" for step, mean in one["means"].items())
            for title, one in told.items()
        )
    )
    return figure, told


def plot_delta_rows(
    rows: Mapping[str, Mapping[str, float | Sequence[float]]], *, data: str
) -> tuple[DescribedFigure, dict[str, Any]]:
    """delta_rel of several point sets, each with the noise it must be held against, a row a set.

    Args:
        rows: name to {"features": …, "Gaussian noise": …, …}, the same keys in every row: a number, or one for each
            set of noise, drawn as their mean with one standard deviation to either side.

    Returns:
        figure and the rows.
    """
    kinds = list(next(iter(rows.values())))
    look = cues(kinds)
    with use_style():
        figure = DescribedFigure(figsize=(6.6, 0.7 * len(rows) + 1.9), layout="constrained")
        axes = figure.subplots()
        for place, values in enumerate(rows.values()):
            for step, kind in enumerate(kinds):
                cue = look[kind]
                mean, spread = _mean_and_spread(values[kind])
                height = place + 0.4 * (step / max(1, len(kinds) - 1) - 0.5)  # bars beside each other
                axes.errorbar(mean, height, xerr=spread, color=cue.color, linewidth=1.2, capsize=3)
                label = kind if place == 0 else None
                axes.plot(mean, height, cue.marker, color=cue.color, markersize=8, label=label)
            axes.axhline(place + 0.5, color=INK, linewidth=0.4)
        axes.set_yticks(range(len(rows)), list(rows))
        axes.set(xlabel="delta_rel (0: a tree)", ylim=(len(rows) - 0.5, -0.5))
        axes.grid(axis="y", visible=False)
        figure.legend(loc="outside lower center", ncols=3)
        figure.suptitle(f"Is theta_v more tree-like than noise?\n{data}")
    figure.alt_text = f"delta_rel on {data}. " + "; ".join(
        f"{name}: " + ", ".join(_told(kind, value) for kind, value in values.items())
        for name, values in rows.items()
    )
    return figure, {name: dict(values) for name, values in rows.items()}


def _mean_and_spread(values: float | Sequence[float]) -> tuple[float, float | None]:
    tries = torch.as_tensor(values, dtype=torch.float64).reshape(-1)
    return float(tries.mean()), float(tries.std()) if len(tries) > 1 else None


def _told(kind: str, values: float | Sequence[float]) -> str:
    mean, spread = _mean_and_spread(values)
    return f"{kind} {mean:.2f}" + (f" ± {spread:.2f}" if spread is not None else "")


def _scatter(axes: Axes, flat: Tensor, names: Sequence[str], look: Mapping[str, Any]) -> None:
    for name in sorted(set(names)):
        rows = [i for i, own in enumerate(names) if own == name]
        cue = look[name]
        axes.plot(flat[rows, 0], flat[rows, 1], cue.marker, color=cue.color, markersize=4, label=name)
    axes.grid(False)


@dataclass(frozen=True)
class TsnePanel:
    """One t-SNE: (n, 2) points and what each is called, (c, 2) class names and theirs, and what was measured."""

    title: str
    points: Tensor
    names: Sequence[str]
    stars: Tensor
    star_names: Sequence[str]
    told: str


def plot_super_classes(
    panels: Sequence[TsnePanel], *, columns: int, question: str, data: str
) -> tuple[DescribedFigure, dict[str, Any]]:
    """t-SNEs in rows of `columns`, a colour and a marker a name, class names (theta_w) as stars; no axes, for a t-SNE
    has no unit.

    Returns:
        figure and {title: {"points": (n, 2), "stars": (c, 2)}}.
    """
    looks = cues(sorted({name for panel in panels for name in (*panel.names, *panel.star_names)}), reuse=True)
    rows = -(-len(panels) // columns)
    with use_style():
        figure = DescribedFigure(
            figsize=(min(8.0, 3.9 * columns), 0.6 + 3.9 * rows + 0.25 * len(looks) / 2), layout="constrained"
        )
        for axes, panel in zip(figure.subplots(rows, columns, squeeze=False).flat, panels, strict=False):
            for name, look in looks.items():
                own = torch.tensor([n == name for n in panel.names])
                axes.plot(*panel.points[own].T, look.marker, color=look.color, ms=4, alpha=0.8, mew=0)
                own = torch.tensor([n == name for n in panel.star_names])
                axes.plot(*panel.stars[own].T, "*", color=look.color, ms=14, mec="black", zorder=3)
            axes.set(xticks=[], yticks=[], title=panel.title)
            axes.set_xlabel(panel.told, fontsize=9)
            axes.grid(False)
        handles = [
            Line2D([], [], color=look.color, marker=look.marker, ls="", label=name)
            for name, look in looks.items()
        ]
        handles.append(Line2D([], [], color="white", marker="*", mec="black", ms=11, ls="", label="θ_w"))
        figure.legend(handles=handles, loc="outside lower center", ncols=2 if len(looks) > 3 else 4)
        figure.suptitle(f"{question}\n{data}")
    told = "; ".join(
        f"{panel.title}: {len(panel.points)} videos of {', '.join(dict.fromkeys(panel.star_names))}, {panel.told}"
        for panel in panels
    )
    figure.alt_text = (
        f"t-SNEs of theta_v on {data}, class names as stars. {told}. Distances were measured in the space itself; "
        "gaps and sizes on a t-SNE are not."
    ).replace("\n", " ")
    return figure, {panel.title: {"points": panel.points, "stars": panel.stars} for panel in panels}


def embedding_explorer(maps: Mapping[str, Tensor], names: Sequence[str], *, data: str) -> Explorer:
    """`plot_one_map` with three menus; nothing is computed when one is moved.

    Args:
        maps: "variant, modality" to (n, 2), every variant with every modality.
        names: the super-group of each point.
    """
    variants = tuple(dict.fromkeys(key.split(", ")[0] for key in maps))
    modalities = tuple(dict.fromkeys(key.split(", ")[1] for key in maps))
    groups = ("all", *sorted(set(names)))

    def draw(**menus: str) -> tuple[DescribedFigure, Any]:
        figure, drawn = plot_one_map(maps, names, data=data, **menus)
        return figure, {"shown": drawn["shown"]}  # where a t-SNE puts a point depends on the processor

    return Explorer(
        draw,
        [
            Choice("variant", "variant", variants[0], variants),
            Choice("modality", "modality", modalities[0], modalities),
            Choice("group", "super-group", "all", groups),
        ],
    )
