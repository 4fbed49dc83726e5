"""Benchmark folders: exact round trips, every quirk of the folders, one clear sentence per fault."""

from __future__ import annotations

import dataclasses
import errno
import io
import os
import shutil
import tarfile
import time
import unicodedata
import zipfile
import zlib
from pathlib import Path
from types import SimpleNamespace

import h5py
import numpy as np
import pytest
import torch
from click.testing import CliRunner
from data_helpers import (
    UCF_COUNTS,
    declared,
    memory_left,
    official_folder,
    small_set,
    write_official,
    write_word_vectors,
)

from hypav.cli import cli
from hypav.data import SPLITS, FeatureSet, read_official
from hypav.data.official import official_archive_help, text_rows, unpack
from hypav.data.vectors import read_word_vectors
from hypav.errors import DataError, RunError, SettingError

TRAIN = ("stage_1_train", "Class001")
VECTORS = "features/main_features/text/word_embeddings_own_normed.npy"


def assert_equal_sets(first: FeatureSet, second: FeatureSet) -> None:
    assert first.digest == second.digest
    for key in ("class_names", "groups", "super_groups", "ids"):
        assert getattr(first, key) == getattr(second, key), key


def is_clear(error: Exception, *parts: str) -> None:
    message = str(error)
    for part in parts:
        assert part in message
    assert "\n" not in message
    assert message.endswith(".")
    assert len(message) < 500


def refused(root: Path, *parts: str, **options: object) -> None:
    with pytest.raises(DataError) as caught:
        read_official(root, **options)
    is_clear(caught.value, *parts)


@pytest.fixture(scope="module")
def ucf(tmp_path_factory) -> Path:
    return official_folder(tmp_path_factory.mktemp("bench") / "UCF")


@pytest.fixture(scope="module")
def whole_folder(tmp_path_factory) -> Path:
    return write_official(small_set(groups=True), tmp_path_factory.mktemp("own") / "set", dataset="own")


@pytest.fixture
def own(whole_folder, tmp_path) -> Path:
    """A small folder, to damage."""
    return shutil.copytree(whole_folder, tmp_path / "set")


def h5_file(root: Path, modality: str, split: str, name: str) -> Path:
    return root / "features" / "main_features" / modality / split / f"{name}.h5"


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
    counts = {split: (len(data.split_classes[split]), len(data.splits[split])) for split in SPLITS}
    assert counts == UCF_COUNTS
    assert len(data.phase("train_val")) == 4994
    assert data.audio.dtype == data.video.dtype == data.text.dtype == torch.float32
    assert (data.name, data.simulated) == ("UCF-GZSL (main)", False)
    assert data.paper_key is None, "the dimensions are not the paper's"


def test_phases_of_a_folder_are_views(ucf):
    """A copy would double the memory."""
    data = read_official(ucf)
    for name in ("train", "val", "train_val", "test"):
        phase = data.phase(name)
        assert phase.video.untyped_storage().data_ptr() == data.video.untyped_storage().data_ptr()


@pytest.mark.parametrize(("features", "dims"), [("main", (512, 512, 300)), ("cls", (128, 4096, 300))])
def test_the_papers_set_is_recognised(tmp_path, features, dims):
    # the real class counts with one or two samples each: classes and dimensions decide
    counts = {split: (classes, 2 * classes) for split, (classes, _) in UCF_COUNTS.items()}
    unseen = {"main": 9, "cls": 6}[features]
    counts["stage_2_test_unseen"] = (unseen, unseen)
    write_official(
        small_set(counts=counts, classes=101, dims=dims), tmp_path / "UCF", features, dataset="ucf"
    )
    data = read_official(tmp_path / "UCF", features)
    assert data.paper_key == ("UCF-GZSL", features)
    assert "Mercea" in data.source


def test_official_text_rows_are_shifted(ucf):
    correct, official = (read_official(ucf, text_alignment=which) for which in ("correct", "official"))
    # Class020 is "Weight Lifting" in the list of manual names, which sorts last of 101: 20 rows before it agree.
    expected = list(range(20)) + list(range(21, 101)) + [20]
    assert torch.equal(official.text, correct.text[expected])
    assert torch.equal(official.audio, correct.audio)
    assert official.name != correct.name
    assert text_rows(["B", "Z", "C"], "correct") == ("B", "Z", "C")
    assert text_rows(["B", "Z", "C"], "official") == ("B", "C", "Z")


