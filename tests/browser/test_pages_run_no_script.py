"""A page made of a hostile notebook: nothing in its outputs or text runs in Chromium, and its explorers do."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import nbformat
import pytest

from hypav.figures.explorer import EXPLORER, WIDGET_VIEW
from hypav.figures.four_point_explorer import four_point_explorer
from hypav.handouts import write
from hypav.site import build_pages

MARK = "document.documentElement.classList.add"
HOSTILE = f"""<script>{MARK}('script')</script>
<script type="module">{MARK}('module')</script>
<img src="data:," alt="" onerror="{MARK}('onerror')">
<details open ontoggle="{MARK}('ontoggle')">x</details>
<svg onload="{MARK}('onload')"></svg>
<iframe srcdoc="<script>parent.{MARK}('frame')</script>"></iframe>
<a class="hostile" href="javascript:void({MARK}('link'))">a link</a>
<p style="color: rgb(1, 2, 3)">styled</p>
"""
EVERYTHING = {"script", "module", "onerror", "ontoggle", "onload", "frame", "link"}


@pytest.mark.parametrize("explorers", [0, 1], ids=["no explorer", "with an explorer"])
@pytest.mark.parametrize("place", ["output", "markdown output", "text"])
def test_no_script_of_a_notebook_runs_in_its_page(
    chromium: Any, tmp_path: Path, place: str, explorers: int
) -> None:
    kind = "text/markdown" if place == "markdown output" else "text/html"
    output = nbformat.v4.new_output("display_data", data={kind: HOSTILE})
    text = nbformat.v4.new_markdown_cell("# Title" + (f"\n\n{HOSTILE}" if place == "text" else ""))
    code = nbformat.v4.new_code_cell("1", outputs=[] if place == "text" else [output])
    cells = [text, code, *(explorer_cell() for _ in range(explorers))]
    write(nbformat.v4.new_notebook(cells=cells), tmp_path / "page.ipynb")
    _, path, *_ = build_pages([tmp_path / "page.ipynb"], tmp_path)
    open_page = tmp_path / "open.html"  # the same page without its policy, in which all of it runs
    without = re.sub(
        r'<meta [^>]*http-equiv="Content-Security-Policy"[^>]*>', "", path.read_text(encoding="utf-8")
    )
    open_page.write_text(without, encoding="utf-8")
    assert ran(chromium, path) == (set(), explorers)
    assert ran(chromium, open_page) == (EVERYTHING, explorers)


def test_a_changed_state_does_not_run(chromium: Any, tmp_path: Path) -> None:
    """The digest covers the states too: a page that somebody has edited shows its pictures."""
    cells = [nbformat.v4.new_markdown_cell(f"# Title\n\n{HOSTILE}"), explorer_cell()]
    write(nbformat.v4.new_notebook(cells=cells), tmp_path / "page.ipynb")
    _, path, *_ = build_pages([tmp_path / "page.ipynb"], tmp_path)
    page = path.read_text(encoding="utf-8")
    assert page.count('"k": -1.0') == 1
    path.write_text(page.replace('"k": -1.0', '"k": -0.9'), encoding="utf-8")
    assert ran(chromium, path) == (set(), 0)


def explorer_cell() -> Any:
    bundle, metadata = four_point_explorer()._repr_mimebundle_()
    del bundle[WIDGET_VIEW]
    assert EXPLORER in bundle
    output = nbformat.v4.new_output("execute_result", data=bundle, metadata=metadata, execution_count=1)
    return nbformat.v4.new_code_cell("four_point_explorer()", outputs=[output])


def ran(chromium: Any, path: Path) -> tuple[set[str], int]:
    """What of the hostile code has run in a page after all its links were clicked, and how many explorers move.

    The page's styles must hold.
    """
    page = chromium.new_page()
    try:
        page.goto(path.as_uri())
        page.locator("a.hostile").click()
        page.wait_for_timeout(200)
        color = page.get_by_text("styled").evaluate("element => getComputedStyle(element).color")
        assert color == "rgb(1, 2, 3)"
        return set(page.evaluate("[...document.documentElement.classList]")), page.locator(".hx").count()
    finally:
        page.close()
