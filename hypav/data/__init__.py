"""Features: four doors (simulated, yt8m-mini, official folders, your arrays) that all end in a FeatureSet."""

from hypav.data.batches import TripletBatch, TripletSampler, make_batch, sampling_weights
from hypav.data.features import PHASES, SPLITS, FeatureSet, Phase
from hypav.data.wordvectors import read_word_vectors, write_word_vectors

__all__ = [
    "PHASES",
    "SPLITS",
    "FeatureSet",
    "Phase",
    "TripletBatch",
    "TripletSampler",
    "make_batch",
    "read_word_vectors",
    "sampling_weights",
    "write_word_vectors",
]
