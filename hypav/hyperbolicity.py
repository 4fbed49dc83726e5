"""How tree-like a set of points is: Gromov's δ, and δ_rel, which divides it by the diameter (paper Table 7).

δ is zero for a tree and grows as the points resemble a tree less (Gromov, "Hyperbolic groups", 1987). δ_rel is that of
Khrulkov et al., "Hyperbolic Image Embeddings", CVPR 2020.

A δ_rel alone says little: Gaussian noise in 64 dimensions has δ_rel = .34, inside the range of the paper's Table 7.
Compare it with `gaussian_null`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import torch
from torch import Generator, Tensor

from hypav.errors import DataError, SettingError
from hypav.utils import as_tensor

BLOCK = 2**17  # numbers processed at a time, which fit into a core's cache
CELLS = 96  # more cells make the bounds tighter but slower
FEW = 16  # candidate pairs per point; up to this many, brute force is faster than better bounds

Convention = Literal["khrulkov", "released"]


def four_point_delta(distance_matrix: Any, quadruple: Sequence[int]) -> Tensor:
    """δ of four points, a scalar: half the gap between the larger two of d_xy + d_zw, d_xz + d_yw, d_xw + d_yz.

    Raises:
        SettingError: the quadruple does not hold four indices of points.
    """
    distance = distances(distance_matrix)
    if len(quadruple) != 4:
        raise SettingError(f"four_point_delta needs four points, but got {len(quadruple)} indices.")
    n = len(distance)
    if strange := [index for index in quadruple if not 0 <= index < n]:
        raise SettingError(f"There is no point {strange[0]} among {n}; indices lie between 0 and {n - 1}.")
    x, y, z, w = quadruple
    d = distance
    sums = torch.stack((d[x, y] + d[z, w], d[x, z] + d[y, w], d[x, w] + d[y, z])).sort().values
    return (sums[2] - sums[1]) / 2


def search(distance: Tensor) -> Tensor:
    """The exact δ at the first point b: max_ij [max_k min(A_ik, A_kj) - A_ij], A_ij = (d_bi + d_bj - d_ij)/2.

    It is a scalar >= 0 in the dtype of the (n, n) `distances`, equal to the definition bit for bit. The δ over all base
    points is at least this and at most twice this. Memory O(n²).

    For k in {i, j} min(A_ik, A_kj) - A_ij <= 0, so the diagonal of A is left out. Each pair is bounded by the largest
    products of its points. If too many pairs remain, they are bounded by the largest products with each cell.
    """
    product = (distance[0] + distance[0].unsqueeze(1)).sub_(distance).div_(2)  # A, Gromov's product
    diagonal = product.diagonal().clone()
    product.fill_diagonal_(-torch.inf)
    largest = product.amax(1)
    best = torch.maximum(distance.new_zeros(()), (largest - diagonal).amax())  # the pairs (i, i)
    bound = _bounds(product, largest.unsqueeze(0))
    best, i, j = _above(bound, best, product)
    if len(i) > FEW * len(product):
        bound = _bounds(product, _cell_maxima(product, _cells(distance)))
        best, i, j = _above(bound, best, product)
    value, order = bound[i, j].sort(descending=True)
    for block, top in zip(order.split(_rows(product)), value[:: _rows(product)].tolist(), strict=False):
        if top <= best:
            break
        best = torch.maximum(best, _terms(product, i[block], j[block]).amax())
    return best


def distances(matrix: Any) -> Tensor:
    """The (n, n) distance matrix as a symmetric float32 or float64 tensor; DataError if it is not one."""
    d = as_tensor("The distance matrix", matrix).detach()
    d = d if d.dtype in (torch.float32, torch.float64) else d.double()
    if d.ndim != 2 or d.shape[0] != d.shape[1]:
        raise DataError(f"A distance matrix is square, but this has shape {tuple(d.shape)}.")
    if len(d) < 4:
        raise DataError(f"δ needs at least 4 points, but the distance matrix has {len(d)}.")
    least, most = (float(value) for value in d.aminmax())  # NaN if there is a NaN
    if not (abs(least) < torch.inf and abs(most) < torch.inf):
        raise DataError("The distance matrix holds NaN or infinite numbers; check the points it came from.")
    if least < 0:
        raise DataError(f"The distance matrix holds negative numbers, down to {least:.3g}.")
    slack = 1e-4 * most  # for the rounding of a float32 matrix
    if float(d.diagonal().max()) > slack:
        raise DataError("The diagonal of the distance matrix is not zero: is it a similarity matrix?")
    if torch.equal(d, d.mT):
        return d
    if float((d - d.mT).abs().max()) > slack:
        raise DataError("The distance matrix is not symmetric: entry (i, j) must equal entry (j, i).")
    return (d + d.mT) / 2


def _rows(product: Tensor) -> int:
    """The number of rows of A that are processed at a time."""
    return max(1, BLOCK // len(product))


def _cells(distance: Tensor) -> Tensor:
    """The cell of each point (n,), which is that of its nearest pivot. Each pivot is farthest from those before it."""
    cell, nearest = torch.zeros_like(distance[0], dtype=torch.int64), distance[0].clone()
    for c in range(1, min(CELLS, len(distance))):
        pivot = distance[nearest.argmax()]
        cell[pivot < nearest] = c
        nearest = torch.minimum(nearest, pivot)
    return cell


def _cell_maxima(product: Tensor, cell: Tensor) -> Tensor:
    """The largest product of each point with the points of each cell, (cells, n)."""
    members = cell.argsort().split(torch.bincount(cell).tolist())
    return torch.stack([product.index_select(0, points).amax(0) for points in members if len(points)])


def _bounds(product: Tensor, maxima: Tensor) -> Tensor:
    """Upper bounds (n, n), above the diagonal, of the pairs' terms: max over cells of min(maxima_i, maxima_j) - A_ij.

    The maxima are in float32, rounded up. Below the diagonal there is -inf or the same bound again.
    """
    maxima = maxima.float().nextafter(maxima.new_tensor(torch.inf, dtype=torch.float32))
    bound = torch.empty_like(product)
    for start in range(0, len(product), 2 * _rows(product)):
        rows = slice(start, start + 2 * _rows(product))
        top = torch.minimum(maxima[0, rows, None], maxima[0, start:])
        pair = torch.empty_like(top)
        for row in maxima[1:]:
            torch.maximum(top, torch.minimum(row[rows, None], row[start:], out=pair), out=top)
        bound[rows, :start] = -torch.inf
        torch.sub(top, product[rows, start:], out=bound[rows, start:])
    return bound.fill_diagonal_(-torch.inf)


def _above(bound: Tensor, best: Tensor, product: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """`best`, raised by the terms of the most promising pairs, and the pairs (i, j) whose bounds exceed it."""
    most, column = bound.max(1)
    i = most.topk(min(len(most), _rows(product))).indices
    i = i[most[i] > best]
    if len(i):
        best = torch.maximum(best, _terms(product, i, column[i]).amax())
    rows = (most > best).nonzero().squeeze(1)
    i, j = (bound[rows] > best).nonzero(as_tuple=True)
    return best, rows[i], j


def _terms(product: Tensor, i: Tensor, j: Tensor) -> Tensor:
    """max_k min(A_ik, A_kj) - A_ij of each pair (i, j)."""
    return torch.minimum(product.index_select(0, i), product.index_select(0, j)).amax(1) - product[i, j]


@dataclass(frozen=True)
class Hyperbolicity:
    """δ, the diameter and δ_rel of n points; with several tries, their means over the tries.

    Attributes:
        delta: δ at the first point, in the unit of the distances.
        diameter: the largest distance.
        delta_rel: 2δ/diameter in [0, 1] ("khrulkov"), or δ/diameter ("released": the released code omits the 2).
        n: number of points per try.
        values: δ_rel of each try.
        interval: 95 % interval of the mean over the tries; None for a single try.
    """

    delta: float
    diameter: float
    delta_rel: float
    n: int
    values: tuple[float, ...]
    interval: tuple[float, float] | None = None


def delta_rel(
    points: Any, *, convention: Convention = "khrulkov", precomputed: bool = False
) -> Hyperbolicity:
    """δ_rel of (n, D) features in Euclidean distance, or of an (n, n) distance matrix.

    Args:
        points: features, or with `precomputed` their distances (hyperbolic: `geometry.pairwise_distance`).
        convention: "khrulkov" for 2δ/diameter; "released" for δ/diameter, as in the released code.
        precomputed: whether `points` is a distance matrix.

    Raises:
        DataError: fewer than 4 points, NaN or infinite numbers, all points equal, or not a distance matrix.
        SettingError: an unknown convention.

    >>> path = torch.arange(5.0, dtype=torch.float64)
    >>> delta_rel((path[:, None] - path).abs(), precomputed=True).delta_rel  # a path is a tree
    0.0
    """
    if convention not in get_args(Convention):
        raise SettingError(
            f'convention is {convention!r}, but must be "khrulkov" (2δ/diameter) or "released" (δ/diameter).'
        )
    distance = distances(points) if precomputed else _euclidean(_features(points))
    return _hyperbolicity([distance], factor=2 if convention == "khrulkov" else 1)


def sampled_delta_rel(
    points: Any, *, generator: Generator, size: int = 1500, tries: int = 10
) -> Hyperbolicity:
    """δ_rel of random sub-samples: the mean over the tries, with its 95 % interval.

    δ grows with the size of the sample, so compare only equal sizes. The interval is a percentile bootstrap of the mean
    over the tries (Efron 1979). With fewer than about ten tries it is too narrow.

    Args:
        points: (n, D) features.
        generator: draws the sub-samples and the bootstrap; on the CPU.
        size: points per sub-sample, drawn without replacement; at most n are taken.
        tries: number of sub-samples; the released code takes 10 of size 1500.

    Raises:
        SettingError: size < 4 or tries < 1.
    """
    _require_size(size, tries)
    x = _features(points)
    samples = (torch.randperm(len(x), generator=generator)[:size].to(x.device) for _ in range(tries))
    return _hyperbolicity((_euclidean(x[i]) for i in samples), generator)


def gaussian_null(n: int, dim: int, *, generator: Generator, tries: int = 10) -> Hyperbolicity:
    """δ_rel of n points of Gaussian noise in `dim` dimensions, drawn again in each try. Noise has no structure.

    Args:
        n: the size of the sample to compare with.
        dim: the dimension of its features.
        generator: on the CPU.
        tries: number of draws.

    Raises:
        SettingError: n < 4, dim < 1 or tries < 1.
    """
    _require_size(n, tries)
    if dim < 1:
        raise SettingError(f"dim is {dim}, but noise needs at least one dimension.")
    return _noise(torch.ones(dim, dtype=torch.float64), n, tries, generator)


def covariance_matched_null(
    points: Any, *, generator: Generator, size: int = 1500, tries: int = 10
) -> Hyperbolicity:
    """δ_rel of Gaussian noise with the covariance of the features (n, D), drawn again in each try.

    Features whose variance lies in few directions have a larger δ_rel than `gaussian_null` in all D dimensions. That
    difference can be due to dimension alone. A difference from this null is due to shape: clusters, skew or a tree.

    Args:
        points: the features to compare with.
        generator: on the CPU.
        size: number of points of noise, that of the sample to compare with; at most n.
        tries: number of draws.

    Raises:
        SettingError: size < 4 or tries < 1.
    """
    _require_size(size, tries)
    x = _features(points).cpu()
    # distances depend only on the standard deviations along the principal axes, not on the directions of the axes
    deviations = torch.linalg.svdvals(x - x.mean(0)) / (len(x) - 1) ** 0.5
    return _noise(deviations, min(size, len(x)), tries, generator)


def _noise(deviations: Tensor, n: int, tries: int, generator: Generator) -> Hyperbolicity:
    draws = (torch.randn(n, len(deviations), generator=generator, dtype=torch.float64) for _ in range(tries))
    return _hyperbolicity((_euclidean(x * deviations) for x in draws), generator)


def _hyperbolicity(
    matrices: Iterable[Tensor], generator: Generator | None = None, *, factor: int = 2
) -> Hyperbolicity:
    deltas, diameters, n = [], [], 0
    for distance in matrices:
        n = len(distance)
        diameters.append(float(distance.max()))
        if diameters[-1] == 0:
            raise DataError("All points are the same, so the diameter is 0; check the features.")
        deltas.append(float(search(distance)))
    values = [factor * delta / diameter for delta, diameter in zip(deltas, diameters, strict=True)]
    tries = torch.tensor(values, dtype=torch.float64)
    interval = None
    if len(values) > 1:
        means = tries[torch.randint(len(values), (10_000, len(values)), generator=generator)].mean(1)
        low, high = means.quantile(torch.tensor([0.025, 0.975], dtype=torch.float64)).tolist()
        interval = (low, high)
    delta, diameter = sum(deltas) / len(deltas), sum(diameters) / len(diameters)
    return Hyperbolicity(delta, diameter, float(tries.mean()), n, tuple(values), interval)


def _euclidean(features: Tensor) -> Tensor:
    # the inner-product form gives 1e-7 for coincident points, and an asymmetric matrix
    return torch.cdist(features, features, compute_mode="donot_use_mm_for_euclid_dist")


def _features(points: Any) -> Tensor:
    x = as_tensor("The features", points).detach().double()
    if x.ndim != 2 or len(x) < 4:
        raise DataError(f"δ needs the features (n, D) of at least 4 points, but got shape {tuple(x.shape)}.")
    if not bool(x.isfinite().all()):
        bad = int((~x.isfinite()).any(1).sum())
        raise DataError(
            f"{bad} of {len(x)} rows of the features hold NaN or infinite numbers; leave them out."
        )
    return x


def _require_size(size: int, tries: int) -> None:
    if size < 4 or tries < 1:
        raise SettingError(
            f"{size} points and {tries} tries are too few; take at least 4 points and one try."
        )
