"""The adaptive curvature's figures, by what they plot and say."""

from __future__ import annotations

import pytest
import torch
from torch import Generator

from hypav.errors import DataError
from hypav.figures import (
    plot_curvature_paths,
    plot_gradient_sizes,
    plot_group_curvatures,
    plot_layer_curve,
    plot_random_layers,
)
from hypav.figures.style import png_bytes


def test_the_samples_lie_on_the_curve_of_eq_6() -> None:
    s = torch.tensor([[-1.0], [0.0], [2.0]], dtype=torch.float64)
    figure, data = plot_layer_curve(s, c_0=-0.4, data="SET")
    assert torch.allclose(data["k"], -0.4 / (1 + torch.exp(-s[:, 0])))
    dots = next(line for line in figure.axes[0].lines if line.get_marker() == "o")
    assert torch.equal(torch.as_tensor(dots.get_ydata()), data["k"])
    assert "k from -0.35 to -0.11, in the mean -0.22" in figure.alt_text
    assert figure.axes[0].get_ylim() == pytest.approx((-0.432, 0.048))


def shuffles() -> Generator:
    return Generator().manual_seed(0)


def test_the_share_of_variance_between_groups_is_told() -> None:
    groups = ["x", "y", "x", "y"]
    apart = torch.tensor([-0.1, -0.3, -0.1, -0.3], dtype=torch.float64)
    mixed = torch.tensor([-0.1, -0.1, -0.3, -0.3], dtype=torch.float64)
    half = torch.tensor([0.0, -0.2, -0.2, -0.4], dtype=torch.float64)
    equal = torch.full((4,), -0.2, dtype=torch.float64)
    states = {"apart": apart, "mixed": mixed, "half": half, "equal": equal}
    figure, data = plot_group_curvatures(states, groups, c_0=-0.4, data="SET", generator=shuffles())
    shares = [data[state]["share"] for state in states]
    assert shares == pytest.approx([100, 0, 50, 0], abs=1e-9)
    assert torch.equal(data["half"]["k"]["y"], torch.tensor([-0.2, -0.4], dtype=torch.float64))
    means = [line.get_xdata()[0] for line in figure.axes[0].lines if line.get_marker() == "d"]
    assert means == pytest.approx([-0.1, -0.3])
    assert [text.get_text() for text in figure.axes[0].get_yticklabels()] == ["x", "y"]
    assert "apart: k from -0.30 to -0.10, 100 percent of the variance between groups" in figure.alt_text


def test_chance_is_what_shuffled_names_give() -> None:
    # of G groups shuffled over N samples (G - 1)/(N - 1) of the variance lies between them in the mean
    k = torch.randn(200, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    groups = [f"g{n % 5}" for n in range(200)]
    _, data = plot_group_curvatures(
        {"noise": k}, groups, c_0=-0.4, data="SET", generator=shuffles(), draws=300
    )
    middle, high = data["noise"]["chance"]
    assert middle == pytest.approx(100 * 4 / 199, rel=0.25)
    # the 95 % quantile of a beta distribution with 2 and 97.5, which is nearly chi² with 4 degrees over 199
    assert high == pytest.approx(100 * 9.49 / 199, rel=0.2)


def test_a_curvature_a_sample_is_needed() -> None:
    with pytest.raises(DataError, match="fresh has curvatures of shape"):
        plot_group_curvatures(
            {"fresh": torch.zeros(3)}, ["x", "y"], c_0=-0.4, data="SET", generator=shuffles()
        )


def test_random_layers_are_counted_beside_chance() -> None:
    shares = {"born": torch.tensor([1.0, 3.0, 5.0, 5.5]), "taught": torch.tensor([9.0, 11.0, 11.5, 20.0])}
    figure, data = plot_random_layers(shares, torch.linspace(0, 4, 101), data="SET")
    assert data["chance"] == pytest.approx(3.8)
    assert data["above"] == {"born": 50.0, "taught": 100.0}
    assert data["edges"].tolist() == list(range(0, 23, 2))
    assert data["born"].tolist() == [1, 1, 2] + [0] * 8
    assert data["taught"].tolist() == [0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 1]
    assert "taught: 13 percent in the mean, more than 4 in 100 of 100 layers" in figure.alt_text


def test_rounding_is_drawn_and_kept_as_zero() -> None:
    histories = {
        "paper": {"encoder": [20.0, 2.0], "layer": [3e-20, 7e-21]},
        "curved": {"encoder": [20.0, 2.0], "layer": [1.0, 1e-3]},
        "quiet": {"encoder": [20.0, 2.0], "layer": [1.0, 8.2e-4]},
    }
    figure, data = plot_gradient_sizes(histories, data="SET")
    assert data["paper"] == {"encoder": [20.0, 2.0], "layer": [0.0, 0.0]}
    assert data["curved"]["layer"] == [1.0, 1e-3]
    left, right, _ = figure.axes
    zero = left.lines[1].get_ydata()
    assert zero[0] == zero[1] < 1e-3 / 3  # below all that is real, inside the grey band
    assert left.get_ylim()[0] < zero[0]
    assert list(right.lines[1].get_ydata()) == [1.0, 1e-3]
    floor, *real = zip(left.get_yticks(), [text.get_text() for text in left.get_yticklabels()], strict=True)
    assert floor == (zero[0], "< 10⁻¹²"), "nobody reads a value off the band"
    assert real[0] == (pytest.approx(1e-3), "10⁻³")
    assert "paper, layer: 0 to rounding throughout" in figure.alt_text
    assert "curved, layer: 1 to 0.001" in figure.alt_text
    assert "quiet, layer: 1 to below 0.001" in figure.alt_text


def test_paths_show_the_bands_of_the_samples() -> None:
    k = -torch.linspace(0, 0.4, 101, dtype=torch.float64).repeat(2, 1)
    k[1] = -0.2
    figure, data = plot_curvature_paths({"run": k}, [0, 8], c_0=-0.4, data="SET")
    expected = torch.tensor(
        [[-0.4, -0.2], [-0.38, -0.2], [-0.2, -0.2], [-0.02, -0.2], [0, -0.2]], dtype=torch.float64
    )
    assert torch.allclose(data["run"], expected)
    assert data["steps"] == [0, 8]
    assert list(figure.axes[0].lines[0].get_ydata()) == pytest.approx([-0.2, -0.2])
    assert figure.axes[0].get_ylim() == (-0.4, 0.0)
    assert "run: from −0.4/−0.2/0 to −0.2/−0.2/−0.2" in figure.alt_text


def test_no_figure_is_wider_than_800_pixels() -> None:
    k = torch.full((3, 4), -0.2, dtype=torch.float64)
    figures = [
        plot_curvature_paths({"a": k, "b": k}, [0, 1, 2], c_0=-0.4, data="SET")[0],
        plot_group_curvatures(
            {"a": k[0], "b": k[0]}, ["x", "x", "y", "y"], c_0=-0.4, data="SET", generator=shuffles()
        )[0],
        plot_gradient_sizes({"a": {"layer": [1.0, 0.5]}, "b": {"layer": [0.0, 0.0]}}, data="SET")[0],
    ]
    for figure in figures:
        assert int.from_bytes(png_bytes(figure)[16:20], "big") <= 800
