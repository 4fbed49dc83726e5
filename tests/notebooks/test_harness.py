"""The harness itself: what is altered must fail, and nothing else must."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import nbformat
import pytest
from click.testing import CliRunner
from nbformat import NotebookNode

import hypav.notebooks.__main__ as command
from hypav.data.features import save_npz
from hypav.data.load import COURSE_VARIABLE, DATA_VARIABLE, open_data
from hypav.errors import RunError
from hypav.notebooks import execute, html_page, normalise, problems, strict_nbval
from hypav.notebooks.execute import course_environment, kernel_environment
from hypav.notebooks.gate import WIDGET_VIEW
from hypav.notebooks.template import code_cells, has_tag, student_source
from hypav.processors import Processor

PAGE = Path(__file__).parents[2] / "notebooks" / "01_poincare_ball.ipynb"

FIGURE = """
from hypav.figures.style import DescribedFigure

figure = DescribedFigure(figsize=(2, 2))
data = {"line": [0.0, 1.0, 4.0, 9.0]}
figure.subplots().plot(data["line"])
figure.alt_text = "A line that bends upwards."
show_figure(figure, data)
"""


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page with a number, a table, two figures and an explorer, executed."""
    sources = [
        "from hypav.figures.style import show_figure, show_table",
        "print(f'{2 ** 0.5:.4f}')",
        "show_table(['k', 'distance'], [[-1.0, 1.0986], [0.0, 1.0]])",
        FIGURE.strip(),
        FIGURE.strip(),
        "show_table(['k'], [[0.5]])",
        "from hypav.figures.poincare_ball import curvature_explorer\ncurvature_explorer()",
    ]
    page = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sources])
    for number, cell in enumerate(page.cells):
        cell["id"] = f"cell{number}"
    path = tmp_path_factory.mktemp("page") / "small.ipynb"
    nbformat.write(page, path)
    execute(path)
    return path


def edited(source: Path, target: Path, change: Callable[[NotebookNode], None]) -> Path:
    notebook = nbformat.read(source, as_version=4)
    change(notebook)
    nbformat.write(notebook, target)
    return target


def replace_in_output(cell: NotebookNode, old: str, new: str) -> None:
    for output in cell.outputs:
        if "text" in output:
            assert old in output.text
            output.text = output.text.replace(old, new)
        for mime, text in output.get("data", {}).items():
            if mime.startswith("text/"):
                output.data[mime] = text.replace(old, new)


def failed_cells(report: str) -> list[int]:
    return sorted({int(n) for n in re.findall(r"^FAILED .*::Cell (\d+)", report, re.MULTILINE)})


@pytest.mark.long
def test_unaltered_page_passes_with_its_explorer(small: Path) -> None:
    same, report = strict_nbval(small)
    assert same, report


def test_an_altered_number_table_or_figure_fails_in_its_cell_alone(small: Path, tmp_path: Path) -> None:
    def alter(notebook: NotebookNode) -> None:
        cells = notebook.cells
        replace_in_output(cells[1], "1.4142", "1.4143")
        replace_in_output(cells[2], "1.0986", "1.0987")
        replace_in_output(cells[3], "9.0000", "9.0001")
        data = cells[5].outputs[0].data
        data["text/html"] = data["text/html"].replace("0.5000</td>", "0.5001</td>")
        # one plotted point, in the code: its figure must no longer match
        cells[4].source = cells[4].source.replace("4.0, 9.0]", "4.001, 9.0]")

    same, report = strict_nbval(edited(small, tmp_path / "altered.ipynb", alter))
    assert not same
    assert failed_cells(report) == [1, 2, 3, 4, 5]


def test_a_page_that_takes_too_long_is_stopped(small: Path) -> None:
    same, report = strict_nbval(small, seconds=0.01)
    assert not same
    assert "took longer than" in report


def test_executing_again_changes_no_byte(small: Path) -> None:
    before = small.read_bytes()
    done: list[tuple[int, int]] = []
    execute(small, progress=lambda *counts: done.append(counts))
    assert done == [(n, 7) for n in range(1, 8)]
    assert small.read_bytes() == before
    notebook = nbformat.read(small, as_version=4)
    assert set(notebook.metadata) == {"hypav", "kernelspec", "language_info"}
    assert all(not cell.metadata for cell in notebook.cells)


def test_a_failing_cell_leaves_the_file_and_names_the_cell(tmp_path: Path) -> None:
    page = nbformat.v4.new_notebook()
    page.cells = [nbformat.v4.new_code_cell("1"), nbformat.v4.new_code_cell("1 / 0")]
    path = tmp_path / "broken.ipynb"
    nbformat.write(page, path)
    before = path.read_bytes()
    with pytest.raises(RunError, match=r"broken.ipynb: code cell 2 of 2 failed:[\s\S]*ZeroDivisionError"):
        execute(path)
    assert path.read_bytes() == before


