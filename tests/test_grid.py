"""A grid: no run twice and none lost; interrupted, killed or damaged, it ends in the same table."""

from __future__ import annotations

import os
import shutil
import signal
import time
from pathlib import Path
from typing import Any

import pytest
from grid_helpers import (
    reproduce_in_child,
    reproduce_tiny,
    results,
    tiny_grid,
    tiny_jobs,
    tiny_recipe,
)
from training_helpers import assert_same_run, interrupted_after, killed_at, small, start, train_tiny

from hypav import training
from hypav.data.features import FeatureSet
from hypav.errors import RunError
from hypav.experiments import grid, runs
from hypav.experiments.configs import FIGURES, TABLES, table_rows
from hypav.experiments.grid import Grid, train
from hypav.experiments.runs import load_run, load_runs, read_record, record_files, run_path


def missing(folder: Path, jobs: list[runs.Job]) -> list[runs.Job]:
    return Grid(small(), folder, device="cpu", progress=False).missing(jobs)


# --- planning ---


def test_a_run_that_is_in_several_tables_is_done_once(tmp_path: Path) -> None:
    rows = [row for table in (*TABLES, *FIGURES) for row in table_rows(table, None, "printed", 1.0)]
    jobs = grid.jobs_of(small(), rows, (0, 1), tiny_recipe())
    todo = missing(tmp_path, jobs)
    assert len({job.config for job in jobs}) == len(todo) < len(jobs)
    assert [job.config.seed for job in todo] == sorted(job.config.seed for job in todo), (
        "whole seeds come first"
    )
    avca = todo[0]
    assert (avca.config.alignment, avca.keep, avca.delta) == (None, True, True)


def test_figures_keep_the_first_seed_and_table_7_measures_delta() -> None:
    for table, keep, delta in (("table1", set(), set()), ("table7", set(), {5, 3}), ("figure3", {5}, set())):
        jobs = tiny_jobs((5, 3), table)
        assert {job.config.seed for job in jobs if job.keep} == keep
        assert {job.config.seed for job in jobs if job.delta} == delta


# --- running ---


def test_only_what_is_missing_is_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    jobs = tiny_jobs()
    tiny_grid(tmp_path, jobs[:3])
    before = {path: path.stat().st_mtime_ns for path in record_files(tmp_path)}
    assert missing(tmp_path, jobs) == jobs[3:]
    tiny_grid(tmp_path, jobs)
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert missing(tmp_path, jobs) == []
    assert len(record_files(tmp_path)) == len([p for p in tmp_path.rglob("*") if p.is_file()]) == 4, (
        "nothing else is left"
    )


def test_what_a_later_table_asks_for_is_added(tmp_path: Path) -> None:
    reproduce_tiny(tmp_path, ["table7"], seeds=1)
    before = results(tmp_path)
    table = reproduce_tiny(tmp_path, ["table1", "figure3"], seeds=1)
    after = results(tmp_path)
    assert {key: after[key] for key in before} == before, "the delta_rel that was there stays"
    assert table.loc[table["method"] == "AVCA", "delta_rel"].notna().all()
    for row in table_rows("figure3", None, "printed", 1.0):
        config = next(job.config for job in tiny_jobs() if job.config.alignment == row.alignment)
        path = run_path(tmp_path, small(), config)
        assert load_run(path)[1]["method"] == row.method
        path.with_suffix(".pt").unlink()
    assert len(missing(tmp_path, tiny_jobs((0,), "figure3"))) == 2, "a lost network is trained again"


@pytest.mark.long
def test_two_processes_give_what_one_gives(tmp_path: Path) -> None:
    """A worker may sum in another order than this process; in float64 only the last digits of the losses differ."""
    jobs = tiny_jobs(dtype="float64")
    for workers in (1, 2):
        assert tiny_grid(tmp_path / str(workers), jobs, workers=workers).failed == []
    for job in jobs:
        one, two = (read_record(run_path(tmp_path / str(n), small(), job.config)) for n in (1, 2))
        losses = [[row["total"] for row in record["epochs"]] for record in (one, two)]
        assert losses[0] == pytest.approx(losses[1], rel=1e-9)
        assert {m: one[m] for m in runs.METRICS} == pytest.approx({m: two[m] for m in runs.METRICS}, abs=1e-9)


def test_the_set_that_workers_get_is_the_set() -> None:
    again = grid._set_of(grid._arrays(small()))
    assert again.digest == small().digest
    assert (again.name, again.super_groups, again.reference_key) == (
        small().name, small().super_groups, small().reference_key,
    )  # fmt: skip


# --- interrupted and killed ---


def test_killed_at_any_moment_it_ends_in_the_same_table(tmp_path: Path) -> None:
    seeds = 3
    reproduce_tiny(tmp_path / "whole", seeds=seeds)
    whole = results(tmp_path / "whole")
    child = start(reproduce_in_child, tmp_path / "killed", seeds)
    deadline = time.monotonic() + 120
    while len(record_files(tmp_path / "killed")) < 2:
        assert child.is_alive()
        assert time.monotonic() < deadline
        time.sleep(0.002)
    os.kill(child.pid, signal.SIGKILL)
    child.join()
    before = results(tmp_path / "killed")
    assert 0 < len(before) < len(whole), "a kill that comes too late tests nothing"
    assert before.items() <= whole.items()
    again = start(reproduce_in_child, tmp_path / "killed", seeds)
    again.join(120)
    assert again.exitcode == 0
    assert results(tmp_path / "killed") == whole
    left = {
        path.suffix for path in (tmp_path / "killed").rglob("*") if path.is_file() and path.suffix != ".tmp"
    }
    assert left == {".json"}, "the checkpoints are gone"


