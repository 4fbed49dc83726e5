"""The course as folders: pages and notebooks for students, pages with solutions, and pages for lecturers."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
import shutil
import zipfile
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import quote

import joblib
import nbformat
from bs4 import BeautifulSoup
from joblib import Parallel, delayed
from PIL import Image
from tqdm import tqdm

from hypav.errors import DataError, HypavError, RunError
from hypav.formulas import markdown_html
from hypav.handouts import (
    code_cells,
    instructor_notebook,
    kernel_environment,
    promise_of,
    read,
    run,
    solution_copy,
    student_copy,
    text_of,
    title_of,
    write,
    write_text,
)
from hypav.pages import lecturer_text, page_of, template_file, with_folds
from hypav.search import search_page
from hypav.slides import projector_view
from hypav.utils import make_folder

RUNS = Path("results") / "course_runs.csv"  # recorded runs, which notebooks read from their folder
PARTS = {"Start and geometry": range(4), "Method": range(4, 9), "Evidence": range(9, 14)}
APPENDICES = "Appendices"  # pages with any other number

_THUMBNAIL = (480, 300)  # pixels
# JupyterLab then draws a notebook whole. By default it leaves cells out, and a long page jumps (jupyterlab 15968, 17023)
_LAB = {"@jupyterlab/notebook-extension:tracker": {"windowingMode": "defer"}}


def course_folder() -> Path:
    """The folder of the executed notebooks: in an installed package, or `notebooks/` in a checkout."""
    package = Path(__file__).parent
    return next(f for f in (package / "course", package.parent / "notebooks") if f.is_dir())


def write_course(folder: Path | str, *, execute: bool = False, data: str = "simulated") -> list[str]:
    """Write the course into a folder: `students/`, `solutions/`, and three pages for lecturers.

    `students/` contains the notebooks to fill in, the recorded runs that they read, and the course as pages that need no
    network. `solutions/` contains the executed notebooks and their pages. `jupyter/` contains a setting of JupyterLab.
    A notebook in `students/` that the student has changed is kept; a new version is written beside it.

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
    messages = _deliver({name: student_copy(notebook) for name, notebook in notebooks.items()}, students)
    if execute:
        notebooks = _execute_all(paths, solutions, data)
    for name, notebook in notebooks.items():
        write(solution_copy(notebook), solutions / name)
    pictures, written = course_folder() / "pictures", [solutions / name for name in notebooks]
    build_pages(written, students, pictures=pictures)
    build_pages(written, solutions, solutions=True, pictures=pictures)
    _write_lecturers_pages([notebooks[path.name] for path in paths], folder)
    settings = make_folder(folder / "jupyter" / "labconfig") / "default_setting_overrides.json"
    write_text(settings, json.dumps(_LAB, indent=2) + "\n")
    if earlier:
        messages.append(f"Replaced the pages, the solutions and the lecturers' pages in {folder}.")
    return [
        *messages,
        f"For students: open {students / 'index.html'}, or run: jupyter lab {students}",
        f"For lecturers: {folder / 'instructor.html'} and {solutions / 'index.html'}",
    ]


def write_site(folder: Path | str) -> list[str]:
    """Write the students' pages into a folder that any web server can serve as it is, with notebooks to download.

    Files of the same name are replaced. Solutions are left out.

    Args:
        folder: made if it does not exist.

    Returns:
        A sentence that says what to open.

    Raises:
        RunError: the folder cannot be written.
    """
    folder, paths = make_folder(folder), sorted(course_folder().glob("*.ipynb"))
    copies = {path.name: text_of(student_copy(read(path))) for path in paths}
    for name, text in copies.items():
        write_text(folder / name, text)
    with zipfile.ZipFile(folder / "notebooks.zip", "w") as archive:
        for name, text in copies.items():
            archive.writestr(zipfile.ZipInfo(f"hypav-course/{name}"), text)  # with a fixed date
        runs = (course_folder() / RUNS).read_bytes()
        archive.writestr(zipfile.ZipInfo(f"hypav-course/{RUNS.as_posix()}"), runs, zipfile.ZIP_DEFLATED)
    build_pages(paths, folder, pictures=course_folder() / "pictures")
    write_text(folder / ".nojekyll", "")  # GitHub Pages then serves the files as they are
    return [f"The site: open {folder / 'index.html'}, or copy {folder} to a web server."]


