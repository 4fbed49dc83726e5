"""The training step and epoch at UCF-GZSL (main) sizes, compared with the released calls and the machine's peak."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
import torch
from released import ReleasedStep, samples
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from hypav.alignment import Adaptive, AlignmentConfig, preset
from hypav.avca import AVCAConfig
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


def learner(alignment: AlignmentConfig | None) -> Learner:
    return Learner.fresh(RunConfig(AVCAConfig(512, 512), TrainConfig(), alignment), torch.device("cpu"))


def batch(size: int = 256) -> TripletBatch:
    g = torch.Generator().manual_seed(0)
    return TripletBatch(*(torch.randn(size, dim, generator=g) for dim in SIZES))


@pytest.mark.parametrize("variant", list(VARIANTS))
def test_step_and_the_released_one(side_by_side: Callable[..., float], variant: str) -> None:
    alignment, options = VARIANTS[variant]
    network, released, triplets = learner(alignment), ReleasedStep(**options), batch()
    ratio = side_by_side(
        f"training step, batch 256, {variant}",
        lambda: train_step(network, triplets),
        lambda: released.step(triplets),
        at_least=2.5,
    )
    assert ratio > 0


@pytest.mark.parametrize("variant", list(PRESETS))
def test_what_alignment_adds_to_the_step(side_by_side: Callable[..., float], variant: str) -> None:
    network, plain, triplets = learner(PRESETS[variant]), learner(None), batch()
    side_by_side(
        f"{variant}, compared with our AVCA step",
        lambda: train_step(network, triplets),
        lambda: train_step(plain, triplets),
        at_most=1.1,
        rounds=15,
    )


def test_epoch_end_to_end(
    side_by_side: Callable[..., float],
    note: Callable[[str], None],
    goal: Callable[..., None],
    benchmark: Any,
) -> None:
    """Five batches of each are timed. A released epoch has 500, and 500 more of val for a loss that nothing uses."""
    data = simulated("ucf-gzsl")
    phase, val = data.phase("train"), data.phase("val")
    network, released = learner(None), ReleasedStep()
    g = torch.Generator().manual_seed(0)
    sampler = TripletSampler(phase.label, batch_size=256, generator=g)
    loader, val_loader = samples(phase, 256, g), samples(val, 256, g)
    parts = {"draw": 0.0, "all": 0.0}

    def ours() -> None:
        start = time.perf_counter()
        drawn = [make_batch(phase, i, n) for i, n in zip(*sampler.draw(5), strict=True)]
        parts["draw"] += time.perf_counter() - start
        for triplets in drawn:
            train_step(network, triplets)
        parts["all"] += time.perf_counter() - start

    def theirs() -> None:
        for _ in range(5):
            released.step(next(loader))
            triplets = next(val_loader)
            released.train(False)
            with torch.no_grad():
                released.loss(triplets)
                released.embed(*triplets[:3])

    side_by_side(
        "epoch: sampling, collation, step (released: + a val batch a step)",
        ours,
        theirs,
        at_least=4,
        rounds=4,
    )
    start = time.perf_counter()
    score(network.model, val).curve()
    if not benchmark.disabled:
        note(f"one validation of ours, once in 500 steps: {time.perf_counter() - start:.2f} s")
        goal("sampling and collation", 100 * parts["draw"] / parts["all"], "% of our loop", at_most=3)


def test_share_of_the_machines_peak(
    benchmark: Any, note: Callable[[str], None], goal: Callable[..., None]
) -> None:
    network, triplets = learner(None), batch()
    x = torch.randn(1024, 1024)
    with FlopCounterMode(display=False) as counted:
        train_step(network, triplets)
    steps, products = [], []

    def multiply() -> None:
        start = time.perf_counter()
        for _ in range(8):
            x @ x
        products.append((time.perf_counter() - start) / 8)

    def step() -> None:
        start = time.perf_counter()
        train_step(network, triplets)
        steps.append(time.perf_counter() - start)

    benchmark.pedantic(step, setup=multiply, rounds=1 if benchmark.disabled else 12)
    flops = counted.get_total_flops()
    peak, rate = 2 * 1024**3 / min(products), flops / min(steps)
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
