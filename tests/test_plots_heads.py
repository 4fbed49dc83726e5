"""Figures of notebook 08 by what they plot and say."""

from __future__ import annotations

import math

import pytest
import torch
from matplotlib.colors import to_hex
from torch import Tensor

from hypav.figures import (
    plot_head_curvatures,
    plot_head_matrices,
    plot_head_pairs,
    plot_head_paths,
    plot_mixtures,
    plot_sphere,
)
from hypav.figures.style import OKABE_ITO

GENERATOR = torch.Generator().manual_seed(0)


def drawn(n: int, h: int) -> Tensor:
    return -0.4 * torch.rand(n, h, generator=GENERATOR, dtype=torch.float64)


def test_each_dot_of_a_head_stands_at_its_curvature_and_beside_no_other_column() -> None:
    k = drawn(200, 3)
    figure, data = plot_head_curvatures(k, c_0=-0.4, data="SIMULATED")
    axes = figure.axes[0]
    for head in range(3):
        dots = axes.lines[2 * head].get_xydata()
        assert torch.allclose(torch.as_tensor(dots[:, 1]), k[:, head])
        assert abs(dots[:, 0] - head).max() < 0.5
    assert torch.allclose(data["mean"], k.mean(dim=0))
    assert axes.get_xticklabels()[1].get_text() == f"head 2\nmean −{-float(k[:, 1].mean()):.3f}"
    assert figure.alt_text.count("head ") == 3
    assert "SIMULATED" in figure.alt_text


def test_heads_that_see_one_matrix_are_said_to_see_one() -> None:
    one = torch.rand(4, 4, generator=GENERATOR, dtype=torch.float64)
    rows = {"paper": torch.stack([one, one, one]), "curved": torch.stack([one, one - 1, one - 3])}
    figure, data = plot_head_matrices(rows, [-0.1, -0.5, -2.0], edges=[2], data="x")
    titles = [axes.get_title() for axes in figure.axes[:6]]
    assert titles[:3] == ["k = −0.1", "k = −0.5\nthe same matrix", "k = −2\nthe same matrix"]
    assert titles[5] == "k = −2\noff head 1 by up to 3.00"
    assert data["curved"]["difference"].tolist() == pytest.approx([0, 1, 3])
    for axes, matrix in zip(figure.axes[3:6], rows["curved"], strict=True):
        assert torch.equal(torch.as_tensor(axes.images[0].get_array()), matrix)
        assert axes.images[0].get_clim() == (float(rows["curved"].min()), float(rows["curved"].max()))
    assert "by at most 1.00, 3.00" in figure.alt_text


def test_points_stand_on_the_sphere_at_their_angle() -> None:
    angle = torch.tensor([0.0, math.pi / 2, math.pi / 2, math.pi, 2.5 * math.pi], dtype=torch.float64)
    figure, data = plot_sphere({"φ": angle}, 0.2, data="SIMULATED")
    places = torch.as_tensor(figure.axes[0].lines[1].get_xydata())
    expected = torch.tensor([[0, 1], [-1, 0], [1, 0], [0, -1], [1, 0]], dtype=torch.float64)
    torch.testing.assert_close(places, expected)
    assert torch.equal(data["φ"], angle)
    assert "0 to 450 degrees, 40 per cent beyond 90" in figure.alt_text
    assert "SIMULATED" in figure.get_suptitle()
    assert "SIMULATED" in figure.alt_text


def test_a_mixture_is_the_mean_of_its_heads() -> None:
    equal = torch.full((2,), 2e-5, dtype=torch.float64)
    mixed = torch.tensor([1.0, 3.0], dtype=torch.float64)
    figure, data = plot_mixtures(
        {"paper": {"E+S": equal, "E+H": equal}, "curved": {"E+S": mixed.flip(0), "E+H": mixed}}, data="x"
    )
    assert data["curved"]["E+H"]["loss"] == 2
    paper, curved = figure.axes[:2]
    assert [bar.get_height() for bar in curved.patches] == [2, 2]
    assert paper.patches[0].get_height() == pytest.approx(2)
    assert "10⁻⁵" in paper.get_ylabel()
    heads = [
        (float(line.get_ydata()[0]), line.get_marker(), to_hex(line.get_color())) for line in curved.lines
    ]
    assert heads[3] == (3.0, "o", OKABE_ITO["blue"].lower()), "H is blue and round"
    assert heads[1] == (1.0, "^", OKABE_ITO["vermilion"].lower()), "S is vermilion and pointed"
    assert "paper: all bars are equally high" in figure.alt_text


def test_unequal_mixtures_are_told_as_shares() -> None:
    losses = {"E+E": torch.tensor([1.0, 1.0]), "H+H": torch.tensor([4.0, 4.0])}
    figure, _ = plot_mixtures({"curved": losses}, data="x")
    assert "E+E 0.25, H+H 1.00" in figure.alt_text


def test_paths_have_a_column_for_each_number_of_heads() -> None:
    paths = {"paper": [drawn(5, 1), drawn(5, 2)], "curved": [drawn(5, 1), drawn(5, 2)]}
    figure, data = plot_head_paths(paths, c_0=-0.4, data="x")
    assert [axes.get_title() for axes in figure.axes] == ["N_c = 1", "N_c = 2", "", ""]
    assert torch.equal(data["curved"]["N_c=2"], paths["curved"][1])
    lines = figure.axes[3].lines
    assert len(lines) == 3, "two heads and c₀/2"
    assert lines[0].get_xydata()[0].tolist() == [1, float(paths["curved"][1][0, 0])]
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["head 1", "head 2", "c₀/2"]
    looks = {(line.get_color(), line.get_marker()) for line in lines[:2]}
    assert looks == {(line.get_color(), line.get_marker()) for line in legend.get_lines()[:2]}
    first = ", ".join(f"−{-v:.2f}" for v in paths["curved"][1][0].tolist())
    assert f"curved, N_c=2: from {first}" in figure.alt_text


def test_pairs_tell_how_alike_two_heads_are() -> None:
    one = drawn(30, 1)[:, 0]
    figure, data = plot_head_pairs(
        {"alike": torch.stack([one, 0.5 * one], 1), "opposed": torch.stack([one, -0.4 - one], 1)},
        c_0=-0.4,
        data="x",
    )
    assert data["alike"]["correlation"] == pytest.approx(1)
    assert data["opposed"]["correlation"] == pytest.approx(-1)
    assert figure.axes[3].get_title() == "magnified: correlation −1.00"
    low, high = figure.axes[2].get_xlim()
    assert low < float(one.min())
    assert high > float(one.max())
    assert figure.axes[0].get_xlim() == (-0.4, 0.0)
