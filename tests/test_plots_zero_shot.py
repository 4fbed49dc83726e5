"""The figures of notebook 04 by their data, their words and what is drawn, and its explorer."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from hypav import evaluation as protocol
from hypav.data.simulated import simulated
from hypav.errors import SettingError
from hypav.figures import (
    beta_explorer,
    plot_answers,
    plot_beta,
    plot_draws,
    plot_peeking,
    plot_phases,
    plot_switches,
)
from hypav.figures.style import OKABE_ITO


@pytest.fixture
def phase() -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Six samples; class 3 is unseen. Switches: -0.5, 1, 2 (samples of seen classes), 0.5, 1.5, 3 (unseen)."""
    nearest = torch.tensor([0, 0, 1, 0, 0, 1])
    switch = torch.tensor([-0.5, 1.0, 2.0, 0.5, 1.5, 3.0], dtype=torch.float64)
    distances = torch.full((6, 3), 9.0, dtype=torch.float64)
    distances[torch.arange(6), nearest] = 4.0
    distances[:, 2] = 4.0 + switch
    classes = torch.tensor([1, 2, 3])
    return distances, torch.tensor([1, 1, 2, 3, 3, 3]), classes, classes[:2], classes[2:]


def test_phases_count_the_classes_and_samples_that_the_phases_have() -> None:
    data = simulated("small")
    figure, shown = plot_phases(data)
    for name, n in shown.items():
        phase = data.phase(name)
        assert (n["seen"], n["unseen"]) == (len(phase.seen), len(phase.unseen))
        assert n["seen_samples"] + n["unseen_samples"] == len(phase)
        assert n["unseen_samples"] == int(torch.isin(phase.label, phase.unseen).sum())
    boxes = [len(c.get_paths()) for c in figure.axes[0].collections]
    assert boxes == [11, 0, 11, 5, 16, 0, 16, 4]
    assert "SIMULATED" in figure.get_suptitle()
    assert "train_val: 16 seen classes" in figure.alt_text


def test_phases_put_unseen_classes_where_they_are_seen_later() -> None:
    figure, _ = plot_phases(simulated("small"))
    columns = [
        sorted(float(path.vertices[0, 0]) for path in c.get_paths()) for c in figure.axes[0].collections
    ]
    train, held, both, last = columns[0], columns[3], columns[4], columns[7]
    assert both == train + held
    assert min(last) > max(both)
    hatches = [c.get_hatch() for c in figure.axes[0].collections]
    assert hatches[3] == hatches[7] != hatches[0], "a second cue beside the colour"


def test_draws_are_shares_by_falling_size() -> None:
    size = torch.tensor([10, 40, 20])
    draws = {"naive": torch.tensor([1, 4, 2]), "balanced": torch.tensor([5, 5, 5])}
    figure, data = plot_draws(size, draws, data="SIMULATED (three classes)")
    assert data["size"].tolist() == [40, 20, 10]
    torch.testing.assert_close(data["naive"], 100 * torch.tensor([4, 2, 1], dtype=torch.float64) / 7)
    torch.testing.assert_close(data["balanced"], torch.full((3,), 100 / 3, dtype=torch.float64))
    drawn = figure.axes[0].lines[0]
    assert drawn.get_xdata().tolist() == [40, 20, 10]
    assert "between 14.29 and 57.14 percent" in figure.alt_text
    assert "SIMULATED" in figure.axes[0].get_title()


def test_answers_say_how_many_samples_cross_over(phase: tuple[Tensor, ...]) -> None:
    figure, blocks = plot_answers(*phase, betas=(0.0, 1.75), data="SIMULATED")
    third = 100 / 3
    for name, expected in (
        ("β = 0", [[2 * third, third], [100.0, 0.0]]),
        ("β = 1.75", [[third, 2 * third], [third, 2 * third]]),
    ):
        torch.testing.assert_close(blocks[name], torch.tensor(expected, dtype=torch.float64))
    image = figure.axes[0].images[0].get_array()
    assert image.shape == (3, 3)
    assert image[0].tolist() == [0.5, 0.0, 0.5], "class 1: one sample is right, one is answered unseen"
    assert "at β = 0, 100 percent of the samples of unseen classes are given a seen class" in figure.alt_text


