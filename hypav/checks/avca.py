"""Checks of notebook 05: attention over two tokens as a module, triplets, and two groups of AVCA's losses."""

from __future__ import annotations

from functools import partial
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn

from hypav.checks.framework import Case, FunctionCheck, ModuleCheck, variant


class Attention(nn.Module):
    """One head of attention over tokens (B, T, dim)."""

    def __init__(self, dim: int, d: int) -> None:
        super().__init__()
        self.to_qkv = nn.Linear(dim, 3 * d, bias=False, dtype=torch.float64)
        self.to_out = nn.Linear(d, dim, dtype=torch.float64)

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, T, dim)."""
        query, key, value = self.to_qkv(tokens).chunk(3, dim=-1)
        return self.to_out(self.read(query, key, value))

    def read(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """What each token reads, (B, T, d)."""
        return self.weights(query, key) @ value

    def weights(self, query: Tensor, key: Tensor) -> Tensor:
        """The attention weights, (B, T, T)."""
        return self.scores(query, key).softmax(dim=-1)

    def scores(self, query: Tensor, key: Tensor) -> Tensor:
        """Query times key over the root of d, (B, T, T)."""
        return query @ key.transpose(-2, -1) / query.shape[-1] ** 0.5


_with = partial(variant, Attention)


def _tokens() -> list[tuple[tuple[Any, ...], dict[str, Any], tuple[Any, ...]]]:
    generator = torch.Generator().manual_seed(5)
    shapes = ((3, 2, 5), 4), ((5, 2, 7), 3)
    return [
        ((shape[-1], d), {}, (4 * torch.randn(shape, generator=generator, dtype=torch.float64),))
        for shape, d in shapes
    ]


attention = ModuleCheck(
    "Attention over two tokens",
    Attention,
    _tokens(),
    {
        "the scores are not scaled: divide them by √d, or the softmax saturates.": _with(
            scores=lambda self, query, key: query @ key.transpose(-2, -1)
        ),
        "you divide the scores by d. A sum of d random products grows like √d.": _with(
            scores=lambda self, query, key: query @ key.transpose(-2, -1) / query.shape[-1]
        ),
        "your softmax runs over the token that asks. Each row must sum to 1 over the tokens that are read.": (
            _with(weights=lambda self, query, key: self.scores(query, key).softmax(dim=-2))
        ),
        "queries and keys are exchanged: row i holds q_i against all keys.": _with(
            weights=lambda self, query, key: self.scores(key, query).softmax(dim=-1)
        ),
        "the softmax is missing.": _with(weights=Attention.scores),
        "you average both tokens, whatever they ask for.": _with(
            weights=lambda self, query, key: torch.full_like(self.scores(query, key), 0.5)
        ),
        "each token reads only itself.": _with(read=lambda self, query, key, value: value),
        "you multiply the weights by the keys. Multiply them by the values.": _with(
            read=lambda self, query, key, value: self.weights(query, key) @ key
        ),
        "you add the input. AVCA does so around this layer; here only the layer is asked for.": _with(
            forward=lambda self, tokens: tokens + Attention.forward(self, tokens)
        ),
    },
    praise="With two tokens a softmax is a sigmoid of the difference of two scores.",
)


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
        "max(0, ·) is missing: "
        "a triplet whose positive is at least 1 closer has loss 0, and not less than 0.": lambda x, p, n: (
            _distance(x, p) - _distance(x, n) + 1
        ).mean(),
        "the 1 is missing: add it before max(0, ·).": lambda x, p, n: (
            (_distance(x, p) - _distance(x, n)).clamp_min(0).mean()
        ),
        "your distances are squared: the released network takes the plain Euclidean norm.": lambda x, p, n: (
            (_distance(x, p) ** 2 - _distance(x, n) ** 2 + 1).clamp_min(0).mean()
        ),
        "you took max(0, ·) "
        "after the mean: take it for each triplet, or easy triplets cancel hard ones.": lambda x, p, n: (
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


class _Batch(SimpleNamespace):
    """The six theta of a batch, each (B, D)."""

    def __repr__(self) -> str:
        return "the embeddings of a batch"


def _thetas() -> list[Case]:
    names = ("theta_a", "theta_v", "theta_w", "theta_a_neg", "theta_v_neg", "theta_w_neg")
    cases: list[Case] = []
    for seed in (8, 9):
        generator = torch.Generator().manual_seed(seed)
        rows = 0.6 * torch.randn(6, 7, 3, generator=generator, dtype=torch.float64)
        cases.append(((_Batch(**dict(zip(names, rows, strict=True))),), {}))
    return cases


def _l_w(e: Any) -> Tensor:
    words = _triplet(e.theta_w, e.theta_a, e.theta_a_neg) + _triplet(e.theta_w, e.theta_v, e.theta_v_neg)
    return (
        words + _triplet(e.theta_a, e.theta_w, e.theta_w_neg) + _triplet(e.theta_v, e.theta_w, e.theta_w_neg)
    )


def _l_t(e: Any) -> Tensor:
    kin = _triplet(e.theta_a, e.theta_w, e.theta_a_neg) + _triplet(e.theta_v, e.theta_w, e.theta_v_neg)
    return kin + _triplet(e.theta_w, e.theta_a, e.theta_w_neg) + _triplet(e.theta_w, e.theta_v, e.theta_w_neg)


def _of_one(e: Any, kind: str) -> Tensor:
    """The four terms of one modality."""
    theta, negative = getattr(e, f"theta_{kind}"), getattr(e, f"theta_{kind}_neg")
    words = _triplet(e.theta_w, theta, negative) + _triplet(theta, e.theta_w, e.theta_w_neg)
    return words + _triplet(theta, e.theta_w, negative) + _triplet(e.theta_w, theta, e.theta_w_neg)


def _swapped(e: Any) -> Any:
    """The batch with positives and negatives exchanged."""
    return _Batch(
        **{
            f"theta_{kind}{end}": getattr(e, f"theta_{kind}{'' if end else '_neg'}")
            for kind in "avw"
            for end in ("", "_neg")
        }
    )


theta_losses = FunctionCheck(
    "l_w + l_t",
    lambda e: _l_w(e) + _l_t(e),
    _thetas(),
    {
        "this is l_w alone: l_t is missing.": _l_w,
        "this is l_t alone: l_w is missing.": _l_t,
        "only the sounds are in your sum: the terms with θ_v are missing.": lambda e: _of_one(e, "a"),
        "only the videos are in your sum: the terms with θ_a are missing.": lambda e: _of_one(e, "v"),
        "you took the mean of the eight terms. All have weight 1: add them.": lambda e: (
            (_l_w(e) + _l_t(e)) / 8
        ),
        "l_w counts twice and l_t not at all.": lambda e: 2 * _l_w(e),
        "l_t counts twice and l_w not at all.": lambda e: 2 * _l_t(e),
        "positives and negatives are exchanged.": lambda e: _l_w(_swapped(e)) + _l_t(_swapped(e)),
        "you subtract l_t. All terms are added.": lambda e: _l_w(e) - _l_t(e),
    },
    praise="Eight of the seventeen terms, and about half of the loss at first.",
)
