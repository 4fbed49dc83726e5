"""YouTube-8M features: reading the npz, TFRecord files, and building the npz from video-level shards."""

import dataclasses
import gzip
import os
import struct
import unicodedata
from pathlib import Path

import numpy as np
import pytest
import torch
from data_helpers import memory_left, small_set

from hypav.data import yt8m_build
from hypav.data.features import SPLITS, save_npz
from hypav.data.load import load
from hypav.data.verify import verify
from hypav.data.yt8m import YT8M_FILE, dequantise, quantise, read_yt8m, text_vectors, yt8m_classes
from hypav.data.yt8m_build import (
    build_yt8m,
    checksum,
    make_example,
    parse_example,
    read_records,
    read_videos,
    write_records,
)
from hypav.errors import DataError, SettingError

CLASSES = yt8m_classes()
# Per super-group of the real set: how many classes are seen, val-unseen, test-unseen.
ROLE_COUNTS = {
    "music": (9, 5, 5),
    "animals": (6, 2, 2),
    "sports": (17, 8, 8),
    "vehicles": (6, 3, 3),
    "home life": (10, 6, 6),
    "nature and events": (2, 2, 2),
    "games": (3, 2, 2),
}


def one_sentence(error):
    message = str(error.value)
    assert "\n" not in message
    assert message.endswith(".")
    return message


# ---------------------------------------------------------------- making files


def small_arrays(**changes):
    rng = np.random.default_rng(0)
    split = np.array([0, 0, 0, 1, 3, 2, 2, 3, 4, 4], dtype=np.uint8)
    label = np.array([0, 0, 0, 0, 0, 1, 1, 1, 2, 2], dtype=np.uint8)
    text = rng.normal(size=(3, 8))
    arrays = {
        "audio": rng.integers(0, 256, (10, 128), dtype=np.uint8),
        "video": rng.integers(0, 256, (10, 1024), dtype=np.uint8),
        "label": label,
        "split": split,
        "id": np.array([f"v{i:03d}" for i in range(10)]),
        "names": np.array(["Piano", "Train", "Rain"]),
        "parent": np.array(["keys", "vehicles", "nature"]),
        "super": np.array(["music", "vehicles", "nature"]),
        "text_minilm": (text / np.linalg.norm(text, axis=1, keepdims=True)).astype(np.float16),
    }
    arrays.update(changes)
    return {name: array for name, array in arrays.items() if array is not None}


def save(folder, **changes):
    path = folder / YT8M_FILE
    np.savez_compressed(path, **small_arrays(**changes))
    return path


def example(identity, labels, rgb, audio, /, **changes):
    features = {
        "id": [identity.encode()],
        "labels": np.array(labels, dtype=np.int64),
        "mean_rgb": np.asarray(rgb, dtype=np.float32),
        "mean_audio": np.asarray(audio, dtype=np.float32),
    }
    features.update(changes)
    return make_example({name: value for name, value in features.items() if value is not None})


@pytest.fixture(scope="module")
def rgb_audio():
    rng = np.random.default_rng(1)
    return rng.normal(size=1024).astype(np.float32), rng.normal(size=128).astype(np.float32)


@pytest.fixture
def text_file(tmp_path):
    rng = np.random.default_rng(2)
    path = tmp_path / "text.npz"
    np.savez(path, names=np.array([c.name for c in CLASSES]), text=rng.normal(size=(len(CLASSES), 16)))
    return path


def features_of(number):
    """Features that say which video they are: the value of video i is i/5000 - 0.4 in every dimension but two."""
    value = number / 5000 - 0.4
    rgb, audio = np.full(1024, value, dtype=np.float32), np.full(128, value, dtype=np.float32)
    rgb[0], audio[0], rgb[1] = 5.0, -5.0, number % 4
    return rgb, audio


