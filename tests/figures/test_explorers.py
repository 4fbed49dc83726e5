"""The explorers without a browser: numbers and words in V8 against hypav's, what a notebook stores, pages."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pytest
import torch
from py_mini_racer import MiniRacer

from hypav.errors import SettingError
from hypav.figures.explorer import (
    EXPLORER,
    MOST_BYTES,
    WIDGET_VIEW,
    Explorer,
    common_source,
    fixed,
    module_names,
    module_source,
    rounded,
    stored_explorer,
)
from hypav.figures.four_point_explorer import four_point_explorer, plot_best_h
from hypav.figures.page_scripts import as_function
from hypav.figures.poincare_ball import plane_explorer
from hypav.handouts import write
from hypav.pages import POLICY
from hypav.site import build_pages
from tests.figures.explorer_cases import EXPLORERS

NAMES = list(EXPLORERS)


@cache
def engine(name: str) -> MiniRacer:
    js = MiniRacer()
    js.eval(f"const MODULE = (() => {{\n{common_source()}\n{as_function(name)}\n}})();")
    return js


def in_v8(name: str, function: str, states: list[Mapping[str, Any]]) -> list[Any]:
    return json.loads(engine(name).eval(f"JSON.stringify({json.dumps(states)}.map(MODULE.{function}))"))


@cache
def made(name: str) -> Explorer:
    return EXPLORERS[name].make()


def differences(mine: Any, theirs: Any, path: str = "") -> list[str]:
    """Where two nested results differ by more than 1e-12 of the largest number of the array."""
    if isinstance(mine, Mapping):
        assert set(mine) == set(theirs), path
        return [line for key in mine for line in differences(mine[key], theirs[key], f"{path}.{key}")]
    if mine is None or isinstance(mine, (str, bool)):
        return [] if mine == theirs else [f"{path}: {theirs!r} instead of {mine!r}"]
    a, b = np.asarray(mine, dtype=float), np.asarray(theirs, dtype=float)
    if a.shape != b.shape:
        return [f"{path}: {b.shape} instead of {a.shape}"]
    if a.size == 0:
        return []
    error = np.abs(a - b).max() / max(np.abs(a).max(), 1e-3)
    return [] if error <= 1e-12 else [f"{path}: off by {error:.1e}"]


@pytest.mark.parametrize("name", NAMES)
def test_numbers_are_hypavs_on_at_least_a_hundred_states(name: str) -> None:
    cases = EXPLORERS[name]
    states = [made(name).state | change for change in cases.changes()]
    assert len(states) >= 100
    assert len({json.dumps(state) for state in states}) >= 0.9 * len(states)
    words = []
    for state, theirs in zip(states, in_v8(name, "numbers", states), strict=True):
        mine = cases.numbers(state)
        words.append(cases.words(state, mine))
        found = differences(mine, theirs)
        assert not found, f"{ {key: state[key] for key in cases.keys} }: {found}"
    assert in_v8(name, "sentence", states) == words
    assert len(set(words)) > 10


@pytest.mark.parametrize("name", NAMES)
def test_the_picture_says_the_same_as_the_explorer_at_first(name: str) -> None:
    assert in_v8(name, "sentence", [made(name).state]) == [made(name).figure.alt_text]


def test_every_module_is_tested() -> None:
    assert set(module_names()) == set(EXPLORERS)


@pytest.mark.parametrize("name", NAMES)
def test_what_a_notebook_stores_is_a_picture_its_words_and_the_state(name: str) -> None:
    explorer = made(name)
    bundle, metadata = explorer._repr_mimebundle_()
    assert set(bundle) == {WIDGET_VIEW, EXPLORER, "image/png", "text/plain"}
    assert stored_explorer({"data": bundle, "metadata": metadata}) == (name, explorer.state)
    assert json.loads(json.dumps(bundle[EXPLORER])) == bundle[EXPLORER], "state is plain JSON"
    assert len(json.dumps(explorer.state)) < MOST_BYTES
    assert bundle["text/plain"].startswith(metadata["image/png"]["alt"] + "\nplotted: ")


def test_numbers_as_text_are_the_same_in_both_languages() -> None:
    g = torch.Generator().manual_seed(0)
    values = [*(torch.randn(400, generator=g, dtype=torch.float64) * 10).tolist(), 0.0, -0.0, -1e-9, 1e-9]
    values += [sign * n / 8 for n in range(81) for sign in (1, -1)]  # halves of the last digit
    values += [2.675, 1.005, 0.285, -0.005, 99.995]
    for digits in range(4):
        js = f"JSON.stringify({json.dumps(values)}.map((x) => fixed(x, {digits})))"
        theirs = json.loads(js_of_common().eval(js))
        assert theirs == [fixed(value, digits) for value in values]
    js = f"JSON.stringify({json.dumps(values)}.map(short))"
    assert json.loads(js_of_common().eval(js)) == [
        f"{value + 0.0:g}".replace("-", "−") if abs(value) > 1e-4 or value == 0 else short
        for value, short in zip(values, json.loads(js_of_common().eval(js)), strict=True)
    ]


@cache
def js_of_common() -> MiniRacer:
    js = MiniRacer()
    js.eval(common_source())
    return js


# --- the class ---


def test_a_bad_explorer_is_refused() -> None:
    figure, data = plot_best_h()
    with pytest.raises(SettingError, match=r"no explorer 'globe'; choose .*four_points"):
        Explorer("globe", figure, data, {})
    with pytest.raises(SettingError, match="must be JSON"):
        Explorer("four_points", figure, data, {"k": torch.tensor(1.0)})
    with pytest.raises(SettingError, match="must be JSON"):
        Explorer("four_points", figure, data, {"k": float("nan")})
    with pytest.raises(SettingError, match="at most 120,000"):
        Explorer("four_points", figure, data, {"k": "x" * 120_000})
    with pytest.raises(SettingError, match="not finite"):
        rounded(torch.tensor([1.0, torch.inf]))


def test_rounded_gives_plain_numbers_without_a_negative_zero() -> None:
    assert json.dumps(rounded(torch.tensor([[-1e-9, 1 / 3]], dtype=torch.float64), 3)) == "[[0.0, 0.333]]"


WITHOUT = """
import sys
sys.modules["anywidget"] = None
from hypav.figures.four_point_explorer import four_point_explorer
explorer = four_point_explorer()
bundle, _ = explorer._repr_mimebundle_()
print(sorted(bundle), explorer.widget())
"""


def test_without_anywidget_the_picture_remains() -> None:
    run = subprocess.run([sys.executable, "-c", WITHOUT], capture_output=True, text=True, check=True)
    assert run.stdout == f"['{EXPLORER}', 'image/png', 'text/plain'] None\n"


def test_the_widget_holds_the_whole_module_and_the_state() -> None:
    explorer = four_point_explorer()
    widget = explorer.widget()
    assert widget._esm == f"{common_source()}\n{module_source('four_points')}"
    assert widget.state == explorer.state


# --- pages ---


ALT = {"image/png": {"alt": "what is seen in the picture, in words"}}


def page_of(folder: Path, *outputs: Mapping[str, Any]) -> str:
    cells = [
        nbformat.v4.new_code_cell(
            "1", outputs=[nbformat.v4.new_output("display_data", data=dict(data), metadata=ALT)]
        )
        for data in outputs
    ]
    title = nbformat.v4.new_markdown_cell("# Title")
    write(nbformat.v4.new_notebook(cells=[title, *cells]), folder / "page.ipynb")
    return build_pages([folder / "page.ipynb"], folder)[1].read_text(encoding="utf-8")


def stored(make: Callable[[], Explorer]) -> dict[str, Any]:
    bundle = make()._repr_mimebundle_()[0]
    del bundle[WIDGET_VIEW]
    return bundle


def policy_of(page: str) -> str:
    (policy,) = re.findall(r'<meta content="([^"]*)" http-equiv="Content-Security-Policy"|'
                           r'<meta http-equiv="Content-Security-Policy" content="([^"]*)"', page)  # fmt: skip
    return "".join(policy)


def test_a_page_has_one_script_and_its_digest_is_in_the_policy(tmp_path: Path) -> None:
    page = page_of(tmp_path, stored(plane_explorer), {"text/plain": "1"}, stored(four_point_explorer))
    (script,) = re.findall(r"<script[^>]*>(.*?)</script>", page, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert policy_of(page) == f"{POLICY}; script-src 'sha256-{digest}'"
    assert policy_of(page).startswith("default-src 'none'")
    assert script.count("function mobiusAdd(") == 1, "what is shared is there once"
    assert page.count('class="explorer"') == page.count("The figure in words") == 2
    assert page.count("<img ") == 2, "the pictures stay"


def test_a_page_without_explorers_has_no_script(tmp_path: Path) -> None:
    page = page_of(tmp_path, {"text/html": "<p>hello</p>"})
    assert "<script" not in page
    assert policy_of(page) == POLICY


def test_a_state_cannot_end_the_script_and_unknown_modules_stay_pictures(tmp_path: Path) -> None:
    bundle = stored(four_point_explorer)
    bundle[EXPLORER]["state"]["k"] = "</script><script>alert(1)</script>"
    page = page_of(tmp_path, bundle)
    assert page.count("<script") == page.count("</script>") == 1
    for bad in ({"module": "../../secret", "state": {}}, {"module": 3}, "words", None):
        bundle[EXPLORER] = bad
        assert "<script" not in page_of(tmp_path, bundle)
