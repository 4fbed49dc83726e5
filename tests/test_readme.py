"""The README's Python runs as it is printed, on a smaller set."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
SNIPPETS = re.findall(r"```python\n(.*?)```", README, flags=re.S)


@pytest.mark.parametrize("snippet", SNIPPETS, ids=["first screen", "your own arrays"])
def test_snippet_runs(snippet: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    exec(snippet.replace('"simulated"', '"simulated:small"').replace("seeds=3", "seeds=1"), names)
    assert "AVCA" in names["table"].index if "table" in names else len(names["data"]) == 432


def test_the_first_snippet_fits_a_screen() -> None:
    assert SNIPPETS[0].count("\n") <= 15


def test_every_link_leads_to_a_file() -> None:
    root = Path(__file__).parent.parent
    links = re.findall(r"\]\(([^)#:]+)\)", README)
    assert len(links) > 30
    assert not [link for link in links if not (root / link).exists()]
