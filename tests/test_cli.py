"""The hypav command as a user meets it: help, results, one-sentence errors, exit codes."""

from __future__ import annotations

import errno
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from functools import reduce
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

import click
import numpy as np
import pytest
from click.testing import CliRunner
from data_helpers import official_folder, small_set, write_official
from grid_helpers import reproduce_tiny, tiny_recipe
from test_data_verify import pickle_that_runs, truncate

import hypav
from hypav import cli as command_line
from hypav.alignment import PRESETS, REPAIRS
from hypav.cli import cli, main
from hypav.data import load_npz, save_npz
from hypav.experiments.configs import METHODS
from hypav.experiments.evidence import EXPERIMENTS
from hypav.experiments.runs import read_record, record_files

REAL_DATA = os.environ.get("HYPAV_DATA")
COURSE_RUNS = Path(__file__).parents[1] / "notebooks" / "results" / "course_runs.csv"
QUICK = ("--epochs", "2", "--batches", "2", "--batch-size", "16")
SMALL = ("--data", "simulated:small")
FEW = {"stage_1_train": (4, 80), "stage_1_val_seen": (4, 20), "stage_1_val_unseen": (2, 30),
       "stage_2_test_seen": (6, 24), "stage_2_test_unseen": (3, 30)}  # fmt: skip


class Done(NamedTuple):
    returncode: int
    stdout: str
    stderr: str


Command = Callable[..., Done]


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Command:
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
    """The one sentence of a command that was refused."""
    assert done.returncode == 2, (done.returncode, done.stdout, done.stderr)
    assert done.stdout == ""
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, lines
    return lines[0]


# --- help ---


def walk(command: object, path: Sequence[str] = ()) -> list[tuple[str, ...]]:
    below = getattr(command, "commands", {})
    return [tuple(path), *(leaf for name, one in below.items() for leaf in walk(one, (*path, name)))]


def test_every_command_explains_itself() -> None:
    for path in walk(cli):
        done = CliRunner().invoke(cli, [*path, "--help"])
        assert done.exit_code == 0
        assert len(done.output.split("Options:")[0].split()) > 12, "a student needs more than the usage line"
        for line in done.output.split("Options:")[1].splitlines():
            assert not re.fullmatch(r"\s+--?[a-z-]+( [A-Z]+)?", line), f"{line.strip()} says nothing"


def test_help_and_version_import_no_torch() -> None:
    """So that they answer at once."""
    lines = [["--version"], *([*path, "-h"] for path in walk(cli))]
    program = f"import sys; from hypav.cli import cli; [cli(a, standalone_mode=False) for a in {lines}]"
    program += "; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "False"


def test_the_names_in_the_help_are_the_packages() -> None:
    assert set(command_line.PRESETS) == {*PRESETS, *REPAIRS}
    assert command_line.EXPERIMENTS.split(" | ") == list(EXPERIMENTS)
    shown = subprocess.run(
        [sys.executable, "-m", "hypav", "reproduce", "-h"], capture_output=True, text=True, check=True
    )
    assert all(name in shown.stdout for name in EXPERIMENTS)
    assert tuple(command_line.METHODS.split(",")) == METHODS


