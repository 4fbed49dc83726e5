"""FeatureSet: the one form that all four doors to data end in, and the phases that training and tests ask of it.

Class ids are the rows of `class_names` and of `text`. Splits are the five disjoint sample lists of the
AVCA benchmark (its sixth, stage_2_train, is the union of the first three).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from hypav.data.blocks import rows_all_same, rows_not_finite
from hypav.errors import DataError

__all__ = ["PHASES", "SPLITS", "FeatureSet", "Phase"]

SPLITS = (
    "stage_1_train",
    "stage_1_val_seen",
    "stage_1_val_unseen",
    "stage_2_test_seen",
    "stage_2_test_unseen",
)

# phase -> (splits of its seen classes, splits of its unseen classes)
PHASES: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "train": (("stage_1_train",), ()),
    "val": (("stage_1_val_seen",), ("stage_1_val_unseen",)),
    "train_val": (("stage_1_train", "stage_1_val_seen", "stage_1_val_unseen"), ()),
    "test": (("stage_2_test_seen",), ("stage_2_test_unseen",)),
}


@dataclass(frozen=True)
class Phase:
    """The samples and classes of one phase.

    Shapes: audio (N, D_a), video (N, D_v), label (N,) class ids of the whole set; classes (K,) sorted class ids,
    text (K, D_w) their rows; seen (S,) and unseen (U,) class ids, whose union is classes.
    """

    name: str
    audio: Tensor
    video: Tensor
    label: Tensor
    classes: Tensor
    text: Tensor
    seen: Tensor
    unseen: Tensor

    def __len__(self) -> int:
        return int(self.label.shape[0])

    def to(self, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> Phase:
        """The phase on a device, its features in a dtype; None leaves either as it is."""
        moved = {name: getattr(self, name).to(device) for name in ("label", "classes", "seen", "unseen")}
        floats = {name: getattr(self, name).to(device, dtype) for name in ("audio", "video", "text")}
        return replace(self, **moved, **floats)


@dataclass(frozen=True)
class FeatureSet:
    """Audio, video and text features with labels and GZSL splits.

    Args:
        name: what tables call the set, e.g. "UCF-GZSL (main)".
        audio: (N, D_a) float, one row a video.
        video: (N, D_v) float, rows in the order of `audio`.
        label: (N,) int64 class ids.
        text: (C, D_w) float, the vector of each class name.
        class_names: the C names.
        splits: for each of SPLITS the (n,) indices of its samples; the five are disjoint.
        split_classes: for each of SPLITS the sorted class ids; derived from the labels where not given.
        groups, super_groups: for each class its group and super-group name; empty where not known.
        ids: a name for each sample; empty where there is none.
        source: where the features come from, one sentence, with the attribution they need.
        simulated: True where the features were drawn from a generator: every table says so.
        paper_key: ("UCF-GZSL", "main") and the like where the paper reports this very set, else None.
        modelled_on: the same key where a simulated set has only the counts and dimensions of a published one.

    Raises:
        DataError: on the first thing that no run could use (shapes, NaN, constant features, labels out of
            range, overlapping splits, seen and unseen classes that overlap, a class without samples,
            a training class with a single sample, no unseen class).
    """

    name: str
    audio: Tensor
    video: Tensor
    label: Tensor
    text: Tensor
    class_names: tuple[str, ...]
    splits: Mapping[str, Tensor]
    split_classes: Mapping[str, Tensor] = field(default_factory=dict)
    groups: tuple[str, ...] = ()
    super_groups: tuple[str, ...] = ()
    ids: tuple[str, ...] = ()
    source: str = ""
    simulated: bool = False
    paper_key: tuple[str, str] | None = None
    modelled_on: tuple[str, str] | None = None

    def __post_init__(self) -> None:
        _check_arrays(self)
        _check_splits(self)
        if not self.split_classes:
            derived = {name: torch.unique(self.label[index]) for name, index in self.splits.items()}
            object.__setattr__(self, "split_classes", derived)
        _check_classes(self)

    @property
    def dim_audio(self) -> int:
        return int(self.audio.shape[1])

    @property
    def dim_video(self) -> int:
        return int(self.video.shape[1])

    @property
    def dim_text(self) -> int:
        return int(self.text.shape[1])

    @property
    def reference_key(self) -> tuple[str, str] | None:
        """The paper's set whose settings fit, and whose rows may stand beside: the set itself or its model."""
        return self.paper_key or self.modelled_on

    def __len__(self) -> int:
        return int(self.label.shape[0])

    @cached_property
    def digest(self) -> str:
        """A hash of all that a run can see of the set: features, labels, text, class names, splits."""
        hashed = hashlib.blake2b(digest_size=16)
        for tensor in (self.audio, self.video, self.label, self.text):
            hashed.update(f"{tuple(tensor.shape)} {tensor.dtype}".encode())
            hashed.update(tensor.detach().cpu().contiguous().numpy().reshape(-1).view(np.uint8).data)
        for name in SPLITS:
            split = [self.splits[name].tolist(), self.split_classes[name].tolist()]
            hashed.update(repr(split).encode())
        hashed.update(repr(self.class_names).encode())
        return hashed.hexdigest()

    def phase(self, name: str) -> Phase:
        """The samples and classes of "train", "val", "train_val" or "test" (official-style: samples whose class is
        not among the phase's classes are left out)."""
        if name not in PHASES:
            raise DataError(f"There is no phase {name!r}; choose one of {', '.join(PHASES)}.")
        seen_splits, unseen_splits = PHASES[name]
        index = torch.cat([self.splits[split] for split in (*seen_splits, *unseen_splits)])
        seen = _union([self.split_classes[split] for split in seen_splits])
        unseen = _union([self.split_classes[split] for split in unseen_splits])
        classes = _union([seen, unseen])
        rows = _as_slice(index[torch.isin(self.label[index], classes)])
        return Phase(
            name=name,
            audio=self.audio[rows],
            video=self.video[rows],
            label=self.label[rows],
            classes=classes,
            text=self.text[classes],
            seen=seen,
            unseen=unseen,
        )


