"""Makes a yt8m-mini file from Google's video-level shards: which videos are kept, and in which split.

A video is kept when exactly one of its labels is a candidate class. Every choice among videos, and among
classes where roles are drawn, is by the order of sha256("seed:name"), so it depends neither on the order of
the shards nor on the version of a random generator.
"""

from __future__ import annotations

import csv
import hashlib
import heapq
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from tqdm import tqdm

from hypav.data.features import SPLITS
from hypav.data.tfexample import Video, read_videos
from hypav.data.yt8m import ATTRIBUTION, YT8M_FILE, quantise, read_yt8m
from hypav.data.yt8m_text import ROLES, Role, Yt8mClass, text_vectors, yt8m_classes
from hypav.errors import DataError, SettingError
from hypav.files import replacing

__all__ = ["BuildReport", "build_yt8m", "draw_roles"]

_TRAIN, _VAL_SEEN, _VAL_UNSEEN, _TEST_SEEN, _TEST_UNSEEN = range(len(SPLITS))


@dataclass(frozen=True)
class BuildReport:
    """Videos read and kept, (videos, classes) of each split, and the classes left out for too few videos."""

    path: Path
    shards: int
    videos: int
    kept: int
    splits: dict[str, tuple[int, int]]
    dropped: tuple[str, ...]


@dataclass
class _Pool:
    """The videos of one class that come first in the drawn order; a heap with the last of them on top."""

    size: int
    heap: list[tuple[int, str, NDArray[np.uint8], NDArray[np.uint8]]] = field(default_factory=list)

    def add(self, rank: int, video: Video) -> None:
        if len(self.heap) < self.size:
            heapq.heappush(self.heap, (-rank, video.id, quantise(video.audio), quantise(video.rgb)))
        elif -rank > self.heap[0][0]:
            heapq.heapreplace(self.heap, (-rank, video.id, quantise(video.audio), quantise(video.rgb)))


def build_yt8m(
    shards: Sequence[str | Path],
    out: str | Path,
    *,
    text: str | Path | dict[str, ArrayLike] | None = None,
    vocabulary: str | Path | None = None,
    seed: int = 2023,
    min_per_class: int = 15,
    max_per_class: int = 40,
    roles: Literal["published", "drawn"] = "published",
    check: Literal["full", "length"] = "full",
) -> BuildReport:
    """Builds a yt8m-mini file. The same shards, text and settings give the same bytes.

    Of each class with at least `min_per_class` videos, at most `max_per_class` are kept. Of the n videos of
    a class, k = n/10 rounded half up, at least one, go to test_seen unless the class is test-unseen; a seen
    class gives k more to val_seen and the rest to train, a val-unseen class gives the rest to val_unseen.
    (At n = 40 that is 32, 4 and 4, so val_seen is 11 % of the samples of the train classes; at n = 15 it is
    11, 2 and 2.)

    Args:
        shards: validateXXXX.tfrecord files, video level.
        out: the file to write, or the folder to write yt8m_gzsl_mini.npz into.
        text: where the text vectors come from, see `text_vectors`.
        vocabulary: Google's vocabulary.csv; where given, the class names are checked against its rows.
        seed: of the choice of videos, and of roles where they are drawn.
        roles: "published" keeps each class's role, "drawn" draws 50/25/25 % stratified by super-group from
        `seed`.
        check: "full" verifies the CRC of all data, "length" only that of the record lengths.

    Raises:
        DataError: where a shard is damaged, a video stands in two shards, or too few videos are found.
        SettingError: where the numbers of videos make no sense, or there is no `text`.
        RunError: where the file cannot be written.
    """
    if not 4 <= min_per_class <= max_per_class:
        raise SettingError(
            f"min_per_class = {min_per_class} and max_per_class = {max_per_class} do not fit: "
            "the first is at least 4 (train, val and test need videos) and at most the second."
        )
    if not shards:
        raise DataError(
            "No shard was given; name YouTube-8M's video-level files, validate0000.tfrecord and so on."
        )
    classes = yt8m_classes()
    text_name, vectors = text_vectors(text, classes)
    if vocabulary is not None:
        _check_vocabulary(Path(vocabulary), classes)
    pools, videos = _collect(shards, classes, seed, max_per_class, check)
    kept = [i for i, pool in enumerate(pools) if len(pool.heap) >= min_per_class]
    chosen = tuple(classes[i] for i in kept)
    if roles == "drawn":
        chosen = draw_roles(chosen, seed)
    _check_roles(chosen, len(shards), min_per_class)
    arrays = _arrays(chosen, [pools[i] for i in kept])
    arrays[text_name] = vectors[kept]
    arrays["attribution"] = np.array(ATTRIBUTION)
    arrays["build"] = np.array(
        f"seed {seed}; {min_per_class} to {max_per_class} videos a class; roles {roles}; "
        f"{videos} videos of {len(shards)} shards"
    )
    out = Path(out)
    out = out / YT8M_FILE if out.is_dir() else out
    with replacing(out) as temporary:
        with temporary.open("wb") as file:
            np.savez_compressed(file, allow_pickle=False, **arrays)
        read_yt8m(temporary)
    split, label = arrays["split"], arrays["label"]
    return BuildReport(
        path=out,
        shards=len(shards),
        videos=videos,
        kept=len(label),
        splits={
            name: (int((split == code).sum()), len(np.unique(label[split == code])))
            for code, name in enumerate(SPLITS)
        },
        dropped=tuple(c.name for i, c in enumerate(classes) if i not in set(kept)),
    )


