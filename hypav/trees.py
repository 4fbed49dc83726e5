"""Trees: a class tree from labels, its distances, and embeddings of given distances in the space of curvature k.

The embedding minimises the mean squared relative error with geoopt's Riemannian Adam (Bécigneul, Ganea, ICLR 2019).
Distortion is the mean relative error, D_avg of Sala et al., "Representation Tradeoffs for Hyperbolic Embeddings", ICML
2018. Nothing here is random.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from hypav import geometry  # before geoopt, whose warnings it silences
from hypav.errors import DataError, SettingError
from hypav.trigonometry import finite_curvature
from hypav.utils import as_tensor, device_of, threads

from geoopt import ManifoldParameter, Stereographic  # isort: skip
from geoopt.optim import RiemannianAdam  # isort: skip


@dataclass(frozen=True)
class ClassTree:
    """A rooted tree, every vertex after its parent.

    Attributes:
        names: names of the n vertices; that of the root is "".
        parents: (n,) index of each vertex's parent; -1 for the root, which is vertex 0.
        depths: (n,) number of edges to the root.
    """

    names: tuple[str, ...]
    parents: Tensor
    depths: Tensor

    @property
    def leaves(self) -> Tensor:
        """The vertices without children, in order."""
        inner = torch.isin(torch.arange(len(self.parents)), self.parents)
        return (~inner).nonzero().squeeze(1)


@dataclass(frozen=True)
class Embedding:
    """Points whose geodesic distances approximate given distances.

    Attributes:
        points: (n, D) in the space of curvature k, or (S, n, D) in S spaces.
        k: () or (S,) curvatures.
        distortion: () or (S,), see `distortion`.
    """

    points: Tensor
    k: Tensor
    distortion: Tensor


def class_tree(*levels: Sequence[str]) -> ClassTree:
    """The tree of classes, given by their names on each level, the coarsest level first.

    Two groups with the same name are two vertices if their super-groups differ. Vertices are ordered by level, then by
    first appearance.

    Raises:
        DataError: no level, no class, levels of different lengths, or two classes with the same path.
    """
    if not levels or not levels[0] or len({len(level) for level in levels}) != 1:
        raise DataError("class_tree needs at least one level, and on each level one name per class.")
    paths = list(zip(*levels, strict=True))
    if len(set(paths)) < len(paths):
        twice = next(path for path in paths if paths.count(path) > 1)
        raise DataError(f"Two classes have the path {' > '.join(twice)}; give every class a different name.")
    index: dict[tuple[str, ...], int] = {(): 0}
    parents = [-1]
    for depth in range(1, len(levels) + 1):
        for path in paths:
            if path[:depth] not in index:
                index[path[:depth]] = len(parents)
                parents.append(index[path[: depth - 1]])
    names = tuple(path[-1] if path else "" for path in index)
    return ClassTree(names, torch.tensor(parents), torch.tensor([len(path) for path in index]))


def tree_distances(parents: Tensor) -> Tensor:
    """The number of edges between every two vertices, (n, n) float64.

    Args:
        parents: (n,) as in `ClassTree`.

    Raises:
        DataError: vertex 0 is not the root, or a vertex comes before its parent.
    """
    parents = _require_tree(parents)
    distance = torch.zeros(len(parents), len(parents), dtype=torch.float64)
    for v, parent in enumerate(parents.tolist()[1:], 1):
        distance[v, :v] = distance[parent, :v] + 1
        distance[:v, v] = distance[v, :v]
    return distance


def radial_layout(parents: Tensor) -> Tensor:
    """A drawing of a tree (n, 2) for `embed`: leaves at equal angles around the root, every vertex at its depth.

    The rows are tangent vectors at the origin. Their lengths are half the depths, as the conformal factor there is 2.
    """
    parents = _require_tree(parents)
    above, n = parents.tolist(), len(parents)
    leaves, depth, first, free = [0] * n, [0] * n, [0] * n, [0] * n
    for v in range(n - 1, -1, -1):
        leaves[v] = leaves[v] or 1
        if v:
            leaves[above[v]] += leaves[v]
    for v in range(1, n):  # every vertex takes the next free part of its parent's sector
        first[v] = free[v] = free[above[v]]
        free[above[v]] += leaves[v]
        depth[v] = depth[above[v]] + 1
    middle = torch.tensor(first, dtype=torch.float64) + torch.tensor(leaves, dtype=torch.float64) / 2
    length = torch.tensor(depth, dtype=torch.float64).unsqueeze(-1) / 2
    return length * _unit(2 * math.pi * middle / leaves[0])


def equal_angles_layout(parents: Tensor, *, k: float) -> Tensor:
    """Sarkar's drawing of a tree (n, 2) for `embed`: all edges of length 1, neighbours of a vertex at equal angles.

    Its distortion goes to 0 for k -> -∞ (Sarkar, "Low Distortion Delaunay Embedding of Trees in Hyperbolic Plane", Graph
    Drawing 2011). The rows are tangent vectors at the origin, log_0 of the points.
    """
    parents = _require_tree(parents)
    points = torch.zeros(len(parents), 2, dtype=torch.float64)
    above = parents.tolist()
    for v, point in enumerate(points):
        children = (parents == v).nonzero().squeeze(1)
        neighbours = len(children) + (v > 0)
        home = geometry.logmap(point, points[above[v]], k=k) if v else points.new_tensor([1.0, 0.0])
        turns = torch.arange(len(children)).double() + (v > 0)
        ways = _unit(torch.atan2(home[1], home[0]) + 2 * math.pi * turns / max(1, neighbours))
        points[children] = geometry.expmap(point, ways / geometry.conformal_factor(point, k=k), k=k)
    return geometry.logmap0(points, k=k)


def distortion(embedded: Tensor, wanted: Tensor) -> Tensor:
    """The mean of |embedded/wanted - 1| over the pairs i < j of (..., n, n) and (n, n) distances, shape (...).

    Raises:
        DataError: the shapes differ, or two points have the wanted distance 0.
    """
    device = device_of(embedded, wanted)
    embedded = as_tensor("embedded", embedded, device=device)
    wanted = as_tensor("wanted", wanted, device=device)
    if embedded.shape[-2:] != wanted.shape:
        raise DataError(f"The distances have shapes {tuple(embedded.shape)} and {tuple(wanted.shape)}.")
    i, j = _pairs(wanted)
    return (embedded[..., i, j] / wanted[i, j] - 1).abs().mean(-1)


def embed(
    distances: Tensor,
    start: Tensor,
    *,
    k: float | Sequence[float] | Tensor,
    steps: int = 100,
    lr: float = 0.1,
) -> Embedding:
    """Embed points in the space of curvature k, so that their distances approximate the given ones.

    Riemannian Adam minimises the mean of (embedded/wanted - 1)² over all pairs; the learning rate falls linearly to
    lr/100. In flat space the scale of the distances does not matter. In curved space multiplying the distances by s has
    the same effect as multiplying k by s².

    Args:
        distances: (n, n), positive off the diagonal.
        start: (n, D) or (S, n, D) tangent vectors at the origin; the points start at exp_0 of them.
        k: a number, or one number for each of the S starts.
        steps, lr: steps and learning rate of Riemannian Adam.

    Raises:
        DataError: distances are not square and positive, or start has another n.
        SettingError: fewer than one step, or the number of curvatures is not S.
    """
    distances, start = as_tensor("distances", distances), as_tensor("start", start)
    pairs = _pairs(distances)
    if start.ndim not in (2, 3) or start.shape[-2] != len(distances):
        raise DataError(f"start has shape {tuple(start.shape)}, but there are {len(distances)} points.")
    if steps < 1:
        raise SettingError(f"steps is {steps}, but there must be at least one.")
    given = finite_curvature(as_tensor("k", k, dtype=torch.float64))
    if given.ndim and given.shape != start.shape[:-2]:
        raise SettingError(f"k holds {given.numel()} curvatures, but start has shape {tuple(start.shape)}.")
    curvatures = given.expand(start.shape[:-2])
    with threads(1):  # faster for work this small
        points, errors = _descend(distances.double(), pairs, start.double(), curvatures, steps, lr)
    return Embedding(points, curvatures, errors)


def embed_tree(parents: Tensor, *, k: Sequence[float], steps: int = 100, lr: float = 0.1) -> Embedding:
    """Embed a tree in the plane for each of S curvatures, from both drawings; of the two results the better is returned.

    Args:
        parents: (n,) as in `ClassTree`.
        k: at least one curvature.
        steps, lr: as in `embed`.

    Raises:
        SettingError: no curvature, or fewer than one step.
    """
    k = as_tensor("k", k, dtype=torch.float64).tolist()
    if not isinstance(k, list) or not k:
        raise SettingError("embed_tree needs a list of at least one curvature.")
    radial = radial_layout(parents)
    starts = torch.stack([drawing for c in k for drawing in (radial, equal_angles_layout(parents, k=c))])
    both = embed(tree_distances(parents), starts, k=[c for c in k for _ in range(2)], steps=steps, lr=lr)
    best = 2 * torch.arange(len(k)) + both.distortion.view(-1, 2).argmin(1)
    return Embedding(both.points[best], both.k[best], both.distortion[best])


def _descend(
    distances: Tensor, pairs: tuple[Tensor, Tensor], start: Tensor, k: Tensor, steps: int, lr: float
) -> tuple[Tensor, Tensor]:
    """The points after the descent, and their distortions. The starts do not influence each other."""
    i, j = pairs
    wanted, curvature = distances[i, j], k[..., None, None]
    points = ManifoldParameter(geometry.expmap0(start, k=curvature), manifold=Stereographic(k=curvature))
    optimizer = RiemannianAdam([points], lr=lr)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.01, steps)

    def errors() -> Tensor:
        x, y = points.index_select(-2, i), points.index_select(-2, j)
        return geometry.distance(x, y, k=curvature) / wanted - 1

    for _ in range(steps):
        optimizer.zero_grad()
        errors().square().mean(-1).sum().backward()
        optimizer.step()
        schedule.step()
    return points.detach().as_subclass(Tensor), errors().abs().mean(-1).detach()


def _unit(angles: Tensor) -> Tensor:
    return torch.stack([angles.cos(), angles.sin()], -1)


def _pairs(distances: Tensor) -> tuple[Tensor, Tensor]:
    if distances.ndim != 2 or len(distances) != distances.shape[1] or len(distances) < 2:
        raise DataError(
            f"Distances must be a square matrix of at least two points, not {tuple(distances.shape)}."
        )
    i, j = torch.triu_indices(len(distances), len(distances), 1)
    if not bool((distances[i, j] > 0).all()) or not bool(distances.isfinite().all()):
        raise DataError("The distances between different points must be positive and finite.")
    return i, j


def _require_tree(parents: Tensor | Sequence[int]) -> Tensor:
    parents = as_tensor("parents", parents, whole=True)
    if parents.ndim != 1 or len(parents) == 0 or int(parents[0]) != -1:
        raise DataError("The parents of a tree must be a vector that begins with -1 for the root.")
    order = torch.arange(1, len(parents))
    if not bool(((parents[1:] >= 0) & (parents[1:] < order)).all()):
        raise DataError("Every vertex except the root needs a parent before it.")
    return parents
