"""Check of appendix A2: the running mean of a batch norm."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from hypav.checks.framework import FunctionCheck

Case = tuple[tuple[Any, ...], dict[str, Any]]


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
    praise="Evaluation normalises with this number, training never looks at it.",
)


def _by_sample(running: Tensor, batch: Tensor, momentum: float) -> Tensor:
    for row in batch:
        running = (1 - momentum) * running + momentum * row
    return running
