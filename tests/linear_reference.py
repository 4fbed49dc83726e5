"""ESZSL on the real set yt8m-mini: S, U, HM, ZSL in per cent, all choices made on val and one test."""

from __future__ import annotations

from hypav.data.features import FeatureSet
from hypav.eszsl import Ridge, eszsl_reference
from hypav.evaluation import Metrics

YT8M_MINI_REFERENCE = {
    "audio": (20.1, 24.1, 21.9, 29.5),
    "video": (55.8, 28.5, 37.7, 32.1),
    "both": (57.4, 38.2, 45.9, 41.9),
}


def linear_reference(data: FeatureSet, modality: str) -> tuple[Metrics, Ridge]:
    reference = eszsl_reference(data, modality)
    return reference.metrics, reference.ridge
