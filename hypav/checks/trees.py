"""Checks of notebook 03: distances in a tree, δ of four points, δ_rel."""

from __future__ import annotations

import torch
from torch import Tensor

from hypav import hyperbolicity
from hypav.checks.framework import Case, FunctionCheck


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


def _upper(matrix: Tensor) -> Tensor:
    i, j = torch.triu_indices(len(matrix), len(matrix), 1)
    return matrix[i, j]


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


def _delta(d: Tensor, base: int = 0) -> Tensor:
    product = _product(d, base)
    return (torch.minimum(product.unsqueeze(2), product.unsqueeze(0)).amax(1) - product).max()


def _matmul(d: Tensor) -> Tensor:
    product = _product(d, 0)
    return 2 * (product @ product - product).max() / d.max()


def _shares(d: Tensor) -> Tensor:
    """For all i and j the largest min(A_im, A_mj) over m."""
    product = _product(d, 0)
    return torch.minimum(product.unsqueeze(2), product.unsqueeze(0)).amax(1)


delta_rel = FunctionCheck(
    "δ_rel",
    lambda d: 2 * _delta(d) / d.max(),
    [((_matrix(_cloud(n, dim, n)),), {}) for n, dim in ((12, 3), (15, 2))],
    {
        "this is δ/diameter, as the released code has it. Khrulkov's definition has a factor 2 before δ.": lambda d: (
            _delta(d) / d.max()
        ),
        "this is the ordinary matrix product A @ A. Take the smaller of A_im and A_mj for each m, then the largest "
        "over m.": _matmul,
        "A_ij is not subtracted.": lambda d: 2 * _shares(d).max() / d.max(),
        "you averaged over the pairs (i, j). δ is the largest gap of all pairs.": lambda d: (
            2 * (_shares(d) - _product(d, 0)).mean() / d.max()
        ),
        "you divided by the mean distance. The diameter is the largest distance.": lambda d: (
            2 * _delta(d) / _upper(d).mean()
        ),
        "this is 2δ. Divide it by the diameter.": lambda d: 2 * _delta(d),
        "this is δ. Double it, and divide it by the diameter.": _delta,
        "the half of Gromov's product is missing.": lambda d: 4 * _delta(d) / d.max(),
        "your base is the last point. The exercise has point 0.": lambda d: (
            2 * _delta(d, len(d) - 1) / d.max()
        ),
    },
    praise="This function gives the numbers of the paper's Table 7.",
)
