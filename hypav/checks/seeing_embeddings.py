"""Checks of notebook 11: distances in spreads, whether siblings lie together, and the comparison with chance."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor

from hypav.checks.framework import Case, FunctionCheck
from hypav.embeddings import separation as class_separation


def _clouds() -> list[Case]:
    g = torch.Generator().manual_seed(12)
    label = torch.tensor([0, 0, 0, 1, 1, 1, 1, 2, 2, 2])
    points = torch.randn(10, 5, generator=g, dtype=torch.float64) + 2 * label[:, None]
    return [((points, label), {}), ((3 * points[1:], label[1:]), {})]


def _means(x: Tensor, label: Tensor) -> Tensor:
    return torch.stack([x[label == c].mean(0) for c in label.unique()])


def _between(x: Tensor, label: Tensor) -> Tensor:
    means = _means(x, label)
    return torch.cdist(means, means)


def _from_mean(x: Tensor, label: Tensor) -> Tensor:
    return x - _means(x, label)[label.unique(return_inverse=True)[1]]


def _spread(x: Tensor, label: Tensor) -> Tensor:
    return _from_mean(x, label).square().sum(1).mean().sqrt()


def _spread_of_classes(x: Tensor, label: Tensor) -> Tensor:
    squares = _from_mean(x, label).square().sum(1)
    return torch.stack([squares[label == c].mean().sqrt() for c in label.unique()]).mean()


separation = FunctionCheck(
    "distances between class means in units of the spread",
    class_separation,
    _clouds(),
    {
        "these are plain distances: a network that triples all numbers would seem to separate three times as well. "
        "Divide by the spread.": _between,
        "you divided by the mean of the squared distances from the class means. Take its root first.": (
            lambda x, label: _between(x, label) / _spread(x, label) ** 2
        ),
        "you measured the spread around the mean of all points. Take each point's distance from its own class mean.": (
            lambda x, label: _between(x, label) / (x - x.mean(0)).square().sum(1).mean().sqrt()
        ),
        "the spread is that of one coordinate: sum the squares over the coordinates before you take the mean.": (
            lambda x, label: _between(x, label) / _from_mean(x, label).square().mean().sqrt()
        ),
        "these are squared distances. Take the root.": lambda x, label: (
            (_between(x, label) / _spread(x, label)) ** 2
        ),
        "you took the mean of the distances from the class mean. The spread is the root of the mean of their "
        "squares.": lambda x, label: _between(x, label) / _from_mean(x, label).norm(dim=1).mean(),
        "you averaged the spreads of the classes. Average over all points, so that each point counts the same.": (
            lambda x, label: _between(x, label) / _spread_of_classes(x, label)
        ),
        "you multiplied by the spread. Divide by it.": lambda x, label: (
            _between(x, label) * _spread(x, label)
        ),
        "you summed the squares of all points. Take their mean, or the spread grows with the number of videos.": (
            lambda x, label: _between(x, label) / _from_mean(x, label).square().sum().sqrt()
        ),
    },
    praise="They have no unit, so you can compare them between networks. You cannot do that with gaps on a t-SNE.",
)


def _families() -> list[Case]:
    """Distances of classes in three super-groups, with different numbers of classes."""
    cases: list[Case] = []
    for seed, sizes in ((3, (6, 7, 6)), (4, (8, 6, 9))):
        g = torch.Generator().manual_seed(seed)
        group = torch.arange(3).repeat_interleave(torch.tensor(sizes))
        order = torch.randperm(len(group), generator=g)
        points = torch.randn(len(group), 4, generator=g, dtype=torch.float64)
        points[:, 0] += 1.5 * group
        cases.append(((torch.cdist(points, points)[order][:, order], group[order]), {}))
    return cases


def _masks(group: Tensor) -> tuple[Tensor, Tensor]:
    same = group.unsqueeze(1) == group
    return same, torch.eye(len(group), dtype=torch.bool)


def _ratio(d: Tensor, group: Tensor, *, all_pairs: bool = False, itself: bool = False) -> Tensor:
    same, eye = _masks(group)
    return d[~eye if all_pairs else ~same].mean() / d[same if itself else same & ~eye].mean()


def _siblings(
    d: Tensor, group: Tensor, count: int = 5, *, largest: bool = False, itself: bool = False
) -> Tensor:
    others = d if itself else d.masked_fill(_masks(group)[1], -torch.inf if largest else torch.inf)
    nearest = others.topk(count, largest=largest).indices
    return (group[nearest] == group.unsqueeze(1)).double().mean()


def _both(ratio: Callable[..., Any] = _ratio, share: Callable[..., Any] = _siblings) -> Callable[..., Tensor]:
    return lambda d, group: torch.stack([ratio(d, group), share(d, group)])


def _apart(d: Tensor, group: Tensor) -> Tensor:
    same, itself = _masks(group)
    return d[~same].mean() - d[same & ~itself].mean()


_kin = _both()


kin = FunctionCheck(
    "the distance ratio and the sibling share",
    _kin,
    _families(),
    {
        "a class is not its own sibling: its distance 0 to itself counts as a pair of the same super-group.": _both(
            partial(_ratio, itself=True)
        ),
        "the ratio is upside down. Divide by the mean for siblings.": _both(
            lambda d, group: 1 / _ratio(d, group)
        ),
        "each class is among its own five nearest, at the distance 0. Leave it out.": _both(
            share=partial(_siblings, itself=True)
        ),
        "you took the five farthest classes: topk takes the largest unless you say largest=False.": _both(
            share=partial(_siblings, largest=True)
        ),
        "you took more than five neighbours.": _both(share=partial(_siblings, count=6)),
        "you took fewer than five neighbours.": _both(share=partial(_siblings, count=4)),
        "the first mean is over all pairs. Take pairs of different super-groups only.": _both(
            partial(_ratio, all_pairs=True)
        ),
        "this is a difference, which has the unit of the distances. Take the ratio.": _both(_apart),
        "you counted the siblings. Divide by 5 for the share.": _both(
            share=lambda d, group: 5 * _siblings(d, group)
        ),
        "the two numbers are in the other order: first the ratio, then the share.": lambda d, group: _kin(
            d, group
        ).flip(0),
    },
    praise="The ratio says how far apart classes are on average. The share says who the neighbours are.",
)


def _videos() -> list[Case]:
    cases: list[Case] = []
    for seed in (5, 6):
        g = torch.Generator().manual_seed(seed)
        group = torch.tensor([0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2])
        label = torch.arange(12).repeat(4)
        points = torch.randn(48, 4, generator=g, dtype=torch.float64)
        points[:, 0] += 0.7 * group[label]
        points += torch.randn(12, 4, generator=g, dtype=torch.float64)[label]
        shuffles = torch.stack([torch.randperm(12, generator=g) for _ in range(8)])
        cases.append(((points, label, group, shuffles), {}))
    return cases


def _null(x: Tensor, label: Tensor, group: Tensor, shuffles: Tensor) -> tuple[Tensor, Tensor]:
    """What is found, (2,), and what the shuffled super-groups give, (shuffles, 2)."""
    distances = class_separation(x, label)
    return _kin(distances, group), torch.stack([_kin(distances, group[each]) for each in shuffles])


def _kinship(x: Tensor, label: Tensor, group: Tensor, shuffles: Tensor) -> Tensor:
    found, null = _null(x, label, group, shuffles)
    return torch.stack([found, null.quantile(0.975, dim=0)], dim=1)


def _limit(statistic: Any) -> Any:
    """A wrong my_kinship whose second column is another statistic of the shuffled values."""

    def wrong(x: Tensor, label: Tensor, group: Tensor, shuffles: Tensor) -> Tensor:
        found, null = _null(x, label, group, shuffles)
        return torch.stack([found, statistic(null)], dim=1)

    return wrong


def _rows_only(x: Tensor, label: Tensor, group: Tensor, shuffles: Tensor) -> Tensor:
    distances = class_separation(x, label)
    null = torch.stack([_kin(distances[each], group) for each in shuffles])
    return torch.stack([_kin(distances, group), null.quantile(0.975, dim=0)], dim=1)


kinship = FunctionCheck(
    "both numbers beside what chance gives",
    _kinship,
    _videos(),
    {
        "rows and columns are exchanged. Give a row for each statistic, with its value and its limit.": (
            lambda *args: _kinship(*args).T
        ),
        "you shuffled the rows of the distances and not their columns. Shuffle the super-groups instead.": _rows_only,
        "this is the largest of the shuffled values. With more shuffles it would grow.": _limit(
            lambda null: null.amax(0)
        ),
        "this is the mean of the shuffled values. Half of all chance results lie above it.": _limit(
            lambda null: null.mean(0)
        ),
        "this is the median of the shuffled values. Half of all chance results lie above it.": _limit(
            lambda null: null.quantile(0.5, dim=0)
        ),
        "this is the 95 % quantile. The exercise asks for 97.5 %.": _limit(
            lambda null: null.quantile(0.95, dim=0)
        ),
        "this is the lower limit: 2.5 % of the shuffled values lie below it.": _limit(
            lambda null: null.quantile(0.025, dim=0)
        ),
        "only the first shuffle is used.": _limit(lambda null: null[0]),
        "the columns are exchanged: first the value, then the limit.": lambda *args: _kinship(*args).flip(1),
        "this is the mean plus two standard deviations. Take the quantile of the shuffled values themselves.": (
            _limit(lambda null: null.mean(0) + 2 * null.std(0))
        ),
    },
    praise="You can measure any embedding in this way, and also that of a linear map.",
)
