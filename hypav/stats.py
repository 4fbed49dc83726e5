"""Statistics over seeds: how far a mean, or the difference between two methods, can be trusted.

A run with another seed gives another number. So every mean comes with an interval, every difference with a p value, and
every family of comparisons with a correction. They come from Student's t and from permutations, by `scipy.stats`.

Values are a list (n,), one number per run, or a grid (K, n), one row per setting and one column per seed. Every function
raises DataError if values are missing, NaN or infinite, or if a grid has fewer than two rows or columns. It raises
SettingError if `level` is not between 0 and 1, or `power` is not in [0.5, 1).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import optimize, stats
from torch import Tensor

from hypav.errors import DataError, SettingError
from hypav.utils import as_tensor

FEWEST = 3  # values for an interval: with two values Student's t is 12.7, so the interval would say nothing


@dataclass(frozen=True)
class Interval:
    """The mean of n values and its interval, in the unit of the values; low and high are None below three values."""

    mean: float
    low: float | None
    high: float | None
    n: int

    @property
    def half(self) -> float | None:
        """Half the width, as in mean ± half; None without an interval."""
        return None if self.low is None or self.high is None else (self.high - self.low) / 2


@dataclass(frozen=True)
class Spreads:
    """Two standard deviations in the unit of the values: over settings for one seed, and over seeds for one setting.

    Each is pooled: it is the root of the mean variance, over the seeds or over the settings.
    """

    settings: float
    seeds: float

    @property
    def ratio(self) -> float | None:
        """settings / seeds; None if the seeds do not scatter."""
        return self.settings / self.seeds if self.seeds > 0 else None


def t_quantile(p: float, df: int) -> float:
    """The t with P(T <= t) = p for Student's T with df degrees of freedom."""
    if not 0 < p < 1 or df < 1:
        raise SettingError(f"A t quantile needs 0 < p < 1 and df >= 1, not p = {p} and df = {df}.")
    return float(stats.t.ppf(p, df))


def t_interval(values: Sequence[float] | Tensor, *, level: float = 0.95) -> Interval:
    """mean ± t s / sqrt(n), Student's interval for the mean of independent runs."""
    x = _runs(values)
    _require(level)
    n, mean = len(x), float(x.mean())
    if n < FEWEST:
        return Interval(mean, None, None, n)
    half = t_quantile((1 + level) / 2, n - 1) * float(x.std(ddof=1)) / math.sqrt(n)
    return Interval(mean, mean - half, mean + half, n)


def paired_p(differences: Sequence[float] | Tensor) -> float | None:
    """Two-sided p value of the paired t test, from the differences per seed; None for fewer than two.

    It is 1 if all differences are 0, and 0 if all are equal but not 0.
    """
    x = _runs(differences)
    if len(x) < 2:
        return None
    if (x == x[0]).all():
        return float(x[0] == 0)
    return float(stats.ttest_1samp(x, 0).pvalue)


def holm_adjusted(p_values: Sequence[float]) -> list[float]:
    """The p values after Holm's correction (1979), which holds for dependent comparisons too.

    The r-th smallest of m is multiplied by m - r + 1, and no result is below that of a smaller p (Wright, Biometrics 48,
    1992).
    """
    p_values = _numbers(p_values).tolist()
    m = len(p_values)
    adjusted, least = [0.0] * m, 0.0
    for rank, index in enumerate(sorted(range(m), key=lambda i: p_values[i])):
        least = max(least, min(1.0, (m - rank) * p_values[index]))
        adjusted[index] = least
    return adjusted


def detectable_difference(
    differences: Sequence[float] | Tensor, *, power: float = 0.8, level: float = 0.95
) -> float | None:
    """The mean difference that n seeds with this standard deviation detect with this power; None for fewer than two.

    It is (t_a + t_b) s / sqrt(n), where s is the standard deviation of the differences and t_a, t_b are Student's
    quantiles at 1 - (1 - level)/2 and at `power` with n - 1 degrees of freedom.
    """
    x = _runs(differences)
    if len(x) < 2:
        return None
    _require(level, power)
    law = stats.t(len(x) - 1)
    return float(law.ppf((1 + level) / 2) + law.ppf(power)) * float(x.std(ddof=1)) / math.sqrt(len(x))


