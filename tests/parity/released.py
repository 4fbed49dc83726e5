"""The released training step, and the released model from its recorded weights. Its c is positive: k = -c.

The released step makes passes whose results it never uses; they move batch norms and random streams. It draws dropout
masks by bernoulli_, and its optimiser does not hold the positional embedding.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Generator, Tensor

from hypav.alignment import Adaptive, AdaptiveCurvature, Alignment, AlignmentConfig, preset
from hypav.avca import AVCA, AVCAConfig, Embeddings, Masks, load_official_state, official_name
from hypav.data.batches import TripletBatch
from hypav.losses import avca_terms
from hypav.training import Learner, RunConfig, TrainConfig, losses

from .records import Arrays


class ReleasedMasks(Masks):
    """Masks by torch's bernoulli_, as in nn.Dropout."""

    def keep(self, like: Tensor, rate: float) -> tuple[Tensor, float]:
        return torch.empty_like(like).bernoulli_(1 - rate, generator=self.generator), 1 / (1 - rate)


def released_forward(model: AVCA, batch: TripletBatch, generator: Generator | None = None) -> Embeddings:
    """The released forward. The order of the calls fixes the order of dropout masks and of batch-norm updates."""
    m = None if generator is None else ReleasedMasks(generator)
    audio, video, text, audio_neg, video_neg, text_neg = batch
    phi_a, phi_v = model.encode_a(audio, m), model.encode_v(video, m)
    phi_a_neg, phi_v_neg = model.encode_a(audio_neg, m), model.encode_v(video_neg, m)
    theta_w, theta_w_neg = model.project_w(text, m), model.project_w(text_neg, m)
    rho_w = model.decode(theta_w, m)
    model.decode(theta_w_neg, m)
    phi_a_att, phi_v_att = model.attend(phi_a, phi_v, m)
    phi_a_att_neg, phi_v_att_neg = model.attend(phi_a_neg, phi_v_neg, m)
    theta_v, theta_v_neg = model.project_v(phi_v_att, m), model.project_v(phi_v_att_neg, m)
    theta_a, theta_a_neg = model.project_a(phi_a_att, m), model.project_a(phi_a_att_neg, m)
    phi_v_rec, phi_a_rec = model.reconstruct_v(theta_v, m), model.reconstruct_a(theta_a, m)
    model.project_a(phi_a_rec, m)
    model.project_v(phi_v_rec, m)
    rho_a, rho_a_neg = model.decode(theta_a, m), model.decode(theta_a_neg, m)
    rho_v, rho_v_neg = model.decode(theta_v, m), model.decode(theta_v_neg, m)
    return Embeddings(
        phi_a, phi_v, phi_a_neg, phi_v_neg, phi_a_att, phi_v_att, phi_a_att_neg, phi_v_att_neg,
        theta_a, theta_v, theta_w, theta_a_neg, theta_v_neg, theta_w_neg,
        rho_a, rho_v, rho_w, rho_a_neg, rho_v_neg, phi_a_rec, phi_v_rec,
    )  # fmt: skip


def released_learner(config: RunConfig) -> Learner:
    """A fresh learner whose optimiser does not hold the positional embedding."""
    learner = Learner.fresh(config, torch.device("cpu"))
    learned = [p for name, p in learner.model.named_parameters() if name != "positional"]
    learned += [] if learner.alignment is None else learner.alignment.parameters()
    learner.optimizer = torch.optim.Adam(learned, lr=config.train.lr, weight_decay=config.train.weight_decay)
    return learner


def released_step(learner: Learner, batch: TripletBatch) -> dict[str, Tensor]:
    """As `hypav.training.train_step`, and then one more pass, whose result is not used."""
    model = learner.model.train()
    e = released_forward(model, batch, learner.masks)
    report = losses(avca_terms(e, batch.text), learner.alignment, e)
    learner.optimizer.zero_grad()
    report["total"].backward()
    learner.optimizer.step()
    m = ReleasedMasks(learner.masks)
    with torch.no_grad():
        phi_a, phi_v = model.encode_a(batch.audio, m), model.encode_v(batch.video, m)
        model.project_w(batch.text, m)
        phi_a_att, phi_v_att = model.attend(phi_a, phi_v, m)
        model.project_v(phi_v_att, m)
        model.project_a(phi_a_att, m)
    return {name: value.detach() for name, value in report.items()}


