"""Parity with the released code: replays a folder of its recorded numbers, term by term.

The folder holds the released model's weights (state.npz), one triplet batch (batch.npz) and what the released code
computed from them: forward passes, losses, gradients, batch-norm buffers, optimiser steps, alignment losses, metrics,
delta, sampling weights. Sizes are read from the weights. Released curvatures c are positive: k = -c.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import torch
from torch import Tensor

from hypav.errors import DataError
from hypav.parity.alignment import alignment, invariance
from hypav.parity.evaluation import delta, metrics, sampler
from hypav.parity.network import forward, gradients, masks, same_torch, steps
from hypav.parity.records import TOLERANCE, Arrays, Row, load_arrays, load_json
from hypav.utils import threads

__all__ = ["TOLERANCE", "Row", "not_compared", "run_parity"]


def run_parity(folder: Path | str) -> Iterator[Row]:
    """A row for everything the folder records, file by file. One thread: sums are then taken in the recorded order.

    Raises:
        DataError: the folder lacks state.npz or batch.npz, holds none of the known records, or one is damaged.
    """
    folder = Path(folder)
    state = {name: torch.from_numpy(array) for name, array in load_arrays(folder / "state.npz").items()}
    batch = load_arrays(folder / "batch.npz")
    with threads(1):
        yield from _all_rows(folder, state, batch)


def _all_rows(folder: Path, state: Mapping[str, Tensor], batch: Arrays) -> Iterator[Row]:
    found = False
    for pattern, check in _CHECKS.items():
        for path in sorted(p for p in folder.iterdir() if re.fullmatch(pattern, p.name)):
            try:
                for row in check(path, state, batch):
                    found = True
                    yield row
            except (LookupError, RuntimeError, ValueError, TypeError, AttributeError) as error:
                raise DataError(f"{path} is not laid out like the recorded numbers: {error}.") from error
    if not found:
        raise DataError(
            f"{folder} holds none of the records to compare with (forward_*.npz, steps3_*.npz, …)."
        )


def not_compared(folder: Path | str) -> list[str]:
    """The .npz and .json files of a folder that `run_parity` passes over, each with the reason."""
    told = []
    for path in sorted(Path(folder).iterdir()):
        known = any(re.fullmatch(pattern, path.name) for pattern in _CHECKS)
        if path.suffix in (".npz", ".json") and not known and path.name not in ("state.npz", "batch.npz"):
            told.append(f"{path.name}: no record of this name is known")
        elif path.name == "dropout_seq.json" and not same_torch(load_json(path)):
            told.append(f"{path.name}: its random stream is another torch version's")
    return told


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
