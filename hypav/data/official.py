"""Read the folders of the AVCA benchmark (UCF-, VGGSound-, ActivityNet-GZSL) and your own of the same form.

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
import errno
import io
import lzma
import math
import shutil
import tarfile
import unicodedata
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, Self

import h5py
import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from hypav.data.features import SPLITS, FeatureSet
from hypav.data.files import (
    check_size,
    files_in,
    gigabytes,
    memory_for,
    plain_name,
    read_lines,
    read_text,
    regular_file,
    stored_bytes,
    unreadable,
)
from hypav.data.vectors import read_word_vectors
from hypav.errors import DataError, RunError, SettingError
from hypav.utils import make_folder

KINDS = ("main", "cls")
# (audio, video, text): SeLaVi, SeLaVi and fastText; VGGish, C3D and fastText
FEATURE_DIMS: Mapping[str, tuple[int, int, int]] = {"main": (512, 512, 300), "cls": (128, 4096, 300)}
LIST_FOLDERS = ("class-split", "class_split")  # the released loader uses the first, its README the second
NAMES_FILE = "_w2v_class_names.csv"
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


def read_official(
    root: Path | str, features: str = "main", *, text_alignment: str = "correct", max_gb: float | None = None
) -> FeatureSet:
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
        max_gb: the largest size of the features in gigabytes; by default 20 times that of the files, and at least 1.

    Returns:
        float32 features; `ids` are the video names, `groups` the categories in the csv file. `paper_key` is set if name,
        class counts and dimensions are those of the published set.

    Raises:
        DataError: something is missing, damaged, contradictory or too large; the message names its file.
        SettingError: unknown `features` or `text_alignment`.
    """
    folder = open_official(root, features)
    rows = text_rows(folder.manual, text_alignment)
    text = np.stack([folder.vectors[name] for name in rows]).astype(np.float32)
    audio, video, counts, ids = _read_features(folder, max_gb)
    label = torch.repeat_interleave(torch.tensor([row for _, row, _, _ in folder.files]), counts)
    split_code = torch.repeat_interleave(
        torch.tensor([SPLITS.index(file[0]) for file in folder.files]), counts
    )
    known = PUBLISHED.get(folder.dataset.lower())
    known = known if known and known.classes == len(folder.names) else None
    expected = [classes for classes, _ in known.expected(features).values()] if known else []
    dims = (audio.shape[1], video.shape[1], text.shape[1])
    genuine = expected == [len(folder.lists[split]) for split in SPLITS] and dims == FEATURE_DIMS[features]
    name = f"{known.name if known else folder.dataset} ({features})"
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
        source=AVCA_SOURCE if genuine else f"A folder of the AVCA form, {folder.root.name}.",
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
    tables = files_in(lists, NAMES_FILE)
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


def _lines(path: Path) -> list[str]:
    entries = read_lines(path)
    if not entries:
        raise DataError(f"{path}: the class list is empty; write one class name per line.")
    return entries


