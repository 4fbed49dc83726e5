"""Every notebook of the course: the gate, strict nbval, and a run on real features where there are some."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import nbformat
import pytest

from hypav.data.load import DATA_VARIABLE
from hypav.data.yt8m import YT8M_NAME
from hypav.handouts import code_cells, kernel_environment, read, run
from hypav.processors import PROCESSORS, available
from tests.notebooks.execute import normalise
from tests.notebooks.gate import problems
from tests.notebooks.strict import strict_nbval
from tests.notebooks.workshop import asked, imbalance, is_workshop

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))
# a notebook that opens no data set is the same on all of them
OPEN_DATA = [path for path in NOTEBOOKS if "course_data()" in path.read_text(encoding="utf-8")]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_gate_and_form(path: Path) -> None:
    assert problems(path) == []
    stored = path.read_text(encoding="utf-8")
    assert nbformat.writes(normalise(nbformat.reads(stored, as_version=4))).rstrip("\n") + "\n" == stored


def test_the_predictions_of_all_workshop_pages_cannot_be_guessed_from_their_letters() -> None:
    pages = [notebook for notebook in map(read, NOTEBOOKS) if is_workshop(notebook)]
    assert list(imbalance(each for page in pages for each in asked(page))) == []


UNTRAINED = ("03", "A1")  # notebooks that train no network of hypav, which is what nudged weights change


def turns(path: Path) -> tuple[str, str]:
    """Two processors for a notebook: this one, and another that changes when the notebook does."""
    names = [name for name in PROCESSORS if name in available()]
    if path.name[:2] in UNTRAINED:
        names.remove("nudged weights")
    content = hashlib.blake2b(path.read_bytes(), digest_size=4).digest()
    return names[0], names[1 + int.from_bytes(content) % (len(names) - 1)]


@pytest.mark.long
@pytest.mark.parametrize(
    ("path", "name"), [pytest.param(p, n, id=f"{p.stem}-{n}") for p in NOTEBOOKS for n in turns(p)]
)
def test_every_output_comes_out_again(path: Path, name: str) -> None:
    """On this processor each cell is run twice, so that what a cell changes or draws shows in its outputs."""
    same, report = strict_nbval(path, processor=PROCESSORS[name], again=name == turns(path)[0])
    assert same, report


@pytest.mark.long
@pytest.mark.real_data
@pytest.mark.parametrize("path", OPEN_DATA, ids=lambda path: path.stem)
def test_every_notebook_runs_on_real_features(path: Path) -> None:
    if not os.environ.get(DATA_VARIABLE):
        pytest.skip("no real data")
    environment = kernel_environment(data="yt8m-mini")
    notebook, _ = run(read(path), path.parent, name=path.name, environment=environment, cell_seconds=600)
    outputs = [output for cell in code_cells(notebook) for output in cell.outputs]
    assert all(output.get("name") != "stderr" for output in outputs)
    text = " ".join(o.get("text", "") + str(o.get("data", {}).get("text/plain")) for o in outputs)
    assert YT8M_NAME in text
