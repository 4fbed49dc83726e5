"""The settings that paper, released scripts and the earlier README give, against literal values; recipes by scale."""

from __future__ import annotations

from dataclasses import replace

import pytest
from training_helpers import small

from hypav.alignment import Adaptive
from hypav.data.yt8m import YT8M_NAME
from hypav.errors import SettingError
from hypav.experiments import configs
from hypav.experiments.configs import (
    RECIPES,
    SOURCES,
    CurvatureSettings,
    curvature_settings,
    published_settings,
    recipe_for,
)

# VGGSound, UCF, ActivityNet; k < 0 is hyperbolic: the released code and its README write -k
GIVEN = {
    ("paper", "main", "k"): (-0.5, -0.2, -0.2),
    ("paper", "cls", "k"): (-0.1, -0.2, -0.2),
    ("paper", "main", "N_c"): (2, 3, 2),
    ("paper", "cls", "N_c"): (3, 2, 3),
    ("paper", "main", "single"): (-0.4, -0.4, -0.4),
    ("paper", "cls", "single"): (-0.4, -0.4, -0.4),
    ("paper", "main", "multiple"): (-0.4, -0.4, -0.4),
    ("paper", "cls", "multiple"): (-0.4, -0.4, -0.4),
    ("readme-2023", "main", "k"): (-0.46, -0.15, -0.20),
    ("readme-2023", "cls", "k"): (-0.09, -0.19, -0.22),
    ("readme-2023", "main", "N_c"): (2, 3, 2),
    ("readme-2023", "cls", "N_c"): (3, 2, 3),
    ("readme-2023", "main", "single"): (-0.03, -0.34, -0.37),
    ("readme-2023", "cls", "single"): (-0.05, -0.13, -0.11),
    ("readme-2023", "main", "multiple"): (-0.36, -0.50, -0.37),
    ("readme-2023", "cls", "multiple"): (-0.04, -0.43, -0.13),
    ("released", "main", "k"): (-0.01, -0.01, -0.01),
    ("released", "cls", "k"): (-0.01, -0.01, -0.01),
}
SETS = ("VGGSound-GZSL", "UCF-GZSL", "ActivityNet-GZSL")
KEYS = [(dataset, features) for features in ("main", "cls") for dataset in SETS]


def value(given: CurvatureSettings, name: str) -> float:
    if name == "k":
        return given.hyper_alignment
    adaptive = given.hyper_single if name == "single" else given.hyper_multiple
    assert adaptive is not None
    return adaptive.N_c if name == "N_c" else adaptive.c_0


def test_the_curvatures_that_each_source_gives() -> None:
    for source, features, name in GIVEN:
        found = [value(curvature_settings((dataset, features), source), name) for dataset in SETS]
        assert tuple(found) == GIVEN[source, features, name]


def test_who_gives_what() -> None:
    for key in KEYS:
        released = curvature_settings(key, "released")
        assert released.hyper_single is None  # no script runs them
        assert released.hyper_multiple is None
        for source, text in SOURCES.items():
            assert curvature_settings(key, source).source == text
        for source in ("paper", "readme-2023"):
            single = curvature_settings(key, source).hyper_single
            assert single == Adaptive(1, single.c_0)


SCHEDULE = {"epochs": 50, "batches": 500, "lr": 1e-3, "weight_decay": 1e-5, "patience": 3}
SIZES = {
    "dim_phi": 300,
    "dim_theta": 64,
    "hidden_enc": 512,
    "hidden_proj": 512,
    "heads": 3,
    "head_dim": 100,
    "dim_mlp": 64,
}
RATES = {  # batch size, dropouts of encoders, projectors and decoders, momentum of the last batch norm
    ("VGGSound-GZSL", "main"): (64, 0.0, 0.0, 0.1, 0.1),
    ("UCF-GZSL", "main"): (256, 0.2, 0.3, 0.5, 0.1),
    ("ActivityNet-GZSL", "main"): (256, 0.2, 0.2, 0.1, 0.99),
    ("VGGSound-GZSL", "cls"): (256, 0.0, 0.0, 0.0, 0.99),
    ("UCF-GZSL", "cls"): (256, 0.2, 0.3, 0.5, 0.99),
    ("ActivityNet-GZSL", "cls"): (256, 0.2, 0.2, 0.1, 0.99),
}