def draw_roles(classes: Sequence[Yt8mClass], seed: int) -> tuple[Yt8mClass, ...]:
    """The classes with roles drawn anew: of each super-group's n classes n/4 (rounded half to even) are
    val-unseen, as many test-unseen, the rest seen."""
    roles: dict[str, Role] = {}
    for group in dict.fromkeys(c.super_group for c in classes):
        names = sorted((c.name for c in classes if c.super_group == group), key=lambda n: _rank(seed, n))
        quarter = round(len(names) / 4)
        for position, name in enumerate(names):
            roles[name] = ROLES[2 if position < quarter else 1 if position < 2 * quarter else 0]
    return tuple(replace(c, role=roles[c.name]) for c in classes)


def _rank(seed: int, name: str) -> int:
    return int.from_bytes(hashlib.sha256(f"{seed}:{name}".encode()).digest()[:16])


def _collect(
    shards: Iterable[str | Path],
    classes: Sequence[Yt8mClass],
    seed: int,
    size: int,
    check: Literal["full", "length"],
) -> tuple[list[_Pool], int]:
    of_index = {c.yt8m_index: i for i, c in enumerate(classes)}
    pools = [_Pool(size) for _ in classes]
    stood: dict[str, Path] = {}
    videos = 0
    for path in tqdm([Path(shard) for shard in shards], desc="shards", unit="file", disable=None):
        for video in read_videos(path, check=check):
            videos += 1
            hits = {of_index[label] for label in video.labels.tolist() if label in of_index}
            if len(hits) != 1:
                continue
            if video.id in stood:
                raise DataError(
                    f"Video {video.id} stands in {stood[video.id]} and again in {path}; give each shard once."
                )
            stood[video.id] = path
            pools[hits.pop()].add(_rank(seed, video.id), video)
    return pools, videos


def _arrays(classes: Sequence[Yt8mClass], pools: Sequence[_Pool]) -> dict[str, NDArray[Any]]:
    rows = [
        (label, *sample)
        for label, pool in enumerate(pools)
        for sample in sorted(pool.heap, key=lambda sample: -sample[0])
    ]
    return {
        "audio": np.stack([row[3] for row in rows]),
        "video": np.stack([row[4] for row in rows]),
        "label": np.array([row[0] for row in rows], dtype=np.uint8),
        "split": np.concatenate([_split(c.role, len(p.heap)) for c, p in zip(classes, pools, strict=True)]),
        "id": np.array([row[2] for row in rows]),
        "names": np.array([c.name for c in classes]),
        "parent": np.array([c.parent for c in classes]),
        "super": np.array([c.super_group for c in classes]),
        "vertical": np.array([c.vertical for c in classes]),
        "w2v_key": np.array([c.w2v_key for c in classes]),
        "yt8m_index": np.array([c.yt8m_index for c in classes], dtype=np.int16),
        "role": np.array([ROLES.index(c.role) for c in classes], dtype=np.uint8),
    }


def _split(role: str, n: int) -> NDArray[np.uint8]:
    """The split codes of a class's n videos, in their drawn order."""
    tenth = max((n + 5) // 10, 1)
    codes = np.full(
        n, {"seen": _TRAIN, "val_unseen": _VAL_UNSEEN, "test_unseen": _TEST_UNSEEN}[role], dtype=np.uint8
    )
    if role != "test_unseen":
        codes[:tenth] = _TEST_SEEN
    if role == "seen":
        codes[tenth : 2 * tenth] = _VAL_SEEN
    return codes


def _check_roles(classes: Sequence[Yt8mClass], shards: int, least: int) -> None:
    for role in ROLES:
        if not any(c.role == role for c in classes):
            raise DataError(
                f"The {shards} shards hold {len(classes)} classes with {least} videos or more, "
                f"none of them {role}; "
                "give more shards (140 fill all 109 classes) or lower min_per_class."
            )


def _check_vocabulary(path: Path, classes: Sequence[Yt8mClass]) -> None:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            names = {row["Index"]: row["Name"] for row in csv.DictReader(file)}
    except (OSError, KeyError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} is not Google's vocabulary.csv with the columns Index and Name.") from error
    for c in classes:
        if names.get(str(c.yt8m_index)) != c.name:
            raise DataError(
                f"{path}: row {c.yt8m_index} is {names.get(str(c.yt8m_index))!r} but should be {c.name!r}; "
                "the vocabulary of the 2018 edition is needed."
            )
