"""Who works on what: locks that the system drops with their process, so that a kill leaves nothing to clear up."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from hypav.errors import RunError

try:
    import fcntl
except ImportError:  # Windows: two grids there may do the same run twice, the store keeps the first
    fcntl = None  # type: ignore[assignment]

__all__ = ["claim", "share"]


@contextmanager
def claim(path: Path) -> Iterator[bool]:
    """Holds the lock file `path` while inside: True, or False at once where somebody else holds it.

    Raises:
        RunError: the file cannot be written.
    """
    if fcntl is None:
        yield True
        return
    handle = _open(path, fcntl.LOCK_EX | fcntl.LOCK_NB)
    try:
        yield handle is not None
    finally:
        if handle is not None:
            with suppress(OSError):
                path.unlink()  # before the lock goes: whoever opened the old file notices, see _open
            os.close(handle)


@contextmanager
def share(path: Path) -> Iterator[None]:
    """Holds the lock file `path` while inside, beside others who share it; a `claim` fails meanwhile.

    Raises: as `claim`.
    """
    handle = None if fcntl is None else _open(path, fcntl.LOCK_SH)
    try:
        yield
    finally:
        if handle is not None:
            os.close(handle)


def _open(path: Path, kind: int) -> int | None:
    while True:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        except OSError as error:
            raise RunError(
                f"Cannot write {path}: {error.strerror or error}; choose another folder."
            ) from error
        try:
            fcntl.flock(handle, kind)
        except BlockingIOError:
            os.close(handle)
            return None
        with suppress(FileNotFoundError):
            if path.stat().st_ino == os.fstat(handle).st_ino:
                return handle
        os.close(handle)  # the one before removed it between our two steps
