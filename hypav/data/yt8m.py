"""The yt8m-mini door: real YouTube-8M features with GZSL splits, kept in one npz file of uint8 arrays.

The features are those of the YouTube-8M data set (Abu-El-Haija et al., 2016; 2018 edition, video level):
the mean Inception-v3 embedding after PCA (1024) and the mean VGGish embedding (128).
`hypav.data.yt8m_build` makes the file.
"""

from __future__ import annotations

import json
import re
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from hypav.data.features import SPLITS, FeatureSet
from hypav.data.official import read_word_vectors
from hypav.errors import DataError, SettingError

Role = Literal["seen", "val_unseen", "test_unseen"]
ROLES: tuple[Role, ...] = get_args(Role)


@dataclass(frozen=True)
class Yt8mClass:
    """A candidate class: `yt8m_index` is its row of Google's 2018 vocabulary, `w2v_key` the nearest class
    phrase of the AVCA benchmark's word-vector lists ("vggsound:playing banjo"), empty where there is none."""

    name: str
    parent: str
    super_group: str
    vertical: str
    w2v_key: str
    yt8m_index: int
    role: Role

    @property
    def phrase(self) -> str:
        """What a word-vector file is asked for: the phrase of `w2v_key`, or else the name."""
        return self.w2v_key.partition(":")[2] or self.name


@cache
def yt8m_classes() -> tuple[Yt8mClass, ...]:
    """The 109 candidate classes of yt8m-mini; their source and licence stand in yt8m_classes.json."""
    table = json.loads(files("hypav.data").joinpath("yt8m_classes.json").read_text(encoding="utf-8"))
    return tuple(Yt8mClass(super_group=row.pop("super"), **row) for row in table["classes"])


def text_vectors(
    source: str | Path | Mapping[str, ArrayLike] | None, classes: Sequence[Yt8mClass]
) -> tuple[str, NDArray[Any]]:
    """The array name and the (C, D_w) text vectors of the classes, rows of norm 1.

    Args:
        source: one of
            an npz with `names` and `text` or `text_minilm`, such as a yt8m-mini file: rows by name, kept bit
            for bit in the latter case;
            an npz with one vector for each class, under its name;
            a .vec or .txt file of fastText's, word2vec's or GloVe's text format: the mean of the vectors of
            the phrase's words, where none is found of the name's words;
            a dict of vectors, or an npy file of one as the AVCA benchmark ships them (read without unpickling):
            looked up by name, by `w2v_key`, then by phrase.
        classes: which rows, in which order.

    Raises:
        DataError: where the file cannot be read, a class has no vector, or vectors differ in length or are 0.
        SettingError: where no source is given.
    """
    if source is None:
        raise SettingError(
            "The shards hold no text vectors: give --text FILE, either word vectors in fastText's text format "
            "(.vec), or an npz with one vector for each class name, or an existing yt8m-mini file."
        )
    if isinstance(source, Mapping):
        return "text", _stack("the text vectors", classes, _by_name("the text vectors", classes, source))
    path = Path(source)
    if not path.is_file():
        raise DataError(f"There is no file of text vectors at {path}.")
    if path.suffix in (".vec", ".txt"):
        return "text", _stack(str(path), classes, _by_words(path, classes))
    if path.suffix == ".npy":
        return "text", _stack(str(path), classes, _by_name(str(path), classes, read_word_vectors(path)))
    if path.suffix != ".npz":
        raise DataError(
            f"{path} is no .npz, .npy, .vec or .txt file; text vectors are read from one of these."
        )
    arrays = load_arrays(path)
    if "names" not in arrays:
        return "text", _stack(str(path), classes, _by_name(str(path), classes, arrays))
    name = "text" if "text" in arrays else "text_minilm"
    if name not in arrays or arrays[name].ndim != 2 or len(arrays[name]) != len(arrays["names"]):
        raise DataError(f"{path}: there is no array text or text_minilm with one row for each of names.")
    rows = dict(zip(arrays["names"].tolist(), arrays[name], strict=True))
    vectors = _by_name(str(path), classes, rows)
    stacked = _stack(str(path), classes, vectors)
    return (name, np.stack(vectors)) if name == "text_minilm" else (name, stacked)


