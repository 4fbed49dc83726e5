"""The official door: the AVCA benchmark folders (UCF-, VGGSound-, ActivityNet-GZSL) and folders of that form.

```
ROOT/class-split/all_class.txt                       one class a line
ROOT/class-split/DATASET_w2v_class_names.csv         original,manual[,category[,super_category]]
ROOT/class-split/{main,cls}_split/SPLIT.txt          the classes of a split
ROOT/features/{main,cls}_features/{audio,video}/SPLIT/CLASS.h5
ROOT/features/{main,cls}_features/text/word_embeddings_DATASET_normed.npy
```
"""

from __future__ import annotations

import csv
import io
import json
import math
import mmap
import os
import pickletools
import tokenize
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import h5py
import numpy as np
import torch
from h5py import h5d, h5f, h5l, h5o, h5p, h5s
from numpy.typing import NDArray
from tqdm import tqdm

from hypav.data.cache import cached
from hypav.data.features import PHASES, SPLITS, FeatureSet, rows_not_finite
from hypav.errors import DataError, RunError, SettingError
from hypav.utils import make_folder, replacing, write_json

KINDS = ("main", "cls")
# (audio, video, text): SeLaVi and SeLaVi; VGGish and C3D; fastText
FEATURE_DIMS: Mapping[str, tuple[int, int, int]] = {"main": (512, 512, 300), "cls": (128, 4096, 300)}


class Published(NamedTuple):
    """A published set: its class count, and (classes, samples) of each of SPLITS; the last with cls features."""

    name: str
    classes: int
    counts: tuple[tuple[int, int], ...]
    unseen_cls: tuple[int, int]

    def expected(self, features: str) -> dict[str, tuple[int, int]]:
        """(classes, samples) of each split with "main" or "cls" features."""
        last = self.counts[-1] if features == "main" else self.unseen_cls
        return dict(zip(SPLITS, (*self.counts[:-1], last), strict=True))


# Counted from the benchmark's tables; VGGSound's stage_1_train samples are as the AVCA paper states them (Table 1).
PUBLISHED: Mapping[str, Published] = {
    "ucf": Published("UCF-GZSL", 101, ((30, 3174), (30, 353), (12, 1467), (42, 555), (9, 1267)), (6, 845)),
    "activitynet": Published(
        "ActivityNet-GZSL", 200, ((99, 9204), (99, 1023), (51, 4307), (150, 1615), (50, 4199)), (48, 4052)
    ),
    "vggsound": Published(
        "VGGSound-GZSL", 309, ((138, 70351), (138, 7817), (69, 3102), (207, 9032), (69, 3450)), (64, 3200)
    ),
}


def fold(dataset: str, name: str) -> str:
    """The key that a class name is looked up by: the released loader ignores case in UCF and ActivityNet."""
    return name.lower() if dataset.lower() in ("ucf", "activitynet") else name


def vectors_name(dataset: str) -> str:
    """The file name of the word vectors; the released one shortens activitynet."""
    short = "activity" if dataset.lower() == "activitynet" else dataset
    return f"word_embeddings_{short}_normed.npy"


PROVENANCE_FILE = "hypav.json"


class Provenance(NamedTuple):
    name: str = ""
    source: str = ""
    simulated: bool = False