def make_shards(folder, counts, per_shard=400, noise=()):
    """Shards with counts[class name] videos of each class; returns the paths and the class and number by id."""
    folder.mkdir(exist_ok=True)
    index_of = {c.name: c.yt8m_index for c in CLASSES}
    payloads, known = [], {}
    for name, count in counts.items():
        for _ in range(count):
            number = len(known)
            identity = f"{number:04d}"
            payloads.append(example(identity, [3000, index_of[name], 3001], *features_of(number)))
            known[identity] = (name, number)
    payloads += [example(f"x{i:03d}", labels, *features_of(0)) for i, labels in enumerate(noise)]
    order = np.random.default_rng(3).permutation(len(payloads))
    paths = []
    for start in range(0, len(order), per_shard):
        paths.append(folder / f"validate{len(paths):04d}.tfrecord")
        write_records(paths[-1], [payloads[i] for i in order[start : start + per_shard]])
    return paths, known


FEW = {"Piano": 40, "Accordion": 17, "Flute": 15, "Dog": 26, "Cat": 50, "Horse": 14}


# ---------------------------------------------------------------- reading


def test_quantised_values_come_back_within_half_a_step():
    values = np.linspace(-2, 2, 1001)
    assert np.abs(dequantise(quantise(values)) - values).max() <= 2 / 255 + 1e-6
    codes = np.arange(256, dtype=np.uint8)
    assert np.array_equal(quantise(dequantise(codes)), codes)
    assert quantise([-9.0, 9.0]).tolist() == [0, 255]


def test_read_gives_features_splits_and_groups(tmp_path):
    arrays = small_arrays()
    path = save(tmp_path)
    for where in (path, tmp_path):
        data = read_yt8m(where)
        expected = arrays["video"].astype(np.float64) / 255 * 4 - 2
        assert torch.equal(data.video, torch.tensor(expected, dtype=torch.float32))
        assert data.audio.dtype == data.text.dtype == torch.float32
        assert {name: index.tolist() for name, index in data.splits.items()} == {
            "stage_1_train": [0, 1, 2],
            "stage_1_val_seen": [3],
            "stage_1_val_unseen": [5, 6],
            "stage_2_test_seen": [4, 7],
            "stage_2_test_unseen": [8, 9],
        }
        assert data.groups == ("keys", "vehicles", "nature")
        assert data.super_groups == ("music", "vehicles", "nature")
        assert data.ids[3] == "v003"
        assert "CC BY 4.0" in data.source
        assert "changed" in data.source
        assert not data.simulated


def test_a_wrong_file_is_one_sentence(tmp_path):
    for changes, message in [
        ({"video": None}, "array video is missing"),
        ({"text_minilm": None}, "array text_minilm is missing"),
        ({"audio": np.zeros((10, 64), dtype=np.uint8)}, r"audio is uint8 \(10, 64\)"),
        ({"video": np.zeros((10, 1024))}, "video is float64"),
        ({"split": np.zeros(9, dtype=np.uint8)}, "one for each sample"),
        ({"split": np.full(10, 7, dtype=np.uint8)}, "from -1 to 4"),
        ({"label": np.zeros(10)}, "label must hold whole numbers"),
        ({"label": np.full(10, 9, dtype=np.uint8)}, "labels run from 9"),
        ({"parent": np.array(["keys"])}, "groups has 1 names"),
        ({"text_minilm": np.zeros((2, 8), dtype=np.float16)}, "all rows of text are the same"),
        ({"names": np.array([object(), "b", "c"], dtype=object)}, "the array 'names' holds Python objects"),
    ]:
        path = save(tmp_path, **changes)
        with pytest.raises(DataError, match=message) as error:
            read_yt8m(path)
        assert str(path) in one_sentence(error)


def test_a_damaged_or_missing_file_is_one_sentence(tmp_path):
    with pytest.raises(DataError, match="hypav data fetch yt8m") as error:
        read_yt8m(tmp_path)
    one_sentence(error)
    whole = save(tmp_path).read_bytes()
    middle = len(whole) // 2
    for content in (b"", whole[:10], whole[:middle], whole[:-1], flipped(whole, middle)):
        (tmp_path / YT8M_FILE).write_bytes(content)
        with pytest.raises(DataError, match="damaged") as error:
            read_yt8m(tmp_path)
        assert YT8M_FILE in one_sentence(error)


