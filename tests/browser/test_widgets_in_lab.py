"""Every notebook with a widget, as a reader uses it: opened in JupyterLab, run from the menu, moved with the keyboard.

What the page shows is compared with what the widget's drawing function gives in the notebook's kernel.
"""

from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path
from typing import Any

import nbformat
import pytest
from conftest import NOTEBOOKS, Lab, playwright

from hypav.handouts import has_tag

expect = playwright.expect
# the alt text and the picture that the drawing function gives for these values
DRAW = (
    "(lambda figure: (figure.alt_text, __import__('hashlib').sha256("
    "__import__('hypav').figures.style.png_bytes(figure)).hexdigest()))({explorer}._draw(**{values})[0])"
)


def pages_with_a_widget() -> list[Path]:
    return [
        path
        for path in sorted(NOTEBOOKS.glob("*.ipynb"))
        if any(has_tag(cell, "widget") for cell in nbformat.read(path, as_version=4).cells)
    ]


class Widget:
    """The explorer of the active cell and its values in the kernel."""

    def __init__(self, page: Any, lab: Lab, count: int) -> None:
        self.page, self.lab, self.explorer = page, lab, f"Out[{count}]"
        # the notebook stores a static picture in the same cell: only the live box is looked at
        self.box = page.locator(".jp-Cell.jp-mod-active .jp-OutputArea-output > .widget-vbox")
        expect(self.box).to_be_visible()
        every = lab.evaluate(
            f"[(c.name, c.label, c.value, *((c.options,) if hasattr(c, 'options') else (c.low, c.high, c.step))) "
            f"for c in {self.explorer}._controls]"
        )
        self.controls = [control for control in every if len(control) == 6]
        self.menus = [control for control in every if len(control) == 4]
        self.at_first = {name: value for name, _, value, *_ in every}
        self.sliders, self.picture = self.box.get_by_role("slider"), self.box.get_by_role("img")
        self.words = self.box.get_by_role("status")

    def shown(self) -> tuple[str, str]:
        """The words below the picture, and the digest of the picture."""
        png = base64.b64decode(self.picture.get_attribute("src").partition("base64,")[2])
        return self.words.inner_text(), hashlib.sha256(png).hexdigest()

    def expect_drawn(self, values: dict[str, Any]) -> None:
        """Waits until words, picture, alt text, numbers next to the sliders and menus are those of the values."""
        values = {n: round(value, 6) if isinstance(value, float) else value for n, value in values.items()}
        words, digest = self.lab.evaluate(DRAW.format(explorer=self.explorer, values=values))
        expect(self.words).to_have_text(words)
        expect(self.picture).to_have_attribute("alt", words)
        assert self.shown() == (words, digest)
        numbers = [text.replace("−", "-") for text in self.box.locator(".widget-readout").all_inner_texts()]
        assert [float(number) for number in numbers] == pytest.approx([values[c[0]] for c in self.controls])
        for name, label, *_ in self.menus:
            expect(self.menu(label).locator("option:checked")).to_have_text(values[name])

    def menu(self, label: str) -> Any:
        """The menu with this accessible name."""
        return self.box.get_by_role("combobox", name=label, exact=True)

    def tab_to(self, target: Any) -> None:
        """Press the Tab key until the target has the focus."""
        for _ in range(30):
            if target.evaluate("element => element === document.activeElement"):
                return
            self.page.keyboard.press("Tab")
        raise AssertionError("the Tab key does not lead there")

    def back_to(self, target: Any) -> None:
        self.box.page.locator(".jp-Cell.jp-mod-active").focus()
        self.tab_to(target)

    def reset(self, key: str) -> None:
        self.back_to(self.box.get_by_role("button", name="Reset", exact=True))
        self.page.keyboard.press(key)
        self.expect_drawn(self.at_first)


def open_and_run(page: Any, lab: Lab, path: Path) -> Any:
    """Opens the server's copy of a notebook and runs all its cells from the menu; what the copy holds."""
    notebook = nbformat.read(lab.folder / "notebooks" / path.name, as_version=4)
    page.goto(f"{lab.url}lab/tree/{path.name}?token={lab.token}&reset")
    page.get_by_text("Python 3 (ipykernel) | Idle").wait_for()
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
    count = sum(cell.cell_type == "code" and bool(cell.source.strip()) for cell in notebook.cells)
    progress = page.locator(".jp-NotebookPanel .jp-Notebook-ExecutionIndicator")
    expect(progress).to_have_text(re.compile(rf"Executed {count} cells"))
    expect(progress).to_have_attribute("data-status", "idle")
    return notebook


