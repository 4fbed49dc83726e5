"""Class-balanced triplets: the index pairs that training draws, and the six tables of a batch."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from hypav.data.features import Phase
from hypav.errors import DataError

# Far above any class size, so that the remainder of a division by a class size is uniform to 1e-13.
_WIDE = 2**60


class TripletBatch(NamedTuple):
    """The input of one training step: audio (B, D_a), video (B, D_v) and class vectors text (B, D_w) of B samples, and
    the same three for B negatives, which are samples of other classes."""

    audio: Tensor
    video: Tensor
    text: Tensor
    audio_neg: Tensor
    video_neg: Tensor
    text_neg: Tensor


def sampling_weights(label: Tensor) -> Tensor:
    """The probability 1 / (K n_c) of each sample if all K classes are equally likely, (N,) float64; label is (N,)."""
    _, class_of, count = torch.unique(label, return_inverse=True, return_counts=True)
    return 1.0 / (count.shape[0] * count[class_of].to(torch.float64))


class TripletSampler:
    """Draw (positive, negative) sample pairs as AVCA's released sampler does (Mercea et al., CVPR 2022).

    The positive is drawn with replacement; all classes are equally likely (`sampling_weights`). The class of the negative
    is uniform over the K - 1 other classes, and the negative is uniform within it.

    Args:
        label: (N,) class ids of the training phase; the indices lie on its device.
        batch_size: B.
        generator: the only source of randomness; draws are made on its device.

    Raises:
        DataError: label holds fewer than two classes.
    """

    def __init__(self, label: Tensor, *, batch_size: int, generator: torch.Generator) -> None:
        _, class_of, count = torch.unique(label.to(generator.device), return_inverse=True, return_counts=True)
        if count.shape[0] < 2:
            raise DataError(
                f"Triplets need samples of at least two classes, not of {count.shape[0]}; "
                "check the labels of the training split."
            )
        self.batch_size = batch_size
        self.generator = generator
        self.device = label.device
        self._order = torch.argsort(class_of, stable=True)
        self._count = count
        self._start = count.cumsum(0) - count

    def draw(self, n_batches: int) -> tuple[Tensor, Tensor]:
        """Draw batches: (index, negative), positions in `label`, both int64 (n_batches, B)."""
        n_classes = self._count.shape[0]
        positive = self._uniform(n_batches, 0, n_classes)
        # A step of 1..K-1 around the circle of classes reaches each other class with equal probability.
        negative = (positive + self._uniform(n_batches, 1, n_classes)) % n_classes
        index, other = self._member(positive), self._member(negative)
        return index.to(self.device), other.to(self.device)

    def _uniform(self, n_batches: int, low: int, high: int) -> Tensor:
        return torch.randint(
            low, high, (n_batches, self.batch_size), generator=self.generator, device=self.generator.device
        )

    def _member(self, chosen: Tensor) -> Tensor:
        offset = self._uniform(chosen.shape[0], 0, _WIDE) % self._count[chosen]
        return self._order[self._start[chosen] + offset]


def make_batch(phase: Phase, index: Tensor, negative: Tensor) -> TripletBatch:
    """The tables of one batch: rows `index` and `negative` (B,) of a phase, and the text vector of each row's class."""
    row = torch.searchsorted(phase.classes, phase.label[index])
    row_neg = torch.searchsorted(phase.classes, phase.label[negative])
    return TripletBatch(
        audio=phase.audio[index],
        video=phase.video[index],
        text=phase.text[row],
        audio_neg=phase.audio[negative],
        video_neg=phase.video[negative],
        text_neg=phase.text[row_neg],
    )
