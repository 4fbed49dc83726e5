"""Figures of notebook 03 by what they plot and say."""

from __future__ import annotations

import math

import pytest
import torch

from hypav import geometry
from hypav.figures import (
    four_point_explorer,
    plot_class_tree,
    plot_distortions,
    plot_four_point_cases,
    plot_four_points,
    plot_noise,
    plot_thin_triangles,
    plot_tree_embeddings,
)
from hypav.figures.trees import four_points
from hypav.hyperbolicity import four_point_delta
from hypav.trees import class_tree, embed_tree

TREE = class_tree(["a", "a", "b"], ["x", "y", "z"], ["1", "2", "3"])


def words(figure) -> set[str]:
    return {text.get_text() for axes in figure.axes for text in axes.texts}


def test_class_tree_rings_and_names() -> None:
    figure, data = plot_class_tree(TREE)
    torch.testing.assert_close(data["points"].norm(dim=1), TREE.depths.double())
    assert data["vertices"] == [1, 2, 3, 3]
    assert words(figure) == {"x", "y", "z"}
    assert "1, 2, 3, 3 of them" in figure.alt_text


def test_embeddings_tell_their_distortion() -> None:
    embedding = embed_tree(TREE.parents, k=[0.0, -1.0], steps=20)
    figure, data = plot_tree_embeddings(TREE, embedding)
    assert data["points"] is embedding.points
    for axes, k, error in zip(figure.axes, ("0", "−1"), data["distortion"].tolist(), strict=True):
        assert axes.get_title() == f"k = {k}: off by {100 * error:.0f} %"
        assert len(axes.collections[0].get_segments()) == len(TREE.parents) - 1


def test_distortions_ring_the_best() -> None:
    rows = {"tree": torch.tensor([0.1, 0.2, 0.3]), "grid": torch.tensor([0.5, 0.4, 0.0])}
    figure, data = plot_distortions(rows, [-4.0, -1.0, 0.0])
    rings = [line.get_xydata().tolist() for line in figure.axes[0].lines if line.get_markersize() == 15]
    assert rings == [[[0, pytest.approx(10)]], [[2, 0]]]
    assert data["k"] == [-4, -1, 0]
    assert "tree: 10.0 % at k = −4, 30.0 % at 0" in figure.alt_text


def test_large_triangles_are_thin_only_where_space_is_curved() -> None:
    _, data = plot_thin_triangles(k=-0.25)
    # from the middle of a side to a point of another, in a right-angled triangle
    limit = math.asinh(1) / math.sqrt(0.25)
    assert bool((data["gap"].diff() > 0).all())
    assert data["gap"].max() < limit
    assert data["flat"][-1] == pytest.approx(9.25 * math.sqrt(3) / 4)
    _, sharper = plot_thin_triangles(k=-1.0)
    assert sharper["gap"][-1] == pytest.approx(math.asinh(1), abs=1e-3)
    assert sharper["gap"][0] == pytest.approx(0.25 * math.sqrt(3) / 4, rel=0.02), "small triangles are flat"


def test_four_points_are_measured_by_the_package() -> None:
    figure, data = plot_four_points(20.0, 0.6, -0.5)
    d = geometry.pairwise_distance(four_points(20.0, 0.6), k=-0.5)
    assert data["delta"] == float(four_point_delta(d, (0, 1, 2, 3)))
    assert data["sums"][1] == pytest.approx(float(d[0, 2] + d[1, 3]))
    heights = [bar.get_height() for bar in figure.axes[1].patches]
    assert heights == pytest.approx(data["sums"].tolist())
    assert f"δ = {data['delta']:.2f}" in figure.alt_text


def test_four_point_cases_are_the_same_points_in_several_curvatures() -> None:
    _, data = plot_four_point_cases((0.0, -1.0))
    assert list(data) == ["k=0", "k=-1"]
    assert data["k=0"]["delta"] > data["k=-1"]["delta"]
    assert data["k=-1"]["delta"] == plot_four_points()[1]["delta"]


def test_noise_stands_in_both_conventions_beside_what_was_reported() -> None:
    figure, data = plot_noise([2, 64], [0.4, 0.34], {"A": 0.3, "B": 0.27})
    assert data["released"] == [0.2, 0.17]
    assert words(figure) >= {"A", "B"}
    diamonds = [line.get_xydata().tolist() for line in figure.axes[0].lines if line.get_marker() == "D"]
    assert diamonds == [[[64, 0.3]], [[64, 0.27]]]
    assert "0.34 in 64 dimensions" in figure.alt_text


def test_the_explorer_moves_the_fourth_point() -> None:
    explorer = four_point_explorer()
    before = explorer.data["delta"]
    explorer.sliders["radius"].value = 0.2
    assert explorer.data["points"][3].norm() == pytest.approx(0.2)
    assert explorer.data["delta"] < before
    explorer.sliders["k"].value = 0.0
    assert explorer.data["k"] == 0