def test_the_installed_command() -> None:
    """python -m hypav in another process, in which importing it warns of nothing."""
    program = [sys.executable, "-W", "error::DeprecationWarning", "-m", "hypav"]
    done = subprocess.run([*program, "data", "describe", "--data", "nowhere"], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("Error: There is no set")
    assert len(done.stderr.splitlines()) == 1
    version = subprocess.run([*program, "--version"], capture_output=True, text=True)
    assert hypav.__version__ in version.stdout


# --- the commands ---


def test_compare_prints_a_table_and_writes_it(tmp_path: Path, command: Command) -> None:
    arguments = ("compare", *SMALL, "--seeds", "3", *QUICK, "--folder", tmp_path / "runs", "--jobs", "1")
    done = command(*arguments, "--methods", "eszsl,avca,hyper-multiple:2", "--to", tmp_path / "table.csv")
    assert done.returncode == 0, done.stderr
    assert "SIMULATED" in done.stdout
    assert re.search(r"\| AVCA +\| +\d+\.\d ± \d+\.\d", done.stdout)
    assert re.search(r"\| ESZSL +\| +\d+\.\d +\|", done.stdout)
    assert "6 runs, 6 to do" in done.stderr
    assert (tmp_path / "table.csv").read_text().startswith("method,S,S ±,")
    assert "6 already in" in command(*arguments, "--methods", "avca,hyper-multiple:2").stderr


def test_train_then_evaluate_then_delta(tmp_path: Path, command: Command) -> None:
    done = command("train", *SMALL, "--method", "hyper-single", *QUICK, "--folder", tmp_path)
    assert done.returncode == 0, done.stderr
    (path,) = record_files(tmp_path)
    assert str(path) in done.stdout
    record = read_record(path)
    assert f"HM {100 * record['HM']:.2f}" in done.stdout
    looked = command("evaluate", path)  # the record says which data to load
    assert looked.returncode == 0, looked.stderr
    assert f"HM {100 * record['HM']:.2f}" in looked.stdout
    assert "AUSUC" in looked.stdout
    assert "super-group" in looked.stdout
    assert "other features" in command("evaluate", path, *SMALL, "--data-seed", "5").stderr
    assert "dim_audio" in sentence(command("evaluate", path, "--data", "simulated"))
    done = command("delta", *SMALL, "--run", path)
    assert done.returncode == 0, done.stderr
    rows = [
        [cell.strip() for cell in line.split("|")[1:-1]] for line in done.stdout.splitlines() if "|" in line
    ]
    assert [row[0] for row in rows[2:]] == ["audio", "video", "text", "theta_v", "theta_a"]
    for row in rows[2:]:
        assert 0 <= float(row[3]) <= 1
        assert float(row[6]) == pytest.approx(float(row[3]) / 2, abs=0.001)


def test_reproduce_then_table(tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hypav.experiments.reproduce.recipe_for", lambda *_: tiny_recipe())
    reproduce = ("reproduce", "table1", *SMALL, "--jobs", "1", "--folder", tmp_path)
    done = command(*reproduce, "--seeds", "3", "--presets", "printed, curved", "--weights", "1,0.5")
    assert done.returncode == 0, done.stderr
    assert "39 runs, 39 to do" in done.stderr
    assert "40 runs are in" in done.stdout
    shown = command(
        "table", "1", "--folder", tmp_path, "--scale", "full", "--preset", "curved", "--weight", ".5"
    )
    assert shown.returncode == 0, shown.stderr
    assert re.search(r"\| Hyper-single .*\d+\.\d ± \d", shown.stdout)
    assert re.search(r"\| ESZSL ", shown.stdout)
    pulled = command("table", "1", "--folder", tmp_path, "--scale", "full", "--pull", ".1")
    assert "printed, pull 0.1" in pulled.stdout
    assert re.search(r"\| Hyper-single .*not run", pulled.stdout)
    to = ("--format", "latex", "--to", tmp_path / "t.tex")
    assert command("table", "1", "--folder", tmp_path, "--recipe", "tiny", *to).returncode == 0
    assert r"\begin{tabular}" in (tmp_path / "t.tex").read_text()
    for arguments, words in (
        (("9", "--recipe", "tiny"), "no 'table9'"),
        (("baselines", "--recipe", "tiny"), "no 'tablebaselines'; choose table1"),
        (("1", "--recipe", "course"), "no such runs"),
        (("1", "--recipe", "tiny", "--weight", "tuned"), "no runs to tune by"),
        (("1", "--recipe", "tiny", "--weight", "1", "--pull", "1"), "give one of them"),
    ):
        assert words in sentence(command("table", *arguments, "--folder", tmp_path))
    assert "no runs in" in sentence(command("table", "1", "--folder", tmp_path / "nowhere"))


def test_runs_that_fail_are_listed_and_the_code_is_1(
    tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("reproduce", "grid"):
        monkeypatch.setattr(f"hypav.experiments.{module}.recipe_for", lambda *_: tiny_recipe(lr=1e30))
    done = command("reproduce", "table7", *SMALL, "--seeds", "1", "--jobs", "1", "--folder", tmp_path)
    assert done.returncode == 1
    assert done.stdout.count("seed 0 failed") == 2
    arguments = ("--methods", "avca", "--seeds", "1", "--jobs", "1", "--folder", tmp_path)
    done = command("compare", *SMALL, *arguments)
    assert done.returncode == 1
    assert "AVCA seed 0 failed" in done.stdout


def test_the_recorded_runs_are_shown_without_their_data(command: Command) -> None:
    for name in ("simulated", "yt8m-mini"):
        done = command("table", "1", "--folder", COURSE_RUNS, "--data", name, "--weight", "tuned")
        assert done.returncode == 0, done.stderr
        ours = [line for line in done.stdout.splitlines() if re.match(r"\| (AVCA|Hyper-)", line)]
        assert len(ours) == 4
        assert not any("not run" in line for line in ours)


def test_a_figure_from_kept_networks(tmp_path: Path, command: Command) -> None:
    reproduce_tiny(tmp_path / "runs", ["figure3"], seeds=1, recipe="course")
    done = command("figure", "3", *SMALL, "--folder", tmp_path / "runs", "--to", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert sorted(path.suffix for path in (tmp_path / "out").iterdir()) == [".csv", ".svg"]
    again = sentence(command("figure", "3", *SMALL, "--folder", tmp_path / "runs", "--preset", "curved"))
    assert "hypav reproduce figure3" in again
    reproduce_tiny(tmp_path / "runs", ["figure3"], seeds=1, recipe="course", pulls=[0.1])
    pulled = ("figure", "3", *SMALL, "--folder", tmp_path / "runs", "--to", tmp_path / "out", "--pull", 0.1)
    done = command(*pulled, "--device", "cpu")
    assert "printed-0.1-" in done.stdout, done.stderr
    assert "There is no device 'meta' here" in sentence(command(*pulled, "--device", "meta"))


def test_an_empty_name_of_a_set_is_refused(command: Command) -> None:
    for words in (("data", "describe"), ("compare",), ("train",)):
        sentence(command(*words, "--data", ""))


def test_course_writes_the_notebooks(
    tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    fake = SimpleNamespace(
        write_course=lambda folder, **options: asked.append((folder, options)) or ["For students: x"]
    )
    monkeypatch.setitem(sys.modules, "hypav.site", fake)
    assert "For students" in command("course", tmp_path / "course").stdout
    assert asked == [(tmp_path / "course", {"execute": False, "data": "simulated"})]


# --- data ---


def test_describe_and_verify(tmp_path: Path, command: Command) -> None:
    assert "SIMULATED" in command("data", "describe", *SMALL).stdout
    root = official_folder(tmp_path / "UCF", dims=(8, 12, 6))
    done = command("data", "verify", root)
    assert (done.returncode, "error:" in done.stdout) == (0, False)
    truncate_me = write_official(small_set(), tmp_path / "own")
    truncate(truncate_me)
    done = command("data", "verify", truncate_me)
    assert done.returncode == 2
    assert "error: " in done.stdout
    assert "nowhere" in sentence(command("data", "verify", "nowhere"))


@pytest.mark.parametrize("kind", ["npz", "folder"])
def test_make_a_set_of_your_own_arrays_and_train_on_it(kind: str, tmp_path: Path, command: Command) -> None:
    data = small_set(counts={"stage_1_train": (4, 80), "stage_1_val_seen": (4, 20), "stage_1_val_unseen": (2, 30),
                             "stage_2_test_seen": (6, 24), "stage_2_test_unseen": (3, 30)})  # fmt: skip
    arrays = {name: getattr(data, name).numpy() for name in ("audio", "video", "label", "text")}
    source = tmp_path / ("mine" if kind == "folder" else "arrays.npz")
    if kind == "folder":
        source.mkdir()
        for name, array in arrays.items():
            np.save(source / f"{name}.npy", array)
        (source / "class_names.txt").write_text("\n".join(data.class_names))
    else:
        np.savez(source, class_names=np.array(data.class_names), **arrays)
    out = tmp_path / "set.npz"
    done = command("data", "make", source, out, "--unseen", "2", "--seed", "3")
    assert done.returncode == 0, done.stderr
    made = load_npz(out)
    assert (len(made), len(made.phase("test").unseen), made.name) == (len(data), 2, source.stem)
    trained = command("train", "--data", out, *QUICK, "--folder", tmp_path / "runs")
    assert trained.returncode == 0, trained.stderr
    assert command("evaluate", record_files(tmp_path / "runs")[0]).returncode == 0
    assert ".npz" in sentence(command("data", "make", source, tmp_path / "set.txt"))


def test_make_refuses_what_it_cannot_use(tmp_path: Path, command: Command) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    np.save(folder / "audio.npy", np.zeros((3, 2)))
    assert "video is missing" in sentence(command("data", "make", folder, tmp_path / "out.npz"))
    np.save(folder / "video.npy", np.array([{"a": 1}], dtype=object))
    assert "Python objects" in sentence(command("data", "make", folder, tmp_path / "out.npz"))
    assert "no such file" in sentence(command("data", "make", tmp_path / "nowhere", tmp_path / "out.npz"))


def test_fetch_asks_first(tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "drive.google.com" in command("data", "fetch", "official").stdout
    asked = []
    monkeypatch.setattr(
        "hypav.data.yt8m_build.fetch_yt8m", lambda folder, **options: asked.append(options) or []
    )
    done = command("data", "fetch", "yt8m", "--to", tmp_path / "s", "--shards", "0-2,7", "--yes")
    assert "Nothing was downloaded" in done.stdout
    assert asked[0]["shards"] == [0, 1, 2, 7]
    assert asked[0]["confirm"]("Download?") is True
    assert "0-139" in sentence(command("data", "fetch", "yt8m", "--shards", "few"))
    assert "x.npz" in sentence(
        command("data", "build-yt8m", "nowhere.tfrecord", "--text", tmp_path / "x.npz")
    )


# --- what goes wrong ---


def test_bad_input_is_one_sentence(tmp_path: Path, command: Command) -> None:
    for line, words in (
        ("compare --data nowhere", "nowhere"),
        ("compare --data yt8m-mini", "HYPAV_DATA"),
        ("compare --seeds 0", "seeds is 0"),
        ("train --data simulated:huge", "huge"),
        ("train --data simulated:small --method hyper-alignment:0.2", "not hyperbolic"),
        ("train --data simulated:small --method eszsl", "no training run"),
        ("train --data simulated:small --epochs 0", "epochs is 0"),
        ("train --data simulated:small --method hyper-single --pull 0", "pull is 0"),
        ("compare --data simulated:small --weight 1 --pull 0.1", "give one of them"),
        ("train --data simulated:small --device abacus", "abacus"),
        ("train --data simulated:small --recipe vgg", "vgg"),
        ("train --data simulated:small --threads 0", "threads is 0"),
        ("reproduce tabel1 --data simulated:small", "tabel1"),
        ("reproduce table1 --data simulated:small --weights nan", "nan"),
        ("delta --data simulated:small --seed -1", "--seed"),
        (f"data describe --data simulated:small --data-seed {'9' * 30}", "--data-seed"),
        ("evaluate nowhere.json", "no run"),
        ("frobnicate", "frobnicate"),
    ):
        folder = (
            ("--folder", tmp_path / "runs") if line.split()[0] in ("train", "compare", "reproduce") else ()
        )
        assert words in sentence(command(*line.split(), *folder)), line
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("damage", [truncate, pickle_that_runs])
def test_broken_data_stop_training_with_one_sentence(
    damage: Callable[[Path], object], tmp_path: Path, command: Command
) -> None:
    root = write_official(small_set(), tmp_path / "own")
    damage(root)
    sentence(command("train", "--data", root, *QUICK, "--folder", tmp_path / "runs"))
    assert not (tmp_path / "runs").exists()
    assert not (root / "PWNED").exists()


def test_an_error_of_the_system_is_one_sentence(
    tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("in the way")
    done = command("train", *SMALL, *QUICK, "--folder", tmp_path / "file" / "runs")
    assert "Cannot write" in done.stderr.splitlines()[-1]
    assert done.returncode == 2
    assert "Traceback" not in done.stderr

    def denied(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), "secret.npz")

    monkeypatch.setattr("hypav.data.load.load", denied)
    assert "secret.npz: Permission denied" in sentence(command("data", "describe", *SMALL))


def test_a_full_disk_is_one_sentence_and_the_same_command_resumes(
    tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hypav.experiments.runs.CHECKPOINT_SECONDS", 0.0)
    assert command("train", *SMALL, *QUICK, "--folder", tmp_path / "whole").returncode == 0
    before, calls = os.fsync, iter(range(100))

    def full(descriptor: int) -> None:
        if next(calls) >= 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        before(descriptor)

    monkeypatch.setattr(os, "fsync", full)
    done = command("train", *SMALL, *QUICK, "--folder", tmp_path / "full")
    assert done.returncode == 2
    assert "No space left" in done.stderr.splitlines()[-1]
    monkeypatch.setattr(os, "fsync", before)
    assert command("train", *SMALL, *QUICK, "--folder", tmp_path / "full").returncode == 0
    one, two = (read_record(record_files(tmp_path / name)[0]) for name in ("whole", "full"))
    assert one["epochs"] == two["epochs"]


def test_ctrl_c_says_how_to_resume(tmp_path: Path) -> None:
    program = [sys.executable, "-m", "hypav", "train", *SMALL, "--batches", "400", "--folder", str(tmp_path)]
    with subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + 120
        while not list(tmp_path.glob("*/avca-*")):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.02)
        time.sleep(0.5)  # into the first epoch
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err.splitlines()[-1] == "Interrupted. Run the same command again to resume."
    assert "Traceback" not in err


NASTY = "中文\x1b[31m\r\x9b\u202e|b"


@pytest.fixture
def nasty(tmp_path: Path) -> Path:
    """A set whose name is in another script and holds escapes for terminals."""
    path = tmp_path / "nasty.npz"
    save_npz(small_set(name=NASTY, counts=FEW), path)
    return path


def in_child(*arguments: str | Path, **options: object) -> subprocess.CompletedProcess[bytes]:
    program = [sys.executable, "-m", "hypav", *map(str, arguments)]
    return subprocess.run(program, **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options})


@pytest.mark.parametrize("encoding", ["cp1252", "latin-1"])
def test_names_reach_no_terminal_as_escapes_and_fit_every_encoding(encoding: str, nasty: Path) -> None:
    plain = {"PYTHONIOENCODING": encoding, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = in_child("data", "describe", "--data", nasty, env={**os.environ, **plain})
    assert (done.returncode, done.stderr) == (0, b"")
    assert rb"\u4e2d\u6587\x1b[31m\r\x9b\u202e|b" in done.stdout
    assert not re.search(rb"[\x1b\x9b\r]", done.stdout)


def test_names_in_every_output(tmp_path: Path, nasty: Path, command: Command) -> None:
    folder = ("--folder", tmp_path / "runs")
    done = command(
        "compare", "--data", nasty, *QUICK, "--methods", "eszsl,avca", "--seeds", "1", "--jobs", "1", *folder
    )
    assert r"Data: 中文\\x1b\[31m" in done.stdout
    errors = command("figure", "3", "--data", nasty, *folder)
    for text in (done.stdout, re.sub(r"\r(?=compare)", "", done.stderr), errors.stderr):
        assert not re.search("[\x1b\x9b\u202e]", text)


def test_replacing_a_file_is_said(tmp_path: Path, nasty: Path, command: Command) -> None:
    to = tmp_path / "table.csv"
    arguments = ("table", "1", "--folder", COURSE_RUNS, "--data", "simulated", "--to", to)
    assert [command(*arguments).stdout for _ in range(2)] == [f"Wrote {to}.\n", f"Replaced {to}.\n"]
    make = ("data", "make", nasty, tmp_path / "made.npz", "--unseen", "2")
    assert [word in command(*make).stdout for word in ("Wrote", "Replaced")] == [True, True]


@pytest.mark.parametrize("name", ["x" * 300, "{file}/below"])
def test_paths_that_the_system_refuses_are_one_sentence(name: str, tmp_path: Path, command: Command) -> None:
    (tmp_path / "file").write_text("in the way")
    bad = name.format(file=tmp_path / "file")
    for line in (
        ("train", "--data", bad), ("evaluate", bad), ("delta", *SMALL, "--run", bad), ("table", "1", "--folder", bad),
        ("figure", "3", *SMALL, "--folder", bad), ("course", bad), ("data", "describe", "--data", bad),
        ("data", "verify", bad), ("data", "make", bad, tmp_path / "o.npz"), ("data", "unpack", bad, tmp_path / "u"),
        ("data", "build-yt8m", bad, "--text", bad),
    ):  # fmt: skip
        assert bad in sentence(command(*line)), line


def test_senseless_numbers_are_one_sentence(tmp_path: Path, command: Command) -> None:
    huge = "9" * 20
    for line, words in (
        *((f"evaluate x.json --beta {beta}", "--beta is") for beta in ("inf", "nan", "-1", "1e400")),
        *((f"train --{name} {huge}", f"--{name}") for name in ("epochs", "batches", "batch-size", "threads")),
        *((f"compare --{name} {huge}", f"--{name}") for name in ("seeds", "jobs")),
        ("delta --tries 0", "--tries"), ("delta --size 3", "--size"), (f"data make a b --unseen {huge}", "--unseen"),
        ("data fetch yt8m --yes --shards 0-99999999999999", "--shards"),
        ("train --data simulated:small --lr nan", "lr is nan"), ("train --data simulated:small --lr inf", "lr is inf"),
    ):  # fmt: skip
        assert words in sentence(command(*line.split())), line


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_full_or_closed_output(unbuffered: str) -> None:
    env = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
    if Path("/dev/full").exists():
        with open("/dev/full", "w") as full:
            done = in_child("data", "describe", *SMALL, stdout=full, env=env)
            assert in_child("data", "describe", "--data", "x", stderr=full, env=env).returncode == 2
        assert done.returncode == 2
        assert (
            done.stderr == b"Error: Cannot write the output or a temporary file: No space left on device.\n"
        )
    reader, writer = os.pipe()
    os.close(reader)
    done = in_child("data", "describe", *SMALL, stdout=writer, env=env)
    os.close(writer)
    assert (done.returncode, done.stderr) == (0, b"")


def test_the_home_folder_is_known_in_every_path(
    tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert str(tmp_path / "x.npz") in sentence(command("data", "describe", "--data=~/x.npz"))
    command("table", "1", "--folder", COURSE_RUNS, "--data", "simulated", "--to=~/t.md")
    assert (tmp_path / "t.md").exists()
    options = [p for path in walk(cli) for p in reduce(lambda c, name: c.commands[name], path, cli).params]
    paths = [p for p in options if isinstance(p.type, click.Path)]
    assert all(isinstance(p.type, command_line.Expanded) for p in paths)
    assert all(isinstance(p.type, command_line.Expanded) for p in options if "--data" in p.opts)


@pytest.mark.parametrize("name", ["click", "hypav.cli", "torch"])
def test_ctrl_c_while_starting(name: str) -> None:
    program = f"""
import os, runpy, signal, sys
class Press:
    def find_spec(self, name, *_):
        if name == {name!r}:
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Press())
sys.argv = ["hypav", "data", "describe", "--data", "simulated:small"]
runpy.run_module("hypav", run_name="__main__")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 130
    assert done.stderr.strip().startswith("Interrupted.")
    assert "Traceback" not in done.stderr


# --- whole paths ---


def test_official_folder_end_to_end(tmp_path: Path, command: Command) -> None:
    """A folder at UCF-GZSL's exact counts and dimensions: verified, trained on, next to the paper's row."""
    root = official_folder(tmp_path / "UCF", dims=(512, 512, 300))
    assert command("data", "verify", root).returncode == 0
    short = ("--recipe", "course", "--epochs", "1", "--batches", "3", "--folder", tmp_path / "runs")
    done = command("compare", "--data", root, *short, "--seeds", "1", "--methods", "avca", "--jobs", "1")
    assert re.search(r"\| AVCA .*51\.53 +\| 18\.43 +\| 27\.15 +\| 20\.01", done.stdout), done.stderr
    assert "SIMULATED" not in done.stdout


@pytest.mark.real_data
def test_compare_on_real_features(tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    if not REAL_DATA:
        pytest.skip("no real data")
    monkeypatch.setenv("HYPAV_DATA", REAL_DATA)
    quick = ("--epochs", "1", "--batches", "2", "--batch-size", "32", "--jobs", "1")
    done = command("compare", "--data", "yt8m-mini", "--seeds", "3", *quick, "--folder", tmp_path)
    assert done.returncode == 0, done.stderr
    assert "YouTube-8M" in done.stdout
    assert re.search(r"\| ESZSL +\| 57\.4 +\| 38\.2 +\| 45\.9 +\| 41\.9", done.stdout)
    assert len(re.findall(r"\| (?:AVCA|Hyper-[a-z]+) +\| +\d+\.\d ± ", done.stdout)) == 4
    assert "paper HM" not in done.stdout, "the paper's numbers are of other data"
    assert json.loads(record_files(tmp_path)[0].read_text())["simulated"] is False
