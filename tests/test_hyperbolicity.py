"""δ against its definition, the released code's numbers, trees and circles; δ_rel, its samples and its nulls."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hypav import hyperbolicity as gromov
from hypav.errors import DataError, SettingError
from hypav.geometry import pairwise_distance
from hypav.hyperbolicity import (
    covariance_matched_null,
    delta_rel,
    distances,
    four_point_delta,
    gaussian_null,
    sampled_delta_rel,
    search,
)

GOLDEN = np.load(Path(__file__).parent / "golden" / "delta.npz")
quick = settings(max_examples=30, deadline=None, derandomize=True)


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def definition(d):
    """max_ij [max_k min(A_ik, A_kj) - A_ij] in one n x n x n array."""
    a = 0.5 * (d[0][:, None] + d[0][None, :] - d)
    return np.max(np.max(np.minimum(a[:, :, None], a[None, :, :]), axis=1) - a)


def rolled(d):
    """The matrix with each point in turn as the first."""
    return [distances(d).roll((-b, -b), (0, 1)) for b in range(len(d))]


def euclidean(x):
    return np.sqrt(((x[:, None] - x[None]) ** 2).sum(-1))


def clouds(seed, n, kind, dtype):
    generator = np.random.default_rng(seed)
    if kind == "noise":
        d = euclidean(generator.normal(size=(n, 5)))
    elif kind == "clusters":  # near-duplicates leave the bounds of the search empty
        x = generator.normal(size=(3, 5))[generator.integers(3, size=n)]
        d = euclidean(x + 1e-3 * generator.normal(size=(n, 5)))
    elif kind == "duplicates":
        d = euclidean(generator.normal(size=(4, 2))[generator.integers(4, size=n)])
    else:  # symmetric, but no metric: the definition still has a value
        d = generator.uniform(0, 1, (n, n))
        d = d + d.T
        np.fill_diagonal(d, 0)
    return d.astype(dtype)


@quick
@given(
    st.integers(0, 2**32),
    st.integers(4, 30),
    st.sampled_from(["noise", "clusters", "duplicates", "not metric"]),
    st.sampled_from([np.float32, np.float64]),
)
def test_delta_is_the_definition_bit_by_bit(seed, n, kind, dtype):
    d = clouds(seed, n, kind, dtype)
    delta = search(distances(d))
    assert delta.dtype == torch.as_tensor(d).dtype
    assert delta.ndim == 0
    assert delta.item() == definition(d)


def test_delta_is_the_definition_in_blocks(monkeypatch):
    d = clouds(1, 60, "clusters", np.float64)
    monkeypatch.setattr(gromov, "BLOCK", 150)
    assert search(distances(d)).item() == definition(d)


def test_memory_is_quadratic():
    from torch.utils._python_dispatch import TorchDispatchMode

    class Largest(TorchDispatchMode):
        size = 0

        def __torch_dispatch__(self, function, types, args=(), kwargs=None):
            result = function(*args, **(kwargs or {}))
            if isinstance(result, torch.Tensor):
                self.size = max(self.size, result.numel())
            return result

    for kind in ("noise", "clusters"):
        d = torch.from_numpy(clouds(0, 400, kind, np.float64))
        with Largest() as largest:
            search(distances(d))
        assert 400**2 <= largest.size <= max(400**2, gromov.BLOCK)


def test_the_released_codes_numbers():
    for name, points in (("X", GOLDEN["X"]), ("circle", GOLDEN["circle"])):
        result = delta_rel(points, convention="released")
        assert result.delta == pytest.approx(float(GOLDEN[f"delta_{name}"]), rel=1e-13)
        assert result.diameter == pytest.approx(float(GOLDEN[f"diam_{name}"]), rel=1e-14)
        assert result.delta_rel == pytest.approx(
            float(GOLDEN[f"delta_{name}"] / GOLDEN[f"diam_{name}"]), rel=1e-13
        )
    d = euclidean(GOLDEN["X"])
    assert delta_rel(d, precomputed=True).delta == definition(d)


def test_a_tree_has_delta_zero():
    tree = GOLDEN["tree_dist"]
    assert [search(d).item() for d in rolled(tree)] == [0] * len(tree)
    result = delta_rel(tree.astype(int), precomputed=True)
    assert (result.delta, result.diameter, result.delta_rel) == (0, 12, 0)


def test_a_cycle_has_the_known_delta():
    """The cycle of 4m points has δ = m (from its four quarter points)."""
    for m in (1, 2, 5):
        i = torch.arange(4 * m)
        gap = (i - i.unsqueeze(1)).abs()
        cycle = torch.minimum(gap, 4 * m - gap)
        assert delta_rel(cycle, precomputed=True).delta == m
        assert four_point_delta(cycle, [0, m, 2 * m, 3 * m]).item() == m


@quick
@given(st.integers(0, 2**32), st.sampled_from(["noise", "clusters", "duplicates"]))
def test_delta_over_all_bases_is_the_largest_of_all_quadruples(seed, kind):
    d = clouds(seed, 9, kind, np.float64)
    exact = max(four_point_delta(d, q).item() for q in itertools.combinations(range(9), 4))
    at_bases = [search(matrix).item() for matrix in rolled(d)]
    # where δ is 0, sums of distances up to 10 leave roundings of 1e-15
    assert max(at_bases) == pytest.approx(exact, rel=1e-13, abs=1e-14)
    assert all(exact <= 2 * delta + 1e-14 for delta in at_bases)  # a fixed base sees at least half


def test_four_points():
    square = torch.tensor([[0.0, 1, 2, 1], [1, 0, 1, 2], [2, 1, 0, 1], [1, 2, 1, 0]])
    assert four_point_delta(square, (0, 1, 2, 3)) == 1
    assert four_point_delta(square, (3, 1, 0, 2)) == 1
    assert four_point_delta(square, (0, 0, 1, 2)) == 0


def test_hyperbolic_distances_are_more_tree_like():
    x = torch.randn(60, 2, generator=rng(), dtype=torch.float64)
    x = 0.999 * x / x.norm(dim=1, keepdim=True)
    assert delta_rel(pairwise_distance(x, k=-1.0), precomputed=True).delta_rel < 0.5 * delta_rel(x).delta_rel


def test_a_sample_of_all_points_is_the_whole():
    x = torch.randn(40, 4, generator=rng())
    result = sampled_delta_rel(x, generator=rng(1), size=1500, tries=3)
    order = torch.randperm(40, generator=rng(1))  # the first try's base point is a random one
    assert result.n == 40
    assert result.values[0] == pytest.approx(delta_rel(x.roll(-int(order[0]), 0)).delta_rel, rel=1e-13)


def test_samples_have_a_mean_and_an_interval():
    x = torch.randn(200, 6, generator=rng())
    result = sampled_delta_rel(x, generator=rng(2), size=50, tries=8)
    values = torch.tensor(result.values, dtype=torch.float64)
    assert (len(values), result.n) == (8, 50)
    assert result.delta_rel == pytest.approx(float(values.mean()))
    low, high = result.interval
    assert low < result.delta_rel < high
    # a bootstrap of the mean: its half-width is about 1.96 s sqrt(7/8)/sqrt(8)
    assert (high - low) / 2 == pytest.approx(1.96 * float(values.std()) * (7 / 8) ** 0.5 / 8**0.5, rel=0.15)
    assert result == sampled_delta_rel(x, generator=rng(2), size=50, tries=8)
    assert result != sampled_delta_rel(x, generator=rng(3), size=50, tries=8)
    assert sampled_delta_rel(x, generator=rng(2), size=50, tries=1).interval is None


def test_samples_are_drawn_without_replacement():
    square = np.array([[0.0, 0], [0, 1], [1, 0], [1, 1]])
    drawn = sampled_delta_rel(square, generator=rng(), size=6, tries=20)
    assert drawn.n == 4
    assert np.ptp(drawn.values) < 1e-12  # no try misses a corner: three corners have δ = 0


def test_the_null_of_the_same_covariance():
    """Noise in a tilted plane of 64 dimensions is not compared with noise in 64."""
    mixed = torch.randn(2, 64, generator=rng(1), dtype=torch.float64).svd().V.T
    points = torch.randn(4000, 2, generator=rng(2), dtype=torch.float64) @ (7 * mixed)
    null = covariance_matched_null(points, generator=rng(), size=100, tries=20)
    assert (null.n, len(null.values)) == (100, 20)
    assert gaussian_null(100, 64, generator=rng(3), tries=4).delta_rel < null.delta_rel - 0.05
    # exactly: deviations along the principal axes times standard normal numbers
    few = np.random.default_rng(5).normal(size=(30, 4)) @ np.diag([5, 2, 1, 0.2])
    noise = torch.randn(12, 4, generator=rng(4), dtype=torch.float64).numpy()
    deviations = np.sqrt(np.linalg.eigvalsh(np.cov(few.T))[::-1])
    exact = covariance_matched_null(few, generator=rng(4), size=12, tries=1)
    assert exact.delta_rel == pytest.approx(delta_rel(noise * deviations).delta_rel)
    assert covariance_matched_null(few, generator=rng(), tries=1).n == 30


def test_what_delta_rel_is():
    x = torch.randn(30, 4, generator=rng(), dtype=torch.float64)
    result, released = delta_rel(x), delta_rel(x, convention="released")
    assert result.delta_rel == pytest.approx(2 * result.delta / result.diameter)
    assert result.delta_rel == pytest.approx(2 * released.delta_rel)
    assert (result.n, result.interval) == (30, None)
    from_distances = delta_rel(euclidean(x.numpy()), precomputed=True)
    assert result.delta_rel == pytest.approx(from_distances.delta_rel, rel=1e-13)
    assert delta_rel(10 * x.float()).delta_rel == pytest.approx(result.delta_rel, rel=1e-6)


def test_the_null_of_noise():
    null = gaussian_null(150, 64, generator=rng(), tries=4)
    assert (null.n, len(null.values)) == (150, 4)
    assert 0.28 < null.delta_rel < 0.36  # noise in 64 dimensions: no evidence of a tree


X = np.random.default_rng(0).normal(size=(6, 3))
D = euclidean(X)


def changed(i, j, value):
    d = D.copy()
    d[i, j] = value
    return d


@pytest.mark.parametrize(
    ("matrix", "words"),
    [
        (D[:5], "square, but this has shape"),
        (D[:3, :3], "at least 4 points"),
        (changed(1, 2, np.nan), "NaN or infinite"),
        (changed(1, 2, np.inf), "NaN or infinite"),
        (changed(1, 2, 5.0), "not symmetric"),
        (-D, "negative numbers"),
        (np.ones((5, 5)), "diagonal of the distance matrix is not zero"),
    ],
)
def test_bad_matrices_are_refused(matrix, words):
    with pytest.raises(DataError, match=words):
        delta_rel(matrix, precomputed=True)


def test_rounding_does_not_make_a_matrix_asymmetric():
    almost = changed(1, 2, D[1, 2] * (1 + 1e-6))
    exact = delta_rel(D, precomputed=True).delta
    assert delta_rel(almost, precomputed=True).delta == pytest.approx(exact, rel=1e-4)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: delta_rel(X[:3]), DataError, "at least 4 points"),
        (lambda: delta_rel(np.where(X > 0, X, np.nan)), DataError, "rows of the features"),
        (lambda: delta_rel(np.ones((5, 3))), DataError, "diameter is 0"),
        (lambda: delta_rel(X, convention="half"), SettingError, "convention is 'half'"),
        (lambda: four_point_delta(D, (0, 1, 2, 6)), SettingError, "no point 6"),
        (lambda: four_point_delta(D, (0, 1, 2)), SettingError, "got 3 indices"),
        (lambda: sampled_delta_rel(X, generator=rng(), size=3), SettingError, "3 points"),
        (lambda: gaussian_null(5, 0, generator=rng()), SettingError, "dim is 0"),
        (lambda: covariance_matched_null(X, generator=rng(), tries=0), SettingError, "0 tries"),
    ],
)
def test_bad_settings_are_refused(call, error, words):
    with pytest.raises(error, match=words):
        call()
