"""The official door and your own arrays: every quirk of the folders, exact round trips, one sentence for each fault."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from data_helpers import SMALL_COUNTS, UCF_COUNTS, official_folder, small_set

from hypav.data import (
    SPLITS,
    FeatureSet,
    from_arrays,
    load_npz,
    read_official,
    save_npz,
    split_by_class,
    write_official,
    write_word_vectors,
)
from hypav.errors import DataError, RunError, SettingError

TENSORS = ("audio", "video", "label", "text")


def assert_equal_sets(one: FeatureSet, other: FeatureSet) -> None:
    for key in TENSORS:
        assert getattr(one, key).dtype == getattr(other, key).dtype, key
        assert torch.equal(getattr(one, key), getattr(other, key)), key
    for split in SPLITS:
        assert torch.equal(one.splits[split], other.splits[split]), split
        assert torch.equal(one.split_classes[split], other.split_classes[split]), split
    for key in ("class_names", "groups", "super_groups", "ids"):
        assert getattr(one, key) == getattr(other, key), key


def one_sentence(error: Exception, *parts: str) -> None:
    message = str(error)
    for part in parts:
        assert part in message
    assert "\n" not in message
    assert message.endswith(".")
    assert len(message) < 500


def refused(root: Path, *parts: str, **options: object) -> None:
    with pytest.raises(DataError) as caught:
        read_official(root, **options)
    one_sentence(caught.value, *parts)


@pytest.fixture(scope="module")
def ucf(tmp_path_factory) -> Path:
    return official_folder(tmp_path_factory.mktemp("bench") / "UCF", stage_2_train=True)


@pytest.fixture(scope="module")
def whole_folder(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("own") / "set"
    return write_official(small_set(groups=True), root, dataset="own", stage_2_train=False)


@pytest.fixture
def own(whole_folder, tmp_path) -> Path:
    """A small folder of one's own, to damage."""
    return shutil.copytree(whole_folder, tmp_path / "set")


def test_phases_of_a_folder_are_views(ucf) -> None:
    """train and val together have all rows that are not of the test: copies would double the memory."""
    data = read_official(ucf)
    for name in ("train", "val", "train_val", "test"):
        phase = data.phase(name)
        assert phase.video.untyped_storage().data_ptr() == data.video.untyped_storage().data_ptr()
        rows = torch.isin(data.label, phase.classes)
        assert set(phase.label.tolist()) <= set(data.label[rows].tolist())
        first = int((data.video == phase.video[0]).all(dim=1).nonzero()[0])
        assert torch.equal(phase.video, data.video[first : first + len(phase)])
        assert torch.equal(phase.label, data.label[first : first + len(phase)])


def h5_file(root: Path, modality: str, split: str, name: str) -> Path:
    return root / "features" / "main_features" / modality / split / f"{name}.h5"


TRAIN = ("stage_1_train", "Class001")


def rewrite(path: Path, **changes: object) -> None:
    with h5py.File(path, "r+") as file:
        for key, value in changes.items():
            del file[key]
            if value is not None:
                file[key] = value


# --- the published form -------------------------------------------------------------------------------------------


def test_ucf_counts(ucf):
    data = read_official(ucf)
    assert len(data.class_names) == 101
    found = {split: (len(data.split_classes[split]), len(data.splits[split])) for split in SPLITS}
    assert found == UCF_COUNTS
    assert len(torch.unique(data.label)) == 51
    assert len(data.phase("train_val")) == 4994
    assert data.audio.dtype == data.video.dtype == data.text.dtype == torch.float32
    assert data.name == "UCF-GZSL (main)"
    assert not data.simulated


def test_small_dimensions_are_not_the_papers_set(ucf):
    assert read_official(ucf).paper_key is None


@pytest.mark.parametrize(("features", "dims"), [("main", (512, 512, 300)), ("cls", (128, 4096, 300))])
def test_the_papers_set_is_recognised(tmp_path, features, dims):
    # the real class counts with one or two samples each: classes and dimensions decide
    counts = {split: (classes, 2 * classes) for split, (classes, _) in UCF_COUNTS.items()}
    unseen = {"main": 9, "cls": 6}[features]
    counts["stage_2_test_unseen"] = (unseen, unseen)
    data = small_set(counts=counts, classes=101, dims=dims)
    write_official(data, tmp_path / "UCF", features, dataset="ucf", stage_2_train=False)
    note = tmp_path / "UCF" / "features" / f"{features}_features" / "hypav.json"
    note.unlink()
    data = read_official(tmp_path / "UCF", features)
    assert data.paper_key == ("UCF-GZSL", features)
    assert "Mercea" in data.source
    # other features under the published name, as this package writes them, are not the paper's
    note.write_text('{"name": "mine", "source": "My extractor.", "simulated": false}')
    data = read_official(tmp_path / "UCF", features)
    assert (data.name, data.source, data.paper_key) == ("mine", "My extractor.", None)


