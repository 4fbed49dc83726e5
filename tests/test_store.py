"""One row a run, complete, queried in one line; whatever is wrong with the file is told and nothing is lost."""

from __future__ import annotations

import csv
import json
import mmap
import sqlite3
import struct
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import astuple, fields, replace
from functools import cache
from pathlib import Path
from threading import Barrier, BrokenBarrierError
from typing import Any

import pandas as pd
import pytest
import torch
from grid_helpers import tiny_grid, tiny_jobs, tiny_recipe
from training_helpers import small

from hypav.alignment import Adaptive, preset
from hypav.errors import RunError
from hypav.experiments.grid import Job
from hypav.experiments.measures import NOISE_TRIES, NUMERICS_VERSION
from hypav.experiments.memory import forget_peak, peak_memory
from hypav.experiments.records import (
    DETAILS,
    Record,
    alignment_columns,
    alignment_text,
    recipe_digest,
    sealed,
    slim,
)
from hypav.experiments.runs import run_key, run_light
from hypav.experiments.store import Choice, Store
from hypav.hyperbolicity import gaussian_null
from hypav.training import RunConfig


def one_sentence(error: pytest.ExceptionInfo[BaseException]) -> bool:
    return "\n" not in str(error.value) and str(error.value).endswith(".")


@cache
def record_of(place: int = 0, delta: bool = False) -> Record:
    """A run's record, made in earnest. place: 0 AVCA, 1 Hyper-alignment, 2 -single, 3 -multiple."""
    job = tiny_jobs((3,))[place]
    return run_light(
        small(), job.config, root=Path("/nonexistent"), method=job.method, preset=job.preset, recipe=job.recipe,
        scale_name="course", measure_delta=delta, device="cpu",
    )  # fmt: skip


def planted(record: Record, **changes: Any) -> Record:
    """A whole row of a slim export that no run gave."""
    return sealed(replace(slim(record), **changes))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Job]]:
    """A store with the four methods' runs of two seeds."""
    root = tmp_path_factory.mktemp("made")
    jobs = tiny_jobs((0, 1))
    assert tiny_grid(jobs, root).done == 8
    return root, jobs


@pytest.fixture
def store(made: tuple[Path, list[Job]], tmp_path: Path) -> Path:
    """A copy of that store, to be spoilt."""
    path = tmp_path / "store.sqlite"
    path.write_bytes((made[0] / "store.sqlite").read_bytes())
    return path


def records(path: Path) -> list[Record]:
    with Store(path, create=False) as opened:
        return opened.rows()


def spoil(path: Path, statement: str, values: Sequence[Any] = ()) -> None:
    with closing(sqlite3.connect(path)) as base, base:
        base.execute(statement, values)


# --- what a row holds ---


def test_pandas_reads_it_in_one_line(made: tuple[Path, list[Job]]) -> None:
    table = pd.read_sql("SELECT * FROM runs", sqlite3.connect(made[0] / "store.sqlite"))
    assert list(table.columns) == [field.name for field in fields(Record)]
    assert set(table.key) == {job.key for job in made[1]}
    assert set(table.method) == {"AVCA", "Hyper-alignment", "Hyper-single", "Hyper-multiple"}
    assert table.groupby("method").HM.count().tolist() == [2, 2, 2, 2]


def test_a_row_is_complete(made: tuple[Path, list[Job]]) -> None:
    data = small()
    for job, record in zip(
        made[1], sorted(records(made[0] / "store.sqlite"), key=lambda r: r.seed), strict=True
    ):
        found = next(r for r in records(made[0] / "store.sqlite") if r.key == job.key)
        assert RunConfig.from_dict(json.loads(found.config)) == job.config
        assert (found.data, found.data_digest, found.simulated) == (data.name, data.digest, 1)
        assert (found.recipe, found.recipe_digest) == ("tiny", recipe_digest(tiny_recipe()))
        assert record.seconds > 0
        assert 50 < float(record.memory_mb or 0) < 1e5  # torch alone takes more than 50 MB
        assert (found.code, found.torch) == (NUMERICS_VERSION, torch.__version__)
        assert found.cpu
        assert (found.device, found.threads, found.scale_name) == ("cpu", 1, "course")


