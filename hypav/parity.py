"""Parity with the released code: replays a folder of its recorded numbers, term by term.

The folder holds the released model's weights (state.npz), one triplet batch (batch.npz) and what the released code
computed from them: forward passes, losses, gradients, batch-norm buffers, optimiser steps, alignment losses, metrics,
delta, sampling weights. Sizes are read from the weights. Released curvatures c are positive: k = -c.
"""

from __future__ import annotations

import json
import re
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Generator, Tensor

from hypav import geometry
from hypav.alignment import Alignment, AlignmentConfig, alignment_loss, preset, similarity_matrix
from hypav.avca import AVCA, AVCAConfig, Embeddings, load_official_state, official_name, official_state
from hypav.curvature import Adaptive, AdaptiveCurvature
from hypav.data.batches import TripletBatch, sampling_weights
from hypav.errors import DataError
from hypav.hyperbolicity import gromov_delta
from hypav.learner import Learner, RunConfig, TrainConfig, train_step
from hypav.machine import threads
from hypav.objective import avca_terms, total
from hypav.protocol import class_distances, confusion, sweep

__all__ = ["TOLERANCE", "Row", "run_parity"]

TOLERANCE = {"float64": 1e-10, "float32": 1e-5}

Arrays = Mapping[str, np.ndarray]
RELEASED_XI = 1e-3
# artanh at .999 multiplies a relative error by 132: two correct float32 results differ by that many roundings
LOG0_FLOAT32 = 132 * 2 * 2.0**-23
# a bias in front of a batch norm has gradient 0; Adam divides the 1e-14 that rounding leaves by the weight decay's
# 1e-6, so each step moves it by 1e-3 x 1e-8 at random, and the mean that the batch norm sees with it
ADAM_NOISE = 1e-8
# float32 losses of steps whose weights drift apart by rounding; one mask drawn out of order moves them by 1e-2
FLOAT32_STEPS = 1e-3
# numbers this much smaller than the largest of their kind are zeros that rounding made (biases before a batch norm)
ROUNDING = 1e-5


class Row(NamedTuple):
    """One compared number or table: the largest error relative to the recorded table's largest entry."""

    file: str
    term: str
    error: float
    tolerance: float

    @property
    def passed(self) -> bool:
        return self.error <= self.tolerance  # False for NaN


def run_parity(folder: Path | str) -> Iterator[Row]:
    """A row for everything the folder records, file by file. One thread: sums are then taken in the recorded order.

    Raises:
        DataError: the folder lacks state.npz or batch.npz, holds none of the known records, or one is damaged.
    """
    folder = Path(folder)
    state = {name: torch.from_numpy(array) for name, array in _load(folder / "state.npz").items()}
    batch = _load(folder / "batch.npz")
    with threads(1):
        yield from _all_rows(folder, state, batch)


def _all_rows(folder: Path, state: Mapping[str, Tensor], batch: Arrays) -> Iterator[Row]:
    found = False
    for pattern, check in _CHECKS.items():
        for path in sorted(p for p in folder.iterdir() if re.fullmatch(pattern, p.name)):
            found = True
            try:
                yield from check(path, state, batch)
            except (LookupError, RuntimeError, ValueError, TypeError, AttributeError) as error:
                raise DataError(f"{path} is not laid out like the recorded numbers: {error}.") from error
    if not found:
        raise DataError(
            f"{folder} holds none of the records to compare with (forward_*.npz, steps3_*.npz, …)."
        )


def _load(path: Path) -> dict[str, np.ndarray]:
    try:
        archive = np.load(path, allow_pickle=False)
        if isinstance(archive, np.ndarray):
            raise DataError(f"{path} holds one bare array, not an npz archive of named arrays.")
        with archive:
            arrays = {name: archive[name] for name in archive.files}
    except (OSError, ValueError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(f"Cannot read {path}: {error}.") from error
    for name, array in arrays.items():
        if not isinstance(array, np.ndarray) or array.dtype.kind not in "fiub":
            raise DataError(f"{path}: {name!r} is not an array of numbers.")
    return arrays


def _json(path: Path) -> dict:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"Cannot read {path}: {error}.") from error


