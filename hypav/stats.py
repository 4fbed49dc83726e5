"""Intervals over seeds: how far a mean, or the difference of two variants, may be trusted."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist

import torch
from torch import Generator, Tensor

from hypav.errors import DataError, SettingError

EXACT_UP_TO = 1000  # seeds; beyond, Student's quantiles are the normal ones and a known correction


@dataclass(frozen=True)
class Interval:
    """A mean over n runs and its interval, in the unit of the values; low and high are None where n = 1."""

    mean: float
    low: float | None
    high: float | None
    n: int

    @property
    def excludes_zero(self) -> bool:
        """Whether 0 lies outside; never where there is only one run."""
        return self.low is not None and self.high is not None and not self.low <= 0 <= self.high


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


def seeds_needed(
    differences: Sequence[float] | Tensor, *, power: float = 0.8, level: float = 0.95
) -> int | None:
    """How many seeds a paired t test takes to tell a difference as large and as scattered as this one from 0.

    The smallest n >= ((t_a + t_b) s / |mean|)^2, where s is the standard deviation of the differences and t_a, t_b are
    Student's quantiles of 1 - (1 - level)/2 and of `power` with n - 1 degrees of freedom: within one of the size that
    the non-central t gives. What few seeds say this way is rough, for their own mean and s are. None where
    the mean is 0 or there are fewer than two.

    Raises:
        DataError: where there is no difference, or one is NaN or infinite.
        SettingError: where level is not between 0 and 1, or power not in [0.5, 1).
    """
    x = _runs("differences", differences)
    _require_power(power, level)
    mean = abs(float(x.mean()))
    if len(x) < 2 or mean == 0:
        return None
    ratio = (float(x.std()) / mean) ** 2
    normal = sum(NormalDist().inv_cdf(p) for p in ((1 + level) / 2, power))
    least = normal**2 * ratio  # Student's quantiles are larger than the normal ones
    if least > EXACT_UP_TO:
        # Guenther, The American Statistician 35 (1981): half a squared quantile more than the normal n
        return math.ceil(least + NormalDist().inv_cdf((1 + level) / 2) ** 2 / 2)
    n = max(2, math.ceil(least))
    while n < _t_sum(power, level, n) ** 2 * ratio:
        n += 1
    return n


def detectable_difference(
    differences: Sequence[float] | Tensor, *, power: float = 0.8, level: float = 0.95
) -> float | None:
    """The mean difference that so many seeds, scattered like these, would have told from 0 with this power.

    (t_a + t_b) s / sqrt(n), see `seeds_needed`. None for fewer than two.

    Raises:
        DataError, SettingError: as `seeds_needed`.
    """
    x = _runs("differences", differences)
    _require_power(power, level)
    if len(x) < 2:
        return None
    return _t_sum(power, level, len(x)) * float(x.std()) / math.sqrt(len(x))


def paired_p(differences: Sequence[float] | Tensor) -> float | None:
    """P of a mean difference at least this far from 0 where there is none (two-sided paired t test).

    1 where all differences are 0, 0 where all are one other number, None for fewer than two.

    Raises:
        DataError: where there is no difference, or one is NaN or infinite.
    """
    x = _runs("differences", differences)
    if len(x) < 2:
        return None
    mean, s = abs(float(x.mean())), float(x.std())
    if s == 0:
        return float(mean == 0)
    return 1 - _within(math.atan(mean * math.sqrt(len(x)) / s / math.sqrt(len(x) - 1)), len(x) - 1)


def holm(p_values: Sequence[float], *, level: float = 0.95) -> int:
    """How many of several comparisons stand after Holm's correction (1979), however they depend on each other.

    Raises:
        SettingError: where level is not between 0 and 1.
    """
    _require_level(level)
    for rank, p in enumerate(sorted(p_values)):
        if p > (1 - level) / (len(p_values) - rank):
            return rank
    return len(p_values)


def holm_adjusted(p_values: Sequence[float]) -> list[float]:
    """Each p as it is after Holm's correction over all of them: one at or below .05 stands at the level .95.

    The r-th least of m is multiplied by m - r + 1, and none is below that of a lesser p (Wright, Biometrics 48, 1992).
    """
    m = len(p_values)
    adjusted, least = [0.0] * m, 0.0
    for rank, place in enumerate(sorted(range(m), key=lambda i: p_values[i])):
        least = max(least, min(1.0, (m - rank) * p_values[place]))
        adjusted[place] = least
    return adjusted


def _t_sum(power: float, level: float, n: int) -> float:
    return t_quantile((1 + level) / 2, n - 1) + t_quantile(power, n - 1)


@lru_cache(maxsize=4096)
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


def _require_power(power: float, level: float) -> None:
    _require_level(level)
    if not 0.5 <= power < 1:
        raise SettingError(f"power is {power}; it must lie in [0.5, 1), as 0.8 does.")


FEWEST = 5  # seeds for an interval: of fewer a bootstrap sample is too often one seed alone, and its ends the extremes
CHUNK = 5000  # shuffles at a time: some 10 MB for thirteen settings by ten seeds


@dataclass(frozen=True)
class Spreads:
    """Standard deviations in the unit of the values, and the ratio of their squares with its interval.

    settings: over the settings at one seed, pooled over seeds. seeds: over the seeds at one setting, pooled over
    settings. ratio: settings^2 / seeds^2, None where the seeds do not scatter at all. low, high: None there and below
    FEWEST seeds.
    """

    settings: float
    seeds: float
    ratio: float | None
    low: float | None
    high: float | None
    shape: tuple[int, int]


@dataclass(frozen=True)
class SpreadRatio:
    """How many times as far the settings of one layout scatter as those of another, with its interval.

    first, second: standard deviations over the settings at one seed, pooled over seeds. ratio: first / second, None
    where the second do not scatter at all; high is inf where they do not in more bootstrap samples than one tail. low,
    high: None where ratio is and below FEWEST seeds.
    """

    first: float
    second: float
    ratio: float | None
    low: float | None
    high: float | None
    n: int


def spreads(
    values: Sequence[Sequence[float]] | Tensor,
    *,
    generator: Generator,
    level: float = 0.95,
    draws: int = 10_000,
) -> Spreads:
    """The spread over settings beside the spread over seeds, with a percentile bootstrap over seeds for their ratio.

    Where a setting does nothing and runs of one seed end alike, the ratio is near 0; where runs of one seed drift
    apart at random as far as two seeds do, it is near 1; where the setting moves the result more than the seed does,
    it is above 1.

    Args:
        values: (K, n), one row a setting, one column a seed.
        generator: on the CPU.

    Raises:
        DataError: fewer than two settings or seeds, or values that are not finite.
        SettingError: where level is not between 0 and 1, or draws is below 1.
    """
    x = _grid(values)
    _require_bootstrap(level, draws)
    n = x.shape[1]
    settings, seeds = float(x.var(dim=0).mean()), float(x.var(dim=1).mean())
    ratio = low = high = None
    if seeds > 0:
        ratio = settings / seeds
    if seeds > 0 and n >= FEWEST:
        chosen = torch.randint(n, (draws, n), generator=generator)
        over_settings = x.var(dim=0)[chosen].mean(dim=1)
        # a bootstrap sample's variance has the mean (n - 1)/n of the sample's own
        over_seeds = x[:, chosen].var(dim=2).mean(dim=0) * n / (n - 1)
        ratios = (over_settings / over_seeds)[over_seeds > 0]
        tail = (1 - level) / 2
        low, high = ratios.quantile(torch.tensor([tail, 1 - tail], dtype=x.dtype)).tolist()
    return Spreads(math.sqrt(settings), math.sqrt(seeds), ratio, low, high, (x.shape[0], n))


def spread_ratio(
    first: Sequence[Sequence[float]] | Tensor,
    second: Sequence[Sequence[float]] | Tensor,
    *,
    generator: Generator,
    level: float = 0.95,
    draws: int = 10_000,
) -> SpreadRatio:
    """The spread over the settings in one layout by that in another, with a percentile bootstrap over shared seeds.

    Where the second layout's settings do nothing but shake the last digit, this tells whether the first's do more.

    Args:
        first, second: (K, n) and (L, n), one row a setting, one column a seed, the same seeds in the same order.
        generator: on the CPU.

    Raises:
        DataError: as `spreads`, or different numbers of seeds.
        SettingError: as `spreads`.
    """
    x, y = _grid(first), _grid(second)
    _require_bootstrap(level, draws)
    n = x.shape[1]
    if y.shape[1] != n:
        raise DataError(f"The layouts have {n} and {y.shape[1]} seeds; a ratio needs the same seeds in both.")
    a, b = x.var(dim=0), y.var(dim=0)
    own, other = math.sqrt(float(a.mean())), math.sqrt(float(b.mean()))
    if other == 0:
        return SpreadRatio(own, other, None, None, None, n)
    if n < FEWEST:
        return SpreadRatio(own, other, own / other, None, None, n)
    chosen = torch.randint(n, (draws, n), generator=generator)
    ratios = (a[chosen].mean(dim=1) / b[chosen].mean(dim=1)).sqrt()
    ratios = ratios.nan_to_num(nan=1.0, posinf=math.inf).sort().values  # 0/0: neither scatters
    tail = (1 - level) / 2
    # an interpolated quantile would be NaN between infinities
    low, high = (float(ratios[min(draws - 1, int(at * draws))]) for at in (tail, 1 - tail))
    return SpreadRatio(own, other, own / other, low, high, n)


def detectable_range(
    values: Sequence[Sequence[float]] | Tensor,
    *,
    generator: Generator,
    power: float = 0.8,
    level: float = 0.95,
    draws: int = 20_000,
) -> float:
    """The least distance of the highest setting's mean from the lowest's that the F test would have told, with `power`.

    For runs that scatter like these within a seed, normally, and with all other settings half-way between the two, where
    they add least to F; so any layout of means that lie this far apart is seen at least as often. F and its noncentral
    distribution are drawn.

    Args:
        values: (K, n), one row a setting, one column a seed.
        generator: on the CPU.

    Raises:
        DataError: as `spreads`.
        SettingError: level or power is not between 0 and 1, or draws is below 1.
    """
    x = _grid(values)
    _require_bootstrap(level, draws)
    if not 0 < power < 1:
        raise SettingError(f"power is {power}; it must lie between 0 and 1, as 0.8 does.")
    K, n = x.shape
    rest = x - x.mean(dim=0) - x.mean(dim=1, keepdim=True) + x.mean()
    free = (K - 1) * (n - 1)
    first = torch.randn(draws, generator=generator, dtype=torch.float64)
    others = torch.randn(draws, K - 2, generator=generator, dtype=torch.float64).square().sum(dim=1)
    error = torch.randn(draws, free, generator=generator, dtype=torch.float64).square().sum(dim=1)
    limit = ((first.square() + others) / error).quantile(level)
    needed = (limit * error - others).clamp(min=0).sqrt() - first
    shift = float(needed.quantile(power).clamp(min=0))
    return shift * math.sqrt(2 / n * float(rest.square().sum()) / free)


def setting_effect(
    values: Sequence[Sequence[float]] | Tensor, *, generator: Generator, draws: int = 10_000
) -> tuple[float | None, float]:
    """F of the settings in a layout of settings by seeds, and how often shuffled settings give an F as large (p).

    F is the scatter of the settings' means over what is left when both settings and seeds are taken out (two-way
    analysis of variance, seeds as blocks); p comes from shuffling the settings within each seed, so it needs no normal
    distribution. F is None and p 1 where no setting differs from another at any seed.

    Raises:
        DataError: as `spreads`; SettingError: draws is below 1.
    """
    x = _grid(values)
    if draws < 1:
        raise SettingError(f"draws is {draws}; it must be at least 1 (10000 is usual).")
    K, n = x.shape
    if bool((x == x[0]).all()):
        return None, 1.0
    x = x - x.mean(dim=0)  # the seeds' own level
    own = x.mean(dim=1).square().sum()
    rest = x.square().sum() - n * own
    F = n * own / (K - 1) / (rest / ((K - 1) * (n - 1)))
    seeds, as_far = x.T.contiguous(), 0
    for begin in range(0, draws, CHUNK):
        count = min(CHUNK, draws - begin)
        order = torch.rand((count, n, K), generator=generator, dtype=torch.float64).argsort(dim=2)
        shuffled = torch.take_along_dim(seeds.expand(count, n, K), order, dim=2)
        # equal sums may differ in the last digit
        as_far += int((shuffled.mean(dim=1).square().sum(dim=1) >= own * (1 - 1e-9)).sum())
    return float(F), (1 + as_far) / (1 + draws)  # the order itself is one of the shuffles


def _require_bootstrap(level: float, draws: int) -> None:
    if not 0 < level < 1 or draws < 1:
        raise SettingError(f"level is {level} and draws {draws}; 0.95 and 10000 are usual.")


def _grid(values: Sequence[Sequence[float]] | Tensor) -> Tensor:
    try:
        x = torch.as_tensor(values, dtype=torch.float64).detach().cpu()
    except (ValueError, TypeError) as error:
        raise DataError("Every setting needs a value for each of the same seeds.") from error
    if x.ndim != 2 or min(x.shape) < 2 or not bool(torch.isfinite(x).all()):
        raise DataError(
            f"The values have shape {tuple(x.shape)}; it takes at least two settings by two seeds, all finite."
        )
    return x