def _as_slice(index: Tensor) -> Tensor | slice:
    """Rows that follow one another as a slice, which takes a view: official folders are read in the splits' order, and
    a copy of theirs would cost the memory of the set once more."""
    first, count = int(index[0]) if index.numel() else 0, index.numel()
    return slice(first, first + count) if torch.equal(index, first + torch.arange(count)) else index


def _union(parts: list[Tensor]) -> Tensor:
    return torch.unique(torch.cat(parts)) if parts else torch.empty(0, dtype=torch.int64)


def _check_arrays(data: FeatureSet) -> None:
    rows = data.label.shape[0] if data.label.ndim == 1 else -1
    if rows < 1:
        raise DataError(
            f"{data.name}: label must be a list with one class id a sample, not {tuple(data.label.shape)}."
        )
    if data.label.dtype != torch.int64:
        raise DataError(f"{data.name}: label must hold whole numbers (int64), not {data.label.dtype}.")
    for what, array in (("audio", data.audio), ("video", data.video), ("text", data.text)):
        if array.ndim != 2 or array.shape[1] < 1:
            raise DataError(
                f"{data.name}: {what} must be a table (rows, dimensions), not of shape {tuple(array.shape)}."
            )
        if not array.is_floating_point():
            raise DataError(f"{data.name}: {what} must hold floating-point numbers, not {array.dtype}.")
        if what != "text" and array.shape[0] != rows:
            raise DataError(
                f"{data.name}: {what} has {array.shape[0]} rows but there are {rows} labels; "
                "audio, video and label need the same samples in the same order."
            )
        if bad := rows_not_finite(array):
            raise DataError(
                f"{data.name}: {what} has NaN or infinite values in {len(bad)} rows, the first is row {bad[0]}; "
                "remove or repair these samples."
            )
        if array.shape[0] > 1 and rows_all_same(array):
            raise DataError(
                f"{data.name}: all rows of {what} are the same, so nothing can be learned; check the extractor."
            )
    if data.text.shape[0] != len(data.class_names):
        raise DataError(
            f"{data.name}: {data.text.shape[0]} text vectors for {len(data.class_names)} class names."
        )
    if len(set(data.class_names)) != len(data.class_names):
        twice = sorted({n for n in data.class_names if data.class_names.count(n) > 1})
        raise DataError(f"{data.name}: the class name {twice[0]!r} stands twice; class names must differ.")
    if int(data.label.min()) < 0 or int(data.label.max()) >= len(data.class_names):
        raise DataError(
            f"{data.name}: labels run from {int(data.label.min())} to {int(data.label.max())} "
            f"but there are {len(data.class_names)} classes (ids start at 0)."
        )
    for what, names in (("groups", data.groups), ("super_groups", data.super_groups)):
        if names and len(names) != len(data.class_names):
            raise DataError(f"{data.name}: {what} names {len(names)} classes of {len(data.class_names)}.")
    if data.ids and len(data.ids) != rows:
        raise DataError(f"{data.name}: {len(data.ids)} sample ids for {rows} samples.")


