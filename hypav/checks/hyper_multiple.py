"""Checks of notebook 08: Eq. 7, a head that compares distances, and the correlation of heads."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from hypav import geometry
from hypav.checks import hyper_alignment, hyper_single
from hypav.checks.framework import Case, FunctionCheck


def _embeddings(seed: int) -> tuple[Tensor, Tensor]:
    """phi_v and phi_a (6, 5) as after a ReLU, with lengths on both sides of the balls' radii."""
    generator = torch.Generator().manual_seed(seed)
    phi = torch.randn(2, 6, 5, generator=generator, dtype=torch.float64).relu() + 0.05
    lengths = torch.exp(torch.linspace(-1, 2.5, 6, dtype=torch.float64)).unsqueeze(1)
    return phi[0] * lengths, phi[1] * lengths.flip(0)


def _heads() -> list[Case]:
    """Embeddings with three and with two heads."""
    cases: list[Case] = []
    for seed, N_c in ((1, 3), (2, 2)):
        generator = torch.Generator().manual_seed(seed)
        k = -0.1 - torch.rand(6, N_c, generator=generator, dtype=torch.float64)
        cases.append(((*_embeddings(seed), k), {"xi": 0.01}))
    return cases


def _losses(
    phi_v: Tensor, phi_a: Tensor, k: Tensor, xi: float, loss: Callable[..., Tensor] | None = None
) -> Tensor:
    """Eq. 4, or another loss of tangent vectors, of each head."""
    loss = loss or hyper_alignment.eq4.reference
    tangent = hyper_single.row_tangent.reference
    heads = [column.unsqueeze(1) for column in k.unbind(dim=1)]
    return torch.stack([loss(tangent(phi_v, c, xi=xi), tangent(phi_a, c, xi=xi)) for c in heads])


def _of_heads(loss: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """The same mistake in Eq. 4, made in every head."""
    return lambda phi_v, phi_a, k, *, xi: _losses(phi_v, phi_a, k, xi, loss).mean()


multi_head = FunctionCheck(
    "Eq. 7",
    lambda phi_v, phi_a, k, *, xi=1e-3: _losses(phi_v, phi_a, k, xi).mean(),
    _heads(),
    {
        "you add the heads' losses. Eq. 7 divides their sum by N_c.": lambda phi_v, phi_a, k, *, xi: _losses(
            phi_v, phi_a, k, xi
        ).sum(),
        "you return one loss per head. Eq. 7 is their mean.": lambda phi_v, phi_a, k, *, xi: _losses(
            phi_v, phi_a, k, xi
        ),
        "you divide by the number of videos. Eq. 7 divides by the number of heads.": lambda phi_v, phi_a, k, *, xi: (
            _losses(phi_v, phi_a, k, xi).sum() / len(k)
        ),
        **{
            sentence: _of_heads(wrong)
            for sentence, wrong in hyper_alignment.eq4.mistakes.items()
            if "subtract first" not in sentence
        },
    },
    praise="N_c copies of Eq. 4 and their mean: with the curvatures of the layer, this is Hyper-multiple.",
)


def _distances(phi: Tensor, k: float, scale: float = 0.1) -> Tensor:
    return geometry.pairwise_distance(geometry.expmap0(scale * phi, k=k), k=k)


def _gap(one: Tensor, other: Tensor) -> Tensor:
    return (one - other).square().mean()


def _normalised(m: Tensor) -> Tensor:
    return m / m.norm()


def _as_points(phi: Tensor, k: float) -> Tensor:
    return geometry.pairwise_distance(geometry.project(0.1 * phi, k=k, xi=1e-3), k=k)


distance_head = FunctionCheck(
    "The loss of a head that compares distances",
    lambda phi_v, phi_a, k: _gap(_distances(phi_v, k), _distances(phi_a, k)),
    [((*_embeddings(seed), k), {}) for seed, k in ((3, -0.6), (4, 0.0), (5, 0.3))],
    {
        "the factor 0.1 is missing.": lambda phi_v, phi_a, k: _gap(
            _distances(phi_v, k, 1.0), _distances(phi_a, k, 1.0)
        ),
        "you use 0.1 φ as a point of the space. It is a tangent vector: apply the exponential map.": (
            lambda phi_v, phi_a, k: _gap(_as_points(phi_v, k), _as_points(phi_a, k))
        ),
        "your matrices are divided by their Frobenius norms. Here there is no norm.": lambda phi_v, phi_a, k: (
            _gap(_normalised(_distances(phi_v, k)), _normalised(_distances(phi_a, k)))
        ),
        "you take cosines. This head compares distances.": lambda phi_v, phi_a, k: (
            hyper_alignment.eq4.reference(phi_v, phi_a)
        ),
        "the factor 1/N² is missing: take the mean over all pairs.": lambda phi_v, phi_a, k: (
            _gap(_distances(phi_v, k), _distances(phi_a, k)) * len(phi_v) ** 2
        ),
        "you take absolute differences. Square them.": lambda phi_v, phi_a, k: (
            (_distances(phi_v, k) - _distances(phi_a, k)).abs().mean()
        ),
        "you measure each video's distance to its own sound. Compare distances between videos with distances between "
        "sounds.": lambda phi_v, phi_a, k: (
            geometry.distance(geometry.expmap0(0.1 * phi_v, k=k), geometry.expmap0(0.1 * phi_a, k=k), k=k)
            .square()
            .mean()
        ),
        "your distances are flat: k does not enter.": lambda phi_v, phi_a, k: _gap(
            _distances(phi_v, 0.0), _distances(phi_a, 0.0)
        ),
        "the sign of k is lost.": lambda phi_v, phi_a, k: _gap(
            _distances(phi_v, -abs(k)), _distances(phi_a, -abs(k))
        ),
    },
    praise="One head of the preset `curved`. It takes hyperbolic, flat and spherical curvatures.",
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
    praise="Near 1: where one head has a high curvature, the others have too. Near 0: each goes its own way.",
)
