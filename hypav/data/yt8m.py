"""The yt8m-mini door: real YouTube-8M features with GZSL splits, kept in one npz file of uint8 arrays.

The features are those of the YouTube-8M data set (Abu-El-Haija et al., 2016; 2018 edition, video level):
the mean Inception-v3 embedding after PCA (1024) and the mean VGGish embedding (128).
`hypav.data.yt8m_build` makes the file.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from hypav.data.features import SPLITS, FeatureSet
from hypav.errors import DataError

__all__ = [
    "ATTRIBUTION",
    "DIM_AUDIO",
    "DIM_VIDEO",
    "YT8M_FILE",
    "YT8M_NAME",
    "dequantise",
    "load_arrays",
    "quantise",
    "read_yt8m",
]

YT8M_FILE = "yt8m_gzsl_mini.npz"
YT8M_NAME = "YT8M-GZSL (mini)"
ATTRIBUTION = (
    "YouTube-8M (2018), Google LLC, CC BY 4.0; "
    "changed: a subset, requantised to uint8, regrouped into GZSL splits."
)
DIM_AUDIO, DIM_VIDEO = 128, 1024
# The range that Google quantised frame features to (youtube-8m, utils.Dequantize).
_LOW, _HIGH = -2.0, 2.0

Array = NDArray[Any]


def quantise(values: ArrayLike) -> NDArray[np.uint8]:
    """Floats in [-2, 2] as uint8, round((x + 2) / 4 * 255); values outside are clipped. Any shape."""
    scaled = (np.asarray(values, dtype=np.float64) - _LOW) / (_HIGH - _LOW) * 255
    return np.rint(np.clip(scaled, 0, 255)).astype(np.uint8)


def dequantise(codes: ArrayLike) -> NDArray[np.float32]:
    """uint8 codes as float32, u8 / 255 * 4 - 2: within 2/255 of what was quantised. Any shape."""
    return (np.asarray(codes, dtype=np.float64) / 255 * (_HIGH - _LOW) + _LOW).astype(np.float32)


def read_yt8m(path: str | Path) -> FeatureSet:
    """Reads a yt8m-mini file, or the one in a folder.

    Returns audio (N, 128) and video (N, 1024) float32; text (C, D_w) float32, rows of norm 1 up to float16
    rounding; groups and super_groups for each class.

    Raises:
        DataError: where the file is missing, damaged or pickled, lacks an array, or has one of a wrong shape.
    """
    path = Path(path)
    path = path / YT8M_FILE if path.is_dir() else path
    arrays = load_arrays(path)
    label = _integers(arrays, "label", path)
    rows = label.shape[0]
    split = _integers(arrays, "split", path)
    names = _strings(arrays, "names", None, path)
    classes = len(names)
    for name, want in (
        ("split", (rows,)),
        ("audio", (rows, DIM_AUDIO)),
        ("video", (rows, DIM_VIDEO)),
    ):
        if _need(arrays, name, path).shape != want:
            raise DataError(
                f"{path}: array {name} has shape {arrays[name].shape} but should have {want}; build it anew."
            )
    for name in ("audio", "video"):
        if arrays[name].dtype != np.uint8:
            raise DataError(
                f"{path}: array {name} is {arrays[name].dtype} but should be uint8; build the file anew."
            )
    if split.size and not 0 <= split.min() <= split.max() < len(SPLITS):
        raise DataError(
            f"{path}: array split holds {int(split.max())}; codes run from 0 to {len(SPLITS) - 1}."
        )
    text = _need(arrays, "text" if "text" in arrays else "text_minilm", path)
    if text.ndim != 2 or text.shape[0] != classes or text.dtype.kind != "f":
        raise DataError(
            f"{path}: the text vectors are {text.dtype} {text.shape} "
            f"but should be floats ({classes}, D_w), a row a class."
        )
    return FeatureSet(
        name=YT8M_NAME,
        audio=torch.from_numpy(dequantise(arrays["audio"])),
        video=torch.from_numpy(dequantise(arrays["video"])),
        label=torch.from_numpy(label),
        text=torch.from_numpy(text.astype(np.float32)),
        class_names=names,
        splits={name: torch.from_numpy(np.flatnonzero(split == code)) for code, name in enumerate(SPLITS)},
        groups=_strings(arrays, "parent", classes, path),
        super_groups=_strings(arrays, "super", classes, path),
        ids=_strings(arrays, "id", rows, path),
        source=ATTRIBUTION,
    )


def load_arrays(path: str | Path) -> dict[str, Array]:
    """All arrays of an npz file, nothing unpickled.

    Raises:
        DataError: where there is no such file, or it is not a whole npz file of plain arrays.
    """
    path = Path(path)
    if not path.is_file():
        raise DataError(
            f"There is no YouTube-8M file at {path}; "
            f"point HYPAV_DATA at the folder that holds {YT8M_FILE}, or make it with `hypav data build-yt8m`."
        )
    try:
        with np.load(path, allow_pickle=False) as archive:
            if not isinstance(archive, np.lib.npyio.NpzFile):
                raise DataError(
                    f"{path} holds a single array, not the arrays of an npz file; build the file anew."
                )
            return {name: archive[name] for name in archive.files}
    except (OSError, EOFError, ValueError, KeyError, MemoryError, NotImplementedError, RuntimeError) as error:
        raise _damaged(path, error) from error
    except (zipfile.BadZipFile, zlib.error) as error:
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> DataError:
    if "allow_pickle" in str(error) or "pickled" in str(error):
        return DataError(
            f"{path} holds pickled objects, which are never opened; an npz file of plain arrays is needed."
        )
    return DataError(
        f"{path} is damaged or not an npz file ({type(error).__name__}); copy it again or build it anew."
    )


def _need(arrays: Mapping[str, Array], name: str, path: Path) -> Array:
    if name not in arrays:
        raise DataError(
            f"{path}: the array {name} is missing; it should hold what `hypav data build-yt8m` writes."
        )
    return arrays[name]


def _integers(arrays: Mapping[str, Array], name: str, path: Path) -> NDArray[np.int64]:
    array = _need(arrays, name, path)
    if array.ndim != 1 or array.dtype.kind not in "iu":
        raise DataError(
            f"{path}: array {name} is {array.dtype} {array.shape} but should be whole numbers, one a sample."
        )
    return array.astype(np.int64)


def _strings(arrays: Mapping[str, Array], name: str, length: int | None, path: Path) -> tuple[str, ...]:
    array = _need(arrays, name, path)
    if array.ndim != 1 or array.dtype.kind != "U" or (length is not None and len(array) != length):
        want = "a list of strings" if length is None else f"a list of {length} strings"
        raise DataError(f"{path}: array {name} is {array.dtype} {array.shape} but should be {want}.")
    return tuple(array.tolist())
