"""Read and write the folders of the AVCA benchmark (UCF-, VGGSound-, ActivityNet-GZSL) and your own of the same form.

```
ROOT/class-split/all_class.txt                       one class per line
ROOT/class-split/DATASET_w2v_class_names.csv         original,manual[,category[,super_category]]
ROOT/class-split/{main,cls}_split/SPLIT.txt          the classes of a split
ROOT/features/{main,cls}_features/{audio,video}/SPLIT/CLASS.h5
ROOT/features/{main,cls}_features/text/word_embeddings_DATASET_normed.npy
```
A class file holds `data`, floats (n, D), and `video_urls`, n strings. Audio and video files have the same rows.
"""

from __future__ import annotations

import csv
import io
import json
import pickle
import tarfile
import unicodedata
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from operator import itemgetter
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import h5py
import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from hypav.data.features import SPLITS, FeatureSet
from hypav.errors import DataError, RunError, SettingError
from hypav.utils import file_kind, make_folder, replacing, write_json

KINDS = ("main", "cls")
# (audio, video, text): SeLaVi, SeLaVi and fastText; VGGish, C3D and fastText
FEATURE_DIMS: Mapping[str, tuple[int, int, int]] = {"main": (512, 512, 300), "cls": (128, 4096, 300)}
LIST_FOLDERS = ("class-split", "class_split")  # the released loader uses the first, its README the second
NAMES_FILE = "_w2v_class_names.csv"
NOTE_FILE = "hypav.json"  # name, source and simulated of features that this package wrote
AVCA_SOURCE = (
    "Features of the AVCA benchmark (Mercea et al., Audio-visual generalised zero-shot learning with "
    "cross-modal attention and language, CVPR 2022), word vectors fastText wiki.en."
)


class Published(NamedTuple):
    """A published set: its number of classes, (classes, samples) of each split, and of the last with cls features."""

    name: str
    classes: int
    counts: tuple[tuple[int, int], ...]
    unseen_cls: tuple[int, int]

    def expected(self, features: str) -> dict[str, tuple[int, int]]:
        """(classes, samples) of each split with "main" or "cls" features."""
        last = self.counts[-1] if features == "main" else self.unseen_cls
        return dict(zip(SPLITS, (*self.counts[:-1], last), strict=True))


# From the benchmark's tables; the number of VGGSound's stage_1_train samples is that of the AVCA paper (Table 1).
PUBLISHED: Mapping[str, Published] = {
    "ucf": Published("UCF-GZSL", 101, ((30, 3174), (30, 353), (12, 1467), (42, 555), (9, 1267)), (6, 845)),
    "activitynet": Published(
        "ActivityNet-GZSL", 200, ((99, 9204), (99, 1023), (51, 4307), (150, 1615), (50, 4199)), (48, 4052)
    ),
    "vggsound": Published(
        "VGGSound-GZSL", 309, ((138, 70351), (138, 7817), (69, 3102), (207, 9032), (69, 3450)), (64, 3200)
    ),
}


# --- reading --------------------------------------------------------------------------------------------------------


class OfficialFolder(NamedTuple):
    """What a folder says about one kind of features, before the features are read.

    names: the C sorted class names. manual: the name of each class's word vector. groups, super_groups: the categories in
    the csv file, or empty. vectors: word vectors by manual name. lists: sorted class ids of each split. files: (split,
    class id, audio file, video file).
    """

    root: Path
    features: str
    dataset: str
    names: tuple[str, ...]
    manual: tuple[str, ...]
    groups: tuple[str, ...]
    super_groups: tuple[str, ...]
    vectors: dict[str, NDArray[Any]]
    lists: dict[str, tuple[int, ...]]
    files: list[tuple[str, int, Path, Path]]


