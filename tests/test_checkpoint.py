"""A run may die at any moment and go on as if it had not; a checkpoint that cannot be used says so in one sentence."""

from __future__ import annotations

import errno
import json
import os
import resource
import signal
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
import torch
from safetensors import SafetensorError
from training_helpers import (
    BrokenOff,
    assert_same_result,
    assert_same_tensors,
    break_off_after,
    run_and_die,
    small,
    start,
    tiny,
    train_and_die,
    train_tiny,
)

from hypav.alignment import Adaptive, preset
from hypav.data.batches import TripletSampler, make_batch
from hypav.errors import RunError
from hypav.experiments import load_model, load_record, run
from hypav.experiments.runs import run_folder
from hypav.training import (
    Learner,
    RunConfig,
    RunResult,
    load_checkpoint,
    load_tensors,
    save_checkpoint,
    save_tensors,
    train_step,
)

CPU = torch.device("cpu")
HEADS = preset("released", curvatures=Adaptive(2))


def with_a_second_stage(config: RunConfig) -> RunConfig:
    """The config with the first seed whose stage 2 has two epochs or more."""
    return next(
        c for seed in range(20) if train_tiny(c := replace(config, seed=seed)).best_epoch > 1
    )  # pragma: no branch


def stage_and_epoch(folder: Path) -> tuple[int, int]:
    saved = load_checkpoint(folder)
    assert saved is not None
    return saved[1]["stage"], saved[1]["epoch"]


@pytest.mark.parametrize(
    "config",
    [
        tiny(),
        tiny(alignment=HEADS, parity="official", dtype="float64", patience=0),
    ],
    ids=["avca", "hyper-multiple official float64"],
)
def test_a_run_broken_off_after_every_epoch_ends_as_if_it_had_not(config: RunConfig, tmp_path: Path) -> None:
    config = with_a_second_stage(config)
    whole = train_tiny(config)
    for _ in whole.history:
        with pytest.raises(BrokenOff):
            train_tiny(config, folder=tmp_path, after_epoch=break_off_after(1))
    rows: list[object] = []
    assert_same_result(train_tiny(config, folder=tmp_path, after_epoch=rows.append), whole)
    assert rows == []  # nothing was left to train


def test_a_checkpoint_holds_all_that_the_next_step_depends_on(tmp_path: Path) -> None:
    """Optimiser, schedule, both random streams and the adaptive curvatures, each in the middle of its life."""
    config = tiny(alignment=HEADS, dtype="float64")
    phase = small().phase("train").to(dtype=torch.float64)

    def step(learner: Learner) -> dict[str, torch.Tensor]:
        sampler = TripletSampler(phase.label, batch_size=8, generator=learner.sampling)
        index, negative = sampler.draw(1)
        return train_step(learner, make_batch(phase, index[0], negative[0]))

    learner = Learner.fresh(config, CPU)
    for HM in (0.5, 0.4, 0.3, 0.2, 0.1, 0.4):  # the rate falls after the fifth, one more epoch is bad
        step(learner)
        learner.scheduler.step(HM)
    save_checkpoint(tmp_path, learner.tensors(), {"stage": 1, "epoch": 6, "learner": learner.plain()})
    saved = load_checkpoint(tmp_path)
    assert saved is not None
    other = Learner.fresh(replace(config, seed=7), CPU)
    other.restore(saved[0], saved[1]["learner"])
    assert other.optimizer.param_groups[0]["lr"] == pytest.approx(1e-4, rel=1e-12)
    unused = {"_last_lr"}  # torch keeps it for get_last_lr alone
    schedules = [one.scheduler.state_dict().items() for one in (other, learner)]
    assert {k: v for k, v in schedules[0] if k not in unused} == {
        k: v for k, v in schedules[1] if k not in unused
    }
    assert other.scheduler.num_bad_epochs == 1
    assert_same_tensors(step(other), step(learner))
    assert_same_tensors(other.tensors(), learner.tensors())


def test_a_schedule_without_a_best_yet_can_be_kept(tmp_path: Path) -> None:
    learner = Learner.fresh(tiny(), CPU)
    plain = json.loads(json.dumps(learner.plain(), allow_nan=False))
    other = Learner.fresh(tiny(), CPU)
    other.scheduler.best = 0.3
    other.restore({**learner.tensors(), "optimizer.0.step": torch.tensor(0.0)}, plain)
    assert other.scheduler.best == float("-inf")


