"""HTML pages that ask for nothing from the network and run no script: notebooks, the index, the instructor's page."""

from __future__ import annotations

import copy
import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from bs4 import BeautifulSoup
from jinja2 import Environment, FileSystemLoader
from markupsafe import Markup
from nbconvert import HTMLExporter

from hypav.classroom.copies import for_students
from hypav.classroom.formulas import markdown_html
from hypav.classroom.lesson import Lesson
from hypav.notebooks.template import has_tag, student_source

__all__ = ["index_page", "markdown_page", "notebook_page"]

TEMPLATES = Path(__file__).parent / "templates"


def notebook_page(notebook: Any, *, lesson: Lesson, lessons: Sequence[Lesson]) -> str:
    """The executed notebook as a page. A prediction's result and explanation, and each solution, are folded: a reader
    commits to an answer first. On paper the results are open, and the solutions are left out.

    Args:
        notebook: with its outputs.
        lesson, lessons: this page's and the site's, for the links between pages.
    """
    notebook = copy.deepcopy(notebook)
    notebook.cells = [cell for cell in notebook.cells if for_students(cell) or has_tag(cell, "solution")]
    for number, cell in enumerate(notebook.cells):
        after = notebook.cells[number + 1] if number + 1 < len(notebook.cells) else None
        # the template opens a fold at the code and closes it at the explanation: both or none
        if has_tag(cell, "run") and after is not None and has_tag(after, "explain"):
            cell.metadata["opens"] = after.metadata["closes"] = True
        if cell.cell_type == "code" and has_tag(cell, "exercise"):
            cell.metadata["stub"] = student_source(cell.source)
    body, _ = _exporter().from_notebook_node(notebook)
    place = lessons.index(lesson)
    return _page(
        body,
        title=lesson.title,
        kind="notebook",
        contents=True,
        copy=f"{lesson.stem}.ipynb",
        before=lessons[place - 1] if place else None,
        after=lessons[place + 1] if place + 1 < len(lessons) else None,
    )


def index_page(lessons: Sequence[Lesson]) -> str:
    """The site's first page: every notebook with its promise, its aims and its time."""
    shown = [
        {
            "lesson": lesson,
            "promise": _inline(lesson.promise),
            "aims": [_inline(re.sub(r"\s*\(Section \d+\)$", "", aim)) for aim in lesson.aims],
        }
        for lesson in lessons
    ]
    body = _environment().get_template("index.html.j2").render(lessons=shown)
    return _page(body, title="Hyperbolic audio-visual learning: the course", kind="index")


def markdown_page(text: str, *, title: str) -> str:
    """A Markdown text as a page with its contents."""
    return _page(markdown_html(text), title=title, kind="plain", contents=True)


def _page(body: str, *, title: str, kind: str, contents: bool = False, **links: Any) -> str:
    content = BeautifulSoup(body, "html.parser")
    sections = _number_headings(content)
    for table in content.find_all("table"):
        # a wide table scrolls by itself, with the keyboard too, instead of the page
        table.wrap(content.new_tag("div", attrs={"class": "scroll", "tabindex": "0"}))
    for block in content.select("pre"):
        block["tabindex"] = "0"
    for fold in content.find_all("details"):
        if fold.summary is not None and fold.summary.get_text() == "The figure in words":
            fold["class"] = "words"
    return (
        _environment()
        .get_template("page.html.j2")
        .render(
            title=title,
            kind=kind,
            body=Markup(content),
            style=Markup((TEMPLATES / "style.css").read_text(encoding="utf-8")),
            sections=sections if contents else [],
            **links,
        )
    )


def _number_headings(content: BeautifulSoup) -> list[tuple[str, Markup]]:
    """Gives every heading an id to link to; the ids and contents of the second level."""
    found, seen = [], set()
    for heading in content.find_all(["h1", "h2", "h3", "h4"]):
        slug = re.sub(r"\W+", "-", heading.get_text().lower()).strip("-") or "section"
        while slug in seen:
            slug += "-"
        seen.add(slug)
        heading["id"] = slug
        if heading.name == "h2":
            found.append((slug, Markup(heading.decode_contents())))
    return found


def _inline(text: str) -> Markup:
    return Markup(re.sub(r"^<p>(.*)</p>\s*$", r"\1", markdown_html(text), flags=re.DOTALL))


@cache
def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )


@cache
def _exporter() -> HTMLExporter:
    exporter = HTMLExporter(template_name="classroom", extra_template_basedirs=[str(TEMPLATES)])
    exporter.register_filter("render", markdown_html)
    return exporter
