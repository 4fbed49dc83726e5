"""The identities of the κ-stereographic model, over dtypes, signs of k and seeds; Eq. 1; bad input."""

from __future__ import annotations

import math

import pytest
import torch
from device_helpers import nothing_waits
from hypothesis import given, settings
from hypothesis import strategies as st

from hypav import geometry as G
from hypav.errors import SettingError

CURVATURES = st.one_of(
    st.sampled_from([0.0, -1.0, 1.0, -1e-9, 1e-9]),
    st.floats(-3, 3, allow_subnormal=False),
    st.floats(-1e-6, 1e-6),
)
DTYPES = st.sampled_from([torch.float32, torch.float64])
SEEDS = st.integers(0, 2**32)
quick = settings(max_examples=30, deadline=None, derandomize=True)


def tolerance(dtype):
    return 2e-5 if dtype == torch.float32 else 1e-9


def points(seed, k, dtype, count=2, n=6, dim=4, reach=0.9):
    """`count` sets of n points, as far as `reach` of the way to the rim, or to the equator of the sphere."""
    generator = torch.Generator().manual_seed(seed)
    radius = reach / math.sqrt(max(abs(k), 0.04))
    sets = []
    for _ in range(count):
        direction = torch.randn(n, dim, generator=generator, dtype=torch.float64)
        length = torch.rand(n, 1, generator=generator, dtype=torch.float64)
        sets.append((direction / direction.norm(dim=1, keepdim=True) * length * radius).to(dtype))
    return sets


def close(a, b, dtype, scale=1.0):
    assert a.dtype == b.dtype == dtype
    torch.testing.assert_close(a, b, rtol=tolerance(dtype) * scale, atol=tolerance(dtype) * scale)


@quick
@given(CURVATURES, DTYPES, SEEDS)
def test_left_cancellation(k, dtype, seed):
    x, y = points(seed, k, dtype, reach=0.7)
    close(G.mobius_add(-x, G.mobius_add(x, y, k=k), k=k), y, dtype, 10)


@quick
@given(CURVATURES, DTYPES, SEEDS)
def test_exp_and_log_are_inverse(k, dtype, seed):
    x, y = points(seed, k, dtype, reach=0.8)
    close(G.expmap(x, G.logmap(x, y, k=k), k=k), y, dtype, 10)
    close(G.expmap0(G.logmap0(x, k=k), k=k), x, dtype)
    v = y / 3
    close(G.logmap0(G.expmap0(v, k=k), k=k), v, dtype)
    v = v * 2 / G.conformal_factor(x, k=k)
    close(G.logmap(x, G.expmap(x, v, k=k), k=k), v, dtype, 10)


@quick
@given(CURVATURES, DTYPES, SEEDS)
def test_the_maps_at_the_origin_are_the_maps_at_zero(k, dtype, seed):
    x, y = points(seed, k, dtype)
    zero = torch.zeros_like(x)
    close(G.logmap(zero, x, k=k), G.logmap0(x, k=k), dtype)
    close(G.expmap(zero, y / 3, k=k), G.expmap0(y / 3, k=k), dtype)
    close(G.distance(zero, x, k=k), G.distance0(x, k=k), dtype)


@quick
@given(CURVATURES, DTYPES, SEEDS)
def test_distance_is_a_metric(k, dtype, seed):
    x, y, z = points(seed, k, dtype, count=3)
    d = G.distance(x, y, k=k)
    assert torch.equal(d, G.distance(y, x, k=k))
    assert (d > 0).all()
    assert (G.distance(x, x, k=k) == 0).all()
    assert (d <= (G.distance(x, z, k=k) + G.distance(z, y, k=k)) * (1 + tolerance(dtype))).all()


