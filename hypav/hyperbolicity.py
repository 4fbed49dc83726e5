"""How tree-like a set of points is: Gromov's δ, and δ_rel, which divides it by the diameter (paper Table 7).

δ is zero for a tree and grows with the distance to one. Gromov, "Hyperbolic groups", 1987; the max-min product is
that of Fournier, Ismail, Vigneron, "Computing the Gromov hyperbolicity of a discrete metric space", 2015; δ_rel that
of Khrulkov et al., "Hyperbolic Image Embeddings", CVPR 2020.

A δ_rel says little by itself: Gaussian noise in 64 dimensions has δ_rel = .34, inside the range of the paper's Table 7.
Print `gaussian_null` beside it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import torch
from torch import Generator, Tensor

from hypav.errors import DataError, SettingError

__all__ = [
    "Convention",
    "Hyperbolicity",
    "delta_rel",
    "four_point_delta",
    "gaussian_null",
    "gromov_delta",
    "gromov_delta_all",
    "sampled_delta_rel",
]

Convention = Literal["khrulkov", "released"]

BLOCK = 2**17  # numbers worked on at a time: what a core's cache holds


@dataclass(frozen=True)
class Hyperbolicity:
    """δ, the diameter and δ_rel of n points; means over the tries where these were sub-samples.

    Attributes:
        delta: δ at the base point, in the unit of the distances.
        diameter: the largest distance.
        delta_rel: 2δ/diameter in [0, 1] ("khrulkov"), or δ/diameter ("released": the released code omits the 2).
        n: points in the (sub-)sample.
        base: index of the base point in the (sub-)sample.
        convention: which δ_rel this is.
        values: δ_rel of each try.
        std: standard deviation over the tries; None for one try.
        interval: 95 % interval of the mean over the tries; None for one try.
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


def gromov_delta(distance_matrix: Any, *, base: int = 0) -> Tensor:
    """δ at one base point b, exactly: max_ij [max_k min(A_ik, A_kj) - A_ij], A_ij = (d_bi + d_bj - d_ij)/2.

    The δ over all base points is at least this and at most twice this. Memory O(n²).

    Args:
        distance_matrix: (n, n) tensor or array, n >= 4; float32 and float64 are worked in as they are.
        base: index of b.

    Returns:
        A scalar, not negative, in the dtype of the matrix: bit by bit the value of the definition.

    Raises:
        DataError: the matrix is not square, symmetric, finite and non-negative with a zero diagonal, or n < 4.
        SettingError: there is no point `base`.
    """
    distance = _distances(distance_matrix)
    _require_base(base, len(distance))
    return _delta(distance, base, distance.new_zeros(()))


def gromov_delta_all(distance_matrix: Any) -> Tensor:
    """δ over all base points, exactly: the largest `four_point_delta` of all quadruples. Time up to O(n⁴), memory O(n²).

    A quadruple has the same δ from each of its points, so the b-th base point need only see those after it.

    Raises:
        DataError: as `gromov_delta`.
    """
    distance = _distances(distance_matrix)
    best = distance.new_zeros(())
    for b in range(len(distance) - 3):
        best = _delta(distance[b:, b:], 0, best)
    return best


def four_point_delta(distance_matrix: Any, quadruple: Sequence[int]) -> Tensor:
    """δ of four points: half the gap between the larger two of d_xy + d_zw, d_xz + d_yw, d_xw + d_yz.

    Raises:
        DataError: as `gromov_delta`.
        SettingError: the quadruple is not four indices of points.
    """
    distance = _distances(distance_matrix)
    if len(quadruple) != 4:
        raise SettingError(f"four_point_delta needs four points, but got {len(quadruple)} indices.")
    for index in quadruple:
        _require_base(index, len(distance))
    x, y, z, w = quadruple
    d = distance
    sums = torch.stack((d[x, y] + d[z, w], d[x, z] + d[y, w], d[x, w] + d[y, z])).sort().values
    return (sums[2] - sums[1]) / 2


