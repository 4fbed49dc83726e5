"""Makes a yt8m-mini file from Google's video-level shards: which videos are kept, and in which split.

A video is kept when exactly one of its labels is a candidate class. Every choice among videos, and among
classes where roles are drawn, is by the order of sha256("seed:name"), so it depends neither on the order of
the shards nor on the version of a random generator.
"""

from __future__ import annotations

import csv
import errno
import hashlib
import heapq
import json
import logging
import os
import re
import shutil
import string
import struct
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pooch
import requests
from numpy.typing import ArrayLike, NDArray
from tqdm import tqdm

from hypav.data.features import SPLITS
from hypav.data.yt8m import (
    ATTRIBUTION,
    ROLES,
    YT8M_FILE,
    Role,
    Yt8mClass,
    quantise,
    read_yt8m,
    text_vectors,
    yt8m_classes,
)
from hypav.errors import DataError, RunError, SettingError
from hypav.utils import make_folder, replacing

MAX_RECORD = 1 << 20
"""Longest payload in bytes: a video-level record takes about 4.7 kB, a frame-level one up to 350 kB."""

_POLYNOMIAL = 0x82F63B78  # Castagnoli, bits reversed
_HEAD = struct.Struct("<QI")
_BATCH = 256

Words = NDArray[np.uint32]


@cache
def _tables() -> tuple[Words, Words]:
    """What the low and the high half of a 32-bit state become once 32 more bits have passed: two (65536,)."""
    tables = []
    for shift in (0, 16):
        state = np.arange(1 << 16, dtype=np.uint32) << np.uint32(shift)
        for _ in range(32):
            state = (state >> np.uint32(1)) ^ (np.uint32(_POLYNOMIAL) * (state & np.uint32(1)))
        tables.append(state)
    return tables[0], tables[1]


def crc32c(data: bytes) -> int:
    """The CRC-32C of some bytes."""
    return int(crc32c_many([data])[0])


def crc32c_many(messages: Sequence[bytes | memoryview]) -> Words:
    """The (n,) CRC-32C of n messages, all in step and four bytes a round, so that numpy does the work."""
    lengths = np.array([len(message) for message in messages], dtype=np.int64)
    result = np.zeros(len(messages), dtype=np.uint32)
    order = np.argsort(lengths, kind="stable")  # neighbours of like length waste little padding
    for start in range(0, len(order), _BATCH):
        chosen = order[start : start + _BATCH]
        result[chosen] = _crc_batch([messages[i] for i in chosen])
    return result


