"""How tree-like a set of points is: Gromov's δ, and δ_rel, which divides it by the diameter (paper Table 7).

δ is zero for a tree and grows as the points resemble a tree less (Gromov, "Hyperbolic groups", 1987). δ_rel is that of
Khrulkov et al., "Hyperbolic Image Embeddings", CVPR 2020.

A δ_rel alone says little: Gaussian noise in 64 dimensions has δ_rel = .34, inside the range of the paper's Table 7.
Compare it with `gaussian_null`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
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


def gromov_delta(distance_matrix: Any, *, base: int = 0) -> Tensor:
    """The exact δ at one base point b: max_ij [max_k min(A_ik, A_kj) - A_ij], A_ij = (d_bi + d_bj - d_ij)/2.

    The δ over all base points is at least this and at most twice this. Memory O(n²).

    Args:
        distance_matrix: (n, n) tensor or array, n >= 4; float32 and float64 keep their dtype.
        base: index of b.

    Returns:
        A scalar >= 0 in the dtype of the matrix, equal to the definition bit for bit.

    Raises:
        DataError: the matrix is not square, symmetric, finite and non-negative with a zero diagonal, or n < 4.
        SettingError: `base` is not the index of a point.
    """
    distance = distances(distance_matrix)
    require_base(base, len(distance))
    return search(distance, base)


def gromov_delta_all(distance_matrix: Any) -> Tensor:
    """The exact δ over all base points: the largest `four_point_delta` of all quadruples, a scalar.

    A quadruple has the same δ from each of its points, so base point b only needs the points after it. The time is at
    most O(n⁴), the memory O(n²).
    """
    distance = distances(distance_matrix)
    cell, order = _cells(distance).sort()
    distance, best = distance[order][:, order], distance.new_zeros(())
    for b in range(len(distance) - 3):
        best = search(distance[b:, b:], 0, best, cell[b:])
    return best


def four_point_delta(distance_matrix: Any, quadruple: Sequence[int]) -> Tensor:
    """δ of four points, a scalar: half the gap between the larger two of d_xy + d_zw, d_xz + d_yw, d_xw + d_yz.

    Raises:
        SettingError: the quadruple does not hold four indices of points.
    """
    distance = distances(distance_matrix)
    if len(quadruple) != 4:
        raise SettingError(f"four_point_delta needs four points, but got {len(quadruple)} indices.")
    for index in quadruple:
        require_base(index, len(distance))
    x, y, z, w = quadruple
    d = distance
    sums = torch.stack((d[x, y] + d[z, w], d[x, z] + d[y, w], d[x, w] + d[y, z])).sort().values
    return (sums[2] - sums[1]) / 2


def search(distance: Tensor, base: int, best: Tensor | None = None, cell: Tensor | None = None) -> Tensor:
    """The larger of `best` (default 0) and δ at `base`, a scalar; cell (n,) are the `_cells` of the points, if known.

    For k in {i, j} min(A_ik, A_kj) - A_ij <= 0, so the diagonal of A is left out. Each pair is bounded by the largest
    products of its points. If too many pairs remain, they are bounded by the largest products with each cell.
    """
    product = (distance[base] + distance[base].unsqueeze(1)).sub_(distance).div_(2)  # A, Gromov's product
    diagonal = product.diagonal().clone()
    product.fill_diagonal_(-torch.inf)
    largest = product.amax(1)
    best = distance.new_zeros(()) if best is None else best
    best = torch.maximum(best, (largest - diagonal).amax())  # the pairs (i, i)
    bound = _bounds(product, largest.unsqueeze(0))
    best, i, j = _above(bound, best, product)
    if len(i) > FEW * len(product):
        cell = _cells(distance) if cell is None else cell
        bound = _bounds(product, _cell_maxima(product, cell))
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


def require_base(base: int, n: int) -> None:
    """Check that `base` is the index of one of n points."""
    if not 0 <= base < n:
        raise SettingError(f"There is no point {base} among {n}; the index must lie between 0 and {n - 1}.")


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
        delta: δ at the base point, in the unit of the distances.
        diameter: the largest distance.
        delta_rel: 2δ/diameter in [0, 1] ("khrulkov"), or δ/diameter ("released": the released code omits the 2).
        n: number of points per try.
        base: index of the base point among them.
        convention: the definition of δ_rel that was used.
        values: δ_rel of each try.
        std: standard deviation over the tries; None for a single try.
        interval: 95 % interval of the mean over the tries; None for a single try.
    """

    delta: float
    diameter: float
    delta_rel: float
    n: int
    base: int
    convention: Convention
    values: tuple[float, ...]
    std: float | None = None
    interval: tuple[float, float] | None = None


def delta_rel(
    points: Any, *, convention: Convention = "khrulkov", precomputed: bool = False, base: int = 0
) -> Hyperbolicity:
    """δ_rel of (n, D) features in Euclidean distance, or of an (n, n) distance matrix.

    Args:
        points: features, or with `precomputed` their distances (hyperbolic: `geometry.pairwise_distance`).
        convention: "khrulkov" for 2δ/diameter; "released" for δ/diameter, as in the released code.
        precomputed: whether `points` is a distance matrix.
        base: index of the base point.

    Raises:
        DataError: fewer than 4 points, NaN or infinite numbers, all points equal, or not a distance matrix.
        SettingError: an unknown convention, or `base` is not the index of a point.

    >>> path = torch.arange(5.0, dtype=torch.float64)
    >>> delta_rel((path[:, None] - path).abs(), precomputed=True).delta_rel  # a path is a tree
    0.0
    """
    _require_convention(convention)
    distance = distances(points) if precomputed else _euclidean(_features(points))
    return _hyperbolicity([distance], convention, base)


