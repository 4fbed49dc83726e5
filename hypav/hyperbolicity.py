"""How tree-like a set of points is: Gromov's δ, and δ_rel, which divides it by the diameter (paper Table 7).

δ is zero for a tree and grows with the distance to one: Gromov, "Hyperbolic groups", 1987, computed in
`hypav.gromov`. δ_rel is that of Khrulkov et al., "Hyperbolic Image Embeddings", CVPR 2020.

A δ_rel says little by itself: Gaussian noise in 64 dimensions has δ_rel = .34, inside the range of the paper's Table 7.
Print `gaussian_null` beside it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, get_args

import torch
from torch import Generator, Tensor

from hypav.errors import DataError, SettingError
from hypav.gromov import distances, four_point_delta, gromov_delta, gromov_delta_all, require_base, search

__all__ = [
    "Convention",
    "Hyperbolicity",
    "covariance_matched_null",
    "delta_rel",
    "four_point_delta",
    "gaussian_null",
    "gromov_delta",
    "gromov_delta_all",
    "sampled_delta_rel",
]

Convention = Literal["khrulkov", "released"]


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
    points = distances(points) if precomputed else _features(points)
    samples = _samples(points, generator, size, tries, replacement)
    matrices = (points[i][:, i] if precomputed else _euclidean(points[i]) for i in samples)
    return _hyperbolicity(matrices, convention, base, generator)


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


def _hyperbolicity(
    matrices: Iterable[Tensor], convention: Convention, base: int, generator: Generator | None = None
) -> Hyperbolicity:
    deltas, diameters, n = [], [], 0
    for distance in matrices:
        n = len(distance)
        require_base(base, n)
        diameters.append(float(distance.max()))
        if diameters[-1] == 0:
            raise DataError(
                "All points are the same, so the diameter is 0 and δ_rel has no value: check the features."
            )
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


def _require_convention(convention: str) -> None:
    if convention not in get_args(Convention):
        raise SettingError(
            f'convention is {convention!r}, but must be "khrulkov" (2δ/diameter) or "released" (δ/diameter).'
        )


def covariance_matched_null(
    points: Any,
    *,
    generator: Generator,
    size: int = 1500,
    tries: int = 10,
    convention: Convention = "khrulkov",
) -> Hyperbolicity:
    """δ_rel of Gaussian noise with the covariance of the features (n, D), anew in each try.

    Features whose variance lies in few directions have a larger δ_rel than `gaussian_null` of all D: of that null a
    difference may be a matter of dimension alone. Against this one it is a matter of shape: clusters, skew, a tree.

    Args:
        points: the features whose δ_rel this stands beside.
        generator: on the CPU.
        size: points of noise, as many as the (sub-)sample had; at most n.
        tries: draws of the noise.
        convention: as in `delta_rel`.

    Raises:
        DataError: as `delta_rel` of features.
        SettingError: size < 4, tries < 1 or an unknown convention.
    """
    _require_convention(convention)
    x = _features(points).cpu()
    if size < 4 or tries < 1:
        raise SettingError(f"size is {size} and tries {tries}, but δ needs at least 4 points and one try.")
    size = min(size, len(x))
    # distances do not see the directions of the principal axes, only the standard deviations along them
    deviations = torch.linalg.svdvals(x - x.mean(0)) / (len(x) - 1) ** 0.5
    dim = len(deviations)
    noise = (
        torch.randn(size, dim, generator=generator, dtype=torch.float64) * deviations for _ in range(tries)
    )
    return _hyperbolicity(map(_euclidean, noise), convention, 0, generator)
