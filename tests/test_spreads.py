"""Spread over settings against spread over seeds: by hand, and where the truth is known because it was drawn."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch

from hypav.errors import DataError, SettingError
from hypav.stats import detectable_difference, detectable_range, setting_effect, spread_ratio, spreads


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def drawn(K: int, n: int, *, setting: float, seed: float, noise: float, start: int = 1) -> torch.Tensor:
    """(K, n) values: an effect of the setting, one of the seed, and noise of each run."""
    g = generator(start)
    rows, columns = (torch.randn(count, generator=g, dtype=torch.float64) for count in (K, n))
    return (
        setting * rows[:, None] + seed * columns + noise * torch.randn(K, n, generator=g, dtype=torch.float64)
    )


def test_both_spreads_by_hand() -> None:
    # over settings: variances 2 and 8, mean 5; over seeds: 2 and 0, mean 1
    found = spreads([[1.0, -1.0], [3.0, 3.0]], generator=generator())
    assert (found.settings, found.seeds) == pytest.approx((math.sqrt(5), 1.0))
    assert found.ratio == pytest.approx(5)
    assert found.shape == (2, 2)


def test_settings_that_do_nothing_have_no_spread() -> None:
    one = drawn(1, 10, setting=0, seed=1, noise=0)
    found = spreads(one.expand(13, 10), generator=generator())
    assert (found.settings, found.ratio, found.low, found.high) == (0, 0, 0, 0)
    assert found.seeds == pytest.approx(float(one.std()))
    assert setting_effect(one.expand(13, 10), generator=generator()) == (None, 1.0)


def test_runs_that_drift_apart_as_seeds_do_have_a_ratio_near_one() -> None:
    found = spreads(drawn(13, 12, setting=0, seed=0, noise=1), generator=generator())
    assert found.low is not None
    assert found.high is not None
    assert found.low < 1 < found.high
    assert found.low > 0.5
    assert found.high < 2


def test_a_setting_that_matters_shows() -> None:
    values = drawn(13, 10, setting=2, seed=0.3, noise=0.3)
    found = spreads(values, generator=generator())
    assert found.low is not None
    assert found.low > 2
    F, p = setting_effect(values, generator=generator())
    assert F is not None
    assert F > 20
    assert p == pytest.approx(1 / 10_001)


def test_seeds_that_do_not_scatter_give_no_ratio() -> None:
    found = spreads([[1.0, 1.0], [2.0, 2.0]], generator=generator())
    assert (found.seeds, found.ratio, found.low) == (0, None, None)


def test_the_interval_of_the_ratio_covers_the_truth_about_as_often_as_it_says() -> None:
    # noise 1 and seed effect 1: settings 1, seeds 2, so the ratio is 1/2
    hits = 0
    for start in range(200):
        found = spreads(
            drawn(8, 12, setting=0, seed=1, noise=1, start=start), generator=generator(start), draws=400
        )
        assert found.low is not None
        assert found.high is not None
        hits += found.low <= 0.5 <= found.high
    assert hits / 200 > 0.85  # a percentile bootstrap of twelve seeds is somewhat narrow


def test_the_effect_by_hand() -> None:
    # settings' means -1, 1; seeds out: [[-1.5, -.5], [1.5, .5]]; F = 2*2/1 / (.5*2/1) = 4
    F, p = setting_effect([[0.0, 0.0], [3.0, 1.0]], generator=generator(), draws=4000)
    assert pytest.approx(4) == F
    assert p == pytest.approx(0.5, abs=0.04)  # two of the four shuffles are as far apart


def test_the_effects_p_is_uniform_where_there_is_no_effect() -> None:
    found = [
        setting_effect(drawn(5, 6, setting=0, seed=1, noise=1, start=s), generator=generator(s), draws=99)[1]
        for s in range(300)
    ]
    assert sum(p <= 0.1 for p in found) / 300 == pytest.approx(0.1, abs=0.05)
    assert sum(p <= 0.5 for p in found) / 300 == pytest.approx(0.5, abs=0.09)


@pytest.mark.parametrize(
    "values", [[[1.0, 2.0]], [[1.0], [2.0]], [[1.0, math.nan], [1.0, 2.0]], [[1.0, 2.0], [1.0]], []]
)
def test_layouts_with_holes_are_refused(values: list[list[float]]) -> None:
    for function in (spreads, setting_effect):
        with pytest.raises(DataError) as error:
            function(values, generator=generator())
        assert "\n" not in str(error.value)


def test_draws_and_level_out_of_range_are_refused() -> None:
    with pytest.raises(SettingError):
        spreads(torch.rand(2, 2), generator=generator(), level=1)
    with pytest.raises(SettingError):
        setting_effect(torch.rand(2, 2), generator=generator(), draws=0)


# --- one layout's spread by another's ---


def test_the_ratio_of_spreads_by_hand() -> None:
    # over settings: variances 2 and 8 in one, 2 and 2 in the other: means 5 and 2
    a, b = [[1.0, -1.0], [3.0, 3.0]], [[0.0, 1.0], [2.0, 3.0]]
    found = spread_ratio(a, b, generator=generator())
    assert (found.first, found.second) == pytest.approx((math.sqrt(5), math.sqrt(2)))
    assert found.ratio == pytest.approx(math.sqrt(2.5))
    assert (found.low, found.high, found.n) == (None, None, 2)  # too few for an interval
    six = [[row[seed % 2] for seed in range(6)] for row in (*a, *b)]
    found = spread_ratio(six[:2], six[2:], generator=generator())
    # of six seeds none to six have the variance 8, the others 2; below 2.5 % lies none, as above
    assert (found.low, found.high) == pytest.approx((math.sqrt(3 / 2), math.sqrt(7 / 2)))


def test_settings_that_do_more_than_rounding_have_a_ratio_above_one() -> None:
    first = drawn(13, 10, setting=0, seed=1, noise=3)
    shaken = drawn(13, 10, setting=0, seed=1, noise=1, start=2)
    found = spread_ratio(first, shaken, generator=generator())
    assert found.low is not None
    assert 2 < found.low < 3
    same = spread_ratio(drawn(13, 10, setting=0, seed=0, noise=1, start=3), shaken, generator=generator())
    assert same.low is not None
    assert same.high is not None
    assert same.low < 1 < same.high


def test_a_ratio_to_runs_that_hardly_or_never_scatter() -> None:
    moving = drawn(3, 6, setting=0, seed=1, noise=1)
    assert spread_ratio(moving, torch.ones(3, 6), generator=generator()).ratio is None
    one_seed = torch.ones(3, 6)
    one_seed[0, 0] = 2
    found = spread_ratio(moving, one_seed, generator=generator())
    assert found.high == math.inf  # a third of the samples leave that seed out
    assert found.low is not None
    assert math.isfinite(found.low)


def test_the_detectable_range_of_two_settings_is_that_of_the_paired_t_test() -> None:
    x = drawn(2, 10, setting=0, seed=3, noise=1)
    assert detectable_range(x, generator=generator()) == pytest.approx(
        detectable_difference(x[0] - x[1]), rel=0.02
    )


def test_a_detectable_range_is_seen_four_times_in_five() -> None:
    K, n, hits = 13, 10, 0
    some = (drawn(K, n, setting=0, seed=1, noise=1, start=s) for s in range(20))
    reach = math.sqrt(sum(detectable_range(x, generator=generator()) ** 2 for x in some) / 20)
    for s in range(200):
        x = drawn(K, n, setting=0, seed=1, noise=1, start=s)
        x[0] += reach / 2
        x[1] -= reach / 2
        hits += setting_effect(x, generator=generator(s), draws=400)[1] <= 0.05
    assert hits / 200 == pytest.approx(0.8, abs=0.07)


def test_shuffles_come_in_chunks_and_all_count() -> None:
    x = drawn(4, 5, setting=0.6, seed=1, noise=1)
    found = [setting_effect(x, generator=generator(s), draws=12_000)[1] for s in range(3)]
    assert max(found) - min(found) < 0.03
    assert all((p * 12_001) % 1 == pytest.approx(0, abs=1e-6) or (p * 12_001) % 1 > 1 - 1e-6 for p in found)


@pytest.mark.parametrize(
    "call",
    [
        lambda g: detectable_range(torch.rand(2, 2), generator=g, power=1),
        lambda g: detectable_range(torch.rand(2, 2), generator=g, level=95),
        lambda g: spread_ratio(torch.rand(2, 2), torch.rand(2, 2), generator=g, draws=0),
    ],
)
def test_settings_of_ratio_and_range_out_of_range_are_refused(
    call: Callable[[torch.Generator], object],
) -> None:
    with pytest.raises(SettingError):
        call(generator())


def test_layouts_of_different_seeds_have_no_ratio() -> None:
    with pytest.raises(DataError, match="2 and 3 seeds"):
        spread_ratio(torch.rand(2, 2), torch.rand(2, 3), generator=generator())
