"""Other processors, emulated on one machine by the variables that choose the kernels of torch, MKL, oneDNN and numpy.

Libraries read these variables when they are imported, so each setting needs a process of its own. What no variable
emulates (ARM, processors of other makers) has a stand-in: a change of the last digit of every initial weight.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

__all__ = ["HERE", "PROCESSORS", "THREAD_VARIABLES", "Processor", "available", "emulated"]

THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")

# a kernel that starts with this file makes every network with its weights moved to the next representable number
_NUDGE = """
import math
import torch
from hypav.learner import Learner

def _nudged(cls, config, device, _fresh=Learner.fresh.__func__):
    made = _fresh(cls, config, device)
    with torch.no_grad():
        for module in (made.model, made.alignment):
            for weight in () if module is None else module.parameters():
                weight.copy_(torch.nextafter(weight, torch.full_like(weight, math.inf)))
    return made

Learner.fresh = classmethod(_nudged)
"""


@dataclass(frozen=True)
class Processor:
    """One setting of the kernels.

    isa: the instruction set that torch, oneDNN and OpenBLAS may use, None for all that the machine has. mkl: MKL's
    reproducibility branch. threads: of torch. nudge: whether the last digit of every initial weight is changed.
    """

    isa: str | None = None
    mkl: str | None = None
    threads: int = 1
    nudge: bool = False

    @property
    def environment(self) -> dict[str, str]:
        """The variables of a process that is to run so."""
        chosen = dict.fromkeys(THREAD_VARIABLES, str(self.threads))
        if self.isa is not None:
            onednn, openblas = _NAMES[self.isa]
            chosen |= {"ATEN_CPU_CAPABILITY": self.isa, "ONEDNN_MAX_CPU_ISA": onednn}
            chosen |= {"OPENBLAS_CORETYPE": openblas}
        if self.isa == "default":
            chosen["NPY_DISABLE_CPU_FEATURES"] = " ".join(_numpy_features())
        if self.mkl is not None:
            chosen["MKL_CBWR"] = self.mkl
        return chosen


_NAMES = {  # of torch's instruction sets, as oneDNN and OpenBLAS call them
    "default": ("SSE41", "Nehalem"),
    "avx2": ("AVX2", "Haswell"),
    "avx512": ("AVX512_CORE", "SkylakeX"),
}

HERE = Processor()
PROCESSORS: Mapping[str, Processor] = {
    "this one": HERE,
    "no AVX": Processor("default", "COMPATIBLE"),
    "SSE4.2": Processor("default", "SSE4_2"),
    "AVX2": Processor("avx2", "AVX2"),
    "AVX-512": Processor("avx512", "AVX512"),
    "2 threads": Processor(threads=2),
    "AVX2, 4 threads": Processor("avx2", "AVX2", threads=4),
    "nudged weights": Processor(nudge=True),
}


def available() -> dict[str, Processor]:
    """Those of PROCESSORS that this machine can emulate: not AVX2 or AVX-512 where it has none."""
    has = torch.cpu.get_capabilities()  # of the processor, whatever the variables say
    able = {None: True, "default": bool(has.get("sse4_2"))}
    able |= {"avx2": bool(has.get("avx2")), "avx512": bool(has.get("avx512_f"))}
    return {name: processor for name, processor in PROCESSORS.items() if able[processor.isa]}


@contextmanager
def emulated(processor: Processor) -> Iterator[dict[str, str]]:
    """The variables of a Jupyter kernel that is to run as on `processor`."""
    if not processor.nudge:
        yield processor.environment
        return
    with tempfile.TemporaryDirectory(prefix="hypav-nudge-") as folder:
        startup = Path(folder) / "profile_default" / "startup"
        startup.mkdir(parents=True)
        (startup / "nudge.py").write_text(_NUDGE, encoding="utf-8")
        yield processor.environment | {"IPYTHONDIR": folder}


def _numpy_features() -> list[str]:
    """What numpy uses here beyond its baseline."""
    return np.show_config(mode="dicts")["SIMD Extensions"].get("found", [])
