"""What a page of the workshop keeps to: its length and time, what a student builds, and its predictions.

The rules hold for notebooks with `metadata.hypav.workshop: true`. Each yields one sentence per fault.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from hypav.errors import DataError
from hypav.handouts import BEGIN_SOLUTION, END_SOLUTION, code_cells, has_tag
from hypav.predictions import Prediction, prediction
from hypav.student import PACKAGE

SITTING = 50  # minutes
WORDS = 1800
LONG = {"09": (3000, 2)}  # page -> words, sittings
LINES = (15, 40)  # that a student writes in a page
TOLERANCE = 0.15  # of the time that a page promises
SHARE_OPEN, SHARE_LETTER = 1 / 3, 1 / 2

_SOLUTION = re.compile(rf"{BEGIN_SOLUTION}\n(.*?)^[ \t]*{END_SOLUTION}", re.MULTILINE | re.DOTALL)
_GUESS = re.compile(r'hv\.guess\("([^"]*)", \.\.\.\)')


@dataclass(frozen=True)
class Measures:
    """What a page asks of a student. Lecturers' notes and discussions of solutions are not in a student's copy.

    Attributes:
        words: of Markdown; a formula is one word.
        code_lines: that the student reads, without those of exercises.
        figures: pictures and explorers.
        student_lines: that the student writes: lines of code in the solutions.
    """

    words: int
    code_lines: int
    figures: int
    predictions: int
    exercises: int
    student_lines: int

    @property
    def minutes(self) -> float:
        """130 words a minute, 8 s a line of code, 1 min a figure and a prediction, 7 min an exercise."""
        reading = self.words / 130 + self.code_lines * 8 / 60
        return reading + self.figures + self.predictions + 7 * self.exercises


def measure(notebook: Any) -> Measures:
    """The measures of a notebook."""
    code = code_cells(notebook)
    exercises = [cell for cell in code if has_tag(cell, "exercise")]
    texts = (
        cell.source
        for cell in notebook.cells
        if cell.cell_type == "markdown" and not (has_tag(cell, "teacher") or has_tag(cell, "solution"))
    )
    return Measures(
        words=sum(map(_words, texts)),
        code_lines=sum(len(_lines(cell.source)) for cell in code if not has_tag(cell, "exercise")),
        figures=sum("image/png" in output.get("data", {}) for cell in code for output in cell.outputs),
        predictions=sum(has_tag(cell, "predict") for cell in notebook.cells),
        exercises=len(exercises),
        student_lines=sum(
            not line.startswith("#")
            for cell in exercises
            for body in _SOLUTION.findall(cell.source)
            for line in _lines(body)
        ),
    )


def faults(notebook: Any) -> Iterator[str]:
    """All that is wrong with a page of the workshop; nothing for other notebooks."""
    if not is_workshop(notebook):
        return
    for rule in (_length_and_time, _builds, _predictions, _mine):
        yield from rule(notebook)


def is_workshop(notebook: Any) -> bool:
    """Whether a notebook says that it follows these rules."""
    return bool(notebook.metadata.get("hypav", {}).get("workshop"))


def asked(notebook: Any) -> list[Prediction]:
    """The predictions of a notebook whose metadata are complete."""
    notes = ((cell.metadata.get("hypav", {}).get("predict"), cell.source) for cell in notebook.cells)
    return [prediction(note, source) for note, source in notes if note]


def imbalance(predictions: Iterable[Prediction]) -> Iterator[str]:
    """What lets a student guess without thinking, over all pages: a letter too often right, too few open questions."""
    predictions = list(predictions)
    letters = Counter(str(each.answer) for each in predictions if each.kind == "choice")
    for letter, count in letters.items():
        if sum(letters.values()) >= 4 and count > SHARE_LETTER * sum(letters.values()):
            yield f"({letter}) is right in {count} of {sum(letters.values())} questions, more than half"
    yield from _few_open(predictions)


def _few_open(predictions: list[Prediction]) -> Iterator[str]:
    choices = sum(each.kind == "choice" for each in predictions)
    if len(predictions) - choices < SHARE_OPEN * len(predictions):
        yield (
            f"{len(predictions) - choices} of {len(predictions)} predictions are numbers or sketches, fewer than a third"
        )


def _length_and_time(notebook: Any) -> Iterator[str]:
    found = measure(notebook)
    words, sittings = LONG.get(_number(notebook), (WORDS, 1))
    if found.words > words:
        yield f"has {found.words} words of Markdown, more than {words}"
    if round(found.minutes) > SITTING * sittings:
        yield f"takes {found.minutes:.0f} minutes, more than {SITTING} in each of {sittings} sittings: {found}"
    text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    section = re.search(r"^## Time\s*$(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    promised = re.search(r"(\d+) minutes", section.group(1)) if section else None
    if promised is None or abs(int(promised.group(1)) - found.minutes) > TOLERANCE * found.minutes:
        said = "nothing" if promised is None else f"{promised.group(1)} minutes"
        yield f"promises {said} in `Time`, but takes {found.minutes:.0f} minutes: {found}"


def _builds(notebook: Any) -> Iterator[str]:
    lines = measure(notebook).student_lines
    if not LINES[0] <= lines <= LINES[1]:
        yield f"a student writes {lines} lines in all, not {LINES[0]} to {LINES[1]}"
    for number, cell in enumerate((c for c in code_cells(notebook) if has_tag(c, "exercise")), 1):
        last = cell.source.rstrip().rpartition("\n")[2]
        if not re.fullmatch(r"check\.\w+\(.+\)\.keep\(\)", last):
            yield f"exercise {number} does not end in `check.name(my_name).keep()`"


def _predictions(notebook: Any) -> Iterator[str]:
    ids, found = [], []
    for place, cell in enumerate(notebook.cells):
        if not has_tag(cell, "predict"):
            continue
        note = cell.metadata.get("hypav", {}).get("predict")
        if not note:
            yield f"the question of cell {place + 1} has no metadata.hypav.predict: id, kind and answer"
            continue
        ids.append(str(note.get("id")))
        try:
            found.append(prediction(note, cell.source))
        except DataError as error:
            yield f"the question of cell {place + 1}: {error}"
        if note.get("kind") != "choice" and re.search(r"\(b\)", cell.source):
            yield f"the question of cell {place + 1} has options, but its kind is {note.get('kind')}"
        run = notebook.cells[place + 1] if place + 1 < len(notebook.cells) else None
        first = run.source.partition("\n")[0] if run is not None and run.cell_type == "code" else ""
        match = _GUESS.match(first)
        if match is None or match.group(1) != ids[-1]:
            yield f'the cell after question {ids[-1]} does not begin with hv.guess("{ids[-1]}", ...)'
    expected = [f"{_number(notebook)}.{n}" for n in range(1, len(ids) + 1)]
    if ids != expected:
        yield f"the questions have the ids {ids}, not {expected}"
    yield from _few_open(found)


def _mine(notebook: Any) -> Iterator[str]:
    for number, cell in enumerate(code_cells(notebook), 1):
        if re.search(r"\bhv\.show\(hv\.[\w.]+\)", cell.source):
            yield f"code cell {number} shows the package's source: teach from a short version of your own"
        for name in re.findall(r'hv\.mine\("(\w+)"\)', cell.source):
            if name not in PACKAGE:
                yield f"code cell {number} takes {name}, which hypav.student.PACKAGE does not have: add a row"


def _number(notebook: Any) -> str:
    match = re.match(r"# (\d\d|A\d)", notebook.cells[0].source if notebook.cells else "")
    return match.group(1) if match else ""


def _words(text: str) -> int:
    """Words as they are read: a formula, a link and a piece of code are one each; tags are none."""
    text = re.sub(r"\$\$.*?\$\$|\$[^$]*\$", " x ", text, flags=re.DOTALL)
    text = re.sub(r"\]\([^)]*\)", "] ", text)
    text = re.sub(r"<[^>]*>", " ", text)
    return sum(bool(re.search(r"\w", word)) for word in text.split())


def _lines(source: str) -> list[str]:
    return [line.strip() for line in source.splitlines() if line.strip()]
