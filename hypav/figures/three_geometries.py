"""Figures of notebook 02: one formula for hyperbolic (k < 0), flat (k = 0) and spherical (k > 0) geometry."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from hypav import geometry
from hypav.figures import shapes
from hypav.figures.geometries_explorer import geometries_explorer  # noqa: F401
from hypav.figures.style import (
    BLUE,
    INK,
    ORANGE,
    SKY,
    VERMILION,
    Drawn,
    canvas,
    draw_lines,
    frame,
    minus,
    signed,
)

_LOOKS = ((BLUE, "-"), (SKY, "--"), (INK, "-"), (ORANGE, "--"), (VERMILION, "-."))


def plot_artan(ks: Sequence[float] = (-1.0, -0.5, 0.0, 0.5, 1.0)) -> Drawn:
    """Draw artan_k and tan_k for up to five curvatures.

    Returns:
        figure and {"x", "r": (95,), "k=...": {"artan_k" of x, "tan_k" of r: (95,)}}; tan_k is NaN beyond 3.
    """
    x = torch.linspace(0, 0.94, 95, dtype=torch.float64)
    r = torch.linspace(0, 1.88, 95, dtype=torch.float64)
    data: dict[str, Any] = {"x": x, "r": r}
    with canvas(7.4, 3.5, 2) as (figure, (left, right)):
        for k, (color, style) in zip(ks, _LOOKS, strict=False):
            tan = geometry.tan_k(r, k=k)
            tan = torch.where((tan >= 0) & (tan < 3), tan, torch.nan)
            row = data[f"k={k:g}"] = {"artan_k": geometry.artan_k(x, k=k), "tan_k": tan}
            left.plot(x, row["artan_k"], style, color=color, label=f"k = {signed(k)}")
            right.plot(r, row["tan_k"], style, color=color)
        left.set(title="artan: from the map to the space", xlabel="x, a norm on the map")
        left.set_ylabel("artan_k(x)")
        right.set(title="tan: back again", xlabel="r, half a distance", ylabel="tan_k(r)", ylim=(0, 2))
        figure.legend(loc="outside lower center", ncols=len(ks))
        figure.suptitle("How do artan_k and tan_k change with k?")
    ends = ", ".join(f"{data[f'k={k:g}']['artan_k'][-1]:.2f} for k = {signed(k)}" for k in ks)
    figure.alt_text = (
        f"Five curves fan out from 0 on the left; at x = 0.94 artan is {ends}. The curve of k = 0 is the diagonal, those "
        "of k < 0 lie above it, those of k > 0 below. On the right the fan is turned over: tan is its inverse."
    )
    return figure, data


def plot_views(steps: int = 3, step: float = 0.5) -> Drawn:
    """Draw how a sphere, a plane and a hyperboloid come to a map: an eye below looks through the map at the surface.

    The figure shows cross-sections for k = -1, 0, 1. The eye is 1 below the map, and the surface begins 1 above it.

    Args:
        steps: the number of equal steps that are marked to the right.
        step: their length on the surface, measured on the hyperboloid with ds² = dx² - dh².

    Returns:
        figure and {"k=...": {"surface" (S, 2), "marks" (steps + 1, 2), "map" (steps + 1,)}}.
    """
    way = torch.arange(steps + 1, dtype=torch.float64) * step
    dense = torch.linspace(-1, 1, 121, dtype=torch.float64) * step * steps * 1.1
    data: dict[str, Any] = {}
    models = ("hyperboloid", -1.0), ("plane", 0.0), ("sphere", 1.0)
    with canvas(7.4, 3.2, 3) as (figure, panels):
        for axes, (name, k) in zip(panels, models, strict=True):
            whole = torch.linspace(-math.pi, math.pi, 121, dtype=torch.float64) if k > 0 else dense
            row = data[f"k={k:g}"] = {"surface": _surface(whole, k), "marks": _surface(way, k)}
            row["map"] = row["marks"][:, 0] / (row["marks"][:, 1] + 1)
            axes.plot(*row["surface"].T, color=BLUE)
            axes.axhline(0, color=INK, linewidth=1.2)
            eye = torch.tensor([0.0, -1.0], dtype=torch.float64).expand_as(row["marks"])
            draw_lines(axes, torch.stack([eye, row["marks"]], 1), "#999999", 0.8)
            axes.plot(*row["marks"].T, "o", color=BLUE, markersize=5)
            axes.plot(row["map"], 0 * row["map"], "D", color=VERMILION, markersize=5)
            for number, (x, h) in enumerate(row["marks"].tolist()):
                axes.annotate(f"{number}", (x, h), (2, 6), textcoords="offset points", color=BLUE)
            axes.plot(0, -1, "o", color=INK, markersize=9, mfc="white", markeredgewidth=1.5)
            axes.plot(0, -1, "o", color=INK, markersize=3)
            axes.set(title=f"k = {signed(k)}: {name}", xlim=(-1.7, 2.8), ylim=(-1.35, 2.8), aspect="equal")
            axes.set(xticks=[], yticks=[])
            axes.spines[:].set_visible(False)
            axes.text(-1.65, 0.1, "map", color=INK, fontsize=10)
            axes.text(0.2, -1.2, "eye", color=INK, fontsize=10)
        figure.suptitle("Where on the map does the eye see the points of the surface?")
    first, last = ([float(data[f"k={k:g}"]["map"][n]) for _, k in models] for n in (1, -1))
    figure.alt_text = (
        "An eye one unit below the map looks through it at a surface that begins one unit above it. On the surface, "
        f"points are marked in steps of {step:g}. Point 1 is seen on the map at {first[0]:.2f} on the hyperboloid, "
        f"{first[1]:.2f} on the plane and {first[2]:.2f} on the sphere; point {steps} at {last[0]:.2f}, "
        f"{last[1]:.2f} and {last[2]:.2f}."
    )
    return figure, data


def plot_triangles(side: float = 1.5, ks: Sequence[float] = (-1.0, 0.0, 1.0)) -> Drawn:
    """Draw an equilateral triangle with sides of the same length for each curvature, with the sum of its angles.

    Returns:
        figure and {"k=...": {"sides" (3, P, 2), "angle_sum" in degrees}}.
    """
    data: dict[str, Any] = {}
    with canvas(7.4, 3.3, len(ks)) as (figure, panels):
        for axes, k in zip(panels, ks, strict=True):
            corners = shapes.triangle(side, k=k)
            row = data[f"k={k:g}"] = {
                "sides": shapes.segment(corners, corners.roll(-1, 0), k=k),
                "angle_sum": shapes.angle_sum(corners, k=k),
            }
            frame(axes, k, 1.1, ticks=False)
            draw_lines(axes, row["sides"], VERMILION, 1.8)
            axes.plot(*corners.T, "o", color=INK)
            axes.set_title(f"k = {signed(k)}\nthe angles sum to {row['angle_sum']:.0f}°")
        figure.suptitle(f"What is the sum of the angles if all sides are {side:g} long?")
    sums = ", ".join(f"{row['angle_sum']:.0f} degrees for {name}" for name, row in data.items())
    figure.alt_text = f"Triangles with sides {side:g} long on three maps. Their angles sum to {minus(sums)}."
    return figure, data


def plot_crossing() -> Drawn:
    """Draw artan_k(1) over k, with its tangent at k = 0.

    Returns:
        figure and {"k", "artan_k": (91,)}.
    """
    k = torch.linspace(-0.9, 0.9, 91, dtype=torch.float64)
    artan = geometry.artan_k(torch.ones_like(k), k=k)
    with canvas(5.6, 3.2) as (figure, axes):
        axes.plot(k, artan, color=BLUE, label="artan_k(1)")
        axes.plot(k, 1 - k / 3, "--", color=VERMILION, label="tangent at k = 0")
        axes.plot(0, 1, "o", color=INK)
        axes.set(xlabel="curvature k", title="Is artan_k(1) smooth where k crosses 0?")
        axes.legend()
    figure.alt_text = (
        f"A smooth curve falls from {float(artan[0]):.2f} at k = −0.9 through 1 at k = 0 to {float(artan[-1]):.2f} at "
        "k = 0.9. A dashed line, the tangent at k = 0, touches it from below and falls by one third per unit of k."
    )
    return figure, {"k": k, "artan_k": artan}


def plot_samples(ks: Sequence[float] = (-1.0, -0.2, 0.0, 0.5)) -> Drawn:
    """Draw the same two points and their geodesic in a space for each of several samples, with their distance.

    Returns:
        figure and {"k=...": {"geodesic" (31, 2), "distance"}}.
    """
    x, y = torch.tensor(((0.8, 0.2), (-0.4, 0.8)), dtype=torch.float64)
    data: dict[str, Any] = {}
    with canvas(7.6, 2.8, len(ks)) as (figure, panels):
        for number, (axes, k) in enumerate(zip(panels, ks, strict=True)):
            row = data[f"k={k:g}"] = {
                "geodesic": shapes.segment(x, y, k=k),
                "distance": float(geometry.distance(x, y, k=k)),
            }
            frame(axes, k, 2.35, ticks=False)
            axes.plot(*row["geodesic"].T, color=BLUE)
            axes.plot(*x, "s", color=INK)
            axes.plot(*y, "D", color=INK)
            axes.set_title(f"sample {number}: k = {signed(k)}\ndistance {row['distance']:.2f}")
        figure.suptitle("How far apart are x (square) and y (diamond)?")
    parts = ", ".join(f"{row['distance']:.2f} for {name}" for name, row in data.items())
    figure.alt_text = f"The same two points in {len(ks)} spaces. The distance between them is {minus(parts)}."
    return figure, data


def _surface(way: Tensor, k: float) -> Tensor:
    """Points on the sphere, plane or hyperboloid through (0, 1), by arc length along its cross-section."""
    if k > 0:
        return torch.stack([way.sin(), way.cos()], -1)
    return torch.stack([way.sinh(), way.cosh()] if k < 0 else [way, torch.ones_like(way)], -1)