def sampled_delta_rel(
    points: Any,
    *,
    generator: Generator,
    size: int = 1500,
    tries: int = 10,
    replacement: bool = False,
    convention: Convention = "khrulkov",
    precomputed: bool = False,
    base: int = 0,
) -> Hyperbolicity:
    """δ_rel of random sub-samples: the mean over the tries, with its standard deviation and 95 % interval.

    δ grows with the size of the sample, so compare only equal sizes. The interval is a percentile bootstrap of the mean
    over the tries (Efron 1979). With fewer than about ten tries it is too narrow.

    Args:
        points: (n, D) features, or with `precomputed` an (n, n) distance matrix.
        generator: draws the sub-samples and the bootstrap; on the CPU.
        size: points per sub-sample; without replacement at most n are taken.
        tries: number of sub-samples; the released code takes 10 of size 1500.
        replacement: True draws with replacement, as the released code does.
        convention, precomputed: as in `delta_rel`.
        base: index of the base point in the sub-sample.

    Raises:
        SettingError: size < 4, tries < 1, an unknown convention, or `base` is not the index of a point.
    """
    _require_convention(convention)
    _require_size(size, tries)
    points = distances(points) if precomputed else _features(points)
    samples = _samples(points, generator, size, tries, replacement)
    matrices = (points[i][:, i] if precomputed else _euclidean(points[i]) for i in samples)
    return _hyperbolicity(matrices, convention, base, generator)


def gaussian_null(
    n: int, dim: int, *, generator: Generator, tries: int = 10, convention: Convention = "khrulkov"
) -> Hyperbolicity:
    """δ_rel of n points of Gaussian noise in `dim` dimensions, drawn again in each try. Noise has no structure.

    Args:
        n: the size of the sample to compare with.
        dim: the dimension of its features.
        generator: on the CPU.
        tries: number of draws.
        convention: as in `delta_rel`.

    Raises:
        SettingError: n < 4, dim < 1, tries < 1 or an unknown convention.
    """
    _require_convention(convention)
    _require_size(n, tries)
    if dim < 1:
        raise SettingError(f"dim is {dim}, but noise needs at least one dimension.")
    return _noise(torch.ones(dim, dtype=torch.float64), n, tries, convention, generator)


def covariance_matched_null(
    points: Any,
    *,
    generator: Generator,
    size: int = 1500,
    tries: int = 10,
    convention: Convention = "khrulkov",
) -> Hyperbolicity:
    """δ_rel of Gaussian noise with the covariance of the features (n, D), drawn again in each try.

    Features whose variance lies in few directions have a larger δ_rel than `gaussian_null` in all D dimensions. That
    difference can be due to dimension alone. A difference from this null is due to shape: clusters, skew or a tree.

    Args:
        points: the features to compare with.
        generator: on the CPU.
        size: number of points of noise, that of the sample to compare with; at most n.
        tries: number of draws.
        convention: as in `delta_rel`.

    Raises:
        SettingError: size < 4, tries < 1 or an unknown convention.
    """
    _require_convention(convention)
    _require_size(size, tries)
    x = _features(points).cpu()
    # distances depend only on the standard deviations along the principal axes, not on the directions of the axes
    deviations = torch.linalg.svdvals(x - x.mean(0)) / (len(x) - 1) ** 0.5
    return _noise(deviations, min(size, len(x)), tries, convention, generator)


def _noise(
    deviations: Tensor, n: int, tries: int, convention: Convention, generator: Generator
) -> Hyperbolicity:
    draws = (torch.randn(n, len(deviations), generator=generator, dtype=torch.float64) for _ in range(tries))
    return _hyperbolicity((_euclidean(x * deviations) for x in draws), convention, 0, generator)


def _hyperbolicity(
    matrices: Iterable[Tensor], convention: Convention, base: int, generator: Generator | None = None
) -> Hyperbolicity:
    deltas, diameters, n = [], [], 0
    for distance in matrices:
        n = len(distance)
        require_base(base, n)
        diameters.append(float(distance.max()))
        if diameters[-1] == 0:
            raise DataError("All points are the same, so the diameter is 0; check the features.")
        deltas.append(float(search(distance, base)))
    factor = 2 if convention == "khrulkov" else 1
    values = [factor * delta / diameter for delta, diameter in zip(deltas, diameters, strict=True)]
    tries = torch.tensor(values, dtype=torch.float64)
    std, interval = None, None
    if len(values) > 1:
        std = float(tries.std())
        means = tries[torch.randint(len(values), (10_000, len(values)), generator=generator)].mean(1)
        low, high = means.quantile(torch.tensor([0.025, 0.975], dtype=torch.float64)).tolist()
        interval = (low, high)
    delta, diameter = sum(deltas) / len(deltas), sum(diameters) / len(diameters)
    return Hyperbolicity(
        delta, diameter, float(tries.mean()), n, base, convention, tuple(values), std, interval
    )


def _samples(
    points: Tensor, generator: Generator, size: int, tries: int, replacement: bool
) -> Iterator[Tensor]:
    n = len(points)
    for _ in range(tries):
        if replacement:
            index = torch.randint(n, (size,), generator=generator)
        else:
            index = torch.randperm(n, generator=generator)[:size]
        yield index.to(points.device)


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


def _require_convention(convention: str) -> None:
    if convention not in get_args(Convention):
        raise SettingError(
            f'convention is {convention!r}, but must be "khrulkov" (2δ/diameter) or "released" (δ/diameter).'
        )


def _require_size(size: int, tries: int) -> None:
    if size < 4 or tries < 1:
        raise SettingError(
            f"{size} points and {tries} tries are too few; take at least 4 points and one try."
        )
