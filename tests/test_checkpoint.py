"""A run may die at any moment and resumes as if it had not; a checkpoint that cannot be used is one clear sentence."""

from __future__ import annotations

import errno
import os
import resource
import signal
import sys
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from training_helpers import (
    assert_same_run,
    assert_same_tensors,
    interrupted_after,
    killed_at,
    small,
    tiny,
    train_tiny,
)

from hypav import cli
from hypav.alignment import Adaptive, preset
from hypav.data.batches import TripletSampler, make_batch
from hypav.errors import RunError
from hypav.experiments import runs
from hypav.training import (
    CHECKPOINT,
    Learner,
    RunConfig,
    discard_checkpoint,
    load_model,
    save_model,
    train_step,
)
from hypav.utils import load_checked, save_checked

CPU = torch.device("cpu")
HEADS = preset("released", curvatures=Adaptive(2))


def with_a_second_stage(config: RunConfig) -> RunConfig:
    """The config with the first seed whose stage 2 has two epochs or more."""
    return next(c for seed in range(20) if train_tiny(c := replace(config, seed=seed)).best_epoch > 1)


def stage_and_epoch(folder: Path) -> tuple[int, int]:
    last = load_checked(folder / CHECKPOINT)["epochs"][-1]
    return last["stage"], last["epoch"]


@pytest.mark.parametrize(
    "config",
    [tiny(), tiny(alignment=HEADS, dtype="float64", patience=0), tiny(alignment=preset("curved", pull=0.3))],
    ids=["avca", "hyper-multiple float64", "pull"],
)
def test_a_run_interrupted_after_every_epoch_ends_as_if_it_was_not(config: RunConfig, tmp_path: Path) -> None:
    config = with_a_second_stage(config)
    whole = train_tiny(config)
    for _ in whole.epochs:
        with interrupted_after(1):
            train_tiny(config, folder=tmp_path)
    resumed = train_tiny(config, folder=tmp_path)  # nothing is left to train
    assert_same_run(resumed, whole)
    assert resumed.config == config
    assert os.listdir(tmp_path) == [CHECKPOINT]


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
    save_checked(tmp_path / "learner.pt", learner.state())
    other = Learner.fresh(replace(config, seed=7), CPU)
    other.restore(load_checked(tmp_path / "learner.pt"))
    assert other.optimizer.param_groups[0]["lr"] == pytest.approx(1e-4)
    assert other.scheduler.state_dict() == learner.scheduler.state_dict()
    assert_same_tensors(step(other), step(learner))
    assert_same_tensors(other.model.state_dict(), learner.model.state_dict())
    assert_same_tensors(other.alignment.state_dict(), learner.alignment.state_dict())


def test_a_run_killed_at_any_step_of_writing_resumes(tmp_path: Path) -> None:
    config = tiny(epochs=5, batches=1)
    with interrupted_after(1):
        train_tiny(config, folder=tmp_path)
    for moment in range(1, 5):  # before and after fsync, before and after the rename
        before = stage_and_epoch(tmp_path)
        assert killed_at(moment, config, tmp_path) == -signal.SIGKILL
        assert stage_and_epoch(tmp_path) == ((1, before[1] + 1) if moment == 4 else before), moment
    assert_same_run(train_tiny(config, folder=tmp_path), train_tiny(config))


def test_seconds_include_the_interrupted_session(tmp_path: Path) -> None:
    with interrupted_after(1):
        train_tiny(tiny(), folder=tmp_path)
    content = load_checked(tmp_path / CHECKPOINT)
    assert content["seconds"] > 0
    save_checked(tmp_path / CHECKPOINT, {**content, "seconds": 1e6})
    assert train_tiny(tiny(), folder=tmp_path).seconds > 1e6


def test_checkpoints_are_as_rare_as_asked(tmp_path: Path) -> None:
    train_tiny(tiny(), folder=tmp_path, checkpoint_seconds=3600.0)
    assert os.listdir(tmp_path) == []


# a checkpoint that cannot be used


@pytest.fixture
def after_two(tmp_path: Path) -> Path:
    """A folder with the checkpoint of `tiny()` after two epochs of stage 1."""
    with interrupted_after(2):
        train_tiny(tiny(), folder=tmp_path)
    return tmp_path


