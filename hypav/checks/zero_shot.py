"""Checks of notebook 04: what a triplet's negative is drawn from, recall, beta, ZSL, HM and the area under the curve."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from hypav.checks.framework import FunctionCheck
from hypav.evaluation import Scores, harmonic_mean

Case = tuple[tuple[Any, ...], dict[str, Any]]


def _sizes(label: Tensor) -> Tensor:
    """The size of each sample's class, (N,), float64."""
    _, row, count = label.unique(return_inverse=True, return_counts=True)
    return count[row].double()


def _classes(label: Tensor) -> int:
    return len(label.unique())


def _negative(label: Tensor, y: int) -> Tensor:
    return (label != y) / ((_classes(label) - 1) * _sizes(label))


negative_probabilities = FunctionCheck(
    "The negative of a triplet",
    _negative,
    [((torch.tensor([2, 2, 2, 2, 2, 5, 5, 5, 7, 7, 9]), y), {}) for y in (5, 9)],
    {
        "in your answer every sample of another class is equally likely, so large classes are drawn more "
        "often: draw "
        "one of the K - 1 classes first, all equally likely, then a sample within it.": lambda label, y: (
            (label != y).double() / (label != y).sum()
        ),
        "the probabilities "
        "do not sum to 1: one of the K classes is excluded, so K - 1 remain.": lambda label, y: (
            (label != y) / (_classes(label) * _sizes(label))
        ),
        "you also draw samples "
        "of class y, as for the positive; the negative must be of another class.": lambda label, y: (
            1 / (_classes(label) * _sizes(label))
        ),
        "each *sample* gets 1/(K "
        "- 1), which is the probability of its whole class: divide by the class's size.": lambda label, y: (
            (label != y).double() / (_classes(label) - 1)
        ),
        "you divide by the size of the class "
        "y; a sample shares its probability with the other samples of its own class.": lambda label, y: (
            (label != y).double() / ((_classes(label) - 1) * (label == y).sum())
        ),
        "you give only the samples of y a probability: they are the ones to exclude.": lambda label, y: (
            (label == y).double() / (label == y).sum()
        ),
        "you multiply "
        "by the size of the class, so samples of large classes get more: divide by it.": lambda label, y: (
            (label != y) * _sizes(label) / ((label != y) * _sizes(label)).sum()
        ),
    },
    praise="The positive is drawn in the same way, with K for K - 1: that is all a class-balanced sampler does.",
)


