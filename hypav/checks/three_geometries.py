"""Checks of notebook 02: tan_k and artan_k for every sign of k, artan_k through k = 0 with its slope, the distance."""

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


_X = torch.tensor([0.0, 0.3, 0.8], dtype=torch.float64)
_KS: list[Case] = [((_X,), {"k": k}) for k in (-0.25, 0.0, 0.49)]


def _of_sign(
    ball: Callable[[Tensor], Tensor],
    sphere: Callable[[Tensor], Tensor],
    x: Tensor,
    k: float,
    inside: float,
    outside: float,
) -> Tensor:
    """One function for k < 0, one for k > 0, and x itself at k = 0, with coefficients that can be wrong."""
    if k == 0:
        return x
    return (ball if k < 0 else sphere)(inside * x) / outside


_artan, _tan = partial(_of_sign, torch.atanh, torch.atan), partial(_of_sign, torch.tanh, torch.tan)


def _artan_at_zero(x: Tensor, k: float) -> Tensor:
    """The closed forms, which give 0/0 at k = 0."""
    return torch.full_like(x, torch.nan) if k == 0 else geometry.artan_k(x, k=k)


artan_k = FunctionCheck(
    "artan_k for every sign of k",
    lambda x, *, k: geometry.artan_k(x, k=k),
    _KS,
    {
        "the signs are reversed: "
        "k < 0 is hyperbolic and has artanh, k > 0 is spherical and has arctan.": lambda x, *, k: (
            geometry.artan_k(x, k=-k)
        ),
        "k = 0 gives "
        "NaN: 0/0 in the closed form. It is a case of its own, where artan_k(x) = x.": lambda x, *, k: (
            _artan_at_zero(x, k)
        ),
        "k = 0 gives 0, but flat space keeps its lengths: artan_0(x) = x.": lambda x, *, k: (
            0 * x if k == 0 else geometry.artan_k(x, k=k)
        ),
        "the argument has |k| instead of √|k|: a square root is missing.": lambda x, *, k: _artan(
            x, k, abs(k), _root(k)
        ),
        "the division by √|k| is missing.": lambda x, *, k: _artan(x, k, _root(k), 1.0),
        "you divide by |k|, not by its square root.": lambda x, *, k: _artan(x, k, _root(k), abs(k)),
        "this is tan_k: artan_k is its inverse.": lambda x, *, k: geometry.tan_k(x, k=k),
        "you took |k| first, which turns the sphere into a ball: use arctan for k > 0.": lambda x, *, k: (
            geometry.artan_k(x, k=-abs(k))
        ),
        "this is the distance, twice artan_k.": lambda x, *, k: 2 * geometry.artan_k(x, k=k),
    },
    praise="With this function, ⊕ gives the distance in all three geometries.",
)


tan_k = FunctionCheck(
    "tan_k for every sign of k",
    lambda r, *, k: geometry.tan_k(r, k=k),
    _KS,
    {
        "the signs are reversed: k < 0 is hyperbolic and has tanh, k > 0 is spherical and has tan.": (
            lambda r, *, k: geometry.tan_k(r, k=-k)
        ),
        "k = 0 gives 0, but flat space keeps its lengths: tan_0(r) = r.": lambda r, *, k: (
            0 * r if k == 0 else geometry.tan_k(r, k=k)
        ),
        "k = 0 gives NaN: it needs a line of its own, tan_0(r) = r.": lambda r, *, k: (
            torch.full_like(r, torch.nan) if k == 0 else geometry.tan_k(r, k=k)
        ),
        "the argument has |k| instead of √|k|: a square root is missing.": lambda r, *, k: _tan(
            r, k, abs(k), _root(k)
        ),
        "the division by √|k| is missing.": lambda r, *, k: _tan(r, k, _root(k), 1.0),
        "you divide by |k|, not by its square root.": lambda r, *, k: _tan(r, k, _root(k), abs(k)),
        "this is artan_k: tan_k is its inverse.": lambda r, *, k: geometry.artan_k(r, k=k),
        "you took |k| first, which turns the sphere into a ball: use tan for k > 0.": lambda r, *, k: (
            geometry.tan_k(r, k=-abs(k))
        ),
    },
    praise="It turns half a distance into a norm on the map.",
)


