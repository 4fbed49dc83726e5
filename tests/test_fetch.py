"""Fetching YouTube-8M shards from a local web server: nothing unasked, every file checked, one sentence per failure."""

from __future__ import annotations

import functools
import hashlib
import http.server
import json
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from hypav.data import yt8m_build
from hypav.data.yt8m_build import BASE_URL, fetch_yt8m, make_example, read_videos, remote_name, write_records
from hypav.errors import DataError, RunError, SettingError


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def served(tmp_path, monkeypatch):
    """A folder on the web with two shards and the list of their MD5 sums, and its address."""
    folder = tmp_path / "served"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for shard in range(2):
        features = {"id": [b"abcd"], "labels": np.array([shard])}
        features |= {"mean_rgb": rng.normal(size=1024), "mean_audio": rng.normal(size=128)}
        write_records(folder / remote_name(shard), [make_example(features)])
    sums = {path.name: hashlib.md5(path.read_bytes()).hexdigest() for path in folder.iterdir()}
    (folder / "plan.json").write_text(json.dumps({"files": sums}))
    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(QuietHandler, directory=str(folder))
    )
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    monkeypatch.setattr("pooch.core.time.sleep", lambda seconds: None)
    monkeypatch.setattr(yt8m_build, "RETRIES", 1)
    monkeypatch.setattr(yt8m_build, "TIMEOUT", 2.0)
    yield folder, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def fetch(served, tmp_path) -> Callable[..., list[Path]]:
    _, url = served
    settings = {
        "confirm": lambda question: True,
        "shards": [0, 1],
        "base_url": url,
    }
    settings["plan_url"] = f"{url}/plan.json"
    return lambda **changes: fetch_yt8m(tmp_path / "out", **settings | changes)


def one_sentence(error) -> None:
    assert "\n" not in str(error.value)
    assert str(error.value).endswith(".")


def test_remote_names_count_in_base_62() -> None:
    assert [remote_name(n)[8:10] for n in (0, 25, 26, 61, 62, 3843)] == ["aa", "az", "aA", "a9", "ba", "99"]
    assert BASE_URL.endswith("data.yt8m.org/2/video/validate")


def test_shards_are_fetched_after_a_yes_and_kept(fetch, served, tmp_path) -> None:
    questions: list[str] = []
    assert fetch(confirm=lambda question: bool(questions.append(question))) == []
    assert list((tmp_path / "out").iterdir()) == []
    assert "2 YouTube-8M shards, about 3 MB, from http://127" in questions[0]
    assert str(tmp_path / "out") in questions[0]
    paths = fetch()
    assert [path.name for path in paths] == ["validate0000.tfrecord", "validate0001.tfrecord"]
    assert [path.read_bytes() for path in paths] == [
        (served[0] / remote_name(n)).read_bytes() for n in range(2)
    ]
    assert sorted((tmp_path / "out").iterdir()) == paths
    assert len(list(read_videos(paths[0]))) == 1
    again = fetch(confirm=lambda question: pytest.fail("asked"), base_url="http://127.0.0.1:9", plan_url=None)
    assert again == paths, "whole shards need no server"


@pytest.mark.parametrize("plan", [{}, {"plan_url": None}])
def test_a_damaged_shard_is_fetched_again(fetch, plan) -> None:
    first, _ = fetch(**plan)
    whole = first.read_bytes()
    first.write_bytes(whole[:-1])
    assert fetch(**plan)[0].read_bytes() == whole


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: (folder / remote_name(1)).unlink(), "answers 404"),
        (lambda folder: (folder / remote_name(1)).write_bytes(b"<html>"), "MD5 sum"),
        (lambda folder: (folder / "plan.json").unlink(), r"plan\.json: the server answers 404"),
        (lambda folder: (folder / "plan.json").write_text("<html>"), "not the expected list"),
        (lambda folder: (folder / "plan.json").write_text('{"files": {}}'), "does not list 'validateaa"),
    ],
)
def test_what_cannot_be_fetched_is_one_sentence(fetch, served, tmp_path, damage, message) -> None:
    damage(served[0])
    with pytest.raises(DataError, match=message) as error:
        fetch()
    one_sentence(error)
    assert {path.name for path in (tmp_path / "out").iterdir()} <= {"validate0000.tfrecord"}, (
        "whole or absent"
    )


def test_no_server_a_full_disk_and_wrong_settings_are_one_sentence(fetch, tmp_path, monkeypatch) -> None:
    for changes, kind, message in [
        ({"base_url": "http://127.0.0.1:9", "plan_url": None}, DataError, "connection failed"),
        ({"shards": [3844]}, SettingError, "0 to 3843"),
        ({"shards": []}, SettingError, "0 to 3843"),
        ({"base_url": "file:///etc"}, SettingError, "http:// or https://"),
    ]:
        with pytest.raises(kind, match=message) as error:
            fetch(**changes)
        one_sentence(error)

    def full(*args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pooch.core.shutil.move", full)
    with pytest.raises(RunError, match="No space left") as error:
        fetch()
    one_sentence(error)
