"""The classroom: no solution reaches a student, the instructor's page invents nothing, the site needs nothing."""

from __future__ import annotations

import ast
import importlib
import json
import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import nbformat
import pytest
from bs4 import BeautifulSoup
from click.testing import CliRunner
from nbformat import NotebookNode

import hypav.show
from hypav.classroom import build, instructor_markdown, read_lesson, solution_notebook, student_notebook
from hypav.classroom.__main__ import main as module_main
from hypav.classroom.formulas import markdown_html, mathml
from hypav.cli import cli
from hypav.errors import DataError
from hypav.notebooks.template import BEGIN_SOLUTION, END_SOLUTION, code_cells, has_tag

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))
STYLE = Path(hypav.show.__file__).parent / "classroom" / "templates" / "style.css"
each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
SECRET = "the-answer-is-42"


def read(path: Path) -> NotebookNode:
    return nbformat.read(path, as_version=4)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("classroom")
    written = build(NOTEBOOKS, folder)
    assert sorted(written) == sorted(path for path in folder.rglob("*") if path.is_file())
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


@each_notebook
def test_no_solution_is_in_the_students_file(path: Path, built: Path) -> None:
    source = read(path)
    file = (built / "students" / path.name).read_text(encoding="utf-8")
    lines = solution_lines(source)
    assert lines
    hidden = [
        *lines,
        *(cell.source for cell in source.cells if has_tag(cell, "solution") or has_tag(cell, "teacher")),
    ]
    for text in [*hidden, BEGIN_SOLUTION, END_SOLUTION]:
        assert json.dumps(text, ensure_ascii=False)[1:-1] not in file
        for line in filter(str.strip, text.splitlines()):
            assert json.dumps(line, ensure_ascii=False)[1:-1] not in file


def test_a_secret_in_any_corner_stays_out() -> None:
    notebook = read(NOTEBOOKS[0])
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


@each_notebook
def test_students_see_what_nobody_was_asked_and_not_the_answers(path: Path) -> None:
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
    assert all(
        re.fullmatch(r"<details><summary>.*</summary>\n\n.*\n\n</details>", text, re.DOTALL)
        for text in explained
    )
    assert "# your turn" in student.cells[1].source
    assert nbformat.writes(student) == nbformat.writes(student_notebook(read(path))), "same source, same file"


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


