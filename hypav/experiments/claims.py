"""Who works on a run: a lock that the system drops with its process, so that a kill leaves nothing to clear up."""

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

__all__ = ["claim"]


@contextmanager
def claim(path: Path) -> Iterator[bool]:
    """Holds the lock file `path` while inside: True, or False at once where somebody else holds it.

    Raises:
        RunError: the file cannot be written.
    """
    if fcntl is None:
        yield True
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = _open(path)
    except OSError as error:
        raise RunError(f"Cannot write {path}: {error.strerror or error}; choose another folder.") from error
    try:
        yield handle is not None
    finally:
        if handle is not None:
            with suppress(OSError):
                path.unlink()  # before the lock goes: whoever holds the old file notices, see _open
            os.close(handle)


def _open(path: Path) -> int | None:
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            return None
        with suppress(FileNotFoundError):
            if path.stat().st_ino == os.fstat(handle).st_ino:
                return handle
        os.close(handle)  # the one before removed it between our two steps
