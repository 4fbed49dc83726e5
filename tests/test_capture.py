"""A captured step is the eager step: with a stand-in on the CPU to the last bit, and on a GPU where there is one."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from device_helpers import HostGraph, nothing_waits
from grid_helpers import results, tiny_grid, tiny_jobs, tiny_recipe
from test_checkpoint import with_a_second_stage
from torch.torch_version import TorchVersion
from training_helpers import assert_same_run, assert_same_tensors, interrupted_after, small, tiny, train_tiny

from hypav import capture as recording
from hypav import training
from hypav.alignment import Adaptive, preset
from hypav.avca import AVCAConfig
from hypav.capture import GRAPHS, finish, in_turns
from hypav.data.batches import TripletSampler, make_batch
from hypav.errors import RunError, SettingError
from hypav.experiments import grid
from hypav.training import Learner, Run, RunConfig, TrainConfig, _Stages, train, train_step

CPU = torch.device("cpu")
HEADS = preset("curved", curvatures=Adaptive(2))
CONFIGS = {
    # with no patience the learning rate falls within the run
    "avca": tiny(epochs=5, patience=0),
    "heads float64": tiny(epochs=5, patience=0, dtype="float64", alignment=HEADS),
    "printed autocast": tiny(alignment=preset("printed"), autocast=True),
    "pull": tiny(epochs=5, patience=0, alignment=preset("curved", pull=0.5)),
}
Replaced = type[HostGraph]


@pytest.fixture
def captures(monkeypatch: pytest.MonkeyPatch) -> type[HostGraph]:
    """The CPU captures its steps, as a GPU does."""
    monkeypatch.setitem(GRAPHS, "cpu", HostGraph)
    monkeypatch.setattr(HostGraph, "made", [])
    return HostGraph


@pytest.mark.parametrize("name", CONFIGS)
def test_a_captured_run_is_the_eager_run_to_the_last_bit(captures: Replaced, name: str) -> None:
    eager = train_tiny(CONFIGS[name], capture=False)
    assert captures.made == []
    captured = train_tiny(CONFIGS[name])
    assert_same_run(captured, eager)
    if name != "printed autocast":
        assert len(set(captured.history["lr"])) > 1, "the falling rate reaches the recorded step"
    first, second = captures.made
    assert (first.replays, second.replays) == (2 * CONFIGS[name].train.epochs, 2 * eager.best_epoch)


def learner_of(config: RunConfig) -> tuple[Learner, Any, tuple[torch.Tensor, torch.Tensor]]:
    """A learner, its step as a function of indices, and a batch of them."""
    learner, phase = Learner.fresh(config, CPU), small().phase("train")
    index, negative = TripletSampler(phase.label, batch_size=8, generator=learner.sampling).draw(1)
    return learner, lambda *rows: train_step(learner, make_batch(phase, *rows)), (index[0], negative[0])


@pytest.mark.parametrize("fails_at", ["", "warm_up", "record"])
@pytest.mark.parametrize("steps", [0, 2], ids=["fresh", "in the middle"])
def test_recording_leaves_no_trace(
    captures: Replaced, monkeypatch: pytest.MonkeyPatch, steps: int, fails_at: str
) -> None:
    """Weights, batch-norm statistics, Adam, both generators, learning rate, and then the next steps."""
    monkeypatch.setattr(captures, "fails_at", fails_at)
    (learner, step, batch), (plain, plain_step, _) = (learner_of(tiny(alignment=HEADS)) for _ in range(2))
    for _ in range(steps):
        step(*batch), plain_step(*batch)
    if fails_at:
        with pytest.raises(RuntimeError):
            learner.captured(step, batch)
    else:
        captured = learner.captured(step, batch)
        assert captures.made[0].generator is learner.masks
        places = {name: x.data_ptr() for name, x in learner.tensors().items()}
    expected = plain.tensors()
    for name, x in learner.tensors().items():
        assert torch.equal(x, expected[name] if name in expected else torch.zeros_like(x)), name
    for mine, other in ((learner.masks, plain.masks), (learner.sampling, plain.sampling)):
        assert torch.equal(mine.get_state(), other.get_state())
    assert learner.optimizer.state_dict()["param_groups"] == plain.optimizer.state_dict()["param_groups"]
    if fails_at:
        step(*batch)
    else:
        assert finish(captured.epoch([batch]))["total"].isfinite()
        assert places == {name: x.data_ptr() for name, x in learner.tensors().items()}, "the same memory"
    plain_step(*batch)
    assert_same_tensors(learner.tensors(), plain.tensors())


def test_capturable_is_on_only_while_recording(captures: Replaced, monkeypatch: pytest.MonkeyPatch) -> None:
    """Adam warns of a capturable step outside a recording, and refuses one inside that is not."""
    seen: list[tuple[bool, bool]] = []
    learner, step, batch = learner_of(tiny())
    optimizer_step = learner.optimizer.step

    def spy() -> None:
        (group,) = learner.optimizer.param_groups
        seen.append((group["capturable"], isinstance(group["lr"], torch.Tensor)))
        group["capturable"] = False  # torch's CPU build has no accelerator that could record
        optimizer_step()

    monkeypatch.setattr(learner.optimizer, "step", spy)
    learner.captured(step, batch)
    assert seen == [(False, True)] * 3 + [(True, True)]


@pytest.mark.parametrize("alignment", [None, HEADS], ids=["avca", "hyper-multiple"])
def test_no_captured_epoch_waits(captures: Replaced, alignment: Any) -> None:
    stages = _Stages(small(), tiny(alignment=alignment), CPU, None, 0.0)
    phase = small().phase("train")
    sampler = TripletSampler(phase.label, batch_size=8, generator=stages.learner.sampling)
    finish(stages.steps(phase, sampler))  # recording may wait
    with nothing_waits():
        finish(stages.steps(phase, sampler))
    assert captures.made[0].replays == 4


@pytest.mark.parametrize("name", ["avca", "heads float64"])
def test_an_interrupted_captured_run_resumes_to_the_same_bits(
    captures: Replaced, tmp_path: Path, name: str
) -> None:
    config = with_a_second_stage(replace(CONFIGS[name], train=replace(CONFIGS[name].train, epochs=3)))
    whole = train_tiny(config, capture=False)
    for number, _ in enumerate(whole.epochs):
        with interrupted_after(1):  # also from a captured session to an eager one and back
            train_tiny(config, folder=tmp_path, capture="auto" if number % 3 else False)
    assert_same_run(train_tiny(config, folder=tmp_path), whole)
    assert len(captures.made) > 2


@pytest.mark.parametrize(("batches", "problem"), [(3, "loss became"), (1, "embeddings became NaN")])
def test_a_captured_run_that_diverges_ends_with_its_epoch(
    captures: Replaced, batches: int, problem: str
) -> None:
    with pytest.raises(RunError, match=f"The {problem} .* epoch 1 of stage 1"):
        train_tiny(tiny(lr=1e20, batches=batches))
    assert captures.made[0].replays == batches


@pytest.mark.parametrize("fails_at", ["warm_up", "record"])
def test_where_recording_fails_the_run_is_eager_and_says_so_once(
    captures: Replaced, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, fails_at: str
) -> None:
    eager = train_tiny(tiny(), capture=False)
    monkeypatch.setattr(captures, "fails_at", fails_at)
    with caplog.at_level(logging.WARNING):
        assert_same_run(train_tiny(tiny()), eager)
    (said,) = caplog.messages
    assert said == (
        "The training step cannot be recorded as a CUDA graph (RuntimeError: operation not permitted when stream is "
        "capturing); this run is trained without."
    )
    with pytest.raises(RunError, match=r"cannot be recorded .*; train with capture=False\.$"):
        train_tiny(tiny(), capture=True)


def test_capture_without_a_gpu_is_refused() -> None:
    for capture, problem in ((True, "needs a GPU"), ("yes", "'yes'; choose")):
        with pytest.raises(SettingError, match=problem):
            train_tiny(tiny(), capture=capture)
    with pytest.raises(SettingError, match="needs a GPU"):
        grid.train(small(), recipe=tiny_recipe(), device="cpu", progress=False, capture=True)
    assert train_tiny(tiny(epochs=1), capture="auto").epochs


def test_a_runs_key_does_not_depend_on_capture(captures: Replaced, tmp_path: Path) -> None:
    settings: dict[str, Any] = {"recipe": tiny_recipe(), "device": "cpu", "progress": False}
    first = grid.train(small(), folder=tmp_path, capture=False, **settings)
    assert_same_run(grid.train(small(), folder=tmp_path, capture=True, **settings), first)
    assert captures.made == [], "the finished run is read"
    assert_same_run(grid.train(small(), capture=True, **settings), first)
    assert len(captures.made) == 2


# several runs on one device


def test_runs_that_take_turns_are_the_runs_one_after_another(captures: Replaced, tmp_path: Path) -> None:
    jobs = tiny_jobs((0, 1))
    for at_once in (1, 3):
        assert tiny_grid(tmp_path / str(at_once), jobs, workers=at_once).failed == []
    assert results(tmp_path / "1") == results(tmp_path / "3")
    assert len(captures.made) == 2 * 2 * len(jobs)


def test_while_one_run_waits_the_others_start_their_epochs(
    captures: Replaced, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[int] = []
    steps = _Stages.steps

    def spy(stages: _Stages, *arguments: Any) -> Any:
        order.append(stages.config.seed)
        return steps(stages, *arguments)

    monkeypatch.setattr(_Stages, "steps", spy)
    tiny_grid(tmp_path, [tiny_jobs((seed,))[0] for seed in range(3)], workers=2)
    assert order[:4] == [0, 1, 0, 1]
    assert order[-2:] == [2, 2], "the third begins when one of two has ended"


def test_within_an_epoch_runs_take_turns_too(
    captures: Replaced, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A GPU's stream holds about 140 steps. If one run started a whole epoch, the host would wait for it alone."""
    monkeypatch.setattr(recording, "TURN", 2)
    order: list[HostGraph] = []
    replay = HostGraph.replay

    def spy(graph: HostGraph) -> None:
        order.append(graph)
        replay(graph)

    monkeypatch.setattr(HostGraph, "replay", spy)
    tiny_grid(tmp_path, [tiny_jobs((seed,), epochs=1, batches=5)[0] for seed in range(2)], workers=2)
    a, b = order[0], order[2]
    assert order[:10] == [a, a, b, b, a, a, b, b, a, b]


