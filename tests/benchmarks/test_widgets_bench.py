"""How long a reader waits for the explorer after moving a slider: less than 150 ms is wanted."""

from __future__ import annotations

from itertools import cycle
from typing import Any

import torch

from hypav.protocol import sweep
from hypav.widgets import (
    alignment_explorer,
    beta_explorer,
    curvature_explorer,
    four_point_explorer,
    geometries_explorer,
)


def test_redraw(benchmark: Any) -> None:
    explorer = curvature_explorer()
    values = cycle((-1.0, -0.4, 0.0, 0.2))

    def move() -> None:
        explorer.sliders["k"].value = next(values)

    benchmark.pedantic(move, rounds=12, warmup_rounds=2)
    assert explorer.data["k"] == explorer.sliders["k"].value


def test_redraw_of_beta(benchmark: Any) -> None:
    classes = torch.arange(40)
    distances = torch.rand(2000, 40, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    curve = sweep(distances, classes.repeat(50), classes, classes[:30], classes[30:], torch.arange(81) / 20)
    explorer = beta_explorer(curve)
    values = cycle((0.5, 1.0, 2.0, 3.0))

    def move() -> None:
        explorer.sliders["beta"].value = next(values)

    benchmark.pedantic(move, rounds=12, warmup_rounds=2)
    assert f"β = {explorer.sliders['beta'].value:.2f}" in explorer.data


def test_redraw_of_two_points(benchmark: Any) -> None:
    explorer = geometries_explorer()
    values = cycle((-1.0, -0.4, 0.0, 0.7))

    def move() -> None:
        explorer.sliders["k"].value = next(values)

    benchmark.pedantic(move, rounds=12, warmup_rounds=2)
    assert explorer.data["k"] == explorer.sliders["k"].value


def test_redraw_of_four_points(benchmark: Any) -> None:
    explorer = four_point_explorer()
    values = cycle((-120.0, -30.0, 60.0, 140.0))

    def move() -> None:
        explorer.sliders["angle"].value = next(values)

    benchmark.pedantic(move, rounds=12, warmup_rounds=2)
    assert explorer.data["sums"].shape == (3,)


def test_redraw_of_alignment(benchmark: Any) -> None:
    phi = torch.rand(2, 48, 300, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    explorer = alignment_explorer(*phi, 10.0, data="SIMULATED")
    values = cycle(("distance", "cosine", "kernel", "inner"))

    def move() -> None:
        explorer.sliders["similarity"].value = next(values)

    benchmark.pedantic(move, rounds=12, warmup_rounds=2)
    assert explorer.sliders["similarity"].value in explorer.figure.alt_text
