"""The machine a run uses: its device and its number of threads."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from hypav.errors import SettingError

__all__ = ["pick_device", "threads"]


def pick_device(name: str | torch.device = "auto") -> torch.device:
    """ "auto" is the first CUDA device where there is one, else the CPU; any other name is torch's own.

    Raises:
        SettingError: there is no such device here.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
        torch.Generator(device)  # "meta" has tensors but no random numbers
    except (RuntimeError, AssertionError, ImportError) as error:
        raise SettingError(f"There is no device {name!r} here; use auto or cpu.") from error
    return device


@contextmanager
def threads(count: int) -> Iterator[None]:
    """torch works with `count` threads inside. Sums are taken in another order with another count, so that a result
    is repeated to the last bit only with the same one."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
