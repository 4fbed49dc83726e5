"""The instructor's page, in Markdown: nothing in it but what the notebooks and their checks say."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from hypav.classroom.lesson import Lesson

__all__ = ["instructor_markdown"]

INTRODUCTION = """# Instructor's page

Plans, questions and known mistakes of every notebook, taken from the notebooks themselves. A lesson is one notebook;
its exercises check themselves, and each wrong answer below is one that the check recognises and answers with the
sentence that stands here.
"""


def instructor_markdown(lessons: Sequence[Lesson]) -> str:
    """One page for all lessons: plan, what students expect, predictions with the answer, mistakes by exercise."""
    return INTRODUCTION + "\n" + "\n\n".join("\n\n".join(_lesson(lesson)) for lesson in lessons) + "\n"


def _lesson(lesson: Lesson) -> Iterator[str]:
    yield f"## {lesson.title}"
    yield f"> {lesson.promise}"
    yield f"{lesson.minutes} minutes for a student who works alone."
    yield f"### Plan for {lesson.plan_minutes} minutes"
    yield "\n".join(
        [
            "| from | minutes | what |",
            "| ---: | ---: | --- |",
            *(f"| {start} | {minutes} | {what} |" for start, minutes, what in _clock(lesson)),
        ]
    )
    if lesson.at_home:
        yield f"Besides: {lesson.at_home}"
    yield "### What students expect, and notes"
    for note in lesson.notes:
        yield _listed(note)
    yield "### Predictions"
    for number, question in enumerate(lesson.questions, 1):
        yield f"**{number}.** {question.text}"
        wrong = [
            f"- expected: ({key}) {text}" for key, text in question.options.items() if key != question.right
        ]
        yield "\n".join([f"- **right: ({question.right})** {question.options[question.right]}", *wrong])
    yield "### Mistakes that the checks name"
    for exercise in lesson.exercises:
        yield f"#### {exercise.title}"
        yield "\n".join(f"- {told}" for told in exercise.mistakes)


def _clock(lesson: Lesson) -> Iterator[tuple[str, int, str]]:
    start = 0
    for step in lesson.plan:
        yield f"0:{start:02d}", step.minutes, step.what + (f": {step.how}" if step.how else "")
        start += step.minutes


def _listed(note: str) -> str:
    """`… (1) this; (2) that.` as a list, which reads better beside a lectern."""
    lead, *points = re.split(r"\s*\(\d+\) ", note)
    return "\n\n".join([lead, "\n".join(f"- {point.rstrip(';')}" for point in points)]) if points else note
