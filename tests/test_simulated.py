"""Simulated features: their counts, their tree, their label, and statistics like those of the real set."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from dataclasses import replace

import pytest
import torch
from linear_reference import YT8M_MINI_REFERENCE, linear_reference
from set_statistics import YT8M_MINI_STATISTICS, class_means, set_statistics, tree_cosines

from hypav.data.features import SPLITS
from hypav.data.simulated import COUNTS, GRID, VIEWS, Counts, View, simulated
from hypav.data.yt8m import read_yt8m
from hypav.errors import SettingError
from hypav.eszsl import MODALITIES
from hypav.processors import PROCESSORS, available
from hypav.utils import normal

# classes / samples of each split: Table 1 of Mercea et al. (CVPR 2022) and the released split files; of yt8m-mini
EXPECTED = {
    "ucf-gzsl": ((30, 30, 12, 42, 9), (3174, 353, 1467, 555, 1267), (512, 512, 300), 51),
    "ucf-gzsl-cls": ((30, 30, 12, 42, 6), (3174, 353, 1467, 555, 845), (128, 4096, 300), 48),
    "yt8m-mini": ((53, 53, 28, 81, 28), (1437, 182, 844, 276, 995), (128, 1024, 384), 109),
}
DIGESTS = {
    "ucf-gzsl": "e861ef4574468fc1e1e0c42db9615a83",
    "ucf-gzsl-cls": "b1956273c108c22c84ca40be1cbe48ab",
    "yt8m-mini": "351316fdc7c7ed9cde2116c82ea5dd8b",
    "small": "1b1f704e75c92e564ca1f1d3d11c0d32",
}
DRAW = """
import json
from hypav.data.simulated import simulated
print(json.dumps({name: simulated(name).digest for name in ("ucf-gzsl", "small")}))
"""
KERNEL_VARIABLES = set().union(*(processor.environment for processor in PROCESSORS.values()))


@pytest.fixture(scope="module")
def ucf():
    return simulated()


@pytest.fixture(scope="module")
def mini():
    return simulated("yt8m-mini")


@pytest.mark.parametrize("name", EXPECTED)
def test_counts_are_the_real_sets(name):
    data = simulated(name)
    classes, samples, dims, total = EXPECTED[name]
    assert tuple(len(data.split_classes[split]) for split in SPLITS) == classes
    assert tuple(len(data.splits[split]) for split in SPLITS) == samples
    assert (data.dim_audio, data.dim_video, data.dim_text) == dims
    assert len(data.class_names) == total == COUNTS[name].classes
    assert (len(set(data.super_groups)), len(set(data.groups))) == (7, 17)
    assert torch.equal(data.split_classes["stage_1_train"], data.split_classes["stage_1_val_seen"])
    assert data.digest == DIGESTS[name]


def test_default_is_labelled_simulated(ucf):
    assert ucf.simulated
    assert ucf.name == "SIMULATED (UCF-GZSL counts)"
    assert ucf.source.startswith("SIMULATED")
    assert ucf.paper_key is None, "no number of the paper may be compared with simulated features"


def test_a_seed_fixes_the_set_whatever_the_global_state():
    state, dtype = torch.get_rng_state(), torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        assert simulated("small").digest == DIGESTS["small"]
    finally:
        torch.set_default_dtype(dtype)
    assert torch.equal(torch.get_rng_state(), state)
    assert simulated("small", seed=4).digest != DIGESTS["small"]


@pytest.mark.parametrize(
    "name", [name for name, processor in available().items() if processor.startup is None]
)
def test_every_processor_draws_the_same_bits(name):
    inherited = {key: value for key, value in os.environ.items() if key not in KERNEL_VARIABLES}
    environment = inherited | PROCESSORS[name].environment
    drawn = subprocess.check_output([sys.executable, "-c", DRAW], env=environment, text=True)
    assert json.loads(drawn) == {key: DIGESTS[key] for key in ("ucf-gzsl", "small")}


def test_features_are_multiples_of_the_grid(ucf):
    for table in (ucf.audio, ucf.video, ucf.text):
        steps = table / GRID  # exact, for GRID is a power of 2
        assert torch.equal(steps, steps.round())


@pytest.mark.parametrize("size", [16, 48 * 7, 1001])
def test_normal_numbers_are_torchs_to_the_rounding_of_float32(size):
    ours = normal(size, generator=torch.Generator().manual_seed(3))
    torchs = torch.randn(size, generator=torch.Generator().manual_seed(3), dtype=torch.float32)
    # torch rounds the angle to 5e-7 of a full turn's 2 pi, and a number may be as large as 5.8
    torch.testing.assert_close(ours.float(), torchs, rtol=1e-6, atol=4e-6)


def test_class_names_spell_the_tree(ucf):
    for name, group, above in zip(ucf.class_names, ucf.groups, ucf.super_groups, strict=True):
        assert name.startswith(group + ".class")
        assert group.startswith(above + ".group")
    assert list(ucf.class_names) == sorted(ucf.class_names), (
        "the benchmark's folders number classes in this order"
    )
    assert not any(set(name) & set("/\\:") for name in ucf.class_names), "class names become file names there"


@pytest.mark.parametrize("seed", range(3))
def test_every_super_group_gives_unseen_classes_in_proportion(seed):
    data = simulated("yt8m-mini", seed=seed)
    size = Counter(data.super_groups)
    for split, total in (("stage_2_test_unseen", 28), ("stage_1_val_unseen", 28)):
        here = Counter(data.super_groups[c] for c in data.split_classes[split].tolist())
        for name, classes in size.items():
            assert abs(here[name] - classes * total / 109) < 1.5, (split, name)


def test_class_sizes_vary_about_as_in_the_benchmark(ucf):
    """UCF-GZSL has 85 to 135 samples a class in stage_1_train."""
    sizes = torch.bincount(ucf.label[ucf.splits["stage_1_train"]])
    sizes = sizes[sizes > 0]
    assert 75 <= int(sizes.min()) < 95
    assert 115 < int(sizes.max()) <= 140


def test_text_has_unit_rows_and_features_the_real_scale(mini):
    # each number of a row is rounded by half a step of the grid at most
    torch.testing.assert_close(
        mini.text.norm(dim=1), torch.ones(109), rtol=0, atol=GRID / 2 * mini.dim_text**0.5
    )
    assert float(mini.audio.std()) == pytest.approx(VIEWS["audio"].std, rel=0.05)
    assert float(mini.video.std()) == pytest.approx(VIEWS["video"].std, rel=0.05)


def test_without_tree_and_offset_there_are_no_groups_and_no_modality_gap(ucf):
    flat = {name: replace(view, levels=(0.0, 0.0, 1.0), offset=0.0) for name, view in VIEWS.items()}
    flat, default = (set_statistics(data, sample_size=20, tries=1) for data in (simulated(views=flat), ucf))
    for view in ("audio", "video", "text"):
        assert abs(flat[f"{view}_cosine_within_group"]) < 0.05
        above = default[f"{view}_cosine_between_groups"]
        assert default[f"{view}_cosine_within_group"] > above + 0.03
        assert above > default[f"{view}_cosine_between_super_groups"] + 0.015
    # two draws from one view are 0.02 apart at this size
    assert flat["modality_gap"] < 0.03
    assert default["modality_gap"] > 0.08


def test_sound_and_picture_of_a_sample_go_together(mini):
    """The residuals' likeness within a class agrees between audio and video (0.16 in the real set)."""

    def likeness(rows, members):
        unit = torch.nn.functional.normalize(rows[members].double(), dim=1)
        unit = torch.nn.functional.normalize(unit - unit.mean(dim=0), dim=1)
        i, j = torch.triu_indices(len(unit), len(unit), 1)
        return (unit @ unit.T)[i, j]

    correlation = []
    for c in range(109):
        members = (mini.label == c).nonzero()[:, 0]
        pair = torch.stack([likeness(mini.audio, members), likeness(mini.video, members)])
        correlation.append(float(torch.corrcoef(pair)[0, 1]))
    assert sum(correlation) / 109 == pytest.approx(0.16, abs=0.04)