def _by_name(where: str, classes: Sequence[Yt8mClass], table: Mapping[str, ArrayLike]) -> list[NDArray[Any]]:
    found = {c.name: table.get(c.name, table.get(c.w2v_key, table.get(c.phrase))) for c in classes}
    missing = [name for name, vector in found.items() if vector is None]
    if missing:
        raise DataError(
            f"{where}: there is no vector for {len(missing)} classes, the first is {missing[0]!r}."
        )
    return [np.asarray(vector) for vector in found.values()]


def _by_words(path: Path, classes: Sequence[Yt8mClass]) -> list[NDArray[Any]]:
    table = _read_words(path, {word for c in classes for text in (c.phrase, c.name) for word in _words(text)})
    vectors = []
    for c in classes:
        found = [table[w] for w in _words(c.phrase) if w in table]
        found = found or [table[w] for w in _words(c.name) if w in table]
        if not found:
            raise DataError(
                f"{path}: there is no vector for any word of class {c.name!r}; give a larger vocabulary."
            )
        vectors.append(np.mean(found, axis=0))
    return vectors


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


def _read_words(path: Path, wanted: set[str]) -> dict[str, NDArray[np.float64]]:
    """The vectors of the wanted words; a line is a word and its numbers, the first line may be "rows
    dimensions"."""
    table: dict[str, NDArray[np.float64]] = {}
    try:
        with path.open(encoding="utf-8", errors="replace") as lines:
            for number, line in enumerate(lines, start=1):
                word, _, numbers = line.rstrip().partition(" ")
                if word not in wanted or word in table or (number == 1 and " " not in numbers):
                    continue
                try:
                    table[word] = np.array(numbers.split(" "), dtype=np.float64)
                except ValueError as error:
                    raise DataError(
                        f"{path}, line {number}: a word and numbers should stand here."
                    ) from error
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror or error}).") from error
    if len({len(vector) for vector in table.values()}) > 1:
        raise DataError(f"{path}: its vectors differ in length, so the file is damaged.")
    return table


def _stack(where: str, classes: Sequence[Yt8mClass], vectors: list[NDArray[Any]]) -> NDArray[np.float32]:
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


YT8M_FILE = "yt8m_gzsl_mini.npz"
YT8M_NAME = "YT8M-GZSL (mini)"
ATTRIBUTION = (
    "YouTube-8M (2018), Google LLC, CC BY 4.0; "
    "changed: a subset, requantised to uint8, regrouped into GZSL splits."
)
DIM_AUDIO, DIM_VIDEO = 128, 1024
# The range that Google quantised frame features to (youtube-8m, utils.Dequantize).
_LOW, _HIGH = -2.0, 2.0

Array = NDArray[Any]


def quantise(values: ArrayLike) -> NDArray[np.uint8]:
    """Floats in [-2, 2] as uint8, round((x + 2) / 4 * 255); values outside are clipped. Any shape."""
    scaled = (np.asarray(values, dtype=np.float64) - _LOW) / (_HIGH - _LOW) * 255
    return np.rint(np.clip(scaled, 0, 255)).astype(np.uint8)


def dequantise(codes: ArrayLike) -> NDArray[np.float32]:
    """uint8 codes as float32, u8 / 255 * 4 - 2: within 2/255 of what was quantised. Any shape."""
    return (np.asarray(codes, dtype=np.float64) / 255 * (_HIGH - _LOW) + _LOW).astype(np.float32)