def test_the_set_is_loaded_from_the_folder_that_the_variable_names(tmp_path, monkeypatch):
    path = save(tmp_path)
    monkeypatch.setenv("HYPAV_DATA", str(tmp_path))
    data = load("yt8m-mini")
    assert data.digest == load(path).digest == load(tmp_path).digest
    assert data.loaded_as["name"] == "yt8m-mini"
    path.rename(tmp_path / "yt8m_gzsl.npz")
    assert load("yt8m").name == "YT8M-GZSL"


def test_a_file_of_any_name_is_loaded_as_it_is_verified(tmp_path):
    path = save(tmp_path).rename(tmp_path / "set.npz")
    assert verify(path).holds[0].startswith(load(path).name)
    own = small_set()
    save_npz(own, path)
    np.savez(path, **np.load(path), parent=np.zeros(3))
    assert load(path).digest == own.digest
    assert verify(path).ok


def test_arrays_that_training_does_not_use_are_not_read(tmp_path):
    data = read_yt8m(save(tmp_path, mine=np.array([None]), vertical=np.zeros(99)))
    assert len(data) == 10


def test_quantised_features_take_no_memory_in_float64():
    codes = np.zeros((40_000, 1_000), np.uint8)  # 160 MB as float32, 320 MB as float64
    with memory_left(280):
        assert dequantise(codes)[0, 0] == -2


# ---------------------------------------------------------------- TFRecord


def test_a_record_is_written_as_tensorflow_writes_it(tmp_path):
    path = tmp_path / "a.tfrecord"
    write_records(path, [b"123456789"])
    length = struct.pack("<Q", 9)
    # 0xE3069283 is the CRC-32C of these nine bytes in RFC 3720
    rotated = ((0xE3069283 >> 15) | (0xE3069283 << 17)) + 0xA282EAD8 & 0xFFFFFFFF
    assert path.read_bytes() == length + checksum(length) + b"123456789" + struct.pack("<I", rotated)
    assert [(offset, bytes(data)) for offset, data in read_records(path)] == [(0, b"123456789")]


def test_a_damaged_record_names_file_and_offset(tmp_path):
    for damage, message in [
        (lambda d: d[:-1], "cut off: it ends inside the record at byte 24"),
        (lambda d: d[:30], "cut off: it ends inside the record at byte 24"),
        (lambda d: d[:40], "cut off: it ends inside the record at byte 24"),
        (lambda d: flipped(d, 2), "damaged or truncated, or not a TFRecord file"),
        (lambda d: flipped(d, 34), "length of the record at byte 24 fails its CRC"),
        (lambda d: flipped(d, 13), "record at byte 0 fails its CRC"),
        (lambda d: flipped(d, 45), "record at byte 24 fails its CRC"),
        (lambda d: flipped(d, len(d) - 1), "record at byte 24 fails its CRC"),
        (lambda d: b"PK\x03\x04" + d, "a TFRecord file is needed, but this is a zip file"),
        (lambda d: b"<html>404 Not Found</html>", "a TFRecord file is needed, but this is a web page"),
        (lambda d: long_record(), "longer than 1048576 bytes"),
    ]:
        path = tmp_path / "a.tfrecord"
        write_records(path, [b"eight by", b"a second record"])
        path.write_bytes(damage(path.read_bytes()))
        with pytest.raises(DataError, match=message) as error:
            list(read_records(path))
        assert str(path) in one_sentence(error)


def test_a_shard_is_read_record_by_record(tmp_path):
    """A file of any size takes the memory of one record."""
    path = tmp_path / "a.tfrecord"
    write_records(path, [b"x" * 1_000_000] * 200)
    with memory_left(120):
        assert sum(1 for _ in read_records(path)) == 200


def flipped(data, position):
    return data[:position] + bytes([data[position] ^ 1]) + data[position + 1 :]


def long_record():
    length = struct.pack("<Q", 1 << 40)
    return length + checksum(length)


def test_videos_come_back_exactly(tmp_path, rgb_audio):
    rgb, audio = rgb_audio
    write_records(tmp_path / "a", [example("Rgat", [0, 300, 3861, -1], rgb, audio)])
    (video,) = read_videos(tmp_path / "a")
    assert video.id == "Rgat"
    assert video.labels.tolist() == [0, 300, 3861, -1]
    assert np.array_equal(video.rgb, rgb)
    assert np.array_equal(video.audio, audio)


