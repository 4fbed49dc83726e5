"""The handouts: solutions stay away from students, their work is kept, pages need no network, the wheel has all."""

from __future__ import annotations

import ast
import base64
import copy
import hashlib
import importlib
import json
import os
import re
import shutil
import subprocess
import sys
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import unquote
from zipfile import ZipFile

import nbformat
import pytest
import torch
from bs4 import BeautifulSoup
from nbconvert import ScriptExporter

import hypav.figures.style
from hypav import handouts, site
from hypav.data.load import COURSE_VARIABLE
from hypav.errors import DataError, RunError
from hypav.formulas import markdown_html, mathml
from hypav.handouts import (
    BEGIN_SOLUTION,
    END_SOLUTION,
    code_cells,
    has_tag,
    instructor_notebook,
    kernel_environment,
    student_copy,
    student_source,
)
from hypav.pages import page_of, with_folds
from hypav.site import RUNS, build_pages, write_course
from hypav.slides import projector_view

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
SITE = [NOTEBOOKS[0], NOTEBOOKS[4]]  # the pages of these are written; the others are read only
SECRET = "the-answer-is-42"


@cache
def read(path: Path) -> Any:
    return handouts.read(path)


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The course's folder with two notebooks, and what `write_course` makes of it."""
    folder = tmp_path_factory.mktemp("course")
    (folder / "from" / "results").mkdir(parents=True)
    for path in SITE:
        shutil.copy(path, folder / "from")
    shutil.copy(ROOT / "notebooks" / RUNS, folder / "from" / RUNS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(site, "course_folder", lambda: folder / "from")
        write_course(folder)
    return folder


@pytest.fixture(scope="module")
def pages(course: Path) -> dict[Path, BeautifulSoup]:
    return {
        path: BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")
        for path in sorted(course.rglob("*.html"))
    }


# --- copies ---


def test_an_exercise_becomes_a_stub() -> None:
    inside = "def f(x):\n    'y'\n    ### BEGIN SOLUTION\n    return x\n    ### END SOLUTION\n\n\ncheck.f(f)"
    assert student_source(inside) == (
        "def f(x):\n    'y'\n    # your turn\n    raise NotImplementedError\n\n\ncheck.f(f)"
    )
    outside = "answer = ...\n### BEGIN SOLUTION\nanswer = 3\n### END SOLUTION\ncheck.n(answer)"
    assert student_source(outside) == "answer = ...\n# your turn\ncheck.n(answer)"


def with_secrets(notebook: Any) -> Any:
    """The notebook with a secret wherever a solution can be, but not in the outputs of `run` cells."""
    notebook = copy.deepcopy(notebook)
    notebook.metadata["hypav"]["answers"] = notebook.metadata["author"] = SECRET
    for cell in notebook.cells:
        cell.metadata["hypav"] = {"answer": SECRET}
        if has_tag(cell, "solution") or has_tag(cell, "teacher"):
            cell.source += SECRET
        if cell.cell_type == "code" and (has_tag(cell, "exercise")):
            cell.outputs.append(nbformat.v4.new_output("stream", text=SECRET))
        if cell.cell_type == "code" and has_tag(cell, "exercise"):
            cell.source = cell.source.replace(END_SOLUTION, f"# {SECRET}\n    {END_SOLUTION}", 1)
    return notebook


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_solution_in_any_corner_of_a_notebook_stays_out(path: Path) -> None:
    notebook = with_secrets(read(path))
    for cell in code_cells(notebook):
        if has_tag(cell, "run"):
            cell.outputs.append(nbformat.v4.new_output("stream", text=SECRET))
    before = nbformat.writes(notebook)
    student = student_copy(notebook)
    nbformat.validate(student)
    assert SECRET in before
    assert not re.search(f"{SECRET}|{BEGIN_SOLUTION}|{END_SOLUTION}", nbformat.writes(student))
    assert nbformat.writes(notebook) == before, "the source must stay as it was"
    explained = [cell.source for cell in student.cells if has_tag(cell, "explain")]
    assert explained
    assert all(text.startswith("<details><summary>") for text in explained)
    assert any(cell.outputs for cell in code_cells(student)), "pictures that answer no question stay"


def names(cell: Any, kind: type) -> set[str]:
    """The names that a cell's code binds (ast.Store) or uses (ast.Load)."""
    bound: set[str] = set()
    for node in ast.walk(ast.parse(cell.source)):
        if isinstance(node, ast.Name) and isinstance(node.ctx, kind):
            bound.add(node.id)
        elif kind is ast.Store and isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            bound.add(node.name)
        elif kind is ast.Store and isinstance(node, ast.alias):
            bound.add((node.asname or node.name).split(".")[0])
    return bound


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_students_copy_runs_to_its_end(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No cell outside the exercises uses what an exercise binds, so these cells run as strict nbval runs them. The
    exercises run here, after the setup, which is all they need. Each must say "Not yet"."""
    monkeypatch.setattr(hypav.figures.style, "display", lambda *_, **__: None)
    monkeypatch.setenv(COURSE_VARIABLE, "simulated:small")
    cells = code_cells(student_copy(read(path)))
    exercises = [cell for cell in cells if has_tag(cell, "exercise")]
    bound = set().union(*(names(cell, ast.Store) for cell in exercises))
    earlier: set[str] = set()
    for cell in cells:
        if cell not in exercises:
            earlier |= names(cell, ast.Store)
            assert not names(cell, ast.Load) & (bound - earlier), f"needs an exercise's answer: {cell.source}"
    threads, dtype = torch.get_num_threads(), torch.get_default_dtype()
    space: dict[str, Any] = {}
    try:
        for cell in cells:
            if has_tag(cell, "setup"):
                exec(compile(cell.source, path.name, "exec"), space)
            elif cell in exercises:
                *lines, last = ast.parse(cell.source).body
                exec(compile(ast.Module(lines, []), path.name, "exec"), space)
                assert isinstance(last, ast.Expr)
                verdict = eval(compile(ast.Expression(last.value), path.name, "eval"), space)
                assert str(verdict).startswith("Not yet: ")
    finally:
        torch.set_num_threads(threads)
        torch.set_default_dtype(dtype)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_the_instructors_page_has_notes_answers_and_all_named_mistakes(path: Path) -> None:
    source = read(path)
    text = "\n".join(cell.source for cell in instructor_notebook([source]).cells)
    for cell in source.cells:
        if any(has_tag(cell, tag) for tag in ("teacher", "predict", "explain")):
            assert cell.source in text
    code = "\n".join(cell.source for cell in code_cells(source))
    checks = importlib.import_module(f"hypav.checks.{re.findall(r'import (.+) as check', code)[0]}")
    exercises = "\n".join(cell.source for cell in code_cells(source) if has_tag(cell, "exercise"))
    called = re.findall(r"^check\.(\w+)\(", exercises, re.MULTILINE)
    assert len(called) == text.count("#### Exercise ") >= 3
    for name in called:
        assert all(f"- {sentence}" in text for sentence in getattr(checks, name).mistakes)


def test_nbconvert_makes_a_python_script_of_a_students_copy(course: Path) -> None:
    """As `jupyter nbconvert --to script` does, which looks up the exporter in the notebook."""
    for folder in ("students", "solutions"):
        script, resources = ScriptExporter().from_filename(str(course / folder / SITE[0].name))
        assert resources["output_extension"] == ".py"
        ast.parse(script)


# --- folders ---


def test_a_students_work_is_kept(course: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(site, "course_folder", lambda: course / "from")
    files = {path: path.read_bytes() for path in course.rglob("*") if path.is_file()}
    pages = {"instructor.html", "projects.html", "installing.html"}
    assert {"from", "students", "solutions", "jupyter"} | pages == {path.name for path in course.iterdir()}
    work = course / "students" / SITE[0].name
    work.write_text("{}", encoding="utf-8")
    first, *rest = write_course(course)
    assert first == f"Kept {work}, which you have changed."
    assert len(rest) == 3
    assert rest[0].startswith("Replaced the pages, the solutions")
    assert work.read_text(encoding="utf-8") == "{}"
    work.unlink()
    assert len(write_course(course)) == 3
    assert {path: path.read_bytes() for path in course.rglob("*") if path.is_file()} == files


def test_an_update_replaces_what_nobody_changed_and_writes_beside_what_somebody_did(tmp_path: Path) -> None:
    def give(text: str) -> list[str]:
        cells = [nbformat.v4.new_markdown_cell(text, id="a")]
        return site._deliver({"1.ipynb": nbformat.v4.new_notebook(cells=cells)}, tmp_path)

    def found() -> dict[str, str]:
        return {path.name: path.read_text(encoding="utf-8") for path in tmp_path.glob("*.ipynb")}

    def version(name: str) -> str:
        return str(nbformat.reads(found()[name], as_version=4).cells[0].source)

    assert give("one") == []
    assert give("two") == []  # nobody has changed it
    assert version("1.ipynb") == "two"
    (tmp_path / "1.ipynb").write_text("mine", encoding="utf-8")
    assert give("two") == [f"Kept {tmp_path / '1.ipynb'}, which you have changed."]
    assert list(found()) == ["1.ipynb"]
    (message,) = give("three")
    assert message.endswith(f"The new version is {tmp_path / '1.new.ipynb'}.")
    assert (found()["1.ipynb"], version("1.new.ipynb")) == ("mine", "three")
    give("four")  # the new version was not changed either
    assert (sorted(found()), version("1.new.ipynb")) == (["1.ipynb", "1.new.ipynb"], "four")
    (tmp_path / "1.new.ipynb").write_text("also mine", encoding="utf-8")
    give("five")
    assert (found()["1.ipynb"], found()["1.new.ipynb"]) == ("mine", "also mine")
    assert version("1.new.new.ipynb") == "five"
    (tmp_path / "1.new.ipynb").unlink()
    (tmp_path / "1.new.new.ipynb").unlink()
    give("five")  # known and thrown away
    assert list(found()) == ["1.ipynb"]


def test_without_a_record_nothing_is_overwritten(tmp_path: Path) -> None:
    for number, damage in enumerate((None, "{", "3")):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "1.ipynb").write_text("mine", encoding="utf-8")
        if damage:
            (folder / ".course.json").write_text(damage, encoding="utf-8")
        assert site._deliver({"1.ipynb": nbformat.v4.new_notebook()}, folder)
        assert (folder / "1.ipynb").read_text(encoding="utf-8") == "mine"
        assert (folder / "1.new.ipynb").exists()


def test_jupyterlab_reads_the_setting_that_draws_notebooks_whole(course: Path) -> None:
    """Its name and its value are known to the installed JupyterLab, which finds it by JUPYTER_CONFIG_PATH."""
    name = "@jupyterlab/notebook-extension:tracker"
    program = (
        "import json; from jupyterlab.commands import get_app_dir; from pathlib import Path;"
        "from jupyterlab_server.settings_utils import get_settings;"
        "share = Path(get_app_dir());"
        f"found, _ = get_settings(str(share / 'settings'), str(share / 'schemas'), '', schema_name={name!r});"
        "print(json.dumps(found['schema']['properties']['windowingMode']))"
    )
    environment = os.environ | {"JUPYTER_CONFIG_PATH": str(course / "jupyter")}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
    )
    mode = json.loads(done.stdout)
    assert mode["default"] == "defer"
    assert "defer" in [option["const"] for option in mode["oneOf"]]
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert 'JUPYTER_CONFIG_PATH="$(CURDIR)/$(COURSE)/jupyter' in makefile


def test_the_course_is_run_on_the_data_that_are_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All notebooks are run in the folder of the solutions, and one that fails is named."""
    (tmp_path / "from" / "results").mkdir(parents=True)
    (tmp_path / "from" / RUNS).write_text("runs", encoding="utf-8")
    monkeypatch.setattr(site, "course_folder", lambda: tmp_path / "from")
    monkeypatch.setattr("hypav.data.load.load", lambda _: None, raising=False)
    for name, source in {
        "1": f"import os\nprint(os.environ['HYPAV_COURSE'], open({str(RUNS)!r}).read())",
        "2": "1 / 0",
    }.items():
        cells = [nbformat.v4.new_markdown_cell(f"# {name}"), nbformat.v4.new_code_cell(source)]
        nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "from" / f"{name}.ipynb")
    with pytest.raises(RunError, match=r"2.ipynb: code cell 1 of 1 failed"):
        write_course(tmp_path / "to", execute=True)
    (tmp_path / "from" / "2.ipynb").unlink()
    write_course(tmp_path / "to", execute=True, data="simulated:small")
    (_, cell) = nbformat.read(tmp_path / "to" / "solutions" / "1.ipynb", as_version=4).cells
    assert cell.outputs[0].text == "simulated:small runs\n"
    assert "simulated:small runs" in (tmp_path / "to" / "students" / "1.html").read_text(encoding="utf-8")


def test_a_kernel_gets_absolute_paths_and_one_thread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HYPAV_DATA", "features")
    monkeypatch.setenv("HYPAV_COURSE", "yt8m-mini")
    Path("simulated").mkdir()  # a folder of that name is not meant
    assert kernel_environment()["HYPAV_COURSE"] == "simulated"
    environment = kernel_environment({"OMP_NUM_THREADS": "2"}, data="my.npz")
    assert environment["HYPAV_COURSE"] == str(tmp_path / "my.npz")
    assert environment["HYPAV_DATA"] == str(tmp_path / "features")
    assert (environment["OMP_NUM_THREADS"], environment["MKL_NUM_THREADS"]) == ("2", "1")


def test_what_is_not_a_notebook_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "broken.ipynb").write_text("{", encoding="utf-8")
    for name in ("broken.ipynb", "missing.ipynb"):
        with pytest.raises(DataError, match=f"{name} is not a notebook"):
            build_pages([tmp_path / name], tmp_path / "pages")


