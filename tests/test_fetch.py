"""Fetching shards from a server that fails in every way, and unpacking archives that try to get out."""

import errno
import hashlib
import json
import stat
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import numpy as np
import pytest
import requests

from hypav.data.archive import check_archive, official_archive_help, safe_extract
from hypav.data.yt8m_build import BASE_URL, fetch_yt8m, make_example, read_videos, remote_name, write_records
from hypav.errors import DataError, RunError, SettingError


def one_sentence(error):
    message = str(error.value)
    assert "\n" not in message
    assert message.endswith(".")
    return message


# ---------------------------------------------------------------- a server that fails as told


class Server:
    """Serves `files` by path. `faults[path]` is a list of faults, one for each GET; after it all is well."""

    def __init__(self):
        self.files, self.faults, self.requests, self.released = {}, {}, [], threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *args):
                pass

            def do_HEAD(self):
                outer.requests.append(("HEAD", self.path, None))
                self.answer_length(len(outer.files.get(self.path, b"")) if self.path in outer.files else None)

            def do_GET(self):
                outer.answer(self)

            def answer_length(self, length):
                self.send_response(404 if length is None else 200)
                self.send_header("Content-Length", str(length or 0))
                self.end_headers()

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(
            target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
        ).start()

    def answer(self, request):
        ranged = request.headers.get("Range")
        self.requests.append(("GET", request.path, ranged))
        queue = self.faults.get(request.path)
        fault = queue.pop(0) if queue else None
        body = self.files.get(request.path)
        if isinstance(fault, int) or body is None:
            request.send_error(fault or 404)
            return
        if fault == "corrupt":
            body = body[:1000] + bytes([body[1000] ^ 1]) + body[1001:]
        start = 0
        if ranged and fault not in ("ignore range", "ignore range and cut"):
            start = int(ranged.removeprefix("bytes=").removesuffix("-"))
        total = len(body)
        if start and start >= total:
            request.send_error(416)
            return
        if start:
            shift = 7 if fault == "wrong range" else 0
            request.send_response(206)
            request.send_header("Content-Range", f"bytes {start + shift}-{total - 1}/{total}")
        else:
            request.send_response(200)
        part = body[start:]
        said = {"too short": len(part) - 100, "too long": len(part) + 100}.get(fault, len(part))
        if fault != "no length":
            request.send_header("Content-Length", str(said))
        request.end_headers()
        if fault in ("cut", "stall", "ignore range and cut"):
            part = part[: len(part) // 2]
        request.wfile.write(part[:said])
        request.wfile.flush()
        if fault == "stall":
            self.released.wait(5)


@pytest.fixture
def server():
    server = Server()
    yield server
    server.released.set()
    server.server.shutdown()
    server.server.server_close()


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    """The bytes of three small shards."""
    folder = tmp_path_factory.mktemp("shards")
    rng = np.random.default_rng(0)
    contents = []
    for shard in range(3):
        records = [
            make_example(
                {
                    "id": [f"{shard}{i:03d}".encode()],
                    "labels": np.array([i]),
                    "mean_rgb": rng.normal(size=1024).astype(np.float32),
                    "mean_audio": rng.normal(size=128).astype(np.float32),
                }
            )
            for i in range(3)
        ]
        write_records(folder / "s", records)
        contents.append((folder / "s").read_bytes())
    return contents


@pytest.fixture
def fetch(server, shards, tmp_path):
    """fetch(shards=..., ...) from the server, into tmp_path/out, with MD5 sums and without waiting."""
    for number, content in enumerate(shards):
        server.files["/v/" + remote_name(number)] = content
    sums = {remote_name(n): hashlib.md5(content).hexdigest() for n, content in enumerate(shards)}
    server.files["/plan.json"] = json.dumps({"files": sums}).encode()

    def run(**changes):
        settings = {
            "shards": range(1),
            "confirm": lambda question: True,
            "base_url": server.url + "/v",
            "plan_url": server.url + "/plan.json",
            "retries": 2,
            "timeout": 0.3,
            "pause": 0.001,
        }
        return fetch_yt8m(tmp_path / "out", **{**settings, **changes})

    run.folder = tmp_path / "out"
    run.path = "/v/" + remote_name(0)
    return run


def gets(server, path):
    return [ranged for method, where, ranged in server.requests if method == "GET" and where == path]


# ---------------------------------------------------------------- fetching


def test_remote_names_count_in_base_62():
    assert remote_name(0) == "validateaa.tfrecord"
    assert remote_name(25) == "validateaz.tfrecord"
    assert remote_name(26) == "validateaA.tfrecord"
    assert remote_name(61) == "validatea9.tfrecord"
    assert remote_name(62) == "validateba.tfrecord"
    assert remote_name(3843) == "validate99.tfrecord"
    assert len({remote_name(n) for n in range(3844)}) == 3844
    assert BASE_URL.endswith("data.yt8m.org/2/video/validate")


def test_shards_come_under_their_local_names(fetch, shards, server):
    questions = []
    paths = fetch(shards=[2, 0], confirm=lambda question: questions.append(question) or True)
    assert [path.name for path in paths] == ["validate0000.tfrecord", "validate0002.tfrecord"]
    assert [path.read_bytes() for path in paths] == [shards[0], shards[2]]
    assert sorted(path.name for path in fetch.folder.iterdir()) == [path.name for path in paths]
    (question,) = questions
    assert "2 YouTube-8M shards" in question
    assert "about 0 MB" in question
    assert server.url in question
    assert str(fetch.folder) in question
    assert len(list(read_videos(paths[0]))) == 3
    server.requests.clear()
    assert fetch(shards=[0, 2], confirm=lambda question: pytest.fail("asked again")) == paths
    assert server.requests == []


def test_nothing_is_fetched_without_a_yes(fetch, server):
    assert fetch(confirm=lambda question: False) == []
    assert not any(method == "GET" for method, _, _ in server.requests)
    assert list(fetch.folder.iterdir()) == []


def test_the_size_in_the_question_is_what_the_server_says(fetch, server, shards):
    server.files[fetch.path] = bytes(5_000_000)
    asked = []
    fetch(shards=range(3), confirm=lambda question: bool(asked.append(question)))
    assert "3 YouTube-8M shards, about 15 MB," in asked[0]
    del server.files[fetch.path]
    fetch(shards=range(100), confirm=lambda question: bool(asked.append(question)))
    assert "100 YouTube-8M shards, about 140 MB," in asked[1]


def test_a_cut_connection_is_resumed_where_it_stopped(fetch, server, shards):
    server.faults[fetch.path] = ["cut", "cut", "cut", "cut"]  # more cuts than retries, but each brings more
    (path,) = fetch()
    assert path.read_bytes() == shards[0]
    size, have, expected = len(shards[0]), 0, [None]
    for _ in range(4):
        have += (size - have) // 2 // 1024 * 1024  # the block that the cut falls in is lost
        expected.append(f"bytes={have}-")
    assert gets(server, fetch.path) == expected
    assert list(fetch.folder.iterdir()) == [path]


def test_another_part_than_asked_for_is_thrown_away(fetch, server, shards):
    server.faults[fetch.path] = ["cut", "wrong range"]
    assert fetch()[0].read_bytes() == shards[0]
    assert [ranged is None for ranged in gets(server, fetch.path)] == [True, False, True]


def test_a_second_run_goes_on_where_the_first_gave_up(fetch, server, shards):
    server.faults[fetch.path] = ["cut", 503, 503, 503]
    with pytest.raises(DataError, match="answers 503"):
        fetch()
    half = len(shards[0]) // 2 // 1024 * 1024
    assert [(path.name, path.stat().st_size) for path in fetch.folder.iterdir()] == [
        ("validate0000.tfrecord.part", half)
    ]
    (path,) = fetch()
    assert path.read_bytes() == shards[0]
    assert gets(server, fetch.path)[-1] == f"bytes={half}-"


@pytest.mark.parametrize(
    "faults",
    [["stall"], ["corrupt"], [500, 429], ["cut", "ignore range"], ["too short"], ["too long"]],
    ids=str,
)
def test_passing_faults_end_in_a_sound_file(fetch, server, shards, faults):
    server.faults[fetch.path] = list(faults)
    (path,) = fetch()
    assert path.read_bytes() == shards[0]
    assert list(fetch.folder.iterdir()) == [path]


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("stall", "stalled"),
        ("corrupt", "what came: the record at byte 0 fails its CRC"),
        ("ignore range and cut", "was cut"),
        ("no length", "does not say how long"),
        (404, "answers 404"),
        (500, "answers 500"),
    ],
)
def test_lasting_faults_end_in_one_sentence_and_no_file(fetch, server, fault, message):
    server.faults[fetch.path] = [fault] * 20
    with pytest.raises(DataError, match=message) as error:
        fetch(retries=1)
    assert server.url + fetch.path in one_sentence(error)
    assert not (fetch.folder / "validate0000.tfrecord").exists()
    assert {path.suffix for path in fetch.folder.iterdir()} <= {".part"}


