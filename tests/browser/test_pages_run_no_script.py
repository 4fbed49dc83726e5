"""A page made of a hostile notebook: nothing in its outputs or text runs in Chromium."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat
import pytest

from hypav.handouts import write
from hypav.pages import POLICY
from hypav.site import build_pages

MARK = "document.documentElement.classList.add"
HOSTILE = f"""<script>{MARK}('script')</script>
<img src="data:," alt="" onerror="{MARK}('onerror')">
<details open ontoggle="{MARK}('ontoggle')">x</details>
<svg onload="{MARK}('onload')"></svg>
<iframe srcdoc="<script>parent.{MARK}('frame')</script>"></iframe>
<a class="hostile" href="javascript:void({MARK}('link'))">a link</a>
<p style="color: rgb(1, 2, 3)">styled</p>
"""


@pytest.mark.parametrize("place", ["output", "markdown output", "text"])
def test_no_script_of_a_notebook_runs_in_its_page(chromium: Any, tmp_path: Path, place: str) -> None:
    kind = "text/markdown" if place == "markdown output" else "text/html"
    output = nbformat.v4.new_output("display_data", data={kind: HOSTILE})
    text = nbformat.v4.new_markdown_cell("# Title" + (f"\n\n{HOSTILE}" if place == "text" else ""))
    code = nbformat.v4.new_code_cell("1", outputs=[] if place == "text" else [output])
    write(nbformat.v4.new_notebook(cells=[text, code]), tmp_path / "page.ipynb")
    _, path, *_ = build_pages([tmp_path / "page.ipynb"], tmp_path)
    open_page = tmp_path / "open.html"  # the same page without its policy, in which all of it runs
    open_page.write_text(path.read_text(encoding="utf-8").replace(POLICY, ""), encoding="utf-8")
    assert ran(chromium, path) == set()
    assert ran(chromium, open_page) == {"script", "onerror", "ontoggle", "onload", "frame", "link"}


def ran(chromium: Any, path: Path) -> set[str]:
    """What has run in a page after all its links of the notebook were clicked. Its styles must hold."""
    page = chromium.new_page()
    try:
        page.goto(path.as_uri())
        page.locator("a.hostile").click()
        page.wait_for_timeout(200)
        color = page.get_by_text("styled").evaluate("element => getComputedStyle(element).color")
        assert color == "rgb(1, 2, 3)"
        return set(page.evaluate("[...document.documentElement.classList]"))
    finally:
        page.close()
