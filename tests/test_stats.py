"""Statistics over seeds: by hand, against printed tables, and on draws of which the truth is known."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from hypav.errors import DataError, SettingError
from hypav.stats import (
    Interval,
    detectable_difference,
    detectable_range,
    holm_adjusted,
    paired_p,
    setting_effect,
    spreads,
    t_interval,
    t_quantile,
)


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def excludes_zero(interval: Interval) -> bool:
    return not interval.low <= 0 <= interval.high


def grid(K: int, n: int, *, setting: float, noise: float, start: int = 1) -> Tensor:
    """(K, n) values: an effect of the setting, an effect of the seed, and noise of each run."""
    rows, columns, runs = (
        normal(K, 1, seed=start),
        normal(n, seed=start + 1000),
        normal(K, n, seed=start + 2000),
    )
    return setting * rows + columns + noise * runs


def test_t_quantile_meets_the_printed_table() -> None:
    printed = {1: 12.706, 2: 4.303, 4: 2.776, 9: 2.262, 30: 2.042}
    assert {df: round(t_quantile(0.975, df), 3) for df in printed} == printed


def test_t_interval_by_hand() -> None:
    # mean 4, s = 2, n = 3: 4 ± 4.302653 * 2 / sqrt(3)
    interval = t_interval([2.0, 4.0, 6.0])
    half = 4.302652729911275 * 2 / math.sqrt(3)
    assert (interval.mean, interval.n) == (4.0, 3)
    assert (interval.low, interval.high, interval.half) == pytest.approx((4 - half, 4 + half, half))
    assert not excludes_zero(interval)
    assert excludes_zero(t_interval(torch.tensor([2.0, 2.5, 3.0])))
    assert t_interval([2.0, 4.0, 6.0], level=0.99).half == pytest.approx(half * 9.924843 / 4.302653)


def test_two_values_have_no_interval() -> None:
    assert t_interval([0.25, 0.75]) == Interval(0.5, None, None, 2)
    assert t_interval([0.25]).half is None


def test_t_interval_covers_the_mean_as_often_as_it_says() -> None:
    intervals = [t_interval(row) for row in normal(2000, 5)]
    assert sum(not excludes_zero(i) for i in intervals) / 2000 == pytest.approx(
        0.95, abs=0.015
    )  # 3 standard errors


def test_paired_p_agrees_with_the_interval() -> None:
    for n in (3, 5, 10):
        for seed in range(20):
            x = normal(n, seed=seed) + 0.7
            assert excludes_zero(t_interval(x)) == (paired_p(x) < 0.05)
            assert paired_p(-x) == pytest.approx(paired_p(x))
    assert paired_p([1.0, 3.0]) == pytest.approx(1 - 2 / math.pi * math.atan(2))  # Cauchy at t = 2
    assert [paired_p(x) for x in ([0.0, 0.0], [2.0, 2.0], [2.0])] == [1.0, 0.0, None]


def test_holms_correction_by_hand() -> None:
    assert holm_adjusted([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm_adjusted([0.6, 0.7]) == [1.0, 1.0]
    assert holm_adjusted([]) == []


def test_the_detectable_difference_by_hand() -> None:
    ten = normal(10)
    least = detectable_difference(ten)
    assert least == pytest.approx((2.262157 + 0.883404) * float(ten.std()) / math.sqrt(10), rel=1e-6)
    assert detectable_difference([1.0]) is None


def test_both_spreads_by_hand() -> None:
    # over settings: variances 2 and 8, mean 5; over seeds: 2 and 0, mean 1
    result = spreads([[1.0, -1.0], [3.0, 3.0]])
    assert (result.settings, result.seeds) == pytest.approx((math.sqrt(5), 1.0))
    assert result.ratio == pytest.approx(math.sqrt(5))
    assert spreads([[1.0, 1.0], [2.0, 2.0]]).ratio is None


def test_settings_that_do_nothing_have_no_spread_and_no_effect() -> None:
    same = normal(10).expand(13, 10)
    assert (spreads(same).settings, spreads(same).ratio) == pytest.approx((0, 0))
    assert setting_effect(same) == (None, 1.0)


def test_the_effect_by_hand() -> None:
    # settings' means -1, 1; without the seeds: [[-1.5, -.5], [1.5, .5]]; F = 2*2/1 / (.5*2/1) = 4
    F, p = setting_effect([[0.0, 0.0], [3.0, 1.0]])
    assert pytest.approx(4) == F
    assert p == pytest.approx(0.5)  # two of the four shuffles are as far apart
    assert setting_effect([[0.0, 1.0], [2.0, 3.0]])[0] == math.inf


def test_an_effect_shows_and_noise_has_uniform_p_values() -> None:
    F, p = setting_effect(grid(13, 10, setting=2, noise=0.3))
    assert F is not None
    assert F > 20
    assert p < 1e-3
    ps = [setting_effect(grid(5, 6, setting=0, noise=1, start=s), draws=99)[1] for s in range(300)]
    assert sum(p <= 0.1 for p in ps) / 300 == pytest.approx(0.1, abs=0.05)
    assert sum(p <= 0.5 for p in ps) / 300 == pytest.approx(0.5, abs=0.09)


def test_the_same_seed_gives_the_same_p() -> None:
    x = grid(4, 5, setting=0.5, noise=1)
    assert setting_effect(x, seed=3, draws=500) == setting_effect(x, seed=3, draws=500)


def test_the_detectable_range_of_two_settings_is_that_of_the_paired_t_test() -> None:
    x = grid(2, 10, setting=0, noise=1)
    assert detectable_range(x) == pytest.approx(detectable_difference(x[0] - x[1]), rel=0.02)


def test_a_detectable_range_is_detected_four_times_in_five() -> None:
    K, n, hits = 13, 10, 0
    reach = math.sqrt(
        sum(detectable_range(grid(K, n, setting=0, noise=1, start=s)) ** 2 for s in range(20)) / 20
    )
    for s in range(200):
        x = grid(K, n, setting=0, noise=1, start=s)
        x[0] += reach / 2
        x[1] -= reach / 2
        hits += setting_effect(x, draws=400)[1] <= 0.05
    assert hits / 200 == pytest.approx(0.8, abs=0.07)


@pytest.mark.parametrize("values", [[], [1.0, math.nan], [[1.0], [2.0]]])
@pytest.mark.parametrize("function", [t_interval, paired_p, detectable_difference])
def test_values_that_are_not_a_list_of_numbers_are_refused(function: Callable, values: list) -> None:
    with pytest.raises(DataError, match="one finite number per run"):
        function(values)


@pytest.mark.parametrize(
    "values", [[[1.0, 2.0]], [[1.0], [2.0]], [[1.0, math.nan], [1.0, 2.0]], [[1.0, 2.0], [1.0]], []]
)
@pytest.mark.parametrize("function", [spreads, setting_effect, detectable_range])
def test_grids_with_missing_values_are_refused(function: Callable, values: list) -> None:
    with pytest.raises(DataError):
        function(values)


@pytest.mark.parametrize(
    "call",
    [
        lambda: t_quantile(1.0, 3),
        lambda: t_quantile(0.9, 0),
        lambda: t_interval([1.0, 2.0], level=95),
        lambda: detectable_difference([1.0, 2.0], power=0.3),
        lambda: detectable_difference([1.0, 2.0], level=1.0),
        lambda: setting_effect(torch.rand(2, 2), draws=0),
        lambda: detectable_range(torch.rand(2, 2), power=1),
    ],
)
def test_settings_out_of_range_are_refused(call: Callable) -> None:
    with pytest.raises(SettingError):
        call()