def _check_splits(data: FeatureSet) -> None:
    if set(data.splits) != set(SPLITS):
        missing = sorted(set(SPLITS) - set(data.splits)) or sorted(set(data.splits) - set(SPLITS))
        raise DataError(
            f"{data.name}: splits must be exactly {', '.join(SPLITS)}; look at {', '.join(missing)}."
        )
    for name, index in data.splits.items():
        if index.numel() and (int(index.min()) < 0 or int(index.max()) >= len(data)):
            raise DataError(f"{data.name}: split {name} names sample {int(index.max())} of {len(data)}.")
    every = torch.cat([data.splits[name] for name in SPLITS])
    if every.numel() != torch.unique(every).numel():
        raise DataError(
            f"{data.name}: a sample stands in two splits (or twice in one); splits must be disjoint."
        )


def _check_classes(data: FeatureSet) -> None:
    for split in SPLITS:
        classes = data.split_classes[split]
        if classes.numel() == 0:
            raise DataError(
                f"{data.name}: split {split} has no class; zero-shot evaluation needs seen and unseen classes."
            )
        counts = torch.bincount(data.label[data.splits[split]], minlength=len(data.class_names))[classes]
        if bool((counts == 0).any()):
            empty = data.class_names[int(classes[counts == 0][0])]
            raise DataError(
                f"{data.name}: class {empty!r} has no sample in split {split}; add samples or drop the class."
            )
    train = data.split_classes["stage_1_train"]
    counts = torch.bincount(data.label[data.splits["stage_1_train"]], minlength=len(data.class_names))[train]
    if bool((counts == 1).any()):
        lone = data.class_names[int(train[counts == 1][0])]
        raise DataError(
            f"{data.name}: class {lone!r} has a single training sample; give it at least two or drop it."
        )
    for phase in ("val", "test"):
        seen_splits, unseen_splits = PHASES[phase]
        both = set(data.split_classes[seen_splits[0]].tolist()) & set(
            data.split_classes[unseen_splits[0]].tolist()
        )
        if both:
            raise DataError(
                f"{data.name}: class {data.class_names[min(both)]!r} is both seen and unseen in {phase}; "
                "a class can be only one of the two."
            )
    trained = set(_union([data.split_classes[s] for s in PHASES["train_val"][0]]).tolist())
    leaked = trained & set(data.split_classes["stage_2_test_unseen"].tolist())
    if leaked:
        raise DataError(
            f"{data.name}: test-unseen class {data.class_names[min(leaked)]!r} is also trained on; "
            "remove it from the training splits."
        )
    leaked = set(train.tolist()) & set(data.split_classes["stage_1_val_unseen"].tolist())
    if leaked:
        raise DataError(
            f"{data.name}: val-unseen class {data.class_names[min(leaked)]!r} is also in stage_1_train; "
            "remove it from one of the two."
        )