@each_notebook
def test_the_students_copy_runs_to_its_end(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No cell outside the exercises uses what an exercise binds, so these run as strict nbval ran them in the source.
    The exercises, and what they need, run here: each must say "Not yet"."""
    monkeypatch.setattr(hypav.show, "display", lambda *_, **__: None)
    cells = code_cells(student_notebook(read(path)))
    exercises = [n for n, cell in enumerate(cells) if has_tag(cell, "exercise")]
    others = [cell for n, cell in enumerate(cells) if n not in exercises]
    bound = set().union(*(names(cells[n], ast.Store) for n in exercises))
    for n, cell in enumerate(cells):
        if n in exercises:
            continue
        earlier = set().union(
            *(names(c, ast.Store) for m, c in enumerate(cells[: n + 1]) if m not in exercises)
        )
        assert not names(cell, ast.Load) & (bound - earlier), f"code cell {n + 1} needs an exercise's answer"
    assert others
    needed, wanted = set(exercises) | {0}, set()
    for n in reversed(range(len(cells))):
        if n in needed or names(cells[n], ast.Store) & wanted:
            needed.add(n)
            wanted |= names(cells[n], ast.Load)
    import torch

    threads, dtype = torch.get_num_threads(), torch.get_default_dtype()
    space: dict[str, Any] = {}
    try:
        for n in sorted(needed):
            *lines, last = ast.parse(cells[n].source).body
            exec(compile(ast.Module(lines, []), path.name, "exec"), space)
            if n in exercises:
                assert isinstance(last, ast.Expr)
                verdict = eval(compile(ast.Expression(last.value), path.name, "eval"), space)
                assert str(verdict).startswith("Not yet: ")
            else:
                exec(compile(ast.Module([last], []), path.name, "exec"), space)
    finally:
        torch.set_num_threads(threads)
        torch.set_default_dtype(dtype)


@each_notebook
def test_solutions_are_executed_and_marked(path: Path, built: Path) -> None:
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
    assert solution_notebook(source).cells[1].source.startswith("*With solutions, for lecturers.*")


@each_notebook
def test_the_instructors_page_says_what_the_notebook_says(path: Path, built: Path) -> None:
    source = read(path)
    lesson = read_lesson(source, path.stem)
    page = (built / "instructor" / "index.md").read_text(encoding="utf-8")
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
    notebook = read(NOTEBOOKS[0] if "00" not in NOTEBOOKS[0].name else NOTEBOOKS[1])
    for cell in notebook.cells:
        cell.source = cell.source.replace(old, new)
    return notebook


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("50 minutes: ", "55 minutes: ", "for 55 minutes add up to 50"),
        ("50 minutes: ", "", "no `teacher` cell has a line"),
        ("**Explain.** (c)", "**Explain.**", "does not name the right option"),
        ("import poincare_ball as check", "import poincare_ball", "does not import its checks"),
        ("check.project(", "check.nothing(", "Exercise 1: Eq. 1 for a batch does not end in a check"),
        ("# 01 ·", "# One:", None),
        ("> From", "From", "the first cell is not"),
        ("minutes to read", "hours to read", "does not say how many minutes"),
    ],
)
def test_what_is_missing_is_named(old: str, new: str, told: str | None) -> None:
    notebook = changed(old, new)
    if told is None:
        assert read_lesson(notebook, "01").title.startswith("One:")
        return
    with pytest.raises(DataError, match=re.escape(told)):
        read_lesson(notebook, "01")


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


def test_pages_ask_nothing_of_the_network_and_run_nothing(pages: dict[Path, BeautifulSoup]) -> None:
    assert len(pages) == len(NOTEBOOKS) + 2
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
            elif not address.startswith("http"):
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


@each_notebook
def test_a_page_shows_the_executed_notebook_and_folds_the_answers(path: Path, built: Path) -> None:
    source = read(path)
    file = (built / "students" / f"{path.stem}.html").read_text(encoding="utf-8")
    page = BeautifulSoup(file, "html.parser")
    stored = [o for cell in code_cells(source) for o in cell.outputs if "image/png" in o.get("data", {})]
    shown = {str(picture["src"]).split(",")[1] for picture in page.find_all("img")}
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


def test_formulas_are_mathml_and_no_latex_is_left(pages: dict[Path, BeautifulSoup]) -> None:
    for page in pages.values():
        for formula in page.find_all("math"):
            assert formula["alttext"]
            assert "\\" not in formula.get_text()
            assert not formula.find_all(mathvariant=re.compile("bold|double|script"))
        outside = {"pre", "code", "math", "style"}
        prose = [
            text for text in page.find_all(string=True) if not outside & {tag.name for tag in text.parents}
        ]
        assert not [text for text in prose if re.search(r"\$|\\[a-z]+", text)]


@pytest.mark.parametrize(
    ("latex", "shown"),
    [
        (r"\boldsymbol{x}_{\mathbb H}", "𝒙ℍ"),
        (r"\mathrm{artanh}(x)", "artanh(x)"),
        (r"\arg\min_c d", "argmincd"),
        (r"\begin{cases} a \\[2pt] b \end{cases}", "{ab"),
    ],
)
def test_a_formula_is_drawn_with_characters_that_every_browser_has(latex: str, shown: str) -> None:
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


def test_the_command_says_what_it_wrote(tmp_path: Path) -> None:
    page = str(NOTEBOOKS[-1])
    done = CliRunner().invoke(cli, ["classroom", "--json", "--to", str(tmp_path / "a"), page])
    assert done.exit_code == 0, done.output
    files = json.loads(done.stdout)["files"]
    assert len(files) == 6
    assert all(Path(file).is_file() for file in files)
    done = CliRunner().invoke(module_main, ["--to", str(tmp_path / "b"), page])
    assert done.output.count("wrote ") == 6
    for file in files:
        same = Path(str(file).replace(str(tmp_path / "a"), str(tmp_path / "b")))
        assert same.read_bytes() == Path(file).read_bytes()


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
