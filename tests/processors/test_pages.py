"""Every notebook on every processor that this machine can emulate: `make test-processors`, about half an hour."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from hypav.processors import available
from tests.notebooks.execute import emulated
from tests.notebooks.strict import strict_nbval

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))
PROCESSORS = available()
# nbval alone compares less than our plugin does: three processors are enough
ALONE = [name for name in ("this one", "no AVX", "AVX2") if name in PROCESSORS]


@pytest.mark.parametrize("name", PROCESSORS)
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_output_comes_out_again(path: Path, name: str) -> None:
    same, report = strict_nbval(path, processor=PROCESSORS[name])
    assert same, report


@pytest.mark.parametrize("name", ALONE)
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_nbval_alone_passes(path: Path, name: str) -> None:
    """As a reader calls it: pytest --nbval notebooks/NN.ipynb."""
    with emulated(PROCESSORS[name]) as variables:
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "--nbval", str(path)],
            env={n: v for n, v in os.environ.items() if not n.startswith("PYTEST_")} | variables,
            cwd=path.parents[1],
            capture_output=True,
            text=True,
        )
    assert done.returncode == 0, done.stdout
