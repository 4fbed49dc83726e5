"""The figures of notebook 09 by the numbers that they draw, and its explorer."""

from __future__ import annotations

from itertools import pairwise
from math import atanh, log10, sqrt

import pytest
import torch
from torch import Tensor

from hypav.alignment import AlignmentConfig, alignment_loss, preset
from hypav.errors import DataError
from hypav.figures import (
    alignment_explorer,
    plot_alignment_choice,
    plot_bound,
    plot_differences,
    plot_drift,
    plot_loss_over_k,
    plot_loss_surface,
    plot_over_k,
    plot_row_scales,
    plot_shares,
    plot_unused_layer,
)
from hypav.stats import t_interval

NEAR = preset("paper", similarity="inner", scale=0.1)
PANELS = {"as\nprinted": preset("paper"), "inner": NEAR}


@pytest.fixture(scope="module")
def phi() -> tuple[Tensor, Tensor]:
    """Embeddings of 12 samples, 10 to 20 long."""
    generator = torch.Generator().manual_seed(0)
    v, a = torch.rand(2, 12, 8, generator=generator, dtype=torch.float64)
    return 20 * v / v.norm(dim=1, keepdim=True) * (0.5 + 0.5 * a[:, :1]), 15 * a


def loss(phi: tuple[Tensor, Tensor], k: float, config: AlignmentConfig) -> float:
    return float(alignment_loss(*phi, torch.tensor([[k]], dtype=torch.float64), config))


def test_row_scales_are_what_eqs_1_and_3_multiply_by() -> None:
    figure, data = plot_row_scales((-1.0, 0.0), longest=3.0)
    assert data["length"][[0, -1]].tolist() == pytest.approx([0.05, 3.0])
    assert data["k=0"].tolist() == pytest.approx([1.0] * 60)
    # length 0.5 lies inside the ball of radius 1, length 3 is clipped to 0.999
    assert float(data["k=-1"][9]) == pytest.approx(atanh(0.5) / 0.5)
    assert float(data["k=-1"][-1]) == pytest.approx(atanh(0.999) / 3)
    assert "above zero everywhere" in figure.alt_text
    assert "no data" in figure.axes[0].get_title()
    assert all(bool((line > 0).all()) for name, line in data.items())


def test_loss_over_k_is_the_loss_in_units_of_its_flat_value(phi: tuple[Tensor, Tensor]) -> None:
    ks = [-1.0, -0.3, 0.0, 0.25]
    figure, data = plot_loss_over_k(*phi, PANELS, ks, data="SIMULATED")
    assert data["as printed"]["flat"] is True
    assert data["inner"]["flat"] is False
    expected = [loss(phi, k, NEAR) / loss(phi, 0.0, NEAR) for k in ks]
    assert data["inner"]["loss"].tolist() == pytest.approx(expected)
    assert "as printed: flat; inner: " in figure.alt_text
    for axes, name in zip(figure.axes, ("as printed", "inner"), strict=True):
        drawn = axes.lines[0]
        assert list(drawn.get_ydata()) == pytest.approx(data[name]["loss"].tolist())
        assert max(drawn.get_ydata()) < axes.get_ylim()[1], "no curve leaves its panel"


def test_the_surface_divides_each_scale_by_its_own_last_loss(phi: tuple[Tensor, Tensor]) -> None:
    inner = preset("paper", similarity="inner")
    _, data = plot_loss_surface(
        *phi, {"printed": preset("paper"), "inner": inner}, (-1.0, -0.2, 0.0), (0.01, 0.1), data="SIMULATED"
    )
    assert data["printed"].flatten().tolist() == pytest.approx([1.0] * 6)
    assert data["inner"].shape == (2, 3)
    assert float(data["inner"][1, 0]) == pytest.approx(loss(phi, -1.0, NEAR) / loss(phi, 0.0, NEAR))


def test_the_explorer_weighs_the_loss_and_tells_a_flat_one(phi: tuple[Tensor, Tensor]) -> None:
    figure, data = plot_alignment_choice(*phi, 10.0, data="SIMULATED", log_weight=2.0)
    assert data["flat"]
    assert data["share"] == pytest.approx(100 * 100 * loss(phi, -0.2, preset("paper")) / 10)
    assert "does not depend on k" in figure.alt_text
    figure, data = plot_alignment_choice(*phi, 10.0, data="SIMULATED", similarity="inner", log_scale=-1.0)
    assert not data["flat"]
    assert [float(v) for v in data["loss"]] == pytest.approx([loss(phi, k, NEAR) for k in data["k"]])
    assert data["k"][8] == pytest.approx(-0.2)


def test_every_choice_of_the_explorer_can_be_drawn(phi: tuple[Tensor, Tensor]) -> None:
    explorer = alignment_explorer(*phi, 10.0, data="SIMULATED")
    assert "SIMULATED" in explorer.figure.get_suptitle()
    if not explorer.sliders:
        pytest.skip("no ipywidgets")
    for name in ("similarity", "normalise", "base", "to_ball"):
        for option in explorer.sliders[name].options:
            explorer.sliders[name].value = option
            assert option in explorer.figure.alt_text
            assert bool(torch.isfinite(explorer.data["loss"]).all())
    explorer.sliders["log_scale"].value = -2.0
    explorer.sliders["log_weight"].value = 4.0
    assert "scale 0.01, weight 1e+04" in explorer.figure.alt_text


