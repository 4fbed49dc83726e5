"""Files are written whole or not at all; devices, threads and digests."""

from __future__ import annotations

import errno
import json
import os
import re
import tempfile
import unicodedata
from pathlib import Path

import pytest
import torch

from hypav.errors import RunError
from hypav.utils import content_digest, make_folder, pick_device, replacing, slug, threads, write_json


def one_sentence(error: pytest.ExceptionInfo[BaseException]) -> bool:
    text = str(error.value)
    return "\n" not in text and text.endswith(".")


def test_replacing_puts_the_new_file_in_the_place_of_the_old(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")
    with replacing(path) as temporary:
        assert temporary.parent == tmp_path
        temporary.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert os.listdir(tmp_path) == ["a.txt"]


@pytest.mark.parametrize("error", [KeyError("body"), KeyboardInterrupt()])
def test_replacing_leaves_the_old_file_if_the_body_fails(tmp_path: Path, error: BaseException) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")

    def write_half() -> None:
        with replacing(path) as temporary:
            temporary.write_text("half")
            raise error

    with pytest.raises(type(error)):
        write_half()
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_bytes_reach_the_disk_before_the_rename(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    for name in ("fsync", "replace"):
        real = getattr(os, name)
        monkeypatch.setattr(os, name, lambda *a, real=real, name=name: (calls.append(name), real(*a))[1])
    write_json(tmp_path / "a.json", {})
    assert calls == ["fsync", "replace"]


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o077, 0o600)])
def test_written_files_have_the_permissions_of_the_umask(tmp_path: Path, umask: int, mode: int) -> None:
    before = os.umask(umask)
    try:
        write_json(tmp_path / "a.json", {})
        assert os.umask(umask) == umask
    finally:
        os.umask(before)
    assert (tmp_path / "a.json").stat().st_mode & 0o777 == mode


@pytest.mark.parametrize("call", ["mkstemp", "fsync", "replace"])
def test_a_failing_file_system_is_one_sentence_and_the_old_file_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    path = tmp_path / "a.json"
    write_json(path, {"old": 1})
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def fail(*args: object, **options: object) -> None:
        raise full

    monkeypatch.setattr(tempfile if call == "mkstemp" else os, call, fail)
    with pytest.raises(RunError, match=r"Cannot write .*a\.json: No space left on device; ") as error:
        write_json(path, {"new": 2})
    assert one_sentence(error)
    assert json.loads(path.read_text()) == {"old": 1}
    assert os.listdir(tmp_path) == ["a.json"]


def test_json_keeps_every_bit_and_refuses_nan(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    values = [0.1 + 0.2, 1 / 3, 5e-324, 1.7976931348623157e308, -0.0]
    write_json(path, {"values": values, "name": "θ"})
    assert [value.hex() for value in json.loads(path.read_text())["values"]] == [v.hex() for v in values]
    kept = path.read_bytes()
    for bad in (float("nan"), float("inf")):
        with pytest.raises(ValueError, match="JSON"):
            write_json(path, {"values": bad})
    assert path.read_bytes() == kept
    assert os.listdir(tmp_path) == ["a.json"]


def test_make_folder_makes_parents_and_keeps_what_is_there(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    assert make_folder(folder) == folder
    (folder / "kept").touch()
    make_folder(str(folder))
    assert os.listdir(folder) == ["kept"]


def test_a_folder_that_cannot_be_made_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match=r"Cannot write to .*: Not a directory; ") as error:
        make_folder(tmp_path / "file" / "below")
    assert one_sentence(error)

    def deny(**options: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(tempfile, "TemporaryFile", deny)  # root may write anywhere
    with pytest.raises(RunError, match="Permission denied; ") as error:
        make_folder(tmp_path)
    assert one_sentence(error)


def test_a_slug_never_leaves_its_folder() -> None:
    assert [slug(text) for text in ("UCF-GZSL (main)", "../../etc", "..", "", "k=-0.2")] == [
        "ucf-gzsl-main", "etc", "data", "data", "k--0.2",
    ]  # fmt: skip


def test_slugs_of_different_names_differ() -> None:
    names = [
        "音楽",
        "中文数据",
        "Δεδομένα",
        "Δεδομενα",
        "بيانات",
        "🎵",
        "🎶",
        "Käse",
        "Kse",
        "x" * 300,
        "x" * 299,
    ]
    slugs = {slug(name) for name in names}
    assert len(slugs) == len(names)
    assert all(re.fullmatch("[a-z0-9.+-]{1,69}", text) for text in slugs), "a folder's name on every disk"
    assert slug(unicodedata.normalize("NFD", "Käse")) == slug("Käse"), "macOS decomposes"


def test_a_pipe_or_a_folder_is_never_replaced(tmp_path: Path) -> None:
    """As root a rename would put a file in the place of /dev/null."""
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    for name in ("folder", "pipe"):
        with pytest.raises(RunError, match="not a file"):
            write_json(tmp_path / name, {})
    assert (tmp_path / "pipe").is_fifo()
    assert (tmp_path / "folder").is_dir()


def test_a_digest_depends_on_every_value_and_type() -> None:
    base = {"a": torch.zeros(2, 3), "b": [1, 2.0, None], "c": {"d": "x"}}
    others = [
        {**base, "a": torch.zeros(3, 2)}, {**base, "a": torch.zeros(2, 3).double()}, {**base, "b": [1, 2, None]},
        {**base, "b": [1, [2.0], None]}, {**base, "c": {"d": "y"}}, {**base, "e": 0}, {**base, "a": -torch.zeros(2, 3)},
    ]  # fmt: skip
    digests = [content_digest(value) for value in (base, *others)]
    assert len(set(digests)) == len(digests)
    assert content_digest({**base, "a": torch.zeros(3, 2).T}) == digests[0]


def test_auto_is_the_gpu_if_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    for here, expected in ((True, "cuda"), (False, "cpu")):
        monkeypatch.setattr(torch.cuda, "is_available", lambda here=here: here)
        assert pick_device("auto") == pick_device() == torch.device(expected)


def test_threads_are_restored_after_an_error() -> None:
    before = torch.get_num_threads()

    def fail() -> None:
        with threads(before + 1):
            assert torch.get_num_threads() == before + 1
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert torch.get_num_threads() == before
