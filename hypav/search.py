"""The search page: every section of the course as a list, which a script of its own filters. Works from the disk."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from html import escape
from typing import Any
from urllib.parse import quote

import nbformat
from bs4 import BeautifulSoup, Tag

from hypav.pages import FRAME, add_scripts, page_of, template_file

_LEFT_OUT = ("h2", "details", "figure")


def search_page(pages: Mapping[str, BeautifulSoup]) -> BeautifulSoup:
    """A page that lists the sections of the given pages, by the names of their files without `.html`.

    The text of a section is hidden, but the script searches it, and so does a browser's own search. Answers of
    predictions are not searched.
    """
    items = [
        f'<li><a href="{quote(stem)}.html#{section["id"]}">{escape(_heading(section))}</a> '
        f'<span class="where">{escape(_title(page))}</span><p hidden="until-found">{escape(_text(section))}</p></li>'
        for stem, page in pages.items()
        for section in page.select("main section[id]")
        if _heading(section) not in FRAME
    ]
    text = template_file("search.md").replace("[sections]", "".join(items))
    cells: list[Any] = [nbformat.v4.new_markdown_cell(text)]
    page = page_of(nbformat.v4.new_notebook(cells=cells), "Search", {"kind": "The course"})
    add_scripts(page, template_file("search.js"))
    return page


def _title(page: BeautifulSoup) -> str:
    return page.title.get_text() if page.title is not None else ""


def _heading(section: Tag) -> str:
    return section.h2.get_text().strip() if section.h2 is not None else ""


def _text(section: Tag) -> str:
    return " ".join(" ".join(_strings(section)).split())


def _strings(part: Tag) -> Iterator[str]:
    for child in part.children:
        if not isinstance(child, Tag):
            yield str(child)
        elif child.name not in _LEFT_OUT and "output" not in child.get_attribute_list("class"):
            yield from _strings(child)
