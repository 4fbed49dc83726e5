"""hypav reproduce: what it plans it says, asks nothing, goes on where it was, and ends with a code."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from grid_helpers import outcome_of, tiny_recipe
from training_helpers import small

from hypav.cli import cli
from hypav.cli.reproduce import reproduce
from hypav.errors import RunError, SettingError
from hypav.experiments import reproduction as reproducing
from hypav.experiments.grid import missing, run_grid
from hypav.experiments.records import Record
from hypav.experiments.reproduction import Reproduction, reproduction
from hypav.experiments.store import Store
from hypav.experiments.suite import entries
from hypav.experiments.tuning import TUNING_SEEDS, WEIGHTS, chosen_weight


@pytest.fixture(autouse=True)
def tiny_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reproducing, "recipe_for", lambda data, name, scale: tiny_recipe())


def call(*arguments: str) -> Result:
    return CliRunner().invoke(reproduce, [*arguments, "--data", "simulated:small", "--jobs", "1"])


def test_it_says_what_it_plans_and_does_only_what_is_missing(tmp_path: Path) -> None:
    out = ["--out", str(tmp_path), "--seeds", "2"]
    first = call("table1", *out)
    assert first.exit_code == 0, first.output
    assert "8 runs, 0 already in" in first.stdout
    assert "8 to do" in first.stdout
    assert re.search(
        r"about \d+ s with 1 process \(\d+\.\d s a run, from a measured training step\)", first.stdout
    )
    assert "8 runs done in" in first.stdout
    assert (
        f"See it: hypav table 1 --data simulated:small --store {tmp_path / 'store.sqlite'}\n" in first.stdout
    )
    second = call("table1", "table5", *out)
    assert "10 runs, 8 already in" in second.stdout
    assert "as 8 runs in the store took" in second.stdout
    assert "2 runs done in" in second.stdout


def test_as_json(tmp_path: Path) -> None:
    result = call("table1", "--seeds", "1", "--out", str(tmp_path), "--json")
    found = json.loads(result.stdout)
    assert (found["runs"], found["already_there"], found["done"], found["failed"]) == (4, 0, 4, [])
    assert result.stderr == ""


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["tabel1"], "There is no table or figure 'tabel1'; choose table1, table2"),
        (["table8"], "figure3, figure4, or all."),
        (["table1", "--weights", "nan"], "The weight 'nan' is neither"),
        (["table1", "--presets", "papre"], "no preset 'papre'"),
        (["table1", "--weights", "much"], "The weight 'much' is neither a number from 0 up nor 'tuned'"),
        (["table1", "--weights", "-1"], "The weight '-1' is neither"),
        (["table1", "--seeds", "0"], "at least one table, preset, weight and seed"),
        (["table1", "--jobs", "0"], "jobs is 0; it must be at least 1"),
    ],
)
def test_what_makes_no_sense_is_one_sentence(arguments: list[str], told: str, tmp_path: Path) -> None:
    command = [*arguments, "--data", "simulated:small", "--out", str(tmp_path)]
    result = CliRunner().invoke(reproduce, command)
    assert isinstance(result.exception, SettingError)
    assert told in str(result.exception)
    assert str(result.exception).endswith(".")
    assert "\n" not in str(result.exception)
    assert not (tmp_path / "store.sqlite").exists()


def test_a_file_that_is_no_store(tmp_path: Path) -> None:
    (tmp_path / "store.sqlite").write_text("notes " * 100)
    result = call("table1", "--out", str(tmp_path))
    assert isinstance(result.exception, RunError)
    assert "is no store of runs" in str(result.exception)
    assert (tmp_path / "store.sqlite").read_text() == "notes " * 100


def test_runs_that_fail_are_listed_and_the_code_is_1(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reproducing, "recipe_for", lambda data, name, scale: tiny_recipe(lr=1e30))
    result = call("table1", "--seeds", "1", "--out", str(tmp_path))
    assert result.exit_code == 1
    assert result.stdout.count("\nfailed: ") == 4
    assert "4 runs failed; all others are stored. The same command tries them again." in result.stdout


def test_a_reader_is_told_of_what_else_is_in_the_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = ask("table1")
    with Store(tmp_path / "store.sqlite") as store:
        asked.run(store, tmp_path, progress=False)
        assert asked.notes(store) == []
        other = replace(asked, data=replace(small(), audio=small().audio + 1))
        (note,) = other.notes(store)
        assert re.match(
            r"The store also holds 4 runs on other data of the same name \(SIMULATED \(small\)\)", note
        )
        monkeypatch.setattr(reproducing, "NUMERICS_VERSION", "edited")
        (note,) = asked.notes(store)
        assert note.startswith("4 runs in the store are of another version of the program")
        monkeypatch.undo()
        (note,) = replace(asked, device="cuda:1").notes(store)
        assert note.startswith("4 runs in the store are of another type of device (cpu)")
        victim = store.rows()[1].key
        store._base.ask("UPDATE runs SET beta = beta + 1 WHERE key = ?", [victim])
        (note,) = asked.notes(store)
        assert f"(keys {victim})" in note
        assert "hypav reproduce trains those anew that its grid needs" in note


def ask(*tables: str, weights: tuple[float | str, ...] = (1.0,), seeds: int = 1) -> Reproduction:
    made = reproduction(small(), tables, presets=["paper"], weights=weights, seeds=seeds)
    return replace(made, recipe=tiny_recipe())


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ([], "hypav table 7 --data simulated:small --store STORE"),
        (
            ["--data-seed", "3", "--scale", "full", "--presets", "curved,paper", "--weights", "1e-3,2"],
            "hypav table 7 --data simulated:small --data-seed 3 --store STORE --scale full --preset curved "
            "--weight 0.001",
        ),
        (
            ["--weights", "0.123456789"],
            "hypav table 7 --data simulated:small --store STORE --weight 0.123456789",
        ),
    ],
)
def test_the_hint_shows_these_very_runs(options: list[str], expected: str, tmp_path: Path) -> None:
    """Given as it is printed, the command finds them."""
    result = call("table7", "--seeds", "1", "--out", str(tmp_path / "my runs"), *options)
    assert result.exit_code == 0, result.output
    hint = next(line for line in result.stdout.splitlines() if line.startswith("See it: "))
    assert hint == f"See it: {expected}".replace("STORE", f"'{tmp_path / 'my runs' / 'store.sqlite'}'")
    others = "The others: --preset paper, --weight 2." in result.stdout
    assert others == ("1e-3,2" in options)
    table_command = sys.modules["hypav.cli.table"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(table_command, "recipe_for", lambda data, name, scale: tiny_recipe())
        shown = CliRunner().invoke(cli, shlex.split(hint.removeprefix("See it: hypav ")))
    assert shown.exit_code == 0, shown.output
    assert "not run" not in shown.stdout


def test_all_is_every_table_and_figure() -> None:
    made = reproduction(
        small(), ["all", "table1"], presets=["paper", "curved"], weights=["1", "1.0", "tuned"], seeds=2
    )
    assert made.tables == (*(f"table{n}" for n in range(1, 8)), "figure3", "figure4")
    assert made.weights == (1.0, "tuned")
    assert made.seeds == (0, 1)


# --- the weight that validation chooses ---


def test_the_weight_is_chosen_by_validation_alone(tmp_path: Path) -> None:
    asked = ask("table1", weights=("tuned",))
    with Store(tmp_path / "store.sqlite") as store:
        assert chosen_weight(store, small().digest, None, "paper", asked.recipe) is None
        outcome, (choice,) = asked.run(store, tmp_path, progress=False)
        means = {}
        for weight in WEIGHTS:
            alignment = entries("table1", None, "paper", weight)[1].alignment
            found = store.find(small().digest, asked.recipe, alignment)
            means[weight] = sum(found[seed].val_HM for seed in TUNING_SEEDS) / 3
            assert choice.keys[weight] == [found[seed].key for seed in TUNING_SEEDS]
        assert choice.val_HM == means
        assert choice.weight == max(means, key=lambda weight: (means[weight], -weight))
        assert store.choices == [choice]
        rest = entries("table1", None, "paper", choice.weight)
        assert all(0 in store.find(small().digest, asked.recipe, entry.alignment) for entry in rest)
        # AVCA, 6 weights x 3 seeds, and Hyper-single and -multiple with the chosen weight
        assert (outcome.done, len(store.rows())) == (21, 21)
        assert asked.tuned_ahead(store, tmp_path) == (0, True)
        assert replace(asked, seeds=(0, 1)).tuned_ahead(store, tmp_path) == (2, True), "seed 1 of two modules"
        assert replace(asked, presets=("curved",)).tuned_ahead(store, tmp_path) == (3, False)
        assert asked.run(store, tmp_path, progress=False)[0].done == 0


def test_one_bar_over_the_whole_grid(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ask("table1", weights=("tuned",))
    with Store(tmp_path / "store.sqlite") as store:
        run_grid(asked.jobs()[:2], small(), store, tmp_path)
        asked.run(store, tmp_path, progress=True)
    bar = capsys.readouterr().err.replace("\r", "\n").splitlines()
    shown = [re.search(r"(\d+)/(\d+) \[", line) for line in bar if line.startswith("reproduce:")]
    counts = [(int(found[1]), int(found[2])) for found in shown if found]
    assert counts[0][0] == 2
    assert counts[-1] == (21, 21)
    assert counts == sorted(counts, key=lambda pair: pair[0])


def test_a_weight_whose_run_failed_is_out(tmp_path: Path) -> None:
    asked = ask("table1", weights=("tuned",))
    with Store(tmp_path / "store.sqlite") as store:
        jobs = asked.jobs()
        kept = [
            job for job in jobs if job.config.alignment is None or job.config.alignment.weight in (1e-3, 1.0)
        ]
        last = next(job for job in kept if job.config.alignment and job.config.alignment.weight == 1.0)
        run_grid([job for job in kept if job is not last], small(), store, tmp_path)
        choice = chosen_weight(store, small().digest, None, "paper", asked.recipe)
        assert choice is not None
        assert choice.weight == 1e-3
        assert list(choice.val_HM) == [1e-3]


# --- killed ---


@pytest.mark.long
def test_the_command_killed_goes_on_where_it_was(tmp_path: Path) -> None:
    """The real command, but for the length of its runs; afterwards it does only what is missing."""
    options = ["--data", "simulated:small", "--seeds", "8", "--jobs", "1", "--out", str(tmp_path), "--json"]
    command = [sys.executable, "-c", SHORT, "reproduce", "table7", *options]
    here = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}
    path, quiet = tmp_path / "store.sqlite", {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    child = subprocess.Popen(command, start_new_session=True, env=here, **quiet)
    while child.poll() is None and not stored(path):
        time.sleep(0.05)
    with suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()
    before = stored(path)
    assert 0 < len(before) < 16
    again = subprocess.run(command, capture_output=True, check=True, env=here)
    told = json.loads(again.stdout)
    assert (told["already_there"], told["done"], told["failed"]) == (len(before), 16 - len(before), [])
    after = stored(path)
    assert len(after) == 16
    assert before.items() <= after.items(), "what was there stays as it was"


SHORT = """
from grid_helpers import tiny_recipe
from hypav.cli import main
from hypav.experiments import reproduction

