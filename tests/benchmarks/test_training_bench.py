"""The training step, clean against the released calls, at UCF-GZSL (main) sizes: read the ratio, not the seconds."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from hypav.alignment import AlignmentConfig, preset
from hypav.avca import AVCAConfig
from hypav.curvature import Adaptive
from hypav.data import TripletBatch
from hypav.learner import Learner, RunConfig, TrainConfig, train_step

VARIANTS: dict[str, AlignmentConfig | None] = {
    "avca": None,
    "hyper-alignment": preset("paper"),
    "hyper-single": preset("paper", curvatures=Adaptive(1)),
    "hyper-multiple": preset("paper", curvatures=Adaptive(3)),
    "hyper-multiple-curved": preset("curved", curvatures=Adaptive(3)),
}


@pytest.mark.benchmark(group="training step, batch 256, UCF-GZSL (main) sizes")
@pytest.mark.parametrize("parity", ["official", "clean"])
@pytest.mark.parametrize("variant", list(VARIANTS))
def test_training_step(benchmark: Any, variant: str, parity: str) -> None:
    config = RunConfig(AVCAConfig(512, 512), TrainConfig(parity=parity), VARIANTS[variant])  # type: ignore[arg-type]
    learner = Learner.fresh(config, torch.device("cpu"))
    g = torch.Generator().manual_seed(0)
    batch = TripletBatch(*(torch.randn(256, dim, generator=g) for dim in (512, 512, 300) * 2))
    losses = benchmark(train_step, learner, batch, replay=parity == "official")
    assert torch.isfinite(losses["total"])
