"""Check a data set before training: what it contains, its first error, and what is probably a mistake."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hypav.data.features import SPLITS, FeatureSet
from hypav.data.load import read_npz
from hypav.data.official import FEATURE_DIMS, KINDS, PUBLISHED, open_official, read_official
from hypav.data.yt8m import YT8M_FILE
from hypav.errors import DataError

Level = Literal["error", "warning", "note"]
LEVELS: tuple[Level, ...] = ("error", "warning", "note")
DIMS = tuple(f"dimension of {what}" for what in ("audio", "video", "text"))
UNIT = 1e-3  # tolerance for a norm of 1, enough for float16 vectors
OUTLIER = 100  # times the median norm
LARGEST, SMALLEST = float(np.finfo(np.float32).max), 2.0**-150  # of float32; half of its smallest number is 0
SHOWN = 3  # of the rows or classes with a problem
BLOCK = 1024  # rows


@dataclass(frozen=True)
class Problem:
    """What is wrong, in which file or folder, and how serious it is."""

    level: Level
    where: str
    message: str

    def __str__(self) -> str:
        return f"{self.level}: {self.where}: {self.message}"


@dataclass
class Report:
    """The result of `verify`: what the path contains, and its problems. print() shows them, one per line."""

    path: Path
    holds: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether there are no errors, so that the data can be used for training."""
        return not self.errors

    @property
    def errors(self) -> list[Problem]:
        return [problem for problem in self.problems if problem.level == "error"]

    @property
    def warnings(self) -> list[Problem]:
        return [problem for problem in self.problems if problem.level == "warning"]

    def __str__(self) -> str:
        lines = [str(problem) for level in LEVELS for problem in self.problems if problem.level == level]
        counts = [sum(problem.level == level for problem in self.problems) for level in LEVELS]
        total = ", ".join(
            f"{n} {level}{'' if n == 1 else 's'}" for n, level in zip(counts, LEVELS, strict=True)
        )
        return "\n".join([str(self.path), *self.holds, *lines, total])


def verify(path: Path | str, *, max_gb: float | None = None) -> Report:
    """Check a benchmark folder, a yt8m-mini file or folder, or your own npz file.

    An error is the first reason why the set cannot be read. A warning is probably a mistake. A note is good to know.
    Problems of the data never raise an exception. The whole set is read into memory.

    Args:
        max_gb: the largest size of the unpacked data, see `hypav.load`.
    """
    report = Report(Path(path))
    if report.path.is_dir() and not (report.path / YT8M_FILE).is_file():
        kinds = [kind for kind in KINDS if (report.path / "features" / f"{kind}_features").is_dir()]
        for kind in kinds or KINDS[:1]:
            _attempt(report, max_gb, kind)
    else:
        _attempt(report, max_gb)
    return report


def _attempt(report: Report, max_gb: float | None, kind: str = "") -> None:
    try:
        path = report.path
        data = read_official(path, kind, max_gb=max_gb) if kind else read_npz(path, max_gb=max_gb)
    except DataError as error:
        where, _, message = str(error).partition(": ")
        problem = Problem("error", where if message else str(report.path), message or where)
        if problem not in report.problems:  # the class names are shared by both kinds of features
            report.problems.append(problem)
        return
    samples = {split: len(data.splits[split]) for split in SPLITS}
    classes = {split: len(data.split_classes[split]) for split in SPLITS}
    report.holds.append(f"{data.name}, {len(data)} samples, {len(data.class_names)} class names")
    report.holds += [
        f"  {split:<22}{classes[split]:>5} classes {samples[split]:>7} samples" for split in SPLITS
    ]
    report.holds.append(f"  dimensions: audio {data.dim_audio}, video {data.dim_video}, text {data.dim_text}")
    where = f"{report.path}/features/{kind}_features" if kind else str(report.path)
    notes = ["the features are SIMULATED."] if data.simulated else []
    for name, table in (("audio", data.audio), ("video", data.video)):
        if constant := int((table.amin(dim=0) == table.amax(dim=0)).sum()):
            notes.append(f"{constant} of {table.shape[1]} {name} columns have the same value in all rows.")
    warnings = [*_about_classes(data), *_about_samples(data)]
    if kind:
        folder = open_official(report.path, kind)
        if shifted := sum(a != b for a, b in zip(folder.manual, sorted(folder.manual), strict=True)):
            notes.append(
                f"the released loader gives {shifted} of {len(folder.names)} classes another class's word vector "
                "(manual and original names sort differently); text_alignment=official does the same."
            )
        if known := PUBLISHED.get(folder.dataset.lower()):
            dims = (data.dim_audio, data.dim_video, data.dim_text)
            here = (len(folder.names), *((classes[split], samples[split]) for split in SPLITS), *dims)
            there = (known.classes, *known.expected(kind).values(), *FEATURE_DIMS[kind])
            names = ("number of class names", *(f"(classes, samples) of {split}" for split in SPLITS), *DIMS)
            for name, published, value in zip(names, there, here, strict=True):
                if published != value:
                    warnings.append(
                        f"the {name} should be {published} in {known.name} ({kind}) but is {value}."
                    )
    report.problems += [Problem("warning", where, message) for message in warnings]
    report.problems += [Problem("note", where, message) for message in notes]