def test_the_released_loader_can_read_what_we_write(ucf):
    with h5py.File(h5_file(ucf, "video", *TRAIN)) as file:
        assert file["data"].dtype == np.float32
        assert file["video_urls"].dtype == np.dtype("S80")
        assert file["video_urls"][0].decode() == "v_Class001_00106"
    path = ucf / "features/main_features/text/word_embeddings_ucf_normed.npy"
    vectors = np.load(path, allow_pickle=True).item()
    table = (ucf / "class-split/ucf_w2v_class_names.csv").read_text().splitlines()
    assert table[0] == "original,manual"
    assert {line.split(",")[1] for line in table[1:]} == set(vectors)


# --- quirks -------------------------------------------------------------------------------------------------------


def test_round_trip_is_exact(own):
    assert_equal_sets(read_official(own), small_set(groups=True))


def test_round_trip_of_unsorted_classes_keeps_every_sample(tmp_path):
    data = small_set()
    order = torch.randperm(len(data.class_names), generator=torch.Generator().manual_seed(1))
    mixed = dataclasses.replace(
        data,
        label=torch.argsort(order)[data.label],
        text=data.text[order],
        class_names=tuple(data.class_names[i] for i in order.tolist()),
        split_classes={},
    )
    assert_equal_sets(read_official(write_official(mixed, tmp_path / "set")), data)


def test_both_kinds_in_one_folder(tmp_path):
    main, cls = (
        small_set(),
        small_set(dims=(5, 7, 4), seed=3),
    )
    for data, kind in ((main, "main"), (cls, "cls")):
        write_official(data, tmp_path / "set", kind)
    for data, kind in ((main, "main"), (cls, "cls")):
        result = read_official(tmp_path / "set", kind)
        assert_equal_sets(result, data)
        assert (result.name, result.simulated, result.paper_key) == (f"own ({kind})", False, None)


def test_case_counts_in_vggsound_only(tmp_path):
    for dataset, same in [("ucf", True), ("activitynet", True), ("vggsound", False)]:
        root = write_official(small_set(), tmp_path / dataset, dataset=dataset)
        for modality in ("audio", "video"):
            path = h5_file(root, modality, *TRAIN)
            path.rename(path.with_name("clASS001.h5"))
        if same:
            assert_equal_sets(read_official(root), small_set())
        else:
            refused(root, "clASS001.h5", "is not a class of all_class.txt")


def test_classes_are_ranked_before_case_is_dropped(tmp_path):
    names = ("CASE", "Zebra", "apple", "b a", "b", "b-c", "Über", "x,y", 'q"q')
    data = dataclasses.replace(small_set(), class_names=names)
    result = read_official(write_official(data, tmp_path / "set", dataset="ucf"))
    assert result.class_names == tuple(sorted(names))
    for row, name in enumerate(names):
        at = result.class_names.index(name)
        assert torch.equal(result.text[at], data.text[row])
        assert torch.equal(result.audio[result.label == at], data.audio[data.label == row])


def test_texts_as_editors_and_file_systems_change_them(tmp_path):
    data = dataclasses.replace(small_set(), class_names=(*small_set().class_names[:-1], "Übung"))
    root = write_official(data, tmp_path / "set")
    for path in [*root.glob("class-split/**/*.txt"), *root.glob("class-split/*.csv")]:
        lines = path.read_text().splitlines()
        lines = [lines[0], *reversed(lines[1:])] if path.suffix == ".csv" else list(reversed(lines))
        text = "\r\n".join(lines)  # no line end after the last
        path.write_bytes(b"\xef\xbb\xbf" + unicodedata.normalize("NFD", text).encode())
    for path in sorted(root.rglob("*bung.h5")):
        path.rename(path.with_name(unicodedata.normalize("NFD", path.name)))
    (root / "class-split").rename(root / "class_split")
    assert_equal_sets(read_official(root), data)


