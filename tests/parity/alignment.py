"""Projection, logarithm, alignment losses and their gradients against the records, at every recorded curvature."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import torch
from torch import Generator, Tensor

from hypav import geometry
from hypav.alignment import AdaptiveCurvature, Alignment, alignment_loss, preset, similarity_matrix
from hypav.losses import avca_terms, total

from .records import Arrays, Row, compare, load_arrays, load_json
from .released import (
    batch_of,
    dtype_of,
    framework,
    load_curvature_layer,
    model_of,
    released_forward,
    released_k,
)

RELEASED_XI = 1e-3
# artanh at .999 multiplies a relative error by 132, so two correct float32 results differ by that many roundings
LOG0_FLOAT32 = 132 * 2 * 2.0**-23


def alignment(path: Path, state: Mapping[str, Tensor], batch: Arrays) -> Iterator[Row]:
    recorded, dtype = load_arrays(path), dtype_of(path)
    precision = str(dtype).removeprefix("torch.")
    released = preset("released")
    phi = {k: torch.from_numpy(recorded[k]) for k in ("phi_v", "phi_a", "phi_v_neg", "phi_a_neg")}

    def losses(k: Tensor) -> tuple[Tensor, ...]:
        positive = alignment_loss(phi["phi_v"], phi["phi_a"], k, released)
        negative = alignment_loss(phi["phi_v_neg"], phi["phi_a_neg"], k, released)
        return positive, negative, positive + negative

    def gradient(k: Tensor, name: str) -> Tensor:
        leaf = {key: tensor.clone().requires_grad_() for key, tensor in phi.items()}
        loss = alignment_loss(leaf["phi_v"], leaf["phi_a"], k, released)
        loss = loss + alignment_loss(leaf["phi_v_neg"], leaf["phi_a_neg"], k, released)
        return torch.autograd.grad(loss, leaf[name])[0]

    flat, fifth = torch.zeros(1, 1, dtype=dtype), released_k(0.2, dtype).reshape(1, 1)
    points = torch.from_numpy(recorded["points"])
    for term, value in recorded.items():
        if term.startswith(("phi_", "points", "curvatures")):
            continue
        if match := re.fullmatch(r"(project|log0)(_norm)?_c([\d.]+)", term):
            k = released_k(float(match[3]), dtype)
            ours = geometry.project(points, k=k, xi=RELEASED_XI)
            ours = geometry.logmap0(ours, k=k) if match[1] == "log0" else ours
            least = LOG0_FLOAT32 if match[1] == "log0" and dtype == torch.float32 else 0.0
            yield compare(path, term, ours.norm(dim=1) if match[2] else ours, value, least=least)
        elif term == "align_loss":
            ks = [released_k(float(c), dtype).reshape(1, 1) for c in recorded["curvatures"]]
            ours = torch.stack([torch.stack(losses(k)) for k in ks])
            yield compare(path, term, ours, value, kind=precision)
        elif term == "align_loss_euclid":
            yield compare(path, term, torch.stack(losses(flat)), value, kind=precision)
        elif match := re.fullmatch(r"grad_(phi_[av])_(euclid|c02)", term):
            yield compare(path, term, gradient(flat if match[2] == "euclid" else fifth, match[1]), value)
        elif term == "sim_v_c02":
            tangent = geometry.logmap0(geometry.project(phi["phi_v"], k=fifth, xi=RELEASED_XI), k=fifth)
            yield compare(path, term, similarity_matrix(tangent, "cosine"), value)
        elif match := re.fullmatch(r"(total|curv|grad_fusenet_w_absmax)_(Hyper-.+)", term):
            ours = framework_numbers(match[2], state, batch, dtype)[match[1]]
            # the recorded gradient is rounding noise around zero, and so is ours: compare with the size of the loss
            scale = float(recorded[f"total_{match[2]}"]) if match[1].startswith("grad") else 0.0
            yield compare(path, term, ours, value, scale=scale)
        else:
            raise ValueError(f"unknown term {term!r}")


def framework_numbers(
    name: str, state: Mapping[str, Tensor], batch: Arrays, dtype: torch.dtype
) -> dict[str, Tensor]:
    """Total loss, curvatures (released sign) and largest gradient of the curvature layer for one train-mode batch."""
    config, _ = framework(name)
    if config is None:
        raise ValueError(f"{name!r} has no alignment")
    model, triplets = model_of(state, dtype), batch_of(batch, dtype)
    alignment = Alignment(config, model.config.dim_phi, Generator()).to(dtype)
    load_curvature_layer(alignment, state)
    e = released_forward(model.train(), triplets)
    aligned = alignment(e)
    loss = total(avca_terms(e, triplets.text)) + aligned.total
    numbers = {"total": loss.detach(), "curv": -aligned.curvatures.detach()}
    if isinstance(alignment.curvature, AdaptiveCurvature):
        gradient = torch.autograd.grad(loss, alignment.curvature.layer.weight)[0]
        numbers["grad_fusenet_w_absmax"] = gradient.abs().max()
    return numbers


def invariance(path: Path, state: Mapping[str, Tensor], batch: Arrays) -> Iterator[Row]:
    """All but the recorded differences between curvatures: those are rounding, which no two programs share."""
    for kind, recorded in load_json(path).items():
        dtype = {"f32": torch.float32, "f64": torch.float64}[kind]
        flat = _flat_numbers(state, batch, dtype)
        for term, value in recorded.items():
            scale = 0.0
            if match := re.fullmatch(
                r"(total|curvatures_range|fusenet1_weight_grad_absmax)_(Hyper-.+)", term
            ):
                numbers = framework_numbers(match[2], state, batch, dtype)
                numbers["curvatures_range"] = torch.stack(numbers["curv"].aminmax())
                ours = numbers[match[1].replace("fusenet1_weight_grad", "grad_fusenet_w")]
                # a gradient that is zero up to rounding: compare with the size of the loss
                scale = float(numbers["total"]) if "grad" in match[1] else 0.0
            elif term.startswith("max_"):
                continue
            else:
                ours = flat[term]
            precision = str(dtype).removeprefix("torch.")
            yield compare(path, f"{kind} {term}", ours, value, scale=scale, kind=precision)


def _flat_numbers(state: Mapping[str, Tensor], batch: Arrays, dtype: torch.dtype) -> dict[str, Tensor]:
    """The flat alignment loss (k = 0) and L_avca, and what each contributes to the encoders' gradient."""
    model, triplets = model_of(state, dtype).train(), batch_of(batch, dtype)
    e = released_forward(model, triplets)
    released = preset("released", curvatures=(0.0,))
    align = Alignment(released, model.config.dim_phi, Generator())(e)
    avca = total(avca_terms(e, triplets.text))
    encoders = [*model.encode_a.parameters(), *model.encode_v.parameters()]

    def gradient_norm(loss: Tensor) -> Tensor:
        gradients = torch.autograd.grad(loss, encoders, retain_graph=True)
        return torch.cat([g.flatten() for g in gradients]).norm()

    return {
        "total_AVCA": avca,
        "euclid_loss": align.heads.mean(),
        "phi_norm_mean": e.phi_a.norm(dim=1).mean(),
        "encoder_grad_norm_1e-3_align": gradient_norm(align.total),
        "encoder_grad_norm_total": gradient_norm(avca + align.total),
    }