def _read_names(path: Path, dataset: str, names: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    """Manual names, groups and super-groups of the classes."""
    try:
        table = list(csv.DictReader(io.StringIO(read_text(path))))
    except csv.Error as error:
        raise DataError(f"{path}: the file is not a csv table ({error}).") from error
    table = [
        {(key or "").strip(): cell.strip() for key, cell in row.items() if isinstance(cell, str)}
        for row in table
    ]
    if not table or not {"original", "manual"} <= set(table[0]):
        raise DataError(f"{path}: the table of class names needs rows and the columns original and manual.")
    by_name = {_key(dataset, row.get("original", "")): row for row in table if row.get("manual")}
    if missing := [name for name in names if _key(dataset, name) not in by_name]:
        raise DataError(f"{path}: the class {missing[0]!r} of all_class.txt has no row with its manual name.")
    rows = [by_name[_key(dataset, name)] for name in names]
    columns = ("manual", "category", "super_category")
    return tuple(tuple(row.get(key, "") for row in rows) if key in table[0] else () for key in columns)


def _vectors_name(dataset: str) -> str:
    """The file name of the word vectors; the released one shortens activitynet."""
    return f"word_embeddings_{'activity' if dataset.lower() == 'activitynet' else dataset}_normed.npy"


def _read_vectors(base: Path, dataset: str, manual: Sequence[str]) -> dict[str, NDArray[Any]]:
    path = base / _vectors_name(dataset)
    others = files_in(base, ".npy")
    if path not in others and len(others) == 1:
        path = others[0]
    vectors = {plain_name(name): vector for name, vector in read_word_vectors(path).items()}
    if missing := [name for name in manual if name not in vectors]:
        raise DataError(f"{path}: there is no word vector for the manual name {missing[0]!r}.")
    if bad := [name for name, vector in vectors.items() if not np.isfinite(vector).all()]:
        raise DataError(f"{path}: the word vector {bad[0]!r} has NaN or infinite values.")
    return vectors


def _find_files(
    base: Path, dataset: str, names: Sequence[str], lists: Mapping[str, Sequence[int]]
) -> list[tuple[str, int, Path, Path]]:
    keys = [_key(dataset, name) for name in names]
    known = set(keys)
    result = []
    for split in SPLITS:
        files: dict[str, dict[str, Path]] = {"audio": {}, "video": {}}
        for modality in files:
            folder = base / modality / split
            for path in files_in(folder, ".h5"):
                key = _key(dataset, path.stem)
                if key not in known:
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
    folder: OfficialFolder, max_gb: float | None
) -> tuple[NDArray[np.float32], NDArray[np.float32], torch.Tensor, tuple[str, ...]]:
    """Audio (N, D_a), video (N, D_v), the number of samples of each pair of files (P,), and the N video names.

    The names are read first. They give the size of the tables, so that features are read into their final rows.
    """
    needed = stored = 0.0
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
                    needed, stored = needed + _bytes(data) + _bytes(urls), stored + stored_bytes(path)
                    check_size(path, needed, stored, max_gb, "its samples and those before it take")
                    with memory_for(path, needed):
                        _check_chunks(path, data)
                        _check_chunks(path, urls)
                        names.append(_video_names(path, urls, max_gb))
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
        shapes = [(len(ids), dims[modality]) for modality in ("audio", "video")]
        with memory_for(folder.root, needed):
            tables = [np.empty(shape, np.float32) for shape in shapes]
        end = 0
        for (_, _, *paths), count in zip(folder.files, counts, strict=True):
            start, end = end, end + count
            for path, table in zip(paths, tables, strict=True):
                with memory_for(folder.root, needed), _class_file(path) as (data, _):
                    data.read_direct(table[start:end])
                if len(bad := np.flatnonzero(~np.isfinite(table[start:end]).all(axis=1))):
                    raise DataError(
                        f"{path}: there are NaN or infinite values in {len(bad)} of {count} rows, "
                        f"the first is row {bad[0]}; remove or repair these samples."
                    )
            bar.update()
    return tables[0], tables[1], torch.tensor(counts), tuple(ids)


def _bytes(dataset: h5py.Dataset) -> float:
    """The memory that reading a dataset takes: its values, but at least one chunk, with 100 bytes for a name."""
    item = max(4, dataset.dtype.itemsize) if dataset.dtype.kind == "f" else 100 + dataset.dtype.itemsize
    return float(item) * max(dataset.size, math.prod(dataset.chunks or ()))


def _check_chunks(path: Path, dataset: h5py.Dataset) -> None:
    """Refuse compressed chunks of another size than declared: HDF5 inflates the longer ones whole and reads past the end
    of the shorter ones."""
    if dataset.compression != "gzip" or dataset.fletcher32 or dataset.scaleoffset is not None:
        return
    # HDF5 stores a text of any length as its length and its place in a heap, in 16 bytes
    size = math.prod(dataset.chunks) * (16 if dataset.dtype.kind == "O" else dataset.dtype.itemsize)
    places: list[tuple[int, ...]] = []
    dataset.id.chunk_iter(
        lambda chunk: places.append(chunk.chunk_offset)
    )  # get_chunk_info searches from the start
    for place in places:
        skipped, chunk = dataset.id.read_direct_chunk(place)
        if not skipped and len(zlib.decompressobj().decompress(chunk, size + 1)) != size:
            raise DataError(
                f"{path}: {dataset.name} is damaged: a compressed part has a wrong size; copy it again."
            )


def _video_names(path: Path, urls: h5py.Dataset, max_gb: float | None) -> list[str]:
    """All names, in blocks, since a small file can refer to one long name many times."""
    names: list[str] = []
    taken = 0
    for start in range(0, len(urls), 256):
        block = [plain_name(name) for name in urls.asstr("utf-8")[start : start + 256]]
        taken += 4 * sum(map(len, block))
        check_size(path, taken, stored_bytes(path), max_gb, "the names of its videos take")
        names += block
    return names