@quick
@given(CURVATURES, DTYPES, SEEDS)
def test_distance_is_the_length_of_the_log(k, dtype, seed):
    """2 artan_k(|-x ⊕ y|), and λ|log_x(y)|: the closed forms of Eq. 2 and 3."""
    x, y = points(seed, k, dtype, reach=0.8)
    d = G.distance(x, y, k=k)
    close(2 * G.artan_k(G.mobius_add(-x, y, k=k).norm(dim=-1), k=k), d, dtype, 10)
    close((G.conformal_factor(x, k=k) * G.logmap(x, y, k=k)).norm(dim=-1), d, dtype)


@quick
@given(CURVATURES, DTYPES, SEEDS)
def test_translations_and_rotations_are_isometries(k, dtype, seed):
    x, y, z = points(seed, k, dtype, count=3, reach=0.6)
    rotation = torch.linalg.qr(torch.randn(4, 4, generator=torch.Generator().manual_seed(seed)).double())[
        0
    ].to(dtype)
    d = G.distance(x, y, k=k)
    close(G.distance(G.mobius_add(z, x, k=k), G.mobius_add(z, y, k=k), k=k), d, dtype, 50)
    close(G.distance(x @ rotation, y @ rotation, k=k), d, dtype)


@quick
@given(CURVATURES, DTYPES, SEEDS, st.floats(0, 1))
def test_a_geodesic_has_constant_speed(k, dtype, seed, t):
    x, y = points(seed, k, dtype, reach=0.8)
    d, at = G.distance(x, y, k=k), G.geodesic(t, x, y, k=k)
    close(G.distance(x, at, k=k), t * d, dtype, 20)
    close(G.distance(at, y, k=k), (1 - t) * d, dtype, 20)
    times = torch.tensor([[0.0], [1.0]], dtype=dtype)
    close(G.geodesic(times, x[:1], y[:1], k=k), torch.cat((x[:1], y[:1])), dtype, 10)


@quick
@given(CURVATURES, DTYPES, SEEDS)
def test_the_midpoint_of_two_lies_halfway(k, dtype, seed):
    x, y = points(seed, k, dtype)
    pairs = torch.stack((x, y), dim=1)  # (6, 2, 4): six midpoints at once
    middle = G.midpoint(pairs, k=k)
    close(G.distance(x, middle, k=k), G.distance(middle, y, k=k), dtype, 10)
    close(middle, G.geodesic(0.5, x, y, k=k), dtype, 10)
    close(middle[0], G.midpoint(pairs[0], k=k), dtype)


@quick
@given(CURVATURES, DTYPES, SEEDS)
def test_the_midpoint_moves_with_the_points(k, dtype, seed):
    x, z = points(seed, k, dtype, reach=0.6)
    weights = torch.arange(1.0, 7.0)
    middle = G.midpoint(x, k=k, weights=weights)
    moved = G.midpoint(G.mobius_add(z[0], x, k=k), k=k, weights=weights)
    close(moved, G.mobius_add(z[0], middle, k=k), dtype, 20)
    assert not torch.allclose(middle, G.midpoint(x, k=k), atol=1e-4)  # the weights count


@quick
@given(DTYPES, SEEDS, st.sampled_from([0.0, 1e-13, -1e-13]))
def test_the_flat_limit_is_euclid_with_factor_two(dtype, seed, k):
    x, y, v = points(seed, 0.0, dtype, count=3)
    close(G.distance(x, y, k=k), 2 * (x - y).norm(dim=-1), dtype)
    close(G.mobius_add(x, y, k=k), x + y, dtype)
    close(G.logmap(x, y, k=k), y - x, dtype)
    close(G.expmap(x, v, k=k), x + v, dtype)
    close(G.midpoint(x, k=k), x.mean(0), dtype)
    close(G.conformal_factor(x, k=k), torch.full((6, 1), 2.0, dtype=dtype), dtype)
    assert torch.equal(G.project(x * 100, k=abs(k)), x * 100)


