"""The course as files: notebooks to fill in, notebooks with solutions, the instructor's page, and pages for a browser.

Everything is made from the executed notebooks. The tags of a cell say what it is:

- predict: a question; run: the code that answers it; explain: the answer.
- exercise: text, then code; hint; solution: a discussion to read after the exercise.
- teacher: for lecturers only.

In the code of an exercise, the solution is between two comments, `### BEGIN SOLUTION` and `### END SOLUTION`.
"""

from __future__ import annotations

import copy
import importlib
import os
import re
import shutil
import time
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from html import escape
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import quote

import joblib
from joblib import Parallel, delayed
from tqdm import tqdm

from hypav.data.load import COURSE_VARIABLE, DATA_VARIABLE
from hypav.errors import DataError, HypavError, RunError, SettingError
from hypav.figures.page_scripts import add_explorers
from hypav.processors import THREAD_VARIABLES
from hypav.student import MINE_VARIABLE
from hypav.utils import make_folder, replacing

try:
    import nbformat
    from bs4 import BeautifulSoup
    from latex2mathml.converter import convert
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
    from nbconvert import HTMLExporter
    from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath
except ImportError as error:
    raise SettingError(
        f"The course needs {error.name}, which is not installed: pip install 'hypav[course]'."
    ) from None

BEGIN_SOLUTION, END_SOLUTION = "### BEGIN SOLUTION", "### END SOLUTION"
RUNS = Path("results") / "course_runs.csv"  # recorded runs, which notebooks read from their folder
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"

# for a page: its own styles and pictures. No script runs, whatever an output holds, and nothing is fetched
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"

_TEMPLATES = Path(__file__).parent / "templates"
_SOLUTION = re.compile(rf"^([ \t]*){BEGIN_SOLUTION}\n.*?^[ \t]*{END_SOLUTION}$", re.MULTILINE | re.DOTALL)
_WELCOME = (
    "*Your copy.* Write your code at the comments `# your turn`. Until then the check below answers **Not yet**, and the "
    "rest of the notebook still runs. Predict before you run a cell: its result is left out here, and the explanation "
    "below it is folded."
)


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
    _write(folder / "instructor.html", _page(page, "Instructor's page", {}))
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


def build_pages(notebooks: Sequence[Path | str], folder: Path | str) -> list[Path]:
    """Write executed notebooks as HTML pages with an index. The pages need no network and run no script: a
    Content-Security-Policy keeps those in outputs from running.

    The results and explanations of predictions and all solutions are folded. A page links to the notebook of the same
    name in the folder, if there is one.

    Args:
        notebooks: files; the pages are in the order of their names.
        folder: made if it does not exist; pages of the same name are replaced.

    Returns:
        The pages, the index first.

    Raises:
        DataError: a file is not a notebook, or a formula in it cannot be drawn.
        RunError: the folder cannot be written.
    """
    folder, paths = make_folder(folder), sorted(map(Path, notebooks))
    sources = {path.stem: read(path) for path in paths}
    titles = {stem: _title(notebook) for stem, notebook in sources.items()}
    stems: list[str | None] = [None, *sources, None]
    written = [_write(folder / "index.html", _page(_index(sources, folder), "The course", {}))]
    for before, stem, after in zip(stems, sources, stems[2:], strict=False):
        links = {
            "notebook": f"{stem}.ipynb" if (folder / f"{stem}.ipynb").exists() else "",
            "before": (before, titles[before]) if before else None,
            "after": (after, titles[after]) if after else None,
        }
        try:
            page = _page(_folded(sources[stem]), titles[stem], links)
        except DataError as error:
            raise DataError(f"{stem}.ipynb: {error}") from None
        written.append(_write(folder / f"{stem}.html", page))
    return written


# --- copies of a notebook ---