def test_the_metrics_of_a_row_fit_together(made: tuple[Path, list[Job]]) -> None:
    data = small()
    test = data.phase("test")
    names = [data.class_names[i] for i in test.classes.tolist()]
    unseen = {data.class_names[i] for i in test.unseen.tolist()}
    for record in records(made[0] / "store.sqlite"):
        recall = json.loads(record.per_class)
        assert list(recall) == names
        seen_mean = sum(value for name, value in recall.items() if name not in unseen) / len(test.seen)
        unseen_mean = sum(value for name, value in recall.items() if name in unseen) / len(unseen)
        assert (seen_mean, unseen_mean) == pytest.approx((record.S, record.U))
        history = json.loads(record.history)
        assert history[record.best_epoch - 1]["HM"] == record.val_HM


def test_the_alignment_stands_in_columns(made: tuple[Path, list[Job]]) -> None:
    by_method = {record.method: record for record in records(made[0] / "store.sqlite")}
    assert {name: r.curvatures for name, r in by_method.items()} == {
        "AVCA": "", "Hyper-alignment": "-0.2", "Hyper-single": "adaptive:1:-0.4",
        "Hyper-multiple": "adaptive:3:-0.4",
    }  # fmt: skip
    avca, other = by_method["AVCA"], by_method["Hyper-single"]
    assert (avca.preset, avca.weight, avca.similarity, avca.aligned) == ("", None, "", "")
    assert (other.preset, other.weight, other.similarity, other.aligned) == ("paper", 1.0, "cosine", "phi")


def test_curvatures_as_text() -> None:
    found = [alignment_text(c) for c in ((-0.2,), (0.0, -0.2), (-0.0, 1.0), Adaptive(3, -0.4))]
    assert found == ["-0.2", "0+-0.2", "0+1", "adaptive:3:-0.4"]


def test_any_change_of_an_alignment_changes_its_columns() -> None:
    changes = {
        "similarity": "inner", "normalise": "row", "base": "midpoint", "to_ball": "expmap0", "clip_radius": "printed",
        "curvatures": (-0.3,), "aligned": "theta", "pairs": "both", "weight": 2.0, "scale": 0.5, "xi": 1e-2,
    }  # fmt: skip
    own = preset("paper")
    assert set(changes) == {field.name for field in fields(own)}
    for name, value in changes.items():
        assert alignment_columns(replace(own, **{name: value})) != alignment_columns(own), name


# --- finding runs ---


def test_found_by_key_and_by_columns(made: tuple[Path, list[Job]]) -> None:
    with Store(made[0] / "store.sqlite") as opened:
        for job in made[1]:
            record = opened.get(job.key)
            assert record is not None
            found = opened.find(small().digest, tiny_recipe(), job.config.alignment)
            assert set(found) == {0, 1}
            assert found[job.config.seed] == record
        assert opened.get("0" * 12) is None
        assert opened.find("other data", tiny_recipe(), None) == {}
        assert opened.find(small().digest, tiny_recipe(epochs=3), None) == {}
        assert opened.find(small().digest, tiny_recipe(), preset("paper", weight=0.5)) == {}


def test_runs_of_two_versions_of_the_program_do_not_mix(tmp_path: Path) -> None:
    own = record_of()
    old = planted(own, key="old", code="0ld", seed=4, created="2020-01-01")
    older = planted(own, key="older", code="0lder", seed=5, created="2019-01-01")
    arguments = (own.data_digest, tiny_recipe(), None)
    with Store(tmp_path / "store.sqlite") as opened:
        assert opened.add(older)
        assert set(opened.find(*arguments)) == {5}
        assert opened.add(old)
        assert set(opened.find(*arguments)) == {4}, "the newest version's where there is none of ours"
        assert opened.add(own)
        assert set(opened.find(*arguments)) == {own.seed}
        assert set(opened.find(*arguments, code="0lder")) == {5}


def test_runs_of_two_types_of_device_do_not_mix(tmp_path: Path) -> None:
    own = record_of()
    arguments = (own.data_digest, tiny_recipe(), None)
    with Store(tmp_path / "store.sqlite") as opened:
        for seed, device in ((4, "cuda:1"), (5, "cuda"), (6, "cpu")):
            opened.add(planted(own, key=f"key{seed}", seed=seed, device=device))
        assert set(opened.find(*arguments)) == {4, 5}, "the type with most runs"
        assert set(opened.find(*arguments, device="cpu")) == {6}
        assert set(opened.find(*arguments, device="cuda:0")) == {4, 5}
        assert opened.device(*arguments[:2], own.code) == "cuda"


