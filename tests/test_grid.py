"""A grid: no run twice, none lost; killed, doubled, starved of space or handed to a cluster it ends in the same table."""

from __future__ import annotations

import os
import random
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

from hypav.checkpoint import load_checkpoint
from hypav.data.features import FeatureSet
from hypav.errors import RunError
from hypav.experiments import grid, runs
from hypav.experiments.claims import claim, share
from hypav.experiments.grid import Job, missing, plan, run_grid
from hypav.experiments.runs import load_model, run_folder, run_key
from hypav.experiments.store import Store
from hypav.experiments.suite import SUITE, entries
from hypav.experiments.transfer import opened, written
from hypav.experiments.workers import workers_end_told

STORE = "store.sqlite"


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Job], dict[str, Any]]:
    """A grid of 40 runs, and what a table could show of it."""
    root, jobs = tmp_path_factory.mktemp("undisturbed"), tiny_jobs(range(10))
    outcome = tiny_grid(jobs, root)
    assert (outcome.done, outcome.failed) == (40, [])
    return jobs, results(root)


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
    jobs = tiny_jobs((0, 1))
    assert tiny_grid(jobs[:3], tmp_path).done == 3
    lines: list[str] = []
    with Store(tmp_path / STORE) as store:
        assert missing(jobs, store, tmp_path) == jobs[3:]
        outcome = run_grid(jobs, small(), store, tmp_path, advance=lines.append)
        assert outcome.done == 5
        assert len(lines) == 8
        assert missing(jobs, store, tmp_path) == []
        assert run_grid(jobs, small(), store, tmp_path).done == 0


def test_a_short_run_leaves_nothing_but_its_record(tmp_path: Path) -> None:
    tiny_grid(tiny_jobs(), tmp_path)
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


@pytest.mark.long
def test_worker_processes_give_the_same(
    tmp_path: Path, undisturbed: tuple[list[Job], dict[str, Any]]
) -> None:
    jobs, whole = undisturbed
    child = start(grid_in_group, jobs[:8], tmp_path, 2)
    child.join(120)
    assert child.exitcode == 0
    assert results(tmp_path) == {job.key: whole[job.key] for job in jobs[:8]}


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


@pytest.mark.long
def test_killed_twenty_times_it_ends_in_the_same_table(
    tmp_path: Path, undisturbed: tuple[list[Job], dict[str, Any]]
) -> None:
    jobs, whole = undisturbed
    rng = random.Random(4)
    in_flight = 0
    for _ in range(20):
        child = start(grid_in_group, jobs, tmp_path, 2)
        target = len(_keys(tmp_path)) + rng.choice((0, 0, 0, 1, 1))
        deadline = time.monotonic() + 60
        while len(_keys(tmp_path)) < target and child.is_alive() and time.monotonic() < deadline:
            time.sleep(0.005)
        time.sleep(rng.uniform(0, 0.15))
        with suppress(ProcessLookupError):  # between fork and setsid there is no group yet
            os.killpg(child.pid, signal.SIGKILL)
        child.kill()
        child.join()
        in_flight += len(list((tmp_path / grid.LOCKS).glob("*.lock")))
        _wait_until_gone(child.pid)
        assert results(tmp_path).items() <= whole.items()
    before = len(_keys(tmp_path))
    print(f"{before} of {len(jobs)} runs stored in spite of 20 kills, {in_flight} broken off")
    assert 0 < before < len(jobs), "kills that come too early or too late test nothing"
    assert in_flight > 0
    outcome = tiny_grid(jobs, tmp_path)
    assert (outcome.done, outcome.failed) == (len(jobs) - before, [])
    assert results(tmp_path) == whole


def _keys(root: Path) -> set[str]:
    return set(results(root))


