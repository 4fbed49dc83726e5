"""Strict nbval: every stored output is compared with a new run's."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from hypav.notebooks.execute import CELL_SECONDS, kernel_environment, with_threads
from hypav.processors import HERE, Processor, emulated

__all__ = ["strict_nbval"]


def strict_nbval(
    path: Path | str, *, processor: Processor = HERE, alone: bool = False, seconds: float = 900
) -> tuple[bool, str]:
    """Whether every output of a notebook comes out again, and nbval's report.

    Args:
        processor: what the kernel is to run as.
        alone: nbval without `hypav.notebooks.compare`, which looks at the cells that nbval ignores.
        seconds: after which the run is stopped; a cell may take CELL_SECONDS.
    """
    path = Path(path).resolve()
    with tempfile.TemporaryDirectory(prefix="hypav-nbval-") as folder, emulated(processor) as variables:
        if processor.threads != 1:
            copy = Path(folder) / path.name
            copy.write_text(with_threads(path.read_text(encoding="utf-8"), processor.threads), "utf-8")
            path = copy
        settings = Path(folder) / "pytest.ini"
        settings.write_text(
            "[pytest]\n", encoding="utf-8"
        )  # not the project's: its options are not for pages
        command = [sys.executable, "-m", "pytest", str(path), "-rA", "--color=no"]
        command += ["-p", "nbval.plugin", "--nbval", "--nbval-current-env"]
        command += [] if alone else ["-p", "hypav.notebooks.compare"]
        command += [f"--nbval-cell-timeout={CELL_SECONDS}", "-p", "no:cacheprovider", "-c", str(settings)]
        try:
            run = subprocess.run(
                [*command, f"--rootdir={path.parent}"],
                # other plugins that happen to be installed take seconds to load and have no say here
                env=kernel_environment(variables) | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
                capture_output=True,
                text=True,
                timeout=seconds,
            )
        except subprocess.TimeoutExpired:
            return False, f"{path.name} took longer than {seconds:.0f} s."
    return run.returncode == 0, run.stdout + run.stderr
