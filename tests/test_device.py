"""Within an epoch nothing makes the host wait for the device; tested on the CPU, for every preset and variant."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from device_helpers import HostWaits, nothing_waits
from training_helpers import small, tiny

from hypav.alignment import PRESETS, Adaptive, AlignmentConfig, preset
from hypav.capture import finish
from hypav.data import TripletSampler, make_batch
from hypav.data.features import Phase
from hypav.training import Learner, RunConfig, _Stages, train_step, weight_of_pull

CURVATURES = {"mixed": (0.2, -0.2), "adaptive": Adaptive(3)}
CASES: dict[str, AlignmentConfig | None] = {"avca": None} | {
    f"{name} {kind}": preset(name, curvatures=k) for name in PRESETS for kind, k in CURVATURES.items()
}
CASES |= {
    "midpoint inner row": AlignmentConfig(base="midpoint", similarity="inner", normalise="row"),
    "kernel of theta": AlignmentConfig(similarity="kernel", aligned="theta", pairs="both"),
    "printed radius": AlignmentConfig(clip_radius="printed", aligned="phi_att"),
}


def epoch_of(config: RunConfig) -> tuple[_Stages, Phase, TripletSampler]:
    stages = _Stages(small(), config, torch.device("cpu"), None, 0.0)
    phase = small().phase("train")
    return stages, phase, TripletSampler(phase.label, batch_size=8, generator=stages.learner.sampling)


@pytest.mark.parametrize("case", list(CASES))
def test_no_step_of_an_epoch_waits(case: str) -> None:
    for autocast in (False, True):
        stages, phase, sampler = epoch_of(tiny(alignment=CASES[case], autocast=autocast))
        with nothing_waits():
            losses = finish(stages.steps(phase, sampler))
        assert all(torch.isfinite(value).all() for value in losses.values())


WAITS: dict[str, Any] = {
    "item": lambda x: x.sum().item(),
    "bool": lambda x: bool((x > 0).any()),
    "tolist": lambda x: x.tolist(),
    "cpu": lambda x: x.cpu(),
    "to": lambda x: x.to(device="cpu", dtype=torch.float64),
    "allclose": lambda x: torch.allclose(x, x + 1),
    "format": lambda x: f"{x.sum():.3f}",
    "nonzero": lambda x: x.nonzero(),
    "a mask as an index": lambda x: x[x > 0],
    "a number from the host": lambda x: x + torch.tensor([1.0, 2.0, 3.0]),
}


@pytest.mark.parametrize("name", WAITS)
def test_the_helper_finds_what_waits(name: str) -> None:
    x = torch.ones(3)
    with pytest.raises(HostWaits), nothing_waits():
        WAITS[name](x)


def test_autocast_changes_the_products_not_the_task() -> None:
    """bfloat16 has three digits: the losses agree in these, differ after them, and are float32."""
    losses = {}
    for autocast in (False, True):
        learner = Learner.fresh(tiny(alignment=preset("curved")), torch.device("cpu"))
        phase = small().phase("train")
        index, negative = TripletSampler(phase.label, batch_size=8, generator=learner.sampling).draw(1)
        batch = make_batch(phase, index[0], negative[0])
        losses[autocast] = train_step(learner, batch, autocast=autocast)
    assert all(value.dtype == torch.float32 for value in losses[True].values())
    assert losses[True]["total"] != losses[False]["total"]
    torch.testing.assert_close(losses[True]["total"], losses[False]["total"], rtol=0.02, atol=0.02)


@pytest.mark.parametrize(
    ("pull", "autocast", "changed"), [(4e-6, False, True), (4e-6, True, False), (0.1, True, True)]
)
def test_autocast_rounds_a_weak_alignment_loss_away(pull: float, autocast: bool, changed: bool) -> None:
    """The encoders see L_avca alone: bfloat16 keeps 8 significant bits, and this loss is 250,000 times weaker."""
    gradients = []
    for alignment in (None, preset("printed", pull=pull)):
        config = tiny(alignment=alignment)
        learner, phase = Learner.fresh(config, torch.device("cpu")), small().phase("train")
        if alignment is not None:
            assert learner.alignment is not None
            learner.alignment.weight.fill_(weight_of_pull(config, phase, torch.device("cpu")))
        index, negative = TripletSampler(phase.label, batch_size=8, generator=learner.sampling).draw(1)
        train_step(learner, make_batch(phase, index[0], negative[0]), autocast=autocast)
        encoders = (learner.model.encode_a, learner.model.encode_v)
        gradients.append(torch.cat([p.grad.flatten() for part in encoders for p in part.parameters()]))
    share = (gradients[0] != gradients[1]).double().mean().item()
    assert share > 0.3 if changed else share < 0.01
