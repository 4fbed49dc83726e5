"""verify finds everything at once, agrees with the readers on what is an error, and describe counts rightly."""

from __future__ import annotations

import json
import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from data_helpers import UCF_CLASSES, UCF_COUNTS, UCF_MANUAL, official_folder, small_set

from hypav.data import (
    Report,
    describe,
    describe_text,
    load_npz,
    read_official,
    save_npz,
    verify,
    write_official,
    write_word_vectors,
)
from hypav.errors import DataError

FEATURES = "features/main_features"
VECTORS = f"{FEATURES}/text/word_embeddings_own_normed.npy"
LISTS = "class-split/main_split"


@pytest.fixture(scope="module")
def whole_folder(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("own") / "set"
    return write_official(small_set(), root, dataset="own", stage_2_train=False)


@pytest.fixture
def own(whole_folder, tmp_path) -> Path:
    return shutil.copytree(whole_folder, tmp_path / "set")


def one_sentence_each(report: Report) -> None:
    for finding in report.findings:
        assert "\n" not in finding.message
        assert finding.message.endswith(".")
        assert finding.where


def told(report: Report, level: str, *parts: str) -> bool:
    return any(all(part in str(finding) for part in parts) for finding in report.of(level))


# --- a whole folder -------------------------------------------------------------------------------------------------


def test_a_whole_folder_has_no_findings(own):
    report = verify(own)
    assert report.findings == []
    assert report.ok
    assert str(report).endswith("0 errors, 0 warnings, 0 notes")
    assert "own dataset 'own', main features, 9 classes" in str(report)


def test_ucf_counts_and_shifted_rows(tmp_path):
    root = official_folder(tmp_path / "UCF")
    report = verify(root)
    assert "UCF-GZSL, main features, 101 classes" in report.holds
    assert "  stage_1_train            30 classes    3174 samples" in report.holds
    assert report.ok
    # Weight Lifting sorts last instead of 21st of 101: the rows from there on are shifted.
    assert told(report, "note", "81 of 101 classes another class's word vector")
    assert told(report, "warning", "has 512, 512, 300 dimensions", "(8, 12, 6)")
    assert len(report.findings) == 2
    one_sentence_each(report)


def test_other_counts_than_published(tmp_path):
    counts = {split: (classes, 2 * classes) for split, (classes, _) in UCF_COUNTS.items()}
    counts["stage_2_test_unseen"] = (8, 16)
    data = small_set(counts=counts, classes=UCF_CLASSES)
    report = verify(
        write_official(data, tmp_path / "UCF", dataset="ucf", manual=UCF_MANUAL, stage_2_train=False)
    )
    assert told(
        report,
        "warning",
        "UCF-GZSL has 9 classes and 1267 samples in stage_2_test_unseen, this folder 8 and 16",
    )
    assert told(
        report, "warning", "UCF-GZSL has 30 classes and 3174 samples in stage_1_train, this folder 30 and 60"
    )


def test_another_number_of_classes_than_published(tmp_path):
    report = verify(write_official(small_set(), tmp_path / "UCF", dataset="ucf", stage_2_train=False))
    assert told(report, "warning", "UCF-GZSL has 101 classes, this folder 9")
    assert report.ok


def test_both_kinds_are_verified_and_shared_faults_told_once(tmp_path):
    root = write_official(small_set(), tmp_path / "set", stage_2_train=False)
    write_official(small_set(dims=(3, 4, 5)), root, "cls", stage_2_train=False)
    report = verify(root)
    assert report.findings == []
    assert sum("features, 9 classes" in line for line in report.holds) == 2
    with open(root / "class-split/all_class.txt", "a") as file:
        file.write("Nobody\n")
    assert len(verify(root).of("error")) == 1


def test_simulated_features_are_named_so(tmp_path):
    data = small_set(simulated=True, source="SIMULATED features.")
    assert told(verify(write_official(data, tmp_path / "s", stage_2_train=False)), "note", "SIMULATED")
    save_npz(data, tmp_path / "s.npz")
    assert "SIMULATED" in str(verify(tmp_path / "s.npz"))


# --- each fault -----------------------------------------------------------------------------------------------------


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

    box = np.empty((), dtype=object)
    box[()] = {"Class000": Bomb()}
    with open(root / VECTORS, "wb") as file:
        np.lib.format.write_array(file, box, allow_pickle=True)
    assert b"mkdir" in (root / VECTORS).read_bytes()
    assert pickle.HIGHEST_PROTOCOL >= 4


def constant(root: Path, columns: int) -> None:
    for path in root.glob(f"{FEATURES}/video/*/*.h5"):
        with h5py.File(path, "r+") as file:
            file["data"][:, :columns] = 3.0


def single(root: Path, split: str, name: str) -> None:
    for modality in ("audio", "video"):
        path = h5_file(root, modality, name, split)
        with h5py.File(path) as file:
            values, names = file["data"][:1], file["video_urls"][:1]
        change(path, data=values, video_urls=names)


def swap_rows(root: Path) -> None:
    path = h5_file(root, "video")
    with h5py.File(path) as file:
        values, names = file["data"][:][::-1], file["video_urls"][:][::-1]
    change(path, data=values, video_urls=names)


def repeat_videos(root: Path) -> None:
    for modality in ("audio", "video"):
        with h5py.File(h5_file(root, modality)) as file:
            names = file["video_urls"][:2]
        change(h5_file(root, modality, split="stage_2_test_seen"), video_urls=names)


def rename(root: Path) -> None:
    h5_file(root, "audio").rename(h5_file(root, "audio", "Nobody"))


def append(listed: str, line: str) -> Callable[[Path], object]:
    def inner(root: Path) -> None:
        with open(root / "class-split" / listed, "a") as file:
            file.write(line)

    return inner


def vectors(**changes: np.ndarray | None) -> Callable[[Path], object]:
    table = {f"Class{i:03d}": np.eye(9, dtype=np.float32)[i] for i in range(9)}
    table = {name: vector for name, vector in {**table, **changes}.items() if vector is not None}
    return lambda root: write_word_vectors(table, root / VECTORS)


def shrink(listed: str) -> Callable[[Path], object]:
    def inner(root: Path) -> None:
        lines = (root / LISTS / listed).read_text().splitlines()
        (root / LISTS / listed).write_text("\n".join(lines[:-1]))

    return inner


SAME = {f"Class{i:03d}": np.ones(3) / 3**0.5 for i in range(9)}
FAULTS = [
    ("error", lambda r: shutil.rmtree(r / "class-split"), ("no folder class-split",)),
    ("error", lambda r: (r / "class-split/all_class.txt").unlink(), ("all_class.txt", "missing")),
    ("error", lambda r: (r / f"{LISTS}/stage_1_train.txt").unlink(), ("stage_1_train.txt", "missing")),
    ("error", lambda r: shutil.rmtree(r / FEATURES / "audio/stage_2_test_seen"), ("folder is missing",)),
    ("error", lambda r: shutil.rmtree(r / FEATURES), ("neither main_features nor cls_features",)),
    ("error", lambda r: (r / VECTORS).unlink(), ("word vectors is missing",)),
    ("error", lambda r: h5_file(r, "video").unlink(), ("'Class001' has no sample", "Class001.h5 is missing")),
    ("error", truncate, ("Class001.h5", "truncated")),
    ("error", lambda r: change(h5_file(r, "audio"), data=np.ones((7, 9), "f4")), ("9 dimensions", "have 8")),
    ("error", lambda r: change(h5_file(r, "audio"), data=np.full((7, 8), np.nan)), ("NaN", "7 of 7 rows")),
    ("error", lambda r: constant(r, 12), ("all rows of video are the same",)),
    ("note", lambda r: constant(r, 2), ("2 of 12 columns hold one value",)),
    ("error", lambda r: single(r, "stage_1_train", "Class001"), ("single sample in stage_1_train",)),
    (
        "warning",
        lambda r: single(r, "stage_2_test_unseen", "Class006"),
        ("single sample in stage_2_test_unseen",),
    ),
    ("error", append("main_split/stage_1_train.txt", "Class007\n"), ("'Class007'", "stage_2_test_unseen")),
    (
        "error",
        append("main_split/stage_1_val_unseen.txt", "Class001\n"),
        ("stage_1_train and stage_1_val_unseen",),
    ),
    ("error", rename, ("Nobody.h5", "named after no class")),
    ("error", append("main_split/stage_2_test_seen.txt", "Nobody\n"), ("'Nobody' is not in all_class.txt",)),
    ("error", append("all_class.txt", "Nobody\n"), ("'Nobody'", "manual name")),
    ("error", append("all_class.txt", "Class001\n"), ("'Class001' stands twice",)),
    ("error", vectors(Class004=None), ("no word vector 'Class004'",)),
    ("error", vectors(Class004=np.full(9, np.inf)), ("NaN or infinite", "'Class004'")),
    ("error", vectors(**SAME), ("all word vectors are the same",)),
    ("warning", vectors(Class004=np.full(9, 2.0)), ("1 of 9 word vectors do not have norm 1 (from 1 to 6)",)),
    ("note", vectors(Nobody=np.eye(9)[0]), ("1 word vectors belong to no class",)),
    ("error", lambda r: (r / f"{LISTS}/stage_2_test_unseen.txt").write_text("\n"), ("empty",)),
    (
        "error",
        lambda r: change(h5_file(r, "video"), data=np.ones((6, 12), "f4")),
        ("one string for each of the 6",),
    ),
    ("error", swap_rows, ("row 0 is the video", "but the audio file has")),
    ("warning", repeat_videos, ("2 videos stand in two splits", "'v_Class001_00007'")),
    ("error", pickle_that_runs, ("never executed",)),
    ("note", shrink("stage_2_test_unseen.txt"), ("Class008.h5", "left out")),
    ("warning", shrink("stage_1_val_seen.txt"), ("differs from stage_1_train in 1 classes",)),
    ("warning", shrink("stage_2_test_seen.txt"), ("1 trained classes are not in stage_2_test_seen",)),
    ("error", lambda r: (r / FEATURES / "hypav.json").write_text("{"), ("hypav.json", "damaged")),
]


@pytest.mark.parametrize(("level", "damage", "parts"), FAULTS)
def test_each_fault_of_a_folder(own, level, damage, parts):
    damage(own)
    report = verify(own)
    assert told(report, level, *parts), str(report)
    one_sentence_each(report)
    assert not (own / "PWNED").exists()
    # An error is what the reader refuses, and nothing else is.
    assert report.ok == (level != "error")
    if report.ok:
        read_official(own)
    else:
        with pytest.raises(DataError):
            read_official(own)


def test_many_faults_are_told_at_once(own):
    truncate(own)
    swapped = own / FEATURES / "video/stage_2_test_seen/Class002.h5"
    change(swapped, data=np.full((2, 12), np.nan, "f4"), video_urls=np.array([b"a", b"b"]))
    append("main_split/stage_1_train.txt", "Nobody\n")(own)
    vectors(Class004=None)(own)
    (own / f"{LISTS}/stage_2_test_unseen.txt").write_text("")
    report = verify(own)
    for parts in (("truncated",), ("NaN", "Class002.h5"), ("'Nobody'",), ("'Class004'",), ("is empty",)):
        assert told(report, "error", *parts), parts
    lines = str(report).splitlines()
    levels = [line.split(":")[0] for line in lines if line.startswith(("error:", "warning:", "note:"))]
    assert levels == sorted(levels, key=["error", "warning", "note"].index)


def test_nothing_there(tmp_path):
    assert told(verify(tmp_path / "nowhere"), "error", "no such file or folder")
    assert told(verify(tmp_path), "error", "neither class-split and features nor")


# --- npz files ------------------------------------------------------------------------------------------------------


def changed_npz(tmp_path: Path, **changes: object) -> Path:
    save_npz(small_set(), tmp_path / "good.npz")
    with np.load(tmp_path / "good.npz") as archive:
        parts = {key: archive[key] for key in archive.files}
    parts = {key: value for key, value in {**parts, **changes}.items() if value is not None}
    np.savez(tmp_path / "set.npz", **parts)
    return tmp_path / "set.npz"


def with_values(key: str, place: object, value: float) -> dict[str, np.ndarray]:
    table = getattr(small_set(), key).numpy().copy()
    table[place] = value
    return {key: table}


def splits(move: Callable[[np.ndarray, np.ndarray], None]) -> dict[str, np.ndarray]:
    data = small_set()
    split = np.repeat(np.arange(5), [len(index) for index in data.splits.values()])
    move(split, data.label.numpy())
    return {"split": split}


def unseen_gone(split: np.ndarray, label: np.ndarray) -> None:
    split[split == 4] = -1


def unseen_trained(split: np.ndarray, label: np.ndarray) -> None:
    split[np.flatnonzero((label == 6) & (split == 4))[:2]] = 0


def one_left(split: np.ndarray, label: np.ndarray) -> None:
    split[np.flatnonzero((label == 1) & (split == 0))[1:]] = -1


NPZ_FAULTS = [
    ("error", {"audio": None}, ("audio", "missing")),
    ("error", with_values("audio", (3, 2), np.nan), ("audio", "NaN or infinite values in 1 rows")),
    ("error", with_values("video", slice(None), 1.0), ("all rows of video are the same",)),
    ("note", with_values("video", (slice(None), 0), 1.0), ("1 of 12 columns",)),
    ("error", with_values("text", slice(None), 1.0), ("all rows of text are the same",)),
    ("warning", with_values("text", 0, 1.0), ("1 of 9 word vectors",)),
    ("error", with_values("label", 0, 9), ("labels run from 0 to 9",)),
    ("error", {"audio": np.ones((69, 8), np.int64)}, ("table of floats",)),
    ("error", {"audio": small_set().audio.numpy()[:-1]}, ("68 rows but 69 labels",)),
    ("error", {"label": np.ones(69)}, ("whole numbers",)),
    ("error", splits(unseen_gone), ("no sample is in stage_2_test_unseen",)),
    ("error", splits(unseen_trained), ("'Class006'", "stage_1_train and stage_2_test_unseen")),
    ("error", splits(one_left), ("single sample in stage_1_train", "'Class001'")),
    ("error", {"class_names": np.array(["same"] * 9)}, ("'same' stands twice",)),
    ("error", {"ids": np.array([{}] * 69)}, ("pickled objects",)),
]


def test_each_fault_of_an_npz_file(tmp_path):
    for level, changes, parts in NPZ_FAULTS:
        path = changed_npz(tmp_path, **changes)
        report = verify(path)
        assert told(report, level, *parts), str(report)
        one_sentence_each(report)
        assert report.ok == (level != "error")
        if report.ok:
            load_npz(path)
        else:
            with pytest.raises(DataError):
                load_npz(path)


def test_a_whole_npz_file(tmp_path):
    save_npz(small_set(), tmp_path / "set.npz")
    report = verify(tmp_path / "set.npz")
    assert report.findings == []
    assert report.holds == describe_text(small_set()).splitlines()


def test_an_npz_file_with_many_faults(tmp_path):
    changes = with_values("audio", (0, 0), np.nan) | {"video": None} | with_values("label", 0, 9)
    report = verify(changed_npz(tmp_path, **changes))
    assert [told(report, "error", part) for part in ("NaN", "missing", "labels run")] == [True] * 3


def test_a_damaged_npz_file(tmp_path):
    path = changed_npz(tmp_path)
    path.write_bytes(path.read_bytes()[:500])
    assert told(verify(path), "error", "set.npz")


@pytest.mark.real_data
def test_the_real_set_has_no_findings():
    if not os.environ.get("HYPAV_DATA"):
        pytest.skip("no real data")
    report = verify(os.environ["HYPAV_DATA"])
    assert report.findings == []
    assert any("3734 samples, 109 of 109 classes" in line for line in report.holds)


# --- describe -------------------------------------------------------------------------------------------------------


def test_describe():
    data = small_set(groups=True, source="Mine.")
    facts = describe(data)
    assert json.loads(json.dumps(facts)) == facts
    assert facts["samples"] == 69
    assert (facts["classes"], facts["used_classes"]) == (9, 9)
    assert facts["dims"] == {"audio": 8, "video": 12, "text": 6}
    assert facts["splits"]["stage_1_train"] == {"classes": 4, "samples": 26, "smallest": 6, "largest": 7}
    assert facts["phases"]["test"] == {"samples": 23, "seen": 6, "unseen": 3}
    assert facts["phases"]["train_val"] == {"samples": 46, "seen": 6, "unseen": 0}
    norms = torch.linalg.vector_norm(data.audio.double(), dim=1)
    assert facts["norms"]["audio"]["mean"] == pytest.approx(float(norms.mean()), rel=1e-12)
    assert facts["norms"]["audio"]["max"] == pytest.approx(float(norms.max()), rel=1e-12)
    assert facts["groups"] == {"group0": 3, "group1": 3, "group2": 3}
    assert facts["super_groups"] == {"super0": 6, "super1": 3}
    text = describe_text(data)
    assert "69 samples, 9 of 9 classes used" in text
    assert "SIMULATED" not in text
    assert "SIMULATED" in describe_text(small_set(simulated=True))
