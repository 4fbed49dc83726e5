"""Predictions as GIFT, the text format in which Moodle and other learning platforms import questions.

https://docs.moodle.org/en/GIFT_format. A number is a numerical question with its tolerance, a choice a multiple-choice
question, and a sketch an essay, which the lecturer looks at.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import groupby

from nbconvert.filters.markdown_mistune import markdown2html_mistune

from hypav.predictions import Prediction

_ESCAPES = str.maketrans({letter: f"\\{letter}" for letter in "\\~=#{}:"} | {"\n": r"\n", "\r": ""})


def gift(predictions: Sequence[Prediction]) -> str:
    """The text of a GIFT file with one category per page, in the order of the questions."""
    parts = []
    for page, questions in groupby(predictions, key=lambda each: each.id.partition(".")[0]):
        parts += [f"$CATEGORY: hypav/page {page}", *map(_question, questions)]
    return "\n\n".join(parts) + "\n" if parts else ""


def _question(question: Prediction) -> str:
    start = f"::{_escaped(f'{question.id} {question.title}')}::[html]{_escaped(_html(question.question))} "
    if question.kind == "number":
        return f"{start}{{#{question.answer!r}:{question.within!r}}}"
    if question.kind == "sketch":
        return f"{start}{{}}"
    lines = [
        f"{'=' if letter == question.answer else '~'}[html]{_escaped(_html(text))}"
        for letter, text in question.options.items()
    ]
    return "\n".join([f"{start}{{", *lines, "}"])


def _html(markdown: str) -> str:
    r"""Markdown as HTML, with formulas between \( and \), which Moodle's MathJax draws."""
    html = markdown2html_mistune(markdown).strip()
    html = re.sub(r"\$\$(.+?)\$\$", r"\\[\1\\]", html, flags=re.DOTALL)
    return re.sub(r"\$([^$]+)\$", r"\\(\1\\)", html)


def _escaped(text: str) -> str:
    return text.translate(_ESCAPES)
