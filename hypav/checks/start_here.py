"""Checks of notebook 00: the recall of each class, S, U and HM, and the cosines of all pairs of rows."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from hypav.alignment import similarity_matrix
from hypav.checks.framework import Case, FunctionCheck
from hypav.evaluation import harmonic_mean


def _answers() -> list[tuple[Tensor, Tensor, Tensor, Tensor]]:
    """Answers, labels, seen and unseen ids. Ids have gaps, sizes differ, and some answers are no video's class."""
    generator = torch.Generator().manual_seed(6)
    cases = []
    for seen, unseen, sizes in (((0, 3), (2, 7), (40, 3, 6, 5)), ((4, 5, 8), (1,), (7, 20, 3, 9))):
        ids = torch.tensor([*seen, *unseen])
        label = torch.repeat_interleave(ids, torch.tensor(sizes))
        guess = torch.tensor([*ids.tolist(), 9])[
            torch.randint(len(ids) + 1, label.shape, generator=generator)
        ]
        right = torch.rand(label.shape, generator=generator) < (0.7 if seen[0] == 0 else 0.4)
        cases.append((torch.where(right, label, guess), label, torch.tensor(seen), torch.tensor(unseen)))
    return cases


def _each(f: Any, classes: Tensor) -> Tensor:
    return torch.stack([torch.as_tensor(f(c)).double() for c in classes])


def _recalls(answer: Tensor, label: Tensor, classes: Tensor) -> Tensor:
    return _each(lambda c: (answer[label == c] == c).double().mean(), classes)


recalls = FunctionCheck(
    "The recall of each class",
    _recalls,
    [
        ((answer, label, part), {})
        for answer, label, seen, unseen in _answers()
        for part in (torch.cat([seen, unseen]).sort()[0], unseen)
    ],
    {
        "you divided by the number of answers with this class, which gives precision: divide by the number of its "
        "videos.": lambda a, y, classes: _each(lambda c: (y[a == c] == c).double().mean(), classes),
        "you divided by the number of all videos: divide by the number of videos of this class.": (
            lambda a, y, classes: _each(lambda c: ((a == c) & (y == c)).double().mean(), classes)
        ),
        "these are counts of right answers: divide each by the number of videos of its class.": (
            lambda a, y, classes: _each(lambda c: ((a == c) & (y == c)).sum(), classes)
        ),
        "you looked for the classes 0, 1, 2, …: the ids are in `classes`, and they have gaps.": (
            lambda a, y, classes: _recalls(a, y, torch.arange(len(classes)))
        ),
        "you also counted the videos of other classes that rightly got another answer: look only at the videos of this "
        "class.": lambda a, y, classes: _each(lambda c: ((a == c) == (y == c)).double().mean(), classes),
        "this is the share of wrong answers: count the right ones.": (
            lambda a, y, classes: 1 - _recalls(a, y, classes)
        ),
        "this is how often each class is answered, right or wrong: compare the answer with the label.": (
            lambda a, y, classes: _each(lambda c: (a == c).double().mean(), classes)
        ),
        "this is how large each class is: compare the answers with the labels.": (
            lambda a, y, classes: _each(lambda c: (y == c).double().mean(), classes)
        ),
        "you divided by all videos that have or get this class: divide only by the videos that have it.": (
            lambda a, y, classes: _each(
                lambda c: ((a == c) & (y == c)).sum() / ((a == c) | (y == c)).sum(), classes
            )
        ),
        "you divided every count by the size of the largest class: each class has its own size.": (
            lambda a, y, classes: _each(
                lambda c: ((a == c) & (y == c)).sum() / y.bincount()[classes].max(), classes
            )
        ),
    },
    praise="A class of 3 videos now counts as much as one of 40, if you average these numbers.",
)


Parts = tuple[Tensor, Tensor, Tensor, Tensor]


def _graded(of: Any, *, HM: Any = harmonic_mean, accuracy: Any = None) -> Any:
    """A function with the student's signature: S and U are those of `of`, HM and the accuracy are right if not given."""

    def graded(a: Tensor, y: Tensor, seen: Tensor, unseen: Tensor) -> Tensor:
        S, U = (torch.as_tensor(value).double() for value in of(a, y, seen, unseen))
        right = (a == y).double().mean() if accuracy is None else accuracy(a, y)
        return torch.stack([S, U, HM(S, U), right])

    return graded


def _means(a: Tensor, y: Tensor, seen: Tensor, unseen: Tensor) -> tuple[Tensor, Tensor]:
    return _recalls(a, y, seen).mean(), _recalls(a, y, unseen).mean()


def _share(a: Tensor, y: Tensor, part: Tensor) -> Tensor:
    return (a == y)[torch.isin(y, part)].double().mean()


def _all_wrong() -> Parts:
    label = torch.tensor([1, 1, 2, 2, 4])
    return torch.full_like(label, 7), label, torch.tensor([1, 2]), torch.tensor([4])


