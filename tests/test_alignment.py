"""The alignment module. As printed and as released its loss does not depend on the curvature; under `curved` it does."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Generator, Tensor

from hypav import geometry
from hypav.alignment import (
    PRESETS,
    Adaptive,
    AdaptiveCurvature,
    Alignment,
    AlignmentConfig,
    FixedCurvature,
    _GramDifference,
    alignment_loss,
    preset,
    similarity_matrix,
)
from hypav.avca import Embeddings
from hypav.errors import DataError, SettingError

# three geometries, ten curvatures
CURVATURES = (-5.0, -1.0, -0.5, -0.2, -0.01, -1e-3, 0.0, 0.01, 0.2, 2.0)
# products of 300 terms, summed in an order that each processor chooses; differences of similarities lose a digit
LOSS_ROUNDING = {torch.float64: 2e-14, torch.float32: 5e-6}
GRADIENT_ROUNDING = {torch.float64: 1e-14, torch.float32: 1e-5}
TANGENT = ("cosine", "inner", "norms")
NORMALISATIONS = ("frobenius", "row", "none")


def generator(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


def phis(
    seed: int, *, n: int = 64, dim: int = 300, length: float = 12.0, dtype=torch.float64
) -> list[Tensor]:
    """phi_v and phi_a (n, dim) as the encoders give them: half of the entries 0, none negative, |phi| about 12."""
    g = generator(seed)
    pair = []
    for _ in range(2):
        x = (
            torch.randn(n, dim, generator=g, dtype=torch.float64).relu() + 1e-9
        )  # no zero row where dim is small
        length_of_row = length * (0.8 + 0.4 * torch.rand(n, 1, generator=g, dtype=torch.float64))
        pair.append((x / x.norm(dim=1, keepdim=True) * length_of_row).to(dtype))
    return pair


def embeddings(seed: int, *, n: int = 12, dim: int = 20, dtype=torch.float64) -> Embeddings:
    """All 21 tables, unrelated to each other; theta is narrower than phi."""
    g = generator(seed)
    width = {"phi": dim, "theta": dim // 2, "rho": dim}
    tables = {
        name: 12 * dim**-0.5 * torch.randn(n, width[name.split("_")[0]], generator=g, dtype=torch.float64)
        for name in Embeddings._fields
    }
    return Embeddings(**{name: table.relu().to(dtype) for name, table in tables.items()})


def about(expected: float, rel: float) -> Any:
    """pytest.approx without its absolute 1e-12, in which a loss of 1e-5 would lose half its digits."""
    return pytest.approx(expected, rel=rel, abs=0)


def one_k(k: float, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.full((1, 1), k, dtype=dtype)


def loss_of(config: AlignmentConfig, phi_v: Tensor, phi_a: Tensor, k: float) -> float:
    return alignment_loss(phi_v, phi_a, one_k(k, phi_v.dtype), config).item()


def loss_and_gradients(
    config: AlignmentConfig, pair: list[Tensor], k: Tensor
) -> tuple[float, tuple[Tensor, Tensor], Tensor]:
    v, a, k = (x.detach().clone().requires_grad_() for x in (*pair, k))
    loss = alignment_loss(v, a, k, config)
    of_v, of_a, of_k = torch.autograd.grad(loss, (v, a, k), allow_unused=True, materialize_grads=True)
    return loss.item(), (of_v, of_a), of_k


def printed_by_formula(phi_v: Tensor, phi_a: Tensor, *, frobenius: bool) -> float:
    """Eq. 4 on the directions of phi alone: no ball, no map, no curvature."""
    angles = [(x / x.norm(dim=1, keepdim=True)) @ (x / x.norm(dim=1, keepdim=True)).T for x in (phi_v, phi_a)]
    m_v, m_a = (m / m.norm() if frobenius else m for m in angles)
    return ((m_v - m_a) ** 2).sum().item() / len(phi_v) ** 2


# the central result: printed and released do not depend on the curvature


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("radius", ["ball", "printed"])
@pytest.mark.parametrize("name", ["printed", "released"])
def test_the_loss_is_the_same_for_every_curvature_and_so_is_its_gradient(
    name: str, radius: str, dtype: torch.dtype
) -> None:
    config = preset(name, clip_radius=radius)
    pair = phis(1, dtype=dtype)
    flat, flat_gradient, _ = loss_and_gradients(config, pair, one_k(0.0, dtype))
    by_hand = printed_by_formula(*(x.double() for x in pair), frobenius=name == "printed")
    assert flat == about(by_hand, rel=LOSS_ROUNDING[dtype])
    per_sample = -0.4 * torch.rand(64, 1, generator=generator(2), dtype=torch.float64).to(dtype)
    mixed = torch.linspace(-2, 2, 64, dtype=dtype).unsqueeze(1)  # another geometry for every sample
    for k in (*(one_k(k, dtype) for k in CURVATURES), per_sample, mixed):
        loss, gradient, of_k = loss_and_gradients(config, pair, k)
        assert loss == about(flat, rel=LOSS_ROUNDING[dtype])
        for value, expected in zip(gradient, flat_gradient, strict=True):
            assert (value - expected).norm() <= GRADIENT_ROUNDING[dtype] * expected.norm()
        # k dL/dk has the units of L; artanh near the rim makes hundreds of roundings of one
        assert (k * of_k).abs().max() <= 1e3 * torch.finfo(dtype).eps * flat


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 10**6),
    k=st.floats(-20, 20),
    n=st.integers(2, 20),
    dim=st.integers(2, 30),
    length=st.floats(0.01, 100),
    radius=st.sampled_from(["ball", "printed"]),
    normalise=st.sampled_from(NORMALISATIONS),
)
def test_no_curvature_size_or_radius_changes_the_cosine_at_the_origin(
    seed: int, k: float, n: int, dim: int, length: float, radius: str, normalise: str
) -> None:
    g = generator(seed)
    pair = [length * torch.randn(n, dim, generator=g, dtype=torch.float64) for _ in range(2)]
    config = AlignmentConfig(normalise=normalise, clip_radius=radius)  # type: ignore[arg-type]
    assert loss_of(config, *pair, k) == pytest.approx(loss_of(config, *pair, 0.0), rel=1e-11, abs=1e-17)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 10**6),
    k=st.floats(-5, 5).filter(lambda k: abs(k) > 0.1),
    n=st.integers(3, 20),
    dim=st.integers(2, 30),
)
def test_under_curved_the_curvature_changes_the_loss(seed: int, k: float, n: int, dim: int) -> None:
    g = generator(seed)
    # after the scale of .1 rows have length .3 to .6: inside the ball, and nearer than the sphere's pole
    rows = [torch.randn(n, dim, generator=g, dtype=torch.float64) for _ in range(2)]
    pair = [
        x / x.norm(dim=1, keepdim=True) * torch.linspace(3, 6, n, dtype=torch.float64)[:, None] for x in rows
    ]
    flat = loss_of(preset("curved"), *pair, 0.0)
    assert abs(loss_of(preset("curved"), *pair, k) / flat - 1) > 1e-4


@pytest.mark.parametrize("name", ["printed", "released"])
@pytest.mark.parametrize("N_c", [1, 3])
def test_adaptive_curvatures_give_the_flat_loss_and_learn_nothing(name: str, N_c: int) -> None:
    """The weights of Eq. 6's layer get the gradient zero, but for rounding; under `curved` they do not."""
    e = embeddings(3, n=32, dim=60)
    flat = Alignment(preset(name, curvatures=0.0), 60, generator())(e).total
    adaptive = Alignment(preset(name, curvatures=Adaptive(N_c)), 60, generator()).double()
    loss = adaptive(e)
    assert loss.heads.shape == (N_c,)
    assert loss.curvatures.shape == (32, N_c)
    assert loss.curvatures.std(dim=0).min() > 1e-3  # each sample has another curvature
    assert loss.total.item() == about(flat.item(), rel=LOSS_ROUNDING[torch.float64])
    gradient = torch.autograd.grad(loss.total, list(adaptive.parameters()))
    assert max(g.abs().max() for g in gradient) < 1e-18
    curved = Alignment(preset("curved", curvatures=Adaptive(N_c)), 60, generator()).double()
    gradient = torch.autograd.grad(curved(e).total, list(curved.parameters()))
    assert min(g.abs().max() for g in gradient) > 1e-5


