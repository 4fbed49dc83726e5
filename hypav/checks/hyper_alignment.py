"""Checks of notebook 06: the curvature that cuts nothing, Eq. 4, its angle, its ceiling, and Eq. 1, 3 and 4 in one."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from hypav import geometry
from hypav.checks.framework import FunctionCheck, NumberCheck

Case = tuple[tuple[Any, ...], dict[str, Any]]
_BATCH = 256


def _rows(seed: int, rows: int, columns: int) -> Tensor:
    """Embeddings as after a ReLU, their lengths spread over a factor of about ten."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(rows, columns, generator=generator, dtype=torch.float64).relu()
    return x * torch.exp(0.8 * torch.randn(rows, 1, generator=generator, dtype=torch.float64))


def _cosines(x: Tensor) -> Tensor:
    unit = F.normalize(x, dim=1)
    return unit @ unit.T


strongest_curvature = FunctionCheck(
    "The strongest curvature whose ball holds all rows",
    lambda phi, *, xi: -(((1 - xi) / phi.norm(dim=1).max()) ** 2),
    [((_rows(seed, 7, 5) + 0.05,), {"xi": xi}) for seed, xi in ((1, 1e-3), (2, 0.1))],
    {
        "you divide by the longest row but do not square: the radius of the ball is 1/√|k|, so |k| is one over the "
        "radius squared.": lambda phi, *, xi: -(1 - xi) / phi.norm(dim=1).max(),
        "your curvature is positive. A ball with a rim needs k < 0.": lambda phi, *, xi: (
            ((1 - xi) / phi.norm(dim=1).max()) ** 2
        ),
        "you fitted the ball "
        "to the mean length, so that the longer rows are still cut: take the longest.": lambda phi, *, xi: (
            -(((1 - xi) / phi.norm(dim=1).mean()) ** 2)
        ),
        "you fitted "
        "the ball to the shortest row, so that all others are cut: take the longest.": lambda phi, *, xi: (
            -(((1 - xi) / phi.norm(dim=1).min()) ** 2)
        ),
        "in "
        "your ball the longest row lies on the rim; Eq. 1 cuts at (1 - ξ)R, not at R.": lambda phi, *, xi: (
            -(phi.norm(dim=1).max() ** -2)
        ),
        "you took one norm of the whole table: take the norm of each row, dim=1.": lambda phi, *, xi: (
            -(((1 - xi) / phi.norm()) ** 2)
        ),
        "you used the largest coordinate "
        "as the length of the longest row: take the norm of each row first.": lambda phi, *, xi: (
            -(((1 - xi) / phi.max()) ** 2)
        ),
        "ξ is on the wrong side: (1 "
        "- ξ)R must be at least the longest length, so R is that length over 1 - ξ.": lambda phi, *, xi: (
            -((1 / ((1 - xi) * phi.norm(dim=1).max())) ** 2)
        ),
    },
    praise="A curvature means nothing without the lengths of what it bends.",
)


def _matrices() -> list[Case]:
    """Similarity matrices of two modalities, one pair with entries of any sign."""
    generator = torch.Generator().manual_seed(3)
    signed = torch.randn(2, 6, 4, generator=generator, dtype=torch.float64)
    pairs = [(_rows(4, 5, 8), _rows(5, 5, 8)), (signed[0], signed[1])]
    return [((_cosines(v), _cosines(a)), {}) for v, a in pairs]


def _eq4(m_v: Tensor, m_a: Tensor) -> Tensor:
    return (m_v / m_v.norm() - m_a / m_a.norm()).square().sum() / len(m_v) ** 2


eq4 = FunctionCheck(
    "Eq. 4",
    _eq4,
    _matrices(),
    {
        "the matrices are not normalised: divide each by its Frobenius norm first. (The released code leaves it out, "
        "too; the paper prints it.)": lambda m_v, m_a: (m_v - m_a).square().mean(),
        "you normalise each row separately, "
        "as Tung and Mori do; the paper divides the whole matrix by one number.": lambda m_v, m_a: (
            (F.normalize(m_v, dim=1) - F.normalize(m_a, dim=1)).square().mean()
        ),
        "the factor 1/N² is missing.": lambda m_v, m_a: (m_v / m_v.norm() - m_a / m_a.norm()).square().sum(),
        "you divide by N; the sum runs over N² entries.": lambda m_v, m_a: (
            (m_v / m_v.norm() - m_a / m_a.norm()).square().sum() / len(m_v)
        ),
        "square the norm of the difference.": lambda m_v, m_a: (
            (m_v / m_v.norm() - m_a / m_a.norm()).norm() / len(m_v) ** 2
        ),
        "you subtract first and then "
        "normalise, which gives 1/N² whatever the matrices are: normalise each first.": lambda m_v, m_a: (
            ((m_v - m_a) / (m_v - m_a).norm()).square().mean()
        ),
        "you divide by the largest singular "
        "value. The Frobenius norm is the root of the sum of all squared entries.": lambda m_v, m_a: (
            (m_v / torch.linalg.matrix_norm(m_v, 2) - m_a / torch.linalg.matrix_norm(m_a, 2)).square().mean()
        ),
        "you take absolute differences; the Frobenius norm squares them.": lambda m_v, m_a: (
            (m_v / m_v.norm() - m_a / m_a.norm()).abs().mean()
        ),
    },
    praise="It is zero when each pair of sounds is as alike as its pair of pictures, up to one common factor.",
)


def _angle(m_v: Tensor, m_a: Tensor) -> Tensor:
    return (m_v * m_a).sum() / (m_v.norm() * m_a.norm())


