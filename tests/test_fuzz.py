"""Damaged and hostile data files: each reader gives data or the package's own error, in one sentence."""

from __future__ import annotations

import gzip
import io
import os
import random
import struct
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import h5py
import numpy as np
import pytest
from data_helpers import damage

from hypav.data import SPLITS, from_arrays, load_npz, read_yt8m, save_npz
from hypav.data.features import source_arrays
from hypav.data.files import read_lines
from hypav.data.official import OfficialFolder, _read_features, _read_names, unpack
from hypav.data.vectors import read_word_vectors
from hypav.data.verify import verify
from hypav.data.yt8m import text_vectors, yt8m_classes
from hypav.data.yt8m_build import make_example, read_videos, write_records
from hypav.errors import HypavError

FILES = 500  # for each reader
OTHERS = (
    b"",
    b"\0" * 300,
    b"\xff" * 300,
    b"\xff\xfeN\0a\0m\0e\0",
    b"<!DOCTYPE html><html></html>",
    b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n",
    b"\x80\x04]\x94.",
    b"[" * 50_000,
    b'{"a":' * 5_000,
    b"a" * 200_000,
    b"1000000000 1000000000\n",
    gzip.compress(b"x" * 100, mtime=0),
)


def damaged(whole: bytes, seed: int) -> Iterator[bytes]:
    """Endlessly many damaged versions of a file, the same for the same seed; other kinds of files come first."""
    rng = random.Random(seed)
    yield from OTHERS
    while True:
        yield damage(whole, rng)


def survives(read: Callable[[Path], object], path: Path, files: Iterator[bytes]) -> None:
    """Read each file; everything but the package's own error, in one sentence, is a failure of the test."""
    refused = 0
    for number, content in enumerate(islice(files, FILES)):
        path.write_bytes(content)
        try:
            read(path)
        except HypavError as error:
            refused += 1
            message = str(error)
            assert message.endswith("."), message
            assert "\n" not in message, message
        except Exception as error:
            raise AssertionError(f"{path.name}, file {number}: {type(error).__name__}: {error}") from error
    assert refused > FILES / 20


def saved(**arrays: object) -> bytes:
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def nameless() -> zipfile.ZipInfo:
    info = zipfile.ZipInfo("x")
    info.filename = ""
    return info


def small_arrays() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    label = np.repeat(np.arange(3), [5, 3, 2])
    split = np.array([0, 0, 0, 1, 3, 2, 2, 3, 4, 4])
    names = {"class_names": np.array(["a", "b", "c"]), "text": np.eye(3, dtype=np.float32)}
    return {
        "audio": rng.normal(size=(10, 2)),
        "video": rng.normal(size=(10, 2)),
        "label": label,
        "split": split,
    } | names


def hostile_npz() -> Iterator[bytes]:
    """Whole npz files with wrong contents."""
    good = small_arrays()
    for key in good:
        for value in (
            np.array([{}], dtype=object),
            np.zeros(0),
            np.zeros((0, 3)),
            np.array(3.0),
            np.array("x"),
            np.array(["2000-01-01"], "M8[D]"),
            np.zeros(10, [("a", "f4")]),
            np.zeros((10, 2), complex),
            np.zeros((10, 2), np.longdouble),
            np.full((10, 2), np.nan),
            np.zeros((1,) * 30),
            np.full(10, 2**63, np.uint64),
            np.full(10, -(2**63)),
            np.array([b"\xff"] * 10),
        ):
            yield saved(**good | {key: value})
        yield saved(**{name: value for name, value in good.items() if name != key})
    plain = saved(**good)
    for name, content in [
        (nameless(), b"no name"),
        ("audio", b"no array"),
        ("audio.npy", b"again"),
        ("other.npy", b"no array"),
        ("../../up.npy", b""),
    ]:
        file = io.BytesIO(plain)
        with zipfile.ZipFile(file, "a") as archive:
            archive.writestr(name, content)
        yield file.getvalue()
    for header in (
        b"{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000, 1000000000), }",
        b"{'descr': '<f4', 'fortran_order': False, 'shape': (-1, 2), }",
        b"{'descr': '<U0', 'fortran_order': False, 'shape': (1000000000,), }",
        b"{'descr': '<f4', 'fortran_order': False, 'shape': 'x', }",
        b"(" * 9_000,
        b"[" * 200,
        b"",
    ):
        npy = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header
        for content in (
            npy,
            npy + b"x" * 80,
            npy.replace(b"\1\0", b"\3\0", 1),
            npy.replace(b"\1\0", b"\2\0", 1),
        ):
            file = io.BytesIO()
            with zipfile.ZipFile(file, "w") as archive:
                for key in good:
                    archive.writestr(f"{key}.npy", content)
            yield file.getvalue()
            yield content


@pytest.fixture(scope="module")
def npz(tmp_path_factory) -> bytes:
    path = tmp_path_factory.mktemp("npz") / "good.npz"
    arrays = small_arrays()
    split = arrays.pop("split")
    splits = {name: np.flatnonzero(split == code) for code, name in enumerate(SPLITS)}
    save_npz(from_arrays(**arrays, splits=splits, ids=[f"v{i}" for i in range(10)]), path)
    load_npz(path)
    return path.read_bytes()


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_npz_files(tmp_path, npz) -> None:
    survives(load_npz, tmp_path / "a.npz", damaged(npz, 1))
    survives(load_npz, tmp_path / "a.npz", hostile_npz())


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_files_to_verify(tmp_path, npz) -> None:
    """Problems of the data are reported and never raised."""
    for content in (*islice(damaged(npz, 2), 40), *islice(hostile_npz(), 40)):
        (tmp_path / "a.npz").write_bytes(content)
        assert verify(tmp_path / "a.npz").path.name == "a.npz"


