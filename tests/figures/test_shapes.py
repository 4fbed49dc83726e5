"""Circles, grids, triangles, trees and tilings by their geometry."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from hypav import geometry
from hypav.errors import SettingError
from hypav.figures import shapes
from hypav.figures.three_geometries import triangle_area

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
    close(geometry.distance(points[1:], points[:-1], k=k).sum(), shapes.circle_length(0.8, k=k), 1e-5)


@settings(max_examples=30, deadline=None)
@given(r=st.floats(0.01, 4.0), k=st.floats(-2.0, -0.01))
def test_lengths_and_areas_are_the_textbook_ones(r: float, k: float) -> None:
    root = math.sqrt(-k)
    close(shapes.circle_length(r, k=k), 2 * math.pi * math.sinh(root * r) / root)
    close(shapes.disc_area(r, k=k), 4 * math.pi * (math.sinh(root * r / 2) / root) ** 2)
    close(shapes.disc_area(r, k=0.0), math.pi * r**2)
    close(shapes.circle_length(0.5, k=-k), 2 * math.pi * math.sin(root * 0.5) / root)


@pytest.mark.parametrize("k", KS)
def test_grid_lines_leave_the_axes_at_right_angles_every_step(k: float) -> None:
    lines = shapes.grid(0.4, 1.2, k=k, points=41)
    assert lines.shape == (14, 41, 2)
    feet, steps = lines[:, 20], lines[:, 21] - lines[:, 19]
    close(geometry.distance(feet[1:7], feet[:6], k=k), 0.4)
    for on_axis, along in ((feet[:7, 1], steps[:7, 0]), (feet[7:, 0], steps[7:, 1])):
        close(on_axis, 0.0)
        close(along, 0.0)
    close(geometry.distance(lines[:, 0], feet, k=k), 1.2)


@pytest.mark.parametrize("k", KS)
def test_a_triangle_is_equilateral_and_its_angles_measure_k_times_the_area(k: float) -> None:
    corners = shapes.triangle(1.4, k=k)
    close(geometry.distance(corners, corners.roll(1, 0), k=k), 1.4)
    excess = math.radians(shapes.angle_sum(corners, k=k)) - math.pi
    close(excess, k * triangle_area(corners, k=k), 1e-5)  # Gauss and Bonnet
    if k == 0:
        close(triangle_area(corners, k=k), math.sqrt(3) / 4 * 1.4**2, 1e-5)


@pytest.mark.parametrize("k", KS)
@pytest.mark.parametrize("degree", [3, 4])
def test_a_tree_has_equal_edges_and_equal_angles(k: float, degree: int) -> None:
    points, parents, depths = shapes.tree(degree, 3, 0.6, k=k)
    assert depths.bincount().tolist() == [1, degree, degree * (degree - 1), degree * (degree - 1) ** 2]
    close(geometry.distance(points[1:], points[parents[1:]], k=k), 0.6)
    for vertex in (depths < 3).nonzero()[:, 0].tolist():
        around = points[parents == vertex]
        if vertex:
            around = torch.cat([around, points[parents[vertex]].unsqueeze(0)])
        arrows = geometry.logmap(points[vertex].expand_as(around), around, k=k)
        angles = torch.atan2(arrows[:, 1], arrows[:, 0]).sort().values
        gaps = torch.cat([angles.diff(), (angles[:1] - angles[-1:]) % (2 * math.pi)])
        close(gaps, 2 * math.pi / degree, 1e-6)


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
    for degree, depth in ((1, 3), (3, 0)):
        with pytest.raises(SettingError, match="no branches"):
            shapes.tree(degree, depth, 1.0, k=-1.0)
    with pytest.raises(SettingError, match=r"\{2,5\}"):
        shapes.tiling(2, 5, 1)
