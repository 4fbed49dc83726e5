"""Copies of an executed notebook: for students to fill in, with solutions, and for lecturers. And its execution.

The tags of a cell say what it is:

- predict: a question; run: the code that answers it; explain: the answer.
- exercise: text, then code; hint; solution: a discussion to read after the exercise.
- teacher: for lecturers only.

In the code of an exercise, the solution is between two comments, `### BEGIN SOLUTION` and `### END SOLUTION`.
"""

from __future__ import annotations

import ast
import copy
import importlib
import os
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from hypav.data.load import COURSE_VARIABLE, DATA_VARIABLE
from hypav.errors import DataError, RunError, SettingError
from hypav.processors import THREAD_VARIABLES
from hypav.student import MINE_VARIABLE
from hypav.utils import replacing

try:
    import nbformat
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
except ImportError as error:
    raise SettingError(
        f"The course needs {error.name}, which is not installed: pip install 'hypav[course]'."
    ) from None

BEGIN_SOLUTION, END_SOLUTION = "### BEGIN SOLUTION", "### END SOLUTION"
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"

_SOLUTION = re.compile(rf"^([ \t]*){BEGIN_SOLUTION}\n.*?^[ \t]*{END_SOLUTION}$", re.MULTILINE | re.DOTALL)
_WELCOME = (
    "*Your copy.* Write your code at the comments `# your turn`. Until then the check below answers **Not yet**, and the "
    "rest of the notebook runs with the package's functions. Predict before you run a cell: its result is left out here, "
    "and the explanation below it is folded."
)


# --- copies of a notebook ---


def student_copy(notebook: Any) -> Any:
    """The notebook without solutions, discussions and lecturers' notes. It runs as it is.

    A cell that uses what an exercise asks for takes it with `hv.mine`: the student's, once it has passed its check, or
    else the package's.

    Outputs of `run` and `exercise` cells are left out and explanations are folded, so that students predict first. Other
    outputs are kept. Of the metadata only tags are kept, so that no solution can remain there.
    """
    cells = [
        _student_cell(cell)
        for cell in notebook.cells
        if not (has_tag(cell, "solution") or has_tag(cell, "teacher"))
    ]
    _take_what_exercises_give(cells)
    welcome = nbformat.v4.new_markdown_cell(_WELCOME, id="your-copy")  # a fixed id: same notebook, same file
    kept = {
        name: notebook.metadata[name] for name in ("kernelspec", "language_info") if name in notebook.metadata
    }
    return nbformat.v4.new_notebook(
        cells=[cells[0], welcome, *cells[1:]], metadata=kept, nbformat_minor=notebook.nbformat_minor
    )


def _student_cell(cell: Any) -> Any:
    cell = copy.deepcopy(cell)
    cell.metadata = nbformat.from_dict({"tags": cell.metadata.tags} if "tags" in cell.metadata else {})
    if has_tag(cell, "explain"):
        summary = "<summary>Explain: open this when you have run the cell</summary>"
        cell.source = f"<details>{summary}\n\n{cell.source}\n\n</details>"
    if cell.cell_type == "code":
        cell.source, cell.execution_count = student_source(cell.source), None
        cell.outputs = [] if has_tag(cell, "run") or has_tag(cell, "exercise") else cell.outputs
        for output in cell.outputs:
            if "execution_count" in output:
                output.execution_count = None
    return cell


def _take_what_exercises_give(cells: Sequence[Any]) -> None:
    given: set[str] = set()
    for cell in cells:
        if cell.cell_type != "code":
            continue
        tree = ast.parse(cell.source)
        if has_tag(cell, "exercise"):
            given |= {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
            continue
        used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
        lines = cell.source.split("\n")
        first = 1 if lines[0].startswith("hv.guess(") else 0
        lines[first:first] = [f'{name} = hv.mine("{name}")' for name in sorted(given & used)]
        cell.source = "\n".join(lines)


def student_source(source: str) -> str:
    """The code of a cell with a comment instead of its solution, and in a function also `raise NotImplementedError`."""

    def stub(match: re.Match[str]) -> str:
        indent = match.group(1)
        return f"{indent}# your turn" + (f"\n{indent}raise NotImplementedError" if indent else "")

    return _SOLUTION.sub(stub, source)


def solution_copy(notebook: Any) -> Any:
    """The executed notebook with its solutions, without lecturers' notes."""
    notebook = copy.deepcopy(notebook)
    notebook.cells = [cell for cell in notebook.cells if not has_tag(cell, "teacher")]
    return notebook


def instructor_notebook(notebooks: Sequence[Any]) -> Any:
    """One notebook for lecturers, without code. For each lesson it holds the notes, the predictions with their answers,
    and the mistakes that the checks name.
    """
    parts = [
        "# Instructor's page",
        "For each notebook: a plan, an open question with a rubric, the predictions with their answers, and the mistakes "
        "that its checks name. Two more pages have one project for each part of the course, and how to install it for "
        "a class.",
        "`hypav check FOLDER` runs the checks over notebooks that were handed in, and writes a table. `hypav gift` "
        "writes the predictions for a learning platform. Each page has a projector view for lectures: the arrow keys, "
        "or a presenter's remote, go to the next and previous screen.",
    ]
    for notebook in notebooks:
        parts += [f"## {title_of(notebook)}", promise_of(notebook)]
        parts += [cell.source for cell in notebook.cells if has_tag(cell, "teacher")]
        parts += ["### Predictions"]
        for cell in notebook.cells:
            if has_tag(cell, "predict"):
                parts += [cell.source, _answer(cell)]
            elif has_tag(cell, "explain"):
                parts += [cell.source]
        parts += ["### Mistakes that the checks name", *_mistakes(notebook)]
    return nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell(text) for text in parts if text])


