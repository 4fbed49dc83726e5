"""Forward passes, losses, gradients, batch-norm buffers and optimiser steps against the records."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import torch
from torch import Tensor

from hypav.alignment import AdaptiveCurvature
from hypav.avca import AVCA, Embeddings, official_name
from hypav.losses import avca_terms, total

from .records import Arrays, Row, compare, load_arrays, load_json
from .released import (
    batch_of,
    dtype_of,
    framework,
    learner_of,
    model_of,
    network_of,
    official_state,
    released_forward,
    released_step,
)

# A bias before a batch norm has gradient 0. Adam divides the 1e-14 that rounding leaves by the weight decay's 1e-6, so
# each step moves it by 1e-3 x 1e-8 at random, and with it the mean that the batch norm sees.
ADAM_NOISE = 1e-8
# float32 losses of steps whose weights drift apart by rounding; a mask drawn out of order moves them by 1e-2
FLOAT32_STEPS = 1e-3
# Numbers this much smaller than the largest of their kind are zeros up to rounding (biases before a batch norm). They
# are compared to 1e-10 of this share of the largest, since their sum depends on the kernels.
ROUNDING = 1e-4


def forward(path: Path, state: Mapping[str, Tensor], batch: Arrays) -> Iterator[Row]:
    recorded, dtype = load_arrays(path), dtype_of(path)
    model, triplets = model_of(state, dtype), batch_of(batch, dtype)
    model.train("train" in path.stem)
    with torch.no_grad():
        e = released_forward(model, triplets)
        ours: dict[str, Tensor] = dict(e._asdict())
        ours |= _attention_parts(model, e)
        if model.training:
            ours |= {f"after_{name}": tensor.clone() for name, tensor in official_state(model).items()}
        else:
            ours["rho_w"] = model.decode(e.theta_w)
            thetas = model.embed(*triplets[:3])
            ours |= dict(zip(("get_theta_a", "get_theta_v", "get_theta_w"), thetas, strict=True))
        terms = avca_terms(e, triplets.text)
        ours |= {f"loss_{name}": value for name, value in terms.items()} | {"loss_total": total(terms)}
        # the reconstruction passes come last: in train mode they move batch-norm buffers
        ours["se_em_hat1"] = model.project_a(e.phi_a_rec)
        ours["se_em_hat2"] = model.project_v(e.phi_v_rec)
    for term, value in recorded.items():
        yield compare(path, term, ours[term], value)


def _attention_parts(model: AVCA, e: Embeddings) -> dict[str, Tensor]:
    tokens = torch.stack((e.phi_a + model.positional[0], e.phi_v + model.positional[1]), dim=1)
    names = {"audio_fe_attn": e.phi_a_att, "video_fe_attn": e.phi_v_att}
    return {"positive_input": tokens, "phi_attn": model.attention(tokens), **names}


def gradients(path: Path, state: Mapping[str, Tensor], batch: Arrays) -> Iterator[Row]:
    recorded, dtype = load_arrays(path), dtype_of(path)
    model, triplets = model_of(state, dtype).train(), batch_of(batch, dtype)
    total(avca_terms(released_forward(model, triplets), triplets.text)).backward()
    gradients = {
        official_name(name, model): p.grad for name, p in model.named_parameters() if p.grad is not None
    }
    largest = max(float(g.norm()) for g in gradients.values())
    for term, value in recorded.items():
        what, name = term.split("_", 1)
        g = gradients[name]
        ours = {"norm": g.norm(), "sum": g.sum(), "full": g}[what]
        # a sum of many terms that cancel is compared with the size of what cancels
        scale = max(ROUNDING * largest, float(g.norm()) if what == "sum" else 0.0)
        yield compare(path, term, ours, value, scale=scale)


def steps(path: Path, state: Mapping[str, Tensor], batch: Arrays) -> Iterator[Row]:
    recorded, dtype = load_arrays(path), dtype_of(path)
    triplets = batch_of(batch, dtype)
    for name in sorted({term.split("|")[0] for term in recorded}):
        align, momentum = framework(name)
        learner = learner_of(state, network_of(state, momentum=momentum or 0.1), align, dtype)
        losses = [released_step(learner, triplets)["total"] for _ in recorded[f"{name}|loss"]]
        after = official_state(learner.model)
        if learner.alignment is not None and isinstance(learner.alignment.curvature, AdaptiveCurvature):
            layer = learner.alignment.curvature.layer.state_dict()
            after |= {f"fusenet1.{key}": tensor for key, tensor in layer.items()}
        for term, value in recorded.items():
            if term.split("|")[0] != name:
                continue
            what, _, key = term[len(name) + 1 :].partition("|")
            ours = torch.stack(losses) if what == "loss" else after[key]
            ours = ours.double().norm() if what == "norm" else ours
            yield compare(path, term, ours, value, least=_adam_noise(key))


def _adam_noise(key: str) -> float:
    layer, _, leaf = key.rpartition(".")
    before_norm = leaf == "bias" and layer.endswith((".fc.0", ".fc.4"))
    return ADAM_NOISE if before_norm or leaf == "running_mean" else 0.0


def same_torch(recorded: Mapping[str, object]) -> bool:
    """Whether a record was made with this version of torch."""
    return str(recorded.get("torch")).split("+")[0] == torch.__version__.split("+")[0]


def masks(path: Path, state: Mapping[str, Tensor], batch: Arrays) -> Iterator[Row]:
    """Five float32 steps with dropout: equal only if every mask is drawn in the released order.

    The random stream is that of one torch version; under another version there is nothing to compare.
    """
    recorded = load_json(path)
    if not same_torch(recorded):
        return
    triplets = batch_of(batch, torch.float32)
    network = network_of(state, momentum=0.99, dropout_enc=0.2, dropout_proj=0.3, dropout_dec=0.5)
    for name, losses in recorded["losses"].items():
        learner = learner_of(state, network, framework(name)[0], torch.float32)
        learner.masks.manual_seed(7)
        ours = torch.stack([released_step(learner, triplets)["total"] for _ in losses])
        yield compare(path, name, ours, losses, least=FLOAT32_STEPS)
