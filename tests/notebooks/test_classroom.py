"""The classroom: no solution reaches a student, the instructor's page invents nothing, the site needs nothing."""

from __future__ import annotations

import ast
import copy
import importlib
import json
import re
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import nbformat
import pytest
import torch
from bs4 import BeautifulSoup
from click.testing import CliRunner
from nbformat import NotebookNode

import hypav.figures.style
from hypav.classroom import build, instructor_markdown, read_lesson, student_notebook
from hypav.classroom.__main__ import main as module_main
from hypav.classroom.formulas import markdown_html, mathml
from hypav.cli import cli
from hypav.errors import DataError
from hypav.notebooks.template import BEGIN_SOLUTION, END_SOLUTION, code_cells, has_tag

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))
STYLE = Path(hypav.figures.style.__file__).parent / "classroom" / "templates" / "style.css"
SITE = [NOTEBOOKS[0], NOTEBOOKS[4]]  # of which the pages are written; every other notebook is read
COPIES = {path.name for path in NOTEBOOKS}  # a student has all of them in one folder
SECRET = "the-answer-is-42"


@cache
def read(path: Path) -> NotebookNode:
    return nbformat.read(path, as_version=4)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("classroom")
    done = CliRunner().invoke(cli, ["classroom", "--json", "--to", str(folder), *map(str, SITE)])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["files"] == sorted(str(p) for p in folder.rglob("*") if p.is_file())
    return folder


def solution_lines(notebook: NotebookNode) -> set[str]:
    """Lines of the solutions that no cell outside the exercises holds as well."""
    fenced = [
        line.strip()
        for cell in code_cells(notebook)
        if has_tag(cell, "exercise")
        for line in cell.source.split(BEGIN_SOLUTION)[1].split(END_SOLUTION)[0].splitlines()
    ]
    others = "\n".join(cell.source for cell in notebook.cells if not has_tag(cell, "exercise"))
    return {line for line in fenced if len(line) > 6 and line not in others}


def test_no_solution_is_in_a_students_file(built: Path) -> None:
    for path in NOTEBOOKS:
        source = read(path)
        file = nbformat.writes(student_notebook(source))
        if path in SITE:
            assert (built / "students" / path.name).read_text(encoding="utf-8") == file + "\n"
        lines = solution_lines(source)
        assert lines
        hidden = [
            *lines,
            *(cell.source for cell in source.cells if has_tag(cell, "solution") or has_tag(cell, "teacher")),
        ]
        for text in [*hidden, BEGIN_SOLUTION, END_SOLUTION]:
            for line in filter(str.strip, text.splitlines()):
                assert json.dumps(line, ensure_ascii=False)[1:-1] not in file, path


def test_a_secret_in_any_corner_stays_out() -> None:
    notebook = copy.deepcopy(read(NOTEBOOKS[0]))
    notebook.metadata["hypav"]["answers"] = SECRET
    notebook.metadata["author"] = SECRET
    for cell in notebook.cells:
        cell.metadata["hypav"] = {"answer": SECRET}
        if has_tag(cell, "solution") or has_tag(cell, "teacher"):
            cell.source += SECRET
        if cell.cell_type == "code" and (has_tag(cell, "exercise") or has_tag(cell, "run")):
            cell.outputs.append(nbformat.v4.new_output("stream", text=SECRET))
        if cell.cell_type == "code" and has_tag(cell, "exercise"):
            cell.source = cell.source.replace(END_SOLUTION, f"# {SECRET}\n    {END_SOLUTION}", 1)
    before = nbformat.writes(notebook)
    assert SECRET in before
    assert SECRET not in nbformat.writes(student_notebook(notebook))
    assert nbformat.writes(notebook) == before, "the source must stay as it was"


def test_students_see_what_nobody_was_asked_and_not_the_answers() -> None:
    for path in NOTEBOOKS:
        student = student_notebook(read(path))
        nbformat.validate(student)
        kept = 0
        for cell in code_cells(student):
            assert cell.execution_count is None
            asked = has_tag(cell, "run") or has_tag(cell, "exercise")
            assert not (asked and cell.outputs)
            kept += bool(cell.outputs)
        assert kept
        explained = [cell.source for cell in student.cells if has_tag(cell, "explain")]
        assert len(explained) >= 3
        folded = r"<details><summary>.*</summary>\n\n.*\n\n</details>"
        assert all(re.fullmatch(folded, text, re.DOTALL) for text in explained)
        assert "# your turn" in student.cells[1].source
        assert nbformat.writes(student) == nbformat.writes(student_notebook(read(path))), (
            "same source, same file"
        )


