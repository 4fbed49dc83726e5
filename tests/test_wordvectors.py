"""The word-vector reader: what np.save makes of a dict is read, and no pickle is ever executed."""

from __future__ import annotations

import builtins
import io
import os
import pickle
import struct
from itertools import product

import numpy as np
import pytest

from hypav.data import read_word_vectors, write_word_vectors
from hypav.errors import DataError, RunError

VECTORS = {
    "Weight Lifting": np.array([0.6, 0.8, 0], np.float32),
    "archery": np.array([0, 1, 0], np.float32),
    "plätschern": np.array([0, 0, 1], np.float32),
}


def npy(program: bytes, descr: str = "'|O'", shape: str = "()") -> bytes:
    """An npy file, version 1, of an object array that the given pickle makes."""
    header = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}"
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

    def __init__(self, function, *arguments):
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


class BuildCall(Call):
    """Pickles to a numpy array whose state is set to something hostile."""

    def __reduce__(self):
        return (*np.zeros(1).__reduce__()[:2], Call(*self.call[:1], *self.call[1]))


@pytest.fixture
def read(tmp_path):
    def inner(content: bytes) -> dict[str, np.ndarray]:
        path = tmp_path / "vectors.npy"
        path.write_bytes(content)
        return read_word_vectors(path)

    return inner


def refusal(read, content: bytes) -> str:
    with pytest.raises(DataError) as caught:
        read(content)
    message = str(caught.value)
    assert "vectors.npy" in message
    assert "\n" not in message
    assert message.endswith(".")
    assert len(message) < 400
    return message


def assert_same(found, wanted):
    assert list(found) == list(wanted)
    for name, vector in wanted.items():
        assert found[name].dtype == vector.dtype
        np.testing.assert_array_equal(found[name], vector)


def test_round_trip(tmp_path):
    write_word_vectors(VECTORS, tmp_path / "w.npy")
    assert_same(read_word_vectors(tmp_path / "w.npy"), VECTORS)
    # and it is the very file that the released loader opens
    assert_same(np.load(tmp_path / "w.npy", allow_pickle=True).item(), VECTORS)
    assert os.listdir(tmp_path) == ["w.npy"]


def test_numpy_1_and_2_write_other_names(read):
    new = b"numpy._core.multiarray"
    for protocol, module in product((3, 4), (b"numpy.core.multiarray", new)):
        program = boxed(VECTORS, protocol)
        assert new in program
        if protocol == 4:
            program = program.replace(
                b"\x8c" + bytes([len(new)]) + new, b"\x8c" + bytes([len(module)]) + module
            )
            frame = program.index(b"\x95") + 1
            length = struct.unpack("<Q", program[frame : frame + 8])[0] - len(new) + len(module)
            program = program[:frame] + struct.pack("<Q", length) + program[frame + 8 :]
        else:
            program = program.replace(new, module)
        assert_same(read(program), VECTORS)


def test_float_types_and_byte_orders(read):
    for dtype in ["<f2", "<f4", "<f8", ">f4"]:
        vectors = {name: vector.astype(dtype) for name, vector in VECTORS.items()}
        found = read(saved(vectors))
        for name, vector in vectors.items():
            np.testing.assert_array_equal(found[name], vector)
            assert found[name].dtype.isnative
            assert found[name].dtype.itemsize == vector.dtype.itemsize


def test_vectors_can_be_written_to(read):
    found = read(saved(VECTORS))
    found["archery"][0] = 7
    assert found["archery"][0] == 7


