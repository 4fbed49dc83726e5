"""Intervals over seeds: how far a mean, or the difference of two variants, may be trusted."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from hypav.errors import DataError, SettingError

__all__ = ["Interval", "paired_difference", "t_interval", "t_quantile"]


@dataclass(frozen=True)
class Interval:
    """A mean over n runs and its interval, in the unit of the values; low and high are None where n = 1."""

    mean: float
    low: float | None
    high: float | None
    n: int


def t_interval(values: Sequence[float] | Tensor, *, level: float = 0.95) -> Interval:
    """mean ± t s / sqrt(n), Student's interval for the mean of independent runs (one value a seed).

    Raises:
        DataError: where there is no value, or one is NaN or infinite.
        SettingError: where level is not between 0 and 1.
    """
    x = _runs("values", values)
    _require_level(level)
    n, mean = len(x), float(x.mean())
    if n == 1:
        return Interval(mean, None, None, 1)
    half = t_quantile((1 + level) / 2, n - 1) * float(x.std()) / math.sqrt(n)
    return Interval(mean, mean - half, mean + half, n)


def paired_difference(
    a: Sequence[float] | Tensor,
    b: Sequence[float] | Tensor,
    *,
    generator: Generator,
    level: float = 0.95,
    draws: int = 10_000,
) -> Interval:
    """Mean of a - b over seeds that both variants share, with a percentile bootstrap interval (Efron 1979).

    Pairing takes out what a seed does to both. Below about ten seeds the bootstrap interval is too narrow
    (with two it is the two differences themselves): read `t_interval` of the differences beside it.

    Args:
        a, b: (n,) the values of the two variants, in the same order of seeds.
        generator: on the CPU.

    Raises:
        DataError: where a and b differ in length, are empty, or hold NaN or infinite values.
        SettingError: where level is not between 0 and 1, or draws is below 1.
    """
    x, y = _runs("a", a), _runs("b", b)
    _require_level(level)
    if draws < 1:
        raise SettingError(f"draws is {draws}; it must be at least 1 (10000 is usual).")
    if len(x) != len(y):
        raise DataError(
            f"a has {len(x)} runs and b {len(y)}; a paired difference needs the same seeds in both."
        )
    difference = x - y
    n, mean = len(difference), float(difference.mean())
    if n == 1:
        return Interval(mean, None, None, 1)
    means = difference[torch.randint(n, (draws, n), generator=generator)].mean(dim=1)
    tail = (1 - level) / 2
    low, high = means.quantile(torch.tensor([tail, 1 - tail], dtype=means.dtype)).tolist()
    return Interval(mean, low, high, n)


def t_quantile(p: float, df: int) -> float:
    """The t with P(T <= t) = p for Student's T of df >= 1 degrees of freedom, 0 < p < 1; good to 1e-9.

    By bisection of A(theta) = P(|T| <= sqrt(df) tan theta), which has a finite series for whole df
    (Abramowitz and Stegun 1964, 26.7.3 and 26.7.4).

    Raises:
        SettingError: where p or df is out of range.
    """
    if not 0 < p < 1 or df < 1:
        raise SettingError(f"A t quantile needs 0 < p < 1 and df >= 1, not p = {p} and df = {df}.")
    low, high = 0.0, math.pi / 2
    for _ in range(60):
        middle = (low + high) / 2
        if _within(middle, df) < abs(2 * p - 1):
            low = middle
        else:
            high = middle
    return math.copysign(math.sqrt(df) * math.tan(low), p - 0.5)


def _within(theta: float, df: int) -> float:
    """A(theta) of Abramowitz and Stegun: 26.7.3 for odd df, 26.7.4 for even df."""
    sine, cosine = math.sin(theta), math.cos(theta)
    odd = df % 2
    term = cosine if odd else 1.0
    series = 0.0
    for power in range(1 + odd, df, 2):  # term: the one with cos^(power - 1)
        series += term
        term *= power / (power + 1) * cosine**2
    return 2 / math.pi * (theta + sine * series) if odd else sine * series


def _runs(name: str, values: Sequence[float] | Tensor) -> Tensor:
    x = torch.as_tensor(values, dtype=torch.float64).detach().cpu()
    if x.ndim != 1 or len(x) == 0 or not bool(torch.isfinite(x).all()):
        raise DataError(
            f"{name} must be a list with one finite number a run, at least one; leave failed runs out."
        )
    return x


def _require_level(level: float) -> None:
    if not 0 < level < 1:
        raise SettingError(f"level is {level}; it must lie between 0 and 1, as 0.95 does.")
