"""Checks of appendix A2: the running mean of a batch norm, statistics of several batches, the damage of a change."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from hypav.checks.framework import Case, FunctionCheck


def _means() -> list[Case]:
    generator = torch.Generator().manual_seed(7)
    cases: list[Case] = []
    for momentum, rows in ((0.1, 6), (0.99, 4)):
        running = torch.randn(5, generator=generator, dtype=torch.float64)
        batch = 1 + torch.randn(rows, 5, generator=generator, dtype=torch.float64)
        cases.append(((running, batch), {"momentum": momentum}))
    return cases


running_mean = FunctionCheck(
    "The running mean of a batch norm",
    lambda running, batch, *, momentum: (1 - momentum) * running + momentum * batch.mean(dim=0),
    _means(),
    {
        "this is TensorFlow's convention, in which momentum is the share of the old value that is kept; in PyTorch "
        "it is the share of the new one.": lambda running, batch, *, momentum: (
            momentum * running + (1 - momentum) * batch.mean(dim=0)
        ),
        "you "
        "do not reduce the old value: the two shares must sum to 1.": lambda running, batch, *, momentum: (
            running + momentum * batch.mean(dim=0)
        ),
        "you add "
        "the whole mean of the batch: multiply it by the momentum.": lambda running, batch, *, momentum: (
            (1 - momentum) * running + batch.mean(dim=0)
        ),
        "you sum the batch's rows: take their mean.": lambda running, batch, *, momentum: (
            (1 - momentum) * running + momentum * batch.sum(dim=0)
        ),
        "you average all units "
        "together: each unit, which is a column, has its own mean.": lambda running, batch, *, momentum: (
            (1 - momentum) * running + momentum * batch.mean()
        ),
        "you do not use the momentum: this is only the batch's mean.": lambda running, batch, *, momentum: (
            batch.mean(dim=0)
        ),
        "you average "
        "old and new with equal shares, whatever the momentum.": lambda running, batch, *, momentum: (
            (running + batch.mean(dim=0)) / 2
        ),
        "you update once for every "
        "sample of the batch: a batch norm updates once per batch.": lambda running, batch, *, momentum: (
            _by_sample(running, batch, momentum)
        ),
    },
    praise="A batch norm stores this number after each batch.",
)


def _by_sample(running: Tensor, batch: Tensor, momentum: float) -> Tensor:
    for row in batch:
        running = (1 - momentum) * running + momentum * row
    return running


def _batches() -> list[Case]:
    generator = torch.Generator().manual_seed(12)
    return [
        ((list(2 + torch.randn(n, 5, 3, generator=generator, dtype=torch.float64) * (1 + n)),), {})
        for n in (3, 4)
    ]


def _over(batches: Any, mean: Any, variance: Any) -> tuple[Tensor, Tensor]:
    return torch.stack([mean(x) for x in batches]).mean(0), torch.stack([variance(x) for x in batches]).mean(
        0
    )


def _mean(x: Tensor) -> Tensor:
    return x.mean(dim=0)


def _variance(x: Tensor) -> Tensor:
    return x.var(dim=0)


statistics = FunctionCheck(
    "Mean and variance of several batches",
    lambda batches: _over(batches, _mean, _variance),
    _batches(),
    {
        "your variance divides by B. PyTorch stores the unbiased one, with B - 1.": lambda batches: _over(
            batches, _mean, lambda x: x.var(dim=0, unbiased=False)
        ),
        "this is the standard deviation. Return the variance.": lambda batches: _over(
            batches, _mean, lambda x: x.std(dim=0)
        ),
        "you used the last batch only. Every batch has the same weight.": lambda batches: (
            _mean(batches[-1]),
            _variance(batches[-1]),
        ),
        "you used the first batch only. Every batch has the same weight.": lambda batches: (
            _mean(batches[0]),
            _variance(batches[0]),
        ),
        "this is the variance of all batches together. Take it per batch, then the mean.": lambda batches: (
            _mean(torch.cat(batches)),
            _variance(torch.cat(batches)),
        ),
        "this is the variance of the batches' means. Take the mean of their variances.": lambda batches: (
            _mean(torch.cat(batches)),
            torch.stack([_mean(x) for x in batches]).var(dim=0),
        ),
        "mean and variance are exchanged.": lambda batches: _over(batches, _variance, _mean),
        "you added the variances. Every batch has the same weight: take their mean.": lambda batches: (
            _mean(torch.cat(batches)),
            torch.stack([_variance(x) for x in batches]).sum(dim=0),
        ),
    },
    praise="With these a network gets fresh statistics without any training.",
)


def _networks() -> list[Case]:
    """A network is two numbers, for its weights and for its statistics; the score is their product."""
    score, change, refresh = (
        lambda x: x[0] * x[1] + 3 * x[1],
        lambda x: torch.stack([0.5 * x[0], x[1]]),
        lambda x: torch.stack([x[0], 2 + 0.1 * x[0]]),
    )
    models = torch.tensor([[4.0, 7.0], [6.0, 1.5]], dtype=torch.float64)
    return [((score, model, change, refresh), {}) for model in models]


def _two(stored: Tensor, fresh: Tensor) -> Tensor:
    return torch.stack([stored, fresh])


damage = FunctionCheck(
    "The damage of a change",
    lambda s, m, c, r: _two(s(m) - s(c(m)), s(r(m)) - s(r(c(m)))),
    _networks(),
    {
        "you compare the refreshed, changed network with the untouched one. Refresh both sides.": lambda s, m, c, r: (
            _two(s(m) - s(c(m)), s(m) - s(r(c(m))))
        ),
        "you compare the refreshed network with the changed one as it is. Refresh both sides.": lambda s, m, c, r: (
            _two(s(m) - s(c(m)), s(r(m)) - s(c(m)))
        ),
        "you refresh before the change. Refresh the changed network.": lambda s, m, c, r: _two(
            s(m) - s(c(m)), s(r(m)) - s(c(r(m)))
        ),
        "the sign is wrong: the damage is positive if the score falls.": lambda s, m, c, r: (
            -_two(s(m) - s(c(m)), s(r(m)) - s(r(c(m))))
        ),
        "the two numbers are exchanged: the one with stored statistics comes first.": lambda s, m, c, r: _two(
            s(r(m)) - s(r(c(m))), s(m) - s(c(m))
        ),
        "these are the scores of the changed network. Subtract them from those without it.": lambda s, m, c, r: (
            _two(s(c(m)), s(r(c(m))))
        ),
        "you measured with stored statistics twice.": lambda s, m, c, r: _two(s(m) - s(c(m)), s(m) - s(c(m))),
        "this is what refreshing costs, without any change.": lambda s, m, c, r: _two(
            s(m) - s(c(m)), s(m) - s(r(m))
        ),
    },
    praise="Report the second number if you cannot train the changed network again.",
)