def test_an_interrupted_run_resumes_to_the_same_bits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "CHECKPOINT_SECONDS", 0.0)
    settings: dict[str, Any] = {"recipe": tiny_recipe(epochs=4), "device": "cpu", "progress": False}
    with interrupted_after(3):
        train(small(), "hyper-single", folder=tmp_path, **settings)
    assert len(list(tmp_path.rglob("checkpoint.pt"))) == 1
    with pytest.MonkeyPatch.context() as patched:
        steps: list[int] = []
        step = training.train_step
        patched.setattr(training, "train_step", lambda *a, **b: steps.append(1) or step(*a, **b))
        run = train(small(), "hyper-single", folder=tmp_path, **settings)
    assert len(steps) == 2 * (4 + run.best_epoch - 3), "two steps per epoch, without the first three epochs"
    assert_same_run(run, train_tiny(run.config))
    assert not list(tmp_path.rglob("*checkpoint*"))


def test_a_run_that_is_made_again_for_its_network_resumes_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "CHECKPOINT_SECONDS", 0.0)
    (job, *_) = tiny_jobs(epochs=4)
    settings: dict[str, Any] = {"recipe": job.recipe, "folder": tmp_path, "device": "cpu", "progress": False}
    tiny_grid(tmp_path, [job])
    with interrupted_after(3):
        train(small(), "avca", **settings)
    save, saved = training.save_checked, []

    def gone(path: Path, content: Any) -> None:
        save(path, content)
        if path.name == "checkpoint.pt":
            saved.append(path)
            shutil.rmtree(path.parent)  # as another grid may do that needs no checkpoint

    monkeypatch.setattr(training, "save_checked", gone)
    run = train(small(), "avca", **settings)
    assert len(saved) == 4 + run.best_epoch - 3, "the first three epochs are not trained again"
    assert_same_run(run, train_tiny(job.config))


def test_a_run_killed_in_training_resumes_to_the_same_bits(tmp_path: Path) -> None:
    job = tiny_jobs(epochs=3)[2]
    path = run_path(tmp_path / "killed", small(), job.config)
    assert killed_at(6, job.config, path.with_suffix("")) == -signal.SIGKILL
    assert (path.with_suffix("") / "checkpoint.pt").exists()
    tiny_grid(tmp_path / "killed", [job])
    tiny_grid(tmp_path / "whole", [job])
    assert results(tmp_path / "killed") == results(tmp_path / "whole")


def test_a_damaged_record_is_trained_again_and_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    reproduce_tiny(tmp_path, seeds=1)
    before = results(tmp_path)
    path = run_path(tmp_path, small(), tiny_jobs()[1].config)
    path.write_text(path.read_text().replace('"seed": 0', '"seed": 1'))
    with pytest.raises(RunError):
        load_runs(tmp_path)
    reproduce_tiny(tmp_path, seeds=1)
    assert caplog.messages == [f"{path.resolve()} is damaged or was edited; it is trained again."]
    assert results(tmp_path) == before


# --- what goes wrong ---


def test_a_run_that_diverges_does_not_stop_the_others(tmp_path: Path) -> None:
    bad, good = tiny_jobs(lr=1e30)[:1], tiny_jobs()[:2]
    failed = tiny_grid(tmp_path, [*bad, *good]).failed
    assert len(failed) == 1
    assert failed[0].startswith("AVCA seed 0 failed")
    assert "became" in failed[0]
    assert "\n" not in failed[0]
    assert len(record_files(tmp_path)) == 2
    assert len(list(tmp_path.rglob("*"))) == 3, "two records in one folder"


def test_an_unknown_error_does_not_stop_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    jobs = tiny_jobs()[:3]
    trained = grid.do_job_in_turns

    def do_job(job: runs.Job, data: FeatureSet, folder: Path, device: str) -> Any:
        if job == jobs[1]:
            raise MemoryError("no room\nfor more")
        return trained(job, data, folder, device)

    monkeypatch.setattr(grid, "do_job_in_turns", do_job)
    (line,) = tiny_grid(tmp_path, jobs).failed
    assert "MemoryError: no room." in line
    assert "\n" not in line
    assert len(record_files(tmp_path)) == 2


def test_a_run_that_another_grid_has_finished_meanwhile_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (job, *_) = tiny_jobs()
    trained = grid.do_job_in_turns

    def do_job(*arguments: Any) -> Any:
        yield from trained(*arguments)
        raise RunError("Cannot write the checkpoint: its folder is gone.")

    monkeypatch.setattr(grid, "do_job_in_turns", do_job)
    assert tiny_grid(tmp_path, [job]).failed == []


def test_a_worker_with_another_version_of_the_numbers_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (job, *_) = tiny_jobs()
    other = tiny_jobs((1,))[0]
    record = grid.finish(grid.do_job_in_turns(other, small(), tmp_path / "other"))[1]
    monkeypatch.setattr(grid, "_attempt", lambda job, *rest: (job, record))
    (line,) = tiny_grid(tmp_path, [job]).failed
    assert "another version" in line


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(RunError, match="Cannot write"):
        tiny_grid(tmp_path / "file" / "runs", tiny_jobs()[:1])
    assert (tmp_path / "file").read_text() == "in the way"