def test_npz_files_of_youtube_8m(tmp_path) -> None:
    arrays = small_arrays()
    arrays |= {key: np.zeros((10, dim), np.uint8) for key, dim in (("audio", 128), ("video", 1024))}
    arrays["audio"][0] = arrays["video"][0] = 9
    arrays |= {"names": arrays["class_names"], "parent": np.array(["x"] * 3), "super": np.array(["y"] * 3)}
    whole = saved(**arrays, id=np.arange(10).astype(str))
    (tmp_path / "a.npz").write_bytes(whole)
    read_yt8m(tmp_path / "a.npz")
    survives(read_yt8m, tmp_path / "a.npz", damaged(whole, 3))


def test_npy_files(tmp_path) -> None:
    file = io.BytesIO()
    np.save(file, np.arange(6.0))
    survives(
        lambda path: source_arrays(path.parent, ["label"]),
        tmp_path / "label.npy",
        damaged(file.getvalue(), 4),
    )


def test_h5_files(tmp_path) -> None:
    path, other = tmp_path / "a.h5", tmp_path / "b.h5"
    with h5py.File(other, "w") as file:
        file["data"], file["video_urls"] = np.ones((3, 2), np.float32), np.array([b"a", b"b", b"c"], "S8")

    def read(path: Path) -> object:
        files = [("stage_1_train", 0, path, path)]
        return _read_features(OfficialFolder(tmp_path, "main", "x", (), (), (), (), {}, {}, files), None)

    whole = other.read_bytes()
    read(other)
    survives(read, path, damaged(whole, 5))


CLASSES = yt8m_classes()[:2]


def test_word_vectors(tmp_path) -> None:
    words = "".join(f"{word.lower()} 1 0.5\n" for c in CLASSES for word in f"{c.phrase} {c.name}".split())
    text = f"{words.count(chr(10))} 2\n{words}"
    (tmp_path / "a.vec").write_text(text)
    text_vectors(tmp_path / "a.vec", CLASSES)
    survives(lambda path: text_vectors(path, CLASSES), tmp_path / "a.vec", damaged(text.encode(), 6))
    named = {c.name: np.ones(2) for c in CLASSES}
    survives(lambda path: text_vectors(path, CLASSES), tmp_path / "a.npz", damaged(saved(**named), 7))
    table = io.BytesIO()
    np.save(table, np.array(named, dtype=object))
    survives(read_word_vectors, tmp_path / "a.npy", damaged(table.getvalue(), 8))


def test_lists_and_tables(tmp_path) -> None:
    names = ["Übung", "a b", "ärm"]
    survives(read_lines, tmp_path / "list.txt", damaged("\r\n".join(names).encode(), 9))
    table = "original,manual,category\n" + "".join(f'"{name}",{name},x\n' for name in names)

    def read(path: Path) -> object:
        return _read_names(path, "own", names)

    survives(read, tmp_path / "own.csv", damaged(table.encode(), 10))


def test_shards(tmp_path) -> None:
    features = {
        "id": [b"abcd"],
        "labels": np.array([1]),
        "mean_rgb": np.ones(1024),
        "mean_audio": np.ones(128),
    }
    write_records(tmp_path / "good", [make_example(features)] * 2)
    survives(
        lambda path: list(read_videos(path)), tmp_path / "a", damaged((tmp_path / "good").read_bytes(), 12)
    )


def test_archives(tmp_path) -> None:
    """Nothing is written outside the folder."""
    file, tar = io.BytesIO(), io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("UCF/a.txt", b"hello" * 20)
        archive.writestr("UCF/b/c.txt", b"")
    with tarfile.open(fileobj=tar, mode="w:gz") as members:
        info = tarfile.TarInfo("UCF/a.txt")
        info.size = 5
        members.addfile(info, io.BytesIO(b"hello"))
    inside = tmp_path / "out"
    for suffix, content in (("zip", file.getvalue()), ("tar.gz", tar.getvalue())):
        survives(lambda path: unpack(path, inside), tmp_path / f"a.{suffix}", damaged(content, 13))
    assert {path.name for path in tmp_path.iterdir()} <= {"out", "a.zip", "a.tar.gz"}
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(nameless(), b"no name")
    with pytest.raises(HypavError, match="has no name"):
        unpack(tmp_path / "a.zip", inside)


def test_what_is_no_file_is_not_opened(tmp_path) -> None:
    """Opening a pipe would wait for ever."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    (tmp_path / "nowhere").symlink_to(tmp_path / "gone")
    readers = (load_npz, read_lines, read_word_vectors, lambda path: text_vectors(path, CLASSES))
    readers += (lambda path: list(read_videos(path)), lambda path: unpack(path, tmp_path / "out"))
    for name, part in (
        (tmp_path / "pipe", "it is a pipe, and only regular files are opened."),
        (tmp_path / "folder", "it is a directory"),
        ("/dev/null", "it is a device"),
        (tmp_path / "nowhere", "no such file"),
        (tmp_path / ("n" * 300), "File name too long"),
        ("a\0b", "cannot be the name of a file"),
    ):
        for read in readers:
            with pytest.raises(HypavError, match=part):
                read(Path(name))
