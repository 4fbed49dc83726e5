"""Intervals against mpmath's Student distribution, a hand calculation, and their promised coverage."""

from __future__ import annotations

import math
from collections.abc import Callable

import mpmath
import pytest
import torch

from hypav.errors import DataError, SettingError
from hypav.stats import (
    Interval,
    detectable_difference,
    holm,
    holm_adjusted,
    paired_difference,
    paired_p,
    seeds_needed,
    t_interval,
    t_quantile,
)


def student_cdf(t: float, df: int) -> float:
    x = mpmath.mpf(df) / (df + mpmath.mpf(t) ** 2)
    tail = mpmath.betainc(mpmath.mpf(df) / 2, mpmath.mpf(1) / 2, 0, x, regularized=True) / 2
    return float(1 - tail if t > 0 else tail)


@pytest.mark.parametrize("df", [1, 2, 3, 4, 5, 9, 10, 29, 30, 101, 1000])
@pytest.mark.parametrize("p", [0.025, 0.3, 0.9, 0.975, 0.995])
def test_t_quantile_inverts_the_student_distribution(p: float, df: int) -> None:
    assert student_cdf(t_quantile(p, df), df) == pytest.approx(p, abs=1e-12)


def test_t_quantile_meets_the_printed_table() -> None:
    printed = {1: 12.706, 2: 4.303, 4: 2.776, 9: 2.262, 30: 2.042}
    assert {df: round(t_quantile(0.975, df), 3) for df in printed} == printed
    assert t_quantile(0.5, 7) == 0.0


def test_t_interval_by_hand() -> None:
    # mean 4, s = 2, n = 3: 4 ± 4.302653 * 2 / sqrt(3)
    interval = t_interval([2.0, 4.0, 6.0])
    half = 4.302652729911275 * 2 / math.sqrt(3)
    assert (interval.mean, interval.n) == (4.0, 3)
    assert (interval.low, interval.high) == pytest.approx((4 - half, 4 + half), abs=1e-9)
    wide = t_interval(torch.tensor([2.0, 4.0, 6.0]), level=0.99)
    assert wide.high - 4 == pytest.approx(half * t_quantile(0.995, 2) / t_quantile(0.975, 2), abs=1e-9)