def test_a_refusal_is_not_asked_twice(fetch, server):
    server.faults[fetch.path] = [404] * 5
    with pytest.raises(DataError):
        fetch()
    assert len(gets(server, fetch.path)) == 1


def test_no_server_is_one_sentence(fetch):
    with pytest.raises(DataError, match="the connection failed") as error:
        fetch(base_url="http://127.0.0.1:9", plan_url=None)
    one_sentence(error)


def test_a_page_in_place_of_a_shard_is_no_shard(fetch, server):
    server.files[fetch.path] = b"<html>please log in</html>"
    with pytest.raises(DataError, match="not a TFRecord file") as error:
        fetch(plan_url=None)
    one_sentence(error)
    assert list(fetch.folder.iterdir()) == []


def test_an_empty_shard_is_no_shard(fetch, server):
    server.files[fetch.path] = b""
    with pytest.raises(DataError, match="the file is empty"):
        fetch(plan_url=None)


def test_a_sound_file_of_another_shard_fails_its_md5(fetch, server, shards):
    server.files[fetch.path] = shards[1]
    with pytest.raises(DataError, match="another MD5 sum") as error:
        fetch()
    one_sentence(error)
    assert list(fetch.folder.iterdir()) == []
    assert fetch(plan_url=None)[0].read_bytes() == shards[1]


