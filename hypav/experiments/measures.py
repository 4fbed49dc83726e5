"""A run's result as the numbers of its record, and the version of what trains and measures a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from hypav.data.features import FeatureSet
from hypav.evaluation import class_distances, per_class_recall
from hypav.hyperbolicity import covariance_matched_null, gaussian_null, sampled_delta_rel
from hypav.training import RunConfig, RunResult, embed_phase

__all__ = ["NUMERICS_VERSION", "Measures", "measure"]

# Runs are kept by it. Raise it when the same configuration gives other numbers: tests/test_golden_run.py tells.
NUMERICS_VERSION = "005af793418a"

NOISE_TRIES = 3  # a run; a table takes the mean over its seeds


@dataclass(frozen=True)
class Measures:
    """The columns of `records.Record` that a run's result fills. per_class: recall by class name."""

    S: float
    U: float
    HM: float
    ZSL: float
    beta: float
    val_HM: float
    best_epoch: int
    delta_rel: float | None
    delta_noise: float | None
    delta_covariance: float | None
    per_class: Mapping[str, float]
    history: list[dict[str, Any]]


def measure(data: FeatureSet, config: RunConfig, result: RunResult, *, delta: bool) -> Measures:
    """What the record says of a result.

    Args:
        delta: also delta_rel of theta_v on test, as Table 7, beside that of two kinds of noise.
    """
    test = data.phase("test").to(dtype=getattr(torch, config.train.dtype))
    _, theta_v, theta_w = embed_phase(result.model.cpu(), test)
    distances = class_distances(theta_v, theta_w)
    metrics = result.metrics
    recall = per_class_recall(distances, test.label, test.classes, test.seen, test.unseen, metrics.beta)
    names = [data.class_names[i] for i in test.classes.tolist()]
    own, noise, alike = _deltas(theta_v, config.seed) if delta else (None, None, None)
    return Measures(
        S=metrics.S,
        U=metrics.U,
        HM=metrics.HM,
        ZSL=metrics.ZSL,
        beta=metrics.beta,
        val_HM=result.val.HM,
        best_epoch=result.best_epoch,
        delta_rel=own,
        delta_noise=noise,
        delta_covariance=alike,
        per_class=dict(zip(names, recall.tolist(), strict=True)),
        history=result.history,
    )


def _deltas(theta_v: torch.Tensor, seed: int) -> tuple[float, float, float]:
    """delta_rel of theta_v (N, D), of Gaussian noise of as many points and dimensions, of noise with its covariance."""
    own = sampled_delta_rel(theta_v, generator=torch.Generator().manual_seed(seed))
    stream = torch.Generator().manual_seed(seed)
    noise = gaussian_null(own.n, theta_v.shape[1], generator=stream, tries=NOISE_TRIES)
    alike = covariance_matched_null(theta_v, generator=stream, size=own.n, tries=NOISE_TRIES)
    return own.delta_rel, noise.delta_rel, alike.delta_rel
