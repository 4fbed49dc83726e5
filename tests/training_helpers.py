"""Runs small enough for tests, interrupted runs, and runs in a process that is killed."""

from __future__ import annotations

import functools
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from hypav import training
from hypav.avca import AVCAConfig
from hypav.data.features import FeatureSet
from hypav.data.simulated import simulated
from hypav.training import Run, RunConfig, TrainConfig, train
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


def train_tiny(config: RunConfig, **options: Any) -> Run:
    with threads(1):  # more threads sum in another order
        return train(options.pop("data", small()), config, **{"progress": False, "device": "cpu", **options})


class Interrupted(Exception):
    """Ends a run in a test."""


@contextmanager
def interrupted_after(saves: int) -> Iterator[None]:
    """Inside, a run ends with Interrupted after so many checkpoints."""
    count = 0
    save = training.save_checked

    def save_and_stop(path: Path, content: Any) -> None:
        nonlocal count
        save(path, content)
        count += 1
        if count == saves:
            raise Interrupted

    with pytest.MonkeyPatch.context() as patched, suppress(Interrupted):
        patched.setattr(training, "save_checked", save_and_stop)
        yield
    assert count == saves


def assert_same_tensors(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> None:
    assert a.keys() == b.keys()
    different = [name for name in a if a[name].dtype != b[name].dtype or not torch.equal(a[name], b[name])]
    assert not different


def assert_same_run(a: Run, b: Run) -> None:
    """To the last bit."""
    assert a.epochs == b.epochs
    assert (a.metrics, a.val, a.best_epoch) == (b.metrics, b.val, b.best_epoch)
    assert_same_tensors(a.model.state_dict(), b.model.state_dict())
    if a.alignment is not None and b.alignment is not None:
        assert_same_tensors(a.alignment.state_dict(), b.alignment.state_dict())


def start(target: Callable[..., None], *args: Any) -> Any:
    """A new process in which hypav and torch are already imported."""
    context = multiprocessing.get_context("forkserver")
    # torch's optimisers import _dynamo at their first step; pytest is the main module that each child looks at
    context.set_forkserver_preload(["hypav.training", "torch._dynamo", "pytest"])
    child = context.Process(target=target, args=args)
    child.start()
    return child


def killed_at(moment: int, config: RunConfig, folder: Path) -> int:
    """The exit code of a process that trains and kills itself before or after an fsync or rename, the moment-th."""
    child = start(_train_and_die, moment, config, folder)
    child.join()
    return child.exitcode


def _train_and_die(moment: int, config: RunConfig, folder: Path) -> None:
    passed = 0

    def tick() -> None:
        nonlocal passed
        passed += 1
        if passed == moment:
            os.kill(os.getpid(), signal.SIGKILL)

    def ticking(function: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*args: Any, **options: Any) -> None:
            tick()
            function(*args, **options)
            tick()

        return wrapped

    for name in ("fsync", "replace"):
        setattr(os, name, ticking(getattr(os, name)))
    train_tiny(config, folder=folder)
