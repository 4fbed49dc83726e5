"""TFRecord files without TensorFlow: a strict reader and a writer.

A record is its length (uint64), the masked CRC-32C of the length, the payload, the masked CRC-32C of the
payload, all little-endian (TensorFlow, tensorflow/core/lib/io/record_writer.h). CRC-32C is the Castagnoli
polynomial (RFC 3720, B.4).
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from hypav.errors import DataError
from hypav.files import replacing

__all__ = ["MAX_RECORD", "crc32c", "crc32c_many", "masked", "read_records", "write_records"]

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
