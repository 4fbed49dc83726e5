"""The linear reference from end to end: ridges and beta chosen on val, one reading on test."""

from __future__ import annotations

import torch

from hypav.data.features import FeatureSet, Phase
from hypav.eszsl import Ridge, choose_ridge, eszsl_scores
from hypav.evaluation import Metrics, exact_optimum, gzsl


def best_on_val(scores: torch.Tensor, phase: Phase) -> Metrics:
    assert phase.name == "val"
    return exact_optimum(-scores, phase.label, phase.classes, phase.seen, phase.unseen)


def linear_reference(data: FeatureSet, modality: str) -> tuple[Metrics, Ridge]:
    """Stage 1: ridges and beta by HM on val. Stage 2: fit on train and val, read once on test."""
    ridge = choose_ridge(data, modality, lambda scores, phase: best_on_val(scores, phase).HM)
    val = data.phase("val")
    beta = best_on_val(eszsl_scores(data.phase("train"), val, modality, ridge), val).beta
    test = data.phase("test")
    scores = eszsl_scores(data.phase("train_val"), test, modality, ridge)
    return gzsl(-scores, test.label, test.classes, test.seen, test.unseen, beta), ridge
