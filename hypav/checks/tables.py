"""Checks of notebook 10: a paired interval, Holm's correction, and an exact permutation test."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import combinations
from typing import Any

import scipy.stats
import torch
from torch import Generator, Tensor

from hypav.checks.framework import Case, FunctionCheck
from hypav.stats import holm_adjusted, t_quantile


def _runs() -> list[Case]:
    """HM of two methods with the same seeds, (n,) each: the seed moves both by about 3, the method by about 1."""
    cases: list[Case] = []
    for number, n in enumerate((5, 8, 10)):
        g = Generator().manual_seed(number)
        seed, a, b = (torch.randn(n, generator=g, dtype=torch.float64) for _ in range(3))
        cases.append(((31 + 3 * seed + a, 30 + 3 * seed + b), {}))
    return cases


def _paired(
    a: Tensor, b: Tensor, *, t: float | None = None, ddof: int = 1, root: float = 0.5
) -> tuple[Tensor, Tensor]:
    d = a - b
    t = t_quantile(0.975, len(d) - 1) if t is None else t
    return d.mean(), t * d.std(correction=ddof) / len(d) ** root


def _unpaired(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    return a.mean() - b.mean(), t_quantile(0.975, len(a) - 1) * ((a.var() + b.var()) / len(a)).sqrt()


def _ends(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    mean, half = _paired(a, b)
    return mean - half, mean + half


interval = FunctionCheck(
    "The paired interval",
    _paired,
    _runs(),
    {
        "you added the variances of a and b, as for two independent groups. These share their seeds: "
        "subtract seed by seed first, then take the standard deviation of the differences.": _unpaired,
        "that is the spread of single differences, not of their mean: "
        "divide by the root of their number.": lambda a, b: _paired(a, b, root=0),
        "you divide by n, not by its root.": lambda a, b: _paired(a, b, root=1),
        "the standard deviation divides the sum of squares by n - 1, because the mean was estimated too. "
        "tensor.std() does so.": lambda a, b: _paired(a, b, ddof=0),
        "1.96 is for a known standard deviation. Ours is estimated from a few seeds: "
        "take t_quantile(0.975, n - 1), which is larger.": lambda a, b: _paired(a, b, t=1.959963984540054),
        "this is the interval of b - a: the mean has the other sign.": lambda a, b: _paired(b, a),
        "with n differences there are n - 1 degrees of freedom, not n.": lambda a, b: _paired(
            a, b, t=t_quantile(0.975, len(a))
        ),
        "0.95 leaves 5 % on either side, 10 % in all: "
        "for a 95 % interval use t_quantile(0.975, n - 1).": lambda a, b: _paired(
            a, b, t=t_quantile(0.95, len(a) - 1)
        ),
        "these are the two ends of the interval: return its middle and half its width.": _ends,
        "the second value is the whole width of the interval: return half of it.": lambda a, b: (
            _paired(a, b)[0],
            2 * _paired(a, b)[1],
        ),
    },
    praise="What a seed does to both methods has dropped out.",
)


def _p_values() -> list[Case]:
    values = (
        [0.012, 0.6, 0.004, 0.03, 0.9],
        [0.04, 0.011, 0.02, 0.0124],
        [0.001, 0.2, 0.026, 0.018, 0.002, 0.011],
        [0.0293, 0.03, 0.7],
    )
    return [((torch.tensor(p, dtype=torch.float64),), {}) for p in values]


def _holm(p: Tensor) -> Tensor:
    return torch.tensor(holm_adjusted(p.tolist()), dtype=p.dtype)


def _stepped(
    p: Tensor,
    factors: Tensor,
    *,
    cap: bool = True,
    least: bool = True,
    order: Tensor | None = None,
    back: bool = True,
) -> Tensor:
    """Holm's steps with other factors, without one of the rules, or in another order."""
    order = p.argsort() if order is None else order
    stepped = p[order] * factors
    stepped = stepped.cummax(0).values if least else stepped
    stepped = stepped.clamp(max=1) if cap else stepped
    return torch.empty_like(p).scatter_(0, order, stepped) if back else stepped


def _down(p: Tensor) -> Tensor:
    """m, m - 1, ..., 1."""
    return torch.arange(len(p), 0, -1, dtype=p.dtype)


def _benjamini_hochberg(p: Tensor) -> Tensor:
    order = p.argsort()
    raw = p[order] * len(p) / _down(p).flip(0)
    return torch.empty_like(p).scatter_(0, order, raw.flip(0).cummin(0).values.flip(0).clamp(max=1))


