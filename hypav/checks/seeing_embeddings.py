"""Checks of notebook 11: ranks and their correlation, what a t-SNE keeps, a delta_rel next to that of noise."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from hypav.checks.framework import FunctionCheck
from hypav.embeddings import excess as noise_excess
from hypav.embeddings import rank_correlation as spearman
from hypav.embeddings import separation as class_separation

Case = tuple[tuple[Any, ...], dict[str, Any]]


def _pairs() -> list[Case]:
    """Vectors with ties in the first, as tree distances have, and steps of uneven height."""
    g = torch.Generator().manual_seed(11)
    steps = torch.tensor([1.0, 1, 2, 2, 2, 6, 6, 1, 6, 2], dtype=torch.float64)
    return [
        ((steps, steps + 3 * torch.rand(10, generator=g, dtype=torch.float64)), {}),
        ((steps, torch.randn(10, generator=g, dtype=torch.float64).exp()), {}),
    ]


def _ranks(x: Tensor) -> Tensor:
    return x.argsort().argsort().double()


def _corr(x: Tensor, y: Tensor) -> Tensor:
    return torch.corrcoef(torch.stack((x, y)))[0, 1]


def _average_ranks(x: Tensor) -> Tensor:
    return ((x[:, None] > x).sum(1) + ((x[:, None] == x).sum(1) + 1) / 2).double()


rank_correlation = FunctionCheck(
    "Spearman's rank correlation",
    lambda x, y: torch.as_tensor(spearman(x, y), dtype=torch.float64),
    _pairs(),
    {
        "this is the correlation of the numbers themselves: a rank correlation looks at their order only, so replace "
        "each vector by its ranks first.": lambda x, y: _corr(x, y),
        "equal values got different ranks: they share their mean rank.": lambda x, y: _corr(
            _ranks(x), _ranks(y)
        ),
        "one argsort gives the positions of the sorted values, not their ranks: ranks are the argsort of it, and "
        "equal values share their mean rank.": lambda x, y: _corr(x.argsort().double(), y.argsort().double()),
        "the sign is reversed: a large rank belongs to a large value in both vectors.": lambda x, y: (
            -_corr(_average_ranks(x), _average_ranks(y))
        ),
        "only one of the two vectors is replaced by its ranks.": lambda x, y: _corr(_average_ranks(x), y),
        "you squared it: that is the share of variance explained, and it has lost its sign.": lambda x, y: (
            _corr(_average_ranks(x), _average_ranks(y)) ** 2
        ),
    },
    praise="It says whether the order agrees, whatever the units, and ties in the tree cost nothing.",
)


def _clouds() -> list[Case]:
    g = torch.Generator().manual_seed(12)
    label = torch.tensor([0, 0, 0, 1, 1, 1, 1, 2, 2, 2])
    points = torch.randn(10, 5, generator=g, dtype=torch.float64) + 2 * label[:, None]
    return [((points, label), {}), ((3 * points[1:], label[1:]), {})]


def _means(x: Tensor, label: Tensor) -> Tensor:
    return torch.stack([x[label == c].mean(0) for c in label.unique()])


def _spread(x: Tensor, label: Tensor) -> Tensor:
    return (x - _means(x, label)[label]).square().sum(1).mean().sqrt()


separation = FunctionCheck(
    "distances between class means in units of the spread",
    class_separation,
    _clouds(),
    {
        "these are plain distances: a network that makes all numbers three times as large would seem to separate "
        "three times as well. Divide by the spread within classes.": lambda x, label: torch.cdist(
            _means(x, label), _means(x, label)
        ),
        "you divided by the "
        "mean square distance from the class mean, not by its root: the unit is wrong.": lambda x, label: (
            torch.cdist(_means(x, label), _means(x, label)) / _spread(x, label) ** 2
        ),
        "the spread is taken "
        "over all points together: it grows with the very distances that you measure.": lambda x, label: (
            torch.cdist(_means(x, label), _means(x, label)) / (x - x.mean(0)).square().sum(1).mean().sqrt()
        ),
        "the spread is that of "
        "one coordinate: sum the squares over the coordinates before you take the mean.": lambda x, label: (
            torch.cdist(_means(x, label), _means(x, label))
            / (x - _means(x, label)[label]).square().mean().sqrt()
        ),
        "these are squared distances.": lambda x, label: (
            (torch.cdist(_means(x, label), _means(x, label)) / _spread(x, label)) ** 2
        ),
    },
    praise="A number without a unit: it may be compared between networks, as a gap on a t-SNE may not.",
)


def _values() -> list[Case]:
    return [((0.25, [0.33, 0.35, 0.36]), {}), ((0.41, [0.30, 0.34, 0.29, 0.33]), {})]


def _tensor(nulls: list[float]) -> Tensor:
    return torch.tensor(nulls, dtype=torch.float64)


excess = FunctionCheck(
    "how many standard deviations of the noise lie between a delta_rel and the noise",
    lambda value, nulls: torch.as_tensor(noise_excess(value, nulls), dtype=torch.float64),
    _values(),
    {
        "the sign is reversed: below the noise, more tree-like than it, is negative.": lambda value, nulls: (
            (_tensor(nulls).mean() - value) / _tensor(nulls).std()
        ),
        "this is the difference "
        "itself; divide it by the standard deviation of the noise's values.": lambda value, nulls: (
            value - _tensor(nulls).mean()
        ),
        "you divided by the standard error: that is how well the mean of the noise is known, not how far one set of "
        "noise lies from another.": lambda value, nulls: (
            (value - _tensor(nulls).mean()) / (_tensor(nulls).std() / len(nulls) ** 0.5)
        ),
        "you divided by n, not by n - 1, "
        "under the root: with so few sets of noise this makes the spread too small.": lambda value, nulls: (
            (value - _tensor(nulls).mean()) / _tensor(nulls).std(correction=0)
        ),
        "this "
        "is the ratio to the noise: it does not say whether noise varies as much.": lambda value, nulls: (
            value / _tensor(nulls).mean()
        ),
    },
    praise="Without the noise a delta_rel is a number without a scale.",
)