def go_to(page: Any, notebook: Any, place: int) -> int:
    """Goes to a cell with the arrow keys from the last one, where running all ends; its execution count."""
    last = page.locator(".jp-Cell.jp-mod-active")
    page.keyboard.press("Escape")
    for _ in range(len(notebook.cells) - 1 - place):
        page.keyboard.press("ArrowUp")
    count = sum(cell.cell_type == "code" for cell in notebook.cells[: place + 1])
    expect(last.locator(".jp-InputArea-prompt")).to_have_text(f"[{count}]:")
    return count


def check_names(widget: Widget) -> None:
    """What a screen reader says. ipywidgets gives the slider itself no name, but the buttons next to it have one."""
    expect(widget.sliders).to_have_count(len(widget.controls))
    for place, (_, label, _, low, high, step) in enumerate(widget.controls):
        expect(widget.box.locator("label").get_by_text(label, exact=True)).to_be_visible()
        slider = widget.sliders.nth(place)
        limits = [float(slider.get_attribute(name)) for name in ("aria-valuemin", "aria-valuemax")]
        assert limits == pytest.approx([low, high], abs=0.05)
        for word in ("less", "more"):
            expect(widget.box.get_by_title(f"{label}: {word} by {step:g}", exact=True)).to_be_visible()
    assert widget.box.get_by_title("null").filter(visible=True).count() == 0
    expect(widget.words).to_have_attribute("aria-live", "polite")
    expect(widget.picture).to_have_accessible_name(widget.words.inner_text())


def check_keys(widget: Widget, place: int) -> None:
    """One slider with the arrow keys, to both ends, and with its buttons; after each the reset."""
    name, label, value, low, high, step = widget.controls[place]
    key, moved = ("ArrowRight", value + step) if value + step < high + 1e-9 else ("ArrowLeft", value - step)
    first = widget.shown()
    widget.back_to(widget.sliders.nth(place))
    widget.page.keyboard.press(key)
    widget.expect_drawn(widget.at_first | {name: moved})
    words, picture = widget.shown()
    assert words != first[0]
    assert picture != first[1]
    for end, there in (("Home", low), ("End", high)):
        widget.page.keyboard.press(end)
        widget.expect_drawn(widget.at_first | {name: there})
    widget.reset("Enter")
    assert widget.shown() == first
    word, moved = ("more", value + step) if key == "ArrowRight" else ("less", value - step)
    widget.back_to(widget.box.get_by_title(f"{label}: {word} by {step:g}", exact=True))
    widget.page.keyboard.press("Space")
    widget.expect_drawn(widget.at_first | {name: moved})
    widget.reset("Space")


def check_menu(widget: Widget, place: int) -> None:
    """One menu opened with the space bar, and with its buttons through all options and past both ends; then the reset.

    A closed menu's own arrow keys are not tried: JupyterLab takes them for its cells (ipywidgets #3912).
    """
    name, label, value, options = widget.menus[place]
    start = options.index(value)
    widget.back_to(widget.menu(label))
    key, other = (
        ("ArrowDown", options[start + 1]) if value != options[-1] else ("ArrowUp", options[start - 1])
    )
    for pressed in ("Space", key, "Enter"):
        widget.page.keyboard.press(pressed)
    widget.expect_drawn(widget.at_first | {name: other})
    widget.reset("Enter")
    for word, there in (
        ("next", [*options[start + 1 :], options[-1]]),
        ("previous", [*options[:start][::-1], options[0]]),
    ):
        widget.back_to(widget.box.get_by_title(f"{label}: {word}", exact=True))
        for option in there:
            widget.page.keyboard.press("Space")
            widget.expect_drawn(widget.at_first | {name: option})
        widget.reset("Enter")


def test_there_are_widgets() -> None:
    assert pages_with_a_widget()


@pytest.mark.parametrize("path", pages_with_a_widget(), ids=lambda path: path.stem)
def test_widgets_move_from_the_keyboard(page: Any, lab: Lab, path: Path) -> None:
    notebook = open_and_run(page, lab, path)
    for place in reversed(range(len(notebook.cells))):
        if has_tag(notebook.cells[place], "widget"):
            count = go_to(page, notebook, place)
            widget = Widget(page, lab, count)
            widget.expect_drawn(widget.at_first)
            check_names(widget)
            for slider in range(len(widget.controls)):
                check_keys(widget, slider)
            for menu in range(len(widget.menus)):
                check_menu(widget, menu)
