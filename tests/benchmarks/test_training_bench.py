"""The training step and epoch at UCF-GZSL (main) sizes, compared with the released calls and the machine's peak."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
import torch
from device_helpers import HostGraph
from released import ReleasedStep, samples
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from hypav.alignment import Adaptive, AlignmentConfig, preset
from hypav.avca import AVCAConfig
from hypav.capture import GRAPHS
from hypav.data import TripletBatch, TripletSampler, make_batch
from hypav.data.simulated import simulated
from hypav.training import Learner, RunConfig, TrainConfig, score, train_step

VARIANTS: dict[str, tuple[AlignmentConfig | None, dict[str, Any]]] = {
    "AVCA": (None, {}),
    "Hyper-alignment": (preset("released"), {"fixed": True}),
    "Hyper-single": (preset("released", curvatures=Adaptive(1)), {"adaptive": 1}),
    "Hyper-multiple": (preset("released", curvatures=Adaptive(3)), {"adaptive": 3}),
}
# what our presets add to the step; there is no released code to compare them with
PRESETS = {name: alignment for name, (alignment, _) in VARIANTS.items() if alignment is not None} | {
    "Hyper-alignment (printed)": preset("printed"),
    "Hyper-alignment (curved)": preset("curved"),
}
SIZES = (512, 512, 300) * 2
# how many times faster than the released step ours is to be
GOALS = {"cpu": dict.fromkeys(VARIANTS, 2.5), "cuda": dict.fromkeys(VARIANTS, 10) | {"Hyper-multiple": 15}}
CPU = torch.device("cpu")


def learner(alignment: AlignmentConfig | None, device: torch.device = CPU) -> Learner:
    return Learner.fresh(RunConfig(AVCAConfig(512, 512), TrainConfig(), alignment), device)


def batch(size: int = 256, device: torch.device = CPU) -> TripletBatch:
    g = torch.Generator().manual_seed(0)
    return TripletBatch(*(torch.randn(size, dim, generator=g).to(device) for dim in SIZES))


def as_trained(network: Learner, step: Callable[..., Any], *example: Tensor) -> Callable[..., Any]:
    """The step as `train` takes it on this device: captured on a GPU."""
    return network.captured(step, example) if example[0].device.type in GRAPHS else step


def ours(network: Learner, triplets: TripletBatch) -> Callable[[], Any]:
    step = as_trained(network, lambda *tables: train_step(network, TripletBatch(*tables)), *triplets)
    return lambda: step(*triplets)


@pytest.mark.parametrize("variant", list(VARIANTS))
def test_step_and_the_released_one(
    side_by_side: Callable[..., float], device: torch.device, variant: str
) -> None:
    alignment, options = VARIANTS[variant]
    released, triplets = ReleasedStep(**options, device=device), batch(device=device)
    ratio = side_by_side(
        f"training step, batch 256, {variant}",
        ours(learner(alignment, device), triplets),
        lambda: released.step(triplets),
        at_least=GOALS[device.type][variant],
    )
    assert ratio > 0


@pytest.mark.parametrize("variant", list(PRESETS))
def test_what_alignment_adds_to_the_step(
    side_by_side: Callable[..., float], device: torch.device, variant: str
) -> None:
    triplets = batch(device=device)
    side_by_side(
        f"{variant}, compared with our AVCA step",
        ours(learner(PRESETS[variant], device), triplets),
        ours(learner(None, device), triplets),
        at_most=1.1,
        rounds=15,
    )


def test_epoch_end_to_end(
    side_by_side: Callable[..., float],
    note: Callable[[str], None],
    goal: Callable[..., None],
    benchmark: Any,
    device: torch.device,
    seconds: Callable[..., float],
) -> None:
    """Five batches of each are timed. A released epoch has 500, and 500 more of val for a loss that nothing uses."""
    data = simulated("ucf-gzsl")
    phase, val = data.phase("train").to(device), data.phase("val").to(device)
    network, released = learner(None, device), ReleasedStep(device=device)
    sampler = TripletSampler(phase.label, batch_size=256, generator=network.sampling)
    # the released loader collates on the CPU
    g = torch.Generator().manual_seed(0)
    loader, val_loader = (samples(data.phase(name), 256, g) for name in ("train", "val"))

    def step(index: Tensor, negative: Tensor) -> Any:
        return train_step(network, make_batch(phase, index, negative))

    def drawn() -> list[TripletBatch]:
        return [make_batch(phase, i, n) for i, n in zip(*sampler.draw(5), strict=True)]

    take = as_trained(network, step, *(rows[0] for rows in sampler.draw(1)))

    def our_epoch() -> None:
        for rows in zip(*sampler.draw(5), strict=True):
            take(*rows)

    def moved(triplets: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return tuple(x.to(device) for x in triplets)

    def theirs() -> None:
        for _ in range(5):
            released.step(moved(next(loader)))
            triplets = moved(next(val_loader))
            released.train(False)
            with torch.no_grad():
                released.loss(triplets)
                released.embed(*triplets[:3])

    side_by_side(
        "epoch: sampling, collation, step (released: + a val batch a step)",
        our_epoch,
        theirs,
        at_least=4,
        rounds=4,
    )
    steps, validation = (
        benchmark.extra_info["ours"],
        seconds(lambda: score(network.model, val).curve().best()),
    )
    a_run = 2 * 50 * (500 * steps / 5 + validation)
    if not benchmark.disabled:
        note(f"one validation of ours, once in 500 steps: {validation:.2f} s")
        note(f"runs per hour, one at a time, of two stages of 50 epochs of 500 batches: {3600 / a_run:.3g}")
        goal("sampling and collation", 100 * seconds(drawn) / steps, "% of our loop", at_most=3)


def test_share_of_the_machines_peak(
    benchmark: Any,
    note: Callable[[str], None],
    goal: Callable[..., None],
    device: torch.device,
    seconds: Callable[..., float],
) -> None:
    network, triplets = learner(None, device), batch(device=device)
    width = 1024 if device.type == "cpu" else 8192  # a GPU needs larger products to be at its full rate
    x = torch.randn(width, width, device=device)
    with FlopCounterMode(display=False) as counted:
        train_step(network, triplets)
    take = ours(network, triplets)
    steps, products = [], []

    def multiply() -> None:
        products.append(seconds(lambda: [x @ x for _ in range(8)]) / 8)

    def step() -> None:
        steps.append(seconds(take))

    benchmark.pedantic(step, setup=multiply, rounds=1 if benchmark.disabled else 12)
    flops = counted.get_total_flops()
    peak, rate = 2 * width**3 / min(products), flops / min(steps)
    benchmark.extra_info.update(peak=peak, rate=rate)
    if not benchmark.disabled:
        note(
            f"roofline: a step at batch 256 is {flops / 1e9:.2f} GFLOP in {1e3 * min(steps):.0f} ms, {rate / 1e9:.0f} of "
            f"this machine's {peak / 1e9:.0f} GFLOP/s in float32 matrix products; at all of them it would take "
            f"{1e3 * flops / peak:.0f} ms"
        )
        goal("share of the machine's matrix-product rate", 100 * rate / peak, "%", at_least=50)
    assert rate < 1.5 * peak


def test_sizes_of_the_reference_are_the_released_ones() -> None:
    """The reference has the 1,693,108 parameters of the released network at UCF-GZSL (main), without the position."""
    released = ReleasedStep()
    count = sum(p.numel() for m in released.modules for p in m.parameters())
    assert count + 600 == 1_693_108
    triplets = batch(8)
    losses: list[Tensor | float] = [released.step(triplets) for _ in range(2)]
    assert losses[0] != losses[1]


def test_on_a_device_with_graphs_the_captured_step_is_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(HostGraph, "made", [])
    monkeypatch.setitem(GRAPHS, "cpu", HostGraph)
    call = ours(learner(None), batch(8))
    call(), call()
    (graph,) = HostGraph.made
    assert graph.replays == 2


@pytest.mark.gpu
def test_the_table_on_a_gpu(capsys: pytest.CaptureFixture[str]) -> None:
    """What `make bench DEVICE=cuda` prints."""
    command = [sys.executable, "-m", "pytest", "-q", __file__, "--benchmark-enable", "--benchmark-only"]
    done = subprocess.run(
        command, env={**os.environ, "DEVICE": "cuda"}, capture_output=True, text=True, check=False
    )
    with capsys.disabled():
        print(done.stdout[-6000:], done.stderr[-2000:])
    assert done.returncode == 0