def delta_rel(
    points: Any, *, convention: Convention = "khrulkov", precomputed: bool = False, base: int = 0
) -> Hyperbolicity:
    """δ_rel of (n, D) features in Euclidean distance, or of an (n, n) distance matrix.

    Args:
        points: features, or with `precomputed` their distances (hyperbolic: `geometry.pairwise_distance`).
        convention: "khrulkov" 2δ/diameter; "released" δ/diameter, as the released code has it.
        precomputed: whether `points` is a distance matrix.
        base: index of the base point.

    Raises:
        DataError: fewer than 4 points, NaN or infinite numbers, all points equal, or no distance matrix.
        SettingError: an unknown convention, or no point `base`.
    """
    _require_convention(convention)
    distance = _distances(points) if precomputed else _euclidean(_features(points))
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

    The interval is a percentile bootstrap over the tries (Efron 1979). It speaks of the mean over sub-samples of
    this size, not of all n points: δ grows with the sample, so compare only equal sizes. With fewer than about ten
    tries it is too narrow.

    Args:
        points: (n, D) features, or with `precomputed` an (n, n) distance matrix.
        generator: draws the sub-samples and the bootstrap; on the CPU.
        size: points in a sub-sample, at most n without replacement (then n is taken).
        tries: sub-samples; the released code has 10 of 1500.
        replacement: True as the released code draws, which repeats points and so understates the size.
        convention, precomputed: as in `delta_rel`.
        base: index of the base point in the sub-sample.

    Raises:
        DataError: as `delta_rel`.
        SettingError: size < 4, tries < 1, an unknown convention, or no point `base`.
    """
    _require_convention(convention)
    if size < 4 or tries < 1:
        raise SettingError(f"size is {size} and tries {tries}, but δ needs at least 4 points and one try.")
    points = _distances(points) if precomputed else _features(points)
    samples = _samples(points, generator, size, tries, replacement)
    distances = (points[i][:, i] if precomputed else _euclidean(points[i]) for i in samples)
    return _hyperbolicity(distances, convention, base, generator)


def gaussian_null(
    n: int, dim: int, *, generator: Generator, tries: int = 10, convention: Convention = "khrulkov"
) -> Hyperbolicity:
    """δ_rel of n points of Gaussian noise in `dim` dimensions, anew in each try: what no structure at all looks like.

    Args:
        n: as many points as the (sub-)sample had that this stands beside.
        dim: as many dimensions as the features had.
        generator: on the CPU.
        tries: draws of the noise.
        convention: as in `delta_rel`.

    Raises:
        SettingError: n < 4, dim < 1, tries < 1 or an unknown convention.
    """
    _require_convention(convention)
    if n < 4 or dim < 1 or tries < 1:
        raise SettingError(
            f"n is {n}, dim {dim} and tries {tries}, but noise needs n >= 4, dim >= 1 and tries >= 1."
        )
    noise = (torch.randn(n, dim, generator=generator, dtype=torch.float64) for _ in range(tries))
    return _hyperbolicity(map(_euclidean, noise), convention, 0, generator)


# ------------------------------------------------------------------------------------------------------- the parts


def _delta(distance: Tensor, base: int, best: Tensor) -> Tensor:
    """The larger of `best` and δ at `base`.

    For k in {i, j} min(A_ik, A_kj) - A_ij <= 0, so only other k count, and with M_i = max_{k != i} A_ik no term of
    the pair (i, j) exceeds min(M_i, M_j) - A_ij. Pairs whose bound is not above the best are never looked at.
    """
    product = (distance[base] + distance[base].unsqueeze(1) - distance) / 2  # A, Gromov's product
    largest = product.clone().fill_diagonal_(-torch.inf).amax(1)
    bound = torch.minimum(largest, largest.unsqueeze(1)) - product
    block = max(1, BLOCK // len(distance))
    for i in bound.amax(1).argsort(descending=True).tolist():
        candidates = (bound[i] > best).nonzero().squeeze(1)
        for j in candidates.split(block) if len(candidates) else ():
            term = torch.minimum(product.index_select(0, j), product[i]).amax(1) - product[i, j]
            best = torch.maximum(best, term.max())
        bound[:, i] = -torch.inf  # the pair (j, i) is the pair (i, j)
    return best


def _hyperbolicity(
    distances: Iterable[Tensor], convention: Convention, base: int, generator: Generator | None = None
) -> Hyperbolicity:
    deltas, diameters, n = [], [], 0
    for distance in distances:
        n = len(distance)
        _require_base(base, n)
        diameters.append(float(distance.max()))
        if diameters[-1] == 0:
            raise DataError(
                "All points are the same, so the diameter is 0 and δ_rel has no value: check the features."
            )
        deltas.append(float(_delta(distance, base, distance.new_zeros(()))))
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
    # the inner-product form would put 1e-7 where two points coincide, and a matrix that is not symmetric
    return torch.cdist(features, features, compute_mode="donot_use_mm_for_euclid_dist")


def _features(points: Any) -> Tensor:
    x = torch.as_tensor(points).detach().double()
    if x.ndim != 2 or len(x) < 4:
        raise DataError(f"δ needs the features (n, D) of at least 4 points, but got shape {tuple(x.shape)}.")
    if not bool(x.isfinite().all()):
        bad = int((~x.isfinite()).any(1).sum())
        raise DataError(
            f"{bad} of {len(x)} rows of the features hold NaN or infinite numbers: leave those rows out."
        )
    return x


def _distances(matrix: Any) -> Tensor:
    d = torch.as_tensor(matrix).detach()
    d = d if d.dtype in (torch.float32, torch.float64) else d.double()
    if d.ndim != 2 or d.shape[0] != d.shape[1]:
        raise DataError(f"A distance matrix is square, but this has shape {tuple(d.shape)}.")
    if len(d) < 4:
        raise DataError(f"δ needs at least 4 points, but the distance matrix has {len(d)}.")
    if not bool(d.isfinite().all()):
        raise DataError("The distance matrix holds NaN or infinite numbers: look at the points it came from.")
    if bool((d < 0).any()):
        raise DataError(f"The distance matrix holds negative numbers, the least {float(d.min()):.3g}.")
    slack = 1e-4 * float(d.max())  # what rounding may do to a float32 matrix
    if float((d - d.mT).abs().max()) > slack:
        raise DataError("The distance matrix is not symmetric: entry (i, j) must equal entry (j, i).")
    if float(d.diagonal().max()) > slack:
        raise DataError("The distance matrix has a diagonal that is not zero: is it a similarity matrix?")
    return (d + d.mT) / 2


def _require_base(base: int, n: int) -> None:
    if not 0 <= base < n:
        raise SettingError(f"There is no point {base} among {n}: the index must lie between 0 and {n - 1}.")


def _require_convention(convention: str) -> None:
    if convention not in get_args(Convention):
        raise SettingError(
            f'convention is {convention!r}, but must be "khrulkov" (2δ/diameter) or "released" (δ/diameter).'
        )