def student_copy(notebook: Any) -> Any:
    """The notebook without solutions, discussions and lecturers' notes. It runs as it is.

    Outputs of `run` and `exercise` cells are left out and explanations are folded, so that students predict first. Other
    outputs are kept. Of the metadata only tags are kept, so that no solution can remain there.
    """
    cells = [
        _student_cell(cell)
        for cell in notebook.cells
        if not (has_tag(cell, "solution") or has_tag(cell, "teacher"))
    ]
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
        "For each notebook: plan, predictions with answers, and mistakes that its checks name.",
    ]
    for notebook in notebooks:
        parts += [f"## {_title(notebook)}", _promise(notebook)]
        parts += [cell.source for cell in notebook.cells if has_tag(cell, "teacher")]
        parts += ["### Predictions"]
        parts += [
            cell.source for cell in notebook.cells if has_tag(cell, "predict") or has_tag(cell, "explain")
        ]
        parts += ["### Mistakes that the checks name", *_mistakes(notebook)]
    return nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell(text) for text in parts if text])


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


def _write_copy(path: Path, notebook: Any) -> bool:
    """Write a student's copy unless the file exists already. Returns whether the file is now the course's version."""
    text = _text(student_copy(notebook))
    if path.exists():
        return path.read_text(encoding="utf-8", errors="replace") == text
    _write(path, text)
    return True


# --- execution ---


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


# --- pages ---


def _page(notebook: Any, title: str, links: Mapping[str, Any]) -> str:
    """A notebook as a complete HTML page: the template, with ids for headings and scrolling for wide parts."""
    html, _ = _exporter().from_notebook_node(
        notebook, resources={"title": title, "links": links, "policy": POLICY}
    )
    page = BeautifulSoup(html, "html.parser")
    contents, ids = [], set()
    for heading in page.find_all(["h1", "h2", "h3", "h4"]):
        slug = re.sub(r"\W+", "-", heading.get_text().lower()).strip("-") or "section"
        while slug in ids:
            slug += "-"
        ids.add(slug)
        heading["id"] = slug
        if heading.name == "h2":
            contents.append(
                f'<li><a href="#{slug}">{re.sub("</?a.*?>", "", heading.decode_contents())}</a></li>'
            )
    for place in page.select("nav.contents ul"):
        place.append(BeautifulSoup("".join(contents), "html.parser"))
    for table in page.find_all("table"):
        table.wrap(page.new_tag("div", attrs={"class": "scroll", "tabindex": "0"}))
    for block in page.select("pre"):
        block["tabindex"] = "0"
    for fold in page.find_all("details"):
        if fold.summary is not None and fold.summary.get_text() == "The figure in words":
            fold["class"] = "words"
    add_explorers(page, notebook, POLICY)
    return str(page)


def _folded(notebook: Any) -> Any:
    """The notebook with metadata for the template: where a fold opens and closes, and what a student sees of a cell."""
    notebook = solution_copy(notebook)
    for cell, after in pairwise(notebook.cells):
        if has_tag(cell, "run") and has_tag(after, "explain"):
            cell.metadata["opens"] = after.metadata["closes"] = True
        if cell.cell_type == "code" and has_tag(cell, "exercise"):
            cell.metadata["stub"] = student_source(cell.source)
    return notebook


def _index(sources: Mapping[str, Any], folder: Path) -> Any:
    """The index as a notebook: title, promise and link of each page."""
    parts = ["# Hyperbolic audio-visual zero-shot learning: the course"]
    for stem, notebook in sources.items():
        parts.append(f"## [{_title(notebook)}]({quote(stem)}.html)\n\n{_promise(notebook)}")
        if (folder / f"{stem}.ipynb").exists():
            parts.append(
                f'<a href="{quote(stem)}.ipynb" download>Notebook to fill in: {escape(_title(notebook))}</a>'
            )
    return nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell(text) for text in parts])


def _title(notebook: Any) -> str:
    return notebook.cells[0].source.partition("\n")[0].lstrip("# ") if notebook.cells else ""


def _promise(notebook: Any) -> str:
    return "\n".join(line for line in notebook.cells[0].source.splitlines() if line.startswith("> "))


@cache
def _exporter() -> HTMLExporter:
    exporter = HTMLExporter(template_name="course", extra_template_basedirs=[str(_TEMPLATES)])
    exporter.register_filter("render", markdown_html)
    exporter.register_filter("style", lambda name: (_TEMPLATES / "course" / name).read_text(encoding="utf-8"))
    return exporter


# --- formulas ---