def test_every_setting_of_a_set_in_one_list() -> None:
    for key in KEYS:
        rows = published_settings(key)
        assert all((row.dataset, row.features) == key and row.source for row in rows)
        shared = {row.name: row.value for row in rows if row.method == "all"}
        names = ("batch_size", "dropout_enc", "dropout_proj", "dropout_dec", "momentum")
        rates = dict(zip(names, RATES[key], strict=True))
        assert shared == {**SCHEDULE, **SIZES, **rates}
        by_source = {(row.method, row.name, row.source): row.value for row in rows if row.method != "all"}
        assert len(by_source) == len(rows) - len(shared)
        given = curvature_settings(key, "readme-2023")
        assert by_source["Hyper-single", "c_0", "readme-2023"] == value(given, "single")
        assert by_source["Hyper-multiple", "N_c", "paper"] == value(curvature_settings(key), "N_c")
        assert by_source["Hyper-alignment", "k", "released"] == -0.01
        assert ("Hyper-single", "c_0", "released") not in by_source
        assert by_source["all hyperbolic", "weight", "paper"] == 1
        assert by_source["all hyperbolic", "weight", "released"] == 1e-3


def test_an_unknown_set_or_source_is_one_sentence() -> None:
    for key, source, match in [
        (("UCF-GZSL", "clip"), "paper", "no set"),
        (("UCF-GZSL", "main"), "readme", "choose paper, released, readme-2023"),
    ]:
        with pytest.raises(SettingError, match=match) as error:
            curvature_settings(key, source)
        assert "\n" not in str(error.value)


def test_a_set_has_a_recipe_at_each_scale() -> None:
    mine = replace(small(), simulated=False, name="mine")
    mini, paper = replace(mine, name=YT8M_NAME), replace(mine, paper_key=("ActivityNet-GZSL", "cls"))
    modelled = replace(small(), modelled_on=("VGGSound-GZSL", "cls"))
    for data, names in (
        (small(), ("course", "course", "ucf-main")),
        (modelled, ("course", "course", "vggsound-cls")),
        (mine, ("course", "course", "ucf-main")),  # few samples
        (mini, ("yt8m-mini", "yt8m-mini-course", "yt8m-mini")),
        (paper, ("activitynet-cls", "course", "activitynet-cls")),
    ):
        assert tuple(recipe_for(data, scale=scale).name for scale in (None, "course", "full")) == names
        assert [recipe_for(data, scale=scale).scale for scale in ("course", "full")] == ["course", "full"]
    assert recipe_for(small(), "vggsound-cls", scale="course").name == "vggsound-cls"  # a name is a name
    for arguments, match in (
        ({"scale": "half"}, 'choose "course" or "full"'),
        ({"recipe": "vgg"}, "no recipe 'vgg'"),
    ):
        with pytest.raises(SettingError, match=match):
            recipe_for(small(), **arguments)


def test_a_large_set_of_your_own_gets_the_long_recipe(monkeypatch: pytest.MonkeyPatch) -> None:
    mine = replace(small(), simulated=False, name="mine")
    monkeypatch.setattr(configs, "SMALL", len(mine.splits["stage_1_train"]))
    assert recipe_for(mine).name == "ucf-main"


def test_a_changed_recipe() -> None:
    recipe = RECIPES["ucf-main"].changed({"epochs": 3, "dropout_enc": 0.0, "lr": None})
    assert (recipe.train.epochs, recipe.network["dropout_enc"], recipe.train.lr) == (3, 0.0, 1e-3)
    assert recipe.name == "ucf-main with epochs 3, dropout_enc 0.0"
    assert RECIPES["ucf-main"].train.epochs == 50
    with pytest.raises(SettingError, match="no setting 'epoch'"):
        recipe.changed({"epoch": 3})


def test_the_course_recipes_are_the_long_ones_made_small() -> None:
    for name, full in (("yt8m-mini-course", "yt8m-mini"), ("course", "ucf-main")):
        course, long = RECIPES[name], RECIPES[full]
        rates = ("dropout_enc", "dropout_proj", "momentum")
        assert {rate: course.network[rate] for rate in rates} == {rate: long.network[rate] for rate in rates}
        assert (course.network["hidden_enc"], course.network["hidden_proj"]) == (0, 0)
        assert course.train.epochs * course.train.batches <= 100
        assert course.train.weight_decay == long.train.weight_decay
