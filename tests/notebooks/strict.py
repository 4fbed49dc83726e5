"""Strict nbval: every stored output is compared with the output of a new run."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from hypav.handouts import kernel_environment, read, write
from hypav.processors import HERE, Processor
from tests.notebooks.execute import CELL_SECONDS, emulated, twice, with_threads

ROOT = Path(__file__).parents[2]


def strict_nbval(
    path: Path, *, processor: Processor = HERE, again: bool = False, alone: bool = False, seconds: float = 900
) -> tuple[bool, str]:
    """Whether every output of a notebook comes out again, and nbval's report.

    Args:
        processor: what the kernel runs as.
        again: each cell is run a second time, and the outputs of both runs are compared with the stored ones.
        alone: without the plugin `tests.notebooks.compare`, which checks the cells that nbval ignores.
        seconds: after which the run is stopped; a cell may take CELL_SECONDS.
    """
    path = path.resolve()
    with tempfile.TemporaryDirectory(prefix="hypav-nbval-") as folder, emulated(processor) as variables:
        if processor.threads != 1 or again:
            copy = Path(folder) / path.name
            write(twice(read(path)) if again else read(path), copy)
            copy.write_text(with_threads(copy.read_text(encoding="utf-8"), processor.threads), "utf-8")
            if (path.parent / "results").is_dir():
                (Path(folder) / "results").symlink_to(path.parent / "results")
            path = copy
        settings = Path(folder) / "pytest.ini"
        settings.write_text("[pytest]\n", encoding="utf-8")  # the project's options are not for notebooks
        command = [sys.executable, "-m", "pytest", str(path), "-rA", "--color=no"]
        command += [] if alone else ["-p", "tests.notebooks.light"]
        command += ["-p", "nbval.plugin", "--nbval", "--nbval-current-env"]
        command += [] if alone else ["-p", "tests.notebooks.compare"]
        command += [f"--nbval-cell-timeout={CELL_SECONDS}", "-p", "no:cacheprovider", "-c", str(settings)]
        environment = kernel_environment(variables) | {
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",  # other plugins take seconds to load and do nothing here
            "PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]),
        }
        try:
            done = subprocess.run(
                [*command, f"--rootdir={path.parent}"],
                env=environment,
                capture_output=True,
                text=True,
                timeout=seconds,
            )
        except subprocess.TimeoutExpired:
            return False, f"{path.name} took longer than {seconds:.0f} s."
    return done.returncode == 0, done.stdout + done.stderr
