"""reproduce: the runs of tables and figures, weights that validation chooses, and a dask cluster."""

from __future__ import annotations

import os
import re
import signal
import sys
from pathlib import Path
from threading import Thread
from time import monotonic, sleep

import pytest
from grid_helpers import reproduce_tiny, results, tiny_recipe
from training_helpers import small

from hypav.errors import RunError, SettingError
from hypav.experiments import grid, runs
from hypav.experiments.configs import TUNING_SEEDS, WEIGHTS
from hypav.experiments.effects import tuned_weight
from hypav.experiments.grid import compare
from hypav.experiments.runs import record_files


def test_it_says_what_it_plans_and_does_only_what_is_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    reproduce_tiny(tmp_path, seeds=2, progress=True)
    lines = capsys.readouterr().err
    assert "8 runs, 8 to do" in lines
    assert "up to 8 steps of 8 samples per run" in lines
    assert re.search(r"About \d+ s with 1 at a time .* from a few measured steps", lines)
    table = reproduce_tiny(tmp_path, ["table1", "table5"], seeds=2, progress=True)
    lines = capsys.readouterr().err
    assert "10 runs, 8 already in" in lines
    assert "as in 8 earlier runs" in lines
    assert sorted(set(table["method"])) == [
        "AVCA",
        "ESZSL",
        "Hyper-alignment",
        "Hyper-multiple",
        "Hyper-single",
    ]
    assert len(table) == 11
    assert table.attrs == {"failed": [], "tuned": {}}
    reproduce_tiny(tmp_path, seeds=2, progress=False)
    assert capsys.readouterr().err == ""


def test_what_makes_no_sense_is_refused_before_any_run(tmp_path: Path) -> None:
    for tables, options, match in (
        (["tabel1"], {}, "no 'tabel1'; choose table1"),
        (["table1"], {"presets": ["papre"]}, "no preset 'papre'"),
        (["table1"], {"weights": ["nan"]}, "weight is nan; it must be a finite number"),
        (["table1"], {"weights": []}, "one table, one preset and one weight"),
        (["table1"], {"pulls": ["loud"]}, "pull is 'loud'"),
        (["table1"], {"pulls": [-1]}, "pull is -1"),
        (["table1"], {"seeds": 0}, "seeds is 0"),
        (["table1"], {"seeds": [1, 1]}, "different seeds"),
        (["table1"], {"jobs": 0}, "jobs is 0"),
        (["table1"], {"recipe": None, "scale": "half"}, 'choose "course" or "full"'),
    ):
        with pytest.raises(SettingError, match=match) as error:
            reproduce_tiny(tmp_path, tables, **options)
        assert "\n" not in str(error.value)
        assert not list(tmp_path.iterdir())


def test_all_is_every_table_and_figure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[runs.Job] = []
    monkeypatch.setattr(grid.Grid, "run", lambda self, jobs, label: asked.extend(jobs))
    reproduce_tiny(tmp_path, ["all", "table1"], seeds=[4], presets=["printed", "curved"])
    printed = {job.config.alignment for job in asked if job.preset == "printed"}
    assert len(printed) == 1 + 13 + 6 + 3 + 2  # AVCA, Table 3, mixtures, N_c, phi_att and theta
    assert {job.config.seed for job in asked} == {4}


def test_pulls_are_further_runs_and_weight_1_is_left_out(tmp_path: Path) -> None:
    table = reproduce_tiny(tmp_path, ["table7"], seeds=1, pulls=["0.1", 0.1, 1])
    assert sorted(table["pull"].dropna()) == [0.1, 1.0]
    assert table["weight"].isna().all()
    both = reproduce_tiny(tmp_path, ["table7"], seeds=1, pulls=[1], weights=[2])
    assert (both["pull"].count(), both["weight"].count(), len(both)) == (1, 1, 4)


def test_runs_that_fail_are_listed(tmp_path: Path) -> None:
    table = reproduce_tiny(tmp_path, seeds=1, recipe=tiny_recipe(lr=1e30))
    assert len(table.attrs["failed"]) == 4
    assert list(table["method"]) == ["ESZSL"]


