"""Emulate other processors on one machine, by the variables that choose the kernels of torch, MKL, oneDNN and numpy.

Libraries read these variables when they are imported, so each setting needs its own process. No variable emulates ARM
or processors of other makers. In their place a test may change the last digit of every initial weight, or of one in
three results of sums, products and elementary functions (`Processor.startup`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from joblib.externals.loky import ProcessPoolExecutor

THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")

# torch's instruction sets, as oneDNN and OpenBLAS call them
_NAMES = {
    "default": ("SSE41", "Nehalem"),
    "avx2": ("AVX2", "Haswell"),
    "avx512": ("AVX512_CORE", "SkylakeX"),
}


@dataclass(frozen=True)
class Processor:
    """A choice of kernels.

    isa: the instruction set for torch, oneDNN and OpenBLAS; None is the machine's default.
    mkl: MKL's reproducibility branch.
    threads: number of torch's threads.
    startup: a file of tests/notebooks/startup that a kernel runs before its first cell; `call_on` does not use it.
    """

    isa: str | None = None
    mkl: str | None = None
    threads: int = 1
    startup: str | None = None

    @property
    def environment(self) -> dict[str, str]:
        """The environment variables of a process that emulates this processor."""
        chosen = dict.fromkeys(THREAD_VARIABLES, str(self.threads))
        if self.isa is not None:
            onednn, openblas = _NAMES[self.isa]
            chosen |= {"ATEN_CPU_CAPABILITY": self.isa, "ONEDNN_MAX_CPU_ISA": onednn}
            chosen |= {"OPENBLAS_CORETYPE": openblas}
        if self.isa == "default":  # numpy goes back to its baseline too
            features = np.show_config(mode="dicts")["SIMD Extensions"].get("found", [])
            chosen["NPY_DISABLE_CPU_FEATURES"] = " ".join(features)
        if self.mkl is not None:
            chosen["MKL_CBWR"] = self.mkl
        return chosen


HERE = Processor()
PROCESSORS: Mapping[str, Processor] = {
    "this one": HERE,
    "no AVX": Processor("default", "COMPATIBLE"),
    "SSE4.2": Processor("default", "SSE4_2"),
    "AVX2": Processor("avx2", "AVX2"),
    "AVX-512": Processor("avx512", "AVX512"),
    "2 threads": Processor(threads=2),
    "AVX2, 4 threads": Processor("avx2", "AVX2", threads=4),
    "nudged weights": Processor(startup="nudged_weights.py"),
    "other rounding": Processor(startup="other_rounding.py"),
}


def available() -> dict[str, Processor]:
    """The entries of PROCESSORS that this machine can emulate. "AVX-512", for example, needs a processor with AVX-512."""
    has = torch.cpu.get_capabilities()  # of the processor, whatever the variables say
    able = {None: True, "default": bool(has.get("sse4_2"))}
    able |= {"avx2": bool(has.get("avx2")), "avx512": bool(has.get("avx512_f"))}
    return {name: processor for name, processor in PROCESSORS.items() if able[processor.isa]}


def call_on(processor: Processor, function: Callable[..., Any], *args: Any, **options: Any) -> Any:
    """What function(*args, **options) returns in a new process that emulates `processor`.

    The new process takes over the default dtype. The function may be defined in a notebook.
    """
    dtype = torch.get_default_dtype()

    def call() -> Any:
        torch.set_num_threads(processor.threads)
        torch.set_default_dtype(dtype)
        return function(*args, **options)

    with ProcessPoolExecutor(max_workers=1, env=processor.environment) as pool:
        return pool.submit(call).result()
