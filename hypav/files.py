"""Writing files so that nothing is lost: to a temporary name first, then renamed; a failure is one clear sentence."""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hypav.errors import RunError

__all__ = ["make_folder", "replacing", "slug", "write_json"]


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
