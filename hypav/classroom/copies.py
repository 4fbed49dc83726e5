"""Two copies of a notebook: one that a student fills in, one with the solutions for the lecturer."""

from __future__ import annotations

import copy
from typing import Any

import nbformat

from hypav.notebooks.template import has_tag, student_source

__all__ = ["for_students", "solution_notebook", "student_notebook"]

WELCOME = (
    "*Your copy.* Fill in where the code says `# your turn`; until then the check below it says **Not yet**, and "
    "nothing else breaks. Predict before you run: the results of these cells are left out, and each explanation is "
    "folded until you open it."
)
FOR_LECTURERS = (
    "*With solutions, for lecturers.* Not for handing out: students get the copy of the same name."
)


def student_notebook(notebook: Any) -> Any:
    """The notebook without solutions, discussions and lecturers' notes, executable as it is.

    Results of `run` and `exercise` cells are cleared, as a prediction is only one while the answer cannot be seen,
    and explanations are folded. What no question is asked about stays, so that there are pictures to read before the
    first cell runs. No metadata but tags and the time limit is kept: nothing can hide in it.
    """
    cells = [_student_cell(cell) for cell in notebook.cells if for_students(cell)]
    return _notebook(notebook, [cells[0], _note(WELCOME), *cells[1:]])


def solution_notebook(notebook: Any) -> Any:
    """The executed notebook with everything in it, and a line above each solution that says whose it is."""
    cells: list[Any] = []
    exercise = 0
    for cell in copy.deepcopy(notebook.cells):
        if cell.cell_type == "code" and has_tag(cell, "exercise"):
            exercise += 1
            cells.append(_note(f"**Solution of exercise {exercise}**", number=exercise))
        elif has_tag(cell, "solution"):
            cell.source = f"**Solution, continued.** {cell.source}"
        cells.append(cell)
    return _notebook(notebook, [cells[0], _note(FOR_LECTURERS), *cells[1:]])


def for_students(cell: Any) -> bool:
    """Whether a student sees the cell at all."""
    return not has_tag(cell, "solution") and not has_tag(cell, "teacher")


def _student_cell(cell: Any) -> Any:
    cell = copy.deepcopy(cell)
    cell.metadata = nbformat.from_dict({"tags": cell.metadata.tags} if "tags" in cell.metadata else {})
    if has_tag(cell, "explain"):
        summary = "<summary>Explain: open this when you have run the cell</summary>"
        cell.source = f"<details>{summary}\n\n{cell.source}\n\n</details>"
    if cell.cell_type == "code":
        cell.source = student_source(cell.source)
        cell.execution_count = None
        if has_tag(cell, "run") or has_tag(cell, "exercise"):
            cell.outputs = []
        for output in cell.outputs:
            if "execution_count" in output:
                output.execution_count = None
    return cell


def _note(text: str, *, number: int = 0) -> Any:
    """A markdown cell of our own. Its id is made from its place: the same notebook gives the same file."""
    cell = nbformat.v4.new_markdown_cell(text)
    cell["id"] = f"classroom-{number}"
    return cell


def _notebook(source: Any, cells: list[Any]) -> Any:
    kept = {
        name: source.metadata[name] for name in ("kernelspec", "language_info") if name in source.metadata
    }
    limit = source.metadata.get("hypav", {}).get("max_seconds")
    metadata = kept | ({"hypav": {"max_seconds": limit}} if limit is not None else {})
    return nbformat.v4.new_notebook(cells=cells, metadata=metadata, nbformat_minor=source.nbformat_minor)