def test_a_missing_or_wrong_plan_is_one_sentence(fetch, server):
    for plan, message in (
        (b"<html>", "not the list of MD5 sums"),
        (b'{"files": {"validateaa.tfrecord": 5}}', "not the list of MD5 sums"),
        (b'{"files": {}}', "does not name validateaa.tfrecord"),
        (None, r"plan\.json: the server answers 404 Not Found; give another plan_url, or None"),
    ):
        server.files["/plan.json"] = plan
        with pytest.raises(DataError, match=message) as error:
            fetch()
        one_sentence(error)
        assert gets(server, fetch.path) == []


def test_a_damaged_shard_that_is_there_is_fetched_anew(fetch, shards):
    fetch.folder.mkdir()
    (fetch.folder / "validate0000.tfrecord").write_bytes(shards[0][:5000])
    for plan in ({}, {"plan_url": None}):
        assert fetch(**plan)[0].read_bytes() == shards[0]
        (fetch.folder / "validate0000.tfrecord").write_bytes(b"")


def test_a_file_far_too_long_is_refused_before_it_comes(fetch, server, monkeypatch):
    monkeypatch.setattr("hypav.data.yt8m_build._LONGEST", 10_000)
    with pytest.raises(DataError, match="which no video-level shard is") as error:
        fetch()
    one_sentence(error)
    assert list(fetch.folder.iterdir()) == []


def test_a_full_disk_is_one_sentence_and_keeps_what_came(fetch, server, shards, monkeypatch):
    blocks = requests.Response.iter_content

    def full_after_first(self, size):
        for block in blocks(self, 1000):
            yield block
            if "plan" not in self.url:
                raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(requests.Response, "iter_content", full_after_first)
    with pytest.raises(RunError, match="there is no space left") as error:
        fetch()
    one_sentence(error)
    assert [(path.name, path.stat().st_size) for path in fetch.folder.iterdir()] == [
        ("validate0000.tfrecord.part", 1000)
    ]
    monkeypatch.undo()
    assert fetch()[0].read_bytes() == shards[0]


def test_too_little_space_is_said_before_the_question(fetch, monkeypatch):
    monkeypatch.setattr("hypav.data.yt8m_build.shutil.disk_usage", lambda folder: SimpleNamespace(free=100))
    with pytest.raises(RunError, match="MB free; choose another folder") as error:
        fetch(confirm=lambda question: pytest.fail("asked"))
    one_sentence(error)


def test_senseless_settings_are_one_sentence(fetch):
    for changes, message in (
        ({"shards": [3844]}, "numbered 0 to 3843"),
        ({"shards": [-1]}, "numbered 0 to 3843"),
        ({"shards": []}, "numbered 0 to 3843"),
        ({"base_url": "file:///etc"}, "http:// or https://"),
    ):
        with pytest.raises(SettingError, match=message) as error:
            fetch(**changes)
        one_sentence(error)


def test_a_folder_that_cannot_be_made_is_one_sentence(fetch, tmp_path):
    (tmp_path / "out").write_text("a file")
    with pytest.raises(RunError) as error:
        fetch()
    one_sentence(error)


# ---------------------------------------------------------------- the official archive


