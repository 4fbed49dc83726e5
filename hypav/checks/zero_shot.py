"""Checks of notebook 04: the answers at beta, S, U, HM and ZSL, and the evaluation with the area under the curve."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from hypav.checks.framework import FunctionCheck
from hypav.evaluation import Scores, harmonic_mean


def _phase(seed: int, copies: int) -> tuple[Tensor, Tensor, Tensor]:
    """Distances (N, 6) of a bad classifier that prefers seen classes, columns of the right classes, and seen (6,).

    Seen and unseen columns are mixed, and classes differ in size: per 10 videos one has 3 and three have 1.
    """
    generator = torch.Generator().manual_seed(seed)
    seen = torch.tensor([True, False, True, False, True, False])
    label = torch.tensor([0, 1, 1, 2, 2, 2, 3, 3, 4, 5]).repeat(copies)
    distances = 1 + torch.rand(len(label), 6, generator=generator, dtype=torch.float64)
    distances[torch.arange(len(label)), label] -= 0.5
    # one class is harder than the others, so that a mean over classes is not one over videos
    distances[label == 2, 2] += 0.35
    distances[label == 1, 1] += 0.25
    distances[0, ~seen] += (
        1  # one video switches long after all others, so that steps in β are not steps in U
    )
    return distances - 0.3 * seen, label, seen


def _columns(distances: Tensor, handicap: Any) -> Tensor:
    return (distances + handicap).argmin(dim=1)


answers = FunctionCheck(
    "The answers at β",
    lambda d, seen, beta: _columns(d, beta * seen),
    [((d, seen, beta), {}) for n, beta in ((2, 0.25), (3, 0.4)) for d, _, seen in [_phase(n, 8)]],
    {
        "your β makes the unseen classes harder to reach. Did you subtract it, or add it to the unseen ones? Add it to "
        "the distances of the seen ones.": lambda d, seen, beta: _columns(d, -beta * seen),
        "you answer with the farthest class: these are distances, so take argmin.": (
            lambda d, seen, beta: (d + beta * seen).argmax(dim=1)
        ),
        "β has no effect in your answer. Did you add it to every column? Then all distances change equally.": (
            lambda d, seen, beta: _columns(d, beta)
        ),
        "you added β to the first columns, but seen and unseen columns are mixed: use the mask `seen`.": (
            lambda d, seen, beta: _columns(d, beta * (torch.arange(len(seen)) < seen.sum()))
        ),
        "you always answer with an unseen class: β is a handicap, not a ban.": (
            lambda d, seen, beta: _columns(d, 1e6 * seen)
        ),
        "you never answer with an unseen class: look for the smallest of all distances.": (
            lambda d, seen, beta: _columns(d, 1e6 * ~seen)
        ),
        "you multiplied the distances of seen classes by 1 + β: add β.": (
            lambda d, seen, beta: _columns(d, beta * seen * d)
        ),
        "these are the smallest distances: return the column in which they stand.": (
            lambda d, seen, beta: (d + beta * seen).min(dim=1).values.long()
        ),
        "you added 1 to the distances of seen classes: add β.": lambda d, seen, beta: _columns(d, 1.0 * seen),
        "you took the column with the smallest sum: look for the smallest distance in each row.": (
            lambda d, seen, beta: (d + beta * seen).sum(dim=0).argmin().expand(len(d))
        ),
    },
    praise="One number decides how readily a class without a single training video is answered.",
)


def _recalls(answer: Tensor, label: Tensor, part: Tensor) -> Tensor:
    """The recalls of the classes of a mask."""
    return torch.stack([(answer[label == c] == c).double().mean() for c in part.nonzero()[:, 0]])


def _share(answer: Tensor, label: Tensor, part: Tensor) -> Tensor:
    return (answer == label)[part[label]].double().mean()


def _four(S: Tensor, U: Tensor, ZSL: Tensor, HM: Callable[..., Tensor] = harmonic_mean) -> Tensor:
    return torch.stack([S, U, HM(S, U), ZSL])


def _right(d: Tensor, label: Tensor, seen: Tensor, beta: float) -> tuple[Tensor, Tensor, Tensor]:
    """S, U and ZSL."""
    answer, alone = _columns(d, beta * seen), _columns(d, 1e6 * seen)
    return (
        _recalls(answer, label, seen).mean(),
        _recalls(answer, label, ~seen).mean(),
        _recalls(alone, label, ~seen).mean(),
    )


def _zsl(f: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """S, U and HM are right, ZSL is f."""
    return lambda d, y, seen, beta: _four(*_right(d, y, seen, beta)[:2], f(d, y, seen, beta))


metrics = FunctionCheck(
    "S, U, HM and ZSL",
    lambda d, y, seen, beta: _four(*_right(d, y, seen, beta)),
    [((*_phase(n, 8), beta), {}) for n, beta in ((4, 0.2), (5, 0.35))],
    {
        "for ZSL you still allow seen classes, at β = 0: only unseen columns may be the answer.": _zsl(
            lambda d, y, seen, beta: _recalls(_columns(d, 0), y, ~seen).mean()
        ),
        "for ZSL you still allow seen classes, with β: only unseen columns may be the answer.": _zsl(
            lambda d, y, seen, beta: _recalls(_columns(d, beta * seen), y, ~seen).mean()
        ),
        "without the seen columns, position j is no longer column j: look up the column, or keep all columns and make "
        "the seen ones very far away.": _zsl(
            lambda d, y, seen, beta: _recalls(d[:, ~seen].argmin(dim=1), y, ~seen).mean()
        ),
        "your ZSL is the share of right answers over the videos of unseen classes: average the recalls.": _zsl(
            lambda d, y, seen, beta: _share(_columns(d, 1e6 * seen), y, ~seen)
        ),
        "your ZSL also counts videos of seen classes, which can only be wrong: leave them out.": _zsl(
            lambda d, y, seen, beta: (_columns(d, 1e6 * seen) == y).double().mean()
        ),
        "you averaged ZSL over the seen classes too, whose recall is 0 here.": _zsl(
            lambda d, y, seen, beta: _recalls(_columns(d, 1e6 * seen), y, torch.ones_like(seen)).mean()
        ),
        "you used β = 0 for S and U: pass `beta` on to my_answers.": lambda d, y, seen, beta: _four(
            *_right(d, y, seen, 0.0)
        ),
        "S and U are the wrong way round: the first number is that of the seen classes.": (
            lambda d, y, seen, beta: _four(*_right(d, y, seen, beta))[[1, 0, 2, 3]]
        ),
        "S and U are shares of all videos of a part: average the recalls of its classes.": (
            lambda d, y, seen, beta: _four(
                _share(_columns(d, beta * seen), y, seen),
                _share(_columns(d, beta * seen), y, ~seen),
                _right(d, y, seen, beta)[2],
            )
        ),
        "your HM is the arithmetic mean, which lets a large S hide a small U.": (
            lambda d, y, seen, beta: _four(*_right(d, y, seen, beta), HM=lambda S, U: (S + U) / 2)
        ),
        "your HM is that of S and ZSL: it belongs to S and U.": lambda d, y, seen, beta: _four(
            *_right(d, y, seen, beta),
            HM=lambda S, U: harmonic_mean(S, _right(d, y, seen, beta)[2]),
        ),
        "these are percentages: return shares between 0 and 1.": lambda d, y, seen, beta: (
            100 * _four(*_right(d, y, seen, beta))
        ),
    },
    praise="ZSL does not depend on β, and U never exceeds it.",
)


def _scores(d: Tensor, label: Tensor, seen: Tensor) -> Scores:
    return Scores(d, label, torch.arange(len(seen)), seen.nonzero()[:, 0], (~seen).nonzero()[:, 0])


def _five(area: Callable[[Scores], Any]) -> Callable[..., Tensor]:
    """S, U, HM and ZSL are right, AUSUC is area."""

    def evaluate(d: Tensor, label: Tensor, seen: Tensor, beta: float) -> Tensor:
        scores = _scores(d, label, seen)
        m = scores.metrics(beta)
        return torch.tensor([m.S, m.U, m.HM, m.ZSL, float(area(scores))], dtype=torch.float64)

    return evaluate


def _curve(
    scores: Scores, low: float | None = None, high: float | None = None
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Betas, S, U and HM from below the first switch, or low, to above the last, or high."""
    switch = scores.nearest.last_seen
    betas = torch.linspace(
        float(switch.min()) - 0.01 if low is None else low,
        float(switch.max()) + 0.01 if high is None else high,
        101,
        dtype=torch.float64,
    )
    curve = scores.curve(betas)
    return betas, curve.S, curve.U, curve.HM