def test_examples_written_by_hand_are_read():
    def field(number, content):
        return bytes([number << 3 | 2, len(content)]) + content

    # packed and single values mixed: [3] and then 150
    for kind, values, expected in [
        (3, bytes([0x0A, 1, 3, 0x08, 0x96, 0x01]), [3, 150]),
        (2, field(1, struct.pack("<f", 0.5)) + bytes([0x0D]) + struct.pack("<f", -2.0), [0.5, -2.0]),
    ]:
        entry = field(1, b"a") + field(2, field(kind, values))
        parsed = parse_example(field(1, field(1, entry)))
        assert list(parsed) == ["a"]
        assert parsed["a"].tolist() == expected


def test_a_wrong_feature_names_file_and_offset(tmp_path, rgb_audio):
    for changes, message in [
        ({"mean_audio": None}, "has no feature mean_audio"),
        ({"id": [b"a", b"b"]}, "2 values of id"),
        ({"mean_rgb": np.zeros(1000, dtype=np.float32)}, "1000 values of mean_rgb but should have 1024"),
        ({"mean_rgb": np.full(1024, np.nan, dtype=np.float32)}, "NaN or infinite values in mean_rgb"),
        ({"mean_rgb": np.zeros(1024, dtype=np.int64)}, "mean_rgb of another type"),
        ({"labels": [b"dog"]}, "labels of another type"),
        ({"id": [b"\xff\xff"]}, "not plain ASCII"),
    ]:
        path = tmp_path / "validate0007.tfrecord"
        first = example("good", [1], *rgb_audio)
        write_records(path, [first, example("bad!", [1], *rgb_audio, **changes)])
        with pytest.raises(DataError, match=message) as error:
            list(read_videos(path))
        assert f"{path}: the record at byte {len(first) + 16} " in one_sentence(error)


def test_broken_protobufs_are_one_sentence(tmp_path, rgb_audio):
    whole = example("good", [1, 300], *rgb_audio)
    rng = np.random.default_rng(4)
    for i in range(30):
        broken = bytearray(whole)
        for position in rng.integers(0, 60, 3):
            broken[position] = rng.integers(256)
        write_records(tmp_path / "a", [bytes(broken[: rng.integers(1, len(whole))] if i % 2 else broken)])
        try:
            list(read_videos(tmp_path / "a"))
        except DataError as error:
            assert str(error).startswith(f"{tmp_path / 'a'}: the record at byte 0 ")  # noqa: PT017


# ---------------------------------------------------------------- building


def test_the_shipped_classes_have_the_documented_roles():
    assert len(CLASSES) == len({c.name for c in CLASSES}) == len({c.yt8m_index for c in CLASSES}) == 109
    assert len({c.parent for c in CLASSES}) == 17
    counts = {
        group: tuple(
            sum(c.super_group == group and c.role == role for c in CLASSES)
            for role in ("seen", "val_unseen", "test_unseen")
        )
        for group in dict.fromkeys(c.super_group for c in CLASSES)
    }
    assert counts == ROLE_COUNTS


