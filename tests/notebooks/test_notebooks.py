"""Every notebook of the course: the gate, then strict nbval at 1, 2 and 4 threads."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
import pytest

from hypav.notebooks import html_page, normalise, problems, strict_nbval

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))


def test_there_are_notebooks() -> None:
    assert NOTEBOOKS


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_gate(path: Path) -> None:
    assert problems(path) == []


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_file_is_as_make_notebooks_writes_it(path: Path) -> None:
    stored = path.read_text(encoding="utf-8")
    assert nbformat.writes(normalise(nbformat.reads(stored, as_version=4))).rstrip("\n") + "\n" == stored


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_picture_of_the_html_page_has_its_alt_text(path: Path) -> None:
    html = html_page(path)
    pictures = re.findall(r"<img [^>]*>", html)
    assert len(pictures) >= 1
    for picture in pictures:
        alt = re.search(r'alt="([^"]*)"', picture)
        assert alt is not None
        assert len(alt.group(1)) > 40
        assert "No description" not in alt.group(1)


@pytest.mark.parametrize("threads", [1, 2, 4])
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_output_comes_out_again(path: Path, threads: int) -> None:
    same, report = strict_nbval(path, threads=threads)
    assert same, report
