"""FeatureSet: audio, video and text features with labels and zero-shot splits. Every loader returns a FeatureSet.

A class id is a row of `class_names` and of `text`. The splits are the five disjoint sample lists of the AVCA benchmark
(Mercea et al., CVPR 2022). Its sixth list, stage_2_train, is the union of the first three.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hypav.data.files import files_in, npy_array, npz_arrays, plain_name, read_lines
from hypav.errors import DataError, SettingError
from hypav.utils import as_tensor, replacing

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


@dataclass(frozen=True, eq=False, repr=False)
class Phase:
    """The samples and classes of one phase.

    Shapes: audio (N, D_a), video (N, D_v) and label (N,), class ids of the whole set; classes (K,), sorted class ids, and
    text (K, D_w), their vectors; seen (S,) and unseen (U,) class ids, whose union is classes.
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
        return len(self.label)

    def __repr__(self) -> str:
        dims = f"audio {self.audio.shape[1]}, video {self.video.shape[1]}, text {self.text.shape[1]}"
        return f"{self.name}: {len(self)} samples; classes: {_counts(self.seen, self.unseen)}; dimensions: {dims}"

    def to(self, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> Phase:
        """The phase on another device and its features in another dtype; None keeps either."""
        moved = {name: getattr(self, name).to(device) for name in ("label", "classes", "seen", "unseen")}
        floats = {name: getattr(self, name).to(device, dtype) for name in ("audio", "video", "text")}
        return replace(self, **moved, **floats)


@dataclass(frozen=True, eq=False, repr=False)
class FeatureSet:
    """Audio, video and text features with labels and zero-shot splits. `data["test"]` is `data.phase("test")`.

    Args:
        name: what tables call the set, e.g. "UCF-GZSL (main)".
        audio: (N, D_a) float, a row per video.
        video: (N, D_v) float, rows in the order of `audio`.
        label: (N,) int64 class ids.
        text: (C, D_w) float, the vector of each class name.
        class_names: the C names.
        splits: for each of SPLITS the (n,) indices of its samples; the five are disjoint.
        split_classes: for each of SPLITS its sorted class ids; by default derived from the labels.
        groups, super_groups: for each class the name of its group and super-group; empty if unknown.
        ids: a name for each sample; empty if there are no names.
        source: one sentence that says where the features come from, with the attribution they need.
        simulated: True if the features were drawn from a generator. Every table says so.
        paper_key: e.g. ("UCF-GZSL", "main") if the paper reports exactly this set, else None.
        modelled_on: such a key if a simulated set has only the counts and dimensions of a published one.
        loaded_as: the arguments with which `hypav.load` loads this set again; empty if it was made in another way.

    Raises:
        DataError: no run can use the set: wrong shapes, NaN, constant features, labels out of range, overlapping splits
            or roles, a class without samples, a training class with a single sample, no unseen class.
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
    loaded_as: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._refuse(_array_problems(self))
        if not self.split_classes:
            derived = {name: torch.unique(self.label[index]) for name, index in self.splits.items()}
            object.__setattr__(self, "split_classes", derived)
        self._refuse(_class_problems(self))

    def _refuse(self, problems: Iterator[str]) -> None:
        for problem in problems:
            raise DataError(f"{self.name}: {problem}")

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
        """The paper's set that gives the settings and the rows next to ours: `paper_key`, or `modelled_on`."""
        return self.paper_key or self.modelled_on

    def __len__(self) -> int:
        return len(self.label)

    def __repr__(self) -> str:
        mark = "  [SIMULATED]" if self.simulated and not self.name.startswith("SIMULATED") else ""
        phases = []
        for name in PHASES:
            rows, seen, unseen = self._members(name)
            phases.append(f"{name} {len(rows)} ({_counts(seen, unseen)})")
        return (
            f"{self.name}{mark}\n"
            f"samples (classes): {', '.join(phases)}\n"
            f"dimensions: audio {self.dim_audio}, video {self.dim_video}, text {self.dim_text}\n"
            f"source: {self.source or 'not stated'}\n"
            f"digest: {self.digest}"
        )

    @cached_property
    def digest(self) -> str:
        """A hash of everything in the set that a run uses: features, labels, text, class names, splits."""
        hashed = hashlib.blake2b(digest_size=16)
        for tensor in (self.audio, self.video, self.label, self.text):
            hashed.update(f"{tuple(tensor.shape)} {tensor.dtype}".encode())
            hashed.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
        for name in SPLITS:
            split = [self.splits[name].tolist(), self.split_classes[name].tolist()]
            hashed.update(repr(split).encode())
        hashed.update(repr(self.class_names).encode())
        return hashed.hexdigest()

    def __getitem__(self, name: str) -> Phase:
        return self.phase(name)

    def phase(self, name: str) -> Phase:
        """The samples and classes of "train", "val", "train_val" or "test".

        As in the released code, samples whose class does not belong to the phase are left out.
        """
        if name not in PHASES:
            raise DataError(f"There is no phase {name!r}; choose one of {', '.join(PHASES)}.")
        index, seen, unseen = self._members(name)
        classes, rows = _union([seen, unseen]), _as_slice(index)
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

    def _members(self, name: str) -> tuple[Tensor, Tensor, Tensor]:
        """The sample indices, the seen and the unseen class ids of a phase."""
        seen, unseen = (_union([self.split_classes[split] for split in splits]) for splits in PHASES[name])
        index = torch.cat([self.splits[split] for split in chain(*PHASES[name])])
        return index[torch.isin(self.label[index], torch.cat([seen, unseen]))], seen, unseen


def _counts(seen: Tensor, unseen: Tensor) -> str:
    return f"{len(seen)} seen" + (f", {len(unseen)} unseen" if len(unseen) else "")


def _as_slice(index: Tensor) -> Tensor | slice:
    """Consecutive rows as a slice, which gives a view; a copy of a whole benchmark would double its memory."""
    first, count = int(index[0]) if index.numel() else 0, index.numel()
    return slice(first, first + count) if torch.equal(index, first + torch.arange(count)) else index


def _union(parts: list[Tensor]) -> Tensor:
    return torch.unique(torch.cat(parts)) if parts else torch.empty(0, dtype=torch.int64)


def rows_not_finite(table: Tensor | NDArray[Any]) -> list[int]:
    """The rows of an (n, D) table that hold NaN or infinite values."""
    return torch.cat([~block.isfinite().all(dim=1) for block in _blocks(table)]).nonzero().flatten().tolist()


def row_norms(table: Tensor | NDArray[Any]) -> Tensor:
    """The norms of the rows of an (n, D) table, (n,) float64, without a float64 copy of the table."""
    return torch.cat([torch.linalg.vector_norm(block.double(), dim=1) for block in _blocks(table)])


def _blocks(table: Tensor | NDArray[Any]) -> tuple[Tensor, ...]:
    """An (n, D) table in blocks of rows with about 260,000 numbers; they are views."""
    table = torch.as_tensor(table)
    return table.split(max(1, 2**18 // max(1, table.shape[1])))


def _array_problems(data: FeatureSet) -> Iterator[str]:
    if data.label.ndim != 1 or len(data.label) < 1:
        yield f"label must be a list with one class id per sample, but has shape {tuple(data.label.shape)}."
    if data.label.dtype != torch.int64:
        yield f"label must hold whole numbers (int64), not {data.label.dtype}."
    samples, classes = len(data.label), len(data.class_names)
    for what, table in (("audio", data.audio), ("video", data.video), ("text", data.text)):
        if table.ndim != 2 or table.shape[1] < 1:
            yield f"{what} must be a table (rows, dimensions), but has shape {tuple(table.shape)}."
        if not table.is_floating_point():
            yield f"{what} must hold floating-point numbers, not {table.dtype}."
        if what != "text" and len(table) != samples:
            yield (
                f"{what} has {len(table)} rows but there are {samples} labels; "
                "audio, video and label need the same samples in the same order."
            )
        if bad := rows_not_finite(table):
            yield (
                f"{what} has NaN or infinite values in {len(bad)} rows, the first is row {bad[0]}; "
                "remove or repair these samples."
            )
        if len(table) > 1 and all(bool((block == table[0]).all()) for block in _blocks(table)):
            yield f"all rows of {what} are the same, so nothing can be learned; check the extractor."
    if len(data.text) != classes:
        yield f"there are {len(data.text)} text vectors for {classes} class names."
    if repeated := [name for name, count in Counter(data.class_names).items() if count > 1]:
        yield f"the class name {repeated[0]!r} appears twice; class names must differ."
    low, high = int(data.label.min()), int(data.label.max())
    if low < 0 or high >= classes:
        yield f"labels run from {low} to {high} but there are {classes} classes (ids start at 0)."
    for what in ("groups", "super_groups"):
        if (count := len(getattr(data, what))) not in (0, classes):
            yield f"{what} has {count} names for {classes} classes."
    if len(data.ids) not in (0, samples):
        yield f"there are {len(data.ids)} sample ids for {samples} samples."
    if strange := sorted(set(SPLITS) ^ set(data.splits)):
        yield f"splits must be exactly {', '.join(SPLITS)}; check {', '.join(strange)}."
    for name, index in data.splits.items():
        if index.numel() and (int(index.min()) < 0 or int(index.max()) >= len(data)):
            yield f"split {name} names sample {int(index.max())} of {len(data)}."
    together = torch.cat([data.splits[name] for name in SPLITS])
    if together.numel() != torch.unique(together).numel():
        yield "a sample is in two splits (or twice in one); splits must be disjoint."


def _class_problems(data: FeatureSet) -> Iterator[str]:
    def shared(splits: Iterable[str], other: str) -> str:
        """The name of the first class in both; empty if there is no such class."""
        ids = set(_union([data.split_classes[split] for split in splits]).tolist())
        ids &= set(data.split_classes[other].tolist())
        return repr(data.class_names[min(ids)]) if ids else ""

    for split in SPLITS:
        classes = data.split_classes[split]
        if not len(classes):
            yield f"split {split} has no class; zero-shot evaluation needs seen and unseen classes."
        counts = torch.bincount(data.label[data.splits[split]], minlength=len(data.class_names))[classes]
        if len(rare := classes[counts == 0]):
            name = data.class_names[int(rare[0])]
            yield f"class {name!r} has no sample in split {split}; add samples or drop the class."
        if split == "stage_1_train" and len(rare := classes[counts == 1]):
            name = data.class_names[int(rare[0])]
            yield f"class {name!r} has a single training sample; give it at least two or drop it."
    for phase in ("val", "test"):
        seen, (unseen,) = PHASES[phase]
        if name := shared(seen, unseen):
            yield f"class {name} is both seen and unseen in {phase}; remove it from one of the two."
    if name := shared(PHASES["train_val"][0], "stage_2_test_unseen"):
        yield f"test-unseen class {name} is also trained on; remove it from the training splits."
    if name := shared(["stage_1_train"], "stage_1_val_unseen"):
        yield f"val-unseen class {name} is also in stage_1_train; remove it from one of the two."


def from_arrays(
    *,
    name: str = "my data",
    audio: Any,
    video: Any,
    label: Any,
    class_names: Iterable[str],
    text: Any,
    splits: Mapping[str, Any] | None = None,
    unseen: int | Sequence[int] | None = None,
    val_unseen: int | Sequence[int] | None = None,
    seed: int = 0,
    groups: Iterable[str] = (),
    super_groups: Iterable[str] = (),
    ids: Iterable[str] = (),
    source: str = "Your own arrays.",
    simulated: bool = False,
) -> FeatureSet:
    """Make a FeatureSet from numpy arrays, tensors or lists. Arrays keep their precision; lists get torch's default.

    >>> generator = torch.Generator().manual_seed(0)
    >>> label = torch.arange(60) % 6
    >>> data = from_arrays(
    ...     audio=torch.randn(60, 8, generator=generator),
    ...     video=torch.randn(60, 12, generator=generator),
    ...     label=label,
    ...     class_names=["bark", "meow", "moo", "neigh", "quack", "roar"],
    ...     text=torch.eye(6),
    ... )
    >>> data["test"]
    test: 15 samples; classes: 5 seen, 1 unseen; dimensions: audio 8, video 12, text 6

    Args:
        audio, video: (N, D_a) and (N, D_v).
        label: (N,) class ids, rows of class_names.
        class_names, text: C names and their (C, D_w) vectors.
        splits: for each of SPLITS the indices of its samples; by default `split_by_class` draws them.
        unseen, val_unseen: for `split_by_class`: class ids, or the number of classes to draw; by default a fifth of all.
        seed: for drawing the splits.
        groups, super_groups, ids, source, simulated: see FeatureSet.

    Raises:
        DataError: an array is not a table of numbers, or `FeatureSet` or `split_by_class` rejects it.
        SettingError: both `splits`, and `unseen` or `val_unseen`, are given.
    """
    label = _tensor("label", label, whole=True)
    if splits is None:
        fifth = max(1, len(torch.unique(label)) // 5)
        splits = split_by_class(
            label,
            unseen=fifth if unseen is None else unseen,
            val_unseen=fifth if val_unseen is None else val_unseen,
            generator=torch.Generator().manual_seed(seed),
        )
    elif unseen is not None or val_unseen is not None:
        raise SettingError("Give either splits, or unseen and val_unseen to draw splits, not both.")
    return FeatureSet(
        name=name,
        audio=_tensor("audio", audio),
        video=_tensor("video", video),
        label=label,
        text=_tensor("text", text),
        class_names=_names("class_names", class_names),
        splits={key: _tensor(f"split {key}", index, whole=True) for key, index in splits.items()},
        groups=_names("groups", groups),
        super_groups=_names("super_groups", super_groups),
        ids=_names("ids", ids),
        source=source,
        simulated=simulated,
    )


def _names(what: str, values: Iterable[Any]) -> tuple[str, ...]:
    try:
        names = tuple(map(plain_name, values.tolist() if isinstance(values, np.ndarray) else values))
    except TypeError as error:
        raise DataError(f"{what} must be a list of names.") from error
    if what == "class_names" and "" in names:
        raise DataError(f"the name of class {names.index('')} is empty; every class needs a name.")
    return names


def _tensor(what: str, values: Any, *, whole: bool = False) -> Tensor:
    """A tensor of floats, or of whole numbers as int64. Tensors are not copied."""
    values = as_tensor(what, values, whole=whole)
    integer = values.dtype != torch.bool and not (values.is_floating_point() or values.is_complex())
    if not (integer if whole else values.is_floating_point()):
        wanted, dtype = ("whole", "int64") if whole else ("floating-point", "float32")
        raise DataError(f"{what} must hold {wanted} numbers, not {values.dtype}; convert it to {dtype}.")
    return values.detach().to(torch.int64) if whole else values.detach()


def split_codes(codes: NDArray[Any], samples: int) -> dict[str, NDArray[np.int64]]:
    """The sample indices of each split, from (N,) positions in SPLITS; -1 is a sample in no split."""
    if (
        codes.shape != (samples,)
        or codes.dtype.kind not in "iuf"
        or not np.isin(codes, range(-1, len(SPLITS))).all()
    ):
        raise DataError(f"split must be a list of numbers from -1 to {len(SPLITS) - 1}, one for each sample.")
    return {name: np.flatnonzero(codes == code) for code, name in enumerate(SPLITS)}


def split_by_class(
    label: Tensor,
    *,
    unseen: int | Sequence[int],
    val_unseen: int | Sequence[int],
    generator: torch.Generator,
) -> dict[str, Tensor]:
    """Draw the benchmark's five splits for class ids (N,): for each of SPLITS its sorted sample indices.

    All samples of the unseen classes are test-unseen. A tenth of every other class is test-seen. The rest of the
    val-unseen classes is val-unseen. Of each other class, a tenth of the rest is val-seen, and the remaining samples are
    for training. A tenth is at least one sample.

    Args:
        unseen, val_unseen: class ids, or the number of classes to draw.

    Raises:
        DataError: a class id without samples, overlapping roles, fewer than two classes left for training, or a class
            that is too small: training classes need 4 samples, val-unseen classes 2.
        SettingError: no unseen or no val-unseen class is requested.
    """
    label = _tensor("label", label, whole=True)
    classes, counts = (values.tolist() for values in torch.unique(label, return_counts=True))
    shuffled = torch.randperm(len(classes), generator=generator, device=generator.device).tolist()
    free = [classes[position] for position in shuffled]
    roles: dict[str, set[int]] = {}
    # Named classes are removed first, so that they are not drawn again.
    wishes = [("unseen", unseen), ("val_unseen", val_unseen)]
    for role, wanted in sorted(wishes, key=lambda wish: isinstance(wish[1], int)):
        chosen = free[: max(wanted, 0)] if isinstance(wanted, int) else [int(row) for row in wanted]
        if not chosen:
            raise SettingError(f"{role} must name at least one class, or give the number to draw.")
        if strange := set(chosen) - set(classes):
            raise DataError(f"{role} names class {min(strange)}, which has no sample.")
        if both := set(chosen) - set(free):
            raise DataError(f"Class {min(both)} is both unseen and val_unseen; a class has one role.")
        taken = set(chosen)
        free, roles[role] = [row for row in free if row not in taken], taken
    if len(free) < 2:
        raise DataError(
            f"Of the {len(classes)} classes with samples, {len(free)} remain for training, which needs two; "
            "add classes, or make fewer of them unseen and val_unseen."
        )
    parts: dict[str, list[Tensor]] = {split: [] for split in SPLITS}
    in_class = torch.argsort(label, stable=True).split(counts)
    for row, count, samples in zip(classes, counts, in_class, strict=True):
        order = torch.randperm(count, generator=generator, device=generator.device)
        members = samples[order.to(label.device)]
        if row in roles["unseen"]:
            parts["stage_2_test_unseen"].append(members)
            continue
        need = 2 if row in roles["val_unseen"] else 4
        if count < need:
            raise DataError(f"Class {row} has {count} samples but needs {need} for its splits; drop it.")
        tenth = max(1, round(0.1 * count))
        parts["stage_2_test_seen"].append(members[:tenth])
        rest = members[tenth:]
        if row in roles["val_unseen"]:
            parts["stage_1_val_unseen"].append(rest)
            continue
        tenth = max(1, round(0.1 * len(rest)))
        parts["stage_1_val_seen"].append(rest[:tenth])
        parts["stage_1_train"].append(rest[tenth:])
    return {split: torch.cat(part).sort().values for split, part in parts.items()}


_REQUIRED = ("audio", "video", "label", "split", "class_names", "text")
_LISTS = ("groups", "super_groups", "ids")
_FACTS = ("name", "source", "simulated")


def save_npz(data: FeatureSet, path: Path | str) -> None:
    """Write a set to an npz file that `load_npz` and `hypav.load` read.

    Its arrays are audio (N, D_a), video (N, D_v), label (N,), split (N,), class_names (C,) and text (C, D_w). split holds
    positions in SPLITS, or -1 for a sample in no split. groups, super_groups, ids, name, source and simulated are
    optional. Floats keep their precision. `paper_key` is not written, as the paper reports the published folders only.
    """
    split = np.full(len(data), -1, dtype=np.int8)
    for code, name in enumerate(SPLITS):
        split[data.splits[name].cpu().numpy()] = code
    tables = {key: getattr(data, key).detach().cpu().numpy() for key in ("audio", "video", "label", "text")}
    lists = {key: np.array(getattr(data, key)) for key in ("class_names", *_LISTS) if getattr(data, key)}
    facts = {key: np.array(getattr(data, key)) for key in _FACTS}
    with replacing(path) as temporary, open(temporary, "wb") as file:
        np.savez(file, allow_pickle=False, split=split, **tables, **lists, **facts)


def load_npz(path: Path | str, *, max_gb: float | None = None) -> FeatureSet:
    """Read a set from an npz file with the arrays that `save_npz` lists; other arrays are not read.

    Args:
        max_gb: the largest size of the arrays in gigabytes; by default 20 times that of the file, and at least 1.

    Raises:
        DataError: there is no such file, it is damaged or pickled, an array is missing or of the wrong type, the arrays
            are larger than the limit or than the free memory, or `FeatureSet` rejects the arrays.
    """
    path = Path(path)
    arrays = npz_arrays(path, (*_REQUIRED, *_LISTS, *_FACTS), max_gb=max_gb)
    try:
        if missing := [key for key in _REQUIRED if key not in arrays]:
            raise DataError(f"the array {missing[0]} is missing; an npz file needs {', '.join(_REQUIRED)}.")
        given: dict[str, Any] = {
            key: _shared(arrays[key]) for key in (*_REQUIRED, *_LISTS) if key in arrays and key != "split"
        }
        return from_arrays(
            **given,
            name=plain_name(arrays.get("name", path.stem)),
            splits=split_codes(arrays["split"], len(np.atleast_1d(arrays["label"]))),
            source=plain_name(arrays.get("source", f"Arrays of {path.name}.")),
            simulated=bool(np.any(arrays.get("simulated", False))),
        )
    except DataError as error:
        raise DataError(f"{path}: {error}") from error


def _shared(array: NDArray[Any]) -> NDArray[Any] | Tensor:
    """Floats as a tensor with the same memory, since `from_arrays` copies numpy arrays."""
    plain = array.dtype in (np.float16, np.float32, np.float64) and array.dtype.isnative
    return torch.from_numpy(array) if plain else array


def source_arrays(source: Path, wanted: Collection[str], *, max_gb: float | None = None) -> dict[str, Any]:
    """The wanted arrays of an npz file, or of the .npy and .txt files in a folder; nothing is unpickled.

    Raises:
        DataError: there is no such file, or one of them cannot be used.
    """
    if not source.is_dir():
        return npz_arrays(source, wanted, max_gb=max_gb)
    readers: dict[str, Callable[[Path], Any]] = {
        ".npy": partial(npy_array, max_gb=max_gb),
        ".txt": partial(read_lines, blank=True),
    }
    return {
        path.stem: read(path)
        for suffix, read in readers.items()
        for path in files_in(source, suffix)
        if path.stem in wanted
    }


def describe(data: FeatureSet) -> str:
    """The lines of `print(data)`, followed by the split sizes, the norms of the features and the groups, as text."""
    rows: list[tuple[str, ...]] = [("split", "classes", "samples", "per class")]
    for split in SPLITS:
        classes, index = data.split_classes[split], data.splits[split]
        counts = torch.bincount(data.label[index], minlength=len(data.class_names))[classes]
        rows.append((split, f"{len(classes)}", f"{len(index)}", f"{int(counts.min())}-{int(counts.max())}"))
    rows += [("",), ("norms", "mean", "min", "max")]
    for what in ("audio", "video", "text"):
        norm = row_norms(getattr(data, what))
        rows.append((what, *(f"{float(value):.3f}" for value in (norm.mean(), norm.min(), norm.max()))))
    lines = ["".join([f"{row[0]:<20}", *(f"{cell:>11}" for cell in row[1:])]).rstrip() for row in rows]
    for what, names in (("groups", data.groups), ("super-groups", data.super_groups)):
        counted = ", ".join(f"{name} {count}" for name, count in sorted(Counter(names).items()))
        lines += ["", f"{what} (classes): {counted}"] if names else []
    return "\n".join([repr(data), "", *lines])


describe_text = describe  # until hypav.data.verify and the command line follow
