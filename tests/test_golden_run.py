"""Runs of known configurations give the recorded numbers; otherwise NUMERICS_VERSION must be raised.

Every run record says with which version of the numbers it was made. If a change moves the numbers of this file, the
stored runs no longer follow from their configurations: give hypav.experiments.runs.NUMERICS_VERSION a new name, and
record the numbers again with `python tests/test_golden_run.py`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from hypav.alignment import Adaptive, AlignmentConfig, preset
from hypav.avca import AVCAConfig
from hypav.data.simulated import simulated
from hypav.hyperbolicity import covariance_matched_null, gaussian_null, sampled_delta_rel
from hypav.training import RunConfig, TrainConfig, train
from hypav.utils import threads

RECORDED = Path(__file__).with_name("golden_run.json")
# float64 sums in another order differ in the 16th digit; over 30 steps per stage this does not reach the 9th
SAME = 1e-9

ALIGNMENTS: dict[str, AlignmentConfig | None] = {
    "AVCA": None,
    "Hyper-alignment, printed": preset("printed"),
    "Hyper-single, released": preset("released", curvatures=Adaptive()),
    "Hyper-multiple, curved": preset("curved", curvatures=Adaptive(3)),
}


def golden(name: str) -> dict[str, Any]:
    """The numbers of a run: metrics, losses by epoch, and for AVCA delta_rel of theta_v and of two kinds of noise."""
    data = simulated("small")
    network = AVCAConfig(data.dim_audio, data.dim_video, dim_text=data.dim_text, hidden_enc=20, hidden_proj=0)
    schedule = TrainConfig(epochs=2, batches=15, batch_size=32, lr=3e-3, dtype="float64")
    config = RunConfig(network, schedule, ALIGNMENTS[name], seed=5)
    with threads(1):
        run = train(data, config, device="cpu", progress=False)
        numbers: dict[str, Any] = {key: getattr(run.metrics, key) for key in ("S", "U", "HM", "ZSL", "beta")}
        numbers |= {"val_HM": run.val.HM, "best_epoch": run.best_epoch}
        numbers |= {f"{key} by epoch": run.history[key].tolist() for key in ("total", "avca", "HM")}
        if name == "AVCA":
            theta_v = run.embed(data.phase("test")).theta_v
            delta = sampled_delta_rel(theta_v, generator=torch.Generator().manual_seed(5))
            stream = torch.Generator().manual_seed(5)
            noise = gaussian_null(delta.n, theta_v.shape[1], generator=stream, tries=3)
            alike = covariance_matched_null(theta_v, generator=stream, size=delta.n, tries=3)
            keys = ("delta_rel", "delta_noise", "delta_covariance")
            numbers |= {key: x.delta_rel for key, x in zip(keys, (delta, noise, alike), strict=True)}
    return numbers


def numerics_version() -> str:
    from hypav.experiments.runs import NUMERICS_VERSION

    return NUMERICS_VERSION


def test_the_recorded_numbers_are_of_the_current_version() -> None:
    recorded = json.loads(RECORDED.read_text(encoding="utf-8"))["version"]
    assert recorded == numerics_version(), "record the numbers again: python tests/test_golden_run.py"


@pytest.mark.parametrize("name", ALIGNMENTS)
def test_a_run_gives_the_recorded_numbers(name: str) -> None:
    recorded = json.loads(RECORDED.read_text(encoding="utf-8"))["runs"][name]
    numbers = golden(name)
    assert numbers.keys() == recorded.keys()
    for key, values in recorded.items():
        assert numbers[key] == pytest.approx(values, rel=SAME), f"{key} has moved: raise NUMERICS_VERSION"


if __name__ == "__main__":
    torch.set_num_threads(1)
    record = {"version": numerics_version(), "runs": {name: golden(name) for name in ALIGNMENTS}}
    RECORDED.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
