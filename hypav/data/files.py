"""Open files that other people made: what they really are, how much memory they take, and text in any usual form.

A size that a file declares is compared with the file before memory is reserved for it. Features shrink to no less than
a half when they are compressed, so a file that grows to twenty times its size is damaged or hostile.
"""

from __future__ import annotations

import errno
import os
import stat
import unicodedata
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from hypav.errors import DataError
from hypav.utils import file_kind

GROWTH = 20  # times its size on the disk that a file may take in memory
FREE = 1e9  # bytes that any file may take
_DAMAGED = (
    OSError, EOFError, ValueError, LookupError, RuntimeError, SyntaxError, TypeError, OverflowError, MemoryError,
    zlib.error, zipfile.BadZipFile,
)  # fmt: skip
_KINDS = {
    stat.S_IFDIR: "a directory",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}
# A damaged file makes its library seek to places that do not exist, which the system calls invalid.
_OF_THE_CONTENT = (None, errno.EINVAL, errno.EOVERFLOW, errno.ERANGE)


def regular_file(path: Path) -> Path:
    """The path, if it is a file that can be opened without waiting: not a directory, pipe, socket or device.

    Raises:
        DataError: it is one of these, it does not exist, it cannot be looked at, or it is huge and almost all hole.
    """
    try:
        status = path.stat()
        mode, stored = status.st_mode, stored_bytes(path)
    except FileNotFoundError as error:
        raise DataError(f"{path}: there is no such file.") from error
    except OSError as error:
        raise DataError(f"{path}: the file cannot be read ({error.strerror or error}).") from error
    except ValueError as error:  # a null character
        raise DataError(f"{str(path)!r} cannot be the name of a file.") from error
    if not stat.S_ISREG(mode):
        kind = _KINDS.get(stat.S_IFMT(mode), "something else")
        raise DataError(f"{path}: the file cannot be read: it is {kind}, and only regular files are opened.")
    if status.st_size > max(FREE, GROWTH * stored):
        raise DataError(
            f"{path}: the file is sparse: {gigabytes(status.st_size)} long, with {gigabytes(stored)} on the disk; "
            "if you trust it, copy it so that the copy has no holes."
        )
    return path


def unreadable(path: Path, wanted: str, error: BaseException | None = None) -> DataError:
    """The error for a file that its library could not read; the system's answer or the first bytes show the cause.

    Args:
        wanted: what the file should be, for example "an h5 file".
        error: what the library raised.
    """
    if isinstance(error, OSError) and error.errno not in _OF_THE_CONTENT:
        return DataError(f"{path}: the file cannot be read ({os.strerror(error.errno or 0)}).")
    try:
        kind, size = file_kind(path), path.stat().st_size
    except OSError as problem:
        return DataError(f"{path}: the file cannot be read ({problem.strerror or problem}).")
    if kind and kind not in wanted:
        return DataError(f"{path}: {wanted} is needed, but this is {kind}; get the right file.")
    if not size:
        return DataError(f"{path}: the file is empty; copy it again.")
    return DataError(f"{path}: the file is damaged or truncated, or not {wanted}; copy it again.")


def stored_bytes(path: Path) -> int:
    """The bytes that a file takes on the disk; a sparse file takes fewer than its length.

    A file system that says 0 does not tell: the content may be inside the entry, or not fetched from a network yet.
    """
    status = path.stat()
    return min(status.st_size, getattr(status, "st_blocks", 0) * 512 or status.st_size)


def check_size(where: Path | str, needed: float, stored: float, max_gb: float | None, what: str) -> None:
    """Refuse data that are far larger than the files that hold them.

    Args:
        needed: bytes that the data declare.
        stored: bytes of the files on the disk.
        max_gb: the limit in gigabytes (1e9 bytes); None is GROWTH times `stored`, and at least FREE.
        what: what grows, for example "its arrays take".

    Raises:
        DataError: the limit is exceeded; the message names max_gb, which lifts it.
    """
    limit = max(FREE, GROWTH * stored) if max_gb is None else max_gb * 1e9
    if needed > limit:
        raise DataError(
            f"{where}: {what} {gigabytes(needed)}, but the file has only {gigabytes(stored)} and the limit is "
            f"{gigabytes(limit)}; if you trust it, raise the limit with max_gb (--max-gb)."
        )