# --- pages ---


def build_pages(
    notebooks: Sequence[Path | str],
    folder: Path | str,
    *,
    solutions: bool = False,
    pictures: Path | str | None = None,
) -> list[Path]:
    """Write executed notebooks as HTML pages with an index. The pages need no network. A Content-Security-Policy keeps
    scripts in outputs from running.

    A student's page has stubs, folded hints, folded results and no solution. Beside it lie a projector view and a search
    page. With `solutions` the pages contain the solutions and discussions, folded. A page links to the notebook of the
    same name in the folder, if there is one.

    Args:
        notebooks: files; the pages are in the order of their names.
        folder: made if it does not exist; pages of the same name are replaced.
        solutions: whether the pages are those with solutions.
        pictures: a folder with a picture for the index, `NAME.png`, of each notebook. By default its first figure.

    Returns:
        The pages, the index first.

    Raises:
        DataError: a file is not a notebook, or a formula in it cannot be drawn.
        RunError: the folder cannot be written.
    """
    folder, paths = make_folder(folder), sorted(map(Path, notebooks))
    sources = {path.stem: read(path) for path in paths}
    titles = {stem: title_of(notebook) for stem, notebook in sources.items()}
    stems: list[str | None] = [None, *sources, None]
    kind = "Solutions" if solutions else "The course"
    pages: dict[str, BeautifulSoup] = {}
    for before, stem, after in zip(stems, sources, stems[2:], strict=False):
        links = {
            "pages": list(titles.items()),
            "here": stem,
            "kind": kind,
            "slides": "" if solutions else f"{stem}-slides.html",
            "search": "" if solutions else "search.html",
            "notebook": f"{stem}.ipynb" if (folder / f"{stem}.ipynb").exists() else "",
            "before": (before, titles[before]) if before else None,
            "after": (after, titles[after]) if after else None,
        }
        try:
            pages[stem] = page_of(with_folds(sources[stem], solutions=solutions), titles[stem], links)
        except DataError as error:
            raise DataError(f"{stem}.ipynb: {error}") from None
    texts = {f"{stem}.html": str(page) for stem, page in pages.items()}
    if not solutions:
        texts |= {f"{stem}-slides.html": str(projector_view(page, stem)) for stem, page in pages.items()}
        texts["search.html"] = str(search_page(pages))
    index = page_of(_index(sources, folder, kind, pictures), kind, {})
    return [write_text(folder / name, text) for name, text in {"index.html": str(index), **texts}.items()]


# --- the index ---


def _index(sources: Mapping[str, Any], folder: Path, kind: str, pictures: Path | str | None) -> Any:
    """The index as a notebook: a picture, the title, the promise and the links of each page, by part."""
    solutions = kind == "Solutions"
    text = template_file("solutions.md" if solutions else "index.md")
    opening, _, closing = text.partition("[pages]\n")
    cards: dict[str, list[str]] = {}
    for stem, notebook in sources.items():
        card = _card(stem, notebook, folder, solutions, pictures)
        cards.setdefault(_part(stem), []).append(card)
    groups = [f'## {part}\n\n<ul class="cards">\n' + "\n".join(c) + "\n</ul>" for part, c in cards.items()]
    texts = [opening, *groups, closing]
    return _notebook(*texts)


def _part(stem: str) -> str:
    number = re.match(r"\d+", stem)
    return next(
        (part for part, numbers in PARTS.items() if number and int(number.group()) in numbers), APPENDICES
    )