def read_official(root: Path | str, features: str = "main", *, text_alignment: str = "correct") -> FeatureSet:
    """Read a benchmark folder: a published one, or your own of the same form.

    Class ids are ranks in the sorted all_class.txt. In ucf and activitynet the case of names is ignored, as in the
    released loader. Samples of classes that are not in their split's list are left out. The sixth split, stage_2_train,
    repeats three others and is not read. Samples are sorted by split in the order of SPLITS, then by class name, then by
    row of the file.

    Args:
        root: the folder of one data set.
        features: "main" (SeLaVi) or "cls" (VGGish and C3D).
        text_alignment: "correct" gives each class its word vector. "official" repeats the released loader, which
            shifts the rows if manual and original names sort differently.

    Returns:
        float32 features; `ids` are the video names, `groups` the categories in the csv file. `paper_key` is set if name,
        class counts and dimensions are those of the published set.

    Raises:
        DataError: something is missing, damaged or contradictory; the message names its file.
        SettingError: unknown `features` or `text_alignment`.
    """
    folder = open_official(root, features)
    rows = text_rows(folder.manual, text_alignment)
    text = np.stack([folder.vectors[name] for name in rows]).astype(np.float32)
    noted_name, source, simulated = _read_note(_features_folder(folder.root, features) / NOTE_FILE)
    audio, video, counts, ids = _read_features(folder)
    label = torch.repeat_interleave(torch.tensor([row for _, row, _, _ in folder.files]), counts)
    split_code = torch.repeat_interleave(
        torch.tensor([SPLITS.index(file[0]) for file in folder.files]), counts
    )
    # Features that this package wrote under a published name are the published ones only if that is their source.
    theirs = not simulated and source in ("", AVCA_SOURCE)
    known = PUBLISHED.get(folder.dataset.lower()) if theirs else None
    known = known if known and known.classes == len(folder.names) else None
    expected = [classes for classes, _ in known.expected(features).values()] if known else []
    dims = (audio.shape[1], video.shape[1], text.shape[1])
    genuine = expected == [len(folder.lists[split]) for split in SPLITS] and dims == FEATURE_DIMS[features]
    name = noted_name or f"{known.name if known else folder.dataset} ({features})"
    return FeatureSet(
        name=name if text_alignment == "correct" else f"{name}, released text rows",
        audio=torch.from_numpy(audio),
        video=torch.from_numpy(video),
        label=label,
        text=torch.from_numpy(text),
        class_names=folder.names,
        splits={split: (split_code == code).nonzero().squeeze(1) for code, split in enumerate(SPLITS)},
        split_classes={split: torch.tensor(rows) for split, rows in folder.lists.items()},
        groups=folder.groups,
        super_groups=folder.super_groups,
        ids=ids,
        source=AVCA_SOURCE if genuine else source or f"A folder of the AVCA form, {folder.root.name}.",
        simulated=simulated,
        paper_key=(known.name, features) if known and genuine else None,
    )


def text_rows(manual: Sequence[str], alignment: str) -> tuple[str, ...]:
    """For each class the name whose word vector it gets; `manual` holds the manual names in the order of the class ids.

    "correct" gives each class its manual name. "official" repeats the released loader, which sorts the rows by manual
    name and then takes them by the rank of the original name.
    """
    if alignment not in ("correct", "official"):
        raise SettingError(f"text_alignment must be correct or official, not {alignment!r}.")
    return tuple(manual) if alignment == "correct" else tuple(sorted(manual))