def official_state(model: AVCA) -> dict[str, Tensor]:
    """The model's weights and buffers under the released key names."""
    return {official_name(name, model): tensor for name, tensor in model.state_dict().items()}


# the recorded model


def network_of(state: Mapping[str, Tensor], momentum: float = 0.1, **rates: float) -> AVCAConfig:
    """The sizes of a released state_dict, without dropout unless rates are given."""

    def size(key: str, axis: int = 0) -> int:
        return int(state[key].shape[axis]) if key in state else 0

    heads = 3
    return AVCAConfig(
        dim_audio=size("A_enc.fc.0.weight", 1),
        dim_video=size("V_enc.fc.0.weight", 1),
        dim_text=size("W_proj.fc.0.weight", 1),
        dim_phi=size("pos_emb1D", 1),
        dim_theta=size("W_proj.fc.0.weight"),
        hidden_enc=size("A_enc.fc.0.weight") if "A_enc.fc.4.weight" in state else 0,
        hidden_proj=size("A_proj.fc.0.weight") if "A_proj.fc.4.weight" in state else 0,
        momentum=momentum,
        heads=heads,
        head_dim=size("cross_attention.layers.0.0.fn.to_qkv.weight") // (3 * heads),
        dim_mlp=size("cross_attention.layers.0.1.fn.net.0.weight"),
        **({"dropout_enc": 0.0, "dropout_proj": 0.0, "dropout_dec": 0.0} | rates),
    )


def model_of(state: Mapping[str, Tensor], dtype: torch.dtype) -> AVCA:
    model = AVCA(network_of(state)).to(dtype)
    load_official_state(model, state)
    return model


def batch_of(batch: Arrays, dtype: torch.dtype) -> TripletBatch:
    names = ("audio", "video", "w", "audio_neg", "video_neg", "w_neg")
    return TripletBatch(*(torch.from_numpy(batch[name]).to(dtype) for name in names))


def dtype_of(path: Path) -> torch.dtype:
    return torch.float32 if "_f32" in path.stem else torch.float64


def released_k(c: float, dtype: torch.dtype) -> Tensor:
    """k of a released c, which passes through float32 on its way into the released maps."""
    return -torch.tensor(c, dtype=torch.float32).to(dtype)


def framework(name: str) -> tuple[AlignmentConfig | None, float | None]:
    """The alignment and the batch-norm momentum of a recorded name, e.g. Hyper-multiple_c0.4_n3_mom0.1."""
    match = re.fullmatch(r"(AVCA|Hyper-\w+)_c([\d.e-]+)_n(\d+)(?:_mom([\d.]+))?", name)
    if match is None:
        raise ValueError(f"unknown framework {name!r}")
    method, c, n, momentum = match[1], float(match[2]), int(match[3]), match[4]
    config: AlignmentConfig | None = None
    if method == "Hyper-alignment":
        config = preset("released", curvatures=(float(released_k(c, torch.float64)),))
    elif method != "AVCA":
        config = preset("released", curvatures=Adaptive(N_c=max(n, 1), c_0=-c))
    return config, float(momentum) if momentum else None


def load_curvature_layer(alignment: Alignment | None, state: Mapping[str, Tensor]) -> None:
    """Copy the first N_c rows of the recorded layer; Hyper-single uses its row 0."""
    if alignment is not None and isinstance(alignment.curvature, AdaptiveCurvature):
        layer, rows = alignment.curvature.layer, alignment.curvature.settings.N_c
        with torch.no_grad():
            layer.weight.copy_(state["fusenet1.weight"][:rows])
            layer.bias.copy_(state["fusenet1.bias"][:rows])


def learner_of(
    state: Mapping[str, Tensor], network: AVCAConfig, align: AlignmentConfig | None, dtype: torch.dtype
) -> Learner:
    """A released learner with the recorded weights."""
    name = "float32" if dtype == torch.float32 else "float64"
    learner = released_learner(RunConfig(network, TrainConfig(dtype=name), align))  # type: ignore[arg-type]
    load_official_state(learner.model, state)
    load_curvature_layer(learner.alignment, state)
    return learner