def test_official_rows_are_the_shifted_ones(ucf):
    correct = read_official(ucf)
    official = read_official(ucf, text_alignment="official")
    # Class020 is "Weight Lifting" in the list of manual names, which sorts last of 101: 20 rows before it agree.
    expected = list(range(20)) + list(range(21, 101)) + [20]
    assert torch.equal(official.text, correct.text[expected])
    assert torch.equal(official.audio, correct.audio)
    assert official.name != correct.name


def test_reading_does_not_depend_on_the_order_of_the_file_system(ucf, tmp_path):
    other = tmp_path / "UCF"
    for path in sorted(ucf.rglob("*"), reverse=True):
        if path.is_file():
            target = other / path.relative_to(ucf)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, target)
    assert_equal_sets(read_official(ucf), read_official(other))


def test_stage_2_train_is_the_union_and_is_not_read(ucf, tmp_path):
    listed = (ucf / "class-split/main_split/stage_2_train.txt").read_text().split()
    assert len(listed) == 42
    rows = sum(
        h5py.File(p)["data"].shape[0] for p in ucf.glob("features/main_features/audio/stage_2_train/*.h5")
    )
    assert rows == 4994
    whole = read_official(ucf)
    other = tmp_path / "UCF"
    shutil.copytree(ucf, other)
    shutil.rmtree(other / "features/main_features/audio/stage_2_train")
    assert_equal_sets(whole, read_official(other))


def test_the_released_loader_can_read_what_we_write(ucf):
    with h5py.File(h5_file(ucf, "video", *TRAIN)) as file:
        assert file["data"].dtype == np.float32
        assert file["video_urls"].dtype == np.dtype("S80")
        assert file["video_urls"][0].decode() == "v_Class001_00106"
    vectors = np.load(
        ucf / "features/main_features/text/word_embeddings_ucf_normed.npy", allow_pickle=True
    ).item()
    names = [
        line.split(",") for line in (ucf / "class-split/ucf_w2v_class_names.csv").read_text().splitlines()
    ]
    assert names[0] == ["original", "manual"]
    assert {manual for _, manual in names[1:]} == set(vectors)
    rows = (ucf / "class-split/main_split/stage_1_train.csv").read_text().splitlines()
    assert rows[:2] == ["filename,label,label_code", "v_Class000_00000,Class000,0"]
    assert len(rows) == 3175


# --- quirks -------------------------------------------------------------------------------------------------------


def test_round_trip_is_exact(own):
    assert_equal_sets(read_official(own), small_set(groups=True))


def test_round_trip_of_unsorted_classes_keeps_every_sample(tmp_path):
    data = small_set()
    order = torch.randperm(len(data.class_names), generator=torch.Generator().manual_seed(1))
    rank = torch.argsort(order)
    mixed = dataclasses.replace(
        data,
        label=rank[data.label],
        text=data.text[order],
        class_names=tuple(data.class_names[i] for i in order.tolist()),
        split_classes={},
    )
    write_official(mixed, tmp_path / "set")
    assert_equal_sets(read_official(tmp_path / "set"), data)


def test_both_kinds_in_one_folder(tmp_path):
    root = tmp_path / "set"
    main, cls = small_set(), small_set(dims=(5, 7, 4), seed=3, name="small (cls)", simulated=True)
    write_official(main, root)
    write_official(cls, root, "cls")
    assert_equal_sets(read_official(root), main)
    assert_equal_sets(read_official(root, "cls"), cls)
    assert [read_official(root, kind).simulated for kind in ("main", "cls")] == [False, True]
    assert [read_official(root, kind).name for kind in ("main", "cls")] == ["small (main)", "small (cls)"]


