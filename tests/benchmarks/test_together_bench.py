"""Several seeds: their steps together beside one after the other, and beside two processes of one thread each."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable
from typing import Any

import pytest
import torch

from hypav.avca import AVCAConfig
from hypav.data import TripletBatch
from hypav.learner import Learner, RunConfig, TrainConfig, train_step
from hypav.together import Together

FULL = AVCAConfig(512, 512)
COURSE = AVCAConfig(512, 512, hidden_enc=0, hidden_proj=0, head_dim=32)
TINY = AVCAConfig(
    24, 32, 16, dim_phi=20, dim_theta=8, hidden_enc=16, hidden_proj=16, heads=2, head_dim=5, dim_mlp=8
)
# network, batch size, seeds
CASES = {
    "a test's network, batch 16, 10 seeds": (TINY, 16, 10),
    "course, batch 16, 10 seeds": (COURSE, 16, 10),
    "course, batch 64, 10 seeds": (COURSE, 64, 10),
    "UCF-GZSL (main), batch 256, 4 seeds": (FULL, 256, 4),
}


def group(case: str, seeds: range) -> tuple[list[Learner], list[TripletBatch]]:
    network, size, _ = CASES[case]
    g = torch.Generator().manual_seed(0)
    dims = (network.dim_audio, network.dim_video, network.dim_text) * 2
    batch = TripletBatch(*(torch.randn(size, dim, generator=g) for dim in dims))
    learners = [Learner.fresh(RunConfig(network, TrainConfig(), seed=s), torch.device("cpu")) for s in seeds]
    return learners, [batch] * len(seeds)


def in_turn(learners: list[Learner], batches: list[TripletBatch]) -> None:
    for learner, batch in zip(learners, batches, strict=True):
        train_step(learner, batch)


def _worker(case: str, seeds: range, go: Any, steps: int, took: Any) -> None:
    torch.set_num_threads(1)
    learners, batches = group(case, seeds)
    in_turn(learners, batches)
    go.wait()
    start = time.perf_counter()
    for _ in range(steps):
        in_turn(learners, batches)
    took.put((time.perf_counter() - start) / steps)


def two_processes(case: str, steps: int) -> float:
    """Seconds a step of all seeds, half of them in each of two processes."""
    spawn = multiprocessing.get_context("spawn")
    go, took, seeds = spawn.Barrier(2), spawn.Queue(), CASES[case][2]
    halves = (range(seeds // 2), range(seeds // 2, seeds))
    workers = [spawn.Process(target=_worker, args=(case, half, go, steps, took)) for half in halves]
    for worker in workers:
        worker.start()
    slowest = max(took.get() for _ in workers)
    for worker in workers:
        worker.join()
    return slowest


@pytest.mark.parametrize("case", list(CASES))
def test_steps_of_several_seeds(
    side_by_side: Callable[..., float], note: Callable[[str], None], benchmark: Any, case: str
) -> None:
    seeds = range(2 if benchmark.disabled else CASES[case][2])
    own, batches = group(case, seeds)
    together = Together(own)
    apart, _ = group(case, seeds)
    ratio = side_by_side(
        f"together beside in turn: {case}", lambda: together.step(batches), lambda: in_turn(apart, batches)
    )
    if not benchmark.disabled:
        separate = two_processes(case, 5)
        mine = benchmark.extra_info["ours"]
        note(
            f"{case}: together {1e3 * mine:.0f} ms a step of all, {ratio:.2f} x faster than in turn; two processes of a "
            f"thread each {1e3 * separate:.0f} ms, {benchmark.extra_info['reference'] / separate:.2f} x"
        )
