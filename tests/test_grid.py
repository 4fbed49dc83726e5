"""A grid: no run twice, none lost; killed, doubled, starved of space or handed to a cluster it ends in the same table."""

from __future__ import annotations

import os
import shutil
import signal
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from grid_helpers import grid_in_group, results, tiny_grid, tiny_jobs, tiny_recipe
from training_helpers import small, start

from hypav.data.features import FeatureSet
from hypav.errors import RunError
from hypav.experiments import grid, runs
from hypav.experiments.claims import claim, share
from hypav.experiments.grid import missing, plan, run_grid
from hypav.experiments.runs import load_model, run_folder, run_key
from hypav.experiments.store import Store
from hypav.experiments.suite import SUITE, entries
from hypav.experiments.transfer import opened, written
from hypav.experiments.workers import workers_end_told
from hypav.training import load_checkpoint

STORE = "store.sqlite"


# --- planning ---


def test_a_run_that_stands_in_several_tables_is_planned_once() -> None:
    every = [entry for table in SUITE for entry in entries(table, None, "paper", 1.0)]
    jobs = plan(small(), every, (0, 1), tiny_recipe())
    keys = [job.key for job in jobs]
    different = {(entry.alignment, seed) for entry in every for seed in (0, 1)}
    assert len(keys) == len(set(keys)) == len(different) < 2 * len(every)
    assert all(job.key == run_key(small(), job.config) for job in jobs)


def test_whole_seeds_come_first() -> None:
    assert [job.config.seed for job in tiny_jobs((5, 3))] == [5] * 4 + [3] * 4


def test_figures_keep_the_first_seed_and_table_7_measures_delta() -> None:
    for table, keep, delta in (("table1", [], []), ("table7", [], [0, 1]), ("figure3", [0], [])):
        jobs = tiny_jobs((0, 1), table)
        assert sorted({job.config.seed for job in jobs if job.keep}) == keep
        assert sorted({job.config.seed for job in jobs if job.delta}) == delta
    every = [
        entry for table in ("table1", "figure3", "table7") for entry in entries(table, None, "paper", 1.0)
    ]
    avca = plan(small(), every, (0,), tiny_recipe())[0]
    assert (avca.method, avca.keep, avca.delta) == ("AVCA", True, True)


# --- the version of the numbers ---