def names(cell: NotebookNode, kind: type) -> set[str]:
    """Names that a cell's code binds (ast.Store) or uses (ast.Load)."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(cell.source)):
        if isinstance(node, ast.Name) and isinstance(node.ctx, kind):
            found.add(node.id)
        elif kind is ast.Store and isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            found.add(node.name)
        elif kind is ast.Store and isinstance(node, ast.alias):
            found.add((node.asname or node.name).split(".")[0])
    return found


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_the_students_copy_runs_to_its_end(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No cell outside the exercises uses what an exercise binds, so these run as strict nbval ran them in the source.
    The exercises run here, after the setup that is all they need: each must say "Not yet"."""
    monkeypatch.setattr(hypav.figures.style, "display", lambda *_, **__: None)
    cells = code_cells(student_notebook(read(path)))
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


def test_solutions_are_executed_and_marked(built: Path) -> None:
    for path in SITE:
        source, solved = read(path), read(built / "instructor" / f"{path.stem}_solutions.ipynb")
        nbformat.validate(solved)
        assert [cell.source for cell in code_cells(solved)] == [cell.source for cell in code_cells(source)]
        assert [cell.outputs for cell in code_cells(solved)] == [cell.outputs for cell in code_cells(source)]
        exercises = 0
        for before, cell in pairwise(solved.cells):
            if cell.cell_type == "code" and has_tag(cell, "exercise"):
                exercises += 1
                assert before.source == f"**Solution of exercise {exercises}**"
        assert exercises >= 3
        assert solved.cells[1].source.startswith("*With solutions, for lecturers.*")


def test_the_instructors_page_says_what_the_notebooks_say() -> None:
    lessons = {path: read_lesson(read(path), path.stem) for path in NOTEBOOKS}
    page = instructor_markdown(list(lessons.values()))
    for path, lesson in lessons.items():
        source = read(path)
        assert sum(step.minutes for step in lesson.plan) == lesson.plan_minutes <= 50
        assert len(lesson.questions) == sum(has_tag(cell, "predict") for cell in source.cells)
        prose = " ".join(cell.source for cell in source.cells)
        for question in lesson.questions:
            assert list(question.options) == ["a", "b", "c", "d", "e"][: len(question.options)]
            assert len(question.options) >= 2
            for key, text in question.options.items():
                assert text in prose
                assert f"{'**right: ' if key == question.right else 'expected: '}({key})" in page
                assert text in page
        module = re.search(r"from hypav.checks import (\w+) as check", prose)
        assert module is not None
        checks = importlib.import_module(f"hypav.checks.{module.group(1)}")
        called = re.findall(r"^check\.(\w+)\(", "\n".join(c.source for c in code_cells(source)), re.MULTILINE)
        told = [tuple(m.told for m in getattr(checks, name).mistakes) for name in called]
        assert [exercise.mistakes for exercise in lesson.exercises] == told
        assert all(sentence in page for sentences in told for sentence in sentences)
        assert all(step.what in page for step in lesson.plan)
        assert lesson.notes


def changed(old: str, new: str) -> NotebookNode:
    notebook = copy.deepcopy(read(NOTEBOOKS[1]))
    for cell in notebook.cells:
        cell.source = cell.source.replace(old, new)
    return notebook


def test_what_is_missing_is_named() -> None:
    for old, new, told in (
        ("50 minutes: ", "55 minutes: ", "for 55 minutes add up to 50"),
        ("50 minutes: ", "", "no `teacher` cell has a line"),
        ("**Explain.** (c)", "**Explain.**", "does not name the right option"),
        ("import poincare_ball as check", "import poincare_ball", "does not import its checks"),
        ("check.project(", "check.nothing(", "Exercise 1: Eq. 1 for a batch does not end in a check"),
        ("> From", "From", "the first cell is not"),
        ("minutes to read", "hours to read", "does not say how many minutes"),
    ):
        with pytest.raises(DataError, match=re.escape(told)):
            read_lesson(changed(old, new), "01")


