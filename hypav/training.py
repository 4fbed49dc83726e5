"""Two-stage training as the benchmark prescribes, with checkpoints after every epoch.

Stage 1 trains on `train` and picks on `val` the epoch and the beta with the highest HM. Stage 2 trains a fresh network
on `train_val` up to that epoch and is tested once, with that beta. Test samples choose nothing.

All variants of one seed share initial weights, batches and dropout masks: each has its own generator.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Generator, Tensor
from tqdm.auto import tqdm

from hypav.alignment import Alignment, AlignmentConfig
from hypav.avca import AVCA, AVCAConfig, Embeddings, Masks, build_avca
from hypav.data.batches import TripletBatch, TripletSampler, make_batch
from hypav.data.features import FeatureSet, Phase
from hypav.errors import DataError, RunError, SettingError
from hypav.evaluation import Curve, Metrics, Scores, class_distances
from hypav.losses import avca_terms, total
from hypav.utils import pick_device, replacing, write_json

NAME = "checkpoint.json"


def save_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Tensors by name, atomically."""
    plain = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    with replacing(path) as temporary:
        try:
            save_file(plain, temporary)
        except SafetensorError as error:  # how safetensors reports a full disk
            raise OSError(str(error)) from error


def load_tensors(path: Path) -> dict[str, Tensor]:
    """What `save_tensors` wrote.

    Raises:
        RunError: the file is missing or damaged.
    """
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise RunError(f"Cannot read {path}: {error}; remove the run's folder and train again.") from error


def save_checkpoint(folder: Path, tensors: Mapping[str, Tensor], state: Mapping[str, Any]) -> None:
    """Makes (tensors, state) the folder's checkpoint; `state` holds JSON values, among them "stage" and "epoch"."""
    name = f"checkpoint-{state['stage']}-{state['epoch']:04d}.safetensors"
    save_tensors(folder / name, tensors)
    write_json(folder / NAME, {**state, "tensors": name})
    for old in folder.glob("*checkpoint*"):  # the one before, and what a kill left half-written
        if old.name not in (name, NAME):
            with suppress(OSError):  # does no harm where it stays
                old.unlink()


def load_checkpoint(folder: Path) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
    """The folder's (tensors, state), or None where there is none.

    Raises:
        RunError: the checkpoint is damaged.
    """
    path = folder / NAME
    if not path.exists():
        return None
    try:
        state = json.loads(path.read_text(encoding="utf-8"))
        name = Path(state["tensors"]).name
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise RunError(f"{path} is damaged ({error}); remove the run's folder and train again.") from error
    return load_tensors(folder / name), state


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Adam's moments and step counts as "i.exp_avg" and so on, i the place of the parameter."""
    moments = optimizer.state_dict()["state"]
    return {f"{i}.{name}": tensor for i, one in moments.items() for name, tensor in one.items()}


def restore_optimizer(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor], lr: float) -> None:
    """Gives a fresh optimiser over the same parameters the moments and learning rate of a saved one."""
    state = optimizer.state_dict()
    state["state"] = {}
    for key, tensor in tensors.items():
        i, name = key.split(".")
        state["state"].setdefault(int(i), {})[name] = tensor
    for group in state["param_groups"]:
        group["lr"] = lr
    optimizer.load_state_dict(state)


Parity = Literal["clean", "official"]


@dataclass(frozen=True)
class TrainConfig:
    """The schedule; the defaults are the released ones (an epoch is `batches` class-balanced batches of any set).

    parity "clean" trains the objective without waste; "official" replays the released step: passes whose results are
    never used, their batch-norm updates, and a positional embedding that no optimiser holds.
    autocast: the network's matrix products in bfloat16; the losses and the geometry keep their precision.
    """

    epochs: int = 50
    batches: int = 500
    batch_size: int = 256
    lr: float = 1e-3
    weight_decay: float = 1e-5
    patience: int = 3
    parity: Parity = "clean"
    dtype: Literal["float32", "float64"] = "float32"
    autocast: bool = False

    def __post_init__(self) -> None:
        for name, least in (("epochs", 1), ("batches", 1), ("batch_size", 2), ("patience", 0)):
            value = getattr(self, name)
            if not isinstance(value, int) or value < least:
                raise SettingError(f"{name} is {value}; it must be a whole number, at least {least}.")
        if not (0 < self.lr < math.inf and 0 <= self.weight_decay < math.inf):
            raise SettingError(
                f"lr is {self.lr} and weight_decay {self.weight_decay}; lr must be > 0, the other >= 0."
            )
        if self.parity not in ("clean", "official"):
            raise SettingError(f'parity is {self.parity!r}; choose "clean" or "official".')
        if self.dtype not in ("float32", "float64"):
            raise SettingError(f'dtype is {self.dtype!r}; choose "float32" or "float64".')


@dataclass(frozen=True)
class RunConfig:
    """All that determines a run beside the data: network, schedule, alignment (None: the AVCA baseline) and seed."""

    network: AVCAConfig
    train: TrainConfig = TrainConfig()
    alignment: AlignmentConfig | None = None
    seed: int = 42

    def __post_init__(self) -> None:
        if not isinstance(self.seed, int) or not 0 <= self.seed < 2**63:
            raise SettingError(f"seed is {self.seed}; it must be a whole number from 0 to 2^63 - 1.")

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; `from_dict` brings them back."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> RunConfig:
        """The inverse of `to_dict`."""
        alignment = values["alignment"]
        return cls(
            network=AVCAConfig(**values["network"]),
            train=TrainConfig(**values["train"]),
            alignment=None if alignment is None else AlignmentConfig.from_dict(alignment),
            seed=values["seed"],
        )


