"""Notebooks that were handed in: a row an exercise, whatever is in them, and nothing outside their process."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner

from hypav.cli import cli
from hypav.errors import DataError
from hypav.handed_in import check_folder, check_notebook, expected, run_cells

START = "import os\nimport torch\nimport hypav as hv\nfrom hypav.checks import poincare_ball as check\n"
KEEP = "\n\ncheck.project(my_project).keep()"
PROJECT = f"def my_project(x, *, k, xi):\n    return hv.geometry.project(x, k=k, xi=xi){KEEP}"
WRONG = f"def my_project(x, *, k, xi):\n    return x{KEEP}"
ADD = "def my_mobius_add(x, y, *, k):\n    return hv.geometry.mobius_add(x, y, k=k)\n\ncheck.mobius_add(my_mobius_add)"


def notebook(path: Path, *cells: str) -> Path:
    """A notebook of these code cells, after the one that imports the page's checks."""
    path.parent.mkdir(parents=True, exist_ok=True)
    code = {"cell_type": "code", "metadata": {}, "outputs": [], "execution_count": None}
    text = {"cell_type": "markdown", "metadata": {}, "source": ["# mine"]}
    stored = [text, *(code | {"source": cell.splitlines(keepends=True)} for cell in (START, *cells))]
    path.write_text(
        json.dumps({"cells": stored, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}), "utf-8"
    )
    return path


def judged(*cells: str) -> dict[str, str]:
    """What is said of cells, in this process: name of the check -> the verdict as text."""
    return {name: str(verdict) for name, verdict in run_cells([START, *cells], "poincare_ball", 60)}


def test_the_course_says_which_exercises_a_page_has() -> None:
    assert {"project", "mobius_add", "distance"} <= set(expected()["poincare_ball"])
    assert len(expected()) >= 13


def test_answers_are_judged_with_and_without_keep() -> None:
    told = judged(PROJECT, ADD)
    assert told["project"].startswith("Passed: ")
    assert told["mobius_add"].startswith("Passed: ")
    assert "Kept" not in told["project"], "nothing is stored"
    assert "gives back its first argument unchanged" in judged(WRONG)["project"]


@pytest.mark.parametrize(
    ("cell", "told"),
    [
        ("my_project = 3\ncheck.project(my_project)", "give the check your function itself"),
        ("raise NotImplementedError\ncheck.project(my_project)", "Not yet: the cell is still to be written"),
        ("1 / 0\ncheck.project(my_project)", "the cell stopped with ZeroDivisionError"),
        ("check.project(my_projekt)", "the cell stopped with NameError: name 'my_projekt' is not defined"),
        ("def my_project(x:\ncheck.project(my_project)", "the cell is not valid Python"),
        ("exit(3)\ncheck.project(my_project)", "the cell stopped with SystemExit"),
        ("%matplotlib inline\n!touch here\n" + PROJECT, "Passed: "),
        (
            "def f(x, *, k, xi):\n    raise KeyboardInterrupt\ncheck.project(lambda *a, **k: ...).keep()",
            "Not yet: ",
        ),
    ],
)
def test_a_cell_that_fails_is_a_sentence_and_the_next_one_runs(
    cell: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    found = judged(cell, ADD)
    assert told in found["project"]
    assert found["mobius_add"].startswith("Passed: ")
    assert not (tmp_path / "here").exists(), "a line for the shell is not run"


def test_a_check_that_the_student_has_replaced_is_not_used() -> None:
    told = judged("class check:\n    project = staticmethod(lambda f: True)\n" + WRONG)
    assert told["project"].startswith("Not right: ")


def test_a_loop_without_an_end_is_stopped() -> None:
    cells = [START, "while True:\n    pass\ncheck.project(1)", ADD]
    told = {name: str(verdict) for name, verdict in run_cells(cells, "poincare_ball", 2)}
    assert "a loop without an end" in told["project"]
    assert told["mobius_add"].startswith("Passed: ")


def test_a_folder_gives_a_row_an_exercise_and_nothing_happens_outside(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    tries = [
        f"open({str(outside)!r}, 'w').write('x')",
        f"os.system('touch {outside}')",
        f"import subprocess; subprocess.run(['touch', {str(outside)!r}])",
        f"os.mkdir({str(outside)!r})",
        "import socket; socket.create_connection(('127.0.0.1', 9))",
        "open('inside', 'w').write('x')",
    ]
    catching = ["answers = []\n"] + [
        f"try:\n    {line}\nexcept PermissionError:\n    answers.append({n})" for n, line in enumerate(tries)
    ]
    handed = tmp_path / "handed in"
    notebook(
        handed / "anna" / "01.ipynb", *catching, "assert answers == [0, 1, 2, 3, 4], answers\n" + PROJECT, ADD
    )
    notebook(handed / "ben" / "01.ipynb", WRONG)
    notebook(handed / "carla.ipynb", PROJECT, "os._exit(3)", ADD)
    (handed / "broken.ipynb").write_bytes(b"\xff\xfe")
    (handed / "other.ipynb").write_text('{"cells": []}')
    (handed / ".ipynb_checkpoints").mkdir()
    (handed / ".ipynb_checkpoints" / "copy.ipynb").write_text("{")

    result = CliRunner().invoke(
        cli, ["check", str(handed), "--to", str(tmp_path / "=out.csv"), "--jobs", "2"]
    )

    assert result.exit_code == 0, result.output
    table = pd.read_csv(tmp_path / "=out.csv", keep_default_na=False)
    assert list(table.columns) == ["file", "exercise", "outcome", "sentence"]
    assert not outside.exists()
    assert not [path.name for path in handed.rglob("*") if path.name in ("mine.py", "inside")]
    rows = {(row.file, row.exercise.partition(" ")[2]): row for row in table.itertuples()}
    outcome = {place: row.outcome for place, row in rows.items()}
    assert outcome["anna/01.ipynb", "project"] == outcome["anna/01.ipynb", "mobius_add"] == "Passed", rows
    assert outcome["anna/01.ipynb", "distance"] == "Not yet"
    assert rows["anna/01.ipynb", "distance"].sentence == "there is no cell with this check."
    assert outcome["ben/01.ipynb", "project"] == "Not right"
    assert outcome["carla.ipynb", "project"] == "Passed"
    assert outcome["carla.ipynb", "mobius_add"] == "Not run"
    assert "its process ended with 3" in rows["carla.ipynb", "mobius_add"].sentence
    assert "this is not a notebook" in rows["broken.ipynb", ""].sentence
    assert "no cell imports the checks of a page" in rows["other.ipynb", ""].sentence
    assert len(table) == 3 * len(expected()["poincare_ball"]) + 2
    assert f"5 notebooks, {len(table)} rows" in result.output


def test_a_notebook_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    path = notebook(tmp_path / "slow.ipynb", "import time\ntime.sleep(1000)", PROJECT)
    rows = check_notebook(path, seconds=1)
    assert {row[1] for row in rows} == {"Not run"}
    assert "took longer than 1 s" in rows[0][2]


def test_a_folder_without_notebooks_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="There is no notebook in"):
        check_folder(tmp_path)
    with pytest.raises(DataError, match="is not a folder"):
        check_folder(tmp_path / "missing")
