"""Files are written whole or not at all, and every failure is one sentence."""

from __future__ import annotations

import errno
import json
import os
import tempfile
from pathlib import Path

import pytest

from hypav.errors import RunError
from hypav.utils import make_folder, replacing, write_json


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
def test_replacing_leaves_the_old_file_where_the_body_fails(tmp_path: Path, error: BaseException) -> None:
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
def test_written_files_have_the_rights_that_the_umask_leaves(tmp_path: Path, umask: int, mode: int) -> None:
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


def test_a_missing_folder_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"Cannot write .*No such file or directory") as error:
        write_json(tmp_path / "nowhere" / "a.json", {})
    assert one_sentence(error)


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


def test_make_folder_makes_parents_and_takes_what_is_there(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    assert make_folder(folder) == folder
    (folder / "kept").touch()
    make_folder(str(folder))
    assert os.listdir(folder) == ["kept"]


@pytest.mark.parametrize(("name", "reason"), [("file", "File exists"), ("file/below", "Not a directory")])
def test_make_folder_where_a_file_stands(tmp_path: Path, name: str, reason: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match=f"Cannot write to .*: {reason}; choose another folder") as error:
        make_folder(tmp_path / name)
    assert one_sentence(error)


def test_make_folder_without_the_right_to_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def deny(**options: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(
        tempfile, "TemporaryFile", deny
    )  # root may write anywhere, so the right is not enough
    with pytest.raises(RunError, match="Permission denied; choose another folder") as error:
        make_folder(tmp_path)
    assert one_sentence(error)
