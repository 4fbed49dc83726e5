"""Checks of notebook 03: distances in a tree, distortion, δ of four points, Gromov's product, δ_rel."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from hypav import hyperbolicity
from hypav.checks.framework import FunctionCheck
from hypav.trees import distortion as package_distortion

Case = tuple[tuple[Any, ...], dict[str, Any]]


def _cloud(n: int, dim: int, seed: int) -> Tensor:
    return torch.randn(n, dim, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def _matrix(x: Tensor) -> Tensor:
    return torch.cdist(x, x, compute_mode="donot_use_mm_for_euclid_dist")


def _paths() -> list[Case]:
    """Paths whose names repeat under different parents, so that only equal beginnings count."""
    deep = torch.tensor([[0, 0, 0], [0, 0, 1], [0, 1, 0], [1, 0, 0], [1, 0, 1], [1, 2, 0]])
    return [((deep,), {}), ((torch.tensor([[0, 0], [0, 1], [1, 1], [2, 0]]),), {})]


def _same(paths: Tensor) -> Tensor:
    """(n, n, L): on which levels two paths have the same name."""
    return (paths.unsqueeze(1) == paths.unsqueeze(0)).double()


def _shared(paths: Tensor) -> Tensor:
    """(n, n): on how many levels two paths agree from the root on."""
    return _same(paths).cumprod(-1).sum(-1)


tree_distance = FunctionCheck(
    "Distances between the leaves of a tree",
    lambda paths: 2 * (paths.shape[1] - _shared(paths)),
    _paths(),
    {
        "this is half of the right value: "
        "the path goes up to the common ancestor and down again, so count both halves.": lambda paths: (
            paths.shape[1] - _shared(paths)
        ),
        "you count every level on which the two numbers are equal, even "
        "after the paths have separated: only a common beginning counts, see `cumprod`.": lambda paths: (
            2 * (paths.shape[1] - _same(paths).sum(-1))
        ),
        "you count each level with "
        "different numbers once: count all levels from the first difference on, twice.": lambda paths: (
            paths.shape[1] - _same(paths).sum(-1)
        ),
        "this is the number of levels "
        "that two paths share: subtract it from the number of levels.": lambda paths: 2 * _shared(paths),
        "leaves of different super-groups "
        "meet at the root, and the two edges to it count too: they are missing.": lambda paths: (
            2 * (paths.shape[1] - _shared(paths).clamp(min=1))
        ),
        "you count "
        "the vertices on the way, with both ends: count the edges between them, one less.": lambda paths: (
            2 * (paths.shape[1] - _shared(paths)) + 1
        ),
    },
    praise="No coordinates were needed: a tree is a metric space by itself.",
)


def _distances() -> list[Case]:
    return [
        ((_matrix(_cloud(n, 2, n)), _matrix(_cloud(n, 3, n)) + 1 - torch.eye(n, dtype=torch.float64)), {})
        for n in (5, 7)
    ]


def _upper(matrix: Tensor) -> Tensor:
    i, j = torch.triu_indices(len(matrix), len(matrix), 1)
    return matrix[i, j]


distortion = FunctionCheck(
    "The distortion of an embedding",
    package_distortion,
    _distances(),
    {
        "your mean is NaN, because the diagonal is 0/0: leave the pairs (i, i) out, for instance with "
        "torch.triu_indices(n, n, 1).": lambda embedded, wanted: (embedded / wanted - 1).abs().mean(),
        "you divide by all n² "
        "entries, but the n diagonal entries are not pairs: divide by n(n-1).": lambda embedded, wanted: (
            (_upper(embedded) / _upper(wanted) - 1).abs().sum() * 2 / len(wanted) ** 2
        ),
        "distances that are too "
        "long cancel those that are too short: the absolute value is missing.": lambda embedded, wanted: (
            _upper(embedded) / _upper(wanted) - 1
        ).mean(),
        "you squared the errors. That is what "
        "Adam minimises; the distortion is the mean of their absolute values.": lambda embedded, wanted: (
            (_upper(embedded) / _upper(wanted) - 1).square().mean()
        ),
        "this is the mean of the absolute errors: divide each by the "
        "wanted distance, so that close pairs count as much as distant ones.": lambda embedded, wanted: (
            (_upper(embedded) - _upper(wanted)).abs().mean()
        ),
        "the ratio is upside down: the wanted distance is the denominator.": lambda embedded, wanted: (
            (_upper(wanted) / _upper(embedded) - 1).abs().mean()
        ),
        "this is the mean ratio "
        "of the distances: subtract 1, because a ratio of 1 means no error.": lambda embedded, wanted: (
            _upper(embedded) / _upper(wanted)
        ).mean(),
    },
    praise="All the percentages of this section are this number.",
)


def _sums(d: Tensor) -> Tensor:
    """The three sums of four points' distances, ascending."""
    return torch.stack((d[0, 1] + d[2, 3], d[0, 2] + d[1, 3], d[0, 3] + d[1, 2])).sort().values


