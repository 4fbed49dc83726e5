"""What a student keeps: the file, the functions of later pages, and sentences where something no longer works."""

from __future__ import annotations

import importlib.util
import linecache
from pathlib import Path
from typing import Any

import pytest
import torch

import hypav as hv
from hypav import geometry
from hypav.checks import poincare_ball
from hypav.checks.framework import ModuleCheck, Verdict
from hypav.errors import SettingError
from hypav.student import MINE_VARIABLE, PACKAGE, package_version

GOOD = """
def my_project(x, *, k, xi):
    ### BEGIN SOLUTION
    R = 1 / abs(k) ** 0.5
    n = x.norm(dim=-1, keepdim=True)
    return torch.where(n > (1 - xi) * R, x / n * (1 - xi) * R, x)
    ### END SOLUTION
"""


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(MINE_VARIABLE, str(tmp_path / "mine.py"))
    return tmp_path / "mine.py"


def cell(source: str, number: list[int] = [0]) -> dict[str, Any]:  # noqa: B006
    """The names that a cell of a notebook defines; linecache knows its lines, as in IPython."""
    number[0] += 1
    file = f"<ipython-input-{number[0]}>"
    linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
    names: dict[str, Any] = {"torch": torch, "nn": torch.nn, "__name__": "__main__"}
    exec(compile(source, file, "exec"), names)
    return names


def kept(source: str = GOOD, name: str = "my_project") -> Verdict:
    return poincare_ball.project(cell(source)[name]).keep()


def test_a_function_that_passed_is_kept_and_taken_by_a_later_page(mine: Path) -> None:
    verdict = kept()
    assert verdict
    assert str(verdict) == (
        "Passed: Eq. 1, the projection into the ball. The paper feeds phi_v and phi_a through this line. "
        "Kept for later pages."
    )
    text = mine.read_text()
    assert (
        "# --- my_project: passed poincare_ball.project ---\ndef my_project(x, *, k, xi):\n    R = 1" in text
    )
    assert "SOLUTION" not in text
    x = torch.randn(4, 3, dtype=torch.float64)
    found = hv.mine("my_project")
    assert found.__module__ == "mine"
    torch.testing.assert_close(found(x, k=-0.5, xi=0.1), geometry.project(x, k=-0.5, xi=0.1))
    assert [path.name for path in mine.parent.iterdir()] == ["mine.py"], "no temporary file is left"


def test_the_file_is_a_plain_module(mine: Path) -> None:
    kept()
    spec = importlib.util.spec_from_file_location("mine", mine)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert callable(module.my_project)
    assert {"math", "torch", "nn", "F", "hv"} <= set(vars(module))


def test_a_second_version_replaces_the_first_and_leaves_the_rest(mine: Path) -> None:
    kept()
    source = "def my_mobius_add(x, y, *, k):\n    import hypav as hv\n    return hv.geometry.mobius_add(x, y, k=k)\n"
    assert poincare_ball.mobius_add(cell(source)["my_mobius_add"]).keep()
    mine.write_text(mine.read_text().replace("import math\n", "import math  # my own note\n"))
    kept(GOOD.replace("R = 1", "second = 0; R = 1"))
    text = mine.read_text()
    assert text.count("def my_project") == text.count("def my_mobius_add") == 1
    assert "second = 0" in text
    assert "# my own note" in text
    assert text.index("my_project") < text.index("my_mobius_add")


def test_what_did_not_pass_is_not_kept(mine: Path) -> None:
    wrong = poincare_ball.project(lambda x, *, k, xi: x)
    assert wrong.keep() is wrong
    assert not mine.exists()


def test_with_none_nothing_is_stored_or_read_and_the_text_is_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(MINE_VARIABLE, raising=False)
    kept()
    assert (tmp_path / "mine.py").exists(), "by default the file is in the working folder"
    assert hv.mine("my_project").__module__ == "mine"
    before = (tmp_path / "mine.py").read_bytes()
    monkeypatch.setenv(MINE_VARIABLE, "none")
    plain = poincare_ball.project(cell(GOOD)["my_project"])
    assert str(plain.keep()) == str(plain)
    assert (tmp_path / "mine.py").read_bytes() == before
    assert hv.mine("my_project") is package_version("my_project")


