"""Checks of notebook 12: a reader of one's own data. The two that read files write them to a folder of their own."""

from __future__ import annotations

import csv
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hypav.checks.framework import FunctionCheck
from hypav.errors import DataError

UNSEEN = "stage_2_test_unseen"


@dataclass(frozen=True)
class _Files:
    """A folder's content: the rows (class, split) of videos.csv, and the two npz files.

    Attributes:
        name: the file that a function is given; empty for the folder.
        leaks: whether a reader must refuse the folder.
    """

    rows: Sequence[tuple[str, str]]
    arrays: dict[str, Any] = field(default_factory=dict)
    words: dict[str, Any] = field(default_factory=dict)
    name: str = ""
    leaks: bool = False

    def write(self, folder: Path) -> None:
        with (folder / "videos.csv").open("w", newline="") as file:
            csv.writer(file).writerows([("class", "split"), *self.rows])
        np.savez(folder / "features.npz", **self.arrays)
        np.savez(folder / "words.npz", **self.words)

    def __repr__(self) -> str:
        return "a small folder"


def _on_files(function: Callable[..., Any]) -> Callable[..., Any]:
    def read(files: _Files) -> Any:
        with TemporaryDirectory() as folder:
            files.write(Path(folder))
            try:
                answer = function(Path(folder, files.name))
            except DataError:
                if not files.leaks:
                    raise
                return {"refusal": torch.tensor(1.0)}
        if files.leaks and isinstance(answer, dict):
            return {"refusal": torch.tensor(0.0)}
        return _flat(answer)

    return read


def _flat(answer: Any) -> Any:
    """The answer as a dict of tensors; one that is no dict as it is."""
    if not isinstance(answer, dict):
        return answer
    splits = answer.get("splits", {})
    parts = {name: part for name, part in answer.items() if name != "splits"}
    parts |= {f"split {name}": splits[name] for name in sorted(splits)}
    return {name: _as_numbers(part) for name, part in parts.items()}


def _as_numbers(part: Any) -> Any:
    if isinstance(part, (list, tuple, np.ndarray)) and len(part) and isinstance(part[0], str):
        return torch.tensor([zlib.crc32(name.encode()) for name in part], dtype=torch.float64)
    return torch.as_tensor(part)


_SPLITS = ("stage_1_train", "stage_1_val_seen", "stage_1_val_unseen", "stage_2_test_seen", UNSEEN)


def _rows(names: Sequence[str], seed: int) -> list[tuple[str, str]]:
    """Ten videos of each class in a mixed order; the last class is test-unseen, the one before val-unseen."""
    g = torch.Generator().manual_seed(seed)
    rows = []
    for place, name in enumerate(names):
        role = len(names) - place
        for number in range(10):
            seen = (
                "stage_1_val_seen" if number == 8 else "stage_2_test_seen" if number == 9 else "stage_1_train"
            )
            split = {1: UNSEEN, 2: "stage_2_test_seen" if number == 9 else "stage_1_val_unseen"}.get(
                role, seen
            )
            rows.append((name, split))
    return [rows[i] for i in torch.randperm(len(rows), generator=g).tolist()]


_NAMES = (["flute", "Archery", "dive", "Band Marching", "yo-yo"], ["Walk", "clean and jerk", "Typing", "ski"])


def _videos(path: Path) -> dict[str, Any]:
    with path.open() as file:
        rows = list(csv.DictReader(file))
    names = sorted({row["class"] for row in rows})
    splits: dict[str, list[int]] = {}
    for place, row in enumerate(rows):
        splits.setdefault(row["split"], []).append(place)
    label = torch.tensor([names.index(row["class"]) for row in rows])
    return {"class_names": names, "label": label, "splits": splits}


def _with(change: Callable[[dict[str, Any]], dict[str, Any]]) -> Callable[[Path], dict[str, Any]]:
    """A wrong my_videos that changes some parts of the right answer."""

    def wrong(path: Path) -> dict[str, Any]:
        right = _videos(path)
        return right | change(right)

    return wrong


