"""tan_k and artan_k, the one pair of functions in which the three geometries differ.

    artan_k(x) = ∫₀ˣ dt/(1 + kt²) = artanh(√-k x)/√-k (k < 0),  x (k = 0),  arctan(√k x)/√k (k > 0)

artan_k and its inverse tan_k are computed as x·g(kx²) and x·h(kx²). The ratios g and h are smooth in u = kx². So nothing
is divided by x, by √|k| or by k, and the derivative in k is right on both sides of k = 0. geoopt's derivative is not.
d artan_k(1)/dk is -0.333 at k = -2e-8, but geoopt gives -1654 in float32, and +0.333 in either dtype for
-1e-8 <= k < 0. The measured errors of value and derivative are 1/2 ulp in float32, and at most 3 and 4.5 ulp in float64.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from hypav.errors import SettingError
from hypav.utils import ReverseMode, as_tensor, device_of, holds

# In this range of u the closed form (1/(1 + u) - g)/2u of g'(u) cancels, but g'(u) = -∫₀¹ t²/(1 + ut²)² dt does not.
# Gauss-Legendre quadrature gives the integral. The tables hold t² and weight·t² of the 16 positive nodes of the 32-point
# rule, as the integrand is even. Increasing weights keep the rounding small. tests/test_trigonometry.py recomputes them.
NEAR = (-0.6, 2.0)
# fmt: off
_SQUARES = (
    0.00233363056419829, 0.020872147683581026, 0.05725844173358548, 0.9945352101509418,
    0.11013676918069303, 0.1775368978969149, 0.9714300516905486, 0.25694751767550245,
    0.9307662098062931, 0.34540981130908266, 0.8740493708253027, 0.43962769990902645,
    0.8033916142737915, 0.5360906550030197, 0.7214253432577602, 0.6312045020556312,
)
_WEIGHTS = (
    0.00022528890122837708, 0.001996185489763291, 0.005373384056791591, 0.006980254780735847,
    0.010041596433223852, 0.01556148068617373, 0.015809436114676088, 0.021406792122883524,
    0.023634076387055707, 0.02700893878933403, 0.02995704831487906, 0.03180521506216506,
    0.0344140012609442, 0.035286678521934504, 0.03679129240883933, 0.037041664002705144,
)
# fmt: on


def artan_k(x: Tensor, *, k: float | Tensor) -> Tensor:
    """artan_k(x), elementwise; k broadcasts against x. It is computed in float64 and rounded to x's dtype.

    x and k may also be arrays, lists or numbers.

    Outside the ball, for √-k|x| >= 1, the argument is clamped to 1 - eps of x's dtype, which protects artanh.

    Raises:
        SettingError: k is NaN or infinite, k does not broadcast against x, or x holds integers.
    """
    x, k = _prepare(x, k)
    wide = x.double()
    square, square_low = _two_product(wide, wide)
    u, u_low = _two_product(k, square)
    w = ((1 + u) + (u_low + k * square_low)).clamp_min(rim_margin(x.dtype))
    return (wide * artan_ratio(k * wide**2, w)).to(x.dtype)


def tan_k(x: Tensor, *, k: float | Tensor) -> Tensor:
    """tan_k(x), the inverse of artan_k: tanh(√-k x)/√-k, x or tan(√k x)/√k; elementwise, k broadcasts against x.

    Arguments and errors are those of `artan_k`.
    """
    x, k = _prepare(x, k)
    wide = x.double()
    return (wide * tan_ratio(k * wide**2)).to(x.dtype)


def artan_ratio(u: Tensor, w: Tensor) -> Tensor:
    """g(u) = artanh(√-u)/√-u, 1 or arctan(√u)/√u, in float64.

    Args:
        u: kx².
        w: 1 + u > 0. It is a separate argument because near the rim, u = -1, it has more digits than u. If the caller
            has clamped it, g has the slope 1/w of the clamped point, as artanh in the released code does.
    """
    u, w = (as_tensor("kx²", value, dtype=torch.float64).double() for value in (u, w))
    return _ArtanRatio.apply(u, w.detach())


def tan_ratio(v: Tensor) -> Tensor:
    """h(v) = tanh(√-v)/√-v, 1 or tan(√v)/√v, in float64; v = kx²."""
    return _TanRatio.apply(as_tensor("kx²", v, dtype=torch.float64).double())


def finite_curvature(k: float | Tensor, device: torch.device | None = None) -> Tensor:
    """k as a float64 tensor that gradients flow through; SettingError if it is NaN or infinite."""
    k = as_tensor("k", k, dtype=torch.float64).to(device, torch.float64)
    if not holds(k.isfinite().all()):
        raise SettingError("The curvature k holds NaN or an infinite number; check what computed it.")
    return k


def rim_margin(dtype: torch.dtype) -> float:
    """1 - (1 - eps)², the smallest value of 1 + k|x|² for a point in the open ball."""
    return 2 * torch.finfo(dtype).eps


def _prepare(x: Tensor, k: float | Tensor) -> tuple[Tensor, Tensor]:
    """x, and k in float64."""
    x = as_tensor("x", x, device=device_of(k))
    if not x.is_floating_point():
        raise SettingError(f"x is {x.dtype}, but artan_k and tan_k need real numbers; call .float() first.")
    k = finite_curvature(k, x.device)
    try:
        torch.broadcast_shapes(x.shape, k.shape)
    except RuntimeError:
        raise SettingError(f"k of shape {tuple(k.shape)} does not fit x of shape {tuple(x.shape)}.") from None
    return x, k


class _ArtanRatio(ReverseMode):
    @staticmethod
    def forward(u: Tensor, w: Tensor) -> Tensor:
        s = u.abs().sqrt()
        # artanh(s) = log((1 + s)²/(1 - s²))/2, with 1 - s² = w; the clamps only affect s > 1 and what where() discards
        near_rim = torch.log1p(s.clamp_max(1.0)) - w.clamp_max(1.0).log() / 2
        artanh = torch.where(u > NEAR[0], s.clamp_max(0.8).atanh(), near_rim)
        return torch.where(s == 0, 1.0, torch.where(u < 0, artanh, s.atan()) / s)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:
        ctx.save_for_backward(*inputs, output)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        return grad * _artan_ratio_slope(*ctx.saved_tensors), None


class _TanRatio(ReverseMode):
    @staticmethod
    def forward(v: Tensor) -> Tensor:
        s = v.abs().sqrt()
        return torch.where(s == 0, 1.0, torch.where(v < 0, s.tanh(), s.tan()) / s)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor], output: Tensor) -> None:
        ctx.save_for_backward(*inputs, output)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        return grad * _tan_ratio_slope(*ctx.saved_tensors)


def _artan_ratio_slope(u: Tensor, w: Tensor, g: Tensor) -> Tensor:
    """g'(u), by quadrature near u = 0 and by the closed form elsewhere."""
    if torch.is_grad_enabled():
        w = w + (u - u.detach())  # w came without its gradient, but the slope of 1 + u is 1
    near = (u > NEAR[0]) & (u < NEAR[1])
    u_near, slope = torch.where(near, u, 0.0), torch.zeros_like(u)
    for square, weight in zip(_SQUARES, _WEIGHTS, strict=True):
        # square() is not in place, as its own derivative needs what it is applied to
        slope.sub_((u_near * square).add_(1).square().reciprocal_(), alpha=weight)
    return torch.where(near, slope, (1 / w - g) / (2 * torch.where(near, 1.0, u)))