def test_committed_pages_run_without_kept_functions() -> None:
    from hypav.handouts import kernel_environment

    assert kernel_environment()[MINE_VARIABLE] == "none"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("R = 1 / ", "R = 1 % / "), "it no longer runs: SyntaxError"),
        (
            ("R = 1 / abs(k) ** 0.5", "R = 1 / abs(k)"),
            "it no longer passes its check: your ball has the radius 1/|k|",
        ),
        (("def my_project", "def other"), "its section does not define my_project"),
        (("return", "return nothing;"), "it uses nothing, which is defined outside it"),
        (("import torch\n", "import tourch\n"), "it no longer runs: ModuleNotFoundError"),
    ],
)
def test_a_kept_function_that_was_spoilt_gives_one_sentence_and_the_packages_one(
    change: tuple[str, str], told: str, mine: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept()
    mine.write_text(mine.read_text().replace(*change))
    assert hv.mine("my_project") is package_version("my_project")
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("Your my_project in ")
    assert told in line
    assert line.endswith("The package's is used instead.")


def test_a_spoilt_section_does_not_spoil_the_others(mine: Path) -> None:
    kept()
    mine.write_text(
        mine.read_text() + "\n\n# --- my_distance: passed poincare_ball.distance ---\ndef my_distance(:\n"
    )
    assert hv.mine("my_project").__module__ == "mine"


def test_a_function_that_needs_another_cell_is_not_kept(mine: Path) -> None:
    source = "def helper(k):\n    return 1 / abs(k) ** 0.5\n" + GOOD.replace("1 / abs(k) ** 0.5", "helper(k)")
    verdict = kept(source)
    assert verdict
    assert str(verdict).endswith(
        "Not kept: it uses helper, which is defined outside it and not kept: define or import it inside my_project."
    )
    assert not mine.exists()


def test_a_function_may_use_one_that_was_kept_before(mine: Path) -> None:
    source = (
        "def my_project(x, *, k, xi):\n    return 1 * x if xi < 0 else my_cut(x, k, xi)\n"
        "def my_cut(x, k, xi):\n    import hypav as hv\n    return hv.geometry.project(x, k=k, xi=xi)\n"
    )
    names = cell(source)
    from hypav.student import keep

    assert keep(names["my_cut"]) == "Kept for later pages."
    assert str(poincare_ball.project(names["my_project"]).keep()).endswith("Kept for later pages.")


@pytest.mark.parametrize("text", [b"\xff\xfe\x00", b"\x00"])
def test_a_damaged_file_gives_a_sentence_and_is_left_as_it_is(
    text: bytes, mine: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mine.write_bytes(text)
    assert "Not kept: " in str(kept())
    assert mine.read_bytes() == text
    assert hv.mine("my_project") is package_version("my_project")


def test_a_folder_that_cannot_be_written_gives_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(MINE_VARIABLE, str(tmp_path / "missing" / "mine.py"))
    verdict = kept()
    assert verdict
    assert "Not kept: " in str(verdict)


def test_a_lambda_is_not_kept(mine: Path) -> None:
    passed = poincare_ball.project(lambda x, *, k, xi: geometry.project(x, k=k, xi=xi)).keep()
    assert passed
    assert "write it with def" in str(passed)
    assert not mine.exists()


class Reference(torch.nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(width, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layer(x)  # type: ignore[no-any-return]


def test_a_class_of_a_cell_is_kept(mine: Path) -> None:
    check = ModuleCheck("A layer", Reference, [((3,), {}, (torch.ones(4, 3),))], {}, praise="Good.")
    source = (
        "x = 1\n\nclass MyLayer(nn.Module):\n    def __init__(self, width):\n        super().__init__()\n"
        "        self.mine = nn.Linear(width, 2)\n\n    def forward(self, x):\n        return self.mine(x)\n\ny = 2\n"
    )
    verdict = check(cell(source)["MyLayer"]).keep()
    assert str(verdict).endswith("Kept for later pages.")
    assert "x = 1" not in mine.read_text()
    assert "y = 2" not in mine.read_text()
    assert hv.mine("MyLayer")(3)(torch.ones(1, 3)).shape == (1, 2)


def test_an_unknown_name_is_one_sentence(mine: Path) -> None:
    with pytest.raises(SettingError, match=r"no 'my_projekt'.*my_project"):
        hv.mine("my_projekt")


@pytest.mark.parametrize("name", PACKAGE)
def test_every_row_of_the_table_leads_to_a_function_that_passes_its_check(name: str) -> None:
    assert callable(package_version(name))
