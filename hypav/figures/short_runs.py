"""Shared by the pages that train for seconds: training steps one by one, and their results in per cent."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor

from hypav import utils
from hypav.data.batches import TripletSampler, make_batch
from hypav.data.features import Phase
from hypav.evaluation import Metrics
from hypav.training import Learner, train_step


def train_steps(
    learner: Learner, phase: Phase, steps: int, *, batch_size: int = 32
) -> Iterator[dict[str, Tensor]]:
    """Train on a phase with one thread, and yield the losses of each step, as `train_step` gives them."""
    sampler = TripletSampler(phase.label, batch_size=batch_size, generator=learner.sampling)
    for index, negative in zip(*sampler.draw(steps), strict=True):
        with utils.threads(1):
            report = train_step(learner, make_batch(phase, index, negative))
        yield report


def percent(metrics: Metrics) -> list[float]:
    """S, U, HM and ZSL in per cent."""
    return [100 * value for value in (metrics.S, metrics.U, metrics.HM, metrics.ZSL)]
