"""Safe file writing, tensors from arrays and lists, derivatives, devices and threads of torch, random numbers.

The random numbers are the same on every machine.
"""

from __future__ import annotations

import errno
import hashlib
import io
import json
import math
import os
import re
import stat
import tempfile
import unicodedata
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import torch
from torch import Generator, Tensor

from hypav.errors import DataError, RunError, SettingError


@contextmanager
def replacing(path: Path | str) -> Iterator[Path]:
    """Yield a temporary path next to `path`. On success it replaces `path`; on failure the old file stays.

    Raises:
        RunError: no permission, no space, no such folder.
    """
    path = Path(path)
    temporary: Path | None = None
    try:
        if path.exists() and not path.is_file():  # a rename would put a file in the place of /dev/null
            raise OSError("it is not a file")
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
        os.close(handle)
        temporary = Path(name)
        yield temporary
        with open(temporary, "rb+") as written:
            os.fsync(written.fileno())  # the bytes must be on the disk before the rename
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)  # mkstemp makes files private
        temporary.replace(path)
    except OSError as error:
        raise RunError(
            f"Cannot write {path}: {error.strerror or error}; free space or choose another folder."
        ) from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def write_json(path: Path | str, value: Mapping[str, Any]) -> None:
    """Write `value` as JSON. Floats keep every bit; NaN raises ValueError."""
    text = json.dumps(value, indent=1, allow_nan=False)
    with replacing(path) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")