holm = FunctionCheck(
    "Holm's correction",
    _holm,
    _p_values(),
    {
        "every p is multiplied by m, which is Bonferroni's rule. It is right but strict: Holm multiplies only the "
        "smallest by m.": lambda p: (len(p) * p).clamp(max=1),
        "a p value is at most 1: cut larger ones.": lambda p: _stepped(p, _down(p), cap=False),
        "an adjusted p may not be below that of a smaller p: keep the largest so far.": lambda p: _stepped(
            p, _down(p), least=False
        ),
        "the values are in increasing order: put each back at the place of its p.": lambda p: _stepped(
            p, _down(p), back=False
        ),
        "you use the p values in the given order: sort them first, in increasing order.": lambda p: _stepped(
            p, _down(p), order=torch.arange(len(p))
        ),
        "you start with the largest p: the smallest is multiplied by m.": lambda p: _stepped(
            p, _down(p), order=p.argsort(descending=True)
        ),
        "the factors are one too small: the smallest p is multiplied by m, not by m - 1.": lambda p: _stepped(
            p, _down(p) - 1
        ),
        "the factors grow from 1 to m: they fall from m to 1.": lambda p: _stepped(p, _down(p).flip(0)),
        "p m / rank is Benjamini and Hochberg's rule. It bounds the share of false findings, not the chance of a "
        "single one.": _benjamini_hochberg,
        "argsort gives which p comes first, second and so on, not the rank of each: "
        "the factor m - r belongs to p[order[r]].": lambda p: p * (len(p) - p.argsort()),
    },
    praise="Now the chance of even one false finding is at most 5 %.",
)


def _groups() -> list[Case]:
    """Two groups of numbers; multiples of 1/4 have ties, and their sums are exact in whatever order."""
    grid = (
        ([5.0, 4.5, 4.75], [2.0, 1.25, 3.0, 2.5]),
        ([3.0, 1.0, 2.5, 4.0], [2.5, 1.5, 0.25]),
        ([1.25, 2.0], [3.0, 2.25, 0.5, 4.0, 1.0]),
        ([4.0, 2.25, 3.0, 5.5, 2.5], [1.0, 2.5, 0.75, 3.25, 2.0]),
    )
    cases: list[Case] = [
        (tuple(torch.tensor(part, dtype=torch.float64) for part in pair), {}) for pair in grid
    ]
    g = Generator().manual_seed(10)
    drawn = (torch.randn(4, generator=g, dtype=torch.float64) for _ in range(2))
    return [*cases, (tuple(drawn), {})]


def _orders(
    a: Tensor,
    b: Tensor,
    *,
    counts: Callable[[Tensor, Tensor], Tensor] = lambda other, seen: other >= seen - 1e-9,
    statistic: Callable[[Tensor, Tensor], Tensor] = lambda x, y: x.mean(-1) - y.mean(-1),
    first: int | None = None,
) -> tuple[Tensor, int]:
    """How many of all ways to choose the first group count as extreme, and how many ways there are."""
    values, places = torch.cat((a, b)), set(range(len(a) + len(b)))
    chosen = list(combinations(sorted(places), len(a) if first is None else first))
    rest = [sorted(places - set(c)) for c in chosen]
    others = statistic(values[torch.tensor(chosen)], values[torch.tensor(rest)])
    return counts(others, statistic(a, b)).sum().double(), len(chosen)


def _share(a: Tensor, b: Tensor, **options: Any) -> Tensor:
    count, total = _orders(a, b, **options)
    return count / total


def _shifted(a: Tensor, b: Tensor, count_by: int, total_by: int) -> Tensor:
    count, total = _orders(a, b)
    return (count + count_by) / (total + total_by)


permutation_test = FunctionCheck(
    "The permutation test",
    _share,
    _groups(),
    {
        "you count only differences above the one that was seen. Equal ones count too, and the two groups a and b "
        "are one of them: use >=.": lambda a, b: _share(a, b, counts=lambda other, seen: other > seen + 1e-9),
        "you count differences in either direction. The claim has a direction, so do not take absolute "
        "values.": lambda a, b: _share(a, b, counts=lambda other, seen: other.abs() >= seen.abs() - 1e-9),
        "you count the differences that are at most as large as the one that was seen.": lambda a, b: _share(
            a, b, counts=lambda other, seen: other <= seen + 1e-9
        ),
        "this is a number of choices: divide it by the number of all choices.": lambda a, b: _orders(a, b)[0],
        "(count + 1) / (number + 1) is for choices drawn at random. "
        "Here the choice that was seen is counted already.": lambda a, b: _shifted(a, b, 1, 1),
        "you left out the choice that was seen. It is one of all choices.": lambda a, b: _shifted(
            a, b, -1, -1
        ),
        "you took differences of medians: take means.": lambda a, b: _share(
            a, b, statistic=lambda x, y: x.quantile(0.5, -1) - y.quantile(0.5, -1)
        ),
        "the first group has as many values as a: choose len(a) of them, not len(b).": lambda a, b: _share(
            a, b, first=len(b)
        ),
        "this is the p value of a t test. It assumes normal values; here you count choices.": lambda a, b: (
            torch.tensor(scipy.stats.ttest_ind(a.numpy(), b.numpy(), alternative="greater").pvalue)
        ),
        "you count pairs in which a value of the first group is above one of the second. "
        "Count choices of len(a) values.": lambda a, b: (a[:, None] > b).double().mean(),
        "you divide by the number of orders of all values. Orders that give the same two groups "
        "are one.": lambda a, b: _orders(a, b)[0] / math.factorial(len(a) + len(b)),
    },
    praise="It assumes no distribution. It only counts choices.",
)
