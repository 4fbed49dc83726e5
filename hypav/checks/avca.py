"""Checks of notebook 05: parameters of a part, attention over two tokens, triplets, words, batch-norm momentum."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from hypav.checks.framework import FunctionCheck, NumberCheck

Case = tuple[tuple[Any, ...], dict[str, Any]]


def _linear(dim_in: int, dim_out: int, *, bias: bool = True) -> int:
    return dim_in * dim_out + bias * dim_out


def _parameters(dim_in: int, hidden: int, dim_out: int, *, bias: bool = True, norm: int = 2) -> Tensor:
    """Two linear layers, each with a batch norm of `norm` numbers per unit."""
    layers = _linear(dim_in, hidden, bias=bias) + _linear(hidden, dim_out, bias=bias)
    return torch.tensor(float(layers + norm * (hidden + dim_out)), dtype=torch.float64)


parameters = FunctionCheck(
    "The parameters of an encoder",
    _parameters,
    [((512, 512, 300), {}), ((300, 512, 64), {}), ((7, 5, 3), {})],
    {
        "the "
        "weights of both batch norms are missing: one factor γ and one shift β per unit.": lambda i, h, o: (
            _parameters(i, h, o, norm=0)
        ),
        "one number per unit is missing: the biases of the linear layers, or "
        "one of each batch norm's two, factor and shift.": lambda i, h, o: _parameters(i, h, o, bias=False),
        "biases and batch norms are missing: you counted only the two weight matrices.": lambda i, h, o: (
            _parameters(i, h, o, bias=False, norm=0)
        ),
        "a batch norm's running mean "
        "and variance are not parameters: no gradient reaches them, they are buffers.": lambda i, h, o: (
            _parameters(i, h, o, norm=4)
        ),
        "only the first "
        "batch norm is in your sum: there is one after the second linear layer as well.": lambda i, h, o: (
            _parameters(i, h, o) - 2 * o
        ),
        "only "
        "the last batch norm is in your sum: there is one after the hidden layer as well.": lambda i, h, o: (
            _parameters(i, h, o) - 2 * h
        ),
        "this is one linear layer "
        "from the input to the output, with its batch norm: the hidden layer is missing.": lambda i, h, o: (
            torch.tensor(float(_linear(i, o) + 2 * o), dtype=torch.float64)
        ),
    },
    praise="ReLU and dropout have none.",
)


def _attention(
    q: Tensor, k: Tensor, v: Tensor, *, scale: float | None = None, dim: int = -1, swap: bool = False
) -> Tensor:
    scale = q.shape[-1] ** -0.5 if scale is None else scale
    scores = q @ k.transpose(-2, -1) * scale
    weights = (scores.transpose(-2, -1) if swap else scores).softmax(dim=dim)
    return weights @ v


def _tokens() -> list[Case]:
    generator = torch.Generator().manual_seed(5)
    shapes = ((3, 2, 2, 5), (2, 3, 2, 8))  # other dimensions must not be confused with the 2 tokens
    return [
        (tuple(2 * torch.randn(shape, generator=generator, dtype=torch.float64) for _ in range(3)), {})
        for shape in shapes
    ]


attention = FunctionCheck(
    "Attention over two tokens",
    _attention,
    _tokens(),
    {
        "the scores are not scaled: divide q·k by √d, or the softmax saturates.": lambda q, k, v: _attention(
            q, k, v, scale=1.0
        ),
        "you divide "
        "the scores by d: it is √d, since a sum of d random products grows like √d.": lambda q, k, v: (
            _attention(q, k, v, scale=1 / q.shape[-1])
        ),
        "your softmax runs over "
        "the token that asks: each row, over the tokens that are read, must sum to 1.": lambda q, k, v: (
            _attention(q, k, v, dim=-2)
        ),
        "rows "
        "and columns of the scores are exchanged: row i must hold q_i against all keys.": lambda q, k, v: (
            _attention(q, k, v, swap=True)
        ),
        "you return the scores times v: the softmax is missing.": lambda q, k, v: _scores(q, k) @ v,
        "you average both tokens with weight 1/2, whatever they ask for.": lambda q, k, v: v.mean(
            dim=-2, keepdim=True
        ).expand_as(v),
        "in your answer each token reads only itself.": lambda q, k, v: v,
        "you multiply the weights by the keys: multiply them by the values v.": lambda q, k, v: _attention(
            q, k, k
        ),
        "your softmax runs over "
        "all four scores of a head together: each token that asks has its own weights.": lambda q, k, v: (
            _scores(q, k).flatten(-2).softmax(-1).unflatten(-1, (2, 2)) @ v
        ),
    },
    praise="With two tokens a softmax is a sigmoid of the difference of two scores.",
)


def _scores(q: Tensor, k: Tensor) -> Tensor:
    return q @ k.transpose(-2, -1) * q.shape[-1] ** -0.5


def _distance(x: Tensor, y: Tensor) -> Tensor:
    return (x - y).norm(dim=-1)


def _triplet(x: Tensor, p: Tensor, n: Tensor) -> Tensor:
    return (_distance(x, p) - _distance(x, n) + 1).clamp_min(0).mean()


def _triplets() -> list[Case]:
    """Triplets, some of which already keep the margin; the mean without a hinge is negative in the first only."""
    generator = torch.Generator().manual_seed(6)
    cases: list[Case] = []
    for rows, width, easy in ((9, 4, 2), (12, 3, 4)):
        x, p, n = (torch.rand(rows, width, generator=generator, dtype=torch.float64) for _ in range(3))
        n[::easy] += 1.5
        cases.append(((x, p, n), {}))
    return cases


triplet = FunctionCheck(
    "The triplet term",
    _triplet,
    _triplets(),
    {
        "the signs of the two distances are exchanged: your term pulls the negative.": lambda x, p, n: (
            _triplet(x, n, p)
        ),
        "the hinge is "
        "missing: a triplet that keeps the margin costs nothing, not less than nothing.": lambda x, p, n: (
            _distance(x, p) - _distance(x, n) + 1
        ).mean(),
        "the margin is missing: add 1 before max(0, ·).": lambda x, p, n: (
            (_distance(x, p) - _distance(x, n)).clamp_min(0).mean()
        ),
        "your distances are squared: the released network takes the plain Euclidean norm.": lambda x, p, n: (
            (_distance(x, p) ** 2 - _distance(x, n) ** 2 + 1).clamp_min(0).mean()
        ),
        "you applied the hinge "
        "after the mean: apply it to each triplet, or easy triplets cancel hard ones.": lambda x, p, n: (
            (_distance(x, p) - _distance(x, n) + 1).mean().clamp_min(0)
        ),
        "you sum over the batch: take the mean.": lambda x, p, n: (
            (_distance(x, p) - _distance(x, n) + 1).clamp_min(0).sum()
        ),
        "you compared "
        "the negative with the positive: measure both distances from the anchor x.": lambda x, p, n: (
            (_distance(x, p) - _distance(p, n) + 1).clamp_min(0).mean()
        ),
        "you took the "
        "mean of squares over the coordinates, which is MSE: take the norm of each row.": lambda x, p, n: (
            (((x - p) ** 2).mean(dim=-1) - ((x - n) ** 2).mean(dim=-1) + 1).clamp_min(0).mean()
        ),
    },
    praise="Ten of the seventeen terms are this, on different triples.",
)

terms_without_words = NumberCheck(
    "The number of terms that words take no part in",
    2,
    {
        "this is all of l_r, but reg_theta_v and reg_theta_a hold θ_w: look at the last row of the figure again.": 4,
        "this is the number of terms that need words: count the others.": 15,
        "this is the number of terms without a pushed pair; most of those pull something towards a word.": 7,
        "the three terms of l_rec compare with w itself, and ρ_w, θ_w are made of w: they count as words too.": 5,
        "l_ct works on decoded vectors, but its anchor ρ_w is the decoded word: these two terms need words.": 6,
        "there are some: does anything in φ, or in what is made of θ_v alone, know the class?": 0,
        "there is one for audio and one for video.": 1,
    },
    praise="reg_phi_v and reg_phi_a: an autoencoder each. All that knows classes passes through a word.",
)


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