def test_seconds_count_the_time_before_the_break(tmp_path: Path) -> None:
    config = tiny(epochs=1)
    with pytest.raises(BrokenOff):
        train_tiny(config, folder=tmp_path, after_epoch=break_off_after(1))
    path = tmp_path / "checkpoint.json"
    state = json.loads(path.read_text())
    assert state["seconds"] > 0
    path.write_text(json.dumps({**state, "seconds": 1e6}))
    assert train_tiny(config, folder=tmp_path).seconds > 1e6
    assert json.loads(path.read_text())["seconds"] > 1e6


def test_killed_at_every_step_of_writing_a_checkpoint(tmp_path: Path) -> None:
    config = tiny(epochs=7, batches=1)
    with pytest.raises(BrokenOff):
        train_tiny(config, folder=tmp_path, after_epoch=break_off_after(1))
    # before fsync, rename and removal of the temporary name, for the tensors and for the JSON; then before the removal
    # of the old tensors
    for moment in range(1, 15, 2):
        before = stage_and_epoch(tmp_path)
        child = start(train_and_die, config, tmp_path, moment)
        child.join()
        assert child.exitcode == -signal.SIGKILL
        after = (1, before[1] + 1) if moment > 9 else before  # the ninth is before the JSON's rename
        assert stage_and_epoch(tmp_path) == after, moment
    assert_same_result(train_tiny(config, folder=tmp_path), train_tiny(config))
    assert len(os.listdir(tmp_path)) == 2  # what the kills left half-written is gone


def test_killed_at_every_step_of_recording_a_finished_run(tmp_path: Path) -> None:
    config = tiny(epochs=1)
    whole = run(small(), config, method="AVCA", root=tmp_path / "whole", device="cpu", progress=False)
    folder = run_folder(tmp_path / "killed", small(), config, "AVCA")
    folder.mkdir(parents=True)
    train_tiny(config, folder=folder)  # both stages, no record yet
    deaths = 0
    while True:
        child = start(run_and_die, config, tmp_path / "killed", 2 * deaths + 1)
        child.join()
        if child.exitcode == 0:
            break
        assert child.exitcode == -signal.SIGKILL
        deaths += 1
    assert deaths > 5  # the fifth is before the rename of the record
    record = load_record(folder)
    same = set(record) - {"seconds"}
    assert {name: record[name] for name in same} == {name: whole[name] for name in same}
    finished = run_folder(tmp_path / "whole", small(), config, "AVCA")
    assert_same_tensors(load_model(folder)[0].state_dict(), load_model(finished)[0].state_dict())
    assert sorted(os.listdir(folder)) == sorted(os.listdir(finished)) == ["model.safetensors", "result.json"]


@pytest.fixture
def after_two(tmp_path: Path) -> Path:
    """A folder with the checkpoint of `tiny()` after two epochs of stage 1."""
    with pytest.raises(BrokenOff):
        train_tiny(tiny(), folder=tmp_path, after_epoch=break_off_after(2))
    return tmp_path


def fails(folder: Path, match: str, config: RunConfig | None = None, **options: object) -> None:
    with pytest.raises(RunError, match=match) as error:
        train_tiny(config or tiny(), folder=folder, **options)
    assert "\n" not in str(error.value)


def test_a_folder_without_a_checkpoint_has_none(tmp_path: Path) -> None:
    assert load_checkpoint(tmp_path) is None


def test_a_checkpoint_of_another_configuration_or_data_is_refused(after_two: Path) -> None:
    kept = {path.name: path.read_bytes() for path in after_two.iterdir()}
    refusal = "another configuration or other data, .*choose another folder"
    for other in (tiny(seed=1), tiny(lr=2e-3), tiny(epochs=4), tiny(alignment=preset("paper"))):
        fails(after_two, refusal, other)
    label = small().label.clone()
    label[small().splits["stage_2_test_seen"][:2]] = label[small().splits["stage_2_test_seen"][-2:]]
    fails(after_two, refusal, data=replace(small(), label=label))
    assert {path.name: path.read_bytes() for path in after_two.iterdir()} == kept


