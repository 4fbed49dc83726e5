"""Writes the two folders of the classroom: one for students, fit for the web as it is, one for the instructor."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nbformat

from hypav.classroom.copies import solution_notebook, student_notebook
from hypav.classroom.instructor import instructor_markdown
from hypav.classroom.lesson import read_lesson
from hypav.classroom.pages import index_page, markdown_page, notebook_page
from hypav.errors import DataError
from hypav.notebooks.template import code_cells
from hypav.utils import make_folder, replacing

__all__ = ["FOLDER", "build"]

FOLDER = Path("build") / "classroom"


def build(notebooks: Sequence[Path | str] = (), folder: Path | str = FOLDER) -> list[Path]:
    """Writes `students/` (index.html, a page and a notebook to fill in each) and `instructor/` (index.html, index.md, a
    notebook with solutions each). Nothing is executed: the pages show the outputs that the notebooks hold.

    Args:
        notebooks: executed notebooks of the course's template; by default all of `notebooks/`.
        folder: made if need be; files of the same name in it are replaced.

    Returns:
        The files written.

    Raises:
        DataError: there is no notebook, or one lacks what the classroom needs.
        RunError: the folder cannot be written.
    """
    paths = [Path(path) for path in notebooks] or sorted(Path("notebooks").glob("*.ipynb"))
    if not paths:
        raise DataError(
            "There is no notebook in notebooks/: run this from the project's folder, or name notebooks."
        )
    sources = {path.stem: _read(path) for path in paths}
    lessons = [read_lesson(notebook, stem) for stem, notebook in sources.items()]
    texts: dict[str, str] = {}
    for lesson in lessons:
        notebook = sources[lesson.stem]
        texts[f"students/{lesson.stem}.html"] = notebook_page(notebook, lesson=lesson, lessons=lessons)
        texts[f"students/{lesson.stem}.ipynb"] = nbformat.writes(student_notebook(notebook))
        texts[f"instructor/{lesson.stem}_solutions.ipynb"] = nbformat.writes(solution_notebook(notebook))
    texts["students/index.html"] = index_page(lessons)
    guide = instructor_markdown(lessons)
    texts["instructor/index.md"] = guide
    texts["instructor/index.html"] = markdown_page(guide, title="Instructor's page")
    return [_write(Path(folder) / name, text) for name, text in sorted(texts.items())]


def _read(path: Path) -> Any:
    try:
        notebook = nbformat.read(path, as_version=4)
        nbformat.validate(notebook)
    except Exception as error:  # nbformat raises many kinds, for what is one thing to a reader
        reason = (
            "no such file"
            if isinstance(error, FileNotFoundError)
            else (str(error) or repr(error)).splitlines()[0]
        )
        raise DataError(f"{path} is not a notebook of format 4: {reason}.") from None
    if any(cell.execution_count is None for cell in code_cells(notebook)):
        raise DataError(
            f"{path} is not executed, so its page would lack results: run `make notebooks` first."
        )
    return notebook


def _write(path: Path, text: str) -> Path:
    make_folder(path.parent)
    with replacing(path) as temporary:
        temporary.write_text(text.rstrip("\n") + "\n", encoding="utf-8")
    return path