def _area(f: Callable[..., Any], **limits: float) -> Callable[..., Tensor]:
    return _five(lambda scores: f(*_curve(scores, **limits)))


evaluate = FunctionCheck(
    "S, U, HM, ZSL and AUSUC",
    _five(lambda scores: scores.ausuc()),
    [((*_phase(n, 80), beta), {}) for n, beta in ((6, 0.2), (7, 0.35))],
    {
        "your AUSUC is negative: S falls along the curve. Integrate S over U, not U over S.": _area(
            lambda betas, S, U, HM: torch.trapezoid(U, S)
        ),
        "your AUSUC is the area under S over β: the width of a step is the change in U.": _area(
            lambda betas, S, U, HM: torch.trapezoid(S, betas)
        ),
        "you gave every step of the curve the width 1: the width of a step is the change in U.": _area(
            lambda betas, S, U, HM: torch.trapezoid(S)
        ),
        "your AUSUC is the mean of S along the curve: a step on which U does not change has no width.": _area(
            lambda betas, S, U, HM: S.mean()
        ),
        "your AUSUC is the mean of HM along the curve: it is the area under S over U.": _area(
            lambda betas, S, U, HM: HM.mean()
        ),
        "your AUSUC is the highest HM of the curve: it is the area under S over U.": _area(
            lambda betas, S, U, HM: HM.max()
        ),
        "the heights at both ends of a step are added and not halved: take their mean.": _area(
            lambda betas, S, U, HM: 2 * torch.trapezoid(S, U)
        ),
        "your curve begins at β = 0: U is not 0 there, so begin below the smallest switch.": _area(
            lambda betas, S, U, HM: torch.trapezoid(S, U), low=0.0
        ),
        "your curve ends at β = 0.5, before S is 0: go on until all videos have switched.": _area(
            lambda betas, S, U, HM: torch.trapezoid(S, U), high=0.5
        ),
        "your AUSUC is S times U at one β: go along the whole curve.": lambda d, y, seen, beta: _five(
            lambda scores: scores.metrics(beta).S * scores.metrics(beta).U
        )(d, y, seen, beta),
        "these are percentages: return shares between 0 and 1.": lambda *args: (
            100 * _five(lambda scores: scores.ausuc())(*args)
        ),
    },
    praise="From one table of distances to all five numbers: this is the evaluation of every method in this course.",
    tolerance=4e-3,
)
