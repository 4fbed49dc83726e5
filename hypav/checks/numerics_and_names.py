"""Checks of appendix A1: a log map that survives the rim, a distance near it, and the names of curvature."""

from __future__ import annotations

import math
from functools import partial

import torch
from torch import Tensor

from hypav.checks.framework import Case, FunctionCheck


def _root(k: float) -> float:
    return math.sqrt(abs(k))


def _turned_signs(name: str, value: float) -> Tensor:
    return _k(name, value) * (-1 if name in ("paper c", "geoopt Stereographic k") else 1)


def _radius_unsigned(name: str, value: float) -> Tensor:
    return _k(name, value).abs() if name == "ball radius" else _k(name, value)


def _k(name: str, value: float, *, sign: float = -1.0, softplus: bool = True, radius: float = -2.0) -> Tensor:
    """k from a value in another library's convention, with a sign, a map and a power that can be wrong."""
    if name in ("paper c", "geoopt Stereographic k"):
        return torch.tensor(value, dtype=torch.float64)
    if name == "ball radius":
        return torch.tensor(-(value**radius), dtype=torch.float64)
    if name == "HypLL Curvature" and softplus:
        value = math.log1p(math.exp(value))
    return torch.tensor(sign * value, dtype=torch.float64)


_NAMES: list[Case] = [
    (("paper c", -0.4), {}),
    (("geoopt Stereographic k", 0.3), {}),
    (("released --curvature", 0.2), {}),
    (("geoopt PoincareBall c", 0.7), {}),
    (("MERU curv", 1.5), {}),
    (("HypLL Curvature", 0.25), {}),
    (("ball radius", 2.5), {}),
]

sectional_curvature = FunctionCheck(
    "The sectional curvature k behind seven names",
    _k,
    _NAMES,
    {
        "you kept the plus sign of the libraries whose c is positive: it means −k there.": partial(
            _k, sign=1.0
        ),
        "HypLL's Curvature(value) is not value: it goes through softplus first.": partial(_k, softplus=False),
        "the radius of the ball is 1/√|k|: so k = −1/R², with a square.": partial(_k, radius=-1.0),
        "the radius is not the curvature: a larger ball is flatter, k = −1/R².": partial(_k, radius=1.0),
        "a larger ball is flatter: k = −1/R², and you have −R².": partial(_k, radius=2.0),
        "the paper's c and geoopt's k already have their sign: do not change them.": _turned_signs,
        "you made "
        "everything negative, but geoopt's k > 0 is a sphere and keeps its sign.": lambda name, value: (
            -_k(name, value).abs()
        ),
        "the radius of a ball has no sign, but its k has: −1/R².": _radius_unsigned,
    },
    praise="Write it down next to every number that you take from another repository.",
)


