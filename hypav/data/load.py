"""Load a feature set by name: simulated features, YouTube-8M, a folder of the AVCA benchmark, or your own npz file."""

from __future__ import annotations

import os
from pathlib import Path

from hypav.data.features import FeatureSet, load_npz
from hypav.data.files import npz_names, regular_file
from hypav.data.official import read_official
from hypav.data.simulated import COUNTS, simulated
from hypav.data.yt8m import YT8M_FILE, YT8M_FILES, read_yt8m
from hypav.errors import DataError
from hypav.utils import file_kind

DATA_VARIABLE = "HYPAV_DATA"
COURSE_VARIABLE = "HYPAV_COURSE"
NAMES_HELP = (
    f"simulated[:{'|'.join(COUNTS)}], yt8m-mini or yt8m (in the folder ${DATA_VARIABLE}), "
    "a folder of the AVCA benchmark, or a .npz file"
)


def load(
    name: str | Path,
    *,
    features: str = "main",
    text_alignment: str = "correct",
    seed: int = 0,
    max_gb: float | None = None,
) -> FeatureSet:
    """Load a feature set by its name or path; nothing is downloaded.

    >>> data = load("simulated:small")
    >>> data.name
    'SIMULATED (small)'
    >>> data["test"]
    test: 120 samples; classes: 16 seen, 4 unseen; dimensions: audio 24, video 32, text 16

    Args:
        name: "simulated", or "simulated:" and a key of COUNTS; "yt8m-mini" or "yt8m", read from the folder that the
            environment variable HYPAV_DATA names; or the path of a folder of the AVCA benchmark, of a folder with
            yt8m_gzsl_mini.npz, or of a .npz file.
        features: "main" or "cls"; only for folders of the benchmark.
        text_alignment: "correct", or "official" for the shifted text rows of the released loader; for the same folders.
        seed: seed of the simulated features.
        max_gb: the largest size of a set in memory, in gigabytes; by default 20 times that of its files, and at least 1.

    Raises:
        DataError: there is no such set, or its files cannot be used.
        SettingError: an unknown kind of simulated features, of features or of text alignment.
    """
    try:
        data, name = _load(str(name), features, text_alignment, seed, max_gb)
    except OSError as error:
        raise DataError(f"{error.filename or name} cannot be read ({error.strerror or error}).") from error
    again = {"name": name, "features": features, "text_alignment": text_alignment, "seed": seed}
    again |= {} if max_gb is None else {"max_gb": max_gb}
    object.__setattr__(data, "loaded_as", again)  # dataclasses.replace would check all features again
    return data


def _load(
    name: str, features: str, text_alignment: str, seed: int, max_gb: float | None
) -> tuple[FeatureSet, str]:
    """The set, and a name that loads it from any working directory."""
    kind, _, counts = name.partition(":")
    if kind == "simulated":
        return simulated(counts or "ucf-gzsl", seed=seed), name
    if name in YT8M_FILES:
        folder = os.environ.get(DATA_VARIABLE)
        if not folder:
            raise DataError(
                f"{name} needs the environment variable {DATA_VARIABLE}, the folder that holds {YT8M_FILES[name]}; "
                "get real features with: hypav data fetch yt8m."
            )
        return read_yt8m(Path(folder) / YT8M_FILES[name], max_gb=max_gb), name
    path = Path(name)
    if "\0" in name or not path.exists():
        raise DataError(f"There is no set and no file {name!r}; choose {NAMES_HELP}.")
    absolute = str(path.resolve())
    if path.is_dir() and not (path / YT8M_FILE).exists():
        return read_official(path, features, text_alignment=text_alignment, max_gb=max_gb), absolute
    if path.suffix != ".npz" and not path.is_dir():
        kind = file_kind(regular_file(path))
        what = f" but {kind}" if kind else ""
        raise DataError(f"{name} is neither a folder nor a .npz file{what}; choose {NAMES_HELP}.")
    return read_npz(path, max_gb=max_gb), absolute


def read_npz(path: Path, *, max_gb: float | None = None) -> FeatureSet:
    """The set of an npz file, YouTube-8M or your own as its arrays tell, or of a folder with yt8m_gzsl_mini.npz."""
    names = ["parent"] if path.is_dir() else npz_names(path)
    read = read_yt8m if "parent" in names and "class_names" not in names else load_npz
    return read(path, max_gb=max_gb)


def course_data() -> FeatureSet:
    """The set that the course's notebooks train on: the one that HYPAV_COURSE names, or simulated features.

    `hypav course FOLDER --execute --data yt8m-mini` sets the variable, so the same notebooks run on other data.

    >>> course_data().simulated
    True
    """
    return load(os.environ.get(COURSE_VARIABLE) or "simulated")
