"""Says what a folder or file holds and everything that is wrong with it, before anything trains.

An error is what no run could use: the readers refuse it. A warning is likely a mistake, a note a fact to know.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from hypav.data.features import SPLITS, describe_text, load_npz, npz_arrays
from hypav.data.official import (
    FEATURE_DIMS,
    KINDS,
    PUBLISHED,
    OfficialFolder,
    Pair,
    check_roles,
    check_same_rows,
    find_dataset,
    find_lists,
    open_official,
    read_features,
    read_provenance,
    text_rows,
)
from hypav.data.yt8m import YT8M_FILE, read_yt8m
from hypav.errors import DataError

Level = Literal["error", "warning", "note"]
_LEVELS: tuple[Level, ...] = ("error", "warning", "note")
_UNIT = 1e-3  # how far a norm may be from 1 and still count as normalised: float16 vectors stay within


@dataclass(frozen=True)
class Finding:
    """One thing that was found: how bad, in which file or array, and what."""

    level: Level
    where: str
    message: str

    def __str__(self) -> str:
        return f"{self.level}: {self.where}: {self.message}"


@dataclass
class Report:
    """What `verify` found: lines on what the path holds, and the findings."""

    path: Path
    holds: list[str] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """No errors: the readers accept it."""
        return not self.of("error")

    def of(self, level: Level) -> list[Finding]:
        return [finding for finding in self.findings if finding.level == level]

    def add(self, level: Level, where: object, message: str) -> None:
        finding = Finding(level, str(where), message)
        if finding not in self.findings:  # what both kinds of features share is told once
            self.findings.append(finding)

    def error(self, where: object, message: str) -> None:
        self.add("error", where, message)

    def caught(self, error: DataError) -> None:
        """A reader's refusal, which begins with its file."""
        where, _, message = str(error).partition(": ")
        self.error(where, message or where)

    def __str__(self) -> str:
        counts = ", ".join(
            f"{len(self.of(level))} {level}{'' if len(self.of(level)) == 1 else 's'}" for level in _LEVELS
        )
        found = [str(finding) for level in _LEVELS for finding in self.of(level)]
        return "\n".join([str(self.path), *self.holds, *found, counts])


class Extent:
    """Least and greatest value of each column of tables that are seen one after the other."""

    def __init__(self) -> None:
        self.rows = 0
        self.low: NDArray[Any] = np.empty(0)
        self.high: NDArray[Any] = np.empty(0)

    @property
    def dim(self) -> int:
        return len(self.low)

    def add(self, where: Path, table: NDArray[Any], report: Report) -> None:
        low, high = table.min(axis=0), table.max(axis=0)
        if self.rows and len(low) != self.dim:
            report.error(
                where, f"the features have {len(low)} dimensions but the first class's have {self.dim}."
            )
            return
        self.low = np.minimum(self.low, low) if self.rows else low
        self.high = np.maximum(self.high, high) if self.rows else high
        self.rows += len(table)

    def check(self, where: object, what: str, report: Report) -> None:
        constant = int((self.low == self.high).sum())
        if self.rows > 1 and constant == self.dim:
            report.error(
                where, f"all rows of {what} are the same, so nothing can be learned; check the extractor."
            )
        elif self.rows > 1 and constant:
            report.add(
                "note", where, f"{constant} of {self.dim} columns hold one value only and say nothing."
            )


def check_unit(where: object, vectors: NDArray[Any], report: Report) -> None:
    norms = np.linalg.norm(vectors.astype(np.float64), axis=1)
    if off := int((np.abs(norms - 1) > _UNIT).sum()):
        report.add(
            "warning",
            where,
            f"{off} of {len(norms)} word vectors do not have norm 1 (from {norms.min():.3g} to {norms.max():.3g}), "
            "as those of the benchmark have.",
        )


def check_lone(
    where: object, names: Sequence[str], counts: Mapping[str, Mapping[int, int]], report: Report
) -> None:
    for split, sizes in counts.items():
        if lone := [row for row, size in sizes.items() if size == 1]:
            what = f"{len(lone)} classes have a single sample in {split}, the first is {names[lone[0]]!r}"
            if split == "stage_1_train":
                report.error(where, f"{what}; give each at least two or drop it.")
            else:
                report.add("warning", where, f"{what}; their recall is 0 or 1.")


