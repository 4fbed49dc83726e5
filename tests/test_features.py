"""Feature sets: made from arrays, split, saved, loaded by name and printed; wrong input is one clear sentence."""

from __future__ import annotations

import dataclasses
import errno
import gzip
import io
import os
import unicodedata
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from data_helpers import declared, memory_left, small_set, write_official

from hypav.data import (
    SPLITS,
    FeatureSet,
    describe,
    from_arrays,
    load_npz,
    save_npz,
    split_by_class,
)
from hypav.data.features import row_norms, rows_not_finite, source_arrays
from hypav.data.files import npz_arrays
from hypav.data.load import course_data, load
from hypav.errors import DataError, SettingError

TENSORS = ("audio", "video", "label", "text")


def one_sentence(message: str, *parts: str) -> None:
    assert "\n" not in message
    assert message.endswith(".")
    assert all(part in message for part in parts), message


def arrays(**changes: object) -> dict:
    data = small_set(groups=True)
    parts = {key: getattr(data, key).numpy() for key in TENSORS}
    names = ("name", "class_names", "splits", "ids", "groups", "super_groups")
    return {**parts, **{key: getattr(data, key) for key in names}, **changes}


def same(one: FeatureSet, other: FeatureSet) -> bool:
    lists = ("groups", "super_groups", "ids", "simulated")
    return one.digest == other.digest and all(getattr(one, key) == getattr(other, key) for key in lists)


# --- a set ----------------------------------------------------------------------------------------------------------


def test_a_set_prints_as_five_lines() -> None:
    data = small_set(simulated=True, source="Drawn.")
    name, samples, dimensions, source, digest = str(data).splitlines()
    assert "SIMULATED" in name
    assert "test 23 (6 seen, 3 unseen)" in samples
    assert "train_val 46 (6 seen)" in samples
    assert "audio 8, video 12, text 6" in dimensions
    assert "Drawn." in source
    assert data.digest in digest
    assert "SIMULATED" not in str(small_set())
    assert str(load("simulated:small")).count("[SIMULATED]") == 0, "the name has the mark already"


def test_square_brackets_give_a_phase_that_prints_as_one_line() -> None:
    data = small_set()
    test = data["test"]
    assert torch.equal(test.label, data.phase("test").label)
    assert str(test) == "test: 23 samples; classes: 6 seen, 3 unseen; dimensions: audio 8, video 12, text 6"
    with pytest.raises(DataError, match="no phase 'dev'"):
        data["dev"]


def test_a_phase_leaves_out_samples_of_other_classes_and_moves_to_a_dtype() -> None:
    data = small_set()
    classes = dict(data.split_classes) | {"stage_2_test_unseen": torch.tensor([6, 7])}
    test = dataclasses.replace(data, split_classes=classes)["test"].to(dtype=torch.float64)
    assert test.classes.tolist() == list(range(8))
    assert 8 not in test.label
    assert torch.equal(test.text.float(), data.text[:8])
    assert test.audio.dtype == torch.float64
    assert test.label.dtype == torch.int64


def test_the_digest_sees_what_a_run_sees_and_nothing_else() -> None:
    data = small_set()
    renamed = dataclasses.replace(data, name="other", source="other", loaded_as={"name": "other"})
    assert renamed.digest == data.digest
    for changes in (
        {"audio": data.audio + 1},
        {"label": data.label.flip(0), "splits": {name: 68 - index for name, index in data.splits.items()}},
        {"class_names": data.class_names[::-1]},
        {"splits": {**data.splits, "stage_1_train": data.splits["stage_1_train"][:-1]}},
    ):
        assert dataclasses.replace(data, **{"split_classes": {}, **changes}).digest != data.digest


def test_describe_gives_splits_norms_and_groups() -> None:
    data = small_set(groups=True)
    lines = describe(data).splitlines()
    assert lines[:5] == str(data).splitlines()
    assert any(line.split() == ["stage_1_train", "4", "26", "6-7"] for line in lines)
    norm = torch.linalg.vector_norm(data.audio.double(), dim=1)
    assert any(line.split()[:2] == ["audio", f"{float(norm.mean()):.3f}"] for line in lines)
    assert "super-groups (classes): super0 6, super1 3" in lines


# --- arrays ---------------------------------------------------------------------------------------------------------


