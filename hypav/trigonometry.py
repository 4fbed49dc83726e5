"""tan_k and artan_k, the one pair of functions in which the three geometries differ.

    artan_k(x) = ∫₀ˣ dt/(1 + kt²) = artanh(√-k x)/√-k (k < 0),  x (k = 0),  arctan(√k x)/√k (k > 0)

They are written as x·g(kx²) and x·h(kx²). The ratios g and h are smooth in u = kx², so nothing divides by x, by √|k|
or by k, and the derivative in k is right on both sides of k = 0. geoopt's are not used for that reason. Measured at
x = 1, where d artan_k/dk is -0.333 at k = 0: geoopt's is
-1654 in float32 at k = -2e-8, and has the wrong sign in both dtypes for -1e-8 <= k < 0.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from hypav.errors import SettingError

__all__ = ["artan_k", "artan_ratio", "finite_curvature", "rim_margin", "tan_k", "tan_ratio"]

# Where the closed forms of g' and h' lose digits to cancellation: artanh's argument squared, from -0.6 to 2.
NEAR = (-0.6, 2.0)


def artan_k(x: Tensor, *, k: float | Tensor) -> Tensor:
    """artan_k(x), elementwise; k broadcasts against x. Worked in float64, rounded to x's dtype.

    Beyond the ball (√-k|x| >= 1) the argument is clamped to 1 - eps of x's dtype, which protects artanh.

    Raises:
        SettingError: k is NaN or infinite.
    """
    wide, k = x.double(), finite_curvature(k, x.device)
    square, square_low = _two_product(wide, wide)
    u, u_low = _two_product(k, square)
    w = ((1 + u) + (u_low + k * square_low)).clamp_min(rim_margin(x.dtype))
    return (wide * artan_ratio(k * wide**2, w)).to(x.dtype)


def tan_k(x: Tensor, *, k: float | Tensor) -> Tensor:
    """tan_k(x), the inverse of artan_k: tanh(√-k x)/√-k, x or tan(√k x)/√k; elementwise, k broadcasts against x.

    Raises:
        SettingError: k is NaN or infinite.
    """
    wide, k = x.double(), finite_curvature(k, x.device)
    return (wide * tan_ratio(k * wide**2)).to(x.dtype)


def artan_ratio(u: Tensor, w: Tensor) -> Tensor:
    """g(u) = artanh(√-u)/√-u, 1 or arctan(√u)/√u, in float64.

    Args:
        u: kx².
        w: 1 + u > 0, given apart because near the rim (u = -1) it holds digits that u cannot. Where the caller has
            clamped it, g keeps the slope 1/w of the clamped point, as the released code's artanh does.
    """
    return _ArtanRatio.apply(u, w.detach())


def tan_ratio(v: Tensor) -> Tensor:
    """h(v) = tanh(√-v)/√-v, 1 or tan(√v)/√v, in float64; v = kx²."""
    return _TanRatio.apply(v)


def finite_curvature(k: float | Tensor, device: torch.device | None = None) -> Tensor:
    """k as a float64 tensor that gradients flow through; SettingError where it is NaN or infinite."""
    k = torch.as_tensor(k, dtype=torch.float64, device=device)
    if not bool(k.isfinite().all()):
        raise SettingError("The curvature k holds NaN or an infinite number: look at what computed it.")
    return k


def rim_margin(dtype: torch.dtype) -> float:
    """1 - (1 - eps)²: the least 1 + k|x|² that we give a point of the open ball."""
    return 2 * torch.finfo(dtype).eps


class _ArtanRatio(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, u: Tensor, w: Tensor) -> Tensor:
        s = u.abs().sqrt()
        # artanh(s) = log((1 + s)²/(1 - s²))/2, with 1 - s² = w; the clamps only touch what where() drops or s
        # > 1
        near_rim = torch.log1p(s.clamp_max(1.0)) - w.clamp_max(1.0).log() / 2
        artanh = torch.where(u > NEAR[0], s.clamp_max(0.8).atanh(), near_rim)
        g = torch.where(s > 0, torch.where(u < 0, artanh, s.atan()) / s, 1.0)
        ctx.save_for_backward(u, w, g)
        return g

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        return grad * _artan_ratio_slope(*ctx.saved_tensors), None


class _TanRatio(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, v: Tensor) -> Tensor:
        s = v.abs().sqrt()
        h = torch.where(s > 0, torch.where(v < 0, s.tanh(), s.tan()) / s, 1.0)
        ctx.save_for_backward(v, h)
        return h

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        v, h = ctx.saved_tensors
        s = v.abs().sqrt()
        w = torch.where(v < 0, s.cosh(), s.cos()) ** -2
        near = (v > -1.5) & (v < 1.5)
        slope = 2 * w * _sine_gap(torch.where(near, v, 0.0))
        return grad * torch.where(near, slope, (w - h) / (2 * torch.where(near, 1.0, v)))


def _artan_ratio_slope(u: Tensor, w: Tensor, g: Tensor) -> Tensor:
    """g'(u), from (1/w - g)/2u."""
    near = (u > NEAR[0]) & (u < NEAR[1])
    series = -2 * g**3 * _sine_gap(torch.where(near, u, 0.0) * g**2)
    return torch.where(near, series, (1 / w - g) / (2 * torch.where(near, 1.0, u)))


def _sine_gap(v: Tensor) -> Tensor:
    """(1 - sin(2s)/2s)/4v for v = s², with sinh for v < 0: its series, which converges everywhere."""
    total = torch.zeros_like(v)
    for m in range(16, -1, -1):
        total = total * (-4 * v) + 1 / math.factorial(2 * m + 3)
    return total


def _two_product(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """ab and its rounding error (Dekker, Numerische Mathematik 18, 1971), without gradient."""
    a, b = a.detach(), b.detach()
    product = a * b
    a_high, b_high = ((2**27 + 1) * n - ((2**27 + 1) * n - n) for n in (a, b))
    a_low, b_low = a - a_high, b - b_high
    return product, ((a_high * b_high - product) + a_high * b_low + a_low * b_high) + a_low * b_low
