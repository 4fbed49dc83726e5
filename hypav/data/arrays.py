"""The fourth door: your own arrays of audio, video, labels, class names and text vectors, with GZSL splits.

An npz file of them (`save_npz`, `load_npz`) holds plain arrays only, nothing pickled:

| array | type, shape | |
|---|---|---|
| audio, video | float (N, D_a), (N, D_v) | a row a video, the same order in both |
| label | whole number (N,) | row of class_names |
| split | whole number (N,) | place in SPLITS: 0 train, 1 and 2 val seen and unseen, 3 and 4 test; -1 in none |
| class_names | text (C,) | |
| text | float (C, D_w) | a word vector a class |
| groups, super_groups | text (C,) | may be left out |
| ids | text (N,) | may be left out |
| name, source | text () | may be left out |
| simulated | truth value () | may be left out: false |
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hypav.data.features import SPLITS, FeatureSet
from hypav.errors import DataError, SettingError
from hypav.files import replacing

__all__ = ["from_arrays", "load_npz", "npz_arrays", "save_npz", "split_by_class"]

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
