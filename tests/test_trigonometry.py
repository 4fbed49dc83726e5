"""tan_k and artan_k against mpmath: values and derivatives, around k = 0 and up to the rim."""

from __future__ import annotations

import mpmath as mp
import numpy as np
import pytest
import torch

from hypav import trigonometry
from hypav.errors import SettingError
from hypav.geometry import stereographic
from hypav.trigonometry import artan_k, artan_ratio, tan_k, tan_ratio

mp.mp.dps = 60
DTYPES = {torch.float32: np.float32, torch.float64: np.float64}


def exact_artan(x, k):
    x, k = mp.mpf(x), mp.mpf(k)
    if k == 0:
        return x
    root = mp.sqrt(abs(k))
    return mp.atanh(root * x) / root if k < 0 else mp.atan(root * x) / root


def exact_tan(x, k):
    x, k = mp.mpf(x), mp.mpf(k)
    if k == 0:
        return x
    root = mp.sqrt(abs(k))
    return mp.tanh(root * x) / root if k < 0 else mp.tan(root * x) / root


def exact_artan_dk(x, k):
    x, k = mp.mpf(x), mp.mpf(k)
    if abs(k * x * x) < mp.mpf(10) ** -20:
        return -(x**3) / 3 + 2 * k * x**5 / 5
    return (x / (1 + k * x * x) - exact_artan(x, k)) / (2 * k)


def exact_tan_dk(x, k):
    x, k = mp.mpf(x), mp.mpf(k)
    if abs(k * x * x) < mp.mpf(10) ** -20:
        return x**3 / 3 + 4 * k * x**5 / 15
    value = exact_tan(x, k)
    return (x * (1 + k * value**2) - value) / (2 * k)


def ulps(values, exact, dtype):
    """The largest error in units of the last place of the exact value."""
    spacing = [float(np.spacing(DTYPES[dtype](abs(float(e))))) for e in exact]
    return max(float(abs(mp.mpf(v) - e) / s) for v, e, s in zip(values.tolist(), exact, spacing, strict=True))


def samples(dtype, *, rim):
    """(x, k): k in [-1, 1] from all scales and both sides of 0, x up to `rim` of the ball or to √k x = 1."""
    rng = np.random.default_rng(0)
    size = 10 ** rng.uniform(-12, 0, 300)
    near = [0.0, 1e-38, -1e-38, 1e-16, -1e-16, 1e-9, -1e-9, 1e-8, -1e-8, 2e-8, -2e-8, 1.0, -1.0]
    k = torch.tensor(np.concatenate([near, size[:150], -size[150:], rng.uniform(-1, 1, 150)]), dtype=dtype)
    share = torch.tensor(rng.uniform(0, 1, len(k)) ** 0.5 * rim, dtype=torch.float64)
    x = (share / k.double().abs().sqrt().clamp_min(0.1)).to(dtype)
    return x, k


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("function", "exact", "exact_dk", "limits"),
    [(artan_k, exact_artan, exact_artan_dk, (4.0, 7.0)), (tan_k, exact_tan, exact_tan_dk, (4.0, 9.0))],
    ids=["artan_k", "tan_k"],
)
def test_value_and_derivative_in_k_to_the_last_digits(dtype, function, exact, exact_dk, limits):
    """float32 is float64 rounded once. In float64 twice what was measured: each library's own functions err by an ulp."""
    x, k = samples(dtype, rim=1 - 1e-6)
    k.requires_grad_()
    value = function(x, k=k)
    (slope,) = torch.autograd.grad(value.sum(), k)
    pairs = list(zip(x.tolist(), k.tolist(), strict=True))
    assert value.dtype == slope.dtype == dtype
    value_limit, slope_limit = (0.51, 0.51) if dtype == torch.float32 else limits
    assert ulps(value.detach(), [exact(*pair) for pair in pairs], dtype) <= value_limit
    assert ulps(slope, [exact_dk(*pair) for pair in pairs], dtype) <= slope_limit


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("function", [artan_k, tan_k])
def test_derivative_in_x_is_the_closed_form(dtype, function):
    x, k = samples(dtype, rim=0.95)
    x.requires_grad_()
    value = function(x, k=k)
    (slope,) = torch.autograd.grad(value.sum(), x)
    wide, k = (x if function is artan_k else value).detach().double(), k.double()
    expected = 1 / (1 + k * wide**2) if function is artan_k else 1 + k * wide**2
    assert torch.allclose(slope.double(), expected, rtol=2e-6 if dtype == torch.float32 else 1e-13, atol=0)


