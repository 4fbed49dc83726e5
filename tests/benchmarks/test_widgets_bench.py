"""How long a reader waits for the explorer after moving a slider: less than 150 ms is wanted."""

from __future__ import annotations

from itertools import cycle
from typing import Any

from hypav.widgets import curvature_explorer, geometries_explorer


def test_redraw(benchmark: Any) -> None:
    explorer = curvature_explorer()
    values = cycle((-1.0, -0.4, 0.0, 0.2))

    def move() -> None:
        explorer.sliders["k"].value = next(values)

    benchmark.pedantic(move, rounds=12, warmup_rounds=2)
    assert explorer.data["k"] == explorer.sliders["k"].value


def test_redraw_of_two_points(benchmark: Any) -> None:
    explorer = geometries_explorer()
    values = cycle((-1.0, -0.4, 0.0, 0.7))

    def move() -> None:
        explorer.sliders["k"].value = next(values)

    benchmark.pedantic(move, rounds=12, warmup_rounds=2)
    assert explorer.data["k"] == explorer.sliders["k"].value
