"""The course as folders: what students get, what lecturers get."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import joblib
from joblib import Parallel, delayed
from tqdm import tqdm

from hypav.errors import HypavError, RunError
from hypav.handouts import (
    instructor_notebook,
    kernel_environment,
    read,
    run,
    solution_copy,
    student_copy,
    text_of,
    write,
    write_text,
)
from hypav.pages import build_pages, page_html
from hypav.utils import make_folder

RUNS = Path("results") / "course_runs.csv"  # recorded runs, which notebooks read from their folder


def course_folder() -> Path:
    """The folder of the executed notebooks: in an installed package, or `notebooks/` in a checkout."""
    package = Path(__file__).parent
    return next(f for f in (package / "course", package.parent / "notebooks") if f.is_dir())


def write_course(folder: Path | str, *, execute: bool = False, data: str = "simulated") -> list[str]:
    """Write the course into a folder: `students/`, `solutions/` and `instructor.html`.

    `students/` contains the notebooks to fill in, the recorded runs that they read, and the course as pages that need no
    network. `solutions/` contains the executed notebooks. A notebook in `students/` that the student has changed is kept.

    Args:
        folder: made if it does not exist.
        execute: run every notebook first. The solutions and the pages then show the new outputs.
        data: what `hypav.load` accepts; the executed notebooks train on it.

    Returns:
        Sentences that say which files were kept or replaced, and what to open.

    Raises:
        RunError: a notebook failed, or the folder cannot be written.
    """
    folder, paths = make_folder(folder), sorted(course_folder().glob("*.ipynb"))
    earlier = (folder / "instructor.html").exists()
    students, solutions = make_folder(folder / "students"), make_folder(folder / "solutions")
    for place in (students, solutions):
        shutil.copy(course_folder() / RUNS, make_folder(place / "results"))
    notebooks = {path.name: read(path) for path in paths}
    kept = [name for name, notebook in notebooks.items() if not _write_copy(students / name, notebook)]
    if execute:
        notebooks = _execute_all(paths, solutions, data)
    for name, notebook in notebooks.items():
        write(solution_copy(notebook), solutions / name)
    build_pages([solutions / name for name in notebooks], students)
    page = instructor_notebook([notebooks[path.name] for path in paths])
    write_text(folder / "instructor.html", page_html(page, "Instructor's page", {}))
    messages = [
        f"Kept {students / name}, which differs from the course's version. Delete it to get that version."
        for name in kept
    ]
    if earlier:
        messages.append(f"Replaced the pages, the solutions and the instructor's page in {folder}.")
    return [
        *messages,
        f"For students: open {students / 'index.html'}, or run: jupyter lab {students}",
        f"For lecturers: {folder / 'instructor.html'} and {solutions}",
    ]


def _write_copy(path: Path, notebook: Any) -> bool:
    """Write a student's copy unless the file exists already. Returns whether the file is now the course's version."""
    text = text_of(student_copy(notebook))
    if path.exists():
        return path.read_text(encoding="utf-8", errors="replace") == text
    write_text(path, text)
    return True


def _execute_all(paths: Sequence[Path], folder: Path, data: str) -> dict[str, Any]:
    """Run the notebooks in `folder`, one per core, and return them by name. If one fails, the others still run."""
    from hypav.data.load import load

    load(data)  # invalid data give one sentence now, not an error from every notebook
    environment = kernel_environment(data=data)
    work = (delayed(_attempt)(path, folder, environment) for path in paths)
    results = Parallel(n_jobs=min(len(paths), joblib.cpu_count()), return_as="generator")(work)
    done = list(tqdm(results, desc="notebooks", total=len(paths), leave=False, disable=None))
    failed = [str(notebook) for notebook in done if isinstance(notebook, HypavError)]
    if failed:
        raise RunError("\n".join(failed))
    return {path.name: notebook for path, notebook in zip(paths, done, strict=True)}


def _attempt(path: Path, folder: Path, environment: Mapping[str, str]) -> Any:
    try:
        return run(read(path), folder, name=path.name, environment=environment)[0]
    except RunError as error:
        return error
