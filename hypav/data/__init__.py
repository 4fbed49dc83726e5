"""Features: four doors (simulated, yt8m-mini, official folders, your own arrays) that all end in a FeatureSet."""

from hypav.data.features import PHASES, SPLITS, FeatureSet, Phase

__all__ = ["PHASES", "SPLITS", "FeatureSet", "Phase"]