@quick
@given(DTYPES, SEEDS)
def test_a_curvature_per_row_is_a_loop_over_rows(dtype, seed):
    x, y, v = points(seed, 1.0, dtype, count=3, reach=0.8)
    k = torch.tensor([-1.0, -0.3, -1e-9, 0.0, 1e-9, 0.7], dtype=dtype).unsqueeze(1)
    functions = {
        "project": lambda x, y, v, k: G.project(x * 2, k=k),
        "mobius_add": lambda x, y, v, k: G.mobius_add(x, y, k=k),
        "conformal_factor": lambda x, y, v, k: G.conformal_factor(x, k=k),
        "expmap": lambda x, y, v, k: G.expmap(x, v, k=k),
        "logmap": lambda x, y, v, k: G.logmap(x, y, k=k),
        "expmap0": lambda x, y, v, k: G.expmap0(v, k=k),
        "logmap0": lambda x, y, v, k: G.logmap0(x, k=k),
        "distance": lambda x, y, v, k: G.distance(x, y, k=k),
        "distance0": lambda x, y, v, k: G.distance0(x, k=k),
        "geodesic": lambda x, y, v, k: G.geodesic(0.3, x, y, k=k),
    }
    for name, function in functions.items():
        rows = torch.stack([function(x[i], y[i], v[i], k[i].item()) for i in range(6)])
        together = function(x, y, v, k)
        assert together.shape == rows.shape, name
        torch.testing.assert_close(together, rows, rtol=tolerance(dtype), atol=0, msg=name)


@quick
@given(CURVATURES, DTYPES, SEEDS)
def test_pairwise_distance_is_distance_of_all_pairs(k, dtype, seed):
    x, y = points(seed, k, dtype)
    y = y[:4]
    close(G.pairwise_distance(x, y, k=k), G.distance(x.unsqueeze(1), y, k=k), dtype)
    close(
        G.pairwise_distance(x, k=torch.tensor([[k]])), G.distance(x.unsqueeze(1), x, k=torch.tensor(k)), dtype
    )


@pytest.mark.parametrize("huddle", [False, True], ids=["pairs of near points", "all near"])
def test_pairwise_distance_of_near_points_keeps_its_digits(huddle):
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(30, 5, generator=generator, dtype=torch.float64) / 10
    x = x[:1] + 1e-9 * x if huddle else x
    y = x + 1e-11 * torch.randn(30, 5, generator=generator, dtype=torch.float64)
    exact = G.distance(x.unsqueeze(1), y, k=-1.0)
    torch.testing.assert_close(G.pairwise_distance(x, y, k=-1.0), exact, rtol=1e-11, atol=0)
    assert (G.pairwise_distance(x, k=-1.0).diagonal() == 0).all()


