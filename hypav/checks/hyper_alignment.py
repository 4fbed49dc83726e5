"""Checks of notebook 06: Eq. 1 and Eq. 3 in a row, Eq. 4, and both together."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from hypav import geometry
from hypav.checks.framework import Case, FunctionCheck


def _rows(seed: int, rows: int, columns: int) -> Tensor:
    """Embeddings as after a ReLU, their lengths spread over a factor of about ten."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(rows, columns, generator=generator, dtype=torch.float64).relu()
    return x * torch.exp(0.8 * torch.randn(rows, 1, generator=generator, dtype=torch.float64))


def _length(x: Tensor) -> Tensor:
    return x.norm(dim=1, keepdim=True)


def _points(phi: Tensor, k: float, xi: float) -> Tensor:
    return geometry.project(phi, k=k, xi=xi)


def _tangent(phi: Tensor, *, k: float, xi: float = 1e-3) -> Tensor:
    return geometry.logmap0(_points(phi, k, xi), k=k)


def _short_and_long() -> list[Case]:
    """Rows inside the ball, in its margin and outside; neither k is -1, which would hide a missing root."""
    direction = F.normalize(_rows(2, 6, 4) + 0.1, dim=1)
    lengths = torch.tensor([0.1, 0.4, 0.8, 0.93, 1.5, 6.0], dtype=torch.float64).unsqueeze(1)
    return [((direction * lengths / abs(k) ** 0.5,), {"k": k, "xi": 0.1}) for k in (-0.25, -0.6)]


def _wrong_radius(phi: Tensor, k: float, xi: float) -> Tensor:
    limit = (1 - xi) / abs(k) ** 0.5
    return geometry.logmap0(limit * F.normalize(phi, dim=1), k=k)


tangent = FunctionCheck(
    "Eq. 1 and Eq. 3 in a row",
    _tangent,
    _short_and_long(),
    {
        "Eq. 3 is missing: you return points of the ball, not tangent vectors.": lambda phi, *, k, xi: (
            _points(phi, k, xi)
        ),
        "Eq. 1 is missing: clip the rows before you take the log map.": lambda phi, *, k, xi: (
            geometry.logmap0(phi, k=k)
        ),
        "you take the exponential map. Eq. 3 is the log map: it leaves the ball.": lambda phi, *, k, xi: (
            geometry.expmap0(_points(phi, k, xi), k=k)
        ),
        "you take the exponential map of the raw rows. Eq. 1 clips them, and Eq. 3 is the log map.": (
            lambda phi, *, k, xi: geometry.expmap0(phi, k=k)
        ),
        "you stretch the short rows to the rim as well. Eq. 1 leaves a row inside the ball as it is.": (
            lambda phi, *, k, xi: _wrong_radius(phi, k, xi)
        ),
        "you pass no xi to Eq. 1: the margin is an argument of your function.": lambda phi, *, k, xi: (
            _tangent(phi, k=k, xi=1e-3)
        ),
        "you return the length of the arrows. The tangent vectors themselves are asked for.": (
            lambda phi, *, k, xi: _length(_tangent(phi, k=k, xi=xi))
        ),
        "your arrows are twice as long: they have the length of the geodesic. At the origin Eq. 3 divides it by 2.": (
            lambda phi, *, k, xi: 2 * _tangent(phi, k=k, xi=xi)
        ),
        "you used |k| where the curvature belongs. k is negative here, so pass it as it is.": (
            lambda phi, *, k, xi: geometry.logmap0(geometry.project(phi, k=k, xi=xi), k=-k)
        ),
    },
    praise="Each row is multiplied by one positive number. Which property of a row can that not change?",
)


def _cosines(x: Tensor) -> Tensor:
    unit = F.normalize(x, dim=1)
    return unit @ unit.T


def _eq4(m_v: Tensor, m_a: Tensor) -> Tensor:
    return (m_v / m_v.norm() - m_a / m_a.norm()).square().mean()


def _of(x: Tensor, y: Tensor) -> Tensor:
    return _eq4(_cosines(x), _cosines(y))


def _arrows() -> list[Case]:
    """Tangent vectors of two modalities; one pair has entries of any sign."""
    generator = torch.Generator().manual_seed(3)
    signed = torch.randn(2, 6, 4, generator=generator, dtype=torch.float64)
    return [((_rows(4, 5, 8), _rows(5, 5, 8)), {}), ((signed[0], 3 * signed[1]), {})]