def verify(path: Path | str) -> Report:
    """Looks at all of a benchmark folder, a yt8m-mini file or folder, or an npz file of your own.

    Never raises for what is wrong with the data; memory stays at one class for folders.
    """
    path = Path(path)
    report = Report(path)
    if path.is_dir() and (find_lists(path) or (path / "features").is_dir()):
        _verify_official(path, report)
    elif path.is_dir() and (path / YT8M_FILE).is_file():
        _verify_npz(path / YT8M_FILE, report)
    elif path.is_dir():
        report.error(path, f"the folder holds neither class-split and features nor {YT8M_FILE}.")
    elif path.is_file():
        _verify_npz(path, report)
    else:
        report.error(path, "there is no such file or folder.")
    return report


# --- benchmark folders ----------------------------------------------------------------------------------------------


def _verify_official(root: Path, report: Report) -> None:
    try:
        dataset = find_dataset(root)
    except DataError as error:
        report.caught(error)
        return
    kinds = [kind for kind in KINDS if (root / "features" / f"{kind}_features").is_dir()]
    if not kinds:
        report.error(root / "features", "there is neither main_features nor cls_features in it.")
    for kind in kinds:
        folder = open_official(root, kind, dataset, report.error)
        name = folder.published.name if folder.published else f"own dataset {dataset!r}"
        report.holds.append(f"{name}, {kind} features, {len(folder.names)} classes")
        _verify_provenance(folder, report)
        _verify_lists(folder, report)
        _verify_vectors(folder, report)
        _verify_features(folder, report)


def _verify_provenance(folder: OfficialFolder, report: Report) -> None:
    try:
        if read_provenance(folder.place).simulated:
            report.add("note", folder.place, "the features are SIMULATED.")
    except DataError as error:
        report.caught(error)


def _verify_lists(folder: OfficialFolder, report: Report) -> None:
    where = folder.root / "class-split" / f"{folder.features}_split"
    train, val_seen, val_unseen, test_seen, _ = (set(folder.lists[split]) for split in SPLITS)
    if train != val_seen:
        report.add(
            "warning",
            where,
            f"stage_1_val_seen differs from stage_1_train in {len(train ^ val_seen)} classes.",
        )
    if (strange := test_seen - train - val_unseen) and train:
        report.add("warning", where, f"{len(strange)} classes of stage_2_test_seen are never trained on.")
    if missing := (train | val_unseen) - test_seen:
        report.add("warning", where, f"{len(missing)} trained classes are not in stage_2_test_seen.")
    known = PUBLISHED.get(folder.dataset.lower())
    if known and folder.names and len(folder.names) != known.classes:
        names = len(folder.names)
        report.add("warning", where.parent, f"{known.name} has {known.classes} classes, this folder {names}.")
    for path in folder.left_out:
        report.add("note", path, "its class is not in its split's list, so its samples are left out.")


def _verify_vectors(folder: OfficialFolder, report: Report) -> None:
    where = folder.place / "text"
    if not folder.vectors or not folder.manual:
        return
    check_unit(where, np.stack(list(folder.vectors.values())), report)
    own = [folder.vectors[name] for name in folder.manual if name in folder.vectors]
    if len(own) > 1 and all(np.array_equal(own[0], vector) for vector in own):
        report.error(where, "all word vectors are the same; check how they were made.")
    shifted = sum(a != b for a, b in zip(folder.manual, text_rows(folder, "official"), strict=True))
    if shifted:
        report.add(
            "note",
            where,
            f"the released loader gives {shifted} of {len(folder.names)} classes another class's word vector "
            "(manual and original names sort differently); text_alignment=official does the same.",
        )
    if spare := set(folder.vectors) - set(folder.manual):
        report.add("note", where, f"{len(spare)} word vectors belong to no class.")


def _verify_features(folder: OfficialFolder, report: Report) -> None:
    ranges = {"audio": Extent(), "video": Extent()}
    counts: dict[str, dict[int, int]] = {split: {} for split in SPLITS}
    split_of: dict[str, str] = {}
    repeated: list[str] = []
    for pair in tqdm(folder.pairs, desc=f"Verifying {folder.features}", unit="class", disable=None):
        names = _verify_pair(pair, ranges, report)
        counts[pair.split][pair.class_id] = len(names)
        repeated += [name for name in names if split_of.setdefault(name, pair.split) != pair.split]
    if repeated:
        where = f"{len(repeated)} videos stand in two splits, the first is {repeated[0]!r}; tests would be leaked into."
        report.add("warning", folder.place, where)
    for what, extent in ranges.items():
        extent.check(folder.place / what, what, report)
    check_lone(folder.place, folder.names, counts, report)
    _hold_counts(folder, counts, ranges, report)


