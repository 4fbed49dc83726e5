"""The folders of the AVCA benchmark: where everything stands, and the checks of lists, names and files that
reading and verifying share.

A check tells what it finds to `complain(where, message)`: reading stops at the first, verifying collects all.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import numpy as np
from numpy.typing import NDArray

from hypav.data.benchmark import KINDS, PUBLISHED, Published, fold, vectors_name
from hypav.data.features import PHASES, SPLITS
from hypav.data.wordvectors import read_word_vectors
from hypav.errors import DataError, SettingError

__all__ = [
    "NAMES_FILE",
    "Complain",
    "OfficialFolder",
    "Pair",
    "check_roles",
    "check_same_rows",
    "find_dataset",
    "find_lists",
    "open_official",
    "stop",
    "text_rows",
]

Complain = Callable[[str, str], None]
LIST_FOLDERS = ("class-split", "class_split")
NAMES_FILE = "_w2v_class_names.csv"


class Pair(NamedTuple):
    """The two h5 files of one class in one split."""

    split: str
    class_id: int
    audio: Path
    video: Path


@dataclass
class OfficialFolder:
    """What stands in a folder for one kind of features, before any feature is read.

    names: the sorted C class names; manual, groups, super_groups: their columns of the csv file (empty where
    there is none); vectors: by manual name; lists: the class ids of each split; left_out: files of classes
    that are not in their split's list; texts: the files that all but the pairs was read from.
    """

    root: Path
    features: str
    dataset: str
    names: tuple[str, ...] = ()
    manual: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    super_groups: tuple[str, ...] = ()
    vectors: dict[str, NDArray[Any]] = field(default_factory=dict)
    lists: dict[str, tuple[int, ...]] = field(default_factory=dict)
    pairs: list[Pair] = field(default_factory=list)
    left_out: list[Path] = field(default_factory=list)
    texts: list[Path] = field(default_factory=list)

    @property
    def place(self) -> Path:
        """The folder of this kind's features."""
        return self.root / "features" / f"{self.features}_features"

    @property
    def published(self) -> Published | None:
        """The published set of this name and number of classes."""
        known = PUBLISHED.get(self.dataset.lower())
        return known if known and known.classes == len(self.names) else None


def stop(where: str, message: str) -> NoReturn:
    """The complaint of those who read: DataError at the first."""
    raise DataError(f"{where}: {message}")


def find_lists(root: Path) -> Path | None:
    """The folder of the class lists: the loader has class-split, the released README class_split."""
    return next((root / name for name in LIST_FOLDERS if (root / name).is_dir()), None)


def find_dataset(root: Path, dataset: str | None = None) -> str:
    """The dataset's prefix, from PREFIX_w2v_class_names.csv.

    Raises:
        DataError: no such folder or file, or several.
    """
    if not root.is_dir():
        stop(str(root), "there is no such folder (an archive must be unpacked first).")
    lists = find_lists(root)
    if lists is None:
        stop(str(root), "there is no folder class-split in it; point to the folder of one data set.")
    found = sorted(path.name.removesuffix(NAMES_FILE) for path in lists.glob(f"*{NAMES_FILE}"))
    if dataset is not None:
        if dataset not in found:
            stop(str(lists), f"there is no file {dataset}{NAMES_FILE}.")
        return dataset
    if len(found) != 1:
        which = f"several files ({', '.join(found)})" if found else "no file"
        stop(str(lists), f"there is {which} DATASET{NAMES_FILE}; there must be one, or name the dataset.")
    return found[0]


def open_official(
    root: Path, features: str, dataset: str | None = None, complain: Complain = stop
) -> OfficialFolder:
    """The lists, names, word vectors and files of one kind of features; see `read_official`."""
    if features not in KINDS:
        raise SettingError(f"There are no {features!r} features; choose one of {', '.join(KINDS)}.")
    folder = OfficialFolder(root, features, find_dataset(root, dataset))
    lists = find_lists(root)
    assert lists is not None  # find_dataset has looked
    _read_names(folder, lists, complain)
    for split in SPLITS:
        folder.lists[split] = _read_split(folder, lists / f"{features}_split" / f"{split}.txt", complain)
    check_roles(str(lists / f"{features}_split"), folder.names, folder.lists, complain)
    _read_csv(folder, lists / f"{folder.dataset}{NAMES_FILE}", complain)
    _read_vectors(folder, complain)
    for split in SPLITS:
        _find_pairs(folder, split, complain)
    return folder


def text_rows(folder: OfficialFolder, alignment: str) -> tuple[str, ...]:
    """The manual name whose vector each class gets: its own, or the one that the released loader gives it, which
    sorts the rows by manual name and then takes them by the rank of the original name."""
    if alignment == "correct":
        return folder.manual
    if alignment == "official":
        return tuple(sorted(folder.manual))
    raise SettingError(f"text_alignment must be correct or official, not {alignment!r}.")


def check_roles(
    where: str, names: Sequence[str], lists: Mapping[str, Sequence[int]], complain: Complain
) -> None:
    """No class is both trained on (or seen) and unseen."""
    for phase, trained_in in (("val", ("stage_1_train",)), ("test", PHASES["train_val"][0])):
        seen, (unseen,) = PHASES[phase]
        for split in dict.fromkeys((*seen, *trained_in)):
            if both := sorted(set(lists[split]) & set(lists[unseen])):
                complain(
                    where,
                    f"{len(both)} classes, the first is {names[both[0]]!r}, stand in both {split} and {unseen}; "
                    "a class can be only seen or unseen.",
                )


