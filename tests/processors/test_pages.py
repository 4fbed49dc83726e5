"""Every page on every processor that this machine can emulate: `make test-processors`. Takes about half an hour."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from hypav.notebooks import strict_nbval
from hypav.processors import available, emulated

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))
PROCESSORS = available()
# nbval alone sees less than our harness does: a few machines will do
MACHINES = [name for name in ("this one", "no AVX", "AVX2") if name in PROCESSORS]


@pytest.mark.parametrize("name", PROCESSORS)
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_output_comes_out_again(path: Path, name: str) -> None:
    same, report = strict_nbval(path, processor=PROCESSORS[name])
    assert same, report


@pytest.mark.parametrize("name", MACHINES)
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_nbval_alone_passes(path: Path, name: str) -> None:
    """As a reader calls it, without our harness: pytest --nbval notebooks/NN.ipynb."""
    with emulated(PROCESSORS[name]) as variables:
        run = subprocess.run(
            [sys.executable, "-m", "pytest", "--nbval", str(path)],
            env={n: v for n, v in os.environ.items() if not n.startswith("PYTEST_")} | variables,
            cwd=path.parents[1],
            capture_output=True,
            text=True,
        )
    assert run.returncode == 0, run.stdout
