"""The protobuf messages of YouTube-8M's video-level records: the part of tf.train.Example that they use.

Example{1: Features{1: map<string, Feature>}}, Feature{1: BytesList | 2: FloatList | 3: Int64List}, each
{1: repeated value}, numbers packed or not (tensorflow/core/example/example.proto and feature.proto).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from hypav.data.tfrecord import read_records
from hypav.errors import DataError

__all__ = ["Video", "make_example", "parse_example", "read_videos"]

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
