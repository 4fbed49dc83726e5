"""Every notebook of the course: the gate, strict nbval, and an execution on real features where there are some."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from pathlib import Path

import nbformat
import pytest

from hypav.data.load import DATA_VARIABLE
from hypav.data.yt8m import YT8M_NAME
from hypav.notebooks import execute, html_page, normalise, problems, strict_nbval
from hypav.notebooks.execute import course_environment
from hypav.notebooks.template import code_cells
from hypav.processors import PROCESSORS, available

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


# a page that opens no set is the same on any
OPEN_A_SET = [path for path in NOTEBOOKS if "course_data()" in path.read_text(encoding="utf-8")]


def turns(path: Path) -> tuple[str, str]:
    """Two processors for a page: the one that runs the tests, and another that changes whenever the page does."""
    names = [name for name in PROCESSORS if name in available()]
    content = hashlib.blake2b(path.read_bytes(), digest_size=4).digest()
    return names[0], names[1 + int.from_bytes(content) % (len(names) - 1)]


@pytest.mark.long
@pytest.mark.parametrize(
    ("path", "name"), [pytest.param(p, n, id=f"{p.stem}-{n}") for p in NOTEBOOKS for n in turns(p)]
)
def test_every_output_comes_out_again(path: Path, name: str) -> None:
    same, report = strict_nbval(path, processor=PROCESSORS[name])
    assert same, report


@pytest.mark.long
@pytest.mark.real_data
@pytest.mark.parametrize("path", OPEN_A_SET, ids=lambda path: path.stem)
def test_every_notebook_runs_on_real_features(path: Path, tmp_path: Path) -> None:
    if not os.environ.get(DATA_VARIABLE):
        pytest.skip("no real data")
    copy = Path(shutil.copy(path, tmp_path))
    execute(copy, course=course_environment("yt8m-mini"), cell_seconds=600)
    cells = code_cells(nbformat.read(copy, as_version=4))
    outputs = [output for cell in cells for output in cell.outputs]
    assert all(output.get("name") != "stderr" for output in outputs)
    told = " ".join(
        output.get("text", "") + str(output.get("data", {}).get("text/plain")) for output in outputs
    )
    assert YT8M_NAME in told
