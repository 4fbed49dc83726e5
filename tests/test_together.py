"""Runs that take their steps together take the steps that each would take alone."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from training_helpers import small, tiny

from hypav.alignment import AlignmentConfig, preset
from hypav.curvature import Adaptive
from hypav.data.batches import TripletBatch, TripletSampler, make_batch
from hypav.errors import SettingError
from hypav.learner import Learner, RunConfig, train_step
from hypav.together import Together
from hypav.training import validate

ALIGNMENTS: list[AlignmentConfig | None] = [
    None,
    preset("paper"),
    preset("released", curvatures=Adaptive(2)),
    preset("curved", curvatures=Adaptive(1)),
]
STEPS = 5


def learners(configs: list[RunConfig]) -> list[Learner]:
    return [Learner.fresh(config, torch.device("cpu")) for config in configs]


def batches(group: list[Learner]) -> list[list[TripletBatch]]:
    """STEPS batches for each learner, from its own stream."""
    phase = small().phase("train").to(dtype=torch.float64)
    drawn = []
    for learner in group:
        sampler = TripletSampler(phase.label, batch_size=8, generator=learner.sampling)
        drawn.append([make_batch(phase, i, n) for i, n in zip(*sampler.draw(STEPS), strict=True)])
    return [list(step) for step in zip(*drawn, strict=True)]


def copies(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in tensors.items()}


def configs() -> list[RunConfig]:
    return [tiny(seed=seed, dtype="float64", alignment=a) for seed, a in enumerate(ALIGNMENTS)]


def test_steps_together_are_the_steps_alone() -> None:
    alone, group = learners(configs()), learners(configs())
    own_batches, joint_batches = batches(alone), batches(group)
    together = Together(group)
    for own, joint in zip(own_batches, joint_batches, strict=True):
        expected = [train_step(learner, batch) for learner, batch in zip(alone, own, strict=True)]
        reports = together.step(joint)
        for one, other in zip(expected, reports, strict=True):
            assert one.keys() == other.keys()
            for name in one:
                torch.testing.assert_close(other[name], one[name], rtol=1e-11, atol=1e-13)
    for one, other in zip(alone, group, strict=True):
        a, b = one.tensors(), other.tensors()
        assert a.keys() == b.keys()
        for name in a:
            # a bias before a batch norm has a gradient made of rounding, of which Adam makes steps
            loose = name.endswith("bias") or "optimizer" in name or "running_mean" in name
            torch.testing.assert_close(
                b[name],
                a[name],
                rtol=1e-9,
                atol=1e-7 if loose else 1e-10,
                msg=lambda m, name=name: f"{name}: {m}",
            )


def test_learners_stay_whole() -> None:
    """One is restored from its own checkpoint and validated while its neighbours are not touched."""
    group = learners(configs())
    together = Together(group)
    steps = batches(group)
    together.step(steps[0])
    kept, neighbour = copies(group[1].tensors()), copies(group[2].tensors())
    phase = small().phase("val").to(dtype=torch.float64)
    before = validate(group[1].model, phase)
    together.step(steps[1])
    assert not torch.equal(group[1].model.encode_a.out.weight, kept["model.encode_a.out.weight"])
    moved = copies(group[2].tensors())
    group[1].restore(copies(kept), group[1].plain())
    assert torch.equal(validate(group[1].model, phase).HM, before.HM)
    assert all(torch.equal(moved[name], tensor) for name, tensor in group[2].tensors().items())
    assert any(not torch.equal(neighbour[name], moved[name]) for name in moved)
    together.step(steps[2])  # the joint tensors are those of the restored learner
    lone = learners(configs())[1]
    lone.restore(kept, lone.plain())
    train_step(lone, steps[2][1])
    weight = "encode_a.out.weight"
    torch.testing.assert_close(
        group[1].model.get_parameter(weight), lone.model.get_parameter(weight), rtol=0, atol=1e-8
    )


def test_each_learner_has_its_own_learning_rate() -> None:
    group = learners(configs()[:1] * 2)
    group[1].optimizer.param_groups[0]["lr"] = 0.0
    before = [learner.model.encode_a.out.weight.clone() for learner in group]
    Together(group).step(batches(group)[0])
    moved = [
        not torch.equal(a, learner.model.encode_a.out.weight)
        for a, learner in zip(before, group, strict=True)
    ]
    assert moved == [True, False]


def test_only_networks_of_one_size() -> None:
    one = tiny(dtype="float64")
    other = replace(one, network=replace(one.network, dim_theta=4))
    with pytest.raises(SettingError, match="same sizes"):
        Together(learners([one, other]))
    with pytest.raises(SettingError, match="no learner"):
        Together([])
