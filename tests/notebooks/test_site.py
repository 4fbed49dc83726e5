"""The site: search, the projector view, code, tables and questions that fit; and the workflow that publishes it."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from zipfile import ZipFile

import nbformat
import pytest
import yaml
from bs4 import BeautifulSoup

from hypav import handouts, site
from hypav.pages import page_of, with_folds
from hypav.slides import WORDS

ROOT = Path(__file__).parents[2]
LONG = "    total = " + " + ".join(f"name_{n}" for n in range(20))
TABLE = (
    "<table><thead><tr><th></th><th>HM</th></tr></thead>"
    "<tbody><tr><th>AVCA</th><td>48.3 ± 5.2</td><td>a sentence about it with 3 numbers</td></tr></tbody></table>"
)


def code(source: str, *tags: str, html: str = "") -> nbformat.NotebookNode:
    outputs = [nbformat.v4.new_output("display_data", data={"text/html": html})] if html else []
    return nbformat.v4.new_code_cell(source, metadata={"tags": list(tags)}, outputs=outputs)


def text(source: str, *tags: str) -> nbformat.NotebookNode:
    return nbformat.v4.new_markdown_cell(source, metadata={"tags": list(tags)})


def lesson(number: int, *cells: nbformat.NotebookNode) -> nbformat.NotebookNode:
    return nbformat.v4.new_notebook(cells=[text(f"# 0{number} · Lesson\n\n> You learn {number}."), *cells])


CELLS = (
    text("## You need\n\nNothing but patience."),
    text("## 1 The first\n\nA zebra in the ball."),
    code(f"def f():\n{LONG}\n\n    return total", html=TABLE),
    text("**Predict.** How far?\n\n(a) near, *very* near (b) far (c) farther?", "predict"),
    code("1 + 1", "run", html="<p>the walrus</p>"),
    text("It is far.", "explain"),
    text("## 2 The second\n\n" + "\n\n".join(f"Paragraph {n} " + "word " * 40 for n in range(3))),
    text("### Exercise 1: add\n\nAdd them.", "exercise"),
    code("def g():\n    ### BEGIN SOLUTION\n    return 1\n    ### END SOLUTION", "exercise"),
)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site of two small lessons."""
    folder = tmp_path_factory.mktemp("site")
    source = folder / "from"
    (source / "results").mkdir(parents=True)
    shutil.copy(ROOT / "notebooks" / site.RUNS, source / site.RUNS)
    handouts.write(lesson(1, *CELLS), source / "01_one.ipynb")
    handouts.write(lesson(9, text("## 1 Only\n\nAn okapi.")), source / "09_nine.ipynb")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(site, "course_folder", lambda: source)
        site.write_site(folder / "to")
    return folder / "to"


def soup(path: Path) -> BeautifulSoup:
    return BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")


def test_a_site_is_one_folder_with_all_that_a_student_needs(built: Path) -> None:
    pages = {
        "index.html",
        "search.html",
        *(f"{n}{k}.html" for n in ("01_one", "09_nine") for k in ("", "-slides")),
    }
    more = {"01_one.ipynb", "09_nine.ipynb", "notebooks.zip", ".nojekyll"}
    assert {path.name for path in built.iterdir()} == pages | more
    with ZipFile(built / "notebooks.zip") as archive:
        assert {"hypav-course/01_one.ipynb", f"hypav-course/{site.RUNS.as_posix()}"} <= set(
            archive.namelist()
        )
        assert b"BEGIN SOLUTION" not in archive.read("hypav-course/01_one.ipynb")


