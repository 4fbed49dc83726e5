"""Parity with the released code: recomputes the numbers that it recorded in a folder, term by term.

The folder holds the released model's weights (state.npz), one triplet batch (batch.npz) and what the released code
computed from them: forward passes, losses, gradients, batch-norm buffers, optimiser steps, alignment losses, metrics,
delta, sampling weights. Sizes are read from the weights. Released curvatures c are positive: k = -c.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from hypav.errors import DataError
from hypav.utils import threads

from .alignment import alignment, invariance
from .evaluation import delta, metrics, sampler
from .network import forward, gradients, masks, same_torch, steps
from .records import TOLERANCE, Arrays, Row, load_arrays, load_json

__all__ = ["TOLERANCE", "Row", "missing", "not_compared", "run_parity"]


GOLDEN = Path(__file__).parent.parent / "golden"
INPUTS = {"state.npz", "batch.npz"}
RECORDS = sorted(p.name for p in GOLDEN.iterdir() if p.suffix in (".npz", ".json") and p.name not in INPUTS)


def run_parity(folder: Path | str) -> Iterator[Row]:
    """A row for every recorded term, file by file. It uses one thread, so that sums are taken in the recorded order.

    Raises:
        DataError: state.npz or batch.npz is missing, the folder holds no known record, or a file is damaged.
    """
    folder = Path(folder)
    state = {name: torch.from_numpy(array) for name, array in load_arrays(folder / "state.npz").items()}
    batch = load_arrays(folder / "batch.npz")
    with threads(1):
        yield from _all_rows(folder, state, batch)


def _all_rows(folder: Path, state: Mapping[str, Tensor], batch: Arrays) -> Iterator[Row]:
    empty = True
    for pattern, check in _CHECKS.items():
        for path in sorted(p for p in folder.iterdir() if re.fullmatch(pattern, p.name)):
            try:
                for row in check(path, state, batch):
                    empty = False
                    yield row
            except (LookupError, RuntimeError, ValueError, TypeError, AttributeError) as error:
                raise DataError(
                    f"{path} does not have the format of the recorded numbers: {error}."
                ) from error
    if empty:
        raise DataError(f"{folder} holds no record to compare with (forward_*.npz, steps3_*.npz, …).")


def not_compared(folder: Path | str) -> list[str]:
    """The .npz and .json files of a folder that `run_parity` skips, each with the reason."""
    skipped = []
    for path in sorted(Path(folder).iterdir()):
        known = any(re.fullmatch(pattern, path.name) for pattern in _CHECKS)
        if path.suffix in (".npz", ".json") and not known and path.name not in INPUTS:
            skipped.append(f"{path.name}: unknown name")
        elif path.name == "dropout_seq.json" and not same_torch(load_json(path)):
            skipped.append(f"{path.name}: its random stream is that of another torch version")
    return skipped


def missing(folder: Path | str) -> list[str]:
    """The records that a complete folder has and this one lacks, and the terms that each forward pass must have."""
    folder = Path(folder)
    lacking = []
    for record in RECORDS:
        found = [p for p in folder.iterdir() if re.fullmatch(record.replace("steps3", r"steps\d+"), p.name)]
        if not found:
            lacking.append(record)
        elif record.startswith("forward"):
            with np.load(GOLDEN / record) as complete, np.load(found[0], allow_pickle=False) as own:
                terms = [
                    term for term in complete.files if not term.startswith("after_")
                ]  # depends on the layers
                lacking += [f"{record}: {term}" for term in terms if term not in own.files]
    return lacking


_CHECKS: Mapping[str, Callable[[Path, Mapping[str, Tensor], Arrays], Iterator[Row]]] = {
    r"forward_(eval|train)_f(32|64)\.npz": forward,
    r"grads_train_f(32|64)\.npz": gradients,
    r"steps\d+_f(32|64)\.npz": steps,
    r"align_f(32|64)\.npz": alignment,
    r"metrics\.npz": metrics,
    r"delta\.npz": delta,
    r"sampler\.json": sampler,
    r"dropout_seq\.json": masks,
    r"invariance\.json": invariance,
}
