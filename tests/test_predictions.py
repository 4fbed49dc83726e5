"""The predictions of a page and what a student guessed: the record, its table, and sentences for wrong input."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import Any

import pytest

import hypav as hv
from hypav import site
from hypav.errors import DataError
from hypav.predictions import Prediction, predictions
from hypav.student import MINE_VARIABLE

NUMBER = {"id": "01.1", "kind": "number", "answer": 7.6, "within": 0.5}
CHOICE = {"id": "01.2", "kind": "choice", "answer": "b"}
SKETCH = {"id": "01.3", "kind": "sketch"}
OPTIONS = (
    "**Predict.** The curvature is doubled. Which *grows*?\n\n- (a) the first,\n  or so\n- (b) the second\n"
)


def notebook(path: Path, *questions: tuple[dict[str, Any], str]) -> Path:
    cells = [{"cell_type": "code", "metadata": {}, "source": "1", "outputs": [], "execution_count": None}]
    cells += [
        {
            "cell_type": "markdown",
            "metadata": {"hypav": {"predict": note}},
            "source": text.splitlines(keepends=True),
        }
        for note, text in questions
    ]
    text = json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5})
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture
def record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A course of one page and an empty folder of a student: the file of his guesses."""
    (tmp_path / "course").mkdir()
    questions = ((NUMBER, "How long is it?"), (CHOICE, OPTIONS), (SKETCH, "What does it look like?"))
    notebook(tmp_path / "course" / "01_a.ipynb", *questions)
    monkeypatch.setattr(site, "course_folder", lambda: tmp_path / "course")
    monkeypatch.setenv(MINE_VARIABLE, str(tmp_path / "mine.py"))
    return tmp_path / "guesses.csv"


def test_questions_are_read_from_the_course(record: Path) -> None:
    one, two, three = predictions()
    assert one == Prediction("01.1", "number", 7.6, 0.5, "How long is it?", {})
    assert two.options == {"a": "the first, or so", "b": "the second"}
    assert two.answer == "b"
    assert two.title == "Which grows?"
    assert "(a)" not in two.question
    decimal = Prediction("01.1", "number", 1.0, 0.1, "**Predict 01.1.** It is long. What has $p < 0.05$?", {})
    assert decimal.title == "What has $p < 0.05$?"
    assert three.is_right("drawn") is None


def test_every_question_of_the_course_begins_with_its_number() -> None:
    every = predictions()
    assert len(every) > 50
    assert [each.id for each in every if not each.question.startswith(f"**Predict {each.id}.** ")] == []


def test_guesses_are_recorded_with_their_day_and_the_last_one_counts(
    record: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hv.guess("01.2", "(B)")
    hv.guess("01.1", 5)
    hv.guess("01.1", 7.2)
    hv.guess("01.3", "drawn")
    assert capsys.readouterr().out == "Recorded.\n" * 4
    with record.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["id"], row["value"]) for row in rows] == [("01.1", "7.2"), ("01.2", "b"), ("01.3", "drawn")]
    assert {row["date"] for row in rows} == {date.today().isoformat()}
    assert sorted(path.name for path in record.parent.iterdir()) == ["course", "guesses.csv"]


def test_the_last_page_shows_what_was_right(record: Path) -> None:
    for number, value in (("01.1", 7.2), ("01.2", "a"), ("01.3", "drawn")):
        hv.guess(number, value)
    table = hv.guesses()
    assert table is not None
    assert list(table.index) == ["01.1", "01.2", "01.3"]
    assert list(table["question"]) == ["How long is it?", "Which grows?", "What does it look like?"]
    assert list(table["your guess"]) == [7.2, "the first, or so", "drawn"]
    assert list(table["answer"]) == [7.6, "the second", "on the page"]
    assert list(table["right"]) == ["yes", "no", "compare it yourself"]


