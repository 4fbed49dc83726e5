"""The projector view of a page: large type and one idea a screen. The keys for the next and previous slide move it."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from urllib.parse import quote

from bs4 import BeautifulSoup, Tag

from hypav.pages import FRAME, add_scripts, template_file

WORDS = 60  # after so many words the next block of text begins a new slide
HEADINGS = ("h1", "h2", "h3", "h4")


def projector_view(page: BeautifulSoup, stem: str) -> BeautifulSoup:
    """The slides of a page.

    A heading, a question, a result, an exercise, and code with its output each begin a slide; long text is divided.
    Code that draws a figure is folded below the figure.

    Args:
        page: a student's page; it stays as it is.
        stem: the name of the page's file without `.html`, for the link back.
    """
    view = copy.copy(page)
    assert view.main is not None
    assert view.body is not None
    assert view.style is not None
    title = view.title.get_text() if view.title is not None else ""
    slides = [slide for slide in _divided(view) if slide]
    main = view.new_tag("main", attrs={"id": "content"})
    where = title
    for number, blocks in enumerate(slides, 1):
        if blocks[0].name == "h2":
            where = f"{title}: {blocks[0].get_text().strip()}"
        slide = view.new_tag("section", attrs={"class": "slide", "id": f"slide-{number}", "tabindex": "-1"})
        if blocks[0].name not in ("h1", "h2"):
            slide.append(BeautifulSoup(f'<p class="where">{_plain(where)}</p>', "html.parser"))
        slide.extend(blocks)
        slide.append(BeautifulSoup(_steps(number, len(slides), stem), "html.parser"))
        main.append(slide)
    for part in view.select("header, footer, .columns, main"):
        part.extract()
    view.body["class"] = "slides"
    skip = view.select_one("a.skip")
    assert skip is not None
    skip.insert_after(main)
    view.style.append(template_file("slides.css"))
    add_scripts(view, template_file("slides.js"))
    return view


def _divided(view: BeautifulSoup) -> Iterator[list[Tag]]:
    """The blocks of each slide, in order."""
    slide: list[Tag] = []
    code: Tag | None = None  # waits for its output
    for block in _blocks(view):
        kinds = _classes(block)
        if code is not None:
            if "output" in kinds:
                figure = block.find("figure") is not None
                yield [*slide, block, _folded(view, code)] if figure else [*slide, code, block]
            else:
                yield [*slide, code]
            slide, code = [], None
            if "output" in kinds:
                continue
        only_headings = all(other.name in HEADINGS for other in slide)
        begins = block.name in HEADINGS or {"predict", "result", "exercise", "highlight"} & kinds
        full = _words(slide) + _words([block]) > WORDS
        if not only_headings and (begins or full):
            yield slide
            slide = []
        if "highlight" in kinds:
            code = block
        else:
            slide.append(block)
    yield [*slide, code] if code is not None else slide


def _blocks(view: BeautifulSoup) -> Iterator[Tag]:
    assert view.main is not None
    for part in list(view.main.find_all(True, recursive=False)):
        heading = part.h2.get_text().strip() if part.name == "section" and part.h2 else ""
        if heading not in FRAME[1:]:  # the aims are shown
            yield from part.find_all(True, recursive=False) if part.name == "section" else [part]


def _folded(view: BeautifulSoup, code: Tag) -> Tag:
    fold, summary = view.new_tag("details"), view.new_tag("summary")
    summary.string = "Code"
    fold.extend([summary, code])
    return fold


def _steps(number: int, total: int, stem: str) -> str:
    """The links below a slide. They work without the script too."""
    before = f'<a href="#slide-{number - 1}">← Previous</a>' if number > 1 else ""
    after = f'<a href="#slide-{number + 1}">Next →</a>' if number < total else ""
    page = f'<a href="{quote(stem)}.html">The page</a>'
    return f'<p class="steps">{before} <span>{number} / {total}</span> {after} {page}</p>'


def _classes(block: Tag) -> set[str]:
    return set(block.get_attribute_list("class"))


def _words(blocks: list[Tag]) -> int:
    return sum(len(block.get_text().split()) for block in blocks)


def _plain(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;")