def open_official(root: Path | str, features: str = "main") -> OfficialFolder:
    """Read the lists, names and word vectors of a folder, and list its class files; see `read_official`."""
    root = Path(root)
    base = _features_folder(root, features)
    if not root.is_dir():
        raise DataError(f"{root}: there is no such folder; unpack the archive first.")
    lists = next((root / name for name in LIST_FOLDERS if (root / name).is_dir()), None)
    if lists is None:
        raise DataError(f"{root}: it contains no folder class-split; give the folder of one data set.")
    tables = sorted(lists.glob(f"*{NAMES_FILE}"))
    if len(tables) != 1:
        raise DataError(f"{lists}: there must be one file DATASET{NAMES_FILE}, not {len(tables)}.")
    dataset = tables[0].name.removesuffix(NAMES_FILE)
    names = tuple(sorted(_lines(lists / "all_class.txt")))
    ids: dict[str, int] = {}
    for row, name in enumerate(names):
        if ids.setdefault(_key(dataset, name), row) != row:
            raise DataError(
                f"{lists}/all_class.txt: the class {name!r} occurs twice; class names must differ."
            )
    split_lists = {}
    for split in SPLITS:
        path = lists / f"{features}_split" / f"{split}.txt"
        entries = {_key(dataset, line): line for line in _lines(path)}
        if strange := [line for key, line in entries.items() if key not in ids]:
            raise DataError(f"{path}: the class {strange[0]!r} is not in all_class.txt.")
        split_lists[split] = tuple(sorted(ids[key] for key in entries))
    for unseen, others in (("stage_1_val_unseen", SPLITS[:2]), ("stage_2_test_unseen", SPLITS[:4])):
        for split in others:
            if both := sorted(set(split_lists[split]) & set(split_lists[unseen])):
                raise DataError(
                    f"{lists / f'{features}_split'}: the class {names[both[0]]!r} is in both {split} and {unseen} "
                    f"(classes in both: {len(both)}); a class is either seen or unseen."
                )
    manual, groups, super_groups = _read_names(tables[0], dataset, names)
    vectors = _read_vectors(base / "text", dataset, manual)
    files = _find_files(base, dataset, names, split_lists)
    return OfficialFolder(
        root, features, dataset, names, manual, groups, super_groups, vectors, split_lists, files
    )


def _features_folder(root: Path, features: str) -> Path:
    if features not in KINDS:
        raise SettingError(f"There are no {features!r} features; choose one of {', '.join(KINDS)}.")
    return root / "features" / f"{features}_features"


def _key(dataset: str, name: str) -> str:
    """The key by which a class name is looked up; the released loader ignores case in UCF and ActivityNet."""
    name = unicodedata.normalize("NFC", name)  # macOS decomposes accents in file names
    return name.lower() if dataset.lower() in ("ucf", "activitynet") else name


