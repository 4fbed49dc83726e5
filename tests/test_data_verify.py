"""verify agrees with the reader on what is an error, and warns of what a run would not notice."""

from __future__ import annotations

import dataclasses
import os
import shutil
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from time import process_time

import h5py
import numpy as np
import pytest
import torch
from data_helpers import SMALL_COUNTS, official_folder, small_set, write_official, write_word_vectors

from hypav.data import load_npz, read_official, save_npz
from hypav.data.verify import Report, _about_samples, verify
from hypav.errors import DataError

FEATURES = "features/main_features"
VECTORS = f"{FEATURES}/text/word_embeddings_own_normed.npy"
LISTS = "class-split/main_split"


@pytest.fixture(scope="module")
def whole_folder(tmp_path_factory) -> Path:
    return write_official(small_set(), tmp_path_factory.mktemp("own") / "set", dataset="own")


@pytest.fixture
def own(whole_folder, tmp_path) -> Path:
    return shutil.copytree(whole_folder, tmp_path / "set")


def says(report: Report, level: str, *parts: str) -> bool:
    lines = [str(problem) for problem in report.problems if problem.level == level]
    return any(all(part in line for part in parts) for line in lines)


# --- folders --------------------------------------------------------------------------------------------------------


def test_a_whole_folder_has_no_problems(own):
    report = verify(own)
    assert report.ok
    assert report.problems == report.errors == report.warnings == []
    assert "  stage_1_train             4 classes      26 samples" in str(report).splitlines()
    assert str(report).endswith("0 errors, 0 warnings, 0 notes")


def test_a_folder_with_a_published_name_is_compared_with_the_published_set(tmp_path):
    root = official_folder(tmp_path / "UCF")
    report = verify(root)
    # Weight Lifting sorts last instead of 21st of 101: the rows from there on are shifted.
    assert says(report, "note", "81 of 101 classes another class's word vector")
    assert [("dimension" in str(warning), "UCF-GZSL" in str(warning)) for warning in report.warnings] == [
        (True, True)
    ] * 3
    assert report.ok
    report = verify(write_official(small_set(), tmp_path / "small", dataset="ucf"))
    assert says(report, "warning", "class names should be 101", "is 9")
    assert says(report, "warning", "stage_1_train should be (30, 3174)", "is (4, 26)")
    assert report.ok


def test_both_kinds_are_verified_and_what_they_share_once(tmp_path):
    root = write_official(small_set(), tmp_path / "set")
    write_official(small_set(dims=(3, 4, 5)), root, "cls")
    report = verify(root)
    assert sum("69 samples" in line for line in report.holds) == 2
    assert report.problems == []
    with open(root / "class-split/all_class.txt", "a") as file:
        file.write("Nobody\n")
    assert len(verify(root).errors) == 1


def h5_file(root: Path, modality: str, name: str = "Class001", split: str = "stage_1_train") -> Path:
    return root / FEATURES / modality / split / f"{name}.h5"


def change(path: Path, **tables: object) -> None:
    with h5py.File(path, "r+") as file:
        for key, value in tables.items():
            del file[key]
            file[key] = value


def truncate(root: Path) -> None:
    path = h5_file(root, "audio")
    path.write_bytes(path.read_bytes()[:-200])


def pickle_that_runs(root: Path) -> None:
    class Bomb:
        def __reduce__(self):
            return os.mkdir, (str(root / "PWNED"),)

    with open(root / VECTORS, "wb") as file:
        np.save(file, np.array({"Class000": Bomb()}, dtype=object))
    assert b"mkdir" in (root / VECTORS).read_bytes()


def fill(modality: str, columns: slice, value: float) -> Callable[[Path], object]:
    def damage(root: Path) -> None:
        for path in root.glob(f"{FEATURES}/{modality}/*/*.h5"):
            with h5py.File(path, "r+") as file:
                file["data"][:, columns] = value

    return damage


def scale_a_row(factor: float) -> Callable[[Path], object]:
    def damage(root: Path) -> None:
        with h5py.File(h5_file(root, "audio"), "r+") as file:
            file["data"][3] *= factor

    return damage


def single(split: str, name: str) -> Callable[[Path], object]:
    def damage(root: Path) -> None:
        for modality in ("audio", "video"):
            path = h5_file(root, modality, name, split)
            with h5py.File(path) as file:
                values, names = file["data"][:1], file["video_urls"][:1]
            change(path, data=values, video_urls=names)

    return damage