def test_a_worker_with_another_program_is_no_source_of_records(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = tiny_jobs()
    monkeypatch.setattr(runs, "NUMERICS_VERSION", "edited meanwhile")
    outcome = tiny_grid(jobs, tmp_path)
    assert outcome.done == 0
    assert len(outcome.failed) == 4
    assert "are not those of the plan" in outcome.failed[0].sentence
    assert results(tmp_path) == {}


# --- running ---


def test_only_what_is_missing_is_run(tmp_path: Path) -> None:
    jobs = tiny_jobs()
    assert tiny_grid(jobs[:3], tmp_path).done == 3
    lines: list[str] = []
    with Store(tmp_path / STORE) as store:
        assert missing(jobs, store, tmp_path) == jobs[3:]
        outcome = run_grid(jobs, small(), store, tmp_path, advance=lines.append)
        assert outcome.done == 1
        assert len(lines) == 4
        assert missing(jobs, store, tmp_path) == []
        assert run_grid(jobs, small(), store, tmp_path).done == 0


def test_a_short_run_leaves_nothing_but_its_record(tmp_path: Path) -> None:
    tiny_grid(tiny_jobs()[:1], tmp_path)
    left = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert left == [tmp_path / STORE]
    assert not any(tmp_path.glob("*/*"))


def test_a_grid_run_is_the_same_as_a_run_of_its_own(tmp_path: Path) -> None:
    job = tiny_jobs((7,))[2]
    tiny_grid([job], tmp_path)
    alone = runs.run(small(), job.config, method=job.method, root=tmp_path, device="cpu", progress=False)
    ((_, _, S, U, HM, ZSL, *_),) = results(tmp_path).values()
    assert {k: v for k, v in alone["metrics"].items() if k != "beta"} == {
        "S": S,
        "U": U,
        "HM": HM,
        "ZSL": ZSL,
    }


def test_a_kept_network_is_there_and_fits_its_record(tmp_path: Path) -> None:
    jobs = tiny_jobs((0, 1), "figure3")
    tiny_grid(jobs, tmp_path)
    with Store(tmp_path / STORE) as store:
        folders = [store.get(job.key).folder for job in jobs]  # type: ignore[union-attr]
    assert [folder is not None for folder in folders] == [True, True, False, False]
    folder = tmp_path / str(folders[0])
    model, alignment, record = load_model(folder)
    assert alignment is None
    assert record["method"] == "AVCA"
    assert model.config == jobs[0].config.network
    assert not list(folder.glob("*checkpoint*"))


def test_a_network_whose_folder_is_lost_is_trained_again(tmp_path: Path) -> None:
    jobs = tiny_jobs((0,), "figure3")
    tiny_grid(jobs, tmp_path)
    before = results(tmp_path)
    with Store(tmp_path / STORE) as store:
        folder = tmp_path / str(store.get(jobs[0].key).folder)  # type: ignore[union-attr]
        assert missing(jobs, store, tmp_path) == []
        shutil.rmtree(folder)
        assert missing(jobs, store, tmp_path) == jobs[:1]
    assert tiny_grid(jobs, tmp_path).done == 1
    assert load_model(folder)[2]["method"] == "AVCA"
    assert results(tmp_path) == before


def test_what_a_later_table_asks_for_is_added(tmp_path: Path) -> None:
    tiny_grid(tiny_jobs((0,), "table1"), tmp_path)
    before = results(tmp_path)
    both = [e for t in ("table7", "figure3") for e in entries(t, None, "paper", 1.0)]
    jobs = plan(small(), both, (0,), tiny_recipe())
    assert tiny_grid(jobs, tmp_path).done == 3
    assert tiny_grid(jobs, tmp_path).done == 0
    assert results(tmp_path) == before
    with Store(tmp_path / STORE) as store:
        avca = store.get(jobs[0].key)
    assert avca is not None
    assert avca.delta_rel is not None
    assert avca.folder is not None


def test_the_set_that_workers_open_is_the_set(tmp_path: Path) -> None:
    named = replace(small(), ids=tuple(map(str, range(len(small())))), paper_key=("UCF-GZSL", "main"))
    with written(named, tmp_path) as folder, written(named, tmp_path):
        found = opened(folder)
        with claim(folder.with_suffix(".lock")) as mine:
            assert not mine
    assert not folder.exists()
    with pytest.raises(KeyboardInterrupt), written(named, tmp_path):
        raise KeyboardInterrupt
    assert not folder.exists()
    assert found.digest == named.digest
    for name in FeatureSet.__dataclass_fields__:
        value, own = getattr(found, name), getattr(named, name)
        if name not in ("audio", "video", "label", "text", "splits", "split_classes"):
            assert value == own, name


# --- killed ---


def test_killed_it_ends_in_the_same_table(tmp_path: Path) -> None:
    """The planner alone is killed, so that nobody tells its workers: they end by themselves."""
    jobs = tiny_jobs(range(4))
    tiny_grid(jobs, tmp_path / "whole")
    whole = results(tmp_path / "whole")
    child = start(grid_in_group, jobs, tmp_path, 2)
    while len(results(tmp_path)) < 2:
        assert child.is_alive()
        time.sleep(0.005)
    assert len(_members(child.pid)) > 2, "a planner and two workers"
    os.kill(child.pid, signal.SIGKILL)
    child.join()
    deadline = time.monotonic() + 20
    while _members(child.pid):
        assert time.monotonic() < deadline, "workers linger"
        time.sleep(0.02)
    before = results(tmp_path)
    assert 0 < len(before) < len(jobs), "a kill that comes too early or too late tests nothing"
    assert before.items() <= whole.items()
    again = start(grid_in_group, jobs, tmp_path, 2)
    again.join(120)
    assert again.exitcode == 0
    assert results(tmp_path) == whole


def _members(group: int) -> list[int]:
    """The processes of a group, but for those that only wait to be buried."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            state, _, own = path.read_text().rpartition(")")[2].split()[:3]
            if int(own) == group and state not in "ZX":
                found.append(int(path.parent.name))
    return found


def test_a_long_run_goes_on_from_its_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "CHECKPOINT_SECONDS", 0.0)
    (job,) = tiny_jobs(epochs=4)[:1]
    folder = run_folder(tmp_path, small(), job.config, job.method)
    saved: list[int] = []
    save, step = runs.train.__globals__["save_checkpoint"], 0

    def save_then_break_off(*args: Any) -> None:
        nonlocal step
        save(*args)
        step += 1
        if step == 3:
            raise KeyboardInterrupt

    monkeypatch.setitem(runs.train.__globals__, "save_checkpoint", save_then_break_off)
    with pytest.raises(KeyboardInterrupt):
        tiny_grid([job], tmp_path)
    monkeypatch.setitem(
        runs.train.__globals__, "save_checkpoint", lambda *args: saved.append(args[2]["epoch"])
    )
    kept = load_checkpoint(folder)
    assert kept is not None
    assert kept[1]["epoch"] == 3
    assert tiny_grid([job], tmp_path).done == 1
    assert saved[0] == 4
    assert not folder.exists()
    tiny_grid([job], tmp_path / "other")
    assert results(tmp_path) == results(tmp_path / "other")


# --- two at once ---


def test_a_run_that_another_grid_is_at_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grid, "POLL_SECONDS", 0.01)
    jobs = tiny_jobs()[:2]
    tiny_grid(jobs[:1], tmp_path / "other")
    with Store(tmp_path / "other" / STORE) as other:
        record = other.get(jobs[0].key)
    assert record is not None
    waits = []
    with Store(tmp_path / STORE) as store, claim(grid._lock(tmp_path, jobs[0])) as mine:
        assert mine

        def sleep(_: float) -> None:
            waits.append(1)
            if len(waits) == 3:
                store.add(record)

        monkeypatch.setattr(grid.time, "sleep", sleep)
        outcome = run_grid(jobs, small(), store, tmp_path)
    assert outcome.done == 1
    assert len(waits) == 3
    assert set(results(tmp_path)) == {job.key for job in jobs}


def test_a_run_that_another_grid_did_since_it_was_planned_is_not_done_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = tiny_jobs()[:2]
    tiny_grid(jobs, tmp_path)
    monkeypatch.setattr(grid, "run_light", None)  # whoever trains fails
    store = tmp_path / STORE
    assert grid._work(jobs[0], small(), tmp_path, None, store) == (jobs[0], grid._FOUND)
    kept = replace(jobs[0], keep=True)  # the record has no network
    assert "NoneType" in str(grid._work(kept, small(), tmp_path, None, store)[1])
    # planned before: the lookup of the planner misses it
    monkeypatch.setattr(grid, "_looked_up", lambda jobs, store, root, found: iter(jobs))
    told: list[str] = []
    with Store(store) as opened:
        outcome = run_grid(jobs, small(), opened, tmp_path, advance=told.append)
    assert (outcome.done, outcome.failed, len(told)) == (0, [], 2)


def test_programs_on_several_machines_may_use_one_store(tmp_path: Path) -> None:
    """SQLite's write-ahead log takes one machine; its rollback journal does not."""
    with Store(tmp_path / STORE) as store:
        assert store._base.ask("PRAGMA journal_mode") == [("delete",)]


def test_claims_and_shares(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "x.lock"
    with claim(path) as first, claim(path) as second:
        assert (first, second) == (True, False)
    with share(path), share(path), claim(path) as mine:
        assert not mine
    path.touch()  # as a kill leaves it
    with claim(path) as mine:
        assert mine
    assert not path.exists()
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match="Cannot write"), claim(tmp_path / "file" / "x.lock"):
        pass


# --- what goes wrong ---


def test_a_run_that_diverges_does_not_stop_the_others(tmp_path: Path) -> None:
    good = tiny_jobs()[:2]
    bad = tiny_jobs((0, 1), lr=1e30)
    jobs = [bad[0], *good, bad[4]]
    outcome = tiny_grid(jobs, tmp_path)
    assert outcome.done == 2
    assert [failure.job for failure in outcome.failed] == [bad[0], bad[4]]
    assert "became" in outcome.failed[0].sentence
    assert "\n" not in outcome.failed[0].sentence
    assert set(results(tmp_path)) == {job.key for job in good}


def test_an_error_of_another_package_does_not_stop_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = tiny_jobs()[:3]
    trained = grid.run_light

    def run_light(data: FeatureSet, config: Any, **rest: Any) -> Any:
        if config == jobs[1].config:
            raise MemoryError("no room\nfor more")
        return trained(data, config, **rest)

    monkeypatch.setattr(grid, "run_light", run_light)
    outcome = tiny_grid(jobs, tmp_path)
    assert (outcome.done, [failure.job for failure in outcome.failed]) == (2, [jobs[1]])
    assert outcome.failed[0].sentence.startswith("MemoryError: no room. This is no mistake of yours")
    assert "\n" not in outcome.failed[0].sentence


def test_a_cluster_that_does_not_go_on_is_told() -> None:
    told = r"cluster at tcp://x does not go on \(TimeoutError: no workers\.\)"
    with pytest.raises(RunError, match=told) as error, workers_end_told("tcp://x"):
        raise TimeoutError("no workers.\nTry:\n  this")
    assert "\n" not in str(error.value)
    for cluster, raised in ((None, ValueError), ("tcp://x", RunError), ("tcp://x", KeyboardInterrupt)):
        with pytest.raises(raised, match="mine"), workers_end_told(cluster):
            raise raised("mine")


def test_no_space_stops_the_grid_and_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "CHECKPOINT_SECONDS", 0.0)
    jobs = tiny_jobs((0, 1))
    with Store(tmp_path / STORE) as store:
        run_grid(jobs[:4], small(), store, tmp_path)
        store._base.ask(f"PRAGMA max_page_count = {store._base._number('page_count') + 1}")
        with pytest.raises(RunError, match="no space is left"):
            run_grid(jobs, small(), store, tmp_path)
        there = {record.key for record in store.rows()}
        broken = next(job for job in jobs if job.key not in there)
        assert len(there) >= 4
        assert load_checkpoint(run_folder(tmp_path, small(), broken.config, broken.method)) is not None
        store._base.ask("PRAGMA max_page_count = 100000")
        outcome = run_grid(jobs, small(), store, tmp_path)
        assert outcome.done == len(jobs) - len(there)


def test_a_damaged_record_is_run_again(tmp_path: Path) -> None:
    jobs = tiny_jobs()[:2]
    tiny_grid(jobs, tmp_path)
    before = results(tmp_path)
    with Store(tmp_path / STORE) as store:
        store._base.ask("UPDATE runs SET HM = HM + 0.01 WHERE key = ?", [jobs[1].key])
        assert store.damaged() == [jobs[1].key]
    assert tiny_grid(jobs, tmp_path).done == 1
    assert results(tmp_path) == before


def test_other_data_of_the_same_name_do_not_mix(tmp_path: Path) -> None:
    other = replace(small(), audio=small().audio + 1)
    assert other.name == small().name
    jobs = tiny_jobs()[:1]
    tiny_grid(jobs, tmp_path)
    with Store(tmp_path / STORE) as store:
        theirs = plan(other, entries("table1", None, "paper", 1.0), (0,), tiny_recipe())[:1]
        assert missing(theirs, store, tmp_path) == theirs
        run_grid(theirs, other, store, tmp_path)
        assert len(store.rows()) == 2
        assert len(store.find(small().digest, tiny_recipe(), None)) == 1
        assert store.find(small().digest, tiny_recipe(), None) != store.find(
            other.digest, tiny_recipe(), None
        )