def _read_list(folder: OfficialFolder, path: Path, complain: Complain) -> list[str]:
    folder.texts.append(path)
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        complain(str(path), "the class list is missing.")
        return []
    except (OSError, UnicodeDecodeError) as error:
        kind = type(error).__name__
        complain(str(path), f"the class list cannot be read ({kind}); it must be plain UTF-8 text.")
        return []
    entries = [line.strip() for line in lines if line.strip()]
    if not entries:
        complain(str(path), "the class list is empty; write one class name a line.")
    return entries


def _read_names(folder: OfficialFolder, lists: Path, complain: Complain) -> None:
    path = lists / "all_class.txt"
    entries = _read_list(folder, path, complain)
    folded = [fold(folder.dataset, entry) for entry in entries]
    if twice := sorted({entry for entry in folded if folded.count(entry) > 1}):
        complain(str(path), f"the class {twice[0]!r} stands twice; class names must differ.")
    folder.names = tuple(sorted(set(entries)))


def _ids(folder: OfficialFolder) -> dict[str, int]:
    return {fold(folder.dataset, name): row for row, name in enumerate(folder.names)}


def _read_split(folder: OfficialFolder, path: Path, complain: Complain) -> tuple[int, ...]:
    ids = _ids(folder)
    known = []
    for entry in _read_list(folder, path, complain):
        if (row := ids.get(fold(folder.dataset, entry))) is not None:
            known.append(row)
        elif folder.names:
            complain(str(path), f"the class {entry!r} is not in all_class.txt.")
    return tuple(sorted(set(known)))


def _read_csv(folder: OfficialFolder, path: Path, complain: Complain) -> None:
    folder.texts.append(path)
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        complain(str(path), f"the table of class names cannot be read ({type(error).__name__}).")
        return
    if not rows or not {"original", "manual"} <= set(rows[0]):
        complain(str(path), "the table of class names needs the columns original and manual, and rows.")
        return
    by_name = {fold(folder.dataset, (row["original"] or "").strip()): row for row in rows}
    matched = [by_name.get(fold(folder.dataset, name)) for name in folder.names]
    for name, row in zip(folder.names, matched, strict=True):
        if row is None or not row["manual"]:
            complain(str(path), f"the class {name!r} of all_class.txt has no row with its manual name.")

    def column(key: str) -> tuple[str, ...]:
        return tuple(row[key] or "" if row else "" for row in matched)

    folder.manual = column("manual")
    folder.groups = column("category") if "category" in rows[0] else ()
    folder.super_groups = column("super_category") if "super_category" in rows[0] else ()


def _read_vectors(folder: OfficialFolder, complain: Complain) -> None:
    place = folder.place / "text"
    path = place / vectors_name(folder.dataset)
    if not path.is_file():
        others = sorted(place.glob("*.npy"))
        if len(others) != 1:
            complain(str(path), "the file of word vectors is missing.")
            return
        path = others[0]
    folder.texts.append(path)
    try:
        folder.vectors = read_word_vectors(path)
    except DataError as error:
        complain(str(path), str(error).removeprefix(f"{path}: "))
        return
    for name, manual in zip(folder.names, folder.manual, strict=False):
        if manual and manual not in folder.vectors:
            complain(str(path), f"there is no word vector {manual!r}, which the class {name!r} needs.")
    if bad := [name for name, vector in folder.vectors.items() if not np.isfinite(vector).all()]:
        complain(str(path), f"{len(bad)} word vectors have NaN or infinite values, the first is {bad[0]!r}.")


def _find_pairs(folder: OfficialFolder, split: str, complain: Complain) -> None:
    files: dict[str, dict[int, Path]] = {}
    for modality in ("audio", "video"):
        files[modality] = _class_files(folder, folder.place / modality / split, complain)
    for row in folder.lists[split]:
        audio, video = files["audio"].get(row), files["video"].get(row)
        if audio and video:
            folder.pairs.append(Pair(split, row, audio, video))
            continue
        for modality in ("audio", "video"):
            if files[modality] and row not in files[modality]:
                where, name = str(folder.place / modality / split), folder.names[row]
                complain(where, f"the class {name!r} has no sample in it: the file {name}.h5 is missing.")
    listed = set(folder.lists[split])
    folder.left_out += [path for found in files.values() for row, path in found.items() if row not in listed]


def _class_files(folder: OfficialFolder, place: Path, complain: Complain) -> dict[int, Path]:
    """The h5 files of a folder by class id, in an order that does not depend on the file system."""
    if not place.is_dir():
        complain(str(place), "the folder is missing; features are read from one h5 file a class in it.")
        return {}
    ids = _ids(folder)
    found: dict[int, Path] = {}
    paths = [path for path in place.iterdir() if path.suffix == ".h5" and not path.name.startswith(".")]
    for path in sorted(paths, key=lambda path: path.stem):
        row = ids.get(fold(folder.dataset, path.stem))
        if row is None:
            complain(str(path), "the file is named after no class of all_class.txt.")
        elif row in found:
            complain(str(path), f"there are two files of one class, this one and {found[row].name}.")
        else:
            found[row] = path
    if not paths:
        complain(str(place), "the folder holds no h5 file.")
    return found


def check_same_rows(pair: Pair, audio: tuple[str, ...], video: tuple[str, ...]) -> None:
    """The two files of a class name the same videos in the same order.

    Raises:
        DataError: they do not.
    """
    for row, (one, other) in enumerate(zip(audio, video, strict=True)):
        if one != other:
            stop(str(pair.video), f"row {row} is the video {other!r} but the audio file has {one!r} there.")