def refused(folder: Path, match: str, config: RunConfig | None = None, **options: object) -> None:
    with pytest.raises(RunError, match=match) as error:
        train_tiny(config or tiny(), folder=folder, **options)
    assert "\n" not in str(error.value)
    assert str(error.value).endswith(".")


def test_a_checkpoint_of_another_configuration_or_data_is_refused_and_kept(after_two: Path) -> None:
    kept = (after_two / CHECKPOINT).read_bytes()
    for other in (tiny(seed=1), tiny(lr=2e-3), tiny(epochs=4), tiny(alignment=preset("printed"))):
        refused(after_two, "another configuration.*choose another folder", other)
    label = small().label.clone()
    label[small().splits["stage_2_test_seen"][:2]] = label[small().splits["stage_2_test_seen"][-2:]]
    refused(after_two, "other data", data=replace(small(), label=label))
    assert (after_two / CHECKPOINT).read_bytes() == kept


def test_a_damaged_checkpoint_is_refused_and_kept(after_two: Path) -> None:
    path = after_two / CHECKPOINT
    whole = path.read_bytes()
    flipped = bytearray(whole)
    weights = load_checked(path)["learner"]["model"]["positional"].numpy().tobytes()
    flipped[whole.index(weights) + 3] ^= 1
    for damaged in (
        b"",
        b"PK",
        whole[:100],
        whole[: len(whole) // 2],
        whole[:-1],
        b"\xff" * 100,
        bytes(flipped),
    ):
        path.write_bytes(damaged)
        refused(after_two, "damaged.*remove it and train again")
        assert path.read_bytes() == damaged


def with_a_bit_flipped(path: Path, tensor: torch.Tensor) -> bytes:
    """The bytes of a file of tensors with one bit of the last number of a tensor changed."""
    whole, values = bytearray(path.read_bytes()), tensor.numpy().tobytes()
    assert whole.count(values) >= 1
    whole[whole.index(values) + len(values) - 3] ^= 1
    return bytes(whole)


def test_one_bit_in_any_weight_matrix_is_seen(after_two: Path) -> None:
    path = after_two / CHECKPOINT
    model = load_checked(path)["learner"]["model"]
    matrices = [tensor for tensor in model.values() if tensor.ndim == 2]
    damaged = [with_a_bit_flipped(path, matrix) for matrix in matrices]
    assert len(damaged) >= 12
    for content in damaged:
        path.write_bytes(content)
        refused(after_two, "damaged.*remove it and train again")


def test_the_command_refuses_a_damaged_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    command = "hypav train --data simulated:small --device cpu --epochs 3 --batches 1 --batch-size 8"
    monkeypatch.setattr(sys, "argv", [*command.split(), "--folder", str(tmp_path)])
    monkeypatch.setattr(runs, "CHECKPOINT_SECONDS", 0.0)
    with interrupted_after(1):
        cli.main()
    (path,) = tmp_path.rglob(CHECKPOINT)
    damaged = with_a_bit_flipped(path, load_checked(path)["learner"]["model"]["decode.out.weight"])
    path.write_bytes(damaged)
    capsys.readouterr()
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert end.value.code == 2
    said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("Error: ")]
    assert said == [f"Error: {path} is damaged or not a file of hypav; remove it and train again."]
    assert path.read_bytes() == damaged
    assert [place for place in tmp_path.rglob("*") if place.is_file()] == [path]


def compressed(path: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    "spoil",
    [
        compressed,
        lambda path: torch.save(load_checked(path), path, _use_new_zipfile_serialization=False),
        lambda path: torch.save({"a": torch.zeros(1).expand(10**9, 10**3), "digest": ""}, path),
        lambda path: torch.save({"a": torch.zeros(2).to_sparse(), "digest": ""}, path),
        lambda path: torch.save([1], path),
        lambda path: (path.unlink(), os.mkfifo(path)),
        lambda path: (path.unlink(), path.mkdir()),
    ],
    ids=["compressed", "old format", "expanded", "sparse", "list", "pipe", "folder"],
)
def test_a_file_that_would_take_all_memory_or_time_is_refused(after_two: Path, spoil: Any) -> None:
    spoil(after_two / CHECKPOINT)
    refused(after_two, r"checkpoint\.pt")


