"""Checks of notebook 09: the factor of Eqs. 1 and 3, a test for any loss, and a loss that depends on its curvature."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from hypav import geometry
from hypav.checks.framework import Case, FunctionCheck, PropertyCheck
from hypav.checks.hyper_alignment import eq4

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
        "this is the length of the result. The factor is that length divided by r.": lambda r, *, k: (
            r * _scale(r, k)
        ),
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
    praise="It is positive for every row and every k. The cosine divides it out: that is the proof.",
)


def _factors() -> list[Case]:
    generator = torch.Generator().manual_seed(5)
    phi = torch.randn(2, 6, 4, generator=generator, dtype=torch.float64).relu() + 0.1
    factors = 0.5 + torch.rand(2, 6, 1, generator=generator, dtype=torch.float64)
    losses = (
        lambda v, a: (v @ v.T - a @ a.T).square().mean(),
        lambda v, a: (v.norm(dim=1) * a.norm(dim=1)).mean(),
        lambda v, a: -(v @ v.T).square().mean() - a.norm(),
    )
    return [((loss, *phi, *factors), {}) for loss in losses]


def _relative(before: Tensor, after: Tensor) -> Tensor:
    return (after - before).abs() / before.abs()


change = FunctionCheck(
    "The relative change of a loss",
    lambda loss, v, a, f, g: _relative(loss(v, a), loss(f * v, g * a)),
    _factors(),
    {
        "you multiply the rows of the pictures only. Multiply those of the sounds, too.": lambda loss, v, a, f, g: (
            _relative(loss(v, a), loss(f * v, a))
        ),
        "you multiply the rows of the sounds only. Multiply those of the pictures, too.": lambda loss, v, a, f, g: (
            _relative(loss(v, a), loss(v, g * a))
        ),
        "you multiply both modalities by factors_v. The sounds have their own: factors_a.": lambda loss, v, a, f, g: (
            _relative(loss(v, a), loss(f * v, f * a))
        ),
        "you multiply both modalities by factors_a. The pictures have their own: factors_v.": lambda loss, v, a, f, g: (
            _relative(loss(v, a), loss(g * v, g * a))
        ),
        "you exchanged the factors: factors_v belongs to phi_v, factors_a to phi_a.": lambda loss, v, a, f, g: (
            _relative(loss(v, a), loss(g * v, f * a))
        ),
        "this is the absolute change. Divide it by the loss before.": lambda loss, v, a, f, g: (
            loss(f * v, g * a) - loss(v, a)
        ).abs(),
        "you divide by the loss after. The change is relative to the loss before.": lambda loss, v, a, f, g: (
            _relative(loss(f * v, g * a), loss(v, a))
        ),
        "this is the ratio of the losses. The change is its distance from 1.": lambda loss, v, a, f, g: (
            loss(f * v, g * a) / loss(v, a)
        ),
        "the absolute value is missing: a change may have any sign.": lambda loss, v, a, f, g: (
            (loss(f * v, g * a) - loss(v, a)) / loss(v, a)
        ),
        "you multiply all rows by the mean factor. Each row has its own.": lambda loss, v, a, f, g: _relative(
            loss(v, a), loss(f.mean() * v, g.mean() * a)
        ),
        "you add the factors. Multiply the rows by them.": lambda loss, v, a, f, g: _relative(
            loss(v, a), loss(f + v, g + a)
        ),
    },
    praise="If no positive factors change a loss, it cannot depend on the curvature of Eq. 1 and Eq. 3 at the origin.",
)


def _batches() -> list[Case]:
    """Equal modalities, and two batches at three curvatures each."""
    generator = torch.Generator().manual_seed(7)
    lengths = torch.exp(torch.linspace(0.5, 3, 8, dtype=torch.float64)).unsqueeze(1)
    v, a, w, b = torch.randn(4, 8, 5, generator=generator, dtype=torch.float64).relu() + 0.05
    v, a, w, b = lengths * v, lengths.flip(0) * a, 0.5 * lengths * w, 0.3 * b
    batches = [(v, v, -1.0), (v, v, 0.5)]
    batches += [(first, second, k) for first, second in ((v, a), (w, b)) for k in (-1.0, 0.0, 0.5)]
    return [((first, second), {"k": k}) for first, second, k in batches]


def _kernel(v: Tensor, a: Tensor, k: float) -> Tensor:
    matrices = []
    for phi in (v, a):
        similar = torch.exp(-geometry.pairwise_distance(geometry.expmap0(0.1 * phi, k=k), k=k))
        matrices.append(similar / similar.norm())
    return (matrices[0] - matrices[1]).square().mean()


def _close(x: Tensor, y: Tensor) -> bool:
    return bool((x - y).abs() <= 1e-6 * x.abs().clamp_min(1e-300))


loss = PropertyCheck(
    "A loss that depends on the curvature",
    lambda v, a, *, k: _kernel(v, a, k),
    _batches(),
    {
        "your loss has NaN or infinity. It must work for k < 0, k = 0 and k > 0: look for a square root or an artanh.": (
            lambda v, a, *, k: _kernel(v, a, k) * torch.tensor(-k, dtype=torch.float64).sqrt()
        ),
        "your loss is negative. A loss that compares two modalities is at least 0.": lambda v, a, *, k: (
            -_kernel(v, a, k)
        ),
        "your loss is not 0 if both modalities are equal.": lambda v, a, *, k: geometry.pairwise_distance(
            geometry.expmap0(0.1 * v, k=k), geometry.expmap0(0.1 * a, k=k), k=k
        ).mean(),
        "your loss is the same for every k.": lambda v, a, *, k: eq4.reference(v, a),
        "k only makes the whole loss larger or smaller. It must change how two batches compare.": lambda v, a, *, k: (
            (2 + k) * eq4.reference(v, a)
        ),
    },
    rules=[
        lambda values: all(bool(x.isfinite().all()) for x in values),
        lambda values: all(bool(x >= -1e-12) for x in values),
        lambda values: all(bool(x <= 1e-9 * max(y for y in values)) for x in values[:2]),
        lambda values: not (_close(values[2], values[3]) and _close(values[3], values[4])),
        lambda values: (
            not (
                _close(values[2] / values[5], values[3] / values[6])
                and _close(values[3] / values[6], values[4] / values[7])
            )
        ),
    ],
    praise="Another k changes more than its overall size. Whether this makes training better is another question.",
)
