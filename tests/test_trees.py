"""Class trees, their distances, and embeddings in spaces of every curvature."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from hypav import geometry
from hypav.errors import DataError, SettingError
from hypav.hyperbolicity import delta_rel
from hypav.trees import (
    class_tree,
    distortion,
    embed,
    embed_tree,
    equal_angles_layout,
    radial_layout,
    tree_distances,
)

BINARY = torch.tensor([-1, *((v - 1) // 2 for v in range(1, 15))])
STAR = torch.tensor([-1, 0, 0, 0])
PATH = torch.tensor([-1, 0, 1, 2])


def pairwise(points: Tensor, k: float) -> Tensor:
    return geometry.pairwise_distance(points, k=k)


def ring(n: int) -> tuple[Tensor, Tensor]:
    """Steps around a ring, and a regular polygon with that circumference."""
    i = torch.arange(n)
    steps = (i.unsqueeze(1) - i).abs()
    turn = 2 * math.pi * i.double() / n
    return torch.minimum(steps, n - steps).double(), n / (4 * math.pi) * torch.stack(
        [turn.cos(), turn.sin()], -1
    )


def test_a_class_tree_has_a_vertex_for_every_name_on_every_level() -> None:
    tree = class_tree(["a", "a", "b", "b"], ["x", "y", "x", "x"], ["1", "2", "3", "4"])
    assert tree.names == ("", "a", "b", "x", "y", "x", "1", "2", "3", "4")
    assert tree.parents.tolist() == [-1, 0, 0, 1, 1, 2, 3, 4, 5, 5]
    assert tree.depths.tolist() == [0, 1, 1, 2, 2, 2, 3, 3, 3, 3]
    assert tree.leaves.tolist() == [6, 7, 8, 9]


def test_distances_count_the_edges() -> None:
    assert tree_distances(STAR).tolist() == [[0, 1, 1, 1], [1, 0, 2, 2], [1, 2, 0, 2], [1, 2, 2, 0]]
    d = tree_distances(BINARY)
    assert d[7, 8] == 2
    assert d[7, 14] == 6
    assert d[0, 14] == 3
    assert torch.equal(d, d.mT)
    assert delta_rel(d, precomputed=True).delta == 0


def test_layouts_put_vertices_where_they_say() -> None:
    radial = radial_layout(BINARY)
    depth = tree_distances(BINARY)[0]
    torch.testing.assert_close(2 * radial.norm(dim=1), depth)
    angle = torch.atan2(radial[7:, 1], radial[7:, 0]) % (2 * math.pi)
    torch.testing.assert_close(angle.diff(), torch.full((7,), 2 * math.pi / 8, dtype=torch.float64))
    for k in (-2.0, 0.0, 0.01):
        points = geometry.expmap0(equal_angles_layout(BINARY, k=k), k=k)
        edges = geometry.distance(points[1:], points[BINARY[1:]], k=k)
        torch.testing.assert_close(edges, torch.ones(14, dtype=torch.float64))
        ways = geometry.logmap(points[1], points[[0, 3, 4]], k=k)
        cosine = torch.nn.functional.cosine_similarity(ways, ways.roll(1, 0), dim=1)
        torch.testing.assert_close(cosine, torch.full((3,), -0.5, dtype=torch.float64))


def test_distortion_is_the_mean_relative_error_of_the_pairs() -> None:
    wanted = torch.tensor([[0.0, 1, 2], [1, 0, 4], [2, 4, 0]])
    got = torch.tensor([[0.0, 1.5, 2], [1.5, 0, 3], [2, 3, 0]])
    assert distortion(got, wanted) == 0.25
    assert distortion(torch.stack([got, wanted]), wanted).tolist() == [0.25, 0]


def test_a_tree_fits_better_the_more_negative_the_curvature() -> None:
    result = embed_tree(BINARY, k=[0.0, -1.0, -16.0])
    errors = result.distortion
    assert errors[0] > 1.5 * errors[1] > 3 * errors[2]
    assert result.points.shape == (3, 15, 2)
    for k, points, error in zip(result.k.tolist(), result.points, errors, strict=True):
        assert distortion(pairwise(points, k), tree_distances(BINARY)) == pytest.approx(float(error))


def test_a_path_fits_everywhere_a_grid_in_flat_space_and_a_ring_on_the_sphere() -> None:
    assert embed_tree(PATH, k=[0.0, -1.0]).distortion.max() < 1e-3
    grid = torch.cartesian_prod(torch.arange(4.0), torch.arange(4.0)) - 1.5
    flat = embed(torch.cdist(grid, grid), 0.4 * grid.expand(2, -1, -1), k=[0.0, -1.0])
    assert flat.distortion[0] < 2e-3
    assert flat.distortion[1] > 0.05
    steps, start = ring(12)
    curved = embed(steps, start.expand(3, -1, -1), k=[-1.0, 0.0, (2 * math.pi / 12) ** 2])
    assert curved.distortion[0] > curved.distortion[1] > 0.08
    assert curved.distortion[2] < 0.01


def test_embedding_gains_on_its_start_and_starts_do_not_touch_each_other() -> None:
    # not the symmetric drawing itself: there the root's gradient is rounding, which Adam turns into steps
    generator = torch.Generator().manual_seed(0)
    shift = 0.2 * torch.rand(15, 2, generator=generator, dtype=torch.float64)
    wanted, start = tree_distances(BINARY), radial_layout(BINARY) + shift
    single = embed(wanted, start, k=-1.0, steps=30)
    three = embed(wanted, torch.stack([start, 2 * start, start]), k=[-1.0, -1.0, 0.0], steps=30)
    assert single.distortion < distortion(pairwise(geometry.expmap0(start, k=-1.0), -1.0), wanted)
    torch.testing.assert_close(three.points[0], single.points, rtol=0, atol=1e-12)
    assert single.points.shape == (15, 2)
    assert single.points.requires_grad is False
    assert type(single.points) is Tensor


def test_embedding_is_the_same_with_more_threads_and_leaves_their_number() -> None:
    before, results = torch.get_num_threads(), []
    try:
        for threads in (1, 3):
            torch.set_num_threads(threads)
            results.append(embed_tree(BINARY, k=[-1.0], steps=20).points)
            assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
    assert torch.equal(*results)


GOOD = tree_distances(STAR)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: class_tree(), DataError, "at least one level"),
        (lambda: class_tree(["a"], ["x", "y"]), DataError, "one name per class"),
        (lambda: class_tree(["a", "a"], ["x", "x"]), DataError, "path a > x"),
        (lambda: tree_distances(torch.tensor([0, 0])), DataError, "begins with -1"),
        (lambda: tree_distances(torch.tensor([-1, 2, 0])), DataError, "a parent before it"),
        (lambda: distortion(GOOD, GOOD[:2, :2]), DataError, "have shapes"),
        (lambda: embed(GOOD, torch.zeros(3, 2), k=-1.0), DataError, "there are 4 points"),
        (lambda: embed(GOOD, torch.zeros(4, 2), k=-1.0, steps=0), SettingError, "at least one"),
        (lambda: embed(GOOD[:2], torch.zeros(2, 2), k=-1.0), DataError, "square matrix"),
        (lambda: embed(GOOD, torch.zeros(2, 4, 2), k=[-1.0] * 3), SettingError, "3 curvatures"),
        (lambda: embed_tree(STAR, k=[]), SettingError, "at least one curvature"),
    ],
)
def test_bad_input_is_refused(call, error, words) -> None:
    with pytest.raises(error, match=words):
        call()