def _with_slope(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function with its slope in k as a second value."""

    def both(x: Tensor, *, k: Tensor) -> Any:
        k = k.clone().requires_grad_()
        value = function(x, k=k)
        if not isinstance(value, Tensor):
            return value
        slope = torch.autograd.grad(value.sum(), k)[0] if value.requires_grad else torch.zeros_like(k)
        return {"value": value.detach(), "slope in k": slope}

    return both


def _through_zero(
    x: Tensor,
    k: Tensor,
    *,
    a: float = -1 / 3,
    b: float = 1 / 5,
    guarded: bool = True,
    near: float = 1e-3,
    sign: float = 1.0,
) -> Tensor:
    """artan_k by a series for |u| < near and by the closed forms elsewhere, with parts that can be missing or wrong."""
    u = k * x**2
    small = u.abs() < near
    if guarded:  # each closed form has an argument of its own
        ball = torch.where((sign * u < 0) & ~small, u.abs(), 0.25).sqrt()
        sphere = torch.where((sign * u >= 0) & ~small, u.abs(), 1.0).sqrt()
    else:
        ball = sphere = u.abs().sqrt()
    closed = torch.where(sign * u < 0, ball.atanh() / ball, sphere.atan() / sphere)
    return x * torch.where(small, 1 + a * u + b * u**2, closed)


def _one_root(x: Tensor, *, k: Tensor) -> Tensor:
    u = k * x**2
    small = u.abs() < 1e-3
    root = torch.where(small, 1.0, u).abs().sqrt()
    closed = torch.where(u < 0, root.atanh(), root.atan()) / root
    return x * torch.where(small, 1 - u / 3 + u**2 / 5, closed)


def _only_at_zero(x: Tensor, *, k: Tensor) -> Tensor:
    safe = torch.where(k == 0, 1.0, k)
    return torch.where(k == 0, x, geometry.artan_k(x, k=safe))


_ROWS: list[Case] = [
    (
        (torch.tensor([[0.8], [0.9], [0.7], [0.9], [1.1], [0.9], [1.5], [1.0]], dtype=torch.float64),),
        {
            "k": torch.tensor(
                [[-0.6], [-9e-4], [-1e-9], [0.0], [6e-4], [0.3], [2.0], [1.0]], dtype=torch.float64
            )
        },
    )
]

artan_through_zero = FunctionCheck(
    "artan_k through k = 0",
    lambda x, *, k: geometry.artan_k(x, k=k),
    _ROWS,
    {
        "the values are right, but slopes are NaN: torch.where also differentiates the branch that it does not take. At "
        "k = 0 that is a division by 0. Put a harmless number there first.": partial(
            _through_zero, guarded=False
        ),
        "the values are right, but slopes are NaN at kx² = 1: artanh is differentiated there too, although it is not "
        "taken. Give each closed form an argument of its own.": _one_root,
        "k = 0 gives NaN: use the series where |kx²| is small.": partial(
            _through_zero, guarded=False, near=0.0
        ),
        "the values are right, but the slope at k = 0 is 0: x alone does not contain k. Use the series there.": (
            _only_at_zero
        ),
        "the values are right, but no slope reaches k: leave out detach, item and float.": lambda x, *, k: (
            geometry.artan_k(x, k=k.detach())
        ),
        "the sign of the first term is reversed: for k > 0, artan_k(x) is less than x. The series begins 1 - u/3.": (
            lambda x, *, k: _through_zero(x, k, a=1 / 3)
        ),
        "the sign of the second term is reversed: the signs alternate, 1 - u/3 + u²/5.": partial(
            _through_zero, b=-1 / 5
        ),
        "the series stops too early for a good slope: u²/5 is missing.": partial(_through_zero, b=0.0),
        "these are the factorials of the sine: ∫t² dt = x³/3, without a factorial.": partial(
            _through_zero, a=-1 / 6, b=1 / 120
        ),
        "the integral is missing: 1 - u + u² is the series of 1/(1 + u). Integrate it first.": partial(
            _through_zero, a=-1.0, b=1.0
        ),
        "the series is used for every k: for large |u| it is far off. Use the closed forms there.": partial(
            _through_zero, near=100.0
        ),
        "k < 0 has artanh and k > 0 has arctan: you have them the other way round.": partial(
            _through_zero, sign=-1.0
        ),
        "the factor x in front is missing.": lambda x, *, k: _through_zero(x, k) / x,
    },
    praise="Value and slope are right on both sides of 0, and at 0.",
    seen=_with_slope,
)


def _apart(x: Tensor, y: Tensor, k: Tensor) -> Tensor:
    return geometry.mobius_add(-x, y, k=k).norm(dim=-1, keepdim=True)


def _pairs() -> list[Case]:
    generator = torch.Generator().manual_seed(6)
    k = torch.tensor([[-0.6], [-0.1], [0.0], [0.2], [0.8]], dtype=torch.float64)
    x, y = 0.4 * torch.randn(2, 5, 3, generator=generator, dtype=torch.float64)
    return [((x, y), {"k": k})]


distance_k = FunctionCheck(
    "The distance in three geometries",
    lambda x, y, *, k: geometry.distance(x, y, k=k),
    _pairs(),
    {
        "this is half of the distance: at the centre λ = 2, so a factor 2 is missing.": lambda x, y, *, k: (
            geometry.distance(x, y, k=k) / 2
        ),
        "you measured x ⊕ y: the walk from x to y is -x ⊕ y.": lambda x, y, *, k: geometry.distance(
            -x, y, k=k
        ),
        "this is 2‖x - y‖ for every k, the distance in flat space.": lambda x, y, *, k: (
            2 * (x - y).norm(dim=-1)
        ),
        "you measured y - x with artan_k: the walk from x to y is -x ⊕ y.": lambda x, y, *, k: (
            2 * geometry.artan_k((y - x).norm(dim=-1, keepdim=True), k=k).squeeze(-1)
        ),
        "the norm of -x ⊕ y is not yet a distance: artan_k is missing.": lambda x, y, *, k: (
            2 * _apart(x, y, k).squeeze(-1)
        ),
        "you used tan_k: artan_k turns a norm on the map into half a distance.": lambda x, y, *, k: (
            2 * geometry.tan_k(_apart(x, y, k), k=k).squeeze(-1)
        ),
        "the sign of k is reversed.": lambda x, y, *, k: geometry.distance(x, y, k=-k),
        "you use one k for all rows: each row has its own.": lambda x, y, *, k: geometry.distance(
            x, y, k=k.mean().item()
        ),
        "you take |k|, which turns each sphere into a ball.": lambda x, y, *, k: geometry.distance(
            x, y, k=-k.abs()
        ),
    },
    praise="One formula, three geometries, and a curvature of its own for every row.",
)
