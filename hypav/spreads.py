"""Is one setting better than another, or do its results scatter as those of seeds do? Both spreads, side by side."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from hypav.errors import DataError, SettingError

__all__ = [
    "FEWEST",
    "SpreadRatio",
    "Spreads",
    "detectable_range",
    "setting_effect",
    "spread_ratio",
    "spreads",
]

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