def _row(
    path: Path,
    term: str,
    ours: object,
    recorded: object,
    *,
    scale: float = 0.0,
    kind: str = "",
    least: float = 0.0,
) -> Row:
    """scale: what the error is relative to where the recorded entries are smaller; kind: the precision if not theirs;
    least: a tolerance that is not to be undercut."""
    reference = np.asarray(recorded)
    kind = kind or ("float32" if reference.dtype == np.float32 else "float64")
    tolerance = max(TOLERANCE[kind], least)
    reference = reference.astype(np.float64)
    own = (
        ours.detach().cpu().double().numpy()
        if isinstance(ours, Tensor)
        else np.asarray(ours, dtype=np.float64)
    )
    if own.shape != reference.shape:
        return Row(path.name, f"{term} {own.shape} for {reference.shape}", float("inf"), tolerance)
    scale = max(scale, float(np.abs(reference).max(initial=0.0))) or 1.0
    return Row(path.name, term, float(np.abs(own - reference).max(initial=0.0)) / scale, tolerance)


def _network(state: Mapping[str, Tensor], momentum: float = 0.1, **rates: float) -> AVCAConfig:
    """The sizes of a released state_dict, without dropout unless asked for."""

    def rows(key: str, axis: int = 0) -> int:
        return int(state[key].shape[axis]) if key in state else 0

    deep_enc, deep_proj = "A_enc.fc.4.weight" in state, "A_proj.fc.4.weight" in state
    heads = 3
    return AVCAConfig(
        dim_audio=rows("A_enc.fc.0.weight", 1),
        dim_video=rows("V_enc.fc.0.weight", 1),
        dim_text=rows("W_proj.fc.0.weight", 1),
        dim_phi=rows("pos_emb1D", 1),
        dim_theta=rows("W_proj.fc.0.weight"),
        hidden_enc=rows("A_enc.fc.0.weight") if deep_enc else 0,
        hidden_proj=rows("A_proj.fc.0.weight") if deep_proj else 0,
        momentum=momentum,
        heads=heads,
        head_dim=rows("cross_attention.layers.0.0.fn.to_qkv.weight") // (3 * heads),
        dim_mlp=rows("cross_attention.layers.0.1.fn.net.0.weight"),
        **({"dropout_enc": 0.0, "dropout_proj": 0.0, "dropout_dec": 0.0} | rates),
    )


def _model(state: Mapping[str, Tensor], dtype: torch.dtype) -> AVCA:
    model = AVCA(_network(state)).to(dtype)
    load_official_state(model, state)
    return model


def _batch(batch: Arrays, dtype: torch.dtype) -> TripletBatch:
    names = ("audio", "video", "w", "audio_neg", "video_neg", "w_neg")
    return TripletBatch(*(torch.from_numpy(batch[name]).to(dtype) for name in names))


def _dtype(path: Path) -> torch.dtype:
    return torch.float32 if "_f32" in path.stem else torch.float64


def _forward(path: Path, state: Mapping[str, Tensor], batch: Arrays) -> Iterator[Row]:
    recorded, dtype = _load(path), _dtype(path)
    model, triplets = _model(state, dtype), _batch(batch, dtype)
    model.train("train" in path.stem)
    with torch.no_grad():
        e = model(*triplets, replay=True)
        own: dict[str, Tensor] = dict(e._asdict())
        own |= _attention_parts(model, e)
        if model.training:
            own |= {f"after_{name}": tensor.clone() for name, tensor in official_state(model).items()}
        else:
            own["rho_w"] = model.decode(e.theta_w)
            own["se_em_hat1"] = model.project_a(e.phi_a_rec)
            own["se_em_hat2"] = model.project_v(e.phi_v_rec)
            own |= dict(
                zip(("get_theta_a", "get_theta_v", "get_theta_w"), model.embed(*triplets[:3]), strict=True)
            )
        terms = avca_terms(e, triplets.text)
        own |= {f"loss_{name}": value for name, value in terms.items()} | {"loss_total": total(terms)}
        if model.training:  # the reconstruction passes come last here: they move batch-norm buffers
            own["se_em_hat1"] = model.project_a(e.phi_a_rec)
            own["se_em_hat2"] = model.project_v(e.phi_v_rec)
    for term, value in recorded.items():
        yield _row(path, term, own[term], value)


def _attention_parts(model: AVCA, e: Embeddings) -> dict[str, Tensor]:
    tokens = torch.stack((e.phi_a + model.positional[0], e.phi_v + model.positional[1]), dim=1)
    names = {"audio_fe_attn": e.phi_a_att, "video_fe_attn": e.phi_v_att}
    return {"positive_input": tokens, "phi_attn": model.attention(tokens), **names}