def test_a_run_that_fails_does_not_stop_those_beside_it(captures: Replaced, tmp_path: Path) -> None:
    good, bad = tiny_jobs()[0], tiny_jobs(lr=1e20)[1]
    done = tiny_grid(tmp_path, [bad, good], workers=2)
    (failed,) = done.failed
    assert "became" in failed
    assert done.record(good) is not None
    assert not [path for path in tmp_path.rglob("*") if path.is_dir() and not any(path.iterdir())]


def test_the_estimate_counts_on_no_gain_from_runs_at_once(
    captures: Replaced, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grid, "step_seconds", lambda *arguments: 2.0)
    (job, *_) = tiny_jobs()
    seconds = grid.Grid(small(), tmp_path, device="cpu").estimate(job, 4)[0]
    assert seconds == 4 * 2.0 * 2 * 2 * 2  # runs at once, seconds a step, stages, epochs, batches


def test_seconds_per_step_are_of_the_captured_step(captures: Replaced) -> None:
    assert training.step_seconds(small(), tiny(), CPU, steps=3) > 0
    (graph,) = captures.made
    assert graph.replays == 6


def test_an_interrupt_closes_the_runs_that_wait() -> None:
    closed: list[str] = []

    def task(name: str, turns: int) -> Iterator[None]:
        try:
            for _ in range(turns):
                yield
            if name == "bad":
                raise KeyboardInterrupt
        finally:
            closed.append(name)
        return name

    assert list(in_turns([task("a", 3), task("b", 0), task("c", 1)], 2, CPU)) == ["b", "c", "a"]
    closed.clear()
    with pytest.raises(KeyboardInterrupt):
        list(in_turns([task("a", 9), task("bad", 1), task("never begun", 1)], 2, CPU))
    assert closed == ["bad", "a"]