@contextmanager
def _class_file(path: Path) -> Iterator[tuple[h5py.Dataset, h5py.Dataset]]:
    """Open a class file and yield its datasets data (n, D) and video_urls (n,), both checked."""
    regular_file(path)
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
    except (OSError, RuntimeError, KeyError, ValueError, TypeError, OverflowError, zlib.error) as error:
        raise unreadable(path, "an h5 file", error) from error


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


def unpack(
    archive: Path | str,
    folder: Path | str,
    *,
    max_gb: float | None = None,
    say: Callable[[str], object] = lambda sentence: None,
) -> Path:
    """Unpack a zip or tar archive into a folder, and return the folder. No member can be written outside it.

    Pickles in a zip, which are caches of the released loader, are left out.

    Args:
        max_gb: the largest size of the unpacked files in gigabytes; by default 20 times that of the archive, and at
            least 1.
        say: is given one sentence with the number and the size of the files before the first is written.

    Raises:
        DataError: not an archive, a damaged one, files larger than the limit, or a tar member that would leave the
            folder.
        RunError: the folder cannot be written to, or its disk has too little space.
    """
    archive = regular_file(Path(archive))
    try:
        # an uncompressed tar archive whose last file is a zip looks like one from its end
        if zipfile.is_zipfile(archive) and not tarfile.is_tarfile(archive):
            # zipfile removes "..", drives and leading slashes, and makes no links
            with zipfile.ZipFile(archive) as zipped:
                members = [
                    member
                    for member in zipped.infolist()
                    if not member.filename.endswith((".pkl", ".pickle"))
                ]
                for member in members:
                    if not member.filename.strip("./") and not member.filename.endswith("/"):
                        raise DataError(f"{archive}: a file in it has no name; get a clean archive.")
                    if member.flag_bits & 1:
                        raise DataError(f"{archive}: it is encrypted; unpack it with its password yourself.")
                _prepare(archive, folder, [member.file_size for member in members], max_gb, say)
                zipped.extractall(folder, members)
        else:
            with tarfile.open(archive, tarinfo=_Member) as tar:
                _prepare(archive, folder, (member.size for member in tar), max_gb, say)
                tar.extractall(folder, filter="data")
    except NotImplementedError as error:
        raise DataError(
            f"{archive}: it is compressed in a way that Python cannot read; unpack it with another program."
        ) from error
    except tarfile.FilterError as error:
        raise DataError(f"{archive}: {error}; get a clean archive.") from error
    except (
        tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, RuntimeError, ValueError, LookupError,
    ) as error:  # fmt: skip
        raise unreadable(archive, "a zip file, a tar archive or a gzip file of one", error) from error
    except OSError as error:
        if error.errno is None or (error.errno == errno.EINVAL and not error.filename):
            raise unreadable(archive, "a zip file, a tar archive or a gzip file of one", error) from error
        raise RunError(f"{archive} cannot be unpacked into {folder}: {error.strerror or error}.") from error
    return Path(folder)


def _prepare(
    archive: Path,
    folder: Path | str,
    sizes: Iterable[int],
    max_gb: float | None,
    say: Callable[[str], object],
) -> None:
    """Check the sizes of the unpacked files and say their sum, before the folder is made."""
    count = needed = 0
    for size in sizes:
        count, needed = count + 1, needed + max(size, 0)
        check_size(archive, needed, stored_bytes(archive), max_gb, "its files take")
    if needed > (free := shutil.disk_usage(make_folder(folder)).free):
        raise RunError(
            f"{archive} unpacks to {gigabytes(needed)}, but {folder} has {gigabytes(free)} free; choose another folder."
        )
    occupied = f" Those that {folder} has already are replaced." if any(Path(folder).iterdir()) else ""
    say(f"{archive} unpacks to {count} files of {gigabytes(needed)} together.{occupied}")


class _Member(tarfile.TarInfo):
    """A member of a tar archive; long names and comments, which tarfile reads whole, are limited to a megabyte."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        member = super().frombuf(buf, encoding, errors)
        if member.type in _LONG_HEADERS and member.size > 2**20:
            raise tarfile.TarError("a name or a comment is longer than a megabyte")
        return member


_LONG_HEADERS = (
    *(tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE),
    *(tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK),
)