def test_case_counts_in_vggsound_only(tmp_path):
    for dataset, same in [("ucf", True), ("activitynet", True), ("vggsound", False)]:
        root = write_official(small_set(), tmp_path / dataset, dataset=dataset)
        for modality in ("audio", "video"):
            path = h5_file(root, modality, *TRAIN)
            path.rename(path.with_name("clASS001.h5"))
        if same:
            assert_equal_sets(read_official(root), small_set())
        else:
            refused(root, "clASS001.h5", "named after no class")


def test_classes_are_ranked_before_case_is_dropped(tmp_path):
    names = ("CASE", "Zebra", "apple", "b a", "b", "b-c", "Über", "x,y", 'q"q')
    data = small_set()
    data = dataclasses.replace(data, class_names=names)
    root = write_official(data, tmp_path / "set", dataset="ucf")
    found = read_official(root)
    assert found.class_names == tuple(sorted(names))
    for row, name in enumerate(names):
        at = found.class_names.index(name)
        assert torch.equal(found.text[at], data.text[row])
        assert torch.equal(found.audio[found.label == at], data.audio[data.label == row])


def test_a_folder_named_class_split(own):
    (own / "class-split").rename(own / "class_split")
    assert_equal_sets(read_official(own), small_set(groups=True))


def test_lists_without_a_last_newline_or_order(own):
    for path in own.glob("class-split/**/*.txt"):
        path.write_text("\n".join(reversed(path.read_text().splitlines())))
    assert_equal_sets(read_official(own), small_set(groups=True))


def test_classes_outside_a_list_are_left_out(own):
    listed = own / "class-split/main_split/stage_2_test_unseen.txt"
    listed.write_text("".join(listed.read_text().splitlines(keepends=True)[:-1]))
    data = read_official(own)
    full = small_set()
    kept = full.splits["stage_2_test_unseen"][full.label[full.splits["stage_2_test_unseen"]] != 8]
    assert torch.equal(data.audio[data.splits["stage_2_test_unseen"]], full.audio[kept])
    assert data.split_classes["stage_2_test_unseen"].tolist() == [6, 7]
    assert len(data.class_names) == 9


def test_strings_of_variable_length_and_doubles(own):
    for modality in ("audio", "video"):
        path = h5_file(own, modality, *TRAIN)
        with h5py.File(path) as file:
            names, values = file["video_urls"].asstr()[:].tolist(), file["data"][:]
        names[0] = "Grüße " + "x" * 100
        rewrite(path, video_urls=names, data=values.astype(np.float64))
    data = read_official(own)
    assert data.ids[int((data.label == 1).nonzero()[0])] == "Grüße " + "x" * 100
    assert torch.equal(data.audio, small_set().audio)


def test_long_names_survive(tmp_path):
    data = small_set()
    data = dataclasses.replace(data, ids=tuple(f"ü{i:0100d}" for i in range(len(data))))
    assert read_official(write_official(data, tmp_path / "s")).ids == data.ids


def test_hidden_and_foreign_files_are_passed_over(own):
    place = h5_file(own, "audio", *TRAIN).parent
    (place / "._Class001.h5").write_bytes(b"resource fork")
    (place / "notes.txt").write_text("mine")
    assert_equal_sets(read_official(own), small_set(groups=True))


def test_simulated_features_stay_called_so(tmp_path):
    data = small_set(name="SIMULATED (test)", simulated=True, source="SIMULATED features.")
    root = write_official(data, tmp_path / "UCF", dataset="ucf")
    found = read_official(root)
    assert found.simulated
    assert found.name.startswith("SIMULATED")
    assert found.source == data.source
    assert found.paper_key is None
    save_npz(data, tmp_path / "s.npz")
    assert load_npz(tmp_path / "s.npz").simulated


def test_which_dataset(own):
    shutil.copy(own / "class-split/own_w2v_class_names.csv", own / "class-split/other_w2v_class_names.csv")
    refused(own, "several files (other, own)")
    assert read_official(own, dataset="own").name == "small (main)"
    refused(own, "no file third_w2v", dataset="third")


def test_settings():
    with pytest.raises(SettingError, match="no 'raw' features; choose one of main, cls"):
        read_official("anywhere", "raw")
    with pytest.raises(SettingError, match="no 'raw' features"):
        write_official(small_set(), "anywhere", "raw")


def test_unknown_alignment(own):
    with pytest.raises(SettingError, match="must be correct or official, not 'best'"):
        read_official(own, text_alignment="best")


