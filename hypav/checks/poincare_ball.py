"""Checks of notebook 01: Eq. 1-3, distance, the length of a circle, the edge at which a tree fits."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from hypav import geometry
from hypav.checks.framework import FunctionCheck, NumberCheck
from hypav.figures import shapes

Case = tuple[tuple[Any, ...], dict[str, Any]]


def _root(k: float) -> float:
    return math.sqrt(abs(k))


def _norm(x: Tensor) -> Tensor:
    return x.norm(dim=-1, keepdim=True)


def _dot(x: Tensor, y: Tensor) -> Tensor:
    return (x * y).sum(-1, keepdim=True)


def _pairs() -> list[Case]:
    """Points well inside the balls of two curvatures; neither is -1, which would hide a missing root."""
    generator = torch.Generator().manual_seed(3)
    cases: list[Case] = []
    for k in (-0.25, -0.6):
        x, y = torch.randn(2, 5, 3, generator=generator, dtype=torch.float64)
        cases.append(((0.2 * x / _root(k), 0.2 * y / _root(k)), {"k": k}))
    return cases


def _cut(x: Tensor, k: float, radius: float, threshold: float | None = None) -> Tensor:
    """The rows, with those longer than the threshold shortened to the radius."""
    return torch.where(_norm(x) > (radius if threshold is None else threshold), x / _norm(x) * radius, x)


def _rows() -> list[Case]:
    """Vectors inside the ball, in the margin ξ, and outside; their lengths are in units of the ball's radius."""
    direction = torch.randn(5, 4, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    lengths = torch.tensor([0.2, 0.7, 0.93, 1.5, 6.0], dtype=torch.float64).unsqueeze(-1)
    return [
        ((direction / _norm(direction) * lengths / _root(k),), {"k": k, "xi": 0.1}) for k in (-0.25, -0.6)
    ]


project = FunctionCheck(
    "Eq. 1, the projection into the ball",
    lambda x, *, k, xi: geometry.project(x, k=k, xi=xi),
    _rows(),
    {
        "your ball has the radius 1/|k|, as Eq. 1 prints it. The ball of curvature k has 1/√|k|: a square root is "
        "missing.": lambda x, *, k, xi: _cut(x, k, (1 - xi) / abs(k)),
        "your ball has the "
        "radius √|k|, but a flatter space has a larger ball: the radius is 1/√|k|.": lambda x, *, k, xi: _cut(
            x, k, (1 - xi) * _root(k)
        ),
        "your points land "
        "on the rim itself, where the distance is infinite: the margin ξ is missing.": lambda x, *, k, xi: (
            _cut(x, k, 1 / _root(k))
        ),
        "rows between (1 - ξ)R and R stay where they are, but longer rows are cut to (1 - ξ)R, so that length would "
        "jump: compare with (1 - ξ)R.": lambda x, *, k, xi: _cut(x, k, (1 - xi) / _root(k), 1 / _root(k)),
        "you move every row to the rim, "
        "even rows that already lie inside: only rows longer than (1 - ξ)R change.": lambda x, *, k, xi: (
            x / _norm(x) * (1 - xi) / _root(k)
        ),
        "you cut each coordinate separately, "
        "which turns the point: scale the whole row by one number.": lambda x, *, k, xi: x.clamp(
            -(1 - xi) / _root(k), (1 - xi) / _root(k)
        ),
        "you took one norm "
        "for all rows together: take it along the last dimension, with keepdim=True.": lambda x, *, k, xi: (
            torch.where(x.norm() > (1 - xi) / _root(k), x / x.norm() * (1 - xi) / _root(k), x)
        ),
    },
    praise="The paper feeds phi_v and phi_a through this line.",
)


def _mobius(
    x: Tensor, y: Tensor, k: float, *, two: float = 2.0, square: float | None = None
) -> tuple[Tensor, Tensor]:
    """Numerator and denominator of Eq. 2, with a factor and the coefficient k² that can be wrong."""
    square = k**2 if square is None else square
    xy, xx, yy = _dot(x, y), _dot(x, x), _dot(y, y)
    return (1 - two * k * xy - k * yy) * x + (1 + k * xx) * y, 1 - two * k * xy + square * xx * yy


def _quotient(parts: tuple[Tensor, Tensor]) -> Tensor:
    return parts[0] / parts[1]


def _mobius_unsquared(x: Tensor, y: Tensor, *, k: float) -> Tensor:
    xy, xx, yy = _dot(x, y), _norm(x), _norm(y)
    return ((1 - 2 * k * xy - k * yy) * x + (1 + k * xx) * y) / (1 - 2 * k * xy + k**2 * xx * yy)


mobius_add = FunctionCheck(
    "Eq. 2, Möbius addition",
    lambda x, y, *, k: geometry.mobius_add(x, y, k=k),
    _pairs(),
    {
        "the sign of k is reversed: "
        "Eq. 2 is written with |c|, and |c| = -k. With +k you add on the sphere.": lambda x, y, *, k: (
            _quotient(_mobius(x, y, -k))
        ),
        "the last term of the denominator has |k| where Eq. 2 has |c|², that is k².": lambda x, y, *, k: (
            _quotient(_mobius(x, y, k, square=-k))
        ),
        "you computed y ⊕ x: Möbius "
        "addition does not commute, the first point is the one that is scaled by ‖y‖².": lambda x, y, *, k: (
            _quotient(_mobius(y, x, k))
        ),
        "this is x + y: in curved space the sum needs Eq. 2.": lambda x, y, *, k: x + y,
        "the factor 2 before the inner product is missing.": lambda x, y, *, k: _quotient(
            _mobius(x, y, k, two=1.0)
        ),
        "the denominator of Eq. 2 is missing.": lambda x, y, *, k: _mobius(x, y, k)[0],
        "the norms are not squared: Eq. 2 has ‖x‖² and ‖y‖².": _mobius_unsquared,
    },
    praise="This is how the ball adds: next it gives us distance.",
)


def _distance(u: Tensor, k: float, *, inside: float | None = None, outside: float | None = None) -> Tensor:
    """2 artanh(√|k| ‖u‖)/√|k| with coefficients that can be wrong; u is -x ⊕ y."""
    inside = _root(k) if inside is None else inside
    return 2 * (inside * u.norm(dim=-1)).atanh() / (_root(k) if outside is None else outside)


def _gap(x: Tensor, y: Tensor, k: float) -> Tensor:
    return geometry.mobius_add(-x, y, k=k)


distance = FunctionCheck(
    "The geodesic distance",
    lambda x, y, *, k: geometry.distance(x, y, k=k),
    _pairs(),
    {
        "this is half of the right value: "
        "the conformal factor at the centre is 2, so the distance has a factor 2.": lambda x, y, *, k: (
            _distance(_gap(x, y, k), k) / 2
        ),
        "artanh contains |k| instead of √|k|: a square root is missing.": lambda x, y, *, k: _distance(
            _gap(x, y, k), k, inside=abs(k)
        ),
        "the division by √|k| is missing: it turns the angle-like artanh into a length.": lambda x, y, *, k: (
            _distance(_gap(x, y, k), k, outside=1.0)
        ),
        "you divide by |k|, not by its square root.": lambda x, y, *, k: _distance(
            _gap(x, y, k), k, outside=abs(k)
        ),
        "you "
        "measured x ⊕ y: the way from x to y is -x ⊕ y, as it is y - x in flat space.": lambda x, y, *, k: (
            _distance(geometry.mobius_add(x, y, k=k), k)
        ),
        "this is 2‖x - y‖, the distance in flat space.": lambda x, y, *, k: 2 * (x - y).norm(dim=-1),
        "arctan measures on the sphere (k > 0): in the ball it is artanh, torch.atanh.": lambda x, y, *, k: (
            2 * (_root(k) * _gap(x, y, k).norm(dim=-1)).atan() / _root(k)
        ),
    },
    praise="With it everything else in this course is measured.",
)


def _logmap(z: Tensor, u: Tensor, k: float, factor: Tensor | float, *, inside: float | None = None) -> Tensor:
    """factor artanh(√|k| ‖u‖)/√|k| u/‖u‖, where u is -z ⊕ x and factor 2/λ."""
    inside = _root(k) if inside is None else inside
    return factor * (inside * _norm(u)).atanh() / _root(k) * u / _norm(u)


def _half(z: Tensor, k: float) -> Tensor:
    return 2 / geometry.conformal_factor(z, k=k)


logmap = FunctionCheck(
    "Eq. 3, the log map at z",
    lambda z, x, *, k: geometry.logmap(z, x, k=k),
    _pairs(),
    {
        "you multiply by λ/2 where Eq. "
        "3 divides: near the rim a step in the page is long, so the arrow is short.": lambda z, x, *, k: (
            _logmap(z, _gap(z, x, k), k, 1 / _half(z, k))
        ),
        "the factor 2/λ(z) is missing: it is 1 only at the centre.": lambda z, x, *, k: _logmap(
            z, _gap(z, x, k), k, 1.0
        ),
        "the factor is 1/λ(z), half of Eq. 3's 2/λ(z).": lambda z, x, *, k: _logmap(
            z, _gap(z, x, k), k, _half(z, k) / 2
        ),
        "the direction is not a unit vector: divide -z ⊕ x by its norm.": lambda z, x, *, k: (
            _logmap(z, _gap(z, x, k), k, _half(z, k)) * _norm(_gap(z, x, k))
        ),
        "your arrow starts at x: Eq. 3 has -z ⊕ x, as the tangent space is at z.": lambda z, x, *, k: _logmap(
            z, _gap(x, z, k), k, _half(z, k)
        ),
        "this is the log map at the centre, which ignores z: start from -z ⊕ x.": lambda z, x, *, k: (
            geometry.logmap0(x, k=k)
        ),
        "artanh contains |k| instead of √|k|: a square root is missing.": lambda z, x, *, k: _logmap(
            z, _gap(z, x, k), k, _half(z, k), inside=abs(k)
        ),
        "the division by √|k| is missing.": lambda z, x, *, k: (
            _logmap(z, _gap(z, x, k), k, _half(z, k)) * _root(k)
        ),
    },
    praise="The paper uses it at z = 0; the preset `curved` of this course at the batch's midpoint.",
)


def _radii() -> list[Case]:
    return [((torch.tensor([0.3, 1.0, 2.5], dtype=torch.float64),), {"k": k}) for k in (-0.25, -0.6)]


def _tanh_half(r: Tensor, k: float) -> Tensor:
    return (_root(k) * r / 2).tanh() / _root(k)


circle_length = FunctionCheck(
    "The length of a circle",
    lambda r, *, k: shapes.circle_length(r, k=k),
    _radii(),
    {
        "this is 2πr, the circle of flat space.": lambda r, *, k: 2 * math.pi * r,
        "this is the length on the page: a step is λ times as long in the space.": lambda r, *, k: (
            2 * math.pi * _tanh_half(r, k)
        ),
        "you used r as "
        "the norm of the points: a point at distance r has the norm tanh(√|k| r/2)/√|k|.": lambda r, *, k: (
            2 * math.pi * r * 2 / (1 + k * r**2)
        ),
        "this has |k| instead of √|k|: a square root is missing.": lambda r, *, k: (
            2 * math.pi * (abs(k) * r).sinh() / abs(k)
        ),
        "this is the area of the disc.": lambda r, *, k: shapes.disc_area(r, k=k),
        "this is "
        "the circle on the sphere, with sin instead of sinh: the sign of k is reversed.": lambda r, *, k: (
            shapes.circle_length(r, k=-k)
        ),
        "the "
        "half of r is missing: d(0, x) = 2 artanh(√|k|‖x‖)/√|k| gives tanh of √|k| r/2.": lambda r, *, k: (
            shapes.circle_length(2 * r, k=k)
        ),
    },
    praise="It grows like exp(√|k| r): there is room for a tree.",
)

_FIT = 2 * math.acosh(1 / math.sin(math.pi / 4))  # degree 4, k = -1

tree_edge = NumberCheck(
    "The shortest edge with which a tree of degree 4 fits in k = -0.16",
    _FIT / 0.4,
    {
        "this is the edge for k = -1: for k = -0.16 all lengths are 1/√0.16 times as long.": _FIT,
        "you divided by |k| instead of √|k|: a square root is missing.": _FIT / 0.16,
        "you multiplied by √|k|: a flatter space needs longer edges, not shorter.": _FIT * 0.4,
        "this is half an edge: arcosh gives ℓ/2.": _FIT / 0.8,
        "this is the edge for degree 3: the angle is π/4 here.": math.log(3) / 0.4,
        "you used |k| as the radius of curvature and multiplied by it.": _FIT * 0.16,
    },
    praise="Twice as much curvature, and edges may be 1/√2 as long.",
)