@pytest.mark.parametrize("huddle", [False, True])
def test_pairwise_distance_stores_no_differences(huddle):
    """(N, M, D) numbers would be 400 times what is allowed here."""
    from torch.utils._python_dispatch import TorchDispatchMode

    class Largest(TorchDispatchMode):
        size = 0

        def __torch_dispatch__(self, function, types, args=(), kwargs=None):
            result = function(*args, **(kwargs or {}))
            results = result if isinstance(result, (tuple, list)) else (result,)
            sizes = [r.untyped_storage().nbytes() // 8 for r in results if isinstance(r, torch.Tensor)]
            self.size = max([self.size, *sizes])
            return result

    x = torch.randn(60, 400, dtype=torch.float64) / 100
    x = (x[:1] + x * 1e-6 if huddle else x).requires_grad_()
    with Largest() as largest:
        G.pairwise_distance(x, k=-1.0).sum().backward()
    assert 60 * 60 <= largest.size <= 2 * 60 * 400


@pytest.mark.parametrize(("dtype", "xi"), [(torch.float32, 4e-3), (torch.float64, 1e-5)])
@pytest.mark.parametrize("k", [-0.01, -0.2, -1.0, -5.0])
def test_eq_1(dtype, xi, k):
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(40, 3, generator=generator, dtype=dtype) * torch.logspace(-3, 3, 40).unsqueeze(1).to(
        dtype
    )
    x[0] = 0
    for margin in (None, 1e-3):
        limit = (1 - (xi if margin is None else margin)) / math.sqrt(-k)
        length = x.norm(dim=1)
        expected = torch.where((length > limit).unsqueeze(1), x * (limit / length).unsqueeze(1), x)
        expected[0] = 0
        projected = G.project(x, k=k, xi=margin)
        torch.testing.assert_close(projected, expected, rtol=4 * torch.finfo(dtype).eps, atol=0)
        assert torch.equal(projected[length < 0.99 * limit], x[length < 0.99 * limit])


def test_eq_1_is_continuous_at_its_threshold():
    just_outside = torch.tensor([[0.999 + 1e-9, 0.0]], dtype=torch.float64)
    assert G.project(just_outside, k=-1.0, xi=1e-3)[0, 0] == pytest.approx(0.999, abs=1e-12)
    assert G.project(just_outside - 2e-9, k=-1.0, xi=1e-3)[0, 0] < 0.999


def test_eq_1_as_printed_leaves_the_ball():
    """1/|c| lies outside the ball of radius 1/√|c| for |c| < 1 (c = -.2: 4.995 against 2.236), inside for |c| > 1."""
    x = torch.tensor([[30.0, 40.0]], dtype=torch.float64)
    assert G.project(x, k=-0.2, xi=1e-3, radius="printed").norm().item() == pytest.approx(4.995)
    assert G.project(x, k=-0.2, xi=1e-3).norm().item() == pytest.approx(0.999 * 5**0.5)
    assert G.ball_radius(-0.2, "printed") > G.ball_radius(-0.2)
    assert G.ball_radius(-4.0, "printed") < G.ball_radius(-4.0)
    # there Eq. 3 has no value: clamped, it has a finite one, and a finite gradient
    x.requires_grad_()
    k = torch.tensor(-0.2, dtype=torch.float64, requires_grad=True)
    log = G.logmap0(G.project(x, k=k, radius="printed"), k=k)
    assert log.isfinite().all()
    assert all(g.isfinite().all() for g in torch.autograd.grad(log.sum(), (x, k)))


def test_ball_radius():
    k = torch.tensor([-4.0, -1.0, 0.0, 1.0])
    assert G.ball_radius(k).tolist() == [0.5, 1.0, math.inf, math.inf]
    assert G.ball_radius(k, "printed").tolist() == [0.25, 1.0, math.inf, math.inf]
    k.requires_grad_()
    (slope,) = torch.autograd.grad(G.ball_radius(k)[:2].sum(), k)
    torch.testing.assert_close(slope, torch.tensor([1 / 16, 1 / 2, 0.0, 0.0]))


def test_results_take_the_dtype_of_the_points_not_of_k():
    x = torch.rand(3, 2) / 4
    k = torch.tensor(-0.5, dtype=torch.float64)
    for result in (
        G.project(x, k=k),
        G.logmap0(x, k=k),
        G.distance(x, x, k=k),
        G.pairwise_distance(x, k=k),
        G.midpoint(x, k=k),
        G.mobius_add(x.half(), x, k=k),
    ):
        assert result.dtype == torch.float32
    assert G.distance(x, x.double(), k=-0.5).dtype == torch.float64
    assert G.expmap0(x.bfloat16(), k=-0.5).dtype == torch.bfloat16
    assert G.ball_radius(k).dtype == torch.float64
    assert G.ball_radius(-0.5).dtype == torch.float32


X = torch.ones(5, 3) / 4


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: G.logmap0(X, k=math.nan), "curvature k holds NaN"),
        (lambda: G.project(X, k=torch.tensor([[-1.0]] * 4 + [[math.inf]])), "curvature k holds NaN"),
        (lambda: G.logmap0(X, k=torch.ones(5)), "does not fit"),
        (lambda: G.logmap0(X[:, :1].expand(5, 5), k=torch.ones(5)), "does not fit"),
        (lambda: G.distance(X, X[:4], k=-1.0), "do not fit"),
        (lambda: G.expmap0(X.long(), k=-1.0), "call .float"),
        (lambda: G.project(X, k=-1.0, xi=1.0), "xi is 1.0"),
        (lambda: G.project(X, k=-1.0, radius="big"), "radius is 'big'"),
        (lambda: G.pairwise_distance(X, k=torch.ones(5, 1)), "use distance"),
        (lambda: G.midpoint(X[:0], k=-1.0), "midpoint takes"),
        (lambda: G.midpoint(X, k=torch.ones(5, 1)), "different curvature"),
        (lambda: G.midpoint(X, k=-1.0, weights=torch.zeros(5)), "weights must be 5"),
        (lambda: G.midpoint(X, k=-1.0, weights=torch.tensor([1.0, 1, 1, 1, math.nan])), "weights must be 5"),
    ],
)
def test_bad_input_is_refused(call, words):
    with pytest.raises(SettingError, match=words):
        call()


