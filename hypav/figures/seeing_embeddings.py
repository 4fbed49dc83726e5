"""Figures of notebook 11: maps of points, siblings beside chance, distances over the class tree, delta_rel."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Circle
from torch import Tensor

from hypav import eszsl
from hypav.data.features import FeatureSet
from hypav.embeddings import norm_by_depth, pick, rank_correlation, separation, tsne
from hypav.experiments.configs import recipe_for
from hypav.experiments.grid import train
from hypav.figures.map_explorer import embedding_explorer  # noqa: F401
from hypav.figures.style import (
    INK,
    SKY,
    VERMILION,
    Cue,
    Drawn,
    canvas,
    cues,
    legend_below,
    minus,
)

LINEAR = "linear reference"
_METHODS = {
    "AVCA": ("avca", "printed"),
    "Hyper-multiple": ("hyper-multiple", "printed"),
    "Hyper-multiple (curved)": ("hyper-multiple", "curved"),
}


@dataclass(frozen=True)
class Embedded:
    """The test videos of a set as three small networks and the linear reference embed them.

    Attributes:
        theta_v, theta_a: name of the method -> (n, D).
        label: (n,) class ids.
        group: (K,) for each class of the test phase, in the order of its id, the number of its super-group.
        names: the names of the super-groups.
        features: (n, D) the video features themselves.
        data: the set.
    """

    theta_v: dict[str, Tensor]
    theta_a: dict[str, Tensor]
    label: Tensor
    group: Tensor
    names: tuple[str, ...]
    features: Tensor
    data: FeatureSet

    def maps(self, each: int) -> tuple[dict[str, Tensor], list[str]]:
        """t-SNEs of `each` videos a class, "method, modality" -> (m, 2), and the super-group of each point."""
        rows = pick(self.label, self.label.unique().tolist(), each)
        maps = {
            f"{name}, {kind}": tsne(theta[rows], perplexity=15, steps=400)
            for kind, thetas in (("theta_v", self.theta_v), ("theta_a", self.theta_a))
            for name, theta in thetas.items()
        }
        return maps, [self.names[self.group[place]] for place in self._places()[rows]]

    def depths(self, name: str) -> tuple[float, float]:
        """`embeddings.norm_by_depth` of theta_v: in the class tree, and its mean over 20 shuffled trees."""
        generator = torch.Generator().manual_seed(0)
        return norm_by_depth(self.theta_v[name], self.label, self.data, generator=generator)

    def delta_rows(
        self, delta_rel: Callable[[Tensor], Tensor], each: int
    ) -> dict[str, dict[str, float | list[float]]]:
        """For `plot_delta_rows`: delta_rel of theta_v of `each` videos a class, and of ten sets of two kinds of noise."""
        rows = pick(self.label, self.label.unique().tolist(), each)
        found: dict[str, dict[str, float | list[float]]] = {}
        for name, theta in self.theta_v.items():
            x, generator = theta[rows], torch.Generator().manual_seed(0)
            axes = torch.linalg.svd(x - x.mean(0), full_matrices=False)
            # the root V S V^T: unlike S V^T it does not depend on the arbitrary signs of singular vectors
            alike = axes.Vh.T @ (axes.Vh * axes.S.unsqueeze(1)) / (len(x) - 1) ** 0.5
            values: dict[str, list[float]] = {"Gaussian noise": [], "same-covariance noise": []}
            for _ in range(10):
                plain = torch.randn(x.shape, generator=generator, dtype=x.dtype)
                matched = torch.randn(x.shape, generator=generator, dtype=x.dtype) @ alike
                for noise, kept in zip((plain, matched), values.values(), strict=True):
                    kept.append(float(delta_rel(_distances(noise))))
            found[name] = {"theta_v": float(delta_rel(_distances(x))), **values}
        return found

    def _places(self) -> Tensor:
        return self.label.unique(return_inverse=True)[1]


def embedded(data: FeatureSet) -> Embedded:
    """Train three small networks for seconds, and fit the linear reference; seed 0, float64."""
    test = data["test"].to(dtype=torch.float64)
    theta_v, theta_a = {}, {}
    for name, (method, loss) in _METHODS.items():
        recipe = recipe_for(data, scale="course")
        run = train(
            data, method, preset=loss, seed=0, progress=False, recipe=recipe, batches=8, dtype="float64"
        )
        theta_a[name], theta_v[name], _ = run.embed(test)
    theta_v[LINEAR], theta_a[LINEAR] = (linear_map(data, kind) for kind in ("video", "audio"))
    groups = data.super_groups or data.groups or data.class_names
    names = tuple(sorted(set(groups)))
    group = torch.tensor([names.index(groups[c]) for c in test.classes.tolist()])
    return Embedded(theta_v, theta_a, test.label, group, names, test.video, data)


def linear_map(data: FeatureSet, modality: str) -> Tensor:
    """X V (n, D_w) of the test videos: where the linear reference of one modality puts them in the space of words."""
    fit, ridge = data["train_val"], eszsl.choose_ridge(data, modality)
    row = torch.searchsorted(fit.classes, fit.label)
    x = eszsl.linear_features(fit, modality)
    V = eszsl.fit_eszsl(x, row, fit.text.double(), gamma=ridge.gamma, lam=ridge.lam)
    return eszsl.linear_features(data["test"], modality) @ V


def planted_groups() -> tuple[Tensor, list[str]]:
    """Three groups A, B, C of 40 points in the plane: the gap from B to C is five times that from A to B,
    and C is four times as wide as A."""
    generator = torch.Generator().manual_seed(0)
    centre = torch.tensor([[0.0, 0.0], [10.0, 0.0], [60.0, 0.0]], dtype=torch.float64)
    noise = torch.randn(3, 40, 2, generator=generator, dtype=torch.float64)
    points = centre.unsqueeze(1) + noise * torch.tensor([1.0, 1.0, 4.0]).reshape(3, 1, 1)
    return points.reshape(120, 2), [name for name in "ABC" for _ in range(40)]


def plot_planted_maps(points: Tensor, names: Sequence[str], perplexities: Sequence[int] = ()) -> Drawn:
    """Draw points (n, 2) of three groups A, B, C, and their t-SNEs, each on its own scale, because a t-SNE has no unit.

    Returns:
        figure and {title: [gap BC / gap AB, width C / width A, share of the ten nearest points that are kept]}.
    """
    maps = {"the points": points} | {f"perplexity {p}": tsne(points, perplexity=p) for p in perplexities}
    measured = {title: _gaps_and_widths(flat, names, points) for title, flat in maps.items()}
    styles = cues(sorted(set(names)), reuse=True)
    with canvas(max(4.8, 2.0 * len(maps)), 3.3, len(maps)) as (figure, panels):
        for axes, (title, flat) in zip(panels, maps.items(), strict=True):
            _scatter(axes, flat, names, styles)
            gaps, widths, kept = measured[title]
            axes.set(xticks=[], yticks=[], title=title)
            axes.set_aspect("equal", adjustable="datalim")
            axes.set_xlabel(
                f"gaps AB : BC = 1 : {gaps:.1f}\nwidths A : C = 1 : {widths:.1f}"
                + (f"\nneighbours kept: {100 * kept:.0f} %" if title != "the points" else "")
            )
        legend_below(figure, axes, 3)
        question = "What does a t-SNE change?" if perplexities else "How far apart are the groups?"
        figure.suptitle(f"{question}\n{len(points)} random points in the plane")
    figure.alt_text = (
        f"{len(points)} points of three groups A, B, C in the plane{', and their t-SNEs' if perplexities else ''}. "
    ) + "; ".join(
        f"{title}: gap B to C {gaps:.1f} times gap A to B, C {widths:.1f} times as wide as A, "
        f"{kept:.2f} of neighbours kept"
        for title, (gaps, widths, kept) in measured.items()
    )
    return figure, measured


def plot_spread(points: Tensor, names: Sequence[str]) -> Drawn:
    """Draw points (n, 2) of groups, the mean of each group, and around it a circle with the spread as its radius.

    Returns:
        figure and {"spread", "separation": the distances between the means, in spreads}.
    """
    styles = cues(sorted(set(names)), reuse=True)
    label = torch.tensor([list(styles).index(name) for name in names])
    means = torch.stack([points[label == place].mean(0) for place in range(len(styles))])
    spread = float((points - means[label]).square().sum(1).mean().sqrt())
    apart = separation(points, label)
    with canvas(6.4, 2.9) as (figure, axes):
        _scatter(axes, points, names, styles)
        axes.plot(*means.T, "+--", color=INK, markersize=12, label="distance between the means")
        for x, y in means.tolist():
            axes.add_patch(Circle((x, y), spread, fill=False, color=VERMILION))
        axes.plot([], [], "-", color=VERMILION, label="circle of radius 1 spread")
        axes.set(xticks=[], yticks=[])
        axes.set_aspect("equal", adjustable="datalim")
        legend_below(figure, axes, 2)
        figure.suptitle(f"How many spreads apart are the means?\n{float(apart.max()):.1f} spreads")
    figure.alt_text = (
        f"Points of the groups {', '.join(styles)} in the plane. Around the mean of each group is a circle with the "
        f"spread as its radius. The largest distance between two means is {float(apart.max()):.1f} spreads."
    )
    return figure, {"spread": spread, "separation": apart}


def _gaps_and_widths(flat: Tensor, names: Sequence[str], points: Tensor) -> list[float]:
    parts = [flat[[i for i, other in enumerate(names) if other == name]] for name in "ABC"]
    A, B, C = (part.mean(0) for part in parts)
    widths = [(part - part.mean(0)).square().sum(1).mean().sqrt() for part in parts]
    near = [_distances(x).fill_diagonal_(torch.inf).topk(10, largest=False).indices for x in (points, flat)]
    kept = torch.stack([torch.isin(b, a).double().mean() for a, b in zip(*near, strict=True)]).mean()
    return [float((C - B).norm() / (B - A).norm()), float(widths[2] / widths[0]), float(kept)]


def _distances(x: Tensor) -> Tensor:
    return torch.cdist(x, x, compute_mode="donot_use_mm_for_euclid_dist")


def plot_kinship(rows: Mapping[str, Tensor], *, data: str) -> Drawn:
    """Draw whether siblings lie together in several embeddings, a row each, beside what chance gives.

    Args:
        rows: name -> [[distance ratio, its limit of chance], [sibling share, its limit]], (2, 2).

    Returns:
        figure and the rows.
    """
    with canvas(7.2, 0.5 * len(rows) + 1.7, 2, sharey=True) as (figure, panels):
        titles = ("distance ratio", "sibling share")
        for statistic, (axes, title) in enumerate(zip(panels, titles, strict=True)):
            start = 1.0 if statistic == 0 else 0.0
            for place, values in enumerate(rows.values()):
                value, limit = values[statistic].tolist()
                label = "limit of chance: 97.5 % of shuffles lie below" if place == 0 else None
                axes.barh(place, limit - start, left=start, height=0.55, color="#CCCCCC", label=label)
                axes.plot(value, place, "o", color=VERMILION, ms=8, label="measured" if place == 0 else None)
            most = max(float(values[statistic].max()) for values in rows.values())
            axes.set(
                title=title, ylim=(len(rows) - 0.5, -0.5), xlim=(0.99 * start, start + 1.15 * (most - start))
            )
            axes.grid(axis="y", visible=False)
        panels[0].set_yticks(range(len(rows)), list(rows))
        legend_below(figure, panels[0], 2)
        figure.suptitle(f"Do classes of one super-group lie together?\n{data}")
    figure.alt_text = f"Siblings on {data}, with the limit of chance in brackets. " + "; ".join(
        f"{name}: distance ratio {values[0, 0]:.2f} ({values[0, 1]:.2f}), sibling share {values[1, 0]:.2f} "
        f"({values[1, 1]:.2f})"
        for name, values in rows.items()
    )
    return figure, dict(rows)


def plot_tree_agreement(tree: Tensor, distances: Mapping[str, Tensor], *, data: str) -> Drawn:
    """Draw the distance between every two classes over their distance in the class tree, with Spearman's correlation.

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
            axes.set_title(f"{title}\nrank correlation " + minus(f"{shown[title]['correlation']:.2f}"))
        panels[0].set_ylabel("distance, in spreads")
        panels[0].legend(loc="upper left")
        figure.suptitle(f"Are classes near in the tree near in the space?\n{data}")
    figure.alt_text = (
        f"Distances between {len(i)} pairs of classes of {data} over their distance in the tree. "
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