def _in_order_of(names: Callable[[list[str]], list[str]]) -> Callable[[Path], dict[str, Any]]:
    def wrong(path: Path) -> dict[str, Any]:
        right = _videos(path)
        column = [right["class_names"][c] for c in right["label"].tolist()]
        order = names(column)
        return right | {"class_names": order, "label": torch.tensor([order.index(name) for name in column])}

    return wrong


def _each_split(change: Callable[[list[int], Tensor], Any]) -> Callable[[Path], dict[str, Any]]:
    return _with(
        lambda right: {"splits": {n: change(rows, right["label"]) for n, rows in right["splits"].items()}}
    )


videos = FunctionCheck(
    "names, labels and splits from a table",
    _videos,
    [((_Files(_rows(names, seed), name="videos.csv"),), {}) for seed, names in enumerate(_NAMES)],
    {
        "the classes are in the order in which they appear. Sort them, so that another order of the videos gives the "
        "same ids.": _in_order_of(lambda column: list(dict.fromkeys(column))),
        "the classes are sorted backwards.": _in_order_of(lambda column: sorted(set(column), reverse=True)),
        "you sorted without regard to case. Python's sorted, which the exercise asks for, puts capital letters first.": (
            _in_order_of(lambda column: sorted(set(column), key=str.lower))
        ),
        "class ids start at 0: yours are one too large.": _with(lambda right: {"label": right["label"] + 1}),
        "the splits hold class ids. They must hold the places of videos.": _each_split(
            lambda rows, label: label[rows]
        ),
        "the places of videos start at 0: the header of the table does not count.": _each_split(
            lambda rows, label: [row + 1 for row in rows]
        ),
        "each split holds one video only, the last: a new value has replaced the old one. Append to a list.": _each_split(
            lambda rows, label: rows[-1:]
        ),
        "the places start again in each split. They are places in the whole table.": _each_split(
            lambda rows, label: list(range(len(rows)))
        ),
        "the splits hold every place twice.": _each_split(lambda rows, label: rows + rows),
    },
    praise="hv.from_arrays needs nothing else from the table.",
    seen=_on_files,
)


def _plain(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter.isalnum())


def _words(names: Sequence[str], given: Sequence[str], vectors: Any) -> Any:
    row = {_plain(name): place for place, name in enumerate(given)}
    return vectors[[row[_plain(name)] for name in names]]


def _exactly(form: Callable[[str], str]) -> Callable[..., Tensor]:
    """A wrong my_words: names are compared in one form, and a class that is not found gets zeros."""

    def wrong(names: Sequence[str], given: Sequence[str], vectors: Tensor) -> Tensor:
        row = {form(name): place for place, name in enumerate(given)}
        found = [vectors[row[form(name)]] if form(name) in row else 0 * vectors[0] for name in names]
        return torch.stack(found)

    return wrong


def _order(given: Sequence[str], key: Callable[[str], str] | None = None) -> list[int]:
    return [list(given).index(name) for name in sorted(given, key=key)]


_SPELLED = (
    (
        ["Archery", "BandMarching", "Yo-Yo", "playing flute", "skiJumping", "walk"],
        ["Walk", "ski_jumping", "playing flute", "yo yo", "archery", "Band Marching"],
    ),
    (["Dive", "HorseRiding", "dance", "tai chi"], ["tai-chi", "dance", "horse riding", "dive"]),
)


