"""The yt8m-mini classes, and their text vectors from a file of the user's (they cannot come from the
shards)."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hypav.data.wordvectors import read_word_vectors
from hypav.data.yt8m import load_arrays
from hypav.errors import DataError, SettingError

__all__ = ["ROLES", "Role", "Yt8mClass", "text_vectors", "yt8m_classes"]

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