def test_the_explorer_is_a_picture_where_there_is_no_kernel(small: Path) -> None:
    output = nbformat.read(small, as_version=4).cells[6].outputs[0]
    assert set(output.data) == {"image/png", "text/plain"}
    assert "Curvature −0.5" in output.metadata["image/png"]["alt"]
    html = html_page(small)
    assert html.count('alt="Curvature −0.5') == 1
    assert html.count('alt="A line that bends upwards."') == 2


# The gate: one fault put into the exemplar, one sentence out of it.


def stderr(notebook: NotebookNode) -> None:
    code_cells(notebook)[2].outputs.append(
        nbformat.v4.new_output("stream", name="stderr", text="Warning: x\n")
    )


def error(notebook: NotebookNode) -> None:
    code_cells(notebook)[2].outputs.append(
        nbformat.v4.new_output("error", ename="E", evalue="", traceback=[])
    )


def unexecute(notebook: NotebookNode) -> None:
    code_cells(notebook)[3].execution_count = None
    code_cells(notebook)[3].outputs = []


def out_of_order(notebook: NotebookNode) -> None:
    code_cells(notebook)[3].execution_count = 9


def figure_output(notebook: NotebookNode) -> NotebookNode:
    return next(o for cell in code_cells(notebook) for o in cell.outputs if "image/png" in o.get("data", {}))


def no_alt(notebook: NotebookNode) -> None:
    figure_output(notebook).metadata = {}


def no_digest(notebook: NotebookNode) -> None:
    figure_output(notebook).data["text/plain"] = "<Figure size 640x480 with 1 Axes>"


def svg(notebook: NotebookNode) -> None:
    figure_output(notebook).data["image/svg+xml"] = "<svg/>"


def widget_state(notebook: NotebookNode) -> None:
    notebook.metadata["widgets"] = {WIDGET_VIEW: {}}


def widget_view(notebook: NotebookNode) -> None:
    figure_output(notebook).data[WIDGET_VIEW] = {"model_id": "1"}


def kernel(notebook: NotebookNode) -> None:
    notebook.metadata.kernelspec.name = ".venv"


def no_time(notebook: NotebookNode) -> None:
    notebook.metadata.hypav.max_seconds = 31


def ignored(notebook: NotebookNode) -> None:
    code_cells(notebook)[1].metadata.tags.append("nbval-ignore-output")


def many_ignored(notebook: NotebookNode) -> None:
    for cell in code_cells(notebook)[:4]:
        cell.metadata["tags"] = ["nbval-ignore-output"]
        cell.metadata["hypav"] = {"reason": "x"}


def unknown_tag(notebook: NotebookNode) -> None:
    notebook.cells[3].metadata["tags"] = ["preditc"]


def long_cell(notebook: NotebookNode) -> None:
    code_cells(notebook)[1].source += "\npass" * 30


def many_cells(notebook: NotebookNode) -> None:
    for number in range(31):
        notebook.cells += [nbformat.v4.new_markdown_cell("x"), nbformat.v4.new_code_cell(f"{number}")]


def two_code_cells(notebook: NotebookNode) -> None:
    number = notebook.cells.index(code_cells(notebook)[1])
    notebook.cells.insert(number, nbformat.v4.new_code_cell("1"))


def drop_section(name: str) -> Callable[[NotebookNode], None]:
    def drop(notebook: NotebookNode) -> None:
        notebook.cells = [cell for cell in notebook.cells if not cell.source.startswith(f"## {name}")]

    return drop


def no_promise(notebook: NotebookNode) -> None:
    notebook.cells[0].source = notebook.cells[0].source.split("\n")[0]


def aim_without_section(notebook: NotebookNode) -> None:
    cell = next(c for c in notebook.cells if c.source.startswith("## You will be able to"))
    cell.source = cell.source.replace("(Section 3)", "(Section 9)")


def no_threads(notebook: NotebookNode) -> None:
    first = code_cells(notebook)[0]
    first.source = first.source.replace("torch.set_num_threads(1)", "")


def no_explain(notebook: NotebookNode) -> None:
    next(c for c in notebook.cells if has_tag(c, "explain")).metadata.tags = []


def few_turns(notebook: NotebookNode) -> None:
    for cell in notebook.cells:
        if has_tag(cell, "predict"):
            cell.metadata.tags = []