def test_a_question_may_go_on_below_its_options() -> None:
    notebook = changed("(d) more than 7, and infinitely far?", "(d) more than 7?\n\nAnd why?")
    question = read_lesson(notebook, "01").questions[0]
    assert question.options["d"] == "more than 7"
    assert question.text.endswith("And why?")
    assert "- expected: (d) more than 7\n" in instructor_markdown([read_lesson(notebook, "01")])


@pytest.fixture(scope="module")
def pages(built: Path) -> dict[Path, BeautifulSoup]:
    return {
        path: BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")
        for path in sorted(built.rglob("*.html"))
    }


def test_what_notebooks_say_has_headings_in_order_links_that_lead_somewhere_and_no_latex_left() -> None:
    """Of every notebook, as its page says it, without the page around it."""
    for path in NOTEBOOKS:
        told = [
            cell for cell in read(path).cells if cell.cell_type == "markdown" and not has_tag(cell, "teacher")
        ]
        page = BeautifulSoup("\n".join(markdown_html(cell.source) for cell in told), "html.parser")
        levels = [int(heading.name[1]) for heading in page.find_all(re.compile(r"^h[1-6]$"))]
        assert levels[0] == 1
        assert all(after <= before + 1 for before, after in pairwise(levels)), path
        assert not page.select("script, iframe, object, embed, [onclick], [onload], img:not([src^=data])"), (
            path
        )
        for address in (str(tag["href"]) for tag in page.select("a[href]")):
            assert address.startswith("http") or address in COPIES, f"{path.name} links to {address}"
        assert_no_latex(page)


def test_pages_ask_nothing_of_the_network_and_run_nothing(pages: dict[Path, BeautifulSoup]) -> None:
    assert len(pages) == len(SITE) + 2
    for path, page in pages.items():
        assert not page.select("script, iframe, object, embed, [onclick], [onload]")
        loaded = [str(tag["src"]) for tag in page.select("[src]")] + [
            str(tag["href"]) for tag in page.select("link")
        ]
        assert all(address.startswith("data:") for address in loaded)
        assert not re.search(r"@import|url\(", page.style.string if page.style and page.style.string else "")
        for tag in page.select("a[href]"):
            address = str(tag["href"])
            if address.startswith("#"):
                assert page.find(id=address[1:]) is not None, address
            elif not address.startswith("http") and address not in COPIES:
                assert (path.parent / address).is_file(), address


def test_pages_can_be_read_by_everyone(pages: dict[Path, BeautifulSoup]) -> None:
    for page in pages.values():
        assert page.html is not None
        assert page.html["lang"] == "en"
        assert page.title is not None
        assert page.title.get_text()
        assert len(page.select("main")) == len(page.select("h1")) == 1
        first = page.select("body a")[0]
        assert (first["class"], first["href"]) == (["skip"], "#content")
        levels = [int(heading.name[1]) for heading in page.find_all(re.compile(r"^h[1-6]$"))]
        assert all(after <= before + 1 for before, after in pairwise(levels))
        viewport = page.find("meta", attrs={"name": "viewport"})
        assert viewport is not None
        assert viewport["content"] == "width=device-width, initial-scale=1"  # nothing that forbids zooming
        for picture in page.find_all("img"):
            assert len(str(picture.get("alt", ""))) > 40
        assert all(table.parent["class"] == ["scroll"] for table in page.find_all("table"))
        identifiers = [tag["id"] for tag in page.select("[id]")]
        assert len(identifiers) == len(set(identifiers))


def test_a_page_shows_the_executed_notebook_and_folds_the_answers(built: Path) -> None:
    for path in SITE:
        source = read(path)
        file = (built / "students" / f"{path.stem}.html").read_text(encoding="utf-8")
        page = BeautifulSoup(file, "html.parser")
        stored = [o for cell in code_cells(source) for o in cell.outputs if "image/png" in o.get("data", {})]
        shown = {str(picture["src"]).split(",")[1] for picture in page.find_all("img")}
        assert stored
        assert {output.data["image/png"].replace("\n", "") for output in stored} <= shown
        turns = page.select("details.result")
        assert len(turns) == sum(has_tag(cell, "predict") for cell in source.cells)
        for turn in turns:
            assert not turn.has_attr("open")
            assert turn.find(string=re.compile(r"^Explain")) is not None
            assert turn.select(".output")
        solutions = [fold for fold in page.select("details.solution") if "Passed: " in fold.get_text()]
        assert len(solutions) == sum(c.cell_type == "code" and has_tag(c, "exercise") for c in source.cells)
        for fold in page.select("details"):
            fold.extract()
        assert BEGIN_SOLUTION not in page.get_text()
        for cell in source.cells:
            if has_tag(cell, "teacher"):
                assert cell.source not in file


