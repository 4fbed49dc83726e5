"""Checks of notebook 08: Eq. 7, the weights of the heads, the sphere, mixtures of geometries, correlation of heads."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from hypav.checks.framework import FunctionCheck, NumberCheck

Case = tuple[tuple[Any, ...], dict[str, Any]]


def _matrices() -> list[Case]:
    """Similarity matrices of three and of two heads, of different sizes, positive like those of ReLU features."""
    generator = torch.Generator().manual_seed(8)
    shapes = ((3, 4, 4), (2, 5, 5))
    return [
        (tuple(0.2 + torch.rand(2, *shape, generator=generator, dtype=torch.float64)), {}) for shape in shapes
    ]


def _frobenius(m: Tensor) -> Tensor:
    return m / m.norm(dim=(1, 2), keepdim=True)


def _gap(m_v: Tensor, m_a: Tensor) -> Tensor:
    return _frobenius(m_v) - _frobenius(m_a)


def _mean_matrix(m_v: Tensor, m_a: Tensor) -> Tensor:
    return _gap(m_v.mean(dim=0, keepdim=True), m_a.mean(dim=0, keepdim=True)).square().mean()


multiple_loss = FunctionCheck(
    "Eq. 7 on top of Eq. 4",
    lambda m_v, m_a: _gap(m_v, m_a).square().mean(),
    _matrices(),
    {
        "you added the heads' losses: "
        "Eq. 7 divides their sum by N_c, so that more heads do not mean a heavier term.": lambda m_v, m_a: (
            _gap(m_v, m_a).square().mean(dim=(1, 2)).sum()
        ),
        "you averaged the matrices and then compared once. Eq. 7 compares in every head and averages the losses: in "
        "an average of matrices, differences of opposite sign would cancel.": _mean_matrix,
        "you averaged the "
        "normalised matrices and then compared once: Eq. 7 compares in every head first.": lambda m_v, m_a: (
            _gap(m_v, m_a).mean(dim=0).square().mean()
        ),
        "you took one Frobenius norm "
        "for all heads together: each head normalises its own matrix, norm(dim=(1, 2)).": lambda m_v, m_a: (
            (m_v / m_v.norm() - m_a / m_a.norm()).square().mean()
        ),
        "the matrices are not normalised: Eq. 4 divides each by its Frobenius norm.": lambda m_v, m_a: (
            (m_v - m_a).square().mean()
        ),
        "the factor 1/N² of Eq. 4 is missing.": lambda m_v, m_a: (
            _gap(m_v, m_a).square().sum(dim=(1, 2)).mean()
        ),
        "you divided by N where Eq. 4 has N².": lambda m_v, m_a: (
            _gap(m_v, m_a).square().sum(dim=(1, 2)).mean() / m_v.shape[1]
        ),
        "Eq. 4 has the square of the norm, you have the norm itself.": lambda m_v, m_a: (
            _gap(m_v, m_a).norm(dim=(1, 2)) / m_v.shape[1] ** 2
        ).mean(),
    },
    praise="N_c copies of Eq. 4 and their mean: that is all of Hyper-multiple, once its curvatures are there.",
)

extra_weights = NumberCheck(
    "The number of weights that Hyper-multiple with N_c = 3 adds to AVCA",
    600 * 3 + 3,
    {
        "the biases are missing: one per head.": 600 * 3,
        "the layer reads φ_v and φ_a together, 600 numbers and not 300.": 300 * 3 + 3,
        "this is one head, Hyper-single.": 601,
        "you gave each modality a layer of its own: both share the curvature that one layer gives.": 2 * 1803,
        "there is one bias per head, not one for all.": 1801,
        "this is a layer for θ, which has 64 numbers: Eq. 6 reads φ.": 2 * 64 * 3 + 3,
    },
    praise="One in a thousand of AVCA's 1 693 108: if heads help, it is not because the network became larger.",
    tolerance=2e-4,
)


def _points() -> list[Case]:
    """Points from near the centre to far beyond the equator of two spheres; curvature 1 would hide a missing root."""
    direction = torch.randn(5, 4, generator=torch.Generator().manual_seed(9), dtype=torch.float64)
    lengths = torch.tensor([0.2, 0.8, 1.5, 4.0, 12.0], dtype=torch.float64).unsqueeze(-1)
    x = direction / direction.norm(dim=1, keepdim=True) * lengths
    return [((x,), {"k": k}) for k in (0.2, 0.5)]


def _scaled(x: Tensor, k: float) -> Tensor:
    return math.sqrt(k) * x.norm(dim=-1)


sphere_angle = FunctionCheck(
    "The angle at which a point of the page lies on the sphere",
    lambda x, *, k: 2 * _scaled(x, k).atan(),
    _points(),
    {
        "it is half of "
        "the angle: a step of length 1 at the centre of the page is 2 long in the space.": lambda x, *, k: (
            _scaled(x, k).atan()
        ),
        "arctan contains k instead of √k.": lambda x, *, k: 2 * (k * x.norm(dim=-1)).atan(),
        "this is the distance from the centre, 2 arctan(√k‖x‖)/√k. The sphere's radius is 1/√k: multiply by √k for "
        "the angle.": lambda x, *, k: 2 * _scaled(x, k).atan() / math.sqrt(k),
        "you treated φ as an arrow at the "
        "centre, as `expmap0` does: 2√k‖φ‖. `printed` treats it as a point of the page.": lambda x, *, k: (
            2 * _scaled(x, k)
        ),
        "these are degrees: give the answer in radians.": lambda x, *, k: torch.rad2deg(
            2 * _scaled(x, k).atan()
        ),
        "this is the angle to the antipode: measure from the centre.": lambda x, *, k: (
            math.pi - 2 * _scaled(x, k).atan()
        ),
        "you clipped the points to a "
        "ball of radius 1/√k, but a sphere has no rim: Eq. 1 does not change its points.": lambda x, *, k: (
            2 * _scaled(x, k).clamp_max(1.0).atan()
        ),
    },
    praise="At ‖x‖ = 1/√k it is 90°, the equator; no x reaches 180°.",
)

third_mixture = FunctionCheck(
    "The loss of S+S from those of E+E and E+S",
    lambda ee, es: 2 * es - ee,
    [
        ((torch.tensor(ee, dtype=torch.float64), torch.tensor(es, dtype=torch.float64)), {})
        for ee, es in ((0.8, 0.6), (1.0, 0.7))
    ],
    {
        "this is E+S minus E+E: half of a difference of heads, not a loss.": lambda ee, es: es - ee,
        "you exchanged E and S: this would be E+E if S+S were given.": lambda ee, es: 2 * ee - es,
        "this lies between E+E and E+S; S+S lies on the far side of E+S.": lambda ee, es: (ee + es) / 2,
        "this is 2 L(E+S), the sum of both heads: subtract the head E.": lambda ee, es: 2 * es,
        "you subtracted half "
        "a head from 2 L(E+S): E+E is the mean of two equal heads, so it is a whole head.": lambda ee, es: (
            2 * es - ee / 2
        ),
        "losses of heads are averaged, not multiplied.": lambda ee, es: es * es / ee,
    },
    praise="Six mixtures, three numbers: on one batch a mixture can show nothing that its heads do not show alone.",
)


def _curvatures() -> list[Case]:
    """Curvatures of samples in three heads, which differ in spread and are partly correlated."""
    generator = torch.Generator().manual_seed(10)
    cases: list[Case] = []
    for n in (6, 9):
        common, separate = torch.randn(n, 1, generator=generator), torch.randn(n, 3, generator=generator)
        spread = torch.tensor([1.0, 2.0, 0.5])
        cases.append(((-0.4 * ((common + separate) * spread).double().sigmoid(),), {}))
    return cases


def _off_diagonal(matrix: Tensor) -> Tensor:
    h = len(matrix)
    return (matrix.sum() - matrix.diagonal().sum()) / (h * (h - 1))


def _cosine(k: Tensor) -> Tensor:
    unit = k / k.norm(dim=0)
    return unit.T @ unit


head_correlation = FunctionCheck(
    "The mean correlation of two different heads",
    lambda k: _off_diagonal(torch.corrcoef(k.T)),
    _curvatures(),
    {
        "your mean includes the diagonal: each head agrees with itself, which says nothing.": lambda k: (
            torch.corrcoef(k.T).mean()
        ),
        "you "
        "correlated samples with samples: torch.corrcoef takes one row per head, so transpose.": lambda k: (
            _off_diagonal(torch.corrcoef(k))
        ),
        "this is the covariance: divide by both standard deviations.": lambda k: _off_diagonal(
            torch.cov(k.T)
        ),
        "you took the cosine of the columns without subtracting their means: all curvatures "
        "have the same sign, so this is near 1 for all heads.": lambda k: _off_diagonal(_cosine(k)),
        "you divided "
        "by all H² entries after leaving the diagonal out: there are H(H - 1) other entries.": lambda k: (
            _off_diagonal(torch.corrcoef(k.T)) * (k.shape[1] - 1) / k.shape[1]
        ),
        "you took "
        "the absolute values: heads that disagree, with a correlation below 0, are not alike.": lambda k: (
            _off_diagonal(torch.corrcoef(k.T).abs())
        ),
        "this is the correlation of the first two heads alone: take all pairs.": lambda k: torch.corrcoef(
            k.T
        )[0, 1],
    },
    praise="Near 1: the heads rank the samples alike. Near 0: each has an order of its own.",
)
