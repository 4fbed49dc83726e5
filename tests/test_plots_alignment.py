"""The alignment term's figures, by what they plot and say."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from hypav.alignment import similarity_matrix
from hypav.errors import DataError
from hypav.figures import (
    plot_lengths,
    plot_loudness,
    plot_similarities,
    plot_steps_to_tangent,
    plot_weights,
)
from hypav.figures.style import png_bytes


def rows(*lengths: float) -> Tensor:
    """Rows of the given lengths, each in a direction of its own."""
    generator = torch.Generator().manual_seed(1)
    x = torch.rand(len(lengths), 6, generator=generator, dtype=torch.float64)
    return x / x.norm(dim=1, keepdim=True) * torch.tensor(lengths, dtype=torch.float64).unsqueeze(1)


def test_lengths_are_counted_and_compared_with_the_balls_radius() -> None:
    # k = -0.25: the ball ends at 2, Eq. 1 cuts at 1.998; two of four rows are longer
    figure, data = plot_lengths({"v": rows(1.0, 1.9, 1.999, 9.0), "a": rows(3, 4, 5, 6)}, k=-0.25, data="SET")
    assert data["radius"] == pytest.approx(1.998)
    assert data["cut"] == {"v": 50.0, "a": 100.0}
    assert data["v"].sum() == data["a"].sum() == 4
    assert data["v"][0] == 0
    assert "v has a median length of 1.9, and 50.0 percent are longer" in figure.alt_text
    axes = figure.axes[0]
    assert any(line.get_xdata()[0] == data["radius"] for line in axes.lines)
    assert "The ball of k = −0.25 ends at 2.00, and Eq. 1 cuts at 2.00" in figure.alt_text
    words = next(text for text in axes.texts if "Eq. 1 cuts at 2.00" in text.get_text())
    assert words.xy[0] < data["radius"] < words.xyann[0]  # the words stand outside and point into the ball
    assert "SET" in axes.get_title()


def test_rows_outside_the_ball_end_at_one_length_and_rows_inside_do_not() -> None:
    figure, data = plot_steps_to_tangent(rows(0.5, 5, 50), rows(7, 8, 1.0), k=-0.25, data="SET", xi=1e-3)
    assert torch.allclose(data["φ"], torch.tensor([[0.5, 5, 50], [7, 8, 1.0]], dtype=torch.float64))
    cut, far = 1.998, 2 * math.atanh(0.999)
    assert torch.allclose(
        data["after Eq. 1"], torch.tensor([[0.5, cut, cut], [cut, cut, 1.0]], dtype=torch.float64)
    )
    expected = [[2 * math.atanh(0.25), far, far], [far, far, 2 * math.atanh(0.5)]]
    assert torch.allclose(data["after Eq. 3"], torch.tensor(expected, dtype=torch.float64))
    for axes, length in zip(figure.axes, data.values(), strict=True):
        videos, sounds = (line for line in axes.lines if len(line.get_xdata()) == 3)
        for line, of in ((videos, length[0]), (sounds, length[1])):
            drawn = torch.as_tensor(line.get_xydata()).norm(dim=1)
            assert torch.allclose(drawn, of)
    assert f"after Eq. 3 from 0.51 to {far:.2f}" in figure.alt_text
    assert [len(axes.patches) for axes in figure.axes] == [1, 1, 0]


def test_the_matrices_and_their_difference_are_what_is_drawn() -> None:
    m_v, m_a = similarity_matrix(rows(1, 2, 3, 4), "cosine"), torch.eye(4, dtype=torch.float64)
    figure, data = plot_similarities(m_v, m_a, ["x", "x", "y", "y"], data="SET")
    assert torch.equal(data["difference"], m_v - m_a)
    panels = [axes for axes in figure.axes if axes.images]
    for axes, matrix in zip(panels, (m_v, m_a, m_v - m_a), strict=True):
        assert torch.equal(torch.as_tensor(axes.images[0].get_array()), matrix)
    assert panels[0].images[0].get_clim() == panels[1].images[0].get_clim()
    shades = 2 * panels[0].images[0].get_cmap().N  # of both colour maps
    assert shades < 128  # the palette of a stored picture
    low, high = panels[2].images[0].get_clim()
    assert -low == high == (m_v - m_a).abs().max()
    assert [text.get_text() for text in panels[0].get_xticklabels()] == ["x", "y"]
    inside = (m_v[0, 1] + m_v[2, 3]) / 2
    between = m_v[:2, 2:].mean()
    assert f"video {inside:.2f} inside a group and {between:.2f} between groups" in figure.alt_text
    assert "audio 0.00 inside a group and 0.00 between groups" in figure.alt_text


def test_classes_are_framed_on_the_diagonal_of_all_three_matrices() -> None:
    m = torch.eye(5, dtype=torch.float64)
    figure, _ = plot_similarities(m, m, [*"xxxxy"], data="SET", classes=[*"abbbc"])
    for axes in (axes for axes in figure.axes if axes.images):
        frames = [(frame.get_xy(), frame.get_width(), frame.get_height()) for frame in axes.patches]
        assert frames == [((-0.5, -0.5), 1, 1), ((0.5, 0.5), 3, 3), ((3.5, 3.5), 1, 1)]
    assert "in 2 blocks, 3 classes framed on the diagonal" in figure.alt_text


def test_each_row_of_a_similarity_matrix_needs_a_group_and_a_class() -> None:
    with pytest.raises(DataError, match="2 group names for 3 rows"):
        plot_similarities(torch.eye(3), torch.eye(3), ["x", "y"], data="SET")
    with pytest.raises(DataError, match="1 class names for 3 rows"):
        plot_similarities(torch.eye(3), torch.eye(3), ["x", "y", "y"], data="SET", classes=["x"])


def test_loudness_shows_the_ceiling_and_the_shares() -> None:
    figure, data = plot_loudness([8, 64], [1e-3, 2e-5], L_avca=[5.0, 4.0], data="SET")
    assert data["ceiling"] == [2 / 64, 2 / 4096]
    lines = {line.get_label(): list(line.get_ydata()) for line in figure.axes[0].lines}
    assert lines["Eq. 4, measured"] == [1e-3, 2e-5]
    assert lines["ceiling of Eq. 4, 2/N²"] == data["ceiling"]
    assert lines["L_avca, measured"] == data["L_avca"] == [5.0, 4.0]
    assert "L_avca stays between 4.0 and 5.0" in figure.alt_text
    assert "200.00 millionths of it at N = 8 and 5.00 at N = 64" in figure.alt_text


def test_weights_are_compared_by_means_over_a_tenth_of_the_run() -> None:
    history = {"avca": [float(n) for n in range(20)], "align": [1e-4] * 19 + [3e-4]}
    figure, data = plot_weights({"quiet": history, "loud": history}, data="SET")
    assert data["quiet"]["avca"] == [0.5 + 2 * n for n in range(10)]
    assert data["loud"]["align"][-1] == pytest.approx(2e-4)
    left, right = figure.axes
    assert list(left.lines[0].get_xdata()) == [1.0 + 2 * n for n in range(10)]
    assert right.lines[1].get_ydata()[-1] == pytest.approx(2.0)
    assert "quiet: L_avca 18.5, Eq. 4 2.00 ten-thousandths" in figure.alt_text


def test_no_figure_is_wider_than_800_pixels() -> None:
    m = torch.eye(2, dtype=torch.float64)
    for figure, _ in (
        plot_steps_to_tangent(rows(1, 2), rows(3, 4), k=-0.2, data="SET"),
        plot_similarities(m, m, ["x", "y"], data="SET"),
    ):
        assert int.from_bytes(png_bytes(figure)[16:20], "big") <= 800
