"""Word vectors kept as a pickled dict in an npy file, read without unpickling.

A pickle is a program; the file's should build {class name: float vector} and nothing else. So its opcodes are
listed by the standard library's `pickletools` (which runs none of them) and replayed here on plain values: a
global name is a token, an array a record of its fields. Nothing is imported or called, and nothing is
allocated that the file does not hold.
"""

from __future__ import annotations

import math
import pickletools
import tokenize
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hypav.errors import DataError
from hypav.files import replacing

__all__ = ["read_word_vectors", "write_word_vectors"]

_GLOBALS = frozenset(
    {
        ("numpy", "ndarray"),
        ("numpy", "dtype"),
        ("numpy.core.multiarray", "_reconstruct"),  # numpy 1
        ("numpy._core.multiarray", "_reconstruct"),  # numpy 2
    }
)
_FLOATS = ("f2", "f4", "f8")
_LITERALS = frozenset(
    {"BININT", "BININT1", "BININT2", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"}
    | {"BINBYTES", "SHORT_BINBYTES", "BINBYTES8"}
)
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_TUPLES = {"EMPTY_TUPLE": 0, "TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_MARK = object()
# What a broken program or a broken npy header (numpy parses it as Python text) can raise.
_DAMAGE = (
    *(ValueError, TypeError, AttributeError, LookupError, EOFError, MemoryError, RecursionError),
    *(SyntaxError, tokenize.TokenError),
)


def read_word_vectors(path: Path | str) -> dict[str, NDArray[Any]]:
    """The vectors in an npy file that `np.save` made of a dict, in the file's order.

    Args:
        path: e.g. word_embeddings_ucf_normed.npy of the AVCA benchmark; numpy 1 and 2 files alike.

    Returns:
        {name: (D_w,) float16, float32 or float64 as stored}, all of one length.

    Raises:
        DataError: no such file, no npy file with one dict, or a pickle that holds anything but strings and
            float vectors. Nothing in it is executed.
    """
    path = Path(path)
    try:
        value = _replay(_pickle_bytes(path))
        vectors = {name: vector.floats() for name, vector in value.items()}
    except OSError as error:
        raise DataError(f"{path}: the word vectors cannot be read: {error.strerror or error}.") from error
    except _DAMAGE as error:
        reason = str(error) if isinstance(error, _Refused) else "it is truncated or no npy file of a dict"
        raise DataError(
            f"{path}: the word vectors cannot be used: {reason}; the file must be np.save of one dict "
            "from class names to float vectors."
        ) from error
    if not vectors:
        raise DataError(f"{path}: there are no word vectors in it.")
    lengths = {vector.shape for vector in vectors.values()}
    if len(lengths) != 1 or len(next(iter(lengths))) != 1 or next(iter(lengths)) == (0,):
        raise DataError(
            f"{path}: the word vectors must be lists of one length, but there are shapes "
            f"{', '.join(map(str, sorted(lengths)[:3]))}."
        )
    return vectors


def write_word_vectors(vectors: Mapping[str, NDArray[Any]], path: Path | str) -> None:
    """Writes what `read_word_vectors` reads, in the released files' form: float32, np.save of a dict.

    Raises:
        RunError: the file cannot be written.
    """
    plain = {str(name): np.array(vector, dtype=np.float32) for name, vector in vectors.items()}
    with replacing(path) as temporary, open(temporary, "wb") as file:
        np.save(file, np.array(plain, dtype=object))


class _Refused(ValueError):
    """The reason, worded for the user."""


@dataclass
class _Global:
    name: str


@dataclass
class _Dtype:
    code: str
    order: str = "<"


@dataclass
class _Array:
    state: tuple[Any, ...] = ()

    def floats(self) -> NDArray[Any]:
        _, shape, dtype, fortran, data = self.state
        if not isinstance(dtype, _Dtype) or dtype.code not in _FLOATS or not isinstance(data, bytes):
            raise _Refused("a vector in it is not made of floats")
        if not all(type(length) is int for length in shape):
            raise _Refused("a vector in it has no proper shape")
        if fortran or len(data) != math.prod(shape) * int(dtype.code[1]):
            raise _Refused("a vector in it does not have as many numbers as it declares")
        return np.frombuffer(data, np.dtype(dtype.order + dtype.code)).reshape(shape).astype(dtype.code)


def _pickle_bytes(path: Path) -> bytes:
    with open(path, "rb") as file:
        version = np.lib.format.read_magic(file)
        header = (
            np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        )
        shape, _, dtype = header(file)
        if dtype != np.dtype(object) or shape != ():
            raise _Refused(f"it is an array of {dtype} of shape {shape}")
        return file.read()


def _replay(program: bytes) -> dict[str, _Array]:
    """Replays the opcodes of the pickle language (pickletools.opcodes) that a dict of arrays needs."""
    stack: list[Any] = []
    memo: dict[int, Any] = {}
    op: str
    argument: Any
    for opcode, argument, _ in pickletools.genops(program):
        op = opcode.name
        if op in ("PROTO", "FRAME"):
            continue
        if op == "STOP":
            return _only_dict(stack)
        if op in _LITERALS:
            stack.append(argument)
        elif op in _CONSTANTS:
            stack.append(_CONSTANTS[op])
        elif op in ("MEMOIZE", "BINPUT", "LONG_BINPUT"):
            memo[len(memo) if op == "MEMOIZE" else argument] = stack[-1]
        elif op in ("BINGET", "LONG_BINGET"):
            stack.append(memo[argument])
        elif op == "MARK":
            stack.append(_MARK)
        elif op in _TUPLES:
            stack.append(tuple(_pop(stack, _TUPLES[op])))
        elif op == "TUPLE":
            stack.append(tuple(_pop_to_mark(stack)))
        elif op in ("EMPTY_DICT", "EMPTY_LIST"):
            stack.append({} if op == "EMPTY_DICT" else [])
        elif op in ("APPEND", "APPENDS"):
            items = _pop(stack, 1) if op == "APPEND" else _pop_to_mark(stack)
            stack[-1].extend(items)
        elif op in ("SETITEM", "SETITEMS"):
            items = _pop(stack, 2) if op == "SETITEM" else _pop_to_mark(stack)
            _set_items(stack[-1], items)
        elif op in ("GLOBAL", "STACK_GLOBAL"):
            stack.append(_named(*(argument.split(" ", 1) if op == "GLOBAL" else _pop(stack, 2))))
        elif op == "REDUCE":
            function, arguments = _pop(stack, 2)
            stack.append(_call(function, arguments))
        elif op == "BUILD":
            (state,) = _pop(stack, 1)
            _set_state(stack[-1], state)
        else:
            raise _Refused(f"its pickle uses {op}, which no word vectors need")
    raise _Refused("its pickle does not end")


def _pop(stack: list[Any], count: int) -> list[Any]:
    if len(stack) < count:
        raise _Refused("its pickle is broken")
    popped = stack[len(stack) - count :]
    del stack[len(stack) - count :]
    return popped


def _pop_to_mark(stack: list[Any]) -> list[Any]:
    items = []
    while (top := stack.pop()) is not _MARK:
        items.append(top)
    return items[::-1]


def _named(module: Any, name: Any) -> _Global:
    if not isinstance(module, str) or not isinstance(name, str):
        raise _Refused("its pickle is broken")
    if (module, name) not in _GLOBALS:
        raise _Refused(f"its pickle asks for {f'{module}.{name}'[:80]!r}, which is never executed")
    return _Global(name)


def _call(function: Any, arguments: Any) -> _Dtype | _Array:
    if function == _Global("_reconstruct"):
        return _Array()
    if function == _Global("dtype") and isinstance(arguments[0], str):
        return _Dtype(arguments[0])
    raise _Refused("its pickle calls something other than numpy's array and dtype")


def _set_state(target: Any, state: Any) -> None:
    if isinstance(target, _Array) and len(state) == 5:
        target.state = state
    elif isinstance(target, _Dtype) and state[1] in ("<", ">", "|"):
        target.order = state[1]
    else:
        raise _Refused("its pickle changes something other than an array")


def _set_items(target: Any, items: list[Any]) -> None:
    if not isinstance(target, dict) or not all(isinstance(key, str) for key in items[::2]):
        raise _Refused("its names are not all plain strings")
    target.update(zip(items[::2], items[1::2], strict=True))


def _only_dict(stack: list[Any]) -> dict[str, _Array]:
    (array,) = stack
    if isinstance(array, _Array):
        _, shape, dtype, _, data = array.state
        if shape == () and dtype.code.startswith("O") and len(data) == 1 and isinstance(data[0], dict):
            if all(isinstance(value, _Array) for value in data[0].values()):
                return data[0]
            raise _Refused("a value in it is not an array")
    raise _Refused("it does not hold one dict")