# --- adding ---


def test_the_first_record_of_a_key_stays(tmp_path: Path) -> None:
    own = record_of()
    with Store(tmp_path / "store.sqlite") as opened:
        assert opened.add(own)
        assert opened.add(own), "it is there as given"
        assert not opened.add(sealed(replace(own, HM=0.9)))
        assert opened.get(own.key) == own


def test_what_a_record_lacks_is_added(tmp_path: Path) -> None:
    own = record_of()
    with Store(tmp_path / "store.sqlite") as opened:
        opened.add(own)
        assert opened.add(sealed(replace(own, delta_rel=0.3)))
        assert opened.add(sealed(replace(own, folder="a/b")))
        found = opened.get(own.key)
        assert found is not None
        assert (found.delta_rel, found.folder, found.HM) == (0.3, "a/b", own.HM)
        assert found.intact


def test_delta_rel_and_that_of_noise_where_asked_for(tmp_path: Path) -> None:
    without, own = record_of(1), record_of(1, delta=True)
    assert (without.delta_rel, without.delta_noise, without.delta_covariance) == (None, None, None)
    for name in ("delta_rel", "delta_noise", "delta_covariance"):
        assert 0 < getattr(own, name) < 1
    assert len({own.delta_rel, own.delta_noise, own.delta_covariance}) == 3
    stream = torch.Generator().manual_seed(own.seed)
    n, D = len(small().phase("test").label), tiny_jobs()[0].config.network.dim_theta
    assert own.delta_noise == gaussian_null(n, D, generator=stream, tries=NOISE_TRIES).delta_rel
    with Store(tmp_path / "store.sqlite") as opened:
        opened.add(without)
        assert opened.add(own)
        assert opened.get(own.key) == replace(own, seconds=own.seconds)


def test_memory_is_the_runs_own() -> None:
    """Not what an earlier run in the same process took."""
    before = record_of().memory_mb
    if before is None:
        pytest.skip("this system does not tell the memory of one run")
    with mmap.mmap(-1, 240_000_000) as held:  # the system has it back at once, unlike memory of malloc
        held[:: mmap.PAGESIZE] = bytes(len(range(0, len(held), mmap.PAGESIZE)))
        assert forget_peak()
        with_it = peak_memory() or 0
        assert with_it > 240
    assert forget_peak()
    assert (peak_memory() or 0) < with_it - 200
    assert 50 < before < 1e5


def test_the_processor_is_told_with_its_instructions() -> None:
    name, _, instructions = record_of().cpu.rpartition(", ")
    assert name
    assert instructions == torch.backends.cpu.get_cpu_capability()


