"""Features with zero-shot splits: simulated, YouTube-8M, the AVCA benchmark's folders, or your own arrays."""

from hypav.data.batches import TripletBatch, TripletSampler, make_batch, sampling_weights
from hypav.data.features import (
    PHASES,
    SPLITS,
    FeatureSet,
    Phase,
    describe,
    from_arrays,
    load_npz,
    save_npz,
    split_by_class,
)
from hypav.data.official import read_official
from hypav.data.vectors import read_word_vectors
from hypav.data.verify import verify
from hypav.data.yt8m import read_yt8m
from hypav.data.yt8m_build import build_yt8m

__all__ = [
    "PHASES",
    "SPLITS",
    "FeatureSet",
    "Phase",
    "TripletBatch",
    "TripletSampler",
    "build_yt8m",
    "describe",
    "from_arrays",
    "load_npz",
    "make_batch",
    "read_official",
    "read_word_vectors",
    "read_yt8m",
    "sampling_weights",
    "save_npz",
    "split_by_class",
    "verify",
]
