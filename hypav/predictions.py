"""The predictions of the course, and what the student guessed: `guesses.csv`, next to `mine.py`.

A question is a cell tagged `predict`. Its metadata say what is right:

    {"hypav": {"predict": {"id": "01.1", "kind": "number", "answer": 7.6, "within": 0.5}}}
    {"hypav": {"predict": {"id": "01.2", "kind": "choice", "answer": "a"}}}
    {"hypav": {"predict": {"id": "01.3", "kind": "sketch"}}}
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hypav.errors import DataError, HypavError, one_line
from hypav.student import MINE_VARIABLE, mine_file
from hypav.utils import replacing

if TYPE_CHECKING:
    import pandas as pd

_OPTION = re.compile(r"^[-*] \((\w)\) (.+(?:\n {2,}.+)*)", re.MULTILINE)
_COLUMNS = ("id", "value", "date")


@dataclass(frozen=True)
class Prediction:
    """A question that a page asks before its code runs.

    Attributes:
        id: "01.1", the first question of page 01.
        kind: "number", "choice" or "sketch", which is drawn on paper and has no right value.
        answer: the number, or the letter of the right option.
        within: a number this close to the answer is right.
        question: the Markdown of the question without its options.
        options: letter -> text.
    """

    id: str
    kind: str
    answer: float | str | None
    within: float
    question: str
    options: dict[str, str]

    @property
    def title(self) -> str:
        """The question in one line of at most 90 characters: its last sentence that ends in a question mark."""
        text = re.sub(r"[*`>#]|^\W*Predict\W+(?:\w+\.\d+\.\s*)?", "", " ".join(self.question.split()))
        asked = re.findall(r"(?:[^.?!]|\.(?=\d))*\?", text)
        line = (asked[-1] if asked else text).strip()
        return line if len(line) <= 90 else line[:89].rstrip() + "…"

    def value(self, guess: Any) -> float | str:
        """A guess as it is recorded.

        Raises:
            DataError: it is of another kind than the question.
        """
        if self.kind == "number":
            try:
                number = float(guess)
            except (TypeError, ValueError, RuntimeError):
                number = float("nan")
            if isinstance(guess, bool) or number != number:
                raise DataError(f"Question {self.id} asks for a number, not {_shown(guess)}.")
            return number
        text = str(guess).strip().strip("()").lower()
        if self.kind == "choice" and text not in self.options:
            raise DataError(
                f"Question {self.id} asks for one of the letters {', '.join(self.options)}, not {_shown(guess)}."
            )
        if self.kind == "sketch" and text not in ("drawn", "true"):
            raise DataError(
                f'Question {self.id} asks for a drawing on paper: write "drawn", not {_shown(guess)}.'
            )
        return "drawn" if self.kind == "sketch" else text

    def is_right(self, guess: float | str) -> bool | None:
        """Whether a recorded guess is right; None for a sketch, which the student compares himself."""
        if self.kind == "number":
            return abs(float(guess) - float(self.answer or 0)) <= self.within
        return None if self.kind == "sketch" else guess == self.answer


def predictions(notebooks: Sequence[Path | str] | None = None) -> list[Prediction]:
    """The predictions of notebooks in their order; by default those of the course.

    Raises:
        DataError: a file is not a notebook, or the metadata of a question are incomplete.
    """
    if notebooks is None:
        from hypav.site import course_folder  # an extra of the package

        notebooks = sorted(course_folder().glob("*.ipynb"))
    found = []
    for path in notebooks:
        try:
            cells = json.loads(Path(path).read_text(encoding="utf-8"))["cells"]
            notes = [(cell["metadata"].get("hypav", {}).get("predict"), cell["source"]) for cell in cells]
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise DataError(f"{path} is not a notebook: {one_line(error)}.") from None
        found += [prediction(note, "".join(source)) for note, source in notes if note]
    return found


def prediction(note: Any, source: str) -> Prediction:
    """A question from the metadata and the Markdown of its cell.

    Raises:
        DataError: something is missing or of the wrong type.
    """
    options = {letter: " ".join(text.split()) for letter, text in _OPTION.findall(source)}
    question = _OPTION.sub("", source).strip()
    number, kind = str(note.get("id", "")), note.get("kind")
    if not re.fullmatch(r"(\d\d|A\d)\.\d+", number) or kind not in ("number", "choice", "sketch"):
        raise DataError(f"A prediction has the id {number!r} and the kind {kind!r}, not as in 01.1, number.")
    answer, within = note.get("answer"), note.get("within", 0)
    if kind == "number" and not (_is_number(answer) and _is_number(within) and within > 0):
        raise DataError(f"Prediction {number} needs an answer and a tolerance, `within`, that are numbers.")
    if kind == "choice" and (len(options) < 2 or answer not in options):
        raise DataError(
            f"Prediction {number} has the options {list(options)}, and {answer!r} as the right one."
        )
    return Prediction(number, str(kind), answer, float(within or 0), question, options)


def guess(number: str, value: Any) -> None:
    """Record what you expect before you run the code: `hv.guess("01.1", 7.5)`. The dots `...` record nothing.

    Prints "Recorded.", or one sentence that says why nothing is recorded.
    """
    if value is ...:
        return
    path = guesses_file()
    if path is None:
        print(f"Not recorded: {MINE_VARIABLE} is none.")
        return
    try:
        asked = _asked()
        if number not in asked:
            raise DataError(
                f"There is no question {_shown(number)}: leave the number as it stands in the cell."
            )
        rows = _recorded(path)
        rows[number] = (str(asked[number].value(value)), date.today().isoformat())
        with replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerows([_COLUMNS, *((each, *rest) for each, rest in sorted(rows.items()))])
    except HypavError as error:
        print(error)
        return
    print("Recorded.")


def guesses() -> pd.DataFrame | None:
    """All recorded guesses with their answers, one row a question. With none, one printed sentence."""
    import pandas as pd

    path = guesses_file()
    try:
        rows = {} if path is None else _recorded(path)
        asked = _asked() if rows else {}
    except HypavError as error:
        print(error)
        return None
    table = []
    for number in (number for number in asked if number in rows):
        question, text = asked[number], rows[number][0]
        try:
            value = question.value(text)
        except DataError:
            continue  # the question has changed since
        answer = question.answer if question.kind == "number" else question.options.get(str(question.answer))
        given = value if question.kind == "number" else question.options.get(str(value), value)
        right = {True: "yes", False: "no", None: "compare it yourself"}[question.is_right(value)]
        table.append((number, question.title, given, "on the page" if answer is None else answer, right))
    if not table:
        print("No guess is recorded yet: replace the dots in a cell that begins with hv.guess.")
        return None
    return pd.DataFrame(table, columns=["id", "question", "your guess", "answer", "right"]).set_index("id")


def guesses_file() -> Path | None:
    """`guesses.csv` next to the file of kept functions; None if nothing is to be stored."""
    path = mine_file()
    return None if path is None else path.parent / "guesses.csv"


def _asked() -> dict[str, Prediction]:
    return {each.id: each for each in predictions()}


def _recorded(path: Path) -> dict[str, tuple[str, str]]:
    """id -> (value, date) of a file, empty if there is none."""
    if not path.exists():
        return {}
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return {row["id"]: (row["value"], row["date"]) for row in csv.DictReader(file)}
    except (OSError, UnicodeDecodeError, KeyError, csv.Error) as error:
        raise DataError(
            f"{path} is not a table of guesses with the columns {', '.join(_COLUMNS)} ({one_line(error)}). "
            "Move it away to begin a new one."
        ) from None


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _shown(value: Any) -> str:
    text = one_line(repr(value))
    return text if len(text) <= 40 else f"a {type(value).__name__}"