def _phase(seed: int) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Distances (60, 6) of a bad classifier with a bias to seen classes, as arguments of `Scores`; ids with gaps."""
    generator = torch.Generator().manual_seed(seed)
    classes = torch.tensor([1, 2, 4, 5, 7, 9])
    unseen = torch.tensor([2, 5, 9])
    seen = torch.tensor([1, 4, 7])
    label = torch.cat([classes, classes[torch.tensor([0, 1, 1, 2, 3, 3, 3, 4, 5]).repeat(6)]])
    distances = 1 + torch.rand(len(label), 6, generator=generator, dtype=torch.float64)
    right = torch.searchsorted(classes, label)
    distances[torch.arange(len(label)), right] -= 0.5
    return distances - 0.3 * torch.isin(classes, seen), label, classes, seen, unseen


def _recall_cases() -> list[Case]:
    cases: list[Case] = []
    for seed in (0, 1):
        scores = Scores(*_phase(seed))
        answer = scores.predict(0.3)
        cases.extend([((answer, scores.label, part), {}) for part in (scores.seen, scores.unseen)])
    return cases


def _recalls(answer: Tensor, label: Tensor, part: Tensor) -> Tensor:
    return torch.stack([(answer[label == c] == c).double().mean() for c in part])


def _of_part(answer: Tensor, label: Tensor, part: Tensor) -> Tensor:
    inside = torch.isin(label, part)
    return (answer == label)[inside].double().mean()


mean_recall = FunctionCheck(
    "S and U, recall averaged over classes",
    lambda answer, label, part: _recalls(answer, label, part).mean(),
    _recall_cases(),
    {
        "this is the share of right answers among all samples of these classes: large classes count more. Take the "
        "recall of each class first, then their mean.": _of_part,
        "this is the accuracy "
        "over all samples, of all classes: only the given classes count.": lambda answer, label, part: (
            (answer == label).double().mean()
        ),
        "you divide by the number of predictions of a class, which gives "
        "precision; recall divides by the number of its samples.": lambda answer, label, part: torch.stack(
            [(label[answer == c] == c).double().mean() for c in part]
        ).mean(),
        "you average "
        "over all classes of the phase: only the given classes count.": lambda answer, label, part: _recalls(
            answer, label, label.unique()
        ).mean(),
        "you sum the recalls: divide by the number of classes.": lambda answer, label, part: _recalls(
            answer, label, part
        ).sum(),
        "you divide "
        "the right answers of these classes by the number of all samples.": lambda answer, label, part: (
            ((answer == label) & torch.isin(label, part)).sum() / torch.tensor(len(label)).double()
        ),
    },
    praise="Over the seen classes this is S, over the unseen ones U.",
)


def _predict_cases() -> list[Case]:
    return [
        ((distances, classes, seen), {"beta": beta})
        for seed, beta in ((2, 0.25), (3, 0.4))
        for distances, _, classes, seen, _ in [_phase(seed)]
    ]


def _stacked(distances: Tensor, classes: Tensor, handicap: Tensor) -> Tensor:
    return classes[(distances + handicap).argmin(dim=1)].double()


predict = FunctionCheck(
    "Calibrated stacking",
    lambda distances, classes, seen, *, beta: _stacked(distances, classes, beta * torch.isin(classes, seen)),
    _predict_cases(),
    {
        "your β goes to the unseen classes, which makes them even harder to reach: add it to the distances of the "
        "seen ones.": lambda distances, classes, seen, *, beta: _stacked(
            distances, classes, beta * ~torch.isin(classes, seen)
        ),
        "you subtract β from the distances of seen classes, as one does with scores: a handicap on a distance is "
        "added.": lambda distances, classes, seen, *, beta: _stacked(
            distances, classes, -2 * beta * torch.isin(classes, seen)
        ),
        "you predict the "
        "farthest class: these are distances, so take argmin.": lambda distances, classes, seen, *, beta: (
            classes[(distances + beta * torch.isin(classes, seen)).argmax(dim=1)].double()
        ),
        "you return "
        "the column, not the class: look it up in `classes`.": lambda distances, classes, seen, *, beta: (
            (distances + beta * torch.isin(classes, seen)).argmin(dim=1).double()
        ),
        "β has no effect in your answer. Did you add it "
        "to every column? Then all distances change equally.": lambda distances, classes, seen, *, beta: (
            _stacked(distances, classes, 0 * classes)
        ),
        "you added β to the first columns, but seen and "
        "unseen classes are mixed in `classes`: use torch.isin.": lambda distances, classes, seen, *, beta: (
            _stacked(distances, classes, beta * (torch.arange(len(classes)) < len(seen)))
        ),
        "you always "
        "predict an unseen class: β is a handicap, not a ban.": lambda distances, classes, seen, *, beta: (
            _stacked(distances, classes, 1e6 * torch.isin(classes, seen))
        ),
    },
    praise="One number decides how readily a class without a single training sample is answered.",
)


def _only_unseen(distances: Tensor, classes: Tensor, unseen: Tensor) -> Tensor:
    """The unseen class of least distance, (N,)."""
    return unseen[distances[:, torch.isin(classes, unseen)].argmin(dim=1)]


def _any(distances: Tensor, classes: Tensor) -> Tensor:
    return classes[distances.argmin(dim=1)]


zsl = FunctionCheck(
    "ZSL",
    lambda distances, label, classes, unseen: _recalls(
        _only_unseen(distances, classes, unseen), label, unseen
    ).mean(),
    [
        ((distances, label, classes, unseen), {})
        for seed in (7, 10)
        for distances, label, classes, _, unseen in [_phase(seed)]
    ],
    {
        "you still allow seen classes: this is U at β = 0. For "
        "ZSL keep only the columns of unseen classes.": lambda distances, label, classes, unseen: _recalls(
            _any(distances, classes), label, unseen
        ).mean(),
        "this is the share of right answers among the samples "
        "of unseen classes: average the recalls of the classes.": lambda distances, label, classes, unseen: (
            _of_part(_only_unseen(distances, classes, unseen), label, unseen)
        ),
        "you include samples of seen "
        "classes, which can only be wrong: leave them out.": lambda distances, label, classes, unseen: (
            (_only_unseen(distances, classes, unseen) == label).double().mean()
        ),
        "after leaving columns "
        "out, column j is no longer classes[j] but unseen[j].": lambda distances, label, classes, unseen: (
            _recalls(classes[distances[:, torch.isin(classes, unseen)].argmin(dim=1)], label, unseen).mean()
        ),
        "you average "
        "over the seen classes too, whose recall is 0 here.": lambda distances, label, classes, unseen: (
            _recalls(_only_unseen(distances, classes, unseen), label, classes).mean()
        ),
        "you predict the "
        "farthest class: these are distances, so take argmin.": lambda distances, label, classes, unseen: (
            _recalls(unseen[distances[:, torch.isin(classes, unseen)].argmax(dim=1)], label, unseen).mean()
        ),
    },
    praise="It is where U ends as β grows without bound.",
)


def _curves() -> list[Case]:
    """Betas, S and U: the second has two equal maxima of HM, and no two rules agree on all of them."""
    tables = [
        ([0.0, 0.5, 1.0, 1.5, 2.0], [0.95, 0.90, 0.60, 0.40, 0.10], [0.02, 0.20, 0.34, 0.40, 0.46]),
        ([-1.0, 0.0, 1.0, 2.0, 4.0], [0.80, 0.60, 0.30, 0.21, 0.05], [0.10, 0.30, 0.60, 0.62, 0.64]),
        ([0.2, 0.4, 0.6, 0.8, 1.0], [0.90, 0.50, 0.49, 0.30, 0.00], [0.28, 0.36, 0.35, 0.38, 0.40]),
    ]
    return [(tuple(torch.tensor(row, dtype=torch.float64) for row in table), {}) for table in tables]


def _hm(S: Tensor, U: Tensor) -> Tensor:
    return harmonic_mean(S, U)


best_beta = FunctionCheck(
    "The β of greatest HM",
    lambda betas, S, U: betas[_hm(S, U).argmax()],
    _curves(),
    {
        "you took the β "
        "with the highest (S + U)/2: the arithmetic mean lets a good S hide a bad U.": lambda betas, S, U: (
            betas[(S + U).argmax()]
        ),
        "you took the β with the highest S, which is always the smallest.": lambda betas, S, U: betas[
            S.argmax()
        ],
        "you took the β with the highest U, which is always the largest.": lambda betas, S, U: betas[
            U.argmax()
        ],
        "this is the position in the list: return the β at that position.": lambda betas, S, U: (
            _hm(S, U).argmax().double()
        ),
        "this is the highest HM: return its β.": lambda betas, S, U: _hm(S, U).max(),
        "of two equal HM you took the later one; the protocol takes the first.": lambda betas, S, U: betas[
            len(S) - 1 - int(_hm(S, U).flip(0).argmax())
        ],
        "you took the β at which S and U are closest. They may be close and both bad.": lambda betas, S, U: (
            betas[(S - U).abs().argmin()]
        ),
    },
    praise="The released code does the same, on 16 betas from 0 to 3.",
)


def _staircases() -> list[Case]:
    cases: list[Case] = []
    for seed in (6, 7):
        # steps wide enough for S and U to change in one: the exact curve's do not, and any rule would be right
        curve = Scores(*_phase(seed)).curve(torch.linspace(-1, 2, 16))
        cases.append(((curve.S, curve.U), {}))
    return cases


ausuc = FunctionCheck(
    "AUSUC",
    lambda S, U: torch.trapezoid(S, U),
    _staircases(),
    {
        "you took S at the left end of each step: take the mean of both ends.": lambda S, U: (
            U.diff() * S[:-1]
        ).sum(),
        "you took S at the right end of each step: take the mean of both ends.": lambda S, U: (
            U.diff() * S[1:]
        ).sum(),
        "the heights of both ends are added but not halved.": lambda S, U: (
            U.diff() * (S[:-1] + S[1:])
        ).sum(),
        "the area is negative: S falls along the curve. Integrate S over U, not U over S.": lambda S, U: (
            torch.trapezoid(U, S)
        ),
        "you gave every step the width 1: the width of a step is the change in U.": lambda S, U: (
            torch.trapezoid(S)
        ),
        "you averaged S over "
        "the points of the curve: a point at which U does not change has no width.": lambda S, U: S.mean(),
        "this is the mean of HM along the curve, not the area under it.": lambda S, U: _hm(S, U).mean(),
    },
    praise="No β has to be chosen for it, so none can be chosen badly.",
)