def test_calls_never_happen(read, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    bombs = (
        Call(os.system, "touch PWNED"),
        Call(builtins.eval, "open('PWNED', 'w')"),
        Call(builtins.exec, "open('PWNED', 'w')"),
        Call(builtins.open, "PWNED", "w"),
        Call(np.load, "PWNED"),
        Call(np.fromfile, "PWNED"),
        Call(np.zeros, 1),
        BuildCall(builtins.open, "PWNED", "w"),
    )
    for bomb, protocol in product(bombs, (2, 4)):
        for place in (bomb, {**VECTORS, "x": bomb}, {bomb: VECTORS["archery"]}, {"x": [({"y": bomb},)]}):
            assert "never executed" in refusal(read, boxed(place, protocol))
            assert not (tmp_path / "PWNED").exists()


RECONSTRUCT = b"cnumpy._core.multiarray\n_reconstruct\n"


def test_hand_made_programs(read):
    for program, reason in [
        # a function fetched, memoised, and called from the memo
        (b"\x80\x04cos\nsystem\nq\x00h\x00X\x05\x00\x00\x00touch\x85R.", "'os.system'"),
        # the module's name put together on the stack
        (b"\x80\x04\x8c\x05posix\x8c\x06system\x93.", "'posix.system'"),
        # attribute walks: numpy is admitted, what hangs on it is not
        (b"\x80\x04\x8c\x05numpy\x8c\x0endarray.tofile\x93.", "'numpy.ndarray.tofile'"),
        (b"\x80\x04\x8c\x05numpy\x8c\x04load\x93.", "'numpy.load'"),
        (b"\x80\x04(ios\nsystem\n.", "INST"),
        (b"\x80\x04(cnumpy\nndarray\no.", "OBJ"),
        (b"\x80\x04cnumpy\nndarray\n)\x81.", "NEWOBJ"),
        (b"\x80\x04Pthing\n.", "PERSID"),
        (b"\x80\x04\x82\x01.", "EXT1"),
        (b"\x80\x04cnumpy\nndarray\nK\x05\x85R.", "calls something other"),
        (b"\x80\x04cnumpy\ndtype\n}\x85R.", "calls something other"),
        (b"\x80\x04}}b.", "changes something other"),
        (b"\x80\x04]]\x93.", "broken"),
        (b"\x80\x04R.", "broken"),
        (b"\x80\x04K\x01.", "one dict"),
        (b"\x80\x04", "truncated"),
        (b"", "truncated"),
        (b"\xff\xff", "truncated"),
    ]:
        assert reason in refusal(read, npy(program))


def vector_program(shape: bytes, data: bytes, dtype: bytes = b"f4") -> bytes:
    """One dict {"a": array of the given shape and bytes}, by hand."""
    new_array = RECONSTRUCT + b"cnumpy\nndarray\nK\x00\x85C\x01b\x87R"
    outer = new_array + b"(K\x01)cnumpy\ndtype\nX\x02\x00\x00\x00O8\x89\x88\x87R\x89](}X\x01\x00\x00\x00a"
    inner = new_array + b"(K\x01" + shape + b"cnumpy\ndtype\nX\x02\x00\x00\x00" + dtype + b"\x89\x88\x87R\x89"
    return b"\x80\x04" + outer + inner + data + b"tbsetb."


def test_a_vector_declares_its_numbers_truly(read):
    four = b"C\x04\x00\x00\x80?"
    assert read(npy(vector_program(b"K\x01\x85", four)))["a"].tolist() == [1.0]
    # 2^31 - 1 squared floats declared, four bytes held: nothing is allocated
    huge = b"J\xff\xff\xff\x7fJ\xff\xff\xff\x7f\x86"
    assert "as many numbers" in refusal(read, npy(vector_program(huge, four)))
    assert "as many numbers" in refusal(read, npy(vector_program(b"K\x02\x85", four)))
    # a shape whose product would repeat a tuple 2^31 - 1 times
    assert "proper shape" in refusal(read, npy(vector_program(b"J\xff\xff\xff\x7f)\x85\x86", four)))
    assert "not made of floats" in refusal(read, npy(vector_program(b"K\x01\x85", four, b"i4")))
    assert "not made of floats" in refusal(read, npy(vector_program(b"K\x01\x85", b"]")))


def test_huge_declarations_allocate_nothing(read):
    for program in (
        b"\x80\x04\x8e\xff\xff\xff\xff\xff\xff\xff\x7fabc.",  # BINBYTES8 of 2^63 bytes
        b"\x80\x04\x96\xff\xff\xff\xff\xff\xff\xff\x7fabc.",  # BYTEARRAY8
        b"\x80\x04\x95\xff\xff\xff\xff\xff\xff\xff\x7f}r\xff\xff\xff\xff.",  # FRAME, memo entry 2^32 - 1
        b"\x80\x04I" + b"9" * 10_000 + b"\n.",
    ):
        refusal(read, npy(program))


def test_nested_tuples_as_names_do_not_explode(read):
    # 200 levels of (x, x): hashing or printing them would never end
    levels = b")" + b"q\x00h\x00\x86" * 200
    assert "plain strings" in refusal(read, npy(b"\x80\x04}" + levels + b"Ns."))
    refusal(read, npy(b"\x80\x04" + levels + b"."))
    refusal(read, npy(b"\x80\x04" + levels + b"X\x01\x00\x00\x00a\x93."))


def test_other_contents_are_refused(read):
    for value, reason in [
        ({}, "no word vectors"),
        ({"a": [1, 2]}, "not an array"),
        ({"a": 1.5}, "BINFLOAT"),
        ({"a": np.array([1, 2])}, "not made of floats"),
        ({"a": np.array(["x"])}, "not made of floats"),
        ({"a": np.array([None])}, "not made of floats"),
        ({7: np.zeros(3)}, "plain strings"),
        ({"a": np.zeros(3), "b": np.zeros(4)}, "one length"),
        ({"a": np.zeros((2, 3))}, "one length"),
        ({"a": np.zeros(0)}, "one length"),
        ({"a": np.array(1.0)}, "one length"),
        (["a"], "array of"),
        (np.zeros(3), "array of float64 of shape"),
    ]:
        assert reason in refusal(read, saved(value))


def test_damaged_files(read, tmp_path):
    whole = saved(VECTORS)
    for length in (0, 4, 20, len(whole) // 2, len(whole) - 1):
        refusal(read, whole[:length])
    refusal(read, b"not an npy file at all")
    with pytest.raises(DataError, match=r"nowhere\.npy.*No such file"):
        read_word_vectors(tmp_path / "nowhere.npy")
    with pytest.raises(DataError, match="directory"):
        read_word_vectors(tmp_path)


def test_every_single_byte_change_is_read_or_refused(read):
    whole = bytearray(saved({"a": VECTORS["archery"]}))
    for position in range(len(whole)):
        changed = bytearray(whole)
        changed[position] ^= 0x15
        try:
            found = read(bytes(changed))
        except DataError:
            continue
        assert all(isinstance(name, str) and vector.dtype.kind == "f" for name, vector in found.items())


def test_writing_to_nowhere(tmp_path):
    with pytest.raises(RunError, match="Cannot write"):
        write_word_vectors(VECTORS, tmp_path / "missing" / "w.npy")