gzsl = FunctionCheck(
    "S, U, HM and the accuracy",
    _graded(_means),
    [(case, {}) for case in (*_answers(), _all_wrong())],
    {
        "your third number is the arithmetic mean, which lets a large S make up for U = 0.": _graded(
            _means, HM=lambda S, U: (S + U) / 2
        ),
        "your third number is the geometric mean, √(S U): the harmonic mean divides by the sum.": _graded(
            _means, HM=lambda S, U: (S * U).sqrt()
        ),
        "the factor 2 of HM is missing: with S = U the mean of the two must be S again.": _graded(
            _means, HM=lambda S, U: harmonic_mean(S, U) / 2
        ),
        "your third number is the product S U: divide it by the sum, and multiply by 2.": _graded(
            _means, HM=lambda S, U: S * U
        ),
        "your third number is the smaller of S and U: HM is larger than that unless they are equal.": _graded(
            _means, HM=torch.minimum
        ),
        "with S = U = 0 your HM is 0/0: add a tiny number such as 1e-12 to the sum, so that HM is 0.": _graded(
            _means, HM=lambda S, U: 2 * S * U / (S + U)
        ),
        "you took the share of right answers over all videos of a part: average the recalls of its classes.": _graded(
            lambda a, y, seen, unseen: (_share(a, y, seen), _share(a, y, unseen))
        ),
        "S and U are the wrong way round: the first number is that of the seen classes.": _graded(
            lambda a, y, seen, unseen: _means(a, y, unseen, seen)
        ),
        "you averaged over all classes for U: take only the unseen ones.": _graded(
            lambda a, y, seen, unseen: (
                _recalls(a, y, seen).mean(),
                _recalls(a, y, torch.cat([seen, unseen])).mean(),
            )
        ),
        "you added up the recalls: divide by the number of classes.": _graded(
            lambda a, y, seen, unseen: (_recalls(a, y, seen).sum(), _recalls(a, y, unseen).sum())
        ),
        "you divided by the number of all classes: S is a mean over the seen classes, U over the unseen ones.": _graded(
            lambda a, y, seen, unseen: (
                _recalls(a, y, seen).sum() / (len(seen) + len(unseen)),
                _recalls(a, y, unseen).sum() / (len(seen) + len(unseen)),
            )
        ),
        "these are percentages: return shares between 0 and 1.": lambda *args: 100 * _graded(_means)(*args),
        "your accuracy is the mean recall of all classes: it is the share of all videos that get the right answer.": (
            _graded(_means, accuracy=lambda a, y: _recalls(a, y, y.unique()).mean())
        ),
        "your accuracy is a count: divide by the number of videos.": _graded(
            _means, accuracy=lambda a, y: (a == y).double().sum()
        ),
    },
    praise="HM is small as soon as one of the two is: nobody wins by giving up the unseen classes.",
)


def _rows() -> list[Case]:
    """Square, so that a product of columns has the right shape too; then the same rows, each of another length."""
    generator = torch.Generator().manual_seed(7)
    first, second = (torch.randn(n, n, generator=generator, dtype=torch.float64) for n in (5, 6))
    factors = torch.tensor([0.1, 3.0, 50.0, 0.7, 12.0], dtype=torch.float64)
    return [((x,), {}) for x in (first, factors[:, None] * first, second)]


def _norm(x: Tensor) -> Tensor:
    return x.norm(dim=1, keepdim=True)


def _cosines(x: Tensor) -> Tensor:
    return similarity_matrix(x, "cosine")


cosines = FunctionCheck(
    "The cosines of all pairs of rows",
    _cosines,
    _rows(),
    {
        "these are inner products: divide by the lengths of both rows, or the long rows dominate.": (
            lambda x: x @ x.T
        ),
        "you divided by the length of only one of the two rows: the diagonal of the result must be 1.": (
            lambda x: x @ x.T / _norm(x)
        ),
        "you divided only by the length of the column's row: the diagonal of the result must be 1.": (
            lambda x: x @ x.T / _norm(x).T
        ),
        "you divided by squared lengths: take the root, the diagonal of the result must be 1.": (
            lambda x: x @ x.T / (_norm(x) * _norm(x).T) ** 2
        ),
        "you divided column j by the length of row j: x.norm(dim=1) lacks keepdim=True, so PyTorch spreads it along the "
        "wrong dimension.": lambda x: (x / x.norm(dim=1)) @ (x / x.norm(dim=1)).T,
        "you normalised the columns: lengths are taken along dim=1.": (
            lambda x: F.normalize(x, dim=0) @ F.normalize(x, dim=0).T
        ),
        "you divided by one length for the whole matrix: every row has its own length.": (
            lambda x: (x / x.norm()) @ (x / x.norm()).T
        ),
        "you compared the columns: rows are videos, so it is x @ x.T.": (
            lambda x: F.normalize(x, dim=1).T @ F.normalize(x, dim=1)
        ),
        "these are distances between the rows, and they grow with the lengths: compare directions.": (
            lambda x: torch.cdist(x, x)
        ),
        "a cosine may be negative: do not take its absolute value.": lambda x: _cosines(x).abs(),
        "these are angles: return their cosines.": lambda x: _cosines(x).clamp(-1, 1).acos(),
        "you subtracted the mean of each row first, which gives correlations: leave the rows where they are.": (
            lambda x: _cosines(x - x.mean(dim=1, keepdim=True))
        ),
    },
    praise="The check also multiplied each row by a number of its own, from 0.1 to 50, and your table stayed the same: a "
    "cosine ignores length.",
)
