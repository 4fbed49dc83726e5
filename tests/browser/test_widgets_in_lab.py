"""Every explorer in a real JupyterLab: a notebook is opened, run from the menu, and the explorers are moved by key."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import nbformat
import pytest
from conftest import NOTEBOOKS, Lab, playwright

from hypav.figures.explorer import stored_explorer
from hypav.handouts import has_tag
from tests.browser.keyboard import Keyboard
from tests.figures.explorer_cases import EXPLORERS

expect = playwright.expect
ROOT = NOTEBOOKS.parent
CELL = f"""import sys
sys.path.insert(0, {str(ROOT)!r})
from tests.figures.explorer_cases import EXPLORERS
"""


def open_and_run(page: Any, lab: Lab, name: str) -> None:
    """Opens a notebook of the server and runs all its cells from the menu."""
    notebook = nbformat.read(lab.folder / "notebooks" / name, as_version=4)
    page.goto(f"{lab.url}lab/tree/{name}?token={lab.token}&reset")
    page.get_by_text("Python 3 (ipykernel) | Idle").wait_for()
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
    count = sum(cell.cell_type == "code" and bool(cell.source.strip()) for cell in notebook.cells)
    progress = page.locator(".jp-NotebookPanel .jp-Notebook-ExecutionIndicator")
    expect(progress).to_have_text(re.compile(rf"Executed {count} cells?"))
    expect(progress).to_have_attribute("data-status", "idle")


@pytest.mark.parametrize("name", EXPLORERS)
def test_every_explorer_moves_from_the_keyboard_in_lab(page: Any, lab: Lab, name: str) -> None:
    source = f"{CELL}EXPLORERS[{name!r}].make()"
    kernel = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(source)], metadata={"kernelspec": kernel}
    )
    nbformat.write(notebook, lab.folder / "notebooks" / f"try_{name}.ipynb")
    open_and_run(page, lab, f"try_{name}.ipynb")
    root = page.locator(".jp-OutputArea-output .hx")
    expect(root).to_be_visible()
    Keyboard(page, root, EXPLORERS[name], EXPLORERS[name].make().state).check()
    assert len(page.locator(".jp-Cell").all()) == 1, "no key has reached the notebook"


def test_the_explorers_of_the_notebooks_are_the_tested_ones() -> None:
    """What the notebooks store, in cells with the tag widget."""
    found = {}
    for path in sorted(Path(NOTEBOOKS).glob("*.ipynb")):
        for cell in nbformat.read(path, as_version=4).cells:
            for module, state in filter(None, map(stored_explorer, cell.get("outputs", []))):
                assert has_tag(cell, "widget"), path.name
                assert set(state) == set(EXPLORERS[module].make().state)
                found[module] = path.stem[:2]
    assert {"maps": "11"}.items() <= found.items()
