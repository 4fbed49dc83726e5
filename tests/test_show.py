"""What a notebook shows: the digest sees every change of the data and no rounding noise; tables and sources are text."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import hypav.figures.style
from hypav import geometry
from hypav.errors import DataError
from hypav.figures.style import DescribedFigure, digest, figure_bundle, show_figure, show_source, show_table


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, str]]:
    bundles: list[dict[str, str]] = []
    monkeypatch.setattr(hypav.figures.style, "display", lambda bundle, **_: bundles.append(bundle))
    return bundles


def test_digest_sees_one_changed_point_of_many() -> None:
    line = torch.linspace(-3, 7, 1001, dtype=torch.float64)
    assert digest({"line": line}).startswith("plotted: line: 1001 numbers in [-3.0000, 7.0000], check ")
    for place in (0, 1, 500, 999):
        for change in (2e-4, -0.3, 1.0, 2.0):
            altered = line.clone()
            altered[place] += change
            assert digest(altered) != digest(line)


def test_digest_does_not_see_rounding_noise_nor_the_container() -> None:
    values = torch.randn(3, 40, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    noisy = values * (1 + 1e-14)
    assert digest(noisy) == digest(values) == digest(values.numpy())
    assert digest({"x": [0.5, 1.5]}) == digest({"x": torch.tensor([0.5, 1.5], dtype=torch.float64)})
    assert digest([0.0, -1e-12, 0.0]) == digest([0.0, 1e-12, 0.0]) == digest([0.0, 0.0, 0.0])


def test_digest_sees_order() -> None:
    assert digest([1.0, 2.0, 3.0]) != digest([2.0, 1.0, 3.0])


def test_digest_of_float32_has_two_decimals_at_most() -> None:
    assert "[1.23, 1.23]" in digest(torch.tensor([1.2345]))
    assert "[1.2345, 1.2345]" in digest(torch.tensor([1.2345], dtype=torch.float64))


def test_digest_names_nested_series_words_and_what_is_missing() -> None:
    data = {"k=-1": {"length": torch.tensor([1.0, torch.nan]), "tiles": 5}, "name": "flat", "HM": None}
    lines = digest({**data, "parts": [torch.ones(2, 2), "x"], "empty": []}).splitlines()
    assert [line.removeprefix("plotted: ").split(":")[0].split(" =")[0] for line in lines] == [
        "k=-1.length",
        "k=-1.tiles",
        "name",
        "HM",
        "parts[0]",
        "parts[1]",
        "empty",
    ]
    assert "1 not finite" in lines[0]
    assert lines[2] == "plotted: name = flat"
    assert lines[3] == "plotted: HM = None"
    assert "2x2 numbers" in lines[4]
    with pytest.raises(DataError, match="hold object at what"):
        digest({"what": object()})


def figure(alt: str) -> DescribedFigure:
    drawn = DescribedFigure(figsize=(1, 1))
    drawn.alt_text = alt
    return drawn


def test_a_figure_shows_picture_alt_text_and_digest(shown: list[dict[str, str]]) -> None:
    bundle, metadata = figure_bundle(figure("Two < three."), [1.0])
    assert bundle["text/plain"] == "Two < three.\n" + digest([1.0])
    assert metadata == {"image/png": {"alt": "Two < three."}}
    show_figure(figure("Two < three."), [1.0])
    assert shown[0]["text/plain"] == bundle["text/plain"]
    assert "<summary>The figure in words</summary><p>Two &lt; three.</p>" in shown[1]["text/html"]
    with pytest.raises(DataError, match="no alt text"):
        figure_bundle(figure(" "), [1.0])


def test_a_table_rounds_aligns_and_escapes(shown: list[dict[str, str]]) -> None:
    rows: list[list[Any]] = [
        ["a < b", 1.23456, 3],
        ["b", torch.tensor(-0.00001), True],
        ["c", None, np.float64(2)],
    ]
    show_table(["name", "x", "n"], rows, digits=2, caption="T & U")
    html, text = shown[0]["text/html"], shown[0]["text/plain"]
    assert text.splitlines() == [
        "T & U",
        "name   x        n",
        "a < b     1.23     3",
        "b         0.00  yes",
        "c      not run  2.00",
    ]
    assert '<th scope="col">name</th>' in html
    assert "T &amp; U</caption>" in html
    assert '<td style="text-align: left">a &lt; b</td><td style="text-align: right">1.23</td>' in html
    with pytest.raises(DataError, match="Row 2 of the table has 1 cells, the header 2"):
        show_table(["a", "b"], [[1, 2], [1]])


def test_a_source_comes_without_its_docstring(shown: list[dict[str, str]]) -> None:
    show_source(geometry.midpoint)
    text = shown[0]["text/plain"]
    assert text.startswith("`hypav.geometry.midpoint`\ndef midpoint(")
    assert "return (space / (time + length))" in text
    assert '"""' not in text
    assert "```python\n" in shown[0]["text/markdown"]
