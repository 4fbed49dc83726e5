"""Inside an epoch nothing makes the host wait for the device: held on the CPU, for every preset and variant."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from device_helpers import HostWaits, nothing_waits
from training_helpers import small, tiny, train_tiny

from hypav.alignment import PRESETS, Adaptive, AlignmentConfig, preset
from hypav.data import TripletSampler, make_batch
from hypav.data.features import Phase
from hypav.training import Learner, RunConfig, _Run, train_step

CURVATURES = {"flat": (0.0,), "mixed": (0.2, -0.2), "one": Adaptive(1), "three": Adaptive(3)}
CASES: dict[str, AlignmentConfig | None] = {"avca": None} | {
    f"{name} {kind}": preset(name, curvatures=k) for name in PRESETS for kind, k in CURVATURES.items()
}
CASES |= {
    "midpoint inner row": AlignmentConfig(base="midpoint", similarity="inner", normalise="row"),
    "kernel of theta": AlignmentConfig(similarity="kernel", aligned="theta", pairs="both"),
    "printed radius": AlignmentConfig(clip_radius="printed", aligned="phi_att"),
}


def epoch_of(config: RunConfig) -> tuple[_Run, Phase, TripletSampler]:
    run = _Run(small(), config, None, 0.0, torch.device("cpu"), None)
    phase = small().phase("train")
    return run, phase, TripletSampler(phase.label, batch_size=8, generator=run.learner.sampling)


@pytest.mark.parametrize("case", list(CASES))
@pytest.mark.parametrize("autocast", [False, True])
def test_no_step_of_an_epoch_waits(case: str, autocast: bool) -> None:
    run, phase, sampler = epoch_of(tiny(alignment=CASES[case], autocast=autocast))
    before = [p.clone() for p in run.learner.model.parameters()]
    with nothing_waits():
        losses = run._steps(phase, sampler)
    assert all(torch.isfinite(value).all() for value in losses.values())
    assert not any(torch.equal(p, old) for p, old in zip(run.learner.model.parameters(), before, strict=True))


def test_a_loss_that_is_looked_at_in_the_loop_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def looks(*args: Any, **options: Any) -> dict[str, torch.Tensor]:
        losses = train_step(*args, **options)
        assert losses["total"].item() > 0
        return losses

    monkeypatch.setattr("hypav.training.train_step", looks)
    run, phase, sampler = epoch_of(tiny())
    with pytest.raises(HostWaits), nothing_waits():
        run._steps(phase, sampler)


WAITS: dict[str, Any] = {
    "item": lambda x: x.sum().item(),
    "bool": lambda x: bool((x > 0).any()),
    "tolist": lambda x: x.tolist(),
    "cpu": lambda x: x.cpu(),
    "to": lambda x: x.to("cpu"),
    "to as a keyword": lambda x: x.to(device="cpu", dtype=torch.float64),
    "allclose": lambda x: torch.allclose(x, x + 1),
    "repr": lambda x: repr(x),
    "format": lambda x: f"{x.sum():.3f}",
    "nonzero": lambda x: x.nonzero(),
    "a mask as an index": lambda x: x[x > 0],
    "a number from the host": lambda x: x + torch.tensor([1.0, 2.0, 3.0]),
}


@pytest.mark.parametrize("name", list(WAITS))
def test_what_waits_is_found(name: str) -> None:
    x = torch.ones(3)
    with pytest.raises(HostWaits), nothing_waits():
        WAITS[name](x)


def test_autocast_changes_the_products_not_the_task() -> None:
    """bfloat16 has three digits: the losses agree to those, and are float32 and not equal."""
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


def test_autocast_is_part_of_what_a_run_is() -> None:
    result = train_tiny(tiny(autocast=True))
    assert all(row["total"] < 1e3 for row in result.history)
    assert result.history != train_tiny(tiny()).history
