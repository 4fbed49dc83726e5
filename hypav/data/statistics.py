"""What a FeatureSet looks like in a few numbers: its class tree in cosines, its spread, its gap, its delta_rel.

The simulated door is set by these numbers of a real set; of a new set they say what a hierarchy could bring.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn.functional import normalize

from hypav.data.features import FeatureSet
from hypav.errors import DataError
from hypav.hyperbolicity import gromov_delta

__all__ = ["YT8M_MINI_STATISTICS", "class_means", "set_statistics", "tree_cosines"]


# Measured on the real set yt8m-mini (YouTube-8M 2018, video level, Google LLC, CC BY 4.0; subset, regrouped).
YT8M_MINI_STATISTICS: Mapping[str, float] = {
    "audio_cosine_within_group": 0.2330,
    "audio_cosine_between_groups": 0.0911,
    "audio_cosine_between_super_groups": -0.0355,
    "audio_spread": 0.1934,
    "audio_delta_rel": 0.1935,
    "audio_cone": 0.0783,
    "video_cosine_within_group": 0.1085,
    "video_cosine_between_groups": 0.0072,
    "video_cosine_between_super_groups": -0.0187,
    "video_spread": 0.1666,
    "video_delta_rel": 0.1129,
    "video_cone": 0.0554,
    "text_cosine_within_group": 0.1796,
    "text_cosine_between_groups": 0.0779,
    "text_cosine_between_super_groups": -0.0369,
    "text_delta_rel": 0.2503,
    "text_cone": 0.4922,
}


def set_statistics(
    data: FeatureSet, *, generator: torch.Generator | None = None, sample_size: int = 300, tries: int = 5
) -> dict[str, float]:
    """The numbers that describe a set, taken in float64; `<view>` is audio, video or text.

    - `<view>_cosine_<level>`: `tree_cosines` of the class means (text: of the class vectors); only where the
      set names groups and super-groups.
    - `<view>_spread` (not text): variance between classes / total variance, in [0, 1].
    - `<view>_delta_rel`: 2 delta / diameter in Euclidean distance (Khrulkov et al., CVPR 2020), delta at a
      fixed base point; the mean of `tries` draws of `sample_size` rows (all rows, where there are fewer).
    - `<view>_cone`: length of the mean of all rows scaled to length 1: 0 is no cone, 1 a single direction.
    - `modality_gap`: distance of the audio's such mean to the video's (Liang et al., NeurIPS 2022); only where
      the two have the same dimension, since otherwise they share no space.

    Args:
        generator: draws the rows for delta_rel; without one, a generator of seed 0.

    Raises:
        DataError: where a view has fewer than four rows.
    """
    rng = torch.Generator().manual_seed(0) if generator is None else generator
    used = torch.unique(data.label)
    found: dict[str, float] = {}
    for view, table in (("audio", data.audio), ("video", data.video), ("text", data.text[used])):
        rows = table.double()
        means = rows if view == "text" else class_means(rows, data.label)
        if data.groups and data.super_groups:
            names = [(data.super_groups[c], data.groups[c]) for c in used.tolist()]
            cosines = tree_cosines(means, [group for _, group in names], [above for above, _ in names])
            found.update({f"{view}_cosine_{level}": cosine for level, cosine in cosines.items()})
        if view != "text":
            found[f"{view}_spread"] = _spread(rows, data.label)
        found[f"{view}_delta_rel"] = _delta_rel(rows, rng, sample_size, tries)
        found[f"{view}_cone"] = float(_centre(rows).norm())
    if data.dim_audio == data.dim_video:
        found["modality_gap"] = float((_centre(data.audio.double()) - _centre(data.video.double())).norm())
    return found


def class_means(rows: Tensor, label: Tensor) -> Tensor:
    """The mean row (C', D) of each class that has samples, by increasing class id."""
    ids, position = torch.unique(label, return_inverse=True)
    sums = rows.new_zeros(len(ids), rows.shape[1]).index_add_(0, position, rows)
    return sums / torch.bincount(position)[:, None]


def tree_cosines(means: Tensor, groups: list[str], super_groups: list[str]) -> dict[str, float]:
    """Mean cosine of two rows of `means` (C, D), the mean of all rows taken off first, by what the two share.

    Returns:
        "within_group" (one group), "between_groups" (one super-group, two groups) and "between_super_groups";
        a level that no two classes are on is left out.

    Raises:
        DataError: where the names are not one a row.
    """
    if not len(means) == len(groups) == len(super_groups):
        raise DataError(
            f"{len(means)} class means, {len(groups)} groups and {len(super_groups)} super-groups; "
            "name the two for each class."
        )
    unit = normalize(means - means.mean(dim=0), dim=1)
    cosine = unit @ unit.T
    above = _same(super_groups)
    within = _same(groups) & above
    levels = {"within_group": within, "between_groups": above & ~within, "between_super_groups": ~above}
    pair = torch.ones_like(above).triu(diagonal=1)
    return {
        level: float(cosine[mask & pair].mean())
        for level, mask in levels.items()
        if bool((mask & pair).any())
    }


def _same(names: list[str]) -> Tensor:
    code = torch.tensor([names.index(name) for name in names])
    return code[:, None] == code


def _spread(rows: Tensor, label: Tensor) -> float:
    """Variance between classes / total variance: the classes' squared distance from the mean, a sample each."""
    position = torch.unique(label, return_inverse=True)[1]
    mean = rows.mean(dim=0)
    between = (class_means(rows, label)[position] - mean).square().sum()
    return float(between / (rows - mean).square().sum())


def _centre(rows: Tensor) -> Tensor:
    return normalize(rows, dim=1).mean(dim=0)


def _delta_rel(rows: Tensor, rng: torch.Generator, sample_size: int, tries: int) -> float:
    values = []
    for _ in range(tries):
        sample = rows[torch.randperm(len(rows), generator=rng)[:sample_size]]
        distance = torch.cdist(sample, sample, compute_mode="donot_use_mm_for_euclid_dist")
        values.append(2 * float(gromov_delta(distance)) / float(distance.max()))
    return sum(values) / len(values)
