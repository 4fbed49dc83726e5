"""The explorer of notebook 02: one triangle on the sphere, in the plane and on the hyperboloid, as k crosses 0."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from hypav import geometry
from hypav.figures import shapes
from hypav.figures.explorer import Explorer, fixed
from hypav.figures.style import BLUE, INK, VERMILION, Drawn, canvas, draw_lines, frame, signed

_TILT = math.radians(28)
_SPACE, _FLAT = 3.1, 2.4  # half the width of the two pictures

Pair = tuple[float, float]


def plot_surface(
    k: float = -0.8, v: Pair = (0.8, 0.2), w: Pair = (-0.3, 0.75), *, turn: float = 30.0
) -> Drawn:
    """Draw the triangle of the origin, x and y on its surface in space, and on the map of this surface.

    Args:
        k: the curvature.
        v, w: tangent vectors at the origin: x = exp_0(v) and y = exp_0(w), so that x is 2|v| from the origin for every k.
        turn: of the surface about the vertical axis, in degrees.

    Returns:
        figure and `surface_numbers`.
    """
    data = surface_numbers(k, v, w)
    origin = torch.zeros(2, dtype=torch.float64)
    net = [geometry.expmap0(curve, k=k) for curve in _net()]
    with canvas(7.4, 4.0, 2) as (figure, (space, flat)):
        for curve in net:
            space.plot(*_seen(_lift(curve, k), turn).T, color="#BBBBBB", linewidth=0.7)
        for point in data["points"]:
            side = _lift(shapes.segment(origin, point, k=k, points=21), k)
            space.plot(*_seen(side, turn).T, "--", color=VERMILION)
            flat.plot(*torch.stack([origin, point]).T, "--", color=VERMILION)
        space.plot(*_seen(data["lifted"], turn).T, color=BLUE, linewidth=2.4)
        space.set(xlim=(-_SPACE, _SPACE), ylim=(-1.6, 4.6), aspect="equal", xticks=[], yticks=[])
        space.grid(False)
        frame(flat, k, _FLAT)
        for curve in net:
            draw_lines(flat, curve.unsqueeze(0), "#BBBBBB", 0.7)
        flat.plot(*data["geodesic"].T, color=BLUE, linewidth=2.4)
        marks = zip(data["points"], _seen(data["lifted_points"], turn), "sD", "xy", strict=True)
        for point, above, marker, name in marks:
            for axes, place in ((flat, point), (space, above)):
                axes.plot(*place.tolist(), marker, color=INK)
                axes.annotate(name, place.tolist(), (6, 6), textcoords="offset points")
        space.set_title("the surface in space")
        flat.set_title("its map")
        figure.suptitle(f"What does k = {signed(k)} do to a triangle?")
    figure.alt_text = surface_words(k, data)
    return figure, data


def surface_numbers(k: float, v: Pair, w: Pair) -> dict[str, Any]:
    """The numbers of `plot_surface`.

    Returns:
        {"points" (2, 2), "geodesic" (31, 2), "distance", "to_origin" (2,), "angle_sum" in degrees, None without a
        triangle, "lifted" (31, 3), "lifted_points" (2, 3)}.
    """
    points = geometry.expmap0(torch.tensor([v, w], dtype=torch.float64), k=k)
    side = shapes.segment(points[0], points[1], k=k)
    corners = torch.cat([torch.zeros(1, 2, dtype=torch.float64), points])
    gaps = geometry.pairwise_distance(corners, k=k)
    return {
        "points": points,
        "geodesic": side,
        "distance": float(gaps[1, 2]),
        "to_origin": gaps[0, 1:],
        "angle_sum": shapes.angle_sum(corners, k=k) if int((gaps == 0).sum()) == 3 else None,
        "lifted": _lift(side, k),
        "lifted_points": _lift(points, k),
    }


def surface_words(k: float, data: dict[str, Any]) -> str:
    """`plot_surface` in words."""
    name = "the hyperbolic plane" if k < 0 else "the sphere" if k > 0 else "the flat plane"
    x, y = (fixed(value) for value in data["to_origin"].tolist())
    angles = (
        "There is no triangle."
        if data["angle_sum"] is None
        else f"The angles of the triangle 0, x, y sum to {fixed(data['angle_sum'], 0)} degrees."
    )
    return (
        f"Curvature {signed(k)}, {name}: x is {x} from the origin and y is {y}, for every k. "
        f"The distance between x and y is {fixed(data['distance'])}. {angles}"
    )


def geometries_explorer() -> Explorer:
    """Show `plot_surface` with sliders for the curvature and the turn, and x and y as points to drag."""
    state = {"k": -0.8, "v": [0.8, 0.2], "w": [-0.3, 0.75], "turn": 30.0}
    return Explorer("three_geometries", *plot_surface(), state)


def _lift(x: Tensor, k: float) -> Tensor:
    """Points (..., 2) of the model on their surface in space (..., 3), which touches the plane in the origin."""
    factor = geometry.conformal_factor(x, k=k)
    height = math.sqrt(abs(k)) * factor * x.square().sum(-1, keepdim=True)
    return torch.cat([factor * x, height], -1)


def _seen(points: Tensor, turn: float) -> Tensor:
    """Where the eye sees points of space (..., 3), after a turn about the vertical axis."""
    x, y, height = points.unbind(-1)
    c, s = math.cos(math.radians(turn)), math.sin(math.radians(turn))
    return torch.stack([c * x - s * y, math.sin(_TILT) * (s * x + c * y) + math.cos(_TILT) * height], -1)


def _net() -> list[Tensor]:
    """Circles around the origin and rays from it, as tangent vectors."""
    circles = [shapes.circle(torch.zeros(2), 2 * r, k=0.0, points=61) for r in (0.225, 0.45, 0.675, 0.9)]
    ends = circles[-1][:-1:5]
    rays = [torch.linspace(0, 1, 25, dtype=torch.float64).unsqueeze(-1) * end for end in ends]
    return circles + rays
