"""Executing a notebook and bringing it to one form, so that the same run is the same file."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

from hypav.data.load import COURSE_VARIABLE, DATA_VARIABLE
from hypav.errors import RunError
from hypav.notebooks.gate import WIDGET_VIEW
from hypav.notebooks.template import code_cells
from hypav.processors import HERE, THREAD_VARIABLES, Processor, emulated
from hypav.utils import replacing

__all__ = [
    "CELL_SECONDS",
    "course_environment",
    "execute",
    "kernel_environment",
    "normalise",
    "run",
    "with_threads",
    "write",
]

CELL_SECONDS = 120


def execute(
    path: Path | str,
    *,
    progress: Callable[[int, int], None] | None = None,
    course: Mapping[str, str] | None = None,
    cell_seconds: int | None = CELL_SECONDS,
) -> float:
    """Runs every cell as `run` does and writes the file; the seconds it took.

    Raises:
        RunError: a cell failed or took longer than it may; the file stays as it was.
    """
    notebook, seconds = run(path, progress=progress, course=course, cell_seconds=cell_seconds)
    write(notebook, path)
    return seconds


def write(notebook: Any, path: Path | str) -> None:
    """Writes a notebook as `make notebooks` does."""
    text = nbformat.writes(notebook)
    with replacing(path) as temporary:
        temporary.write_text(text.rstrip("\n") + "\n", encoding="utf-8")


def run(
    path: Path | str,
    *,
    processor: Processor = HERE,
    progress: Callable[[int, int], None] | None = None,
    course: Mapping[str, str] | None = None,
    cell_seconds: int | None = CELL_SECONDS,
) -> tuple[Any, float]:
    """Runs every cell in a new kernel: the notebook, normalised, and the seconds it took.

    Args:
        path: the notebook, which stays as it is; the kernel starts in its folder.
        processor: what the kernel is to run as.
        progress: called with (cells done, cells) after each code cell.
        course: of `course_environment`, to run on other data than the simulated features.
        cell_seconds: what a cell may take at most; None is any time.

    Raises:
        RunError: a cell failed or took longer than it may.
    """
    path = Path(path)
    stored = path.read_text(encoding="utf-8")
    notebook = nbformat.reads(with_threads(stored, processor.threads), as_version=4)
    total, done = len(code_cells(notebook)), 0

    def count(**_: Any) -> None:
        nonlocal done
        done += 1
        if progress is not None:
            progress(done, total)

    client = NotebookClient(
        notebook,
        timeout=cell_seconds,
        kernel_name="python3",
        resources={"metadata": {"path": str(path.parent)}},
        store_widget_state=False,
        extra_arguments=[
            "--log-level=ERROR"
        ],  # the kernel otherwise warns of its local socket on the terminal
        on_cell_executed=count,
    )
    start = time.perf_counter()
    try:
        with emulated(processor) as variables:
            client.execute(env=kernel_environment(variables, course=course))
    except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
        raise RunError(f"{path.name}: code cell {done} of {total} failed: {str(error).strip()}") from None
    return normalise(notebook), time.perf_counter() - start


def with_threads(notebook: str, threads: int) -> str:
    """The text of a notebook whose setup cell asks torch for so many threads, not for one."""
    return notebook.replace("torch.set_num_threads(1)", f"torch.set_num_threads({threads})")


def normalise(notebook: Any) -> Any:
    """The notebook without what differs from run to run or machine to machine: times, versions, widgets' ids."""
    notebook.metadata = nbformat.from_dict(
        {
            "hypav": notebook.metadata.get("hypav", {}),
            "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        }
    )
    for cell in notebook.cells:
        kept = {key: cell.metadata[key] for key in ("tags", "hypav") if key in cell.metadata}
        cell.metadata = nbformat.from_dict(kept)
        for output in cell.get("outputs", []):
            output.get("data", {}).pop(WIDGET_VIEW, None)
    return notebook


def kernel_environment(
    variables: Mapping[str, str] | None = None, course: Mapping[str, str] | None = None
) -> dict[str, str]:
    """The environment of a kernel without a window system; with one thread, if `variables` does not say otherwise.

    Args:
        variables: of `processors.emulated`.
        course: of `course_environment`. Without it the course is on simulated features whatever the caller's
            environment says: that is what the stored outputs and the prose around them speak of.
    """
    fixed = {"MPLBACKEND": "Agg", "PYTHONHASHSEED": "0"}
    # threads that wait awake keep the others off a busy machine: tenfold the time on two cores
    fixed["OMP_WAIT_POLICY"] = "PASSIVE"
    outside = {name: value for name, value in os.environ.items() if name != COURSE_VARIABLE}
    return outside | dict.fromkeys(THREAD_VARIABLES, "1") | fixed | dict(variables or {}) | dict(course or {})


def course_environment(door: str) -> dict[str, str]:
    """What a kernel must know to run the course on the data behind a door of `hypav.data.load`.

    Paths become absolute: a kernel starts in its notebook's folder, not where the command was given.
    """
    named = door.partition(":")[0] in ("simulated", "yt8m-mini")  # also where a folder is called so
    course = {COURSE_VARIABLE: door if named else str(Path(door).resolve())}
    if folder := os.environ.get(DATA_VARIABLE):
        course[DATA_VARIABLE] = str(Path(folder).resolve())
    return course