def test_other_counts_and_views():
    counts = Counts("mine", ((2, 3), (4,)), 2, 2, (40, 20, 12, 20, 12), 6, 6, 5)
    data = simulated(counts, views={**VIEWS, "audio": View((0.0, 0.0, 1.0), std=3.0)})
    assert data.name == "SIMULATED (mine)"
    means = class_means(data.audio, data.label)
    assert torch.allclose(data.audio, means[data.label], atol=1e-4), "no noise was asked for"


def test_wrong_counts_get_one_sentence():
    poor = replace(COUNTS["small"], samples=(220, 40, 80, 20, 70))
    unseen = replace(COUNTS["small"], val_unseen=15, test_unseen=5)
    for counts, views, part in [
        ("kinetics", VIEWS, "no counts 'kinetics'"),
        (poor, VIEWS, "too few for the 16 classes of stage_2_test_seen"),
        (unseen, VIEWS, "leave no seen class"),
        ("small", {"audio": VIEWS["audio"], "video": VIEWS["video"]}, "no constants for text"),
    ]:
        with pytest.raises(SettingError, match=part):
            simulated(counts, views=views)


def test_tree_cosines_of_a_known_tree():
    # two super-groups at right angles to the rest; the second has one group, so no pair between its groups
    means = torch.tensor([[1.0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 0, 1]], dtype=torch.float64)
    cosines = tree_cosines(means, ["a", "a", "b", "c", "c"], ["x", "x", "x", "y", "y"])
    unit = torch.nn.functional.normalize(means - means.mean(dim=0), dim=1)
    assert cosines["within_group"] == pytest.approx(1.0)
    assert cosines["between_groups"] == pytest.approx(float(unit[0] @ unit[2]))
    across = float((4 * unit[0] @ unit[3] + 2 * unit[2] @ unit[3]) / 6)
    assert cosines["between_super_groups"] == pytest.approx(across)