# --- faults, each one sentence -------------------------------------------------------------------------------------


def test_missing_things(own, tmp_path):
    refused(tmp_path / "nowhere", "no such folder")
    refused(tmp_path, "no folder class-split")
    for victim, part in (
        ("features/main_features/text/word_embeddings_own_normed.npy", "word vectors is missing"),
        ("features/main_features/video/stage_2_test_seen", "folder is missing"),
        ("class-split/main_split/stage_1_val_unseen.txt", "class list is missing"),
        ("class-split/all_class.txt", "class list is missing"),
        ("class-split/own_w2v_class_names.csv", "no file"),
    ):
        path = own / victim
        path.rename(tmp_path / "away")
        refused(own, part, path.parent.name)
        (tmp_path / "away").rename(path)
    assert_equal_sets(read_official(own), small_set(groups=True))
    refused(own, "class list is missing", "cls_split", features="cls")


def test_truncated_h5(own):
    for modality in ("audio", "video"):
        path = h5_file(own, modality, *TRAIN)
        whole = path.read_bytes()
        for length in (0, 100, len(whole) // 2, len(whole) * 99 // 100):
            path.write_bytes(whole[:length])
            refused(own, "Class001.h5", "truncated")
        path.write_bytes(whole)


def test_wrong_h5(own):
    path = h5_file(own, "audio", *TRAIN)
    whole = path.read_bytes()
    with h5py.File(path) as file:
        assert file["data"].shape == (7, 8)
    for changes, parts in [
        ({"data": np.ones((7, 9), np.float32)}, ("9 dimensions", "have 8")),
        ({"data": np.full((7, 8), np.nan, np.float32)}, ("NaN", "7 of 7 rows")),
        ({"data": np.ones((6, 8), np.float32)}, ("one string for each of the 6 rows",)),
        ({"data": np.ones((0, 8), np.float32)}, ("no sample in it",)),
        ({"data": np.ones((7, 8), np.int64)}, ("must be floats",)),
        ({"data": np.ones(7, np.float32)}, ("must be floats",)),
        ({"data": None}, ("no dataset 'data'",)),
        ({"video_urls": None}, ("no dataset 'video_urls'",)),
        ({"video_urls": np.arange(7)}, ("one string",)),
        ({"video_urls": np.array([b"\xff\xfe"] * 7)}, ("damaged",)),
        ({"data": h5py.ExternalLink("/etc/passwd", "/data")}, ("links are not followed",)),
        ({"data": h5py.SoftLink("/video_urls")}, ("links are not followed",)),
    ]:
        rewrite(path, **changes)
        refused(own, "Class001.h5", *parts)
        path.write_bytes(whole)


def test_h5_that_reads_other_files_or_stores_nothing(own, tmp_path):
    path = h5_file(own, "audio", *TRAIN)
    (tmp_path / "secret").write_bytes(b"s" * 7 * 8 * 4)
    rewrite(path, data=None)
    with h5py.File(path, "r+") as file:
        file.create_dataset("data", (7, 8), "f4", external=[(str(tmp_path / "secret"), 0, 224)])
    refused(own, "links are not followed")
    rewrite(path, data=None)
    with h5py.File(path, "r+") as file:
        file.create_dataset("data", (10**12, 512), "f4", chunks=(1024, 512))
        del file["video_urls"]
        file.create_dataset("video_urls", (10**12,), "S80", chunks=(1024,))
    refused(own, "declares", "stores none")


def test_rows_of_audio_and_video_must_agree(own):
    path = h5_file(own, "video", *TRAIN)
    with h5py.File(path) as file:
        values, names = file["data"][:], file["video_urls"][:]
    rewrite(path, data=values[::-1], video_urls=names[::-1])
    refused(own, "row 0 is the video 'v_Class001_00013'", "'v_Class001_00007'")
    rewrite(path, data=values[:5], video_urls=names[:5])
    refused(own, "5 video rows but 7 audio rows")


def test_class_lists_and_files_disagree(own):
    h5_file(own, "video", *TRAIN).rename(h5_file(own, "video", "stage_1_train", "Nobody"))
    refused(own, "Nobody.h5", "named after no class")
    h5_file(own, "video", "stage_1_train", "Nobody").unlink()
    refused(own, "'Class001' has no sample")
    h5_file(own, "audio", *TRAIN).unlink()
    refused(own, "'Class001' has no sample")


def test_wrong_lists(own):
    for listed, line, parts in [
        ("main_split/stage_1_train.txt", "Nobody\n", ("'Nobody' is not in all_class.txt",)),
        ("all_class.txt", "Nobody\n", ("'Nobody' of all_class.txt has no row",)),
        ("all_class.txt", "Class001\n", ("'Class001' stands twice",)),
        ("main_split/stage_1_train.txt", "Class006\n", ("stage_1_train and stage_2_test_unseen",)),
        ("main_split/stage_1_val_unseen.txt", "Class000\n", ("stage_1_val_seen and stage_1_val_unseen",)),
        ("main_split/stage_2_test_seen.txt", "Class008\n", ("stage_2_test_seen and stage_2_test_unseen",)),
        ("main_split/stage_1_val_seen.txt", "Class004\n", ("stage_1_val_seen and stage_1_val_unseen",)),
    ]:
        path = own / "class-split" / listed
        whole = path.read_text()
        path.write_text(whole + line)
        refused(own, *parts)
        path.write_text(whole)


def test_empty_unseen_list(own):
    (own / "class-split/main_split/stage_2_test_unseen.txt").write_text("\n")
    refused(own, "stage_2_test_unseen.txt", "empty")


def test_lists_that_are_no_text(own):
    (own / "class-split/main_split/stage_1_train.txt").write_bytes(b"\xff\xfe\x00")
    refused(own, "stage_1_train.txt", "UTF-8")


def test_wrong_csv(own):
    for content in [b"", b"a,b\n1,2\n", b"original,manual\n", b"\xff\xfe"]:
        (own / "class-split/own_w2v_class_names.csv").write_bytes(content)
        refused(own, "own_w2v_class_names.csv")


def test_wrong_word_vectors(own):
    path = own / "features/main_features/text/word_embeddings_own_normed.npy"
    vectors = {f"Class{i:03d}": np.eye(9, dtype=np.float32)[i] for i in range(9)}
    write_word_vectors({**vectors, "Class003": np.full(9, np.nan)}, path)
    refused(own, "NaN", "'Class003'")
    del vectors["Class005"]
    write_word_vectors(vectors, path)
    refused(own, "no word vector 'Class005'")
    path.write_bytes(b"\x93NUMPY nothing")
    refused(own, "word vectors cannot be used")


def test_a_constant_modality_and_a_lone_sample(tmp_path, own):
    for path in own.glob("features/main_features/audio/*/*.h5"):
        with h5py.File(path, "r+") as file:
            file["data"][...] = 1.0
    refused(own, "all rows of audio are the same")
    other = write_official(small_set(), tmp_path / "other")
    for modality in ("audio", "video"):
        path = h5_file(other, modality, *TRAIN)
        with h5py.File(path) as file:
            values, names = file["data"][:1], file["video_urls"][:1]
        rewrite(path, data=values, video_urls=names)
    refused(other, "'Class001' has a single training sample")


# --- writing --------------------------------------------------------------------------------------------------------


def test_class_names_that_are_no_file_names(tmp_path):
    for name in ["a/b", ".hidden", " blank", "two\nlines", "", "u\u2028v"]:
        data = small_set()
        data = dataclasses.replace(data, class_names=(name, *data.class_names[1:]))
        with pytest.raises(DataError, match="cannot be a file name") as caught:
            write_official(data, tmp_path / "s")
        one_sentence(caught.value)
        assert not (tmp_path / "s").exists()


def test_class_names_that_differ_in_case(tmp_path):
    data = small_set()
    data = dataclasses.replace(data, class_names=("class001", *data.class_names[1:]))
    write_official(data, tmp_path / "vggsound", dataset="vggsound")
    with pytest.raises(DataError, match="differ only in case"):
        write_official(data, tmp_path / "ucf", dataset="ucf")


def test_nothing_is_overwritten(own):
    with pytest.raises(RunError, match="already there"):
        write_official(small_set(), own)
    other = dataclasses.replace(small_set(), class_names=tuple("ABCDEFGHI"))
    with pytest.raises(RunError, match="lists other classes"):
        write_official(other, own, "cls")


def test_two_classes_with_one_manual_name(tmp_path):
    with pytest.raises(DataError, match="manual names must differ"):
        write_official(small_set(), tmp_path / "s", manual={"Class000": "x", "Class001": "x"})


# --- your own arrays ------------------------------------------------------------------------------------------------


def arrays(**changes: object) -> dict:
    data = small_set(groups=True)
    parts = {key: getattr(data, key).numpy() for key in TENSORS}
    parts.update(name=data.name, class_names=data.class_names, splits=data.splits, ids=data.ids)
    parts.update(groups=data.groups, super_groups=data.super_groups)
    return {**parts, **changes}


def test_from_arrays():
    assert_equal_sets(from_arrays(**arrays()), small_set(groups=True))
    as_lists = arrays()
    as_lists.update({key: as_lists[key].tolist() for key in TENSORS})
    as_lists["splits"] = {key: index.tolist() for key, index in as_lists["splits"].items()}
    assert_equal_sets(from_arrays(**as_lists), small_set(groups=True))


def test_from_arrays_keeps_precision_and_reads_any_byte_order():
    data = from_arrays(
        **arrays(audio=small_set().audio.numpy().astype(">f8"), label=small_set().label.numpy().astype("u1"))
    )
    assert data.audio.dtype == torch.float64
    assert torch.equal(data.audio.float(), small_set().audio)
    assert data.label.dtype == torch.int64


def test_from_arrays_draws_splits():
    options = arrays(splits=None, unseen=[7, 8], val_unseen=2)
    one = from_arrays(**options, generator=torch.Generator().manual_seed(0))
    two = from_arrays(**options, generator=torch.Generator().manual_seed(0))
    assert_equal_sets(one, two)
    assert one.split_classes["stage_2_test_unseen"].tolist() == [7, 8]
    with pytest.raises(SettingError, match="either splits, or unseen"):
        from_arrays(**options)


def test_arrays_of_the_wrong_kind():
    for changes, part in [
        ({"audio": [["x"]]}, "audio must hold floating-point numbers"),
        ({"audio": [[1.0], [1.0, 2.0]]}, "audio is not a table"),
        ({"audio": np.ones((3, 8), np.int32)}, "audio must hold floating-point"),
        ({"audio": torch.ones(3, 8, dtype=torch.int32)}, "audio must hold floating-point"),
        ({"label": np.ones(69)}, "label must hold whole numbers"),
        ({"label": torch.ones(69)}, "label must hold whole numbers"),
        ({"label": np.ones(69, bool)}, "label must hold whole numbers"),
        ({"video": np.ones((3, 8), np.float32)}, "video has 3 rows"),
    ]:
        with pytest.raises(DataError) as caught:
            from_arrays(**arrays(**changes))
        one_sentence(caught.value, part)


def test_split_by_class_has_the_benchmarks_form():
    label = torch.arange(600).remainder(12)
    splits = split_by_class(label, unseen=3, val_unseen=4, generator=torch.Generator().manual_seed(0))
    assert sorted(torch.cat(list(splits.values())).tolist()) == list(range(600))
    classes = {split: set(label[index].tolist()) for split, index in splits.items()}
    assert {split: len(found) for split, found in classes.items()} == dict(
        zip(SPLITS, (5, 5, 4, 9, 3), strict=True)
    )
    assert classes["stage_1_train"] == classes["stage_1_val_seen"]
    assert classes["stage_2_test_seen"] == classes["stage_1_train"] | classes["stage_1_val_unseen"]
    # 50 samples a class: 5 test-seen; of the other 45 of a training class 4 val-seen
    assert [len(splits[split]) for split in SPLITS] == [5 * 41, 5 * 4, 4 * 45, 9 * 5, 3 * 50]
    again = split_by_class(label, unseen=3, val_unseen=4, generator=torch.Generator().manual_seed(0))
    assert all(torch.equal(splits[split], again[split]) for split in SPLITS)
    other = split_by_class(label, unseen=3, val_unseen=4, generator=torch.Generator().manual_seed(1))
    assert not torch.equal(splits["stage_1_train"], other["stage_1_train"])


def test_split_by_class_refuses_what_has_no_splits():
    label = torch.tensor([0] * 5 + [1] * 5 + [2] * 5 + [3] * 3)

    def split(unseen, val_unseen, label=label, **options):
        return split_by_class(
            label, unseen=unseen, val_unseen=val_unseen, generator=torch.Generator(), **options
        )

    with pytest.raises(DataError, match="Class 3 has 3 samples but needs 4"):
        split([0], [1])
    with pytest.raises(DataError, match="Class 1 is both"):
        split([0, 1], [1])
    with pytest.raises(DataError, match="class 9, which has no sample"):
        split([9], [1])
    with pytest.raises(DataError, match="No class is left"):
        split([0, 1], 2)
    with pytest.raises(SettingError, match="at least one class"):
        split(0, 1)
    with pytest.raises(SettingError, match="fractions"):
        split([0], [1], fractions=(0.1, 1.0))
    assert set(label[split([3], 1)["stage_2_test_unseen"]].tolist()) == {3}


def test_npz_round_trip(tmp_path):
    data = small_set(groups=True, source="Mine.")
    save_npz(data, tmp_path / "mine.npz")
    found = load_npz(tmp_path / "mine.npz")
    assert_equal_sets(found, data)
    assert (found.name, found.source, found.simulated) == (data.name, "Mine.", False)
    with np.load(tmp_path / "mine.npz", allow_pickle=False) as archive:
        assert set(archive.files) == {*TENSORS, "split", "class_names", "groups", "super_groups", "ids"} | {
            "name",
            "source",
            "simulated",
        }


def test_npz_with_the_least(tmp_path):
    data = small_set()
    split = np.zeros(len(data), np.int64)
    for code, name in enumerate(SPLITS):
        split[data.splits[name]] = code
    parts = {key: getattr(data, key).numpy() for key in TENSORS}
    np.savez_compressed(tmp_path / "mine.npz", split=split, class_names=np.array(data.class_names), **parts)
    found = load_npz(tmp_path / "mine.npz")
    assert_equal_sets(found, dataclasses.replace(data, ids=()))
    assert found.name == "mine"


def saved_arrays(tmp_path: Path, **changes: object) -> Path:
    save_npz(small_set(), tmp_path / "good.npz")
    with np.load(tmp_path / "good.npz") as archive:
        parts = {key: archive[key] for key in archive.files}
    parts = {key: value for key, value in {**parts, **changes}.items() if value is not None}
    np.savez(tmp_path / "bad.npz", **parts)
    return tmp_path / "bad.npz"


def test_wrong_npz(tmp_path):
    for changes, part in [
        ({"audio": None}, "array audio is missing"),
        ({"class_names": np.array([{"a": 1}], dtype=object)}, "pickled objects, which are never opened"),
        ({"class_names": np.array([b"bytes"])}, "class_names must be plain text"),
        ({"split": np.full(69, 5)}, "from -1 to 4"),
        ({"split": np.zeros(3, int)}, "for each label"),
        ({"label": np.zeros(69)}, "label must be a list of whole numbers"),
        ({"simulated": np.array(3)}, "one truth value"),
        ({"name": np.array(3)}, "name must be plain text"),
        ({"text": np.ones((9, 6), np.int8)}, "text must hold floating-point"),
        ({"ids": np.array(["one"])}, "1 sample ids for 69 samples"),
        ({"video": np.full((69, 12), np.inf, np.float32)}, "NaN or infinite"),
    ]:
        with pytest.raises(DataError) as caught:
            load_npz(saved_arrays(tmp_path, **changes))
        one_sentence(caught.value, "bad.npz", part)


def test_damaged_npz(tmp_path):
    whole = saved_arrays(tmp_path).read_bytes()
    path = tmp_path / "cut.npz"
    for content in (
        b"",
        whole[:50],
        whole[: len(whole) // 2],
        whole[:-10],
        b"not a zip",
        whole[:900] + b"XXXX" + whole[904:],
    ):
        path.write_bytes(content)
        with pytest.raises(DataError) as caught:
            load_npz(path)
        one_sentence(caught.value, "cut.npz")
    np.save(tmp_path / "one.npy", np.ones(3))
    with pytest.raises(DataError, match="single array"):
        load_npz(tmp_path / "one.npy")
    with pytest.raises(DataError, match="no such file"):
        load_npz(tmp_path / "nowhere.npz")


def test_small_counts_are_what_the_tests_above_assume():
    data = small_set()
    assert {
        split: (len(data.split_classes[split]), len(data.splits[split])) for split in SPLITS
    } == SMALL_COUNTS
    assert int((data.label[data.splits["stage_1_train"]] == 1).sum()) == 7
