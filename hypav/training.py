"""Two-stage training as the benchmark prescribes, with checkpoints after every epoch.

Stage 1 trains on `train` and picks on `val` the epoch and the beta with the highest HM. Stage 2 trains a fresh network
on `train_val` up to that epoch and is tested once, with that beta. Test samples choose nothing.

All variants of one seed share initial weights, batches and dropout masks: each has its own generator.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from tqdm.auto import tqdm

from hypav.alignment import Alignment
from hypav.avca import AVCA, AVCAConfig
from hypav.checkpoint import load_checkpoint, save_checkpoint
from hypav.data.batches import TripletSampler, make_batch
from hypav.data.features import FeatureSet, Phase
from hypav.errors import DataError, RunError, SettingError
from hypav.learner import Learner, RunConfig, train_step
from hypav.machine import pick_device
from hypav.protocol import Curve, Metrics, class_distances, gzsl, sweep

__all__ = [
    "RunResult",
    "embed_phase",
    "evaluate",
    "train",
    "validate",
]


@dataclass
class RunResult:
    """What a run found: metrics on test, the epoch and beta that validation chose, the history, the trained network.

    seconds counts what the run took before it was broken off, too.
    """

    metrics: Metrics
    best_epoch: int
    val: Metrics
    history: list[dict[str, Any]]
    model: AVCA
    alignment: Alignment | None
    seconds: float


def embed_phase(model: AVCA, phase: Phase, *, chunk: int = 4096) -> tuple[Tensor, Tensor, Tensor]:
    """theta_a (N, 64), theta_v (N, 64), theta_w (K, 64) of a phase in evaluation mode, `chunk` samples at a time."""
    was_training = model.training
    model.eval()
    parts = []
    with torch.no_grad():
        for start in range(0, len(phase), chunk):
            rows = slice(start, start + chunk)
            parts.append(model.embed(phase.audio[rows], phase.video[rows], phase.text))
    model.train(was_training)
    return torch.cat([p[0] for p in parts]), torch.cat([p[1] for p in parts]), parts[0][2]


def validate(model: AVCA, phase: Phase) -> Curve:
    """S, U, HM over the released grid of betas; classification is by theta_v alone, as released.

    Raises:
        SettingError: phase is not val. What is best on a curve is a choice, and test samples choose nothing.
    """
    if phase.name != "val":
        raise SettingError(
            f"Epoch and beta are chosen on val, not on {phase.name}: use evaluate with a chosen beta."
        )
    _, theta_v, theta_w = embed_phase(model, phase)
    return sweep(class_distances(theta_v, theta_w), phase.label, phase.classes, phase.seen, phase.unseen)


def evaluate(model: AVCA, phase: Phase, beta: float) -> Metrics:
    """S, U, HM and ZSL of a phase at a beta that was chosen elsewhere."""
    _, theta_v, theta_w = embed_phase(model, phase)
    distances = class_distances(theta_v, theta_w)
    return gzsl(distances, phase.label, phase.classes, phase.seen, phase.unseen, beta)


def train(
    data: FeatureSet,
    config: RunConfig,
    *,
    folder: Path | None = None,
    checkpoint_seconds: float = 0.0,
    device: str | torch.device = "auto",
    progress: bool | None = None,
    label: str = "run",
    after_epoch: Callable[[dict[str, Any]], None] | None = None,
) -> RunResult:
    """Both stages and the test.

    Args:
        folder: an existing folder for the checkpoints; the run goes on from the one it finds there. None keeps
            nothing on disk. One folder holds one run: give another folder for another configuration.
        checkpoint_seconds: a checkpoint is written after an epoch that ends so long after the last one; 0 is every epoch.
        progress: a bar in the terminal; None shows it where the error stream is a terminal.
        label: what the bar calls the run.
        after_epoch: called with each epoch's row of the history, once its checkpoint, if one is due, is on disk.

    Raises:
        RunError: the loss or the embeddings became NaN or infinite, or the checkpoint cannot be written or read.
    """
    device = pick_device(device)
    _check_network(data, config.network)
    run = _Run(data, config, folder, checkpoint_seconds, device, after_epoch)
    run.restore()
    with tqdm(
        total=2 * config.train.epochs,
        desc=label,
        unit="epoch",
        disable=None if progress is None else not progress,
    ) as bar:
        bar.update(len(run.history))
        run.stage(1, bar, until=config.train.epochs)
        bar.total = config.train.epochs + run.best_epoch
        run.stage(2, bar, until=run.best_epoch)
    test = _on(data.phase("test"), device, config)
    metrics = evaluate(run.learner.model, test, run.val.beta)
    return RunResult(
        metrics=metrics,
        best_epoch=run.best_epoch,
        val=run.val,
        history=run.history,
        model=run.learner.model.eval(),
        alignment=run.learner.alignment,
        seconds=time.perf_counter() - run.started,
    )


@dataclass
class _Run:
    """The state of the two stages between epochs."""

    data: FeatureSet
    config: RunConfig
    folder: Path | None
    checkpoint_seconds: float
    device: torch.device
    after_epoch: Callable[[dict[str, Any]], None] | None
    history: list[dict[str, Any]] = field(default_factory=list)
    best_epoch: int = 0
    started: float = field(default_factory=time.perf_counter)
    val: Metrics = field(default_factory=lambda: Metrics(0.0, 0.0, 0.0, 0.0, 0.0))

    def __post_init__(self) -> None:
        self.saved = self.started
        self.learner = Learner.fresh(self.config, self.device)
        # what a checkpoint belongs to, as it comes back from JSON (tuples are lists there)
        self.belongs = json.loads(
            json.dumps(
                {"config": self.config.to_dict(), "data": self.data.digest, "device": self.device.type}
            )
        )

    def restore(self) -> None:
        saved = None if self.folder is None else load_checkpoint(self.folder)
        if saved is None:
            return
        tensors, state = saved
        try:
            if {name: state[name] for name in self.belongs} != self.belongs:
                raise RunError(
                    f"{self.folder} holds a checkpoint of another configuration or other data, or one begun on another "
                    f"device ({state['device']}): choose another folder, or that device."
                )
            self.learner.restore(tensors, state["learner"])
            self.history, self.best_epoch = state["history"], state["best_epoch"]
            self.val = Metrics(**state["val"])
            self.started -= state["seconds"]
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            raise RunError(
                f"The checkpoint in {self.folder} is damaged ({type(error).__name__}); "
                "remove the folder and train again."
            ) from error

    def stage(self, number: int, bar: tqdm, until: int) -> None:
        done = [row for row in self.history if row["stage"] == number]
        if len(done) >= until:
            return
        if number == 2 and not done:
            self.learner = Learner.fresh(self.config, self.device)
        phase = _on(self.data.phase("train" if number == 1 else "train_val"), self.device, self.config)
        val = _on(self.data.phase("val"), self.device, self.config)
        sampler = TripletSampler(
            phase.label, batch_size=self.config.train.batch_size, generator=self.learner.sampling
        )
        for epoch in range(len(done) + 1, until + 1):
            row = {"stage": number, "epoch": epoch, **self._epoch(phase, sampler)}
            if not math.isfinite(row["total"]):
                raise _diverged(f"The loss became {row['total']}", row)
            try:
                best = validate(self.learner.model, val).best()
            except DataError as error:  # the last step broke the network after its loss was taken
                raise _diverged("The embeddings became NaN or infinite", row) from error
            row |= {"lr": self.learner.optimizer.param_groups[0]["lr"], **asdict(best)}
            self.learner.scheduler.step(best.HM)
            self.history.append(row)
            # strict, but a best HM of 0 counts as none yet, both as released
            if number == 1 and (best.HM > self.val.HM or self.val.HM == 0):
                self.best_epoch, self.val = epoch, best
            self._save(row)
            bar.set_postfix_str(f"stage {number} loss {row['total']:.3f} val HM {100 * best.HM:.1f}")
            bar.update()
            if self.after_epoch is not None:
                self.after_epoch(row)

    def _epoch(self, phase: Phase, sampler: TripletSampler) -> dict[str, Any]:
        """Mean losses of one epoch."""
        return {name: mean.tolist() for name, mean in self._steps(phase, sampler).items()}

    def _steps(self, phase: Phase, sampler: TripletSampler) -> dict[str, Tensor]:
        """The steps of one epoch and their mean losses, on the device: nothing waits for them."""
        indices, negatives = sampler.draw(self.config.train.batches)
        sums: dict[str, Tensor] = {}
        for index, negative in zip(indices, negatives, strict=True):
            losses = train_step(
                self.learner,
                make_batch(phase, index, negative),
                replay=self.config.train.parity == "official",
                autocast=self.config.train.autocast,
            )
            for name, value in losses.items():
                sums[name] = sums[name] + value if name in sums else value
        return {name: value / len(indices) for name, value in sums.items()}

    def _save(self, row: dict[str, Any]) -> None:
        now = time.perf_counter()
        if self.folder is None or now - self.saved < self.checkpoint_seconds:
            return
        self.saved = now
        state = {
            "stage": row["stage"],
            "epoch": row["epoch"],
            **self.belongs,
            "learner": self.learner.plain(),
            "history": self.history,
            "best_epoch": self.best_epoch,
            "seconds": now - self.started,
            "val": asdict(self.val),
        }
        save_checkpoint(self.folder, self.learner.tensors(), state)


def _diverged(what: str, row: dict[str, Any]) -> RunError:
    return RunError(
        f"{what} in epoch {row['epoch']} of stage {row['stage']}; what was saved before is kept: "
        "lower the learning rate or the alignment weight, and look at the features with verify."
    )


def _on(phase: Phase, device: torch.device, config: RunConfig) -> Phase:
    return phase.to(device, getattr(torch, config.train.dtype))


def _check_network(data: FeatureSet, network: AVCAConfig) -> None:
    for name in ("dim_audio", "dim_video", "dim_text"):
        if getattr(network, name) != getattr(data, name):
            raise SettingError(
                f"The network takes {name} {getattr(network, name)} but {data.name} has {getattr(data, name)}."
            )
