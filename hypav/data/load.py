"""The four doors by name: simulated, yt8m-mini, a folder in the official layout, an npz of your own."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from hypav.data.features import FeatureSet, load_npz
from hypav.data.official import read_official
from hypav.data.simulated import COUNTS, simulated
from hypav.data.yt8m import YT8M_FILE, read_yt8m
from hypav.errors import DataError, SettingError

DATA_VARIABLE = "HYPAV_DATA"
COURSE_VARIABLE = "HYPAV_COURSE"
DOORS_HELP = (
    f"simulated[:{'|'.join(COUNTS)}], yt8m-mini (read from the folder ${DATA_VARIABLE}), "
    "a folder in the layout of the AVCA benchmark, or a .npz file"
)


def open_data(
    door: str,
    *,
    features: str = "main",
    text_alignment: str = "correct",
    seed: int = 0,
    environment: Mapping[str, str] | None = None,
    cache: Path | None = None,
) -> FeatureSet:
    """The set behind a door.

    Args:
        door: as DOORS_HELP says.
        features: "main" or "cls", for official folders.
        text_alignment: "correct", or "official" for the released loader's shifted text rows; official folders only.
        seed: of the simulator.
        environment: where HYPAV_DATA is looked up; None is the process's own.
        cache: a folder that keeps official folders as read; the other doors, which are small, leave it alone.

    Raises:
        DataError: there is no such door, or what is behind it cannot be used.
        RunError: the cache cannot be written.
        SettingError: an unknown simulator size, feature kind or text alignment.
    """
    name, _, size = door.partition(":")
    if name == "simulated":
        return simulated(size or "ucf-gzsl", seed=seed)
    if door == "yt8m-mini":
        folder = (os.environ if environment is None else environment).get(DATA_VARIABLE)
        if not folder:
            raise DataError(
                f"yt8m-mini needs {DATA_VARIABLE}, the folder that holds {YT8M_FILE}; "
                "make one from YouTube-8M shards with: hypav data build-yt8m."
            )
        return read_yt8m(Path(folder))
    path = Path(door)
    if not path.exists():
        raise DataError(f"There is no door and no file {door!r}; choose {DOORS_HELP}.")
    if path.is_dir():
        if (path / YT8M_FILE).exists():
            return read_yt8m(path)
        if features not in ("main", "cls"):
            raise SettingError(f'features is {features!r}; choose "main" or "cls".')
        return read_official(path, features, text_alignment=text_alignment, cache=cache)
    if path.name == YT8M_FILE:
        return read_yt8m(path)
    if path.suffix == ".npz":
        return load_npz(path)
    raise DataError(f"{path} is neither a folder nor a .npz file; choose {DOORS_HELP}.")


def course_data(*, environment: Mapping[str, str] | None = None) -> FeatureSet:
    """The set that the course's notebooks train on: the door that HYPAV_COURSE names, else simulated features.

    `make notebooks DATA=yt8m-mini` sets the variable, so that every notebook runs on other data without an edit.

    Raises:
        DataError: there is no such door, or what is behind it cannot be used.
    """
    environment = os.environ if environment is None else environment
    return open_data(environment.get(COURSE_VARIABLE) or "simulated", environment=environment)