reproduction.recipe_for = lambda data, name, scale: tiny_recipe()
main()
"""


def stored(path: Path) -> dict[str, Record]:
    """What is in a store that another program is perhaps making at this moment."""
    with suppress(RunError, FileNotFoundError), Store(path, create=False) as store:
        assert store.damaged() == []
        return {record.key: record for record in store.rows()}
    return {}


# --- a dask cluster ---


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[tuple[str, list[subprocess.Popen[bytes]]]]:
    """A scheduler and two workers, each a process of its own."""
    dask = [sys.executable, "-m", "dask"]
    here = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}
    file = tmp_path / "scheduler.json"
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "env": here, "cwd": tmp_path}
    started = [
        subprocess.Popen([*dask, "scheduler", "--port", "0", "--host", "127.0.0.1", "--no-dashboard",
                          "--scheduler-file", str(file)], **quiet)
    ]  # fmt: skip
    try:
        while not file.exists():
            assert started[0].poll() is None
            time.sleep(0.05)
        for _ in range(2):
            options = ["--nworkers", "1", "--nthreads", "1", "--no-nanny", "--no-dashboard"]
            started.append(
                subprocess.Popen([*dask, "worker", "--scheduler-file", str(file), *options], **quiet)
            )
        yield json.loads(file.read_text())["address"], started[1:]
    finally:
        for process in started:
            with suppress(ProcessLookupError):
                process.kill()
            process.wait()


@pytest.mark.long
def test_a_cluster_that_loses_a_worker_gives_the_same(
    tmp_path: Path, cluster: tuple[str, list[subprocess.Popen[bytes]]]
) -> None:
    from distributed import Client

    address, workers = cluster
    with Client(address) as client:
        client.wait_for_workers(2, timeout=120)
    asked = ask("table1", seeds=4)
    done: list[str] = []

    def advance(line: str) -> None:
        done.append(line)
        if len(done) == 5:
            os.kill(workers[0].pid, signal.SIGKILL)

    with Store(tmp_path / "store.sqlite") as store, Store(tmp_path / "alone" / "store.sqlite") as alone:
        jobs = asked.jobs()
        outcome = run_grid(jobs, small(), store, tmp_path, cluster=address, advance=advance)
        assert workers[0].wait(10) == -signal.SIGKILL
        assert workers[1].poll() is None
        assert (outcome.done, outcome.failed) == (16, [])
        assert missing(jobs, store, tmp_path) == []
        run_grid(jobs[-4:], small(), alone, tmp_path / "alone")
        for job in jobs[-4:]:
            ours, theirs = alone.get(job.key), store.get(job.key)
            assert ours is not None
            assert theirs is not None
            assert outcome_of(ours) == outcome_of(theirs)


@pytest.mark.long
def test_the_command_hands_its_runs_to_a_cluster(
    tmp_path: Path, cluster: tuple[str, list[subprocess.Popen[bytes]]]
) -> None:
    from distributed import Client

    with Client(cluster[0]) as client:
        client.wait_for_workers(1, timeout=120)
    result = call("table7", "--seeds", "2", "--out", str(tmp_path), "--cluster", cluster[0])
    assert result.exit_code == 0, result.output
    assert f"on the cluster {cluster[0]}" in result.stdout
    assert "4 runs done in" in result.stdout
    with Store(tmp_path / "store.sqlite", create=False) as store:
        assert len(store.rows()) == 4


def test_a_cluster_that_does_not_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hypav.experiments.workers.ANSWER_SECONDS", 0.2)
    with (
        Store(tmp_path / "store.sqlite") as store,
        pytest.raises(RunError, match=r"No dask scheduler answers at tcp://127\.0\.0\.1:1") as error,
    ):
        run_grid(ask("table1").jobs(), small(), store, tmp_path, cluster="tcp://127.0.0.1:1")
    assert "\n" not in str(error.value)


def test_without_distributed_a_cluster_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with (
        Store(tmp_path / "store.sqlite") as store,
        pytest.raises(
            RunError, match=r"--cluster needs dask's distributed, .* pip install 'hypav\[cluster\]'\."
        ),
    ):
        run_grid(ask("table1").jobs(), small(), store, tmp_path, cluster="tcp://127.0.0.1:1")


def test_the_package_needs_no_distributed() -> None:
    code = "import sys; sys.modules['distributed'] = None; import hypav.cli"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
