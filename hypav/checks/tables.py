"""Checks of notebook 10: a paired interval, the number of seeds, Holm's correction, two spreads, a false number."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from statistics import NormalDist
from typing import Any

import torch
from torch import Generator, Tensor

from hypav.checks.framework import FunctionCheck
from hypav.stats import holm_adjusted, t_quantile

Case = tuple[tuple[Any, ...], dict[str, Any]]


def _runs() -> list[Case]:
    """HM of two methods with the same seeds, (n,) each: the seed moves both by about 3, the method by about 1."""
    cases: list[Case] = []
    for number, n in enumerate((5, 8, 10)):
        g = Generator().manual_seed(number)
        seed, a, b = (torch.randn(n, generator=g, dtype=torch.float64) for _ in range(3))
        cases.append(((31 + 3 * seed + a, 30 + 3 * seed + b), {}))
    return cases


def _interval(mean: Tensor, half: Tensor) -> Tensor:
    return torch.stack((mean, mean - half, mean + half))


def _paired(a: Tensor, b: Tensor, *, t: float | None = None, ddof: int = 1, root: bool = True) -> Tensor:
    d = a - b
    t = t_quantile(0.975, len(d) - 1) if t is None else t
    return _interval(d.mean(), t * d.std(correction=ddof) / (math.sqrt(len(d)) if root else 1))


def _unpaired(a: Tensor, b: Tensor) -> Tensor:
    half = t_quantile(0.975, len(a) - 1) * ((a.var() + b.var()) / len(a)).sqrt()
    return _interval(a.mean() - b.mean(), half)


paired = FunctionCheck(
    "The paired interval",
    _paired,
    _runs(),
    {
        "you added the variances of a and b, as for two independent groups. These share their seeds: "
        "subtract seed by seed first, then take the standard deviation of the differences.": _unpaired,
        "that is the spread "
        "of single differences, not of their mean: divide by the root of their number.": lambda a, b: _paired(
            a, b, root=False
        ),
        "you divide the sum of "
        "squares by n; the mean was estimated too, so divide by n - 1 (tensor.std() does).": lambda a, b: (
            _paired(a, b, ddof=0)
        ),
        "1.96 is for a known standard deviation. Ours is estimated from a few seeds: "
        "take t_quantile(0.975, n - 1), which is larger.": lambda a, b: _paired(a, b, t=1.959963984540054),
        "your interval is that of b - a: it has the other sign.": lambda a, b: _paired(b, a),
        "with n differences there are n - 1 degrees of freedom, not n.": lambda a, b: _paired(
            a, b, t=t_quantile(0.975, len(a))
        ),
        "0.95 leaves "
        "5 % on either side, 10 % in all: for a 95 % interval use t_quantile(0.975, n - 1).": lambda a, b: (
            _paired(a, b, t=t_quantile(0.95, len(a) - 1))
        ),
    },
    praise="Pairing takes out what a seed does to both methods; compare with the interval of two unpaired groups.",
)


def _first(enough: Callable[[int], float], start: int = 2) -> Tensor:
    """The smallest n that is enough."""
    n = start
    while n < enough(n):
        n += 1
    return torch.tensor(float(n), dtype=torch.float64)


def _sum(n: int, power: float = 0.8) -> float:
    return t_quantile(0.975, n - 1) + t_quantile(power, n - 1)


def _normal(mean: float, s: float) -> Tensor:
    z = NormalDist().inv_cdf(0.975) + NormalDist().inv_cdf(0.8)
    return torch.tensor(float(math.ceil((z * s / mean) ** 2)), dtype=torch.float64)


seeds = FunctionCheck(
    "The number of seeds",
    lambda mean, s: _first(lambda n: (_sum(n) * s / mean) ** 2),
    [((mean, s), {}) for mean, s in ((2.17, 3.0), (0.82, 2.0), (-1.5, 2.5), (1.0, 1.0))],
    {
        "half the spread needs a quarter of the seeds: the bracket is squared.": lambda mean, s: _first(
            lambda n: _sum(n) * s / abs(mean)
        ),
        "with the quantile "
        "of 0.975 alone you would see the difference every second time. Add that of 0.8.": lambda mean, s: (
            _first(lambda n: (t_quantile(0.975, n - 1) * s / mean) ** 2)
        ),
        "you stop one too early: n itself must be at least the right side.": lambda mean, s: (
            _first(lambda n: (_sum(n) * s / mean) ** 2) - 1
        ),
        "these are the normal quantiles, for a known spread. With "
        "few seeds Student's are larger, and depend on n: try n = 2, 3, 4, … until it is enough.": _normal,
        "0.95 leaves 5 % on either side: the interval of 95 % has the quantile of 0.975.": lambda mean, s: (
            _first(lambda n: ((t_quantile(0.95, n - 1) + t_quantile(0.8, n - 1)) * s / mean) ** 2)
        ),
        "mean and spread are "
        "the wrong way round: a large difference needs few seeds, a large spread many.": lambda mean, s: (
            _first(lambda n: (_sum(n) * mean / s) ** 2)
        ),
    },
    praise="It is how `seeds needed` in the tables is computed.",
)


def _p_values() -> Iterator[Case]:
    for values in (
        [0.012, 0.6, 0.004, 0.03, 0.9],
        [0.04, 0.011, 0.02, 0.0124],
        [0.001, 0.2, 0.026, 0.018, 0.002, 0.011],
        [0.049, 0.5],
        [0.024, 0.012, 0.6, 0.02],
    ):
        yield (torch.tensor(values, dtype=torch.float64),), {}


def _count(found: Any) -> Tensor:
    return torch.as_tensor(found).double()


def _limits(p: Tensor) -> Tensor:
    return 0.05 / torch.arange(len(p), 0, -1, dtype=p.dtype)


def _until(kept: Tensor) -> Tensor:
    """The number of true values before the first false one."""
    return kept.long().cumprod(0).sum().double()


def _benjamini_hochberg(p: Tensor) -> Tensor:
    below = p.sort().values <= 0.05 * torch.arange(1, len(p) + 1) / len(p)
    return _count(below.nonzero().max() + 1 if below.any() else 0)


holm = FunctionCheck(
    "Holm's correction",
    lambda p: _count(sum(adjusted <= 0.05 for adjusted in holm_adjusted(p.tolist()))),
    list(_p_values()),
    {
        "each "
        "is compared with 0.05, as if it were alone: the smallest of m has to be below 0.05/m.": lambda p: (
            _count((p <= 0.05).sum())
        ),
        "all are compared with 0.05/m, which is Bonferroni's rule. It is right but strict: once the "
        "smallest is significant, "
        "the next is compared with 0.05/(m - 1).": lambda p: _count((p <= 0.05 / len(p)).sum()),
        "you use the p values in the given order: sort them first, in increasing order.": lambda p: _until(
            p <= _limits(p)
        ),
        "you count every p below its own "
        "limit. Stop at the first that fails: those after it are not significant either.": lambda p: _count(
            (p.sort().values <= _limits(p)).sum()
        ),
        "limits that grow as 0.05 i/m are Benjamini and Hochberg's: they bound the share of false findings among the "
        "findings, not the chance of a single one.": _benjamini_hochberg,
    },
    praise="However the comparisons depend on each other, one false finding among them is now as rare as 1 in 20.",
)


def _layouts() -> list[Case]:
    """HM of K settings by n seeds, (K, n)."""
    cases: list[Case] = []
    for number, (K, n, setting, seed) in enumerate(((4, 6, 0.3, 3.0), (5, 3, 2.0, 1.0), (3, 8, 0.0, 1.0))):
        g = Generator().manual_seed(number)
        rows, columns = (torch.randn(count, generator=g, dtype=torch.float64) for count in (K, n))
        noise = torch.randn(K, n, generator=g, dtype=torch.float64)
        cases.append(((30 + setting * rows[:, None] + seed * columns + 0.5 * noise,), {}))
    return cases


def _both(over_settings: Tensor, over_seeds: Tensor) -> Tensor:
    return torch.stack((over_settings, over_seeds))


spreads = FunctionCheck(
    "The two spreads",
    lambda x: _both(x.var(dim=0).mean().sqrt(), x.var(dim=1).mean().sqrt()),
    _layouts(),
    {
        "the two "
        "are exchanged: the spread over settings is taken down a column, dim=0, for one seed.": lambda x: (
            _both(x.var(dim=1).mean().sqrt(), x.var(dim=0).mean().sqrt())
        ),
        "you averaged over the seeds first, which removes most of the noise: take the spread "
        "within each seed, then the mean.": lambda x: _both(x.mean(dim=1).std(), x.mean(dim=0).std()),
        "you average standard deviations. Average the variances, then take the root.": lambda x: _both(
            x.std(dim=0).mean(), x.std(dim=1).mean()
        ),
        "these are variances: take the root, so that they are in points.": lambda x: _both(
            x.var(dim=0).mean(), x.var(dim=1).mean()
        ),
        "you divide by K and "
        "by n; the means were estimated from the same numbers, so divide by K - 1 and n - 1.": lambda x: (
            _both(x.var(dim=0, correction=0).mean().sqrt(), x.var(dim=1, correction=0).mean().sqrt())
        ),
        "both are the spread over all numbers, settings and seeds together.": lambda x: _both(
            x.std(), x.std()
        ),
    },
    praise="Where the first is no larger than what rounding makes of one seed, the settings did nothing.",
)


def _tables() -> list[Case]:
    """Printed means (R,) with one decimal, and the runs (R, n) behind each; one mean is made up.

    In every second table the mean of the first row needs no rounding.
    """
    cases: list[Case] = []
    for number, (row, by) in enumerate(((3, 0.7), (1, -0.4), (4, 1.2), (2, -0.9))):
        g = Generator().manual_seed(10 + number)
        runs = 30 + 2 * torch.randn(6, 7, generator=g, dtype=torch.float64)
        if number % 2 == 0:
            runs[0] = torch.tensor([28.0, 29, 30, 30, 30, 31, 32])
        shown = (runs.mean(dim=1) * 10).round() / 10
        shown[row] += by
        cases.append(((shown, runs), {}))
    return cases


planted = FunctionCheck(
    "The row that no run gave",
    lambda shown, runs: _count((shown - runs.mean(dim=1)).abs().argmax()),
    _tables(),
    {
        "printed numbers are rounded, so few equal their mean to the last digit: look "
        "for a difference of more than half a unit of the last decimal, 0.05.": lambda shown, runs: _count(
            (shown != runs.mean(dim=1)).nonzero()[0, 0]
        ),
        "the largest number of a table "
        "is no more suspect than others: compare each with the mean of its own runs.": lambda shown, runs: (
            _count(shown.argmax())
        ),
        "this is the row that fits its runs best: look for the one that fits worst.": lambda shown, runs: (
            _count((shown - runs.mean(dim=1)).abs().argmin())
        ),
        "the false number "
        "may also be too low: take the absolute value of the difference.": lambda shown, runs: _count(
            (shown - runs.mean(dim=1)).argmax()
        ),
        "the tables show means; you compared with medians.": lambda shown, runs: _count(
            (shown - runs.median(dim=1).values).abs().argmax()
        ),
        "this is the row whose runs scatter most, which is not an error.": lambda shown, runs: _count(
            runs.std(dim=1).argmax()
        ),
    },
    praise="A test does this for the tables that the course stores: it computes each of them again from the runs.",
)