def _tan_ratio_slope(v: Tensor, h: Tensor) -> Tensor:
    """h'(v), by `_sine_gap` near v = 0 and by the closed form elsewhere."""
    # The 1 keeps derivatives finite. sech² of 350 is 1e-303, and the derivative of what cosh overflows to is NaN.
    # Near 0 the second derivative of cosh(√-v) cancels, so that only a first derivative of h is taken from it there.
    far = v < (-1.5 if torch.is_grad_enabled() else 0.0)
    s = torch.where(far, -v, 1.0).sqrt().clamp_max(350.0)
    w = torch.where(far, s.cosh() ** -2, 1 + v * h**2)  # the derivative of tan_k: sech² or sec²
    near = v.abs() < 1.5
    slope = 2 * w * _sine_gap(torch.where(near, v, 0.0))
    return torch.where(near, slope, (w - h) / (2 * torch.where(near, 1.0, v)))


def _sine_gap(v: Tensor) -> Tensor:
    """(1 - sin(2s)/2s)/4s² with v = s² (sinh for v < 0), by its power series Σ (-4v)^m/(2m + 3)!, for |v| < 1.5.

    h'(v) = (w - h)/2v = 2w·_sine_gap(v) with w = 1 + v h². The first form cancels near v = 0, the second does not.
    """
    total = torch.zeros_like(v)
    for m in range(13, -1, -1):
        total = total * (-4 * v) + 1 / math.factorial(2 * m + 3)
    return total


def _two_product(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """The product ab and its rounding error (Dekker, Numerische Mathematik 18, 1971), without gradient."""
    a, b = a.detach(), b.detach()
    product = a * b
    a_high, b_high = ((2**27 + 1) * n - ((2**27 + 1) * n - n) for n in (a, b))
    a_low, b_low = a - a_high, b - b_high
    return product, ((a_high * b_high - product) + a_high * b_low + a_low * b_high) + a_low * b_low