def test_an_export_from_before_the_noise_is_still_read(tmp_path: Path) -> None:
    """It had folders, and no columns for noise."""
    path = tmp_path / "runs.csv"
    own = sealed(replace(record_of(), folder="small/kept"))
    names = [f.name for f in fields(Record) if f.name not in (*DETAILS, "delta_noise", "delta_covariance")]
    cells = ["" if getattr(own, name) is None else str(getattr(own, name)) for name in names]
    with open(path, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([names, cells])
    assert Store.from_csv(path).rows() == [replace(own, **dict.fromkeys(DETAILS, ""))]


def test_two_programs_write_at_once(tmp_path: Path) -> None:
    path, both = tmp_path / "store.sqlite", Barrier(2)

    class Slow(Store):
        def get(self, key: str) -> Record | None:
            found = super().get(key)
            with suppress(BrokenBarrierError):
                both.wait(0.2)  # so both read before one writes, unless one keeps the other out
            return found

    def add_many(name: str) -> None:
        with Slow(path) as opened:
            for number in range(10):
                opened.add(planted(record_of(), key=f"{name}{number}"))

    record_of()
    with ThreadPoolExecutor(2) as programs:
        list(programs.map(add_many, "ab"))
    assert len(records(path)) == 20


# --- choices ---


def test_choices_come_back(tmp_path: Path) -> None:
    choice = Choice(
        "set", "d", "paper", "tiny", "r", "c", 0.1, {0.1: 0.5, 1.0: 0.4}, {0.1: ["a"], 1.0: ["b"]}
    )
    with Store(tmp_path / "store.sqlite") as opened:
        opened.choose(choice)
        opened.choose(replace(choice, weight=1.0))
        opened.choose(replace(choice, preset="curved"))
        assert opened.choices == [replace(choice, preset="curved"), replace(choice, weight=1.0)]


# --- slim exports ---


def test_a_slim_export_comes_back(store: Path, tmp_path: Path) -> None:
    path = tmp_path / "runs.csv"
    with Store(store) as opened:
        opened.add(sealed(replace(record_of(1, delta=True), folder="small/kept")))
        assert opened.export_csv(path) == 9
        before = opened.rows()
    again = Store.from_csv(path)
    assert again.rows() == [slim(record) for record in before]
    assert again.damaged() == []
    assert set(again.find(small().digest, tiny_recipe(), None)) == {0, 1}
    assert len(pd.read_csv(path)) == 9
    assert "folder" not in pd.read_csv(path).columns, "networks are not shipped with it"


def test_an_export_of_some_rows(made: tuple[Path, list[Job]], tmp_path: Path) -> None:
    with Store(made[0] / "store.sqlite") as opened:
        assert opened.export_csv(tmp_path / "runs.csv", method="AVCA") == 2


def test_a_number_changed_in_an_export_is_named(made: tuple[Path, list[Job]], tmp_path: Path) -> None:
    path = tmp_path / "runs.csv"
    with Store(made[0] / "store.sqlite") as opened:
        opened.export_csv(path)
        second = opened.rows()[1]
    text = path.read_text()
    line = text.splitlines()[2]
    assert line.startswith(second.key)
    path.write_text(text.replace(line, line.replace(repr(second.HM), "0.99")))
    with pytest.raises(RunError, match=rf"Line 3 of .* \(run {second.key}\) is not what a run gave") as error:
        Store.from_csv(path)
    assert one_sentence(error)


@pytest.mark.parametrize("text", ["", "a,b\n1,2\n"])
def test_a_file_that_is_no_export(text: str, tmp_path: Path) -> None:
    path = tmp_path / "runs.csv"
    path.write_text(text)
    with pytest.raises(RunError, match="no export of a store of this version") as error:
        Store.from_csv(path)
    assert one_sentence(error)
    with pytest.raises(RunError, match="Cannot read"):
        Store.from_csv(tmp_path / "missing.csv")


def test_a_broken_line_of_an_export(made: tuple[Path, list[Job]], tmp_path: Path) -> None:
    path = tmp_path / "runs.csv"
    with Store(made[0] / "store.sqlite") as opened:
        opened.export_csv(path)
    path.write_text(path.read_text()[:-40])
    with pytest.raises(RunError, match=r"Line \d+ of .* is damaged") as error:
        Store.from_csv(path)
    assert one_sentence(error)


# --- bad stores ---


def test_a_store_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"There is no store .*; hypav reproduce makes one") as error:
        Store(tmp_path / "store.sqlite", create=False)
    assert one_sentence(error)
    assert not (tmp_path / "store.sqlite").exists()
    with pytest.raises(RunError, match="is no file"):
        Store(tmp_path)


def test_an_empty_file_becomes_a_store(tmp_path: Path) -> None:
    """As a kill between its making and its first page leaves it."""
    (tmp_path / "store.sqlite").touch()
    with Store(tmp_path / "store.sqlite") as opened:
        assert opened.rows() == []


def test_a_store_of_another_version(store: Path) -> None:
    for version, age in ((1, "an older"), (3, "a newer")):
        spoil(store, f"PRAGMA user_version = {version}")
        before = store.read_bytes()
        told = rf"{age} version of hypav \(its format is {version}, this one's 2\)"
        with pytest.raises(RunError, match=told) as error:
            Store(store)
        assert one_sentence(error)
        assert store.read_bytes() == before


def test_files_that_are_no_store(tmp_path: Path) -> None:
    text, other = tmp_path / "notes.txt", tmp_path / "other.sqlite"
    text.write_text("not a database, but long enough to be read as one: " + "x" * 200)
    with pytest.raises(RunError, match=r"notes.txt is no store of runs; give another file") as error:
        Store(text)
    assert one_sentence(error)
    spoil(other, "CREATE TABLE t (x)")
    with pytest.raises(RunError, match="is a database but no store of runs") as error:
        Store(other)
    assert one_sentence(error)