def _read_text(path: Path) -> str:
    """The text of a file with any line ends, with or without a BOM; accents are composed."""
    try:
        return unicodedata.normalize("NFC", path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError as error:
        raise DataError(f"{path}: the file is missing.") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: the file is not UTF-8 text; save it as UTF-8.") from error
    except OSError as error:
        raise DataError(f"{path}: the file cannot be read ({error.strerror or error}).") from error


def _lines(path: Path) -> list[str]:
    entries = [line.strip() for line in _read_text(path).splitlines() if line.strip()]
    if not entries:
        raise DataError(f"{path}: the class list is empty; write one class name per line.")
    return entries


def _read_names(path: Path, dataset: str, names: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    """Manual names, groups and super-groups of the classes."""
    try:
        table = list(csv.DictReader(io.StringIO(_read_text(path))))
    except csv.Error as error:
        raise DataError(f"{path}: the file is not a csv table ({error}).") from error
    if not table or not {"original", "manual"} <= set(table[0]):
        raise DataError(f"{path}: the table of class names needs rows and the columns original and manual.")
    by_name = {_key(dataset, (row["original"] or "").strip()): row for row in table if row["manual"]}
    if missing := [name for name in names if _key(dataset, name) not in by_name]:
        raise DataError(f"{path}: the class {missing[0]!r} of all_class.txt has no row with its manual name.")
    rows = [by_name[_key(dataset, name)] for name in names]
    columns = ("manual", "category", "super_category")
    return tuple(tuple(row[key] or "" for row in rows) if key in table[0] else () for key in columns)


def _vectors_name(dataset: str) -> str:
    """The file name of the word vectors; the released one shortens activitynet."""
    return f"word_embeddings_{'activity' if dataset.lower() == 'activitynet' else dataset}_normed.npy"


def _read_vectors(base: Path, dataset: str, manual: Sequence[str]) -> dict[str, NDArray[Any]]:
    path = base / _vectors_name(dataset)
    others = list(base.glob("*.npy"))
    if not path.is_file() and len(others) == 1:
        path = others[0]
    vectors = {unicodedata.normalize("NFC", name): vector for name, vector in read_word_vectors(path).items()}
    if missing := [name for name in manual if name not in vectors]:
        raise DataError(f"{path}: there is no word vector for the manual name {missing[0]!r}.")
    if bad := [name for name, vector in vectors.items() if not np.isfinite(vector).all()]:
        raise DataError(f"{path}: the word vector {bad[0]!r} has NaN or infinite values.")
    return vectors


def _find_files(
    base: Path, dataset: str, names: Sequence[str], lists: Mapping[str, Sequence[int]]
) -> list[tuple[str, int, Path, Path]]:
    keys = [_key(dataset, name) for name in names]
    result = []
    for split in SPLITS:
        files: dict[str, dict[str, Path]] = {"audio": {}, "video": {}}
        for modality in files:
            folder = base / modality / split
            for path in sorted(path for path in folder.glob("*.h5") if not path.name.startswith(".")):
                key = _key(dataset, path.stem)
                if key not in keys:
                    raise DataError(f"{path}: the file name is not a class of all_class.txt.")
                if files[modality].setdefault(key, path) != path:
                    raise DataError(
                        f"{path}: {files[modality][key].name} belongs to the same class; keep one of the two."
                    )
            if missing := [names[row] for row in lists[split] if keys[row] not in files[modality]]:
                raise DataError(f"{folder}: the file {missing[0]}.h5 is missing.")
        result += [(split, row, files["audio"][keys[row]], files["video"][keys[row]]) for row in lists[split]]
    return result


def _read_features(
    folder: OfficialFolder,
) -> tuple[NDArray[np.float32], NDArray[np.float32], torch.Tensor, tuple[str, ...]]:
    """Audio (N, D_a), video (N, D_v), the number of samples of each pair of files (P,), and the N video names.

    The names are read first. They give the size of the tables, so that features are read into their final rows.
    """
    ids: list[str] = []
    counts: list[int] = []
    dims: dict[str, int] = {}
    with tqdm(
        total=2 * len(folder.files), desc=f"Reading {folder.root.name}", unit="class", disable=None
    ) as bar:
        for _, _, *paths in folder.files:
            names = []
            for modality, path in zip(("audio", "video"), paths, strict=True):
                with _class_file(path) as (data, urls):
                    dim = data.shape[1]
                    names.append(urls.asstr("utf-8")[:].tolist())
                if dims.setdefault(modality, dim) != dim:
                    raise DataError(
                        f"{path}: the features have {dim} dimensions but the first class's have {dims[modality]}."
                    )
            audio, video = names
            if len(audio) != len(video):
                raise DataError(f"{paths[1]}: there are {len(video)} video rows but {len(audio)} audio rows.")
            if different := [row for row, name in enumerate(audio) if name != video[row]]:
                row = different[0]
                raise DataError(
                    f"{paths[1]}: row {row} is the video {video[row]!r} but the audio file has {audio[row]!r} there."
                )
            ids += audio
            counts.append(len(audio))
            bar.update()
        tables = [np.empty((len(ids), dims[modality]), np.float32) for modality in ("audio", "video")]
        end = 0
        for (_, _, *paths), count in zip(folder.files, counts, strict=True):
            start, end = end, end + count
            for path, table in zip(paths, tables, strict=True):
                with _class_file(path) as (data, _):
                    data.read_direct(table[start:end])
                if len(bad := np.flatnonzero(~np.isfinite(table[start:end]).all(axis=1))):
                    raise DataError(
                        f"{path}: there are NaN or infinite values in {len(bad)} of {count} rows, "
                        f"the first is row {bad[0]}; remove or repair these samples."
                    )
            bar.update()
    return tables[0], tables[1], torch.tensor(counts), tuple(ids)


@contextmanager
def _class_file(path: Path) -> Iterator[tuple[h5py.Dataset, h5py.Dataset]]:
    """Open a class file and yield its datasets data (n, D) and video_urls (n,), both checked."""
    try:
        with h5py.File(path, "r") as file:
            data, urls = _dataset(path, file, "data"), _dataset(path, file, "video_urls")
            shape = data.shape
            if len(shape) != 2 or data.dtype.kind != "f" or 0 in shape:
                raise DataError(
                    f"{path}: data must be floats (samples, dimensions), not {data.dtype} {shape}."
                )
            if urls.shape != shape[:1] or h5py.check_string_dtype(urls.dtype) is None:
                raise DataError(
                    f"{path}: video_urls must hold one string for each of the {shape[0]} rows of data."
                )
            yield data, urls
    except (OSError, RuntimeError, KeyError, ValueError, TypeError, OverflowError, MemoryError) as error:
        raise unreadable(path, "an h5 file") from error


def _dataset(path: Path, file: h5py.File, key: str) -> h5py.Dataset:
    """A dataset that is stored in the file itself; links, external and virtual datasets could read other files."""
    dataset = file[key] if isinstance(file.get(key, getlink=True), h5py.HardLink) else None
    if not isinstance(dataset, h5py.Dataset) or dataset.external or dataset.is_virtual:
        raise DataError(
            f"{path}: there is no dataset {key!r} stored in it; links to other files are not followed."
        )
    if dataset.size and dataset.id.get_storage_size() == 0:  # a small file could fill the memory
        raise DataError(
            f"{path}: {key!r} declares {dataset.shape} values but stores no values; copy the file again."
        )
    return dataset


def _read_note(path: Path) -> tuple[str, str, bool]:
    """Name, source and whether the features are simulated, if `write_official` wrote a note; else empty and False."""
    if not path.exists():
        return "", "", False
    try:
        note = json.loads(_read_text(path))
        return str(note["name"]), str(note["source"]), bool(note["simulated"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise DataError(f"{path}: the file is damaged; write the folder again.") from error


def unreadable(path: Path, wanted: str) -> DataError:
    """The error for a file that its library could not read; the first bytes show the cause.

    Args:
        wanted: what the file should be, for example "an h5 file".
    """
    try:
        kind = file_kind(path)
    except OSError as error:
        return DataError(f"{path}: the file cannot be read ({error.strerror or error}).")
    if kind and kind not in wanted:
        return DataError(f"{path}: {wanted} is needed, but this is {kind}; get the right file.")
    return DataError(
        f"{path}: the file is {'damaged or truncated' if path.stat().st_size else 'empty'}; copy it again."
    )


# --- word vectors ---------------------------------------------------------------------------------------------------


class _Array:
    """Stands in for numpy.ndarray and numpy's _reconstruct in a pickle: it keeps the state and allocates nothing.

    numpy's are not safe: a pickle can set a dtype's flags so that numpy uses bytes as object pointers.
    """

    def __init__(self, *arguments: object) -> None:
        self.state: Any = ()

    def __setstate__(self, state: Any) -> None:
        self.state = state

    def floats(self) -> NDArray[Any]:
        _, shape, dtype, _, data = self.state
        if type(dtype) is not _Dtype or dtype.code not in ("f2", "f4", "f8") or type(data) is not bytes:
            raise ValueError("a vector in it is not made of floats")
        vector = np.frombuffer(data, f"{dtype.order}{dtype.code}")
        if shape != vector.shape:
            raise ValueError("a vector in it is not a list of as many numbers as it declares")
        return vector.astype(dtype.code)


class _Dtype:
    """Stands in for numpy.dtype in a pickle."""

    def __init__(self, code: Any, *arguments: object) -> None:
        self.code, self.order = code, "<"

    def __setstate__(self, state: Any) -> None:
        self.order = ">" if state[1] == ">" else "<"


_ALLOWED: Mapping[tuple[str, str], type] = {
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _Dtype,
    ("numpy.core.multiarray", "_reconstruct"): _Array,  # numpy 1
    ("numpy._core.multiarray", "_reconstruct"): _Array,  # numpy 2
}


# The opcodes that np.save writes for a dict of arrays.
_OPCODES = (  # noqa: SIM905
    "PROTO FRAME STOP MARK GLOBAL STACK_GLOBAL REDUCE BUILD EMPTY_DICT SETITEM SETITEMS EMPTY_LIST APPEND APPENDS "
    "EMPTY_TUPLE TUPLE1 TUPLE2 TUPLE3 TUPLE NONE NEWTRUE NEWFALSE BININT BININT1 BININT2 BINUNICODE SHORT_BINUNICODE "
    "BINBYTES SHORT_BINBYTES BINPUT LONG_BINPUT MEMOIZE BINGET LONG_BINGET"
).split()
_READER: Any = pickle._Unpickler  # type: ignore[attr-defined]


class _Unpickler(_READER):
    """The standard library's Python unpickler, restricted to four names and to the opcodes above.

    The C unpickler is not safe: a file can make it reserve any amount of memory, or hash nested tuples until it crashes.
    """

    def find_class(self, module: str, name: str) -> type:
        if (module, name) not in _ALLOWED:
            raise ValueError(f"its pickle calls {f'{module}.{name}'[:80]!r}, which is never executed")
        return _ALLOWED[module, name]

    def load_setitems(self, start: int = 0) -> None:
        if any(type(name) is not str for name in self.stack[start::2]):
            raise ValueError("its names are not all plain strings")
        (super().load_setitem if start else super().load_setitems)()

    dispatch: ClassVar[dict[int, Callable[[Any], None]]] = {
        **{getattr(pickle, name)[0]: _READER.dispatch[getattr(pickle, name)[0]] for name in _OPCODES},
        pickle.SETITEMS[0]: load_setitems,
        pickle.SETITEM[0]: lambda self: self.load_setitems(start=-2),
    }


def read_word_vectors(path: Path | str) -> dict[str, NDArray[Any]]:
    """Read the vectors from an npy file that `np.save` wrote for a dict, in the file's order.

    Args:
        path: for example word_embeddings_ucf_normed.npy of the AVCA benchmark, from numpy 1 or 2.

    Returns:
        {name: (D_w,) float16, float32 or float64 as stored}, all of the same length.

    Raises:
        DataError: no such file, not an npy file with one dict, or a pickle that holds anything other than strings and
            float vectors. Nothing in the pickle is executed.
    """
    path = Path(path)
    try:
        with open(path, "rb") as file:
            version, _ = np.lib.format.read_magic(file)
            header = file.read(int.from_bytes(file.read(2 if version == 1 else 4), "little"))
            program = file.read()
    except (OSError, ValueError, MemoryError) as error:
        raise unreadable(path, "an npy file") from error
    try:
        if b"O'" not in header:
            raise ValueError("it is an array of numbers")
        array = _Unpickler(io.BytesIO(program)).load()
        (table,) = array.state[4]
        if type(table) is not dict or any(type(vector) is not _Array for vector in table.values()):
            raise ValueError("it is not one dict of arrays")
        vectors = {name: vector.floats() for name, vector in table.items()}
    except Exception as error:  # a broken pickle can raise almost anything
        reason = str(error) if type(error) is ValueError else "it is damaged or holds something else"
        raise DataError(
            f"{path}: the word vectors cannot be used: {reason}; the file must be np.save of one dict "
            "from class names to float vectors."
        ) from error
    lengths = {len(vector) for vector in vectors.values()}
    if len(lengths) != 1 or lengths == {0}:
        raise DataError(
            f"{path}: all word vectors must have the same length above 0, not {sorted(lengths)[:3]}."
        )
    return vectors


def write_word_vectors(vectors: Mapping[str, NDArray[Any]], path: Path | str) -> None:
    """Write word vectors in the form of the released files, which `read_word_vectors` reads: np.save of a float32 dict.

    Raises:
        RunError: the file cannot be written.
    """
    plain = {str(name): np.array(vector, dtype=np.float32) for name, vector in vectors.items()}
    with replacing(path) as temporary, open(temporary, "wb") as file:
        np.save(file, np.array(plain, dtype=object))


# --- writing --------------------------------------------------------------------------------------------------------


def write_official(
    data: FeatureSet,
    root: Path | str,
    features: str = "main",
    *,
    dataset: str | None = None,
    manual: Mapping[str, str] | None = None,
) -> Path:
    """Write a folder that `read_official` and the released loader read.

    Reading it gives the same float32 values. Class ids become ranks of the sorted class names, and samples get the order
    of `read_official`. A file hypav.json stores the name, the source and whether the features are simulated.

    Args:
        data: floats are stored as float32; samples without ids are named sample_0000000 and so on.
        root: the folder of one data set; it may already hold the other kind of features of the same classes.
        features: "main" or "cls".
        dataset: prefix of the files; by default that of the published set if `data` is published, else "own".
        manual: maps class names to the names of their word vectors, if they differ.

    Returns:
        root.

    Raises:
        DataError: class names that cannot be file names or list entries.
        RunError: the folder already has such features or other classes, or cannot be written.
        SettingError: unknown `features`.
    """
    root = Path(root)
    base, lists = _features_folder(root, features), root / "class-split"
    prefixes = {(known.name, kind): prefix for prefix, known in PUBLISHED.items() for kind in KINDS}
    dataset = dataset or (prefixes[data.paper_key] if data.paper_key else "own")
    manual_names = [(manual or {}).get(name, name) for name in data.class_names]
    _check_names(data, dataset, manual_names)
    if base.exists():
        raise RunError(f"{base} exists already; choose another folder or remove it.")
    class_list = "".join(f"{name}\n" for name in sorted(data.class_names))
    path = make_folder(lists) / "all_class.txt"
    if path.exists() and path.read_text(encoding="utf-8") != class_list:
        raise RunError(f"{path} lists other classes; choose another folder.")
    _write_text(path, class_list)
    columns = {"original": data.class_names, "manual": manual_names}
    columns |= {"category": data.groups} if data.groups else {}
    columns |= {"super_category": data.super_groups} if data.super_groups else {}
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerows([columns, *sorted(zip(*columns.values(), strict=True))])
    _write_text(lists / f"{dataset}{NAMES_FILE}", table.getvalue())

    split_lists = make_folder(lists / f"{features}_split")
    ids = data.ids or tuple(f"sample_{row:07d}" for row in range(len(data)))
    for split in SPLITS:
        index, classes = data.splits[split], data.split_classes[split].tolist()
        names = sorted(data.class_names[row] for row in classes)
        _write_text(split_lists / f"{split}.txt", "".join(f"{name}\n" for name in names))
        for row in classes:
            chosen = index[data.label[index] == row]
            urls = [ids[sample].encode() for sample in chosen.tolist()]
            width = max(80, *map(len, urls))  # the released files have S80
            for modality, values in (("audio", data.audio), ("video", data.video)):
                path = make_folder(base / modality / split) / f"{data.class_names[row]}.h5"
                with replacing(path) as temporary, h5py.File(temporary, "w") as file:
                    file["data"] = values[chosen].cpu().numpy().astype(np.float32)
                    file["video_urls"] = np.array(urls, dtype=f"S{width}")
    vectors = dict(sorted(zip(manual_names, data.text.cpu().numpy(), strict=True), key=itemgetter(0)))
    write_word_vectors(vectors, make_folder(base / "text") / _vectors_name(dataset))
    write_json(base / NOTE_FILE, {"name": data.name, "source": data.source, "simulated": data.simulated})
    return root


def _check_names(data: FeatureSet, dataset: str, manual: Sequence[str]) -> None:
    for name in data.class_names:
        # A leading dot would hide the file; line breaks and outer blanks would be lost in the lists.
        if "/" in name or "\0" in name or name.startswith(".") or name.strip().splitlines() != [name]:
            raise DataError(f"{data.name}: the class name {name!r} cannot be a file name; rename the class.")
    folded = [_key(dataset, name) for name in data.class_names]
    if twice := [name for name, key in zip(data.class_names, folded, strict=True) if folded.count(key) > 1]:
        names = " and ".join(map(repr, twice[:2]))
        raise DataError(
            f"{data.name}: {names} differ only in case, which {dataset} folders ignore; rename one."
        )
    if len(set(manual)) != len(manual) or "" in manual:
        raise DataError(
            f"{data.name}: manual names must differ and must not be empty, as each has a word vector."
        )


def _write_text(path: Path, text: str) -> None:
    with replacing(path) as temporary:
        temporary.write_bytes(text.encode())


# --- the archive ----------------------------------------------------------------------------------------------------


def official_archive_help() -> str:
    """Instructions for getting the features of the AVCA benchmark (Mercea et al., CVPR 2022), as text."""
    return (
        "UCF-, ActivityNet- and VGGSound-GZSL are the data sets of the AVCA benchmark (ExplainableML/AVCA-GZSL).\n"
        "1. Download avgzsl_benchmark_datasets.zip with a browser from\n"
        "   https://drive.google.com/file/d/1NzpSVL-2nXRFH6pvHNOZeRhu_jfDL0ZE/view\n"
        "   (Google Drive asks you to confirm large files; no checksum is published).\n"
        "2. Unpack it: hypav data unpack avgzsl_benchmark_datasets.zip FOLDER\n"
        "3. If word vectors are missing, copy w2v_features/word_embeddings_{ucf,activity,vggsound}_normed.npy\n"
        "   of the AVCA repository to FOLDER/avgzsl_benchmark_datasets/DATASET/features/{main,cls}_features/text/.\n"
        "4. Check each data set: hypav data verify FOLDER/avgzsl_benchmark_datasets/UCF\n"
    )


def unpack(archive: Path | str, folder: Path | str) -> Path:
    """Unpack a zip or tar archive into a folder, and return the folder. No member can be written outside it.

    Pickles in a zip, which are caches of the released loader, are left out.

    Raises:
        DataError: not an archive, a damaged one, or a tar member that would leave the folder.
        RunError: the folder cannot be written to.
    """
    archive, folder = Path(archive), make_folder(folder)
    try:
        if zipfile.is_zipfile(archive):
            # zipfile removes "..", drives and leading slashes, and makes no links
            with zipfile.ZipFile(archive) as zipped:
                names = [name for name in zipped.namelist() if not name.endswith((".pkl", ".pickle"))]
                zipped.extractall(folder, names)
        else:
            with tarfile.open(archive) as tar:
                tar.extractall(folder, filter="data")
    except tarfile.FilterError as error:
        raise DataError(f"{archive}: {error}; get a clean archive.") from error
    except (tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError, RuntimeError) as error:
        raise unreadable(archive, "a zip file or a tar archive") from error
    except FileNotFoundError as error:
        raise DataError(f"{archive}: there is no such file.") from error
    except OSError as error:
        raise RunError(f"{archive} cannot be unpacked into {folder}: {error.strerror or error}.") from error
    return folder
