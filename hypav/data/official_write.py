"""Writes a FeatureSet as a folder of the AVCA benchmark's form, which this package and the released code read."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import torch

from hypav.data.benchmark import KINDS, PUBLISHED, fold, vectors_name
from hypav.data.features import PHASES, SPLITS, FeatureSet
from hypav.data.h5 import write_features
from hypav.data.official_layout import NAMES_FILE
from hypav.data.provenance import write_provenance
from hypav.data.wordvectors import write_word_vectors
from hypav.errors import DataError, RunError, SettingError
from hypav.files import make_folder, replacing

__all__ = ["write_official"]


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
