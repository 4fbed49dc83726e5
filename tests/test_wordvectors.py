"""The word-vector reader: what np.save makes of a dict is read, and no pickle is ever executed."""

from __future__ import annotations

import builtins
import io
import os
import pickle
import struct
from collections.abc import Callable
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from data_helpers import write_word_vectors

from hypav.data.vectors import read_word_vectors
from hypav.errors import DataError

Read = Callable[[bytes], dict[str, np.ndarray]]
VECTORS = {
    "Weight Lifting": np.array([0.6, 0.8, 0], np.float32),
    "archery": np.array([0, 1, 0], np.float32),
    "plätschern": np.array([0, 0, 1], np.float32),
}


def npy(program: bytes) -> bytes:
    """An npy file of an object array that the given pickle makes."""
    header = "{'descr': '|O', 'fortran_order': False, 'shape': (), }"
    header += " " * (63 - (10 + len(header)) % 64) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + program


def saved(value: object) -> bytes:
    file = io.BytesIO()
    np.save(file, value)
    return file.getvalue()


def boxed(value: object, protocol: int = 4) -> bytes:
    box = np.empty((), dtype=object)
    box[()] = value
    return npy(pickle.dumps(box, protocol=protocol))


class Call:
    """Pickles to a call of `function`."""

    def __init__(self, function: object, *arguments: object) -> None:
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


class StateCall(Call):
    """Pickles to a numpy array whose state is such a call."""

    def __reduce__(self):
        return (*np.zeros(1).__reduce__()[:2], Call(self.call[0], *self.call[1]))


@pytest.fixture
def read(tmp_path: Path) -> Read:
    def inner(content: bytes) -> dict[str, np.ndarray]:
        path = tmp_path / "vectors.npy"
        path.write_bytes(content)
        return read_word_vectors(path)

    return inner


def refusal(read: Read, content: bytes) -> str:
    with pytest.raises(DataError) as caught:
        read(content)
    message = str(caught.value)
    assert "vectors.npy" in message
    assert "\n" not in message
    assert message.endswith(".")
    assert len(message) < 400
    return message