def test_compare_finds_what_reproduce_ran_and_the_other_way_round(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {"recipe": tiny_recipe(), "device": "cpu", "jobs": 1, "progress": False}
    compare(small(), ["avca", "alignment:0.4"], seeds=2, folder=tmp_path / "a", **settings)
    reproduce_tiny(tmp_path / "b", ["table3"], seeds=2)
    with monkeypatch.context() as patched:
        patched.setattr(grid, "do_job_in_turns", None)  # whoever trains fails
        methods = ["avca", "hyper-alignment:-0.4", "alignment:0.4", "alignment:0"]
        table = compare(small(), methods, seeds=2, folder=tmp_path / "b", **settings)
        assert list(table["n"]) == [2] * 4
        assert table.attrs["failed"] == []
    before = {path: path.stat().st_mtime_ns for path in record_files(tmp_path / "a")}
    reproduce_tiny(tmp_path / "a", ["table3"], seeds=2)
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert results(tmp_path / "a") == results(tmp_path / "b")


# --- the weight that validation chooses ---


def test_the_weight_is_chosen_by_validation_alone(tmp_path: Path) -> None:
    table = reproduce_tiny(tmp_path, seeds=1, weights=["tuned"])
    means = {}
    for weight in WEIGHTS:
        runs_of_it = table[(table["method"] == "Hyper-alignment") & (table["weight"] == weight)].set_index(
            "seed"
        )
        means[weight] = sum(runs_of_it.loc[seed, "val_HM"] for seed in TUNING_SEEDS) / 3
    best = max(means, key=lambda weight: (means[weight], -weight))
    assert table.attrs["tuned"] == {"printed": best}
    assert tuned_weight(table, None, "printed") == best
    assert tuned_weight(table, None, "curved") is None
    # AVCA, ESZSL, 6 weights x 3 seeds, and Hyper-single and -multiple with the chosen weight
    assert len(table) == 1 + 1 + 18 + 2
    assert set(table.loc[table["method"] == "Hyper-multiple", "weight"]) == {best}


def test_a_weight_with_a_missing_run_is_left_out(tmp_path: Path) -> None:
    table = reproduce_tiny(tmp_path, ["table7"], seeds=3, weights=WEIGHTS[:3])
    best = tuned_weight(table, None, "printed")
    incomplete = table[(table["weight"] != best) | (table["seed"] != 1)]
    assert tuned_weight(incomplete, None, "printed") in set(WEIGHTS[:3]) - {best}
    assert tuned_weight(table[table["weight"].isin([best])], None, "printed") is None, (
        "there is nothing to choose from"
    )


# --- a dask cluster ---


@pytest.mark.long
def test_a_cluster_that_loses_a_worker_gives_the_same(tmp_path: Path) -> None:
    from distributed import LocalCluster

    killed = []

    def kill_one() -> None:
        deadline = monotonic() + 200
        while len(record_files(tmp_path / "cluster")) < 2 and monotonic() < deadline:
            sleep(0.005)
        killed.append(len(record_files(tmp_path / "cluster")))
        os.kill(cluster.workers[0].pid, signal.SIGKILL)

    with LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as cluster:
        thread = Thread(target=kill_one)
        thread.start()
        table = reproduce_tiny(tmp_path / "cluster", seeds=4, cluster=cluster.scheduler_address)
        thread.join()
    assert killed[0] < 16, "a kill that comes too late tests nothing"
    assert table.attrs["failed"] == []
    alone = reproduce_tiny(tmp_path / "alone", seeds=4)
    columns = ["method", "seed", "S", "U", "HM", "ZSL", "beta", "val_HM", "best_epoch"]
    assert table[columns].equals(alone[columns])


def test_a_cluster_that_does_not_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grid, "ANSWER_SECONDS", 0.2)
    with pytest.raises(RunError, match=r"No dask scheduler answers at tcp://127\.0\.0\.1:1") as error:
        reproduce_tiny(tmp_path, cluster="tcp://127.0.0.1:1")
    assert "\n" not in str(error.value)


def test_without_distributed_a_cluster_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(RunError, match=r"pip install 'hypav\[cluster\]'"):
        reproduce_tiny(tmp_path, cluster="tcp://127.0.0.1:1")
