"""Every page of the course as a reader sees it: axe finds nothing, all fits its column, search and slides work.

All from the disk. axe checks the rules of WCAG 2.1, levels A and AA, by day and by night, with all folds open.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from conftest import NOTEBOOKS, SECONDS, playwright

from hypav.site import write_course

expect = playwright.expect
RULES = {"runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]}}
COLORS = {"runOnly": {"type": "rule", "values": ["color-contrast"]}}  # what else can differ by night
STEMS = [path.stem for path in sorted(NOTEBOOKS.glob("*.ipynb"))]
PAGES = [
    *("instructor", "projects", "installing", "students/index", "students/search", "solutions/index"),
    *(f"students/{stem}" for stem in STEMS),
    *(f"students/{stem}-slides" for stem in STEMS),
    *(f"solutions/{stem}" for stem in STEMS),
]
# elements that are cut off at the right: lines of code always, tables on a wide screen
CUT = "names => [...document.querySelectorAll(names)].filter(e => e.scrollWidth > e.clientWidth + 1).length"


@pytest.fixture(scope="session")
def course(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The course from the stored notebooks; nothing is executed."""
    folder = tmp_path_factory.mktemp("course")
    write_course(folder)
    return folder


@pytest.fixture
def view(chromium: Any) -> Iterator[Any]:
    """An empty page. Errors in the console fail the test: a script that the policy refuses is one."""
    page = chromium.new_page(viewport={"width": 1280, "height": 800})
    page.set_default_timeout(SECONDS * 1000)
    expect.set_options(timeout=SECONDS * 1000)
    faults: list[str] = []
    page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: faults.append(str(error)))
    yield page
    page.close()
    assert not faults


@pytest.mark.parametrize("name", PAGES)
def test_axe_finds_nothing_and_nothing_is_cut_off(view: Any, course: Path, name: str) -> None:
    view.goto((course / f"{name}.html").as_uri())
    view.evaluate("document.querySelectorAll('details').forEach(fold => { fold.open = true; })")
    for scheme, rules in (("light", RULES), ("dark", COLORS)):
        view.emulate_media(color_scheme=scheme)
        found = Axe().run(view, options=rules)
        assert found.violations_count == 0, f"{scheme}\n{found.generate_report()}"
    wide = ".highlight pre, pre.text, .scroll:has(> table)"
    for width, parts in (
        (1280, wide if not name.endswith("-slides") else ".highlight pre"),
        (390, ".highlight pre, pre.text"),
    ):
        view.set_viewport_size({"width": width, "height": 800})
        assert view.evaluate("document.documentElement.scrollWidth") <= width
        assert view.evaluate(CUT, parts) == 0, f"cut off at {width} pixels"


def test_axe_sees_a_fault(view: Any, tmp_path: Path) -> None:
    """The check above can fail."""
    (tmp_path / "bad.html").write_text("<p style='color: #bbb'>pale</p><img src='data:,'>", encoding="utf-8")
    view.goto((tmp_path / "bad.html").as_uri())
    assert {fault["id"] for fault in Axe().run(view, options=RULES).response["violations"]} >= {
        *("color-contrast", "image-alt", "html-has-lang")
    }


def test_search_finds_a_section_and_marks_the_word(view: Any, course: Path) -> None:
    view.goto((course / "students" / "search.html").as_uri())
    hits = view.locator(".hits > li:visible")
    every = hits.count()
    view.get_by_role("searchbox", name="Words to find").fill("Poincare ball")  # also without the accent
    expect(view.get_by_role("status")).to_have_text(f"{hits.count()} of {every} sections")
    assert 0 < hits.count() < every
    expect(hits.first.locator("mark").first).to_have_text("Poincaré")
    hits.first.get_by_role("link").click()
    assert "01_poincare_ball.html#" in view.url
    expect(view.locator("section:target h2")).to_be_in_viewport()


def test_the_contents_mark_the_section_that_is_read(view: Any, course: Path) -> None:
    view.goto((course / "students" / f"{STEMS[1]}.html").as_uri())
    links = view.locator("nav.contents .sections a")
    bold = "links => links.filter(a => getComputedStyle(a).fontWeight === '700').map(a => a.hash)"
    for section in view.locator("main > section").all()[2:5]:
        section.evaluate("section => section.scrollIntoView()")
        view.wait_for_timeout(100)
        assert links.evaluate_all(bold) == [f"#{section.get_attribute('id')}"]


@pytest.mark.parametrize("scripts", [True, False])
def test_slides_move_with_keys_and_without_a_script_with_links(
    chromium: Any, course: Path, scripts: bool
) -> None:
    context = chromium.new_context(viewport={"width": 1280, "height": 720}, java_script_enabled=scripts)
    view = context.new_page()
    view.set_default_timeout(SECONDS * 1000)
    view.goto((course / "students" / f"{STEMS[0]}-slides.html").as_uri())

    def shown(number: int) -> None:
        expect(view.locator(f"#slide-{number} .steps")).to_be_in_viewport()
        assert view.url.endswith(f"#slide-{number}")

    if scripts:
        for key, number in (
            ("ArrowRight", 2),
            ("PageDown", 3),
            ("Space", 4),
            ("PageUp", 3),
            ("ArrowLeft", 2),
            ("Home", 1),
        ):
            view.keyboard.press(key)
            shown(number)
        view.keyboard.press("End")
        shown(view.locator(".slide").count())
    else:
        view.locator("#slide-1").get_by_role("link", name="Next").click()
        shown(2)
        view.locator("#slide-2").get_by_role("link", name="Previous").click()
        shown(1)
    context.close()
