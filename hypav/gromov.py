"""Gromov's δ of a distance matrix, exactly: at one base point, over all base points, of four points.

The max-min product is that of Fournier, Ismail, Vigneron, "Computing the Gromov hyperbolicity of a discrete metric
space", 2015. Of its n³ terms only those of few pairs are looked at: bounds of all pairs, from the largest products
of each point with each cell of near points, say where the maximum can be. They hold for any symmetric matrix.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from hypav.errors import DataError, SettingError

__all__ = ["distances", "four_point_delta", "gromov_delta", "gromov_delta_all", "require_base", "search"]

BLOCK = 2**17  # numbers worked on at a time: what a core's cache holds
CELLS = 96  # more make the bounds sharper and dearer
FEW = 16  # pairs a point: so many are sooner looked at than bounded anew


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
    distance = distances(distance_matrix)
    require_base(base, len(distance))
    return search(distance, base)


def gromov_delta_all(distance_matrix: Any) -> Tensor:
    """δ over all base points, exactly: the largest `four_point_delta` of all quadruples. Time up to O(n⁴), memory O(n²).

    A quadruple has the same δ from each of its points, so the b-th base point need only see those after it.

    Raises:
        DataError: as `gromov_delta`.
    """
    distance = distances(distance_matrix)
    cell, order = _cells(distance).sort()
    distance, best = distance[order][:, order], distance.new_zeros(())
    for b in range(len(distance) - 3):
        best = search(distance[b:, b:], 0, best, cell[b:])
    return best


def four_point_delta(distance_matrix: Any, quadruple: Sequence[int]) -> Tensor:
    """δ of four points: half the gap between the larger two of d_xy + d_zw, d_xz + d_yw, d_xw + d_yz.

    Raises:
        DataError: as `gromov_delta`.
        SettingError: the quadruple is not four indices of points.
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
    """The larger of `best` (0 where not given) and δ at `base`; cell (n,): `_cells` of the points, where known.

    For k in {i, j} min(A_ik, A_kj) - A_ij <= 0, so k is another point: the diagonal of A is left out. The pairs are
    bounded twice: by the largest products of their points, and where that leaves too many, by those with each cell.
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
    for some, top in zip(order.split(_rows(product)), value[:: _rows(product)].tolist(), strict=False):
        if top <= best:
            break
        best = torch.maximum(best, _terms(product, i[some], j[some]).amax())
    return best


def distances(matrix: Any) -> Tensor:
    """The (n, n) distance matrix as a symmetric float32 or float64 tensor.

    Raises:
        DataError: as `gromov_delta`.
    """
    d = torch.as_tensor(matrix).detach()
    d = d if d.dtype in (torch.float32, torch.float64) else d.double()
    if d.ndim != 2 or d.shape[0] != d.shape[1]:
        raise DataError(f"A distance matrix is square, but this has shape {tuple(d.shape)}.")
    if len(d) < 4:
        raise DataError(f"δ needs at least 4 points, but the distance matrix has {len(d)}.")
    least, most = (float(value) for value in d.aminmax())  # NaN where there is one
    if not (abs(least) < torch.inf and abs(most) < torch.inf):
        raise DataError("The distance matrix holds NaN or infinite numbers: look at the points it came from.")
    if least < 0:
        raise DataError(f"The distance matrix holds negative numbers, the least {least:.3g}.")
    slack = 1e-4 * most  # what rounding may do to a float32 matrix
    if float(d.diagonal().max()) > slack:
        raise DataError("The distance matrix has a diagonal that is not zero: is it a similarity matrix?")
    if torch.equal(d, d.mT):
        return d
    if float((d - d.mT).abs().max()) > slack:
        raise DataError("The distance matrix is not symmetric: entry (i, j) must equal entry (j, i).")
    return (d + d.mT) / 2


def require_base(base: int, n: int) -> None:
    """Raises SettingError where there is no point `base` among n."""
    if not 0 <= base < n:
        raise SettingError(f"There is no point {base} among {n}: the index must lie between 0 and {n - 1}.")


# ------------------------------------------------------------------------------------------------------- the search


def _rows(product: Tensor) -> int:
    """Rows of A that are worked on at a time."""
    return max(1, BLOCK // len(product))


def _cells(distance: Tensor) -> Tensor:
    """(n,) the cell of each point: that of its nearest pivot, each pivot the farthest from those before it."""
    cell, nearest = torch.zeros_like(distance[0], dtype=torch.int64), distance[0].clone()
    for c in range(1, min(CELLS, len(distance))):
        pivot = distance[nearest.argmax()]
        cell[pivot < nearest] = c
        nearest = torch.minimum(nearest, pivot)
    return cell


def _cell_maxima(product: Tensor, cell: Tensor) -> Tensor:
    """(cells, n) the largest product of each point with any of each cell that has points."""
    members = cell.argsort().split(torch.bincount(cell).tolist())
    return torch.stack([product.index_select(0, some).amax(0) for some in members if len(some)])


def _bounds(product: Tensor, maxima: Tensor) -> Tensor:
    """(n, n) above the diagonal an upper bound of the pair's terms, max over cells of min(maxima_i, maxima_j) - A_ij.

    Worked in float32, rounded up. Below the diagonal -inf, or the same again.
    """
    maxima = maxima.float().nextafter(maxima.new_tensor(torch.inf, dtype=torch.float32))
    bound = torch.empty_like(product)
    for start in range(0, len(product), 2 * _rows(product)):
        rows = slice(start, start + 2 * _rows(product))
        top = torch.minimum(maxima[0, rows, None], maxima[0, start:])
        pair = torch.empty_like(top)
        for one in maxima[1:]:
            torch.maximum(top, torch.minimum(one[rows, None], one[start:], out=pair), out=top)
        bound[rows, :start] = -torch.inf
        torch.sub(top, product[rows, start:], out=bound[rows, start:])
    return bound.fill_diagonal_(-torch.inf)


def _above(bound: Tensor, best: Tensor, product: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """`best`, raised by the terms of the most promising pairs, and the pairs (i, j) whose bounds are above it."""
    most, column = bound.max(1)
    i = most.topk(min(len(most), _rows(product))).indices
    i = i[most[i] > best]
    if len(i):
        best = torch.maximum(best, _terms(product, i, column[i]).amax())
    rows = (most > best).nonzero().squeeze(1)
    i, j = (bound[rows] > best).nonzero(as_tuple=True)
    return best, rows[i], j


def _terms(product: Tensor, i: Tensor, j: Tensor) -> Tensor:
    """max_k min(A_ik, A_kj) - A_ij of some pairs."""
    return torch.minimum(product.index_select(0, i), product.index_select(0, j)).amax(1) - product[i, j]