def _rows() -> list[Case]:
    """Rows at zero, inside, on the rim and beyond it."""
    ray = torch.randn(5, 3, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    lengths = torch.tensor([0.0, 0.4, 0.97, 1.0, 3.0], dtype=torch.float64).unsqueeze(-1)
    return [
        ((ray / ray.norm(dim=-1, keepdim=True) * lengths / _root(k),), {"k": k, "eps": 1e-2})
        for k in (-0.25, -0.6)
    ]


def _log0(
    x: Tensor, k: float, *, most: float | None = None, inside: float | None = None, least: float = 1e-15
) -> Tensor:
    """log_0 with artanh's argument clamped to `most` and the norm to `least`."""
    norm = x.norm(dim=-1, keepdim=True).clamp_min(least)
    s = (_root(k) if inside is None else inside) * norm
    s = s if most is None else s.clamp_max(most)
    return s.atanh() / _root(k) * x / norm


def _log0_norm_clamped(x: Tensor, k: float, eps: float) -> Tensor:
    norm = x.norm(dim=-1, keepdim=True).clamp_min(1e-15)
    return (_root(k) * norm.clamp_max(1 - eps)).atanh() / _root(k) * x / norm


safe_logmap0 = FunctionCheck(
    "log at 0 that survives the rim and the zero row",
    lambda x, *, k, eps: _log0(x, k, most=1 - eps),
    _rows(),
    {
        "rows on the rim and beyond "
        "are still infinite or NaN: artanh's argument must be at most 1 − eps.": lambda x, *, k, eps: _log0(
            x, k
        ),
        "you clamp at 1, where artanh is infinite: clamp at 1 − eps.": lambda x, *, k, eps: _log0(
            x, k, most=1.0
        ),
        "a zero row gives NaN, 0/0: clamp the norm above 0 before you divide by it.": lambda x, *, k, eps: (
            _log0(x, k, most=1 - eps, least=0.0)
        ),
        "you clamp the norm, "
        "but artanh's argument is √|k|·norm: for k = −0.25 the rim is at norm 2.": lambda x, *, k, eps: (
            _log0_norm_clamped(x, k, eps)
        ),
        "NaN and infinity became 0, so that "
        "the longest features are now the shortest: clamp before artanh instead.": lambda x, *, k, eps: _log0(
            x, k
        ).nan_to_num(0.0, 0.0, 0.0),
        "artanh contains |k| instead of √|k|: a square root is missing.": lambda x, *, k, eps: _log0(
            x, k, most=1 - eps, inside=abs(k)
        ),
        "the division by √|k| is missing.": lambda x, *, k, eps: _log0(x, k, most=1 - eps) * _root(k),
        "you subtract the margin eps from every row: only rows beyond it may change.": lambda x, *, k, eps: (
            _log0(x * (1 - eps), k, most=1 - eps)
        ),
    },
    praise="It stays finite at the rim and at 0.",
)


def _near_the_rim() -> list[Case]:
    """float32 pairs between 0.01 and 0.000001 of the radius away from the rim."""
    rays = torch.randn(2, 5, 4, generator=torch.Generator().manual_seed(8), dtype=torch.float64)
    share = 1 - 10.0 ** -torch.arange(2, 7, dtype=torch.float64).unsqueeze(-1)
    x, y = (share * rays / rays.norm(dim=-1, keepdim=True)).float()
    return [((x, y), {"k": -1.0}), ((2 * x, 2 * y), {"k": -0.25})]


def _quotient(x: Tensor, y: Tensor, k: float) -> Tensor:
    """-k|x - y|²/((1 + k|x|²)(1 + k|y|²)), in the dtype of the points."""
    return -k * (x - y).square().sum(-1) / ((1 + k * x.square().sum(-1)) * (1 + k * y.square().sum(-1)))


def _steady(x: Tensor, y: Tensor, k: float) -> Tensor:
    return _quotient(x.double(), y.double(), k)


def _textbook(x: Tensor, y: Tensor, *, k: float) -> Tensor:
    xy, xx, yy = ((a * b).sum(-1, keepdim=True) for a, b in ((-x, y), (x, x), (y, y)))
    walk = ((1 - 2 * k * xy - k * yy) * -x + (1 + k * xx) * y) / (1 - 2 * k * xy + k**2 * xx * yy)
    return 2 * (_root(k) * walk.norm(dim=-1)).atanh() / _root(k)


steady_distance = FunctionCheck(
    "A distance that is right near the rim",
    lambda x, y, *, k: 2 * _steady(x, y, k).sqrt().asinh() / _root(k),
    _near_the_rim(),
    {
        "this is the formula with ⊕ and artanh, in float32: near the rim it has lost all digits.": _textbook,
        "the formula is right, but the points are still float32: convert them with .double() before you subtract.": (
            lambda x, y, *, k: 2 * _quotient(x, y, k).sqrt().asinh() / _root(k)
        ),
        "the factor 2 is missing.": lambda x, y, *, k: _steady(x, y, k).sqrt().asinh() / _root(k),
        "the square root inside arsinh is missing.": lambda x, y, *, k: (
            2 * _steady(x, y, k).asinh() / _root(k)
        ),
        "the division by √|k| is missing.": lambda x, y, *, k: 2 * _steady(x, y, k).sqrt().asinh(),
        "you divide by |k|, not by its square root.": lambda x, y, *, k: (
            2 * _steady(x, y, k).sqrt().asinh() / abs(k)
        ),
        "the factor -k inside the root is missing.": lambda x, y, *, k: (
            2 * (_steady(x, y, k) / abs(k)).sqrt().asinh() / _root(k)
        ),
        "this is arcosh: the formula has arsinh, torch.asinh.": lambda x, y, *, k: (
            2 * _steady(x, y, k).sqrt().acosh() / _root(k)
        ),
        "‖x - y‖ is not squared.": lambda x, y, *, k: (
            2 * (_steady(x, y, k) / (x.double() - y.double()).norm(dim=-1)).sqrt().asinh() / _root(k)
        ),
    },
    praise="Only 1 + k‖x‖² loses digits, and you compute it in float64.",
    tolerance=1e-5,
)
