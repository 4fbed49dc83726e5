"""Values against mpmath's closed forms, gradients in x, y and k against mpmath and finite differences, and finite
gradients in every dangerous place."""

from __future__ import annotations

import itertools
import math

import mpmath as mp
import pytest
import torch

from hypav import geometry as G
from hypav.errors import SettingError

mp.mp.dps = 60
KS = [-1.0, -0.2, -1e-3, -1e-9, -1e-16, 0.0, 1e-16, 1e-9, 1e-3, 0.3, 1.0]
DTYPES = [torch.float32, torch.float64]


def dot(x, y):
    return mp.fsum(a * b for a, b in zip(x, y, strict=True))


def norm(x):
    return mp.sqrt(dot(x, x))


def scale(a, x):
    return [a * b for b in x]


def exact_artan(r, k):
    if abs(k) * r * r < mp.mpf(10) ** -40:
        return r - k * r**3 / 3
    root = mp.sqrt(abs(k))
    return (mp.atanh(root * r) if k < 0 else mp.atan(root * r)) / root


def exact_tan(r, k):
    if abs(k) * r * r < mp.mpf(10) ** -40:
        return r + k * r**3 / 3
    root = mp.sqrt(abs(k))
    return (mp.tanh(root * r) if k < 0 else mp.tan(root * r)) / root


def exact_factor(x, k):
    return 2 / (1 + k * dot(x, x))


def exact_add(x, y, k):
    a = 1 - 2 * k * dot(x, y) - k * dot(y, y)
    b = 1 + k * dot(x, x)
    c = 1 - 2 * k * dot(x, y) + k**2 * dot(x, x) * dot(y, y)
    return [(a * p + b * q) / c for p, q in zip(x, y, strict=True)]


def exact_log(z, x, k):
    moved = exact_add(scale(-1, z), x, k)
    length = norm(moved)
    return scale(2 / exact_factor(z, k) * exact_artan(length, k) / length, moved)


def exact_exp(z, v, k):
    length = norm(v)
    return exact_add(z, scale(exact_tan(exact_factor(z, k) * length / 2, k) / length, v), k)


def exact_distance(x, y, k):
    return [2 * exact_artan(norm(exact_add(scale(-1, x), y, k)), k)]


def exact_midpoint(x, y, k):
    """Ungar's formula: 1/2 ⊗ p = tan_k(artan_k(|p|)/2) p/|p|."""
    a, b = exact_factor(x, k), exact_factor(y, k)
    p = [(a * s + b * t) / (a + b - 2) for s, t in zip(x, y, strict=True)]
    return scale(exact_tan(exact_artan(norm(p), k) / 2, k) / norm(p), p)


PAIRS = {
    "mobius_add": (lambda x, y, k: G.mobius_add(x, y, k=k), exact_add),
    "expmap": (
        lambda x, y, k: G.expmap(x, y / 4, k=k),
        lambda x, y, k: exact_exp(x, scale(mp.mpf(1) / 4, y), k),
    ),
    "logmap": (lambda x, y, k: G.logmap(x, y, k=k), exact_log),
    "logmap0": (
        lambda x, y, k: G.logmap0(y, k=k),
        lambda x, y, k: scale(exact_artan(norm(y), k) / norm(y), y),
    ),
    "expmap0": (lambda x, y, k: G.expmap0(y, k=k), lambda x, y, k: scale(exact_tan(norm(y), k) / norm(y), y)),
    "conformal_factor": (lambda x, y, k: G.conformal_factor(x, k=k), lambda x, y, k: [exact_factor(x, k)]),
    "distance": (lambda x, y, k: G.distance(x, y, k=k).unsqueeze(0), exact_distance),
    "distance0": (
        lambda x, y, k: G.distance0(y, k=k).unsqueeze(0),
        lambda x, y, k: [2 * exact_artan(norm(y), k)],
    ),
    "pairwise_distance": (lambda x, y, k: G.pairwise_distance(x[None], y[None], k=k)[0], exact_distance),
    "midpoint": (lambda x, y, k: G.midpoint(torch.stack((x, y)), k=k), exact_midpoint),
}
X, Y = [0.3, -0.2, 0.5], [-0.4, 0.25, 0.125]


def exact_numbers(tensor):
    return [mp.mpf(a) for a in tensor.tolist()]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", PAIRS)