def test_an_installed_package_has_the_course(tmp_path: Path) -> None:
    """From an sdist, so that this too has what the wheel needs."""
    project = tmp_path / "project"
    skip = shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints")
    for name in ("hypav", "notebooks"):
        shutil.copytree(ROOT / name, project / name, ignore=skip)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, project)
    sdist = "from setuptools.build_meta import build_sdist; print(build_sdist('..'))"
    done = subprocess.run([sys.executable, "-c", sdist], cwd=project, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    archive = tmp_path / done.stdout.split()[-1]
    command = [sys.executable, "-m", "pip", "wheel", "--no-build-isolation", "--no-deps", "--no-index", "-q"]
    subprocess.run([*command, "-w", str(tmp_path), str(archive)], check=True)
    (wheel,) = tmp_path.glob("*.whl")
    with ZipFile(wheel) as file:
        inside = set(file.namelist())
    modules = {str(path.relative_to(ROOT)) for path in (ROOT / "hypav").rglob("*.py")}
    assert modules <= inside
    data = {"hypav/py.typed"}
    course = ROOT / "notebooks"
    data |= {
        f"hypav/course/{path.relative_to(course)}"
        for path in [*NOTEBOOKS, *course.glob("results/*"), *course.glob("pictures/??_*.png")]
    }
    data |= {str(path.relative_to(ROOT)) for path in (ROOT / "hypav" / "templates").rglob("*.*")}
    data |= {str(path.relative_to(ROOT)) for path in (ROOT / "hypav").rglob("*.json")}
    assert data <= inside


# --- pages ---


def test_pages_need_no_network_and_can_be_read_by_everyone(pages: dict[Path, BeautifulSoup]) -> None:
    # index, search, page and projector view; index and page; three pages for lecturers
    assert len(pages) == (2 + 2 * len(SITE)) + (1 + len(SITE)) + 3
    course = {path.name for path in NOTEBOOKS}
    for path, page in pages.items():
        assert not page.select("script[src], iframe, object, embed, [onclick], [onload]")
        for tag in page.select("[src], link[href]"):
            assert str(tag.get("src") or tag["href"]).startswith("data:")
        assert not re.search(r"@import|url\(", page.style.get_text() if page.style else "")
        for address in (str(tag["href"]) for tag in page.select("a[href]")):
            name, _, place = address.partition("#")
            target = path.parent / name if name else path
            if not address.startswith("http") and address not in course:
                assert target.is_file(), address
                assert not place or pages[target].find(id=place) is not None, address
        assert page.html is not None
        assert page.html["lang"] == "en"
        assert page.title is not None
        assert page.title.get_text()
        assert len(page.select("main")) == len(page.select("h1")) == 1
        first = page.select("body a")[0]
        assert (first["class"], first["href"]) == (["skip"], "#content")
        for picture in page.select("img"):
            if not picture.find_parent(class_="cards"):  # there the title is beside it
                assert len(str(picture.get("alt", ""))) > 40
        for table in page.find_all("table"):
            assert table.parent["class"] == ["scroll"]
            assert all(header.get_text().strip() and header["scope"] for header in table.find_all("th"))
        identifiers = [tag["id"] for tag in page.select("[id]")]
        assert len(identifiers) == len(set(identifiers))
        if path.name != "search.html":  # it has code among its prose
            assert_good_prose(page)


def test_every_page_has_a_policy_that_lets_only_its_own_scripts_run(pages: dict[Path, BeautifulSoup]) -> None:
    for path, page in pages.items():
        assert page.head is not None
        first, policy, *_ = page.head.find_all("meta")
        assert first["charset"] == "utf-8"
        assert policy["http-equiv"] == "Content-Security-Policy"
        rules = dict(rule.strip().split(" ", 1) for rule in str(policy["content"]).split(";"))
        hashes = [
            f"'sha256-{base64.b64encode(hashlib.sha256(script.get_text().encode()).digest()).decode()}'"
            for script in page.find_all("script")
        ]
        assert rules.pop("script-src", "") == " ".join(hashes)
        assert rules == {
            "default-src": "'none'",  # scripts too, without a rule of their own
            "style-src": "'unsafe-inline'",
            "img-src": "data:",
            "base-uri": "'none'",
            "form-action": "'none'",
        }
        assert bool(hashes) >= (path.name == "search.html" or path.name.endswith("-slides.html"))


def test_names_of_files_and_text_outputs_are_text_in_a_page(tmp_path: Path) -> None:
    """What a file is called, and what a cell prints, opens no tag and ends no attribute."""
    bad = "<img src=x onerror=f()>"
    printed = nbformat.v4.new_output("stream", text=bad)
    shown = nbformat.v4.new_output("display_data", data={"text/plain": bad})
    picture = nbformat.v4.new_output(
        "display_data", data={"image/png": ""}, metadata={"image/png": {"alt": f'">{bad}'}}
    )
    failed = nbformat.v4.new_output("error", ename=bad, evalue=bad, traceback=[bad])
    cells = [
        nbformat.v4.new_markdown_cell("# Title"),
        nbformat.v4.new_code_cell(f"# {bad}", outputs=[printed, shown, picture, failed]),
    ]
    for stem in ('"><img src=x onerror=f()>', "b #1"):
        handouts.write(nbformat.v4.new_notebook(cells=cells), tmp_path / f"{stem}.ipynb")
    for written in build_pages(sorted(tmp_path.glob("*.ipynb")), tmp_path):
        page = BeautifulSoup(written.read_text(encoding="utf-8"), "html.parser")
        assert not page.select("[onerror], [src=x]")
        for link in page.select(
            "nav a[href]:not([href^='#']), .cards a[href], .hits a[href], .steps a[href]"
        ):
            address = unquote(str(link["href"]).partition("#")[0]) if link["href"][0] != "#" else written.name
            assert (tmp_path / address).is_file(), link


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_notebooks_text_can_be_a_page(path: Path) -> None:
    cells = [c for c in read(path).cells if c.cell_type == "markdown" and not has_tag(c, "teacher")]
    page = BeautifulSoup("\n".join(markdown_html(cell.source) for cell in cells), "html.parser")
    assert not page.select("script, iframe, object, embed, [onclick], [onload], img:not([src^=data])")
    for address in (str(tag["href"]) for tag in page.select("a[href]")):
        assert address.startswith("http") or address in {p.name for p in NOTEBOOKS}, address
    assert_good_prose(page)


def assert_good_prose(page: BeautifulSoup) -> None:
    """Headings in order, and formulas as MathML with characters that every browser has."""
    levels = [int(heading.name[1]) for heading in page.find_all(re.compile(r"^h[1-6]$"))]
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    for formula in page.find_all("math"):
        assert formula["alttext"]
        assert "\\" not in formula.get_text()
        assert not formula.find_all(mathvariant=re.compile("bold|double|script"))
    outside = {"pre", "code", "math", "style", "script"}
    prose = [text for text in page.find_all(string=True) if not outside & {tag.name for tag in text.parents}]
    assert not [text for text in prose if re.search(r"\$|\\[a-z]+", text)]


@pytest.mark.parametrize("path", SITE, ids=lambda path: path.stem)
def test_a_page_shows_the_executed_notebook_and_folds_the_answers(
    course: Path, pages: dict[Path, BeautifulSoup], path: Path
) -> None:
    source = read(path)
    page, solved = (pages[course / folder / f"{path.stem}.html"] for folder in ("students", "solutions"))
    outputs = [
        o
        for c in code_cells(source)
        if not has_tag(c, "exercise")
        for o in c.outputs
        if "image/png" in o.get("data", {})
    ]
    pictures = {str(picture["src"]).split(",")[1] for picture in page.find_all("img")}
    assert outputs
    assert {output.data["image/png"].replace("\n", "") for output in outputs} <= pictures
    widths = {str(output.metadata["image/png"]["width"]) for output in outputs}
    assert widths <= {picture.get("width") for picture in page.find_all("img")}, "half as wide as its pixels"
    turns = page.select("details.result")
    assert len(turns) == sum(has_tag(cell, "predict") for cell in source.cells)
    for turn in turns:
        assert turn.find(string=re.compile(r"^Explain")) is not None
        assert turn.select(".output")
    assert len(page.select(".highlight .line .c1:-soup-contains('# your turn')")) >= 3
    assert "Passed: " not in page.get_text()
    assert not page.select("details.solution")
    solutions = [fold for fold in solved.select("details.solution") if "Passed: " in fold.get_text()]
    assert len(solutions) == sum(has_tag(cell, "exercise") for cell in code_cells(source))
    assert not solved.select("details[open]")
    for view in (page, pages[course / "students" / f"{path.stem}-slides.html"], solved):
        assert not [c for c in source.cells if has_tag(c, "teacher") and c.source in str(view)]
    assert BEGIN_SOLUTION not in re.sub("<[^>]*>", "", str(page))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_solution_in_any_corner_of_a_notebook_stays_out_of_a_students_page(path: Path) -> None:
    notebook = with_secrets(read(path))
    page = page_of(with_folds(notebook, solutions=False), "Title", {})
    assert SECRET not in str(page)
    assert SECRET not in str(projector_view(page, "1"))
    assert SECRET in str(page_of(with_folds(notebook, solutions=True), "Title", {}))


def test_formulas_are_drawn_with_characters_that_every_browser_has() -> None:
    for latex, text in (
        (r"\boldsymbol{x}_{\mathbb H}", "𝒙ℍ"),
        (r"\mathrm{artanh}(x)", "artanh(x)"),
        (r"\arg\min_c d", "argmincd"),
        (r"\begin{cases} a \\[2pt] b \end{cases}", "{ab"),
    ):
        assert BeautifulSoup(mathml(latex), "html.parser").get_text() == text
    assert '<mo form="prefix">−</mo>' in mathml("k = -1")
    assert 'form="prefix"' not in mathml("2 - 1")
    equation = mathml(r"a = b \tag{3}", display=True)
    assert '<span class="number">(3)</span>' in equation
    assert "(3)" not in BeautifulSoup(equation, "html.parser").math.get_text()  # type: ignore[union-attr]
    assert "<math" not in markdown_html("`$x$` costs 5 \\$")
    with pytest.raises(DataError, match=r"uses \\nonsense"):
        markdown_html(r"$\nonsense$")
