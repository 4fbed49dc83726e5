"""Figures of embedded points: what they return, what they say in words, and what the explorer shows."""

from __future__ import annotations

import pytest
import torch

from hypav.embeddings import rank_correlation
from hypav.figures import (
    embedding_explorer,
    plot_delta_rows,
    plot_disk,
    plot_one_map,
    plot_point_maps,
    plot_tree_agreement,
)

NAMES = ["music"] * 3 + ["sport"] * 4
G = torch.Generator().manual_seed(0)
FLAT = {
    f"{v}, {m}": torch.randn(7, 2, generator=G) for v in ("AVCA", "curved") for m in ("theta_v", "theta_a")
}


def test_maps_return_the_points_and_count_the_groups() -> None:
    figure, data = plot_point_maps(FLAT, NAMES, question="Apart?", data="SIMULATED")
    assert all(torch.equal(data[name], FLAT[name]) for name in FLAT)
    assert "3 of music, 4 of sport" in figure.alt_text
    assert "SIMULATED" in figure.alt_text
    drawn = sorted(len(line.get_xdata()) for line in figure.axes[0].lines)
    assert drawn == [3, 4]
    assert len({line.get_marker() for line in figure.axes[0].lines}) == 2  # a second cue beside colour


def test_maps_stand_in_rows_where_columns_are_given() -> None:
    figure, data = plot_point_maps(FLAT, NAMES, question="Apart?", data="SIMULATED", columns=2)
    assert list(data) == list(FLAT)
    assert [axes.get_subplotspec().rowspan.start for axes in figure.axes] == [0, 0, 1, 1]
    assert figure.axes[1].get_title() == "AVCA\ntheta_a"
    assert (
        figure.get_size_inches()[0]
        < plot_point_maps(FLAT, NAMES, question="", data="")[0].get_size_inches()[0]
    )


def test_one_map_colours_one_group() -> None:
    choice = {"data": "x", "variant": "curved", "modality": "theta_a"}
    figure, data = plot_one_map(FLAT, NAMES, group="sport", **choice)
    assert (data["shown"], torch.equal(data["points"], FLAT["curved, theta_a"])) == (4, True)
    assert "4 of 7 points in colour, those of sport" in figure.alt_text
    assert plot_one_map(FLAT, NAMES, group="all", **choice)[1]["shown"] == 7


def test_explorer_offers_every_map_and_group() -> None:
    def music() -> torch.Tensor:
        line = next(line for line in explorer.figure.axes[0].lines if line.get_label() == "music")
        return torch.as_tensor(line.get_xydata()).float()

    explorer = embedding_explorer(FLAT, NAMES, data="x")
    explorer.sliders["variant"].value = "curved"
    explorer.sliders["group"].value = "music"
    assert explorer.data["shown"] == 3
    assert torch.equal(music(), FLAT["curved, theta_v"][:3])
    explorer.reset()
    assert torch.equal(music(), FLAT["AVCA, theta_v"][:3])


def test_disk_says_how_far_out_points_lie() -> None:
    points = torch.tensor([[0.0, 0.5], [1.0, 0.0], [-1.5, 0.0]])
    figure, data = plot_disk(points, ["a", "b", "b"], k=-0.25, data="x")
    assert data["radius"].tolist() == pytest.approx([0.25, 0.5, 0.75])
    assert "0.25 to 0.75 of the radius" in figure.alt_text


def test_tree_agreement_is_the_rank_correlation_of_all_pairs() -> None:
    tree = torch.tensor([[0, 2, 4, 4], [2, 0, 4, 4], [4, 4, 0, 2], [4, 4, 2, 0]], dtype=torch.float64)
    noisy = tree + torch.rand(4, 4, generator=G)
    noisy = (noisy + noisy.T) / 2
    figure, data = plot_tree_agreement(tree, {"AVCA": noisy}, data="x")
    i, j = torch.triu_indices(4, 4, 1)
    assert data["AVCA"]["correlation"] == pytest.approx(rank_correlation(tree[i, j], noisy[i, j]))
    assert data["AVCA"]["means"][2.0] == pytest.approx(float((noisy[0, 1] + noisy[2, 3]) / 2))
    assert "6 pairs of classes" in figure.alt_text


def test_delta_rows_show_each_set_beside_its_noise() -> None:
    rows = {
        "AVCA": {"features": 0.28, "Gaussian noise": 0.33},
        "curved": {"features": 0.27, "Gaussian noise": 0.35},
    }
    figure, data = plot_delta_rows(rows, data="SIMULATED")
    assert data == rows
    assert "curved: features 0.27, Gaussian noise 0.35" in figure.alt_text
    assert [tick.get_text() for tick in figure.axes[0].get_yticklabels()] == ["AVCA", "curved"]
    # a legend among the rows would read as data
    assert figure.axes[0].get_legend() is None
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["features", "Gaussian noise"]


def test_delta_rows_show_how_far_the_noise_varies() -> None:
    rows = {"AVCA": {"features": 0.28, "Gaussian noise": [0.30, 0.34, 0.35]}}
    figure, data = plot_delta_rows(rows, data="SIMULATED")
    assert data == rows
    assert "features 0.28, Gaussian noise 0.33 ± 0.03" in figure.alt_text
    low, high = figure.axes[0].collections[0].get_segments()[0][:, 0]
    assert (low, high) == (pytest.approx(0.33 - 0.026458, abs=1e-6), pytest.approx(0.33 + 0.026458, abs=1e-6))