def geometry_of_a_step(x, y, k, sync):
    """All that the alignment loss computes by the geometry."""
    ball = G.project(G.expmap0(x, k=k, sync=sync), k=k, xi=1e-3, sync=sync)
    rows = (ball, G.logmap0(ball, k=k, sync=sync))
    if torch.as_tensor(k).numel() == 1:
        z = G.midpoint(ball, k=k, sync=sync)
        rows += (G.logmap(z, ball, k=k, sync=sync), G.pairwise_distance(ball, y, k=k, sync=sync))
    return torch.cat([row.reshape(-1) for row in rows])


@pytest.mark.parametrize("k", [torch.tensor([[-0.4]]), torch.tensor([[0.3]]), -0.5 * torch.rand(6, 1)])
def test_without_waiting_the_values_are_the_same(k):
    generator = torch.Generator().manual_seed(3)
    x = torch.randn(6, 4, generator=generator, dtype=torch.float64).requires_grad_()
    k = k.double().requires_grad_()
    with nothing_waits():
        values = geometry_of_a_step(x, None, k, sync=False)
        slopes = torch.autograd.grad(values.sin().sum(), (x, k))
    checked = geometry_of_a_step(x, None, k, sync=True)
    torch.testing.assert_close(values, checked, rtol=1e-13, atol=1e-15)
    torch.testing.assert_close(
        slopes, torch.autograd.grad(checked.sin().sum(), (x, k)), rtol=1e-12, atol=1e-14
    )


def test_without_waiting_near_points_keep_float32_digits_and_equal_points_have_distance_zero():
    x = torch.randn(5, 4, generator=torch.Generator().manual_seed(4), dtype=torch.float64) / 8
    twins = torch.cat((x, x + 1e-3 * x.flip(0), x)).requires_grad_()
    distances = G.pairwise_distance(twins, k=-1.0, sync=False)
    torch.testing.assert_close(distances, G.pairwise_distance(twins, k=-1.0), rtol=1e-7, atol=0)
    zero = distances[torch.arange(15), [*range(10, 15), *range(5, 10), *range(5)]]
    assert zero.tolist() == [0] * 15
    (slope,) = torch.autograd.grad(zero.sum(), twins)
    assert slope.abs().max() == 0


@pytest.mark.parametrize(
    "call",
    [
        lambda k: G.project(X, k=k, sync=False),
        lambda k: G.expmap0(X, k=k, sync=False),
        lambda k: G.logmap0(X, k=k, sync=False),
        lambda k: G.logmap(X, X / 2, k=k, sync=False),
        lambda k: G.midpoint(X, k=k, sync=False),
        lambda k: G.pairwise_distance(X, X / 2, k=k, sync=False),
    ],
)
def test_without_waiting_nan_stays_nan(call):
    assert call(torch.tensor(math.nan)).isnan().all()
