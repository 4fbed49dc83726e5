"""tan_k and artan_k against mpmath: values and derivatives, around k = 0 and up to the rim."""

from __future__ import annotations

import mpmath as mp
import numpy as np
import pytest
import torch
from geoopt.manifolds.stereographic import math as stereographic

from hypav import trigonometry
from hypav.errors import SettingError
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


# derivatives of higher order: g satisfies 2ug' + g = 1/(1 + u), and h satisfies 2vh' + h = 1 + vh²
EXACT_RATIOS = {
    "artan_ratio": (lambda u: artan_ratio(u, 1 + u), exact_artan, (1, -1 / 3, 2 / 5, -6 / 7)),
    "tan_ratio": (tan_ratio, exact_tan, (1, 1 / 3, 4 / 15, 34 / 105)),
}


@pytest.mark.parametrize("name", EXACT_RATIOS)
def test_three_derivatives_of_the_ratios_to_the_last_digits(name):
    """Near 0, at the seams of the two forms and just beside them, near the rim and far away."""
    ratio, exact, at_zero = EXACT_RATIOS[name]
    seams = (*trigonometry.NEAR, -1.5, 1.5)
    u = [0.0, 1e-30, -1e-30, -0.3, 0.7, *seams, *np.nextafter(seams, -9), *np.nextafter(seams, 9)]
    u += [-0.9, -0.9999, 5.0, 1e4] if name == "artan_ratio" else [-10.0, -1e4, -1e8, 2.2]
    u = [x for x in u if x > -1 or name == "tan_ratio"]
    point = torch.tensor(u, dtype=torch.float64, requires_grad=True)
    value = ratio(point)
    for order in (1, 2, 3):
        (value,) = torch.autograd.grad(value.sum(), point, create_graph=True)
        for x, found in zip(u, value.tolist(), strict=True):
            wanted = at_zero[order] if abs(x) < 1e-9 else mp.diff(lambda t: exact(1, t), mp.mpf(x), order)
            assert abs(found / wanted - 1) < 2e-13, (order, x, found, wanted)


@pytest.mark.parametrize("k", [-1.0, -0.3, 0.0, 0.4])
@pytest.mark.parametrize(("function", "exact"), [(artan_k, exact_artan), (tan_k, exact_tan)])
def test_second_derivatives_in_x_and_k(function, exact, k):
    """By autograd.functional, autograd.grad, and torch.func, whose jacrev needs vmap."""
    x, k = torch.tensor(0.6, dtype=torch.float64), torch.tensor(k, dtype=torch.float64)

    def value(x, k):
        return function(x, k=k)

    x_, k_ = mp.mpf(0.6), mp.mpf(k.item())
    wanted = torch.zeros(2, 2, dtype=torch.float64)
    with mp.workdps(30):
        if k == 0:  # x - kx³/3 + k²x⁵/5, or with other signs x + kx³/3 + 2k²x⁵/15
            sign, second = (-1, 2 / 5) if function is artan_k else (1, 4 / 15)
            wanted[0, 1] = wanted[1, 0] = sign * 0.6**2
            wanted[1, 1] = second * 0.6**5
        else:
            for i, j in ((0, 0), (0, 1), (1, 0), (1, 1)):
                wanted[i, j] = float(mp.diff(exact, (x_, k_), (2 - i - j, i + j)))
    for hessian in (
        torch.autograd.functional.hessian(value, (x, k)),
        torch.func.jacrev(torch.func.jacrev(value, (0, 1)), (0, 1))(x, k),
    ):
        torch.testing.assert_close(torch.tensor(hessian).double(), wanted, rtol=1e-6, atol=1e-12)


def test_the_hessian_of_artan_k_is_2x_over_1_minus_x_squared_squared():
    """artanh'' = 2x/(1 - x²)². Where only w carried no derivative it came out as less."""
    for x in (0.3, 0.6, 0.9):
        found = torch.autograd.functional.hessian(
            lambda x: artan_k(x, k=-1.0), torch.tensor(x, dtype=torch.float64)
        )
        assert found.item() == pytest.approx(2 * x / (1 - x**2) ** 2, rel=1e-12)


@pytest.mark.parametrize("k", [-0.9, -0.3, 0.0, 1e-7, 0.5, 2.5])
def test_gradgradcheck_of_the_pair(k):
    x = torch.tensor([0.0, 0.2, -0.7, 0.9], dtype=torch.float64, requires_grad=True)
    k = torch.tensor(k, dtype=torch.float64, requires_grad=True)
    for function in (artan_k, tan_k):
        assert torch.autograd.gradgradcheck(lambda x, k, f=function: f(x, k=k), (x, k))
    u = (k * x**2).detach().requires_grad_()
    assert torch.autograd.gradgradcheck(lambda u: artan_ratio(u, 1 + u.detach()), u)
    assert torch.autograd.gradgradcheck(tan_ratio, u)


def test_forward_mode_is_refused_in_one_sentence():
    x = torch.tensor([0.2, 0.4])
    for function in (artan_k, tan_k):
        for derivative in (torch.func.jacfwd, torch.func.hessian):
            with pytest.raises(SettingError, match=r"^hypav has no forward-mode derivatives: .*jacrev"):
                derivative(lambda x, f=function: f(x, k=-1.0).sum())(x)


def test_vmap_over_x_and_over_k():
    x, k = samples(torch.float64, rim=0.9)
    for function in (artan_k, tan_k):
        torch.testing.assert_close(
            torch.func.vmap(lambda x, k, f=function: f(x, k=k))(x, k), function(x, k=k)
        )
