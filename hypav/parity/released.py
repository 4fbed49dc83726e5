"""The released model from its recorded weights: sizes, frameworks, curvatures c (positive there: k = -c)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from hypav.alignment import Adaptive, AdaptiveCurvature, Alignment, AlignmentConfig, preset
from hypav.avca import AVCA, AVCAConfig, load_official_state
from hypav.data.batches import TripletBatch
from hypav.parity.records import Arrays
from hypav.training import Learner, RunConfig, TrainConfig

__all__ = [
    "batch_of",
    "dtype_of",
    "framework",
    "learner_of",
    "load_curvature_layer",
    "model_of",
    "network_of",
    "released_k",
]


def network_of(state: Mapping[str, Tensor], momentum: float = 0.1, **rates: float) -> AVCAConfig:
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
    """The alignment and batch-norm momentum of a recorded name, e.g. Hyper-multiple_c0.4_n3_mom0.1."""
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


def load_curvature_layer(alignment: Alignment, state: Mapping[str, Tensor]) -> None:
    """The first N_c rows of the recorded layer: Hyper-single uses row 0 of it."""
    if isinstance(alignment.curvature, AdaptiveCurvature):
        layer, rows = alignment.curvature.layer, alignment.curvature.settings.N_c
        with torch.no_grad():
            layer.weight.copy_(state["fusenet1.weight"][:rows])
            layer.bias.copy_(state["fusenet1.bias"][:rows])


def learner_of(
    state: Mapping[str, Tensor], network: AVCAConfig, align: AlignmentConfig | None, dtype: torch.dtype
) -> Learner:
    name = "float32" if dtype == torch.float32 else "float64"
    config = RunConfig(network, TrainConfig(parity="official", dtype=name), align)  # type: ignore[arg-type]
    learner = Learner.fresh(config, torch.device("cpu"))
    load_official_state(learner.model, state)
    if learner.alignment is not None:
        load_curvature_layer(learner.alignment, state)
    return learner
