"""Checks of notebook 00: the nearest word, recall averaged over classes, the harmonic mean, the cosines of rows."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from hypav.alignment import similarity_matrix
from hypav.checks.framework import FunctionCheck
from hypav.evaluation import class_distances, harmonic_mean

Case = tuple[tuple[Any, ...], dict[str, Any]]


def _points() -> list[Case]:
    """Equal numbers of videos and words, so that an answer along the wrong dimension has the right shape."""
    generator = torch.Generator().manual_seed(5)
    cases: list[Case] = []
    for dim in (2, 6):
        videos, words = torch.randn(2, 8, dim, generator=generator, dtype=torch.float64)
        cases.append(((videos, words + 0.5), {}))
    return cases


def _differences(videos: Tensor, words: Tensor) -> Tensor:
    return videos.unsqueeze(1) - words


def _cosine(videos: Tensor, words: Tensor) -> Tensor:
    return F.normalize(videos, dim=1) @ F.normalize(words, dim=1).T


nearest_word = FunctionCheck(
    "The nearest word of each video",
    lambda videos, words: class_distances(videos, words).argmin(dim=1),
    _points(),
    {
        "you took the "
        "word that is farthest away: the smallest distance wins, so use argmin.": lambda videos, words: (
            class_distances(videos, words).argmax(dim=1)
        ),
        "you chose a video for each word: take argmin along the words, dim=1.": lambda videos, words: (
            class_distances(videos, words).argmin(dim=0)
        ),
        "you took the largest "
        "inner product, so long words win in any direction: measure distances.": lambda videos, words: (
            videos @ words.T
        ).argmax(dim=1),
        "you took argmin "
        "of a similarity: the largest similarity wins, but the smallest distance.": lambda videos, words: (
            videos @ words.T
        ).argmin(dim=1),
        "you compared directions "
        "by the cosine, which ignores lengths: use the Euclidean distance.": lambda videos, words: _cosine(
            videos, words
        ).argmax(dim=1),
        "you took "
        "argmin of the cosine: that is the word in the most opposite direction.": lambda videos, words: (
            _cosine(videos, words).argmin(dim=1)
        ),
        "you added "
        "the differences with their signs, so that they cancel: square them first.": lambda videos, words: (
            _differences(videos, words).sum(dim=2).argmin(dim=1)
        ),
    },
    praise="AVCA and all variants of the paper answer in just this way.",
)


def _answers() -> list[Case]:
    """Class ids with gaps, classes of very different size, and answers with classes that have no video."""
    generator = torch.Generator().manual_seed(6)
    cases: list[Case] = []
    for ids, sizes in (((0, 2, 3, 7), (40, 6, 3, 1)), ((1, 4, 5), (2, 30, 9))):
        label = torch.repeat_interleave(torch.tensor(ids), torch.tensor(sizes))
        guess = torch.tensor([*ids, 9])[torch.randint(len(ids) + 1, label.shape, generator=generator)]
        right = torch.rand(label.shape, generator=generator) < (0.8 if label[0] == 0 else 0.6)
        cases.append(((torch.where(right, label, guess), label), {}))
    return cases


def _recalls(answer: Tensor, label: Tensor) -> Tensor:
    return torch.stack([(answer[label == c] == c).double().mean() for c in label.unique()])


def _precisions(answer: Tensor, label: Tensor) -> Tensor:
    right = [(label[answer == c] == c).double() for c in label.unique()]
    return torch.stack([part.mean() if len(part) else torch.tensor(0.0).double() for part in right])


def _weighted(answer: Tensor, label: Tensor) -> Tensor:
    counts = label.unique(return_counts=True)[1]
    return (counts.square() * _recalls(answer, label)).sum() / counts.square().sum()


mean_recall = FunctionCheck(
    "The mean recall of the classes",
    lambda answer, label: _recalls(answer, label).mean(),
    _answers(),
    {
        "this is the share of right answers over all videos, so a class of 40 videos counts forty times as "
        "much "
        "as a class of one: take the share of each class first, then their mean.": lambda answer, label: (
            (answer == label).double().mean()
        ),
        "you divided by the number of predictions "
        "of a class, which gives precision: divide by the number of its videos.": lambda answer, label: (
            _precisions(answer, label).mean()
        ),
        "this is the sum over the classes: divide by their number.": lambda answer, label: _recalls(
            answer, label
        ).sum(),
        "you divided by the largest class "
        "id plus one, but ids have gaps: average over the classes that have videos.": lambda answer, label: (
            _recalls(answer, label).sum() / (label.max() + 1)
        ),
        "you divided by the number of "
        "classes that were predicted: average over the classes that have videos.": lambda answer, label: (
            _recalls(answer, label).sum() / len(answer.unique())
        ),
        "this is the share of classes "
        "with at least one right answer: count how many answers are right in each.": lambda answer, label: (
            (_recalls(answer, label) > 0).double().mean()
        ),
        "you multiplied each class's share by the number of its videos again: every class counts the same.": _weighted,
    },
    praise="Over the seen classes it is S, over the unseen ones U.",
)


def _pairs() -> list[Case]:
    S = torch.tensor([0.6, 0.3, 0.2, 0.515, 0.25], dtype=torch.float64)
    U = torch.tensor([0.0, 0.1, 0.2, 0.184, 0.9], dtype=torch.float64)
    return [((S, U), {}), ((U.flip(0), S), {})]


hm = FunctionCheck(
    "The harmonic mean of S and U",
    harmonic_mean,
    _pairs(),
    {
        "this is the arithmetic mean, which lets a large S make up for U = 0.": lambda S, U: (S + U) / 2,
        "this is the geometric mean, √(S U): the harmonic mean divides by the sum.": lambda S, U: (
            S * U
        ).sqrt(),
        "the factor 2 is missing: with S = U the mean of the two must be S again.": lambda S, U: (
            S * U / (S + U)
        ),
        "this is S alone: the unseen classes do not count in it.": lambda S, U: S,
        "this is U alone: the seen classes do not count in it.": lambda S, U: U,
        "the division by S + U is missing.": lambda S, U: 2 * S * U,
        "this is the smaller of the two: HM is close to it, but S and U both count.": torch.minimum,
    },
    praise="It is small as soon as one of the two is: nobody wins by giving up the unseen classes.",
)


def _rows() -> list[Case]:
    generator = torch.Generator().manual_seed(7)
    return [
        ((torch.randn(n, dim, generator=generator, dtype=torch.float64),), {}) for n, dim in ((5, 5), (6, 6))
    ]


def _norm(x: Tensor) -> Tensor:
    return x.norm(dim=1, keepdim=True)


cosines = FunctionCheck(
    "The cosines of all pairs of rows",
    lambda x: similarity_matrix(x, "cosine"),
    _rows(),
    {
        "these "
        "are inner products: divide by the lengths of both rows, or the long rows dominate.": lambda x: (
            x @ x.T
        ),
        "you divided "
        "by the length of only one of the two rows: the diagonal of the result must be 1.": lambda x: (
            x @ x.T / _norm(x)
        ),
        "you "
        "divided only by the length of the column's row: the diagonal of the result must be 1.": lambda x: (
            x @ x.T / _norm(x).T
        ),
        "you divided by squared lengths: take the root, the diagonal of the result must be 1.": lambda x: (
            x @ x.T / (_norm(x) * _norm(x).T) ** 2
        ),
        "the lengths lack keepdim=True: with as many rows as columns each column is divided, not each row.": lambda x: (
            (x / x.norm(dim=1)) @ (x / x.norm(dim=1)).T
        ),
        "you normalised the columns: lengths are taken along dim=1.": lambda x: (
            F.normalize(x, dim=0) @ F.normalize(x, dim=0).T
        ),
        "you divided by one length for the whole matrix: every row has its own length.": lambda x: (
            (x / x.norm()) @ (x / x.norm()).T
        ),
        "you compared the columns: rows are videos, so it is x @ x.T.": lambda x: (
            F.normalize(x, dim=1).T @ F.normalize(x, dim=1)
        ),
    },
    praise="Multiply any row by any positive number: the diagonal stays 1 and nothing else moves either.",
)
