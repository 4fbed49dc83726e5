"""One class's h5 files of the AVCA benchmark: `data` (n, D), a row a video, and `video_urls`, n strings."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from h5py import h5d, h5f, h5l, h5o, h5p, h5s
from numpy.typing import NDArray

from hypav.data.blocks import rows_not_finite
from hypav.errors import DataError
from hypav.files import replacing

__all__ = ["read_features", "read_shape", "write_features"]

Place = Callable[[tuple[int, int]], NDArray[np.float32]]

_URL_BYTES = 80  # the released files' S80
_ACCESS = h5p.create(h5p.FILE_ACCESS)
_ACCESS.set_fclose_degree(h5f.CLOSE_STRONG)  # datasets do not keep a file open


def read_shape(path: Path) -> tuple[int, int]:
    """(n, D) of a file, without its data.

    Raises:
        DataError: truncated, no h5 file, or not of the form above.
    """
    with _opened(path) as (data, _):
        return data.shape


def _anew(shape: tuple[int, int]) -> NDArray[np.float32]:
    return np.empty(shape, dtype=np.float32)


def read_features(path: Path, place: Place = _anew) -> tuple[NDArray[np.float32], tuple[str, ...]]:
    """The (n, D) float32 features of a file and its n video names, in one opening of the file.

    Args:
        path: the file.
        place: gives the C-contiguous float32 array for a shape (n, D), once that is known; the features are read
            straight into it, whatever floats the file holds.

    Raises:
        DataError: truncated, no h5 file, not of the form above, or NaN and infinite values.
    """
    with _opened(path) as (data, urls):
        features = place(data.shape)
        data.read(h5s.ALL, h5s.ALL, features)
        encoded = np.zeros(urls.shape, dtype=urls.dtype)
        urls.read(h5s.ALL, h5s.ALL, encoded)
        names = tuple(name.decode("utf-8") for name in encoded.tolist())
    if bad := rows_not_finite(features):
        raise DataError(
            f"{path}: there are NaN or infinite values in {len(bad)} of {len(features)} rows, "
            f"the first is row {bad[0]}; remove or repair these samples."
        )
    return features, names


def write_features(path: Path, features: NDArray[Any], names: Sequence[str]) -> None:
    """Writes what `read_features` reads, in the released form (float32, S80 names; longer names where needed).

    Raises:
        RunError: the file cannot be written.
    """
    encoded = [name.encode() for name in names]
    width = max([_URL_BYTES, *map(len, encoded)])
    with replacing(path) as temporary, h5py.File(temporary, "w") as file:
        file["data"] = np.asarray(features, dtype=np.float32)
        file["video_urls"] = np.array(encoded, dtype=f"S{width}")


@contextmanager
def _opened(path: Path) -> Iterator[tuple[h5d.DatasetID, h5d.DatasetID]]:
    """h5py's low level: its File and Dataset take longer to make than a class takes to read."""
    try:
        with closing(h5f.open(os.fsencode(path), h5f.ACC_RDONLY, _ACCESS)) as file:
            data, urls = _own_dataset(file, "data", path), _own_dataset(file, "video_urls", path)
            shape, dtype = data.shape, data.dtype
            if shape[:1] == (0,):
                raise DataError(f"{path}: there is no sample in it; leave the class out or add samples.")
            if len(shape) != 2 or dtype.kind != "f" or 0 in shape:
                raise DataError(f"{path}: data must be floats (samples, dimensions), not {dtype} {shape}.")
            if urls.shape != shape[:1] or h5py.check_string_dtype(urls.dtype) is None:
                raise DataError(
                    f"{path}: video_urls must hold one string for each of the {shape[0]} rows of data, "
                    f"not {urls.dtype} {urls.shape}."
                )
            yield data, urls
    except (OSError, RuntimeError, KeyError, ValueError, TypeError, OverflowError, MemoryError) as error:
        raise DataError(
            f"{path}: the file is truncated, damaged or no h5 file ({type(error).__name__}); copy it again."
        ) from error


def _own_dataset(file: h5f.FileID, key: str, path: Path) -> h5d.DatasetID:
    """A dataset stored in the file itself: links, external storage and virtual layouts could read other files."""
    name = key.encode()
    if not file.links.exists(name):
        raise DataError(
            f"{path}: there is no dataset {key!r} in it; each class file holds data and video_urls."
        )
    dataset = h5o.open(file, name) if file.links.get_info(name).type == h5l.TYPE_HARD else None
    if not isinstance(dataset, h5d.DatasetID) or _lies_elsewhere(dataset):
        raise DataError(f"{path}: {key!r} is not a dataset of the file itself; links are not followed.")
    if math.prod(dataset.shape) and dataset.get_storage_size() == 0:
        raise DataError(
            f"{path}: {key!r} declares {dataset.shape} values but stores none; copy the file again."
        )
    return dataset


def _lies_elsewhere(dataset: h5d.DatasetID) -> bool:
    made = dataset.get_create_plist()
    return made.get_external_count() > 0 or made.get_layout() == h5d.VIRTUAL
