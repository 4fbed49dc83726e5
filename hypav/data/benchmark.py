"""What is published about the AVCA benchmark's three data sets: counts, dimensions, and how names are looked up.

Mercea et al., Audio-visual generalised zero-shot learning with cross-modal attention and language, CVPR 2022;
github.com/ExplainableML/AVCA-GZSL.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from hypav.data.features import SPLITS

__all__ = ["FEATURE_DIMS", "KINDS", "PUBLISHED", "Published", "fold", "vectors_name"]

KINDS = ("main", "cls")
# (audio, video, text): SeLaVi and SeLaVi; VGGish and C3D; fastText
FEATURE_DIMS: Mapping[str, tuple[int, int, int]] = {"main": (512, 512, 300), "cls": (128, 4096, 300)}


class Published(NamedTuple):
    """A published set: its class count, and (classes, samples) of each of SPLITS; the last with cls features."""

    name: str
    classes: int
    counts: tuple[tuple[int, int], ...]
    unseen_cls: tuple[int, int]

    def expected(self, features: str) -> dict[str, tuple[int, int]]:
        """(classes, samples) of each split with "main" or "cls" features."""
        last = self.counts[-1] if features == "main" else self.unseen_cls
        return dict(zip(SPLITS, (*self.counts[:-1], last), strict=True))


# Counted from the benchmark's tables; VGGSound's stage_1_train samples are as the AVCA paper states them (Table 1).
PUBLISHED: Mapping[str, Published] = {
    "ucf": Published("UCF-GZSL", 101, ((30, 3174), (30, 353), (12, 1467), (42, 555), (9, 1267)), (6, 845)),
    "activitynet": Published(
        "ActivityNet-GZSL", 200, ((99, 9204), (99, 1023), (51, 4307), (150, 1615), (50, 4199)), (48, 4052)
    ),
    "vggsound": Published(
        "VGGSound-GZSL", 309, ((138, 70351), (138, 7817), (69, 3102), (207, 9032), (69, 3450)), (64, 3200)
    ),
}


def fold(dataset: str, name: str) -> str:
    """The key that a class name is looked up by: the released loader ignores case in UCF and ActivityNet."""
    return name.lower() if dataset.lower() in ("ucf", "activitynet") else name


def vectors_name(dataset: str) -> str:
    """The file name of the word vectors; the released one shortens activitynet."""
    short = "activity" if dataset.lower() == "activitynet" else dataset
    return f"word_embeddings_{short}_normed.npy"