def gigabytes(size: float) -> str:
    """Bytes as text: "3.4 GB" or, for less than 0.1 GB, "2.1 MB"."""
    return f"{size / 1e9:,.1f} GB" if size >= 1e8 else f"{size / 1e6:,.1f} MB"


@contextmanager
def memory_for(path: Path | str, needed: float) -> Iterator[None]:
    """Context in which a MemoryError becomes a DataError that says how many bytes the data of `path` take."""
    try:
        yield
    except MemoryError as error:
        raise DataError(
            f"{path}: reading it takes {gigabytes(needed)} of memory, which is not free here; "
            "close other programs, or use fewer samples."
        ) from error


def files_in(folder: Path, suffix: str) -> list[Path]:
    """The files of a folder whose names end in `suffix`, sorted, without hidden ones; empty if there is no folder.

    Raises:
        DataError: the folder cannot be read.
    """
    try:
        paths = sorted(folder.iterdir())
    except FileNotFoundError:
        return []
    except OSError as error:
        raise DataError(f"{folder}: the folder cannot be read ({error.strerror or error}).") from error
    return [path for path in paths if path.name.endswith(suffix) and not path.name.startswith(".")]


# --- text -----------------------------------------------------------------------------------------------------------


def plain_name(name: Any) -> str:
    """A name as it is compared: accents composed (NFC; macOS decomposes them), no blanks or BOM around it."""
    text = name.decode("utf-8", "replace") if isinstance(name, bytes) else str(name)
    return unicodedata.normalize("NFC", text).strip("\ufeff \t\r\n\0").strip()


def read_text(path: Path) -> str:
    """The text of a UTF-8 file with any line ends, with or without a BOM; accents are composed (NFC).

    Raises:
        DataError: the file is missing, cannot be read, is another kind of file, or is not UTF-8.
    """
    regular_file(path)
    try:
        with memory_for(path, 4 * path.stat().st_size):
            content = path.read_bytes()
            if content.startswith((b"\xff\xfe", b"\xfe\xff")):
                raise DataError(f"{path}: the file is UTF-16 text; save it as UTF-8.")
            if kind := file_kind(path):
                raise DataError(f"{path}: a text file is needed, but this is {kind}; get the right file.")
            text = content.decode("utf-8-sig")
            if "\0" in text:
                raise DataError(
                    f"{path}: the file has zero bytes, so it is not UTF-8 text; save it as UTF-8."
                )
            text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\ufeff", "")
            return unicodedata.normalize("NFC", text)
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: the file is not UTF-8 text; save it as UTF-8.") from error
    except OSError as error:
        raise unreadable(path, "a text file", error) from error


def read_lines(path: Path, *, blank: bool = False) -> list[str]:
    """The lines of a text file without the blanks around them. Errors as `read_text`.

    Args:
        blank: keep empty lines, but not those at the end.
    """
    lines = [line.strip() for line in read_text(path).rstrip().splitlines()]
    return lines if blank else [line for line in lines if line]


# --- arrays ---------------------------------------------------------------------------------------------------------


def npz_names(path: Path) -> list[str]:
    """The names of the arrays of an npz file, in its order.

    Raises:
        DataError: it is not a whole npz file, or it holds two arrays of one name.
    """
    with _npz(path) as archive:
        return list(_members(path, archive))


