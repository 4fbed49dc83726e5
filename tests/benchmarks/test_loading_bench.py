"""Reading a folder of VGGSound-GZSL's size with cls features (93,752 samples, 128 + 4096 floats), next to plain h5py."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch
from data_helpers import write_official

from hypav.data import SPLITS, FeatureSet, read_official
from hypav.data.official import FEATURE_DIMS, PUBLISHED

KNOWN = PUBLISHED["vggsound"]
FIRST = dict(zip(SPLITS, (0, 0, 138, 0, 207), strict=True))  # class ids: trained, val-unseen, test-unseen
MODALITIES = ("audio", "video")
PLACE = Path("features/cls_features")

PEAK = """
import sys
from pathlib import Path
from hypav.data import read_official

def kilobytes(key):
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith(key))

Path("/proc/self/clear_refs").write_text("5")
before = kilobytes("VmRSS")
data = read_official(sys.argv[1], "cls")
print((kilobytes("VmHWM") - before) * 1024 / (data.audio.nbytes + data.video.nbytes))
"""


def outline(dims: tuple[int, int, int], part: int = 1) -> FeatureSet:
    """The classes and splits, or a part of them, with two samples a class each."""
    g = torch.Generator().manual_seed(0)
    ids = {split: (FIRST[split] + torch.arange(KNOWN.expected("main")[split][0]))[::part] for split in SPLITS}
    label = torch.cat([ids[split].repeat_interleave(2) for split in SPLITS])
    starts = np.cumsum([0, *(2 * len(ids[split]) for split in SPLITS)]).tolist()
    audio, video, text = (
        torch.randn(n, dim, generator=g) for n, dim in zip((*2 * [len(label)], 309), dims, strict=True)
    )
    return FeatureSet(
        name="VGGSound-GZSL's size, SIMULATED",
        audio=audio, video=video, label=label, text=text,
        class_names=tuple(f"Class{row:03d}" for row in range(309)),
        splits={split: torch.arange(starts[i], starts[i + 1]) for i, split in enumerate(SPLITS)},
        simulated=True,
    )  # fmt: skip


def fill(root: Path, dims: tuple[int, int, int]) -> None:
    """The published numbers of samples in the class files, as even as can be."""
    g = np.random.default_rng(0)
    values = {
        what: g.standard_normal((1000, dim), dtype=np.float32)
        for what, dim in zip(MODALITIES, dims, strict=False)
    }
    for split, (classes, samples) in KNOWN.expected("main").items():
        for row in range(classes):
            n = samples // classes + (row < samples % classes)
            names = np.array([f"{split}_{row:03d}_{i:05d}".encode() for i in range(n)], dtype="S80")
            for what in MODALITIES:
                path = root / PLACE / what / split / f"Class{FIRST[split] + row:03d}.h5"
                with h5py.File(path, "w") as file:
                    file["data"], file["video_urls"] = values[what][:n], names


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Path]:
    """1.6 GB; a few samples if nothing is measured."""
    base = tmp_path_factory.mktemp("loading")
    small = request.config.getoption("benchmark_disable") and not request.config.getoption("benchmark_enable")
    dims = (4, 8, 3) if small else FEATURE_DIMS["cls"]
    write_official(outline(dims, 23 if small else 1), base / "set", "cls", dataset="vggsound")
    if not small:
        fill(base / "set", dims)
    yield base / "set"
    shutil.rmtree(base)


@pytest.fixture(scope="module")
def fresh_memory() -> None:
    """A folder is opened once a process. Else glibc hands the reference's next rounds the memory of its last, on which
    the system need not put zeros: arrays over 128 kB get pages of their own, as in a process that has just begun."""
    if mallopt := getattr(ctypes.CDLL(None), "mallopt", None):
        mallopt(-3, 2**17)  # M_MMAP_THRESHOLD, which otherwise grows


def plain(root: Path) -> list[tuple[Any, Any]]:
    """Each file opened and read once; neither checked nor joined."""
    contents = []
    for path in sorted((root / PLACE).glob("*/*/*.h5")):
        with h5py.File(path) as file:
            contents.append((file["data"][:], file["video_urls"][:]))
    return contents


@pytest.mark.usefixtures("fresh_memory")
def test_reading(
    side_by_side: Callable[..., float], benchmark: Any, note: Callable[[str], None], folder: Path
) -> None:
    assert len(read_official(folder, "cls")) == sum(len(names) for _, names in plain(folder)) / 2
    side_by_side(
        "reading a VGGSound-sized folder (cls), next to h5py",
        lambda: read_official(folder, "cls"),
        lambda: plain(folder),
        at_most=2.0,
        rounds=5,
    )
    if not benchmark.disabled and Path("/proc/self/clear_refs").exists():
        command = [sys.executable, "-c", PEAK, str(folder)]
        size = float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
        note(f"peak memory of reading it, in sizes of its arrays: {size:.2f} (goal <= 1.3)")
