"""hypav reproduce: what it plans it says, asks nothing, goes on where it was, and ends with a code."""

from __future__ import annotations

import asyncio
import json
import re
import shlex
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from grid_helpers import outcome_of, tiny_recipe
from training_helpers import small, start

from hypav.cli import cli
from hypav.cli.reproduce import reproduce
from hypav.errors import RunError, SettingError
from hypav.experiments import reproduction as reproducing
from hypav.experiments.grid import missing, run_grid
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
    third = call("table1", *out, "--json")
    found = json.loads(third.stdout)
    assert (found["runs"], found["already_there"], found["done"], found["failed"]) == (8, 8, 0, [])
    assert third.stderr == ""


def test_what_makes_no_sense_is_one_sentence(tmp_path: Path) -> None:
    for arguments, told in (
        (["tabel1"], "no table or figure 'tabel1'; choose table1, table2"),
        (["table1", "--presets", "papre"], "no preset 'papre'"),
        (["table1", "--weights", "nan"], "The weight 'nan' is neither"),
        (["table1", "--seeds", "0"], "at least one table, preset, weight and seed"),
        (["table1", "--jobs", "0"], "jobs is 0; it must be at least 1"),
    ):
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


def test_the_hint_shows_these_very_runs(tmp_path: Path) -> None:
    """Given as it is printed, the command finds them."""
    options = [
        "--data-seed",
        "3",
        "--scale",
        "full",
        "--presets",
        "curved,paper",
        "--weights",
        "0.123456789,2",
    ]
    result = call("table7", "--seeds", "1", "--out", str(tmp_path / "my runs"), *options)
    assert result.exit_code == 0, result.output
    hint = next(line for line in result.stdout.splitlines() if line.startswith("See it: "))
    assert hint == (
        f"See it: hypav table 7 --data simulated:small --data-seed 3 --store '{tmp_path / 'my runs' / 'store.sqlite'}' "
        "--scale full --preset curved --weight 0.123456789"
    )
    assert "The others: --preset paper, --weight 2." in result.stdout
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


def test_the_weight_is_chosen_by_validation_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ask("table1", weights=("tuned",))
    with Store(tmp_path / "store.sqlite") as store:
        assert chosen_weight(store, small().digest, None, "paper", asked.recipe) is None
        run_grid(asked.jobs()[:2], small(), store, tmp_path)
        outcome, (choice,) = asked.run(store, tmp_path, progress=True)
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
        assert (outcome.done, len(store.rows())) == (19, 21)
        assert asked.tuned_ahead(store, tmp_path) == (0, True)
        assert replace(asked, seeds=(0, 1)).tuned_ahead(store, tmp_path) == (2, True), "seed 1 of two modules"
        assert replace(asked, presets=("curved",)).tuned_ahead(store, tmp_path) == (3, False)
        assert asked.run(store, tmp_path, progress=False)[0].done == 0
    # one bar over the whole grid
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


# --- a dask cluster ---


def dask_worker(scheduler: str) -> None:
    """In a child: one worker with one thread."""
    from distributed import Worker

    async def work() -> None:
        async with Worker(scheduler, nthreads=1, dashboard=False) as worker:
            await worker.finished()

    asyncio.run(work())


def test_a_cluster_that_loses_a_worker_gives_the_same(tmp_path: Path) -> None:
    from distributed import Client, LocalCluster

    with LocalCluster(n_workers=0, processes=False, protocol="tcp://", dashboard_address=None) as cluster:
        address = cluster.scheduler_address
        workers = [start(dask_worker, address) for _ in range(2)]
        try:
            with Client(address) as client:
                client.wait_for_workers(2, timeout=120)
            first = call("table7", "--seeds", "2", "--out", str(tmp_path), "--cluster", address)
            assert first.exit_code == 0, first.output
            assert f"on the cluster {address}" in first.stdout
            assert "4 runs done in" in first.stdout
            at_work: list[int] = []

            def advance(_: str) -> None:
                at_work.append(sum(len(own.processing) for own in cluster.scheduler.workers.values()))
                if len(at_work) == 3:
                    workers[0].kill()

            jobs = ask("table1", seeds=4).jobs()
            with Store(tmp_path / "store.sqlite") as store:
                outcome = run_grid(jobs, small(), store, tmp_path, cluster=address, advance=advance)
        finally:
            alive = [worker.is_alive() for worker in workers]
            for worker in workers:
                worker.kill()
                worker.join()
    assert alive == [False, True]
    assert max(at_work) > 0, "the cluster did nothing"
    assert (outcome.done, outcome.failed) == (12, [])
    last = jobs[-4:]
    with Store(tmp_path / "store.sqlite") as store, Store(tmp_path / "alone" / "store.sqlite") as alone:
        assert missing(jobs, store, tmp_path) == []
        run_grid(last, small(), alone, tmp_path / "alone")
        for job in last:
            ours, theirs = alone.get(job.key), store.get(job.key)
            assert ours is not None
            assert theirs is not None
            assert outcome_of(ours) == outcome_of(theirs)


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
