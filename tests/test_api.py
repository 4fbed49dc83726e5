"""The public API: every name has a docstring with an example, and every example runs."""

from __future__ import annotations

import doctest
import subprocess
import sys
from importlib import import_module
from types import ModuleType

import pytest

import hypav as hv

FUNCTIONS = [
    "load", "course_data", "from_arrays", "train", "score", "compare", "reproduce", "preset", "alignment_loss",
    "delta_rel", "Scores",
]  # fmt: skip


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_name_has_an_example(name: str) -> None:
    assert ">>> " in (getattr(hv, name).__doc__ or "")


@pytest.mark.parametrize(
    "name", sorted({getattr(hv, name).__module__ for name in FUNCTIONS} | {"hypav.geometry"})
)
def test_every_example_runs(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HYPAV_COURSE", raising=False)
    result = doctest.testmod(import_module(name))
    assert result.failed == 0 < result.attempted


def test_every_name_is_there() -> None:
    for name in dir(hv):
        getattr(hv, name)
    assert isinstance(hv.losses, ModuleType)
    with pytest.raises(AttributeError, match="frobnicate"):
        _ = hv.frobnicate


def test_import_is_quick_because_it_brings_no_torch() -> None:
    code = "import sys, hypav.cli; sys.exit('torch' in sys.modules or 'pandas' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