def _crc_batch(messages: Sequence[bytes | memoryview]) -> Words:
    # Zeros in front leave a state of zero as it is, so messages may be padded to one length. The start value
    # of all ones is then put in as an exclusive-or on the first 32 bits, which run over the end of shorter
    # messages.
    width = -(-max(max((len(m) for m in messages), default=0), 4) // 4) * 4
    padded = np.zeros((len(messages), width + 4), dtype=np.uint8)
    for row, message in enumerate(messages):
        first = width - len(message)
        padded[row, first:width] = np.frombuffer(message, dtype=np.uint8)
        padded[row, first : first + 4] ^= 0xFF
    low, high = _tables()
    state = np.zeros(len(messages), dtype=np.uint32)
    for word in np.ascontiguousarray(padded[:, :width].view("<u4").T):
        state = state ^ word
        state = low[state & np.uint32(0xFFFF)] ^ high[state >> np.uint32(16)]
    # What ran over the end is part of the state that no byte of the message has shifted out.
    tail = np.ascontiguousarray(padded[:, width:]).view("<u4")[:, 0]
    return state ^ tail ^ np.uint32(0xFFFFFFFF)


def masked(crc: int) -> int:
    """The rotated and shifted CRC that TFRecord stores, so that a CRC of data with CRCs in it stays sound."""
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF


def read_records(
    path: str | Path, *, check: Literal["full", "length"] = "full"
) -> Iterator[tuple[int, memoryview]]:
    """Yields (byte offset, payload) of every record of a TFRecord file.

    The file is read whole; with check="full" every CRC is verified before the first record is given out,
    with "length" only those of the lengths.

    Raises:
        DataError: with name and offset, where the file cannot be read, ends inside a record, or fails a CRC.
    """
    path = Path(path)
    try:
        data = memoryview(path.read_bytes())
    except OSError as error:
        raise DataError(
            f"{path} cannot be read ({error.strerror or error}); give a TFRecord file."
        ) from error
    starts, whole = _scan(data)
    _check_heads(path, data, starts)
    if not whole:
        raise _cut_or_long(path, data, starts[-1])
    payloads = [data[s + 12 : s + 12 + _HEAD.unpack_from(data, s)[0]] for s in starts]
    if check == "full":
        found = crc32c_many(payloads)
        for start, payload, crc in zip(starts, payloads, found.tolist(), strict=True):
            if struct.unpack_from("<I", data, start + 12 + len(payload))[0] != masked(crc):
                raise DataError(
                    f"{path}: the record at byte {start} fails its CRC, "
                    "so the file is damaged; download it again."
                )
    yield from zip(starts, payloads, strict=True)


def _scan(data: memoryview) -> tuple[list[int], bool]:
    """The offsets of the records, and whether the last one is whole."""
    starts: list[int] = []
    position = 0
    while position < len(data):
        starts.append(position)
        if position + 12 > len(data):
            return starts, False
        length = _HEAD.unpack_from(data, position)[0]
        if length > MAX_RECORD or position + 16 + length > len(data):
            return starts, False
        position += 16 + length
    return starts, True


def _check_heads(path: Path, data: memoryview, starts: list[int]) -> None:
    heads = [start for start in starts if start + 12 <= len(data)]
    found = crc32c_many([data[start : start + 8] for start in heads])
    for start, crc in zip(heads, found.tolist(), strict=True):
        if _HEAD.unpack_from(data, start)[1] != masked(crc):
            raise DataError(
                f"{path}: the length of the record at byte {start} fails its CRC, "
                "so this is not a TFRecord file or it is damaged; download it again."
            )


def _cut_or_long(path: Path, data: memoryview, start: int) -> DataError:
    if start + 12 <= len(data) and _HEAD.unpack_from(data, start)[0] > MAX_RECORD:
        return DataError(
            f"{path}: the record at byte {start} says it is longer than {MAX_RECORD} bytes, "
            "which no YouTube-8M video-level record is; give a video-level shard."
        )
    return DataError(
        f"{path} is cut off: it ends inside the record at byte {start}, after {len(data)} bytes; "
        "download it again."
    )


def write_records(path: str | Path, payloads: Iterable[bytes]) -> None:
    """Writes a TFRecord file, whole or not at all.

    Raises:
        RunError: where it cannot be written.
    """
    payloads = list(payloads)
    lengths = [struct.pack("<Q", len(payload)) for payload in payloads]
    pairs = zip(lengths, payloads, strict=True)
    crcs = iter(crc32c_many([part for pair in pairs for part in pair]).tolist())
    blocks = []
    for length, payload in zip(lengths, payloads, strict=True):
        blocks += [length, struct.pack("<I", masked(next(crcs)))]
        blocks += [payload, struct.pack("<I", masked(next(crcs)))]
    with replacing(path) as temporary:
        temporary.write_bytes(b"".join(blocks))


Feature = list[bytes] | NDArray[np.float32] | NDArray[np.int64]
Buffer = bytes | memoryview
_VARINT, _EIGHT, _BYTES, _FOUR = 0, 1, 2, 5


@dataclass(frozen=True)
class Video:
    """One record: labels (n,) int64 rows of Google's vocabulary, rgb (1024,) and audio (128,) float32."""

    id: str
    labels: NDArray[np.int64]
    rgb: NDArray[np.float32]
    audio: NDArray[np.float32]


def read_videos(path: str | Path, *, check: Literal["full", "length"] = "full") -> Iterator[Video]:
    """Yields the videos of a video-level shard.

    Raises:
        DataError: with the file's name and the record's offset, where the file is damaged (`read_records`)
            or a record is no tf.train.Example, lacks a feature, or has one of another type or dimension.
    """
    for offset, payload in read_records(path, check=check):
        try:
            yield _video(parse_example(payload))
        except ValueError as error:
            raise DataError(f"{path}: the record at byte {offset} {error}.") from error


def _video(features: Mapping[str, Feature]) -> Video:
    identity = _feature(features, "id", list)
    if len(identity) != 1:
        raise ValueError(f"has {len(identity)} values of id but should have one")
    try:
        name = identity[0].decode("ascii")
    except UnicodeDecodeError as error:
        raise ValueError("has an id that is not plain ASCII") from error
    return Video(
        id=name,
        labels=_feature(features, "labels", np.int64),
        rgb=_floats(features, "mean_rgb", 1024),
        audio=_floats(features, "mean_audio", 128),
    )


def _floats(features: Mapping[str, Feature], name: str, dim: int) -> NDArray[np.float32]:
    array = _feature(features, name, np.float32)
    if len(array) != dim:
        raise ValueError(f"has {len(array)} values of {name} but should have {dim}")
    if not np.isfinite(array).all():
        raise ValueError(f"has NaN or infinite values in {name}")
    return array


def _feature(features: Mapping[str, Feature], name: str, kind: Any) -> Any:
    if name not in features:
        raise ValueError(f"has no feature {name} (is this a video-level shard of YouTube-8M?)")
    value = features[name]
    fits = isinstance(value, list) if kind is list else isinstance(value, np.ndarray) and value.dtype == kind
    if not fits:
        raise ValueError(f"has a feature {name} of another type than {kind.__name__}")
    return value


def parse_example(data: Buffer) -> dict[str, Feature]:
    """The features of a serialised tf.train.Example: bytes as a list, numbers as float32 or int64 arrays.

    Raises:
        ValueError: where the bytes are no such message.
    """
    data = memoryview(data)
    features: dict[str, Feature] = {}
    for number, value in _messages(data):
        if number != 1:
            continue
        for inner, entry in _messages(value):
            if inner == 1:
                name, feature = _entry(entry)
                features[name] = feature
    return features


def _entry(data: memoryview) -> tuple[str, Feature]:
    fields = dict(_messages(data))
    try:
        name = bytes(fields.get(1, b"")).decode()
    except UnicodeDecodeError as error:
        raise ValueError("has a feature name that is not UTF-8") from error
    kinds = list(_messages(memoryview(fields.get(2, b""))))
    if not kinds:
        return name, []
    kind, values = kinds[-1]  # the members of a oneof: the last one counts
    if kind == 1:
        return name, [bytes(value) for number, value in _messages(values) if number == 1]
    if kind == 2:
        return name, _float_list(values)
    if kind == 3:
        return name, _int64_list(values)
    raise ValueError(f"has a feature {name!r} of an unknown kind")


def _float_list(data: memoryview) -> NDArray[np.float32]:
    parts = []
    for number, wire, value in _fields(data):
        if number != 1 or wire not in (_FOUR, _BYTES) or len(value) % 4:
            raise ValueError("is no tf.train.Example: a list of floats is broken")
        parts.append(value)
    return np.frombuffer(b"".join(parts), dtype="<f4").astype(np.float32, copy=False)


def _int64_list(data: memoryview) -> NDArray[np.int64]:
    values: list[int] = []
    for number, wire, value in _fields(data):
        if number != 1 or wire not in (_VARINT, _BYTES):
            raise ValueError("is no tf.train.Example: a list of integers is broken")
        position = 0
        while position < len(value):
            item, position = _varint(value, position)
            values.append(item)
    return np.array(values, dtype=np.uint64).astype(np.int64)  # two's complement: 2**64 - 1 stands for -1


def _messages(data: memoryview) -> Iterator[tuple[int, memoryview]]:
    for number, wire, value in _fields(data):
        if wire != _BYTES:
            raise ValueError(f"is no tf.train.Example: field {number} has wire type {wire}")
        yield number, value


def _fields(data: memoryview) -> Iterator[tuple[int, int, memoryview]]:
    """(field number, wire type, its bytes) of a message; the bytes of a varint are the varint itself."""
    position = 0
    while position < len(data):
        key, start = _varint(data, position)
        wire = key & 7
        if wire == _BYTES:
            length, start = _varint(data, start)
            end = start + length
        elif wire == _VARINT:
            end = _varint(data, start)[1]
        elif wire in (_FOUR, _EIGHT):
            end = start + (4 if wire == _FOUR else 8)
        else:
            raise ValueError(f"is no tf.train.Example: wire type {wire}")
        if end > len(data):
            raise ValueError("is no tf.train.Example: a field runs past its end")
        yield key >> 3, wire, data[start:end]
        position = end


def _varint(data: memoryview, position: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if position >= len(data):
            break
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & 0xFFFFFFFFFFFFFFFF, position
    raise ValueError("is no tf.train.Example: a number does not end")


def make_example(features: Mapping[str, Sequence[bytes] | NDArray[Any]], *, packed: bool = True) -> bytes:
    """A serialised tf.train.Example: float arrays as FloatList, integer arrays as Int64List, else
    BytesList."""
    entries = []
    for name, value in features.items():
        feature = _field(1, name.encode()) + _field(2, _make_feature(value, packed))
        entries.append(_field(1, feature))
    return _field(1, b"".join(entries))


def _make_feature(value: Sequence[bytes] | NDArray[Any], packed: bool) -> bytes:
    if not isinstance(value, np.ndarray):
        return _field(1, b"".join(_field(1, item) for item in value))
    if value.dtype.kind == "f":
        raw = value.astype("<f4").tobytes()
        if packed:
            return _field(2, _field(1, raw))
        key = _make_varint(1 << 3 | _FOUR)
        return _field(2, b"".join(key + item for (item,) in struct.iter_unpack("4s", raw)))
    numbers = [_make_varint(int(item) & 0xFFFFFFFFFFFFFFFF) for item in value]
    if packed:
        return _field(3, _field(1, b"".join(numbers)))
    return _field(3, b"".join(_make_varint(1 << 3 | _VARINT) + item for item in numbers))


def _field(number: int, data: bytes) -> bytes:
    return _make_varint(number << 3 | _BYTES) + _make_varint(len(data)) + data


def _make_varint(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


BASE_URL = "http://us.data.yt8m.org/2/video/validate"
"""The mirror us; eu.data.yt8m.org and asia.data.yt8m.org hold the same
(research.google.com/youtube8m/download)."""
PLAN_URL = "http://data.yt8m.org/2/download_plans/video_validate.json"
"""Google's list of the shards with their MD5: {"files": {name: md5}}."""
SHARD_COUNT = 3844

_LETTERS = string.ascii_lowercase + string.ascii_uppercase + string.digits
_SHARD_BYTES = 1_400_000  # what a shard of about 290 videos takes; said where the server does not tell
_PLAN_BYTES = 8_000_000
_LONGEST = 100_000_000
_BLOCK = 1 << 10  # a cut connection loses the block that it falls in
_RETRIED = {408, 425, 429, 500, 502, 503, 504}


class _AgainError(Exception):
    """This attempt failed in a way that another may not."""


def remote_name(number: int) -> str:
    """What Google calls shard `number`, 0 to 3843: validateaa.tfrecord to validate99.tfrecord, in base 62."""
    return f"validate{_LETTERS[number // 62]}{_LETTERS[number % 62]}.tfrecord"


def fetch_yt8m(
    folder: str | Path,
    *,
    confirm: Callable[[str], bool],
    shards: Iterable[int] = range(140),
    base_url: str = BASE_URL,
    plan_url: str | None = PLAN_URL,
    retries: int = 5,
    timeout: float = 30.0,
    pause: float = 1.0,
) -> list[Path]:
    """Downloads shards as validate0000.tfrecord and so on; those that are there and sound are left alone.

    Args:
        folder: where the shards go; made if need be.
        confirm: is asked one question that says number, size, source and place; without a yes nothing comes.
        shards: which of 0 to 3843; yt8m-mini came from 0 to 139.
        base_url: the folder of the shards on the server.
        plan_url: Google's list of MD5 sums; None goes without, then length and CRCs are all that is checked.
        retries: attempts after the first that bring nothing new, for each file.
        timeout: seconds without a byte after which an attempt counts as stalled.
        pause: seconds before the first retry; doubled for each further one, up to 30.

    Returns:
        The paths of the shards in their order; an empty list where `confirm` said no.

    Raises:
        DataError: where a file is not there or keeps coming damaged, cut off or not at all.
        RunError: where the folder cannot be written to or has no space.
        SettingError: where there is no such shard or the address is none.
    """
    numbers = sorted(set(shards))
    if not numbers or numbers[0] < 0 or numbers[-1] >= SHARD_COUNT:
        raise SettingError(
            f"Shards are numbered 0 to {SHARD_COUNT - 1}; {numbers[-1:] or 'none'} was asked for."
        )
    if not base_url.startswith(("http://", "https://")):
        raise SettingError(f"The address {base_url!r} should start with http:// or https://.")
    folder = make_folder(folder)
    base_url = base_url.rstrip("/")
    paths = [folder / f"validate{number:04d}.tfrecord" for number in numbers]
    named = zip(numbers, paths, strict=True)
    missing = [(number, path) for number, path in named if not path.is_file() or _fault(path)]
    if not missing:
        return paths
    with requests.Session() as session, _quiet_pooch():
        getter = _Getter(session, retries, timeout, pause)
        size = getter.size(f"{base_url}/{remote_name(missing[0][0])}") * len(missing)
        free = shutil.disk_usage(folder).free
        if free < size:
            raise RunError(
                f"The shards take about {_mb(size)} but {folder} has {_mb(free)} free; choose another folder."
            )
        question = (
            f"Download {len(missing)} YouTube-8M shards, about {_mb(size)}, from {base_url} to {folder}?"
        )
        if not confirm(question):
            return []
        sums = getter.plan(plan_url) if plan_url else {}
        for number, path in tqdm(missing, desc="shards", unit="file", disable=None):
            name = remote_name(number)
            if plan_url and name not in sums:
                raise DataError(f"{plan_url} does not name {name}; give the list that belongs to {base_url}.")
            getter.fetch(f"{base_url}/{name}", path, sums.get(name))
    return paths


@dataclass
class _Getter:
    session: requests.Session
    retries: int
    timeout: float
    pause: float
    headers: dict[str, str] = field(default_factory=lambda: {"Accept-Encoding": "identity"})

    def size(self, url: str) -> int:
        """The bytes of one shard: as the server says, or else as shards usually are."""
        try:
            answer = self.session.head(url, timeout=self.timeout, headers=self.headers, allow_redirects=True)
            return int(answer.headers["Content-Length"]) if answer.ok else _SHARD_BYTES
        except (requests.RequestException, KeyError, ValueError):
            return _SHARD_BYTES

    def plan(self, url: str) -> dict[str, str]:
        """The MD5 sum of each shard by its remote name."""

        def attempt() -> dict[str, str]:
            with self.session.get(url, timeout=self.timeout, stream=True) as answer:
                _check_status(answer, "give another plan_url, or None to go without MD5 sums")
                text = b""
                for block in answer.iter_content(1 << 16):
                    text += block
                    if len(text) > _PLAN_BYTES:
                        break
            try:
                sums = dict(json.loads(text)["files"])
                known = all(re.fullmatch("[0-9a-f]{32}", md5) for md5 in sums.values())
            except (ValueError, KeyError, TypeError):
                known = False
            if not known:
                raise _AgainError("it is not the list of MD5 sums that was expected")
            return sums

        return self.repeat(url, attempt, lambda: 0)

    def fetch(self, url: str, path: Path, md5: str | None) -> None:
        part = path.with_name(f"{path.name}.part")

        def download(url: str, output: str, _: Any) -> None:
            self.download(url, part)
            os.replace(part, output)

        def attempt() -> None:
            path.unlink(missing_ok=True)  # a damaged one: the sound ones were left out before
            known = f"md5:{md5}" if md5 else None
            try:
                pooch.retrieve(url, known, fname=path.name, path=path.parent, downloader=download)
            except ValueError as error:
                raise _AgainError("what came has another MD5 sum than Google's list says") from error

        self.repeat(url, attempt, lambda: part.stat().st_size if part.exists() else 0)

    def download(self, url: str, part: Path) -> None:
        """Brings `part` to its full length from where it stands and checks it; where it is no good it goes."""
        have = part.stat().st_size if part.exists() else 0
        headers = {**self.headers, "Range": f"bytes={have}-"} if have else self.headers
        with self.session.get(url, headers=headers, timeout=self.timeout, stream=True) as answer:
            if answer.status_code == requests.codes.requested_range_not_satisfiable:
                part.unlink(missing_ok=True)
                raise _AgainError("the server cannot go on where the last attempt stopped")
            _check_status(answer, "look whether the address is right")
            start, total = _extent(answer)
            if total > _LONGEST:
                raise DataError(f"{url} is {_mb(total)} long, which no video-level shard is; check base_url.")
            if start != (have if start else 0):
                part.unlink(missing_ok=True)
                raise _AgainError("the server sent another part of the file than was asked for")
            with part.open("ab" if start else "wb") as file:
                for block in answer.iter_content(_BLOCK):
                    file.write(block)
        size = part.stat().st_size
        if size < total:
            raise _AgainError(f"the connection ended after {size} of {total} bytes")
        reason = _fault(part) if size == total else f"{size} bytes came where {total} were announced"
        if reason:
            part.unlink()
            raise _AgainError(reason)

    def repeat(self, url: str, attempt: Callable[[], Any], progress: Callable[[], int]) -> Any:
        """Calls `attempt` until it succeeds; an attempt that got further than all before does not count as
        failed."""
        best, failures = progress(), 0
        while True:
            try:
                return attempt()
            except (requests.RequestException, _AgainError) as error:
                further = progress()
                best, failures = (further, 0) if further > best else (best, failures + 1)
                if failures > self.retries:
                    raise DataError(
                        f"{url} could not be fetched: {_reason(error)}; try again later."
                    ) from error
                time.sleep(min(self.pause * 2 ** max(failures - 1, 0), 30.0))
            except OSError as error:
                full = error.errno in (errno.ENOSPC, errno.EDQUOT)
                why = "there is no space left" if full else (error.strerror or str(error))
                raise RunError(
                    f"{url} could not be stored: {why}; what came is kept for another try."
                ) from error


def _check_status(answer: requests.Response, advice: str) -> None:
    if answer.status_code in _RETRIED:
        raise _AgainError(f"the server answers {answer.status_code} {answer.reason}")
    if answer.status_code not in (requests.codes.ok, requests.codes.partial_content):
        raise DataError(f"{answer.url}: the server answers {answer.status_code} {answer.reason}; {advice}.")


def _extent(answer: requests.Response) -> tuple[int, int]:
    """Where what is being sent starts, and how long the whole file is."""
    if answer.status_code == requests.codes.partial_content:
        extent = re.fullmatch(r"bytes (\d+)-\d+/(\d+)", answer.headers.get("Content-Range", ""))
        if extent:
            return int(extent[1]), int(extent[2])
        return -1, 0
    length = answer.headers.get("Content-Length", "")
    if not length.isdecimal():
        raise DataError(
            f"{answer.url}: the server does not say how long the file is; choose another base_url."
        )
    return 0, int(length)


def _reason(error: Exception) -> str:
    if isinstance(error, requests.Timeout) or "timed out" in str(error):
        return "the connection stalled"
    if isinstance(error, requests.RequestException):
        return "the connection failed or was cut"
    return str(error)


def _fault(path: Path) -> str:
    """What is wrong with a TFRecord file; empty where every record is sound and there is at least one."""
    try:
        return "" if any(True for _ in read_records(path)) else "the file is empty"
    except DataError as error:
        return str(error).replace(str(path), "what came").removesuffix("; download it again.")


def _mb(size: int) -> str:
    return f"{size / 1e6:.0f} MB"


@contextmanager
def _quiet_pooch() -> Iterator[None]:
    """Without pooch's two log lines a file; the progress bar says enough."""
    logger = pooch.get_logger()
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(level)


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