def test_a_truncated_tensor_file_is_refused(after_two: Path) -> None:
    (path,) = after_two.glob("*.safetensors")
    whole = path.read_bytes()
    for length in (0, 7, 100, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        fails(after_two, r"Cannot read .*\.safetensors.*remove the run's folder and train again")


def test_a_missing_tensor_file_is_refused(after_two: Path) -> None:
    next(after_two.glob("*.safetensors")).unlink()
    fails(after_two, r"Cannot read .*\.safetensors")


def test_a_garbage_json_is_refused(after_two: Path) -> None:
    for garbage in (b"", b"\xff\xfe", b"[]", b"3", b"{}", b'{"tensors": 5}', b"[" * 10**5):
        (after_two / "checkpoint.json").write_bytes(garbage)
        fails(after_two, r"checkpoint\.json is damaged .*remove the run's folder and train again")


def test_a_json_that_lacks_a_part_is_refused(after_two: Path) -> None:
    path = after_two / "checkpoint.json"
    state = json.loads(path.read_text())
    for missing in ("config", "data", "learner", "history", "best_epoch", "val", "seconds"):
        path.write_text(json.dumps({name: value for name, value in state.items() if name != missing}))
        fails(after_two, "is damaged .*; remove the folder and train again")


@pytest.mark.parametrize("swap", ["another network", "a tensor gone", "stray name"])
def test_tensors_that_do_not_fit_are_refused(after_two: Path, swap: str) -> None:
    (path,) = after_two.glob("*.safetensors")
    tensors = load_tensors(path)
    if swap == "another network":
        tensors["model.positional"] = torch.zeros(2, 21)
    elif swap == "a tensor gone":
        del tensors["generator.masks"]
    else:
        tensors["stray"] = torch.zeros(1)
    save_tensors(path, tensors)
    fails(after_two, "is damaged .*; remove the folder and train again")


def test_the_json_cannot_name_a_file_outside_its_folder(after_two: Path) -> None:
    (tensors,) = after_two.glob("*.safetensors")
    outside = after_two.parent / "outside"
    outside.mkdir(exist_ok=True)
    tensors.replace(outside / tensors.name)
    state = json.loads((after_two / "checkpoint.json").read_text())
    state["tensors"] = f"../outside/{tensors.name}"
    (after_two / "checkpoint.json").write_text(json.dumps(state))
    fails(after_two, r"Cannot read .*\.safetensors")


def no_space(*args: object, **options: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def no_space_in_safetensors(*args: object, **options: object) -> None:
    raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")


def no_right(*args: object, **options: object) -> None:
    raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))


@pytest.mark.parametrize(
    ("target", "failure", "message"),
    [
        ("hypav.training.save_file", no_space, "No space left on device"),
        ("hypav.training.save_file", no_space_in_safetensors, "No space left on device"),
        ("pathlib.Path.write_text", no_space, r"checkpoint\.json: No space left on device"),
        ("os.fsync", no_space, "No space left on device"),
        ("tempfile.mkstemp", no_right, "Permission denied"),
    ],
    ids=["tensors", "safetensors' own error", "json", "fsync", "no right to write"],
)
def test_what_cannot_be_saved_leaves_the_checkpoint_before(
    after_two: Path,
    monkeypatch: pytest.MonkeyPatch,
    target: str,
    failure: Callable[..., None],
    message: str,
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(target, failure)
        fails(after_two, rf"Cannot write .*{message}.*; free space or choose another folder\.$")
    assert_the_one_before_goes_on(after_two)


def test_a_file_system_that_takes_no_more_bytes(after_two: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, hard))
    try:
        fails(after_two, r"Cannot write .*\.safetensors: .*File too large.*; free space")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert_the_one_before_goes_on(after_two)


@cache
def undisturbed() -> RunResult:
    return train_tiny(tiny())


def assert_the_one_before_goes_on(folder: Path) -> None:
    assert stage_and_epoch(folder) == (1, 2)
    assert not list(folder.glob(".*"))  # no temporary file
    assert_same_result(train_tiny(tiny(), folder=folder), undisturbed())
    assert len(os.listdir(folder)) == 2


def test_an_old_file_that_cannot_be_removed_does_not_stop_a_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Path.unlink

    def unlink(path: Path, missing_ok: bool = False) -> None:
        if path.suffix == ".safetensors":
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        real(path, missing_ok)

    monkeypatch.setattr(Path, "unlink", unlink)
    result = train_tiny(tiny(), folder=tmp_path)
    monkeypatch.undo()
    assert len(list(tmp_path.glob("*.safetensors"))) == len(result.history)
    assert_same_result(train_tiny(tiny(), folder=tmp_path), result)


def test_tensors_come_back_in_their_dtype_and_views_are_unshared(tmp_path: Path) -> None:
    base = torch.arange(12, dtype=torch.float64).view(3, 4)
    tensors = {"t": base.T, "row": base[1], "bytes": torch.tensor([1, 255], dtype=torch.uint8)}
    save_tensors(tmp_path / "t.safetensors", tensors)
    assert_same_tensors(load_tensors(tmp_path / "t.safetensors"), tensors)
    assert os.listdir(tmp_path) == ["t.safetensors"]
