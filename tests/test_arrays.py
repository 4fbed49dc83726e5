"""Tensors, arrays and lists: every public function that takes tensors takes all three, or says what to give instead."""

from __future__ import annotations

import importlib
import inspect
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from hypav import (
    alignment,
    embeddings,
    eszsl,
    evaluation,
    geometry,
    hyperbolicity,
    stats,
    trees,
    trigonometry,
)
from hypav import utils as U
from hypav.data.features import SPLITS, split_by_class
from hypav.data.simulated import simulated
from hypav.errors import DataError, HypavError, SettingError

R = np.random.default_rng(0)
X, Y = (R.uniform(-0.4, 0.4, (6, 3)) for _ in range(2))
K, T, W = (R.uniform(*ends, (6, 1)) for ends in ((-0.9, -0.1), (0, 1), (0.1, 1)))
D = np.abs(X[:, None] - X).sum(-1)
LABEL, IDS, SEEN, UNSEEN = np.array([0, 0, 1, 1, 2, 2]), np.arange(3), np.arange(2), np.array([2])
PARENTS = np.array([-1, 0, 0, 1, 1])
START = 0.3 * X[:5, :2]


def split(label: Any) -> Tensor:
    parts = split_by_class(label, unseen=1, val_unseen=1, generator=torch.Generator().manual_seed(0))
    return torch.cat([parts[name] for name in SPLITS])


def scores(*arguments: Any) -> Tensor:
    made = evaluation.Scores(*arguments)
    return torch.cat([made.curve([0.0, 0.1]).S, made.confusion(0.1).flatten(), made.label])


def tree_points(parents: Any, k: Any) -> Tensor:
    return trees.embed_tree(parents, k=k, steps=2).points