def _gradients(path: Path, state: Mapping[str, Tensor], batch: Arrays) -> Iterator[Row]:
    recorded, dtype = _load(path), _dtype(path)
    model, triplets = _model(state, dtype), _batch(batch, dtype)
    model.train()
    total(avca_terms(model(*triplets, replay=True), triplets.text)).backward()
    gradients = {
        official_name(name, model): p.grad for name, p in model.named_parameters() if p.grad is not None
    }
    largest = max(float(g.norm()) for g in gradients.values())
    for term, value in recorded.items():
        what, name = term.split("_", 1)
        g = gradients[name]
        own = {"norm": g.norm(), "sum": g.sum(), "full": g}[what]
        # a sum of many terms that cancel is compared with the size of what cancels
        scale = max(ROUNDING * largest, float(g.norm()) if what == "sum" else 0.0)
        yield _row(path, term, own, value, scale=scale)


def _released_k(c: float, dtype: torch.dtype) -> Tensor:
    """k of a released c, which passes through float32 on its way into the released maps."""
    return -torch.tensor(c, dtype=torch.float32).to(dtype)


def _framework(name: str) -> tuple[AlignmentConfig | None, float | None]:
    """The alignment and batch-norm momentum of a recorded name, e.g. Hyper-multiple_c0.4_n3_mom0.1."""
    match = re.fullmatch(r"(AVCA|Hyper-\w+)_c([\d.e-]+)_n(\d+)(?:_mom([\d.]+))?", name)
    if match is None:
        raise ValueError(f"unknown framework {name!r}")
    method, c, n, momentum = match[1], float(match[2]), int(match[3]), match[4]
    config: AlignmentConfig | None = None
    if method == "Hyper-alignment":
        config = preset("released", curvatures=(float(_released_k(c, torch.float64)),))
    elif method != "AVCA":
        config = preset("released", curvatures=Adaptive(N_c=max(n, 1), c_0=-c))
    return config, float(momentum) if momentum else None


def _load_curvature_layer(alignment: Alignment, state: Mapping[str, Tensor]) -> None:
    """The first N_c rows of the recorded layer: Hyper-single uses row 0 of it."""
    if isinstance(alignment.curvature, AdaptiveCurvature):
        layer, rows = alignment.curvature.layer, alignment.curvature.settings.N_c
        with torch.no_grad():
            layer.weight.copy_(state["fusenet1.weight"][:rows])
            layer.bias.copy_(state["fusenet1.bias"][:rows])


def _learner(
    state: Mapping[str, Tensor], network: AVCAConfig, align: AlignmentConfig | None, dtype: torch.dtype
) -> Learner:
    name = "float32" if dtype == torch.float32 else "float64"
    config = RunConfig(network, TrainConfig(parity="official", dtype=name), align)  # type: ignore[arg-type]
    learner = Learner.fresh(config, torch.device("cpu"))
    load_official_state(learner.model, state)
    if learner.alignment is not None:
        _load_curvature_layer(learner.alignment, state)
    return learner


def _steps(path: Path, state: Mapping[str, Tensor], batch: Arrays) -> Iterator[Row]:
    recorded, dtype = _load(path), _dtype(path)
    triplets = _batch(batch, dtype)
    for name in sorted({term.split("|")[0] for term in recorded}):
        align, momentum = _framework(name)
        learner = _learner(state, _network(state, momentum=momentum or 0.1), align, dtype)
        count = len(recorded[f"{name}|loss"])
        losses = [train_step(learner, triplets, replay=True)["total"] for _ in range(count)]
        after = official_state(learner.model)
        if learner.alignment is not None and isinstance(learner.alignment.curvature, AdaptiveCurvature):
            layer = learner.alignment.curvature.layer.state_dict()
            after |= {f"fusenet1.{key}": tensor for key, tensor in layer.items()}
        for term, value in recorded.items():
            if term.split("|")[0] != name:
                continue
            what, _, key = term[len(name) + 1 :].partition("|")
            own = torch.stack(losses) if what == "loss" else after[key]
            own = own.double().norm() if what == "norm" else own
            yield _row(path, term, own, value, least=_adam_noise(key))


def _adam_noise(key: str) -> float:
    layer, _, leaf = key.rpartition(".")
    before_norm = leaf == "bias" and layer.endswith((".fc.0", ".fc.4"))
    return ADAM_NOISE if before_norm or leaf == "running_mean" else 0.0