def test_values(name, dtype):
    """float32 is float64 rounded once: the error stays within one unit of the last place."""
    ours, exact = PAIRS[name]
    x, y = torch.tensor(X, dtype=dtype), torch.tensor(Y, dtype=dtype)
    for k in KS:
        k = torch.tensor(k, dtype=dtype)
        value = ours(x, y, k)
        expected = torch.tensor(
            [float(e) for e in exact(exact_numbers(x), exact_numbers(y), mp.mpf(k.item()))]
        )
        expected = torch.tensor(
            [float(e) for e in exact(exact_numbers(x), exact_numbers(y), mp.mpf(k.item()))],
            dtype=torch.float64,
        )
        rtol, atol = (1e-7, 1e-15) if dtype == torch.float32 else (4e-15, 1e-15)
        torch.testing.assert_close(
            value.double(), expected, rtol=rtol, atol=atol, msg=lambda m, k=k: f"k={k}: {m}"
        )


@pytest.mark.parametrize("name", PAIRS)
def test_gradients(name):
    """d/dk and d/dx of the sum of the outputs against mpmath's central differences with 60 digits."""
    ours, exact = PAIRS[name]
    step = mp.mpf(10) ** -15
    for k_value in (-0.8, -1e-9, 0.0, 1e-9, 0.4):
        x, y, k = (torch.tensor(v, dtype=torch.float64, requires_grad=True) for v in (X, Y, k_value))
        slopes = torch.autograd.grad(ours(x, y, k).sum(), (x, y, k), allow_unused=True)
        numbers = [*exact_numbers(x), *exact_numbers(y), mp.mpf(k_value)]

        def total(values, exact=exact):
            return mp.fsum(exact(values[:3], values[3:6], values[6]))

        for i, slope in enumerate(
            torch.cat([torch.zeros(3) if s is None else s.reshape(-1) for s in slopes])
        ):
            up, down = list(numbers), list(numbers)
            up[i] += step
            down[i] -= step
            expected = float((total(up) - total(down)) / (2 * step))
            assert slope.item() == pytest.approx(expected, rel=1e-13, abs=1e-14), (name, k_value, i)


@pytest.mark.parametrize("margin", [1e-2, 1e-4, 1e-6])
def test_float32_near_the_rim_keeps_its_digits(margin):
    """Plain float32 has lost 1.8e-4 of log_0 at 1 - r = 1e-5."""
    x = torch.tensor([[0.6, 0.0, 0.8], [-0.8, 0.6, 0.0]]) * (1 - margin)
    a, b = (exact_numbers(row) for row in x)
    expected = torch.tensor([float(e) for e in PAIRS["logmap0"][1](a, b, mp.mpf(-1))])
    torch.testing.assert_close(G.logmap0(x, k=-1.0)[1], expected, rtol=2e-7, atol=1e-9)
    expected = float(exact_distance(a, b, mp.mpf(-1))[0])
    assert G.distance(x[0], x[1], k=-1.0).item() == pytest.approx(expected, rel=1e-7)
    assert G.pairwise_distance(x, k=-1.0)[0, 1].item() == pytest.approx(expected, rel=1e-7)


def test_float64_distance_between_points_on_opposite_rims():
    x = torch.tensor([1 - 1e-12, 0.0], dtype=torch.float64)
    for y in (-x, x.flip(0), x * (1 - 1e-12)):
        expected = float(exact_distance(exact_numbers(x), exact_numbers(y), mp.mpf(-1))[0])
        assert G.distance(x, y, k=-1.0).item() == pytest.approx(expected, rel=1e-4)


FUNCTIONS = {
    "project": lambda x, y, k: G.project(x * 3, k=k),
    "project as printed": lambda x, y, k: G.project(x * 3, k=k, radius="printed"),
    **{name: ours for name, (ours, _) in PAIRS.items()},
    "geodesic": lambda x, y, k: G.geodesic(0.3, x, y, k=k),
    "logmap0 of project": lambda x, y, k: G.logmap0(G.project(x * 3, k=k), k=k),
    "logmap0 of the printed project": lambda x, y, k: G.logmap0(G.project(x * 3, k=k, radius="printed"), k=k),
}
NO_SLOPE = {"project", "project as printed", "logmap0 of project", "logmap0 of the printed project"}


