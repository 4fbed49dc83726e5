"""A feature set for worker processes: written once, mapped into memory by each, never pickled."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

from torch import Tensor

from hypav.data.features import FeatureSet
from hypav.errors import RunError
from hypav.experiments.claims import claim, share
from hypav.training import load_tensors, save_tensors
from hypav.utils import make_folder, write_json

__all__ = ["opened", "written"]

ARRAYS, DESCRIPTION = "arrays.safetensors", "set.json"
_TENSORS = ("audio", "video", "label", "text")
_INDEXED = ("splits", "split_classes")
_NAMES = ("class_names", "groups", "super_groups", "ids")
_PLAIN = ("name", "source", "simulated", "paper_key", "modelled_on")


@contextmanager
def written(data: FeatureSet, root: Path) -> Iterator[Path]:
    """The folder of `data` below `root`, for `opened`. It is named by content, so that grids at one time share it; the
    last of them removes it."""
    folder, lock = root / ".data" / data.digest, root / ".data" / f"{data.digest}.lock"
    try:
        with share(lock):
            make_folder(folder)
            if not (folder / DESCRIPTION).exists():
                tensors = {name: getattr(data, name) for name in _TENSORS}
                tensors |= {
                    f"{part}.{name}": t for part in _INDEXED for name, t in getattr(data, part).items()
                }
                save_tensors(folder / ARRAYS, tensors)
                write_json(folder / DESCRIPTION, {name: getattr(data, name) for name in (*_NAMES, *_PLAIN)})
            yield folder
    finally:
        with claim(lock) as alone:
            if alone:
                shutil.rmtree(folder, ignore_errors=True)


@lru_cache(maxsize=2)
def opened(folder: Path) -> FeatureSet:
    """The set that `written` put there.

    Raises:
        RunError, DataError: it is damaged.
    """
    path = folder / DESCRIPTION
    try:
        fields: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RunError(
            f"Cannot read {path} ({error}); remove {folder} and give the command again."
        ) from error
    tensors = load_tensors(folder / ARRAYS)
    indexed: dict[str, dict[str, Tensor]] = {part: {} for part in _INDEXED}
    for name, tensor in tensors.items():
        part, _, split = name.partition(".")
        if split:
            indexed[part][split] = tensor
    for name in (*_NAMES, "paper_key", "modelled_on"):
        fields[name] = None if fields[name] is None else tuple(fields[name])
    parts: dict[str, Any] = {name: tensors[name] for name in _TENSORS} | indexed
    return FeatureSet(**fields, **parts)
