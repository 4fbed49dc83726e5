"""Small inputs with which the rows of the ledger are looked at, and formulas written out a second time."""

from __future__ import annotations

from typing import Any

import torch
from torch import Generator, Tensor

from hypav.alignment import AlignmentConfig, alignment_loss
from hypav.avca import AVCAConfig, Embeddings
from hypav.data.batches import TripletBatch

__all__ = [
    "CURVATURES",
    "DIM",
    "SETS",
    "XI",
    "N",
    "batch_of",
    "close",
    "cosines",
    "embeddings",
    "loss_of",
    "phi_pair",
    "small_network",
]

SETS = tuple(
    (f"{name}-GZSL", kind) for kind in ("main", "cls") for name in ("VGGSound", "UCF", "ActivityNet")
)
N, DIM, XI = 12, 20, 1e-3
CURVATURES = (-5.0, -1.0, -0.5, -0.2, -0.1, -0.01, 0.0, 0.2, 1.0)


def phi_pair(seed: int = 0) -> tuple[Tensor, Tensor]:
    """phi_v and phi_a (N, DIM) as an encoder gives them: not negative, about 12 long, so that nearly all are clipped."""
    g = Generator().manual_seed(seed)
    return tuple(4 * torch.randn(N, DIM, generator=g, dtype=torch.float64).relu() for _ in range(2))  # type: ignore[return-value]


def loss_of(config: AlignmentConfig, k: float | Tensor = -0.2, seed: int = 0) -> Tensor:
    phi_v, phi_a = phi_pair(seed)
    return alignment_loss(phi_v, phi_a, torch.as_tensor(k, dtype=torch.float64).reshape(-1, 1), config)


def cosines(x: Tensor) -> Tensor:
    length = x.pow(2).sum(1, keepdim=True).sqrt()
    return (x / length) @ (x / length).T


def embeddings(seed: int = 0) -> Embeddings:
    pair, negative = phi_pair(seed), phi_pair(seed + 1)
    named = dict.fromkeys(Embeddings._fields, pair[0])
    named |= {"phi_v": pair[0], "phi_a": pair[1], "phi_v_neg": negative[0], "phi_a_neg": negative[1]}
    return Embeddings(**named)


def close(a: Any, b: Any, tolerance: float = 1e-12) -> bool:
    a, b = (torch.as_tensor(value, dtype=torch.float64) for value in (a, b))
    return bool(((a - b).abs() <= tolerance * b.abs().clamp_min(1e-300)).all())


def small_network(**changes: Any) -> AVCAConfig:
    sizes = {"dim_audio": 6, "dim_video": 7, "dim_text": 5, "dim_phi": 8, "dim_theta": 4}
    return AVCAConfig(
        **{**sizes, "hidden_enc": 9, "hidden_proj": 9, "heads": 2, "head_dim": 3, "dim_mlp": 4, **changes}
    )


def batch_of(network: AVCAConfig) -> TripletBatch:
    g = Generator().manual_seed(3)
    dims = (network.dim_audio, network.dim_video, network.dim_text) * 2
    return TripletBatch(*(torch.randn(10, dim, generator=g, dtype=torch.float32) for dim in dims))
