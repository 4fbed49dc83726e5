"""Every explorer with at least a hundred states, and the functions of hypav that give the same numbers and words."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

import torch

from hypav import geometry
from hypav.figures import (
    alignment_explorer,
    beta_explorer,
    four_point_explorer,
    geometries_explorer,
    map_explorer,
    poincare_ball,
    start_here,
    triplet_explorer,
)
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


def alignment_ball() -> Iterator[dict[str, Any]]:
    g = generator()
    for number in range(41):
        yield {"k": round(-1 + 0.05 * number, 6)}
    for _ in range(60):
        phi = (8 * torch.rand(2, 4, 2, generator=g, dtype=torch.float64) - 4).round(decimals=2)
        k = round(2 * float(torch.rand(1, generator=g)) - 1, 3)
        yield {"k": k, "phi_v": phi[0].tolist(), "phi_a": phi[1].tolist()}


def three_geometries() -> Iterator[dict[str, Any]]:
    for number, (v, w) in enumerate(points(2, most=1.1)):
        yield {"k": round(-1 + 0.05 * (number % 41), 6), "v": v, "w": w}


def four_points() -> Iterator[dict[str, Any]]:
    for number, four in enumerate(points(4, most=0.97)):
        yield {"k": round(-1 + 0.05 * (number % 21), 6), "points": four}


def beta() -> Iterator[dict[str, Any]]:
    for number in range(61):
        yield {"beta": round(-1 + 0.05 * number, 6)}
    g = generator()
    for _ in range(50):
        samples = (4 * torch.rand(40, 2, generator=g, dtype=torch.float64) - 2).round(decimals=3).tolist()
        words = (4 * torch.rand(4, 2, generator=g, dtype=torch.float64) - 2).round(decimals=3).tolist()
        yield {"beta": 0.35, "words": words, "samples": [[*x, i % 4] for i, x in enumerate(samples)]}


def triplets() -> Iterator[dict[str, Any]]:
    g = generator()
    for number in range(110):
        spread = (6 * torch.rand(3, 3, 2, generator=g, dtype=torch.float64) - 3).round(decimals=3).tolist()
        chosen = {name: bool(number >> bit & 1) for bit, name in enumerate(triplet_explorer.TERMS)}
        yield {**dict(zip("wva", spread, strict=True)), **chosen, "steps": number}


def alignment() -> Iterator[dict[str, Any]]:
    for choice in product(
        ("cosine", "inner", "distance", "kernel"), ("frobenius", "none"), ("origin", "midpoint")
    ):
        for number in range(7):
            yield {
                **dict(zip(("similarity", "normalise", "base"), choice, strict=True)),
                "to_ball": ("project", "expmap0")[number % 2],
                "log_scale": -0.25 * number,
                "log_weight": -3 + 0.5 * number,
            }


def maps() -> Iterator[dict[str, Any]]:
    choices = product(("AVCA", "curved"), ("theta_v", "theta_a"), ("all", "animals", "music", "sport"))
    names = [dict(zip(("variant", "modality", "group"), choice, strict=True)) for choice in choices]
    g = generator()
    for _ in range(7):
        for choice in names:
            yield {**choice, "members": torch.randint(3, (9,), generator=g).tolist()}


def embeddings() -> Explorer:
    g = generator()
    phi = torch.rand(2, 12, 8, generator=g, dtype=torch.float64) * 4
    return alignment_explorer.alignment_explorer(*phi, 10.0, data="SIMULATED")


def tsne() -> Explorer:
    g = generator()
    flat = {
        f"{v}, {m}": torch.randn(9, 2, generator=g)
        for v in ("AVCA", "curved")
        for m in ("theta_v", "theta_a")
    }
    names = ["animals", "music", "sport"] * 3
    return map_explorer.embedding_explorer(flat, names, data="SIMULATED")


def chosen_terms(state: State) -> list[str]:
    return [name for name in triplet_explorer.TERMS if state[name]]


def after_a_step(state: State) -> dict[str, Any]:
    found = triplet_explorer.pull_numbers({kind: state[kind] for kind in "wva"}, chosen_terms(state))
    moved = {kind: [[round(x, 6) for x in row] for row in found["after"][kind].tolist()] for kind in "wva"}
    return {**moved, "steps": state["steps"] + 1}


def menu(key: str, label: str, options: list[str]) -> dict[str, Any]:
    return {"kind": "menu", "key": key, "label": label, "options": options}


def corner(place: int) -> dict[str, Any]:
    """One of the four points."""

    def put(state: State, value: list[float]) -> dict[str, Any]:
        return {"points": [value if i == place else x for i, x in enumerate(state["points"])]}

    return {"get": lambda state: state["points"][place], "put": put, "step": 0.05}


def tangent(key: str) -> dict[str, Any]:
    """A point of the model that the state has as a tangent vector."""

    def get(state: State) -> list[float]:
        return geometry.expmap0(torch.tensor(state[key], dtype=torch.float64), k=state["k"]).tolist()

    def put(state: State, value: list[float]) -> dict[str, Any]:
        v = geometry.logmap0(torch.tensor([round(x, 6) for x in value], dtype=torch.float64), k=state["k"])
        return {key: [round(x, 6) for x in v.tolist()]}

    return {"get": get, "put": put, "step": 0.05}


EXPLORERS: dict[str, Cases] = {
    "plane": Cases(
        poincare_ball.plane_explorer,
        ("x", "y", "origin"),
        plane,
        lambda s: poincare_ball.plane_numbers(s["x"], s["y"], origin=s["origin"], k=s["k"]),
        lambda s, found: poincare_ball.plane_words(s["x"], s["y"], found, origin=s["origin"], k=s["k"]),
        points=(point("x"), point("y"), point("origin")),
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
    "three_geometries": Cases(
        geometries_explorer.geometries_explorer,
        ("k", "v", "w"),
        three_geometries,
        lambda s: geometries_explorer.surface_numbers(s["k"], s["v"], s["w"]),
        lambda s, found: geometries_explorer.surface_words(s["k"], found),
        controls=(
            slider("k", "curvature k", -1.0, 1.0, 0.05),
            slider("turn", "turn, degrees", -180, 180, 15),
        ),
        points=(tangent("v"), tangent("w")),
    ),
    "four_points": Cases(
        four_point_explorer.four_point_explorer,
        ("k", "points"),
        four_points,
        lambda s: four_point_explorer.best_h(s["points"], s["k"]),
        lambda s, found: four_point_explorer.best_h_words(s["k"], found),
        controls=(slider("k", "curvature k", -1.0, 0.0, 0.05),),
        points=tuple(corner(place) for place in range(4)),
    ),
    "beta": Cases(
        beta_explorer.beta_explorer,
        ("beta",),
        beta,
        lambda s: beta_explorer.border_numbers(s["beta"], s["samples"], s["words"]),
        lambda s, found: beta_explorer.border_words(s["beta"], s["samples"], found),
        controls=(slider("beta", "β", -1.0, 2.0, 0.05),),
    ),
    "triplets": Cases(
        triplet_explorer.triplet_explorer,
        ("w", "v", "a", *triplet_explorer.TERMS),
        triplets,
        lambda s: triplet_explorer.pull_numbers({kind: s[kind] for kind in "wva"}, chosen_terms(s)),
        lambda s, found: triplet_explorer.pull_words(chosen_terms(s), s["steps"], found),
        controls=(
            *(
                {"kind": "checkbox", "key": name, "label": label}
                for name, label in triplet_explorer.TERMS.items()
            ),
            {"kind": "press_button", "label": "Step", "after": after_a_step},
        ),
    ),
    "alignment": Cases(
        embeddings,
        ("similarity", "normalise", "base", "to_ball", "log_scale", "log_weight"),
        alignment,
        alignment_explorer.alignment_numbers,
        alignment_explorer.alignment_words,
        controls=(
            menu("similarity", "similarity", ["cosine", "inner", "distance", "kernel"]),
            menu("normalise", "normalise", ["frobenius", "row", "none"]),
            menu("base", "base point", ["origin", "midpoint"]),
            menu("to_ball", "into the ball by", ["project", "expmap0"]),
            slider("log_scale", "scale, power of 10", -2, 0, 0.25),
            slider("log_weight", "weight, power of 10", -3, 4, 0.5),
        ),
    ),
    "maps": Cases(
        tsne,
        ("variant", "modality", "group"),
        maps,
        map_explorer.map_numbers,
        map_explorer.map_words,
        controls=(
            menu("variant", "method", ["AVCA", "curved"]),
            menu("modality", "modality", ["theta_v", "theta_a"]),
            menu("group", "super-group", ["all", "animals", "music", "sport"]),
        ),
    ),
}
