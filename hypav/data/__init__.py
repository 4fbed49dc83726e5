"""Features: four doors (simulated, yt8m-mini, official folders, your arrays) that all end in a FeatureSet."""

from hypav.data.arrays import from_arrays, load_npz, save_npz, split_by_class
from hypav.data.batches import TripletBatch, TripletSampler, make_batch, sampling_weights
from hypav.data.features import PHASES, SPLITS, FeatureSet, Phase
from hypav.data.official import read_official
from hypav.data.official_write import write_official
from hypav.data.wordvectors import read_word_vectors, write_word_vectors

__all__ = [
    "PHASES",
    "SPLITS",
    "FeatureSet",
    "Phase",
    "TripletBatch",
    "TripletSampler",
    "from_arrays",
    "load_npz",
    "make_batch",
    "read_official",
    "read_word_vectors",
    "sampling_weights",
    "save_npz",
    "split_by_class",
    "write_official",
    "write_word_vectors",
]
