"""How time, and the memory kept for the gradient, grow as one size doubles three times, with fitted exponents."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
import torch

from hypav.alignment import head_losses, preset
from hypav.avca import AVCAConfig
from hypav.data import TripletBatch, TripletSampler
from hypav.evaluation import Scores, class_distances
from hypav.hyperbolicity import delta_rel
from hypav.training import Learner, RunConfig, TrainConfig, train_step


def evaluate(samples: int, classes: int) -> Callable[[], Any]:
    g = torch.Generator().manual_seed(0)
    theta_v, theta_w = torch.randn(samples, 64, generator=g), torch.randn(classes, 64, generator=g)
    ids = torch.arange(classes)
    label = torch.arange(samples) % classes
    return lambda: Scores(class_distances(theta_v, theta_w), label, ids, ids[8:], ids[:8]).curve()


def step(size: int) -> Callable[[], Any]:
    g = torch.Generator().manual_seed(0)
    batch = TripletBatch(*(torch.randn(size, dim, generator=g) for dim in (512, 512, 300) * 2))
    learner = Learner.fresh(RunConfig(AVCAConfig(512, 512), TrainConfig()), torch.device("cpu"))
    return lambda: train_step(learner, batch)


def align(N: int, N_c: int, name: str = "printed") -> Callable[[], Any]:
    g = torch.Generator().manual_seed(0)
    v, a = (torch.randn(N, 300, generator=g).requires_grad_() for _ in range(2))
    k = -0.4 * torch.rand(N, N_c, generator=g)
    return lambda: torch.autograd.grad(head_losses(v, a, k, preset(name)).mean(), (v, a))


def delta(n: int) -> Callable[[], Any]:
    x = torch.randn(n, 64, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    d = torch.cdist(x, x)
    return lambda: delta_rel((d + d.T) / 2, precomputed=True)


def draw(rows: int) -> Callable[[], Any]:
    sampler = TripletSampler(
        torch.arange(rows) % 30, batch_size=256, generator=torch.Generator().manual_seed(0)
    )
    return lambda: sampler.draw(20)


CURVES: dict[str, tuple[Callable[[int], Callable[[], Any]], int, float]] = {
    "evaluation over classes": (lambda n: evaluate(4000, n), 50, 1.0),
    "evaluation over samples": (lambda n: evaluate(n, 100), 2000, 1.0),
    "training step over batch": (step, 64, 1.0),
    "alignment over batch": (lambda n: align(n, 2), 256, 2.0),
    "alignment over N_c": (lambda n: align(512, n), 1, 1.0),
    "curved alignment over batch": (lambda n: align(n, 1, "curved"), 128, 2.0),
    "sampling over the set's rows": (draw, 2000, 1.0),
    "delta over points, Gaussian": (delta, 250, 2.0),
}


def bytes_kept(call: Callable[[], Any]) -> int:
    """Bytes of the tensors that autograd keeps in one call, each storage once."""
    storages: dict[int, int] = {}

    def keep(x: torch.Tensor) -> torch.Tensor:
        storages[x.untyped_storage().data_ptr()] = x.untyped_storage().nbytes()
        return x

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda x: x):
        call()
    return sum(storages.values())


def fitted(sizes: list[int], costs: list[float] | list[int]) -> float:
    """The slope of log cost over log size by least squares."""
    x, y = (torch.tensor(v, dtype=torch.float64).log() for v in (sizes, costs))
    return float(((x - x.mean()) * (y - y.mean())).sum() / (x - x.mean()).square().sum())


@pytest.mark.parametrize("name", list(CURVES))
def test_cost_curve(
    benchmark: Any, note: Callable[[str], None], goal: Callable[..., None], name: str
) -> None:
    make, first, algorithm = CURVES[name]
    sizes = [first] if benchmark.disabled else [first * 2**i for i in range(4)]
    times, kept = [], []
    for size in sizes:
        call = make(size)
        kept.append(bytes_kept(call))
        rounds = []
        for _ in range(1 if benchmark.disabled else 4):
            start = time.perf_counter()
            call()
            rounds.append(time.perf_counter() - start)
        times.append(min(rounds))
    benchmark.pedantic(make(sizes[0]), rounds=1)
    if len(times) > 1:
        exponent = fitted(sizes, times)
        line = ", ".join(f"{size}: {1e3 * t:.1f} ms" for size, t in zip(sizes, times, strict=True))
        benchmark.extra_info.update(exponent=exponent)
        if kept[0]:
            line += f"; kept for the gradient {kept[0] / 2**20:.1f} to {kept[-1] / 2**20:.1f} MB, "
            line += f"exponent {fitted(sizes, kept):.2f}"
        note(f"{name}: {line}")
        # small sizes pay for calls and large ones leave the caches: an allowance of a quarter
        goal(f"  exponent of time (the algorithm's is {algorithm:g})", exponent, "", at_most=algorithm + 0.25)