def test_answers_order_seen_classes_first_whatever_their_ids() -> None:
    distances = 1 - torch.eye(3, dtype=torch.float64)
    classes = torch.tensor([0, 1, 2])
    figure, blocks = plot_answers(
        distances, classes, classes, torch.tensor([1, 2]), torch.tensor([0]), betas=(0.0,), data="d"
    )
    assert blocks["β = 0"].tolist() == [[100.0, 0.0], [0.0, 100.0]]
    assert figure.axes[0].images[0].get_array().diagonal().tolist() == [1.0, 1.0, 1.0]


def test_switches_count_every_sample_once_and_say_who_has_switched(phase: tuple[Tensor, ...]) -> None:
    figure, data = plot_switches(*phase, betas=(0.75, 1.75), data="SIMULATED")
    assert data["seen"].sum() == 3
    assert data["unseen"].sum() == 3
    assert data["β = 0.75"] == pytest.approx([100 / 3, 100 / 3])
    assert data["β = 1.75"] == pytest.approx([200 / 3, 200 / 3])
    low = data["edges"][:-1][data["unseen"] > 0]
    assert low.tolist() == [0.5, 1.5, 2.75] or low.tolist() == [0.25, 1.25, 2.75]
    assert "unseen classes switch at 1.5 in the median, of seen classes at 1.0" in figure.alt_text


def test_beta_marks_what_the_sweep_gives(phase: tuple[Tensor, ...]) -> None:
    curve = protocol.sweep(*phase, betas=torch.arange(81) / 20)
    figure, data = plot_beta(curve, betas=(0.0, 1.75), beta=4.0, data="SIMULATED")
    for beta in (0.0, 1.75, 4.0):
        m = protocol.gzsl(*phase, beta=beta)
        assert data[f"β = {beta:.2f}"] == pytest.approx([100 * m.S, 100 * m.U, 100 * m.HM])
    assert data["top"] == pytest.approx(100 * float(curve.HM.max()))
    points = figure.axes[1].lines[1]
    assert points.get_color() == OKABE_ITO["vermilion"]
    assert points.get_xdata() == pytest.approx([0.0, 200 / 3, 100.0])
    assert f"greatest HM on this curve is {data['top']:.1f}" in figure.alt_text


def test_beta_refuses_a_beta_that_the_curve_has_not(phase: tuple[Tensor, ...]) -> None:
    curve = protocol.sweep(*phase, betas=[0.0, 0.5, 1.0])
    with pytest.raises(SettingError, match=r"not measured at β = 0\.3"):
        plot_beta(curve, beta=0.3)
    with pytest.raises(SettingError, match="no beta to mark"):
        plot_beta(curve)


def test_peeking_shows_every_set_and_the_mean() -> None:
    gains = {"β": {"4 classes": [0.0, 1.0, 5.0], "9 classes": [0.5]}, "all": {"4 classes": [2.0, 4.0, 9.0]}}
    figure, data = plot_peeking(gains)
    assert data["β"]["4 classes"] == {"gains": [0.0, 1.0, 5.0], "mean": 2.0}
    assert data["all"]["4 classes"]["mean"] == 5.0
    dots = [line for line in figure.axes[0].lines if len(line.get_xdata()) == 3]
    assert [list(line.get_xdata()) for line in dots] == [[0.0, 1.0, 5.0], [2.0, 4.0, 9.0]]
    assert [bar.get_width() for bar in figure.axes[0].patches] == [2.0, 0.5, 5.0]
    assert "4 classes, β: +2.0 in the mean of 3 sets, +5.0 at most" in figure.alt_text
    assert "SIMULATED" in figure.axes[0].get_title()


def test_the_beta_explorer_reaches_both_ends_and_needs_no_model(phase: tuple[Tensor, ...]) -> None:
    curve = protocol.sweep(*phase, betas=torch.arange(81) / 20)
    explorer = beta_explorer(curve, data="SIMULATED (six samples)")
    assert next(iter(explorer.data)) == "β = 1.00"
    if not explorer.sliders:
        pytest.skip("no ipywidgets")
    for beta in (0.0, 0.05, 1.15, 4.0):
        explorer.sliders["beta"].value = beta
        assert next(iter(explorer.data)) == f"β = {beta:.2f}"
    assert explorer.data["β = 4.00"][0] == 0.0
    assert "SIMULATED" in explorer.figure.get_suptitle()
