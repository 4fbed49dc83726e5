"""The one template of the notebooks: sections, tags, limits, and how a solution is marked."""

from __future__ import annotations

import re
from typing import Any

__all__ = [
    "BEGIN_SOLUTION",
    "CLOSING",
    "END_SOLUTION",
    "EXERCISES",
    "LIMITS",
    "OPENING",
    "TAGS",
    "TOLERANCE",
    "code_cells",
    "has_tag",
    "headings",
    "student_source",
]

# `## ` headings that come first and last, in this order; between them the numbered sections, `## 1 ...`, `## 2 ...`
OPENING = ("You will be able to", "You need", "Time", "Setup")
CLOSING = ("What to remember", "References")

# of a cell whose numbers depend on the machine: compared within metadata.hypav.tolerance (hypav.notebooks.compare)
TOLERANCE = "tolerance"

# predict (markdown with a question) -> run (code) -> explain (markdown); exercise (markdown, then code) with hint
# (markdown) between; solution, teacher: markdown that a student's copy leaves out
TAGS = frozenset(
    {
        "setup",
        "predict",
        "run",
        "explain",
        "exercise",
        "hint",
        "solution",
        "teacher",
        "widget",
        "nbval-ignore-output",
        TOLERANCE,
    }
)

EXERCISES = (3, 6)
LIMITS = {"code cells": 30, "lines a cell": 25, "bytes": 500_000, "predict turns": 3, "ignored share": 0.1}

BEGIN_SOLUTION, END_SOLUTION = "### BEGIN SOLUTION", "### END SOLUTION"
_SOLUTION = re.compile(rf"^([ \t]*){BEGIN_SOLUTION}\n.*?^[ \t]*{END_SOLUTION}$", re.MULTILINE | re.DOTALL)


def student_source(source: str) -> str:
    """A code cell without its solution: inside a function `raise NotImplementedError` takes its place, outside a
    comment, below the `answer = ...` that the cell begins with.
    """

    def stub(match: re.Match[str]) -> str:
        indent = match.group(1)
        return f"{indent}# your turn" + (f"\n{indent}raise NotImplementedError" if indent else "")

    return _SOLUTION.sub(stub, source)


def has_tag(cell: Any, tag: str) -> bool:
    return tag in cell.get("metadata", {}).get("tags", [])


def code_cells(notebook: Any) -> list[Any]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def headings(notebook: Any, level: int) -> list[str]:
    """The headings of one level in order, without those inside fenced code."""
    text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    text = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    return re.findall(rf"^{'#' * level} (.+?)\s*$", text, flags=re.MULTILINE)