angle = FunctionCheck(
    "The cosine between two matrices",
    _angle,
    _matrices(),
    {
        "you give the inner product: divide by both Frobenius norms.": lambda m_v, m_a: (m_v * m_a).sum(),
        "you average the cosines of the rows; treat each matrix as one long vector.": lambda m_v, m_a: (
            F.cosine_similarity(m_v, m_a, dim=1).mean()
        ),
        "you subtract the mean "
        "of each matrix first: that gives a correlation, but Eq. 4 does not centre.": lambda m_v, m_a: _angle(
            m_v - m_v.mean(), m_a - m_a.mean()
        ),
        "you centre rows and columns first. That is CKA (Kornblith et al., ICML 2019), "
        "a close relative; Eq. 4 does not center.": lambda m_v, m_a: _angle(_centred(m_v), _centred(m_a)),
        "this is 1 minus the cosine.": lambda m_v, m_a: 1 - _angle(m_v, m_a),
        "this is Eq. 4 itself; the question asks for the cosine c in it.": _eq4,
        "you divide by the squared norms.": lambda m_v, m_a: (
            (m_v * m_a).sum() / (m_v.norm() * m_a.norm()) ** 2
        ),
        "you left "
        "out the diagonal. Its ones are the same in both matrices, but they do count.": lambda m_v, m_a: (
            _angle(_hollow(m_v), _hollow(m_a))
        ),
    },
    praise="So Eq. 4 is 2(1 - c)/N²: it sees one angle between two long vectors, and nothing else.",
)


def _centred(m: Tensor) -> Tensor:
    return m - m.mean(0, keepdim=True) - m.mean(1, keepdim=True) + m.mean()


def _hollow(m: Tensor) -> Tensor:
    return m - torch.diag(m.diagonal())


ceiling = NumberCheck(
    f"The ceiling of Eq. 4 for a batch of {_BATCH}",
    2 / _BATCH**2,
    {
        "4/N² would be two matrices that point in opposite directions, c = -1. Both are positive semi-definite, so "
        "their inner product is not negative: c ≥ 0.": 4 / _BATCH**2,
        "the factor 2 of 2(1 - c)/N² is missing.": 1 / _BATCH**2,
        "N enters squared.": 2 / _BATCH,
        "the factor 1/N² is missing.": 2.0,
        "this is the inverse: N²/2.": _BATCH**2 / 2,
    },
    praise="Whatever the network does, the paper's term lies between 0 and this.",
    tolerance=0.02,
)


def _alignment(phi_v: Tensor, phi_a: Tensor, *, k: float, xi: float) -> Tensor:
    return _eq4(_cosines(_tangent(phi_v, k, xi)), _cosines(_tangent(phi_a, k, xi)))


def _tangent(phi: Tensor, k: float, xi: float) -> Tensor:
    return geometry.logmap0(geometry.project(phi, k=k, xi=xi), k=k)


def _in_space(phi: Tensor, k: float, xi: float) -> Tensor:
    return -geometry.pairwise_distance(geometry.project(phi, k=k, xi=xi), k=k)


def _by_coordinate(phi: Tensor, k: float, xi: float) -> Tensor:
    limit = (1 - xi) / abs(k) ** 0.5
    return phi.clamp(-limit, limit)


alignment = FunctionCheck(
    "Eq. 1, Eq. 3 and Eq. 4 in a row",
    _alignment,
    [
        ((_rows(seed, 6, 5), _rows(seed + 1, 6, 5)), {"k": k, "xi": 0.01})
        for seed, k in ((6, -0.25), (8, -0.6))
    ],
    {
        "your similarities are inner products; Eq. 4 takes cosines. (Now the lengths count. Keep this version: you "
        "will want it in notebook 09.)": lambda phi_v, phi_a, *, k, xi: _eq4(
            *(_tangent(phi, k, xi) @ _tangent(phi, k, xi).T for phi in (phi_v, phi_a))
        ),
        "you compare points by their distance "
        "in the ball; the paper compares tangent vectors, by cosines.": lambda phi_v, phi_a, *, k, xi: _eq4(
            _in_space(phi_v, k, xi), _in_space(phi_a, k, xi)
        ),
        "the matrices are not divided by their Frobenius norms.": lambda phi_v, phi_a, *, k, xi: (
            (_cosines(_tangent(phi_v, k, xi)) - _cosines(_tangent(phi_a, k, xi))).square().mean()
        ),
        "the factor 1/N² is missing.": lambda phi_v, phi_a, *, k, xi: (
            _alignment(phi_v, phi_a, k=k, xi=xi) * len(phi_v) ** 2
        ),
        "you compare each picture with its own sound. Eq. 4 never does: it compares pairs of pictures with pairs of "
        "sounds.": lambda phi_v, phi_a, *, k, xi: (1 - F.cosine_similarity(phi_v, phi_a, dim=1)).mean(),
        "you clip each coordinate separately in "
        "Eq. 1, which turns the row: scale the whole row by one number.": lambda phi_v, phi_a, *, k, xi: _eq4(
            _cosines(_by_coordinate(phi_v, k, xi)), _cosines(_by_coordinate(phi_a, k, xi))
        ),
        "your cosines are between columns: each row is one video.": lambda phi_v, phi_a, *, k, xi: _eq4(
            _cosines(phi_v.T), _cosines(phi_a.T)
        ),
    },
    praise="This check cannot see whether you used Eqs. 1 and 3, nor which k. Why? Notebook 09 comes back to it.",
)
