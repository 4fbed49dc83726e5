"""Several runs trained in lockstep: their weights lie in one tensor a layer, and a step of all is one call an operation.

It saves calls, not arithmetic, and so pays where a step is made of many small calls: `make bench` says how much. On
several cores, runs of one thread each in processes of their own (`hypav.experiments.grid`) gain more.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy

import torch
from torch import Tensor
from torch.func import functional_call, vmap

from hypav.avca import AVCA, Embeddings
from hypav.data.batches import TripletBatch
from hypav.errors import SettingError
from hypav.layers import Masks
from hypav.learner import Learner, losses
from hypav.objective import avca_terms

__all__ = ["Together"]


class _Asked(Masks):
    """Writes down which masks a forward asks for."""

    def __init__(self) -> None:
        self.asked: list[tuple[Tensor, float]] = []

    def keep(self, like: Tensor, rate: float) -> tuple[Tensor, float]:
        self.asked.append((torch.empty_like(like), rate))
        return torch.ones_like(like), 1.0


class _Given(Masks):
    """Hands out masks that were drawn before, in the order in which they are asked for."""

    mapped = True

    def __init__(self, kept: Sequence[Tensor]) -> None:
        self.kept = iter(kept)

    def keep(self, like: Tensor, rate: float) -> tuple[Tensor, float]:
        return next(self.kept), 1.0


class Together:
    """Learners of one network (other seeds, also other alignments) that take their steps together.

    Each step is the clean `train_step` of every learner, equal to rounding. The learners stay whole: their weights and
    batch-norm statistics are views of the joint tensors, so that each can be validated, saved and given another
    learning rate.

    Raises:
        SettingError: no learner, or networks of different sizes.
    """

    def __init__(self, learners: Sequence[Learner]) -> None:
        if not learners:
            raise SettingError("There is no learner to train; give at least one.")
        if any(learner.model.config != learners[0].model.config for learner in learners):
            raise SettingError(
                "Only networks of the same sizes and rates train together; group them by network."
            )
        self.learners = tuple(learners)
        self.form = deepcopy(learners[0].model).train()
        models = [learner.model for learner in learners]
        self.weights = {
            name: _join(models, name).requires_grad_() for name, _ in self.form.named_parameters()
        }
        self.statistics = {name: _join(models, name) for name, _ in self.form.named_buffers()}
        self.asked: list[tuple[Tensor, float]] = []

    def step(self, batches: Sequence[TripletBatch]) -> list[dict[str, Tensor]]:
        """One step of all, a batch of equal size for each; returns for each what `train_step` returns."""
        if not self.asked:
            masks = _Asked()
            with torch.no_grad():
                deepcopy(self.form)(*batches[0], masks=masks)
            self.asked = masks.asked
        drawn = [self._draw(learner) for learner in self.learners]
        rows = TripletBatch(*(torch.stack(column) for column in zip(*batches, strict=True)))
        kept = [torch.stack(column) for column in zip(*drawn, strict=True)]
        embeddings, terms = vmap(self._forward)(self.weights, self.statistics, rows, kept)
        # one by one from here: the alignments may differ, and each learner has an optimiser of its own
        reports = [
            losses({name: term[i] for name, term in terms.items()}, learner.alignment, Embeddings(*e))
            for i, (learner, *e) in enumerate(zip(self.learners, *embeddings, strict=True))
        ]
        for learner in self.learners:
            learner.optimizer.zero_grad()
        torch.stack([report["total"] for report in reports]).sum().backward()
        for name, weight in self.weights.items():
            assert weight.grad is not None  # every weight is in some loss term
            for learner, gradient in zip(self.learners, weight.grad.unbind(), strict=True):
                learner.model.get_parameter(name).grad = gradient
            weight.grad = None
        for learner in self.learners:
            learner.optimizer.step()
        return [{name: value.detach() for name, value in report.items()} for report in reports]

    def _forward(
        self,
        weights: dict[str, Tensor],
        statistics: dict[str, Tensor],
        batch: TripletBatch,
        kept: list[Tensor],
    ) -> tuple[Embeddings, dict[str, Tensor]]:
        e = functional_call(self.form, (weights, statistics), tuple(batch), {"masks": _Given(kept)})
        return e, avca_terms(e, batch.text)

    def _draw(self, learner: Learner) -> list[Tensor]:
        masks = Masks(learner.masks)
        drawn = (masks.keep(like, rate) for like, rate in self.asked)
        return [kept.mul_(scale) for kept, scale in drawn]


def _join(models: Sequence[AVCA], name: str) -> Tensor:
    """The parameters or buffers of one name in one tensor, of which the models' own become views."""
    module, _, leaf = name.rpartition(".")
    owners = [model.get_submodule(module) for model in models]
    joint = torch.stack([getattr(owner, leaf).detach() for owner in owners])
    for owner, part in zip(owners, joint.unbind(), strict=True):
        getattr(owner, leaf).data = part
    return joint
