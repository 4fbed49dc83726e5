"""The cache of official folders: never other data than the folder's, whatever lies in it; the memory of reading."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from click.testing import CliRunner
from data_helpers import small_set
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from hypav.cli import cli
from hypav.data import SPLITS, FeatureSet, cache, official, read_official, write_official
from hypav.data.features import rows_all_same, rows_not_finite
from hypav.data.load import open_data
from hypav.errors import DataError, RunError, SettingError

FEATURES = "features/main_features"


@pytest.fixture(scope="module")
def whole_folder(tmp_path_factory) -> Path:
    return write_official(small_set(groups=True), tmp_path_factory.mktemp("own") / "set", stage_2_train=False)


@pytest.fixture
def own(whole_folder, tmp_path) -> Path:
    return shutil.copytree(whole_folder, tmp_path / "set")


@pytest.fixture
def kept(tmp_path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def reads(monkeypatch) -> list[int]:
    """Grows by one whenever features are read from a folder."""
    found: list[int] = []
    read = official._read_pairs
    monkeypatch.setattr(official, "_read_pairs", lambda folder: found.append(1) or read(folder))
    return found


@pytest.fixture
def hashed(monkeypatch) -> list[Path]:
    found: list[Path] = []
    original = cache._file_hash
    monkeypatch.setattr(cache, "_file_hash", lambda path: found.append(path) or original(path))
    return found


@pytest.fixture
def grown_old(monkeypatch) -> None:
    """As if all files had been left alone for longer than the grain of their times."""
    monkeypatch.setattr(cache, "_GRAIN", -(10**18))


def assert_same(one: FeatureSet, other: FeatureSet) -> None:
    assert one.digest == other.digest
    for field in dataclasses.fields(FeatureSet):
        a, b = getattr(one, field.name), getattr(other, field.name)
        if field.name in ("splits", "split_classes"):
            assert {key: value.tolist() for key, value in a.items()} == {k: v.tolist() for k, v in b.items()}
        elif isinstance(a, torch.Tensor):
            assert a.dtype == b.dtype
            assert torch.equal(a, b)
        else:
            assert (type(a), a) == (type(b), b), field.name


def sets(kept: Path) -> list[Path]:
    return sorted(kept.glob("*.safetensors"))


def one_file(own: Path) -> Path:
    return own / FEATURES / "audio/stage_1_train/Class001.h5"


def change(path: Path) -> None:
    """Other values, the same size."""
    with h5py.File(path, "r+") as file:
        file["data"][0, 0] += 1


# --- the same data -------------------------------------------------------------------------------------------------


def test_with_and_without_it_the_set_is_the_same(own, kept, reads):
    plain = read_official(own)
    assert_same(read_official(own, cache=kept), plain)
    assert_same(read_official(own, cache=kept), plain)
    assert_same(open_data(str(own), cache=kept), plain)
    assert len(reads) == 2
    assert len(sets(kept)) == 1


def test_nothing_is_written_unasked(own, tmp_path):
    def stand() -> list[tuple[str, int]]:
        return sorted((str(path), path.stat().st_mtime_ns) for path in tmp_path.rglob("*"))

    before = stand()
    read_official(own)
    assert stand() == before


def test_options_have_keys_of_their_own(own, kept):
    one = read_official(own, cache=kept)
    other = read_official(own, text_alignment="official", cache=kept)
    assert len(sets(kept)) == 2
    assert one.name != other.name
    assert_same(read_official(own, text_alignment="official", cache=kept), other)


# --- changed data --------------------------------------------------------------------------------------------------


def test_changed_content_is_other_data(own, kept, grown_old):
    first = read_official(own, cache=kept)
    before = one_file(own).stat()
    change(one_file(own))
    os.utime(one_file(own), ns=(before.st_atime_ns, before.st_mtime_ns))
    second = read_official(own, cache=kept)
    assert second.digest != first.digest
    assert_same(second, read_official(own))
    assert len(sets(kept)) == 2


def test_a_change_that_leaves_size_and_times_is_seen_where_they_are_young(own, kept, monkeypatch):
    step = cache._GRAIN
    monkeypatch.setattr(cache, "_stamp", lambda path: [1, time.time_ns() // step * step, 0])
    first = read_official(own, cache=kept)
    change(one_file(own))
    assert_same(read_official(own, cache=kept), read_official(own))
    assert read_official(own, cache=kept).digest != first.digest


def test_new_times_alone_are_the_same_data(own, kept, reads, hashed, grown_old):
    first = read_official(own, cache=kept)
    hashed.clear()
    read_official(own, cache=kept)
    assert hashed == []
    os.utime(one_file(own), ns=(1, 1))
    assert_same(read_official(own, cache=kept), first)
    assert hashed == [one_file(own)]
    assert len(reads) == 1


def test_every_file_that_is_read_counts(own, kept):
    def longer(content: bytes) -> bytes:
        return content + b"\n"

    read_official(own, cache=kept)
    for number, (name, edit) in enumerate(
        (
            ("class-split/own_w2v_class_names.csv", lambda content: content.replace(b"group1", b"group2")),
            (f"{FEATURES}/text/word_embeddings_own_normed.npy", longer),
            (f"{FEATURES}/hypav.json", longer),
            ("class-split/main_split/stage_2_test_unseen.txt", lambda content: content.rsplit(b"\n", 2)[0]),
        ),
        start=2,
    ):
        before = (own / name).read_bytes()
        (own / name).write_bytes(edit(before))
        assert (own / name).read_bytes() != before
        assert_same(read_official(own, cache=kept), read_official(own))
        assert len(sets(kept)) == number, name


def test_what_changes_while_it_is_read_is_not_kept(own, kept, monkeypatch):
    read = official._read_pairs

    def disturbed(folder):
        change(one_file(own))
        return read(folder)

    monkeypatch.setattr(official, "_read_pairs", disturbed)
    read_official(own, cache=kept)
    assert sets(kept) == []


def test_faults_of_the_folder_are_told_as_ever(own, kept):
    read_official(own, cache=kept)
    (own / FEATURES / "video/stage_1_train/Class001.h5").write_bytes(b"nothing")
    with pytest.raises(DataError, match="truncated, damaged or no h5 file"):
        read_official(own, cache=kept)
    with pytest.raises(SettingError, match="must be correct or official"):
        read_official(own, text_alignment="best", cache=kept)
    one_file(own).unlink()
    with pytest.raises(DataError, match="'Class001' has no sample"):
        read_official(own, cache=kept)


# --- a damaged cache -----------------------------------------------------------------------------------------------


def truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def no_safetensors(path: Path) -> None:
    path.write_bytes(b"\x80\x04cposix\nsystem\n" * 100)


def a_flipped_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-9] ^= 4
    path.write_bytes(content)


def other_values(path: Path) -> None:
    with safe_open(path, framework="pt") as file:
        told = file.metadata()
    tensors = {name: tensor.clone() for name, tensor in load_file(path).items()}
    path.unlink()
    save_file({**tensors, "audio": tensors["audio"] + 1}, path, metadata=told)


def well_hashed_nonsense(path: Path) -> None:
    """A file that agrees with itself but holds what no set may."""
    tensors = {name: tensor.clone() for name, tensor in load_file(path).items()}
    tensors["audio"][0, 0] = torch.nan
    path.unlink()
    save_file(tensors, path, metadata={"content": cache._content(tensors)})


def another_set(path: Path) -> None:
    tensors = {name: tensor.clone() for name, tensor in load_file(path).items()}
    about = json.loads(bytes(tensors["about"].numpy()))
    about["key"] = "0" * 32
    tensors["about"] = torch.frombuffer(bytearray(json.dumps(about).encode()), dtype=torch.uint8)
    tensors["audio"] = tensors["audio"] + 1
    path.unlink()
    save_file(tensors, path, metadata={"content": cache._content(tensors)})


@pytest.mark.parametrize("old", [False, True], ids=["young", "old"])
def test_a_damaged_cache_is_read_anew_and_replaced(own, kept, reads, request, old):
    if old:
        request.getfixturevalue("grown_old")
    plain = read_official(own)
    for _ in range(2):
        read_official(own, cache=kept)
    for damage in (truncated, no_safetensors, a_flipped_bit, other_values, well_hashed_nonsense, another_set):
        (path,) = sets(kept)
        damage(path)
        reads.clear()
        assert_same(read_official(own, cache=kept), plain)
        assert_same(read_official(own, cache=kept), plain)
        assert len(reads) == 1, damage


def test_a_damaged_memory_of_hashes(own, kept, grown_old, reads):
    plain = read_official(own, cache=kept)
    (memory,) = kept.glob("files-*.json")
    for content in ("", '{"format": 1, "files": {"a": "four"}}', "9" * 10**5):
        memory.write_text(content)
        assert_same(read_official(own, cache=kept), plain)
        assert len(reads) == 1
        assert json.loads(memory.read_text())["files"]


def test_a_memory_that_is_wrong_reads_anew(own, kept, grown_old):
    plain = read_official(own, cache=kept)
    (memory,) = kept.glob("files-*.json")
    told = json.loads(memory.read_text())
    told["files"] = {name: [*entry[:3], "0" * 32] for name, entry in told["files"].items()}
    memory.write_text(json.dumps(told))
    assert_same(read_official(own, cache=kept), plain)


def test_a_place_that_cannot_be_written_to(own, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match=r"Cannot write to .*; choose another folder\.$"):
        read_official(own, cache=tmp_path / "file" / "cache")


def test_a_cache_that_others_wrote_serves(own, kept, reads, monkeypatch):
    read_official(own, cache=kept)
    monkeypatch.setattr(cache, "write_json", lambda *_: (_ for _ in ()).throw(RunError("no right")))
    monkeypatch.setattr(cache, "make_folder", lambda *_: pytest.fail("nothing need be written"))
    read_official(own, cache=kept)
    assert len(reads) == 1


# --- mapped memory -------------------------------------------------------------------------------------------------


def test_mapped_features_can_be_changed_without_changing_the_cache(own, kept, grown_old):
    plain = read_official(own, cache=kept)
    mapped = read_official(own, cache=kept)
    mapped.audio.add_(1)
    assert_same(read_official(own, cache=kept), plain)


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="looks at Linux's list of maps")
def test_a_kept_set_is_mapped(own, kept):
    read_official(own, cache=kept)
    found = read_official(own, cache=kept)
    at = found.video.data_ptr()
    for line in Path("/proc/self/maps").read_text().splitlines():
        first, last = (int(part, 16) for part in line.split()[0].split("-"))
        if first <= at < last:
            assert line.endswith(str(sets(kept)[0]))
            return
    pytest.fail("the features lie in no map")


# --- the command line ----------------------------------------------------------------------------------------------


def test_the_option(own, kept, reads):
    args = ["data", "describe", str(own), "--json"]
    by_option = CliRunner().invoke(cli, [*args, "--cache", str(kept)])
    by_variable = CliRunner().invoke(cli, args, env={"HYPAV_CACHE": str(kept)})
    assert (by_option.exit_code, by_variable.exit_code) == (0, 0)
    assert by_option.stdout == by_variable.stdout
    assert len(reads) == 1


def test_doors_other_than_folders_leave_it_alone(kept):
    open_data("simulated:small", cache=kept)
    assert not kept.exists()


# --- memory --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("table", [np.ones((5000, 3)), torch.ones(5000, 3, dtype=torch.bfloat16)])
def test_checks_in_blocks(table, monkeypatch):
    monkeypatch.setattr("hypav.data.features._BYTES", 1000)
    assert rows_all_same(table)
    assert rows_not_finite(table) == []
    table = table.copy() if isinstance(table, np.ndarray) else table.clone()
    table[4321, 2] = 2
    assert not rows_all_same(table)
    table[17, 0], table[4999, 1] = float("nan"), float("-inf")
    assert rows_not_finite(table) == [17, 4999]


PEAK = """
import sys
from pathlib import Path
from hypav.data import read_official