def test_the_code_as_first_published_compares_equal_lengths() -> None:
    """All rows are clipped to one length: the products of norms agree and the loss is the square of a rounding."""
    pair = phis(4)
    released = preset("released-2023")
    for k in (-5.0, -1.0, -0.5, -0.4, -0.2, -0.1):
        assert (1 - released.xi) / math.sqrt(-k) < min(x.norm(dim=1).min() for x in pair)  # all are clipped
        loss, gradient, of_k = loss_and_gradients(released, pair, one_k(k))
        assert 0 <= loss < 1e-22
        assert max(g.abs().max() for g in gradient) < 1e-12
        assert of_k.abs().max() < 1e-20
    # with rows inside the ball it is anything but small
    assert loss_of(released, *pair, -0.01) > 1
    assert loss_of(released, *pair, 0.0) > 1


# what does depend on it


def slope(f: Callable[[float], float], h: float) -> float:
    """f'(0) to fourth order."""
    return (8 * (f(h) - f(-h)) - (f(2 * h) - f(-2 * h))) / (12 * h)


KEEP_CURVATURE = {
    "distance": preset("curved"),
    "kernel": preset("curved", similarity="kernel"),
    "distance, frobenius": preset("curved", normalise="frobenius"),
    "distance, row": preset("curved", normalise="row"),
    "midpoint cosine": AlignmentConfig(base="midpoint", to_ball="expmap0", scale=0.1),
    "midpoint inner": AlignmentConfig(similarity="inner", base="midpoint", to_ball="expmap0", scale=0.1),
    "project inner": AlignmentConfig(similarity="inner", normalise="none", scale=0.1),
    "project inner, clipped": AlignmentConfig(similarity="inner", normalise="none"),
}


