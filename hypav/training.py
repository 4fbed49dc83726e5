"""Two-stage training as the benchmark prescribes, with checkpoints from which an interrupted run resumes bit for bit.

Stage 1 trains on `train` and chooses the epoch and the beta with the highest HM on `val`. Stage 2 trains a fresh network
on `train_val` up to that epoch. It is tested once, with that beta. Nothing is chosen on test samples.

All methods trained with one seed share initial weights, batches and dropout masks: each of these has its own generator.
"""

from __future__ import annotations

import logging
import math
import re
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal, NamedTuple

import pandas as pd
import torch
from torch import Generator, Tensor
from tqdm.auto import tqdm

from hypav.alignment import Alignment, AlignmentConfig
from hypav.avca import AVCA, AVCAConfig, Embeddings
from hypav.baselines import NETWORKS, Network, NetworkConfig, build_network
from hypav.capture import GRAPHS, Captured, Turns, finish
from hypav.data.batches import TripletBatch, TripletSampler, make_batch
from hypav.data.features import FeatureSet, Phase
from hypav.errors import DataError, RunError, SettingError
from hypav.evaluation import Metrics, Scores, class_distances
from hypav.losses import avca_terms, total
from hypav.utils import load_checked, make_folder, pick_device, save_checked, threads

CHECKPOINT = "checkpoint.pt"
_UNFINISHED = re.compile(r"\.checkpoint\.pt\.[a-z0-9_]{8}\.tmp")  # the temporary names of `replacing`
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrainConfig:
    """The schedule; the defaults are the released ones.

    batches: class-balanced batches per epoch, for any size of the set.
    patience: epochs without a higher HM on `val` before the learning rate falls to a tenth.
    autocast: compute the network's matrix products in bfloat16; the losses and the geometry keep their precision. This
        is faster if the processor multiplies bfloat16 in hardware. But gradients are then rounded to 8 significant bits,
        and the encoders never see a loss as weak as the printed one at weight 1.
    """

    epochs: int = 50
    batches: int = 500
    batch_size: int = 256
    lr: float = 1e-3
    weight_decay: float = 1e-5
    patience: int = 3
    dtype: Literal["float32", "float64"] = "float32"
    autocast: bool = False

    def __post_init__(self) -> None:
        for name, least in (("epochs", 1), ("batches", 1), ("batch_size", 2), ("patience", 0)):
            value = getattr(self, name)
            if not isinstance(value, int) or value < least:
                raise SettingError(f"{name} is {value}; it must be a whole number, at least {least}.")
        if not (0 < self.lr < math.inf and 0 <= self.weight_decay < math.inf):
            raise SettingError(
                f"lr is {self.lr} and weight_decay {self.weight_decay}; lr must be > 0, weight_decay >= 0."
            )
        if self.dtype not in ("float32", "float64"):
            raise SettingError(f'dtype is {self.dtype!r}; choose "float32" or "float64".')


