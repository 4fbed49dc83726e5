"""Rules for a notebook that strict nbval does not check, and the template of the course.

nbval does not compare a cell that was stored without being run, nor any picture. It knows nothing of alt texts, length
or sections. Each rule here is a function of a notebook that yields one sentence per fault.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import nbformat

from hypav.figures.style import PLOTTED
from hypav.handouts import (
    BEGIN_SOLUTION,
    END_SOLUTION,
    WIDGET_VIEW,
    code_cells,
    has_tag,
    student_source,
)
from tests.notebooks import workshop
from tests.notebooks.compare import TOLERANCE
from tests.notebooks.execute import PYTHON

# the headings `## ` that come first and last, in this order; between them are the numbered sections, `## 1 ...`
OPENING = ("You will be able to", "You need", "Time", "Setup")
CLOSING = ("What to remember", "References")
# hypav.handouts explains them
TAGS = frozenset(
    {"setup", "predict", "run", "explain", "exercise", "hint", "solution", "teacher", "widget"}
) | {
    "nbval-ignore-output",
    TOLERANCE,
}
EXERCISES = (3, 6)
LIMITS = {"code cells": 30, "lines a cell": 25, "bytes": 500_000, "predict turns": 3, "ignored share": 0.1}

Rule = Callable[[Any], Iterator[str]]

# what a code cell must not contain: pattern -> what it does, and what to do instead
FORBIDDEN = {
    r"NBVAL_|PYTEST_VALIDATE": "steers nbval in a comment: use tags",
    r"\binteract\(|widgets\.Output|interactive_output": "uses interact or Output, whose outputs differ in each run",
    r"pyplot|plt\.": "draws with pyplot: use a function of hypav.figures, which returns its data",
    r"torch\.manual_seed|np\.random\.seed|random\.seed|np\.random\.(rand|normal|choice)": (
        "uses a global random state: pass a torch.Generator"
    ),
    r"urllib|requests\.|urlretrieve|wget|pip install": "uses the network",
}

_DRAWS = re.compile(r"generator\b|Generator\(|rng\b|\.sampling|\.masks|\brand\w*\(|Learner")


def problems(path: Path | str) -> list[str]:
    """All that is wrong with a notebook, one sentence each. Empty if nothing is."""
    path = Path(path)
    try:
        notebook = nbformat.read(path, as_version=4)
        nbformat.validate(notebook)
    except Exception as error:  # a damaged file is a fault like any other
        return [f"{path.name}: not a notebook of format 4: {str(error).splitlines()[0]}"]
    faults = [fault for rule in RULES for fault in rule(notebook)]
    if (size := path.stat().st_size) >= LIMITS["bytes"]:
        faults.append(
            f"is {size / 1000:.0f} kB, more than {LIMITS['bytes'] / 1000:.0f}: draw fewer or smaller figures"
        )
    return [f"{path.name}: {fault}" for fault in faults]


def _executed(notebook: Any) -> Iterator[str]:
    counts = [cell.execution_count for cell in code_cells(notebook)]
    if counts != list(range(1, len(counts) + 1)):
        yield f"execution counts are {counts}, not 1 to {len(counts)}: run `make notebooks`"
    for number, cell in enumerate(code_cells(notebook), 1):
        if not cell.source.strip():
            yield f"code cell {number} is empty"


def _clean_outputs(notebook: Any) -> Iterator[str]:
    for number, cell in enumerate(code_cells(notebook), 1):
        for output in cell.outputs:
            if output.output_type == "error":
                yield f"code cell {number} stores the error {output.ename}"
            if output.get("name") == "stderr":
                yield f"code cell {number} writes to stderr: {output.text.strip().splitlines()[0]}"
            if WIDGET_VIEW in output.get("data", {}):
                yield f"code cell {number} stores a widget's id, which no other kernel knows: run `make notebooks`"


def _digits(notebook: Any) -> Iterator[str]:
    for number, cell in enumerate(code_cells(notebook), 1):
        for output in cell.outputs:
            text = output.get("text", "") + output.get("data", {}).get("text/plain", "")
            if long := re.search(r"\d+\.\d{5,}", text):
                yield f"code cell {number} prints {long.group()}: at most four decimals"
            if noise := re.search(r"\d\.\d+e-(1[3-9]|[2-9]\d)", text):
                yield f"code cell {number} prints {noise.group()}, which is rounding noise: print whether it is small"


def _figures(notebook: Any) -> Iterator[str]:
    for number, cell in enumerate(code_cells(notebook), 1):
        for output in cell.outputs:
            data = output.get("data", {})
            if set(data) & {"image/jpeg", "image/svg+xml"} or "<img" in data.get("text/html", ""):
                yield f"code cell {number} shows a picture that is not a PNG of show_figure"
            if "image/png" not in data:
                continue
            alt, text = output.metadata.get("image/png", {}).get("alt", ""), data.get("text/plain", "")
            if not alt.strip():
                yield f"the figure of code cell {number} has no alt text: use hypav.figures.style.show_figure"
            elif not text.startswith(f"{alt}\n{PLOTTED}"):
                yield f"the figure of code cell {number} has no digest of its data: use hypav.figures.style.show_figure"


def _metadata(notebook: Any) -> Iterator[str]:
    if "widgets" in notebook.metadata:
        yield "widget state is stored: run `make notebooks`"
    if notebook.metadata.get("kernelspec", {}).get("name") != "python3":
        yield "the kernel is not python3: run `make notebooks`"
    if notebook.metadata.get("language_info") != PYTHON:
        yield "metadata.language_info is not Python's, so no script can be made of it: run `make notebooks`"
    if not isinstance(notebook.metadata.get("hypav", {}).get("max_seconds"), int):
        yield 'metadata.hypav.max_seconds, the seconds it may take to run, is missing: "hypav": {"max_seconds": 30}'
    for number, cell in enumerate(notebook.cells, 1):
        for tag in set(cell.metadata.get("tags", [])) - TAGS:
            yield f"cell {number} has the unknown tag {tag!r}"


def _ignored(notebook: Any) -> Iterator[str]:
    cells = code_cells(notebook)
    ignored = [n for n, cell in enumerate(cells, 1) if has_tag(cell, "nbval-ignore-output")]
    if len(ignored) > LIMITS["ignored share"] * len(cells):
        yield f"nbval ignores {len(ignored)} of {len(cells)} code cells, more than one in ten"
    for number, cell in enumerate(cells, 1):
        if has_tag(cell, TOLERANCE) != (number in ignored):
            yield f"code cell {number} needs both tags or neither: nbval-ignore-output and {TOLERANCE}"
            continue
        if number not in ignored:
            continue
        note = cell.metadata.get("hypav", {})
        if not note.get("reason"):
            yield f"code cell {number} depends on the machine without a reason in its metadata.hypav.reason"
        within = note.get("tolerance") or {}
        if (
            not within
            or not set(within) <= {"absolute", "relative"}
            or not all(v > 0 for v in within.values())
        ):
            yield f"code cell {number} has no tolerance: metadata.hypav.tolerance is absolute, relative or both"


def _generators(notebook: Any) -> Iterator[str]:
    """What a cell draws must not depend on how often it or another cell was run before."""
    trees = [ast.parse(cell.source if _parses(cell.source) else "") for cell in code_cells(notebook)]
    makers = [
        node
        for tree in trees
        for node in tree.body
        if isinstance(node, ast.Assign) and re.search(r"\bGenerator\(|default_rng\(", ast.unparse(node))
    ]
    made = set().union(*map(_bound, makers))
    for number, (cell, tree) in enumerate(zip(code_cells(notebook), trees, strict=True), 1):
        used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
        for name in sorted(made & used - _bound(tree)):
            yield f"code cell {number} draws from {name}, which another cell has made: seed one in the cell"
        reason = cell.metadata.get("hypav", {}).get("once")
        if reason is not None and (not reason or _DRAWS.search(cell.source)):
            yield f"code cell {number} is run once only: that needs a reason, and a cell that draws from no generator"


def _bound(tree: ast.AST) -> set[str]:
    """The names that are assigned in a piece of code, arguments of functions included."""
    nodes = list(ast.walk(tree))
    names = {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    return names | {node.arg for node in nodes if isinstance(node, ast.arg)}


def _length(notebook: Any) -> Iterator[str]:
    cells = code_cells(notebook)
    if len(cells) > LIMITS["code cells"]:
        yield f"has {len(cells)} code cells, more than {LIMITS['code cells']}: move code to the package"
    for number, cell in enumerate(cells, 1):
        if (lines := len(cell.source.splitlines())) > LIMITS["lines a cell"]:
            yield f"code cell {number} has {lines} lines, more than {LIMITS['lines a cell']}"
    kinds = [cell.cell_type for cell in notebook.cells]
    for number, pair in enumerate(pairwise(kinds), 1):
        if pair == ("code", "code"):
            yield f"cells {number} and {number + 1} are both code: say between them what the reader saw"


def _sections(notebook: Any) -> Iterator[str]:
    first = notebook.cells[0].source if notebook.cells else ""
    if not re.match(r"# (\d\d|A\d) · .+\n\n> .+", first):
        yield "the first cell is not `# NN · Title`, an empty line and `> one line of promise`"
    names = headings(notebook, 2)
    body = [re.match(r"(\d+) ", name) for name in names[len(OPENING) : -len(CLOSING)]]
    if tuple(names[: len(OPENING)]) != OPENING or tuple(names[-len(CLOSING) :]) != CLOSING or not all(body):
        yield f"the sections are {names}, not {[*OPENING]}, `1 ...`, `2 ...`, {[*CLOSING]}"
        return
    numbers = [int(match.group(1)) for match in body if match]
    if numbers != list(range(1, len(numbers) + 1)) or not numbers:
        yield f"the sections between are numbered {numbers}"
    aims = re.findall(r"^[-*] (.+)", _section(notebook, "You will be able to"), re.MULTILINE)
    if not 3 <= len(aims) <= 6:
        yield f"`You will be able to` lists {len(aims)} things, not 3 to 6"
    for aim in aims:
        named = re.search(r"\(Section (\d+)\)", aim)
        if not named or int(named.group(1)) not in numbers:
            yield f"the aim {aim[:40]!r} does not say which section meets it: end it with (Section n)"
    limit = notebook.metadata.get("hypav", {}).get("max_seconds")
    time = _section(notebook, "Time")
    if not re.search(r"\d+ minutes", time) or f"at most {limit} s" not in time:
        yield f"`Time` does not say how many minutes it takes to read and that it runs in at most {limit} s"


def _setup(notebook: Any) -> Iterator[str]:
    first = next(iter(code_cells(notebook)), None)
    if first is None or not has_tag(first, "setup") or "torch.set_num_threads(1)" not in first.source:
        yield "the first code cell is not tagged `setup`, or lacks torch.set_num_threads(1)"


def _turns(notebook: Any) -> Iterator[str]:
    cells, turns = notebook.cells, 0
    for number, cell in enumerate(cells):
        if not has_tag(cell, "predict"):
            continue
        turns += 1
        after = cells[number + 1 : number + 3]
        tags = [
            cell.cell_type == kind and has_tag(cell, tag)
            for cell, kind, tag in zip(after, ("code", "markdown"), ("run", "explain"), strict=False)
        ]
        if cell.cell_type != "markdown" or "?" not in cell.source:
            yield f"cell {number + 1} is tagged predict but asks nothing"
        if tags != [True, True]:
            yield f"the question of cell {number + 1} is not followed by a code cell `run` and a text `explain`"
    if turns < LIMITS["predict turns"]:
        yield f"has {turns} turns of predict, run, explain, fewer than {LIMITS['predict turns']}"


def _exercises(notebook: Any) -> Iterator[str]:
    tagged = [
        n for n, cell in enumerate(notebook.cells) if has_tag(cell, "exercise") and cell.cell_type == "code"
    ]
    numbers = [name.split()[1].rstrip(":") for name in headings(notebook, 3) if name.startswith("Exercise ")]
    if numbers != [str(n) for n in range(1, len(tagged) + 1)]:
        yield f"the headings `### Exercise n: ...` are numbered {numbers}, but there are {len(tagged)} exercise cells"
    if not EXERCISES[0] <= len(tagged) <= EXERCISES[1]:
        yield f"has {len(tagged)} exercises, not {EXERCISES[0]} to {EXERCISES[1]}"
    for place, number in enumerate(tagged, 1):
        cell, before = notebook.cells[number], notebook.cells[max(0, number - 2) : number]
        if not any(
            has_tag(c, "hint") and "<details>" in c.source and "</details>" in c.source for c in before
        ):
            yield f"exercise {place} has no folded hint: a cell tagged hint with <details> just before the code"
        if cell.source.count(BEGIN_SOLUTION) != 1 or cell.source.count(END_SOLUTION) != 1:
            yield f"exercise {place} does not have one solution between {BEGIN_SOLUTION} and {END_SOLUTION}"
        elif BEGIN_SOLUTION in student_source(cell.source) or not _parses(student_source(cell.source)):
            yield f"exercise {place} is not valid Python without its solution"
        if not cell.source.rstrip().splitlines()[-1].startswith("check."):
            yield f"exercise {place} does not end in its check: `check.name(answer)`"
        if not any(o.get("data", {}).get("text/plain", "").startswith("Passed: ") for o in cell.outputs):
            yield f"the stored solution of exercise {place} does not pass its check"


def _code(notebook: Any) -> Iterator[str]:
    public = _public_names()
    for number, cell in enumerate(code_cells(notebook), 1):
        for pattern, fault in FORBIDDEN.items():
            if re.search(pattern, cell.source):
                yield f"code cell {number} {fault}"
        if not _parses(cell.source):
            yield f"code cell {number} is not plain Python"
            continue
        for node in ast.walk(ast.parse(cell.source)):
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and node.name in public:
                yield f"code cell {number} defines {node.name}, which hypav has: import it, or call it my_{node.name}"


RULES: tuple[Rule, ...] = (
    _executed,
    _clean_outputs,
    _digits,
    _figures,
    _metadata,
    _ignored,
    _generators,
    _length,
    _sections,
    _setup,
    _turns,
    _exercises,
    _code,
    workshop.faults,
)


def headings(notebook: Any, level: int) -> list[str]:
    """The headings of one level in order, without those inside fenced code."""
    text = re.sub(r"^```.*?^```", "", _markdown(notebook), flags=re.MULTILINE | re.DOTALL)
    return re.findall(rf"^{'#' * level} (.+?)\s*$", text, flags=re.MULTILINE)


def _markdown(notebook: Any) -> str:
    return "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")


def _section(notebook: Any, name: str) -> str:
    match = re.search(
        rf"^## {re.escape(name)}\s*$(.*?)(?=^## |\Z)", _markdown(notebook), re.MULTILINE | re.DOTALL
    )
    return match.group(1) if match else ""


def _parses(source: str) -> bool:
    try:
        ast.parse(source)
    except SyntaxError:
        return False
    return True


@cache
def _public_names() -> frozenset[str]:
    """The public functions and classes of the package, read from its files without importing them."""
    names: set[str] = set()
    for file in (Path(__file__).parents[2] / "hypav").rglob("*.py"):
        for node in ast.parse(file.read_text(encoding="utf-8")).body:
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and not node.name.startswith("_"):
                names.add(node.name)
    return frozenset(names)