def assert_same(vectors: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> None:
    assert list(vectors) == list(expected)
    for name, vector in expected.items():
        assert vectors[name].dtype == vector.dtype
        np.testing.assert_array_equal(vectors[name], vector)


def test_round_trip(tmp_path):
    write_word_vectors(VECTORS, tmp_path / "w.npy")
    assert_same(read_word_vectors(tmp_path / "w.npy"), VECTORS)
    assert_same(np.load(tmp_path / "w.npy", allow_pickle=True).item(), VECTORS)


def test_a_published_number_of_vectors(read):
    """Over 256 objects a pickle counts in longer numbers."""
    vectors = {f"class {i}": np.arange(300, dtype=np.float32) + i for i in range(309)}
    assert_same(read(saved(vectors)), vectors)
    assert_same(read(boxed(vectors, protocol=3)), vectors)


def test_numpy_1_and_2_use_other_names(read):
    new, old = b"numpy._core.multiarray", b"numpy.core.multiarray"
    program = boxed(VECTORS, protocol=3)  # the protocol of numpy 1, with names as plain lines
    assert program.count(new) == 1
    assert_same(read(program), VECTORS)
    assert_same(read(program.replace(new, old)), VECTORS)


def test_float_types_and_byte_orders(read):
    for dtype in ["<f2", "<f4", "<f8", ">f4"]:
        vectors = {name: vector.astype(dtype) for name, vector in VECTORS.items()}
        for name, vector in read(saved(vectors)).items():
            np.testing.assert_array_equal(vector, vectors[name])
            assert vector.dtype.isnative
            assert vector.flags.writeable


def test_calls_never_happen(read, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    bombs = (
        Call(os.system, "touch PWNED"),
        Call(builtins.eval, "open('PWNED', 'w')"),
        Call(builtins.exec, "open('PWNED', 'w')"),
        Call(builtins.open, "PWNED", "w"),
        Call(np.fromfile, "PWNED"),
        Call(np.zeros, 1),
        Call(getattr, Call(__import__, "os"), "system"),
        StateCall(builtins.open, "PWNED", "w"),
    )
    for bomb, protocol in product(bombs, (2, 4)):
        for value in (bomb, {**VECTORS, "x": bomb}, {bomb: VECTORS["archery"]}, {"x": [({"y": bomb},)]}):
            assert "never executed" in refusal(read, boxed(value, protocol))
            assert not (tmp_path / "PWNED").exists()


def test_hand_made_programs(read):
    for program, reason in [
        # a function fetched, memoised, and called from the memo
        (b"\x80\x04cos\nsystem\nq\x00h\x00X\x05\x00\x00\x00touch\x85R.", "'os.system'"),
        # the module's name put together on the stack
        (b"\x80\x04\x8c\x05posix\x8c\x06system\x93.", "'posix.system'"),
        # attributes of what is allowed are not allowed
        (b"\x80\x04\x8c\x05numpy\x8c\x0endarray.tofile\x93.", "'numpy.ndarray.tofile'"),
        (b"\x80\x04\x8c\x05numpy\x8c\x04load\x93.", "'numpy.load'"),
        # other ways to make or fetch objects: INST, OBJ, NEWOBJ, PERSID, EXT1
        (b"\x80\x04(ios\nsystem\n.", "something else"),
        (b"\x80\x04(cnumpy\nndarray\no.", "something else"),
        (b"\x80\x04cnumpy\nndarray\n)\x81.", "something else"),
        (b"\x80\x04Pthing\n.", "something else"),
        (b"\x80\x04\x82\x01.", "something else"),
        # a call of the numpy types, a state for a type, for a dict, for nothing
        (b"\x80\x04cnumpy\nndarray\nK\x05\x85R.", ""),
        (b"\x80\x04cnumpy\nndarray\n}X\x01\x00\x00\x00aK\x01sb.", "something else"),
        (b"\x80\x04cnumpy\ndtype\n}X\x08\x00\x00\x00__init__cnumpy\nndarray\nsb.", "something else"),
        (b"\x80\x04}}b.", "something else"),
        (b"\x80\x04b.", "something else"),
        (b"\x80\x04R.", "something else"),
        (b"\x80\x04K\x01.", "something else"),
        (b"\x80\x04", "damaged"),
        (b"", "damaged"),
        (b"\xff\xff", "damaged"),
    ]:
        assert reason in refusal(read, npy(program)), program
    assert_same(read(saved(VECTORS)), VECTORS)  # nothing has stayed changed


def array_program(shape: bytes, data: bytes, dtype: bytes = b"f4", state: bytes = b"") -> bytes:
    """One dict {"a": array of the given shape and bytes}, by hand."""
    new_array = b"cnumpy._core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85C\x01b\x87R"
    outer = new_array + b"(K\x01)cnumpy\ndtype\nX\x02\x00\x00\x00O8\x89\x88\x87R\x89](}X\x01\x00\x00\x00a"
    inner = new_array + b"(K\x01" + shape + b"cnumpy\ndtype\nX\x02\x00\x00\x00" + dtype + b"\x89\x88\x87R"
    return npy(b"\x80\x04" + outer + inner + state + b"\x89" + data + b"tbsetb.")


def test_a_vector_declares_its_numbers_truly(read):
    four = b"C\x04\x00\x00\x80?"
    assert read(array_program(b"K\x01\x85", four))["a"].tolist() == [1.0]
    huge = b"J\xff\xff\xff\x7fJ\xff\xff\xff\x7f\x86"  # (2^31 - 1) squared floats declared, four bytes held
    for shape in (huge, b"K\x02\x85", b")", b"J\xff\xff\xff\x7f)\x85\x86"):
        assert "as many numbers" in refusal(read, array_program(shape, four))
    for dtype in (b"i4", b"O8", b"V4"):
        assert "not made of floats" in refusal(read, array_program(b"K\x01\x85", four, dtype))
    assert "not made of floats" in refusal(read, array_program(b"K\x01\x85", b"]"))


def test_bytes_are_never_taken_for_objects(read):
    """numpy itself crashes on this file: flags of 0 make it take the bytes for the address of an object."""
    flags = b"(K\x03X\x01\x00\x00\x00|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    program = array_program(b"K\x01\x85", b"C\x08AAAAAA\x00\x00", b"O8", flags)
    assert "not made of floats" in refusal(read, program)


def test_huge_declarations_allocate_nothing(read):
    for program in (
        b"\x80\x04\x8e\xff\xff\xff\xff\xff\xff\xff\x7fabc.",  # BINBYTES8 of 2^63 bytes
        b"\x80\x04\x96\xff\xff\xff\xff\xff\xff\xff\x7fabc.",  # BYTEARRAY8
        b"\x80\x04B\xff\xff\xff\xffabc.",  # BINBYTES of 2^32 bytes
        b"\x80\x04\x95\xff\xff\xff\xff\xff\xff\xff\x7f}r\xff\xff\xff\xff.",  # FRAME
        b"\x80\x04}r\xff\xff\xff\xff.",  # memo entry 2^32 - 1
        b"\x80\x04}p4294967295\n.",
        b"\x80\x04I" + b"9" * 10_000 + b"\n.",
    ):
        refusal(read, npy(program))


def test_nested_tuples_as_names_are_not_hashed(read):
    doubled = b")" + b"q\x00h\x00\x86" * 200  # 200 levels of (x, x)
    deep = b")" + b"\x85" * 1_000_000
    for levels in (doubled, deep):
        assert "plain strings" in refusal(read, npy(b"\x80\x04}" + levels + b"Ns."))
        assert "plain strings" in refusal(read, npy(b"\x80\x04}(" + levels + b"Nu."))
        refusal(read, npy(b"\x80\x04(" + levels + b"Nd."))  # DICT
        refusal(read, npy(b"\x80\x04\x8f(" + levels + b"\x90."))  # ADDITEMS
        refusal(read, npy(b"\x80\x04" + levels + b"."))


def test_other_contents_are_refused(read):
    for value, reason in [
        ({}, "same length"),
        ({"a": [1, 2]}, "not one dict of arrays"),
        ({"a": np.array([1, 2])}, "not made of floats"),
        ({"a": np.array(["x"])}, "not made of floats"),
        ({"a": np.array([None])}, "not made of floats"),
        ({7: np.zeros(3)}, "plain strings"),
        ({7: np.zeros(3), "a": np.zeros(3)}, "plain strings"),
        ({"a": np.zeros(3), "b": np.zeros(4)}, "same length"),
        ({"a": np.zeros((2, 3))}, "as many numbers"),
        ({"a": np.zeros(0)}, "same length"),
        (["a"], "word vectors cannot be used"),
        (np.zeros(3), "array of numbers"),
    ]:
        assert reason in refusal(read, saved(value))


def test_damaged_files(read, tmp_path):
    whole = saved(VECTORS)
    for length in (0, 4, 20, len(whole) // 2, len(whole) - 1):
        refusal(read, whole[:length])
    assert "a web page" in refusal(read, b"<html>")
    assert "zip file" in refusal(read, b"PK\x03\x04 an npz file")
    for path, part in ((tmp_path / "nowhere.npy", "no such file"), (tmp_path, "it is a directory")):
        with pytest.raises(DataError, match=part):
            read_word_vectors(path)


def test_every_single_byte_change_is_read_or_refused(read):
    whole = bytearray(saved({"a": VECTORS["archery"]}))
    for position in range(len(whole)):
        changed = bytearray(whole)
        changed[position] ^= 0x15
        try:
            vectors = read(bytes(changed))
        except DataError:
            continue
        assert all(isinstance(name, str) and vector.dtype.kind == "f" for name, vector in vectors.items())