def test_content_that_is_nested_too_deeply_is_refused(
    after_two: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch, "load", lambda *args, **options: {"a": nested(100_000), "digest": ""})
    refused(after_two, "damaged")


def test_too_little_memory_is_not_called_damage(after_two: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: object, **options: object) -> None:
        raise MemoryError

    monkeypatch.setattr(torch, "load", full)
    refused(after_two, "too little memory to read")


def test_only_what_the_run_wrote_is_removed(after_two: Path) -> None:
    (after_two / "my-checkpoint.txt").touch()
    (after_two / ".notes.tmp").touch()
    (after_two / ".checkpoint.pt.k1ll3d_0.tmp").touch()
    discard_checkpoint(after_two, small(), tiny(seed=1), "cpu")
    assert sorted(os.listdir(after_two)) == [".notes.tmp", CHECKPOINT, "my-checkpoint.txt"], "of another run"
    discard_checkpoint(after_two, small(), tiny(), "cpu")
    assert sorted(os.listdir(after_two)) == [".notes.tmp", "my-checkpoint.txt"]
    (after_two / CHECKPOINT).write_text("of another program")
    discard_checkpoint(after_two, small(), tiny(), "cpu")
    assert (after_two / CHECKPOINT).read_text() == "of another program"


def test_a_hand_edit_is_refused(after_two: Path) -> None:
    path = after_two / CHECKPOINT
    content = torch.load(path, weights_only=True)
    content["val"]["HM"] += 0.1
    torch.save(content, path)
    refused(after_two, "changed by hand")
    content["learner"]["model"]["positional"][0, 0] += 1e-3
    torch.save(content, path)
    refused(after_two, "changed by hand")


class Exploit:
    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.trace}",)


def test_a_foreign_pickle_is_refused_and_nothing_runs(after_two: Path, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    torch.save({"digest": Exploit(trace)}, after_two / CHECKPOINT)
    refused(after_two, "not a file of hypav")
    assert not trace.exists()


@pytest.mark.parametrize(
    "content", [{}, {"of": 5}, {"learner": {}}, {"learner": {"model": {}}}, {"val": {}}, {"seconds": None}]
)
def test_a_checked_file_with_other_content_is_refused(after_two: Path, content: dict[str, Any]) -> None:
    whole = load_checked(after_two / CHECKPOINT)
    save_checked(after_two / CHECKPOINT, {**whole, **content} if content else {})
    refused(after_two, r"checkpoint\.pt")


def no_space(*args: object, **options: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("target", ["pathlib.Path.write_bytes", "os.fsync", "tempfile.mkstemp"])
def test_a_full_disk_leaves_the_checkpoint_before(
    after_two: Path, monkeypatch: pytest.MonkeyPatch, target: str
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(target, no_space)
        refused(after_two, "Cannot write .*No space left.*; free space or choose another folder")
    assert stage_and_epoch(after_two) == (1, 2)
    assert os.listdir(after_two) == [CHECKPOINT]
    assert_same_run(train_tiny(tiny(), folder=after_two), train_tiny(tiny()))


def test_a_file_system_that_takes_no_more_bytes(after_two: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, hard))
    try:
        refused(after_two, "Cannot write .*File too large")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert stage_and_epoch(after_two) == (1, 2)


# the kept network


@pytest.mark.parametrize(
    "alignment", [None, HEADS, preset("released", pull=0.1)], ids=["avca", "hyper-multiple", "pull"]
)
def test_a_kept_network_comes_back(alignment: Any, tmp_path: Path) -> None:
    run = train_tiny(tiny(alignment=alignment, dtype="float64"))
    path = tmp_path / "network.pt"
    save_model(path, run)
    model, module = load_model(path, run.config)
    assert not model.training
    assert_same_tensors(model.state_dict(), run.model.state_dict())
    if alignment is not None:
        assert_same_tensors(module.state_dict(), run.alignment.state_dict())
    with pytest.raises(RunError, match="not the network of this configuration"):
        load_model(path, replace(run.config, seed=1))
    content = load_checked(path)
    save_checked(path, {**content, "model": {}})
    with pytest.raises(RunError, match="not a network"):
        load_model(path, run.config)
    path.unlink()
    with pytest.raises(RunError, match=r"Cannot read .*No such file"):
        load_model(path, run.config)
