"""Notebooks as HTML pages to read in a browser, for hand-outs and for those who run nothing."""

from __future__ import annotations

from pathlib import Path

import nbformat
from bs4 import BeautifulSoup
from nbconvert import HTMLExporter

from hypav.notebooks.template import code_cells
from hypav.utils import make_folder, replacing

__all__ = ["html_page", "write_pages"]


def html_page(path: Path | str) -> str:
    """The notebook as one HTML file with its pictures and their alt texts, which nbconvert's lab template leaves out."""
    notebook = nbformat.read(path, as_version=4)
    html, _ = HTMLExporter(template_name="lab").from_notebook_node(notebook)
    alts = [
        output.metadata.get("image/png", {}).get("alt", "")
        for cell in code_cells(notebook)
        for output in cell.outputs
        if "image/png" in output.get("data", {})
    ]
    page = BeautifulSoup(html, "html.parser")
    pictures = page.select('.jp-OutputArea img[src^="data:image/png"]')
    for picture, alt in zip(pictures, alts, strict=True):
        picture["alt"] = alt
    if page.title is not None:
        page.title.string = notebook.cells[0].source.splitlines()[0].lstrip("# ")
    return str(page)


def write_pages(paths: list[Path], folder: Path | str) -> list[Path]:
    """Writes `html_page` of every notebook into the folder, which is made if need be.

    Raises:
        RunError: the folder cannot be written.
    """
    written = []
    for path in paths:
        page = make_folder(folder) / f"{path.stem}.html"
        with replacing(page) as temporary:
            temporary.write_text(html_page(path), encoding="utf-8")
        written.append(page)
    return written
