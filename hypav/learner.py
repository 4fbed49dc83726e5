"""What one run is (its configuration) and what it carries from step to step: weights, optimiser, random streams."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any, Literal

import torch
from torch import Generator, Tensor

from hypav.alignment import Alignment, AlignmentConfig
from hypav.avca import AVCA, AVCAConfig, Embeddings, build_avca
from hypav.checkpoint import optimizer_tensors, restore_optimizer
from hypav.data.batches import TripletBatch
from hypav.errors import SettingError
from hypav.layers import Masks
from hypav.objective import avca_terms, total

__all__ = ["Learner", "RunConfig", "TrainConfig", "losses", "train_step"]

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
