"""The hypav command as a user meets it: help, results, one-sentence errors, exit codes."""

from __future__ import annotations

import errno
import io
import json
import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Callable, Sequence
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import NamedTuple

import pytest
from click.testing import CliRunner
from data_helpers import UCF_COUNTS, official_folder, small_set
from test_data_verify import pickle_that_runs, truncate

from hypav.cli import cli, main
from hypav.data import write_official

GOLDEN = Path(__file__).parent / "golden"
REAL_DATA = os.environ.get("HYPAV_DATA")
QUICK = ("--epochs", "2", "--batches", "2", "--batch-size", "16")


class Done(NamedTuple):
    returncode: int
    stdout: str
    stderr: str


Command = Callable[..., Done]


@pytest.fixture
def hypav(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Command:
    """The command in this process, as the entry point runs it; HYPAV_DATA is not set."""
    monkeypatch.delenv("HYPAV_DATA", raising=False)

    def call(*arguments: str | Path) -> Done:
        monkeypatch.setattr(sys, "argv", ["hypav", *map(str, arguments)])
        capfd.readouterr()
        with pytest.raises(SystemExit) as stop:
            main()
        out, err = capfd.readouterr()
        return Done(int(stop.value.code or 0), out, err)

    return call


def sentence(done: Done) -> str:
    """The one sentence of a failed command."""
    assert done.returncode == 2, (done.returncode, done.stdout, done.stderr)
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, lines
    return lines[0]


def walk(command: object, path: Sequence[str] = ()) -> list[tuple[str, ...]]:
    below = getattr(command, "commands", {})
    return [tuple(path), *(leaf for name, one in below.items() for leaf in walk(one, (*path, name)))]


def test_every_command_explains_itself() -> None:
    for path in walk(cli):
        done = CliRunner().invoke(cli, [*path, "--help"])
        assert done.exit_code == 0
        assert len(done.output.split("Options:")[0].split()) > 12, "a student needs more than the usage line"
        if path and path != ("data",):
            assert "--json" in done.output
        for line in done.output.split("Options:")[1].splitlines():
            assert not re.fullmatch(r"\s+--?[a-z-]+( [A-Z]+)?", line), f"{line.strip()} says nothing"


def test_compare_prints_a_table_and_writes_it(tmp_path: Path, hypav: Command) -> None:
    arguments = (
        "compare",
        "--data",
        "simulated:small",
        "--seeds",
        "2",
        *QUICK,
        "--out",
        tmp_path,
        "--jobs",
        "1",
    )
    done = hypav(*arguments, "--variants", "avca,hyper-multiple:2")
    assert done.returncode == 0, done.stderr
    assert "SIMULATED" in done.stdout
    assert re.search(r"\| AVCA +\| +\d+\.\d ± \d+\.\d", done.stdout)
    assert "Hyper-multiple" in done.stdout
    found = json.loads(next(tmp_path.glob("comparison-*.json")).read_text())
    assert [row["method"] for row in found["rows"]] == ["AVCA", "Hyper-multiple"]
    assert next(tmp_path.glob("comparison-*.png")).read_bytes().startswith(b"\x89PNG")
    again = hypav(*arguments, "--variants", "avca,hyper-multiple:2", "--json")
    assert json.loads(again.stdout)["rows"] == found["rows"]


def test_train_then_evaluate(tmp_path: Path, hypav: Command) -> None:
    train = (
        "train",
        "--data",
        "simulated:small",
        "--variant",
        "hyper-single",
        *QUICK,
        "--out",
        tmp_path,
        "--json",
    )
    done = hypav(*train)
    assert done.returncode == 0, done.stderr
    record = json.loads(done.stdout)
    looked = hypav("evaluate", record["folder"], "--data", "simulated:small", "--json")
    report = json.loads(looked.stdout)
    assert {m: report[m] for m in ("S", "U", "HM", "ZSL", "beta")} == record["metrics"]
    assert report["trained_on_these_data"] is True
    text = hypav("evaluate", record["folder"], "--data", "simulated:small").stdout
    assert "AUSUC" in text
    assert "super-group" in text
    other = hypav("evaluate", record["folder"], "--data", "simulated:small", "--data-seed", "5")
    assert "other data" in other.stderr


def test_delta_stands_beside_its_null(hypav: Command) -> None:
    done = hypav("delta", "--data", "simulated:small", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    for row in found["rows"]:
        assert 0 <= row["delta_rel"] <= 1
        assert 0 <= row["noise"] <= 1
        assert row["released"] == pytest.approx(row["delta_rel"] / 2)


def test_parity_exit_codes(tmp_path: Path, hypav: Command) -> None:
    for name in ("state.npz", "batch.npz", "sampler.json"):
        (tmp_path / name).write_bytes((GOLDEN / name).read_bytes())
    done = hypav("parity", tmp_path, "--quiet")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 past their tolerance" in done.stdout
    weights = json.loads((GOLDEN / "sampler.json").read_text())
    weights["weights"][0] *= 1 + 1e-8
    (tmp_path / "sampler.json").write_text(json.dumps(weights))
    (tmp_path / "other.npz").write_bytes(b"")
    done = hypav("parity", tmp_path)
    assert done.returncode == 1
    assert "FAIL" in done.stdout
    assert "not compared: other.npz" in done.stdout
    (tmp_path / "sampler.json").unlink()
    (tmp_path / "align_f64_seed2.npz").write_bytes((GOLDEN / "delta.npz").read_bytes())
    assert "none of the records" in sentence(hypav("parity", tmp_path))


def test_bad_input_is_one_sentence(tmp_path: Path, hypav: Command) -> None:
    for command, said in (
        ("compare --data nowhere", "nowhere"),
        ("compare --data yt8m-mini", "HYPAV_DATA"),
        ("compare --seeds 0", "at least one variant and one seed"),
        ("train --data simulated:huge", "huge"),
        ("train --data simulated:small --variant hyper-alignment:0.2", "not hyperbolic"),
        ("train --data simulated:small --epochs 0", "epochs is 0"),
        ("train --data simulated:small --device abacus", "abacus"),
        ("train --data simulated:small --lr -1", "lr is -1"),
        ("train --data simulated:small --threads 0", "threads is 0"),
        ("delta --data simulated:small --seed -1", "--seed"),
        (f"data describe simulated:small --data-seed {'9' * 30}", "--data-seed"),
        ("evaluate nowhere", "no finished run"),
        ("parity nowhere", "nowhere"),
        ("data verify nowhere", "nowhere"),
        ("frobnicate", "frobnicate"),
    ):
        arguments = command.split()
        place = ("--out", tmp_path / "runs") if arguments[0] in ("train", "compare") else ()
        assert said in sentence(hypav(*arguments, *place)), command
    as_json = hypav("evaluate", "nowhere", "--json")
    assert as_json.returncode == 2
    assert "no finished run" in json.loads(as_json.stdout)["error"]


def test_the_installed_command() -> None:
    """python -m hypav in a process of its own, where importing it warns of nothing."""
    command = [
        sys.executable,
        "-W",
        "error::DeprecationWarning",
        "-m",
        "hypav",
        "data",
        "describe",
        "nowhere",
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.startswith("Error: There is no door")
    assert len(done.stderr.splitlines()) == 1
    assert done.stdout == ""


def test_unwritable_run_folder(tmp_path: Path, hypav: Command) -> None:
    (tmp_path / "file").write_text("in the way")
    done = hypav("train", "--data", "simulated:small", *QUICK, "--out", tmp_path / "file" / "runs")
    assert "Cannot write" in sentence(done)
    assert (tmp_path / "file").read_text() == "in the way"


def test_official_folder_end_to_end(tmp_path: Path, hypav: Command) -> None:
    """A folder at UCF-GZSL's exact class and sample counts and dimensions: verified, trained on, evaluated."""
    root = official_folder(tmp_path / "UCF", dims=(512, 512, 300))
    assert hypav("data", "verify", root).returncode == 0
    described = json.loads(hypav("data", "describe", root, "--json").stdout)
    counts = {name: (split["classes"], split["samples"]) for name, split in described["splits"].items()}
    assert counts == UCF_COUNTS
    runs = tmp_path / "runs"
    short = ("--recipe", "course", "--epochs", "1", "--batches", "5", "--out", runs)
    done = hypav("train", "--data", root, *short, "--json")
    assert done.returncode == 0, done.stderr
    record = json.loads(done.stdout)
    looked = hypav("evaluate", record["folder"], "--data", root, "--json")
    assert json.loads(looked.stdout)["HM"] == record["metrics"]["HM"]
    table = hypav(
        "compare", "--data", root, *short, "--seeds", "1", "--variants", "avca", "--jobs", "1"
    ).stdout
    assert re.search(r"\| AVCA .*51\.53 +\| 18\.43 +\| 27\.15 +\| 20\.01", table), (
        "the paper's row of UCF-GZSL (main)"
    )
    assert "SIMULATED" not in table


@pytest.mark.parametrize("damage", [truncate, pickle_that_runs])
def test_broken_data_stop_training_with_one_sentence(
    damage: Callable[[Path], object], tmp_path: Path, hypav: Command
) -> None:
    """Each fault of a folder has its sentence in test_data_verify."""
    root = write_official(small_set(name="own (main)"), tmp_path / "own", "main")
    damage(root)
    done = hypav("train", "--data", root, *QUICK, "--out", tmp_path / "runs")
    sentence(done)
    assert not (tmp_path / "runs").exists(), "nothing is left of a run that could not start"
    assert not (root / "PWNED").exists()
    report = hypav("data", "verify", root)
    assert report.returncode == 2
    assert "error: " in report.stdout


def test_disk_full_while_saving(tmp_path: Path, hypav: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    command = ("train", "--data", "simulated:small", *QUICK, "--out", tmp_path / "runs")
    whole = hypav("train", "--data", "simulated:small", *QUICK, "--out", tmp_path / "other", "--json")
    before = os.fsync
    calls = iter(range(100))

    def full(descriptor: int) -> None:
        if next(calls) >= 3:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        before(descriptor)

    monkeypatch.setattr(os, "fsync", full)
    assert "No space left" in sentence(hypav(*command))
    monkeypatch.setattr(os, "fsync", before)
    again = json.loads(hypav(*command, "--json").stdout)
    assert again["metrics"] == json.loads(whole.stdout)["metrics"], "it goes on to the same result"


def test_data_commands(tmp_path: Path, hypav: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "drive.google.com" in hypav("data", "fetch", "official").stdout
    folder = tmp_path / "Own"
    assert hypav("data", "write-official", "simulated:small", folder).returncode == 0
    assert "SIMULATED" in hypav("data", "describe", folder).stdout
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        archive.writestr("UCF/class-split/all_class.txt", "A\n")
    assert "1 file" in hypav("data", "unpack", tmp_path / "set.zip").stdout
    assert hypav("data", "unpack", tmp_path / "set.zip", tmp_path / "out").returncode == 0
    assert (tmp_path / "out/UCF/class-split/all_class.txt").read_text() == "A\n"
    assert "no file of text vectors" in sentence(
        hypav("data", "build-yt8m", "nowhere.tfrecord", "--text", folder / "x.npz")
    )
    assert "0-139" in sentence(hypav("data", "fetch", "yt8m", "--shards", "few"))


def test_fetch_asks_first(tmp_path: Path, hypav: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a yes nothing is asked for but the size: the server sees one HEAD request and no GET."""
    seen = []

    class Server(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            seen.append("HEAD")
            self.send_response(200)
            self.send_header("Content-Length", "1000000")
            self.end_headers()

        def do_GET(self) -> None:
            seen.append("GET")
            self.send_error(404)

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Server) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
        url = f"http://127.0.0.1:{server.server_port}"
        done = hypav(
            "data", "fetch", "yt8m", "--to", tmp_path / "s", "--shards", "0-2", "--url", url, "--plan", ""
        )
        server.shutdown()
    assert done.returncode == 0
    assert "3" in done.stdout
    assert "MB" in done.stdout
    assert "Nothing was downloaded" in done.stdout
    assert seen == ["HEAD"]


@pytest.mark.real_data
def test_compare_on_real_features(tmp_path: Path, hypav: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    if not REAL_DATA:
        pytest.skip("no real data")
    monkeypatch.setenv("HYPAV_DATA", REAL_DATA)
    quick = ("--epochs", "1", "--batches", "2", "--batch-size", "32", "--jobs", "1")
    done = hypav("compare", "--data", "yt8m-mini", "--seeds", "3", *quick, "--out", tmp_path)
    assert done.returncode == 0, done.stderr
    assert "YouTube-8M (2018), Google LLC, CC BY 4.0" in done.stdout
    for method in ("AVCA", "Hyper-alignment", "Hyper-single", "Hyper-multiple"):
        assert re.search(rf"\| {method} +\| +\d+\.\d ± ", done.stdout)
    assert "paper S" not in done.stdout, "the paper's numbers are of other data"
    assert "SIMULATED" not in done.stdout