def test_arrays_tensors_and_lists_give_the_same_set() -> None:
    given = arrays()
    assert same(from_arrays(**given), small_set(groups=True))
    assert same(
        from_arrays(**given | {key: torch.from_numpy(given[key]) for key in TENSORS}), small_set(groups=True)
    )
    lists = {key: given[key].tolist() for key in TENSORS}
    lists["splits"] = {key: index.tolist() for key, index in given["splits"].items()}
    assert same(from_arrays(**given | lists), small_set(groups=True))


def test_precision_is_kept_and_any_byte_order_is_read() -> None:
    audio, label = small_set().audio, small_set().label
    data = from_arrays(**arrays(audio=audio.numpy().astype(">f8"), label=label.numpy().astype("u1")))
    assert data.audio.dtype == torch.float64
    assert torch.equal(data.audio.float(), audio)
    assert data.label.dtype == torch.int64


def test_splits_are_drawn_from_a_seed_if_none_are_given() -> None:
    drawn = torch.randn(100, 4, generator=torch.Generator().manual_seed(0))
    given = {"audio": drawn, "video": drawn, "label": torch.arange(100) % 10, "text": torch.eye(10)}
    given |= {"class_names": "abcdefghij"}
    data = from_arrays(**given, seed=1)
    assert same(data, from_arrays(**given, seed=1))
    assert not same(data, from_arrays(**given, seed=2))
    assert len(data.split_classes["stage_2_test_unseen"]) == 2, "a fifth of ten classes"
    named = from_arrays(**given, unseen=[7, 8], val_unseen=3)
    assert named.split_classes["stage_2_test_unseen"].tolist() == [7, 8]
    with pytest.raises(SettingError, match="not both"):
        from_arrays(**arrays(), unseen=2)


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"audio": [["x"]]}, "audio must hold floating-point"),
        ({"audio": [[1.0], [1.0, 2.0]]}, "audio is not a table"),
        ({"audio": np.ones((69, 8), np.int32)}, "not torch.int32; convert it to float32"),
        ({"text": np.array([[1.0], None], dtype=object)}, "text is an array of Python objects"),
        ({"label": np.ones(69)}, "label must hold whole numbers"),
        ({"label": np.ones(69, bool)}, "label must hold whole numbers"),
        ({"label": np.ones((69, 1), int)}, "one class id per sample"),
        ({"label": np.full(69, 9)}, "labels run from 9 to 9"),
        ({"video": np.ones((3, 12), np.float32)}, "video has 3 rows"),
        ({"video": np.ones(69, np.float32)}, "video must be a table"),
        ({"video": np.ones((69, 12), np.float32)}, "all rows of video are the same"),
        ({"video": np.full((69, 12), np.nan, np.float32)}, "NaN or infinite values in 69 rows"),
        ({"text": np.ones((3, 6), np.float32) * [[1], [2], [3]]}, "3 text vectors for 9 class names"),
        ({"class_names": ["a"] * 9}, "'a' appears twice"),
        ({"ids": ["a"]}, "1 sample ids for 69 samples"),
        ({"groups": ["a"]}, "groups has 1 names for 9 classes"),
        ({"splits": {"train": [0]}}, "splits must be exactly"),
        ({"splits": {key: [0] for key in SPLITS}}, "disjoint"),
        ({"splits": {**{key: [] for key in SPLITS}, "stage_1_train": [99]}}, "sample 99 of 69"),
    ],
)
def test_wrong_arrays_are_one_sentence(changes, part) -> None:
    with pytest.raises(DataError) as caught:
        from_arrays(**arrays(**changes))
    one_sentence(str(caught.value), part)


def test_classes_in_two_roles_are_refused() -> None:
    data = small_set()
    for splits, classes, part in [
        ({"stage_1_val_unseen": []}, {}, "stage_1_val_unseen has no class"),
        ({}, {"stage_1_train": [0, 1, 2, 3, 4]}, "no sample in split stage_1_train"),
        ({"stage_1_train": [0, *range(10, 26)]}, {}, "single training sample"),
        (
            {"stage_2_test_seen": [*range(46, 60)], "stage_2_test_unseen": [*range(60, 69)]},
            {},
            "both seen and unseen",
        ),
        (
            {"stage_1_train": [*range(26), 66, 67], "stage_2_test_unseen": [*range(59, 66), 68]},
            {},
            "also trained on",
        ),
    ]:
        given = {
            **data.splits,
            **{name: torch.tensor(rows, dtype=torch.int64) for name, rows in splits.items()},
        }
        derived = {name: torch.unique(data.label[index]) for name, index in given.items()}
        derived |= {name: torch.tensor(ids) for name, ids in classes.items()}
        with pytest.raises(DataError) as caught:
            dataclasses.replace(data, splits=given, split_classes=derived)
        one_sentence(str(caught.value), part)