def no_question(notebook: NotebookNode) -> None:
    cell = next(c for c in notebook.cells if has_tag(c, "predict"))
    cell.source = cell.source.replace("?", ".")


def exercise(notebook: NotebookNode) -> NotebookNode:
    return next(c for c in code_cells(notebook) if has_tag(c, "exercise"))


def no_fence(notebook: NotebookNode) -> None:
    exercise(notebook).source = exercise(notebook).source.replace("### END SOLUTION", "")


def no_check(notebook: NotebookNode) -> None:
    exercise(notebook).source = exercise(notebook).source.replace("check.project(my_project)", "my_project")


def failing_solution(notebook: NotebookNode) -> None:
    exercise(notebook).outputs[0].data["text/plain"] = "Not right: x"


def open_hint(notebook: NotebookNode) -> None:
    cell = next(c for c in notebook.cells if has_tag(c, "hint"))
    cell.source = cell.source.replace("<details>", "")


def few_exercises(notebook: NotebookNode) -> None:
    for cell in [c for c in code_cells(notebook) if has_tag(c, "exercise")][1:]:
        cell.metadata.tags = []


def prints(text: str) -> Callable[[NotebookNode], None]:
    def change(notebook: NotebookNode) -> None:
        code_cells(notebook)[1].outputs.append(nbformat.v4.new_output("stream", name="stdout", text=text))

    return change


def runs(source: str) -> Callable[[NotebookNode], None]:
    def change(notebook: NotebookNode) -> None:
        code_cells(notebook)[1].source += f"\n{source}"

    return change


FAULTS: list[tuple[Callable[[NotebookNode], None], str]] = [
    (stderr, "writes to stderr: Warning: x"),
    (error, "stores the error E"),
    (unexecute, "execution counts are .*None"),
    (out_of_order, r"execution counts are \[1, 2, 3, 9"),
    (no_alt, "no alt text"),
    (no_digest, "no digest of its data"),
    (svg, "not a PNG"),
    (widget_state, "widget state is stored"),
    (widget_view, "stores a widget's id"),
    (kernel, "kernel is not python3"),
    (no_time, "at most 31 s"),
    (ignored, "needs both tags or neither"),
    (many_ignored, "nbval ignores 4 of"),
    (unknown_tag, "unknown tag 'preditc'"),
    (long_cell, r"code cell 2 has \d\d lines"),
    (many_cells, "code cells, more than 30"),
    (two_code_cells, "are both code"),
    (drop_section("What to remember"), "the sections are"),
    (drop_section("You need"), "the sections are"),
    (drop_section("2 "), "sections between are numbered"),
    (no_promise, "one line of promise"),
    (aim_without_section, "does not say which section meets it"),
    (no_threads, "lacks torch.set_num_threads"),
    (no_explain, "come not a code cell `run` and a text `explain`"),
    (few_turns, "0 predict-run-explain turns"),
    (no_question, "asks nothing"),
    (no_fence, "has not one solution between"),
    (no_check, "does not end in its check"),
    (failing_solution, "does not pass its check"),
    (open_hint, "no folded hint"),
    (few_exercises, "has 1 exercises"),
    (prints("0.123456"), "prints 0.123456: at most four decimals"),
    (prints("2.22e-16"), "rounding noise"),
    (runs("def mobius_add(x, y): pass"), "defines mobius_add, which hypav has"),
    (runs("class Explorer: pass"), "defines Explorer, which hypav has"),
    (runs("!ls"), "not plain Python"),
    (runs("import matplotlib.pyplot as plt"), "draws with pyplot"),
    (runs("interact(f, k=(0, 1))"), "uses interact"),
    (runs("torch.manual_seed(1)"), "global random state"),
    (runs("# NBVAL_IGNORE_OUTPUT"), "steers nbval in a comment"),
    (runs("import urllib.request"), "reaches for the network"),
]


@pytest.mark.parametrize(
    ("fault", "sentence"), FAULTS, ids=[f"{n}-{sentence[:30]}" for n, (_, sentence) in enumerate(FAULTS)]
)
def test_gate_finds(fault: Callable[[NotebookNode], None], sentence: str, tmp_path: Path) -> None:
    found = problems(edited(PAGE, tmp_path / "page.ipynb", fault))
    assert any(re.search(sentence, problem) for problem in found), found
    assert all(problem.startswith("page.ipynb: ") for problem in found)


def test_gate_finds_a_large_or_damaged_file(tmp_path: Path) -> None:
    def fatten(notebook: NotebookNode) -> None:
        figure_output(notebook).data["image/png"] = "A" * 500_000

    assert any("kB, more than 500" in p for p in problems(edited(PAGE, tmp_path / "page.ipynb", fatten)))
    broken = tmp_path / "broken.ipynb"
    broken.write_text("{", encoding="utf-8")
    assert len(problems(broken)) == 1
    assert "not a notebook" in problems(broken)[0]