# what to call, and its arguments as arrays
CALLS: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
    "trigonometry.artan_k": (lambda x, k: trigonometry.artan_k(x, k=k), (X, K)),
    "trigonometry.tan_k": (lambda x, k: trigonometry.tan_k(x, k=k), (X, K)),
    "trigonometry.artan_ratio": (trigonometry.artan_ratio, (X, 1 + X)),
    "trigonometry.tan_ratio": (trigonometry.tan_ratio, (X,)),
    "trigonometry.finite_curvature": (trigonometry.finite_curvature, (K,)),
    "geometry.ball_radius": (geometry.ball_radius, (K,)),
    "geometry.project": (lambda x, k: geometry.project(x, k=k, xi=1e-3), (9 * X, K)),
    "geometry.conformal_factor": (lambda x, k: geometry.conformal_factor(x, k=k), (X, K)),
    "geometry.mobius_add": (lambda x, y, k: geometry.mobius_add(x, y, k=k), (X, Y, K)),
    "geometry.expmap0": (lambda x, k: geometry.expmap0(x, k=k), (X, K)),
    "geometry.logmap0": (lambda x, k: geometry.logmap0(x, k=k), (X, K)),
    "geometry.expmap": (lambda x, y, k: geometry.expmap(x, y, k=k), (X, Y, K)),
    "geometry.logmap": (lambda x, y, k: geometry.logmap(x, y, k=k), (X, Y, K)),
    "geometry.distance": (lambda x, y, k: geometry.distance(x, y, k=k), (X, Y, K)),
    "geometry.distance0": (lambda x, k: geometry.distance0(x, k=k), (X, K)),
    "geometry.pairwise_distance": (lambda x, y, k: geometry.pairwise_distance(x, y, k=k), (X, Y, K[0])),
    "geometry.geodesic": (lambda t, x, y, k: geometry.geodesic(t, x, y, k=k), (T, X, Y, K)),
    "geometry.midpoint": (lambda x, k, w: geometry.midpoint(x, k=k, weights=w), (X, K[0], W[:, 0])),
    "alignment.alignment_loss": (lambda v, a, k: alignment.alignment_loss(v, a, k, "curved"), (X, Y, K)),
    "alignment.similarity_matrix": (lambda x, k: alignment.similarity_matrix(x, "distance", k), (X, K[0])),
    "hyperbolicity.four_point_delta": (hyperbolicity.four_point_delta, (D, np.array([0, 1, 3, 5]))),
    "hyperbolicity.distances": (hyperbolicity.distances, (D,)),
    "hyperbolicity.delta_rel": (lambda x: torch.tensor(hyperbolicity.delta_rel(x).delta_rel), (X,)),
    "hyperbolicity.sampled_delta_rel": (
        lambda x: torch.tensor(
            hyperbolicity.sampled_delta_rel(x, generator=torch.Generator().manual_seed(0), size=5, tries=2).values
        ),
        (X,),
    ),
    "hyperbolicity.covariance_matched_null": (
        lambda x: torch.tensor(
            hyperbolicity.covariance_matched_null(x, generator=torch.Generator().manual_seed(0), tries=2).values
        ),
        (X,),
    ),
    "trees.tree_distances": (trees.tree_distances, (PARENTS,)),
    "trees.radial_layout": (trees.radial_layout, (PARENTS,)),
    "trees.equal_angles_layout": (lambda parents: trees.equal_angles_layout(parents, k=-1.0), (PARENTS,)),
    "trees.distortion": (trees.distortion, (D, D + 1)),
    "trees.embed": (lambda d, s: trees.embed(d, s, k=-1.0, steps=2).points, (D[:5, :5], START)),
    "trees.embed_tree": (tree_points, (PARENTS, np.array([-1.0, -0.5]))),
    "embeddings.tsne": (lambda x: embeddings.tsne(x, perplexity=2, steps=250), (X,)),
    "embeddings.principal_plane": (embeddings.principal_plane, (X,)),
    "embeddings.pick": (lambda label, classes: embeddings.pick(label, classes, 1), (LABEL, IDS)),
    "embeddings.separation": (embeddings.separation, (X, LABEL)),
    "embeddings.rank_correlation": (lambda x, y: torch.tensor(embeddings.rank_correlation(x, y)), (T[:, 0], W[:, 0])),
    "embeddings.norm_by_depth": (
        lambda x, label: torch.tensor(
            embeddings.norm_by_depth(x, label, simulated("small"), draws=2, generator=torch.Generator().manual_seed(0))
        ),
        (X, LABEL),
    ),
    "embeddings.class_tree_distances": (
        lambda classes: embeddings.class_tree_distances(simulated("small"), classes), (IDS,)
    ),
    "evaluation.class_distances": (evaluation.class_distances, (X, Y)),
    "evaluation.harmonic_mean": (evaluation.harmonic_mean, (T, W)),
    "evaluation.Scores": (scores, (D[:, :3], LABEL, IDS, SEEN, UNSEEN)),
    "eszsl.fit_eszsl": (lambda x, y, w: eszsl.fit_eszsl(x, y, w, gamma=1, lam=1), (X, LABEL, Y[:3])),
    "eszsl.compatibility": (eszsl.compatibility, (X, np.eye(3), Y)),
    "stats.t_interval": (lambda x: torch.tensor(stats.t_interval(x).half), (T[:, 0],)),
    "stats.paired_p": (lambda x: torch.tensor(stats.paired_p(x)), (T[:, 0],)),
    "stats.holm_adjusted": (lambda p: torch.tensor(stats.holm_adjusted(p)), (T[:, 0],)),
    "stats.detectable_difference": (lambda x: torch.tensor(stats.detectable_difference(x)), (T[:, 0],)),
    "stats.spreads": (lambda x: torch.tensor(stats.spreads(x).ratio), (X,)),
    "stats.setting_effect": (lambda x: torch.tensor(stats.setting_effect(x, draws=50)), (X,)),
    "stats.detectable_range": (lambda x: torch.tensor(stats.detectable_range(x)), (X,)),
    "data.features.split_by_class": (split, (np.arange(60) % 6,)),
}  # fmt: skip
# they take no tensors from a user: settings, names, runs, or what a training step holds already
OTHERS = {
    "trigonometry.rim_margin", "hyperbolicity.search", "hyperbolicity.gaussian_null",
    "trees.class_tree", "stats.t_quantile", "alignment.is_number", "alignment.preset", "alignment.head_losses",
    "eszsl.eszsl_reference", "eszsl.eszsl_scores", "eszsl.choose_ridge", "eszsl.linear_features",
}  # fmt: skip


def test_every_public_function_is_tried() -> None:
    for name in (
        "trigonometry",
        "geometry",
        "alignment",
        "hyperbolicity",
        "trees",
        "embeddings",
        "evaluation",
        "eszsl",
        "stats",
    ):
        module = importlib.import_module(f"hypav.{name}")
        for what, value in inspect.getmembers(module, inspect.isfunction):
            if value.__module__ == module.__name__ and not what.startswith("_"):
                assert f"{name}.{what}" in CALLS.keys() | OTHERS, f"add {name}.{what}"


def awkward(array: np.ndarray) -> np.ndarray:
    """The same numbers, read-only, in the other byte order and with negative strides."""
    turned = np.flip(np.flip(array).astype(array.dtype.newbyteorder()).copy())
    turned.flags.writeable = False
    return turned