def _answer(cell: Any) -> str:
    """The right answer of a prediction, from its metadata. Empty without them."""
    known = cell.metadata.get("hypav", {}).get("predict", {})
    answers = {
        "choice": "({answer})",
        "number": "{answer}, within {within}",
        "sketch": "a drawing, without one answer",
    }
    if known.get("kind") not in answers:
        return ""
    return (
        f"**Answer {known.get('id', '')}:** "
        + answers[known["kind"]].format_map({"within": 0, **known})
        + "."
    )


def _mistakes(notebook: Any) -> Iterator[str]:
    """The title of each exercise, then the mistakes that its check names, as Markdown lists."""
    code = "\n".join(cell.source for cell in code_cells(notebook))
    name = re.search(r"from hypav\.checks import (\w+) as check", code)
    checks = importlib.import_module(f"hypav.checks.{name.group(1)}") if name else None
    for cell in notebook.cells if checks else ():
        if title := re.search(r"^### (Exercise .+)$", cell.source, re.MULTILINE):
            yield f"#### {title.group(1)}"
        elif called := re.search(r"^check\.(\w+)\(", cell.source, re.MULTILINE):
            check = getattr(checks, called.group(1))
            yield "\n".join(f"- {sentence}" for sentence in check.mistakes)


# --- execution ---


def run(
    notebook: Any,
    folder: Path | str,
    *,
    name: str,
    environment: Mapping[str, str] | None = None,
    cell_seconds: int | None = None,
) -> tuple[Any, float]:
    """Run every cell in a new kernel. Returns the notebook with the new outputs, and the seconds it took.

    Args:
        notebook: is changed in place.
        folder: the kernel's working directory.
        name: the notebook's name in error messages.
        environment: the kernel's environment variables; by default `kernel_environment()`.
        cell_seconds: the time limit of a cell; None for no limit.

    Raises:
        RunError: a cell failed or took too long.
    """
    done, total, start = 0, len(code_cells(notebook)), time.perf_counter()

    def count(**_: Any) -> None:
        nonlocal done
        done += 1

    client = NotebookClient(
        notebook,
        timeout=cell_seconds,
        kernel_name="python3",
        resources={"metadata": {"path": str(folder)}},
        store_widget_state=False,
        extra_arguments=["--log-level=ERROR"],  # otherwise the kernel warns about its local socket
        on_cell_executed=count,
    )
    try:
        client.execute(env=dict(kernel_environment() if environment is None else environment))
    except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
        raise RunError(f"{name}: code cell {done} of {total} failed: {str(error).strip()}") from None
    for cell in code_cells(notebook):
        for output in cell.outputs:
            output.get("data", {}).pop(WIDGET_VIEW, None)  # its id is only valid in this kernel
    return notebook, time.perf_counter() - start


def kernel_environment(
    variables: Mapping[str, str] | None = None, *, data: str = "simulated"
) -> dict[str, str]:
    """The environment variables of a kernel that runs the course: one thread, no window system, `data` to train on, and
    nothing of what a student has kept.

    Args:
        variables: further variables, which take precedence.
        data: what `hypav.load` accepts. Paths become absolute, because a kernel starts in the folder of its notebook.
    """
    fixed = dict.fromkeys(THREAD_VARIABLES, "1") | {"MPLBACKEND": "Agg", "PYTHONHASHSEED": "0"}
    # on a busy machine spinning threads slow down the others, tenfold on two cores
    fixed["OMP_WAIT_POLICY"] = "PASSIVE"
    fixed[MINE_VARIABLE] = "none"  # the package's functions, whatever a student has kept
    named = data.partition(":")[0] in ("simulated", "yt8m-mini", "yt8m")  # also if a folder has that name
    fixed[COURSE_VARIABLE] = data if named else str(Path(data).resolve())
    if folder := os.environ.get(DATA_VARIABLE):
        fixed[DATA_VARIABLE] = str(Path(folder).resolve())
    return {**os.environ, **fixed, **(variables or {})}


# --- files and cells ---


def read(path: Path | str) -> Any:
    """Read a notebook of format 4.

    Raises:
        DataError: there is no such file, or it is not a notebook.
    """
    try:
        notebook = nbformat.read(path, as_version=4)
        nbformat.validate(notebook)
    except Exception as error:  # nbformat raises errors of many kinds for a damaged file
        reason = (
            "there is no such file" if isinstance(error, FileNotFoundError) else str(error).partition("\n")[0]
        )
        raise DataError(f"{path} is not a notebook of format 4: {reason}.") from None
    return notebook


def write(notebook: Any, path: Path | str) -> None:
    """Write a notebook, whole or not at all.

    Raises:
        RunError: the file cannot be written.
    """
    write_text(Path(path), text_of(notebook))


def code_cells(notebook: Any) -> list[Any]:
    """The code cells in order."""
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def has_tag(cell: Any, tag: str) -> bool:
    """Whether a cell has a tag."""
    return tag in cell.get("metadata", {}).get("tags", [])


def title_of(notebook: Any) -> str:
    """The title of a notebook, without `#`."""
    return notebook.cells[0].source.partition("\n")[0].lstrip("# ") if notebook.cells else ""


def promise_of(notebook: Any) -> str:
    """The line of promise below the title, as a quotation in Markdown."""
    return "\n".join(line for line in notebook.cells[0].source.splitlines() if line.startswith("> "))


def text_of(notebook: Any) -> str:
    """A notebook as the text of its file."""
    return nbformat.writes(notebook).rstrip("\n") + "\n"


def write_text(path: Path, text: str) -> Path:
    """Write a file, whole or not at all. Returns its path."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return path
