"""Random numbers with the same bits on every processor.

torch draws the same uniform numbers everywhere, but scales them, and makes normal ones of them, with kernels whose last
digits differ from processor to processor. Here that is done in float64, and what is rounded to float32 afterwards has
the same bits, but for about one number in 10^8 that lies between two of float32's.
"""

from __future__ import annotations

import math

import torch
from torch import Generator, Tensor

__all__ = ["normal", "uniform"]

BLOCK = 16  # of normal numbers


def uniform(*shape: int, generator: Generator | None = None) -> Tensor:
    """Multiples of 2^-24 in [0, 1), in float64; torch.rand(dtype=float32) draws the same.

    Args:
        generator: on the CPU; None is torch's own.
    """
    return torch.rand(shape, generator=generator, dtype=torch.float32).double()


def normal(*shape: int, generator: Generator | None = None) -> Tensor:
    """Standard normal numbers in float64, by Box and Muller (1958): two of two uniform ones,

        sqrt(-2 log(1 - u)) (cos 2 pi u', sin 2 pi u').

    The uniform numbers are paired as torch.randn(dtype=float32) pairs them if it draws 16 or more, in blocks of 8 + 8:
    both give the same numbers to float32's rounding.

    Args:
        generator: on the CPU; None is torch's own.
    """
    count = math.prod(shape)
    numbers = _box_muller(uniform(max(count, BLOCK), generator=generator))
    if len(numbers) % BLOCK:  # the last numbers fill no block: the last block is drawn anew
        numbers[-BLOCK:] = _box_muller(uniform(BLOCK, generator=generator))
    return numbers[:count].view(shape)


def _box_muller(uniform: Tensor) -> Tensor:
    """Normal numbers of (n,) uniform ones; what is left over a multiple of BLOCK stays as it is."""
    numbers = uniform.clone()
    whole = uniform[: len(uniform) // BLOCK * BLOCK].view(-1, 2, BLOCK // 2)
    radius, angle = (-2 * torch.log1p(-whole[:, 0])).sqrt(), 2 * math.pi * whole[:, 1]
    numbers[: whole.numel()] = torch.stack([radius * angle.cos(), radius * angle.sin()], dim=1).flatten()
    return numbers
