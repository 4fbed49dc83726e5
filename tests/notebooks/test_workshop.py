"""The rules of a workshop page: a good page has no fault, and each change gives one sentence."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import pytest
from click.testing import CliRunner
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from hypav.predictions import Prediction
from tests.notebooks.__main__ import main
from tests.notebooks.gate import problems
from tests.notebooks.workshop import asked, faults, imbalance, measure

PAGE = Path(__file__).parents[2] / "notebooks" / "01_poincare_ball.ipynb"


def exercise(number: int, lines: int) -> list[Any]:
    body = "\n".join(f"    a{n} = x + {n}" for n in range(lines - 1)) + f"\n    return a{lines - 2}"
    body = f"    ### BEGIN SOLUTION\n    # why\n\n{body}\n    ### END SOLUTION"
    code = f"def my_step(x):\n{body}\n\n\ncheck.step(my_step).keep()"
    return [
        new_markdown_cell(f"### Exercise {number}: a step", metadata={"tags": ["exercise"]}),
        new_code_cell(code, metadata={"tags": ["exercise"]}),
    ]


def question(number: int, note: dict[str, Any], text: str = "How many are there?") -> list[Any]:
    return [
        new_markdown_cell(
            text, metadata={"tags": ["predict"], "hypav": {"predict": {"id": f"01.{number}"} | note}}
        ),
        new_code_cell(
            f'hv.guess("01.{number}", ...)  # replace the dots: a number\nfig.tree()',
            metadata={"tags": ["run"]},
        ),
        new_markdown_cell("Because.", metadata={"tags": ["explain"]}),
    ]


OPTIONS = "Which one?\n\n- (a) the first\n- (b) the second\n"


def page() -> Any:
    """1,300 words, 3 exercises, 3 predictions, 2 figures, 14 lines of code: 40 minutes."""
    picture = new_output("display_data", data={"image/png": "A", "text/plain": "alt"})
    return new_notebook(
        metadata={"hypav": {"workshop": True, "max_seconds": 30}},
        cells=[
            new_markdown_cell("# 01 · A page\n\n> A promise."),
            new_markdown_cell("## Time\n\n40 minutes to read. The code runs in at most 30 s."),
            new_markdown_cell("word " * 1250),
            new_code_cell("a = 1\n\nb = 2\n" * 4, outputs=[picture, picture]),
            *question(1, {"kind": "number", "answer": 7.6, "within": 0.5}),
            *question(2, {"kind": "choice", "answer": "b"}, OPTIONS),
            *question(3, {"kind": "sketch"}, "What does it look like?"),
            *[cell for number in (1, 2, 3) for cell in exercise(number, 6)],
            new_markdown_cell("note " * 5000, metadata={"tags": ["teacher"]}),
        ],
    )


def test_a_good_page_is_measured_and_has_no_fault() -> None:
    found = measure(page())
    assert (found.code_lines, found.figures, found.predictions) == (14, 2, 3)
    assert (found.exercises, found.student_lines) == (3, 18)
    assert 1290 <= found.words <= 1305
    assert found.minutes == pytest.approx(found.words / 130 + 14 * 8 / 60 + 2 + 3 + 21)
    assert list(faults(page())) == []


def test_a_formula_a_link_and_a_tag_are_not_many_words() -> None:
    text = "One $a + b + c$ two [three](https://a.b/c_d_e) <details>four</details>\n\n$$a\n+ b$$ - five"
    assert measure(new_notebook(cells=[new_markdown_cell(text)])).words == 7


def cell_with(notebook: Any, tag: str, number: int = 0, kind: str = "") -> Any:
    return [c for c in notebook.cells if tag in c.metadata.get("tags", []) and kind in ("", c.cell_type)][
        number
    ]


def replaces(tag: str, old: str, new: str, number: int = 0, kind: str = "") -> Callable[[Any], None]:
    def change(notebook: Any) -> None:
        cell = cell_with(notebook, tag, number, kind)
        assert old in cell.source
        cell.source = cell.source.replace(old, new)

    return change


def notes(number: int, **values: Any) -> Callable[[Any], None]:
    return lambda notebook: cell_with(notebook, "predict", number).metadata["hypav"]["predict"].update(values)


def writes(number: int, text: str) -> Callable[[Any], None]:
    return lambda notebook: notebook.cells[number].update(source=text)


CHANGES: dict[str, Callable[[Any], None]] = {
    r"has 19\d\d words of Markdown, more than 1800": writes(2, "word " * 1900),
    "takes 5[1-9] minutes, more than 50": writes(3, "a = 1\n" * 150),
    r"promises 20 minutes in `Time`, but takes \d+ minutes": writes(1, "## Time\n\n20 minutes to read."),
    "promises nothing in `Time`": writes(1, "## Time\n\nNot long."),
    "a student writes 12 lines in all, not 15 to 40": lambda n: n.cells.__delitem__(slice(-3, -1)),
    "a student writes 62 lines": lambda n: n.cells.__setitem__(slice(-3, -1), exercise(3, 50)),
    r"exercise 2 does not end in `check.name\(my_name\).keep\(\)`": replaces("exercise", ".keep()", "", 1, "code"),
    "cell 5 has no metadata.hypav.predict": lambda n: n.cells[4].metadata.pop("hypav"),
    "needs an answer and a tolerance": notes(0, within=None),
    r"has the options \['a', 'b'\], and 'c' as the right one": notes(1, answer="c"),
    r"has the options \[\], and 'b'": replaces("predict", "- (", "(", 1),
    "and the kind 'nummer'": notes(0, kind="nummer"),
    "has options, but its kind is sketch": notes(1, kind="sketch"),
    r"the questions have the ids \['01.1', '02.2', '01.3'\]": notes(1, id="02.2"),
    r'after question 01.1 does not begin with hv.guess\("01.1", \.\.\.\)': replaces("run", "...", "7"),
    r"after question 01.3 does not begin": replaces("run", '"01.3"', '"01.2"', 2),
    "0 of 3 predictions are numbers or sketches, fewer than a third": lambda n: [
        (notes(i, kind="choice", answer="a")(n), cell_with(n, "predict", i).update(source=OPTIONS)) for i in (0, 2)
    ] and None,
    "code cell 1 shows the package's source": writes(3, "hv.show(hv.geometry.distance)\n" * 14),
    "takes my_bal, which hypav.student.PACKAGE does not have": writes(3, 'f = hv.mine("my_bal")\n' * 14),
}  # fmt: skip


@pytest.mark.parametrize("sentence", CHANGES)
def test_each_fault_is_named(sentence: str) -> None:
    notebook = page()
    CHANGES[sentence](notebook)
    assert any(re.search(sentence, fault) for fault in faults(notebook)), list(faults(notebook))


def test_the_ninth_page_may_be_longer_in_two_sittings() -> None:
    notebook = page()
    notebook.cells[0].source = "# 09 · A page\n\n> A promise."
    notebook.cells[1].source = "## Time\n\n55 minutes in two sittings."
    notebook.cells[2].source = "word " * 2900
    assert not any("words" in fault or "minutes, more" in fault for fault in faults(notebook))


def test_old_pages_keep_the_old_rules_until_they_say_otherwise(tmp_path: Path) -> None:
    notebook = nbformat.read(PAGE, as_version=4)
    for workshop in (True, False):
        notebook.metadata["hypav"]["workshop"] = workshop
        cells = [cell for cell in notebook.cells if cell.cell_type == "markdown"]
        cells[-1].source += "\n" + "word " * 2000
        nbformat.write(notebook, tmp_path / "page.ipynb")
        assert any("words of Markdown" in fault for fault in problems(tmp_path / "page.ipynb")) == workshop


def several(letters: str, numbers: int) -> list[Prediction]:
    options = dict.fromkeys("abcd", "x")
    choices = [Prediction("01.1", "choice", letter, 0, "?", options) for letter in letters]
    return choices + [Prediction("01.2", "number", 1.0, 0.1, "?", {})] * numbers


@pytest.mark.parametrize(
    ("letters", "numbers", "told"),
    [
        ("aabb", 2, []),
        ("abcd", 4, []),
        ("aaab", 2, ["is right in 3 of 4"]),
        ("abcd", 1, ["1 of 5 predictions are numbers"]),
        ("bbbbb", 0, ["is right in 5 of 5", "0 of 5"]),
        ("", 0, []),
    ],
)
def test_right_letters_are_balanced_and_a_third_has_none(letters: str, numbers: int, told: list[str]) -> None:
    found = list(imbalance(several(letters, numbers)))
    assert len(found) == len(told)
    assert all(part in fault for part, fault in zip(told, found, strict=True))


def test_all_questions_of_a_page_are_found() -> None:
    assert [(each.id, each.kind, each.answer) for each in asked(page())] == [
        ("01.1", "number", 7.6),
        ("01.2", "choice", "b"),
        ("01.3", "sketch", None),
    ]


def test_times_prints_a_row_a_page(tmp_path: Path) -> None:
    nbformat.write(page(), tmp_path / "01_a.ipynb")
    before = (tmp_path / "01_a.ipynb").read_bytes()
    done = CliRunner().invoke(main, [str(tmp_path / "01_a.ipynb"), "--times"])
    assert done.exit_code == 0
    row = [part.strip() for part in done.output.splitlines()[-1].strip("|").split("|")]
    assert row[0] == "01_a"
    assert row[1] == "yes"
    assert row[3:] == ["14", "2", "3", "3", "18", "38"]
    assert (tmp_path / "01_a.ipynb").read_bytes() == before, "nothing is run"
