"""The word vectors of the AVCA benchmark: npy files of a pickled dict, read without executing any pickle."""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from hypav.data.files import memory_for, regular_file, unreadable
from hypav.errors import DataError


class _Array:
    """Stands in for numpy.ndarray and numpy's _reconstruct in a pickle: it keeps the state and allocates nothing.

    numpy's are not safe: a pickle can set a dtype's flags so that numpy uses bytes as object pointers.
    """

    def __init__(self, *arguments: object) -> None:
        self.state: Any = ()

    def __setstate__(self, state: Any) -> None:
        self.state = state

    def floats(self) -> NDArray[Any]:
        _, shape, dtype, _, data = self.state
        if type(dtype) is not _Dtype or dtype.code not in ("f2", "f4", "f8") or type(data) is not bytes:
            raise ValueError("a vector in it is not made of floats")
        vector = np.frombuffer(data, f"{dtype.order}{dtype.code}")
        if shape != vector.shape:
            raise ValueError("a vector in it is not a list of as many numbers as it declares")
        return vector.astype(dtype.code)


class _Dtype:
    """Stands in for numpy.dtype in a pickle."""

    def __init__(self, code: Any, *arguments: object) -> None:
        self.code, self.order = code, "<"

    def __setstate__(self, state: Any) -> None:
        self.order = ">" if state[1] == ">" else "<"


_ALLOWED: Mapping[tuple[str, str], type] = {
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _Dtype,
    ("numpy.core.multiarray", "_reconstruct"): _Array,  # numpy 1
    ("numpy._core.multiarray", "_reconstruct"): _Array,  # numpy 2
}


# The opcodes that np.save writes for a dict of arrays.
_OPCODES = (  # noqa: SIM905
    "PROTO FRAME STOP MARK GLOBAL STACK_GLOBAL REDUCE BUILD EMPTY_DICT SETITEM SETITEMS EMPTY_LIST APPEND APPENDS "
    "EMPTY_TUPLE TUPLE1 TUPLE2 TUPLE3 TUPLE NONE NEWTRUE NEWFALSE BININT BININT1 BININT2 BINUNICODE SHORT_BINUNICODE "
    "BINBYTES SHORT_BINBYTES BINPUT LONG_BINPUT MEMOIZE BINGET LONG_BINGET"
).split()
_READER: Any = pickle._Unpickler  # type: ignore[attr-defined]


class _Unpickler(_READER):
    """The standard library's Python unpickler, restricted to four names and to the opcodes above.

    The C unpickler is not safe: a file can make it reserve any amount of memory, or hash nested tuples until it crashes.
    """

    def find_class(self, module: str, name: str) -> type:
        if (module, name) not in _ALLOWED:
            raise ValueError(f"its pickle calls {f'{module}.{name}'[:80]!r}, which is never executed")
        return _ALLOWED[module, name]

    def load_setitems(self, start: int = 0) -> None:
        if any(type(name) is not str for name in self.stack[start::2]):
            raise ValueError("its names are not all plain strings")
        (super().load_setitem if start else super().load_setitems)()

    dispatch: ClassVar[dict[int, Callable[[Any], None]]] = {
        **{getattr(pickle, name)[0]: _READER.dispatch[getattr(pickle, name)[0]] for name in _OPCODES},
        pickle.SETITEMS[0]: load_setitems,
        pickle.SETITEM[0]: lambda self: self.load_setitems(start=-2),
    }


def read_word_vectors(path: Path | str) -> dict[str, NDArray[Any]]:
    """Read the vectors from an npy file that `np.save` wrote for a dict, in the file's order.

    Args:
        path: for example word_embeddings_ucf_normed.npy of the AVCA benchmark, from numpy 1 or 2.

    Returns:
        {name: (D_w,) float16, float32 or float64 as stored}, all of the same length.

    Raises:
        DataError: no such file, not an npy file with one dict, or a pickle that holds anything other than strings and
            float vectors. Nothing in the pickle is executed.
    """
    path = regular_file(Path(path))
    size = path.stat().st_size
    try:
        with memory_for(path, 4 * size), open(path, "rb") as file:
            version, _ = np.lib.format.read_magic(file)
            length = int.from_bytes(file.read(2 if version == 1 else 4), "little")
            header = file.read(min(length, size))
            program = file.read()
    except (OSError, ValueError) as error:
        raise unreadable(path, "an npy file", error) from error
    try:
        if b"O'" not in header:
            raise ValueError("it is an array of numbers")
        with memory_for(path, 10 * size):
            array = _Unpickler(io.BytesIO(program)).load()
        (table,) = array.state[4]
        if type(table) is not dict or any(type(vector) is not _Array for vector in table.values()):
            raise ValueError("it is not one dict of arrays")
        vectors = {name: vector.floats() for name, vector in table.items()}
    except DataError:
        raise
    except Exception as error:  # a broken pickle can raise almost anything
        reason = str(error) if type(error) is ValueError else "it is damaged or holds something else"
        raise DataError(
            f"{path}: the word vectors cannot be used: {reason}; the file must be np.save of one dict "
            "from class names to float vectors."
        ) from error
    lengths = {len(vector) for vector in vectors.values()}
    if len(lengths) != 1 or lengths == {0}:
        raise DataError(
            f"{path}: all word vectors must have the same length above 0, not {sorted(lengths)[:3]}."
        )
    return vectors
