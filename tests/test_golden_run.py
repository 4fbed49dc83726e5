"""Runs of known configurations give the numbers that are recorded here: else NUMERICS_VERSION must be raised.

Every kept run says by which version of the numbers it was made. If a change moves the numbers of this file, then the
kept runs no longer come out of their configurations: give hypav.experiments.measures.NUMERICS_VERSION a new name, and
record the numbers anew with `python tests/test_golden_run.py`.
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
from hypav.experiments.measures import NUMERICS_VERSION, measure
from hypav.training import RunConfig, TrainConfig, train
from hypav.utils import threads

RECORDED = Path(__file__).with_name("golden_run.json")
# float64 sums in another order differ in the 16th digit; in 30 steps a stage that grows, but not to the 9th
SAME = 1e-9

ALIGNMENTS: dict[str, AlignmentConfig | None] = {
    "AVCA": None,
    "Hyper-alignment, paper": preset("paper"),
    "Hyper-single, released": preset("released", curvatures=Adaptive()),
    "Hyper-multiple, curved": preset("curved", curvatures=Adaptive(3)),
}


def golden(name: str) -> dict[str, Any]:
    """The numbers of one run: metrics, delta_rel and losses by epoch."""
    data = simulated("small")
    network = AVCAConfig(data.dim_audio, data.dim_video, dim_text=data.dim_text, hidden_enc=20, hidden_proj=0)
    schedule = TrainConfig(epochs=2, batches=15, batch_size=32, lr=3e-3, dtype="float64")
    config = RunConfig(network, schedule, ALIGNMENTS[name], seed=5)
    with threads(1):
        found = measure(data, config, train(data, config, device="cpu", progress=False), delta=name == "AVCA")
    numbers = (
        "S",
        "U",
        "HM",
        "ZSL",
        "beta",
        "val_HM",
        "best_epoch",
        "delta_rel",
        "delta_noise",
        "delta_covariance",
    )
    kept = {key: getattr(found, key) for key in numbers}
    return kept | {f"{key} by epoch": [row[key] for row in found.history] for key in ("total", "avca", "HM")}


@pytest.mark.parametrize("name", ALIGNMENTS)
def test_a_run_gives_the_recorded_numbers(name: str) -> None:
    recorded = json.loads(RECORDED.read_text(encoding="utf-8"))
    assert recorded["version"] == NUMERICS_VERSION, (
        "the recorded numbers are of another version: record them anew"
    )
    found, known = golden(name), recorded["runs"][name]
    told = "the numbers have moved: raise NUMERICS_VERSION"
    assert found.keys() == known.keys()
    for key, values in known.items():
        same = None if values is None else pytest.approx(values, rel=SAME)
        assert found[key] == same, f"{told} ({key})"


if __name__ == "__main__":
    torch.set_num_threads(1)
    made = {"version": NUMERICS_VERSION, "runs": {name: golden(name) for name in ALIGNMENTS}}
    RECORDED.write_text(json.dumps(made, indent=1) + "\n", encoding="utf-8")