def test_build_keeps_the_right_videos_in_the_right_splits(tmp_path, text_file):
    noise = [[154, 300], [3000], [300, 154, 5], []]  # Accordion and Flute, no candidate, both again, no label
    shards, known = make_shards(tmp_path / "s", FEW, per_shard=50, noise=noise)
    report = build_yt8m(shards, tmp_path, text=text_file)
    assert report.path == tmp_path / YT8M_FILE
    assert (report.videos, report.shards) == (sum(FEW.values()) + 4, 4)
    assert "Horse" in report.dropped  # 14 videos
    assert len(report.dropped) == 109 - 5
    data = read_yt8m(tmp_path)
    assert data.class_names == ("Piano", "Accordion", "Flute", "Dog", "Cat")
    assert report.kept == len(data) == 40 + 17 + 15 + 26 + 40
    # Piano, Dog, Cat are seen, Accordion val-unseen, Flute test-unseen; a tenth of n, rounded half up
    counts = {
        split: [int((data.label[index] == c).sum()) for c in range(5)] for split, index in data.splits.items()
    }
    assert counts == {
        "stage_1_train": [32, 0, 0, 20, 32],
        "stage_1_val_seen": [4, 0, 0, 3, 4],
        "stage_1_val_unseen": [0, 15, 0, 0, 0],
        "stage_2_test_seen": [4, 2, 0, 3, 4],
        "stage_2_test_unseen": [0, 0, 15, 0, 0],
    }
    assert report.splits["stage_2_test_seen"] == (13, 4)
    for row, identity in enumerate(data.ids):
        name, number = known[identity]
        assert data.class_names[int(data.label[row])] == name
        rgb, audio = features_of(number)
        assert np.abs(data.video[row].numpy() - np.clip(rgb, -2, 2)).max() <= 2 / 255 + 1e-6
        assert np.abs(data.audio[row].numpy() - np.clip(audio, -2, 2)).max() <= 2 / 255 + 1e-6
    with np.load(tmp_path / YT8M_FILE) as arrays:
        assert "CC BY 4.0" in str(arrays["attribution"])
        assert arrays["yt8m_index"].tolist() == [31, 154, 300, 67, 170]
        assert arrays["role"].tolist() == [0, 1, 2, 0, 0]


def test_the_bytes_depend_on_the_seed_and_not_on_the_order_of_shards(tmp_path, text_file, monkeypatch):
    shards, _ = make_shards(tmp_path / "s", FEW, per_shard=60)
    build_yt8m(shards, tmp_path / "a.npz", text=text_file)
    monkeypatch.setattr("time.time", lambda: 2_000_000_000.0)
    build_yt8m(shards[::-1], tmp_path / "b.npz", text=text_file)
    monkeypatch.setattr(yt8m_build, "SEED", 1)
    build_yt8m(shards, tmp_path / "c.npz", text=text_file)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    assert set(read_yt8m(tmp_path / "a.npz").ids) != set(read_yt8m(tmp_path / "c.npz").ids)


def test_build_refuses_what_it_cannot_use(tmp_path, text_file):
    shards, _ = make_shards(tmp_path / "s", FEW)
    seen, _ = make_shards(tmp_path / "s" / "seen", {"Piano": 20, "Dog": 26})
    out = tmp_path / "out.npz"
    for given, settings, kind, message in [
        ([], {}, DataError, "No shard"),
        (shards, {"text": None}, SettingError, "--text FILE"),
        ([shards[0], shards[0]], {}, DataError, "give each shard once"),
        (seen, {}, DataError, "none of them test_unseen; give more shards"),
        ([tmp_path / "gone"], {}, DataError, "no such file"),
    ]:
        with pytest.raises(kind, match=message) as error:
            build_yt8m(given, out, **{"text": text_file, **settings})
        one_sentence(error)
    shards[0].write_bytes(flipped(shards[0].read_bytes(), 50_000))
    with pytest.raises(DataError, match="fails its CRC"):
        build_yt8m(shards, out, text=text_file)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["s", "text.npz"]


# ---------------------------------------------------------------- text vectors

THREE = tuple(
    c for c in CLASSES if c.name in ("Banjo", "Dog", "Soup")
)  # "playing banjo", "dog barking", no phrase


def test_text_of_an_existing_file_is_kept_bit_for_bit(tmp_path):
    minilm = np.random.default_rng(0).normal(size=(4, 8)).astype(np.float16)
    np.savez(tmp_path / "t.npz", names=np.array(["Soup", "Other", "Banjo", "Dog"]), text_minilm=minilm)
    name, rows = text_vectors(tmp_path / "t.npz", THREE)
    assert name == "text_minilm"
    assert rows.dtype == np.float16
    assert np.array_equal(rows, minilm[[2, 3, 0]])


def test_text_vectors_by_name_become_unit_rows(tmp_path):
    vectors = {
        "Banjo": np.array([3.0, 4.0]),
        "vggsound:dog barking": np.array([0.0, 2.0]),
        "Soup": np.array([-1.0, 0.0]),
    }
    expected = np.array([[0.6, 0.8], [0, 1], [-1, 0]], dtype=np.float32)
    np.savez(tmp_path / "t.npz", **vectors)
    np.save(tmp_path / "t.npy", vectors, allow_pickle=True)
    for source in (vectors, tmp_path / "t.npz", tmp_path / "t.npy"):
        name, rows = text_vectors(source, THREE)
        assert name == "text"
        np.testing.assert_allclose(rows, expected, rtol=1e-6)