def content_digest(value: Any) -> str:
    """SHA-256, in hexadecimal, of nested dicts, lists, tensors and plain values; equal values have equal digests.

    Raises:
        ValueError: an expanded tensor, which is larger than its memory.
    """
    digest = hashlib.sha256()

    def add(value: Any) -> None:
        if isinstance(value, Tensor):
            if value.nbytes > value.untyped_storage().nbytes():
                raise ValueError(f"a tensor of shape {tuple(value.shape)} is larger than its memory")
            digest.update(f"{value.dtype}{tuple(value.shape)}".encode())
            digest.update(value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
        elif isinstance(value, Mapping):
            digest.update(f"dict {len(value)}".encode())
            for key, item in value.items():
                add(key)
                add(item)
        elif isinstance(value, list | tuple):
            digest.update(f"list {len(value)}".encode())
            for item in value:
                add(item)
        else:
            digest.update(f"{type(value).__name__} {value!r}\n".encode())

    add(value)
    return digest.hexdigest()


def save_checked(path: Path | str, content: Mapping[str, Any]) -> None:
    """Write tensors and plain values with torch.save, together with their digest; `load_checked` reads the file."""
    buffer = io.BytesIO()  # on a full disk a plain write raises OSError, but torch.save does not
    torch.save({**content, "digest": content_digest(content)}, buffer)
    with replacing(path) as temporary:
        temporary.write_bytes(buffer.getbuffer())


def load_checked(path: Path | str) -> dict[str, Any]:
    """What `save_checked` wrote, on the CPU. Only tensors and plain values are unpickled; no code can run.

    Raises:
        RunError: the file cannot be read, is damaged, was changed by hand, or holds something else.
    """
    try:
        check_regular(path)
        # torch.load does not compare checksums, and a compressed member could be far larger than the file
        with zipfile.ZipFile(path) as archive:
            plain = all(member.compress_type == zipfile.ZIP_STORED for member in archive.infolist())
            if not plain or archive.testzip() is not None:
                raise ValueError("a member is compressed or damaged")
        content = torch.load(path, map_location="cpu", weights_only=True)
        intact = content.pop("digest") == content_digest(content)
    except OSError as error:
        raise RunError(f"Cannot read {path}: {error.strerror or error}.") from error
    except MemoryError as error:
        raise RunError(f"There is too little memory to read {path}.") from error
    except Exception as error:  # a damaged or foreign file can raise anything
        raise RunError(f"{path} is damaged or not a file of hypav; remove it and train again.") from error
    if not intact:
        raise RunError(f"{path} is damaged or was changed by hand; remove it and train again.")
    return content


def check_regular(path: Path | str) -> None:
    """Raise OSError if `path` is missing or is not a regular file: reading from a pipe could wait for ever."""
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise OSError(errno.EINVAL, "it is not a regular file")


def make_folder(path: Path | str) -> Path:
    """Make a folder and its parents if they are missing, check that it can be written to, and return its path.

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


_SIGNATURES = {
    b"\x89HDF\r\n\x1a\n": "an h5 file",
    b"\x93NUMPY": "an npy file",
    b"PK\x03\x04": "a zip file",
    b"\x1f\x8b": "a gzip file",
    **{bytes([128, protocol]): "a Python pickle" for protocol in range(2, 6)},
    b"version https://git-lfs": "a Git LFS pointer (git lfs pull gets the file)",
    **dict.fromkeys((b"<!doctype", b"<html", b"<?xml"), "a web page"),
    b"\xba\x16O/": "a fastText .bin model (the text vectors are in the .vec file)",
}


def file_kind(path: Path) -> str:
    """What the first bytes show a file to be, for example "a zip file"; empty if they show nothing."""
    with open(path, "rb") as file:
        head = file.read(64)
    text = head.lstrip().lower()
    kind = next((kind for start, kind in _SIGNATURES.items() if text.startswith(start.lower())), "")
    # a TFRecord file begins with the length of its first record, which has a frame of 16 bytes
    if not kind and 0 < int.from_bytes(head[:8], "little") <= path.stat().st_size - 16:
        kind = "a TFRecord file"
    return kind


def slug(text: str) -> str:
    """`text` as a file name of a-z, 0-9, dot, plus and minus. It is never empty and never leaves its folder.

    If letters are lost, of another script or past the first 60, a digest of the text follows, so that names stay apart.
    """
    text = unicodedata.normalize("NFC", text)
    name = re.sub(r"[^a-z0-9.+-]+", "-", text.lower()).strip("-.")
    if text.isascii() and len(name) <= 60:
        return name or "data"
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=4).hexdigest()
    return f"{name[:60].strip('-.') or 'data'}-{digest}"


def as_tensor(
    what: str,
    values: Any,
    *,
    whole: bool = False,
    dtype: torch.dtype | None = None,
    device: torch.device | None = None,
) -> Tensor:
    """`values` as a tensor: a tensor itself, an array with its dtype, a list of numbers in torch's default dtype.

    Args:
        what: the name of the values in messages.
        whole: whether they are whole numbers, so that an empty list becomes int64 and a list of integers stays one.
        dtype: the dtype of a list, if not the default.
        device: where arrays and lists are put; `device_of` gives that of the other arguments.

    Raises:
        DataError: `values` is no array of numbers: rows of different lengths, strings, Python objects.
    """
    if isinstance(values, Tensor):
        return values
    try:
        array = np.asarray(values)
    except (ValueError, TypeError, RuntimeError) as error:
        tensors = isinstance(values, Sequence) and any(isinstance(row, Tensor) for row in values)
        cure = "use torch.stack for a list of tensors" if tensors else "its rows must have equal lengths"
        raise DataError(f"{what} is not a table of numbers; {cure}.") from error
    if array.dtype == object:
        raise DataError(
            f"{what} is an array of Python objects; make it a plain array of numbers first, "
            f"e.g. np.stack([np.asarray(row) for row in {what}])."
        )
    if array.dtype.kind not in "fiub" or array.dtype.itemsize > 8:
        raise DataError(f"{what} must hold floating-point or whole numbers, not {array.dtype}.")
    # a copy, as torch takes neither read-only arrays nor negative strides nor foreign byte orders
    tensor = torch.from_numpy(np.array(array, dtype=array.dtype.newbyteorder("=")))
    if not hasattr(values, "__array__") and not (whole and array.size):
        tensor = tensor.to(dtype or (torch.int64 if whole else torch.get_default_dtype()))
    return tensor.to(device)


def device_of(*values: Any) -> torch.device | None:
    """The device of the first tensor among the values; None if there is none."""
    return next((value.device for value in values if isinstance(value, Tensor)), None)


def holds(condition: Tensor) -> bool:
    """Whether a condition is true. Inside torch.func.vmap it has no single value, and nothing is checked."""
    try:
        return bool(condition)
    except RuntimeError as error:
        if "vmap" not in str(error):
            raise
        return True


class ReverseMode(torch.autograd.Function):
    """A function whose backward is differentiable, for derivatives of every order, torch.func.jacrev and vmap.

    It has no forward mode: torch drops the derivatives of a jvp in nested forward mode without a word.
    """

    generate_vmap_rule = True

    @staticmethod
    def jvp(ctx: Any, *tangents: Any) -> Any:
        """Refuse forward mode."""
        raise SettingError(
            "hypav has no forward-mode derivatives: take torch.func.jacrev instead of jacfwd and jvp, and "
            "jacrev(jacrev(f)) instead of hessian(f)."
        )


def pick_device(name: str | torch.device = "auto") -> torch.device:
    """The torch device of that name; "auto" is the first GPU if there is one, else the CPU.

    Raises:
        SettingError: this machine has no such device.
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


RUNS_ON_A_GPU = 4  # a step of batch 256 uses a small part of a GPU


def side_by_side(jobs: int | None, device: str | torch.device, most: int | None = None) -> int:
    """How many runs to train at once: `jobs`, but at most `most`. The default is one per core, or four on a GPU.

    Raises:
        SettingError: jobs is less than 1, or there is no such device.
    """
    if jobs is not None and jobs < 1:
        raise SettingError(f"jobs is {jobs}; it must be at least 1.")
    on_cpu = pick_device(device).type == "cpu"
    count = jobs or (joblib.cpu_count() if on_cpu else RUNS_ON_A_GPU)
    return count if most is None else min(count, most)


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Context in which torch uses `count` threads.

    Sums are taken in another order with another count, so only the same count gives the same bits.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


BLOCK = 16  # torch.randn draws normal numbers in blocks of this size


def uniform(*shape: int, generator: Generator | None = None) -> Tensor:
    """Uniform numbers in [0, 1), float64 of the given shape. They are multiples of 2^-24, as torch.rand draws in float32.

    Args:
        generator: on the CPU; None is torch's global generator.
    """
    return torch.rand(shape, generator=generator, dtype=torch.float32).double()


def normal(*shape: int, generator: Generator | None = None) -> Tensor:
    """Standard normal numbers, float64 of the given shape; two of them from two uniform numbers (Box and Muller, 1958):

        sqrt(-2 log(1 - u)) (cos 2 pi u', sin 2 pi u').

    The uniform numbers are paired in blocks of 8 + 8, as torch.randn does in float32 for 16 numbers or more. So both
    give the same numbers up to the rounding of float32.

    Args:
        generator: on the CPU; None is torch's global generator.
    """
    count = math.prod(shape)
    numbers = _box_muller(uniform(max(count, BLOCK), generator=generator))
    if len(numbers) % BLOCK:  # the last block is not full: draw the last 16 numbers again, as torch does
        numbers[-BLOCK:] = _box_muller(uniform(BLOCK, generator=generator))
    return numbers[:count].view(shape)


def _box_muller(uniform: Tensor) -> Tensor:
    """(n,) normal numbers from (n,) uniform numbers; those after the last full block stay uniform."""
    numbers = uniform.clone()
    whole = uniform[: len(uniform) // BLOCK * BLOCK].view(-1, 2, BLOCK // 2)
    radius, angle = (-2 * torch.log1p(-whole[:, 0])).sqrt(), 2 * math.pi * whole[:, 1]
    numbers[: whole.numel()] = torch.stack([radius * angle.cos(), radius * angle.sin()], dim=1).flatten()
    return numbers
