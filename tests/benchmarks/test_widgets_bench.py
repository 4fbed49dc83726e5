"""How long a reader waits for the explorer after moving a slider: less than 150 ms is wanted."""

from __future__ import annotations

from collections.abc import Callable
from itertools import cycle
from typing import Any

import pytest
import torch

from hypav.evaluation import sweep
from hypav.figures import (
    alignment_explorer,
    beta_explorer,
    curvature_explorer,
    embedding_explorer,
    four_point_explorer,
    geometries_explorer,
)
from hypav.figures.explorer import Explorer


def noise(*shape: int) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def beta() -> Explorer:
    classes = torch.arange(40)
    distances = noise(2000, 40)
    return beta_explorer(
        sweep(distances, classes.repeat(50), classes, classes[:30], classes[30:], torch.arange(81) / 20)
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
        goal(
            f"redraw of the explorer of {name}, median", 1e3 * benchmark.stats.stats.median, "ms", at_most=150
        )