def test_spread_is_one_without_noise_and_near_zero_with_one_prototype():
    still = {**VIEWS, "audio": View((0.1, 0.1, 0.8)), "video": View((0.0, 0.0, 0.0), noise=1.0)}
    statistics = set_statistics(simulated("yt8m-mini", views=still), sample_size=10, tries=1)
    assert statistics["audio_spread"] == pytest.approx(1.0)
    assert statistics["video_spread"] < 0.05


def allowed(key: str, real: float) -> float:
    """20 % of the real figure; 0.02 for cosines so near 0 that a fifth of them is below their scatter over seeds."""
    return max(0.2 * abs(real), 0.02 if "cosine" in key else 0.0)


def test_statistics_are_within_a_fifth_of_the_real_sets(mini):
    assert not far_off(set_statistics(mini), YT8M_MINI_STATISTICS)


def far_off(values, real):
    assert set(values) == set(real)
    return {
        key: (values[key], real[key])
        for key in real
        if abs(values[key] - real[key]) > allowed(key, real[key])
    }


@pytest.mark.long
@pytest.mark.real_data
def test_simulated_and_real_set_side_by_side():
    """The recorded statistics are the real set's, and ESZSL does as well on both: means of three seeds."""
    if not os.environ.get("HYPAV_DATA"):
        pytest.skip("no real data")
    real = set_statistics(read_yt8m(os.environ["HYPAV_DATA"]))
    assert real == pytest.approx(dict(YT8M_MINI_STATISTICS), abs=2e-4)
    names = ("S", "U", "HM", "ZSL")
    for modality, values in YT8M_MINI_REFERENCE.items():
        real |= {f"{modality}_{name}": value / 100 for name, value in zip(names, values, strict=True)}
    drawn = []
    for seed in range(3):
        data = simulated("yt8m-mini", seed=seed)
        statistics = set_statistics(data)
        for modality in MODALITIES:
            metrics, _ = linear_reference(data, modality)
            statistics |= {f"{modality}_{name}": getattr(metrics, name) for name in names}
        drawn.append(statistics)
    assert not far_off({key: sum(values[key] for values in drawn) / 3 for key in real}, real)