eq4 = FunctionCheck(
    "Eq. 4",
    _of,
    _arrows(),
    {
        "the matrices are not normalised. Divide each by its Frobenius norm.": lambda v, a: (
            (_cosines(v) - _cosines(a)).square().mean()
        ),
        "you normalise each row of the matrices separately, as Tung and Mori do. The paper divides the whole matrix "
        "by one number.": lambda v, a: (
            (F.normalize(_cosines(v), dim=1) - F.normalize(_cosines(a), dim=1)).square().mean()
        ),
        "the factor 1/N² is missing.": lambda v, a: len(v) ** 2 * _of(v, a),
        "you divide by N. The sum runs over N² entries.": lambda v, a: len(v) * _of(v, a),
        "the difference is not squared: you return its Frobenius norm over N².": lambda v, a: (
            (_of(v, a) * len(v) ** 2).sqrt() / len(v) ** 2
        ),
        "you subtract first and normalise afterwards, which gives 1/N² for all matrices. Normalise each one first.": (
            lambda v, a: torch.ones((), dtype=v.dtype) / len(v) ** 2
        ),
        "your similarities are inner products. Eq. 4 takes cosines: divide each row by its length.": lambda v, a: (
            _eq4(v @ v.T, a @ a.T)
        ),
        "you compare each video with its own sound. Eq. 4 compares videos with videos, and sounds with sounds.": (
            lambda v, a: (1 - F.cosine_similarity(v, a[:, : v.shape[1]], dim=1)).mean()
        ),
        "your cosines are between columns. A row is one video.": lambda v, a: _eq4(
            _cosines(v.T), _cosines(a.T)
        ),
        "you take absolute differences. The Frobenius norm squares them.": lambda v, a: (
            (_cosines(v) / _cosines(v).norm() - _cosines(a) / _cosines(a).norm()).abs().mean()
        ),
    },
    praise="It is 0 if the sounds are arranged as the pictures are, up to one common factor.",
)


def _alignment(phi_v: Tensor, phi_a: Tensor, *, k: float, xi: float = 1e-3) -> Tensor:
    return _of(_tangent(phi_v, k=k, xi=xi), _tangent(phi_a, k=k, xi=xi))


def _in_space(phi: Tensor, k: float, xi: float) -> Tensor:
    return -geometry.pairwise_distance(_points(phi, k, xi), k=k)


def _by_coordinate(phi: Tensor, k: float, xi: float) -> Tensor:
    limit = (1 - xi) / abs(k) ** 0.5
    return phi.clamp(-limit, limit)


def _inner(phi: Tensor, k: float, xi: float) -> Tensor:
    arrows = _tangent(phi, k=k, xi=xi)
    return arrows @ arrows.T


alignment = FunctionCheck(
    "Your alignment loss",
    _alignment,
    [
        ((_rows(seed, 6, 5), _rows(seed + 1, 6, 5)), {"k": k, "xi": 0.01})
        for seed, k in ((6, -0.25), (8, -0.6))
    ],
    {
        "your similarities are inner products. Eq. 4 takes cosines. Keep this version: notebook 09 needs it.": (
            lambda phi_v, phi_a, *, k, xi: _eq4(_inner(phi_v, k, xi), _inner(phi_a, k, xi))
        ),
        "you compare points by their distance in the ball. The paper compares tangent vectors by cosines.": (
            lambda phi_v, phi_a, *, k, xi: _eq4(_in_space(phi_v, k, xi), _in_space(phi_a, k, xi))
        ),
        "the matrices are not divided by their Frobenius norms.": lambda phi_v, phi_a, *, k, xi: (
            (_cosines(phi_v) - _cosines(phi_a)).square().mean()
        ),
        "the factor 1/N² is missing.": lambda phi_v, phi_a, *, k, xi: len(phi_v) ** 2 * _of(phi_v, phi_a),
        "you divide by N. The sum runs over N² entries.": lambda phi_v, phi_a, *, k, xi: (
            len(phi_v) * _of(phi_v, phi_a)
        ),
        "you compare each video with its own sound. Eq. 4 compares videos with videos, and sounds with sounds.": (
            lambda phi_v, phi_a, *, k, xi: (1 - F.cosine_similarity(phi_v, phi_a, dim=1)).mean()
        ),
        "you clip each coordinate separately, which turns the row. Eq. 1 scales the whole row by one number.": (
            lambda phi_v, phi_a, *, k, xi: _eq4(
                _cosines(_by_coordinate(phi_v, k, xi)), _cosines(_by_coordinate(phi_a, k, xi))
            )
        ),
        "your cosines are between columns. A row is one video.": lambda phi_v, phi_a, *, k, xi: _eq4(
            _cosines(phi_v.T), _cosines(phi_a.T)
        ),
    },
    praise="The check cannot see whether you used Eq. 1 and Eq. 3, nor which radius you took. Why not?",
)