def _wait_until_gone(group: int, seconds: float = 20) -> None:
    """Until no process of the group is left, but for those that only wait to be buried."""
    deadline = time.monotonic() + seconds
    while alive := _members(group):
        assert time.monotonic() < deadline, f"{alive} linger"
        time.sleep(0.02)


def _members(group: int) -> list[int]:
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            state, _, own = path.read_text().rpartition(")")[2].split()[:3]
            if int(own) == group and state not in "ZX":
                found.append(int(path.parent.name))
    return found


def test_workers_end_with_a_killed_planner(tmp_path: Path) -> None:
    """The planner alone is killed, so that nobody tells its workers."""
    child = start(grid_in_group, tiny_jobs(range(50)), tmp_path, 2)
    while len(_keys(tmp_path)) < 2:
        assert child.is_alive()
        time.sleep(0.02)
    assert len(_members(child.pid)) > 1
    os.kill(child.pid, signal.SIGKILL)
    child.join()
    _wait_until_gone(child.pid)


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


def test_two_grids_on_one_store(tmp_path: Path, undisturbed: tuple[list[Job], dict[str, Any]]) -> None:
    jobs, whole = undisturbed
    children = [start(grid_in_group, jobs, tmp_path, 2) for _ in range(2)]
    for child in children:
        child.join(180)
        assert child.exitcode == 0
    assert results(tmp_path) == whole


def test_a_run_that_another_grid_is_at_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grid, "POLL_SECONDS", 0.01)
    jobs = tiny_jobs()
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
    assert outcome.done == 3
    assert len(waits) == 3
    assert set(results(tmp_path)) == {job.key for job in jobs}


def test_a_run_that_another_grid_did_since_it_was_planned_is_not_done_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = tiny_jobs()
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
    assert (outcome.done, outcome.failed, len(told)) == (0, [], 4)


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
    with claim(path) as mine:
        assert mine
    assert not path.exists()
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match="Cannot write"), claim(tmp_path / "file" / "x.lock"):
        pass


# --- what goes wrong ---


def test_a_run_that_diverges_does_not_stop_the_others(tmp_path: Path) -> None:
    good = tiny_jobs()
    bad = tiny_jobs((0, 1), lr=1e30)
    jobs = [bad[0], *good, bad[4]]
    outcome = tiny_grid(jobs, tmp_path)
    assert outcome.done == 4
    assert [failure.job for failure in outcome.failed] == [bad[0], bad[4]]
    assert "became" in outcome.failed[0].sentence
    assert "\n" not in outcome.failed[0].sentence
    assert set(results(tmp_path)) == {job.key for job in good}


def test_an_error_of_another_package_does_not_stop_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = tiny_jobs()
    trained = grid.run_light

    def run_light(data: FeatureSet, config: Any, **rest: Any) -> Any:
        if config == jobs[1].config:
            raise MemoryError("no room\nfor more")
        return trained(data, config, **rest)

    monkeypatch.setattr(grid, "run_light", run_light)
    outcome = tiny_grid(jobs, tmp_path)
    assert (outcome.done, [failure.job for failure in outcome.failed]) == (3, [jobs[1]])
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
    jobs = tiny_jobs(range(4))
    with Store(tmp_path / STORE) as store:
        run_grid(jobs[:4], small(), store, tmp_path)
        store._base.ask(f"PRAGMA max_page_count = {store._base._number('page_count') + 4}")
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
    jobs = tiny_jobs()
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
    jobs = tiny_jobs()
    tiny_grid(jobs, tmp_path)
    with Store(tmp_path / STORE) as store:
        theirs = plan(other, entries("table1", None, "paper", 1.0), (0,), tiny_recipe())
        assert missing(theirs, store, tmp_path) == theirs
        run_grid(theirs, other, store, tmp_path)
        assert len(store.rows()) == 8
        assert len(store.find(small().digest, tiny_recipe(), None)) == 1
        assert store.find(small().digest, tiny_recipe(), None) != store.find(
            other.digest, tiny_recipe(), None
        )