def spreads(values: Sequence[Sequence[float]] | Tensor) -> Spreads:
    """The spread over settings and the spread over seeds of a grid (K, n).

    Their ratio is 0 if the setting has no effect and all runs of one seed end with the same result. It is near 1 if runs
    of one seed drift apart as far as two seeds do. It is above 1 if the setting changes the result more than the seed.
    """
    x = _grid(values)
    return Spreads(*(math.sqrt(float(x.var(axis=axis, ddof=1).mean())) for axis in (0, 1)))


def setting_effect(
    values: Sequence[Sequence[float]] | Tensor, *, seed: int = 0, draws: int = 10_000
) -> tuple[float | None, float]:
    """F of the settings of a grid (K, n), and its p value by permutation.

    F is that of a two-way analysis of variance with seeds as blocks: it compares the variance of the settings' means with
    the residual variance. p comes from shuffling the settings within each seed, so it assumes no normal distribution.
    F is None and p is 1 if the settings give the same values for every seed.

    Args:
        seed: seed of the shuffles.
        draws: the number of shuffles; if fewer exist, all of them are taken.
    """
    x = _grid(values)
    if draws < 1:
        raise SettingError(f"draws is {draws}; it must be at least 1 (10000 is usual).")
    if (x == x[0]).all():
        return None, 1.0
    x = x - x.mean(axis=0)  # remove the level of each seed
    between, within = x.shape[1] * float(x.mean(axis=1).var(ddof=1)), _error_variance(x)

    def scatter(*rows: NDArray[np.float64], axis: int) -> NDArray[np.float64]:
        return np.stack([row.mean(axis=axis) for row in rows]).var(axis=0)  # F grows with it

    test = stats.permutation_test(
        tuple(x), scatter, permutation_type="samples", vectorized=True, n_resamples=draws, batch=5000,
        alternative="greater", rng=seed,
    )  # fmt: skip
    return between / within if within > 0 else math.inf, float(test.pvalue)


def detectable_range(
    values: Sequence[Sequence[float]] | Tensor, *, power: float = 0.8, level: float = 0.95
) -> float:
    """The smallest gap between the highest and the lowest setting's mean that the F test detects with this power.

    It assumes normal residuals with the variance of this grid, and all other settings half-way between the two, which
    gives the smallest F. Any other means with this gap are detected at least as often.
    """
    x = _grid(values)
    _require(level, power)
    K, n = x.shape
    free = (K - 1, (K - 1) * (n - 1))
    limit = stats.f.ppf(level, *free)
    # the noncentrality that gives the power is n range^2 / 2 / variance
    shift = optimize.brentq(lambda nc: stats.ncf.sf(limit, *free, nc) - power, 0, 1e6)
    return math.sqrt(2 / n * shift * _error_variance(x))


def _error_variance(x: NDArray[np.float64]) -> float:
    """The residual variance of a grid after the effects of settings and seeds are removed."""
    K, n = x.shape
    rest = x - x.mean(axis=0) - x.mean(axis=1, keepdims=True) + x.mean()
    return float((rest**2).sum()) / ((K - 1) * (n - 1))


def _require(level: float, power: float = 0.5) -> None:
    if not 0 < level < 1 or not 0.5 <= power < 1:
        raise SettingError(f"level is {level} and power {power}; 0.95 and 0.8 are usual.")


def _numbers(values: Any) -> NDArray[np.float64]:
    return as_tensor("values", values, dtype=torch.float64).detach().cpu().double().numpy()


def _runs(values: Sequence[float] | Tensor) -> NDArray[np.float64]:
    x = _numbers(values)
    if x.ndim != 1 or len(x) == 0 or not np.isfinite(x).all():
        raise DataError(
            "The values must be a list of one finite number per run, not empty; leave out failed runs."
        )
    return x


def _grid(values: Sequence[Sequence[float]] | Tensor) -> NDArray[np.float64]:
    try:
        x = _numbers(values)
    except DataError as error:
        raise DataError("Every setting needs a value for each of the same seeds.") from error
    if x.ndim != 2 or min(x.shape) < 2 or not np.isfinite(x).all():
        raise DataError(
            f"The values have shape {tuple(x.shape)}; give finite numbers for at least two settings and two seeds."
        )
    return x