def test_drawn_splits_have_the_benchmarks_form() -> None:
    label = torch.arange(600).remainder(12)
    splits = split_by_class(label, unseen=3, val_unseen=4, generator=torch.Generator().manual_seed(0))
    assert sorted(torch.cat(list(splits.values())).tolist()) == list(range(600))
    classes = {split: set(label[index].tolist()) for split, index in splits.items()}
    assert [len(classes[split]) for split in SPLITS] == [5, 5, 4, 9, 3]
    assert classes["stage_1_train"] == classes["stage_1_val_seen"]
    assert classes["stage_2_test_seen"] == classes["stage_1_train"] | classes["stage_1_val_unseen"]
    # 50 samples a class: 5 test-seen; of the other 45 of a training class 4 val-seen
    assert [len(splits[split]) for split in SPLITS] == [5 * 41, 5 * 4, 4 * 45, 9 * 5, 3 * 50]


def test_what_has_no_splits_is_refused() -> None:
    label = torch.tensor([0] * 5 + [1] * 5 + [2] * 5 + [3] * 3)

    def split(unseen, val_unseen):
        return split_by_class(label, unseen=unseen, val_unseen=val_unseen, generator=torch.Generator())

    for unseen, val_unseen, part in [
        ([0], [1], "Class 3 has 3 samples but needs 4"),
        ([0, 1], [1], "Class 1 is both"),
        ([9], [1], "class 9, which has no sample"),
        ([0, 1], 1, "training, which needs two"),
    ]:
        with pytest.raises(DataError) as caught:
            split(unseen, val_unseen)
        one_sentence(str(caught.value), part)
    with pytest.raises(SettingError, match="at least one class"):
        split(0, 1)
    assert set(label[split([3], 1)["stage_2_test_unseen"]].tolist()) == {3}


# --- npz files ------------------------------------------------------------------------------------------------------


def test_a_saved_set_comes_back(tmp_path) -> None:
    data = small_set(groups=True, source="Mine.")
    save_npz(data, tmp_path / "mine.npz")
    loaded = load_npz(tmp_path / "mine.npz")
    assert same(loaded, data)
    assert (loaded.name, loaded.source) == (data.name, "Mine.")


def test_an_npz_file_needs_six_arrays_only(tmp_path) -> None:
    data = small_set()
    split = np.full(len(data), -1)
    for code, name in enumerate(SPLITS):
        split[data.splits[name]] = code
    parts = {key: getattr(data, key).numpy() for key in TENSORS}
    np.savez_compressed(tmp_path / "mine.npz", split=split, class_names=np.array(data.class_names), **parts)
    loaded = load_npz(tmp_path / "mine.npz")
    assert same(loaded, dataclasses.replace(data, ids=()))
    assert loaded.name == "mine"


def saved_arrays(folder: Path, **changes: object) -> Path:
    save_npz(small_set(), folder / "good.npz")
    with np.load(folder / "good.npz") as archive:
        parts = {**{key: archive[key] for key in archive.files}, **changes}
    np.savez(folder / "bad.npz", **{key: value for key, value in parts.items() if value is not None})
    return folder / "bad.npz"


def test_wrong_npz_files_are_one_sentence(tmp_path) -> None:
    for changes, part in [
        ({"audio": None}, "array audio is missing"),
        ({"class_names": np.array([{"a": 1}], dtype=object)}, "the array 'class_names' holds Python objects"),
        (
            {"audio": np.array([None] * 69)},
            "save names as np.array(audio, dtype=str), and rows of numbers as np.stack",
        ),
        ({"split": np.full(69, 5)}, "from -1 to 4"),
        ({"split": np.zeros(3, int)}, "one for each sample"),
        ({"label": np.zeros(69)}, "label must hold whole numbers"),
        ({"video": np.full((69, 12), np.inf, np.float32)}, "NaN or infinite"),
    ]:
        with pytest.raises(DataError) as caught:
            load_npz(saved_arrays(tmp_path, **changes))
        one_sentence(str(caught.value), "bad.npz", part)


