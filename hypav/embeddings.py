"""Pictures of embedded points (t-SNE, principal plane), and statistics to check the pictures against.

The t-SNE is scikit-learn's (van der Maaten, Hinton, "Visualizing Data using t-SNE", JMLR 2008). It keeps neighbours and
nothing else: the size of a cluster, a gap between two clusters and their order on the page mean nothing (Wattenberg,
Viégas, Johnson, "How to Use t-SNE Effectively", Distill 2016). To claim that classes are farther apart, measure it in the
embedding space: `separation`, `rank_correlation`.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from scipy import stats
from torch import Generator, Tensor

from hypav import geometry
from hypav.data.features import FeatureSet
from hypav.errors import DataError, SettingError
from hypav.utils import as_tensor

GRID = 1e-4  # as a share of the diameter, see tsne


def tsne(points: Tensor, *, perplexity: float = 30.0, steps: int = 750) -> Tensor:
    """A t-SNE (n, 2) of points (n, D), started from their first two principal components.

    The same points give the same picture. The descent is chaotic: a difference in the last digit leads to another
    picture. So distances and start are rounded to GRID, and only one thread computes. Networks that differ only in their
    last digits then give the same picture. A processor that rounds differently still gives another picture, because
    scikit-learn descends in float32.

    Args:
        perplexity: about how many neighbours each point tries to keep; less than n.
        steps: steps of gradient descent, at least 250.

    Raises:
        DataError: fewer than four points, NaN or infinite numbers, or all points the same.
        SettingError: the perplexity is not between 1 and n, or there are too few steps.
    """
    x = _table(points, least=4)
    if not 1 <= perplexity < len(x):
        raise SettingError(f"perplexity is {perplexity:g}, but must lie between 1 and the {len(x)} points.")
    if steps < 250:
        raise SettingError(f"steps is {steps}; take at least 250, as the first 250 only gather the clusters.")
    from sklearn.manifold import TSNE  # a second to import, which only pictures need
    from threadpoolctl import threadpool_limits

    distance = torch.cdist(x, x, compute_mode="donot_use_mm_for_euclid_dist")
    if float(distance.max()) == 0:
        raise DataError("All points are the same, so there is nothing to draw: check the features.")
    distance = (distance / distance.max() / GRID).round() * GRID
    plane = principal_plane(x)
    # scikit-learn's default start: a standard deviation of 1e-4 along the first component
    start = (plane / plane[:, 0].std() / GRID).round() * GRID * 1e-4
    with threadpool_limits(limits=1):
        descent = TSNE(
            perplexity=perplexity, metric="precomputed", init=start.float().numpy(), max_iter=steps, random_state=0
        )  # fmt: skip
        return torch.from_numpy(descent.fit_transform(distance.numpy())).double()


def principal_plane(points: Tensor) -> Tensor:
    """The first two principal components (n, 2) of points (n, D); the largest loading of each is positive.

    Raises:
        DataError: fewer than three points or two dimensions, NaN or infinite numbers, or all points the same.
    """
    x = _table(points, least=3)
    centred = x - x.mean(0)
    if x.shape[1] < 2 or float(centred.abs().max()) == 0:
        raise DataError("Principal components need two dimensions and points that are not all the same.")
    axes = torch.linalg.svd(centred, full_matrices=False)[2][:2]
    # a singular vector's sign is arbitrary
    return centred @ (axes * axes.gather(1, axes.abs().argmax(1, keepdim=True)).sign()).T


def pick(label: Tensor, classes: Sequence[int], most: int) -> Tensor:
    """The indices (n,) of at most `most` samples of each class, spread evenly over the rows of the class; class by class.

    Raises:
        DataError: a class has no sample.
        SettingError: most < 1.
    """
    if most < 1:
        raise SettingError(f"most is {most}, but must be at least 1.")
    label = _labels(label)
    chosen = []
    for c in as_tensor("classes", classes, whole=True).tolist():
        rows = (label == c).nonzero().squeeze(1)
        if not len(rows):
            raise DataError(f"Class {c} has no sample among the {len(label)}; choose classes of this phase.")
        count = min(most, len(rows))
        chosen.append(rows[torch.arange(count) * len(rows) // count])
    return torch.cat(chosen)


def separation(points: Tensor, label: Tensor) -> Tensor:
    """Distances (C, C) between the class means of points (n, D), in units of the spread; classes in order of their ids.

    The spread is the root mean square distance of a point from its class mean.

    Raises:
        DataError: NaN or infinite numbers, labels of another length, a single class, or classes without spread.
    """
    x, label = _table(points, least=2), _labels(label)
    if len(label) != len(x):
        raise DataError(f"There are {len(x)} points but {len(label)} labels.")
    classes, place = label.unique(return_inverse=True)
    if len(classes) < 2:
        raise DataError("separation needs points of at least two classes.")
    means = torch.stack([x[place == c].mean(0) for c in range(len(classes))])
    spread = (x - means[place]).square().sum(1).mean().sqrt()
    if float(spread) == 0:
        raise DataError("All points of a class are the same, so there is no spread to measure by.")
    return torch.cdist(means, means, compute_mode="donot_use_mm_for_euclid_dist") / spread


def rank_correlation(x: Tensor, y: Tensor) -> float:
    """Spearman's rank correlation of two vectors, in [-1, 1]; equal values share the mean of their ranks.

    Raises:
        DataError: not two vectors of the same length, fewer than two numbers, NaN, or a constant vector.
    """
    x, y = (as_tensor(name, values).detach().double().cpu() for name, values in (("x", x), ("y", y)))
    if x.ndim != 1 or x.shape != y.shape or len(x) < 2:
        shapes = f"{tuple(x.shape)} and {tuple(y.shape)}"
        raise DataError(f"A rank correlation needs two vectors of the same length, not {shapes}.")
    if not bool((x.isfinite() & y.isfinite()).all()):
        raise DataError("A rank correlation needs finite numbers, but some are NaN or infinite.")
    if bool((x == x[0]).all() or (y == y[0]).all()):
        raise DataError("All numbers of a vector are equal, so they have no order.")
    return float(stats.spearmanr(x.numpy(), y.numpy()).statistic)


def class_tree_distances(data: FeatureSet, classes: Tensor) -> Tensor:
    """The numbers of edges (K, K) between classes (K,) in the tree super-group > group > class: 2, 4 or 6.

    Without groups the tree has two levels, and different classes are 2 or 4 edges apart.

    Raises:
        DataError: the set names no super-groups.
    """
    if not data.super_groups:
        raise DataError(f"{data.name} names no super-groups of its classes, so they form no tree.")
    classes = _labels(classes)
    shared = torch.ones(len(classes), len(classes))
    depth = torch.zeros(len(classes), len(classes))
    levels = [names for names in (data.super_groups, data.groups, data.class_names) if names]
    for names in levels:
        code = _codes(names)[classes]
        # the same group name under two super-groups names two groups
        shared = shared * (code == code.unsqueeze(1))
        depth = depth + shared
    return 2.0 * (len(levels) - depth).double()


def norm_by_depth(
    points: Tensor, label: Tensor, data: FeatureSet, *, k: float = 0.0, draws: int = 20, generator: Generator
) -> tuple[float, float]:
    """The rank correlation of norm and depth in the class tree, and its mean for `draws` shuffled trees.

    Every super-group, group and class lies at the mean (`geometry.midpoint`) of its points, its norm is its distance from
    the origin, and its depth is 1, 2 or 3. Hierarchies are often read from this order (Ramasinghe et al., "Accept the
    Modality Gap", CVPR 2024). But the mean of more points lies nearer the origin, whatever they are. So hold the
    correlation beside that of trees in which the classes are dealt out to the groups at random.

    Args:
        points: (n, D) in the space of curvature k.
        label: (n,) their class ids.

    Raises:
        DataError: NaN or infinite numbers, labels of another length, or a set without super-groups.
        SettingError: draws < 1.
    """
    x, label = _table(points, least=2), _labels(label)
    if len(label) != len(x):
        raise DataError(f"There are {len(x)} points but {len(label)} labels.")
    if not data.super_groups:
        raise DataError(f"{data.name} names no super-groups of its classes, so they form no tree.")
    if draws < 1:
        raise SettingError(f"draws is {draws}, but must be at least 1.")
    levels = [_codes(names) for names in (data.super_groups, data.groups, data.class_names) if names]
    present = label.unique()

    def correlation(order: Tensor) -> float:
        dealt = torch.arange(len(levels[0])).index_put((present,), order)
        norms, depths = [], []
        for depth, codes in enumerate(levels, 1):
            code = codes[dealt[label]]
            means = [geometry.midpoint(x[code == c], k=k) for c in code.unique()]
            norms.append(geometry.distance0(torch.stack(means), k=k))
            depths += [depth] * len(means)
        return rank_correlation(torch.cat(norms), torch.tensor(depths))

    shuffled = [correlation(present[torch.randperm(len(present), generator=generator)]) for _ in range(draws)]
    return correlation(present), sum(shuffled) / draws


def _codes(names: Sequence[str]) -> Tensor:
    """The rank (n,) of each name among the sorted distinct names."""
    order = {name: code for code, name in enumerate(sorted(set(names)))}
    return torch.tensor([order[name] for name in names])


def _labels(label: Tensor | Sequence[int]) -> Tensor:
    label = as_tensor("label", label, whole=True).cpu()
    if label.ndim != 1 or label.is_floating_point():
        raise DataError(f"label must be whole numbers (n,), not {label.dtype} of shape {tuple(label.shape)}.")
    return label


def _table(points: Tensor, *, least: int) -> Tensor:
    x = as_tensor("The points", points).detach().double().cpu()
    if x.ndim != 2 or len(x) < least:
        raise DataError(f"The points must be a table (n, D) with n >= {least}, not {tuple(x.shape)}.")
    if not bool(x.isfinite().all()):
        raise DataError("The points hold NaN or infinite numbers; check the network they came from.")
    return x