def _alignment(path: Path, state: Mapping[str, Tensor], batch: Arrays) -> Iterator[Row]:
    recorded, dtype = _load(path), _dtype(path)
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

    flat, fifth = torch.zeros(1, 1, dtype=dtype), _released_k(0.2, dtype).reshape(1, 1)
    points = torch.from_numpy(recorded["points"])
    for term, value in recorded.items():
        if term.startswith(("phi_", "points", "curvatures")):
            continue
        if match := re.fullmatch(r"(project|log0)(_norm)?_c([\d.]+)", term):
            k = _released_k(float(match[3]), dtype)
            own = geometry.project(points, k=k, xi=RELEASED_XI)
            own = geometry.logmap0(own, k=k) if match[1] == "log0" else own
            least = LOG0_FLOAT32 if match[1] == "log0" and dtype == torch.float32 else 0.0
            yield _row(path, term, own.norm(dim=1) if match[2] else own, value, least=least)
        elif term == "align_loss":
            ks = [_released_k(float(c), dtype).reshape(1, 1) for c in recorded["curvatures"]]
            own = torch.stack([torch.stack(losses(k)) for k in ks])
            yield _row(path, term, own, value, kind=str(dtype).removeprefix("torch."))
        elif term == "align_loss_euclid":
            yield _row(path, term, torch.stack(losses(flat)), value, kind=str(dtype).removeprefix("torch."))
        elif match := re.fullmatch(r"grad_(phi_[av])_(euclid|c02)", term):
            yield _row(path, term, gradient(flat if match[2] == "euclid" else fifth, match[1]), value)
        elif term == "sim_v_c02":
            tangent = geometry.logmap0(geometry.project(phi["phi_v"], k=fifth, xi=RELEASED_XI), k=fifth)
            yield _row(path, term, similarity_matrix(tangent, "cosine"), value)
        elif match := re.fullmatch(r"(total|curv|grad_fusenet_w_absmax)_(Hyper-.+)", term):
            own = _framework_numbers(match[2], state, batch, dtype)[match[1]]
            # the recorded gradient is rounding noise about zero, and so is ours: both against the loss, which is not
            scale = float(recorded[f"total_{match[2]}"]) if match[1].startswith("grad") else 0.0
            yield _row(path, term, own, value, scale=scale)
        else:
            raise ValueError(f"unknown term {term!r}")


def _framework_numbers(
    name: str, state: Mapping[str, Tensor], batch: Arrays, dtype: torch.dtype
) -> dict[str, Tensor]:
    """Total loss, curvatures (released sign) and largest gradient of the curvature layer for one train-mode batch."""
    config, _ = _framework(name)
    if config is None:
        raise ValueError(f"{name!r} has no alignment")
    model, triplets = _model(state, dtype), _batch(batch, dtype)
    alignment = Alignment(config, model.config.dim_phi, Generator()).to(dtype)
    _load_curvature_layer(alignment, state)
    e = model.train()(*triplets, replay=True)
    aligned = alignment(e)
    loss = total(avca_terms(e, triplets.text)) + aligned.total
    numbers = {"total": loss.detach(), "curv": -aligned.curvatures.detach()}
    if isinstance(alignment.curvature, AdaptiveCurvature):
        gradient = torch.autograd.grad(loss, alignment.curvature.layer.weight)[0]
        numbers["grad_fusenet_w_absmax"] = gradient.abs().max()
    return numbers


def _metrics(path: Path, state: Mapping[str, Tensor], batch: Arrays) -> Iterator[Row]:
    recorded = _load(path)
    table = {name: torch.from_numpy(np.asarray(array)) for name, array in recorded.items()}
    classes = torch.cat((table["seen"], table["unseen"])).sort().values
    distances = class_distances(table["theta_v"], table["theta_w"])
    phase = (table["targets"], classes, table["seen"], table["unseen"])
    curve = sweep(distances, *phase, betas=table["betas"])
    # the released code counts in float32, whatever the record is stored in
    for term in ("S", "U", "HM"):
        yield _row(path, term, getattr(curve, term), recorded[term], kind="float32")
    yield _row(path, "ZSL", [curve.ZSL] * len(table["betas"]), recorded["ZSL"], kind="float32")
    best = curve.best()
    yield _row(path, "best", [best.S, best.U, best.HM, best.ZSL, best.beta], recorded["best"], kind="float32")
    if "zsl_recall_all_classes" in recorded:
        counts = confusion(distances, *phase, beta=1e9).double()  # no seen class can win
        recall = torch.zeros(int(table["n_all"]), dtype=torch.float64)
        recall[classes] = counts.diagonal() / counts.sum(dim=1)
        term = "zsl_recall_all_classes"
        yield _row(path, term, recall, recorded[term], kind="float32")


