"""A GPU's behaviour on the CPU: a stand-in for a CUDA graph, and what would make the host wait for the device."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from hypav.capture import WARM_UP


class HostGraph:
    """In place of a CUDA graph: keeps the step and runs it again, on the tensors that it was recorded with.

    Recording runs the step too, which a GPU does not; so a test fails if recording leaves a trace.
    """

    made: ClassVar[list[HostGraph]] = []
    fails_at: ClassVar[str] = ""

    def __init__(self, device: torch.device) -> None:
        self.replays = 0
        self.made.append(self)

    def warm_up(self, step: Callable[[], None]) -> None:
        for _ in range(WARM_UP):
            step()
        self._fail("warm_up")

    def record(self, step: Callable[[], None], generator: torch.Generator) -> None:
        self.step, self.generator = step, generator
        step()
        self._fail("record")

    def replay(self) -> None:
        self.replays += 1
        self.step()

    def _fail(self, name: str) -> None:
        if name == self.fails_at:
            raise RuntimeError("operation not permitted when stream is capturing.\nMore lines follow.")


# read a value, have a shape that depends on values, or copy from the host
WAITING = {
    "_local_scalar_dense", "nonzero", "masked_select", "_unique", "_unique2", "unique_dim", "unique_consecutive",
    "unique_dim_consecutive", "bincount", "equal", "allclose", "lift_fresh",
}  # fmt: skip
# the dispatcher does not see these if the tensor is already on the CPU
LEAVING = {"cpu", "numpy", "tolist", "__array__", "allclose", "__repr__", "__format__"}


class HostWaits(AssertionError):
    """The host waits for the device."""


class _Operations(TorchDispatchMode):
    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = function.overloadpacket.__name__
        masked = name in ("index", "index_put", "index_put_", "_index_put_impl_") and any(
            isinstance(i, Tensor) and i.dtype in (torch.bool, torch.uint8) for i in args[1]
        )
        repeated = name == "repeat_interleave" and not (kwargs or {}).get("output_size")
        if name in WAITING or masked or repeated:
            raise HostWaits(f"{name} makes the host wait for the device")
        return function(*args, **(kwargs or {}))


class _Methods(TorchFunctionMode):
    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = getattr(function, "__name__", "")
        # by name only: a torch.device is the one that the caller trains on
        to_cpu = name == "to" and any(
            isinstance(v, str) and v == "cpu" for v in (*args[1:], *(kwargs or {}).values())
        )
        if name in LEAVING or to_cpu:
            raise HostWaits(f"{name} takes a tensor off the device")
        return function(*args, **(kwargs or {}))


@contextmanager
def nothing_waits() -> Iterator[None]:
    """Inside, anything that would make the host wait for a GPU raises HostWaits, also on the CPU."""
    with _Methods(), _Operations():
        yield