@pytest.mark.parametrize(("value", "right"), [(7.1, "yes"), (8.1, "yes"), (8.2, "no"), ("7.6", "yes")])
def test_a_number_is_right_within_its_tolerance(value: Any, right: str, record: Path) -> None:
    hv.guess("01.1", value)
    table = hv.guesses()
    assert table is not None
    assert list(table["right"]) == [right]


def test_dots_print_and_record_nothing(record: Path, capsys: pytest.CaptureFixture[str]) -> None:
    hv.guess("01.1", ...)
    hv.guess("no such question", ...)
    assert capsys.readouterr().out == ""
    assert not record.exists()


def test_dots_take_no_time_in_a_new_process() -> None:
    code = "import sys, hypav as hv; hv.guess('01.1', ...); sys.exit('nbconvert' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    ("number", "value", "told"),
    [
        ("01.9", 1, "There is no question '01.9'"),
        ("01.1", "a", "Question 01.1 asks for a number, not 'a'."),
        ("01.1", True, "asks for a number, not True"),
        ("01.1", float("nan"), "asks for a number, not nan"),
        ("01.1", None, "asks for a number, not None"),
        ("01.1", list(range(100)), "asks for a number, not a list"),
        ("01.2", 7, "asks for one of the letters a, b, not 7"),
        ("01.2", "c", "asks for one of the letters a, b, not 'c'"),
        ("01.3", 3, "asks for a drawing on paper"),
        (7, 3, "There is no question 7"),
    ],
)
def test_a_wrong_guess_is_one_sentence_and_is_not_recorded(
    number: Any, value: Any, told: str, record: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hv.guess(number, value)
    (line,) = capsys.readouterr().out.splitlines()
    assert told in line
    assert not record.exists()


def test_without_guesses_the_last_page_says_so(record: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert hv.guesses() is None
    assert capsys.readouterr().out.startswith("No guess is recorded yet")


def test_with_none_nothing_is_read_or_stored(
    record: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    hv.guess("01.1", 7)
    before = record.read_bytes()
    monkeypatch.setenv(MINE_VARIABLE, "none")
    hv.guess("01.1", 8)
    assert hv.guesses() is None
    assert record.read_bytes() == before
    assert "Not recorded" in capsys.readouterr().out


@pytest.mark.parametrize("text", [b"\xff\xfe", b"a,b\n1,2\n"])
def test_a_damaged_record_gives_a_sentence_and_is_left_as_it_is(
    text: bytes, record: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record.write_bytes(text)
    hv.guess("01.1", 7)
    assert hv.guesses() is None
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    assert all("is not a table of guesses" in line for line in lines)
    assert record.read_bytes() == text


def test_a_guess_whose_question_has_changed_is_left_out(record: Path) -> None:
    hv.guess("01.1", 7)
    record.write_text(record.read_text() + "01.2,z,2026-01-01\n08.1,3,2026-01-01\n")
    table = hv.guesses()
    assert table is not None
    assert list(table.index) == ["01.1"]


@pytest.mark.parametrize(
    ("note", "told"),
    [
        ({"id": "1", "kind": "number"}, "has the id '1'"),
        ({"id": "01.1", "kind": "words"}, "and the kind 'words'"),
        ({"id": "01.1", "kind": "number", "answer": "7"}, "needs an answer and a tolerance"),
        ({"id": "01.1", "kind": "number", "answer": 7, "within": 0}, "needs an answer and a tolerance"),
        ({"id": "01.1", "kind": "choice", "answer": "a"}, "has the options"),
    ],
)
def test_incomplete_metadata_are_one_sentence(note: dict[str, Any], told: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=told):
        predictions([notebook(tmp_path / "01.ipynb", (note, "What?"))])


def test_what_is_no_notebook_is_one_sentence(tmp_path: Path) -> None:
    for text in ("{", "[]", '{"cells": [1]}', '{"cells": [{"source": "", "metadata": []}]}'):
        (tmp_path / "x.ipynb").write_text(text)
        with pytest.raises(DataError, match="is not a notebook"):
            predictions([tmp_path / "x.ipynb"])