def test_word_vectors_are_averaged_over_the_phrase_or_the_name(tmp_path):
    path = tmp_path / "wiki.vec"
    path.write_text("5 2\nplaying 2 0\nbanjo 0 2\ndog 1 0\nsoup 0 -3\nunused x y\n")
    name, rows = text_vectors(path, THREE)
    assert name == "text"
    np.testing.assert_allclose(rows, [[2**-0.5, 2**-0.5], [1, 0], [0, -1]], rtol=1e-6)


def test_unusable_word_vectors_are_one_sentence(tmp_path):
    for content, message in [
        ("banjo 1 0\ndog 1 0\n", "no vector for any word of class 'Soup'"),
        ("banjo 1 0\ndog one 0\nsoup 1 1\n", "line 2: a word must be followed"),
        ("banjo 1 0\ndog 1 0 3\nsoup 1 1\n", "differ in length"),
        ("banjo 1 0\ndog 0 0\nsoup 1 1\n", "'Dog' is zero, NaN or infinite"),
        ("banjo 1 0\ndog nan 0\nsoup 1 1\n", "'Dog' is zero, NaN or infinite"),
    ]:
        path = tmp_path / "wiki.vec"
        path.write_text(content)
        with pytest.raises(DataError, match=message) as error:
            text_vectors(path, THREE)
        one_sentence(error)


def test_word_vectors_in_any_text_form_are_read(tmp_path):
    path = tmp_path / "wiki.vec"
    text = "3 2\nbanjo 0 2\ndog 1 0\nsoup 0 -3\n"
    expected = text_vectors(write(path, text.encode()), THREE)[1]
    for content in (
        b"\xef\xbb\xbf" + text.encode(),
        text.replace("\n", "\r\n").encode(),
        text.replace("\n", "\r").encode(),
        text.replace("\n", " \n").encode() + b"\n \n",
        text.partition("\n")[2].encode(),  # GloVe's files have no first line
        text.replace(
            "3 2\n", "5 2\n\u00a0 1 1\n\u3000 2 2\n"
        ).encode(),  # blanks that fastText takes for words
    ):
        assert np.array_equal(text_vectors(write(path, content), THREE)[1], expected)
    accents = [dataclasses.replace(THREE[0], name=unicodedata.normalize("NFD", "Übung"), w2v_key="")]
    for form in ("NFC", "NFD"):
        content = unicodedata.normalize(form, "übung 1 0\n").encode()
        assert text_vectors(write(path, content), accents)[1].tolist() == [[1, 0]]


def write(path, content):
    path.write_bytes(content)
    return path


