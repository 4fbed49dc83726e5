"""The rows of the ledger on the loss and its geometry: is our code as they say?"""

from __future__ import annotations

import math

import torch
from torch import Generator

from hypav import geometry
from hypav.alignment import PRESETS, Adaptive, Alignment, alignment_loss, preset
from hypav.errors import SettingError
from hypav.experiments.deviations.probes import (
    CURVATURES,
    DIM,
    XI,
    N,
    close,
    cosines,
    embeddings,
    loss_of,
    phi_pair,
)
from hypav.experiments.paper import paper_settings
from hypav.experiments.variants import parse_variant

__all__ = [
    "adaptive_curvature_is_per_sample",
    "batches_aligned",
    "bounded_by_two_over_n_squared",
    "cosine_cancels_curvature",
    "frobenius_normalisation",
    "log_map_at_the_origin",
    "mobius_addition",
    "norms_in_place_of_cosines",
    "radius_of_the_ball",
    "sign_of_the_curvature",
    "threshold_of_the_clip",
    "weight_of_the_term",
    "zero_rows",
]


def weight_of_the_term() -> bool:
    """paper 1, released 1e-3; the total is the weight times the term."""
    weights = PRESETS["paper"].weight == 1 and PRESETS["released"].weight == 1e-3
    terms = [Alignment(preset("paper", weight=w), DIM, Generator())(embeddings()).total for w in (1.0, 1e-3)]
    return weights and close(terms[1], 1e-3 * terms[0])


def frobenius_normalisation() -> bool:
    """paper divides each matrix by its Frobenius norm, released does not."""
    phi_v, phi_a = map(cosines, phi_pair())
    printed = (phi_v / phi_v.pow(2).sum().sqrt() - phi_a / phi_a.pow(2).sum().sqrt()).pow(2).sum() / N**2
    plain = (phi_v - phi_a).pow(2).sum() / N**2
    return close(loss_of(PRESETS["paper"]), printed, 1e-9) and close(
        loss_of(PRESETS["released"]), plain, 1e-9
    )


def bounded_by_two_over_n_squared() -> bool:
    """paper's term is at most 2/N^2, even for unlike modalities."""
    return all(float(loss_of(PRESETS["paper"], seed=seed)) <= 2 / N**2 for seed in range(5))


def batches_aligned() -> bool:
    """paper aligns the positive pair, released adds the negative pair's loss to it."""
    e = embeddings()
    paper, released = (Alignment(PRESETS[name], DIM, Generator())(e).heads for name in ("paper", "released"))
    both = loss_of(PRESETS["released"]) + loss_of(PRESETS["released"], seed=1)
    return close(paper, loss_of(PRESETS["paper"])) and close(released, both)


def cosine_cancels_curvature() -> bool:
    """paper and released give one loss for every curvature; curved does not."""

    def moves(name: str) -> float:
        losses = torch.stack([loss_of(PRESETS[name], k) for k in CURVATURES])
        return float((losses.max() - losses.min()) / losses.max())

    return moves("paper") < 1e-9 and moves("released") < 1e-9 and moves("curved") > 0.01


def adaptive_curvature_is_per_sample() -> bool:
    """One curvature a sample and head, whose layer gets no gradient under paper and released, but does under curved."""

    def slope(name: str) -> float:
        module = Alignment(
            preset(name, curvatures=Adaptive(2, -0.4)), DIM, Generator().manual_seed(0)
        ).double()
        found = module(embeddings())
        if found.curvatures.shape != (N, 2):
            return math.nan
        found.total.backward()
        return max(
            float(p.grad.abs().max()) / PRESETS[name].weight
            for p in module.parameters()
            if p.grad is not None
        )

    return slope("paper") < 1e-14 and slope("released") < 1e-14 and slope("curved") > 1e-6


def norms_in_place_of_cosines() -> bool:
    """released-2023 takes products of norms; where all rows are clipped its loss is rounding."""
    config = PRESETS["released-2023"]
    return config.similarity == "norms" and 0 <= float(loss_of(config, -1.0)) < 1e-20


def zero_rows() -> bool:
    """A row of zeros has cosine 0 to all others, and a finite loss and gradient."""
    phi_v, phi_a = (phi.clone() for phi in phi_pair())
    phi_v[0] = 0
    phi_v.requires_grad_()
    loss = alignment_loss(phi_v, phi_a, torch.full((1, 1), -0.2, dtype=torch.float64), PRESETS["paper"])
    loss.backward()
    return bool(loss.isfinite()) and phi_v.grad is not None and bool(phi_v.grad.isfinite().all())


def radius_of_the_ball() -> bool:
    """1/sqrt|k|; the printed 1/|k| is an option, and lies outside the ball for |k| < 1."""
    x = torch.full((1, 4), 100.0, dtype=torch.float64)
    own, printed = (float(geometry.project(x, k=-0.2, xi=XI, radius=r).norm()) for r in ("ball", "printed"))
    return (
        close(own, (1 - XI) / math.sqrt(0.2))
        and close(printed, (1 - XI) / 0.2)
        and printed > 1 / math.sqrt(0.2)
    )


def threshold_of_the_clip() -> bool:
    """Rows between (1 - xi) R and R are shortened too, so that Eq. 1 has no jump."""
    R = 1 / math.sqrt(0.2)
    inside, between = ((1 - XI) * R * 0.999, (1 - XI / 2) * R)
    x = torch.tensor([[inside, 0.0], [between, 0.0]], dtype=torch.float64)
    return close(geometry.project(x, k=-0.2, xi=XI)[:, 0], [inside, (1 - XI) * R])


def sign_of_the_curvature() -> bool:
    """k < 0 is hyperbolic; a positive k where a module is hyperbolic is refused with a sentence."""
    try:
        parse_variant("hyper-alignment:0.2", "paper", paper_settings(None))
    except SettingError as error:
        return "-k" in str(error) and paper_settings(None).c_0 == -0.4
    return False


def log_map_at_the_origin() -> bool:
    """Eq. 3 at z = 0 is artanh(sqrt|k| |x|) / sqrt|k| along x."""
    x, k = torch.tensor([[0.3, -0.4]], dtype=torch.float64), -0.7
    expected = math.atanh(math.sqrt(-k) * 0.5) / math.sqrt(-k) * x / 0.5
    return close(geometry.logmap0(x, k=k), expected) and close(
        geometry.logmap(torch.zeros_like(x), x, k=k), expected, 1e-10
    )


def mobius_addition() -> bool:
    """Eq. 2 is what another base point needs: at the origin it drops out, at the batch's midpoint k comes in."""
    x = torch.tensor([[0.3, -0.4]], dtype=torch.float64)
    drops_out = close(geometry.mobius_add(torch.zeros_like(x), x, k=-0.7), x)
    config = preset("paper", base="midpoint")
    return drops_out and abs(float(loss_of(config, -1.0) / loss_of(config, -0.01)) - 1) > 1e-3
