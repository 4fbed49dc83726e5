"""An explorer by keyboard, on a page or in JupyterLab: every slider, menu, box and point, and the reset."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from conftest import playwright

from tests.figures.explorer_cases import Cases

expect = playwright.expect


class Keyboard:
    """The explorer `root` of a page, and its first state.

    After each key the words below it must be hypav's for the state that it must now have.
    """

    def __init__(self, page: Any, root: Any, cases: Cases, state: Mapping[str, Any]) -> None:
        self.page, self.root, self.cases, self.first = page, root, cases, dict(state)
        self.status = root.get_by_role("status")

    def words(self, changes: Mapping[str, Any] | None = None) -> str:
        state = self.first | dict(changes or {})
        return self.cases.words(state, self.cases.numbers(state))

    def expect_words(self, changes: Mapping[str, Any] | None = None) -> None:
        expect(self.status).to_have_text(self.words(changes))

    def tab_to(self, target: Any) -> None:
        """From where the focus is, press Tab until the target has it."""
        for _ in range(60):
            if target.evaluate("element => element === document.activeElement"):
                return
            self.page.keyboard.press("Tab")
        raise AssertionError("the Tab key does not lead there")

    def go_to(self, target: Any) -> None:
        self.root.evaluate("element => { element.tabIndex = -1; element.focus(); }")
        self.tab_to(target)

    def press(self, target: Any, *keys: str) -> None:
        self.go_to(target)
        for key in keys:
            self.page.keyboard.press(key)

    def reset(self, key: str = "Enter") -> None:
        self.press(self.root.get_by_role("button", name="Reset", exact=True), key)
        self.expect_words()

    def check(self) -> None:
        """All controls and points; after each the reset."""
        self.expect_words()
        expect(self.status).to_have_attribute("aria-live", "polite")
        for control in self.cases.controls:
            getattr(self, control["kind"])(control)
        points = self.root.locator(".handle")
        expect(points).to_have_count(len(self.cases.points))
        for number, point in enumerate(self.cases.points):
            self.point(points.nth(number), point)

    def slider(self, control: Mapping[str, Any]) -> None:
        key, label, low, high, step = (control[name] for name in ("key", "label", "low", "high", "step"))
        slider = self.root.get_by_role("slider", name=label, exact=True)
        at = self.first[key]
        arrow, sign = ("ArrowRight", 1) if at + step <= high + 1e-9 else ("ArrowLeft", -1)
        moved, drawn = round(at + sign * step, 6), self.root.locator("svg").first.inner_html()
        self.press(slider, arrow)
        self.expect_words({key: moved})
        # a turned view changes the picture and not its numbers
        changed = self.root.locator("svg").first.inner_html() != drawn
        assert changed if key == "turn" else self.words({key: moved}) != self.words()
        self.page.keyboard.press("Home")
        self.expect_words({key: low})
        self.page.keyboard.press("End")
        self.expect_words({key: high})
        self.reset()
        word = "more" if sign > 0 else "less"
        self.press(self.root.get_by_role("button", name=f"{label}: {word} by {step:g}", exact=True), "Space")
        self.expect_words({key: moved})
        self.reset("Space")

    def menu(self, control: Mapping[str, Any]) -> None:
        key, label, options = control["key"], control["label"], list(control["options"])
        start = options.index(self.first[key])
        for word, there in (
            ("next", [*options[start + 1 :], options[-1]]),
            ("previous", [*options[:start][::-1], options[0]]),
        ):
            self.go_to(self.root.get_by_role("button", name=f"{label}: {word}", exact=True))
            for option in there:
                self.page.keyboard.press("Space")
                self.expect_words({key: option})
            self.reset()
        menu = self.root.get_by_role("combobox", name=label, exact=True)
        other = options[start + 1] if start + 1 < len(options) else options[start - 1]
        self.press(menu, "ArrowDown" if start + 1 < len(options) else "ArrowUp")
        self.expect_words({key: other})
        self.reset()

    def checkbox(self, control: Mapping[str, Any]) -> None:
        key = control["key"]
        self.press(self.root.get_by_role("checkbox", name=control["label"], exact=True), "Space")
        self.expect_words({key: not self.first[key]})
        self.reset()

    def press_button(self, control: Mapping[str, Any]) -> None:
        """A button whose effect is given as a function of the state."""
        self.press(self.root.get_by_role("button", name=control["label"], exact=True), "Enter")
        self.expect_words(control["after"](self.first))
        self.reset()

    def point(self, handle: Any, point: Mapping[str, Any]) -> None:
        """Each arrow key moves the point one step, with Shift a fifth of it."""
        get, put, step = point["get"], point["put"], point["step"]
        x, y = get(self.first)
        for key, dx, dy in (
            ("ArrowLeft", -step, 0), ("ArrowDown", 0, -step), ("ArrowUp", 0, step), ("Shift+ArrowRight", step / 5, 0)
        ):  # fmt: skip
            self.press(handle, key)
            moved = [round(x + dx, 6), round(y + dy, 6)]
            self.expect_words(put(self.first, moved))
            self.reset()