@pytest.mark.parametrize(
    ("tags", "told", "sentences"),
    [
        (["nbval-ignore-output", "tolerance"], {"reason": "r", "tolerance": {"relative": 0.1}}, []),
        (["nbval-ignore-output"], {"reason": "r"}, ["needs both tags or neither"]),
        (["tolerance"], {"reason": "r", "tolerance": {"relative": 0.1}}, ["needs both tags or neither"]),
        (["nbval-ignore-output", "tolerance"], {"tolerance": {"relative": 0.1}}, ["without a reason"]),
        (["nbval-ignore-output", "tolerance"], {"reason": "r"}, ["has no tolerance"]),
        (
            ["nbval-ignore-output", "tolerance"],
            {"reason": "r", "tolerance": {"absolute": 0}},
            ["has no tolerance"],
        ),
    ],
)
def test_a_cell_that_depends_on_the_machine_says_why_and_how_far(
    tags: list[str], told: dict[str, Any], sentences: list[str], tmp_path: Path
) -> None:
    def ignore(notebook: NotebookNode) -> None:
        cell = code_cells(notebook)[1]
        cell.metadata.tags += tags
        cell.metadata["hypav"] = told

    found = problems(edited(PAGE, tmp_path / "page.ipynb", ignore))
    assert len(found) == len(sentences)
    assert all(sentence in problem for sentence, problem in zip(sentences, found, strict=True))


def test_a_students_cell_is_a_stub() -> None:
    inside = "def f(x):\n    'y'\n    ### BEGIN SOLUTION\n    y = x\n    return y\n    ### END SOLUTION\n\n\ncheck.f(f)"
    assert student_source(inside) == (
        "def f(x):\n    'y'\n    # your turn\n    raise NotImplementedError\n\n\ncheck.f(f)"
    )
    outside = "answer = ...\n### BEGIN SOLUTION\nanswer = 3\n### END SOLUTION\ncheck.n(answer)"
    assert student_source(outside) == "answer = ...\n# your turn\ncheck.n(answer)"


def test_a_students_page_says_not_yet_and_never_fails(tmp_path: Path) -> None:
    def strip(notebook: NotebookNode) -> None:
        for cell in code_cells(notebook):
            cell.source = student_source(cell.source)

    path = edited(PAGE, tmp_path / "student.ipynb", strip)
    execute(path)
    cells = [cell for cell in code_cells(nbformat.read(path, as_version=4)) if has_tag(cell, "exercise")]
    assert len(cells) == 6
    for cell in cells:
        assert cell.outputs[0].data["text/plain"].startswith("Not yet: ")


def test_command_executes_and_names_what_it_finds(
    tmp_path: Path, small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def pretend(path: Path, **_: Any) -> tuple[NotebookNode, float]:
        return nbformat.read(path, as_version=4), 99.0

    monkeypatch.setattr(command, "run", pretend)
    monkeypatch.setattr(command, "execute", lambda path, **_: 99.0)
    monkeypatch.setattr(command, "REFRESH_ON", ())
    page = tmp_path / PAGE.name
    page.write_bytes(PAGE.read_bytes())
    result = CliRunner().invoke(command.main, [str(page)])
    assert result.exit_code == 1
    assert "executed in 99 s" in result.output
    assert "took 99 s, longer than the 30 s it promises" in result.output
    assert page.read_bytes() == PAGE.read_bytes()
    result = CliRunner().invoke(command.main, ["--to", str(tmp_path / "copies"), str(PAGE)])
    assert (result.exit_code, "longer" in result.output) == (0, False), "a reader's machine may be slow"
    assert (tmp_path / "copies" / PAGE.name).exists()
    result = CliRunner().invoke(command.main, ["--check", str(small)])
    assert result.exit_code == 1
    assert "one line of promise" in result.output
    result = CliRunner().invoke(command.main, ["--html", str(tmp_path / "pages"), str(page)])
    assert result.exit_code == 0
    assert "The Poincaré ball" in (tmp_path / "pages" / f"{PAGE.stem}.html").read_text(encoding="utf-8")


def test_copies_come_out_the_same_side_by_side(tmp_path: Path, small: Path) -> None:
    """Told in the order of the pages, whichever ends first; one that fails does not stop the others."""
    slow, broken = tmp_path / "1.ipynb", tmp_path / "2.ipynb"
    for path, source in ((slow, "import time\ntime.sleep(2)\n1 + 1"), (broken, "1 / 0")):
        page = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source, id="only")])
        nbformat.write(page, path)
    pages = [str(path) for path in (slow, broken, small)]
    result = CliRunner().invoke(command.main, [*pages, "--to", str(tmp_path / "to"), "--jobs", "2"])
    assert result.exit_code == 1
    places = [result.output.index(f"{name}.ipynb: ") for name in ("1", "2", "small")]
    assert places == sorted(places)
    assert "2.ipynb: code cell 1 of 1 failed" in result.output
    assert (tmp_path / "to" / small.name).read_bytes() == small.read_bytes()
    (cell,) = nbformat.read(tmp_path / "to" / "1.ipynb", as_version=4).cells
    assert cell.outputs[0].data["text/plain"] == "2"


