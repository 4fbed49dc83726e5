"""A feature set for worker processes: written once, mapped into memory by each, never pickled."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

from torch import Tensor

from hypav.checkpoint import load_tensors, save_tensors
from hypav.data.features import FeatureSet
from hypav.files import make_folder, write_json

__all__ = ["opened", "written"]

_TENSORS = ("audio", "video", "label", "text")
_INDEXED = ("splits", "split_classes")
_NAMES = ("class_names", "groups", "super_groups", "ids")
_PLAIN = ("name", "source", "simulated", "paper_key", "modelled_on")


@contextmanager
def written(data: FeatureSet, root: Path) -> Iterator[Path]:
    """The folder of `data` below `root`, for `opened`. It is named by content: the next grid finds it again."""
    folder = make_folder(root / ".data" / data.digest)
    if not (folder / "set.json").exists():
        tensors = {name: getattr(data, name) for name in _TENSORS}
        tensors |= {f"{part}.{name}": t for part in _INDEXED for name, t in getattr(data, part).items()}
        save_tensors(folder / "arrays.safetensors", tensors)
        write_json(folder / "set.json", {name: getattr(data, name) for name in (*_NAMES, *_PLAIN)})
    yield folder


@lru_cache(maxsize=2)
def opened(folder: Path) -> FeatureSet:
    """The set that `written` put there.

    Raises:
        RunError, DataError: it is damaged.
    """
    fields: dict[str, Any] = json.loads((folder / "set.json").read_text(encoding="utf-8"))
    tensors = load_tensors(folder / "arrays.safetensors")
    indexed: dict[str, dict[str, Tensor]] = {part: {} for part in _INDEXED}
    for name, tensor in tensors.items():
        part, _, split = name.partition(".")
        if split:
            indexed[part][split] = tensor
    for name in (*_NAMES, "paper_key", "modelled_on"):
        fields[name] = None if fields[name] is None else tuple(fields[name])
    parts: dict[str, Any] = {name: tensors[name] for name in _TENSORS} | indexed
    return FeatureSet(**fields, **parts)
