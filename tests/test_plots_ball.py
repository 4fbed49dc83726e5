"""Shapes by their geometry, figures of the ball by their data."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from hypav import geometry
from hypav.errors import SettingError
from hypav.figures import (
    plot_addition,
    plot_curvatures,
    plot_depth,
    plot_geodesics,
    plot_growth,
    plot_maps,
    plot_means,
    plot_space,
    plot_tilings,
    shapes,
)
from hypav.figures.style import DescribedFigure

KS = (-1.0, -0.3, 0.0, 0.2)


def close(a: Tensor | float, b: Tensor | float, tolerance: float = 1e-9) -> None:
    a, b = torch.as_tensor(a, dtype=torch.float64), torch.as_tensor(b, dtype=torch.float64)
    torch.testing.assert_close(a, b.expand_as(a), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("k", KS)
def test_circle_is_all_at_its_radius_and_as_long_as_the_formula(k: float) -> None:
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
    close(shapes.circle_length(r, k=0.0), 2 * math.pi * r)
    close(shapes.disc_area(r, k=0.0), math.pi * r**2)
    close(shapes.circle_length(0.5, k=-k), 2 * math.pi * math.sin(root * 0.5) / root)


@pytest.mark.parametrize("k", KS)
def test_grid_lines_leave_the_axes_at_right_angles_every_step(k: float) -> None:
    lines = shapes.grid(0.4, 1.2, k=k, points=41)
    assert lines.shape == (14, 41, 2)
    feet = lines[:, 20]
    close(geometry.distance(feet[1:7], feet[:6], k=k), 0.4)
    close(feet[:7, 1], 0.0)
    close(feet[7:, 0], 0.0)
    steps = lines[:, 21] - lines[:, 19]
    close(steps[:7, 0], 0.0)
    close(steps[7:, 1], 0.0)
    close(geometry.distance(lines[:, 0], feet, k=k), 1.2)


@pytest.mark.parametrize("k", KS)
def test_triangle_is_equilateral_and_its_angles_measure_the_curvature(k: float) -> None:
    corners = shapes.triangle(1.4, k=k)
    close(geometry.distance(corners, corners.roll(1, 0), k=k), 1.4)
    total = shapes.angle_sum(corners, k=k)
    assert (total > 180) == (k > 0) or k == 0
    # Gauss and Bonnet: the excess is k times the area; the area summed over a fan of thin triangles from the centre
    edge = shapes.segment(corners[0], corners[1], k=k, points=4001)
    radius = geometry.distance0(edge, k=k)
    # from the upright corner to the left one, measured from upright, where atan2 does not jump
    angle = torch.atan2(-edge[:, 0], edge[:, 1]).diff()
    sector = shapes.disc_area((radius[1:] + radius[:-1]) / 2, k=k) * angle / (2 * math.pi)
    close(math.radians(total) - math.pi, k * 3 * sector.sum(), 1e-5)


def test_a_triangle_that_the_sphere_does_not_hold_is_refused() -> None:
    with pytest.raises(SettingError, match=r"side 3\.0 does not fit on the sphere of curvature 1\.0"):
        shapes.triangle(3.0, k=1.0)


@pytest.mark.parametrize("k", KS)
@pytest.mark.parametrize("degree", [3, 4])
def test_tree_has_equal_edges_and_equal_angles(k: float, degree: int) -> None:
    points, parents, depths = shapes.tree(degree, 3, 0.6, k=k)
    assert len(points) == 1 + degree * (1 + (degree - 1) + (degree - 1) ** 2)
    assert depths.bincount().tolist() == [1, degree, degree * (degree - 1), degree * (degree - 1) ** 2]
    close(geometry.distance(points[1:], points[parents[1:]], k=k), 0.6)
    for vertex in range(len(points) - int((depths == 3).sum())):
        around = points[(parents == vertex).nonzero().squeeze(-1)]
        if vertex:
            around = torch.cat([around, points[parents[vertex]].unsqueeze(0)])
        arrows = geometry.logmap(points[vertex].expand_as(around), around, k=k)
        angles = torch.atan2(arrows[:, 1], arrows[:, 0]).sort().values
        gaps = torch.cat([angles.diff(), (angles[:1] - angles[-1:]) % (2 * math.pi)])
        close(gaps, 2 * math.pi / degree, 1e-6)


def test_tree_of_no_branches_is_refused() -> None:
    for degree, depth in ((1, 3), (3, 0)):
        with pytest.raises(SettingError, match="no branches"):
            shapes.tree(degree, depth, 1.0, k=-1.0)


@pytest.mark.parametrize(
    ("p", "q", "k", "counts"),
    [
        (4, 4, 0.0, [1, 5, 13, 25, 41]),
        (4, 3, 1.0, [1, 5]),
        (4, 5, -1.0, [1, 5, 17, 45, 109]),
        (7, 3, -1.0, [1, 8, 29]),
    ],
)
def test_tiling_has_its_tiles_each_once_all_alike(p: int, q: int, k: float, counts: list[int]) -> None:
    for layers, count in enumerate(counts):
        tiles, curvature = shapes.tiling(p, q, layers)
        assert curvature == k
        assert len(tiles) == count
    sides = geometry.distance(tiles, tiles.roll(-1, 1), k=k)
    close(sides, sides[0, 0], 1e-6)
    for tile in tiles:
        assert shapes.angle_sum(tile, k=k) == pytest.approx(360 * p / q, abs=1e-4)


def test_what_is_no_tiling_is_refused() -> None:
    with pytest.raises(SettingError, match=r"\{2,5\} is no tiling"):
        shapes.tiling(2, 5, 1)


def a_few(*points: tuple[float, float]) -> Tensor:
    return torch.tensor(points, dtype=torch.float64)


FIGURES: list[Callable[[], tuple[DescribedFigure, object]]] = [
    lambda: plot_space(-0.5),
    lambda: plot_space(0.2),
    plot_curvatures,
    plot_depth,
    lambda: plot_geodesics(a_few((0.5, 0.1), (-0.2, 0.6)).unsqueeze(0)),
    lambda: plot_addition(*a_few((0.5, 0.1), (0.1, 0.6))),
    plot_maps,
    lambda: plot_means(a_few((0.5, 0.1), (0.1, 0.6), (-0.3, 0.2)), torch.tensor([0.3, 0.1]).double()),
    lambda: plot_tilings(((4, 4, 1), (4, 5, 2))),
    plot_growth,
]


@pytest.mark.parametrize("number", range(len(FIGURES)))
def test_every_figure_asks_describes_and_labels(number: int) -> None:
    figure, _ = FIGURES[number]()
    title = figure.get_suptitle() or figure.axes[0].get_title()
    assert title.endswith("?")
    assert len(figure.alt_text) > 60
    assert "tensor" not in figure.alt_text
    assert figure.get_size_inches()[0] <= 8
    for axes in figure.axes:
        if axes.get_xticks().size:
            assert axes.get_xlabel()
            assert axes.get_ylabel()


def test_space_says_what_the_curvature_does() -> None:
    _, data = plot_curvatures((-1.0, 0.0, 0.25))
    sums = [space["angle_sum"] for space in data.values()]
    assert sums[0] < sums[1] < sums[2]
    close(sums[1], 180.0)
    assert data["k=-1"]["crowded"] == 0 < data["k=0"]["crowded"] < data["k=0.25"]["crowded"]
    close(data["k=0"]["circle_length"], 2 * math.pi * 4.8)


def test_depth_is_drawn_from_the_formulas() -> None:
    _, data = plot_depth(-0.25)
    close(data["factor"], 2 / (1 - 0.25 * data["norm"] ** 2))
    close(data["distance"], 4 * torch.atanh(data["norm"] / 2), 1e-8)


def test_geodesics_are_shorter_than_chords_but_through_the_centre() -> None:
    pairs = torch.stack([a_few((0.8, 0.1), (-0.2, 0.85)), a_few((-0.7, 0.0), (0.5, 0.0))])
    _, data = plot_geodesics(pairs)
    assert data["geodesic_length"][0] < data["chord_length"][0] - 0.1
    close(data["geodesic_length"][1], data["chord_length"][1], 1e-5)


def test_sums_differ_by_a_turn_and_rays_reach_the_rim() -> None:
    _, data = plot_addition(*a_few((0.5, 0.1), (0.1, 0.6)))
    assert not torch.allclose(data["x_plus_y"], data["y_plus_x"])
    close(data["x_plus_y"].norm(), data["y_plus_x"].norm())
    assert data["x_plus_origin_star"][:, -1].norm(dim=-1).min() > 0.99


def test_maps_cut_or_bend() -> None:
    _, data = plot_maps((-1.0, -0.25))
    for k, radius in (("k=-1", 1.0), ("k=-0.25", 2.0)):
        close(data[k]["project"][-1], 0.999 * radius)
        close(data[k]["log_expmap0"], data["norm"], 1e-6)
        close(data[k]["log_project"][-20:], data[k]["log_project"][-1])


def test_only_the_midpoint_moves_along() -> None:
    _, data = plot_means(a_few((0.9, 0.1), (-0.2, 0.3), (-0.1, -0.4)), torch.tensor([-0.6, -0.2]).double())
    assert data["midpoint"]["miss"] == 0.0
    assert data["mean"]["miss"] > 0.05


def test_growth_shows_the_tree_between_the_circles() -> None:
    _, data = plot_growth((-1.0, 0.0, 0.25))
    assert data["vertices"]["count"].tolist()[1:5] == [3, 6, 12, 24]
    assert data["k=-1"][-1] > data["vertices"]["count"][-1] > data["k=0"][-1]
    assert bool(data["k=0.25"][-1].isnan()), "beyond the antipode there is no circle"