def assert_no_latex(page: BeautifulSoup) -> None:
    """Formulas are MathML, with characters that every browser has."""
    for formula in page.find_all("math"):
        assert formula["alttext"]
        assert "\\" not in formula.get_text()
        assert not formula.find_all(mathvariant=re.compile("bold|double|script"))
    outside = {"pre", "code", "math", "style"}
    prose = [text for text in page.find_all(string=True) if not outside & {tag.name for tag in text.parents}]
    assert not [text for text in prose if re.search(r"\$|\\[a-z]+", text)]


def test_formulas_are_mathml_and_no_latex_is_left(pages: dict[Path, BeautifulSoup]) -> None:
    assert any(page.find_all("math") for page in pages.values())
    for page in pages.values():
        assert_no_latex(page)


def test_a_formula_is_drawn_with_characters_that_every_browser_has() -> None:
    for latex, shown in (
        (r"\boldsymbol{x}_{\mathbb H}", "𝒙ℍ"),
        (r"\mathrm{artanh}(x)", "artanh(x)"),
        (r"\arg\min_c d", "argmincd"),
        (r"\begin{cases} a \\[2pt] b \end{cases}", "{ab"),
    ):
        assert BeautifulSoup(mathml(latex), "html.parser").get_text() == shown


def test_a_sign_is_no_sum_and_an_equation_keeps_its_number() -> None:
    assert '<mo form="prefix">−</mo>' in mathml("k = -1")
    assert 'form="prefix"' not in mathml("2 - 1")
    equation = mathml(r"a = b \tag{3}", display=True)
    assert '<span class="number">(3)</span>' in equation
    assert "(3)" not in BeautifulSoup(equation, "html.parser").math.get_text()  # type: ignore[union-attr]
    assert "<math" not in markdown_html("`$x$` costs 5 \\$")
    with pytest.raises(DataError, match=r"uses \\nonsense"):
        markdown_html(r"$\nonsense$")


def luminance(colour: str) -> float:
    parts = [int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_every_colour_of_text_stands_out_from_what_it_stands_on() -> None:
    """WCAG 2.2, 1.4.3: 4.5 to 1, by day and by night."""
    style = STYLE.read_text(encoding="utf-8").split("@media print")[0]
    themes = [
        dict(re.findall(r"--([\w-]+): (#\w{6})", part)) for part in style.split("prefers-color-scheme: dark")
    ]
    assert [len(theme) for theme in themes] == [15, 15]
    for theme in themes:
        for text in ("ink", "quiet", "link", "keyword", "string", "comment", "number", "name"):
            for ground in ("paper", "block", *(("ask", "task") if text == "ink" else ())):
                light, dark = sorted((luminance(theme[text]), luminance(theme[ground])), reverse=True)
                assert (light + 0.05) / (dark + 0.05) >= 4.5, (text, ground, theme)


def test_the_module_writes_what_the_command_writes(built: Path, tmp_path: Path) -> None:
    done = CliRunner().invoke(module_main, ["--to", str(tmp_path), str(SITE[0])])
    assert done.output.count("wrote ") == 6
    for name in (f"students/{SITE[0].name}", f"instructor/{SITE[0].stem}_solutions.ipynb"):
        assert (tmp_path / name).read_bytes() == (built / name).read_bytes()


def test_mistakes_get_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(module_main, [])
    assert (done.exit_code, done.output) == (
        2,
        "Error: There is no notebook in notebooks/: run this from the project's folder, or name notebooks.\n",
    )
    (tmp_path / "broken.ipynb").write_text("{", encoding="utf-8")
    for name in ("broken.ipynb", "missing.ipynb"):
        with pytest.raises(DataError, match=f"{name} is not a notebook of format 4: .+"):
            build([name], tmp_path / "out")
    nbformat.write(student_notebook(read(NOTEBOOKS[-1])), tmp_path / "copy.ipynb")
    with pytest.raises(DataError, match=r"copy.ipynb is not executed"):
        build(["copy.ipynb"], tmp_path / "out")
    assert not (tmp_path / "out").exists()
