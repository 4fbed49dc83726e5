"""The numbers that the simulated features copy from a real set: class tree in cosines, spread, cone, delta_rel, gap."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn.functional import normalize

from hypav.data.features import FeatureSet
from hypav.hyperbolicity import delta_rel

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


def set_statistics(data: FeatureSet, *, sample_size: int = 300, tries: int = 5) -> dict[str, float]:
    """The statistics of a set in float64; `<view>` is audio, video or text.

    - `<view>_cosine_<level>`: `tree_cosines` of the class means (text: of the class vectors), if the set has groups.
    - `<view>_spread` (not text): variance between classes / total variance, in [0, 1].
    - `<view>_delta_rel`: 2 delta / diameter in Euclidean distance (Khrulkov et al., CVPR 2020), delta at a
      fixed base point; the mean of `tries` draws of `sample_size` rows.
    - `<view>_cone`: length of the mean of all rows scaled to length 1: 0 is no cone, 1 a single direction.
    - `modality_gap`: distance of that mean of audio from that of video (Liang et al., NeurIPS 2022), if the two have
      the same dimension.
    """
    rng = torch.Generator().manual_seed(0)
    used = torch.unique(data.label)
    values: dict[str, float] = {}
    for view, table in (("audio", data.audio), ("video", data.video), ("text", data.text[used])):
        rows = table.double()
        means = rows if view == "text" else class_means(rows, data.label)
        if data.groups and data.super_groups:
            groups, supers = ([names[c] for c in used.tolist()] for names in (data.groups, data.super_groups))
            for level, cosine in tree_cosines(means, groups, supers).items():
                values[f"{view}_cosine_{level}"] = cosine
        if view != "text":
            between = means[torch.unique(data.label, return_inverse=True)[1]] - rows.mean(dim=0)
            total = (rows - rows.mean(dim=0)).square().sum()
            values[f"{view}_spread"] = float(between.square().sum() / total)
        deltas = []
        for _ in range(tries):
            sample = rows[torch.randperm(len(rows), generator=rng)[:sample_size]]
            deltas.append(delta_rel(sample).delta_rel)
        values[f"{view}_delta_rel"] = sum(deltas) / tries
        values[f"{view}_cone"] = float(_centre(rows).norm())
    if data.dim_audio == data.dim_video:
        values["modality_gap"] = float((_centre(data.audio.double()) - _centre(data.video.double())).norm())
    return values


def class_means(rows: Tensor, label: Tensor) -> Tensor:
    """The mean row (C', D) of each class that has samples, by increasing class id."""
    ids, position = torch.unique(label, return_inverse=True)
    sums = rows.new_zeros(len(ids), rows.shape[1]).index_add_(0, position, rows)
    return sums / torch.bincount(position)[:, None]


def tree_cosines(means: Tensor, groups: list[str], super_groups: list[str]) -> dict[str, float]:
    """Mean cosine of two rows of `means` (C, D), centred first, by what the two share.

    The keys are "within_group" (same group), "between_groups" (same super-group, different groups) and
    "between_super_groups"; a level without a pair of classes is left out.
    """
    unit = normalize(means - means.mean(dim=0), dim=1)
    cosine = unit @ unit.T
    above = _same(super_groups)
    within = _same(groups) & above
    levels = {"within_group": within, "between_groups": above & ~within, "between_super_groups": ~above}
    pairs = torch.ones_like(above).triu(diagonal=1)
    return {
        level: float(cosine[mask & pairs].mean()) for level, mask in levels.items() if (mask & pairs).any()
    }


def _same(names: list[str]) -> Tensor:
    code = torch.tensor([names.index(name) for name in names])
    return code[:, None] == code


def _centre(rows: Tensor) -> Tensor:
    return normalize(rows, dim=1).mean(dim=0)
