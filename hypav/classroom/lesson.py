"""What a notebook says about teaching it: plan, questions with their options, exercises with their mistakes."""

from __future__ import annotations

import ast
import importlib
import re
from dataclasses import dataclass
from typing import Any

from hypav.errors import DataError
from hypav.notebooks.template import code_cells, has_tag

__all__ = ["Exercise", "Lesson", "Question", "Step", "read_lesson"]

PLAN = re.compile(r"(\d+) minutes: ")
STEP = re.compile(r"\s*,?\s*([^();]+?) \((\d+)(?:, ([^()]*))?\)")


@dataclass(frozen=True)
class Step:
    """One line of the plan: what, for how many minutes, and how."""

    what: str
    minutes: int
    how: str


@dataclass(frozen=True)
class Question:
    """A prediction: the question, its options by letter, and the letter that the explanation names."""

    text: str
    options: dict[str, str]
    right: str


@dataclass(frozen=True)
class Exercise:
    """The exercise's title, and what its check tells about each mistake."""

    title: str
    mistakes: tuple[str, ...]


@dataclass(frozen=True)
class Lesson:
    """All that the instructor's page says of a notebook. Texts are Markdown, as they stand in it."""

    stem: str
    title: str
    promise: str
    minutes: int
    aims: tuple[str, ...]
    plan: tuple[Step, ...]
    plan_minutes: int
    at_home: str
    notes: tuple[str, ...]
    questions: tuple[Question, ...]
    exercises: tuple[Exercise, ...]


def read_lesson(notebook: Any, stem: str) -> Lesson:
    """The lesson in a notebook of the course's template.

    Args:
        notebook: one that passes `hypav.notebooks.problems`.
        stem: its file's name without the ending, for messages and links.

    Raises:
        DataError: a part that the instructor's page needs is missing: the sentence says which.
    """
    title, promise = _opening(notebook, stem)
    plan, declared, at_home, notes = _plan(notebook, stem)
    time = re.search(r"(\d+) minutes", _section(notebook, "Time"))
    if time is None:
        raise DataError(f"{stem}: `## Time` does not say how many minutes it takes.")
    return Lesson(
        stem=stem,
        title=title,
        promise=promise,
        minutes=int(time.group(1)),
        aims=tuple(re.findall(r"^[-*] (.+)", _section(notebook, "You will be able to"), re.MULTILINE)),
        plan=plan,
        plan_minutes=declared,
        at_home=at_home,
        notes=notes,
        questions=tuple(_questions(notebook, stem)),
        exercises=tuple(_exercises(notebook, stem)),
    )


def _opening(notebook: Any, stem: str) -> tuple[str, str]:
    match = re.match(r"# (.+)\n\n> (.+)", notebook.cells[0].source) if notebook.cells else None
    if match is None:
        raise DataError(f"{stem}: the first cell is not `# NN · Title`, an empty line and `> promise`.")
    return match.group(1), match.group(2)


def _plan(notebook: Any, stem: str) -> tuple[tuple[Step, ...], int, str, tuple[str, ...]]:
    """The steps, their sum as declared, what is left for home, and the other paragraphs of the `teacher` cells."""
    lines = [
        line.removeprefix("*For lecturers.*").strip()
        for cell in notebook.cells
        if has_tag(cell, "teacher")
        for line in cell.source.splitlines()
        if line.strip()
    ]
    planned = next((line for line in lines if PLAN.match(line)), None)
    if planned is None:
        raise DataError(
            f"{stem}: no `teacher` cell has a line `50 minutes: Section 1 (10), …; the rest at home.`"
        )
    start = PLAN.match(planned)
    assert start is not None
    steps, end = [], start.end()
    while step := STEP.match(planned, end):
        steps.append(Step(step.group(1), int(step.group(2)), step.group(3) or ""))
        end = step.end()
    declared, total = int(start.group(1)), sum(step.minutes for step in steps)
    if total != declared:
        raise DataError(f"{stem}: the steps of the plan for {declared} minutes add up to {total}.")
    return (
        tuple(steps),
        declared,
        planned[end:].lstrip(";. "),
        tuple(line for line in lines if line is not planned),
    )


def _questions(notebook: Any, stem: str) -> list[Question]:
    found = []
    for number, cell in enumerate(notebook.cells):
        if not has_tag(cell, "predict"):
            continue
        text, options = _options(cell.source)
        explained = next((c.source for c in notebook.cells[number:] if has_tag(c, "explain")), "")
        right = re.search(r"\(([a-z])\)", explained)
        if right is None or right.group(1) not in options:
            raise DataError(
                f"{stem}: the explanation after cell {number + 1} does not name the right option, (a) or so."
            )
        found.append(Question(text, options, right.group(1)))
    return found


def _options(source: str) -> tuple[str, dict[str, str]]:
    """The question, and its options by letter: (a), (b) … in this order, as a list or within a line."""
    text, *parts = re.split(r"(?:^- |(?<=\s))\(([a-z])\) ", source, flags=re.MULTILINE)
    options, after = {}, ""
    for letter, part in zip(parts[::2], parts[1::2], strict=True):
        option, _, after = part.strip().partition("\n\n")  # the question may go on below its options
        options[letter] = option.removesuffix("?").rstrip()
    return f"{text.replace('**Predict.**', '').strip()} {after}".strip(), options


def _exercises(notebook: Any, stem: str) -> list[Exercise]:
    titles = re.findall(r"^### (Exercise \d+: .+?)\s*$", _markdown(notebook), re.MULTILINE)
    cells = [cell for cell in code_cells(notebook) if has_tag(cell, "exercise")]
    if len(titles) != len(cells):
        raise DataError(
            f"{stem}: {len(titles)} headings `### Exercise n: …` beside {len(cells)} exercise cells."
        )
    checks = _checks(notebook, stem)
    found = []
    for title, cell in zip(titles, cells, strict=True):
        called = re.match(r"check\.(\w+)\(", cell.source.rstrip().splitlines()[-1])
        check = getattr(checks, called.group(1), None) if called else None
        if check is None:
            raise DataError(f"{stem}: {title} does not end in a check of {checks.__name__}.")
        found.append(Exercise(title, tuple(mistake.told for mistake in check.mistakes)))
    return found


def _checks(notebook: Any, stem: str) -> Any:
    """The module that the notebook imports as `check`."""
    for cell in code_cells(notebook):
        for node in ast.walk(ast.parse(cell.source)):
            if isinstance(node, ast.ImportFrom) and node.module == "hypav.checks":
                for name in node.names:
                    if name.asname == "check":
                        return importlib.import_module(f"hypav.checks.{name.name}")
    raise DataError(f"{stem}: it does not import its checks: `from hypav.checks import … as check`.")


def _section(notebook: Any, name: str) -> str:
    match = re.search(
        rf"^## {re.escape(name)}\s*$(.*?)(?=^## |\Z)", _markdown(notebook), re.MULTILINE | re.DOTALL
    )
    return match.group(1) if match else ""


def _markdown(notebook: Any) -> str:
    """The text that students read too: `## Time` must not be read from a lecturer's note below it."""
    return "\n".join(
        c.source for c in notebook.cells if c.cell_type == "markdown" and not has_tag(c, "teacher")
    )