def test_a_cut_or_wrong_file_of_word_vectors_is_refused(tmp_path):
    for content, message in [
        (b"4 2\nbanjo 0 2\ndog 1 0\nsoup 0 -3\n", "first line says 4 words but 3 follow"),
        (b"2 2\nbanjo 0 2\ndog 1 0\nsoup 0 -3\n", "first line says 2 words but 3 follow"),
        (b"4 2\nbanjo 0 2\ndog 1 0\nsoup 0 -3\nother 1", "line 5: 1 numbers follow the word"),
        (b"banjo 0 2\ndog 1 0\nsoup 0 -3\noth", "line 4: 0 numbers follow the word"),
        (b"1000000000 1000000000\n", "first line says 1000000000 words but 0 follow"),
        (b"9" * 5000 + b" 3\nbanjo 0 2\n", "no vector for any word"),
        ("banjo 0 2\n".encode("utf-16"), "UTF-16 text"),
        (b"x" * 1_100_000, "a line is longer than 1048576 characters"),
        (gzip.compress(b"banjo 0 2"), "a text file of word vectors is needed, but this is a gzip file"),
        (b"\xba\x16O/" + bytes(50), "this is a fastText .bin model"),
        (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS pointer"),
    ]:
        with pytest.raises(DataError, match=message) as error:
            text_vectors(write(tmp_path / "wiki.vec", content), THREE)
        one_sentence(error)


def test_unusable_npz_text_is_one_sentence(tmp_path):
    np.savez(tmp_path / "a.npz", Banjo=np.ones(2), Dog=np.ones(2))
    with pytest.raises(DataError, match="no vector for 1 classes, the first is 'Soup'"):
        text_vectors(tmp_path / "a.npz", THREE)
    np.savez(tmp_path / "a.npz", Banjo=np.ones(2), Dog=np.ones(3), Soup=np.ones(2))
    with pytest.raises(DataError, match="of class 'Dog' is float64"):
        text_vectors(tmp_path / "a.npz", THREE)
    np.savez(tmp_path / "a.npz", Banjo=np.ones(2), Dog=np.ones(2), Soup=np.ones(2), mine=np.array([None]))
    text_vectors(tmp_path / "a.npz", THREE)  # what no class needs is not read
    np.savez(tmp_path / "a.npz", names=np.array(["Banjo"]), text=np.ones((2, 2)))
    with pytest.raises(DataError, match="one row for each of names"):
        text_vectors(tmp_path / "a.npz", THREE)
    with pytest.raises(DataError, match="no such file"):
        text_vectors(tmp_path / "gone.vec", THREE)
    with pytest.raises(DataError, match=r"not a \.npz, \.npy"):
        text_vectors((tmp_path / "a.npz").rename(tmp_path / "a.h5"), THREE)


# ---------------------------------------------------------------- the real set

real = pytest.mark.skipif(not os.environ.get("HYPAV_DATA"), reason="no real data")


@real
@pytest.mark.real_data
def test_the_real_file_has_the_documented_counts():
    data = read_yt8m(os.environ["HYPAV_DATA"])
    assert tuple(data.audio.shape) == (3734, 128)
    assert tuple(data.video.shape) == (3734, 1024)
    assert tuple(data.text.shape) == (109, 384)
    counts = {name: (len(data.splits[name]), len(data.split_classes[name])) for name in SPLITS}
    assert counts == REAL_COUNTS
    assert len(data.phase("train_val")) == 2463
    assert len(set(data.groups)) == 17
    assert len(set(data.super_groups)) == 7
    assert torch.allclose(data.text.norm(dim=1), torch.ones(109), atol=1e-3)
    assert data.class_names == tuple(c.name for c in CLASSES)


REAL_COUNTS = {
    "stage_1_train": (1437, 53),
    "stage_1_val_seen": (182, 53),
    "stage_1_val_unseen": (844, 28),
    "stage_2_test_seen": (276, 81),
    "stage_2_test_unseen": (995, 28),
}


@real
@pytest.mark.real_data
def test_the_real_set_survives_shards_and_build(tmp_path):
    folder = Path(os.environ["HYPAV_DATA"])
    data = read_yt8m(folder)
    payloads = [
        example(data.ids[i], [CLASSES[int(data.label[i])].yt8m_index, 3500], data.video[i], data.audio[i])
        for i in range(len(data))
    ]
    shards = []
    for start in range(0, len(payloads), 300):
        shards.append(tmp_path / f"validate{start // 300:04d}.tfrecord")
        write_records(shards[-1], payloads[start : start + 300])
    report = build_yt8m(shards, tmp_path / "out.npz", text=folder / YT8M_FILE)
    assert report.splits == REAL_COUNTS
    built = read_yt8m(tmp_path / "out.npz")
    assert built.class_names == data.class_names
    assert torch.equal(built.text, data.text)
    assert torch.equal(torch.bincount(built.label), torch.bincount(data.label))
    row_of = {identity: row for row, identity in enumerate(data.ids)}
    rows = torch.tensor([row_of[identity] for identity in built.ids])
    assert torch.equal(built.label, data.label[rows])
    assert torch.equal(built.audio, data.audio[rows])  # values on the grid stay on it
    assert torch.equal(built.video, data.video[rows])
    for split in SPLITS:  # the same number of videos of every class in every split
        ours, theirs = (torch.bincount(d.label[d.splits[split]], minlength=109) for d in (built, data))
        assert torch.equal(ours, theirs)
