"""Figures of notebook 02 by what they draw, against closed forms."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from hypav import geometry
from hypav.figures import (
    geometries_explorer,
    plot_artan,
    plot_circles,
    plot_light,
    plot_printed_radius,
    plot_rim_errors,
    plot_two_points,
    plot_two_points_row,
)
from hypav.figures.shapes import angle_sum, triangle
from hypav.figures.three_geometries import triangle_area


def test_artan_and_tan_are_inverse_and_fan_out_by_k() -> None:
    figure, data = plot_artan(ks=(-1.0, 0.0, 1.0))
    x = data["x"]
    torch.testing.assert_close(data["k=-1"]["artan_k"], x.atanh())
    torch.testing.assert_close(data["k=0"]["artan_k"], x)
    torch.testing.assert_close(data["k=1"]["artan_k"], x.atan())
    torch.testing.assert_close(data["k=-1"]["tan_k"], data["r"].tanh())
    # tan's branch beyond the pole is no point of the drawing
    beyond = data["r"] > math.atan(3)
    assert data["k=1"]["tan_k"][beyond].isnan().all()
    assert not data["k=1"]["tan_k"][~beyond].isnan().any()
    drawn = figure.axes[0].lines[2].get_ydata()
    torch.testing.assert_close(torch.as_tensor(drawn), x.atan())


def test_shadows_are_where_the_stereographic_model_puts_points_at_those_distances() -> None:
    figure, data = plot_light(steps=3, step=0.4)
    way = torch.arange(-3, 4, dtype=torch.float64) * 0.4
    for k in (-1.0, 0.0, 1.0):
        shadows = data[f"k={k:g}"]["shadows"]
        torch.testing.assert_close(shadows, geometry.tan_k(way / 2, k=k))
        torch.testing.assert_close(geometry.distance0(shadows.unsqueeze(-1), k=k), way.abs())
    # each ray passes through its mark's shadow, also where the surface lies below the page
    for axes in figure.axes:
        for light, end in axes.collections[0].get_segments():
            assert end[1] >= 0
            assert tuple(light) == (0.0, -1.0)


def test_circles_of_three_geometries() -> None:
    _, data = plot_circles()
    r = data["radius"]
    torch.testing.assert_close(data["k=-1"]["length"], 2 * math.pi * r.sinh())
    torch.testing.assert_close(data["k=0"]["area"], math.pi * r**2)
    there = r <= math.pi
    torch.testing.assert_close(
        data["k=1"]["length"][there], 2 * math.pi * r[there].sin(), atol=1e-12, rtol=1e-9
    )
    assert data["k=1"]["length"][~there].isnan().all()


@pytest.mark.parametrize("k", [-1.0, -0.3, 0.6])
def test_angle_excess_is_k_times_the_area(k: float) -> None:
    corners = triangle(1.5, k=k)
    excess = math.radians(angle_sum(corners, k=k)) - math.pi
    assert excess == pytest.approx(k * triangle_area(corners, k=k), rel=1e-5)


def test_flat_triangle_area() -> None:
    # sides of length 1.5, as the space measures
    assert triangle_area(triangle(1.5, k=0.0), k=0.0) == pytest.approx(math.sqrt(3) / 4 * 1.5**2, rel=1e-5)


def test_two_points_stay_and_their_distance_falls_with_k() -> None:
    rows = [plot_two_points(k)[1] for k in (-1.0, -0.5, 0.0, 0.5, 1.0)]
    for row in rows:
        assert torch.equal(row["points"], rows[0]["points"])
        torch.testing.assert_close(row["geodesic"][[0, -1]], row["points"])
    x, y = rows[0]["points"]
    assert rows[2]["distance"] == pytest.approx(2 * float((x - y).norm()))
    assert rows[0]["distance"] == pytest.approx(float(rows[0]["distances"][0]))
    assert (rows[0]["distances"].diff() < 0).all()
    middle = [float(row["geodesic"].norm(dim=-1).min()) for row in rows]
    assert middle == sorted(middle)  # nearer to the centre for k < 0, farther for k > 0


def test_row_of_two_points_says_every_distance() -> None:
    figure, data = plot_two_points_row(ks=(-1.0, 0.0))
    for row in data.values():
        assert f"{row['distance']:.2f}" in figure.alt_text
    assert "distance 4.53" in figure.axes[0].get_title()


def test_rim_errors_count_nan_as_lost_and_measure_against_float64() -> None:
    def truth(x: Tensor, y: Tensor) -> Tensor:
        return geometry.distance(x, y, k=-1.0)

    _, data = plot_rim_errors(
        {
            "truth": truth,
            "1 % off": lambda x, y: 1.01 * truth(x, y),
            "lost": lambda x, y: truth(x, y) * math.nan,
        },
        pairs=20,
    )
    assert (data["truth"]["log10_error"] < -7).all()
    assert (data["1 % off"]["log10_error"] == -2).all()
    assert (data["lost"]["log10_error"] == 0).all()
    assert (data["lost"]["not_finite"] == 100).all()
    assert (data["truth"]["not_finite"] == 0).all()


def test_printed_radius_is_outside_the_ball_exactly_where_k_is_less_than_one() -> None:
    figure, data = plot_printed_radius(ks=(-0.2, -1.0, -2.0))
    rim = data["marked"] ** -0.5
    torch.testing.assert_close(data["printed"], 0.999 / data["marked"])
    torch.testing.assert_close(data["ball"], 0.999 * rim)
    assert (data["printed"] > rim).tolist() == [True, False, False]
    assert "5.00 against the rim's 2.24" in figure.alt_text


def test_explorer_crosses_zero() -> None:
    explorer = geometries_explorer()
    for k in (-1.0, 0.0, 1.0):
        explorer.sliders["k"].value = k
        assert explorer.data["k"] == k
        assert f"{explorer.data['distance']:.2f} apart" in explorer.readout.value
