"""The first page's figures, by what they plot and say."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from hypav.alignment import alignment_loss, preset
from hypav.errors import DataError
from hypav.figures import plot_felt_curvature, plot_task, plot_words
from hypav.figures.style import png_bytes


def test_the_task_shows_three_words_and_asks_the_fourth() -> None:
    figure, data = plot_task()
    assert list(data["sound"]) == list(data["picture"]) == ["cat", "cow", "rooster", "dog"]
    assert [axes.texts[0].get_text() for axes in figure.axes[8:]] == ["cat", "cow", "rooster", "?"]
    for animal in data["sound"]:
        assert data["sound"][animal].shape == (240,)
        assert data["picture"][animal].shape == (16, 16)
    for axes, picture in zip(figure.axes[4:8], data["picture"].values(), strict=True):
        assert torch.equal(torch.as_tensor(axes.images[0].get_array()), picture)
    assert "dog" in figure.alt_text


def bursts(wave: Tensor) -> int:
    """Sounding stretches with silence of at least five points between them."""
    loud = (wave.abs() > 1e-9).nonzero()[:, 0]
    return 1 + int((loud.diff() > 5).sum())


def test_a_dog_barks_three_times_and_a_cow_is_lower_than_a_cat() -> None:
    sound = plot_task()[1]["sound"]
    assert {animal: bursts(wave) for animal, wave in sound.items()} == {
        "cat": 1,
        "cow": 1,
        "rooster": 3,
        "dog": 3,
    }

    def turns(wave: Tensor) -> int:
        return int((wave[:-1] * wave[1:] < 0).sum())

    assert turns(sound["cow"]) < turns(sound["cat"])


def test_the_nearest_word_is_told_and_drawn_thick() -> None:
    words = {
        "cat": torch.tensor([0.0, 0.0]),
        "cow": torch.tensor([4.0, 0.0]),
        "dog": torch.tensor([1.0, 3.0]),
    }
    videos = {name: words[name] + torch.tensor([[0.1, 0.0], [0.0, 0.1]]) for name in ("cat", "cow")}
    figure, data = plot_words(words, videos, torch.tensor([1.0, 1.0]))
    assert data["distance"] == pytest.approx({"cat": 2**0.5, "cow": 10**0.5, "dog": 2.0})
    assert data["nearest"] == "cat"
    axes = figure.axes[0]
    ways = [line for line in axes.lines if len(line.get_xdata()) == 2 and line.get_linestyle() != "None"]
    thick = [line for line in ways if line.get_linewidth() == 2.0]
    assert len(ways) == 3
    assert [(float(line.get_xdata()[1]), float(line.get_ydata()[1])) for line in thick] == [(0.0, 0.0)]
    assert [text.get_text() for text in axes.texts] == ["1.41", "cat", "3.16", "cow", "2.00", "dog"]
    assert "training videos lie around cat, cow only" in figure.alt_text
    assert "nearest word is cat" in figure.alt_text


def test_without_words_there_is_no_answer() -> None:
    with pytest.raises(DataError, match="no word to answer with"):
        plot_words({}, {}, torch.zeros(2))


def test_only_the_curved_loss_feels_the_curvature() -> None:
    generator = torch.Generator().manual_seed(2)
    phi_v, phi_a = torch.randn(2, 12, 20, generator=generator, dtype=torch.float64).relu()
    figure, data = plot_felt_curvature(phi_v, phi_a, reach=0.5)
    ks = data["k"]
    assert ks[0] == -0.5
    assert ks[20] == 0
    assert ks[-1] == 0.5
    for name in ("paper", "released"):
        assert (data[name] - 1).abs().max() < 1e-9
    ends = [alignment_loss(phi_v, phi_a, k.reshape(1, 1), preset("curved")) for k in (ks[0], ks[20])]
    assert torch.isclose(data["curved"][0], ends[0] / ends[1])
    assert data["curved"][0] > 1.05
    for line, name in zip(figure.axes[0].lines, ("paper", "released", "curved"), strict=False):
        assert torch.equal(torch.as_tensor(line.get_ydata()), data[name])
        assert line.get_label() == name
    assert f"curved {float(data['curved'][0]):.2f} and" in figure.alt_text
    assert "At k = −0.5 and k = 0.5" in figure.alt_text


def test_the_widest_figure_is_800_pixels_wide() -> None:
    assert int.from_bytes(png_bytes(plot_task()[0])[16:20], "big") == 800