def make_zip(path, members, compression=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in members:
            info = name if isinstance(name, zipfile.ZipInfo) else zipfile.ZipInfo(name)
            info.compress_type = compression
            archive.writestr(info, content)
    return path


def link(name):
    info = zipfile.ZipInfo(name)
    info.create_system = 3
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info


ROOT = "avgzsl_benchmark_datasets/"
GOOD = [
    (ROOT, b""),
    (ROOT + "UCF/class-split/all_class.txt", b"Archery\n"),
    (ROOT + "UCF/features/main_features/audio/stage_1_train/Archery.h5", b"h5" * 5000),
    (ROOT + "VGGSound/features/cls_features/audio/stage_1_train/dog barking.h5", b"h5"),
    (ROOT + "UCF/_features_processed/main_features/trainingmain_split.pkl", b"cos\nsystem\n(S'touch x'\ntR."),
]


def test_help_names_the_place_and_the_steps():
    text = official_archive_help()
    assert "1NzpSVL-2nXRFH6pvHNOZeRhu_jfDL0ZE" in text
    assert "avgzsl_benchmark_datasets.zip" in text
    assert "hypav data verify" in text


def test_an_archive_is_described_and_unpacked_without_its_pickles(tmp_path):
    path = make_zip(tmp_path / "a.zip", GOOD)
    report = check_archive(path)
    assert (report.files, report.size, report.pickles) == (3, 8 + 10000 + 2, 1)
    assert report.found == (("UCF", "main_features"), ("VGGSound", "cls_features"))
    assert safe_extract(path, tmp_path / "out") == report
    files = {
        str(p.relative_to(tmp_path / "out")): p.read_bytes()
        for p in (tmp_path / "out").rglob("*")
        if p.is_file()
    }
    assert files == dict(GOOD[1:4])
    safe_extract(path, tmp_path / "out")  # once more over the same files


def test_a_member_that_would_leave_the_folder_stops_all(tmp_path):
    names = (
        "../out.txt",
        "a/../../out.txt",
        "/tmp/out.txt",
        "C:/out.txt",
        "a\\..\\..\\out.txt",
        "a//b",
        "./a",
        "..",
    )
    for name in (*names, link("a/link")):
        path = make_zip(tmp_path / "a.zip", [*GOOD, (name, b"/etc/passwd")])
        for run in (check_archive, lambda p: safe_extract(p, tmp_path / "out")):
            with pytest.raises(DataError, match=r"outside its folder|is a link") as error:
                run(path)
            one_sentence(error)
        assert sorted(p.name for p in tmp_path.iterdir()) == ["a.zip"], name


def test_a_member_that_stands_twice_is_refused(tmp_path):
    with pytest.warns(UserWarning, match="Duplicate"):
        path = make_zip(tmp_path / "a.zip", [("a", b"1"), ("a", b"2")])
    with pytest.raises(DataError, match="'a' stands in it twice"):
        check_archive(path)


def test_an_encrypted_member_is_refused(tmp_path):
    path = make_zip(tmp_path / "a.zip", [("a", b"1")])
    data = bytearray(path.read_bytes())
    data[data.rindex(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(data)
    with pytest.raises(DataError, match="'a' is encrypted"):
        check_archive(path)


def test_a_link_that_stands_in_the_folder_is_not_followed(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / ROOT.rstrip("/")).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(DataError, match="is a link that leaves") as error:
        safe_extract(make_zip(tmp_path / "a.zip", GOOD), tmp_path / "out")
    one_sentence(error)
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_damaged_archive_is_one_sentence_and_leaves_no_half_file(tmp_path):
    path = make_zip(tmp_path / "a.zip", [("a.h5", b"x" * 3000), ("b.h5", b"y" * 3000)], zipfile.ZIP_STORED)
    data = path.read_bytes()
    path.write_bytes(data.replace(b"y" * 3000, b"y" * 2999 + b"z"))
    with pytest.raises(DataError, match="damaged") as error:
        safe_extract(path, tmp_path / "out")
    one_sentence(error)
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["a.h5"]
    for broken in (data[: len(data) // 2], b"", b"<html>"):
        path.write_bytes(broken)
        with pytest.raises(DataError, match="no zip archive") as error:
            check_archive(path)
        one_sentence(error)
    with pytest.raises(DataError, match="no archive at"):
        check_archive(tmp_path / "gone.zip")


def test_an_archive_too_big_for_the_disk_is_refused_before_a_byte_is_written(tmp_path, monkeypatch):
    path = make_zip(tmp_path / "a.zip", GOOD)
    monkeypatch.setattr("hypav.data.archive.shutil.disk_usage", lambda folder: SimpleNamespace(free=100))
    with pytest.raises(RunError, match="MB free; choose another folder") as error:
        safe_extract(path, tmp_path / "out")
    one_sentence(error)
    assert list((tmp_path / "out").iterdir()) == []
