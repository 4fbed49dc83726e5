"""Every explorer with at least a hundred states, and the functions of hypav that give the same numbers and words."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

import torch

from hypav.figures import poincare_ball, start_here
from hypav.figures.explorer import Explorer

State = Mapping[str, Any]


@dataclass(frozen=True)
class Cases:
    """How an explorer is made, changes to its state, and its numbers and words for a state.

    `keys` are the parts of the state that move, `controls` and `points` what moves them, for the tests by keyboard.
    """

    make: Callable[[], Explorer]
    keys: tuple[str, ...]
    changes: Callable[[], Iterator[dict[str, Any]]]
    numbers: Callable[[State], Any]
    words: Callable[[State, Any], str]
    controls: tuple[dict[str, Any], ...] = ()
    points: tuple[dict[str, Any], ...] = ()


def slider(key: str, label: str, low: float, high: float, step: float) -> dict[str, Any]:
    return {"kind": "slider", "key": key, "label": label, "low": low, "high": high, "step": step}


def point(key: str, step: float = 0.05) -> dict[str, Any]:
    """A point that is a pair of numbers in the state."""
    return {"get": lambda state: state[key], "put": lambda state, value: {key: value}, "step": step}


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def points(count: int, *, most: float, k: float = -1.0) -> list[list[list[float]]]:
    """For each of 110 states `count` points within `most` of the ball's radius, some of them near the rim or equal."""
    g = generator()
    direction = torch.nn.functional.normalize(
        torch.randn(110, count, 2, generator=g, dtype=torch.float64), dim=-1
    )
    size = most * torch.rand(110, count, 1, generator=g, dtype=torch.float64) ** 0.5 / (-k) ** 0.5
    size[:20] = most / (-k) ** 0.5
    places = (direction * size).round(decimals=6)
    places[20, :] = 0
    places[21, -1] = places[21, 0]
    return places.tolist()


def plane() -> Iterator[dict[str, Any]]:
    for x, y, origin in points(3, most=0.97):
        yield {"x": x, "y": y, "origin": origin}


def curvature() -> Iterator[dict[str, Any]]:
    for number, edge in product(range(27), (0.6, 0.9, 1.2, 1.5)):
        yield {"k": round(-1 + 0.05 * number, 6), "edge": edge}


def alignment_ball() -> Iterator[dict[str, Any]]:
    g = generator()
    for number in range(41):
        yield {"k": round(-1 + 0.05 * number, 6)}
    for _ in range(60):
        phi = (8 * torch.rand(2, 4, 2, generator=g, dtype=torch.float64) - 4).round(decimals=2)
        k = round(2 * float(torch.rand(1, generator=g)) - 1, 3)
        yield {"k": k, "phi_v": phi[0].tolist(), "phi_a": phi[1].tolist()}


EXPLORERS: dict[str, Cases] = {
    "plane": Cases(
        poincare_ball.plane_explorer,
        ("x", "y", "origin"),
        plane,
        lambda s: poincare_ball.plane_numbers(s["x"], s["y"], origin=s["origin"], k=s["k"]),
        lambda s, found: poincare_ball.plane_words(s["x"], s["y"], found, origin=s["origin"], k=s["k"]),
        points=(point("x"), point("y"), point("origin")),
    ),
    "curvature": Cases(
        poincare_ball.curvature_explorer,
        ("k", "edge"),
        curvature,
        lambda s: {key: value for key, value in poincare_ball.space(s["k"], s["edge"]).items() if key != "k"},
        lambda s, found: poincare_ball.space_words(found | {"k": s["k"]}),
        controls=(
            slider("k", "curvature k", -1.0, 0.3, 0.05),
            slider("edge", "length of an edge", 0.6, 1.5, 0.1),
        ),
    ),
    "alignment_ball": Cases(
        start_here.alignment_ball_explorer,
        ("k", "phi_v", "phi_a"),
        alignment_ball,
        lambda s: start_here.alignment_ball_numbers(
            torch.tensor([s["phi_v"], s["phi_a"]], dtype=torch.float64), s["k"]
        ),
        lambda s, found: start_here.alignment_ball_words(s["k"], found),
        controls=(slider("k", "curvature k", -1.0, 1.0, 0.05),),
    ),
}