def test_a_flipped_bit_in_a_number_is_found_and_the_run_named(store: Path) -> None:
    victim = records(store)[2]
    raw = bytearray(store.read_bytes())
    told = struct.pack(">d", victim.seconds)
    assert raw.count(told) == 1
    raw[raw.index(told) + 3] ^= 0x01
    store.write_bytes(bytes(raw))
    _only_this_is_damaged(store, victim)


def test_a_row_with_a_fresh_digest_is_no_run(store: Path) -> None:
    """A digest can be computed for any row; key and columns have to follow from configuration and history."""
    victim = next(record for record in records(store) if record.method == "Hyper-alignment")
    changes: list[dict[str, Any]] = [
        {"key": "inventedrun0"}, {"seed": 2}, {"HM": 0.99}, {"val_HM": 0.5}, {"weight": 10.0}, {"curvatures": "-0.3"},
        {"data_digest": "0" * 32}, {"code": "0" * 12}, {"device": "cuda"}, {"config": "{}"}, {"history": "[]"},
    ]  # fmt: skip
    with Store(store) as opened:
        for change in changes:
            forged = sealed(replace(victim, **change))
            opened._put("runs", astuple(forged))
            assert opened.damaged() == [forged.key], change
            assert forged not in opened.rows()
            opened._base.ask("DELETE FROM runs WHERE key = ?", [forged.key])


def test_a_changed_digit_in_the_details_is_found(store: Path) -> None:
    whole, victim = store.read_bytes(), records(store)[2]
    for part in ("config", "per_class", "history"):
        text = getattr(victim, part)
        place = next(i for i in range(len(text) // 2, len(text)) if text[i].isdigit())
        other = text[:place] + str((int(text[place]) + 1) % 10) + text[place + 1 :]
        spoil(store, f"UPDATE runs SET {part} = ? WHERE key = ?", [other, victim.key])
        _only_this_is_damaged(store, victim)
        store.write_bytes(whole)


def test_bytes_that_are_no_text_are_found(store: Path) -> None:
    victim = records(store)[2]
    spoil(store, "UPDATE runs SET cpu = CAST(x'ff80' AS TEXT) WHERE key = ?", [victim.key])
    _only_this_is_damaged(store, victim)


def _only_this_is_damaged(path: Path, victim: Record) -> None:
    with Store(path) as opened:
        assert opened.damaged() == [victim.key]
        assert opened.get(victim.key) is None
        assert len(opened.rows()) == 7
        assert victim.key not in {record.key for record in opened.rows()}


def test_a_damaged_page_is_told(store: Path) -> None:
    raw = bytearray(store.read_bytes())
    raw[4096:6000] = b"\xff" * (6000 - 4096)
    store.write_bytes(bytes(raw))
    with pytest.raises(RunError, match=r"is damaged \(.*\); move it away and begin a new one") as error:
        records(store)
    assert one_sentence(error)


def test_no_space_for_a_record(store: Path) -> None:
    before = records(store)
    with Store(store) as opened:
        opened._base.ask(f"PRAGMA max_page_count = {opened._base._number('page_count')}")
        big = sealed(replace(record_of(2), history=" " * 40_000 + record_of(2).history))
        with pytest.raises(RunError, match=r"no space is left. What is in it stays") as error:
            opened.add(big)
        assert "\n" not in str(error.value)
        assert opened.rows() == before
        opened._base.ask("PRAGMA max_page_count = 100000")
        assert opened.add(big)


def test_a_store_held_by_another_program(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hypav.experiments.database.WAIT_SECONDS", 0.05)
    with closing(sqlite3.connect(store, isolation_level=None)) as other, Store(store) as opened:
        other.execute("BEGIN IMMEDIATE")
        assert len(opened.rows()) == 8, "readers are not held up"
        with pytest.raises(RunError, match="Another program has held") as error:
            opened.add(record_of(2))
        assert one_sentence(error)
        other.execute("ROLLBACK")
        assert opened.add(record_of(2))


def test_a_key_holds_the_program_and_the_type_of_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    config = tiny_jobs()[0].config
    before = run_key(small(), config)
    assert run_key(small(), config, "cuda:1") == run_key(small(), config, "cuda") != before
    monkeypatch.setattr("hypav.experiments.runs.NUMERICS_VERSION", "another")
    assert run_key(small(), config) != before