def test_the_bound_falls_with_the_square_of_n() -> None:
    figure, data = plot_bound((4, 256), {"Eq. 4": [1e-3, 1e-6]}, [10.0, 10.0], data="SIMULATED")
    assert data["bound on Eq. 4: 2/N²"].tolist() == pytest.approx([log10(2 / 16), log10(2 / 65536)])
    assert data["Eq. 4"].tolist() == pytest.approx([-3, -6])
    assert "3.1e−05" in figure.alt_text


def test_shares_rise_with_the_weight() -> None:
    _, data = plot_shares((1e-3, 1.0, 1e3), {"paper": 1e-6, "curved": 0.5}, data="SIMULATED")
    assert data["paper"].tolist() == pytest.approx([-9, -6, -3])
    assert data["equal"] == pytest.approx({"paper": 6.0, "curved": log10(2)})


def test_drift_draws_equal_runs_at_the_foot_of_the_axis() -> None:
    figure, data = plot_drift((0, 1, 8), {"a": [0.0, 1e-9, 1e-3], "b": [0.5, 0.6, 0.7]}, data="SIMULATED")
    assert data["a"] == [0.0, 1e-9, 1e-3]
    assert min(figure.axes[0].lines[0].get_ydata()) > 0
    assert "equal" in [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert "a: from 0 to 1e−03" in figure.alt_text


def test_the_unused_layer_is_drawn_beside_half_of_c_0() -> None:
    figure, data = plot_unused_layer(
        {"decay": [0.02, 0.01]}, {"decay": [-0.25, -0.2]}, c_0=-0.4, data="SIMULATED"
    )
    assert data == {"weight": {"decay": [0.02, 0.01]}, "k": {"decay": [-0.25, -0.2]}}
    assert list(figure.axes[1].lines[1].get_ydata()) == [-0.2, -0.2]
    assert "mean curvature from −0.25 to −0.20" in figure.alt_text


def test_differences_come_with_student_s_interval() -> None:
    figure, data = plot_differences({"a": [1.0, 2.0, 3.0], "b": [0.0, 0.0]}, data="SIMULATED")
    half = 4.302652729911275 / sqrt(3)
    assert (data["a"]["low"], data["a"]["high"]) == pytest.approx((2 - half, 2 + half))
    assert data["b"]["mean"] == 0
    assert "a +2.0 [−0.5, 4.5]" in figure.alt_text
    assert "SIMULATED" in figure.axes[0].get_title()
    with pytest.raises(DataError, match="no difference"):
        plot_differences({}, data="SIMULATED")


def test_intervals_that_exclude_zero_are_counted_and_marked() -> None:
    clear, unclear = [1.0, 1.1, 0.9], [1.0, -1.1, 0.2]
    figure, data = plot_over_k({"paper": {-1.0: clear, 0.5: unclear}}, against="k = 0", data="SIMULATED")
    assert "SIMULATED" in figure.get_suptitle()
    assert "paper: 1 of 2 intervals exclude 0" in figure.alt_text
    interval = t_interval(clear)
    assert data["paper"]["k=-1"] == (interval.mean, interval.low, interval.high)
    marks = {line.get_marker() for line in figure.axes[0].lines if len(line.get_xdata()) == 1}
    assert marks == {"D", "o"}
    assert "orange diamond" in figure.get_supxlabel(), "vermilion is orange to most eyes, and never red here"
    with pytest.raises(DataError, match="no curvature"):
        plot_over_k({}, against="k = 0", data="SIMULATED")


def test_the_colours_of_a_drift_are_told_apart() -> None:
    figure, _ = plot_drift((0, 1), {name: [0.1, 0.2] for name in "abcd"}, data="SIMULATED")
    looks = [(line.get_color(), line.get_marker()) for line in figure.axes[0].lines]
    assert all(a != b for a, b in pairwise(looks))


def test_every_figure_of_data_names_them_in_picture_and_words(phi: tuple[Tensor, Tensor]) -> None:
    figures = [
        plot_loss_over_k(*phi, PANELS, [-1.0, 0.0], data="SIMULATED"),
        plot_loss_surface(*phi, PANELS, (-1.0, 0.0), (0.1, 1.0), data="SIMULATED"),
        plot_alignment_choice(*phi, 10.0, data="SIMULATED"),
        plot_bound((4, 8), {"a": [0.1, 0.1]}, [1.0, 1.0], data="SIMULATED"),
        plot_shares((0.1, 1.0), {"a": 0.1}, data="SIMULATED"),
        plot_drift((0, 1), {"a": [0.1, 0.2]}, data="SIMULATED"),
        plot_unused_layer({"a": [0.1, 0.2]}, {"a": [-0.2, -0.2]}, c_0=-0.4, data="SIMULATED"),
    ]
    for figure, _ in figures:
        titles = [figure.get_suptitle(), *(axes.get_title() for axes in figure.axes)]
        assert any("SIMULATED" in title for title in titles), titles
        assert "SIMULATED" in figure.alt_text