# MathML Core knows only mathvariant="normal": bold and script letters are separate characters
_STYLES = {
    "bold": "MATHEMATICAL BOLD",
    "bold-italic": "MATHEMATICAL BOLD ITALIC",
    "double-struck": "MATHEMATICAL DOUBLE-STRUCK",
    "script": "MATHEMATICAL SCRIPT",
}


def markdown_html(text: str) -> str:
    """The Markdown of a notebook as HTML, with formulas as MathML, which browsers draw without a script.

    Raises:
        DataError: a formula uses a command that cannot be drawn.
    """
    return MarkdownWithMath(renderer=_Renderer(escape=False, exclude_anchor_links=True)).render(text)


def mathml(latex: str, *, display: bool = False) -> str:
    r"""A formula as MathML, with the LaTeX as its alttext. The number of a `\tag` is set next to it.

    Raises:
        DataError: the formula uses a command that cannot be drawn.
    """
    tag = re.search(r"\\tag\{([^}]*)\}", latex)
    plain = re.sub(r"\\tag\{[^}]*\}", "", latex)
    plain = re.sub(r"\\\\\s*\[[^\]]*\]", r"\\\\", plain)  # extra space between the rows of cases
    plain = re.sub(r"\\operatorname\*?|\\mathrm(?=\{\w\w+\})", r"\\text", plain)  # a name is one word
    plain = re.sub(r"\\arg(?![a-z])", r"\\text{arg}", plain).replace(r"\!", "")
    formula = BeautifulSoup(convert(plain, display="block" if display else "inline"), "html.parser")
    unknown = [part.get_text() for part in formula.find_all(["mi", "mo", "mtext"]) if "\\" in part.get_text()]
    if unknown:
        raise DataError(
            f"The formula {latex.strip()!r} uses {unknown[0]}, which cannot be drawn. Write it in another way."
        )
    for part in formula.select(",".join(f"[mathvariant={style}]" for style in _STYLES)):
        part.string = "".join(_styled(letter, str(part["mathvariant"])) for letter in part.get_text())
        del part["mathvariant"]
    for sign in formula.find_all("mo"):
        if sign.get_text() in "|‖":  # without this there is a gap between a bar and what it encloses
            sign["lspace"] = sign["rspace"] = "0"
        before = sign.find_previous_sibling()
        if sign.get_text() in "−+" and before is not None and before.get_text() in tuple("=<>≤≥(,[≈→"):
            sign["form"] = "prefix"  # a sign, not a sum
    for name in formula.find_all("mi"):
        following = name.find_next_sibling()
        if len(name.get_text()) > 1 and following is not None and following.get_text()[:1] not in "(,)":
            name.insert_after(formula.new_tag("mspace", attrs={"width": "0.167em"}))  # ln 3, not ln3
    if formula.math is not None:
        formula.math["alttext"] = " ".join(latex.split())
    if not display:
        return str(formula)
    number = f'<span class="number">({escape(tag.group(1))})</span>' if tag else ""
    return f'<div class="equation"><div class="scroll" tabindex="0">{formula}</div>{number}</div>'


def _styled(letter: str, style: str) -> str:
    words = unicodedata.name(letter, "").replace("LATIN ", "").replace("LETTER ", "").replace("GREEK ", "")
    # some letters, such as ℍ and ℓ, are older than the block and have a shorter name
    for name in (f"{_STYLES[style]} {words}", f"{_STYLES[style].removeprefix('MATHEMATICAL ')} {words}"):
        try:
            return unicodedata.lookup(name)
        except KeyError:
            continue
    return letter


class _Renderer(IPythonRenderer):
    def block_math(self, body: str) -> str:
        return mathml(body, display=True)

    def inline_math(self, body: str) -> str:
        return mathml(body)

    def latex_environment(self, name: str, body: str) -> str:
        return mathml(f"\\begin{{{name}}}{body}\\end{{{name}}}", display=True)


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
    _write(Path(path), _text(notebook))


def code_cells(notebook: Any) -> list[Any]:
    """The code cells in order."""
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def has_tag(cell: Any, tag: str) -> bool:
    """Whether a cell has a tag."""
    return tag in cell.get("metadata", {}).get("tags", [])


def _text(notebook: Any) -> str:
    return nbformat.writes(notebook).rstrip("\n") + "\n"


def _write(path: Path, text: str) -> Path:
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return path
