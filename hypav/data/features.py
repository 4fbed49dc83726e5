"""FeatureSet: the one form that all four doors to data end in, and the phases that training and tests ask of it.

Class ids are the rows of `class_names` and of `text`. Splits are the five disjoint sample lists of the
AVCA benchmark (its sixth, stage_2_train, is the union of the first three).
"""

from __future__ import annotations

import hashlib
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hypav.errors import DataError, SettingError
from hypav.utils import replacing

_BYTES = 2**20  # what a core's cache holds

Table = NDArray[Any] | torch.Tensor


def rows_not_finite(table: Table) -> list[int]:
    """The rows of a (n, D) table with NaN or infinite values."""
    bad: list[int] = []
    for first, block in _blocks(table):
        finite = np.isfinite(block)
        if not finite.all():
            bad += (first + np.flatnonzero(~finite.all(axis=1))).tolist()
    return bad


def rows_all_same(table: Table) -> bool:
    """Whether each row of a (n, D) table equals its first; True for n = 1."""
    start: NDArray[Any] | None = None
    for _, block in _blocks(table):
        start = block[0] if start is None else start
        if not (block == start).all():
            return False
    return True


def _blocks(table: Table) -> Iterator[tuple[int, NDArray[Any]]]:
    rows = max(1, _BYTES // (4 * table.shape[1]))
    for first in range(0, len(table), rows):
        block = table[first : first + rows]
        if isinstance(block, torch.Tensor):
            # numpy has no bfloat16; its loops need no threads, which on a busy machine cost more than they bring
            block = block.detach().to("cpu", torch.float32 if block.dtype == torch.bfloat16 else None).numpy()
        yield first, block


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


_REQUIRED = ("audio", "video", "label", "split", "class_names", "text")
_LISTS = ("groups", "super_groups", "ids")


def from_arrays(
    *,
    name: str,
    audio: Any,
    video: Any,
    label: Any,
    class_names: Iterable[str],
    text: Any,
    splits: Mapping[str, Any] | None = None,
    unseen: int | Sequence[int] | None = None,
    val_unseen: int | Sequence[int] | None = None,
    generator: torch.Generator | None = None,
    groups: Iterable[str] = (),
    super_groups: Iterable[str] = (),
    ids: Iterable[str] = (),
    source: str = "Your own arrays.",
    simulated: bool = False,
) -> FeatureSet:
    """A FeatureSet of numpy arrays, tensors or lists; floats keep their precision, lists become float32.

    Args:
        audio, video: (N, D_a) and (N, D_v).
        label: (N,) class ids.
        class_names, text: C names and their (C, D_w) vectors.
        splits: for each of SPLITS the indices of its samples; without it `unseen`, `val_unseen` and
            `generator` must be given and go to `split_by_class`.
        groups, super_groups, ids, source, simulated: see FeatureSet.

    Raises:
        DataError: what FeatureSet and `split_by_class` object to, and arrays that are no numbers.
        SettingError: neither splits nor all of unseen, val_unseen and generator.
    """
    label = _tensor("label", label, "iu").to(torch.int64)
    if splits is None:
        if unseen is None or val_unseen is None or generator is None:
            raise SettingError("Give either splits, or unseen, val_unseen and a generator to draw them with.")
        splits = split_by_class(label, unseen=unseen, val_unseen=val_unseen, generator=generator)
    return FeatureSet(
        name=name,
        audio=_tensor("audio", audio, "f"),
        video=_tensor("video", video, "f"),
        label=label,
        text=_tensor("text", text, "f"),
        class_names=tuple(map(str, class_names)),
        splits={key: _tensor(f"split {key}", index, "iu").to(torch.int64) for key, index in splits.items()},
        groups=tuple(map(str, groups)),
        super_groups=tuple(map(str, super_groups)),
        ids=tuple(map(str, ids)),
        source=source,
        simulated=simulated,
    )


def split_by_class(
    label: Tensor,
    *,
    unseen: int | Sequence[int],
    val_unseen: int | Sequence[int],
    generator: torch.Generator,
    fractions: tuple[float, float] = (0.1, 0.1),
) -> dict[str, Tensor]:
    """The benchmark's five splits of (N,) class ids.

    All samples of the unseen classes are test-unseen. Of every other class a fraction is test-seen. Of what is
    left, the val-unseen classes' samples are val-unseen; of the other classes' a fraction is val-seen, the rest
    trains. (The benchmark's fractions are both 0.1.) Each fraction takes at least one sample a class.

    Args:
        unseen, val_unseen: class ids, or how many classes to draw.
        fractions: (test-seen, val-seen), each in (0, 1).

    Returns:
        For each of SPLITS its sorted sample indices.

    Raises:
        DataError: a class id without samples, overlapping roles, no class left to train on, or a class that is
            too small (4 samples to train on and be held out, 2 for a val-unseen class).
        SettingError: a fraction outside (0, 1), or no unseen class asked for.
    """
    if not all(0 < fraction < 1 for fraction in fractions):
        raise SettingError(f"fractions must lie between 0 and 1, not {fractions}.")
    classes = torch.unique(label).tolist()
    shuffled = torch.randperm(len(classes), generator=generator, device=generator.device).tolist()
    free = [classes[place] for place in shuffled]
    roles: dict[str, set[int]] = {}
    # Classes that were named are taken out first, so that the drawn ones never coincide with them.
    for role, wanted in sorted(
        (("unseen", unseen), ("val_unseen", val_unseen)), key=lambda r: isinstance(r[1], int)
    ):
        roles[role] = _choose(role, wanted, classes, free)
        free = [row for row in free if row not in roles[role]]
    if not free:
        raise DataError("No class is left to train on; ask for fewer unseen and val_unseen classes.")
    parts: dict[str, list[Tensor]] = {split: [] for split in SPLITS}
    for row in classes:
        members = (label == row).nonzero().squeeze(1)
        order = torch.randperm(len(members), generator=generator, device=generator.device)
        members = members[order.to(label.device)]
        if row in roles["unseen"]:
            parts["stage_2_test_unseen"].append(members)
            continue
        need = 2 if row in roles["val_unseen"] else 4
        if len(members) < need:
            raise DataError(
                f"Class {row} has {len(members)} samples but needs {need} for its splits; drop it."
            )
        test, rest = _take(members, fractions[0])
        parts["stage_2_test_seen"].append(test)
        if row in roles["val_unseen"]:
            parts["stage_1_val_unseen"].append(rest)
            continue
        val, train = _take(rest, fractions[1])
        parts["stage_1_val_seen"].append(val)
        parts["stage_1_train"].append(train)
    return {split: torch.cat(part).sort().values for split, part in parts.items()}


def save_npz(data: FeatureSet, path: Path | str) -> None:
    """Writes the file described above; floats keep their precision. `paper_key` is not kept: the paper reports
    the published folders, not a copy of them.

    Raises:
        RunError: the file cannot be written.
    """
    split = np.full(len(data), -1, dtype=np.int8)
    for code, name in enumerate(SPLITS):
        split[data.splits[name].cpu().numpy()] = code
    tables = {key: getattr(data, key).detach().cpu().numpy() for key in ("audio", "video", "label", "text")}
    lists = {key: np.array(getattr(data, key)) for key in ("class_names", *_LISTS) if getattr(data, key)}
    facts = {key: np.array(getattr(data, key)) for key in ("name", "source", "simulated")}
    with replacing(path) as temporary, open(temporary, "wb") as file:
        np.savez(file, allow_pickle=False, split=split, **tables, **lists, **facts)


def load_npz(path: Path | str) -> FeatureSet:
    """Reads the file described above.

    Raises:
        DataError: no such file, damaged, pickled, an array missing or of the wrong type, and what FeatureSet
            objects to.
    """
    path = Path(path)
    arrays = npz_arrays(path)
    if missing := [key for key in _REQUIRED if key not in arrays]:
        raise DataError(
            f"{path}: the array {missing[0]} is missing; an npz file needs {', '.join(_REQUIRED)}."
        )
    split = _whole_numbers(path, "split", arrays)
    label = _whole_numbers(path, "label", arrays)
    if split.shape != label.shape or (split.size and not -1 <= split.min() <= split.max() < len(SPLITS)):
        raise DataError(f"{path}: split must hold a number from -1 to {len(SPLITS) - 1} for each label.")
    names = {key: _texts(path, key, arrays[key]) for key in ("class_names", *_LISTS) if key in arrays}
    facts = {key: _texts(path, key, arrays[key][None])[0] for key in ("name", "source") if key in arrays}
    simulated = arrays.get("simulated", np.array(False))
    if simulated.shape != () or simulated.dtype != np.bool_:
        raise DataError(f"{path}: simulated must be one truth value.")
    try:
        return from_arrays(
            name=facts.get("name", path.stem),
            audio=arrays["audio"],
            video=arrays["video"],
            label=label,
            text=arrays["text"],
            class_names=names.pop("class_names"),
            splits={name: np.flatnonzero(split == code) for code, name in enumerate(SPLITS)},
            source=facts.get("source", f"Arrays of {path.name}."),
            simulated=bool(simulated),
            **names,  # type: ignore[arg-type]
        )
    except DataError as error:
        raise DataError(f"{path}: {error}") from error


def npz_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """All arrays of an npz file, by name; nothing is unpickled.

    Raises:
        DataError: no such file, damaged, no npz file, or pickled objects in it.
    """
    if not path.is_file():
        raise DataError(f"{path}: there is no such file.")
    try:
        archive = np.load(path, allow_pickle=False)
        if isinstance(archive, np.ndarray):
            raise DataError(f"{path}: it is a single array, not an npz file of several.")
        with archive:
            return {key: archive[key] for key in archive.files}
    except (OSError, EOFError, ValueError, LookupError, MemoryError, RuntimeError, SyntaxError) as error:
        why = "holds pickled objects, which are never opened" if "pickle" in str(error) else "is damaged"
        raise DataError(f"{path}: the file {why} or is no npz file of plain arrays.") from error
    except (zipfile.BadZipFile, zlib.error) as error:
        raise DataError(f"{path}: the file is damaged or truncated; copy it again.") from error


def _tensor(what: str, values: Any, kinds: str) -> Tensor:
    """A tensor of floats ("f") or whole numbers ("iu")."""
    if isinstance(values, Tensor):
        whole = not (values.is_floating_point() or values.is_complex() or values.dtype == torch.bool)
        if whole if "i" in kinds else values.is_floating_point():
            return values
        kind = str(values.dtype)
    else:
        try:
            array = np.asarray(values)
            if not isinstance(values, np.ndarray) and array.dtype.kind in "fiu" and "f" in kinds:
                array = array.astype(np.float32)
            if not array.size and "i" in kinds:
                array = array.astype(np.int64)
            if array.dtype.kind in kinds:
                return torch.from_numpy(np.array(array, dtype=array.dtype.newbyteorder("=")))
            kind = str(array.dtype)
        except (ValueError, TypeError) as error:
            raise DataError(f"{what} is not a table of numbers; give an array or tensor.") from error
    raise DataError(f"{what} must hold {'whole' if 'i' in kinds else 'floating-point'} numbers, not {kind}.")


def _choose(role: str, wanted: int | Sequence[int], classes: list[int], free: list[int]) -> set[int]:
    chosen = free[:wanted] if isinstance(wanted, int) else [int(row) for row in wanted]
    if not chosen or (isinstance(wanted, int) and wanted < 1):
        raise SettingError(f"{role} must name at least one class, or say how many to draw.")
    if strange := [row for row in chosen if row not in classes]:
        raise DataError(f"{role} names class {strange[0]}, which has no sample.")
    if both := [row for row in chosen if row not in free]:
        raise DataError(f"Class {both[0]} is both unseen and val_unseen; a class has one role.")
    return set(chosen)


def _take(members: Tensor, fraction: float) -> tuple[Tensor, Tensor]:
    count = max(1, round(fraction * len(members)))
    return members[:count], members[count:]


def _whole_numbers(path: Path, key: str, arrays: Mapping[str, NDArray[Any]]) -> NDArray[np.int64]:
    array = arrays[key]
    if array.ndim != 1 or array.dtype.kind not in "iu":
        raise DataError(f"{path}: {key} must be a list of whole numbers, not {array.dtype} {array.shape}.")
    return array.astype(np.int64)


def _texts(path: Path, key: str, array: NDArray[Any]) -> tuple[str, ...]:
    if array.ndim != 1 or array.dtype.kind != "U":
        raise DataError(f"{path}: {key} must be plain text, not {array.dtype} {array.shape}.")
    return tuple(array.tolist())


def describe(data: FeatureSet) -> dict[str, Any]:
    """Counts, dimensions, splits, norms and groups, in plain values that JSON can hold.

    Returns:
        name, source, simulated, paper_key; samples, classes (all names) and used_classes (with samples in a
        split); dims {audio, video, text}; splits {split: classes, samples, smallest and largest class}; phases
        {phase: samples, seen, unseen}; norms {audio, video, text: mean, min, max of the rows' Euclidean norms};
        groups and super_groups {name: classes}.
    """
    splits = {split: _split(data, split) for split in SPLITS}
    used = torch.unique(torch.cat([data.split_classes[split] for split in SPLITS]))
    phases = {}
    for name in PHASES:
        phase = data.phase(name)
        phases[name] = {"samples": len(phase), "seen": len(phase.seen), "unseen": len(phase.unseen)}
    return {
        "name": data.name,
        "source": data.source,
        "simulated": data.simulated,
        "paper_key": list(data.paper_key) if data.paper_key else None,
        "samples": len(data),
        "classes": len(data.class_names),
        "used_classes": len(used),
        "dims": {"audio": data.dim_audio, "video": data.dim_video, "text": data.dim_text},
        "splits": splits,
        "phases": phases,
        "norms": {what: _norms(getattr(data, what)) for what in ("audio", "video", "text")},
        "groups": dict(Counter(data.groups)),
        "super_groups": dict(Counter(data.super_groups)),
    }


def describe_text(data: FeatureSet) -> str:
    """`describe` as lines for a terminal."""
    facts = describe(data)
    dims = ", ".join(f"{what} {dim}" for what, dim in facts["dims"].items())
    lines = [
        f"{facts['name']}{'  [SIMULATED features]' if facts['simulated'] else ''}",
        f"source: {facts['source'] or 'not stated'}",
        f"{facts['samples']} samples, {facts['used_classes']} of {facts['classes']} classes used; dimensions: {dims}",
        "",
        f"{'split':<22}{'classes':>8}{'samples':>9}{'a class':>12}",
    ]
    for split, found in facts["splits"].items():
        sizes = f"{found['smallest']}-{found['largest']}"
        lines.append(f"{split:<22}{found['classes']:>8}{found['samples']:>9}{sizes:>12}")
    lines += ["", f"{'norms':<22}{'mean':>8}{'min':>9}{'max':>12}"]
    for what, norm in facts["norms"].items():
        lines.append(f"{what:<22}{norm['mean']:>8.3f}{norm['min']:>9.3f}{norm['max']:>12.3f}")
    for what in ("groups", "super_groups"):
        if facts[what]:
            named = ", ".join(f"{name} {count}" for name, count in sorted(facts[what].items()))
            lines += ["", f"{what.replace('_', '-')} (classes): {named}"]
    return "\n".join(lines)


def _split(data: FeatureSet, split: str) -> dict[str, int]:
    counts = torch.bincount(data.label[data.splits[split]], minlength=len(data.class_names))
    counts = counts[data.split_classes[split]]
    return {
        "classes": len(counts),
        "samples": len(data.splits[split]),
        "smallest": int(counts.min()),
        "largest": int(counts.max()),
    }


def _norms(table: Tensor) -> dict[str, float]:
    norm = torch.linalg.vector_norm(table, dim=1, dtype=torch.float64)
    return {"mean": float(norm.mean()), "min": float(norm.min()), "max": float(norm.max())}
