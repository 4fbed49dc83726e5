"""Features: four doors (simulated, yt8m-mini, official folders, your arrays) that all end in a FeatureSet."""

from hypav.data.batches import TripletBatch, TripletSampler, make_batch, sampling_weights
from hypav.data.features import PHASES, SPLITS, FeatureSet, Phase

__all__ = [
    "PHASES",
    "SPLITS",
    "FeatureSet",
    "Phase",
    "TripletBatch",
    "TripletSampler",
    "make_batch",
    "sampling_weights",
]