def test_the_same_course_gives_the_same_site(built: Path, tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(site, "course_folder", lambda: built.parent / "from")
        site.write_site(tmp_path)
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == {
        p.name: p.read_bytes() for p in built.iterdir()
    }


def test_the_index_has_a_card_for_each_page_by_part_and_says_what_axe_found(built: Path) -> None:
    page = soup(built / "index.html")
    assert [heading.get_text() for heading in page.select("h2")] == [
        "Start and geometry",
        "Evidence",
        "About these pages",
    ]
    assert [link["href"] for link in page.select(".cards h3 a")] == ["01_one.html", "09_nine.html"]
    assert "You learn 9." in page.select(".cards li")[1].get_text()
    assert "axe finds no violation of WCAG 2.1, levels A and AA" in " ".join(page.get_text().split())


@pytest.mark.parametrize("stem", [path.stem for path in sorted((ROOT / "notebooks").glob("*.ipynb"))])
def test_the_index_of_the_course_has_a_picture_of_each_page(stem: str) -> None:
    notebook = handouts.read(ROOT / "notebooks" / f"{stem}.ipynb")
    for picture in (None, ROOT / "notebooks" / "pictures" / f"{stem}.png"):
        assert site._thumbnail(notebook, picture).startswith("data:image/png;base64,")


def test_the_contents_lead_to_every_page_and_section(built: Path) -> None:
    page = soup(built / "01_one.html")
    links = [str(link["href"]) for link in page.select("nav.contents a")]
    assert links == ["#content", "#you-need", "#1-the-first", "#2-the-second", "09_nine.html"]
    (here,) = page.select("nav.contents [aria-current=page]")
    assert here.get_text() == "01 · Lesson"
    assert [section["id"] for section in page.select("main > section")] == [link[1:] for link in links[1:4]]
    assert 'body:has(#you-need:target) .sections a[href="#you-need"]' in page.style.get_text()  # type: ignore[union-attr]
    assert page.select_one("footer a[rel=next]")["href"] == "09_nine.html"  # type: ignore[index]


def test_long_code_goes_on_beside_a_bar_and_can_be_copied(built: Path) -> None:
    (block, *_) = soup(built / "01_one.html").select(".highlight pre")
    assert block.get_text() == f"def f():\n{LONG}\n\n    return total\n"
    indents = [re.findall(r"\d+", str(line["style"])) for line in block.select(".line")]
    assert indents == [["0"], ["4"], ["0"], ["4"]]


def test_a_number_stays_on_one_line_and_no_header_is_empty(built: Path) -> None:
    (table,) = soup(built / "01_one.html").select("table")
    assert [cell.get_text() for cell in table.select(".number")] == ["48.3 ± 5.2"]
    assert [(header.get_text(), header["scope"]) for header in table.select("th")] == [
        ("HM", "col"),
        ("AVCA", "row"),
    ]


def test_options_of_a_question_are_a_list(built: Path) -> None:
    (question,) = soup(built / "01_one.html").select(".predict")
    assert [item.decode_contents() for item in question.select("ul > li")] == [
        "(a) near, <em>very</em> near", "(b) far", "(c) farther?",
    ]  # fmt: skip
    plain = page_of(
        nbformat.v4.new_notebook(cells=[text("# A\n\nIn (a) and (b) we see.", "predict")]), "A", {}
    )
    assert not plain.select(".predict ul")


def test_search_lists_every_section_without_the_answers(built: Path) -> None:
    hits = {str(item.a["href"]): item.get_text() for item in soup(built / "search.html").select(".hits > li")}  # type: ignore[index]
    assert set(hits) == {"01_one.html#1-the-first", "01_one.html#2-the-second", "09_nine.html#1-only"}
    assert "zebra" in hits["01_one.html#1-the-first"]
    assert "total" in hits["01_one.html#1-the-first"], "code is searched too"
    assert "walrus" not in "".join(hits.values()), "a result gives a prediction away"


def test_a_slide_has_one_idea(built: Path) -> None:
    page = soup(built / "01_one-slides.html")
    slides = page.select("section.slide")
    shown = [" ".join(slide.get_text().split()) for slide in slides]
    assert not [slide for slide in shown if "Nothing but patience" in slide], "a lecture does not need it"
    assert [slide["id"] for slide in slides] == [f"slide-{n}" for n in range(1, len(slides) + 1)]
    for kind in (".predict", ".exercise", "details.result"):
        (slide,) = (slide for slide in slides if slide.select(kind))
        assert len(slide.find_all(True, recursive=False)) == 3, "where, the idea, the links"
    (table,) = (slide for slide in slides if slide.select("table"))
    assert "def f" in table.get_text()
    for slide in slides:
        parts = slide.find_all(["p", "ul"], recursive=False)
        assert sum(len(part.get_text().split()) for part in parts) < 2 * WORDS
    last = len(slides)
    assert [link["href"] for link in slides[0].select(".steps a")] == ["#slide-2", "01_one.html"]
    assert [link["href"] for link in slides[-1].select(".steps a")] == [f"#slide-{last - 1}", "01_one.html"]


@pytest.mark.parametrize("path", sorted((ROOT / "notebooks").glob("*.ipynb")), ids=lambda path: path.stem)
def test_slides_leave_out_no_question_exercise_figure_or_formula(path: Path) -> None:
    from hypav.slides import projector_view

    page = page_of(with_folds(handouts.read(path), solutions=False), "Title", {})
    view = projector_view(page, path.stem)
    assert view.body is not None
    for kind in (".predict", ".exercise", "details.result", "figure", ".equation", "h3"):
        outside = [
            part
            for part in page.select(kind)
            if part.find_parent("section", id=re.compile("^(setup|time|you-need|references)$"))
        ]
        assert len(view.select(f".slide {kind}")) == len(page.select(kind)) - len(outside), kind


def test_the_workflow_publishes_what_make_site_builds_with_pinned_actions() -> None:
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "pages.yml").read_text(encoding="utf-8"))
    steps = [step for job in workflow["jobs"].values() for step in job["steps"]]
    assert all(
        re.fullmatch(r"actions/[a-z-]+@v\d+\.\d+\.\d+", step["uses"]) for step in steps if "uses" in step
    )
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert "$(BIN)/hypav site $(SITE)" in makefile
    assert "hypav site site" in [step.get("run") for step in steps]
    (upload,) = (step for step in steps if "upload-pages-artifact" in step.get("uses", ""))
    assert upload["with"]["path"] == "site"
    torch = re.search(
        r"^torch==(\S+)$", (ROOT / "requirements.lock").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert torch
    texts = [
        str(workflow),
        (ROOT / "hypav" / "templates" / "lecturers" / "installing.md").read_text(encoding="utf-8"),
    ]
    assert all(set(re.findall(r"torch==([\d.]+)", text)) == {torch.group(1)} for text in texts)


def test_each_project_can_be_graded_with_ten_points() -> None:
    text = (ROOT / "hypav" / "templates" / "lecturers" / "projects.md").read_text(encoding="utf-8")
    parts = text.split("\n## ")[1:]
    assert [part.split(":")[0] for part in parts] == ["Geometry", "Method", "Evidence"]
    for part in parts:
        assert sum(map(int, re.findall(r"^\| (\d+) \|", part, re.MULTILINE))) == 10