@pytest.mark.parametrize("name", KEEP_CURVATURE)
def test_the_slope_in_a_fixed_k_is_the_difference_quotient(name: str) -> None:
    pair = phis(6, n=10, dim=30)
    config = KEEP_CURVATURE[name]
    for k in (-1.0, 0.0, 0.3):
        _, _, of_k = loss_and_gradients(config, pair, one_k(k))
        # rows of length 12 bend the loss 100 times as fast in k as rows of 1.2
        expected = slope(lambda h, k=k: loss_of(config, *pair, k + h), 1e-5 if config.scale == 1 else 1e-4)
        assert of_k.item() == about(expected, rel=1e-6)
        assert abs(of_k.item()) > 1e-6


@pytest.mark.parametrize("name", KEEP_CURVATURE)
def test_the_slope_in_the_curvature_layers_weights_is_the_difference_quotient(name: str) -> None:
    e = embeddings(7)
    module = Alignment(replace(KEEP_CURVATURE[name], curvatures=Adaptive(2, -0.4)), 20, generator()).double()
    weights = list(module.parameters())
    direction = [torch.randn(w.shape, generator=generator(8), dtype=w.dtype) for w in weights]
    gradient = torch.autograd.grad(module(e).total, weights)
    along = sum((g * d).sum().item() for g, d in zip(gradient, direction, strict=True))
    start = [w.detach().clone() for w in weights]

    def moved(h: float) -> float:
        with torch.no_grad():
            for w, s, d in zip(weights, start, direction, strict=True):
                w.copy_(s + h * d)
            return module(e).total.item()

    assert along == about(slope(moved, 1e-4), rel=1e-6)
    assert abs(along) > 1e-6