@dataclass
class Learner:
    """A network in training: everything a checkpoint has to hold to go on bit for bit."""

    model: AVCA
    alignment: Alignment | None
    optimizer: torch.optim.Adam
    scheduler: torch.optim.lr_scheduler.ReduceLROnPlateau
    sampling: Generator
    masks: Generator

    @classmethod
    def fresh(cls, config: RunConfig, device: torch.device) -> Learner:
        """Weights, batches and masks each from a stream of their own, so that variants of one seed share them."""
        root = Generator().manual_seed(config.seed)
        seeds = torch.randint(2**62, (4,), generator=root).tolist()
        weights, curvatures = (Generator().manual_seed(s) for s in seeds[:2])
        sampling, masks = (Generator(device).manual_seed(s) for s in seeds[2:])
        dtype = getattr(torch, config.train.dtype)
        model = build_avca(config.network, weights).to(device, dtype)
        alignment = None
        if config.alignment is not None:
            alignment = Alignment(config.alignment, config.network.dim_phi, curvatures).to(device, dtype)
        official = config.train.parity == "official"
        learned = [p for name, p in model.named_parameters() if not (official and name == "positional")]
        learned += [] if alignment is None else alignment.parameters()
        optimizer = torch.optim.Adam(
            learned, lr=config.train.lr, weight_decay=config.train.weight_decay, fused=not official
        )
        scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(
            optimizer, mode="max", factor=0.1, patience=config.train.patience, threshold=1e-4
        )
        return cls(model, alignment, optimizer, scheduler, sampling, masks)

    def tensors(self) -> dict[str, Tensor]:
        """All tensors of a checkpoint by name."""
        parts = {
            "model": self.model.state_dict(),
            "alignment": {} if self.alignment is None else self.alignment.state_dict(),
            "optimizer": optimizer_tensors(self.optimizer),
            "generator": {"sampling": self.sampling.get_state(), "masks": self.masks.get_state()},
        }
        return {f"{part}.{name}": tensor for part, named in parts.items() for name, tensor in named.items()}

    def plain(self) -> dict[str, Any]:
        """The JSON side of a checkpoint."""
        keep = ("best", "num_bad_epochs", "cooldown_counter", "last_epoch")
        schedule = {name: self.scheduler.state_dict()[name] for name in keep}
        schedule["best"] = None if math.isinf(schedule["best"]) else schedule["best"]
        return {"lr": self.optimizer.param_groups[0]["lr"], "scheduler": schedule}

    def restore(self, tensors: dict[str, Tensor], plain: dict[str, Any]) -> None:
        """Continues where `tensors` and `plain` were taken."""
        parts: dict[str, dict[str, Tensor]] = {}
        for key, tensor in tensors.items():
            part, name = key.split(".", 1)
            parts.setdefault(part, {})[name] = tensor
        self.model.load_state_dict(parts["model"])
        if self.alignment is not None:
            self.alignment.load_state_dict(parts.get("alignment", {}))
        restore_optimizer(self.optimizer, parts["optimizer"], plain["lr"])
        schedule = dict(plain["scheduler"])
        schedule["best"] = -math.inf if schedule["best"] is None else schedule["best"]
        self.scheduler.load_state_dict(schedule)
        self.sampling.set_state(parts["generator"]["sampling"])
        self.masks.set_state(parts["generator"]["masks"])


def train_step(
    learner: Learner, batch: TripletBatch, *, replay: bool = False, autocast: bool = False
) -> dict[str, Tensor]:
    """One forward, backward and optimiser step; returns the detached losses: the 17 terms, "avca", "align", "total"
    and, with adaptive curvatures, "k" (N_c,) means.

    replay: as the released step, see `TrainConfig.parity`; autocast: see there.
    """
    learner.model.train()
    with torch.autocast(batch.audio.device.type, torch.bfloat16, enabled=autocast):
        e = learner.model(*batch, generator=learner.masks, replay=replay)
    if autocast:
        e = Embeddings(*(x.to(batch.text.dtype) for x in e))
    report = losses(avca_terms(e, batch.text), learner.alignment, e)
    learner.optimizer.zero_grad()
    report["total"].backward()
    learner.optimizer.step()
    if replay:
        with torch.no_grad():  # its result is not used, but it moves the batch-norm statistics
            learner.model.embed(
                batch.audio, batch.video, batch.text, masks=Masks(learner.masks, released=True)
            )
    return {name: value.detach() for name, value in report.items()}


def losses(terms: dict[str, Tensor], alignment: Alignment | None, e: Embeddings) -> dict[str, Tensor]:
    """All that `train_step` reports, still with its gradients: Eq. 5's total of the 17 terms and the alignment loss."""
    report = dict(terms)
    whole = avca = total(terms)
    if alignment is not None:
        align = alignment(e)
        whole = avca + align.total
        report |= {"align": align.total, "k": align.curvatures.mean(dim=0)}
    return report | {"avca": avca, "total": whole}


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
    return Scores.of(phase, class_distances(theta_v, theta_w)).curve()


def evaluate(model: AVCA, phase: Phase, beta: float) -> Metrics:
    """S, U, HM and ZSL of a phase at a beta that was chosen elsewhere."""
    _, theta_v, theta_w = embed_phase(model, phase)
    return Scores.of(phase, class_distances(theta_v, theta_w)).metrics(beta)


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