def _vectors(count: int, seed: int) -> Tensor:
    return torch.randn(count, 5, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


words = FunctionCheck(
    "each class its own word vector",
    _words,
    [((names, given, _vectors(len(given), seed)), {}) for seed, (names, given) in enumerate(_SPELLED)],
    {
        "the vectors are in the order of their own names. Give each class the vector of its name.": (
            lambda names, given, vectors: vectors.clone()
        ),
        "this is the reverse: row i must be the vector of class i.": lambda names, given, vectors: vectors[
            [list(map(_plain, names)).index(_plain(name)) for name in given]
        ],
        "you sorted the vectors by their names, as the released loader does. Sorted by two spellings, names come in two "
        "orders.": lambda names, given, vectors: vectors[_order(given)],
        "you sorted the vectors by the plain form of their names. The classes are sorted by their own spelling.": (
            lambda names, given, vectors: vectors[_order(given, _plain)]
        ),
        "you compared the names letter by letter: BandMarching and band marching are one class.": _exactly(
            str
        ),
        "you ignored case, but not blanks, hyphens and underscores.": _exactly(str.lower),
        "you removed blanks only: a hyphen or an underscore separates words too.": _exactly(
            lambda name: name.lower().replace(" ", "")
        ),
        "you removed blanks, hyphens and underscores, but capital letters still count.": _exactly(
            lambda name: "".join(letter for letter in name if letter.isalnum())
        ),
        "the vectors have length 1 now. Leave them as they are.": lambda names, given, vectors: (
            torch.nn.functional.normalize(_words(names, given, vectors), dim=1)
        ),
    },
    praise="Vectors that are matched by name do not depend on the order of a file.",
)


def _refuse(table: dict[str, Any], splits: Sequence[str]) -> None:
    label, rows = table["label"], table["splits"]
    unseen = set(label[rows[UNSEEN]].tolist())
    for name in splits:
        if leaked := unseen & set(label[rows[name]].tolist()):
            raise DataError(f"Classes {sorted(leaked)} are in both {name} and {UNSEEN}.")


def _reading(
    text: Callable[[list[str], Any, Any], Any] = _words,
    change: Callable[[dict[str, Any]], dict[str, Any]] = lambda right: right,
    checked: Sequence[str] | None = None,
) -> Callable[[Path], dict[str, Any]]:
    """my_reader, or a wrong one with other words, other arrays, or a look for leaks in some splits only."""

    def read(folder: Path) -> dict[str, Any]:
        table = _videos(folder / "videos.csv")
        arrays, vectors = np.load(folder / "features.npz"), np.load(folder / "words.npz")
        _refuse(table, [n for n in table["splits"] if n != UNSEEN] if checked is None else checked)
        words_given = text(table["class_names"], vectors["names"], vectors["vectors"])
        return {**table, "text": words_given, **change({name: arrays[name] for name in ("audio", "video")})}

    return read


def _folder(seed: int, leak: str = "") -> _Files:
    names, rng = _NAMES[seed % 2], np.random.default_rng(seed)
    rows = _rows(names, seed)
    if leak:  # one video of the unseen class, moved to another split
        rows[next(i for i, row in enumerate(rows) if row[1] == UNSEEN)] = (names[-1], leak)
    spelled = [name.lower().replace(" ", "_") for name in reversed(names)]
    arrays = {"audio": rng.normal(size=(len(rows), 3)), "video": rng.normal(size=(len(rows), 3))}
    return _Files(
        rows, arrays, {"names": spelled, "vectors": rng.normal(size=(len(names), 4))}, leaks=bool(leak)
    )


def _normalised(arrays: dict[str, Any]) -> dict[str, Any]:
    return {name: x / np.linalg.norm(x, axis=1, keepdims=True) for name, x in arrays.items()}


reader = FunctionCheck(
    "a reader of your own data",
    _reading(),
    [
        ((each,), {})
        for each in (_folder(0), _folder(1), _folder(2, "stage_1_train"), _folder(3, "stage_2_test_seen"))
    ],
    {
        "the words are not aligned: pass them through my_words.": _reading(
            lambda names, given, vectors: vectors
        ),
        "the words are sorted by their own names, as in the released loader. Pass them through my_words.": _reading(
            lambda names, given, vectors: vectors[np.argsort(given)]
        ),
        "a leak is not refused: a test-unseen class that has a video in another split must raise DataError.": _reading(
            checked=()
        ),
        "you look for the leak in stage_1_train only. A class is unseen if it is in no other split at all.": _reading(
            checked=("stage_1_train",)
        ),
        "you look for the leak in stage_2_test_seen only. Look in every other split.": _reading(
            checked=("stage_2_test_seen",)
        ),
        "sound and picture are exchanged.": _reading(
            change=lambda x: {"audio": x["video"], "video": x["audio"]}
        ),
        "the video features are the audio features.": _reading(change=lambda x: {**x, "video": x["audio"]}),
        "the audio features are the video features.": _reading(change=lambda x: {**x, "audio": x["video"]}),
        "the rows have length 1 now. Leave the features as they are.": _reading(change=_normalised),
    },
    praise="hv.from_arrays takes its result, so you can train on your own data.",
    seen=_on_files,
)