def test_classes_outside_a_list_are_left_out(own):
    listed = own / "class-split/main_split/stage_2_test_unseen.txt"
    listed.write_text("".join(listed.read_text().splitlines(keepends=True)[:-1]))
    data, full = read_official(own), small_set()
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
    data = dataclasses.replace(small_set(), ids=tuple(f"ü{i:0100d}" for i in range(69)))
    assert read_official(write_official(data, tmp_path / "s")).ids == data.ids


def test_hidden_and_foreign_files_are_passed_over(own):
    folder = h5_file(own, "audio", *TRAIN).parent
    (folder / "._Class001.h5").write_bytes(b"resource fork")
    (folder / "notes.txt").write_text("mine")
    assert_equal_sets(read_official(own), small_set(groups=True))


def test_settings(own):
    with pytest.raises(SettingError, match="choose one of main, cls"):
        read_official(own, "raw")
    with pytest.raises(SettingError, match="correct or official"):
        read_official(own, text_alignment="best")


def test_texts_of_every_system_are_read(own):
    """Old Mac line ends, trailing blanks, empty last lines, two files put together with their BOMs."""
    texts = [*own.glob("class-split/**/*.txt"), *own.glob("class-split/*.csv")]
    whole = {path: path.read_text(encoding="utf-8") for path in texts}
    for change in (
        lambda text: text.replace("\n", "\r").encode(),
        lambda text: text.replace("\n", " \t\r\n").encode() + b"\r\n \r\n",
        lambda text: text.replace("\n", "\n\ufeff").encode(),
    ):
        for path, text in whole.items():
            path.write_bytes(change(text))
        assert_equal_sets(read_official(own), small_set(groups=True))