def _card(stem: str, notebook: Any, folder: Path, solutions: bool, pictures: Path | str | None) -> str:
    name, title = quote(stem), escape(title_of(notebook))
    links = [] if solutions else [f'<a href="{name}-slides.html">Projector view<i> of {title}</i></a>']
    if (folder / f"{stem}.ipynb").exists():
        what = "Notebook with solutions" if solutions else "Notebook to fill in"
        links.append(f'<a href="{name}.ipynb" download>{what}<i>: {title}</i></a>')
    promise = markdown_html(re.sub("^> ?", "", promise_of(notebook), flags=re.MULTILINE))
    source = _thumbnail(notebook, Path(pictures) / f"{stem}.png" if pictures else None)
    picture = f'<img alt="" src="{source}">' if source else ""
    return (
        f'<li>{picture}<div><h3><a href="{name}.html">{title}</a></h3>{promise.strip()}'
        f'<p class="links">{" ".join(links)}</p></div></li>'
    ).replace("\n", " ")  # an empty line would end the HTML in Markdown


def _thumbnail(notebook: Any, picture: Path | None) -> str:
    """The page's picture, or else its first figure made small, as a data address. Empty if it has neither."""
    if picture is not None and picture.is_file():
        data = picture.read_bytes()
    else:
        outputs = [output for cell in code_cells(notebook) for output in cell.outputs]
        first = next((o.data["image/png"] for o in outputs if "image/png" in o.get("data", {})), "")
        try:
            image = Image.open(io.BytesIO(base64.b64decode(first))).convert("RGB")
        except (OSError, ValueError):  # no figure, or a damaged one
            return ""
        image.thumbnail(_THUMBNAIL)
        file = io.BytesIO()
        image.save(file, "PNG", optimize=True)
        data = file.getvalue()
    return f"data:image/png;base64,{base64.b64encode(data).decode()}"


# --- files of a course ---


def _deliver(copies: Mapping[str, Any], folder: Path) -> list[str]:
    """Write students' copies, but none over a changed one. Returns a sentence for each changed notebook.

    The folder remembers in `.course.json` what was written, as digests, so that an old copy that nobody has changed is
    replaced.
    """
    record = folder / ".course.json"
    try:
        known = dict(json.loads(record.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):  # a first course, or a damaged record: nothing is overwritten
        known = {}
    messages = []
    for name, notebook in copies.items():
        text = text_of(notebook)
        path, changed = folder / name, []
        while _is_changed(path, text, known):
            changed.append(path)
            path = path.with_name(f"{path.stem}.new.ipynb")
        digest = _digest(text.encode())
        news = bool(changed) and (known.get(name) != digest or path.exists())
        if not changed or news:
            write_text(path, text)
            known[path.name] = digest
        if changed:
            known[name] = digest
            beside = f" The new version is {path}." if news else ""
            messages.append(f"Kept {changed[0]}, which you have changed.{beside}")
    write_text(record, json.dumps(known, indent=2) + "\n")
    return messages


def _is_changed(path: Path, text: str, known: Mapping[str, str]) -> bool:
    """Whether a file exists that is neither this version nor an earlier one as it was written."""
    if not path.exists():
        return False
    digest = _digest(path.read_bytes())
    return digest not in (_digest(text.encode()), known.get(path.name))


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _write_lecturers_pages(notebooks: Sequence[Any], folder: Path) -> None:
    pages = {
        "instructor": ("Instructor's page", instructor_notebook(notebooks)),
        "projects": ("Three projects", _notebook(lecturer_text("projects.md"))),
        "installing": ("Installing for a class", _notebook(lecturer_text("installing.md"))),
    }
    for name, (title, notebook) in pages.items():
        links = {"kind": "", "pages": [(stem, other) for stem, (other, _) in pages.items()], "here": name}
        write_text(folder / f"{name}.html", str(page_of(notebook, title, links)))


def _notebook(*texts: str) -> Any:
    return nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_markdown_cell(text) for text in texts if text.strip()]
    )


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