def kilobytes(key):
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith(key))

for cache in (None, sys.argv[2], sys.argv[2]):
    Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here
    before = kilobytes("VmRSS")
    data = read_official(sys.argv[1], cache=cache)
    print((kilobytes("VmHWM") - before) * 1024 / (data.audio.nbytes + data.video.nbytes))
    del data
"""


@pytest.fixture
def large(tmp_path) -> Iterator[Path]:
    """A folder of about 100 MB."""
    classes = dict(zip(SPLITS, (4, 4, 2, 6, 3), strict=True))
    counts = {split: (n, 320 * n) for split, n in classes.items()}
    data = small_set(counts=counts, dims=(128, 4096, 6))
    yield write_official(data, tmp_path / "large", dataset="own", stage_2_train=False)
    shutil.rmtree(tmp_path / "large")


@pytest.mark.skipif(
    not Path("/proc/self/clear_refs").exists(), reason="Linux counts the peak from a moment on"
)
def test_memory_is_that_of_the_arrays(large, kept):
    """The peak of the resident memory over that before reading, in a process of its own, in sizes of the arrays."""
    told = subprocess.run(
        [sys.executable, "-c", PEAK, str(large), str(kept)], capture_output=True, text=True, check=True
    )
    shutil.rmtree(kept)
    plain, keeping, mapped = map(float, told.stdout.split())
    assert 0.9 < plain <= 1.2
    assert keeping <= 1.2
    assert mapped <= 1.2