@pytest.mark.parametrize("k", [-0.7, 0.0, 1e-7, 0.5])
@pytest.mark.parametrize("name", sorted(FUNCTIONS.keys() - NO_SLOPE))
def test_gradcheck(name, k):
    """At k = 0 and 1e-7 the differences step across zero."""
    x, y, k = (torch.tensor(v, dtype=torch.float64, requires_grad=True) for v in (X, Y, k))
    assert torch.autograd.gradcheck(FUNCTIONS[name], (x, y, k))


@pytest.mark.parametrize("name", ["project", "project as printed", "logmap0 of project"])
def test_gradcheck_of_clipped_points(name):
    x, y, k = (torch.tensor(v, dtype=torch.float64, requires_grad=True) for v in (X, Y, -1.7))
    assert torch.autograd.gradcheck(FUNCTIONS[name], (x, y, k), atol=1e-4 if "logmap0" in name else 1e-6)


def places(k, dtype):
    """Where division, square root or artanh may fail: the origin, one point twice, antipodes, the rim, beyond it."""
    radius = 1 / math.sqrt(max(abs(k), 1e-2))
    near = torch.tensor([0.3, -0.2, 0.1]) * radius
    unit = torch.tensor([1.0, 0.0, 0.0])
    yield "origin", torch.zeros(3), torch.zeros(3)
    yield "from the origin", torch.zeros(3), near
    yield "to the origin", near, torch.zeros(3)
    yield "coincident", near, near.clone()
    yield "nearly coincident", near, near * (1 + 2 * torch.finfo(dtype).eps)
    yield "tiny", near * 1e-30, -near * 1e-30
    yield "opposite", near, -near
    yield "antipodes", unit * radius, -unit * radius
    yield "one rim point", unit * radius, unit * radius
    yield "near the rim", unit * radius * (1 - 1e-6), -unit.flip(0) * radius * (1 - 1e-6)
    yield "beyond the rim", unit * radius * 1.5, unit.flip(0) * radius * 3


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_finite_values_and_gradients_everywhere(name, dtype):
    for k_value in (-1.0, -0.2, -1e-8, -1e-30, 0.0, 1e-30, 1e-8, 0.5, 1.0):
        for place, x, y in places(k_value, dtype):
            x, y = (p.to(dtype).requires_grad_() for p in (x, y))
            k = torch.tensor(k_value, dtype=dtype, requires_grad=True)
            value = FUNCTIONS[name](x, y, k)
            slopes = torch.autograd.grad(value.sum(), (x, y, k), allow_unused=True)
            assert value.isfinite().all(), (place, k_value)
            assert all(s is None or s.isfinite().all() for s in slopes), (place, k_value, slopes)


def test_the_diagonal_of_pairwise_distance_has_gradient_zero():
    for dtype, k_value in itertools.product(DTYPES, (-1.0, 0.0, 0.5)):
        x = torch.tensor([X, Y], dtype=dtype, requires_grad=True)
        k = torch.tensor(k_value, dtype=dtype, requires_grad=True)
        slopes = torch.autograd.grad(G.pairwise_distance(x, k=k).diagonal().sum(), (x, k))
        assert all((slope == 0).all() for slope in slopes)
        first = torch.autograd.grad(G.pairwise_distance(x, k=k).sum() / 2, (x, k))
        second = torch.autograd.grad(G.distance(x[0], x[1], k=k), (x, k))
        for a, b in zip(first, second, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-6 if dtype == torch.float32 else 1e-13, atol=0)


def test_a_zero_row_stays_zero_and_its_gradient_finite():
    x = torch.zeros(2, 3, requires_grad=True)
    projected = G.project(x, k=-1.0)
    (slope,) = torch.autograd.grad(projected.sum(), x)
    assert torch.equal(projected, torch.zeros(2, 3))
    assert torch.equal(slope, torch.ones(2, 3))


TWICE = FUNCTIONS | {
    "conformal_factor": lambda x, y, k: G.conformal_factor(x, k=k),
    "distance0": lambda x, y, k: G.distance0(x, k=k),
    "expmap": lambda x, y, k: G.expmap(x, y, k=k),
    "midpoint": lambda x, y, k: G.midpoint(torch.stack((x, y)), k=k),
    "pairwise_distance": lambda x, y, k: G.pairwise_distance(torch.stack((x, y)), k=k),
    "pairwise_distance without waiting": lambda x, y, k: G.pairwise_distance(
        torch.stack((x, y)), k=k, sync=False
    ),
}


