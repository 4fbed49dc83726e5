"""Checks of notebook 13: a paired gain with its interval, the linear path, and the module that adds it to AVCA."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hypav.checks.framework import FunctionCheck, ModuleCheck, variant
from hypav.competent import Skip


def _random(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def _gain(HM: Tensor, base: Tensor, *, t: float) -> Tensor:
    difference = HM - base
    return torch.stack([difference.mean(), t * difference.std() / len(difference) ** 0.5])


def _gain_with(half: Callable[[Tensor, Tensor, float], Tensor], sign: float = 1.0) -> Callable[..., Tensor]:
    """A paired gain whose half of the interval is another one."""
    return lambda HM, base, *, t: torch.stack([sign * (HM - base).mean(), half(HM, base, t)])


_HM = torch.tensor([30.1, 33.2, 28.4], dtype=torch.float64)
_BASE = torch.tensor([24.0, 28.9, 23.1], dtype=torch.float64)
gain = FunctionCheck(
    "The gain and half of its interval",
    _gain,
    [((_HM, _BASE), {"t": 4.303}), ((_BASE.repeat(2) + _random(3, 6), _HM.repeat(2)), {"t": 2.571})],
    {
        "you took the other sign: the gain is the change's HM minus AVCA's.": _gain_with(
            lambda HM, base, t: t * (HM - base).std() / len(HM) ** 0.5, sign=-1.0
        ),
        "your interval is that of the HM itself. Take the differences first, seed by seed: what a seed does to both "
        "runs then cancels.": _gain_with(lambda HM, base, t: t * HM.std() / len(HM) ** 0.5),
        "you added the variances of both columns, as if their seeds had nothing in common. The runs of a seed share "
        "their batches: take the differences seed by seed.": _gain_with(
            lambda HM, base, t: t * ((HM.var() + base.var()) / len(HM)) ** 0.5
        ),
        "divide by the square root of the number of seeds: a mean spreads less than a single difference.": _gain_with(
            lambda HM, base, t: t * (HM - base).std()
        ),
        "you divided by the number of seeds. Divide by its square root.": _gain_with(
            lambda HM, base, t: t * (HM - base).std() / len(HM)
        ),
        "you took 1.96. With so few seeds, take the t that is given.": _gain_with(
            lambda HM, base, t: 1.96 * (HM - base).std() / len(HM) ** 0.5
        ),
        "this is the whole interval. Give half of it, as after ±.": _gain_with(
            lambda HM, base, t: 2 * t * (HM - base).std() / len(HM) ** 0.5
        ),
        "your standard deviation divides by n. From a sample it divides by n - 1, as torch's std does.": _gain_with(
            lambda HM, base, t: t * (HM - base).std(correction=0) / len(HM) ** 0.5
        ),
        "this is the standard error. Multiply it by t.": _gain_with(
            lambda HM, base, t: (HM - base).std() / len(HM) ** 0.5
        ),
    },
    praise="With it you can compare the suspects.",
)


def line(audio: Tensor, video: Tensor, L: Tensor) -> Tensor:
    """L [a/|a| ; v/|v|] for each sample, (N, D_w)."""
    return torch.cat((F.normalize(audio, dim=1), F.normalize(video, dim=1)), dim=1) @ L.T


def _joined(scale: Callable[[Tensor], Tensor]) -> Callable[..., Tensor]:
    return lambda audio, video, L: torch.cat((scale(audio), scale(video)), dim=1) @ L.T


path = FunctionCheck(
    "The linear path",
    line,
    [
        ((5 * _random(1, 4, 3), _random(2, 4, 3), _random(4, 2, 6)), {}),
        ((_random(5, 3, 4), 9 * _random(6, 3, 4), _random(7, 5, 8)), {}),
    ],
    {
        "your rows still have their own lengths. Divide each by its length.": _joined(lambda x: x),
        "you scaled the two together. Scale each modality on its own, or the longer one dominates.": (
            lambda audio, video, L: F.normalize(torch.cat((audio, video), dim=1), dim=1) @ L.T
        ),
        "the sound still has its own length.": (
            lambda audio, video, L: torch.cat((audio, F.normalize(video, dim=1)), dim=1) @ L.T
        ),
        "the pictures still have their own length.": (
            lambda audio, video, L: torch.cat((F.normalize(audio, dim=1), video), dim=1) @ L.T
        ),
        "you put the pictures first. Here the sound comes first.": lambda audio, video, L: line(
            video, audio, L
        ),
        "you divided by the squared length.": _joined(lambda x: x / x.square().sum(dim=1, keepdim=True)),
        "you divided by the sum of the absolute entries. The length is the root of the sum of squares.": _joined(
            lambda x: x / x.abs().sum(dim=1, keepdim=True)
        ),
        "you scaled the columns, so that a sample depends on the others of its batch. Scale the rows.": _joined(
            lambda x: F.normalize(x, dim=0)
        ),
        "you scaled the result. Scale the inputs.": (
            lambda audio, video, L: F.normalize(torch.cat((audio, video), dim=1) @ L.T, dim=1)
        ),
        "you subtracted the mean of the batch first. Only divide by the length.": _joined(
            lambda x: F.normalize(x - x.mean(dim=0), dim=1)
        ),
    },
    praise="ESZSL has one such matrix in closed form. Here AVCA's losses will learn it.",
)


class _Skip(Skip):
    def __init__(self, dim_audio: int, dim_video: int, dim_text: int) -> None:
        super().__init__(dim_audio, dim_video, dim_text)
        self.double()  # as on the page


def _wrong(made: Callable[..., tuple[Tensor, Tensor, Tensor]]) -> type[nn.Module]:
    """A Skip with other outputs: `made` maps (gate, y, text, thetas) to the three thetas."""

    def forward(
        self: Any, audio: Tensor, video: Tensor, *words_and_thetas: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        return made(self.gate, self.straight(audio, video), *words_and_thetas)

    return variant(_Skip, forward=forward)


def _inputs(seed: int, dim: int, words: int) -> tuple[Tensor, ...]:
    features = (3 * _random(seed, 4, dim), _random(seed + 1, 4, dim), _random(seed + 2, 5, words))
    thetas = (_random(seed + 3, 4, words), _random(seed + 4, 4, words), _random(seed + 5, 5, words))
    return features + thetas


skip = ModuleCheck(
    "The skip",
    _Skip,
    [((3, 3, 2), {}, _inputs(1, 3, 2)), ((4, 4, 6), {}, _inputs(11, 4, 6))],
    {
        "your gate multiplies the line. It must multiply AVCA's part, so that training begins with the line.": _wrong(
            lambda g, y, w, a, v, t: (g * y + a, g * y + v, g * w + t)
        ),
        "your gate multiplies the sum. At g = 0 all three thetas are 0. Multiply AVCA's part only.": _wrong(
            lambda g, y, w, a, v, t: (g * (y + a), g * (y + v), g * (w + t))
        ),
        "theta_w lacks the word vectors.": _wrong(lambda g, y, w, a, v, t: (y + g * a, y + g * v, g * t)),
        "theta_w lacks AVCA's part.": _wrong(lambda g, y, w, a, v, t: (y + g * a, y + g * v, w + 0 * g * t)),
        "AVCA's part of the words is not behind the gate.": _wrong(
            lambda g, y, w, a, v, t: (y + g * a, y + g * v, w + t)
        ),
        "theta_a lacks the line.": _wrong(lambda g, y, w, a, v, t: (g * a, y + g * v, w + g * t)),
        "theta_v lacks the line.": _wrong(lambda g, y, w, a, v, t: (y + g * a, g * v, w + g * t)),
        "you exchanged the thetas of sound and pictures.": _wrong(
            lambda g, y, w, a, v, t: (y + g * v, y + g * a, w + g * t)
        ),
        "you blend with g and 1 - g. The line and the word vectors keep their full weight.": _wrong(
            lambda g, y, w, a, v, t: ((1 - g) * y + g * a, (1 - g) * y + g * v, (1 - g) * w + g * t)
        ),
        "you put the gate through a sigmoid. At the start it would be 1/2 and not 0.": _wrong(
            lambda g, y, w, a, v, t: (y + g.sigmoid() * a, y + g.sigmoid() * v, w + g.sigmoid() * t)
        ),
        "the rows of your features are not of length 1: use my_line.": variant(
            _Skip, straight=lambda self, audio, video: torch.cat((audio, video), dim=1) @ self.line.T
        ),
        "your line takes the pictures first.": variant(
            _Skip, straight=lambda self, audio, video: _Skip.straight(self, video, audio)
        ),
    },
    praise="At g = 0 your network is a line. It leaves the line only if the losses open the gate.",
)