def swap_rows(root: Path) -> None:
    path = h5_file(root, "video")
    with h5py.File(path) as file:
        values, names = file["data"][:][::-1], file["video_urls"][:][::-1]
    change(path, data=values, video_urls=names)


def repeat(key: str, split: str = "stage_2_test_seen") -> Callable[[Path], object]:
    """Two training samples are in another split as well, or twice in their own."""

    def damage(root: Path) -> None:
        place = slice(2, 4) if split == "stage_1_train" else slice(2)
        for modality in ("audio", "video"):
            with h5py.File(h5_file(root, modality)) as file:
                values = file[key][:2]
            with h5py.File(h5_file(root, modality, split=split), "r+") as file:
                file[key][place] = values

    return damage


def append(listed: str, line: str) -> Callable[[Path], object]:
    def damage(root: Path) -> None:
        with open(root / "class-split" / listed, "a") as file:
            file.write(line)

    return damage


def shrink(listed: str) -> Callable[[Path], object]:
    def damage(root: Path) -> None:
        lines = (root / LISTS / listed).read_text().splitlines()
        (root / LISTS / listed).write_text("\n".join(lines[:-1]))

    return damage


def vectors(**changes: np.ndarray) -> Callable[[Path], object]:
    table = {f"Class{i:03d}": np.eye(9, dtype=np.float32)[i] for i in range(9)}
    return lambda root: write_word_vectors({**table, **changes}, root / VECTORS)


FAULTS = [
    ("error", lambda root: shutil.rmtree(root / "class-split"), ("no folder class-split",)),
    ("error", lambda root: shutil.rmtree(root / FEATURES), ("own_normed.npy", "no such file")),
    ("error", truncate, ("Class001.h5", "truncated")),
    ("error", swap_rows, ("row 0 is the video", "but the audio file has")),
    ("error", append("main_split/stage_1_train.txt", "Class007\n"), ("'Class007'", "stage_2_test_unseen")),
    ("error", fill("video", slice(None), 3.0), ("all rows of video are the same",)),
    ("error", single("stage_1_train", "Class001"), ("'Class001'", "single training sample")),
    ("error", pickle_that_runs, ("never executed",)),
    ("note", fill("video", slice(2), 3.0), ("2 of 12 video columns have the same value",)),
    (
        "warning",
        single("stage_2_test_unseen", "Class006"),
        ("single sample in stage_2_test_unseen", "'Class006'"),
    ),
    ("warning", vectors(Class004=np.full(9, 2.0)), ("1 of 9 word vectors do not have norm 1", "from 1 to 6")),
    ("warning", repeat("video_urls"), ("2 samples have the same name", "first are row 49 (", "as row 7 (")),
    ("warning", repeat("data"), ("2 samples have the same features", "another split", "first are row 49 (")),
    (
        "warning",
        repeat("data", "stage_1_train"),
        ("2 samples have the same features", "same split", "row 9 ("),
    ),
    ("warning", scale_a_row(0), ("1 audio rows are zero", "row 10")),
    ("warning", scale_a_row(1e6), ("1 audio rows have more than 100 times the median norm", "row 10")),
    (
        "warning",
        shrink("stage_1_val_seen.txt"),
        ("only one of stage_1_train and stage_1_val_seen", "'Class003'"),
    ),
    ("warning", shrink("stage_2_test_seen.txt"), ("are in a training split but not in stage_2_test_seen",)),
]


@pytest.mark.parametrize(("level", "damage", "parts"), FAULTS)
def test_each_fault_of_a_folder(own, level, damage, parts):
    damage(own)
    report = verify(own)
    assert says(report, level, *parts), str(report)
    assert len(report.problems) == 1
    assert not (own / "PWNED").exists()
    assert report.ok == (level != "error")
    if report.ok:
        read_official(own)
    else:
        with pytest.raises(DataError):
            read_official(own)


def test_nothing_there(tmp_path):
    assert says(verify(tmp_path / "nowhere"), "error", "no such file")
    assert says(verify(tmp_path), "error", "no folder class-split")


# --- npz files ------------------------------------------------------------------------------------------------------


