"""Build a yt8m-mini file from Google's video-level shards: fetch them, read their records, choose the videos.

A shard is a TFRecord file of serialised tf.train.Example messages (tensorflow.org/tutorials/load_data/tfrecord). This
module reads both and checks the checksums, because other readers skip them and would return damaged features.

A video is kept if exactly one of its labels is a candidate class. Videos are chosen in the order of sha256("seed:id"). So
the choice depends neither on the order of the shards nor on the version of a random generator.
"""

from __future__ import annotations

import hashlib
import string
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path
from typing import Any

import crc32c
import numpy as np
from numpy.typing import ArrayLike, NDArray
from tqdm import tqdm

from hypav.data.features import SPLITS
from hypav.data.files import regular_file, unreadable
from hypav.data.yt8m import (
    ATTRIBUTION,
    DIM_AUDIO,
    DIM_VIDEO,
    ROLES,
    YT8M_FILE,
    Yt8mClass,
    quantise,
    read_yt8m,
    text_vectors,
    yt8m_classes,
)
from hypav.errors import DataError, RunError, SettingError
from hypav.utils import make_folder, replacing

BASE_URL = "http://us.data.yt8m.org/2/video/validate"
"""The US mirror; eu.data.yt8m.org and asia.data.yt8m.org hold the same (research.google.com/youtube8m/download)."""
PLAN_URL = "http://data.yt8m.org/2/download_plans/video_validate.json"
"""Google's list of the shards with their MD5 sums: {"files": {name: md5}}."""
SHARD_COUNT = 3844
SHARD_BYTES = 1_400_000  # typical, for about 290 videos
RETRIES = 5  # further attempts for each shard
TIMEOUT = 30.0  # seconds without an answer after which an attempt fails
SEED = 2023  # of the choice of videos
FEWEST, MOST = 15, 40  # videos of a class
_LETTERS = string.ascii_lowercase + string.ascii_uppercase + string.digits


def remote_name(number: int) -> str:
    """Google's name of shard `number`, 0 to 3843: validateaa.tfrecord to validate99.tfrecord, in base 62."""
    return f"validate{_LETTERS[number // 62]}{_LETTERS[number % 62]}.tfrecord"


def fetch_yt8m(
    folder: str | Path,
    *,
    confirm: Callable[[str], bool],
    shards: Iterable[int] = range(140),
    base_url: str = BASE_URL,
    plan_url: str | None = PLAN_URL,
) -> list[Path]:
    """Download shards as validate0000.tfrecord and so on. Returns their paths, or an empty list if `confirm` says no.

    Complete shards that are already in the folder are kept. A shard gets its name only after its MD5 sum is checked.

    Args:
        folder: folder for the shards; made if it is missing.
        confirm: is asked one question that states number, size, source and folder. Nothing is downloaded if it says no.
        shards: numbers from 0 to 3843; yt8m-mini was built from 0 to 139.
        base_url: the folder of the shards on the server.
        plan_url: Google's list of MD5 sums, or None. Without it, `build_yt8m` still checks the checksums in the shards.

    Raises:
        DataError: the server does not answer, does not have a file, or repeatedly sends a damaged file.
        RunError: the folder cannot be written to or is full.
        SettingError: there is no such shard, or the address is not a web address.
    """
    import pooch
    import requests

    numbers = sorted(set(shards))
    if not numbers or numbers[0] < 0 or numbers[-1] >= SHARD_COUNT:
        raise SettingError(f"Shards are numbered 0 to {SHARD_COUNT - 1}, and at least one is needed.")
    if not base_url.startswith(("http://", "https://")):
        raise SettingError(f"The address {base_url!r} must start with http:// or https://.")
    folder, base_url = make_folder(folder), base_url.rstrip("/")
    paths = {folder / f"validate{number:04d}.tfrecord": remote_name(number) for number in numbers}
    missing = {path: remote for path, remote in paths.items() if not _is_whole(path)}
    size = f"{len(missing) * SHARD_BYTES / 1e6:.0f} MB"
    question = f"Download {len(missing)} YouTube-8M shards, about {size}, from {base_url} to {folder}?"
    if missing and not confirm(question):
        return []
    logger = pooch.get_logger()
    level, url = logger.level, plan_url
    logger.setLevel("WARNING")  # pooch would print two lines per file; the progress bar is enough
    try:
        sums = _md5_sums(plan_url) if plan_url and missing else {}
        known = {path.name: f"md5:{sums[remote]}" if plan_url else None for path, remote in missing.items()}
        urls = {path.name: f"{base_url}/{remote}" for path, remote in missing.items()}
        store = pooch.create(folder, base_url, registry=known, urls=urls, retry_if_failed=RETRIES)
        for path in tqdm(missing, desc="shards", unit="file", disable=None):
            url = urls[path.name]
            path.unlink(missing_ok=True)  # a damaged file
            store.fetch(path.name, downloader=pooch.HTTPDownloader(timeout=TIMEOUT))
    except KeyError as error:
        raise DataError(
            f"{plan_url} does not list {error}; give the list that belongs to {base_url}."
        ) from error
    except requests.HTTPError as error:
        answer = str(error).partition(" for url")[0]
        raise DataError(f"{url}: the server answers {answer}; check the address.") from error
    except requests.RequestException as error:
        raise DataError(f"{url}: the connection failed or was cut; try again later.") from error
    except ValueError as error:
        raise DataError(
            f"{url}: the file does not have the MD5 sum of Google's list; try again later."
        ) from error
    except OSError as error:
        raise RunError(f"{url} could not be stored in {folder}: {error.strerror or error}.") from error
    finally:
        logger.setLevel(level)
    return list(paths)


