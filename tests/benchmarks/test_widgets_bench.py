"""How long a reader waits for an explorer after moving a control: the goal is less than 150 ms."""

from __future__ import annotations

from collections.abc import Callable
from itertools import cycle
from typing import Any

import pytest
import torch

from hypav.evaluation import Curve, harmonic_mean
from hypav.figures.does_curvature_matter import alignment_explorer
from hypav.figures.explorer import Explorer
from hypav.figures.poincare_ball import curvature_explorer
from hypav.figures.seeing_embeddings import embedding_explorer
from hypav.figures.three_geometries import geometries_explorer
from hypav.figures.trees import four_point_explorer
from hypav.figures.zero_shot import beta_explorer


def noise(*shape: int) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def beta() -> Explorer:
    U = torch.linspace(0, 0.4, 81, dtype=torch.float64)
    return beta_explorer(
        Curve(torch.arange(81).double() / 20, 0.6 - U, U, harmonic_mean(0.6 - U, U), ZSL=0.4)
    )


def embedding() -> Explorer:
    maps = {f"{variant}, {theta}": noise(200, 2) for variant in ("AVCA", "curved") for theta in ("v", "a")}
    return embedding_explorer(maps, [f"group {i % 7}" for i in range(200)], data="SIMULATED")


# explorer -> how it is made, the control that is moved, its values
EXPLORERS: dict[str, tuple[Callable[[], Explorer], str, tuple[Any, ...]]] = {
    "curvature": (curvature_explorer, "k", (-1.0, -0.4, 0.0, 0.2)),
    "two points": (geometries_explorer, "k", (-1.0, -0.4, 0.0, 0.7)),
    "four points": (four_point_explorer, "angle", (-120.0, -30.0, 60.0, 140.0)),
    "beta": (beta, "beta", (0.5, 1.0, 2.0, 3.0)),
    "alignment": (
        lambda: alignment_explorer(*noise(2, 48, 300), 10.0, data="SIMULATED"),
        "similarity",
        ("distance", "cosine", "kernel", "inner"),
    ),
    "embeddings": (embedding, "variant", ("curved", "AVCA")),
}


@pytest.mark.parametrize("name", list(EXPLORERS))
def test_redraw(benchmark: Any, goal: Callable[..., None], name: str) -> None:
    make, control, options = EXPLORERS[name]
    explorer, values = make(), cycle(options)

    def move() -> None:
        explorer.sliders[control].value = next(values)

    benchmark.pedantic(move, rounds=12, warmup_rounds=2)
    pictures = set()
    for _ in options:
        move()
        pictures.add(explorer.image.value)
    assert len(pictures) == len(options)
    if not benchmark.disabled:
        median = 1e3 * benchmark.stats.stats.median
        goal(f"redraw of the explorer of {name}, median", median, "ms", at_most=150)
