"""Real YouTube-8M features with zero-shot splits, stored in one npz file of uint8 arrays.

The features are those of the YouTube-8M data set (Abu-El-Haija et al., 2016; 2018 edition, video level): the mean
Inception-v3 embedding after PCA (1024) and the mean VGGish embedding (128). `hypav.data.yt8m_build` makes the file.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from hypav.data.features import FeatureSet, from_arrays, split_codes
from hypav.data.files import memory_for, npz_arrays, plain_name, regular_file, unreadable
from hypav.data.vectors import read_word_vectors
from hypav.errors import DataError, SettingError
from hypav.utils import file_kind

Role = Literal["seen", "val_unseen", "test_unseen"]
ROLES: tuple[Role, ...] = get_args(Role)

YT8M_FILE = "yt8m_gzsl_mini.npz"
YT8M_FILES = {"yt8m-mini": YT8M_FILE, "yt8m": "yt8m_gzsl.npz"}
YT8M_NAME = "YT8M-GZSL (mini)"
ATTRIBUTION = (
    "YouTube-8M (2018), Google LLC, CC BY 4.0; "
    "changed: a subset, requantised to uint8, regrouped into GZSL splits."
)
DIM_AUDIO, DIM_VIDEO = 128, 1024
_LOW, _HIGH = -2.0, 2.0  # the range that Google quantised frame features to (youtube-8m, utils.Dequantize)


@dataclass(frozen=True)
class Yt8mClass:
    """A candidate class of yt8m-mini.

    `yt8m_index` is its row in Google's 2018 vocabulary. `w2v_key` is the closest class phrase in the AVCA benchmark's
    word-vector lists, such as "vggsound:playing banjo"; it is empty if there is no such phrase.
    """

    name: str
    parent: str
    super_group: str
    vertical: str
    w2v_key: str
    yt8m_index: int
    role: Role

    @property
    def phrase(self) -> str:
        """The phrase to look up in a word-vector file: that of `w2v_key`, or else the name."""
        return self.w2v_key.partition(":")[2] or self.name


@cache
def yt8m_classes() -> tuple[Yt8mClass, ...]:
    """The 109 candidate classes of yt8m-mini; yt8m_classes.json states their source and licence."""
    table = json.loads(files("hypav.data").joinpath("yt8m_classes.json").read_text(encoding="utf-8"))
    return tuple(Yt8mClass(super_group=row.pop("super"), **row) for row in table["classes"])


def quantise(values: ArrayLike) -> NDArray[np.uint8]:
    """Floats in [-2, 2] as uint8, round((x + 2) / 4 * 255); values outside are clipped. Any shape."""
    scaled = (np.asarray(values, dtype=np.float64) - _LOW) / (_HIGH - _LOW) * 255
    return np.rint(np.clip(scaled, 0, 255)).astype(np.uint8)


def dequantise(codes: ArrayLike) -> NDArray[np.float32]:
    """uint8 codes as float32, u8 / 255 * 4 - 2, within 2/255 of the quantised values. Any shape."""
    values = (np.arange(256) / 255 * (_HIGH - _LOW) + _LOW).astype(np.float32)
    return values[np.asarray(codes)]


_NEEDED = ("audio", "video", "label", "split", "names", "parent", "super", "id")


def read_yt8m(path: str | Path, *, max_gb: float | None = None) -> FeatureSet:
    """Read a YouTube-8M set: audio (N, 128), video (N, 1024) and text (C, D_w), all float32, with groups.

    Args:
        path: the npz file, or a folder with yt8m_gzsl_mini.npz.
        max_gb: the largest size of the arrays in gigabytes; by default 20 times that of the file, and at least 1.

    Raises:
        DataError: the file is missing, damaged, pickled or too large, or an array is missing or has the wrong type or
            shape.
    """
    path = Path(path)
    path = path / YT8M_FILE if path.is_dir() else path
    if not path.exists():
        raise DataError(
            f"There is no YouTube-8M file at {path}; get one with `hypav data fetch yt8m`, "
            "or point HYPAV_DATA at the folder that holds it."
        )
    arrays = npz_arrays(path, (*_NEEDED, "text", "text_minilm"), max_gb=max_gb)
    text = "text" if "text" in arrays else "text_minilm"
    try:
        for name in (*_NEEDED, text):
            if name not in arrays:
                raise DataError(f"the array {name} is missing; build the file with `hypav data build-yt8m`.")
        for name, dim in (("audio", DIM_AUDIO), ("video", DIM_VIDEO)):
            if arrays[name].dtype != np.uint8 or arrays[name].shape[1:] != (dim,):
                raise DataError(
                    f"{name} is {arrays[name].dtype} {arrays[name].shape} but should be uint8 (N, {dim}); "
                    "build the file again with `hypav data build-yt8m`."
                )
        if arrays[text].dtype.kind != "f":
            raise DataError(f"{text} must hold floating-point numbers, not {arrays[text].dtype}.")
        with memory_for(path, 5 * (arrays["audio"].nbytes + arrays["video"].nbytes)):
            audio, video = (torch.from_numpy(dequantise(arrays[key])) for key in ("audio", "video"))
        return from_arrays(
            name="YT8M-GZSL" if path.name == YT8M_FILES["yt8m"] else YT8M_NAME,
            audio=audio,
            video=video,
            label=arrays["label"],
            text=arrays[text].astype(np.float32),
            class_names=arrays["names"],
            splits=split_codes(arrays["split"], len(arrays["audio"])),
            groups=arrays["parent"],
            super_groups=arrays["super"],
            ids=arrays["id"],
            source=ATTRIBUTION,
        )
    except DataError as error:
        raise DataError(f"{path}: {error}") from error


def text_vectors(
    source: str | Path | Mapping[str, ArrayLike] | None, classes: Sequence[Yt8mClass]
) -> tuple[str, NDArray[Any]]:
    """The array name, and the text vectors (C, D_w) of the classes with norm 1.

    Args:
        source: one of
            an npz file with `names` and `text` or `text_minilm`, such as a yt8m-mini file: rows by name; text_minilm is
            kept bit for bit;
            an npz file with one vector per class, under the name of the class;
            a .vec or .txt file in the text format of fastText, word2vec and GloVe: the mean vector of the words of the
            phrase, or of the name if the file has no word of the phrase;
            a dict of vectors, or an npy file of a dict as in the AVCA benchmark: looked up by name, by `w2v_key`, then
            by phrase.
        classes: the classes of the rows, in this order.

    Raises:
        DataError: the file cannot be read, a class has no vector, or vectors differ in length or are 0.
        SettingError: there is no source.
    """
    if source is None:
        raise SettingError(
            "The shards hold no text vectors; give --text FILE: word vectors in fastText's text format (.vec), "
            "an npz with one vector for each class name, or an existing yt8m-mini file."
        )
    if isinstance(source, Mapping):
        return "text", _unit_rows("the text vectors", classes, _by_name("the text vectors", classes, source))
    path = regular_file(Path(source))
    where = str(path)
    if path.suffix in (".vec", ".txt"):
        return "text", _unit_rows(where, classes, _by_words(path, classes))
    if path.suffix == ".npy":
        return "text", _unit_rows(where, classes, _by_name(where, classes, read_word_vectors(path)))
    if path.suffix != ".npz":
        raise DataError(
            f"{path} is not a .npz, .npy, .vec or .txt file; give text vectors in one of these formats."
        )
    wanted = {key for c in classes for key in (c.name, c.w2v_key, c.phrase)}
    arrays: Mapping[str, Any] = npz_arrays(path, {*wanted, "names", "text", "text_minilm"})
    kept = "text_minilm" if "names" in arrays and "text" not in arrays else ""
    if "names" in arrays:
        table = arrays.get(kept or "text")
        names = np.atleast_1d(arrays["names"]).tolist()
        if table is None or table.ndim != 2 or len(table) != len(names):
            raise DataError(f"{path}: there is no array text or text_minilm with one row for each of names.")
        arrays = dict(zip(map(plain_name, names), table, strict=True))
    vectors = _by_name(where, classes, arrays)
    unit = _unit_rows(where, classes, vectors)
    return (kept, np.stack(vectors)) if kept else ("text", unit)


def _by_name(where: str, classes: Sequence[Yt8mClass], table: Mapping[str, ArrayLike]) -> list[NDArray[Any]]:
    vectors = {c.name: table.get(c.name, table.get(c.w2v_key, table.get(c.phrase))) for c in classes}
    if missing := [name for name, vector in vectors.items() if vector is None]:
        raise DataError(
            f"{where}: there is no vector for {len(missing)} classes, the first is {missing[0]!r}."
        )
    return [np.asarray(vector) for vector in vectors.values()]


def _by_words(path: Path, classes: Sequence[Yt8mClass]) -> list[NDArray[Any]]:
    """The mean vector of the words of each class, from a file whose lines are a word and its numbers."""
    wanted = {word for c in classes for text in (c.phrase, c.name) for word in _words(text)}
    table: dict[str, NDArray[np.float64]] = {}
    declared, found, width = None, 0, 0
    for number, line in enumerate(_vector_lines(path), start=1):
        word, _, numbers = line.strip(" \t\r\n").partition(
            " "
        )  # other blanks, such as U+00A0, are words of fastText's
        if number == 1 and re.fullmatch(r"\d{1,12} \d{1,12}", f"{word} {numbers}"):  # rows and dimensions
            declared, width = int(word), int(numbers)
            continue
        found += bool(word)
        count = numbers.count(" ") + 1 if numbers else 0
        width = width or count
        if word and count < width:
            raise DataError(
                f"{path}, line {number}: {count} numbers follow the word but the lines before have {width}, or the "
                "first line says so; the file is cut off, copy it again."
            )
        word = unicodedata.normalize("NFC", word)
        if word in wanted and word not in table:
            try:
                table[word] = np.array(numbers.split(" "), dtype=np.float64)
            except ValueError as error:
                raise DataError(f"{path}, line {number}: a word must be followed by numbers.") from error
    if declared is not None and found != declared:
        raise DataError(
            f"{path}: its first line says {declared} words but {found} follow; the file is cut off or was edited, "
            "copy it again."
        )
    if len({len(vector) for vector in table.values()}) > 1:
        raise DataError(f"{path}: its vectors differ in length, so the file is damaged.")
    vectors = []
    for c in classes:
        rows = [table[word] for word in _words(c.phrase) if word in table]
        rows = rows or [table[word] for word in _words(c.name) if word in table]
        if not rows:
            raise DataError(
                f"{path}: there is no vector for any word of class {c.name!r}; give a larger file."
            )
        vectors.append(np.mean(rows, axis=0))
    return vectors


MAX_LINE = 1 << 20
"""The longest line of a file of word vectors, in characters; 300 numbers take about 3,000."""


def _vector_lines(path: Path) -> Iterator[str]:
    """The lines of a file of word vectors, which may be larger than the memory."""
    try:
        with open(path, "rb") as file:
            if file.read(2) in (b"\xff\xfe", b"\xfe\xff"):
                raise DataError(f"{path}: the file is UTF-16 text; save it as UTF-8.")
        if kind := file_kind(path):
            raise DataError(f"{path}: a text file of word vectors is needed, but this is {kind}.")
        with path.open(encoding="utf-8-sig", errors="replace") as file:
            while line := file.readline(MAX_LINE):
                if len(line) == MAX_LINE:
                    raise DataError(
                        f"{path}: a line is longer than {MAX_LINE} characters; get the right file."
                    )
                yield line
    except OSError as error:
        raise unreadable(path, "a text file", error) from error


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", unicodedata.normalize("NFC", text).lower())


def _unit_rows(where: str, classes: Sequence[Yt8mClass], vectors: list[NDArray[Any]]) -> NDArray[np.float32]:
    for c, vector in zip(classes, vectors, strict=True):
        if vector.ndim != 1 or vector.dtype.kind != "f" or vector.shape != vectors[0].shape:
            raise DataError(
                f"{where}: the vector of class {c.name!r} is {vector.dtype} {vector.shape} "
                f"but should be floats like that of {classes[0].name!r}, {vectors[0].shape}."
            )
        if not np.isfinite(vector).all() or not vector.any():
            raise DataError(f"{where}: the vector of class {c.name!r} is zero, NaN or infinite.")
    rows = np.stack(vectors).astype(np.float64)
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
