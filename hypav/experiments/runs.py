"""One run in one folder: its configuration, checkpoints, result and trained network; found again, never run twice."""

from __future__ import annotations

import json
import platform
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
from hypav.data.features import FeatureSet
from hypav.errors import RunError
from hypav.experiments.measures import NUMERICS_VERSION, measure
from hypav.experiments.memory import forget_peak, peak_memory
from hypav.experiments.recipes import Recipe
from hypav.experiments.records import Record, key_of, new_record
from hypav.training import RunConfig, RunResult, load_tensors, save_tensors, train
from hypav.utils import make_folder, pick_device, slug, threads, write_json

__all__ = [
    "is_kept",
    "keep",
    "load_model",
    "load_record",
    "remove_checkpoints",
    "run",
    "run_folder",
    "run_key",
    "run_light",
]

RESULT, MODEL = "result.json", "model.safetensors"
CHECKPOINT_SECONDS = 30.0  # between the checkpoints of `run_light`


def run_key(data: FeatureSet, config: RunConfig, device: str = "cpu") -> str:
    """The `key_of` a run with this program; of the device only its type counts."""
    return key_of(config.to_dict(), data.digest, NUMERICS_VERSION, device)


def run_folder(root: Path, data: FeatureSet, config: RunConfig, method: str, device: str = "cpu") -> Path:
    """Where a run lives below `root`: data/method-seed-key."""
    return root / slug(data.name) / f"{slug(method)}-seed{config.seed}-{run_key(data, config, device)}"


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
    device = str(pick_device(device))
    folder = run_folder(root, data, config, method, device)
    if not (folder / RESULT).exists():
        _train_and_record(data, config, folder, method, labels or {}, device, thread_count, progress)
    record = load_record(folder)
    remove_checkpoints(folder)  # the record and the network hold all that is needed
    return record


def remove_checkpoints(folder: Path) -> None:
    """Removes a finished run's checkpoints and what a kill left half-written, and the folder if nothing else is in it."""
    for spent in (*folder.glob("*checkpoint*"), *folder.glob(".*.tmp")):
        with suppress(OSError):
            spent.unlink()
    with suppress(OSError):
        folder.rmdir()


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
    keep(folder, data, config, result, method, labels, device, thread_count)


def keep(
    folder: Path,
    data: FeatureSet,
    config: RunConfig,
    result: RunResult,
    method: str,
    labels: Mapping[str, Any],
    device: str,
    thread_count: int,
) -> None:
    """Writes the trained network and then the record of a run, which makes it a finished one."""
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
            "device": device,
            "threads": thread_count,
            "hypav": hypav.__version__,
            "torch": torch.__version__,
            "numpy": np.__version__,
            "python": platform.python_version(),
        },
    }
    write_json(folder / RESULT, record)


def is_kept(folder: Path) -> bool:
    """Whether the record and the network that `keep` wrote are still there."""
    return all((folder / name).is_file() for name in (RESULT, MODEL))


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


def run_light(
    data: FeatureSet,
    config: RunConfig,
    *,
    root: Path,
    method: str,
    preset: str,
    recipe: Recipe,
    scale_name: str,
    keep_network: bool = False,
    measure_delta: bool = False,
    device: str = "auto",
    thread_count: int = 1,
) -> Record:
    """As `run`, but for many short runs: nothing is written beside a checkpoint every CHECKPOINT_SECONDS, which the
    caller removes (`remove_checkpoints`) when the record is safe, and with keep_network what `run` keeps.

    measure_delta: delta_rel of theta_v on test, as Table 7, and that of noise.

    Raises: as `run`.
    """
    device = str(pick_device(device))
    folder = make_folder(run_folder(root, data, config, method, device))
    own_peak = forget_peak()
    with threads(thread_count):
        try:
            result = train(
                data,
                config,
                folder=folder,
                checkpoint_seconds=CHECKPOINT_SECONDS,
                device=device,
                progress=False,
            )
            measures = measure(data, config, result, delta=measure_delta)
        except RunError:
            with suppress(OSError):
                folder.rmdir()  # where nothing was saved
            raise
    if keep_network:
        labels = {"preset": preset, "recipe": recipe.name}
        keep(folder, data, config, result, method, labels, device, thread_count)
    return new_record(
        run_key(data, config, device),
        data,
        config,
        measures,
        method=method,
        preset=preset,
        recipe=recipe,
        scale_name=scale_name,
        seconds=result.seconds,
        memory_mb=peak_memory() if own_peak else None,
        device=device,
        threads=thread_count,
        folder=str(folder.relative_to(root)) if keep_network else None,
    )