# the class of a GPU, with a stand-in for the parts of torch.cuda that it calls


class FakeCuda:
    """torch.cuda's streams and recordings as names in a list; a recording ends with an error if its step fails."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls: list[str] = []
        self.stream = SimpleNamespace(device=CPU, wait_stream=lambda other: self.calls.append("wait"))
        registered = {"register_generator_state": lambda generator: self.calls.append("register")}
        made = {
            "current_stream": lambda device: self.stream,
            "default_stream": lambda device: self.stream,
            "Stream": lambda device: self.stream,
            "CUDAGraph": lambda: SimpleNamespace(replay=lambda: self.calls.append("replay"), **registered),
            "stream": nullcontext,
            "device": nullcontext,
            "graph": self.graph,
        }
        for name, value in made.items():
            monkeypatch.setattr(torch.cuda, name, value)

    @contextmanager
    def graph(self, graph: Any, stream: Any) -> Iterator[None]:
        self.calls.append("begin")
        yield
        self.calls.append("end")


@pytest.mark.parametrize(("version", "registers"), [("2.13.0", ["register"]), ("2.14.0", [])])
def test_a_cuda_graph_is_warmed_up_recorded_and_replayed(
    monkeypatch: pytest.MonkeyPatch, version: str, registers: list[str]
) -> None:
    monkeypatch.setattr(torch, "__version__", TorchVersion(version))
    cuda, generator = FakeCuda(monkeypatch), torch.Generator()
    graph = recording.CudaGraph(CPU)
    graph.warm_up(lambda: cuda.calls.append("step"))
    graph.record(lambda: cuda.calls.append("recorded"), generator)
    graph.replay()
    assert cuda.calls == [
        "wait", "step", "step", "step", "wait", *registers, "begin", "recorded", "end", "replay"
    ]  # fmt: skip


def test_after_a_failed_recording_another_one_frees_the_default_generator(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cuda = FakeCuda(monkeypatch)
    graph = recording.CudaGraph(CPU)

    def step() -> None:
        raise RuntimeError("out of memory")

    with pytest.raises(RuntimeError, match="out of memory"):
        graph.record(step, torch.Generator())
    assert cuda.calls[-3:] == ["begin", "begin", "end"]
    assert recording.FAILED.pop() is graph.graph


# on a GPU: python -m pytest -m gpu tests

GPU = torch.device("cuda")
gpu = pytest.mark.gpu
ALIGNMENTS = {"avca": None, "printed": preset("printed"), "heads": preset("curved", curvatures=Adaptive(3))}


def full_size(**changes: Any) -> RunConfig:
    """The released sizes on UCF-GZSL, in runs of a few epochs."""
    data = small()
    network = AVCAConfig(data.dim_audio, data.dim_video, dim_text=data.dim_text)
    alignment = changes.pop("alignment", None)
    return RunConfig(network, TrainConfig(**{"epochs": 2, "batches": 50, **changes}), alignment, seed=1)


def on_gpu(config: RunConfig, **options: Any) -> Run:
    return train(small(), config, device=GPU, progress=False, **options)


@gpu
@pytest.mark.parametrize("name", ALIGNMENTS)
def test_on_a_gpu_100_captured_steps_are_the_eager_ones(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """2^-10 is the same in float32, in which a captured Adam reads the rate; only rounding is left."""
    differences = {}
    for dtype, lr in (("float64", 2**-10), ("float32", 2**-10), ("float32", 1e-3)):
        config = full_size(epochs=1, batches=100, dtype=dtype, lr=lr, alignment=ALIGNMENTS[name])
        totals = []
        for capture in (True, False):
            stages = _Stages(small(), config, GPU, None, 0.0, capture)
            phase = stages.phase("train")
            sampler = TripletSampler(phase.label, batch_size=256, generator=stages.learner.sampling)
            finish(stages.steps(phase, sampler))
            totals.append({name: x.clone() for name, x in stages.learner.tensors().items()})
        a, b = totals
        differences[dtype, lr] = max(float((a[x].double() - b[x].double()).abs().max()) for x in a)
    with capsys.disabled():
        print(f"\n{name}: largest difference of a weight after 100 steps, captured and eager: {differences}")
    assert differences["float64", 2**-10] < 1e-6


@gpu
def test_on_a_gpu_three_float64_steps_are_the_cpus() -> None:
    """From the same batches and without dropout, as each device has generators of its own."""
    config = full_size(dtype="float64", lr=2**-10, alignment=ALIGNMENTS["heads"])
    quiet = replace(
        config, network=replace(config.network, dropout_enc=0.0, dropout_proj=0.0, dropout_dec=0.0)
    )
    rows = TripletSampler(small().phase("train").label, batch_size=256, generator=torch.Generator()).draw(3)
    ends = []
    for device in (CPU, GPU):
        learner = Learner.fresh(quiet, device)
        phase = small().phase("train").to(device, torch.float64)
        batches = list(zip(*(x.to(device) for x in rows), strict=True))

        def step(*index: torch.Tensor, learner: Learner = learner, phase: Any = phase) -> Any:
            return train_step(learner, make_batch(phase, *index))

        if device == GPU:
            finish(learner.captured(step, batches[0]).epoch(batches))
        else:
            for batch in batches:
                step(*batch)
        ends.append({name: x.cpu() for name, x in learner.model.state_dict().items()})
    for name, x in ends[0].items():
        torch.testing.assert_close(ends[1][name], x, rtol=1e-9, atol=1e-10)


@gpu
def test_on_a_gpu_an_interrupted_run_resumes(tmp_path: Path) -> None:
    config = full_size(epochs=3, batches=10, dtype="float64", alignment=ALIGNMENTS["heads"])
    whole = on_gpu(config, capture=True)
    for _ in whole.epochs:
        with interrupted_after(1):
            on_gpu(config, capture=True, folder=tmp_path)
    resumed = on_gpu(config, capture=True, folder=tmp_path)
    assert (resumed.best_epoch, len(resumed.epochs)) == (whole.best_epoch, len(whole.epochs))
    for name, x in whole.model.state_dict().items():
        torch.testing.assert_close(resumed.model.state_dict()[name], x, rtol=1e-7, atol=1e-8)


@gpu
def test_on_a_gpu_a_diverged_run_names_its_epoch() -> None:
    with pytest.raises(RunError, match=r"became .* epoch 1 of stage 1"):
        on_gpu(full_size(lr=1e20), capture=True)


@gpu
def test_on_a_gpu_a_failed_recording_does_not_stop_another_run() -> None:
    stages = _Stages(small(), full_size(epochs=1, batches=5), GPU, None, 0.0, True)
    phase = stages.phase("train")
    sampler = TripletSampler(phase.label, batch_size=256, generator=stages.learner.sampling)
    finish(stages.steps(phase, sampler))
    other = Learner.fresh(full_size(), GPU)

    def waits(*rows: torch.Tensor) -> Any:
        losses = train_step(other, make_batch(phase, *rows))
        losses["total"].item()
        return losses

    with pytest.raises(RuntimeError):
        other.captured(waits, [rows[0] for rows in sampler.draw(1)])
    assert finish(stages.steps(phase, sampler))["total"].isfinite()
    assert torch.rand(1, device=GPU).isfinite()


@gpu
def test_on_a_gpu_runs_take_turns(capsys: pytest.CaptureFixture[str]) -> None:
    """The same runs as one after another; prints the gain at 4, 10 and 32 runs."""
    config = full_size(epochs=1, batches=600, dtype="float32", lr=2**-10)
    data, rates = small(), {}
    alone = on_gpu(config, capture=True)
    for at_once in (1, 4, 10, 32):
        seeds = range(1, 1 + at_once)
        tasks = (
            training.train_in_turns(
                data, replace(config, seed=seed), device=GPU, progress=False, capture=True
            )
            for seed in seeds
        )
        start = time.perf_counter()
        runs = list(in_turns(tasks, at_once, GPU))
        rates[at_once] = at_once / (time.perf_counter() - start)
        assert len(runs) == at_once
        first = next(run for run in runs if run.config.seed == 1)
        assert first.epochs[0]["total"] == pytest.approx(alone.epochs[0]["total"], rel=1e-3)
    with capsys.disabled():
        gains = {n: f"{rate / rates[1]:.2f} x" for n, rate in rates.items()}
        print(f"\nruns at once, and their throughput against one after another: {gains}")