@pytest.mark.parametrize(("similarity", "normalise"), list(zip(TANGENT, NORMALISATIONS, strict=True)))
def test_expmap0_and_the_log_at_the_origin_undo_each_other(similarity: str, normalise: str) -> None:
    """log0(exp0(x)) = x: with it no similarity of the tangent space knows the curvature, inner products included."""
    pair = phis(9, length=0.8)  # √|k||x| below pi/2, the sphere's other pole, and nowhere near the rim
    config = AlignmentConfig(similarity=similarity, normalise=normalise, to_ball="expmap0")  # type: ignore[arg-type]
    flat = loss_of(config, *pair, 0.0)
    assert flat > 1e-12
    for k in (-2.0, -0.5, -0.01, -1e-9, 1e-9, 0.2, 2.0):
        assert loss_of(config, *pair, k) == about(flat, rel=1e-11)
        _, _, of_k = loss_and_gradients(config, pair, one_k(k))
        assert of_k.abs().item() < 1e-13
    rows = geometry.logmap0(geometry.expmap0(pair[0], k=-2.0), k=-2.0)
    torch.testing.assert_close(rows, pair[0], rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("normalise", NORMALISATIONS)
def test_with_every_row_clipped_only_the_size_of_the_inner_product_is_left(normalise: str) -> None:
    """All rows have length artanh(1 - xi)/√|k|. A normalised matrix loses it; a plain one shrinks as 1/k²."""
    pair = phis(11)
    config = AlignmentConfig(similarity="inner", normalise=normalise)  # type: ignore[arg-type]
    angle = loss_of(replace(config, similarity="cosine"), *pair, 0.0)
    for k in (-5.0, -1.0, -0.2):
        expected = angle * (math.atanh(1 - config.xi) ** 4 / k**2 if normalise == "none" else 1)
        assert loss_of(config, *pair, k) == about(expected, rel=1e-11)


def test_the_midpoint_of_flat_space_is_the_mean() -> None:
    v, a = phis(13)
    mean = torch.cat((v, a)).mean(dim=0)
    config = AlignmentConfig(base="midpoint")
    assert loss_of(config, v, a, 0.0) == about(
        printed_by_formula(v - mean, a - mean, frobenius=True), rel=1e-12
    )


def test_flat_distances_are_twice_the_euclidean_ones() -> None:
    v, a = phis(14)
    m_v, m_a = (-2 * torch.cdist(x, x, compute_mode="donot_use_mm_for_euclid_dist") for x in (v, a))
    config = AlignmentConfig(similarity="distance", normalise="none")
    assert loss_of(config, v, a, 0.0) == about((m_v - m_a).square().mean().item(), rel=1e-12)
    kernel = replace(config, similarity="kernel", scale=0.1)
    expected = ((0.1 * m_v).exp() - (0.1 * m_a).exp()).square().mean().item()
    assert loss_of(kernel, v, a, 0.0) == about(expected, rel=1e-12)


def test_points_inside_the_space_share_the_mean_of_their_curvatures() -> None:
    pair = phis(15, n=8, dim=10, length=0.5)
    k = -torch.rand(8, 1, generator=generator(), dtype=torch.float64)
    for config in (preset("curved"), AlignmentConfig(base="midpoint")):
        mean = loss_of(config, *pair, k.mean().item())
        assert alignment_loss(*pair, k, config).item() == about(mean, rel=1e-13)
    inner = AlignmentConfig(similarity="inner", normalise="none")
    per_sample = alignment_loss(*pair, k, inner).item()
    assert (
        abs(per_sample / loss_of(inner, *pair, k.mean().item()) - 1) > 1e-4
    )  # there each sample keeps its own


@pytest.mark.parametrize("k", [-4.0, -1.0, -0.2])
def test_the_printed_radius_is_used_where_it_lies_in_the_ball(k: float) -> None:
    """Clipped rows have length (1 - xi)/|k|; where that is outside the ball (|k| < 1) they are clipped to the ball."""
    pair = phis(16)
    config = AlignmentConfig(similarity="inner", normalise="none", clip_radius="printed")
    angle = loss_of(preset("released"), *pair, 0.0)
    length = math.atanh((1 - config.xi) * min(1, 1 / math.sqrt(-k))) / math.sqrt(-k)
    assert loss_of(config, *pair, k) == about(angle * length**4, rel=1e-11)


# Eq. 4


def test_equation_4_is_bounded_by_2_over_n_squared() -> None:
    """Both matrices have length 1, and two positive semi-definite ones never point apart."""
    config = preset("printed")
    for n in (2, 5, 20, 256):
        same, apart = torch.ones(n, n, dtype=torch.float64), torch.eye(n, dtype=torch.float64)
        worst = loss_of(config, same, apart, -0.2)
        assert worst == about(2 * (1 - n**-0.5) / n**2, rel=1e-12)
        for seed in range(5):
            assert loss_of(config, *phis(seed, n=n, dim=3), -0.2) <= 2 / n**2


def test_equation_4_is_zero_for_equal_angles() -> None:
    v, _ = phis(17)
    turn = torch.linalg.qr(torch.randn(300, 300, generator=generator(), dtype=torch.float64)).Q
    longer = v * torch.linspace(0.5, 3, 64, dtype=torch.float64).unsqueeze(1)
    for config in (preset("printed"), preset("released")):
        assert loss_of(config, v, longer @ turn, -0.2) < 1e-28


def test_row_normalisation_gives_every_row_length_1() -> None:
    v, a = phis(18, n=5, dim=7)
    m_v, m_a = (similarity_matrix(x, "inner") for x in (v, a))
    expected = sum(
        ((m_v[i] / m_v[i].norm() - m_a[i] / m_a[i].norm()) ** 2).sum().item() for i in range(5)
    )  # fmt: skip
    config = AlignmentConfig(similarity="inner", normalise="row")
    assert loss_of(config, v, a, 0.0) == about(expected / 25, rel=1e-12)


def test_similarity_matrices_entry_by_entry() -> None:
    x = torch.tensor([[3.0, 4.0], [0.0, 2.0], [0.0, 0.0]], dtype=torch.float64)
    expected = {
        "cosine": [[1, 0.8, 0], [0.8, 1, 0], [0, 0, 0]],
        "inner": [[25, 8, 0], [8, 4, 0], [0, 0, 0]],
        "norms": [[25, 10, 0], [10, 4, 0], [0, 0, 0]],
        "distance": [[0, -2 * 13**0.5, -10], [-2 * 13**0.5, 0, -4], [-10, -4, 0]],
    }
    expected["kernel"] = [[math.exp(d) for d in row] for row in expected["distance"]]
    for kind, rows in expected.items():
        matrix = similarity_matrix(x, kind)  # type: ignore[arg-type]
        torch.testing.assert_close(matrix, torch.tensor(rows, dtype=torch.float64), rtol=1e-12, atol=1e-14)


# degenerate batches


def degenerate(dtype: torch.dtype) -> dict[str, tuple[Tensor, Tensor]]:
    v, a = phis(19, n=4, dim=5, dtype=dtype)
    hole, zero, row = v.clone(), torch.zeros_like(v), v[:1].expand(4, 5).clone()
    hole[1] = 0
    return {
        "zero row": (hole, a),
        "all zero": (zero, zero),
        "video all zero": (zero, a),
        "all coincide": (row, row),
        "video coincides": (row, a),
        "short": (v * 1e-30, a * 1e-30),
        "one sample": (v[:1], a[:1]),
    }


@pytest.mark.parametrize("base", ["origin", "midpoint"])
@pytest.mark.parametrize("similarity", [*TANGENT, "distance", "kernel"])
def test_degenerate_batches_have_finite_losses_and_gradients(similarity: str, base: str) -> None:
    maps = (
        ("project", "ball", torch.float64, -0.2), ("project", "printed", torch.float32, -0.2),
        ("expmap0", "ball", torch.float32, -0.2), ("expmap0", "ball", torch.float64, 0.2),
        ("project", "ball", torch.float64, 0.0), ("one-length", "ball", torch.float32, -0.2),
    )  # fmt: skip
    for normalise, (to_ball, radius, dtype, k) in itertools.product(NORMALISATIONS, maps):
        config = AlignmentConfig(similarity, normalise, base, to_ball, radius)  # type: ignore[arg-type]
        for name, pair in degenerate(dtype).items():
            loss, gradient, of_k = loss_and_gradients(config, list(pair), one_k(k, dtype))
            case = f"{name}, {to_ball}, {radius}, {dtype}, k = {k}"
            assert math.isfinite(loss), case
            assert loss >= 0, case
            assert all(g.isfinite().all() for g in (*gradient, of_k)), case


@pytest.mark.parametrize("k", [-0.7, 0.0, 0.3])
def test_rows_at_one_length_leave_only_directions(k: float) -> None:
    free = AlignmentConfig(similarity="distance", normalise="none", to_ball="expmap0", scale=0.8)
    one = replace(free, to_ball="one-length")
    v, a = phis(40, n=6, dim=3, length=2.0)
    lengths = 0.1 + torch.rand(6, 1, generator=generator(41), dtype=torch.float64)
    loss = alignment_loss(v, a, k, one)
    torch.testing.assert_close(alignment_loss(lengths * v, a, k, one), loss)
    torch.testing.assert_close(
        alignment_loss(*(x / x.norm(dim=1, keepdim=True) for x in (v, a)), k, free), loss
    )
    assert not torch.isclose(loss, alignment_loss(v, a, k, free))
    assert not torch.isclose(loss, alignment_loss(v, a, k + 0.1, one))  # curvature still has an effect


def test_a_zero_row_has_cosine_zero_with_all_others() -> None:
    v, a = phis(20, n=3, dim=4)
    v[1] = 0
    m_v, m_a = similarity_matrix(v, "cosine"), similarity_matrix(a, "cosine")
    assert m_v[1].tolist() == m_v[:, 1].tolist() == [0, 0, 0]
    assert loss_of(preset("released"), v, a, -0.2) == about((m_v - m_a).square().mean().item(), rel=1e-13)


# heads, pairs, weight, aligned embeddings

TABLE_4 = {"E+S": (0.0, 0.2), "E+H": (0.0, -0.2), "S+S": (0.2, 0.4), "S+H": (0.2, -0.2), "H+H": (-0.2, -0.4)}


@pytest.mark.parametrize("mixture", ["E+H", "S+H"])
@pytest.mark.parametrize("name", PRESETS)
def test_a_mixture_is_the_mean_of_its_heads(name: str, mixture: str) -> None:
    e = embeddings(21)
    both = Alignment(preset(name, curvatures=TABLE_4[mixture]), 20, generator())(e)
    single = [Alignment(preset(name, curvatures=k), 20, generator())(e) for k in TABLE_4[mixture]]
    assert both.total.isfinite()
    # two heads in one product are summed in another order; of rows of one length released-2023 has only rounding
    rounding = {"rtol": 1e-13, "atol": 1e-22}
    torch.testing.assert_close(both.heads, torch.cat([loss.heads for loss in single]), **rounding)
    torch.testing.assert_close(both.total, sum(loss.total for loss in single) / 2, **rounding)
    assert both.curvatures.tolist() == [list(TABLE_4[mixture])]
    if name == "curved":
        assert both.heads[0] != both.heads[1]


@pytest.mark.parametrize("curvatures", [(0.0, -0.5), Adaptive(3, -2.0)])
def test_both_pairs_are_the_sum_of_the_positive_and_the_negative_batch(curvatures: Any) -> None:
    e = embeddings(22)
    names = [name for name in Embeddings._fields if f"{name}_neg" in Embeddings._fields]
    swapped = e._replace(**{name: getattr(e, f"{name}_neg") for name in names})
    module = Alignment(preset("curved", curvatures=curvatures), 20, generator()).double()
    positive, negative = module(e), module(swapped)
    module.config = replace(module.config, pairs="both")
    both = module(e)
    torch.testing.assert_close(both.heads, positive.heads + negative.heads, rtol=1e-14, atol=0)
    assert torch.equal(both.curvatures, positive.curvatures)
    assert positive.heads[0] != negative.heads[0]


def test_the_weight_multiplies_the_total_alone() -> None:
    e = embeddings(23)
    plain = Alignment(preset("curved"), 20, generator())(e)
    weighted = Alignment(preset("curved", weight=2.5), 20, generator())(e)
    assert plain.total.item() == plain.heads.item() > 0
    assert weighted.heads.item() == about(plain.heads.item(), rel=1e-15)
    assert weighted.total.item() == about(2.5 * plain.total.item(), rel=1e-15)


@pytest.mark.parametrize("aligned", ["phi", "phi_att", "theta"])
@pytest.mark.parametrize("pairs", ["positive", "both"])
def test_the_named_embeddings_are_aligned_and_no_others(aligned: str, pairs: str) -> None:
    e = embeddings(24)
    names = {
        "phi": ("phi_v", "phi_a"),
        "phi_att": ("phi_v_att", "phi_a_att"),
        "theta": ("theta_v", "theta_a"),
    }
    used = list(names[aligned]) + [f"{name}_neg" for name in names[aligned]] * (pairs == "both")
    config = preset("curved", aligned=aligned, pairs=pairs)
    leaves = Embeddings(*(table.clone().requires_grad_() for table in e))
    loss = Alignment(config, 20, generator())(leaves).total
    expected = sum(
        loss_of(config, getattr(e, v), getattr(e, a), -0.2)
        for v, a in zip(used[::2], used[1::2], strict=True)
    )
    assert loss.item() == about(expected, rel=1e-14)
    loss.backward()
    assert {name for name, leaf in leaves._asdict().items() if leaf.grad is not None} == set(used)


def test_the_curvature_layer_reads_phi_whatever_is_aligned() -> None:
    e = embeddings(25)
    for aligned in ("phi", "phi_att", "theta"):
        module = Alignment(
            preset("curved", aligned=aligned, curvatures=Adaptive(2)), 20, generator(1)
        ).double()
        assert isinstance(module.curvature, AdaptiveCurvature)
        assert torch.equal(module(e).curvatures, module.curvature(e.phi_v, e.phi_a))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_loss_keeps_the_dtype(dtype: torch.dtype) -> None:
    for config in (*PRESETS.values(), preset("released", curvatures=Adaptive(2))):
        loss = Alignment(config, 20, generator()).to(dtype)(embeddings(27, dtype=dtype))
        assert {t.dtype for t in loss} == {dtype}


# alignment_loss as a user calls it


def test_k_may_be_a_number_or_a_tensor_and_the_preset_a_name_or_a_configuration() -> None:
    v, a = phis(28, n=6, dim=4)
    expected = alignment_loss(v, a, one_k(-0.2), preset("curved"))
    torch.testing.assert_close(alignment_loss(v, a, k=-0.2, preset="curved"), expected)
    torch.testing.assert_close(alignment_loss(v, a), alignment_loss(v, a, one_k(-0.2), preset("printed")))
    heads = torch.tensor([[-0.2, -1.0]], dtype=torch.float64)
    mean = (expected + alignment_loss(v, a, -1.0, "curved")) / 2
    torch.testing.assert_close(alignment_loss(v, a, heads, "curved"), mean)
    assert alignment_loss(v.float(), a.float(), -1, "curved").dtype == torch.float32


def test_arguments_that_make_no_sense_are_refused() -> None:
    v, a = phis(29, n=6, dim=4)
    for k in (math.nan, "-0.2", torch.tensor(-0.2), torch.zeros(5, 1)):
        with pytest.raises(SettingError, match=r"^k is .*\(1, H\)"):
            alignment_loss(v, a, k)  # type: ignore[arg-type]
    with pytest.raises(DataError, match="phi_v is"):
        alignment_loss(v, a[:3])
    with pytest.raises(SettingError, match="'hyper'; choose printed, released, released-2023, curved"):
        alignment_loss(v, a, preset="hyper")


# second derivatives


@pytest.mark.parametrize("k", [-0.7, 0.0, 0.3])
@pytest.mark.parametrize("base", ["origin", "midpoint"])
@pytest.mark.parametrize("similarity", [*TANGENT, "distance", "kernel"])
def test_hessian_vector_products_are_difference_quotients_of_the_gradient(
    similarity: str, base: str, k: float
) -> None:
    v, a = phis(40, n=4, dim=3, length=0.8)
    steps = [
        torch.randn(x.shape, generator=generator(41 + i)).double() for i, x in enumerate((v, a, one_k(k)))
    ]
    for normalise, to_ball in itertools.product(NORMALISATIONS, ("project", "expmap0")):
        config = AlignmentConfig(similarity, normalise, base, to_ball)  # type: ignore[arg-type]
        at = [x.requires_grad_() for x in (v.clone(), a.clone(), one_k(k))]
        slopes = torch.autograd.grad(
            alignment_loss(*at, config), at, create_graph=True, materialize_grads=True
        )
        along = sum((slope * step).sum() for slope, step in zip(slopes, steps, strict=True))
        products = torch.autograd.grad(along, at, materialize_grads=True)

        def gradient(t: float, at=at, config=config) -> list[Tensor]:
            moved = [x.detach() + t * step for x, step in zip(at, steps, strict=True)]
            _, slopes, of_k = loss_and_gradients(config, moved[:2], moved[2])
            return [*slopes, of_k]

        h = 1e-5
        for product, ahead, behind in zip(products, gradient(h), gradient(-h), strict=True):
            quotient = (ahead - behind) / (2 * h)
            size = max(1e-3, float(quotient.abs().max()))
            torch.testing.assert_close(product, quotient, rtol=0, atol=1e-5 * size)


@pytest.mark.parametrize("name", PRESETS)
def test_gradgradcheck_of_the_presets(name: str) -> None:
    v, a, k = (x.requires_grad_() for x in (*phis(42, n=3, dim=2, length=1.0), one_k(-0.3)))
    assert torch.autograd.gradgradcheck(lambda v, a, k: alignment_loss(v, a, k, name), (v, a, k), atol=1e-5)


def test_gradgradcheck_and_torch_func_of_the_gram_difference() -> None:
    u, v = (torch.randn(2, 2, 4, 3, generator=generator(43), dtype=torch.float64)).requires_grad_()

    def difference(u: Tensor, v: Tensor) -> Tensor:
        return _GramDifference.apply(u, v)[0]

    assert torch.autograd.gradcheck(difference, (u, v))
    assert torch.autograd.gradgradcheck(difference, (u, v))
    plain = (u @ u.mT - v @ v.mT).square().mean((1, 2))
    torch.testing.assert_close(difference(u, v), plain)


@pytest.mark.parametrize("name", PRESETS)
def test_torch_func_takes_the_loss(name: str) -> None:
    v, a = phis(44, n=4, dim=3, length=1.0)

    def loss(v: Tensor, a: Tensor = a, k: float = -0.3) -> Tensor:
        return alignment_loss(v, a, k, name)

    hessian = torch.autograd.functional.hessian(loss, v)
    torch.testing.assert_close(torch.func.jacrev(torch.func.jacrev(loss))(v), hessian)
    both = torch.func.vmap(loss)(torch.stack((v, a)), torch.stack((a, v)))
    torch.testing.assert_close(both, torch.stack((loss(v), loss(a, v))))
    if name != "released-2023":  # made of lengths alone
        with pytest.raises(SettingError, match="no forward-mode"):
            torch.func.hessian(loss)(v)


def test_second_derivatives_at_a_zero_row_are_nan_not_wrong() -> None:
    v, a = phis(45, n=4, dim=3)
    v[0] = 0
    assert torch.autograd.functional.hessian(lambda v: alignment_loss(v, a), v).isnan().any()


# where the curvatures come from


def layer(settings: Adaptive, seed: int = 0, dtype: torch.dtype = torch.float64) -> AdaptiveCurvature:
    return AdaptiveCurvature(settings, 6, generator(seed)).to(dtype)


@pytest.mark.parametrize("N_c", [1, 3])
@pytest.mark.parametrize("c_0", [-0.4, 3.0])
def test_each_sample_and_head_has_a_curvature_between_0_and_c_0(N_c: int, c_0: float) -> None:
    k = layer(Adaptive(N_c, c_0))(*phis(30, n=9, dim=6, length=1.0))
    share = k / c_0
    assert k.shape == (9, N_c)
    assert ((share > 0) & (share < 1)).all()
    assert (k.std(dim=0) > 0).all()


def test_the_curvature_is_equation_6_with_video_before_audio() -> None:
    curvature = layer(Adaptive(2, -0.4))
    phi_v, phi_a = phis(31, n=9, dim=6, length=1.0)
    weight, bias = curvature.layer.weight, curvature.layer.bias
    z = phi_v @ weight[:, :6].T + phi_a @ weight[:, 6:].T + bias
    torch.testing.assert_close(curvature(phi_v, phi_a), -0.4 / (1 + torch.exp(-z)))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_saturated_layer_stays_within_the_closed_range(dtype: torch.dtype) -> None:
    k = layer(Adaptive(3, -0.4), dtype=dtype)(*phis(32, n=9, dim=6, length=1e6, dtype=dtype))
    assert k.dtype == dtype
    assert ((k <= 0) & (k >= torch.tensor(-0.4, dtype=dtype))).all()


def test_the_curvature_layer_depends_on_its_generator_alone() -> None:
    before = torch.default_generator.get_state()
    first, same, other = layer(Adaptive(3), 5), layer(Adaptive(3), 5), layer(Adaptive(3), 6)
    assert torch.equal(torch.default_generator.get_state(), before)
    assert torch.equal(first.layer.weight, same.layer.weight)
    assert not torch.equal(first.layer.weight, other.layer.weight)


def test_fixed_curvatures_are_a_row_without_weights() -> None:
    fixed = FixedCurvature((-0.1, 0, 3))
    k = fixed(*phis(33, n=9, dim=6, dtype=torch.float32))
    assert k.dtype == torch.float32
    torch.testing.assert_close(k, torch.tensor([[-0.1, 0.0, 3.0]]))
    assert list(fixed.parameters()) == list(fixed.state_dict()) == []


# configuration


@pytest.mark.parametrize("curvatures", [-0.2, 3, [0.2, -0.2], Adaptive(3, -0.4)])
def test_a_configuration_goes_through_json_and_back(curvatures: Any) -> None:
    for name in PRESETS:
        config = preset(name, curvatures=curvatures, aligned="theta", scale=0.3)
        again = AlignmentConfig.from_dict(json.loads(json.dumps(config.to_dict())))
        assert again == config
        assert hash(again) == hash(config)


def test_the_presets_are_what_paper_and_code_compute() -> None:
    printed = AlignmentConfig(
        "cosine", "frobenius", "origin", "project", "ball", (-0.2,), "phi", "positive", 1.0, 1.0
    )
    assert PRESETS["printed"] == printed
    assert PRESETS["released"] == replace(printed, normalise="none", pairs="both", weight=1e-3)
    assert PRESETS["released-2023"] == replace(PRESETS["released"], similarity="norms")
    assert PRESETS["curved"].compares_in_space
    assert not printed.compares_in_space


INVALID = {
    "similarity": ("hyperbolic", None), "normalise": ("",), "base": (1,), "to_ball": ("exp",), "clip_radius": ("rim",),
    "aligned": ("rho",), "pairs": ("negative",), "curvatures": ((), math.nan, (0.1, math.inf), "H+H", None, ("-0.2",)),
    "weight": (-1.0, math.nan, "1"), "scale": (0.0, -1.0, math.inf, None), "xi": (0.0, 1.0, math.nan),
    "pull": (0.0, -1.0, math.inf, math.nan, "1"),
}  # fmt: skip


@pytest.mark.parametrize("field", [item.name for item in fields(AlignmentConfig)])
def test_an_invalid_setting_is_refused(field: str) -> None:
    for value in INVALID[field]:
        with pytest.raises(SettingError, match=field):
            AlignmentConfig(**{field: value})  # type: ignore[arg-type]


def test_a_pull_takes_the_place_of_the_weight() -> None:
    for name in PRESETS:
        config = preset(name, pull=1)
        assert (config.weight, config.pull) == (None, 1.0)
        assert config.to_dict() == {**PRESETS[name].to_dict(), "weight": None, "pull": 1.0}
        assert AlignmentConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config
    assert preset("released", weight=None, pull=None) == PRESETS["released"]
    for weight in (0.0, 1.0):
        with pytest.raises(SettingError, match=rf"weight is {weight} and pull 0\.1; give one of them"):
            preset("released", weight=weight, pull=0.1)


def test_a_whole_number_is_the_same_weight() -> None:
    assert json.dumps(preset("printed", weight=2).to_dict()) == json.dumps(
        preset("printed", weight=2.0).to_dict()
    )


def test_a_configuration_with_a_weight_is_stored_as_before_there_were_pulls() -> None:
    names = {item.name for item in fields(AlignmentConfig)} - {"pull"}
    assert set(preset("curved").to_dict()) == names


def test_an_invalid_adaptive_curvature_is_refused() -> None:
    for name, value in (("N_c", 0), ("N_c", 1.5), ("c_0", 0.0), ("c_0", math.nan), ("c_0", "H")):
        with pytest.raises(SettingError, match=name):
            Adaptive(**{name: value})  # type: ignore[arg-type]


def test_a_stored_configuration_with_other_fields_is_refused() -> None:
    for values in ({"curvature": -0.2}, {"curvatures": {"N_c": 1, "c0": -0.4}}, {"curvatures": {"N_c": 0}}):
        with pytest.raises(SettingError):
            AlignmentConfig.from_dict(values)
