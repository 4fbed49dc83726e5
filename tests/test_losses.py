"""L_avca against its formulas, written out row by row in numpy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from hypav.avca import Embeddings
from hypav.losses import TERM_GROUPS, avca_terms, total

ROWS, WORDS, PHI, THETA = 5, 7, 6, 4


def embeddings(seed: int, scale: float = 0.4) -> tuple[Embeddings, Tensor]:
    """21 unrelated tables and a text table, float64; at this scale some margins hold and some do not."""
    g = torch.Generator().manual_seed(seed)
    widths = {"phi": PHI, "theta": THETA, "rho": WORDS}
    tables = {
        name: scale * torch.randn(ROWS, widths[name.split("_")[0]], generator=g, dtype=torch.float64)
        for name in Embeddings._fields
    }
    return Embeddings(**tables), scale * torch.randn(ROWS, WORDS, generator=g, dtype=torch.float64)


def mse(x: np.ndarray, y: np.ndarray) -> float:
    return sum((p - q) ** 2 for p, q in zip(x.flat, y.flat, strict=True)) / x.size


def triplet(anchor: np.ndarray, positive: np.ndarray, negative: np.ndarray) -> float:
    """mean_i max(0, |x_i - p_i + 1e-6| - |x_i - n_i + 1e-6| + 1), 1e-6 added to every coordinate."""

    def length(x: np.ndarray) -> float:
        return float(np.sqrt(sum((c + 1e-6) ** 2 for c in x)))

    rows = zip(anchor, positive, negative, strict=True)
    return sum(max(0.0, length(x - p) - length(x - n) + 1) for x, p, n in rows) / len(anchor)


def by_formula(e: Embeddings, text: Tensor) -> dict[str, float]:
    n = {name: table.numpy() for name, table in e._asdict().items()}
    tw, ta, tv = n["theta_w"], n["theta_a"], n["theta_v"]
    tw_, ta_, tv_ = n["theta_w_neg"], n["theta_a_neg"], n["theta_v_neg"]
    return {
        "rec_v": mse(text.numpy(), n["rho_v"]),
        "rec_a": mse(text.numpy(), n["rho_a"]),
        "rec_w": mse(text.numpy(), n["rho_w"]),
        "cta": triplet(n["rho_w"], n["rho_a"], n["rho_a_neg"]),
        "ctv": triplet(n["rho_w"], n["rho_v"], n["rho_v_neg"]),
        "ta": triplet(tw, ta, ta_),
        "at": triplet(ta, tw, tw_),
        "tv": triplet(tw, tv, tv_),
        "vt": triplet(tv, tw, tw_),
        "add_a": triplet(ta, tw, ta_),
        "add_v": triplet(tv, tw, tv_),
        "add_wa": triplet(tw, ta, tw_),
        "add_wv": triplet(tw, tv, tw_),
        "reg_phi_v": mse(n["phi_v_rec"], n["phi_v"]),
        "reg_phi_a": mse(n["phi_a_rec"], n["phi_a"]),
        "reg_theta_v": mse(tv, tw),
        "reg_theta_a": mse(ta, tw),
    }


@pytest.mark.parametrize("scale", [0.1, 0.4, 2.0])
def test_every_term_is_its_formula(scale: float) -> None:
    e, text = embeddings(1, scale)
    terms = avca_terms(e, text)
    expected = by_formula(e, text)
    assert {name: value.item() for name, value in terms.items()} == pytest.approx(expected, rel=1e-13)
    assert total(terms).item() == pytest.approx(sum(expected.values()), rel=1e-13)


def test_the_small_number_enters_every_coordinate() -> None:
    e, text = embeddings(3)
    same = e._replace(theta_a=e.theta_w, theta_a_neg=e.theta_w)
    moved = e._replace(theta_a=e.theta_w + 1e-6, theta_a_neg=e.theta_w - 1e-6)
    assert avca_terms(same, text)["ta"].item() == pytest.approx(1.0, abs=1e-15)
    # |0 (1, ...)| - |2e-6 (1, ...)| + 1: anchor minus positive is -1e-6, which the 1e-6 cancels
    assert avca_terms(moved, text)["ta"].item() == pytest.approx(1 - 2e-6 * THETA**0.5, abs=1e-14)


def test_the_groups_hold_each_of_the_17_terms_once() -> None:
    e, text = embeddings(4)
    grouped = [name for names in TERM_GROUPS.values() for name in names]
    assert list(TERM_GROUPS) == ["l_rec", "l_ct", "l_w", "l_t", "l_r"]
    assert [len(names) for names in TERM_GROUPS.values()] == [3, 2, 4, 4, 4]
    assert sorted(grouped) == sorted(avca_terms(e, text))
    assert len(set(grouped)) == 17


def test_gradients_reach_both_sides_of_every_regulariser() -> None:
    e, text = embeddings(6)
    leaves = Embeddings(*(table.clone().requires_grad_() for table in e))
    terms = avca_terms(leaves, text)
    sides = {
        "reg_phi_v": ("phi_v_rec", "phi_v"),
        "reg_phi_a": ("phi_a_rec", "phi_a"),
        "reg_theta_v": ("theta_v", "theta_w"),
        "reg_theta_a": ("theta_a", "theta_w"),
    }
    for term, names in sides.items():
        left, right = torch.autograd.grad(terms[term], [getattr(leaves, name) for name in names])
        expected = 2 * (getattr(e, names[0]) - getattr(e, names[1])) / left.numel()
        torch.testing.assert_close(left, expected, rtol=1e-12, atol=0)
        torch.testing.assert_close(right, -expected, rtol=1e-12, atol=0)