@pytest.mark.parametrize("dtype", DTYPES)
def test_geoopt_loses_the_derivative_near_flat(dtype):
    """The reason for a pair of ours; if this fails, geoopt is fixed and ours can go."""
    x, errors = torch.ones((), dtype=dtype), {}
    for k in (-2e-8, -1e-9):
        for name, function in (("geoopt", stereographic.artan_k), ("ours", artan_k)):
            curvature = torch.tensor(k, dtype=dtype, requires_grad=True)
            (slope,) = torch.autograd.grad(function(x, k=curvature), curvature)
            errors[name, k] = abs(slope.item() / float(exact_artan_dk(1, k)) - 1)
    assert errors["geoopt", -1e-9] > 1.9  # the sign is wrong
    assert dtype == torch.float64 or errors["geoopt", -2e-8] > 1000
    assert max(errors["ours", k] for k in (-2e-8, -1e-9)) < torch.finfo(dtype).eps * 4


def test_small_arguments_keep_their_digits():
    x = torch.tensor([1e-6, 1e-20, 1e-38, 0.0])
    for function in (artan_k, tan_k):
        for k in (-1.0, 1.0):
            torch.testing.assert_close(
                function(x, k=k), x, rtol=2e-7, atol=0
            )  # geoopt's float32 artanh is 2 % off at 1e-6


def test_the_two_are_inverse():
    x, k = samples(torch.float64, rim=0.9)
    assert torch.allclose(tan_k(artan_k(x, k=k), k=k), x, rtol=1e-13, atol=0)


@pytest.mark.parametrize("dtype", DTYPES)
def test_beyond_the_rim_the_clamped_value_and_its_slope(dtype):
    eps = torch.finfo(dtype).eps
    x = torch.tensor([1.0, 1.5, 40.0], dtype=dtype, requires_grad=True)
    value = artan_k(x, k=-1.0)
    (slope,) = torch.autograd.grad(value.sum(), x)
    assert torch.allclose(value.double(), mp_atanh(1 - eps).expand(3), rtol=1e-3, atol=0)
    # passes through the clamp: 1/(1 - s²) at s = 1 - eps
    assert torch.allclose(slope.double(), torch.full((3,), 1 / (2 * eps), dtype=torch.float64), rtol=1e-4)


def mp_atanh(s):
    return torch.tensor(float(mp.atanh(mp.mpf(s))), dtype=torch.float64)


def test_the_quadrature_is_gauss_legendre():
    start, _ = np.polynomial.legendre.leggauss(32)
    exact = []
    for guess in start[16:]:
        node = mp.findroot(lambda t: mp.legendre(32, t), mp.mpf(float(guess)))
        slope = 32 * (node * mp.legendre(32, node) - mp.legendre(31, node)) / (node**2 - 1)
        exact.append((float(node**2), float(node**2 * 2 / ((1 - node**2) * slope**2))))
    exact.sort(key=lambda pair: pair[1])
    assert list(zip(trigonometry._SQUARES, trigonometry._WEIGHTS, strict=True)) == exact


def test_ratios_at_the_seams_of_their_two_forms():
    """The slopes of g and h, finite and continuous where the series gives way to the closed form."""
    for seam, ratio in ((-0.6, artan_ratio), (2.0, artan_ratio), (-1.5, tan_ratio), (1.5, tan_ratio)):
        u = torch.tensor([np.nextafter(seam, -9), seam, np.nextafter(seam, 9)], requires_grad=True)
        u = u.double().detach().requires_grad_()
        value = ratio(u, 1 + u.detach()) if ratio is artan_ratio else ratio(u)
        (slope,) = torch.autograd.grad(value.sum(), u)
        assert torch.allclose(slope, slope[1], rtol=1e-14, atol=0)


@pytest.mark.parametrize("k", [float("nan"), float("inf"), torch.tensor([0.1, float("nan")])])
def test_a_curvature_that_is_not_finite_is_refused(k):
    with pytest.raises(SettingError, match="curvature k holds NaN"):
        artan_k(torch.ones(2), k=k)
    with pytest.raises(SettingError, match="curvature k holds NaN"):
        tan_k(torch.ones(2), k=k)
