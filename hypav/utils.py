"""Writing files so that nothing is lost: to a temporary name first, then renamed; a failure is one clear sentence."""

from __future__ import annotations

import json
import math
import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import joblib
import torch
from torch import Generator, Tensor

from hypav.errors import RunError, SettingError


@contextmanager
def replacing(path: Path | str) -> Iterator[Path]:
    """Yields a temporary path beside `path`; on success it takes the place of `path`, on failure it is removed and
    the old file stays as it was.

    Raises:
        RunError: no right to write, no space, no such folder.
    """
    path = Path(path)
    temporary: Path | None = None
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
        os.close(handle)
        temporary = Path(name)
        yield temporary
        with open(temporary, "rb+") as written:
            os.fsync(written.fileno())  # the rename must not overtake the bytes
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)  # mkstemp's files are private
        temporary.replace(path)
    except OSError as error:
        raise RunError(
            f"Cannot write {path}: {error.strerror or error}; free space or choose another folder."
        ) from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def write_json(path: Path | str, value: Mapping[str, Any]) -> None:
    """`value` as JSON; numbers keep every bit (repr), NaN is refused."""
    text = json.dumps(value, indent=1, allow_nan=False)
    with replacing(path) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")


def make_folder(path: Path | str) -> Path:
    """The folder, made with its parents if need be, and known to be writable.

    Raises:
        RunError: it cannot be made or written to.
    """
    path = Path(path)
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            pass
    except OSError as error:
        raise RunError(
            f"Cannot write to {path}: {error.strerror or error}; choose another folder."
        ) from error
    return path


def slug(text: str) -> str:
    """`text` as a file name of a-z, 0-9, dot, plus and minus; never a path, never empty."""
    return re.sub(r"[^a-z0-9.+-]+", "-", text.lower()).strip("-.") or "data"  # ".." would leave the folder


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
