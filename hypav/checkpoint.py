"""Checkpoints that survive a kill at any moment: tensors in safetensors, the rest in JSON, no pickle.

checkpoint.json is the commit point: it names the tensor file that belongs to it, and is renamed into place after that
file is whole. Whatever moment a run dies at, the folder holds the last complete checkpoint.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from hypav.errors import RunError
from hypav.files import replacing, write_json

__all__ = [
    "load_checkpoint",
    "load_tensors",
    "optimizer_tensors",
    "restore_optimizer",
    "save_checkpoint",
    "save_tensors",
]

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