def test_files_that_are_not_npz_get_the_right_cause(tmp_path) -> None:
    whole = saved_arrays(tmp_path).read_bytes()
    path = tmp_path / "cut.npz"
    for content, part in [
        (b"", "empty"),
        (whole[:50], "damaged"),
        (whole[: len(whole) // 2], "damaged"),
        (whole[:900] + b"XXXX" + whole[904:], "damaged"),
        (b"not a zip", "damaged or truncated, or not an npz file"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n", "git lfs pull"),
        (b"\n<!DOCTYPE html><html>Sign in</html>", "a web page"),
        (gzip.compress(whole), "a gzip file"),
        (b"\x89HDF\r\n\x1a\n", "an h5 file"),
        (b"\x80\x04]\x94.", "a Python pickle"),
        ((100).to_bytes(8, "little") + b"x" * 108, "a TFRecord file"),
    ]:
        path.write_bytes(content)
        with pytest.raises(DataError) as caught:
            load_npz(path)
        one_sentence(str(caught.value), "cut.npz", part)
    np.save(tmp_path / "single.npy", np.ones(3))
    with pytest.raises(DataError, match="single array"):
        load_npz(tmp_path / "single.npy")
    with pytest.raises(DataError, match="no such file"):
        load_npz(tmp_path / "nowhere.npz")


def with_member(path: Path, name: str, content: bytes) -> Path:
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(name, content)
    return path


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_repeated_array_is_refused_and_what_is_not_used_is_not_read(tmp_path) -> None:
    objects = np.array([{"a": 1}], dtype=object)
    path = with_member(saved_arrays(tmp_path, mine=objects, big=np.zeros(99)), "notes.txt", b"mine")
    assert same(load_npz(path), small_set())
    for name in ("audio", "audio.npy"):
        path = with_member(saved_arrays(tmp_path), name, b"again")
        with pytest.raises(DataError) as caught:
            load_npz(path)
        one_sentence(str(caught.value), "bad.npz holds 2 arrays named 'audio'")


def test_the_arrays_of_a_file_are_used_without_a_copy(tmp_path, monkeypatch) -> None:
    read: dict[str, np.ndarray] = {}

    def spy(*args: object, **options: object) -> dict[str, np.ndarray]:
        read.update(npz_arrays(*args, **options))
        return read

    monkeypatch.setattr("hypav.data.features.npz_arrays", spy)
    data = load_npz(saved_arrays(tmp_path, unused=np.ones(3)))
    assert "unused" not in read
    for key in ("audio", "video", "text"):
        assert getattr(data, key).data_ptr() == read[key].ctypes.data


def test_norms_and_checks_need_no_second_table() -> None:
    table = torch.ones(100_000, 800)  # 320 MB
    table[7, 3] = torch.inf
    with memory_left(200):
        assert rows_not_finite(table) == [7]
        norms = row_norms(table)
    assert norms[:2].tolist() == [800**0.5] * 2


def test_too_little_memory_is_not_called_damage(tmp_path) -> None:
    rows = np.zeros((20_000, 2_500), np.float32)  # 200 MB
    path = saved_arrays(tmp_path, audio=rows)
    np.save(tmp_path / "audio.npy", rows)
    for read in (lambda: load_npz(path), lambda: source_arrays(tmp_path, ["audio"])):
        with memory_left(120), pytest.raises(DataError) as caught:
            read()
        one_sentence(str(caught.value), "audio.npy" if "audio.npy" in str(caught.value) else "bad.npz")
        one_sentence(
            str(caught.value), "takes 0.2 GB of memory, which is not free here; close other programs"
        )


def test_declared_sizes_are_checked_before_memory_is_reserved(tmp_path) -> None:
    header = b"{'descr': '<f4', 'fortran_order': False, 'shape': (1000000, 850), }"
    npy = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("audio.npy", npy + b"few")
    path, single = tmp_path / "bad.npz", tmp_path / "audio.npy"
    for size, part in (
        (len(npy) + 3, "declares (1000000, 850) values of float32"),
        (
            len(npy) + 3_400_000_000,
            "its arrays take 3.4 GB, but the file has only 0.0 MB and the limit is 1.0 GB",
        ),
    ):
        path.write_bytes(declared(file.getvalue(), size))
        with memory_left(300), pytest.raises(DataError) as caught:
            load_npz(path)
        one_sentence(str(caught.value), "bad.npz", part)
    one_sentence(str(caught.value), "raise the limit with max_gb (--max-gb)")
    with memory_left(300), pytest.raises(DataError, match=r"takes 3\.4 GB of memory"):
        load(path, max_gb=4)
    with single.open("wb") as sparse:
        sparse.write(npy)
        sparse.truncate(len(npy) + 3_400_000_000)
    with memory_left(300), pytest.raises(DataError, match=r"the file is sparse: 3\.4 GB long"):
        source_arrays(tmp_path, ["audio"])
    assert load(saved_arrays(tmp_path), max_gb=1).loaded_as["max_gb"] == 1


def test_a_file_that_may_not_be_read_is_not_called_damaged(tmp_path, monkeypatch) -> None:
    path = saved_arrays(tmp_path)
    for number in (errno.EACCES, errno.EIO):

        def deny(*args: object, number: int = number, **options: object) -> None:
            raise OSError(number, os.strerror(number))

        monkeypatch.setattr("zipfile.ZipFile", deny)  # root may read every file
        with pytest.raises(DataError) as caught:
            load_npz(path)
        one_sentence(str(caught.value), f"bad.npz: the file cannot be read ({os.strerror(number)}).")


def test_names_are_the_same_however_an_editor_wrote_them(tmp_path) -> None:
    names = ["Übung", "b", "c", "d", "e", "f", "g", "h", "x y"]
    expected = from_arrays(**arrays(class_names=names)).digest
    for given in (
        [unicodedata.normalize("NFD", name) for name in names],
        ["\ufeffÜbung", *(f"{name} \r\n" for name in names[1:])],
        [name.encode() for name in names],
        np.array([name.encode() for name in names]),
    ):
        assert from_arrays(**arrays(class_names=given)).digest == expected
        path = saved_arrays(tmp_path, class_names=np.array(given))
        assert load_npz(path).class_names == tuple(names)
    with pytest.raises(DataError, match="'Übung' appears twice"):
        from_arrays(**arrays(class_names=[*names[:-1], unicodedata.normalize("NFD", "Übung")]))
    with pytest.raises(DataError, match="the name of class 8 is empty"):
        from_arrays(**arrays(class_names=[*names[:-1], " "]))


def test_a_folder_of_arrays_is_read_as_people_have_it(tmp_path) -> None:
    names = "Übung\r\nb \r\n\r\n"
    (tmp_path / "class_names.txt").write_bytes(b"\xef\xbb\xbf" + unicodedata.normalize("NFD", names).encode())
    np.save(tmp_path / "label.npy", np.arange(3))
    (tmp_path / "notes.txt").write_bytes(b"\xff")
    np.save(tmp_path / "mine.npy", np.array([None]))
    given = source_arrays(tmp_path, ["class_names", "label"])
    assert given.pop("label").tolist() == [0, 1, 2]
    assert given == {"class_names": ["Übung", "b"]}
    (tmp_path / "groups.txt").write_text("g\n\nh\n\n", encoding="utf-8")
    assert source_arrays(tmp_path, ["groups"]) == {"groups": ["g", "", "h"]}, "a class without a group"
    with pytest.raises(DataError, match="the array 'mine' holds Python objects"):
        source_arrays(tmp_path, ["mine"])


# --- loading by name ------------------------------------------------------------------------------------------------


def test_each_kind_of_set_loads_and_loads_again(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    save_npz(small_set(), "mine.npz")
    write_official(small_set(), tmp_path / "folder", dataset="mine")
    for name in ("simulated:small", "mine.npz", Path("folder")):
        data = load(name, seed=3)
        monkeypatch.chdir("/")
        assert load(**data.loaded_as).digest == data.digest
        monkeypatch.chdir(tmp_path)


def test_the_course_uses_the_set_that_the_variable_names(monkeypatch) -> None:
    monkeypatch.setenv("HYPAV_COURSE", "simulated:small")
    assert course_data().digest == load("simulated:small").digest


def test_names_that_cannot_be_loaded_are_one_sentence(tmp_path, monkeypatch) -> None:
    monkeypatch.delenv("HYPAV_DATA", raising=False)
    (tmp_path / "notes.txt").write_text("")
    (tmp_path / "a.npz.gz").write_bytes(gzip.compress(b""))
    os.mkfifo(tmp_path / "pipe")
    for name, part in [
        ("yt8m-mini", "environment variable HYPAV_DATA"),
        ("nowhere", "no set and no file 'nowhere'"),
        (tmp_path / "notes.txt", "neither a folder nor a .npz file"),
        (tmp_path / "a.npz.gz", "neither a folder nor a .npz file but a gzip file"),
        (tmp_path / "pipe", "it is a pipe, and only regular files are opened"),
        ("n" * 300, "cannot be read (File name too long)"),
        ("a\0b", "no set and no file 'a\\x00b'"),
    ]:
        with pytest.raises(DataError) as caught:
            load(name)
        one_sentence(str(caught.value), part)
    with pytest.raises(SettingError, match="no counts 'kinetics'"):
        load("simulated:kinetics")