def npz_arrays(
    path: Path, wanted: Collection[str] | None = None, *, max_gb: float | None = None
) -> dict[str, NDArray[Any]]:
    """Arrays of an npz file, by name; nothing is unpickled, and only what is wanted is read.

    Args:
        wanted: names; those that the file lacks are passed over. None is all arrays.
        max_gb: the largest size of the arrays, see `check_size`.

    Raises:
        DataError: there is no such file, it is not a whole npz file, it holds two arrays of one name, an array holds
            Python objects, or the arrays are larger than the limit or than the free memory.
    """
    with _npz(path) as archive:
        members = {
            name: member
            for name, member in _members(path, archive).items()
            if name in (wanted or ()) or (wanted is None and member.filename.endswith(".npy"))
        }
        sizes = {}
        for name, member in members.items():
            with archive.open(member) as file:
                sizes[name] = _array_bytes(path, file, member.file_size, name)
        needed = sum(sizes.values())
        check_size(path, needed, stored_bytes(path), max_gb, "its arrays take")
        arrays = {}
        with memory_for(path, needed):
            for name, member in members.items():
                with archive.open(member) as file:
                    arrays[name] = np.lib.format.read_array(file, allow_pickle=False)
                    file.read()  # the checksum is compared at the end
        return arrays


def npy_array(path: Path, *, max_gb: float | None = None) -> NDArray[Any]:
    """The array of an npy file; nothing is unpickled. Errors as `npz_arrays`."""
    regular_file(path)
    try:
        with open(path, "rb") as file:
            size = _array_bytes(path, file, path.stat().st_size, path.stem)
            check_size(path, size, stored_bytes(path), max_gb, "its array takes")
            file.seek(0)
            with memory_for(path, size):
                return np.lib.format.read_array(file, allow_pickle=False)
    except _DAMAGED as error:
        raise unreadable(path, "an npy file", error) from error


@contextmanager
def _npz(path: Path) -> Iterator[zipfile.ZipFile]:
    regular_file(path)
    try:
        with open(path, "rb") as file:
            if file.read(6) == b"\x93NUMPY":
                raise DataError(
                    f"{path} is a single array, not an npz file of several; save it with np.savez."
                )
        with zipfile.ZipFile(path) as archive:
            yield archive
    except _DAMAGED as error:
        raise unreadable(path, "an npz file (a zip file of arrays)", error) from error


def _members(path: Path, archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """The members of an npz file by the name of their array."""
    members = [(member.filename.removesuffix(".npy"), member) for member in archive.infolist()]
    counts = Counter(name for name, _ in members)
    if repeated := [name for name, count in counts.items() if count > 1]:
        raise DataError(f"{path} holds {counts[repeated[0]]} arrays named {repeated[0]!r}; save it again.")
    if locked := [name for name, member in members if member.flag_bits & 1]:
        raise DataError(f"{path}: {locked[0]!r} is encrypted; save the file without a password.")
    return dict(members)


_HEADERS: dict[tuple[int, int], Callable[..., Any]] = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


def _array_bytes(path: Path, file: IO[bytes], size: int, name: str) -> int:
    """The bytes of the array whose npy file begins here, checked against the `size` of that file."""
    try:
        version = np.lib.format.read_magic(file)
        header = file.read(4 if version == (2, 0) else 2)
        if int.from_bytes(header, "little") > size:
            raise ValueError("the header is longer than the file")
        file.seek(-len(header), os.SEEK_CUR)
        shape, _, dtype = _HEADERS[version](file)
    except Exception as error:
        raise DataError(f"{path}: {name!r} is damaged or not an array; save it with np.savez.") from error
    if dtype.hasobject:
        raise DataError(
            f"{path}: the array {name!r} holds Python objects (pickled), which are not opened, as they could run code; "
            f"save names as np.array({name}, dtype=str), and rows of numbers as np.stack({name})."
        )
    needed = dtype.itemsize
    for length in shape:
        needed *= length
    if min(shape, default=0) < 0 or not dtype.itemsize or needed != size - file.tell():
        raise DataError(
            f"{path}: the array {name!r} declares {shape} values of {dtype}, but the file holds "
            f"{gigabytes(size - file.tell())} of them; it is damaged, copy it again."
        )
    return needed