def test_a_text_that_is_not_utf_8_says_what_it_is(own):
    for victim in ("all_class.txt", "main_split/stage_1_train.txt", "own_w2v_class_names.csv"):
        path = own / "class-split" / victim
        whole = path.read_text(encoding="utf-8")
        for content, part in (
            (whole.encode("utf-16"), "the file is UTF-16 text; save it as UTF-8."),
            (whole.encode("utf-16-le"), "zero bytes"),
            ("é".encode("latin-1"), "not UTF-8 text; save it as UTF-8."),
            (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n", "Git LFS pointer"),
            (b"<!DOCTYPE html><html>", "a web page"),
        ):
            path.write_bytes(content)
            refused(own, path.name, part)
        path.write_text(whole, encoding="utf-8")


def test_thirty_thousand_classes_take_a_second(own):
    """Work that grows as the square would take ten."""
    more = [f"More {row}" for row in range(30_000)]
    with (own / "class-split/all_class.txt").open("a") as file:
        file.writelines(f"{name}\n" for name in more)
    with (own / "class-split/own_w2v_class_names.csv").open("a") as file:
        file.writelines(f"{name},{name},x,y\n" for name in more)
    vectors = {name: np.ones(6, np.float32) for name in more}
    write_word_vectors(read_word_vectors(own / VECTORS) | vectors, own / VECTORS)
    start = time.process_time()
    assert len(read_official(own).class_names) == 30_009
    assert time.process_time() - start < 5


# --- faults -------------------------------------------------------------------------------------------------------


def test_missing_things(own, tmp_path):
    refused(tmp_path / "nowhere", "no such folder")
    refused(tmp_path, "no folder class-split")
    for victim, *parts in (
        (VECTORS, "no such file", "own_normed.npy"),
        ("features/main_features/video/stage_2_test_seen", "missing", "stage_2_test_seen"),
        (h5_file(Path(), "video", *TRAIN), "missing", "Class001.h5"),
        ("class-split/main_split/stage_1_val_unseen.txt", "no such file", "stage_1_val_unseen.txt"),
        ("class-split/all_class.txt", "no such file", "all_class.txt"),
        ("class-split/own_w2v_class_names.csv", "must be one file"),
    ):
        (own / victim).rename(tmp_path / "away")
        refused(own, *parts)
        (tmp_path / "away").rename(own / victim)
    shutil.copy(own / "class-split/own_w2v_class_names.csv", own / "class-split/other_w2v_class_names.csv")
    refused(own, "must be one file", "not 2")


def test_the_error_says_what_a_file_really_is(own):
    path = h5_file(own, "audio", *TRAIN)
    whole = path.read_bytes()
    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w") as file:
        file.writestr("a", "b" * 100)
    record = (100).to_bytes(8, "little") + b"\1\2\3\4" + b"x" * 104
    for content, part in (
        (b"", "empty"),
        (whole[:100], "truncated"),
        (whole[: len(whole) // 2], "truncated"),
        (whole[: len(whole) * 99 // 100], "truncated"),
        (b"\n<!DOCTYPE html><html><head><title>Google Drive", "web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "Git LFS pointer"),
        (zipped.getvalue(), "zip file"),
        (b"\x80\x04\x95", "Python pickle"),
        (record, "TFRecord"),
    ):
        path.write_bytes(content)
        refused(own, "Class001.h5", part)
    path.unlink()
    path.mkdir()
    refused(own, "Class001.h5", "cannot be read", "directory")
    path.rmdir()
    path.write_bytes(whole)
    (own / VECTORS).write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:0")
    refused(own, "own_normed.npy", "Git LFS pointer")


def test_wrong_h5(own):
    path = h5_file(own, "audio", *TRAIN)
    whole = path.read_bytes()
    for changes, *parts in [
        ({"data": np.ones((7, 9), np.float32)}, "9 dimensions", "have 8"),
        ({"data": np.full((7, 8), np.nan, np.float32)}, "NaN", "7 of 7 rows"),
        ({"data": np.ones((6, 8), np.float32)}, "one string for each of the 6 rows"),
        ({"data": np.ones((0, 8), np.float32)}, "must be floats", "(0, 8)"),
        ({"data": np.ones((7, 8), np.int64)}, "must be floats"),
        ({"data": np.ones(7, np.float32)}, "must be floats"),
        ({"data": None}, "no dataset 'data'"),
        ({"video_urls": None}, "no dataset 'video_urls'"),
        ({"video_urls": np.arange(7)}, "one string"),
        ({"video_urls": np.array([b"\xff\xfe"] * 7)}, "damaged"),
        ({"data": h5py.ExternalLink("/etc/passwd", "/data")}, "links to other files"),
        ({"data": h5py.SoftLink("/video_urls")}, "links to other files"),
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
    refused(own, "links to other files")
    rewrite(path, data=None)
    layout = h5py.VirtualLayout((7, 8), "f4")
    layout[:] = h5py.VirtualSource(str(h5_file(own, "audio", "stage_1_train", "Class002")), "data", (7, 8))
    with h5py.File(path, "r+") as file:
        file.create_virtual_dataset("data", layout)
    refused(own, "links to other files")
    rewrite(path, data=None)
    with h5py.File(path, "r+") as file:
        file.create_dataset("data", (10**12, 512), "f4", chunks=(1024, 512))
        del file["video_urls"]
        file.create_dataset("video_urls", (10**12,), "S80", chunks=(1024,))
    refused(own, "declares", "stores no values")
    with h5py.File(path, "r+") as file:
        file["data"][:5], file["video_urls"][:5] = 1.0, b"x"
    refused(own, "Class001.h5")


def test_rows_of_audio_and_video_must_agree(own):
    path = h5_file(own, "video", *TRAIN)
    with h5py.File(path) as file:
        values, names = file["data"][:], file["video_urls"][:]
    rewrite(path, data=values[::-1], video_urls=names[::-1])
    refused(own, "row 0 is the video 'v_Class001_00013'", "'v_Class001_00007'")
    rewrite(path, data=values[:5], video_urls=names[:5])
    refused(own, "5 video rows but 7 audio rows")


def test_wrong_lists(own):
    for listed, line, *parts in [
        ("main_split/stage_1_train.txt", "Nobody\n", "'Nobody' is not in all_class.txt"),
        ("all_class.txt", "Nobody\n", "'Nobody' of all_class.txt has no row"),
        ("all_class.txt", "Class001\n", "'Class001' occurs twice"),
        ("main_split/stage_1_train.txt", "Class006\n", "stage_1_train and stage_2_test_unseen"),
        ("main_split/stage_1_val_unseen.txt", "Class000\n", "stage_1_train and stage_1_val_unseen"),
        ("main_split/stage_2_test_seen.txt", "Class008\n", "stage_2_test_seen and stage_2_test_unseen"),
        ("main_split/stage_1_val_seen.txt", "Class004\n", "stage_1_val_seen and stage_1_val_unseen"),
    ]:
        path = own / "class-split" / listed
        whole = path.read_text()
        path.write_text(whole + line)
        refused(own, *parts)
        path.write_text(whole)
    path.write_text("\n")
    refused(own, path.name, "empty")
    path.write_bytes(b"\xff\xfe\x00")
    refused(own, path.name, "UTF-8")


def test_wrong_csv(own):
    for content in [b"", b"a,b\n1,2\n", b"original,manual\n", b"original,manual\nClass000,\n", b"\xff\xfe"]:
        (own / "class-split/own_w2v_class_names.csv").write_bytes(content)
        refused(own, "own_w2v_class_names.csv")


def test_wrong_word_vectors(own):
    vectors = {f"Class{i:03d}": np.eye(9, dtype=np.float32)[i] for i in range(9)}
    write_word_vectors({**vectors, "Class003": np.full(9, np.nan)}, own / VECTORS)
    refused(own, "NaN", "'Class003'")
    del vectors["Class005"]
    write_word_vectors(vectors, own / VECTORS)
    refused(own, "no word vector", "'Class005'")


def test_declared_sizes_of_an_h5_file_are_checked_before_memory_is_reserved(own):
    """Files of a few kilobytes whose chunks, most of them never written, would fill gigabytes."""
    path = h5_file(own, "audio", *TRAIN)
    whole = path.read_bytes()
    for shape, chunks, names in [
        ((4_300_000, 512), (1, 8), ((4_300_000,), "S8")),
        ((7, 8), (100_000, 8_000), ((7,), "S8")),
        ((7, 8), (7, 8), ((7,), "S1000000000")),
    ]:
        path.write_bytes(whole)
        rewrite(path, data=None, video_urls=None)
        with h5py.File(path, "r+") as file:
            data = file.create_dataset(
                "data", shape, "f4", chunks=chunks, maxshape=(None, None), compression="gzip"
            )
            file.create_dataset("video_urls", *names, chunks=(1,), maxshape=(None,), compression="gzip")
            data.id.write_direct_chunk((0, 0), zlib.compress(b"few"))
            file["video_urls"].id.write_direct_chunk((0,), zlib.compress(b"few"))
        with memory_left(300):
            refused(own, "Class001.h5", "take", "GB", "--max-gb")
    with memory_left(300):
        refused(own, "a compressed part has a wrong size", max_gb=100)


def test_compressed_parts_of_an_h5_file_have_the_declared_size(own):
    path = h5_file(own, "audio", *TRAIN)
    with h5py.File(path) as file:
        values = file["data"][:]
    rewrite(path, data=None)
    with h5py.File(path, "r+") as file:
        file.create_dataset("data", data=values, chunks=(2, 8), compression="gzip", shuffle=True)
    assert_equal_sets(read_official(own), small_set(groups=True))
    bomb = zlib.compress(bytes(200_000_000), 1)  # less than a megabyte
    for chunk in (bomb, zlib.compress(b"few"), b"no zlib"):
        with h5py.File(path, "r+") as file:
            file["data"].id.write_direct_chunk((0, 0), chunk)
        with memory_left(120):
            refused(own, "Class001.h5", "damaged")


@pytest.mark.parametrize(
    "options",
    [
        {"compression": "gzip", "scaleoffset": 6},
        {"compression": "lzf", "shuffle": True},
        {"compression": "gzip", "fletcher32": True},
        {"chunks": (3, 5), "compression": "gzip"},
    ],
)
def test_h5_files_are_read_however_they_are_stored(own, options):
    path = h5_file(own, "audio", *TRAIN)
    with h5py.File(path, "r+") as file:
        values, names = file["data"][:], file["video_urls"].asstr("utf-8")[:]
        del file["data"], file["video_urls"]
        file.create_dataset("data", data=values, **options)
        # h5py's default for names: texts of any length
        file.create_dataset(
            "video_urls", data=list(names), dtype=h5py.string_dtype(), compression="gzip", chunks=(2,)
        )
    read = read_official(own)
    assert read.ids == small_set(groups=True).ids
    assert torch.allclose(read.audio, small_set(groups=True).audio, atol=1e-5)


def test_archives_as_other_programs_write_them(tmp_path):
    base = io.BytesIO()
    np.savez(base, x=np.ones(2))
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        for name, content in (("a/first.txt", b"1"), ("a/base.npz", base.getvalue())):
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    unpack(tmp_path / "a.tar", tmp_path / "tar")
    assert {path.name for path in (tmp_path / "tar/a").iterdir()} == {"first.txt", "base.npz"}, (
        "a tar archive that ends in a zip file is none"
    )
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("./", b"")
        file.writestr("./a/b.txt", b"1")
    unpack(path, tmp_path / "zip")
    assert (tmp_path / "zip/a/b.txt").read_text() == "1"
    content = path.read_bytes()
    for mark, offset in ((b"PK\x03\x04", 8), (b"PK\x01\x02", 10)):  # Deflate64, as Windows writes large files
        place = content.rindex(mark) + offset
        content = content[:place] + b"\x09" + content[place + 1 :]
    path.write_bytes(content)
    with pytest.raises(DataError, match="compressed in a way that Python cannot read"):
        unpack(path, tmp_path / "deflate64")


def test_one_long_name_referred_to_many_times_is_noticed(own):
    path = h5_file(own, "audio", *TRAIN)
    rewrite(path, video_urls=["x" * 300_000] * 7)
    refused(own, "Class001.h5", "names of its videos take 8.4 MB", "--max-gb", max_gb=0.005)


def test_too_little_memory_for_a_folder_is_not_called_damage(own, monkeypatch):
    def fail(*args: object) -> None:
        raise MemoryError

    monkeypatch.setattr("hypav.data.official.np.empty", fail)
    refused(own, f"{own}: reading it takes", "MB of memory, which is not free here")


def test_a_file_or_folder_that_may_not_be_read_is_neither_damaged_nor_missing(own, monkeypatch):
    def deny(*args: object, **options: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    for target, part in (
        ("hypav.data.official.h5py.File", "Class000.h5: the file cannot be read (Input/output error)."),
        ("pathlib.Path.iterdir", "the folder cannot be read (Input/output error)."),
        ("pathlib.Path.read_bytes", "all_class.txt: the file cannot be read (Input/output error)."),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(target, deny)
            refused(own, part)


# --- the archive ----------------------------------------------------------------------------------------------------


def test_the_help_says_where_the_archive_is():
    text = official_archive_help()
    assert "drive.google.com" in text
    assert "hypav data verify" in text


def files_in(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir()}


def test_a_zip_is_unpacked_without_pickles_and_inside_its_folder(tmp_path):
    link = zipfile.ZipInfo("a/link")
    link.create_system, link.external_attr = 3, 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
        for name in (
            "UCF/a.txt",
            "UCF/cache.pkl",
            "../up.txt",
            "a/../../up.txt",
            str(tmp_path / "absolute.txt"),
            link,
        ):
            file.writestr(name, b"/etc/passwd")
    assert unpack(tmp_path / "a.zip", tmp_path / "out") == tmp_path / "out"
    assert files_in(tmp_path) - {"a.zip"} == {f"out/{name}" for name in files_in(tmp_path / "out")}
    assert {"UCF/a.txt", "a/link"} <= files_in(tmp_path / "out")
    assert "UCF/cache.pkl" not in files_in(tmp_path / "out")
    assert not any(path.is_symlink() for path in (tmp_path / "out").rglob("*"))


def test_a_tar_cannot_leave_its_folder(tmp_path):
    def member(name: str, kind: bytes = tarfile.REGTYPE, target: str = "") -> tarfile.TarInfo:
        info = tarfile.TarInfo(name)
        info.type, info.linkname = kind, target
        return info

    for number, members in enumerate(
        [
            [member("../up.txt")],
            [member("link", tarfile.SYMTYPE, ".."), member("link/up.txt")],
            [member("link", tarfile.SYMTYPE, "/etc/passwd")],
            [member("hard", tarfile.LNKTYPE, "../a.tar")],
            [member("device", tarfile.CHRTYPE)],
        ]
    ):
        with tarfile.open(tmp_path / f"{number}.tar", "w") as file:
            for info in members:
                file.addfile(info)
        with pytest.raises(DataError) as caught:
            unpack(tmp_path / f"{number}.tar", tmp_path / "out")
        is_clear(caught.value, f"{number}.tar")
    with tarfile.open(tmp_path / "good.tar.gz", "w:gz") as file:
        file.addfile(member("UCF/a.txt"))
    unpack(tmp_path / "good.tar.gz", tmp_path / "out")
    assert files_in(tmp_path / "out") == {"UCF/a.txt"}
    assert files_in(tmp_path) == {"out/UCF/a.txt", "good.tar.gz", *(f"{number}.tar" for number in range(5))}


def test_what_is_not_an_archive(tmp_path):
    with zipfile.ZipFile(tmp_path / "good.zip", "w") as file:
        file.writestr("a", b"x" * 3000)
    damaged = (tmp_path / "good.zip").read_bytes().replace(b"x" * 3000, b"x" * 2999 + b"y")
    for content, part in (
        (b"", "empty"),
        (b"<html>", "web page"),
        (damaged[:2000], "damaged"),
        (damaged, "damaged"),
    ):
        (tmp_path / "a.zip").write_bytes(content)
        with pytest.raises(DataError) as caught:
            unpack(tmp_path / "a.zip", tmp_path / "out")
        is_clear(caught.value, "a.zip", part)
    with pytest.raises(DataError, match="no such file"):
        unpack(tmp_path / "gone.zip", tmp_path / "out")


def test_an_archive_says_its_size_and_has_a_limit(tmp_path, monkeypatch):
    said = []
    path, out = tmp_path / "a.zip", tmp_path / "out"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("big.txt", b"x" * 3000)
        file.writestr("small.txt", b"y" * 1000)
    unpack(path, out, say=said.append)
    assert said == [f"{path} unpacks to 2 files of 0.0 MB together."]
    unpack(path, out, say=said.append)
    assert said.pop().endswith(f"together. Those that {out} has already are replaced.")
    path.write_bytes(declared(path.read_bytes(), 2_100_000_000))
    shutil.rmtree(out)
    with pytest.raises(
        DataError, match=r"its files take 2\.1 GB, but .* limit is 1\.0 GB; .*\(--max-gb\)\.$"
    ):
        unpack(path, out, say=said.append)
    result = CliRunner().invoke(cli, ["data", "unpack", str(path), str(out)])
    assert "--max-gb" in str(result.exception)
    assert not out.exists()
    assert len(said) == 1
    with monkeypatch.context() as patch:
        patch.setattr("hypav.data.official.shutil.disk_usage", lambda folder: SimpleNamespace(free=10**9))
        with pytest.raises(RunError, match=r"unpacks to 2\.1 GB, but .* has 1\.0 GB free"):
            unpack(path, out, max_gb=3, say=said.append)
    unpack(path, out, max_gb=3, say=said.append)
    assert said[1] == f"{path} unpacks to 2 files of 2.1 GB together."


def test_long_headers_of_a_tar_archive_are_not_read(tmp_path):
    """A name of a gigabyte is some kilobytes in a compressed archive, and tarfile reads it whole."""
    for kind in (tarfile.GNUTYPE_LONGNAME, tarfile.XHDTYPE):
        with tarfile.open(tmp_path / "a.tar.gz", "w:gz") as file:
            info = tarfile.TarInfo("x")
            info.type, info.size = kind, 2_000_000
            file.addfile(info, io.BytesIO(b"n" * info.size))
        with pytest.raises(DataError, match="damaged"):
            unpack(tmp_path / "a.tar.gz", tmp_path / "out")


def test_an_encrypted_archive_is_not_called_damaged(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
        file.writestr("a", b"secret")
    content = (tmp_path / "a.zip").read_bytes()
    at = content.index(b"PK\x01\x02") + 8
    (tmp_path / "a.zip").write_bytes(content[:at] + b"\x01" + content[at + 1 :])
    with pytest.raises(DataError, match="it is encrypted"):
        unpack(tmp_path / "a.zip", tmp_path / "out")
