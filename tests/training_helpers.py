"""Runs small enough for tests, and runs in processes of their own that are killed at a chosen moment."""

from __future__ import annotations

import functools
import multiprocessing
import os
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from hypav.avca import AVCAConfig
from hypav.data.features import FeatureSet
from hypav.data.simulated import simulated
from hypav.experiments import run
from hypav.training import RunConfig, RunResult, TrainConfig, train
from hypav.utils import threads


@functools.cache
def small() -> FeatureSet:
    return simulated("small")


def tiny(**changes: Any) -> RunConfig:
    """A run of a fraction of a second; `changes` are fields of RunConfig or of TrainConfig."""
    data = small()
    network = AVCAConfig(
        data.dim_audio, data.dim_video, data.dim_text,
        dim_phi=20, dim_theta=8, hidden_enc=16, hidden_proj=16, heads=2, head_dim=5, dim_mlp=8,
    )  # fmt: skip
    config = RunConfig(network, TrainConfig(epochs=3, batches=2, batch_size=8))
    schedule = {name: changes.pop(name) for name in list(changes) if name in TrainConfig.__dataclass_fields__}
    return replace(config, train=replace(config.train, **schedule), **changes)


def train_tiny(config: RunConfig, **options: Any) -> RunResult:
    with threads(1):
        return train(options.pop("data", small()), config, **{"progress": False, "device": "cpu", **options})


class BrokenOff(Exception):
    """What a test raises after an epoch to end a run there."""


def break_off_after(epochs: int) -> Callable[[dict[str, Any]], None]:
    """An after_epoch that ends the run after so many epochs of this process."""
    rows: list[dict[str, Any]] = []

    def after_epoch(row: dict[str, Any]) -> None:
        rows.append(row)
        if len(rows) == epochs:
            raise BrokenOff

    return after_epoch


def assert_same_tensors(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> None:
    assert a.keys() == b.keys()
    different = [name for name in a if a[name].dtype != b[name].dtype or not torch.equal(a[name], b[name])]
    assert not different


def assert_same_result(a: RunResult, b: RunResult) -> None:
    """To the last bit."""
    assert a.history == b.history
    assert (a.metrics, a.best_epoch, a.val) == (b.metrics, b.best_epoch, b.val)
    assert_same_tensors(a.model.state_dict(), b.model.state_dict())
    assert (a.alignment is None) == (b.alignment is None)
    if a.alignment is not None and b.alignment is not None:
        assert_same_tensors(a.alignment.state_dict(), b.alignment.state_dict())


def start(target: Callable[..., None], *args: Any) -> Any:
    """A process of its own that begins with hypav, and so torch, already imported."""
    context = multiprocessing.get_context("forkserver")
    # torch's optimisers import _dynamo at their first step; pytest is the main module that each child looks at
    context.set_forkserver_preload(["hypav.experiments", "torch._dynamo", "pytest"])
    child = context.Process(target=target, args=args)
    child.start()
    return child


def train_and_die(config: RunConfig, folder: Path, moment: int) -> None:
    """In a child: kills itself at a moment, see `_die_at`."""
    _die_at(moment)
    train_tiny(config, folder=folder)


def run_and_die(config: RunConfig, root: Path, moment: int) -> None:
    _die_at(moment)
    run(small(), config, method="AVCA", root=root, device="cpu", progress=False)


def _die_at(moment: int) -> None:
    """SIGKILL at the moment-th of those before and after each fsync, rename and removal of a file."""
    passed = 0

    def tick() -> None:
        nonlocal passed
        passed += 1
        if passed == moment:
            os.kill(os.getpid(), signal.SIGKILL)

    def ticking(function: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*args: Any, **options: Any) -> Any:
            tick()
            try:
                return function(*args, **options)
            finally:
                tick()

        return wrapped

    for name in ("fsync", "replace", "unlink"):
        setattr(os, name, ticking(getattr(os, name)))