def _delta(path: Path, state: Mapping[str, Tensor], batch: Arrays) -> Iterator[Row]:
    recorded = _load(path)
    spaces = {name.removeprefix("delta_") for name in recorded if name.startswith("delta_")}
    for name in sorted(spaces):
        if f"{name}_dist" in recorded:
            distances = torch.from_numpy(recorded[f"{name}_dist"]).double()
        else:
            points = torch.from_numpy(recorded[name]).double()
            distances = torch.cdist(points, points, compute_mode="donot_use_mm_for_euclid_dist")
        diameter = distances.max()
        own = {"delta": torch.as_tensor(gromov_delta(distances)), "diam": diameter}
        for term, value in own.items():
            yield _row(path, f"{term}_{name}", value, recorded[f"{term}_{name}"], scale=float(diameter))


def _sampler(path: Path, state: Mapping[str, Tensor], batch: Arrays) -> Iterator[Row]:
    recorded = _json(path)
    label = torch.empty(sum(len(rows) for rows in recorded["class_idxs"]), dtype=torch.int64)
    for one, rows in enumerate(recorded["class_idxs"]):
        label[rows] = one
    yield _row(path, "weights", sampling_weights(label), recorded["weights"])


def _masks(path: Path, state: Mapping[str, Tensor], batch: Arrays) -> Iterator[Row]:
    """Five float32 steps with dropout: equal only if every mask is drawn in the released order. The random stream is
    that of one torch version, so that under another one there is nothing to compare."""
    recorded = _json(path)
    if recorded.get("torch", "").split("+")[0] != torch.__version__.split("+")[0]:
        return
    triplets = _batch(batch, torch.float32)
    network = _network(state, momentum=0.99, dropout_enc=0.2, dropout_proj=0.3, dropout_dec=0.5)
    for name, losses in recorded["losses"].items():
        learner = _learner(state, network, _framework(name)[0], torch.float32)
        learner.masks.manual_seed(7)
        own = torch.stack([train_step(learner, triplets, replay=True)["total"] for _ in losses])
        yield _row(path, name, own, losses, least=FLOAT32_STEPS)


def _invariance(path: Path, state: Mapping[str, Tensor], batch: Arrays) -> Iterator[Row]:
    """All but the recorded differences between curvatures: those are rounding, of which no two programs make the same."""
    for kind, recorded in _json(path).items():
        dtype = {"f32": torch.float32, "f64": torch.float64}[kind]
        flat = _flat_numbers(state, batch, dtype)
        for term, value in recorded.items():
            scale = 0.0
            if match := re.fullmatch(
                r"(total|curvatures_range|fusenet1_weight_grad_absmax)_(Hyper-.+)", term
            ):
                numbers = _framework_numbers(match[2], state, batch, dtype)
                numbers["curvatures_range"] = torch.stack(numbers["curv"].aminmax())
                own = numbers[match[1].replace("fusenet1_weight_grad", "grad_fusenet_w")]
                # a gradient that is zero but for rounding, ours and the recorded one: against the loss
                scale = float(numbers["total"]) if "grad" in match[1] else 0.0
            elif term.startswith("max_"):
                continue
            else:
                own = flat[term]
            yield _row(
                path, f"{kind} {term}", own, value, scale=scale, kind=str(dtype).removeprefix("torch.")
            )


def _flat_numbers(state: Mapping[str, Tensor], batch: Arrays, dtype: torch.dtype) -> dict[str, Tensor]:
    """The flat alignment loss (k = 0) beside L_avca, and what each contributes to the encoders' gradient."""
    model, triplets = _model(state, dtype).train(), _batch(batch, dtype)
    e = model(*triplets, replay=True)
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


_CHECKS: Mapping[str, Callable[[Path, Mapping[str, Tensor], Arrays], Iterator[Row]]] = {
    r"forward_(eval|train)_f(32|64)\.npz": _forward,
    r"grads_train_f(32|64)\.npz": _gradients,
    r"steps\d+_f(32|64)\.npz": _steps,
    r"align_f(32|64)\.npz": _alignment,
    r"metrics\.npz": _metrics,
    r"delta\.npz": _delta,
    r"sampler\.json": _sampler,
    r"dropout_seq\.json": _masks,
    r"invariance\.json": _invariance,
}
