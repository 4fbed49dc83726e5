"""Projections of embedded points, and the statistics that check the pictures."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.manifold import TSNE
from threadpoolctl import threadpool_info, threadpool_limits

from hypav import embeddings, geometry
from hypav.data.simulated import simulated
from hypav.errors import DataError, SettingError


def clusters(
    count: int = 4, each: int = 20, dim: int = 16, seed: int = 0
) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    centres = 4 * torch.randn(count, dim, generator=generator, dtype=torch.float64)
    label = torch.arange(count).repeat_interleave(each)
    return centres[label] + torch.randn(len(label), dim, generator=generator, dtype=torch.float64), label


def test_tsne_keeps_clusters_and_is_the_same_whatever_rounding_did() -> None:
    points, label = clusters()
    flat = embeddings.tsne(points, perplexity=10, steps=400)
    assert flat.shape == (80, 2)
    near = torch.cdist(flat, flat).fill_diagonal_(torch.inf).topk(10, largest=False).indices
    assert (label[near] == label.unsqueeze(1)).double().mean() > 0.99
    noise = torch.randn(points.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    again = embeddings.tsne(points * (1 + 1e-12 * noise), perplexity=10, steps=400)
    assert torch.equal(flat, again)


def test_tsne_sums_in_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def look(self: TSNE, distance: np.ndarray) -> np.ndarray:
        seen.extend(pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "openmp")
        return distance[:, :2]

    monkeypatch.setattr(TSNE, "fit_transform", look)
    with threadpool_limits(limits=3):
        embeddings.tsne(clusters()[0], perplexity=10)
    assert set(seen) == {1}


@pytest.mark.parametrize(
    ("points", "settings", "error"),
    [
        (torch.ones(3, 2), {}, DataError),
        (torch.ones(9, 2), {"perplexity": 2}, DataError),
        (torch.full((9, 2), torch.nan), {}, DataError),
        (torch.eye(9), {"perplexity": 9}, SettingError),
        (torch.eye(9), {"perplexity": 3, "steps": 100}, SettingError),
    ],
)
def test_tsne_refuses_bad_input(points: torch.Tensor, settings: dict[str, float], error: type) -> None:
    with pytest.raises(error):
        embeddings.tsne(points, **settings)


def test_principal_plane_is_that_of_the_covariance() -> None:
    points, _ = clusters(dim=5)
    plane = embeddings.principal_plane(points)
    values, vectors = np.linalg.eigh(np.cov(points.numpy().T))
    assert plane.mean(0).abs().max() < 1e-12
    np.testing.assert_allclose(plane.var(0).numpy(), values[::-1][:2])
    expected = (points - points.mean(0)).numpy() @ vectors[:, ::-1][:, :2]
    np.testing.assert_allclose(np.abs(plane.numpy()), np.abs(expected), atol=1e-12)
    # the sign does not depend on the library's choice
    torch.testing.assert_close(embeddings.principal_plane(points.flip(0)), plane.flip(0))
    with pytest.raises(DataError, match="two dimensions"):
        embeddings.principal_plane(points[:, :1])


def test_pick_spreads_over_the_rows_of_a_class() -> None:
    label = torch.tensor([0, 1, 1, 0, 1, 1, 2, 1, 1])
    assert embeddings.pick(label, [1, 0], 3).tolist() == [1, 4, 7, 0, 3]
    with pytest.raises(DataError, match="Class 5 has no sample"):
        embeddings.pick(label, [5], 3)
    with pytest.raises(SettingError, match="at least 1"):
        embeddings.pick(label, [1], 0)


def test_separation_by_hand() -> None:
    points = torch.tensor([[-1.0, 0.0], [1.0, 0.0], [9.0, 3.0], [9.0, 5.0]])
    result = embeddings.separation(points, torch.tensor([3, 3, 1, 1]))
    torch.testing.assert_close(result, 97**0.5 * (1 - torch.eye(2, dtype=torch.float64)))
    # the unit of the space does not matter
    torch.testing.assert_close(embeddings.separation(7 * points, torch.tensor([3, 3, 1, 1])), result)
    with pytest.raises(DataError, match="two classes"):
        embeddings.separation(points, torch.zeros(4, dtype=torch.int64))
    with pytest.raises(DataError, match="no spread"):
        embeddings.separation(points, torch.arange(4))
    with pytest.raises(DataError, match="3 labels"):
        embeddings.separation(points, torch.arange(3))


def test_rank_correlation_is_the_correlation_of_mean_ranks() -> None:
    generator = torch.Generator().manual_seed(3)
    x = torch.randint(5, (40,), generator=generator).double()
    y = x + 3 * torch.rand(40, generator=generator, dtype=torch.float64).round(decimals=1)
    ranks = [((v[:, None] > v).sum(1) + (v[:, None] == v).sum(1) / 2).double() for v in (x, y)]
    assert embeddings.rank_correlation(x, y) == pytest.approx(float(torch.corrcoef(torch.stack(ranks))[0, 1]))
    for bad in (torch.ones(40), torch.full((40,), torch.nan), torch.ones(39)):
        with pytest.raises(DataError):
            embeddings.rank_correlation(x, bad.double())


def test_class_tree_distances_count_edges() -> None:
    data = simulated("small")
    classes = torch.tensor([7, 0, 19, 1])
    result = embeddings.class_tree_distances(data, classes)
    paths = [(data.super_groups[c], data.groups[c], data.class_names[c]) for c in classes.tolist()]
    for i, a in enumerate(paths):
        for j, b in enumerate(paths):
            common = next((n for n in range(3) if a[n] != b[n]), 3)
            assert result[i, j] == 2 * (3 - common)
    assert result[1, 3] < result[1, 0]  # 0 and 1 share a group
    flat = embeddings.class_tree_distances(replace(data, groups=()), classes)
    assert float(flat.max()) == 4
    # the same group name under two super-groups is two groups
    same = replace(data, groups=("g",) * 20)
    assert torch.equal(embeddings.class_tree_distances(same, classes) == 6, flat == 4)
    with pytest.raises(DataError, match="names no super-groups"):
        embeddings.class_tree_distances(replace(data, super_groups=()), classes)


def test_norms_grow_with_depth_by_averaging_alone_and_the_shuffled_trees_say_so() -> None:
    data = simulated("small")
    rng = torch.Generator().manual_seed(0)
    label = torch.arange(len(data.class_names)).repeat_interleave(4)
    place = torch.randn(len(data.class_names), 16, generator=rng, dtype=torch.float64)
    noise = 0.1 * torch.randn(len(label), 16, generator=rng, dtype=torch.float64)
    value, null = embeddings.norm_by_depth(place[label] + noise, label, data, generator=rng)
    assert value > 0.6
    assert abs(value - null) < 0.15
    # classes that lie where their super-group lies: their means are not nearer the origin
    names = sorted(set(data.super_groups))
    home = torch.tensor([names.index(name) for name in data.super_groups])
    value, null = embeddings.norm_by_depth(place[home][label] + noise, label, data, generator=rng)
    assert value < null - 0.3


def test_norm_by_depth_takes_the_midpoint_of_the_space() -> None:
    data = simulated("small")
    rng = torch.Generator().manual_seed(0)
    label = torch.arange(len(data.class_names)).repeat_interleave(3)
    points = geometry.expmap0(torch.randn(len(label), 4, generator=rng, dtype=torch.float64), k=-1.0)

    def at(k: float) -> tuple[float, float]:
        seed = torch.Generator().manual_seed(1)
        return embeddings.norm_by_depth(points, label, data, k=k, draws=2, generator=seed)

    assert at(-1.0) == at(-1.0)
    assert at(-1.0) != at(0.0)


def test_norm_by_depth_refuses_bad_input() -> None:
    data, rng = simulated("small"), torch.Generator()
    points, label = torch.rand(6, 3), torch.arange(6)
    with pytest.raises(DataError, match="6 points but 5 labels"):
        embeddings.norm_by_depth(points, label[:5], data, generator=rng)
    with pytest.raises(DataError, match="super-groups"):
        embeddings.norm_by_depth(points, label, replace(data, super_groups=()), generator=rng)
    with pytest.raises(SettingError, match="draws"):
        embeddings.norm_by_depth(points, label, data, draws=0, generator=rng)
