"""Seeing embedded points: t-SNE, the Poincaré disk, and numbers that a picture must be held against.

van der Maaten, Hinton, "Visualizing Data using t-SNE", JMLR 2008, scikit-learn's. A t-SNE keeps neighbours and nothing
else: the size of a cluster, a gap between two, their order on the page mean nothing (Wattenberg, Viégas, Johnson, "How to
Use t-SNE Effectively", Distill 2016). Whoever says that classes are farther apart must measure it in the space itself:
`separation`, `neighbour_agreement`, `rank_correlation`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from hypav import geometry
from hypav.data.features import FeatureSet
from hypav.errors import DataError, SettingError

__all__ = [
    "class_tree_distances",
    "disk",
    "excess",
    "neighbour_agreement",
    "neighbour_shares",
    "pick",
    "principal_plane",
    "rank_correlation",
    "separation",
    "tsne",
]

GRID = 1e-4  # of the diameter, see tsne


def tsne(points: Tensor, *, perplexity: float = 30.0, steps: int = 750) -> Tensor:
    """A t-SNE (n, 2) of points (n, D), from their first two principal components; the same points, the same picture.

    The descent is chaotic: a difference in the last digit ends in another picture. So distances and start are rounded
    to GRID, and one thread sums: networks that differ in their last digits have the same picture. On a processor whose
    kernels round otherwise scikit-learn, which descends in float32, draws another one.

    Args:
        perplexity: about how many neighbours each point tries to keep; less than n.
        steps: of gradient descent, at least 250.

    Raises:
        DataError: fewer than four points, NaN or infinite numbers, or all points the same.
        SettingError: a perplexity that is not between 1 and n, or too few steps.
    """
    x = _table(points, least=4)
    if not 1 <= perplexity < len(x):
        raise SettingError(
            f"perplexity is {perplexity:g}, but must be at least 1 and less than the {len(x)} points."
        )
    if steps < 250:
        raise SettingError(f"steps is {steps}, but the first 250 only gather the clusters: take more.")
    from sklearn.manifold import TSNE  # a second to import, which only pictures need
    from threadpoolctl import threadpool_limits

    distance = torch.cdist(x, x, compute_mode="donot_use_mm_for_euclid_dist")
    if float(distance.max()) == 0:
        raise DataError("All points are the same, so there is nothing to draw: check the features.")
    distance = (distance / distance.max() / GRID).round() * GRID
    plane = principal_plane(x)
    # scikit-learn's own start: a standard deviation of 1e-4 along the first component
    start = (plane / plane[:, 0].std() / GRID).round() * GRID * 1e-4
    with threadpool_limits(limits=1):
        flat = TSNE(
            perplexity=perplexity, metric="precomputed", init=start.float().numpy(), max_iter=steps, random_state=0
        ).fit_transform(distance.numpy())  # fmt: skip
    return torch.from_numpy(flat).double()


def principal_plane(points: Tensor) -> Tensor:
    """The first two principal components (n, 2) of points (n, D); the largest loading of each is positive.

    Raises:
        DataError: fewer than three points or two dimensions, NaN or infinite numbers, or all points the same.
    """
    x = _table(points, least=3)
    centred = x - x.mean(0)
    if x.shape[1] < 2 or float(centred.abs().max()) == 0:
        raise DataError("Principal components need two dimensions, and points that are not all the same.")
    axes = torch.linalg.svd(centred, full_matrices=False)[2][:2]
    # a singular vector's sign is arbitrary
    return centred @ (axes * axes.gather(1, axes.abs().argmax(1, keepdim=True)).sign()).T


def disk(points: Tensor, *, k: float = -1.0, reach: float = 1.0) -> Tensor:
    """exp_0 of the principal plane: points (n, 2) of the disk of curvature k < 0.

    Directions and distances from the centre are those of the plane, where the root of the mean square distance is
    brought to `reach` / sqrt(-k); distances between other points are not.

    Raises:
        DataError: as `principal_plane`.
        SettingError: k is not negative.
    """
    if k >= 0:
        raise SettingError(f"k is {k:g}, but a disk has negative curvature.")
    plane = principal_plane(points)
    plane = plane * (reach / math.sqrt(-k) / plane.square().sum(1).mean().sqrt())
    return geometry.expmap0(plane, k=k)


def pick(label: Tensor, classes: Sequence[int], most: int) -> Tensor:
    """At most `most` samples of each class, spread evenly over its rows: their indices (n,), class after class.

    Raises:
        DataError: a class has no sample.
        SettingError: most < 1.
    """
    if most < 1:
        raise SettingError(f"most is {most}, but at least one sample of a class must be shown.")
    chosen = []
    for c in classes:
        rows = (label == c).nonzero().squeeze(1)
        if not len(rows):
            raise DataError(f"Class {c} has no sample among the {len(label)}: choose classes of this phase.")
        count = min(most, len(rows))
        chosen.append(rows[torch.arange(count) * len(rows) // count])
    return torch.cat(chosen)


def separation(points: Tensor, label: Tensor) -> Tensor:
    """How far apart classes are: (C, C) distances between the class means of points (n, D), in units of the spread.

    The spread is the root of the mean square distance of a point from its class mean: 1 is as far as points scatter.
    Classes are in increasing order of their ids.

    Raises:
        DataError: NaN or infinite numbers, labels of another length, one class only, or classes without any spread.
    """
    x = _table(points, least=2)
    if len(label) != len(x):
        raise DataError(f"There are {len(x)} points but {len(label)} labels.")
    classes, place = label.unique(return_inverse=True)
    if len(classes) < 2:
        raise DataError("separation needs points of two classes or more.")
    means = torch.stack([x[place == c].mean(0) for c in range(len(classes))])
    spread = (x - means[place]).square().sum(1).mean().sqrt()
    if float(spread) == 0:
        raise DataError("All points of a class are the same, so that there is no spread to measure by.")
    return torch.cdist(means, means, compute_mode="donot_use_mm_for_euclid_dist") / spread


def neighbour_agreement(points: Tensor, names: Sequence[str], *, neighbours: int = 10) -> tuple[float, float]:
    """Of the nearest neighbours of a point (n, D), the mean share that bears its name; and the share by chance.

    Chance is what neighbours drawn at random would give.

    Raises:
        DataError, SettingError: as `neighbour_shares`.
    """
    shares = neighbour_shares(points, names, neighbours=neighbours)
    weighted = [[names.count(name) / len(names) * one for one in pair] for name, pair in shares.items()]
    share, chance = map(sum, zip(*weighted, strict=True))
    return share, chance


def neighbour_shares(
    points: Tensor, names: Sequence[str], *, neighbours: int = 10
) -> dict[str, tuple[float, float]]:
    """`neighbour_agreement` of the points of each name: name -> (share, chance).

    Raises:
        DataError: NaN or infinite numbers, or not one name a point.
        SettingError: neighbours not between 1 and n - 1.
    """
    x = _table(points, least=2)
    if len(names) != len(x):
        raise DataError(f"There are {len(x)} points but {len(names)} names.")
    if not 1 <= neighbours < len(x):
        raise SettingError(f"neighbours is {neighbours}, but must lie between 1 and {len(x) - 1}.")
    order = {name: code for code, name in enumerate(sorted(set(names)))}
    code = torch.tensor([order[name] for name in names])
    distance = torch.cdist(x, x, compute_mode="donot_use_mm_for_euclid_dist").fill_diagonal_(torch.inf)
    near = distance.topk(neighbours, largest=False).indices
    share = (code[near] == code.unsqueeze(1)).double().mean(1)
    return {
        name: (float(share[code == own].mean()), (names.count(name) - 1) / (len(x) - 1))
        for name, own in order.items()
    }


def rank_correlation(x: Tensor, y: Tensor) -> float:
    """Spearman's rank correlation of two vectors, in [-1, 1]; equal values share the mean of their ranks.

    Raises:
        DataError: not two vectors of one length, fewer than two numbers, NaN, or all numbers of one vector equal.
    """
    if x.ndim != 1 or x.shape != y.shape or len(x) < 2:
        raise DataError(
            f"A rank correlation needs two vectors of one length, not {tuple(x.shape)}, {tuple(y.shape)}."
        )
    if not bool((x.isfinite() & y.isfinite()).all()):
        raise DataError("A rank correlation needs finite numbers, but there are NaN or infinite ones.")
    ranks = torch.stack([_ranks(x), _ranks(y)])
    if bool((ranks.std(1) == 0).any()):
        raise DataError("All numbers of a vector are equal, so that they have no order.")
    return float(torch.corrcoef(ranks)[0, 1])


def excess(value: float, nulls: Sequence[float]) -> float:
    """How many standard deviations of the noise lie between a δ_rel and the mean of the δ_rel of sets of noise.

    Negative is below the noise: more tree-like than it.

    Raises:
        DataError: fewer than two sets of noise, or all of one δ_rel.
    """
    noise = torch.as_tensor(nulls, dtype=torch.float64)
    if noise.ndim != 1 or len(noise) < 2 or float(noise.std()) == 0:
        raise DataError("A spread of the noise needs the δ_rel of at least two different sets of noise.")
    return float((value - noise.mean()) / noise.std())


def class_tree_distances(data: FeatureSet, classes: Tensor) -> Tensor:
    """Edges between classes (K,) in the tree super-group > group > class, (K, K): 2, 4 or 6 for different ones.

    Without groups the tree has two levels, and the distances are 2 or 4.

    Raises:
        DataError: the set names no super-groups.
    """
    if not data.super_groups:
        raise DataError(f"{data.name} names no super-groups of its classes, so they form no tree.")
    shared = torch.ones(len(classes), len(classes))
    depth = torch.zeros(len(classes), len(classes))
    levels = [names for names in (data.super_groups, data.groups, data.class_names) if names]
    for names in levels:
        order = {name: code for code, name in enumerate(dict.fromkeys(names))}
        code = torch.tensor([order[names[c]] for c in classes.tolist()])
        shared = shared * (code == code.unsqueeze(1))  # groups of one name under two super-groups are two
        depth = depth + shared
    return 2.0 * (len(levels) - depth).double()


def _ranks(x: Tensor) -> Tensor:
    _, place, count = x.unique(return_inverse=True, return_counts=True)
    return (count.cumsum(0) - (count - 1) / 2).double()[place]


def _table(points: Tensor, *, least: int) -> Tensor:
    x = points.detach().double().cpu()
    if x.ndim != 2 or len(x) < least:
        raise DataError(
            f"This needs a table (n, D) of at least {least} points, not one of shape {tuple(x.shape)}."
        )
    if not bool(x.isfinite().all()):
        raise DataError("The points hold NaN or infinite numbers: look at the network they came from.")
    return x
