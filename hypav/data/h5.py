"""One class's h5 files of the AVCA benchmark: `data` (n, D), a row a video, and `video_urls`, n strings."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from hypav.data.blocks import rows_not_finite
from hypav.errors import DataError
from hypav.files import replacing

__all__ = ["read_features", "read_shape", "write_features"]

Place = Callable[[tuple[int, int]], NDArray[np.float32]]

_URL_BYTES = 80  # the released files' S80


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
        data.id.read(
            h5py.h5s.ALL, h5py.h5s.ALL, features
        )  # read_direct's selections cost as much as the rows
        names = tuple(urls.asstr("utf-8")[:].tolist())
    if len(bad := rows_not_finite(features)):
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
def _opened(path: Path) -> Iterator[tuple[h5py.Dataset, h5py.Dataset]]:
    try:
        with h5py.File(path, "r") as file:
            data, urls = _own_dataset(file, "data", path), _own_dataset(file, "video_urls", path)
            if data.shape[:1] == (0,):
                raise DataError(f"{path}: there is no sample in it; leave the class out or add samples.")
            if data.ndim != 2 or data.dtype.kind != "f" or 0 in data.shape:
                raise DataError(
                    f"{path}: data must be floats (samples, dimensions), not {data.dtype} {data.shape}."
                )
            if urls.shape != data.shape[:1] or h5py.check_string_dtype(urls.dtype) is None:
                raise DataError(
                    f"{path}: video_urls must hold one string for each of the {data.shape[0]} rows of data, "
                    f"not {urls.dtype} {urls.shape}."
                )
            yield data, urls
    except (OSError, RuntimeError, KeyError, ValueError, TypeError, OverflowError, MemoryError) as error:
        raise DataError(
            f"{path}: the file is truncated, damaged or no h5 file ({type(error).__name__}); copy it again."
        ) from error


def _own_dataset(file: h5py.File, key: str, path: Path) -> h5py.Dataset:
    """A dataset stored in the file itself: links, external storage and virtual layouts could read other files."""
    links = file.id.links  # what h5py builds on it costs as much as reading a class
    if not links.exists(key.encode()):
        raise DataError(
            f"{path}: there is no dataset {key!r} in it; each class file holds data and video_urls."
        )
    dataset = file[key] if links.get_info(key.encode()).type == h5py.h5l.TYPE_HARD else None
    if not isinstance(dataset, h5py.Dataset) or _lies_elsewhere(dataset):
        raise DataError(f"{path}: {key!r} is not a dataset of the file itself; links are not followed.")
    if dataset.size and dataset.id.get_storage_size() == 0:
        raise DataError(
            f"{path}: {key!r} declares {dataset.shape} values but stores none; copy the file again."
        )
    return dataset


def _lies_elsewhere(dataset: h5py.Dataset) -> bool:
    made = dataset.id.get_create_plist()
    return made.get_external_count() > 0 or made.get_layout() == h5py.h5d.VIRTUAL
