"""Run a notebook as on another processor, and bring it to one form, so that the same run gives the same file."""

from __future__ import annotations

import copy
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nbformat

from hypav.handouts import kernel_environment, read, run
from hypav.processors import HERE, Processor

CELL_SECONDS = 120
# what a kernel says of itself, without its version; nbconvert takes from it how a script is called
PYTHON = {
    "codemirror_mode": {"name": "ipython", "version": 3},
    "file_extension": ".py",
    "mimetype": "text/x-python",
    "name": "python",
    "nbconvert_exporter": "python",
    "pygments_lexer": "ipython3",
}


def run_on(path: Path, processor: Processor = HERE) -> tuple[Any, float]:
    """Run a stored notebook, which stays as it is: the new one, normalised, and the seconds it took.

    Raises:
        RunError: a cell failed or took longer than CELL_SECONDS.
    """
    notebook = read(path)
    for cell in notebook.cells:
        cell.source = with_threads(cell.source, processor.threads)
    with emulated(processor) as variables:
        environment = kernel_environment(variables)
        fresh, seconds = run(
            notebook, path.parent, name=path.name, environment=environment, cell_seconds=CELL_SECONDS
        )
    for cell in fresh.cells:
        cell.source = cell.source.replace(with_threads(THREADS, processor.threads), THREADS)
    return normalise(fresh), seconds


def twice(notebook: Any) -> Any:
    """The notebook with each code cell a second time after it, as a reader runs it who presses Shift-Enter again.

    Not repeated is a cell whose metadata.hypav.once gives a reason: it trains for long, from seeds of its own.
    """
    cells = []
    for cell in notebook.cells:
        cells.append(cell)
        if cell.cell_type == "code" and "once" not in cell.metadata.get("hypav", {}):
            cells.append(copy.deepcopy(cell))
            cells[-1].id += "-again"
    notebook.cells = cells
    return notebook


THREADS = "torch.set_num_threads(1)"


def with_threads(text: str, threads: int) -> str:
    """The text of a notebook or cell that asks torch for this number of threads instead of one."""
    return text.replace(THREADS, f"torch.set_num_threads({threads})")


def normalise(notebook: Any) -> Any:
    """The notebook without metadata that differ from run to run or from machine to machine: times, versions."""
    notebook.metadata = nbformat.from_dict(
        {
            "hypav": notebook.metadata.get("hypav", {}),
            "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
            "language_info": PYTHON,
        }
    )
    for cell in notebook.cells:
        kept = {key: cell.metadata[key] for key in ("tags", "hypav") if key in cell.metadata}
        cell.metadata = nbformat.from_dict(kept)
    return notebook


@contextmanager
def emulated(processor: Processor) -> Iterator[dict[str, str]]:
    """The environment variables of a Jupyter kernel that runs as on `processor`."""
    if processor.startup is None:
        yield processor.environment
        return
    with tempfile.TemporaryDirectory(prefix="hypav-startup-") as folder:
        startup = Path(folder) / "profile_default" / "startup"
        startup.mkdir(parents=True)
        shutil.copy(Path(__file__).with_name("startup") / processor.startup, startup)
        yield processor.environment | {"IPYTHONDIR": folder}
