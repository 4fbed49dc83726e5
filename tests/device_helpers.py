"""Find on the CPU what makes the host wait for a GPU: operations whose result the host must know to continue."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

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
