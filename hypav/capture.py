"""A training step recorded once as a CUDA graph and replayed, and several such runs on one GPU.

A step of this network is thousands of small kernels, and a GPU waits for Python to start each of them. A CUDA graph
starts them all at once. A replay repeats exactly what was recorded, in the same memory. So each batch is copied into
tensors that stay, losses are added up in place, and the learning rate is a tensor. Only the generator of the dropout
masks moves on. See "CUDA Graphs" in PyTorch's notes on CUDA semantics.

`GRAPHS` has one kind of graph per type of device, so that a test can put a stand-in there for the CPU.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext, suppress
from typing import TypeVar

import torch
from torch import Tensor

T = TypeVar("T")
Turns = Generator[None, None, T]
STREAMS = 32  # so many streams of a GPU PyTorch has; then it hands out the first again
TURN = 20  # steps that a run starts before the next one's turn: a stream holds about 1000 launches, 7 of each step
WARM_UP = 3  # PyTorch asks for a few steps on a side stream, in which libraries initialise and the optimiser allocates


# graphs whose recording failed; PyTorch's allocator may keep a pointer to them (pytorch 180395)
FAILED: list[torch.cuda.CUDAGraph] = []


class CudaGraph:
    """The recording of a step on a GPU, made on the current stream, or on a side stream if that is the default one.

    A recording keeps the workspace that cuBLAS has for its stream, and where one graph ends, PyTorch may free it for all
    (pytorch issue 193402). So no two graphs that live at the same time are recorded on one stream: `in_turns` sees to it.
    """

    def __init__(self, device: torch.device) -> None:
        here = torch.cuda.current_stream(device)
        self.stream = torch.cuda.Stream(device) if here == torch.cuda.default_stream(device) else here
        self.graph = torch.cuda.CUDAGraph()

    def warm_up(self, step: Callable[[], None]) -> None:
        """Run the step WARM_UP times."""
        here = torch.cuda.current_stream(self.stream.device)
        self.stream.wait_stream(here)
        try:
            with torch.cuda.stream(self.stream):
                for _ in range(WARM_UP):
                    step()
        finally:  # what a failed step has started must end before the tensors are put back
            here.wait_stream(self.stream)

    def record(self, step: Callable[[], None], generator: torch.Generator) -> None:
        """Record one step, which draws from `generator`."""
        gc.collect()  # during a recording, freeing another graph would end it
        if torch.__version__ < "2.14":  # later versions register it themselves, and warn
            with torch.cuda.device(self.stream.device):  # the generator's seed is put on the current device
                self.graph.register_generator_state(generator)
        # torch.cuda.graph returns to the stream before it only if the recording succeeds, the outer context always
        try:
            with torch.cuda.stream(self.stream), torch.cuda.graph(self.graph, stream=self.stream):
                step()
        except BaseException:
            self._unlock()
            raise

    def _unlock(self) -> None:
        """After a failed recording, let the device's default generator draw and other graphs be replayed again.

        PyTorch leaves that generator as if a recording were under way, until one succeeds (pytorch 171263).
        """
        FAILED.append(self.graph)
        again = torch.cuda.graph(torch.cuda.CUDAGraph(), stream=self.stream)
        with suppress(RuntimeError), torch.cuda.stream(self.stream), again:
            torch.zeros((), device=self.stream.device)

    def replay(self) -> None:
        """Start what was recorded, on the current stream."""
        self.graph.replay()


GRAPHS = {"cuda": CudaGraph}


class Captured:
    """A recorded training step. Calling it with a batch replays it, and adds its losses to `sums`.

    Recording leaves no trace: what the warm-up changed is put back in place, also if recording fails.

    Args:
        step: takes the tensors of a batch, trains, and returns the losses without gradients. Nothing in it makes the host
            wait, and it allocates no lasting memory but the optimiser's.
        example: a batch; all later ones have its shapes.
        tensors: all tensors that the step changes, by name (not copies). Those that the warm-up creates start at zero.
        optimizer: the fused Adam of the step, with one group. Its learning rate may change between epochs.
        generator: the only source of random numbers in the step.

    Raises:
        RuntimeError: the device cannot record the step.
    """

    def __init__(
        self,
        step: Callable[..., Mapping[str, Tensor]],
        example: Sequence[Tensor],
        *,
        tensors: Callable[[], Mapping[str, Tensor]],
        optimizer: torch.optim.Optimizer,
        generator: torch.Generator,
    ) -> None:
        device = example[0].device
        self.step = step  # a replay reads the tensors that it holds
        self.inputs = [x.clone() for x in example]
        self.sums: dict[str, Tensor] = {}
        (self.group,) = optimizer.param_groups
        # on a GPU torch's fused Adam reads the learning rate as float32
        exact = torch.float32 if device.type == "cuda" else torch.float64
        self.lr = torch.tensor(self.group["lr"], dtype=exact, device=device)

        def add_step() -> None:
            number, self.group["lr"] = self.group["lr"], self.lr
            try:
                losses = step(*self.inputs)
            finally:
                self.group["lr"] = number  # checkpoints, history and schedule keep a plain number
            for name, value in losses.items():
                if name in self.sums:
                    self.sums[name].add_(value)
                else:
                    self.sums[name] = value.clone()

        before, drawn = {name: x.clone() for name, x in tensors().items()}, generator.get_state()
        capturable = self.group["capturable"]
        self.graph = GRAPHS[device.type](device)
        try:
            self.graph.warm_up(add_step)
            self.group["capturable"] = True  # not earlier: Adam warns of it outside a recording
            self.graph.record(add_step, generator)
        finally:
            self.group["capturable"] = capturable
            for name, x in tensors().items():
                if name in before:
                    x.copy_(before[name])
                else:
                    x.zero_()
            generator.set_state(drawn)

    def __call__(self, *batch: Tensor) -> None:
        """Take one step on a batch."""
        for place, x in zip(self.inputs, batch, strict=True):
            place.copy_(x)
        self.graph.replay()

    def epoch(self, batches: Iterable[Sequence[Tensor]]) -> Turns[dict[str, Tensor]]:
        """Take a step on each batch, and return the sums of the losses; the next epoch overwrites them.

        Yields after every TURN steps, so that other runs start theirs.
        """
        self.lr.fill_(self.group["lr"])
        for total in self.sums.values():
            total.zero_()
        for number, batch in enumerate(batches):
            if number and number % TURN == 0:
                yield
            self(*batch)
        return self.sums


def finish(turns: Turns[T]) -> T:
    """Run a generator to its end, and return its result."""
    while True:
        try:
            next(turns)
        except StopIteration as end:
            return end.value


def in_turns(tasks: Iterable[Turns[T]], at_once: int, device: torch.device) -> Iterator[T]:
    """The results of generators, in the order in which they end; `at_once` of them (on a GPU at most STREAMS) take turns.

    A task yields when it has given the device some work, and before it waits for it. On a GPU each has a stream of its
    own, so that the device works for the others meanwhile.
    """
    waiting = iter(tasks)
    cuda = device.type == "cuda"
    count = min(at_once, STREAMS) if cuda else at_once
    free = [torch.cuda.Stream(device) if cuda else None for _ in range(count)]
    active: list[tuple[Turns[T], torch.cuda.Stream | None]] = []
    try:
        while True:
            while free and (task := next(waiting, None)) is not None:
                active.append((task, free.pop()))
            if not active:
                return
            task, stream = active.pop(0)
            with torch.cuda.stream(stream) if cuda else nullcontext():
                try:
                    next(task)
                except StopIteration as end:
                    free.append(stream)
                    result = end.value
                else:
                    active.append((task, stream))
                    continue
            yield result
    finally:
        for task, _ in active:
            task.close()