def read_provenance(folder: Path) -> Provenance:
    """What `write_provenance` left in a folder; nothing known where it left nothing.

    Raises:
        DataError: the file is there but damaged.
    """
    path = folder / PROVENANCE_FILE
    if not path.exists():
        return Provenance()
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
        found = Provenance(value["name"], value["source"], value["simulated"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise DataError(
            f"{path}: the file is damaged ({type(error).__name__}); write the folder anew."
        ) from error
    if [type(part) for part in found] != [str, str, bool]:
        raise DataError(f"{path}: name and source must be text and simulated true or false.")
    return found


def write_provenance(data: FeatureSet, folder: Path) -> None:
    """Writes the name, the source and whether the features were simulated.

    Raises:
        RunError: the file cannot be written.
    """
    write_json(
        folder / PROVENANCE_FILE, {"name": data.name, "source": data.source, "simulated": data.simulated}
    )


Place = Callable[[tuple[int, int]], NDArray[np.float32]]

_URL_BYTES = 80  # the released files' S80
_ACCESS = h5p.create(h5p.FILE_ACCESS)
_ACCESS.set_fclose_degree(h5f.CLOSE_STRONG)  # datasets do not keep a file open


def read_shape(path: Path) -> tuple[int, int]:
    """(n, D) of a file, without its data.

    Raises:
        DataError: truncated, no h5 file, or not of the form above.
    """
    with _opened(path) as (data, _):
        return data.shape


def _anew(shape: tuple[int, int]) -> NDArray[np.float32]:
    return np.empty(shape, dtype=np.float32)


def read_features(path: Path, place: Place = _anew) -> tuple[NDArray[np.float32], tuple[str, ...]]:
    """The (n, D) float32 features of a file and its n video names, in one opening of the file.

    Args:
        path: the file.
        place: gives the C-contiguous float32 array for a shape (n, D), once that is known; the features are read
            straight into it, whatever floats the file holds.

    Raises:
        DataError: truncated, no h5 file, not of the form above, or NaN and infinite values.
    """
    with _opened(path) as (data, urls):
        features = place(data.shape)
        data.read(h5s.ALL, h5s.ALL, features)
        encoded = np.zeros(urls.shape, dtype=urls.dtype)
        urls.read(h5s.ALL, h5s.ALL, encoded)
        names = tuple(name.decode("utf-8") for name in encoded.tolist())
    if bad := rows_not_finite(features):
        raise DataError(
            f"{path}: there are NaN or infinite values in {len(bad)} of {len(features)} rows, "
            f"the first is row {bad[0]}; remove or repair these samples."
        )
    return features, names


def write_features(path: Path, features: NDArray[Any], names: Sequence[str]) -> None:
    """Writes what `read_features` reads, in the released form (float32, S80 names; longer names where needed).

    Raises:
        RunError: the file cannot be written.
    """
    encoded = [name.encode() for name in names]
    width = max([_URL_BYTES, *map(len, encoded)])
    with replacing(path) as temporary, h5py.File(temporary, "w") as file:
        file["data"] = np.asarray(features, dtype=np.float32)
        file["video_urls"] = np.array(encoded, dtype=f"S{width}")


@contextmanager
def _opened(path: Path) -> Iterator[tuple[h5d.DatasetID, h5d.DatasetID]]:
    """h5py's low level: its File and Dataset take longer to make than a class takes to read."""
    try:
        with closing(h5f.open(os.fsencode(path), h5f.ACC_RDONLY, _ACCESS)) as file:
            data, urls = _own_dataset(file, "data", path), _own_dataset(file, "video_urls", path)
            shape, dtype = data.shape, data.dtype
            if shape[:1] == (0,):
                raise DataError(f"{path}: there is no sample in it; leave the class out or add samples.")
            if len(shape) != 2 or dtype.kind != "f" or 0 in shape:
                raise DataError(f"{path}: data must be floats (samples, dimensions), not {dtype} {shape}.")
            if urls.shape != shape[:1] or h5py.check_string_dtype(urls.dtype) is None:
                raise DataError(
                    f"{path}: video_urls must hold one string for each of the {shape[0]} rows of data, "
                    f"not {urls.dtype} {urls.shape}."
                )
            yield data, urls
    except (OSError, RuntimeError, KeyError, ValueError, TypeError, OverflowError, MemoryError) as error:
        raise DataError(
            f"{path}: the file is truncated, damaged or no h5 file ({type(error).__name__}); copy it again."
        ) from error


def _own_dataset(file: h5f.FileID, key: str, path: Path) -> h5d.DatasetID:
    """A dataset stored in the file itself: links, external storage and virtual layouts could read other files."""
    name = key.encode()
    if not file.links.exists(name):
        raise DataError(
            f"{path}: there is no dataset {key!r} in it; each class file holds data and video_urls."
        )
    dataset = h5o.open(file, name) if file.links.get_info(name).type == h5l.TYPE_HARD else None
    if not isinstance(dataset, h5d.DatasetID) or _lies_elsewhere(dataset):
        raise DataError(f"{path}: {key!r} is not a dataset of the file itself; links are not followed.")
    if math.prod(dataset.shape) and dataset.get_storage_size() == 0:
        raise DataError(
            f"{path}: {key!r} declares {dataset.shape} values but stores none; copy the file again."
        )
    return dataset


def _lies_elsewhere(dataset: h5d.DatasetID) -> bool:
    made = dataset.get_create_plist()
    return made.get_external_count() > 0 or made.get_layout() == h5d.VIRTUAL


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


AVCA_SOURCE = (
    "Features of the AVCA benchmark (Mercea et al., Audio-visual generalised zero-shot learning with "
    "cross-modal attention and language, CVPR 2022), word vectors fastText wiki.en."
)


def read_official(
    root: Path | str,
    features: str = "main",
    *,
    text_alignment: str = "correct",
    dataset: str | None = None,
    cache: Path | str | None = None,
) -> FeatureSet:
    """Reads a benchmark folder, the published ones or your own of that form.

    Class ids are ranks in the sorted all_class.txt. Names are looked up without regard to case in ucf and
    activitynet, as the released loader does, else exactly. Samples of classes that are not in their split's list
    are left out. The sixth folder, stage_2_train, repeats three others and is not read. Samples stand in the
    order of SPLITS, then of class names, then of the files' rows.

    Args:
        root: the folder of one dataset.
        features: "main" (SeLaVi) or "cls" (VGGish and C3D).
        text_alignment: "correct" gives each class its own word vector; "official" the one that the released
            loader gives it, which shifts rows wherever manual and original names sort differently.
        dataset: the prefix of the csv file with the class names; needed only where there are several.
        cache: a folder that keeps the set for the next time, when it is mapped instead of read; see `hypav.data.cache`.
            Without it nothing is written.

    Returns:
        float32 features; `ids` the video names; `groups` the csv's category. `paper_key` is set where name,
        class counts and dimensions are those of the published set.

    Raises:
        DataError: anything missing, damaged or contradictory, with the file it is in.
        RunError: the cache cannot be written.
        SettingError: unknown `features` or `text_alignment`.
    """
    root = Path(root)
    folder = open_official(root, features, dataset)
    text_rows(folder, text_alignment)  # refuses an unknown alignment before the work
    if cache is None:
        return _read(folder, text_alignment)
    return cached(
        lambda: _read(
            open_official(root, features, dataset), text_alignment
        ),  # anew: after the files were hashed
        Path(cache),
        root,
        _files(folder),
        {
            "features": features,
            "text_alignment": text_alignment,
            "dataset": folder.dataset,
            "root": root.name,
        },
    )


def _files(folder: OfficialFolder) -> list[Path]:
    """All that the set depends on."""
    note = folder.place / PROVENANCE_FILE
    features = [path for pair in folder.pairs for path in (pair.audio, pair.video)]
    return [*folder.texts, *([note] if note.exists() else []), *features]


def _read(folder: OfficialFolder, text_alignment: str) -> FeatureSet:
    root, features = folder.root, folder.features
    text = text_table(folder, text_alignment)
    provenance = read_provenance(folder.place)
    block = _read_pairs(folder)
    # Features that this package wrote under a published name are the published ones only if they came from there.
    own = provenance.simulated or provenance.source not in ("", AVCA_SOURCE)
    known = None if own else folder.published
    name = provenance.name or f"{known.name if known else folder.dataset} ({features})"
    expected = [classes for classes, _ in known.expected(features).values()] if known else None
    dims = (block.audio.shape[1], block.video.shape[1], text.shape[1])
    genuine = expected == [len(folder.lists[split]) for split in SPLITS] and dims == FEATURE_DIMS[features]
    return FeatureSet(
        name=name if text_alignment == "correct" else f"{name}, released text rows",
        audio=torch.from_numpy(block.audio),
        video=torch.from_numpy(block.video),
        label=block.label,
        text=torch.from_numpy(text),
        class_names=folder.names,
        splits=block.splits,
        split_classes={split: torch.tensor(ids) for split, ids in folder.lists.items()},
        groups=folder.groups,
        super_groups=folder.super_groups,
        ids=block.ids,
        source=AVCA_SOURCE if genuine else provenance.source or f"A folder of the AVCA form, {root.name}.",
        simulated=provenance.simulated,
        paper_key=(known.name, features) if known and genuine else None,
    )


def text_table(folder: OfficialFolder, alignment: str) -> NDArray[np.float32]:
    """(C, D_w) word vectors by class id; see `text_alignment` of `read_official`."""
    return np.stack([folder.vectors[name] for name in text_rows(folder, alignment)]).astype(np.float32)


class _Block(NamedTuple):
    audio: NDArray[np.float32]
    video: NDArray[np.float32]
    label: torch.Tensor
    splits: dict[str, torch.Tensor]
    ids: tuple[str, ...]


def _read_pairs(folder: OfficialFolder) -> _Block:
    """All features, each file opened once and read to where it stays.

    The modality of fewer dimensions comes first. It tells the rows, so that the table of the other has its final size
    at once, and only the smaller one stands in pieces until it is complete.
    """
    first = folder.pairs[0]
    dims = {"audio": read_shape(first.audio)[1], "video": read_shape(first.video)[1]}
    small, large = sorted(dims, key=dims.__getitem__)
    bar = tqdm(total=2 * len(folder.pairs), desc=f"Reading {folder.root.name}", unit="file", disable=None)
    pieces: list[NDArray[np.float32]] = []
    names: list[tuple[str, ...]] = []
    with bar:
        for pair in folder.pairs:
            piece, found = read_features(
                getattr(pair, small), partial(_piece, getattr(pair, small), dims[small])
            )
            pieces.append(piece)
            names.append(found)
            bar.update()
        rows = [len(piece) for piece in pieces]
        tables = {small: _joined(pieces)}
        tables[large] = _memory(sum(rows), dims[large])
        starts = np.cumsum([0, *rows])
        for pair, found, start in zip(folder.pairs, names, starts, strict=False):
            table = tables[large][start : start + len(found)]
            _, others = read_features(getattr(pair, large), partial(_slice, pair, large, table))
            check_same_rows(pair, *((found, others) if small == "audio" else (others, found)))
            bar.update()
    of_pair = torch.repeat_interleave(torch.tensor(rows))
    label = torch.tensor([pair.class_id for pair in folder.pairs])[of_pair]
    split = torch.tensor([SPLITS.index(pair.split) for pair in folder.pairs])[of_pair]
    splits = {name: (split == code).nonzero().squeeze(1) for code, name in enumerate(SPLITS)}
    return _Block(tables["audio"], tables["video"], label, splits, tuple(chain.from_iterable(names)))


def _check_dim(path: Path, found: int, dim: int) -> None:
    if found != dim:
        stop(str(path), f"the features have {found} dimensions but the first class's have {dim}.")


def _piece(path: Path, dim: int, shape: tuple[int, int]) -> NDArray[np.float32]:
    _check_dim(path, shape[1], dim)
    return _memory(*shape)


def _memory(rows: int, dim: int) -> NDArray[np.float32]:
    """A table on pages of its own: freed, they go back to the system, as holes in the heap do not. They are small ones:
    the huge ones that numpy asks for took a quarter of the time of reading VGGSound-GZSL."""
    # shared, the default, would let forked processes write to each other's features
    private = {"flags": mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS} if hasattr(mmap, "MAP_ANONYMOUS") else {}
    return np.frombuffer(mmap.mmap(-1, 4 * rows * dim, **private), dtype=np.float32).reshape(rows, dim)


def _slice(
    pair: Pair, modality: str, table: NDArray[np.float32], shape: tuple[int, int]
) -> NDArray[np.float32]:
    """The class's rows of the table, if they are as many as the other modality's."""
    path = getattr(pair, modality)
    _check_dim(path, shape[1], table.shape[1])
    if shape[0] != len(table):
        audio, video = (shape[0], len(table)) if modality == "audio" else (len(table), shape[0])
        stop(str(pair.video), f"there are {video} video rows but {audio} audio rows of this class.")
    return table


def _joined(pieces: list[NDArray[np.float32]]) -> NDArray[np.float32]:
    """The pieces in one table; the list is emptied, so that rows are not held twice."""
    table = _memory(sum(map(len, pieces)), pieces[0].shape[1])
    end = len(table)
    while pieces:
        piece = pieces.pop()
        table[end - len(piece) : end] = piece
        end -= len(piece)
    return table


def write_official(
    data: FeatureSet,
    root: Path | str,
    features: str = "main",
    *,
    dataset: str | None = None,
    manual: Mapping[str, str] | None = None,
    stage_2_train: bool = True,
) -> Path:
    """Writes the folder that `read_official` describes, each file whole or not at all.

    Reading it gives the same float32 values. Class ids become ranks of the sorted class names, and samples the
    order that `read_official` names. A small file hypav.json beside the features keeps the name, the
    source and whether they are simulated.

    Args:
        data: what to write; floats are stored as float32, samples without ids get sample_0000000 and so on.
        root: the folder of one dataset; it may hold the other kind of features of the same classes.
        features: "main" or "cls".
        dataset: the files' prefix; by default that of the published set that `data` is, else "own".
        manual: original class name to the name of its word vector, where they differ.
        stage_2_train: write the sixth folder too, the union of three others, which the released scripts expect.

    Returns:
        root.

    Raises:
        DataError: class names that cannot be file names or list entries.
        RunError: the folder already has such features, or other classes, or cannot be written.
        SettingError: unknown `features`.
    """
    if features not in KINDS:
        raise SettingError(f"There are no {features!r} features; choose one of {', '.join(KINDS)}.")
    root = Path(root)
    dataset = dataset or _prefix(data)
    manual_names = tuple((manual or {}).get(name, name) for name in data.class_names)
    _check_names(data, dataset, manual_names)
    place, lists = root / "features" / f"{features}_features", root / "class-split"
    if place.exists():
        raise RunError(f"{place} is already there; choose another folder or remove it.")
    order = sorted(range(len(data.class_names)), key=data.class_names.__getitem__)
    _write_names(data, make_folder(lists), dataset, manual_names, order)
    parts = _parts(data, stage_2_train)
    ids = data.ids or tuple(f"sample_{row:07d}" for row in range(len(data)))
    for split, (index, classes) in parts.items():
        _write_lists(data, make_folder(lists / f"{features}_split"), split, index, classes, order, ids)
        for row in classes:
            chosen = index[data.label[index] == row]
            names = [ids[sample] for sample in chosen.tolist()]
            for modality, table in (("audio", data.audio), ("video", data.video)):
                target = make_folder(place / modality / split) / f"{data.class_names[row]}.h5"
                write_features(target, table[chosen].cpu().numpy(), names)
    vectors = {manual_names[row]: data.text[row].cpu().numpy() for row in order}
    write_word_vectors(vectors, make_folder(place / "text") / vectors_name(dataset))
    write_provenance(data, place)
    return root


def _prefix(data: FeatureSet) -> str:
    names = {known.name: prefix for prefix, known in PUBLISHED.items()}
    return names[data.paper_key[0]] if data.paper_key else "own"


def _check_names(data: FeatureSet, dataset: str, manual: Sequence[str]) -> None:
    for name in data.class_names:
        # A dot first would hide the file; a line break or outer blank would not survive the lists.
        if "/" in name or "\0" in name or name.startswith(".") or name.strip().splitlines() != [name]:
            raise DataError(
                f"{data.name}: the class name {name!r} cannot be a file name and a line; rename the class."
            )
    folded = [fold(dataset, name) for name in data.class_names]
    if twice := [name for name, key in zip(data.class_names, folded, strict=True) if folded.count(key) > 1]:
        raise DataError(
            f"{data.name}: {' and '.join(map(repr, twice[:2]))} differ only in case, which {dataset} folders "
            "do not tell apart; rename one."
        )
    if len(set(manual)) != len(manual) or "" in manual:
        raise DataError(f"{data.name}: manual names must differ and not be empty, as each has a word vector.")


def _parts(data: FeatureSet, stage_2_train: bool) -> dict[str, tuple[torch.Tensor, list[int]]]:
    """Sample indices and sorted class ids of each folder."""
    parts = {split: (data.splits[split], data.split_classes[split].tolist()) for split in SPLITS}
    if stage_2_train:
        seen = PHASES["train_val"][0]
        index = torch.cat([data.splits[split] for split in seen])
        parts["stage_2_train"] = (index, sorted({row for split in seen for row in parts[split][1]}))
    return parts


def _write_names(
    data: FeatureSet, lists: Path, dataset: str, manual: Sequence[str], order: Sequence[int]
) -> None:
    names = "".join(f"{data.class_names[row]}\n" for row in order)
    path = lists / "all_class.txt"
    if path.exists() and path.read_text(encoding="utf-8") != names:
        raise RunError(f"{path} lists other classes; choose another folder.")
    _write_text(path, names)
    columns = [data.class_names, manual, *(part for part in (data.groups, data.super_groups) if part)]
    header = ["original", "manual", *(["category"] if data.groups else [])]
    header += ["super_category"] if data.super_groups else []
    rows = ([column[row] for column in columns] for row in order)
    _write_text(lists / f"{dataset}{NAMES_FILE}", _table(header, rows))


def _write_lists(
    data: FeatureSet,
    folder: Path,
    split: str,
    index: torch.Tensor,
    classes: Sequence[int],
    order: Sequence[int],
    ids: Sequence[str],
) -> None:
    """The class list that the loader reads, and the sample table that the released splitting scripts use."""
    code = {row: rank for rank, row in enumerate(order)}
    listed = sorted(classes, key=code.__getitem__)
    _write_text(folder / f"{split}.txt", "".join(f"{data.class_names[row]}\n" for row in listed))
    pairs = zip(index.tolist(), data.label[index].tolist(), strict=True)
    rows = ([ids[sample], data.class_names[row], code[row]] for sample, row in pairs)
    _write_text(folder / f"{split}.csv", _table(["filename", "label", "label_code"], rows))


def _table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue()


def _write_text(path: Path, text: str) -> None:
    with replacing(path) as temporary:
        temporary.write_bytes(text.encode())