def _about_classes(data: FeatureSet) -> Iterator[str]:
    train, val_seen, val_unseen, test_seen, _ = (set(data.split_classes[split].tolist()) for split in SPLITS)
    lone = {}
    for split in SPLITS:
        counts = torch.bincount(data.label[data.splits[split]], minlength=len(data.class_names))
        lone[f"have a single sample in {split}, so their recall is 0 or 1"] = (
            (counts == 1).nonzero()[:, 0].tolist()
        )
    for what, classes in {
        "are in only one of stage_1_train and stage_1_val_seen": train ^ val_seen,
        "of stage_2_test_seen are in no training split": test_seen - train - val_unseen,
        "are in a training split but not in stage_2_test_seen": (train | val_unseen) - test_seen,
        **lone,
    }.items():
        if classes:
            yield f"{len(classes)} classes {what}; the first is {data.class_names[min(classes)]!r}."
    norms = np.linalg.norm(data.text.numpy().astype(np.float64), axis=1)
    if off := int((np.abs(norms - 1) > UNIT).sum()):
        yield (
            f"{off} of {len(norms)} word vectors do not have norm 1, unlike those of the benchmark; "
            f"their norms range from {norms.min():.3g} to {norms.max():.3g}."
        )


def _about_samples(data: FeatureSet) -> Iterator[str]:
    rows = {"audio": _Rows.of(data.audio), "video": _Rows.of(data.video), "text": _Rows.of(data.text)}
    # both tables: silent videos share a row of audio
    both = list(zip(rows["audio"].keys, rows["video"].keys, strict=True))
    place = {row: split for split in SPLITS for row in data.splits[split].tolist()}
    for what, keys in (("features", both), ("name", data.ids)):
        elsewhere: list[tuple[int, int]] = []
        again: list[tuple[int, int]] = []
        first: dict[object, int] = {}  # the first row of a value
        for row in place if keys else ():
            other = first.setdefault(keys[row], row)
            if other != row:
                (again if place[other] == place[row] else elsewhere).append((row, other))
        if elsewhere:
            pairs = [f"{_name(data, row)} as {_name(data, other)}" for row, other in elsewhere]
            yield (
                f"{len(pairs)} samples have the same {what} as a sample of another split, {_firsts(pairs)}; "
                "this makes the test too easy."
            )
        if again and what == "features":  # a video may have several clips under one name
            pairs = [f"{_name(data, row)} as {_name(data, other)}" for row, other in again]
            yield (
                f"{len(pairs)} samples have the same {what} as a sample of the same split, {_firsts(pairs)}; "
                "they count twice."
            )
    first = {}
    vectors = [(row, first.setdefault(key, row)) for row, key in enumerate(rows["text"].keys)]
    if same := [f"{data.class_names[a]!r} as {data.class_names[b]!r}" for a, b in vectors if a != b]:
        yield f"{len(same)} classes have the same word vector as another class, {_firsts(same)}."
    for name, table in rows.items():
        usual = table.norms[(table.norms > 0) & ~table.beyond]
        limit = OUTLIER * np.median(usual) if len(usual) else np.inf
        for what, bad in {
            "rows are zero": table.norms == 0,
            "rows have values beyond float32, which become infinite in training": table.beyond,
            f"rows have more than {OUTLIER} times the median norm": (table.norms > limit) & ~table.beyond,
        }.items():
            if bad.any():
                found = [_name(data, row, name) for row in bad.nonzero()[0].tolist()]
                yield f"{len(found)} {name} {what}; {_firsts(found)}."


@dataclass
class _Rows:
    """What the checks need of each row of a table: a hash, the norm, and whether a value is beyond float32."""

    keys: list[int]
    norms: NDArray[np.float64]
    beyond: NDArray[np.bool_]

    @classmethod
    def of(cls, table: Tensor) -> _Rows:
        """Computed in blocks, so that a large table is not copied."""
        keys, norms, beyond = [], [], []
        for part in table.split(BLOCK):
            block = part.numpy() + 0  # -0.0 becomes 0.0
            keys += [hash(row.tobytes()) for row in block]
            # a float64 value that training sees as 0 counts as 0
            wide = block.astype(np.float64)
            wide[np.abs(wide) < SMALLEST] = 0
            beyond.append((np.abs(wide) > LARGEST).any(axis=1))
            with np.errstate(over="ignore"):
                norms.append(np.linalg.norm(wide, axis=1))
        return cls(keys, np.concatenate(norms), np.concatenate(beyond))


def _name(data: FeatureSet, row: int, table: str = "") -> str:
    if table == "text":
        return f"row {row} ({data.class_names[row]!r})"
    return f"row {row} ({data.ids[row]!r})" if data.ids else f"row {row}"


def _firsts(items: Sequence[str]) -> str:
    """ "the first is X" or "the first are X, Y, Z"."""
    return f"the first {'is' if len(items) == 1 else 'are'} {', '.join(items[:SHOWN])}"