def _is_whole(path: Path) -> bool:
    try:
        return path.is_file() and sum(1 for _ in read_records(path)) > 0
    except DataError:
        return False


def _md5_sums(url: str) -> dict[str, str]:
    """The MD5 sum of each shard by its remote name."""
    import requests

    answer = requests.get(url, timeout=TIMEOUT)
    answer.raise_for_status()
    try:
        return dict(answer.json()["files"])
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{url} is not the expected list of MD5 sums; give another plan_url, or None."
        ) from error


MAX_RECORD = 1 << 20
"""The longest allowed payload in bytes. A video-level record has about 4.7 kB, a frame-level record up to 350 kB."""


def checksum(data: bytes | memoryview) -> bytes:
    """The masked CRC-32C that TFRecord stores, 4 bytes. It is rotated and shifted, so that data may contain checksums."""
    crc = crc32c.crc32c(data)
    return struct.pack("<I", (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF)


def read_records(path: str | Path) -> Iterator[tuple[int, memoryview]]:
    """Yield (byte offset, payload) of each record of a TFRecord file, after checking both of its checksums.

    Raises:
        DataError: the file cannot be read, ends inside a record, or has a wrong checksum; with name and offset.
    """
    path = regular_file(Path(path))
    try:
        size = path.stat().st_size
        with open(path, "rb") as file:
            start = 0
            while start < size:
                head = file.read(12)
                if len(head) == 12 and checksum(head[:8]) != head[8:]:
                    if not start:
                        raise unreadable(path, "a TFRecord file")
                    raise DataError(
                        f"{path}: the length of the record at byte {start} fails its CRC, so the file is damaged; "
                        "download it again."
                    )
                length = int.from_bytes(head[:8], "little")
                if len(head) == 12 and length > MAX_RECORD:
                    raise DataError(
                        f"{path}: the record at byte {start} says it is longer than {MAX_RECORD} bytes, "
                        "but no video-level record of YouTube-8M is; give a video-level shard."
                    )
                end = start + 12 + length + 4
                if len(head) < 12 or end > size:
                    raise DataError(
                        f"{path} is cut off: it ends inside the record at byte {start}, after {size} bytes; "
                        "download it again."
                    )
                payload, crc = memoryview(file.read(length)), file.read(4)
                if checksum(payload) != crc:
                    raise DataError(
                        f"{path}: the record at byte {start} fails its CRC, so the file is damaged; download it again."
                    )
                yield start, payload
                start = end
    except OSError as error:
        raise unreadable(path, "a TFRecord file", error) from error


def write_records(path: str | Path, payloads: Iterable[bytes]) -> None:
    """Write a TFRecord file, whole or not at all."""
    with replacing(path) as temporary, temporary.open("wb") as file:
        for payload in payloads:
            length = struct.pack("<Q", len(payload))
            file.write(length + checksum(length) + payload + checksum(payload))


Feature = list[bytes] | NDArray[np.float32] | NDArray[np.int64]
# Wire types of protocol buffers, and the field numbers of tf.train.Feature's kinds.
_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5
_BYTES, _FLOATS, _INTEGERS = 1, 2, 3


def parse_example(data: bytes | memoryview) -> dict[str, Feature]:
    """The features of a serialised tf.train.Example: bytes as a list, numbers as float32 or int64 arrays.

    Raises:
        ValueError: the bytes are not such a message.
    """
    features: dict[str, Feature] = {}
    for message in _messages(memoryview(data), 1):
        for entry in _messages(message, 1):
            name = b"".join(_messages(entry, 1)).decode(errors="replace")
            for feature in _messages(entry, 2):
                for kind, _, values in _fields(feature):
                    features[name] = _values(kind, values)
    return features


def _values(kind: int, data: memoryview) -> Feature:
    """The numbers of a list, packed or not, or its byte strings."""
    single = {_BYTES: _LENGTH, _FLOATS: _FIXED32, _INTEGERS: _VARINT}.get(kind)
    parts = []
    for number, wire, value in _fields(data):
        if number != 1 or wire not in (_LENGTH, single) or (kind == _FLOATS and len(value) % 4):
            raise ValueError("is not a tf.train.Example: a list of values is broken")
        parts.append(bytes(value))
    if kind == _BYTES:
        return parts
    joined = memoryview(b"".join(parts))
    if kind == _FLOATS:
        return np.frombuffer(joined, dtype="<f4").astype(np.float32)
    numbers, position = [], 0
    while position < len(joined):
        number, position = _varint(joined, position)
        numbers.append(number)
    return np.array(numbers, dtype=np.uint64).astype(np.int64)  # two's complement: 2**64 - 1 is -1


def _messages(data: memoryview, wanted: int) -> Iterator[memoryview]:
    """Yield the submessages with the field number `wanted`."""
    for number, wire, value in _fields(data):
        if wire != _LENGTH:
            raise ValueError(f"is not a tf.train.Example: field {number} has wire type {wire}")
        if number == wanted:
            yield value


def _fields(data: memoryview) -> Iterator[tuple[int, int, memoryview]]:
    """Yield (field number, wire type, bytes) of each field of a message; the bytes of a varint are the varint itself."""
    position = 0
    while position < len(data):
        key, start = _varint(data, position)
        wire, end = key & 7, len(data) + 1
        if wire == _LENGTH:
            length, start = _varint(data, start)
            end = start + length
        elif wire == _VARINT:
            end = _varint(data, start)[1]
        elif wire in (_FIXED32, _FIXED64):
            end = start + (4 if wire == _FIXED32 else 8)
        if end > len(data):
            raise ValueError("is not a tf.train.Example: a field runs past its end or has an unknown type")
        yield key >> 3, wire, data[start:end]
        position = end


def _varint(data: memoryview, position: int) -> tuple[int, int]:
    value = 0
    for shift, byte in enumerate(data[position : position + 10]):
        value |= (byte & 0x7F) << 7 * shift
        if byte < 0x80:
            return value & 0xFFFFFFFFFFFFFFFF, position + shift + 1
    raise ValueError("is not a tf.train.Example: a number does not end")


def make_example(features: Mapping[str, Sequence[bytes] | NDArray[Any]]) -> bytes:
    """A serialised tf.train.Example: float arrays as FloatList, integer arrays as Int64List, lists as BytesList."""
    entries = []
    for name, value in features.items():
        if not isinstance(value, np.ndarray):
            feature = _field(_BYTES, b"".join(_field(1, item) for item in value))
        elif value.dtype.kind == "f":
            feature = _field(_FLOATS, _field(1, value.astype("<f4").tobytes()))
        else:
            feature = _field(_INTEGERS, _field(1, b"".join(_make_varint(int(n) % 2**64) for n in value)))
        entries.append(_field(1, _field(1, name.encode()) + _field(2, feature)))
    return _field(1, b"".join(entries))


def _field(number: int, data: bytes) -> bytes:
    return _make_varint(number << 3 | _LENGTH) + _make_varint(len(data)) + data


def _make_varint(value: int) -> bytes:
    return bytes([value & 0x7F | 0x80]) + _make_varint(value >> 7) if value >= 0x80 else bytes([value])


@dataclass(frozen=True)
class Video:
    """One record: labels (n,) int64 rows of Google's vocabulary, rgb (1024,) and audio (128,) float32."""

    id: str
    labels: NDArray[np.int64]
    rgb: NDArray[np.float32]
    audio: NDArray[np.float32]


def read_videos(path: str | Path) -> Iterator[Video]:
    """Yield the videos of a video-level shard.

    Raises:
        DataError: the file is damaged, or a record is not a tf.train.Example, lacks a feature, or has a feature of
            another type or dimension; with the file's name and the record's offset.
    """
    for offset, payload in read_records(path):
        try:
            features = parse_example(payload)
            identity = _feature(features, "id", list, 1)
            if not identity[0].isascii():
                raise ValueError("has an id that is not plain ASCII")
            yield Video(
                id=identity[0].decode("ascii"),
                labels=_feature(features, "labels", np.int64),
                rgb=_feature(features, "mean_rgb", np.float32, DIM_VIDEO),
                audio=_feature(features, "mean_audio", np.float32, DIM_AUDIO),
            )
        except ValueError as error:
            raise DataError(f"{path}: the record at byte {offset} {error}.") from error


def _feature(features: Mapping[str, Feature], name: str, kind: Any, count: int | None = None) -> Any:
    if name not in features:
        raise ValueError(f"has no feature {name} (is this a video-level shard of YouTube-8M?)")
    value = features[name]
    if (list if isinstance(value, list) else value.dtype) != kind:
        raise ValueError(f"has a feature {name} of another type than {kind.__name__}")
    if count is not None and len(value) != count:
        raise ValueError(f"has {len(value)} values of {name} but should have {count}")
    if kind is np.float32 and not np.isfinite(value).all():
        raise ValueError(f"has NaN or infinite values in {name}")
    return value


@dataclass(frozen=True)
class BuildReport:
    """The numbers of videos read and kept, (videos, classes) of each split, and the classes with too few videos."""

    path: Path
    shards: int
    videos: int
    kept: int
    splits: dict[str, tuple[int, int]]
    dropped: tuple[str, ...]


def build_yt8m(
    shards: Sequence[str | Path],
    out: str | Path,
    *,
    text: str | Path | Mapping[str, ArrayLike] | None = None,
) -> BuildReport:
    """Build a yt8m-mini file. The same shards and text give the same bytes.

    A class needs at least FEWEST videos; at most MOST of them are kept. All videos of a test-unseen class go to
    test_unseen. Of the n videos of any other class, n/10 go to test_seen, rounded half up, but at least one.
    A seen class gives as many to val_seen and the rest to train. A val-unseen class gives the rest to val_unseen.

    Args:
        shards: validateXXXX.tfrecord files, video level.
        out: the file to write, or the folder to write yt8m_gzsl_mini.npz into.
        text: source of the text vectors, see `text_vectors`.

    Raises:
        DataError: a shard is damaged, a video is in two shards, or there are too few videos.
        SettingError: there is no `text`.
        RunError: the file cannot be written.
    """
    if not shards:
        raise DataError(
            "No shard was given; give YouTube-8M's video-level files, validate0000.tfrecord and so on."
        )
    candidates = yt8m_classes()
    text_name, vectors = text_vectors(text, candidates)
    pools, videos = _collect(shards, candidates)
    kept = [i for i, pool in enumerate(pools) if len(pool) >= FEWEST]
    classes = [candidates[i] for i in kept]
    if lacking := set(ROLES) - {c.role for c in classes}:
        raise DataError(
            f"The {len(shards)} shards hold {len(classes)} classes with {FEWEST} videos or more, "
            f"none of them {min(lacking)}; give more shards (140 fill all 109 classes)."
        )
    pools = [sorted(pools[i], key=itemgetter(0))[:MOST] for i in kept]
    label = np.repeat(np.arange(len(kept), dtype=np.uint8), [len(pool) for pool in pools])
    split = np.concatenate([_split(c.role, len(pool)) for c, pool in zip(classes, pools, strict=True)])
    _, ids, audio, video = zip(*(sample for pool in pools for sample in pool), strict=True)
    arrays = {
        "audio": np.stack(audio),
        "video": np.stack(video),
        "label": label,
        "split": split,
        "id": np.array(ids),
        "names": np.array([c.name for c in classes]),
        "parent": np.array([c.parent for c in classes]),
        "super": np.array([c.super_group for c in classes]),
        "vertical": np.array([c.vertical for c in classes]),
        "w2v_key": np.array([c.w2v_key for c in classes]),
        "yt8m_index": np.array([c.yt8m_index for c in classes], dtype=np.int16),
        "role": np.array([ROLES.index(c.role) for c in classes], dtype=np.uint8),
        text_name: vectors[kept],
        "attribution": np.array(ATTRIBUTION),
        "build": np.array(
            f"seed {SEED}; {FEWEST} to {MOST} videos a class; roles published; "
            f"{videos} videos of {len(shards)} shards"
        ),
    }
    out = Path(out)
    out = out / YT8M_FILE if out.is_dir() else out
    with replacing(out) as temporary:
        with temporary.open("wb") as file:
            np.savez_compressed(file, allow_pickle=False, **arrays)
        read_yt8m(temporary)
    return BuildReport(
        path=out,
        shards=len(shards),
        videos=videos,
        kept=len(label),
        splits={
            name: (int((split == code).sum()), len(np.unique(label[split == code])))
            for code, name in enumerate(SPLITS)
        },
        dropped=tuple(c.name for i, c in enumerate(candidates) if i not in kept),
    )


Sample = tuple[
    int, str, NDArray[np.uint8], NDArray[np.uint8]
]  # rank in the order of choice, id, audio, video


def _collect(shards: Sequence[str | Path], classes: Sequence[Yt8mClass]) -> tuple[list[list[Sample]], int]:
    """The videos of each class, and the number of videos read."""
    of_index = {c.yt8m_index: i for i, c in enumerate(classes)}
    pools: list[list[Sample]] = [[] for _ in classes]
    read_from: dict[str, str | Path] = {}
    videos = 0
    for path in tqdm(shards, desc="shards", unit="file", disable=None):
        for video in read_videos(path):
            videos += 1
            hits = {of_index[label] for label in video.labels.tolist() if label in of_index}
            if len(hits) != 1:
                continue
            if video.id in read_from:
                raise DataError(
                    f"Video {video.id} is in {read_from[video.id]} and again in {path}; give each shard once."
                )
            read_from[video.id] = path
            rank = int.from_bytes(hashlib.sha256(f"{SEED}:{video.id}".encode()).digest()[:16])
            pools[hits.pop()].append((rank, video.id, quantise(video.audio), quantise(video.rgb)))
    return pools, videos


def _split(role: str, n: int) -> NDArray[np.uint8]:
    """The split codes of a class's n videos, in the order of choice."""
    tenth = max((n + 5) // 10, 1)
    rest = {"seen": "stage_1_train", "val_unseen": "stage_1_val_unseen", "test_unseen": "stage_2_test_unseen"}
    codes = np.full(n, SPLITS.index(rest[role]), dtype=np.uint8)
    if role != "test_unseen":
        codes[:tenth] = SPLITS.index("stage_2_test_seen")
    if role == "seen":
        codes[tenth : 2 * tenth] = SPLITS.index("stage_1_val_seen")
    return codes
