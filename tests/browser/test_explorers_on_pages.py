"""Every explorer on a page that is opened from the disk: by keyboard, by pointer, on a phone, in the dark, with axe.

The words below it are compared with hypav's, for the state that the controls show.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from axe_playwright_python.sync_playwright import Axe
from conftest import playwright

from hypav.figures.explorer import WIDGET_VIEW
from hypav.handouts import write
from hypav.site import build_pages
from tests.browser.keyboard import Keyboard
from tests.figures.explorer_cases import EXPLORERS

expect = playwright.expect
NAMES = list(EXPLORERS)
MOST_MS = 50
WCAG = {"runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]}}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A page for every explorer."""
    folder = tmp_path_factory.mktemp("site")
    for name, cases in EXPLORERS.items():
        bundle, metadata = cases.make()._repr_mimebundle_()
        del bundle[WIDGET_VIEW]
        output = nbformat.v4.new_output("execute_result", data=bundle, metadata=metadata, execution_count=1)
        code = nbformat.v4.new_code_cell("explorer()", outputs=[output])
        title = nbformat.v4.new_markdown_cell(f"# {name}")
        write(nbformat.v4.new_notebook(cells=[title, code]), folder / f"{name}.ipynb")
    build_pages([folder / f"{name}.ipynb" for name in NAMES], folder)
    return {name: folder / f"{name}.html" for name in NAMES}


@pytest.fixture
def visit(chromium: Any, site: dict[str, Path]) -> Iterator[Any]:
    """A function that opens an explorer's page. An error, a refusal or a request for anything else fails the test."""
    contexts, faults = [], []

    def opened(name: str, *, width: int = 1280, **options: Any) -> Any:
        context = chromium.new_context(viewport={"width": width, "height": 900}, locale="en-GB", **options)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda said: faults.append(said.text))
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on(
            "request",
            lambda asked: None if asked.url.startswith(("file:", "data:")) else faults.append(asked.url),
        )
        page.goto(site[name].as_uri())
        return page

    yield opened
    for context in contexts:
        context.close()
    assert not faults


def state_of(name: str) -> dict[str, Any]:
    return dict(EXPLORERS[name].make().state)


@pytest.mark.parametrize("name", NAMES)
def test_every_control_works_from_the_keyboard(visit: Any, name: str) -> None:
    page = visit(name)
    Keyboard(page, page.locator(".hx"), EXPLORERS[name], state_of(name)).check()


STEP = """() => {
    const root = document.querySelector(".hx");
    const point = root.querySelector(".handle"), control = root.querySelector("input, select, .bar button");
    for (let i = 0; i < 12; i += 1) {
        if (point) {
            const key = i % 2 ? "ArrowLeft" : "ArrowRight";
            point.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
        } else if (control.type === "range") {
            control.value = Number(control.value) + (i % 2 ? 1 : -1) * Number(control.step);
            control.dispatchEvent(new Event("input"));
        } else if (control.tagName === "SELECT") {
            control.selectedIndex = (control.selectedIndex + 1) % control.options.length;
            control.dispatchEvent(new Event("change"));
        } else control.click();
        root.getBoundingClientRect();
    }
}"""


@pytest.mark.parametrize("name", NAMES)
def test_a_redraw_takes_less_than_50_ms(visit: Any, name: str) -> None:
    """The time that the page's thread works for a step of the first control or point, until the picture is laid out.

    A busy machine takes longer, but does not count as work.
    """
    page = visit(name)
    page.evaluate(STEP)
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})

    def worked() -> float:
        metrics = session.send("Performance.getMetrics")["metrics"]
        return next(metric["value"] for metric in metrics if metric["name"] == "TaskDuration")

    start = worked()
    page.evaluate(STEP)
    ms = 1000 * (worked() - start) / 12
    print(f"{name}: {ms:.1f} ms")
    assert 0.05 < ms < MOST_MS


@pytest.mark.parametrize("name", NAMES)
def test_on_a_phone_nothing_is_cut_off_and_letters_are_large_enough(visit: Any, name: str) -> None:
    page = visit(name, width=390, has_touch=True)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    parts = page.locator(".hx :is(button, input, select, svg, .value)")
    for box in (parts.nth(i).bounding_box() for i in range(parts.count())):
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 390
    sizes = page.evaluate(
        """() => [...document.querySelectorAll(".hx svg text")].map((text) => {
        const svg = text.ownerSVGElement;
        const scale = svg.getBoundingClientRect().width / svg.viewBox.baseVal.width;
        return parseFloat(getComputedStyle(text).fontSize) * scale;
    })"""
    )
    assert min(sizes, default=11) >= 11
    for button in page.locator(".hx .bar button").all():
        assert min(button.bounding_box()["width"], button.bounding_box()["height"]) >= 24


@pytest.mark.parametrize("name", NAMES)
def test_points_follow_the_pointer(visit: Any, name: str) -> None:
    page = visit(name)
    points = page.locator(".hx .handle")
    words = page.locator(".hx [role=status]")
    for number in range(points.count()):
        point, before = points.nth(number), words.inner_text()
        point.scroll_into_view_if_needed()
        box = point.bounding_box()
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        page.mouse.move(x, y)
        page.mouse.down()
        page.mouse.move(x - 20, y + 15, steps=4)
        page.mouse.up()
        expect(words).not_to_have_text(before)
        after = point.bounding_box()
        assert abs(after["x"] - box["x"] + 20) < 12
        assert abs(after["y"] - box["y"] - 15) < 12
        page.locator(".hx").get_by_role("button", name="Reset", exact=True).click()
        expect(words).to_have_text(before)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", NAMES)
def test_axe_finds_no_violation_of_wcag_2_1_aa(visit: Any, name: str, scheme: str) -> None:
    page = visit(name, color_scheme=scheme)
    expect(page.locator(".hx")).to_be_visible()
    result = Axe().run(page, options=WCAG).response
    found = [(rule["id"], node["html"][:200]) for rule in result["violations"] for node in rule["nodes"]]
    assert not found, json.dumps(found, indent=1)
    assert len(result["passes"]) > 10, "axe has looked"


def test_axe_finds_what_is_wrong(chromium: Any) -> None:
    page = chromium.new_page()
    page.set_content(
        '<html><body><img src="data:,"><button></button><p style="color: #ccc">pale</p></body></html>'
    )
    rules = {rule["id"] for rule in Axe().run(page, options=WCAG).response["violations"]}
    assert {"image-alt", "button-name", "color-contrast", "html-has-lang"} <= rules
    page.close()


@pytest.mark.parametrize("name", NAMES)
def test_without_scripts_the_picture_and_its_words_are_there(visit: Any, name: str) -> None:
    page = visit(name, java_script_enabled=False)
    expect(page.locator(".hx")).to_have_count(0)
    words = EXPLORERS[name].make().figure.alt_text
    expect(page.locator(".explorer img")).to_have_attribute("alt", words)
    page.get_by_text("The figure in words").click()
    expect(page.locator(".explorer details p")).to_have_text(words)