def test_command_runs_copies_on_other_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The named door reaches the copies' kernels alone, from wherever the command is given, and no page is touched."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(COURSE_VARIABLE, raising=False)
    page = nbformat.v4.new_notebook()
    page.cells = [
        nbformat.v4.new_code_cell("from hypav.data.load import course_data\nprint(course_data().name)")
    ]
    Path("pages").mkdir()
    path = Path("pages/09_page.ipynb")
    nbformat.write(page, path)
    before = path.read_bytes()
    CliRunner().invoke(command.main, [str(path), "--data", "simulated:small"])
    told = nbformat.read("runs/course-simulated-small/09_page.ipynb", as_version=4).cells[0].outputs[0].text
    assert told == "SIMULATED (small)\n"
    assert path.read_bytes() == before
    # a path from where the command is given, while the kernel starts in the copy's folder
    save_npz(replace(open_data("simulated:small"), name="my set"), Path("own.npz"))
    CliRunner().invoke(command.main, [str(path), "--data", "own.npz", "--to", "copies"])
    told = nbformat.read("copies/09_page.ipynb", as_version=4).cells[0].outputs[0].text
    assert told == "my set\n"


def test_a_door_in_the_environment_is_a_door_of_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a reader who has the variable set would overwrite the course with pages that its prose does not describe."""
    courses = []

    def pretend(path: Path, *, course: Any = None, **_: Any) -> float:
        courses.append((path.parent.name, course))
        return 0.0

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(command, "execute", pretend)
    monkeypatch.setenv(COURSE_VARIABLE, "simulated:small")
    monkeypatch.delenv(DATA_VARIABLE, raising=False)
    CliRunner().invoke(command.main, [str(PAGE)])
    assert courses == [("course-simulated-small", {COURSE_VARIABLE: "simulated:small"})]
    assert COURSE_VARIABLE not in kernel_environment()


@pytest.mark.parametrize(
    ("door", "sentence"), [("nowhere", "There is no door and no file"), ("yt8m-mini", "needs HYPAV_DATA")]
)
def test_a_door_that_does_not_open_says_so_before_anything_runs(
    door: str, sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(DATA_VARIABLE, raising=False)
    result = CliRunner().invoke(command.main, ["--data", door, str(PAGE)])
    assert result.exit_code == 2
    assert sentence in result.output
    assert not list(tmp_path.iterdir())


def test_paths_to_data_are_absolute_in_a_kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(DATA_VARIABLE, "features")
    Path("simulated").mkdir()  # a folder of the name of a door is not that door
    assert course_environment("simulated")[COURSE_VARIABLE] == "simulated"
    assert course_environment("yt8m-mini") == {
        COURSE_VARIABLE: "yt8m-mini",
        DATA_VARIABLE: str(tmp_path / "features"),
    }


def test_command_without_notebooks_says_where_to_run_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(command.main, [])
    assert result.exit_code == 2
    assert "no notebook in notebooks/" in result.output


def test_normalising_keeps_tags_and_reasons() -> None:
    notebook = nbformat.v4.new_notebook(metadata={"hypav": {"max_seconds": 3}, "widgets": {}, "x": 1})
    cell = nbformat.v4.new_code_cell(
        "1", metadata={"tags": ["run"], "hypav": {"reason": "r"}, "execution": {}}
    )
    notebook.cells = [cell]
    normalise(notebook)
    assert notebook.metadata.hypav == {"max_seconds": 3}
    assert "widgets" not in notebook.metadata
    assert notebook.cells[0].metadata == {"tags": ["run"], "hypav": {"reason": "r"}}


def test_kernel_environment_sets_the_threads() -> None:
    environment = kernel_environment(Processor(threads=2).environment)
    assert kernel_environment()["OMP_NUM_THREADS"] == "1"
    assert environment["OMP_NUM_THREADS"] == "2"
    assert environment["MPLBACKEND"] == "Agg"
