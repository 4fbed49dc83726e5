"""The machine a run uses: its device and its number of threads."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import joblib
import torch

from hypav.errors import SettingError

__all__ = ["pick_device", "side_by_side", "threads"]


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


def side_by_side(jobs: int | None, device: str | torch.device, most: int | None = None) -> int:
    """How many runs go on at once: `jobs`, by default one a core, and one on a GPU, which they would share; not
    more than `most`.

    Raises:
        SettingError: jobs is less than 1, or there is no such device.
    """
    if jobs is not None and jobs < 1:
        raise SettingError(f"jobs is {jobs}; it must be at least 1.")
    on_cpu = pick_device(device).type == "cpu"
    count = jobs or (joblib.cpu_count() if on_cpu else 1)
    return count if most is None else min(count, most)


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
