"""Other processors, emulated on one machine by the variables that choose the kernels of torch, MKL, oneDNN and numpy.

Libraries read these variables when they are imported, so each setting needs a process of its own. What no variable
emulates (ARM, processors of other makers) has two stand-ins: a change of the last digit of every initial weight, and a
change of the last digit of one in three results of sums, products and elementary functions.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from joblib.externals.loky import ProcessPoolExecutor

THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


@dataclass(frozen=True)
class Processor:
    """One setting of the kernels.

    isa: the instruction set that torch, oneDNN and OpenBLAS may use, None for all that the machine has. mkl: MKL's
    reproducibility branch. threads: of torch. startup: a file of the folder startup,
    run by a kernel before its first cell.
    """

    isa: str | None = None
    mkl: str | None = None
    threads: int = 1
    startup: str | None = None

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
    "nudged weights": Processor(startup="nudged_weights.py"),
    "other rounding": Processor(startup="other_rounding.py"),
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
    if processor.startup is None:
        yield processor.environment
        return
    with tempfile.TemporaryDirectory(prefix="hypav-startup-") as folder:
        startup = Path(folder) / "profile_default" / "startup"
        startup.mkdir(parents=True)
        shutil.copy(Path(__file__).with_name("startup") / processor.startup, startup)
        yield processor.environment | {"IPYTHONDIR": folder}


def call_on(processor: Processor, function: Callable[..., Any], *args: Any, **options: Any) -> Any:
    """What function(*args, **options) returns in a new process that runs as on `processor`, with this one's dtype.

    Args:
        function: any, one that a notebook defines too.
    """
    dtype = torch.get_default_dtype()

    def call() -> Any:
        torch.set_num_threads(processor.threads)
        torch.set_default_dtype(dtype)
        return function(*args, **options)

    with ProcessPoolExecutor(max_workers=1, env=processor.environment) as pool:
        return pool.submit(call).result()


def _numpy_features() -> list[str]:
    """What numpy uses here beyond its baseline."""
    return np.show_config(mode="dicts")["SIMD Extensions"].get("found", [])
