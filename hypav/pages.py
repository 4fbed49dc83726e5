"""Executed notebooks as HTML pages, which need no network."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache
from html import escape
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import quote

import nbformat
from bs4 import BeautifulSoup
from nbconvert import HTMLExporter

from hypav.errors import DataError
from hypav.figures.page_scripts import add_explorers
from hypav.formulas import markdown_html
from hypav.handouts import has_tag, promise_of, read, solution_copy, student_source, title_of, write_text
from hypav.utils import make_folder

# for a page: its own styles and pictures. No script runs, whatever an output holds, and nothing is fetched
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"

_TEMPLATES = Path(__file__).parent / "templates"


def build_pages(notebooks: Sequence[Path | str], folder: Path | str) -> list[Path]:
    """Write executed notebooks as HTML pages with an index. The pages need no network and run no script: a
    Content-Security-Policy keeps those in outputs from running.

    The results and explanations of predictions and all solutions are folded. A page links to the notebook of the same
    name in the folder, if there is one.

    Args:
        notebooks: files; the pages are in the order of their names.
        folder: made if it does not exist; pages of the same name are replaced.

    Returns:
        The pages, the index first.

    Raises:
        DataError: a file is not a notebook, or a formula in it cannot be drawn.
        RunError: the folder cannot be written.
    """
    folder, paths = make_folder(folder), sorted(map(Path, notebooks))
    sources = {path.stem: read(path) for path in paths}
    titles = {stem: title_of(notebook) for stem, notebook in sources.items()}
    stems: list[str | None] = [None, *sources, None]
    written = [write_text(folder / "index.html", page_html(_index(sources, folder), "The course", {}))]
    for before, stem, after in zip(stems, sources, stems[2:], strict=False):
        links = {
            "notebook": f"{stem}.ipynb" if (folder / f"{stem}.ipynb").exists() else "",
            "before": (before, titles[before]) if before else None,
            "after": (after, titles[after]) if after else None,
        }
        try:
            page = page_html(_folded(sources[stem]), titles[stem], links)
        except DataError as error:
            raise DataError(f"{stem}.ipynb: {error}") from None
        written.append(write_text(folder / f"{stem}.html", page))
    return written


def page_html(notebook: Any, title: str, links: Mapping[str, Any]) -> str:
    """A notebook as a complete HTML page: the template, with ids for headings and scrolling for wide parts."""
    html, _ = _exporter().from_notebook_node(
        notebook, resources={"title": title, "links": links, "policy": POLICY}
    )
    page = BeautifulSoup(html, "html.parser")
    contents, ids = [], set()
    for heading in page.find_all(["h1", "h2", "h3", "h4"]):
        slug = re.sub(r"\W+", "-", heading.get_text().lower()).strip("-") or "section"
        while slug in ids:
            slug += "-"
        ids.add(slug)
        heading["id"] = slug
        if heading.name == "h2":
            contents.append(
                f'<li><a href="#{slug}">{re.sub("</?a.*?>", "", heading.decode_contents())}</a></li>'
            )
    for place in page.select("nav.contents ul"):
        place.append(BeautifulSoup("".join(contents), "html.parser"))
    for table in page.find_all("table"):
        table.wrap(page.new_tag("div", attrs={"class": "scroll", "tabindex": "0"}))
    for block in page.select("pre"):
        block["tabindex"] = "0"
    for fold in page.find_all("details"):
        if fold.summary is not None and fold.summary.get_text() == "The figure in words":
            fold["class"] = "words"
    add_explorers(page, notebook, POLICY)
    return str(page)


def _folded(notebook: Any) -> Any:
    """The notebook with metadata for the template: where a fold opens and closes, and what a student sees of a cell."""
    notebook = solution_copy(notebook)
    for cell, after in pairwise(notebook.cells):
        if has_tag(cell, "run") and has_tag(after, "explain"):
            cell.metadata["opens"] = after.metadata["closes"] = True
        if cell.cell_type == "code" and has_tag(cell, "exercise"):
            cell.metadata["stub"] = student_source(cell.source)
    return notebook


def _index(sources: Mapping[str, Any], folder: Path) -> Any:
    """The index as a notebook: title, promise and link of each page."""
    parts = ["# Hyperbolic audio-visual zero-shot learning: the course"]
    for stem, notebook in sources.items():
        parts.append(f"## [{title_of(notebook)}]({quote(stem)}.html)\n\n{promise_of(notebook)}")
        if (folder / f"{stem}.ipynb").exists():
            parts.append(
                f'<a href="{quote(stem)}.ipynb" download>Notebook to fill in: {escape(title_of(notebook))}</a>'
            )
    return nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell(text) for text in parts])


@cache
def _exporter() -> HTMLExporter:
    exporter = HTMLExporter(template_name="course", extra_template_basedirs=[str(_TEMPLATES)])
    exporter.register_filter("render", markdown_html)
    exporter.register_filter("style", lambda name: (_TEMPLATES / "course" / name).read_text(encoding="utf-8"))
    return exporter
