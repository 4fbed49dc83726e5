"""The gate: one fault put into a good notebook gives one sentence."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import pytest

from hypav.figures.style import PLOTTED
from hypav.handouts import WIDGET_VIEW, code_cells, has_tag
from tests.notebooks import compare
from tests.notebooks.execute import normalise, twice
from tests.notebooks.gate import problems

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "notebooks" / "01_poincare_ball.ipynb"
Change = Callable[[Any], Any]


def test_the_comparison_in_nbval_imports_nothing_large() -> None:
    assert compare.PLOTTED == PLOTTED
    code = "import sys, tests.notebooks.compare; print({'torch', 'matplotlib', 'hypav'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout == "set()\n"


def edited(target: Path, change: Change) -> Path:
    notebook = nbformat.read(PAGE, as_version=4)
    change(notebook)
    nbformat.write(notebook, target)
    return target


def tagged(notebook: Any, tag: str, kind: str = "") -> Any:
    return next(c for c in notebook.cells if has_tag(c, tag) and kind in ("", c.cell_type))


def figure(notebook: Any) -> Any:
    return next(o for c in code_cells(notebook) for o in c.outputs if "image/png" in o.get("data", {}))


def code(number: int, **values: Any) -> Change:
    return lambda notebook: code_cells(notebook)[number].update(values)


def prints(text: str, name: str = "stdout") -> Change:
    output = nbformat.v4.new_output("stream", name=name, text=text)
    return lambda notebook: code_cells(notebook)[1].outputs.append(output)


def runs(source: str) -> Change:
    return lambda notebook: code_cells(notebook)[1].update(
        source=code_cells(notebook)[1].source + f"\n{source}"
    )


def swaps(tag: str, old: str, new: str, kind: str = "") -> Change:
    def change(notebook: Any) -> None:
        cell = tagged(notebook, tag, kind)
        assert re.search(old, cell.source)
        cell.source = re.sub(old, new, cell.source)

    return change


def untags(tag: str, *, first: int = 0, kinds: tuple[str, ...] = ("code", "markdown")) -> Change:
    def change(notebook: Any) -> None:
        for cell in [c for c in notebook.cells if has_tag(c, tag) and c.cell_type in kinds][first:]:
            cell.metadata.tags = []

    return change


def drops(section: str) -> Change:
    def change(notebook: Any) -> None:
        notebook.cells = [c for c in notebook.cells if not c.source.startswith(f"## {section}")]

    return change


def ignores(count: int) -> Change:
    def change(notebook: Any) -> None:
        for cell in code_cells(notebook)[1 : 1 + count]:
            cell.metadata["tags"] = [*cell.metadata.get("tags", []), "nbval-ignore-output"]

    return change


def many_cells(notebook: Any) -> None:
    for number in range(31):
        notebook.cells += [nbformat.v4.new_markdown_cell("x"), nbformat.v4.new_code_cell(f"{number}")]


def two_code_cells(notebook: Any) -> None:
    notebook.cells.insert(notebook.cells.index(code_cells(notebook)[1]), nbformat.v4.new_code_cell("1"))


FAULTS: dict[str, Change] = {
    "writes to stderr: Warning: x": prints("Warning: x\n", "stderr"),
    "stores the error E": lambda n: code_cells(n)[2].outputs.append(
        nbformat.v4.new_output("error", ename="E", evalue="", traceback=[])
    ),
    r"execution counts are .*None": code(3, execution_count=None, outputs=[]),
    r"execution counts are \[1, 2, 3, 9": code(3, execution_count=9),
    "no alt text": lambda n: figure(n).update(metadata={}),
    "no digest of its data": lambda n: figure(n).data.update({"text/plain": "<Figure>"}),
    "not a PNG": lambda n: figure(n).data.update({"image/svg+xml": "<svg/>"}),
    "widget state": lambda n: n.metadata.update(widgets={}),
    "widget's id": lambda n: figure(n).data.update({WIDGET_VIEW: {"model_id": "1"}}),
    "no script can be made of it": lambda n: n.metadata.update(language_info={"name": "python"}),
    "kernel is not python3": lambda n: n.metadata.kernelspec.update(name=".venv"),
    "at most 31 s": lambda n: n.metadata.hypav.update(max_seconds=31),
    "needs both tags or neither": ignores(1),
    "nbval ignores 4 of": ignores(4),
    "unknown tag 'preditc'": lambda n: n.cells[3].metadata.update(tags=["preditc"]),
    r"code cell 2 has \d\d lines": runs("pass\n" * 30),
    "code cells, more than 30": many_cells,
    "are both code": two_code_cells,
    "the sections are": drops("What to remember"),
    "sections between are numbered": drops("2 "),
    "one line of promise": lambda n: n.cells[0].update(source=n.cells[0].source.split("\n")[0]),
    "does not say which section": lambda n: n.cells[1].update(source=n.cells[1].source.replace("Section 3", "Section 9")),
    "lacks torch.set_num_threads": swaps("setup", r"torch.set_num_threads\(1\)", ""),
    "not followed by a code cell": lambda n: tagged(n, "explain").metadata.update(tags=[]),
    "0 turns of predict": untags("predict"),
    "asks nothing": swaps("predict", r"\?", "."),
    "does not have one solution": swaps("exercise", "### END SOLUTION", "", "code"),
    "does not end in its check": swaps("exercise", r"check\..*$", "1", "code"),
    "does not pass its check": lambda n: tagged(n, "exercise", "code").outputs[0].data.update(
        {"text/plain": "Not right: x"}
    ),
    "no folded hint": swaps("hint", "<details>", ""),
    "has 1 exercises": untags("exercise", first=1, kinds=("code",)),
    "at most four decimals": prints("0.123456"),
    "rounding noise": prints("2.22e-16"),
    "defines mobius_add, which hypav has": runs("def mobius_add(x, y): pass"),
    "not plain Python": runs("!ls"),
    "draws with pyplot": runs("import matplotlib.pyplot as plt"),
    "uses interact": runs("interact(f, k=(0, 1))"),
    "code cell 3 draws from stream, which another cell has made": lambda n: (
        runs("stream = torch.Generator().manual_seed(1)")(n),
        code_cells(n)[2].update(source=code_cells(n)[2].source + "\ntorch.rand(2, generator=stream)"),
    ),
    "run once only: that needs a reason": lambda n: code_cells(n)[1].metadata.update(hypav={"once": ""}),
    "a cell that draws from no generator": lambda n: (
        runs("torch.rand(2, generator=g)")(n),
        code_cells(n)[1].metadata.update(hypav={"once": "long"}),
    ),
    "global random state": runs("torch.manual_seed(1)"),
    "steers nbval in a comment": runs("# NBVAL_IGNORE_OUTPUT"),
    "uses the network": runs("import urllib.request"),
    "kB, more than 500": lambda n: figure(n).data.update({"image/png": "A" * 500_000}),
}  # fmt: skip


@pytest.mark.parametrize("sentence", FAULTS)
def test_gate_names_the_fault(sentence: str, tmp_path: Path) -> None:
    faults = problems(edited(tmp_path / "page.ipynb", FAULTS[sentence]))
    assert any(re.search(sentence, fault) for fault in faults), faults
    assert all(fault.startswith("page.ipynb: ") for fault in faults)


def test_a_damaged_file_is_one_fault(tmp_path: Path) -> None:
    (tmp_path / "broken.ipynb").write_text("{", encoding="utf-8")
    (fault,) = problems(tmp_path / "broken.ipynb")
    assert "not a notebook" in fault


@pytest.mark.parametrize(
    ("tags", "note", "sentence"),
    [
        (["nbval-ignore-output", "tolerance"], {"reason": "r", "tolerance": {"relative": 0.1}}, ""),
        (["tolerance"], {"reason": "r", "tolerance": {"relative": 0.1}}, "needs both tags"),
        (["nbval-ignore-output", "tolerance"], {"tolerance": {"relative": 0.1}}, "without a reason"),
        (["nbval-ignore-output", "tolerance"], {"reason": "r"}, "has no tolerance"),
        (
            ["nbval-ignore-output", "tolerance"],
            {"reason": "r", "tolerance": {"absolute": 0}},
            "has no tolerance",
        ),
    ],
)
def test_a_cell_that_depends_on_the_machine_says_why_and_by_how_much(
    tags: list[str], note: dict[str, Any], sentence: str, tmp_path: Path
) -> None:
    def change(notebook: Any) -> None:
        cell = code_cells(notebook)[1]
        cell.metadata["tags"], cell.metadata["hypav"] = [*cell.metadata.get("tags", []), *tags], note

    faults = problems(edited(tmp_path / "page.ipynb", change))
    assert len(faults) == bool(sentence)
    assert all(sentence in fault for fault in faults)


def test_a_cell_is_repeated_unless_it_says_why_not() -> None:
    notebook = nbformat.v4.new_notebook()
    notebook.cells = [nbformat.v4.new_markdown_cell("x"), *map(nbformat.v4.new_code_cell, "ab")]
    notebook.cells[2].metadata["hypav"] = {"once": "long"}
    assert [cell.source for cell in twice(notebook).cells] == ["x", "a", "a", "b"]
    nbformat.validate(notebook)


def test_normalising_keeps_tags_and_reasons() -> None:
    metadata = {"tags": ["run"], "hypav": {"reason": "r"}, "execution": {}}
    notebook = nbformat.v4.new_notebook(metadata={"hypav": {"max_seconds": 3}, "widgets": {}, "x": 1})
    notebook.cells = [nbformat.v4.new_code_cell("1", metadata=metadata)]
    normalise(notebook)
    assert set(notebook.metadata) == {"hypav", "kernelspec", "language_info"}
    assert notebook.cells[0].metadata == {"tags": ["run"], "hypav": {"reason": "r"}}
