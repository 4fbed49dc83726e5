"""Checks of large tables a few rows at a time: a mask of a whole table would be a quarter of the table."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

__all__ = ["rows_all_same", "rows_not_finite"]

_BYTES = 2**20  # what a core's cache holds

Table = NDArray[Any] | torch.Tensor


def rows_not_finite(table: Table) -> list[int]:
    """The rows of a (n, D) table with NaN or infinite values."""
    bad: list[int] = []
    for first, block in _blocks(table):
        finite = np.isfinite(block)
        if not finite.all():
            bad += (first + np.flatnonzero(~finite.all(axis=1))).tolist()
    return bad


def rows_all_same(table: Table) -> bool:
    """Whether each row of a (n, D) table equals its first; True for n = 1."""
    start: NDArray[Any] | None = None
    for _, block in _blocks(table):
        start = block[0] if start is None else start
        if not (block == start).all():
            return False
    return True


def _blocks(table: Table) -> Iterator[tuple[int, NDArray[Any]]]:
    rows = max(1, _BYTES // (4 * table.shape[1]))
    for first in range(0, len(table), rows):
        block = table[first : first + rows]
        if isinstance(block, torch.Tensor):
            # numpy has no bfloat16; its loops need no threads, which on a busy machine cost more than they bring
            block = block.detach().to("cpu", torch.float32 if block.dtype == torch.bfloat16 else None).numpy()
        yield first, block