@pytest.mark.parametrize("name", CALLS)
def test_arrays_and_lists_give_what_tensors_give(name: str) -> None:
    function, arrays = CALLS[name]
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)  # torch warns of read-only arrays
        expected = function(*map(torch.tensor, arrays))
        for given in (arrays, map(awkward, arrays)):
            value = function(*given)
            assert value.dtype == expected.dtype
            torch.testing.assert_close(value, expected, rtol=1e-12, atol=1e-12)
        if name != "embeddings.tsne":  # its picture depends on the last digits
            value = function(*(array.tolist() for array in arrays))
            torch.testing.assert_close(value.double(), expected.double(), rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("name", CALLS)
def test_what_is_no_table_of_numbers_is_refused_in_one_sentence(name: str) -> None:
    function, arrays = CALLS[name]
    for wrong in ([[0.1, 0.2], [0.3]], [["a", "b"]], [[None, 0.1]], np.array([[object()]])):
        with pytest.raises(HypavError) as caught:
            function(wrong, *arrays[1:])
        assert "\n" not in str(caught.value)


def test_dtype_of_arrays_and_lists() -> None:
    for dtype in (np.float32, np.float64):
        assert geometry.distance(X.astype(dtype), Y.astype(dtype), k=-0.5).numpy().dtype == dtype
        assert alignment.alignment_loss(X.astype(dtype), Y.astype(dtype)).numpy().dtype == dtype
    assert geometry.distance(X.tolist(), Y.tolist(), k=-0.5).dtype == torch.float32
    assert geometry.distance(X.tolist(), Y, k=-0.5).dtype == torch.float64
    # a curvature and t are not rounded to float32 on their way
    assert torch.equal(geometry.geodesic([[0.1]], X, Y, k=[[-0.3]]), geometry.geodesic(0.1, X, Y, k=-0.3))


def test_lists_of_tensors_with_gradients_are_not_cut_off() -> None:
    x = torch.tensor(X, requires_grad=True)
    with pytest.raises(DataError, match=r"use torch\.stack"):
        geometry.logmap0([x[0], x[1]], k=-1.0)  # type: ignore[arg-type]


@pytest.mark.parametrize("n", [3, 6])  # 3 is also the number of coordinates
def test_a_value_per_point_is_a_column(n: int) -> None:
    x, y, per_point = torch.tensor(X[:n]), torch.tensor(Y[:n]), torch.rand(n, dtype=torch.float64)
    for refused in (
        lambda: geometry.geodesic(per_point, x, y, k=-1.0),
        lambda: geometry.geodesic(per_point, x[0], y[0], k=-1.0),
        lambda: geometry.geodesic(per_point.tolist(), x, y, k=-1.0),
        lambda: geometry.geodesic(torch.rand(n + 1, 1), x, y, k=-1.0),
        lambda: geometry.geodesic(per_point[:, None], x[0], y[0], k=-torch.rand(n + 1, 1)),
        lambda: geometry.distance(x, y, k=-per_point),
    ):
        with pytest.raises(SettingError, match=r"such as \(N, 1\) for N points"):
            refused()
    right = geometry.geodesic(per_point[:, None], x, y, k=-1.0)
    one_by_one = [geometry.geodesic(float(t), a, b, k=-1.0) for t, a, b in zip(per_point, x, y, strict=True)]
    torch.testing.assert_close(right, torch.stack(one_by_one))
    with pytest.raises(SettingError, match="t holds NaN"):
        geometry.geodesic(float("nan"), x, y, k=-1.0)
    with pytest.raises(SettingError, match="weights must be"):
        geometry.midpoint(x, k=-1.0, weights=per_point[:, None])
    with pytest.raises(SettingError, match="xi is"):
        geometry.project(x, k=-1.0, xi=per_point)  # type: ignore[arg-type]


@pytest.mark.parametrize("function", ["mobius_add", "expmap", "logmap", "distance"])
def test_a_point_is_not_spread_over_coordinates(function: str) -> None:
    x = torch.tensor(X)
    for other in (x[:, :1], torch.tensor(0.1)):
        with pytest.raises(SettingError, match="same number D of coordinates"):
            getattr(geometry, function)(x, other, k=-1.0)


def test_arrays_follow_the_device_of_the_tensors() -> None:
    meta = torch.device("meta")
    assert U.device_of(X, torch.empty(0, device=meta), torch.empty(0)) == meta
    assert U.as_tensor("x", X, device=meta).device == meta
    assert geometry.logmap(X, torch.empty(6, 3, device=meta), k=K, sync=False).device == meta
