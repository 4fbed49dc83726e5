"""One run in one folder: its configuration, checkpoints, result and trained network; found again, never run twice."""

from __future__ import annotations

import hashlib
import json
import platform
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

import hypav
from hypav.alignment import Alignment
from hypav.avca import AVCA, build_avca
from hypav.checkpoint import load_tensors, save_tensors
from hypav.data.features import FeatureSet
from hypav.errors import RunError
from hypav.files import make_folder, write_json
from hypav.learner import RunConfig
from hypav.machine import pick_device, threads
from hypav.training import RunResult, train

__all__ = ["load_model", "load_record", "run", "run_folder", "run_key"]

RESULT, MODEL = "result.json", "model.safetensors"


def run_key(data: FeatureSet, config: RunConfig) -> str:
    """Twelve hex digits that any change of configuration, data, or version of hypav or torch changes."""
    versions = [hypav.__version__, torch.__version__]
    determines = json.dumps(
        {"config": config.to_dict(), "data": data.digest, "program": versions}, sort_keys=True
    )
    return hashlib.blake2b(determines.encode(), digest_size=6).hexdigest()


def run_folder(root: Path, data: FeatureSet, config: RunConfig, method: str) -> Path:
    """Where a run lives below `root`: data/method-seed-key."""
    return root / _slug(data.name) / f"{_slug(method)}-seed{config.seed}-{run_key(data, config)}"


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9.+-]+", "-", text.lower()).strip("-.") or "data"  # ".." would leave the root


def run(
    data: FeatureSet,
    config: RunConfig,
    *,
    method: str,
    root: Path,
    labels: Mapping[str, Any] | None = None,
    device: str = "auto",
    thread_count: int = 1,
    progress: bool | None = None,
) -> dict[str, Any]:
    """Trains, tests and records one run below `root`; goes on with a broken-off one and returns a finished one's record.

    Args:
        method: its name in tables.
        labels: what else the record should say, e.g. the preset's and the recipe's name.

    Raises:
        RunError: the folder cannot be written, or holds a damaged record; DataError, SettingError as `train`.
    """
    folder = run_folder(root, data, config, method)
    if not (folder / RESULT).exists():
        _train_and_record(data, config, folder, method, labels or {}, device, thread_count, progress)
    record = load_record(folder)
    # the record and the network hold all that is needed
    for spent in (*folder.glob("*checkpoint*"), *folder.glob(".*.tmp")):
        with suppress(OSError):
            spent.unlink()
    return record


def _train_and_record(
    data: FeatureSet,
    config: RunConfig,
    folder: Path,
    method: str,
    labels: Mapping[str, Any],
    device: str,
    thread_count: int,
    progress: bool | None,
) -> None:
    make_folder(folder)
    with threads(thread_count):
        result = train(data, config, folder=folder, device=device, progress=progress, label=method)
    save_tensors(folder / MODEL, _model_tensors(result))
    record = {
        "method": method,
        **labels,
        "data": {
            "name": data.name,
            "digest": data.digest,
            "simulated": data.simulated,
            "source": data.source,
        },
        "config": config.to_dict(),
        "metrics": asdict(result.metrics),
        "val": asdict(result.val),
        "best_epoch": result.best_epoch,
        "history": result.history,
        "seconds": result.seconds,
        "machine": {
            "device": str(pick_device(device)),
            "threads": thread_count,
            "hypav": hypav.__version__,
            "torch": torch.__version__,
            "numpy": np.__version__,
            "python": platform.python_version(),
        },
    }
    write_json(folder / RESULT, record)


def _model_tensors(result: RunResult) -> dict[str, torch.Tensor]:
    parts = {"model": result.model.state_dict()}
    if result.alignment is not None:
        parts["alignment"] = result.alignment.state_dict()
    return {f"{part}.{name}": tensor for part, named in parts.items() for name, tensor in named.items()}


def load_record(folder: Path) -> dict[str, Any]:
    """The record of a finished run.

    Raises:
        RunError: there is none, or it is damaged.
    """
    path = folder / RESULT
    if not path.exists():
        raise RunError(
            f"{folder} holds no finished run ({RESULT} is missing); train it first, or give another folder."
        )
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        RunConfig.from_dict(record["config"])
        if not {"method", "data", "metrics", "val", "best_epoch", "history"} <= set(record):
            raise KeyError("a part is missing")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunError(f"{path} is damaged ({error}); remove its folder and train again.") from error
    return record


def load_model(folder: Path) -> tuple[AVCA, Alignment | None, dict[str, Any]]:
    """The trained network of a finished run in evaluation mode, its alignment module and its record.

    Raises:
        RunError: the run is not finished or damaged.
    """
    record = load_record(folder)
    config = RunConfig.from_dict(record["config"])
    tensors = load_tensors(folder / MODEL)
    parts: dict[str, dict[str, torch.Tensor]] = {"model": {}, "alignment": {}}
    for key, tensor in tensors.items():
        part, _, name = key.partition(".")
        parts.setdefault(part, {})[name] = tensor
    model = build_avca(config.network, torch.Generator())
    alignment = None
    if config.alignment is not None:
        alignment = Alignment(config.alignment, config.network.dim_phi, torch.Generator())
    dtype = getattr(torch, config.train.dtype)
    try:
        model.to(dtype).load_state_dict(parts["model"])
        if alignment is not None:
            alignment.to(dtype).load_state_dict(parts["alignment"])
    except RuntimeError as error:
        raise RunError(
            f"{folder / MODEL} does not fit its record; remove the folder and train again."
        ) from error
    return model.eval(), alignment, record
