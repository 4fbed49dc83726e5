"""Checks of notebook 09: the scalar of Eqs. 1 and 3, a slope by differences, Eq. 4's bound, a repair, a decision."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from hypav import geometry
from hypav.alignment import similarity_matrix
from hypav.checks.framework import FunctionCheck, PropertyCheck
from hypav.stats import t_interval, t_quantile

Case = tuple[tuple[Any, ...], dict[str, Any]]
XI = 1e-3


def _lengths() -> list[Case]:
    """Lengths inside, near and far outside balls of radius 2, 1.2 and 1."""
    r = torch.tensor([0.3, 0.9, 1.15, 1.6, 1.99, 5.0, 12.0], dtype=torch.float64)
    return [((r,), {"k": k}) for k in (-0.25, -0.7, -1.0)]


def _scale(
    r: Tensor, k: float, *, radius: Callable[[float], float] = lambda k: abs(k) ** -0.5, xi: float = XI
) -> Tensor:
    root, limit = math.sqrt(-k), (1 - xi) * radius(k)
    clipped = r.clamp(max=limit)
    return torch.atanh(root * clipped) / (root * r)


row_scale = FunctionCheck(
    "The number that Eqs. 1 and 3 multiply a row by",
    lambda r, *, k: _scale(r, k),
    _lengths(),
    {
        "you divided "
        "by the length after the clip: divide by r, the length of the original row.": lambda r, *, k: _scale(
            r.clamp(max=(1 - XI) * abs(k) ** -0.5), k
        ),
        "this is the length of the result, not the factor: divide by r.": lambda r, *, k: r * _scale(r, k),
        "you left Eq. 3 out: this is the factor of the clip alone.": lambda r, *, k: (
            r.clamp(max=(1 - XI) * abs(k) ** -0.5) / r
        ),
        "you left the clip out: artanh has no value for rows outside the ball.": lambda r, *, k: (
            torch.atanh(math.sqrt(-k) * r) / (math.sqrt(-k) * r)
        ),
        "artanh takes the length times √|k|; you gave it the length times |k|.": lambda r, *, k: (
            torch.atanh(-k * r.clamp(max=(1 - XI) * abs(k) ** -0.5)) / (-k * r)
        ),
        "the result of artanh "
        "must be divided by √|k| as well: it is a length in units of the ball's radius.": lambda r, *, k: (
            math.sqrt(-k) * _scale(r, k)
        ),
        "this is the factor of exp: "
        "tanh brings vectors into the ball, Eq. 3 takes points out of it with artanh.": lambda r, *, k: (
            torch.tanh(math.sqrt(-k) * r.clamp(max=(1 - XI) * abs(k) ** -0.5)) / (math.sqrt(-k) * r)
        ),
    },
    praise="It is positive for every row and every k, and that is the whole proof.",
)


def _functions() -> list[Case]:
    """A cubic, for which one-sided and central differences and other steps all give different numbers."""
    return [
        ((lambda k: k**3 + 2 * k, -0.4), {"h": 0.1}),
        ((lambda k: 1 / (1 - k), -0.2), {"h": 0.05}),
        ((lambda k: math.exp(3 * k), 0.1), {"h": 0.2}),
    ]


def _tensor(value: float) -> Tensor:
    return torch.tensor(value, dtype=torch.float64)


slope = FunctionCheck(
    "The slope by a central difference",
    lambda f, k, *, h: _tensor((f(k + h) - f(k - h)) / (2 * h)),
    _functions(),
    {
        "you divided by h, but the two places are 2h apart.": lambda f, k, *, h: _tensor(
            (f(k + h) - f(k - h)) / h
        ),
        "this is the one-sided "
        "difference, whose error shrinks with h and not with h²: go h to both sides.": lambda f, k, *, h: (
            _tensor((f(k + h) - f(k)) / h)
        ),
        "this is the one-sided difference to the left: go h to both sides.": lambda f, k, *, h: _tensor(
            (f(k) - f(k - h)) / h
        ),
        "your sign is wrong: take the value on the right minus the value on the left.": lambda f, k, *, h: (
            _tensor((f(k - h) - f(k + h)) / (2 * h))
        ),
        "Python computes from left to right: / 2 * h divides by 2 and multiplies by h. Write / (2 * h).": (
            lambda f, k, *, h: _tensor((f(k + h) - f(k - h)) / 2 * h)
        ),
        "this is the difference alone: divide it by 2h.": lambda f, k, *, h: _tensor(f(k + h) - f(k - h)),
        "you went h/2 to both sides, which has the width h, but divided by 2h.": lambda f, k, *, h: _tensor(
            (f(k + h / 2) - f(k - h / 2)) / (2 * h)
        ),
    },
    praise="It knows nothing of the formula, so it is a witness that autograd's zero is no bug.",
)


def _matrices() -> list[Case]:
    generator = torch.Generator().manual_seed(9)
    cases: list[Case] = []
    for n in (4, 7):
        v, a = torch.rand(2, n, 5, generator=generator, dtype=torch.float64)
        cases.append(((similarity_matrix(v, "cosine"), 3 * similarity_matrix(a, "inner")), {}))
    return cases


def _inner(m_v: Tensor, m_a: Tensor) -> Tensor:
    return (m_v * m_a).sum() / (m_v.norm() * m_a.norm())


gap = FunctionCheck(
    "Eq. 4 from one inner product",
    lambda m_v, m_a: (2 - 2 * _inner(m_v, m_a)) / m_v.numel(),
    _matrices(),
    {
        "you left out 1/N²: Eq. 4 is a mean over all N² pairs.": lambda m_v, m_a: 2 - 2 * _inner(m_v, m_a),
        "you divided by N; there are N² pairs.": lambda m_v, m_a: (2 - 2 * _inner(m_v, m_a)) / len(m_v),
        "divide "
        "the two matrices by their Frobenius norms before you take the inner product.": lambda m_v, m_a: (
            (2 - 2 * (m_v * m_a).sum()) / m_v.numel()
        ),
        "|A − B|² = |A|² + |B|² − 2<A, B>: the 2 before the inner product is missing.": lambda m_v, m_a: (
            (2 - _inner(m_v, m_a)) / m_v.numel()
        ),
        "|A|² + |B|² is 2 here, not 1.": lambda m_v, m_a: (1 - _inner(m_v, m_a)) / m_v.numel(),
        "this is the norm of the difference; Eq. 4 has its square.": lambda m_v, m_a: (
            (2 - 2 * _inner(m_v, m_a)).sqrt() / m_v.numel()
        ),
        "the inner product of "
        "two matrices multiplies entry by entry; you took the sum of the matrix product.": lambda m_v, m_a: (
            (2 - 2 * (m_v @ m_a).sum() / (m_v.norm() * m_a.norm())) / m_v.numel()
        ),
    },
    praise="The inner product of two such matrices is never negative, so Eq. 4 never exceeds 2/N².",
)


def _points() -> list[Case]:
    """The same six points, well inside every one of the balls, with three curvatures."""
    generator = torch.Generator().manual_seed(7)
    x = torch.randn(6, 3, generator=generator, dtype=torch.float64)
    x = x / x.norm(dim=1, keepdim=True) * torch.linspace(0.1, 0.9, 6, dtype=torch.float64)[:, None]
    return [((x,), {"k": k}) for k in (-1.0, -0.4, -0.05)]


def _same(matrices: list[Tensor]) -> bool:
    first = matrices[0]
    return all(torch.allclose(m, first, rtol=0, atol=1e-8 * float(first.abs().max())) for m in matrices)


def _off_diagonal(m: Tensor) -> Tensor:
    return m[~torch.eye(len(m), dtype=torch.bool)].mean()


similarity = PropertyCheck(
    "A similarity that feels the curvature",
    lambda x, *, k: torch.exp(-geometry.pairwise_distance(x, k=k).square()),
    _points(),
    {
        "your matrix has NaN "
        "or infinity in it: look for a square root of a negative number or artanh of 1.": lambda x, *, k: (
            torch.atanh(x @ x.T * 9)
        ),
        "your matrix is not symmetric: i must be as similar to j as j is to i.": lambda x, *, k: (
            torch.softmax(-geometry.pairwise_distance(x, k=k), dim=1)
        ),
        "in your matrix "
        "a point is less similar to itself than to the others: use minus the distance.": lambda x, *, k: (
            geometry.pairwise_distance(x, k=k)
        ),
        "your matrix "
        "is the same for every k: it uses nothing that k changes, as cosines use no lengths.": lambda x, *, k: (
            similarity_matrix(geometry.logmap0(x, k=k), "cosine")
        ),
        "k only makes the whole matrix "
        "larger or smaller, and the Frobenius norm of Eq. 4 divides that out again.": lambda x, *, k: (
            -k * (x @ x.T)
        ),
        "k only adds a number to the whole matrix. It must change how alike two "
        "points are compared with two others.": lambda x, *, k: (
            similarity_matrix(geometry.logmap0(x, k=k), "cosine") + abs(k)
        ),
    },
    rules=[
        lambda ms: all(bool(m.isfinite().all()) for m in ms),
        lambda ms: all(torch.allclose(m, m.T) for m in ms),
        lambda ms: all(bool(m.diagonal().mean() > _off_diagonal(m)) for m in ms),
        lambda ms: not _same(ms),
        lambda ms: not _same([m / m.norm() for m in ms]),
        lambda ms: not _same([(m - m.mean()) / (m - m.mean()).norm() for m in ms]),
    ],
    praise="Its M moves with k after the normalisation too. Whether training is the better for it is another question.",
)


def _runs() -> list[Case]:
    """Differences paired by seed, each list with a different trap: five seeds with a given t, and ten with outliers."""
    pattern = torch.tensor([-1.2, 0.9, -0.5, 1.0, -0.2], dtype=torch.float64)
    pattern = (pattern - pattern.mean()) / pattern.std()
    # Student's t is 2.78 here: 2.6 passes with n in place of n - 1 for t and for s, 2.53 for s alone, 2.3 with 0.95,
    # and 2.05 with 1.96 alone
    sets = [pattern + t / 5**0.5 for t in (9.0, -3.5, 2.6, -2.6, 2.53, 2.3, 2.05, 0.5)]
    wide = [0.4, 0.9, 1.3, -0.1, 0.8, 0.5, 1.0, 0.2, 0.6, 0.7]  # clear, although one seed is below
    return [((differences,), {}) for differences in (*sets, torch.tensor(wide, dtype=torch.float64))]


def _decide(d: Tensor, half: Tensor | float) -> Tensor:
    return _tensor(float(d.mean() > half) - float(d.mean() < -half))


def _decision(d: Tensor) -> Tensor:
    interval = t_interval(d)
    return _tensor(math.copysign(1.0, interval.mean) if interval.excludes_zero else 0.0)


def _t(d: Tensor) -> float:
    return t_quantile(0.975, len(d) - 1)


decision = FunctionCheck(
    "A decision from paired differences",
    _decision,
    _runs(),
    {
        "you used "
        "only the mean: without its interval you do not know what ten other seeds would give.": lambda d: (
            _decide(d, 0.0)
        ),
        "you took 1.96; with few seeds Student's t is wider: t_quantile(0.975, n - 1).": lambda d: _decide(
            d, 1.96 * d.std() / len(d) ** 0.5
        ),
        "you left out √n: s is the spread of single seeds, s/√n that of their mean.": lambda d: _decide(
            d, _t(d) * d.std()
        ),
        "you required "
        "all seeds to agree, which is another question: take the interval of the mean.": lambda d: _tensor(
            float(bool((d > 0).all())) - float(bool((d < 0).all()))
        ),
        "you divided by n in the standard deviation; n - 1 is right, and torch's default.": lambda d: _decide(
            d, _t(d) * d.std(correction=0) / len(d) ** 0.5
        ),
        "with n differences there are n - 1 degrees of freedom, not n: t_quantile(0.975, n - 1).": lambda d: (
            _decide(d, t_quantile(0.975, len(d)) * d.std() / len(d) ** 0.5)
        ),
        "you took "
        "t_quantile(0.95, …), which leaves 5 % on each side: for a 95 % interval it is 0.975.": lambda d: (
            _decide(d, t_quantile(0.95, len(d) - 1) * d.std() / len(d) ** 0.5)
        ),
        "your sign is wrong: +1 is for differences above 0.": lambda d: -_decision(d),
    },
    praise="0 is an answer too: it says what the runs cannot decide, not that there is nothing.",
)