def test_t_interval_covers_the_mean_as_often_as_it_says() -> None:
    samples = torch.randn(2000, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    intervals = [t_interval(row) for row in samples]
    covered = sum(i.low <= 0 <= i.high for i in intervals) / 2000
    assert covered == pytest.approx(0.95, abs=0.015)  # three standard errors


def test_one_run_has_no_interval() -> None:
    assert t_interval([0.25]) == Interval(0.25, None, None, 1)
    assert paired_difference([3.0], [1.0], generator=torch.Generator()) == Interval(2.0, None, None, 1)


def test_paired_difference_keeps_to_the_pairs() -> None:
    a = torch.randn(40, generator=torch.Generator().manual_seed(1), dtype=torch.float64) * 10
    noise = torch.randn(40, generator=torch.Generator().manual_seed(2), dtype=torch.float64) * 0.1
    interval = paired_difference(a + 1 + noise, a, generator=torch.Generator().manual_seed(3))
    assert interval.low < interval.mean < interval.high
    assert interval.mean == pytest.approx(1 + float(noise.mean()), abs=1e-12)
    # many draws of 40: the percentile interval is near the normal one, mean ± 1.96 s / sqrt(n)
    half = 1.96 * float(noise.std(correction=0)) / math.sqrt(40)
    assert interval.high - interval.low == pytest.approx(2 * half, rel=0.05)


def test_paired_difference_of_two_seeds_is_between_the_two() -> None:
    interval = paired_difference([1.0, 4.0], [0.0, 0.0], generator=torch.Generator().manual_seed(0))
    assert (interval.low, interval.mean, interval.high) == (1.0, 2.5, 4.0)


def test_paired_difference_follows_its_generator() -> None:
    a, b = [1.0, 2.0, 4.0, 8.5], [0.5, 2.5, 3.0, 5.0]
    first, again, other = (
        paired_difference(a, b, generator=torch.Generator().manual_seed(s), draws=37) for s in (0, 0, 1)
    )
    assert first == again != other


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda g: t_interval([]), DataError, "values must be a list"),
        (lambda g: t_interval([1.0, math.nan]), DataError, "values must be a list"),
        (lambda g: t_interval([[1.0], [2.0]]), DataError, "values must be a list"),
        (lambda g: t_interval([1.0, 2.0], level=95), SettingError, "level is 95"),
        (lambda g: t_quantile(1.0, 3), SettingError, "p = 1.0"),
        (lambda g: t_quantile(0.9, 0), SettingError, "df = 0"),
        (lambda g: paired_difference([1.0, 2.0], [1.0], generator=g), DataError, "a has 2 runs and b 1"),
        (lambda g: paired_difference([1.0], [math.inf], generator=g), DataError, "b must be a list"),
        (lambda g: paired_difference([1.0], [1.0], generator=g, draws=0), SettingError, "draws is 0"),
        (lambda g: paired_difference([1.0], [1.0], generator=g, level=0), SettingError, "level is 0"),
    ],
)
def test_what_has_no_interval_is_refused(
    call: Callable[[torch.Generator], object], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        call(torch.Generator())


def scattered(mean: float, s: float) -> list[float]:
    """Three differences with exactly this mean and standard deviation."""
    return [mean - s, mean, mean + s]


# a paired t test with level .95 and power .8 (mean/s: exact sizes by the non-central t, as in Cohen 1988 and G*Power)
@pytest.mark.parametrize(("effect", "n"), [(1.0, 10), (0.8, 15), (0.5, 34), (0.4, 52), (0.3, 90), (0.2, 199)])
def test_seeds_needed_meets_the_printed_sizes(effect: float, n: int) -> None:
    assert seeds_needed(scattered(effect, 1.0)) == n
    assert seeds_needed(scattered(-7 * effect, 7.0)) == n  # neither sign nor unit matters


def test_seeds_needed_beyond_the_exact_range_goes_on_smoothly() -> None:
    # mean/s = .05: (1.959964 + .841621)^2 / .05^2 + 1.959964^2 / 2 = 3141.47
    assert seeds_needed(scattered(0.05, 1.0)) == 3142
    just_below, just_above = (seeds_needed(scattered(effect, 1.0)) for effect in (0.0888, 0.0884))
    assert just_below is not None
    assert just_above is not None
    assert 0 < just_above - just_below < 12


def test_seeds_needed_rises_with_power_and_level_and_says_none_where_there_is_nothing_to_tell() -> None:
    differences = scattered(0.5, 1.0)
    # the non-central t gives 44 and 51: iterated quantiles are off by one at most
    assert seeds_needed(differences, power=0.9) == 45
    assert seeds_needed(differences, level=0.99) == 50
    assert seeds_needed([3.0, 3.0]) == 2
    assert seeds_needed([0.0, 0.0]) is None
    assert seeds_needed([-1.0, 1.0]) is None
    assert seeds_needed([2.0]) is None


def test_the_detectable_difference_is_the_other_side_of_seeds_needed() -> None:
    ten = torch.randn(10, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    least = detectable_difference(ten)
    assert least == pytest.approx((2.262157 + 0.883404) * float(ten.std()) / math.sqrt(10), rel=1e-6)
    at = ten - ten.mean() + least * (1 + 1e-9)
    assert seeds_needed(at) == 10
    assert seeds_needed(at - 0.02 * least) == 11
    assert detectable_difference([1.0]) is None


@pytest.mark.parametrize("wrong", [{"power": 0.3}, {"power": 1.0}, {"level": 1.0}])
@pytest.mark.parametrize("function", [seeds_needed, detectable_difference])
def test_powers_and_levels_out_of_range_are_refused(function: Callable[..., object], wrong: dict) -> None:
    with pytest.raises(SettingError):
        function([1.0, 2.0], **wrong)


def test_paired_p_is_students() -> None:
    for n in (2, 5, 10):
        x = torch.randn(n, generator=torch.Generator().manual_seed(n), dtype=torch.float64) + 0.5
        t = float(x.mean() / x.std() * n**0.5)
        assert paired_p(x) == pytest.approx(2 * (1 - student_cdf(abs(t), n - 1)), abs=1e-12)
        assert paired_p(-x) == paired_p(x)
        interval = t_interval(x)
        assert (interval.low <= 0 <= interval.high) == (paired_p(x) >= 0.05)
    assert paired_p([0.0, 0.0]) == 1
    assert paired_p([2.0, 2.0]) == 0
    assert paired_p([2.0]) is None


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == 2  # .005 <= .05/4, .01 <= .05/3, .03 > .05/2
    assert holm([0.04, 0.045]) == 0  # each alone below .05, but .04 > .05/2
    assert holm([0.001] * 3) == 3
    assert holm([]) == 0


def test_adjusted_p_values_by_hand_stand_where_holm_says() -> None:
    assert holm_adjusted([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm_adjusted([0.6, 0.7]) == [1.0, 1.0]
    assert holm_adjusted([]) == []
    for seed in range(50):
        p = (torch.rand(6, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) ** 3).tolist()
        assert sum(one <= 0.05 for one in holm_adjusted(p)) == holm(p)
