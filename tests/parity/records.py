"""Recorded numbers: reading them, and how far ours may be from them."""

from __future__ import annotations

import json
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
from torch import Tensor

from hypav.errors import DataError

TOLERANCE = {"float64": 1e-10, "float32": 1e-5}

Arrays = Mapping[str, np.ndarray]


class Row(NamedTuple):
    """A compared number or table: the largest error relative to the largest recorded entry."""

    file: str
    term: str
    error: float
    tolerance: float

    @property
    def passed(self) -> bool:
        return self.error <= self.tolerance  # False for NaN


def load_arrays(path: Path) -> dict[str, np.ndarray]:
    try:
        archive = np.load(path, allow_pickle=False)
        if isinstance(archive, np.ndarray):
            raise DataError(f"{path} holds one bare array; it must be an npz archive of named arrays.")
        with archive:
            arrays = {name: archive[name] for name in archive.files}
    except (OSError, ValueError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(f"Cannot read {path}: {error}.") from error
    for name, array in arrays.items():
        if not isinstance(array, np.ndarray) or array.dtype.kind not in "fiub":
            raise DataError(f"{path}: {name!r} is not an array of numbers.")
    return arrays


def load_json(path: Path) -> dict:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"Cannot read {path}: {error}.") from error


def compare(
    path: Path,
    term: str,
    ours: object,
    recorded: object,
    *,
    scale: float = 0.0,
    kind: str = "",
    least: float = 0.0,
) -> Row:
    """The row of a term.

    scale: the error is relative to this if the recorded entries are smaller.
    kind: the precision, if it is not that of the record.
    least: a lower bound of the tolerance.
    """
    reference = np.asarray(recorded)
    kind = kind or ("float32" if reference.dtype == np.float32 else "float64")
    tolerance = max(TOLERANCE[kind], least)
    reference = reference.astype(np.float64)
    values = ours.detach().cpu().double().numpy() if isinstance(ours, Tensor) else np.asarray(ours, float)
    if values.shape != reference.shape:
        return Row(path.name, f"{term} {values.shape} for {reference.shape}", float("inf"), tolerance)
    scale = max(scale, float(np.abs(reference).max(initial=0.0))) or 1.0
    return Row(path.name, term, float(np.abs(values - reference).max(initial=0.0)) / scale, tolerance)