def _verify_pair(pair: Pair, ranges: Mapping[str, Extent], report: Report) -> tuple[str, ...]:
    found = {}
    for what, path in (("audio", pair.audio), ("video", pair.video)):
        try:
            found[what] = read_features(path)
        except DataError as error:
            report.caught(error)
            continue
        ranges[what].add(path, found[what][0], report)
    if len(found) < 2:
        return ()
    audio, video = found["audio"][1], found["video"][1]
    if len(audio) != len(video):
        report.error(
            pair.video, f"there are {len(video)} video rows but {len(audio)} audio rows of this class."
        )
        return ()
    try:
        check_same_rows(pair, audio, video)
    except DataError as error:
        report.caught(error)
    return audio


def _hold_counts(
    folder: OfficialFolder,
    counts: Mapping[str, Mapping[int, int]],
    ranges: Mapping[str, Extent],
    report: Report,
) -> None:
    """What stands in the folder, and where it differs from what is published under its name."""
    known = folder.published
    expected = known.expected(folder.features) if known else {}
    for split in SPLITS:
        found = (len(folder.lists[split]), sum(counts[split].values()))
        report.holds.append(f"  {split:<22}{found[0]:>5} classes {found[1]:>7} samples")
        if known and found != expected[split]:
            want = (
                f"{known.name} has {expected[split][0]} classes and {expected[split][1]} samples in {split}"
            )
            report.add("warning", folder.place, f"{want}, this folder {found[0]} and {found[1]}.")
    text = next(iter(folder.vectors.values())).shape[0] if folder.vectors else 0
    dims = (ranges["audio"].dim, ranges["video"].dim, text)
    report.holds.append("  dimensions: audio {}, video {}, text {}".format(*dims))
    if known and dims != FEATURE_DIMS[folder.features]:
        want = ", ".join(map(str, FEATURE_DIMS[folder.features]))
        message = (
            f"{known.name} {folder.features} has {want} dimensions (audio, video, text), this folder {dims}."
        )
        report.add("warning", folder.place, message)


# --- npz files --------------------------------------------------------------------------------------------------------


def _verify_npz(path: Path, report: Report) -> None:
    try:
        arrays = npz_arrays(path)
    except DataError as error:
        report.caught(error)
        return
    of_yt8m = {"names", "parent", "split"} <= set(arrays)
    if not of_yt8m:
        _verify_tables(path, arrays, report)
    try:
        data = read_yt8m(path) if of_yt8m else load_npz(path)
    except DataError as error:
        if report.ok:  # else it is among what was found
            report.caught(error)
        return
    report.holds += describe_text(data).splitlines()
    check_unit(f"{path}, text", data.text.numpy(), report)


def _verify_tables(path: Path, arrays: Mapping[str, NDArray[Any]], report: Report) -> None:
    for key in ("audio", "video", "label", "split", "class_names", "text"):
        if key not in arrays:
            report.error(f"{path}, {key}", "the array is missing.")
    label, split, names = (arrays.get(key, np.empty(0)) for key in ("label", "split", "class_names"))
    for what in ("audio", "video", "text"):
        table = arrays.get(what)
        if table is None:
            continue
        where = f"{path}, {what}"
        if table.ndim != 2 or table.dtype.kind != "f" or 0 in table.shape:
            report.error(
                where, f"it must be a table of floats (rows, dimensions), not {table.dtype} {table.shape}."
            )
            continue
        rows, of = (len(names), "class names") if what == "text" else (len(label), "labels")
        if len(table) != rows:
            report.error(where, f"there are {len(table)} rows but {rows} {of}.")
        if bad := int((~np.isfinite(table).all(axis=1)).sum()):
            report.error(where, f"there are NaN or infinite values in {bad} rows.")
        else:
            extent = Extent()
            extent.add(path, table, report)
            extent.check(where, what, report)
    if (
        label.dtype.kind not in "iu"
        or split.dtype.kind not in "iu"
        or label.shape != split.shape
        or label.ndim != 1
    ):
        report.error(path, "label and split must be lists of whole numbers of one length.")
        return
    if label.size and not 0 <= label.min() <= label.max() < len(names):
        report.error(
            f"{path}, label", f"labels run from {label.min()} to {label.max()} for {len(names)} class names."
        )
        return
    counts: dict[str, dict[int, int]] = {}
    for code, name in enumerate(SPLITS):
        present, sizes = np.unique(label[split == code], return_counts=True)
        counts[name] = dict(zip(present.tolist(), sizes.tolist(), strict=True))
        if not counts[name]:
            report.error(
                f"{path}, split", f"no sample is in {name}; zero-shot learning needs all five splits."
            )
    check_roles(
        f"{path}, split", names.tolist(), {split: tuple(of) for split, of in counts.items()}, report.error
    )
    check_lone(f"{path}, split", names.tolist(), counts, report)