def test_an_npz_file(tmp_path):
    data = small_set(groups=True, simulated=True)
    save_npz(data, tmp_path / "set.npz")
    report = verify(tmp_path / "set.npz")
    assert [str(problem) for problem in report.problems] == [
        f"note: {tmp_path}/set.npz: the features are SIMULATED."
    ]
    assert "69 samples" in report.holds[0]
    audio, text = data.audio.clone(), data.text.clone()
    audio[3], text[0] = 0, 1
    save_npz(dataclasses.replace(data, audio=audio, text=text), tmp_path / "set.npz")
    assert says(verify(tmp_path / "set.npz"), "warning", "audio rows are zero", "row 3")
    assert says(verify(tmp_path / "set.npz"), "warning", "1 of 9 word vectors")


def test_a_broken_npz_file(tmp_path):
    path = tmp_path / "set.npz"
    for content in (b"", b"<html>", b"PK\x03\x04 and no more"):
        path.write_bytes(content)
        report = verify(path)
        assert says(report, "error", "set.npz")
        with pytest.raises(DataError):
            load_npz(path)
    np.savez(path, audio=np.ones((3, 2)))
    assert says(verify(path), "error", "video is missing")


@pytest.mark.real_data
def test_the_real_set_has_no_problems():
    if not os.environ.get("HYPAV_DATA"):
        pytest.skip("no real data")
    report = verify(os.environ["HYPAV_DATA"])
    assert report.problems == []
    assert "3734 samples" in report.holds[0]


def test_features_of_any_precision_are_verified(tmp_path):
    data = small_set()
    save_npz(
        dataclasses.replace(data, audio=data.audio.half(), video=data.video.double()), tmp_path / "set.npz"
    )
    assert verify(tmp_path / "set.npz").problems == []
    assert torch.equal(load_npz(tmp_path / "set.npz").audio, data.audio.half())


def test_every_kind_of_suspicious_row_is_listed_with_its_count_and_first_rows(tmp_path: Path) -> None:
    data = small_set()
    audio, video, text = data.audio.double(), data.video.double(), data.text.double()
    test_unseen = data.splits["stage_2_test_unseen"][:5]
    for table in (audio, video):
        table[:5] = table[test_unseen]
        table[11] = table[10]
    audio[20:22], audio[22, 0], video[23, 3], audio[24] = 0, 1e39, -1e6, 1e-50
    video[25, 1] = 1e200  # its square overflows
    text[3], text[5] = text[4], 0
    ids = list(data.ids)
    ids[30] = ids[0] = "\x1b[31mred"
    save_npz(
        dataclasses.replace(data, audio=audio, video=video, text=text, ids=tuple(ids)), tmp_path / "a.npz"
    )
    report = verify(tmp_path / "a.npz")
    assert report.ok
    for parts in (
        (
            "5 samples have the same features as a sample of another split",
            "are row 59 (",
            "row 60 (",
            "row 61 (",
        ),
        ("1 samples have the same features as a sample of the same split", "row 11 (", "as row 10 ("),
        ("1 samples have the same name", r"row 30 ('\x1b[31mred') as row 0 ("),
        ("1 classes have the same word vector", "'Class004' as 'Class003'"),
        ("3 audio rows are zero", "row 20 (", "row 21 (", "row 24 ("),
        ("1 audio rows have values beyond float32", "row 22 ("),
        ("1 video rows have values beyond float32", "row 25 ("),
        ("1 video rows have more than 100 times the median norm", "row 23 ("),
        ("1 text rows are zero", "row 5 ('Class005')"),
        ("1 of 9 word vectors do not have norm 1",),
    ):
        assert says(report, "warning", *parts), (parts, str(report))
    assert len(report.warnings) == 10
    assert "\x1b" not in str(report)


def test_absurd_rows_are_seen_among_rows_that_are_mostly_zero(tmp_path: Path) -> None:
    data = small_set()
    audio = data.audio.clone()
    audio[:50] = 0
    audio[60] *= 1e5
    save_npz(dataclasses.replace(data, audio=audio), tmp_path / "a.npz")
    report = verify(tmp_path / "a.npz")
    assert [str(problem).partition(": ")[2].partition(": ")[2][:13] for problem in report.warnings] == [
        "50 audio rows",
        "1 audio rows ",
    ]


def test_a_large_set_takes_no_second_copy() -> None:
    counts = {split: (classes, 5000) for split, (classes, _) in SMALL_COUNTS.items()}
    data = small_set(counts=counts, dims=(256, 128, 6))
    tracemalloc.start()
    before = process_time()
    assert list(_about_samples(data)) == []
    assert process_time() - before < 5
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < data.audio.numpy().nbytes / 1.5
