"""Checks of notebook 01: Eq. 1 and 2, exp and log at the centre, the distance, and a tree drawn with them."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor

from hypav import geometry
from hypav.checks.framework import Case, FunctionCheck


def _root(k: float) -> float:
    return math.sqrt(abs(k))


def _norm(x: Tensor) -> Tensor:
    return x.norm(dim=-1, keepdim=True)


def _dot(x: Tensor, y: Tensor) -> Tensor:
    return (x * y).sum(-1, keepdim=True)


def _pairs() -> list[Case]:
    """Points well inside the balls of two curvatures; neither is -1, which would hide a missing root."""
    return _pairs_of((-0.25, -0.6))


def _pairs_of(ks: tuple[float, ...]) -> list[Case]:
    generator = torch.Generator().manual_seed(3)
    cases: list[Case] = []
    for k in ks:
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
        "your radius is 1/k². R = 1/√|k|: take a square root, not a square.": lambda x, *, k, xi: _cut(
            x, k, (1 - xi) / k**2
        ),
        "your limit is R - ξ. Eq. 1 takes the share ξ off the radius: the limit is (1 - ξ)R.": lambda x, *, k, xi: (
            _cut(x, k, 1 / _root(k) - xi)
        ),
        "long rows are multiplied by (1 - ξ)R, but not divided by their own norm: first make a unit vector.": (
            lambda x, *, k, xi: torch.where(_norm(x) > (1 - xi) / _root(k), x * (1 - xi) / _root(k), x)
        ),
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


def _mobius_of_the_batch(x: Tensor, y: Tensor, *, k: float) -> Tensor:
    xy, xx, yy = (x * y).sum(), (x * x).sum(), (y * y).sum()
    return ((1 - 2 * k * xy - k * yy) * x + (1 + k * xx) * y) / (1 - 2 * k * xy + k**2 * xx * yy)


mobius_add = FunctionCheck(
    "Eq. 2, Möbius addition",
    lambda x, y, *, k: geometry.mobius_add(x, y, k=k),
    _pairs_of((-0.25, -0.6, 0.3)),
    {
        "for k < 0 this is right, but for k > 0 it is not: put -k in the place of |c|, not abs(k). Notebook 02 uses your "
        "function for both signs.": lambda x, y, *, k: _quotient(_mobius(x, y, -abs(k))),
        "the sign of k is reversed: Eq. 2 is written with |c|, which is -k in the ball.": lambda x, y, *, k: (
            _quotient(_mobius(x, y, -k))
        ),
        "the last term of the denominator has |k| where Eq. 2 has |c|², that is k².": lambda x, y, *, k: (
            _quotient(_mobius(x, y, k, square=-k))
        ),
        "you computed y ⊕ x: Möbius addition does not commute. The factor of the first point contains ‖y‖².": (
            lambda x, y, *, k: _quotient(_mobius(y, x, k))
        ),
        "this is x + y: in curved space the sum needs Eq. 2.": lambda x, y, *, k: x + y,
        "the factor 2 before the inner product is missing.": lambda x, y, *, k: _quotient(
            _mobius(x, y, k, two=1.0)
        ),
        "the denominator of Eq. 2 is missing.": lambda x, y, *, k: _mobius(x, y, k)[0],
        "the norms are not squared: Eq. 2 has ‖x‖² and ‖y‖².": _mobius_unsquared,
        "one inner product serves all rows together: sum along the last dimension, with keepdim=True.": (
            _mobius_of_the_batch
        ),
    },
    praise="It moves the whole ball without changing a distance, and it holds for every k.",
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
        "you measured x ⊕ y: the walk from x to y is -x ⊕ y, as it is -x + y in flat space.": lambda x, y, *, k: (
            _distance(geometry.mobius_add(x, y, k=k), k)
        ),
        "you measured -x + y with the curved formula: the walk from x to y is -x ⊕ y.": lambda x, y, *, k: (
            _distance(y - x, k)
        ),
        "this is 2‖x - y‖, the distance in flat space.": lambda x, y, *, k: 2 * (x - y).norm(dim=-1),
        "arctan measures on the sphere (k > 0): in the ball it is artanh, torch.atanh.": lambda x, y, *, k: (
            2 * (_root(k) * _gap(x, y, k).norm(dim=-1)).atan() / _root(k)
        ),
    },
    praise="It is built from your log and your ⊕ alone.",
)


def _points() -> list[Case]:
    return [((x,), {"k": k}) for (x, _), k in ((args, kwargs["k"]) for args, kwargs in _pairs())]


def _radial(
    along: Callable[[Tensor], Tensor],
    x: Tensor,
    k: float,
    *,
    inside: float | None = None,
    outside: float | None = None,
) -> Tensor:
    """along(√|k| ‖x‖)/√|k| x/‖x‖ with coefficients that can be wrong."""
    inside = _root(k) if inside is None else inside
    return along(inside * _norm(x)) / (_root(k) if outside is None else outside) * x / _norm(x)


_log0, _exp0 = partial(_radial, torch.atanh), partial(_radial, torch.tanh)


logmap0 = FunctionCheck(
    "Eq. 3 at the centre, log_0",
    lambda x, *, k: geometry.logmap0(x, k=k),
    _points(),
    {
        "artanh contains |k| instead of √|k|: a square root is missing.": lambda x, *, k: _log0(
            x, k, inside=abs(k)
        ),
        "√|k| is missing inside artanh.": lambda x, *, k: _log0(x, k, inside=1.0),
        "the division by √|k| is missing.": lambda x, *, k: _log0(x, k, outside=1.0),
        "you divide by |k|, not by its square root.": lambda x, *, k: _log0(x, k, outside=abs(k)),
        "this is exp_0: log_0 is its inverse, with artanh in the place of tanh.": lambda x, *, k: (
            geometry.expmap0(x, k=k)
        ),
        "this arrow is as long as the distance. At the centre λ = 2, so the arrow of log_0 is half as long.": (
            lambda x, *, k: 2 * _log0(x, k)
        ),
        "the length is multiplied by x, not by the unit vector x/‖x‖.": lambda x, *, k: (
            _log0(x, k) * _norm(x)
        ),
        "this is the unit vector alone: multiply it by artanh(√|k| ‖x‖)/√|k|.": lambda x, *, k: x / _norm(x),
        "you took one norm for all rows together: take it along the last dimension, with keepdim=True.": (
            lambda x, *, k: (_root(k) * x.norm()).atanh() / _root(k) * x / x.norm()
        ),
        "arctan belongs to the sphere (k > 0): in the ball it is artanh, torch.atanh.": lambda x, *, k: (
            (_root(k) * _norm(x)).atan() / _root(k) * x / _norm(x)
        ),
    },
    praise="It multiplies each row by a positive number. Remember that.",
)


expmap0 = FunctionCheck(
    "exp_0, from an arrow to a point",
    lambda v, *, k: geometry.expmap0(v, k=k),
    _points(),
    {
        "tanh contains |k| instead of √|k|: a square root is missing.": lambda v, *, k: _exp0(
            v, k, inside=abs(k)
        ),
        "√|k| is missing inside tanh.": lambda v, *, k: _exp0(v, k, inside=1.0),
        "the division by √|k| is missing.": lambda v, *, k: _exp0(v, k, outside=1.0),
        "you divide by |k|, not by its square root.": lambda v, *, k: _exp0(v, k, outside=abs(k)),
        "this is log_0: exp_0 is its inverse, with tanh in the place of artanh.": lambda v, *, k: (
            geometry.logmap0(v, k=k)
        ),
        "the half is too much: an arrow of length 1 at the centre reaches the distance 2, as λ = 2.": lambda v, *, k: (
            geometry.expmap0(v / 2, k=k)
        ),
        "the length is multiplied by v, not by the unit vector v/‖v‖.": lambda v, *, k: (
            _exp0(v, k) * _norm(v)
        ),
        "you took one norm for all rows together: take it along the last dimension, with keepdim=True.": (
            lambda v, *, k: (_root(k) * v.norm()).tanh() / _root(k) * v / v.norm()
        ),
    },
    praise="log_0 undoes it.",
)

Edges = list[tuple[Tensor, Tensor]]


def _grown(
    x: Tensor,
    home: float,
    depth: int,
    *,
    k: float,
    edge: float,
    turns: tuple[float, ...] = (2 * math.pi / 3, -2 * math.pi / 3),
    step: Callable[[Tensor, Tensor, float], Tensor] = lambda x, arrow, k: geometry.mobius_add(
        x, geometry.expmap0(arrow, k=k), k=k
    ),
    back: Callable[[Tensor, Tensor, float, float], Tensor] = lambda child, x, angle, k: geometry.mobius_add(
        -child, x, k=k
    ),
    half: float = 0.5,
) -> Edges:
    """The edges of a tree below x, with parts that can be wrong."""
    if depth <= 0:
        return []
    edges: Edges = []
    for turn in turns:
        angle = torch.tensor(home + turn, dtype=torch.float64)
        child = step(x, half * edge * torch.stack([angle.cos(), angle.sin()]), k)
        towards = back(child, x, float(angle), k)
        home_again = math.atan2(float(towards[1]), float(towards[0]))
        below = _grown(
            child, home_again, depth - 1, k=k, edge=edge, turns=turns, step=step, back=back, half=half
        )
        edges += [(x, child), *below]
    return edges


def _unit(angle: float) -> Tensor:
    return torch.tensor([math.cos(angle), math.sin(angle)], dtype=torch.float64)


def _wrong_tree(**parts: Any) -> Callable[..., Edges]:
    return lambda x, home, depth, *, k, edge: _grown(x, home, depth, k=k, edge=edge, **parts)


def _in_order(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *args, **kwargs: _padded(function(*args, **kwargs), _MOST)


_MOST = 64  # more edges than any right or wrong tree of the cases has


def _padded(edges: Any, rows: int) -> Any:
    """The edges in one fixed order as a tensor (rows, 5): 1 and the four coordinates, then rows of zeros.

    What is not a list of pairs is given back as it is.
    """
    if edges is None or edges is ... or isinstance(edges, str):
        return edges
    flat = [torch.stack([torch.as_tensor(end).double() for end in pair]).flatten() for pair in edges]
    if len(flat) > rows:
        raise ValueError(f"it returns {len(flat)} edges, which are too many: does it stop at depth 0?")
    ordered = sorted(flat, key=lambda row: [round(number, 6) + 0.0 for number in row.tolist()])
    table = torch.zeros(rows, 5, dtype=torch.float64)
    for number, row in enumerate(ordered):
        table[number, 0], table[number, 1:] = 1.0, row
    return table


tree = FunctionCheck(
    "A tree by recursion",
    _grown,
    [
        ((torch.zeros(2, dtype=torch.float64), 0.0, 2), {"k": -0.36, "edge": 1.0}),
        ((torch.tensor([0.3, -0.2], dtype=torch.float64), 1.0, 3), {"k": -0.25, "edge": 1.2}),
    ],
    {
        "every edge is twice as long as it should be. At the centre λ = 2: an arrow of length ℓ/2 reaches ℓ.": (
            _wrong_tree(half=1.0)
        ),
        "you add the arrow itself: exp_0 must turn it into a point before ⊕.": _wrong_tree(
            step=lambda x, arrow, k: geometry.mobius_add(x, arrow, k=k)
        ),
        "you place the child at x + exp_0(arrow): use ⊕, or edges near the rim become too long.": _wrong_tree(
            step=lambda x, arrow, k: x + geometry.expmap0(arrow, k=k)
        ),
        "the order of the sum is reversed: first go to x, then along the arrow.": _wrong_tree(
            step=lambda x, arrow, k: geometry.mobius_add(geometry.expmap0(arrow, k=k), x, k=k)
        ),
        "the child looks on along the edge that led to it. Home is the direction of -child ⊕ x.": _wrong_tree(
            back=lambda child, x, angle, k: _unit(angle)
        ),
        "home of the child is the opposite of your direction only in flat space: compute it from -child ⊕ x.": (
            _wrong_tree(back=lambda child, x, angle, k: _unit(angle + math.pi))
        ),
        "you used child ⊕ x: the walk from the child to x is -child ⊕ x.": _wrong_tree(
            back=lambda child, x, angle, k: geometry.mobius_add(child, x, k=k)
        ),
        "x - child is the direction on the screen. Take -child ⊕ x, the way home in the ball.": _wrong_tree(
            back=lambda child, x, angle, k: x - child
        ),
        "there is one child at each vertex: two are asked for, at 120° to the left and to the right of home.": (
            _wrong_tree(turns=(2 * math.pi / 3,))
        ),
        "the children lie at 60° from home: three equal angles are 120° each, 2π/3.": _wrong_tree(
            turns=(math.pi / 3, -math.pi / 3)
        ),
        "there is one level too many: at depth 0 return an empty list.": lambda x, home, depth, *, k, edge: (
            _grown(x, home, depth + 1, k=k, edge=edge)
        ),
        "there is one level only: call my_tree for each child, and add its edges.": lambda x, home, depth, *, k, edge: (
            _grown(x, home, 1, k=k, edge=edge)
        ),
    },
    praise="Every point of it comes from your own functions.",
    seen=_in_order,
)
