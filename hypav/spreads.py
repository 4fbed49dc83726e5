"""Is one setting better than another, or do its results scatter as those of seeds do? Both spreads, side by side."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from hypav.errors import DataError, SettingError

__all__ = ["Spreads", "setting_effect", "spreads"]


@dataclass(frozen=True)
class Spreads:
    """Standard deviations in the unit of the values, and the ratio of their squares with its interval.

    settings: over the settings at one seed, pooled over seeds. seeds: over the seeds at one setting, pooled over
    settings. ratio: settings^2 / seeds^2, None where the seeds do not scatter at all.
    """

    settings: float
    seeds: float
    ratio: float | None
    low: float | None
    high: float | None
    shape: tuple[int, int]


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
    if not 0 < level < 1 or draws < 1:
        raise SettingError(f"level is {level} and draws {draws}; 0.95 and 10000 are usual.")
    n = x.shape[1]
    settings, seeds = float(x.var(dim=0).mean()), float(x.var(dim=1).mean())
    ratio = low = high = None
    if seeds > 0:
        ratio = settings / seeds
        chosen = torch.randint(n, (draws, n), generator=generator)
        over_settings = x.var(dim=0)[chosen].mean(dim=1)
        # a bootstrap sample's variance has the mean (n - 1)/n of the sample's own
        over_seeds = x[:, chosen].var(dim=2).mean(dim=0) * n / (n - 1)
        ratios = (over_settings / over_seeds)[over_seeds > 0]
        tail = (1 - level) / 2
        low, high = ratios.quantile(torch.tensor([tail, 1 - tail], dtype=x.dtype)).tolist()
    return Spreads(math.sqrt(settings), math.sqrt(seeds), ratio, low, high, (x.shape[0], n))


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
    order = torch.rand((draws, K, n), generator=generator, dtype=torch.float64).argsort(dim=1)
    shuffled = torch.take_along_dim(x.expand(draws, K, n), order, dim=1)
    own, others = x.mean(dim=1).square().sum(), shuffled.mean(dim=2).square().sum(dim=1)
    rest = x.square().sum() - n * own
    F = n * own / (K - 1) / (rest / ((K - 1) * (n - 1)))
    # the order itself is one of the shuffles; equal sums may differ in the last digit
    return float(F), (1 + int((others >= own * (1 - 1e-9)).sum())) / (1 + draws)


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
