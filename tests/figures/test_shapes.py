"""Circles, grids, triangles, trees and tilings by their geometry."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from hypav import geometry
from hypav.errors import SettingError
from hypav.figures import shapes

KS = (-1.0, -0.3, 0.0, 0.2)


def close(a: Tensor | float, b: Tensor | float, tolerance: float = 1e-9) -> None:
    a, b = torch.as_tensor(a, dtype=torch.float64), torch.as_tensor(b, dtype=torch.float64)
    torch.testing.assert_close(a, b.expand_as(a), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("k", KS)
def test_a_circle_is_at_its_radius_and_as_long_as_the_formula(k: float) -> None:
    center = torch.tensor([0.3, -0.2], dtype=torch.float64)
    points = shapes.circle(center, 0.8, k=k, points=2001)
    close(geometry.distance(points, center, k=k), 0.8)
    close(points[0], points[-1])
    root = math.sqrt(abs(k))
    radius = math.sinh(root * 0.8) / root if k < 0 else math.sin(root * 0.8) / root if k > 0 else 0.8
    close(geometry.distance(points[1:], points[:-1], k=k).sum(), 2 * math.pi * radius, 1e-5)


def area_of_equilateral(side: float, k: float) -> float:
    """By l'Huilier's formula, which needs no angle."""
    if k == 0:
        return math.sqrt(3) / 4 * side**2
    tan, x = (math.tan if k > 0 else math.tanh), math.sqrt(abs(k)) * side
    return 4 * math.atan(math.sqrt(tan(3 * x / 4) * tan(x / 4) ** 3)) / abs(k)


@pytest.mark.parametrize("k", KS)
def test_a_triangle_is_equilateral_and_its_angles_measure_k_times_the_area(k: float) -> None:
    corners = shapes.triangle(1.4, k=k)
    close(geometry.distance(corners, corners.roll(1, 0), k=k), 1.4)
    excess = math.radians(shapes.angle_sum(corners, k=k)) - math.pi
    close(excess, k * area_of_equilateral(1.4, k), 1e-5)  # Gauss and Bonnet


@pytest.mark.parametrize(
    ("p", "q", "k", "counts"),
    [
        (4, 4, 0.0, [1, 5, 13, 25, 41]),
        (4, 3, 1.0, [1, 5]),
        (4, 5, -1.0, [1, 5, 17, 45, 109]),
        (7, 3, -1.0, [1, 8, 29]),
    ],
)
def test_a_tiling_has_each_tile_once_and_all_alike(p: int, q: int, k: float, counts: list[int]) -> None:
    for layers, count in enumerate(counts):
        tiles, curvature = shapes.tiling(p, q, layers)
        assert (len(tiles), curvature) == (count, k)
    sides = geometry.distance(tiles, tiles.roll(-1, 1), k=k)
    close(sides, sides[0, 0], 1e-6)
    for tile in tiles:
        assert shapes.angle_sum(tile, k=k) == pytest.approx(360 * p / q, abs=1e-4)


def test_shapes_that_do_not_exist_are_refused() -> None:
    with pytest.raises(SettingError, match="does not fit on the sphere"):
        shapes.triangle(3.0, k=1.0)
    with pytest.raises(SettingError, match=r"\{2,5\}"):
        shapes.tiling(2, 5, 1)
