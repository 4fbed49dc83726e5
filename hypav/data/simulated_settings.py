"""What the simulated door draws: how many of everything (COUNTS), and the constants of each view (VIEWS).

`hypav.data.simulated` has the equations. VIEWS was tuned by hand until `simulated("yt8m-mini")` came within a
fifth of the real set's statistics (cosines near 0: within 0.02) and of what a linear reference reaches there in
S, U, HM and ZSL, as means of the seeds 0, 1 and 2. One draw may be further off.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["COUNTS", "VIEWS", "Counts", "View"]


@dataclass(frozen=True)
class Counts:
    """How many of everything: the class tree, the GZSL roles, the samples of each split and the dimensions.

    Args:
        title: what tables call the set, after the word SIMULATED.
        tree: for each super-group the number of classes of each of its groups.
        val_unseen, test_unseen: numbers of classes; all others are seen in stage 1.
        samples: numbers of samples in the order of SPLITS.
        dim_audio, dim_video, dim_text: D_a, D_v, D_w.
        modelled_on: the published set that has these counts.
    """

    title: str
    tree: tuple[tuple[int, ...], ...]
    val_unseen: int
    test_unseen: int
    samples: tuple[int, int, int, int, int]
    dim_audio: int
    dim_video: int
    dim_text: int
    modelled_on: tuple[str, str] | None = None

    @property
    def name(self) -> str:
        """Of the set, as tables call it."""
        return f"SIMULATED ({self.title})"

    @property
    def classes(self) -> int:
        return sum(map(sum, self.tree))


@dataclass(frozen=True)
class View:
    """The constants of one view m in Eq. 1-4 of `hypav.data.simulated`. Text uses the first five only.

    Args:
        levels: v^m_l for super-group, group and class.
        agreement: rho^m_l for super-group, group and class.
        unevenness: standard deviation of log a^m_c: how much classes differ in how well the view tells them.
        offset: o_m, length of the view's mean beside class positions of about length 1.
        noise: tau_m, length of the noise.
        instance: omega_m, length of a sample's own latent deviation.
        gain: standard deviation of log gamma^m_i.
        std: s_m, root mean square of one feature.
    """

    levels: tuple[float, float, float]
    agreement: tuple[float, float, float] = (1.0, 1.0, 1.0)
    unevenness: float = 0.0
    offset: float = 0.0
    noise: float = 0.0
    instance: float = 0.0
    gain: float = 0.0
    std: float = 1.0

    @property
    def length(self) -> float:
        """Root mean square length of gamma times the bracket of Eq. 4."""
        inside = self.offset**2 + 1.0 + self.instance**2 + self.noise**2
        return math.sqrt(inside * math.exp(2 * self.gain**2))


_UCF_TREE = ((3, 3, 3),) * 3 + ((3, 3),) * 4
COUNTS: Mapping[str, Counts] = {
    "ucf-gzsl": Counts(
        "UCF-GZSL counts",
        _UCF_TREE,
        12,
        9,
        (3174, 353, 1467, 555, 1267),
        512,
        512,
        300,
        modelled_on=("UCF-GZSL", "main"),
    ),
    "ucf-gzsl-cls": Counts(
        "UCF-GZSL counts, cls",
        ((3, 3, 2),) * 3 + ((3, 3),) * 4,
        12,
        6,
        (3174, 353, 1467, 555, 845),
        128,
        4096,
        300,
        modelled_on=("UCF-GZSL", "cls"),
    ),
    "yt8m-mini": Counts(
        "yt8m-mini counts",
        ((10,), (7,), (4, 11, 7), (2, 4, 3, 1, 5, 4), (6,), (9, 6, 12, 6), (12,)),
        28,
        28,
        (1437, 182, 844, 276, 995),
        128,
        1024,
        384,
    ),
    "small": Counts("small", ((4, 4), (4, 3), (5,)), 5, 4, (220, 40, 80, 50, 70), 24, 32, 16),
}

VIEWS: Mapping[str, View] = {
    "audio": View(
        levels=(0.11, 0.10, 0.79),
        agreement=(1.0, 1.0, 0.42),
        unevenness=0.65,
        offset=0.17,
        noise=0.75,
        instance=1.9,
        gain=0.38,
        std=0.719,
    ),
    "video": View(
        levels=(0.04, 0.12, 0.84),
        agreement=(0.33, 0.33, 0.33),
        offset=0.13,
        noise=1.88,
        instance=1.25,
        gain=0.43,
        std=0.493,
    ),
    "text": View(levels=(0.18, 0.13, 0.69), offset=0.68, noise=0.68),
}