@pytest.mark.parametrize("k", [-0.7, 0.0, 1e-7, 0.5])
@pytest.mark.parametrize("name", sorted(TWICE.keys() - {"logmap0 of the printed project"}))  # beyond the rim
def test_gradgradcheck(name, k):
    x, y, k = (torch.tensor(v, dtype=torch.float64, requires_grad=True) for v in (X, Y, k))
    assert torch.autograd.gradgradcheck(TWICE[name], (x, y, k))


def test_gradgradcheck_of_clipped_points():
    x, y, k = (torch.tensor(v, dtype=torch.float64, requires_grad=True) for v in (X, Y, -1.7))
    for name in ("project", "project as printed"):
        assert torch.autograd.gradgradcheck(FUNCTIONS[name], (x, y, k))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_finite_second_derivatives_everywhere(name):
    for k_value in (-1.0, -1e-8, 0.0, 0.5):
        for place, x, y in places(k_value, torch.float64):
            x, y = (p.double().requires_grad_() for p in (x, y))
            k = torch.tensor(k_value, dtype=torch.float64, requires_grad=True)
            slopes = torch.autograd.grad(
                FUNCTIONS[name](x, y, k).sum(), (x, y, k), create_graph=True, materialize_grads=True
            )
            total = sum(slope.sum() for slope in slopes)
            if total.requires_grad:
                seconds = torch.autograd.grad(total, (x, y, k), materialize_grads=True)
                assert all(second.isfinite().all() for second in seconds), (place, k_value)


@pytest.mark.parametrize("k", [-1, 0.5])
@pytest.mark.parametrize("gap", [1e-6, 1e-2, 1.0])
@pytest.mark.parametrize("start", [(0.3, 0.2), (0.999, 0.0)])
def test_hessian_of_the_distance_near_coincident_points_and_near_the_rim(start, gap, k):
    x = torch.tensor(start, dtype=torch.float64)
    y = x - torch.tensor([gap, gap / 2], dtype=torch.float64)
    found = torch.autograd.functional.hessian(lambda x: G.distance(x, y, k=k), x)

    def exact(*p):
        return exact_distance(list(p), exact_numbers(y), mp.mpf(k))[0]

    for i, j in ((0, 0), (0, 1), (1, 1)):
        order = ((i == 0) + (j == 0), (i == 1) + (j == 1))
        wanted = float(mp.diff(exact, tuple(exact_numbers(x)), order))
        assert found[i, j].item() == pytest.approx(wanted, rel=1e-6, abs=1e-6 * found.abs().max().item())


def test_close_points_whose_second_derivative_torch_lacks_are_an_error():
    """torch.cdist, which many close points need, has no second derivative; it says so, whatever is asked for."""
    x = (0.3 + 1e-3 * torch.rand(20, 3, dtype=torch.float64)).requires_grad_()
    (slope,) = torch.autograd.grad(G.pairwise_distance(x, k=-1.0).sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match="_cdist_backward"):
        torch.autograd.grad(slope.sum(), x)


@pytest.mark.parametrize("name", TWICE)
def test_torch_func(name):
    x, y = (torch.tensor([v, [t / 3 for t in v]], dtype=torch.float64) for v in (X, Y))
    k = torch.tensor([-0.7, 0.4], dtype=torch.float64)
    function = TWICE[name]
    first = torch.func.jacrev(lambda x: function(x, y[0], k[0]))(x[0])
    torch.testing.assert_close(
        first, torch.autograd.functional.jacobian(lambda x: function(x, y[0], k[0]), x[0])
    )
    second = torch.func.jacrev(torch.func.jacrev(lambda x: function(x, y[0], k[0]).sum()))(x[0])
    torch.testing.assert_close(
        second, torch.autograd.functional.hessian(lambda x: function(x, y[0], k[0]).sum(), x[0])
    )
    if name == "pairwise_distance":
        with pytest.raises(SettingError, match="needs sync=False"):
            torch.func.vmap(function)(x, y, k)
        return
    rows = torch.stack([function(*row) for row in zip(x, y, k, strict=True)])
    torch.testing.assert_close(torch.func.vmap(function)(x, y, k), rows)
