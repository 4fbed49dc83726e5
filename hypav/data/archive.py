"""The official AVCA benchmark archive: where it is, what a copy of it holds, and unpacking it safely."""

from __future__ import annotations

import shutil
import stat
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from tqdm import tqdm

from hypav.errors import DataError, RunError
from hypav.utils import make_folder, replacing

__all__ = ["ArchiveReport", "check_archive", "official_archive_help", "safe_extract"]

_DRIVE_ID = "1NzpSVL-2nXRFH6pvHNOZeRhu_jfDL0ZE"
_DATASETS = ("UCF", "ActivityNet", "VGGSound")
_FEATURES = ("main_features", "cls_features")


def official_archive_help() -> str:
    """How to get the features of the AVCA benchmark (Mercea et al., CVPR 2022), which cannot be fetched unasked."""
    return (
        "UCF-, ActivityNet- and VGGSound-GZSL are the features of the AVCA benchmark (ExplainableML/AVCA-GZSL).\n"
        "1. Download avgzsl_benchmark_datasets.zip with a browser from\n"
        f"   https://drive.google.com/file/d/{_DRIVE_ID}/view\n"
        "   (Google Drive asks before it gives large files; no checksum is published).\n"
        "2. Unpack it; members that would leave the folder, links and pickles stay out:\n"
        "   hypav data unpack avgzsl_benchmark_datasets.zip FOLDER\n"
        "3. Copy w2v_features/word_embeddings_{ucf,activity,vggsound}_normed.npy of the AVCA repository to\n"
        "   FOLDER/avgzsl_benchmark_datasets/DATASET/features/{main,cls}_features/text/ where it is missing.\n"
        "4. Check each data set: hypav data verify FOLDER/avgzsl_benchmark_datasets/UCF\n"
    )


@dataclass(frozen=True)
class ArchiveReport:
    """What a zip holds: files and bytes to be unpacked, pickles left out, (data set, features) pairs recognised."""

    path: Path
    files: int
    size: int
    pickles: int
    found: tuple[tuple[str, str], ...]


def check_archive(path: str | Path) -> ArchiveReport:
    """Looks into a zip without unpacking it.

    Raises:
        DataError: where it is no whole zip, or a member is encrypted, a link, or would land outside the folder.
    """
    with _opened(Path(path)) as archive:
        members, pickles = _members(archive)
    kinds = {
        (data_set, features)
        for member in members
        for data_set in _DATASETS
        for features in _FEATURES
        if {data_set, features} <= set(PurePosixPath(member.filename).parts)
    }
    return ArchiveReport(
        path=Path(path),
        files=len(members),
        size=sum(member.file_size for member in members),
        pickles=pickles,
        found=tuple(sorted(kinds)),
    )


def safe_extract(path: str | Path, folder: str | Path) -> ArchiveReport:
    """Unpacks a zip into a folder, each file under a temporary name that is then changed.

    All members are looked at before the first is written. Pickles (the released loader's caches) are left out:
    nothing here reads them, and to open one is to run it. Files that exist are replaced.

    Raises:
        DataError: as `check_archive`, and where a member is damaged or longer than it says.
        RunError: where the folder cannot be written to or has no space.
    """
    report = check_archive(path)
    folder = make_folder(folder).resolve()
    free = shutil.disk_usage(folder).free
    if free < report.size:
        raise RunError(
            f"{path} unpacks to {report.size / 1e6:.0f} MB but {folder} has {free / 1e6:.0f} MB free; "
            "choose another folder."
        )
    with _opened(report.path) as archive:
        members, _ = _members(archive)
        for member in tqdm(members, desc="unpacking", unit="file", disable=None):
            target = folder / member.filename
            if not target.parent.resolve().is_relative_to(folder):
                raise DataError(
                    f"{target.parent} is a link that leaves {folder}; remove it or choose another folder."
                )
            make_folder(target.parent)
            with replacing(target) as temporary, archive.open(member) as source, temporary.open("wb") as file:
                shutil.copyfileobj(source, file, 1 << 20)
    return report


@contextmanager
def _opened(path: Path) -> Iterator[zipfile.ZipFile]:
    if not path.is_file():
        raise DataError(f"There is no archive at {path}.")
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise DataError(f"{path} is damaged or no zip archive ({error}); download it again.") from error
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror or error}).") from error


def _members(archive: zipfile.ZipFile) -> tuple[list[zipfile.ZipInfo], int]:
    """The files to unpack, each proven harmless, and how many pickles are left out."""
    files = [member for member in archive.infolist() if not member.is_dir()]
    seen: set[str] = set()
    for member in archive.infolist():
        fault = _fault(member)
        if not fault and member.filename in seen:
            fault = "stands in it twice"
        if fault:
            raise DataError(
                f"{archive.filename}: the member {member.filename!r} {fault}, "
                "so nothing is unpacked; get a clean archive."
            )
        seen.add(member.filename)
    kept = [member for member in files if not member.filename.lower().endswith((".pkl", ".pickle"))]
    return kept, len(files) - len(kept)


def _fault(member: zipfile.ZipInfo) -> str:
    name = member.orig_filename
    kind = stat.S_IFMT(member.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "is a link or a device"
    if member.flag_bits & 0x1:
        return "is encrypted"
    parts = name.removesuffix("/").split("/")
    if (
        name.startswith("/")
        or "\\" in name
        or ":" in parts[0]
        or "\0" in name
        or {"", ".", ".."} & set(parts)
    ):
        return "would land outside its folder"
    return ""