@dataclass(frozen=True)
class RunConfig:
    """Everything that determines a run, apart from the data. The network without an alignment is a baseline.

    Raises:
        SettingError: the seed is no whole number from 0 to 2^63 - 1; CJME or AVGZSLNet with an alignment.
    """

    network: NetworkConfig
    train: TrainConfig = TrainConfig()
    alignment: AlignmentConfig | None = None
    seed: int = 42

    def __post_init__(self) -> None:
        if not isinstance(self.seed, int) or not 0 <= self.seed < 2**63:
            raise SettingError(f"seed is {self.seed}; it must be a whole number from 0 to 2^63 - 1.")
        if self.alignment is not None and not isinstance(self.network, AVCAConfig):
            raise SettingError(f"{self.network.method} takes no alignment loss: it belongs to AVCA.")

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON, which `from_dict` reads. The network has its "method" if it is not AVCA."""
        values = asdict(self)
        if self.alignment is not None:
            values["alignment"] = self.alignment.to_dict()
        if type(self.network) is not AVCAConfig:
            values["network"]["method"] = self.network.method
        return values

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> RunConfig:
        """The inverse of `to_dict`."""
        alignment, network = values["alignment"], dict(values["network"])
        return cls(
            network=NETWORKS[network.pop("method", AVCAConfig.method)](**network),
            train=TrainConfig(**values["train"]),
            alignment=None if alignment is None else AlignmentConfig.from_dict(alignment),
            seed=values["seed"],
        )


@dataclass
class Learner:
    """A network in training, with everything that its next step depends on.

    words: (K, D_w), the word vectors of all training classes, which only CJME needs.
    """

    model: Network
    alignment: Alignment | None
    optimizer: torch.optim.Adam
    scheduler: torch.optim.lr_scheduler.ReduceLROnPlateau
    sampling: Generator
    masks: Generator
    words: Tensor | None = None

    @classmethod
    def fresh(cls, config: RunConfig, device: torch.device) -> Learner:
        """A learner before its first step, with one generator each for weights, curvature layer, batches and masks."""
        root = Generator().manual_seed(config.seed)
        seeds = torch.randint(2**62, (4,), generator=root).tolist()
        weights, curvatures = (Generator().manual_seed(s) for s in seeds[:2])
        sampling, masks = (Generator(device).manual_seed(s) for s in seeds[2:])
        dtype = getattr(torch, config.train.dtype)
        model = build_network(config.network, weights).to(device, dtype)
        learned = list(model.parameters())
        alignment = None
        if config.alignment is not None:
            assert isinstance(config.network, AVCAConfig)
            alignment = Alignment(config.alignment, config.network.dim_phi, curvatures).to(device, dtype)
            learned += alignment.parameters()
        optimizer = torch.optim.Adam(
            learned, lr=config.train.lr, weight_decay=config.train.weight_decay, fused=True
        )
        scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(
            optimizer, mode="max", factor=0.1, patience=config.train.patience, threshold=1e-4
        )
        return cls(model, alignment, optimizer, scheduler, sampling, masks)

    def tensors(self) -> dict[str, Tensor]:
        """All tensors that a step changes, by name; not copies. Adam's exist from its first step on."""
        modules = (
            {"model": self.model}
            if self.alignment is None
            else {"model": self.model, "alignment": self.alignment}
        )
        adam = self.optimizer.state_dict()["state"]
        parts = {name: module.state_dict() for name, module in modules.items()}
        parts |= {f"adam {number}": values for number, values in adam.items()}
        return {f"{part} {name}": x for part, values in parts.items() for name, x in values.items()}

    def captured(self, step: Callable[..., Mapping[str, Tensor]], example: Sequence[Tensor]) -> Captured:
        """A step of this learner, recorded with the shapes of a batch; see `hypav.capture`.

        Raises:
            RuntimeError: the device cannot record the step. The learner is as before.
        """
        drawn = self.masks.get_state()
        try:
            return Captured(
                step, example, tensors=self.tensors, optimizer=self.optimizer, generator=self.masks
            )
        except RuntimeError:
            # a generator whose recording was cut off may refuse to draw
            self.masks = Generator(self.masks.device)
            self.masks.set_state(drawn)
            raise

    def state(self) -> dict[str, Any]:
        """Tensors and plain values from which `restore` continues."""
        return {
            "model": self.model.state_dict(),
            "alignment": None if self.alignment is None else self.alignment.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scheduler": self.scheduler.state_dict(),
            "sampling": self.sampling.get_state(),
            "masks": self.masks.get_state(),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Return to the point at which `state` was taken."""
        self.model.load_state_dict(state["model"])
        if self.alignment is not None:
            self.alignment.load_state_dict(state["alignment"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.scheduler.load_state_dict(state["scheduler"])
        self.sampling.set_state(state["sampling"])
        self.masks.set_state(state["masks"])


def train_step(learner: Learner, batch: TripletBatch, *, autocast: bool = False) -> dict[str, Tensor]:
    """Take one forward, backward and optimiser step on a batch and return its losses.

    Returns:
        The detached losses: the 17 terms of L_avca, their sum "avca", and "total". With an alignment also "align", and
        "k" (H,), the mean curvature of each head. Of CJME and AVGZSLNet their terms and "total".
    """
    learner.model.train()
    report = _losses(learner, batch, autocast)
    learner.optimizer.zero_grad()
    report["total"].backward()
    learner.optimizer.step()
    return {name: value.detach() for name, value in report.items()}


def _losses(learner: Learner, batch: TripletBatch, autocast: bool) -> dict[str, Tensor]:
    model, dtype = learner.model, batch.text.dtype
    with torch.autocast(batch.audio.device.type, torch.bfloat16, enabled=autocast):
        if isinstance(model, AVCA):
            e = model(*batch, generator=learner.masks)
        else:
            joint = vars(model(*batch, words=learner.words, generator=learner.masks))
    if isinstance(model, AVCA):
        e = Embeddings(*(x.to(dtype) for x in e)) if autocast else e
        return losses(avca_terms(e, batch.text), learner.alignment, e)
    terms = model.terms(SimpleNamespace(**{name: x.to(dtype) for name, x in joint.items()}), batch.text)
    return terms | {"total": total(terms)}


def losses(terms: dict[str, Tensor], alignment: Alignment | None, e: Embeddings) -> dict[str, Tensor]:
    """The losses of `train_step`, with gradients. Eq. 5's total is the sum of the 17 terms and the alignment loss."""
    report = dict(terms)
    whole = avca = total(terms)
    if alignment is not None:
        align = alignment(e)
        whole = avca + align.total
        report |= {"align": align.total, "k": align.curvatures.mean(dim=0)}
    return report | {"avca": avca, "total": whole}


def weight_of_pull(config: RunConfig, phase: Phase, device: torch.device) -> float:
    """The weight at which a stage's first step has the pull of the configuration.

    It is pull |g_avca| / |g_align|, with the gradients of L_avca and of the unweighted alignment loss on phi_v and phi_a
    of the positive samples. They are on phi whichever embeddings are aligned, as phi_att and theta follow from phi.

    A second fresh learner takes the stage's first batch with its dropout masks, so the run's generators do not move. One
    batch is enough: all losses of a seed meet the same one, and from batch to batch the weight varies by about 10 %.

    Raises:
        RunError: no weight does it, as one of the gradients is zero, NaN or infinite.
    """
    assert config.alignment is not None
    pull = config.alignment.pull
    assert pull is not None
    learner, schedule = Learner.fresh(config, device), config.train
    assert isinstance(learner.model, AVCA)
    sampler = TripletSampler(phase.label, batch_size=schedule.batch_size, generator=learner.sampling)
    indices, negatives = sampler.draw(schedule.batches)
    phis: list[
        Tensor
    ] = []  # (2B, D) with the negatives; the attention follows from these, not from `Embeddings.phi_v`
    for encoder in (learner.model.encode_v, learner.model.encode_a):
        encoder.register_forward_hook(lambda _module, _inputs, phi: phis.append(phi))
    report = _losses(learner, make_batch(phase, indices[0], negatives[0]), schedule.autocast)
    lengths = []
    for name in ("avca", "align"):
        both = torch.autograd.grad(report[name], phis, retain_graph=True)
        lengths.append(torch.cat([g[: schedule.batch_size].double() for g in both]).norm().item())
    avca, align = lengths
    weight = pull * avca / align if align > 0 else math.inf
    if not 0 < weight < torch.finfo(getattr(torch, schedule.dtype)).max:
        raise RunError(
            f"No weight has a pull of {pull:g} on {phase.name}, as the gradient on phi has length {avca:.3g} for L_avca "
            f"and {align:.3g} for the alignment loss; give a weight instead, or another alignment loss."
        )
    return weight


class Embedded(NamedTuple):
    """A phase in the joint space: theta_a (N, D) and theta_v (N, D) of its samples, theta_w (K, D) of its classes."""

    theta_a: Tensor
    theta_v: Tensor
    theta_w: Tensor


def embed_phase(model: Network, phase: Phase, *, chunk: int = 4096) -> Embedded:
    """The thetas of a phase in evaluation mode, on the model's device and in its dtype; `chunk` samples at a time."""
    return Embedded(*_embed(model, phase, chunk)[:3])


def _embed(model: Network, phase: Phase, chunk: int = 4096) -> list[Tensor]:
    """The thetas; of CJME also its alpha."""
    like = next(model.parameters())
    phase = phase.to(like.device, like.dtype)
    was_training = model.training
    model.eval()
    parts = []
    with torch.no_grad():
        for start in range(0, len(phase), chunk):
            rows = slice(start, start + chunk)
            parts.append(model.embed(phase.audio[rows], phase.video[rows], phase.text))
    model.train(was_training)
    theta_a, theta_v, theta_w, *alpha = zip(*parts, strict=True)
    return [torch.cat(theta_a), torch.cat(theta_v), theta_w[0], *map(torch.cat, alpha)]


@dataclass
class Run:
    """A finished run.

    metrics: on test, at the beta chosen on validation.
    val: on val, in the chosen epoch `best_epoch`.
    epochs: the losses, learning rate and val metrics of every epoch of both stages; `history` is the same as a table.
        With a pull also "align_weight", the weight that it became in this stage.
    model, alignment: the networks after stage 2, in evaluation mode.
    seconds: total training time, including interrupted sessions.
    """

    config: RunConfig
    metrics: Metrics
    val: Metrics
    best_epoch: int
    epochs: list[dict[str, Any]]
    model: Network
    alignment: Alignment | None
    seconds: float

    @property
    def history(self) -> pd.DataFrame:
        """A table with one row per epoch; the columns "stage" and "epoch" come first."""
        return pd.DataFrame(self.epochs)

    def embed(self, phase: Phase) -> Embedded:
        """The thetas of a phase."""
        return embed_phase(self.model, phase)


def score(run: Run | Network, phase: Phase) -> Scores:
    """The distances of every sample of a phase to every class word, as the released code has them.

    AVCA goes by theta_v alone, CJME by the modality that its alpha chooses, AVGZSLNet by the sum over both.

    Raises:
        DataError: the embeddings hold NaN or infinite values.

    >>> import hypav as hv
    >>> data = hv.load("simulated:small")
    >>> run = hv.train(data, "avca", epochs=1, batches=2)
    >>> scores = score(run, data["test"])
    >>> scores.metrics(beta=run.metrics.beta) == run.metrics
    True
    """
    model = run.model if isinstance(run, Run) else run
    thetas = _embed(model, phase)
    distances = class_distances(*thetas[1:]) if isinstance(model, AVCA) else model.distances(*thetas)
    return Scores.of(phase.to(distances.device), distances)


def train(
    data: FeatureSet,
    config: RunConfig,
    *,
    folder: Path | None = None,
    device: str | torch.device = "auto",
    progress: bool | None = None,
    label: str = "run",
    checkpoint_seconds: float = 0.0,
    capture: bool | Literal["auto"] = "auto",
) -> Run:
    """Train in two stages, test, and return the run.

    An interrupted run resumes from the checkpoint in `folder` and gives the same bits. A checkpoint that is damaged or of
    another run raises an error and is kept: remove it, or choose another folder.

    Args:
        folder: for the checkpoint, one folder per run; None writes nothing. Remove it when the run is recorded.
        device: "auto" is the first GPU if there is one, else the CPU.
        progress: show a bar; None shows it if the error stream is a terminal.
        label: the name of the run on the bar.
        checkpoint_seconds: minimum seconds between checkpoints; 0 saves after every epoch.
        capture: record the training step once per stage as a CUDA graph and replay it. "auto" does so on a GPU; where it
            fails, one sentence is logged and the steps run as on a CPU. True raises an error instead.

    Raises:
        SettingError: the network does not fit the data; no such device; capture=True without a GPU.
        RunError: the loss or the embeddings became NaN or infinite; no weight has the pull; the checkpoint cannot be
            written or read; with capture=True, the step cannot be recorded.
    """
    return finish(train_in_turns(data, config, folder, device, progress, label, checkpoint_seconds, capture))


def train_in_turns(
    data: FeatureSet,
    config: RunConfig,
    folder: Path | None = None,
    device: str | torch.device = "auto",
    progress: bool | None = None,
    label: str = "run",
    checkpoint_seconds: float = 0.0,
    capture: bool | Literal["auto"] = "auto",
) -> Turns[Run]:
    """`train` as a generator. It yields before each wait for the device, and within an epoch as `Captured.epoch` does."""
    for name in ("dim_audio", "dim_video", "dim_text"):
        wanted, given = getattr(config.network, name), getattr(data, name)
        if wanted != given:
            raise SettingError(f"The network takes {name} {wanted} but {data.name} has {given}.")
    path = None if folder is None else make_folder(folder) / CHECKPOINT
    stages = _Stages(data, config, pick_device(device), path, checkpoint_seconds, capture)
    stages.resume()
    hidden = None if progress is None else not progress
    with tqdm(total=2 * config.train.epochs, desc=label, unit="epoch", disable=hidden) as bar:
        bar.update(len(stages.epochs))
        yield from stages.run(1, config.train.epochs, bar)
        bar.total = config.train.epochs + stages.best_epoch
        yield from stages.run(2, stages.best_epoch, bar)
    learner, val = stages.learner, stages.val
    metrics = score(learner.model, stages.phase("test")).metrics(val.beta)
    network = (learner.model.eval(), learner.alignment)
    seconds = time.perf_counter() - stages.started
    return Run(config, metrics, val, stages.best_epoch, stages.epochs, *network, seconds)


@dataclass
class _Stages:
    """The state of the two stages after an epoch."""

    data: FeatureSet
    config: RunConfig
    device: torch.device
    path: Path | None
    checkpoint_seconds: float
    capture: bool | Literal["auto"] = "auto"
    epochs: list[dict[str, Any]] = field(default_factory=list)
    best_epoch: int = 0
    val: Metrics = field(default_factory=lambda: Metrics(S=0.0, U=0.0, HM=0.0, ZSL=0.0, beta=0.0))
    started: float = field(default_factory=time.perf_counter)

    def __post_init__(self) -> None:
        self.saved = self.started
        self.learner = Learner.fresh(self.config, self.device)
        self.captured: Captured | None = None
        if self.capture not in ("auto", True, False):
            raise SettingError(f'capture is {self.capture!r}; choose "auto", True or False.')
        if self.capture is True and self.device.type not in GRAPHS:
            raise SettingError(
                f'capture=True needs a GPU, not device {self.device.type!r}; choose "auto" or False.'
            )

    def phase(self, name: str) -> Phase:
        return self.data.phase(name).to(self.device, getattr(torch, self.config.train.dtype))

    def run(self, stage: int, until: int, bar: tqdm) -> Turns[None]:
        """Train the epochs of a stage that are still missing; yields as `train_in_turns` does."""
        done = sum(row["stage"] == stage for row in self.epochs)
        if done >= until:
            return
        self.captured = None
        if stage == 2 and not done:
            self.learner = Learner.fresh(self.config, self.device)
        phase, val = self.phase("train" if stage == 1 else "train_val"), self.phase("val")
        sampler = TripletSampler(
            phase.label, batch_size=self.config.train.batch_size, generator=self.learner.sampling
        )
        weight = None if self.learner.alignment is None else self.learner.alignment.weight
        if isinstance(weight, Tensor) and not done:
            weight.fill_(weight_of_pull(self.config, phase, self.device))
        pulled = {"align_weight": weight.item()} if isinstance(weight, Tensor) else {}
        for epoch in range(done + 1, until + 1):
            started = yield from self.steps(phase, sampler)
            yield
            means: dict[str, Any] = {name: mean.tolist() for name, mean in started.items()}
            problem = None if math.isfinite(means["total"]) else f"The loss became {means['total']}"
            try:
                best = None if problem else score(self.learner.model, val).curve().best()
            except DataError:  # the last step broke the network after its loss was computed
                best, problem = None, "The embeddings became NaN or infinite"
            if best is None:
                raise RunError(
                    f"{problem} in epoch {epoch} of stage {stage}; earlier checkpoints are kept: "
                    "lower the learning rate or the alignment weight, and check the features with `hypav data verify`."
                )
            lr = self.learner.optimizer.param_groups[0]["lr"]
            self.epochs.append({"stage": stage, "epoch": epoch, **means, **pulled, "lr": lr, **asdict(best)})
            self.learner.scheduler.step(best.HM)
            # as released: strictly greater, but a best HM of 0 is always replaced
            if stage == 1 and (best.HM > self.val.HM or self.val.HM == 0):
                self.best_epoch, self.val = epoch, best
            self.save()
            bar.set_postfix_str(f"stage {stage} loss {means['total']:.3f} val HM {100 * best.HM:.1f}")
            bar.update()

    def steps(self, phase: Phase, sampler: TripletSampler) -> Turns[dict[str, Tensor]]:
        """Train one epoch and return its mean losses, on the device, without waiting; yields as `Captured.epoch`."""
        indices, negatives = sampler.draw(self.config.train.batches)
        learner, autocast = self.learner, self.config.train.autocast
        learner.words = phase.text

        def step(index: Tensor, negative: Tensor) -> dict[str, Tensor]:
            return train_step(learner, make_batch(phase, index, negative), autocast=autocast)

        if self.captured is None:
            self._record(step, (indices[0], negatives[0]))
        batches = zip(indices, negatives, strict=True)
        sums: dict[str, Tensor] = {}
        if self.captured is not None:
            sums = yield from self.captured.epoch(batches)
        else:
            for index, negative in batches:
                for name, value in step(index, negative).items():
                    sums[name] = sums[name] + value if name in sums else value
        return {name: value / len(indices) for name, value in sums.items()}

    def _record(self, step: Callable[..., dict[str, Tensor]], example: Sequence[Tensor]) -> None:
        """Record the step, if this run is to replay it."""
        if self.capture is False or self.device.type not in GRAPHS:
            return
        try:
            self.captured = self.learner.captured(step, example)
        except RuntimeError as error:
            reason = (str(error).strip().splitlines() or ["no message"])[0].rstrip(".")
            problem = (
                f"The training step cannot be recorded as a CUDA graph ({type(error).__name__}: {reason})"
            )
            if self.capture is True:
                raise RunError(f"{problem}; train with capture=False.") from error
            _log.warning("%s; this run is trained without.", problem)
            self.capture = False

    def save(self) -> None:
        now = time.perf_counter()
        if self.path is None or now - self.saved < self.checkpoint_seconds:
            return
        self.saved = now
        progress = {
            "learner": self.learner.state(),
            "epochs": self.epochs,
            "best_epoch": self.best_epoch,
            "val": asdict(self.val),
            "seconds": now - self.started,
        }
        make_folder(self.path.parent)  # another process that needed no checkpoint may have removed it
        save_checked(self.path, {"of": _of(self.data, self.config, self.device), **progress})

    def resume(self) -> None:
        """Continue from the checkpoint, if there is one.

        Raises:
            RunError: it is damaged or belongs to another run.
        """
        if self.path is None or not self.path.exists():
            return
        saved = load_checked(self.path)
        try:
            if saved["of"] != _of(self.data, self.config, self.device):
                raise RunError(
                    f"{self.path} is the checkpoint of another configuration, other data or another device "
                    f"({saved['of']['device']}); choose another folder."
                )
            self.learner.restore(saved["learner"])
            self.epochs, self.best_epoch = saved["epochs"], saved["best_epoch"]
            self.val = Metrics(**saved["val"])
            self.started -= saved["seconds"]
        except (LookupError, TypeError, ValueError, ArithmeticError, RuntimeError, AttributeError) as error:
            raise RunError(f"{self.path} is not a checkpoint of hypav; remove it and train again.") from error


def _of(data: FeatureSet, config: RunConfig, device: torch.device) -> dict[str, Any]:
    return {"config": config.to_dict(), "data": data.digest, "device": device.type}


def discard_checkpoint(folder: Path, data: FeatureSet, config: RunConfig, device: str) -> None:
    """Remove what `train` wrote for this run: its checkpoint, what a kill left of one, and the folder if it is empty.

    Files of others stay, a checkpoint of another run too.
    """
    path = folder / CHECKPOINT
    with suppress(OSError, RunError):
        if load_checked(path).get("of") == _of(data, config, torch.device(device)):
            path.unlink()
    with suppress(OSError):
        for part in folder.iterdir():
            if _UNFINISHED.fullmatch(part.name):
                part.unlink()
        folder.rmdir()


def step_seconds(data: FeatureSet, config: RunConfig, device: torch.device, steps: int = 5) -> float:
    """Seconds per training step of a run, measured on one thread."""
    config = replace(config, train=replace(config.train, batches=steps))
    with threads(1):
        stages = _Stages(data, config, device, None, 0.0)
        phase = stages.phase("train")
        sampler = TripletSampler(
            phase.label, batch_size=config.train.batch_size, generator=stages.learner.sampling
        )
        start = 0.0
        for _ in range(2):  # the first steps import, allocate and record
            start = time.perf_counter()
            finish(stages.steps(phase, sampler))["total"].item()
        return (time.perf_counter() - start) / steps


def _sizes(state: Mapping[str, Tensor]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in state.items()}


def save_model(path: Path, run: Run) -> None:
    """Write the trained network and its curvature layer. torch.load(path, weights_only=True) can read the file too."""
    alignment = None if run.alignment is None else run.alignment.state_dict()
    content = {"config": run.config.to_dict(), "model": run.model.state_dict(), "alignment": alignment}
    save_checked(path, content)


def load_model(path: Path, config: RunConfig) -> tuple[Network, Alignment | None]:
    """The network that `save_model` wrote and its alignment module, in evaluation mode, on the CPU.

    Raises:
        RunError: the file is missing, damaged, changed by hand, or of another configuration.
    """
    saved = load_checked(path)
    if saved.get("config") != config.to_dict():
        raise RunError(f"{path} is not the network of this configuration; train again, or give another file.")
    try:
        with torch.device("meta"):  # the sizes of the configuration are compared before they are allocated
            bare: dict[str, torch.nn.Module] = {"model": build_network(config.network, Generator("cpu"))}
            if config.alignment is not None:
                assert isinstance(config.network, AVCAConfig)
                bare["alignment"] = Alignment(config.alignment, config.network.dim_phi, Generator("cpu"))
        for part, module in bare.items():
            if _sizes(module.state_dict()) != _sizes(saved[part]):
                raise ValueError(f"the sizes of {part} are not those of the configuration")
        learner = Learner.fresh(config, torch.device("cpu"))
        learner.model.load_state_dict(saved["model"])
        if learner.alignment is not None:
            learner.alignment.load_state_dict(saved["alignment"])
    except (LookupError, TypeError, ValueError, ArithmeticError, RuntimeError, AttributeError) as error:
        raise RunError(f"{path} is not a network of hypav; remove it and train again.") from error
    return learner.model.eval(), learner.alignment