def read_yt8m(path: str | Path) -> FeatureSet:
    """Reads a yt8m-mini file, or the one in a folder.

    Returns audio (N, 128) and video (N, 1024) float32; text (C, D_w) float32, rows of norm 1 up to float16
    rounding; groups and super_groups for each class.

    Raises:
        DataError: where the file is missing, damaged or pickled, lacks an array, or has one of a wrong shape.
    """
    path = Path(path)
    path = path / YT8M_FILE if path.is_dir() else path
    arrays = load_arrays(path)
    label = _integers(arrays, "label", path)
    rows = label.shape[0]
    split = _integers(arrays, "split", path)
    names = _strings(arrays, "names", None, path)
    classes = len(names)
    for name, want in (
        ("split", (rows,)),
        ("audio", (rows, DIM_AUDIO)),
        ("video", (rows, DIM_VIDEO)),
    ):
        if _need(arrays, name, path).shape != want:
            raise DataError(
                f"{path}: array {name} has shape {arrays[name].shape} but should have {want}; build it anew."
            )
    for name in ("audio", "video"):
        if arrays[name].dtype != np.uint8:
            raise DataError(
                f"{path}: array {name} is {arrays[name].dtype} but should be uint8; build the file anew."
            )
    if split.size and not 0 <= split.min() <= split.max() < len(SPLITS):
        raise DataError(
            f"{path}: array split holds {int(split.max())}; codes run from 0 to {len(SPLITS) - 1}."
        )
    text = _need(arrays, "text" if "text" in arrays else "text_minilm", path)
    if text.ndim != 2 or text.shape[0] != classes or text.dtype.kind != "f":
        raise DataError(
            f"{path}: the text vectors are {text.dtype} {text.shape} "
            f"but should be floats ({classes}, D_w), a row a class."
        )
    return FeatureSet(
        name=YT8M_NAME,
        audio=torch.from_numpy(dequantise(arrays["audio"])),
        video=torch.from_numpy(dequantise(arrays["video"])),
        label=torch.from_numpy(label),
        text=torch.from_numpy(text.astype(np.float32)),
        class_names=names,
        splits={name: torch.from_numpy(np.flatnonzero(split == code)) for code, name in enumerate(SPLITS)},
        groups=_strings(arrays, "parent", classes, path),
        super_groups=_strings(arrays, "super", classes, path),
        ids=_strings(arrays, "id", rows, path),
        source=ATTRIBUTION,
    )


def load_arrays(path: str | Path) -> dict[str, Array]:
    """All arrays of an npz file, nothing unpickled.

    Raises:
        DataError: where there is no such file, or it is not a whole npz file of plain arrays.
    """
    path = Path(path)
    if not path.is_file():
        raise DataError(
            f"There is no YouTube-8M file at {path}; "
            f"point HYPAV_DATA at the folder that holds {YT8M_FILE}, or make it with `hypav data build-yt8m`."
        )
    try:
        with np.load(path, allow_pickle=False) as archive:
            if not isinstance(archive, np.lib.npyio.NpzFile):
                raise DataError(
                    f"{path} holds a single array, not the arrays of an npz file; build the file anew."
                )
            return {name: archive[name] for name in archive.files}
    except (OSError, EOFError, ValueError, KeyError, MemoryError, NotImplementedError, RuntimeError) as error:
        raise _damaged(path, error) from error
    except (zipfile.BadZipFile, zlib.error) as error:
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> DataError:
    if "allow_pickle" in str(error) or "pickled" in str(error):
        return DataError(
            f"{path} holds pickled objects, which are never opened; an npz file of plain arrays is needed."
        )
    return DataError(
        f"{path} is damaged or not an npz file ({type(error).__name__}); copy it again or build it anew."
    )


def _need(arrays: Mapping[str, Array], name: str, path: Path) -> Array:
    if name not in arrays:
        raise DataError(
            f"{path}: the array {name} is missing; it should hold what `hypav data build-yt8m` writes."
        )
    return arrays[name]


def _integers(arrays: Mapping[str, Array], name: str, path: Path) -> NDArray[np.int64]:
    array = _need(arrays, name, path)
    if array.ndim != 1 or array.dtype.kind not in "iu":
        raise DataError(
            f"{path}: array {name} is {array.dtype} {array.shape} but should be whole numbers, one a sample."
        )
    return array.astype(np.int64)


def _strings(arrays: Mapping[str, Array], name: str, length: int | None, path: Path) -> tuple[str, ...]:
    array = _need(arrays, name, path)
    if array.ndim != 1 or array.dtype.kind != "U" or (length is not None and len(array) != length):
        want = "a list of strings" if length is None else f"a list of {length} strings"
        raise DataError(f"{path}: array {name} is {array.dtype} {array.shape} but should be {want}.")
    return tuple(array.tolist())
