"""Emulated processors, cells compared within a tolerance, and the refusal to store digits that differ."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import nbformat
import pytest
import torch
from click.testing import CliRunner

import tests.notebooks.__main__ as command
from hypav.errors import RunError
from hypav.handouts import WIDGET_VIEW, code_cells
from hypav.processors import HERE, PROCESSORS, Processor, available, call_on
from tests.notebooks.compare import TOLERANCE, first_difference, largest_deviation
from tests.notebooks.execute import run_on
from tests.notebooks.strict import strict_nbval


def printed(text: str) -> list[Any]:
    return [nbformat.v4.new_output("stream", name="stdout", text=text)]


def shown(**data: str) -> list[Any]:
    return [
        nbformat.v4.new_output("display_data", data={f"text/{kind}": text for kind, text in data.items()})
    ]


def page_of(path: Path, *cells: tuple[str, list[Any], dict[str, Any]]) -> Path:
    """A notebook of executed cells: (source, stored outputs, tolerance or {})."""
    page = nbformat.v4.new_notebook()
    for number, (source, outputs, tolerance) in enumerate(cells, 1):
        cell = nbformat.v4.new_code_cell(source, outputs=outputs, execution_count=number, id=f"cell{number}")
        if tolerance:
            cell.metadata["tags"] = ["nbval-ignore-output", TOLERANCE]
            cell.metadata["hypav"] = {"reason": "a test", "tolerance": tolerance}
        page.cells.append(cell)
    nbformat.write(page, path)
    return path


# --- two runs of a cell ---


@pytest.mark.parametrize(
    ("stored", "new", "sentence"),
    [
        ("HM 24.1", "HM 24.2", "'24.2' instead of '24.1'"),
        ("k = −0.2, 3 rows", "k = 0.2, 3 rows", "'0.2' instead of '−0.2'"),
        ("higher", "lower", "'lower' instead of 'higher'"),
        ("one\ntwo", "one", "'one' instead of 'one\\ntwo'"),
    ],
)
def test_without_a_tolerance_every_sign_counts(stored: str, new: str, sentence: str) -> None:
    assert first_difference(printed(stored), printed(stored)) is None
    assert sentence in str(first_difference(printed(stored), printed(new)))


def test_within_a_tolerance_numbers_may_differ_and_words_may_not() -> None:
    absolute = {"absolute": 0.1}
    assert first_difference(printed("24.1 of 50"), printed("24.2 of 50"), absolute) is None
    assert "beyond the tolerance" in str(first_difference(printed("24.1"), printed("24.3"), absolute))
    assert "lower" in str(first_difference(printed("24.1 higher"), printed("24.1 lower"), absolute))
    assert first_difference(printed("200 ms"), printed("219 ms"), {"relative": 0.1}) is None
    assert first_difference(printed("200 ms"), printed("230 ms"), {"relative": 0.1})
    assert first_difference(printed("−0.05"), printed("0.05"), absolute) is None
    assert largest_deviation(printed("1.0 2.0"), printed("1.5 2.0")) == pytest.approx((0.5, 1 / 3))


def test_spaces_of_a_table_and_the_check_of_a_figure_follow_the_numbers() -> None:
    tolerance = {"absolute": 0.1}
    assert first_difference(shown(plain="HM    9.99"), shown(plain="HM   10.01"), tolerance) is None
    assert first_difference(shown(plain="HM    9.99"), shown(plain="HM   10.01"))
    before = "A line.\nplotted: line: 4 numbers in [0.00, 9.00], check 0.1000"
    after = "A line.\nplotted: line: 4 numbers in [0.00, 9.02], check 0.7321"
    assert first_difference(shown(plain=before), shown(plain=after), tolerance) is None
    assert first_difference(shown(plain=before), shown(plain=after.replace("9.02", "9.20")), tolerance)


def test_outputs_of_another_kind_differ() -> None:
    both, text = shown(plain="1", html="<b>1</b>"), shown(plain="1")
    assert "instead of text/plain, text/html" in str(first_difference(both, text, {"absolute": 1.0}))
    assert "nothing instead of stdout" in str(first_difference(printed("1"), [], {"absolute": 1.0}))


@pytest.mark.long
def test_nbval_catches_a_changed_digit_and_one_beyond_the_tolerance(tmp_path: Path) -> None:
    figure = "from hypav.figures.style import show_table\nshow_table(['k'], [[0.5]])"
    (fresh,) = code_cells(run_on(page_of(tmp_path / "table.ipynb", (figure, [], {})))[0])
    fresh.outputs[0].data["text/html"] = (
        fresh.outputs[0].data["text/html"].replace("0.5000</td>", "0.5001</td>")
    )
    page = page_of(
        tmp_path / "page.ipynb",
        ("print(1.25)", printed("1.25\n"), {}),
        ("print(1.25)", printed("1.26\n"), {}),
        ("print(1.25)", printed("1.3\n"), {"absolute": 0.1}),
        ("print(1.25)", printed("1.4\n"), {"absolute": 0.1}),
        ("print('higher', 1.25)", printed("lower 1.25\n"), {"absolute": 0.1}),
        (figure, fresh.outputs, {}),
    )
    for alone, cells in ((False, ["1", "3", "4", "5"]), (True, ["1", "5"])):
        same, report = strict_nbval(page, alone=alone)
        failed = [line for line in report.splitlines() if line.startswith(("FAILED", "ERROR"))]
        assert not same
        assert sorted(line.split("::Cell ")[1][0] for line in failed) == cells
    same, report = strict_nbval(page, seconds=0.01)
    assert (same, "took longer" in report) == (False, True)


@pytest.mark.long
def test_a_cell_that_run_again_gives_another_number_is_caught(tmp_path: Path) -> None:
    draws = "print(round(torch.rand(1, generator=g).item(), 2))"
    page = page_of(
        tmp_path / "page.ipynb",
        ("import torch\ng = torch.Generator().manual_seed(0)", [], {}),
        (draws, printed("0.5\n"), {}),
        (f"g = torch.Generator().manual_seed(0)\n{draws}", printed("0.5\n"), {}),
    )
    assert strict_nbval(page)[0]
    same, report = strict_nbval(page, again=True)
    failed = [line for line in report.splitlines() if line.startswith("FAILED")]
    assert not same
    assert [line.split("::Cell ")[1][0] for line in failed] == ["3"]  # the second cell's second run


# --- execution ---


@pytest.mark.long
def test_running_again_gives_the_same_file_and_an_explorer_is_stored_as_a_picture(tmp_path: Path) -> None:
    explorer = "from hypav.figures.four_point_explorer import four_point_explorer\nfour_point_explorer()"
    page = page_of(tmp_path / "page.ipynb", (explorer, [], {}), ("print(f'{2 ** 0.5:.4f}')", [], {}))
    first, _ = run_on(page)
    nbformat.write(first, page)
    assert nbformat.writes(run_on(page, PROCESSORS["2 threads"])[0]) == nbformat.writes(first)
    (output,) = first.cells[0].outputs
    assert WIDGET_VIEW not in output.data
    assert output.metadata["image/png"]["alt"]
    assert strict_nbval(page)[0]


def test_a_failing_cell_leaves_the_file_and_is_named(tmp_path: Path) -> None:
    page = page_of(tmp_path / "broken.ipynb", ("1", [], {}), ("1 / 0", [], {}))
    before = page.read_bytes()
    with pytest.raises(RunError, match=r"broken.ipynb: code cell 2 of 2 failed:[\s\S]*ZeroDivisionError"):
        run_on(page)
    assert page.read_bytes() == before


# --- emulation ---

STATE = """import torch
torch.set_num_threads(1)
from hypav.avca import AVCAConfig
from hypav.training import Learner, RunConfig, TrainConfig
print(torch.backends.cpu.get_cpu_capability(), torch.get_num_threads())
config = RunConfig(AVCAConfig(8, 8, 8, hidden_enc=0, hidden_proj=0), TrainConfig(dtype="float64"))
weight = Learner.fresh(config, torch.device("cpu")).model.encode_v.out.weight.detach()
print(weight[0, 0].item().hex())"""


@pytest.mark.long
def test_a_kernel_runs_as_on_the_processor(tmp_path: Path) -> None:
    page, words = page_of(tmp_path / "state.ipynb", (STATE, [], {})), {}
    for name, processor in {
        "here": HERE,
        "no AVX": replace(PROCESSORS["no AVX"], threads=2),
        "nudged": PROCESSORS["nudged weights"],
    }.items():
        notebook, _ = run_on(page, processor)
        words[name] = "".join(output.text for output in code_cells(notebook)[0].outputs).split()
    assert words["no AVX"][:2] == ["DEFAULT", "2"]
    assert words["no AVX"][2] == words["here"][2], "initial weights have the same bits everywhere"
    here, nudged = (float.fromhex(words[name][2]) for name in ("here", "nudged"))
    assert 0 < abs(nudged - here) < 1e-15 * abs(here)


def test_a_function_runs_as_on_another_processor() -> None:
    def describe(text: str, *, more: str) -> tuple[str, str, torch.dtype]:
        return text + more, torch.__config__.show(), torch.get_default_dtype()

    text, config, dtype = call_on(PROCESSORS["no AVX"], describe, "a", more="b")
    assert (text, dtype) == ("ab", torch.float32)
    assert re.search("CPU capability usage: (DEFAULT|NO AVX)", config)
    assert Processor(threads=4).environment["OMP_NUM_THREADS"] == "4"


def test_what_a_machine_lacks_is_not_emulated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cpu.get_capabilities", lambda: {"sse4_2": True, "avx2": True})
    assert "AVX-512" not in available()
    assert {"AVX2", "no AVX", "this one", "nudged weights"} <= set(available())
    monkeypatch.setattr("torch.cpu.get_capabilities", lambda: {"architecture": "aarch64"})
    assert set(available()) == {"this one", "2 threads", "nudged weights", "other rounding"}


@pytest.mark.long
def test_a_digit_that_another_processor_changes_is_not_stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if "AVX2" not in available():
        pytest.skip("this machine has no second instruction set")
    source = "import torch\n2.5 if torch.backends.cpu.get_cpu_capability() == 'DEFAULT' else 2.4"
    page = page_of(tmp_path / "page.ipynb", ("1 + 1", [], {}), (source, [], {}))
    before = page.read_bytes()
    monkeypatch.setattr(command, "TRIED_ON", ("no AVX",))
    monkeypatch.setenv("ATEN_CPU_CAPABILITY", "avx2")
    result = CliRunner().invoke(command.main, [str(page)])
    assert result.exit_code == 1
    assert "code cell 2, processor 'no AVX': text/plain has '2.5' instead of '2.4'" in result.output
    assert page.read_bytes() == before

    page_of(page, ("1 + 1", [], {}), (source, [], {"absolute": 0.2}))
    result = CliRunner().invoke(command.main, [str(page)])
    assert result.exit_code == 1, "the gate has its say on what is stored"
    assert "numbers differ by 0.1 at most" in result.output
    assert "'text/plain': '2.4'" in str(nbformat.read(page, as_version=4).cells[1].outputs)
