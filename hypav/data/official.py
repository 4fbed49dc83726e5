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

from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from hypav.data.benchmark import FEATURE_DIMS
from hypav.data.features import SPLITS, FeatureSet
from hypav.data.h5 import read_features, read_shape
from hypav.data.official_layout import OfficialFolder, Pair, check_same_rows, open_official, stop, text_rows
from hypav.data.provenance import read_provenance

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

    Returns:
        float32 features; `ids` the video names; `groups` the csv's category. `paper_key` is set where name,
        class counts and dimensions are those of the published set.

    Raises:
        DataError: anything missing, damaged or contradictory, with the file it is in.
        SettingError: unknown `features` or `text_alignment`.
    """
    root = Path(root)
    folder = open_official(root, features, dataset)
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
    """All features, in tables of their final size: they are copied once and never held twice."""
    first = folder.pairs[0]
    dims = read_shape(first.audio)[1], read_shape(first.video)[1]
    rows = [_checked_rows(pair, dims) for pair in folder.pairs]
    audio = np.empty((sum(rows), dims[0]), dtype=np.float32)
    video = np.empty((sum(rows), dims[1]), dtype=np.float32)
    ids: list[str] = []
    for pair in tqdm(folder.pairs, desc=f"Reading {folder.root.name}", unit="class", disable=None):
        features, names = read_features(pair.audio)
        audio[len(ids) : len(ids) + len(names)] = features
        features, others = read_features(pair.video)
        video[len(ids) : len(ids) + len(names)] = features
        check_same_rows(pair, names, others)
        ids += names
    of_pair = torch.repeat_interleave(torch.tensor(rows))
    label = torch.tensor([pair.class_id for pair in folder.pairs])[of_pair]
    split = torch.tensor([SPLITS.index(pair.split) for pair in folder.pairs])[of_pair]
    splits = {name: (split == code).nonzero().squeeze(1) for code, name in enumerate(SPLITS)}
    return _Block(audio, video, label, splits, tuple(ids))


def _checked_rows(pair: Pair, dims: tuple[int, int]) -> int:
    audio, video = read_shape(pair.audio), read_shape(pair.video)
    for path, shape, want in ((pair.audio, audio, dims[0]), (pair.video, video, dims[1])):
        if shape[1] != want:
            stop(str(path), f"the features have {shape[1]} dimensions but the first class's have {want}.")
    if audio[0] != video[0]:
        stop(str(pair.video), f"there are {video[0]} video rows but {audio[0]} audio rows of this class.")
    return audio[0]