four_point_delta = FunctionCheck(
    "δ of four points",
    lambda d: hyperbolicity.four_point_delta(d, (0, 1, 2, 3)),
    [((_matrix(_cloud(4, 3, seed)),), {}) for seed in (1, 2, 5)],
    {
        "this is twice the right value: δ is half of the gap.": lambda d: _sums(d)[2] - _sums(d)[1],
        "you took the gap between the largest and the smallest sum: in a tree the two larger ones are "
        "equal, so their gap counts.": lambda d: (_sums(d)[2] - _sums(d)[0]) / 2,
        "you took the gap between the two smaller sums: it is the length of the tree's middle "
        "edge, not an error. Sort, and take the last two.": lambda d: (_sums(d)[1] - _sums(d)[0]) / 2,
        "you did not sort: the largest of the three sums changes from case to case.": lambda d: (
            (d[0, 1] + d[2, 3] - d[0, 2] - d[1, 3]) / 2
        ),
        "you sorted the six distances, but δ compares sums of two: AB + CD, AC + BD, AD + BC.": lambda d: (
            (_upper(d).sort().values[-1] - _upper(d).sort().values[-2]) / 2
        ),
    },
    praise="Zero means: these four points lie in a tree. δ of a set is the largest over all its quadruples.",
)


def _product(d: Tensor, base: int) -> Tensor:
    return (d[base].unsqueeze(1) + d[base].unsqueeze(0) - d) / 2


gromov_product = FunctionCheck(
    "Gromov's product",
    lambda d, base: _product(d, base),
    [((_matrix(_cloud(5, 2, seed)),), {"base": base}) for seed, base in ((1, 2), (3, 4))],
    {
        "this is twice the right value: the half is missing.": lambda d, base: 2 * _product(d, base),
        "the distance between the two points is added: subtract it, the product is large for points that are close "
        "together and far from the base.": lambda d, base: _product(d, base) + d,
        "the sign is reversed: start with d(b,i) + "
        "d(b,j); by the triangle inequality the product is at least 0.": lambda d, base: -_product(d, base),
        "you always start from point 0: use the row of the base, d[base].": lambda d, base: _product(d, 0),
        "you added d(b,i) "
        "twice: one of the two terms belongs to j, so one is a column and one a row.": lambda d, base: (
            (2 * d[base].unsqueeze(1) - d) / 2
        ),
    },
    praise="In a tree it is how far the ways from b to i and to j run together.",
)


def _delta(d: Tensor, base: int = 0) -> Tensor:
    product = _product(d, base)
    return (torch.minimum(product.unsqueeze(2), product.unsqueeze(0)).amax(1) - product).max()


def _matmul(x: Tensor) -> Tensor:
    product = _product(_matrix(x), 0)
    return 2 * (product @ product - product).max() / _matrix(x).max()


def _averaged(x: Tensor) -> Tensor:
    product = _product(_matrix(x), 0)
    gap = torch.minimum(product.unsqueeze(2), product.unsqueeze(0)).amax(1) - product
    return 2 * gap.mean() / _matrix(x).max()


def _unsubtracted(x: Tensor) -> Tensor:
    product = _product(_matrix(x), 0)
    return 2 * torch.minimum(product.unsqueeze(2), product.unsqueeze(0)).amax(1).max() / _matrix(x).max()


delta_rel = FunctionCheck(
    "δ_rel of features",
    lambda x: torch.tensor(hyperbolicity.delta_rel(x).delta_rel, dtype=torch.float64),
    [((_cloud(n, dim, n),), {}) for n, dim in ((12, 3), (15, 2))],
    {
        "this is δ/diameter, "
        "as the released code has it: Khrulkov's definition has a factor 2 before δ.": lambda x: (
            _delta(_matrix(x)) / _matrix(x).max()
        ),
        "this is the ordinary matrix product A @ A: take the smaller of A_ik and A_kj for each k, then the largest "
        "over k.": _matmul,
        "A_ij is not subtracted from the max-min product.": _unsubtracted,
        "you averaged over the pairs (i, j): δ is the largest gap of all pairs.": _averaged,
        "you divided by the mean distance: the diameter is the largest distance.": lambda x: (
            2 * _delta(_matrix(x)) / _upper(_matrix(x)).mean()
        ),
        "this is 2δ: divide it by the diameter.": lambda x: 2 * _delta(_matrix(x)),
        "these are "
        "squared distances, for which the triangle inequality does not hold: take their roots.": lambda x: (
            2 * _delta(_matrix(x).square()) / _matrix(x).square().max()
        ),
    },
    praise="A number of the paper's Table 7 takes no more than this.",
)
