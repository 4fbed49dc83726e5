"""Intervals against mpmath's Student distribution, a hand calculation, and their promised coverage."""

from __future__ import annotations

import math
from collections.abc import Callable

import mpmath
import pytest
import torch

from hypav.errors import DataError, SettingError
from hypav.intervals import Interval, paired_difference, t_interval, t_quantile


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
