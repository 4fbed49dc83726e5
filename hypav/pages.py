"""An executed notebook as an HTML page, which needs no network."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import nbformat
from bs4 import BeautifulSoup, Tag
from nbconvert import HTMLExporter

from hypav.figures.page_scripts import add_explorers
from hypav.formulas import markdown_html
from hypav.handouts import has_tag, student_source

# for a page: its own styles and pictures. No script runs unless `add_scripts` names it, and nothing is fetched
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"

# sections that a lecture and a search do not need
FRAME = ("You will be able to", "You need", "Time", "Setup", "References")

_TEMPLATES = Path(__file__).parent / "templates"


def page_of(notebook: Any, title: str, links: Mapping[str, Any]) -> BeautifulSoup:
    """A notebook as a complete HTML page: the template, then sections, contents, tables and code that fit their column.

    Args:
        notebook: its Markdown cells and outputs become the page.
        title: the page's title.
        links: what the template links to: see `hypav.site`. Empty for a page of its own.
    """
    html, _ = _exporter().from_notebook_node(
        notebook, resources={"title": title, "links": links, "policy": POLICY}
    )
    page = BeautifulSoup(html, "html.parser")
    _name_headings(page)
    _make_sections(page)
    for table in page.find_all("table"):
        _fit_table(page, table)
    for block in page.select(".highlight pre"):
        _wrap_lines(block)
    for block in page.select("pre"):
        block["tabindex"] = "0"
    for formula in page.select("math[display=block]"):  # a wide one scrolls on a phone
        formula.wrap(page.new_tag("span", attrs={"class": "formula", "tabindex": "0"}))
    for paragraph in page.select(".predict > p"):
        _list_options(paragraph)
    for fold in page.find_all("details"):
        if fold.summary is not None and fold.summary.get_text() == "The figure in words":
            fold["class"] = "words"
    add_explorers(page, notebook, POLICY)
    return page


def add_scripts(page: BeautifulSoup, *sources: str) -> None:
    """Add inline module scripts to the end of a page, and their hashes to its Content-Security-Policy.

    Only these scripts run: the policy lets in nothing without a hash.
    """
    rule = page.select_one("meta[http-equiv=Content-Security-Policy]")
    assert rule is not None
    assert page.body is not None
    for source in sources:
        script = page.new_tag("script", attrs={"type": "module"})
        script.string = source
        page.body.append(script)
        digest = base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()
        start = "" if "script-src" in str(rule["content"]) else "; script-src"
        rule["content"] = f"{rule['content']}{start} 'sha256-{digest}'"


def template_file(name: str) -> str:
    """The text of a style sheet or script of the pages."""
    return (_TEMPLATES / "course" / name).read_text(encoding="utf-8")


def lecturer_text(name: str) -> str:
    """The text of a page for lecturers, as Markdown."""
    return (_TEMPLATES / "lecturers" / name).read_text(encoding="utf-8")


def _name_headings(page: BeautifulSoup) -> None:
    ids = {str(part["id"]) for part in page.select("[id]")}
    for heading in page.find_all(["h1", "h2", "h3", "h4"]):
        slug = re.sub(r"\W+", "-", heading.get_text().lower()).strip("-") or "section"
        while slug in ids:
            slug += "-"
        ids.add(slug)
        heading["id"] = slug


def _make_sections(page: BeautifulSoup) -> None:
    """Wrap each `h2` of the page and what follows it, and list them in the contents."""
    assert page.main is not None
    contents, section = [], None
    for part in list(page.main.contents):
        if isinstance(part, Tag) and part.name == "h2":
            section = page.new_tag("section", attrs={"id": str(part["id"])})
            del part["id"]
            part.insert_before(section)
            words = re.sub("</?a.*?>", "", part.decode_contents())
            contents.append((section["id"], f'<li><a href="#{section["id"]}">{words}</a></li>'))
        if section is not None:
            section.append(part)
    for place in page.select("nav.contents ul.sections"):
        place.append(BeautifulSoup("".join(item for _, item in contents), "html.parser"))
    if page.style is not None:  # for browsers that do not know :target-current
        marks = ",\n".join(f'  body:has(#{s}:target) .sections a[href="#{s}"]' for s, _ in contents)
        rule = f"@supports not selector(a:target-current) {{\n{marks} {{ font-weight: 700; }}\n}}\n"
        page.style.append(rule if contents else "")


def _fit_table(page: BeautifulSoup, table: Tag) -> None:
    """A table in a box that scrolls, with numbers on one line and no empty header."""
    table.wrap(page.new_tag("div", attrs={"class": "scroll", "tabindex": "0"}))
    for cell in table.find_all(["th", "td"]):
        text = cell.get_text().strip()
        if cell.name == "th" and not text:
            cell.name = "td"
            del cell["scope"]
        elif cell.name == "th" and not cell.get("scope"):
            cell["scope"] = "col" if cell.find_parent("thead") else "row"
        if re.search(r"\d", text) and len(text) <= 16:
            cell["class"] = "number"


def _wrap_lines(block: Tag) -> None:
    """Each line of code in a box of its own, so that a long line is continued further in, beside a bar."""
    lines = block.decode_contents().removesuffix("\n").split("\n")
    boxes = []
    for line in lines:
        text = re.sub("<[^>]*>", "", line)  # in the code itself < is &lt;
        indent = len(text) - len(text.lstrip())
        boxes.append(f'<span class="line" style="--in: {indent}ch">{line}\n</span>')
    # outside of <pre> the parser would make one space of several
    block.replace_with(BeautifulSoup(f"<pre>{''.join(boxes)}</pre>", "html.parser"))


def _list_options(paragraph: Tag) -> None:
    """A paragraph of the options (a), (b) and so on becomes a list."""
    _, *options = re.split(r"\s(?=\([a-f]\) )", " " + paragraph.decode_contents())
    if paragraph.get_text().startswith("(a) "):
        items = "".join(f"<li>{option.strip()}</li>" for option in options)
        paragraph.replace_with(BeautifulSoup(f"<ul>{items}</ul>", "html.parser"))


def with_folds(notebook: Any, *, solutions: bool) -> Any:
    """A copy for the template, whose metadata say where a fold opens and closes, and what a cell shows first.

    Lecturers' notes are left out. Without `solutions`, so are solutions, discussions and the outputs of exercises.
    """
    out = {"teacher"} if solutions else {"teacher", "solution"}
    cells = [cell for cell in notebook.cells if not any(has_tag(cell, tag) for tag in out)]
    copy = nbformat.from_dict({**notebook, "cells": [nbformat.from_dict({**cell}) for cell in cells]})
    for cell in copy.cells:
        cell.metadata = nbformat.from_dict({"tags": cell.metadata.get("tags", [])})
        if cell.cell_type == "code" and has_tag(cell, "exercise"):
            if solutions:
                cell.metadata["stub"] = student_source(cell.source)
            else:
                cell.source, cell.outputs = student_source(cell.source), []
    for cell, after in pairwise(copy.cells):
        if has_tag(cell, "run") and has_tag(after, "explain"):
            cell.metadata["opens"] = after.metadata["closes"] = True
    return copy


@cache
def _exporter() -> HTMLExporter:
    exporter = HTMLExporter(template_name="course", extra_template_basedirs=[str(_TEMPLATES)])
    exporter.register_filter("render", markdown_html)
    exporter.register_filter("file", template_file)
    return exporter
