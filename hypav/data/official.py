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

import mmap
from functools import partial
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from hypav.data.benchmark import FEATURE_DIMS
from hypav.data.cache import cached
from hypav.data.features import SPLITS, FeatureSet
from hypav.data.h5 import read_features, read_shape
from hypav.data.official_layout import OfficialFolder, Pair, check_same_rows, open_official, stop, text_rows
from hypav.data.provenance import PROVENANCE_FILE, read_provenance

__all__ = ["read_official", "text_table"]

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
